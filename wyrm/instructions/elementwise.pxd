from wyrm.instructions.program cimport op_t

cdef void fill_elementwise(op_t* ops) noexcept
