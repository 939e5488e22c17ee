# The pairwise term of a factorisation machine (Rendle, 2010), tiled like the bags in lookup.pxi.

cdef inlined fm_row(vec_t* s, vec_t* q, const real_t* row, real_t weight, dim_t vectors, dim_t part,
                    bint weighted) noexcept nogil:
    cdef vec_t v
    cdef dim_t k
    for k in range(vectors):
        v = vec_load_lanes(row + k * LANES, part if k + 1 == vectors else 0)
        if weighted:
            v = vec_mul(vec_set1(weight), v)
        s[k] = vec_add(s[k], v)
        q[k] = vec_fma(v, v, q[k])


cdef inlined fm_tile(vec_t* pairs, real_t* sums, const real_t* table, dim_t stride, const row_t* rows,
                     const real_t* weights, dim_t n, dim_t vectors, dim_t part, bint weighted) noexcept nogil:
    # One bag, `vectors` vectors of columns: stores S, adds the lanes of |S|^2 - sum_i |w_i v_i|^2.  Up to two vectors
    # are summed twice over, even positions and odd ones: an addition would wait for the one before.
    cdef vec_t s[4]
    cdef vec_t q[4]
    cdef dim_t i = 0, k, other = 2 if vectors <= 2 else 0
    for k in range(4):
        s[k] = vec_zero()
        q[k] = vec_zero()
    while i + 2 <= n:
        fm_row(s, q, table + rows[i] * stride, weights[i] if weighted else 1, vectors, part, weighted)
        fm_row(s + other, q + other, table + rows[i + 1] * stride, weights[i + 1] if weighted else 1, vectors, part,
               weighted)
        i += 2
    if i < n:
        fm_row(s, q, table + rows[i] * stride, weights[i] if weighted else 1, vectors, part, weighted)
    for k in range(vectors):
        if other:
            s[k] = vec_add(s[k], s[k + other])
            q[k] = vec_add(q[k], q[k + other])
        vec_put_lanes(sums + k * LANES, s[k], part if k + 1 == vectors else 0, False)
        pairs[0] = vec_add(pairs[0], vec_sub(vec_mul(s[k], s[k]), q[k]))


cdef inlined fm_of(real_t* y, real_t* sums, const bags_t* b, dim_t D, bint weighted) noexcept nogil:
    cdef dim_t j, c, n, part
    cdef const row_t* rows
    cdef const real_t* weights
    cdef const real_t* table
    cdef vec_t pairs
    for j in range(b.bags):
        n = b.offsets[j + 1] - b.offsets[j]
        rows = b.rows + b.offsets[j]
        weights = b.weights + b.offsets[j] if weighted else NULL
        pairs = vec_zero()
        table = b.table
        c = 0
        while c + 4 * LANES <= D:
            fm_tile(&pairs, sums, table + c, b.stride, rows, weights, n, 4, 0, weighted)
            sums += 4 * LANES
            c += 4 * LANES
        table += c
        part = (D - c) % LANES
        if D - c > 3 * LANES:
            fm_tile(&pairs, sums, table, b.stride, rows, weights, n, 4, part, weighted)
        elif D - c > 2 * LANES:
            fm_tile(&pairs, sums, table, b.stride, rows, weights, n, 3, part, weighted)
        elif D - c > LANES:
            fm_tile(&pairs, sums, table, b.stride, rows, weights, n, 2, part, weighted)
        elif D - c > 0:
            fm_tile(&pairs, sums, table, b.stride, rows, weights, n, 1, part, weighted)
        sums += D - c
        y[j] = <real_t>0.5 * vec_sum(pairs)


cdef inlined fm_any(real_t* y, real_t* sums, const bags_t* b, dim_t D) noexcept nogil:
    if b.weights == NULL:
        fm_of(y, sums, b, D, False)
    else:
        fm_of(y, sums, b, D, True)


cdef void fm(real_t* y, real_t* sums, const bags_t* b) noexcept nogil:
    """y[j] = (|S_j|^2 - sum_i |w_i v_i|^2) / 2 with sums[j] = S_j = sum_i w_i v_i and v_i = table[rows[i]].

    The sum over the pairs of a bag of w_i v_i . w_k v_k, in time linear in the bag.  Overwrites; ignores b.mean.
    """
    if b.D == 4:
        fm_any(y, sums, b, 4)
    elif b.D == 8:
        fm_any(y, sums, b, 8)
    elif b.D == 16:
        fm_any(y, sums, b, 16)
    elif b.D == 32:
        fm_any(y, sums, b, 32)
    elif b.D == 64:
        fm_any(y, sums, b, 64)
    else:
        fm_any(y, sums, b, b.D)


cdef inlined fm_back_tile(real_t* values, const row_t* slots, dim_t D, real_t dy, const real_t* sums,
                          const real_t* table, dim_t stride, const row_t* rows, const real_t* weights,
                          dim_t first, dim_t end, dim_t vectors, dim_t part,
                          bint weighted, bint add) noexcept nogil:
    # One bag: positions first to end.  The difference is taken before it is scaled, so that a row alone in its bag gets
    # a gradient of exactly 0; Adagrad would make a whole step of what rounding leaves.
    cdef vec_t s[4]
    cdef vec_t w, v, scale_of = vec_set1(dy)
    cdef real_t* target
    cdef const real_t* row
    cdef dim_t i, k
    for k in range(vectors):
        s[k] = vec_load_lanes(sums + k * LANES, part if k + 1 == vectors else 0)
    for i in range(first, end):
        row = table + rows[i] * stride
        target = values + (i if slots == NULL else <dim_t>slots[i]) * D
        if weighted:
            w = vec_set1(weights[i])
            scale_of = vec_set1(dy * weights[i])
        for k in range(vectors):
            v = vec_load_lanes(row + k * LANES, part if k + 1 == vectors else 0)
            if weighted:
                v = vec_mul(w, v)
            vec_put_lanes(target + k * LANES, vec_mul(scale_of, vec_sub(s[k], v)), part if k + 1 == vectors else 0, add)


cdef inlined fm_back_of(const slots_t* s, const real_t* dy, const real_t* sums, const bags_t* b, dim_t D,
                        bint weighted, bint add) noexcept nogil:
    cdef dim_t j, c, first, end, part
    cdef real_t* values
    cdef const real_t* table
    for j in range(b.bags):
        first, end = b.offsets[j], b.offsets[j + 1]
        values = s.values
        table = b.table
        c = 0
        while c + 4 * LANES <= D:
            fm_back_tile(values, s.slots, D, dy[j], sums, table, b.stride, b.rows, b.weights, first, end,
                         4, 0, weighted, add)
            values += 4 * LANES
            table += 4 * LANES
            sums += 4 * LANES
            c += 4 * LANES
        part = (D - c) % LANES
        if D - c > 3 * LANES:
            fm_back_tile(values, s.slots, D, dy[j], sums, table, b.stride, b.rows, b.weights, first, end,
                         4, part, weighted, add)
        elif D - c > 2 * LANES:
            fm_back_tile(values, s.slots, D, dy[j], sums, table, b.stride, b.rows, b.weights, first, end,
                         3, part, weighted, add)
        elif D - c > LANES:
            fm_back_tile(values, s.slots, D, dy[j], sums, table, b.stride, b.rows, b.weights, first, end,
                         2, part, weighted, add)
        elif D - c > 0:
            fm_back_tile(values, s.slots, D, dy[j], sums, table, b.stride, b.rows, b.weights, first, end,
                         1, part, weighted, add)
        sums += D - c


cdef inlined fm_back_any(const slots_t* s, const real_t* dy, const real_t* sums, const bags_t* b,
                         dim_t D) noexcept nogil:
    if b.weights == NULL:
        if s.add:
            fm_back_of(s, dy, sums, b, D, False, True)
        else:
            fm_back_of(s, dy, sums, b, D, False, False)
    elif s.add:
        fm_back_of(s, dy, sums, b, D, True, True)
    else:
        fm_back_of(s, dy, sums, b, D, True, False)


cdef void fm_back(const slots_t* s, const real_t* dy, const real_t* sums, const bags_t* b) noexcept nogil:
    """values[slots[i]] (+)= dy[j] w_i (S_j - w_i v_i), with j the bag of position i: the gradient of fm.

    With s.add, slots may repeat; without, they must not.
    """
    if b.D == 4:
        fm_back_any(s, dy, sums, b, 4)
    elif b.D == 8:
        fm_back_any(s, dy, sums, b, 8)
    elif b.D == 16:
        fm_back_any(s, dy, sums, b, 16)
    elif b.D == 32:
        fm_back_any(s, dy, sums, b, 32)
    elif b.D == 64:
        fm_back_any(s, dy, sums, b, 64)
    else:
        fm_back_any(s, dy, sums, b, b.D)


cdef inline vec_t fm_weight_lanes(const real_t* row, const real_t* sums, real_t weight, dim_t D) noexcept nogil:
    # v . (S - w v), still to be summed over the lanes.
    cdef vec_t result = vec_zero(), w = vec_set1(weight), v
    cdef dim_t d = 0
    while d + LANES <= D:
        v = vec_load(row + d)
        result = vec_fma(v, vec_sub(vec_load(sums + d), vec_mul(w, v)), result)
        d += LANES
    if d < D:
        v = vec_load_part(row + d, D - d)
        result = vec_fma(v, vec_sub(vec_load_part(sums + d, D - d), vec_mul(w, v)), result)
    return result


cdef void fm_weights_back(real_t* dw, const real_t* dy, const real_t* sums, const bags_t* b,
                          bint add) noexcept nogil:
    """dw[i] (+)= dy[j] v_i . (S_j - w_i v_i), with j the bag of position i."""
    cdef dim_t j, i
    cdef real_t slope
    for j in range(b.bags):
        for i in range(b.offsets[j], b.offsets[j + 1]):
            slope = dy[j] * vec_sum(fm_weight_lanes(b.table + b.rows[i] * b.stride, sums + j * b.D,
                                                    1 if b.weights == NULL else b.weights[i], b.D))
            dw[i] = dw[i] + slope if add else slope
