// Values, storages and views: what comes in are ops to record, writes and views; what goes out are graph nodes that are purely functional.
//
// x = base.transpose(0, 1)[2]; x.add_(1) becomes
//   v0 = transpose(base); v1 = select(v0); v2 = add(v1, 1); v3 = select_scatter(v0, v2); base' = transpose(v3)
// and the next reader of any view of base replays its chain on base'.
#include "trace/core/core.h"

#include <stdlib.h>
#include <string.h>

core_info *core_info_of(etch_value *v) { return v->user; }

etch_status *core_leaf_info(core_state *st, etch_value *v, bool dynamic)
{
    core_info *info;
    ETCH_ALLOC(info, &st->program->arena, sizeof *info);
    info->dynamic = dynamic;
    v->user = info;
    return NULL;
}

typedef struct { bool dynamic, random; } dep;

static void add_dep(void *user, etch_value *v)
{
    dep *d = user;
    const core_info *info = v->user;
    if (info) {
        d->dynamic |= info->dynamic;
        d->random |= info->random;
    }
}

static bool has_symbol(const etch_val *args, int n)
{
    for (int i = 0; i < n; i++) {
        if (args[i].kind == ETCH_V_INT && args[i].i.e) return true;
        if (args[i].kind == ETCH_V_INTS)
            for (int k = 0; k < args[i].ints.n; k++)
                if (args[i].ints.p[k].e) return true;
    }
    return false;
}

etch_status *core_record(core_state *st, const etch_op *op, const etch_val *args, int n, etch_node **out)
{
    etch_str where = core_where(st), module = core_module_path(st);
    etch_node *node = NULL;
    ETCH_TRY(etch_method_add_node(st->m, NULL, op, args, n, where, module, &node));
    dep d = { 0 };
    etch_node_each_use(node, add_dep, &d);
    if (op->flags & ETCH_OPF_RANDOM) d.random = true;
    if (has_symbol(node->args, op->schema->n_params)) d.dynamic = true;
    for (int i = 0; i < node->n_outs; i++) {
        ETCH_TRY(core_leaf_info(st, node->outs[i], d.dynamic || d.random || etch_tensor_is_dynamic(&node->outs[i]->t)));
        core_info_of(node->outs[i])->random = d.random;
    }
    *out = node;
    return NULL;
}

etch_status *core_call(core_state *st, const char *name, const etch_val *args, int n, etch_value **out)
{
    const etch_op *op = etch_op_find(etch_str_of(name));
    if (!op) return ETCH_ERR(ETCH_UNSUPPORTED, "op %s has no row in op/ops.def", name);
    etch_node *node = NULL;
    ETCH_TRY(core_record(st, op, args, n, &node));
    *out = node->outs[0];
    return NULL;
}

etch_status *core_data(core_state *st, const etch_tensor *t, etch_value **out)
{
    ETCH_TRY(etch_method_add_data(st->m, t, out));
    return core_leaf_info(st, *out, false);
}

bool core_is_tensor(core_state *st, PyObject *o) { return PyObject_TypeCheck(o, (PyTypeObject *)st->tensor_base); }

static core_tensor *new_tensor(core_state *st, PyObject *cls)
{
    PyTypeObject *type = (PyTypeObject *)(cls ? cls : st->tensor_cls);
    allocfunc alloc = (allocfunc)(uintptr_t)PyType_GetSlot(type, Py_tp_alloc);
    core_tensor *t = alloc ? (core_tensor *)alloc(type, 0) : NULL;
    if (t) t->st = st;
    return t;
}

PyObject *core_wrap(core_state *st, PyObject *cls, etch_value *v, uint8_t device)
{
    core_tensor *t = new_tensor(st, cls);
    core_storage *s = calloc(1, sizeof *s);
    if (!t || !s) {
        free(s);
        Py_XDECREF((PyObject *)t);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    s->refs = 1;
    s->cur = v;
    s->id = st->next_id;
    size_t bytes = 0;
    if (!etch_tensor_nbytes(&v->t, &bytes)) bytes = 0;
    st->next_id += (int64_t)((bytes + 127) & ~(size_t)63);
    t->s = s;
    t->v = v;
    t->device = device;
    return (PyObject *)t;
}

void core_storage_release(core_storage *s)
{
    if (s && --s->refs == 0) free(s);
}

static etch_status *copy_args(core_state *st, const etch_val *args, int n, etch_val **out)
{
    etch_arena *a = &st->program->arena;
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

// Parts of a split or unbind are slices and selects of the parent: element `out` of the result list.
static etch_status *part_of(core_tensor *base, const etch_op **op, const etch_val *args, int n, int out, etch_value *v, etch_val *mem)
{
    const bool unbind = core_is_named(*op, "aten::unbind");
    const int axis_at = unbind ? 1 : 2;
    const int axis = n > axis_at ? core_wrap_axis(args[axis_at].i, base->v->t.rank) : 0;
    etch_syms *syms = &base->st->program->syms;
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

PyObject *core_wrap_view(core_tensor *base, const etch_op *op, const etch_val *args, int n, int out, etch_value *v)
{
    core_state *st = base->st;
    core_tensor *t = new_tensor(st, NULL);
    if (!t) return NULL;
    t->s = base->s;
    t->s->refs++;
    t->chain = base->chain;
    t->device = base->device;
    t->version = base->s->version;
    t->v = v;
    if (!op) {
        t->version = base->version;
        return (PyObject *)t;
    }
    etch_val *copy = NULL, part[5];
    etch_status *s = NULL;
    if (op->schema->returns_list) {
        s = part_of(base, &op, args, n, out, v, part);
        args = part;
        n = op ? op->schema->n_params : 0;
    }
    if (!s) s = copy_args(st, args, n, &copy);
    core_view *view = s ? NULL : etch_arena_alloc(&st->program->arena, sizeof *view);
    if (!view) {
        Py_DECREF((PyObject *)t);
        return s ? core_raise(st, s) : PyErr_NoMemory();
    }
    *view = (core_view){ .parent = base->chain, .op = op, .args = copy, .n_args = n, .type = v->t };
    view->type.data = NULL;
    t->chain = view;
    return (PyObject *)t;
}

// The value after the views of `chain`.
static etch_status *chain_value(core_state *st, const core_storage *s, const core_view *chain, etch_value **out)
{
    if (!chain) {
        *out = s->cur;
        return NULL;
    }
    etch_value *parent = NULL;
    ETCH_TRY(chain_value(st, s, chain->parent, &parent));
    etch_val *args = NULL;
    ETCH_TRY(copy_args(st, chain->args, chain->n_args, &args));
    args[0] = etch_val_tensor(&parent->t);
    etch_node *node = NULL;
    ETCH_TRY(core_record(st, chain->op, args, chain->n_args, &node));
    *out = node->outs[0];
    return NULL;
}

etch_status *core_value(core_tensor *t, etch_value **out)
{
    if (t->version != t->s->version) {
        ETCH_TRY(chain_value(t->st, t->s, t->chain, &t->v));
        t->version = t->s->version;
    }
    *out = t->v;
    return NULL;
}

etch_status *core_cast(core_state *st, etch_value *v, etch_dtype d, etch_value **out)
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
    ETCH_TRY(core_record(st, op, args, op->schema->n_params, &node));
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

static etch_status *view_as(core_state *st, const char *op, etch_value *v, const etch_tensor *like, etch_value **out)
{
    etch_dim sizes[ETCH_MAX_RANK];
    memcpy(sizes, like->sizes, sizeof sizes);
    etch_val args[] = { etch_val_tensor(&v->t), { .kind = ETCH_V_INTS, .ints = { sizes, like->rank } } };
    return core_call(st, op, args, 2, out);
}

int core_wrap_axis(etch_dim d, int rank) { return (int)(d.v < 0 ? d.v + rank : d.v); }

bool core_is_named(const etch_op *op, const char *name)
{
    etch_str s = op->schema->name;
    size_t n = strlen(name);
    return s.len >= n && !memcmp(s.ptr, name, n) && (s.len == n || s.ptr[n] == '.');
}

// The parent's content after its view `c` was given the content `v`.
static etch_status *unview(core_state *st, const core_view *c, etch_value *parent, etch_value *v, etch_value **out)
{
    const etch_op *op = c->op;
    const etch_val *a = c->args;
    const int rank = parent->t.rank;
    static const char *const reshapes[] = { "aten::view", "aten::reshape", "aten::_unsafe_view", "aten::flatten", "aten::unflatten",
                                            "aten::squeeze",
                                            "aten::unsqueeze", "aten::view_as", "aten::_reshape_alias", "aten::ravel", "aten::view_copy" };
    for (size_t i = 0; i < sizeof reshapes / sizeof *reshapes; i++)
        if (core_is_named(op, reshapes[i]) && v->t.dtype == parent->t.dtype) return view_as(st, "aten::view", v, &parent->t, out);
    if (core_is_named(op, "aten::alias") || core_is_named(op, "aten::detach") || core_is_named(op, "aten::lift_fresh")) {
        *out = v;
        return NULL;
    }
    if (core_is_named(op, "aten::permute")) {
        etch_dim inverse[ETCH_MAX_RANK];
        for (int i = 0; i < a[1].ints.n; i++) inverse[core_wrap_axis(a[1].ints.p[i], rank)] = etch_dim_of(i);
        etch_val args[] = { etch_val_tensor(&v->t), { .kind = ETCH_V_INTS, .ints = { inverse, rank } } };
        return core_call(st, "aten::permute", args, 2, out);
    }
    if (core_is_named(op, "aten::transpose") || core_is_named(op, "aten::t")) {
        etch_val args[] = { etch_val_tensor(&v->t), c->n_args > 2 ? a[1] : etch_val_int(0), c->n_args > 2 ? a[2] : etch_val_int(1) };
        if (rank < 2) {
            *out = v;
            return NULL;
        }
        return core_call(st, "aten::transpose.int", args, 3, out);
    }
    if (core_is_named(op, "aten::slice") && c->n_args >= 5) {
        etch_val args[] = { etch_val_tensor(&parent->t), etch_val_tensor(&v->t), a[1], a[2], a[3], a[4] };
        return core_call(st, "aten::slice_scatter", args, 6, out);
    }
    if (core_is_named(op, "aten::select")) {
        etch_val args[] = { etch_val_tensor(&parent->t), etch_val_tensor(&v->t), a[1], a[2] };
        return core_call(st, "aten::select_scatter", args, 4, out);
    }
    if (core_is_named(op, "aten::expand") && same_sizes(&parent->t, &v->t)) {
        *out = v;
        return NULL;
    }
    return ETCH_ERR(ETCH_UNSUPPORTED, "in-place write through the view %.*s", ETCH_STR_ARGS(op->schema->name));
}

static etch_status *write_chain(core_state *st, core_storage *s, const core_view *chain, etch_value *v)
{
    if (!chain) {
        s->cur = v;
        return NULL;
    }
    etch_value *parent = NULL, *next = NULL;
    ETCH_TRY(chain_value(st, s, chain->parent, &parent));
    ETCH_TRY(unview(st, chain, parent, v, &next));
    return write_chain(st, s, chain->parent, next);
}

etch_status *core_write(core_tensor *t, etch_value *v)
{
    ETCH_TRY(core_cast(t->st, v, t->v->t.dtype, &v));
    if (!same_sizes(&v->t, &t->v->t)) {
        etch_value *wide = NULL;
        ETCH_TRYF(view_as(t->st, "aten::expand", v, &t->v->t, &wide), "in-place write");
        v = wide;
    }
    ETCH_TRY(write_chain(t->st, t->s, t->chain, v));
    t->s->version++;
    t->v = v;
    t->version = t->s->version;
    return NULL;
}

int core_value_init(core_state *st)
{
    st->next_id = 0x10000;
    return 0;
}
