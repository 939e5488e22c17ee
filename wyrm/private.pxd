from libc.stdint cimport uint32_t
from wyrm.detours cimport Detours
from wyrm.gradient cimport gradient_t
from wyrm.instructions.program cimport OK
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.memory cimport APART
from wyrm.parameter cimport storage_t
from wyrm.replica cimport Replica

cdef enum:
    N_TIERS = 8

ctypedef struct copy_t:
    # One parameter of which a thread trains a copy of its own, or of its most touched rows.
    storage_t shared
    storage_t* used              # the one of this thread's replica
    storage_t mine               # rows of stride cols + width, values first
    dim_t n                      # rows it has room for
    bint flat                    # the last tier is merged as a whole
    row_t* map                   # [rows] of a copy of some: where each row is; NULL: row r is in place r
    float* block                 # what to free
    gradient_t* gradient         # of this thread
    float* base                  # mine, as it was at the last merge
    dim_t listed                 # room for rows that are merged one by one
    row_t* order                 # [listed] those rows, by tier
    float* last                  # [listed, cols] how far the last merge, of all threads, moved each of them
    float sums[8][2]             # by tier, decayed: changes . last and last . last
    float share[8]               # of the changes to a tier that was handed on last
    dim_t width                  # floats of optimiser state per row
    uint32_t* touches            # [rows] steps that touched each row, while they are counted
    dim_t tiers[9]               # tier k is order[tiers[k]] to order[tiers[k + 1]]

cdef class PrivateCopies:
    cdef char apart[APART]
    cdef copy_t* copies
    cdef dim_t n
    cdef Detours detours         # to the copies of some rows
    cdef list mapped             # memory of copies that the system mapped
    cdef readonly size_t bytes
    cdef dim_t n_threads
    cdef uint32_t often          # steps, of those counted, that must touch a row under SGD to make it worth a detour
    cdef dim_t counted           # steps before it makes copies
    cdef dim_t interval          # steps between two merges of the first tier
    cdef dim_t due               # the step of the next merge
    cdef dim_t next_pass         # the step from which the next merge is one of all rows
    cdef dim_t merges
    cdef dim_t steps
    cdef bint counting

    cdef int take(self, Replica replica, size_t budget, dim_t n_threads, dim_t batch_size) except -1
    cdef bint copy_whole(self, copy_t* copy, size_t budget) except -1
    cdef int copy_some(self, copy_t* copy, size_t budget) except -1
    cdef int reserve(self, copy_t* copy) except -1
    cdef void use(self, copy_t* copy, float* place) noexcept
    cdef void start(self) noexcept nogil
    cdef void finish(self) noexcept nogil
    cdef void pull(self) noexcept nogil
    cdef float share_of(self, copy_t* copy, dim_t tier) noexcept nogil
    cdef void count(self) noexcept nogil
    cdef void rank(self, copy_t* copy) noexcept nogil
    cdef void hogwild_step(self) noexcept nogil
    cdef void hogwild_merge(self, dim_t tiers, bint all_rows) noexcept nogil


cdef inline int follow(PrivateCopies copies) noexcept nogil:
    """Before a step: lead what the leaves hold to the copies; a status."""
    return copies.detours.translate() if copies.detours.n else OK


cdef inline void stepped(PrivateCopies copies) noexcept nogil:
    """After a step: count what it touched, or merge what is due."""
    copies.steps += 1
    if copies.counting or copies.steps >= copies.due:
        copies.hogwild_step()
