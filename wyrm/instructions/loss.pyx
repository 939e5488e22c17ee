"""Losses: a prediction (operand a) against a target (operand b, or an index), weighted by example (operand c).

Loss and slope come out of one pass forward, while prediction and target are at hand; the slope waits in the scratch for
backward.  Fusing them with their link (the sigmoid of a log loss, the softmax of a cross-entropy) is what keeps
them finite for any logit.  Targets and weights get no gradient.
"""

from libc.string cimport memset
from wyrm.instructions.program cimport (
    COLS_DIFFER, OK, OP_CROSSENTROPY, OP_HINGE, OP_NEGATIVE_SAMPLING, OP_SQUARED_ERROR, ROWS_DIFFER, ROW_OUT_OF_RANGE,
    TARGETS_DIFFER, WEIGHTS_DIFFER, flat, instruction_t, op_t, size, slot_t,
)
from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport EXP, LOGISTIC, MULTIPLY, SQUARED_ERROR, dim_t


cdef inline int weight_per_row(instruction_t* code) noexcept nogil:
    cdef slot_t* w = code.c
    if w != NULL and (w.cols != 1 or w.rows != code.a.rows or w.ld != 1):
        return WEIGHTS_DIFFER
    return OK


# --- Elementwise losses ------------------------------------------------------------------------------------------

cdef int loss_shape(instruction_t* code) noexcept nogil:
    if code.a.rows != code.b.rows:
        return ROWS_DIFFER
    if code.a.cols != code.b.cols:
        return COLS_DIFFER
    code.out.rows = code.a.rows
    code.out.cols = code.a.cols
    code.scratch_size = size(code.a)
    code.work = size(code.a) * 10
    return weight_per_row(code)


cdef int loss(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef slot_t* b = code.b
    cdef dim_t r, at, rows = a.rows, cols = a.cols
    if flat(a) and flat(b):
        kernels.loss[code.op.code](code.out.value, code.scratch, a.value, b.value, rows * cols)
    else:
        for r in range(rows):
            at = r * cols
            kernels.loss[code.op.code](code.out.value + at, code.scratch + at,
                                       a.value + r * a.ld, b.value + r * b.ld, cols)
    if code.c != NULL:
        kernels.scale_rows(code.out.value, code.out.value, code.c.value, cols, rows, cols, False)
        kernels.scale_rows(code.scratch, code.scratch, code.c.value, cols, rows, cols, False)
    return OK


cdef int loss_back(instruction_t* code) noexcept nogil:
    cdef dim_t n = size(code.a)
    if code.a.grad == NULL:
        return OK
    if n == 1:
        code.a.grad[0] = (code.a.grad[0] if code.add_a else 0) + code.out.grad[0] * code.scratch[0]
        return OK
    kernels.binary_back_a[<int> MULTIPLY](code.a.grad, code.out.grad, code.scratch, code.scratch, code.scratch,
                                          1, 1, n, code.add_a)
    return OK


# --- Cross-entropy over the columns ------------------------------------------------------------------------------
#
# Row j of the logits has one target, or the bag of targets j: then their losses are summed.

cdef int crossentropy_shape(instruction_t* code) noexcept nogil:
    if code.index.bags != code.a.rows and code.index.n != code.a.rows:
        return TARGETS_DIFFER
    code.n[0] = code.index.bags == code.a.rows
    code.out.rows = code.a.rows
    code.out.cols = 1
    code.scratch_size = size(code.a)
    code.work = size(code.a) * 12
    return weight_per_row(code)


cdef inline void targets(dim_t* first, dim_t* end, const instruction_t* code, dim_t r) noexcept nogil:
    first[0] = code.index.offsets[r] if code.n[0] else r
    end[0] = code.index.offsets[r + 1] if code.n[0] else r + 1


cdef int crossentropy(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef dim_t r, i, first, end
    cdef float total, weight
    cdef const float* p
    if code.index.high >= a.cols:
        return ROW_OUT_OF_RANGE
    kernels.log_softmax(code.scratch, a.value, a.ld, a.rows, a.cols)
    for r in range(a.rows):
        p = code.scratch + r * a.cols
        weight = code.c.value[r] if code.c != NULL else 1
        targets(&first, &end, code, r)
        total = 0
        for i in range(first, end):
            total -= p[code.index.rows[i]]
        code.out.value[r] = weight * total
    kernels.unary[<int> EXP](code.scratch, code.scratch, NULL, size(a))
    return OK


cdef int crossentropy_back(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef dim_t r, i, first, end
    cdef float each
    if a.grad == NULL:
        return OK
    for r in range(a.rows):
        targets(&first, &end, code, r)
        each = code.out.grad[r] * (code.c.value[r] if code.c != NULL else 1)
        kernels.scale(a.grad + r * a.cols, code.scratch + r * a.cols, each * (end - first), a.cols, code.add_a)
        for i in range(first, end):
            a.grad[r * a.cols + code.index.rows[i]] -= each
    return OK


# --- A score that was seen against some that were drawn ----------------------------------------------------------
#
# Operand a has a positive score for each row, b some negative ones, which attr[0] weighs.  The scratch holds the slopes
# of both, which wait for backward, then their losses and their targets.

cdef int negative_sampling_shape(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    if a.rows != code.b.rows:
        return ROWS_DIFFER
    code.out.rows = a.rows
    code.out.cols = 1
    code.scratch_size = 3 * a.rows * (1 + code.b.cols)
    code.work = a.rows * (1 + code.b.cols) * 10
    return weight_per_row(code)


cdef int negative_sampling(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef slot_t* b = code.b
    cdef dim_t r, n = a.rows, k = b.cols
    cdef float* slopes = code.scratch
    cdef float* losses = slopes + n * (1 + k)
    cdef float* targets = losses + n * (1 + k)
    for r in range(n):
        targets[r] = 1
    memset(targets + n, 0, n * k * sizeof(float))
    if flat(a) and flat(b):
        kernels.loss[<int> LOGISTIC](losses, slopes, a.value, targets, n)
        kernels.loss[<int> LOGISTIC](losses + n, slopes + n, b.value, targets + n, n * k)
    else:
        for r in range(n):
            kernels.loss[<int> LOGISTIC](losses + r, slopes + r, a.value + r * a.ld, targets, 1)
            kernels.loss[<int> LOGISTIC](losses + n + r * k, slopes + n + r * k, b.value + r * b.ld, targets + n, k)
    kernels.sum_cols(losses, losses + n, k, n, k, code.attr[0], True)
    if code.attr[0] != 1:
        kernels.scale(slopes + n, slopes + n, code.attr[0], n * k, False)
    if code.c != NULL:
        kernels.scale_rows(losses, losses, code.c.value, 1, n, 1, False)
        kernels.scale_rows(slopes, slopes, code.c.value, 1, n, 1, False)
        kernels.scale_rows(slopes + n, slopes + n, code.c.value, k, n, k, False)
    for r in range(n):
        code.out.value[r] = losses[r]
    return OK


cdef int negative_sampling_back(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef slot_t* b = code.b
    cdef float* slopes = code.scratch
    if a.grad != NULL:
        kernels.scale_rows(a.grad, slopes, code.out.grad, 1, a.rows, 1, code.add_a)
    if b.grad != NULL:
        kernels.scale_rows(b.grad, slopes + a.rows, code.out.grad, b.cols, b.rows, b.cols, code.add_b)
    return OK


cdef void fill_loss(op_t* ops) noexcept:
    cdef const char** names = ["squared_error", "logistic", "hinge"]
    cdef int k
    for k in range(OP_SQUARED_ERROR, OP_HINGE + 1):
        ops[k] = op_t(names[k - OP_SQUARED_ERROR], loss_shape, loss, loss_back, 3, SQUARED_ERROR + k - OP_SQUARED_ERROR)
    ops[OP_CROSSENTROPY] = op_t("sparse_categorical_crossentropy", crossentropy_shape, crossentropy,
                                crossentropy_back, 3, 0)
    ops[OP_NEGATIVE_SAMPLING] = op_t("negative_sampling", negative_sampling_shape, negative_sampling,
                                     negative_sampling_back, 3, 0)
