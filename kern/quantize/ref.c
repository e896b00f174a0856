// The loops of rows.inc in plain C.
#include "kern/quantize/quantize.h"

#include <float.h>
#include <math.h>

#include "base/num.h"

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
    float m = 0;
    for (int64_t i = 0; i < n; i++) m = fabsf(w[i]) > m ? fabsf(w[i]) : m;
    return m;
}

// Least squares of w ~ s * q for the q that scale s gives: num = sum w q, den = sum q q.
static void refit_sums(const float *w, int64_t n, float s, float lo, float hi, float *num, float *den)
{
    for (int64_t i = 0; i < n; i++) {
        float q = round_even(clampf(w[i] / s, lo, hi));
        num[i % LANES] += w[i] * q;
        den[i % LANES] += q * q;
    }
}

// q; `error` and `energy` grow by (w - q s)^2 and w^2.
static void round_row(const float *w, int64_t n, float s, float lo, float hi, int8_t *out, float *error, float *energy)
{
    for (int64_t i = 0; i < n; i++) {
        float q = round_even(clampf(w[i] / s, lo, hi)), d = w[i] - q * s;
        out[i] = (int8_t)q;
        error[i % LANES] += d * d;
        energy[i % LANES] += w[i] * w[i];
    }
}

#define ROWS(name) name##__ref
#include "kern/quantize/rows.inc"
