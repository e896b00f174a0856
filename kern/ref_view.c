// Views as kernels: reshapes (a move of bytes), permute, slice, select, expand, diagonal, unfold, as_strided, flip, roll, repeat.
// In: one tensor and where to look. Out: a contiguous copy (nothing is done when the output already is the input's memory).
#include "kern/copy.h"
#include "kern/elem.h"

// Pointer arithmetic on an offset in elements.
static const void *at(const etch_tensor *t, int64_t offset)
{
    return (const uint8_t *)t->data + offset * (int64_t)etch_dtype_size(t->dtype);
}

// The output reads the input from `offset` with `strides`, one for each output dim (elements).
static etch_status *gather(etch_tensor *out, const etch_tensor *t, int64_t offset, const int64_t *strides)
{
    if (out->dtype != t->dtype)
        return ETCH_ERR(ETCH_INVALID, "a view of %s as %s", etch_dtype_name(t->dtype), etch_dtype_name(out->dtype));
    if (!etch_numel(out)) return NULL;
    int64_t sizes[ETCH_MAX_RANK], ds[ETCH_MAX_RANK], lo = offset, hi = offset, total = etch_numel(t);
    etch_tensor_strides(out, ds);
    for (int d = 0; d < out->rank; d++) {
        int64_t span;
        sizes[d] = kern_size(out, d);
        if (!etch_mul_ok(sizes[d] - 1, strides[d], &span) || !etch_add_ok(span < 0 ? lo : hi, span, span < 0 ? &lo : &hi))
            return ETCH_ERR(ETCH_INVALID, "a view with strides that overflow");
    }
    if (lo < 0 || hi >= total) return ETCH_ERR(ETCH_INVALID, "a view reaches outside of its tensor");
    if (out->data == t->data && total == etch_numel(out)) {  // an aliased output: right only when nothing moves
        bool same = offset == 0;
        for (int d = 0; d < out->rank; d++) same = same && (sizes[d] == 1 || strides[d] == ds[d]);
        if (same) return NULL;
    }
    kern_copy_nd(out->data, ds, at(t, offset), strides, sizes, out->rank, etch_dtype_size(t->dtype));
    return NULL;
}

// Same elements in the same order, with a cast when the output's dtype differs: view, reshape, squeeze, unsqueeze, clone, to, copy.
static etch_status *move(const etch_tensor *t, etch_tensor *out)
{
    if (etch_numel(t) != etch_numel(out))
        return ETCH_ERR(ETCH_INVALID, "%lld elements viewed as %lld", (long long)etch_numel(t), (long long)etch_numel(out));
    kern_copy_cast(out->data, out->dtype, 0, t->data, t->dtype, 0, etch_numel(t));
    return NULL;
}

KERNEL(view)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    return move(t, outs[0]);
}
// A copy with the output's dtype: _to_copy, clone, contiguous, _to_dim_order_copy, dropout outside of training.
static etch_status *same_copy(const etch_val *args, etch_tensor *out)
{
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_want_same(t, out));
    return move(t, out);
}
KERNEL(to_copy) { KERN_BEGIN(1, 1); return same_copy(args, outs[0]); }
KERNEL(clone) { KERN_BEGIN(1, 1); return same_copy(args, outs[0]); }
KERNEL(positive) { KERN_BEGIN(1, 1); return same_copy(args, outs[0]); }

// The bytes under another dtype: view.dtype, view_as_real, view_as_complex.
KERNEL(view_dtype)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    size_t a, b;
    ETCH_TRY(kern_tensor(args, 0, &t));
    if (!etch_tensor_nbytes(t, &a) || !etch_tensor_nbytes(outs[0], &b) || a != b) return ETCH_ERR(ETCH_INVALID, "a view of other size");
    if (a && t->data != outs[0]->data) memmove(outs[0]->data, t->data, a);
    return NULL;
}
// Broadcasts t to the output (same dtype); sizes aligned at the end.
static etch_status *broadcast(const etch_tensor *t, etch_tensor *out)
{
    int64_t strides[ETCH_MAX_RANK], ts[ETCH_MAX_RANK];
    int pad = out->rank - t->rank;
    if (pad < 0) return ETCH_ERR(ETCH_INVALID, "rank %d expanded to rank %d", t->rank, out->rank);
    etch_tensor_strides(t, ts);
    for (int d = 0; d < out->rank; d++) {
        int64_t n = d < pad ? 1 : kern_size(t, d - pad), want = kern_size(out, d);
        if (n != 1 && n != want) return ETCH_ERR(ETCH_INVALID, "size %lld expanded to %lld", (long long)n, (long long)want);
        strides[d] = n == 1 ? 0 : ts[d - pad];
    }
    return gather(out, t, 0, strides);
}

// copy(self, src, non_blocking): src broadcast to self's sizes, cast to the output's dtype.
static etch_status *copy_into(const etch_val *src, etch_tensor *out)
{
    const etch_tensor *s = src->t;
    if (kern_same_sizes(out, s)) return move(s, out);
    return s->dtype == out->dtype ? broadcast(s, out) : kern_cast(out, src);
}
KERNEL(copy)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *self, *s;
    ETCH_TRY(kern_tensor(args, 0, &self));
    ETCH_TRY(kern_tensor(args, 1, &s));
    ETCH_TRY(kern_want_same(self, outs[0]));
    return copy_into(&args[1], outs[0]);
}
// copy_(self, src, non_blocking): writes self; an output that is not self's memory gets the same values.
KERNEL(copy_)
{
    KERN_BEGIN(2, 0);
    const etch_tensor *self, *s;
    ETCH_TRY(kern_tensor(args, 0, &self));
    ETCH_TRY(kern_tensor(args, 1, &s));
    ETCH_TRY(copy_into(&args[1], args[0].t));
    if (n_outs && outs[0]->data != self->data) {
        ETCH_TRY(kern_want_same(self, outs[0]));
        return move(self, outs[0]);
    }
    return NULL;
}
// expand(self, size, *, implicit) and expand_as: the output has the sizes.
KERNEL(expand)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    return broadcast(t, outs[0]);
}

// ---- permutations ----

static etch_status *permute(const etch_tensor *t, const int64_t *dims, etch_tensor *out)
{
    int64_t ts[ETCH_MAX_RANK], strides[ETCH_MAX_RANK], want[ETCH_MAX_RANK];
    etch_tensor_strides(t, ts);
    uint32_t seen = 0;
    for (int d = 0; d < t->rank; d++) {
        int from;
        ETCH_TRY(kern_wrap_dim(dims[d], t->rank, &from));
        if (seen >> from & 1u) return ETCH_ERR(ETCH_INVALID, "dimension %d is listed twice", from);
        seen |= 1u << from;
        want[d] = kern_size(t, from);
        strides[d] = ts[from];
    }
    ETCH_TRY(kern_want_sizes(out, "the output", t->rank, want));
    return gather(out, t, 0, strides);
}

KERNEL(permute)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t;
    kern_list dims;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_ints(args, n_args, 1, &dims));
    if (dims.n != t->rank) return ETCH_ERR(ETCH_INVALID, "permute lists %d dimensions of %d", dims.n, t->rank);
    return permute(t, dims.v, outs[0]);
}

static etch_status *swap_dims(const etch_tensor *t, int a, int b, etch_tensor *out)
{
    int64_t dims[ETCH_MAX_RANK];
    for (int d = 0; d < t->rank; d++) dims[d] = d == a ? b : d == b ? a : d;
    return permute(t, dims, out);
}
KERNEL(transpose)
{
    KERN_BEGIN(3, 1);
    const etch_tensor *t;
    int a, b;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_dim(args, 1, t->rank, &a));
    ETCH_TRY(kern_dim(args, 2, t->rank, &b));
    return swap_dims(t, a, b, outs[0]);
}
// t(self): rank at most 2.
KERNEL(t)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_want_rank(t, "the argument of t", 0, 2));
    return swap_dims(t, 0, t->rank == 2 ? 1 : 0, outs[0]);
}

// mT, adjoint of real tensors: the last two dims; numpy_T: all dims reversed.
KERNEL(mT)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_want_rank(t, "the argument of mT", 2, ETCH_MAX_RANK));
    return swap_dims(t, t->rank - 2, t->rank - 1, outs[0]);
}
KERNEL(numpy_T)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    int64_t dims[ETCH_MAX_RANK];
    ETCH_TRY(kern_tensor(args, 0, &t));
    for (int d = 0; d < t->rank; d++) dims[d] = t->rank - 1 - d;
    return permute(t, dims, outs[0]);
}
// movedim(self, source, destination): numbers or lists; the other dims keep their order.
KERNEL(movedim)
{
    KERN_BEGIN(3, 1);
    const etch_tensor *t;
    kern_list from, to;
    int64_t dims[ETCH_MAX_RANK];
    uint32_t taken = 0, placed = 0;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_ints(args, n_args, 1, &from));
    ETCH_TRY(kern_ints(args, n_args, 2, &to));
    if (from.n != to.n) return ETCH_ERR(ETCH_INVALID, "movedim: %d sources, %d destinations", from.n, to.n);
    for (int k = 0; k < from.n; k++) {
        int a, b;
        ETCH_TRY(kern_wrap_dim(from.v[k], t->rank, &a));
        ETCH_TRY(kern_wrap_dim(to.v[k], t->rank, &b));
        if (taken >> a & 1u || placed >> b & 1u) return ETCH_ERR(ETCH_INVALID, "movedim: a dim is listed twice");
        taken |= 1u << a;
        placed |= 1u << b;
        dims[b] = a;
    }
    for (int d = 0, next = 0; d < t->rank; d++) {
        if (placed >> d & 1u) continue;
        while (taken >> next & 1u) next++;
        dims[d] = next++;
    }
    return permute(t, dims, outs[0]);
}

// ---- parts ----

// A start or end as Python takes it: negative counts from the end, then clamped to [0, n].
static int64_t clamp_index(int64_t i, int64_t n) { return i < 0 ? (i + n < 0 ? 0 : i + n) : i > n ? n : i; }

// slice(self, dim, start, end, step)
KERNEL(slice)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    int64_t dim, start, end, step, strides[ETCH_MAX_RANK], want[ETCH_MAX_RANK];
    int d;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_int_opt(args, n_args, 1, 0, &dim));
    ETCH_TRY(kern_int_opt(args, n_args, 2, 0, &start));
    ETCH_TRY(kern_int_opt(args, n_args, 3, INT64_MAX, &end));
    ETCH_TRY(kern_int_opt(args, n_args, 4, 1, &step));
    ETCH_TRY(kern_wrap_dim(dim, t->rank, &d));
    if (!t->rank || step <= 0) return ETCH_ERR(ETCH_INVALID, "slice of rank %d with step %lld", t->rank, (long long)step);
    int64_t n = kern_size(t, d);
    start = clamp_index(start, n);
    end = clamp_index(end, n);
    etch_tensor_strides(t, strides);
    for (int k = 0; k < t->rank; k++) want[k] = kern_size(t, k);
    want[d] = end > start ? (end - start - 1) / step + 1 : 0;
    ETCH_TRY(kern_want_sizes(outs[0], "the output of slice", t->rank, want));
    int64_t offset = start * strides[d];
    if (want[d] > 1) strides[d] *= step;
    return gather(outs[0], t, offset, strides);
}

// narrow(self, dim, start, length)
KERNEL(narrow)
{
    KERN_BEGIN(4, 1);
    const etch_tensor *t;
    int64_t start, length, strides[ETCH_MAX_RANK], want[ETCH_MAX_RANK];
    int d;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_dim(args, 1, t->rank, &d));
    ETCH_TRY(kern_int(args, 2, &start));
    ETCH_TRY(kern_int(args, 3, &length));
    if (!t->rank) return ETCH_ERR(ETCH_INVALID, "narrow of a 0-d tensor");
    int64_t n = kern_size(t, d);
    if (start < 0) start = start < -n ? -1 : start + n;
    if (start < 0 || start > n || length < 0 || length > n - start)
        return ETCH_ERR(ETCH_INVALID, "narrow to [%lld, +%lld) of %lld", (long long)start, (long long)length, (long long)n);
    etch_tensor_strides(t, strides);
    for (int k = 0; k < t->rank; k++) want[k] = kern_size(t, k);
    want[d] = length;
    ETCH_TRY(kern_want_sizes(outs[0], "the output of narrow", t->rank, want));
    return gather(outs[0], t, start * strides[d], strides);
}

// Drops dim d at index i.
static etch_status *select(const etch_tensor *t, int d, int64_t i, etch_tensor *out)
{
    int64_t ts[ETCH_MAX_RANK], strides[ETCH_MAX_RANK], want[ETCH_MAX_RANK], n = kern_size(t, d);
    if (i < -n || i >= n) return ETCH_ERR(ETCH_INVALID, "index %lld of size %lld", (long long)i, (long long)n);
    if (i < 0) i += n;
    etch_tensor_strides(t, ts);
    for (int k = 0, o = 0; k < t->rank; k++) {
        if (k == d) continue;
        want[o] = kern_size(t, k);
        strides[o++] = ts[k];
    }
    ETCH_TRY(kern_want_sizes(out, "the output of select", t->rank - 1, want));
    return gather(out, t, i * ts[d], strides);
}
KERNEL(select)
{
    KERN_BEGIN(3, 1);
    const etch_tensor *t;
    int d;
    int64_t i;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_dim(args, 1, t->rank, &d));
    ETCH_TRY(kern_int(args, 2, &i));
    if (!t->rank) return ETCH_ERR(ETCH_INVALID, "select of a 0-d tensor");
    return select(t, d, i, outs[0]);
}
// unbind(self, dim): one output an index.
KERNEL(unbind)
{
    KERN_BEGIN(1, 0);
    const etch_tensor *t;
    int d;
    int64_t dim;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_int_opt(args, n_args, 1, 0, &dim));
    ETCH_TRY(kern_wrap_dim(dim, t->rank, &d));
    if (!t->rank || kern_size(t, d) != n_outs) return ETCH_ERR(ETCH_INVALID, "unbind into %d outputs", n_outs);
    for (int i = 0; i < n_outs; i++) ETCH_TRY(select(t, d, i, outs[i]));
    return NULL;
}

// Consecutive pieces along one dim; the outputs' sizes say how long each is and must use up the dim.
static etch_status *split(const etch_tensor *t, int d, etch_tensor *const *outs, int n_outs)
{
    int64_t strides[ETCH_MAX_RANK], want[ETCH_MAX_RANK], from = 0;
    if (!t->rank) return ETCH_ERR(ETCH_INVALID, "split of a 0-d tensor");
    etch_tensor_strides(t, strides);
    for (int k = 0; k < t->rank; k++) want[k] = kern_size(t, k);
    for (int i = 0; i < n_outs; i++) {
        if (outs[i]->rank != t->rank) return ETCH_ERR(ETCH_INVALID, "split: output %d has rank %d", i, outs[i]->rank);
        want[d] = kern_size(outs[i], d);
        ETCH_TRY(kern_want_sizes(outs[i], "an output of split", t->rank, want));
        if (want[d] > kern_size(t, d) - from) return ETCH_ERR(ETCH_INVALID, "split beyond the size %lld", (long long)kern_size(t, d));
        ETCH_TRY(gather(outs[i], t, from * strides[d], strides));
        from += want[d];
    }
    return from == kern_size(t, d) ? NULL : ETCH_ERR(ETCH_INVALID, "split leaves %lld elements", (long long)(kern_size(t, d) - from));
}
// Splits as (self, how, dim); `how` is in the outputs' sizes.
static etch_status *split_args(const etch_val *args, int n_args, etch_tensor *const *outs, int n_outs)
{
    const etch_tensor *t;
    int d;
    int64_t dim;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_int_opt(args, n_args, 2, 0, &dim));
    ETCH_TRY(kern_wrap_dim(dim, t->rank, &d));
    return split(t, d, outs, n_outs);
}
KERNEL(split) { KERN_BEGIN(2, 0); return split_args(args, n_args, outs, n_outs); }
KERNEL(split_with_sizes) { KERN_BEGIN(2, 0); return split_args(args, n_args, outs, n_outs); }
KERNEL(chunk) { KERN_BEGIN(2, 0); return split_args(args, n_args, outs, n_outs); }
KERNEL(tensor_split) { KERN_BEGIN(2, 0); return split_args(args, n_args, outs, n_outs); }
KERNEL(tensor_split_indices) { KERN_BEGIN(2, 0); return split_args(args, n_args, outs, n_outs); }

// diagonal(self, offset, dim1, dim2): the diagonal becomes the last dim.
KERNEL(diagonal)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    int64_t offset, a1, a2, ts[ETCH_MAX_RANK], strides[ETCH_MAX_RANK], want[ETCH_MAX_RANK];
    int d1, d2, o = 0;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_int_opt(args, n_args, 1, 0, &offset));
    ETCH_TRY(kern_int_opt(args, n_args, 2, 0, &a1));
    ETCH_TRY(kern_int_opt(args, n_args, 3, 1, &a2));
    ETCH_TRY(kern_wrap_dim(a1, t->rank, &d1));
    ETCH_TRY(kern_wrap_dim(a2, t->rank, &d2));
    if (t->rank < 2 || d1 == d2) return ETCH_ERR(ETCH_INVALID, "diagonal over dims %d and %d of rank %d", d1, d2, t->rank);
    etch_tensor_strides(t, ts);
    for (int k = 0; k < t->rank; k++) {
        if (k == d1 || k == d2) continue;
        want[o] = kern_size(t, k);
        strides[o++] = ts[k];
    }
    int64_t r = kern_size(t, d1), c = kern_size(t, d2), n = 0, start = 0;
    if (offset >= 0 && offset < c) {
        n = r < c - offset ? r : c - offset;
        start = offset * ts[d2];
    } else if (offset < 0 && offset > -r) {
        n = r + offset < c ? r + offset : c;
        start = -offset * ts[d1];
    }
    want[o] = n;
    strides[o] = ts[d1] + ts[d2];
    ETCH_TRY(kern_want_sizes(outs[0], "the output of diagonal", t->rank - 1, want));
    return gather(outs[0], t, start, strides);
}

// unfold(self, dimension, size, step): windows become the last dim.
KERNEL(unfold)
{
    KERN_BEGIN(4, 1);
    const etch_tensor *t;
    int64_t size, step, strides[ETCH_MAX_RANK + 1], want[ETCH_MAX_RANK + 1];
    int d;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_dim(args, 1, t->rank, &d));
    ETCH_TRY(kern_int(args, 2, &size));
    ETCH_TRY(kern_int(args, 3, &step));
    if (!t->rank || t->rank == ETCH_MAX_RANK || step <= 0 || size < 0 || size > kern_size(t, d))
        return ETCH_ERR(ETCH_INVALID, "unfold of size %lld with step %lld", (long long)size, (long long)step);
    etch_tensor_strides(t, strides);
    for (int k = 0; k < t->rank; k++) want[k] = kern_size(t, k);
    want[d] = (kern_size(t, d) - size) / step + 1;
    want[t->rank] = size;
    strides[t->rank] = strides[d];
    if (want[d] > 1) strides[d] *= step;
    ETCH_TRY(kern_want_sizes(outs[0], "the output of unfold", t->rank + 1, want));
    return gather(outs[0], t, 0, strides);
}

// as_strided(self, size, stride, storage_offset): over the contiguous input.
KERNEL(as_strided)
{
    KERN_BEGIN(3, 1);
    const etch_tensor *t;
    kern_list size, stride;
    int64_t offset;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_ints(args, n_args, 1, &size));
    ETCH_TRY(kern_ints(args, n_args, 2, &stride));
    ETCH_TRY(kern_int_opt(args, n_args, 3, 0, &offset));
    if (size.n != stride.n) return ETCH_ERR(ETCH_INVALID, "as_strided: %d sizes, %d strides", size.n, stride.n);
    ETCH_TRY(kern_want_sizes(outs[0], "the output of as_strided", size.n, size.v));
    return gather(outs[0], t, offset, stride.v);
}

// tile_crop(input [C, H, W], tile_size) -> [tiles, C, size, size], tiles row by row.
KERNEL(tile_crop)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t;
    int64_t s;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_int(args, 1, &s));
    ETCH_TRY(kern_want_rank(t, "the input of tile_crop", 3, 3));
    int64_t c = kern_size(t, 0), h = kern_size(t, 1), w = kern_size(t, 2);
    if (s < 1 || h % s || w % s || outs[0]->dtype != t->dtype)
        return ETCH_ERR(ETCH_INVALID, "tile_crop of [%lld, %lld] by %lld", (long long)h, (long long)w, (long long)s);
    ETCH_TRY(kern_want_sizes(outs[0], "the tiles", 4, (int64_t[4]){ (h / s) * (w / s), c, s, s }));
    int64_t sizes[5] = { h / s, w / s, c, s, s }, dst[5] = { w / s * c * s * s, c * s * s, s * s, s, 1 },
            src[5] = { s * w, s, h * w, w, 1 };
    kern_copy_nd(outs[0]->data, dst, t->data, src, sizes, 5, etch_dtype_size(t->dtype));
    return NULL;
}

// ---- reorderings ----

// flip(self, dims)
KERNEL(flip)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t;
    kern_list dims;
    uint32_t mask = 0;
    int64_t strides[ETCH_MAX_RANK], offset = 0;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_ints(args, n_args, 1, &dims));
    if (dims.n) ETCH_TRY(kern_dim_mask(&dims, t->rank, &mask));
    ETCH_TRY(kern_want_same(t, outs[0]));
    if (!etch_numel(t)) return NULL;
    etch_tensor_strides(t, strides);
    for (int d = 0; d < t->rank; d++) {
        if (!(mask >> d & 1u)) continue;
        offset += (kern_size(t, d) - 1) * strides[d];
        strides[d] = -strides[d];
    }
    return gather(outs[0], t, offset, strides);
}

// roll(self, shifts, dims): over one dim at a time would need memory, so the 2^k corner blocks are copied one by one.
KERNEL(roll)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t;
    etch_tensor *out = outs[0];
    kern_list shifts, dims;
    int64_t strides[ETCH_MAX_RANK], sizes[ETCH_MAX_RANK], shift[ETCH_MAX_RANK] = { 0 };
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_ints(args, n_args, 1, &shifts));
    ETCH_TRY(kern_ints(args, n_args, 2, &dims));
    ETCH_TRY(kern_want_same(t, out));
    if (out->dtype != t->dtype) return ETCH_ERR(ETCH_INVALID, "roll changes the dtype");
    int64_t n = etch_numel(t);
    if (!n) return NULL;
    size_t es = etch_dtype_size(t->dtype);
    int rank = t->rank;
    if (!dims.n) {  // the flattened tensor
        if (shifts.n != 1) return ETCH_ERR(ETCH_INVALID, "roll without dims takes one shift");
        rank = 1;
        sizes[0] = n;
        strides[0] = 1;
        shift[0] = ((shifts.v[0] % n) + n) % n;
    } else {
        if (dims.n != shifts.n) return ETCH_ERR(ETCH_INVALID, "roll: %d shifts, %d dims", shifts.n, dims.n);
        etch_tensor_strides(t, strides);
        for (int d = 0; d < rank; d++) sizes[d] = kern_size(t, d);
        for (int k = 0; k < dims.n; k++) {
            int d;
            ETCH_TRY(kern_wrap_dim(dims.v[k], rank, &d));
            if (rank) shift[d] = (shift[d] + shifts.v[k] % sizes[d] + sizes[d]) % sizes[d];
        }
    }
    for (uint32_t corner = 0; corner < 1u << rank; corner++) {
        // Bit d clear: input [0, size - shift) goes to [shift, size); set: the rest goes to [0, shift).
        int64_t part[ETCH_MAX_RANK], from = 0, to = 0;
        bool empty = false;
        for (int d = 0; d < rank; d++) {
            bool wrapped = corner >> d & 1u;
            part[d] = wrapped ? shift[d] : sizes[d] - shift[d];
            from += wrapped ? (sizes[d] - shift[d]) * strides[d] : 0;
            to += wrapped ? 0 : shift[d] * strides[d];
            empty = empty || part[d] == 0;
        }
        if (!empty)
            kern_copy_nd((uint8_t *)out->data + (size_t)to * es, strides, (const uint8_t *)t->data + (size_t)from * es, strides, part, rank,
                         es);
    }
    return NULL;
}

// repeat(self, repeats), tile(self, dims): sizes are multiples; missing leading entries count as one.
static etch_status *repeat(const etch_val *args, int n_args, etch_tensor *out)
{
    const etch_tensor *t;
    kern_list rep;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_ints(args, n_args, 1, &rep));
    int rank = rep.n > t->rank ? rep.n : t->rank;
    if (out->rank != rank || out->dtype != t->dtype) return ETCH_ERR(ETCH_INVALID, "repeat: the output does not fit");
    int64_t ts[ETCH_MAX_RANK], os[ETCH_MAX_RANK], src_s[2 * ETCH_MAX_RANK], dst_s[2 * ETCH_MAX_RANK], sizes[2 * ETCH_MAX_RANK];
    etch_tensor_strides(t, ts);
    etch_tensor_strides(out, os);
    if (rank > ETCH_MAX_RANK / 2) return ETCH_ERR(ETCH_UNSUPPORTED, "repeat of rank %d", rank);
    for (int d = 0; d < rank; d++) {
        int64_t n = d < rank - t->rank ? 1 : kern_size(t, d - (rank - t->rank)), r = d < rank - rep.n ? 1 : rep.v[d - (rank - rep.n)],
                total;
        if (r < 0 || !etch_mul_ok(n, r, &total) || total != kern_size(out, d))
            return ETCH_ERR(ETCH_INVALID, "repeat: the output does not fit");
        sizes[2 * d] = r;
        src_s[2 * d] = 0;
        dst_s[2 * d] = n * os[d];
        sizes[2 * d + 1] = n;
        src_s[2 * d + 1] = d < rank - t->rank ? 0 : ts[d - (rank - t->rank)];
        dst_s[2 * d + 1] = os[d];
    }
    kern_copy_nd(out->data, dst_s, t->data, src_s, sizes, 2 * rank, etch_dtype_size(t->dtype));
    return NULL;
}
KERNEL(repeat) { KERN_BEGIN(2, 1); return repeat(args, n_args, outs[0]); }
KERNEL(tile) { KERN_BEGIN(2, 1); return repeat(args, n_args, outs[0]); }
