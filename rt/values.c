// In: the values of a plan. Out: loaded values, then one block of memory for all of them.
#define _GNU_SOURCE
#include <sys/mman.h>

#include "base/num.h"
#include "rt/narrow.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)
#define ALIGN 64
#define SLACK 64  // vector loads may read past a tensor's end

// ---- values

static etch_status *load_tensor(etch_rt_method *m, etch_fb_table table, etch_rt_value *out)
{
    etch_pte_tensor t;
    ETCH_TRY(etch_pte_read_tensor(&m->rt->pte, m->plan, table, &t));
    etch_rt_tensor *r;
    ETCH_ALLOC(r, &m->arena, sizeof *r);
    r->t.dtype = t.dtype;
    r->t.rank = t.rank;
    for (int i = 0; i < t.rank; i++) {
        r->t.sizes[i] = etch_dim_of(t.sizes[i]);
        r->max_sizes[i] = t.sizes[i];
        r->dim_order[i] = t.dim_order[i];
    }
    r->is_plain = t.is_plain;
    r->is_dynamic = t.is_dynamic;
    r->max_numel = t.numel;
    r->is_constant = r->is_readonly = t.place == ETCH_PTE_CONSTANT;
    if (t.place == ETCH_PTE_EXTERNAL || t.place == ETCH_PTE_EXTERNAL_STATE)
        return ETCH_ERR(ETCH_UNSUPPORTED, "the content of '%.*s' lies in a .ptd file", ETCH_STR_ARGS(t.fqn));
    *out = (etch_rt_value){ .v = etch_val_tensor(&r->t), .tensor = r, .place = t.place, .is_home_readonly = r->is_constant };
    if (!t.is_plain) {
        ETCH_ALLOC(out->plain, &m->arena, sizeof *out->plain);
        *out->plain = *r;
        out->plain->is_plain = true;
        out->plain->is_constant = out->plain->is_readonly = false;
        for (int i = 0; i < t.rank; i++) out->plain->dim_order[i] = (uint8_t)i;
    }
    if (t.place == ETCH_PTE_CONSTANT) {
        out->home = (void *)(uintptr_t)t.data;
        out->home_capacity = t.nbytes;
    }
    return NULL;
}

static etch_status *load_ints(etch_rt_method *m, etch_fb_vec items, etch_rt_value *out)
{
    etch_dim *dims;
    ETCH_ALLOC(dims, &m->arena, sizeof *dims * items.n);
    ETCH_ALLOC(out->items, &m->arena, sizeof *out->items * items.n);
    for (uint32_t i = 0; i < items.n; i++) out->items[i] = &m->values[etch_fb_i64_at(items, i)];
    out->v = (etch_val){ .kind = ETCH_V_INTS, .ints = { dims, (int)items.n } };
    return NULL;
}

static etch_status *load_floats(etch_rt_method *m, etch_fb_vec items, etch_rt_value *out)
{
    double *list;
    ETCH_ALLOC(list, &m->arena, sizeof *list * items.n);
    for (uint32_t i = 0; i < items.n; i++) list[i] = etch_fb_f64_at(items, i);
    out->v = (etch_val){ .kind = ETCH_V_FLOATS, .floats = { list, (int)items.n } };
    return NULL;
}

static etch_status *load_bools(etch_rt_method *m, etch_fb_vec items, etch_rt_value *out)
{
    bool *list;
    ETCH_ALLOC(list, &m->arena, sizeof *list * items.n);
    for (uint32_t i = 0; i < items.n; i++) list[i] = etch_fb_bool_at(items, i);
    out->v = (etch_val){ .kind = ETCH_V_BOOLS, .bools = { list, (int)items.n } };
    return NULL;
}

// The items come before the list (checked by pte/).
static etch_status *load_tensors(etch_rt_method *m, etch_fb_vec items, etch_rt_value *out)
{
    etch_tensor **list;
    ETCH_ALLOC(list, &m->arena, sizeof *list * items.n);
    ETCH_ALLOC(out->items, &m->arena, sizeof *out->items * items.n);
    for (uint32_t i = 0; i < items.n; i++) {
        int32_t id = etch_fb_i32_at(items, i);
        out->items[i] = id < 0 ? NULL : &m->values[id];
        list[i] = id < 0 || !m->values[id].tensor ? NULL : &m->values[id].tensor->t;
    }
    out->v = (etch_val){ .kind = ETCH_V_TENSORS, .tensors = { list, (int)items.n } };
    return NULL;
}

static etch_status *load_value(etch_rt_method *m, etch_fb_table e, etch_rt_value *out)
{
    etch_fb_table v = etch_fb_get_table(e, ETCH_FB(EValue, val));
    switch (etch_fb_get_u8(e, ETCH_FB(EValue, val_type))) {
    case ETCH_FBU(KernelTypes, Int): out->v = etch_val_int(etch_fb_get_i64(v, ETCH_FB(Int, int_val))); return NULL;
    case ETCH_FBU(KernelTypes, Bool): out->v = etch_val_bool(etch_fb_get_bool(v, ETCH_FB(Bool, bool_val))); return NULL;
    case ETCH_FBU(KernelTypes, Double): out->v = etch_val_float(etch_fb_get_f64(v, ETCH_FB(Double, double_val))); return NULL;
    case ETCH_FBU(KernelTypes, String): out->v = etch_val_str(etch_fb_get_str(v, ETCH_FB(String, string_val))); return NULL;
    case ETCH_FBU(KernelTypes, Tensor): return load_tensor(m, v, out);
    case ETCH_FBU(KernelTypes, IntList): return load_ints(m, etch_fb_get_vec(v, ETCH_FB(IntList, items)), out);
    case ETCH_FBU(KernelTypes, DoubleList): return load_floats(m, etch_fb_get_vec(v, ETCH_FB(DoubleList, items)), out);
    case ETCH_FBU(KernelTypes, BoolList): return load_bools(m, etch_fb_get_vec(v, ETCH_FB(BoolList, items)), out);
    case ETCH_FBU(KernelTypes, TensorList): return load_tensors(m, etch_fb_get_vec(v, ETCH_FB(TensorList, items)), out);
    case ETCH_FBU(KernelTypes, OptionalTensorList): return load_tensors(m, etch_fb_get_vec(v, ETCH_FB(OptionalTensorList, items)), out);
    default: out->v = etch_val_none(); return NULL;
    }
}

static etch_status *load_ids(etch_rt_method *m, etch_fb_vec ids, int **out_ids, int *out_n)
{
    ETCH_ALLOC(*out_ids, &m->arena, sizeof **out_ids * ids.n);
    for (uint32_t i = 0; i < ids.n; i++) (*out_ids)[i] = etch_fb_i32_at(ids, i);
    *out_n = (int)ids.n;
    return NULL;
}

etch_status *etch_rt__load_values(etch_rt_method *m)
{
    etch_fb_vec values = etch_fb_get_vec(m->plan, ETCH_FB(ExecutionPlan, values));
    m->n_values = (int)values.n;
    ETCH_ALLOC(m->values, &m->arena, sizeof *m->values * values.n);
    for (int i = 0; i < m->n_values; i++) ETCH_TRYF(load_value(m, etch_fb_table_at(values, (uint32_t)i), &m->values[i]), "value %d", i);
    ETCH_TRY(load_ids(m, etch_fb_get_vec(m->plan, ETCH_FB(ExecutionPlan, inputs)), &m->inputs, &m->n_inputs));
    ETCH_TRY(load_ids(m, etch_fb_get_vec(m->plan, ETCH_FB(ExecutionPlan, outputs)), &m->outputs, &m->n_outputs));
    for (int i = 0; i < m->n_inputs; i++) {
        etch_rt_value *v = &m->values[m->inputs[i]];
        if (v->v.kind >= ETCH_V_INTS) return ETCH_ERR(ETCH_UNSUPPORTED, "input %d is a list", i);
        if (v->tensor && v->tensor->is_constant) return BAD("input %d is a constant", i);
        v->is_input = true;
        v->shown = v->v;
        if (v->tensor && v->place == ETCH_PTE_UNPLANNED) v->tensor->is_unfixed = true;
    }
    for (int i = 0; i < m->n_outputs; i++) {
        etch_rt_value *v = &m->values[m->outputs[i]];
        v->shown = v->v;
        if (v->plain) v->shown.t = &v->plain->t;
    }
    return NULL;
}

// ---- memory

// Adds n bytes to the plan; *out_at is the offset.
static etch_status *want(etch_rt_method *m, uint64_t n, size_t *out_at)
{
    size_t limit = m->rt->opt.max_bytes ? m->rt->opt.max_bytes : SIZE_MAX / 2, end;
    *out_at = m->needed;
    if (!etch_add_ok(m->needed, n, &end) || end > limit)
        return ETCH_ERR(ETCH_NO_MEMORY, "the method needs more than %zu bytes of working memory", limit);
    m->needed = etch_align_up(end + SLACK, ALIGN);
    return NULL;
}

static size_t max_bytes(const etch_rt_tensor *t) { return (size_t)t->max_numel * etch_dtype_size(t->t.dtype); }
static bool owns_memory(const etch_rt_value *v) { return v->tensor && v->place == ETCH_PTE_UNPLANNED && !v->is_variable; }

etch_status *etch_rt__reserve(etch_rt_method *m)
{
    etch_fb_vec sizes = etch_fb_get_vec(m->plan, ETCH_FB(ExecutionPlan, non_const_buffer_sizes));
    size_t *at, *plain_at;
    ETCH_ALLOC(plain_at, &m->arena, sizeof *plain_at * (size_t)m->n_values);
    m->n_arenas = (int)sizes.n;
    ETCH_ALLOC(at, &m->arena, sizeof *at * (sizes.n + (size_t)m->n_values));
    ETCH_ALLOC(m->arenas, &m->arena, sizeof *m->arenas * (sizes.n + 1));
    for (uint32_t i = 1; i < sizes.n; i++) ETCH_TRYF(want(m, (uint64_t)etch_fb_i64_at(sizes, i), &at[i]), "buffer %u", i);
    for (int i = 0; i < m->n_values; i++) {
        etch_rt_value *v = &m->values[i];
        if (v->plain) ETCH_TRYF(want(m, max_bytes(v->tensor), &plain_at[i]), "value %d", i);
        if (!owns_memory(v)) continue;
        v->home_capacity = max_bytes(v->tensor);
        ETCH_TRYF(want(m, v->home_capacity, &at[sizes.n + (size_t)i]), "value %d", i);
    }
    if (m->needed) {
        void *p = mmap(NULL, m->needed, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) return ETCH_ERR(ETCH_NO_MEMORY, "cannot reserve %zu bytes of working memory", m->needed);
        m->memory = p;
        m->n_memory = m->needed;
    }
    for (uint32_t i = 1; i < sizes.n; i++) m->arenas[i] = m->memory + at[i];
    for (int i = 0; i < m->n_values; i++) {
        etch_rt_value *v = &m->values[i];
        if (!v->tensor) continue;
        if (v->plain) {
            v->plain->t.data = m->memory + plain_at[i];
            v->plain->t.capacity = max_bytes(v->tensor);
        }
        if (owns_memory(v)) v->home = m->memory + at[sizes.n + (size_t)i];
        if (v->place == ETCH_PTE_PLANNED || v->place == ETCH_PTE_STATE) {
            etch_pte_tensor t;
            etch_fb_vec values = etch_fb_get_vec(m->plan, ETCH_FB(ExecutionPlan, values));
            etch_fb_table e = etch_fb_get_table(etch_fb_table_at(values, (uint32_t)i), ETCH_FB(EValue, val));
            ETCH_TRY(etch_pte_read_tensor(&m->rt->pte, m->plan, e, &t));
            v->home = m->arenas[t.memory_id] + t.offset;
            v->home_capacity = t.nbytes;
        }
        v->tensor->t.data = v->home;
        v->tensor->t.capacity = v->home_capacity;
    }
    return NULL;
}

etch_status *etch_rt__init_state(etch_rt_method *m)
{
    etch_fb_vec values = etch_fb_get_vec(m->plan, ETCH_FB(ExecutionPlan, values));
    for (int i = 0; i < m->n_values; i++) {
        if (m->values[i].place != ETCH_PTE_STATE) continue;
        etch_pte_tensor t;
        etch_fb_table e = etch_fb_get_table(etch_fb_table_at(values, (uint32_t)i), ETCH_FB(EValue, val));
        ETCH_TRY(etch_pte_read_tensor(&m->rt->pte, m->plan, e, &t));
        if (m->values[i].cache) etch_rt__fill_cache(m, &m->values[i], t.data);
        else if (t.nbytes) memcpy(m->values[i].home, t.data, t.nbytes);
    }
    return NULL;
}
