// Creation: arange, linspace, full, zeros, ones, empty, eye, tril, triu and their relatives; random numbers.
// In: scalars; sizes are those of the output. Out: the filled tensor. `empty` is zeros (deterministic output).
#include "kern/elem.h"

#include <math.h>

static etch_status *fill_int(etch_tensor *out, int64_t v)
{
    etch_val x = etch_val_int(v);
    return kern_cast(out, &x);
}
KERNEL(empty) { KERN_BEGIN(1, 1); return fill_int(outs[0], 0); }
KERNEL(empty_like) { KERN_BEGIN(1, 1); return fill_int(outs[0], 0); }
KERNEL(new_empty) { KERN_BEGIN(1, 1); return fill_int(outs[0], 0); }
KERNEL(zeros) { KERN_BEGIN(1, 1); return fill_int(outs[0], 0); }
KERNEL(zeros_like) { KERN_BEGIN(1, 1); return fill_int(outs[0], 0); }
KERNEL(new_zeros) { KERN_BEGIN(1, 1); return fill_int(outs[0], 0); }
KERNEL(ones) { KERN_BEGIN(1, 1); return fill_int(outs[0], 1); }
KERNEL(ones_like) { KERN_BEGIN(1, 1); return fill_int(outs[0], 1); }
KERNEL(new_ones) { KERN_BEGIN(1, 1); return fill_int(outs[0], 1); }

// A number, or a tensor of one element.
static etch_status *fill_arg(const etch_val *v, etch_tensor *out)
{
    if (v->kind == ETCH_V_TENSOR && etch_numel(v->t) != 1)
        return ETCH_ERR(ETCH_INVALID, "fill with %lld values", (long long)etch_numel(v->t));
    return kern_cast(out, v);
}
KERNEL(full) { KERN_BEGIN(2, 1); return fill_arg(&args[1], outs[0]); }
KERNEL(full_like) { KERN_BEGIN(2, 1); return fill_arg(&args[1], outs[0]); }
KERNEL(fill) { KERN_BEGIN(2, 1); return fill_arg(&args[1], outs[0]); }
KERNEL(new_full) { KERN_BEGIN(3, 1); return fill_arg(&args[2], outs[0]); }
KERNEL(scalar_tensor) { KERN_BEGIN(1, 1); return fill_arg(&args[0], outs[0]); }

// start + i * step; integers exactly, f32 and narrower through double.
static etch_status *arange(const etch_val *start, const etch_val *step, etch_tensor *out)
{
    bool ints = kern_ctype_of(out->dtype) == KERN_I64 && start->kind != ETCH_V_FLOAT && step->kind != ETCH_V_FLOAT;
    int64_t n = etch_numel(out);
    for (int64_t i = 0; i < n; i++) {
        if (ints) etch_store_int(out->data, out->dtype, i, kern_wadd(etch_val_as_int(start), kern_wmul(i, etch_val_as_int(step))));
        else etch_store_double(out->data, out->dtype, i, etch_val_as_double(start) + (double)i * etch_val_as_double(step));
    }
    return NULL;
}
static const etch_val zero = { .kind = ETCH_V_INT, .i = { 0, NULL } }, one = { .kind = ETCH_V_INT, .i = { 1, NULL } };
static etch_status *want_num(const etch_val *args, int i)
{
    double v;
    return kern_num(args, i, &v);
}
KERNEL(arange)
{
    KERN_BEGIN(1, 1);
    ETCH_TRY(want_num(args, 0));
    return arange(&zero, &one, outs[0]);
}
KERNEL(arange_start)
{
    KERN_BEGIN(2, 1);
    ETCH_TRY(want_num(args, 0));
    return arange(&args[0], &one, outs[0]);
}
// arange(start, end, step)
KERNEL(arange_step)
{
    KERN_BEGIN(3, 1);
    ETCH_TRY(want_num(args, 0));
    ETCH_TRY(want_num(args, 2));
    return arange(&args[0], &args[2], outs[0]);
}

// linspace(start, end, steps): symmetric around the middle, as PyTorch computes it.
KERNEL(linspace)
{
    KERN_BEGIN(3, 1);
    etch_tensor *out = outs[0];
    double a, b;
    ETCH_TRY(kern_num(args, 0, &a));
    ETCH_TRY(kern_num(args, 1, &b));
    int64_t n = etch_numel(out);
    double step = n > 1 ? (b - a) / (double)(n - 1) : 0;
    for (int64_t i = 0; i < n; i++)
        etch_store_double(out->data, out->dtype, i, i < n / 2 || n == 1 ? a + step * (double)i : b - step * (double)(n - 1 - i));
    return NULL;
}

KERNEL(eye)
{
    KERN_BEGIN(1, 1);
    etch_tensor *out = outs[0];
    ETCH_TRY(kern_want_rank(out, "the output of eye", 2, 2));
    ETCH_TRY(fill_int(out, 0));
    for (int64_t i = 0; i < kern_size(out, 0) && i < kern_size(out, 1); i++)
        etch_store_int(out->data, out->dtype, i * kern_size(out, 1) + i, 1);
    return NULL;
}

// tril / triu(self, diagonal): over the last two dims.
static etch_status *triangle(const etch_val *args, int n_args, etch_tensor *out, bool lower)
{
    const etch_tensor *t;
    int64_t diagonal;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_int_opt(args, n_args, 1, 0, &diagonal));
    ETCH_TRY(kern_want_rank(t, "the argument", 2, ETCH_MAX_RANK));
    ETCH_TRY(kern_want_same(t, out));
    if (t->dtype != out->dtype) return ETCH_ERR(ETCH_INVALID, "tril changes the dtype");
    int64_t rows = kern_size(t, t->rank - 2), cols = kern_size(t, t->rank - 1), n = kern_prod(t, 0, t->rank - 2);
    size_t es = etch_dtype_size(t->dtype);
    if (diagonal > cols) diagonal = cols;
    if (diagonal < -rows) diagonal = -rows;
    for (int64_t i = 0; i < n * rows; i++) {
        // Columns [0, split) are at or below the diagonal (triu: below it).
        int64_t split = i % rows + diagonal + (lower ? 1 : 0);
        split = split < 0 ? 0 : split > cols ? cols : split;
        uint8_t *o = (uint8_t *)out->data + (size_t)(i * cols) * es;
        const uint8_t *s = (const uint8_t *)t->data + (size_t)(i * cols) * es;
        size_t head = (size_t)split * es, all = (size_t)cols * es;
        if (lower) {
            memmove(o, s, head);
            memset(o + head, 0, all - head);
        } else {
            memset(o, 0, head);
            memmove(o + head, s + head, all - head);
        }
    }
    return NULL;
}
KERNEL(tril) { KERN_BEGIN(1, 1); return triangle(args, n_args, outs[0], true); }
KERNEL(triu) { KERN_BEGIN(1, 1); return triangle(args, n_args, outs[0], false); }

// tril_indices / triu_indices(row, col, offset) -> [2, n]
static etch_status *triangle_indices(const etch_val *args, int n_args, etch_tensor *out, bool lower)
{
    int64_t rows, cols, offset, k = 0;
    ETCH_TRY(kern_int(args, 0, &rows));
    ETCH_TRY(kern_int(args, 1, &cols));
    ETCH_TRY(kern_int_opt(args, n_args, 2, 0, &offset));
    ETCH_TRY(kern_want_rank(out, "the output", 2, 2));
    if (kern_size(out, 0) != 2 || kern_ctype_of(out->dtype) != KERN_I64)
        return ETCH_ERR(ETCH_INVALID, "tril_indices: the output does not fit");
    int64_t n = kern_size(out, 1), from = 0, end = rows, limit;
    if (rows < 0 || cols < 0) return ETCH_ERR(ETCH_INVALID, "tril_indices of [%lld, %lld]", (long long)rows, (long long)cols);
    offset = offset > cols ? cols : offset < -rows ? -rows : offset;
    // Only rows that have columns, so that each step of the loop fills the output.
    if (lower && offset < 0) from = -offset;
    if (!lower && etch_sub_ok(cols, offset, &limit) && limit < end) end = limit;
    for (int64_t r = from; r < end && cols; r++) {
        int64_t a = lower ? 0 : r + offset, b = lower && r + offset < cols ? r + offset + 1 : cols;
        if (a < 0) a = 0;
        for (int64_t c = a; c < b; c++, k++) {
            if (k >= n) return ETCH_ERR(ETCH_INVALID, "tril_indices: the output does not fit");
            etch_store_int(out->data, out->dtype, k, r);
            etch_store_int(out->data, out->dtype, n + k, c);
        }
    }
    return k == n ? NULL : ETCH_ERR(ETCH_INVALID, "tril_indices: the output does not fit");
}
KERNEL(tril_indices) { KERN_BEGIN(2, 1); return triangle_indices(args, n_args, outs[0], true); }
KERNEL(triu_indices) { KERN_BEGIN(2, 1); return triangle_indices(args, n_args, outs[0], false); }

// ---- random numbers ----
// Kernels keep no state: each call starts the same sequence (splitmix64 from a fixed seed), so that a run can be repeated. The numbers
// are not PyTorch's; only distribution and range are.

typedef struct rng { uint64_t s; } rng;
static uint64_t next64(rng *r)
{
    uint64_t z = (r->s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
// [0, 1) with the 24 bits that f32 holds.
static double uniform(rng *r) { return (double)(next64(r) >> 40) * 0x1p-24; }
static double gauss(rng *r) { return sqrt(-2 * log(1 - uniform(r))) * cos(6.283185307179586 * uniform(r)); }

static etch_status *rand_uniform(etch_tensor *out)
{
    rng r = { 1 };
    for (int64_t i = 0, n = etch_numel(out); i < n; i++) etch_store_double(out->data, out->dtype, i, uniform(&r));
    return NULL;
}
static etch_status *rand_normal(etch_tensor *out, double mean, double std)
{
    rng r = { 2 };
    for (int64_t i = 0, n = etch_numel(out); i < n; i++) etch_store_double(out->data, out->dtype, i, mean + std * gauss(&r));
    return NULL;
}
static etch_status *rand_int(etch_tensor *out, int64_t lo, int64_t hi)
{
    rng r = { 3 };
    if (hi <= lo) return ETCH_ERR(ETCH_INVALID, "randint of [%lld, %lld)", (long long)lo, (long long)hi);
    for (int64_t i = 0, n = etch_numel(out); i < n; i++)
        etch_store_int(out->data, out->dtype, i, (int64_t)((uint64_t)lo + next64(&r) % ((uint64_t)hi - (uint64_t)lo)));
    return NULL;
}
KERNEL(rand) { KERN_BEGIN(1, 1); return rand_uniform(outs[0]); }
KERNEL(rand_like) { KERN_BEGIN(1, 1); return rand_uniform(outs[0]); }
KERNEL(randn) { KERN_BEGIN(1, 1); return rand_normal(outs[0], 0, 1); }
KERNEL(randn_like) { KERN_BEGIN(1, 1); return rand_normal(outs[0], 0, 1); }
// normal(mean, std, size)
KERNEL(normal)
{
    KERN_BEGIN(2, 1);
    double mean, std;
    ETCH_TRY(kern_num(args, 0, &mean));
    ETCH_TRY(kern_num(args, 1, &std));
    return rand_normal(outs[0], mean, std);
}
KERNEL(randint)
{
    KERN_BEGIN(1, 1);
    int64_t hi;
    ETCH_TRY(kern_int(args, 0, &hi));
    return rand_int(outs[0], 0, hi);
}
KERNEL(randint_low)
{
    KERN_BEGIN(2, 1);
    int64_t lo, hi;
    ETCH_TRY(kern_int(args, 0, &lo));
    ETCH_TRY(kern_int(args, 1, &hi));
    return rand_int(outs[0], lo, hi);
}
KERNEL(randint_like)
{
    KERN_BEGIN(2, 1);
    int64_t hi;
    ETCH_TRY(kern_int(args, 1, &hi));
    return rand_int(outs[0], 0, hi);
}
KERNEL(randperm)
{
    KERN_BEGIN(1, 1);
    etch_tensor *out = outs[0];
    rng r = { 4 };
    int64_t n = etch_numel(out);
    for (int64_t i = 0; i < n; i++) {  // Fisher-Yates from the inside out
        int64_t j = (int64_t)(next64(&r) % (uint64_t)(i + 1));
        etch_store_int(out->data, out->dtype, i, j == i ? i : etch_load_int(out->data, out->dtype, j));
        etch_store_int(out->data, out->dtype, j, i);
    }
    return NULL;
}
// bernoulli(p tensor), bernoulli.p(self, p)
KERNEL(bernoulli)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    rng r = { 5 };
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_want_same(t, outs[0]));
    for (int64_t i = 0, n = etch_numel(t); i < n; i++)
        etch_store_int(outs[0]->data, outs[0]->dtype, i, uniform(&r) < etch_load_double(t->data, t->dtype, i));
    return NULL;
}
KERNEL(bernoulli_p)
{
    KERN_BEGIN(2, 1);
    double p;
    rng r = { 5 };
    ETCH_TRY(kern_num(args, 1, &p));
    for (int64_t i = 0, n = etch_numel(outs[0]); i < n; i++) etch_store_int(outs[0]->data, outs[0]->dtype, i, uniform(&r) < p);
    return NULL;
}
// multinomial(self [rows, n] weights, num_samples, replacement): inverse of the running sum; without replacement a taken index weighs 0.
KERNEL(multinomial)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t;
    etch_tensor *out = outs[0];
    int64_t k;
    bool replace = false;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_int(args, 1, &k));
    if (!kern_is_none(args, n_args, 2)) ETCH_TRY(kern_bool(args, 2, &replace));
    ETCH_TRY(kern_want_rank(t, "the weights", 1, 2));
    int64_t n = kern_size(t, t->rank - 1), rows = t->rank == 2 ? kern_size(t, 0) : 1, room;
    if (k <= 0 || (!replace && k > n) || !etch_mul_ok(rows, k, &room) || room != etch_numel(out))
        return ETCH_ERR(ETCH_INVALID, "multinomial of %lld samples", (long long)k);
    double *w;
    ETCH_TRY(kern_scratch(cx, (size_t)n * sizeof *w, &w));
    rng r = { 6 };
    for (int64_t row = 0; row < rows; row++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            w[i] = etch_load_double(t->data, t->dtype, row * n + i);
            if (!(w[i] >= 0)) return ETCH_ERR(ETCH_INVALID, "multinomial: a weight is negative or NaN");
            sum += w[i];
        }
        for (int64_t j = 0; j < k; j++) {
            double u = uniform(&r) * sum;
            int64_t i = 0;
            while (i < n - 1 && (w[i] == 0 || u >= w[i])) u -= w[i++];
            while (i > 0 && w[i] == 0) i--;
            etch_store_int(out->data, out->dtype, row * k + j, i);
            if (!replace) {
                sum -= w[i];
                w[i] = 0;
            }
        }
    }
    return NULL;
}

// dropout(input, p, train), native_dropout(input, p, train?) -> out, mask. Outside of training a copy.
static etch_status *dropout(const etch_val *args, bool train, etch_tensor *out, etch_tensor *mask)
{
    const etch_tensor *t;
    double p;
    rng r = { 7 };
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_num(args, 1, &p));
    ETCH_TRY(kern_want_same(t, out));
    if (mask) ETCH_TRY(kern_want_same(t, mask));
    if (!(p >= 0 && p <= 1)) return ETCH_ERR(ETCH_INVALID, "dropout of %g", p);
    for (int64_t i = 0, n = etch_numel(t); i < n; i++) {
        bool keep = !train || uniform(&r) >= p;
        double x = etch_load_double(t->data, t->dtype, i);
        etch_store_double(out->data, out->dtype, i, !train ? x : keep ? x / (1 - p) : 0);
        if (mask) etch_store_int(mask->data, mask->dtype, i, keep);
    }
    return NULL;
}
KERNEL(dropout)
{
    KERN_BEGIN(3, 1);
    bool train;
    ETCH_TRY(kern_bool(args, 2, &train));
    return dropout(args, train, outs[0], NULL);
}
KERNEL(native_dropout)
{
    KERN_BEGIN(2, 2);
    bool train = true;
    if (!kern_is_none(args, n_args, 2)) ETCH_TRY(kern_bool(args, 2, &train));
    return dropout(args, train, outs[0], outs[1]);
}
