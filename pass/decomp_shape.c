// Decompositions of operators that move or make elements without computing: views, splits, joins, repeats, creation.
// The node's own result type says the sizes, so most of these are one view, permute, slice or full.
#include "pass/decomp.h"

static etch_value *self(etch_build *b, const etch_node *n) { return etch_b_tensor(b, &n->args[0]); }
static etch_value *to_result_sizes(etch_build *b, const etch_node *n)
{
    return etch_b_view(b, self(b, n), n->outs[0]->t.rank, n->outs[0]->t.sizes);
}

// views

DECOMP(view_as) { out[0] = to_result_sizes(b, n); }
DECOMP(flatten) { out[0] = to_result_sizes(b, n); }
DECOMP(unflatten) { out[0] = to_result_sizes(b, n); }
DECOMP(ravel) { out[0] = to_result_sizes(b, n); }
DECOMP(expand_as) { out[0] = B(b, expand, n->args[0], etch_b_sizes(b, n->outs[0])); }
DECOMP(broadcast_to) { out[0] = B(b, expand, n->args[0], etch_b_sizes(b, n->outs[0])); }
DECOMP(swapaxes) { out[0] = etch_b_transpose(b, self(b, n), (int)n->args[1].i.v, (int)n->args[2].i.v); }
DECOMP(mT) { out[0] = etch_b_transpose(b, self(b, n), -2, -1); }

DECOMP(t)
{
    etch_value *x = self(b, n);
    out[0] = x->t.rank < 2 ? x : etch_b_transpose(b, x, 0, 1);
}

DECOMP(numpy_T)
{
    int64_t order[ETCH_MAX_RANK];
    int rank = self(b, n)->t.rank;
    for (int i = 0; i < rank; i++) order[i] = rank - 1 - i;
    out[0] = B(b, permute, n->args[0], etch_b_ints(b, rank, order));
}

DECOMP(squeeze)
{
    etch_value *x = self(b, n);
    int64_t dims[ETCH_MAX_RANK];
    int count = 0;
    for (int i = 0; i < x->t.rank; i++)
        if (!x->t.sizes[i].e && x->t.sizes[i].v == 1) dims[count++] = i;
    out[0] = count ? B(b, squeeze_dims, V(x), etch_b_ints(b, count, dims)) : x;
}

static etch_value *move(etch_build *b, etch_value *x, const int64_t *from, const int64_t *to, int count)
{
    int64_t order[ETCH_MAX_RANK];
    bool taken[ETCH_MAX_RANK] = { false }, placed[ETCH_MAX_RANK] = { false };
    int rank = x->t.rank;
    for (int i = 0; i < count; i++) {
        int s = etch_b_axis(from[i], rank), d = etch_b_axis(to[i], rank);
        if (s < 0 || s >= rank || d < 0 || d >= rank) return x;
        order[d] = s;
        placed[d] = taken[s] = true;
    }
    for (int d = 0, s = 0; d < rank; d++) {
        if (placed[d]) continue;
        while (taken[s]) s++;
        order[d] = s++;
    }
    return B(b, permute, V(x), etch_b_ints(b, rank, order));
}

DECOMP(movedim)
{
    etch_value *x = self(b, n);
    int64_t from[ETCH_MAX_RANK], to[ETCH_MAX_RANK];
    int count = 1;
    if (n->args[1].kind == ETCH_V_INT) {
        from[0] = n->args[1].i.v;
        to[0] = n->args[2].i.v;
    } else {
        count = n->args[1].ints.n < ETCH_MAX_RANK ? n->args[1].ints.n : ETCH_MAX_RANK;
        for (int i = 0; i < count; i++) {
            from[i] = n->args[1].ints.p[i].v;
            to[i] = n->args[2].ints.p[i].v;
        }
    }
    out[0] = move(b, x, from, to, count);
}

static etch_value *slice(etch_build *b, etch_value *x, int dim, etch_dim start, etch_dim end)
{
    return B(b, slice_Tensor, V(x), I(dim), D(start), D(end), I(1));
}

DECOMP(narrow)
{
    etch_value *x = self(b, n);
    out[0] = slice(b, x, etch_b_axis(n->args[1].i.v, x->t.rank), n->args[2].i, etch_b_add(b, n->args[2].i, n->args[3].i));
}

// Every splitting op: pieces follow one another along the dimension (argument 2), their sizes are those of the results.
static void slices(etch_build *b, const etch_node *n, etch_value **out)
{
    etch_value *x = self(b, n);
    int dim = etch_b_axis(n->args[2].i.v, x->t.rank);
    etch_dim start = etch_dim_of(0);
    for (int i = 0; i < n->n_outs; i++) {
        etch_dim end = etch_b_add(b, start, etch_b_size(n->outs[i], dim));
        out[i] = n->n_outs == 1 ? x : slice(b, x, dim, start, end);
        start = end;
    }
}

DECOMP(chunk) { slices(b, n, out); }
DECOMP(unsafe_split) { slices(b, n, out); }
DECOMP(split_sizes) { slices(b, n, out); }
DECOMP(tensor_split) { slices(b, n, out); }

DECOMP(unbind)
{
    int dim = etch_b_axis(n->args[1].i.v, self(b, n)->t.rank);
    for (int i = 0; i < n->n_outs; i++) out[i] = B(b, select_int, n->args[0], I(dim), I(i));
}

// joining and repeating

DECOMP(concat) { out[0] = B(b, cat, n->args[0], n->args[1]); }

// repeat wants a number for every dimension; tile takes missing ones in front as 1.
DECOMP(tile)
{
    const etch_val *times = &n->args[1];
    int rank = self(b, n)->t.rank, missing = rank - times->ints.n;
    etch_dim dims[ETCH_MAX_RANK];
    for (int i = 0; i < rank && missing > 0; i++) dims[i] = i < missing ? etch_dim_of(1) : times->ints.p[i - missing];
    out[0] = B(b, repeat, n->args[0], missing > 0 ? etch_b_dims(b, rank, dims) : *times);
}

// Tensor i (1-D) lies along its own dimension of the grid; "xy" swaps the first two.
DECOMP(meshgrid)
{
    bool xy = n->op->schema->n_params > 1 && etch_str_eqz(n->args[1].s, "xy");
    for (int i = 0; i < n->n_outs; i++) {
        etch_value *x = etch_value_of(n->args[0].tensors.p[i]);
        etch_dim dims[ETCH_MAX_RANK];
        int rank = n->outs[i]->t.rank, at = xy && i < 2 && n->n_outs > 1 ? 1 - i : i;
        for (int k = 0; k < rank; k++) dims[k] = etch_dim_of(1);
        dims[at] = n->outs[i]->t.sizes[at];
        out[i] = B(b, expand, V(etch_b_view(b, x, rank, dims)), etch_b_sizes(b, n->outs[i]));
    }
}

DECOMP(repeat_interleave)
{
    etch_value *x = self(b, n);
    if (n->args[2].kind == ETCH_V_NONE) {
        etch_dim all = etch_dim_of(1);
        for (int i = 0; i < x->t.rank; i++) all = etch_b_mul(b, all, x->t.sizes[i]);
        x = etch_b_view(b, x, 1, &all);
    }
    int dim = n->args[2].kind == ETCH_V_NONE ? 0 : etch_b_axis(n->args[2].i.v, x->t.rank);
    etch_dim wide[ETCH_MAX_RANK + 1];
    if (x->t.rank >= ETCH_MAX_RANK) {
        etch_b_fail(b, "too many dimensions");
        return;
    }
    for (int i = 0; i <= x->t.rank; i++) wide[i] = i <= dim ? x->t.sizes[i] : i == dim + 1 ? n->args[1].i : x->t.sizes[i - 1];
    etch_value *y = B(b, expand, V(B(b, unsqueeze, V(x), I(dim + 1))), etch_b_dims(b, x->t.rank + 1, wide));
    out[0] = etch_b_view(b, y, n->outs[0]->t.rank, n->outs[0]->t.sizes);
}

DECOMP(repeat_interleave_tensor)
{
    etch_value *x = self(b, n);
    if (n->args[2].kind == ETCH_V_NONE) x = B(b, view, V(x), INTS(b, -1));
    int dim = n->args[2].kind == ETCH_V_NONE ? 0 : etch_b_axis(n->args[2].i.v, x->t.rank);
    etch_value *index = B(b, repeat_interleave_Tensor, n->args[1], n->args[3]);
    out[0] = B(b, index_select, V(x), I(dim), V(index));
}

// types

DECOMP(to) { out[0] = etch_b_to(b, self(b, n), n->outs[0]->t.dtype); }
DECOMP(type_as) { out[0] = etch_b_to(b, self(b, n), n->outs[0]->t.dtype); }

// creation: the result's sizes and type, one value

static etch_value *filled(etch_build *b, const etch_node *n, etch_val value) { return etch_b_full(b, n->outs[0], value); }
static etch_val number(const etch_node *n, int v)
{
    etch_dtype d = n->outs[0]->t.dtype;
    return d == ETCH_BOOL ? Y(v != 0) : etch_dtype_is_float(d) ? F(v) : I(v);
}

DECOMP(zeros_like) { out[0] = filled(b, n, number(n, 0)); }
DECOMP(ones_like) { out[0] = filled(b, n, number(n, 1)); }
DECOMP(empty_like) { out[0] = filled(b, n, number(n, 0)); }  // any content would do: zeros are the same each time
DECOMP(new_empty) { out[0] = filled(b, n, number(n, 0)); }
DECOMP(new_zeros) { out[0] = filled(b, n, number(n, 0)); }
DECOMP(new_ones) { out[0] = filled(b, n, number(n, 1)); }
DECOMP(new_full) { out[0] = filled(b, n, n->args[2]); }
DECOMP(full_like) { out[0] = filled(b, n, n->args[1]); }

DECOMP(eye)
{
    etch_value *row = B(b, unsqueeze, V(etch_b_arange(b, etch_b_size(n->outs[0], 0))), I(1));
    out[0] = etch_b_to(b, B(b, eq_Tensor, V(row), V(etch_b_arange(b, etch_b_size(n->outs[0], 1)))), n->outs[0]->t.dtype);
}

DECOMP(linspace)
{
    double from = etch_val_as_double(&n->args[0]), to = etch_val_as_double(&n->args[1]);
    int64_t steps = etch_b_size(n->outs[0], 0).v;
    etch_value *i = etch_b_to(b, etch_b_arange(b, etch_b_size(n->outs[0], 0)), ETCH_F32);
    etch_value *y = B(b, mul_Tensor, V(i), F(steps > 1 ? (to - from) / (double)(steps - 1) : 0.0));
    out[0] = etch_b_to(b, B(b, add_Tensor, V(y), F(from)), n->outs[0]->t.dtype);
}

// Keeps elements with column - row >= diagonal.
DECOMP(triu)
{
    etch_value *x = self(b, n);
    etch_value *row = B(b, unsqueeze, V(etch_b_arange(b, etch_b_size(x, -2))), I(1)), *column = etch_b_arange(b, etch_b_size(x, -1));
    etch_val diagonal = n->args[1];
    if (diagonal.i.e || diagonal.i.v != 0) row = B(b, add_Tensor, V(row), diagonal);
    out[0] = B(b, where_self, V(B(b, ge_Tensor, V(column), V(row))), V(x), number(n, 0));
}
