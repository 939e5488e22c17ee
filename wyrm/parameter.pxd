from wyrm.kernels.table cimport dim_t, row_t
from wyrm.sync cimport wyrm_mutex

ctypedef struct storage_t
ctypedef void (*catch_up_fn)(storage_t* storage, const row_t* rows, dim_t n) noexcept nogil

ctypedef struct storage_t:
    # The shared part of a parameter: values, and the optimiser's state beside them.
    #
    # Interleaved, a row is [value cols | state], so one update touches neighbouring cache lines; otherwise the state
    # is a block of its own.  Both are described by the two pointers and the two strides.
    float* value                 # row r at value + r * stride
    float* state                 # row r at state + r * state_stride; NULL when the optimiser keeps none
    dim_t rows, cols, stride, state_stride
    # What rows have missed under a lazy optimiser (weight decay, Adam's moving averages) is made up by this before
    # they are read; rows == NULL means all rows.  NULL: the rows are always current.
    catch_up_fn catch_up
    void* catch_up_context
    const row_t* map             # where each row is for this thread, of which some are elsewhere; NULL: all in place
    const float* factors         # [rows] what gradients of rows are multiplied by; NULL: by nothing

cdef class HogwildParameter:
    cdef storage_t storage
    cdef float* block            # the allocation value lies in
    cdef float* state_block      # the allocation state lies in when it isn't interleaved
    cdef Py_ssize_t buffer_shape[2]
    cdef Py_ssize_t buffer_strides[2]
    cdef int exports             # live views of the values: while there are any, the values don't move
    cdef int running             # calls without the GIL that use the storage now
    cdef int moving              # set_state waits for them, and holds back new ones
    cdef wyrm_mutex mutex        # over the four above
    cdef object borrowed         # the array that holds the values of a read-only parameter; else None
    cdef bint looked_up          # some graph reaches it by rows: its state is best interleaved
    cdef list optimizers         # weak references to the optimisers that share the state
    cdef float[::1] factors      # what storage.factors points into, or None
    cdef object state_kind       # what the state means, such as "adagrad"; None: there is none
    cdef object __weakref__

    cdef int set_state(self, object kind, dim_t width, catch_up_fn catch_up, void* context) except -1
    cdef int refuse_training(self) except -1
    cdef int enter(self) except -1
    cdef void leave(self) noexcept
    cdef int make_current(self) except -1
    cdef bint is_finite(self) except -1

cdef object as_matrix(object array, object what)
cdef bint all_finite(const float* values, dim_t n) noexcept nogil
