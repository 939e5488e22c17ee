# cython: language_level=3, cdivision=True, boundscheck=False, wraparound=False
"""The loops of machine.h for Python: compiled once per instruction set (compiled.py), run without the GIL."""

from libc.stdint cimport int32_t

import numpy as np

cdef extern from "machine.h" nogil:
    enum: LANES, TILE_FLOPS
    void limit_rows(float* table, Py_ssize_t stride, const int32_t* rows, Py_ssize_t n, Py_ssize_t ahead, int far,
                    Py_ssize_t D, int rule, float gradient)
    float limit_multiply_add(Py_ssize_t n)
    void limit_tile(float* c, const float* a, const float* b, Py_ssize_t K, Py_ssize_t n)

cdef extern from "memory.h" nogil:
    void* wyrm_alloc(size_t bytes)
    void wyrm_free(void* block)

RULES = {"add": 0, "Adagrad": 1, "Adagrad, estimated": 2}

cdef enum:
    MAX_AHEAD = 256


cdef class Table:
    """n_rows x width zeros, aligned and on huge pages as the engine's parameters are."""

    cdef float* data
    cdef readonly Py_ssize_t n_rows, width
    cdef readonly float[:, ::1] values

    def __cinit__(self, Py_ssize_t n_rows, Py_ssize_t width):
        self.data = <float*> wyrm_alloc(<size_t> n_rows * width * 4)
        if self.data == NULL:
            raise MemoryError
        self.n_rows, self.width = n_rows, width
        self.values = <float[:n_rows, :width]> self.data
        np.asarray(self.values)[:] = 0

    def __dealloc__(self):
        wyrm_free(self.data)


cdef class Rows:
    """Rows(table, rows, offsets, rule): rows offsets[i] to offsets[i + 1] of the list belong to step i.

    Other Rows in the place of `rows` share their list: a copy would be read beside it.
    """

    cdef Table table
    cdef int32_t[::1] rows
    cdef Py_ssize_t[::1] offsets
    cdef int rule
    cdef Py_ssize_t dim

    def __init__(self, Table table, rows, offsets, rule):
        cdef Rows other = rows if isinstance(rows, Rows) else None
        rows = np.ascontiguousarray(rows if other is None else other.rows[:-MAX_AHEAD], dtype=np.int32).ravel()
        offsets = np.ascontiguousarray(offsets, dtype=np.intp)
        if rows.min() < 0 or rows.max() >= table.n_rows:
            raise ValueError("Rows: row out of range")
        if offsets.min() < 0 or offsets.max() > len(rows) or np.diff(offsets).min() < 0:
            raise ValueError("Rows: offsets out of order")
        # Looking ahead at the end begins anew.
        self.rows = np.concatenate([rows, np.resize(rows, MAX_AHEAD)]) if other is None else other.rows
        self.table, self.offsets, self.rule = table, offsets, RULES[rule]
        self.dim = table.width // (1 if rule == "add" else 2)


def update(list accesses, Py_ssize_t first, Py_ssize_t end, Py_ssize_t ahead, float gradient=0, bint far=False):
    """Steps first to end - 1: each changes its rows of every one of the accesses, `ahead` rows prefetched.

    They are fetched into the first cache or, with `far`, into the second.
    """
    cdef Rows one
    cdef Py_ssize_t i, k, at
    cdef float* tables[4]
    cdef const int32_t* rows[4]
    cdef const Py_ssize_t* offsets[4]
    cdef Py_ssize_t strides[4]
    cdef Py_ssize_t dims[4]
    cdef int rules[4]
    cdef Py_ssize_t n = len(accesses)
    if n > 4 or not 0 <= ahead <= MAX_AHEAD:
        raise ValueError("update: at most 4 accesses, and 256 rows ahead")
    for k in range(n):
        one = accesses[k]
        if not 0 <= first <= end < one.offsets.shape[0]:
            raise ValueError("update: there are not so many steps")
        tables[k], rows[k], offsets[k] = one.table.data, &one.rows[0], &one.offsets[0]
        strides[k], dims[k], rules[k] = one.table.width, one.dim, one.rule
    with nogil:
        for i in range(first, end):
            for k in range(n):
                at = offsets[k][i]
                limit_rows(tables[k], strides[k], rows[k] + at, offsets[k][i + 1] - at, ahead, far, dims[k],
                           rules[k], gradient)


def lanes():
    """Floats in a vector."""
    return LANES


def multiply_add(Py_ssize_t n):
    """n rounds on registers; the flops of a round are `tile_flops()`."""
    cdef float found
    with nogil:
        found = limit_multiply_add(n)
    return found


def tile_flops():
    return TILE_FLOPS


def tile(const float[:, ::1] a, const float[:, ::1] b, Py_ssize_t n):
    """a (4, K) times b (K, 3 vectors), n times over: the product."""
    if a.shape[0] != 4 or b.shape[1] != 3 * LANES or a.shape[1] != b.shape[0] or a.shape[1] == 0:
        raise ValueError("tile: expected a of 4 x K and b of K x 3 vectors")
    found = np.zeros((4, 3 * LANES), dtype=np.float32)
    cdef float[:, ::1] c = found
    with nogil:
        limit_tile(&c[0, 0], &a[0, 0], &b[0, 0], a.shape[1], n)
    return found
