// Decompositions of reductions, vector norms, running products, sorting and searching.
#include <math.h>

#include "pass/decomp.h"

static etch_value *in(etch_build *b, const etch_node *n) { return etch_b_tensor(b, &n->args[0]); }
static etch_value *back(etch_build *b, const etch_node *n, etch_value *v) { return etch_b_to(b, v, n->outs[0]->t.dtype); }

static etch_val all_dims(etch_build *b, const etch_value *x)
{
    int64_t dims[ETCH_MAX_RANK];
    for (int i = 0; i < x->t.rank; i++) dims[i] = i;
    return etch_b_ints(b, x->t.rank, dims);
}

// None and [] mean every dimension.
static etch_val dims_or_all(etch_build *b, const etch_value *x, const etch_val *dims)
{
    return dims->kind == ETCH_V_INTS && dims->ints.n ? *dims : all_dims(b, x);
}

static etch_value *not(etch_build *b, etch_value *v) { return B(b, logical_not, V(v)); }

DECOMP(all) { out[0] = back(b, n, not(b, B(b, any, V(not(b, in(b, n)))))); }
DECOMP(all_dim) { out[0] = back(b, n, not(b, B(b, any_dim, V(not(b, in(b, n))), n->args[1], n->args[2]))); }
DECOMP(all_dims) { out[0] = back(b, n, not(b, B(b, any_dims, V(not(b, in(b, n))), n->args[1], n->args[2]))); }
DECOMP(sum) { out[0] = B(b, sum_dim_IntList, n->args[0], all_dims(b, in(b, n)), Y(false), n->args[1]); }

DECOMP(count_nonzero)
{
    etch_value *x = in(b, n);
    etch_val dims = n->args[1].kind == ETCH_V_INT ? INTS(b, n->args[1].i.v) : dims_or_all(b, x, &n->args[1]);
    etch_value *ones = etch_b_to(b, B(b, ne_Scalar, V(x), I(0)), ETCH_I64);
    out[0] = B(b, sum_dim_IntList, V(ones), dims, Y(false));
}

// var(self, unbiased) · var.dim(self, dim, unbiased, keepdim) · var.correction(self, dim, correction, keepdim), also of std and *_mean
static void var_args(etch_build *b, const etch_node *n, etch_val args[4])
{
    const etch_schema *s = n->op->schema;
    int dim = etch_schema_param(s, ETCH_LIT("dim")), unbiased = etch_schema_param(s, ETCH_LIT("unbiased")),
        correction = etch_schema_param(s, ETCH_LIT("correction")), keepdim = etch_schema_param(s, ETCH_LIT("keepdim"));
    args[0] = n->args[0];
    args[1] = dim >= 0 ? dims_or_all(b, in(b, n), &n->args[dim]) : all_dims(b, in(b, n));
    args[2] = correction >= 0 ? n->args[correction] : I(n->args[unbiased].b ? 1 : 0);
    if (args[2].kind == ETCH_V_NONE) args[2] = I(1);
    args[3] = Y(keepdim >= 0 && n->args[keepdim].b);
}

DECOMP(var)
{
    etch_val a[4];
    var_args(b, n, a);
    out[0] = etch_b(b, ETCH_OP_var_correction, a, 4);
}

DECOMP(std)
{
    etch_val a[4];
    var_args(b, n, a);
    out[0] = B(b, sqrt, V(etch_b(b, ETCH_OP_var_correction, a, 4)));
}

DECOMP(var_mean)
{
    etch_val a[4];
    var_args(b, n, a);
    out[0] = etch_b(b, ETCH_OP_var_mean_correction, a, 4);
    out[1] = etch_b_result(b, 1);
}

DECOMP(std_mean)
{
    etch_val a[4];
    var_args(b, n, a);
    etch_value *var = etch_b(b, ETCH_OP_var_mean_correction, a, 4);
    out[1] = etch_b_result(b, 1);
    out[0] = B(b, sqrt, V(var));
}

static etch_value *vector_norm(etch_build *b, etch_value *x, double p, etch_val dims, bool keepdim)
{
    etch_val keep = Y(keepdim);
    if (p == INFINITY) return B(b, amax, V(B(b, abs, V(x))), dims, keep);
    if (p == -INFINITY) return B(b, amin, V(B(b, abs, V(x))), dims, keep);
    if (p == 0.0) return B(b, sum_dim_IntList, V(etch_b_to(b, B(b, ne_Scalar, V(x), I(0)), x->t.dtype)), dims, keep);
    if (p == 1.0) return B(b, sum_dim_IntList, V(B(b, abs, V(x))), dims, keep);
    if (p == 2.0) return B(b, sqrt, V(B(b, sum_dim_IntList, V(B(b, mul_Tensor, V(x), V(x))), dims, keep)));
    etch_value *sum = B(b, sum_dim_IntList, V(B(b, pow_Tensor_Scalar, V(B(b, abs, V(x))), F(p))), dims, keep);
    return B(b, pow_Tensor_Scalar, V(sum), F(1.0 / p));
}

DECOMP(linalg_vector_norm)
{
    etch_value *x = in(b, n);
    if (n->args[4].kind == ETCH_V_INT) x = etch_b_to(b, x, (etch_dtype)n->args[4].i.v);
    out[0] = back(b, n, vector_norm(b, etch_b_float(b, x), etch_val_as_double(&n->args[1]), dims_or_all(b, x, &n->args[2]), n->args[3].b));
}

DECOMP(norm)
{
    etch_value *x = in(b, n);
    bool has_dim = n->op->schema->n_params > 2;
    double p = n->args[1].kind == ETCH_V_NONE ? 2.0 : etch_val_as_double(&n->args[1]);
    x = etch_b_float(b, n->op->schema->n_params > 4 ? back(b, n, x) : x);
    out[0] = back(b, n, vector_norm(b, x, p, has_dim ? dims_or_all(b, x, &n->args[2]) : all_dims(b, x), has_dim && n->args[3].b));
}

DECOMP(cosine_similarity)
{
    etch_val dims = INTS(b, n->args[2].i.v);
    etch_value *x = etch_b_tensor(b, &n->args[0]), *y = etch_b_tensor(b, &n->args[1]);
    etch_val eps = F(etch_val_as_double(&n->args[3]));
    etch_value *dot = B(b, sum_dim_IntList, V(B(b, mul_Tensor, V(x), V(y))), dims, Y(false));
    etch_value *nx = B(b, clamp, V(vector_norm(b, x, 2.0, dims, false)), eps, NONE_),
               *ny = B(b, clamp, V(vector_norm(b, y, 2.0, dims, false)), eps, NONE_);
    out[0] = B(b, div_Tensor, V(dot), V(B(b, mul_Tensor, V(nx), V(ny))));
}

// log(sum(exp(x - max))) + max, the maximum taken as 0 where it is infinite
DECOMP(logsumexp)
{
    etch_value *x = in(b, n);
    if (!etch_dtype_is_float(x->t.dtype)) x = etch_b_to(b, x, ETCH_F32);
    x = etch_b_float(b, x);
    etch_val dims = dims_or_all(b, x, &n->args[1]);
    etch_value *m = B(b, amax, V(x), dims, Y(true));
    m = B(b, where_self, V(B(b, isinf, V(m))), F(0), V(m));
    etch_value *sum = B(b, sum_dim_IntList, V(B(b, exp, V(B(b, sub_Tensor, V(x), V(m))))), dims, Y(true));
    etch_value *y = B(b, add_Tensor, V(B(b, log, V(sum))), V(m));
    out[0] = back(b, n, n->args[2].b ? y : x->t.rank ? B(b, squeeze_dims, V(y), dims) : y);
}

// Static and short: x0, x0*x1, ...
DECOMP(cumprod)
{
    etch_value *x = back(b, n, in(b, n)), *parts[256];
    int dim = etch_b_axis(n->args[1].i.v, x->t.rank);
    etch_dim size = etch_b_size(x, dim);
    if (size.e || size.v < 1 || size.v > 256 || x->t.rank == 0) {
        etch_b_fail(b, "a running product over a dynamic or long dimension");
        return;
    }
    for (int i = 0; i < size.v; i++) {
        parts[i] = B(b, slice_Tensor, V(x), I(dim), I(i), I(i + 1), I(1));
        if (i) parts[i] = B(b, mul_Tensor, V(parts[i - 1]), V(parts[i]));
    }
    out[0] = B(b, cat, etch_b_tensors(b, (int)size.v, parts), I(dim));
}

// sorting and searching

// sort and argsort as a top-k of the whole dimension. The order among equal elements is not promised.
static void sorted(etch_build *b, const etch_node *n, etch_value **out_values, etch_value **out_indices)
{
    const etch_schema *s = n->op->schema;
    etch_value *x = in(b, n);
    etch_val dim = n->args[etch_schema_param(s, ETCH_LIT("dim"))];
    if (x->t.rank == 0) {
        etch_b_fail(b, "sorting a tensor without dimensions");
        return;
    }
    int axis = etch_b_axis(dim.i.v, x->t.rank);
    *out_values = B(b, topk, V(x), D(etch_b_size(x, axis)), I(axis), n->args[etch_schema_param(s, ETCH_LIT("descending"))], Y(true));
    *out_indices = etch_b_result(b, 1);
}

DECOMP(sort) { sorted(b, n, &out[0], &out[1]); }

DECOMP(argsort)
{
    etch_value *values;
    sorted(b, n, &values, &out[0]);
}

// How many boundaries lie below x (right: below or at it).
static etch_value *count_below(etch_build *b, const etch_node *n, etch_value *x, etch_value *boundaries, bool right)
{
    etch_value *wide = B(b, unsqueeze, V(x), I(-1));
    etch_value *below = right ? B(b, ge_Tensor, V(wide), V(boundaries)) : B(b, gt_Tensor, V(wide), V(boundaries));
    return back(b, n, B(b, sum_dim_IntList, V(etch_b_to(b, below, ETCH_I64)), INTS(b, -1), Y(false)));
}

DECOMP(bucketize) { out[0] = count_below(b, n, in(b, n), etch_b_tensor(b, &n->args[1]), n->args[3].b); }

DECOMP(searchsorted)
{
    etch_value *sorted_values = in(b, n);
    bool right = n->args[3].b || (n->args[4].kind == ETCH_V_STR && etch_str_eqz(n->args[4].s, "right"));
    if (n->args[5].kind != ETCH_V_NONE) etch_b_fail(b, "searchsorted with a sorter");
    if (sorted_values->t.rank > 1) sorted_values = B(b, unsqueeze, V(sorted_values), I(-2));
    out[0] = count_below(b, n, etch_b_tensor(b, &n->args[1]), sorted_values, right);
}

DECOMP(isin)
{
    etch_value *x = B(b, unsqueeze, V(in(b, n)), I(-1));
    etch_val y = n->args[1];
    if (y.kind == ETCH_V_TENSOR) y = V(B(b, view, y, INTS(b, -1)));
    etch_value *found = B(b, any_dim, V(B(b, eq_Tensor, V(x), y)), I(-1), Y(false));
    out[0] = n->args[3].b ? not(b, found) : found;
}
