# The pairwise term of a field-aware factorisation machine (Juan et al., 2016).
#
# A row v_i of the table has a vector of k columns for each field, v_i[f].  A pair (i, j) of a bag multiplies the one
# that i has for the field of j with the one that j has for the field of i, so a gradient is a transposition, block by
# block, of what the rows hold.
#
# A bag is first laid out as entries in the order of their fields.  Where no field occurs twice, pairs are taken as they
# are; where 2 k columns fill a vector, two entries with neighbouring fields against two such, four pairs at a time.
# Entries that share a field are summed before they meet those of another one, so a bag of n entries in m fields costs
# n m and not n^2.

from libc.string cimport memset

cdef enum:
    VECTORS = 4                  # accumulators of a sum, so that one addition doesn't wait for the one before


cdef inline row_t field_at(const fields_t* f, dim_t i) noexcept nogil:
    return f.fields[i] if f.rows == NULL else f.fields[f.rows[i]]


cdef inline void fill_entry(entry_t* entry, const bags_t* b, dim_t i, row_t field) noexcept nogil:
    entry.row = b.table + b.rows[i] * b.stride
    entry.weight = 1 if b.weights == NULL else b.weights[i]
    entry.field = field
    entry.at = <row_t> i


cdef bint sort_entries(entry_t* entries, const bags_t* b, const fields_t* f, dim_t first, dim_t end) noexcept nogil:
    """lay_entries() of positions in any order of fields."""
    cdef row_t* place = <row_t*> (entries + b.n)         # where the next entry of each field goes
    cdef row_t field, count = 0, most = 0
    cdef dim_t i
    memset(place, 0, f.n_fields * sizeof(row_t))
    for i in range(first, end):
        place[field_at(f, i)] += 1
    for i in range(f.n_fields):
        most = place[i] if place[i] > most else most
        count += place[i]
        place[i] = count - place[i]
    for i in range(first, end):
        field = field_at(f, i)
        fill_entry(entries + place[field], b, i, field)
        place[field] += 1
    return most <= 1


cdef bint lay_entries(entry_t* entries, const bags_t* b, const fields_t* f, dim_t bag) noexcept nogil:
    """entries = the positions of a bag in the order of their fields; whether no field occurs twice."""
    cdef dim_t first = b.offsets[bag], end = b.offsets[bag + 1], i
    cdef row_t field, before = -1
    cdef bint distinct = True
    for i in range(first, end):
        field = field_at(f, i)
        if field <= before:
            if field < before:
                return sort_entries(entries, b, f, first, end)
            distinct = False
        before = field
        fill_entry(entries + (i - first), b, i, field)
    return distinct


cdef inline dim_t field_end(const entry_t* e, dim_t i, dim_t n) noexcept nogil:
    # The end of the run of entries that have the field of entry i.
    cdef row_t field = e[i].field
    while i < n and e[i].field == field:
        i += 1
    return i


# `whole`: every field has one entry, so entry i is that of field i.

cdef inline dim_t column_of(const entry_t* e, dim_t i, dim_t k, bint whole) noexcept nogil:
    return i * k if whole else e[i].field * k


cdef inline bint neighbours(const entry_t* e, dim_t i, dim_t n, bint whole) noexcept nogil:
    return i + 1 < n and (whole or e[i + 1].field == e[i].field + 1)


cdef inline vec_t pair_weights(const entry_t* e) noexcept nogil:
    # The weight of e[0] in the lower half of the lanes, that of e[1] in the upper.
    return vec_join_low(vec_set1(e[0].weight), vec_set1(e[1].weight))


# ---- one entry against another, k columns ----

cdef inlined dot_entries(vec_t* sums, const real_t* x, const real_t* y, real_t weight, dim_t k,
                         bint weighted) noexcept nogil:
    cdef vec_t w = vec_set1(weight), v
    cdef dim_t c = 0, s = 0
    while c + LANES <= k:
        v = vec_load(x + c)
        if weighted:
            v = vec_mul(w, v)
        sums[s] = vec_fma(v, vec_load(y + c), sums[s])
        s = (s + 1) % VECTORS
        c += LANES
    if c < k:
        v = vec_load_part(x + c, k - c)
        if weighted:
            v = vec_mul(w, v)
        sums[s] = vec_fma(v, vec_load_part(y + c, k - c), sums[s])


cdef inlined put_entry(real_t* target, const real_t* x, real_t scale_of, dim_t k, bint add) noexcept nogil:
    cdef vec_t factor = vec_set1(scale_of)
    cdef dim_t c = 0
    while c + LANES <= k:
        vec_put(target + c, vec_mul(factor, vec_load(x + c)), add)
        c += LANES
    if c < k:
        vec_put_part(target + c, vec_mul(factor, vec_load_part(x + c, k - c)), k - c, add)


# ---- bags in which no field occurs twice ----

cdef inlined pairs_of(vec_t* sums, const entry_t* e, dim_t n, dim_t k, bint whole, bint weighted) noexcept nogil:
    cdef dim_t p = 0, q, at
    cdef const real_t* a0
    cdef const real_t* a1
    cdef const real_t* b0
    cdef const real_t* b1
    cdef vec_t u, v, w
    while p < n:
        a0 = e[p].row
        at = column_of(e, p, k, whole)
        q = p + 1
        if 2 * k == LANES and neighbours(e, p, n, whole):
            a1 = e[p + 1].row
            dot_entries(sums, a0 + at + k, a1 + at, e[p].weight * e[p + 1].weight, k, weighted)
            q = p + 2
            while q < n:
                b0 = e[q].row + at
                if neighbours(e, q, n, whole):
                    b1 = e[q + 1].row + at
                    u = vec_load(a0 + column_of(e, q, k, whole))
                    v = vec_load(a1 + column_of(e, q, k, whole))
                    if weighted:
                        w = pair_weights(e + q)
                        u = vec_mul(vec_mul(w, vec_set1(e[p].weight)), u)
                        v = vec_mul(vec_mul(w, vec_set1(e[p + 1].weight)), v)
                    sums[0] = vec_fma(u, vec_join_low(vec_load(b0), vec_load(b1)), sums[0])
                    sums[1] = vec_fma(v, vec_join_high(vec_load(b0), vec_load(b1)), sums[1])
                    q += 2
                else:
                    dot_entries(sums, a0 + column_of(e, q, k, whole), b0, e[p].weight * e[q].weight, k, weighted)
                    dot_entries(sums + 1, a1 + column_of(e, q, k, whole), b0 + k, e[p + 1].weight * e[q].weight, k,
                                weighted)
                    q += 1
            p += 2
            continue
        while q < n:
            dot_entries(sums + q % 2, a0 + column_of(e, q, k, whole), e[q].row + at, e[p].weight * e[q].weight, k,
                        weighted)
            q += 1
        p += 1


cdef inline real_t* target_of(const slots_t* s, const entry_t* entry, dim_t D) noexcept nogil:
    return s.values + (<dim_t> entry.at if s.slots == NULL else <dim_t> s.slots[entry.at]) * D


cdef inlined clear(real_t* x, dim_t n) noexcept nogil:
    memset(x, 0, n * sizeof(real_t))


cdef inlined pairs_back_of(const slots_t* s, const entry_t* e, real_t dy, dim_t n, dim_t D, dim_t k, bint whole,
                           bint weighted, bint add) noexcept nogil:
    # Where every field occurs, what is not cleared is overwritten.
    cdef dim_t p = 0, q, at
    cdef const real_t* b0
    cdef const real_t* b1
    cdef real_t* g0
    cdef real_t* g1
    cdef vec_t u, v, w, scale0, scale1
    while p < n:
        g0 = target_of(s, e + p, D)
        at = column_of(e, p, k, whole)
        scale0 = vec_set1(dy * e[p].weight)
        if not add:
            clear(g0 + at if whole else g0, k if whole else D)
        q = 0
        if 2 * k == LANES and neighbours(e, p, n, whole):
            g1 = target_of(s, e + p + 1, D)
            scale1 = vec_set1(dy * e[p + 1].weight)
            if not add:
                clear(g1 + at + k if whole else g1, k if whole else D)
            while q < n:
                if q == p:
                    put_entry(g0 + at + k, e[p + 1].row + at, dy * e[p].weight * e[p + 1].weight, k, add)
                    put_entry(g1 + at, e[p].row + at + k, dy * e[p].weight * e[p + 1].weight, k, add)
                    q += 2
                    continue
                b0 = e[q].row + at
                if q + 1 != p and neighbours(e, q, n, whole):
                    b1 = e[q + 1].row + at
                    u, v = vec_load(b0), vec_load(b1)
                    if weighted:
                        w = pair_weights(e + q)
                        vec_put(g0 + column_of(e, q, k, whole), vec_mul(vec_mul(w, scale0), vec_join_low(u, v)), add)
                        vec_put(g1 + column_of(e, q, k, whole), vec_mul(vec_mul(w, scale1), vec_join_high(u, v)), add)
                    else:
                        u, v = vec_mul(scale0, u), vec_mul(scale0, v)
                        vec_put(g0 + column_of(e, q, k, whole), vec_join_low(u, v), add)
                        vec_put(g1 + column_of(e, q, k, whole), vec_join_high(u, v), add)
                    q += 2
                else:
                    put_entry(g0 + column_of(e, q, k, whole), b0, dy * e[p].weight * e[q].weight, k, add)
                    put_entry(g1 + column_of(e, q, k, whole), b0 + k, dy * e[p + 1].weight * e[q].weight, k, add)
                    q += 1
            p += 2
            continue
        while q < n:
            if q != p:
                put_entry(g0 + column_of(e, q, k, whole), e[q].row + at, dy * e[p].weight * e[q].weight, k, add)
            q += 1
        p += 1


# ---- bags in which fields occur several times ----

cdef inline vec_t field_sum(const entry_t* e, dim_t begin, dim_t end, dim_t column, dim_t part) noexcept nogil:
    # sum of w_i v_i over entries: the `part` columns (0: a vector of them) from `column` on.
    cdef vec_t sum = vec_zero()
    cdef dim_t i
    for i in range(begin, end):
        sum = vec_add(sum, vec_mul(vec_set1(e[i].weight), vec_load_lanes(e[i].row + column, part)))
    return sum


cdef inline vec_t field_pairs(const entry_t* e, dim_t begin, dim_t end, dim_t column, dim_t part) noexcept nogil:
    # The pairs among entries of one field, without the cancellation of |sum|^2 - sum of |.|^2.
    cdef vec_t before = vec_zero(), pairs = vec_zero(), v
    cdef dim_t i
    for i in range(begin, end):
        v = vec_mul(vec_set1(e[i].weight), vec_load_lanes(e[i].row + column, part))
        pairs = vec_fma(v, before, pairs)
        before = vec_add(before, v)
    return pairs


cdef inline vec_t sums_of(const entry_t* e, dim_t n, dim_t k) noexcept nogil:
    cdef vec_t pairs = vec_zero()
    cdef dim_t p = 0, q, p_end, q_end, c, part, at, other
    while p < n:
        p_end = field_end(e, p, n)
        at = e[p].field * k
        c = 0
        while c < k:
            part = k - c if c + LANES > k else 0
            pairs = vec_add(pairs, field_pairs(e, p, p_end, at + c, part))
            q = p_end
            while q < n:
                q_end = field_end(e, q, n)
                other = e[q].field * k
                pairs = vec_fma(field_sum(e, p, p_end, other + c, part), field_sum(e, q, q_end, at + c, part), pairs)
                q = q_end
            c += LANES
        p = p_end
    return pairs


cdef inline void sums_back_of(const slots_t* s, const entry_t* e, real_t dy, dim_t n, dim_t D, dim_t k,
                              bint add) noexcept nogil:
    cdef dim_t p = 0, q, p_end, q_end, c, part, at, other, i
    cdef vec_t sum, v
    if not add:
        for i in range(n):
            clear(target_of(s, e + i, D), D)
    while p < n:
        p_end = field_end(e, p, n)
        at = e[p].field * k
        c = 0
        while c < k:
            part = k - c if c + LANES > k else 0
            q = 0
            while q < n:
                q_end = field_end(e, q, n)
                other = e[q].field * k
                sum = field_sum(e, q, q_end, at + c, part)
                if q != p:
                    for i in range(p, p_end):
                        v = vec_mul(vec_set1(dy * e[i].weight), sum)
                        vec_put_lanes(target_of(s, e + i, D) + other + c, v, part, add)
                elif p + 1 < p_end:
                    for i in range(p, p_end):
                        # Rounded like the term of the sum: what is alone in it leaves nothing.
                        v = vec_mul(vec_set1(e[i].weight), vec_load_lanes(e[i].row + at + c, part))
                        v = vec_mul(vec_set1(dy * e[i].weight), vec_sub(sum, v))
                        vec_put_lanes(target_of(s, e + i, D) + other + c, v, part, add)
                q = q_end
            c += LANES
        p = p_end


# ---- kernels ----

cdef inlined field_aware_of(real_t* y, entry_t* room, const bags_t* b, const fields_t* f, dim_t k,
                            bint weighted) noexcept nogil:
    cdef dim_t j, n, i
    cdef vec_t sums[VECTORS + 1]
    for j in range(b.bags):
        for i in range(VECTORS + 1):
            sums[i] = vec_zero()
        n = b.offsets[j + 1] - b.offsets[j]
        if not lay_entries(room, b, f, j):
            sums[0] = sums_of(room, n, k)
        elif n == f.n_fields:
            pairs_of(sums, room, n, k, True, weighted)
        else:
            pairs_of(sums, room, n, k, False, weighted)
        sums[0] = vec_add(sums[0], sums[4])
        y[j] = vec_sum(vec_add(vec_add(sums[0], sums[1]), vec_add(sums[2], sums[3])))


cdef inlined field_aware_any(real_t* y, entry_t* room, const bags_t* b, const fields_t* f, dim_t k) noexcept nogil:
    if b.weights == NULL:
        field_aware_of(y, room, b, f, k, False)
    else:
        field_aware_of(y, room, b, f, k, True)


cdef void field_aware(real_t* y, entry_t* room, const bags_t* b, const fields_t* f) noexcept nogil:
    """y[j] = sum over the pairs of bag j of w_i w_l v_i[f_l] . v_l[f_i], with v_i = table[rows[i]].

    Overwrites; ignores b.mean.  Needs room for b.n entries and f.n_fields row_t after them; D = n_fields k.
    """
    cdef dim_t k = b.D / f.n_fields
    if k == 4:
        field_aware_any(y, room, b, f, 4)
    elif k == 8:
        field_aware_any(y, room, b, f, 8)
    elif k == 16:
        field_aware_any(y, room, b, f, 16)
    else:
        field_aware_any(y, room, b, f, k)


cdef inlined field_aware_back_of(const slots_t* s, const real_t* dy, entry_t* room, const bags_t* b,
                                 const fields_t* f, dim_t k, bint weighted, bint add) noexcept nogil:
    cdef dim_t j, n
    for j in range(b.bags):
        n = b.offsets[j + 1] - b.offsets[j]
        if not lay_entries(room, b, f, j):
            sums_back_of(s, room, dy[j], n, b.D, k, add)
        elif n == f.n_fields:
            pairs_back_of(s, room, dy[j], n, b.D, k, True, weighted, add)
        else:
            pairs_back_of(s, room, dy[j], n, b.D, k, False, weighted, add)


cdef inlined field_aware_back_any(const slots_t* s, const real_t* dy, entry_t* room, const bags_t* b,
                                  const fields_t* f, dim_t k) noexcept nogil:
    if s.add:
        field_aware_back_of(s, dy, room, b, f, k, True, True)
    elif b.weights == NULL:
        field_aware_back_of(s, dy, room, b, f, k, False, False)
    else:
        field_aware_back_of(s, dy, room, b, f, k, True, False)


cdef void field_aware_back(const slots_t* s, const real_t* dy, entry_t* room, const bags_t* b,
                           const fields_t* f) noexcept nogil:
    """values[slots[i]][g] (+)= dy[j] w_i sum over l != i in bag j with f_l = g of w_l v_l[f_i], for every field g.

    The gradient of field_aware; j is the bag of position i.  With s.add, slots may repeat; without, they must not.
    """
    cdef dim_t k = b.D / f.n_fields
    if k == 4:
        field_aware_back_any(s, dy, room, b, f, 4)
    elif k == 8:
        field_aware_back_any(s, dy, room, b, f, 8)
    elif k == 16:
        field_aware_back_any(s, dy, room, b, f, 16)
    else:
        field_aware_back_any(s, dy, room, b, f, k)


cdef void field_aware_weights_back(real_t* dw, const real_t* dy, entry_t* room, const bags_t* b, const fields_t* f,
                                   bint add) noexcept nogil:
    """dw[i] (+)= dy[j] sum over l != i in bag j of w_l v_i[f_l] . v_l[f_i]."""
    cdef dim_t k = b.D / f.n_fields, j, n, p, q, p_end, q_end, c, part, i, at
    cdef vec_t sum, v
    for j in range(b.bags):
        n = b.offsets[j + 1] - b.offsets[j]
        lay_entries(room, b, f, j)
        if not add:
            clear(dw + b.offsets[j], n)
        p = 0
        while p < n:
            p_end = field_end(room, p, n)
            q = 0
            while q < n:
                q_end = field_end(room, q, n)
                c = 0
                while c < k:
                    part = k - c if c + LANES > k else 0
                    at = room[p].field * k + c
                    sum = field_sum(room, q, q_end, at, part)
                    for i in range(p, p_end):
                        v = vec_load_lanes(room[i].row + room[q].field * k + c, part)
                        if q == p:
                            v = vec_mul(v, vec_sub(sum, vec_mul(vec_set1(room[i].weight), v)))
                        else:
                            v = vec_mul(v, sum)
                        dw[room[i].at] += dy[j] * vec_sum(v)
                    c += LANES
                q = q_end
            p = p_end
