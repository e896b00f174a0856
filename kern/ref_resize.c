// Resampling of planes: nearest, bilinear, bicubic, antialiased bilinear, grid_sampler_2d. In: [N, C, H, W]. Out: planes of the output's
// size. Source coordinates in f32 (f64 inputs: double) with PyTorch's formulas; values in the same type.
#include <math.h>

#include "kern/elem.h"

typedef struct resize { const etch_tensor *t; etch_tensor *out; int64_t planes, h, w, oh, ow; bool align, wide; double scale[2]; } resize;

static double get(const resize *r, int64_t plane, int64_t y, int64_t x)
{
    return etch_load_double(r->t->data, r->t->dtype, (plane * r->h + y) * r->w + x);
}
// Rounds an intermediate to the type that PyTorch computes in.
static double rnd(const resize *r, double v) { return r->wide ? v : (double)(float)v; }

static etch_status *setup(const etch_val *args, etch_tensor *out, resize *r)
{
    ETCH_TRY(kern_tensor(args, 0, &r->t));
    ETCH_TRY(kern_want_rank(r->t, "the input", 4, 4));
    if (out->rank != 4 || kern_size(out, 0) != kern_size(r->t, 0) || kern_size(out, 1) != kern_size(r->t, 1))
        return ETCH_ERR(ETCH_INVALID, "resize: the output does not fit");
    r->out = out;
    r->planes = kern_size(r->t, 0) * kern_size(r->t, 1);
    r->h = kern_size(r->t, 2);
    r->w = kern_size(r->t, 3);
    r->oh = kern_size(out, 2);
    r->ow = kern_size(out, 3);
    r->wide = r->t->dtype == ETCH_F64;
    if (etch_dtype_is_complex(r->t->dtype)) return ETCH_ERR(ETCH_UNSUPPORTED, "resize of complex numbers");
    return etch_numel(out) && (!r->h || !r->w) ? ETCH_ERR(ETCH_INVALID, "resize of an empty plane") : NULL;
}

// Input pixels for one output pixel. `given` 0: from the sizes.
static double ratio(const resize *r, int64_t in, int64_t out, double given)
{
    if (r->align) return out > 1 ? rnd(r, rnd(r, (double)(in - 1)) / (double)(out - 1)) : 0;
    return given > 0 ? rnd(r, 1.0 / given) : rnd(r, rnd(r, (double)in) / (double)out);
}

// Explicit scales for height and width: two numbers at argument i (scales_h, scales_w), or a list of two (`list`).
static etch_status *scales(const etch_val *args, int n_args, int i, bool list, resize *r)
{
    double given[2] = { 0, 0 };
    if (!list) {
        ETCH_TRY(kern_num_opt(args, n_args, i, 0, &given[0]));
        ETCH_TRY(kern_num_opt(args, n_args, i + 1, 0, &given[1]));
    } else if (!kern_is_none(args, n_args, i)) {
        if (args[i].kind != ETCH_V_FLOATS || args[i].floats.n != 2) return ETCH_ERR(ETCH_INVALID, "argument %d is not two floats", i);
        given[0] = args[i].floats.p[0];
        given[1] = args[i].floats.p[1];
    }
    r->scale[0] = ratio(r, r->h, r->oh, given[0]);
    r->scale[1] = ratio(r, r->w, r->ow, given[1]);
    return NULL;
}

// Where output pixel o reads; `cubic` may lie below 0.
static double source(const resize *r, int axis, int64_t o, bool cubic)
{
    double s = r->scale[axis];
    if (r->align) return rnd(r, s * (double)o);
    double v = rnd(r, rnd(r, s * ((double)o + 0.5)) - 0.5);
    return !cubic && v < 0 ? 0 : v;
}

// upsample_nearest2d.vec(input, output_size?, scale_factors?)
KERNEL(upsample_nearest2d_vec)
{
    KERN_BEGIN(2, 1);
    resize r = { 0 };
    ETCH_TRY(setup(args, outs[0], &r));
    ETCH_TRY(scales(args, n_args, 2, true, &r));
    for (int64_t i = 0, n = etch_numel(outs[0]); i < n; i++) {
        double fy = floor(rnd(&r, (double)(i / r.ow % r.oh) * r.scale[0])), fx = floor(rnd(&r, (double)(i % r.ow) * r.scale[1]));
        int64_t y = fy < (double)r.h ? (int64_t)fy : r.h - 1, x = fx < (double)r.w ? (int64_t)fx : r.w - 1;
        etch_store_double(outs[0]->data, outs[0]->dtype, i, get(&r, i / r.ow / r.oh, y, x));
    }
    return NULL;
}

typedef struct tap { int64_t a, b; double f; } tap;
// The two pixels around `v` and the weight of the second.
static tap linear_tap(double v, int64_t n)
{
    int64_t a = v < (double)(n - 1) ? (int64_t)v : n - 1;
    return (tap){ a, a + 1 < n ? a + 1 : a, v - (double)a };
}

static etch_status *bilinear(const resize *r)
{
    for (int64_t i = 0, n = etch_numel(r->out); i < n; i++) {
        tap y = linear_tap(source(r, 0, i / r->ow % r->oh, false), r->h), x = linear_tap(source(r, 1, i % r->ow, false), r->w);
        int64_t p = i / r->ow / r->oh;
        double top = get(r, p, y.a, x.a) * (1 - x.f) + get(r, p, y.a, x.b) * x.f,
               bottom = get(r, p, y.b, x.a) * (1 - x.f) + get(r, p, y.b, x.b) * x.f;
        etch_store_double(r->out->data, r->out->dtype, i, top * (1 - y.f) + bottom * y.f);
    }
    return NULL;
}
// upsample_bilinear2d.vec(input, output_size?, align_corners, scale_factors?)
KERNEL(upsample_bilinear2d_vec)
{
    KERN_BEGIN(3, 1);
    resize r = { 0 };
    ETCH_TRY(setup(args, outs[0], &r));
    ETCH_TRY(kern_bool(args, 2, &r.align));
    ETCH_TRY(scales(args, n_args, 3, true, &r));
    return bilinear(&r);
}

// Weights of the four pixels around a fraction (cubic convolution, a = -0.75).
static void cubic_weights(double t, double w[4])
{
    const double a = -0.75;
    double x = t + 1, y = 1 - t, z = 2 - t;
    w[0] = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    w[2] = ((a + 2) * y - (a + 3)) * y * y + 1;
    w[3] = ((a * z - 5 * a) * z + 8 * a) * z - 4 * a;
}
static int64_t clampi(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

static etch_status *bicubic(const resize *r)
{
    for (int64_t i = 0, n = etch_numel(r->out); i < n; i++) {
        double sy = source(r, 0, i / r->ow % r->oh, true), sx = source(r, 1, i % r->ow, true), wy[4], wx[4], sum = 0;
        if (fabs(sy) > 0x1p52 || fabs(sx) > 0x1p52) return ETCH_ERR(ETCH_INVALID, "resize: a scale out of range");
        int64_t y = (int64_t)floor(sy), x = (int64_t)floor(sx), p = i / r->ow / r->oh;
        cubic_weights(sy - (double)y, wy);
        cubic_weights(sx - (double)x, wx);
        for (int a = 0; a < 4; a++)
            for (int b = 0; b < 4; b++) sum += wy[a] * wx[b] * get(r, p, clampi(y - 1 + a, r->h), clampi(x - 1 + b, r->w));
        etch_store_double(r->out->data, r->out->dtype, i, sum);
    }
    return NULL;
}
// upsample_bicubic2d(self, output_size, align_corners, scales_h?, scales_w?) and .vec(input, output_size?, align_corners, scale_factors?)
KERNEL(upsample_bicubic2d)
{
    KERN_BEGIN(3, 1);
    resize r = { 0 };
    ETCH_TRY(setup(args, outs[0], &r));
    ETCH_TRY(kern_bool(args, 2, &r.align));
    ETCH_TRY(scales(args, n_args, 3, false, &r));
    return bicubic(&r);
}
KERNEL(upsample_bicubic2d_vec)
{
    KERN_BEGIN(3, 1);
    resize r = { 0 };
    ETCH_TRY(setup(args, outs[0], &r));
    ETCH_TRY(kern_bool(args, 2, &r.align));
    ETCH_TRY(scales(args, n_args, 3, true, &r));
    return bicubic(&r);
}

// Pixels [*lo, *hi) under the triangle of output pixel o.
static void aa_window(double scale, int64_t o, int64_t n, double *centre, int64_t *lo, int64_t *hi)
{
    double support = scale >= 1 ? scale : 1;
    *centre = scale * ((double)o + 0.5);
    double a = *centre - support + 0.5, b = *centre + support + 0.5;
    *lo = a > 0 ? (a < (double)n ? (int64_t)a : n) : 0;
    *hi = b < (double)n ? (int64_t)b : n;
}
static double aa_weight(double scale, double centre, int64_t i)
{
    double x = fabs(((double)i - centre + 0.5) * (scale >= 1 ? 1 / scale : 1));
    return x < 1 ? 1 - x : 0;
}
// _upsample_bilinear2d_aa(self, output_size, align_corners, scales_h?, scales_w?)
KERNEL(upsample_bilinear2d_aa)
{
    KERN_BEGIN(3, 1);
    resize r = { 0 };
    ETCH_TRY(setup(args, outs[0], &r));
    ETCH_TRY(kern_bool(args, 2, &r.align));
    ETCH_TRY(scales(args, n_args, 3, false, &r));
    for (int64_t i = 0, n = etch_numel(outs[0]); i < n; i++) {
        double my, mx, sum = 0, wy = 0, wx = 0;
        int64_t y0, y1, x0, x1, p = i / r.ow / r.oh;
        aa_window(r.scale[0], i / r.ow % r.oh, r.h, &my, &y0, &y1);
        aa_window(r.scale[1], i % r.ow, r.w, &mx, &x0, &x1);
        for (int64_t y = y0; y < y1; y++) wy += aa_weight(r.scale[0], my, y);
        for (int64_t x = x0; x < x1; x++) wx += aa_weight(r.scale[1], mx, x);
        for (int64_t y = y0; y < y1; y++) {
            double line = 0;
            for (int64_t x = x0; x < x1; x++) line += aa_weight(r.scale[1], mx, x) * get(&r, p, y, x);
            sum += aa_weight(r.scale[0], my, y) * line;
        }
        etch_store_double(outs[0]->data, outs[0]->dtype, i, wy * wx != 0 ? sum / (wy * wx) : 0);
    }
    return NULL;
}

// ---- grid sampling ----

// Reflects x at the borders lo/2 and hi/2.
static double reflect(double x, double lo, double hi)
{
    if (lo == hi) return 0;
    double min = lo / 2, span = (hi - lo) / 2, in = fabs(x - min), extra = fmod(in, span), flips = floor(in / span);
    return fmod(flips, 2) == 0 ? extra + min : span - extra + min;
}
// A grid value in [-1, 1] as a pixel; with padding border or reflection inside of the input.
static double pixel(double v, int64_t n, bool align, int64_t padding, bool settle)
{
    double x = align ? (v + 1) / 2 * (double)(n - 1) : ((v + 1) * (double)n - 1) / 2;
    if (!settle) return x;
    if (padding == 2) x = align ? reflect(x, 0, 2 * (double)(n - 1)) : reflect(x, -1, 2 * (double)n - 1);
    if (padding) x = x < 0 || x != x ? 0 : x > (double)(n - 1) ? (double)(n - 1) : x;
    return x;
}
static double get_padded(const resize *r, int64_t plane, double y, double x, int64_t padding, bool align)
{
    if (padding == 2) {
        y = align ? reflect(y, 0, 2 * (double)(r->h - 1)) : reflect(y, -1, 2 * (double)r->h - 1);
        x = align ? reflect(x, 0, 2 * (double)(r->w - 1)) : reflect(x, -1, 2 * (double)r->w - 1);
    }
    if (padding) {
        y = y < 0 ? 0 : y > (double)(r->h - 1) ? (double)(r->h - 1) : y;
        x = x < 0 ? 0 : x > (double)(r->w - 1) ? (double)(r->w - 1) : x;
    }
    if (!(y >= 0 && y < (double)r->h && x >= 0 && x < (double)r->w)) return 0;
    return get(r, plane, (int64_t)y, (int64_t)x);
}
// grid_sampler_2d(input [N, C, H, W], grid [N, Ho, Wo, 2], mode 0 bilinear 1 nearest 2 bicubic, padding 0 zeros 1 border 2 reflection,
// align)
KERNEL(grid_sampler_2d)
{
    KERN_BEGIN(5, 1);
    resize r = { 0 };
    const etch_tensor *grid;
    int64_t mode, padding;
    ETCH_TRY(setup(args, outs[0], &r));
    ETCH_TRY(kern_tensor(args, 1, &grid));
    ETCH_TRY(kern_int(args, 2, &mode));
    ETCH_TRY(kern_int(args, 3, &padding));
    ETCH_TRY(kern_bool(args, 4, &r.align));
    ETCH_TRY(kern_want_sizes(grid, "the grid", 4, (int64_t[4]){ kern_size(r.t, 0), r.oh, r.ow, 2 }));
    if (mode < 0 || mode > 2 || padding < 0 || padding > 2 || !etch_dtype_is_float(grid->dtype))
        return ETCH_ERR(ETCH_INVALID, "grid_sampler mode %lld, padding %lld", (long long)mode, (long long)padding);
    int64_t c = kern_size(r.t, 1);
    for (int64_t i = 0, n = etch_numel(outs[0]); i < n; i++) {
        int64_t p = i / r.ow / r.oh, g = ((p / c * r.oh + i / r.ow % r.oh) * r.ow + i % r.ow) * 2;
        double x = pixel(etch_load_double(grid->data, grid->dtype, g), r.w, r.align, padding, mode != 2);
        double y = pixel(etch_load_double(grid->data, grid->dtype, g + 1), r.h, r.align, padding, mode != 2), v = 0, fx = floor(x),
               fy = floor(y), wx[4], wy[4];
        if (mode == 1) {
            v = get_padded(&r, p, rint(y), rint(x), 0, r.align);
        } else if (mode == 0) {
            for (int a = 0; a < 2; a++)
                for (int b = 0; b < 2; b++)
                    v += (a ? y - fy : fy + 1 - y) * (b ? x - fx : fx + 1 - x) * get_padded(&r, p, fy + a, fx + b, 0, r.align);
        } else {
            cubic_weights(y - fy, wy);
            cubic_weights(x - fx, wx);
            for (int a = 0; a < 4; a++)
                for (int b = 0; b < 4; b++) v += wy[a] * wx[b] * get_padded(&r, p, fy - 1 + a, fx - 1 + b, padding, r.align);
        }
        etch_store_double(outs[0]->data, outs[0]->dtype, i, v);
    }
    return NULL;
}
