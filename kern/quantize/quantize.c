// In: float rows. Out: integers and scales. The loops are in rows.inc, compiled for each instruction set.
#include "kern/quantize/quantize.h"

#include <stdatomic.h>

#include "base/cpu.h"

typedef struct rows_fns {
    void (*quantize)(const float *w, int64_t k, const etch_quant_scheme *s, int8_t *q, float *scales, etch_quant_sums *sums);
    void (*widen_bf16)(const uint16_t *in, int64_t k, float *out);
} rows_fns;

static const rows_fns *best(void)
{
    static const rows_fns ref = { etch_quantize_row__ref, etch_widen_bf16__ref };
    static _Atomic(const rows_fns *) chosen;
    const rows_fns *f = chosen;
    if (f) return f;
    f = &ref;
#if defined(__x86_64__)
    static const rows_fns avx2 = { etch_quantize_row__avx2, etch_widen_bf16__avx2 };
    if (etch_cpu_features() & ETCH_CPU_AVX2) f = &avx2;
#endif
    chosen = f;
    return f;
}

void etch_quantize_row(const float *w, int64_t k, const etch_quant_scheme *s, int8_t *q, float *scales, etch_quant_sums *sums)
{
    best()->quantize(w, k, s, q, scales, sums);
}

void etch_widen_bf16(const uint16_t *in, int64_t k, float *out) { best()->widen_bf16(in, k, out); }

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
