cimport cython
from libc.stdint cimport int64_t, uint8_t
from wyrm.detours cimport Detours, detour_t
from wyrm.feeds.base cimport Cursor, Feed
from wyrm.gradient cimport index_t
from wyrm.instructions.program cimport instruction_t
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.parameter cimport storage_t
from wyrm.tape cimport input_t

cdef enum column_kind:
    DENSE = 0                    # `width` values per example
    FIXED = 1                    # `width` indices per example
    RAGGED = 2                   # indices starts[i] to starts[i + 1]

ctypedef struct column_t:
    # The data of one node, or of an index node and its weights.
    column_kind kind
    const float* values          # DENSE: [n, width]; else the weight of each index, or NULL
    const row_t* rows            # FIXED: [n, width]; RAGGED: [starts[n]]
    const int64_t* starts        # RAGGED: [n + 1]
    dim_t width
    row_t high                   # the largest index
    const uint8_t* repeats       # [n] whether the example holds an index more than once; NULL: none does
    bint examined                # `repeats` is known

ctypedef struct target_t:
    # Where a cursor lays a column: the leaves, and buffers for what can't be pointed at.
    input_t* input               # NULL: no values wanted
    index_t* index               # NULL: no indices
    float* values
    row_t* rows
    row_t* offsets
    dim_t value_capacity, row_capacity

ctypedef struct lookup_t:
    # A table that a column's indices reach, to fetch its rows ahead.
    const storage_t* storage
    const column_t* column
    const index_t* leaf
    detour_t* detour             # of the leaf on its way there; NULL: there is none

cdef class ArrayFeed(Feed):
    cdef list keys               # the nodes of each column: (input or index node, weights node or None)
    cdef list kept               # the arrays the columns point into
    cdef list looked_into        # (node, rows, largest row, starts or None) of each column of indices
    cdef column_t* columns       # dense ones first
    cdef dim_t n_columns, n_dense

    cdef bint is_worth_fetching(self, const column_t* column, const storage_t* storage, dim_t tables) noexcept
    cdef int look_for_repeats(self) except -1
    cdef int find_repeats(self, column_t* column, uint8_t* repeats, dim_t n) except -1
    cdef dim_t _column(self, column_t* column, object key, object values) except -1


@cython.final                      # its methods are called directly, or inlined
cdef class ArrayCursor(Cursor):
    cdef column_t* columns
    cdef target_t* targets
    cdef lookup_t* lookups
    cdef dim_t n_columns, n_dense, n_lookups
    cdef bint looks_ahead        # rows of the next example are worth fetching
    cdef const int64_t* order
    cdef bint slidable           # single examples in their own order can be slid to
    cdef bint laid               # the leaves hold the example before `at`, from which one can slide on

    cdef int note_lookups(self, dim_t i, object index) except -1
    cdef int note_slides(self) except -1
    cdef void fetch_examples(self, dim_t place) noexcept nogil
    cdef void fetch_tables(self, dim_t place) noexcept nogil
    cdef dim_t example(self, dim_t place) noexcept nogil
    cdef int gather(self, dim_t first, dim_t n) noexcept nogil
    cdef int gather_dense(self, column_t* column, target_t* target, dim_t first, dim_t n) noexcept nogil
    cdef int gather_indices(self, column_t* column, target_t* target, dim_t first, dim_t n) noexcept nogil
    cdef void lay_batch(self, const column_t* column, target_t* target, const row_t* rows, const float* values,
                        dim_t n) noexcept nogil
