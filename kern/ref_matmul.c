// Matrix products: linear, mm, bmm, addmm, baddbmm, matmul, outer. In: tensors of one float or integer type. Out: the product, rounded
// once.
#include "kern/matmul.h"

#include "kern/elem.h"

static kern_mat mat(const etch_tensor *t, int64_t off, int64_t rs, int64_t cs) { return (kern_mat){ t->data, t->dtype, off, rs, cs }; }
static kern_gemm_out dest(etch_tensor *t, int64_t off, int64_t rs) { return (kern_gemm_out){ t->data, t->dtype, off, rs, NULL, 1, 0 }; }

// linear(input [..., K], weight [N, K], bias [N]?) -> [..., N]; a weight of rank 1 gives [...].
KERNEL(linear)
{
    kern_work work = { .cx = cx };
    KERN_BEGIN(2, 1);
    const etch_tensor *x, *w, *bias;
    etch_tensor *out = outs[0];
    ETCH_TRY(kern_tensor(args, 0, &x));
    ETCH_TRY(kern_tensor(args, 1, &w));
    ETCH_TRY(kern_tensor_opt(args, n_args, 2, &bias));
    ETCH_TRY(kern_want_rank(x, "the input of linear", 1, ETCH_MAX_RANK));
    ETCH_TRY(kern_want_rank(w, "the weight of linear", 1, 2));
    int64_t k = kern_size(x, x->rank - 1), n = w->rank == 2 ? kern_size(w, 0) : 1, m = kern_prod(x, 0, x->rank - 1), want[ETCH_MAX_RANK];
    if (kern_size(w, w->rank - 1) != k)
        return ETCH_ERR(ETCH_INVALID, "linear: input has %lld features, the weight %lld", (long long)k,
                        (long long)kern_size(w, w->rank - 1));
    for (int d = 0; d < x->rank; d++) want[d] = kern_size(x, d);
    want[x->rank - 1] = n;
    ETCH_TRY(kern_want_sizes(out, "the output of linear", w->rank == 2 ? x->rank : x->rank - 1, want));
    if (bias && etch_numel(bias) != n && etch_numel(bias) != 1)
        return ETCH_ERR(ETCH_INVALID, "linear: bias of %lld, %lld outputs", (long long)etch_numel(bias), (long long)n);
    kern_mat a = mat(x, 0, k, 1), b = mat(w, 0, 1, k), d = { 0 };
    kern_gemm_out o = dest(out, 0, n);
    if (bias) {
        d = mat(bias, 0, 0, etch_numel(bias) == 1 ? 0 : 1);
        o.add = &d;
        o.beta = 1;
    }
    return kern_gemm(&work, m, n, k, &a, &b, &o);
}

// a [m, k] times b [k, n] with an optional addend that broadcasts to [m, n].
static etch_status *product(etch_kern_cx *cx, const etch_tensor *a, const etch_tensor *b, const etch_tensor *add, double beta, double alpha,
                            etch_tensor *out)
{
    kern_work work = { .cx = cx };
    ETCH_TRY(kern_want_rank(a, "the first matrix", 2, 2));
    ETCH_TRY(kern_want_rank(b, "the second matrix", 2, 2));
    int64_t m = kern_size(a, 0), k = kern_size(a, 1), n = kern_size(b, 1), want[2] = { m, n };
    if (kern_size(b, 0) != k)
        return ETCH_ERR(ETCH_INVALID, "[%lld, %lld] times [%lld, %lld]", (long long)m, (long long)k, (long long)kern_size(b, 0),
                        (long long)n);
    ETCH_TRY(kern_want_sizes(out, "the product", 2, want));
    kern_mat ma = mat(a, 0, k, 1), mb = mat(b, 0, n, 1), md = { 0 };
    kern_gemm_out o = dest(out, 0, n);
    o.alpha = alpha;
    if (add) {
        int64_t rows = add->rank == 2 ? kern_size(add, 0) : 1, cols = add->rank ? kern_size(add, add->rank - 1) : 1;
        if (add->rank > 2 || (rows != 1 && rows != m) || (cols != 1 && cols != n))
            return ETCH_ERR(ETCH_INVALID, "the addend does not broadcast");
        md = mat(add, 0, rows == 1 ? 0 : cols, cols == 1 ? 0 : 1);
        o.add = &md;
        o.beta = beta;
    }
    return kern_gemm(&work, m, n, k, &ma, &mb, &o);
}

static etch_status *batched(etch_kern_cx *cx, const etch_tensor *a, const etch_tensor *b, const etch_tensor *add, double beta, double alpha,
                            etch_tensor *out)
{
    kern_work work = { .cx = cx };
    ETCH_TRY(kern_want_rank(a, "the first batch", 3, 3));
    ETCH_TRY(kern_want_rank(b, "the second batch", 3, 3));
    int64_t nb = kern_size(a, 0), m = kern_size(a, 1), k = kern_size(a, 2), n = kern_size(b, 2), want[3] = { nb, m, n };
    if (kern_size(b, 0) != nb || kern_size(b, 1) != k) return ETCH_ERR(ETCH_INVALID, "bmm: sizes do not fit");
    ETCH_TRY(kern_want_sizes(out, "the product", 3, want));
    int64_t ds[3] = { 0, 0, 0 };
    if (add) {
        int64_t strides[ETCH_MAX_RANK];
        if (add->rank > 3) return ETCH_ERR(ETCH_INVALID, "the addend does not broadcast");
        etch_tensor_strides(add, strides);
        for (int d = 0; d < add->rank; d++) {
            int64_t size = kern_size(add, d);
            if (size != 1 && size != want[3 - add->rank + d]) return ETCH_ERR(ETCH_INVALID, "the addend does not broadcast");
            ds[3 - add->rank + d] = size == 1 ? 0 : strides[d];
        }
    }
    for (int64_t i = 0; i < nb; i++) {
        kern_mat ma = mat(a, i * m * k, k, 1), mb = mat(b, i * k * n, n, 1), md = { 0 };
        kern_gemm_out o = dest(out, i * m * n, n);
        o.alpha = alpha;
        if (add) {
            md = mat(add, i * ds[0], ds[1], ds[2]);
            o.add = &md;
            o.beta = beta;
        }
        ETCH_TRY(kern_gemm(&work, m, n, k, &ma, &mb, &o));
    }
    return NULL;
}
typedef etch_status *product_fn(etch_kern_cx *cx, const etch_tensor *a, const etch_tensor *b, const etch_tensor *add, double beta,
                                double alpha, etch_tensor *out);

// (a, b)
static etch_status *plain(product_fn *f, etch_kern_cx *cx, const etch_val *args, etch_tensor *out)
{
    const etch_tensor *a, *b;
    ETCH_TRY(kern_tensor(args, 0, &a));
    ETCH_TRY(kern_tensor(args, 1, &b));
    return f(cx, a, b, NULL, 0, 1, out);
}
KERNEL(mm) { KERN_BEGIN(2, 1); return plain(product, cx, args, outs[0]); }
KERNEL(bmm) { KERN_BEGIN(2, 1); return plain(batched, cx, args, outs[0]); }

// (self, a, b, *, beta, alpha)
static etch_status *added(product_fn *f, etch_kern_cx *cx, const etch_val *args, int n_args, etch_tensor *out)
{
    const etch_tensor *s, *a, *b;
    double beta, alpha;
    ETCH_TRY(kern_tensor(args, 0, &s));
    ETCH_TRY(kern_tensor(args, 1, &a));
    ETCH_TRY(kern_tensor(args, 2, &b));
    ETCH_TRY(kern_num_opt(args, n_args, 3, 1, &beta));
    ETCH_TRY(kern_num_opt(args, n_args, 4, 1, &alpha));
    return f(cx, a, b, s, beta, alpha, out);
}
KERNEL(addmm) { KERN_BEGIN(3, 1); return added(product, cx, args, n_args, outs[0]); }
KERNEL(baddbmm) { KERN_BEGIN(3, 1); return added(batched, cx, args, n_args, outs[0]); }

// matmul(self, other), also dot and mv: rank 1 operands are rows and columns, leading dims broadcast.
KERNEL(matmul)
{
    kern_work work = { .cx = cx };
    KERN_BEGIN(2, 1);
    const etch_tensor *a, *b;
    etch_tensor *out = outs[0];
    ETCH_TRY(kern_tensor(args, 0, &a));
    ETCH_TRY(kern_tensor(args, 1, &b));
    if (!a->rank || !b->rank) return ETCH_ERR(ETCH_INVALID, "matmul of a 0-d tensor");
    int64_t k = kern_size(a, a->rank - 1), m = a->rank > 1 ? kern_size(a, a->rank - 2) : 1, n = b->rank > 1 ? kern_size(b, b->rank - 1) : 1;
    if (kern_size(b, b->rank > 1 ? b->rank - 2 : 0) != k) return ETCH_ERR(ETCH_INVALID, "matmul: inner sizes differ");
    int ra = a->rank > 2 ? a->rank - 2 : 0, rb = b->rank > 2 ? b->rank - 2 : 0, r = ra > rb ? ra : rb;
    int64_t sizes[ETCH_MAX_RANK], sa[ETCH_MAX_RANK], sb[ETCH_MAX_RANK], idx[ETCH_MAX_RANK] = { 0 }, batch = 1, stepa = m * k, stepb = k * n;
    for (int d = r - 1; d >= 0; d--) {
        int da = d - (r - ra), db = d - (r - rb);
        int64_t na = da < 0 ? 1 : kern_size(a, da), nb = db < 0 ? 1 : kern_size(b, db);
        if (na != nb && na != 1 && nb != 1) return ETCH_ERR(ETCH_INVALID, "matmul: batch sizes do not broadcast");
        sizes[d] = na == 1 ? nb : na;
        sa[d] = na == 1 ? 0 : stepa;
        sb[d] = nb == 1 ? 0 : stepb;
        stepa *= na;
        stepb *= nb;
        if (!etch_mul_ok(batch, sizes[d], &batch)) return ETCH_ERR(ETCH_INVALID, "matmul: too large");
    }
    int64_t want[ETCH_MAX_RANK + 2], nw = 0;
    for (int d = 0; d < r; d++) want[nw++] = sizes[d];
    if (a->rank > 1) want[nw++] = m;
    if (b->rank > 1) want[nw++] = n;
    ETCH_TRY(kern_want_sizes(out, "the product", (int)nw, want));
    // A shared matrix on the right: one product over all rows.
    if (!rb && a->rank > 1) {
        kern_mat ma = mat(a, 0, k, 1), mb = mat(b, 0, n, 1);
        kern_gemm_out o = dest(out, 0, n);
        return kern_gemm(&work, batch * m, n, k, &ma, &mb, &o);
    }
    for (int64_t i = 0; i < batch; i++) {
        int64_t oa = 0, ob = 0;
        for (int d = 0; d < r; d++) {
            oa += idx[d] * sa[d];
            ob += idx[d] * sb[d];
        }
        kern_mat ma = mat(a, oa, k, 1), mb = mat(b, ob, n, 1);
        kern_gemm_out o = dest(out, i * m * n, n);
        ETCH_TRY(kern_gemm(&work, m, n, k, &ma, &mb, &o));
        for (int d = r - 1; d >= 0 && ++idx[d] == sizes[d]; d--) idx[d] = 0;
    }
    return NULL;
}

// outer(self [m], vec2 [n])
KERNEL(outer)
{
    kern_work work = { .cx = cx };
    KERN_BEGIN(2, 1);
    const etch_tensor *a, *b;
    ETCH_TRY(kern_tensor(args, 0, &a));
    ETCH_TRY(kern_tensor(args, 1, &b));
    ETCH_TRY(kern_want_rank(a, "the first vector", 1, 1));
    ETCH_TRY(kern_want_rank(b, "the second vector", 1, 1));
    int64_t m = kern_size(a, 0), n = kern_size(b, 0), want[2] = { m, n };
    ETCH_TRY(kern_want_sizes(outs[0], "the product", 2, want));
    kern_mat ma = mat(a, 0, 1, 1), mb = mat(b, 0, n, 1);
    kern_gemm_out o = dest(outs[0], 0, n);
    return kern_gemm(&work, m, n, 1, &ma, &mb, &o);
}
