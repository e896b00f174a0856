// Along one dim: argmax, argmin, max.dim, min.dim, cumsum, cumprod, cummax, cummin, logcumsumexp.
// In: a tensor and a dim. Out: values and/or i64 indices. The first of equal values wins; NaN counts as largest and as smallest.
#include "kern/reduce.h"

#include <math.h>

typedef struct best { double f; int64_t i, at; bool any, nan; } best;

#define BEST(name, T, FIELD, better, isnan)                                             \
    static void name(void *state, const void *block, int n, int64_t pos)                \
    {                                                                                   \
        best *b = state;                                                                \
        const T *v = block;                                                             \
        for (int k = 0; k < n; k++) {                                                   \
            T x = v[k];                                                                 \
            if (b->nan || (b->any && !isnan(x) && !(x better b->FIELD))) continue;      \
            b->FIELD = x;                                                               \
            b->at = pos + k;                                                            \
            b->any = true;                                                              \
            b->nan = isnan(x);                                                          \
        }                                                                               \
    }
#define IS_NAN(x) ((x) != (x))
#define NEVER(x) false
BEST(max_f64, double, f, >, IS_NAN)
BEST(min_f64, double, f, <, IS_NAN)
BEST(max_i64, int64_t, i, >, NEVER)
BEST(min_i64, int64_t, i, <, NEVER)

// `values` may be NULL.
static etch_status *extreme(const etch_tensor *t, uint32_t mask, bool is_max, etch_tensor *values, etch_tensor *indices)
{
    kern_red r;
    if (values) ETCH_TRY(kern_red_init(&r, t, mask, values));
    ETCH_TRY(kern_red_init(&r, t, mask, indices));
    if (etch_dtype_is_complex(t->dtype)) return ETCH_ERR(ETCH_UNSUPPORTED, "the maximum of %s", etch_dtype_name(t->dtype));
    if (!r.n_red && r.n_out) return ETCH_ERR(ETCH_INVALID, "the maximum of no elements");
    bool ints = kern_ctype_of(t->dtype) == KERN_I64;
    for (int64_t o = 0; o < r.n_out; o++) {
        best b = { 0 };
        if (ints) kern_red_each(&r, o, KERN_I64, is_max ? max_i64 : min_i64, &b);
        else kern_red_each(&r, o, KERN_F64, is_max ? max_f64 : min_f64, &b);
        etch_store_int(indices->data, indices->dtype, o, b.at);
        if (values && ints) etch_store_int(values->data, values->dtype, o, b.i);
        else if (values) etch_store_double(values->data, values->dtype, o, b.f);
    }
    return NULL;
}
static etch_status *arg(const etch_val *args, int n_args, etch_tensor *out, bool is_max)
{
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    uint32_t mask = (1u << t->rank) - 1u;
    if (!kern_is_none(args, n_args, 1)) {
        int d;
        ETCH_TRY(kern_dim(args, 1, t->rank, &d));
        if (t->rank) mask = 1u << d;
    }
    return extreme(t, mask, is_max, NULL, out);
}
KERNEL(argmax) { KERN_BEGIN(1, 1); return arg(args, n_args, outs[0], true); }
KERNEL(argmin) { KERN_BEGIN(1, 1); return arg(args, n_args, outs[0], false); }

static etch_status *with_dim(const etch_val *args, etch_tensor *const *outs, bool is_max)
{
    const etch_tensor *t;
    int d;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_dim(args, 1, t->rank, &d));
    return extreme(t, t->rank ? 1u << d : 0, is_max, outs[0], outs[1]);
}
KERNEL(max_dim) { KERN_BEGIN(2, 2); return with_dim(args, outs, true); }
KERNEL(min_dim) { KERN_BEGIN(2, 2); return with_dim(args, outs, false); }

// ---- running values ----

typedef enum { SUM, PROD, LSE } kind;

// log(exp(a) + exp(b))
static double log_add(double a, double b)
{
    double m = a > b || a != a ? a : b, n = a > b || a != a ? b : a;
    return m == -INFINITY || m == INFINITY ? m : m + log1p(exp(n - m));
}

static etch_status *running(const etch_val *args, etch_tensor *out, kind k)
{
    const etch_tensor *t;
    int d;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_dim(args, 1, t->rank, &d));
    ETCH_TRY(kern_want_same(t, out));
    if (etch_dtype_is_complex(t->dtype)) return ETCH_ERR(ETCH_UNSUPPORTED, "a running sum of %s", etch_dtype_name(t->dtype));
    int64_t n = t->rank ? kern_size(t, d) : 1, inner = t->rank ? kern_prod(t, d + 1, t->rank) : 1, outer = t->rank ? kern_prod(t, 0, d) : 1;
    bool ints = kern_ctype_of(t->dtype) == KERN_I64 && kern_ctype_of(out->dtype) == KERN_I64;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t at = o * n * inner + i, si = k == PROD;
            double sf = k == PROD ? 1 : k == LSE ? -INFINITY : 0;
            for (int64_t j = 0; j < n; j++, at += inner) {
                if (ints) {
                    int64_t x = etch_load_int(t->data, t->dtype, at);
                    si = k == PROD ? kern_wmul(si, x) : kern_wadd(si, x);
                    etch_store_int(out->data, out->dtype, at, si);
                } else {
                    double x = etch_load_double(t->data, t->dtype, at);
                    sf = k == PROD ? sf * x : k == LSE ? log_add(sf, x) : sf + x;
                    etch_store_double(out->data, out->dtype, at, sf);
                }
            }
        }
    return NULL;
}
KERNEL(cumsum) { KERN_BEGIN(2, 1); return running(args, outs[0], SUM); }
KERNEL(cumprod) { KERN_BEGIN(2, 1); return running(args, outs[0], PROD); }
KERNEL(logcumsumexp) { KERN_BEGIN(2, 1); return running(args, outs[0], LSE); }

// cummax / cummin(self, dim) -> values, indices. The last of equal values wins, as in PyTorch.
static etch_status *running_extreme(const etch_val *args, etch_tensor *const *outs, bool is_max)
{
    const etch_tensor *t;
    int d;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_dim(args, 1, t->rank, &d));
    ETCH_TRY(kern_want_same(t, outs[0]));
    ETCH_TRY(kern_want_same(t, outs[1]));
    int64_t n = t->rank ? kern_size(t, d) : 1, inner = t->rank ? kern_prod(t, d + 1, t->rank) : 1, outer = t->rank ? kern_prod(t, 0, d) : 1;
    bool ints = kern_ctype_of(t->dtype) == KERN_I64;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t at = o * n * inner + i, bi = 0, where = 0;
            double bf = 0;
            for (int64_t j = 0; j < n; j++, at += inner) {
                if (ints) {
                    int64_t x = etch_load_int(t->data, t->dtype, at);
                    if (!j || (is_max ? x >= bi : x <= bi)) bi = x, where = j;
                    etch_store_int(outs[0]->data, outs[0]->dtype, at, bi);
                } else {
                    double x = etch_load_double(t->data, t->dtype, at);
                    if (!j || x != x || (bf == bf && (is_max ? x >= bf : x <= bf))) bf = x, where = j;
                    etch_store_double(outs[0]->data, outs[0]->dtype, at, bf);
                }
                etch_store_int(outs[1]->data, outs[1]->dtype, at, where);
            }
        }
    return NULL;
}
KERNEL(cummax) { KERN_BEGIN(2, 2); return running_extreme(args, outs, true); }
KERNEL(cummin) { KERN_BEGIN(2, 2); return running_extreme(args, outs, false); }
