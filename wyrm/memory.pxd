cdef enum:
    # Bytes between what one thread writes at every step and what another one reads, so that they share no cache line.
    # Objects of several threads may lie one behind the other: those concerned begin with so many that nobody uses.
    APART = 64

cdef extern from "memory.h" nogil:
    void* wyrm_alloc(size_t bytes)
    void wyrm_free(void* block)
    void* wyrm_grow(void* old, size_t keep, size_t bytes)
    void wyrm_prefetch(const void* block, size_t bytes)
