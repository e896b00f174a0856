// In: operands of one tile. Out: its sums. Portable C; the vector type becomes whatever the compiler's base instruction set has (SSE2).
#include <math.h>
#include <string.h>

#include "kern/fgemm/rows.h"

#define VL 4
#define NV 2
#define MR 4
#define FMA(acc, x, y) ((acc) + (x) * (y))
#define NAME(f) ref_##f

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));
static inline float one_weight(etch_fgemm_type type, const void *w, size_t at);
static inline __attribute__((always_inline)) four load_weights(etch_fgemm_type type, const void *w, size_t at)
{
    if (type == ETCH_FGEMM_F32) return *(const four *)((const float *)w + at);
    return (four){ one_weight(type, w, at), one_weight(type, w, at + 1), one_weight(type, w, at + 2), one_weight(type, w, at + 3) };
}
#define LOAD(type, w, at) ((ref_vec)load_weights(type, w, at))
#include "kern/fgemm/tile.inc"

static inline float one_weight(etch_fgemm_type type, const void *w, size_t at) { return ref_one(type, w, at); }

static void ref_pack_rows(const float *const *rows, size_t k, float *out)
{
    for (int i = 0; i < MR; i++)
        for (size_t p = 0; p < k; p++) out[p * MR + (size_t)i] = rows[i][p];
}

static void ref_pack_columns(etch_fgemm_type type, const void *w, size_t ldw, size_t n, size_t k, float *out)
{
    if (n < NR) memset(out, 0, sizeof *out * k * NR);
    for (size_t j = 0; j < n; j++)
        for (size_t p = 0; p < k; p++) out[p * NR + j] = ref_one(type, w, j * ldw + p);
}

const etch_fgemm_kernels etch_fgemm__ref = { "ref", 0, MR, NR, 256, ref_tile, ref_pack_rows, ref_pack_columns, ref_dots, 0, NULL, NULL,
                                             NULL, NULL };
