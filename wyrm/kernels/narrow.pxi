# Products of one row with a matrix of few columns, and the products that are their gradients.
#
# Rows of 10 elements leave most of a second vector empty.  So the matrix is taken as one long row: for N = 10 and
# 8 lanes, 4 rows are 5 full vectors, and which row each lane of theirs belongs to is the same for every 4 rows.  Such a
# period is LANES / p rows and N / p vectors, with p the largest power of two that divides N.

cdef inlined narrow_rows(ivec_t* at, dim_t N, dim_t vectors) noexcept nogil:
    # The row within a period that each lane belongs to.
    cdef vec_t inverse = vec_set1(1 / <real_t>N)
    cdef dim_t v
    for v in range(vectors):
        at[v] = vec_truncate(vec_mul(vec_add(vec_count(), vec_set1(<real_t>(v * LANES) + <real_t>0.5)), inverse))


cdef inlined narrow_tile(real_t* c, const real_t* a, const real_t* b, dim_t N, dim_t K, dim_t rows, dim_t vectors,
                         bint add) noexcept nogil:
    # c[N] (+)= a[K] @ b[K, N], with K a multiple of `rows`; `vectors` is a constant at every call.
    cdef vec_t s[7]
    cdef ivec_t at[7]
    cdef real_t sums[8 * LANES]
    cdef vec_t x, y
    cdef dim_t k = 0, n, v
    narrow_rows(at, N, vectors)
    for v in range(vectors):
        s[v] = vec_zero()
    while k < K:
        x = vec_load(a + k) if k + LANES <= K else vec_load_part(a + k, K - k)
        for v in range(vectors):
            s[v] = vec_fma(vec_permute(x, at[v]), vec_load(b + k * N + v * LANES), s[v])
        k += rows
    for v in range(vectors):
        vec_store(sums + v * LANES, s[v])
    vec_store(sums + vectors * LANES, vec_zero())       # read, but not used
    n = 0
    while n < N:
        y = vec_load(sums + n)
        for k in range(1, rows):
            y = vec_add(y, vec_load(sums + k * N + n))
        if n + LANES <= N:
            vec_put(c + n, y, add)
        else:
            vec_put_part(c + n, y, N - n, add)
        n += LANES


cdef inlined narrow_outer_tile(real_t* c, const real_t* a, const real_t* b, dim_t M, dim_t N, dim_t rows,
                               dim_t vectors, bint add) noexcept nogil:
    # c[M, N] (+)= a[M] b[N]^T, with M a multiple of `rows`; `vectors` is a constant at every call.
    cdef vec_t pattern[7]
    cdef ivec_t at[7]
    cdef real_t repeated[8 * LANES]
    cdef vec_t x
    cdef dim_t m, n, v
    narrow_rows(at, N, vectors)
    for m in range(rows):
        n = 0
        while n < N:        # what is written past a row's end, the next row overwrites
            vec_store(repeated + m * N + n, vec_load_lanes(b + n, 0 if n + LANES <= N else N - n))
            n += LANES
    for v in range(vectors):
        pattern[v] = vec_load(repeated + v * LANES)
    m = 0
    while m < M:
        x = vec_load(a + m) if m + LANES <= M else vec_load_part(a + m, M - m)
        for v in range(vectors):
            if add:
                vec_store(c + v * LANES, vec_fma(vec_permute(x, at[v]), pattern[v], vec_load(c + v * LANES)))
            else:
                vec_store(c + v * LANES, vec_mul(vec_permute(x, at[v]), pattern[v]))
        c += rows * N
        m += rows


cdef inline dim_t narrow_vectors(dim_t N) noexcept nogil:
    # The vectors of a period when that is worth it, else 0.
    cdef dim_t power = N & -N
    if PERMUTES and power < LANES and N // power in (3, 5, 7):
        return N // power
    return 0


cdef dim_t narrow_product(real_t* c, const real_t* a, const real_t* b, dim_t N, dim_t K, bint add) noexcept nogil:
    """c[N] (+)= a[K] @ b[K, N] over as many k as make whole periods; returns how many these are."""
    cdef dim_t vectors = narrow_vectors(N), rows, done, once
    if vectors == 0:
        return 0
    rows = vectors * LANES // N
    done = K - K % rows
    if done < 4 * LANES:
        return 0
    for once in range(1):           # inside a loop GCC keeps the tiles' accumulators in registers
        if vectors == 3:
            narrow_tile(c, a, b, N, done, rows, 3, add)
        elif vectors == 5:
            narrow_tile(c, a, b, N, done, rows, 5, add)
        else:
            narrow_tile(c, a, b, N, done, rows, 7, add)
    return done


cdef dim_t narrow_outer(real_t* c, const real_t* a, const real_t* b, dim_t M, dim_t N, bint add) noexcept nogil:
    """c[M, N] (+)= a[M] b[N]^T over as many m as make whole periods; returns how many these are."""
    cdef dim_t vectors = narrow_vectors(N), rows, done
    if vectors == 0:
        return 0
    rows = vectors * LANES // N
    done = M - M % rows
    if done < 4 * LANES:
        return 0
    if vectors == 3:
        if add:
            narrow_outer_tile(c, a, b, done, N, rows, 3, True)
        else:
            narrow_outer_tile(c, a, b, done, N, rows, 3, False)
    elif vectors == 5:
        if add:
            narrow_outer_tile(c, a, b, done, N, rows, 5, True)
        else:
            narrow_outer_tile(c, a, b, done, N, rows, 5, False)
    elif add:
        narrow_outer_tile(c, a, b, done, N, rows, 7, True)
    else:
        narrow_outer_tile(c, a, b, done, N, rows, 7, False)
    return done


cdef dim_t narrow_dots(real_t* c, const real_t* a, const real_t* b, dim_t ldb, dim_t N, dim_t K,
                       bint add) noexcept nogil:
    """c[N] (+)= b[N, K] @ a[K] for rows of one to two vectors, eight at a time; returns how many rows that were.

    The second vector overlaps the first, without what that has counted.
    """
    cdef vec_t s[8]
    cdef vec_t first, last
    cdef ivec_t mask
    cdef dim_t done = 0, at = K - LANES, n
    if K <= LANES or K >= 2 * LANES:
        return 0
    first = vec_load(a)
    last = vec_load(a + at)
    mask = vec_last(at)
    while done + 8 <= N:
        for n in range(8):
            s[n] = vec_mul(first, vec_load(b + n * ldb))
        for n in range(8):
            s[n] = vec_fma(last, vec_keep(mask, vec_load(b + n * ldb + at)), s[n])
        if add:
            vec_sum_eight(c, c + 4, True, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])
        else:
            vec_sum_eight(c, c + 4, False, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])
        b += 8 * ldb
        c += 8
        done += 8
    return done
