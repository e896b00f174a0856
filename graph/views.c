// In: views and writes. Out: functional nodes, through the reader's recorder.
#include "graph/views.h"

#include <stdio.h>

static etch_status *call(const etch_recorder *r, const char *name, const etch_val *args, int n, etch_value **out)
{
    const etch_op *op = etch_op_find(etch_str_of(name));
    if (!op) return ETCH_ERR(ETCH_UNSUPPORTED, "op %s has no row in op/ops.def", name);
    etch_node *node = NULL;
    ETCH_TRY(r->record(r->user, op, args, n, &node));
    *out = node->outs[0];
    return NULL;
}

int etch_wrap_axis(etch_dim d, int rank) { return (int)(d.v < 0 ? d.v + rank : d.v); }

bool etch_op_is_named(const etch_op *op, const char *name)
{
    etch_str s = op->schema->name;
    size_t n = strlen(name);
    return s.len >= n && !memcmp(s.ptr, name, n) && (s.len == n || s.ptr[n] == '.');
}

const etch_op *etch_op_functional(etch_str full)
{
    etch_str bare = full;
    char name[128];
    for (size_t i = 0; i + 1 < full.len; i++)
        if (full.ptr[i] == ':' && full.ptr[i + 1] == ':') bare = (etch_str){ full.ptr + i + 2, full.len - i - 2 };
    size_t n = 0;
    while (n < bare.len && bare.ptr[n] != '.') n++;
    const bool underscore = n && bare.ptr[n - 1] == '_';
    const etch_str rest = { bare.ptr + n, bare.len - n };
    int len = snprintf(name, sizeof name, "%s%.*s%.*s", underscore ? "aten::" : "etch::", (int)(n - underscore), bare.ptr,
                       ETCH_STR_ARGS(rest));
    if (len < 0 || (size_t)len >= sizeof name) return NULL;
    const etch_op *row = etch_op_find(etch_str_of(name));
    return row && !(row->flags & ETCH_OPF_INPLACE) ? row : NULL;
}

static etch_status *copy_args(const etch_recorder *r, const etch_val *args, int n, etch_val **out)
{
    etch_arena *a = &r->program->arena;
    etch_val *copy;
    ETCH_ALLOC(copy, a, sizeof *copy * (size_t)(n ? n : 1));
    memcpy(copy, args, sizeof *copy * (size_t)n);
    for (int i = 0; i < n; i++)
        if (copy[i].kind == ETCH_V_INTS && copy[i].ints.n) {
            ETCH_ALLOC(copy[i].ints.p, a, sizeof(etch_dim) * (size_t)copy[i].ints.n);
            memcpy(copy[i].ints.p, args[i].ints.p, sizeof(etch_dim) * (size_t)copy[i].ints.n);
        }
    *out = copy;
    return NULL;
}

// Element `out` of a split or unbind, as a slice or select of the parent.
static etch_status *part_of(const etch_recorder *r, const etch_tensor *base, const etch_op **op, const etch_val *args, int n, int out,
                            const etch_value *v,
                            etch_val *mem)
{
    const bool unbind = etch_op_is_named(*op, "aten::unbind");
    const int axis_at = unbind ? 1 : 2;
    const int axis = n > axis_at ? etch_wrap_axis(args[axis_at].i, base->rank) : 0;
    etch_syms *syms = &r->program->syms;
    *op = etch_op_find(unbind ? ETCH_LIT("aten::select.int") : ETCH_LIT("aten::slice.Tensor"));
    if (!*op) return ETCH_ERR(ETCH_UNSUPPORTED, "op aten::slice.Tensor has no row in op/ops.def");
    mem[0] = args[0];
    mem[1] = etch_val_int(axis);
    if (unbind) {
        mem[2] = etch_val_int(out);
        return NULL;
    }
    etch_dim start = etch_dim_of(0), end;
    for (int i = 0; i < out; i++) ETCH_TRY(etch_dim_add(syms, start, v->def->outs[i]->t.sizes[axis], &start));
    ETCH_TRY(etch_dim_add(syms, start, v->t.sizes[axis], &end));
    mem[2] = etch_val_dim(start);
    mem[3] = etch_val_dim(end);
    mem[4] = etch_val_int(1);
    return NULL;
}

etch_status *etch_view_push(const etch_recorder *r, const etch_view *parent, const etch_tensor *base, const etch_op *op,
                            const etch_val *args, int n,
                            int out, const etch_value *v, const etch_view **out_view)
{
    etch_val *copy = NULL, part[5];
    if (op->schema->returns_list) {
        ETCH_TRY(part_of(r, base, &op, args, n, out, v, part));
        args = part;
        n = op->schema->n_params;
    }
    ETCH_TRY(copy_args(r, args, n, &copy));
    etch_view *view;
    ETCH_ALLOC(view, &r->program->arena, sizeof *view);
    *view = (etch_view){ .parent = parent, .op = op, .args = copy, .n_args = n, .type = v->t };
    view->type.data = NULL;
    *out_view = view;
    return NULL;
}

etch_status *etch_view_read(const etch_recorder *r, etch_value *storage, const etch_view *chain, etch_value **out)
{
    if (!chain) {
        *out = storage;
        return NULL;
    }
    etch_value *parent = NULL;
    ETCH_TRY(etch_view_read(r, storage, chain->parent, &parent));
    etch_val *args = NULL;
    ETCH_TRY(copy_args(r, chain->args, chain->n_args, &args));
    args[0] = etch_val_tensor(&parent->t);
    etch_node *node = NULL;
    ETCH_TRY(r->record(r->user, chain->op, args, chain->n_args, &node));
    *out = node->outs[0];
    return NULL;
}

etch_status *etch_record_cast(const etch_recorder *r, etch_value *v, etch_dtype d, etch_value **out)
{
    *out = v;
    if (v->t.dtype == d) return NULL;
    const etch_op *op = etch_op_find(ETCH_LIT("aten::_to_copy"));
    if (!op) return ETCH_ERR(ETCH_UNSUPPORTED, "op aten::_to_copy has no row in op/ops.def");
    etch_val args[16] = { etch_val_tensor(&v->t) };
    int i = etch_schema_param(op->schema, ETCH_LIT("dtype"));
    if (i < 0 || op->schema->n_params > 16) return ETCH_ERR(ETCH_INTERNAL, "row _to_copy has no dtype");
    for (int k = 1; k < op->schema->n_params; k++) args[k] = op->schema->params[k].def;
    args[i] = etch_val_int((int64_t)d);
    etch_node *node = NULL;
    ETCH_TRY(r->record(r->user, op, args, op->schema->n_params, &node));
    *out = node->outs[0];
    return NULL;
}

static bool same_sizes(const etch_tensor *a, const etch_tensor *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (!etch_dim_same(a->sizes[i], b->sizes[i])) return false;
    return true;
}

static etch_status *view_as(const etch_recorder *r, const char *op, etch_value *v, const etch_tensor *like, etch_value **out)
{
    etch_dim sizes[ETCH_MAX_RANK];
    memcpy(sizes, like->sizes, sizeof sizes);
    etch_val args[] = { etch_val_tensor(&v->t), { .kind = ETCH_V_INTS, .ints = { sizes, like->rank } } };
    return call(r, op, args, 2, out);
}

// The parent's content after its view `c` was given the content `v`.
static etch_status *unview(const etch_recorder *r, const etch_view *c, etch_value *parent, etch_value *v, etch_value **out)
{
    const etch_op *op = c->op;
    const etch_val *a = c->args;
    const int rank = parent->t.rank;
    static const char *const reshapes[] = { "aten::view", "aten::reshape", "aten::_unsafe_view", "aten::flatten", "aten::unflatten",
                                           "aten::squeeze",
                                            "aten::unsqueeze", "aten::view_as", "aten::_reshape_alias", "aten::ravel", "aten::view_copy" };
    for (size_t i = 0; i < sizeof reshapes / sizeof *reshapes; i++)
        if (etch_op_is_named(op, reshapes[i]) && v->t.dtype == parent->t.dtype) return view_as(r, "aten::view", v, &parent->t, out);
    if (etch_op_is_named(op, "aten::alias") || etch_op_is_named(op, "aten::detach") || etch_op_is_named(op, "aten::lift_fresh")) {
        *out = v;
        return NULL;
    }
    if (etch_op_is_named(op, "aten::permute")) {
        etch_dim inverse[ETCH_MAX_RANK];
        for (int i = 0; i < a[1].ints.n; i++) inverse[etch_wrap_axis(a[1].ints.p[i], rank)] = etch_dim_of(i);
        etch_val args[] = { etch_val_tensor(&v->t), { .kind = ETCH_V_INTS, .ints = { inverse, rank } } };
        return call(r, "aten::permute", args, 2, out);
    }
    if (etch_op_is_named(op, "aten::transpose") || etch_op_is_named(op, "aten::t")) {
        etch_val args[] = { etch_val_tensor(&v->t), c->n_args > 2 ? a[1] : etch_val_int(0), c->n_args > 2 ? a[2] : etch_val_int(1) };
        if (rank < 2) {
            *out = v;
            return NULL;
        }
        return call(r, "aten::transpose.int", args, 3, out);
    }
    if (etch_op_is_named(op, "aten::slice") && c->n_args >= 5) {
        etch_val args[] = { etch_val_tensor(&parent->t), etch_val_tensor(&v->t), a[1], a[2], a[3], a[4] };
        return call(r, "aten::slice_scatter", args, 6, out);
    }
    if (etch_op_is_named(op, "aten::select")) {
        etch_val args[] = { etch_val_tensor(&parent->t), etch_val_tensor(&v->t), a[1], a[2] };
        return call(r, "aten::select_scatter", args, 4, out);
    }
    if (etch_op_is_named(op, "aten::expand") && same_sizes(&parent->t, &v->t)) {
        *out = v;
        return NULL;
    }
    return ETCH_ERR(ETCH_UNSUPPORTED, "in-place write through the view %.*s", ETCH_STR_ARGS(op->schema->name));
}

etch_status *etch_view_fit(const etch_recorder *r, const etch_tensor *type, etch_value *v, etch_value **out)
{
    ETCH_TRY(etch_record_cast(r, v, type->dtype, out));
    if (!same_sizes(&(*out)->t, type)) ETCH_TRYF(view_as(r, "aten::expand", *out, type, out), "in-place write");
    return NULL;
}

etch_status *etch_view_write(const etch_recorder *r, etch_value *storage, const etch_view *chain, etch_value *v, etch_value **out)
{
    *out = v;
    for (; chain; chain = chain->parent) {
        etch_value *parent = NULL;
        ETCH_TRY(etch_view_read(r, storage, chain->parent, &parent));
        ETCH_TRY(unview(r, chain, parent, *out, out));
    }
    return NULL;
}
