// In: an image and a window. Out: depthwise convolution, pooling, mean. NEON.
#include "kern/nhwc/nhwc.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <math.h>

#include "kern/nhwc/rows.h"

#define VL 4
#define FMA(acc, x, y) ((neon_vec)vfmaq_f32((float32x4_t)(acc), (float32x4_t)(x), (float32x4_t)(y)))
#define CUT(v, lo, hi) ((neon_vec)vminq_f32(vmaxq_f32((float32x4_t)(v), (float32x4_t)(lo)), (float32x4_t)(hi)))
#define NAME(f) neon_##f
#include "kern/nhwc/loops.inc"
#include "kern/nhwc/winograd.inc"

const etch_nhwc_kernels etch_nhwc__neon = { "neon", ETCH_CPU_NEON, neon_depthwise, neon_average, neon_max, neon_mean,
                                            neon_winograd_in, neon_winograd_filter, neon_winograd_out };
#endif
