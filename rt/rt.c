// Opening a program, loading a method, its inputs and outputs. The public face of rt/ (rt.h).
#define _GNU_SOURCE
#include "rt/rt.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cpu.h"
#include "kern/attention/attention.h"
#include "kern/ew/ew.h"
#include "kern/fgemm/fgemm.h"
#include "rt/method.h"
#include "rt/narrow.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)

// ---- program

static etch_status *open_any(const char *path, const etch_span *bytes, const etch_rt_options *opt, etch_rt **out_rt)
{
    *out_rt = NULL;
    ETCH_TRY(etch_ops_init());
    etch_rt *rt = calloc(1, sizeof *rt);
    if (!rt) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (opt) rt->opt = *opt;
    if (rt->opt.n_threads < 1) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        rt->opt.n_threads = cores < 1 ? 1 : cores > 64 ? 64 : (int)cores;
    }
    etch_status *s = path ? etch_pte_open(path, &rt->pte) : etch_pte_open_bytes(*bytes, &rt->pte);
    if (s) {
        free(rt);
        return s;
    }
    s = etch_rt__find_kv_cache(&rt->pte, rt->opt.kv_cache, &rt->kv_cache);
    if (s) etch_rt_close(rt);
    else *out_rt = rt;
    return s;
}

etch_status *etch_rt_open(const char *path, const etch_rt_options *opt, etch_rt **out_rt) { return open_any(path, NULL, opt, out_rt); }
etch_status *etch_rt_open_bytes(etch_span bytes, const etch_rt_options *opt, etch_rt **out_rt)
{
    return open_any(NULL, &bytes, opt, out_rt);
}

void etch_rt_close(etch_rt *rt)
{
    if (!rt) return;
    etch_pte_close(&rt->pte);
    free(rt);
}

int etch_rt_n_threads(const etch_rt *rt) { return rt->opt.n_threads; }

int etch_rt_n_methods(const etch_rt *rt) { return (int)rt->pte.plans.n; }

etch_str etch_rt_method_name(const etch_rt *rt, int i)
{
    return etch_fb_get_str(etch_fb_table_at(rt->pte.plans, (uint32_t)i), ETCH_FB(ExecutionPlan, name));
}

bool etch_rt_has_method(const etch_rt *rt, etch_str name) { return etch_pte_plan(&rt->pte, name).p != NULL; }

// ---- constant methods

static etch_status *constant_value(etch_fb_table e, etch_val *out)
{
    etch_fb_table v = etch_fb_get_table(e, ETCH_FB(EValue, val));
    switch (etch_fb_get_u8(e, ETCH_FB(EValue, val_type))) {
    case ETCH_FBU(KernelTypes, Null): *out = etch_val_none(); return NULL;
    case ETCH_FBU(KernelTypes, Int): *out = etch_val_int(etch_fb_get_i64(v, ETCH_FB(Int, int_val))); return NULL;
    case ETCH_FBU(KernelTypes, Bool): *out = etch_val_bool(etch_fb_get_bool(v, ETCH_FB(Bool, bool_val))); return NULL;
    case ETCH_FBU(KernelTypes, Double): *out = etch_val_float(etch_fb_get_f64(v, ETCH_FB(Double, double_val))); return NULL;
    case ETCH_FBU(KernelTypes, String): *out = etch_val_str(etch_fb_get_str(v, ETCH_FB(String, string_val))); return NULL;
    default: return ETCH_ERR(ETCH_UNSUPPORTED, "a value of another type than number, bool or string");
    }
}

static bool is_constant_plan(etch_fb_table plan)
{
    etch_fb_vec chains = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, chains));
    for (uint32_t i = 0; i < chains.n; i++)
        if (etch_fb_get_vec(etch_fb_table_at(chains, i), ETCH_FB(Chain, instructions)).n) return false;
    return etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, inputs)).n == 0;
}

etch_status *etch_rt_constant(const etch_rt *rt, etch_str name, etch_val *out_vals, int cap, int *out_n)
{
    *out_n = 0;
    etch_fb_table plan = etch_pte_plan(&rt->pte, name);
    if (!plan.p) return ETCH_ERR(ETCH_NOT_FOUND, "the program has no method '%.*s'", ETCH_STR_ARGS(name));
    if (!is_constant_plan(plan)) return BAD("method '%.*s' is not constant", ETCH_STR_ARGS(name));
    etch_fb_vec outs = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, outputs));
    etch_fb_vec values = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, values));
    for (uint32_t i = 0; i < outs.n && (int)i < cap; i++) {
        etch_fb_table e = etch_fb_table_at(values, (uint32_t)etch_fb_i32_at(outs, i));
        ETCH_TRYF(constant_value(e, &out_vals[i]), "method '%.*s'", ETCH_STR_ARGS(name));
    }
    *out_n = (int)outs.n;
    return NULL;
}

etch_status *etch_rt_constant_int(const etch_rt *rt, etch_str name, int64_t *out)
{
    etch_val v;
    int n;
    *out = 0;
    ETCH_TRY(etch_rt_constant(rt, name, &v, 1, &n));
    if (n < 1) return BAD("method '%.*s' has no value", ETCH_STR_ARGS(name));
    bool fits = v.kind == ETCH_V_INT || v.kind == ETCH_V_BOOL || (v.kind == ETCH_V_FLOAT && v.f >= -0x1p63 && v.f < 0x1p63);
    if (!fits) return BAD("method '%.*s' gives no integer", ETCH_STR_ARGS(name));
    *out = etch_val_as_int(&v);
    return NULL;
}

// ---- method

static etch_status *load(etch_rt_method *m)
{
    m->scratch.max = m->rt->opt.max_bytes ? m->rt->opt.max_bytes : SIZE_MAX / 4;
    if (m->rt->opt.n_threads > 1) m->pool = etch_pool_acquire(m->rt->opt.n_threads);
    m->cx = (etch_kern_cx){ .scratch = etch_rt__scratch_take, .user = &m->scratch, .fgemm = etch_fgemm_select(etch_cpu_features()),
                             .ew = etch_ew_select(etch_cpu_features()), .attention = etch_attention_select(etch_cpu_features()),
                             .pool = m->pool };
    ETCH_TRY(etch_rt__load_values(m));
    ETCH_TRY(etch_rt__decode(m));
    ETCH_TRY(etch_rt__reserve(m));
    ETCH_TRY(etch_rt__narrow_caches(m));
    ETCH_TRY(etch_rt__check_static(m));
    return etch_rt__init_state(m);
}

etch_status *etch_rt_load(etch_rt *rt, etch_str name, etch_rt_method **out_method)
{
    *out_method = NULL;
    etch_fb_table plan = etch_pte_plan(&rt->pte, name);
    if (!plan.p) return ETCH_ERR(ETCH_NOT_FOUND, "the program has no method '%.*s'", ETCH_STR_ARGS(name));
    etch_rt_method *m = calloc(1, sizeof *m);
    if (!m) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    m->rt = rt;
    m->plan = plan;
    m->name = etch_fb_get_str(plan, ETCH_FB(ExecutionPlan, name));
    etch_status *s = load(m);
    if (s) {
        s = etch_status_frame(s, __FILE__, __LINE__, "method '%.*s'", ETCH_STR_ARGS(name));
        etch_rt_unload(m);
    } else {
        *out_method = m;
    }
    return s;
}

void etch_rt_unload(etch_rt_method *m)
{
    if (!m) return;
    etch_rt__destroy_delegates(m);
    if (m->memory) munmap(m->memory, m->n_memory);
    etch_rt__free_caches(m);
    free(m->delegate_scratch);
    etch_rt__scratch_reset(&m->scratch);
    free(m->scratch.block);
    etch_pool_release(m->pool);
    etch_arena_deinit(&m->arena);
    free(m);
}

int etch_rt_n_inputs(const etch_rt_method *m) { return m->n_inputs; }
int etch_rt_n_outputs(const etch_rt_method *m) { return m->n_outputs; }
const etch_val *etch_rt_input(const etch_rt_method *m, int i) { return &m->values[m->inputs[i]].v; }
const etch_val *etch_rt_output(const etch_rt_method *m, int i) { return &m->values[m->outputs[i]].shown; }

bool etch_rt_input_is_dynamic(const etch_rt_method *m, int i)
{
    const etch_rt_tensor *t = m->values[m->inputs[i]].tensor;
    return t && t->is_dynamic;
}

static etch_status *set_tensor(etch_rt_value *v, const etch_tensor *t, etch_rt_how how)
{
    etch_rt_tensor *to = v->tensor;
    int64_t sizes[ETCH_MAX_RANK];
    size_t bytes;
    if (t->dtype != to->t.dtype) return BAD("is %s, expected %s", etch_dtype_name(t->dtype), etch_dtype_name(to->t.dtype));
    if (t->rank != to->t.rank) return BAD("has rank %d, expected %d", t->rank, to->t.rank);
    for (int i = 0; i < t->rank; i++) sizes[i] = t->sizes[i].v;
    to->t.data = NULL;
    ETCH_TRY(etch_rt_tensor_resize(to, t->rank, sizes));
    if (!etch_tensor_nbytes(t, &bytes)) return BAD("has sizes out of range");
    if (bytes && !t->data) return BAD("has no data");
    if (how == ETCH_RT_BORROW && v->place == ETCH_PTE_UNPLANNED && !v->plain && (uintptr_t)t->data % 8 == 0) {
        to->t.data = t->data;
        to->t.capacity = bytes;
        to->is_readonly = true;
        return NULL;
    }
    to->t.data = v->home;
    to->t.capacity = v->home_capacity;
    to->is_readonly = false;
    if (v->plain) etch_rt__from_plain(t, to);
    else if (bytes) memcpy(v->home, t->data, bytes);
    return NULL;
}

etch_status *etch_rt_set_input(etch_rt_method *m, int i, const etch_tensor *t, etch_rt_how how)
{
    if (i < 0 || i >= m->n_inputs) return BAD("method '%.*s' has %d inputs, no input %d", ETCH_STR_ARGS(m->name), m->n_inputs, i);
    etch_rt_value *v = &m->values[m->inputs[i]];
    if (!v->tensor) return BAD("input %d is %s, no tensor", i, etch_rt__kind_name(v->v.kind));
    v->is_set = false;
    ETCH_TRYF(set_tensor(v, t, how), "input %d", i);
    v->is_set = true;
    return NULL;
}

etch_status *etch_rt_check_scalar_input(etch_rt_method *m, int i, const etch_val *v)
{
    if (i < 0 || i >= m->n_inputs) return BAD("method '%.*s' has %d inputs, no input %d", ETCH_STR_ARGS(m->name), m->n_inputs, i);
    const etch_val *w = &m->values[m->inputs[i]].v;
    bool same = v->kind == w->kind;
    if (same && v->kind == ETCH_V_STR) same = etch_str_eq(v->s, w->s);
    else if (same && v->kind == ETCH_V_TENSOR) same = false;
    else if (same && v->kind != ETCH_V_NONE) same = etch_val_as_double(v) == etch_val_as_double(w);
    return same ? NULL : BAD("input %d must be %s and equal the value in the program", i, etch_rt__kind_name(w->kind));
}

void etch_rt_read_last_row(etch_rt_method *m, int i)
{
    const etch_rt_value *v = &m->values[m->outputs[i]];
    int writers = 0;
    if (!v->tensor || v->plain || v->is_input || v->is_variable) return;
    for (int k = 0; k < m->n_instrs; k++) {
        const etch_rt_instr *in = &m->instrs[k];
        for (int j = 0; j < in->n_ins; j++)
            if (in->ins[j] == v->tensor) return;
        for (int j = 0; j < in->n_written; j++) writers += in->written[j] == v->tensor ? in->kind == RT_DELEGATE ? 1 : 2 : 0;
        for (int j = 0; j < in->n_vals; j++)
            if (in->vals[j] == v) return;
    }
    v->tensor->is_last_row_enough = writers == 1;
}

etch_status *etch_rt_reset(etch_rt_method *m)
{
    if (m->memory && madvise(m->memory, m->n_memory, MADV_DONTNEED)) memset(m->memory, 0, m->n_memory);
    etch_rt__clear_caches(m);
    for (int i = 0; i < m->n_inputs; i++) m->values[m->inputs[i]].is_set = false;
    return etch_rt__init_state(m);
}
