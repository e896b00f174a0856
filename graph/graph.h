// The ATen graph: what the tracer produces, what the passes rewrite, what lowering reads. Functional, in topological order.
//
// A program holds methods ("forward", or a task's method names), constant methods (metadata) and one symbol table. A method is a list of
// nodes; a node applies one op row to arguments and defines values. Everything lives in the program's arena.
//
// Text form (etch_program_print / _parse round-trip):
//
//   etch-graph 1
//   sym s0 in [1, 63] example 8                        (a bound may be inf or -inf)
//   guard "s0 > 1" at "modeling_x.py:123"
//   meta "get_max_seq_len" = 64
//   meta "get_eos_ids" = [1, 2]
//   method "forward"
//   %0 = input "input_ids" : i64[1, s0]
//   %1 = file "model.safetensors" "model.embed_tokens.weight" : bf16[256, 64]
//   %2 = aten::_to_copy(%1, dtype=f32) : f32[256, 64] fqn "model.embed_tokens.weight"
//   %3 = data : f32[2] hex "0000803f00000040"
//   %4 = buffer "key_cache_0" : f32[1, 2, 64, 16] init zeros        (or: init %3)
//   %5 = aten::embedding(%2, %0) : f32[1, s0, 64] @ "modeling_x.py:402" in "model.embed_tokens"
//   %6, %7 = aten::topk(%5, 3) : f32[1, s0, 3], i64[1, s0, 3]
//   %8 = aten::_local_scalar_dense(%9) : int u0        (defines the unbacked symbol u0)
//   mutate %4 = %10                                    (new content of a buffer after the call)
//   return "logits" %5                                 (one line an output)
//   end
//
// Arguments print positionally up to the last one that differs from its default, keyword-only ones as name=value; tensors as %id, None,
// ints or expressions (s0 + 1), floats with enough digits to round-trip (always with '.', 'e', inf or nan), true/false, "strings", [lists],
// dtypes by name.
// A value without consumers is removed by the dead-code pass, not by the printer.
#ifndef ETCH_GRAPH_GRAPH_H
#define ETCH_GRAPH_GRAPH_H

#include "op/op.h"

typedef struct etch_node etch_node;
typedef struct etch_value etch_value;

typedef enum {
    ETCH_SRC_INPUT,   // user input
    ETCH_SRC_FILE,    // tensor in a safetensors file
    ETCH_SRC_DATA,    // literal bytes (t.data)
    ETCH_SRC_BUFFER,  // mutable state that persists between calls (KV cache)
    ETCH_SRC_NODE,    // result of a node
} etch_src;

struct etch_value {
    etch_tensor t;        // FIRST member: an etch_val's `t` points here and casts to the value (etch_value_of)
    etch_src src;
    int id;               // dense per method, printing order; renumbered by etch_method_renumber
    bool is_scalar;       // result of a SYM op: `scalar` describes it, `t` is unused
    etch_dim scalar;      // the symbol it defines
    etch_str name;        // INPUT: argument name; FILE: tensor key; BUFFER: state name
    etch_str file;        // FILE: path relative to the model folder
    etch_str fqn;         // state-dict name of a parameter or buffer, also on nodes that compute one; may be empty
    etch_value *init;     // BUFFER: initial content, NULL = zeros
    etch_node *def;       // NODE
    int def_index;        // which result of def
    void *user;           // scratch of the running pass; undefined between passes
};

struct etch_node {
    const etch_op *op;
    etch_val *args;       // n = op->schema->n_params, schema order, defaults filled
    int n_outs;
    etch_value **outs;
    etch_str where;       // "modeling_x.py:402", may be empty
    etch_str module;      // "model.layers.0.self_attn", may be empty
    etch_node *prev, *next;
    bool dead;            // unlinked
    void *user;           // scratch of the running pass
};

typedef struct etch_output { etch_str name; etch_value *v; } etch_output;
typedef struct etch_mutation { etch_value *buffer, *v; } etch_mutation;

typedef struct etch_method {
    struct etch_program *program;
    etch_str name;
    etch_value **leaves; int n_leaves, cap_leaves;       // INPUT, FILE, DATA, BUFFER values in order of creation
    etch_node *first, *last;                             // topological order
    etch_output *outputs; int n_outputs, cap_outputs;
    etch_mutation *mutations; int n_mutations, cap_mutations;
    int n_values;                                        // ids given so far
} etch_method;

typedef struct etch_meta { etch_str name; etch_val value; } etch_meta;

typedef struct etch_program {
    etch_arena arena;
    etch_syms syms;
    etch_method **methods; int n_methods, cap_methods;
    etch_meta *metas; int n_metas, cap_metas;
} etch_program;

// Owns everything below it; `out` is a heap object.
etch_status *etch_program_new(etch_program **out) ETCH_MUST_USE;
void etch_program_destroy(etch_program *p);
etch_status *etch_program_add_method(etch_program *p, etch_str name, etch_method **out) ETCH_MUST_USE;
// Replaces a meta of the same name. Strings and lists are copied.
etch_status *etch_program_set_meta(etch_program *p, etch_str name, etch_val value) ETCH_MUST_USE;

static inline etch_value *etch_value_of(etch_tensor *t) { return (etch_value *)(void *)t; }
static inline etch_value *etch_arg_value(const etch_val *a) { return a->kind == ETCH_V_TENSOR ? etch_value_of(a->t) : NULL; }

// Leaves. `type` gives dtype, rank, sizes (data: copied for DATA).
etch_status *etch_method_add_input(etch_method *m, etch_str name, const etch_tensor *type, etch_value **out) ETCH_MUST_USE;
etch_status *etch_method_add_file(etch_method *m, etch_str file, etch_str key, const etch_tensor *type, etch_value **out) ETCH_MUST_USE;
etch_status *etch_method_add_data(etch_method *m, const etch_tensor *t, etch_value **out) ETCH_MUST_USE;
etch_status *etch_method_add_buffer(etch_method *m, etch_str name, const etch_tensor *type, etch_value *init,
                                    etch_value **out) ETCH_MUST_USE;
etch_status *etch_method_add_output(etch_method *m, etch_str name, etch_value *v) ETCH_MUST_USE;
etch_status *etch_method_add_mutation(etch_method *m, etch_value *buffer, etch_value *v) ETCH_MUST_USE;

// A new node before `before` (NULL: at the end). Copies args (lists and strings too), fills missing trailing arguments with schema
// defaults, runs the shape rule to type the results. Errors: no row, wrong kinds, shape rule.
etch_status *etch_method_add_node(etch_method *m, etch_node *before, const etch_op *op, const etch_val *args, int n_args,
                                  etch_str where, etch_str module, etch_node **out) ETCH_MUST_USE;
// A copy of `n` (a node of any method of the program) at the end, with other arguments (n->op->schema->n_params of them, in schema order);
// results keep types, symbols and names. No shape rule runs.
etch_status *etch_method_add_copy(etch_method *m, const etch_node *n, const etch_val *args, etch_node **out) ETCH_MUST_USE;
// Replaces every use of `old_v` (args, outputs, mutations, inits) by `new_v`. Linear in the method; passes that replace a lot use a
// forwarding map and one sweep (etch_method_replace_all).
void etch_method_replace(etch_method *m, etch_value *old_v, etch_value *new_v);
// For every value v with v->user != NULL, uses become (etch_value *)v->user (followed transitively). Clear `user` first:
// etch_method_clear_user.
void etch_method_replace_all(etch_method *m);
void etch_method_clear_user(etch_method *m);
// Unlinks a node (its results must be unused).
void etch_method_remove(etch_method *m, etch_node *n);
void etch_method_move_before(etch_method *m, etch_node *n, etch_node *before);
void etch_method_renumber(etch_method *m);

// Calls fn for each tensor value used by the node, in argument order (list entries too; None skipped).
typedef void (*etch_use_fn)(void *user, etch_value *v);
void etch_node_each_use(const etch_node *n, etch_use_fn fn, void *user);
// How often the node uses v.
int etch_node_n_uses(const etch_node *n, const etch_value *v);

// Topological order, arity and kinds against the schema, types equal to what the shape rule gives, symbols declared, outputs and
// mutations defined, buffers mutated at most once. The error names the node in text form.
etch_status *etch_program_verify(etch_program *p) ETCH_MUST_USE;
void etch_program_print(etch_program *p, etch_buf *out);
void etch_node_print(const etch_node *n, etch_buf *out);
// Never crashes on bad text; the error has line and column.
etch_status *etch_program_parse(etch_str text, etch_program **out) ETCH_MUST_USE;

#endif
