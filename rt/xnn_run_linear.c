// In: activations and weights. Out: fully connected layers and convolutions of quantised activations, as matrix products.
//
// Float activations go to xnn_run_float.c, quantised ones to etch_qgemm. A convolution is the product of patches (a block of output pixels
// at a time; of quantised ones as int16, value minus zero point) with its filter [OC, KH*KW*IC].
#include "rt/xnn.h"

#include <math.h>

#include "rt/xnn_window.h"

static etch_qgemm_type qgemm_type(int t)
{
    return t == XT_QUINT8 ? ETCH_QGEMM_U8 : t == XT_QCINT4 || t == XT_QBINT4 ? ETCH_QGEMM_W4 : ETCH_QGEMM_W8;
}
static bool is_static_q(const etch_xnn_value *v) { return v->type == XT_QINT8 || v->type == XT_QUINT8; }

static const float *bias_of(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    return n->in[2] < 0 ? NULL : etch_xnn__floats(cx, etch_xnn__in(cx, n, 2));
}
static const int32_t *int_bias_of(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    return n->in[2] < 0 ? NULL : (const int32_t *)(const void *)etch_xnn__in(cx, n, 2)->data;
}

// ---- fully connected

static void run_fc_int(etch_xnn_cx *cx, const etch_xnn_node *n, size_t m, size_t channels, size_t k)
{
    const etch_xnn_value *in = etch_xnn__in(cx, n, 0), *w = etch_xnn__in(cx, n, 1), *out = etch_xnn__out(cx, n, 0);
    bool is_static = is_static_q(in);
    float *scales = is_static ? NULL : etch_xnn__take(cx, sizeof *scales * m);
    int32_t *zeros = is_static ? NULL : etch_xnn__take(cx, sizeof *zeros * m);
    int32_t *acc = is_static ? etch_xnn__take(cx, sizeof *acc * m * channels) : NULL;
    const float *bias = is_static ? NULL : bias_of(cx, n);
    float *y = is_static ? NULL : etch_xnn__float_out(cx, out);
    void *scratch = etch_xnn__take(cx, etch_qgemm_scratch(m, k, etch_pool_threads(cx->x->pool)));
    if (cx->dry) return;
    size_t skip = is_static ? 0 : etch_xnn__rows_to_skip(out);
    m -= skip;
    const etch_xnn_rowq *rows = is_static ? NULL : etch_xnn__rows(in) + skip;
    for (size_t i = 0; rows && i < m; i++) {
        scales[i] = rows[i].scale;
        zeros[i] = rows[i].zero_point;
    }
    etch_qgemm g = { .m = m, .n = channels, .k = k, .x = in->data + skip * k, .ldx = k,
                     .x_type = in->type == XT_QUINT8 ? ETCH_QGEMM_X_U8 : ETCH_QGEMM_X_S8, .x_zero = zeros, .x_zero_all = in->zero_point,
                     .w = n->weights, .w_type = qgemm_type(n->weights_type), .w_zero = w->zero_point, .bias = bias, .x_scale = scales,
                     .c = y ? y + skip * channels : NULL, .acc = acc, .ldc = channels, .lo = n->lo, .hi = n->hi };
    g.ldw = g.w_type == ETCH_QGEMM_W4 ? (k + 1) / 2 : k;
    g.w_scale = w->scales;
    etch_qgemm_run(cx->x->qgemm, &g, cx->x->pool, scratch);
    if (is_static) etch_xnn__requantize(n, out, int_bias_of(cx, n), (int64_t)channels, acc, 0, (int64_t)m);
    else etch_xnn__store(cx, out, y);
}

void etch_xnn__run_fc(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    const etch_xnn_value *in = etch_xnn__in(cx, n, 0), *out = etch_xnn__out(cx, n, 0);
    if (n->blocks) {
        if (n->n_shared) etch_xnn__run_qblock(cx, n);
        return;
    }
    size_t k = (size_t)in->dims[in->rank - 1], channels = (size_t)out->dims[out->rank - 1], m = 1;
    for (int i = 0; i < in->rank - 1; i++) m *= (size_t)in->dims[i];
    if (in->type == XT_QDINT8 || is_static_q(in)) {
        run_fc_int(cx, n, m, channels, k);
        return;
    }
    etch_xnn__run_fc_float(cx, n, m, channels, k);
}

// ---- convolution

typedef struct {
    const etch_nhwc *g;
    const etch_xnn_value *in;
    int16_t *qpatches;
    const int32_t *zeros;
    int64_t first, channel, channels, k;
} filling;

static void fill_patches(void *user, size_t from, size_t to)
{
    const filling *f = user;
    int64_t a = f->first + (int64_t)from, b = f->first + (int64_t)to;
    etch_nhwc_patches_q8(f->g, f->in->data, f->in->type != XT_QUINT8, f->zeros, f->in->zero_point, f->channel, f->channels, a, b,
                         f->qpatches + (int64_t)from * f->k);
}

// Output pixels a block: patches of about a megabyte, but enough rows to pay for laying out the weights.
static int64_t block_rows(int64_t pixels, int64_t k)
{
    int64_t rows = (1 << 18) / (k + 1);
    rows = rows < 64 ? 64 : rows;
    return rows < pixels ? rows : pixels;
}

static void run_conv_int(etch_xnn_cx *cx, const etch_xnn_node *n, const etch_nhwc *g)
{
    const etch_xnn_value *in = etch_xnn__in(cx, n, 0), *w = etch_xnn__in(cx, n, 1), *out = etch_xnn__out(cx, n, 0);
    const etch_xnn_window *win = &n->win;
    int64_t k = g->kh * g->kw * win->group_in, oc = (int64_t)win->groups * win->group_out, pixels = g->n * g->oh * g->ow,
            rows = block_rows(pixels, k);
    bool is_static = is_static_q(in);
    filling f = { .g = g, .in = in, .k = k, .channels = win->group_in,
                  .qpatches = etch_xnn__take(cx, sizeof(int16_t) * (size_t)(rows * k)) };
    int32_t *acc = is_static ? etch_xnn__take(cx, sizeof *acc * (size_t)(rows * oc)) : NULL;
    int32_t *zeros = is_static ? NULL : etch_xnn__take(cx, sizeof *zeros * (size_t)g->n);
    int32_t *row_zeros = is_static ? NULL : etch_xnn__take(cx, sizeof *row_zeros * (size_t)rows);
    float *scales = is_static ? NULL : etch_xnn__take(cx, sizeof *scales * (size_t)rows);
    const float *bias = is_static ? NULL : bias_of(cx, n);
    float *y = is_static ? NULL : etch_xnn__float_out(cx, out);
    void *scratch = etch_xnn__take(cx, etch_qgemm_scratch((size_t)rows, (size_t)k, etch_pool_threads(cx->x->pool)));
    if (cx->dry) return;
    const etch_xnn_rowq *images = is_static ? NULL : etch_xnn__rows(in);
    for (int64_t i = 0; zeros && i < g->n; i++) zeros[i] = images[i].zero_point;
    f.zeros = zeros;
    for (int64_t at = 0; at < pixels; at += rows) {
        int64_t m = pixels - at < rows ? pixels - at : rows;
        for (int64_t i = 0; scales && i < m; i++) {
            const etch_xnn_rowq *q = &images[(at + i) / (g->oh * g->ow)];
            scales[i] = q->scale;
            row_zeros[i] = q->zero_point + 128;
        }
        for (int64_t group = 0; group < win->groups; group++) {
            f.first = at;
            f.channel = group * win->group_in;
            etch_xnn__spans(cx->x, (size_t)m, (size_t)(16384 / (k + 1) + 1), fill_patches, &f);
            int64_t first = group * win->group_out;
            etch_qgemm p = { .m = (size_t)m, .n = win->group_out, .k = (size_t)k, .x = f.qpatches, .ldx = (size_t)k, .x_zero = row_zeros,
                             .x_zero_all = in->type == XT_QUINT8 ? in->zero_point : in->zero_point + 128, .w = n->weights + first * k,
                             .ldw = (size_t)k, .w_type = qgemm_type(w->type), .w_zero = w->zero_point,
                             .w_scale = w->scales ? w->scales + first : NULL, .bias = bias ? bias + first : NULL, .x_scale = scales,
                             .c = y ? y + at * oc + first : NULL, .acc = acc ? acc + first : NULL, .ldc = (size_t)oc, .lo = n->lo,
                             .hi = n->hi };
            etch_qgemm_run(cx->x->qgemm, &p, cx->x->pool, scratch);
        }
        if (is_static) etch_xnn__requantize(n, out, int_bias_of(cx, n), oc, acc, at, m);
    }
    if (!is_static) etch_xnn__store(cx, out, y);
}

void etch_xnn__run_conv(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    const etch_xnn_value *in = etch_xnn__in(cx, n, 0), *out = etch_xnn__out(cx, n, 0);
    etch_nhwc g = etch_xnn__window(n, in, out);
    if (!out->numel) return;
    if (in->type == XT_QDINT8 && in->nonbatch == 1) {   // one scale a pixel: each is an image of its own
        g.n *= g.h * g.w;
        g.h = g.w = g.oh = g.ow = 1;
    }
    if (in->type == XT_QDINT8 || is_static_q(in)) run_conv_int(cx, n, &g);
    else etch_xnn__run_conv_float(cx, n, &g);
}
