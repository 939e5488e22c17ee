"""The vocabulary of Word2Vec, and the tables that go with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wyrm.feeds.windows import keep_thresholds
from wyrm.models.keyed_vectors import KeyedVectors
from wyrm.models.word2vec_graph import Tables, WindowGraph, initial_vectors, threshold
from wyrm.parameter import HogwildParameter
from wyrm.text.corpus import Counts, SequenceCorpus, TextCorpus, as_corpus
from wyrm.text.huffman import huffman_paths
from wyrm.text.vocabulary import Rule, Vocabulary, count_corpus


class VocabularyError(RuntimeError, ValueError):
    """The vocabulary is missing, empty, or not that of the vectors."""


class Word2VecVocabulary:
    """Counts tokens, and makes room for their vectors."""

    wv: KeyedVectors
    vector_size: int
    alpha: float
    window: int
    min_count: int
    max_vocab_size: int | None
    max_final_vocab: int | None
    sample: float
    seed: int
    workers: int | None
    sg: int
    hs: int
    negative: int
    ns_exponent: float
    cbow_mean: int
    shrink_windows: bool
    shared_negatives: bool
    trim_rule: Rule | None
    corpus_count: int
    corpus_total_words: int
    effective_min_count: int
    min_alpha_yet_reached: float
    _graph: WindowGraph | None
    _vocabulary: Vocabulary | None
    _counted: Counts | None

    def build_vocab(
        self,
        corpus: Any = None,
        update: bool = False,
        *,
        corpus_file: Any = None,
        trim_rule: Rule | None = None,
        corpus_iterable: Any = None,
        progress_per: int | None = None,
        keep_raw_vocab: bool = False,
    ) -> Self:
        """Count a corpus, and make a vector for each token that is frequent enough.

        Parameters
        ----------
        corpus : path, list of paths, or iterable of token lists
            See :meth:`fit`.
        update : bool, default False
            Keep the vocabulary there is, with its vectors, and add new tokens to it.
        corpus_file : path or list of paths, optional
            Instead of `corpus`.
        trim_rule : callable, optional
            Instead of the model's.
        corpus_iterable : iterable of token lists, optional
            gensim's name for `corpus`.
        progress_per, keep_raw_vocab : optional
            Of gensim, without effect.

        Returns
        -------
        Word2Vec
            The model itself.

        Raises
        ------
        RuntimeError
            If there is nothing to update.
        """
        self.scan_vocab(corpus, corpus_file, corpus_iterable=corpus_iterable)
        self.prepare_vocab(update, trim_rule=trim_rule)
        return self

    def build_vocab_from_freq(
        self,
        word_freq: Mapping[Any, int],
        keep_raw_vocab: bool = False,
        corpus_count: int | None = None,
        trim_rule: Rule | None = None,
        update: bool = False,
    ) -> Self:
        """Take a vocabulary from known counts.

        Parameters
        ----------
        word_freq : dict of token to int
        keep_raw_vocab : bool
            Of gensim, without effect.
        corpus_count : int, optional
            Sentences of the corpus that was counted.
        trim_rule, update : as in :meth:`build_vocab`

        Returns
        -------
        Word2Vec
            The model itself.
        """
        keys = list(word_freq)
        counts = np.array([word_freq[key] for key in keys], dtype=np.int64)
        numbers = np.arange(len(keys), dtype=np.int64)
        self._counted = Counts(
            counts, numbers, lambda chosen: [keys[i] for i in chosen], int(counts.sum()), corpus_count or 0
        )
        self.prepare_vocab(update, trim_rule=trim_rule)
        return self

    def scan_vocab(
        self,
        corpus: Any = None,
        corpus_file: Any = None,
        progress_per: int | None = None,
        workers: int | None = None,
        *,
        corpus_iterable: Any = None,
    ) -> tuple[int, int]:
        """Count a corpus, the first half of :meth:`build_vocab`.

        Parameters
        ----------
        corpus, corpus_file, corpus_iterable, progress_per : as in :meth:`build_vocab`
        workers : int, optional
            Default: the model's.

        Returns
        -------
        (int, int)
            Tokens, and sentences.
        """
        self._check()
        source = given(corpus, corpus_file, corpus_iterable)
        self._counted = count_corpus(source, self.max_vocab_size, self.workers if workers is None else workers)
        return self._counted.n_tokens, self._counted.n_sentences

    def prepare_vocab(
        self,
        update: bool = False,
        keep_raw_vocab: bool = False,
        trim_rule: Rule | None = None,
        min_count: int | None = None,
        sample: float | None = None,
        dry_run: bool = False,
    ) -> dict[str, int]:
        """Choose among the tokens that :meth:`scan_vocab` counted, and make their vectors.

        Parameters
        ----------
        update, trim_rule : as in :meth:`build_vocab`
        keep_raw_vocab : bool
            Of gensim, without effect.
        min_count, sample : optional
            Take the place of the model's, unless it is a dry run.
        dry_run : bool, default False
            Only tell what would be chosen.

        Returns
        -------
        dict of str to int
            ``num_retained_words``, ``retain_total`` and ``drop_unique``: different tokens that are kept, how often they
            occur, and different ones that are dropped; ``downsample_unique`` and ``downsample_total``: how many of
            those kept `sample` leaves out at times, and how many tokens about are left of the text.

        Raises
        ------
        RuntimeError
            If nothing was counted, or there is nothing to update.
        """
        if self._counted is None:
            raise VocabularyError("Word2Vec.prepare_vocab: expected tokens that scan_vocab has counted")
        least, sample = (self.min_count if min_count is None else min_count), self.sample if sample is None else sample
        rule, old, counted = self.trim_rule if trim_rule is None else trim_rule, self._vocabulary, self._counted
        if update and old is None:
            raise VocabularyError(
                "Word2Vec.build_vocab: there is no vocabulary to update yet; build one with update=False first"
            )
        chosen = Vocabulary.select(counted, least, self.max_final_vocab, rule)
        vocabulary = old.grown(counted, least, rule) if old is not None and update else chosen
        report = _report(chosen, len(counted.counts), sample)
        if dry_run:
            return report
        if self.hs and len(vocabulary) == 1:
            raise VocabularyError(
                f"Word2Vec: expected two different tokens or more for a hierarchical softmax, found {vocabulary.keys}"
            )
        self.min_count, self.sample, self._counted = least, sample, None
        self._check()
        self.corpus_count, self.corpus_total_words = counted.n_sentences, counted.n_tokens
        self.effective_min_count = vocabulary.min_count
        known, before = len(old) if old is not None and update else 0, self.wv
        self._use(vocabulary, self._tables(len(vocabulary), known))
        if known:
            self.wv._inherit(before)
        return report

    def init_weights(self) -> None:
        """Forget what was learned, but not the vocabulary.

        Raises
        ------
        RuntimeError
            If there is no vocabulary.
        """
        if self._vocabulary is None:
            raise VocabularyError("you must first build vocabulary before its vectors can be made")
        self._use(self._vocabulary, self._tables(len(self._vocabulary), 0))

    def reset_from(self, other_model: Word2VecVocabulary) -> None:
        """Take over the vocabulary of another model, not what it has learned.

        Parameters
        ----------
        other_model : Word2Vec

        Raises
        ------
        RuntimeError
            If it has no vocabulary.
        """
        if not isinstance(other_model, Word2VecVocabulary):
            raise TypeError(f"Word2Vec.reset_from: expected another Word2Vec, got {type(other_model).__name__}")
        if other_model._vocabulary is None:
            raise VocabularyError("Word2Vec.reset_from: expected a model with a vocabulary")
        self.corpus_count, self.corpus_total_words = other_model.corpus_count, other_model.corpus_total_words
        self.effective_min_count = other_model.effective_min_count
        self._vocabulary = other_model._vocabulary
        self.init_weights()

    def estimate_memory(self, vocab_size: int | None = None) -> dict[str, int]:
        """The memory that a model takes, its vocabulary roughly.

        Parameters
        ----------
        vocab_size : int, optional
            Tokens; default: those there are.

        Returns
        -------
        dict of str to int
            Bytes of the ``vocab``, the tables ``vectors``, ``syn1`` and ``syn1neg``, and in ``total``.
        """
        n = len(self.wv) if vocab_size is None else vocab_size
        table = 4 * n * self.vector_size
        report = {"vocab": 200 * n, "vectors": table}
        if self.hs:
            report["syn1"] = table
        if self.negative:
            report["syn1neg"] = table
        return report | {"total": sum(report.values())}

    def _tables(self, n: int, known: int) -> Tables | None:
        """Tables for n tokens, the first of which are known."""
        if n == 0:
            return None
        if known:
            self._live_graph()
        if self._graph is not None and known == n:
            return self._graph.tables
        new = initial_vectors(n - known, self.vector_size, self.seed, known)
        if self._graph is not None and known:
            return self._graph.tables.grown(new)
        self.min_alpha_yet_reached = self.alpha
        zeros = np.broadcast_to(np.float32(0), new.shape)  # takes no memory
        vectors = HogwildParameter(new)
        del new  # as large as a table, and copied by now
        return Tables(
            vectors,
            HogwildParameter(zeros) if self.negative else None,
            HogwildParameter(zeros) if self.hs else None,
        )

    def _use(self, vocabulary: Vocabulary, tables: Tables | None) -> None:
        """Take over a vocabulary and its tables; the graph is built anew."""
        self._vocabulary = vocabulary
        if tables is None:
            self._graph = None
            self.wv = KeyedVectors(self.vector_size)
            return
        self._graph = WindowGraph(
            tables,
            vocabulary.counts,
            sg=bool(self.sg),
            negative=self.negative,
            shared_negatives=bool(self.shared_negatives),
            window=self.window,
            shrink_windows=bool(self.shrink_windows),
            ns_exponent=self.ns_exponent,
            cbow_mean=bool(self.cbow_mean),
            sample=self.sample,
        )
        self.wv = KeyedVectors.from_arrays(vocabulary.keys, tables.vectors.value, count=vocabulary.counts)
        if self.hs:
            paths = huffman_paths(vocabulary.counts)
            self.wv.computed = {"code": partial(_code, paths), "point": partial(_point, paths)}

    def _live_graph(self) -> WindowGraph:
        """The graph, over tables that have the vectors of `wv`, even if users gave it another matrix."""
        if self._graph is None or self._vocabulary is None:
            raise VocabularyError(f"you must first build vocabulary before training the model{self._why_empty()}")
        live = self._graph.tables.vectors.value
        if self.wv.vectors.__array_interface__ != live.__array_interface__:
            if self.wv.index_to_key != self._vocabulary.keys or self.wv.vectors.shape != live.shape:
                raise VocabularyError(
                    f"Word2Vec: expected vectors in wv for the {len(self._vocabulary)} tokens of the vocabulary, in "
                    f"its order, found {len(self.wv)} of {self.wv.vector_size} numbers; new tokens join by "
                    f"build_vocab(…, update=True)"
                )
            live[:] = self.wv.vectors
            self.wv.vectors = live
        return self._graph

    def _row_factors(self) -> npt.NDArray[np.float32] | None:
        """What the gradients of vectors are multiplied by: `vectors_lockf` for each of them, None for ones."""
        factors = self.wv.vectors_lockf
        if len(factors) not in (1, len(self.wv)):
            raise ValueError(
                f"Word2Vec: expected one number in wv.vectors_lockf, or one for each of {len(self.wv)} tokens, found "
                f"{len(factors)}"
            )
        return None if (factors == 1).all() else np.broadcast_to(factors, len(self.wv))

    def _why_empty(self) -> str:
        if self._vocabulary is None:
            return ""
        if not self.corpus_total_words:
            return " (the corpus has no tokens)"
        meanwhile = "" if self.max_vocab_size is None else f", with max_vocab_size={self.max_vocab_size} to count them"
        return f" (no token occurs {self._vocabulary.min_count} times{meanwhile})"

    def _check(self) -> None:
        raise NotImplementedError


def _report(vocabulary: Vocabulary, n_counted: int, sample: float) -> dict[str, int]:
    total = int(vocabulary.counts.sum())
    stays = np.ones(len(vocabulary))
    if sample and total:
        stays = keep_thresholds(vocabulary.counts, threshold(sample, total)) / 0xFFFFFFFF
    return {
        "drop_unique": n_counted - len(vocabulary),
        "retain_total": total,
        "downsample_unique": int((stays < 1).sum()),
        "downsample_total": int(stays @ vocabulary.counts),
        "num_retained_words": len(vocabulary),
    }


Paths = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.int64]]


def _code(paths: Paths, row: int) -> npt.NDArray[np.uint8]:
    """The turns on the way to a token: 0 to the more frequent side, 1 to the other."""
    _, turns, starts = paths
    return (turns[starts[row] : starts[row + 1]] < 0).astype(np.uint8)


def _point(paths: Paths, row: int) -> npt.NDArray[np.uint32]:
    """The rows of `syn1` on the way to a token."""
    rows, _, starts = paths
    return rows[starts[row] : starts[row + 1]].astype(np.uint32)


def given(corpus: Any, corpus_file: Any, iterable: Any = None, passes: int = 1) -> TextCorpus | SequenceCorpus:
    """The corpus of several arguments, one of which must be there."""
    found = [one for one in (corpus, corpus_file, iterable) if one is not None]
    if len(found) != 1:
        what = "none" if not found else "both" if len(found) == 2 else "all"
        raise TypeError(f"Word2Vec: expected either a corpus or corpus_file=, got {what}")
    if corpus_file is not None:
        return TextCorpus([corpus_file] if isinstance(corpus_file, str | os.PathLike) else list(corpus_file))
    return as_corpus(found[0], passes=passes)
