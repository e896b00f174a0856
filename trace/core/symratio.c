// The quotient of two sizes of which one is symbolic, as `/` gives it: only what rounds it (math.ceil, math.floor, math.trunc) has a
// result, a size again.
//
// Example: blocks = math.ceil(frames / 8)    frames = s0    ->    (s0 + 7) // 8
#include "trace/core/core.h"

typedef struct ratio { PyObject_HEAD core_state *st; etch_dim a, b; } ratio;

PyObject *core_ratio_py(core_state *st, etch_dim a, etch_dim b)
{
    ratio *o = PyObject_New(ratio, (PyTypeObject *)st->ratio_type);
    if (!o) return NULL;
    o->st = st;
    o->a = a;
    o->b = b;
    return (PyObject *)o;
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF((PyObject *)type);
}

// a // b; with `up`, -(-a // b).
static PyObject *rounded(ratio *o, bool up)
{
    etch_syms *syms = &o->st->program->syms;
    etch_dim a = o->a, r;
    etch_status *s = up ? etch_dim_sub(syms, etch_dim_of(0), a, &a) : NULL;
    if (!s) s = etch_dim_floordiv(syms, a, o->b, &r);
    if (!s && up) s = etch_dim_sub(syms, etch_dim_of(0), r, &r);
    return s ? core_raise(o->st, s) : core_dim_py(o->st, r);
}

static PyObject *ceil_of(PyObject *self, PyObject *unused)
{
    (void)unused;
    return rounded((ratio *)self, true);
}

// Sizes are not negative: truncation is the floor.
static PyObject *floor_of(PyObject *self, PyObject *unused)
{
    (void)unused;
    return rounded((ratio *)self, false);
}

static PyObject *as_float(PyObject *self) { return core_no_floats(((ratio *)self)->st); }
static PyObject *arithmetic(PyObject *a, PyObject *b)
{
    core_state *st = PyType_GetSlot(Py_TYPE(a), Py_tp_dealloc) == CORE_FN(dealloc) ? ((ratio *)a)->st : ((ratio *)b)->st;
    return core_no_floats(st);
}

static PyMethodDef methods[] = {
    { "__ceil__", ceil_of, METH_NOARGS, NULL }, { "__floor__", floor_of, METH_NOARGS, NULL }, { "__trunc__", floor_of, METH_NOARGS, NULL },
    { 0 },
};
static PyType_Slot slots[] = {
    { Py_tp_dealloc, CORE_FN(dealloc) },       { Py_nb_float, CORE_FN(as_float) },         { Py_nb_int, CORE_FN(as_float) },
    { Py_nb_add, CORE_FN(arithmetic) },        { Py_nb_subtract, CORE_FN(arithmetic) },    { Py_nb_multiply, CORE_FN(arithmetic) },
    { Py_nb_true_divide, CORE_FN(arithmetic) }, { Py_nb_floor_divide, CORE_FN(arithmetic) }, { Py_tp_methods, methods }, { 0, NULL },
};
static PyType_Spec spec = { "torch._C.SymRatio", (int)sizeof(ratio), 0, Py_TPFLAGS_DEFAULT, slots };

int core_ratio_init(core_state *st)
{
    st->ratio_type = PyType_FromModuleAndSpec(st->module, &spec, NULL);
    return st->ratio_type ? 0 : -1;
}
