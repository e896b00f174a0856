// The runtime: loads a .pte, checks everything once, then executes without allocating.
//
// In: a .pte file and tensors. Out: tensors. Example:
//   etch_rt *rt; etch_rt_method *m;
//   ETCH_TRY(etch_rt_open("model.pte", NULL, &rt));
//   ETCH_TRY(etch_rt_load(rt, ETCH_LIT("forward"), &m));
//   ETCH_TRY(etch_rt_set_input(m, 0, &tokens, ETCH_RT_COPY));
//   ETCH_TRY(etch_rt_execute(m));
//   const etch_val *logits = etch_rt_output(m, 0);     // borrowed, valid until the next execute
//   etch_rt_unload(m); etch_rt_close(rt);
//
// Ownership: `etch_rt` owns the file map; methods borrow it and must be unloaded before `etch_rt_close`. Values returned by accessors are
// borrowed.
// Threads: one method is used by one thread at a time; methods of one etch_rt may run in different threads.
#ifndef ETCH_RT_RT_H
#define ETCH_RT_RT_H

#include "op/value.h"
#include "rt/event.h"
#include "rt/ties.h"

typedef struct etch_rt etch_rt;
typedef struct etch_rt_method etch_rt_method;

typedef struct etch_rt_options {
    int n_threads;               // 0: one per core
    size_t max_bytes;            // refuse a method that needs more working memory than this; 0: no limit
    uint64_t max_instructions;   // per execute; 0: 10,000,000 (the official runtime's cap)
    etch_rt_ties *ties;          // counts activations on rounding ties (slow); outlives the runtime; NULL: off
    // How the caches of keys and values are kept that llama::update_cache writes and llama::custom_sdpa reads: one of etch_rt_kv_caches.
    // NULL or "file": as the program says. A program without such caches, or with another use of one, is then refused (open, load:
    // ETCH_UNSUPPORTED).
    const char *kv_cache;
} etch_rt_options;

extern const char etch_rt_kv_caches[];   // "file|float16|..."

// `opt` may be NULL. The file is mapped, not read; it must not change while open.
etch_status *etch_rt_open(const char *path, const etch_rt_options *opt, etch_rt **out_rt) ETCH_MUST_USE;
// The same from memory that the caller keeps alive. Any address; 16-aligned spares a copy.
etch_status *etch_rt_open_bytes(etch_span bytes, const etch_rt_options *opt, etch_rt **out_rt) ETCH_MUST_USE;
void etch_rt_close(etch_rt *rt);
// Threads that its methods use, >= 1.
int etch_rt_n_threads(const etch_rt *rt);

// Methods in file order, constant methods (metadata) included.
int etch_rt_n_methods(const etch_rt *rt);
etch_str etch_rt_method_name(const etch_rt *rt, int i);
bool etch_rt_has_method(const etch_rt *rt, etch_str name);
// Reads a constant method (no inputs, no instructions) without loading: *out_n values, of which at most `cap` are written.
// ETCH_NOT_FOUND when there is no such method, ETCH_INVALID when it is not constant. Strings borrow from the file.
etch_status *etch_rt_constant(const etch_rt *rt, etch_str name, etch_val *out_vals, int cap, int *out_n) ETCH_MUST_USE;
// First value of a constant method as an integer (Int, Bool, integral Double).
etch_status *etch_rt_constant_int(const etch_rt *rt, etch_str name, int64_t *out) ETCH_MUST_USE;

// Verifies and plans a method, reserves its memory (zero-filled; state buffers get their initial content) and initialises its delegates.
etch_status *etch_rt_load(etch_rt *rt, etch_str name, etch_rt_method **out_method) ETCH_MUST_USE;
void etch_rt_unload(etch_rt_method *m);

int etch_rt_n_inputs(const etch_rt_method *m);
int etch_rt_n_outputs(const etch_rt_method *m);
// The declared input/output: kind, and for a tensor dtype, rank and present sizes (before the first call: the upper bounds).
const etch_val *etch_rt_input(const etch_rt_method *m, int i);
const etch_val *etch_rt_output(const etch_rt_method *m, int i);
// May its sizes change between calls (within the element count of its declared sizes)?
bool etch_rt_input_is_dynamic(const etch_rt_method *m, int i);

typedef enum {
    ETCH_RT_COPY,    // bytes are copied now
    ETCH_RT_BORROW,  // the caller keeps them alive and unchanged until execute has returned; copied when the file planned memory for it
} etch_rt_how;
// The tensor must be row-major, of the declared dtype and rank; sizes equal the declared ones or fit its bound.
etch_status *etch_rt_set_input(etch_rt_method *m, int i, const etch_tensor *t, etch_rt_how how) ETCH_MUST_USE;
// An input that is no tensor must equal the stored value (as in the official runtime).
etch_status *etch_rt_check_scalar_input(etch_rt_method *m, int i, const etch_val *v) ETCH_MUST_USE;

// From now on the caller reads only the last row of output i (the last entry of its last-but-one dimension: of logits [1, S, V] the last
// V): a program that ends in a product may leave the other rows out, what they hold is unspecified. No effect when the program reads the
// output itself or ends otherwise.
void etch_rt_read_last_row(etch_rt_method *m, int i);

// Runs the method. All tensor inputs must have been set since load. A planned input's memory may be reused by the program: set it again
// before the next call.
// On error the state buffers may be half updated; the method stays usable.
etch_status *etch_rt_execute(etch_rt_method *m) ETCH_MUST_USE;
// From now on every execute tells `fn` what it ran (on the calling thread, right after each step); NULL: no longer. Costs nothing when off.
void etch_rt_listen(etch_rt_method *m, etch_rt_event_fn *fn, void *user);
// State buffers back to their initial content.
etch_status *etch_rt_reset(etch_rt_method *m) ETCH_MUST_USE;

#endif
