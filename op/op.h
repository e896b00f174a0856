// The op table: one row an ATen overload (ops.def), parsed schema, and lookups by name.
//
// To add an op: one row in op/ops.def, a shape rule if no existing one fits (op/shape_*.c), a reference kernel if no existing one fits
// (kern/ref_*.c). Python binding, graph text, arity, defaults, .out name and docs derive from the row's schema.
#ifndef ETCH_OP_OP_H
#define ETCH_OP_OP_H

#include "op/value.h"

typedef enum {
#define OP(id, schema, out, flags, shape, kern, decomp, xnn) ETCH_OP_##id,
#include "op/ops.def"
#undef OP
    ETCH_OP_COUNT,
} etch_op_id;

// Row flags.
enum {
    ETCH_OPF_VIEW = 1,      // output 0 aliases argument 0 in eager PyTorch (view, permute, slice, ...): the tracer tracks it
    ETCH_OPF_RANDOM = 2,    // not a function of its arguments (rand, dropout in training): never folded
    ETCH_OPF_INPLACE = 4,   // writes an argument (copy_, update_cache): appears after lowering only
    ETCH_OPF_SYM = 8,       // result is an int/float/bool, not a tensor (sym_size, _local_scalar_dense)
    ETCH_OPF_COMPOSITE = 16, // must be decomposed before lowering: no .out (a kernel may exist, for constants)
    ETCH_OPF_MAY_VIEW = 32,  // output 0 aliases argument 0 in eager only when memory permits (reshape, contiguous, to): the tracer decides
    ETCH_OPF_DATA_SIZES = 64, // the shape rule reads the content of an input (nonzero): it runs before each call
    ETCH_OPF_ROWS = 128,     // of its first argument it reads only as many elements as it writes (embedding, gather)
};

typedef enum {
    ETCH_T_TENSOR, ETCH_T_TENSOR_OPT, ETCH_T_TENSORS, ETCH_T_TENSORS_OPT /* Tensor?[] */,
    ETCH_T_INT /* int, SymInt, ScalarType, Layout, MemoryFormat, Device(ignored) */, ETCH_T_INT_OPT, ETCH_T_INTS, ETCH_T_INTS_OPT,
    ETCH_T_FLOAT, ETCH_T_FLOAT_OPT, ETCH_T_FLOATS, ETCH_T_FLOATS_OPT, ETCH_T_BOOL, ETCH_T_BOOL_OPT, ETCH_T_BOOLS,
    ETCH_T_SCALAR, ETCH_T_SCALAR_OPT, ETCH_T_STR, ETCH_T_STR_OPT,
} etch_type;

typedef struct etch_param {
    etch_str name;
    etch_type type;
    bool is_dtype;       // ScalarType / ScalarType?: printed by dtype name
    bool kwarg_only;
    bool has_default;
    bool is_mutable;     // Tensor(a!)
    int fixed_len;       // int[2] -> 2: a lone int is broadcast to this length; 0 otherwise
    etch_val def;        // when has_default
} etch_param;

typedef struct etch_schema {
    etch_str name;       // "aten::add.Tensor" ("aten::relu" when the overload is "default")
    int n_params;
    etch_param *params;
    int n_returns;       // fixed returns; 1 with returns_list
    bool returns_list;   // Tensor[]
    bool returns_scalar; // SymInt, Scalar, bool: see ETCH_OPF_SYM
} etch_schema;

typedef struct etch_shape_cx {
    etch_syms *syms;     // NULL when all sizes are concrete
    etch_str where;      // model source location for guards, may be empty
    etch_arena *arena;   // for list results; NULL in the runtime (lists are then preset by the caller)
} etch_shape_cx;

typedef struct etch_outs { int n; etch_tensor **t; } etch_outs;

// Sets dtype, rank and sizes of every output from the arguments (schema order, defaults filled; wrapped numbers allowed in
// Tensor slots). For Tensor[] results the rule calls etch_outs_resize first. Errors speak of the arguments ("mat1 is [2, 3], mat2 [4, 5]").
typedef etch_status *(*etch_shape_fn)(etch_shape_cx *cx, const etch_val *args, int n_args, etch_outs *outs);
etch_status *etch_outs_resize(etch_shape_cx *cx, etch_outs *outs, int n) ETCH_MUST_USE;

typedef struct etch_op {
    etch_op_id id;
    const char *schema_text;
    const char *out_name;     // operator in a .pte, "aten::add.out"; NULL: cannot be emitted (decompose or lower first)
    unsigned flags;
    etch_shape_fn shape;      // NULL only for COMPOSITE ops whose decomposition is traced in Python
    const etch_schema *schema;
} etch_op;

// Parses all schemas once (idempotent, call from main/module init before threads start). A malformed row is ETCH_INTERNAL.
etch_status *etch_ops_init(void) ETCH_MUST_USE;
const etch_op *etch_op_get(etch_op_id id);
// "aten::add.Tensor"; a trailing ".default" is accepted. NULL when there is no row.
const etch_op *etch_op_find(etch_str name);
// By the name in a .pte: "aten::add.out". Several rows may share an out name (view, reshape): the first row wins. NULL when none.
const etch_op *etch_op_find_out(etch_str out_name);
// Does parameter `param` of the row's schema also stand in the argument list of its .out form in a .pte? False for layout, device,
// pin_memory, generator, and for `dtype` beside them (creation ops, _to_copy): there the dtype is that of the out tensor. The arguments
// of the .out form are the remaining parameters in schema order, then one out a result (Tensor[]: one list).
bool etch_op_param_in_out(const etch_op *op, int param);
// Parses one schema string into `arena`.
etch_status *etch_schema_parse(etch_arena *arena, etch_str text, etch_schema *out) ETCH_MUST_USE;
// Index of a parameter by name, -1 when absent.
int etch_schema_param(const etch_schema *s, etch_str name);

#endif
