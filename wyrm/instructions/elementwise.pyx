"""Elementwise instructions: arithmetic with broadcasting, and functions of one operand.

Three variants share each operation.  1 x 1 operands are computed on the spot: at that size a kernel call would cost
more than the arithmetic.  Operands that lie in memory as one run of numbers (or are one number) take one kernel call.
The rest go row by row.
"""

from wyrm.instructions.program cimport (
    COLS_DIFFER, OK, OP_ADD, OP_CLIP, OP_DIVIDE, OP_NEGATE, ROWS_DIFFER,
    flat, instruction_t, op_t, size, slot_t,
)
from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport ADD, MULTIPLY, NEGATE, SUBTRACT, dim_t


# --- Shapes ------------------------------------------------------------------------------------------------------

cdef inline int broadcast(dim_t* out, dim_t a, dim_t b, int otherwise) noexcept nogil:
    if a == b or b == 1:
        out[0] = a
    elif a == 1:
        out[0] = b
    else:
        return otherwise
    return OK


cdef inline bint runs(const slot_t* x, const slot_t* out) noexcept nogil:
    """Whether the operand can be walked beside `out` with one step, 0 or 1."""
    return size(x) == 1 or (x.rows == out.rows and x.cols == out.cols and flat(x))


cdef inline dim_t step_of(const slot_t* x, dim_t n) noexcept nogil:
    return 0 if size(x) == 1 and n > 1 else 1


cdef int binary_shape(instruction_t* code) noexcept nogil:
    cdef slot_t* out = code.out
    cdef int status = broadcast(&out.rows, code.a.rows, code.b.rows, ROWS_DIFFER)
    if status == OK:
        status = broadcast(&out.cols, code.a.cols, code.b.cols, COLS_DIFFER)
    if status != OK:
        return status
    code.work = size(out)
    code.scratch_size = 0
    if size(out) == 1:
        if code.op.code == ADD:
            code.forward, code.backward = add_one, add_one_back
        elif code.op.code == SUBTRACT:
            code.forward, code.backward = subtract_one, subtract_one_back
        elif code.op.code == MULTIPLY:
            code.forward, code.backward = multiply_one, multiply_one_back
        else:
            code.forward, code.backward = divide_one, divide_one_back
        return OK
    if runs(code.a, out) and runs(code.b, out):
        code.forward, code.backward = binary_flat, binary_flat_back
    else:
        code.forward, code.backward = binary_rows, binary_rows_back
    # A broadcast operand's gradient is made at full size before it is summed.
    if size(code.a) != size(out) or size(code.b) != size(out):
        code.scratch_size = size(out)
    return OK


# --- 1 x 1 -------------------------------------------------------------------------------------------------------

cdef inline void give(slot_t* x, bint add, float gradient) noexcept nogil:
    if x.grad != NULL:
        x.grad[0] = x.grad[0] + gradient if add else gradient


cdef int add_one(instruction_t* code) noexcept nogil:
    code.out.value[0] = code.a.value[0] + code.b.value[0]
    return OK


cdef int add_one_back(instruction_t* code) noexcept nogil:
    give(code.a, code.add_a, code.out.grad[0])
    give(code.b, code.add_b, code.out.grad[0])
    return OK


cdef int subtract_one(instruction_t* code) noexcept nogil:
    code.out.value[0] = code.a.value[0] - code.b.value[0]
    return OK


cdef int subtract_one_back(instruction_t* code) noexcept nogil:
    give(code.a, code.add_a, code.out.grad[0])
    give(code.b, code.add_b, -code.out.grad[0])
    return OK


cdef int multiply_one(instruction_t* code) noexcept nogil:
    code.out.value[0] = code.a.value[0] * code.b.value[0]
    return OK


cdef int multiply_one_back(instruction_t* code) noexcept nogil:
    give(code.a, code.add_a, code.out.grad[0] * code.b.value[0])
    give(code.b, code.add_b, code.out.grad[0] * code.a.value[0])
    return OK


cdef int divide_one(instruction_t* code) noexcept nogil:
    code.out.value[0] = code.a.value[0] / code.b.value[0]
    return OK


cdef int divide_one_back(instruction_t* code) noexcept nogil:
    cdef float gradient = code.out.grad[0] / code.b.value[0]
    give(code.a, code.add_a, gradient)
    give(code.b, code.add_b, -gradient * code.out.value[0])
    return OK


cdef int square_one(instruction_t* code) noexcept nogil:
    code.out.value[0] = code.a.value[0] * code.a.value[0]
    return OK


cdef int square_one_back(instruction_t* code) noexcept nogil:
    give(code.a, code.add_a, 2 * code.a.value[0] * code.out.grad[0])
    return OK


# --- Two operands ------------------------------------------------------------------------------------------------

cdef int binary_flat(instruction_t* code) noexcept nogil:
    cdef dim_t n = size(code.out)
    kernels.binary[code.op.code](code.out.value, code.a.value, code.b.value,
                                 step_of(code.a, n), step_of(code.b, n), n)
    return OK


cdef inline float* row(const slot_t* x, dim_t r) noexcept nogil:
    return x.value + (0 if x.rows == 1 else r * x.ld)


cdef int binary_rows(instruction_t* code) noexcept nogil:
    cdef slot_t* out = code.out
    cdef dim_t r, a_step = code.a.cols > 1 or out.cols == 1, b_step = code.b.cols > 1 or out.cols == 1
    for r in range(out.rows):
        kernels.binary[code.op.code](out.value + r * out.cols, row(code.a, r), row(code.b, r),
                                     a_step, b_step, out.cols)
    return OK


cdef void sum_into(slot_t* x, const float* gradient, dim_t rows, dim_t cols, float sign, bint add) noexcept nogil:
    """x.grad (+)= sign * gradient[rows, cols], summed along the dimensions x was broadcast over."""
    cdef float total
    if x.rows == rows and x.cols == cols:
        kernels.scale(x.grad, gradient, sign, rows * cols, add)
    elif x.rows == 1 and x.cols == 1:
        total = sign * kernels.total(gradient, rows * cols)
        x.grad[0] = x.grad[0] + total if add else total
    elif x.rows == 1:
        kernels.sum_rows(x.grad, gradient, cols, rows, cols, sign, add)
    else:
        kernels.sum_cols(x.grad, gradient, cols, rows, cols, sign, add)


cdef int linear_back(instruction_t* code) noexcept nogil:
    """Sums and differences hand their gradient on, with its sign."""
    cdef slot_t* out = code.out
    if code.a.grad != NULL:
        sum_into(code.a, out.grad, out.rows, out.cols, 1, code.add_a)
    if code.b.grad != NULL:
        sum_into(code.b, out.grad, out.rows, out.cols, -1 if code.op.code == SUBTRACT else 1, code.add_b)
    return OK


cdef int binary_flat_back(instruction_t* code) noexcept nogil:
    cdef slot_t* out = code.out
    cdef slot_t* a = code.a
    cdef slot_t* b = code.b
    cdef dim_t n = size(out), a_step = step_of(a, n), b_step = step_of(b, n)
    if code.op.code == ADD or code.op.code == SUBTRACT:
        return linear_back(code)
    if a.grad != NULL:
        if size(a) == n:
            kernels.binary_back_a[code.op.code](a.grad, out.grad, a.value, b.value, out.value,
                                                a_step, b_step, n, code.add_a)
        else:
            kernels.binary_back_a[code.op.code](code.scratch, out.grad, a.value, b.value, out.value,
                                                a_step, b_step, n, False)
            sum_into(a, code.scratch, out.rows, out.cols, 1, code.add_a)
    if b.grad != NULL:
        if size(b) == n:
            kernels.binary_back_b[code.op.code](b.grad, out.grad, a.value, b.value, out.value,
                                                a_step, b_step, n, code.add_b)
        else:
            kernels.binary_back_b[code.op.code](code.scratch, out.grad, a.value, b.value, out.value,
                                                a_step, b_step, n, False)
            sum_into(b, code.scratch, out.rows, out.cols, 1, code.add_b)
    return OK


cdef int binary_rows_back(instruction_t* code) noexcept nogil:
    cdef slot_t* out = code.out
    cdef slot_t* a = code.a
    cdef slot_t* b = code.b
    cdef dim_t r, cols = out.cols
    cdef dim_t a_step = a.cols > 1 or cols == 1, b_step = b.cols > 1 or cols == 1
    cdef bint whole
    cdef float* into
    if code.op.code == ADD or code.op.code == SUBTRACT:
        return linear_back(code)
    if a.grad != NULL:
        whole = size(a) == size(out)
        into = a.grad if whole else code.scratch
        for r in range(out.rows):
            kernels.binary_back_a[code.op.code](into + r * cols, out.grad + r * cols, row(a, r), row(b, r),
                                                out.value + r * cols, a_step, b_step, cols, whole and code.add_a)
        if not whole:
            sum_into(a, code.scratch, out.rows, cols, 1, code.add_a)
    if b.grad != NULL:
        whole = size(b) == size(out)
        into = b.grad if whole else code.scratch
        for r in range(out.rows):
            kernels.binary_back_b[code.op.code](into + r * cols, out.grad + r * cols, row(a, r), row(b, r),
                                                out.value + r * cols, a_step, b_step, cols, whole and code.add_b)
        if not whole:
            sum_into(b, code.scratch, out.rows, cols, 1, code.add_b)
    return OK


# --- One operand -------------------------------------------------------------------------------------------------

cdef int unary_shape(instruction_t* code) noexcept nogil:
    code.out.rows = code.a.rows
    code.out.cols = code.a.cols
    code.work = size(code.out) * 8
    return OK


cdef int square_shape(instruction_t* code) noexcept nogil:
    unary_shape(code)
    if size(code.out) == 1:
        code.forward, code.backward = square_one, square_one_back
    else:
        code.forward, code.backward = unary, unary_back
    return OK


cdef int unary(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef dim_t r
    if flat(a):
        kernels.unary[code.op.code](code.out.value, a.value, code.attr, size(a))
    else:
        for r in range(a.rows):
            kernels.unary[code.op.code](code.out.value + r * a.cols, a.value + r * a.ld, code.attr, a.cols)
    return OK


cdef int unary_back(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef slot_t* out = code.out
    cdef dim_t r, at
    if a.grad == NULL:
        return OK
    if flat(a):
        kernels.unary_back[code.op.code](a.grad, out.grad, a.value, out.value, code.attr, size(a), code.add_a)
    else:
        for r in range(a.rows):
            at = r * a.cols
            kernels.unary_back[code.op.code](a.grad + at, out.grad + at, a.value + r * a.ld, out.value + at,
                                             code.attr, a.cols, code.add_a)
    return OK


cdef void fill_elementwise(op_t* ops) noexcept:
    cdef const char** names = [
        "negate", "square", "sqrt", "exp", "log", "tanh", "sigmoid", "relu", "softplus", "clip",
        "add", "subtract", "multiply", "divide",
    ]
    cdef int k
    for k in range(OP_NEGATE, OP_CLIP + 1):
        ops[k] = op_t(names[k], unary_shape, unary, unary_back, 1, NEGATE + k - OP_NEGATE)
    ops[OP_NEGATE + 1].shape = square_shape
    for k in range(OP_ADD, OP_DIVIDE + 1):
        ops[k] = op_t(names[k], binary_shape, NULL, NULL, 2, ADD + k - OP_ADD)
