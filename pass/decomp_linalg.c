// Decompositions of matrix products and attention into mm, bmm and linear.
#include <math.h>

#include "pass/decomp.h"

enum { MAX = ETCH_MAX_RANK };

static etch_value *arg(etch_build *b, const etch_node *n, int i) { return etch_b_tensor(b, &n->args[i]); }

static etch_dim product(etch_build *b, const etch_dim *dims, int n)
{
    etch_dim p = etch_dim_of(1);
    for (int i = 0; i < n; i++) p = etch_b_mul(b, p, dims[i]);
    return p;
}

static bool is_one(etch_dim d) { return !d.e && d.v == 1; }

static etch_value *expand_to(etch_build *b, etch_value *x, int rank, const etch_dim *dims)
{
    bool same = x->t.rank == rank;
    for (int i = 0; same && i < rank; i++) same = etch_b_same(x->t.sizes[i], dims[i]);
    return same ? x : B(b, expand, V(x), etch_b_dims(b, rank, dims));
}

// x [.., m, k] · y [.., k, n], both of rank 2 or more; batch dimensions broadcast.
static etch_value *batched(etch_build *b, etch_value *x, etch_value *y)
{
    int rx = x->t.rank, ry = y->t.rank, rank = rx > ry ? rx : ry;
    etch_dim m = etch_b_size(x, -2), k = etch_b_size(x, -1), p = etch_b_size(y, -1), batch[MAX], dims[MAX];
    for (int i = 0; i < rank - 2; i++) {
        etch_dim dx = i + rx - rank >= 0 ? x->t.sizes[i + rx - rank] : etch_dim_of(1);
        etch_dim dy = i + ry - rank >= 0 ? y->t.sizes[i + ry - rank] : etch_dim_of(1);
        batch[i] = is_one(dx) ? dy : dx;
    }
    etch_dim count = product(b, batch, rank - 2);
    memcpy(dims, batch, sizeof dims);
    dims[rank - 2] = m;
    dims[rank - 1] = k;
    x = etch_b_view(b, expand_to(b, x, rank, dims), 3, (etch_dim[]){ count, m, k });
    dims[rank - 2] = k;
    dims[rank - 1] = p;
    y = etch_b_view(b, expand_to(b, y, rank, dims), 3, (etch_dim[]){ count, k, p });
    dims[rank - 2] = m;
    return etch_b_view(b, B(b, bmm, V(x), V(y)), rank, dims);
}

// A constant that is the transpose of another one gives that one.
static etch_value *transposed_constant(etch_build *b, etch_value *w)
{
    const etch_node *d = w->src == ETCH_SRC_NODE ? w->def : NULL;
    bool swaps = d && (d->op->id == ETCH_OP_t || d->op->id == ETCH_OP_transpose_int || d->op->id == ETCH_OP_mT ||
                       d->op->id == ETCH_OP_numpy_T ||
                       (d->op->id == ETCH_OP_permute && (d->args[1].ints.p[0].v == 1 || d->args[1].ints.p[0].v == -1)));
    if (swaps && d->op->id == ETCH_OP_transpose_int)
        swaps = etch_b_axis(d->args[1].i.v, 2) != etch_b_axis(d->args[2].i.v, 2);
    return swaps ? etch_value_of(d->args[0].t) : etch_b_transpose(b, w, 0, 1);
}

static etch_value *product_of(etch_build *b, etch_value *x, etch_value *y)
{
    int rx = x->t.rank, ry = y->t.rank;
    if (rx == 0 || ry == 0) {
        etch_b_fail(b, "a matrix product with a tensor without dimensions");
        return &b->harmless;
    }
    if (rx == 1) {  // as a row; the row dimension goes afterwards
        etch_value *r = product_of(b, B(b, unsqueeze, V(x), I(0)), y);
        return B(b, squeeze_dim, V(r), I(ry == 1 ? 0 : -2));
    }
    if (ry == 1) return B(b, squeeze_dim, V(product_of(b, x, B(b, unsqueeze, V(y), I(1)))), I(-1));
    if (ry > 2) return batched(b, x, y);
    if (etch_const_is(y) && !etch_const_is(x) && etch_dtype_is_float(y->t.dtype)) return B(b, linear, V(x), V(transposed_constant(b, y)));
    if (rx == 2) return B(b, mm, V(x), V(y));
    etch_dim dims[MAX];
    memcpy(dims, x->t.sizes, sizeof dims);
    etch_value *flat = etch_b_view(b, x, 2, (etch_dim[]){ product(b, x->t.sizes, rx - 1), etch_b_size(x, -1) });
    dims[rx - 1] = etch_b_size(y, -1);
    return etch_b_view(b, B(b, mm, V(flat), V(y)), rx, dims);
}

DECOMP(matmul) { out[0] = product_of(b, arg(b, n, 0), arg(b, n, 1)); }
DECOMP(mv) { out[0] = product_of(b, arg(b, n, 0), arg(b, n, 1)); }
DECOMP(dot) { out[0] = B(b, sum_dim_IntList, V(B(b, mul_Tensor, n->args[0], n->args[1])), INTS(b, 0), Y(false)); }
DECOMP(outer) { out[0] = B(b, mul_Tensor, V(B(b, unsqueeze, n->args[0], I(1))), n->args[1]); }

static etch_val times(etch_build *b, etch_value *v, const etch_val *by)
{
    bool one = (by->kind == ETCH_V_INT && !by->i.e && by->i.v == 1) || (by->kind == ETCH_V_FLOAT && by->f == 1.0);
    return one ? V(v) : V(B(b, mul_Tensor, V(v), *by));
}

// beta * self + alpha * product; beta = 0 ignores self, also where it is NaN.
static etch_value *add_product(etch_build *b, const etch_node *n, etch_value *prod)
{
    etch_val scaled = times(b, prod, &n->args[4]);
    etch_value *y = etch_value_of(scaled.t);
    if (etch_val_as_double(&n->args[3]) != 0.0) y = B(b, add_Tensor, times(b, arg(b, n, 0), &n->args[3]), scaled);
    return y;
}

DECOMP(baddbmm) { out[0] = add_product(b, n, B(b, bmm, n->args[1], n->args[2])); }
DECOMP(addmv) { out[0] = add_product(b, n, product_of(b, arg(b, n, 1), arg(b, n, 2))); }
DECOMP(addbmm) { out[0] = add_product(b, n, B(b, sum_dim_IntList, V(B(b, bmm, n->args[1], n->args[2])), INTS(b, 0), Y(false))); }
DECOMP(cdist) { out[0] = B(b, _cdist_forward, n->args[0], n->args[1], n->args[2], n->args[3]); }

// c[i] = x[i+1] y[i+2] - x[i+2] y[i+1] along a dimension of size 3
DECOMP(cross)
{
    etch_value *x = arg(b, n, 0), *y = arg(b, n, 1);
    int dim = -1;
    if (n->args[2].kind == ETCH_V_INT) dim = (int)n->args[2].i.v;
    else
        for (int i = x->t.rank - 1; i >= 0; i--)
            if (x->t.sizes[i].v == 3 && !x->t.sizes[i].e) dim = i;
    x = expand_to(b, x, n->outs[0]->t.rank, n->outs[0]->t.sizes);
    y = expand_to(b, y, n->outs[0]->t.rank, n->outs[0]->t.sizes);
    etch_val d = INTS(b, etch_b_axis(dim, n->outs[0]->t.rank)), one = INTS(b, -1), two = INTS(b, -2);
    etch_value *p = B(b, mul_Tensor, V(B(b, roll, V(x), one, d)), V(B(b, roll, V(y), two, d)));
    etch_value *q = B(b, mul_Tensor, V(B(b, roll, V(x), two, d)), V(B(b, roll, V(y), one, d)));
    out[0] = B(b, sub_Tensor, V(p), V(q));
}

// Attention, PyTorch's math path:
//   softmax(q k^T * scale + mask) v,  q [.., H, L, E], k [.., G, S, E], v [.., G, S, Ev]
// With grouped heads (G < H) the H/G query heads of a group are stacked along L, so that keys and values are never repeated.
// A row that the mask closes altogether gives zeros, as PyTorch does since 2.5.

// One row a query: bool [.., L, S] that is true where attention is allowed.
static etch_value *causal_mask(etch_build *b, etch_dim l, etch_dim s)
{
    return B(b, ge_Tensor, V(B(b, unsqueeze, V(etch_b_arange(b, l)), I(1))), V(etch_b_arange(b, s)));
}

DECOMP(sdpa)
{
    etch_value *q = arg(b, n, 0), *k = arg(b, n, 1), *v = arg(b, n, 2);
    etch_value *mask = n->args[3].kind == ETCH_V_TENSOR ? etch_value_of(n->args[3].t) : NULL;
    etch_dtype dtype = n->outs[0]->t.dtype;
    int rank = q->t.rank;
    bool grouped = rank >= 3 && !etch_b_same(etch_b_size(q, -3), etch_b_size(k, -3)) && n->args[7].b;
    if (n->args[4].kind == ETCH_V_FLOAT && n->args[4].f != 0.0) etch_b_fail(b, "attention with dropout");
    if (rank < 2 || k->t.rank != rank || v->t.rank != rank) {
        etch_b_fail(b, "attention over tensors of different rank");
        return;
    }
    etch_dim l = etch_b_size(q, -2), s = etch_b_size(k, -2), e = etch_b_size(q, -1);
    if (n->args[6].kind == ETCH_V_NONE && e.e) etch_b_fail(b, "attention with a dynamic head size");
    double scale = n->args[6].kind == ETCH_V_FLOAT ? n->args[6].f : 1.0 / sqrt((double)(e.v ? e.v : 1));
    q = etch_b_float(b, q);
    k = etch_b_float(b, k);
    v = etch_b_float(b, v);
    if (n->args[5].b) {
        if (mask) etch_b_fail(b, "attention with both a mask and is_causal");
        mask = causal_mask(b, l, s);
    }

    etch_dim scores_dims[MAX], stacked[MAX], out_dims[MAX];
    memcpy(scores_dims, q->t.sizes, sizeof scores_dims);
    for (int i = 0; i < rank - 2 && !grouped; i++) scores_dims[i] = is_one(q->t.sizes[i]) ? k->t.sizes[i] : q->t.sizes[i];
    scores_dims[rank - 2] = l;
    scores_dims[rank - 1] = s;
    memcpy(out_dims, n->outs[0]->t.sizes, sizeof out_dims);
    if (grouped) {
        etch_dim groups = etch_b_size(k, -3), per_group = etch_dim_of(1);
        etch_status *st = etch_dim_floordiv(&b->m->program->syms, etch_b_size(q, -3), groups, &per_group);
        if (st && !b->error) b->error = st;
        else if (st) etch_status_free(st);
        memcpy(stacked, q->t.sizes, sizeof stacked);
        stacked[rank - 3] = groups;
        stacked[rank - 2] = etch_b_mul(b, per_group, l);
        q = etch_b_view(b, q, rank, stacked);
    }
    if (scale != 1.0) q = B(b, mul_Tensor, V(q), F(scale));
    etch_value *w = batched(b, q, etch_b_transpose(b, k, -2, -1));
    w = etch_b_view(b, w, rank, scores_dims);
    etch_value *open = NULL;  // rows with any allowed key
    if (mask && mask->t.dtype == ETCH_BOOL) {
        w = B(b, where_self, V(mask), V(w), F(-INFINITY));
        if (!n->args[5].b) open = B(b, any_dim, V(mask), I(-1), Y(true));
    } else if (mask) {
        w = B(b, add_Tensor, V(w), V(etch_b_to(b, mask, w->t.dtype)));
        open = B(b, any_dim, V(B(b, ne_Scalar, V(mask), F(-INFINITY))), I(-1), Y(true));
    }
    w = B(b, _softmax, V(w), I(-1), Y(false));
    if (grouped) {
        stacked[rank - 1] = s;
        w = etch_b_view(b, w, rank, stacked);
    }
    etch_value *y = etch_b_view(b, batched(b, w, v), rank, out_dims);
    if (open) y = B(b, where_self, V(open), V(y), F(0));
    out[0] = etch_b_to(b, y, dtype);
}
