// torch.SymInt: a size that is not known at trace time. Arithmetic builds expressions; a comparison is decided at once, from the symbols'
// ranges
// or, when they do not decide it, from the example sizes with a guard that names the model's source line.
#include "trace/core/core.h"

#include <math.h>

static void symint_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF((PyObject *)type);
}

bool core_is_symint(PyObject *o)
{
    PyTypeObject *t = Py_TYPE(o);
    return PyType_GetSlot(t, Py_tp_dealloc) == CORE_FN(symint_dealloc);
}

PyObject *core_dim_py(core_state *st, etch_dim d)
{
    if (etch_dim_is_const(d)) return PyLong_FromLongLong(d.v);
    core_symint *o = PyObject_New(core_symint, (PyTypeObject *)st->symint_type);
    if (!o) return NULL;
    o->st = st;
    o->d = d;
    return (PyObject *)o;
}

bool core_dim_of(core_state *st, PyObject *o, etch_dim *out)
{
    (void)st;
    if (core_is_symint(o)) {
        *out = ((core_symint *)o)->d;
        return true;
    }
    if (!PyLong_Check(o)) {
        if (PyFloat_Check(o) || !PyIndex_Check(o)) return false;
        PyObject *i = PyNumber_Index(o);
        if (!i) return false;
        int64_t v = PyLong_AsLongLong(i);
        Py_DECREF(i);
        if (v == -1 && PyErr_Occurred()) return false;
        *out = etch_dim_of(v);
        return true;
    }
    int64_t v = PyLong_AsLongLong(o);
    if (v == -1 && PyErr_Occurred()) return false;
    *out = etch_dim_of(v);
    return true;
}

static core_state *state_of(PyObject *a, PyObject *b) { return core_is_symint(a) ? ((core_symint *)a)->st : ((core_symint *)b)->st; }

PyObject *core_no_floats(core_state *st)
{
    PyObject *where = core_where_py(st);
    PyErr_Format(PyExc_NotImplementedError, "float arithmetic on a symbolic size at %V", where, "?");
    Py_XDECREF(where);
    return NULL;
}

static PyObject *binary(PyObject *a, PyObject *b, etch_status *(*fn)(etch_syms *, etch_dim, etch_dim, etch_dim *))
{
    core_state *st = state_of(a, b);
    bool sa = core_is_symint(a), sb = core_is_symint(b);
    if (PyFloat_Check(a) || PyFloat_Check(b)) return core_no_floats(st);
    if ((!sa && !PyLong_Check(a)) || (!sb && !PyLong_Check(b))) Py_RETURN_NOTIMPLEMENTED;
    etch_dim x, y, r;
    if (!core_dim_of(st, a, &x) || !core_dim_of(st, b, &y)) return NULL;
    etch_status *s = fn(&st->program->syms, x, y, &r);
    return s ? core_raise(st, s) : core_dim_py(st, r);
}

static PyObject *add(PyObject *a, PyObject *b) { return binary(a, b, etch_dim_add); }
static PyObject *sub(PyObject *a, PyObject *b) { return binary(a, b, etch_dim_sub); }
static PyObject *mul(PyObject *a, PyObject *b) { return binary(a, b, etch_dim_mul); }
static PyObject *floordiv(PyObject *a, PyObject *b) { return binary(a, b, etch_dim_floordiv); }
static PyObject *mod(PyObject *a, PyObject *b) { return binary(a, b, etch_dim_mod); }

static PyObject *truediv(PyObject *a, PyObject *b)
{
    if ((!core_is_symint(a) && !PyLong_Check(a)) || (!core_is_symint(b) && !PyLong_Check(b))) Py_RETURN_NOTIMPLEMENTED;
    core_state *st = state_of(a, b);
    etch_dim x, y, q, r;
    if (!core_dim_of(st, a, &x) || !core_dim_of(st, b, &y)) return NULL;
    etch_syms *syms = &st->program->syms;
    etch_status *s = etch_dim_floordiv(syms, x, y, &q);
    if (!s) s = etch_dim_mul(syms, q, y, &r);
    if (s) return core_raise(st, s);
    if (etch_dim_is_const(q) && etch_dim_same(r, x)) return PyFloat_FromDouble((double)q.v);
    return core_ratio_py(st, x, y);
}

static PyObject *power(PyObject *a, PyObject *b, PyObject *modulus)
{
    core_state *st = state_of(a, b);
    etch_dim x, y, r = etch_dim_of(1);
    if (modulus != Py_None || PyFloat_Check(a) || PyFloat_Check(b) || !core_dim_of(st, a, &x) || !core_dim_of(st, b, &y)) {
        if (PyErr_Occurred()) return NULL;
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (!etch_dim_is_const(y) || y.v < 0 || y.v > 8) return PyErr_Format(PyExc_NotImplementedError, "power of a symbolic size");
    for (int64_t i = 0; i < y.v; i++) {
        etch_status *s = etch_dim_mul(&st->program->syms, r, x, &r);
        if (s) return core_raise(st, s);
    }
    return core_dim_py(st, r);
}

static PyObject *neg(PyObject *a)
{
    core_symint *o = (core_symint *)a;
    etch_dim r;
    etch_status *s = etch_dim_sub(&o->st->program->syms, etch_dim_of(0), o->d, &r);
    return s ? core_raise(o->st, s) : core_dim_py(o->st, r);
}

static PyObject *pos(PyObject *a) { return Py_NewRef(a); }

static int decide(core_state *st, etch_cmp cmp, etch_dim a, etch_dim b)
{
    bool yes = false;
    etch_status *s = etch_dim_decide(&st->program->syms, cmp, a, b, core_where(st), &yes);
    if (s) {
        core_raise(st, s);
        return -1;
    }
    return yes;
}

static PyObject *absolute(PyObject *a)
{
    core_symint *o = (core_symint *)a;
    int negative = decide(o->st, ETCH_CMP_LT, o->d, etch_dim_of(0));
    return negative < 0 ? NULL : negative ? neg(a) : Py_NewRef(a);
}

static int truth(PyObject *a) { return decide(((core_symint *)a)->st, ETCH_CMP_NE, ((core_symint *)a)->d, etch_dim_of(0)); }

static PyObject *compare(PyObject *a, PyObject *b, int op)
{
    core_state *st = ((core_symint *)a)->st;
    static const etch_cmp map[] = { [Py_LT] = ETCH_CMP_LT, [Py_LE] = ETCH_CMP_LE, [Py_EQ] = ETCH_CMP_EQ,
                                    [Py_NE] = ETCH_CMP_NE, [Py_GT] = ETCH_CMP_GT, [Py_GE] = ETCH_CMP_GE };
    etch_dim y;
    if (PyFloat_Check(b)) {
        double f = PyFloat_AsDouble(b);
        if (isinf(f)) return PyBool_FromLong(op == Py_NE || (f > 0 ? op == Py_LT || op == Py_LE : op == Py_GT || op == Py_GE));
        if (f != floor(f) || fabs(f) > 9e15) Py_RETURN_NOTIMPLEMENTED;
        y = etch_dim_of((int64_t)f);
    } else if (core_is_symint(b) || PyLong_Check(b)) {
        if (!core_dim_of(st, b, &y)) return NULL;
    } else {
        Py_RETURN_NOTIMPLEMENTED;
    }
    int yes = decide(st, map[op], ((core_symint *)a)->d, y);
    return yes < 0 ? NULL : PyBool_FromLong(yes);
}

// Equal expressions hash alike (they are one pointer).
static Py_hash_t hash(PyObject *a)
{
    Py_hash_t h = (Py_hash_t)((uintptr_t)((core_symint *)a)->d.e >> 4);
    return h == -1 ? -2 : h;
}

static PyObject *repr(PyObject *a)
{
    etch_buf b;
    etch_buf_init(&b);
    etch_dim_print(&b, ((core_symint *)a)->d);
    PyObject *text = PyUnicode_FromStringAndSize((const char *)b.ptr, (Py_ssize_t)b.len);
    etch_buf_deinit(&b);
    return text;
}

static PyObject *needs_value(PyObject *a)
{
    core_state *st = ((core_symint *)a)->st;
    PyObject *where = core_where_py(st), *text = repr(a);
    PyErr_Format(core_guard_error(st), "the symbolic size %V is used as a constant at %V", text, "?", where, "?");
    Py_XDECREF(where);
    Py_XDECREF(text);
    return NULL;
}

static PyObject *as_float(PyObject *a) { return needs_value(a); }
static PyObject *example(PyObject *a, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(((core_symint *)a)->d.v);
}
static PyObject *range(PyObject *a, void *unused)
{
    (void)unused;
    int64_t lo, hi;
    etch_dim_range(&((core_symint *)a)->st->program->syms, ((core_symint *)a)->d, &lo, &hi);
    return Py_BuildValue("(LL)", (long long)lo, (long long)hi);
}

static PyObject *self_method(PyObject *a, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(a);
}

static PyObject *is_int(PyObject *a, PyObject *unused)
{
    (void)a, (void)unused;
    Py_RETURN_TRUE;
}

static PyObject *new_symint(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)type;
    PyObject *o = NULL;
    if (kwargs || !PyArg_ParseTuple(args, "O", &o)) return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "SymInt(x)");
    return core_is_symint(o) ? Py_NewRef(o) : PyNumber_Index(o);
}

static PyGetSetDef getset[] = { { "example", example, NULL, NULL, NULL }, { "range", range, NULL, NULL, NULL }, { 0 } };
static PyMethodDef methods[] = {
    { "__deepcopy__", self_method, METH_O, NULL }, { "__copy__", self_method, METH_NOARGS, NULL },
        { "__ceil__", self_method, METH_NOARGS, NULL },
    { "__floor__", self_method, METH_NOARGS, NULL }, { "__trunc__", self_method, METH_NOARGS, NULL },
        { "__sym_int__", self_method, METH_NOARGS, NULL },
    { "is_integer", is_int, METH_NOARGS, NULL }, { 0 },
};
static PyType_Slot slots[] = {
    { Py_tp_new, CORE_FN(new_symint) }, { Py_tp_dealloc, CORE_FN(symint_dealloc) }, { Py_tp_repr, CORE_FN(repr) },
        { Py_tp_hash, CORE_FN(hash) },
    { Py_tp_richcompare, CORE_FN(compare) }, { Py_nb_add, CORE_FN(add) }, { Py_nb_subtract, CORE_FN(sub) },
        { Py_nb_multiply, CORE_FN(mul) },
    { Py_nb_floor_divide, CORE_FN(floordiv) }, { Py_nb_remainder, CORE_FN(mod) }, { Py_nb_true_divide, CORE_FN(truediv) },
        { Py_nb_power, CORE_FN(power) },
    { Py_nb_negative, CORE_FN(neg) }, { Py_nb_positive, CORE_FN(pos) }, { Py_nb_absolute, CORE_FN(absolute) },
        { Py_nb_bool, CORE_FN(truth) },
    { Py_nb_index, CORE_FN(needs_value) }, { Py_nb_int, CORE_FN(needs_value) }, { Py_nb_float, CORE_FN(as_float) },
        { Py_tp_getset, getset },
    { Py_tp_methods, methods }, { 0, NULL },
};
static PyType_Spec spec = { "torch.SymInt", (int)sizeof(core_symint), 0, Py_TPFLAGS_DEFAULT, slots };

int core_symint_init(core_state *st)
{
    st->symint_type = PyType_FromModuleAndSpec(st->module, &spec, NULL);
    return st->symint_type ? PyModule_AddObjectRef(st->module, "SymInt", st->symint_type) : -1;
}
