/* Operations across the lanes of a vector: permutations, sums, the largest. */
#ifndef WYRM_LANES_H
#define WYRM_LANES_H

#include "simd.h"

/* 0, 1, 2, ... */
WYRM_INLINE vec_t vec_count(void) {
    static const WYRM_REAL count[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return vec_load(count);
}

/* Lane i becomes lane at[i], 0 <= at[i] < LANES; fast where PERMUTES is 1. */
#if WYRM_AVX2 || WYRM_AVX512
enum { PERMUTES = 1 };
#else
enum { PERMUTES = 0 };
#endif
WYRM_INLINE vec_t vec_permute(vec_t v, ivec_t at) {
#if WYRM_AVX512
    return _mm512_permutexvar_ps((__m512i)at, v);
#elif WYRM_AVX2
    return _mm256_permutevar8x32_ps(v, (__m256i)at);
#else
    vec_t out = v;
    int i;
    for (i = 0; i < LANES; i++) LANE(out, i) = LANE(v, LANE(at, i));
    return out;
#endif
}

/* Pairs of neighbours: lane i of a, b is p[rows[i] * stride] and the element behind it. */
#if WYRM_SSE || WYRM_AVX2
WYRM_INLINE __m128 wyrm_load_two(const float* first, const float* second) {
    __m128 low = _mm_castsi128_ps(_mm_loadl_epi64((const __m128i*)first));
    return _mm_loadh_pi(low, (const __m64*)second);
}
#endif
WYRM_INLINE void vec_load_pairs(vec_t* a, vec_t* b, const WYRM_REAL* p, const int32_t* rows, ptrdiff_t stride) {
#define WYRM_TWO(i) wyrm_load_two(p + rows[i] * stride, p + rows[i + 1] * stride)
#if WYRM_AVX2
    __m256 low = _mm256_set_m128(WYRM_TWO(4), WYRM_TWO(0)), high = _mm256_set_m128(WYRM_TWO(6), WYRM_TWO(2));
    *a = _mm256_shuffle_ps(low, high, 0x88);
    *b = _mm256_shuffle_ps(low, high, 0xdd);
#elif WYRM_SSE
    __m128 low = WYRM_TWO(0), high = WYRM_TWO(2);
    *a = _mm_shuffle_ps(low, high, 0x88);
    *b = _mm_shuffle_ps(low, high, 0xdd);
#else
    WYRM_REAL first[LANES], second[LANES];
    int i;
    for (i = 0; i < LANES; i++) {
        first[i] = p[rows[i] * stride];
        second[i] = p[rows[i] * stride + 1];
    }
    *a = vec_load(first);
    *b = vec_load(second);
#endif
#undef WYRM_TWO
}
WYRM_INLINE void vec_store_pairs(WYRM_REAL* p, const int32_t* rows, ptrdiff_t stride, vec_t a, vec_t b) {
#define WYRM_TWO(i, v) \
    _mm_storel_pi((__m64*)(p + rows[i] * stride), v), _mm_storeh_pi((__m64*)(p + rows[i + 1] * stride), v)
#if WYRM_AVX2
    __m256 low = _mm256_unpacklo_ps(a, b), high = _mm256_unpackhi_ps(a, b);
    WYRM_TWO(0, _mm256_castps256_ps128(low));
    WYRM_TWO(2, _mm256_castps256_ps128(high));
    WYRM_TWO(4, _mm256_extractf128_ps(low, 1));
    WYRM_TWO(6, _mm256_extractf128_ps(high, 1));
#elif WYRM_SSE
    __m128 low = _mm_unpacklo_ps(a, b), high = _mm_unpackhi_ps(a, b);
    WYRM_TWO(0, low);
    WYRM_TWO(2, high);
#else
    int i;
    for (i = 0; i < LANES; i++) {
        p[rows[i] * stride] = LANE(a, i);
        p[rows[i] * stride + 1] = LANE(b, i);
    }
#endif
#undef WYRM_TWO
}

/* The first halves of a and of b, and the second halves: what two rows exchange in a transposition by blocks. */
WYRM_INLINE vec_t vec_join_low(vec_t a, vec_t b) {
#if WYRM_AVX512
    return _mm512_shuffle_f32x4(a, b, 0x44);
#elif WYRM_AVX2
    return _mm256_permute2f128_ps(a, b, 0x20);
#elif WYRM_SSE
    return _mm_movelh_ps(a, b);
#else
    vec_t out = a;
    int i;
    for (i = 0; i < LANES / 2; i++) LANE(out, LANES / 2 + i) = LANE(b, i);
    return out;
#endif
}
WYRM_INLINE vec_t vec_join_high(vec_t a, vec_t b) {
#if WYRM_AVX512
    return _mm512_shuffle_f32x4(a, b, 0xee);
#elif WYRM_AVX2
    return _mm256_permute2f128_ps(a, b, 0x31);
#elif WYRM_SSE
    return _mm_movehl_ps(b, a);
#else
    vec_t out = b;
    int i;
    for (i = 0; i < LANES / 2; i++) LANE(out, i) = LANE(a, LANES / 2 + i);
    return out;
#endif
}

#if WYRM_SSE || WYRM_AVX2 || WYRM_AVX512
WYRM_INLINE float wyrm_sum4(__m128 v) {
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps(v, v, 1)));
}
WYRM_INLINE float wyrm_max4(__m128 v) {
    v = _mm_max_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_max_ss(v, _mm_shuffle_ps(v, v, 1)));
}
#endif
#if WYRM_AVX512
WYRM_INLINE __m128 wyrm_fold(vec_t v) {
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}
#elif WYRM_AVX2
WYRM_INLINE __m128 wyrm_fold(vec_t v) {
    return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}
#elif WYRM_SSE
WYRM_INLINE __m128 wyrm_fold(vec_t v) { return v; }
#endif

/* The sum over the lanes, halves added to halves. */
WYRM_INLINE WYRM_REAL vec_sum(vec_t v) {
#if WYRM_SSE || WYRM_AVX2 || WYRM_AVX512
    return wyrm_sum4(wyrm_fold(v));
#elif WYRM_NEON
    return vaddvq_f32(v);
#else
    int width, i;
    for (width = LANES / 2; width > 0; width /= 2)
        for (i = 0; i < width; i++) LANE(v, i) = LANE(v, i) + LANE(v, i + width);
    return LANE(v, 0);
#endif
}

/* The largest lane; unspecified with a NaN among them. */
WYRM_INLINE WYRM_REAL vec_largest(vec_t v) {
#if WYRM_AVX512
    __m256 half = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    return wyrm_max4(_mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
#elif WYRM_AVX2
    return wyrm_max4(_mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
#elif WYRM_SSE
    return wyrm_max4(v);
#else
    WYRM_REAL largest = LANE(v, 0);
    int i;
    for (i = 1; i < LANES; i++) largest = LANE(v, i) > largest ? LANE(v, i) : largest;
    return largest;
#endif
}

/* p[0..3] = or += the sums of four vectors, cheaper than four vec_sum(). */
WYRM_INLINE void vec_sum_four(WYRM_REAL* p, int add, vec_t a, vec_t b, vec_t c, vec_t d) {
#if WYRM_SSE || WYRM_AVX2 || WYRM_AVX512
    __m128 a4 = wyrm_fold(a), b4 = wyrm_fold(b), c4 = wyrm_fold(c), d4 = wyrm_fold(d);
    __m128 ab = _mm_add_ps(_mm_unpacklo_ps(a4, b4), _mm_unpackhi_ps(a4, b4));
    __m128 cd = _mm_add_ps(_mm_unpacklo_ps(c4, d4), _mm_unpackhi_ps(c4, d4));
    __m128 sums = _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab));
    _mm_storeu_ps(p, add ? _mm_add_ps(_mm_loadu_ps(p), sums) : sums);
#else
    p[0] = vec_sum(a) + (add ? p[0] : 0);
    p[1] = vec_sum(b) + (add ? p[1] : 0);
    p[2] = vec_sum(c) + (add ? p[2] : 0);
    p[3] = vec_sum(d) + (add ? p[3] : 0);
#endif
}

#if WYRM_AVX2 || WYRM_AVX512
/* Halves of a and b added crosswise: lanes a, b, a, b of each 128-bit part. */
WYRM_INLINE __m256 wyrm_pair(vec_t a, vec_t b) {
#if WYRM_AVX512
    __m256 a8 = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m256 b8 = _mm256_add_ps(_mm512_castps512_ps256(b), _mm512_extractf32x8_ps(b, 1));
#else
    __m256 a8 = a, b8 = b;
#endif
    return _mm256_add_ps(_mm256_unpacklo_ps(a8, b8), _mm256_unpackhi_ps(a8, b8));
}
#endif

/* p[0..3] and q[0..3] = or += the sums of four vectors each. */
WYRM_INLINE void vec_sum_eight(WYRM_REAL* p, WYRM_REAL* q, int add, vec_t a, vec_t b, vec_t c, vec_t d,
                               vec_t e, vec_t f, vec_t g, vec_t h) {
#if WYRM_AVX2 || WYRM_AVX512
    __m256 ab = wyrm_pair(a, b), cd = wyrm_pair(c, d), ef = wyrm_pair(e, f), gh = wyrm_pair(g, h);
    __m256 abcd = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    __m256 efgh = _mm256_add_ps(_mm256_shuffle_ps(ef, gh, 0x44), _mm256_shuffle_ps(ef, gh, 0xee));
    __m256 sums = _mm256_add_ps(_mm256_permute2f128_ps(abcd, efgh, 0x20),
                                _mm256_permute2f128_ps(abcd, efgh, 0x31));
    __m128 low = _mm256_castps256_ps128(sums), high = _mm256_extractf128_ps(sums, 1);
    _mm_storeu_ps(p, add ? _mm_add_ps(_mm_loadu_ps(p), low) : low);
    _mm_storeu_ps(q, add ? _mm_add_ps(_mm_loadu_ps(q), high) : high);
#else
    vec_sum_four(p, add, a, b, c, d);
    vec_sum_four(q, add, e, f, g, h);
#endif
}

#endif
