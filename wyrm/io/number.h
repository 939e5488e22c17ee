/* Decimal text to float32: correctly rounded, whatever the locale, and free of locks.
 *
 * Up to 24 bits of digits and ten decimal places take one exact float operation (Clinger, "How to read floating point
 * numbers accurately", 1990).  Others are computed in double, which is off by a few units in its last place: enough,
 * unless that lies about half way between two floats.  Then the decimal is compared with the half way exactly, in
 * integers.
 */
#ifndef WYRM_IO_NUMBER_H
#define WYRM_IO_NUMBER_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { WYRM_NUMBER = 0, WYRM_NO_NUMBER = 1, WYRM_NUMBER_TOO_LARGE = 2 };

static const float wyrm_tens_float[] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f};
static const double wyrm_tens_double[] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33,
    1e34, 1e35, 1e36, 1e37, 1e38, 1e39, 1e40, 1e41, 1e42, 1e43, 1e44, 1e45, 1e46, 1e47, 1e48, 1e49, 1e50,
    1e51, 1e52, 1e53, 1e54, 1e55, 1e56, 1e57, 1e58, 1e59, 1e60, 1e61, 1e62, 1e63, 1e64, 1e65};

static inline unsigned wyrm_digit(char c) { return (unsigned char)c - 48u; }

/* The first digits of a decimal that are not leading zeros: value = 0.d1d2d3... * 10^power, or a little more where
 * `more` is set.  The half way of two floats has at most 113 digits, so 120 of them and `more` decide on which side of
 * it a decimal is. */
#define WYRM_DIGITS 120
typedef struct {
    char digit[WYRM_DIGITS];
    int count, more;
    int64_t power;
} wyrm_decimal;

static void wyrm_collect_digits(wyrm_decimal *decimal, const char *text, int64_t exponent) {
    int point = 0;
    decimal->count = decimal->more = 0;
    decimal->power = exponent;
    for (;; text++) {
        if (*text == '.' && !point) {
            point = 1;
        } else if (wyrm_digit(*text) < 10) {
            if (decimal->count == 0 && *text == '0') {
                decimal->power -= point;
                continue;
            }
            decimal->power += !point;
            if (decimal->count < WYRM_DIGITS)
                decimal->digit[decimal->count++] = (char)wyrm_digit(*text);
            else
                decimal->more |= *text != '0';
        } else {
            return;
        }
    }
}

/* Integers below 2^1024.  The largest that occurs, a half way times 10^166, has about 700 bits. */
typedef struct {
    uint32_t limb[32];
    int count;
} wyrm_integer;

static void wyrm_multiply_add(wyrm_integer *a, uint32_t factor, uint32_t carry) {
    for (int i = 0; i < a->count; i++) {
        uint64_t sum = (uint64_t)a->limb[i] * factor + carry;
        a->limb[i] = (uint32_t)sum;
        carry = (uint32_t)(sum >> 32);
    }
    if (carry && a->count < 32) a->limb[a->count++] = carry;
}

static void wyrm_multiply_power(wyrm_integer *a, uint32_t base, int64_t power) {
    for (; power > 0; power--) wyrm_multiply_add(a, base, 0);
}

static int wyrm_compare(const wyrm_integer *a, const wyrm_integer *b) {
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    for (int i = a->count - 1; i >= 0; i--)
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

/* The sign of the decimal less the half way from the float of these bits to the next larger one. */
static int wyrm_compare_half_way(const wyrm_decimal *decimal, uint32_t bits) {
    uint32_t biased = bits >> 23, fraction = bits & 0x7fffff;
    int64_t two = (biased ? (int64_t)biased : 1) - 151, ten = decimal->power - decimal->count;
    wyrm_integer left = {{0}, 0}, right = {{0}, 0};
    int order;
    for (int i = 0; i < decimal->count; i++) wyrm_multiply_add(&left, 10, (uint32_t)decimal->digit[i]);
    wyrm_multiply_add(&right, 1, 2 * (fraction | (biased ? 1u << 23 : 0)) + 1);
    wyrm_multiply_power(&left, 10, ten);
    wyrm_multiply_power(&right, 10, -ten);
    wyrm_multiply_power(&left, 2, -two);
    wyrm_multiply_power(&right, 2, two);
    order = wyrm_compare(&left, &right);
    return order ? order : decimal->more;
}

/* The float nearest to the decimal, ties to even; `guess` is within a few floats of it. */
static float wyrm_nearest(const wyrm_decimal *decimal, float guess) {
    uint32_t bits;
    int order;
    memcpy(&bits, &guess, sizeof bits);
    while (bits < 0x7f800000u && ((order = wyrm_compare_half_way(decimal, bits)) > 0 || (order == 0 && bits & 1))) bits++;
    while (bits > 0 && ((order = wyrm_compare_half_way(decimal, bits - 1)) < 0 || (order == 0 && bits & 1))) bits--;
    memcpy(&guess, &bits, sizeof guess);
    return guess;
}

/* The number of `count` digits at `text` times 10^power; `digits` and `exponent` are its value if they are at most 19. */
static float wyrm_decimal_to_float(const char *text, int64_t count, int64_t power, uint64_t digits, int64_t exponent) {
    wyrm_decimal decimal;
    double value;
    uint64_t low;
    if (count > 19) {
        wyrm_collect_digits(&decimal, text, power);
        digits = 0;
        count = decimal.count < 19 ? decimal.count : 19;
        for (int i = 0; i < count; i++) digits = 10 * digits + (uint64_t)decimal.digit[i];
        exponent = decimal.power - count;
    }
    if (digits == 0 || exponent < -65) return 0.0f;
    if (exponent > 38) return INFINITY;
    value = exponent < 0 ? (double)digits / wyrm_tens_double[-exponent] : (double)digits * wyrm_tens_double[exponent];
    memcpy(&low, &value, sizeof low);
    low &= (1u << 29) - 1; /* the bits that a float has no room for */
    if (value > 2.4e-38 && (low < (1u << 28) - 8 || low > (1u << 28) + 8)) return (float)value;
    wyrm_collect_digits(&decimal, text, power);
    return wyrm_nearest(&decimal, (float)value);
}

static int wyrm_read_word(const char **text, float *value) {
    const struct { const char *word; float value; } words[] = {
        {"infinity", INFINITY}, {"inf", INFINITY}, {"nan", NAN}};
    for (int i = 0; i < 3; i++) {
        const char *at = *text, *word = words[i].word;
        while (*word && (*at | 32) == *word) at++, word++;
        if (!*word) {
            *text = at;
            *value = words[i].value;
            return WYRM_NUMBER;
        }
    }
    return WYRM_NO_NUMBER;
}

/* Reads what strtof reads in the C locale, but hexadecimal, and moves `text` past it.  The text has to end with a
 * character that belongs to no number, such as a newline.  Too small becomes 0, too large is WYRM_NUMBER_TOO_LARGE. */
static inline int wyrm_read_float(const char **text, float *value) {
    const char *at = *text, *start;
    uint64_t digits = 0;
    int64_t exponent = 0, power = 0, count;
    int negative = *at == '-', status;
    float found;
    at += negative || *at == '+';
    start = at;
    while (wyrm_digit(*at) < 10) digits = 10 * digits + wyrm_digit(*at++);
    count = at - start;
    if (*at == '.') {
        const char *point = ++at;
        while (wyrm_digit(*at) < 10) digits = 10 * digits + wyrm_digit(*at++);
        exponent = point - at;
        count -= exponent;
    }
    if (count == 0) {
        at = start;
        if ((status = wyrm_read_word(&at, &found)) != WYRM_NUMBER) return status;
    } else {
        if ((*at | 32) == 'e') {
            int down = at[1] == '-';
            at += down || at[1] == '+' ? 2 : 1;
            if (wyrm_digit(*at) >= 10) return WYRM_NO_NUMBER;
            /* No text is long enough to make up for an exponent of 10^15. */
            for (; wyrm_digit(*at) < 10; at++)
                if (power < 1000000000000000) power = 10 * power + wyrm_digit(*at);
            if (down) power = -power;
            exponent += power;
        }
        if (count <= 19 && digits < 1u << 24 && exponent >= -10 && exponent <= 10)
            found = exponent < 0 ? (float)digits / wyrm_tens_float[-exponent] : (float)digits * wyrm_tens_float[exponent];
        else if (isinf(found = wyrm_decimal_to_float(start, count, power, digits, exponent)))
            return WYRM_NUMBER_TOO_LARGE;
    }
    *text = at;
    *value = negative ? -found : found;
    return WYRM_NUMBER;
}

/* Reads digits and moves `text` past them; -1 where there are none, -2 where they pass 2^63 - 1. */
static inline int64_t wyrm_read_integer(const char **text) {
    const char *at = *text, *start = at;
    uint64_t value = 0;
    while (wyrm_digit(*at) < 10) value = 10 * value + wyrm_digit(*at++);
    if (at == start) return -1;
    *text = at;
    while (at - start > 19 && *start == '0') start++;
    return at - start > 19 || value > INT64_MAX ? -2 : (int64_t)value;
}
#endif
