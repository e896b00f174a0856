// Shape rules of ops that split one tensor into several, or join and repeat tensors.
#include "op/shape_util.h"

// n parts of t along axis; part i has size parts[i] when given, else `each`.
static etch_status *set_parts(etch_shape_cx *cx, etch_outs *outs, const etch_tensor *t, int axis, int64_t n, const etch_dim *parts,
                              etch_dim each, etch_dim last)
{
    if (n < 0 || n > 1 << 20) return ETCH_ERR(ETCH_UNSUPPORTED, "a split into %lld parts", (long long)n);
    ETCH_TRY(etch_outs_resize(cx, outs, (int)n));
    etch_tensor r = *t;
    for (int i = 0; i < (int)n; i++) {
        r.sizes[axis] = parts ? parts[i] : i == (int)n - 1 ? last : each;
        ETCH_TRY(shape_set_like(outs, i, t->dtype, &r));
    }
    return NULL;
}

// Parts of size `each`, the last one may be smaller.
static etch_status *split_evenly(etch_shape_cx *cx, etch_outs *outs, const etch_tensor *t, int axis, etch_dim each)
{
    etch_dim whole = t->sizes[axis], count, last;
    int64_t n;
    if (!each.e && each.v <= 0) {
        if (each.v == 0 && whole.v == 0 && !whole.e) return set_parts(cx, outs, t, axis, 1, NULL, DIM(0), DIM(0));
        return ETCH_ERR(ETCH_INVALID, "split into parts of size %lld", (long long)each.v);
    }
    ETCH_TRY(shape_ceildiv(cx, whole, each, &count));
    ETCH_TRY(shape_fix(cx, count, &n));
    if (n == 0) n = 1;
    MUL(each, DIM(n - 1), &last);
    SUB(whole, last, &last);
    return set_parts(cx, outs, t, axis, n, NULL, each, last);
}

static etch_status *need_dims(const etch_tensor *t, const char *what)
{
    return t->rank ? NULL : ETCH_ERR(ETCH_INVALID, "%s needs a tensor with dims", what);
}

// split.Tensor(self, split_size, dim)
SHAPE(split)
{
    TENSOR(t, 0);
    int axis;
    etch_dim each;
    ETCH_TRY(need_dims(t, "split"));
    ETCH_TRY(shape_dim(ARG(1), DIM(0), &each));
    ETCH_TRY(shape_axis(ARG(2), t->rank, &axis));
    return split_evenly(cx, outs, t, axis, each);
}

// chunk(self, chunks, dim): parts of size ceil(n / chunks)
SHAPE(chunk)
{
    TENSOR(t, 0);
    int axis;
    int64_t chunks;
    etch_dim each;
    ETCH_TRY(need_dims(t, "chunk"));
    ETCH_TRY(shape_int(ARG(1), 1, &chunks));
    ETCH_TRY(shape_axis(ARG(2), t->rank, &axis));
    if (chunks <= 0) return ETCH_ERR(ETCH_INVALID, "chunk into %lld parts", (long long)chunks);
    ETCH_TRY(shape_ceildiv(cx, t->sizes[axis], DIM(chunks), &each));
    if (!each.e && each.v == 0) return set_parts(cx, outs, t, axis, chunks, NULL, DIM(0), DIM(0));
    return split_evenly(cx, outs, t, axis, each);
}

// split_with_sizes(self, split_sizes, dim)
SHAPE(split_with_sizes)
{
    TENSOR(t, 0);
    int axis;
    shape_list sizes;
    etch_dim sum = DIM(0);
    bool ok;
    ETCH_TRY(need_dims(t, "split"));
    ETCH_TRY(shape_ints(ARG(1), &sizes));
    ETCH_TRY(shape_axis(ARG(2), t->rank, &axis));
    for (int i = 0; i < sizes.n; i++) ADD(sum, sizes.p[i], &sum);
    ETCH_TRY(shape_equal(cx, sum, t->sizes[axis], &ok));
    if (!ok)
        return ETCH_ERR(ETCH_INVALID, "split sizes sum to %lld, dim %d has size %lld", (long long)sum.v, axis, (long long)t->sizes[axis].v);
    return set_parts(cx, outs, t, axis, sizes.n, sizes.p, sum, sum);
}

// tensor_split.sections(self, sections, dim): the first n % sections parts have one element more
SHAPE(tensor_split)
{
    TENSOR(t, 0);
    int axis;
    int64_t n, whole;
    ETCH_TRY(need_dims(t, "tensor_split"));
    ETCH_TRY(shape_int(ARG(1), 1, &n));
    ETCH_TRY(shape_axis(ARG(2), t->rank, &axis));
    if (n <= 0) return ETCH_ERR(ETCH_INVALID, "tensor_split into %lld parts", (long long)n);
    etch_dim rest, each;
    ETCH_TRY(etch_dim_mod(cx->syms, t->sizes[axis], DIM(n), &rest));
    DIV(t->sizes[axis], DIM(n), &each);
    ETCH_TRY(shape_fix(cx, rest, &whole));
    if (n > 1 << 20) return ETCH_ERR(ETCH_UNSUPPORTED, "a split into %lld parts", (long long)n);
    ETCH_TRY(etch_outs_resize(cx, outs, (int)n));
    etch_tensor r = *t;
    for (int i = 0; i < (int)n; i++) {
        ADD(each, DIM(i < whole), &r.sizes[axis]);
        ETCH_TRY(shape_set_like(outs, i, t->dtype, &r));
    }
    return NULL;
}

// A cut position brought into [0, size].
static etch_status *cut(etch_shape_cx *cx, etch_dim at, etch_dim size, etch_dim *out)
{
    bool negative;
    ETCH_TRY(shape_decide(cx, ETCH_CMP_LT, at, 0, &negative));
    if (negative) ADD(at, size, &at);
    ETCH_TRY(etch_dim_max(cx->syms, at, DIM(0), &at));
    return etch_dim_min(cx->syms, at, size, out);
}

// tensor_split.indices(self, indices, dim): slices between the indices
SHAPE(tensor_split_indices)
{
    TENSOR(t, 0);
    int axis;
    shape_list at;
    ETCH_TRY(need_dims(t, "tensor_split"));
    ETCH_TRY(shape_ints(ARG(1), &at));
    ETCH_TRY(shape_axis(ARG(2), t->rank, &axis));
    ETCH_TRY(etch_outs_resize(cx, outs, at.n + 1));
    etch_dim from = DIM(0), whole = t->sizes[axis];
    etch_tensor r = *t;
    for (int i = 0; i <= at.n; i++) {
        etch_dim to = whole, len;
        if (i < at.n) ETCH_TRY(cut(cx, at.p[i], whole, &to));
        SUB(to, from, &len);
        ETCH_TRY(etch_dim_max(cx->syms, len, DIM(0), &r.sizes[axis]));
        ETCH_TRY(shape_set_like(outs, i, t->dtype, &r));
        from = to;
    }
    return NULL;
}

// unbind(self, dim)
SHAPE(unbind)
{
    TENSOR(t, 0);
    int axis;
    int64_t n;
    ETCH_TRY(need_dims(t, "unbind"));
    ETCH_TRY(shape_axis(ARG(1), t->rank, &axis));
    ETCH_TRY(shape_fix(cx, t->sizes[axis], &n));
    if (n > 1 << 20) return ETCH_ERR(ETCH_UNSUPPORTED, "unbind into %lld parts", (long long)n);
    etch_dim sizes[ETCH_MAX_RANK];
    int k = 0;
    for (int i = 0; i < t->rank; i++)
        if (i != axis) sizes[k++] = t->sizes[i];
    etch_dtype d = t->dtype;
    ETCH_TRY(etch_outs_resize(cx, outs, (int)n));
    for (int i = 0; i < (int)n; i++) ETCH_TRY(shape_set(outs, i, d, k, sizes));
    return NULL;
}

static etch_status *tensor_list(const etch_val *v, const char *what)
{
    if (v->kind != ETCH_V_TENSORS) return ETCH_ERR(ETCH_INVALID, "%s needs a list of tensors", what);
    if (v->tensors.n == 0) return ETCH_ERR(ETCH_INVALID, "%s of no tensors", what);
    for (int i = 0; i < v->tensors.n; i++)
        if (!v->tensors.p[i]) return ETCH_ERR(ETCH_INVALID, "%s: element %d is None", what, i);
    return NULL;
}

static etch_status *joined_type(const etch_val *v, etch_dtype *out)
{
    shape_promotion p = shape_promotion_start();
    for (int i = 0; i < v->tensors.n; i++) ETCH_TRY(shape_promote_tensor(&p, v->tensors.p[i]));
    return shape_promoted(&p, out);
}

// Upstream skips 1-d empty tensors in cat whatever the other ranks are.
static bool is_skipped(const etch_tensor *t) { return t->rank == 1 && !t->sizes[0].e && t->sizes[0].v == 0; }

// cat(tensors, dim)
SHAPE(cat)
{
    const etch_val *v = ARG(0);
    ETCH_TRY(tensor_list(v, "cat"));
    etch_tensor r = *v->tensors.p[0];
    for (int i = 0; i < v->tensors.n; i++)
        if (!is_skipped(v->tensors.p[i])) {
            r = *v->tensors.p[i];
            break;
        }
    int axis;
    if (r.rank == 0) return ETCH_ERR(ETCH_INVALID, "cat of tensors without dims");
    ETCH_TRY(shape_axis(ARG(1), r.rank, &axis));
    ETCH_TRY(joined_type(v, &r.dtype));
    etch_dim sum = DIM(0);
    for (int i = 0; i < v->tensors.n; i++) {
        const etch_tensor *t = v->tensors.p[i];
        if (is_skipped(t)) continue;
        bool ok = t->rank == r.rank;
        for (int k = 0; ok && k < r.rank; k++) {
            if (k == axis) continue;
            ETCH_TRY(shape_equal(cx, r.sizes[k], t->sizes[k], &ok));
            if (!t->sizes[k].e) r.sizes[k] = t->sizes[k];
        }
        if (!ok) return shape_mismatch("cat of tensors that differ outside the joined dim", "first", v->tensors.p[0], "other", t);
        ADD(sum, t->sizes[axis], &sum);
    }
    r.sizes[axis] = sum;
    return shape_set_like(outs, 0, r.dtype, &r);
}

// stack(tensors, dim)
SHAPE(stack)
{
    const etch_val *v = ARG(0);
    ETCH_TRY(tensor_list(v, "stack"));
    etch_tensor r = *v->tensors.p[0];
    int axis;
    if (r.rank >= ETCH_MAX_RANK) return shape_mismatch("stack gives too many dims", "first", &r, NULL, NULL);
    ETCH_TRY(shape_axis(ARG(1), r.rank + 1, &axis));
    ETCH_TRY(joined_type(v, &r.dtype));
    for (int i = 1; i < v->tensors.n; i++) {
        const etch_tensor *t = v->tensors.p[i];
        bool ok = t->rank == r.rank;
        for (int k = 0; ok && k < r.rank; k++) {
            ETCH_TRY(shape_equal(cx, r.sizes[k], t->sizes[k], &ok));
            if (!t->sizes[k].e) r.sizes[k] = t->sizes[k];
        }
        if (!ok) return shape_mismatch("stack of tensors of different sizes", "first", v->tensors.p[0], "other", t);
    }
    etch_dim sizes[ETCH_MAX_RANK];
    for (int i = 0, k = 0; i <= r.rank; i++) sizes[i] = i == axis ? DIM(v->tensors.n) : r.sizes[k++];
    return shape_set(outs, 0, r.dtype, r.rank + 1, sizes);
}

// meshgrid(tensors, *, indexing): n tensors of n dims; "xy" swaps the first two
SHAPE(meshgrid)
{
    const etch_val *v = ARG(0);
    ETCH_TRY(tensor_list(v, "meshgrid"));
    int n = v->tensors.n;
    if (n > ETCH_MAX_RANK) return ETCH_ERR(ETCH_UNSUPPORTED, "meshgrid of %d tensors", n);
    etch_dim sizes[ETCH_MAX_RANK];
    for (int i = 0; i < n; i++) {
        const etch_tensor *t = v->tensors.p[i];
        if (t->rank > 1) return shape_mismatch("meshgrid needs tensors of 1 dim", "one", t, NULL, NULL);
        sizes[i] = t->rank ? t->sizes[0] : DIM(1);
    }
    if (n >= 2 && ARG(1)->kind == ETCH_V_STR && etch_str_eqz(ARG(1)->s, "xy")) {
        etch_dim first = sizes[0];
        sizes[0] = sizes[1];
        sizes[1] = first;
    }
    ETCH_TRY(etch_outs_resize(cx, outs, n));
    for (int i = 0; i < n; i++) ETCH_TRY(shape_set(outs, i, v->tensors.p[i]->dtype, n, sizes));
    return NULL;
}

static etch_status *repeated(etch_shape_cx *cx, etch_outs *outs, const etch_tensor *t, shape_list times)
{
    int rank = times.n > t->rank ? times.n : t->rank;
    etch_dim sizes[ETCH_MAX_RANK];
    if (rank > ETCH_MAX_RANK) return shape_mismatch("repeat gives too many dims", "self", t, NULL, NULL);
    for (int i = 0; i < rank; i++) {
        int a = i - (rank - t->rank), b = i - (rank - times.n);
        MUL(a < 0 ? DIM(1) : t->sizes[a], b < 0 ? DIM(1) : times.p[b], &sizes[i]);
    }
    return shape_set(outs, 0, t->dtype, rank, sizes);
}

// repeat(self, repeats)
SHAPE(repeat)
{
    TENSOR(t, 0);
    shape_list times;
    ETCH_TRY(shape_ints(ARG(1), &times));
    if (times.n < t->rank) return shape_mismatch("repeat needs at least one number a dim", "self", t, NULL, NULL);
    return repeated(cx, outs, t, times);
}

// tile(self, dims): fewer numbers than dims repeat the last dims
SHAPE(tile)
{
    TENSOR(t, 0);
    shape_list times;
    ETCH_TRY(shape_ints(ARG(1), &times));
    return repeated(cx, outs, t, times);
}

// Replaces one dim (or all, flattened) by n.
static etch_status *with_count(const etch_val *axis_arg, etch_outs *outs, const etch_tensor *t, etch_dim n)
{
    if (axis_arg->kind == ETCH_V_NONE) return shape_set(outs, 0, t->dtype, 1, &n);
    int axis;
    etch_tensor r = *t;
    ETCH_TRY(shape_axis(axis_arg, t->rank, &axis));
    if (t->rank == 0) return shape_set(outs, 0, t->dtype, 1, &n);
    r.sizes[axis] = n;
    return shape_set_like(outs, 0, t->dtype, &r);
}

// repeat_interleave.self_int(self, repeats, dim?, *, output_size?)
SHAPE(repeat_interleave)
{
    TENSOR(t, 0);
    etch_dim n, times;
    ETCH_TRY(shape_dim(ARG(1), DIM(1), &times));
    if (ARG(2)->kind == ETCH_V_NONE) {
        ETCH_TRY(shape_product(cx, t->sizes, 0, t->rank, &n));
    } else {
        int axis;
        ETCH_TRY(shape_axis(ARG(2), t->rank, &axis));
        n = t->rank ? t->sizes[axis] : DIM(1);
    }
    MUL(n, times, &n);
    return with_count(ARG(2), outs, t, n);
}

// Sum of the repeats: output_size when given, else the data.
static etch_status *total_repeats(const etch_tensor *repeats, const etch_val *output_size, int64_t factor, etch_dim *out)
{
    if (output_size->kind != ETCH_V_NONE) return shape_dim(output_size, DIM(0), out);
    int64_t n = 0, count;
    if (!repeats->data || etch_tensor_is_dynamic(repeats) || !etch_tensor_numel(repeats, &count))
        return ETCH_ERR(ETCH_UNSUPPORTED, "repeat_interleave with counts that are not known while tracing needs output_size");
    for (int64_t i = 0; i < count; i++) {
        int64_t k = etch_load_int(repeats->data, repeats->dtype, i);
        if (k < 0 || __builtin_add_overflow(n, k, &n)) return ETCH_ERR(ETCH_INVALID, "repeat_interleave with a bad count");
    }
    if (__builtin_mul_overflow(n, factor, &n)) return ETCH_ERR(ETCH_INVALID, "repeat_interleave with a bad count");
    *out = DIM(n);
    return NULL;
}

// repeat_interleave.Tensor(repeats, *, output_size?) -> indices
SHAPE(repeat_interleave_repeats)
{
    TENSOR(t, 0);
    etch_dim n;
    ETCH_TRY(total_repeats(t, ARG(1), 1, &n));
    return shape_set(outs, 0, t->dtype, 1, &n);
}

// repeat_interleave.self_Tensor(self, repeats, dim?, *, output_size?)
SHAPE(repeat_interleave_tensor)
{
    TENSOR(t, 0);
    TENSOR(repeats, 1);
    etch_dim n;
    int64_t factor = 1;
    int axis = 0;
    if (ARG(2)->kind != ETCH_V_NONE) ETCH_TRY(shape_axis(ARG(2), t->rank, &axis));
    bool lone = repeats->rank == 0 || (!repeats->sizes[0].e && repeats->sizes[0].v == 1);
    if (lone && ARG(3)->kind == ETCH_V_NONE) {
        etch_dim whole = DIM(1);
        if (ARG(2)->kind == ETCH_V_NONE) ETCH_TRY(shape_product(cx, t->sizes, 0, t->rank, &whole));
        else if (t->rank) whole = t->sizes[axis];
        if (whole.e) {
            ETCH_TRY(total_repeats(repeats, ARG(3), 1, &n));
            MUL(whole, n, &n);
            return with_count(ARG(2), outs, t, n);
        }
        factor = whole.v;
    }
    ETCH_TRY(total_repeats(repeats, ARG(3), factor, &n));
    return with_count(ARG(2), outs, t, n);
}
