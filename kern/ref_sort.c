// Order along a dim: sort, argsort, topk; and search: searchsorted, bucketize, histc, isin.
// In: a tensor. Out: values and i64 indices. Sorting is stable (merge sort on keys in scratch); NaN counts as largest.
#include <math.h>

#include "kern/elem.h"

typedef struct item { union { double f; int64_t i; } key; int64_t at; } item;

// a before b in ascending order.
static bool less(const item *a, const item *b, bool ints)
{
    if (ints) return a->key.i < b->key.i;
    return a->key.f < b->key.f || (b->key.f != b->key.f && a->key.f == a->key.f);
}

// Sorts `n` items; `tmp` as large. Equal items keep their order in both directions.
static void merge_sort(item *v, item *tmp, int64_t n, bool ints, bool descending)
{
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t lo = 0; lo < n; lo += 2 * width) {
            int64_t mid = lo + width < n ? lo + width : n, hi = lo + 2 * width < n ? lo + 2 * width : n, a = lo, b = mid;
            for (int64_t k = lo; k < hi; k++) {
                bool take_b = a >= mid || (b < hi && (descending ? less(&v[a], &v[b], ints) : less(&v[b], &v[a], ints)));
                tmp[k] = take_b ? v[b++] : v[a++];
            }
        }
        memcpy(v, tmp, sizeof *v * (size_t)n);
    }
}

// Sorts every line along d; the first `k` go to values (may be NULL) and indices.
static etch_status *sort_lines(etch_kern_cx *cx, const etch_tensor *t, int d, bool descending, int64_t k, etch_tensor *values,
                               etch_tensor *indices)
{
    int64_t n = t->rank ? kern_size(t, d) : 1, inner = t->rank ? kern_prod(t, d + 1, t->rank) : 1, outer = t->rank ? kern_prod(t, 0, d) : 1;
    int64_t want[ETCH_MAX_RANK];
    for (int e = 0; e < t->rank; e++) want[e] = e == d ? k : kern_size(t, e);
    if (etch_dtype_is_complex(t->dtype)) return ETCH_ERR(ETCH_UNSUPPORTED, "sorting complex numbers");
    if (k < 0 || k > n) return ETCH_ERR(ETCH_INVALID, "the first %lld of %lld", (long long)k, (long long)n);
    if (values) ETCH_TRY(kern_want_sizes(values, "the values", t->rank, want));
    ETCH_TRY(kern_want_sizes(indices, "the indices", t->rank, want));
    bool ints = kern_ctype_of(t->dtype) == KERN_I64;
    item *v;
    if ((size_t)n > SIZE_MAX / (2 * sizeof *v)) return ETCH_ERR(ETCH_INVALID, "too many elements to sort");
    ETCH_TRY(kern_scratch(cx, 2 * sizeof *v * (size_t)n, &v));
    for (int64_t l = 0; l < outer * inner; l++) {
        int64_t from = l / inner * n * inner + l % inner, to = l / inner * k * inner + l % inner;
        for (int64_t i = 0; i < n; i++) {
            v[i].at = i;
            if (ints) v[i].key.i = etch_load_int(t->data, t->dtype, from + i * inner);
            else v[i].key.f = etch_load_double(t->data, t->dtype, from + i * inner);
        }
        merge_sort(v, v + n, n, ints, descending);
        for (int64_t i = 0; i < k; i++) {
            etch_store_int(indices->data, indices->dtype, to + i * inner, v[i].at);
            if (values && ints) etch_store_int(values->data, values->dtype, to + i * inner, v[i].key.i);
            else if (values) etch_store_double(values->data, values->dtype, to + i * inner, v[i].key.f);
        }
    }
    return NULL;
}

// dim and descending at arguments i and i + 1.
static etch_status *sorted(etch_kern_cx *cx, const etch_val *args, int n_args, int i, etch_tensor *values, etch_tensor *indices)
{
    const etch_tensor *t;
    int64_t dim;
    int d;
    bool descending = false;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_int_opt(args, n_args, i, -1, &dim));
    ETCH_TRY(kern_wrap_dim(dim, t->rank, &d));
    if (!kern_is_none(args, n_args, i + 1)) ETCH_TRY(kern_bool(args, i + 1, &descending));
    return sort_lines(cx, t, d, descending, t->rank ? kern_size(t, d) : 1, values, indices);
}
KERNEL(sort) { KERN_BEGIN(1, 2); return sorted(cx, args, n_args, 1, outs[0], outs[1]); }
KERNEL(sort_stable) { KERN_BEGIN(1, 2); return sorted(cx, args, n_args, 2, outs[0], outs[1]); }
KERNEL(argsort) { KERN_BEGIN(1, 1); return sorted(cx, args, n_args, 1, NULL, outs[0]); }
KERNEL(argsort_stable) { KERN_BEGIN(1, 1); return sorted(cx, args, n_args, 2, NULL, outs[0]); }

// topk(self, k, dim, largest, sorted): always sorted; of equal values the first.
KERNEL(topk)
{
    KERN_BEGIN(2, 2);
    const etch_tensor *t;
    int64_t k, dim;
    int d;
    bool largest = true;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_int(args, 1, &k));
    ETCH_TRY(kern_int_opt(args, n_args, 2, -1, &dim));
    ETCH_TRY(kern_wrap_dim(dim, t->rank, &d));
    if (!kern_is_none(args, n_args, 3)) ETCH_TRY(kern_bool(args, 3, &largest));
    return sort_lines(cx, t, d, largest, k, outs[0], outs[1]);
}

// ---- search ----

// Number of entries of seq[at, at + n) (through `order` when given) that stand before x: right counts equal ones too.
static int64_t bound(const etch_tensor *seq, const etch_tensor *order, int64_t at, int64_t n, double x, bool right)
{
    int64_t lo = 0, hi = n;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        double v = etch_load_double(seq->data, seq->dtype, at + (order ? kern_get_index(order, at + mid) : mid));
        bool before = right ? !(v > x) : !(v >= x);
        if (before || x != x) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}
// searchsorted(sorted_sequence, self, *, out_int32, right, side?, sorter?): one sequence, or one for each row of self.
KERNEL(searchsorted)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *seq, *x, *order = NULL;
    bool right = false;
    etch_str side;
    ETCH_TRY(kern_tensor(args, 0, &seq));
    if (args[1].kind != ETCH_V_TENSOR) return ETCH_ERR(ETCH_UNSUPPORTED, "searchsorted of a number");
    x = args[1].t;
    if (!kern_is_none(args, n_args, 3)) ETCH_TRY(kern_bool(args, 3, &right));
    ETCH_TRY(kern_str_opt(args, n_args, 4, &side));
    ETCH_TRY(kern_tensor_opt(args, n_args, 5, &order));
    if (side.len) right = etch_str_eqz(side, "right");
    ETCH_TRY(kern_want_rank(seq, "the sequence", 1, ETCH_MAX_RANK));
    ETCH_TRY(kern_want_same(x, outs[0]));
    int64_t n = kern_size(seq, seq->rank - 1), per = etch_numel(x);
    if (order) {
        ETCH_TRY(kern_want_same(seq, order));
        ETCH_TRY(kern_want_in_range(order, "the sorter", n, false));
    }
    if (seq->rank > 1) {
        if (x->rank != seq->rank) return ETCH_ERR(ETCH_INVALID, "searchsorted: ranks differ");
        for (int d = 0; d < x->rank - 1; d++)
            if (kern_size(x, d) != kern_size(seq, d)) return ETCH_ERR(ETCH_INVALID, "searchsorted: leading sizes differ");
        per = kern_size(x, x->rank - 1);
    }
    for (int64_t i = 0, m = etch_numel(x); i < m; i++) {
        int64_t row = seq->rank > 1 ? i / per : 0;
        etch_store_int(outs[0]->data, outs[0]->dtype, i, bound(seq, order, row * n, n, etch_load_double(x->data, x->dtype, i), right));
    }
    return NULL;
}
// bucketize(self, boundaries, *, out_int32, right)
KERNEL(bucketize)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *x, *seq;
    bool right = false;
    ETCH_TRY(kern_tensor(args, 0, &x));
    ETCH_TRY(kern_tensor(args, 1, &seq));
    if (!kern_is_none(args, n_args, 3)) ETCH_TRY(kern_bool(args, 3, &right));
    ETCH_TRY(kern_want_rank(seq, "the boundaries", 1, 1));
    ETCH_TRY(kern_want_same(x, outs[0]));
    for (int64_t i = 0, m = etch_numel(x); i < m; i++)
        etch_store_int(outs[0]->data, outs[0]->dtype, i,
                       bound(seq, NULL, 0, kern_size(seq, 0), etch_load_double(x->data, x->dtype, i), right));
    return NULL;
}

// histc(self, bins, min, max): equal bins; min == max takes the data's range; values outside do not count.
KERNEL(histc)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    etch_tensor *out = outs[0];
    double lo, hi;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_num_opt(args, n_args, 2, 0, &lo));
    ETCH_TRY(kern_num_opt(args, n_args, 3, 0, &hi));
    int64_t bins = etch_numel(out), n = etch_numel(t);
    for (int64_t i = 0; i < bins; i++) etch_store_int(out->data, out->dtype, i, 0);
    if (lo == hi && n) {
        lo = INFINITY, hi = -INFINITY;
        for (int64_t i = 0; i < n; i++) {
            double x = etch_load_double(t->data, t->dtype, i);
            lo = x < lo ? x : lo;
            hi = x > hi ? x : hi;
        }
    }
    if (lo == hi) lo -= 1, hi += 1;
    if (!(hi - lo < INFINITY) || lo > hi) return ETCH_ERR(ETCH_INVALID, "histc: range [%g, %g]", lo, hi);
    for (int64_t i = 0; i < n; i++) {
        double x = etch_load_double(t->data, t->dtype, i);
        if (!(x >= lo && x <= hi) || !bins) continue;
        int64_t b = (int64_t)((x - lo) / (hi - lo) * (double)bins);
        if (b >= bins) b = bins - 1;
        etch_store_int(out->data, out->dtype, b, etch_load_int(out->data, out->dtype, b) + 1);
    }
    return NULL;
}

// isin(elements, test_elements (tensor or number), *, assume_unique, invert)
KERNEL(isin)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t;
    bool invert = false;
    ETCH_TRY(kern_tensor(args, 0, &t));
    if (!kern_is_none(args, n_args, 3)) ETCH_TRY(kern_bool(args, 3, &invert));
    ETCH_TRY(kern_want_same(t, outs[0]));
    const etch_tensor *set = args[1].kind == ETCH_V_TENSOR ? args[1].t : NULL;
    double one = 0;
    if (!set) ETCH_TRY(kern_num(args, 1, &one));
    bool ints = kern_ctype_of(t->dtype) == KERN_I64 && (set ? kern_ctype_of(set->dtype) == KERN_I64 : args[1].kind != ETCH_V_FLOAT);
    for (int64_t i = 0, n = etch_numel(t), m = set ? etch_numel(set) : 1; i < n; i++) {
        bool found = false;
        for (int64_t j = 0; j < m && !found; j++) {
            if (ints)
                found = etch_load_int(t->data, t->dtype, i) == (set ? etch_load_int(set->data, set->dtype, j) : etch_val_as_int(&args[1]));
            else found = etch_load_double(t->data, t->dtype, i) == (set ? etch_load_double(set->data, set->dtype, j) : one);
        }
        etch_store_int(outs[0]->data, outs[0]->dtype, i, found != invert);
    }
    return NULL;
}
