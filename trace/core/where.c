// Source locations: the innermost Python frame that belongs to the model rather than to our torch package or the standard library's
// wrappers.
#include "trace/core/core.h"

#include <string.h>

// New reference: the name shown for a file, or None for files whose frames are passed over.
static PyObject *classify(core_state *st, PyObject *filename)
{
    PyObject *known = PyDict_GetItemWithError(st->files, filename);
    if (known || PyErr_Occurred()) return known ? Py_NewRef(known) : NULL;
    Py_ssize_t n = 0;
    const char *z = PyUnicode_AsUTF8AndSize(filename, &n);
    if (!z) return NULL;
    static const char *const library[] = { "contextlib.py", "functools.py", "copy.py", "copyreg.py", "runpy.py", "dataclasses.py",
                                           "typing.py", "enum.py" };
    const char *slash = strrchr(z, '/'), *base = slash ? slash + 1 : z, *shown = base;
    bool skip = z[0] == '<';
    if (st->skip_prefix) {
        Py_ssize_t np = 0;
        const char *prefix = PyUnicode_AsUTF8AndSize(st->skip_prefix, &np);
        skip |= prefix && np && !strncmp(z, prefix, (size_t)np);
    }
    for (size_t i = 0; i < sizeof library / sizeof *library; i++) skip |= !strcmp(base, library[i]);
    static const char marker[] = "-packages/";
    for (const char *p = z; (p = strstr(p, marker)); ) shown = p += sizeof marker - 1;
    PyObject *name = skip ? Py_NewRef(Py_None) : PyUnicode_FromString(shown);
    if (name && PyDict_SetItem(st->files, filename, name)) Py_CLEAR(name);
    return name;
}

static bool locate(core_state *st)
{
    PyObject *frame = Py_XNewRef((PyObject *)PyEval_GetFrame());
    while (frame && frame != Py_None) {
        PyObject *code = PyObject_GetAttrString(frame, "f_code");
        PyObject *file = code ? PyObject_GetAttrString(code, "co_filename") : NULL;
        PyObject *name = file ? classify(st, file) : NULL;
        bool found = false;
        if (name && name != Py_None) {
            PyObject *line = PyObject_GetAttrString(frame, "f_lineno");
            long number = line && line != Py_None ? PyLong_AsLong(line) : 0;
            const char *z = PyUnicode_AsUTF8AndSize(name, NULL);
            if (z) etch_buf_printf(&st->where_buf, "%s:%ld", z, number);
            found = z != NULL;
            Py_XDECREF(line);
        }
        PyObject *back = found || !name ? NULL : PyObject_GetAttrString(frame, "f_back");
        Py_XDECREF(name);
        Py_XDECREF(file);
        Py_XDECREF(code);
        Py_DECREF(frame);
        frame = back;
        if (found) return true;
    }
    Py_XDECREF(frame);
    return false;
}

etch_str core_where(core_state *st)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    st->where_buf.len = 0;
    bool found = locate(st);
    PyErr_Clear();
    PyErr_Restore(type, value, trace);
    return found && !st->where_buf.oom ? etch_buf_str(&st->where_buf) : (etch_str){ 0 };
}

PyObject *core_where_py(core_state *st)
{
    etch_str s = core_where(st);
    return PyUnicode_FromStringAndSize(s.ptr ? s.ptr : "", (Py_ssize_t)s.len);
}

etch_str core_module_path(core_state *st)
{
    Py_ssize_t n = PyList_Size(st->modules);
    PyObject *top = n > 0 ? PyList_GetItem(st->modules, n - 1) : NULL;
    Py_ssize_t len = 0;
    const char *z = top && PyUnicode_Check(top) ? PyUnicode_AsUTF8AndSize(top, &len) : NULL;
    if (!z) {
        PyErr_Clear();
        return (etch_str){ 0 };
    }
    return (etch_str){ z, (size_t)len };
}

PyObject *core_guard_error(core_state *st)
{
    if (!st->guard_error) {
        PyObject *module = PyImport_ImportModule("torch.fx.experimental.symbolic_shapes");
        st->guard_error = module ? PyObject_GetAttrString(module, "GuardOnDataDependentSymNode") : NULL;
        Py_XDECREF(module);
        PyErr_Clear();
    }
    return st->guard_error ? st->guard_error : PyExc_RuntimeError;
}
