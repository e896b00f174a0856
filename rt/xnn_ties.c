// In: floats that were just quantized by row. Out: ties counted, chosen ones moved to the other side (rt/ties.h).
#include <math.h>

#include "rt/xnn.h"

static bool is_chosen(const etch_rt_ties *t, int64_t number)
{
    for (int i = 0; i < t->n_other; i++)
        if (t->other[i] == number) return true;
    return false;
}

// The number of the tie at row i, column j of rows of n: that of the same activation met lately, or the next.
static int64_t number_of(etch_rt_ties *t, size_t i, size_t j, size_t n, float x, float scale)
{
    uint64_t key = (uint64_t)etch_f32_bits(x) << 32 | etch_f32_bits(scale);
    key = ((key ^ i) * 0x9e3779b97f4a7c15u ^ j) * 0x9e3779b97f4a7c15u ^ n;
    for (int k = 0; k < ETCH_RT_RECENT_TIES && k < t->n; k++)
        if (t->recent[k].key == key) return t->recent[k].number;
    int slot = (int)(t->n % ETCH_RT_RECENT_TIES);
    t->recent[slot].key = key;
    t->recent[slot].number = t->n;
    return t->n++;
}

void etch_xnn__count_ties(etch_rt_ties *t, const float *x, size_t rows, size_t n, const etch_xnn_rowq *q, int8_t *out)
{
    for (size_t i = 0; i < rows; i++, x += n, out += n) {
        float lo = 0, hi = 0;
        for (size_t j = 0; j < n; j++) {   // a NaN is passed over
            lo = x[j] < lo ? x[j] : lo;
            hi = x[j] > hi ? x[j] : hi;
        }
        float scale, zero;
        etch_ew_row_scale(lo, hi, &scale, &zero);
        for (size_t j = 0; j < n; j++) {
            float v = x[j] * scale, low = floorf(v);
            if (!(fabs((double)v - (double)low - 0.5) <= t->within)) continue;
            int32_t below = (int32_t)low + q[i].zero_point;
            if (below < -128 || below > 126) continue;   // the range cuts one of the two sides off
            if (is_chosen(t, number_of(t, i, j, n, x[j], scale))) out[j] = (int8_t)(out[j] == below ? below + 1 : below);
        }
    }
    t->n_rounded += (int64_t)(rows * n);
}
