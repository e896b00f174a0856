// Helpers of the shape rules: see shape_util.h.
#include "op/shape_util.h"

const etch_val *shape_arg(const etch_val *args, int n_args, int i)
{
    static const etch_val none = { .kind = ETCH_V_NONE };
    return i < n_args ? &args[i] : &none;
}

etch_status *shape_tensor(const etch_val *v, int i, const etch_tensor **out_t)
{
    *out_t = v->kind == ETCH_V_TENSOR ? v->t : NULL;
    if (!*out_t) return ETCH_ERR(ETCH_INVALID, "argument %d must be a tensor", i);
    if ((*out_t)->rank < 0 || (*out_t)->rank > ETCH_MAX_RANK)
        return ETCH_ERR(ETCH_INVALID, "argument %d has more than %d dims", i, ETCH_MAX_RANK);
    return NULL;
}

etch_status *shape_axis_of(int64_t axis, int rank, int *out_axis)
{
    int64_t n = rank ? rank : 1;
    *out_axis = 0;
    if (axis < -n || axis >= n) return ETCH_ERR(ETCH_INVALID, "dim %lld is out of range for a tensor of rank %d", (long long)axis, rank);
    *out_axis = (int)(axis < 0 ? axis + n : axis);
    return NULL;
}

etch_status *shape_axis(const etch_val *v, int rank, int *out_axis)
{
    int64_t axis;
    ETCH_TRY(shape_int(v, 0, &axis));
    return shape_axis_of(axis, rank, out_axis);
}

etch_status *shape_int(const etch_val *v, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (v->kind == ETCH_V_NONE) return NULL;
    if (v->kind == ETCH_V_BOOL) {
        *out = v->b;
        return NULL;
    }
    if (v->kind != ETCH_V_INT) return ETCH_ERR(ETCH_INVALID, "an argument must be an int");
    if (v->i.e) return ETCH_ERR(ETCH_UNSUPPORTED, "an argument that fixes the number of dims or results is symbolic");
    *out = v->i.v;
    return NULL;
}

etch_status *shape_dim(const etch_val *v, etch_dim fallback, etch_dim *out)
{
    *out = fallback;
    if (v->kind == ETCH_V_NONE) return NULL;
    if (v->kind == ETCH_V_INT) *out = v->i;
    else if (v->kind == ETCH_V_BOOL) *out = etch_dim_of(v->b);
    else return ETCH_ERR(ETCH_INVALID, "an argument must be an int");
    return NULL;
}

etch_status *shape_ints(const etch_val *v, shape_list *out)
{
    *out = (shape_list){ NULL, 0 };
    if (v->kind == ETCH_V_INTS) *out = (shape_list){ v->ints.p, v->ints.n };
    else if (v->kind == ETCH_V_INT) *out = (shape_list){ &v->i, 1 };
    else if (v->kind != ETCH_V_NONE) return ETCH_ERR(ETCH_INVALID, "an argument must be a list of ints");
    return NULL;
}

bool shape_bool(const etch_val *v, bool fallback)
{
    if (v->kind == ETCH_V_BOOL) return v->b;
    if (v->kind == ETCH_V_INT) return v->i.v != 0;
    return fallback;
}

etch_status *shape_dtype(const etch_val *v, etch_dtype fallback, etch_dtype *out)
{
    *out = fallback;
    if (v->kind == ETCH_V_NONE) return NULL;
    if (v->kind != ETCH_V_INT || v->i.v < 0 || v->i.v > 255 || !etch_dtype_is_valid((int)v->i.v))
        return ETCH_ERR(ETCH_UNSUPPORTED, "dtype code %lld is not supported", (long long)(v->kind == ETCH_V_INT ? v->i.v : -1));
    *out = (etch_dtype)v->i.v;
    return NULL;
}

static etch_dtype promote_known(etch_dtype a, etch_dtype b)
{
    if (a == ETCH_DTYPE_NONE) return b;
    if (b == ETCH_DTYPE_NONE) return a;
    return etch_dtype_promote(a, b);
}

static etch_status *promote_into(etch_dtype *slot, etch_dtype d)
{
    etch_dtype r = promote_known(*slot, d);
    if (r == ETCH_DTYPE_NONE)
        return ETCH_ERR(ETCH_UNSUPPORTED, "no common type for %s and %s", etch_dtype_torch_name(*slot), etch_dtype_torch_name(d));
    *slot = r;
    return NULL;
}

etch_status *shape_promote_tensor(shape_promotion *p, const etch_tensor *t)
{
    return promote_into(t->rank > 0 ? &p->dim : &p->zero, t->dtype);
}

etch_status *shape_promote(shape_promotion *p, const etch_val *v)
{
    switch (v->kind) {
    case ETCH_V_TENSOR: return shape_promote_tensor(p, v->t);
    case ETCH_V_INT: return promote_into(&p->wrapped, ETCH_I64);
    case ETCH_V_FLOAT: return promote_into(&p->wrapped, ETCH_F32);
    case ETCH_V_BOOL: return promote_into(&p->wrapped, ETCH_BOOL);
    case ETCH_V_NONE: return NULL;
    default: return ETCH_ERR(ETCH_INVALID, "an operand must be a tensor or a number");
    }
}

static bool is_inexact(etch_dtype d) { return d != ETCH_DTYPE_NONE && (etch_dtype_is_float(d) || etch_dtype_is_complex(d)); }

// The lower category counts only when it is of a higher kind (bool < int < float < complex).
static etch_dtype combine(etch_dtype higher, etch_dtype lower)
{
    if (higher == ETCH_DTYPE_NONE || lower == ETCH_DTYPE_NONE) return promote_known(higher, lower);
    if (etch_dtype_is_complex(higher)) return higher;
    if (etch_dtype_is_float(higher)) return etch_dtype_is_complex(lower) ? (higher == ETCH_F32 ? ETCH_C64 : ETCH_DTYPE_NONE) : higher;
    if (higher == ETCH_BOOL || is_inexact(lower)) return etch_dtype_promote(higher, lower);
    return higher;
}

etch_status *shape_promoted(const shape_promotion *p, etch_dtype *out)
{
    etch_dtype low = combine(p->zero, p->wrapped);
    *out = combine(p->dim, low);
    if (*out == ETCH_DTYPE_NONE)
        return ETCH_ERR(ETCH_UNSUPPORTED, "no common type for %s and %s", etch_dtype_torch_name(p->dim), etch_dtype_torch_name(low));
    return NULL;
}

etch_status *shape_equal(etch_shape_cx *cx, etch_dim a, etch_dim b, bool *out)
{
    return etch_dim_decide(cx->syms, ETCH_CMP_EQ, a, b, cx->where, out);
}

etch_status *shape_decide(etch_shape_cx *cx, etch_cmp cmp, etch_dim a, int64_t b, bool *out)
{
    return etch_dim_decide(cx->syms, cmp, a, etch_dim_of(b), cx->where, out);
}

etch_status *shape_fix(etch_shape_cx *cx, etch_dim d, int64_t *out)
{
    bool same;
    *out = d.v;
    if (!d.e) return NULL;
    return shape_equal(cx, d, etch_dim_of(d.v), &same);
}

static bool is_one(etch_dim d) { return !d.e && d.v == 1; }

etch_status *shape_broadcast_dim(etch_shape_cx *cx, etch_dim a, etch_dim b, etch_dim *out, bool *out_ok)
{
    *out = a;
    *out_ok = true;
    if (etch_dim_same(a, b) || is_one(b)) return NULL;
    *out = b;
    if (is_one(a)) return NULL;
    if (!a.e && !b.e) {
        *out_ok = false;
        return NULL;
    }
    // Undecided by form: the example says which of "equal", "a is 1", "b is 1" holds, a guard keeps it.
    if (a.v == b.v) {
        if (!a.e) *out = a;
        return shape_equal(cx, a, b, out_ok);
    }
    if (a.v == 1) return shape_decide(cx, ETCH_CMP_EQ, a, 1, out_ok);
    *out = a;
    if (b.v == 1) return shape_decide(cx, ETCH_CMP_EQ, b, 1, out_ok);
    *out_ok = false;
    return NULL;
}

etch_status *shape_broadcast(etch_shape_cx *cx, etch_tensor *io, const etch_tensor *t)
{
    int rank = io->rank > t->rank ? io->rank : t->rank;
    etch_dim sizes[ETCH_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        int ia = i - (rank - io->rank), ib = i - (rank - t->rank);
        bool ok = true;
        if (ia < 0) sizes[i] = t->sizes[ib];
        else if (ib < 0) sizes[i] = io->sizes[ia];
        else ETCH_TRY(shape_broadcast_dim(cx, io->sizes[ia], t->sizes[ib], &sizes[i], &ok));
        if (!ok) {
            etch_tensor shown = *io;
            shown.dtype = t->dtype;
            return shape_mismatch("sizes do not broadcast", "one operand", &shown, "other", t);
        }
    }
    io->rank = rank;
    memcpy(io->sizes, sizes, sizeof sizes[0] * (size_t)rank);
    return NULL;
}

etch_status *shape_product(etch_shape_cx *cx, const etch_dim *sizes, int from, int to, etch_dim *out)
{
    etch_dim n = DIM(1);
    for (int i = from; i < to; i++) MUL(n, sizes[i], &n);
    *out = n;
    return NULL;
}

etch_status *shape_ceildiv(etch_shape_cx *cx, etch_dim a, etch_dim b, etch_dim *out)
{
    if (!b.e && b.v == 1) {
        *out = a;
        return NULL;
    }
    etch_dim n;
    SUB(b, DIM(1), &n);
    ADD(a, n, &n);
    DIV(n, b, out);
    return NULL;
}

etch_status *shape_set(etch_outs *outs, int k, etch_dtype dtype, int rank, const etch_dim *sizes)
{
    if (k >= outs->n || !outs->t || !outs->t[k]) return ETCH_ERR(ETCH_INVALID, "the operator has more results than are taken");
    if (rank > ETCH_MAX_RANK) return ETCH_ERR(ETCH_UNSUPPORTED, "a result has %d dims; at most %d are supported", rank, ETCH_MAX_RANK);
    etch_tensor *t = outs->t[k];
    for (int i = 0; i < rank; i++)
        if (sizes[i].v < 0) return ETCH_ERR(ETCH_INVALID, "a result would have size %lld in dim %d", (long long)sizes[i].v, i);
    t->dtype = dtype;
    t->rank = rank;
    if (rank && t->sizes != sizes) memmove(t->sizes, sizes, sizeof sizes[0] * (size_t)rank);
    return NULL;
}

etch_status *etch_outs_resize(etch_shape_cx *cx, etch_outs *outs, int n)
{
    if (!cx->arena) {
        if (outs->n == n) return NULL;
        return ETCH_ERR(ETCH_INVALID, "the operator gives %d results, %d are stored", n, outs->n);
    }
    etch_tensor **list, *tensors;
    size_t count = (size_t)n + 1;
    ETCH_ALLOC(list, cx->arena, sizeof *list * count);
    ETCH_ALLOC(tensors, cx->arena, sizeof *tensors * count);
    for (int i = 0; i < n; i++) list[i] = &tensors[i];
    *outs = (etch_outs){ n, list };
    return NULL;
}

etch_status *shape_mismatch(const char *what, const char *name_a, const etch_tensor *a, const char *name_b, const etch_tensor *b)
{
    etch_buf buf;
    etch_buf_init(&buf);
    if (a) {
        etch_buf_printf(&buf, ": %s is ", name_a);
        etch_tensor_print_type(&buf, a);
    }
    if (b) {
        etch_buf_printf(&buf, ", %s ", name_b);
        etch_tensor_print_type(&buf, b);
    }
    etch_status *s = ETCH_ERR(ETCH_INVALID, "%s%.*s", what, ETCH_STR_ARGS(etch_buf_str(&buf)));
    etch_buf_deinit(&buf);
    return s;
}
