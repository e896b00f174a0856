// In: floats. Out: their range, and the scale and zero point that follow from it.
#include "kern/ew/ew.h"

#include <math.h>

static inline float clamp(float v, float lo, float hi) { return v < lo ? lo : v > hi ? hi : v; }

// Sixteen at a time, which the compiler vectorises; the order of comparisons does not change the result. NaN is passed over.
void etch_ew_range(const float *x, size_t n, float *out_lo, float *out_hi)
{
    enum { LANES = 16 };
    float lo[LANES] = { 0 }, hi[LANES] = { 0 };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++) {
            lo[k] = x[i + k] < lo[k] ? x[i + k] : lo[k];
            hi[k] = x[i + k] > hi[k] ? x[i + k] : hi[k];
        }
    for (; i < n; i++) {
        lo[0] = x[i] < lo[0] ? x[i] : lo[0];
        hi[0] = x[i] > hi[0] ? x[i] : hi[0];
    }
    for (size_t k = 1; k < LANES; k++) {
        lo[0] = lo[k] < lo[0] ? lo[k] : lo[0];
        hi[0] = hi[k] > hi[0] ? hi[k] : hi[0];
    }
    *out_lo = lo[0];
    *out_hi = hi[0];
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
