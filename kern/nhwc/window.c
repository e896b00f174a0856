// In: an image and a window. Out: depthwise convolution, pooling and resize of a range of output rows. Only pixels inside the image are
// visited.
#include "kern/nhwc/rows.h"

#include <math.h>
#include <string.h>

static inline float cut(float v, float lo, float hi) { return v < lo ? lo : v > hi ? hi : v; }

// Visits each output pixel of rows [from, to): y points at its channels; `each` sees ky, kx and `at`, the input pixel's first element.
#define PIXELS(channels_out, begin, each, end)                                                   \
    for (int64_t row = from; row < to; row++) {                                                  \
        int64_t image = row / g->oh, oy = row % g->oh;                                           \
        etch_nhwc_range ry = etch_nhwc_valid(oy, g->kh, g->sh, g->dh, g->top, g->h);                                 \
        for (int64_t ox = 0; ox < g->ow; ox++) {                                                 \
            etch_nhwc_range rx = etch_nhwc_valid(ox, g->kw, g->sw, g->dw, g->left, g->w);                            \
            int64_t pixel = (row * g->ow + ox) * (channels_out);                                 \
            begin;                                                                               \
            for (int64_t ky = ry.from; ky < ry.to; ky++)                                         \
                for (int64_t kx = rx.from; kx < rx.to; kx++) {                                   \
                    int64_t iy = oy * g->sh - g->top + ky * g->dh, ix = ox * g->sw - g->left + kx * g->dw; \
                    int64_t at = ((image * g->h + iy) * g->w + ix) * g->c;                       \
                    each;                                                                        \
                }                                                                                \
            end;                                                                                 \
        }                                                                                        \
    }

void etch_nhwc_depthwise_f32(const etch_nhwc *g, int64_t mult, const float *x, const float *w, const float *bias, float lo, float hi,
                             int64_t from, int64_t to, float *y)
{
    int64_t oc = g->c * mult;
    PIXELS(oc, {
        for (int64_t c = 0; c < oc; c++) y[pixel + c] = bias ? bias[c] : 0;
    }, {
        const float *wk = w + (ky * g->kw + kx) * oc;
        float *yp = y + pixel;
        for (int64_t c = 0; c < oc; c++) yp[c] += x[at + c / mult] * wk[c];
    }, {
        for (int64_t c = 0; c < oc; c++) y[pixel + c] = cut(y[pixel + c], lo, hi);
    })
}

void etch_nhwc_depthwise_q8(const etch_nhwc *g, int64_t mult, const void *x, bool x_signed, int32_t zero, const void *w, bool w_signed,
                            int32_t w_zero, int64_t row_, int32_t *acc)
{
    int64_t oc = g->c * mult, from = row_, to = row_ + 1;
    const int8_t *xs = x, *ws = w;
    const uint8_t *xu = x, *wu = w;
    PIXELS(0, {
        memset(acc + ox * oc, 0, sizeof *acc * (size_t)oc);
        (void)pixel;
    }, {
        int64_t k = (ky * g->kw + kx) * oc;
        for (int64_t c = 0; c < oc; c++) {
            int64_t i = at + c / mult;
            acc[ox * oc + c] += ((x_signed ? xs[i] : xu[i]) - zero) * ((w_signed ? ws[k + c] : wu[k + c]) - w_zero);
        }
    }, {})
}

void etch_nhwc_argmax(const etch_nhwc *g, const float *x, int64_t from, int64_t to, float *y, int32_t *index)
{
    PIXELS(g->c, {
        for (int64_t c = 0; c < g->c; c++) {
            y[pixel + c] = -INFINITY;
            index[pixel + c] = 0;
        }
    }, {
        int32_t k = (int32_t)(kx * g->kh + ky);
        for (int64_t c = 0; c < g->c; c++) {
            float v = x[at + c];
            // The window is walked row by row; among equals the smallest index wins.
            if (v > y[pixel + c] || (v == y[pixel + c] && k < index[pixel + c])) {
                y[pixel + c] = v;
                index[pixel + c] = k;
            }
        }
    }, {})
}

// Source position of output o along one dimension: two neighbours and the weight of the second.
typedef struct { int64_t a, b; float t; } between;

static between source(etch_resize how, int64_t o, int64_t in, int64_t out)
{
    int64_t less = how == ETCH_RESIZE_ALIGN_CORNERS && out != 1;
    float scale = (float)(in - less) / (float)(out - less), at = (float)o * scale;
    if (how == ETCH_RESIZE_HALF_PIXEL) {
        at = ((float)o + 0.5f) * scale - 0.5f;
        if (at < 0) at = 0;
    }
    int64_t a = (int64_t)at;
    if (a > in - 1) a = in - 1;
    return (between){ a, a + 1 < in ? a + 1 : in - 1, at - (float)a };
}

void etch_nhwc_bilinear(const etch_nhwc *g, etch_resize how, const float *x, int64_t from, int64_t to, float *y)
{
    for (int64_t row = from; row < to; row++) {
        between v = source(how, row % g->oh, g->h, g->oh);
        const float *image = x + row / g->oh * g->h * g->w * g->c;
        for (int64_t ox = 0; ox < g->ow; ox++) {
            between u = source(how, ox, g->w, g->ow);
            const float *tl = image + (v.a * g->w + u.a) * g->c, *tr = image + (v.a * g->w + u.b) * g->c;
            const float *bl = image + (v.b * g->w + u.a) * g->c, *br = image + (v.b * g->w + u.b) * g->c;
            float *out = y + (row * g->ow + ox) * g->c;
            for (int64_t c = 0; c < g->c; c++) {
                float top = tl[c] + (tr[c] - tl[c]) * u.t, bottom = bl[c] + (br[c] - bl[c]) * u.t;
                out[c] = top + (bottom - top) * v.t;
            }
        }
    }
}
