from wyrm.instructions.program cimport op_t

cdef void fill_loss(op_t* ops) noexcept
