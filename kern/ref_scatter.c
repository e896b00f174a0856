// Indexing along one dim: gather, take, scatter, scatter_add, scatter_reduce, index_add, index_copy, index_fill; masks: masked_scatter,
// masked_select, nonzero; one_hot. In: a tensor and i64/i32 indices. Out: the gathered or changed copy. Indices are checked first.
#include "kern/copy.h"
#include "kern/elem.h"

#include <math.h>

// ---- reads ----

static void copy_one(etch_tensor *out, int64_t at, const etch_tensor *t, int64_t from)
{
    if (out->dtype != t->dtype) {
        kern_copy_cast(out->data, out->dtype, at, t->data, t->dtype, from, 1);
        return;
    }
    size_t es = etch_dtype_size(t->dtype);
    memcpy((uint8_t *)out->data + (size_t)at * es, (const uint8_t *)t->data + (size_t)from * es, es);
}

// A 0-d tensor seen as one of a single element.
static etch_tensor at_least_1d(const etch_tensor *t)
{
    etch_tensor r = *t;
    if (!r.rank) {
        r.rank = 1;
        r.sizes[0] = (etch_dim){ 1, NULL };
    }
    return r;
}

// out[.., i, ..] = t[.., index, ..]; other dims of the index at most those of t (`wrap`: negative indices count from the end).
static etch_status *gather(const etch_tensor *self, int d, const etch_tensor *index, bool wrap, etch_tensor *out)
{
    etch_tensor t1 = at_least_1d(self), i1 = at_least_1d(index);
    const etch_tensor *t = &t1, *idx = &i1;
    ETCH_TRY(kern_want_same(index, out));
    if (t->rank != idx->rank) return ETCH_ERR(ETCH_INVALID, "gather: index of rank %d for rank %d", idx->rank, t->rank);
    for (int k = 0; k < t->rank; k++)
        if (k != d && kern_size(idx, k) > kern_size(t, k))
            return ETCH_ERR(ETCH_INVALID, "gather: index is larger than the tensor in dim %d", k);
    ETCH_TRY(kern_want_in_range(idx, "the index", kern_size(t, d), wrap));
    int64_t ts[ETCH_MAX_RANK], pos[ETCH_MAX_RANK] = { 0 }, n = etch_numel(idx), size = kern_size(t, d);
    etch_tensor_strides(t, ts);
    for (int64_t i = 0; i < n; i++) {
        int64_t v = kern_get_index(idx, i), from = (v < 0 ? v + size : v) * ts[d];
        for (int k = 0; k < t->rank; k++) from += k == d ? 0 : pos[k] * ts[k];
        copy_one(out, i, t, from);
        for (int k = t->rank - 1; k >= 0 && ++pos[k] == kern_size(idx, k); k--) pos[k] = 0;
    }
    return NULL;
}
// gather(self, dim, index, sparse_grad)
KERNEL(gather)
{
    KERN_BEGIN(3, 1);
    const etch_tensor *t, *idx;
    int d;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_dim(args, 1, t->rank, &d));
    ETCH_TRY(kern_tensor(args, 2, &idx));
    return gather(t, d, idx, false, outs[0]);
}
// take(self, index): over the flattened tensor.
static etch_status *take(const etch_tensor *t, const etch_tensor *idx, etch_tensor *out)
{
    int64_t n = etch_numel(t);
    ETCH_TRY(kern_want_in_range(idx, "the index", n, true));
    if (etch_numel(out) != etch_numel(idx)) return ETCH_ERR(ETCH_INVALID, "take: the output does not fit");
    for (int64_t i = 0, m = etch_numel(idx); i < m; i++) {
        int64_t v = kern_get_index(idx, i);
        copy_one(out, i, t, v < 0 ? v + n : v);
    }
    return NULL;
}
KERNEL(take)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t, *idx;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_tensor(args, 1, &idx));
    ETCH_TRY(kern_want_same(idx, outs[0]));
    return take(t, idx, outs[0]);
}
// take_along_dim(self, indices, dim?): both broadcast against each other outside of dim.
KERNEL(take_along_dim)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t, *idx;
    etch_tensor *out = outs[0];
    int d;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_tensor(args, 1, &idx));
    if (kern_is_none(args, n_args, 2)) return take(t, idx, out);
    ETCH_TRY(kern_dim(args, 2, t->rank, &d));
    if (!t->rank || t->rank != idx->rank || out->rank != t->rank) return ETCH_ERR(ETCH_INVALID, "take_along_dim: ranks differ");
    ETCH_TRY(kern_want_in_range(idx, "the index", kern_size(t, d), true));
    int64_t ts[ETCH_MAX_RANK], is[ETCH_MAX_RANK], pos[ETCH_MAX_RANK] = { 0 }, n = etch_numel(out), size = kern_size(t, d);
    etch_tensor_strides(t, ts);
    etch_tensor_strides(idx, is);
    for (int k = 0; k < t->rank; k++) {
        int64_t want = kern_size(out, k), a = kern_size(t, k), b = kern_size(idx, k);
        if ((b != want && b != 1) || (k != d && a != want && a != 1))
            return ETCH_ERR(ETCH_INVALID, "take_along_dim: sizes do not broadcast");
        if (a == 1 && k != d) ts[k] = 0;
        if (b == 1) is[k] = 0;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0, from = 0;
        for (int k = 0; k < t->rank; k++) {
            at += pos[k] * is[k];
            from += k == d ? 0 : pos[k] * ts[k];
        }
        int64_t v = kern_get_index(idx, at);
        copy_one(out, i, t, from + (v < 0 ? v + size : v) * ts[d]);
        for (int k = t->rank - 1; k >= 0 && ++pos[k] == kern_size(out, k); k--) pos[k] = 0;
    }
    return NULL;
}

// ---- writes ----

static etch_status *start(const etch_tensor *self, etch_tensor *out)
{
    ETCH_TRY(kern_want_same(self, out));
    if (self->dtype != out->dtype) return ETCH_ERR(ETCH_INVALID, "a scatter changes the dtype");
    if (etch_dtype_is_complex(self->dtype)) return ETCH_ERR(ETCH_UNSUPPORTED, "a scatter of complex numbers");
    kern_copy_cast(out->data, out->dtype, 0, self->data, self->dtype, 0, etch_numel(self));
    return NULL;
}

typedef enum { SET, ADD, PROD, AMAX, AMIN, MEAN } how;

static void combine(etch_tensor *out, int64_t at, const etch_tensor *src, int64_t from, const etch_val *num, how h, double scale)
{
    if (kern_ctype_of(out->dtype) == KERN_I64) {
        int64_t a = etch_load_int(out->data, out->dtype, at), b = src ? etch_load_int(src->data, src->dtype, from) : etch_val_as_int(num);
        if (h == SET) a = b;
        else if (h == PROD) a = kern_wmul(a, b);
        else if (h == AMAX) a = a > b ? a : b;
        else if (h == AMIN) a = a < b ? a : b;
        else a = kern_wadd(a, kern_wmul(kern_f2i(scale), b));
        etch_store_int(out->data, out->dtype, at, a);
        return;
    }
    double a = etch_load_double(out->data, out->dtype, at), b = src ? etch_load_double(src->data, src->dtype, from)
               : etch_val_as_double(num);
    if (h == SET) a = b;
    else if (h == PROD) a *= b;
    else if (h == AMAX) a = a != a || a > b ? a : b;
    else if (h == AMIN) a = a != a || a < b ? a : b;
    else a += scale * b;
    etch_store_double(out->data, out->dtype, at, a);
}

// How often each element was written (include_self false or mean): counts in scratch.
static etch_status *scatter(etch_kern_cx *cx, const etch_val *args, etch_tensor *out, how h, bool include_self)
{
    const etch_tensor *self, *idx, *src = NULL;
    etch_tensor self1, idx1, src1;
    int d;
    ETCH_TRY(kern_tensor(args, 0, &self));
    ETCH_TRY(kern_dim(args, 1, self->rank, &d));
    ETCH_TRY(kern_tensor(args, 2, &idx));
    ETCH_TRY(start(self, out));
    self1 = at_least_1d(self);
    idx1 = at_least_1d(idx);
    self = &self1;
    idx = &idx1;
    if (args[3].kind == ETCH_V_TENSOR) {
        src1 = at_least_1d(args[3].t);
        src = &src1;
    } else {
        double v;
        ETCH_TRY(kern_num(args, 3, &v));
    }
    int64_t n = etch_numel(idx);
    int rank = self->rank;
    if (!n) return NULL;
    if (idx->rank != rank || (src && src->rank != rank))
        return ETCH_ERR(ETCH_INVALID, "scatter: index of rank %d for rank %d", idx->rank, rank);
    ETCH_TRY(kern_want_in_range(idx, "the index", kern_size(self, d), false));
    for (int k = 0; k < rank; k++) {
        if (k != d && kern_size(idx, k) > kern_size(self, k))
            return ETCH_ERR(ETCH_INVALID, "scatter: index is larger than self in dim %d", k);
        if (src && kern_size(idx, k) > kern_size(src, k))
            return ETCH_ERR(ETCH_INVALID, "scatter: index is larger than the source in dim %d", k);
    }
    int64_t os[ETCH_MAX_RANK], ss[ETCH_MAX_RANK], pos[ETCH_MAX_RANK] = { 0 };
    int32_t *count = NULL;
    if (h == MEAN || !include_self) {
        size_t total = (size_t)etch_numel(out);
        ETCH_TRY(kern_scratch(cx, total * sizeof *count, &count));
        memset(count, 0, total * sizeof *count);
    }
    etch_tensor_strides(self, os);
    if (src) etch_tensor_strides(src, ss);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = kern_get_index(idx, i) * os[d], from = 0;
        for (int k = 0; k < rank; k++) {
            at += k == d ? 0 : pos[k] * os[k];
            if (src) from += pos[k] * ss[k];
        }
        bool first = count && count[at]++ == 0 && !include_self;
        combine(out, at, src, from, &args[3], first ? SET : h == MEAN ? ADD : h, 1);
        for (int k = rank - 1; k >= 0 && ++pos[k] == kern_size(idx, k); k--) pos[k] = 0;
    }
    if (h != MEAN) return NULL;
    for (int64_t i = 0, m = etch_numel(out); i < m; i++) {
        int64_t c = count[i] + include_self;
        if (!count[i] || c < 2) continue;
        if (kern_ctype_of(out->dtype) == KERN_I64) {
            int64_t v = etch_load_int(out->data, out->dtype, i);
            etch_store_int(out->data, out->dtype, i, v / c - (v % c < 0));
        } else {
            etch_store_double(out->data, out->dtype, i, etch_load_double(out->data, out->dtype, i) / (double)c);
        }
    }
    return NULL;
}
// scatter(self, dim, index, src or value), scatter_add(self, dim, index, src)
KERNEL(scatter) { KERN_BEGIN(4, 1); return scatter(cx, args, outs[0], SET, true); }
KERNEL(scatter_add) { KERN_BEGIN(4, 1); return scatter(cx, args, outs[0], ADD, true); }
// scatter_reduce(self, dim, index, src, reduce, include_self)
KERNEL(scatter_reduce)
{
    KERN_BEGIN(5, 1);
    etch_str s;
    bool include = true;
    ETCH_TRY(kern_str_opt(args, n_args, 4, &s));
    if (!kern_is_none(args, n_args, 5)) ETCH_TRY(kern_bool(args, 5, &include));
    how h = etch_str_eqz(s, "sum") ? ADD : etch_str_eqz(s, "prod") ? PROD : etch_str_eqz(s, "amax") ? AMAX : etch_str_eqz(s, "amin") ? AMIN
            : etch_str_eqz(s, "mean") ? MEAN : SET;
    if (h == SET) return ETCH_ERR(ETCH_INVALID, "scatter_reduce %.*s", ETCH_STR_ARGS(s));
    return scatter(cx, args, outs[0], h, include);
}

// index_add / index_copy(self, dim, index [n], source), index_fill(self, dim, index, value): whole slices.
static etch_status *index_slices(const etch_val *args, etch_tensor *out, how h, double scale)
{
    const etch_tensor *self, *idx, *src = NULL;
    int d;
    ETCH_TRY(kern_tensor(args, 0, &self));
    ETCH_TRY(kern_dim(args, 1, self->rank, &d));
    ETCH_TRY(kern_tensor(args, 2, &idx));
    ETCH_TRY(kern_want_rank(idx, "the index", 0, 1));
    int64_t n = etch_numel(idx), size = self->rank ? kern_size(self, d) : 1;
    int64_t outer = self->rank ? kern_prod(self, 0, d) : 1, inner = self->rank ? kern_prod(self, d + 1, self->rank) : 1;
    bool one = false;
    if (args[3].kind == ETCH_V_TENSOR) {
        src = args[3].t;
        one = src->rank == 0 && h == SET && !(self->rank <= 1 && n == 1);
        int64_t want;
        if (!one && (!etch_mul_ok(outer, n, &want) || !etch_mul_ok(want, inner, &want) || want != etch_numel(src)))
            return ETCH_ERR(ETCH_INVALID, "the source does not fit the index");
        for (int k = 0; !one && src->rank == self->rank && k < src->rank; k++)
            if (kern_size(src, k) != (k == d ? n : kern_size(self, k))) return ETCH_ERR(ETCH_INVALID, "the source does not fit the index");
    } else {
        double v;
        ETCH_TRY(kern_num(args, 3, &v));
    }
    ETCH_TRY(kern_want_in_range(idx, "the index", size, true));
    ETCH_TRY(start(self, out));
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++) {
            int64_t v = kern_get_index(idx, i), at = (o * size + (v < 0 ? v + size : v)) * inner, from = (o * n + i) * inner;
            if (src && !one && h == SET) {
                kern_copy_cast(out->data, out->dtype, at, src->data, src->dtype, from, inner);
                continue;
            }
            for (int64_t e = 0; e < inner; e++) combine(out, at + e, src, one ? 0 : from + e, &args[3], h, scale);
        }
    return NULL;
}
KERNEL(index_copy) { KERN_BEGIN(4, 1); return index_slices(args, outs[0], SET, 1); }
KERNEL(index_fill) { KERN_BEGIN(4, 1); return index_slices(args, outs[0], SET, 1); }
KERNEL(index_add)
{
    KERN_BEGIN(4, 1);
    double alpha;
    ETCH_TRY(kern_num_opt(args, n_args, 4, 1, &alpha));
    return index_slices(args, outs[0], ADD, alpha);
}

// ---- masks ----

// Strides of t broadcast to `out_rank` dims of `sizes`.
static etch_status *broadcast_strides(const etch_tensor *t, const etch_tensor *like, int64_t *strides)
{
    int64_t own[ETCH_MAX_RANK];
    int pad = like->rank - t->rank;
    if (pad < 0) return ETCH_ERR(ETCH_INVALID, "rank %d does not broadcast to rank %d", t->rank, like->rank);
    etch_tensor_strides(t, own);
    for (int d = 0; d < like->rank; d++) {
        int64_t n = d < pad ? 1 : kern_size(t, d - pad);
        if (n != 1 && n != kern_size(like, d))
            return ETCH_ERR(ETCH_INVALID, "size %lld does not broadcast to %lld", (long long)n, (long long)kern_size(like, d));
        strides[d] = n == 1 ? 0 : own[d - pad];
    }
    return NULL;
}

// masked_scatter(self, mask, source): the true places take the source's elements in order.
KERNEL(masked_scatter)
{
    KERN_BEGIN(3, 1);
    const etch_tensor *self, *mask, *src;
    etch_tensor *out = outs[0];
    ETCH_TRY(kern_tensor(args, 0, &self));
    ETCH_TRY(kern_tensor(args, 1, &mask));
    ETCH_TRY(kern_tensor(args, 2, &src));
    ETCH_TRY(kern_want_dtype(mask, "the mask", ETCH_BOOL));
    if (src->dtype != self->dtype || out->dtype != self->dtype) return ETCH_ERR(ETCH_INVALID, "masked_scatter: dtypes differ");
    int64_t ms[ETCH_MAX_RANK], ss[ETCH_MAX_RANK], pos[ETCH_MAX_RANK] = { 0 }, next = 0, room = etch_numel(src);
    ETCH_TRY(broadcast_strides(mask, out, ms));
    ETCH_TRY(broadcast_strides(self, out, ss));
    for (int64_t i = 0, n = etch_numel(out); i < n; i++) {
        int64_t m = 0, s = 0;
        for (int k = 0; k < out->rank; k++) {
            m += pos[k] * ms[k];
            s += pos[k] * ss[k];
        }
        bool set = ((const uint8_t *)mask->data)[m] != 0;
        if (set && next == room) return ETCH_ERR(ETCH_INVALID, "masked_scatter: the mask needs more than %lld elements", (long long)room);
        if (set) copy_one(out, i, src, next++);
        else copy_one(out, i, self, s);
        for (int k = out->rank - 1; k >= 0 && ++pos[k] == kern_size(out, k); k--) pos[k] = 0;
    }
    return NULL;
}

// masked_select(self, mask): both broadcast; the output has as many elements as the broadcast mask has true ones.
KERNEL(masked_select)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *self, *mask;
    etch_tensor *out = outs[0], like = { 0 };
    ETCH_TRY(kern_tensor(args, 0, &self));
    ETCH_TRY(kern_tensor(args, 1, &mask));
    ETCH_TRY(kern_want_dtype(mask, "the mask", ETCH_BOOL));
    like.dtype = ETCH_U8;
    like.rank = self->rank > mask->rank ? self->rank : mask->rank;
    for (int d = 0; d < like.rank; d++) {
        int a = d - (like.rank - self->rank), b = d - (like.rank - mask->rank);
        int64_t na = a < 0 ? 1 : kern_size(self, a), nb = b < 0 ? 1 : kern_size(mask, b);
        like.sizes[d].v = na == 1 ? nb : na;
    }
    int64_t ms[ETCH_MAX_RANK], ss[ETCH_MAX_RANK], pos[ETCH_MAX_RANK] = { 0 }, next = 0, room = etch_numel(out), n;
    ETCH_TRY(broadcast_strides(mask, &like, ms));
    ETCH_TRY(broadcast_strides(self, &like, ss));
    if (!etch_tensor_numel(&like, &n)) return ETCH_ERR(ETCH_INVALID, "masked_select: too large");
    for (int64_t i = 0; i < n; i++) {
        int64_t m = 0, s = 0;
        for (int k = 0; k < like.rank; k++) {
            m += pos[k] * ms[k];
            s += pos[k] * ss[k];
        }
        if (((const uint8_t *)mask->data)[m]) {
            if (next == room) return ETCH_ERR(ETCH_INVALID, "masked_select: the output does not fit");
            copy_one(out, next++, self, s);
        }
        for (int k = like.rank - 1; k >= 0 && ++pos[k] == kern_size(&like, k); k--) pos[k] = 0;
    }
    return next == room ? NULL : ETCH_ERR(ETCH_INVALID, "masked_select: the output does not fit");
}

// nonzero(self) -> i64 [n, rank]
KERNEL(nonzero)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    etch_tensor *out = outs[0];
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_want_rank(out, "the output of nonzero", 2, 2));
    int64_t room = kern_size(out, 0), row = 0, pos[ETCH_MAX_RANK] = { 0 };
    if (kern_size(out, 1) != t->rank) return ETCH_ERR(ETCH_INVALID, "nonzero: the output does not fit");
    for (int64_t i = 0, n = etch_numel(t); i < n; i++) {
        uint8_t set;
        kern_load(&set, KERN_B8, t->data, t->dtype, i, 1);
        if (set) {
            if (row == room) return ETCH_ERR(ETCH_INVALID, "nonzero: the output does not fit");
            for (int k = 0; k < t->rank; k++) etch_store_int(out->data, out->dtype, row * t->rank + k, pos[k]);
            row++;
        }
        for (int k = t->rank - 1; k >= 0 && ++pos[k] == kern_size(t, k); k--) pos[k] = 0;
    }
    return row == room ? NULL : ETCH_ERR(ETCH_INVALID, "nonzero: the output does not fit");
}

// one_hot(self, num_classes): one more dim.
KERNEL(one_hot)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    etch_tensor *out = outs[0];
    ETCH_TRY(kern_tensor(args, 0, &t));
    if (out->rank != t->rank + 1) return ETCH_ERR(ETCH_INVALID, "one_hot: the output does not fit");
    int64_t c = kern_size(out, t->rank), n = etch_numel(t);
    ETCH_TRY(kern_want_in_range(t, "the classes", c, false));
    if (etch_numel(out) != n * c) return ETCH_ERR(ETCH_INVALID, "one_hot: the output does not fit");
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++) etch_store_int(out->data, out->dtype, i * c + j, j == kern_get_index(t, i));
    return NULL;
}
