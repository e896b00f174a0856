// Values, storages and views: what comes in are ops to record, writes and views; what goes out are graph nodes that are purely functional
// (graph/views.h).
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

static etch_status *record(void *user, const etch_op *op, const etch_val *args, int n, etch_node **out)
{
    return core_record(user, op, args, n, out);
}

etch_recorder core_recorder(core_state *st) { return (etch_recorder){ st->program, record, st }; }

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
    const etch_recorder r = core_recorder(st);
    etch_status *s = etch_view_push(&r, base->chain, &base->v->t, op, args, n, out, v, &t->chain);
    if (s) {
        Py_DECREF((PyObject *)t);
        return core_raise(st, s);
    }
    return (PyObject *)t;
}

etch_status *core_value(core_tensor *t, etch_value **out)
{
    if (t->version != t->s->version) {
        const etch_recorder r = core_recorder(t->st);
        ETCH_TRY(etch_view_read(&r, t->s->cur, t->chain, &t->v));
        t->version = t->s->version;
    }
    *out = t->v;
    return NULL;
}

etch_status *core_cast(core_state *st, etch_value *v, etch_dtype d, etch_value **out)
{
    const etch_recorder r = core_recorder(st);
    return etch_record_cast(&r, v, d, out);
}

etch_status *core_write(core_tensor *t, etch_value *v)
{
    const etch_recorder r = core_recorder(t->st);
    etch_value *content = NULL;
    ETCH_TRY(etch_view_fit(&r, &t->v->t, v, &v));
    ETCH_TRY(etch_view_write(&r, t->s->cur, t->chain, v, &content));
    if (!t->s->initial && core_is_start(t->s->cur) && core_info_of(content)->dynamic) t->s->initial = t->s->cur;
    t->s->cur = content;
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
