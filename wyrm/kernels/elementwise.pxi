# Functions of one or two operands, element by element, and their derivatives.
#
# map_* run a vector function over arrays: the function is a constant where they are inlined, so its body ends up in
# the loop.  The last, incomplete vector goes through the same function.  All loads of a vector come before its
# store, which is what makes in-place calls right.

ctypedef vec_t (*vec_map)(vec_t) noexcept nogil
ctypedef vec_t (*vec_slope)(vec_t, vec_t, vec_t) noexcept nogil
ctypedef vec_t (*vec_pair)(vec_t, vec_t) noexcept nogil


# ---- one operand ----

cdef inlined map_unary(vec_map f, real_t* y, const real_t* x, dim_t n) noexcept nogil:
    cdef dim_t i = 0
    while i + LANES <= n:
        vec_store(y + i, f(vec_load(x + i)))
        i += LANES
    if i < n:
        vec_store_part(y + i, f(vec_load_part(x + i, n - i)), n - i)


cdef inlined map_slope(
    vec_slope f, real_t* dx, const real_t* dy, const real_t* x, const real_t* y, dim_t n, bint add,
) noexcept nogil:
    cdef dim_t i = 0
    while i + LANES <= n:
        vec_put(dx + i, f(vec_load(dy + i), vec_load(x + i), vec_load(y + i)), add)
        i += LANES
    if i < n:
        vec_put_part(dx + i, f(vec_load_part(dy + i, n - i), vec_load_part(x + i, n - i),
                               vec_load_part(y + i, n - i)), n - i, add)


cdef inlined map_unary_back(
    vec_slope f, real_t* dx, const real_t* dy, const real_t* x, const real_t* y, dim_t n, bint add,
) noexcept nogil:
    if add:
        map_slope(f, dx, dy, x, y, n, True)
    else:
        map_slope(f, dx, dy, x, y, n, False)


cdef inline vec_t square_of(vec_t x) noexcept nogil:
    return vec_mul(x, x)


cdef inline vec_t relu_of(vec_t x) noexcept nogil:
    return vec_max(vec_zero(), x)


cdef inline vec_t negate_slope(vec_t dy, vec_t x, vec_t y) noexcept nogil:
    return vec_neg(dy)


cdef inline vec_t square_slope(vec_t dy, vec_t x, vec_t y) noexcept nogil:
    return vec_mul(dy, vec_add(x, x))


cdef inline vec_t sqrt_slope(vec_t dy, vec_t x, vec_t y) noexcept nogil:
    return vec_div(dy, vec_add(y, y))


cdef inline vec_t exp_slope(vec_t dy, vec_t x, vec_t y) noexcept nogil:
    return vec_mul(dy, y)


cdef inline vec_t log_slope(vec_t dy, vec_t x, vec_t y) noexcept nogil:
    return vec_div(dy, x)


cdef inline vec_t tanh_slope(vec_t dy, vec_t x, vec_t y) noexcept nogil:
    # Not 1 - y^2, which cancels near y = 1.
    return vec_mul(dy, vec_mul(vec_sub(vec_set1(1), y), vec_add(vec_set1(1), y)))


cdef inline vec_t sigmoid_slope(vec_t dy, vec_t x, vec_t y) noexcept nogil:
    return vec_mul(dy, vec_mul(y, vec_sub(vec_set1(1), y)))


cdef inline vec_t relu_slope(vec_t dy, vec_t x, vec_t y) noexcept nogil:
    return vec_keep(vec_less(vec_zero(), x), dy)


cdef inline vec_t softplus_slope(vec_t dy, vec_t x, vec_t y) noexcept nogil:
    return vec_mul(dy, vec_sigmoid(x))


cdef void negate(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = -x.  Overwrites; y may be x."""
    map_unary(vec_neg, y, x, n)


cdef void square(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = x^2.  Overwrites; y may be x."""
    map_unary(square_of, y, x, n)


cdef void square_root(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = sqrt(x), NaN for negative x.  Overwrites; y may be x."""
    map_unary(vec_sqrt, y, x, n)


cdef void exponential(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = exp(x).  Overwrites; y may be x."""
    map_unary(vec_exp, y, x, n)


cdef void logarithm(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = log(x): -infinity at 0, NaN below.  Overwrites; y may be x."""
    map_unary(vec_log, y, x, n)


cdef void hyperbolic_tangent(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = tanh(x).  Overwrites; y may be x."""
    map_unary(vec_tanh, y, x, n)


cdef void sigmoid(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = 1 / (1 + exp(-x)).  Overwrites; y may be x."""
    map_unary(vec_sigmoid, y, x, n)


cdef void relu(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = max(x, 0); a NaN stays.  Overwrites; y may be x."""
    map_unary(relu_of, y, x, n)


cdef void softplus(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = log(1 + exp(x)).  Overwrites; y may be x."""
    map_unary(vec_softplus, y, x, n)


cdef void clip(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = min(max(x, attr[0]), attr[1]); a NaN stays.  Needs attr[0] <= attr[1].  Overwrites; y may be x."""
    cdef vec_t low = vec_set1(attr[0]), high = vec_set1(attr[1])
    cdef dim_t i = 0
    while i + LANES <= n:
        vec_store(y + i, vec_min(high, vec_max(low, vec_load(x + i))))
        i += LANES
    if i < n:
        vec_store_part(y + i, vec_min(high, vec_max(low, vec_load_part(x + i, n - i))), n - i)


cdef void fast_exponential(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = exp(x), approximately (see vec_fast_exp).  Overwrites; y may be x."""
    map_unary(vec_fast_exp, y, x, n)


cdef void fast_logarithm(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = log(x), approximately (see vec_fast_log).  Overwrites; y may be x."""
    map_unary(vec_fast_log, y, x, n)


cdef void fast_hyperbolic_tangent(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = tanh(x), approximately (see vec_fast_tanh).  Overwrites; y may be x."""
    map_unary(vec_fast_tanh, y, x, n)


cdef void fast_sigmoid(real_t* y, const real_t* x, const real_t* attr, dim_t n) noexcept nogil:
    """y = 1 / (1 + exp(-x)), approximately (see vec_fast_sigmoid).  Overwrites; y may be x."""
    map_unary(vec_fast_sigmoid, y, x, n)


cdef void negate_back(real_t* dx, const real_t* dy, const real_t* x, const real_t* y,
                      const real_t* attr, dim_t n, bint add) noexcept nogil:
    """dx (+)= -dy"""
    map_unary_back(negate_slope, dx, dy, x, y, n, add)


cdef void square_back(real_t* dx, const real_t* dy, const real_t* x, const real_t* y,
                      const real_t* attr, dim_t n, bint add) noexcept nogil:
    """dx (+)= 2 dy x"""
    map_unary_back(square_slope, dx, dy, x, y, n, add)


cdef void square_root_back(real_t* dx, const real_t* dy, const real_t* x, const real_t* y,
                           const real_t* attr, dim_t n, bint add) noexcept nogil:
    """dx (+)= dy / (2 y)"""
    map_unary_back(sqrt_slope, dx, dy, x, y, n, add)


cdef void exponential_back(real_t* dx, const real_t* dy, const real_t* x, const real_t* y,
                           const real_t* attr, dim_t n, bint add) noexcept nogil:
    """dx (+)= dy y"""
    map_unary_back(exp_slope, dx, dy, x, y, n, add)


cdef void logarithm_back(real_t* dx, const real_t* dy, const real_t* x, const real_t* y,
                         const real_t* attr, dim_t n, bint add) noexcept nogil:
    """dx (+)= dy / x"""
    map_unary_back(log_slope, dx, dy, x, y, n, add)


cdef void hyperbolic_tangent_back(real_t* dx, const real_t* dy, const real_t* x, const real_t* y,
                                  const real_t* attr, dim_t n, bint add) noexcept nogil:
    """dx (+)= dy (1 - y^2)"""
    map_unary_back(tanh_slope, dx, dy, x, y, n, add)


cdef void sigmoid_back(real_t* dx, const real_t* dy, const real_t* x, const real_t* y,
                       const real_t* attr, dim_t n, bint add) noexcept nogil:
    """dx (+)= dy y (1 - y)"""
    map_unary_back(sigmoid_slope, dx, dy, x, y, n, add)


cdef void relu_back(real_t* dx, const real_t* dy, const real_t* x, const real_t* y,
                    const real_t* attr, dim_t n, bint add) noexcept nogil:
    """dx (+)= dy where x > 0"""
    map_unary_back(relu_slope, dx, dy, x, y, n, add)


cdef void softplus_back(real_t* dx, const real_t* dy, const real_t* x, const real_t* y,
                        const real_t* attr, dim_t n, bint add) noexcept nogil:
    """dx (+)= dy / (1 + exp(-x))"""
    map_unary_back(softplus_slope, dx, dy, x, y, n, add)


cdef void clip_back(real_t* dx, const real_t* dy, const real_t* x, const real_t* y,
                    const real_t* attr, dim_t n, bint add) noexcept nogil:
    """dx (+)= dy where attr[0] <= x <= attr[1]"""
    cdef vec_t low = vec_set1(attr[0]), high = vec_set1(attr[1]), at, inside
    cdef dim_t i = 0
    while i + LANES <= n:
        at = vec_load(x + i)
        inside = vec_keep(ivec_and(vec_less_equal(low, at), vec_less_equal(at, high)), vec_load(dy + i))
        vec_put(dx + i, inside, add)
        i += LANES
    if i < n:
        at = vec_load_part(x + i, n - i)
        inside = vec_keep(ivec_and(vec_less_equal(low, at), vec_less_equal(at, high)), vec_load_part(dy + i, n - i))
        vec_put_part(dx + i, inside, n - i, add)


# ---- two operands ----

cdef inlined map_steps(vec_pair f, real_t* y, const real_t* a, const real_t* b,
                       bint a_step, bint b_step, dim_t n, bint add) noexcept nogil:
    # Only called with n > 0: the broadcast element is read before the loop.
    cdef vec_t u = vec_set1(a[0]), v = vec_set1(b[0])
    cdef dim_t i = 0
    while i + LANES <= n:
        if a_step:
            u = vec_load(a + i)
        if b_step:
            v = vec_load(b + i)
        vec_put(y + i, f(u, v), add)
        i += LANES
    if i < n:
        if a_step:
            u = vec_load_part(a + i, n - i)
        if b_step:
            v = vec_load_part(b + i, n - i)
        vec_put_part(y + i, f(u, v), n - i, add)


cdef inlined map_binary(vec_pair f, real_t* y, const real_t* a, const real_t* b,
                        dim_t a_step, dim_t b_step, dim_t n, bint add) noexcept nogil:
    # One loop for each way to broadcast.
    if n <= 0:
        return
    if a_step and b_step:
        map_steps(f, y, a, b, True, True, n, add)
    elif a_step:
        map_steps(f, y, a, b, True, False, n, add)
    elif b_step:
        map_steps(f, y, a, b, False, True, n, add)
    else:
        map_steps(f, y, a, b, False, False, n, add)


cdef inlined map_binary_back(vec_pair f, real_t* dx, const real_t* dy, const real_t* b,
                             dim_t b_step, dim_t n, bint add) noexcept nogil:
    if n <= 0:
        return
    if add:
        if b_step:
            map_steps(f, dx, dy, b, True, True, n, True)
        else:
            map_steps(f, dx, dy, b, True, False, n, True)
    elif b_step:
        map_steps(f, dx, dy, b, True, True, n, False)
    else:
        map_steps(f, dx, dy, b, True, False, n, False)


cdef void add_elements(real_t* y, const real_t* a, const real_t* b,
                       dim_t a_step, dim_t b_step, dim_t n) noexcept nogil:
    """y = a + b.  Overwrites; y may be a or b."""
    map_binary(vec_add, y, a, b, a_step, b_step, n, False)


cdef void subtract_elements(real_t* y, const real_t* a, const real_t* b,
                            dim_t a_step, dim_t b_step, dim_t n) noexcept nogil:
    """y = a - b.  Overwrites; y may be a or b."""
    map_binary(vec_sub, y, a, b, a_step, b_step, n, False)


cdef void multiply_elements(real_t* y, const real_t* a, const real_t* b,
                            dim_t a_step, dim_t b_step, dim_t n) noexcept nogil:
    """y = a b.  Overwrites; y may be a or b."""
    map_binary(vec_mul, y, a, b, a_step, b_step, n, False)


cdef void divide_elements(real_t* y, const real_t* a, const real_t* b,
                          dim_t a_step, dim_t b_step, dim_t n) noexcept nogil:
    """y = a / b.  Overwrites; y may be a or b."""
    map_binary(vec_div, y, a, b, a_step, b_step, n, False)


cdef void pass_back(real_t* dx, const real_t* dy, const real_t* a, const real_t* b, const real_t* y,
                    dim_t a_step, dim_t b_step, dim_t n, bint add) noexcept nogil:
    """dx (+)= dy: a + b to either side, and a - b to a."""
    scale(dx, dy, 1, n, add)


cdef void subtract_back_b(real_t* dx, const real_t* dy, const real_t* a, const real_t* b, const real_t* y,
                          dim_t a_step, dim_t b_step, dim_t n, bint add) noexcept nogil:
    """dx (+)= -dy"""
    scale(dx, dy, -1, n, add)


cdef void multiply_back_a(real_t* dx, const real_t* dy, const real_t* a, const real_t* b, const real_t* y,
                          dim_t a_step, dim_t b_step, dim_t n, bint add) noexcept nogil:
    """dx (+)= dy b"""
    map_binary_back(vec_mul, dx, dy, b, b_step, n, add)


cdef void multiply_back_b(real_t* dx, const real_t* dy, const real_t* a, const real_t* b, const real_t* y,
                          dim_t a_step, dim_t b_step, dim_t n, bint add) noexcept nogil:
    """dx (+)= dy a"""
    map_binary_back(vec_mul, dx, dy, a, a_step, n, add)


cdef void divide_back_a(real_t* dx, const real_t* dy, const real_t* a, const real_t* b, const real_t* y,
                        dim_t a_step, dim_t b_step, dim_t n, bint add) noexcept nogil:
    """dx (+)= dy / b"""
    map_binary_back(vec_div, dx, dy, b, b_step, n, add)


cdef void divide_back_b(real_t* dx, const real_t* dy, const real_t* a, const real_t* b, const real_t* y,
                        dim_t a_step, dim_t b_step, dim_t n, bint add) noexcept nogil:
    """dx (+)= -dy y / b, with y = a / b"""
    cdef vec_t divisor
    cdef dim_t i = 0
    if n <= 0:
        return
    divisor = vec_neg(vec_set1(b[0]))
    while i + LANES <= n:
        if b_step:
            divisor = vec_neg(vec_load(b + i))
        vec_put(dx + i, vec_mul(vec_div(vec_load(dy + i), divisor), vec_load(y + i)), add)
        i += LANES
    if i < n:
        if b_step:
            divisor = vec_neg(vec_load_part(b + i, n - i))
        vec_put_part(dx + i, vec_mul(vec_div(vec_load_part(dy + i, n - i), divisor),
                                     vec_load_part(y + i, n - i)), n - i, add)


# ---- by a factor ----

cdef inlined scale_row(real_t* y, const real_t* x, vec_t alpha, dim_t n, bint add) noexcept nogil:
    cdef dim_t i = 0
    if add:
        while i + LANES <= n:
            vec_store(y + i, vec_fma(alpha, vec_load(x + i), vec_load(y + i)))
            i += LANES
        if i < n:
            vec_store_part(y + i, vec_fma(alpha, vec_load_part(x + i, n - i), vec_load_part(y + i, n - i)), n - i)
    else:
        while i + LANES <= n:
            vec_store(y + i, vec_mul(alpha, vec_load(x + i)))
            i += LANES
        if i < n:
            vec_store_part(y + i, vec_mul(alpha, vec_load_part(x + i, n - i)), n - i)


cdef void scale(real_t* y, const real_t* x, real_t alpha, dim_t n, bint add) noexcept nogil:
    """y (+)= alpha x; y may be x."""
    scale_row(y, x, vec_set1(alpha), n, add)


cdef void scale_rows(real_t* y, const real_t* x, const real_t* alpha, dim_t x_stride,
                     dim_t rows, dim_t cols, bint add) noexcept nogil:
    """y[r] (+)= alpha[r] x[r]; rows of x x_stride apart, of y contiguous."""
    cdef dim_t r
    if cols == 1 and x_stride == 1:
        map_binary(vec_mul, y, x, alpha, 1, 1, rows, add)
        return
    for r in range(rows):
        scale_row(y + r * cols, x + r * x_stride, vec_set1(alpha[r]), cols, add)
