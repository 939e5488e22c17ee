from wyrm.instructions.program cimport op_t

cdef void fill_lookup(op_t* ops) noexcept
