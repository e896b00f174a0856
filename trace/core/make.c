// torch.tensor(data): Python numbers and nested lists of them become DATA leaves; lists that hold tensors or symbolic sizes are stacked.
#include "trace/core/core.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    core_state *st;
    int rank;
    int64_t sizes[ETCH_MAX_RANK];
    bool any_float, any_int, any_bool, any_complex, any_lazy;  // kinds of leaves; lazy: tensor or SymInt
    int64_t n;
} scan;

static bool is_list(PyObject *o) { return PyList_Check(o) || PyTuple_Check(o); }

static int look(scan *s, PyObject *o, int depth)
{
    if (is_list(o)) {
        if (depth >= ETCH_MAX_RANK) {
            PyErr_SetString(PyExc_ValueError, "too many dimensions");
            return -1;
        }
        Py_ssize_t n = PySequence_Size(o);
        if (depth == s->rank) s->sizes[s->rank++] = n;
        else if (depth > s->rank || s->sizes[depth] != n) {
            PyErr_Format(PyExc_ValueError, "expected sequence of length %lld at dim %d (got %lld)", (long long)s->sizes[depth], depth,
                         (long long)n);
            return -1;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            PyObject *x = PySequence_GetItem(o, i);
            int bad = x ? look(s, x, depth + 1) : -1;
            Py_XDECREF(x);
            if (bad) return -1;
        }
        return 0;
    }
    s->n++;
    if (PyBool_Check(o)) s->any_bool = true;
    else if (core_is_tensor(s->st, o) || core_is_symint(o)) s->any_lazy = true;
    else if (PyLong_Check(o)) s->any_int = true;
    else if (PyComplex_Check(o)) s->any_complex = true;
    else if (PyFloat_Check(o)) s->any_float = true;
    else if (PyIndex_Check(o)) s->any_int = true;
    else if (PyNumber_Check(o)) s->any_float = true;
    else {
        PyErr_Format(PyExc_TypeError, "torch.tensor: cannot make a tensor of %R", (PyObject *)Py_TYPE(o));
        return -1;
    }
    return 0;
}

static int store(etch_tensor *t, PyObject *o, int64_t *at)
{
    if (is_list(o)) {
        Py_ssize_t n = PySequence_Size(o);
        for (Py_ssize_t i = 0; i < n; i++) {
            PyObject *x = PySequence_GetItem(o, i);
            int bad = x ? store(t, x, at) : -1;
            Py_XDECREF(x);
            if (bad) return -1;
        }
        return 0;
    }
    int64_t i = (*at)++;
    if (t->dtype == ETCH_C64) {
        float *f = (float *)t->data + 2 * i;
        PyObject *c = PyComplex_Check(o) ? Py_NewRef(o) : PyObject_CallFunctionObjArgs((PyObject *)&PyComplex_Type, o, NULL);
        if (!c) return -1;
        f[0] = (float)PyComplex_RealAsDouble(c);
        f[1] = (float)PyComplex_ImagAsDouble(c);
        Py_DECREF(c);
        return 0;
    }
    if (etch_dtype_is_float(t->dtype) || PyFloat_Check(o)) {
        double v = PyFloat_AsDouble(o);
        if (v == -1.0 && PyErr_Occurred()) return -1;
        if (t->dtype == ETCH_BOOL) etch_store_int(t->data, t->dtype, i, v != 0);
        else etch_store_double(t->data, t->dtype, i, v);
        return 0;
    }
    PyObject *number = PyNumber_Long(o);
    int64_t v = number ? PyLong_AsLongLong(number) : -1;
    Py_XDECREF(number);
    if (v == -1 && PyErr_Occurred()) return -1;
    etch_store_int(t->data, t->dtype, i, t->dtype == ETCH_BOOL ? v != 0 : v);
    return 0;
}

// A symbolic size as a 0-d int64 tensor.
static PyObject *scalar_tensor(core_state *st, PyObject *o)
{
    etch_dim d;
    core_dim_of(st, o, &d);
    etch_val args[] = { { .kind = ETCH_V_INTS }, etch_val_dim(d), etch_val_int((int64_t)ETCH_I64) };
    etch_value *v = NULL;
    etch_status *s = core_call(st, "aten::full", args, 3, &v);
    return s ? core_raise(st, s) : core_wrap(st, NULL, v, CORE_CPU);
}

static PyObject *stack(core_state *st, PyObject *list, PyObject *dtype)
{
    Py_ssize_t n = PySequence_Size(list);
    etch_tensor **parts = calloc((size_t)(n ? n : 1), sizeof *parts);
    PyObject *keep = PyList_New(0), *out = NULL;
    etch_status *s = NULL;
    bool bad = !parts || !keep;
    for (Py_ssize_t i = 0; !bad && !s && i < n; i++) {
        PyObject *x = PySequence_GetItem(list, i), *t = x ? core_tensor_from(st, x, dtype, CORE_CPU) : NULL;
        etch_value *v = NULL;
        bad = !t || PyList_Append(keep, t);
        if (!bad) s = core_value((core_tensor *)t, &v);
        if (v) parts[i] = &v->t;
        Py_XDECREF(t);
        Py_XDECREF(x);
    }
    if (!bad && !s) {
        etch_val args[] = { { .kind = ETCH_V_TENSORS, .tensors = { parts, (int)n } }, etch_val_int(0) };
        etch_value *v = NULL;
        s = core_call(st, "aten::stack", args, 2, &v);
        if (!s) out = core_wrap(st, NULL, v, CORE_CPU);
    }
    free(parts);
    Py_XDECREF(keep);
    return s ? core_raise(st, s) : out;
}

// A numpy array by its list and the name of its element type.
static PyObject *from_array(core_state *st, PyObject *data, etch_dtype want, uint8_t device)
{
    PyObject *list = PyObject_CallMethod(data, "tolist", NULL), *kind = list ? PyObject_GetAttrString(data, "dtype") : NULL;
    PyObject *name = kind ? PyObject_Str(kind) : NULL, *dtype = NULL, *out = NULL;
    for (int code = 0; name && want == ETCH_DTYPE_NONE && code < 256; code++)
        if (etch_dtype_is_valid(code) && PyUnicode_CompareWithASCIIString(name, etch_dtype_torch_name((etch_dtype)code)) == 0)
            want = (etch_dtype)code;
    if (name) dtype = want == ETCH_DTYPE_NONE ? Py_NewRef(Py_None) : core_dtype_py(st, want);
    if (dtype) out = core_tensor_from(st, list, dtype, device);
    Py_XDECREF(dtype);
    Py_XDECREF(name);
    Py_XDECREF(kind);
    Py_XDECREF(list);
    return out;
}

PyObject *core_tensor_from(core_state *st, PyObject *data, PyObject *dtype, uint8_t device)
{
    etch_dtype want = ETCH_DTYPE_NONE;
    if (dtype && dtype != Py_None && !core_dtype_of(st, dtype, &want))
        return PyErr_Format(PyExc_TypeError, "torch.tensor: dtype expected, got %R", dtype);
    if (core_is_tensor(st, data) || core_is_symint(data)) {
        PyObject *t = core_is_tensor(st, data) ? Py_NewRef(data) : scalar_tensor(st, data);
        etch_value *v = NULL;
        etch_status *s = t ? core_value((core_tensor *)t, &v) : NULL;
        if (t && !s && want != ETCH_DTYPE_NONE) s = core_cast(st, v, want, &v);
        Py_XDECREF(t);
        return s ? core_raise(st, s) : t ? core_wrap(st, NULL, v, device) : NULL;
    }
    if (!is_list(data) && !PyLong_Check(data) && !PyFloat_Check(data) && PyObject_HasAttrString(data, "tolist") &&
        PyObject_HasAttrString(data, "dtype"))
        return from_array(st, data, want, device);
    scan sc = { .st = st };
    if (look(&sc, data, 0)) return NULL;
    if (sc.any_lazy) return stack(st, data, dtype);
    etch_dtype d = want != ETCH_DTYPE_NONE ? want
                 : sc.any_complex          ? ETCH_C64
                 : sc.any_float || !sc.n   ? st->default_dtype
                 : sc.any_int              ? ETCH_I64
                                           : ETCH_BOOL;
    etch_tensor t = { .dtype = d, .rank = sc.rank };
    for (int i = 0; i < sc.rank; i++) t.sizes[i] = etch_dim_of(sc.sizes[i]);
    size_t bytes = 0;
    if (!etch_tensor_nbytes(&t, &bytes)) return PyErr_NoMemory();
    t.data = calloc(bytes ? bytes : 1, 1);
    t.capacity = bytes;
    if (!t.data) return PyErr_NoMemory();
    int64_t at = 0;
    PyObject *out = NULL;
    if (!store(&t, data, &at)) {
        etch_value *v = NULL;
        etch_status *s = core_data(st, &t, &v);
        out = s ? core_raise(st, s) : core_wrap(st, NULL, v, device);
    }
    free(t.data);
    return out;
}
