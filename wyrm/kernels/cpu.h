/* What the processor and the operating system offer: cpuid names the instructions, xgetbv the registers that are saved. */
#ifndef WYRM_CPU_H
#define WYRM_CPU_H

#if defined(__x86_64__) || defined(_M_X64)

#include <stdint.h>
#ifdef _MSC_VER
#include <intrin.h>
static void wyrm_cpuid(uint32_t leaf, uint32_t r[4]) { __cpuidex((int*)r, (int)leaf, 0); }
static uint64_t wyrm_xgetbv(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void wyrm_cpuid(uint32_t leaf, uint32_t r[4]) { __cpuid_count(leaf, 0, r[0], r[1], r[2], r[3]); }
static uint64_t wyrm_xgetbv(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

#define WYRM_HAS(word, bits) (((word) & (bits)) == (bits))

/* The highest x86-64 level among 1, 3 and 4; those of the System V ABI, x86-64 supplement. */
static int wyrm_cpu_level(void) {
    uint32_t basic[4], features[4], extended[4], advanced[4];
    uint64_t saved;
    wyrm_cpuid(0, basic);
    wyrm_cpuid(0x80000000u, extended);
    if (basic[0] < 7 || extended[0] < 0x80000001u) return 1;
    wyrm_cpuid(1, features);
    wyrm_cpuid(7, advanced);
    wyrm_cpuid(0x80000001u, extended);
    /* ecx of leaf 1: SSE3, SSSE3, FMA, CX16, SSE4.1, SSE4.2, MOVBE, POPCNT, OSXSAVE, AVX, F16C */
    if (!WYRM_HAS(features[2], 1u | 1u << 9 | 1u << 12 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 22 | 1u << 23 |
                               1u << 27 | 1u << 28 | 1u << 29)) return 1;
    saved = wyrm_xgetbv();
    if (!WYRM_HAS(saved, 0x6)) return 1;                                        /* xmm, ymm */
    if (!WYRM_HAS(advanced[1], 1u << 3 | 1u << 5 | 1u << 8)) return 1;          /* BMI1, AVX2, BMI2 */
    if (!WYRM_HAS(extended[2], 1u | 1u << 5)) return 1;                         /* LAHF, LZCNT */
    if (!WYRM_HAS(saved, 0xe6)) return 3;                                       /* opmask, zmm */
    /* AVX-512 F, DQ, CD, BW, VL */
    if (!WYRM_HAS(advanced[1], 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31)) return 3;
    return 4;
}

#undef WYRM_HAS

#else

static int wyrm_cpu_level(void) { return 1; }

#endif

#endif
