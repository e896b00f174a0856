// Checked arithmetic for sizes that come from files, and float conversions for half and bfloat16.
#ifndef ETCH_BASE_NUM_H
#define ETCH_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// *out = a op b; false on overflow (then *out is unspecified). Work on any integer types of the same kind.
#define etch_add_ok(a, b, out) (!__builtin_add_overflow((a), (b), (out)))
#define etch_sub_ok(a, b, out) (!__builtin_sub_overflow((a), (b), (out)))
#define etch_mul_ok(a, b, out) (!__builtin_mul_overflow((a), (b), (out)))

// `a` a power of two. Caller guarantees no overflow.
static inline size_t etch_align_up(size_t n, size_t a) { return (n + a - 1) & ~(a - 1); }

static inline float etch_f32_from_bits(uint32_t b) { float f; memcpy(&f, &b, 4); return f; }
static inline uint32_t etch_f32_bits(float f) { uint32_t b; memcpy(&b, &f, 4); return b; }

static inline float etch_bf16_to_f32(uint16_t h) { return etch_f32_from_bits((uint32_t)h << 16); }
// Round to nearest even; NaN stays NaN (quiet).
static inline uint16_t etch_f32_to_bf16(float f)
{
    uint32_t b = etch_f32_bits(f);
    if ((b & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((b >> 16) | 0x40u);
    return (uint16_t)((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
}

float etch_f16_to_f32(uint16_t h);
// Round to nearest even, IEEE binary16; overflow gives infinity.
uint16_t etch_f32_to_f16(float f);

#endif
