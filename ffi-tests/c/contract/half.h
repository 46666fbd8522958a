/* f16 and bf16 in integers, for values that need no rounding on the way in. */
#ifndef HALF_H
#define HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t float_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline uint16_t bf16_from(float x) {
    return (uint16_t)(float_bits(x) >> 16);
}

static inline float bf16_to(uint16_t x) {
    const uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* For 0 and normal f16 values of at most 11 significant bits. */
static inline uint16_t f16_from(float x) {
    const uint32_t bits = float_bits(x);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t exponent = ((bits >> 23) & 0xffu) - 112u;
    return (uint16_t)(x == 0.0f ? sign : sign | (exponent << 10) | ((bits >> 13) & 0x3ffu));
}

static inline float f16_to(uint16_t x) {
    const int exponent = (x >> 10) & 31;
    const int mantissa = x & 0x3ff;
    const double size = exponent == 0 ? ldexp(mantissa, -24) : ldexp(mantissa + 1024, exponent - 25);
    return (float)((x & 0x8000) != 0 ? -size : size);
}

#endif
