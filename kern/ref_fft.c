// Fourier transforms of real signals and complex numbers: _fft_r2c, _fft_c2r, complex, polar, real, imag, angle.
// Any length, by splitting off prime factors (Cooley-Tukey); double inside, f32 outside.
#include <math.h>

#include "kern/elem.h"

typedef struct cpx { double re, im; } cpx;

// Transform of n elements of `in` (step `stride`) into `out`; w: the N-th roots of unity, N = n * stride; tmp: one slot a factor.
static void fft(cpx *out, const cpx *in, int64_t n, int64_t stride, const cpx *w, cpx *tmp)
{
    if (n == 1) {
        out[0] = in[0];
        return;
    }
    int64_t p = n;
    for (int64_t f = 2; f * f <= n; f++)
        if (n % f == 0) {
            p = f;
            break;
        }
    int64_t m = n / p, total = n * stride;
    for (int64_t r = 0; r < p; r++) fft(out + r * m, in + r * stride, m, stride * p, w, tmp);
    for (int64_t k = 0; k < m; k++) {
        for (int64_t r = 0; r < p; r++) tmp[r] = out[r * m + k];
        for (int64_t q = 0; q < p; q++) {
            cpx s = { 0, 0 };
            for (int64_t r = 0; r < p; r++) {
                cpx t = w[r * stride % total * (k + q * m) % total];
                s.re += tmp[r].re * t.re - tmp[r].im * t.im;
                s.im += tmp[r].re * t.im + tmp[r].im * t.re;
            }
            out[q * m + k] = s;
        }
    }
}

typedef struct work { cpx *in, *out, *w, *tmp; } work;
enum { MAX_LENGTH = 1 << 24 };

static etch_status *prepare(etch_kern_cx *cx, int64_t n, bool inverse, work *k)
{
    if (n < 1 || n > MAX_LENGTH) return ETCH_ERR(ETCH_INVALID, "a Fourier transform of length %lld", (long long)n);
    ETCH_TRY(kern_scratch(cx, sizeof(cpx) * 4 * (size_t)n, &k->in));
    k->out = k->in + n;
    k->w = k->out + n;
    k->tmp = k->w + n;
    for (int64_t i = 0; i < n; i++) {
        double a = (inverse ? 2 : -2) * 3.14159265358979323846 * (double)i / (double)n;
        k->w[i] = (cpx){ cos(a), sin(a) };
    }
    return NULL;
}

// In place along dim d of complex sizes: lines of n, step `inner`.
static etch_status *c2c(etch_kern_cx *cx, float *data, const etch_tensor *like, int d, bool inverse)
{
    int64_t n = kern_size(like, d), inner = kern_prod(like, d + 1, like->rank), outer = kern_prod(like, 0, d);
    work k;
    ETCH_TRY(prepare(cx, n, inverse, &k));
    for (int64_t o = 0; o < outer * inner; o++) {
        float *line = data + 2 * (o / inner * n * inner + o % inner);
        for (int64_t i = 0; i < n; i++) k.in[i] = (cpx){ (double)line[2 * i * inner], (double)line[2 * i * inner + 1] };
        fft(k.out, k.in, n, 1, k.w, k.tmp);
        for (int64_t i = 0; i < n; i++) {
            line[2 * i * inner] = (float)k.out[i].re;
            line[2 * i * inner + 1] = (float)k.out[i].im;
        }
    }
    return NULL;
}

// Normalisation code: 0 none, 1 by the root of the signal's size, 2 by the size.
static etch_status *factor(int64_t mode, double n, double *out)
{
    if (mode < 0 || mode > 2) return ETCH_ERR(ETCH_INVALID, "normalization %lld", (long long)mode);
    *out = mode == 0 ? 1 : mode == 1 ? 1 / sqrt(n) : 1 / n;
    return NULL;
}
static void scale(float *p, int64_t n, double f)
{
    if (f == 1) return;
    for (int64_t i = 0; i < n; i++) p[i] = (float)((double)p[i] * f);
}

// _fft_r2c(self f32, dim, normalization, onesided): the last listed dim is the real one.
KERNEL(fft_r2c)
{
    KERN_BEGIN(4, 1);
    const etch_tensor *t;
    etch_tensor *out = outs[0];
    kern_list dims;
    int64_t mode;
    bool onesided;
    int d;
    double f, count = 1;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_ints(args, n_args, 1, &dims));
    ETCH_TRY(kern_int(args, 2, &mode));
    ETCH_TRY(kern_bool(args, 3, &onesided));
    if (!dims.n || !t->rank || !etch_dtype_is_float(t->dtype) || out->dtype != ETCH_C64 || out->rank != t->rank)
        return ETCH_ERR(ETCH_INVALID, "_fft_r2c of %s", etch_dtype_name(t->dtype));
    uint32_t mask;
    ETCH_TRY(kern_dim_mask(&dims, t->rank, &mask));
    ETCH_TRY(kern_wrap_dim(dims.v[dims.n - 1], t->rank, &d));
    int64_t n = kern_size(t, d), m = kern_size(out, d), inner = kern_prod(t, d + 1, t->rank), outer = kern_prod(t, 0, d);
    for (int k = 0; k < t->rank; k++) {
        if (kern_size(out, k) != (k != d ? kern_size(t, k) : onesided ? n / 2 + 1 : n))
            return ETCH_ERR(ETCH_INVALID, "_fft_r2c: the output does not fit");
        if (mask >> k & 1u) count *= (double)kern_size(t, k);
    }
    if (!etch_numel(out)) return NULL;
    ETCH_TRY(factor(mode, count, &f));
    work w;
    ETCH_TRY(prepare(cx, n, false, &w));
    float *o = out->data;
    for (int64_t l = 0; l < outer * inner; l++) {
        int64_t from = l / inner * n * inner + l % inner, to = l / inner * m * inner + l % inner;
        for (int64_t i = 0; i < n; i++) w.in[i] = (cpx){ etch_load_double(t->data, t->dtype, from + i * inner), 0 };
        fft(w.out, w.in, n, 1, w.w, w.tmp);
        for (int64_t i = 0; i < m; i++) {
            o[2 * (to + i * inner)] = (float)w.out[i].re;
            o[2 * (to + i * inner) + 1] = (float)w.out[i].im;
        }
    }
    for (int k = 0; k < t->rank; k++)
        if (k != d && mask >> k & 1u) ETCH_TRY(c2c(cx, o, out, k, false));
    scale(o, 2 * etch_numel(out), f);
    return NULL;
}

// _fft_c2r(self c64, dim, normalization, last_dim_size): the inverse, for half spectra.
KERNEL(fft_c2r)
{
    KERN_BEGIN(4, 1);
    const etch_tensor *t;
    etch_tensor *out = outs[0];
    kern_list dims;
    int64_t mode, n;
    int d;
    double f, count = 1;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_ints(args, n_args, 1, &dims));
    ETCH_TRY(kern_int(args, 2, &mode));
    ETCH_TRY(kern_int(args, 3, &n));
    if (!dims.n || !t->rank || t->dtype != ETCH_C64 || !etch_dtype_is_float(out->dtype) || out->rank != t->rank)
        return ETCH_ERR(ETCH_INVALID, "_fft_c2r of %s", etch_dtype_name(t->dtype));
    uint32_t mask;
    ETCH_TRY(kern_dim_mask(&dims, t->rank, &mask));
    ETCH_TRY(kern_wrap_dim(dims.v[dims.n - 1], t->rank, &d));
    int64_t m = kern_size(t, d), inner = kern_prod(t, d + 1, t->rank), outer = kern_prod(t, 0, d);
    for (int k = 0; k < t->rank; k++) {
        if (kern_size(out, k) != (k == d ? n : kern_size(t, k))) return ETCH_ERR(ETCH_INVALID, "_fft_c2r: the output does not fit");
        if (mask >> k & 1u) count *= (double)kern_size(out, k);
    }
    if (!etch_numel(out)) return NULL;
    if (m < n / 2 + 1) return ETCH_ERR(ETCH_INVALID, "_fft_c2r: %lld values for a length of %lld", (long long)m, (long long)n);
    ETCH_TRY(factor(mode, count, &f));
    const float *src = t->data;
    if (mask & ~(1u << d)) {  // the other dims first, on a copy
        float *copy;
        size_t bytes = (size_t)etch_numel(t) * 8;
        ETCH_TRY(kern_scratch(cx, bytes, &copy));
        memcpy(copy, t->data, bytes);
        for (int k = 0; k < t->rank; k++)
            if (k != d && mask >> k & 1u) ETCH_TRY(c2c(cx, copy, t, k, true));
        src = copy;
    }
    work w;
    ETCH_TRY(prepare(cx, n, true, &w));
    for (int64_t l = 0; l < outer * inner; l++) {
        const float *p = src + 2 * (l / inner * m * inner + l % inner);
        int64_t to = l / inner * n * inner + l % inner;
        for (int64_t i = 0; i < n; i++) {
            int64_t k = i <= n / 2 ? i : n - i;  // the other half is the conjugate
            w.in[i] = (cpx){ (double)p[2 * k * inner], i <= n / 2 ? (double)p[2 * k * inner + 1] : -(double)p[2 * k * inner + 1] };
        }
        fft(w.out, w.in, n, 1, w.w, w.tmp);
        for (int64_t i = 0; i < n; i++) etch_store_double(out->data, out->dtype, to + i * inner, w.out[i].re * f);
    }
    return NULL;
}

// ---- parts of complex numbers ----

static void join(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)
{
    float *o = o_;
    const float *a = in[0], *b = in[1];
    for (int i = 0; i < n; i++) o[2 * i] = a[i], o[2 * i + 1] = b[i];
}
static void from_polar(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)
{
    float *o = o_;
    const float *a = in[0], *b = in[1];
    for (int i = 0; i < n; i++) o[2 * i] = a[i] * cosf(b[i]), o[2 * i + 1] = a[i] * sinf(b[i]);
}
static void take_re(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)
{
    float *o = o_;
    const float *a = in[0];
    for (int i = 0; i < n; i++) o[i] = a[2 * i];
}
static void take_im(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)
{
    float *o = o_;
    const float *a = in[0];
    for (int i = 0; i < n; i++) o[i] = a[2 * i + 1];
}
static void take_angle(void *o_, const void *const *in, int n, KERN_UNUSED kern_par *p)
{
    float *o = o_;
    const float *a = in[0];
    for (int i = 0; i < n; i++) o[i] = atan2f(a[2 * i + 1], a[2 * i]);
}
static etch_status *two(const etch_val *args, etch_tensor *out, kern_block_fn fn)
{
    const etch_val *v[2] = { &args[0], &args[1] };
    return kern_map(out, v, 2, (const kern_ctype[]){ KERN_F32, KERN_F32 }, KERN_C64, fn, NULL);
}
static etch_status *part(const etch_val *args, etch_tensor *out, kern_block_fn fn)
{
    const etch_val *v[1] = { &args[0] };
    return kern_map(out, v, 1, (const kern_ctype[]){ KERN_C64 }, KERN_F32, fn, NULL);
}
KERNEL(complex) { KERN_BEGIN(2, 1); return two(args, outs[0], join); }
KERNEL(polar) { KERN_BEGIN(2, 1); return two(args, outs[0], from_polar); }
KERNEL(real)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    return t->dtype == ETCH_C64 ? part(args, outs[0], take_re) : kern_cast(outs[0], &args[0]);
}
KERNEL(imag) { KERN_BEGIN(1, 1); return part(args, outs[0], take_im); }
KERNEL(angle) { KERN_BEGIN(1, 1); return part(args, outs[0], take_angle); }
