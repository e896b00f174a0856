#include "kern/packed/repack.h"

#include <math.h>

#include "base/num.h"

size_t etch_repack_scratch(const etch_repack *r)
{
    const size_t cols = (size_t)r->from->cols;
    return (2 * (cols / (size_t)r->from->group) + cols) * sizeof(float) + cols * sizeof(int16_t);
}

// The error of a kept group follows from the scales alone: sum (q s - q' s')^2 = (s -+ s')^2 sum q^2.
static bool keep(const etch_repack *r, const int16_t *from, int64_t n, float scale, int8_t *q, float *out_scale, etch_quant_sums *sums)
{
    const int lo = -(1 << (r->to.bits - 1)), hi = -lo - 1;
    int min = 0, max = 0;
    int64_t squares = 0;
    for (int64_t i = 0; i < n; i++) {
        min = from[i] < min ? from[i] : min;
        max = from[i] > max ? from[i] : max;
    }
    const bool zero = scale == 0 || (!min && !max && isfinite(scale));
    const bool negate = !zero && scale < 0 && -max >= lo && -min <= hi;
    const bool fits = negate || (min >= lo && max <= hi && (scale > 0 || r->signed_scales));
    if (!zero && (!isnormal(scale) || !fits)) return false;
    float to = zero ? 1 : negate ? -scale : scale;
    if (r->bf16_scales) to = etch_bf16_to_f32(etch_f32_to_bf16(to));
    if (!isnormal(to)) return false;
    const int sign = zero ? 0 : negate ? -1 : 1;
    for (int64_t i = 0; i < n; i++) {
        q[i] = (int8_t)(sign * from[i]);
        squares += q[i] * q[i];
    }
    const double e = (double)(negate ? -scale : scale) - (double)to;
    sums->error += e * e * (double)squares;
    sums->energy += (double)scale * (double)scale * (double)squares;
    *out_scale = to;
    return true;
}

int64_t etch_repack_row(const etch_repack *r, int64_t row, void *scratch, int8_t *q, float *scales, etch_quant_sums *sums)
{
    const etch_packed *p = r->from;
    const int64_t group = r->to.group ? r->to.group : p->cols, n = p->cols / p->group;
    const etch_quant_scheme one = { r->to.bits, group, r->to.rule };
    float *from_scales = scratch, *offsets = from_scales + n, *values = offsets + n;
    int16_t *from = (int16_t *)(void *)(values + p->cols);
    int64_t kept = 0;
    etch_packed_row(p, row, from, from_scales, offsets);
    for (int64_t at = 0; at < p->cols; at += group) {
        const int64_t g = at / p->group;
        float *scale = &scales[at / group];
        if (p->group % group == 0 && offsets[g] == 0 && keep(r, from + at, group, from_scales[g], q + at, scale, sums)) {
            kept++;
            continue;
        }
        etch_packed_values(p, from, from_scales, offsets, at, at + group, values);
        etch_quantize_row(values, group, &one, q + at, scale, sums);
    }
    return kept;
}
