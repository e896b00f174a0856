// In: an image value. Out: depthwise convolution, pooling, mean, resize; output rows are split among threads.
#include "rt/xnn.h"

#include <math.h>

#include "kern/nhwc/nhwc.h"
#include "rt/xnn_window.h"

// Channels of a mean that one task takes: whole cache lines of several pixels.
#define MEAN_CHANNELS 64

typedef struct {
    const etch_nhwc_kernels *kn;
    etch_xnn_act act;
    const etch_xnn_node *n;
    etch_nhwc g;
    const float *x, *w, *bias;
    float *y;
    int32_t *index, *acc;
    int64_t mult, parts;
    const etch_xnn_value *in, *filter, *out;
    const int32_t *bias_q;
} job;

static void body(void *user, size_t from_, size_t to_)
{
    job *j = user;
    int64_t from = (int64_t)from_, to = (int64_t)to_;
    float lo = j->n->lo, hi = j->n->hi;
    switch ((etch_xnn_kind)j->n->row->kind) {
    case XK_DWCONV:
        for (int64_t i = from; i < to; i++) {   // row by row, so that a function of the results finds them in the cache
            int64_t row = j->g.ow * j->g.c * j->mult;
            if (j->mult == 1) j->kn->depthwise(&j->g, j->x, j->w, j->bias, lo, hi, i, i + 1, j->y);
            else etch_nhwc_depthwise_f32(&j->g, j->mult, j->x, j->w, j->bias, lo, hi, i, i + 1, j->y);
            etch_xnn__apply_act(&j->act, j->y + i * row, (size_t)row);
        }
        break;
    case XK_AVGPOOL: j->kn->average(&j->g, j->x, lo, hi, from, to, j->y); break;
    case XK_MAXPOOL: j->kn->max(&j->g, j->x, lo, hi, from, to, j->y); break;
    case XK_ARGMAXPOOL: etch_nhwc_argmax(&j->g, j->x, from, to, j->y, j->index); break;
    case XK_GLOBALAVG:
        for (int64_t i = from; i < to; i++) {
            int64_t c0 = i % j->parts * MEAN_CHANNELS, c1 = c0 + MEAN_CHANNELS < j->g.c ? c0 + MEAN_CHANNELS : j->g.c;
            j->kn->mean(&j->g, j->x, lo, hi, i / j->parts, c0, c1, j->y);
        }
        break;
    case XK_RESIZE: {
        etch_resize how = j->n->flags & XF_ALIGN_CORNERS ? ETCH_RESIZE_ALIGN_CORNERS : j->n->flags & XF_SAME ? ETCH_RESIZE_LEGACY
        : ETCH_RESIZE_HALF_PIXEL;
        etch_nhwc_bilinear(&j->g, how, j->x, from, to, j->y);
        break;
    }
    default: break;
    }
}

etch_nhwc etch_xnn__window(const etch_xnn_node *n, const etch_xnn_value *in, const etch_xnn_value *out)
{
    const etch_xnn_window *w = &n->win;
    int r = in->rank;
    etch_nhwc g = { .n = 1, .h = in->dims[r - 3], .w = in->dims[r - 2], .c = in->dims[r - 1], .kh = w->kh, .kw = w->kw, .sh = w->sh,
                    .sw = w->sw, .dh = w->dh, .dw = w->dw, .transposed = n->row->kind == XK_DECONV };
    for (int i = 0; i < r - 3; i++) g.n *= in->dims[i];
    if (n->row->kind == XK_GLOBALAVG) return g;
    g.oh = out->dims[1];
    g.ow = out->dims[2];
    etch_xnn__padding(n, g.h, g.w, g.oh, g.ow, &g.top, &g.left);
    return g;
}

void etch_xnn__requantize(const etch_xnn_node *n, const etch_xnn_value *out, const int32_t *bias, int64_t channels, const int32_t *acc,
                          int64_t first, int64_t n_rows)
{
    int32_t z = out->zero_point;
    float lo = (float)(etch_xnn__quantize(out, n->lo) - z), hi = (float)(etch_xnn__quantize(out, n->hi) - z);
    uint8_t *y = (uint8_t *)etch_xnn__mut(out) + first * channels;
    for (int64_t i = 0; i < n_rows; i++)
        for (int64_t c = 0; c < channels; c++) {
            int64_t sum = (int64_t)acc[i * channels + c] + (bias ? bias[c] : 0);
            float f = (float)sum * n->requant[c];
            f = f < lo ? lo : f > hi ? hi : f;
            y[i * channels + c] = (uint8_t)(lrintf(f) + z);
        }
}

static void run_depthwise_q8(etch_xnn_cx *cx, const etch_xnn_node *n, etch_nhwc g, int64_t channels)
{
    const etch_xnn_value *in = etch_xnn__in(cx, n, 0), *w = etch_xnn__in(cx, n, 1), *out = etch_xnn__out(cx, n, 0);
    int32_t *acc = etch_xnn__take(cx, sizeof *acc * (size_t)(g.ow * channels));
    if (cx->dry) return;
    const int32_t *bias = n->in[2] >= 0 ? (const int32_t *)(const void *)etch_xnn__in(cx, n, 2)->data : NULL;
    for (int64_t row = 0; row < g.n * g.oh; row++) {
        etch_nhwc_depthwise_q8(&g, n->win.group_out, in->data, in->type == XT_QINT8, in->zero_point, w->data, w->type != XT_QUINT8,
                               w->zero_point, row, acc);
        etch_xnn__requantize(n, out, bias, channels, acc, row * g.ow, g.ow);
    }
}

void etch_xnn__run_nhwc(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    const etch_xnn_value *in = etch_xnn__in(cx, n, 0), *out = etch_xnn__out(cx, n, 0);
    job j = { .kn = cx->x->nhwc, .act = { cx->x->ew, n }, .n = n, .g = etch_xnn__window(n, in, out) };
    if (n->row->kind == XK_DWCONV) {
        j.mult = n->win.group_out;
        if (in->type == XT_QINT8 || in->type == XT_QUINT8) {
            run_depthwise_q8(cx, n, j.g, j.mult * j.g.c);
            return;
        }
        j.w = etch_xnn__floats(cx, etch_xnn__in(cx, n, 1));
        if (n->in[2] >= 0) j.bias = etch_xnn__floats(cx, etch_xnn__in(cx, n, 2));
    }
    j.x = etch_xnn__floats(cx, in);
    j.y = etch_xnn__float_out(cx, out);
    if (cx->dry || !out->numel) return;
    if (n->row->kind == XK_ARGMAXPOOL) j.index = etch_xnn__mut(etch_xnn__out(cx, n, 1));
    j.parts = (j.g.c + MEAN_CHANNELS - 1) / MEAN_CHANNELS;
    size_t units = (size_t)(n->row->kind == XK_GLOBALAVG ? j.g.n * j.parts : j.g.n * j.g.oh);
    size_t cost = (size_t)(out->numel / (int64_t)units * j.g.kh * j.g.kw + 1);
    if (n->row->kind == XK_GLOBALAVG) cost = (size_t)(j.g.h * j.g.w * j.g.c / j.parts);
    if (j.g.h > 0 && j.g.w > 0) etch_xnn__spans(cx->x, units, 32768 / (cost + 1) + 1, body, &j);
    etch_xnn__store(cx, out, j.y);
}
