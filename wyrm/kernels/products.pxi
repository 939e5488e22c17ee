# Updates by gradients that were left as products (products_t): one pass over the rows, and no gradient is written.
#
# Plain: without clip, l1 or l2.  Rows are worked through in tiles like the bags in lookup.pxi.


cdef inline void bag_at(dim_t* first, dim_t* end, const products_t* p, dim_t j) noexcept nogil:
    if p.offsets != NULL:
        first[0], end[0] = p.offsets[j], p.offsets[j + 1]
    else:
        first[0], end[0] = j * p.each, j * p.each + p.each


cdef inlined product_tile(real_t* value, dim_t stride, dim_t D, const products_t* p, dim_t first, dim_t end,
                          const real_t* source, real_t scale, const vectors_t* c, dim_t at, dim_t vectors, dim_t part,
                          bint weighted, bint own, bint adagrad, bint large) noexcept nogil:
    # One bag: `vectors` vectors of columns from `at` on, and `part` columns more.
    cdef vec_t s[4]
    cdef vec_t w[4]
    cdef vec_t g[4]
    cdef vec_t a[4]
    cdef vec_t s_part, w_part, g_part, a_part, least, x = vec_set1(1), scale_of = vec_set1(scale)
    cdef const row_t* rows = p.rows
    cdef const real_t* weights = p.weights
    cdef real_t* row
    cdef dim_t i, k
    for k in range(vectors):
        s[k] = vec_load(source + at + k * LANES)
    s_part = vec_load_part(source + at + vectors * LANES, part)
    for i in range(first, end):
        row = value + rows[i] * stride + at
        if weighted:
            x = vec_set1(weights[i])
            scale_of = vec_set1(scale * weights[i])
        for k in range(vectors):
            w[k] = vec_load(row + k * LANES)
            g[k] = vec_sub(s[k], vec_mul(x, w[k]) if weighted else w[k]) if own else s[k]
            if not adagrad:
                vec_store(row + k * LANES, vec_fnma(scale_of, g[k], w[k]))
        if adagrad and vectors:
            for k in range(vectors):
                g[k] = vec_mul(scale_of, g[k])
                a[k] = vec_fma(g[k], g[k], vec_load(row + D + k * LANES))
                vec_store(row + D + k * LANES, a[k])
                least = vec_min(a[k], least) if k else a[k]
            if large:
                for k in range(vectors):
                    vec_store(row + k * LANES, adagrad_estimate_large(w[k], a[k], g[k], c))
            elif ESTIMATES and often(not vec_any(vec_less(least, c.floor))):
                for k in range(vectors):
                    vec_store(row + k * LANES, adagrad_estimate(w[k], a[k], g[k], c))
            else:
                for k in range(vectors):
                    vec_store(row + k * LANES, adagrad_moved(w[k], a[k], g[k], c))
        if part:
            row += vectors * LANES
            w_part = vec_load_part(row, part)
            g_part = vec_sub(s_part, vec_mul(x, w_part) if weighted else w_part) if own else s_part
            if adagrad:
                a_part = vec_load_part(row + D, part)
                w_part = adagrad_vector(w_part, &a_part, vec_mul(scale_of, g_part), c, True)
                vec_store_part(row + D, a_part, part)
            else:
                w_part = vec_fnma(scale_of, g_part, w_part)
            vec_store_part(row, w_part, part)


cdef inlined products_by(real_t* value, dim_t stride, dim_t D, const products_t* p, const hyper_t* h,
                         const vectors_t* c, bint weighted, bint own, bint adagrad, bint large) noexcept nogil:
    cdef dim_t j, first, end, at, part = D % LANES
    cdef const real_t* source = p.source
    cdef real_t scale
    for j in range(p.bags):
        bag_at(&first, &end, p, j)
        scale = 1 if adagrad else h.learning_rate
        if own:
            scale *= p.slopes[j]
        elif p.mean and end > first:
            scale /= <real_t>(end - first)
        at = 0
        while at + 4 * LANES <= D:
            product_tile(value, stride, D, p, first, end, source, scale, c, at, 4, 0, weighted, own, adagrad, large)
            at += 4 * LANES
        if D - at >= 3 * LANES:
            product_tile(value, stride, D, p, first, end, source, scale, c, at, 3, part, weighted, own, adagrad, large)
        elif D - at >= 2 * LANES:
            product_tile(value, stride, D, p, first, end, source, scale, c, at, 2, part, weighted, own, adagrad, large)
        elif D - at >= LANES:
            product_tile(value, stride, D, p, first, end, source, scale, c, at, 1, part, weighted, own, adagrad, large)
        elif part:
            product_tile(value, stride, D, p, first, end, source, scale, c, at, 0, part, weighted, own, adagrad, large)
        source += p.stride


cdef inlined products_of(real_t* value, dim_t stride, dim_t D, const products_t* p, const hyper_t* h,
                         bint weighted, bint own, bint adagrad) noexcept nogil:
    # `large` is known outside of the loops: constants of both estimates don't fit into the registers.
    cdef vectors_t c
    load_settings(&c, h)
    if adagrad and ESTIMATES and c.large_eps:
        products_by(value, stride, D, p, h, &c, weighted, own, adagrad, True)
    else:
        products_by(value, stride, D, p, h, &c, weighted, own, adagrad, False)


cdef inlined products_any(real_t* value, dim_t stride, dim_t D, const products_t* p, const hyper_t* h,
                          bint own, bint adagrad) noexcept nogil:
    if p.weights == NULL:
        products_of(value, stride, D, p, h, False, own, adagrad)
    else:
        products_of(value, stride, D, p, h, True, own, adagrad)


cdef inline void sgd_numbers(real_t* value, dim_t stride, const products_t* p, dim_t first, dim_t end,
                             real_t step) noexcept nogil:
    """Of rows of one number, those of a bag."""
    cdef dim_t i
    cdef const row_t* rows = p.rows
    cdef const real_t* weights = p.weights
    if weights == NULL:
        for i in range(first, end):
            value[rows[i] * stride] -= step
    else:
        for i in range(first, end):
            value[rows[i] * stride] -= step * weights[i]


cdef inlined sgd_tile(real_t* value, dim_t stride, const products_t* p, dim_t first, dim_t end, const real_t* source,
                      real_t factor, dim_t vectors, dim_t part, bint weighted) noexcept nogil:
    # One bag: `vectors` vectors of columns, a constant at every call; `part` belongs to the last of them.
    cdef vec_t s[WIDE]
    cdef vec_t w, x = vec_set1(-factor)
    cdef const row_t* rows = p.rows
    cdef const real_t* weights = p.weights
    cdef real_t* row
    cdef dim_t i, k
    for k in range(vectors):
        s[k] = vec_load_lanes(source + k * LANES, part if k + 1 == vectors else 0)
        if not weighted:
            s[k] = vec_mul(x, s[k])
    for i in range(first, end):
        row = <real_t*> real_hold(value + rows[i] * stride)
        if weighted:
            x = vec_set1(-factor * weights[i])
        for k in range(vectors):
            w = vec_load_lanes(row + k * LANES, part if k + 1 == vectors else 0)
            w = vec_fma(x, s[k], w) if weighted else vec_add(w, s[k])
            vec_put_lanes(row + k * LANES, w, part if k + 1 == vectors else 0, False)


cdef inlined sgd_sources(real_t* value, dim_t stride, dim_t D, const products_t* p, real_t rate,
                         bint weighted) noexcept nogil:
    cdef dim_t j, first, end, d
    cdef const real_t* source = p.source
    cdef real_t factor
    for j in range(p.bags):
        bag_at(&first, &end, p, j)
        factor = rate / <real_t>(end - first) if p.mean and end > first else rate
        if D == 1:
            sgd_numbers(value, stride, p, first, end, factor * source[0])
            source += p.stride
            continue
        d = 0
        while d + (WIDE - 1) * LANES <= D:
            if 2 * (D - d) == (2 * WIDE - 1) * LANES:
                sgd_tile(value + d, stride, p, first, end, source + d, factor, WIDE, LANES // 2, weighted)
                d = D
            else:
                sgd_tile(value + d, stride, p, first, end, source + d, factor, WIDE - 1, 0, weighted)
                d += (WIDE - 1) * LANES
        while d + 4 * LANES <= D:
            sgd_tile(value + d, stride, p, first, end, source + d, factor, 4, 0, weighted)
            d += 4 * LANES
        while d + LANES <= D:
            sgd_tile(value + d, stride, p, first, end, source + d, factor, 1, 0, weighted)
            d += LANES
        if D - d == LANES // 2:
            sgd_tile(value + d, stride, p, first, end, source + d, factor, 1, LANES // 2, weighted)
        elif D > d:
            sgd_tile(value + d, stride, p, first, end, source + d, factor, 1, D - d, weighted)
        source += p.stride


cdef void sgd_products(real_t* value, dim_t stride, dim_t D, const products_t* p, const hyper_t* h) noexcept nogil:
    """value[rows[i]] -= lr times the gradient of position i.  Rows may repeat unless there are slopes."""
    if p.slopes != NULL:
        products_any(value, stride, D, p, h, True, False)
    elif p.weights != NULL:
        sgd_sources(value, stride, D, p, h.learning_rate, True)
    else:
        sgd_sources(value, stride, D, p, h.learning_rate, False)


# Rows of one element and its sum of squares, LANES of them at a time.

cdef inlined adagrad_numbers(real_t* value, dim_t stride, const products_t* p, const hyper_t* h) noexcept nogil:
    cdef vectors_t c
    cdef dim_t j, i, k, n, first, end
    cdef real_t scale
    cdef vec_t w, a, g
    cdef const row_t* rows
    cdef row_t last_rows[LANES]
    cdef real_t last_weights[LANES]
    load_settings(&c, h)
    for j in range(p.bags):
        bag_at(&first, &end, p, j)
        scale = p.source[j * p.stride]
        if p.mean and end > first:
            scale /= <real_t>(end - first)
        g = vec_set1(scale)
        i = first
        while i < end:
            n = min(end - i, <dim_t> LANES)
            rows = p.rows + i
            if p.weights != NULL and n == LANES:
                g = vec_mul(vec_set1(scale), vec_load(p.weights + i))
            if n < LANES:                # its last row stands for the missing ones
                for k in range(LANES):
                    last_rows[k] = rows[min(k, n - 1)]
                rows = last_rows
                if p.weights != NULL:
                    for k in range(LANES):
                        last_weights[k] = p.weights[i + min(k, n - 1)]
                    g = vec_mul(vec_set1(scale), vec_load(last_weights))
            vec_load_pairs(&w, &a, value, rows, stride)
            w = adagrad_vector(w, &a, g, &c, True)
            vec_store_pairs(value, rows, stride, w, a)
            i += LANES


cdef void adagrad_products(real_t* value, dim_t stride, dim_t D, const products_t* p, const hyper_t* h) noexcept nogil:
    """As adagrad_rows, of distinct rows, each with its sums of squares behind it."""
    if p.slopes != NULL and D == 8 and stride == 16:
        products_any(value, 16, 8, p, h, True, True)
    elif p.slopes != NULL and D == 16 and stride == 32:
        products_any(value, 32, 16, p, h, True, True)
    elif p.slopes != NULL and D == 32 and stride == 64:
        products_any(value, 64, 32, p, h, True, True)
    elif p.slopes != NULL:
        products_any(value, stride, D, p, h, True, True)
    elif D == 1 and stride == 2:
        adagrad_numbers(value, 2, p, h)
    elif D == 1:
        adagrad_numbers(value, stride, p, h)
    else:
        products_any(value, stride, D, p, h, False, True)
