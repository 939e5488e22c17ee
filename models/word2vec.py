"""Word2Vec: vectors of words, or of any tokens, from the company they keep."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import closing
from typing import Any, Self

import numpy as np

from wyrm.feeds.tokens import ArrayTokens
from wyrm.history import History
from wyrm.models.keyed_vectors import KeyedVectors
from wyrm.models.word2vec_callbacks import ForGensim, Recorder, adapted
from wyrm.models.word2vec_files import Word2VecFiles
from wyrm.models.word2vec_graph import WindowGraph
from wyrm.models.word2vec_queries import Word2VecQueries
from wyrm.models.word2vec_vocabulary import VocabularyError, Word2VecVocabulary, given
from wyrm.optim import SGD, LinearDecay
from wyrm.text.corpus import Counts, TextCorpus
from wyrm.text.stream import TextTokens
from wyrm.text.vocabulary import Rule, Vocabulary
from wyrm.threads import usable_threads
from wyrm.trainer import Trainer
from wyrm.watch import checked_count

logger = logging.getLogger(__name__)

TOKENS_PER_THREAD = 10_000  # fewer are not worth a thread


class Word2Vec(Word2VecVocabulary, Word2VecFiles, Word2VecQueries):
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
        For all training that is not given others, see :meth:`train`. They are not saved with the model.
    max_final_vocab : int, optional
        Raises `min_count` until no more tokens than this are left.
    shrink_windows : bool, default True
        Draws the size of each window from 1 to `window`, which weighs near neighbours more.
    shared_negatives : bool, default True
        Negatives are chosen for a window, and where the table is larger than 4 MB among recent draws, each of which
        serves about eight windows (``reuse`` of :class:`wyrm.feeds.WindowFeed`), which is faster; False draws them for
        each pair of a token and what predicts it.
    deterministic : bool, default False
        The same vectors bit for bit for any number of `workers`, of which only one trains.
    comment : str, optional
        Whatever you like; it is saved with the model.
    hashfxn, batch_words, sorted_vocab, null_word : optional
        Of gensim, without effect: there is no hashing, no batching in Python, and tokens are always sorted by how often
        they occur. A `sorted_vocab` of 0 or a `null_word` is refused.

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
        *,
        comment: str | None = None,
        hashfxn: Any = None,
        batch_words: int | None = None,
        sorted_vocab: int = 1,
        null_word: int = 0,
    ) -> None:
        if not sorted_vocab or null_word:
            raise ValueError(
                f"Word2Vec: expected sorted_vocab=1 and null_word=0, got {sorted_vocab!r} and {null_word!r}; tokens "
                f"are sorted by how often they occur, and none is added to them"
            )
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
        self.callbacks = tuple(callbacks)
        self.comment = comment
        self.history = History()
        self.corpus_count = 0
        self.corpus_total_words = 0
        self.effective_min_count = min_count
        self.train_count = 0
        self.min_alpha_yet_reached = alpha
        self.running_training_loss = 0.0
        self._check()
        self.wv = KeyedVectors(self.vector_size)
        self._graph: WindowGraph | None = None
        self._vocabulary: Vocabulary | None = None
        self._counted: Counts | None = None
        if sentences is not None or corpus_file is not None:
            self.fit(sentences, corpus_file=corpus_file)

    def fit(
        self, corpus: Any = None, *, corpus_file: Any = None, callbacks: Iterable[Any] | None = None, verbose: int = 0
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
        source = given(corpus, corpus_file, passes=1 + self.epochs)
        self.build_vocab(source)
        self.train(source, self.epochs, callbacks=callbacks, verbose=verbose)
        return self

    def partial_fit(self, corpus: Any, *, callbacks: Iterable[Any] | None = None, verbose: int = 0) -> Self:
        """Train once over some more text at the learning rate `alpha`, after adding its tokens to the vocabulary.

        Parameters
        ----------
        corpus, callbacks, verbose : as in :meth:`fit`

        Returns
        -------
        Word2Vec
            The model itself.
        """
        source = given(corpus, None, passes=2)
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
        callbacks: Iterable[Any] | None = None,
        verbose: int = 0,
        resume: str | os.PathLike[str] | None = None,
        corpus_iterable: Any = None,
        word_count: int = 0,
        queue_factor: int = 2,
        report_delay: float = 1.0,
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
            Default: those of the constructor.
        verbose : int, default 0
            1 shows progress.
        resume : path, optional
            Go on from a checkpoint of :class:`wyrm.callbacks.Checkpoint`; the other arguments must be as before.
        corpus_iterable : iterable of token lists, optional
            gensim's name for `corpus`.
        word_count, queue_factor, report_delay : optional
            Of gensim, without effect.

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
        graph = self._live_graph()
        if len(self.wv) < 2:
            raise VocabularyError(
                f"Word2Vec: expected two different tokens or more to train on, there are {self.wv.index_to_key}"
            )
        graph.tables.vectors.gradient_factors = self._row_factors()
        if self.hs and self.negative:
            logger.warning(
                "Both hierarchical softmax and negative sampling are activated. This is probably a mistake: set hs=0 "
                "or negative=0 to have one of them."
            )
        if start_alpha is None and self.alpha > self.min_alpha_yet_reached:
            logger.warning(
                "Effective 'alpha' higher than previous training cycles: %g after %g",
                self.alpha,
                self.min_alpha_yet_reached,
            )
        if compute_loss is not None:
            self.compute_loss = compute_loss
        source = given(corpus, corpus_file, corpus_iterable)
        rates = LinearDecay(
            self.alpha if start_alpha is None else start_alpha, self.min_alpha if end_alpha is None else end_alpha
        )
        with closing(source.stream(self.wv.index_to_key)) as stream:
            hooks = self.callbacks if callbacks is None else callbacks
            counts = self._train(graph, stream, epochs, rates, hooks, verbose, resume)
        # Of a text, which was read while it was trained on, it shows only now.
        if not counts[0] and isinstance(source, TextCorpus) and not len(source.encode(self.wv.index_to_key)[0]):
            raise ValueError("corpus: expected one with tokens of the vocabulary, found none of them")
        return counts

    def _train(
        self,
        graph: WindowGraph,
        stream: TextTokens | ArrayTokens,
        epochs: int,
        rates: LinearDecay,
        callbacks: Iterable[Any],
        verbose: int,
        resume: str | os.PathLike[str] | None,
    ) -> tuple[int, int]:
        feed = graph.feed(stream)
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
        self.running_training_loss = 0.0
        hooks = adapted(callbacks, self, epochs - done)
        for hook in hooks:
            if isinstance(hook, ForGensim):
                hook.begin()
        try:
            trainer.fit(feed, epochs, callbacks=[Recorder(self, feed), *hooks], verbose=verbose, keep_good=False)
        finally:
            self.wv.norms = None
            self.train_count += 1
            self.min_alpha_yet_reached = min(self.min_alpha_yet_reached, rates(1.0))
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
        n_tokens = stream.n_places // stream.spacing
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
        for name in ("alpha", "min_alpha", "sample", "ns_exponent"):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, int | float | np.integer | np.floating):
                raise TypeError(f"Word2Vec: expected a number as {name}, got {number!r}")
            expected = "a finite ns_exponent" if name == "ns_exponent" else f"a finite {name} >= 0"
            if not np.isfinite(number) or (number < 0 and name != "ns_exponent"):
                raise ValueError(f"Word2Vec: expected {expected}, got {number}")
        for name in ("sg", "hs", "cbow_mean"):
            if getattr(self, name) not in (0, 1):
                raise ValueError(f"Word2Vec: expected 0 or 1 as {name}, got {getattr(self, name)!r}")
        if self.workers is not None:
            checked_count("Word2Vec: workers", self.workers)
        if not self.hs and not self.negative:
            raise ValueError(
                "Word2Vec: you must set either hs or negative to be positive; with hs=0 and negative=0 there is "
                "nothing to train"
            )
