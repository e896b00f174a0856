// In: rows of activations and weights. Out: their sums of products. Plain C.
#include "kern/qgemm/rows.h"

#define NAME(f) ref_##f
#include "kern/qgemm/x.inc"

static void ref_one_row(const int16_t *x, const int8_t *w, size_t ldw, size_t k, int32_t *out)
{
    for (int r = 0; r < ETCH_QGEMM_NR; r++, w += ldw) {
        int32_t s = 0;
        for (size_t p = 0; p < k; p++) s += x[p] * w[p];
        out[r] = s;
    }
}

static void ref_tile(int m, const int16_t *x, size_t ldx, const int16_t *w, size_t ldw, size_t k, int32_t *out)
{
    for (int i = 0; i < m; i++, x += ldx)
        for (size_t r = 0; r < ETCH_QGEMM_NR; r++) {
            int32_t s = 0;
            for (size_t p = 0; p < k; p++) s += x[p] * w[r * ldw + p];
            *out++ = s;
        }
}

static const etch_qgemm_wide ref_loops = { ref_set_x, ref_set_w, ref_one_row, ref_tile };
const etch_qgemm_isa etch_qgemm__ref = { "ref", 0, &ref_loops, NULL, NULL };
