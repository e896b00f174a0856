// The only place that includes Python.h (limited API of CPython 3.10). Include this first in every trace/core file.
#ifndef ETCH_TRACE_PY_H
#define ETCH_TRACE_PY_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>

// A slot or method function as the void * that CPython's tables want.
#define CORE_FN(f) ((void *)(uintptr_t)(f))
#define CORE_METH(f) ((PyCFunction)(void *)(uintptr_t)(f))

#endif
