"""Rows of a table that lie elsewhere for one thread: its lookups are led there, the others stay where they are.

A row is found at `value + row * stride`. Memory of the thread's own, a whole number of strides away from the table, is
therefore reached by row numbers as well, which no table has. A map from rows to such numbers is all that a detour
needs; kernels, gradients and optimisers don't notice.
"""

from libc.string cimport memset
from wyrm.gradient cimport free_index, lay_rows
from wyrm.instructions.program cimport OK, OUT_OF_MEMORY
from wyrm.memory cimport wyrm_alloc, wyrm_free


cdef class Detours:
    """The detours of one replica."""

    def __cinit__(self, Replica replica):
        self.replica = replica
        self.detours = <detour_t*> wyrm_alloc(replica.tape.n_code * sizeof(detour_t))
        if self.detours == NULL:
            raise MemoryError("no memory for a thread's detours")

    def __dealloc__(self):
        cdef dim_t i
        self.close()
        for i in range(self.n):
            free_index(&self.detours[i].index)
            wyrm_free(self.detours[i].rows)
        wyrm_free(self.detours)

    cdef int add(self, const storage_t* storage) except -1:
        """Make detours for the lookups of a table of the replica, closed at first."""
        cdef dim_t i, k
        cdef instruction_t* code
        for i in range(self.replica.tape.n_code):
            code = self.replica.tape.code + i
            if code.storage != storage:
                continue
            for k in range(self.n):
                if self.detours[k].storage == storage and self.detours[k].leaf == code.index:
                    break
            else:
                memset(self.detours + self.n, 0, sizeof(detour_t))
                self.detours[self.n].storage = storage
                self.detours[self.n].leaf = code.index
                self.n += 1
        return 0

    cdef void open(self, const storage_t* storage, const row_t* map) noexcept nogil:
        """Lead the lookups of a table by the map, from the next translate() on."""
        cdef dim_t i, k
        cdef instruction_t* code
        for k in range(self.n):
            if self.detours[k].storage != storage:
                continue
            self.detours[k].map = map
            for i in range(self.replica.tape.n_code):
                code = self.replica.tape.code + i
                if code.storage == storage and code.index == self.detours[k].leaf:
                    code.index = &self.detours[k].index

    cdef int translate(self) noexcept nogil:
        """Follow the leaves, after a feed laid down a batch; a status."""
        cdef dim_t i, k, n
        cdef detour_t* detour
        cdef index_t* index
        cdef const row_t* rows
        for k in range(self.n):
            detour = self.detours + k
            if detour.map == NULL:
                continue
            index = &detour.index
            n = detour.leaf.n
            if n > detour.capacity:
                wyrm_free(detour.rows)
                detour.capacity = 0
                detour.rows = <row_t*> wyrm_alloc(2 * n * sizeof(row_t))
                if detour.rows == NULL:
                    return OUT_OF_MEMORY
                detour.capacity = 2 * n
            if detour.leaf.high >= detour.storage.rows:
                n = 0                    # the lookup refuses it by its largest row
            rows = detour.leaf.rows
            for i in range(n):
                detour.rows[i] = detour.map[rows[i]]
            index.origin = detour.leaf
            lay_rows(index, detour.rows, detour.leaf.offsets, detour.leaf.n, detour.leaf.bags, detour.leaf.high,
                     detour.leaf.distinct)
        return OK

    cdef void close(self) noexcept nogil:
        """Lead all lookups to the tables again."""
        cdef dim_t i, k
        for k in range(self.n):
            self.detours[k].map = NULL
            for i in range(self.replica.tape.n_code):
                if self.replica.tape.code[i].index == &self.detours[k].index:
                    self.replica.tape.code[i].index = self.detours[k].leaf
