"""Vectors by key, as word2vec learns them, and what can be asked about them; names and habits are those of gensim 4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from wyrm.models.vector_evaluation import Section, evaluate_analogies, evaluate_pairs
from wyrm.models.vector_plot import plot_vectors
from wyrm.models.vector_queries import VectorQueries
from wyrm.models.word_movers import transport_cost


class KeyedVectors(VectorQueries):
    """Vectors by key: look-up, similarity, evaluation, files.

    A script that uses gensim's `KeyedVectors` works with these after its import has changed; what differs is told in
    the documentation.

    Parameters
    ----------
    vector_size : int
        Numbers in a vector.
    count : int, default=0
        How many vectors to make room for; more can be added all the same.
    dtype : dtype, default=float32
        float16, float32 or float64.
    mapfile_path : str, optional
        Unused; gensim has it.

    Attributes
    ----------
    index_to_key : list of str or int
        The keys, in the order of the rows.
    key_to_index : dict of str or int to int
        The row of each key.
    vectors : ndarray, shape (n_keys, vector_size)
        The rows.
    norms : ndarray, shape (n_keys,), or None
        Their lengths, once they were needed.
    expandos : dict of str to ndarray
        Attributes of the keys, such as "count"; see `set_vecattr`.

    Examples
    --------
    >>> from wyrm.models import KeyedVectors
    >>> wv = KeyedVectors(2)
    >>> wv.add_vectors(["north", "northeast", "east"], [[0, 2], [1, 1], [3, 0]])
    >>> wv.most_similar("north", topn=1)
    [('northeast', 0.7071067690849304)]
    >>> wv["east"]
    array([3., 0.], dtype=float32)
    """

    def wmdistance(self, document1: Iterable[Hashable], document2: Iterable[Hashable], norm: bool = True) -> float:
        """Word Mover's Distance of two texts: how far the words of one have to move to become the other.

        Parameters
        ----------
        document1, document2 : iterable of keys
            Those that are not there are left out.
        norm : bool, default=True
            Whether vectors are scaled to length 1 first.

        Returns
        -------
        float
            Infinity if a text has no word with a vector.

        References
        ----------
        Kusner et al., "From Word Embeddings To Document Distances", ICML 2015.

        Examples
        --------
        >>> from wyrm.models import KeyedVectors
        >>> wv = KeyedVectors(2)
        >>> wv.add_vectors(["king", "queen", "greets", "meets"], [[3, 0], [3, 1], [0, 3], [0, 4]])
        >>> round(wv.wmdistance(["king", "greets"], ["queen", "meets"]), 4)
        0.1602
        """
        counts = [Counter(key for key in document if key in self) for document in (document1, document2)]
        if not all(counts):
            return float("inf")
        here, there = (np.array(list(count.values())) / count.total() for count in counts)
        a, b = (np.array([self.get_vector(key, norm=norm) for key in count], np.float64) for count in counts)
        return transport_cost(here, there, np.linalg.norm(a[:, np.newaxis] - b, axis=2))

    def evaluate_word_analogies(
        self,
        analogies: Any,
        restrict_vocab: int | None = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
        similarity_function: str = "most_similar",
    ) -> tuple[float, list[Section]]:
        """Answer analogy questions such as "Athens Greece Oslo Norway": Athens is to Greece as Oslo is to what?

        Parameters
        ----------
        analogies : str, path or binary file object
            Lines of four words, in sections that begin with ``: name``, as in questions-words.txt
            (`wyrm.datasets.fetch_word_analogies`); other lines are passed over.
        restrict_vocab : int, optional
            Questions and answers are among this many keys from the first.
        case_insensitive : bool, default=True
            Whether to compare in upper case; of several keys that are then equal, the first is taken.
        dummy4unknown : bool, default=False
            Whether questions with unknown words count as answered wrongly; otherwise they don't count.
        similarity_function : {"most_similar", "most_similar_cosmul"}, default="most_similar"
            How answers are found: 3CosAdd or 3CosMul.

        Returns
        -------
        score : float
            The part of the questions that is answered rightly.
        sections : list of dict
            ``section``, its name, and the questions that were answered rightly and wrongly, ``correct`` and
            ``incorrect``; the last is "Total accuracy".

        References
        ----------
        Mikolov et al., "Efficient Estimation of Word Representations in Vector Space", 2013.
        """
        return evaluate_analogies(self, analogies, restrict_vocab, case_insensitive, dummy4unknown, similarity_function)

    def evaluate_word_pairs(
        self,
        pairs: Any,
        delimiter: str = "\t",
        encoding: str = "utf8",
        restrict_vocab: int | None = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
    ) -> tuple[Any, Any, float]:
        """Correlate similarities with those that people gave.

        Parameters
        ----------
        pairs : str, path or binary file object
            Lines of two words and a number, as in wordsim353.tsv (`wyrm.datasets.fetch_wordsim353`); those that begin
            with ``#`` and others that don't fit are passed over.
        delimiter : str, default="\\t"
            What stands between.
        encoding : str, default="utf8"
        restrict_vocab : int, optional
            Words are among this many keys from the first.
        case_insensitive : bool, default=True
            Whether to compare in upper case; of several keys that are then equal, the first is taken.
        dummy4unknown : bool, default=False
            Whether pairs with unknown words count with similarity 0; otherwise they don't count.

        Returns
        -------
        pearson : (statistic, pvalue)
        spearman : (statistic, pvalue)
        oov_ratio : float
            Per cent of the pairs that have an unknown word.

        Raises
        ------
        ValueError
            If there are fewer than two pairs to compare.
        """
        return evaluate_pairs(self, pairs, delimiter, encoding, restrict_vocab, case_insensitive, dummy4unknown)

    def plot(self, keys: Iterable[Hashable] | None = None, *, ax: Any = None, annotate: bool = True) -> Any:
        """Plot vectors in the two directions in which they differ most; needs matplotlib.

        Parameters
        ----------
        keys : iterable of str or int, optional
            Which; default: the first 50.
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.
        annotate : bool, default=True
            Whether to write each key beside its point.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        KeyError
            If a key is not there.
        """
        names = self.index_to_key[:50] if keys is None else list(dict.fromkeys(self._listed(keys)))
        return plot_vectors(names, self[names] if names else np.empty((0, self.vector_size)), ax, annotate)
