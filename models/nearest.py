"""The most similar rows of a table, for many queries at once: BLAS on blocks, and a heap for each query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from wyrm.models.vector_table import inverse_or_zero
from wyrm.top_k import TopK

Found = tuple[np.ndarray, np.ndarray, np.ndarray]

QUERIES = 128  # at a time
SCORES = 1 << 19  # in a block: they are still in the cache when they are looked through


def top_cosines(table: np.ndarray, norms: np.ndarray, queries: np.ndarray, k: int, start: int = 0) -> Found:
    """The k rows that have the largest cosines with each query.

    Parameters
    ----------
    table : ndarray, shape (n_rows, vector_size)
    norms : ndarray, shape (n_rows,)
        Lengths of its rows.
    queries : ndarray, shape (n_queries, vector_size)
        Of length 1.
    k : int
    start : int, default=0
        The number of the first row.

    Returns
    -------
    rows : ndarray of int64, shape (n_queries, k)
        The best first; of equal ones, the first of the table.
    cosines : ndarray of float32, shape (n_queries, k)
    sizes : ndarray of int64, shape (n_queries,)
        How many of them there are, which is less than k in a small table.
    """
    return _top(table, norms, [queries], [], k, start, are_products=False)


def top_products(
    table: np.ndarray, norms: np.ndarray, positive: Sequence[np.ndarray], negative: Sequence[np.ndarray], k: int
) -> Found:
    """The same for the products of shifted cosines with `positive`, over those with `negative` (3CosMul).

    Each of these is a matrix with a row for each query.
    """
    return _top(table, norms, positive, negative, k, 0, are_products=True)


def _top(
    table: np.ndarray,
    norms: np.ndarray,
    over: Sequence[np.ndarray],
    under: Sequence[np.ndarray],
    k: int,
    start: int,
    are_products: bool,
) -> Found:
    n_queries = len(over[0])
    k = min(k, len(table))
    inverse = inverse_or_zero(norms)
    parts = []
    for first in range(0, n_queries, QUERIES):
        some = slice(first, first + QUERIES)
        queries = [np.ascontiguousarray(term[some], np.float32) for term in (*over, *under)]
        heaps = TopK(len(queries[0]), k)
        step = max(1024, SCORES // len(queries[0]))
        for row, cosines, scale in _blocks(table, inverse, queries, step):
            if are_products:
                scores = products([c * scale for c in cosines[: len(over)]], [c * scale for c in cosines[len(over) :]])
                heaps.offer(scores, np.ones_like(scale), start + row)
            else:
                heaps.offer(cosines[0], scale, start + row)
        parts.append(heaps.take())
    if not parts:
        return np.empty((0, k), np.int64), np.empty((0, k), np.float32), np.empty(0, np.int64)
    rows, scores, sizes = (np.concatenate(arrays) for arrays in zip(*parts))
    return rows, scores, sizes


def _blocks(
    table: np.ndarray, inverse: np.ndarray, queries: list[np.ndarray], step: int
) -> Iterator[tuple[int, list[np.ndarray], np.ndarray]]:
    for row in range(0, len(table), step):
        block = np.asarray(table[row : row + step], np.float32)
        yield row, [query @ block.T for query in queries], inverse[row : row + step]


def products(over: Sequence[np.ndarray], under: Sequence[np.ndarray]) -> np.ndarray:
    """Equation 4 of Levy and Goldberg (2014), cosines shifted to [0, 1]."""
    scores = np.ones_like(over[0])
    for cosines in over:
        scores *= (1 + cosines) / 2
    below = np.ones_like(over[0])
    for cosines in under:
        below *= (1 + cosines) / 2
    return scores / (below + np.float32(1e-6))
