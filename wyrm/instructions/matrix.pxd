from wyrm.instructions.program cimport op_t

cdef void fill_matrix(op_t* ops) noexcept
