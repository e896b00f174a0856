// Attention of one head. In: strided rows of q, k and v. Out: rows of the output, rounded once to its dtype.
#include "kern/attn.h"

#include <math.h>

#include "kern/elem.h"

enum { KEYS = 64 };

size_t kern_attn_work(int64_t d, int64_t dv) { return sizeof(float) * (size_t)(2 * d + 2 * dv); }

// Row r as f32: where it lies, or converted into buf.
static const float *row(const kern_rows *m, int64_t r, int64_t n, float *buf)
{
    int64_t at = m->off + r * m->rs;
    if (m->t->dtype == ETCH_F32) return (const float *)m->t->data + at;
    kern_load(buf, KERN_F32, m->t->data, m->t->dtype, at, n);
    if (m->scale) {
        float s = kern_get_f32(m->scale->data, m->scale->dtype, m->qoff + r * m->qrs);
        float z = m->zero ? kern_get_f32(m->zero->data, m->zero->dtype, m->qoff + r * m->qrs) : 0;
        for (int64_t i = 0; i < n; i++) buf[i] = (buf[i] - z) * s;
    }
    return buf;
}

static float masked(const kern_attn *a, int64_t r, int64_t j, float s)
{
    int64_t at = a->moff + r * a->mrs + j * a->mcs;
    if (a->mask->dtype == ETCH_BOOL) return ((const uint8_t *)a->mask->data)[at] ? s : -INFINITY;
    return s + kern_get_f32(a->mask->data, a->mask->dtype, at);
}

void kern_attn_head(const kern_attn *a)
{
    float *qbuf = a->work, *kbuf = qbuf + a->d, *vbuf = kbuf + a->d, *acc = vbuf + a->dv, s[KEYS];
    for (int64_t r = 0; r < a->n_q; r++) {
        const float *q = row(&a->q, r, a->d, qbuf);
        int64_t n = a->n_k;
        if (a->causal && r + a->first + 1 < n) n = r + a->first + 1;
        float max = -INFINITY, sum = 0;
        memset(acc, 0, sizeof(float) * (size_t)a->dv);
        for (int64_t j0 = 0; j0 < n; j0 += KEYS) {
            int64_t m = n - j0 < KEYS ? n - j0 : KEYS;
            float top = max;
            for (int64_t j = 0; j < m; j++) {
                s[j] = a->scale * kern_dot_f32(q, row(&a->k, j0 + j, a->d, kbuf), a->d);
                if (a->mask) s[j] = masked(a, r, j0 + j, s[j]);
                if (s[j] > top || s[j] != s[j]) top = s[j];
            }
            if (top == -INFINITY) continue;
            if (top != max) {
                float f = expf(max - top);
                sum *= f;
                for (int64_t i = 0; i < a->dv; i++) acc[i] *= f;
                max = top;
            }
            for (int64_t j = 0; j < m; j++) {
                float p = expf(s[j] - max);
                if (p == 0) continue;
                sum += p;
                kern_axpy_f32(acc, p, row(&a->v, j0 + j, a->dv, vbuf), a->dv);
            }
        }
        float f = sum == 0 ? 0 : 1.0f / sum;
        for (int64_t i = 0; i < a->dv; i++) acc[i] *= f;
        kern_store(a->out->data, a->out->dtype, a->out_off + r * a->out_rs, acc, KERN_F32, a->dv);
    }
}
