// Advanced indexing: index, index_put. In: a tensor and a list of index tensors (integers that broadcast together, or masks).
// Out: the gathered elements, or a copy of self with the elements replaced or added to. Indices are checked before anything is written.
#include "kern/copy.h"
#include "kern/elem.h"

typedef struct one { const void *data; bool wide; int dim; int64_t stride[ETCH_MAX_RANK]; int rank; int64_t size[ETCH_MAX_RANK]; } one;

typedef struct plan {
    int n;                                      // index tensors; `one` per indexed dim
    one idx[ETCH_MAX_RANK];
    int joint_rank;                             // their common shape
    int64_t joint[ETCH_MAX_RANK], n_joint;
    bool apart;                                 // indexed dims are not neighbours: the joint dims come first in the result
    int n_kept;                                 // dims of self that are not indexed and stand before the last indexed one
    int64_t kept_size[ETCH_MAX_RANK], kept_stride[ETCH_MAX_RANK], kept_total;
    int64_t inner;                              // elements behind the last indexed dim,
    int n_inner;                                // in so many dims
    int rank;                                   // the result
    int64_t size[ETCH_MAX_RANK];
    int64_t self_stride[ETCH_MAX_RANK], self_size[ETCH_MAX_RANK];
} plan;

// A mask of k dims as k lists of coordinates.
static etch_status *expand_mask(etch_kern_cx *cx, const etch_tensor *m, plan *p, int at)
{
    const uint8_t *v = m->data;
    int64_t n = etch_numel(m), count = 0;
    for (int64_t i = 0; i < n; i++) count += v[i] != 0;
    int64_t *lists = NULL;
    size_t bytes;
    if (!etch_mul_ok((size_t)count, sizeof(int64_t) * (size_t)(m->rank ? m->rank : 1), &bytes))
        return ETCH_ERR(ETCH_INVALID, "a mask too large");
    ETCH_TRY(kern_scratch(cx, bytes, &lists));
    for (int64_t i = 0, k = 0; i < n; i++) {
        if (!v[i]) continue;
        int64_t rest = i;
        for (int d = m->rank - 1; d >= 0; d--) {
            lists[d * count + k] = rest % kern_size(m, d);
            rest /= kern_size(m, d);
        }
        k++;
    }
    for (int d = 0; d < m->rank; d++)
        p->idx[p->n++] = (one){ .data = lists + d * count, .wide = true, .dim = at + d, .rank = 1, .size = { count } };
    return NULL;
}

static int64_t index_value(const one *o, int64_t at) { return o->wide ? ((const int64_t *)o->data)[at] : ((const int32_t *)o->data)[at]; }

// Offset of joint position j in index tensor o.
static int64_t index_offset(const plan *p, const one *o, int64_t j)
{
    int64_t at = 0;
    for (int d = p->joint_rank - 1; d >= 0; d--) {
        at += j % p->joint[d] * o->stride[d];
        j /= p->joint[d];
    }
    return at;
}

static etch_status *plan_make(etch_kern_cx *cx, const etch_tensor *self, const etch_val *list, plan *p)
{
    if (list->kind != ETCH_V_TENSORS && !(list->kind == ETCH_V_INTS && list->ints.n == 0))
        return ETCH_ERR(ETCH_INVALID, "indices are not a list of tensors");
    *p = (plan){ .inner = 1, .kept_total = 1, .n_joint = 1 };
    int at = 0;
    for (int i = 0; i < list->tensors.n; i++) {
        const etch_tensor *t = list->tensors.p[i];
        if (!t) {
            at++;
            continue;
        }
        bool mask = t->dtype == ETCH_BOOL || t->dtype == ETCH_U8;
        int k = mask ? t->rank : 1;
        if (at + k > self->rank || at + k > ETCH_MAX_RANK || (mask && !t->rank)) return ETCH_ERR(ETCH_INVALID, "more indices than dims");
        if (mask) {
            for (int d = 0; d < k; d++)
                if (kern_size(t, d) != kern_size(self, at + d)) return ETCH_ERR(ETCH_INVALID, "a mask does not fit the indexed dims");
            ETCH_TRY(expand_mask(cx, t, p, at));
        } else {
            ETCH_TRY(kern_want_in_range(t, "an index", kern_size(self, at), true));
            one *o = &p->idx[p->n++];
            *o = (one){ .data = t->data, .wide = t->dtype == ETCH_I64, .dim = at, .rank = t->rank };
            for (int d = 0; d < t->rank; d++) o->size[d] = kern_size(t, d);
        }
        at += k;
    }
    if (!p->n) return ETCH_ERR(ETCH_INVALID, "no index");
    // The joint shape.
    for (int k = 0; k < p->n; k++)
        if (p->idx[k].rank > p->joint_rank) p->joint_rank = p->idx[k].rank;
    for (int d = 0; d < p->joint_rank; d++) p->joint[d] = 1;
    for (int k = 0; k < p->n; k++) {
        one *o = &p->idx[k];
        int pad = p->joint_rank - o->rank;
        for (int d = 0; d < o->rank; d++) {
            int64_t *j = &p->joint[pad + d];
            if (o->size[d] != 1 && *j != 1 && *j != o->size[d]) return ETCH_ERR(ETCH_INVALID, "index tensors do not broadcast");
            if (o->size[d] != 1) *j = o->size[d];
        }
        int64_t s = 1;
        for (int d = o->rank - 1; d >= 0; d--) {
            o->stride[pad + d] = o->size[d] == 1 ? 0 : s;
            s *= o->size[d];
        }
    }
    for (int d = 0; d < p->joint_rank; d++)
        if (!etch_mul_ok(p->n_joint, p->joint[d], &p->n_joint)) return ETCH_ERR(ETCH_INVALID, "indices too large");
    // Dims of self and of the result.
    int first = p->idx[0].dim, last = p->idx[p->n - 1].dim;
    p->apart = last - first + 1 != p->n;
    etch_tensor_strides(self, p->self_stride);
    for (int d = 0, k = 0; d < self->rank; d++) {
        p->self_size[d] = kern_size(self, d);
        if (k < p->n && p->idx[k].dim == d) {
            k++;
        } else if (d < last) {
            p->kept_size[p->n_kept] = kern_size(self, d);
            p->kept_stride[p->n_kept++] = p->self_stride[d];
            p->kept_total *= kern_size(self, d);
        } else {
            p->inner *= kern_size(self, d);
        }
    }
    if (self->rank - p->n + p->joint_rank > ETCH_MAX_RANK)
        return ETCH_ERR(ETCH_INVALID, "a result of rank %d", self->rank - p->n + p->joint_rank);
    if (p->apart)
        for (int d = 0; d < p->joint_rank; d++) p->size[p->rank++] = p->joint[d];
    for (int d = 0; d < p->n_kept; d++) p->size[p->rank++] = p->kept_size[d];
    if (!p->apart)
        for (int d = 0; d < p->joint_rank; d++) p->size[p->rank++] = p->joint[d];
    p->n_inner = self->rank - 1 - last;
    for (int d = last + 1; d < self->rank; d++) p->size[p->rank++] = kern_size(self, d);
    return NULL;
}

// Where block (kept, j) starts in self.
static int64_t self_offset(const plan *p, int64_t kept, int64_t j)
{
    int64_t at = 0;
    for (int d = p->n_kept - 1; d >= 0; d--) {
        at += kept % p->kept_size[d] * p->kept_stride[d];
        kept /= p->kept_size[d];
    }
    for (int k = 0; k < p->n; k++) {
        const one *o = &p->idx[k];
        int64_t v = index_value(o, p->joint_rank == 1 ? j * o->stride[0] : index_offset(p, o, j));
        at += (v < 0 ? v + p->self_size[o->dim] : v) * p->self_stride[o->dim];
    }
    return at;
}
// The block's number in the result.
static int64_t block_number(const plan *p, int64_t kept, int64_t j) { return p->apart ? j * p->kept_total + kept : kept * p->n_joint + j; }

// index(self, indices)
KERNEL(index)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *self;
    etch_tensor *out = outs[0];
    plan p;
    ETCH_TRY(kern_tensor(args, 0, &self));
    ETCH_TRY(plan_make(cx, self, &args[1], &p));
    ETCH_TRY(kern_want_sizes(out, "the output of index", p.rank, p.size));
    for (int64_t kept = 0; kept < p.kept_total; kept++)
        for (int64_t j = 0; j < p.n_joint; j++)
            kern_copy_cast(out->data, out->dtype, block_number(&p, kept, j) * p.inner, self->data, self->dtype, self_offset(&p, kept, j),
                           p.inner);
    return NULL;
}

// ---- index_put ----

// dst[at, at + n) takes or adds src[from ...], step 1 or 0.
static void put(etch_tensor *dst, int64_t at, const etch_tensor *src, int64_t from, int64_t step, int64_t n, bool add)
{
    if (!add && step == 1) {
        kern_copy_cast(dst->data, dst->dtype, at, src->data, src->dtype, from, n);
        return;
    }
    bool real = kern_ctype_of(dst->dtype) != KERN_I64;
    for (int64_t i = 0; i < n; i++, from += step) {
        if (!add) kern_copy_cast(dst->data, dst->dtype, at + i, src->data, src->dtype, from, 1);
        else if (real)
            etch_store_double(dst->data, dst->dtype, at + i,
                              etch_load_double(dst->data, dst->dtype, at + i) + etch_load_double(src->data, src->dtype, from));
        else
            etch_store_int(dst->data, dst->dtype, at + i,
                           kern_wadd(etch_load_int(dst->data, dst->dtype, at + i), etch_load_int(src->data, src->dtype, from)));
    }
}

static etch_status *index_put(etch_kern_cx *cx, const etch_tensor *self, const etch_val *args, int n_args, etch_tensor *dst)
{
    const etch_tensor *v;
    bool add = false;
    plan p;
    ETCH_TRY(kern_tensor(args, 2, &v));
    if (!kern_is_none(args, n_args, 3)) ETCH_TRY(kern_bool(args, 3, &add));
    ETCH_TRY(plan_make(cx, self, &args[1], &p));
    ETCH_TRY(kern_want_same(self, dst));
    if (dst->dtype != self->dtype) return ETCH_ERR(ETCH_INVALID, "index_put changes the dtype");
    // Strides of the values, broadcast to the result.
    int64_t vs[ETCH_MAX_RANK], own[ETCH_MAX_RANK];
    int pad = p.rank - v->rank;
    if (pad < 0) {  // leading ones do not matter
        for (int d = 0; d < -pad; d++)
            if (kern_size(v, d) != 1) return ETCH_ERR(ETCH_INVALID, "values of rank %d for %d dims", v->rank, p.rank);
    }
    etch_tensor_strides(v, own);
    for (int d = 0; d < p.rank; d++) {
        int64_t n = d < pad ? 1 : kern_size(v, d - pad);
        if (n != 1 && n != p.size[d]) return ETCH_ERR(ETCH_INVALID, "values do not broadcast to the indexed elements");
        vs[d] = n == 1 ? 0 : own[d - pad];
    }
    if (self->data != dst->data) kern_copy_cast(dst->data, dst->dtype, 0, self->data, self->dtype, 0, etch_numel(self));
    // The inner dims of the values: contiguous, one value, or neither (then element by element).
    bool flat = true, single = true;
    int64_t expect = 1;
    for (int d = p.rank - 1; d >= p.rank - p.n_inner; d--) {
        if (p.size[d] != 1) {
            flat = flat && vs[d] == expect;
            single = single && vs[d] == 0;
        }
        expect *= p.size[d];
    }
    if (!p.inner) return NULL;
    for (int64_t kept = 0; kept < p.kept_total; kept++)
        for (int64_t j = 0; j < p.n_joint; j++) {
            int64_t at = self_offset(&p, kept, j), rest = block_number(&p, kept, j), from = 0;
            for (int d = p.rank - p.n_inner - 1; d >= 0; d--) {
                from += rest % p.size[d] * vs[d];
                rest /= p.size[d];
            }
            if (flat || single) {
                put(dst, at, v, from, single && !flat ? 0 : 1, p.inner, add);
                continue;
            }
            for (int64_t i = 0; i < p.inner; i++) {
                int64_t r = i, e = from;
                for (int d = p.rank - 1; d >= p.rank - p.n_inner; d--) {
                    e += r % p.size[d] * vs[d];
                    r /= p.size[d];
                }
                put(dst, at + i, v, e, 1, 1, add);
            }
        }
    return NULL;
}
// index_put(self, indices, values, accumulate)
KERNEL(index_put)
{
    KERN_BEGIN(3, 1);
    const etch_tensor *self;
    ETCH_TRY(kern_tensor(args, 0, &self));
    return index_put(cx, self, args, n_args, outs[0]);
}
// index_put_: writes self; an output that is not self's memory gets a copy.
KERNEL(index_put_)
{
    KERN_BEGIN(3, 0);
    const etch_tensor *self;
    ETCH_TRY(kern_tensor(args, 0, &self));
    ETCH_TRY(index_put(cx, self, args, n_args, args[0].t));
    if (!n_outs || outs[0]->data == self->data) return NULL;
    ETCH_TRY(kern_want_same(self, outs[0]));
    kern_copy_cast(outs[0]->data, outs[0]->dtype, 0, self->data, self->dtype, 0, etch_numel(self));
    return NULL;
}
