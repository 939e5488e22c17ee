from wyrm.gradient cimport gradient_t, index_t
from wyrm.instructions.program cimport instruction_t
from wyrm.kernels.table cimport dim_t
from wyrm.memory cimport APART
from wyrm.parameter cimport storage_t
from wyrm.tape cimport Tape, input_t, tape_t

cdef class Replica:
    cdef char apart[APART]
    cdef tape_t tape
    # The leaves, as many as the tape has and in its order.
    cdef input_t* inputs
    cdef index_t* indices
    cdef gradient_t* gradients
    cdef storage_t* storages     # copies: the same memory, but a thread may widen its view of it
    cdef bint trains             # rows that are looked up are written soon after
    cdef object root             # keeps the graph it was made from alive

    cdef void move_leaves(self, instruction_t* code, Tape original) noexcept
    cdef int read_in_place(self) except -1
    cdef int refresh_storages(self, Tape original) noexcept
