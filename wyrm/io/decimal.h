/* Float32 to decimal text: the fewest digits that give the same float, whatever the locale.
 *
 * Nine digits always do.  Fewer are tried against the half ways to the neighbours, in double: these are exact in it, and
 * a decimal is off by less than 2e-15 of itself, so that one that is taken for inside is inside.
 */
#ifndef WYRM_IO_DECIMAL_H
#define WYRM_IO_DECIMAL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "number.h"

enum { WYRM_DECIMAL_SIZE = 16 }; /* the longest is -1.17549435e-38 */

static inline double wyrm_times_ten_to(double value, int power) {
    return power < 0 ? value / wyrm_tens_double[-power] : value * wyrm_tens_double[power];
}

/* Writes a value and returns where it ends, WYRM_DECIMAL_SIZE further on at most. */
static char *wyrm_write_float(char *at, float value) {
    uint32_t bits, digits, fewer, step;
    double exact, low, high, scaled, tried;
    int ten, count = 9, binary, i;
    char text[9];
    memcpy(&bits, &value, sizeof bits);
    if (bits >> 31) *at++ = '-';
    bits &= 0x7fffffffu;
    if (bits == 0) {
        *at++ = '0';
        return at;
    }
    if (bits >= 0x7f800000u) {
        memcpy(at, bits == 0x7f800000u ? "inf" : "nan", 3);
        return at + 3;
    }
    memcpy(&value, &bits, sizeof value);
    exact = value;
    bits--;
    memcpy(&value, &bits, sizeof value);
    low = 0.5 * (exact + value);
    high = exact + (exact - low); /* nearer than need be for a power of two, whose neighbour above is farther */
    low += low * 2e-15;
    high -= high * 2e-15;

    frexp(exact, &binary);
    ten = (int)floor((binary - 1) * 0.30102999566398119);
    scaled = wyrm_times_ten_to(exact, 8 - ten);
    if (scaled >= 999999999.5) scaled = wyrm_times_ten_to(exact, 8 - ++ten);
    digits = (uint32_t)(scaled + 0.5);
    for (step = 10; step <= 100000000u; step *= 10) { /* of the exact value: rounded once */
        fewer = (uint32_t)(scaled / step + 0.5);
        tried = wyrm_times_ten_to(fewer, ten + 2 - count);
        if (!(tried > low && tried < high)) break;
        digits = fewer;
        count--;
    }
    while (count > 1 && digits % 10 == 0) digits /= 10, count--;
    for (i = count - 1; i >= 0; i--, digits /= 10) text[i] = (char)('0' + digits % 10);
    if (digits) { /* rounded up to one more: 9.99 to 10.0 */
        memmove(text + 1, text, (size_t)count - 1);
        text[0] = (char)('0' + digits);
        ten++;
    }
    if (ten >= 0 && ten < 9) {
        for (i = 0; i < count || i <= ten; i++) {
            if (i == ten + 1) *at++ = '.';
            *at++ = i < count ? text[i] : '0';
        }
        return at;
    }
    if (ten < 0 && ten >= -4) {
        *at++ = '0';
        *at++ = '.';
        for (i = -1; i > ten; i--) *at++ = '0';
        memcpy(at, text, (size_t)count);
        return at + count;
    }
    *at++ = text[0];
    if (count > 1) *at++ = '.';
    memcpy(at, text + 1, (size_t)count - 1);
    at += count - 1;
    *at++ = 'e';
    *at++ = ten < 0 ? '-' : '+';
    ten = ten < 0 ? -ten : ten;
    *at++ = (char)('0' + ten / 10);
    *at++ = (char)('0' + ten % 10);
    return at;
}
#endif
