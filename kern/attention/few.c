// In: few queries (decoding). Out: attention. A task is a piece of the keys: of all heads, read in the order of a cache of rows
// [key, head, column], or of one head of a cache of blocks. The pieces are joined by their maxima.
#include "kern/attention/work.h"

#define STEP 8           // rows: keys of a head before the next head's
#define AHEAD 8192       // rows: bytes of all heads between what is read and what is asked for, about
#define SPAN ETCH_ATTENTION_SPAN
#define PIECE 65536      // numbers of a piece, at least
#define PIECES 32        // at most

// A head of keys, and the next one's keys; its queries and scores, and the part of this piece.
typedef struct { const uint8_t *k, *v, *then; uint8_t *q; float *s, *max, *sum, *acc; } head_work;

static size_t part_floats(const etch_attention_work *w) { return w->rows * (2 + w->a->dv); }

void etch_attention__plan_few(etch_attention_work *w)
{
    const etch_attention *a = w->a;
    size_t whole = w->k_block ? ETCH_CACHE_BLOCK : 1;   // a piece begins with a block
    w->together = w->k_block ? 1 : a->kv_heads;
    w->step = w->k_block ? SPAN : STEP;
    w->span = w->k_block ? SPAN : KEYS;
    size_t keys = PIECE / (w->together * (a->d + a->dv) + 1), n;
    keys = keys < STEP ? STEP : keys;
    n = (a->n_k + keys - 1) / keys;
    n = n > PIECES ? PIECES : n > 2 ? etch_align_up(n, 4) : n;   // threads end together
    w->piece = n ? etch_align_up((a->n_k + n - 1) / n, whole) : 1;
    w->pieces = n ? (a->n_k + w->piece - 1) / w->piece : 1;
    if (w->pieces == 1) w->together = 1;   // one task would be one thread's
    w->ahead = AHEAD / (a->kv_heads * a->d * sizeof(float) + 1) / STEP * STEP + STEP;
    w->query_bytes = w->loops->query_bytes(a->d);
    w->worker_bytes = etch_align_up(w->together * (sizeof(head_work) + w->rows * (sizeof(float) * SPAN + w->query_bytes)), 64);
}

// Of a batch: [head of keys, piece, part].
static float *part(const etch_attention_work *w, size_t b, size_t kv, size_t piece)
{
    return w->parts + ((b * w->a->kv_heads + kv) * w->pieces + piece) * part_floats(w);
}

size_t etch_attention__few_parts(const etch_attention_work *w) { return w->a->batches * w->a->kv_heads * w->pieces * part_floats(w); }

// Where key or value j lies; a block begins there. *ld: bytes from one to the next.
static const uint8_t *at(const etch_attention_work *w, const uint8_t *head, const etch_attention_rows *x, size_t block, size_t j,
                         size_t *ld)
{
    *ld = block ? block / ETCH_CACHE_BLOCK : x->row * w->unit;
    return block ? head + j / ETCH_CACHE_BLOCK * block : head + j * *ld;
}

// Rows: those some way ahead are asked for. Blocks: the values of these keys, and then the keys that follow, be they the next head's. At
// the end: once more the same.
static void score(const etch_attention_work *w, const head_work *x, size_t j, size_t n, float *s)
{
    const etch_attention *a = w->a;
    size_t ld;
    const uint8_t *k = at(w, x->k, &a->k, w->k_block, j, &ld), *next = k + w->ahead * ld;
    if (w->k_block) next = at(w, x->v, &a->v, w->v_block, j, &(size_t){ 0 });
    else if (j + w->ahead + n > a->n_k) next = k;
    w->loops->scores((int)w->rows, x->q, k, ld, (int)n, a->d, s, next);
}

static void add(const etch_attention_work *w, const head_work *x, size_t j, size_t n, const float *s)
{
    const etch_attention *a = w->a;
    size_t ld;
    const uint8_t *v = at(w, x->v, &a->v, w->v_block, j, &ld), *next = v + w->ahead * ld;
    if (w->v_block) next = j + n < a->n_k ? at(w, x->k, &a->k, w->k_block, j + n, &(size_t){ 0 }) : x->then ? x->then : v;
    else if (j + w->ahead + n > a->n_k) next = v;
    w->loops->values((int)w->rows, s, v, ld, (int)n, a->dv, x->acc, next);
}

static void begin(const etch_attention_work *w, size_t b, size_t kv, size_t piece, head_work *x)
{
    const etch_attention *a = w->a;
    x->k = etch_attention__head(w, &a->k, b, kv);
    x->v = etch_attention__head(w, &a->v, b, kv);
    x->then = kv + 1 < a->kv_heads ? etch_attention__head(w, &a->k, b, kv + 1) : NULL;
    x->max = part(w, b, kv, piece);
    x->sum = x->max + w->rows;
    x->acc = x->sum + w->rows;
    for (size_t r = 0; r < w->rows; r++) {
        x->max[r] = -INFINITY;
        x->sum[r] = 0;
        w->loops->prepare(etch_attention__query(w, b, kv, r), a->d, a->scale, x->q + r * w->query_bytes);
    }
    memset(x->acc, 0, sizeof *x->acc * w->rows * a->dv);
}

static void soften(const etch_attention_work *w, const head_work *x, size_t b, size_t kv, size_t j, size_t n)
{
    const etch_attention *a = w->a;
    for (size_t r = 0; r < w->rows; r++) {
        float *s = x->s + r * SPAN;
        size_t seen = etch_attention__seen(w, r), own = seen < j ? 0 : seen - j < n ? seen - j : n;
        if (a->mask) etch_attention__mask(w, b, kv, r, j, own, s, 1);
        w->isa->soften((int)own, (int)n, s, &x->max[r], &x->sum[r], x->acc + r * a->dv, a->dv);
    }
}

static void run_piece(void *user, size_t task, int worker)
{
    const etch_attention_work *w = user;
    const etch_attention *a = w->a;
    size_t piece = task % w->pieces, group = task / w->pieces, groups = a->kv_heads / w->together, b = group / groups,
           kv = group % groups * w->together;
    size_t from = piece * w->piece, to = from + w->piece, most = etch_attention__seen(w, w->rows - 1);
    if (to > most) to = most;
    head_work *x = (head_work *)(void *)(w->workers + (size_t)worker * w->worker_bytes), *end = x + w->together;
    for (size_t h = 0; h < w->together; h++) {
        x[h].s = (float *)(void *)end + h * w->rows * SPAN;
        x[h].q = (uint8_t *)end + sizeof(float) * w->together * w->rows * SPAN + h * w->rows * w->query_bytes;
        begin(w, b, kv + h, piece, &x[h]);
    }
    for (size_t j = from; j < to; j += w->span) {
        size_t n = to - j < w->span ? to - j : w->span;
        for (size_t t = 0; t < n; t += w->step)
            for (size_t h = 0; h < w->together; h++) score(w, &x[h], j + t, n - t < w->step ? n - t : w->step, x[h].s + t);
        for (size_t h = 0; h < w->together; h++) soften(w, &x[h], b, kv + h, j, n);
        for (size_t t = 0; t < n; t += w->step)
            for (size_t h = 0; h < w->together; h++) add(w, &x[h], j + t, n - t < w->step ? n - t : w->step, x[h].s + t);
    }
}

static void join(void *user, size_t task, int worker)
{
    const etch_attention_work *w = user;
    (void)worker;
    size_t head = task / w->rows, r = task % w->rows, b = head / w->a->kv_heads, kv = head % w->a->kv_heads, step = part_floats(w),
           dv = w->a->dv;
    float *first = part(w, b, kv, 0), top = -INFINITY, sum = 0, weights[PIECES];
    for (size_t i = 0; i < w->pieces; i++) top = first[i * step + r] > top ? first[i * step + r] : top;
    for (size_t i = 0; i < w->pieces; i++) {
        const float *from = first + i * step;
        weights[i] = from[r] == top || from[r] == -INFINITY ? 1.0f : expf(from[r] - top);
        sum += from[w->rows + r] * weights[i];
    }
    w->isa->join(first + 2 * w->rows + r * dv, step, w->pieces, weights, dv, etch_attention__factor(w, sum),
                 etch_attention__out(w, b, kv, r));
}

void etch_attention__run_few(const etch_attention_work *w, etch_pool *pool)
{
    void *user = (void *)(uintptr_t)w;
    const etch_attention *a = w->a;
    etch_pool_run(pool, a->batches * (a->kv_heads / w->together) * w->pieces, run_piece, user);
    size_t rows = a->batches * a->kv_heads * w->rows;
    etch_pool_run(rows * w->pieces * a->dv < 65536 ? NULL : pool, rows, join, user);
}
