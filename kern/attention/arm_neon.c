// In: rows. Out: scores, softmax, sums. AArch64.
#include "kern/attention/attention.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kern/attention/rows.h"

#define VL 4
#define QM 4
#define FV 4
#define NV 4
#define KM 4
#define RM 4
#define CV 4
#define FMA(acc, x, y) ((neon_vec)vfmaq_f32((float32x4_t)(acc), (float32x4_t)(x), (float32x4_t)(y)))
#define MAX(x, y) ((neon_vec)vmaxnmq_f32((float32x4_t)(x), (float32x4_t)(y)))   // of a number and a NaN: the number
#define NAME(f) neon_##f
#include "kern/attention/vec.inc"
#include "kern/attention/few.inc"
#include "kern/attention/many.inc"

const etch_attention_isa etch_attention__neon = { "neon", ETCH_CPU_NEON, neon_scores, neon_soften, neon_values, LANE_ROW };
#endif
