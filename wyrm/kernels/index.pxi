# Lists of table rows.

from libc.string cimport memset


cdef void describe_rows(row_t* low, row_t* high, bint* increasing, const row_t* rows, dim_t n) noexcept nogil:
    """The smallest and largest of rows (0 and -1 when n = 0) and whether they strictly increase."""
    cdef row_t smallest, largest_row, disorder = 0
    cdef dim_t i
    if n <= 0:
        low[0], high[0], increasing[0] = 0, -1, True
        return
    smallest = largest_row = rows[0]
    for i in range(1, n):
        smallest = rows[i] if rows[i] < smallest else smallest
        largest_row = rows[i] if rows[i] > largest_row else largest_row
        disorder |= rows[i] <= rows[i - 1]
    low[0], high[0], increasing[0] = smallest, largest_row, disorder == 0


cdef dim_t unique_rows(row_t* unique, row_t* slots, row_t* buckets, dim_t n_buckets,
                       const row_t* rows, dim_t n) noexcept nogil:
    """unique = the distinct rows in order of first occurrence, with unique[slots[i]] = rows[i]; returns their number.

    Needs rows >= 0 and n_buckets >= 2 n, a power of two; what buckets holds on entry doesn't matter.
    """
    # Open addressing; a bucket holds 1 + the place of its row in `unique`, 0 when it is free.
    cdef dim_t size = 2, count = 0, i
    cdef int shift = 31
    cdef uint32_t at, mask
    cdef row_t found
    if n <= 0:
        return 0
    # No more buckets than these rows need: clearing them is a large part of a short list's cost.
    while size < 2 * n:
        size *= 2
        shift -= 1
    memset(buckets, 0, size * sizeof(row_t))
    mask = <uint32_t>(size - 1)
    for i in range(n):
        at = (<uint32_t>rows[i] * <uint32_t>2654435769) >> shift     # Fibonacci hashing: the product's high bits
        while True:
            found = buckets[at]
            if found == 0:
                unique[count] = rows[i]
                slots[i] = <row_t>count
                count += 1
                buckets[at] = <row_t>count
                break
            if unique[found - 1] == rows[i]:
                slots[i] = found - 1
                break
            at = (at + 1) & mask
    return count
