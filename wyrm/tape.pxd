from libc.stdint cimport uint64_t
from wyrm.gradient cimport gradient_t, index_t
from wyrm.instructions.program cimport instruction_t, op_t, slot_t
from wyrm.kernels.table cimport dim_t
from wyrm.parameter cimport HogwildParameter, storage_t

ctypedef struct input_t:
    # A dense input as its node holds it, or a feed lays it down.
    float* value                 # [rows, cols], contiguous
    dim_t rows, cols
    uint64_t version             # changes with the content, never 0
    int busy                     # taken by the tape that runs on it

# The leaves of a tape: what it reads from outside, and the version it saw last.

ctypedef struct input_leaf_t:
    input_t* source
    slot_t* slot
    bint shapes                  # some shape depends on its rows
    uint64_t seen

ctypedef struct index_leaf_t:
    index_t* source
    dim_t n, bags                # at the last shape pass
    bint shapes_by_n             # some shape depends on n, not on bags alone
    uint64_t seen

ctypedef struct parameter_leaf_t:
    storage_t* storage
    gradient_t* gradient
    slot_t* slot                 # NULL: reached by lookups only
    bint looked_up               # used whole, and by lookups too
    bint* first_add              # whether the instruction that writes its dense gradient first adds; else it overwrites

ctypedef struct tape_t:
    slot_t* slots
    instruction_t* code
    input_leaf_t* inputs
    index_leaf_t* indices
    parameter_leaf_t* parameters
    parameter_leaf_t** whole     # those of the parameters that are used whole, n_whole of them
    dim_t n_slots, n_code, n_inputs, n_indices, n_parameters, n_whole
    slot_t* root
    float* arena                 # values, gradients and scratch of everything computed
    dim_t arena_size
    dim_t work                   # rough count of multiply-adds of one forward
    dim_t failed                 # the instruction that returned the last status other than OK
    bint shaped, ran             # shapes are resolved; forward has run

cdef int tape_forward(tape_t* tape) noexcept nogil
cdef double tape_loss(const tape_t* tape) noexcept nogil
cdef int tape_backward(tape_t* tape, float weight) noexcept nogil
cdef bint tape_is_current(const tape_t* tape) noexcept nogil

cdef class Tape:
    cdef tape_t tape
    cdef size_t bytes            # of the block that holds the slots, the code and the leaves
    cdef list storages           # the HogwildParameter of each parameter leaf
    cdef uint64_t stamp          # order of the last forward among all tapes
    cdef int busy
    cdef bint alive              # its root still exists, so it may run again

    cdef int reserve(self, dim_t slots, dim_t code, dim_t inputs, dim_t indices, dim_t parameters) except -1
    cdef int finish(self, slot_t* root) except -1
    cdef void note_writer(self, slot_t* slot, bint* add) noexcept
    cdef int begin(self, bint release) except -1
    cdef void end(self, bint release) noexcept
    cdef int enter_storages(self) except -1
    cdef int* flag(self, dim_t leaf) noexcept
    cdef void give_back(self, dim_t taken) noexcept
    cdef int forward(self) except -1
    cdef int backward(self, float weight) except -1
    cdef int resolve(self) except -1
