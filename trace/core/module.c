// The extension module torch._C: multi-phase initialisation, all state in the module.
#include "trace/core/core.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

static struct PyModuleDef definition;

core_state *core_state_of_type(PyTypeObject *type)
{
    for (PyTypeObject *t = type; t; t = PyType_GetSlot(t, Py_tp_base)) {
        PyObject *module = PyType_GetModule(t);
        if (module && PyModule_GetDef(module) == &definition) return PyModule_GetState(module);
        PyErr_Clear();
        if (t == &PyBaseObject_Type) break;
    }
    PyErr_SetString(PyExc_TypeError, "not a type of torch._C");
    return NULL;
}

PyObject *core_raise(core_state *st, etch_status *s)
{
    (void)st;
    if (PyErr_Occurred()) {
        etch_status_free(s);
        return NULL;
    }
    PyObject *type = PyExc_RuntimeError;
    if (etch_status_code(s) == ETCH_NO_MEMORY) type = PyExc_MemoryError;
    else if (etch_status_code(s) == ETCH_UNSUPPORTED) type = PyExc_NotImplementedError;
    PyErr_SetString(type, etch_status_message(s));
    etch_status_free(s);
    return NULL;
}

etch_status *core_grow(void *list, int n, int *cap, size_t item)
{
    if (n < *cap) return NULL;
    int want = *cap ? *cap * 2 : 8;
    void **p = list, *grown = realloc(*p, (size_t)want * item);
    if (!grown) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    *p = grown;
    *cap = want;
    return NULL;
}

static PyObject *namespace_of(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    PyObject *fields = Py_VaBuildValue(format, ap);
    va_end(ap);
    PyObject *types = fields ? PyImport_ImportModule("types") : NULL;
    PyObject *cls = types ? PyObject_GetAttrString(types, "SimpleNamespace") : NULL;
    PyObject *none = cls ? PyTuple_New(0) : NULL, *out = none ? PyObject_Call(cls, none, fields) : NULL;
    Py_XDECREF(none);
    Py_XDECREF(cls);
    Py_XDECREF(types);
    Py_XDECREF(fields);
    return out;
}

// finfo(dtype=None): limits of a floating-point type.
static PyObject *finfo(PyObject *module, PyObject *args)
{
    core_state *st = PyModule_GetState(module);
    PyObject *o = NULL;
    if (!PyArg_ParseTuple(args, "|O", &o)) return NULL;
    etch_dtype d = st->default_dtype;
    if (o && !core_dtype_of(st, o, &d)) return PyErr_Format(PyExc_TypeError, "finfo(): a dtype expected");
    double max, tiny, eps, resolution;
    switch (d) {
    case ETCH_F16: max = 65504, tiny = 0x1p-14, eps = 0x1p-10, resolution = 1e-3; break;
    case ETCH_BF16: max = 0x1.fep127, tiny = 0x1p-126, eps = 0x1p-7, resolution = 1e-2; break;
    case ETCH_F32: case ETCH_C64: max = (double)FLT_MAX, tiny = (double)FLT_MIN, eps = (double)FLT_EPSILON, resolution = 1e-6; break;
    case ETCH_F64: max = DBL_MAX, tiny = DBL_MIN, eps = DBL_EPSILON, resolution = 1e-15; break;
    default:
        return PyErr_Format(PyExc_TypeError, "torch.finfo() requires a floating point input type, not %s", etch_dtype_torch_name(d));
    }
    return namespace_of("{s:i,s:d,s:d,s:d,s:d,s:d,s:d,s:s}", "bits", (int)etch_dtype_size(d) * 8, "max", max, "min", -max, "eps", eps,
                        "tiny", tiny,
                        "smallest_normal", tiny, "resolution", resolution, "dtype", etch_dtype_torch_name(d));
}

static PyObject *iinfo(PyObject *module, PyObject *args)
{
    core_state *st = PyModule_GetState(module);
    PyObject *o = NULL;
    etch_dtype d;
    if (!PyArg_ParseTuple(args, "O", &o)) return NULL;
    if (!core_dtype_of(st, o, &d) || !etch_dtype_is_int(d))
        return PyErr_Format(PyExc_TypeError, "torch.iinfo() requires an integer input type");
    const int bits = (int)etch_dtype_size(d) * 8;
    const bool is_signed = d == ETCH_I8 || d == ETCH_I16 || d == ETCH_I32 || d == ETCH_I64;
    const unsigned long long max = is_signed ? ~0ull >> (65 - bits) : ~0ull >> (64 - bits);
    const long long min = is_signed ? -(long long)max - 1 : 0;
    return namespace_of("{s:i,s:K,s:L,s:s}", "bits", bits, "max", max, "min", min, "dtype", etch_dtype_torch_name(d));
}

static PyMethodDef module_methods[] = { { "finfo", finfo, METH_VARARGS, NULL }, { "iinfo", iinfo, METH_VARARGS, NULL }, { 0 } };

// What `from torch._C import *` gives: the names that are PyTorch's own.
static int add_all(PyObject *module)
{
    static const char *const hidden[] = { "begin", "symbol", "input", "file_tensor", "tensor_from_bytes", "make_subclass",
                                          "set_device", "mark_fqn",
                                          "mark_buffer", "method", "output", "meta", "finish", "item_symbol", "push_module",
                                              "pop_module", "where",
                                          "set_tensor_class", "set_guard_error", "set_package_path", "guards", "known", "op",
                                              "op_names", "functions",
                                          "Op", "TensorBase" };
    PyObject *all = PyList_New(0), *dict = PyModule_GetDict(module), *name, *value;
    Py_ssize_t pos = 0;
    int bad = !all;
    while (!bad && PyDict_Next(dict, &pos, &name, &value)) {
        const char *z = PyUnicode_AsUTF8AndSize(name, NULL);
        bool show = z && z[0] != '_';
        for (size_t i = 0; show && i < sizeof hidden / sizeof *hidden; i++) show = strcmp(z, hidden[i]) != 0;
        if (show) bad = PyList_Append(all, name);
    }
    if (!bad) bad = PyModule_AddObjectRef(module, "__all__", all);
    Py_XDECREF(all);
    return bad;
}

static int set_up(PyObject *module)
{
    core_state *st = PyModule_GetState(module);
    memset(st, 0, sizeof *st);
    st->module = module;
    st->default_dtype = ETCH_F32;
    etch_buf_init(&st->where_buf);
    etch_status *s = etch_ops_init();
    if (!s) s = etch_program_new(&st->program);
    if (!s) s = etch_program_add_method(st->program, ETCH_LIT("scratch"), &st->m);
    if (s) {
        core_raise(st, s);
        return -1;
    }
    PyObject *types = PyImport_ImportModule("types");
    st->method_type = types ? PyObject_GetAttrString(types, "MethodType") : NULL;
    Py_XDECREF(types);
    st->files = PyDict_New();
    st->modules = PyList_New(0);
    st->device_stack = PyList_New(0);
    st->result_types = PyDict_New();
    if (!st->method_type || !st->files || !st->modules || !st->device_stack || !st->result_types) return -1;
    if (core_types_init(st) || core_symint_init(st) || core_ratio_init(st) || core_op_init(st) || core_value_init(st)) return -1;
    st->tensor_base = core_tensor_make_type(st);
    if (!st->tensor_base || PyModule_AddObjectRef(module, "TensorBase", st->tensor_base)) return -1;
    st->tensor_cls = Py_NewRef(st->tensor_base);
    return core_methods_install(st, module) || PyModule_AddFunctions(module, core_program_methods) ||
        PyModule_AddFunctions(module, module_methods) || add_all(module) ? -1 : 0;
}

#define EACH_OWNED(st, DO)                                                                                              \
    DO((st)->tensor_base) DO((st)->tensor_cls) DO((st)->symint_type) DO((st)->ratio_type) DO((st)->dtype_type)          \
    DO((st)->device_type) DO((st)->layout_type) DO((st)->format_type) DO((st)->size_type) DO((st)->op_type) DO((st)->result_types) \
    DO((st)->method_type) DO((st)->guard_error) DO((st)->files) DO((st)->skip_prefix) DO((st)->modules)                 \
    DO((st)->device_stack)

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    core_state *st = PyModule_GetState(module);
    if (!st) return 0;
#define DO(x) Py_VISIT(x);
    EACH_OWNED(st, DO)
#undef DO
    return 0;
}

static int clear(PyObject *module)
{
    core_state *st = PyModule_GetState(module);
    if (!st) return 0;
#define DO(x) Py_CLEAR(x);
    EACH_OWNED(st, DO)
#undef DO
    for (int i = 0; i < 256; i++) Py_CLEAR(st->dtypes[i]);
    return 0;
}

static void release(void *module)
{
    core_state *st = PyModule_GetState(module);
    if (!st) return;
    clear(module);
    for (int i = 0; i < st->n_buffers; i++) core_storage_release(st->buffers[i]);
    for (int i = 0; i < st->n_methods; i++) {
        free(st->methods[i].inputs);
        free(st->methods[i].outputs);
        free(st->methods[i].mutations);
    }
    free(st->buffers);
    free(st->methods);
    etch_buf_deinit(&st->where_buf);
    if (st->program) etch_program_destroy(st->program);
    st->program = NULL;
}

static PyModuleDef_Slot module_slots[] = { { Py_mod_exec, CORE_FN(set_up) }, { 0, NULL } };
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "torch._C", "Lazy tensors that record an etch graph.", (Py_ssize_t)sizeof(core_state), NULL, module_slots,
        traverse, clear, release,
};

PyMODINIT_FUNC PyInit__C(void);
__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit__C(void) { return PyModuleDef_Init(&definition); }
