// torch._C: tensors as lazy handles on graph values. Shared declarations of trace/core.
//
// Every operation appends a node to one scratch method; nothing is computed. A tensor is a view chain over a storage; a storage has a
// current value, which in-place writes replace. `finish` copies what each declared method needs out of the scratch method.
//
// Ownership: Python objects own storages (counted); values, view chains and strings live in the program's arena, as long as the module.
// Functions returning PyObject * or int -1 set a Python exception on failure; those returning etch_status * do not.
#ifndef ETCH_TRACE_CORE_H
#define ETCH_TRACE_CORE_H

#include "trace/core/py.h"

#include "graph/views.h"
#include "kern/kern.h"

typedef struct core_state core_state;

// What the tracer knows of a scratch value; hangs off etch_value.user.
typedef struct core_info {
    bool dynamic;         // depends on an input, a buffer, a symbolic size or chance: has no value at trace time
    bool random;
    bool marked, live;    // finish: reachable; a buffer that some method reads
    etch_tensor *real;    // evaluated content (constants only), malloc'ed data; NULL until asked for
    etch_value *copy;     // finish: the value in the method being built
} core_info;

typedef struct core_storage {
    Py_ssize_t refs;
    etch_value *cur;      // content of the whole storage, row-major
    uint64_t version;     // counts writes
    int64_t id;           // fake address
    etch_value *buffer;   // BUFFER leaf when the storage is state that persists between calls
    etch_value *initial;  // content before the first write that depends on the inputs; NULL while there was none
} core_storage;

typedef enum { CORE_CPU, CORE_META } core_device;

typedef struct core_tensor {
    PyObject_HEAD
    core_state *st;
    core_storage *s;
    const etch_view *chain;
    etch_value *v;        // value as of `version`; its type never changes
    uint64_t version;
    PyObject *grad;       // NULL: None
    uint8_t device;
    bool requires_grad;
} core_tensor;

typedef struct core_symint {
    PyObject_HEAD
    core_state *st;
    etch_dim d;           // symbolic
} core_symint;

// A callable for one packet or overload; also serves as method descriptor.
enum { CORE_OP_INPLACE = 1, CORE_OP_REFLECTED = 2, CORE_OP_DUNDER = 4 };
typedef struct core_op {
    PyObject_HEAD
    core_state *st;
    char *name;           // "aten::add" or "aten::add.Tensor"
    const etch_op **ops;  // overloads in order of preference
    int n_ops;
    unsigned flags;
} core_op;

typedef struct core_method {   // a declared method while it is being traced
    etch_str name;
    etch_value **inputs; int n_inputs, cap_inputs;
    etch_output *outputs; int n_outputs, cap_outputs;
    etch_mutation *mutations; int n_mutations, cap_mutations;
} core_method;

struct core_state {
    PyObject *module;                     // borrowed
    PyObject *tensor_base, *tensor_cls;   // TensorBase; the class of results (torch.Tensor once registered)
    PyObject *symint_type, *ratio_type, *dtype_type, *device_type, *layout_type, *format_type, *size_type, *op_type, *result_types;
    PyObject *method_type, *guard_error;
    PyObject *dtypes[256];                // by code, NULL where none
    PyObject *files;                      // co_filename -> relative name, or None for frames to skip
    PyObject *skip_prefix;                // path of our torch package, or NULL
    PyObject *modules;                    // list of str, the nn.Module stack
    PyObject *device_stack;               // list of default devices to return to
    etch_dtype default_dtype;
    uint8_t default_device;
    etch_program *program;
    etch_method *m;                       // scratch
    core_method *methods; int n_methods, cap_methods;
    const etch_node *before_method;       // last node of the scratch method when the current method began
    core_storage **buffers; int n_buffers, cap_buffers;
    int64_t next_id;
    int64_t random_seq;
    etch_buf where_buf;
};

// module.c
core_state *core_state_of_type(PyTypeObject *type);   // NULL with an exception
PyObject *core_raise(core_state *st, etch_status *s); // frees `s`; always NULL
etch_status *core_grow(void *list, int n, int *cap, size_t item) ETCH_MUST_USE; // list: pointer to a malloc'ed array pointer

// where.c: "transformers/models/x/modeling_x.py:123" of the innermost frame that is not ours. Valid until the next call.
etch_str core_where(core_state *st);
etch_str core_module_path(core_state *st);
PyObject *core_where_py(core_state *st);
// GuardOnDataDependentSymNode of the facade (imported when first needed), or RuntimeError. Borrowed.
PyObject *core_guard_error(core_state *st);

// types.c
int core_types_init(core_state *st);
PyObject *core_dtype_py(core_state *st, etch_dtype d);            // new reference
bool core_dtype_of(core_state *st, PyObject *o, etch_dtype *out); // dtype objects and the types float, int, bool
PyObject *core_device_py(core_state *st, uint8_t device);
bool core_device_of(core_state *st, PyObject *o, uint8_t *out);   // device objects, strings, ints; "meta" is CORE_META, else CORE_CPU
PyObject *core_size_py(core_state *st, const etch_dim *sizes, int rank);

// symint.c
int core_symint_init(core_state *st);
// Raises: float arithmetic on a symbolic size, with the model's source line.
PyObject *core_no_floats(core_state *st);
// a / b with a symbolic size: an object that only rounding gives a value (symratio.c).
PyObject *core_ratio_py(core_state *st, etch_dim a, etch_dim b);
int core_ratio_init(core_state *st);
PyObject *core_dim_py(core_state *st, etch_dim d);                // int when constant
bool core_is_symint(PyObject *o);
bool core_dim_of(core_state *st, PyObject *o, etch_dim *out);     // int, SymInt, __index__; false without exception when something else

// value.c
bool core_is_tensor(core_state *st, PyObject *o);
core_info *core_info_of(etch_value *v);
etch_status *core_record(core_state *st, const etch_op *op, const etch_val *args, int n, etch_node **out) ETCH_MUST_USE;
// As core_record by name; result 0 of an op that must exist.
etch_status *core_call(core_state *st, const char *op, const etch_val *args, int n, etch_value **out) ETCH_MUST_USE;
etch_status *core_leaf_info(core_state *st, etch_value *v, bool dynamic) ETCH_MUST_USE;
etch_status *core_data(core_state *st, const etch_tensor *t, etch_value **out) ETCH_MUST_USE;
// A tensor of class `cls` (NULL: torch.Tensor) with a fresh storage holding `v`.
PyObject *core_wrap(core_state *st, PyObject *cls, etch_value *v, uint8_t device);
// A tensor that shares `base`'s storage, `op` applied on top of its chain (NULL: an alias).
PyObject *core_wrap_view(core_tensor *base, const etch_op *op, const etch_val *args, int n, int out, etch_value *v);
// The current value of a tensor (regenerated through its views after a write).
etch_status *core_value(core_tensor *t, etch_value **out) ETCH_MUST_USE;
// In-place write: `v` is cast and expanded to the tensor's type, then stored through its views.
etch_status *core_write(core_tensor *t, etch_value *v) ETCH_MUST_USE;
etch_recorder core_recorder(core_state *st);
etch_status *core_cast(core_state *st, etch_value *v, etch_dtype d, etch_value **out) ETCH_MUST_USE;
void core_storage_release(core_storage *s);
int core_value_init(core_state *st);

// strides.c: strides of the view in elements, for metadata and for the question whether a reshape is a view.
etch_status *core_strides(core_tensor *t, etch_dim *out, etch_dim *out_offset) ETCH_MUST_USE;
int core_is_contiguous(core_tensor *t);                   // -1 with an exception
bool core_can_view(core_tensor *t, const etch_tensor *as); // memory permits a view of the sizes of `as`

// eval.c: the content of a constant; the error names the model's source line. -1 with an exception.
int core_real(core_state *st, etch_value *v, const etch_tensor **out);
int core_real_tensor(core_tensor *t, const etch_tensor **out);
PyObject *core_element(const etch_tensor *t, int64_t i);
PyObject *core_item(core_tensor *t);

// tensor.c, index.c, make.c
PyObject *core_tensor_make_type(core_state *st);
PyObject *core_getitem(PyObject *self, PyObject *key);
int core_setitem(PyObject *self, PyObject *key, PyObject *value);
PyObject *core_tensor_from(core_state *st, PyObject *data, PyObject *dtype, uint8_t device);

// dispatch.c
int core_op_init(core_state *st);
PyObject *core_op_new(core_state *st, const char *name, const etch_op *const *ops, int n, unsigned flags);
PyObject *core_dispatch(core_op *op, PyObject *const *args, Py_ssize_t n, PyObject *kwargs);
// Adds the functions of methods.def and of the table to the module, and the methods to TensorBase.
int core_methods_install(core_state *st, PyObject *module);

// initial.c
bool core_is_zeros(const etch_value *v);                  // made by zeros or its like
bool core_is_start(const etch_value *v);                  // content that no input has reached
// The content of `t` before anything that depends on the inputs was written into it; NULL when that cannot be told.
etch_status *core_initial(core_tensor *t, etch_value **out) ETCH_MUST_USE;

// finish.c
// Ends the current method: buffers that it changed become mutations, and get their leaf back for the next one.
etch_status *core_settle(core_state *st) ETCH_MUST_USE;
etch_status *core_finish(core_state *st, etch_buf *out) ETCH_MUST_USE;
// Ends the current method and decides which buffers' contents from an earlier call some method reads (core_info.live of their leaves).
etch_status *core_find_live(core_state *st) ETCH_MUST_USE;

// program.c: begin, symbol, input, ... finish.
extern PyMethodDef core_program_methods[];

#endif
