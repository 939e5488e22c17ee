from libc.stdint cimport uint64_t
from wyrm.kernels.table cimport dim_t, pairs_t, row_t, slots_t, products_t

ctypedef struct index_t
ctypedef struct gradient_t

ctypedef struct index_t:
    # A list of table rows, cut into bags, as an index input holds it or a feed lays it down.
    const row_t* rows            # [n]
    const row_t* offsets         # [bags + 1]
    dim_t n, bags
    row_t high                   # the largest row, -1 when n == 0: checked against a table once per step
    const index_t* origin        # the list these rows stand for, whose they are under other numbers; NULL: their own
    bint distinct                # known that no row occurs twice
    uint64_t version             # changes with the content, never 0
    # The distinct rows and the slot of each position among them, made on demand for `slots_version`.
    row_t* unique
    row_t* slots
    row_t* buckets
    dim_t n_unique, capacity, n_buckets
    uint64_t slots_version
    int busy                     # taken by the tape that runs on it

cdef enum takes_t:
    # What gradients a step takes as products.
    NONE = 0
    OF_DISTINCT_ROWS = 1         # those of rows that occur once
    ANY = 2

ctypedef struct gradient_t:
    # The gradient of one parameter in one graph (or one replica): row-sparse, or dense when the graph uses it whole.
    dim_t rows, cols             # of the parameter
    # Row-sparse: values[s] is the gradient of table row touched[s].  Grows with the rows touched, never with the table.
    row_t* touched               # [capacity] distinct, in order of first touch
    float* values                # [capacity, cols]
    dim_t n, capacity
    row_t* buckets               # hash of touched while `hashed`
    dim_t n_buckets
    bint hashed
    row_t* merged                # [merged_capacity] slots of the positions of the index list merged last
    dim_t merged_capacity
    const index_t* source        # the only index list touched came from, at source_version; NULL: several
    uint64_t source_version
    # Dense: lookups add into it as well.
    float* dense                 # [rows, cols], or NULL; holds nothing unless it is touched
    bint dense_touched           # something was added since the last clear
    # Products that are not worked out, where the step to come takes them as they are.  They count beside the rows.
    takes_t takes_products
    products_t products          # n == 0: none; they point into the tape's arena and what a feed laid down
    gradient_t* partner          # of the other factor of dot products that are left; NULL: there are sources
    float* into                  # with a partner whose rows are summed: where its gradient goes in this one's step
    pairs_t pairs                # with a partner: the rows of both, and whether none is known to repeat
    bint distinct
    int busy                     # taken by the tape that runs on it

cdef inline void lay_rows(index_t* index, const row_t* rows, const row_t* offsets, dim_t n, dim_t bags, row_t high,
                          bint distinct) noexcept nogil:
    """Have the list hold other rows, which somebody else keeps."""
    index.rows = rows
    index.offsets = offsets
    index.n = n
    index.bags = bags
    index.high = high
    index.distinct = distinct
    index.version += 1

cdef int index_slots(index_t* index) noexcept nogil
cdef void free_index(index_t* index) noexcept nogil
cdef int lookup_slots(slots_t* slots, gradient_t* gradient, index_t* index) noexcept nogil
cdef products_t* lookup_products(gradient_t* gradient, index_t* index, bint once) noexcept nogil
cdef bint leave_pairs(gradient_t* a, gradient_t* b, index_t* rows_a, index_t* rows_b, const pairs_t* pairs,
                      const float* dy) noexcept nogil
cdef bint leave_dots(gradient_t* a, gradient_t* b, index_t* rows_a, index_t* rows_b, const pairs_t* pairs,
                     const float* dy, float* into) noexcept nogil
cdef int add_row(gradient_t* gradient, row_t row, const float* values) noexcept nogil
cdef int use_dense(gradient_t* gradient) noexcept nogil
cdef void open_dense(gradient_t* gradient) noexcept nogil
cdef void clear_gradient(gradient_t* gradient) noexcept nogil
cdef void free_gradient(gradient_t* gradient) noexcept nogil
