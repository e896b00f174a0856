// Convolutions in one to three dims: ordinary, grouped, dilated, transposed. In: input [N, C, ...] or [C, ...], weight, bias.
// Out: [N, Cout, ...]. f32 sums (f64: double), one rounding. Groups of four output channels or more run as a blocked matrix product over
// patches that are gathered while packing; depthwise ones row by row.
#include "kern/elem.h"
#include "kern/matmul.h"

typedef struct conv {
    const etch_tensor *x, *w, *bias;
    etch_tensor *out;
    int64_t n, ci, co, g;                     // batch, channels, groups
    int64_t in[3], k[3], o[3], s[3], p[3], d[3], op[3];  // input, kernel, output sizes; stride, padding, dilation, output padding
    bool transposed;
    // For packing: the first element of the group's input, its channels.
    int64_t x_off, cg;
} conv;

static float x_at(const conv *c, int64_t i) { return kern_get_f32(c->x->data, c->x->dtype, i); }

// Position along dim a that output o and tap k read; may lie outside.
static int64_t pos(const conv *c, int a, int64_t o, int64_t k) { return o * c->s[a] - c->p[a] + k * c->d[a]; }

static etch_status *spatial(const etch_val *args, int n_args, int i, int n, int64_t absent, int64_t lo, int64_t *out)
{
    kern_list l;
    ETCH_TRY(kern_ints_n(args, n_args, i, n, absent, &l));
    for (int a = 0; a < 3; a++) {
        out[a] = a < 3 - n ? absent : l.v[a - (3 - n)];
        if (out[a] < lo || out[a] > INT32_MAX) return ETCH_ERR(ETCH_INVALID, "argument %d: %lld", i, (long long)out[a]);
    }
    return NULL;
}

// Sizes of all sides, checked against each other. c->transposed and the tensors are set.
static etch_status *sizes(conv *c)
{
    int n = c->w->rank - 2;
    if (n < 1 || n > 3 || (c->x->rank != n + 2 && c->x->rank != n + 1))
        return ETCH_ERR(ETCH_INVALID, "convolution of rank %d with a weight of rank %d", c->x->rank, c->w->rank);
    int lead = c->x->rank - n - 1;
    c->n = lead ? kern_size(c->x, 0) : 1;
    c->ci = kern_size(c->x, lead);
    int64_t w0 = kern_size(c->w, 0), w1 = kern_size(c->w, 1);
    if (c->g < 1 || c->g > w0) return ETCH_ERR(ETCH_INVALID, "%lld groups", (long long)c->g);
    c->cg = c->ci / c->g;
    if (!etch_mul_ok(w1, c->g, &c->co)) return ETCH_ERR(ETCH_INVALID, "too many channels");
    if (!c->transposed) c->co = w0;
    if (c->ci % c->g || c->co % c->g || (c->transposed ? w0 != c->ci : w1 != c->cg))
        return ETCH_ERR(ETCH_INVALID, "convolution: channels and groups do not fit");
    for (int a = 0; a < 3; a++) {
        c->in[a] = a < 3 - n ? 1 : kern_size(c->x, lead + 1 + a - (3 - n));
        c->k[a] = a < 3 - n ? 1 : kern_size(c->w, 2 + a - (3 - n));
        if (c->in[a] > INT32_MAX || c->k[a] > INT32_MAX || c->k[a] < 1) return ETCH_ERR(ETCH_INVALID, "convolution: a size out of range");
        int64_t span;  // all factors are below 2^31, so products fit; sums are checked
        if (!etch_mul_ok(c->d[a], c->k[a] - 1, &span)) return ETCH_ERR(ETCH_INVALID, "convolution: a size out of range");
        if (c->transposed) c->o[a] = (c->in[a] - 1) * c->s[a] - 2 * c->p[a] + span + c->op[a] + 1;
        else c->o[a] = c->in[a] + 2 * c->p[a] < span + 1 ? 0 : (c->in[a] + 2 * c->p[a] - span - 1) / c->s[a] + 1;
        if (c->o[a] < 0) c->o[a] = 0;
    }
    int64_t want[ETCH_MAX_RANK], r = 0;
    if (lead) want[r++] = c->n;
    want[r++] = c->co;
    for (int a = 3 - n; a < 3; a++) want[r++] = c->o[a];
    ETCH_TRY(kern_want_sizes(c->out, "the output of the convolution", (int)r, want));
    if (c->bias && etch_numel(c->bias) != c->co)
        return ETCH_ERR(ETCH_INVALID, "a bias of %lld for %lld channels", (long long)etch_numel(c->bias), (long long)c->co);
    if (!etch_dtype_is_float(c->x->dtype) || !etch_dtype_is_float(c->w->dtype) || !etch_dtype_is_float(c->out->dtype) ||
        (c->bias && !etch_dtype_is_float(c->bias->dtype)))
        return ETCH_ERR(ETCH_UNSUPPORTED, "convolution of %s with %s", etch_dtype_name(c->x->dtype), etch_dtype_name(c->w->dtype));
    return NULL;
}

// Patches of the output pixels [n0, n0 + nc) as strips of KERN_NR columns; row k = (channel, kz, ky, kx).
static void pack_patches(const void *user, float *dst, int64_t k0, int64_t kc, int64_t n0, int64_t nc)
{
    const conv *c = user;
    int64_t plane = c->in[0] * c->in[1] * c->in[2];
    bool pointwise = c->k[0] * c->k[1] * c->k[2] == 1 && c->s[0] * c->s[1] * c->s[2] == 1 && !c->p[0] && !c->p[1] && !c->p[2];
    for (int64_t j0 = 0; j0 < nc; j0 += KERN_NR, dst += kc * KERN_NR) {
        int64_t w = nc - j0 < KERN_NR ? nc - j0 : KERN_NR, o[KERN_NR][3];
        if (pointwise) {  // rows are channels, columns neighbours
            for (int64_t k = 0; k < kc; k++) {
                kern_load(dst + k * KERN_NR, KERN_F32, c->x->data, c->x->dtype, c->x_off + (k0 + k) * plane + n0 + j0, w);
                for (int64_t j = w; j < KERN_NR; j++) dst[k * KERN_NR + j] = 0;
            }
            continue;
        }
        for (int64_t j = 0; j < w; j++) {
            int64_t i = n0 + j0 + j;
            o[j][2] = i % c->o[2];
            o[j][1] = i / c->o[2] % c->o[1];
            o[j][0] = i / c->o[2] / c->o[1];
        }
        int64_t kx = k0 % c->k[2], ky = k0 / c->k[2] % c->k[1], kz = k0 / c->k[2] / c->k[1] % c->k[0],
                ch = k0 / c->k[2] / c->k[1] / c->k[0];
        for (int64_t k = 0; k < kc; k++) {
            float *d = dst + k * KERN_NR;
            for (int64_t j = 0; j < KERN_NR; j++) {
                if (j >= w) {
                    d[j] = 0;
                    continue;
                }
                int64_t z = pos(c, 0, o[j][0], kz), y = pos(c, 1, o[j][1], ky), x = pos(c, 2, o[j][2], kx);
                bool inside = z >= 0 && z < c->in[0] && y >= 0 && y < c->in[1] && x >= 0 && x < c->in[2];
                d[j] = inside ? x_at(c, c->x_off + ch * plane + (z * c->in[1] + y) * c->in[2] + x) : 0;
            }
            if (++kx < c->k[2]) continue;
            kx = 0;
            if (++ky < c->k[1]) continue;
            ky = 0;
            if (++kz < c->k[0]) continue;
            kz = 0;
            ch++;
        }
    }
}

// One output channel of one image, a row of output at a time.
static void direct(const conv *c, int64_t img, int64_t oc)
{
    float acc[KERN_BLOCK];
    int64_t group = oc / (c->co / c->g), plane = c->in[0] * c->in[1] * c->in[2], taps = c->k[0] * c->k[1] * c->k[2];
    int64_t x0 = (img * c->ci + group * c->cg) * plane, w0 = oc * c->cg * taps, o0 = (img * c->co + oc) * c->o[0] * c->o[1] * c->o[2];
    float b = c->bias ? kern_get_f32(c->bias->data, c->bias->dtype, oc) : 0;
    for (int64_t row = 0; row < c->o[0] * c->o[1]; row++)
        for (int64_t from = 0; from < c->o[2]; from += KERN_BLOCK) {
            int64_t n = c->o[2] - from < KERN_BLOCK ? c->o[2] - from : KERN_BLOCK;
            for (int64_t i = 0; i < n; i++) acc[i] = b;
            for (int64_t t = 0; t < c->cg * taps; t++) {
                int64_t kx = t % c->k[2], ky = t / c->k[2] % c->k[1], kz = t / c->k[2] / c->k[1] % c->k[0], ch = t / taps;
                int64_t z = pos(c, 0, row / c->o[1], kz), y = pos(c, 1, row % c->o[1], ky);
                if (z < 0 || z >= c->in[0] || y < 0 || y >= c->in[1]) continue;
                float w = kern_get_f32(c->w->data, c->w->dtype, w0 + t);
                int64_t line = x0 + ch * plane + (z * c->in[1] + y) * c->in[2], s = c->s[2], lo = 0, hi = n, x = pos(c, 2, from, kx);
                while (lo < hi && x + lo * s < 0) lo++;
                while (hi > lo && x + (hi - 1) * s >= c->in[2]) hi--;
                if (c->x->dtype == ETCH_F32 && s == 1) {
                    if (hi > lo) kern_axpy_f32(acc + lo, w, (const float *)c->x->data + line + x + lo, hi - lo);
                } else {
                    for (int64_t i = lo; i < hi; i++) acc[i] += w * x_at(c, line + x + i * s);
                }
            }
            kern_store(c->out->data, c->out->dtype, o0 + row * c->o[2] + from, acc, KERN_F32, n);
        }
}

// Any form in double, one output element at a time: transposed convolutions and f64.
static void plain(const conv *c)
{
    int64_t taps = c->k[0] * c->k[1] * c->k[2], plane = c->in[0] * c->in[1] * c->in[2], og = c->co / c->g, total = etch_numel(c->out);
    for (int64_t i = 0; i < total; i++) {
        int64_t rest = i, o[3];
        for (int a = 2; a >= 0; a--) {
            o[a] = rest % c->o[a];
            rest /= c->o[a];
        }
        int64_t oc = rest % c->co, img = rest / c->co, group = oc / og, x0 = (img * c->ci + group * c->cg) * plane;
        double sum = c->bias ? etch_load_double(c->bias->data, c->bias->dtype, oc) : 0;
        for (int64_t t = 0; t < taps; t++) {
            int64_t tap[3] = { t / c->k[2] / c->k[1], t / c->k[2] % c->k[1], t % c->k[2] }, at = 0;
            bool inside = true;
            for (int a = 0; inside && a < 3; a++) {
                int64_t x = pos(c, a, o[a], tap[a]);
                if (c->transposed) {  // o = x * s - p + tap * d
                    x = o[a] + c->p[a] - tap[a] * c->d[a];
                    inside = x >= 0 && x % c->s[a] == 0;
                    x /= c->s[a];
                }
                inside = inside && x >= 0 && x < c->in[a];
                at = at * c->in[a] + x;
            }
            if (!inside) continue;
            for (int64_t ch = 0; ch < c->cg; ch++) {
                int64_t w = c->transposed ? ((group * c->cg + ch) * og + oc % og) * taps + t : (oc * c->cg + ch) * taps + t;
                sum += etch_load_double(c->x->data, c->x->dtype, x0 + ch * plane + at) * etch_load_double(c->w->data, c->w->dtype, w);
            }
        }
        etch_store_double(c->out->data, c->out->dtype, i, sum);
    }
}

static etch_status *run(etch_kern_cx *cx, conv *c)
{
    ETCH_TRY(sizes(c));
    if (!etch_numel(c->out)) return NULL;
    if (c->transposed || c->x->dtype == ETCH_F64 || c->w->dtype == ETCH_F64) {
        plain(c);
        return NULL;
    }
    int64_t og = c->co / c->g, pixels = c->o[0] * c->o[1] * c->o[2], k = c->cg * c->k[0] * c->k[1] * c->k[2];
    int64_t plane = c->in[0] * c->in[1] * c->in[2];
    kern_work work = { .cx = cx };
    for (int64_t img = 0; img < c->n; img++)
        for (int64_t group = 0; group < c->g; group++) {
            if (og < KERN_MR) {
                for (int64_t i = 0; i < og; i++) direct(c, img, group * og + i);
                continue;
            }
            c->x_off = (img * c->ci + group * c->cg) * plane;
            kern_mat a = { c->w->data, c->w->dtype, group * og * k, k, 1 }, b = { 0 };
            kern_gemm_out o = { c->out->data, c->out->dtype, (img * c->co + group * og) * pixels, pixels, NULL, 1, 1 };
            if (c->bias) {
                b = (kern_mat){ c->bias->data, c->bias->dtype, group * og, 1, 0 };
                o.add = &b;
            }
            ETCH_TRY(kern_gemm_packed(&work, og, pixels, k, &a, pack_patches, c, &o));
        }
    return NULL;
}

static etch_status *operands(const etch_val *args, int n_args, etch_tensor *out, conv *c)
{
    ETCH_TRY(kern_tensor(args, 0, &c->x));
    ETCH_TRY(kern_tensor(args, 1, &c->w));
    ETCH_TRY(kern_tensor_opt(args, n_args, 2, &c->bias));
    if (c->w->rank < 3 || c->w->rank > 5) return ETCH_ERR(ETCH_INVALID, "a convolution weight of rank %d", c->w->rank);
    c->out = out;
    int n = c->w->rank - 2;
    ETCH_TRY(spatial(args, n_args, 3, n, 1, 1, c->s));
    ETCH_TRY(spatial(args, n_args, 4, n, 0, 0, c->p));
    ETCH_TRY(spatial(args, n_args, 5, n, 1, 1, c->d));
    for (int a = 0; a < 3 - n; a++) c->p[a] = 0;
    return NULL;
}

// convolution(input, weight, bias?, stride, padding, dilation, transposed, output_padding, groups)
KERNEL(convolution)
{
    KERN_BEGIN(9, 1);
    conv c = { 0 };
    ETCH_TRY(operands(args, n_args, outs[0], &c));
    ETCH_TRY(kern_bool(args, 6, &c.transposed));
    ETCH_TRY(spatial(args, n_args, 7, c.w->rank - 2, 0, 0, c.op));
    ETCH_TRY(kern_int(args, 8, &c.g));
    return run(cx, &c);
}
// conv1d, conv2d, conv3d(input, weight, bias?, stride, padding, dilation, groups)
KERNEL(conv)
{
    KERN_BEGIN(2, 1);
    conv c = { 0 };
    ETCH_TRY(operands(args, n_args, outs[0], &c));
    ETCH_TRY(kern_int_opt(args, n_args, 6, 1, &c.g));
    return run(cx, &c);
}

// ---- gradients ----

// Element of grad_weight: the sum over images and positions of grad * input, with the roles exchanged for transposed convolutions.
static double weight_gradient(const conv *c, const etch_tensor *small, const etch_tensor *big, int64_t a, int64_t b, int64_t tap,
                              const int64_t *small_size, const int64_t *big_size, int64_t small_ch, int64_t big_ch)
{
    int64_t k[3] = { tap / c->k[2] / c->k[1], tap / c->k[2] % c->k[1], tap % c->k[2] };
    int64_t n = small_size[0] * small_size[1] * small_size[2], plane = big_size[0] * big_size[1] * big_size[2];
    double sum = 0;
    for (int64_t img = 0; img < c->n; img++)
        for (int64_t i = 0; i < n; i++) {
            int64_t o[3] = { i / small_size[2] / small_size[1], i / small_size[2] % small_size[1], i % small_size[2] }, at = 0;
            bool inside = true;
            for (int d = 0; inside && d < 3; d++) {
                int64_t x = pos(c, d, o[d], k[d]);
                inside = x >= 0 && x < big_size[d];
                at = at * big_size[d] + x;
            }
            if (inside)
                sum += etch_load_double(small->data, small->dtype, (img * small_ch + a) * n + i) *
                       etch_load_double(big->data, big->dtype, (img * big_ch + b) * plane + at);
        }
    return sum;
}

// convolution_backward(grad_output, input, weight, bias_sizes?, stride, padding, dilation, transposed, output_padding, groups, output_mask)
// -> gradients of input, weight and bias; an output whose mask is false is left alone.
KERNEL(convolution_backward)
{
    KERN_BEGIN(11, 3);
    const etch_tensor *grad, *x, *w;
    bool mask[3] = { true, true, true };
    ETCH_TRY(kern_tensor(args, 0, &grad));
    ETCH_TRY(kern_tensor(args, 1, &x));
    ETCH_TRY(kern_tensor(args, 2, &w));
    if (args[10].kind == ETCH_V_BOOLS && args[10].bools.n == 3) memcpy(mask, args[10].bools.p, sizeof mask);
    // The forward convolution, with grad_output as its output, for the checks.
    etch_tensor forward_out = *grad;
    etch_val forward[6] = { args[1], args[2], etch_val_none(), args[4], args[5], args[6] };
    conv c = { 0 };
    ETCH_TRY(operands(forward, 6, &forward_out, &c));
    ETCH_TRY(kern_bool(args, 7, &c.transposed));
    ETCH_TRY(spatial(args, n_args, 8, c.w->rank - 2, 0, 0, c.op));
    ETCH_TRY(kern_int(args, 9, &c.g));
    ETCH_TRY(sizes(&c));
    if (mask[0]) {  // a convolution of the other kind over the gradient
        conv b = c;
        ETCH_TRY(kern_want_same(x, outs[0]));
        b.x = grad;
        b.out = outs[0];
        b.bias = NULL;
        b.transposed = !c.transposed;
        b.ci = c.co;
        b.co = c.ci;
        b.cg = b.ci / b.g;
        memcpy(b.in, c.o, sizeof b.in);
        memcpy(b.o, c.in, sizeof b.o);
        if (!etch_dtype_is_float(outs[0]->dtype)) return ETCH_ERR(ETCH_UNSUPPORTED, "a gradient of %s", etch_dtype_name(outs[0]->dtype));
        plain(&b);
    }
    int64_t taps = c.k[0] * c.k[1] * c.k[2], w1 = kern_size(w, 1), og = c.co / c.g;
    if (mask[1]) {
        ETCH_TRY(kern_want_same(w, outs[1]));
        for (int64_t i = 0, n = etch_numel(w); i < n; i++) {
            int64_t first = i / taps / w1, second = i / taps % w1;
            double v;
            if (c.transposed) v = weight_gradient(&c, x, grad, first, first / c.cg * og + second, i % taps, c.in, c.o, c.ci, c.co);
            else v = weight_gradient(&c, grad, x, first, first / og * c.cg + second, i % taps, c.o, c.in, c.co, c.ci);
            etch_store_double(outs[1]->data, outs[1]->dtype, i, v);
        }
    }
    if (mask[2]) {
        int64_t pixels = c.o[0] * c.o[1] * c.o[2];
        ETCH_TRY(kern_want_sizes(outs[2], "the gradient of the bias", 1, &c.co));
        for (int64_t ch = 0; ch < c.co; ch++) {
            double v = 0;
            for (int64_t img = 0; img < c.n; img++)
                for (int64_t i = 0; i < pixels; i++) v += etch_load_double(grad->data, grad->dtype, (img * c.co + ch) * pixels + i);
            etch_store_double(outs[2]->data, outs[2]->dtype, ch, v);
        }
    }
    return NULL;
}
