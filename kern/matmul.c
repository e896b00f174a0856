// Matrix products. In: two strided operands of any dtype. Out: rows of C with alpha, beta and D applied.
#include "kern/matmul.h"

#include <math.h>

#include "kern/elem.h"
#include "kern/fgemm/fgemm.h"

typedef float v4 __attribute__((vector_size(16), aligned(4)));

enum { MC = 64, NC = 128, KC = 256 };

float kern_dot_f32(const float *a, const float *b, int64_t n)
{
    v4 s0 = { 0 }, s1 = { 0 }, s2 = { 0 }, s3 = { 0 };
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        s0 += *(const v4 *)(a + i) * *(const v4 *)(b + i);
        s1 += *(const v4 *)(a + i + 4) * *(const v4 *)(b + i + 4);
        s2 += *(const v4 *)(a + i + 8) * *(const v4 *)(b + i + 8);
        s3 += *(const v4 *)(a + i + 12) * *(const v4 *)(b + i + 12);
    }
    v4 s = (s0 + s1) + (s2 + s3);
    float r = (s[0] + s[1]) + (s[2] + s[3]);
    for (; i < n; i++) r += a[i] * b[i];
    return r;
}

// n elements of a matrix row or column as f32; `stride` in elements.
static void load_f32(float *dst, const kern_mat *m, int64_t at, int64_t stride, int64_t n)
{
    if (stride == 1) {
        kern_load(dst, KERN_F32, m->data, m->dtype, at, n);
    } else if (m->dtype == ETCH_F32) {
        const float *s = (const float *)m->data + at;
        for (int64_t i = 0; i < n; i++) dst[i] = s[i * stride];
    } else {
        for (int64_t i = 0; i < n; i++) dst[i] = kern_get_f32(m->data, m->dtype, at + i * stride);
    }
}

// Finishes n sums of row r, columns from c: alpha, beta * D, rounding, store.
static void finish(const kern_gemm_out *o, int64_t r, int64_t c, float *acc, int64_t n)
{
    if (o->alpha != 1)
        for (int64_t i = 0; i < n; i++) acc[i] *= (float)o->alpha;
    if (o->add && o->beta != 0) {
        float d[NC];
        const kern_mat *m = o->add;
        for (int64_t i = 0; i < n; i += NC) {
            int64_t w = n - i < NC ? n - i : NC;
            load_f32(d, m, m->off + r * m->rs + (c + i) * m->cs, m->cs, w);
            for (int64_t j = 0; j < w; j++) acc[i + j] += (float)o->beta * d[j];
        }
    }
    kern_store(o->data, o->dtype, o->off + r * o->rs + c, acc, KERN_F32, n);
}

// acc[4][NC-strided 8] += packed A strip times packed B strip.
static void tile(float *acc, const float *a, const float *b, int64_t kc)
{
    v4 c00 = { 0 }, c01 = { 0 }, c10 = { 0 }, c11 = { 0 }, c20 = { 0 }, c21 = { 0 }, c30 = { 0 }, c31 = { 0 };
    for (int64_t k = 0; k < kc; k++, a += KERN_MR, b += KERN_NR) {
        v4 b0 = *(const v4 *)b, b1 = *(const v4 *)(b + 4);
        c00 += a[0] * b0;
        c01 += a[0] * b1;
        c10 += a[1] * b0;
        c11 += a[1] * b1;
        c20 += a[2] * b0;
        c21 += a[2] * b1;
        c30 += a[3] * b0;
        c31 += a[3] * b1;
    }
    *(v4 *)acc += c00;
    *(v4 *)(acc + 4) += c01;
    *(v4 *)(acc + NC) += c10;
    *(v4 *)(acc + NC + 4) += c11;
    *(v4 *)(acc + 2 * NC) += c20;
    *(v4 *)(acc + 2 * NC + 4) += c21;
    *(v4 *)(acc + 3 * NC) += c30;
    *(v4 *)(acc + 3 * NC + 4) += c31;
}

// dst[strip][k][MR] for rows [m0, m0 + mc), zero beyond.
static void pack_a(float *dst, const kern_mat *a, int64_t m0, int64_t mc, int64_t k0, int64_t kc)
{
    float row[KC];
    for (int64_t s = 0; s < mc; s += KERN_MR, dst += kc * KERN_MR)
        for (int64_t i = 0; i < KERN_MR; i++) {
            if (s + i < mc) load_f32(row, a, a->off + (m0 + s + i) * a->rs + k0 * a->cs, a->cs, kc);
            else memset(row, 0, sizeof row);
            for (int64_t k = 0; k < kc; k++) dst[k * KERN_MR + i] = row[k];
        }
}

static void pack_mat(const void *user, float *dst, int64_t k0, int64_t kc, int64_t n0, int64_t nc)
{
    const kern_mat *b = user;
    for (int64_t s = 0; s < nc; s += KERN_NR, dst += kc * KERN_NR) {
        int64_t w = nc - s < KERN_NR ? nc - s : KERN_NR;
        if (b->cs == 1) {
            for (int64_t k = 0; k < kc; k++) {
                float *d = dst + k * KERN_NR;
                load_f32(d, b, b->off + (k0 + k) * b->rs + n0 + s, 1, w);
                for (int64_t j = w; j < KERN_NR; j++) d[j] = 0;
            }
            continue;
        }
        float col[KC];
        for (int64_t j = 0; j < KERN_NR; j++) {
            if (j < w) load_f32(col, b, b->off + k0 * b->rs + (n0 + s + j) * b->cs, b->rs, kc);
            else memset(col, 0, sizeof col);
            for (int64_t k = 0; k < kc; k++) dst[k * KERN_NR + j] = col[k];
        }
    }
}

etch_status *kern_gemm_packed(kern_work *w, int64_t m, int64_t n, int64_t k, const kern_mat *a, kern_pack_fn pack_b, const void *user,
                              const kern_gemm_out *out)
{
    if (!w->mem) ETCH_TRY(kern_scratch(w->cx, sizeof(float) * (MC * KC + NC * KC + MC * NC), &w->mem));
    float *pa = w->mem, *pb = pa + MC * KC, *acc = pb + NC * KC;
    for (int64_t n0 = 0; n0 < n; n0 += NC) {
        int64_t nc = n - n0 < NC ? n - n0 : NC;
        for (int64_t m0 = 0; m0 < m; m0 += MC) {
            int64_t mc = m - m0 < MC ? m - m0 : MC;
            memset(acc, 0, sizeof(float) * MC * NC);
            for (int64_t k0 = 0; k0 < k; k0 += KC) {
                int64_t kc = k - k0 < KC ? k - k0 : KC;
                if (m0 == 0 || k > KC) pack_b(user, pb, k0, kc, n0, nc);
                pack_a(pa, a, m0, mc, k0, kc);
                for (int64_t j = 0; j < nc; j += KERN_NR)
                    for (int64_t i = 0; i < mc; i += KERN_MR) tile(acc + i * NC + j, pa + i * kc, pb + j * kc, kc);
            }
            for (int64_t i = 0; i < mc; i++) finish(out, m0 + i, n0, acc + i * NC, nc);
        }
    }
    return NULL;
}

// Few rows against columns that are contiguous over k (a weight [n, k]): dot products, the weight read once.
static void few_rows_dot(int64_t m, int64_t n, int64_t k, const kern_mat *a, const kern_mat *b, const kern_gemm_out *out)
{
    float acc[4][NC], x[4][KC], w[KC];
    for (int64_t n0 = 0; n0 < n; n0 += NC) {
        int64_t nc = n - n0 < NC ? n - n0 : NC;
        memset(acc, 0, sizeof acc);
        for (int64_t k0 = 0; k0 < k; k0 += KC) {
            int64_t kc = k - k0 < KC ? k - k0 : KC;
            for (int64_t i = 0; i < m; i++) load_f32(x[i], a, a->off + i * a->rs + k0 * a->cs, a->cs, kc);
            for (int64_t j = 0; j < nc; j++) {
                int64_t at = b->off + (n0 + j) * b->cs + k0;
                const float *p = w;
                if (b->dtype == ETCH_F32) p = (const float *)b->data + at;
                else kern_load(w, KERN_F32, b->data, b->dtype, at, kc);
                for (int64_t i = 0; i < m; i++) acc[i][j] += kern_dot_f32(x[i], p, kc);
            }
        }
        for (int64_t i = 0; i < m; i++) finish(out, i, n0, acc[i], nc);
    }
}

// Few rows against a row-major B: sums of scaled rows, a block of columns at a time. Partial sums per KC rows, as elsewhere.
static void few_rows_axpy(int64_t m, int64_t n, int64_t k, const kern_mat *a, const kern_mat *b, const kern_gemm_out *out)
{
    float acc[4][NC], part[4][NC], row[NC];
    for (int64_t n0 = 0; n0 < n; n0 += NC) {
        int64_t nc = n - n0 < NC ? n - n0 : NC;
        memset(acc, 0, sizeof acc);
        for (int64_t k0 = 0; k0 < k; k0 += KC) {
            int64_t k1 = k - k0 < KC ? k : k0 + KC;
            memset(part, 0, sizeof part);
            for (int64_t r = k0; r < k1; r++) {
                int64_t at = b->off + r * b->rs + n0;
                const float *p = row;
                if (b->dtype == ETCH_F32) p = (const float *)b->data + at;
                else kern_load(row, KERN_F32, b->data, b->dtype, at, nc);
                for (int64_t i = 0; i < m; i++)
                    kern_axpy_f32(part[i], kern_get_f32(a->data, a->dtype, a->off + i * a->rs + r * a->cs), p, nc);
            }
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < nc; j++) acc[i][j] += part[i][j];
        }
        for (int64_t i = 0; i < m; i++) finish(out, i, n0, acc[i], nc);
    }
}

// f64 and integers, element by element.
static void plain(int64_t m, int64_t n, int64_t k, const kern_mat *a, const kern_mat *b, const kern_gemm_out *o, bool is_int)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            int64_t si = 0, at = o->off + i * o->rs + j;
            double sf = 0;
            for (int64_t p = 0; p < k; p++) {
                int64_t pa = a->off + i * a->rs + p * a->cs, pb = b->off + p * b->rs + j * b->cs;
                if (is_int) si = kern_wadd(si, kern_wmul(etch_load_int(a->data, a->dtype, pa), etch_load_int(b->data, b->dtype, pb)));
                else sf += etch_load_double(a->data, a->dtype, pa) * etch_load_double(b->data, b->dtype, pb);
            }
            const kern_mat *d = o->beta != 0 ? o->add : NULL;
            int64_t pd = d ? d->off + i * d->rs + j * d->cs : 0;
            if (is_int) {
                si = kern_wmul(si, kern_f2i(o->alpha));
                if (d) si = kern_wadd(si, kern_wmul(kern_f2i(o->beta), etch_load_int(d->data, d->dtype, pd)));
                etch_store_int(o->data, o->dtype, at, si);
            } else {
                sf *= o->alpha;
                if (d) sf += o->beta * etch_load_double(d->data, d->dtype, pd);
                etch_store_double(o->data, o->dtype, at, sf);
            }
        }
}

// The caller's loops take large products of f32 with any float type as they are: rows of A, rows of the output, B either way round, a row
// as addend.
static bool weight_type(etch_dtype d, etch_fgemm_type *out)
{
    *out = d == ETCH_F16 ? ETCH_FGEMM_F16 : d == ETCH_BF16 ? ETCH_FGEMM_BF16 : ETCH_FGEMM_F32;
    return d == ETCH_F32 || d == ETCH_F16 || d == ETCH_BF16;
}

static bool fits_family(const kern_work *w, int64_t m, int64_t n, int64_t k, const kern_mat *a, const kern_mat *b, const kern_gemm_out *o)
{
    etch_fgemm_type type;
    if (!w->cx || !w->cx->fgemm || (double)m * (double)n * (double)k < 4096) return false;
    if (a->dtype != ETCH_F32 || !weight_type(b->dtype, &type) || o->dtype != ETCH_F32 || a->cs != 1 || (b->rs != 1 && b->cs != 1) ||
        o->alpha != 1) return false;
    return !o->add || o->beta == 0 || (o->beta == 1 && o->add->dtype == ETCH_F32 && o->add->rs == 0 && o->add->cs == 1);
}

static etch_status *family(kern_work *w, int64_t m, int64_t n, int64_t k, const kern_mat *a, const kern_mat *b, const kern_gemm_out *o)
{
    bool nk = b->cs != 1;
    if (!w->family) ETCH_TRY(kern_scratch(w->cx, etch_fgemm_scratch(etch_pool_threads(w->cx->pool)), &w->family));
    etch_fgemm g = { .m = (size_t)m, .n = (size_t)n, .k = (size_t)k, .a = (const float *)a->data + a->off, .lda = (size_t)a->rs,
                     .b = (const uint8_t *)b->data + (size_t)b->off * etch_dtype_size(b->dtype), .ldb = (size_t)(nk ? b->cs : b->rs),
                     .b_is_nk = nk, .c = (float *)o->data + o->off, .ldc = (size_t)o->rs, .lo = -INFINITY, .hi = INFINITY };
    if (!weight_type(b->dtype, &g.b_type)) return ETCH_ERR(ETCH_INTERNAL, "a product of %s", etch_dtype_name(b->dtype));
    if (o->add && o->beta != 0) g.bias = (const float *)o->add->data + o->add->off;
    etch_fgemm_run(w->cx->fgemm, &g, w->cx->pool, w->family);
    return NULL;
}

etch_status *kern_gemm(kern_work *w, int64_t m, int64_t n, int64_t k, const kern_mat *a, const kern_mat *b, const kern_gemm_out *out)
{
    if (!m || !n) return NULL;
    if (fits_family(w, m, n, k, a, b, out)) return family(w, m, n, k, a, b, out);
    kern_ctype ca = kern_ctype_of(a->dtype), cb = kern_ctype_of(b->dtype);
    if (ca == KERN_C64 || cb == KERN_C64) return ETCH_ERR(ETCH_UNSUPPORTED, "a matrix product of complex numbers");
    if (ca != KERN_F32 || cb != KERN_F32) plain(m, n, k, a, b, out, ca == KERN_I64 && cb == KERN_I64);
    else if (m <= 4 && b->rs == 1) few_rows_dot(m, n, k, a, b, out);
    else if (m <= 4 && b->cs == 1) few_rows_axpy(m, n, k, a, b, out);
    else return kern_gemm_packed(w, m, n, k, a, pack_mat, b, out);
    return NULL;
}
