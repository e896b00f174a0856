// Names that Python sees, from two lists: methods.def (aliases, operators, choices of overload) and the op table itself (every other row
// whose first parameter is a tensor is a function and a method of its own name; other rows are functions). `x_` is derived from x.
#include "trace/core/core.h"

#include <stdlib.h>
#include <string.h>

enum { METHOD = 1, FUNCTION = 2, BOTH = 3 };
typedef struct { const char *name, *ops; int where; unsigned flags; } entry;

static const entry entries[] = {
#define M(name, ops, where, flags) { name, ops, where, flags },
#include "trace/core/methods.def"
#undef M
};

// "aten::add.Tensor" -> "add" (bare) and whether it is in the aten namespace.
static etch_str bare_name(const etch_op *op)
{
    etch_str s = op->schema->name;
    for (size_t i = 0; i + 1 < s.len; i++)
        if (s.ptr[i] == ':' && s.ptr[i + 1] == ':') {
            s = (etch_str){ s.ptr + i + 2, s.len - i - 2 };
            break;
        }
    const char *dot = memchr(s.ptr, '.', s.len);
    return dot ? (etch_str){ s.ptr, (size_t)(dot - s.ptr) } : s;
}

static int collect(const char *spec, const etch_op **out, int cap)
{
    int n = 0;
    while (*spec) {
        size_t len = strcspn(spec, " ");
        char full[128];
        PyOS_snprintf(full, sizeof full, "aten::%.*s", (int)len, spec);
        const etch_op *op = etch_op_find(etch_str_of(full));
        if (op && n < cap) out[n++] = op;
        spec += len;
        while (*spec == ' ') spec++;
    }
    return n;
}

static int put(core_state *st, PyObject *functions, const char *name, const etch_op *const *ops, int n, int where, unsigned flags)
{
    char full[128];
    PyOS_snprintf(full, sizeof full, "aten::%s", name);
    PyObject *o = core_op_new(st, full, ops, n, flags);
    if (!o) return -1;
    int bad = 0;
    if (where & METHOD) bad |= PyObject_SetAttrString(st->tensor_base, name, o);
    if (where & FUNCTION) bad |= PyDict_SetItemString(functions, name, o);
    Py_DECREF(o);
    return bad;
}

static bool taken(core_state *st, const char *name)  // by a hand-written method of TensorBase
{
    PyObject *have = PyObject_GetAttrString(st->tensor_base, name);
    PyErr_Clear();
    Py_XDECREF(have);
    return have != NULL;
}

int core_methods_install(core_state *st, PyObject *module)
{
    PyObject *functions = PyDict_New();
    if (!functions || PyModule_AddObjectRef(module, "functions", functions)) return -1;
    int bad = 0;
    for (size_t i = 0; !bad && i < sizeof entries / sizeof *entries; i++) {
        const etch_op *ops[16];
        int n = collect(entries[i].ops, ops, 16);
        if (n) bad = put(st, functions, entries[i].name, ops, n, entries[i].where, entries[i].flags);
    }
    for (int id = 0; !bad && id < (int)ETCH_OP_COUNT; id++) {
        const etch_op *op = etch_op_get((etch_op_id)id);
        etch_str name = bare_name(op);
        if (!etch_str_starts(op->schema->name, "aten::") || name.len > 60 || (op->flags & ETCH_OPF_INPLACE)) continue;
        char z[64];
        PyOS_snprintf(z, sizeof z, "%.*s", ETCH_STR_ARGS(name));
        const bool method = op->schema->n_params > 0 && op->schema->params[0].type == ETCH_T_TENSOR &&
            etch_str_eqz(op->schema->params[0].name, "self");
        const etch_op *ops[24];
        int n = 0;
        for (int k = 0; k < (int)ETCH_OP_COUNT && n < 24; k++) {
            const etch_op *o = etch_op_get((etch_op_id)k);
            if (etch_str_starts(o->schema->name, "aten::") && etch_str_eq(bare_name(o), name) &&
                !(o->flags & ETCH_OPF_INPLACE)) ops[n++] = o;
        }
        const bool function_known = PyDict_GetItemString(functions, z) != NULL, method_known = taken(st, z);
        int where = (function_known ? 0 : FUNCTION) | (method && !method_known && z[0] != '_' ? METHOD : 0);
        if (where) bad = put(st, functions, z, ops, n, where, 0);
        if (bad || !method || op->schema->n_returns != 1 || op->schema->returns_list || z[0] == '_') continue;
        size_t len = strlen(z);
        if (z[len - 1] == '_') continue;
        memcpy(z + len, "_", 2);
        if (taken(st, z)) continue;
        // The overloads chosen by methods.def serve the in-place form too.
        for (size_t e = 0; e < sizeof entries / sizeof *entries; e++)
            if (strlen(entries[e].name) == len && !strncmp(entries[e].name, z, len)) n = collect(entries[e].ops, ops, 24);
        bad = put(st, functions, z, ops, n, BOTH, CORE_OP_INPLACE);
    }
    Py_DECREF(functions);
    return bad;
}
