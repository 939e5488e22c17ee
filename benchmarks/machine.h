/* What a machine can do at most: rows of tables read, changed and written, and products in registers.
 *
 * Written with the vectors of the kernels, so that a limit holds for one instruction set.  A loop here does what no
 * training on that hardware can do without, and nothing else: no gradient to compute, no graph, no feed.
 */
#ifndef WYRM_MACHINE_H
#define WYRM_MACHINE_H

#include "simd.h"

/* What happens to a row of D values and, for Adagrad, the D sums of squares behind them.  The gradient is a constant in
 * a register: where it comes from is not the business of the limit. */
enum { RULE_ADD, RULE_ADAGRAD, RULE_ADAGRAD_ESTIMATED };

enum { BLOCK = 64 };

/* 1 / sqrt(x) to about 23 bits: an estimate of 12 (or, in integers, 5) bits and Newton steps. */
WYRM_INLINE vec_t limit_inverse_root(vec_t x) {
    vec_t half = vec_mul(x, vec_set1((float)-0.5)), y;
    int i, steps = 1;
#if WYRM_AVX2
    y = _mm256_rsqrt_ps(x);
#elif WYRM_SSE
    y = _mm_rsqrt_ps(x);
#elif WYRM_AVX512
    y = _mm512_rsqrt14_ps(x);
#else
    y = vec_from_bits(ivec_sub(ivec_set1(0x5f375a86), ivec_shift_right(vec_bits(x), 1)));
    steps = 3;
#endif
    for (i = 0; i < steps; i++) y = vec_mul(y, vec_fma(vec_mul(half, y), y, vec_set1((float)1.5)));
    return y;
}

WYRM_INLINE void limit_adagrad(vec_t* w, vec_t* sum, vec_t g, int rule) {
    *sum = vec_fma(g, g, *sum);
    if (rule == RULE_ADAGRAD) *w = vec_sub(*w, vec_div(g, vec_sqrt(*sum)));
    else *w = vec_fnma(g, limit_inverse_root(*sum), *w);
}

WYRM_INLINE void limit_row(float* row, ptrdiff_t D, int rule, vec_t g) {
    ptrdiff_t d, part = D % LANES;
    vec_t w, sum;
    for (d = 0; d + LANES <= D; d += LANES) {
        if (rule == RULE_ADD) vec_store(row + d, vec_add(vec_load(row + d), g));
        else {
            w = vec_load(row + d);
            sum = vec_load(row + D + d);
            limit_adagrad(&w, &sum, g, rule);
            vec_store(row + d, w);
            vec_store(row + D + d, sum);
        }
    }
    if (!part) return;
    if (rule == RULE_ADD) vec_store_part(row + d, vec_add(vec_load_part(row + d, part), g), part);
    else {
        w = vec_load_part(row + d, part);
        sum = vec_load_part(row + D + d, part);
        limit_adagrad(&w, &sum, g, rule);
        vec_store_part(row + d, w, part);
        vec_store_part(row + D + d, sum, part);
    }
}

/* The cache line of p, into the second cache or the first. */
WYRM_INLINE void limit_fetch(const void* p, int far) {
    if (far) vec_prefetch_far(p);
    else vec_prefetch(p);
}

/* Rows of one value and its sum: gathered into blocks, so that one root and one division serve all lanes, and the
 * first has been stored long before it is loaded as part of a vector. */
WYRM_INLINE void limit_narrow_rows(float* table, ptrdiff_t stride, const int32_t* rows, ptrdiff_t n, ptrdiff_t ahead,
                                   int far, int rule, vec_t g) {
    float value[BLOCK], sums[BLOCK], *row;
    ptrdiff_t j, size;
    vec_t w, sum;
    for (; n > 0; n -= size, rows += size) {
        size = n < BLOCK ? n : BLOCK;
        for (j = 0; j < size; j++) {
            if (ahead) limit_fetch(table + (ptrdiff_t)rows[j + ahead] * stride, far);
            row = table + (ptrdiff_t)rows[j] * stride;
            value[j] = row[0];
            sums[j] = row[1];
        }
        for (; j % LANES; j++) value[j] = sums[j] = 0;
        for (j = 0; j < size; j += LANES) {
            w = vec_load(value + j);
            sum = vec_load(sums + j);
            limit_adagrad(&w, &sum, g, rule);
            vec_store(value + j, w);
            vec_store(sums + j, sum);
        }
        for (j = 0; j < size; j++) {
            row = table + (ptrdiff_t)rows[j] * stride;
            row[0] = value[j];
            row[1] = sums[j];
        }
    }
}

/* Rows of a table [N, stride] named by a list; where D is 1, those of one step are distinct. */
WYRM_INLINE void limit_rows_dim(float* table, ptrdiff_t stride, const int32_t* rows, ptrdiff_t n, ptrdiff_t ahead,
                                int far, ptrdiff_t D, int rule, float gradient) {
    vec_t g = vec_set1(gradient);
    ptrdiff_t i, d;
    const char* next;
    if (D == 1 && rule != RULE_ADD) {
        limit_narrow_rows(table, stride, rows, n, ahead, far, rule, g);
        return;
    }
    for (i = 0; i < n; i++) {
        if (ahead) {
            next = (const char*)(table + (ptrdiff_t)rows[i + ahead] * stride);
            for (d = 0; d < stride * 4; d += 64) limit_fetch(next + d, far);
        }
        limit_row(table + (ptrdiff_t)rows[i] * stride, D, rule, g);
    }
}

WYRM_INLINE void limit_rows_rule(float* table, ptrdiff_t stride, const int32_t* rows, ptrdiff_t n, ptrdiff_t ahead,
                                 int far, ptrdiff_t D, int rule, float gradient) {
    switch (D) {
        case 1: limit_rows_dim(table, stride, rows, n, ahead, far, 1, rule, gradient); break;
        case 2: limit_rows_dim(table, stride, rows, n, ahead, far, 2, rule, gradient); break;
        case 4: limit_rows_dim(table, stride, rows, n, ahead, far, 4, rule, gradient); break;
        case 8: limit_rows_dim(table, stride, rows, n, ahead, far, 8, rule, gradient); break;
        case 16: limit_rows_dim(table, stride, rows, n, ahead, far, 16, rule, gradient); break;
        case 32: limit_rows_dim(table, stride, rows, n, ahead, far, 32, rule, gradient); break;
        case 64: limit_rows_dim(table, stride, rows, n, ahead, far, 64, rule, gradient); break;
        default: limit_rows_dim(table, stride, rows, n, ahead, far, D, rule, gradient);
    }
}

WYRM_INLINE void limit_rows_far(float* table, ptrdiff_t stride, const int32_t* rows, ptrdiff_t n, ptrdiff_t ahead,
                                int far, ptrdiff_t D, int rule, float gradient) {
    if (rule == RULE_ADD) limit_rows_rule(table, stride, rows, n, ahead, far, D, RULE_ADD, gradient);
    else if (rule == RULE_ADAGRAD) limit_rows_rule(table, stride, rows, n, ahead, far, D, RULE_ADAGRAD, gradient);
    else limit_rows_rule(table, stride, rows, n, ahead, far, D, RULE_ADAGRAD_ESTIMATED, gradient);
}

/* rows[0] to rows[n + ahead - 1] are readable. */
static void limit_rows(float* table, ptrdiff_t stride, const int32_t* rows, ptrdiff_t n, ptrdiff_t ahead, int far,
                       ptrdiff_t D, int rule, float gradient) {
    if (far) limit_rows_far(table, stride, rows, n, ahead, 1, D, rule, gradient);
    else limit_rows_far(table, stride, rows, n, ahead, 0, D, rule, gradient);
}

enum { TILE_ROWS = 4, TILE_VECTORS = 3, TILE_FLOPS = 2 * 12 * LANES };      /* flops for each k */

/* Fused multiply-adds on twelve independent accumulators, operands in registers. */
static float limit_multiply_add(ptrdiff_t n) {
    vec_t s[12], x = vec_hold(vec_set1((float)0.5)), y = vec_hold(vec_set1(1));
    ptrdiff_t i;
    int j;
    for (j = 0; j < 12; j++) s[j] = vec_hold(vec_set1((float)j));
    for (i = 0; i < n; i++) for (j = 0; j < 12; j++) s[j] = vec_fma(s[j], x, y);
    for (j = 1; j < 12; j++) s[0] = vec_add(s[0], s[j]);
    return LANE(s[0], 0);
}

/* c[4, 3 LANES] = a[4, K] b[K, 3 LANES] in twelve accumulators, n times: the tile of a product, operands in L1. */
static void limit_tile(float* c, const float* a, const float* b, ptrdiff_t K, ptrdiff_t n) {
    vec_t s[12], v[TILE_VECTORS], x;
    const float *p, *q;
    ptrdiff_t i, k;
    int j, r;
    for (i = 0; i < n; i++) {
        p = a;
        q = b;
        for (j = 0; j < 12; j++) s[j] = vec_zero();
        for (k = 0; k < K; k++) {
            for (j = 0; j < TILE_VECTORS; j++) v[j] = vec_load(q + j * LANES);
            for (r = 0; r < TILE_ROWS; r++) {
                x = vec_set1(p[r * K]);
                for (j = 0; j < TILE_VECTORS; j++) s[r * TILE_VECTORS + j] = vec_fma(x, v[j], s[r * TILE_VECTORS + j]);
            }
            p = real_hold(p + 1);
            q = real_hold(q + TILE_VECTORS * LANES);
        }
        for (j = 0; j < 12; j++) vec_store(c + j * LANES, s[j]);
    }
}

#endif
