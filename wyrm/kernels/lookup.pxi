# Lookups: rows of a table, summed over bags, and where their gradients go.
#
# A row is worked through in tiles of up to four vectors, the last of which may be partial, that stay in registers over
# a whole bag.  The common widths 1, 4, 8, 16, 32 and 64 have instances of their own: D is a constant there, and the
# tiling is done by the compiler.  Reading a table races with Hogwild's updates by design.

cdef enum:
    LINE = 64 // sizeof(real_t)          # elements in a cache line


cdef inlined prefetch_lines(const real_t* table, dim_t stride, const row_t* rows, const row_t* map, dim_t n,
                            dim_t lines, dim_t last) noexcept nogil:
    cdef const real_t* row
    cdef dim_t i, k
    for i in range(n):
        row = table + (rows[i] if map == NULL else map[rows[i]]) * stride
        for k in range(lines):
            vec_prefetch_far(row + k * LINE)
        if last:
            vec_prefetch_far(row + last)


cdef inlined prefetch_any(const real_t* table, dim_t stride, dim_t D, const row_t* rows, const row_t* map,
                          dim_t n) noexcept nogil:
    cdef dim_t lines = (D + LINE - 1) // LINE
    if stride % LINE and (stride > LINE or LINE % stride):       # rows begin anywhere in a line
        prefetch_lines(table, stride, rows, map, n, lines, D - 1)
    elif lines == 1:
        prefetch_lines(table, stride, rows, map, n, 1, 0)
    elif lines == 2:
        prefetch_lines(table, stride, rows, map, n, 2, 0)
    else:
        prefetch_lines(table, stride, rows, map, n, lines, 0)


cdef void prefetch(const real_t* table, dim_t stride, dim_t D, const row_t* rows, const row_t* map,
                   dim_t n) noexcept nogil:
    """Start fetching table[rows[i]] or, with a map, table[map[rows[i]]], D elements each, into the second cache."""
    if map == NULL:
        prefetch_any(table, stride, D, rows, NULL, n)
    else:
        prefetch_any(table, stride, D, rows, map, n)


# ---- single rows ----

cdef inlined copy_row(real_t* y, const real_t* x, dim_t D, bint add) noexcept nogil:
    cdef dim_t d = 0
    while d + LANES <= D:
        vec_put(y + d, vec_load(x + d), add)
        d += LANES
    if d < D:
        vec_put_part(y + d, vec_load_part(x + d, D - d), D - d, add)


cdef inlined gather_of(real_t* y, const bags_t* b, dim_t D) noexcept nogil:
    # Locals: the compiler must expect a store to y to change *b.
    cdef const real_t* table = b.table
    cdef const row_t* rows = b.rows
    cdef dim_t i, n = b.n, stride = b.stride
    for i in range(n):
        copy_row(y + i * D, table + rows[i] * stride, D, False)


cdef void gather(real_t* y, const bags_t* b) noexcept nogil:
    """y[i] = table[rows[i]]; ignores bags and weights.  Overwrites."""
    if b.D == 1:
        gather_of(y, b, 1)
    elif b.D == 4:
        gather_of(y, b, 4)
    elif b.D == 8:
        gather_of(y, b, 8)
    elif b.D == 16:
        gather_of(y, b, 16)
    elif b.D == 32:
        gather_of(y, b, 32)
    elif b.D == 64:
        gather_of(y, b, 64)
    else:
        gather_of(y, b, b.D)


cdef inlined scatter_of(real_t* values, const row_t* slots, const real_t* dy, dim_t n, dim_t D,
                        bint add) noexcept nogil:
    cdef dim_t i
    if slots == NULL:
        copy_row(values, dy, n * D, add)
        return
    for i in range(n):
        copy_row(values + slots[i] * D, dy + i * D, D, add)


cdef inlined scatter_any(const slots_t* s, const real_t* dy, dim_t n, dim_t D) noexcept nogil:
    if s.add:
        scatter_of(s.values, s.slots, dy, n, D, True)
    else:
        scatter_of(s.values, s.slots, dy, n, D, False)


cdef void scatter(const slots_t* s, const real_t* dy, const bags_t* b) noexcept nogil:
    """values[slots[i]] (+)= dy[i]: the gradient of gather.  With s.add, slots may repeat; without, they must not."""
    if b.D == 1:
        scatter_any(s, dy, b.n, 1)
    elif b.D == 4:
        scatter_any(s, dy, b.n, 4)
    elif b.D == 8:
        scatter_any(s, dy, b.n, 8)
    elif b.D == 16:
        scatter_any(s, dy, b.n, 16)
    elif b.D == 32:
        scatter_any(s, dy, b.n, 32)
    elif b.D == 64:
        scatter_any(s, dy, b.n, 64)
    else:
        scatter_any(s, dy, b.n, b.D)


# ---- sums over bags ----

cdef inlined bag_tile(real_t* y, const real_t* table, dim_t stride, const row_t* rows, const real_t* weights,
                      dim_t n, vec_t count, dim_t vectors, dim_t part, bint weighted, bint mean) noexcept nogil:
    # One bag of n rows, `vectors` vectors of columns; `part` belongs to the last of them.
    cdef vec_t s[WIDE]
    cdef vec_t w
    cdef const real_t* row
    cdef dim_t i, k
    for k in range(vectors):
        s[k] = vec_zero()
    for i in range(n):
        row = real_hold(table + rows[i] * stride)
        if weighted:
            w = vec_set1(weights[i])
            for k in range(vectors):
                s[k] = vec_fma(w, vec_load_lanes(row + k * LANES, part if k + 1 == vectors else 0), s[k])
        else:
            for k in range(vectors):
                s[k] = vec_add(s[k], vec_load_lanes(row + k * LANES, part if k + 1 == vectors else 0))
    for k in range(vectors):
        if mean:
            s[k] = vec_div(s[k], count)
        vec_put_lanes(y + k * LANES, s[k], part if k + 1 == vectors else 0, False)


cdef inlined bag_of(real_t* y, const bags_t* b, dim_t D, bint weighted) noexcept nogil:
    cdef dim_t j, c, n, part
    cdef const row_t* rows
    cdef const real_t* weights
    cdef const real_t* table
    cdef vec_t count
    for j in range(b.bags):
        n = b.offsets[j + 1] - b.offsets[j]
        rows = b.rows + b.offsets[j]
        weights = b.weights + b.offsets[j] if weighted else NULL
        count = vec_set1(<real_t>(n if n > 0 else 1))
        table = b.table
        c = 0
        while c + (WIDE - 1) * LANES <= D:
            if 2 * (D - c) == (2 * WIDE - 1) * LANES:
                bag_tile(y, table + c, b.stride, rows, weights, n, count, WIDE, LANES // 2, weighted, b.mean)
                y += D - c
                c = D
            else:
                bag_tile(y, table + c, b.stride, rows, weights, n, count, WIDE - 1, 0, weighted, b.mean)
                y += (WIDE - 1) * LANES
                c += (WIDE - 1) * LANES
        while c + 8 * LANES <= D:
            bag_tile(y, table + c, b.stride, rows, weights, n, count, 8, 0, weighted, b.mean)
            y += 8 * LANES
            c += 8 * LANES
        while c + 4 * LANES <= D:
            bag_tile(y, table + c, b.stride, rows, weights, n, count, 4, 0, weighted, b.mean)
            y += 4 * LANES
            c += 4 * LANES
        table += c
        part = (D - c) % LANES
        if D - c > 3 * LANES:
            bag_tile(y, table, b.stride, rows, weights, n, count, 4, part, weighted, b.mean)
        elif D - c > 2 * LANES:
            bag_tile(y, table, b.stride, rows, weights, n, count, 3, part, weighted, b.mean)
        elif D - c > LANES:
            bag_tile(y, table, b.stride, rows, weights, n, count, 2, part, weighted, b.mean)
        elif D - c > 0:
            bag_tile(y, table, b.stride, rows, weights, n, count, 1, part, weighted, b.mean)
        y += D - c


cdef inlined bag_of_scalars(real_t* y, const bags_t* b, bint weighted) noexcept nogil:
    # D = 1: four running sums.
    cdef dim_t j, i, end, n
    cdef real_t s0, s1, s2, s3
    cdef const real_t* table = b.table
    cdef const real_t* w = b.weights
    cdef const row_t* rows = b.rows
    cdef dim_t stride = b.stride
    for j in range(b.bags):
        i, end = b.offsets[j], b.offsets[j + 1]
        n = end - i
        s0 = s1 = s2 = s3 = 0
        while i + 4 <= end:
            if weighted:
                s0 += w[i] * table[rows[i] * stride]
                s1 += w[i + 1] * table[rows[i + 1] * stride]
                s2 += w[i + 2] * table[rows[i + 2] * stride]
                s3 += w[i + 3] * table[rows[i + 3] * stride]
            else:
                s0 += table[rows[i] * stride]
                s1 += table[rows[i + 1] * stride]
                s2 += table[rows[i + 2] * stride]
                s3 += table[rows[i + 3] * stride]
            i += 4
        while i < end:
            s0 += (w[i] if weighted else 1) * table[rows[i] * stride]
            i += 1
        s0 = (s0 + s1) + (s2 + s3)
        y[j] = s0 / n if b.mean and n > 0 else s0


cdef inlined bag_any(real_t* y, const bags_t* b, dim_t D) noexcept nogil:
    if b.weights == NULL:
        bag_of(y, b, D, False)
    else:
        bag_of(y, b, D, True)


cdef void bag(real_t* y, const bags_t* b) noexcept nogil:
    """y[j] = sum over bag j of w_i table[rows[i]], divided by the bag's number of rows if b.mean.  Overwrites."""
    if b.D == 1:
        if b.weights == NULL:
            bag_of_scalars(y, b, False)
        else:
            bag_of_scalars(y, b, True)
    elif b.D == 4:
        bag_any(y, b, 4)
    elif b.D == 8:
        bag_any(y, b, 8)
    elif b.D == 16:
        bag_any(y, b, 16)
    elif b.D == 32:
        bag_any(y, b, 32)
    elif b.D == 64:
        bag_any(y, b, 64)
    else:
        bag_any(y, b, b.D)


cdef inlined bag_back_tile(real_t* values, const row_t* slots, dim_t first, dim_t D, const real_t* dy,
                           const real_t* weights, dim_t n, vec_t factor, dim_t vectors, dim_t part,
                           bint weighted, bint add) noexcept nogil:
    # One bag: positions first to first + n.
    cdef vec_t g[4]
    cdef vec_t w
    cdef real_t* target
    cdef dim_t i, k
    for k in range(vectors):
        g[k] = vec_mul(factor, vec_load_lanes(dy + k * LANES, part if k + 1 == vectors else 0))
    for i in range(first, first + n):
        target = values + (i if slots == NULL else <dim_t>slots[i]) * D
        if weighted:
            w = vec_set1(weights[i])
            for k in range(vectors):
                vec_put_lanes(target + k * LANES, vec_mul(w, g[k]), part if k + 1 == vectors else 0, add)
        else:
            for k in range(vectors):
                vec_put_lanes(target + k * LANES, g[k], part if k + 1 == vectors else 0, add)


cdef inlined bag_back_of(const slots_t* s, const real_t* dy, const bags_t* b, dim_t D,
                         bint weighted, bint add) noexcept nogil:
    cdef dim_t j, c, n, first, part
    cdef real_t* values
    cdef vec_t factor
    for j in range(b.bags):
        first = b.offsets[j]
        n = b.offsets[j + 1] - first
        factor = vec_set1(1 / <real_t>n if b.mean and n > 0 else 1)
        values = s.values
        c = 0
        while c + 4 * LANES <= D:
            bag_back_tile(values, s.slots, first, D, dy, b.weights, n, factor, 4, 0, weighted, add)
            values += 4 * LANES
            dy += 4 * LANES
            c += 4 * LANES
        part = (D - c) % LANES
        if D - c > 3 * LANES:
            bag_back_tile(values, s.slots, first, D, dy, b.weights, n, factor, 4, part, weighted, add)
        elif D - c > 2 * LANES:
            bag_back_tile(values, s.slots, first, D, dy, b.weights, n, factor, 3, part, weighted, add)
        elif D - c > LANES:
            bag_back_tile(values, s.slots, first, D, dy, b.weights, n, factor, 2, part, weighted, add)
        elif D - c > 0:
            bag_back_tile(values, s.slots, first, D, dy, b.weights, n, factor, 1, part, weighted, add)
        dy += D - c


cdef inlined bag_back_any(const slots_t* s, const real_t* dy, const bags_t* b, dim_t D) noexcept nogil:
    if b.weights == NULL:
        if s.add:
            bag_back_of(s, dy, b, D, False, True)
        else:
            bag_back_of(s, dy, b, D, False, False)
    elif s.add:
        bag_back_of(s, dy, b, D, True, True)
    else:
        bag_back_of(s, dy, b, D, True, False)


cdef void bag_back(const slots_t* s, const real_t* dy, const bags_t* b) noexcept nogil:
    """values[slots[i]] (+)= w_i dy[bag of i], divided by the bag's number of rows if b.mean: the gradient of bag.

    With s.add, slots may repeat; without, they must not.
    """
    if b.D == 1:
        bag_back_any(s, dy, b, 1)
    elif b.D == 4:
        bag_back_any(s, dy, b, 4)
    elif b.D == 8:
        bag_back_any(s, dy, b, 8)
    elif b.D == 16:
        bag_back_any(s, dy, b, 16)
    elif b.D == 32:
        bag_back_any(s, dy, b, 32)
    elif b.D == 64:
        bag_back_any(s, dy, b, 64)
    else:
        bag_back_any(s, dy, b, b.D)


cdef void bag_weights_back(real_t* dw, const real_t* dy, const bags_t* b, bint add) noexcept nogil:
    """dw[i] (+)= dy[bag of i] . table[rows[i]], divided by the bag's number of rows if b.mean."""
    cdef dim_t j, i, k, end, stride = b.stride, D = b.D
    cdef const real_t* table = b.table
    cdef const row_t* rows = b.rows
    cdef real_t sums[4]
    cdef real_t factor
    for j in range(b.bags):
        i, end = b.offsets[j], b.offsets[j + 1]
        factor = 1 / <real_t>(end - i) if b.mean and end > i else 1
        if D == 1:
            while i < end:
                sums[0] = factor * dy[j] * table[rows[i] * stride]
                dw[i] = dw[i] + sums[0] if add else sums[0]
                i += 1
            continue
        while i + 4 <= end:
            vec_sum_four(sums, False, dot_lanes(dy + j * D, table + rows[i] * stride, D),
                         dot_lanes(dy + j * D, table + rows[i + 1] * stride, D),
                         dot_lanes(dy + j * D, table + rows[i + 2] * stride, D),
                         dot_lanes(dy + j * D, table + rows[i + 3] * stride, D))
            for k in range(4):
                dw[i + k] = dw[i + k] + factor * sums[k] if add else factor * sums[k]
            i += 4
        while i < end:
            sums[0] = factor * vec_sum(dot_lanes(dy + j * D, table + rows[i] * stride, D))
            dw[i] = dw[i] + sums[0] if add else sums[0]
            i += 1
