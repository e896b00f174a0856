// The loops of rows.inc for AVX2: two vectors are the 16 partial sums, tails go lane by lane. No fused multiply-add: the bits equal ref.c.
#include "kern/quantize/quantize.h"

#if defined(__x86_64__)
#include <float.h>
#include <immintrin.h>
#include <math.h>

#include "base/num.h"

#define LANES 16

// Rounded half to even (the processor's mode), so that ROUND(w / s) is the integer that ref.c gives.
#define ROUND(x) _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

typedef struct { __m256 s, lo, hi; } cut;

static inline cut cut_of(float s, float lo, float hi) { return (cut){ _mm256_set1_ps(s), _mm256_set1_ps(lo), _mm256_set1_ps(hi) }; }
static inline __m256 quantized(const cut *c, __m256 w) { return ROUND(_mm256_min_ps(c->hi, _mm256_max_ps(c->lo, _mm256_div_ps(w, c->s)))); }

// The last n < 8 floats of a row, zeros behind them: a zero adds nothing to any sum.
static inline __m256 load_tail(const float *w, int64_t n)
{
    float t[8] = { 0 };
    for (int64_t i = 0; i < n && i < 8; i++) t[i] = w[i];
    return _mm256_loadu_ps(t);
}

static float max_abs(const float *w, int64_t n)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 a = _mm256_setzero_ps(), b = a;
    int64_t i = 0;
    // A NaN in the second operand would be kept, in the first it is dropped as ref.c drops it.
    for (; i + 16 <= n; i += 16) {
        a = _mm256_max_ps(_mm256_andnot_ps(sign, _mm256_loadu_ps(w + i)), a);
        b = _mm256_max_ps(_mm256_andnot_ps(sign, _mm256_loadu_ps(w + i + 8)), b);
    }
    for (; i < n; i += 8) a = _mm256_max_ps(_mm256_andnot_ps(sign, n - i < 8 ? load_tail(w + i, n - i) : _mm256_loadu_ps(w + i)), a);
    float m[8], r = 0;
    _mm256_storeu_ps(m, _mm256_max_ps(a, b));
    for (int k = 0; k < 8; k++) r = m[k] > r ? m[k] : r;
    return r;
}

static void refit_sums(const float *w, int64_t n, float s, float lo, float hi, float *num, float *den)
{
    const cut c = cut_of(s, lo, hi);
    __m256 top[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() }, bottom[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int h = 0; h < 2; h++) {
            __m256 v = _mm256_loadu_ps(w + i + 8 * h), q = quantized(&c, v);
            top[h] = _mm256_add_ps(top[h], _mm256_mul_ps(v, q));
            bottom[h] = _mm256_add_ps(bottom[h], _mm256_mul_ps(q, q));
        }
    for (int h = 0; i < n; i += 8, h++) {
        __m256 v = n - i < 8 ? load_tail(w + i, n - i) : _mm256_loadu_ps(w + i), q = quantized(&c, v);
        top[h] = _mm256_add_ps(top[h], _mm256_mul_ps(v, q));
        bottom[h] = _mm256_add_ps(bottom[h], _mm256_mul_ps(q, q));
    }
    for (int h = 0; h < 2; h++) {
        _mm256_storeu_ps(num + 8 * h, top[h]);
        _mm256_storeu_ps(den + 8 * h, bottom[h]);
    }
}

static void round_row(const float *w, int64_t n, float s, float lo, float hi, int8_t *out, float *error, float *energy)
{
    const cut c = cut_of(s, lo, hi);
    __m256 e[2] = { _mm256_loadu_ps(error), _mm256_loadu_ps(error + 8) }, r[2] = { _mm256_loadu_ps(energy), _mm256_loadu_ps(energy + 8) };
    for (int64_t i = 0; i < n; i += 16) {
        __m128i half[2];
        for (int h = 0; h < 2; h++) {
            int64_t left = n - i - 8 * h;
            __m256 v = left < 8 ? load_tail(w + i + 8 * h, left) : _mm256_loadu_ps(w + i + 8 * h), q = quantized(&c, v);
            __m256 d = _mm256_sub_ps(v, _mm256_mul_ps(q, c.s));
            __m256i k = _mm256_cvtps_epi32(q);
            e[h] = _mm256_add_ps(e[h], _mm256_mul_ps(d, d));
            r[h] = _mm256_add_ps(r[h], _mm256_mul_ps(v, v));
            half[h] = _mm_packs_epi32(_mm256_castsi256_si128(k), _mm256_extracti128_si256(k, 1));
        }
        __m128i bytes = _mm_packs_epi16(half[0], half[1]);
        if (n - i >= 16) _mm_storeu_si128((__m128i *)(void *)(out + i), bytes);
        else memcpy(out + i, &bytes, (size_t)(n - i));
    }
    for (int h = 0; h < 2; h++) {
        _mm256_storeu_ps(error + 8 * h, e[h]);
        _mm256_storeu_ps(energy + 8 * h, r[h]);
    }
}

#define ROWS(name) name##__avx2
#include "kern/quantize/rows.inc"
#endif
