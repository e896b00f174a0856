// Shared inside pt2/: the archive, JSON access that names what is wrong, sizes, arguments, and the state of reading one model.
#ifndef ETCH_PT2_INTERNAL_H
#define ETCH_PT2_INTERNAL_H

#include <jansson.h>

#include "base/file.h"
#include "graph/views.h"
#include "pt2/crc.h"
#include "pt2/pt2.h"
#include "pt2/zip.h"

struct etch_pt2 {
    etch_mapped map;          // empty when opened from bytes
    etch_arena arena;
    etch_zip zip;
    etch_crc crc;
    etch_map contents;        // crc and length -> pt2_payload, the first of its bytes
    etch_str root;            // folder of all entries, with its slash
    const char *name;         // of the archive, for messages and FILE values
};

// NULL when absent. `path` is relative to the root folder.
const etch_zip_entry *pt2_entry(const etch_pt2 *a, etch_str path);
// An entry is what it was when it was written: its checksum, computed once. Before any use of its bytes.
etch_status *pt2_entry_check(etch_pt2 *a, const etch_zip_entry *e) ETCH_MUST_USE;

// ---- json.c: members of an object; errors say which member and what it should be ----
etch_status *pt2_parse(etch_pt2 *a, etch_str path, json_t **out) ETCH_MUST_USE;  // an object; owned by the caller
etch_status *pt2_object(const json_t *o, const char *key, json_t **out) ETCH_MUST_USE;
etch_status *pt2_array(const json_t *o, const char *key, json_t **out) ETCH_MUST_USE;
etch_status *pt2_string(const json_t *o, const char *key, etch_str *out) ETCH_MUST_USE;
etch_status *pt2_int(const json_t *o, const char *key, int64_t *out) ETCH_MUST_USE;
// A union is an object with one member that is not null: its name and value.
etch_status *pt2_union(const json_t *o, etch_str *out_kind, json_t **out) ETCH_MUST_USE;
static inline etch_str pt2_str(const json_t *s) { return (etch_str){ json_string_value(s), json_string_length(s) }; }
etch_status *pt2_dtype(const json_t *code, etch_dtype *out) ETCH_MUST_USE;  // a ScalarType

// ---- payload.c: tensors of data/weights and data/constants ----
typedef struct pt2_payload {
    etch_str fqn, entry;      // "model.norm.weight", "data/weights/weight_3": tensors of one entry share memory
    etch_str content;         // an entry with the same bytes, the same one for all of them
    etch_tensor type;
    int64_t strides[ETCH_MAX_RANK], offset;  // in elements
    size_t bytes;             // of the whole entry
} pt2_payload;
typedef struct pt2_payloads { etch_map weights, constants; } pt2_payloads;  // fqn -> pt2_payload
// Everything lies in the archive's arena but the maps: deinit on every path. Strings are borrowed from the two JSON trees.
etch_status *pt2_payloads_read(etch_pt2 *a, etch_str model, json_t *docs[2], pt2_payloads *out) ETCH_MUST_USE;
void pt2_payloads_deinit(pt2_payloads *p);
// The leaf (and the view of it, when the tensor is no plain window of its storage).
etch_status *pt2_payload_value(const etch_pt2 *a, etch_method *m, const pt2_payload *p, etch_value **out) ETCH_MUST_USE;

// ---- reading one model ----
typedef struct pt2_storage { etch_value *cur; uint64_t version; } pt2_storage;

typedef struct pt2_tensor {
    pt2_storage *s;
    const etch_view *chain;
    etch_value *v;            // value as of `version`
    uint64_t version;
    const json_t *meta;       // TensorMeta
    bool input;               // the caller's
} pt2_tensor;

typedef struct pt2_scope {    // one graph: the model's, or one that a region inlines
    const json_t *graph;
    etch_map tensors;         // name -> pt2_tensor
} pt2_scope;

typedef struct pt2_state {    // a parameter, buffer or constant among the inputs
    etch_str fqn;
    pt2_storage *s;
    etch_value *leaf;         // its content before the call
    const pt2_payload *payload;
    bool written;             // an output says so
} pt2_state;

typedef struct pt2_reader {
    etch_pt2 *archive;
    etch_program *program;
    etch_method *m;
    etch_recorder recorder;
    etch_buf *notes;
    pt2_payloads payloads;
    const json_t *ranges;     // range_constraints
    etch_map hints;           // PyTorch's symbol -> json integer, its example
    etch_map symbols;         // PyTorch's symbol -> etch_dim
    pt2_state *states; int n_states;
    etch_str where, module;   // of the node being read
    int depth;                // of inlined graphs
} pt2_reader;

// expr.c: a size as sympy's srepr prints it: "Add(Symbol('s77', positive=True, integer=True), Integer(1))".
etch_status *pt2_expr(pt2_reader *r, etch_str text, etch_dim *out) ETCH_MUST_USE;
// The name when the whole expression is one symbol; empty otherwise.
etch_str pt2_lone_symbol(etch_str text);

// sizes.c
etch_status *pt2_symbols_scan(pt2_reader *r, const json_t *graph) ETCH_MUST_USE;      // collects hints
etch_status *pt2_symbol(pt2_reader *r, etch_str name, etch_dim *out) ETCH_MUST_USE;   // a known one
etch_status *pt2_symbol_bind(pt2_reader *r, etch_str name, etch_dim d) ETCH_MUST_USE;
// `d`, a fresh symbol of the program, gets the range that PyTorch knows for `name`, where that holds its example.
void pt2_symbol_narrow(pt2_reader *r, etch_str name, etch_dim d);
etch_status *pt2_size(pt2_reader *r, const json_t *sym_int, etch_dim *out) ETCH_MUST_USE;
// Type of an input: unknown symbols become symbols of the program.
etch_status *pt2_input_type(pt2_reader *r, const json_t *meta, etch_tensor *out) ETCH_MUST_USE;
// Compares with what the shape rule gave, and learns the symbols that the node defines.
etch_status *pt2_check_type(pt2_reader *r, const json_t *meta, const etch_tensor *type) ETCH_MUST_USE;
bool pt2_is_row_major(pt2_reader *r, const json_t *meta);

// args.c: an Argument as a value for a parameter; lists lie in the program's arena.
etch_status *pt2_arg(pt2_reader *r, pt2_scope *sc, const json_t *arg, etch_val *out) ETCH_MUST_USE;
etch_status *pt2_sym_int_value(pt2_reader *r, const pt2_scope *sc, const json_t *sym_int_argument, etch_dim *out) ETCH_MUST_USE;
etch_status *pt2_tensor_named(const pt2_scope *sc, const json_t *tensor_argument, pt2_tensor **out) ETCH_MUST_USE;

// rows.c: "torch.ops.aten.add.Tensor" is "aten::add.Tensor"; the overload "default" has no name. Empty for anything but an operator.
etch_str pt2_op_name(etch_str target, char *buf, size_t cap);
// The first name of an operator that has two: "aten::bitwise_and.Tensor" for "aten::__and__.Tensor"; otherwise `name`.
etch_str pt2_row_name(etch_str name, char *buf, size_t cap);

// place.c: sets r->where and r->module.
etch_status *pt2_set_place(pt2_reader *r, const json_t *node) ETCH_MUST_USE;

// node.c
etch_status *pt2_nodes(pt2_reader *r, pt2_scope *sc) ETCH_MUST_USE;
etch_status *pt2_current(pt2_reader *r, pt2_tensor *t, etch_value **out) ETCH_MUST_USE;
etch_status *pt2_new_tensor(pt2_reader *r, pt2_scope *sc, etch_str name, etch_value *v, pt2_tensor **out) ETCH_MUST_USE;

// names.c: a name an output, from the tree that the model returned: "logits", "past_0_1"; NULL entries where the tree does not tell.
void pt2_output_names(const json_t *graph_module, etch_arena *a, etch_str *names, size_t n);

#endif
