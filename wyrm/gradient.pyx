"""Gradients of parameters: dense, or row-sparse with only the rows a step touched.

A lookup's backward asks `lookup_slots` where the gradient of each of its positions goes.  Most steps take one of two
cheap ways: the index list has no repeated row, so position i is slot i and values are overwritten without being
cleared first; or its repeated rows are found once per step and shared by every table it looks into.  Only when a
second index list, or a second backward, reaches the same parameter are rows merged through a hash table of the rows
touched so far.

Functions that allocate return 0, or -1 when memory ran out; what they were asked to change is then unchanged or empty.
"""

from libc.string cimport memcpy, memset
from wyrm.kernels.dispatch cimport kernels
from wyrm.kernels.table cimport DOTTED, PAIRED
from wyrm.memory cimport wyrm_alloc, wyrm_free, wyrm_grow


cdef dim_t power_of_two(dim_t at_least) noexcept nogil:
    cdef dim_t size = 16
    while size < at_least:
        size *= 2
    return size


# --- Index lists -------------------------------------------------------------------------------------------------

cdef int index_slots(index_t* index) noexcept nogil:
    """Fill unique, n_unique and slots for the rows the index holds now."""
    cdef dim_t capacity, n_buckets
    if index.slots_version == index.version:
        return 0
    if index.capacity < index.n:
        capacity = power_of_two(index.n)
        n_buckets = 16 * capacity
        wyrm_free(index.unique)
        wyrm_free(index.slots)
        wyrm_free(index.buckets)
        index.capacity = 0
        index.unique = <row_t*> wyrm_alloc(capacity * sizeof(row_t))
        index.slots = <row_t*> wyrm_alloc(capacity * sizeof(row_t))
        index.buckets = <row_t*> wyrm_alloc(n_buckets * sizeof(row_t))
        if index.unique == NULL or index.slots == NULL or index.buckets == NULL:
            free_index(index)
            return -1
        index.capacity = capacity
        index.n_buckets = n_buckets
    index.n_unique = kernels.unique_rows(index.unique, index.slots, index.buckets, index.n_buckets, index.rows,
                                         index.n)
    index.slots_version = index.version
    return 0


cdef void free_index(index_t* index) noexcept nogil:
    """Free what index_slots allocated; rows and offsets belong to whoever laid them down."""
    wyrm_free(index.unique)
    wyrm_free(index.slots)
    wyrm_free(index.buckets)
    index.unique = index.slots = index.buckets = NULL
    index.capacity = index.n_buckets = index.n_unique = 0
    index.slots_version = 0


# --- Row-sparse accumulation -------------------------------------------------------------------------------------

cdef int reserve(gradient_t* gradient, dim_t n) noexcept nogil:
    """Room for n rows; keeps the rows there are."""
    cdef dim_t capacity
    cdef void* grown
    if n <= gradient.capacity:
        return 0
    capacity = power_of_two(n)
    grown = wyrm_grow(gradient.touched, gradient.n * sizeof(row_t), capacity * sizeof(row_t))
    if grown == NULL:
        return -1
    gradient.touched = <row_t*> grown
    grown = wyrm_grow(gradient.values, gradient.n * gradient.cols * sizeof(float),
                      capacity * gradient.cols * sizeof(float))
    if grown == NULL:
        return -1
    gradient.values = <float*> grown
    gradient.capacity = capacity
    return 0


cdef inline dim_t bucket_of(row_t row, dim_t mask) noexcept nogil:
    # Fibonacci hashing; the high bits of the product are the well-mixed ones.
    cdef uint64_t mixed = <uint64_t> row * <uint64_t> 0x9E3779B97F4A7C15
    return <dim_t> (mixed >> 32) & mask


cdef int rehash(gradient_t* gradient, dim_t n) noexcept nogil:
    """Make the hash hold touched[0:gradient.n], with room for n rows."""
    cdef dim_t size = power_of_two(2 * n), mask, at, s
    if gradient.hashed and size <= gradient.n_buckets:
        return 0
    if size > gradient.n_buckets:
        gradient.hashed = False
        wyrm_free(gradient.buckets)
        gradient.n_buckets = 0
        gradient.buckets = <row_t*> wyrm_alloc(size * sizeof(row_t))
        if gradient.buckets == NULL:
            return -1
        gradient.n_buckets = size
    memset(gradient.buckets, 0xff, gradient.n_buckets * sizeof(row_t))
    mask = gradient.n_buckets - 1
    for s in range(gradient.n):
        at = bucket_of(gradient.touched[s], mask)
        while gradient.buckets[at] >= 0:
            at = (at + 1) & mask
        gradient.buckets[at] = <row_t> s
    gradient.hashed = True
    return 0


cdef int merge(gradient_t* gradient, const row_t* rows, dim_t n) noexcept nogil:
    """Give every position of `rows` a slot in `gradient.merged`; rows not touched before get a new, zeroed one."""
    cdef dim_t mask, at, i, before = gradient.n
    cdef row_t slot
    if reserve(gradient, gradient.n + n) < 0 or rehash(gradient, gradient.n + n) < 0:
        return -1
    if gradient.merged_capacity < n:
        wyrm_free(gradient.merged)
        gradient.merged_capacity = 0
        gradient.merged = <row_t*> wyrm_alloc(power_of_two(n) * sizeof(row_t))
        if gradient.merged == NULL:
            return -1
        gradient.merged_capacity = power_of_two(n)
    mask = gradient.n_buckets - 1
    for i in range(n):
        at = bucket_of(rows[i], mask)
        while True:
            slot = gradient.buckets[at]
            if slot < 0:
                slot = <row_t> gradient.n
                gradient.buckets[at] = slot
                gradient.touched[slot] = rows[i]
                gradient.n += 1
                break
            if gradient.touched[slot] == rows[i]:
                break
            at = (at + 1) & mask
        gradient.merged[i] = slot
    memset(gradient.values + before * gradient.cols, 0, (gradient.n - before) * gradient.cols * sizeof(float))
    return 0


cdef int lookup_slots(slots_t* slots, gradient_t* gradient, index_t* index) noexcept nogil:
    """Where the gradients of the positions of `index` go.  The slots are valid until the next call on `gradient`."""
    cdef dim_t n = index.n
    slots.add = True
    if gradient.dense != NULL:
        slots.values = gradient.dense
        slots.slots = index.rows
        open_dense(gradient)
        return 0
    if n == 0:                       # only empty bags
        slots.values = gradient.values
        slots.slots = NULL
        return 0
    if gradient.n == 0:
        gradient.hashed = False
        if not index.distinct:
            if index_slots(index) < 0:
                return -1
            n = index.n_unique
        if reserve(gradient, n) < 0:
            return -1
        if index.distinct or n == index.n:
            memcpy(gradient.touched, index.rows, n * sizeof(row_t))
            slots.slots = NULL
            slots.add = False
        else:
            memcpy(gradient.touched, index.unique, n * sizeof(row_t))
            memset(gradient.values, 0, n * gradient.cols * sizeof(float))
            slots.slots = index.slots
        gradient.n = n
        gradient.source = index
        gradient.source_version = index.version
    elif gradient.source == index and gradient.source_version == index.version:
        slots.slots = NULL if gradient.n == index.n else index.slots
    else:
        gradient.source = NULL
        if merge(gradient, index.rows, index.n) < 0:
            return -1
        slots.slots = gradient.merged
    slots.values = gradient.values
    return 0


cdef products_t* lookup_products(gradient_t* gradient, index_t* index, bint once) noexcept nogil:
    """Terms for the positions of `index`, to be completed; NULL where the gradient must be worked out.

    `once`: they hold for rows that occur once only.
    """
    cdef products_t* products = &gradient.products
    if gradient.takes_products == NONE or products.n > 0 or gradient.dense != NULL:
        return NULL
    if (once or gradient.takes_products == OF_DISTINCT_ROWS) and not index.distinct:
        if index_slots(index) < 0 or index.n_unique < index.n:
            return NULL                          # where memory ran out, working it out will say so
    memset(products, 0, sizeof(products_t))
    products.rows = index.rows
    products.n = index.n
    gradient.partner = NULL
    gradient.into = NULL
    return products


cdef inline bint leave_both(gradient_t* a, gradient_t* b, index_t* rows_a, index_t* rows_b) noexcept nogil:
    """Leave both gradients of dot products, as products to be completed; false where they must be worked out."""
    if a == b or a.takes_products != ANY or b.takes_products != ANY:
        return False
    if lookup_products(a, rows_a, False) == NULL:
        return False
    if lookup_products(b, rows_b, False) == NULL:
        a.products.n = 0
        return False
    a.partner, b.partner = b, a
    return True


cdef bint leave_pairs(gradient_t* a, gradient_t* b, index_t* rows_a, index_t* rows_b, const pairs_t* pairs,
                      const float* dy) noexcept nogil:
    """Leave both gradients of dot products as they are; false where they must be worked out."""
    if pairs.blocks != 1 or pairs.M > PAIRED or pairs.N > PAIRED or pairs.a.value == pairs.b.value:
        return False
    if not leave_both(a, b, rows_a, rows_b):
        return False
    a.pairs = b.pairs = pairs[0]
    a.distinct = b.distinct = rows_a.distinct and rows_b.distinct
    a.products.weights = b.products.weights = dy
    return True


cdef bint leave_dots(gradient_t* a, gradient_t* b, index_t* rows_a, index_t* rows_b, const pairs_t* pairs,
                     const float* dy, float* into) noexcept nogil:
    """Leave both gradients of dot products with sums of rows of a, which is worked out in the step of b, `into` there.

    What a's own products are is still to be said; false where both must be worked out.
    """
    if pairs.M != 1 or pairs.blocks * pairs.N > DOTTED:
        return False
    if not leave_both(a, b, rows_a, rows_b):
        return False
    b.pairs = pairs[0]
    b.products.weights = dy
    b.into = into
    return True


cdef int add_row(gradient_t* gradient, row_t row, const float* values) noexcept nogil:
    """Add to the gradient of one row."""
    cdef float* into
    cdef dim_t c
    if merge(gradient, &row, 1) < 0:
        return -1
    gradient.source = NULL
    into = gradient.values + gradient.merged[0] * gradient.cols
    for c in range(gradient.cols):
        into[c] += values[c]
    return 0


# --- Dense accumulation, clearing --------------------------------------------------------------------------------

cdef int use_dense(gradient_t* gradient) noexcept nogil:
    """Switch to a dense gradient, for a parameter used whole; rows touched so far are carried over."""
    cdef dim_t s
    if gradient.dense != NULL:
        return 0
    gradient.dense = <float*> wyrm_alloc(gradient.rows * gradient.cols * sizeof(float))
    if gradient.dense == NULL:
        return -1
    if gradient.n > 0:
        open_dense(gradient)
    for s in range(gradient.n):
        memcpy(gradient.dense + gradient.touched[s] * gradient.cols, gradient.values + s * gradient.cols,
               gradient.cols * sizeof(float))
    gradient.n = 0
    gradient.hashed = False
    gradient.source = NULL
    return 0


cdef void open_dense(gradient_t* gradient) noexcept nogil:
    """Before something is added to the dense part."""
    if not gradient.dense_touched:
        memset(gradient.dense, 0, gradient.rows * gradient.cols * sizeof(float))
        gradient.dense_touched = True


cdef void clear_gradient(gradient_t* gradient) noexcept nogil:
    """Back to zero, keeping the memory; whoever adds to the dense part next clears it, or overwrites."""
    gradient.n = 0
    gradient.products.n = 0
    gradient.hashed = False
    gradient.source = NULL
    gradient.dense_touched = False


cdef void free_gradient(gradient_t* gradient) noexcept nogil:
    wyrm_free(gradient.touched)
    wyrm_free(gradient.values)
    wyrm_free(gradient.buckets)
    wyrm_free(gradient.merged)
    wyrm_free(gradient.dense)
    memset(gradient, 0, sizeof(gradient_t))
