/* Bytes of text: where words end, how they hash, and what takes the place of bytes that are not UTF-8.
 *
 * Words are what str.split() makes of decoded text: whitespace is Unicode's, and a part of the text that is no UTF-8
 * reads as U+FFFD, once for each maximal part of a character (as bytes.decode(errors="replace") has it).
 */
#ifndef WYRM_CHARACTERS_H
#define WYRM_CHARACTERS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What a byte may begin: 0 a character of a word, 1 a space, 2 to 5 a space of more bytes, or a character. */
static const uint8_t wyrm_byte_kinds[256] = {
    [9] = 1, [10] = 1, [11] = 1, [12] = 1, [13] = 1, [28] = 1, [29] = 1, [30] = 1, [31] = 1, [32] = 1,
    [0xC2] = 2, [0xE1] = 3, [0xE2] = 4, [0xE3] = 5,
};

/* How many bytes the space at p has; 0 where there is none.  Three bytes from p on are read. */
static inline ptrdiff_t wyrm_space(const uint8_t *p) {
    switch (wyrm_byte_kinds[p[0]]) {
    case 0: return 0;
    case 1: return 1;
    case 2: return p[1] == 0x85 || p[1] == 0xA0 ? 2 : 0;
    case 3: return p[1] == 0x9A && p[2] == 0x80 ? 3 : 0;
    case 4:
        if (p[1] == 0x80) return (p[2] >= 0x80 && p[2] <= 0x8A) || p[2] == 0xA8 || p[2] == 0xA9 || p[2] == 0xAF ? 3 : 0;
        return p[1] == 0x81 && p[2] == 0x9F ? 3 : 0;
    default: return p[1] == 0x80 && p[2] == 0x80 ? 3 : 0;
    }
}

/* The end of the word that p is in: the next space, or `end`.  A newline stands at `end`. */
static inline const uint8_t *wyrm_word_end(const uint8_t *p) {
    for (;;) {
        while (!wyrm_byte_kinds[*p]) p++;
        if (wyrm_byte_kinds[*p] == 1 || wyrm_space(p)) return p;
        p++;
    }
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define WYRM_CUT(part, n) ((part) >> (64 - 8 * (n)))
#else
#define WYRM_CUT(part, n) ((part) << (64 - 8 * (n)))
#endif

/* Of n >= 1 bytes, eight at a time; the last ones are read with what follows the word and cut off.  8 bytes past the end
 * are read.  `high` becomes nonzero when a byte is not ASCII.  Of words of one length up to 8 no two have one hash: each
 * step can be undone. */
static inline uint64_t wyrm_word_hash(const uint8_t *p, ptrdiff_t n, uint64_t *high) {
    uint64_t hash = 0x9E3779B97F4A7C15u ^ (uint64_t)n, part, bits = 0;
    for (; n > 8; n -= 8, p += 8) {
        memcpy(&part, p, 8);
        bits |= part;
        hash = (hash ^ part) * 0xD6E8FEB86659FD93u;
        hash ^= hash >> 32;
    }
    memcpy(&part, p, 8);
    part = WYRM_CUT(part, n);
    bits |= part;
    hash = (hash ^ part) * 0xD6E8FEB86659FD93u;
    hash ^= hash >> 32;
    hash *= 0xD6E8FEB86659FD93u;
    *high = bits & 0x8080808080808080u;
    return hash ^ (hash >> 32);
}

/* Whether two blocks of n >= 8 bytes are equal. */
static inline int wyrm_same(const uint8_t *p, const uint8_t *q, ptrdiff_t n) {
    uint64_t a, b;
    ptrdiff_t i;
    for (i = 0; i + 8 < n; i += 8) {
        memcpy(&a, p + i, 8);
        memcpy(&b, q + i, 8);
        if (a != b) return 0;
    }
    memcpy(&a, p + n - 8, 8);
    memcpy(&b, q + n - 8, 8);
    return a == b;
}

/* The bytes of the character at p, of n; `valid` becomes 0 where it is broken, and then they are the part that U+FFFD
 * takes the place of. */
static inline ptrdiff_t wyrm_character(const uint8_t *p, ptrdiff_t n, int *valid) {
    uint8_t lead = p[0], low = 0x80, high = 0xBF;
    ptrdiff_t size, i;
    *valid = 1;
    if (lead < 0x80) return 1;
    *valid = 0;
    if (lead < 0xC2 || lead > 0xF4) return 1;
    size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    for (i = 1; i < size; i++) {
        if (i == n || p[i] < low || p[i] > high) return i;
        low = 0x80;
        high = 0xBF;
    }
    *valid = 1;
    return size;
}

static inline int wyrm_is_utf8(const uint8_t *p, ptrdiff_t n) {
    int valid = 1;
    ptrdiff_t size;
    for (; valid && n > 0; n -= size) {
        size = wyrm_character(p, n, &valid);
        p += size;
    }
    return valid;
}

/* Copy a word with U+FFFD for what is no UTF-8; the bytes written, at most 3 n. */
static inline ptrdiff_t wyrm_repair(uint8_t *out, const uint8_t *p, ptrdiff_t n) {
    uint8_t *at = out;
    ptrdiff_t size;
    int valid;
    for (; n > 0; n -= size) {
        size = wyrm_character(p, n, &valid);
        if (valid) {
            memcpy(at, p, (size_t)size);
            at += size;
        } else {
            memcpy(at, "\xEF\xBF\xBD", 3);
            at += 3;
        }
        p += size;
    }
    return at - out;
}

#endif
