"""Sums and means over everything, over the rows or over the columns; softmax over the columns.

code.n[0] is the axis: 0 sums the rows into one, 1 the columns into one, -1 both.
"""

from wyrm.instructions.program cimport (
    NO_ROWS, OK, OP_LOG_SOFTMAX, OP_MEAN, OP_SOFTMAX, OP_SUM, flat, instruction_t, op_t, size, slot_t,
)
from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport dim_t


cdef int sum_shape(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef dim_t axis = code.n[0]
    code.out.rows = a.rows if axis == 1 else 1
    code.out.cols = a.cols if axis == 0 else 1
    code.work = size(a)
    code.attr[0] = 1
    if code.op.code == OP_MEAN:
        if size(a) == 0:
            return NO_ROWS
        code.attr[0] = 1.0 / (<double> size(a) / <double> size(code.out))
    return OK


cdef int sum_forward(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef float* y = code.out.value
    cdef dim_t r
    cdef double total = 0
    if code.n[0] == 0:
        kernels.sum_rows(y, a.value, a.ld, a.rows, a.cols, code.attr[0], False)
    elif code.n[0] == 1:
        kernels.sum_cols(y, a.value, a.ld, a.rows, a.cols, code.attr[0], False)
    elif flat(a):
        y[0] = code.attr[0] * kernels.total(a.value, size(a))
    else:
        for r in range(a.rows):
            total += kernels.total(a.value + r * a.ld, a.cols)
        y[0] = code.attr[0] * total
    return OK


cdef int sum_back(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef float* dy = code.out.grad
    cdef float scaled
    cdef dim_t r, c
    if a.grad == NULL:
        return OK
    if code.n[0] == 0:
        for r in range(a.rows):
            kernels.scale(a.grad + r * a.cols, dy, code.attr[0], a.cols, code.add_a)
        return OK
    for r in range(a.rows):
        scaled = code.attr[0] * (dy[r] if code.n[0] == 1 else dy[0])
        if code.add_a:
            for c in range(a.cols):
                a.grad[r * a.cols + c] += scaled
        else:
            for c in range(a.cols):
                a.grad[r * a.cols + c] = scaled
    return OK


cdef int softmax_shape(instruction_t* code) noexcept nogil:
    code.out.rows = code.a.rows
    code.out.cols = code.a.cols
    code.work = size(code.a) * 10
    return OK


cdef int softmax(instruction_t* code) noexcept nogil:
    kernels.softmax(code.out.value, code.a.value, code.a.ld, code.a.rows, code.a.cols)
    return OK


cdef int softmax_back(instruction_t* code) noexcept nogil:
    if code.a.grad != NULL:
        kernels.softmax_back(code.a.grad, code.out.grad, code.out.value, code.a.rows, code.a.cols, code.add_a)
    return OK


cdef int log_softmax(instruction_t* code) noexcept nogil:
    kernels.log_softmax(code.out.value, code.a.value, code.a.ld, code.a.rows, code.a.cols)
    return OK


cdef int log_softmax_back(instruction_t* code) noexcept nogil:
    if code.a.grad != NULL:
        kernels.log_softmax_back(code.a.grad, code.out.grad, code.out.value, code.a.rows, code.a.cols, code.add_a)
    return OK


cdef void fill_reduce(op_t* ops) noexcept:
    ops[OP_SUM] = op_t("sum", sum_shape, sum_forward, sum_back, 1, OP_SUM)
    ops[OP_MEAN] = op_t("mean", sum_shape, sum_forward, sum_back, 1, OP_MEAN)
    ops[OP_SOFTMAX] = op_t("softmax", softmax_shape, softmax, softmax_back, 1, 0)
    ops[OP_LOG_SOFTMAX] = op_t("log_softmax", softmax_shape, log_softmax, log_softmax_back, 1, 0)
