/* exp, log, tanh, sigmoid and softplus of vectors.
 *
 * Float: at most 4 ulp from the true value for every float32 input, with overflow to infinity, gradual underflow and
 * NaN as IEEE 754 wants them (measured maxima: exp 1.1, log 0.9, tanh 1.4, sigmoid 2.4, softplus 2.7 ulp).  The
 * polynomials are minimax fits of relative error with coefficients rounded to float one after the other.
 * The fast_ variants stay within a relative error of 1e-4 over the range each of them states.
 * Double: the C library, lane by lane; only tests use it.
 */
#ifndef WYRM_VECMATH_H
#define WYRM_VECMATH_H

#include "simd.h"

#define REAL(x) vec_set1((WYRM_REAL)(x))

#if WYRM_REAL_IS_DOUBLE

WYRM_INLINE vec_t vec_exp(vec_t x) { int i; for (i = 0; i < LANES; i++) LANE(x, i) = exp(LANE(x, i)); return x; }
WYRM_INLINE vec_t vec_log(vec_t x) { int i; for (i = 0; i < LANES; i++) LANE(x, i) = log(LANE(x, i)); return x; }
WYRM_INLINE vec_t vec_tanh(vec_t x) { int i; for (i = 0; i < LANES; i++) LANE(x, i) = tanh(LANE(x, i)); return x; }
WYRM_INLINE vec_t vec_log1p_unit(vec_t x) { int i; for (i = 0; i < LANES; i++) LANE(x, i) = log1p(LANE(x, i)); return x; }
WYRM_INLINE vec_t vec_fast_exp(vec_t x) { return vec_exp(x); }
WYRM_INLINE vec_t vec_fast_log(vec_t x) { return vec_log(x); }
WYRM_INLINE vec_t vec_fast_tanh(vec_t x) { return vec_tanh(x); }

#else

#define LOG2_E 1.44269504f
#define LN2_HIGH 0.693145752f           /* 15 bits: k * LN2_HIGH is exact for |k| < 512 */
#define LN2_LOW 1.42860677e-06f         /* log(2) - LN2_HIGH */
#define ROUND_BY 12582912.0f            /* 1.5 * 2^23: adding it rounds to an integer, found in the lowest bits */

/* 2^k from ROUND_BY + k with -127 <= k <= 128; -127 gives 0 and 128 infinity.  The shift drops ROUND_BY's own bits. */
WYRM_INLINE vec_t wyrm_power_of_two(ivec_t shifted) {
    return vec_from_bits(ivec_add(ivec_shift_left(shifted, 23), vec_bits(REAL(1))));
}

/* exp(x - k log 2) for the k that makes it small. */
WYRM_INLINE vec_t wyrm_exp_reduced(vec_t x, vec_t k) {
    vec_t r = vec_fnma(k, REAL(LN2_LOW), vec_fnma(k, REAL(LN2_HIGH), x));
    vec_t r2 = vec_mul(r, r);
    vec_t p = vec_fma(r, REAL(0.00836868677f), REAL(0.0416682772f));
    p = vec_fma(r2, REAL(0.00138198258f), p);
    p = vec_fma(r2, p, vec_fma(r, REAL(0.166665211f), REAL(0.49999994f)));
    return vec_add(vec_fma(r2, p, r), REAL(1));
}

WYRM_INLINE vec_t vec_exp(vec_t x) {
    vec_t shifted, k, half;
    x = vec_min(REAL(89), vec_max(REAL(-104), x));      /* still infinity and 0; a NaN stays */
    shifted = vec_fma(x, REAL(LOG2_E), REAL(ROUND_BY));
    half = vec_fma(x, REAL(0.5f * LOG2_E), REAL(ROUND_BY));
    k = vec_sub(shifted, REAL(ROUND_BY));
    /* 2^k in two factors: -150 <= k <= 128 goes past the exponents of normal numbers. */
    return vec_mul(vec_mul(wyrm_exp_reduced(x, k), wyrm_power_of_two(vec_bits(half))),
                   wyrm_power_of_two(ivec_sub(vec_bits(shifted), vec_bits(half))));
}

/* log(1 + f) for sqrt(1/2) <= 1 + f <= sqrt(2), plus k log 2. */
WYRM_INLINE vec_t wyrm_log_reduced(vec_t f, vec_t k) {
    vec_t f2 = vec_mul(f, f), f4 = vec_mul(f2, f2);
    vec_t q01 = vec_fma(f, REAL(-0.250008374f), REAL(0.333333313f));
    vec_t q23 = vec_fma(f, REAL(-0.166227743f), REAL(0.200012848f));
    vec_t q45 = vec_fma(f, REAL(-0.131642282f), REAL(0.141998321f));
    vec_t q67 = vec_fma(f, REAL(-0.0764514953f), REAL(0.127783552f));
    vec_t q = vec_fma(f4, vec_fma(f2, q67, q45), vec_fma(f2, q23, q01));
    vec_t low = vec_fma(vec_mul(f2, f), q, vec_mul(k, REAL(LN2_LOW)));
    low = vec_fnma(REAL(0.5f), f2, low);
    return vec_fma(k, REAL(LN2_HIGH), vec_add(f, low));
}

#define SQRT_HALF_BITS 0x3f3504f3

WYRM_INLINE vec_t vec_log(vec_t x) {
    ivec_t denormal = vec_less(x, REAL(1.17549435e-38f)), above, bits;
    vec_t scaled = vec_select(denormal, vec_mul(x, REAL(8388608.0f)), x), k, f, y;
    above = ivec_sub(vec_bits(scaled), ivec_set1(SQRT_HALF_BITS));
    bits = ivec_add(ivec_and(above, ivec_set1(0x7fffff)), ivec_set1(SQRT_HALF_BITS));
    /* A bias of 256 keeps the shifted value positive. */
    k = ivec_convert(ivec_sub(ivec_shift_right(ivec_add(above, ivec_set1(0x40000000)), 23), ivec_set1(128)));
    k = vec_sub(k, vec_keep(denormal, REAL(23)));
    f = vec_sub(vec_from_bits(bits), REAL(1));
    y = wyrm_log_reduced(f, k);
    y = vec_select(vec_less(x, REAL(INFINITY)), y, x);
    return vec_select(vec_less(vec_zero(), x), y, vec_select(vec_equal(x, vec_zero()), REAL(-INFINITY), REAL(NAN)));
}

/* log(1 + x) for 0 <= x <= 1, as 2 atanh(x / (2 + x)): no cancellation for small x. */
WYRM_INLINE vec_t vec_log1p_unit(vec_t x) {
    vec_t s = vec_div(x, vec_add(x, REAL(2))), z = vec_mul(s, s), z2 = vec_mul(z, z);
    vec_t r = vec_fma(z2, vec_fma(z, REAL(0.280067533f), REAL(0.28003028f)),
                      vec_fma(z, REAL(0.400214374f), REAL(0.666664183f)));
    return vec_fma(vec_mul(s, z), r, vec_add(s, s));
}

WYRM_INLINE vec_t vec_tanh(vec_t x) {
    vec_t magnitude = vec_abs(x), z = vec_mul(x, x), small, large, twice, shifted, power;
    small = vec_fma(z, REAL(-0.0056922962f), REAL(0.0206281673f));
    small = vec_fma(z, small, REAL(-0.0537365153f));
    small = vec_fma(z, small, REAL(0.133314058f));
    small = vec_fma(z, small, REAL(-0.333332807f));
    small = vec_fma(vec_mul(magnitude, z), small, magnitude);
    twice = vec_min(REAL(20), vec_add(magnitude, magnitude));       /* tanh(10) rounds to 1 */
    shifted = vec_fma(twice, REAL(LOG2_E), REAL(ROUND_BY));
    power = vec_mul(wyrm_exp_reduced(twice, vec_sub(shifted, REAL(ROUND_BY))), wyrm_power_of_two(vec_bits(shifted)));
    large = vec_sub(REAL(1), vec_div(REAL(2), vec_add(power, REAL(1))));
    return vec_copysign(vec_select(vec_less(magnitude, REAL(0.625f)), small, large), x);
}

/* Relative error below 8e-5; infinity above 88.37, 0 below -87.68. */
WYRM_INLINE vec_t vec_fast_exp(vec_t x) {
    vec_t shifted, r, p;
    x = vec_min(REAL(89), vec_max(REAL(-88), x));
    shifted = vec_fma(x, REAL(LOG2_E), REAL(ROUND_BY));
    r = vec_fma(x, REAL(LOG2_E), vec_sub(REAL(ROUND_BY), shifted));
    p = vec_fma(r, REAL(0.0551717691f), REAL(0.242611215f));
    p = vec_fma(r, p, REAL(0.693260968f));
    p = vec_fma(r, p, REAL(0.999928057f));
    return vec_mul(p, wyrm_power_of_two(vec_bits(shifted)));
}

/* Error below 5.1e-5 |log x| + 1e-6 for normal positive x; infinity gives 88.72 and denormals at most -87.3.
 * 0 gives -infinity, negative numbers and NaN give NaN. */
WYRM_INLINE vec_t vec_fast_log(vec_t x) {
    ivec_t above = ivec_sub(vec_bits(x), ivec_set1(SQRT_HALF_BITS));
    ivec_t bits = ivec_add(ivec_and(above, ivec_set1(0x7fffff)), ivec_set1(SQRT_HALF_BITS));
    vec_t k = ivec_convert(ivec_sub(ivec_shift_right(ivec_add(above, ivec_set1(0x40000000)), 23), ivec_set1(128)));
    vec_t f = vec_sub(vec_from_bits(bits), REAL(1));
    vec_t p = vec_fma(f, REAL(0.176707968f), REAL(-0.271107614f));
    p = vec_fma(f, p, REAL(0.336403966f));
    p = vec_fma(f, p, REAL(-0.499442637f));
    p = vec_fma(f, p, REAL(0.999965787f));
    p = vec_fma(f, p, vec_mul(k, REAL(0.693147181f)));
    return vec_select(vec_less(vec_zero(), x), p, vec_select(vec_equal(x, vec_zero()), REAL(-INFINITY), REAL(NAN)));
}

/* Relative error below 1e-4; a rational approximation, held at its value for 5 further out. */
WYRM_INLINE vec_t vec_fast_tanh(vec_t x) {
    vec_t z, p, q;
    x = vec_min(REAL(5), vec_max(REAL(-5), x));
    z = vec_mul(x, x);
    p = vec_fma(z, vec_fma(z, REAL(6.70568949e-04f), REAL(1.02417849e-01f)), REAL(9.99948081e-01f));
    q = vec_fma(z, vec_fma(z, REAL(1.28199281e-02f), REAL(4.35432700e-01f)), REAL(1));
    return vec_div(vec_mul(x, p), q);
}

#endif

/* exp(-|x|): what sigmoid and softplus of either sign of x are made of. */
WYRM_INLINE vec_t vec_exp_minus_abs(vec_t x) { return vec_exp(vec_neg(vec_abs(x))); }

WYRM_INLINE vec_t vec_sigmoid(vec_t x) {
    vec_t e = vec_exp_minus_abs(x);
    return vec_div(vec_select(vec_less(x, vec_zero()), e, REAL(1)), vec_add(REAL(1), e));
}

/* log(1 + exp(x)) */
WYRM_INLINE vec_t vec_softplus(vec_t x) {
    return vec_add(vec_max(vec_zero(), x), vec_log1p_unit(vec_exp_minus_abs(x)));
}

/* Relative error below 8e-5. */
WYRM_INLINE vec_t vec_fast_sigmoid(vec_t x) {
    return vec_div(REAL(1), vec_add(REAL(1), vec_fast_exp(vec_neg(x))));
}

#endif
