from wyrm.instructions.program cimport op_t

cdef void fill_reduce(op_t* ops) noexcept
