from wyrm.gradient cimport gradient_t
from wyrm.kernels.table cimport dim_t
from wyrm.optim.update cimport Optimizer, Plan
from wyrm.sync cimport wyrm_barrier
from wyrm.worker cimport Control, Worker

cdef enum:
    # Every batch is cut into so many parts, whatever the number of threads: the sums are taken part by part.
    N_SHARDS = 8

cdef class Shards:
    # What the threads of a deterministic run share.
    cdef list workers            # one for each shard
    cdef void* worker[N_SHARDS]  # the same, borrowed
    cdef Control control
    cdef wyrm_barrier barrier
    cdef dim_t n_threads, n_examples, batch_size
    cdef int leaving, status     # decided between two meetings, so that all threads see the same

cdef class Reducer:
    # One thread of it.
    cdef Shards shards
    cdef dim_t thread
    cdef Plan plan
    cdef gradient_t* gradients   # of the rows this thread owns, summed over the shards
    cdef dim_t n_parameters
    cdef dim_t first             # the example that the next batch begins with
    cdef public object error

    cdef bint work(self, dim_t most) noexcept nogil
    cdef void clear(self, dim_t s) noexcept nogil
    cdef int forward_backward(self, dim_t first, dim_t n) noexcept nogil
    cdef int reduce(self) noexcept nogil
    cdef int reduce_rows(self, gradient_t* into, gradient_t* part) noexcept nogil
    cdef int reduce_dense(self, gradient_t* into, gradient_t* part) noexcept nogil

cdef list reducers_of(list workers, Control control, dim_t n_threads, dim_t n_examples, dim_t batch_size,
                      Optimizer optimizer)
