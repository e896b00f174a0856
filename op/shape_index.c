// Shape rules of indexed reads. Scatters keep the type of self (rule `unary`).
#include "op/shape_util.h"

// Number of nonzero elements, from the data.
static etch_status *count_true(const etch_tensor *t, int64_t *out)
{
    *out = 0;
    int64_t n;
    if (!etch_tensor_numel(t, &n)) return shape_mismatch("too many elements", "mask", t, NULL, NULL);
    if (etch_tensor_is_dynamic(t) || (!t->data && n > 0))
        return ETCH_ERR(ETCH_UNSUPPORTED, "the result's size depends on data that is not known while tracing");
    for (int64_t i = 0; i < n; i++) {
        if (t->dtype == ETCH_C64) {
            const float *c = (const float *)t->data + 2 * i;
            *out += c[0] != 0.0f || c[1] != 0.0f;
        } else {
            *out += etch_load_double(t->data, t->dtype, i) != 0.0;
        }
    }
    return NULL;
}

// nonzero(self) -> i64[n, rank]
SHAPE(nonzero)
{
    TENSOR(t, 0);
    int64_t n;
    ETCH_TRY(count_true(t, &n));
    etch_dim sizes[2] = { DIM(n), DIM(t->rank) };
    return shape_set(outs, 0, ETCH_I64, 2, sizes);
}

// masked_select(self, mask) -> [n]
SHAPE(masked_select)
{
    TENSOR(self, 0);
    TENSOR(mask, 1);
    etch_tensor r = { .rank = 0 };
    ETCH_TRY(shape_broadcast(cx, &r, self));
    ETCH_TRY(shape_broadcast(cx, &r, mask));
    int64_t n, all, own;
    ETCH_TRY(count_true(mask, &n));
    if (!etch_tensor_numel(&r, &all) || !etch_tensor_numel(mask, &own))
        return shape_mismatch("too many elements", "self", self, "mask", mask);
    etch_dim size = DIM(own ? n * (all / own) : 0);
    return shape_set(outs, 0, self->dtype, 1, &size);
}

// index(self, indices): Tensor?[]; index tensors broadcast together and replace their dims; a bool mask of k dims stands for k index
// tensors.
SHAPE(index)
{
    TENSOR(self, 0);
    const etch_val *v = ARG(1);
    if (v->kind != ETCH_V_TENSORS) return ETCH_ERR(ETCH_INVALID, "index needs a list of tensors");
    etch_tensor joint = { .rank = 0 };
    int at = 0, first = -1, last = -1;      // dims of self: the next one, those indexed
    bool indexed[ETCH_MAX_RANK] = { false }, apart = false;
    for (int i = 0; i < v->tensors.n; i++) {
        const etch_tensor *t = v->tensors.p[i];
        if (!t) {
            at++;
            continue;
        }
        bool is_mask = t->dtype == ETCH_BOOL || t->dtype == ETCH_U8;
        int k = is_mask ? t->rank : 1;
        if (at + k > self->rank) return shape_mismatch("too many indices", "self", self, "index", t);
        etch_tensor one = *t;
        if (is_mask) {
            int64_t n;
            for (int d = 0; d < k; d++) {
                bool ok;
                ETCH_TRY(shape_equal(cx, t->sizes[d], self->sizes[at + d], &ok));
                if (!ok) return shape_mismatch("a mask differs from the indexed dims", "self", self, "mask", t);
            }
            ETCH_TRY(count_true(t, &n));
            one = (etch_tensor){ .dtype = ETCH_I64, .rank = 1 };
            one.sizes[0] = DIM(n);
        } else if (!etch_dtype_is_int(t->dtype)) {
            return shape_mismatch("indices must be integers or bool", "index", t, NULL, NULL);
        }
        if (last >= 0 && at != last + 1) apart = true;
        if (first < 0) first = at;
        for (int d = 0; d < k; d++) indexed[at + d] = true;
        at += k;
        last = at - 1;
        ETCH_TRY(shape_broadcast(cx, &joint, &one));
    }
    if (at > self->rank) return shape_mismatch("too many indices", "self", self, NULL, NULL);
    etch_dim sizes[2 * ETCH_MAX_RANK];
    int n = 0, place = first < 0 || apart ? 0 : first;  // indices that are apart move to the front
    for (int i = 0; i <= self->rank; i++) {
        if (i == place && first >= 0)
            for (int d = 0; d < joint.rank; d++) sizes[n++] = joint.sizes[d];
        if (i < self->rank && !indexed[i]) sizes[n++] = self->sizes[i];
    }
    return shape_set(outs, 0, self->dtype, n, sizes);
}

// index_select(self, dim, index)
SHAPE(index_select)
{
    TENSOR(self, 0);
    TENSOR(index, 2);
    int axis;
    ETCH_TRY(shape_axis(ARG(1), self->rank, &axis));
    if (index->rank > 1) return shape_mismatch("index_select needs an index of 1 dim", "self", self, "index", index);
    etch_tensor r = *self;
    if (self->rank) r.sizes[axis] = index->rank ? index->sizes[0] : DIM(1);
    return shape_set_like(outs, 0, self->dtype, &r);
}

// gather(self, dim, index)
SHAPE(gather)
{
    TENSOR(self, 0);
    TENSOR(index, 2);
    int axis;
    ETCH_TRY(shape_axis(ARG(1), self->rank, &axis));
    if ((self->rank ? self->rank : 1) != (index->rank ? index->rank : 1))
        return shape_mismatch("gather needs as many dims in index as in self", "self", self, "index", index);
    return shape_set_like(outs, 0, self->dtype, index);
}

// take_along_dim(self, indices, dim?): dims other than `dim` broadcast
SHAPE(take_along_dim)
{
    TENSOR(self, 0);
    TENSOR(index, 1);
    etch_dim n;
    if (ARG(2)->kind == ETCH_V_NONE) {
        ETCH_TRY(shape_product(cx, index->sizes, 0, index->rank, &n));
        return shape_set(outs, 0, self->dtype, 1, &n);
    }
    int axis;
    ETCH_TRY(shape_axis(ARG(2), self->rank, &axis));
    if (self->rank != index->rank) return shape_mismatch("take_along_dim needs equal numbers of dims", "self", self, "indices", index);
    etch_tensor a = *self, r = { .rank = 0 };
    if (a.rank) a.sizes[axis] = index->sizes[axis];
    ETCH_TRY(shape_broadcast(cx, &r, &a));
    ETCH_TRY(shape_broadcast(cx, &r, index));
    return shape_set_like(outs, 0, self->dtype, &r);
}

// take(self, index)
SHAPE(take)
{
    TENSOR(self, 0);
    TENSOR(index, 1);
    return shape_set_like(outs, 0, self->dtype, index);
}

// Rows of `width` elements for every index.
static etch_status *rows(etch_outs *outs, const etch_tensor *index, etch_dtype d, etch_dim width)
{
    etch_tensor r = *index;
    if (!etch_dtype_is_int(index->dtype)) return shape_mismatch("indices must be integers", "indices", index, NULL, NULL);
    if (r.rank >= ETCH_MAX_RANK) return shape_mismatch("embedding gives too many dims", "indices", index, NULL, NULL);
    r.sizes[r.rank++] = width;
    return shape_set_like(outs, 0, d, &r);
}

// embedding(weight, indices, ...)
SHAPE(embedding)
{
    TENSOR(weight, 0);
    TENSOR(index, 1);
    if (weight->rank != 2) return shape_mismatch("embedding needs a weight of 2 dims", "weight", weight, NULL, NULL);
    return rows(outs, index, weight->dtype, weight->sizes[1]);
}

// embedding_byte(weight, weight_scales, weight_zero_points, weight_quant_min, weight_quant_max, indices, *, dtype): `pack` columns a byte
static etch_status *packed_rows(etch_shape_cx *cx, const etch_val *args, int n_args, etch_outs *outs, int pack)
{
    TENSOR(weight, 0);
    TENSOR(scales, 1);
    TENSOR(index, 5);
    etch_dtype d;
    etch_dim width;
    if (weight->rank != 2) return shape_mismatch("embedding needs a weight of 2 dims", "weight", weight, NULL, NULL);
    ETCH_TRY(shape_dtype(ARG(6), scales->dtype, &d));
    MUL(weight->sizes[1], DIM(pack), &width);
    return rows(outs, index, d, width);
}

SHAPE(embedding_byte) { return packed_rows(cx, args, n_args, outs, 1); }
SHAPE(embedding_4bit) { return packed_rows(cx, args, n_args, outs, 2); }
SHAPE(embedding_2bit) { return packed_rows(cx, args, n_args, outs, 4); }

// one_hot(self, num_classes)
SHAPE(one_hot)
{
    TENSOR(t, 0);
    int64_t n;
    ETCH_TRY(shape_int(ARG(1), -1, &n));
    if (n < 0) {
        int64_t count, most = -1;
        if (!t->data || etch_tensor_is_dynamic(t) || !etch_tensor_numel(t, &count))
            return ETCH_ERR(ETCH_UNSUPPORTED, "one_hot without num_classes on data that is not known while tracing");
        for (int64_t i = 0; i < count; i++) {
            int64_t x = etch_load_int(t->data, t->dtype, i);
            most = x > most ? x : most;
        }
        n = most < INT64_MAX ? most + 1 : most;
    }
    etch_tensor r = *t;
    if (r.rank >= ETCH_MAX_RANK) return shape_mismatch("one_hot gives too many dims", "self", t, NULL, NULL);
    r.sizes[r.rank++] = DIM(n);
    return shape_set_like(outs, 0, ETCH_I64, &r);
}

static etch_status *check_cache(etch_shape_cx *cx, const etch_tensor *value, const etch_tensor *cache)
{
    bool ok = value->rank == 4 && cache->rank == 4 && value->dtype == cache->dtype;
    for (int i = 0; ok && i < 4; i++)
        if (i != 1) ETCH_TRY(shape_equal(cx, value->sizes[i], cache->sizes[i], &ok));
    return ok ? NULL : shape_mismatch("update_cache needs [B, S, H, D] and [B, Smax, H, D]", "value", value, "cache", cache);
}

// llama::update_cache(value [B, S, H, D], cache [B, Smax, H, D] (written), ...) -> a dummy [1]
SHAPE(update_cache)
{
    TENSOR(value, 0);
    TENSOR(cache, 1);
    ETCH_TRY(check_cache(cx, value, cache));
    etch_dim one = DIM(1);
    return shape_set(outs, 0, value->dtype, 1, &one);
}

// etch::update_cache*(value [B, S, H, D], cache [B, Smax, H, D], ...) -> the new cache
SHAPE(updated_cache)
{
    TENSOR(value, 0);
    TENSOR(cache, 1);
    ETCH_TRY(check_cache(cx, value, cache));
    return shape_set_like(outs, 0, cache->dtype, cache);
}

// the same in place: the cache, and the dummy [1] that llama::update_cache returns
SHAPE(updated_cache_inplace)
{
    ETCH_TRY(shape_updated_cache(cx, args, n_args, outs));
    etch_dim one = DIM(1);
    return shape_set(outs, 1, args[0].t->dtype, 1, &one);
}
