// In: an image and a window. Out: depthwise convolution, pooling, mean. AVX2 and FMA.
#include "kern/nhwc/nhwc.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

#include "kern/nhwc/rows.h"

#define VL 8
#define FMA(acc, x, y) ((avx2_vec)_mm256_fmadd_ps((__m256)(x), (__m256)(y), (__m256)(acc)))
#define CUT(v, lo, hi) ((avx2_vec)_mm256_min_ps((__m256)(hi), _mm256_max_ps((__m256)(lo), (__m256)(v))))
#define NAME(f) avx2_##f
#include "kern/nhwc/loops.inc"
#include "kern/nhwc/winograd.inc"

const etch_nhwc_kernels etch_nhwc__avx2 = { "avx2", ETCH_CPU_AVX2, avx2_depthwise, avx2_average, avx2_max, avx2_mean,
                                            avx2_winograd_in, avx2_winograd_filter, avx2_winograd_out };
#endif
