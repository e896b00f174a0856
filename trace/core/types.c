// The small immutable objects: torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size.
#include "trace/core/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { PyObject_HEAD etch_dtype d; } dtype_obj;
typedef struct { PyObject_HEAD PyObject *type; PyObject *index; uint8_t kind; } device_obj;  // index: int or None
typedef struct { PyObject_HEAD const char *name; long code; } tag_obj;                        // layout, memory_format

static void plain_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF((PyObject *)type);
}

// ---- dtype ----

static PyObject *dtype_repr(PyObject *self) { return PyUnicode_FromFormat("torch.%s", etch_dtype_torch_name(((dtype_obj *)self)->d)); }

static PyObject *dtype_get(PyObject *self, void *what)
{
    etch_dtype d = ((dtype_obj *)self)->d;
    switch ((int)(intptr_t)what) {
    case 0: return PyBool_FromLong(etch_dtype_is_float(d));
    case 1: return PyBool_FromLong(etch_dtype_is_complex(d));
    case 2: return PyBool_FromLong(d != ETCH_BOOL && d != ETCH_U8 && d != ETCH_U16 && d != ETCH_U32 && d != ETCH_U64);
    case 3: return PyLong_FromSize_t(etch_dtype_size(d));
    default: return PyUnicode_FromString(etch_dtype_torch_name(d));
    }
}

// Pickles and copies by name: torch.float32 is a singleton.
static PyObject *dtype_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyUnicode_FromString(etch_dtype_torch_name(((dtype_obj *)self)->d));
}

static PyObject *itself(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(self);
}

static PyGetSetDef dtype_getset[] = {
    { "is_floating_point", dtype_get, NULL, NULL, (void *)0 }, { "is_complex", dtype_get, NULL, NULL, (void *)1 },
    { "is_signed", dtype_get, NULL, NULL, (void *)2 },         { "itemsize", dtype_get, NULL, NULL, (void *)3 },
    { "_name", dtype_get, NULL, NULL, (void *)4 },             { 0 },
};
static PyMethodDef dtype_methods[] = {
    { "__reduce__", dtype_reduce, METH_NOARGS, NULL },
    { "__copy__", itself, METH_NOARGS, NULL },
    { "__deepcopy__", itself, METH_O, NULL },
    { 0 },
};
static PyType_Slot dtype_slots[] = {
    { Py_tp_dealloc, CORE_FN(plain_dealloc) }, { Py_tp_repr, CORE_FN(dtype_repr) }, { Py_tp_getset, dtype_getset },
    { Py_tp_methods, dtype_methods },          { 0, NULL },
};
static PyType_Spec dtype_spec = { "torch.dtype", (int)sizeof(dtype_obj), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                  dtype_slots };

PyObject *core_dtype_py(core_state *st, etch_dtype d)
{
    PyObject *o = (unsigned)d < 256 ? st->dtypes[d] : NULL;
    if (!o) return PyErr_Format(PyExc_RuntimeError, "unknown dtype code %d", (int)d);
    return Py_NewRef(o);
}

bool core_dtype_of(core_state *st, PyObject *o, etch_dtype *out)
{
    if ((PyObject *)Py_TYPE(o) == st->dtype_type) *out = ((dtype_obj *)o)->d;
    else if (o == (PyObject *)&PyFloat_Type) *out = ETCH_F64;
    else if (o == (PyObject *)&PyLong_Type) *out = ETCH_I64;
    else if (o == (PyObject *)&PyBool_Type) *out = ETCH_BOOL;
    else return false;
    return true;
}

// ---- device ----

static void device_dealloc(PyObject *self)
{
    device_obj *d = (device_obj *)self;
    Py_XDECREF(d->type);
    Py_XDECREF(d->index);
    plain_dealloc(self);
}

static device_obj *device_make(PyTypeObject *type, const char *z, Py_ssize_t n, PyObject *index)
{
    static const char *const known[] = { "cpu", "meta", "cuda", "mps", "xpu", "npu", "hpu", "mlu", "musa", "xla", "neuron", "vulkan",
                                         "mtia" };
    bool ok = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) ok |= strlen(known[i]) == (size_t)n && !memcmp(known[i], z, (size_t)n);
    if (!ok) {
        PyErr_Format(PyExc_RuntimeError, "unknown device type '%.40s'", z);
        return NULL;
    }
    allocfunc alloc = (allocfunc)(uintptr_t)PyType_GetSlot(type, Py_tp_alloc);
    device_obj *d = alloc ? (device_obj *)alloc(type, 0) : NULL;
    if (!d) return NULL;
    d->type = PyUnicode_FromStringAndSize(z, n);
    d->index = Py_NewRef(index ? index : Py_None);
    d->kind = n == 4 && !memcmp(z, "meta", 4) ? CORE_META : CORE_CPU;
    if (!d->type) {
        Py_DECREF((PyObject *)d);
        return NULL;
    }
    return d;
}

static PyObject *device_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = { "type", "index", NULL };
    PyObject *what = NULL, *index = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O", names, &what, &index)) return NULL;
    if (Py_TYPE(what) == type) return Py_NewRef(what);
    if (PyLong_Check(what)) return (PyObject *)device_make(type, "cuda", 4, what);
    if (!PyUnicode_Check(what)) return PyErr_Format(PyExc_TypeError, "device(): a string or an index expected");
    Py_ssize_t n = 0;
    const char *z = PyUnicode_AsUTF8AndSize(what, &n);
    if (!z) return NULL;
    const char *colon = strchr(z, ':');
    if (!colon) return (PyObject *)device_make(type, z, n, index);
    PyObject *number = PyLong_FromString(colon + 1, NULL, 10);
    if (!number) return NULL;
    PyObject *d = (PyObject *)device_make(type, z, colon - z, number);
    Py_DECREF(number);
    return d;
}

static PyObject *device_str(PyObject *self)
{
    device_obj *d = (device_obj *)self;
    return d->index == Py_None ? Py_NewRef(d->type) : PyUnicode_FromFormat("%U:%S", d->type, d->index);
}

static PyObject *device_repr(PyObject *self)
{
    device_obj *d = (device_obj *)self;
    return d->index == Py_None ? PyUnicode_FromFormat("device(type=%R)", d->type)
        : PyUnicode_FromFormat("device(type=%R, index=%S)", d->type, d->index);
}

static PyObject *device_get(PyObject *self, void *what)
{
    return Py_NewRef(what ? ((device_obj *)self)->index : ((device_obj *)self)->type);
}

static PyObject *device_compare(PyObject *a, PyObject *b, int op)
{
    if (Py_TYPE(a) != Py_TYPE(b) || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
    device_obj *x = (device_obj *)a, *y = (device_obj *)b;
    int same = PyUnicode_Compare(x->type, y->type) == 0 ? PyObject_RichCompareBool(x->index, y->index, Py_EQ) : 0;
    return same < 0 ? NULL : PyBool_FromLong(op == Py_EQ ? same : !same);
}

static Py_hash_t device_hash(PyObject *self) { return PyObject_Hash(((device_obj *)self)->type); }

// `with torch.device("meta"):` sets the default device for factories.
static PyObject *device_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    core_state *st = core_state_of_type(Py_TYPE(self));
    if (!st) return NULL;
    PyObject *before = PyLong_FromLong(st->default_device);
    if (!before || PyList_Append(st->device_stack, before)) {
        Py_XDECREF(before);
        return NULL;
    }
    Py_DECREF(before);
    st->default_device = ((device_obj *)self)->kind;
    return Py_NewRef(self);
}

static PyObject *device_exit(PyObject *self, PyObject *args)
{
    (void)args;
    core_state *st = core_state_of_type(Py_TYPE(self));
    if (!st) return NULL;
    Py_ssize_t n = PyList_Size(st->device_stack);
    if (n > 0) {
        st->default_device = (uint8_t)PyLong_AsLong(PyList_GetItem(st->device_stack, n - 1));
        if (PyList_SetSlice(st->device_stack, n - 1, n, NULL)) return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *device_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *text = device_str(self);
    return text ? Py_BuildValue("(O(N))", (PyObject *)Py_TYPE(self), text) : NULL;
}

static PyGetSetDef device_getset[] = { { "type", device_get, NULL, NULL, NULL }, { "index", device_get, NULL, NULL, (void *)1 }, { 0 } };
static PyMethodDef device_methods[] = {
    { "__enter__", device_enter, METH_NOARGS, NULL },
    { "__exit__", device_exit, METH_VARARGS, NULL },
    { "__reduce__", device_reduce, METH_NOARGS, NULL },
    { 0 },
};
static PyType_Slot device_slots[] = {
    { Py_tp_new, CORE_FN(device_new) },   { Py_tp_dealloc, CORE_FN(device_dealloc) }, { Py_tp_repr, CORE_FN(device_repr) },
    { Py_tp_str, CORE_FN(device_str) },   { Py_tp_hash, CORE_FN(device_hash) },       { Py_tp_richcompare, CORE_FN(device_compare) },
    { Py_tp_getset, device_getset },      { Py_tp_methods, device_methods },          { 0, NULL },
};
static PyType_Spec device_spec = { "torch.device", (int)sizeof(device_obj), 0, Py_TPFLAGS_DEFAULT, device_slots };

PyObject *core_device_py(core_state *st, uint8_t device)
{
    bool meta = device == CORE_META;
    return (PyObject *)device_make((PyTypeObject *)st->device_type, meta ? "meta" : "cpu", meta ? 4 : 3, NULL);
}

bool core_device_of(core_state *st, PyObject *o, uint8_t *out)
{
    if ((PyObject *)Py_TYPE(o) == st->device_type) *out = ((device_obj *)o)->kind;
    else if (PyUnicode_Check(o)) *out = PyUnicode_CompareWithASCIIString(o, "meta") == 0 ? CORE_META : CORE_CPU;
    else return false;
    return true;
}

// ---- layout, memory_format ----

static PyObject *tag_repr(PyObject *self) { return PyUnicode_FromFormat("torch.%s", ((tag_obj *)self)->name); }
static PyType_Slot tag_slots[] = { { Py_tp_dealloc, CORE_FN(plain_dealloc) }, { Py_tp_repr, CORE_FN(tag_repr) }, { 0, NULL } };
enum { TAG_FLAGS = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION };
static PyType_Spec layout_spec = { "torch.layout", (int)sizeof(tag_obj), 0, TAG_FLAGS, tag_slots };
static PyType_Spec format_spec = { "torch.memory_format", (int)sizeof(tag_obj), 0, TAG_FLAGS, tag_slots };

static int add_tag(core_state *st, PyObject *type, const char *name, long code)
{
    tag_obj *o = PyObject_New(tag_obj, (PyTypeObject *)type);
    if (!o) return -1;
    o->name = name;
    o->code = code;
    int bad = PyModule_AddObjectRef(st->module, name, (PyObject *)o);
    Py_DECREF((PyObject *)o);
    return bad;
}

// ---- Size ----

static PyObject *size_numel(PyObject *self, PyObject *unused)
{
    (void)unused;
    core_state *st = core_state_of_type(Py_TYPE(self));
    if (!st) return NULL;
    etch_dim n = etch_dim_of(1), d;
    for (Py_ssize_t i = 0; i < PyTuple_Size(self); i++) {
        if (!core_dim_of(st, PyTuple_GetItem(self, i), &d)) return PyErr_Format(PyExc_TypeError, "Size holds something that is not an int");
        etch_status *s = etch_dim_mul(&st->program->syms, n, d, &n);
        if (s) return core_raise(st, s);
    }
    return core_dim_py(st, n);
}

static PyObject *size_repr(PyObject *self)
{
    PyObject *list = PySequence_List(self);
    PyObject *text = list ? PyUnicode_FromFormat("torch.Size(%R)", list) : NULL;
    Py_XDECREF(list);
    return text;
}

// Slices and sums of sizes are sizes.
static PyObject *as_size(PyObject *self, PyObject *tuple)
{
    if (!tuple || !PyTuple_Check(tuple) || Py_TYPE(tuple) != &PyTuple_Type) return tuple;
    PyObject *out = PyObject_CallFunctionObjArgs((PyObject *)Py_TYPE(self), tuple, NULL);
    Py_DECREF(tuple);
    return out;
}

static PyObject *size_subscript(PyObject *self, PyObject *key)
{
    binaryfunc get = (binaryfunc)(uintptr_t)PyType_GetSlot(&PyTuple_Type, Py_mp_subscript);
    return as_size(self, get(self, key));
}

static PyObject *size_concat(PyObject *self, PyObject *other)
{
    binaryfunc concat = (binaryfunc)(uintptr_t)PyType_GetSlot(&PyTuple_Type, Py_sq_concat);
    if (!PyTuple_Check(other)) Py_RETURN_NOTIMPLEMENTED;
    return as_size(self, concat(self, other));
}

static PyObject *size_reduce(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *list = PySequence_List(self);
    return list ? Py_BuildValue("(O(N))", (PyObject *)Py_TYPE(self), list) : NULL;
}

static PyMethodDef size_methods[] = { { "numel", size_numel, METH_NOARGS, NULL }, { "__reduce__", size_reduce, METH_NOARGS, NULL }, { 0 } };
static PyType_Slot size_slots[] = {
    { Py_tp_methods, size_methods }, { Py_tp_repr, CORE_FN(size_repr) }, { Py_mp_subscript, CORE_FN(size_subscript) },
    { Py_sq_concat, CORE_FN(size_concat) }, { 0, NULL },
};
static PyType_Spec size_spec = { "torch.Size", 0, 0, Py_TPFLAGS_DEFAULT, size_slots };

PyObject *core_size_py(core_state *st, const etch_dim *sizes, int rank)
{
    PyObject *list = PyList_New(rank);
    for (int i = 0; list && i < rank; i++) {
        PyObject *d = core_dim_py(st, sizes[i]);
        if (!d || PyList_SetItem(list, i, d)) Py_CLEAR(list);
    }
    PyObject *size = list ? PyObject_CallFunctionObjArgs(st->size_type, list, NULL) : NULL;
    Py_XDECREF(list);
    return size;
}

static int add_type(core_state *st, PyType_Spec *spec, PyObject *bases, const char *name, PyObject **out)
{
    *out = PyType_FromModuleAndSpec(st->module, spec, bases);
    return *out ? PyModule_AddObjectRef(st->module, name, *out) : -1;
}

int core_types_init(core_state *st)
{
    if (add_type(st, &dtype_spec, NULL, "dtype", &st->dtype_type) || add_type(st, &device_spec, NULL, "device", &st->device_type) ||
        add_type(st, &layout_spec, NULL, "layout", &st->layout_type) ||
        add_type(st, &format_spec, NULL, "memory_format", &st->format_type) ||
        add_type(st, &size_spec, (PyObject *)&PyTuple_Type, "Size", &st->size_type))
        return -1;
    for (int code = 0; code < 256; code++) {
        if (!etch_dtype_is_valid(code)) continue;
        dtype_obj *o = PyObject_New(dtype_obj, (PyTypeObject *)st->dtype_type);
        if (!o) return -1;
        o->d = (etch_dtype)code;
        st->dtypes[code] = (PyObject *)o;
        if (PyModule_AddObjectRef(st->module, etch_dtype_torch_name((etch_dtype)code), (PyObject *)o)) return -1;
    }
    static const struct { const char *alias; etch_dtype d; } aliases[] = {
        { "float", ETCH_F32 }, { "double", ETCH_F64 }, { "half", ETCH_F16 },   { "long", ETCH_I64 },
        { "int", ETCH_I32 },   { "short", ETCH_I16 },  { "cfloat", ETCH_C64 },
    };
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (PyModule_AddObjectRef(st->module, aliases[i].alias, st->dtypes[aliases[i].d])) return -1;
    static const char *const layouts[] = { "strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged",
                                           "_mkldnn" };
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (add_tag(st, st->layout_type, layouts[i], (long)i)) return -1;
    static const char *const formats[] = { "contiguous_format", "preserve_format", "channels_last", "channels_last_3d" };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (add_tag(st, st->format_type, formats[i], (long)i)) return -1;
    return 0;
}
