// TensorBase: the heap type under torch.Tensor. Attributes and the few methods that are not rows of the op table.
#include "trace/core/core.h"

#include <string.h>

#define SELF(o) ((core_tensor *)(o))

static const etch_tensor *type_of(PyObject *self) { return &SELF(self)->v->t; }

static void tensor_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(SELF(self)->grad);
    core_storage_release(SELF(self)->s);
    freefunc release = (freefunc)(uintptr_t)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF((PyObject *)type);
}

// TensorBase(data=None): an alias of `data`, or an empty tensor. Subclasses build on it.
static PyObject *tensor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)kwargs;
    core_state *st = core_state_of_type(type);
    if (!st) return NULL;
    PyObject *data = PyTuple_Size(args) > 0 ? PyTuple_GetItem(args, 0) : NULL;
    if (data && core_is_tensor(st, data)) {
        core_tensor *src = SELF(data), *t = SELF(core_wrap(st, (PyObject *)type, src->v, src->device));
        if (!t) return NULL;
        core_storage_release(t->s);
        t->s = src->s;
        t->s->refs++;
        t->chain = src->chain;
        t->version = src->version;
        return (PyObject *)t;
    }
    etch_tensor empty = { .dtype = st->default_dtype, .rank = 1, .sizes = { { 0, NULL } } };
    etch_value *v = NULL;
    etch_status *s = core_data(st, &empty, &v);
    return s ? core_raise(st, s) : core_wrap(st, (PyObject *)type, v, st->default_device);
}

enum { G_SHAPE, G_DTYPE, G_DEVICE, G_LAYOUT, G_NDIM, G_GRAD, G_LEAF, G_NONE, G_FALSE, G_ITEMSIZE, G_NBYTES, G_META, G_VERSION, G_T,
       G_MT, G_CPU };

static PyObject *numel_py(PyObject *self, int64_t factor)
{
    core_state *st = SELF(self)->st;
    const etch_tensor *t = type_of(self);
    etch_dim n = etch_dim_of(factor);
    for (int i = 0; i < t->rank; i++) {
        etch_status *s = etch_dim_mul(&st->program->syms, n, t->sizes[i], &n);
        if (s) return core_raise(st, s);
    }
    return core_dim_py(st, n);
}

static PyObject *call_op(PyObject *self, const char *op, const etch_val *rest, int n)
{
    core_state *st = SELF(self)->st;
    etch_val args[4];
    etch_value *v = NULL;
    etch_status *s = core_value(SELF(self), &v);
    args[0] = s ? etch_val_none() : etch_val_tensor(&v->t);
    memcpy(args + 1, rest, sizeof *rest * (size_t)n);
    const etch_op *row = etch_op_find(etch_str_of(op));
    if (!s && !row) s = ETCH_ERR(ETCH_UNSUPPORTED, "op %s has no row in op/ops.def", op);
    etch_node *node = NULL;
    if (!s) s = core_record(st, row, args, n + 1, &node);
    if (s) return core_raise(st, s);
    return row->flags & ETCH_OPF_VIEW ? core_wrap_view(SELF(self), row, node->args, row->schema->n_params, 0, node->outs[0])
                                      : core_wrap(st, NULL, node->outs[0], SELF(self)->device);
}

static PyObject *transposed(PyObject *self, int64_t a, int64_t b)
{
    if (type_of(self)->rank < 2) return core_wrap_view(SELF(self), NULL, NULL, 0, 0, SELF(self)->v);
    etch_val rest[] = { etch_val_int(a), etch_val_int(b) };
    return call_op(self, "aten::transpose.int", rest, 2);
}

static PyObject *reversed_axes(PyObject *self)
{
    etch_dim dims[ETCH_MAX_RANK];
    int rank = type_of(self)->rank;
    if (rank == 2) return transposed(self, 0, 1);
    for (int i = 0; i < rank; i++) dims[i] = etch_dim_of(rank - 1 - i);
    etch_val rest = { .kind = ETCH_V_INTS, .ints = { dims, rank } };
    return call_op(self, "aten::permute", &rest, 1);
}

static PyObject *get(PyObject *self, void *what)
{
    core_state *st = SELF(self)->st;
    const etch_tensor *t = type_of(self);
    switch ((int)(intptr_t)what) {
    case G_SHAPE: return core_size_py(st, t->sizes, t->rank);
    case G_DTYPE: return core_dtype_py(st, t->dtype);
    case G_DEVICE: return core_device_py(st, SELF(self)->device);
    case G_LAYOUT: return PyObject_GetAttrString(st->module, "strided");
    case G_NDIM: return PyLong_FromLong(t->rank);
    case G_GRAD: return Py_NewRef(SELF(self)->grad ? SELF(self)->grad : Py_None);
    case G_LEAF: Py_RETURN_TRUE;
    case G_FALSE: Py_RETURN_FALSE;
    case G_ITEMSIZE: return PyLong_FromSize_t(etch_dtype_size(t->dtype));
    case G_NBYTES: return numel_py(self, (int64_t)etch_dtype_size(t->dtype));
    case G_META: return PyBool_FromLong(SELF(self)->device == CORE_META);
    case G_CPU: return PyBool_FromLong(SELF(self)->device != CORE_META);
    case G_VERSION: return PyLong_FromUnsignedLongLong(SELF(self)->s->version);
    case G_T: return reversed_axes(self);
    case G_MT: return transposed(self, -2, -1);
    default: Py_RETURN_NONE;
    }
}

static PyObject *get_requires_grad(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(SELF(self)->requires_grad);
}

static int set_requires_grad(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    int yes = value ? PyObject_IsTrue(value) : 0;
    if (yes < 0) return -1;
    SELF(self)->requires_grad = yes != 0;
    return 0;
}

static int set_grad(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    PyObject *old = SELF(self)->grad;
    SELF(self)->grad = value && value != Py_None ? Py_NewRef(value) : NULL;
    Py_XDECREF(old);
    return 0;
}

static PyObject *alias(PyObject *self)
{
    etch_value *v = NULL;
    etch_status *s = core_value(SELF(self), &v);
    return s ? core_raise(SELF(self)->st, s) : core_wrap_view(SELF(self), NULL, NULL, 0, 0, v);
}

static PyObject *get_data(PyObject *self, void *unused)
{
    (void)unused;
    return alias(self);
}

// x.data = y: x becomes an alias of y.
static int set_data(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    if (!value || !core_is_tensor(SELF(self)->st, value)) {
        PyErr_SetString(PyExc_TypeError, "data must be a Tensor");
        return -1;
    }
    core_tensor *t = SELF(self), *src = SELF(value);
    src->s->refs++;
    core_storage_release(t->s);
    t->s = src->s;
    t->chain = src->chain;
    t->v = src->v;
    t->version = src->version;
    t->device = src->device;
    return 0;
}

static PyObject *m_dim(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLong(type_of(self)->rank);
}

static PyObject *m_size(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = { "dim", NULL };
    PyObject *dim = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &dim)) return NULL;
    const etch_tensor *t = type_of(self);
    if (dim == Py_None) return core_size_py(SELF(self)->st, t->sizes, t->rank);
    long d = PyLong_AsLong(dim);
    if (d == -1 && PyErr_Occurred()) return NULL;
    if (d < -t->rank || d >= t->rank) return PyErr_Format(PyExc_IndexError, "Dimension out of range (rank %d, got %ld)", t->rank, d);
    return core_dim_py(SELF(self)->st, t->sizes[d < 0 ? d + t->rank : d]);
}

static PyObject *m_numel(PyObject *self, PyObject *unused)
{
    (void)unused;
    return numel_py(self, 1);
}

static PyObject *m_stride(PyObject *self, PyObject *args)
{
    PyObject *dim = Py_None;
    if (!PyArg_ParseTuple(args, "|O", &dim)) return NULL;
    core_state *st = SELF(self)->st;
    etch_dim strides[ETCH_MAX_RANK];
    etch_status *s = core_strides(SELF(self), strides, NULL);
    if (s) return core_raise(st, s);
    int rank = type_of(self)->rank;
    if (dim == Py_None) {
        PyObject *list = core_size_py(st, strides, rank), *tuple = list ? PyTuple_GetSlice(list, 0, rank) : NULL;
        PyObject *plain = list ? PySequence_List(list) : NULL, *out = plain ? PyList_AsTuple(plain) : NULL;
        Py_XDECREF(tuple);
        Py_XDECREF(list);
        Py_XDECREF(plain);
        return out;
    }
    long d = PyLong_AsLong(dim);
    if (d == -1 && PyErr_Occurred()) return NULL;
    if (d < -rank || d >= rank) return PyErr_Format(PyExc_IndexError, "Dimension out of range (rank %d, got %ld)", rank, d);
    return core_dim_py(st, strides[d < 0 ? d + rank : d]);
}

static PyObject *m_storage_offset(PyObject *self, PyObject *unused)
{
    (void)unused;
    etch_dim strides[ETCH_MAX_RANK], offset = { 0 };
    etch_status *s = core_strides(SELF(self), strides, &offset);
    return s ? core_raise(SELF(self)->st, s) : core_dim_py(SELF(self)->st, offset);
}

static PyObject *m_data_ptr(PyObject *self, PyObject *unused)
{
    (void)unused;
    etch_dim strides[ETCH_MAX_RANK], offset = { 0 };
    if (SELF(self)->device == CORE_META) return PyLong_FromLong(0);
    etch_status *s = core_strides(SELF(self), strides, &offset);
    if (s) return core_raise(SELF(self)->st, s);
    return PyLong_FromLongLong(SELF(self)->s->id + offset.v * (int64_t)etch_dtype_size(type_of(self)->dtype));
}

static PyObject *m_storage_id(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLongLong(SELF(self)->s->id);
}

// Bytes of the storage under the view.
static PyObject *m_storage_nbytes(PyObject *self, PyObject *unused)
{
    (void)unused;
    size_t n = 0;
    return etch_tensor_nbytes(&SELF(self)->s->cur->t, &n) ? PyLong_FromSize_t(n) : PyErr_Format(PyExc_OverflowError, "tensor too large");
}

// 1-d tensor over the whole storage in its own element type.
static PyObject *m_storage_base(PyObject *self, PyObject *unused)
{
    (void)unused;
    return core_wrap(SELF(self)->st, NULL, SELF(self)->s->cur, SELF(self)->device);
}

static PyObject *m_is_contiguous(PyObject *self, PyObject *args, PyObject *kwargs)
{
    (void)args, (void)kwargs;
    int yes = core_is_contiguous(SELF(self));
    return yes < 0 ? NULL : PyBool_FromLong(yes);
}

// Values are row-major whatever the strides of the view: a copy shares the value.
static PyObject *m_clone(PyObject *self, PyObject *args, PyObject *kwargs)
{
    (void)args, (void)kwargs;
    etch_value *v = NULL;
    etch_status *s = core_value(SELF(self), &v);
    return s ? core_raise(SELF(self)->st, s) : core_wrap(SELF(self)->st, NULL, v, SELF(self)->device);
}

static PyObject *m_contiguous(PyObject *self, PyObject *args, PyObject *kwargs)
{
    int yes = core_is_contiguous(SELF(self));
    return yes < 0 ? NULL : yes ? Py_NewRef(self) : m_clone(self, args, kwargs);
}

static PyObject *m_detach(PyObject *self, PyObject *unused)
{
    (void)unused;
    return alias(self);
}

static PyObject *m_requires_grad_(PyObject *self, PyObject *args)
{
    int yes = 1;
    if (!PyArg_ParseTuple(args, "|p", &yes)) return NULL;
    SELF(self)->requires_grad = yes != 0;
    return Py_NewRef(self);
}

static PyObject *m_element_size(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromSize_t(etch_dtype_size(type_of(self)->dtype));
}

static PyObject *m_is_floating_point(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(etch_dtype_is_float(type_of(self)->dtype));
}

static PyObject *m_is_complex(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(etch_dtype_is_complex(type_of(self)->dtype));
}

static PyObject *m_is_view(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(SELF(self)->chain != NULL);
}

static PyObject *m_item(PyObject *self, PyObject *unused)
{
    (void)unused;
    return core_item(SELF(self));
}

static PyObject *nested(const etch_tensor *t, int axis, int64_t *at)
{
    if (axis == t->rank) return core_element(t, (*at)++);
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < t->sizes[axis].v; i++) {
        PyObject *x = nested(t, axis + 1, at);
        if (!x || PyList_Append(list, x)) Py_CLEAR(list);
        Py_XDECREF(x);
    }
    return list;
}

static PyObject *m_tolist(PyObject *self, PyObject *unused)
{
    (void)unused;
    const etch_tensor *r = NULL;
    int64_t at = 0;
    return core_real_tensor(SELF(self), &r) ? NULL : nested(r, 0, &at);
}

static PyObject *m_tobytes(PyObject *self, PyObject *unused)
{
    (void)unused;
    const etch_tensor *r = NULL;
    size_t n = 0;
    if (core_real_tensor(SELF(self), &r)) return NULL;
    return etch_tensor_nbytes(r, &n) ? PyBytes_FromStringAndSize(r->data, (Py_ssize_t)n) : PyErr_NoMemory();
}

// The content does not depend on inputs, buffers, symbolic sizes or chance.
static PyObject *m_is_constant(PyObject *self, PyObject *unused)
{
    (void)unused;
    etch_value *v = NULL;
    etch_status *s = core_value(SELF(self), &v);
    if (s) return core_raise(SELF(self)->st, s);
    return PyBool_FromLong(!core_info_of(v)->dynamic && !core_info_of(v)->random);
}

// What the tensor's value is, for diagnostics: "file key", "input", "aten::add.Tensor".
static PyObject *m_source(PyObject *self, PyObject *unused)
{
    (void)unused;
    etch_value *v = NULL;
    etch_status *s = core_value(SELF(self), &v);
    if (s) return core_raise(SELF(self)->st, s);
    static const char *const kinds[] = { "input", "file", "data", "buffer" };
    if (v->src != ETCH_SRC_NODE) return PyUnicode_FromFormat("%s", kinds[v->src]);
    return PyUnicode_FromStringAndSize(v->def->op->schema->name.ptr, (Py_ssize_t)v->def->op->schema->name.len);
}

static PyObject *m_copy_(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = { "src", "non_blocking", NULL };
    PyObject *src = NULL, *flag = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O", names, &src, &flag)) return NULL;
    core_state *st = SELF(self)->st;
    if (!core_is_tensor(st, src)) return PyErr_Format(PyExc_TypeError, "copy_: a Tensor expected");
    etch_value *v = NULL;
    etch_status *s = core_value(SELF(src), &v);
    if (!s) s = core_write(SELF(self), v);
    return s ? core_raise(st, s) : Py_NewRef(self);
}

// Writes one scalar everywhere.
static PyObject *fill(PyObject *self, PyObject *value)
{
    core_state *st = SELF(self)->st;
    PyObject *t = core_is_tensor(st, value) ? Py_NewRef(value) : core_tensor_from(st, value, NULL, CORE_CPU);
    if (!t) return NULL;
    etch_value *v = NULL, *wide = NULL;
    etch_status *s = core_value(SELF(t), &v);
    etch_dim sizes[ETCH_MAX_RANK];
    const etch_tensor *mine = type_of(self);
    memcpy(sizes, mine->sizes, sizeof sizes);
    if (!s && !core_is_tensor(st, value) && v->t.data) {  // a number: symbolic sizes have no data
        const etch_op *op = etch_op_find(ETCH_LIT("aten::full"));
        const etch_tensor *r = &v->t;
        etch_val x = etch_val_float(etch_load_double(r->data, r->dtype, 0));
        if (r->dtype == ETCH_BOOL) x = etch_val_bool(etch_load_int(r->data, r->dtype, 0) != 0);
        else if (etch_dtype_is_int(r->dtype)) x = etch_val_int(etch_load_int(r->data, r->dtype, 0));
        etch_val args[] = { { .kind = ETCH_V_INTS, .ints = { sizes, mine->rank } }, x, etch_val_int((int64_t)mine->dtype) };
        etch_node *node = NULL;
        s = op ? core_record(st, op, args, 3, &node) : ETCH_ERR(ETCH_UNSUPPORTED, "op aten::full has no row in op/ops.def");
        if (!s) wide = node->outs[0];
    } else {
        wide = v;
    }
    if (!s) s = core_write(SELF(self), wide);
    Py_DECREF(t);
    return s ? core_raise(st, s) : Py_NewRef(self);
}

static PyObject *m_fill_(PyObject *self, PyObject *value) { return fill(self, value); }

static PyObject *m_zero_(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *zero = PyLong_FromLong(0), *out = zero ? fill(self, zero) : NULL;
    Py_XDECREF(zero);
    return out;
}

static PyObject *m_reduce(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    return PyErr_Format(PyExc_TypeError, "a traced tensor cannot be pickled");
}

static Py_ssize_t length(PyObject *self)
{
    const etch_tensor *t = type_of(self);
    if (!t->rank) {
        PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
        return -1;
    }
    return (Py_ssize_t)t->sizes[0].v;
}

static PyObject *iterate(PyObject *self)
{
    const etch_tensor *t = type_of(self);
    if (!t->rank) return PyErr_Format(PyExc_TypeError, "iteration over a 0-d tensor");
    if (!etch_dim_is_const(t->sizes[0])) {
        core_state *st = SELF(self)->st;
        PyObject *where = core_where_py(st);
        PyErr_Format(core_guard_error(st), "data-dependent control flow at %V: iteration over a dimension of symbolic size",
                     where, "?");
        Py_XDECREF(where);
        return NULL;
    }
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < t->sizes[0].v; i++) {
        etch_val rest[] = { etch_val_int(0), etch_val_int(i) };
        PyObject *x = call_op(self, "aten::select.int", rest, 2);
        if (!x || PyList_Append(list, x)) Py_CLEAR(list);
        Py_XDECREF(x);
    }
    PyObject *it = list ? PyObject_GetIter(list) : NULL;
    Py_XDECREF(list);
    return it;
}

static int truth(PyObject *self)
{
    PyObject *x = core_item(SELF(self));
    int yes = x ? PyObject_IsTrue(x) : -1;
    Py_XDECREF(x);
    return yes;
}

static PyObject *as_int(PyObject *self)
{
    PyObject *x = core_item(SELF(self)), *i = x ? PyNumber_Long(x) : NULL;
    Py_XDECREF(x);
    return i;
}

static PyObject *as_float(PyObject *self)
{
    PyObject *x = core_item(SELF(self)), *f = x ? PyNumber_Float(x) : NULL;
    Py_XDECREF(x);
    return f;
}

static PyObject *as_index(PyObject *self)
{
    if (!etch_dtype_is_int(type_of(self)->dtype) && type_of(self)->dtype != ETCH_BOOL)
        return PyErr_Format(PyExc_TypeError, "only integer tensors of a single element can be converted to an index");
    return as_int(self);
}

static Py_hash_t identity_hash(PyObject *self)
{
    Py_hash_t h = (Py_hash_t)((uintptr_t)self >> 4);
    return h == -1 ? -2 : h;
}

#define GET(name, what) { name, get, NULL, NULL, (void *)(intptr_t)(what) }
static PyGetSetDef getset[] = {
    GET("shape", G_SHAPE), GET("dtype", G_DTYPE), GET("device", G_DEVICE), GET("layout", G_LAYOUT), GET("ndim", G_NDIM),
    GET("is_leaf", G_LEAF), GET("grad_fn", G_NONE), GET("itemsize", G_ITEMSIZE), GET("nbytes", G_NBYTES), GET("is_meta", G_META),
    GET("is_cpu", G_CPU), GET("_version", G_VERSION), GET("is_cuda", G_FALSE), GET("is_mps", G_FALSE), GET("is_xpu", G_FALSE),
    GET("is_xla", G_FALSE), GET("is_sparse", G_FALSE), GET("is_quantized", G_FALSE), GET("is_nested", G_FALSE),
    GET("is_mkldnn", G_FALSE), GET("is_vulkan", G_FALSE), GET("is_sparse_csr", G_FALSE), GET("is_inference", G_FALSE),
    GET("T", G_T), GET("mT", G_MT), GET("H", G_T), GET("mH", G_MT), GET("name", G_NONE), GET("_base", G_NONE),
    GET("_backward_hooks", G_NONE),
    { "grad", get, set_grad, NULL, (void *)(intptr_t)G_GRAD },
    { "requires_grad", get_requires_grad, set_requires_grad, NULL, NULL },
    { "data", get_data, set_data, NULL, NULL },
    { 0 },
};
static PyMethodDef methods[] = {
    { "dim", m_dim, METH_NOARGS, NULL },
    { "ndimension", m_dim, METH_NOARGS, NULL },
    { "size", CORE_METH(m_size), METH_VARARGS | METH_KEYWORDS, NULL },
    { "numel", m_numel, METH_NOARGS, NULL },
    { "nelement", m_numel, METH_NOARGS, NULL },
    { "stride", m_stride, METH_VARARGS, NULL },
    { "storage_offset", m_storage_offset, METH_NOARGS, NULL },
    { "data_ptr", m_data_ptr, METH_NOARGS, NULL },
    { "_storage_id", m_storage_id, METH_NOARGS, "Identity of the storage: equal for all views of it." },
    { "_storage_nbytes", m_storage_nbytes, METH_NOARGS, NULL },
    { "_storage_base", m_storage_base, METH_NOARGS, NULL },
    { "is_contiguous", CORE_METH(m_is_contiguous), METH_VARARGS | METH_KEYWORDS, NULL },
    { "contiguous", CORE_METH(m_contiguous), METH_VARARGS | METH_KEYWORDS, NULL },
    { "clone", CORE_METH(m_clone), METH_VARARGS | METH_KEYWORDS, NULL },
    { "detach", m_detach, METH_NOARGS, NULL },
    { "detach_", m_detach, METH_NOARGS, NULL },
    { "alias", m_detach, METH_NOARGS, NULL },
    { "requires_grad_", m_requires_grad_, METH_VARARGS, NULL },
    { "element_size", m_element_size, METH_NOARGS, NULL },
    { "is_floating_point", m_is_floating_point, METH_NOARGS, NULL },
    { "is_complex", m_is_complex, METH_NOARGS, NULL },
    { "_is_view", m_is_view, METH_NOARGS, NULL },
    { "_is_constant", m_is_constant, METH_NOARGS, NULL },
    { "_source", m_source, METH_NOARGS, NULL },
    { "item", m_item, METH_NOARGS, NULL },
    { "tolist", m_tolist, METH_NOARGS, NULL },
    { "_tobytes", m_tobytes, METH_NOARGS, "The content of a constant, row-major." },
    { "copy_", CORE_METH(m_copy_), METH_VARARGS | METH_KEYWORDS, NULL },
    { "fill_", m_fill_, METH_O, NULL },
    { "zero_", m_zero_, METH_NOARGS, NULL },
    { "__reduce_ex__", m_reduce, METH_O, NULL },
    { 0 },
};
static PyType_Slot slots[] = {
    { Py_tp_new, CORE_FN(tensor_new) },        { Py_tp_dealloc, CORE_FN(tensor_dealloc) }, { Py_tp_hash, CORE_FN(identity_hash) },
    { Py_tp_getset, getset },                  { Py_tp_methods, methods },                 { Py_tp_iter, CORE_FN(iterate) },
    { Py_mp_length, CORE_FN(length) },         { Py_mp_subscript, CORE_FN(core_getitem) }, { Py_mp_ass_subscript, CORE_FN(core_setitem) },
    { Py_nb_bool, CORE_FN(truth) },            { Py_nb_int, CORE_FN(as_int) },             { Py_nb_float, CORE_FN(as_float) },
    { Py_nb_index, CORE_FN(as_index) },        { 0, NULL },
};
static PyType_Spec spec = { "torch._C.TensorBase", (int)sizeof(core_tensor), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots };

PyObject *core_tensor_make_type(core_state *st) { return PyType_FromModuleAndSpec(st->module, &spec, NULL); }
