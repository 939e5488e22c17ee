"""What an index leaf is used for: to check rows before they reach a kernel, and to fetch them ahead."""

from wyrm.errors import describe
from wyrm.instructions.program cimport instruction_t
from wyrm.memory cimport wyrm_alloc, wyrm_free

cdef enum:
    # Bytes; smaller tables stay in the caches by themselves.
    WORTH_FETCHING = 8 << 20


cdef class Lookups:
    """The tables that one index leaf of a replica reaches."""

    def __dealloc__(self):
        wyrm_free(self.tables)


cdef int check_rows(const instruction_t* code, const index_t* leaf, object node, row_t high) except -1:
    """Refuse what a feed will lay into the leaf of `node`, up to `high`, where it is too large for an instruction."""
    cdef dim_t limit
    if code.index == leaf:
        # Rows of a table, or as targets columns of the logits.
        limit = code.storage.rows if code.storage != NULL else code.a.cols
        if high >= limit:
            raise IndexError(f"feed: index {high} for {describe(node)} is out of range in "
                             f"{code.op.name.decode()}; expected 0 to {limit - 1}")
    if code.fields == leaf and high >= code.n[2]:
        raise IndexError(f"feed: field {high} for {describe(node)} is out of range in "
                         f"{code.op.name.decode()}; expected 0 to {code.n[2] - 1}")
    return 0


cdef Lookups lookups_of(Replica replica, dict leaves, object node, row_t high):
    """The lookups of the leaf that stands for `node`, refused where a row up to `high` doesn't fit.

    A graph without such a leaf, or no node (None), gives lookups that take everything and do nothing.
    """
    cdef Lookups found = Lookups.__new__(Lookups)
    cdef instruction_t* code
    cdef dim_t i
    found.high = high
    if node is None or node not in leaves:
        return found
    found.index = replica.indices + <dim_t> leaves[node]
    found.tables = <const storage_t**> wyrm_alloc(replica.tape.n_code * sizeof(storage_t*))
    if found.tables == NULL:
        raise MemoryError("no memory for a cursor")
    for i in range(replica.tape.n_code):
        code = replica.tape.code + i
        check_rows(code, found.index, node, high)
        if (code.index == found.index and code.storage != NULL
                and code.storage.rows * code.storage.stride * sizeof(float) >= WORTH_FETCHING):
            found.tables[found.n_tables] = code.storage
            found.n_tables += 1
    return found
