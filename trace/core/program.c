// The driver's controls: symbols, inputs, file tensors, names, buffers, methods, outputs; and what the facade sets (default element type
// and device, the stack of modules, the class of results).
#include "trace/core/core.h"

#include <stdlib.h>
#include <string.h>

static core_state *state(PyObject *module) { return PyModule_GetState(module); }

static bool str_of(PyObject *o, etch_str *out)
{
    Py_ssize_t n = 0;
    const char *z = PyUnicode_AsUTF8AndSize(o, &n);
    *out = (etch_str){ z, (size_t)n };
    return z != NULL;
}

static bool type_of(core_state *st, PyObject *dtype, PyObject *shape, etch_tensor *out)
{
    *out = (etch_tensor){ 0 };
    if (!core_dtype_of(st, dtype, &out->dtype)) {
        PyErr_SetString(PyExc_TypeError, "a torch.dtype expected");
        return false;
    }
    Py_ssize_t n = PySequence_Size(shape);
    if (n < 0) return false;
    if (n > ETCH_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "more than %d dimensions", ETCH_MAX_RANK);
        return false;
    }
    out->rank = (int)n;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *x = PySequence_GetItem(shape, i);
        bool ok = x && core_dim_of(st, x, &out->sizes[i]);
        Py_XDECREF(x);
        if (!ok) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a size must be an int");
            return false;
        }
    }
    return true;
}

static core_method *current(core_state *st)
{
    if (st->n_methods) return &st->methods[st->n_methods - 1];
    PyErr_SetString(PyExc_RuntimeError, "no method is being traced: call method(name) first");
    return NULL;
}

static PyObject *p_begin(PyObject *module, PyObject *unused)
{
    (void)unused;
    core_state *st = state(module);
    for (int i = 0; i < st->n_buffers; i++) {
        st->buffers[i]->buffer = NULL;
        core_storage_release(st->buffers[i]);
    }
    st->n_buffers = 0;
    for (int i = 0; i < st->m->n_leaves; i++)  // their names are free again
        if (st->m->leaves[i]->src == ETCH_SRC_BUFFER) st->m->leaves[i]->name = (etch_str){ 0 };
    for (int i = 0; i < st->n_methods; i++) {
        free(st->methods[i].inputs);
        free(st->methods[i].outputs);
        free(st->methods[i].mutations);
    }
    st->n_methods = 0;
    st->program->n_metas = 0;
    st->program->syms.n_guards = 0;
    Py_RETURN_NONE;
}

static PyObject *p_symbol(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *name;
    long long lo, hi, example;
    etch_str z;
    etch_dim d;
    if (!PyArg_ParseTuple(args, "OLLL", &name, &lo, &hi, &example) || !str_of(name, &z)) return NULL;
    if (etch_syms_find(&st->program->syms, z, &d)) return core_dim_py(st, d);
    etch_status *s = etch_syms_new(&st->program->syms, z, lo, hi, example, &d);
    return s ? core_raise(st, s) : core_dim_py(st, d);
}

static PyObject *p_input(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *name, *dtype, *shape;
    etch_str z;
    etch_tensor t;
    core_method *m = current(st);
    if (!m || !PyArg_ParseTuple(args, "OOO", &name, &dtype, &shape) || !str_of(name, &z) || !type_of(st, dtype, shape, &t)) return NULL;
    etch_value *v = NULL;
    etch_status *s = etch_method_add_input(st->m, z, &t, &v);
    if (!s) s = core_leaf_info(st, v, true);
    if (!s) s = core_grow(&m->inputs, m->n_inputs, &m->cap_inputs, sizeof *m->inputs);
    if (s) return core_raise(st, s);
    m->inputs[m->n_inputs++] = v;
    return core_wrap(st, NULL, v, CORE_CPU);
}

static PyObject *p_file_tensor(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *file, *key, *dtype, *shape;
    etch_str f, k;
    etch_tensor t;
    if (!PyArg_ParseTuple(args, "OOOO", &file, &key, &dtype, &shape) || !str_of(file, &f) || !str_of(key, &k) ||
        !type_of(st, dtype, shape, &t)) return NULL;
    etch_value *v = NULL;
    etch_status *s = etch_method_add_file(st->m, f, k, &t, &v);
    if (!s) s = core_leaf_info(st, v, false);
    return s ? core_raise(st, s) : core_wrap(st, NULL, v, CORE_CPU);
}

// tensor_from_bytes(bytes, dtype, shape)
static PyObject *p_tensor_from_bytes(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *bytes, *dtype, *shape;
    etch_tensor t;
    char *p = NULL;
    Py_ssize_t n = 0;
    size_t need = 0;
    if (!PyArg_ParseTuple(args, "SOO", &bytes, &dtype, &shape) || !type_of(st, dtype, shape, &t)) return NULL;
    if (PyBytes_AsStringAndSize(bytes, &p, &n)) return NULL;
    if (!etch_tensor_nbytes(&t, &need) || need != (size_t)n) return PyErr_Format(PyExc_ValueError, "%zd bytes do not fill the shape", n);
    t.data = p;
    t.capacity = need;
    etch_value *v = NULL;
    etch_status *s = core_data(st, &t, &v);
    return s ? core_raise(st, s) : core_wrap(st, NULL, v, CORE_CPU);
}

// tensor(data, dtype=None, device=None, requires_grad=False)
static PyObject *p_tensor(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = { "data", "dtype", "device", "requires_grad", "pin_memory", NULL };
    core_state *st = state(module);
    PyObject *data, *dtype = NULL, *device = NULL, *grad = NULL, *pin = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OOOO", names, &data, &dtype, &device, &grad, &pin)) return NULL;
    uint8_t d = st->default_device;
    if (device && device != Py_None) core_device_of(st, device, &d);
    PyObject *t = core_tensor_from(st, data, dtype, d);
    if (t && grad) ((core_tensor *)t)->requires_grad = grad == Py_True;
    return t;
}

// make_subclass(cls, tensor, requires_grad=False): an alias of class `cls`.
static PyObject *p_make_subclass(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *cls, *data;
    int grad = 0;
    if (!PyArg_ParseTuple(args, "OO|p", &cls, &data, &grad)) return NULL;
    if (!PyType_Check(cls) || !PyType_IsSubtype((PyTypeObject *)cls, (PyTypeObject *)st->tensor_base) || !core_is_tensor(st, data))
        return PyErr_Format(PyExc_TypeError, "make_subclass(cls, tensor)");
    core_tensor *src = (core_tensor *)data, *t = (core_tensor *)core_wrap(st, cls, src->v, src->device);
    if (!t) return NULL;
    core_storage_release(t->s);
    t->s = src->s;
    t->s->refs++;
    t->chain = src->chain;
    t->version = src->version;
    t->requires_grad = grad != 0;
    return (PyObject *)t;
}

// set_device(tensor, device): moves the handle only.
static PyObject *p_set_device(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *t, *device;
    if (!PyArg_ParseTuple(args, "OO", &t, &device)) return NULL;
    uint8_t d = CORE_CPU;
    if (!core_is_tensor(st, t) || !core_device_of(st, device, &d)) return PyErr_Format(PyExc_TypeError, "set_device(tensor, device)");
    ((core_tensor *)t)->device = d;
    return Py_NewRef(t);
}

static core_tensor *tensor_arg(core_state *st, PyObject *o, etch_value **out)
{
    if (!core_is_tensor(st, o)) {
        PyErr_SetString(PyExc_TypeError, "a Tensor expected");
        return NULL;
    }
    etch_status *s = core_value((core_tensor *)o, out);
    if (!s) return (core_tensor *)o;
    core_raise(st, s);
    return NULL;
}

// mark_fqn(tensor, name): the state-dict name of the value; a name that is already there stays (tied weights).
static PyObject *p_mark_fqn(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *o, *name;
    etch_str z;
    etch_value *v = NULL;
    if (!PyArg_ParseTuple(args, "OO", &o, &name) || !str_of(name, &z) || !tensor_arg(st, o, &v)) return NULL;
    if (!v->fqn.len) v->fqn = etch_arena_str(&st->program->arena, z);
    Py_RETURN_NONE;
}

// mark_buffer(tensor, name): the tensor's storage becomes state of that name, its present value the initial content.
static PyObject *p_mark_buffer(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *o, *name;
    etch_str z;
    etch_value *init = NULL, *v = NULL;
    if (!PyArg_ParseTuple(args, "OO", &o, &name) || !str_of(name, &z)) return NULL;
    core_tensor *t = tensor_arg(st, o, &init);
    if (!t) return NULL;
    if (t->s->buffer) Py_RETURN_NONE;
    init = t->s->cur;
    if (core_info_of(init)->dynamic)
        return PyErr_Format(PyExc_ValueError, "the initial content of buffer %V depends on the inputs", name, "?");
    etch_status *s = etch_method_add_buffer(st->m, z, &init->t, core_is_zeros(init) ? NULL : init, &v);
    if (!s) s = core_leaf_info(st, v, true);
    if (!s) s = core_grow(&st->buffers, st->n_buffers, &st->cap_buffers, sizeof(core_storage *));
    if (s) return core_raise(st, s);
    t->s->buffer = v;
    t->s->cur = v;
    t->s->version++;
    t->s->refs++;
    st->buffers[st->n_buffers++] = t->s;
    Py_RETURN_NONE;
}

// initial(tensor): a new tensor with what it held before the inputs reached it, or None.
static PyObject *p_initial(PyObject *module, PyObject *tensor)
{
    core_state *st = state(module);
    etch_value *v = NULL;
    core_tensor *t = tensor_arg(st, tensor, &v);
    if (!t) return NULL;
    etch_status *s = core_initial(t, &v);
    if (s) return core_raise(st, s);
    if (!v) Py_RETURN_NONE;
    return core_wrap(st, NULL, v, t->device);
}

// read_buffers(): names of the buffers whose content from an earlier call some method reads. Ends the current method.
static PyObject *p_read_buffers(PyObject *module, PyObject *unused)
{
    (void)unused;
    core_state *st = state(module);
    etch_status *s = core_find_live(st);
    if (s) return core_raise(st, s);
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < st->n_buffers; i++) {
        const etch_value *v = st->buffers[i]->buffer;
        if (!core_info_of(st->buffers[i]->buffer)->live) continue;
        PyObject *x = PyUnicode_FromStringAndSize(v->name.ptr, (Py_ssize_t)v->name.len);
        if (!x || PyList_Append(list, x)) Py_CLEAR(list);
        Py_XDECREF(x);
    }
    return list;
}

// work(n): elements that the current method computes when every symbolic size is n. A measure to compare traces by, views left out.
static PyObject *p_work(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    long long n;
    if (!PyArg_ParseTuple(args, "L", &n)) return NULL;
    etch_syms *syms = &st->program->syms;
    etch_dim *map = calloc((size_t)syms->n_syms + 1, sizeof *map);
    if (!map) return PyErr_NoMemory();
    for (int i = 0; i < syms->n_syms; i++) map[i] = etch_dim_of(n);
    double sum = 0;
    etch_status *s = NULL;
    for (const etch_node *x = st->before_method ? st->before_method->next : st->m->first; x && !s; x = x->next)
        for (int i = 0; i < x->n_outs && !s && !(x->op->flags & ETCH_OPF_VIEW); i++) {
            if (x->outs[i]->is_scalar) continue;
            double size = 1;
            for (int k = 0; k < x->outs[i]->t.rank && !s; k++) {
                etch_dim d = x->outs[i]->t.sizes[k];
                if (!etch_dim_is_const(d)) s = etch_dim_subst(syms, d, map, syms->n_syms, &d);
                size *= (double)d.v;
            }
            sum += size;
        }
    free(map);
    return s ? core_raise(st, s) : PyFloat_FromDouble(sum);
}

static PyObject *p_method(PyObject *module, PyObject *name)
{
    core_state *st = state(module);
    etch_str z;
    if (!str_of(name, &z)) return NULL;
    etch_status *s = core_settle(st);
    if (!s) s = core_grow(&st->methods, st->n_methods, &st->cap_methods, sizeof *st->methods);
    if (s) return core_raise(st, s);
    st->methods[st->n_methods++] = (core_method){ .name = etch_arena_str(&st->program->arena, z) };
    st->before_method = st->m->last;
    Py_RETURN_NONE;
}

static PyObject *p_output(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *name, *o;
    etch_str z;
    etch_value *v = NULL;
    core_method *m = current(st);
    if (!m || !PyArg_ParseTuple(args, "OO", &name, &o) || !str_of(name, &z) || !tensor_arg(st, o, &v)) return NULL;
    etch_status *s = core_grow(&m->outputs, m->n_outputs, &m->cap_outputs, sizeof *m->outputs);
    if (s) return core_raise(st, s);
    m->outputs[m->n_outputs++] = (etch_output){ etch_arena_str(&st->program->arena, z), v };
    Py_RETURN_NONE;
}

// meta(name, value): bool, int, float, str or a list of ints or floats.
static PyObject *p_meta(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *name, *o;
    etch_str z;
    if (!PyArg_ParseTuple(args, "OO", &name, &o) || !str_of(name, &z)) return NULL;
    etch_val v = { 0 };
    etch_dim *ints = NULL;
    double *floats = NULL;
    if (PyBool_Check(o)) v = etch_val_bool(o == Py_True);
    else if (PyLong_Check(o)) v = etch_val_int(PyLong_AsLongLong(o));
    else if (PyFloat_Check(o)) v = etch_val_float(PyFloat_AsDouble(o));
    else if (PyUnicode_Check(o)) {
        etch_str text;
        if (!str_of(o, &text)) return NULL;
        v = etch_val_str(text);
    } else if (PyList_Check(o) || PyTuple_Check(o)) {
        Py_ssize_t n = PySequence_Size(o);
        bool real = false;
        ints = calloc((size_t)n + 1, sizeof *ints);
        floats = calloc((size_t)n + 1, sizeof *floats);
        for (Py_ssize_t i = 0; ints && floats && i < n; i++) {
            PyObject *x = PySequence_GetItem(o, i);
            real |= x && PyFloat_Check(x);
            floats[i] = x ? PyFloat_AsDouble(x) : 0;
            if (x && !PyFloat_Check(x)) ints[i] = etch_dim_of(PyLong_AsLongLong(x));
            Py_XDECREF(x);
        }
        if (real) v = (etch_val){ .kind = ETCH_V_FLOATS, .floats = { floats, (int)n } };
        else v = (etch_val){ .kind = ETCH_V_INTS, .ints = { ints, (int)n } };
    } else {
        return PyErr_Format(PyExc_TypeError, "meta %V: no type for %R", name, "?", o);
    }
    etch_status *s = PyErr_Occurred() ? NULL : etch_program_set_meta(st->program, z, v);
    free(ints);
    free(floats);
    return s ? core_raise(st, s) : PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

// item_symbol(tensor, lo, hi): the value of an integer tensor as an unbacked SymInt.
static PyObject *p_item_symbol(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *o;
    long long lo, hi;
    etch_value *v = NULL;
    if (!PyArg_ParseTuple(args, "OLL", &o, &lo, &hi) || !tensor_arg(st, o, &v)) return NULL;
    if (!core_info_of(v)->dynamic) return core_item((core_tensor *)o);
    etch_val arg = etch_val_tensor(&v->t);
    etch_value *u = NULL;
    etch_status *s = core_call(st, "aten::_local_scalar_dense", &arg, 1, &u);
    if (s) return core_raise(st, s);
    etch_syms *syms = &st->program->syms;
    syms->syms[syms->n_syms - 1].lo = lo;
    syms->syms[syms->n_syms - 1].hi = hi;
    return core_dim_py(st, u->scalar);
}

static PyObject *p_finish(PyObject *module, PyObject *unused)
{
    (void)unused;
    core_state *st = state(module);
    etch_buf b;
    etch_buf_init(&b);
    etch_status *s = core_finish(st, &b);
    PyObject *out = s ? core_raise(st, s) : PyBytes_FromStringAndSize((const char *)b.ptr, (Py_ssize_t)b.len);
    etch_buf_deinit(&b);
    return out;
}

// ---- state that the facade sets ----

static PyObject *p_push_module(PyObject *module, PyObject *name)
{
    return PyList_Append(state(module)->modules, name) ? NULL : Py_NewRef(Py_None);
}

static PyObject *p_pop_module(PyObject *module, PyObject *unused)
{
    (void)unused;
    PyObject *list = state(module)->modules;
    Py_ssize_t n = PyList_Size(list);
    return n > 0 && PyList_SetSlice(list, n - 1, n, NULL) ? NULL : Py_NewRef(Py_None);
}

static PyObject *replace(PyObject **slot, PyObject *o)
{
    PyObject *old = *slot;
    *slot = Py_NewRef(o);
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

static PyObject *p_set_tensor_class(PyObject *module, PyObject *cls)
{
    core_state *st = state(module);
    if (!PyType_Check(cls) || !PyType_IsSubtype((PyTypeObject *)cls, (PyTypeObject *)st->tensor_base))
        return PyErr_Format(PyExc_TypeError, "a subclass of TensorBase expected");
    return replace(&st->tensor_cls, cls);
}

static PyObject *p_set_guard_error(PyObject *module, PyObject *cls) { return replace(&state(module)->guard_error, cls); }
static PyObject *p_set_package_path(PyObject *module, PyObject *path) { return replace(&state(module)->skip_prefix, path); }

static PyObject *p_get_default_dtype(PyObject *module, PyObject *unused)
{
    (void)unused;
    return core_dtype_py(state(module), state(module)->default_dtype);
}

static PyObject *p_set_default_dtype(PyObject *module, PyObject *d)
{
    etch_dtype dtype;
    if (!core_dtype_of(state(module), d, &dtype) || !etch_dtype_is_float(dtype))
        return PyErr_Format(PyExc_TypeError, "a floating-point dtype expected");
    state(module)->default_dtype = dtype;
    Py_RETURN_NONE;
}

static PyObject *p_get_default_device(PyObject *module, PyObject *unused)
{
    (void)unused;
    return core_device_py(state(module), state(module)->default_device);
}

static PyObject *p_set_default_device(PyObject *module, PyObject *d)
{
    core_state *st = state(module);
    st->default_device = CORE_CPU;
    if (d != Py_None && !core_device_of(st, d, &st->default_device)) return PyErr_Format(PyExc_TypeError, "a device expected");
    Py_RETURN_NONE;
}

static PyObject *p_where(PyObject *module, PyObject *unused)
{
    (void)unused;
    return core_where_py(state(module));
}

static PyObject *p_guards(PyObject *module, PyObject *unused)
{
    (void)unused;
    const etch_syms *syms = &state(module)->program->syms;
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < syms->n_guards; i++) {
        const etch_guard *g = &syms->guards[i];
        const char *text = g->text.ptr ? g->text.ptr : "", *where = g->where.ptr ? g->where.ptr : "";
        PyObject *x = Py_BuildValue("(s#s#)", text, (Py_ssize_t)g->text.len, where, (Py_ssize_t)g->where.len);
        if (!x || PyList_Append(list, x)) Py_CLEAR(list);
        Py_XDECREF(x);
    }
    return list;
}

static PyObject *extreme(PyObject *module, PyObject *args, bool max)
{
    core_state *st = state(module);
    PyObject *a, *b;
    if (!PyArg_ParseTuple(args, "OO", &a, &b)) return NULL;
    if (!core_is_symint(a) && !core_is_symint(b)) {
        int less = PyObject_RichCompareBool(a, b, Py_LT);
        return less < 0 ? NULL : Py_NewRef((less == 1) == max ? b : a);
    }
    etch_dim x, y, r;
    if (!core_dim_of(st, a, &x) || !core_dim_of(st, b, &y)) return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "ints expected");
    etch_status *s = max ? etch_dim_max(&st->program->syms, x, y, &r) : etch_dim_min(&st->program->syms, x, y, &r);
    return s ? core_raise(st, s) : core_dim_py(st, r);
}

static PyObject *p_sym_max(PyObject *module, PyObject *args) { return extreme(module, args, true); }
static PyObject *p_sym_min(PyObject *module, PyObject *args) { return extreme(module, args, false); }

// known(a, "<", b): true only when the ranges of the symbols prove it; no guard.
static PyObject *p_known(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *a, *b;
    const char *op;
    static const char *const names[] = { "==", "!=", "<", "<=", ">", ">=" };
    etch_dim x, y;
    if (!PyArg_ParseTuple(args, "OsO", &a, &op, &b)) return NULL;
    if (!core_dim_of(st, a, &x) || !core_dim_of(st, b, &y)) return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "ints expected");
    for (int i = 0; i < 6; i++)
        if (!strcmp(op, names[i])) return PyBool_FromLong(etch_dim_known(&st->program->syms, (etch_cmp)i, x, y));
    return PyErr_Format(PyExc_ValueError, "unknown comparison %s", op);
}

// op("aten::add") is the packet of all overloads, op("aten::add.Tensor") one of them; None when there is no row.
static PyObject *p_op(PyObject *module, PyObject *name)
{
    core_state *st = state(module);
    etch_str z;
    if (!str_of(name, &z)) return NULL;
    const etch_op *ops[32], *one = etch_op_find(z);
    int n = 0;
    const bool exact = memchr(z.ptr, '.', z.len) != NULL;
    if (exact && one) ops[n++] = one;
    for (int i = 0; !exact && i < (int)ETCH_OP_COUNT && n < 32; i++) {
        const etch_op *op = etch_op_get((etch_op_id)i);
        etch_str full = op->schema->name;
        if (full.len >= z.len && !memcmp(full.ptr, z.ptr, z.len) && (full.len == z.len || full.ptr[z.len] == '.')) ops[n++] = op;
    }
    if (!n) Py_RETURN_NONE;
    return core_op_new(st, z.ptr, ops, n, 0);
}

static PyObject *p_op_names(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < (int)ETCH_OP_COUNT; i++) {
        etch_str full = etch_op_get((etch_op_id)i)->schema->name;
        PyObject *x = PyUnicode_FromStringAndSize(full.ptr, (Py_ssize_t)full.len);
        if (!x || PyList_Append(list, x)) Py_CLEAR(list);
        Py_XDECREF(x);
    }
    return list;
}

static PyObject *p_promote_types(PyObject *module, PyObject *args)
{
    core_state *st = state(module);
    PyObject *a, *b;
    etch_dtype x, y;
    if (!PyArg_ParseTuple(args, "OO", &a, &b)) return NULL;
    if (!core_dtype_of(st, a, &x) || !core_dtype_of(st, b, &y)) return PyErr_Format(PyExc_TypeError, "dtypes expected");
    return core_dtype_py(st, etch_dtype_promote(x, y));
}

PyMethodDef core_program_methods[] = {
    { "begin", p_begin, METH_NOARGS, "Forgets methods, buffers, metadata and guards of an earlier program." },
    { "symbol", p_symbol, METH_VARARGS, "symbol(name, lo, hi, example) -> SymInt" },
    { "input", p_input, METH_VARARGS, "input(name, dtype, shape): an argument of the current method." },
    { "file_tensor", p_file_tensor, METH_VARARGS, "file_tensor(file, key, dtype, shape): a tensor in a safetensors file." },
    { "tensor_from_bytes", p_tensor_from_bytes, METH_VARARGS, "tensor_from_bytes(bytes, dtype, shape)" },
    { "tensor", CORE_METH(p_tensor), METH_VARARGS | METH_KEYWORDS, "tensor(data, dtype=None, device=None, requires_grad=False)" },
    { "make_subclass", p_make_subclass, METH_VARARGS, "make_subclass(cls, tensor, requires_grad=False): an alias of class cls." },
    { "set_device", p_set_device, METH_VARARGS, "set_device(tensor, device): changes the handle only." },
    { "mark_fqn", p_mark_fqn, METH_VARARGS, "mark_fqn(tensor, name): the state-dict name of its value." },
    { "mark_buffer", p_mark_buffer, METH_VARARGS, "mark_buffer(tensor, name): state that persists between calls." },
    { "initial", p_initial, METH_O, "initial(tensor): what it held before the inputs reached it, or None." },
    { "read_buffers", p_read_buffers, METH_NOARGS, "Names of the buffers whose content from an earlier call some method reads." },
    { "work", p_work, METH_VARARGS, "work(n): elements that the current method computes when every symbolic size is n." },
    { "method", p_method, METH_O, "method(name): starts a method." },
    { "output", p_output, METH_VARARGS, "output(name, tensor)" },
    { "meta", p_meta, METH_VARARGS, "meta(name, value)" },
    { "finish", p_finish, METH_NOARGS, "finish() -> bytes: the program's text." },
    { "item_symbol", p_item_symbol, METH_VARARGS, "item_symbol(tensor, lo, hi) -> SymInt" },
    { "push_module", p_push_module, METH_O, "push_module(qualified name)" },
    { "pop_module", p_pop_module, METH_NOARGS, NULL },
    { "set_tensor_class", p_set_tensor_class, METH_O, "The class of results." },
    { "set_guard_error", p_set_guard_error, METH_O, "The exception for data-dependent control flow." },
    { "set_package_path", p_set_package_path, METH_O, "Frames of files below this path are not the model's." },
    { "get_default_dtype", p_get_default_dtype, METH_NOARGS, NULL },
    { "set_default_dtype", p_set_default_dtype, METH_O, NULL },
    { "get_default_device", p_get_default_device, METH_NOARGS, NULL },
    { "set_default_device", p_set_default_device, METH_O, NULL },
    { "where", p_where, METH_NOARGS, "Source location of the caller, as recorded on nodes." },
    { "guards", p_guards, METH_NOARGS, "[(text, where)]" },
    { "sym_max", p_sym_max, METH_VARARGS, NULL },
    { "sym_min", p_sym_min, METH_VARARGS, NULL },
    { "known", p_known, METH_VARARGS, "known(a, '<', b): proven by the ranges; records no guard." },
    { "op", p_op, METH_O, "op('aten::add') or op('aten::add.Tensor'); None when there is no row." },
    { "op_names", p_op_names, METH_NOARGS, NULL },
    { "promote_types", p_promote_types, METH_VARARGS, NULL },
    { 0 },
};
