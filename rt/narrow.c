// The option kv_cache: caches in a narrower type. In: a decoded method with its memory. Out: memory of their own for its caches, and the
// kernels that read and write that; the program's buffers are never touched. Or an error that says which use of a cache stands in the way.
#define _GNU_SOURCE
#include "rt/narrow.h"

#include <stdio.h>
#include <sys/mman.h>

#include "base/num.h"
#include "kern/attention/attention.h"
#include "kern/narrow.h"

#define ALIGN 64

const char etch_rt_kv_caches[] = "file"
#define CACHE(id, name) "|" name
#include "kern/attention/caches.def"
#undef CACHE
    ;

// ---- the option

static bool writes_caches(etch_str name)
{
    const etch_op *op = etch_op_find_out(name);
    const etch_kern_narrow *row = op ? etch_kern_find_narrow(op->id) : NULL;
    return row && row->is_writer;
}

static etch_status *want_writer(const etch_pte *pte, const char *option)
{
    for (uint32_t i = 0; i < pte->plans.n; i++) {
        etch_fb_vec ops = etch_fb_get_vec(etch_fb_table_at(pte->plans, i), ETCH_FB(ExecutionPlan, operators));
        for (uint32_t k = 0; k < ops.n; k++) {
            etch_fb_table t = etch_fb_table_at(ops, k);
            char name[128];
            etch_str base = etch_fb_get_str(t, ETCH_FB(Operator, name)), overload = etch_fb_get_str(t, ETCH_FB(Operator, overload));
            int n = base.len + overload.len > 100 ? 0
                    : snprintf(name, sizeof name, "%.*s.%.*s", ETCH_STR_ARGS(base), ETCH_STR_ARGS(overload));
            if (n > 0 && writes_caches(etch_str_of(name))) return NULL;
        }
    }
    return ETCH_ERR(ETCH_UNSUPPORTED, "kv_cache %s: the program writes no cache by llama::update_cache; export it with --use_custom_sdpa "
                                      "--use_custom_kv_cache", option);
}

etch_status *etch_rt__find_kv_cache(const etch_pte *pte, const char *option, int *out_id)
{
    *out_id = ETCH_CACHE_F32;
    if (!option) return NULL;
    int id = 0;
    while (etch_cache_name(id) && strcmp(etch_cache_name(id), option)) id++;
    if (!etch_cache_name(id)) return ETCH_ERR(ETCH_USAGE, "kv_cache '%s' is none of %s", option, etch_rt_kv_caches);
    if (id != ETCH_CACHE_F32) ETCH_TRY(want_writer(pte, option));
    *out_id = id;
    return NULL;
}

// ---- the caches of a method

#define NO(...) ETCH_ERR(ETCH_UNSUPPORTED, __VA_ARGS__)

static bool is_cache_arg(const etch_kern_narrow *row, int arg) { return row && arg < 32 && (row->caches >> arg & 1); }

static etch_rt_cache *find(etch_rt_method *m, const etch_rt_tensor *t)
{
    for (int i = 0; i < m->n_caches; i++)
        if (m->caches[i].home == t->t.data) return &m->caches[i];
    return NULL;
}

static etch_rt_value *value_of(etch_rt_method *m, const etch_tensor *t)
{
    for (int i = 0; i < m->n_values; i++)
        if (m->values[i].tensor && &m->values[i].tensor->t == t) return &m->values[i];
    return NULL;
}

// A cache that an instruction writes; what is no buffer of floats is refused.
static etch_status *add(etch_rt_method *m, const etch_tensor *t)
{
    const etch_rt_value *v = value_of(m, t);
    if (!v || t->dtype != ETCH_F32)
        return NO("a cache is %s, not float32 in row-major order", v ? etch_dtype_torch_name(t->dtype) : "a shadow");
    if (v->place != ETCH_PTE_PLANNED && v->place != ETCH_PTE_STATE) return NO("a cache is no buffer with a planned place");
    if (v->is_variable || v->is_input) return NO("a cache is %s", v->is_input ? "an input" : "a view that is made at run time");
    if (v->tensor->is_dynamic || t->rank != 4 || !etch_numel(t))
        return NO("a cache is not [batch, slots, heads, columns] with fixed sizes");
    if (find(m, v->tensor)) return NULL;
    etch_rt_cache *c = &m->caches[m->n_caches++];
    *c = (etch_rt_cache){ .home = v->home, .home_bytes = v->home_capacity, .batches = (size_t)t->sizes[0].v, .slots = (size_t)t->sizes[1].v,
                          .heads = (size_t)t->sizes[2].v, .d = (size_t)t->sizes[3].v };
    return NULL;
}

static bool overlaps(const etch_rt_cache *c, const uint8_t *p, size_t n)
{
    const uint8_t *home = c->home;
    return p && n && p < home + c->home_bytes && home < p + n;
}

static etch_rt_cache *touched(etch_rt_method *m, const etch_rt_value *v)
{
    for (int i = 0; i < m->n_caches; i++)
        if (overlaps(&m->caches[i], v->home, v->home_capacity)) return &m->caches[i];
    return NULL;
}

// A tensor in the memory of a cache must be the whole cache, in the same form.
static etch_status *check_value(etch_rt_method *m, const etch_rt_value *v, bool *out_is_cache)
{
    etch_rt_cache *c = v->tensor ? touched(m, v) : NULL;
    *out_is_cache = c != NULL;
    if (!c) return NULL;
    const etch_tensor *t = &v->tensor->t;
    bool same = v->home == c->home && t->dtype == ETCH_F32 && t->rank == 4 && !v->tensor->is_dynamic && !v->plain &&
                v->home_capacity == c->home_bytes;
    if (!same || (size_t)t->sizes[3].v != c->d || v->is_variable || v->is_input)
        return NO("a tensor of another form shares the memory of a cache");
    return NULL;
}

// ---- their uses

static etch_status *check_kernel(etch_rt_method *m, const bool *is_cache, etch_rt_instr *in)
{
    const etch_kern_narrow *row = etch_kern_find_narrow(in->op->id);
    int n = 0, uses = 0, wanted = 0;
    for (int i = 0; i < in->n_args; i++) {
        const etch_rt_value *v = in->args[i].kind == ETCH_V_TENSOR ? value_of(m, in->args[i].t) : NULL;
        bool is = v && is_cache[v - m->values];
        wanted += is_cache_arg(row, i);
        n += is && is_cache_arg(row, i);
    }
    for (int i = 0; i < m->n_values; i++) {
        if (!is_cache[i]) continue;
        for (int k = 0; k < in->n_ins; k++) uses += in->ins[k] == m->values[i].tensor;
        for (int k = 0; k < in->n_written; k++) uses += in->written[k] == m->values[i].tensor;
    }
    if (!uses) return NULL;
    if (uses != n || n != wanted)
        return NO("%s uses a cache otherwise than llama::update_cache and llama::custom_sdpa do", in->op->out_name);
    in->kern = row->run;
    return NULL;
}

static etch_status *check_use(etch_rt_method *m, const bool *is_cache, etch_rt_instr *in)
{
    if (in->kind == RT_KERNEL) return check_kernel(m, is_cache, in);
    for (int i = 0; i < m->n_values; i++) {
        if (!is_cache[i]) continue;
        bool is_used = false;
        for (int k = 0; k < in->n_tensors; k++) is_used = is_used || in->tensors[k] == m->values[i].tensor;
        for (int k = 0; k < in->n_vals; k++) is_used = is_used || in->vals[k] == &m->values[i];
        if (is_used) return NO("%s uses a cache", etch_rt__instr_name(in));
    }
    return NULL;
}

static etch_status *find_caches(etch_rt_method *m, bool *is_cache)
{
    ETCH_ALLOC(m->caches, &m->arena, sizeof *m->caches * (size_t)(m->n_instrs + 1));
    for (int i = 0; i < m->n_instrs; i++) {
        const etch_rt_instr *in = &m->instrs[i];
        const etch_kern_narrow *row = in->kind == RT_KERNEL ? etch_kern_find_narrow(in->op->id) : NULL;
        for (int k = 0; row && row->is_writer && k < in->n_args; k++)
            if (is_cache_arg(row, k)) ETCH_TRYF(add(m, in->args[k].t), "instruction %d (%s)", in->index, etch_rt__instr_name(in));
    }
    for (int i = 0; i < m->n_values; i++) ETCH_TRYF(check_value(m, &m->values[i], &is_cache[i]), "value %d", i);
    for (int i = 0; i < m->n_outputs; i++)
        if (is_cache[m->outputs[i]]) return NO("output %d is a cache", i);
    for (int i = 0; i < m->n_instrs; i++)
        ETCH_TRYF(check_use(m, is_cache, &m->instrs[i]), "instruction %d", m->instrs[i].index);
    return NULL;
}

// ---- their memory

// The caches lie one after the other, so that huge pages hold nothing else. After the last comes room that is never touched: two tensors
// are told apart by their float32 sizes (etch_rt__overlap), and no other tensor may seem to lie in a cache.
static etch_status *reserve(etch_rt_method *m, const bool *is_cache)
{
    const etch_cache_loops *loops = m->cx.attention->loops[m->cx.cache];
    size_t n = 0, widest = 0, limit = m->rt->opt.max_bytes ? m->rt->opt.max_bytes : SIZE_MAX / 256;
    for (int i = 0; i < m->n_caches; i++) {
        etch_rt_cache *c = &m->caches[i];
        c->at = n;
        // At most 32 bytes for one of the program's buffer, which is there (a slot of one column takes a whole block): no overflow.
        n = etch_align_up(n + c->batches * c->heads * etch_cache_head_bytes(loops, c->slots, c->d), ALIGN);
        widest = c->home_bytes > widest ? c->home_bytes : widest;
        if (n > limit || m->needed > limit - n)
            return ETCH_ERR(ETCH_NO_MEMORY, "the method needs more than %zu bytes of working memory", limit);
    }
    if (!n) return NULL;
    m->n_narrow = n + widest;
    m->narrow = mmap(NULL, m->n_narrow, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m->narrow == MAP_FAILED) {
        m->narrow = NULL;
        return ETCH_ERR(ETCH_NO_MEMORY, "cannot reserve %zu bytes for caches", m->n_narrow);
    }
    for (int i = 0; i < m->n_values; i++) {
        if (!is_cache[i]) continue;
        etch_rt_value *v = &m->values[i];
        v->cache = find(m, v->tensor);
        v->home = v->tensor->t.data = m->narrow + v->cache->at;
    }
    return NULL;
}

etch_status *etch_rt__narrow_caches(etch_rt_method *m)
{
    m->cx.cache = m->rt->kv_cache;
    if (m->cx.cache == ETCH_CACHE_F32) return NULL;
    bool *is_cache;
    ETCH_ALLOC(is_cache, &m->arena, sizeof *is_cache * (size_t)(m->n_values + 1));
    ETCH_TRYF(find_caches(m, is_cache), "kv_cache %s", etch_cache_name(m->cx.cache));
    return reserve(m, is_cache);
}

void etch_rt__fill_cache(const etch_rt_method *m, const etch_rt_value *v, const void *floats)
{
    const etch_cache_loops *loops = m->cx.attention->loops[m->cx.cache];
    const etch_rt_cache *k = v->cache;
    size_t slots = k->batches * k->slots, d = k->d;
    const float *row = floats;
    for (size_t i = 0; i < slots * k->heads; i++, row += d) {
        size_t b = i / k->heads / k->slots, slot = i / k->heads % k->slots, h = i % k->heads;
        bool is_zero = true;   // as the memory is: its pages stay untouched
        for (size_t c = 0; c < d; c++) is_zero = is_zero && row[c] == 0;
        if (!is_zero) etch_cache_put(loops, v->home, k->slots, d, b * k->heads + h, slot, row);
    }
}

void etch_rt__clear_caches(etch_rt_method *m)
{
    if (m->narrow && madvise(m->narrow, m->n_narrow, MADV_DONTNEED)) memset(m->narrow, 0, m->n_narrow);
}

void etch_rt__free_caches(etch_rt_method *m)
{
    if (m->narrow) munmap(m->narrow, m->n_narrow);
}
