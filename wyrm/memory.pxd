cdef extern from "memory.h" nogil:
    void* wyrm_alloc(size_t bytes)
    void wyrm_free(void* block)
    void* wyrm_grow(void* old, size_t keep, size_t bytes)
    void wyrm_prefetch(const void* block, size_t bytes)
