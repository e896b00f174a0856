// The loaded form of a method, private to rt/: values, flat instructions, memory. Built once by values.c and decode.c, run by exec.c.
#ifndef ETCH_RT_METHOD_H
#define ETCH_RT_METHOD_H

#include "base/arena.h"
#include "base/pool.h"
#include "kern/kern.h"
#include "pte/pte.h"
#include "rt/delegate.h"
#include "rt/rt.h"

typedef struct etch_rt_value etch_rt_value;
typedef struct etch_rt_prim etch_rt_prim;
typedef struct etch_rt_cache etch_rt_cache;   // narrow.h

struct etch_rt_value {
    etch_val v;               // what kernels read; tensor lists and tensors point to the structs below
    etch_val shown;           // what the caller reads of an output: v, or the row-major shadow
    etch_rt_tensor *tensor;   // of an ETCH_V_TENSOR
    etch_rt_tensor *plain;    // row-major shadow of a tensor with another dim order, for portable kernels and the caller; else NULL
    etch_rt_value **items;    // of a list of integers (read again at each use when is_variable) or tensors (NULL: None)
    etch_pte_place place;     // of a tensor
    void *home;               // tensor: data at the start of each execute (NULL: none until a view or move sets it)
    size_t home_capacity;
    etch_rt_cache *cache;     // home is a cache in a narrower type; NULL: no
    bool is_home_readonly;
    bool is_variable;         // an instruction rewrites it: a scalar (or an item of a list), or the place of a tensor
    bool is_input, is_set;    // tensor inputs
};

typedef enum { RT_KERNEL, RT_PRIM, RT_DELEGATE, RT_MOVE, RT_JUMP_FALSE, RT_FREE } etch_rt_kind;

// An argument that is read again before each call because an instruction rewrites it.
typedef struct { int arg; etch_rt_value *from; } etch_rt_refresh;

typedef struct etch_rt_delegate {
    const etch_backend *backend;
    void *self;
} etch_rt_delegate;

typedef struct etch_rt_instr {
    etch_rt_kind kind;
    int index;                        // in its chain, for messages
    int target;                       // JUMP_FALSE: absolute instruction
    const etch_op *op;                // KERNEL
    etch_kern_fn kern;
    const etch_rt_prim *prim;         // PRIM
    const etch_rt_delegate *delegate; // DELEGATE
    etch_val *args; int n_args;       // KERNEL: in schema order
    etch_tensor **kern_outs;          // KERNEL: outs as the kernel wants them
    etch_rt_tensor **outs; int n_outs;       // KERNEL: the same
    bool is_own_out;                  // KERNEL, in place: outs are the mutated arguments
    etch_rt_tensor **written; int n_written; // KERNEL, DELEGATE: outs and mutated arguments
    etch_rt_tensor **ins; int n_ins;         // the same: tensors only read, list entries included
    etch_rt_tensor **tensors; int n_tensors; // DELEGATE: all arguments in order
    etch_rt_value **pre, **post;      // KERNEL: shadows to fill before, and to store after
    int n_pre, n_post;
    etch_rt_value **vals; int n_vals; // PRIM: arguments; MOVE: from, to; JUMP_FALSE: condition; FREE: value
    etch_rt_refresh *refresh; int n_refresh;
    bool is_dynamic;                  // sizes of outputs may change: run the shape rule when an input's did
    bool is_checked;                  // some tensor's memory is known only at run time: check data, read-only and overlap each time
    bool is_volatile;                 // has rewritten arguments: run the shape rule each time
    uint64_t seen;                    // sum of the tensors' versions when the shape rule last ran
} etch_rt_instr;

struct etch_rt {
    etch_pte pte;
    etch_rt_options opt;
    int kv_cache;             // etch_cache_id
};

// One growing block of scratch for kernels: grows in the first calls, then stays.
typedef struct { uint8_t *block; size_t cap, used, wanted; void *overflow; size_t max; } etch_rt_scratch;

struct etch_rt_method {
    etch_rt *rt;
    etch_str name;
    etch_fb_table plan;
    etch_arena arena;                  // everything below but memory and scratch
    etch_rt_value *values; int n_values;
    int *inputs, *outputs; int n_inputs, n_outputs;
    etch_rt_instr *instrs; int n_instrs;
    int *chain_ends; int n_chains;     // absolute
    etch_rt_delegate *delegates; int n_delegates;
    etch_rt_value **rehomed; int n_rehomed;   // tensors whose data is set back at the start of an execute
    uint8_t *memory; size_t n_memory;  // arenas and unplanned tensors, one anonymous map
    uint8_t **arenas; int n_arenas;    // by memory id
    etch_rt_cache *caches; int n_caches;   // in a narrower type
    uint8_t *narrow; size_t n_narrow;  // their memory, an anonymous map
    size_t needed;                     // bytes wanted so far while planning
    void *delegate_scratch; size_t n_delegate_scratch;
    etch_tensor *shape_tmp; etch_tensor **shape_ptrs;  // results of a shape rule
    etch_kern_cx cx;
    etch_pool *pool;               // threads of large products, or NULL
    etch_rt_scratch scratch;
    etch_rt_listener listener;
};

// values.c: values, memory, inputs and outputs.
etch_status *etch_rt__load_values(etch_rt_method *m) ETCH_MUST_USE;
etch_status *etch_rt__reserve(etch_rt_method *m) ETCH_MUST_USE;   // after decode: which tensors are views is known
etch_status *etch_rt__init_state(etch_rt_method *m) ETCH_MUST_USE;
// decode.c: delegates, instructions; marks variable values. Checks every call against the op's schema.
etch_status *etch_rt__decode(etch_rt_method *m) ETCH_MUST_USE;
// kernel.c: one kernel call against its schema; and after reserve: overlaps, shapes that never change.
etch_status *etch_rt__decode_kernel(etch_rt_method *m, etch_str name, etch_fb_vec args, etch_rt_instr *out) ETCH_MUST_USE;
etch_status *etch_rt__check_static(etch_rt_method *m) ETCH_MUST_USE;
etch_status *etch_rt__check_memory(const etch_rt_instr *in) ETCH_MUST_USE;
void etch_rt__destroy_delegates(etch_rt_method *m);
// shape.c: run the shape rule of a kernel call and resize its outputs.
etch_status *etch_rt__infer(etch_rt_method *m, etch_rt_instr *in) ETCH_MUST_USE;
// Brings rewritten arguments up to date; a kind that the operator does not take is an error.
etch_status *etch_rt__refresh(etch_rt_instr *in) ETCH_MUST_USE;
// tensor.c: content of a tensor of any dim order from or to row-major `plain` of the same sizes.
void etch_rt__to_plain(const etch_rt_tensor *t, etch_tensor *plain);
void etch_rt__from_plain(const etch_tensor *plain, etch_rt_tensor *t);
// Do the byte ranges of the current tensors intersect?
bool etch_rt__overlap(const etch_rt_tensor *a, const etch_rt_tensor *b);
// Does a value of this kind fit a parameter of this type?
bool etch_rt__kind_fits(etch_type type, etch_vkind kind);
const char *etch_rt__kind_name(etch_vkind kind);

// profile.c: tells the listener of an instruction that began at `begin_ns` and has just ended.
void etch_rt__report(etch_rt_method *m, const etch_rt_instr *in, uint64_t begin_ns);
// The operator's name in the program, or what kind of instruction it is.
const char *etch_rt__instr_name(const etch_rt_instr *in);

// exec.c: kernel scratch.
void *etch_rt__scratch_take(void *user, size_t bytes);
void etch_rt__scratch_reset(etch_rt_scratch *s);

// prim.c
struct etch_rt_prim {
    const char *name;        // "executorch_prim::add.Scalar"
    int n_args;              // the result included
    int out;                 // index of the value written; its kind is scalar, or a tensor when writes_tensor
    bool writes_tensor, moves_tensor;  // moves: the result's memory becomes the argument's
    etch_status *(*run)(etch_rt_method *m, etch_rt_value **args);
};
const etch_rt_prim *etch_rt__prim_find(etch_str name);

#endif
