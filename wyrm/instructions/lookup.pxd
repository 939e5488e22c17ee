from wyrm.instructions.program cimport instruction_t, op_t
from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport dim_t, row_t, products_t, rows_t, slots_t
from wyrm.parameter cimport storage_t

cdef void fill_lookup(op_t* ops) noexcept
cdef void describe_products(products_t* products, const instruction_t* code) noexcept nogil
cdef void read_in_place(instruction_t* code) noexcept nogil
cdef void rows_in_place(rows_t* rows, const instruction_t* code) noexcept nogil
cdef int slots_in_place(slots_t* slots, instruction_t* code) noexcept nogil

cdef inline void fetch_rows(const storage_t* table, const row_t* rows, dim_t n, bint trains) noexcept nogil:
    """Start fetching rows of a table, from where they are for this thread; to train, with what is beside them."""
    kernels.prefetch(table.value, table.stride, table.stride if trains else table.cols, rows, table.map, n)

cdef inline void fetch_places(const storage_t* table, const row_t* places, dim_t n, bint trains) noexcept nogil:
    """Start fetching rows that are at the places given."""
    kernels.prefetch(table.value, table.stride, table.stride if trains else table.cols, places, NULL, n)
