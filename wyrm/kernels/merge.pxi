# Merging a thread's copies of rows into the rows that all threads share.

cdef inline vec_t merged(vec_t* shared, vec_t* mine, vec_t* base, vec_t* last, vec_t share,
                         vec_t* agreement) noexcept nogil:
    # The lanes of last . last; those of changed . last are added to `agreement`.
    cdef vec_t changed = vec_sub(mine[0], base[0]), before = last[0]
    cdef vec_t value = vec_fma(share, changed, shared[0])
    agreement[0] = vec_fma(changed, before, agreement[0])
    last[0] = vec_sub(value, base[0])
    shared[0] = mine[0] = base[0] = value
    return vec_mul(before, before)


cdef void merge_row(real_t* shared, real_t* mine, real_t* base, real_t* last, real_t* sums,
                    dim_t n, real_t share) noexcept nogil:
    """shared += share (mine - base);  last = shared - base;  mine = base = shared

    Before that, sums[0] += (mine - base) . last and sums[1] += last . last: how far what was changed now undoes what
    the merge before moved.  Lock-free: races on `shared` with other threads by design.
    """
    cdef vec_t part_of = vec_set1(share), agreement = vec_zero(), moved = vec_zero()
    cdef vec_t s, m, b, x
    cdef dim_t i = 0
    while i + LANES <= n:
        s, m, b, x = vec_load(shared + i), vec_load(mine + i), vec_load(base + i), vec_load(last + i)
        moved = vec_add(moved, merged(&s, &m, &b, &x, part_of, &agreement))
        vec_store(shared + i, s)
        vec_store(mine + i, s)
        vec_store(base + i, s)
        vec_store(last + i, x)
        i += LANES
    if i < n:
        s, m = vec_load_part(shared + i, n - i), vec_load_part(mine + i, n - i)
        b, x = vec_load_part(base + i, n - i), vec_load_part(last + i, n - i)
        moved = vec_add(moved, merged(&s, &m, &b, &x, part_of, &agreement))
        vec_store_part(shared + i, s, n - i)
        vec_store_part(mine + i, s, n - i)
        vec_store_part(base + i, s, n - i)
        vec_store_part(last + i, x, n - i)
    sums[0] += vec_sum(agreement)
    sums[1] += vec_sum(moved)
