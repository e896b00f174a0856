// In: queries, keys, values. Out: attention, by few.c or many.c.
#include "kern/attention/attention.h"

#include "kern/attention/rows.h"
#include "kern/attention/work.h"

#define FAMILY attention
#define KIND isa
#define ROWS "kern/attention/kernels.def"
#include "kern/select.inc"

const char *etch_cache_name(int id)
{
    static const char *const names[] = {
        "file",
#define CACHE(suffix, name) name,
#include "kern/attention/caches.def"
#undef CACHE
    };
    return id >= 0 && id < ETCH_CACHE_N ? names[id] : NULL;
}

static bool is_few(const etch_attention_work *w) { return w->rows <= ETCH_ATTENTION_FEW; }

static size_t part_bytes(const etch_attention_work *w) { return etch_align_up(sizeof(float) * etch_attention__few_parts(w), 64); }

static etch_attention_work plan(const etch_attention_isa *isa, const etch_attention *a)
{
    etch_attention_work w = { .isa = isa, .a = a, .group = a->heads / a->kv_heads, .loops = isa->loops[a->cache] };
    bool is_rows = a->cache == ETCH_CACHE_F32;
    w.unit = is_rows ? sizeof(float) : 1;
    w.k_block = is_rows ? 0 : w.loops->block_bytes(a->d);
    w.v_block = is_rows ? 0 : w.loops->block_bytes(a->dv);
    w.rows = a->n_q * w.group;
    if (is_few(&w)) etch_attention__plan_few(&w);
    else etch_attention__plan_many(&w);
    return w;
}

size_t etch_attention_scratch(const etch_attention_isa *isa, const etch_attention *a, int n_threads)
{
    etch_attention_work w = plan(isa, a);
    size_t bytes = (size_t)n_threads * w.worker_bytes;
    return is_few(&w) ? bytes + part_bytes(&w) + sizeof(atomic_size_t) * etch_attention__few_groups(&w) : bytes;
}

void etch_attention_run(const etch_attention_isa *isa, const etch_attention *a, etch_pool *pool, void *scratch)
{
    if (!a->batches || !a->heads || !a->n_q) return;
    etch_attention_work w = plan(isa, a);
    w.workers = scratch;
    w.parts = (float *)(void *)(w.workers + (size_t)etch_pool_threads(pool) * w.worker_bytes);
    if (is_few(&w)) w.ended = (atomic_size_t *)(void *)((uint8_t *)w.parts + part_bytes(&w));
    if (a->batches * a->kv_heads * w.rows * a->n_k * (a->d + a->dv) < 65536) pool = NULL;
    if (is_few(&w)) etch_attention__run_few(&w, pool);
    else etch_attention__run_many(&w, pool);
}
