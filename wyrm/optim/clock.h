/* Counters that several threads advance without a lock: no step is lost, and nothing else is promised (relaxed order). */
#ifndef WYRM_CLOCK_H
#define WYRM_CLOCK_H

#include <stdint.h>
#include <string.h>

#ifdef _MSC_VER
#include <intrin.h>
static __inline int64_t clock_advance(int64_t *counter, int64_t n) {
    return _InterlockedExchangeAdd64((volatile __int64 *)counter, n);
}
static __inline int clock_swap(int64_t *at, int64_t *expected, int64_t wanted) {
    int64_t found = _InterlockedCompareExchange64((volatile __int64 *)at, wanted, *expected);
    int swapped = found == *expected;
    *expected = found;
    return swapped;
}
static __inline int64_t clock_read(const int64_t *at) { return *(const volatile int64_t *)at; }
#else
static inline int64_t clock_advance(int64_t *counter, int64_t n) {
    return __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}
static inline int clock_swap(int64_t *at, int64_t *expected, int64_t wanted) {
    return __atomic_compare_exchange_n(at, expected, wanted, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
static inline int64_t clock_read(const int64_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
#endif

/* x <- keep * x + add; returns the x it replaced, and the one it put there in *after. */
static inline double clock_map(double *x, double keep, double add, double *after) {
    int64_t found = clock_read((int64_t *)x), wanted;
    double before;
    do {
        memcpy(&before, &found, sizeof before);
        *after = keep * before + add;
        memcpy(&wanted, after, sizeof wanted);
    } while (!clock_swap((int64_t *)x, &found, wanted));
    return before;
}
#endif
