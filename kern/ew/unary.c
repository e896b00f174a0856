// In: floats. Out: a function of each.
#include "kern/ew/ew.h"

#include <math.h>

#include "kern/ew/exp.h"

static inline float clamp(float v, float lo, float hi) { return v < lo ? lo : v > hi ? hi : v; }

#define LOOP(expr)                        \
    for (size_t i = 0; i < n; i++) {      \
        float v = x[i];                   \
        y[i] = (expr);                    \
    }                                     \
    break

void etch_ew_unary_run(etch_ew_unary op, float p, float q, const float *x, float *y, size_t n)
{
    switch (op) {
    case ETCH_EW_ABS: LOOP(fabsf(v));
    case ETCH_EW_NEG: LOOP(-v);
    case ETCH_EW_SQUARE: LOOP(v * v);
    case ETCH_EW_FLOOR: LOOP(floorf(v));
    case ETCH_EW_CEIL: LOOP(ceilf(v));
    case ETCH_EW_SQRT: LOOP(sqrtf(v));
    case ETCH_EW_RSQRT: LOOP(1.0f / sqrtf(v));
    case ETCH_EW_LOG: LOOP(logf(v));
    case ETCH_EW_EXP: LOOP(etch_exp_fast(v));
    case ETCH_EW_SIN: LOOP(sinf(v));
    case ETCH_EW_COS: LOOP(cosf(v));
    case ETCH_EW_TANH: LOOP(tanhf(v));
    case ETCH_EW_SIGMOID: LOOP(1.0f / (1.0f + etch_exp_fast(-v)));
    case ETCH_EW_GELU: LOOP(0.5f * v * (1.0f + erff(v * 0.70710678f)));
    case ETCH_EW_HARDSWISH: LOOP(v * clamp(v * (1.0f / 6.0f) + 0.5f, 0.0f, 1.0f));
    case ETCH_EW_LEAKY: LOOP(v < 0 ? v * p : v);
    case ETCH_EW_ELU: LOOP(v < 0 ? p * expm1f(v) : v);
    case ETCH_EW_CLAMP: LOOP(clamp(v, p, q));
    }
}

void etch_ew_softmax(const float *x, float *y, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++, x += n, y += n) {
        float top = -INFINITY, sum = 0;
        for (size_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
        for (size_t i = 0; i < n; i++) y[i] = etch_exp_fast(x[i] - top);
        for (size_t i = 0; i < n; i++) sum += y[i];
        float scale = 1.0f / sum;
        for (size_t i = 0; i < n; i++) y[i] *= scale;
    }
}

void etch_ew_range(const float *x, size_t n, float *out_lo, float *out_hi)
{
    float lo = 0, hi = 0;
    for (size_t i = 0; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    *out_lo = lo;
    *out_hi = hi;
}

void etch_ew_row_scale(float lo, float hi, float *out_s, float *out_zero)
{
    float s = lo == hi ? 1.0f : 255.0f / (hi - lo);
    float a = lo * s, b = hi * s;
    float z = (-128.0f + a) + (127.0f + b) > 0 ? -128.0f - a : 127.0f - b;
    z = clamp(z, -128.0f, 127.0f);
    if (!(z == z)) z = 0;   // infinite input
    *out_s = s;
    *out_zero = rintf(z);
}

void etch_ew_quantize_row(const float *x, size_t n, int8_t *q, float *out_scale, int32_t *out_zero)
{
    float lo, hi, s, zero;
    etch_ew_range(x, n, &lo, &hi);
    etch_ew_row_scale(lo, hi, &s, &zero);
    for (size_t i = 0; i < n; i++) {
        // Adding 1.5 * 2^23 rounds to nearest even; the range is cut first, so the sum stays exact.
        float v = clamp(x[i] * s, -128.0f - zero, 127.0f - zero);
        v = (v + 12582912.0f) - 12582912.0f + zero;
        q[i] = v == v ? (int8_t)v : 0;
    }
    *out_scale = 1.0f / s;
    *out_zero = (int32_t)zero;
}
