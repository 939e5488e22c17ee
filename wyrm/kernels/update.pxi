# Updates of table rows by SGD, Adagrad, Adam and FTRL.
#
# Rows are distinct and current (catch_up.pxi).  Every kernel first clips the gradient to [clip_low, clip_high] when
# `clip` is set.  soft(x, q) = sign(x) max(0, |x| - q).  Lock-free: in a Hogwild run threads race on value and state by
# design, and losing one of two updates made at the same moment is the price of having no lock.
#
# Each kernel is written once for any width and inlined with the widths that embeddings usually have.  `plain` means
# no clip, l1 or l2.  A row is cut into full vectors and one part; elements are independent, so a table of contiguous
# rows is taken as a single long one.


cdef struct vectors_t:
    # Settings, one to all lanes.
    vec_t rate, decay, shrinkage, eps, low, high
    vec_t half_rate, twice_rate, twice_eps, floor, three
    bint clip, decays, shrinks, large_eps


cdef inline void load_settings(vectors_t* c, const hyper_t* h) noexcept nogil:
    cdef real_t decay = h.learning_rate * h.l2
    c.rate = vec_set1(h.learning_rate)
    c.decay = vec_set1(decay if decay < 1 else 1)
    c.shrinkage = vec_set1(h.learning_rate * h.l1)
    c.eps = vec_set1(h.eps)
    c.half_rate = vec_set1(<real_t> 0.5 * h.learning_rate)
    c.twice_rate = vec_set1(2 * h.learning_rate)
    c.large_eps = h.eps >= <real_t> 1e-7 and h.eps <= 1
    c.twice_eps = vec_set1(2 * h.eps)
    c.floor = vec_set1(min(max(<real_t> 16_777_216 * h.eps * h.eps, <real_t> 1e-30), <real_t> 3e38))
    c.three = vec_set1(3)
    c.low = vec_set1(h.clip_low)
    c.high = vec_set1(h.clip_high)
    c.clip = h.clip
    c.decays = h.l2 != 0
    c.shrinks = h.l1 != 0


cdef inline bint is_plain(const hyper_t* h) noexcept nogil:
    return not h.clip and h.l1 == 0 and h.l2 == 0


cdef inline vec_t clipped(vec_t g, const vectors_t* c) noexcept nogil:
    # NaN stays: min and max give their second operand then.
    return vec_min(c.high, vec_max(c.low, g))


cdef inline vec_t soft(vec_t x, vec_t q) noexcept nogil:
    return vec_copysign(vec_max(vec_zero(), vec_sub(vec_abs(x), q)), x)


cdef inline const update_t* flattened(update_t* room, const update_t* u, dim_t slots) noexcept nogil:
    """The same update as one long row, made in `room`, when rows == NULL and nothing lies between the rows; else u."""
    if u.rows != NULL or u.n == 1 or u.stride != u.D or slots > 1 or (slots == 1 and u.state_stride != u.D):
        return u
    room[0] = u[0]
    room.D = u.n * u.D
    room.n = 1
    return room


cdef inline dim_t row_at(const update_t* u, dim_t i) noexcept nogil:
    return <dim_t> u.rows[i] if u.rows != NULL else i


ctypedef void (*update_kernel)(const update_t* u, const hyper_t* h) noexcept nogil

cdef enum:
    BLOCK = 64                   # rows of one element that are updated together


cdef inline void update_blocks(update_kernel update, const update_t* u, const hyper_t* h, dim_t slots) noexcept nogil:
    """Rows of one element each: gather a block of them, update it as one long row, scatter it."""
    cdef real_t value[BLOCK]
    cdef real_t state[2 * BLOCK]
    cdef update_t block
    cdef dim_t i = 0, j, k, row
    cdef const real_t* from_state
    cdef real_t* to_state
    block.value = value
    block.state = state
    block.rows = NULL
    block.n = 1
    while i < u.n:
        block.grad = u.grad + i
        block.D = block.stride = u.n - i if u.n - i < BLOCK else BLOCK
        block.state_stride = slots * block.D
        for j in range(block.D):
            row = row_at(u, i + j)
            value[j] = u.value[row * u.stride]
            from_state = u.state + row * u.state_stride
            for k in range(slots):
                state[k * block.D + j] = from_state[k]
        update(&block, h)
        for j in range(block.D):
            row = row_at(u, i + j)
            u.value[row * u.stride] = value[j]
            to_state = u.state + row * u.state_stride
            for k in range(slots):
                to_state[k] = state[k * block.D + j]
        i += block.D


# --- SGD -----------------------------------------------------------------------------------------------------------

cdef inline vec_t sgd_vector(vec_t w, vec_t g, const vectors_t* c, bint plain) noexcept nogil:
    if not plain and c.clip:
        g = clipped(g, c)
    g = vec_mul(c.rate, g)
    if not plain and c.decays:
        g = vec_fma(c.decay, w, g)
    w = vec_sub(w, g)
    if not plain and c.shrinks:
        w = soft(w, c.shrinkage)
    return w


cdef inline void sgd_dim(const update_t* u, const hyper_t* h, dim_t D, bint plain) noexcept nogil:
    cdef vectors_t c
    cdef dim_t i, d, part = D % LANES
    cdef real_t* value
    cdef const real_t* grad = u.grad
    cdef vec_t w
    load_settings(&c, h)
    for i in range(u.n):
        value = u.value + row_at(u, i) * u.stride
        d = 0
        while d + LANES <= D:
            vec_store(value + d, sgd_vector(vec_load(value + d), vec_load(grad + d), &c, plain))
            d += LANES
        if part:
            w = sgd_vector(vec_load_part(value + d, part), vec_load_part(grad + d, part), &c, plain)
            vec_store_part(value + d, w, part)
        grad += D


cdef inline void sgd_scalars(const update_t* u, real_t rate) noexcept nogil:
    cdef dim_t i
    if u.rows == NULL:
        for i in range(u.n):
            u.value[i * u.stride] -= rate * u.grad[i]
    else:
        for i in range(u.n):
            u.value[u.rows[i] * u.stride] -= rate * u.grad[i]


cdef void sgd_rows(const update_t* u, const hyper_t* h) noexcept nogil:
    """value <- soft((1 - lr l2) value - lr grad, lr l1).  Reads learning_rate, l2, l1, clip."""
    cdef update_t room
    cdef const update_t* flat
    if u.D == 1 and is_plain(h):
        sgd_scalars(u, h.learning_rate)
        return
    flat = flattened(&room, u, 0)
    if flat.D == 1 and flat.n > 1:
        update_blocks(sgd_rows, flat, h, 0)
    elif not is_plain(h):
        sgd_dim(flat, h, flat.D, False)
    elif flat.D == 4:
        sgd_dim(flat, h, 4, True)
    elif flat.D == 8:
        sgd_dim(flat, h, 8, True)
    elif flat.D == 16:
        sgd_dim(flat, h, 16, True)
    elif flat.D == 32:
        sgd_dim(flat, h, 32, True)
    elif flat.D == 64:
        sgd_dim(flat, h, 64, True)
    else:
        sgd_dim(flat, h, flat.D, True)


# --- Adagrad -------------------------------------------------------------------------------------------------------
#
# step = lr grad / (sqrt(accum) + eps).  A square root and a division take most of the time of a model whose rows are
# wide.  The processor's estimates, each refined by a Newton step, are faster, and as exact as a few roundings allow:
#
# Where accum >= (4096 eps)^2, which is nearly always if eps is there to keep from dividing by zero, the estimate y of
# 1 / sqrt(accum) becomes y (3 - accum y^2) / 2, and eps / sqrt(accum), at most 2^-12, enters as eps y.
# Where eps is from 1e-7 to 1, what accum lacks of 1e-30 counts for nothing, so no look at accum is needed: the root is
# estimated, eps added, and the reciprocal of the sum estimated.
#
# Gradients of zero move nothing, whatever accum is.

cdef inline vec_t adagrad_estimate(vec_t w, vec_t accum, vec_t g, const vectors_t* c) noexcept nogil:
    # w after the step, where accum >= (4096 eps)^2 in all lanes.
    cdef vec_t y = vec_rsqrt_estimate(accum)
    return vec_fnma(vec_mul(vec_mul(c.half_rate, g), y), vec_fnma(vec_fma(accum, y, c.twice_eps), y, c.three), w)


cdef inline vec_t adagrad_estimate_large(vec_t w, vec_t accum, vec_t g, const vectors_t* c) noexcept nogil:
    # The same for any accum, where eps is from 1e-7 to 1.
    cdef vec_t a = vec_max(vec_set1(<real_t> 1e-30), accum)
    cdef vec_t y = vec_rsqrt_estimate(a)
    cdef vec_t root = vec_mul(a, y)
    cdef vec_t twice = vec_fma(root, vec_fnma(root, y, c.three), c.twice_eps)    # 2 (sqrt(accum) + eps)
    cdef vec_t r = vec_reciprocal_estimate(twice)
    return vec_fnma(vec_mul(vec_mul(c.twice_rate, g), r), vec_fnma(twice, r, vec_set1(2)), w)


cdef inline vec_t adagrad_moved(vec_t w, vec_t accum, vec_t g, const vectors_t* c) noexcept nogil:
    if ESTIMATES and c.large_eps:
        return adagrad_estimate_large(w, accum, g, c)
    if ESTIMATES and often(not vec_any(ivec_andnot(vec_less(accum, c.floor), vec_equal(g, vec_zero())))):
        return adagrad_estimate(w, vec_max(c.floor, accum), g, c)
    return vec_sub(w, vec_div(vec_mul(c.rate, g), vec_add(vec_sqrt(accum), c.eps)))


cdef inline vec_t adagrad_vector(vec_t w, vec_t* accum, vec_t g, const vectors_t* c, bint plain) noexcept nogil:
    cdef vec_t before = w
    if not plain and c.clip:
        g = clipped(g, c)
    accum[0] = vec_fma(g, g, accum[0])
    w = adagrad_moved(w, accum[0], g, c)
    if not plain and c.decays:
        w = vec_fnma(c.decay, before, w)
    if not plain and c.shrinks:
        w = soft(w, c.shrinkage)
    return w


cdef inline void adagrad_dim(const update_t* u, const hyper_t* h, dim_t D, bint plain) noexcept nogil:
    cdef vectors_t c
    cdef dim_t i, d, row, part = D % LANES
    cdef real_t* value
    cdef real_t* accum
    cdef const real_t* grad = u.grad
    cdef vec_t a, w
    load_settings(&c, h)
    for i in range(u.n):
        row = row_at(u, i)
        value = u.value + row * u.stride
        accum = u.state + row * u.state_stride
        d = 0
        while d + LANES <= D:
            a = vec_load(accum + d)
            w = adagrad_vector(vec_load(value + d), &a, vec_load(grad + d), &c, plain)
            vec_store(accum + d, a)
            vec_store(value + d, w)
            d += LANES
        if part:
            a = vec_load_part(accum + d, part)
            w = adagrad_vector(vec_load_part(value + d, part), &a, vec_load_part(grad + d, part), &c, plain)
            vec_store_part(accum + d, a, part)
            vec_store_part(value + d, w, part)
        grad += D


cdef inlined adagrad_narrow(const update_t* u, const hyper_t* h, dim_t stride, bint plain) noexcept nogil:
    # Rows of one element with its sum behind it, LANES of them at a time.
    cdef vectors_t c
    cdef dim_t i = 0, k, n
    cdef const row_t* rows
    cdef const real_t* grad
    cdef row_t last_rows[LANES]
    cdef real_t last_grad[LANES]
    cdef vec_t w, a
    load_settings(&c, h)
    while i < u.n:
        n = min(u.n - i, <dim_t> LANES)
        rows, grad = u.rows + i, u.grad + i
        if n < LANES:                    # its last row stands for the missing ones
            for k in range(LANES):
                last_rows[k] = rows[min(k, n - 1)]
                last_grad[k] = grad[min(k, n - 1)]
            rows, grad = last_rows, last_grad
        vec_load_pairs(&w, &a, u.value, rows, stride)
        w = adagrad_vector(w, &a, vec_load(grad), &c, plain)
        vec_store_pairs(u.value, rows, stride, w, a)
        i += LANES


cdef void adagrad_rows(const update_t* u, const hyper_t* h) noexcept nogil:
    """accum += grad^2;  value <- soft((1 - lr l2) value - lr grad / (sqrt(accum) + eps), lr l1).

    State: slot 0 is accum.  Reads learning_rate, eps, l2, l1, clip.
    """
    cdef update_t room
    cdef const update_t* flat = flattened(&room, u, 1)
    if flat.D == 1 and flat.n > 1:
        if flat.rows == NULL or flat.state != flat.value + 1 or flat.stride != flat.state_stride:
            update_blocks(adagrad_rows, flat, h, 1)
        elif flat.stride == 2 and is_plain(h):
            adagrad_narrow(flat, h, 2, True)
        else:
            adagrad_narrow(flat, h, flat.stride, False)
    elif not is_plain(h):
        adagrad_dim(flat, h, flat.D, False)
    elif flat.D == 4:
        adagrad_dim(flat, h, 4, True)
    elif flat.D == 8:
        adagrad_dim(flat, h, 8, True)
    elif flat.D == 16:
        adagrad_dim(flat, h, 16, True)
    elif flat.D == 32:
        adagrad_dim(flat, h, 32, True)
    elif flat.D == 64:
        adagrad_dim(flat, h, 64, True)
    else:
        adagrad_dim(flat, h, flat.D, True)


# --- Adam ----------------------------------------------------------------------------------------------------------

cdef struct adam_t:
    vec_t w, m, v
    vec_t gain1, gain2, rate, eps


cdef inline void adam_vector(adam_t* a, vec_t g, const vectors_t* c, bint plain) noexcept nogil:
    cdef vec_t move
    if not plain and c.clip:
        g = clipped(g, c)
    a.m = vec_fma(a.gain1, vec_sub(g, a.m), a.m)
    a.v = vec_fma(a.gain2, vec_sub(vec_mul(g, g), a.v), a.v)
    move = vec_div(vec_mul(a.rate, a.m), vec_add(vec_sqrt(a.v), a.eps))
    if not plain and c.decays:
        move = vec_fma(c.decay, a.w, move)
    a.w = vec_sub(a.w, move)


cdef inline void adam_dim(const update_t* u, const hyper_t* h, dim_t D, bint plain) noexcept nogil:
    cdef vectors_t c
    cdef adam_t a
    cdef dim_t i, d, row, part = D % LANES
    cdef real_t* value
    cdef real_t* m
    cdef real_t* v
    cdef const real_t* grad = u.grad
    load_settings(&c, h)
    a.gain1 = vec_set1(h.gain1)
    a.gain2 = vec_set1(h.gain2)
    a.rate = vec_set1(h.adam_rate)
    a.eps = vec_set1(h.adam_eps)
    for i in range(u.n):
        row = row_at(u, i)
        value = u.value + row * u.stride
        m = u.state + row * u.state_stride
        v = m + D
        d = 0
        while d + LANES <= D:
            a.w = vec_load(value + d)
            a.m = vec_load(m + d)
            a.v = vec_load(v + d)
            adam_vector(&a, vec_load(grad + d), &c, plain)
            vec_store(m + d, a.m)
            vec_store(v + d, a.v)
            vec_store(value + d, a.w)
            d += LANES
        if part:
            a.w = vec_load_part(value + d, part)
            a.m = vec_load_part(m + d, part)
            a.v = vec_load_part(v + d, part)
            adam_vector(&a, vec_load_part(grad + d, part), &c, plain)
            vec_store_part(m + d, a.m, part)
            vec_store_part(v + d, a.v, part)
            vec_store_part(value + d, a.w, part)
        grad += D


cdef void adam_rows(const update_t* u, const hyper_t* h) noexcept nogil:
    """m += gain1 (grad - m);  v += gain2 (grad^2 - v)
    value <- (1 - lr l2) value - adam_rate m / (sqrt(v) + adam_eps)

    State: slot 0 is m, slot 1 is v.  Reads learning_rate, l2, clip, gain1, gain2, adam_rate, adam_eps.
    """
    if u.D == 1 and u.n > 1:
        update_blocks(adam_rows, u, h, 2)
    elif not is_plain(h):
        adam_dim(u, h, u.D, False)
    elif u.D == 4:
        adam_dim(u, h, 4, True)
    elif u.D == 8:
        adam_dim(u, h, 8, True)
    elif u.D == 16:
        adam_dim(u, h, 16, True)
    elif u.D == 32:
        adam_dim(u, h, 32, True)
    elif u.D == 64:
        adam_dim(u, h, 64, True)
    else:
        adam_dim(u, h, u.D, True)


# --- FTRL-Proximal -------------------------------------------------------------------------------------------------
#
# McMahan et al. (2013) keep z, and get the weight from it: w = -soft(z, l1) / c with
# c = (beta + sqrt(accum)) / lr + l2, where z' = z + grad - (c' - c) w.  While w is not 0 that can be turned round:
# z = -(c w + sign(w) l1).  So z' = grad - c' w - sign(w) l1 follows from the weight alone, whatever c was: the rate may
# change from step to step, rows start from any weights, and where the sign stays the whole step is w - grad / c'.  z
# has to be kept for zero weights only.

cdef struct ftrl_t:
    vec_t w, z, accum
    vec_t beta, l1, l2, inverse_rate


cdef inline void ftrl_vector(ftrl_t* f, vec_t g, const vectors_t* c) noexcept nogil:
    cdef vec_t scale, ahead, signed, numerator
    cdef ivec_t zero, same
    if c.clip:
        g = clipped(g, c)
    f.accum = vec_fma(g, g, f.accum)
    scale = vec_fma(vec_add(f.beta, vec_sqrt(f.accum)), f.inverse_rate, f.l2)
    zero = vec_equal(f.w, vec_zero())
    ahead = vec_sub(vec_mul(scale, f.w), g)                     # c' w - grad
    # The sign of the weight stays unless it is 0 or sign(w) (c' w - grad) is not positive.  NaN goes with the former.
    signed = vec_mul(vec_copysign(vec_set1(1), f.w), ahead)
    same = ivec_andnot(ivec_set1(-1), ivec_or(zero, vec_less_equal(signed, vec_zero())))
    f.z = vec_select(zero, vec_add(f.z, g), vec_neg(vec_add(ahead, vec_copysign(f.l1, f.w))))
    numerator = vec_select(same, g, soft(f.z, f.l1))
    f.w = vec_sub(vec_keep(same, f.w), vec_div(numerator, scale))


cdef inline void ftrl_dim(const update_t* u, const hyper_t* h, dim_t D) noexcept nogil:
    cdef vectors_t c
    cdef ftrl_t f
    cdef dim_t i, d, row, part = D % LANES
    cdef real_t* value
    cdef real_t* z
    cdef real_t* accum
    cdef const real_t* grad = u.grad
    cdef real_t rate = h.learning_rate
    load_settings(&c, h)
    f.beta = vec_set1(h.beta)
    f.l1 = vec_set1(h.l1)
    f.l2 = vec_set1(h.l2)
    f.inverse_rate = vec_set1(1 / (rate if rate > <real_t> 1e-20 else <real_t> 1e-20))
    for i in range(u.n):
        row = row_at(u, i)
        value = u.value + row * u.stride
        z = u.state + row * u.state_stride
        accum = z + D
        d = 0
        while d + LANES <= D:
            f.w = vec_load(value + d)
            f.z = vec_load(z + d)
            f.accum = vec_load(accum + d)
            ftrl_vector(&f, vec_load(grad + d), &c)
            vec_store(z + d, f.z)
            vec_store(accum + d, f.accum)
            vec_store(value + d, f.w)
            d += LANES
        if part:
            f.w = vec_load_part(value + d, part)
            f.z = vec_load_part(z + d, part)
            f.accum = vec_load_part(accum + d, part)
            ftrl_vector(&f, vec_load_part(grad + d, part), &c)
            vec_store_part(z + d, f.z, part)
            vec_store_part(accum + d, f.accum, part)
            vec_store_part(value + d, f.w, part)
        grad += D


cdef void ftrl_rows(const update_t* u, const hyper_t* h) noexcept nogil:
    """accum += grad^2;  z += grad - (c - c_before) value;  value <- -soft(z, l1) / c

    with c = (beta + sqrt(accum)) / lr + l2.  State: slot 0 is z, slot 1 is accum.  beta > 0.
    Reads learning_rate, beta, l2, l1, clip.
    """
    if u.D == 1 and u.n > 1:
        update_blocks(ftrl_rows, u, h, 2)
    elif u.D == 4:
        ftrl_dim(u, h, 4)
    elif u.D == 8:
        ftrl_dim(u, h, 8)
    elif u.D == 16:
        ftrl_dim(u, h, 16)
    elif u.D == 32:
        ftrl_dim(u, h, 32)
    elif u.D == 64:
        ftrl_dim(u, h, 64)
    else:
        ftrl_dim(u, h, u.D)
