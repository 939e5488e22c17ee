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


cdef inline uint32_t highest(const row_t* rows, dim_t n) noexcept nogil:
    # Negative rows, which detours have, are the highest.
    cdef uint32_t high = 0, row
    cdef dim_t i
    for i in range(n):
        row = <uint32_t> rows[i]
        high = row if row > high else high
    return high


cdef inline dim_t unique_low_rows(row_t* unique, row_t* slots, row_t* buckets, uint32_t high, const row_t* rows,
                                  dim_t n) noexcept nogil:
    # A bucket for every row up to `high`.  No branch depends on whether a row is new, which nothing could predict: what
    # is not, is overwritten by the next that is.
    cdef row_t count = 0, slot
    cdef dim_t i
    memset(buckets, 0xff, (<dim_t> high + 1) * sizeof(row_t))
    for i in range(n):
        slot = buckets[rows[i]]
        unique[count] = rows[i]
        slot = count if slot < 0 else slot
        buckets[rows[i]] = slot
        slots[i] = slot
        count += slot == count
    return count


cdef dim_t unique_rows(row_t* unique, row_t* slots, row_t* buckets, dim_t n_buckets,
                       const row_t* rows, dim_t n) noexcept nogil:
    """unique = the distinct rows in order of first occurrence, with unique[slots[i]] = rows[i]; returns their number.

    Needs n_buckets >= 2 n, a power of two; what buckets holds on entry doesn't matter. It is fastest where rows are not
    negative, there is a bucket for every row up to the largest, and these are at most 16 n.
    """
    # Open addressing; a bucket holds 1 + the place of its row in `unique`, 0 when it is free.
    cdef dim_t size = 2, count = 0, i
    cdef int shift = 31
    cdef uint32_t at, mask
    cdef row_t found
    cdef uint32_t high
    if n <= 0:
        return 0
    high = highest(rows, n)
    if high < n_buckets and high < 16 * n:
        return unique_low_rows(unique, slots, buckets, high, rows, n)
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
