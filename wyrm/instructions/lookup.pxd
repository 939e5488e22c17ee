from wyrm.instructions.program cimport instruction_t, op_t
from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport dim_t, row_t, rows_t, slots_t
from wyrm.memory cimport wyrm_prefetch_write
from wyrm.parameter cimport storage_t

cdef void fill_lookup(op_t* ops) noexcept
cdef bint fetch_by_itself(instruction_t* code) noexcept
cdef void read_in_place(instruction_t* code) noexcept nogil
cdef void rows_in_place(rows_t* rows, const instruction_t* code) noexcept nogil
cdef int slots_in_place(slots_t* slots, instruction_t* code) noexcept nogil

cdef inline void fetch_rows(const storage_t* table, const row_t* rows, dim_t n, bint trains) noexcept nogil:
    """Start fetching rows of a table, from where they are for this thread."""
    cdef dim_t i
    cdef row_t row
    if not trains:
        kernels.prefetch(table.value, table.stride, table.stride, rows, n)
        return
    for i in range(n):
        row = rows[i] if table.map == NULL else table.map[rows[i]]
        wyrm_prefetch_write(table.value + row * table.stride, table.stride * sizeof(float))
