"""Draws of rows in constant time, whatever their weights: Walker's alias method."""

import numpy as np

from wyrm.memory cimport wyrm_alloc, wyrm_free

cdef enum:
    MAX_N = 0x7FFFFFFF


cdef class Sampler:
    """Draws rows in proportion to powers of their counts.

    Each row has a bucket, which it shares with at most one other (Walker, ACM TOMS 1977, built as in Vose, IEEE TSE
    1991): 8 bytes a row, and a draw is one random number and one look into memory.

    Parameters
    ----------
    counts : array_like of n real numbers
        How often each row was seen; not negative, not all 0. A row that was never seen is never drawn.
    power : float, default 1.0
        The weight of a row is ``count ** power``; 0 makes all n rows equally likely, whatever their counts.

    Attributes
    ----------
    n_drawable : int
        How many rows can be drawn.

    Raises
    ------
    TypeError
        If the counts are not real numbers.
    ValueError
        If they are not one-dimensional, negative, not finite or all 0, or the power is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from wyrm.feeds.sampling import Sampler
    >>> rows = Sampler([1, 0, 3]).sample(10_000, seed=0)
    >>> (np.bincount(rows) / 10_000).round(1)
    array([0.2, 0. , 0.8])
    """

    def __cinit__(self, counts, double power=1.0):
        cdef double[::1] weights
        array = np.asarray(counts)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"Sampler: expected real numbers as counts, got dtype {array.dtype}")
        if array.ndim != 1 or not 1 <= array.size <= MAX_N:
            raise ValueError(f"Sampler: expected counts (n,) with n from 1 to {MAX_N}, got shape {array.shape}")
        if not np.isfinite(power):
            raise ValueError(f"Sampler: expected a finite power, got {power}")
        self.sampler.n = array.size
        self.n_drawable = array.size
        if power == 0:
            return
        array = array.astype(np.float64)
        if not np.isfinite(array).all() or (array < 0).any():
            raise ValueError("Sampler: expected counts that are finite and not negative")
        seen = array > 0
        if not seen.any():
            raise ValueError("Sampler: expected a count above 0, got none")
        array[seen] = power * np.log(array[seen])
        array[seen] = np.exp(array[seen] - array[seen].max())      # no power overflows
        weights = array * (array.size / array.sum())
        self.build(weights, np.argmax(array))
        if not seen.all():
            self.note_drawable(seen.view(np.uint8))

    def __dealloc__(self):
        wyrm_free(<void*> self.sampler.buckets)
        wyrm_free(<void*> self.sampler.drawable)

    cdef int build(self, double[::1] weights, row_t likeliest) except -1:
        """Fill the buckets from weights with mean 1, which it uses up."""
        cdef dim_t n = weights.shape[0], i, n_small = 0, n_large = 0, small, large
        cdef alias_t* buckets = <alias_t*> wyrm_alloc(n * sizeof(alias_t))
        # Rows below the mean from the front, the others from the back.
        cdef row_t* waiting = <row_t*> wyrm_alloc(n * sizeof(row_t))
        self.sampler.buckets = buckets
        if buckets == NULL or waiting == NULL:
            wyrm_free(waiting)
            raise MemoryError("no memory for an alias table")
        with nogil:
            for i in range(n):
                if weights[i] < 1:
                    waiting[n_small] = <row_t> i
                    n_small += 1
                else:
                    n_large += 1
                    waiting[n - n_large] = <row_t> i
            while n_small and n_large:
                n_small -= 1
                small = waiting[n_small]
                large = waiting[n - n_large]
                buckets[small].keep = <uint32_t> (weights[small] * 4294967296.0)
                buckets[small].other = <row_t> large
                weights[large] -= 1 - weights[small]
                if weights[large] < 1:
                    n_large -= 1
                    waiting[n_small] = <row_t> large
                    n_small += 1
            # What rounding left over has a weight of 1, but for rows that are never drawn.
            for i in range(n_small):
                small = waiting[i]
                buckets[small].keep = 0 if weights[small] <= 0 else 0xFFFFFFFF
                buckets[small].other = likeliest if weights[small] <= 0 else <row_t> small
            for i in range(n - n_large, n):
                buckets[waiting[i]].keep = 0xFFFFFFFF
                buckets[waiting[i]].other = waiting[i]
        wyrm_free(waiting)
        return 0

    cdef int note_drawable(self, const uint8_t[::1] seen) except -1:
        """Remember which rows can be drawn, where some can't."""
        cdef dim_t i, n = seen.shape[0]
        cdef uint8_t* drawable = <uint8_t*> wyrm_alloc(n)
        if drawable == NULL:
            raise MemoryError("no memory for an alias table")
        self.sampler.drawable = drawable
        self.n_drawable = 0
        for i in range(n):
            drawable[i] = seen[i]
            self.n_drawable += seen[i]
        return 0

    def sample(self, Py_ssize_t size, *, uint64_t seed=0):
        """Draw some rows.

        Parameters
        ----------
        size : int
        seed : int, default 0

        Returns
        -------
        ndarray of int32, shape (size,)
        """
        cdef row_t[::1] rows
        cdef uint64_t state = random_at(seed, 0)
        cdef dim_t i
        result = np.empty(size, dtype=np.int32)
        rows = result
        with nogil:
            for i in range(size):
                rows[i] = draw(&self.sampler, &state)
        return result
