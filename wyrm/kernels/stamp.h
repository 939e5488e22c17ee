/* Stamps of table rows: eight bytes that say when a row was last current. */
#ifndef WYRM_STAMP_H
#define WYRM_STAMP_H

#include <stdint.h>
#include <string.h>

#ifdef _MSC_VER
#include <intrin.h>
#endif

/* Move a stamp from `before` to `after`; 0 if another thread has moved it since `before` was read, so that of the
 * threads which find a row behind only one makes up what it missed.  A stamp that isn't aligned (state apart from
 * values of an odd width) is written without that promise: an atomic access across cache lines would stop the
 * machine. */
static inline int wyrm_move_stamp(void *stamp, const void *before, const void *after) {
    int64_t expected, wanted;
    memcpy(&expected, before, sizeof expected);
    memcpy(&wanted, after, sizeof wanted);
    if ((uintptr_t)stamp & 7) {
        memcpy(stamp, &wanted, sizeof wanted);
        return 1;
    }
#ifdef _MSC_VER
    return _InterlockedCompareExchange64((volatile __int64 *)stamp, wanted, expected) == expected;
#else
    return __atomic_compare_exchange_n((int64_t *)stamp, &expected, wanted, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
#endif
}
#endif
