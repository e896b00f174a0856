// Reductions: sum, mean, prod, amax, amin, any, all, var, std, norms, logsumexp, count_nonzero.
// In: a tensor and dims (none: all). Out: the reduced tensor, kept dims or not as its sizes say. Floats accumulate in double,
// integers in i64 (two's complement); one rounding at the end.
#include "kern/reduce.h"

#include <math.h>

// ---- accumulators ----

typedef struct acc { double s[8]; double mean, p, max; int64_t i; bool b; } acc;

static double total(const acc *a) { return ((a->s[0] + a->s[1]) + (a->s[2] + a->s[3])) + ((a->s[4] + a->s[5]) + (a->s[6] + a->s[7])); }

#define LANES(name, expr)                                                   \
    static void name(void *state, const void *block, int n, int64_t pos)    \
    {                                                                       \
        acc *a = state;                                                     \
        const double *v = block;                                            \
        (void)pos;                                                          \
        int k = 0;                                                          \
        for (; k + 8 <= n; k += 8)                                          \
            for (int l = 0; l < 8; l++) {                                   \
                double x = v[k + l];                                        \
                a->s[l] += (expr);                                          \
            }                                                               \
        for (; k < n; k++) {                                                \
            double x = v[k];                                                \
            a->s[0] += (expr);                                              \
        }                                                                   \
    }
LANES(sum_f64, x)
LANES(square_f64, (x - a->mean) * (x - a->mean))
LANES(abs_f64, fabs(x))
LANES(power_f64, pow(fabs(x), a->p))
LANES(nonzero_f64, x != 0)
LANES(exp_f64, exp(x - a->max))

#define EACH(name, T, stmt)                                                 \
    static void name(void *state, const void *block, int n, int64_t pos)    \
    {                                                                       \
        acc *a = state;                                                     \
        const T *v = block;                                                 \
        (void)pos;                                                          \
        for (int k = 0; k < n; k++) {                                       \
            T x = v[k];                                                     \
            stmt;                                                           \
        }                                                                   \
    }
EACH(sum_i64, int64_t, a->i = kern_wadd(a->i, x))
EACH(prod_f64, double, a->s[0] *= x)
EACH(prod_i64, int64_t, a->i = kern_wmul(a->i, x))
EACH(max_f64, double, a->s[0] = x > a->s[0] || x != x ? x : a->s[0])
EACH(min_f64, double, a->s[0] = x < a->s[0] || x != x ? x : a->s[0])
EACH(maxabs_f64, double, a->s[0] = fabs(x) > a->s[0] || x != x ? fabs(x) : a->s[0])
EACH(minabs_f64, double, a->s[0] = fabs(x) < a->s[0] || x != x ? fabs(x) : a->s[0])
EACH(max_i64, int64_t, a->i = x > a->i ? x : a->i)
EACH(min_i64, int64_t, a->i = x < a->i ? x : a->i)
EACH(any_b8, uint8_t, a->b = a->b || x)
EACH(all_b8, uint8_t, a->b = a->b && x)

// ---- arguments ----

// The dims at argument i: a list, an int or None (all).
static etch_status *dims_mask(const etch_val *args, int n_args, int i, int rank, uint32_t *out_mask)
{
    kern_list l;
    ETCH_TRY(kern_ints(args, n_args, i, &l));
    return kern_dim_mask(&l, rank, out_mask);
}

typedef enum { SUM, MEAN, PROD } kind;

static etch_status *sum_like(uint32_t mask, const etch_tensor *t, etch_tensor *out, kind k)
{
    kern_red r;
    ETCH_TRY(kern_red_init(&r, t, mask, out));
    bool ints = kern_ctype_of(t->dtype) == KERN_I64 && kern_ctype_of(out->dtype) == KERN_I64;
    if (etch_dtype_is_complex(t->dtype) || (k == MEAN && ints))
        return ETCH_ERR(ETCH_UNSUPPORTED, "a reduction of %s", etch_dtype_name(t->dtype));
    for (int64_t o = 0; o < r.n_out; o++) {
        acc a = { .i = k == PROD };
        if (k == PROD) a.s[0] = 1;
        if (ints) {
            kern_red_each(&r, o, KERN_I64, k == PROD ? prod_i64 : sum_i64, &a);
            etch_store_int(out->data, out->dtype, o, a.i);
            continue;
        }
        kern_red_each(&r, o, KERN_F64, k == PROD ? prod_f64 : sum_f64, &a);
        double v = k == PROD ? a.s[0] : total(&a);
        etch_store_double(out->data, out->dtype, o, k == MEAN ? v / (double)r.n_red : v);
    }
    return NULL;
}

static etch_status *sum_dims(const etch_val *args, int n_args, etch_tensor *out, kind k, bool with_dims)
{
    const etch_tensor *t;
    uint32_t mask;
    ETCH_TRY(kern_tensor(args, 0, &t));
    mask = (1u << t->rank) - 1u;
    if (with_dims) ETCH_TRY(dims_mask(args, n_args, 1, t->rank, &mask));
    return sum_like(mask, t, out, k);
}
KERNEL(sum) { KERN_BEGIN(1, 1); return sum_dims(args, n_args, outs[0], SUM, true); }
KERNEL(sum_all) { KERN_BEGIN(1, 1); return sum_dims(args, n_args, outs[0], SUM, false); }
KERNEL(mean) { KERN_BEGIN(1, 1); return sum_dims(args, n_args, outs[0], MEAN, true); }
KERNEL(mean_all) { KERN_BEGIN(1, 1); return sum_dims(args, n_args, outs[0], MEAN, false); }
KERNEL(prod_dim) { KERN_BEGIN(1, 1); return sum_dims(args, n_args, outs[0], PROD, true); }
KERNEL(prod_all) { KERN_BEGIN(1, 1); return sum_dims(args, n_args, outs[0], PROD, false); }

// amax / amin(self, dims, keepdim), max / min(self)
static etch_status *extreme(const etch_val *args, int n_args, etch_tensor *out, bool is_max, bool with_dims)
{
    const etch_tensor *t;
    kern_red r;
    ETCH_TRY(kern_tensor(args, 0, &t));
    uint32_t mask = (1u << t->rank) - 1u;
    if (with_dims) ETCH_TRY(dims_mask(args, n_args, 1, t->rank, &mask));
    ETCH_TRY(kern_red_init(&r, t, mask, out));
    if (!r.n_red && r.n_out) return ETCH_ERR(ETCH_INVALID, "the maximum of no elements");
    bool ints = kern_ctype_of(t->dtype) == KERN_I64;
    for (int64_t o = 0; o < r.n_out; o++) {
        acc a = { .s = { is_max ? -INFINITY : INFINITY }, .i = is_max ? INT64_MIN : INT64_MAX };
        if (ints) kern_red_each(&r, o, KERN_I64, is_max ? max_i64 : min_i64, &a);
        else kern_red_each(&r, o, KERN_F64, is_max ? max_f64 : min_f64, &a);
        if (ints) etch_store_int(out->data, out->dtype, o, a.i);
        else etch_store_double(out->data, out->dtype, o, a.s[0]);
    }
    return NULL;
}
KERNEL(amax) { KERN_BEGIN(1, 1); return extreme(args, n_args, outs[0], true, true); }
KERNEL(amin) { KERN_BEGIN(1, 1); return extreme(args, n_args, outs[0], false, true); }
KERNEL(max_all) { KERN_BEGIN(1, 1); return extreme(args, n_args, outs[0], true, false); }
KERNEL(min_all) { KERN_BEGIN(1, 1); return extreme(args, n_args, outs[0], false, false); }

// any / all over one dim, a list, or everything
static etch_status *truth(const etch_val *args, int n_args, etch_tensor *out, bool is_all, bool with_dims)
{
    const etch_tensor *t;
    kern_red r;
    ETCH_TRY(kern_tensor(args, 0, &t));
    uint32_t mask = (1u << t->rank) - 1u;
    if (with_dims) ETCH_TRY(dims_mask(args, n_args, 1, t->rank, &mask));
    ETCH_TRY(kern_red_init(&r, t, mask, out));
    for (int64_t o = 0; o < r.n_out; o++) {
        acc a = { .b = is_all };
        kern_red_each(&r, o, KERN_B8, is_all ? all_b8 : any_b8, &a);
        etch_store_int(out->data, out->dtype, o, a.b);
    }
    return NULL;
}
KERNEL(any) { KERN_BEGIN(2, 1); return truth(args, n_args, outs[0], false, true); }
KERNEL(any_dims) { KERN_BEGIN(1, 1); return truth(args, n_args, outs[0], false, true); }
KERNEL(any_all) { KERN_BEGIN(1, 1); return truth(args, n_args, outs[0], false, false); }
KERNEL(all) { KERN_BEGIN(2, 1); return truth(args, n_args, outs[0], true, true); }
KERNEL(all_dims) { KERN_BEGIN(1, 1); return truth(args, n_args, outs[0], true, true); }
KERNEL(all_all) { KERN_BEGIN(1, 1); return truth(args, n_args, outs[0], true, false); }

// ---- one real number from each group ----

// Applies `fn` and finishes with `done`; `mean` and `max` passes come first where asked.
typedef double (*finish_fn)(const acc *a, int64_t n, double param);
typedef struct plan { kern_red_fn fn; finish_fn done; double param, start, p; bool centre, shift; } plan;

static etch_status *real_reduce(const etch_tensor *t, uint32_t mask, const plan *p, etch_tensor *out, etch_tensor *out_mean)
{
    kern_red r;
    if (etch_dtype_is_complex(t->dtype)) return ETCH_ERR(ETCH_UNSUPPORTED, "a reduction of %s", etch_dtype_name(t->dtype));
    ETCH_TRY(kern_red_init(&r, t, mask, out));
    if (out_mean) ETCH_TRY(kern_red_init(&r, t, mask, out_mean));
    for (int64_t o = 0; o < r.n_out; o++) {
        acc a = { .s = { p->start }, .p = p->p };
        if (p->centre) {
            acc m = { 0 };
            kern_red_each(&r, o, KERN_F64, sum_f64, &m);
            a.mean = total(&m) / (double)r.n_red;
        }
        if (p->shift) {
            acc m = { .s = { -INFINITY } };
            kern_red_each(&r, o, KERN_F64, max_f64, &m);
            a.max = fabs(m.s[0]) == INFINITY ? 0 : m.s[0];
        }
        kern_red_each(&r, o, KERN_F64, p->fn, &a);
        etch_store_double(out->data, out->dtype, o, p->done(&a, r.n_red, p->param));
        if (out_mean) etch_store_double(out_mean->data, out_mean->dtype, o, a.mean);
    }
    return NULL;
}

static double done_var(const acc *a, int64_t n, double correction)
{
    double d = (double)n - correction;
    return total(a) / (d > 0 ? d : 0);
}
static double done_std(const acc *a, int64_t n, double correction) { return sqrt(done_var(a, n, correction)); }
static double done_sum(const acc *a, int64_t n, double param) { (void)n, (void)param; return total(a); }
static double done_root(const acc *a, int64_t n, double param) { (void)n, (void)param; return sqrt(total(a)); }
static double done_power(const acc *a, int64_t n, double param) { (void)n; return pow(total(a), 1 / param); }
static double done_first(const acc *a, int64_t n, double param) { (void)n, (void)param; return a->s[0]; }
static double done_lse(const acc *a, int64_t n, double param) { (void)n, (void)param; return a->max + log(total(a)); }

static etch_status *variance(const etch_val *args, int n_args, etch_tensor *out, etch_tensor *out_mean, bool root, double correction)
{
    const etch_tensor *t;
    uint32_t mask;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(dims_mask(args, n_args, 1, t->rank, &mask));
    plan p = { .fn = square_f64, .done = root ? done_std : done_var, .param = correction, .centre = true };
    return real_reduce(t, mask, &p, out, out_mean);
}
static etch_status *variance_correction(const etch_val *args, int n_args, etch_tensor *out, etch_tensor *out_mean, bool root)
{
    double c;
    ETCH_TRY(kern_num_opt(args, n_args, 2, 1, &c));
    return variance(args, n_args, out, out_mean, root, c);
}
// var.correction(self, dim?, *, correction, keepdim) and its relatives; var.dim(self, dim?, unbiased, keepdim).
KERNEL(var) { KERN_BEGIN(1, 1); return variance_correction(args, n_args, outs[0], NULL, false); }
KERNEL(std) { KERN_BEGIN(1, 1); return variance_correction(args, n_args, outs[0], NULL, true); }
KERNEL(var_mean) { KERN_BEGIN(1, 2); return variance_correction(args, n_args, outs[0], outs[1], false); }
KERNEL(std_mean) { KERN_BEGIN(1, 2); return variance_correction(args, n_args, outs[0], outs[1], true); }
KERNEL(var_dim)
{
    KERN_BEGIN(1, 1);
    bool unbiased = true;
    if (!kern_is_none(args, n_args, 2)) ETCH_TRY(kern_bool(args, 2, &unbiased));
    return variance(args, n_args, outs[0], NULL, false, unbiased);
}

// The p-norm over the dims at argument `dims_at`.
static etch_status *norm(const etch_val *args, int n_args, int dims_at, etch_tensor *out)
{
    const etch_tensor *t;
    uint32_t mask;
    double p;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_num_opt(args, n_args, 1, 2, &p));
    ETCH_TRY(dims_mask(args, n_args, dims_at, t->rank, &mask));
    plan k = { .fn = power_f64, .done = done_power, .param = p, .p = p };
    if (p == 2) k = (plan){ .fn = square_f64, .done = done_root };
    else if (p == 1) k = (plan){ .fn = abs_f64, .done = done_sum };
    else if (p == 0) k = (plan){ .fn = nonzero_f64, .done = done_sum };
    else if (p == INFINITY) k = (plan){ .fn = maxabs_f64, .done = done_first };
    else if (p == -INFINITY) k = (plan){ .fn = minabs_f64, .done = done_first, .start = INFINITY };
    return real_reduce(t, mask, &k, out, NULL);
}
// norm.Scalar(self, p), norm.ScalarOpt_dim(self, p?, dim, keepdim); linalg_vector_norm(self, ord, dim?, keepdim, dtype)
KERNEL(norm) { KERN_BEGIN(1, 1); return norm(args, n_args, 2, outs[0]); }
KERNEL(vector_norm) { KERN_BEGIN(1, 1); return norm(args, n_args, 2, outs[0]); }

// logsumexp(self, dim, keepdim)
KERNEL(logsumexp)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t;
    uint32_t mask;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(dims_mask(args, n_args, 1, t->rank, &mask));
    plan p = { .fn = exp_f64, .done = done_lse, .shift = true };
    return real_reduce(t, mask, &p, outs[0], NULL);
}

// count_nonzero(self, dim?)
KERNEL(count_nonzero)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    uint32_t mask;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(dims_mask(args, n_args, 1, t->rank, &mask));
    plan p = { .fn = nonzero_f64, .done = done_sum };
    return real_reduce(t, mask, &p, outs[0], NULL);
}
