// In: floating-point activations and weights. Out: fully connected layers, batch products and convolutions, as matrix products
// (kern/fgemm).
//
// A convolution is the product of the pixels under each window with its filter [OC, KH*KW*IC]; the pixels are gathered as the product reads
// them.
#include "rt/xnn.h"

#include <math.h>

#include "rt/xnn_window.h"

static etch_fgemm_type fgemm_type(int t)
{
    return t == XT_F16 ? ETCH_FGEMM_F16 : t == XT_BF16 ? ETCH_FGEMM_BF16 : t == XT_F32 ? ETCH_FGEMM_F32 : ETCH_FGEMM_I8;
}

static const float *bias_of(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    return n->in[2] < 0 ? NULL : etch_xnn__floats(cx, etch_xnn__in(cx, n, 2));
}

static void *take_scratch(etch_xnn_cx *cx) { return etch_xnn__take(cx, etch_fgemm_scratch(etch_pool_threads(cx->x->pool))); }

// ---- fully connected

void etch_xnn__run_fc_float(etch_xnn_cx *cx, const etch_xnn_node *n, size_t m, size_t channels, size_t k)
{
    const etch_xnn_value *in = etch_xnn__in(cx, n, 0), *w = etch_xnn__in(cx, n, 1), *out = etch_xnn__out(cx, n, 0);
    const float *x = etch_xnn__floats(cx, in), *bias = bias_of(cx, n);
    float *y = etch_xnn__float_out(cx, out);
    void *scratch = take_scratch(cx);
    if (cx->dry) return;
    size_t skip = etch_xnn__rows_to_skip(out);
    m -= skip;
    bool is_float = w->type == XT_F32 || w->type == XT_F16 || w->type == XT_BF16;
    etch_fgemm g = { .m = m, .n = channels, .k = k, .a = x + skip * k, .lda = k, .b = is_float ? w->data : n->weights,
                     .b_type = fgemm_type(n->weights_type),
                     .b_is_nk = !(n->flags & XF_TRANSPOSE) || !is_float, .bias = bias, .scale = is_float ? NULL : w->scales,
                     .c = y + skip * channels, .ldc = channels, .lo = n->lo, .hi = n->hi };
    g.ldb = g.b_is_nk ? k : channels;
    const etch_xnn_act act = { cx->x->ew, n };
    if (n->act) {
        g.after = etch_xnn__apply_act;
        g.after_user = &act;
    }
    etch_fgemm_run(cx->x->fgemm, &g, cx->x->pool, scratch);
    etch_xnn__store(cx, out, y);
}

// ---- batch product

typedef struct {
    const etch_xnn_value *a, *b, *out;
    const float *x, *w;
    float *y;
} batches;

static void nth_batch(const void *user, size_t i, etch_fgemm *g)
{
    const batches *s = user;
    size_t a = 0, b = 0, step_a = 1, step_b = 1, rest = i;
    for (int d = s->out->rank - 3; d >= 0; d--) {
        size_t at = rest % (size_t)s->out->dims[d];
        rest /= (size_t)s->out->dims[d];
        int da = d + s->a->rank - s->out->rank, db = d + s->b->rank - s->out->rank;
        size_t na = da >= 0 ? (size_t)s->a->dims[da] : 1, nb = db >= 0 ? (size_t)s->b->dims[db] : 1;
        if (na > 1) a += at * step_a;
        if (nb > 1) b += at * step_b;
        step_a *= na;
        step_b *= nb;
    }
    g->a = s->x + a * g->m * g->k;
    g->b = s->w + b * g->k * g->n;
    g->c = s->y + i * g->m * g->n;
}

void etch_xnn__run_bmm(etch_xnn_cx *cx, const etch_xnn_node *n)
{
    const etch_xnn_value *a = etch_xnn__in(cx, n, 0), *b = etch_xnn__in(cx, n, 1), *out = etch_xnn__out(cx, n, 0);
    batches s = { .a = a, .b = b, .out = out, .x = etch_xnn__floats(cx, a) };
    s.w = etch_xnn__floats(cx, b);
    s.y = etch_xnn__float_out(cx, out);
    void *scratch = take_scratch(cx);
    if (cx->dry || !out->numel) return;
    bool turned = n->flags & XF_TRANSPOSE;
    etch_fgemm g = { .m = (size_t)a->dims[a->rank - 2], .n = (size_t)out->dims[out->rank - 1], .k = (size_t)a->dims[a->rank - 1],
                     .b_is_nk = turned, .b_type = ETCH_FGEMM_F32, .lo = -INFINITY, .hi = INFINITY };
    g.lda = g.k;
    g.ldb = turned ? g.k : g.n;
    g.ldc = g.n;
    etch_fgemm_run_many(cx->x->fgemm, &g, (size_t)out->numel / (g.m * g.n), nth_batch, &s, cx->x->pool, scratch);
    etch_xnn__store(cx, out, s.y);
}

// ---- convolution

typedef struct { const etch_nhwc *g; const float *x; int64_t channel, channels; } image;

// Row i of the product is output pixel i, its columns the window's pixels, channels innermost.
static size_t gather_pixels(const void *user, size_t i, size_t n, size_t p, size_t max_k, const float **rows)
{
    const image *s = user;
    size_t k = (size_t)etch_nhwc_runs_f32(s->g, s->x, s->channel, s->channels, (int64_t)i, (int64_t)n, (int64_t)p, rows);
    return k < max_k ? k : max_k;
}

void etch_xnn__run_conv_float(etch_xnn_cx *cx, const etch_xnn_node *n, const etch_nhwc *g)
{
    const etch_xnn_value *w = etch_xnn__in(cx, n, 1), *out = etch_xnn__out(cx, n, 0);
    const etch_xnn_window *win = &n->win;
    if (etch_xnn__run_winograd(cx, n, g)) return;
    int64_t k = g->kh * g->kw * win->group_in, oc = (int64_t)win->groups * win->group_out, pixels = g->n * g->oh * g->ow;
    bool direct = g->kh == 1 && g->kw == 1 && g->sh == 1 && g->sw == 1 && !g->top && !g->left && g->oh == g->h && g->ow == g->w;
    const float *x = etch_xnn__floats(cx, etch_xnn__in(cx, n, 0)), *bias = bias_of(cx, n);
    float *y = etch_xnn__float_out(cx, out);
    void *scratch = take_scratch(cx);
    if (cx->dry) return;
    const etch_xnn_act act = { cx->x->ew, n };
    for (int64_t group = 0; group < win->groups; group++) {
        int64_t first = group * win->group_out;
        image s = { g, x, group * win->group_in, win->group_in };
        etch_fgemm p = { .m = (size_t)pixels, .n = win->group_out, .k = (size_t)k, .lda = (size_t)g->c,
                         .b = w->data + (size_t)(first * k) * etch_xnn__elem(w->type), .ldb = (size_t)k, .b_type = fgemm_type(w->type),
                         .b_is_nk = true, .bias = bias ? bias + first : NULL, .c = y + first, .ldc = (size_t)oc, .lo = n->lo, .hi = n->hi };
        if (n->act) {
            p.after = etch_xnn__apply_act;
            p.after_user = &act;
        }
        if (direct) {
            p.a = x + s.channel;
        } else {
            p.gather = gather_pixels;
            p.user = &s;
        }
        etch_fgemm_run(cx->x->fgemm, &p, cx->x->pool, scratch);
    }
    etch_xnn__store(cx, out, y);
}
