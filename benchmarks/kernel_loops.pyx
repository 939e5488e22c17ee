# cython: language_level=3, cdivision=True, boundscheck=False, wraparound=False
"""Kernels called n times from C, on arrays that stay in the cache: what one call takes, without Python around it.

Each function takes the number of calls last, and leaves in its arrays what a single call would (or, of kernels that
accumulate, n of them). test_kernels.py gives it arrays of the shapes that are meant; nothing is checked here.
"""

from libc.stdint cimport int32_t

from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport EXP, LOG, LOGISTIC, SIGMOID, TANH, bags_t, hyper_t, product_t, slots_t, update_t

UNARY = {"exp": EXP, "log": LOG, "tanh": TANH, "sigmoid": SIGMOID}


def unary(str name, float[::1] y, const float[::1] x, Py_ssize_t n, bint fast=False):
    cdef int code = UNARY[name]
    cdef Py_ssize_t _
    with nogil:
        for _ in range(n):
            if fast:
                kernels.unary_fast[code](&y[0], &x[0], NULL, x.shape[0])
            else:
                kernels.unary[code](&y[0], &x[0], NULL, x.shape[0])


def logistic(float[::1] loss, float[::1] slope, const float[::1] y_hat, const float[::1] y, Py_ssize_t n):
    cdef Py_ssize_t _
    with nogil:
        for _ in range(n):
            kernels.loss[<int> LOGISTIC](&loss[0], &slope[0], &y_hat[0], &y[0], y.shape[0])


def total(const float[::1] x, Py_ssize_t n):
    cdef Py_ssize_t _
    cdef float found = 0
    with nogil:
        for _ in range(n):
            found = kernels.total(&x[0], x.shape[0])
    return found


def dot(const float[::1] a, const float[::1] b, Py_ssize_t n):
    cdef Py_ssize_t _
    cdef float found = 0
    with nogil:
        for _ in range(n):
            found = kernels.dot(&a[0], &b[0], a.shape[0])
    return found


def softmax(float[:, ::1] y, const float[:, ::1] x, Py_ssize_t n):
    cdef Py_ssize_t _
    with nogil:
        for _ in range(n):
            kernels.softmax(&y[0, 0], &x[0, 0], x.shape[1], x.shape[0], x.shape[1])


def product(float[:, ::1] c, const float[:, ::1] a, const float[:, ::1] b, bint transpose_a, bint transpose_b,
            Py_ssize_t n):
    """c = op(a) @ op(b)."""
    cdef Py_ssize_t _
    cdef product_t p
    p.c, p.a, p.b = &c[0, 0], &a[0, 0], &b[0, 0]
    p.ldc, p.lda, p.ldb = c.shape[1], a.shape[1], b.shape[1]
    p.M, p.N = c.shape[0], c.shape[1]
    p.K = a.shape[0] if transpose_a else a.shape[1]
    p.transpose_a, p.transpose_b, p.add = transpose_a, transpose_b, False
    with nogil:
        for _ in range(n):
            kernels.product(&p)


cdef bags_t one_bag(const float[:, ::1] table, const int32_t[::1] rows, const int32_t[::1] offsets) noexcept:
    cdef bags_t b
    b.table, b.stride, b.D = &table[0, 0], table.shape[1], table.shape[1]
    b.rows, b.offsets, b.weights = &rows[0], &offsets[0], NULL
    b.n, b.bags, b.mean = rows.shape[0], 1, False
    return b


def gather(float[:, ::1] y, const float[:, ::1] table, const int32_t[::1] rows, const int32_t[::1] offsets,
           Py_ssize_t n):
    cdef bags_t b = one_bag(table, rows, offsets)
    cdef Py_ssize_t _
    with nogil:
        for _ in range(n):
            kernels.gather(&y[0, 0], &b)


def bag(float[::1] y, const float[:, ::1] table, const int32_t[::1] rows, const int32_t[::1] offsets, Py_ssize_t n):
    cdef bags_t b = one_bag(table, rows, offsets)
    cdef Py_ssize_t _
    with nogil:
        for _ in range(n):
            kernels.bag(&y[0], &b)


def fm(float[::1] y, float[::1] sums, const float[:, ::1] table, const int32_t[::1] rows, const int32_t[::1] offsets,
       Py_ssize_t n):
    cdef bags_t b = one_bag(table, rows, offsets)
    cdef Py_ssize_t _
    with nogil:
        for _ in range(n):
            kernels.fm(&y[0], &sums[0], &b)


def fm_back(float[:, ::1] grad, const float[::1] dy, const float[::1] sums, const float[:, ::1] table,
            const int32_t[::1] rows, const int32_t[::1] offsets, Py_ssize_t n):
    cdef bags_t b = one_bag(table, rows, offsets)
    cdef slots_t s
    cdef Py_ssize_t _
    s.values, s.slots, s.add = &grad[0, 0], NULL, False
    with nogil:
        for _ in range(n):
            kernels.fm_back(&s, &dy[0], &sums[0], &b)


def update(str rule, float[:, ::1] table, Py_ssize_t D, const int32_t[::1] rows, const float[:, ::1] grad,
           float learning_rate, Py_ssize_t n):
    """Rows hold D values and behind them the state; `rule` is SGD or Adagrad."""
    cdef update_t u
    cdef hyper_t h
    cdef bint adaptive = rule == "Adagrad"
    cdef Py_ssize_t _
    u.value, u.state = &table[0, 0], &table[0, 0] + D
    u.stride = u.state_stride = table.shape[1]
    u.rows, u.grad, u.n, u.D = &rows[0], &grad[0, 0], rows.shape[0], D
    h.learning_rate, h.eps, h.l1, h.l2, h.clip = learning_rate, 1e-10, 0, 0, False
    h.clip_low = h.clip_high = 0
    with nogil:
        for _ in range(n):
            if adaptive:
                kernels.adagrad_rows(&u, &h)
            else:
                kernels.sgd_rows(&u, &h)


def unique_rows(int32_t[::1] unique, int32_t[::1] slots, int32_t[::1] buckets, const int32_t[::1] rows, Py_ssize_t n):
    cdef Py_ssize_t _, found = 0
    with nogil:
        for _ in range(n):
            found = kernels.unique_rows(&unique[0], &slots[0], &buckets[0], buckets.shape[0], &rows[0], rows.shape[0])
    return found
