// In: few queries (decoding). Out: attention. A task is a piece of the keys of all heads, read in the order of a cache [key, head, column];
// the pieces are joined by their maxima. On one machine the processor's own prefetch gave half of the memory's speed: keys are asked for.
#include "kern/attention/work.h"

#define STEP 8           // keys of a head before the next head's
#define AHEAD 8192       // bytes of all heads between what is read and what is asked for, about
#define PIECE 65536      // numbers of a piece, at least
#define PIECES 32        // at most

// Rows of all heads of one batch.
static size_t all_rows(const etch_attention_work *w) { return w->a->kv_heads * w->rows; }
static size_t part_floats(const etch_attention_work *w) { return all_rows(w) * (2 + w->a->dv); }

void etch_attention__plan_few(etch_attention_work *w)
{
    const etch_attention *a = w->a;
    size_t keys = PIECE / (a->kv_heads * (a->d + a->dv) + 1), n;
    keys = keys < STEP ? STEP : keys;
    n = (a->n_k + keys - 1) / keys;
    n = n > PIECES ? PIECES : n > 2 ? etch_align_up(n, 4) : n;   // threads end together
    w->piece = n ? (a->n_k + n - 1) / n : 1;
    w->pieces = n ? (a->n_k + w->piece - 1) / w->piece : 1;
    w->ahead = AHEAD / (a->kv_heads * w->loops->row_bytes(a->d) + 1) / STEP * STEP + STEP;
    w->worker_bytes = etch_align_up(sizeof(float) * all_rows(w) * KEYS, 64);
}

size_t etch_attention__few_parts(const etch_attention_work *w) { return w->a->batches * w->pieces * part_floats(w); }

// Asks for n rows of so many bytes, which will be read soon.
static void ask_for(const uint8_t *p, size_t ld, size_t n, size_t bytes)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < bytes; c += 64) __builtin_prefetch(p + i * ld + c);
}

static void score(const etch_attention_work *w, size_t b, size_t kv, size_t j, size_t n, float *s)
{
    const float *q[ETCH_ATTENTION_FEW];
    for (size_t r = 0; r < w->rows; r++) q[r] = etch_attention__query(w, b, kv, r);
    const etch_attention_rows *k = &w->a->k;
    size_t ld = k->row * w->unit, d = w->a->d;
    if (j + w->ahead + n <= w->a->n_k) ask_for(etch_attention__row(w, k, b, kv, j + w->ahead), ld, n, w->loops->row_bytes(d));
    w->loops->scores((int)w->rows, q, etch_attention__row(w, k, b, kv, j), ld, (int)n, d, w->a->scale, s);
}

static void add(const etch_attention_work *w, size_t b, size_t kv, size_t j, size_t n, const float *s, float *acc)
{
    const etch_attention_rows *v = &w->a->v;
    size_t ld = v->row * w->unit, dv = w->a->dv;
    if (j + w->ahead + STEP <= w->a->n_k) ask_for(etch_attention__row(w, v, b, kv, j + w->ahead), ld, STEP, w->loops->row_bytes(dv));
    w->loops->values((int)w->rows, s, etch_attention__row(w, v, b, kv, j), ld, (int)n, dv, acc);
}

static void run_piece(void *user, size_t task, int worker)
{
    const etch_attention_work *w = user;
    const etch_attention *a = w->a;
    size_t b = task / w->pieces, piece = task % w->pieces, from = piece * w->piece, to = from + w->piece, rows = w->rows, all = all_rows(w);
    float *s = (float *)(void *)(w->workers + (size_t)worker * w->worker_bytes);
    float *max = w->parts + task * part_floats(w), *sum = max + all, *acc = sum + all;
    for (size_t r = 0; r < all; r++) {
        max[r] = -INFINITY;
        sum[r] = 0;
    }
    memset(acc, 0, sizeof *acc * all * a->dv);
    size_t most = etch_attention__seen(w, rows - 1);
    if (to > most) to = most;
    for (size_t j = from; j < to; j += KEYS) {
        size_t n = to - j < KEYS ? to - j : KEYS;
        for (size_t t = 0; t < n; t += STEP)
            for (size_t kv = 0; kv < a->kv_heads; kv++) score(w, b, kv, j + t, n - t < STEP ? n - t : STEP, s + kv * rows * KEYS + t);
        for (size_t r = 0; r < all; r++) {
            size_t seen = etch_attention__seen(w, r % rows), own = seen < j ? 0 : seen - j < n ? seen - j : n;
            if (a->mask) etch_attention__mask(w, b, r / rows, r % rows, j, own, s + r * KEYS, 1);
            w->isa->soften((int)own, s + r * KEYS, &max[r], &sum[r], acc + r * a->dv, a->dv);
        }
        for (size_t t = 0; t < n; t += STEP)
            for (size_t kv = 0; kv < a->kv_heads; kv++)
                add(w, b, kv, j + t, n - t < STEP ? n - t : STEP, s + kv * rows * KEYS + t, acc + kv * rows * a->dv);
    }
}

static void join(void *user, size_t task, int worker)
{
    const etch_attention_work *w = user;
    (void)worker;
    size_t all = all_rows(w), b = task / all, r = task % all, step = part_floats(w), dv = w->a->dv;
    float *first = w->parts + b * w->pieces * step, top = -INFINITY, sum = 0, *out = first + 2 * all + r * dv;
    for (size_t i = 0; i < w->pieces; i++) top = first[i * step + r] > top ? first[i * step + r] : top;
    for (size_t i = 0; i < w->pieces; i++) {
        const float *part = first + i * step, *acc = part + 2 * all + r * dv;
        float f = part[r] == top || part[r] == -INFINITY ? 1.0f : expf(part[r] - top);
        sum += part[all + r] * f;
        for (size_t c = 0; c < dv; c++) out[c] = (i ? out[c] : 0) + acc[c] * f;
    }
    etch_attention__finish(w, b, r / w->rows, r % w->rows, out, sum);
}

void etch_attention__run_few(const etch_attention_work *w, etch_pool *pool)
{
    void *user = (void *)(uintptr_t)w;
    etch_pool_run(pool, w->a->batches * w->pieces, run_piece, user);
    size_t rows = w->a->batches * all_rows(w);
    etch_pool_run(rows * w->pieces * w->a->dv < 65536 ? NULL : pool, rows, join, user);
}
