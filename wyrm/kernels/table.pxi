# The kernel boundary: every kernel the engine calls, as one struct of function pointers.
#
# Included by table.pxd (real_t is float: the engine) and by table_double.pxd (real_t is double: the
# gradient checks of the tests).  Each instruction-set module fills one such struct from the same source.
#
# Conventions.  Outputs come first, then const inputs, sizes, scalars.  `add` says whether an output is added to
# or overwritten.  Matrices are row-major; `stride` counts elements from one row to the next.
# Rows of tables are row_t: a table holds at most 2^31 - 1 rows, and an index costs half the memory traffic of int64.

from libc.stdint cimport int32_t, int64_t

ctypedef int32_t row_t
ctypedef Py_ssize_t dim_t

cdef enum unary_code:
    NEGATE, SQUARE, SQRT, EXP, LOG, TANH, SIGMOID, RELU, SOFTPLUS, CLIP, N_UNARY

cdef enum binary_code:
    ADD, SUBTRACT, MULTIPLY, DIVIDE, N_BINARY

cdef enum loss_code:
    SQUARED_ERROR, LOGISTIC, HINGE, N_LOSS

ctypedef struct product_t:
    # c[M, N] (+)= op(a)[M, K] @ op(b)[K, N]; op transposes when the flag is set.
    real_t* c
    const real_t* a
    const real_t* b
    dim_t ldc, lda, ldb          # elements from one stored row to the next
    dim_t M, N, K
    bint transpose_a, transpose_b, add

ctypedef struct bags_t:
    # n weighted table rows, cut into bags: bag j holds positions offsets[j] to offsets[j + 1].
    const real_t* table          # [N, D], rows `stride` elements apart
    dim_t stride, D
    const row_t* rows            # [n], each in [0, N): checked before it gets here
    const row_t* offsets         # [bags + 1]
    const real_t* weights        # [n], or NULL for all ones
    dim_t n, bags
    bint mean                    # divide each bag by its number of rows (an empty bag gives 0)

ctypedef struct slots_t:
    # Where the gradient of each position goes: values[slots[i]] (+)= gradient of position i.
    real_t* values               # [S, D], contiguous
    const row_t* slots           # [n], or NULL: slot i is position i
    bint add                     # false: the slots are distinct and the values are overwritten

ctypedef struct rows_t:
    # The rows of a matrix, or those of a table that a list names.
    const real_t* value
    dim_t stride                 # elements from one row to the next
    const row_t* at              # row i is row at[i] of value; NULL: it is row i

cdef enum:
    PAIRED = 32                  # rows of a and of b that sgd_pairs takes at most
    DOTTED = 128                 # rows of b that sgd_dots takes at most

ctypedef struct pairs_t:
    # Blocks of M rows of a and N rows of b, D elements each, of which every row of a meets every row of b.
    rows_t a, b
    dim_t blocks, M, N, D

ctypedef struct fields_t:
    # The field of each position of some bags.
    const row_t* fields          # [n] by position, or by what `rows` says; each in [0, n_fields)
    dim_t n_fields
    const row_t* rows            # [n], or NULL: position i has fields[rows[i]]

ctypedef struct entry_t:
    # A position of a bag, as the field-aware kernels lay it out.
    const real_t* row
    real_t weight
    row_t field
    row_t at                     # the position

ctypedef struct update_t:
    # Rows of a parameter, their optimiser state and their gradients.
    real_t* value                # [N, D], rows `stride` apart
    real_t* state                # optimiser state; slot k of row r: the D values at state + r*state_stride + k*D
    dim_t stride, state_stride
    const row_t* rows            # [n] distinct, or NULL: rows 0 to n - 1
    const real_t* grad           # [n, D], contiguous
    dim_t n, D

ctypedef struct products_t:
    # A gradient as products: row rows[i] has weights[i] times the source of its bag, and rows may repeat.  With slopes,
    # it is that of fm: slopes[j] weights[i] (source - weights[i] value[rows[i]]), and rows are distinct.
    const row_t* rows            # [n]
    const row_t* offsets         # bag j holds positions offsets[j] to offsets[j + 1]; NULL: `each` positions
    const real_t* weights        # [n], or NULL for all ones
    const real_t* source         # [bags, D], rows `stride` elements apart
    const real_t* slopes         # [bags], or NULL
    dim_t n, bags, each, stride
    bint mean                    # divide the source by the bag's number of rows; not with slopes

ctypedef struct merge_t:
    # Rows of a table that threads share, and a thread's copies of them: `cols` values, `width` floats of state.
    real_t* value
    real_t* state                # used where width > 0
    dim_t stride, state_stride
    real_t* mine                 # rows of cols + width, values first
    real_t* base                 # mine, as it was at the last merge
    const row_t* rows            # [n] of the table
    bint packed                  # their copies are rows 0 to n - 1 of mine and base; else those of the same numbers
    real_t* last                 # [n, cols] how far the last merge, of all threads, moved the values
    dim_t n, cols, width

ctypedef struct hyper_t:
    # Settings of an optimiser.  A kernel reads those its docstring names.
    real_t learning_rate, eps, l1, l2
    real_t clip_low, clip_high   # gradients are clipped to this range when `clip` is set
    bint clip
    real_t gain1, gain2          # Adam: 1 - beta1 and 1 - beta2, what a new gradient weighs in the moments
    real_t adam_rate, adam_eps   # Adam: learning_rate sqrt(1 - beta2^t) / (1 - beta1^t) and eps sqrt(1 - beta2^t)
    real_t beta                  # FTRL: smoothing of the per-coordinate rate

ctypedef struct decay_clock_t:
    # What a step of SGD or Adagrad does to every row, summed up over the steps so far.
    #
    # Without a gradient a step maps |w| to max(0, (1 - lr l2) |w| - lr l1).  Such maps compose: from a row's stamp (the
    # two sums when it was last current) to now it is max(0, P |w| - Q) with P = exp(stamp.decay - decay) and
    # Q = shrinkage - P stamp.shrinkage.
    double decay                 # sum of -log(1 - lr l2)
    double shrinkage             # s <- (1 - lr l2) s + lr l1 at every step
    double whole_decay, whole_shrinkage   # when all rows were last current
    dim_t stamp                  # elements from a row's state to its stamp: decay if l2, then shrinkage if l1; doubles
    bint l2, l1

ctypedef struct rate_t:
    # A learning rate of Adam and the steps it held for.
    int64_t start                # the first of them, counted from 1
    double learning_rate
    double keep, step_decay      # 1 - lr l2 and -log(1 - lr l2)
    double decay                 # sum of step_decay over all steps before start

ctypedef struct moment_clock_t:
    # What a step of Adam does to every row: the moments decay, and go on moving the weights.
    int64_t steps                # taken so far
    int64_t whole                # the step after which all rows were last current
    dim_t stamp                  # elements from a row's state to its stamp: the step it was last current after; int64
    rate_t* rates                # ring: entry i is rates[i & (capacity - 1)]
    int64_t n_rates, capacity
    double beta1, beta2, eps, log_beta1, log_beta2
    int64_t unbiased             # the first step whose bias corrections are 1
    dim_t horizon                # missed steps after which a row no longer moves
    const double* powers1        # [horizon + 1] beta1^j
    const double* powers2        # [horizon + 1] beta2^j
    const double* roots2         # [horizon + 1] beta2^(-j / 2)

ctypedef void (*unary_fn)(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil
ctypedef void (*unary_back_fn)(real_t* dx, const real_t* dy, const real_t* x, const real_t* y,
                               const real_t* attr, dim_t n, bint add) noexcept nogil
ctypedef void (*binary_fn)(real_t* y, const real_t* a, const real_t* b,
                           dim_t a_step, dim_t b_step, dim_t n) noexcept nogil
ctypedef void (*binary_back_fn)(real_t* dx, const real_t* dy, const real_t* a, const real_t* b, const real_t* y,
                                dim_t a_step, dim_t b_step, dim_t n, bint add) noexcept nogil
ctypedef void (*loss_fn)(real_t* loss, real_t* slope, const real_t* y_hat, const real_t* y, dim_t n) noexcept nogil
ctypedef void (*update_fn)(const update_t* u, const hyper_t* h) noexcept nogil
ctypedef void (*products_fn)(real_t* value, dim_t stride, dim_t D, const products_t* p, const hyper_t* h) noexcept nogil

ctypedef struct kernels_t:
    # Elementwise.  unary[CLIP] reads attr[0] = low and attr[1] = high; the others ignore attr (may be NULL).
    # In-place (y == x, dx == dy) is allowed for all of them.
    unary_fn unary[N_UNARY]
    unary_back_fn unary_back[N_UNARY]        # dx (+)= dy * f'(x), from x and y = f(x)
    unary_fn unary_fast[N_UNARY]             # approximations of exp, log, tanh, sigmoid (others: the same pointer)
    # A step is 1 or 0 (0: the operand is one element, broadcast).
    binary_fn binary[N_BINARY]
    binary_back_fn binary_back_a[N_BINARY]   # dx[i] (+)= dy[i] * dy/da, one element per output element (no reduction)
    binary_back_fn binary_back_b[N_BINARY]
    void (*scale)(real_t* y, const real_t* x, real_t alpha, dim_t n, bint add) noexcept nogil      # y (+)= alpha x
    void (*scale_rows)(real_t* y, const real_t* x, const real_t* alpha, dim_t x_stride,
                       dim_t rows, dim_t cols, bint add) noexcept nogil          # y[r] (+)= alpha[r] x[r]
    # Reductions.
    real_t (*total)(const real_t* x, dim_t n) noexcept nogil                      # sum of x
    real_t (*dot)(const real_t* a, const real_t* b, dim_t n) noexcept nogil
    void (*row_dots)(real_t* y, const real_t* a, const real_t* b, dim_t a_stride, dim_t b_stride,
                     dim_t rows, dim_t cols) noexcept nogil                       # y[r] = a[r] . b[r]
    void (*sum_rows)(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols,
                     real_t alpha, bint add) noexcept nogil                       # y[c] (+)= alpha sum_r x[r, c]
    void (*sum_cols)(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols,
                     real_t alpha, bint add) noexcept nogil                       # y[r] (+)= alpha sum_c x[r, c]
    # Row-wise; x rows x_stride apart, y, dx, dy contiguous.  Stable for any finite logit.
    void (*softmax)(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols) noexcept nogil
    void (*softmax_back)(real_t* dx, const real_t* dy, const real_t* y, dim_t rows, dim_t cols, bint add) noexcept nogil
    void (*log_softmax)(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols) noexcept nogil
    void (*log_softmax_back)(real_t* dx, const real_t* dy, const real_t* y, dim_t rows, dim_t cols,
                             bint add) noexcept nogil
    # Small products in registers; large ones go through blas.pyx instead.
    void (*product)(const product_t* p) noexcept nogil
    # Products of rows that are read where they are, in blocks.
    void (*pair_dots)(real_t* y, const pairs_t* p) noexcept nogil                 # y[k, m, n] = a[k, m] . b[k, n]
    # db may be NULL where M is 1: nothing is done about b then.
    void (*pair_dots_back)(const slots_t* da, const slots_t* db, const real_t* dy, const pairs_t* p) noexcept nogil
    # Lookups.
    void (*gather)(real_t* y, const bags_t* b) noexcept nogil                     # y[i] = table[rows[i]], no weights
    void (*scatter)(const slots_t* s, const real_t* dy, const bags_t* b) noexcept nogil
    void (*bag)(real_t* y, const bags_t* b) noexcept nogil                  # y[j] = sum (or mean) of w_i table[rows[i]]
    void (*bag_back)(const slots_t* s, const real_t* dy, const bags_t* b) noexcept nogil
    void (*bag_weights_back)(real_t* dw, const real_t* dy, const bags_t* b, bint add) noexcept nogil
    # Factorisation machine: y[j] = 1/2 (|S_j|^2 - sum_i |w_i v_i|^2) with S_j = sum_i w_i v_i, kept in sums[bags, D].
    void (*fm)(real_t* y, real_t* sums, const bags_t* b) noexcept nogil
    void (*fm_back)(const slots_t* s, const real_t* dy, const real_t* sums, const bags_t* b) noexcept nogil
    void (*fm_weights_back)(real_t* dw, const real_t* dy, const real_t* sums, const bags_t* b, bint add) noexcept nogil
    # Field-aware factorisation machine; `room` is for b.n entries and n_fields row_t.
    void (*field_aware)(real_t* y, entry_t* room, const bags_t* b, const fields_t* f) noexcept nogil
    void (*field_aware_back)(const slots_t* s, const real_t* dy, entry_t* room, const bags_t* b,
                             const fields_t* f) noexcept nogil
    void (*field_aware_weights_back)(real_t* dw, const real_t* dy, entry_t* room, const bags_t* b, const fields_t* f,
                                     bint add) noexcept nogil
    # Start fetching table rows into the cache.
    void (*prefetch)(const real_t* table, dim_t stride, dim_t D, const row_t* rows, const row_t* map,
                     dim_t n) noexcept nogil
    # Losses: value and d loss / d y_hat at once.
    loss_fn loss[N_LOSS]
    # Updates.  Lock-free: in a Hogwild run several threads race on value and state by design.
    update_fn sgd_rows
    void (*sgd_pairs)(const pairs_t* p, const real_t* dy, real_t rate,
                      bint distinct) noexcept nogil                 # plain SGD on the rows of a and of b at once
    void (*sgd_dots)(real_t* da, const pairs_t* p, const real_t* dy,
                     real_t rate) noexcept nogil                    # on those of b, and the gradient of a
    update_fn adagrad_rows
    update_fn adam_rows
    update_fn ftrl_rows
    products_fn sgd_products
    products_fn adagrad_products
    # Bring rows (which may repeat) to the state after the step `now` stands for; rows already there stay as they are.
    void (*catch_up_decay)(const update_t* u, const decay_clock_t* clock,
                           double decay, double shrinkage) noexcept nogil
    void (*catch_up_moments)(const update_t* u, const moment_clock_t* clock, int64_t now) noexcept nogil
    # What one thread changed in its copies goes into the shared rows, and what others changed into the copies.
    void (*merge_rows)(real_t* sums, const merge_t* m, real_t share) noexcept nogil
    void (*merge_sums)(real_t* shared, real_t* mine, real_t* base, dim_t n, real_t share) noexcept nogil
    # Index lists.
    void (*describe_rows)(row_t* low, row_t* high, bint* increasing, const row_t* rows, dim_t n) noexcept nogil
    dim_t (*unique_rows)(row_t* unique, row_t* slots, row_t* buckets, dim_t n_buckets,
                         const row_t* rows, dim_t n) noexcept nogil
