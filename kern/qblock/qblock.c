// In: activations and weights. Out: their products, on several threads.
//
// Tasks are runs of columns of all jobs together. Columns that do not fill the `nr` of an instruction set go through the reference rows,
// which give the same bits.
#include "kern/qblock/qblock.h"

#include <string.h>

#include "base/num.h"
#include "kern/qblock/rows.h"

static const etch_qblock_isa *const isas[] = {
#define ISA(suffix, features) &etch_qblock__##suffix,
#include "kern/qblock/kernels.def"
#undef ISA
    NULL,
};

const etch_qblock_isa *etch_qblock_isa_row(int i) { return i >= 0 && (size_t)i < sizeof isas / sizeof *isas ? isas[i] : NULL; }

const etch_qblock_isa *etch_qblock_select(unsigned features)
{
    const etch_qblock_isa *best = isas[0];
    for (size_t i = 0; isas[i]; i++)
        if ((isas[i]->needs & features) == isas[i]->needs) best = isas[i];
    return best;
}

bool etch_qblock_fits(size_t k, size_t group) { return k && group && k % group == 0 && group % ETCH_QBLOCK == 0; }

// ---- activations

static size_t q_bytes(size_t m, size_t k) { return etch_align_up(m * k, 64); }
static size_t sums_bytes(size_t m, size_t k) { return etch_align_up(m * (k / ETCH_QBLOCK) * 2 * sizeof(int16_t), 64); }

size_t etch_qblock_x_bytes(size_t m, size_t k) { return q_bytes(m, k) + sums_bytes(m, k) + 2 * etch_align_up(m * sizeof(float), 64); }

void etch_qblock_x_init(etch_qblock_x *x, size_t m, size_t k, void *memory)
{
    uint8_t *at = memory;
    *x = (etch_qblock_x){ .m = m, .k = k, .q = (int8_t *)at };
    x->sums = (int16_t *)(void *)(at += q_bytes(m, k));
    x->scale = (float *)(void *)(at += sums_bytes(m, k));
    x->zero = (float *)(void *)(at + etch_align_up(m * sizeof(float), 64));
}

void etch_qblock_x_set(const etch_qblock_isa *isa, const etch_qblock_x *x, size_t i, const int8_t *q, float scale, int32_t zero)
{
    isa->set_x(q, x->k, x->q + i * x->k, x->sums + i * (x->k / ETCH_QBLOCK) * 2);
    x->scale[i] = scale;
    x->zero[i] = (float)zero;
}

// ---- products

// A worker's memory: the panel, its scales, its bias; few_columns: also sums and a row of results.
static size_t panel_bytes(size_t k) { return k * ETCH_QBLOCK_MAX_NR; }
static size_t worker_bytes(size_t k)
{
    return panel_bytes(k) + sizeof(float) * (k / ETCH_QBLOCK * ETCH_QBLOCK_MAX_NR + 3 * ETCH_QBLOCK_MAX_NR);
}

size_t etch_qblock_scratch(size_t k, int n_threads) { return (size_t)n_threads * etch_align_up(worker_bytes(k), 64); }

typedef struct { const etch_qblock_isa *isa; const etch_qblock_x *x; const etch_qblock_job *jobs; size_t columns; uint8_t *scratch; } work;

// Columns [j, j + isa->nr) of one job.
static void some_columns(const work *s, const etch_qblock_isa *isa, const etch_qblock_job *job, size_t j, uint8_t *memory)
{
    const etch_qblock_x *x = s->x;
    etch_qblock_w *w = job->w;
    size_t nr = (size_t)isa->nr, groups = w->k / w->group, blocks = x->k / ETCH_QBLOCK;
    float *scales = (float *)(void *)(memory + panel_bytes(w->k)), *bias = scales + groups * nr;
    for (size_t r = 0; r < nr; r++) bias[r] = job->bias ? job->bias[j + r] : 0;
    etch_qblock_cols c = { w->w + j * (w->k / 2), scales, w->z_sum + j, bias, w->k, w->group, job->lo, job->hi };
    isa->scales(w->scale + j * groups, groups, scales);
    if (!w->has_z_sum) isa->z_sums(&c, w->z_sum + j);
    if (x->m == 1) {
        isa->one_row(&c, x->q, x->sums, x->scale[0], x->zero[0], job->c + j);
        return;
    }
    isa->panel(c.w, w->k, memory);
    for (size_t i = 0; i < x->m; i += (size_t)isa->mr) {
        size_t m = x->m - i < (size_t)isa->mr ? x->m - i : (size_t)isa->mr;
        isa->tile((int)m, &c, memory, x->q + i * x->k, x->sums + i * blocks * 2, x->scale + i, x->zero + i, job->c + i * job->ldc + j, job->ldc);
    }
}

// Fewer columns than any instruction set takes: the last `nr` of the reference again, or rows of zeros below them.
static void few_columns(const work *s, const etch_qblock_job *job, size_t j, size_t n, uint8_t *memory)
{
    const etch_qblock_isa *ref = isas[0];
    etch_qblock_w *w = job->w;
    size_t nr = (size_t)ref->nr, groups = w->k / w->group, blocks = w->k / ETCH_QBLOCK;
    uint8_t *rows = memory;
    float *scales = (float *)(void *)(memory + panel_bytes(w->k)), *bias = scales + groups * nr, *z_sum = bias + nr, *out = z_sum + nr;
    memset(rows, 0x88, nr * w->k / 2);
    memset(scales, 0, sizeof(float) * groups * nr);
    memset(bias, 0, sizeof(float) * nr);
    memcpy(rows, w->w + j * (w->k / 2), n * w->k / 2);
    for (size_t r = 0; r < n; r++) {
        for (size_t g = 0; g < groups; g++) scales[g * nr + r] = etch_bf16_to_f32(w->scale[(j + r) * groups + g]);
        if (job->bias) bias[r] = job->bias[j + r];
    }
    etch_qblock_cols c = { rows, scales, z_sum, bias, w->k, w->group, job->lo, job->hi };
    ref->z_sums(&c, z_sum);
    for (size_t i = 0; i < s->x->m; i++) {
        ref->one_row(&c, s->x->q + i * w->k, s->x->sums + i * blocks * 2, s->x->scale[i], s->x->zero[i], out);
        memcpy(job->c + i * job->ldc + j, out, sizeof(float) * n);
    }
}

static void one_task(void *user, size_t task, int worker)
{
    const work *s = user;
    const etch_qblock_job *job = s->jobs;
    for (size_t tasks; (tasks = (job->w->n + s->columns - 1) / s->columns) <= task; job++) task -= tasks;
    uint8_t *memory = s->scratch + (size_t)worker * etch_align_up(worker_bytes(s->x->k), 64);
    size_t j = task * s->columns, end = j + s->columns < job->w->n ? j + s->columns : job->w->n;
    size_t nr = (size_t)s->isa->nr, ref_nr = (size_t)isas[0]->nr;
    for (; j + nr <= end; j += nr) some_columns(s, s->isa, job, j, memory);
    for (; j + ref_nr <= end; j += ref_nr) some_columns(s, isas[0], job, j, memory);
    if (j < end) few_columns(s, job, j, end - j, memory);
}

void etch_qblock_run(const etch_qblock_isa *isa, const etch_qblock_x *x, const etch_qblock_job *jobs, int n_jobs, etch_pool *pool, void *scratch)
{
    size_t nr = (size_t)isa->nr, n = 0, tasks = 0;
    if (!x->m) return;
    for (int i = 0; i < n_jobs; i++) n += jobs[i].w->n;
    // One row: about eight tasks a thread, of at most 256 columns. More: a panel a task.
    size_t a_task = x->m > 1 ? nr : n / (8 * (size_t)etch_pool_threads(pool));
    a_task = a_task > 256 ? 256 : etch_align_up(a_task + 1, nr);
    for (int i = 0; i < n_jobs; i++) tasks += (jobs[i].w->n + a_task - 1) / a_task;
    if (x->m * n * x->k < 65536) pool = NULL;
    work s = { isa, x, jobs, a_task, scratch };
    etch_pool_run(pool, tasks, one_task, &s);
    for (int i = 0; i < n_jobs; i++) jobs[i].w->has_z_sum = true;
}
