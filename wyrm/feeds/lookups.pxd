from wyrm.gradient cimport index_t, lay_rows
from wyrm.instructions.lookup cimport fetch_rows
from wyrm.instructions.program cimport instruction_t
from wyrm.kernels.table cimport dim_t, row_t
from wyrm.parameter cimport storage_t
from wyrm.replica cimport Replica

cdef class Lookups:
    # What a replica looks up by one of its index leaves.
    cdef index_t* index
    cdef row_t high              # the largest row that a feed will lay into it
    cdef const storage_t** tables      # those worth fetching ahead
    cdef dim_t n_tables

cdef int check_rows(const instruction_t* code, const index_t* leaf, object node, row_t high) except -1
cdef Lookups lookups_of(Replica replica, dict leaves, object node, row_t high)

cdef inline void lay_bags(Lookups lookups, const row_t* rows, const row_t* offsets, dim_t n, dim_t bags,
                          bint distinct) noexcept nogil:
    """Point the leaf at n rows in `bags` bags."""
    if lookups.index != NULL:
        lay_rows(lookups.index, rows, offsets, n, bags, lookups.high, distinct)

cdef inline void fetch(Lookups lookups, const row_t* rows, dim_t n, bint trains) noexcept nogil:
    """Start fetching table rows that are soon looked up."""
    cdef dim_t i
    for i in range(lookups.n_tables):
        fetch_rows(lookups.tables[i], rows, lookups.tables[i].map, n, trains)

cdef inline bint are_distinct(const row_t* rows, dim_t n) noexcept nogil:
    """Whether no row occurs twice; false too where that isn't known, as looking would take too long."""
    cdef dim_t i, j
    if n > 16:
        return False
    for i in range(1, n):
        for j in range(i):
            if rows[i] == rows[j]:
                return False
    return True
