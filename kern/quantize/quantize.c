// In: float rows. Out: integers and scales. Loops are written so that the compiler vectorises them; rounding is exact (half to even).
#include "kern/quantize/quantize.h"

#include <float.h>
#include <math.h>

#define LANES 16

// Round half to even for |x| < 2^22: adding 1.5 * 2^23 leaves the integer in the low bits of the mantissa.
static inline float round_even(float x)
{
    const float magic = 12582912.0f;
    return (x + magic) - magic;
}

static inline float clampf(float x, float lo, float hi) { return x < lo ? lo : x > hi ? hi : x; }

static float max_abs(const float *w, int64_t n)
{
    float m[LANES] = { 0 }, r = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float a = fabsf(w[i + k]);
            m[k] = a > m[k] ? a : m[k];
        }
    for (; i < n; i++) r = fabsf(w[i]) > r ? fabsf(w[i]) : r;
    for (int k = 0; k < LANES; k++) r = m[k] > r ? m[k] : r;
    return r;
}

// Least squares of w ~ s * q for the q that scale s gives: num = sum w q, den = sum q q.
static void refit_sums(const float *w, int64_t n, float s, float lo, float hi, float *num, float *den)
{
    float a[LANES] = { 0 }, b[LANES] = { 0 };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float q = round_even(clampf(w[i + k] / s, lo, hi));
            a[k] += w[i + k] * q;
            b[k] += q * q;
        }
    for (int k = 0; i < n; i++, k++) {
        float q = round_even(clampf(w[i] / s, lo, hi));
        a[k] += w[i] * q;
        b[k] += q * q;
    }
    for (int step = LANES / 2; step; step /= 2)
        for (int k = 0; k < step; k++) {
            a[k] += a[k + step];
            b[k] += b[k + step];
        }
    *num = a[0];
    *den = b[0];
}

static float scale_hqq(const float *w, int64_t n, float qmin, float qmax)
{
    float s = max_abs(w, n) / -qmin;
    if (!(s >= FLT_EPSILON)) s = FLT_EPSILON;
    for (int iter = 0; iter < 20; iter++) {
        float num, den, was = s;
        refit_sums(w, n, s, qmin, qmax, &num, &den);
        if (den > 0) s = num / den;
        s = fabsf(s >= FLT_EPSILON ? s : FLT_EPSILON);
        if (fabsf(s - was) / (was >= FLT_EPSILON ? was : FLT_EPSILON) < 1e-5f) break;
    }
    return s;
}

static float scale_minmax(const float *w, int64_t n, float qmin, float qmax)
{
    float s = max_abs(w, n) / ((qmax - qmin) / 2);
    return s >= FLT_MIN ? s : FLT_MIN;
}

void etch_quantize_row(const float *w, int64_t k, const etch_quant_scheme *s, int8_t *q, float *scales)
{
    int64_t group = s->group ? s->group : k;
    float qmin = -(float)(1 << (s->bits - 1)), qmax = -qmin - 1;
    for (int64_t at = 0, g = 0; at < k; at += group, g++) {
        float scale = s->rule == ETCH_QPARAMS_HQQ ? scale_hqq(w + at, group, qmin, qmax) : scale_minmax(w + at, group, qmin, qmax);
        scales[g] = scale;
        for (int64_t i = 0; i < group; i++) q[at + i] = (int8_t)round_even(clampf(w[at + i] / scale, qmin, qmax));
    }
}

void etch_quantize_error(const float *w, const int8_t *q, const float *scales, int64_t k, int64_t group, double *err, double *ref)
{
    if (!group) group = k;
    for (int64_t at = 0, g = 0; at < k; at += group, g++) {
        float e = 0, r = 0;
        for (int64_t i = at; i < at + group; i++) {
            float d = w[i] - (float)q[i] * scales[g];
            e += d * d;
            r += w[i] * w[i];
        }
        *err += (double)e;
        *ref += (double)r;
    }
}

void etch_pack_nibbles_low_first(const int8_t *q, int64_t k, uint8_t *out)
{
    for (int64_t j = 0; j < k / 2; j++) out[j] = (uint8_t)((q[2 * j] + 8) | (q[2 * j + 1] + 8) << 4);
    if (k & 1) out[k / 2] = (uint8_t)((q[k - 1] + 8) | 8 << 4);
}

void etch_pack_nibbles_high_first(const int8_t *q, int64_t k, uint8_t *out)
{
    for (int64_t j = 0; j < k / 2; j++) out[j] = (uint8_t)((q[2 * j] + 8) << 4 | (q[2 * j + 1] + 8));
}

etch_status *etch_qparams_parse(etch_str name, etch_qparams *out)
{
    if (etch_str_eqz(name, "hqq")) *out = ETCH_QPARAMS_HQQ;
    else if (etch_str_eqz(name, "minmax")) *out = ETCH_QPARAMS_MINMAX;
    else return ETCH_ERR(ETCH_INVALID, "'%.*s' is no scale rule (hqq, minmax)", ETCH_STR_ARGS(name));
    return NULL;
}
