# Small matrix products, blocked in registers; nothing is packed unless a row of op(a) is strided where that hurts.
#
# Two forms.  With b stored [K, N] a tile of c is kept in registers while elements of a, in either order, are
# broadcast against rows of b.  With b stored [N, K] each element of c is a dot product along contiguous rows of both.
# A tile with few accumulators is copied, and the copies take turns: enough independent sums are under way then to hide
# the latency of an addition.
#
# A width that is no multiple of LANES ends in a vector that overlaps the one before, so inner loops have no partial
# vectors: elements of c in both are computed twice, in the same way, and elements of a dot product are masked.

cdef enum:
    PACK = 256                  # elements of K packed at a time


# ---- b stored [K, N] ----

cdef inlined broadcast_step(vec_t* s, const real_t* a, const real_t* b, dim_t a_row, dim_t width, dim_t rows,
                            dim_t vectors, bint narrow, ivec_t mask) noexcept nogil:
    # One k.
    cdef vec_t v[3]
    cdef vec_t x
    cdef dim_t m, n
    for n in range(vectors):
        if narrow:
            v[n] = vec_load_masked(b, mask, width)
        else:
            v[n] = vec_load(b + (n * LANES if n + 1 < vectors else width - LANES))
    for m in range(rows):
        x = vec_set1(a[m * a_row])
        for n in range(vectors):
            s[m * vectors + n] = vec_fma(x, v[n], s[m * vectors + n])


cdef inlined broadcast_tile(real_t* c, const real_t* a, const real_t* b, dim_t ldc, dim_t a_row, dim_t a_col,
                            dim_t ldb, dim_t K, dim_t rows, dim_t width, dim_t vectors, bint narrow,
                            bint add) noexcept nogil:
    # `width` columns in `vectors` vectors, or less than one if narrow.  rows, vectors and narrow are constants at every
    # call.
    cdef vec_t s[12]
    cdef vec_t v[3]
    cdef ivec_t mask = vec_first(width) if narrow else ivec_set1(-1)
    cdef dim_t size = rows * vectors, copies = 4 if size <= 3 else 2 if size <= 6 else 1
    cdef dim_t k = 0, m, n, u
    for n in range(size * copies):
        s[n] = vec_zero()
    while k + copies <= K:
        for u in range(copies):
            broadcast_step(s + u * size, a, b, a_row, width, rows, vectors, narrow, mask)
            a = real_hold(a + a_col)
            b = real_hold(b + ldb)
        k += copies
    if copies > 1:
        while k < K:
            broadcast_step(s, a, b, a_row, width, rows, vectors, narrow, mask)
            a = real_hold(a + a_col)
            b = real_hold(b + ldb)
            k += 1
    for n in range(size):
        if copies == 4:
            s[n] = vec_add(vec_add(s[n], s[size + n]), vec_add(s[2 * size + n], s[3 * size + n]))
        elif copies == 2:
            s[n] = vec_add(s[n], s[size + n])
    for m in range(rows):
        if narrow:
            vec_put_part(c, s[m], width, add)
        else:
            put_row(c, s + m * vectors, width, vectors, add)
        c += ldc


cdef inlined put_row(real_t* c, const vec_t* s, dim_t width, dim_t vectors, bint add) noexcept nogil:
    # All loads come before the stores: the last vector may overlap the one before it.
    cdef vec_t v[3]
    cdef dim_t n
    for n in range(vectors):
        v[n] = vec_add(vec_load(c + (n * LANES if n + 1 < vectors else width - LANES)), s[n]) if add else s[n]
    for n in range(vectors):
        vec_store(c + (n * LANES if n + 1 < vectors else width - LANES), v[n])


cdef inlined broadcast_rows(const product_t* p, real_t* c, const real_t* a, dim_t a_row, dim_t a_col,
                            dim_t rows) noexcept nogil:
    # `rows` rows of c, a constant at every call.
    cdef const real_t* b = p.b
    cdef dim_t left = p.N, width
    while left > 0:
        # A last tile narrower than a vector would have nothing to overlap with.
        width = left if left <= 3 * LANES else 2 * LANES if left < 4 * LANES else 3 * LANES
        if width > 2 * LANES:
            broadcast_tile(c, a, b, p.ldc, a_row, a_col, p.ldb, p.K, rows, width, 3, False, p.add)
        elif width > LANES:
            broadcast_tile(c, a, b, p.ldc, a_row, a_col, p.ldb, p.K, rows, width, 2, False, p.add)
        elif width == LANES:
            broadcast_tile(c, a, b, p.ldc, a_row, a_col, p.ldb, p.K, rows, width, 1, False, p.add)
        else:
            broadcast_tile(c, a, b, p.ldc, a_row, a_col, p.ldb, p.K, rows, width, 1, True, p.add)
        c += width
        b += width
        left -= width


cdef inlined outer_tile(real_t* c, const real_t* a, const real_t* b, dim_t ldc, dim_t a_row, dim_t M,
                        dim_t width, dim_t vectors, bint narrow, bint add) noexcept nogil:
    # K = 1: a tile as high as c, with b in registers.
    cdef vec_t v[3]
    cdef vec_t s[3]
    cdef vec_t x
    cdef dim_t m, n
    for n in range(vectors):
        if narrow:
            v[n] = vec_load_part(b, width)
        else:
            v[n] = vec_load(b + (n * LANES if n + 1 < vectors else width - LANES))
    for m in range(M):
        x = vec_set1(a[0])
        for n in range(vectors):
            s[n] = vec_mul(x, v[n])
        if narrow:
            vec_put_part(c, s[0], width, add)
        else:
            put_row(c, s, width, vectors, add)
        a += a_row
        c += ldc


cdef inlined outer(const product_t* p, dim_t a_row, bint add) noexcept nogil:
    cdef real_t* c = p.c
    cdef const real_t* b = p.b
    cdef dim_t left = p.N, width
    while left > 0:
        width = left if left <= 3 * LANES else 2 * LANES if left < 4 * LANES else 3 * LANES
        if width > 2 * LANES:
            outer_tile(c, p.a, b, p.ldc, a_row, p.M, width, 3, False, add)
        elif width > LANES:
            outer_tile(c, p.a, b, p.ldc, a_row, p.M, width, 2, False, add)
        elif width == LANES:
            outer_tile(c, p.a, b, p.ldc, a_row, p.M, width, 1, False, add)
        else:
            outer_tile(c, p.a, b, p.ldc, a_row, p.M, width, 1, True, add)
        c += width
        b += width
        left -= width


cdef void outer_product(product_t* p, dim_t a_row) noexcept nogil:
    # K = 1.
    cdef dim_t done = 0
    if a_row == 1 and p.ldc == p.N:
        done = narrow_outer(p.c, p.a, p.b, p.M, p.N, p.add)
        p.c += done * p.ldc
        p.a += done
        p.M -= done
    if p.add:
        outer(p, a_row, True)
    else:
        outer(p, a_row, False)


cdef void row_product(product_t* p, dim_t a_col) noexcept nogil:
    # M = 1.
    cdef dim_t done = 0
    if a_col == 1 and p.ldb == p.N:
        done = narrow_product(p.c, p.a, p.b, p.N, p.K, p.add)
        p.a += done
        p.b += done * p.ldb
        p.K -= done
        p.add = p.add or done > 0
    if p.K > 0:
        broadcast_rows(p, p.c, p.a, 0, a_col, 1)


cdef void broadcast_product(product_t* p, dim_t a_row, dim_t a_col) noexcept nogil:
    cdef real_t* c = p.c
    cdef const real_t* a = p.a
    cdef dim_t left = p.M
    if p.K == 1:
        outer_product(p, a_row)
    elif p.M == 1:
        row_product(p, a_col)
    else:
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

cdef inlined dot_step(vec_t* s, const real_t* a, const real_t* b, dim_t a_row, dim_t ldb, dim_t rows, dim_t cols,
                      ivec_t mask, bint masked) noexcept nogil:
    # LANES elements of K.
    cdef vec_t u[3]
    cdef vec_t v
    cdef dim_t m, n
    for m in range(rows):
        u[m] = vec_load(a + m * a_row)
        if masked:
            u[m] = vec_keep(mask, u[m])
    for n in range(cols):
        v = vec_load(b + n * ldb)
        if masked:
            v = vec_keep(mask, v)
        if rows > 1:
            v = vec_hold(v)
        for m in range(rows):
            s[m * cols + n] = vec_fma(u[m], v, s[m * cols + n])


cdef inlined dot_tile(real_t* c, const real_t* a, const real_t* b, dim_t ldc, dim_t a_row, dim_t ldb, dim_t K,
                      dim_t rows, dim_t cols, bint add) noexcept nogil:
    # rows and cols are constants at every call: 1 and 8, 2 and 5 or 6, or at most 3 and 4.
    cdef vec_t s[12]
    cdef vec_t u[3]
    cdef vec_t v, zero = vec_zero()
    cdef real_t sums[8]
    cdef dim_t size = rows * cols, copies = 4 if size <= 3 else 2 if size <= 6 else 1
    cdef dim_t k = 0, m, n, i
    for n in range(size * copies):
        s[n] = zero
    while k + copies * LANES <= K:
        for i in range(copies):
            dot_step(s + i * size, a + k + i * LANES, b + k + i * LANES, a_row, ldb, rows, cols, ivec_set1(0), False)
        k += copies * LANES
    if copies > 1:
        while k + LANES <= K:
            dot_step(s, a + k, b + k, a_row, ldb, rows, cols, ivec_set1(0), False)
            k += LANES
    if k < K:
        if K >= LANES:
            # The last LANES elements, without those that have been counted.
            dot_step(s, a + K - LANES, b + K - LANES, a_row, ldb, rows, cols, vec_last(K - k), True)
        else:
            for m in range(rows):
                u[m] = vec_load_masked(a + m * a_row, vec_first(K), K)
            for n in range(cols):
                v = vec_load_masked(b + n * ldb, vec_first(K), K)
                for m in range(rows):
                    s[m * cols + n] = vec_fma(u[m], v, s[m * cols + n])
    if copies > 1:
        for n in range(size):
            if copies == 4:
                s[n] = vec_add(vec_add(s[n], s[size + n]), vec_add(s[2 * size + n], s[3 * size + n]))
            else:
                s[n] = vec_add(s[n], s[size + n])
    if cols == 8:
        vec_sum_eight(c, c + 4, add, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])
    elif cols == 4:
        if rows > 1:
            vec_sum_eight(c, c + ldc, add, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])
        if rows != 2:
            m = 4 * (rows - 1)
            vec_sum_four(c + (rows - 1) * ldc, add, s[m], s[m + 1], s[m + 2], s[m + 3])
    elif cols > 4:
        vec_sum_eight(c, c + ldc, add, s[0], s[1], s[2], s[3], s[cols], s[cols + 1], s[cols + 2], s[cols + 3])
        vec_sum_four(sums, False, s[4], s[cols + 4], s[5] if cols == 6 else zero, s[11] if cols == 6 else zero)
        for n in range(4, cols):
            c[n] = c[n] + sums[2 * n - 8] if add else sums[2 * n - 8]
            c[ldc + n] = c[ldc + n] + sums[2 * n - 7] if add else sums[2 * n - 7]
    elif size == 1:
        sums[0] = vec_sum(s[0])
        c[0] = c[0] + sums[0] if add else sums[0]
    else:
        for m in range(rows):
            n = m * cols
            vec_sum_four(sums, False, s[n], s[n + 1] if cols > 1 else zero, s[n + 2] if cols > 2 else zero, zero)
            for n in range(cols):
                c[n] = c[n] + sums[n] if add else sums[n]
            c += ldc


cdef inlined dot_rows(real_t* c, const real_t* a, const real_t* b, dim_t ldc, dim_t a_row, dim_t ldb,
                      dim_t N, dim_t K, dim_t rows, bint add) noexcept nogil:
    # `rows` rows of c, a constant at every call.  All tiles stand inside the loop: outside of one, GCC unrolls a tile's
    # own loops too late to keep the accumulators in registers.
    cdef dim_t cols
    while N > 0:
        cols = N
        if rows == 1 and N >= 8:
            cols = 8
            dot_tile(c, a, b, ldc, a_row, ldb, K, 1, 8, add)
        elif rows == 2 and N == 6:
            dot_tile(c, a, b, ldc, a_row, ldb, K, 2, 6, add)
        elif rows == 2 and N == 5:
            dot_tile(c, a, b, ldc, a_row, ldb, K, 2, 5, add)
        elif N >= 4:
            cols = 4
            dot_tile(c, a, b, ldc, a_row, ldb, K, rows, 4, add)
        elif N == 3:
            dot_tile(c, a, b, ldc, a_row, ldb, K, rows, 3, add)
        elif N == 2:
            dot_tile(c, a, b, ldc, a_row, ldb, K, rows, 2, add)
        else:
            dot_tile(c, a, b, ldc, a_row, ldb, K, rows, 1, add)
        c += cols
        b += cols * ldb
        N -= cols


cdef void dot_block(real_t* c, const real_t* a, const real_t* b, dim_t ldc, dim_t a_row, dim_t ldb,
                    dim_t rows, dim_t N, dim_t K, bint add) noexcept nogil:
    cdef dim_t done = 0
    if rows == 1:
        done = narrow_dots(c, a, b, ldb, N, K, add)
        c += done
        b += done * ldb
        N -= done
    if rows == 3:
        dot_rows(c, a, b, ldc, a_row, ldb, N, K, 3, add)
    elif rows == 2:
        dot_rows(c, a, b, ldc, a_row, ldb, N, K, 2, add)
    else:
        dot_rows(c, a, b, ldc, a_row, ldb, N, K, 1, add)


cdef void dot_product(const product_t* p, dim_t a_row, dim_t a_col) noexcept nogil:
    cdef real_t packed[3 * PACK]
    cdef dim_t m = 0, rows, k, depth, i, j
    while m < p.M:
        # Three rows by four columns, or two by five or six where that leaves nothing over.
        rows = p.M - m
        if rows > 3:
            rows = 2 if rows == 4 or p.N == 5 or p.N == 6 else 3
        elif rows == 3 and (p.N == 5 or p.N == 6):
            rows = 2
        if a_col == 1:
            dot_block(p.c + m * p.ldc, p.a + m * a_row, p.b, p.ldc, a_row, p.ldb, rows, p.N, p.K, p.add)
        else:
            # Rows of op(a) are strided: copied piece by piece to where they are contiguous.
            k = 0
            while k < p.K:
                depth = p.K - k if p.K - k < PACK else PACK
                for i in range(rows):
                    for j in range(depth):
                        packed[i * PACK + j] = p.a[(m + i) * a_row + (k + j) * a_col]
                dot_block(p.c + m * p.ldc, packed, p.b + k, p.ldc, PACK, p.ldb, rows, p.N, depth, p.add or k > 0)
                k += PACK
        m += rows


cdef void product(const product_t* p) noexcept nogil:
    """c[M, N] (+)= op(a)[M, K] @ op(b)[K, N]; c overlaps neither operand."""
    cdef product_t t            # p, or its transpose
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
    if t.N == 1 and t.ldb == 1:
        t.transpose_b = True        # as it stands in memory, a column is a row
    if t.transpose_b:
        dot_product(&t, 1 if t.transpose_a else t.lda, t.lda if t.transpose_a else 1)
    else:
        broadcast_product(&t, 1 if t.transpose_a else t.lda, t.lda if t.transpose_a else 1)
