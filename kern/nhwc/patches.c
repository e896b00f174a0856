// In: an image and a window. Out: the pixels under each window position as a row, ready for a matrix product.
#include "kern/nhwc/nhwc.h"

#include <string.h>

// Input coordinate under kernel position k of output o; -1 when there is none.
static inline int64_t under(int64_t o, int64_t k, int64_t stride, int64_t dilation, int64_t pad, int64_t size, bool transposed)
{
    int64_t i;
    if (transposed) {
        int64_t t = o + pad - k * dilation;
        if (t < 0 || t % stride) return -1;
        i = t / stride;
    } else {
        i = o * stride - pad + k * dilation;
    }
    return i >= 0 && i < size ? i : -1;
}

#define PATCHES(put)                                                                                  \
    for (int64_t p = from; p < to; p++) {                                                             \
        int64_t image = p / (g->oh * g->ow), oy = p / g->ow % g->oh, ox = p % g->ow;                  \
        for (int64_t ky = 0; ky < g->kh; ky++) {                                                      \
            int64_t iy = under(oy, ky, g->sh, g->dh, g->top, g->h, g->transposed);                    \
            for (int64_t kx = 0; kx < g->kw; kx++, out += channels) {                                 \
                int64_t ix = iy < 0 ? -1 : under(ox, kx, g->sw, g->dw, g->left, g->w, g->transposed); \
                if (ix < 0) {                                                                         \
                    memset(out, 0, sizeof *out * (size_t)channels);                                   \
                    continue;                                                                         \
                }                                                                                     \
                int64_t at = ((image * g->h + iy) * g->w + ix) * g->c + channel;                      \
                put;                                                                                  \
            }                                                                                         \
        }                                                                                             \
    }

int64_t etch_nhwc_runs_f32(const etch_nhwc *g, const float *x, int64_t channel, int64_t channels, int64_t pixel, int64_t n, int64_t at,
                           const float **rows)
{
    static const float zeros[ETCH_NHWC_ZEROS];
    int64_t c = at % channels, ky = at / channels / g->kw, kx = at / channels % g->kw;
    int64_t image = pixel / (g->oh * g->ow), oy = pixel / g->ow % g->oh, ox = pixel % g->ow;
    bool is_whole = channels == g->c && g->dw == 1 && !g->transposed, is_padded = false;
    for (int64_t r = 0; r < n; r++) {
        int64_t iy = under(oy, ky, g->sh, g->dh, g->top, g->h, g->transposed),
                ix = under(ox, kx, g->sw, g->dw, g->left, g->w, g->transposed);
        is_padded |= iy < 0 || ix < 0;
        // Outside in height, all of the row is zeros.
        is_whole &= iy < 0 || (ix >= 0 && ix + g->kw - kx <= g->w);
        rows[r] = iy < 0 || ix < 0 ? zeros : x + ((image * g->h + iy) * g->w + ix) * g->c + channel + c;
        if (++ox < g->ow) continue;
        ox = 0;
        if (++oy < g->oh) continue;
        oy = 0;
        image++;
    }
    int64_t run = (is_whole ? g->kw - kx : 1) * channels - c;
    return is_padded && run > ETCH_NHWC_ZEROS ? ETCH_NHWC_ZEROS : run;
}

void etch_nhwc_patches_q8(const etch_nhwc *g, const void *x, bool is_signed, const int32_t *zeros, int32_t zero, int64_t channel,
                          int64_t channels, int64_t from, int64_t to, int16_t *out)
{
    const int8_t *s = x;
    const uint8_t *u = x;
    if (is_signed) {
        PATCHES({
            int32_t z = zeros ? zeros[image] : zero;
            for (int64_t c = 0; c < channels; c++) out[c] = (int16_t)(s[at + c] - z);
        })
    } else {
        PATCHES({
            int32_t z = zeros ? zeros[image] : zero;
            for (int64_t c = 0; c < channels; c++) out[c] = (int16_t)(u[at + c] - z);
        })
    }
}
