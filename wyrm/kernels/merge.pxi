# Merging a thread's copies of rows into the rows that all threads share.

cdef enum:
    MERGED = 16                  # elements: those of a cache line, and a whole number of the longest vectors

cdef inline vec_t merged(vec_t* shared, vec_t* mine, vec_t* base, vec_t* last, vec_t share,
                         vec_t* agreement) noexcept nogil:
    # The lanes of last . last; those of changed . last are added to `agreement`.
    cdef vec_t changed = vec_sub(mine[0], base[0]), before = last[0]
    cdef vec_t value = vec_fma(share, changed, shared[0])
    agreement[0] = vec_fma(changed, before, agreement[0])
    last[0] = vec_sub(value, base[0])
    shared[0] = mine[0] = base[0] = value
    return vec_mul(before, before)


cdef inline void merge_values(real_t* shared, real_t* mine, real_t* base, real_t* last, dim_t n, vec_t share,
                              vec_t* agreement, vec_t* moved) noexcept nogil:
    cdef vec_t s, m, b, x
    cdef dim_t i = 0
    while i + LANES <= n:
        s, m, b, x = vec_load(shared + i), vec_load(mine + i), vec_load(base + i), vec_load(last + i)
        moved[0] = vec_add(moved[0], merged(&s, &m, &b, &x, share, agreement))
        vec_store(shared + i, s)
        vec_store(mine + i, s)
        vec_store(base + i, s)
        vec_store(last + i, x)
        i += LANES
    if i < n:
        s, m = vec_load_part(shared + i, n - i), vec_load_part(mine + i, n - i)
        b, x = vec_load_part(base + i, n - i), vec_load_part(last + i, n - i)
        moved[0] = vec_add(moved[0], merged(&s, &m, &b, &x, share, agreement))
        vec_store_part(shared + i, s, n - i)
        vec_store_part(mine + i, s, n - i)
        vec_store_part(base + i, s, n - i)
        vec_store_part(last + i, x, n - i)


cdef inline void merge_state(real_t* shared, real_t* mine, real_t* base, dim_t n) noexcept nogil:
    # Sums, all of which is handed on.
    cdef vec_t s
    cdef dim_t i = 0
    while i + LANES <= n:
        s = vec_add(vec_load(shared + i), vec_sub(vec_load(mine + i), vec_load(base + i)))
        vec_store(shared + i, s)
        vec_store(mine + i, s)
        vec_store(base + i, s)
        i += LANES
    if i < n:
        s = vec_add(vec_load_part(shared + i, n - i),
                    vec_sub(vec_load_part(mine + i, n - i), vec_load_part(base + i, n - i)))
        vec_store_part(shared + i, s, n - i)
        vec_store_part(mine + i, s, n - i)
        vec_store_part(base + i, s, n - i)


cdef inline void merge_wide(real_t* sums, const merge_t* m, real_t share, dim_t cols, dim_t width) noexcept nogil:
    cdef vec_t part_of = vec_set1(share), agreement = vec_zero(), moved = vec_zero()
    cdef dim_t i, row, at
    for i in range(m.n):
        row = m.rows[i]
        at = (i if m.packed else row) * (cols + width)
        merge_values(m.value + row * m.stride, m.mine + at, m.base + at, m.last + i * cols, cols, part_of,
                     &agreement, &moved)
        if width:
            at += cols
            merge_state(m.state + row * m.state_stride, m.mine + at, m.base + at, width)
    sums[0] += vec_sum(agreement)
    sums[1] += vec_sum(moved)


cdef inline void merge_scalars(real_t* sums, const merge_t* m, real_t share, dim_t width) noexcept nogil:
    # One value and at most one of state: vectors would be nearly empty.
    cdef real_t agreement = 0, moved = 0, changed, value
    cdef real_t* shared
    cdef real_t* mine
    cdef real_t* base
    cdef dim_t i, row, at
    for i in range(m.n):
        row = m.rows[i]
        at = (i if m.packed else row) * (1 + width)
        shared, mine, base = m.value + row * m.stride, m.mine + at, m.base + at
        changed = mine[0] - base[0]
        agreement += changed * m.last[i]
        moved += m.last[i] * m.last[i]
        value = shared[0] + share * changed
        m.last[i] = value - base[0]
        shared[0] = mine[0] = base[0] = value
        if width:
            shared = m.state + row * m.state_stride
            shared[0] = mine[1] = base[1] = shared[0] + (mine[1] - base[1])
    sums[0] += agreement
    sums[1] += moved


cdef void merge_rows(real_t* sums, const merge_t* m, real_t share) noexcept nogil:
    """value += share (mine - base);  last = value - base;  mine = base = value;  the same of the state, with share 1

    Before that, sums[0] += (mine - base) . last and sums[1] += last . last: how far what was changed now undoes what
    the merge before moved.  Lock-free: races on value and state with other threads by design.
    """
    if m.cols == 1 and m.width == 1:
        merge_scalars(sums, m, share, 1)
    elif m.cols == 1 and m.width == 0:
        merge_scalars(sums, m, share, 0)
    elif m.cols == 16 and m.width == 16:
        merge_wide(sums, m, share, 16, 16)
    else:
        merge_wide(sums, m, share, m.cols, m.width)


cdef void merge_sums(real_t* shared, real_t* mine, real_t* base, dim_t n, real_t share) noexcept nogil:
    """shared += share (mine - base);  mine = base = shared

    Writes no cache line of shared values that this thread didn't change.  Lock-free: races by design.
    """
    cdef vec_t s[MERGED]
    cdef vec_t m, b, part = vec_set1(share)
    cdef ivec_t same
    cdef dim_t i = 0, k
    while i + MERGED <= n:
        same = vec_first(LANES)
        for k in range(MERGED // LANES):
            m, b = vec_load(mine + i + k * LANES), vec_load(base + i + k * LANES)
            s[k] = vec_fma(part, vec_sub(m, b), vec_load(shared + i + k * LANES))
            same = ivec_and(same, vec_equal(m, b))
        if vec_any(ivec_andnot(vec_first(LANES), same)):
            for k in range(MERGED // LANES):
                vec_store(shared + i + k * LANES, s[k])
        for k in range(MERGED // LANES):
            vec_store(mine + i + k * LANES, s[k])
            vec_store(base + i + k * LANES, s[k])
        i += MERGED
    while i < n:
        shared[i] += share * (mine[i] - base[i])
        mine[i] = base[i] = shared[i]
        i += 1
