// In: float rows. Out: integers and scales. The loops are in rows.inc, compiled for each instruction set.
#include "kern/quantize/quantize.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>

#include "base/cpu.h"

#define ROWS(name) name##__ref
#include "kern/quantize/rows.inc"

typedef void (*row_fn)(const float *w, int64_t k, const etch_quant_scheme *s, int8_t *q, float *scales);

static row_fn best(void)
{
#if defined(__x86_64__)
    if (etch_cpu_features() & ETCH_CPU_AVX2) return etch_quantize_row__avx2;
#endif
    return etch_quantize_row__ref;
}

void etch_quantize_row(const float *w, int64_t k, const etch_quant_scheme *s, int8_t *q, float *scales)
{
    static _Atomic(row_fn) chosen;
    row_fn fn = chosen;
    if (!fn) chosen = fn = best();
    fn(w, k, s, q, scales);
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
