"""Word2Vec: vectors of words, or of any tokens, from the company they keep."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any, Self

import numpy as np

from wyrm.feeds.tokens import ArrayTokens
from wyrm.history import History
from wyrm.models.keyed_vectors import KeyedVectors
from wyrm.models.word2vec_callbacks import ForGensim, Recorder, adapted
from wyrm.models.word2vec_files import Word2VecFiles
from wyrm.models.word2vec_graph import Tables, WindowGraph, initial_vectors
from wyrm.models.word2vec_queries import Word2VecQueries
from wyrm.optim import SGD, LinearDecay
from wyrm.parameter import HogwildParameter
from wyrm.text.corpus import Counts, TextCorpus, as_corpus
from wyrm.text.stream import TextTokens
from wyrm.text.vocabulary import Rule, Vocabulary, count_corpus
from wyrm.threads import usable_threads
from wyrm.trainer import Trainer
from wyrm.watch import checked_count

TOKENS_PER_THREAD = 10_000  # fewer are not worth a thread
BYTES_PER_TOKEN = 6


class Word2Vec(Word2VecFiles, Word2VecQueries):
    """Vectors of tokens, learned from their neighbours in a corpus.

    Skip-gram and CBOW with negative sampling or hierarchical softmax, as a graph that :class:`wyrm.Trainer` trains.
    Parameters, methods and defaults are those of gensim's ``Word2Vec``, with `vectors` in ``model.wv``.

    Parameters
    ----------
    sentences : path, list of paths, or iterable of token lists, optional
        Trains on this corpus at once; see :meth:`fit` for what it may be.
    corpus_file : path or list of paths, optional
        The same, for text files.
    vector_size : int, default 100
    alpha : float, default 0.025
        Learning rate at the start.
    window : int, default 5
        Neighbours on each side at most.
    min_count : int, default 5
        Leaves out tokens that occur fewer times.
    max_vocab_size : int, optional
        Bounds the memory for counting, see :meth:`wyrm.text.Vocabulary.count`.
    sample : float, default 1e-3
        Leaves out more frequent tokens at random; 0 keeps all.
    seed : int, default 1
    workers : int, optional
        Threads; default: all cores this process may use. With one, training repeats bit for bit.
    min_alpha : float, default 0.0001
        Learning rate at the end; it falls in a straight line.
    sg : {0, 1}, default 0
        1: skip-gram, a token predicts each neighbour; 0: CBOW, the neighbours together predict the token.
    hs : {0, 1}, default 0
        1: hierarchical softmax.
    negative : int, default 5
        Tokens drawn at random as negatives; 0: no negative sampling.
    ns_exponent : float, default 0.75
        They are drawn in proportion to ``count ** ns_exponent``.
    cbow_mean : {0, 1}, default 1
        1: the mean of the neighbours, 0: their sum.
    epochs : int, default 5
    trim_rule : callable, optional
        ``rule(token, count, min_count)``: 1 leaves a token out, 2 keeps it, 0 leaves it to `min_count`.
    compute_loss : bool, default False
        For gensim's scripts; the loss is always there, in :attr:`history`.
    callbacks : sequence, optional
        For the training that `sentences` or `corpus_file` start, see :meth:`train`.
    max_final_vocab : int, optional
        Raises `min_count` until no more tokens than this are left.
    shrink_windows : bool, default True
        Draws the size of each window from 1 to `window`, which weighs near neighbours more.
    shared_negatives : bool, default True
        Negatives are drawn for a window (skip-gram) or a few windows in a row (CBOW), which is faster; False draws them
        for each pair of a token and what predicts it.
    deterministic : bool, default False
        The same vectors bit for bit for any number of `workers`, of which only one trains.

    Attributes
    ----------
    wv : KeyedVectors
        The vectors; their matrix is the one that is trained.
    history : History
        Of all training: ``history.loss`` has the mean loss by pair for each epoch.
    corpus_count : int
        Sentences of the corpus that the vocabulary was last built from.
    corpus_total_words : int
        Tokens of that corpus.

    References
    ----------
    Mikolov, Chen, Corrado and Dean, "Efficient estimation of word representations in vector space", 2013. Mikolov,
    Sutskever, Chen, Corrado and Dean, "Distributed representations of words and phrases and their compositionality",
    NeurIPS 2013.

    Examples
    --------
    >>> from wyrm.models import Word2Vec
    >>> sentences = [["graph", "minors", "trees"], ["graph", "minors", "survey"]] * 50
    >>> model = Word2Vec(vector_size=8, window=2, negative=2, sample=0, seed=0, workers=1).fit(sentences)
    >>> model.wv["graph"].shape
    (8,)
    >>> len(model.wv.most_similar("graph", topn=2))
    2
    """

    def __init__(
        self,
        sentences: Any = None,
        corpus_file: Any = None,
        vector_size: int = 100,
        alpha: float = 0.025,
        window: int = 5,
        min_count: int = 5,
        max_vocab_size: int | None = None,
        sample: float = 1e-3,
        seed: int = 1,
        workers: int | None = None,
        min_alpha: float = 0.0001,
        sg: int = 0,
        hs: int = 0,
        negative: int = 5,
        ns_exponent: float = 0.75,
        cbow_mean: int = 1,
        epochs: int = 5,
        trim_rule: Rule | None = None,
        compute_loss: bool = False,
        callbacks: Iterable[Any] = (),
        max_final_vocab: int | None = None,
        shrink_windows: bool = True,
        shared_negatives: bool = True,
        deterministic: bool = False,
    ) -> None:
        self.vector_size = vector_size
        self.alpha = alpha
        self.window = window
        self.min_count = min_count
        self.max_vocab_size = max_vocab_size
        self.sample = sample
        self.seed = seed
        self.workers = workers
        self.min_alpha = min_alpha
        self.sg = sg
        self.hs = hs
        self.negative = negative
        self.ns_exponent = ns_exponent
        self.cbow_mean = cbow_mean
        self.epochs = epochs
        self.trim_rule = trim_rule
        self.compute_loss = compute_loss
        self.max_final_vocab = max_final_vocab
        self.shrink_windows = shrink_windows
        self.shared_negatives = shared_negatives
        self.deterministic = deterministic
        self.history = History()
        self.corpus_count = 0
        self.corpus_total_words = 0
        self.effective_min_count = min_count
        self.train_count = 0
        self._check()
        self.wv = KeyedVectors(self.vector_size)
        self._graph: WindowGraph | None = None
        self._vocabulary: Vocabulary | None = None
        if sentences is not None or corpus_file is not None:
            self.fit(sentences, corpus_file=corpus_file, callbacks=callbacks)

    # --- Vocabulary ----------------------------------------------------------------------------------------------

    def build_vocab(
        self,
        corpus: Any = None,
        update: bool = False,
        *,
        corpus_file: Any = None,
        trim_rule: Rule | None = None,
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

        Returns
        -------
        Word2Vec
            The model itself.

        Raises
        ------
        RuntimeError
            If there is nothing to update.
        """
        self._check()
        counted = count_corpus(_given(corpus, corpus_file), self.max_vocab_size, self.workers)
        return self._take_counts(counted, update, self.trim_rule if trim_rule is None else trim_rule)

    def build_vocab_from_freq(self, word_freq: Mapping[Any, int], update: bool = False) -> Self:
        """Take a vocabulary from known counts.

        Parameters
        ----------
        word_freq : dict of token to int
        update : bool, default False
            As in :meth:`build_vocab`.

        Returns
        -------
        Word2Vec
            The model itself.
        """
        self._check()
        keys = list(word_freq)
        counts = np.array([word_freq[key] for key in keys], dtype=np.int64)
        numbers = np.arange(len(keys), dtype=np.int64)
        counted = Counts(counts, numbers, lambda chosen: [keys[i] for i in chosen], int(counts.sum()), 0)
        return self._take_counts(counted, update, self.trim_rule)

    def _take_counts(self, counted: Counts, update: bool, rule: Rule | None) -> Self:
        old = self._vocabulary
        if update and old is None:
            raise RuntimeError(
                "Word2Vec.build_vocab: there is no vocabulary to update yet; build one with update=False first"
            )
        if old is not None and update:
            vocabulary = old.grown(counted, self.min_count, rule)
        else:
            vocabulary = Vocabulary.select(counted, self.min_count, self.max_final_vocab, rule)
        self.corpus_count, self.corpus_total_words = counted.n_sentences, counted.n_tokens
        self.effective_min_count = vocabulary.min_count
        tables = self._tables(len(vocabulary), 0 if old is None or not update else len(old))
        self._use(vocabulary, tables)
        return self

    def _tables(self, n: int, known: int) -> Tables | None:
        """Tables for n tokens, the first of which are known."""
        if n == 0:
            return None
        if self._graph is not None and known == n:
            return self._graph.tables
        new = initial_vectors(n - known, self.vector_size, self.seed, known)
        if self._graph is not None and known:
            return self._graph.tables.grown(new)
        return Tables(
            HogwildParameter(new),
            HogwildParameter(np.zeros_like(new)) if self.negative else None,
            HogwildParameter(np.zeros_like(new)) if self.hs else None,
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

    # --- Training ------------------------------------------------------------------------------------------------

    def fit(
        self, corpus: Any = None, *, corpus_file: Any = None, callbacks: Iterable[Any] = (), verbose: int = 0
    ) -> Self:
        """Build the vocabulary of a corpus and train on it.

        Parameters
        ----------
        corpus : path, list of paths, or iterable of token lists
            Text in UTF-8 of any size, a sentence to a line, words between whitespace; compressed with gzip, xz or bzip2
            or not. Or sentences as sequences of tokens: strings, or anything hashable, such as the numbers of items.
        corpus_file : path or list of paths, optional
            Instead of `corpus`.
        callbacks : sequence, optional
            See :meth:`train`.
        verbose : int, default 0
            1 shows progress.

        Returns
        -------
        Word2Vec
            The model itself.

        Raises
        ------
        TypeError
            If the corpus is something else, such as a generator, which is used up when its tokens are counted.
        RuntimeError
            If no token occurs `min_count` times.
        OSError
            If a file can't be read.
        """
        self._check()
        source = _given(corpus, corpus_file, 1 + self.epochs)
        self.build_vocab(source)
        self.train(source, self.epochs, callbacks=callbacks, verbose=verbose)
        return self

    def partial_fit(self, corpus: Any, *, callbacks: Iterable[Any] = (), verbose: int = 0) -> Self:
        """Train once over some more text at the learning rate `alpha`, after adding its tokens to the vocabulary.

        Parameters
        ----------
        corpus, callbacks, verbose : as in :meth:`fit`

        Returns
        -------
        Word2Vec
            The model itself.
        """
        source = _given(corpus, None, 2)
        self.build_vocab(source, update=self._vocabulary is not None)
        self.train(source, 1, start_alpha=self.alpha, end_alpha=self.alpha, callbacks=callbacks, verbose=verbose)
        return self

    def train(
        self,
        corpus: Any = None,
        epochs: int | None = None,
        *,
        corpus_file: Any = None,
        total_examples: int | None = None,
        total_words: int | None = None,
        start_alpha: float | None = None,
        end_alpha: float | None = None,
        compute_loss: bool | None = None,
        callbacks: Iterable[Any] = (),
        verbose: int = 0,
        resume: str | os.PathLike[str] | None = None,
    ) -> tuple[int, int]:
        """Train on a corpus, with the vocabulary there is.

        Parameters
        ----------
        corpus : as in :meth:`fit`
        epochs : int, optional
            Default: the model's.
        corpus_file : path or list of paths, optional
            Instead of `corpus`.
        total_examples, total_words : int, optional
            Taken for gensim's sake; progress follows the corpus itself.
        start_alpha, end_alpha : float, optional
            Learning rates of this call; default: `alpha` and `min_alpha`.
        compute_loss : bool, optional
            For gensim's sake; the loss is always there.
        callbacks : sequence, optional
            Callables and :class:`wyrm.callbacks.Callback`, which get the trainer after each epoch, or objects with
            gensim's ``on_epoch_begin``, ``on_epoch_end``, ``on_train_begin`` and ``on_train_end``, which get the model.
        verbose : int, default 0
            1 shows progress.
        resume : path, optional
            Go on from a checkpoint of :class:`wyrm.callbacks.Checkpoint`; the other arguments must be as before.

        Returns
        -------
        (int, int)
            Tokens that were centres of windows, and tokens passed, over all epochs.

        Raises
        ------
        RuntimeError
            If there is no vocabulary yet.
        ValueError
            If no token of the corpus is in it.
        FloatingPointError
            If the loss becomes infinite.
        KeyboardInterrupt
            On Ctrl-C; the vectors stay usable.
        """
        self._check()
        epochs = self.epochs if epochs is None else epochs
        if self._graph is None or self._vocabulary is None:
            reason = "" if self._vocabulary is None else f" (no token occurs {self._vocabulary.min_count} times)"
            raise RuntimeError(f"you must first build vocabulary before training the model{reason}")
        if compute_loss is not None:
            self.compute_loss = compute_loss
        graph, vocabulary = self._graph, self._vocabulary
        source = _given(corpus, corpus_file)
        with closing(source.stream(vocabulary.keys)) as stream:
            return self._train(graph, stream, epochs, start_alpha, end_alpha, callbacks, verbose, resume)

    def _train(
        self,
        graph: WindowGraph,
        stream: TextTokens | ArrayTokens,
        epochs: int,
        start_alpha: float | None,
        end_alpha: float | None,
        callbacks: Iterable[Any],
        verbose: int,
        resume: str | os.PathLike[str] | None,
    ) -> tuple[int, int]:
        feed = graph.feed(stream)
        rates = LinearDecay(
            self.alpha if start_alpha is None else start_alpha, self.min_alpha if end_alpha is None else end_alpha
        )
        n_threads = self._threads(stream)
        if resume is None:
            trainer = Trainer(
                graph.loss,
                SGD(rates),
                n_threads=n_threads,
                batch_size=graph.batch_size,
                seed=self._train_seed(),
                reduction="sum",
            )
        else:
            trainer = Trainer.resume(resume, graph.loss, SGD(rates), n_threads)
        done = len(trainer.history.loss)
        hooks = adapted(callbacks, self, epochs - done)
        for hook in hooks:
            if isinstance(hook, ForGensim):
                hook.begin()
        try:
            trainer.fit(feed, epochs, callbacks=[Recorder(self, feed), *hooks], verbose=verbose, keep_good=False)
        finally:
            self.wv.norms = None
            self.train_count += 1
        for hook in hooks:
            if isinstance(hook, ForGensim):
                hook.call("on_train_end")
        passed = (
            stream.n_words if isinstance(stream, TextTokens) else stream.n_places * (len(trainer.history.loss) - done)
        )
        return sum(trainer.history.examples[done:]), passed

    def _threads(self, stream: TextTokens | ArrayTokens) -> int:
        if self.deterministic:
            return 1
        n_tokens = stream.n_places // (BYTES_PER_TOKEN if isinstance(stream, TextTokens) else 1)
        workers = usable_threads() if self.workers is None else self.workers
        return max(1, min(workers, n_tokens // TOKENS_PER_THREAD))

    def _train_seed(self) -> int:
        """Another one for each call of train()."""
        return int(np.random.SeedSequence([self.seed, self.train_count]).generate_state(1, np.uint32)[0])

    def __repr__(self) -> str:
        return f"Word2Vec<vocab={len(self.wv)}, vector_size={self.vector_size}, alpha={self.alpha}>"

    def _check(self) -> None:
        """Refuse parameters that make no sense."""
        for name, least in {
            "vector_size": 1,
            "window": 1,
            "min_count": 0,
            "negative": 0,
            "epochs": 1,
            "seed": 0,
        }.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise TypeError(f"Word2Vec: expected an integer as {name}, got {value!r}")
            if value < least:
                raise ValueError(f"Word2Vec: expected {name} >= {least}, got {value}")
        if self.workers is not None:
            checked_count("Word2Vec: workers", self.workers)
        if not self.hs and not self.negative:
            raise ValueError(
                "Word2Vec: you must set either hs or negative to be positive; with hs=0 and negative=0 there is "
                "nothing to train"
            )


def _given(corpus: Any, corpus_file: Any, passes: int = 1) -> Any:
    """The corpus of two arguments, one of which must be there."""
    if (corpus is None) == (corpus_file is None):
        raise TypeError(
            "Word2Vec: expected either a corpus or corpus_file=, got " + ("none" if corpus is None else "both")
        )
    if corpus_file is not None:
        return TextCorpus([corpus_file] if isinstance(corpus_file, str | os.PathLike) else list(corpus_file))
    return as_corpus(corpus, passes=passes)
