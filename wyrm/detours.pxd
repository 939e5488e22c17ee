from wyrm.gradient cimport index_t
from wyrm.instructions.program cimport instruction_t
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.parameter cimport storage_t
from wyrm.replica cimport Replica

ctypedef struct led_t:
    # Rows that a leaf holds or will hold next, and where they are.
    const row_t* rows            # [n] by which they are known; NULL: they are not to be found again
    row_t* places                # [capacity]
    dim_t n, capacity

ctypedef struct detour_t:
    # An index leaf on its way to one table.
    const storage_t* storage
    index_t* leaf
    index_t index                # the leaf's rows, some of them elsewhere
    led_t led[2]
    int newest                   # of those
    const row_t* map             # [storage.rows] where each row is; NULL: all at their places

cdef class Detours:
    cdef Replica replica
    cdef detour_t* detours
    cdef dim_t n

    cdef int add(self, const storage_t* storage) except -1
    cdef void open(self, const storage_t* storage, const row_t* map) noexcept nogil
    cdef int translate(self) noexcept nogil
    cdef void close(self) noexcept nogil

cdef const row_t* lead(detour_t* detour, const row_t* rows, dim_t n, bint ahead) noexcept nogil
