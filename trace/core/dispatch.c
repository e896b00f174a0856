// One entry serves every op: Python arguments are bound to the schema of each overload in turn, the first that fits is recorded.
//
// Two rounds over the overloads: first exact kinds, then the conversions that PyTorch makes too (a Python number in a Tensor slot is a
// "wrapped number"; a constant 0-d tensor in a scalar slot is its value). `x_` methods compute `x` and write the result back.
#include "trace/core/core.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PARAMS = 32, MAX_ARGS = 32 };

typedef struct {
    core_state *st;
    etch_arena arena;                  // lists of this call
    PyObject *const *args;
    Py_ssize_t n;
    PyObject *kwargs;
    bool loose;                        // second round
    char why[160];
    core_tensor *first;                // first tensor argument
    core_tensor *written;              // the argument that an in-place row writes
    bool any_meta;
} binding;

typedef enum { FITS, MISFIT, FAILED } fit;  // FAILED: exception set

static fit misfit(binding *b, const etch_param *p, PyObject *o)
{
    PyObject *name = o ? PyObject_GetAttrString((PyObject *)Py_TYPE(o), "__name__") : NULL;
    const char *z = name ? PyUnicode_AsUTF8AndSize(name, NULL) : "nothing";
    PyOS_snprintf(b->why, sizeof b->why, "argument '%.*s' cannot be %s", ETCH_STR_ARGS(p->name), z ? z : "?");
    Py_XDECREF(name);
    PyErr_Clear();
    return MISFIT;
}

static fit from_status(binding *b, etch_status *s)
{
    if (!s) return FITS;
    core_raise(b->st, s);
    return FAILED;
}

static fit bind_tensor(binding *b, PyObject *o, etch_tensor **out)
{
    core_tensor *t = (core_tensor *)o;
    etch_value *v = NULL;
    fit f = from_status(b, core_value(t, &v));
    if (f != FITS) return f;
    if (!b->first) b->first = t;
    b->any_meta |= t->device == CORE_META;
    *out = &v->t;
    return FITS;
}

// A number (Python's, SymInt, or in the loose round a constant tensor with one element).
static fit bind_number(binding *b, PyObject *o, const etch_param *p, etch_val *out)
{
    if (PyBool_Check(o)) *out = etch_val_bool(o == Py_True);
    else if (PyFloat_Check(o)) *out = etch_val_float(PyFloat_AsDouble(o));
    else if (core_is_tensor(b->st, o)) {
        if (!b->loose || ((core_tensor *)o)->v->t.rank != 0) return misfit(b, p, o);
        etch_value *v = NULL;
        fit f = from_status(b, core_value((core_tensor *)o, &v));
        if (f != FITS) return f;
        if (core_info_of(v)->dynamic) return misfit(b, p, o);
        PyObject *item = core_item((core_tensor *)o);
        if (!item) return FAILED;
        f = bind_number(b, item, p, out);
        Py_DECREF(item);
        return f;
    } else {
        etch_dim d;
        if (core_dim_of(b->st, o, &d)) *out = etch_val_dim(d);
        else if (PyErr_Occurred()) return FAILED;
        else if (PyNumber_Check(o) && !PyComplex_Check(o) && !PySequence_Check(o)) {
            double f = PyFloat_AsDouble(o);
            if (PyErr_Occurred()) return misfit(b, p, o);
            *out = etch_val_float(f);
        } else return misfit(b, p, o);
    }
    return PyErr_Occurred() ? FAILED : FITS;
}

static fit bind_dim(binding *b, PyObject *o, const etch_param *p, etch_dim *out)
{
    if (PyBool_Check(o) && !b->loose) return misfit(b, p, o);
    if (core_is_tensor(b->st, o)) {
        etch_val v;
        fit f = bind_number(b, o, p, &v);
        if (f != FITS) return f;
        if (v.kind != ETCH_V_INT) return misfit(b, p, o);
        *out = v.i;
        return FITS;
    }
    if (core_dim_of(b->st, o, out)) return FITS;
    return PyErr_Occurred() ? FAILED : misfit(b, p, o);
}

static fit bind_int(binding *b, PyObject *o, const etch_param *p, etch_val *out)
{
    etch_dtype d;
    PyObject *type = (PyObject *)Py_TYPE(o);
    if (core_dtype_of(b->st, o, &d)) {
        if (!p->is_dtype) return misfit(b, p, o);
        *out = etch_val_int((int64_t)d);
        return FITS;
    }
    if (type == b->st->device_type || type == b->st->layout_type || type == b->st->format_type || (PyUnicode_Check(o) && !p->is_dtype)) {
        bool ours = etch_str_eqz(p->name, "device") || etch_str_eqz(p->name, "layout") || etch_str_eqz(p->name, "memory_format");
        if (!ours) return misfit(b, p, o);
        *out = etch_val_none();
        return FITS;
    }
    if (p->is_dtype) return misfit(b, p, o);
    etch_dim v;
    fit f = bind_dim(b, o, p, &v);
    if (f == FITS) *out = etch_val_dim(v);
    return f;
}

static bool is_list(PyObject *o) { return PyTuple_Check(o) || PyList_Check(o); }

// The items of `o`, or of the remaining positional arguments when `rest` is set.
static fit bind_list(binding *b, const etch_param *p, PyObject *o, PyObject *const *rest, Py_ssize_t n_rest, etch_val *out)
{
    PyObject *seq = NULL;
    Py_ssize_t n = n_rest;
    bool lone = false;
    if (!rest) {
        if (is_list(o)) seq = Py_NewRef(o);
        else if (p->type == ETCH_T_TENSORS || p->type == ETCH_T_TENSORS_OPT || !p->fixed_len) {
            if (core_is_tensor(b->st, o) || PyUnicode_Check(o) || !PySequence_Check(o)) return misfit(b, p, o);
            seq = PySequence_Tuple(o);
        } else {
            lone = true;
        }
        if (!seq && !lone) return FAILED;
        n = lone ? p->fixed_len : PySequence_Size(seq);
    }
    fit f = FITS;
    size_t item = p->type == ETCH_T_FLOATS || p->type == ETCH_T_FLOATS_OPT ? sizeof(double)
                : p->type == ETCH_T_INTS || p->type == ETCH_T_INTS_OPT     ? sizeof(etch_dim)
                : p->type == ETCH_T_BOOLS                                  ? sizeof(bool)
                                                                           : sizeof(etch_tensor *);
    void *mem = etch_arena_alloc(&b->arena, item * (size_t)(n ? n : 1));
    if (!mem) PyErr_NoMemory();
    for (Py_ssize_t i = 0; mem && i < n && f == FITS; i++) {
        PyObject *x = rest ? Py_NewRef(rest[i]) : lone ? Py_NewRef(o) : PySequence_GetItem(seq, i);
        if (!x) {
            f = FAILED;
            break;
        }
        if (item == sizeof(etch_dim) && (p->type == ETCH_T_INTS || p->type == ETCH_T_INTS_OPT)) {
            f = bind_dim(b, x, p, &((etch_dim *)mem)[i]);
        } else if (p->type == ETCH_T_FLOATS || p->type == ETCH_T_FLOATS_OPT) {
            etch_val v;
            f = bind_number(b, x, p, &v);
            if (f == FITS) ((double *)mem)[i] = etch_val_as_double(&v);
        } else if (p->type == ETCH_T_BOOLS) {
            if (PyBool_Check(x)) ((bool *)mem)[i] = x == Py_True;
            else f = misfit(b, p, x);
        } else if (x == Py_None && p->type == ETCH_T_TENSORS_OPT) {
            ((etch_tensor **)mem)[i] = NULL;
        } else if (core_is_tensor(b->st, x)) {
            f = bind_tensor(b, x, &((etch_tensor **)mem)[i]);
        } else {
            f = misfit(b, p, x);
        }
        Py_DECREF(x);
    }
    Py_XDECREF(seq);
    if (!mem) return FAILED;
    switch (p->type) {
    case ETCH_T_INTS: case ETCH_T_INTS_OPT: *out = (etch_val){ .kind = ETCH_V_INTS, .ints = { mem, (int)n } }; break;
    case ETCH_T_FLOATS: case ETCH_T_FLOATS_OPT: *out = (etch_val){ .kind = ETCH_V_FLOATS, .floats = { mem, (int)n } }; break;
    case ETCH_T_BOOLS: *out = (etch_val){ .kind = ETCH_V_BOOLS, .bools = { mem, (int)n } }; break;
    default: *out = (etch_val){ .kind = ETCH_V_TENSORS, .tensors = { mem, (int)n } }; break;
    }
    return f;
}

static fit bind_param(binding *b, const etch_param *p, PyObject *o, etch_val *out)
{
    const etch_type t = p->type;
    const bool optional = t == ETCH_T_TENSOR_OPT || t == ETCH_T_INT_OPT || t == ETCH_T_INTS_OPT || t == ETCH_T_FLOAT_OPT ||
                          t == ETCH_T_FLOATS_OPT || t == ETCH_T_BOOL_OPT || t == ETCH_T_SCALAR_OPT || t == ETCH_T_STR_OPT;
    if (o == Py_None) {
        if (!optional) return misfit(b, p, o);
        *out = etch_val_none();
        return FITS;
    }
    switch (t) {
    case ETCH_T_TENSOR: case ETCH_T_TENSOR_OPT:
        if (core_is_tensor(b->st, o)) {
            etch_tensor *x = NULL;
            fit f = bind_tensor(b, o, &x);
            *out = etch_val_tensor(x);
            return f;
        }
        if (!b->loose || is_list(o) || PyUnicode_Check(o)) return misfit(b, p, o);
        return bind_number(b, o, p, out);
    case ETCH_T_TENSORS: case ETCH_T_TENSORS_OPT: case ETCH_T_INTS: case ETCH_T_INTS_OPT: case ETCH_T_FLOATS:
    case ETCH_T_FLOATS_OPT: case ETCH_T_BOOLS:
        return bind_list(b, p, o, NULL, 0, out);
    case ETCH_T_INT: case ETCH_T_INT_OPT:
        return bind_int(b, o, p, out);
    case ETCH_T_FLOAT: case ETCH_T_FLOAT_OPT: {
        if (PyBool_Check(o) && !b->loose) return misfit(b, p, o);
        fit f = bind_number(b, o, p, out);
        if (f == FITS && !(out->kind == ETCH_V_INT && out->i.e)) *out = etch_val_float(etch_val_as_double(out));
        return f;
    }
    case ETCH_T_BOOL: case ETCH_T_BOOL_OPT:
        if (PyBool_Check(o)) *out = etch_val_bool(o == Py_True);
        else if (b->loose && PyLong_Check(o)) *out = etch_val_bool(PyObject_IsTrue(o) == 1);
        else return misfit(b, p, o);
        return FITS;
    case ETCH_T_SCALAR: case ETCH_T_SCALAR_OPT:
        return bind_number(b, o, p, out);
    case ETCH_T_STR: case ETCH_T_STR_OPT: {
        Py_ssize_t n = 0;
        const char *z = PyUnicode_Check(o) ? PyUnicode_AsUTF8AndSize(o, &n) : NULL;
        if (!z) return misfit(b, p, o);
        *out = etch_val_str((etch_str){ z, (size_t)n });
        return FITS;
    }
    }
    return misfit(b, p, o);
}

// Keyword arguments that carry no meaning here, wherever they appear.
static bool is_ignorable(PyObject *name, PyObject *value)
{
    static const char *const names[] = { "device", "layout", "pin_memory", "requires_grad", "non_blocking", "generator", "memory_format" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0) return true;
    return (PyUnicode_CompareWithASCIIString(name, "out") == 0 || PyUnicode_CompareWithASCIIString(name, "dtype") == 0) && value == Py_None;
}

static int param_of(const etch_schema *s, PyObject *name)
{
    static const char *const alias[][2] = {
        { "input", "self" }, { "axis", "dim" }, { "keepdims", "keepdim" }, { "x", "self" },    { "axes", "dim" },
        { "shape", "size" }, { "self", "input" }, { "tensor", "self" },    { "axis", "dims" }, { "value", "fill_value" },
    };
    Py_ssize_t n = 0;
    const char *z = PyUnicode_AsUTF8AndSize(name, &n);
    if (!z) return -1;
    int i = etch_schema_param(s, (etch_str){ z, (size_t)n });
    for (size_t k = 0; i < 0 && k < sizeof alias / sizeof *alias; k++)
        if (!strcmp(alias[k][0], z)) i = etch_schema_param(s, etch_str_of(alias[k][1]));
    return i;
}

// Fills vals[0 .. n_params) for `op`.
static fit bind(binding *b, const etch_op *op, etch_val *vals)
{
    const etch_schema *s = op->schema;
    bool given[MAX_PARAMS] = { 0 };
    if (s->n_params > MAX_PARAMS) return MISFIT;
    int i = 0;
    Py_ssize_t a = 0;
    for (; a < b->n; i++, a++) {
        if (i >= s->n_params || s->params[i].kwarg_only) {
            PyOS_snprintf(b->why, sizeof b->why, "takes %d positional arguments, %d given", i, (int)b->n);
            return MISFIT;
        }
        const etch_param *p = &s->params[i];
        const bool ints = p->type == ETCH_T_INTS || p->type == ETCH_T_INTS_OPT;
        const bool spread = ints && i <= 1 && !is_list(b->args[a]) && (!p->fixed_len || b->n - a > 1) &&
                            (i + 1 == s->n_params || s->params[i + 1].kwarg_only) &&
                            (PyLong_Check(b->args[a]) || core_is_symint(b->args[a]) || core_is_tensor(b->st, b->args[a]) ||
                             PyIndex_Check(b->args[a]));
        if (p->is_mutable && core_is_tensor(b->st, b->args[a])) b->written = (core_tensor *)b->args[a];
        fit f = spread ? bind_list(b, p, NULL, b->args + a, b->n - a, &vals[i]) : bind_param(b, p, b->args[a], &vals[i]);
        if (f != FITS) return f;
        given[i] = true;
        if (spread) a = b->n - 1;
    }
    PyObject *name, *value;
    Py_ssize_t pos = 0;
    while (b->kwargs && PyDict_Next(b->kwargs, &pos, &name, &value)) {
        int k = param_of(s, name);
        if (k >= 0 && s->params[k].is_mutable && core_is_tensor(b->st, value)) b->written = (core_tensor *)value;
        if (k < 0 || given[k]) {
            if (k < 0 && is_ignorable(name, value)) continue;
            PyErr_Clear();
            PyOS_snprintf(b->why, sizeof b->why, "unexpected keyword argument '%.60s'", PyUnicode_AsUTF8AndSize(name, NULL));
            return MISFIT;
        }
        fit f = s->params[k].name.len && etch_str_eqz(s->params[k].name, "device") ? FITS : bind_param(b, &s->params[k], value, &vals[k]);
        if (f == MISFIT && is_ignorable(name, value)) f = FITS;
        else if (f == FITS && etch_str_eqz(s->params[k].name, "device")) vals[k] = etch_val_none();
        if (f != FITS) return f;
        given[k] = true;
    }
    for (int k = 0; k < s->n_params; k++) {
        if (given[k]) continue;
        if (!s->params[k].has_default) {
            PyOS_snprintf(b->why, sizeof b->why, "argument '%.*s' is missing", ETCH_STR_ARGS(s->params[k].name));
            return MISFIT;
        }
        vals[k] = s->params[k].def;
    }
    return FITS;
}

// Factories: the element type that PyTorch infers when none is given.
static void infer_dtype(core_state *st, const etch_op *op, etch_val *vals)
{
    const etch_schema *s = op->schema;
    int at = -1;
    bool scalars = false, all_int = true, all_bool = true;
    for (int i = 0; i < s->n_params; i++) {
        const etch_param *p = &s->params[i];
        if (p->type == ETCH_T_TENSOR || p->type == ETCH_T_TENSORS || p->type == ETCH_T_TENSOR_OPT) return;
        if (p->is_dtype && vals[i].kind == ETCH_V_NONE) at = i;
        if (p->type != ETCH_T_SCALAR) continue;
        scalars = true;
        all_int &= vals[i].kind == ETCH_V_INT;
        all_bool &= vals[i].kind == ETCH_V_BOOL;
    }
    if (at < 0) return;
    const bool line = etch_str_starts(s->name, "aten::linspace") || etch_str_starts(s->name, "aten::logspace");
    etch_dtype d = st->default_dtype;
    const bool ints = etch_str_starts(s->name, "aten::randint") || etch_str_starts(s->name, "aten::randperm");
    if (ints || (scalars && all_int && !line)) d = ETCH_I64;
    else if (scalars && all_bool && !line) d = ETCH_BOOL;
    else if (etch_str_starts(s->name, "aten::tril_indices") || etch_str_starts(s->name, "aten::triu_indices")) d = ETCH_I64;
    vals[at] = etch_val_int((int64_t)d);
}

// "values", "indices" of "-> (Tensor values, Tensor indices)": the named tuple that PyTorch returns; NULL without exception when unnamed.
static PyObject *result_type(core_state *st, const etch_op *op)
{
    PyObject *key = PyUnicode_FromStringAndSize(op->schema->name.ptr, (Py_ssize_t)op->schema->name.len);
    PyObject *known = key ? PyDict_GetItemWithError(st->result_types, key) : NULL;
    if (known || !key || PyErr_Occurred()) {
        Py_XDECREF(key);
        return known && known != Py_None ? Py_NewRef(known) : NULL;
    }
    const char *p = strstr(op->schema_text, "-> (");
    PyObject *names = PyList_New(0), *type = NULL;
    for (p = p ? p + 3 : NULL; names && p && *p && *p != ')';) {
        p++;
        while (*p == ' ') p++;
        const char *end = p + strcspn(p, ",)"), *space = end;
        while (space > p && space[-1] != ' ') space--;
        if (space == p) break;
        PyObject *name = PyUnicode_FromStringAndSize(space, end - space);
        if (!name || PyList_Append(names, name)) break;
        Py_DECREF(name);
        p = end;
    }
    if (names && PyList_Size(names) == op->schema->n_returns && op->schema->n_returns > 1) {
        PyObject *collections = PyImport_ImportModule("collections");
        const char *dot = strstr(op->schema_text, "::");
        (void)dot;
        type = collections ? PyObject_CallMethod(collections, "namedtuple", "sO", "returns", names) : NULL;
        Py_XDECREF(collections);
    }
    PyErr_Clear();
    if (PyDict_SetItem(st->result_types, key, type ? type : Py_None)) PyErr_Clear();
    Py_DECREF(key);
    Py_XDECREF(names);
    return type;
}

static PyObject *results(binding *b, const etch_op *op, const etch_val *vals, etch_node *node, uint8_t device)
{
    core_state *st = b->st;
    if (op->flags & ETCH_OPF_SYM) return core_dim_py(st, node->outs[0]->scalar);
    bool view = (op->flags & ETCH_OPF_VIEW) && b->first;
    if ((op->flags & ETCH_OPF_MAY_VIEW) && b->first && node->n_outs == 1 && node->outs[0]->t.dtype == b->first->v->t.dtype)
        view = core_can_view(b->first, &node->outs[0]->t);
    const bool list = op->schema->returns_list;
    PyObject *out = list || node->n_outs != 1 ? PyList_New(node->n_outs) : NULL;
    if (!out && (list || node->n_outs != 1)) return NULL;
    for (int i = 0; i < node->n_outs; i++) {
        PyObject *t = view ? core_wrap_view(b->first, op, vals, op->schema->n_params, i, node->outs[i])
            : core_wrap(st, NULL, node->outs[i], device);
        if (!t || !out) {
            Py_XDECREF(out);
            return t;
        }
        if (PyList_SetItem(out, i, t)) {
            Py_DECREF(out);
            return NULL;
        }
    }
    PyObject *tuple = PyList_AsTuple(out), *type = list ? NULL : result_type(st, op);
    Py_DECREF(out);
    if (!type || !tuple) return tuple;
    PyObject *named = PyObject_CallObject(type, tuple);
    Py_DECREF(tuple);
    Py_DECREF(type);
    return named;
}

static PyObject *no_overload(core_op *op, const char *why)
{
    PyObject *where = core_where_py(op->st);
    PyErr_Format(PyExc_TypeError, "%s: %s (at %V)", op->name, why, where, "?");
    Py_XDECREF(where);
    return NULL;
}

static PyObject *run(core_op *op, binding *b)
{
    etch_val vals[MAX_PARAMS];
    const etch_op *chosen = NULL;
    for (int round = 0; round < 2 && !chosen; round++) {
        b->loose = round == 1;
        for (int i = 0; i < op->n_ops && !chosen; i++) {
            b->first = b->written = NULL;
            b->any_meta = false;
            fit f = bind(b, op->ops[i], vals);
            if (f == FAILED) return NULL;
            if (f == FITS) chosen = op->ops[i];
        }
    }
    if (!chosen) {
        if (op->flags & CORE_OP_DUNDER) Py_RETURN_NOTIMPLEMENTED;
        if (op->n_ops == 1) return no_overload(op, b->why);
        PyOS_snprintf(b->why, sizeof b->why, "no overload of %d fits the arguments", op->n_ops);
        return no_overload(op, b->why);
    }
    uint8_t device = b->any_meta ? CORE_META : b->first ? CORE_CPU : b->st->default_device;
    PyObject *wanted = b->kwargs ? PyDict_GetItemString(b->kwargs, "device") : NULL;
    if (wanted && wanted != Py_None) core_device_of(b->st, wanted, &device);
    infer_dtype(b->st, chosen, vals);
    core_tensor *written = op->flags & CORE_OP_INPLACE ? (core_tensor *)b->args[0] : NULL;
    if (chosen->flags & ETCH_OPF_INPLACE) {
        const etch_op *row = etch_op_functional(chosen->schema->name);
        written = b->written;
        if (!row || !written || row->schema->n_params > chosen->schema->n_params)
            return PyErr_Format(PyExc_NotImplementedError, "in-place operator %s cannot be recorded", op->name);
        chosen = row;
    }
    etch_node *node = NULL;
    etch_status *s = core_record(b->st, chosen, vals, chosen->schema->n_params, &node);
    if (s) {
        etch_str where = core_where(b->st);
        return core_raise(b->st, etch_status_frame(s, __FILE__, __LINE__, "%.*s: %.*s", ETCH_STR_ARGS(where),
                                                   ETCH_STR_ARGS(chosen->schema->name)));
    }
    if (written) {
        s = core_write(written, node->outs[0]);
        return s ? core_raise(b->st, s) : Py_NewRef((PyObject *)written);
    }
    PyObject *out = results(b, chosen, vals, node, device);
    PyObject *grad = out && b->kwargs && core_is_tensor(b->st, out) ? PyDict_GetItemString(b->kwargs, "requires_grad") : NULL;
    if (grad) ((core_tensor *)out)->requires_grad = grad == Py_True;
    return out;
}

PyObject *core_dispatch(core_op *op, PyObject *const *args, Py_ssize_t n, PyObject *kwargs)
{
    PyObject *swapped[2];
    if ((op->flags & CORE_OP_REFLECTED) && n == 2) {
        swapped[0] = args[1];
        swapped[1] = args[0];
        args = swapped;
    }
    if ((op->flags & CORE_OP_INPLACE) && (n < 1 || !core_is_tensor(op->st, args[0])))
        return PyErr_Format(PyExc_TypeError, "%s_: the first argument must be a Tensor", op->name);
    binding b = { .st = op->st, .args = args, .n = n, .kwargs = kwargs };
    etch_arena_init(&b.arena);
    PyObject *out = run(op, &b);
    etch_arena_deinit(&b.arena);
    return out;
}

// ---- the callable ----

static PyObject *op_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *items[MAX_ARGS];
    Py_ssize_t n = PyTuple_Size(args);
    if (n > MAX_ARGS) return PyErr_Format(PyExc_TypeError, "too many arguments");
    for (Py_ssize_t i = 0; i < n; i++) items[i] = PyTuple_GetItem(args, i);
    return core_dispatch((core_op *)self, items, n, kwargs);
}

static PyObject *op_bind(PyObject *self, PyObject *obj, PyObject *type)
{
    (void)type;
    if (!obj || obj == Py_None) return Py_NewRef(self);
    return PyObject_CallFunctionObjArgs(((core_op *)self)->st->method_type, self, obj, NULL);
}

static PyObject *op_repr(PyObject *self) { return PyUnicode_FromFormat("<op %s>", ((core_op *)self)->name); }

static void op_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    free(((core_op *)self)->name);
    free(((core_op *)self)->ops);
    PyObject_Free(self);
    Py_DECREF((PyObject *)type);
}

PyObject *core_op_new(core_state *st, const char *name, const etch_op *const *ops, int n, unsigned flags)
{
    core_op *o = PyObject_New(core_op, (PyTypeObject *)st->op_type);
    if (!o) return NULL;
    o->st = st;
    o->flags = flags;
    o->n_ops = n;
    o->name = strdup(name);
    o->ops = malloc(sizeof *o->ops * (size_t)(n ? n : 1));
    if (!o->name || !o->ops) {
        Py_DECREF((PyObject *)o);
        return PyErr_NoMemory();
    }
    memcpy(o->ops, ops, sizeof *ops * (size_t)n);
    return (PyObject *)o;
}

// add.Tensor and the like; overloads with an empty name are "default".
static PyObject *op_getattr(PyObject *self, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr(self, name);
    if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
    core_op *o = (core_op *)self;
    const char *z = PyUnicode_AsUTF8AndSize(name, NULL);
    if (!z) return NULL;
    for (int i = 0; i < o->n_ops; i++) {
        etch_str full = o->ops[i]->schema->name;
        size_t n = full.len;
        while (n && full.ptr[n - 1] != '.' && full.ptr[n - 1] != ':') n--;
        bool named = n && full.ptr[n - 1] == '.';
        etch_str overload = named ? (etch_str){ full.ptr + n, full.len - n } : ETCH_LIT("default");
        if (!etch_str_eqz(overload, z)) continue;
        PyErr_Clear();
        char text[160];
        PyOS_snprintf(text, sizeof text, "%.*s", ETCH_STR_ARGS(full));
        return core_op_new(o->st, text, &o->ops[i], 1, 0);
    }
    return NULL;
}

static PyObject *op_name(PyObject *self, void *what)
{
    core_op *o = (core_op *)self;
    const char *bare = strstr(o->name, "::");
    if (!what) return PyUnicode_FromString(bare ? bare + 2 : o->name);
    if ((intptr_t)what == 1) return o->n_ops ? PyUnicode_FromString(o->ops[0]->schema_text) : PyUnicode_FromString("");
    return PyUnicode_FromString("torch");
}

static PyGetSetDef op_getset[] = {
    { "__name__", op_name, NULL, NULL, NULL },
    { "__qualname__", op_name, NULL, NULL, NULL },
    { "_schema", op_name, NULL, NULL, (void *)1 },
    { "__module__", op_name, NULL, NULL, (void *)2 },
    { 0 },
};
static PyType_Slot op_slots[] = {
    { Py_tp_call, CORE_FN(op_call) },         { Py_tp_descr_get, CORE_FN(op_bind) },
    { Py_tp_repr, CORE_FN(op_repr) },         { Py_tp_dealloc, CORE_FN(op_dealloc) },
    { Py_tp_getattro, CORE_FN(op_getattr) },  { Py_tp_getset, op_getset },
    { 0, NULL },
};
static PyType_Spec op_spec = { "torch._C.Op", (int)sizeof(core_op), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, op_slots };

int core_op_init(core_state *st)
{
    st->op_type = PyType_FromModuleAndSpec(st->module, &op_spec, NULL);
    return st->op_type ? PyModule_AddObjectRef(st->module, "Op", st->op_type) : -1;
}
