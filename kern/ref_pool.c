// Pooling and patches: max_pool2d with indices, avg_pool2d, adaptive pools, im2col. In: [N, C, H, W] or [C, H, W].
// Out: planes of the output's size; indices count within a plane. Windows are clipped to the input.
#include <math.h>

#include "kern/elem.h"

typedef struct win { int64_t planes, h, w, oh, ow, k[2], s[2], p[2], d[2]; } win;

// Two-dim sizes of input and output, which must agree on the planes.
static etch_status *planes(const etch_tensor *t, const etch_tensor *out, win *g)
{
    if (t->rank < 3 || t->rank > 4 || out->rank != t->rank)
        return ETCH_ERR(ETCH_INVALID, "pooling of rank %d into rank %d", t->rank, out->rank);
    int r = t->rank;
    for (int d = 0; d < r - 2; d++)
        if (kern_size(t, d) != kern_size(out, d)) return ETCH_ERR(ETCH_INVALID, "pooling: the output does not fit");
    g->planes = kern_prod(t, 0, r - 2);
    g->h = kern_size(t, r - 2);
    g->w = kern_size(t, r - 1);
    g->oh = kern_size(out, r - 2);
    g->ow = kern_size(out, r - 1);
    return NULL;
}

static etch_status *pair(const etch_val *args, int n_args, int i, const int64_t *absent, int64_t lo, int64_t *out)
{
    kern_list l;
    ETCH_TRY(kern_ints(args, n_args, i, &l));
    if (l.n > 2) return ETCH_ERR(ETCH_INVALID, "argument %d: %d entries, expected 2", i, l.n);
    for (int a = 0; a < 2; a++) {
        out[a] = l.n == 0 ? absent[a] : l.n == 1 ? l.v[0] : l.v[a];
        if (out[a] < lo || out[a] > INT32_MAX) return ETCH_ERR(ETCH_INVALID, "argument %d: %lld", i, (long long)out[a]);
    }
    return NULL;
}

static double at(const etch_tensor *t, const win *g, int64_t plane, int64_t y, int64_t x)
{
    return etch_load_double(t->data, t->dtype, (plane * g->h + y) * g->w + x);
}

// The window's rows [*a, *b) of n for position o.
static void clip(int64_t first, int64_t k, int64_t n, int64_t *a, int64_t *b)
{
    *a = first < 0 ? 0 : first;
    *b = first + k < n ? first + k : n;
}

// The first tap of a window at `first` that lies in the input: those before it, of which padding may ask for billions, are skipped.
static int64_t first_tap(int64_t first, int64_t dilation) { return first < 0 ? (-first + dilation - 1) / dilation : 0; }

// max_pool2d_with_indices(self, kernel_size, stride, padding, dilation, ceil_mode) -> out, indices. The first of equal values, NaN wins.
KERNEL(max_pool2d_with_indices)
{
    KERN_BEGIN(2, 2);
    const etch_tensor *t;
    win g;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(planes(t, outs[0], &g));
    ETCH_TRY(kern_want_same(outs[0], outs[1]));
    ETCH_TRY(pair(args, n_args, 1, (int64_t[2]){ 0, 0 }, 1, g.k));
    ETCH_TRY(pair(args, n_args, 2, g.k, 1, g.s));
    ETCH_TRY(pair(args, n_args, 3, (int64_t[2]){ 0, 0 }, 0, g.p));
    ETCH_TRY(pair(args, n_args, 4, (int64_t[2]){ 1, 1 }, 1, g.d));
    for (int64_t i = 0, n = etch_numel(outs[0]); i < n; i++) {
        int64_t pl = i / g.ow / g.oh, best = -1, y0 = i / g.ow % g.oh * g.s[0] - g.p[0], x0 = i % g.ow * g.s[1] - g.p[1];
        double top = -INFINITY;
        for (int64_t ky = first_tap(y0, g.d[0]); ky < g.k[0] && y0 + ky * g.d[0] < g.h; ky++) {
            for (int64_t kx = first_tap(x0, g.d[1]); kx < g.k[1] && x0 + kx * g.d[1] < g.w; kx++) {
                int64_t y = y0 + ky * g.d[0], x = x0 + kx * g.d[1];
                double v = at(t, &g, pl, y, x);
                if (best < 0 || v > top || v != v) top = v, best = y * g.w + x;
            }
        }
        if (best < 0) return ETCH_ERR(ETCH_INVALID, "max_pool2d: a window lies outside of the input");
        etch_store_double(outs[0]->data, outs[0]->dtype, i, top);
        etch_store_int(outs[1]->data, outs[1]->dtype, i, best);
    }
    return NULL;
}

// max_pool2d_with_indices_backward(grad_output, self, kernel_size, stride, padding, dilation, ceil_mode, indices) -> grad_input
KERNEL(max_pool2d_with_indices_backward)
{
    KERN_BEGIN(8, 1);
    const etch_tensor *grad, *t, *idx;
    etch_tensor *out = outs[0];
    win g;
    ETCH_TRY(kern_tensor(args, 0, &grad));
    ETCH_TRY(kern_tensor(args, 1, &t));
    ETCH_TRY(kern_tensor(args, 7, &idx));
    ETCH_TRY(kern_want_same(t, out));
    ETCH_TRY(kern_want_same(grad, idx));
    ETCH_TRY(planes(out, grad, &g));
    ETCH_TRY(kern_want_in_range(idx, "the indices", g.h * g.w, false));
    const etch_val zero = etch_val_int(0);
    ETCH_TRY(kern_cast(out, &zero));
    for (int64_t i = 0, n = etch_numel(grad); i < n; i++) {
        int64_t to = i / g.ow / g.oh * g.h * g.w + kern_get_index(idx, i);
        etch_store_double(out->data, out->dtype, to,
                          etch_load_double(out->data, out->dtype, to) + etch_load_double(grad->data, grad->dtype, i));
    }
    return NULL;
}

// avg_pool2d(self, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
KERNEL(avg_pool2d)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t;
    win g;
    bool with_pad = true;
    int64_t divisor;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(planes(t, outs[0], &g));
    ETCH_TRY(pair(args, n_args, 1, (int64_t[2]){ 0, 0 }, 1, g.k));
    ETCH_TRY(pair(args, n_args, 2, g.k, 1, g.s));
    ETCH_TRY(pair(args, n_args, 3, (int64_t[2]){ 0, 0 }, 0, g.p));
    if (!kern_is_none(args, n_args, 5)) ETCH_TRY(kern_bool(args, 5, &with_pad));
    ETCH_TRY(kern_int_opt(args, n_args, 6, 0, &divisor));
    for (int64_t i = 0, n = etch_numel(outs[0]); i < n; i++) {
        int64_t y = i / g.ow % g.oh * g.s[0] - g.p[0], x = i % g.ow * g.s[1] - g.p[1], pl = i / g.ow / g.oh, y0, y1, x0, x1;
        int64_t ye = y + g.k[0] < g.h + g.p[0] ? y + g.k[0] : g.h + g.p[0], xe = x + g.k[1] < g.w + g.p[1] ? x + g.k[1] : g.w + g.p[1];
        double sum = 0, count = (double)(ye - y) * (double)(xe - x);
        clip(y, g.k[0], g.h, &y0, &y1);
        clip(x, g.k[1], g.w, &x0, &x1);
        if (!with_pad) count = (double)(y1 - y0) * (double)(x1 - x0);
        if (divisor) count = (double)divisor;
        for (int64_t v = y0; v < y1; v++)
            for (int64_t u = x0; u < x1; u++) sum += at(t, &g, pl, v, u);
        etch_store_double(outs[0]->data, outs[0]->dtype, i, y0 < y1 && x0 < x1 ? sum / count : 0);
    }
    return NULL;
}

// adaptive_avg_pool2d, adaptive_max_pool2d(self, output_size): windows [floor(i n / o), ceil((i + 1) n / o)).
static etch_status *adaptive(const etch_val *args, etch_tensor *const *outs, bool is_max)
{
    const etch_tensor *t;
    win g;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(planes(t, outs[0], &g));
    if (is_max) ETCH_TRY(kern_want_same(outs[0], outs[1]));
    if (g.h > INT32_MAX || g.w > INT32_MAX || g.oh > INT32_MAX || g.ow > INT32_MAX)
        return ETCH_ERR(ETCH_INVALID, "pooling: a size out of range");
    for (int64_t i = 0, n = etch_numel(outs[0]); i < n; i++) {
        int64_t oy = i / g.ow % g.oh, ox = i % g.ow, pl = i / g.ow / g.oh, best = -1;
        int64_t y0 = oy * g.h / g.oh, y1 = ((oy + 1) * g.h + g.oh - 1) / g.oh, x0 = ox * g.w / g.ow,
                x1 = ((ox + 1) * g.w + g.ow - 1) / g.ow;
        double sum = 0, top = 0;
        for (int64_t y = y0; y < y1; y++)
            for (int64_t x = x0; x < x1; x++) {
                double v = at(t, &g, pl, y, x);
                sum += v;
                if (best < 0 || v > top || v != v) top = v, best = y * g.w + x;
            }
        if (best < 0) return ETCH_ERR(ETCH_INVALID, "pooling over an empty input");
        etch_store_double(outs[0]->data, outs[0]->dtype, i, is_max ? top : sum / (double)((y1 - y0) * (x1 - x0)));
        if (is_max) etch_store_int(outs[1]->data, outs[1]->dtype, i, best);
    }
    return NULL;
}
KERNEL(adaptive_avg_pool2d) { KERN_BEGIN(2, 1); return adaptive(args, outs, false); }
KERNEL(adaptive_max_pool2d) { KERN_BEGIN(2, 2); return adaptive(args, outs, true); }

// im2col(self, kernel_size, dilation, padding, stride): [N, C, H, W] -> [N, C kh kw, L]
KERNEL(im2col)
{
    KERN_BEGIN(5, 1);
    const etch_tensor *t;
    win g = { 0 };
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_want_rank(t, "the input of im2col", 3, 4));
    const int64_t none[2] = { 1, 1 };
    ETCH_TRY(pair(args, n_args, 1, none, 1, g.k));
    ETCH_TRY(pair(args, n_args, 2, none, 1, g.d));
    ETCH_TRY(pair(args, n_args, 3, none, 0, g.p));
    ETCH_TRY(pair(args, n_args, 4, none, 1, g.s));
    int r = t->rank;
    g.h = kern_size(t, r - 2);
    g.w = kern_size(t, r - 1);
    if (g.h > INT32_MAX || g.w > INT32_MAX) return ETCH_ERR(ETCH_INVALID, "im2col: a size out of range");
    int64_t sy = g.h + 2 * g.p[0] - g.d[0] * (g.k[0] - 1) - 1, sx = g.w + 2 * g.p[1] - g.d[1] * (g.k[1] - 1) - 1;
    g.oh = sy < 0 ? 0 : sy / g.s[0] + 1;
    g.ow = sx < 0 ? 0 : sx / g.s[1] + 1;
    int64_t planes_n = kern_prod(t, 0, r - 2), want = 0, l = 0, taps = 0;
    if (outs[0]->dtype != t->dtype || !etch_mul_ok(g.oh, g.ow, &l) || !etch_mul_ok(g.k[0], g.k[1], &taps) ||
        !etch_mul_ok(planes_n, taps, &want) ||
        !etch_mul_ok(want, l, &want) || want != etch_numel(outs[0]))
        return ETCH_ERR(ETCH_INVALID, "im2col: the output does not fit");
    size_t es = etch_dtype_size(t->dtype);
    for (int64_t i = 0; i < want; i++) {
        int64_t ox = i % g.ow, oy = i / g.ow % g.oh, tap = i / l % taps, pl = i / l / taps;
        int64_t y = oy * g.s[0] - g.p[0] + tap / g.k[1] * g.d[0], x = ox * g.s[1] - g.p[1] + tap % g.k[1] * g.d[1];
        uint8_t *o = (uint8_t *)outs[0]->data + (size_t)i * es;
        if (y < 0 || y >= g.h || x < 0 || x >= g.w) memset(o, 0, es);
        else memcpy(o, (const uint8_t *)t->data + (size_t)((pl * g.h + y) * g.w + x) * es, es);
    }
    return NULL;
}
