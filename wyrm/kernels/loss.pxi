# Losses with their slopes: loss[i] and d loss[i] / d y_hat[i] in one pass.

ctypedef void (*vec_loss)(vec_t* loss, vec_t* slope, vec_t y_hat, vec_t y) noexcept nogil


cdef inlined map_loss(vec_loss f, real_t* loss, real_t* slope, const real_t* y_hat, const real_t* y,
                      dim_t n) noexcept nogil:
    cdef dim_t i = 0
    cdef vec_t value, derivative
    while i + LANES <= n:
        f(&value, &derivative, vec_load(y_hat + i), vec_load(y + i))
        vec_store(loss + i, value)
        vec_store(slope + i, derivative)
        i += LANES
    if i < n:
        f(&value, &derivative, vec_load_part(y_hat + i, n - i), vec_load_part(y + i, n - i))
        vec_store_part(loss + i, value, n - i)
        vec_store_part(slope + i, derivative, n - i)


cdef inlined squared_error_of(vec_t* loss, vec_t* slope, vec_t y_hat, vec_t y) noexcept nogil:
    cdef vec_t error = vec_sub(y_hat, y)
    loss[0] = vec_mul(error, error)
    slope[0] = vec_add(error, error)


cdef inlined logistic_of(vec_t* loss, vec_t* slope, vec_t z, vec_t y) noexcept nogil:
    # With e = exp(-|z|): softplus(z) - y z = (max(z, 0) - y z) + log(1 + e), where the bracket is exact for a confident
    # and right answer, and sigmoid(z) - y = (1 - y) sigmoid(z) - y sigmoid(-z), where nothing cancels for y = 0 or 1.
    cdef vec_t e = vec_exp_minus_abs(z), one = vec_set1(1)
    cdef vec_t likelier = vec_div(one, vec_add(one, e)), unlikelier = vec_mul(e, likelier)
    cdef ivec_t negative = vec_less(z, vec_zero())
    cdef vec_t on = vec_select(negative, unlikelier, likelier), off = vec_select(negative, likelier, unlikelier)
    loss[0] = vec_add(vec_fnma(y, z, vec_max(vec_zero(), z)), vec_log1p_unit(e))
    slope[0] = vec_fnma(y, off, vec_mul(vec_sub(one, y), on))


cdef inlined hinge_of(vec_t* loss, vec_t* slope, vec_t y_hat, vec_t y) noexcept nogil:
    cdef vec_t margin = vec_fnma(y, y_hat, vec_set1(1))
    loss[0] = vec_max(vec_zero(), margin)
    slope[0] = vec_keep(vec_less(vec_zero(), margin), vec_neg(y))


cdef void squared_error(real_t* loss, real_t* slope, const real_t* y_hat, const real_t* y, dim_t n) noexcept nogil:
    """loss = (y_hat - y)^2, slope = 2 (y_hat - y).  Overwrites."""
    map_loss(squared_error_of, loss, slope, y_hat, y, n)


cdef void logistic(real_t* loss, real_t* slope, const real_t* y_hat, const real_t* y, dim_t n) noexcept nogil:
    """loss = log(1 + exp(y_hat)) - y y_hat, slope = sigmoid(y_hat) - y, for logits and y in [0, 1].  Overwrites."""
    map_loss(logistic_of, loss, slope, y_hat, y, n)


cdef void hinge(real_t* loss, real_t* slope, const real_t* y_hat, const real_t* y, dim_t n) noexcept nogil:
    """loss = max(0, 1 - y y_hat), slope = -y where that is positive; y is -1 or 1.  Overwrites."""
    map_loss(hinge_of, loss, slope, y_hat, y, n)
