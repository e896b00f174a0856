// In: a convolution of 3 x 3 over many channels, strides of one. Out: the same in Winograd's tiles of 2 x 2 results (kern/nhwc): 16
// products of matrices with 16/36 of the multiplications, within the error of sums in floats. A result depends on its own
// window's pixels only; an infinity among them may become a NaN.
//
// A band of tile rows at a time: factors v [16, tiles, IC] of its pixels, products m [16, tiles, OC] with the factors u [16, OC, IC] of the
// filters, results.
#include "rt/xnn.h"

#include <math.h>

// Fewer channels make sums too short; fewer results do not pay for the filters' factors.
#define LEAST_CHANNELS 32
#define LEAST_RESULTS 192
// Tiles of a band, about: factors and products stay in a third-level cache.
#define TILES 320
// Keeps the 16 parts of factors and products out of the same sets of a cache.
#define GAP 16

typedef struct {
    const etch_nhwc *g;
    const etch_nhwc_kernels *kn;
    etch_xnn_act act;
    const float *x, *w, *bias;
    float *y, *v, *u, *m;
    int64_t oc, high, wide;        // tiles of an image
    int64_t first, rows;           // tile rows of the band
    size_t apart_v, apart_u, apart_m;
} winograd;

static bool suits(const etch_xnn *x, const etch_xnn_node *n, const etch_nhwc *g)
{
    const etch_xnn_window *win = &n->win;
    bool is_form = g->kh == 3 && g->kw == 3 && g->sh == 1 && g->sw == 1 && g->dh == 1 && g->dw == 1 && !g->transposed && win->groups == 1;
    bool is_wide = g->c >= LEAST_CHANNELS && win->group_out >= LEAST_CHANNELS && !(g->c % 16) && !(win->group_out % 16);
    // Where products of floats are split, the long sums of the direct way are the ones that are fast.
    bool is_fast = x->nhwc->winograd_in && !x->fgemm->split;
    return is_form && is_wide && is_fast && x->values[n->in[1]].type == XT_F32 && g->n * g->oh * g->ow >= LEAST_RESULTS;
}

static void filter_span(void *user, size_t from, size_t to)
{
    const winograd *s = user;
    size_t ic = (size_t)s->g->c;
    for (size_t i = from; i < to; i++) s->kn->winograd_filter(s->w + i * 9 * ic, ic, s->u + i * ic, s->apart_u);
}

static void in_span(void *user, size_t from, size_t to)
{
    static const float zeros[ETCH_NHWC_ZEROS];
    const winograd *s = user;
    const etch_nhwc *g = s->g;
    for (size_t r = from; r < to; r++) {
        int64_t row = s->first + (int64_t)r, image = row / s->high, top = row % s->high * 2 - g->top;
        for (int64_t t = 0; t < s->wide; t++) {
            int64_t left = t * 2 - g->left;
            for (int64_t c = 0; c < g->c; c += ETCH_NHWC_ZEROS) {
                const float *d[16];
                for (int64_t i = 0; i < 16; i++) {
                    int64_t iy = top + i / 4, ix = left + i % 4;
                    bool is_inside = iy >= 0 && iy < g->h && ix >= 0 && ix < g->w;
                    d[i] = is_inside ? s->x + ((image * g->h + iy) * g->w + ix) * g->c + c : zeros;
                }
                int64_t n = g->c - c < ETCH_NHWC_ZEROS ? g->c - c : ETCH_NHWC_ZEROS;
                s->kn->winograd_in(d, (size_t)n, s->v + ((int64_t)r * s->wide + t) * g->c + c, s->apart_v);
            }
        }
    }
}

static void out_span(void *user, size_t from, size_t to)
{
    const winograd *s = user;
    const etch_nhwc *g = s->g;
    for (size_t r = from; r < to; r++) {
        int64_t row = s->first + (int64_t)r, image = row / s->high, oy = row % s->high * 2, n_rows = oy + 1 < g->oh ? 2 : 1;
        float *y = s->y + (image * g->oh + oy) * g->ow * s->oc;
        for (int64_t t = 0; t < s->wide; t++) {
            float *out[4] = { y + t * 2 * s->oc };
            if (t * 2 + 1 < g->ow) out[1] = out[0] + s->oc;
            if (n_rows == 2) out[2] = out[0] + g->ow * s->oc;
            if (out[1] && out[2]) out[3] = out[2] + s->oc;
            s->kn->winograd_out(s->m + ((int64_t)r * s->wide + t) * s->oc, s->apart_m, (size_t)s->oc, s->bias, s->act.n->lo, s->act.n->hi,
                                out);
        }
        etch_xnn__apply_act(&s->act, y, (size_t)(n_rows * g->ow * s->oc));
    }
}

static void nth_product(const void *user, size_t i, etch_fgemm *p)
{
    const winograd *s = user;
    p->a = s->v + i * s->apart_v;
    p->b = s->u + i * s->apart_u;
    p->c = s->m + i * s->apart_m;
}

bool etch_xnn__run_winograd(etch_xnn_cx *cx, const etch_xnn_node *n, const etch_nhwc *g)
{
    etch_xnn *x = cx->x;
    if (!suits(x, n, g)) return false;
    const etch_xnn_value *out = etch_xnn__out(cx, n, 0);
    int64_t oc = n->win.group_out, high = (g->oh + 1) / 2, wide = (g->ow + 1) / 2, rows = g->n * high;
    int64_t bands = (rows * wide + TILES - 1) / TILES, band = (rows + bands - 1) / bands, tiles = band * wide;
    winograd s = { .g = g, .kn = x->nhwc, .act = { x->ew, n }, .oc = oc, .high = high, .wide = wide,
                   .apart_v = (size_t)(tiles * g->c) + GAP, .apart_u = (size_t)(oc * g->c) + GAP, .apart_m = (size_t)(tiles * oc) + GAP };
    s.x = etch_xnn__floats(cx, etch_xnn__in(cx, n, 0));
    s.w = (const float *)(const void *)etch_xnn__in(cx, n, 1)->data;
    s.bias = n->in[2] < 0 ? NULL : etch_xnn__floats(cx, etch_xnn__in(cx, n, 2));
    s.y = etch_xnn__float_out(cx, out);
    s.v = etch_xnn__take(cx, sizeof(float) * 16 * s.apart_v);
    s.u = etch_xnn__take(cx, sizeof(float) * 16 * s.apart_u);
    s.m = etch_xnn__take(cx, sizeof(float) * 16 * s.apart_m);
    void *scratch = etch_xnn__take(cx, etch_fgemm_scratch(etch_pool_threads(x->pool)));
    if (cx->dry) return true;
    etch_xnn__spans(x, (size_t)oc, 8, filter_span, &s);
    for (s.first = 0; s.first < rows; s.first += s.rows) {
        s.rows = rows - s.first < band ? rows - s.first : band;
        etch_xnn__spans(x, (size_t)s.rows, 1, in_span, &s);
        etch_fgemm p = { .m = (size_t)(s.rows * wide), .n = (size_t)oc, .k = (size_t)g->c, .lda = (size_t)g->c, .ldb = (size_t)g->c,
                         .b_is_nk = true, .b_type = ETCH_FGEMM_F32, .ldc = (size_t)oc, .lo = -INFINITY, .hi = INFINITY };
        etch_fgemm_run_many(x->fgemm, &p, 16, nth_product, &s, x->pool, scratch);
        etch_xnn__spans(x, (size_t)s.rows, 1, out_span, &s);
    }
    etch_xnn__store(cx, out, s.y);
    return true;
}
