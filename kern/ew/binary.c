// In: two rows of floats, either of which may be one repeated value. Out: an operation of each pair, cut to a range.
#include "kern/ew/ew.h"

#include <math.h>

static inline float cut(float v, float lo, float hi) { return v < lo ? lo : v > hi ? hi : v; }

#define ROWS(expr)                                                      \
    if (a_step && b_step) {                                             \
        for (size_t i = 0; i < n; i++) {                                \
            float u = a[i], v = b[i];                                   \
            y[i] = cut((expr), lo, hi);                                 \
        }                                                               \
    } else if (a_step) {                                                \
        const float v = b[0];                                           \
        for (size_t i = 0; i < n; i++) {                                \
            float u = a[i];                                             \
            y[i] = cut((expr), lo, hi);                                 \
        }                                                               \
    } else {                                                            \
        const float u = a[0];                                           \
        for (size_t i = 0; i < n; i++) {                                \
            float v = b[i * b_step];                                    \
            y[i] = cut((expr), lo, hi);                                 \
        }                                                               \
    }                                                                   \
    break

void etch_ew_binary_run(etch_ew_binary op, const float *a, size_t a_step, const float *b, size_t b_step, float lo, float hi, float *y, size_t n)
{
    if (!n) return;
    switch (op) {
    case ETCH_EW_ADD: ROWS(u + v);
    case ETCH_EW_SUB: ROWS(u - v);
    case ETCH_EW_MUL: ROWS(u * v);
    case ETCH_EW_DIV: ROWS(u / v);
    case ETCH_EW_MIN: ROWS(u < v ? u : v);
    case ETCH_EW_MAX: ROWS(u > v ? u : v);
    case ETCH_EW_PRELU: ROWS(u < 0 ? u * v : u);
    }
}
