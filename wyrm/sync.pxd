from libc.stdint cimport uint64_t

cdef extern from "sync.h" nogil:
    ctypedef struct wyrm_mutex:
        pass
    void wyrm_lock(wyrm_mutex* mutex)
    void wyrm_unlock(wyrm_mutex* mutex)
    bint wyrm_take(int* flag)     # false: somebody has it
    void wyrm_drop(int* flag)
    uint64_t wyrm_next(uint64_t* counter)      # counts up, returns the new count
    Py_ssize_t wyrm_fetch_add(Py_ssize_t* counter, Py_ssize_t n)     # the count before
    Py_ssize_t wyrm_read(const Py_ssize_t* counter)
    int wyrm_load(const int* flag)
    void wyrm_store(int* flag, int value)
    void wyrm_yield()             # let another thread have the processor
    const bint WYRM_FREE_THREADED
    ctypedef struct wyrm_barrier:
        Py_ssize_t arrived, round
    void wyrm_meet(wyrm_barrier* barrier, Py_ssize_t n)
