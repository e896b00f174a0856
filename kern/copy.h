// Strided copies: the work horse of permute, slice, flip, expand, cat, pad and the rest of the views as kernels.
#ifndef ETCH_KERN_COPY_H
#define ETCH_KERN_COPY_H

#include "kern/check.h"

// Copies `rank` dims of `sizes` from src to dst; strides in elements of `es` bytes (1, 2, 4 or 8), negative and zero allowed.
// The caller has checked that every address lies within its tensor. Dims that both sides run through together are merged; rows
// that are contiguous on both sides are moved, a transposition is done in tiles.
void kern_copy_nd(void *dst, const int64_t *dst_strides, const void *src, const int64_t *src_strides, const int64_t *sizes, int rank,
                  size_t es);

// Contiguous elements with a change of dtype (none: a move).
void kern_copy_cast(void *dst, etch_dtype dst_d, int64_t dst_at, const void *src, etch_dtype src_d, int64_t src_at, int64_t n);

#endif
