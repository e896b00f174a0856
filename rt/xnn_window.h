// Shared by the image runners: windows in concrete sizes, and int32 sums to 8-bit results. Private to rt/xnn*.c.
#ifndef ETCH_RT_XNN_WINDOW_H
#define ETCH_RT_XNN_WINDOW_H

#include "kern/nhwc/nhwc.h"
#include "rt/xnn.h"

etch_nhwc etch_xnn__window(const etch_xnn_node *n, const etch_xnn_value *in, const etch_xnn_value *out);

// Rows [first, first + n_rows) of the output [rows, channels] from acc [n_rows, channels]: bias, fp32 factor, clamp, round to even, zero
// point.
void etch_xnn__requantize(const etch_xnn_node *n, const etch_xnn_value *out, const int32_t *bias, int64_t channels, const int32_t *acc,
                          int64_t first, int64_t n_rows);

#endif
