"""A vocabulary: the tokens of a corpus, numbered by how often they occur."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from wyrm.io.arguments import as_size
from wyrm.text.corpus import Counts, Key, as_corpus

DISCARD, KEEP = 1, 2  # what a rule may say, beside 0: by its count

Rule = Callable[[Key, int, int], int | None]


class Vocabulary:
    """Tokens of a corpus, the most frequent first.

    Tokens that occur equally often stand in the order they first did, so the numbers depend on the corpus alone: not on
    the number of threads, and not on ``PYTHONHASHSEED``.

    Parameters
    ----------
    keys : iterable of hashable
        Distinct tokens, in the order of their numbers.
    counts : array_like of int, shape (len(keys),), optional
        How often each occurs; default: once.

    Attributes
    ----------
    keys : list
        The tokens.
    counts : ndarray of int64
        How often each of them occurs.
    n_tokens : int
        Tokens of the corpus it was counted in, those that were dropped included.
    n_sentences : int
        Sentences of that corpus.
    min_count : int
        How often a token had to occur to be taken in.

    Raises
    ------
    TypeError
        If a key is not hashable.
    ValueError
        If a key is there twice, or counts are negative or not one per key.

    Examples
    --------
    >>> from wyrm.text import Vocabulary
    >>> vocabulary = Vocabulary.count([["to", "be", "or", "not", "to", "be"], ["be", "that"]], min_count=2)
    >>> vocabulary.keys, vocabulary.counts
    (['be', 'to'], array([3, 2]))
    >>> tokens, starts = vocabulary.encode([["to", "be", "that"], ["be"]])
    >>> tokens, starts
    (array([1, 0, 0], dtype=int32), array([0, 2, 3]))
    """

    def __init__(self, keys: Iterable[Key], counts: npt.ArrayLike | None = None) -> None:
        self.keys = list(keys)
        self.index = {key: number for number, key in enumerate(self.keys)}
        if len(self.index) < len(self.keys):
            twice = next(key for number, key in enumerate(self.keys) if self.index[key] != number)
            raise ValueError(f"Vocabulary: expected different keys, got {twice!r} twice")
        array = np.ones(len(self.keys), dtype=np.int64) if counts is None else np.asarray(counts)
        if array.shape != (len(self.keys),) or (array.size and array.dtype.kind not in "iu") or (array < 0).any():
            raise ValueError(f"Vocabulary: expected {len(self.keys)} counts, integers from 0")
        self.counts = array.astype(np.int64)
        self.n_tokens = int(self.counts.sum())
        self.n_sentences = 0
        self.min_count = 1

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: Key) -> bool:
        return key in self.index

    def __getitem__(self, key: Key) -> int:
        """The number of a token; KeyError where there is none."""
        return self.index[key]

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} keys, {int(self.counts.sum())} tokens)"

    @classmethod
    def count(
        cls,
        corpus: Any,
        *,
        min_count: int = 1,
        max_vocab_size: int | None = None,
        max_final_vocab: int | None = None,
        rule: Rule | None = None,
        n_threads: int | None = None,
    ) -> Vocabulary:
        """Count the tokens of a corpus.

        Parameters
        ----------
        corpus : path, list of paths, or iterable of sequences
            Text in UTF-8, of any size, a sentence to a line, words between whitespace (what ``str.split`` takes for
            it), bytes that are no UTF-8 read as U+FFFD; compressed with gzip, xz or bzip2 or not. Or sequences of
            tokens, strings or anything hashable.
        min_count : int, default 1
            Drops tokens that occur fewer times.
        max_vocab_size : int, optional
            Bounds the memory for counting: whenever there are more different tokens after a sentence, the rarest are
            forgotten, those counted once less than twice at first, then less than three times, and so on. Counts are
            then too low for tokens that were forgotten meanwhile. Text is counted by one thread.
        max_final_vocab : int, optional
            Raises `min_count` until no more tokens than this are left.
        rule : callable, optional
            Called as ``rule(key, count, min_count)`` for each token: 1 drops it, 2 keeps it, anything else leaves it to
            `min_count`.
        n_threads : int, optional
            For text files that aren't compressed; default: all cores this process may use.

        Returns
        -------
        Vocabulary

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type or out of its range, or a token is not hashable.
        OSError
            If a file can't be read.
        """
        return cls.select(count_corpus(corpus, max_vocab_size, n_threads), min_count, max_final_vocab, rule)

    @classmethod
    def select(
        cls, counted: Counts, min_count: int = 1, max_final_vocab: int | None = None, rule: Rule | None = None
    ) -> Vocabulary:
        """The vocabulary that is left of what was counted."""
        min_count = as_size(min_count, "min_count")
        if max_final_vocab is not None:
            limit = as_size(max_final_vocab, "max_final_vocab", least=1)
            if limit < len(counted.counts):
                min_count = max(min_count, int(np.sort(counted.counts)[::-1][limit]) + 1)
        kept = counted.counts >= min_count
        if rule is not None:
            for number, key in enumerate(counted.keys()):
                verdict = rule(key, int(counted.counts[number]), min_count)
                kept[number] = verdict == KEEP or (verdict != DISCARD and kept[number])
        numbers = np.flatnonzero(kept)
        numbers = numbers[np.argsort(-counted.counts[numbers], kind="stable")]
        vocabulary = cls(counted.keys(numbers), counted.counts[numbers])
        vocabulary.n_tokens, vocabulary.n_sentences = counted.n_tokens, counted.n_sentences
        vocabulary.min_count = min_count
        return vocabulary

    def grown(self, counted: Counts, min_count: int = 1, rule: Rule | None = None) -> Vocabulary:
        """A vocabulary with the tokens of this one, their numbers unchanged, and those new in another corpus behind.

        Counts are added up.
        """
        found = dict(zip(counted.keys(), counted.counts.tolist(), strict=True))
        added = self.select(counted, min_count, None, rule)
        new = [(key, count) for key, count in zip(added.keys, added.counts.tolist(), strict=True) if key not in self]
        old = self.counts + np.array([found.get(key, 0) for key in self.keys], dtype=np.int64)
        vocabulary = Vocabulary(self.keys + [key for key, _ in new], [*old.tolist(), *(count for _, count in new)])
        vocabulary.n_tokens, vocabulary.n_sentences = counted.n_tokens, counted.n_sentences
        vocabulary.min_count = min_count
        return vocabulary

    def encode(self, corpus: Any) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """The numbers of the tokens of a corpus; those that are not in the vocabulary are left out.

        Parameters
        ----------
        corpus : as for :meth:`count`

        Returns
        -------
        tokens : ndarray of int32
        starts : ndarray of int64
            Where sentences start among the tokens, those without a token left out, and at the end ``len(tokens)``.
        """
        return as_corpus(corpus).encode(self.keys)


def count_corpus(corpus: Any, max_vocab_size: int | None = None, n_threads: int | None = None) -> Counts:
    """Count all tokens of a corpus."""
    if max_vocab_size is not None:
        max_vocab_size = operator.index(as_size(max_vocab_size, "max_vocab_size", least=1))
    if n_threads is not None:
        n_threads = as_size(n_threads, "n_threads", least=1)
    return as_corpus(corpus).count(max_vocab_size, n_threads)
