// x[key] and x[key] = value. Ints, slices, None and Ellipsis become select, slice and unsqueeze views; what remains (integer and boolean
// tensors, lists) becomes one aten::index or aten::index_put over the viewed tensor.
#include "trace/core/core.h"

#include <limits.h>
#include <string.h>

typedef struct {
    PyObject *view;                          // the tensor so far, owned
    PyObject *index[ETCH_MAX_RANK];          // by dimension of `view`: an index tensor (owned) or NULL
    int n;                                   // dimensions handled
    bool any;
} cursor;

static void release(cursor *c)
{
    Py_CLEAR(c->view);
    for (int i = 0; i < ETCH_MAX_RANK; i++) Py_CLEAR(c->index[i]);
}

// Applies a view op to c->view.
static int apply(core_state *st, cursor *c, const char *name, const etch_val *rest, int n)
{
    const etch_op *op = etch_op_find(etch_str_of(name));
    etch_val args[8];
    etch_value *v = NULL;
    core_tensor *t = (core_tensor *)c->view;
    etch_status *s = op ? core_value(t, &v) : ETCH_ERR(ETCH_UNSUPPORTED, "op %s has no row in op/ops.def", name);
    etch_node *node = NULL;
    if (!s) {
        args[0] = etch_val_tensor(&v->t);
        memcpy(args + 1, rest, sizeof *rest * (size_t)n);
        s = core_record(st, op, args, n + 1, &node);
    }
    if (s) {
        core_raise(st, s);
        return -1;
    }
    PyObject *next = core_wrap_view(t, op, node->args, op->schema->n_params, 0, node->outs[0]);
    if (!next) return -1;
    Py_DECREF(c->view);
    c->view = next;
    return 0;
}

// A slice bound: int, SymInt, constant tensor, None.
static int bound(core_state *st, PyObject *o, etch_val *out)
{
    etch_dim d;
    if (o == Py_None) {
        *out = etch_val_none();
        return 0;
    }
    if (PyLong_Check(o)) {  // huge bounds clamp, as Python's do
        int overflow = 0;
        long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
        *out = etch_val_int(overflow > 0 ? INT64_MAX : overflow < 0 ? INT64_MIN + 1 : (int64_t)v);
        return 0;
    }
    if (core_dim_of(st, o, &d)) {
        *out = etch_val_dim(d);
        return 0;
    }
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "slice indices must be integers or None");
    return -1;
}

static int take_slice(core_state *st, cursor *c, PyObject *key)
{
    PyObject *start = PyObject_GetAttrString(key, "start"), *stop = PyObject_GetAttrString(key, "stop");
    PyObject *step = PyObject_GetAttrString(key, "step");
    etch_val v[4] = { etch_val_int(c->n) };
    int bad = !start || !stop || !step || bound(st, start, &v[1]) || bound(st, stop, &v[2]) || bound(st, step, &v[3]);
    Py_XDECREF(start);
    Py_XDECREF(stop);
    Py_XDECREF(step);
    if (bad) return -1;
    if (v[3].kind == ETCH_V_NONE) v[3] = etch_val_int(1);
    const etch_dim size = ((core_tensor *)c->view)->v->t.sizes[c->n];
    const bool from_start = v[1].kind == ETCH_V_NONE || (etch_dim_is_const(v[1].i) && v[1].i.v == 0);
    const bool to_end = v[2].kind == ETCH_V_NONE || etch_dim_same(v[2].i, size) ||
                        (etch_dim_is_const(v[2].i) && v[2].i.v > 0 && etch_dim_known(&st->program->syms, ETCH_CMP_GE, v[2].i, size));
    const bool whole = from_start && to_end && etch_dim_is_const(v[3].i) && v[3].i.v == 1;
    if (v[1].kind == ETCH_V_NONE) v[1] = etch_val_int(0);
    if (v[2].kind == ETCH_V_NONE) v[2] = etch_val_int(INT64_MAX);
    if (!whole && apply(st, c, "aten::slice.Tensor", v, 4)) return -1;
    c->n++;
    return 0;
}

// How many dimensions one index item consumes: None 0, a bool mask its rank, the rest 1.
static int consumes(core_state *st, PyObject *o)
{
    if (o == Py_None || PyBool_Check(o)) return 0;
    if (core_is_tensor(st, o) && ((core_tensor *)o)->v->t.dtype == ETCH_BOOL) return ((core_tensor *)o)->v->t.rank;
    return 1;
}

static int put_index(core_state *st, cursor *c, PyObject *tensor)
{
    (void)st;
    const etch_tensor *t = &((core_tensor *)tensor)->v->t;
    const int rank = ((core_tensor *)c->view)->v->t.rank;
    int width = t->dtype == ETCH_BOOL ? t->rank : 1;
    if (c->n + width > rank) {
        PyErr_SetString(PyExc_IndexError, "too many indices for tensor");
        return -1;
    }
    c->index[c->n] = Py_NewRef(tensor);
    c->any = true;
    c->n += width;
    return 0;
}

static int take(core_state *st, cursor *c, PyObject *o)
{
    const int rank = ((core_tensor *)c->view)->v->t.rank;
    if (o == Py_None || o == Py_True) {
        etch_val d = etch_val_int(c->n);
        if (apply(st, c, "aten::unsqueeze", &d, 1)) return -1;
        c->n++;
        return 0;
    }
    if (o == Py_False) {
        PyErr_SetString(PyExc_NotImplementedError, "indexing with False");
        return -1;
    }
    if (core_is_tensor(st, o)) return put_index(st, c, o);
    if (c->n >= rank) {
        PyErr_Format(PyExc_IndexError, "too many indices for tensor of dimension %d", rank);
        return -1;
    }
    if (Py_TYPE(o) == &PySlice_Type) return take_slice(st, c, o);
    etch_dim at;
    if (!PyList_Check(o) && !PyTuple_Check(o) && core_dim_of(st, o, &at)) {
        const etch_dim size = ((core_tensor *)c->view)->v->t.sizes[c->n];
        if (etch_dim_is_const(at) && etch_dim_is_const(size) && (at.v >= size.v || at.v < -size.v)) {
            PyErr_Format(PyExc_IndexError, "index %lld is out of bounds for dimension %d with size %lld", (long long)at.v, c->n,
                         (long long)size.v);
            return -1;
        }
        etch_val v[] = { etch_val_int(c->n), etch_val_dim(at) };
        return apply(st, c, "aten::select.int", v, 2);
    }
    if (PyErr_Occurred()) return -1;
    PyObject *list = PySequence_List(o), *tensor = list ? core_tensor_from(st, list, NULL, CORE_CPU) : NULL;
    int bad = !tensor || put_index(st, c, tensor);
    Py_XDECREF(list);
    Py_XDECREF(tensor);
    return bad;
}

// Walks the key; afterwards c->view holds the views and c->index the tensors.
static int walk(core_state *st, PyObject *self, PyObject *key, cursor *c)
{
    *c = (cursor){ 0 };
    etch_value *v = NULL;
    etch_status *s = core_value((core_tensor *)self, &v);
    if (s) {
        core_raise(st, s);
        return -1;
    }
    c->view = core_wrap_view((core_tensor *)self, NULL, NULL, 0, 0, v);
    if (!c->view) return -1;
    if (!PyTuple_Check(key)) {
        if (key == Py_Ellipsis) return 0;
        return take(st, c, key);
    }
    Py_ssize_t n = PyTuple_Size(key);
    int used = 0, rank = v->t.rank;
    bool dots = false;
    for (Py_ssize_t i = 0; i < n; i++)
        if (PyTuple_GetItem(key, i) != Py_Ellipsis) used += consumes(st, PyTuple_GetItem(key, i));
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = PyTuple_GetItem(key, i);
        if (o == Py_Ellipsis) {
            if (dots) {
                PyErr_SetString(PyExc_IndexError, "an index can only have a single ellipsis");
                return -1;
            }
            dots = true;
            if (rank > used) c->n += rank - used;
            continue;
        }
        if (take(st, c, o)) return -1;
    }
    return 0;
}

// The Tensor?[] list of the cursor; a constant boolean mask becomes its coordinates so that the result has a known shape.
static int indices(core_state *st, cursor *c, etch_tensor **list, int *out_n, bool expand_masks)
{
    const int rank = ((core_tensor *)c->view)->v->t.rank;
    int n = 0;
    for (int i = 0; i < rank; i++) {
        list[i] = NULL;
        if (!c->index[i]) continue;
        etch_value *v = NULL;
        etch_status *s = core_value((core_tensor *)c->index[i], &v);
        if (s) {
            core_raise(st, s);
            return -1;
        }
        list[i] = &v->t;
        n = i + 1;
        if (v->t.dtype != ETCH_BOOL || !expand_masks) continue;
        const etch_tensor *r = NULL;
        if (core_real_tensor((core_tensor *)c->index[i], &r)) return -1;
        int64_t numel = etch_numel(r), hits = 0, at = 0;
        for (int64_t k = 0; k < numel; k++) hits += etch_load_int(r->data, ETCH_BOOL, k) != 0;
        for (int axis = 0; axis < r->rank; axis++) {
            int64_t below = 1;
            for (int k = axis + 1; k < r->rank; k++) below *= r->sizes[k].v;
            etch_tensor t = { .dtype = ETCH_I64, .rank = 1, .sizes = { etch_dim_of(hits) }, .capacity = (size_t)hits * 8 };
            int64_t *p = PyMem_Malloc((size_t)(hits ? hits : 1) * sizeof *p);
            if (!p) {
                PyErr_NoMemory();
                return -1;
            }
            at = 0;
            for (int64_t k = 0; k < numel; k++)
                if (etch_load_int(r->data, ETCH_BOOL, k)) p[at++] = k / below % r->sizes[axis].v;
            t.data = p;
            s = core_data(st, &t, &v);
            PyMem_Free(p);
            if (s) {
                core_raise(st, s);
                return -1;
            }
            list[i + axis] = &v->t;
        }
        n = i + r->rank;
        i += r->rank - 1;
    }
    *out_n = n;
    return 0;
}

PyObject *core_getitem(PyObject *self, PyObject *key)
{
    core_state *st = ((core_tensor *)self)->st;
    cursor c;
    if (walk(st, self, key, &c)) {
        release(&c);
        return NULL;
    }
    PyObject *out = NULL;
    if (!c.any) {
        out = Py_NewRef(c.view);
    } else {
        etch_tensor *list[ETCH_MAX_RANK];
        int n = 0;
        etch_value *base = NULL, *v = NULL;
        etch_status *s = NULL;
        if (!indices(st, &c, list, &n, true) && !(s = core_value((core_tensor *)c.view, &base))) {
            etch_val args[] = { etch_val_tensor(&base->t), { .kind = ETCH_V_TENSORS, .tensors = { list, n } } };
            s = core_call(st, "aten::index.Tensor", args, 2, &v);
            if (!s) out = core_wrap(st, NULL, v, ((core_tensor *)self)->device);
        }
        if (s) core_raise(st, s);
    }
    release(&c);
    return out;
}

// x[mask] = scalar is masked_fill, which needs no data-dependent shape.
static bool is_masked_fill(cursor *c, const etch_tensor *base, const etch_tensor *value)
{
    if (!c->index[0]) return false;
    for (int i = 1; i < ETCH_MAX_RANK; i++)
        if (c->index[i]) return false;
    const etch_tensor *m = &((core_tensor *)c->index[0])->v->t;
    return m->dtype == ETCH_BOOL && m->rank == base->rank && value->rank == 0;
}

int core_setitem(PyObject *self, PyObject *key, PyObject *value)
{
    core_state *st = ((core_tensor *)self)->st;
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "a tensor does not support item deletion");
        return -1;
    }
    cursor c;
    PyObject *dtype = core_dtype_py(st, ((core_tensor *)self)->v->t.dtype);
    PyObject *given = core_is_tensor(st, value) ? Py_NewRef(value) : core_tensor_from(st, value, dtype, CORE_CPU);
    Py_XDECREF(dtype);
    if (!given) return -1;
    int bad = walk(st, self, key, &c);
    etch_status *s = NULL;
    etch_value *base = NULL, *v = NULL;
    if (!bad) s = core_value((core_tensor *)given, &v);
    if (!bad && !s && c.any) {
        etch_tensor *list[ETCH_MAX_RANK];
        int n = 0;
        s = core_value((core_tensor *)c.view, &base);
        if (!s) s = core_cast(st, v, base->t.dtype, &v);
        if (!s && is_masked_fill(&c, &base->t, &v->t)) {
            etch_val args[] = { etch_val_tensor(&base->t), etch_val_tensor(&((core_tensor *)c.index[0])->v->t), etch_val_tensor(&v->t) };
            s = core_call(st, "aten::masked_fill.Tensor", args, 3, &v);
        } else if (!s && !(bad = indices(st, &c, list, &n, true))) {
            etch_val args[] = { etch_val_tensor(&base->t), { .kind = ETCH_V_TENSORS, .tensors = { list, n } }, etch_val_tensor(&v->t),
                                etch_val_bool(false) };
            s = core_call(st, "aten::index_put", args, 4, &v);
        }
    }
    if (!bad && !s) s = core_write((core_tensor *)c.view, v);
    if (s) core_raise(st, s);
    release(&c);
    Py_DECREF(given);
    return bad || s ? -1 : 0;
}
