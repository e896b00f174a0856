// In: an image and a window. Out: depthwise convolution, pooling, mean. AVX-512.
#include "kern/nhwc/nhwc.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

#include "kern/nhwc/rows.h"

#define VL 16
#define FMA(acc, x, y) ((avx512_vec)_mm512_fmadd_ps((__m512)(x), (__m512)(y), (__m512)(acc)))
#define CUT(v, lo, hi) ((avx512_vec)_mm512_min_ps((__m512)(hi), _mm512_max_ps((__m512)(lo), (__m512)(v))))
#define NAME(f) avx512_##f
#include "kern/nhwc/loops.inc"
#include "kern/nhwc/winograd.inc"

const etch_nhwc_kernels etch_nhwc__avx512 = { "avx512", ETCH_CPU_AVX512, avx512_depthwise, avx512_average, avx512_max, avx512_mean,
                                              avx512_winograd_in, avx512_winograd_filter, avx512_winograd_out };
#endif
