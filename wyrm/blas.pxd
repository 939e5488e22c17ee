from wyrm.kernels.table cimport product_t

cdef void gemm(const product_t* p) noexcept nogil
