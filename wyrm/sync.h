/* Exclusion between Python threads.
 *
 * With the GIL, code that doesn't release it is already exclusive, so these cost nothing.  On a free-threaded build they
 * are real: a flag is taken by compare-and-swap, and a mutex is CPython's own.
 */
#ifndef WYRM_SYNC_H
#define WYRM_SYNC_H

#include <Python.h>
#include <stdint.h>

/* Counters and flags that threads share while they run without the GIL. */
#ifdef _MSC_VER
#include <intrin.h>
static inline Py_ssize_t wyrm_fetch_add(Py_ssize_t *counter, Py_ssize_t n) {
    return (Py_ssize_t)_InterlockedExchangeAdd64((volatile __int64 *)counter, n);
}
static inline int wyrm_load(const int *flag) { return *(const volatile int *)flag; }
static inline void wyrm_store(int *flag, int value) { _InterlockedExchange((volatile long *)flag, value); }
static inline Py_ssize_t wyrm_read(const Py_ssize_t *counter) { return *(const volatile Py_ssize_t *)counter; }
#else
static inline Py_ssize_t wyrm_fetch_add(Py_ssize_t *counter, Py_ssize_t n) {
    return __atomic_fetch_add(counter, n, __ATOMIC_ACQ_REL);
}
static inline int wyrm_load(const int *flag) { return __atomic_load_n(flag, __ATOMIC_ACQUIRE); }
static inline void wyrm_store(int *flag, int value) { __atomic_store_n(flag, value, __ATOMIC_RELEASE); }
static inline Py_ssize_t wyrm_read(const Py_ssize_t *counter) { return __atomic_load_n(counter, __ATOMIC_ACQUIRE); }
#endif

/* A meeting point of n threads that run without the GIL.  They meet every few microseconds, so they spin before they yield. */
#ifdef _WIN32
#include <windows.h>
#define WYRM_YIELD() SwitchToThread()
#else
#include <sched.h>
#define WYRM_YIELD() sched_yield()
#endif
static inline void wyrm_yield(void) { WYRM_YIELD(); }
typedef struct {
    Py_ssize_t arrived, round;
} wyrm_barrier;
static inline void wyrm_meet(wyrm_barrier *barrier, Py_ssize_t n) {
    Py_ssize_t round = wyrm_read(&barrier->round);
    int spins = 0;
    if (wyrm_fetch_add(&barrier->arrived, 1) == n - 1) {
        wyrm_fetch_add(&barrier->arrived, -n);
        wyrm_fetch_add(&barrier->round, 1);
        return;
    }
    while (wyrm_read(&barrier->round) == round)
        if (++spins > 2000) WYRM_YIELD();
}

#ifdef Py_GIL_DISABLED

typedef PyMutex wyrm_mutex;
static inline void wyrm_lock(wyrm_mutex *mutex) { PyMutex_Lock(mutex); }
static inline void wyrm_unlock(wyrm_mutex *mutex) { PyMutex_Unlock(mutex); }

#ifdef _MSC_VER
#include <intrin.h>
static inline int wyrm_take(int *flag) { return _InterlockedCompareExchange((volatile long *)flag, 1, 0) == 0; }
static inline void wyrm_drop(int *flag) { _InterlockedExchange((volatile long *)flag, 0); }
static inline uint64_t wyrm_next(uint64_t *counter) { return (uint64_t)_InterlockedIncrement64((volatile int64_t *)counter); }
#else
static inline int wyrm_take(int *flag) {
    int expected = 0;
    return __atomic_compare_exchange_n(flag, &expected, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
static inline void wyrm_drop(int *flag) { __atomic_store_n(flag, 0, __ATOMIC_RELEASE); }
static inline uint64_t wyrm_next(uint64_t *counter) { return __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED); }
#endif

#define WYRM_FREE_THREADED 1

#else

typedef char wyrm_mutex;
static inline void wyrm_lock(wyrm_mutex *mutex) { (void)mutex; }
static inline void wyrm_unlock(wyrm_mutex *mutex) { (void)mutex; }
static inline int wyrm_take(int *flag) {
    if (*flag) return 0;
    *flag = 1;
    return 1;
}
static inline void wyrm_drop(int *flag) { *flag = 0; }
static inline uint64_t wyrm_next(uint64_t *counter) { return ++*counter; }

#define WYRM_FREE_THREADED 0

#endif
#endif
