# Dot products of rows with rows, in blocks, where the rows may be those of a table that a list names.
#
# Rows are read where they are: looked up in place, a table's rows need no copies.  Forward, a tile of two rows by six
# keeps its sums in registers.  Backward, columns are cut into tiles, and both gradients are made from one reading of
# both operands.

cdef enum:
    TILE = 6                    # rows of b to a tile
    HELD = 16                   # rows of a whose places are found at a time


cdef inline const real_t* row_of(const rows_t* x, dim_t i) noexcept nogil:
    return x.value + (<dim_t>x.at[i] if x.at != NULL else i) * x.stride


cdef inline real_t* slot_of(const slots_t* s, dim_t i, dim_t D) noexcept nogil:
    return s.values + (<dim_t>s.slots[i] if s.slots != NULL else i) * D


# ---- forward ----

cdef inline vec_t pair_vector(const real_t* x, ivec_t mask, dim_t part) noexcept nogil:
    if part == LANES // 2:
        return vec_load_part(x, LANES // 2)
    return vec_load_masked(x, mask, part) if part else vec_load(x)


cdef inlined pair_step(vec_t* s, const real_t** a, const real_t** b, dim_t d, dim_t rows, dim_t cols, ivec_t mask,
                       dim_t part) noexcept nogil:
    # LANES columns from d on; or the `part` that `mask` stands for.
    cdef vec_t u[2]
    cdef vec_t v
    cdef dim_t m, n
    for m in range(rows):
        u[m] = pair_vector(a[m] + d, mask, part)
    for n in range(cols):
        v = pair_vector(b[n] + d, mask, part)
        if rows > 1:
            v = vec_hold(v)
        for m in range(rows):
            s[m * cols + n] = vec_fma(u[m], v, s[m * cols + n])


cdef inlined pair_tile(real_t* y, const real_t** rows_a, const real_t** rows_b, dim_t ldy, dim_t D,
                       dim_t rows, dim_t cols) noexcept nogil:
    # rows and cols are constants at every call: at most 2 and TILE.
    cdef vec_t s[12]
    cdef const real_t* a[2]
    cdef const real_t* b[TILE]
    cdef real_t sums[12]
    cdef dim_t size = rows * cols, copies = 4 if size <= 3 else 2 if size <= 6 else 1
    cdef dim_t d = 0, m, n, i
    cdef ivec_t mask = vec_first(D % LANES)
    for m in range(rows):
        a[m] = rows_a[m]
    for n in range(cols):
        b[n] = rows_b[n]
    for n in range(12):
        s[n] = vec_zero()
    while d + copies * LANES <= D:
        for i in range(copies):
            pair_step(s + i * size, a, b, d + i * LANES, rows, cols, mask, 0)
        d += copies * LANES
    if copies > 1:
        while d + LANES <= D:
            pair_step(s, a, b, d, rows, cols, mask, 0)
            d += LANES
    if D - d == LANES // 2:
        pair_step(s, a, b, d, rows, cols, mask, LANES // 2)
    elif d < D:
        pair_step(s, a, b, d, rows, cols, mask, D - d)
    if copies > 1:
        for n in range(size):
            if copies == 4:
                s[n] = vec_add(vec_add(s[n], s[size + n]), vec_add(s[2 * size + n], s[3 * size + n]))
            else:
                s[n] = vec_add(s[n], s[size + n])
    if size == 1:
        y[0] = vec_sum(s[0])
        return
    if size > 4:
        vec_sum_eight(sums, sums + 4, False, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])
    else:
        vec_sum_four(sums, False, s[0], s[1], s[2], s[3])
    if size > 8:
        vec_sum_four(sums + 8, False, s[8], s[9], s[10], s[11])
    for m in range(rows):
        for n in range(cols):
            y[m * ldy + n] = sums[m * cols + n]


cdef inlined pair_rows(real_t* y, const real_t** a, const real_t** b, dim_t ldy, dim_t D, dim_t rows,
                       dim_t cols) noexcept nogil:
    # `rows` is a constant at every call.
    if cols == 6:
        pair_tile(y, a, b, ldy, D, rows, 6)
    elif cols == 5:
        pair_tile(y, a, b, ldy, D, rows, 5)
    elif cols == 4:
        pair_tile(y, a, b, ldy, D, rows, 4)
    elif cols == 3:
        pair_tile(y, a, b, ldy, D, rows, 3)
    elif cols == 2:
        pair_tile(y, a, b, ldy, D, rows, 2)
    else:
        pair_tile(y, a, b, ldy, D, rows, 1)


cdef void pair_dots(real_t* y, const pairs_t* p) noexcept nogil:
    """y[k, m, n] = a[k M + m] . b[k N + n] in each block k.  Overwrites."""
    cdef const real_t* a[HELD]
    cdef const real_t* b[TILE]
    cdef dim_t k, m, n, i, held, cols, M = p.M, N = p.N, D = p.D
    for k in range(p.blocks):
        m = 0
        while m < M:
            held = min(M - m, HELD)
            for i in range(held):
                a[i] = row_of(&p.a, k * M + m + i)
            n = 0
            while n < N:
                cols = min(N - n, TILE)
                for i in range(cols):
                    b[i] = row_of(&p.b, k * N + n + i)
                i = 0
                while i + 2 <= held:
                    pair_rows(y + (m + i) * N + n, a + i, b, N, D, 2, cols)
                    i += 2
                if i < held:
                    pair_rows(y + (m + i) * N + n, a + i, b, N, D, 1, cols)
                n += cols
            m += held
        y += M * N


# ---- backward: many rows of a ----

cdef inlined block_back_step(const real_t** a, const real_t** b, real_t** da, real_t** db, const real_t* g, dim_t ldg,
                             dim_t M, dim_t d, dim_t part, dim_t cols, bint add_a, bint add_b) noexcept nogil:
    # One vector of columns from d on, or the `part` of one.
    cdef vec_t v[TILE]
    cdef vec_t s[TILE]
    cdef vec_t h, t, x
    cdef dim_t m, n
    for n in range(cols):
        v[n] = vec_load_lanes(b[n] + d, part)
        s[n] = vec_zero()
    for m in range(M):
        h = vec_load_lanes(a[m] + d, part)
        t = vec_zero()
        for n in range(cols):
            x = vec_set1(g[n])
            t = vec_fma(x, v[n], t)
            s[n] = vec_fma(x, h, s[n])
        vec_put_lanes(da[m] + d, t, part, add_a)
        g += ldg
    for n in range(cols):
        vec_put_lanes(db[n] + d, s[n], part, add_b)


cdef inlined block_back_tile(const real_t** a, const real_t** rows_b, real_t** da, real_t** rows_db, const real_t* g,
                             dim_t ldg, dim_t M, dim_t D, dim_t cols, bint add_a, bint add_b) noexcept nogil:
    # cols is a constant at every call, at most TILE.
    cdef const real_t* b[TILE]
    cdef real_t* db[TILE]
    cdef dim_t d = 0, n
    for n in range(cols):
        b[n], db[n] = rows_b[n], rows_db[n]
    while d + LANES <= D:
        block_back_step(a, b, da, db, g, ldg, M, d, 0, cols, add_a, add_b)
        d += LANES
    if d < D:
        block_back_step(a, b, da, db, g, ldg, M, d, D - d, cols, add_a, add_b)


cdef void block_back(const slots_t* da, const slots_t* db, const real_t* g, const pairs_t* p, dim_t k) noexcept nogil:
    # One block, g its [M, N].
    cdef const real_t* a[HELD]
    cdef const real_t* b[TILE]
    cdef real_t* into_a[HELD]
    cdef real_t* into_b[TILE]
    cdef dim_t m, n, i, held, cols, M = p.M, N = p.N, D = p.D
    cdef bint add_a, add_b
    cdef const real_t* at
    m = 0
    while m < M:
        held = min(M - m, HELD)
        for i in range(held):
            a[i] = row_of(&p.a, k * M + m + i)
            into_a[i] = slot_of(da, k * M + m + i, D)
        add_b = db.add or m > 0
        n = 0
        while n < N:
            cols = min(N - n, TILE)
            for i in range(cols):
                b[i] = row_of(&p.b, k * N + n + i)
                into_b[i] = slot_of(db, k * N + n + i, D)
            add_a = da.add or n > 0
            at = g + m * N + n
            if cols == 6:
                block_back_tile(a, b, into_a, into_b, at, N, held, D, 6, add_a, add_b)
            elif cols == 5:
                block_back_tile(a, b, into_a, into_b, at, N, held, D, 5, add_a, add_b)
            elif cols == 4:
                block_back_tile(a, b, into_a, into_b, at, N, held, D, 4, add_a, add_b)
            elif cols == 3:
                block_back_tile(a, b, into_a, into_b, at, N, held, D, 3, add_a, add_b)
            elif cols == 2:
                block_back_tile(a, b, into_a, into_b, at, N, held, D, 2, add_a, add_b)
            else:
                block_back_tile(a, b, into_a, into_b, at, N, held, D, 1, add_a, add_b)
            n += cols
        m += held


# ---- backward: one row of a ----

cdef inlined row_grad_tile(real_t* into, const real_t** b, const real_t* g, dim_t N, dim_t d, dim_t vectors, dim_t part,
                           bint add) noexcept nogil:
    # `vectors` vectors of columns from d on; `part` belongs to the last of them.
    cdef vec_t t[WIDE]
    cdef vec_t x
    cdef const real_t* row
    cdef dim_t n, i
    for i in range(vectors):
        t[i] = vec_zero()
    for n in range(N):
        x = vec_set1(g[n])
        row = real_hold(b[n] + d)
        for i in range(vectors):
            t[i] = vec_fma(x, vec_load_lanes(row + i * LANES, part if i + 1 == vectors else 0), t[i])
    for i in range(vectors):
        vec_put_lanes(into + d + i * LANES, t[i], part if i + 1 == vectors else 0, add)


cdef inlined row_grad(const slots_t* da, const real_t* g, const pairs_t* p, dim_t k, bint add_a) noexcept nogil:
    # The gradient of a alone.
    cdef const real_t* b[HELD]
    cdef real_t* into = slot_of(da, k, p.D)
    cdef dim_t n = 0, d, i, held, first = k * p.N, D = p.D
    cdef bint add = add_a
    while n < p.N:
        held = min(p.N - n, HELD)
        for i in range(held):
            b[i] = row_of(&p.b, first + n + i)
        d = 0
        while d + (WIDE - 1) * LANES <= D:
            if 2 * (D - d) == (2 * WIDE - 1) * LANES:
                row_grad_tile(into, b, g + n, held, d, WIDE, LANES // 2, add)
                d = D
            else:
                row_grad_tile(into, b, g + n, held, d, WIDE - 1, 0, add)
                d += (WIDE - 1) * LANES
        while d + 4 * LANES <= D:
            row_grad_tile(into, b, g + n, held, d, 4, 0, add)
            d += 4 * LANES
        while d + LANES <= D:
            row_grad_tile(into, b, g + n, held, d, 1, 0, add)
            d += LANES
        if D - d == LANES // 2:
            row_grad_tile(into, b, g + n, held, d, 1, LANES // 2, add)
        elif d < D:
            row_grad_tile(into, b, g + n, held, d, 1, D - d, add)
        add = True
        n += held


cdef inlined row_back_tile(const real_t* a, real_t* into_a, const slots_t* db, const real_t* g, const pairs_t* p,
                           dim_t first, dim_t d, dim_t vectors, dim_t part, bint add_a, bint add_b) noexcept nogil:
    # `vectors` vectors of columns from d on; `part` belongs to the last of them.
    cdef vec_t h[4]
    cdef vec_t t[4]
    cdef vec_t x
    cdef const real_t* b
    cdef real_t* into
    cdef dim_t n, i
    for i in range(vectors):
        h[i] = vec_load_lanes(a + d + i * LANES, part if i + 1 == vectors else 0)
        t[i] = vec_zero()
    for n in range(p.N):
        x = vec_set1(g[n])
        b = row_of(&p.b, first + n) + d
        into = slot_of(db, first + n, p.D) + d
        for i in range(vectors):
            t[i] = vec_fma(x, vec_load_lanes(b + i * LANES, part if i + 1 == vectors else 0), t[i])
            vec_put_lanes(into + i * LANES, vec_mul(x, h[i]), part if i + 1 == vectors else 0, add_b)
    for i in range(vectors):
        vec_put_lanes(into_a + d + i * LANES, t[i], part if i + 1 == vectors else 0, add_a)


cdef inlined row_back(const slots_t* da, const slots_t* db, const real_t* g, const pairs_t* p, dim_t k, bint add_a,
                      bint add_b) noexcept nogil:
    cdef const real_t* a = row_of(&p.a, k)
    cdef real_t* into = slot_of(da, k, p.D)
    cdef dim_t d = 0, first = k * p.N, D = p.D, part
    while d + 4 * LANES <= D:
        row_back_tile(a, into, db, g, p, first, d, 4, 0, add_a, add_b)
        d += 4 * LANES
    part = (D - d) % LANES
    if D - d > 3 * LANES:
        row_back_tile(a, into, db, g, p, first, d, 4, part, add_a, add_b)
    elif D - d > 2 * LANES:
        row_back_tile(a, into, db, g, p, first, d, 3, part, add_a, add_b)
    elif D - d > LANES:
        row_back_tile(a, into, db, g, p, first, d, 2, part, add_a, add_b)
    elif D - d > 0:
        row_back_tile(a, into, db, g, p, first, d, 1, part, add_a, add_b)


cdef void pair_dots_back(const slots_t* da, const slots_t* db, const real_t* dy, const pairs_t* p) noexcept nogil:
    """The gradients of pair_dots with respect to the rows of a and of b, each to where its slots say.

    With add, slots may repeat; without, they must not. The slots of a and b don't overlap. db may be NULL where M is 1:
    nothing is done about b then.
    """
    cdef dim_t k
    for k in range(p.blocks):
        if p.M > 1:
            block_back(da, db, dy, p, k)
        elif db == NULL:
            row_grad(da, dy, p, k, da.add)
        elif db.add:
            row_back(da, db, dy, p, k, da.add, True)
        else:
            row_back(da, db, dy, p, k, da.add, False)
        dy += p.M * p.N
