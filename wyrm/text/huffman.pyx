"""Huffman codes: short for frequent keys. The tree of a hierarchical softmax."""

import numpy as np

from libc.stdint cimport int32_t, int64_t
from wyrm.kernels.table cimport dim_t


def huffman_paths(counts):
    """The way from the root of a Huffman tree to each key.

    Parameters
    ----------
    counts : array_like of int, shape (n,)
        How often each key occurs; n >= 2.

    Returns
    -------
    rows : ndarray of int32
        The inner nodes on the ways, from the root on, key by key. There are n - 1 of them, numbered from 0.
    turns : ndarray of float32
        The turn taken at each: 1 to the more frequent side, -1 to the other.
    starts : ndarray of int64, shape (n + 1,)
        The way to key w is entries ``starts[w]`` to ``starts[w + 1]``.

    Raises
    ------
    ValueError
        If there are fewer than two keys, or a count is negative.

    Notes
    -----
    Two queues instead of a heap: keys sorted by count, and inner nodes, which come out in the order of theirs (van
    Leeuwen, "On the construction of Huffman trees", ICALP 1976). Of equal counts keys come before inner nodes, and keys
    with a larger number first, so the tree is the same everywhere.

    Examples
    --------
    >>> from wyrm.text.huffman import huffman_paths
    >>> rows, turns, starts = huffman_paths([4, 2, 1])
    >>> rows, turns, starts
    (array([1, 1, 0, 1, 0], dtype=int32), array([ 1., -1.,  1., -1., -1.], dtype=float32), array([0, 1, 3, 5]))
    """
    counts = np.ascontiguousarray(counts, dtype=np.int64)
    cdef dim_t n = counts.size, i, k, leaf, inner, node, at
    if counts.ndim != 1 or n < 2 or (counts < 0).any():
        raise ValueError(f"huffman_paths: expected the counts of two keys or more, from 0, got shape {counts.shape}")
    # Nodes: 0 to n - 1 the keys, n + i inner node i; sums overflow no more than the counts' own would.
    sums = np.zeros(2 * n - 1, dtype=np.float64)
    sums[:n] = counts
    cdef int64_t[::1] order = np.flip(np.argsort(-counts, kind="stable")).astype(np.int64)
    cdef double[::1] sum_of = sums
    cdef int64_t[::1] parent = np.zeros(2 * n - 1, dtype=np.int64)
    cdef float[::1] turn = np.ones(2 * n - 1, dtype=np.float32)
    cdef int64_t[::1] depths = np.zeros(2 * n - 1, dtype=np.int64)
    with nogil:
        leaf = inner = 0
        for i in range(n - 1):
            for k in range(2):
                if leaf < n and (inner >= i or sum_of[order[leaf]] <= sum_of[n + inner]):
                    node = order[leaf]
                    leaf += 1
                else:
                    node = n + inner
                    inner += 1
                sum_of[n + i] += sum_of[node]
                parent[node] = n + i
                turn[node] = -1 if k == 0 else 1
        # A parent has a larger number than its children.
        for i in range(n - 2):
            node = 2 * n - 3 - i
            depths[node] = depths[parent[node]] + 1
        for i in range(n):
            depths[i] = depths[parent[i]] + 1
    starts = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.asarray(depths)[:n], out=starts[1:])
    rows, turns = np.empty(starts[n], dtype=np.int32), np.empty(starts[n], dtype=np.float32)
    cdef int64_t[::1] ends = starts
    cdef int32_t[::1] to_rows = rows
    cdef float[::1] to_turns = turns
    with nogil:
        for i in range(n):
            node = i
            at = ends[i + 1]
            while at > ends[i]:
                at -= 1
                to_turns[at] = turn[node]
                node = parent[node]
                to_rows[at] = <int32_t> (node - n)
    return rows, turns, starts
