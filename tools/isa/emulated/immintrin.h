// x86 intrinsics as plain C (simde), for instruction sets that this machine lacks.
#ifndef ETCH_TOOLS_ISA_IMMINTRIN_H
#define ETCH_TOOLS_ISA_IMMINTRIN_H

#define SIMDE_NO_NATIVE
#define SIMDE_ENABLE_NATIVE_ALIASES
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <math.h>
#include <string.h>

#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>
#pragma GCC diagnostic pop

// What simde 0.7.4 does not have.
static inline __m512 _mm512_cvtepi32_ps(__m512i v)
{
    int32_t x[16];
    float y[16];
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 16; i++) y[i] = (float)x[i];
    return _mm512_loadu_ps(y);
}

static inline __m512i _mm512_cvtepi8_epi32(__m128i v)
{
    int8_t x[16];
    int32_t y[16];
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 16; i++) y[i] = x[i];
    return _mm512_loadu_si512(y);
}

static inline __m512i _mm512_cvtepu16_epi32(__m256i v)
{
    uint16_t x[16];
    uint32_t y[16];
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 16; i++) y[i] = x[i];
    return _mm512_loadu_si512(y);
}

static inline __m512 _mm512_cvtph_ps(__m256i v)
{
    __m256 half[2];
    __m128i x[2];
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 2; i++) half[i] = _mm256_cvtph_ps(x[i]);
    return _mm512_loadu_ps(half);
}

static inline __m512i _mm512_maskz_loadu_epi64(uint8_t mask, const void *p)
{
    int64_t x[8] = { 0 };
    for (int i = 0; i < 8; i++)
        if (mask >> i & 1) memcpy(&x[i], (const char *)p + 8 * i, 8);
    return _mm512_loadu_si512(x);
}

static inline int _mm512_reduce_add_epi32(__m512i v)
{
    uint32_t x[16], s = 0;
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 16; i++) s += x[i];
    return (int)s;
}

static inline float _mm512_reduce_add_ps(__m512 v)
{
    float x[16], s = 0;
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 16; i++) s += x[i];
    return s;
}

static inline __m512 _mm512_maskz_loadu_ps(uint16_t which, const float *from)
{
    float x[16] = { 0 };
    for (int i = 0; i < 16; i++)
        if (which >> i & 1) x[i] = from[i];
    return _mm512_loadu_ps(x);
}

static inline void _mm512_mask_storeu_ps(float *to, uint16_t which, __m512 v)
{
    float x[16];
    memcpy(x, &v, sizeof x);
    for (int i = 0; i < 16; i++)
        if (which >> i & 1) to[i] = x[i];
}

#define _mm512_shuffle_f32x4(a, b, which) simde_mm512_shuffle_f32x4(a, b, which)

// simde rounds products, too.
#define FUSED(bits, n)                                                                                         \
    static inline __m##bits fused_##bits(__m##bits a, __m##bits b, __m##bits c)                                \
    {                                                                                                          \
        float x[n], y[n], z[n];                                                                                \
        memcpy(x, &a, sizeof x);                                                                               \
        memcpy(y, &b, sizeof y);                                                                               \
        memcpy(z, &c, sizeof z);                                                                               \
        for (int i = 0; i < n; i++) z[i] = fmaf(x[i], y[i], z[i]);                                             \
        memcpy(&c, z, sizeof z);                                                                               \
        return c;                                                                                              \
    }
FUSED(256, 8)
FUSED(512, 16)
#undef _mm256_fmadd_ps
#undef _mm512_fmadd_ps
#define _mm256_fmadd_ps(a, b, c) fused_256(a, b, c)
#define _mm512_fmadd_ps(a, b, c) fused_512(a, b, c)

// Its alias has two arguments too many.
#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)

#define _mm256_dpbusd_avx_epi32(acc, u, s) simde_mm256_dpbusd_epi32(acc, u, s)

#endif
