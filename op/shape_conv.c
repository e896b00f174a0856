// Shape rules of convolution, pooling, resizing and padding. Spatial dims are the last k dims of input.
#include <math.h>

#include "op/shape_util.h"

typedef struct { shape_list stride, padding, dilation, output_padding; } window;

// Element i of a list; a list of one serves all dims, an empty list gives `fallback`.
static etch_dim pick(shape_list l, int i, etch_dim fallback)
{
    if (l.n == 0) return fallback;
    return l.p[l.n == 1 ? 0 : i < l.n ? i : l.n - 1];
}

// (in + 2 pad - dilation (kernel - 1) - 1) // stride + 1
static etch_status *conv_out(etch_shape_cx *cx, etch_dim in, etch_dim kernel, etch_dim stride, etch_dim pad_both, etch_dim dilation,
                             etch_dim *out)
{
    etch_dim reach, n;
    bool bad;
    SUB(kernel, DIM(1), &reach);
    MUL(reach, dilation, &reach);
    ADD(reach, DIM(1), &reach);
    ADD(in, pad_both, &n);
    SUB(n, reach, &n);
    ETCH_TRY(shape_decide(cx, ETCH_CMP_LT, n, 0, &bad));
    if (bad || (!stride.e && stride.v <= 0))
        return ETCH_ERR(ETCH_INVALID, "a window of %lld does not fit into %lld", (long long)reach.v, (long long)in.v);
    DIV(n, stride, &n);
    ADD(n, DIM(1), out);
    return NULL;
}

static etch_status *conv_check(etch_shape_cx *cx, const etch_tensor *x, const etch_tensor *w, bool transposed, etch_dim groups,
                               int *out_k, int *out_c)
{
    int k = w->rank - 2, c = x->rank - k - 1;
    bool ok = k >= 1 && (x->rank == k + 2 || x->rank == k + 1);
    if (ok) {
        etch_dim channels = w->sizes[transposed ? 0 : 1];
        if (!transposed) MUL(channels, groups, &channels);
        ETCH_TRY(shape_equal(cx, x->sizes[c], channels, &ok));
    }
    if (ok && !transposed && groups.v > 0) ok = w->sizes[0].v % groups.v == 0;
    *out_k = k;
    *out_c = c;
    if (!ok || groups.v <= 0)
        return shape_mismatch("convolution needs input [N, C, *] and weight [O, C / groups, *]", "input", x, "weight", w);
    if (x->dtype != w->dtype) return shape_mismatch("convolution needs one type", "input", x, "weight", w);
    return NULL;
}

static etch_status *conv(etch_shape_cx *cx, etch_outs *outs, const etch_tensor *x, const etch_tensor *w, const window *g, bool transposed,
                         etch_dim groups)
{
    int k, c;
    ETCH_TRY(conv_check(cx, x, w, transposed, groups, &k, &c));
    etch_tensor r = *x;
    r.sizes[c] = w->sizes[transposed ? 1 : 0];
    if (transposed) MUL(r.sizes[c], groups, &r.sizes[c]);
    for (int i = 0; i < k; i++) {
        etch_dim in = x->sizes[c + 1 + i], kernel = w->sizes[2 + i], stride = pick(g->stride, i, DIM(1)), pad,
            dilation = pick(g->dilation, i, DIM(1));
        MUL(pick(g->padding, i, DIM(0)), DIM(2), &pad);
        if (!transposed) {
            ETCH_TRY(conv_out(cx, in, kernel, stride, pad, dilation, &r.sizes[c + 1 + i]));
            continue;
        }
        // (in - 1) stride - 2 pad + dilation (kernel - 1) + output_padding + 1
        etch_dim n, reach;
        SUB(in, DIM(1), &n);
        MUL(n, stride, &n);
        SUB(n, pad, &n);
        SUB(kernel, DIM(1), &reach);
        MUL(reach, dilation, &reach);
        ADD(n, reach, &n);
        ADD(n, pick(g->output_padding, i, DIM(0)), &n);
        ADD(n, DIM(1), &r.sizes[c + 1 + i]);
    }
    return shape_set_like(outs, 0, x->dtype, &r);
}

// convolution(input, weight, bias?, stride, padding, dilation, transposed, output_padding, groups)
SHAPE(convolution)
{
    TENSOR(x, 0);
    TENSOR(w, 1);
    window g;
    etch_dim groups;
    ETCH_TRY(shape_ints(ARG(3), &g.stride));
    ETCH_TRY(shape_ints(ARG(4), &g.padding));
    ETCH_TRY(shape_ints(ARG(5), &g.dilation));
    ETCH_TRY(shape_ints(ARG(7), &g.output_padding));
    ETCH_TRY(shape_dim(ARG(8), DIM(1), &groups));
    return conv(cx, outs, x, w, &g, shape_bool(ARG(6), false), groups);
}

// conv2d(input, weight, bias?, stride, padding, dilation, groups)
SHAPE(conv)
{
    TENSOR(x, 0);
    TENSOR(w, 1);
    window g = { .output_padding = { NULL, 0 } };
    etch_dim groups;
    ETCH_TRY(shape_ints(ARG(3), &g.stride));
    ETCH_TRY(shape_ints(ARG(4), &g.padding));
    ETCH_TRY(shape_ints(ARG(5), &g.dilation));
    ETCH_TRY(shape_dim(ARG(6), DIM(1), &groups));
    return conv(cx, outs, x, w, &g, false, groups);
}

// conv2d.padding(input, weight, bias?, stride, padding: "valid" or "same", dilation, groups)
SHAPE(conv_padding)
{
    TENSOR(x, 0);
    TENSOR(w, 1);
    window g = { .padding = { NULL, 0 }, .output_padding = { NULL, 0 } };
    etch_dim groups;
    ETCH_TRY(shape_ints(ARG(3), &g.stride));
    ETCH_TRY(shape_ints(ARG(5), &g.dilation));
    ETCH_TRY(shape_dim(ARG(6), DIM(1), &groups));
    if (ARG(4)->kind != ETCH_V_STR || !etch_str_eqz(ARG(4)->s, "same")) return conv(cx, outs, x, w, &g, false, groups);
    int k, c;
    ETCH_TRY(conv_check(cx, x, w, false, groups, &k, &c));
    etch_tensor r = *x;
    r.sizes[c] = w->sizes[0];
    return shape_set_like(outs, 0, x->dtype, &r);
}

// conv_transpose2d(input, weight, bias?, stride, padding, output_padding, groups, dilation)
SHAPE(conv_transpose)
{
    TENSOR(x, 0);
    TENSOR(w, 1);
    window g;
    etch_dim groups;
    ETCH_TRY(shape_ints(ARG(3), &g.stride));
    ETCH_TRY(shape_ints(ARG(4), &g.padding));
    ETCH_TRY(shape_ints(ARG(5), &g.output_padding));
    ETCH_TRY(shape_dim(ARG(6), DIM(1), &groups));
    ETCH_TRY(shape_ints(ARG(7), &g.dilation));
    return conv(cx, outs, x, w, &g, true, groups);
}

// convolution_backward(grad_output, input, weight, ...) -> (grad_input, grad_weight, grad_bias)
SHAPE(convolution_backward)
{
    TENSOR(grad, 0);
    TENSOR(x, 1);
    TENSOR(w, 2);
    if (grad->rank < 2) return shape_mismatch("convolution_backward", "grad_output", grad, NULL, NULL);
    etch_dim bias = grad->sizes[1];
    ETCH_TRY(shape_set_like(outs, 0, x->dtype, x));
    ETCH_TRY(shape_set_like(outs, 1, w->dtype, w));
    return shape_set(outs, 2, w->dtype, 1, &bias);
}

// One pooled dim. With ceil the last window must start inside the input or the left padding.
static etch_status *pool_out(etch_shape_cx *cx, etch_dim in, etch_dim kernel, etch_dim stride, etch_dim pad, etch_dim dilation,
                             bool ceil_mode, etch_dim *out)
{
    etch_dim both, n;
    MUL(pad, DIM(2), &both);
    if (!stride.e && stride.v <= 0) return ETCH_ERR(ETCH_INVALID, "pool stride %lld", (long long)stride.v);
    if (!ceil_mode) return conv_out(cx, in, kernel, stride, both, dilation, out);
    etch_dim widened, begin, limit;
    bool outside;
    ADD(both, stride, &widened);
    SUB(widened, DIM(1), &widened);
    ETCH_TRY(conv_out(cx, in, kernel, stride, widened, dilation, &n));
    SUB(n, DIM(1), &begin);
    MUL(begin, stride, &begin);
    ADD(in, pad, &limit);
    ETCH_TRY(etch_dim_decide(cx->syms, ETCH_CMP_GE, begin, limit, cx->where, &outside));
    if (outside) SUB(n, DIM(1), &n);
    *out = n;
    return NULL;
}

// Pools the last k dims, k = length of the kernel list; result `r`.
static etch_status *pool(etch_shape_cx *cx, const etch_tensor *t, const etch_val *kernel_arg, const window *g, bool ceil_mode,
                         etch_tensor *r)
{
    shape_list kernel;
    ETCH_TRY(shape_ints(kernel_arg, &kernel));
    int k = kernel.n;
    if (k == 1 && t->rank == 4) k = 2;  // a lone int for 2-d pooling
    if (k < 1 || (t->rank != k + 1 && t->rank != k + 2)) return shape_mismatch("pooling needs [N, C, *]", "self", t, NULL, NULL);
    *r = *t;
    for (int i = 0; i < k; i++) {
        etch_dim size = pick(kernel, i, DIM(1)), *d = &r->sizes[t->rank - k + i];
        ETCH_TRY(pool_out(cx, *d, size, pick(g->stride, i, size), pick(g->padding, i, DIM(0)), pick(g->dilation, i, DIM(1)), ceil_mode, d));
    }
    return NULL;
}

// avg_pool2d(self, kernel_size, stride, padding, ceil_mode, ...)
SHAPE(avg_pool)
{
    TENSOR(t, 0);
    etch_tensor r;
    window g = { .dilation = { NULL, 0 } };
    ETCH_TRY(shape_ints(ARG(2), &g.stride));
    ETCH_TRY(shape_ints(ARG(3), &g.padding));
    ETCH_TRY(pool(cx, t, ARG(1), &g, shape_bool(ARG(4), false), &r));
    return shape_set_like(outs, 0, t->dtype, &r);
}

static etch_status *max_pool(etch_shape_cx *cx, const etch_val *args, int n_args, etch_tensor *r)
{
    TENSOR(t, 0);
    window g;
    ETCH_TRY(shape_ints(ARG(2), &g.stride));
    ETCH_TRY(shape_ints(ARG(3), &g.padding));
    ETCH_TRY(shape_ints(ARG(4), &g.dilation));
    return pool(cx, t, ARG(1), &g, shape_bool(ARG(5), false), r);
}

// max_pool2d(self, kernel_size, stride, padding, dilation, ceil_mode)
SHAPE(max_pool)
{
    etch_tensor r;
    ETCH_TRY(max_pool(cx, args, n_args, &r));
    return shape_set_like(outs, 0, r.dtype, &r);
}

// -> (values, indices)
SHAPE(max_pool2d_with_indices)
{
    etch_tensor r;
    ETCH_TRY(max_pool(cx, args, n_args, &r));
    ETCH_TRY(shape_set_like(outs, 1, ETCH_I64, &r));
    return shape_set_like(outs, 0, r.dtype, &r);
}

// The last k dims become argument 1 (list).
static etch_status *resized(const etch_val *args, int n_args, int k, etch_tensor *r)
{
    TENSOR(t, 0);
    shape_list size;
    ETCH_TRY(shape_ints(ARG(1), &size));
    if (t->rank < k + 1 || size.n < 1) return shape_mismatch("a resize needs [N, C, *] and a size", "self", t, NULL, NULL);
    *r = *t;
    for (int i = 0; i < k; i++) r->sizes[t->rank - k + i] = pick(size, i, DIM(1));
    return NULL;
}

// adaptive_avg_pool1d(self, output_size)
SHAPE(adaptive_pool1d)
{
    etch_tensor r;
    ETCH_TRY(resized(args, n_args, 1, &r));
    return shape_set_like(outs, 0, r.dtype, &r);
}

SHAPE(adaptive_pool2d)
{
    etch_tensor r;
    ETCH_TRY(resized(args, n_args, 2, &r));
    return shape_set_like(outs, 0, r.dtype, &r);
}

SHAPE(adaptive_max_pool2d)
{
    etch_tensor r;
    ETCH_TRY(resized(args, n_args, 2, &r));
    ETCH_TRY(shape_set_like(outs, 1, ETCH_I64, &r));
    return shape_set_like(outs, 0, r.dtype, &r);
}

// upsample_bilinear2d(self, output_size, ...)
SHAPE(upsample)
{
    TENSOR(t, 0);
    etch_tensor r;
    ETCH_TRY(resized(args, n_args, t->rank > 2 ? t->rank - 2 : 1, &r));
    return shape_set_like(outs, 0, r.dtype, &r);
}

// floor(d * scale). A symbolic size needs a scale that is a ratio of small integers.
static etch_status *scaled(etch_shape_cx *cx, etch_dim d, double scale, etch_dim *out)
{
    double v = floor((double)d.v * scale);
    if (!(v >= 0 && v < 9007199254740992.0)) return ETCH_ERR(ETCH_INVALID, "scale factor %g", scale);
    *out = DIM((int64_t)v);
    if (!d.e) return NULL;
    for (int64_t q = 1; q <= 64; q++) {
        double p = scale * (double)q;
        if (p != floor(p) || p < 1) continue;
        MUL(d, DIM((int64_t)p), out);
        DIV(*out, DIM(q), out);
        return NULL;
    }
    return ETCH_ERR(ETCH_UNSUPPORTED, "scale factor %g of a symbolic size", scale);
}

// upsample_*.vec(input, output_size?, [align_corners,] scale_factors?)
static etch_status *upsample_vec(etch_shape_cx *cx, const etch_val *args, int n_args, etch_outs *outs, const etch_val *scales)
{
    TENSOR(t, 0);
    if (ARG(1)->kind != ETCH_V_NONE) return shape_upsample(cx, args, n_args, outs);
    int k = t->rank - 2;
    if (k < 1 || scales->kind != ETCH_V_FLOATS || scales->floats.n != k)
        return shape_mismatch("a resize needs a size or one scale factor a dim", "input", t, NULL, NULL);
    etch_tensor r = *t;
    for (int i = 0; i < k; i++) ETCH_TRY(scaled(cx, t->sizes[2 + i], scales->floats.p[i], &r.sizes[2 + i]));
    return shape_set_like(outs, 0, t->dtype, &r);
}

SHAPE(upsample_vec) { return upsample_vec(cx, args, n_args, outs, ARG(3)); }
SHAPE(upsample_nearest_vec) { return upsample_vec(cx, args, n_args, outs, ARG(2)); }

// pad(self, pad, mode, value), constant_pad_nd(self, pad, value), reflection_pad1d(self, padding): pairs (before, after), last dim first
SHAPE(pad)
{
    TENSOR(t, 0);
    shape_list p;
    ETCH_TRY(shape_ints(ARG(1), &p));
    if (p.n % 2 || p.n / 2 > t->rank)
        return shape_mismatch("padding needs a pair of numbers for each of the last dims", "self", t, NULL, NULL);
    etch_tensor r = *t;
    for (int i = 0; i < p.n / 2; i++) {
        etch_dim *d = &r.sizes[t->rank - 1 - i];
        ADD(*d, p.p[2 * i], d);
        ADD(*d, p.p[2 * i + 1], d);
    }
    return shape_set_like(outs, 0, t->dtype, &r);
}

// grid_sampler_2d(input [N, C, *], grid [N, Ho, Wo, 2], ...) -> [N, C, Ho, Wo]
SHAPE(grid_sampler)
{
    TENSOR(t, 0);
    TENSOR(grid, 1);
    if (t->rank < 4 || grid->rank != t->rank) return shape_mismatch("grid_sampler needs [N, C, *] and [N, *, k]", "input", t, "grid", grid);
    etch_tensor r = *t;
    for (int i = 2; i < t->rank; i++) r.sizes[i] = grid->sizes[i - 1];
    return shape_set_like(outs, 0, t->dtype, &r);
}

// im2col(self [N, C, H, W], kernel_size, dilation, padding, stride) -> [N, C kh kw, L]
SHAPE(im2col)
{
    TENSOR(t, 0);
    shape_list kernel;
    window g;
    ETCH_TRY(shape_ints(ARG(1), &kernel));
    ETCH_TRY(shape_ints(ARG(2), &g.dilation));
    ETCH_TRY(shape_ints(ARG(3), &g.padding));
    ETCH_TRY(shape_ints(ARG(4), &g.stride));
    if (t->rank < 3 || t->rank > 4) return shape_mismatch("im2col needs [N, C, H, W]", "self", t, NULL, NULL);
    int c = t->rank - 3;
    etch_dim channels = t->sizes[c], count = DIM(1);
    for (int i = 0; i < 2; i++) {
        etch_dim pad, n;
        MUL(pick(g.padding, i, DIM(0)), DIM(2), &pad);
        ETCH_TRY(conv_out(cx, t->sizes[c + 1 + i], pick(kernel, i, DIM(1)), pick(g.stride, i, DIM(1)), pad, pick(g.dilation, i, DIM(1)),
                          &n));
        MUL(count, n, &count);
        MUL(channels, pick(kernel, i, DIM(1)), &channels);
    }
    etch_tensor r = *t;
    r.rank = c + 2;
    r.sizes[c] = channels;
    r.sizes[c + 1] = count;
    return shape_set_like(outs, 0, t->dtype, &r);
}

// tile_crop(input [C, H, W], tile_size) -> [tiles, C, tile_size, tile_size]
SHAPE(tile_crop)
{
    TENSOR(t, 0);
    int64_t size;
    ETCH_TRY(shape_int(ARG(1), 1, &size));
    if (t->rank != 3 || size <= 0) return shape_mismatch("tile_crop needs [C, H, W]", "input", t, NULL, NULL);
    etch_dim h, w, sizes[4] = { DIM(0), t->sizes[0], DIM(size), DIM(size) };
    DIV(t->sizes[1], DIM(size), &h);
    DIV(t->sizes[2], DIM(size), &w);
    MUL(h, w, &sizes[0]);
    return shape_set(outs, 0, t->dtype, 4, sizes);
}
