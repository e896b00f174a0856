// In: few queries (decoding). Out: attention. A task is a piece of the keys: of all heads, read in the order of a cache of rows
// [key, head, column], or of one head of a cache of blocks. The pieces are joined by their maxima, by whoever ends the last of them.
#include <stdatomic.h>

#include "kern/attention/work.h"

#define STEP 4           // rows: keys of a head before the next head's
#define AHEAD 8192       // rows: bytes of all heads between what is read and what is asked for, about
#define SPAN ETCH_ATTENTION_SPAN
#define SPAN_BYTES 17408 // blocks: of the keys between two corrections, about; as many values fit a first-level cache beside them
#define PIECE 65536      // numbers of a piece, at least
#define PIECES 32        // at most

// A head of keys, and the next one's keys; its queries and scores, and the part of this piece.
typedef struct { const uint8_t *k, *v, *then; uint8_t *q; float *s, *max, *sum, *acc; } head_work;
// A thread's scratch begins with it: the group of heads whose queries are prepared there, counted from 1.
typedef struct { _Alignas(64) size_t prepared; } desk;

static size_t part_floats(const etch_attention_work *w) { return w->rows * (2 + w->a->dv); }

void etch_attention__plan_few(etch_attention_work *w)
{
    const etch_attention *a = w->a;
    size_t whole = w->k_block ? ETCH_CACHE_BLOCK : 1;   // a piece begins with a block
    w->together = w->k_block ? 1 : a->kv_heads;
    w->span = KEYS;
    w->step = STEP;
    if (w->k_block) {
        w->span = etch_align_up(SPAN_BYTES / w->k_block * ETCH_CACHE_BLOCK, SPAN / 2);
        w->step = w->span = w->span < SPAN / 2 ? SPAN / 2 : w->span > SPAN ? SPAN : w->span;
    }
    size_t keys = PIECE / (w->together * (a->d + a->dv) + 1), n;
    keys = keys < STEP ? STEP : keys;
    n = (a->n_k + keys - 1) / keys;
    n = n > PIECES ? PIECES : n > 2 ? etch_align_up(n, 4) : n;   // threads end together
    w->piece = n ? etch_align_up((a->n_k + n - 1) / n, whole) : 1;
    w->pieces = n ? (a->n_k + w->piece - 1) / w->piece : 1;
    if (w->pieces == 1) w->together = 1;   // one task would be one thread's
    w->ahead = AHEAD / (a->kv_heads * a->d * sizeof(float) + 1) / STEP * STEP + STEP;
    w->query_bytes = w->loops->query_bytes(a->d);
    size_t head_bytes = sizeof(head_work) + w->rows * (sizeof(float) * SPAN + w->query_bytes);
    w->worker_bytes = sizeof(desk) + etch_align_up(w->together * head_bytes, 64);
}

// Of a batch: [head of keys, piece, part].
static float *part(const etch_attention_work *w, size_t b, size_t kv, size_t piece)
{
    return w->parts + ((b * w->a->kv_heads + kv) * w->pieces + piece) * part_floats(w);
}

size_t etch_attention__few_parts(const etch_attention_work *w) { return w->a->batches * w->a->kv_heads * w->pieces * part_floats(w); }
size_t etch_attention__few_groups(const etch_attention_work *w) { return w->a->batches * w->a->kv_heads / w->together; }

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
    }
    memset(x->acc, 0, sizeof *x->acc * w->rows * a->dv);
}

static void soften(const etch_attention_work *w, const head_work *x, size_t b, size_t kv, size_t j, size_t n)
{
    const etch_attention *a = w->a;
    int own[ETCH_ATTENTION_FEW];
    for (size_t r = 0; r < w->rows; r++) {
        size_t seen = etch_attention__seen(w, r), some = seen < j ? 0 : seen - j < n ? seen - j : n;
        if (a->mask) etch_attention__mask(w, b, kv, r, j, some, x->s + r * SPAN, 1);
        own[r] = (int)some;
    }
    w->isa->soften((int)w->rows, own, (int)n, x->s, x->max, x->sum, x->acc, a->dv);
}

static void join(const etch_attention_work *w, size_t b, size_t kv, size_t r)
{
    size_t step = part_floats(w), dv = w->a->dv;
    float *first = part(w, b, kv, 0), top = -INFINITY, sum = 0, weights[PIECES];
    for (size_t i = 0; i < w->pieces; i++) top = first[i * step + r] > top ? first[i * step + r] : top;
    for (size_t i = 0; i < w->pieces; i++) {
        const float *from = first + i * step;
        weights[i] = from[r] == top || from[r] == -INFINITY ? 1.0f : expf(from[r] - top);
        sum += from[w->rows + r] * weights[i];
    }
    float *out = etch_attention__out(w, b, kv, r);
    w->isa->join(first + 2 * w->rows + r * dv, step, w->pieces, weights, dv, etch_attention__factor(w, sum), out);
    if (w->loops->finish) w->loops->finish(out, dv);
}

static void run_piece(void *user, size_t task, int worker)
{
    const etch_attention_work *w = user;
    const etch_attention *a = w->a;
    size_t piece = task % w->pieces, group = task / w->pieces, groups = a->kv_heads / w->together, b = group / groups,
           kv = group % groups * w->together;
    size_t from = piece * w->piece, to = from + w->piece, most = etch_attention__seen(w, w->rows - 1);
    if (to > most) to = most;
    desk *own = (desk *)(void *)(w->workers + (size_t)worker * w->worker_bytes);
    head_work *x = (head_work *)(void *)(own + 1), *end = x + w->together;
    for (size_t h = 0; h < w->together; h++) {
        x[h].s = (float *)(void *)end + h * w->rows * SPAN;
        x[h].q = (uint8_t *)end + sizeof(float) * w->together * w->rows * SPAN + h * w->rows * w->query_bytes;
        begin(w, b, kv + h, piece, &x[h]);
        for (size_t r = 0; r < w->rows && own->prepared != group + 1; r++)
            w->loops->prepare(etch_attention__query(w, b, kv + h, r), a->d, a->scale, x[h].q + r * w->query_bytes);
    }
    own->prepared = group + 1;
    for (size_t j = from; j < to; j += w->span) {
        size_t n = to - j < w->span ? to - j : w->span;
        for (size_t t = 0; t < n; t += w->step)
            for (size_t h = 0; h < w->together; h++) score(w, &x[h], j + t, n - t < w->step ? n - t : w->step, x[h].s + t);
        for (size_t h = 0; h < w->together; h++) soften(w, &x[h], b, kv + h, j, n);
        for (size_t t = 0; t < n; t += w->step)
            for (size_t h = 0; h < w->together; h++) add(w, &x[h], j + t, n - t < w->step ? n - t : w->step, x[h].s + t);
    }
    if (atomic_fetch_add_explicit(&w->ended[group], 1, memory_order_acq_rel) + 1 < w->pieces) return;
    for (size_t h = 0; h < w->together; h++)
        for (size_t r = 0; r < w->rows; r++) join(w, b, kv + h, r);
}

void etch_attention__run_few(const etch_attention_work *w, etch_pool *pool)
{
    size_t groups = etch_attention__few_groups(w);
    for (size_t i = 0; i < groups; i++) atomic_init(&w->ended[i], 0);
    for (int i = 0; i < etch_pool_threads(pool); i++) ((desk *)(void *)(w->workers + (size_t)i * w->worker_bytes))->prepared = 0;
    etch_pool_run(pool, groups * w->pieces, run_piece, (void *)(uintptr_t)w);
}
