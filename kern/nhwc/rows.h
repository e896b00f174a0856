// The rows of kernels.def and what they share, private to this folder.
#ifndef ETCH_KERN_NHWC_ROWS_H
#define ETCH_KERN_NHWC_ROWS_H

#include "base/cpu.h"
#include "kern/nhwc/nhwc.h"

#define KERNELS(suffix, features) extern const etch_nhwc_kernels etch_nhwc__##suffix;
#include "kern/nhwc/kernels.def"
#undef KERNELS

typedef struct { int64_t from, to; } etch_nhwc_range;

// Kernel positions k in [0, n) whose input o*stride - pad + k*dilation lies in [0, size).
static inline etch_nhwc_range etch_nhwc_valid(int64_t o, int64_t n, int64_t stride, int64_t dilation, int64_t pad, int64_t size)
{
    int64_t at = o * stride - pad;
    etch_nhwc_range r = { at < 0 ? (-at + dilation - 1) / dilation : 0, at < size ? (size - 1 - at) / dilation + 1 : 0 };
    if (r.to > n) r.to = n;
    if (r.from > r.to) r.from = r.to;
    return r;
}

#endif
