# Steps of plain SGD (without clip, l1 or l2) on rows of two tables that met in dot products.
#
# No gradient is written: of a column all rows are read before any is changed.  Lock-free: in a Hogwild run threads race
# on the rows by design.


cdef inlined sgd_pairs_step(real_t** a, real_t** b, const real_t* g, vec_t* sums, dim_t ldg, dim_t M, dim_t d,
                            dim_t part, dim_t cols, bint first, bint last) noexcept nogil:
    # One vector of columns from d on, or the `part` of one, and `cols` rows of b, a constant at every call.  Rows of a
    # change with the last rows of b; meanwhile what becomes of them is in sums.
    cdef vec_t v[TILE]
    cdef vec_t s[TILE]
    cdef vec_t h, t, x
    cdef dim_t m, n
    for n in range(cols):
        s[n] = v[n] = vec_load_lanes(b[n] + d, part)
    for m in range(M):
        h = vec_load_lanes(a[m] + d, part)
        t = h if first else sums[m]
        for n in range(cols):
            x = vec_set1(g[n])
            t = vec_fnma(x, v[n], t)
            s[n] = vec_fnma(x, h, s[n])
        if last:
            vec_put_lanes(a[m] + d, t, part, False)
        else:
            sums[m] = t
        g += ldg
    for n in range(cols):
        vec_put_lanes(b[n] + d, s[n], part, False)


cdef inlined sgd_pairs_last(real_t** a, real_t** b, const real_t* g, vec_t* sums, dim_t ldg, dim_t M, dim_t d,
                            dim_t part, dim_t cols, bint first) noexcept nogil:
    if cols == 6:
        sgd_pairs_step(a, b, g, sums, ldg, M, d, part, 6, first, True)
    elif cols == 5:
        sgd_pairs_step(a, b, g, sums, ldg, M, d, part, 5, first, True)
    elif cols == 4:
        sgd_pairs_step(a, b, g, sums, ldg, M, d, part, 4, first, True)
    elif cols == 3:
        sgd_pairs_step(a, b, g, sums, ldg, M, d, part, 3, first, True)
    elif cols == 2:
        sgd_pairs_step(a, b, g, sums, ldg, M, d, part, 2, first, True)
    else:
        sgd_pairs_step(a, b, g, sums, ldg, M, d, part, 1, first, True)


cdef inlined sgd_few_pairs(real_t** a, real_t** b, const real_t* g, dim_t ldg, dim_t M, dim_t D,
                           dim_t cols) noexcept nogil:
    # At most TILE rows of b: `cols`, a constant at every call.
    cdef dim_t d = 0
    while d + LANES <= D:
        sgd_pairs_step(a, b, g, NULL, ldg, M, d, 0, cols, True, True)
        d += LANES
    if d < D:
        sgd_pairs_step(a, b, g, NULL, ldg, M, d, D - d, cols, True, True)


cdef void sgd_many_pairs(real_t** a, real_t** b, const real_t* g, dim_t ldg, dim_t M, dim_t N, dim_t D) noexcept nogil:
    # N > TILE rows of b.
    cdef vec_t sums[PAIRED]
    cdef dim_t d = 0, n
    while d < D:
        n = 0
        while n + TILE < N:
            if d + LANES <= D:
                sgd_pairs_step(a, b + n, g + n, sums, ldg, M, d, 0, TILE, n == 0, False)
            else:
                sgd_pairs_step(a, b + n, g + n, sums, ldg, M, d, D - d, TILE, n == 0, False)
            n += TILE
        if d + LANES <= D:
            sgd_pairs_last(a, b + n, g + n, sums, ldg, M, d, 0, N - n, False)
        else:
            sgd_pairs_last(a, b + n, g + n, sums, ldg, M, d, D - d, N - n, False)
        d += LANES


cdef inline dim_t place_among(real_t** rows, dim_t n, const real_t* row) noexcept nogil:
    cdef dim_t i = 0
    while i < n and rows[i] != row:
        i += 1
    return i


cdef void sgd_pairs(const pairs_t* p, const real_t* dy, real_t rate, bint distinct) noexcept nogil:
    """A step by the gradients of pair_dots, where p has one block: a -= rate dy b and b -= rate dy^T a, at once.

    Rows of a and of b are in different memory and at most PAIRED each. They may repeat, unless distinct says that they
    don't: one that meets another twice has the sum of both slopes.
    """
    cdef real_t g[PAIRED * PAIRED]
    cdef real_t* a[PAIRED]
    cdef real_t* b[PAIRED]
    cdef real_t* row
    cdef dim_t m, n, at, M = 0, N = 0, ldg = p.N
    for m in range(p.M):
        row = <real_t*> row_of(&p.a, m)
        at = M if distinct else place_among(a, M, row)
        a[at] = row
        for n in range(ldg):
            g[at * ldg + n] = rate * dy[n] + (g[at * ldg + n] if at < M else 0)
        M += at == M
        dy += ldg
    for n in range(ldg):
        row = <real_t*> row_of(&p.b, n)
        at = N if distinct else place_among(b, N, row)
        b[at] = row
        if at < n:
            for m in range(M):
                g[m * ldg + at] = g[m * ldg + n] + (g[m * ldg + at] if at < N else 0)
        N += at == N
    if N == 6:
        sgd_few_pairs(a, b, g, ldg, M, p.D, 6)
    elif N > TILE:
        sgd_many_pairs(a, b, g, ldg, M, N, p.D)
    elif N == 5:
        sgd_few_pairs(a, b, g, ldg, M, p.D, 5)
    elif N == 4:
        sgd_few_pairs(a, b, g, ldg, M, p.D, 4)
    elif N == 3:
        sgd_few_pairs(a, b, g, ldg, M, p.D, 3)
    elif N == 2:
        sgd_few_pairs(a, b, g, ldg, M, p.D, 2)
    else:
        sgd_few_pairs(a, b, g, ldg, M, p.D, 1)


# ---- one row of a ----

cdef inlined sgd_dots_step(real_t* into, const real_t* a, real_t** b, const vec_t* g, const vec_t* u, dim_t d,
                           dim_t part, dim_t cols, bint add) noexcept nogil:
    # One vector of columns from d on, or the `part` of one.
    cdef vec_t h = vec_load_lanes(a + d, part), t = vec_load_lanes(into + d, part) if add else vec_zero(), v
    cdef dim_t n
    for n in range(cols):
        v = vec_hold(vec_load_lanes(b[n] + d, part))
        t = vec_fma(g[n], v, t)
        vec_put_lanes(b[n] + d, vec_fnma(u[n], h, v), part, False)
    vec_put_lanes(into + d, t, part, False)


cdef inlined sgd_dots_tile(real_t* into, const real_t* a, real_t** rows_b, const real_t* slopes, const real_t* steps,
                           dim_t D, dim_t cols, bint add) noexcept nogil:
    # cols is a constant at every call, at most TILE.
    cdef real_t* b[TILE]
    cdef vec_t g[TILE]
    cdef vec_t u[TILE]
    cdef dim_t d = 0, n
    for n in range(cols):
        b[n] = <real_t*> real_hold(rows_b[n])
        g[n], u[n] = vec_set1(slopes[n]), vec_set1(steps[n])
    while d + LANES <= D:
        sgd_dots_step(into, a, b, g, u, d, 0, cols, add)
        d += LANES
    if D - d == LANES // 2:
        sgd_dots_step(into, a, b, g, u, d, LANES // 2, cols, add)
    elif d < D:
        sgd_dots_step(into, a, b, g, u, d, D - d, cols, add)


cdef inlined sgd_dots_of(real_t* into, const real_t* a, real_t** b, const real_t* slopes, const real_t* steps, dim_t D,
                         dim_t cols, bint add) noexcept nogil:
    if cols == 6:
        sgd_dots_tile(into, a, b, slopes, steps, D, 6, add)
    elif cols == 5:
        sgd_dots_tile(into, a, b, slopes, steps, D, 5, add)
    elif cols == 4:
        sgd_dots_tile(into, a, b, slopes, steps, D, 4, add)
    elif cols == 3:
        sgd_dots_tile(into, a, b, slopes, steps, D, 3, add)
    elif cols == 2:
        sgd_dots_tile(into, a, b, slopes, steps, D, 2, add)
    else:
        sgd_dots_tile(into, a, b, slopes, steps, D, 1, add)


cdef inline dim_t find_earlier(uint8_t* earlier, const row_t* rows, dim_t n) noexcept nogil:
    """Places whose row comes again at a later one; n <= DOTTED."""
    # Open addressing from the end on; a bucket holds 1 + the place of its row, 0 when it is free.
    cdef uint8_t buckets[2 * DOTTED]
    cdef dim_t i, found, count = 0
    cdef uint32_t at
    memset(buckets, 0, 2 * DOTTED)
    for i in range(n - 1, -1, -1):
        at = (<uint32_t> rows[i] * <uint32_t> 2654435769) >> 24
        while True:
            found = buckets[at]
            if found == 0:
                buckets[at] = <uint8_t> (i + 1)
                break
            if rows[found - 1] == rows[i]:
                earlier[count] = <uint8_t> i
                count += 1
                break
            at = (at + 1) & (2 * DOTTED - 1)
    return count


cdef void sgd_dots(real_t* da, const pairs_t* p, const real_t* dy, real_t rate) noexcept nogil:
    """The gradient of a from pair_dots with M = 1, da = dy b, and a step b -= rate dy a, in one reading of b.

    Rows of b are those of a table, DOTTED at most. They may repeat: all of da is by the values before.
    """
    # A row that comes again keeps its value until it comes for the last time; what it has missed is added at the end.
    cdef real_t steps[DOTTED]
    cdef uint8_t earlier[DOTTED]
    cdef real_t* b[TILE]
    cdef const real_t* a
    cdef dim_t k, n, i, cols, at = 0, D = p.D, N = p.N, n_earlier = find_earlier(earlier, p.b.at, p.blocks * p.N)
    for i in range(p.blocks * N):
        steps[i] = rate * dy[i]
    for i in range(n_earlier):
        steps[earlier[i]] = 0
    for k in range(p.blocks):
        a = row_of(&p.a, k)
        n = 0
        while n < N:
            cols = min(N - n, TILE)
            for i in range(cols):
                b[i] = <real_t*> row_of(&p.b, at + i)
            if n == 0:
                sgd_dots_of(da, a, b, dy + at, steps + at, D, cols, False)
            else:
                sgd_dots_of(da, a, b, dy + at, steps + at, D, cols, True)
            n += cols
            at += cols
        da += D
    for i in range(n_earlier):
        scale_row(<real_t*> row_of(&p.b, earlier[i]), row_of(&p.a, earlier[i] // N), vec_set1(-rate * dy[earlier[i]]),
                  D, True)
