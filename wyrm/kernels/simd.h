/* The vector vocabulary of the kernels.
 *
 * vec_t holds LANES elements of type WYRM_REAL (float or double), ivec_t as many integers of the same width, which
 * are also the masks comparisons give (all bits set: true).  WYRM_VECTOR_BYTES says how wide a vector is; the build
 * sets it per instruction set.  With GCC and Clang they are `vector_size` types, and the operations that the C
 * operators don't reach (fused multiply-add, blend, square root, ...) use intrinsics where the target has them.
 * Other compilers get a struct of lanes and plain loops.
 *
 * Everything here is static: modules built for several instruction sets share no symbol.
 */
#ifndef WYRM_SIMD_H
#define WYRM_SIMD_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef WYRM_REAL
#define WYRM_REAL float
#endif
#ifndef WYRM_REAL_IS_DOUBLE
#define WYRM_REAL_IS_DOUBLE 0
#endif
#ifndef WYRM_VECTOR_BYTES
#define WYRM_VECTOR_BYTES 16
#endif

#if defined(__GNUC__) || defined(__clang__)
#define WYRM_NATIVE_VECTORS 1
#define WYRM_INLINE static inline __attribute__((always_inline, unused))
#define WYRM_RESTRICT __restrict__
#else
#define WYRM_NATIVE_VECTORS 0
#ifdef _MSC_VER
#define WYRM_INLINE static __forceinline
#define WYRM_RESTRICT __restrict
#else
#define WYRM_INLINE static inline
#define WYRM_RESTRICT
#endif
#endif

/* The return type of Cython functions that must end up in their callers: what is constant at a call (a width, a flag, a
 * function) is then constant in the body, whatever the compiler's own idea of a function's size. */
#if WYRM_NATIVE_VECTORS
#define WYRM_INLINED inline __attribute__((always_inline)) void
#elif defined(_MSC_VER)
#define WYRM_INLINED __forceinline void
#else
#define WYRM_INLINED inline void
#endif

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Which intrinsics serve vec_t; none of them for double, which only tests use. */
#if WYRM_NATIVE_VECTORS && !WYRM_REAL_IS_DOUBLE && defined(__x86_64__)
#if WYRM_VECTOR_BYTES == 16
#define WYRM_SSE 1
#elif WYRM_VECTOR_BYTES == 32 && defined(__AVX2__) && defined(__FMA__)
#define WYRM_AVX2 1
#elif WYRM_VECTOR_BYTES == 64 && defined(__AVX512F__) && defined(__AVX512DQ__)
#define WYRM_AVX512 1
#endif
#elif WYRM_NATIVE_VECTORS && !WYRM_REAL_IS_DOUBLE && defined(__aarch64__) && WYRM_VECTOR_BYTES == 16
#define WYRM_NEON 1
#endif

#if WYRM_REAL_IS_DOUBLE
typedef int64_t wyrm_int;
typedef uint64_t wyrm_uint;
#else
typedef int32_t wyrm_int;
typedef uint32_t wyrm_uint;
#endif

enum { LANES = WYRM_VECTOR_BYTES / sizeof(WYRM_REAL) };

#if WYRM_NATIVE_VECTORS
typedef WYRM_REAL vec_t __attribute__((vector_size(WYRM_VECTOR_BYTES)));
typedef wyrm_int ivec_t __attribute__((vector_size(WYRM_VECTOR_BYTES)));
typedef wyrm_uint wyrm_uvec __attribute__((vector_size(WYRM_VECTOR_BYTES)));
#define LANE(v, i) (v)[i]
#else
typedef struct { WYRM_REAL lane[WYRM_VECTOR_BYTES / sizeof(WYRM_REAL)]; } vec_t;
typedef struct { wyrm_int lane[WYRM_VECTOR_BYTES / sizeof(WYRM_REAL)]; } ivec_t;
#define LANE(v, i) (v).lane[i]
#endif

/* One definition per operation: `native` for vector types, `lane` for lane i of the others. */
#if WYRM_NATIVE_VECTORS
#define WYRM_BODY(type, native, each) { return (type)(native); }
#else
#define WYRM_BODY(type, native, each) \
    { type out; int i; for (i = 0; i < LANES; i++) out.lane[i] = (each); return out; }
#endif
#define WYRM_BITS(condition) ((condition) ? (wyrm_int)-1 : 0)

/* ---- memory ------------------------------------------------------------------------------------------------ */

WYRM_INLINE vec_t vec_load(const WYRM_REAL* p) { vec_t v; memcpy(&v, p, sizeof v); return v; }
WYRM_INLINE void vec_store(WYRM_REAL* p, vec_t v) { memcpy(p, &v, sizeof v); }
WYRM_INLINE ivec_t ivec_load(const wyrm_int* p) { ivec_t v; memcpy(&v, p, sizeof v); return v; }

WYRM_INLINE vec_t vec_set1(WYRM_REAL x)
#if WYRM_NATIVE_VECTORS
{ return x - (vec_t){0}; }      /* x - 0 is x, -0 included */
#else
WYRM_BODY(vec_t, x, x)
#endif

WYRM_INLINE ivec_t ivec_set1(wyrm_int x)
#if WYRM_NATIVE_VECTORS
{ return x - (ivec_t){0}; }
#else
WYRM_BODY(ivec_t, x, x)
#endif

WYRM_INLINE vec_t vec_zero(void) { return vec_set1(0); }

/* The first n < LANES elements, in pieces that match those vec_store_part() writes, so that a value stored a moment
 * ago is forwarded; the other lanes are 0.  Nothing past p[n - 1] is touched. */
#if WYRM_SSE || WYRM_AVX2 || WYRM_AVX512
WYRM_INLINE __m128 wyrm_load3(const float* p, ptrdiff_t n) {
    __m128 low;
    if (!(n & 2)) return n & 1 ? _mm_load_ss(p) : _mm_setzero_ps();
    low = _mm_castsi128_ps(_mm_loadl_epi64((const __m128i*)p));
    return n & 1 ? _mm_movelh_ps(low, _mm_load_ss(p + 2)) : low;
}
WYRM_INLINE void wyrm_store3(float* p, __m128 v, ptrdiff_t n) {
    if (n & 2) {
        _mm_storel_epi64((__m128i*)p, _mm_castps_si128(v));
        v = _mm_movehl_ps(v, v);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, v);
}
#endif
#if WYRM_AVX2 || WYRM_AVX512
WYRM_INLINE __m256 wyrm_load7(const float* p, ptrdiff_t n) {
    if (n & 4) {
        __m256 v = _mm256_zextps128_ps256(_mm_loadu_ps(p));
        return n & 3 ? _mm256_insertf128_ps(v, wyrm_load3(p + 4, n), 1) : v;
    }
    return _mm256_zextps128_ps256(wyrm_load3(p, n));
}
WYRM_INLINE void wyrm_store7(float* p, __m256 v, ptrdiff_t n) {
    __m128 low = _mm256_castps256_ps128(v);
    if (n & 4) {
        _mm_storeu_ps(p, low);
        low = _mm256_extractf128_ps(v, 1);
        p += 4;
    }
    wyrm_store3(p, low, n);
}
#endif

WYRM_INLINE vec_t vec_load_part(const WYRM_REAL* p, ptrdiff_t n) {
#if WYRM_AVX512
    if (n & 8) {
        __m512 v = _mm512_zextps256_ps512(_mm256_loadu_ps(p));
        return n & 7 ? _mm512_insertf32x8(v, wyrm_load7(p + 8, n), 1) : v;
    }
    return _mm512_zextps256_ps512(wyrm_load7(p, n));
#elif WYRM_AVX2
    return wyrm_load7(p, n);
#elif WYRM_SSE
    return wyrm_load3(p, n);
#else
    vec_t v = vec_zero();
    ptrdiff_t i;
    for (i = 0; i < LANES - 1; i++)
        if (i < n) LANE(v, i) = p[i];
    return v;
#endif
}

WYRM_INLINE void vec_store_part(WYRM_REAL* p, vec_t v, ptrdiff_t n) {
#if WYRM_AVX512
    __m256 low = _mm512_castps512_ps256(v);
    if (n & 8) {
        _mm256_storeu_ps(p, low);
        low = _mm512_extractf32x8_ps(v, 1);
        p += 8;
    }
    wyrm_store7(p, low, n);
#elif WYRM_AVX2
    wyrm_store7(p, v, n);
#elif WYRM_SSE
    wyrm_store3(p, v, n);
#else
    ptrdiff_t i;
    for (i = 0; i < LANES - 1; i++)
        if (i < n) p[i] = LANE(v, i);
#endif
}

/* A mask of the first n lanes, 0 <= n <= LANES. */
WYRM_INLINE ivec_t vec_first(ptrdiff_t n) {
    static const wyrm_int window[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    return ivec_load(window + 16 - n);
}

/* A mask of the last n lanes, 0 <= n <= LANES. */
WYRM_INLINE ivec_t vec_last(ptrdiff_t n) {
    static const wyrm_int window[32] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                        -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    return ivec_load(window + 16 - LANES + n);
}

/* vec_load_part() for inner loops: mask is vec_first(n).  A value stored a moment ago may not be forwarded. */
WYRM_INLINE vec_t vec_load_masked(const WYRM_REAL* p, ivec_t mask, ptrdiff_t n) {
#if WYRM_AVX512
    (void)mask;
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif WYRM_AVX2
    (void)n;
    return _mm256_maskload_ps(p, (__m256i)mask);
#else
    (void)mask;
    return vec_load_part(p, n);
#endif
}

/* Ask for the cache line of p; any address is allowed. */
WYRM_INLINE void vec_prefetch(const void* p) {
#if WYRM_NATIVE_VECTORS
    __builtin_prefetch(p, 0, 3);
#elif defined(_M_X64)
    _mm_prefetch((const char*)p, _MM_HINT_T0);
#else
    (void)p;
#endif
}

/* The same into the second cache: a core waits for places where lines can arrive in the first, of which it has few. */
WYRM_INLINE void vec_prefetch_far(const void* p) {
#if WYRM_NATIVE_VECTORS
    __builtin_prefetch(p, 0, 2);
#elif defined(_M_X64)
    _mm_prefetch((const char*)p, _MM_HINT_T1);
#else
    (void)p;
#endif
}

/* ---- arithmetic -------------------------------------------------------------------------------------------- */

WYRM_INLINE vec_t vec_add(vec_t a, vec_t b) WYRM_BODY(vec_t, a + b, LANE(a, i) + LANE(b, i))
WYRM_INLINE vec_t vec_sub(vec_t a, vec_t b) WYRM_BODY(vec_t, a - b, LANE(a, i) - LANE(b, i))
WYRM_INLINE vec_t vec_mul(vec_t a, vec_t b) WYRM_BODY(vec_t, a * b, LANE(a, i) * LANE(b, i))
WYRM_INLINE vec_t vec_div(vec_t a, vec_t b) WYRM_BODY(vec_t, a / b, LANE(a, i) / LANE(b, i))
WYRM_INLINE vec_t vec_neg(vec_t a) WYRM_BODY(vec_t, -a, -LANE(a, i))

/* a * b + c, rounded once where the target fuses it. */
#if WYRM_AVX512
WYRM_INLINE vec_t vec_fma(vec_t a, vec_t b, vec_t c) { return _mm512_fmadd_ps(a, b, c); }
WYRM_INLINE vec_t vec_fnma(vec_t a, vec_t b, vec_t c) { return _mm512_fnmadd_ps(a, b, c); }
#elif WYRM_AVX2
WYRM_INLINE vec_t vec_fma(vec_t a, vec_t b, vec_t c) { return _mm256_fmadd_ps(a, b, c); }
WYRM_INLINE vec_t vec_fnma(vec_t a, vec_t b, vec_t c) { return _mm256_fnmadd_ps(a, b, c); }
#elif WYRM_NEON
WYRM_INLINE vec_t vec_fma(vec_t a, vec_t b, vec_t c) { return vfmaq_f32(c, a, b); }
WYRM_INLINE vec_t vec_fnma(vec_t a, vec_t b, vec_t c) { return vfmsq_f32(c, a, b); }
#else
WYRM_INLINE vec_t vec_fma(vec_t a, vec_t b, vec_t c) { return vec_add(vec_mul(a, b), c); }
WYRM_INLINE vec_t vec_fnma(vec_t a, vec_t b, vec_t c) { return vec_sub(c, vec_mul(a, b)); }   /* c - a * b */
#endif

WYRM_INLINE vec_t vec_sqrt(vec_t a) {
#if WYRM_AVX512
    return _mm512_sqrt_ps(a);
#elif WYRM_AVX2
    return _mm256_sqrt_ps(a);
#elif WYRM_SSE
    return _mm_sqrt_ps(a);
#elif WYRM_NEON
    return vsqrtq_f32(a);
#else
    int i;
    for (i = 0; i < LANES; i++) LANE(a, i) = WYRM_REAL_IS_DOUBLE ? (WYRM_REAL)sqrt(LANE(a, i)) : sqrtf((float)LANE(a, i));
    return a;
#endif
}

/* 1 / sqrt(a) to at least 11 bits for normal a > 0, where ESTIMATES says that this is fast; infinite at 0. */
#if WYRM_AVX512 || WYRM_AVX2 || WYRM_SSE || WYRM_NEON
enum { ESTIMATES = 1 };
#else
enum { ESTIMATES = 0 };
#endif
WYRM_INLINE vec_t vec_rsqrt_estimate(vec_t a) {
#if WYRM_AVX512
    return _mm512_rsqrt14_ps(a);
#elif WYRM_AVX2
    return _mm256_rsqrt_ps(a);
#elif WYRM_SSE
    return _mm_rsqrt_ps(a);
#elif WYRM_NEON
    vec_t y = vrsqrteq_f32(a);
    return vmulq_f32(y, vrsqrtsq_f32(vmulq_f32(a, y), y));
#else
    return vec_div(vec_set1(1), vec_sqrt(a));
#endif
}

/* 1 / a likewise, for a from 1e-30 to 1e30 (its reciprocal is then normal, too). */
WYRM_INLINE vec_t vec_reciprocal_estimate(vec_t a) {
#if WYRM_AVX512
    return _mm512_rcp14_ps(a);
#elif WYRM_AVX2
    return _mm256_rcp_ps(a);
#elif WYRM_SSE
    return _mm_rcp_ps(a);
#elif WYRM_NEON
    vec_t y = vrecpeq_f32(a);
    return vmulq_f32(y, vrecpsq_f32(a, y));
#else
    return vec_div(vec_set1(1), a);
#endif
}

/* `part` lanes, or all when it is 0; puts store v or add it to what is there. */
WYRM_INLINE vec_t vec_load_lanes(const WYRM_REAL* p, ptrdiff_t part) {
    return part ? vec_load_part(p, part) : vec_load(p);
}
WYRM_INLINE void vec_put(WYRM_REAL* p, vec_t v, int add) { vec_store(p, add ? vec_add(vec_load(p), v) : v); }
WYRM_INLINE void vec_put_part(WYRM_REAL* p, vec_t v, ptrdiff_t n, int add) {
    vec_store_part(p, add ? vec_add(vec_load_part(p, n), v) : v, n);
}
WYRM_INLINE void vec_put_lanes(WYRM_REAL* p, vec_t v, ptrdiff_t part, int add) {
    if (part) vec_put_part(p, v, part, add);
    else vec_put(p, v, add);
}

/* ---- integers and bits ------------------------------------------------------------------------------------- */

#if WYRM_NATIVE_VECTORS
WYRM_INLINE ivec_t vec_bits(vec_t a) { return (ivec_t)a; }          /* reinterpreted, not converted */
WYRM_INLINE vec_t vec_from_bits(ivec_t a) { return (vec_t)a; }
WYRM_INLINE ivec_t ivec_shift_left(ivec_t a, int count) { return (ivec_t)((wyrm_uvec)a << count); }
WYRM_INLINE ivec_t ivec_shift_right(ivec_t a, int count) { return (ivec_t)((wyrm_uvec)a >> count); }   /* zeros enter */
#else
WYRM_INLINE ivec_t vec_bits(vec_t a) { ivec_t b; memcpy(&b, &a, sizeof b); return b; }
WYRM_INLINE vec_t vec_from_bits(ivec_t a) { vec_t b; memcpy(&b, &a, sizeof b); return b; }
WYRM_INLINE ivec_t ivec_shift_left(ivec_t a, int count)
WYRM_BODY(ivec_t, a, (wyrm_int)((wyrm_uint)LANE(a, i) << count))
WYRM_INLINE ivec_t ivec_shift_right(ivec_t a, int count)
WYRM_BODY(ivec_t, a, (wyrm_int)((wyrm_uint)LANE(a, i) >> count))
#endif

/* Integer sums wrap around. */
WYRM_INLINE ivec_t ivec_add(ivec_t a, ivec_t b)
WYRM_BODY(ivec_t, (wyrm_uvec)a + (wyrm_uvec)b, (wyrm_int)((wyrm_uint)LANE(a, i) + (wyrm_uint)LANE(b, i)))
WYRM_INLINE ivec_t ivec_sub(ivec_t a, ivec_t b)
WYRM_BODY(ivec_t, (wyrm_uvec)a - (wyrm_uvec)b, (wyrm_int)((wyrm_uint)LANE(a, i) - (wyrm_uint)LANE(b, i)))
WYRM_INLINE ivec_t ivec_and(ivec_t a, ivec_t b) WYRM_BODY(ivec_t, a & b, LANE(a, i) & LANE(b, i))
WYRM_INLINE ivec_t ivec_or(ivec_t a, ivec_t b) WYRM_BODY(ivec_t, a | b, LANE(a, i) | LANE(b, i))
WYRM_INLINE ivec_t ivec_andnot(ivec_t a, ivec_t b) WYRM_BODY(ivec_t, a & ~b, LANE(a, i) & ~LANE(b, i))

/* Conversions; to integers by truncation, of values that fit. */
#if WYRM_AVX512
WYRM_INLINE ivec_t vec_truncate(vec_t a) { return (ivec_t)_mm512_cvttps_epi32(a); }
#elif WYRM_AVX2
WYRM_INLINE ivec_t vec_truncate(vec_t a) { return (ivec_t)_mm256_cvttps_epi32(a); }
#elif WYRM_SSE
WYRM_INLINE ivec_t vec_truncate(vec_t a) { return (ivec_t)_mm_cvttps_epi32(a); }
#else
WYRM_INLINE ivec_t vec_truncate(vec_t a)
WYRM_BODY(ivec_t, __builtin_convertvector(a, ivec_t), (wyrm_int)LANE(a, i))
#endif
WYRM_INLINE vec_t ivec_convert(ivec_t a) WYRM_BODY(vec_t, __builtin_convertvector(a, vec_t), (WYRM_REAL)LANE(a, i))

/* v in a register: compilers like to load it again for every use, where loads are what is short. */
WYRM_INLINE vec_t vec_hold(vec_t v) {
#if WYRM_SSE || WYRM_AVX2
    __asm__("" : "+x"(v));
#elif WYRM_AVX512
    __asm__("" : "+v"(v));
#elif WYRM_NEON
    __asm__("" : "+w"(v));
#endif
    return v;
}

/* p as it is: without it compilers turn one pointer that walks over a matrix into many, more than there are registers. */
WYRM_INLINE const WYRM_REAL* real_hold(const WYRM_REAL* p) {
#if WYRM_NATIVE_VECTORS
    __asm__("" : "+r"(p));
#endif
    return p;
}

/* ---- comparisons ------------------------------------------------------------------------------------------- */

WYRM_INLINE ivec_t vec_less(vec_t a, vec_t b) WYRM_BODY(ivec_t, a < b, WYRM_BITS(LANE(a, i) < LANE(b, i)))
WYRM_INLINE ivec_t vec_less_equal(vec_t a, vec_t b) WYRM_BODY(ivec_t, a <= b, WYRM_BITS(LANE(a, i) <= LANE(b, i)))
WYRM_INLINE ivec_t vec_equal(vec_t a, vec_t b) WYRM_BODY(ivec_t, a == b, WYRM_BITS(LANE(a, i) == LANE(b, i)))

/* A condition that nearly always holds, for the layout of loops. */
#if WYRM_NATIVE_VECTORS
#define WYRM_LIKELY(condition) __builtin_expect(!!(condition), 1)
#else
#define WYRM_LIKELY(condition) (condition)
#endif

/* Whether any lane of a mask is set. */
WYRM_INLINE int vec_any(ivec_t mask) {
#if WYRM_AVX512
    return _mm512_movepi32_mask((__m512i)mask) != 0;
#elif WYRM_AVX2
    return _mm256_movemask_ps((__m256)mask) != 0;
#elif WYRM_SSE
    return _mm_movemask_ps((__m128)mask) != 0;
#elif WYRM_NEON
    return vmaxvq_u32((uint32x4_t)mask) != 0;
#else
    int i;
    for (i = 0; i < LANES; i++)
        if (LANE(mask, i)) return 1;
    return 0;
#endif
}

/* mask ? a : b, lane by lane. */
WYRM_INLINE vec_t vec_select(ivec_t mask, vec_t a, vec_t b) {
#if WYRM_AVX2
    return _mm256_blendv_ps(b, a, (__m256)mask);
#else
    return vec_from_bits(ivec_or(ivec_and(mask, vec_bits(a)), ivec_andnot(vec_bits(b), mask)));
#endif
}

/* mask ? a : 0 */
WYRM_INLINE vec_t vec_keep(ivec_t mask, vec_t a) { return vec_from_bits(ivec_and(mask, vec_bits(a))); }

/* a < b ? a : b and a > b ? a : b: b where either is NaN. */
WYRM_INLINE vec_t vec_min(vec_t a, vec_t b) {
#if WYRM_AVX512
    return _mm512_min_ps(a, b);
#elif WYRM_AVX2
    return _mm256_min_ps(a, b);
#elif WYRM_SSE
    return _mm_min_ps(a, b);
#else
    return vec_select(vec_less(a, b), a, b);
#endif
}
WYRM_INLINE vec_t vec_max(vec_t a, vec_t b) {
#if WYRM_AVX512
    return _mm512_max_ps(a, b);
#elif WYRM_AVX2
    return _mm256_max_ps(a, b);
#elif WYRM_SSE
    return _mm_max_ps(a, b);
#else
    return vec_select(vec_less(b, a), a, b);
#endif
}

/* The sign bit of every lane, and everything but it. */
WYRM_INLINE ivec_t vec_sign_bits(vec_t a) {
    return ivec_and(vec_bits(a), vec_bits(vec_set1((WYRM_REAL)-0.0)));
}
WYRM_INLINE vec_t vec_abs(vec_t a) {
    return vec_from_bits(ivec_andnot(vec_bits(a), vec_bits(vec_set1((WYRM_REAL)-0.0))));
}
WYRM_INLINE vec_t vec_copysign(vec_t magnitude, vec_t sign) {
    return vec_from_bits(ivec_or(vec_bits(vec_abs(magnitude)), vec_sign_bits(sign)));
}

#endif
