"""What a tape is made of: slots that hold values, and instructions that read and write them."""

from wyrm.gradient cimport gradient_t, index_t
from wyrm.kernels.table cimport dim_t, real_t, row_t
from wyrm.parameter cimport storage_t

ctypedef struct slot_t:
    # A matrix: the value of a node in one tape, and the gradient of the root with respect to it.
    float* value
    float* grad                  # [rows, cols], contiguous; NULL: nobody reads it
    dim_t rows, cols
    dim_t ld                     # floats from one row of value to the next: cols, but for parameters beside their state

cdef enum status:
    OK = 0
    ROWS_DIFFER = 1              # operands don't broadcast along the rows
    COLS_DIFFER = 2              # operands don't broadcast along the columns
    INNER_DIFFERS = 3            # matrix product: columns of a, rows of b
    SLICE_OUT_OF_RANGE = 4
    ROW_OUT_OF_RANGE = 5         # an index is not a row of the table
    WEIGHTS_DIFFER = 6           # a weight per index wanted
    TARGETS_DIFFER = 7           # a target (or a bag of targets) per row wanted
    NO_ROWS = 8
    OUT_OF_MEMORY = 9
    FIELD_OUT_OF_RANGE = 10
    FIELDS_DIFFER = 11           # a field per index wanted, in the same bags

ctypedef struct instruction_t
ctypedef struct op_t
ctypedef int (*run_fn)(instruction_t* code) noexcept nogil      # a status

ctypedef struct instruction_t:
    run_fn forward
    run_fn backward
    slot_t* out
    slot_t* a
    slot_t* b                    # NULL where there is no such operand
    slot_t* c
    bint add_a, add_b, add_c     # backward adds to the operand's gradient; else it overwrites
    const op_t* op
    float attr[2]
    dim_t n[4]                   # sizes and options; the shape function's to fill where the op doesn't say otherwise
    storage_t* storage           # lookups: the table, where its gradient goes, and the rows
    gradient_t* gradient
    index_t* index
    index_t* fields              # of the rows, one by one; NULL: row_fields has the field of every row of the table
    const row_t* row_fields
    float* scratch               # [scratch_size] floats, kept from forward to backward
    dim_t scratch_size
    dim_t work                   # rough count of multiply-adds, forward
    instruction_t* previous      # concatenate: the piece before this one
    instruction_t* lookup_a      # the embedding that computes a, b, where its rows may be read in the table; or NULL
    instruction_t* lookup_b
    instruction_t* bag_a         # the sum over bags that computes a, where nobody else reads it and it has no weights

ctypedef struct op_t:
    # A kind of instruction.  `shape` sets out.rows and out.cols from the operands, wants scratch, and may
    # choose a variant of forward and backward for the shapes at hand; it runs again whenever a shape changes.
    const char* name
    run_fn shape
    run_fn forward
    run_fn backward
    int operands                 # how many of a, b, c it has (optional ones included)
    int code                     # which of several kernels of the same form

cdef enum:
    # The first ones follow kernels.table's unary_code, binary_code and loss_code.
    OP_NEGATE, OP_SQUARE, OP_SQRT, OP_EXP, OP_LOG, OP_TANH, OP_SIGMOID, OP_RELU, OP_SOFTPLUS, OP_CLIP,
    OP_ADD, OP_SUBTRACT, OP_MULTIPLY, OP_DIVIDE,
    OP_SQUARED_ERROR, OP_LOGISTIC, OP_HINGE,
    OP_SUM, OP_MEAN,
    OP_SOFTMAX, OP_LOG_SOFTMAX, OP_CROSSENTROPY, OP_NEGATIVE_SAMPLING,
    OP_MATMUL, OP_TRANSPOSE, OP_SLICE, OP_CONCATENATE, OP_VECTOR_DOT,
    OP_EMBEDDING, OP_EMBEDDING_BAG, OP_FM_INTERACTION, OP_FIELD_AWARE,
    N_OPS

cdef inline bint flat(const slot_t* x) noexcept nogil:
    """Whether the value is one run of rows * cols floats."""
    return x.ld == x.cols or x.rows == 1

cdef inline dim_t size(const slot_t* x) noexcept nogil:
    return x.rows * x.cols
