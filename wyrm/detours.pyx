"""Rows of a table that lie elsewhere for one thread: its lookups are led there, the others stay where they are.

A row is found at `value + row * stride`. Memory of the thread's own, a whole number of strides away from the table, is
therefore reached by row numbers as well, which no table has. A map from rows to such numbers is all that a detour
needs; kernels, gradients and optimisers don't notice.
"""

from libc.string cimport memset
from wyrm.gradient cimport free_index, lay_rows
from wyrm.instructions.program cimport OK, OUT_OF_MEMORY
from wyrm.memory cimport wyrm_alloc, wyrm_free


cdef const row_t* lead(detour_t* detour, const row_t* rows, dim_t n, bint ahead) noexcept nogil:
    """Where n rows are, by the map of an open detour; NULL when memory ran out, or where there are none.

    `ahead` says that the leaf holds them next, and that they stay what they are up to then: they won't be looked for
    again. A core waits for the map's cache lines, as it does for those of the table.
    """
    cdef dim_t i
    cdef const row_t* map = detour.map
    cdef row_t* places
    cdef led_t* led
    for i in range(2):
        led = detour.led + i
        if led.rows == rows and led.n == n:
            return led.places
    detour.newest = 1 - detour.newest
    led = detour.led + detour.newest
    led.rows = NULL
    if n > led.capacity:
        wyrm_free(led.places)
        led.capacity = 0
        led.places = <row_t*> wyrm_alloc(2 * n * sizeof(row_t))
        if led.places == NULL:
            return NULL
        led.capacity = 2 * n
    places = led.places
    for i in range(n):
        places[i] = map[rows[i]]
    led.n = n
    if ahead:
        led.rows = rows
    return places


cdef class Detours:
    """The detours of one replica."""

    def __cinit__(self, Replica replica):
        self.replica = replica
        self.detours = <detour_t*> wyrm_alloc(replica.tape.n_code * sizeof(detour_t))
        if self.detours == NULL:
            raise MemoryError("no memory for a thread's detours")

    def __dealloc__(self):
        cdef dim_t i, k
        self.close()
        for i in range(self.n):
            free_index(&self.detours[i].index)
            for k in range(2):
                wyrm_free(self.detours[i].led[k].places)
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
        cdef dim_t k, n
        cdef detour_t* detour
        cdef index_t* leaf
        cdef const row_t* rows
        for k in range(self.n):
            detour = self.detours + k
            if detour.map == NULL:
                continue
            leaf = detour.leaf
            # The lookup refuses rows that are out of range, by the largest of them.
            n = 0 if leaf.high >= detour.storage.rows else leaf.n
            rows = lead(detour, leaf.rows, n, False)
            if rows == NULL and n:
                return OUT_OF_MEMORY
            detour.index.origin = leaf
            lay_rows(&detour.index, rows, leaf.offsets, leaf.n, leaf.bags, leaf.high, leaf.distinct)
        return OK

    cdef void close(self) noexcept nogil:
        """Lead all lookups to the tables again."""
        cdef dim_t i, k
        for k in range(self.n):
            self.detours[k].map = NULL
            self.detours[k].led[0].rows = self.detours[k].led[1].rows = NULL
            for i in range(self.replica.tape.n_code):
                if self.replica.tape.code[i].index == &self.detours[k].index:
                    self.replica.tape.code[i].index = self.detours[k].leaf
