# Sums, dot products and the row-wise softmax.  A sum runs in several vector accumulators in a fixed order, so it is the
# same from run to run on one instruction set.

cdef enum:
    # Numbers (or rows) added one after the other before they go into a larger sum: the error of a long sum then grows
    # with the number of blocks, not of terms.
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
        vec_sum_four(y + r, False, dot_lanes(a + r * a_stride, b + r * b_stride, cols),
                     dot_lanes(a + (r + 1) * a_stride, b + (r + 1) * b_stride, cols),
                     dot_lanes(a + (r + 2) * a_stride, b + (r + 2) * b_stride, cols),
                     dot_lanes(a + (r + 3) * a_stride, b + (r + 3) * b_stride, cols))
        r += 4
    while r < rows:
        y[r] = vec_sum(dot_lanes(a + r * a_stride, b + r * b_stride, cols))
        r += 1


cdef void sum_rows(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols,
                   real_t alpha, bint add) noexcept nogil:
    """y[c] (+)= alpha sum_r x[r, c]; rows x_stride apart."""
    # The product of a row of alphas with x.
    cdef product_t p
    cdef real_t scaled
    if cols == 1 and x_stride == 1:
        scaled = alpha * total(x, rows)
        y[0] = y[0] + scaled if add else scaled
        return
    p.c, p.a, p.b = y, &alpha, x
    p.ldc, p.lda, p.ldb = cols, 0, x_stride
    p.M, p.N, p.K = 1, cols, SUM_BLOCK
    p.transpose_a, p.transpose_b, p.add = False, False, add
    while rows > SUM_BLOCK:
        broadcast_rows(&p, y, &alpha, 0, 0, 1)
        p.b += SUM_BLOCK * x_stride
        p.add = True
        rows -= SUM_BLOCK
    p.K = rows
    broadcast_rows(&p, y, &alpha, 0, 0, 1)


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
        vec_sum_four(sums, False, total_lanes(x + r * x_stride, cols), total_lanes(x + (r + 1) * x_stride, cols),
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
        e = vec_exp(vec_keep(vec_first(n - i), vec_sub(vec_load_part(x + i, n - i), shift)))
        if keep:
            vec_store_part(y + i, e, n - i)
        s = vec_add(s, vec_keep(vec_first(n - i), e))
    return s


cdef inlined softmax_tile(real_t* y, const real_t* x, dim_t cols, dim_t vectors, bint logarithmic) noexcept nogil:
    # A row of at most `vectors` vectors, a constant at every call, in registers.
    cdef vec_t v[4]
    cdef vec_t top, s, e
    cdef dim_t last = (vectors - 1) * LANES, part = cols - last, i
    cdef ivec_t inside = vec_first(part)
    for i in range(vectors - 1):
        v[i] = vec_load(x + i * LANES)
    v[vectors - 1] = vec_load(x + last) if part == LANES else load_or_lowest(x + last, part)
    top = v[0]
    for i in range(1, vectors):
        top = vec_max(top, v[i])
    top = vec_set1(vec_largest(top))
    s = vec_zero()
    for i in range(vectors):
        v[i] = vec_sub(v[i], top)
        if i + 1 < vectors:
            e = vec_exp(v[i])
        else:       # the lanes past the end don't count, and mustn't underflow: that is slow
            e = vec_keep(inside, vec_exp(vec_keep(inside, v[i])))
        s = vec_add(s, e)
        if not logarithmic:
            v[i] = e
    s = vec_set1(vec_sum(s))
    s = vec_log(s) if logarithmic else vec_div(vec_set1(1), s)
    for i in range(vectors):
        v[i] = vec_sub(v[i], s) if logarithmic else vec_mul(v[i], s)
    for i in range(vectors - 1):
        vec_store(y + i * LANES, v[i])
    if part == LANES:
        vec_store(y + last, v[vectors - 1])
    else:
        vec_store_part(y + last, v[vectors - 1], part)


cdef inlined softmax_long(real_t* y, const real_t* x, dim_t cols, bint logarithmic) noexcept nogil:
    cdef vec_t top = vec_set1(largest(x, cols)), s
    cdef dim_t i = 0
    s = exp_row(y, x, top, cols, not logarithmic)
    if not logarithmic:
        scale_row(y, y, vec_div(vec_set1(1), vec_set1(vec_sum(s))), cols, False)
        return
    s = vec_log(vec_set1(vec_sum(s)))
    while i + LANES <= cols:
        vec_store(y + i, vec_sub(vec_sub(vec_load(x + i), top), s))
        i += LANES
    if i < cols:
        vec_store_part(y + i, vec_sub(vec_sub(vec_load_part(x + i, cols - i), top), s), cols - i)


cdef inlined softmax_rows(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols,
                          bint logarithmic) noexcept nogil:
    cdef dim_t r
    for r in range(rows):
        if cols > 4 * LANES:
            softmax_long(y, x, cols, logarithmic)
        elif cols > 3 * LANES:
            softmax_tile(y, x, cols, 4, logarithmic)
        elif cols > 2 * LANES:
            softmax_tile(y, x, cols, 3, logarithmic)
        elif cols > LANES:
            softmax_tile(y, x, cols, 2, logarithmic)
        elif cols > 0:
            softmax_tile(y, x, cols, 1, logarithmic)
        x += x_stride
        y += cols


cdef void softmax(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols) noexcept nogil:
    """y[r] = exp(x[r] - max x[r]) / sum of the same; rows of x x_stride apart.  Overwrites; y may be x."""
    softmax_rows(y, x, x_stride, rows, cols, False)


cdef void log_softmax(real_t* y, const real_t* x, dim_t x_stride, dim_t rows, dim_t cols) noexcept nogil:
    """y[r] = x[r] - max x[r] - log sum exp(x[r] - max x[r]); rows of x x_stride apart.  Overwrites; y may be x."""
    softmax_rows(y, x, x_stride, rows, cols, True)


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
