// Random programs from bytes, for fuzzing and tests: well-formed files whose calls have arguments of the right kinds and arbitrary values.
// What a program does is of no interest; it must not crash.
#ifndef ETCH_RT_PROG_RANDOM_H
#define ETCH_RT_PROG_RANDOM_H

#include <stdlib.h>

#include "kern/kern.h"
#include "rt/prog.h"

typedef struct { const uint8_t *p; size_t n; } prog_bytes;

static inline unsigned prog_take(prog_bytes *b, unsigned below)
{
    if (!b->n || below < 2) return 0;
    unsigned v = *b->p++;
    b->n--;
    return v % below;
}

typedef struct {
    prog p;
    prog_bytes b;
    etch_arena arena;
    etch_tensor *types[PROG_MAX];  // of tensor values
} prog_random;

static inline bool prog__room(const prog_random *g, int n) { return g->p.n_values + n < PROG_MAX && g->p.n_inputs < 7; }

static inline int prog__describe(prog_random *g, const etch_tensor *t, int flags)
{
    int32_t sizes[8];
    for (int i = 0; i < t->rank; i++) sizes[i] = (int32_t)t->sizes[i].v;
    int id = prog_tensor(&g->p, t->dtype, t->rank, sizes, flags);
    g->types[id] = etch_arena_alloc(&g->arena, sizeof *t);
    if (g->types[id]) *g->types[id] = *t;
    return id;
}

static inline int prog__new_tensor(prog_random *g)
{
    static const etch_dtype dtypes[] = { ETCH_F32, ETCH_F32, ETCH_I64, ETCH_BOOL, ETCH_I32, ETCH_F16,
                                         ETCH_BF16, ETCH_U8, ETCH_I8, ETCH_F64, ETCH_I16 };
    for (int id = 0; id < g->p.n_values; id++)  // often one that is there
        if (g->types[id] && prog_take(&g->b, 3) == 0) return id;
    etch_tensor t = { .dtype = dtypes[prog_take(&g->b, sizeof dtypes / sizeof dtypes[0])], .rank = (int)prog_take(&g->b, 5) };
    for (int i = 0; i < t.rank; i++) t.sizes[i] = etch_dim_of((int64_t)prog_take(&g->b, 5));
    return prog_input(&g->p, prog__describe(g, &t, prog_take(&g->b, 2) ? PROG_DYNAMIC : 0));
}

static inline int64_t prog__number(prog_random *g)
{
    static const int64_t odd[] = { INT64_MAX, INT64_MIN, INT32_MAX, -1, 1 << 20, 0x7fffffffffll * 2 };
    unsigned k = prog_take(&g->b, 40);
    return k < 6 ? odd[k] : (int64_t)k % 8 - 3;
}

static inline int prog__leaf(prog_random *g, int code, etch_fb_table_id table, int field, double v, bool is_float)
{
    etch_fbo t = etch_fbb_table(&g->p.b, table);
    if (is_float) etch_fbb_float(&g->p.b, t, field, v);
    return prog_value(&g->p, code, t);
}

static inline int prog__null(prog_random *g) { return prog__leaf(g, ETCH_FBU(KernelTypes, Null), ETCH_FB_Null, 0, 0, false); }
static inline int prog__double(prog_random *g)
{
    return prog__leaf(g, ETCH_FBU(KernelTypes, Double), ETCH_FB_Double, ETCH_FB(Double, double_val), (double)prog__number(g) / 2, true);
}

// One argument of the wanted type; *out_v as the shape rule sees it. -1: the program is full or the type is not made here.
static inline int prog__argument(prog_random *g, const etch_param *q, etch_val *out_v)
{
    static const char *const words[] = { "none", "tanh", "floor", "trunc", "mean", "constant" };
    *out_v = etch_val_none();
    bool optional = q->type == ETCH_T_TENSOR_OPT || q->type == ETCH_T_INT_OPT || q->type == ETCH_T_INTS_OPT ||
                    q->type == ETCH_T_FLOAT_OPT || q->type == ETCH_T_FLOATS_OPT || q->type == ETCH_T_BOOL_OPT ||
                    q->type == ETCH_T_SCALAR_OPT || q->type == ETCH_T_STR_OPT;
    if (!prog__room(g, 8)) return -1;
    if (optional && prog_take(&g->b, 3) == 0) return prog__null(g);
    switch (q->type) {
    case ETCH_T_TENSOR: case ETCH_T_TENSOR_OPT: {
        int id = prog__new_tensor(g);
        if (g->types[id]) *out_v = etch_val_tensor(g->types[id]);
        return id;
    }
    case ETCH_T_INT: case ETCH_T_INT_OPT: *out_v = etch_val_int(prog__number(g)); return prog_int(&g->p, out_v->i.v);
    case ETCH_T_BOOL: case ETCH_T_BOOL_OPT: *out_v = etch_val_bool(prog_take(&g->b, 2)); return prog_bool(&g->p, out_v->b);
    case ETCH_T_FLOAT: case ETCH_T_FLOAT_OPT: *out_v = etch_val_float(0.5); return prog__double(g);
    case ETCH_T_SCALAR: case ETCH_T_SCALAR_OPT:
        if (prog_take(&g->b, 2)) {
            *out_v = etch_val_float(0.5);
            return prog__double(g);
        }
        *out_v = etch_val_int(prog__number(g));
        return prog_int(&g->p, out_v->i.v);
    case ETCH_T_STR: case ETCH_T_STR_OPT: {
        *out_v = etch_val_str(etch_str_of(words[prog_take(&g->b, 6)]));
        etch_fbo t = etch_fbb_table(&g->p.b, ETCH_FB_String);
        etch_fbb_string(&g->p.b, t, ETCH_FB(String, string_val), out_v->s);
        return prog_value(&g->p, ETCH_FBU(KernelTypes, String), t);
    }
    case ETCH_T_INTS: case ETCH_T_INTS_OPT: {
        int64_t ids[4];
        etch_dim *dims = etch_arena_alloc(&g->arena, 4 * sizeof *dims);
        int n = (int)prog_take(&g->b, 5);
        for (int i = 0; i < n && dims; i++) {
            dims[i] = etch_dim_of(prog__number(g));
            ids[i] = prog_int(&g->p, dims[i].v);
        }
        *out_v = (etch_val){ .kind = ETCH_V_INTS, .ints = { dims, n } };
        return prog_ints(&g->p, ids, n);
    }
    case ETCH_T_TENSORS: case ETCH_T_TENSORS_OPT: {
        int32_t ids[3];
        etch_tensor **list = etch_arena_alloc(&g->arena, 3 * sizeof *list);
        int n = 1 + (int)prog_take(&g->b, 3);
        for (int i = 0; i < n && list; i++) {
            ids[i] = prog__new_tensor(g);
            list[i] = g->types[ids[i]];
            if (!prog__room(g, 4)) return -1;
        }
        *out_v = (etch_val){ .kind = ETCH_V_TENSORS, .tensors = { list, n } };
        etch_fbo t = etch_fbb_table(&g->p.b, ETCH_FB_TensorList);
        etch_fbb_ref(&g->p.b, t, ETCH_FB(TensorList, items), etch_fbb_vec(&g->p.b, ids, 4, (size_t)n));
        return prog_value(&g->p, ETCH_FBU(KernelTypes, TensorList), t);
    }
    default: return -1;
    }
}

static inline const etch_op *prog__pick(prog_random *g)
{
    unsigned at = prog_take(&g->b, 256) * 256u + prog_take(&g->b, 256);
    for (unsigned i = 0; i < ETCH_OP_COUNT; i++) {
        const etch_op *op = etch_op_get((etch_op_id)((at + i) % ETCH_OP_COUNT));
        if (op->out_name && op->shape && !op->schema->returns_list && etch_kern_find(op->id)) return op;
    }
    return NULL;
}

// A cache that is written at some position, then attended to: of any sizes that fit, and now and then of others.
static inline bool prog__random_cache(prog_random *g)
{
    int32_t kv = 1 + (int32_t)prog_take(&g->b, 2), group = 1 + (int32_t)prog_take(&g->b, 3), d = (int32_t)prog_take(&g->b, 40),
            s = 1 + (int32_t)prog_take(&g->b, 20);
    int32_t slots = (int32_t)prog_take(&g->b, 80), q_sizes[] = { 1, s, kv * group, d }, v_sizes[] = { 1, s, kv, d },
            c_sizes[] = { 1, slots, kv, d }, one[] = { 1 };
    if (g->p.n_values + 12 > PROG_MAX || g->p.n_inputs > 5) return false;
    int q = prog_input(&g->p, prog_tensor(&g->p, ETCH_F32, 4, q_sizes, PROG_DYNAMIC)),
        v = prog_input(&g->p, prog_tensor(&g->p, ETCH_F32, 4, v_sizes, PROG_DYNAMIC));
    int cache = prog_tensor(&g->p, ETCH_F32, 4, c_sizes, prog_take(&g->b, 8) == 7 ? PROG_DYNAMIC : 0),
        dummy = prog_tensor(&g->p, ETCH_F32, 1, one, 0);
    int out = prog_tensor(&g->p, ETCH_F32, 4, q_sizes, PROG_DYNAMIC), at = prog_int(&g->p, (int64_t)prog_take(&g->b, 90) - 2),
        yes = prog_bool(&g->p, prog_take(&g->b, 2));
    int none = prog__null(g), zero = prog__leaf(g, ETCH_FBU(KernelTypes, Double), ETCH_FB_Double, 0, 0, false),
        other = prog_take(&g->b, 8) == 7 ? v : cache;
    PROG_CALL(&g->p, "llama::update_cache.out", v, cache, at, dummy, dummy);
    PROG_CALL(&g->p, "llama::custom_sdpa.out", q, cache, other, at, none, zero, yes, none, out, out);
    return true;
}

// One call; its outputs have the types that the shape rule gives, or now and then others.
static inline bool prog__random_call(prog_random *g)
{
    const etch_op *op = prog__pick(g);
    etch_val vals[64];
    int32_t args[64];
    int n = 0;
    if (!op || op->schema->n_params > 30) return false;
    for (int i = 0; i < op->schema->n_params; i++) {
        const etch_param *q = &op->schema->params[i];
        vals[i] = q->has_default ? q->def : etch_val_none();
        if (!etch_op_param_in_out(op, i)) continue;
        args[n] = prog__argument(g, q, &vals[i]);
        if (args[n++] < 0) return false;
    }
    etch_tensor results[8] = { 0 }, *ptrs[8];
    for (int i = 0; i < 8; i++) ptrs[i] = &results[i];
    etch_outs outs = { op->schema->n_returns, ptrs };
    etch_shape_cx cx = { .arena = &g->arena };
    etch_status *s = op->schema->n_returns <= 8 ? op->shape(&cx, vals, op->schema->n_params, &outs) : NULL;
    etch_status_ignore(s);
    if (!prog__room(g, outs.n + 1) || outs.n > 8) return false;
    for (int i = 0; i < outs.n; i++) {
        int64_t numel;
        if (!etch_tensor_numel(&results[i], &numel) || numel > 4096 || results[i].rank > 8) return false;
        if (prog_take(&g->b, 16) == 1) results[i].dtype = ETCH_F32;
        args[n++] = prog__describe(g, &results[i], prog_take(&g->b, 4) ? PROG_DYNAMIC : 0);
    }
    args[n] = args[n - 1];
    prog_call(&g->p, op->out_name, args, n + 1);
    return true;
}

// A program of at most `calls` calls; `out` is the caller's. False when the bytes make none.
static inline bool prog_random_make(const uint8_t *bytes, size_t n, int calls, etch_buf *out)
{
    prog_random *g = calloc(1, sizeof *g);
    bool ok = g != NULL;
    if (!ok) return false;
    g->b = (prog_bytes){ bytes, n };
    prog_init(&g->p);
    if (n && bytes[n - 1] % 4 == 3) prog__random_cache(g);
    for (int i = 0; i < calls && g->b.n && ok; i++) ok = prog__random_call(g) || g->p.n_instrs > 0;
    if (g->p.n_instrs == 0) ok = false;
    etch_status *s = ok ? prog_finish(&g->p, out) : NULL;
    if (!ok) etch_fbb_deinit(&g->p.b);
    if (s) ok = false;
    etch_status_ignore(s);
    etch_arena_deinit(&g->arena);
    free(g);
    return ok;
}

// Loads `forward` and executes it twice on inputs filled from `bytes`, bounded. Any status is fine. True when it ran.
static inline bool prog_random_run_as(etch_span file, const uint8_t *bytes, size_t n, const char *kv_cache)
{
    etch_rt *rt;
    etch_rt_method *m = NULL;
    etch_rt_options opt = { .n_threads = 1, .max_bytes = 4 << 20, .max_instructions = 200, .kv_cache = kv_cache };
    etch_status *s = etch_rt_open_bytes(file, &opt, &rt);
    if (s) {
        etch_status_free(s);
        return false;
    }
    s = etch_rt_load(rt, ETCH_LIT("forward"), &m);
    bool ran = false;
    for (int k = 0; k < 2 && !s; k++) {
        for (int i = 0; i < etch_rt_n_inputs(m) && !s; i++) {
            const etch_val *v = etch_rt_input(m, i);
            if (v->kind != ETCH_V_TENSOR) continue;
            etch_tensor t = *v->t;
            size_t size = 0;
            if (!etch_tensor_nbytes(&t, &size)) break;
            uint8_t *data = calloc(size + 1, 1);
            for (size_t b = 0; data && b < size && n; b++) data[b] = t.dtype == ETCH_BOOL ? bytes[b % n] & 1 : bytes[b % n];
            t.data = data;
            if (data) s = etch_rt_set_input(m, i, &t, ETCH_RT_COPY);
            free(data);
        }
        if (!s) s = etch_rt_execute(m);
        ran = !s;
    }
    etch_status_ignore(s);
    etch_rt_unload(m);
    etch_rt_close(rt);
    return ran;
}
static inline bool prog_random_run(etch_span file, const uint8_t *bytes, size_t n) { return prog_random_run_as(file, bytes, n, NULL); }

#endif
