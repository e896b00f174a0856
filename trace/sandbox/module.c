// etch_trace._sandbox: sandbox.h for Python. Failures are OSError.
#include "trace/core/py.h"

#include <errno.h>
#include <stdlib.h>

#include "trace/sandbox/sandbox.h"

static PyObject *result(int failed)
{
    if (!failed) Py_RETURN_NONE;
    errno = failed;
    return PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *landlock_abi(PyObject *module, PyObject *args) { return (void)module, (void)args, PyLong_FromLong(etch_landlock_abi()); }
static PyObject *seccomp_built(PyObject *module, PyObject *args) { return (void)module, (void)args, PyBool_FromLong(etch_seccomp_built()); }
static PyObject *seccomp_works(PyObject *module, PyObject *args) { return (void)module, (void)args, PyBool_FromLong(etch_seccomp_works()); }
static PyObject *drop_capabilities(PyObject *module, PyObject *args)
{
    return (void)module, (void)args, result(etch_sandbox_drop_capabilities());
}

static PyObject *with_paths(PyObject *list, int (*restrict_to)(const char *const *paths, size_t n))
{
    Py_ssize_t n = PyList_Check(list) ? PyList_Size(list) : -1;
    if (n < 0) return PyErr_Format(PyExc_TypeError, "a list of paths as bytes expected");
    const char **paths = malloc(sizeof *paths * (size_t)(n + 1));
    if (!paths) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) {
        paths[i] = PyBytes_AsString(PyList_GetItem(list, i));  // borrowed from the list
        if (!paths[i]) {
            free(paths);
            return NULL;
        }
    }
    int failed = restrict_to(paths, (size_t)n);
    free(paths);
    return result(failed);
}

// landlock(writable: list of bytes)
static PyObject *landlock(PyObject *module, PyObject *list) { return (void)module, with_paths(list, etch_landlock_restrict); }
// landlock_reads(readable: list of bytes)
static PyObject *landlock_reads(PyObject *module, PyObject *list) { return (void)module, with_paths(list, etch_landlock_restrict_reads); }

// seccomp(no_write: bool)
static PyObject *seccomp(PyObject *module, PyObject *no_write)
{
    (void)module;
    return result(etch_seccomp_restrict(PyObject_IsTrue(no_write) == 1 ? ETCH_SECCOMP_NO_WRITE : ETCH_SECCOMP_BASE));
}

// stopped() -> [(action, call)]
static PyObject *stopped(PyObject *module, PyObject *args)
{
    (void)module, (void)args;
    PyObject *list = PyList_New(0);
    const char *action, *call;
    for (size_t i = 0; list && (action = etch_seccomp_stopped(i, &call)); i++) {
        PyObject *item = Py_BuildValue("(ss)", action, call);
        if (!item || PyList_Append(list, item)) {
            Py_XDECREF(item);
            Py_CLEAR(list);
            break;
        }
        Py_DECREF(item);
    }
    return list;
}

static PyMethodDef methods[] = {
    { "landlock_abi", landlock_abi, METH_NOARGS, NULL }, { "landlock", landlock, METH_O, NULL },
    { "landlock_reads", landlock_reads, METH_O, NULL }, { "seccomp_built", seccomp_built, METH_NOARGS, NULL },
    { "seccomp_works", seccomp_works, METH_NOARGS, NULL }, { "seccomp", seccomp, METH_O, NULL }, { "stopped", stopped, METH_NOARGS, NULL },
    { "drop_capabilities", drop_capabilities, METH_NOARGS, NULL }, { 0 },
};
static PyModuleDef_Slot slots[] = { { 0, NULL } };
static struct PyModuleDef definition = { PyModuleDef_HEAD_INIT, "etch_trace._sandbox", "Landlock and seccomp for the tracer.", 0, methods,
                                         slots, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit__sandbox(void);
__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit__sandbox(void) { return PyModuleDef_Init(&definition); }
