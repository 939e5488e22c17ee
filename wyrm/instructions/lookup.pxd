from wyrm.instructions.program cimport instruction_t, op_t
from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport dim_t, row_t, products_t, rows_t, slots_t
from wyrm.parameter cimport storage_t

cdef void fill_lookup(op_t* ops) noexcept
cdef void describe_products(products_t* products, const instruction_t* code, const float* source) noexcept nogil
cdef void read_in_place(instruction_t* code) noexcept nogil
cdef void rows_in_place(rows_t* rows, const instruction_t* code) noexcept nogil
cdef int slots_in_place(slots_t* slots, instruction_t* code) noexcept nogil

cdef inline void fetch_rows(const storage_t* table, const row_t* rows, const row_t* map, dim_t n,
                            bint trains) noexcept nogil:
    """Start fetching rows of a table from where the map says, NULL: at their places; to train, with what is beside."""
    kernels.prefetch(table.value, table.stride, table.stride if trains else table.cols, rows, map, n)
