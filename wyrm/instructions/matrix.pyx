"""Matrix instructions: products, transposes, slices, concatenation, row-by-row dot products.

A product reads a transposed operand in place: code.n[0] and code.n[1] say that a, b are meant transposed.
Products large enough to repay the call go to BLAS.
"""

from libc.string cimport memcpy, memset
from wyrm.blas cimport gemm
from wyrm.gradient cimport leave_dots, leave_pairs, lookup_products
from wyrm.instructions.lookup cimport describe_products, read_in_place, rows_in_place, slots_in_place
from wyrm.instructions.program cimport (
    COLS_DIFFER, INNER_DIFFERS, OK, OP_CONCATENATE, OP_MATMUL, OP_SLICE, OP_TRANSPOSE, OP_VECTOR_DOT, ROWS_DIFFER,
    SLICE_OUT_OF_RANGE, instruction_t, op_t, size, slot_t,
)
from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport dim_t, pairs_t, product_t, rows_t, slots_t, products_t


# --- Rows of a against rows of b, read in place -------------------------------------------------------------------
#
# code.n[2] is the number of blocks: 1 for a product with b transposed, for vector_dot one for each row of a.  code.n[3]
# is set where b is looked up and a is not changed by the step to come: then the gradient of b may be left as products.

cdef void read_pairs_in_place(instruction_t* code, dim_t blocks) noexcept nogil:
    """For a shape function: operands that are embeddings are read in their tables, where that is allowed.

    But for two single rows, which are sooner copied.
    """
    code.n[2] = blocks
    if code.lookup_a == NULL and code.lookup_b == NULL or size(code.out) == 1:
        return
    code.forward, code.backward = pairs, pairs_back
    if code.lookup_a != NULL:
        read_in_place(code.lookup_a)
    if code.lookup_b != NULL:
        read_in_place(code.lookup_b)


cdef inline void open_rows(rows_t* rows, const slot_t* x, const instruction_t* lookup) noexcept nogil:
    if lookup != NULL:
        rows_in_place(rows, lookup)
    else:
        rows.value, rows.stride, rows.at = x.value, x.ld, NULL


cdef inline int open_slots(slots_t* slots, slot_t* x, instruction_t* lookup, bint add) noexcept nogil:
    if lookup != NULL:
        return slots_in_place(slots, lookup)
    slots.values, slots.slots, slots.add = x.grad, NULL, add
    return OK


cdef inline void open_pairs(pairs_t* p, const instruction_t* code) noexcept nogil:
    open_rows(&p.a, code.a, code.lookup_a)
    open_rows(&p.b, code.b, code.lookup_b)
    p.blocks = code.n[2]
    p.M = code.out.rows // p.blocks
    p.N = code.out.cols
    p.D = code.a.cols


cdef int pairs(instruction_t* code) noexcept nogil:
    cdef pairs_t p
    open_pairs(&p, code)
    kernels.pair_dots(code.out.value, &p)
    return OK


cdef int pairs_back(instruction_t* code) noexcept nogil:
    """Where both operands learn."""
    cdef pairs_t p
    cdef slots_t da, db
    cdef products_t* products = NULL
    cdef int status
    open_pairs(&p, code)
    if code.lookup_a != NULL and code.lookup_b != NULL and leave_pairs(
            code.lookup_a.gradient, code.lookup_b.gradient, code.lookup_a.index, code.lookup_b.index, &p,
            code.out.grad):
        return OK
    if code.bag_a != NULL and code.n[3] and not code.add_a and leave_dots(
            code.bag_a.gradient, code.lookup_b.gradient, code.bag_a.index, code.lookup_b.index, &p, code.out.grad,
            code.a.grad):
        describe_products(&code.bag_a.gradient.products, code.bag_a, code.a.grad)
        return OK
    status = open_slots(&da, code.a, code.lookup_a, code.add_a)
    if status == OK and code.n[3] and p.M == 1:
        products = lookup_products(code.lookup_b.gradient, code.lookup_b.index, False)
    if products != NULL:
        products.bags, products.each = p.blocks, p.N
        products.weights = code.out.grad
        products.source, products.stride = code.a.value, code.a.ld
        kernels.pair_dots_back(&da, NULL, code.out.grad, &p)
        return OK
    if status == OK:
        status = open_slots(&db, code.b, code.lookup_b, code.add_b)
    if status == OK:
        kernels.pair_dots_back(&da, &db, code.out.grad, &p)
    return status


# --- Products ----------------------------------------------------------------------------------------------------

cdef void product(float* c, dim_t ldc, const float* a, dim_t lda, bint transpose_a, const float* b, dim_t ldb,
                  bint transpose_b, dim_t M, dim_t N, dim_t K, bint add) noexcept nogil:
    cdef product_t p
    p.c, p.a, p.b = c, a, b
    p.ldc, p.lda, p.ldb = ldc, lda, ldb
    p.M, p.N, p.K = M, N, K
    p.transpose_a, p.transpose_b, p.add = transpose_a, transpose_b, add
    if M >= 8 and N >= 8 and K >= 8 and M * N * K >= BLAS_WORTH_IT:
        gemm(&p)
    else:
        kernels.product(&p)


cdef enum:
    # Multiply-adds above which BLAS beats the register-blocked kernel, its packing included; docs/performance.md.
    BLAS_WORTH_IT = 32 * 32 * 32


cdef int matmul_shape(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef slot_t* b = code.b
    cdef dim_t inner = a.rows if code.n[0] else a.cols
    if inner != (b.cols if code.n[1] else b.rows):
        return INNER_DIFFERS
    code.out.rows = a.cols if code.n[0] else a.rows
    code.out.cols = b.rows if code.n[1] else b.cols
    code.work = code.out.rows * code.out.cols * inner
    code.forward, code.backward = code.op.forward, code.op.backward
    if code.work < BLAS_WORTH_IT:
        read_pairs_in_place(code, 1)
    return OK


cdef int matmul(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    product(code.out.value, code.out.cols, a.value, a.ld, code.n[0], code.b.value, code.b.ld, code.n[1],
            code.out.rows, code.out.cols, a.rows if code.n[0] else a.cols, False)
    return OK


cdef int matmul_back(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef slot_t* b = code.b
    cdef slot_t* y = code.out
    if a.grad != NULL:
        if code.n[0]:      # dA (stored transposed) = op(B) dY^T
            product(a.grad, a.cols, b.value, b.ld, code.n[1], y.grad, y.cols, True,
                    a.rows, a.cols, y.cols, code.add_a)
        else:              # dA = dY op(B)^T
            product(a.grad, a.cols, y.grad, y.cols, False, b.value, b.ld, not code.n[1],
                    a.rows, a.cols, y.cols, code.add_a)
    if b.grad != NULL:
        if code.n[1]:      # dB (stored transposed) = dY^T op(A)
            product(b.grad, b.cols, y.grad, y.cols, True, a.value, a.ld, code.n[0],
                    b.rows, b.cols, y.rows, code.add_b)
        else:              # dB = op(A)^T dY
            product(b.grad, b.cols, a.value, a.ld, not code.n[0], y.grad, y.cols, False,
                    b.rows, b.cols, y.rows, code.add_b)
    return OK


cdef int vector_dot_shape(instruction_t* code) noexcept nogil:
    if code.a.rows != code.b.rows and (code.a.rows == 0 or code.b.rows == 0 or code.b.rows % code.a.rows != 0):
        return ROWS_DIFFER
    if code.a.cols != code.b.cols:
        return COLS_DIFFER
    code.out.rows = code.a.rows
    code.out.cols = 1 if code.a.rows == code.b.rows else code.b.rows // code.a.rows
    code.work = size(code.b)
    code.forward, code.backward = vector_dot, vector_dot_back
    if code.out.cols > 1:
        code.forward = pairs
        code.backward = pairs_back if code.a.grad != NULL and code.b.grad != NULL else row_products_back
    read_pairs_in_place(code, code.a.rows)
    return OK


cdef int vector_dot(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    if a.rows == 1:
        code.out.value[0] = kernels.dot(a.value, code.b.value, a.cols)
    else:
        kernels.row_dots(code.out.value, a.value, code.b.value, a.ld, code.b.ld, a.rows, a.cols)
    return OK


cdef int vector_dot_back(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef slot_t* b = code.b
    if a.rows == 1:
        if a.grad != NULL:
            kernels.scale(a.grad, b.value, code.out.grad[0], a.cols, code.add_a)
        if b.grad != NULL:
            kernels.scale(b.grad, a.value, code.out.grad[0], a.cols, code.add_b)
        return OK
    if a.grad != NULL:
        kernels.scale_rows(a.grad, b.value, code.out.grad, b.ld, a.rows, a.cols, code.add_a)
    if b.grad != NULL:
        kernels.scale_rows(b.grad, a.value, code.out.grad, a.ld, a.rows, a.cols, code.add_b)
    return OK


cdef int row_products_back(instruction_t* code) noexcept nogil:
    """Each row of a against several of b, where one of the two doesn't learn."""
    cdef slot_t* a = code.a
    cdef slot_t* b = code.b
    cdef dim_t n = code.out.cols, r
    cdef float* dy = code.out.grad
    for r in range(a.rows):
        if a.grad != NULL:
            product(a.grad + r * a.cols, a.cols, dy, n, False, b.value + r * n * b.ld, b.ld, False,
                    1, a.cols, n, code.add_a)
        if b.grad != NULL:
            product(b.grad + r * n * b.cols, b.cols, dy, n, True, a.value + r * a.ld, a.ld, False,
                    n, b.cols, 1, code.add_b)
        dy += n
    return OK


# --- Rearrangements ----------------------------------------------------------------------------------------------

cdef int transpose_shape(instruction_t* code) noexcept nogil:
    code.out.rows = code.a.cols
    code.out.cols = code.a.rows
    code.work = size(code.a)
    return OK


cdef int transpose(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef dim_t r, c
    for r in range(a.rows):
        for c in range(a.cols):
            code.out.value[c * a.rows + r] = a.value[r * a.ld + c]
    return OK


cdef int transpose_back(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef dim_t r, c
    cdef float* into
    if a.grad == NULL:
        return OK
    for r in range(a.rows):
        for c in range(a.cols):
            into = a.grad + r * a.cols + c
            into[0] = (into[0] if code.add_a else 0) + code.out.grad[c * a.rows + r]
    return OK


cdef int slice_shape(instruction_t* code) noexcept nogil:
    """n = first row, end row, first column, end column; an end of -1 is the end of the operand."""
    cdef slot_t* a = code.a
    cdef dim_t row_end = a.rows if code.n[1] < 0 else code.n[1]
    cdef dim_t col_end = a.cols if code.n[3] < 0 else code.n[3]
    if code.n[0] >= row_end or row_end > a.rows or code.n[2] >= col_end or col_end > a.cols:
        return SLICE_OUT_OF_RANGE
    code.out.rows = row_end - code.n[0]
    code.out.cols = col_end - code.n[2]
    code.work = size(code.out)
    return OK


cdef int slice(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef slot_t* out = code.out
    cdef dim_t r
    for r in range(out.rows):
        memcpy(out.value + r * out.cols, a.value + (code.n[0] + r) * a.ld + code.n[2], out.cols * sizeof(float))
    return OK


cdef int slice_back(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef slot_t* out = code.out
    cdef dim_t r
    if a.grad == NULL:
        return OK
    if not code.add_a:
        memset(a.grad, 0, size(a) * sizeof(float))
    for r in range(out.rows):
        kernels.scale(a.grad + (code.n[0] + r) * a.cols + code.n[2], out.grad + r * out.cols, 1, out.cols, True)
    return OK


# A concatenation is one instruction per piece; each says where it starts.  n = axis, start.

cdef int piece_shape(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef slot_t* out = code.out
    cdef instruction_t* before = code.previous
    code.n[1] = 0
    if before != NULL:
        code.n[1] = before.n[1] + (before.a.cols if code.n[0] else before.a.rows)
        if code.n[0] and a.rows != out.rows:
            return ROWS_DIFFER
        if not code.n[0] and a.cols != out.cols:
            return COLS_DIFFER
    out.rows = a.rows if code.n[0] else code.n[1] + a.rows
    out.cols = code.n[1] + a.cols if code.n[0] else a.cols
    code.work = size(a)
    return OK


cdef int piece(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef slot_t* out = code.out
    cdef float* into = out.value + (code.n[1] if code.n[0] else code.n[1] * out.cols)
    cdef dim_t r
    for r in range(a.rows):
        memcpy(into + r * out.cols, a.value + r * a.ld, a.cols * sizeof(float))
    return OK


cdef int piece_back(instruction_t* code) noexcept nogil:
    cdef slot_t* a = code.a
    cdef slot_t* out = code.out
    cdef float* source = out.grad + (code.n[1] if code.n[0] else code.n[1] * out.cols)
    cdef dim_t r
    if a.grad != NULL:
        for r in range(a.rows):
            kernels.scale(a.grad + r * a.cols, source + r * out.cols, 1, a.cols, code.add_a)
    return OK


cdef void fill_matrix(op_t* ops) noexcept:
    ops[OP_MATMUL] = op_t("matmul", matmul_shape, matmul, matmul_back, 2, 0)
    ops[OP_TRANSPOSE] = op_t("transpose", transpose_shape, transpose, transpose_back, 1, 0)
    ops[OP_SLICE] = op_t("slice", slice_shape, slice, slice_back, 1, 0)
    ops[OP_CONCATENATE] = op_t("concatenate", piece_shape, piece, piece_back, 1, 0)
    ops[OP_VECTOR_DOT] = op_t("vector_dot", vector_dot_shape, vector_dot, vector_dot_back, 2, 0)
