// Argument checks of kernels: kinds, dtypes, ranks, ranges. In: the arguments of one call. Out: a status, or typed values.
#include "kern/check.h"

static etch_status *check_tensor(const etch_tensor *t, int i, bool is_out)
{
    const char *what = is_out ? "output" : "argument";
    if (!t) return ETCH_ERR(ETCH_INVALID, "%s %d: no tensor", what, i);
    if (!etch_dtype_is_valid((int)t->dtype)) return ETCH_ERR(ETCH_INVALID, "%s %d: unknown dtype", what, i);
    if (t->rank < 0 || t->rank > ETCH_MAX_RANK) return ETCH_ERR(ETCH_INVALID, "%s %d: rank %d", what, i, t->rank);
    size_t bytes;
    if (!etch_tensor_nbytes(t, &bytes)) return ETCH_ERR(ETCH_INVALID, "%s %d: bad sizes", what, i);
    if (!bytes) return NULL;
    if (!t->data) return ETCH_ERR(ETCH_INVALID, "%s %d has no data", what, i);
    size_t align = t->dtype == ETCH_C64 ? 4 : etch_dtype_size(t->dtype);
    if ((uintptr_t)t->data % align) return ETCH_ERR(ETCH_INVALID, "%s %d is not aligned to its element", what, i);
    if (is_out && bytes > t->capacity)
        return ETCH_ERR(ETCH_INVALID, "output %d needs %zu bytes, has %zu", i, bytes, t->capacity);
    return NULL;
}

etch_status *kern_begin(const etch_val *args, int n_args, int min_args, etch_tensor *const *outs, int n_outs, int min_outs)
{
    if (n_args < min_args || n_outs < min_outs)
        return ETCH_ERR(ETCH_INVALID, "%d arguments and %d outputs, expected at least %d and %d", n_args, n_outs, min_args, min_outs);
    for (int i = 0; i < n_args; i++) {
        if (args[i].kind == ETCH_V_TENSOR) ETCH_TRY(check_tensor(args[i].t, i, false));
        if (args[i].kind != ETCH_V_TENSORS) continue;
        for (int k = 0; k < args[i].tensors.n; k++)
            if (args[i].tensors.p[k]) ETCH_TRY(check_tensor(args[i].tensors.p[k], i, false));
    }
    for (int i = 0; i < n_outs; i++) ETCH_TRY(check_tensor(outs[i], i, true));
    return NULL;
}

bool kern_is_none(const etch_val *args, int n_args, int i) { return i >= n_args || args[i].kind == ETCH_V_NONE; }

etch_status *kern_tensor(const etch_val *args, int i, const etch_tensor **out_t)
{
    *out_t = NULL;
    if (args[i].kind != ETCH_V_TENSOR) return ETCH_ERR(ETCH_INVALID, "argument %d is not a tensor", i);
    *out_t = args[i].t;
    return NULL;
}

etch_status *kern_tensor_opt(const etch_val *args, int n_args, int i, const etch_tensor **out_t)
{
    *out_t = NULL;
    return kern_is_none(args, n_args, i) ? NULL : kern_tensor(args, i, out_t);
}

etch_status *kern_int(const etch_val *args, int i, int64_t *out_v)
{
    *out_v = 0;
    if (args[i].kind == ETCH_V_INT) *out_v = args[i].i.v;
    else if (args[i].kind == ETCH_V_BOOL) *out_v = args[i].b;
    else return ETCH_ERR(ETCH_INVALID, "argument %d is not an integer", i);
    return NULL;
}

etch_status *kern_int_opt(const etch_val *args, int n_args, int i, int64_t absent, int64_t *out_v)
{
    *out_v = absent;
    return kern_is_none(args, n_args, i) ? NULL : kern_int(args, i, out_v);
}

etch_status *kern_bool(const etch_val *args, int i, bool *out_v)
{
    int64_t v;
    ETCH_TRY(kern_int(args, i, &v));
    *out_v = v != 0;
    return NULL;
}

etch_status *kern_num(const etch_val *args, int i, double *out_v)
{
    *out_v = 0;
    if (args[i].kind != ETCH_V_FLOAT && args[i].kind != ETCH_V_INT && args[i].kind != ETCH_V_BOOL)
        return ETCH_ERR(ETCH_INVALID, "argument %d is not a number", i);
    *out_v = etch_val_as_double(&args[i]);
    return NULL;
}

etch_status *kern_num_opt(const etch_val *args, int n_args, int i, double absent, double *out_v)
{
    *out_v = absent;
    return kern_is_none(args, n_args, i) ? NULL : kern_num(args, i, out_v);
}

etch_status *kern_str_opt(const etch_val *args, int n_args, int i, etch_str *out_v)
{
    *out_v = (etch_str){ "", 0 };
    if (kern_is_none(args, n_args, i)) return NULL;
    if (args[i].kind != ETCH_V_STR) return ETCH_ERR(ETCH_INVALID, "argument %d is not a string", i);
    *out_v = args[i].s;
    return NULL;
}

etch_status *kern_ints(const etch_val *args, int n_args, int i, kern_list *out_l)
{
    out_l->n = 0;
    if (kern_is_none(args, n_args, i)) return NULL;
    if (args[i].kind == ETCH_V_INT) {
        out_l->n = 1;
        out_l->v[0] = args[i].i.v;
        return NULL;
    }
    if ((args[i].kind == ETCH_V_FLOATS || args[i].kind == ETCH_V_BOOLS || args[i].kind == ETCH_V_TENSORS) && args[i].ints.n == 0)
        return NULL;
    if (args[i].kind != ETCH_V_INTS) return ETCH_ERR(ETCH_INVALID, "argument %d is not a list of integers", i);
    if (args[i].ints.n > ETCH_MAX_RANK) return ETCH_ERR(ETCH_INVALID, "argument %d: a list of %d entries", i, args[i].ints.n);
    out_l->n = args[i].ints.n;
    for (int k = 0; k < out_l->n; k++) out_l->v[k] = args[i].ints.p[k].v;
    return NULL;
}

etch_status *kern_ints_n(const etch_val *args, int n_args, int i, int n, int64_t absent, kern_list *out_l)
{
    ETCH_TRY(kern_ints(args, n_args, i, out_l));
    if (out_l->n != 0 && out_l->n != 1 && out_l->n != n)
        return ETCH_ERR(ETCH_INVALID, "argument %d: %d entries, expected %d", i, out_l->n, n);
    for (int k = out_l->n; k < n; k++) out_l->v[k] = out_l->n ? out_l->v[0] : absent;
    out_l->n = n;
    return NULL;
}

etch_status *kern_wrap_dim(int64_t d, int rank, int *out_d)
{
    *out_d = 0;
    int64_t n = rank ? rank : 1;
    if (d < -n || d >= n) return ETCH_ERR(ETCH_INVALID, "dimension %lld of a tensor of rank %d", (long long)d, rank);
    *out_d = (int)(d < 0 ? d + n : d);
    return NULL;
}

etch_status *kern_dim(const etch_val *args, int i, int rank, int *out_d)
{
    int64_t d;
    ETCH_TRY(kern_int(args, i, &d));
    return kern_wrap_dim(d, rank, out_d);
}

etch_status *kern_dim_mask(const kern_list *dims, int rank, uint32_t *out_mask)
{
    *out_mask = 0;
    if (!dims->n) *out_mask = (1u << rank) - 1u;
    for (int k = 0; k < dims->n; k++) {
        int d;
        ETCH_TRY(kern_wrap_dim(dims->v[k], rank, &d));
        if (*out_mask >> d & 1u) return ETCH_ERR(ETCH_INVALID, "dimension %d is listed twice", d);
        *out_mask |= 1u << d;
    }
    return NULL;
}

bool kern_same_sizes(const etch_tensor *a, const etch_tensor *b)
{
    if (a->rank != b->rank) return false;
    for (int d = 0; d < a->rank; d++)
        if (a->sizes[d].v != b->sizes[d].v) return false;
    return true;
}

etch_status *kern_want_same(const etch_tensor *a, const etch_tensor *b)
{
    return kern_same_sizes(a, b) ? NULL : ETCH_ERR(ETCH_INVALID, "sizes differ");
}

etch_status *kern_want_sizes(const etch_tensor *t, const char *what, int rank, const int64_t *sizes)
{
    bool ok = t->rank == rank;
    for (int d = 0; ok && d < rank; d++) ok = t->sizes[d].v == sizes[d];
    return ok ? NULL : ETCH_ERR(ETCH_INVALID, "%s has the wrong sizes", what);
}

etch_status *kern_want_rank(const etch_tensor *t, const char *what, int lo, int hi)
{
    return t->rank >= lo && t->rank <= hi ? NULL : ETCH_ERR(ETCH_INVALID, "%s has rank %d", what, t->rank);
}

etch_status *kern_want_dtype(const etch_tensor *t, const char *what, etch_dtype d)
{
    return t->dtype == d ? NULL : ETCH_ERR(ETCH_INVALID, "%s is %s, expected %s", what, etch_dtype_name(t->dtype), etch_dtype_name(d));
}

etch_status *kern_want_index(const etch_tensor *t, const char *what)
{
    return t->dtype == ETCH_I64 || t->dtype == ETCH_I32
               ? NULL : ETCH_ERR(ETCH_INVALID, "%s is %s, expected i64 or i32", what, etch_dtype_name(t->dtype));
}

etch_status *kern_want_in_range(const etch_tensor *t, const char *what, int64_t n, bool wrap)
{
    ETCH_TRY(kern_want_index(t, what));
    int64_t count = etch_numel(t), lo = wrap ? -n : 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t v = kern_get_index(t, i);
        if (v < lo || v >= n) return ETCH_ERR(ETCH_INVALID, "%s holds %lld, the size is %lld", what, (long long)v, (long long)n);
    }
    return NULL;
}

etch_status *kern_scratch(etch_kern_cx *cx, size_t bytes, void *out_ptr)
{
    void *p = cx && cx->scratch ? cx->scratch(cx->user, bytes ? bytes : 1) : NULL;
    memcpy(out_ptr, &p, sizeof p);
    return p ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "a kernel needs %zu bytes of scratch memory", bytes);
}
