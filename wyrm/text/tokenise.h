/* Words of a text, found by bit masks of 64 bytes at a time.
 *
 * A bit of a mask says that its byte is (part of) a space.  Where the mask differs from itself moved by one, words start
 * and end in turn; what is left per word is two counts of trailing zeros and its hash.
 */
#ifndef WYRM_TOKENISE_H
#define WYRM_TOKENISE_H

#include "characters.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#endif
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

enum { WYRM_AHEAD = 64 + 3 };      /* bytes that have to be there for a mask */

typedef struct {
    const uint8_t *text;
    ptrdiff_t length;
    uint64_t hash;
    int64_t place;                 /* of its first byte in the text it was read from */
    int starts_line;               /* no other word stands before it on its line */
} wyrm_word;

static inline int wyrm_first_bit(uint64_t mask) {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_ctzll(mask);
#elif defined(_MSC_VER) && (defined(_M_X64) || defined(_M_ARM64))
    unsigned long at;
    _BitScanForward64(&at, mask);
    return (int)at;
#else
    int at = 0;
    for (; !(mask & 1); mask >>= 1) at++;
    return at;
#endif
}

/* Of the 64 bytes at p: spaces of one byte, newlines, and bytes that may begin a longer space. */
static inline void wyrm_marks(const uint8_t *p, uint64_t *spaces, uint64_t *newlines, uint64_t *leads) {
    uint64_t space = 0, newline = 0, lead = 0;
    int i;
#if defined(__SSE2__) || defined(_M_X64)
    for (i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + 16 * i));
        __m128i a = _mm_sub_epi8(v, _mm_set1_epi8(9)), b = _mm_sub_epi8(v, _mm_set1_epi8(28));
        a = _mm_cmpeq_epi8(_mm_min_epu8(a, _mm_set1_epi8(4)), a);     /* 9 to 13 */
        b = _mm_cmpeq_epi8(_mm_min_epu8(b, _mm_set1_epi8(4)), b);     /* 28 to 32 */
        space |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(a, b)) << 16 * i;
        newline |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(10))) << 16 * i;
        if (_mm_movemask_epi8(v)) {
            a = _mm_sub_epi8(v, _mm_set1_epi8((char)0xE1));
            a = _mm_cmpeq_epi8(_mm_min_epu8(a, _mm_set1_epi8(2)), a); /* E1 to E3 */
            a = _mm_or_si128(a, _mm_cmpeq_epi8(v, _mm_set1_epi8((char)0xC2)));
            lead |= (uint64_t)(uint32_t)_mm_movemask_epi8(a) << 16 * i;
        }
    }
#else
    for (i = 0; i < 64; i++) {
        space |= (uint64_t)(wyrm_byte_kinds[p[i]] == 1) << i;
        newline |= (uint64_t)(p[i] == 10) << i;
        lead |= (uint64_t)(wyrm_byte_kinds[p[i]] > 1) << i;
    }
#endif
    *spaces = space;
    *newlines = newline;
    *leads = lead;
}

/* At most n words that start at or after *at, which is in none, and before `stop`, as far as the bytes before `end` show
 * them to their ends; how many.  *at moves past them.  Words that are no UTF-8, and the last ones before `stop`, are left
 * to who looks at single bytes: no word found doesn't mean that there is none.  *newline, whether one has been passed
 * before *at, is taken and left behind; `place` is that of *at. */
static inline ptrdiff_t wyrm_words(wyrm_word *words, ptrdiff_t n, const uint8_t **at, const uint8_t *stop,
                                   const uint8_t *end, int64_t place, int *newline) {
    const uint8_t *p = *at, *begin = *at, *word = NULL, *last = p;
    ptrdiff_t left = end - p - WYRM_AHEAD, count = 0;
    uint64_t spaces, newlines, leads, edges, below, high, inside = 0, spill = 0;
    int i, space, line = *newline, starts = 0;
    if (stop - p - 64 < left) left = stop - p - 64;
    for (; left >= 0; left -= 64, p += 64) {
        wyrm_marks(p, &spaces, &newlines, &leads);
        spaces |= spill;
        for (spill = 0; leads; leads &= leads - 1) {
            i = wyrm_first_bit(leads);
            space = (int)wyrm_space(p + i);
            if (!space) continue;
            spaces |= (((uint64_t)1 << space) - 1) << i;
            if (i + space > 64) spill = ((uint64_t)1 << (i + space - 64)) - 1;
        }
        edges = ~spaces ^ (~spaces << 1 | inside);
        inside = ~spaces >> 63;
        while (edges) {
            i = wyrm_first_bit(edges);
            edges &= edges - 1;
            if (word == NULL) {
                word = p + i;
                below = ((uint64_t)1 << i) - 1;
                starts = line | ((newlines & below) != 0);
                newlines &= ~below;
                line = 0;
                if (!edges) break;
                i = wyrm_first_bit(edges);
                edges &= edges - 1;
            }
            words->text = word;
            words->length = p + i - word;
            words->hash = wyrm_word_hash(word, words->length, &high);
            words->place = place + (word - begin);
            words->starts_line = starts;
            if (high && !wyrm_is_utf8(word, words->length)) goto out;
            last = p + i;
            word = NULL;
            words++;
            if (++count == n) goto out;
        }
        line |= newlines != 0;
    }
out:
    if (count) {
        *at = last;
        *newline = 0;
    }
    return count;
}

#endif
