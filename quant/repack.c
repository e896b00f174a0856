#include "quant/repack.h"

#include <math.h>

#include "base/num.h"

size_t etch_repack_scratch(const etch_repack *r)
{
    const size_t cols = (size_t)r->from->cols;
    return (2 * (cols / (size_t)r->from->group) + cols) * sizeof(float) + cols * sizeof(int16_t);
}

static bool keep(const etch_repack *r, const int16_t *from, int64_t n, float scale, int8_t *q, float *out_scale)
{
    const int lo = -(1 << (r->to.bits - 1)), hi = -lo - 1;
    int min = 0, max = 0;
    for (int64_t i = 0; i < n; i++) {
        min = from[i] < min ? from[i] : min;
        max = from[i] > max ? from[i] : max;
    }
    const bool zero = scale == 0 || (!min && !max);
    const bool negate = !zero && scale < 0 && -max >= lo && -min <= hi;
    const bool fits = negate || (min >= lo && max <= hi && (scale > 0 || r->signed_scales));
    if (!zero && (!isnormal(scale) || !fits)) return false;
    *out_scale = zero ? 1 : negate ? -scale : scale;
    if (r->bf16_scales) *out_scale = etch_bf16_to_f32(etch_f32_to_bf16(*out_scale));
    for (int64_t i = 0; i < n; i++) q[i] = zero ? 0 : (int8_t)(negate ? -from[i] : from[i]);
    return isnormal(*out_scale);
}

static void add_errors(const float *values, const int8_t *q, float scale, int64_t n, etch_quant_sums *sums)
{
    for (int64_t i = 0; i < n; i++) {
        const double w = (double)values[i], e = w - (double)((float)q[i] * scale);
        sums->error += e * e;
        sums->energy += w * w;
    }
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
    etch_packed_values(p, from, from_scales, offsets, 0, p->cols, values);
    for (int64_t at = 0; at < p->cols; at += group) {
        const int64_t g = at / p->group;
        float *scale = &scales[at / group];
        if (p->group % group == 0 && offsets[g] == 0 && keep(r, from + at, group, from_scales[g], q + at, scale)) {
            add_errors(values + at, q + at, *scale, group, sums);
            kept++;
        } else {
            etch_quantize_row(values + at, group, &one, q + at, scale, sums);
        }
    }
    return kept;
}
