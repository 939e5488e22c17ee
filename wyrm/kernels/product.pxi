# Small matrix products, blocked in registers; nothing is packed unless a row of op(a) is strided where that hurts.
#
# Two forms.  With b stored [K, N] a tile of c is kept in registers while elements of a, in either order, are
# broadcast against rows of b.  With b stored [N, K] each element of c is a dot product along contiguous rows of both.
# A tile has at most TILE accumulators, what 16 vector registers hold beside the operands; a smaller one is copied, so
# that enough independent sums are under way to hide the latency of an addition.

cdef enum:
    TILE = 12
    PACK = 256                  # elements of K packed at a time


# ---- b stored [K, N] ----

cdef inlined broadcast_tile(real_t* c, const real_t* a, const real_t* b, dim_t ldc, dim_t a_row, dim_t a_col,
                            dim_t ldb, dim_t K, dim_t rows, dim_t vectors, bint partial, dim_t part,
                            bint add) noexcept nogil:
    # rows, vectors and partial are constants at every call; `part` lanes of the last vector count if partial.
    cdef vec_t s[TILE]
    cdef vec_t v[3]
    cdef vec_t x
    cdef ivec_t mask = vec_first(part)
    cdef dim_t copies = 4 if rows * vectors <= 3 else 2 if rows * vectors <= 6 else 1
    cdef dim_t size = rows * vectors, k = 0, m, n, u
    for n in range(size * copies):
        s[n] = vec_zero()
    while k + copies <= K:
        for u in range(copies):
            for n in range(vectors):
                if partial and n + 1 == vectors:
                    v[n] = vec_load_masked(b + n * LANES, mask, part)
                else:
                    v[n] = vec_load(b + n * LANES)
            for m in range(rows):
                x = vec_set1(a[m * a_row])
                for n in range(vectors):
                    s[u * size + m * vectors + n] = vec_fma(x, v[n], s[u * size + m * vectors + n])
            a += a_col
            b += ldb
        k += copies
    if copies > 1:
        while k < K:
            for n in range(vectors):
                if partial and n + 1 == vectors:
                    v[n] = vec_load_masked(b + n * LANES, mask, part)
                else:
                    v[n] = vec_load(b + n * LANES)
            for m in range(rows):
                x = vec_set1(a[m * a_row])
                for n in range(vectors):
                    s[m * vectors + n] = vec_fma(x, v[n], s[m * vectors + n])
            a += a_col
            b += ldb
            k += 1
    for n in range(size):
        if copies == 4:
            s[n] = vec_add(vec_add(s[n], s[size + n]), vec_add(s[2 * size + n], s[3 * size + n]))
        elif copies == 2:
            s[n] = vec_add(s[n], s[size + n])
    for m in range(rows):
        for n in range(vectors):
            if partial and n + 1 == vectors:
                vec_put_part(c + m * ldc + n * LANES, s[m * vectors + n], part, add)
            else:
                vec_put(c + m * ldc + n * LANES, s[m * vectors + n], add)


cdef inlined broadcast_rows(const product_t* p, real_t* c, const real_t* a, dim_t a_row, dim_t a_col,
                            dim_t rows) noexcept nogil:
    # `rows` rows of c, a constant at every call.
    cdef const real_t* b = p.b
    cdef dim_t left = p.N, part = p.N % LANES
    while left >= 3 * LANES:
        broadcast_tile(c, a, b, p.ldc, a_row, a_col, p.ldb, p.K, rows, 3, False, 0, p.add)
        c += 3 * LANES
        b += 3 * LANES
        left -= 3 * LANES
    if left > 2 * LANES:
        broadcast_tile(c, a, b, p.ldc, a_row, a_col, p.ldb, p.K, rows, 3, True, part, p.add)
    elif left == 2 * LANES:
        broadcast_tile(c, a, b, p.ldc, a_row, a_col, p.ldb, p.K, rows, 2, False, 0, p.add)
    elif left > LANES:
        broadcast_tile(c, a, b, p.ldc, a_row, a_col, p.ldb, p.K, rows, 2, True, part, p.add)
    elif left == LANES:
        broadcast_tile(c, a, b, p.ldc, a_row, a_col, p.ldb, p.K, rows, 1, False, 0, p.add)
    elif left > 0:
        broadcast_tile(c, a, b, p.ldc, a_row, a_col, p.ldb, p.K, rows, 1, True, part, p.add)


cdef inlined outer_tile(real_t* c, const real_t* a, const real_t* b, dim_t ldc, dim_t a_row, dim_t M,
                        dim_t vectors, bint partial, dim_t part, bint add) noexcept nogil:
    # K = 1: a tile as high as c, with b in registers.
    cdef vec_t v[3]
    cdef vec_t x
    cdef dim_t m, n
    for n in range(vectors):
        v[n] = vec_load_part(b + n * LANES, part) if partial and n + 1 == vectors else vec_load(b + n * LANES)
    for m in range(M):
        x = vec_set1(a[0])
        for n in range(vectors):
            if partial and n + 1 == vectors:
                if add:
                    vec_store_part(c + n * LANES, vec_fma(x, v[n], vec_load_part(c + n * LANES, part)), part)
                else:
                    vec_store_part(c + n * LANES, vec_mul(x, v[n]), part)
            elif add:
                vec_store(c + n * LANES, vec_fma(x, v[n], vec_load(c + n * LANES)))
            else:
                vec_store(c + n * LANES, vec_mul(x, v[n]))
        a += a_row
        c += ldc


cdef inlined outer(const product_t* p, dim_t a_row, bint add) noexcept nogil:
    cdef real_t* c = p.c
    cdef const real_t* b = p.b
    cdef dim_t left = p.N, part = p.N % LANES
    while left >= 3 * LANES:
        outer_tile(c, p.a, b, p.ldc, a_row, p.M, 3, False, 0, add)
        c += 3 * LANES
        b += 3 * LANES
        left -= 3 * LANES
    if left > 2 * LANES:
        outer_tile(c, p.a, b, p.ldc, a_row, p.M, 3, True, part, add)
    elif left == 2 * LANES:
        outer_tile(c, p.a, b, p.ldc, a_row, p.M, 2, False, 0, add)
    elif left > LANES:
        outer_tile(c, p.a, b, p.ldc, a_row, p.M, 2, True, part, add)
    elif left == LANES:
        outer_tile(c, p.a, b, p.ldc, a_row, p.M, 1, False, 0, add)
    elif left > 0:
        outer_tile(c, p.a, b, p.ldc, a_row, p.M, 1, True, part, add)


cdef inlined broadcast_product(const product_t* p, dim_t a_row, dim_t a_col) noexcept nogil:
    cdef real_t* c = p.c
    cdef const real_t* a = p.a
    cdef dim_t left = p.M
    if p.K == 1:
        if p.add:
            outer(p, a_row, True)
        else:
            outer(p, a_row, False)
        return
    while left >= 4:
        broadcast_rows(p, c, a, a_row, a_col, 4)
        c += 4 * p.ldc
        a += 4 * a_row
        left -= 4
    if left == 3:
        broadcast_rows(p, c, a, a_row, a_col, 3)
    elif left == 2:
        broadcast_rows(p, c, a, a_row, a_col, 2)
    elif left == 1:
        broadcast_rows(p, c, a, a_row, a_col, 1)


# ---- b stored [N, K] ----

cdef inlined dot_tile(real_t* c, const real_t* a, const real_t* b, dim_t ldc, dim_t a_row, dim_t ldb, dim_t K,
                      dim_t rows, dim_t cols, bint add) noexcept nogil:
    # rows <= 3 and cols <= 4 are constants at every call.
    cdef vec_t s[TILE]
    cdef vec_t u[3]
    cdef vec_t v
    cdef ivec_t mask
    cdef real_t sums[4]
    cdef dim_t k = 0, m, n
    for n in range(TILE):
        s[n] = vec_zero()
    while k + LANES <= K:
        for m in range(rows):
            u[m] = vec_load(a + m * a_row + k)
        for n in range(cols):
            v = vec_load(b + n * ldb + k)
            for m in range(rows):
                s[4 * m + n] = vec_fma(u[m], v, s[4 * m + n])
        k += LANES
    if k < K:
        mask = vec_first(K - k)
        for m in range(rows):
            u[m] = vec_load_masked(a + m * a_row + k, mask, K - k)
        for n in range(cols):
            v = vec_load_masked(b + n * ldb + k, mask, K - k)
            for m in range(rows):
                s[4 * m + n] = vec_fma(u[m], v, s[4 * m + n])
    for m in range(rows):
        vec_sum_four(sums, s[4 * m], s[4 * m + 1], s[4 * m + 2], s[4 * m + 3])
        for n in range(cols):
            c[m * ldc + n] = c[m * ldc + n] + sums[n] if add else sums[n]


cdef inlined dot_eight(real_t* c, const real_t* a, const real_t* b, dim_t ldb, dim_t K, bint add) noexcept nogil:
    # One row of a against eight rows of b.
    cdef vec_t s[8]
    cdef vec_t u
    cdef ivec_t mask
    cdef real_t sums[8]
    cdef dim_t k = 0, n
    for n in range(8):
        s[n] = vec_zero()
    while k + LANES <= K:
        u = vec_load(a + k)
        for n in range(8):
            s[n] = vec_fma(u, vec_load(b + n * ldb + k), s[n])
        k += LANES
    if k < K:
        mask = vec_first(K - k)
        u = vec_load_masked(a + k, mask, K - k)
        for n in range(8):
            s[n] = vec_fma(u, vec_load_masked(b + n * ldb + k, mask, K - k), s[n])
    vec_sum_eight(sums, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])
    for n in range(8):
        c[n] = c[n] + sums[n] if add else sums[n]


cdef inlined dot_rows(real_t* c, const real_t* a, const real_t* b, dim_t ldc, dim_t a_row, dim_t ldb,
                      dim_t N, dim_t K, dim_t rows, bint add) noexcept nogil:
    # `rows` rows of c, a constant at every call.
    if rows == 1:
        while N >= 8:
            dot_eight(c, a, b, ldb, K, add)
            c += 8
            b += 8 * ldb
            N -= 8
    while N >= 4:
        dot_tile(c, a, b, ldc, a_row, ldb, K, rows, 4, add)
        c += 4
        b += 4 * ldb
        N -= 4
    if N == 3:
        dot_tile(c, a, b, ldc, a_row, ldb, K, rows, 3, add)
    elif N == 2:
        dot_tile(c, a, b, ldc, a_row, ldb, K, rows, 2, add)
    elif N == 1:
        dot_tile(c, a, b, ldc, a_row, ldb, K, rows, 1, add)


cdef inlined dot_block(real_t* c, const real_t* a, const real_t* b, dim_t ldc, dim_t a_row, dim_t ldb,
                       dim_t rows, dim_t N, dim_t K, bint add) noexcept nogil:
    if rows == 3:
        dot_rows(c, a, b, ldc, a_row, ldb, N, K, 3, add)
    elif rows == 2:
        dot_rows(c, a, b, ldc, a_row, ldb, N, K, 2, add)
    else:
        dot_rows(c, a, b, ldc, a_row, ldb, N, K, 1, add)


cdef inlined dot_product(const product_t* p, dim_t a_row, dim_t a_col) noexcept nogil:
    cdef real_t packed[3 * PACK]
    cdef dim_t m, rows, k, depth, i, j
    for m in range(0, p.M, 3):
        rows = p.M - m if p.M - m < 3 else 3
        if a_col == 1:
            dot_block(p.c + m * p.ldc, p.a + m * a_row, p.b, p.ldc, a_row, p.ldb, rows, p.N, p.K, p.add)
            continue
        # Rows of op(a) are strided: copied piece by piece to where they are contiguous.
        k = 0
        while k < p.K:
            depth = p.K - k if p.K - k < PACK else PACK
            for i in range(rows):
                for j in range(depth):
                    packed[i * PACK + j] = p.a[(m + i) * a_row + (k + j) * a_col]
            dot_block(p.c + m * p.ldc, packed, p.b + k, p.ldc, PACK, p.ldb, rows, p.N, depth, p.add or k > 0)
            k += PACK


cdef void product(const product_t* p) noexcept nogil:
    """c[M, N] (+)= op(a)[M, K] @ op(b)[K, N]; c overlaps neither operand."""
    cdef product_t t
    cdef dim_t m, n
    if p.M <= 0 or p.N <= 0:
        return
    if p.K <= 0:
        if not p.add:
            for m in range(p.M):
                for n in range(p.N):
                    p.c[m * p.ldc + n] = 0
        return
    t = p[0]
    if t.N == 1 and t.ldc == 1 and t.M > 1:
        # A contiguous column is a row: c^T = op(b)^T op(a)^T.
        t.a, t.b = p.b, p.a
        t.lda, t.ldb = p.ldb, p.lda
        t.transpose_a, t.transpose_b = not p.transpose_b, not p.transpose_a
        t.M, t.N = 1, p.M
    if t.transpose_b:
        dot_product(&t, 1 if t.transpose_a else t.lda, t.lda if t.transpose_a else 1)
    else:
        broadcast_product(&t, 1 if t.transpose_a else t.lda, t.lda if t.transpose_a else 1)
