// Decompositions of indexed reads and writes into index, index_put, gather.
#include "pass/decomp.h"

static etch_value *arg(etch_build *b, const etch_node *n, int i) { return etch_b_tensor(b, &n->args[i]); }

// [None, .., index] : selects along `dim`
static etch_val along(etch_build *b, int dim, etch_value *index)
{
    etch_value *list[ETCH_MAX_RANK] = { NULL };
    if (dim < 0 || dim >= ETCH_MAX_RANK) {
        etch_b_fail(b, "a dimension out of range");
        dim = 0;
    }
    list[dim] = index;
    return etch_b_tensors(b, dim + 1, list);
}

static etch_value *put_along(etch_build *b, const etch_node *n, etch_value *values, bool accumulate)
{
    etch_value *x = arg(b, n, 0), *index = arg(b, n, 2);
    if (x->t.rank == 0) {
        etch_b_fail(b, "an indexed write to a tensor without dimensions");
        return &b->harmless;
    }
    if (index->t.rank == 0) index = B(b, unsqueeze, V(index), I(0));
    return B(b, index_put, V(x), along(b, etch_b_axis(n->args[1].i.v, x->t.rank), index), V(values), Y(accumulate));
}

DECOMP(index_copy) { out[0] = put_along(b, n, arg(b, n, 3), false); }

DECOMP(index_add)
{
    etch_value *source = arg(b, n, 3);
    const etch_val *alpha = &n->args[4];
    if (alpha->kind != ETCH_V_INT || alpha->i.e || alpha->i.v != 1) source = B(b, mul_Tensor, V(source), *alpha);
    out[0] = put_along(b, n, source, true);
}

DECOMP(index_fill)
{
    etch_dtype d = n->outs[0]->t.dtype;
    etch_value *v;
    if (n->args[3].kind == ETCH_V_TENSOR) v = etch_b_to(b, arg(b, n, 3), d);
    else v = B(b, full, etch_b_dims(b, 0, NULL), n->args[3], DTYPE_(d));
    out[0] = put_along(b, n, v, false);
}

DECOMP(one_hot)
{
    etch_value *x = B(b, unsqueeze, n->args[0], I(-1));
    etch_value *classes = etch_b_arange(b, etch_b_size(n->outs[0], -1));
    out[0] = etch_b_to(b, B(b, eq_Tensor, V(x), V(classes)), ETCH_I64);
}

DECOMP(take)
{
    etch_value *index = arg(b, n, 1), *flat = B(b, view, n->args[0], INTS(b, -1));
    out[0] = B(b, index_Tensor, V(flat), etch_b_tensors(b, 1, &index));
}

DECOMP(take_along_dim)
{
    etch_value *x = arg(b, n, 0), *index = arg(b, n, 1);
    if (n->args[2].kind == ETCH_V_NONE) {
        out[0] = B(b, gather, V(B(b, view, V(x), INTS(b, -1))), I(0), V(B(b, view, V(index), INTS(b, -1))));
        return;
    }
    // Both broadcast against each other, except along the dimension itself.
    int rank = x->t.rank, dim = etch_b_axis(n->args[2].i.v, rank);
    etch_dim dx[ETCH_MAX_RANK], di[ETCH_MAX_RANK];
    if (index->t.rank != rank) etch_b_fail(b, "tensor and indices of different rank");
    for (int i = 0; i < rank; i++) {
        dx[i] = i == dim ? etch_b_size(x, i) : etch_b_size(n->outs[0], i);
        di[i] = i == dim ? etch_b_size(index, i) : etch_b_size(n->outs[0], i);
    }
    x = B(b, expand, V(x), etch_b_dims(b, rank, dx));
    index = B(b, expand, V(index), etch_b_dims(b, rank, di));
    out[0] = B(b, gather, V(x), I(dim), V(index));
}
