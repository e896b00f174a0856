// Shape rules of ops that rearrange or select dims: view, permute, slice, squeeze, expand, split, ...
#include "op/shape_util.h"

// Sizes for a reshape of `t` with at most one -1. Symbolic totals must agree by form, or by example with a guard.
static etch_status *reshape(etch_shape_cx *cx, etch_outs *outs, const etch_tensor *t, const etch_dim *want, int n, etch_dtype dtype)
{
    etch_dim sizes[ETCH_MAX_RANK], total, known = DIM(1);
    int infer = -1;
    if (n > ETCH_MAX_RANK) return ETCH_ERR(ETCH_UNSUPPORTED, "a view has %d dims; at most %d are supported", n, ETCH_MAX_RANK);
    for (int i = 0; i < n; i++) {
        sizes[i] = want[i];
        if (!want[i].e && want[i].v == -1) {
            if (infer >= 0) return ETCH_ERR(ETCH_INVALID, "only one size of a view can be -1");
            infer = i;
        } else {
            if (!want[i].e && want[i].v < 0) return ETCH_ERR(ETCH_INVALID, "a view has size %lld", (long long)want[i].v);
            MUL(known, want[i], &known);
        }
    }
    bool ok = true;
    ETCH_TRY(shape_product(cx, t->sizes, 0, t->rank, &total));
    if (infer >= 0) {
        etch_dim whole;
        if (!known.e && known.v == 0) return shape_mismatch("a size of the view cannot be inferred", "self", t, NULL, NULL);
        DIV(total, known, &sizes[infer]);
        MUL(sizes[infer], known, &whole);
        ETCH_TRY(shape_equal(cx, total, whole, &ok));
    } else {
        ETCH_TRY(shape_equal(cx, total, known, &ok));
    }
    if (!ok) {
        etch_tensor shown = { .dtype = t->dtype, .rank = n };
        if (n) memcpy(shown.sizes, want, sizeof *want * (size_t)n);
        return shape_mismatch("the element counts of a view differ", "self", t, "view", &shown);
    }
    return shape_set(outs, 0, dtype, n, sizes);
}

// view(self, size), reshape(self, shape)
SHAPE(view)
{
    TENSOR(t, 0);
    shape_list size;
    ETCH_TRY(shape_ints(ARG(1), &size));
    return reshape(cx, outs, t, size.p, size.n, t->dtype);
}

SHAPE(view_as)
{
    TENSOR(t, 0);
    TENSOR(other, 1);
    return reshape(cx, outs, t, other->sizes, other->rank, t->dtype);
}

SHAPE(ravel)
{
    TENSOR(t, 0);
    etch_dim all = DIM(-1);
    if (t->rank == 0) all = DIM(1);
    return reshape(cx, outs, t, &all, 1, t->dtype);
}

// flatten(self, start_dim, end_dim)
SHAPE(flatten)
{
    TENSOR(t, 0);
    int from, to;
    ETCH_TRY(shape_axis(ARG(1), t->rank, &from));
    const etch_val last = etch_val_int(-1);
    ETCH_TRY(shape_axis(ARG(2)->kind == ETCH_V_NONE ? &last : ARG(2), t->rank, &to));
    if (from > to) return ETCH_ERR(ETCH_INVALID, "flatten from dim %d to dim %d", from, to);
    etch_dim sizes[ETCH_MAX_RANK];
    if (t->rank == 0) {
        sizes[0] = DIM(1);
        return shape_set(outs, 0, t->dtype, 1, sizes);
    }
    int n = 0;
    for (int i = 0; i < from; i++) sizes[n++] = t->sizes[i];
    ETCH_TRY(shape_product(cx, t->sizes, from, to + 1, &sizes[n++]));
    for (int i = to + 1; i < t->rank; i++) sizes[n++] = t->sizes[i];
    return shape_set(outs, 0, t->dtype, n, sizes);
}

// unflatten(self, dim, sizes)
SHAPE(unflatten)
{
    TENSOR(t, 0);
    shape_list size;
    int axis;
    ETCH_TRY(shape_axis(ARG(1), t->rank, &axis));
    ETCH_TRY(shape_ints(ARG(2), &size));
    if (t->rank == 0 || t->rank - 1 + size.n > ETCH_MAX_RANK) return shape_mismatch("unflatten", "self", t, NULL, NULL);
    etch_tensor one = { .dtype = t->dtype, .rank = 1 }, part = { .rank = 0 }, *slot = &part;
    one.sizes[0] = t->sizes[axis];
    etch_outs inner = { 1, &slot };
    ETCH_TRY(reshape(cx, &inner, &one, size.p, size.n, t->dtype));
    etch_dim sizes[ETCH_MAX_RANK];
    int n = 0;
    for (int i = 0; i < axis; i++) sizes[n++] = t->sizes[i];
    for (int i = 0; i < part.rank; i++) sizes[n++] = part.sizes[i];
    for (int i = axis + 1; i < t->rank; i++) sizes[n++] = t->sizes[i];
    return shape_set(outs, 0, t->dtype, n, sizes);
}

// view.dtype(self, dtype): a different element size scales the last dim
SHAPE(view_dtype)
{
    TENSOR(t, 0);
    etch_dtype d;
    ETCH_TRY(shape_dtype(ARG(1), t->dtype, &d));
    etch_tensor r = *t;
    int64_t from = (int64_t)etch_dtype_size(t->dtype), to = (int64_t)etch_dtype_size(d);
    if (from != to) {
        if (t->rank == 0) return shape_mismatch("view as a type of another size needs dims", "self", t, NULL, NULL);
        etch_dim *last = &r.sizes[t->rank - 1], whole;
        MUL(*last, DIM(from), &whole);
        DIV(whole, DIM(to), last);
        bool ok;
        etch_dim back;
        MUL(*last, DIM(to), &back);
        ETCH_TRY(shape_equal(cx, whole, back, &ok));
        if (!ok) return shape_mismatch("the last dim does not divide into the type of the view", "self", t, NULL, NULL);
    }
    return shape_set_like(outs, 0, d, &r);
}

// f32[..., 2] -> c64[...]
SHAPE(view_as_complex)
{
    TENSOR(t, 0);
    if (t->dtype != ETCH_F32 || t->rank == 0 || t->sizes[t->rank - 1].v != 2)
        return shape_mismatch("view_as_complex needs float32 with a last dim of 2", "self", t, NULL, NULL);
    return shape_set(outs, 0, ETCH_C64, t->rank - 1, t->sizes);
}

// c64[...] -> f32[..., 2]
SHAPE(view_as_real)
{
    TENSOR(t, 0);
    if (t->dtype != ETCH_C64 || t->rank >= ETCH_MAX_RANK)
        return shape_mismatch("view_as_real needs a complex tensor", "self", t, NULL, NULL);
    etch_tensor r = *t;
    r.sizes[r.rank++] = DIM(2);
    return shape_set_like(outs, 0, ETCH_F32, &r);
}

static etch_status *permuted(etch_outs *outs, const etch_tensor *t, const int *order)
{
    etch_dim sizes[ETCH_MAX_RANK];
    for (int i = 0; i < t->rank; i++) sizes[i] = t->sizes[order[i]];
    return shape_set(outs, 0, t->dtype, t->rank, sizes);
}

SHAPE(permute)
{
    TENSOR(t, 0);
    shape_list dims;
    ETCH_TRY(shape_ints(ARG(1), &dims));
    if (dims.n != t->rank) return shape_mismatch("permute needs one number a dim", "self", t, NULL, NULL);
    int order[ETCH_MAX_RANK];
    unsigned seen = 0;
    for (int i = 0; i < dims.n; i++) {
        ETCH_TRY(shape_axis_of(dims.p[i].v, t->rank, &order[i]));
        if (seen & 1u << order[i]) return ETCH_ERR(ETCH_INVALID, "permute names dim %d twice", order[i]);
        seen |= 1u << order[i];
    }
    return permuted(outs, t, order);
}

static etch_status *swapped(etch_outs *outs, const etch_tensor *t, int a, int b)
{
    etch_tensor r = *t;
    if (t->rank) {
        r.sizes[a] = t->sizes[b];
        r.sizes[b] = t->sizes[a];
    }
    return shape_set_like(outs, 0, t->dtype, &r);
}

// transpose(self, dim0, dim1)
SHAPE(transpose)
{
    TENSOR(t, 0);
    int a, b;
    ETCH_TRY(shape_axis(ARG(1), t->rank, &a));
    ETCH_TRY(shape_axis(ARG(2), t->rank, &b));
    return swapped(outs, t, a, b);
}

SHAPE(t)
{
    TENSOR(t, 0);
    if (t->rank > 2) return shape_mismatch("t needs at most 2 dims", "self", t, NULL, NULL);
    return swapped(outs, t, 0, t->rank == 2);
}

SHAPE(mT)
{
    TENSOR(t, 0);
    if (t->rank == 1) return shape_mismatch("mT needs at least 2 dims", "self", t, NULL, NULL);
    return swapped(outs, t, t->rank ? t->rank - 1 : 0, t->rank ? t->rank - 2 : 0);
}

SHAPE(numpy_T)
{
    TENSOR(t, 0);
    int order[ETCH_MAX_RANK];
    for (int i = 0; i < t->rank; i++) order[i] = t->rank - 1 - i;
    return permuted(outs, t, order);
}

static etch_status *moved(etch_outs *outs, const etch_tensor *t, const etch_dim *from, const etch_dim *to, int n)
{
    int order[ETCH_MAX_RANK];
    unsigned used = 0;
    for (int i = 0; i < t->rank; i++) order[i] = -1;
    if (n > t->rank && t->rank) return shape_mismatch("movedim names too many dims", "self", t, NULL, NULL);
    if (t->rank == 0) return shape_set_like(outs, 0, t->dtype, t);
    for (int i = 0; i < n; i++) {
        int a, b;
        ETCH_TRY(shape_axis_of(from[i].v, t->rank, &a));
        ETCH_TRY(shape_axis_of(to[i].v, t->rank, &b));
        if (order[b] >= 0 || used & 1u << a) return ETCH_ERR(ETCH_INVALID, "movedim names a dim twice");
        order[b] = a;
        used |= 1u << a;
    }
    for (int i = 0, next = 0; i < t->rank; i++) {
        if (order[i] >= 0) continue;
        while (used & 1u << next) next++;
        order[i] = next++;
    }
    return permuted(outs, t, order);
}

// movedim(self, source, destination)
SHAPE(movedim)
{
    TENSOR(t, 0);
    shape_list from, to;
    ETCH_TRY(shape_ints(ARG(1), &from));
    ETCH_TRY(shape_ints(ARG(2), &to));
    if (from.n != to.n) return ETCH_ERR(ETCH_INVALID, "movedim of %d dims to %d", from.n, to.n);
    return moved(outs, t, from.p, to.p, from.n);
}

// squeeze(self)
SHAPE(squeeze)
{
    TENSOR(t, 0);
    etch_dim sizes[ETCH_MAX_RANK];
    int n = 0;
    for (int i = 0; i < t->rank; i++) {
        bool one;
        ETCH_TRY(shape_decide(cx, ETCH_CMP_EQ, t->sizes[i], 1, &one));
        if (!one) sizes[n++] = t->sizes[i];
    }
    return shape_set(outs, 0, t->dtype, n, sizes);
}

// squeeze.dims(self, dim), squeeze.dim(self, dim)
SHAPE(squeeze_dims)
{
    TENSOR(t, 0);
    shape_list dims;
    ETCH_TRY(shape_ints(ARG(1), &dims));
    bool drop[ETCH_MAX_RANK] = { false };
    for (int i = 0; i < dims.n; i++) {
        int axis;
        ETCH_TRY(shape_axis_of(dims.p[i].v, t->rank, &axis));
        if (t->rank) ETCH_TRY(shape_decide(cx, ETCH_CMP_EQ, t->sizes[axis], 1, &drop[axis]));
    }
    etch_dim sizes[ETCH_MAX_RANK];
    int n = 0;
    for (int i = 0; i < t->rank; i++)
        if (!drop[i]) sizes[n++] = t->sizes[i];
    return shape_set(outs, 0, t->dtype, n, sizes);
}

SHAPE(unsqueeze)
{
    TENSOR(t, 0);
    etch_dim sizes[ETCH_MAX_RANK];
    int axis;
    if (t->rank >= ETCH_MAX_RANK) return shape_mismatch("unsqueeze gives too many dims", "self", t, NULL, NULL);
    ETCH_TRY(shape_axis(ARG(1), t->rank + 1, &axis));
    for (int i = 0, k = 0; i <= t->rank; i++) sizes[i] = i == axis ? DIM(1) : t->sizes[k++];
    return shape_set(outs, 0, t->dtype, t->rank + 1, sizes);
}

static etch_status *expanded(etch_shape_cx *cx, etch_outs *outs, const etch_tensor *t, const etch_dim *want, int n)
{
    etch_dim sizes[ETCH_MAX_RANK];
    if (n < t->rank || n > ETCH_MAX_RANK) return shape_mismatch("expand to fewer dims, or too many", "self", t, NULL, NULL);
    for (int i = 0; i < n; i++) {
        int k = i - (n - t->rank);
        bool keep = !want[i].e && want[i].v == -1, ok = true;
        if (k < 0 && keep) return ETCH_ERR(ETCH_INVALID, "expand: -1 is not allowed in a new leading dim");
        if (k < 0) {
            sizes[i] = want[i];
            continue;
        }
        sizes[i] = t->sizes[k];
        if (keep || etch_dim_same(want[i], t->sizes[k])) continue;
        sizes[i] = want[i];
        if (!t->sizes[k].e && t->sizes[k].v == 1) continue;
        if (want[i].v == t->sizes[k].v) ETCH_TRY(shape_equal(cx, want[i], t->sizes[k], &ok));
        else ETCH_TRY(shape_decide(cx, ETCH_CMP_EQ, t->sizes[k], 1, &ok));
        if (!ok) {
            etch_tensor shown = { .dtype = t->dtype, .rank = n };
            if (n) memcpy(shown.sizes, want, sizeof *want * (size_t)n);
            return shape_mismatch("sizes do not expand", "self", t, "size", &shown);
        }
    }
    return shape_set(outs, 0, t->dtype, n, sizes);
}

// expand(self, size, *, implicit)
SHAPE(expand)
{
    TENSOR(t, 0);
    shape_list size;
    ETCH_TRY(shape_ints(ARG(1), &size));
    return expanded(cx, outs, t, size.p, size.n);
}

SHAPE(expand_as)
{
    TENSOR(t, 0);
    TENSOR(other, 1);
    return expanded(cx, outs, t, other->sizes, other->rank);
}

// select(self, dim, index)
SHAPE(select)
{
    TENSOR(t, 0);
    int axis;
    etch_dim index;
    if (t->rank == 0) return shape_mismatch("select needs dims", "self", t, NULL, NULL);
    ETCH_TRY(shape_axis(ARG(1), t->rank, &axis));
    ETCH_TRY(shape_dim(ARG(2), DIM(0), &index));
    if (!index.e && !t->sizes[axis].e && (index.v < -t->sizes[axis].v || index.v >= t->sizes[axis].v))
        return ETCH_ERR(ETCH_INVALID, "index %lld is out of range for dim %d of size %lld", (long long)index.v, axis,
                        (long long)t->sizes[axis].v);
    etch_dim sizes[ETCH_MAX_RANK];
    int n = 0;
    for (int i = 0; i < t->rank; i++)
        if (i != axis) sizes[n++] = t->sizes[i];
    return shape_set(outs, 0, t->dtype, n, sizes);
}

// A slice bound brought into [0, size]. Signs that range cannot tell are decided by the example; overshoot becomes min().
static etch_status *slice_bound(etch_shape_cx *cx, etch_dim bound, etch_dim size, etch_dim *out)
{
    bool negative;
    *out = size;
    if (!bound.e && bound.v == INT64_MAX) return NULL;
    ETCH_TRY(shape_decide(cx, ETCH_CMP_LT, bound, 0, &negative));
    if (negative) {
        if (!bound.e && bound.v < -INT64_MAX / 2) {
            *out = DIM(0);
            return NULL;
        }
        ADD(bound, size, &bound);
        if (!etch_dim_known(cx->syms, ETCH_CMP_GE, bound, DIM(0))) ETCH_TRY(etch_dim_max(cx->syms, bound, DIM(0), &bound));
    }
    if (etch_dim_known(cx->syms, ETCH_CMP_GE, bound, size)) return NULL;
    *out = bound;
    if (etch_dim_known(cx->syms, ETCH_CMP_LE, bound, size)) return NULL;
    return etch_dim_min(cx->syms, bound, size, out);
}

// slice(self, dim, start?, end?, step)
SHAPE(slice)
{
    TENSOR(t, 0);
    int axis;
    etch_dim start, end, len;
    int64_t step;
    if (t->rank == 0) return shape_mismatch("slice needs dims", "self", t, NULL, NULL);
    ETCH_TRY(shape_axis(ARG(1), t->rank, &axis));
    ETCH_TRY(shape_dim(ARG(2), DIM(0), &start));
    ETCH_TRY(shape_dim(ARG(3), DIM(INT64_MAX), &end));
    ETCH_TRY(shape_int(ARG(4), 1, &step));
    if (step <= 0) return ETCH_ERR(ETCH_INVALID, "slice step must be positive, not %lld", (long long)step);
    etch_tensor r = *t;
    ETCH_TRY(slice_bound(cx, start, t->sizes[axis], &start));
    ETCH_TRY(slice_bound(cx, end, t->sizes[axis], &end));
    SUB(end, start, &len);
    if (!etch_dim_known(cx->syms, ETCH_CMP_GE, len, DIM(0))) ETCH_TRY(etch_dim_max(cx->syms, len, DIM(0), &len));
    if (!len.e) len = DIM(len.v / step + (len.v % step != 0));
    else ETCH_TRY(shape_ceildiv(cx, len, DIM(step), &len));
    r.sizes[axis] = len;
    return shape_set_like(outs, 0, t->dtype, &r);
}

// narrow(self, dim, start, length)
SHAPE(narrow)
{
    TENSOR(t, 0);
    int axis;
    etch_dim start, length, end;
    bool inside;
    if (t->rank == 0) return shape_mismatch("narrow needs dims", "self", t, NULL, NULL);
    ETCH_TRY(shape_axis(ARG(1), t->rank, &axis));
    ETCH_TRY(shape_dim(ARG(2), DIM(0), &start));
    ETCH_TRY(shape_dim(ARG(3), DIM(0), &length));
    bool negative;
    ETCH_TRY(shape_decide(cx, ETCH_CMP_LT, start, 0, &negative));
    if (negative) ADD(start, t->sizes[axis], &start);
    ADD(start, length, &end);
    ETCH_TRY(etch_dim_decide(cx->syms, ETCH_CMP_LE, end, t->sizes[axis], cx->where, &inside));
    if (!inside || length.v < 0 || start.v < 0)
        return ETCH_ERR(ETCH_INVALID, "narrow [%lld, %lld) leaves dim %d of size %lld", (long long)start.v, (long long)end.v, axis,
                        (long long)t->sizes[axis].v);
    etch_tensor r = *t;
    r.sizes[axis] = length;
    return shape_set_like(outs, 0, t->dtype, &r);
}

// as_strided(self, size, stride, storage_offset)
SHAPE(as_strided)
{
    TENSOR(t, 0);
    shape_list size, stride;
    ETCH_TRY(shape_ints(ARG(1), &size));
    ETCH_TRY(shape_ints(ARG(2), &stride));
    if (size.n != stride.n) return ETCH_ERR(ETCH_INVALID, "as_strided has %d sizes and %d strides", size.n, stride.n);
    return shape_set(outs, 0, t->dtype, size.n, size.p);
}

// diagonal(self, offset, dim1, dim2): the diagonal becomes the last dim
SHAPE(diagonal)
{
    TENSOR(t, 0);
    int64_t offset;
    int a, b;
    ETCH_TRY(shape_int(ARG(1), 0, &offset));
    const etch_val one = etch_val_int(1);
    if (t->rank < 2) return shape_mismatch("diagonal needs at least 2 dims", "self", t, NULL, NULL);
    ETCH_TRY(shape_axis(ARG(2), t->rank, &a));
    ETCH_TRY(shape_axis(ARG(3)->kind == ETCH_V_NONE ? &one : ARG(3), t->rank, &b));
    if (a == b) return ETCH_ERR(ETCH_INVALID, "diagonal of dim %d with itself", a);
    if (offset == INT64_MIN) return ETCH_ERR(ETCH_INVALID, "diagonal offset %lld", (long long)offset);
    etch_dim rows = t->sizes[a], cols = t->sizes[b], n;
    if (offset >= 0) SUB(cols, DIM(offset), &cols);
    else SUB(rows, DIM(-offset), &rows);
    ETCH_TRY(etch_dim_min(cx->syms, rows, cols, &n));
    ETCH_TRY(etch_dim_max(cx->syms, n, DIM(0), &n));
    etch_dim sizes[ETCH_MAX_RANK];
    int k = 0;
    for (int i = 0; i < t->rank; i++)
        if (i != a && i != b) sizes[k++] = t->sizes[i];
    sizes[k++] = n;
    return shape_set(outs, 0, t->dtype, k, sizes);
}

// unfold(self, dimension, size, step): windows become the last dim
SHAPE(unfold)
{
    TENSOR(t, 0);
    int axis;
    int64_t size, step;
    bool fits;
    ETCH_TRY(shape_axis(ARG(1), t->rank, &axis));
    ETCH_TRY(shape_int(ARG(2), 0, &size));
    ETCH_TRY(shape_int(ARG(3), 1, &step));
    if (step <= 0 || size < 0 || t->rank >= ETCH_MAX_RANK) return shape_mismatch("unfold arguments", "self", t, NULL, NULL);
    etch_tensor r = *t;
    etch_dim whole = t->rank ? t->sizes[axis] : DIM(1), n;
    ETCH_TRY(shape_decide(cx, ETCH_CMP_GE, whole, size, &fits));
    if (!fits) return shape_mismatch("unfold window is larger than the dim", "self", t, NULL, NULL);
    SUB(whole, DIM(size), &n);
    DIV(n, DIM(step), &n);
    ADD(n, DIM(1), &n);
    if (t->rank) r.sizes[axis] = n;
    r.sizes[r.rank++] = DIM(size);
    return shape_set_like(outs, 0, t->dtype, &r);
}

// pixel_shuffle(self, upscale_factor): [*, C r^2, H, W] -> [*, C, H r, W r]
SHAPE(pixel_shuffle)
{
    TENSOR(t, 0);
    int64_t r;
    ETCH_TRY(shape_int(ARG(1), 1, &r));
    if (t->rank < 3 || r <= 0 || r > 1 << 20 || t->sizes[t->rank - 3].v % (r * r))
        return shape_mismatch("pixel_shuffle", "self", t, NULL, NULL);
    etch_tensor o = *t;
    etch_dim *s = &o.sizes[t->rank - 3];
    DIV(s[0], DIM(r * r), &s[0]);
    MUL(s[1], DIM(r), &s[1]);
    MUL(s[2], DIM(r), &s[2]);
    return shape_set_like(outs, 0, t->dtype, &o);
}

// pixel_unshuffle(self, downscale_factor): [*, C, H, W] -> [*, C r^2, H / r, W / r]
SHAPE(pixel_unshuffle)
{
    TENSOR(t, 0);
    int64_t r;
    ETCH_TRY(shape_int(ARG(1), 1, &r));
    if (t->rank < 3 || r <= 0 || r > 1 << 20 || t->sizes[t->rank - 1].v % r || t->sizes[t->rank - 2].v % r)
        return shape_mismatch("pixel_unshuffle", "self", t, NULL, NULL);
    etch_tensor o = *t;
    etch_dim *s = &o.sizes[t->rank - 3];
    MUL(s[0], DIM(r * r), &s[0]);
    DIV(s[1], DIM(r), &s[1]);
    DIV(s[2], DIM(r), &s[2]);
    return shape_set_like(outs, 0, t->dtype, &o);
}
