"""The one place that calls BLAS: the library SciPy is built with."""

from scipy.linalg.cython_blas cimport sgemm

from wyrm.kernels.table cimport product_t


cdef void gemm(const product_t* p) noexcept nogil:
    """c (+)= op(a) @ op(b).  Row-major c = a b is column-major c' = b' a', so the operands swap places."""
    cdef int M = <int> p.M, N = <int> p.N, K = <int> p.K
    cdef int lda = <int> p.lda, ldb = <int> p.ldb, ldc = <int> p.ldc
    cdef float alpha = 1, beta = 1 if p.add else 0
    sgemm("T" if p.transpose_b else "N", "T" if p.transpose_a else "N", &N, &M, &K, &alpha,
          <float*> p.b, &ldb, <float*> p.a, &lda, &beta, p.c, &ldc)
