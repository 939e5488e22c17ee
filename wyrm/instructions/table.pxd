from wyrm.instructions.program cimport op_t

cdef const op_t* find_op(int code) noexcept
