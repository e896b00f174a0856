// Complex numbers become pairs of real ones: neither runtime has them.
//   Before: %2 = aten::polar(%0, %1) : c64[4]                    After:  %2 = aten::cos(%1) ; %3 = aten::sin(%1) ; ...
//           %3 = aten::view_as_complex(%x) : c64[4]                      %6 = aten::stack([%re, %im], -1) : f32[4, 2]
//           %4 = aten::mul.Tensor(%3, %2) ; aten::view_as_real(%4)       products of parts; view_as_real is the pair itself
// Requires: nothing; comes before `decompose`, which refuses complex values.
// Keeps: every real value. A pair is [..., 2], real part first, as view_as_real has it.
// Breaks: nothing; the complex nodes are dead afterwards (`dce`).
// Careful: a complex node of a kind that is not here is left, and with it the error that `decompose` gives.
#include "pass/build.h"

static bool is_complex(const etch_value *v) { return v && etch_dtype_is_complex(v->t.dtype); }

// The pair of a complex argument, NULL when it has none.
static etch_value *pair_of(const etch_val *a)
{
    const etch_value *v = etch_arg_value(a);
    return is_complex(v) ? v->user : NULL;
}

static etch_value *part(etch_build *b, etch_value *pair, int i) { return B(b, select_int, V(pair), I(pair->t.rank - 1), I(i)); }

static etch_value *join(etch_build *b, etch_value *re, etch_value *im)
{
    etch_value *both[] = { re, im };
    return B(b, stack, etch_b_tensors(b, 2, both), I(re->t.rank));
}

static etch_value *times(etch_build *b, etch_value *x, etch_value *y) { return B(b, mul_Tensor, V(x), V(y)); }

// The sizes of a complex value, and 2.
static etch_val sizes_of_pair(etch_build *b, const etch_value *v)
{
    etch_dim d[ETCH_MAX_RANK + 1];
    for (int i = 0; i < v->t.rank; i++) d[i] = v->t.sizes[i];
    d[v->t.rank] = etch_dim_of(2);
    return etch_b_dims(b, v->t.rank + 1, d);
}

static int64_t axis(const etch_val *a, int rank) { return etch_b_axis(a->i.v, rank); }

static etch_value *product(etch_build *b, const etch_node *n)
{
    etch_value *x = pair_of(&n->args[0]), *y = pair_of(&n->args[1]);
    if (x && y) {
        etch_value *a = part(b, x, 0), *c = part(b, y, 0), *ai = part(b, x, 1), *ci = part(b, y, 1);
        etch_value *ac = times(b, a, c), *aici = times(b, ai, ci), *re = B(b, sub_Tensor, V(ac), V(aici));
        etch_value *aci = times(b, a, ci), *aic = times(b, ai, c);
        return join(b, re, B(b, add_Tensor, V(aci), V(aic)));
    }
    const etch_val *real = &n->args[x ? 1 : 0];
    etch_value *pair = x ? x : y, *factor = etch_arg_value(real);
    if (!pair || is_complex(factor)) return NULL;
    if (!factor) return B(b, mul_Tensor, V(pair), *real);
    return times(b, pair, B(b, unsqueeze, V(factor), I(factor->t.rank)));
}

// Sums of pairs broadcast as the complex values do: the last dimension is 2 in both.
static etch_value *sum(etch_build *b, const etch_node *n, etch_op_id op)
{
    etch_value *x = pair_of(&n->args[0]), *y = pair_of(&n->args[1]);
    return x && y ? etch_b(b, op, (const etch_val[]){ V(x), V(y), n->args[2] }, 3) : NULL;
}

static etch_value *polar(etch_build *b, const etch_node *n)
{
    etch_value *c = B(b, cos, n->args[1]), *s = B(b, sin, n->args[1]);
    etch_value *re = B(b, mul_Tensor, n->args[0], V(c));
    return join(b, re, B(b, mul_Tensor, n->args[0], V(s)));
}

static etch_value *conjugate(etch_build *b, etch_value *x)
{
    etch_value *re = part(b, x, 0), *im = part(b, x, 1);
    return join(b, re, B(b, neg, V(im)));
}

static etch_value *moved(etch_build *b, const etch_node *n, etch_value *x)
{
    const int rank = etch_arg_value(&n->args[0])->t.rank;
    int64_t order[ETCH_MAX_RANK + 1];
    switch (n->op->id) {
    case ETCH_OP_permute:
        for (int i = 0; i < rank; i++) order[i] = etch_b_axis(n->args[1].ints.p[i].v, rank);
        order[rank] = rank;
        return B(b, permute, V(x), etch_b_ints(b, rank + 1, order));
    case ETCH_OP_transpose_int: return B(b, transpose_int, V(x), I(axis(&n->args[1], rank)), I(axis(&n->args[2], rank)));
    case ETCH_OP_unsqueeze: return B(b, unsqueeze, V(x), I(axis(&n->args[1], rank + 1)));
    case ETCH_OP_select_int: return B(b, select_int, V(x), I(axis(&n->args[1], rank)), n->args[2]);
    case ETCH_OP_slice_Tensor: return B(b, slice_Tensor, V(x), I(axis(&n->args[1], rank)), n->args[2], n->args[3], n->args[4]);
    case ETCH_OP_index_select: return B(b, index_select, V(x), I(axis(&n->args[1], rank)), n->args[2]);
    case ETCH_OP_index_Tensor: return B(b, index_Tensor, V(x), n->args[1]);
    case ETCH_OP_expand: return B(b, expand, V(x), sizes_of_pair(b, n->outs[0]));
    case ETCH_OP_view: case ETCH_OP_reshape: case ETCH_OP__unsafe_view: return B(b, reshape, V(x), sizes_of_pair(b, n->outs[0]));
    case ETCH_OP_clone: case ETCH_OP_contiguous: case ETCH_OP_alias: case ETCH_OP_detach: return x;
    case ETCH_OP__to_copy: case ETCH_OP_to_dtype:  // another precision of the parts, or none
        return etch_b_to(b, x, n->outs[0]->t.dtype == ETCH_C64 ? ETCH_F32 : ETCH_F64);
    case ETCH_OP_conj: case ETCH_OP__conj_physical: return conjugate(b, x);
    default: return NULL;
    }
}

// What stands for result 0 of a node that makes or takes complex values; NULL when this is not known.
static etch_value *instead(etch_build *b, const etch_node *n)
{
    etch_value *x = n->op->schema->n_params ? pair_of(&n->args[0]) : NULL;
    switch (n->op->id) {
    case ETCH_OP_polar: return polar(b, n);
    case ETCH_OP_complex: return join(b, etch_arg_value(&n->args[0]), etch_arg_value(&n->args[1]));
    case ETCH_OP_view_as_complex: return etch_arg_value(&n->args[0]);
    case ETCH_OP_view_as_real: return x;
    case ETCH_OP_real: return x ? part(b, x, 0) : NULL;
    case ETCH_OP_imag: return x ? part(b, x, 1) : NULL;
    case ETCH_OP_mul_Tensor: case ETCH_OP_mul_Scalar: return product(b, n);
    case ETCH_OP_add_Tensor: case ETCH_OP_sub_Tensor: return sum(b, n, n->op->id);
    default: return x && is_complex(n->outs[0]) ? moved(b, n, x) : NULL;
    }
}

static void look(void *user, etch_value *v) { *(bool *)user |= is_complex(v); }

static bool touches_complex(const etch_node *n)
{
    bool found = false;
    etch_node_each_use(n, look, &found);
    for (int i = 0; i < n->n_outs; i++) found |= is_complex(n->outs[i]);
    return found;
}

etch_status *etch_pass_complex(etch_program *p, const etch_pass_opts *o)
{
    (void)o;
    for (int i = 0; i < p->n_methods; i++) {
        etch_method *m = p->methods[i];
        etch_method_clear_user(m);
        for (etch_node *n = m->first; n; n = n->next) {
            if (n->n_outs != 1 || !touches_complex(n)) continue;
            etch_build b = { .m = m, .before = n, .from = n };
            n->outs[0]->user = instead(&b, n);
            if (b.error) return etch_status_frame(b.error, __FILE__, __LINE__, "%s", etch_node_place(m, n));
        }
        for (etch_node *n = m->first; n; n = n->next)  // pairs stand beside complex values, they do not replace them
            for (int k = 0; k < n->n_outs; k++)
                if (is_complex(n->outs[k])) n->outs[k]->user = NULL;
        etch_method_replace_all(m);
    }
    return NULL;
}
