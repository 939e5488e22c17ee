"""The best k of many scores, seen block by block.

A `TopK` keeps a heap per query with its worst entry on top, so that almost every score costs one comparison and memory
is k entries per query, however many scores go by.
"""

from libc.stdint cimport int64_t

import numpy as np


cdef struct Entry:
    float score
    int64_t index


cdef inline bint is_worse(Entry a, Entry b) noexcept nogil:
    """The lower score, and of equal ones the higher index."""
    return a.score < b.score or (a.score == b.score and a.index > b.index)


cdef inline void sift_down(Entry* heap, int64_t at, int64_t n, Entry entry) noexcept nogil:
    """Put `entry` at `at` or below it, where no child is worse than its parent."""
    cdef int64_t child
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and is_worse(heap[child + 1], heap[child]):
            child += 1
        if not is_worse(heap[child], entry):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = entry


cdef inline void sift_up(Entry* heap, int64_t at, Entry entry) noexcept nogil:
    cdef int64_t parent
    while at > 0:
        parent = (at - 1) // 2
        if not is_worse(entry, heap[parent]):
            break
        heap[at] = heap[parent]
        at = parent
    heap[at] = entry


cdef void keep_best(Entry* heap, int64_t* size, int64_t k, const float* scores, const float* scale, int64_t n,
                    int64_t first) noexcept nogil:
    """Offer scores[i] * scale[i], i < n, by the indices first + i, which are above all before.  NaN is passed over."""
    cdef int64_t i = 0
    cdef Entry entry
    while i < n and size[0] < k:
        entry.score = scores[i] * scale[i]
        entry.index = first + i
        if entry.score == entry.score:
            sift_up(heap, size[0], entry)
            size[0] += 1
        i += 1
    if k == 0:
        return
    while i < n:
        entry.score = scores[i] * scale[i]
        if entry.score > heap[0].score:
            entry.index = first + i
            sift_down(heap, 0, k, entry)
        i += 1


cdef void sort_heap(Entry* heap, int64_t n) noexcept nogil:
    """Best first."""
    cdef Entry last
    while n > 1:
        n -= 1
        last = heap[n]
        heap[n] = heap[0]
        sift_down(heap, 0, n, last)


cdef class TopK:
    """The best `k` of the scores offered for each query; of equal scores, those with the lower index.

    Parameters
    ----------
    n_queries : int
    k : int
        At most this many for each query.
    """

    cdef object entries
    cdef int64_t k
    cdef int64_t n_queries
    cdef int64_t[::1] sizes

    def __init__(self, int64_t n_queries, int64_t k):
        if n_queries < 0 or k < 0:
            raise ValueError(f"expected numbers that are not negative, got {n_queries} and {k}")
        self.n_queries = n_queries
        self.k = k
        self.entries = np.zeros((n_queries, k), dtype=np.dtype([("score", "f4"), ("index", "i8")], align=True))
        self.sizes = np.zeros(n_queries, dtype=np.int64)

    def offer(self, const float[:, ::1] scores, const float[::1] scale, int64_t first):
        """Offer a block of scores, without the GIL.

        Parameters
        ----------
        scores : ndarray of float32, shape (n_queries, n)
            C-contiguous; NaN is passed over.
        scale : ndarray of float32, shape (n,)
            Factors of its columns.
        first : int
            The index of the first column; it has to be above all that came before.
        """
        if scores.shape[0] != self.n_queries or scores.shape[1] != scale.shape[0]:
            raise ValueError(
                f"expected scores of {self.n_queries} queries and as many factors, "
                f"got shapes {(scores.shape[0], scores.shape[1])} and {(scale.shape[0],)}"
            )
        cdef Entry[:, ::1] heaps
        cdef int64_t q
        if self.n_queries == 0 or self.k == 0 or scores.shape[1] == 0:
            return
        heaps = self.entries
        with nogil:
            for q in range(self.n_queries):
                keep_best(&heaps[q, 0], &self.sizes[q], self.k, &scores[q, 0], &scale[0], scores.shape[1], first)

    def take(self):
        """Return indices and scores, best first, and how many of each row count; nothing may be offered afterwards.

        Returns
        -------
        indices : ndarray of int64, shape (n_queries, k)
        scores : ndarray of float32, shape (n_queries, k)
        sizes : ndarray of int64, shape (n_queries,)
            Entries of a row past its size are without meaning: fewer scores were offered.
        """
        cdef Entry[:, ::1] heaps
        cdef int64_t q
        if self.n_queries and self.k:
            heaps = self.entries
            with nogil:
                for q in range(self.n_queries):
                    sort_heap(&heaps[q, 0], self.sizes[q])
        return self.entries["index"].copy(), self.entries["score"].copy(), np.asarray(self.sizes)
