/* Cache-line aligned memory; large blocks on huge pages where the system has them.
 *
 * Random rows of a table larger than the TLB covers cost a page walk each; 2 MiB pages take most of them away.
 */
#ifndef WYRM_MEMORY_H
#define WYRM_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <intrin.h>
#include <malloc.h>
static inline void *wyrm_alloc(size_t bytes) { return _aligned_malloc(bytes ? bytes : 64, 64); }
static inline void wyrm_free(void *block) { _aligned_free(block); }
#else
#ifdef __linux__
#include <sys/mman.h>
#endif
#define WYRM_HUGE ((size_t)2 << 20)
static inline void *wyrm_alloc(size_t bytes) {
    void *block = NULL;
    size_t align = bytes >= 2 * WYRM_HUGE ? WYRM_HUGE : 64;
    if (bytes > SIZE_MAX - 2 * WYRM_HUGE) return NULL;
    bytes = (bytes + 63) / 64 * 64;
    if (posix_memalign(&block, align, bytes ? bytes : 64)) return NULL;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (align == WYRM_HUGE) madvise(block, bytes / WYRM_HUGE * WYRM_HUGE, MADV_HUGEPAGE);
#endif
    return block;
}
static inline void wyrm_free(void *block) { free(block); }
#endif

/* A block at least `bytes` long that starts as the old one did (the first `keep` bytes). */
static inline void *wyrm_grow(void *old, size_t keep, size_t bytes) {
    void *block = wyrm_alloc(bytes);
    if (block && old) {
        memcpy(block, old, keep);
        wyrm_free(old);
    }
    return block;
}
/* Start fetching a block into the cache. */
static inline void wyrm_prefetch(const void *block, size_t bytes) {
#if defined(__GNUC__) || defined(__clang__)
    const char *at = (const char *)block, *end = at + bytes;
    for (; at < end; at += 64) __builtin_prefetch(at);
    __asm__ volatile(""); /* GCC leaves out calls of functions that do nothing but fetch */
#else
    (void)block;
    (void)bytes;
#endif
}
#endif
