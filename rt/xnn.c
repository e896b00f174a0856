// The XNNPACK backend of the runtime: ties loading, shapes, plan and kernels to the delegate interface.
//
// In: a payload and, at each call, tensors. Out: tensors resized and filled. Sizes are propagated only when an input's size changed; places
// in the workspace are computed for the upper bounds, again only when a call does not fit them.
#include "rt/xnn.h"

#include <stdlib.h>

#include "base/cpu.h"
#include "base/fpmode.h"
#include "kern/attention/attention.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)

static void destroy(void *self)
{
    etch_xnn *x = self;
    if (!x) return;
    etch_pool_release(x->pool);
    free(x->grown);
    etch_arena_deinit(&x->arena);
    free(x);
}

static etch_status *init(etch_span blob, const etch_delegate_env *env, void **out_self)
{
    *out_self = NULL;
    etch_xnn *x = calloc(1, sizeof *x);
    if (!x) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    etch_arena_init(&x->arena);
    x->qgemm = etch_qgemm_select(etch_cpu_features());
    x->fgemm = etch_fgemm_select(etch_cpu_features());
    x->ew = etch_ew_select(etch_cpu_features());
    x->nhwc = etch_nhwc_select(etch_cpu_features());
    x->transpose = etch_transpose_select(etch_cpu_features());
    x->qblock = etch_qblock_select(etch_cpu_features());
    x->attention = etch_attention_select(etch_cpu_features());
    x->max_bytes = env->max_bytes;
    x->ties = env->ties;
    etch_status *s = etch_xnn__load(blob, env, x);
    if (s) {
        destroy(x);
        return s;
    }
    x->pool = env->n_threads > 1 ? etch_pool_acquire(env->n_threads) : NULL;
    *out_self = x;
    return NULL;
}

static bool type_fits(const etch_xnn_value *v, etch_dtype d)
{
    switch (v->type) {
    case XT_F32: return d == ETCH_F32;
    case XT_F16: return d == ETCH_F16;
    case XT_BF16: return d == ETCH_BF16;
    case XT_QINT8: return d == ETCH_I8;
    case XT_QUINT8: return d == ETCH_U8;
    case XT_I32: return d == ETCH_I32 || (d == ETCH_I64 && v->where == XV_OUTPUT);
    default: return false;
    }
}

// Sizes in memory order, as the payload sees them. False when nothing changed.
static etch_status *take_sizes(etch_xnn_value *v, const etch_rt_tensor *t, bool bounds, bool *changed)
{
    int64_t dims[ETCH_XNN_RANK];
    int rank = t->t.rank;   // the payload's own rank is a hint: scalars are written with one dimension
    for (int i = 0; i < rank; i++) dims[i] = bounds ? t->max_sizes[t->dim_order[i]] : t->t.sizes[t->dim_order[i]].v;
    if (rank == v->rank && !memcmp(dims, v->dims, sizeof *dims * (size_t)rank)) return NULL;
    *changed = true;
    return etch_xnn__set_dims(v, rank, dims);
}

// Plans for the present sizes and checks the limit.
static etch_status *plan(etch_xnn *x)
{
    ETCH_TRY(etch_xnn__plan(x));
    if (x->max_bytes && x->workspace + x->scratch > x->max_bytes)
        return ETCH_ERR(ETCH_NO_MEMORY, "the XNNPACK delegate needs %zu bytes, the limit is %zu", x->workspace + x->scratch, x->max_bytes);
    return NULL;
}

static etch_status *bind(void *self, etch_rt_tensor *const *args, int n_args, bool *is_output, size_t *out_scratch)
{
    etch_xnn *x = self;
    *out_scratch = 0;
    if (n_args != x->n_externs) return BAD("a delegate call with %d arguments, the payload has %d external values", n_args, x->n_externs);
    bool changed = false;
    for (int i = 0; i < n_args; i++) {
        is_output[i] = false;
        if (x->externs[i] < 0) continue;
        if (!args[i]) return BAD("argument %d is no tensor", i);
        etch_xnn_value *v = &x->values[x->externs[i]];
        if (!args[i]) return BAD("argument %d is not a tensor", i);
        if (!type_fits(v, args[i]->t.dtype))
            return BAD("argument %d is %s, the payload's datatype is %d", i, etch_dtype_name(args[i]->t.dtype), v->type);
        is_output[i] = v->where == XV_OUTPUT;
        if (args[i]->t.rank > ETCH_XNN_RANK) return BAD("argument %d has rank %d, at most %d", i, args[i]->t.rank, ETCH_XNN_RANK);
        if (v->where == XV_INPUT) ETCH_TRY(take_sizes(v, args[i], true, &changed));
    }
    // Bounds need not agree with each other; then the first call plans.
    etch_status *s = etch_xnn__shape(x);
    x->is_shaped = !s;
    if (s) {
        etch_status_free(s);
        return NULL;
    }
    if (!etch_xnn__fits(x)) ETCH_TRY(plan(x));
    *out_scratch = x->workspace + x->scratch;
    return NULL;
}

// The block that holds the plan: the caller's, or an own one that grows.
static etch_status *memory(etch_xnn *x, void *scratch, size_t scratch_len, uint8_t **out)
{
    size_t need = x->workspace + x->scratch;
    *out = scratch;
    if (need <= scratch_len) return NULL;
    if (need > x->grown_len) {
        free(x->grown);
        x->grown_len = 0;
        x->grown = aligned_alloc(64, etch_align_up(need, 64));
        if (!x->grown) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory (%zu bytes)", need);
        x->grown_len = need;
    }
    *out = x->grown;
    return NULL;
}

// int32 -> int64 in the same memory, from the end.
static void widen_index(const etch_rt_tensor *t, int64_t n)
{
    const uint8_t *from = t->t.data;
    uint8_t *to = t->t.data;
    for (int64_t i = n - 1; i >= 0; i--) {
        int32_t v;
        memcpy(&v, from + 4 * i, 4);
        int64_t w = v;
        memcpy(to + 8 * i, &w, 8);
    }
}

// Where the internal values lie.
static void place_values(etch_xnn *x, uint8_t *base)
{
    for (int i = 0; i < x->n_values; i++) {
        etch_xnn_value *v = &x->values[i], *root = &x->values[v->root];
        if (v->where == XV_INTERNAL) v->data = root->where == XV_INTERNAL ? base + root->offset : NULL;
    }
    for (int i = 0; i < x->n_values; i++) {
        etch_xnn_value *v = &x->values[i];
        if (v->where == XV_INTERNAL && v->root != i) v->data = x->values[v->root].data;
    }
}

static etch_status *run(etch_xnn *x, etch_rt_tensor *const *args, int n_args, void *scratch, size_t scratch_len)
{
    bool changed = !x->is_shaped;
    for (int i = 0; i < n_args; i++)
        if (x->externs[i] >= 0 && x->values[x->externs[i]].where == XV_INPUT)
            ETCH_TRY(take_sizes(&x->values[x->externs[i]], args[i], false, &changed));
    if (changed) {
        x->is_shaped = false;
        ETCH_TRY(etch_xnn__shape(x));
        if (!etch_xnn__fits(x)) ETCH_TRY(plan(x));
        x->is_shaped = true;
    }
    uint8_t *base;
    ETCH_TRY(memory(x, scratch, scratch_len, &base));
    bool moved = changed || base != x->base;
    x->base = NULL;   // until all is in place
    for (int i = 0; i < n_args; i++) {
        if (x->externs[i] < 0) continue;
        etch_xnn_value *v = &x->values[x->externs[i]];
        if (v->where == XV_OUTPUT) {
            int64_t sizes[ETCH_XNN_RANK] = { 0 };
            if (args[i]->t.rank != v->rank) return BAD("argument %d has rank %d, the result %d", i, args[i]->t.rank, v->rank);
            for (int d = 0; d < v->rank; d++) sizes[args[i]->dim_order[d]] = v->dims[d];
            ETCH_TRYF(etch_rt_tensor_resize(args[i], v->rank, sizes), "argument %d", i);
        }
        moved = moved || v->data != args[i]->t.data;
        v->data = args[i]->t.data;
        v->is_last_row_enough = args[i]->is_last_row_enough && !v->is_read;
    }
    if (moved) place_values(x, base);
    x->base = base;
    for (int i = 0; i < x->n_nodes; i++) {
        etch_xnn_cx cx = { .x = x, .base = base + x->workspace, .len = x->scratch };
        if (!x->nodes[i].chain) continue;
        bool timed = x->listener && x->listener->fn;
        ETCH_TRYF(timed ? etch_xnn__run_timed(&cx, &x->nodes[i], i) : etch_xnn__run_node(&cx, &x->nodes[i]), "XNNPACK node %d", i);
    }
    for (int i = 0; i < n_args; i++)
        if (x->externs[i] >= 0 && args[i]->t.dtype == ETCH_I64) widen_index(args[i], x->values[x->externs[i]].numel);
    return NULL;
}

// XNNPACK takes denormal numbers as zeros (PTHREADPOOL_FLAG_DISABLE_DENORMALS at each operator); the rest of a program keeps them.
static etch_status *execute(void *self, etch_rt_tensor *const *args, int n_args, void *scratch, size_t scratch_len)
{
    unsigned was = etch_fpmode_flush();
    etch_status *s = run(self, args, n_args, scratch, scratch_len);
    etch_fpmode_set(was);
    return s;
}

static void listen(void *self, const etch_rt_listener *l) { ((etch_xnn *)self)->listener = l; }

const etch_backend etch_backend_xnnpack = { "XnnpackBackend", init, bind, execute, destroy, listen };
