# Cython declarations of simd.h, lanes.h and vecmath.h, which every kernel file speaks; include after real_t is known.

cdef enum:
    # Accumulators that a loop over rows keeps in registers: 100 floats in vectors of 8 are 12 and a half, and with two
    # vectors at work 15 of 16 registers are in use.
    WIDE = 13

cdef extern from "simd.h" nogil:
    ctypedef struct vec_t:               # LANES elements of real_t
        pass
    ctypedef struct ivec_t:              # LANES integers of the same width, or a mask
        pass
    ctypedef int wyrm_int
    ctypedef void inlined "WYRM_INLINED"   # `cdef inlined f(...)`: no value, and always inlined
    enum:
        LANES
        ESTIMATES                        # whether vec_rsqrt_estimate() is fast

    vec_t vec_load(const real_t* p)
    void vec_store(real_t* p, vec_t v)
    vec_t vec_load_part(const real_t* p, dim_t n)        # n < LANES elements, 0 in the other lanes
    void vec_store_part(real_t* p, vec_t v, dim_t n)     # n < LANES elements
    ivec_t vec_first(dim_t n)                            # a mask of the first n lanes
    ivec_t vec_last(dim_t n)                             # a mask of the last n lanes
    vec_t vec_load_masked(const real_t* p, ivec_t mask, dim_t n)   # vec_load_part() with mask = vec_first(n), for loops
    vec_t vec_hold(vec_t v)                              # v, kept in a register
    const real_t* real_hold(const real_t* p)             # p, kept as one pointer
    vec_t vec_set1(real_t x)
    vec_t vec_zero()
    void vec_prefetch_far(const void* p)                 # into the second cache

    vec_t vec_load_lanes(const real_t* p, dim_t part)    # all lanes when part is 0
    void vec_put(real_t* p, vec_t v, bint add)           # store or add
    void vec_put_part(real_t* p, vec_t v, dim_t n, bint add)
    void vec_put_lanes(real_t* p, vec_t v, dim_t part, bint add)

    vec_t vec_add(vec_t a, vec_t b)
    vec_t vec_sub(vec_t a, vec_t b)
    vec_t vec_mul(vec_t a, vec_t b)
    vec_t vec_div(vec_t a, vec_t b)
    vec_t vec_neg(vec_t a)
    vec_t vec_fma(vec_t a, vec_t b, vec_t c)             # a * b + c
    vec_t vec_fnma(vec_t a, vec_t b, vec_t c)            # c - a * b
    vec_t vec_sqrt(vec_t a)
    vec_t vec_rsqrt_estimate(vec_t a)                    # to 11 bits, for a > 0
    vec_t vec_reciprocal_estimate(vec_t a)
    vec_t vec_abs(vec_t a)
    vec_t vec_copysign(vec_t magnitude, vec_t sign)
    vec_t vec_min(vec_t a, vec_t b)                      # a < b ? a : b; b where either is NaN
    vec_t vec_max(vec_t a, vec_t b)                      # a > b ? a : b; b where either is NaN

    ivec_t vec_less(vec_t a, vec_t b)
    ivec_t vec_less_equal(vec_t a, vec_t b)
    ivec_t vec_equal(vec_t a, vec_t b)
    bint often "WYRM_LIKELY"(bint condition)             # the condition, which nearly always holds
    bint vec_any(ivec_t mask)                            # whether any lane is set
    vec_t vec_select(ivec_t mask, vec_t a, vec_t b)      # mask ? a : b
    vec_t vec_keep(ivec_t mask, vec_t a)                 # mask ? a : 0

    ivec_t ivec_set1(wyrm_int x)
    ivec_t ivec_load(const wyrm_int* p)
    ivec_t ivec_add(ivec_t a, ivec_t b)
    ivec_t ivec_sub(ivec_t a, ivec_t b)
    ivec_t ivec_and(ivec_t a, ivec_t b)
    ivec_t ivec_or(ivec_t a, ivec_t b)
    ivec_t ivec_andnot(ivec_t a, ivec_t b)               # a & ~b
    ivec_t ivec_shift_left(ivec_t a, int count)
    ivec_t ivec_shift_right(ivec_t a, int count)         # zeros enter
    ivec_t vec_bits(vec_t a)                             # reinterpreted
    vec_t vec_from_bits(ivec_t a)
    ivec_t vec_truncate(vec_t a)                         # converted, towards zero
    vec_t ivec_convert(ivec_t a)

cdef extern from "lanes.h" nogil:
    enum:
        PERMUTES                         # whether vec_permute() is fast

    vec_t vec_count()                                    # 0, 1, 2, ...
    vec_t vec_permute(vec_t v, ivec_t at)                # lane i becomes lane at[i]
    vec_t vec_join_low(vec_t a, vec_t b)                 # the first halves of a and of b
    vec_t vec_join_high(vec_t a, vec_t b)                # the second halves
    # Lane i of a, b: p[rows[i] * stride] and the element behind it.
    void vec_load_pairs(vec_t* a, vec_t* b, const real_t* p, const row_t* rows, dim_t stride)
    void vec_store_pairs(real_t* p, const row_t* rows, dim_t stride, vec_t a, vec_t b)
    real_t vec_sum(vec_t v)
    real_t vec_largest(vec_t v)
    # The sums of four vectors each, stored to p and q or added there.
    void vec_sum_four(real_t* p, bint add, vec_t a, vec_t b, vec_t c, vec_t d)
    void vec_sum_eight(real_t* p, real_t* q, bint add, vec_t a, vec_t b, vec_t c, vec_t d,
                       vec_t e, vec_t f, vec_t g, vec_t h)

cdef extern from "vecmath.h" nogil:
    vec_t vec_exp(vec_t x)
    vec_t vec_log(vec_t x)
    vec_t vec_tanh(vec_t x)
    vec_t vec_sigmoid(vec_t x)
    vec_t vec_softplus(vec_t x)
    vec_t vec_exp_minus_abs(vec_t x)                     # exp(-|x|)
    vec_t vec_log1p_unit(vec_t x)                        # log(1 + x) for 0 <= x <= 1
    vec_t vec_fast_exp(vec_t x)
    vec_t vec_fast_log(vec_t x)
    vec_t vec_fast_tanh(vec_t x)
    vec_t vec_fast_sigmoid(vec_t x)
