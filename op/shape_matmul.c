// Shape rules of matrix products and what is built on them.
#include "op/shape_util.h"

static etch_status *same_type(const char *what, const char *na, const etch_tensor *a, const char *nb, const etch_tensor *b)
{
    if (a->dtype == b->dtype) return NULL;
    etch_status *s = shape_mismatch("operands must have one type", na, a, nb, b);
    return etch_status_frame(s, __FILE__, __LINE__, "%s", what);
}

static etch_status *need_equal(etch_shape_cx *cx, const char *what, const char *na, const etch_tensor *a, etch_dim da, const char *nb,
                               const etch_tensor *b, etch_dim db)
{
    bool ok;
    ETCH_TRY(shape_equal(cx, da, db, &ok));
    return ok ? NULL : shape_mismatch(what, na, a, nb, b);
}

// linear(input [*, K], weight [N, K] or [K], bias?) -> [*, N]
SHAPE(linear)
{
    TENSOR(x, 0);
    TENSOR(w, 1);
    if (x->rank < 1 || w->rank < 1 || w->rank > 2)
        return shape_mismatch("linear needs input [*, K] and weight [N, K]", "input", x, "weight", w);
    ETCH_TRY(need_equal(cx, "linear needs input [*, K] and weight [N, K]", "input", x, x->sizes[x->rank - 1], "weight", w,
                        w->sizes[w->rank - 1]));
    ETCH_TRY(same_type("linear", "input", x, "weight", w));
    etch_tensor r = *x;
    if (w->rank == 2) r.sizes[r.rank - 1] = w->sizes[0];
    else r.rank--;
    return shape_set_like(outs, 0, x->dtype, &r);
}

// [N, K] x [K, M]
static etch_status *mm(etch_shape_cx *cx, const etch_tensor *a, const etch_tensor *b, etch_tensor *r)
{
    if (a->rank != 2 || b->rank != 2) return shape_mismatch("mm needs two matrices", "self", a, "mat2", b);
    ETCH_TRY(need_equal(cx, "mm needs [N, K] and [K, M]", "self", a, a->sizes[1], "mat2", b, b->sizes[0]));
    ETCH_TRY(same_type("mm", "self", a, "mat2", b));
    *r = (etch_tensor){ .dtype = a->dtype, .rank = 2 };
    r->sizes[0] = a->sizes[0];
    r->sizes[1] = b->sizes[1];
    return NULL;
}

SHAPE(mm)
{
    TENSOR(a, 0);
    TENSOR(b, 1);
    etch_tensor r;
    ETCH_TRY(mm(cx, a, b, &r));
    return shape_set_like(outs, 0, r.dtype, &r);
}

// [B, N, K] x [B, K, M]
static etch_status *bmm(etch_shape_cx *cx, const etch_tensor *a, const etch_tensor *b, etch_tensor *r)
{
    if (a->rank != 3 || b->rank != 3) return shape_mismatch("bmm needs two tensors of 3 dims", "self", a, "mat2", b);
    ETCH_TRY(need_equal(cx, "bmm needs one batch size", "self", a, a->sizes[0], "mat2", b, b->sizes[0]));
    ETCH_TRY(need_equal(cx, "bmm needs [B, N, K] and [B, K, M]", "self", a, a->sizes[2], "mat2", b, b->sizes[1]));
    ETCH_TRY(same_type("bmm", "self", a, "mat2", b));
    *r = (etch_tensor){ .dtype = a->dtype, .rank = 3 };
    r->sizes[0] = a->sizes[0];
    r->sizes[1] = a->sizes[1];
    r->sizes[2] = b->sizes[2];
    return NULL;
}

SHAPE(bmm)
{
    TENSOR(a, 0);
    TENSOR(b, 1);
    etch_tensor r;
    ETCH_TRY(bmm(cx, a, b, &r));
    return shape_set_like(outs, 0, r.dtype, &r);
}

// self must broadcast to r.
static etch_status *add_to(etch_shape_cx *cx, etch_outs *outs, const etch_tensor *self, const etch_tensor *r)
{
    etch_tensor joint = *r;
    ETCH_TRY(shape_broadcast(cx, &joint, self));
    bool ok = joint.rank == r->rank;
    for (int i = 0; ok && i < r->rank; i++) ok = joint.sizes[i].v == r->sizes[i].v;
    if (!ok) return shape_mismatch("self does not broadcast to the product", "self", self, "product", r);
    ETCH_TRY(same_type("addition to a product", "self", self, "product", r));
    return shape_set_like(outs, 0, r->dtype, r);
}

// addmm(self, mat1, mat2, *, beta, alpha)
SHAPE(addmm)
{
    TENSOR(self, 0);
    TENSOR(a, 1);
    TENSOR(b, 2);
    etch_tensor r;
    ETCH_TRY(mm(cx, a, b, &r));
    return add_to(cx, outs, self, &r);
}

// baddbmm(self, batch1, batch2, *, beta, alpha)
SHAPE(baddbmm)
{
    TENSOR(self, 0);
    TENSOR(a, 1);
    TENSOR(b, 2);
    etch_tensor r;
    ETCH_TRY(bmm(cx, a, b, &r));
    return add_to(cx, outs, self, &r);
}

// addbmm(self, batch1, batch2): the batch is summed
SHAPE(addbmm)
{
    TENSOR(self, 0);
    TENSOR(a, 1);
    TENSOR(b, 2);
    etch_tensor r;
    ETCH_TRY(bmm(cx, a, b, &r));
    r.rank = 2;
    r.sizes[0] = r.sizes[1];
    r.sizes[1] = r.sizes[2];
    return add_to(cx, outs, self, &r);
}

static etch_status *mv(etch_shape_cx *cx, const etch_tensor *m, const etch_tensor *v, etch_tensor *r)
{
    if (m->rank != 2 || v->rank != 1) return shape_mismatch("mv needs a matrix and a vector", "self", m, "vec", v);
    ETCH_TRY(need_equal(cx, "mv needs [N, K] and [K]", "self", m, m->sizes[1], "vec", v, v->sizes[0]));
    ETCH_TRY(same_type("mv", "self", m, "vec", v));
    *r = (etch_tensor){ .dtype = m->dtype, .rank = 1 };
    r->sizes[0] = m->sizes[0];
    return NULL;
}

SHAPE(mv)
{
    TENSOR(m, 0);
    TENSOR(v, 1);
    etch_tensor r;
    ETCH_TRY(mv(cx, m, v, &r));
    return shape_set_like(outs, 0, r.dtype, &r);
}

// addmv(self, mat, vec)
SHAPE(addmv)
{
    TENSOR(self, 0);
    TENSOR(m, 1);
    TENSOR(v, 2);
    etch_tensor r;
    ETCH_TRY(mv(cx, m, v, &r));
    return add_to(cx, outs, self, &r);
}

SHAPE(dot)
{
    TENSOR(a, 0);
    TENSOR(b, 1);
    if (a->rank != 1 || b->rank != 1) return shape_mismatch("dot needs two vectors", "self", a, "tensor", b);
    ETCH_TRY(need_equal(cx, "dot needs vectors of one length", "self", a, a->sizes[0], "tensor", b, b->sizes[0]));
    ETCH_TRY(same_type("dot", "self", a, "tensor", b));
    return shape_set(outs, 0, a->dtype, 0, NULL);
}

// outer(self [N], vec2 [M]) -> [N, M]
SHAPE(outer)
{
    TENSOR(a, 0);
    TENSOR(b, 1);
    if (a->rank != 1 || b->rank != 1) return shape_mismatch("outer needs two vectors", "self", a, "vec2", b);
    etch_dim sizes[2] = { a->sizes[0], b->sizes[0] };
    shape_promotion p = shape_promotion_start();
    etch_dtype d;
    ETCH_TRY(shape_promote(&p, ARG(0)));
    ETCH_TRY(shape_promote(&p, ARG(1)));
    ETCH_TRY(shape_promoted(&p, &d));
    return shape_set(outs, 0, d, 2, sizes);
}

// matmul(self, other): vectors lose the dim added for them, batch dims broadcast
SHAPE(matmul)
{
    TENSOR(a, 0);
    TENSOR(b, 1);
    if (a->rank < 1 || b->rank < 1) return shape_mismatch("matmul needs dims", "self", a, "other", b);
    ETCH_TRY(need_equal(cx, "matmul needs [*, N, K] and [*, K, M]", "self", a, a->sizes[a->rank - 1], "other", b,
                        b->sizes[b->rank == 1 ? 0 : b->rank - 2]));
    ETCH_TRY(same_type("matmul", "self", a, "other", b));
    etch_tensor r = { .rank = 0 }, batch_a = *a, batch_b = *b;
    batch_a.rank = a->rank > 2 ? a->rank - 2 : 0;
    batch_b.rank = b->rank > 2 ? b->rank - 2 : 0;
    ETCH_TRY(shape_broadcast(cx, &r, &batch_a));
    ETCH_TRY(shape_broadcast(cx, &r, &batch_b));
    if (a->rank > 1) r.sizes[r.rank++] = a->sizes[a->rank - 2];
    if (b->rank > 1) r.sizes[r.rank++] = b->sizes[b->rank - 1];
    return shape_set_like(outs, 0, a->dtype, &r);
}

// cdist(x1 [*, P, K], x2 [*, R, K], ...) -> [*, P, R]
SHAPE(cdist)
{
    TENSOR(a, 0);
    TENSOR(b, 1);
    if (a->rank < 2 || b->rank < 2) return shape_mismatch("cdist needs at least 2 dims", "x1", a, "x2", b);
    ETCH_TRY(need_equal(cx, "cdist needs vectors of one length", "x1", a, a->sizes[a->rank - 1], "x2", b, b->sizes[b->rank - 1]));
    etch_tensor r = { .rank = 0 }, batch_a = *a, batch_b = *b;
    batch_a.rank = a->rank - 2;
    batch_b.rank = b->rank - 2;
    ETCH_TRY(shape_broadcast(cx, &r, &batch_a));
    ETCH_TRY(shape_broadcast(cx, &r, &batch_b));
    r.sizes[r.rank++] = a->sizes[a->rank - 2];
    r.sizes[r.rank++] = b->sizes[b->rank - 2];
    return shape_set_like(outs, 0, etch_dtype_promote(a->dtype, b->dtype), &r);
}

// _pdist_forward(self [N, K], p) -> [N (N - 1) / 2]
SHAPE(pdist)
{
    TENSOR(t, 0);
    if (t->rank != 2) return shape_mismatch("pdist needs a matrix", "self", t, NULL, NULL);
    etch_dim n = t->sizes[0], m;
    SUB(n, DIM(1), &m);
    MUL(n, m, &n);
    DIV(n, DIM(2), &n);
    return shape_set(outs, 0, t->dtype, 1, &n);
}

// cross(self, other, dim?), linalg_cross(self, other, *, dim)
SHAPE(cross)
{
    TENSOR(a, 0);
    TENSOR(b, 1);
    shape_promotion p = shape_promotion_start();
    etch_tensor r = { .rank = 0 };
    ETCH_TRY(shape_promote(&p, ARG(0)));
    ETCH_TRY(shape_promote(&p, ARG(1)));
    ETCH_TRY(shape_promoted(&p, &r.dtype));
    ETCH_TRY(shape_broadcast(cx, &r, a));
    ETCH_TRY(shape_broadcast(cx, &r, b));
    return shape_set_like(outs, 0, r.dtype, &r);
}

// cosine_similarity(x1, x2, dim, eps)
SHAPE(cosine_similarity)
{
    TENSOR(a, 0);
    TENSOR(b, 1);
    shape_promotion p = shape_promotion_start();
    etch_tensor r = { .rank = 0 };
    int axis;
    ETCH_TRY(shape_promote(&p, ARG(0)));
    ETCH_TRY(shape_promote(&p, ARG(1)));
    ETCH_TRY(shape_promoted(&p, &r.dtype));
    ETCH_TRY(shape_broadcast(cx, &r, a));
    ETCH_TRY(shape_broadcast(cx, &r, b));
    const etch_val one = etch_val_int(1);
    ETCH_TRY(shape_axis(ARG(2)->kind == ETCH_V_NONE ? &one : ARG(2), r.rank, &axis));
    etch_dim sizes[ETCH_MAX_RANK];
    int n = 0;
    for (int i = 0; i < r.rank; i++)
        if (i != axis) sizes[n++] = r.sizes[i];
    return shape_set(outs, 0, r.dtype, n, sizes);
}

// mixed_mm(input [M, K], weight [K, N], weight_scales, weight_zero_points) -> [M, N]
SHAPE(mixed_mm)
{
    TENSOR(x, 0);
    TENSOR(w, 1);
    if (x->rank != 2 || w->rank != 2) return shape_mismatch("mixed_mm needs two matrices", "input", x, "weight", w);
    ETCH_TRY(need_equal(cx, "mixed_mm needs [M, K] and [K, N]", "input", x, x->sizes[1], "weight", w, w->sizes[0]));
    etch_dim sizes[2] = { x->sizes[0], w->sizes[1] };
    return shape_set(outs, 0, x->dtype, 2, sizes);
}

// mixed_linear(input [*, K], weight [N, K], weight_scales, weight_zero_points, dtype?) -> [*, N]
SHAPE(mixed_linear)
{
    TENSOR(x, 0);
    TENSOR(w, 1);
    etch_dtype d;
    if (x->rank < 1 || w->rank != 2) return shape_mismatch("mixed_linear needs input [*, K] and weight [N, K]", "input", x, "weight", w);
    ETCH_TRY(need_equal(cx, "mixed_linear needs input [*, K] and weight [N, K]", "input", x, x->sizes[x->rank - 1], "weight", w,
                        w->sizes[1]));
    ETCH_TRY(shape_dtype(ARG(4), x->dtype, &d));
    etch_tensor r = *x;
    r.sizes[r.rank - 1] = w->sizes[0];
    return shape_set_like(outs, 0, d, &r);
}

// scaled_dot_product_attention(query [*, L, E], key [*, S, E], value [*, S, Ev], attn_mask?, ...) -> [*, L, Ev]
SHAPE(sdpa)
{
    TENSOR(q, 0);
    TENSOR(k, 1);
    TENSOR(v, 2);
    if (q->rank < 2 || k->rank < 2 || v->rank < 2) return shape_mismatch("attention needs [*, L, E]", "query", q, "key", k);
    ETCH_TRY(need_equal(cx, "attention needs one head dim in query and key", "query", q, q->sizes[q->rank - 1], "key", k,
                        k->sizes[k->rank - 1]));
    ETCH_TRY(need_equal(cx, "attention needs one length in key and value", "key", k, k->sizes[k->rank - 2], "value", v,
                        v->sizes[v->rank - 2]));
    ETCH_TRY(same_type("attention", "query", q, "key", k));
    ETCH_TRY(same_type("attention", "query", q, "value", v));
    etch_tensor r = { .rank = 0 }, batch_q = *q, batch_k = *k;
    bool grouped = shape_bool(ARG(7), false);
    batch_q.rank -= 2;
    batch_k.rank -= 2;
    if (grouped && batch_k.rank > 0) batch_k.sizes[batch_k.rank - 1] = DIM(1);  // key heads repeat up to those of query
    ETCH_TRY(shape_broadcast(cx, &r, &batch_q));
    ETCH_TRY(shape_broadcast(cx, &r, &batch_k));
    r.sizes[r.rank++] = q->sizes[q->rank - 2];
    r.sizes[r.rank++] = v->sizes[v->rank - 1];
    return shape_set_like(outs, 0, q->dtype, &r);
}

// custom_quantized_sdpa(query, key, value, ...): float result of the query's sizes
SHAPE(custom_quantized_sdpa)
{
    TENSOR(q, 0);
    return shape_set_like(outs, 0, etch_dtype_is_float(q->dtype) ? q->dtype : ETCH_F32, q);
}

// gated_delta_rule(query, key, value, decay, beta, initial_state) -> (query with the last size of value, like initial_state)
SHAPE(gated_delta_rule)
{
    TENSOR(query, 0);
    TENSOR(value, 2);
    TENSOR(state, 5);
    if (query->rank != 4 || value->rank != 4) return shape_mismatch("gated_delta_rule needs rank 4", "query", query, "value", value);
    etch_tensor r = *query;
    r.sizes[3] = value->sizes[3];
    ETCH_TRY(shape_set_like(outs, 1, state->dtype, state));
    return shape_set_like(outs, 0, value->dtype, &r);
}
