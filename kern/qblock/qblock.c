// In: activations and weights. Out: their products, on several threads.
//
// Tasks are runs of whole panels of `nr` columns of all jobs together. Columns that are left go through a panel that begins before them and
// gives some bits twice; a job that has fewer than `nr`, through one with rows of zeros.
#include "kern/qblock/qblock.h"

#include <string.h>

#include "base/num.h"
#include "kern/qblock/rows.h"
#include "kern/simd/ahead.h"

#define FAMILY qblock
#define KIND isa
#define ROWS "kern/qblock/kernels.def"
#include "kern/select.inc"

bool etch_qblock_fits(size_t k, size_t group) { return k && group && k % group == 0 && group % ETCH_QBLOCK == 0; }

// ---- activations

// Whole tiles: a tile of many rows reads all of them.
static size_t q_bytes(size_t m, size_t k) { return etch_align_up((m == 1 ? 1 : etch_align_up(m, ETCH_QBLOCK_MAX_MR)) * k, 64); }
static size_t sums_bytes(size_t m, size_t k) { return etch_align_up(m * (k / ETCH_QBLOCK) * sizeof(int32_t), 64); }

size_t etch_qblock_x_bytes(size_t m, size_t k) { return q_bytes(m, k) + sums_bytes(m, k) + 2 * etch_align_up(m * sizeof(float), 64); }

void etch_qblock_x_init(etch_qblock_x *x, size_t m, size_t k, void *memory)
{
    uint8_t *at = memory;
    *x = (etch_qblock_x){ .m = m, .k = k, .q = (int8_t *)at };
    x->sums = (int32_t *)(void *)(at += q_bytes(m, k));
    x->scale = (float *)(void *)(at += sums_bytes(m, k));
    x->zero = (float *)(void *)(at + etch_align_up(m * sizeof(float), 64));
}

void etch_qblock_x_set(const etch_qblock_isa *isa, const etch_qblock_x *x, size_t i, const int8_t *q, float scale, int32_t zero)
{
    size_t rows = isa->many && x->m >= isa->many->from ? (size_t)isa->mr : 1, at = i % rows;
    isa->set_x(q, x->k, x->q + (i - at) * x->k + at * ETCH_QBLOCK, rows * ETCH_QBLOCK, x->sums + i * (x->k / ETCH_QBLOCK));
    x->scale[i] = scale;
    x->zero[i] = (float)zero;
}

// ---- products

// A worker's memory: the panel, the scales of its columns, their bias, what few_columns needs, and the task after its last one.
typedef struct { size_t scales, bias, rows, z_sum, tile, next, all; } places;

static places worker_places(size_t k)
{
    places p = { .scales = k * ETCH_QBLOCK_MAX_NR };
    p.bias = p.scales + sizeof(float) * (k / ETCH_QBLOCK) * ETCH_QBLOCK_MAX_NR;
    p.z_sum = p.bias + sizeof(float) * ETCH_QBLOCK_MAX_NR;
    p.tile = p.z_sum + sizeof(float) * ETCH_QBLOCK_MAX_NR;
    p.next = p.tile + sizeof(float) * ETCH_QBLOCK_MAX_MR * ETCH_QBLOCK_MAX_NR;
    p.rows = p.next + sizeof(float) * ETCH_QBLOCK_MAX_NR;
    p.all = etch_align_up(p.rows + k / 2 * ETCH_QBLOCK_MAX_NR, 64);
    return p;
}

size_t etch_qblock_scratch(size_t k, int n_threads) { return (size_t)n_threads * worker_places(k).all; }

typedef struct {
    const etch_qblock_isa *isa;
    const etch_qblock_x *x;
    const etch_qblock_job *jobs;
    size_t units;        // panels a task
    uint8_t *scratch;
} work;

static etch_qblock_cols columns(const etch_qblock_job *job, size_t j, const float *scales, const float *no_bias)
{
    const etch_qblock_w *w = job->w;
    const float *bias = job->bias ? job->bias + j : no_bias;
    const uint8_t *end = w->w + w->n * (w->k / 2);
    return (etch_qblock_cols){ w->w + j * (w->k / 2), scales, w->z_sum + j, bias, w->k, w->group, job->lo, job->hi, w->w, end };
}

// Columns [j, j + nr) of one job.
static void some_columns(const work *s, const etch_qblock_job *job, size_t j, uint8_t *memory)
{
    const etch_qblock_x *x = s->x;
    const etch_qblock_isa *isa = s->isa;
    etch_qblock_w *w = job->w;
    const places at = worker_places(w->k);
    size_t nr = (size_t)isa->nr, mr = (size_t)isa->mr, groups = w->k / w->group, blocks = w->k / ETCH_QBLOCK, next = j + nr;
    float *scales = (float *)(void *)(memory + at.scales), *no_bias = (float *)(void *)(memory + at.bias);
    memset(no_bias, 0, sizeof(float) * nr);
    const etch_qblock_cols c = columns(job, j, scales, no_bias);
    isa->scales(w->scale + j * groups, groups, scales);
    if (!w->has_z_sum) isa->z_sums(&c, w->z_sum + j);
    if (x->m == 1) {
        isa->one_row(&c, x->q, x->sums, x->scale[0], x->zero[0], job->c + j);
        return;
    }
    isa->panel(c.w, w->k, memory);
    if (isa->many) isa->many->begin();
    // The weights of the next panel, which this thread probably needs then.
    etch_ahead weights = etch_ahead_of(w->w + next * (w->k / 2), next + nr <= w->n ? nr * (w->k / 2) : 0, (x->m + mr - 1) / mr);
    for (size_t i = 0; i < x->m; i += mr) {
        size_t m = x->m - i < mr ? x->m - i : mr;
        etch_ahead_ask(&weights);
        float *out = job->c + i * job->ldc + j;
        isa->tile((int)m, &c, memory, x->q + i * w->k, x->sums + i * blocks, x->scale + i, x->zero + i, out, job->ldc);
    }
    if (isa->many) isa->many->end();
}

// All columns of a job that has fewer than `nr`: rows of zeros below them.
static void few_columns(const work *s, const etch_qblock_job *job, uint8_t *memory)
{
    const etch_qblock_x *x = s->x;
    const etch_qblock_isa *isa = s->isa;
    const etch_qblock_w *w = job->w;
    const places at = worker_places(w->k);
    size_t n = w->n, nr = (size_t)isa->nr, mr = (size_t)isa->mr, groups = w->k / w->group, blocks = w->k / ETCH_QBLOCK;
    uint8_t *rows = memory + at.rows;
    float *scales = (float *)(void *)(memory + at.scales), *bias = (float *)(void *)(memory + at.bias);
    float *z_sum = (float *)(void *)(memory + at.z_sum), *tile = (float *)(void *)(memory + at.tile);
    memset(rows, 0x88, nr * (w->k / 2));
    memset(scales, 0, sizeof(float) * groups * nr);
    memset(bias, 0, sizeof(float) * nr);
    memcpy(rows, w->w, n * (w->k / 2));
    for (size_t r = 0; r < n; r++) {
        for (size_t g = 0; g < groups; g++) scales[g * nr + r] = etch_bf16_to_f32(w->scale[r * groups + g]);
        if (job->bias) bias[r] = job->bias[r];
    }
    const etch_qblock_cols c = { rows, scales, z_sum, bias, w->k, w->group, job->lo, job->hi, rows, rows + nr * (w->k / 2) };
    isa->z_sums(&c, z_sum);
    isa->panel(rows, w->k, memory);
    if (isa->many) isa->many->begin();
    for (size_t i = 0; i < x->m; i += mr) {
        size_t m = x->m - i < mr ? x->m - i : mr;
        isa->tile((int)m, &c, memory, x->q + i * w->k, x->sums + i * blocks, x->scale + i, x->zero + i, tile, nr);
        for (size_t r = 0; r < m; r++) memcpy(job->c + (i + r) * job->ldc, tile + r * nr, sizeof(float) * n);
    }
    if (isa->many) isa->many->end();
}

// What a thread or a product begins with; nobody has asked for it.
static void ask_first(const etch_qblock_job *job, size_t j, size_t nr)
{
    const etch_qblock_w *w = job->w;
    size_t groups = w->k / w->group;
    for (size_t b = 0; b < 2 * nr * groups; b += 64) __builtin_prefetch((const uint8_t *)(w->scale + j * groups) + b);
    etch_ahead_first(w->w, w->w + w->n * (w->k / 2), j * (w->k / 2));
}

// Whole panels are shared out; the last task also takes the columns that are left, in a panel that begins before them.
static size_t tasks(const work *s, const etch_qblock_job *job)
{
    size_t panels = job->w->n / (size_t)s->isa->nr;
    return panels ? (panels + s->units - 1) / s->units : 1;
}

static void one_task(void *user, size_t task, int worker)
{
    const work *s = user;
    const etch_qblock_job *job = s->jobs;
    size_t number = task;
    for (size_t n; (n = tasks(s, job)) <= task; job++) task -= n;
    const places at = worker_places(s->x->k);
    uint8_t *memory = s->scratch + (size_t)worker * at.all;
    size_t nr = (size_t)s->isa->nr, n = job->w->n, j = task * s->units * nr;
    size_t *next = (size_t *)(void *)(memory + at.next);
    size_t end = task + 1 == tasks(s, job) ? n : j + s->units * nr;
    if (n >= nr && (*next != number || task == 0)) ask_first(job, j, nr);
    *next = number + 1;
    if (n < nr) few_columns(s, job, memory);
    else for (; j < end; j += nr) some_columns(s, job, j + nr <= n ? j : n - nr, memory);
}

void etch_qblock_run(const etch_qblock_isa *isa, const etch_qblock_x *x, const etch_qblock_job *jobs, int n_jobs, etch_pool *pool,
                     void *scratch)
{
    if (!x->m) return;
    if (isa->many && x->m < isa->many->from) isa = isa->many->few;
    size_t nr = (size_t)isa->nr, n = 0, n_tasks = 0;
    for (int i = 0; i < n_jobs; i++) n += jobs[i].w->n;
    work s = { isa, x, jobs, 1, scratch };
    // One row: about eight tasks a thread, of at most 256 columns. More: a panel a task.
    if (x->m == 1) {
        s.units = n / (8 * (size_t)etch_pool_threads(pool)) / nr + 1;
        if (s.units > 256 / nr) s.units = 256 / nr;
    }
    for (int i = 0; i < n_jobs; i++) n_tasks += tasks(&s, &jobs[i]);
    if (x->m * n * x->k < 65536) pool = NULL;
    const places at = worker_places(x->k);
    for (int i = 0; i < etch_pool_threads(pool); i++) *(size_t *)(void *)(s.scratch + (size_t)i * at.all + at.next) = n_tasks;
    etch_pool_run(pool, n_tasks, one_task, &s);
    for (int i = 0; i < n_jobs; i++) jobs[i].w->has_z_sum = true;
}
