// Constants on demand: `.item()`, bool(t), .tolist() and the like run the reference kernels over the constant's own subgraph, once.
// What depends on an input, on a buffer or on a symbolic size has no content: the error names the model's line.
#include "trace/core/core.h"

#include <stdlib.h>
#include <string.h>

static int refuse(core_state *st, const char *why)
{
    PyObject *where = core_where_py(st);
    PyErr_Format(core_guard_error(st), "data-dependent control flow at %V: %s", where, "?", why);
    Py_XDECREF(where);
    return -1;
}

static etch_status *keep(core_state *st, etch_value *v, etch_tensor *t)
{
    etch_arena *a = &st->program->arena;
    size_t n = 0;
    etch_tensor *copy;
    ETCH_ALLOC(copy, a, sizeof *copy);
    if (!etch_tensor_nbytes(t, &n)) return ETCH_ERR(ETCH_INVALID, "constant too large");
    *copy = *t;
    ETCH_ALLOC(copy->data, a, n);
    if (n) memcpy(copy->data, t->data, n);
    copy->capacity = n;
    core_info_of(v)->real = copy;
    return NULL;
}

static etch_status *evaluate(core_state *st, etch_value *v, int depth, const etch_tensor **out);

static etch_status *real_arg(core_state *st, etch_tensor *t, int depth, etch_tensor **out)
{
    const etch_tensor *r = NULL;
    if (t) ETCH_TRY(evaluate(st, etch_value_of(t), depth, &r));
    *out = (etch_tensor *)(uintptr_t)r;
    return NULL;
}

static etch_status *evaluate_node(core_state *st, etch_node *n, int depth)
{
    const int np = n->op->schema->n_params;
    etch_val *args;
    ETCH_ALLOC(args, &st->program->arena, sizeof *args * (size_t)(np ? np : 1));
    for (int i = 0; i < np; i++) {
        args[i] = n->args[i];
        if (args[i].kind == ETCH_V_TENSOR) ETCH_TRY(real_arg(st, args[i].t, depth, &args[i].t));
        if (args[i].kind != ETCH_V_TENSORS || !args[i].tensors.n) continue;
        ETCH_ALLOC(args[i].tensors.p, &st->program->arena, sizeof(etch_tensor *) * (size_t)args[i].tensors.n);
        for (int k = 0; k < args[i].tensors.n; k++) ETCH_TRY(real_arg(st, n->args[i].tensors.p[k], depth, &args[i].tensors.p[k]));
    }
    int got = 0;
    etch_tensor *outs;
    ETCH_ALLOC(outs, &st->program->arena, sizeof *outs * (size_t)n->n_outs);
    etch_status *s = etch_kern_eval(n->op, args, np, outs, n->n_outs, &got);
    for (int i = 0; !s && i < n->n_outs && i < got; i++) s = keep(st, n->outs[i], &outs[i]);
    for (int i = 0; i < got && i < n->n_outs; i++) free(outs[i].data);
    return s;
}

static etch_status *evaluate(core_state *st, etch_value *v, int depth, const etch_tensor **out)
{
    const core_info *info = core_info_of(v);
    if (info->real) {
        *out = info->real;
        return NULL;
    }
    if (depth > 2000) return ETCH_ERR(ETCH_UNSUPPORTED, "a constant's expression is too deep");
    switch (v->src) {
    case ETCH_SRC_DATA:
        *out = &v->t;
        return NULL;
    case ETCH_SRC_NODE:
        ETCH_TRYF(evaluate_node(st, v->def, depth + 1), "evaluating %.*s", ETCH_STR_ARGS(v->def->op->schema->name));
        *out = info->real;
        return info->real ? NULL : ETCH_ERR(ETCH_INTERNAL, "constant without content");
    case ETCH_SRC_FILE:
        return ETCH_ERR(ETCH_UNSUPPORTED, "the model reads the weight %.*s while it is built", ETCH_STR_ARGS(v->name));
    default:
        return ETCH_ERR(ETCH_INTERNAL, "leaf without content");
    }
}

int core_real(core_state *st, etch_value *v, const etch_tensor **out)
{
    const core_info *info = core_info_of(v);
    if (info->random) return refuse(st, "the value of a random tensor is asked for");
    if (info->dynamic) return refuse(st, "the value of a tensor that depends on the model's inputs is asked for");
    etch_status *s = evaluate(st, v, 0, out);
    if (!s) return 0;
    core_raise(st, s);
    return -1;
}

int core_real_tensor(core_tensor *t, const etch_tensor **out)
{
    etch_value *v = NULL;
    etch_status *s = core_value(t, &v);
    if (s) {
        core_raise(t->st, s);
        return -1;
    }
    return core_real(t->st, v, out);
}

PyObject *core_element(const etch_tensor *t, int64_t i)
{
    if (t->dtype == ETCH_BOOL) return PyBool_FromLong(etch_load_int(t->data, t->dtype, i) != 0);
    if (etch_dtype_is_float(t->dtype)) return PyFloat_FromDouble(etch_load_double(t->data, t->dtype, i));
    if (t->dtype == ETCH_C64) {
        const float *f = (const float *)t->data + 2 * i;
        return PyComplex_FromDoubles((double)f[0], (double)f[1]);
    }
    return PyLong_FromLongLong(etch_load_int(t->data, t->dtype, i));
}

PyObject *core_item(core_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->v->t.rank; i++) n *= t->v->t.sizes[i].v;
    if (n != 1) return PyErr_Format(PyExc_RuntimeError, "a Tensor with %lld elements cannot be converted to Scalar", (long long)n);
    const etch_tensor *r = NULL;
    return core_real_tensor(t, &r) ? NULL : core_element(r, 0);
}
