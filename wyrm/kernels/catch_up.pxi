# What rows missed while they had no gradient, made up when they are read.
#
# Rows may repeat: a row that is current stays as it is.  A thread first moves the row's stamp and only then changes the
# row, so of several threads that find a row behind one makes up what it missed; in a Hogwild run another may read
# the row a moment too early, by design.

from libc.math cimport exp, expm1, sqrt
from libc.string cimport memcpy, memset

cdef extern from "stamp.h" nogil:
    bint wyrm_move_stamp(void* stamp, const void* before, const void* after)


cdef inline double load_double(const real_t* p) noexcept nogil:
    cdef double x
    memcpy(&x, p, sizeof(double))
    return x


cdef inline void store_double(real_t* p, double x) noexcept nogil:
    memcpy(p, &x, sizeof(double))


# --- Decay and shrinkage (SGD, Adagrad) ----------------------------------------------------------------------------

cdef inline double expm1_of_small(double x) noexcept nogil:
    """exp(x) - 1 to 1e-11 of itself, quickly where rows have missed little."""
    if x > -0.01:
        return x * (1 + x * (0.5 + x * (1 / 6.0 + x * (1 / 24.0))))
    return expm1(x)


cdef inline vec_t decay_vector(vec_t w, vec_t change, vec_t shrinkage, bint shrinks) noexcept nogil:
    # change is P - 1: adding it to a weight loses less than multiplying by P when P is nearly 1.
    w = vec_fma(change, w, w)
    return soft(w, shrinkage) if shrinks else w


cdef inline void decay_row(real_t* value, dim_t D, real_t change, real_t shrinkage) noexcept nogil:
    """value <- soft((1 + change) value, shrinkage)."""
    cdef dim_t d = 0, part = D % LANES
    cdef vec_t c = vec_set1(change), s = vec_set1(shrinkage)
    cdef bint shrinks = shrinkage > 0
    if D == 1 and not shrinks:
        value[0] += change * value[0]
        return
    while d + LANES <= D:
        vec_store(value + d, decay_vector(vec_load(value + d), c, s, shrinks))
        d += LANES
    if part:
        vec_store_part(value + d, decay_vector(vec_load_part(value + d, part), c, s, shrinks), part)


cdef void catch_up_decay(const update_t* u, const decay_clock_t* clock, double decay, double shrinkage) noexcept nogil:
    """value <- max(0, P |value| - Q) sign(value) from the row's stamp to (decay, shrinkage); the stamp becomes that."""
    cdef dim_t i, row, after = sizeof(double) // sizeof(real_t) if clock.l2 else 0
    cdef real_t* stamp
    cdef double row_decay, row_shrinkage, found_decay, found_shrinkage, change = 0, missed = 0
    cdef double last_decay = decay, last_shrinkage = shrinkage      # of the row before: equal stamps share an exp
    for i in range(u.n):
        row = row_at(u, i)
        stamp = u.state + row * u.state_stride + clock.stamp
        found_decay = row_decay = load_double(stamp) if clock.l2 else 0
        found_shrinkage = row_shrinkage = load_double(stamp + after) if clock.l1 else 0
        if row_decay < clock.whole_decay or (not clock.l2 and row_shrinkage < clock.whole_shrinkage):
            row_decay = clock.whole_decay
            row_shrinkage = clock.whole_shrinkage
        # Later than now: another thread has been here since.  Both sums grow at every step with a rate.
        if row_decay >= decay if clock.l2 else row_shrinkage >= shrinkage:
            continue
        if clock.l2:
            if not wyrm_move_stamp(stamp, &found_decay, &decay):
                continue
            if clock.l1:
                store_double(stamp + after, shrinkage)
        elif not wyrm_move_stamp(stamp, &found_shrinkage, &shrinkage):
            continue
        if row_decay != last_decay or row_shrinkage != last_shrinkage:
            change = expm1_of_small(row_decay - decay)
            missed = shrinkage - (1 + change) * row_shrinkage
            last_decay = row_decay
            last_shrinkage = row_shrinkage
        decay_row(u.value + row * u.stride, u.D, <real_t> change, <real_t> missed)


# --- Adam ----------------------------------------------------------------------------------------------------------
#
# From the stamp s to now = t a row with moments m and v has moved by
#
#     m sum_j a_j / (sqrt(v) / h_j + eps)      a_j = lr_k P_k beta1^j / (1 - beta1^k)       k = s + j,  j = 1 … t - s
#                                              h_j = sqrt(1 - beta2^k) / beta2^(j/2)
#
# where P_k is the weight decay from step k to now.  The terms vanish as (beta1 / sqrt(beta2))^j, so `horizon` of them
# are enough.  With weights g_j = a_j h_j of sum S, the mean H of h_j and its central moments relative to H,
#
#     sum_j g_j / (sqrt(v) + eps h_j) = S / (sqrt(v) + eps H) (1 + q^2 M2 - q^3 M3 + O(q^4 M4))
#     with q = eps H / (sqrt(v) + eps H)
#
# and the h_j of a row lie so close together that this is exact to 1e-7: a row costs one square root and one division
# per element however long it was away.  Only where q is not small and the h_j differ (the first steps, or betas far
# from the usual) the sum is done term by term.

cdef enum:
    CHUNK = 64


cdef struct missed_t:
    double change                # P - 1 from the stamp to now
    double scale1, scale2        # beta1^(t - s) and beta2^(t - s)
    double sum                   # S
    double mean                  # H
    double second, third         # M2, M3
    double q_limit               # the formula holds up to this q


cdef struct terms_t:
    # A walk over the missed steps, from the last one back.
    int64_t stamp
    dim_t left                   # terms still to come: j = 1 to left
    int64_t rate                 # entry of step stamp + left
    double after                 # P of step stamp + left
    double power1, power2        # beta1^stamp and beta2^stamp


cdef inline const rate_t* rate_entry(const moment_clock_t* clock, int64_t i) noexcept nogil:
    return clock.rates + (i & (clock.capacity - 1))


cdef int64_t find_rate(const moment_clock_t* clock, int64_t step) noexcept nogil:
    """The last entry that starts at or before `step`, by interpolation: schedules change in regular steps."""
    cdef int64_t high = clock.n_rates - 1, low = high - clock.capacity + 1, at, first, last
    if low < 0:
        low = 0
    while low < high:
        first = rate_entry(clock, low).start
        last = rate_entry(clock, high).start
        if step >= last:
            return high
        if step <= first:
            return low
        at = low + <int64_t> (<double> (high - low) * <double> (step - first) / <double> (last - first))
        if (high - low) & 1 or at <= low or at >= high:     # bisect now and then, lest uneven steps make it linear
            at = low + (high - low) // 2
        if at == low:
            return low
        if rate_entry(clock, at).start <= step:
            low = at
        else:
            high = at
    return low


cdef inline double decay_after(const rate_t* rate, int64_t step) noexcept nogil:
    """Sum of -log(1 - lr l2) over the steps up to and including `step`, which has this rate."""
    return rate.decay + rate.step_decay * <double> (step - rate.start + 1)


cdef inline double decay_since(const moment_clock_t* clock, int64_t step, int64_t now) noexcept nogil:
    """Sum of -log(1 - lr l2) over the steps after `step` up to and including `now`."""
    cdef double total = decay_after(rate_entry(clock, find_rate(clock, now)), now)
    if step > 0 and total > 0:
        total -= decay_after(rate_entry(clock, find_rate(clock, step)), step)
    return total if total > 0 else 0


cdef void start_terms(terms_t* terms, const moment_clock_t* clock, int64_t stamp, int64_t now) noexcept nogil:
    cdef int64_t missed = now - stamp
    terms.stamp = stamp
    terms.left = missed if missed < clock.horizon else clock.horizon
    terms.rate = find_rate(clock, stamp + terms.left)
    terms.after = exp(-decay_since(clock, stamp + terms.left, now))
    terms.power1 = exp(stamp * clock.log_beta1)
    terms.power2 = exp(stamp * clock.log_beta2)


cdef void fill_rates(double* a, dim_t n, terms_t* terms, const moment_clock_t* clock) noexcept nogil:
    """a[i] = lr P of the n steps up to stamp + left; one loop for each rate among them."""
    cdef const rate_t* rate
    cdef int64_t oldest = clock.n_rates - clock.capacity, first = terms.stamp + terms.left - n + 1
    cdef dim_t i, start, end = n
    if oldest < 0:
        oldest = 0
    while end > 0:
        rate = rate_entry(clock, terms.rate)
        start = rate.start - first if rate.start > first and terms.rate > oldest else 0
        if start >= end:                                # the walk has come to the step before
            terms.rate -= 1
            continue
        if rate.step_decay > 0:
            for i in range(end - 1, start - 1, -1):
                a[i] = rate.learning_rate * terms.after
                terms.after *= rate.keep
        else:
            for i in range(start, end):
                a[i] = rate.learning_rate * terms.after
        end = start


cdef dim_t next_terms(double* a, double* h, terms_t* terms, const moment_clock_t* clock) noexcept nogil:
    """Up to CHUNK terms before those it gave last; how many."""
    cdef dim_t i, n = terms.left if terms.left < CHUNK else CHUNK
    cdef dim_t first = terms.left - n + 1
    cdef const double* powers1 = clock.powers1 + first
    cdef const double* powers2 = clock.powers2 + first
    cdef const double* roots2 = clock.roots2 + first
    cdef double power1 = terms.power1, power2 = terms.power2
    fill_rates(a, n, terms, clock)
    for i in range(n):
        a[i] *= powers1[i]
    if power1 > 1e-17:
        for i in range(n):
            a[i] /= 1 - power1 * powers1[i]
    if terms.stamp + first < clock.unbiased:
        for i in range(n):
            h[i] = sqrt(1 - power2 * powers2[i]) * roots2[i]
    else:
        memcpy(h, roots2, n * sizeof(double))
    terms.left -= n
    return n


cdef bint sum_in_closed_form(double* sums, const moment_clock_t* clock, int64_t stamp, int64_t now,
                             double kept) noexcept nogil:
    """sums[i] = sum_j a_j h_j^(i + 1) where it is geometric: one rate, no bias correction left.  False elsewhere."""
    cdef int64_t missed = now - stamp
    cdef dim_t i, n = missed if missed < clock.horizon else clock.horizon
    cdef const rate_t* rate = rate_entry(clock, find_rate(clock, stamp + n))
    cdef double root = clock.roots2[1], root_n = clock.roots2[n], x, x_n
    if stamp < clock.unbiased or rate.start > stamp + 1:
        return False
    x = clock.beta1 / rate.keep
    if not x * root * root * root * root < 0.999:
        return False
    x_n = clock.powers1[n]
    if rate.step_decay > 0:
        x_n *= exp(rate.step_decay * <double> n)
    for i in range(4):
        x *= root
        x_n *= root_n
        sums[i] = rate.learning_rate * kept * x * (1 - x_n) / (1 - x)
    return True


cdef void sum_terms(double* sums, const moment_clock_t* clock, int64_t stamp, int64_t now) noexcept nogil:
    """sums[i] = sum_j a_j h_j^(i + 1)."""
    cdef terms_t terms
    cdef double a[CHUNK]
    cdef double h[CHUNK]
    cdef double lanes[4][4]      # four partial sums of each
    cdef dim_t n, i, j, lane
    memset(lanes, 0, sizeof(lanes))
    start_terms(&terms, clock, stamp, now)
    while terms.left > 0:
        n = next_terms(a, h, &terms, clock)
        while n % 4 != 0:
            a[n] = 0
            h[n] = 1
            n += 1
        for i in range(4):
            for j in range(n):
                a[j] *= h[j]
            for j in range(0, n, 4):
                for lane in range(4):
                    lanes[i][lane] += a[j + lane]
    for i in range(4):
        sums[i] = (lanes[i][0] + lanes[i][1]) + (lanes[i][2] + lanes[i][3])


cdef void sum_missed(missed_t* missed, const moment_clock_t* clock, int64_t stamp, int64_t now) noexcept nogil:
    """What rows last current after step `stamp` have missed up to `now`.  A stamp of 0: a row without moments yet."""
    cdef double sums[4]
    cdef double decay = decay_since(clock, stamp, now)
    missed.change = expm1_of_small(-decay)
    if stamp == 0:
        return
    missed.scale1 = clock.powers1[now - stamp] if now - stamp <= clock.horizon else 0
    missed.scale2 = exp((now - stamp) * clock.log_beta2)
    if missed.scale2 < 1e-20:           # below any effect, and short of denormal numbers
        missed.scale2 = 0
    if not sum_in_closed_form(sums, clock, stamp, now, missed.change + 1):
        sum_terms(sums, clock, stamp, now)
    missed.sum = sums[0]
    if sums[0] == 0:
        missed.mean = 1
        missed.second = missed.third = 0
        missed.q_limit = 2
        return
    missed.mean = sums[1] / sums[0]
    missed.second = sums[2] / (sums[0] * missed.mean * missed.mean) - 1
    missed.third = sums[3] / (sums[0] * missed.mean * missed.mean * missed.mean) - 3 * missed.second - 1
    # M4 is about 9 M2^2 for a geometric distribution: q^4 M4 < 1e-7 up to here.  NaN (an overflow): nowhere.
    missed.q_limit = 0.01 / sqrt(missed.second) if missed.second > 1e-20 else 2
    if not (missed.second < 1e6 and missed.third < 1e9):
        missed.q_limit = 0


cdef bint formula_holds(const real_t* m, const real_t* v, dim_t D, const missed_t* missed, double eps) noexcept nogil:
    """Whether q <= q_limit for every element that moves."""
    cdef double least
    cdef dim_t d
    if missed.q_limit >= 1:
        return True
    if missed.q_limit == 0:
        return False
    least = eps * missed.mean * (1 / missed.q_limit - 1)
    least *= least
    for d in range(D):
        if v[d] < least and m[d] != 0:
            return False
    return True


cdef struct moments_t:
    vec_t w, m, v
    vec_t change, scale1, scale2, sum, second, third, eps


cdef inline void moments_vector(moments_t* a) noexcept nogil:
    cdef vec_t inverse = vec_div(vec_set1(1), vec_add(vec_sqrt(a.v), a.eps))
    cdef vec_t q = vec_mul(a.eps, inverse)
    cdef vec_t correction = vec_fma(vec_mul(q, q), vec_fnma(q, a.third, a.second), vec_set1(1))
    cdef vec_t move = vec_mul(vec_mul(a.m, a.sum), vec_mul(inverse, correction))
    a.w = vec_sub(vec_fma(a.change, a.w, a.w), move)
    a.m = vec_mul(a.m, a.scale1)
    a.v = vec_mul(a.v, a.scale2)


cdef inline void moments_row(real_t* value, real_t* m, real_t* v, dim_t D, const missed_t* missed,
                             double eps) noexcept nogil:
    cdef moments_t a
    cdef dim_t d = 0, part = D % LANES
    a.change = vec_set1(<real_t> missed.change)
    a.scale1 = vec_set1(<real_t> missed.scale1)
    a.scale2 = vec_set1(<real_t> missed.scale2)
    a.sum = vec_set1(<real_t> missed.sum)
    a.second = vec_set1(<real_t> missed.second)
    a.third = vec_set1(<real_t> missed.third)
    a.eps = vec_set1(<real_t> (eps * missed.mean))
    while d + LANES <= D:
        a.w = vec_load(value + d)
        a.m = vec_load(m + d)
        a.v = vec_load(v + d)
        moments_vector(&a)
        vec_store(value + d, a.w)
        vec_store(m + d, a.m)
        vec_store(v + d, a.v)
        d += LANES
    if part:
        a.w = vec_load_part(value + d, part)
        a.m = vec_load_part(m + d, part)
        a.v = vec_load_part(v + d, part)
        moments_vector(&a)
        vec_store_part(value + d, a.w, part)
        vec_store_part(m + d, a.m, part)
        vec_store_part(v + d, a.v, part)


cdef void moments_row_by_terms(real_t* value, real_t* m, real_t* v, dim_t D, const missed_t* missed,
                               const moment_clock_t* clock, int64_t stamp, int64_t now) noexcept nogil:
    cdef terms_t terms
    cdef double a[CHUNK]
    cdef double h[CHUNK]
    cdef dim_t n, j, d
    cdef double root, move
    for d in range(D):
        value[d] += <real_t> missed.change * value[d]
    start_terms(&terms, clock, stamp, now)
    while terms.left > 0:
        n = next_terms(a, h, &terms, clock)
        for j in range(n):
            h[j] = 1 / h[j]
        for d in range(D):
            if m[d] != 0:
                root = sqrt(v[d])
                move = 0
                for j in range(n):
                    move += a[j] / (root * h[j] + clock.eps)
                value[d] -= <real_t> (m[d] * move)
    for d in range(D):
        m[d] *= <real_t> missed.scale1
        v[d] *= <real_t> missed.scale2


cdef void catch_up_moments(const update_t* u, const moment_clock_t* clock, int64_t now) noexcept nogil:
    """Steps stamp + 1 to now of Adam with a zero gradient; the stamp becomes now."""
    cdef missed_t missed
    cdef dim_t i, row
    cdef real_t* value
    cdef real_t* m
    cdef int64_t found, stamp, summed = -1  # equal stamps share the sums
    for i in range(u.n):
        row = row_at(u, i)
        m = u.state + row * u.state_stride
        memcpy(&found, m + clock.stamp, sizeof(int64_t))
        stamp = found if found > clock.whole else clock.whole
        if stamp >= now:
            continue
        if stamp != summed:
            sum_missed(&missed, clock, stamp, now)
            summed = stamp
        value = u.value + row * u.stride
        if stamp == 0 and missed.change == 0:
            continue
        if not wyrm_move_stamp(m + clock.stamp, &found, &now):
            continue
        if stamp == 0:
            decay_row(value, u.D, <real_t> missed.change, 0)
        elif formula_holds(m, m + u.D, u.D, &missed, clock.eps):
            moments_row(value, m, m + u.D, u.D, &missed, clock.eps)
        else:
            moments_row_by_terms(value, m, m + u.D, u.D, &missed, clock, stamp, now)
