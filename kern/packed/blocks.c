// Block layouts: bytes of one block to integers, scales and offsets. Each function states the layout of its bytes; f16 is little-endian.
#include "kern/packed/packed.h"

#include <string.h>

#include "base/num.h"

static float half_at(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return etch_f16_to_f32(h);
}

// 16 bytes: value j in the low nibble of byte j, value 16 + j in its high nibble. `high`: one more bit for each value, NULL for none.
static void nibbles_32(const uint8_t *b, const uint8_t *high, int zero, int16_t *q)
{
    uint32_t h = 0;
    if (high) memcpy(&h, high, 4);
    for (int j = 0; j < 16; j++) {
        q[j] = (int16_t)((b[j] & 15) + (int)(h >> j & 1) * 16 - zero);
        q[16 + j] = (int16_t)((b[j] >> 4) + (int)(h >> (16 + j) & 1) * 16 - zero);
    }
}

// f16 scale · nibbles; integer - 8
static void unpack_Q4_0(const uint8_t *b, int16_t *q, float *scales, float *offsets)
{
    scales[0] = half_at(b);
    offsets[0] = 0;
    nibbles_32(b + 2, NULL, 8, q);
}

// f16 scale · f16 offset · nibbles
static void unpack_Q4_1(const uint8_t *b, int16_t *q, float *scales, float *offsets)
{
    scales[0] = half_at(b);
    offsets[0] = half_at(b + 2);
    nibbles_32(b + 4, NULL, 0, q);
}

// f16 scale · 32 fifth bits · nibbles; integer - 16
static void unpack_Q5_0(const uint8_t *b, int16_t *q, float *scales, float *offsets)
{
    scales[0] = half_at(b);
    offsets[0] = 0;
    nibbles_32(b + 6, b + 2, 16, q);
}

// f16 scale · f16 offset · 32 fifth bits · nibbles
static void unpack_Q5_1(const uint8_t *b, int16_t *q, float *scales, float *offsets)
{
    scales[0] = half_at(b);
    offsets[0] = half_at(b + 2);
    nibbles_32(b + 8, b + 4, 0, q);
}

// f16 scale · 32 i8
static void unpack_Q8_0(const uint8_t *b, int16_t *q, float *scales, float *offsets)
{
    scales[0] = half_at(b);
    offsets[0] = 0;
    for (int j = 0; j < 32; j++) q[j] = (int8_t)b[2 + j];
}

// Eight 6-bit scales and eight 6-bit minima in 12 bytes: the first four of each in the low bits of bytes 0-3 and 4-7, the others in the
// nibbles of bytes 8-11 with their two high bits on top of bytes 0-3 and 4-7.
static void k_scales(const uint8_t *s, float d, float dmin, float *scales, float *offsets)
{
    for (int j = 0; j < 4; j++) {
        scales[j] = d * (float)(s[j] & 63);
        offsets[j] = -(dmin * (float)(s[4 + j] & 63));
        scales[4 + j] = d * (float)((s[8 + j] & 15) | (s[j] >> 6) << 4);
        offsets[4 + j] = -(dmin * (float)((s[8 + j] >> 4) | (s[4 + j] >> 6) << 4));
    }
}

// Four runs of 32 bytes: a run holds 32 values in its low nibbles, then 32 in its high ones. `high`: bit i of byte l is the fifth bit of
// value 32 i + l.
static void nibbles_256(const uint8_t *b, const uint8_t *high, int16_t *q)
{
    for (int i = 0; i < 8; i++)
        for (int l = 0; l < 32; l++)
            q[32 * i + l] = (int16_t)((b[32 * (i / 2) + l] >> (i % 2 ? 4 : 0) & 15) + (high && high[l] >> i & 1 ? 16 : 0));
}

// f16 d · f16 dmin · 12 bytes of scales · 128 bytes of nibbles
static void unpack_Q4_K(const uint8_t *b, int16_t *q, float *scales, float *offsets)
{
    k_scales(b + 4, half_at(b), half_at(b + 2), scales, offsets);
    nibbles_256(b + 16, NULL, q);
}

// f16 d · f16 dmin · 12 bytes of scales · 32 bytes of fifth bits · 128 bytes of nibbles
static void unpack_Q5_K(const uint8_t *b, int16_t *q, float *scales, float *offsets)
{
    k_scales(b + 4, half_at(b), half_at(b + 2), scales, offsets);
    nibbles_256(b + 48, b + 16, q);
}

// 128 bytes of low nibbles · 64 bytes of high bit pairs · 16 i8 scales · f16 d; integer - 32. In each half of 128 values, 64 bytes hold
// values l and 64 + l in their nibbles, and byte l of the pairs holds those of values l, 32 + l, 64 + l, 96 + l.
static void unpack_Q6_K(const uint8_t *b, int16_t *q, float *scales, float *offsets)
{
    const float d = half_at(b + 208);
    for (int i = 0; i < 16; i++) {
        scales[i] = d * (float)(int8_t)b[192 + i];
        offsets[i] = 0;
    }
    for (int i = 0; i < 256; i++) {
        int half = i / 128, l = i % 128;
        int low = b[64 * half + l % 64] >> (l / 64 * 4) & 15, high = b[128 + 32 * half + l % 32] >> (l / 32 * 2) & 3;
        q[i] = (int16_t)((low | high << 4) - 32);
    }
}

#define BLOCK(name, type, values, bytes, group) unpack_##name,
static void (*const unpack[])(const uint8_t *b, int16_t *q, float *scales, float *offsets) = {
#include "op/blocks.def"
};
#undef BLOCK

void etch_packed__block_row(const etch_packed *p, int64_t row, int16_t *q, float *scales, float *offsets)
{
    const int64_t n = p->cols / p->block->values, per = p->block->values / p->block->group;
    const uint8_t *b = p->bytes + row * n * p->block->bytes;
    for (int64_t i = 0; i < n; i++)
        unpack[p->block->id](b + i * p->block->bytes, q + i * p->block->values, scales + i * per, offsets + i * per);
}
