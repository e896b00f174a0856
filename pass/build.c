// The builder of pass/build.h. In: op ids and arguments. Out: nodes in front of the one that is being replaced.
#include "pass/build.h"

static etch_value *fail(etch_build *b, etch_status *s)
{
    if (b->error) etch_status_ignore(s);
    else b->error = s;
    return &b->harmless;
}

void etch_b_fail(etch_build *b, const char *why) { fail(b, ETCH_ERR(ETCH_UNSUPPORTED, "%s", why)); }

etch_value *etch_b(etch_build *b, etch_op_id id, const etch_val *args, int n)
{
    b->last = NULL;
    if (b->error) return &b->harmless;
    etch_status *s = etch_method_add_node(b->m, b->before, etch_op_get(id), args, n, b->from->where, b->from->module, &b->last);
    if (s) return fail(b, s);
    return b->last->n_outs ? b->last->outs[0] : &b->harmless;
}

etch_value *etch_b_result(etch_build *b, int i) { return b->last && i < b->last->n_outs ? b->last->outs[i] : &b->harmless; }

static void *list_memory(etch_build *b, int n, size_t elem, const void *from)
{
    void *p = etch_arena_alloc(&b->m->program->arena, (size_t)(n + 1) * elem);
    if (!p) fail(b, ETCH_ERR(ETCH_NO_MEMORY, "out of memory"));
    else if (n) memcpy(p, from, (size_t)n * elem);
    return p;
}

etch_val etch_b_dims(etch_build *b, int n, const etch_dim *dims)
{
    etch_dim *p = list_memory(b, n, sizeof *p, dims);
    return (etch_val){ .kind = ETCH_V_INTS, .ints = { p, p ? n : 0 } };
}

etch_val etch_b_ints(etch_build *b, int n, const int64_t *ints)
{
    etch_dim dims[64];
    if (n > 64) {
        etch_b_fail(b, "a list of more than 64 integers");
        n = 0;
    }
    for (int i = 0; i < n; i++) dims[i] = etch_dim_of(ints[i]);
    return etch_b_dims(b, n, dims);
}

etch_val etch_b_tensors(etch_build *b, int n, etch_value *const *values)
{
    etch_tensor **p = list_memory(b, n, sizeof *p, values);  // a value's first member is its tensor
    return (etch_val){ .kind = ETCH_V_TENSORS, .tensors = { p, p ? n : 0 } };
}

etch_val etch_b_floats(etch_build *b, int n, const double *floats)
{
    double *p = list_memory(b, n, sizeof *p, floats);
    return (etch_val){ .kind = ETCH_V_FLOATS, .floats = { p, p ? n : 0 } };
}

etch_val etch_b_sizes(etch_build *b, const etch_value *v) { return etch_b_dims(b, v->t.rank, v->t.sizes); }

etch_dim etch_b_mul(etch_build *b, etch_dim x, etch_dim y)
{
    etch_dim d = x;
    etch_status *s = etch_dim_mul(&b->m->program->syms, x, y, &d);
    if (s) fail(b, s);
    return d;
}

etch_dim etch_b_add(etch_build *b, etch_dim x, etch_dim y)
{
    etch_dim d = x;
    etch_status *s = etch_dim_add(&b->m->program->syms, x, y, &d);
    if (s) fail(b, s);
    return d;
}

etch_dim etch_b_sub(etch_build *b, etch_dim x, etch_dim y)
{
    etch_dim d = x;
    etch_status *s = etch_dim_sub(&b->m->program->syms, x, y, &d);
    if (s) fail(b, s);
    return d;
}

bool etch_b_same(etch_dim x, etch_dim y) { return etch_dim_same(x, y); }

etch_value *etch_b_tensor(etch_build *b, const etch_val *a)
{
    if (a->kind == ETCH_V_TENSOR) return etch_value_of(a->t);
    return fail(b, ETCH_ERR(ETCH_UNSUPPORTED, "a number where a tensor is needed"));
}

etch_dtype etch_b_dtype(const etch_val *a) { return a->kind == ETCH_V_TENSOR ? a->t->dtype : ETCH_DTYPE_NONE; }
int etch_b_rank(const etch_val *a) { return a->kind == ETCH_V_TENSOR ? a->t->rank : 0; }

etch_value *etch_b_to(etch_build *b, etch_value *v, etch_dtype d)
{
    return v->t.dtype == d ? v : B(b, _to_copy, V(v), DTYPE_(d));
}

etch_value *etch_b_float(etch_build *b, etch_value *v)
{
    return v->t.dtype == ETCH_F16 || v->t.dtype == ETCH_BF16 ? etch_b_to(b, v, ETCH_F32) : v;
}

etch_value *etch_b_view(etch_build *b, etch_value *v, int n, const etch_dim *dims)
{
    bool same = n == v->t.rank;
    for (int i = 0; same && i < n; i++) same = etch_dim_same(v->t.sizes[i], dims[i]);
    return same ? v : B(b, view, V(v), etch_b_dims(b, n, dims));
}

etch_value *etch_b_transpose(etch_build *b, etch_value *v, int d0, int d1)
{
    int64_t order[ETCH_MAX_RANK];
    int rank = v->t.rank;
    for (int i = 0; i < rank; i++) order[i] = i;
    d0 = etch_b_axis(d0, rank);
    d1 = etch_b_axis(d1, rank);
    if (d0 == d1 || d0 >= rank || d1 >= rank || d0 < 0 || d1 < 0) return v;
    order[d0] = d1;
    order[d1] = d0;
    return B(b, permute, V(v), etch_b_ints(b, rank, order));
}

etch_value *etch_b_full(etch_build *b, const etch_value *like, etch_val value)
{
    return B(b, full, etch_b_sizes(b, like), value, DTYPE_(like->t.dtype));
}

etch_value *etch_b_arange(etch_build *b, etch_dim n) { return B(b, arange_start_step, I(0), D(n), I(1), DTYPE_(ETCH_I64)); }
