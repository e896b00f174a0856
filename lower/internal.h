// Shared inside lower/: what is known of every value, the schedule of a method, and the file being collected.
//
// Order of work for a method (emit.c): slots -> needed nodes -> schedule (xnnpack: partition) -> views -> plan -> instructions.
#ifndef ETCH_LOWER_INTERNAL_H
#define ETCH_LOWER_INTERNAL_H

#include "base/map.h"
#include "lower/emit.h"
#include "pte/build.h"

// Bytes stored once in the file, however many tensors show them.
typedef struct lw_blob {
    uint8_t id[32];           // identity of the content: where it comes from and what is done to it; literal bytes by content
    etch_value *v;            // gives the bytes
    uint64_t nbytes;
    uint32_t const_index;     // Program.constant_segment.offsets; 0: not there
    uint64_t const_offset;
    etch_str key;             // named data; ptr NULL: not there
    uint32_t segment;         // of the named data
} lw_blob;

typedef struct lw_slot lw_slot;
typedef struct lw_group lw_group;
struct lw_slot {
    etch_value *v;
    bool is_const;            // computable without inputs and buffers
    bool has_id;
    uint8_t id[32];
    lw_slot *same;            // this value is that one (same memory, same shape): no EValue of its own; NULL: itself
    lw_slot *base;            // owner of the memory; itself unless a view
    bool is_et_view;          // gets its data pointer at run time
    bool dynamic;
    int64_t bound[ETCH_MAX_RANK];  // sizes at the upper ends of the symbols' ranges
    uint64_t nbytes;          // at the bound
    int first, last;          // steps of definition and last use, views included; -1: never
    uint64_t offset;          // planned: in the arena
    int evalue;               // id in the plan, -1: not yet
    int uses;                 // partition: readers among the scheduled nodes, outputs included
    etch_node *reader;        // partition: one of them
    lw_group *made_in;        // partition: the group of the node that makes it
    etch_node *clamp;         // payload: the folded clamp that follows
    const etch_node *norm;    // payload: the folded batch norm that follows
};

typedef enum { LW_KERNEL, LW_NOTHING /* the result shares memory */, LW_ET_VIEW, LW_DELEGATE } lw_kind;
typedef struct lw_step {
    lw_kind kind;
    etch_node *node;
    lw_group *group;
    const char *outside;  // why the node is in no delegate; NULL: not asked (the recipe has none)
} lw_step;

// A set of nodes that becomes one delegate call.
struct lw_group {
    etch_node **nodes; int n_nodes;      // topological order
    lw_slot **inputs; int n_inputs;      // non-constant values from outside, order of first use
    lw_slot **outputs; int n_outputs;    // values used outside, order of definition
    etch_span blob;                      // payload
    int delegate;                        // index in the plan
};

typedef struct lw_program {
    etch_program *p;
    const etch_emit_opts *opts;
    etch_arena arena;
    etch_fbb fbb;
    lw_blob **blobs; int n_blobs, cap_blobs;          // order of first use
    etch_map by_id, by_key;
    lw_blob **consts; int n_consts, cap_consts;       // offsets 1..n
    lw_slot **inits; int n_inits, cap_inits;          // mutable buffers with content, offsets 1..n
    etch_span *payloads; int n_payloads, cap_payloads;
    etch_fbo *payload_refs; int *payload_of; int n_refs, cap_refs, cap_of;  // BackendDelegateDataReference tables and their payloads
    etch_emit_report report;
} lw_program;

typedef struct lw_method {
    lw_program *lp;
    etch_method *m;
    lw_step *steps; int n_steps, cap_steps;
    lw_group **groups; int n_groups, cap_groups;
    lw_slot **slots; int n_slots, cap_slots;
    uint64_t arena_bytes, arena_bound;
    // the plan being emitted
    etch_fbo *values; int n_values, cap_values;
    etch_fbo *instrs; int n_instrs, cap_instrs;
    etch_fbo *operators; int n_operators, cap_operators;
    etch_fbo *delegates; int n_delegates, cap_delegates;
    etch_map op_index, scalars, exprs;
    int *sym_ids; int n_syms;                         // EValue of each symbol, -1
} lw_method;

// Arena arrays that double: makes room for one more.
#define LW_GROW(arena, arr, n, cap)                                                            \
    do {                                                                                       \
        if ((n) == (cap)) {                                                                    \
            int lw_cap_ = (cap) ? (cap) * 2 : 16;                                              \
            void *lw_new_;                                                                     \
            ETCH_ALLOC(lw_new_, (arena), sizeof *(arr) * (size_t)lw_cap_);                     \
            if (n) memcpy(lw_new_, (arr), sizeof *(arr) * (size_t)(n));                        \
            (arr) = lw_new_;                                                                   \
            (cap) = lw_cap_;                                                                   \
        }                                                                                      \
    } while (0)

// ---- slots.c
// Slots for all values of the method; constants and upper bounds known. Errors: a size without upper bound.
etch_status *lw_slots_init(lw_method *lm) ETCH_MUST_USE;
// A slot for a value created while lowering.
etch_status *lw_slot_add(lw_method *lm, etch_value *v, lw_slot **out) ETCH_MUST_USE;
static inline lw_slot *lw_slot_of(const etch_value *v) { return v->user; }
static inline lw_slot *lw_slot_arg(const etch_val *a) { return a->kind == ETCH_V_TENSOR ? etch_value_of(a->t)->user : NULL; }
static inline lw_slot *lw_real(lw_slot *s)
{
    while (s->same) s = s->same;
    return s;
}
// Reads constants only, or computes nothing that depends on a call.
bool lw_node_is_const(const etch_node *n);
// Nodes that outputs and state need, in order: lm->steps, all LW_KERNEL.
etch_status *lw_schedule_all(lw_method *lm) ETCH_MUST_USE;

// ---- views.c
// Is result 0 the same bytes as argument 0, in the same order?
bool lw_node_is_reshape(const lw_method *lm, const etch_node *n);
// The value whose bytes a constant shows: through views.
etch_value *lw_const_root(const lw_method *lm, etch_value *v);
// Decides for every step whether it shares memory, and computes lifetimes.
etch_status *lw_views(lw_method *lm) ETCH_MUST_USE;

// ---- plan.c
// Offsets for all values that own planned memory; arena size and the least possible one.
etch_status *lw_plan(lw_method *lm) ETCH_MUST_USE;

// ---- blobs.c
// The stored bytes of a constant, shared by identity.
etch_status *lw_blob_get(lw_method *lm, etch_value *v, lw_blob **out) ETCH_MUST_USE;
// Places it in the constant segment (once).
etch_status *lw_blob_const(lw_program *lp, lw_blob *b) ETCH_MUST_USE;
// Gives it a key in the named data (once). `name`: preferred key, may be empty.
etch_status *lw_blob_named(lw_program *lp, lw_blob *b, etch_str name) ETCH_MUST_USE;

// ---- values.c: EValues of the plan
etch_status *lw_val_int(lw_method *lm, int64_t v, int *out_id) ETCH_MUST_USE;
// An Int of its own, for a result computed at run time.
etch_status *lw_val_result(lw_method *lm, int *out_id) ETCH_MUST_USE;
etch_status *lw_val_tensor(lw_method *lm, lw_slot *s, int *out_id) ETCH_MUST_USE;
// One schema argument. None becomes Null.
etch_status *lw_val_arg(lw_method *lm, const etch_param *param, const etch_val *a, int *out_id) ETCH_MUST_USE;
etch_status *lw_val_ints(lw_method *lm, const etch_dim *dims, int n, int *out_id) ETCH_MUST_USE;
etch_status *lw_val_tensors(lw_method *lm, lw_slot *const *slots, int n, bool optional, int *out_id) ETCH_MUST_USE;
// A leaf of a constant method.
etch_status *lw_val_meta(lw_method *lm, const etch_val *v, int *out_id) ETCH_MUST_USE;

// ---- calls.c: instructions of the plan
etch_status *lw_call(lw_method *lm, const char *op_name, const int *args, int n_args) ETCH_MUST_USE;
etch_status *lw_call_node(lw_method *lm, const etch_node *n) ETCH_MUST_USE;
etch_status *lw_call_et_view(lw_method *lm, const etch_node *n) ETCH_MUST_USE;
etch_status *lw_call_delegate(lw_method *lm, const lw_group *g) ETCH_MUST_USE;

// ---- sym.c
// Remembers which symbols a new tensor or scalar defines.
etch_status *lw_sym_inputs(lw_method *lm) ETCH_MUST_USE;
etch_status *lw_sym_define(lw_method *lm, lw_slot *s) ETCH_MUST_USE;
// The EValue that holds `d`; instructions that compute it are emitted on first use.
etch_status *lw_sym_dim(lw_method *lm, etch_dim d, int *out_id) ETCH_MUST_USE;

// ---- meta.c
// Pytree strings, as the official exporter writes them.
etch_status *lw_meta_container(lw_method *lm, etch_fbo *out) ETCH_MUST_USE;
etch_status *lw_meta_plan(lw_program *lp, const etch_meta *meta, etch_fbo *out) ETCH_MUST_USE;

// ---- xnn_masks.c, xnn_products.c, partition.c, payload.c (recipe xnnpack)
// Before slots exist: masks of attention become arithmetic.
etch_status *lw_masks(lw_method *lm) ETCH_MUST_USE;
// Before slots exist: products with several leading dimensions become one node.
etch_status *lw_products(lw_method *lm) ETCH_MUST_USE;
// Groups what XNNPACK can run; replaces lm->steps.
etch_status *lw_partition(lw_method *lm) ETCH_MUST_USE;
etch_status *lw_payload(lw_method *lm, lw_group *g) ETCH_MUST_USE;

// ---- layout.c
// The delegate table for a payload (equal payloads are stored once); its segment is known when the file is laid out.
etch_status *lw_payload_ref(lw_program *lp, etch_span blob, etch_fbo *out_reference) ETCH_MUST_USE;
// Segments, then the file. `plans`: all ExecutionPlans.
etch_status *lw_write(lw_program *lp, const etch_fbo *plans, int n_plans, const etch_const_source *source, etch_writer *w) ETCH_MUST_USE;

#endif
