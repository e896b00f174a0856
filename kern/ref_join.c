// Joining and padding: cat, stack, constant/reflection/replication padding, meshgrid, repeat_interleave, pixel_shuffle, slice_scatter.
// In: one or several tensors. Out: a contiguous tensor, cast when the output's dtype differs.
#include "kern/copy.h"
#include "kern/elem.h"

// ---- cat, stack ----

static etch_status *tensor_list(const etch_val *args, int i)
{
    if (args[i].kind != ETCH_V_TENSORS && !(args[i].kind == ETCH_V_INTS && args[i].ints.n == 0))
        return ETCH_ERR(ETCH_INVALID, "argument %d is not a list of tensors", i);
    for (int k = 0; k < args[i].tensors.n; k++)
        if (!args[i].tensors.p[k]) return ETCH_ERR(ETCH_INVALID, "argument %d: entry %d is None", i, k);
    return NULL;
}

// An empty tensor of rank 1 joins anything, as in PyTorch.
static bool is_nothing(const etch_tensor *t) { return t->rank == 1 && kern_size(t, 0) == 0; }

// cat(tensors, dim)
KERNEL(cat)
{
    KERN_BEGIN(1, 1);
    etch_tensor *out = outs[0];
    int64_t dim, used = 0;
    int d;
    ETCH_TRY(tensor_list(args, 0));
    ETCH_TRY(kern_int_opt(args, n_args, 1, 0, &dim));
    ETCH_TRY(kern_wrap_dim(dim, out->rank, &d));
    if (!out->rank) return ETCH_ERR(ETCH_INVALID, "cat of 0-d tensors");
    int64_t outer = kern_prod(out, 0, d), inner = kern_prod(out, d + 1, out->rank), size = kern_size(out, d);
    for (int k = 0; k < args[0].tensors.n; k++) {
        const etch_tensor *t = args[0].tensors.p[k];
        if (is_nothing(t)) continue;
        bool ok = t->rank == out->rank;
        for (int e = 0; ok && e < t->rank; e++) ok = e == d || kern_size(t, e) == kern_size(out, e);
        if (!ok || kern_size(t, d) > size - used) return ETCH_ERR(ETCH_INVALID, "cat: tensor %d does not fit", k);
        int64_t n = kern_size(t, d) * inner;
        for (int64_t o = 0; o < outer; o++)
            kern_copy_cast(out->data, out->dtype, (o * size + used) * inner, t->data, t->dtype, o * n, n);
        used += kern_size(t, d);
    }
    return used == size ? NULL : ETCH_ERR(ETCH_INVALID, "cat: %lld of %lld filled", (long long)used, (long long)size);
}

// stack(tensors, dim)
KERNEL(stack)
{
    KERN_BEGIN(1, 1);
    etch_tensor *out = outs[0];
    int64_t dim, want[ETCH_MAX_RANK];
    int d;
    ETCH_TRY(tensor_list(args, 0));
    ETCH_TRY(kern_int_opt(args, n_args, 1, 0, &dim));
    ETCH_TRY(kern_wrap_dim(dim, out->rank, &d));
    int n = args[0].tensors.n;
    if (!out->rank || kern_size(out, d) != n) return ETCH_ERR(ETCH_INVALID, "stack of %d tensors does not fit the output", n);
    for (int e = 0; e < out->rank; e++)
        if (e != d) want[e - (e > d)] = kern_size(out, e);
    int64_t outer = kern_prod(out, 0, d), inner = kern_prod(out, d + 1, out->rank);
    for (int k = 0; k < n; k++) {
        const etch_tensor *t = args[0].tensors.p[k];
        ETCH_TRY(kern_want_sizes(t, "an operand of stack", out->rank - 1, want));
        for (int64_t o = 0; o < outer; o++)
            kern_copy_cast(out->data, out->dtype, (o * n + k) * inner, t->data, t->dtype, o * inner, inner);
    }
    return NULL;
}

// meshgrid(tensors, indexing): output i varies along dim i ("xy": the first two dims are exchanged).
KERNEL(meshgrid)
{
    KERN_BEGIN(1, 0);
    etch_str mode;
    ETCH_TRY(tensor_list(args, 0));
    ETCH_TRY(kern_str_opt(args, n_args, 1, &mode));
    int n = args[0].tensors.n;
    bool xy = etch_str_eqz(mode, "xy") && n >= 2;
    if (n != n_outs || n > ETCH_MAX_RANK) return ETCH_ERR(ETCH_INVALID, "meshgrid of %d tensors into %d", n, n_outs);
    int64_t want[ETCH_MAX_RANK];
    for (int k = 0; k < n; k++) {
        ETCH_TRY(kern_want_rank(args[0].tensors.p[k], "an operand of meshgrid", 0, 1));
        want[xy && k < 2 ? 1 - k : k] = etch_numel(args[0].tensors.p[k]);
    }
    for (int k = 0; k < n; k++) {
        const etch_tensor *t = args[0].tensors.p[k];
        int64_t src[ETCH_MAX_RANK] = { 0 }, dst[ETCH_MAX_RANK];
        ETCH_TRY(kern_want_sizes(outs[k], "an output of meshgrid", n, want));
        if (outs[k]->dtype != t->dtype) return ETCH_ERR(ETCH_INVALID, "meshgrid changes the dtype");
        src[xy && k < 2 ? 1 - k : k] = 1;
        etch_tensor_strides(outs[k], dst);
        kern_copy_nd(outs[k]->data, dst, t->data, src, want, n, etch_dtype_size(t->dtype));
    }
    return NULL;
}

// ---- padding ----

typedef enum { CONSTANT, REFLECT, REPLICATE, CIRCULAR } pad_mode;

// Where position i of a padded dim reads a dim of n with `lo` in front; -1: the constant.
static int64_t pad_index(int64_t i, int64_t lo, int64_t n, pad_mode mode)
{
    int64_t j = i - lo;
    if (j >= 0 && j < n) return j;
    switch (mode) {
    case REFLECT: return j < 0 ? -j : 2 * (n - 1) - j;
    case REPLICATE: return j < 0 ? 0 : n - 1;
    case CIRCULAR: return ((j % n) + n) % n;
    default: return -1;
    }
}

// `pad` lists (before, after) from the last dim backwards; negative pads cut (constant mode only).
static etch_status *pad(const etch_tensor *t, const kern_list *p, pad_mode mode, const etch_val *value, etch_tensor *out)
{
    int64_t lo[ETCH_MAX_RANK] = { 0 }, want[ETCH_MAX_RANK], ts[ETCH_MAX_RANK], os[ETCH_MAX_RANK];
    if (p->n % 2 || p->n / 2 > t->rank) return ETCH_ERR(ETCH_INVALID, "%d pads for rank %d", p->n, t->rank);
    if (out->dtype != t->dtype) return ETCH_ERR(ETCH_INVALID, "padding changes the dtype");
    for (int d = 0; d < t->rank; d++) {
        int k = t->rank - 1 - d;
        int64_t n = kern_size(t, d), a = k < p->n / 2 ? p->v[2 * k] : 0, b = k < p->n / 2 ? p->v[2 * k + 1] : 0;
        lo[d] = a;
        if (!etch_add_ok(n, a, &want[d]) || !etch_add_ok(want[d], b, &want[d]) || want[d] < 0 || a < -n || b < -n)
            return ETCH_ERR(ETCH_INVALID, "pads [%lld, %lld] of a size %lld", (long long)a, (long long)b, (long long)n);
        if (mode == REFLECT && (a >= n || b >= n) && (a > 0 || b > 0))
            return ETCH_ERR(ETCH_INVALID, "reflection pads [%lld, %lld] of a size %lld", (long long)a, (long long)b, (long long)n);
        if (mode != CONSTANT && !n && want[d]) return ETCH_ERR(ETCH_INVALID, "padding of an empty dim");
    }
    ETCH_TRY(kern_want_sizes(out, "the padded tensor", t->rank, want));
    int64_t total = etch_numel(out);
    if (!total) return NULL;
    size_t es = etch_dtype_size(t->dtype);
    etch_tensor_strides(t, ts);
    etch_tensor_strides(out, os);
    if (mode == CONSTANT) {  // fill, then the part that stays as one block
        int64_t part[ETCH_MAX_RANK], from = 0, to = 0;
        ETCH_TRY(kern_cast(out, value));
        for (int d = 0; d < t->rank; d++) {
            int64_t first = lo[d] < 0 ? -lo[d] : 0, n = kern_size(t, d), last = want[d] - lo[d] < n ? want[d] - lo[d] : n;
            part[d] = last > first ? last - first : 0;
            from += first * ts[d];
            to += (first + lo[d]) * os[d];
            if (!part[d]) return NULL;
        }
        kern_copy_nd((uint8_t *)out->data + (size_t)to * es, os, (const uint8_t *)t->data + (size_t)from * es, ts, part, t->rank, es);
        return NULL;
    }
    int64_t idx[ETCH_MAX_RANK] = { 0 };
    for (int64_t i = 0; i < total; i++) {
        int64_t at = 0;
        for (int d = 0; d < t->rank; d++) at += pad_index(idx[d], lo[d], kern_size(t, d), mode) * ts[d];
        memcpy((uint8_t *)out->data + (size_t)i * es, (const uint8_t *)t->data + (size_t)at * es, es);
        for (int d = t->rank - 1; d >= 0 && ++idx[d] == want[d]; d--) idx[d] = 0;
    }
    return NULL;
}
static etch_status *pad_args(const etch_val *args, int n_args, pad_mode mode, const etch_val *value, etch_tensor *out)
{
    const etch_tensor *t;
    kern_list p;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_ints(args, n_args, 1, &p));
    return pad(t, &p, mode, value, out);
}
static const etch_val zero = { .kind = ETCH_V_INT, .i = { 0, NULL } };

// constant_pad_nd(self, pad, value)
KERNEL(constant_pad_nd)
{
    KERN_BEGIN(2, 1);
    return pad_args(args, n_args, CONSTANT, kern_is_none(args, n_args, 2) ? &zero : &args[2], outs[0]);
}
KERNEL(reflection_pad) { KERN_BEGIN(2, 1); return pad_args(args, n_args, REFLECT, NULL, outs[0]); }
KERNEL(replication_pad) { KERN_BEGIN(2, 1); return pad_args(args, n_args, REPLICATE, NULL, outs[0]); }
// pad(self, pad, mode, value)
KERNEL(pad)
{
    KERN_BEGIN(2, 1);
    etch_str mode;
    ETCH_TRY(kern_str_opt(args, n_args, 2, &mode));
    pad_mode m = etch_str_eqz(mode, "reflect") ? REFLECT : etch_str_eqz(mode, "replicate") ? REPLICATE
                 : etch_str_eqz(mode, "circular") ? CIRCULAR : CONSTANT;
    if (m == CONSTANT && mode.len && !etch_str_eqz(mode, "constant")) return ETCH_ERR(ETCH_INVALID, "pad mode %.*s", ETCH_STR_ARGS(mode));
    return pad_args(args, n_args, m, kern_is_none(args, n_args, 3) ? &zero : &args[3], outs[0]);
}

// ---- repetition ----

// repeat_interleave(self, repeats (int or 1-D tensor), dim?, output_size): without a dim over the flattened tensor.
KERNEL(repeat_interleave)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t, *reps = NULL;
    etch_tensor *out = outs[0];
    int64_t n, inner = 1, outer = 1, one = 0, total = 0;
    ETCH_TRY(kern_tensor(args, 0, &t));
    n = etch_numel(t);
    if (!kern_is_none(args, n_args, 2)) {
        int d;
        ETCH_TRY(kern_dim(args, 2, t->rank, &d));
        if (t->rank) {
            n = kern_size(t, d);
            inner = kern_prod(t, d + 1, t->rank);
            outer = kern_prod(t, 0, d);
        }
    }
    if (args[1].kind == ETCH_V_TENSOR) {
        reps = args[1].t;
        ETCH_TRY(kern_want_index(reps, "repeats"));
        if (reps->rank > 1 || (etch_numel(reps) != n && etch_numel(reps) != 1)) return ETCH_ERR(ETCH_INVALID, "repeats has the wrong size");
        if (etch_numel(reps) == 1) one = kern_get_index(reps, 0), reps = NULL;
    } else {
        ETCH_TRY(kern_int(args, 1, &one));
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t r = reps ? kern_get_index(reps, i) : one;
        if (r < 0 || !etch_add_ok(total, r, &total)) return ETCH_ERR(ETCH_INVALID, "repeats of %lld", (long long)r);
    }
    int64_t all;
    if (!etch_mul_ok(total, inner, &all) || !etch_mul_ok(all, outer, &all) || all != etch_numel(out))
        return ETCH_ERR(ETCH_INVALID, "repeat_interleave: the output does not fit");
    for (int64_t o = 0, to = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t r = reps ? kern_get_index(reps, i) : one; r > 0; r--, to += inner)
                kern_copy_cast(out->data, out->dtype, to, t->data, t->dtype, (o * n + i) * inner, inner);
    return NULL;
}

// repeat_interleave.Tensor(repeats): index i repeated repeats[i] times.
KERNEL(repeat_interleave_repeats)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    int64_t at = 0, room = etch_numel(outs[0]);
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_want_index(t, "repeats"));
    ETCH_TRY(kern_want_index(outs[0], "the output"));
    for (int64_t i = 0, n = etch_numel(t); i < n; i++) {
        int64_t r = kern_get_index(t, i);
        if (r < 0 || r > room - at) return ETCH_ERR(ETCH_INVALID, "repeat_interleave: the output does not fit");
        for (; r > 0; r--) etch_store_int(outs[0]->data, outs[0]->dtype, at++, i);
    }
    return at == room ? NULL : ETCH_ERR(ETCH_INVALID, "repeat_interleave: the output does not fit");
}

// ---- blocks of pixels ----

// pixel_shuffle [..., C r r, H, W] -> [..., C, H r, W r] and back.
static etch_status *shuffle(const etch_val *args, etch_tensor *out, bool up)
{
    const etch_tensor *t;
    int64_t r;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_int(args, 1, &r));
    if (t->rank < 3 || r <= 0 || r > 65535 || out->rank != t->rank || out->dtype != t->dtype)
        return ETCH_ERR(ETCH_INVALID, "pixel_shuffle of rank %d by %lld", t->rank, (long long)r);
    const etch_tensor *small = up ? t : out, *big = up ? out : t;  // small: [C r r, H, W]
    int k = t->rank;
    int64_t c = kern_size(big, k - 3), h = kern_size(small, k - 2), w = kern_size(small, k - 1), n = kern_prod(t, 0, k - 3);
    bool ok = kern_size(small, k - 3) == c * r * r && kern_size(big, k - 2) == h * r && kern_size(big, k - 1) == w * r;
    for (int d = 0; ok && d < k - 3; d++) ok = kern_size(t, d) == kern_size(out, d);
    if (!ok) return ETCH_ERR(ETCH_INVALID, "pixel_shuffle: the output does not fit");
    // Dims n, c, i, j, h, w of the small side and their strides in the big one.
    int64_t sizes[6] = { n, c, r, r, h, w }, ss[6] = { c * r * r * h * w, r * r * h * w, r * h * w, h * w, w, 1 };
    int64_t bs[6] = { c * r * r * h * w, r * r * h * w, w * r, 1, r * w * r, r };
    kern_copy_nd(out->data, up ? bs : ss, t->data, up ? ss : bs, sizes, 6, etch_dtype_size(t->dtype));
    return NULL;
}
KERNEL(pixel_shuffle) { KERN_BEGIN(2, 1); return shuffle(args, outs[0], true); }
KERNEL(pixel_unshuffle) { KERN_BEGIN(2, 1); return shuffle(args, outs[0], false); }

// ---- writing a part ----

// out = self, then the part of `out` that starts at `offset` with `strides` takes src (sizes of src, cast).
static etch_status *put_part(const etch_tensor *self, const etch_tensor *src, int64_t offset, const int64_t *strides, const int64_t *sizes,
                             int rank, etch_tensor *out)
{
    ETCH_TRY(kern_want_same(self, out));
    if (out->dtype != self->dtype) return ETCH_ERR(ETCH_INVALID, "a scatter changes the dtype");
    ETCH_TRY(kern_want_sizes(src, "the source", rank, sizes));
    kern_copy_cast(out->data, out->dtype, 0, self->data, self->dtype, 0, etch_numel(self));
    if (!etch_numel(src)) return NULL;
    int64_t ss[ETCH_MAX_RANK];
    etch_tensor_strides(src, ss);
    size_t es = etch_dtype_size(out->dtype);
    if (src->dtype == out->dtype) {
        kern_copy_nd((uint8_t *)out->data + (size_t)offset * es, strides, src->data, ss, sizes, rank, es);
        return NULL;
    }
    int64_t idx[ETCH_MAX_RANK] = { 0 };
    for (int64_t i = 0, n = etch_numel(src); i < n; i++) {
        int64_t at = offset;
        for (int d = 0; d < rank; d++) at += idx[d] * strides[d];
        kern_copy_cast(out->data, out->dtype, at, src->data, src->dtype, i, 1);
        for (int d = rank - 1; d >= 0 && ++idx[d] == sizes[d]; d--) idx[d] = 0;
    }
    return NULL;
}

// select_scatter(self, src, dim, index)
KERNEL(select_scatter)
{
    KERN_BEGIN(4, 1);
    const etch_tensor *self, *src;
    int d;
    int64_t i, ts[ETCH_MAX_RANK], strides[ETCH_MAX_RANK], sizes[ETCH_MAX_RANK];
    ETCH_TRY(kern_tensor(args, 0, &self));
    ETCH_TRY(kern_tensor(args, 1, &src));
    ETCH_TRY(kern_dim(args, 2, self->rank, &d));
    ETCH_TRY(kern_int(args, 3, &i));
    if (!self->rank || i < -kern_size(self, d) || i >= kern_size(self, d))
        return ETCH_ERR(ETCH_INVALID, "select_scatter at %lld", (long long)i);
    if (i < 0) i += kern_size(self, d);
    etch_tensor_strides(self, ts);
    for (int k = 0; k < self->rank; k++) {
        if (k == d) continue;
        strides[k - (k > d)] = ts[k];
        sizes[k - (k > d)] = kern_size(self, k);
    }
    return put_part(self, src, i * ts[d], strides, sizes, self->rank - 1, outs[0]);
}

// slice_scatter(self, src, dim, start, end, step)
KERNEL(slice_scatter)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *self, *src;
    int d;
    int64_t dim, start, end, step, strides[ETCH_MAX_RANK], sizes[ETCH_MAX_RANK];
    ETCH_TRY(kern_tensor(args, 0, &self));
    ETCH_TRY(kern_tensor(args, 1, &src));
    ETCH_TRY(kern_int_opt(args, n_args, 2, 0, &dim));
    ETCH_TRY(kern_int_opt(args, n_args, 3, 0, &start));
    ETCH_TRY(kern_int_opt(args, n_args, 4, INT64_MAX, &end));
    ETCH_TRY(kern_int_opt(args, n_args, 5, 1, &step));
    ETCH_TRY(kern_wrap_dim(dim, self->rank, &d));
    if (!self->rank || step <= 0) return ETCH_ERR(ETCH_INVALID, "slice_scatter of rank %d with step %lld", self->rank, (long long)step);
    int64_t n = kern_size(self, d);
    start = start < 0 ? (start + n < 0 ? 0 : start + n) : start > n ? n : start;
    end = end < 0 ? (end + n < 0 ? 0 : end + n) : end > n ? n : end;
    etch_tensor_strides(self, strides);
    for (int k = 0; k < self->rank; k++) sizes[k] = kern_size(self, k);
    sizes[d] = end > start ? (end - start - 1) / step + 1 : 0;
    int64_t offset = start * strides[d];
    if (sizes[d] > 1) strides[d] *= step;
    return put_part(self, src, offset, strides, sizes, self->rank, outs[0]);
}
