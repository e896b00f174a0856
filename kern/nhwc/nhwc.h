// Windows over images stored [N, H, W, C]: patches for convolution, depthwise convolution, pooling, bilinear resize.
//
// In: fp32 (patches and depthwise also 8-bit) images. Out: one output row range, so that callers can split the work among threads.
#ifndef ETCH_KERN_NHWC_NHWC_H
#define ETCH_KERN_NHWC_NHWC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct etch_nhwc {
    int64_t n, h, w, c;         // input
    int64_t oh, ow;             // output
    int64_t kh, kw, sh, sw, dh, dw;
    int64_t top, left;          // padding before
    bool transposed;            // pixels and patches only: strides spread the input instead of skipping it
} etch_nhwc;

// Sets rows[0 ... n) to where, in the windows of output pixels [pixel, pixel + n) of n*oh*ow, number `at` of kh*kw*channels lies; `channel`
// is the first input channel. Returns how many numbers of a window lie there side by side: the rest of a pixel, or of a row of pixels when
// all windows are inside the image. A missing pixel is ETCH_NHWC_ZEROS zeros.
#define ETCH_NHWC_ZEROS 512
int64_t etch_nhwc_runs_f32(const etch_nhwc *g, const float *x, int64_t channel, int64_t channels, int64_t pixel, int64_t n, int64_t at,
                           const float **rows);
// Output pixels [from, to) as rows of kh*kw*channels values; `channel` is the first input channel. Missing pixels: zero.
// 8-bit input minus its zero point (one an image with `zeros` != NULL, else `zero`).
void etch_nhwc_patches_q8(const etch_nhwc *g, const void *x, bool is_signed, const int32_t *zeros, int32_t zero, int64_t channel,
                          int64_t channels, int64_t from, int64_t to, int16_t *out);

// One row of kernels.def: fp32 loops of one instruction set. Output rows [from, to) of n*oh; results are cut to [lo, hi].
typedef struct etch_nhwc_kernels {
    const char *name;
    unsigned needs;   // features (base/cpu.h)
    // Depthwise: filter [kh, kw, c], one output channel an input channel. bias may be NULL.
    void (*depthwise)(const etch_nhwc *g, const float *x, const float *w, const float *bias, float lo, float hi, int64_t from, int64_t to,
                      float *y);
    // Pooling over the valid pixels of each window.
    void (*average)(const etch_nhwc *g, const float *x, float lo, float hi, int64_t from, int64_t to, float *y);
    void (*max)(const etch_nhwc *g, const float *x, float lo, float hi, int64_t from, int64_t to, float *y);
    // Mean over h and w, channels [c0, c1) of one image: y [n, c].
    void (*mean)(const etch_nhwc *g, const float *x, float lo, float hi, int64_t image, int64_t c0, int64_t c1, float *y);
    // Winograd's convolution of 3 x 3, in tiles of 2 x 2 results (winograd.inc); n channels, a multiple of 16. NULL: none.
    // The 4 x 4 pixels d of a tile, and a filter w [3, 3, n], as 16 factors, `apart` from each other.
    void (*winograd_in)(const float *const d[16], size_t n, float *v, size_t apart);
    void (*winograd_filter)(const float *w, size_t n, float *u, size_t apart);
    // The 2 x 2 results (y[i] NULL: not wanted) of 16 products, which lie as the factors do.
    void (*winograd_out)(const float *m, size_t apart, size_t n, const float *bias, float lo, float hi, float *const y[4]);
} etch_nhwc_kernels;

// The last row of kernels.def that `features` allow.
const etch_nhwc_kernels *etch_nhwc_select(unsigned features);
// All rows, for tests; NULL beyond the last.
const etch_nhwc_kernels *etch_nhwc_row(int i);

// Depthwise with `mult` output channels an input channel: filter [kh, kw, c*mult], output channel oc reads input channel oc / mult.
void etch_nhwc_depthwise_f32(const etch_nhwc *g, int64_t mult, const float *x, const float *w, const float *bias, float lo, float hi,
                             int64_t from, int64_t to, float *y);
// Sums of (x - zero) * (w - w_zero) for one output row, [ow, c*mult].
void etch_nhwc_depthwise_q8(const etch_nhwc *g, int64_t mult, const void *x, bool x_signed, int32_t zero, const void *w, bool w_signed,
                            int32_t w_zero, int64_t row, int32_t *acc);

// Max pooling with the place of the largest; index: kernel column * kh + kernel row (the official runtime's order).
void etch_nhwc_argmax(const etch_nhwc *g, const float *x, int64_t from, int64_t to, float *y, int32_t *index);
typedef enum { ETCH_RESIZE_HALF_PIXEL, ETCH_RESIZE_ALIGN_CORNERS, ETCH_RESIZE_LEGACY } etch_resize;
void etch_nhwc_bilinear(const etch_nhwc *g, etch_resize how, const float *x, int64_t from, int64_t to, float *y);

#endif
