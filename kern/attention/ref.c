// In: rows. Out: scores, softmax, sums. Portable C; the vector type becomes whatever the compiler's base instruction set has.
#include "kern/attention/rows.h"

#define VL 4
#define QM 2
#define QV 2
#define FV 2
#define NV 2
#define KM 4
#define RM 4
#define CV 2
#define FMA(acc, x, y) ((acc) + (x) * (y))
#define NAME(f) ref_##f
#include "kern/attention/vec.inc"
#include "kern/attention/few.inc"
#include "kern/attention/many.inc"

const etch_attention_isa etch_attention__ref = { "ref", 0, ref_soften, ref_join, ref_loops, LANE_ROW };
