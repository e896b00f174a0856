// In: the range of a row of floats. Out: the scale and zero point that follow from it.
#include "kern/ew/ew.h"

#include <math.h>

static inline float clamp(float v, float lo, float hi) { return v < lo ? lo : v > hi ? hi : v; }

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
