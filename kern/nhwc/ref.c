// In: an image and a window. Out: depthwise convolution, pooling, mean. Portable C.
#include "kern/nhwc/nhwc.h"

#include <math.h>

#include "kern/nhwc/rows.h"

#define VL 4
#define FMA(acc, x, y) ((acc) + (x) * (y))
#define NAME(f) ref_##f
#include "kern/nhwc/loops.inc"

const etch_nhwc_kernels etch_nhwc__ref = { "ref", 0, ref_depthwise, ref_average, ref_max, ref_mean, NULL, NULL, NULL };
