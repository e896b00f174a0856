// e^x within 2 ulp, branch-free, so that loops over it vectorise.
#ifndef ETCH_KERN_EW_EXP_H
#define ETCH_KERN_EW_EXP_H

#include <stdint.h>

// 2^n * p(r), r = x - n ln 2 in two parts.
static inline float etch_exp_fast(float x)
{
    float c = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
    float n = c * 1.44269504f + 12582912.0f;      // round to nearest by the float's own mantissa
    int32_t bits;
    __builtin_memcpy(&bits, &n, 4);
    n -= 12582912.0f;
    float r = c - n * 0.693145752f;
    r -= n * 1.42860677e-6f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    // 2^n as two factors: n in [-150, 129] leaves the range of one.
    // Unsigned: a NaN gives any bits.
    int32_t k = (int32_t)((uint32_t)bits - 0x4b400000u), half = k >> 1;
    uint32_t b1 = ((uint32_t)half + 127u) << 23, b2 = ((uint32_t)(k - half) + 127u) << 23;
    float s1, s2;
    __builtin_memcpy(&s1, &b1, 4);
    __builtin_memcpy(&s2, &b2, 4);
    float y = p * s1 * s2;
    return x != x ? x : y;
}

#endif
