# Sums, dot products and the row-wise softmax.  A sum runs in several vector accumulators in a fixed order, so it is the
# same from run to run on one instruction set.

cdef enum:
    # Numbers (or rows) added one after the other before they go into a larger sum: rounding then grows with the square
    # root of their count, not with the count.
    SUM_BLOCK = 1024


cdef inline real_t total_block(const real_t* x, dim_t n) noexcept nogil:
    cdef vec_t s0 = vec_zero(), s1 = vec_zero(), s2 = vec_zero(), s3 = vec_zero()
    cdef dim_t i = 0
    while i + 4 * LANES <= n:
        s0 = vec_add(s0, vec_load(x + i))
        s1 = vec_add(s1, vec_load(x + i + LANES))
        s2 = vec_add(s2, vec_load(x + i + 2 * LANES))
        s3 = vec_add(s3, vec_load(x + i + 3 * LANES))
        i += 4 * LANES
    while i + LANES <= n:
        s0 = vec_add(s0, vec_load(x + i))
        i += LANES
    if i < n:
        s1 = vec_add(s1, vec_load_part(x + i, n - i))
    return vec_sum(vec_add(vec_add(s0, s1), vec_add(s2, s3)))


cdef real_t total(const real_t* x, dim_t n) noexcept nogil:
    """sum of x"""
    cdef double sum = 0
    while n > SUM_BLOCK:
        sum += total_block(x, SUM_BLOCK)
        x += SUM_BLOCK
        n -= SUM_BLOCK
    return <real_t> (sum + total_block(x, n))


cdef inline vec_t dot_lanes(const real_t* a, const real_t* b, dim_t n) noexcept nogil:
    # a . b, still to be summed over the lanes.
    cdef vec_t s0 = vec_zero(), s1 = vec_zero(), s2 = vec_zero(), s3 = vec_zero()
    cdef dim_t i = 0
    while i + 4 * LANES <= n:
        s0 = vec_fma(vec_load(a + i), vec_load(b + i), s0)
        s1 = vec_fma(vec_load(a + i + LANES), vec_load(b + i + LANES), s1)
        s2 = vec_fma(vec_load(a + i + 2 * LANES), vec_load(b + i + 2 * LANES), s2)
        s3 = vec_fma(vec_load(a + i + 3 * LANES), vec_load(b + i + 3 * LANES), s3)
        i += 4 * LANES
    while i + LANES <= n:
        s0 = vec_fma(vec_load(a + i), vec_load(b + i), s0)
        i += LANES
    if i < n:
        s1 = vec_fma(vec_load_part(a + i, n - i), vec_load_part(b + i, n - i), s1)
    return vec_add(vec_add(s0, s1), vec_add(s2, s3))


cdef real_t dot(const real_t* a, const real_t* b, dim_t n) noexcept nogil:
    """a . b"""
    return vec_sum(dot_lanes(a, b, n))


cdef void row_dots(real_t* y, const real_t* a, const real_t* b, dim_t a_stride, dim_t b_stride,
                   dim_t rows, dim_t cols) noexcept nogil:
    """y[r] = a[r] . b[r]; rows of a and b a_stride and b_stride apart.  Overwrites."""
    cdef dim_t r = 0
    if cols == 1 and a_stride == 1 and b_stride == 1:
        map_binary(vec_mul, y, a, b, 1, 1, rows, False)
        return
    while r + 4 <= rows:
        vec_sum_four(y + r, dot_lanes(a + r * a_stride, b + r * b_stride, cols),
                     dot_lanes(a + (r + 1) * a_stride, b + (r + 1) * b_stride, cols),
                     dot_lanes(a + (r + 2) * a_stride, b + (r + 2) * b_stride, cols),
                     dot_lanes(a + (r + 3) * a_stride, b + (r + 3) * b_stride, cols))
        r += 4
    while r < rows:
        y[r] = vec_sum(dot_lanes(a + r * a_stride, b + r * b_stride, cols))
        r += 1


cdef inlined sum_columns_block(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, vec_t alpha,
                               dim_t vectors, bint add) noexcept nogil:
    # `vectors` <= 4 whole vectors of columns; a constant at every call.
    cdef vec_t s[4]
    cdef dim_t r, k
    for k in range(vectors):
        s[k] = vec_load(x + k * LANES) if rows > 0 else vec_zero()
    for r in range(1, rows):
        for k in range(vectors):
            s[k] = vec_add(s[k], vec_load(x + r * x_stride + k * LANES))
    for k in range(vectors):
        vec_put(y + k * LANES, vec_mul(alpha, s[k]), add)


cdef void sum_rows(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols,
                   real_t alpha, bint add) noexcept nogil:
    """y[c] (+)= alpha sum_r x[r, c]; rows x_stride apart."""
    cdef real_t scaled
    if cols == 1 and x_stride == 1:
        scaled = alpha * total(x, rows)
        y[0] = y[0] + scaled if add else scaled
        return
    while rows > SUM_BLOCK:
        sum_rows_block(y, x, x_stride, SUM_BLOCK, cols, alpha, add)
        x += SUM_BLOCK * x_stride
        rows -= SUM_BLOCK
        add = True
    sum_rows_block(y, x, x_stride, rows, cols, alpha, add)


cdef void sum_rows_block(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols,
                         real_t alpha, bint add) noexcept nogil:
    cdef vec_t factor = vec_set1(alpha), s
    cdef dim_t c = 0, r
    while c + 4 * LANES <= cols:
        sum_columns_block(y + c, x + c, x_stride, rows, factor, 4, add)
        c += 4 * LANES
    while c + LANES <= cols:
        sum_columns_block(y + c, x + c, x_stride, rows, factor, 1, add)
        c += LANES
    if c < cols:
        s = vec_zero()
        for r in range(rows):
            s = vec_add(s, vec_load_part(x + r * x_stride + c, cols - c))
        vec_put_part(y + c, vec_mul(factor, s), cols - c, add)


cdef inline vec_t total_lanes(const real_t* x, dim_t n) noexcept nogil:
    cdef vec_t s0 = vec_zero(), s1 = vec_zero()
    cdef dim_t i = 0
    while i + 2 * LANES <= n:
        s0 = vec_add(s0, vec_load(x + i))
        s1 = vec_add(s1, vec_load(x + i + LANES))
        i += 2 * LANES
    if i + LANES <= n:
        s0 = vec_add(s0, vec_load(x + i))
        i += LANES
    if i < n:
        s1 = vec_add(s1, vec_load_part(x + i, n - i))
    return vec_add(s0, s1)


cdef void sum_cols(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols,
                   real_t alpha, bint add) noexcept nogil:
    """y[r] (+)= alpha sum_c x[r, c]; rows x_stride apart."""
    cdef dim_t r = 0, k
    cdef real_t sums[4]
    if cols == 1 and x_stride == 1:
        scale_row(y, x, vec_set1(alpha), rows, add)
        return
    while r + 4 <= rows:
        vec_sum_four(sums, total_lanes(x + r * x_stride, cols), total_lanes(x + (r + 1) * x_stride, cols),
                     total_lanes(x + (r + 2) * x_stride, cols), total_lanes(x + (r + 3) * x_stride, cols))
        for k in range(4):
            y[r + k] = y[r + k] + alpha * sums[k] if add else alpha * sums[k]
        r += 4
    while r < rows:
        sums[0] = alpha * vec_sum(total_lanes(x + r * x_stride, cols))
        y[r] = y[r] + sums[0] if add else sums[0]
        r += 1


# ---- softmax, row by row ----

cdef inline vec_t load_or_lowest(const real_t* x, dim_t n) noexcept nogil:
    # The first n < LANES elements, -infinity in the other lanes.
    return vec_select(vec_first(n), vec_load_part(x, n), vec_set1(-INFINITY))


cdef inline real_t largest(const real_t* x, dim_t n) noexcept nogil:
    cdef vec_t m = vec_set1(-INFINITY)
    cdef dim_t i = 0
    while i + LANES <= n:
        m = vec_max(m, vec_load(x + i))
        i += LANES
    if i < n:
        m = vec_max(m, load_or_lowest(x + i, n - i))
    return vec_largest(m)


cdef inline vec_t exp_row(real_t* y, const real_t* x, vec_t shift, dim_t n, bint keep) noexcept nogil:
    # The lanes of sum exp(x - shift); keeps the terms in y on demand.
    cdef vec_t s = vec_zero(), e
    cdef dim_t i = 0
    while i + LANES <= n:
        e = vec_exp(vec_sub(vec_load(x + i), shift))
        if keep:
            vec_store(y + i, e)
        s = vec_add(s, e)
        i += LANES
    if i < n:
        e = vec_exp(vec_sub(load_or_lowest(x + i, n - i), shift))
        if keep:
            vec_store_part(y + i, e, n - i)
        s = vec_add(s, vec_keep(vec_first(n - i), e))
    return s


cdef void softmax(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols) noexcept nogil:
    """y[r] = exp(x[r] - max x[r]) / sum of the same; rows of x x_stride apart.  Overwrites; y may be x."""
    cdef dim_t r
    cdef vec_t s
    for r in range(rows):
        s = exp_row(y + r * cols, x + r * x_stride, vec_set1(largest(x + r * x_stride, cols)), cols, True)
        scale_row(y + r * cols, y + r * cols, vec_set1(1 / vec_sum(s)), cols, False)


cdef void softmax_back(real_t* dx, const real_t* dy, const real_t* y, dim_t rows, dim_t cols,
                       bint add) noexcept nogil:
    """dx[r] (+)= y[r] (dy[r] - y[r] . dy[r]); dx may be dy."""
    cdef dim_t r, i
    cdef vec_t shift
    for r in range(rows):
        shift = vec_set1(vec_sum(dot_lanes(dy + r * cols, y + r * cols, cols)))
        i = r * cols
        while i + LANES <= (r + 1) * cols:
            vec_put(dx + i, vec_mul(vec_load(y + i), vec_sub(vec_load(dy + i), shift)), add)
            i += LANES
        if i < (r + 1) * cols:
            vec_put_part(dx + i, vec_mul(vec_load_part(y + i, (r + 1) * cols - i),
                                         vec_sub(vec_load_part(dy + i, (r + 1) * cols - i), shift)),
                         (r + 1) * cols - i, add)


cdef void log_softmax(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols) noexcept nogil:
    """y[r] = x[r] - max x[r] - log sum exp(x[r] - max x[r]); rows of x x_stride apart.  Overwrites; y may be x."""
    cdef dim_t r, i
    cdef vec_t top, rest
    cdef const real_t* row
    for r in range(rows):
        row = x + r * x_stride
        top = vec_set1(largest(row, cols))
        rest = vec_log(vec_set1(vec_sum(exp_row(NULL, row, top, cols, False))))
        i = 0
        while i + LANES <= cols:
            vec_store(y + r * cols + i, vec_sub(vec_sub(vec_load(row + i), top), rest))
            i += LANES
        if i < cols:
            vec_store_part(y + r * cols + i, vec_sub(vec_sub(vec_load_part(row + i, cols - i), top), rest), cols - i)


cdef void log_softmax_back(real_t* dx, const real_t* dy, const real_t* y, dim_t rows, dim_t cols,
                           bint add) noexcept nogil:
    """dx[r] (+)= dy[r] - exp(y[r]) sum dy[r]; dx may be dy."""
    cdef dim_t r, i
    cdef vec_t s
    for r in range(rows):
        s = vec_set1(total(dy + r * cols, cols))
        i = r * cols
        while i + LANES <= (r + 1) * cols:
            vec_put(dx + i, vec_fnma(vec_exp(vec_load(y + i)), s, vec_load(dy + i)), add)
            i += LANES
        if i < (r + 1) * cols:
            vec_put_part(dx + i, vec_fnma(vec_exp(vec_load_part(y + i, (r + 1) * cols - i)), s,
                                          vec_load_part(dy + i, (r + 1) * cols - i)),
                         (r + 1) * cols - i, add)
