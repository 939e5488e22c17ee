from wyrm.kernels.table cimport kernels_t

# The kernels of the instruction set chosen at import.  set_fast_math() changes entries of `unary`: read them per call,
# don't copy them.
cdef const kernels_t* kernels
