"""What can be asked about vectors by key: the part of `KeyedVectors` that compares them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from wyrm.models.nearest import products, top_cosines, top_products
from wyrm.models.vector_files import VectorFiles
from wyrm.models.vector_table import inverse_or_zero, norms_of

Neighbours = list[tuple[Any, float]]


class VectorQueries(VectorFiles):
    """Similarities, neighbours and means."""

    def get_mean_vector(
        self,
        keys: Any,
        weights: ArrayLike | None = None,
        pre_normalize: bool = True,
        post_normalize: bool = False,
        ignore_missing: bool = True,
    ) -> np.ndarray:
        """The weighted mean of the vectors of some keys.

        Parameters
        ----------
        keys : sequence of str, int or ndarray of shape (vector_size,)
            Vectors are taken as they are.
        weights : array_like, n_keys, optional
            Default: 1 for each; the sum of their absolute values is what the sum is divided by.
        pre_normalize : bool, default=True
            Whether vectors of keys are scaled to length 1 first.
        post_normalize : bool, default=False
            Whether the mean is.
        ignore_missing : bool, default=True
            Whether to pass over keys that are not there.

        Returns
        -------
        ndarray, shape (vector_size,)
            Zero if there is nothing to take the mean of.

        Raises
        ------
        ValueError
            If there are no keys, or a vector or the weights don't fit.
        KeyError
            If a key is not there and `ignore_missing` is false.
        """
        names = self._listed(keys)
        if not names:
            raise ValueError("cannot compute the mean of no keys")
        factors = np.ones(len(names)) if weights is None else np.asarray(weights, np.float64)
        if factors.shape != (len(names),):
            raise ValueError(f"weights: expected one for each of {len(names)} keys, got shape {factors.shape}")
        total, mean = 0.0, np.zeros(self.vector_size)
        for name, factor in zip(names, factors):
            if isinstance(name, np.ndarray):
                mean += factor * self._as_vector(name)
            elif name in self:
                mean += factor * self.get_vector(name, norm=pre_normalize)
            elif ignore_missing:
                continue
            else:
                raise KeyError(f"Key '{name}' not present in vocabulary")
            total += abs(factor)
        if total > 0:
            mean /= total
        if post_normalize:
            mean = _unit(mean)
        return mean.astype(self.vectors.dtype)

    def _as_vector(self, vector: ArrayLike) -> np.ndarray:
        array = np.asarray(vector, np.float64)
        if array.shape != (self.vector_size,) or not np.isfinite(array).all():
            raise ValueError(
                f"expected vectors of {self.vector_size} finite numbers, got shape {array.shape}: "
                f"{array if array.size < 5 else array.ravel()[:4]}"
            )
        return array

    def _unit_of(self, key_or_vector: Any) -> np.ndarray:
        """Of length 1; a vector that is so already stays bit for bit, so it gives what its key gives."""
        if self._is_key(key_or_vector):
            return self.get_vector(key_or_vector, norm=True)
        vector = self._as_vector(key_or_vector)
        return vector if abs(np.linalg.norm(vector) - 1) < 1e-6 else _unit(vector)

    def _vector_of(self, key_or_vector: Any) -> np.ndarray:
        if self._is_key(key_or_vector):
            return self.get_vector(key_or_vector)
        return self._as_vector(key_or_vector)

    def most_similar(
        self,
        positive: Any = None,
        negative: Any = None,
        topn: int | None = 10,
        clip_start: int = 0,
        clip_end: int | None = None,
        restrict_vocab: int | None = None,
        indexer: Any = None,
    ) -> Any:
        """The keys with the largest cosine similarity to the mean of what is given; without the keys given themselves.

        Parameters
        ----------
        positive, negative : key or vector, or a sequence of them or of (key or vector, weight) pairs, optional
            Keys are scaled to length 1 before the mean is taken; their weight is 1, or -1 for negative ones.
        topn : int or None, default=10
            How many; None: the similarities of all instead, an array.
        clip_start, clip_end : int, optional
            The rows to search.
        restrict_vocab : int, optional
            Search this many rows from the first, which are the most frequent keys in vectors from a corpus.
        indexer : object, optional
            An index of another library: its ``most_similar(vector, topn)`` answers.

        Returns
        -------
        list of (key, float), or ndarray of float32 if topn is None
            The most similar first; of equally similar ones, the one whose row comes first.

        Raises
        ------
        KeyError
            If a key is not there.
        ValueError
            If nothing is given, or a vector does not fit.

        See Also
        --------
        most_similar_batch : many at once.
        """
        if topn is not None and topn < 1:
            return []
        terms, weights = [], []
        for sign, given in ((1.0, positive), (-1.0, negative)):
            for item in self._listed(given):
                term, weight = item if isinstance(item, tuple) and not self._is_key(item) else (item, sign)
                terms.append(term)
                weights.append(weight)
        if not terms:
            raise ValueError("expected a key or a vector, got none")
        mean = self.get_mean_vector(terms, weights, post_normalize=True, ignore_missing=False)
        if indexer is not None and topn is not None:
            return indexer.most_similar(mean, topn)
        rows = self._rows(clip_start, clip_end, restrict_vocab)
        if topn is None:
            return self._cosines(mean, rows)
        given = {self.get_index(term) for term in terms if self._is_key(term)}
        return self._nearest(mean[np.newaxis], [given], topn, rows)[0]

    def most_similar_batch(
        self,
        queries: Any,
        topn: int = 10,
        *,
        clip_start: int = 0,
        clip_end: int | None = None,
        restrict_vocab: int | None = None,
    ) -> list[Neighbours]:
        """The most similar keys to each of many keys or vectors.

        The products are left to BLAS, on blocks of the table, so that memory stays small and all its threads work: far
        quicker than as many calls of `most_similar`.

        Parameters
        ----------
        queries : sequence of keys or vectors, or ndarray of shape (n_queries, vector_size)
        topn : int, default=10
        clip_start, clip_end, restrict_vocab : int, optional
            As for `most_similar`.

        Returns
        -------
        list of list of (key, float)
            For each query the most similar keys, without itself if it is a key.

        Raises
        ------
        KeyError
            If a key is not there.
        ValueError
            If a vector does not fit.

        Examples
        --------
        >>> from wyrm.models import KeyedVectors
        >>> wv = KeyedVectors(2)
        >>> wv.add_vectors(["north", "northeast", "east"], [[0, 2], [1, 2], [3, 0]])
        >>> [keys[0][0] for keys in wv.most_similar_batch(["north", "east"], topn=1)]
        ['northeast', 'northeast']
        """
        given: list[set[int]]
        if isinstance(queries, np.ndarray) and queries.ndim == 2 and queries.dtype.kind in "fiu":
            if queries.shape[1] != self.vector_size or not np.isfinite(queries).all():
                raise ValueError(
                    f"queries: expected rows of {self.vector_size} finite numbers, got shape {queries.shape}"
                )
            vectors, given = queries.astype(np.float32), [set()] * len(queries)
        else:
            names = self._listed(queries)
            vectors = np.array([self._vector_of(name) for name in names], np.float32).reshape(-1, self.vector_size)
            given = [{self.get_index(name)} if self._is_key(name) else set() for name in names]
        vectors *= inverse_or_zero(norms_of(vectors))[:, np.newaxis]
        return self._nearest(vectors, given, topn, self._rows(clip_start, clip_end, restrict_vocab))

    def _rows(self, clip_start: int, clip_end: int | None, restrict_vocab: int | None) -> slice:
        if restrict_vocab:
            clip_start, clip_end = 0, restrict_vocab
        start, stop, _ = slice(clip_start, clip_end or None).indices(len(self.vectors))
        return slice(start, max(start, stop))

    def _nearest(self, queries: np.ndarray, given: Sequence[set[int]], topn: int, rows: slice) -> list[Neighbours]:
        """The best rows of each query but those that it was given."""
        topn = max(int(topn), 0)
        k = topn + max(map(len, given), default=0)
        norms = self._filled_norms()[rows]
        found, cosines, sizes = top_cosines(self.vectors[rows], norms, queries, k, rows.start)
        return [
            self._named(found[i, :n].tolist(), cosines[i, :n].tolist(), given[i], topn)
            for i, n in enumerate(sizes.tolist())
        ]

    def _named(self, rows: list[int], scores: list[float], without: set[int], topn: int) -> Neighbours:
        pairs = [(self.index_to_key[row], score) for row, score in zip(rows, scores) if row not in without]
        return pairs[:topn]

    def _cosines(self, unit: np.ndarray, rows: slice) -> np.ndarray:
        cosines: np.ndarray = self.vectors[rows] @ unit.astype(self.vectors.dtype)
        cosines *= inverse_or_zero(self._filled_norms()[rows]).astype(cosines.dtype)
        return cosines

    def similar_by_key(self, key: Hashable, topn: int | None = 10, restrict_vocab: int | None = None) -> Any:
        """`most_similar` to one key."""
        return self.most_similar([key], topn=topn, restrict_vocab=restrict_vocab)

    def similar_by_word(self, word: Hashable, topn: int | None = 10, restrict_vocab: int | None = None) -> Any:
        """`most_similar` to one key."""
        return self.most_similar([word], topn=topn, restrict_vocab=restrict_vocab)

    def similar_by_vector(self, vector: ArrayLike, topn: int | None = 10, restrict_vocab: int | None = None) -> Any:
        """`most_similar` to a vector."""
        return self.most_similar([np.asarray(vector)], topn=topn, restrict_vocab=restrict_vocab)

    def most_similar_cosmul(
        self, positive: Any = None, negative: Any = None, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> Any:
        """The keys with the largest product of similarities with the positive ones, over that with the negative ones.

        Parameters
        ----------
        positive, negative : key or vector, or a sequence of them, optional
        topn : int or None, default=10
            How many; None: the scores of all instead, an array.
        restrict_vocab : int, optional
            Search this many rows from the first.

        Returns
        -------
        list of (key, float), or ndarray of float32 if topn is None

        References
        ----------
        Levy and Goldberg, "Linguistic Regularities in Sparse and Explicit Word Representations", CoNLL 2014 (3CosMul).
        """
        if topn is not None and topn < 1:
            return []
        over, under = self._listed(positive), self._listed(negative)
        if not over:
            raise ValueError("expected a positive key or vector, got none")
        given = {self.get_index(term) for term in (*over, *under) if self._is_key(term)}
        sides = [[self._unit_of(term) for term in terms] for terms in (over, under)]
        rows = self._rows(0, None, restrict_vocab)
        if topn is None:
            return products(*([self._cosines(term, rows).astype(np.float32) for term in terms] for terms in sides))
        queries = [[term[np.newaxis].astype(np.float32) for term in terms] for terms in sides]
        k = int(topn) + len(given)
        norms = self._filled_norms()[rows]
        found, scores, sizes = top_products(self.vectors[rows], norms, queries[0], queries[1], k)
        return self._named(found[0, : sizes[0]].tolist(), scores[0, : sizes[0]].tolist(), given, int(topn))

    @staticmethod
    def cosine_similarities(vector_1: ArrayLike, vectors_all: ArrayLike) -> np.ndarray:
        """Cosines of a vector, shape (vector_size,), with each row of a matrix; with a vector of zeros they are 0."""
        vector, rows = np.asarray(vector_1), np.asarray(vectors_all)
        lengths = np.linalg.norm(vector) * np.linalg.norm(rows, axis=1)
        cosines: np.ndarray = np.divide(rows @ vector, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        return cosines

    def distances(self, word_or_vector: Any, other_words: Iterable[Hashable] = ()) -> np.ndarray:
        """Cosine distances, 1 - similarity, from a key or vector to some keys, or to all if none are given."""
        vector = self._vector_of(word_or_vector)
        others = [self.get_index(word) for word in other_words]
        if others:
            return 1 - self.cosine_similarities(vector, self.vectors[others])
        return 1 - self._cosines(_unit(vector), slice(0, len(self.vectors)))

    def distance(self, w1: Hashable, w2: Hashable) -> float:
        """Cosine distance of two keys: 1 - `similarity`."""
        return 1 - self.similarity(w1, w2)

    def similarity(self, w1: Hashable, w2: Hashable) -> float:
        """Cosine similarity of two keys."""
        return _cosine(self.get_vector(w1), self.get_vector(w2))

    def n_similarity(self, ws1: Sequence[Hashable], ws2: Sequence[Hashable]) -> float:
        """Cosine similarity of the means of two lists of keys, those left out that are not there.

        Raises
        ------
        ZeroDivisionError
            If a list is empty.
        """
        if not len(ws1) or not len(ws2):
            raise ZeroDivisionError("n_similarity: expected two lists of keys, got an empty one")
        return _cosine(*(self.get_mean_vector(keys, pre_normalize=False) for keys in (ws1, ws2)))

    def most_similar_to_given(self, key1: Hashable, keys_list: Sequence[Hashable]) -> Any:
        """The one of some keys that is most similar to a key."""
        return max(keys_list, key=lambda key: self.similarity(key1, key))

    def closer_than(self, key1: Hashable, key2: Hashable) -> list[Any]:
        """All keys that are closer to `key1` than `key2` is."""
        distances = self.distances(key1)
        rows = np.flatnonzero(distances < distances[self.get_index(key2)])
        return [self.index_to_key[row] for row in rows if row != self.get_index(key1)]

    def rank(self, key1: Hashable, key2: Hashable) -> int:
        """How many keys, `key2` itself counted, are as close to `key1` as `key2` is, or closer."""
        return len(self.closer_than(key1, key2)) + 1

    def relative_cosine_similarity(self, wa: Hashable, wb: Hashable, topn: int = 10) -> float:
        """Similarity of two keys, relative to the sum over the `topn` most similar to the first.

        References
        ----------
        Leeuwenberg et al., "A Minimally Supervised Approach for Synonym Extraction with Word Embeddings", 2016.
        """
        neighbours = self.most_similar(wa, topn=topn)
        if not neighbours:
            raise ValueError(f"topn: expected 1 or more, got {topn}")
        total: float = sum(similarity for _, similarity in neighbours)
        return self.similarity(wa, wb) / total

    def rank_by_centrality(self, words: Sequence[Hashable], use_norm: bool = True) -> list[tuple[float, Any]]:
        """Some keys by their similarity to the mean of all of them, the most similar first.

        Parameters
        ----------
        words : sequence of keys
            Those that are not there are left out.
        use_norm : bool, default=True
            Whether vectors are scaled to length 1 first.

        Returns
        -------
        list of (float, key)

        Raises
        ------
        ValueError
            If none of the keys is there.
        """
        known = [word for word in words if word in self]
        if not known:
            raise ValueError(f"expected keys that have vectors, got {list(words)[:5]}")
        vectors = np.array([self.get_vector(word, norm=use_norm) for word in known], np.float64)
        similarities = vectors @ _unit(vectors.mean(axis=0))
        return sorted(zip(similarities.tolist(), known), key=itemgetter(0), reverse=True)

    def doesnt_match(self, words: Sequence[Hashable]) -> Any:
        """The one of some keys that goes least with the others: the farthest from their mean."""
        return self.rank_by_centrality(words)[-1][1]


def _unit(vector: np.ndarray) -> np.ndarray:
    """In the direction of `vector`, of length 1; zeros stay."""
    vector = np.asarray(vector, np.float64)
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else vector


def _cosine(a: ArrayLike, b: ArrayLike) -> float:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    # One root of the product, so that equal vectors have exactly 1.
    length = np.sqrt((a @ a) * (b @ b))
    return min(1.0, max(-1.0, float(a @ b / length))) if length > 0 else 0.0
