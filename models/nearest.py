"""The most similar rows of a table, for many queries at once: BLAS on blocks, and a heap for each query.

The rows are shared out among threads, each of which calls BLAS for itself.  BLAS with threads of its own would wait for
all of them after every block, and does so badly on a busy machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial

import numpy as np

from wyrm.blas_threads import single_threaded_blas
from wyrm.models.vector_table import inverse_or_zero
from wyrm.threads import usable_threads
from wyrm.top_k import TopK

Found = tuple[np.ndarray, np.ndarray, np.ndarray]

QUERIES = 128  # at a time
SCORES = 1 << 17  # in a block: they are still in the cache when they are looked through
WORTH_A_THREAD = 1 << 23  # products
WORTH_HOLDING_BLAS = 1 << 20


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
    rows, cosines, sizes = _top(table, norms, [queries], 0, k)
    return rows + start, cosines, sizes


def top_products(
    table: np.ndarray, norms: np.ndarray, positive: Sequence[np.ndarray], negative: Sequence[np.ndarray], k: int
) -> Found:
    """The same for the products of shifted cosines with `positive`, over those with `negative` (3CosMul).

    Each of these is a matrix with a row for each query.
    """
    return _top(table, norms, [*positive, *negative], len(positive), k)


def _top(table: np.ndarray, norms: np.ndarray, terms: Sequence[np.ndarray], n_positive: int, k: int) -> Found:
    """`n_positive` of 0 is for plain cosines with the one term there is."""
    queries = [np.ascontiguousarray(term, np.float32) for term in terms]
    n_queries = len(queries[0])
    search = partial(_search, table, inverse_or_zero(norms), queries, n_positive, min(k, len(table)))
    n_products = len(queries) * n_queries * table.size
    n_parts = max(1, min(usable_threads(), n_products // WORTH_A_THREAD, len(table)))
    ends = [len(table) * i // n_parts for i in range(n_parts + 1)]
    with single_threaded_blas() if n_products >= WORTH_HOLDING_BLAS else nullcontext():
        if n_parts == 1:
            return search(0, len(table))
        with ThreadPoolExecutor(n_parts) as pool:
            found = list(pool.map(search, ends[:-1], ends[1:]))
    return _merged(found, min(k, len(table)))


def _search(
    table: np.ndarray, inverse: np.ndarray, queries: list[np.ndarray], n_positive: int, k: int, start: int, stop: int
) -> Found:
    """The best of the rows from `start` to `stop`."""
    n_queries = len(queries[0])
    found: list[Found] = []
    for first in range(0, max(n_queries, 1), QUERIES):
        some = [term[first : first + QUERIES] for term in queries]
        heaps = TopK(len(some[0]), k)
        step = max(256, SCORES // max(len(some[0]), 1))
        for row in range(start, stop, step):
            part = slice(row, min(row + step, stop))
            block = np.asarray(table[part], np.float32).T
            cosines = [term @ block for term in some]
            if n_positive:
                cosines = [c * inverse[part] for c in cosines]
                scores = products(cosines[:n_positive], cosines[n_positive:])
                heaps.offer(scores, np.ones(scores.shape[1], np.float32), row)
            else:
                heaps.offer(cosines[0], inverse[part], row)
        found.append(heaps.take())
    rows, scores, sizes = (np.concatenate(arrays) for arrays in zip(*found))
    return rows, scores, sizes


def _merged(parts: Sequence[Found], k: int) -> Found:
    """The best of what was found in parts of the table."""
    rows, scores = (np.concatenate([part[i] for part in parts], axis=1) for i in range(2))
    sizes = np.minimum(sum(part[2] for part in parts), k)
    is_found = np.concatenate([np.arange(part[0].shape[1]) < part[2][:, np.newaxis] for part in parts], axis=1)
    order = np.lexsort((rows, -scores, ~is_found))[:, :k]
    take = partial(np.take_along_axis, indices=order, axis=1)
    return take(rows), take(scores), sizes


def products(over: Sequence[np.ndarray], under: Sequence[np.ndarray]) -> np.ndarray:
    """Equation 4 of Levy and Goldberg (2014), cosines shifted to [0, 1]."""
    scores = np.ones_like(over[0])
    for cosines in over:
        scores *= (1 + cosines) / 2
    below = np.ones_like(over[0])
    for cosines in under:
        below *= (1 + cosines) / 2
    return scores / (below + np.float32(1e-6))
