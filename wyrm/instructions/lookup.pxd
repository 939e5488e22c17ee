from wyrm.instructions.program cimport instruction_t, op_t
from wyrm.kernels.table cimport rows_t, slots_t

cdef void fill_lookup(op_t* ops) noexcept
cdef void read_in_place(instruction_t* code) noexcept nogil
cdef void rows_in_place(rows_t* rows, const instruction_t* code) noexcept nogil
cdef int slots_in_place(slots_t* slots, instruction_t* code) noexcept nogil
