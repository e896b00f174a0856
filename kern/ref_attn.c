// Attention ops: aten::scaled_dot_product_attention, llama::custom_sdpa and its relatives, llama::update_cache.
// In: queries, keys, values (or a cache that is written). Out: the attention's output. Positions and indices are checked first.
#include <math.h>

#include "kern/attention/attention.h"
#include "kern/attn.h"
#include "kern/copy.h"
#include "kern/elem.h"

// ---- caches ----

// n slots of batch b of `value` from slot `from` on become slots of the cache from `to` on. `loops`: those of the type in which the cache
// lies, or NULL.
static void put_slots(const etch_cache_loops *loops, etch_tensor *cache, int64_t to, const etch_tensor *value, int64_t b, int64_t from,
                      int64_t n)
{
    int64_t row = kern_prod(value, 2, 4), d = kern_size(value, 3), heads = kern_size(value, 2), slots = kern_size(cache, 1);
    int64_t first = (b * kern_size(value, 1) + from) * row;
    if (!loops) {
        kern_copy_cast(cache->data, cache->dtype, (b * slots + to) * row, value->data, value->dtype, first, n * row);
        return;
    }
    const float *x = (const float *)value->data + first;
    for (int64_t j = 0; j < n; j++)
        for (int64_t h = 0; h < heads; h++, x += d)
            etch_cache_put(loops, cache->data, (size_t)slots, (size_t)d, (size_t)(b * heads + h), (size_t)(to + j), x);
}

// Writes value [B, S, H, D] into cache [B, Smax, H, D] at start, or row by row at indices [B, S].
static etch_status *update(const etch_cache_loops *loops, const etch_tensor *value, etch_tensor *cache, int64_t start,
                           const etch_tensor *indices)
{
    ETCH_TRY(kern_want_rank(value, "the value", 4, 4));
    ETCH_TRY(kern_want_rank(cache, "the cache", 4, 4));
    if (value->dtype != cache->dtype)
        return ETCH_ERR(ETCH_INVALID, "the cache is %s, the value %s", etch_dtype_name(cache->dtype), etch_dtype_name(value->dtype));
    if (loops) ETCH_TRY(kern_want_dtype(cache, "the cache", ETCH_F32));
    int64_t b = kern_size(value, 0), s = kern_size(value, 1), max = kern_size(cache, 1);
    if (kern_size(cache, 0) != b || kern_size(cache, 2) != kern_size(value, 2) || kern_size(cache, 3) != kern_size(value, 3))
        return ETCH_ERR(ETCH_INVALID, "the value does not fit the cache");
    if (indices) {
        ETCH_TRY(kern_want_sizes(indices, "the indices", 2, (int64_t[2]){ b, s }));
        ETCH_TRY(kern_want_in_range(indices, "the indices", max, false));
        for (int64_t i = 0; i < b; i++)
            for (int64_t j = 0; j < s; j++) put_slots(loops, cache, kern_get_index(indices, i * s + j), value, i, j, 1);
        return NULL;
    }
    if (start < 0 || start > max || s > max - start)
        return ETCH_ERR(ETCH_INVALID, "%lld positions from %lld on do not fit a cache of %lld", (long long)s, (long long)start,
                        (long long)max);
    for (int64_t i = 0; i < b; i++) put_slots(loops, cache, start, value, i, 0, s);
    return NULL;
}
static etch_status *update_at(const etch_cache_loops *loops, const etch_val *args, int n_args)
{
    ETCH_TRY(kern_begin(args, n_args, 3, NULL, 0, 0));
    const etch_tensor *v, *c;
    int64_t start;
    ETCH_TRY(kern_tensor(args, 0, &v));
    ETCH_TRY(kern_tensor(args, 1, &c));
    ETCH_TRY(kern_int(args, 2, &start));
    return update(loops, v, args[1].t, start, NULL);
}
static etch_status *update_with_indices(const etch_cache_loops *loops, const etch_val *args, int n_args)
{
    ETCH_TRY(kern_begin(args, n_args, 4, NULL, 0, 0));
    const etch_tensor *v, *c, *idx;
    ETCH_TRY(kern_tensor(args, 0, &v));
    ETCH_TRY(kern_tensor(args, 1, &c));
    ETCH_TRY(kern_tensor(args, 3, &idx));
    return update(loops, v, args[1].t, 0, idx);
}
// update_cache(value, cache, start_pos): the output is a dummy that nobody reads.
KERNEL(update_cache) { return update_at(NULL, args, n_args); }
// update_cache_with_indices(value, cache, start_pos, indices)
KERNEL(update_cache_with_indices) { return update_with_indices(NULL, args, n_args); }
// The same into a cache of the type cx->cache.
KERNEL(update_cache_narrow) { return update_at(cx->attention->loops[cx->cache], args, n_args); }
KERNEL(update_cache_with_indices_narrow) { return update_with_indices(cx->attention->loops[cx->cache], args, n_args); }

// ---- attention of the runners ----

typedef struct quant { const etch_tensor *scale, *zero; } quant;

// q [B, S, Hq, D], k and v [B, Skv, Hkv, D] (`heads_first`: [B, H, S, D]). Without a mask keys end at start + S.
typedef struct sdpa {
    const etch_tensor *q, *k, *v, *mask;
    quant qq, qk, qv;
    int64_t start;
    bool causal, heads_first;
    double scale;                  // 0: 1 / sqrt(D)
    etch_cache_id cache;           // how k and v lie
} sdpa;

static etch_status *check_operand(const etch_tensor *t, const quant *p, const char *what)
{
    ETCH_TRY(kern_want_rank(t, what, 4, 4));
    if (t->dtype != ETCH_I8 && !etch_dtype_is_float(t->dtype)) return ETCH_ERR(ETCH_INVALID, "%s is %s", what, etch_dtype_name(t->dtype));
    if (t->dtype != ETCH_I8) return NULL;
    if (!p->scale || !p->zero) return ETCH_ERR(ETCH_INVALID, "%s is i8 without scales and zero points", what);
    int64_t want[4] = { kern_size(t, 0), kern_size(t, 1), kern_size(t, 2), 1 };
    ETCH_TRY(kern_want_sizes(p->scale, "the scales", 4, want));
    ETCH_TRY(kern_want_sizes(p->zero, "the zero points", 4, want));
    ETCH_TRY(kern_want_dtype(p->scale, "the scales", ETCH_F32));
    return kern_want_dtype(p->zero, "the zero points", ETCH_I8);
}

static kern_rows rows(const etch_tensor *t, const quant *p, int64_t b, int64_t h, bool heads_first)
{
    int64_t d = kern_size(t, 3), n1 = kern_size(t, 1), n2 = kern_size(t, 2);
    kern_rows r = { .t = t };
    int64_t first = b * n1 * n2 + (heads_first ? h * n2 : h);
    r.off = first * d;
    r.rs = heads_first ? d : n2 * d;
    if (t->dtype != ETCH_I8) return r;
    r.scale = p->scale;
    r.zero = p->zero;
    r.qoff = first;
    r.qrs = heads_first ? 1 : n2;
    return r;
}

static size_t stride(int64_t n) { return (size_t)n; }

// fp32 operands: the family of kernels for this machine. `ms`: strides of the mask over batch, head, query, key.
static etch_status *run_f32(etch_kern_cx *cx, const sdpa *s, const kern_attn *a, const int64_t ms[4], etch_tensor *out)
{
    int hd = s->heads_first ? 1 : 2, sd = 3 - hd;
    int64_t d = a->d, nq = kern_size(s->q, 1) * kern_size(s->q, 2) * d, nk = kern_size(s->k, 1) * kern_size(s->k, 2) * d;
    int64_t q_head = s->heads_first ? a->n_q * d : d, q_row = s->heads_first ? d : kern_size(s->q, 2) * d;
    int64_t k_head = s->heads_first ? kern_size(s->k, sd) * d : d, k_row = s->heads_first ? d : kern_size(s->k, 2) * d;
    const etch_cache_loops *loops = cx->attention->loops[s->cache];
    if (s->cache) {   // blocks of a cache: bytes, head by head
        k_head = (int64_t)etch_cache_head_bytes(loops, stride(kern_size(s->k, 1)), stride(d));
        nk = kern_size(s->k, 2) * k_head;
    }
    etch_attention f = { .batches = stride(kern_size(s->q, 0)), .heads = stride(kern_size(s->q, hd)),
                         .kv_heads = stride(kern_size(s->k, hd)), .n_q = stride(a->n_q), .n_k = stride(a->n_k), .d = stride(d),
                         .dv = stride(d), .cache = s->cache, .q = { s->q->data, stride(nq), stride(q_head), stride(q_row) },
                         .k = { s->k->data, stride(nk), stride(k_head), stride(k_row) },
                         .v = { s->v->data, stride(nk), stride(k_head), stride(k_row) }, .out = out->data, .out_batch = stride(nq),
                         .out_head = stride(q_head), .out_row = stride(q_row), .scale = a->scale, .causal = a->causal,
                         .first = stride(a->first), .mask = a->mask ? a->mask->data : NULL, .is_bool = a->mask &&
                         a->mask->dtype == ETCH_BOOL, .mask_batch = stride(ms[0]), .mask_head = stride(ms[1]), .mask_row = stride(ms[2]),
                         .mask_key = stride(ms[3]) };
    void *scratch;
    ETCH_TRY(kern_scratch(cx, etch_attention_scratch(cx->attention, &f, etch_pool_threads(cx->pool)), &scratch));
    etch_attention_run(cx->attention, &f, cx->pool, scratch);
    return NULL;
}

static etch_status *run(etch_kern_cx *cx, const sdpa *s, etch_tensor *out)
{
    ETCH_TRY(check_operand(s->q, &s->qq, "the query"));
    ETCH_TRY(check_operand(s->k, &s->qk, "the key"));
    ETCH_TRY(check_operand(s->v, &s->qv, "the value"));
    ETCH_TRY(kern_want_same(s->q, out));
    ETCH_TRY(kern_want_same(s->k, s->v));
    int hd = s->heads_first ? 1 : 2, sd = s->heads_first ? 2 : 1;
    int64_t b = kern_size(s->q, 0), n = kern_size(s->q, sd), hq = kern_size(s->q, hd), d = kern_size(s->q, 3);
    int64_t nk = kern_size(s->k, sd), hk = kern_size(s->k, hd), strides[ETCH_MAX_RANK];
    if (kern_size(s->k, 0) != b || kern_size(s->k, 3) != d || hk < 1 || hq % hk)
        return ETCH_ERR(ETCH_INVALID, "attention: query and key do not fit");
    if (!etch_dtype_is_float(out->dtype)) return ETCH_ERR(ETCH_INVALID, "attention into %s", etch_dtype_name(out->dtype));
    if (s->start < 0 || s->start > nk || n > nk - s->start)
        return ETCH_ERR(ETCH_INVALID, "attention: %lld positions from %lld on with %lld keys", (long long)n, (long long)s->start,
                        (long long)nk);
    kern_attn a = { .out = out, .n_q = n, .n_k = s->mask ? nk : s->start + n, .d = d, .dv = d, .causal = s->causal, .first = s->start,
                    .mask = s->mask };
    a.scale = (float)(s->scale != 0 ? s->scale : 1.0 / sqrt((double)d));
    int64_t ms[4] = { 0 };
    if (s->mask) {  // [S, Skv], or up to [B, H, S, Skv] with ones that broadcast
        const int64_t want[4] = { b, hq, n, nk };
        if (s->causal) return ETCH_ERR(ETCH_INVALID, "attention: a mask and is_causal exclude each other");
        if (s->mask->rank < 2 || s->mask->rank > 4 || !(etch_dtype_is_float(s->mask->dtype) || s->mask->dtype == ETCH_BOOL))
            return ETCH_ERR(ETCH_INVALID, "the mask is %s of rank %d", etch_dtype_name(s->mask->dtype), s->mask->rank);
        etch_tensor_strides(s->mask, strides);
        for (int k = 0; k < s->mask->rank; k++) {
            int64_t m = kern_size(s->mask, k);
            int to = 4 - s->mask->rank + k;
            if (m != want[to] && m != 1) return ETCH_ERR(ETCH_INVALID, "the mask does not fit the attention");
            ms[to] = m == 1 ? 0 : strides[k];
        }
    }
    bool is_f32 = s->q->dtype == ETCH_F32 && s->k->dtype == ETCH_F32 && s->v->dtype == ETCH_F32 && out->dtype == ETCH_F32;
    if (cx->attention && is_f32 && (!s->mask || s->mask->dtype == ETCH_F32 || s->mask->dtype == ETCH_BOOL))
        return run_f32(cx, s, &a, ms, out);
    if (s->cache)
        return ETCH_ERR(ETCH_UNSUPPORTED, "attention over a cache of another type needs a float32 query and output, a float32 or bool "
                                          "mask");
    ETCH_TRY(kern_scratch(cx, kern_attn_work(d, d), &a.work));
    for (int64_t i = 0; i < b; i++)
        for (int64_t h = 0; h < hq; h++) {
            a.q = rows(s->q, &s->qq, i, h, s->heads_first);
            a.k = rows(s->k, &s->qk, i, h / (hq / hk), s->heads_first);
            a.v = rows(s->v, &s->qv, i, h / (hq / hk), s->heads_first);
            a.out_off = a.q.off;
            a.out_rs = a.q.rs;
            a.moff = i * ms[0] + h * ms[1];
            a.mrs = ms[2];
            a.mcs = ms[3];
            kern_attn_head(&a);
        }
    return NULL;
}

// start_pos, attn_mask?, dropout_p, is_causal, scale? from argument i.
static etch_status *common(const etch_val *args, int n_args, int i, bool start_here, sdpa *s)
{
    double dropout;
    if (start_here) ETCH_TRY(kern_int(args, i++, &s->start));
    ETCH_TRY(kern_tensor_opt(args, n_args, i, &s->mask));
    ETCH_TRY(kern_num_opt(args, n_args, i + 1, 0, &dropout));
    if (dropout != 0) return ETCH_ERR(ETCH_UNSUPPORTED, "attention with dropout");
    if (!kern_is_none(args, n_args, i + 2)) ETCH_TRY(kern_bool(args, i + 2, &s->causal));
    return kern_num_opt(args, n_args, i + 3, 0, &s->scale);
}
static etch_status *custom_sdpa(etch_kern_cx *cx, const etch_val *args, int n_args, etch_tensor *const *outs, int n_outs,
                                etch_cache_id cache)
{
    KERN_BEGIN(4, 1);
    sdpa s = { .cache = cache };
    ETCH_TRY(kern_tensor(args, 0, &s.q));
    ETCH_TRY(kern_tensor(args, 1, &s.k));
    ETCH_TRY(kern_tensor(args, 2, &s.v));
    ETCH_TRY(common(args, n_args, 3, true, &s));
    return run(cx, &s, outs[0]);
}
// custom_sdpa(query, key, value, start_pos, attn_mask?, drpout_p, is_causal, scale?)
KERNEL(custom_sdpa) { return custom_sdpa(cx, args, n_args, outs, n_outs, ETCH_CACHE_F32); }
// The same over keys and values of the type cx->cache.
KERNEL(custom_sdpa_narrow) { return custom_sdpa(cx, args, n_args, outs, n_outs, (etch_cache_id)cx->cache); }
// custom_quantized_sdpa(query, key, value, start_pos, attn_mask?, drpout_p, is_causal, scale?, q_zero_points?, q_scales?, k..., v...,
// is_seq_at_dim_2)
KERNEL(custom_quantized_sdpa)
{
    KERN_BEGIN(4, 1);
    sdpa s = { 0 };
    ETCH_TRY(kern_tensor(args, 0, &s.q));
    ETCH_TRY(kern_tensor(args, 1, &s.k));
    ETCH_TRY(kern_tensor(args, 2, &s.v));
    ETCH_TRY(common(args, n_args, 3, true, &s));
    quant *p[3] = { &s.qq, &s.qk, &s.qv };
    for (int i = 0; i < 3; i++) {
        ETCH_TRY(kern_tensor_opt(args, n_args, 8 + 2 * i, &p[i]->zero));
        ETCH_TRY(kern_tensor_opt(args, n_args, 9 + 2 * i, &p[i]->scale));
    }
    if (!kern_is_none(args, n_args, 14)) ETCH_TRY(kern_bool(args, 14, &s.heads_first));
    return run(cx, &s, outs[0]);
}
// sdpa_with_kv_cache(query, key, value, key_cache, value_cache, start_pos, seq_len, attn_mask?, drpout_p, is_causal, scale?)
KERNEL(sdpa_with_kv_cache)
{
    KERN_BEGIN(7, 1);
    sdpa s = { 0 };
    const etch_tensor *k, *v;
    int64_t seq_len;
    ETCH_TRY(kern_tensor(args, 0, &s.q));
    ETCH_TRY(kern_tensor(args, 1, &k));
    ETCH_TRY(kern_tensor(args, 2, &v));
    ETCH_TRY(kern_tensor(args, 3, &s.k));
    ETCH_TRY(kern_tensor(args, 4, &s.v));
    ETCH_TRY(kern_int(args, 5, &s.start));
    ETCH_TRY(kern_int(args, 6, &seq_len));
    ETCH_TRY(common(args, n_args, 7, false, &s));
    if (s.q->rank != 4 || seq_len != kern_size(s.q, 1))
        return ETCH_ERR(ETCH_INVALID, "seq_len %lld does not fit the query", (long long)seq_len);
    ETCH_TRY(update(NULL, k, args[3].t, s.start, NULL));
    ETCH_TRY(update(NULL, v, args[4].t, s.start, NULL));
    return run(cx, &s, outs[0]);
}

// ---- aten ----

// Offset of leading index `i` (dims [0, n) of `sizes`) in a tensor whose leading dims broadcast; the last one in groups of `group`.
static int64_t lead_offset(const etch_tensor *t, const int64_t *sizes, int n, int64_t i, int64_t group)
{
    int64_t strides[ETCH_MAX_RANK], at = 0;
    etch_tensor_strides(t, strides);
    for (int d = n - 1; d >= 0; d--) {
        int64_t x = i % sizes[d];
        int k = d - (n - (t->rank - 2));
        i /= sizes[d];
        if (k < 0) continue;
        if (d == n - 1) x /= group;
        at += kern_size(t, k) == 1 ? 0 : x * strides[k];
    }
    return at;
}

// scaled_dot_product_attention(query [.., L, E], key [.., S, E], value [.., S, Ev], attn_mask?, dropout_p, is_causal, *, scale?,
// enable_gqa)
KERNEL(sdpa)
{
    KERN_BEGIN(3, 1);
    const etch_tensor *t[3], *mask;
    etch_tensor *out = outs[0];
    double dropout, scale;
    bool causal = false, gqa = false;
    for (int i = 0; i < 3; i++) {
        ETCH_TRY(kern_tensor(args, i, &t[i]));
        ETCH_TRY(kern_want_rank(t[i], "an operand of attention", 2, ETCH_MAX_RANK));
        if (!etch_dtype_is_float(t[i]->dtype)) return ETCH_ERR(ETCH_INVALID, "attention over %s", etch_dtype_name(t[i]->dtype));
    }
    ETCH_TRY(kern_tensor_opt(args, n_args, 3, &mask));
    ETCH_TRY(kern_num_opt(args, n_args, 4, 0, &dropout));
    if (!kern_is_none(args, n_args, 5)) ETCH_TRY(kern_bool(args, 5, &causal));
    ETCH_TRY(kern_num_opt(args, n_args, 6, 0, &scale));
    if (!kern_is_none(args, n_args, 7)) ETCH_TRY(kern_bool(args, 7, &gqa));
    if (dropout != 0) return ETCH_ERR(ETCH_UNSUPPORTED, "attention with dropout");
    int64_t l = kern_size(t[0], t[0]->rank - 2), e = kern_size(t[0], t[0]->rank - 1), s = kern_size(t[1], t[1]->rank - 2);
    int64_t ev = kern_size(t[2], t[2]->rank - 1), sizes[ETCH_MAX_RANK], group[3] = { 1, 1, 1 }, lead = 1;
    int n = out->rank - 2;
    if (n < 0 || kern_size(out, n) != l || kern_size(out, n + 1) != ev || !etch_dtype_is_float(out->dtype))
        return ETCH_ERR(ETCH_INVALID, "attention: the output does not fit");
    if (kern_size(t[1], t[1]->rank - 1) != e || kern_size(t[2], t[2]->rank - 2) != s)
        return ETCH_ERR(ETCH_INVALID, "attention: sizes do not fit");
    for (int d = 0; d < n; d++) lead *= sizes[d] = kern_size(out, d);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < t[i]->rank - 2; k++) {
            int d = n - (t[i]->rank - 2) + k;
            int64_t m = kern_size(t[i], k);
            if (d < 0) return ETCH_ERR(ETCH_INVALID, "attention: the output does not fit");
            if (m == sizes[d] || m == 1) continue;
            if (!gqa || i == 0 || d != n - 1 || m < 1 || sizes[d] % m)
                return ETCH_ERR(ETCH_INVALID, "attention: leading sizes do not broadcast");
            group[i] = sizes[d] / m;
        }
    kern_attn a = { .out = out, .n_q = l, .n_k = s, .d = e, .dv = ev, .causal = causal, .mask = mask };
    a.scale = (float)(scale != 0 ? scale : 1.0 / sqrt((double)e));
    if (mask) {
        if (mask->rank < 2 || mask->rank > out->rank || !(etch_dtype_is_float(mask->dtype) || mask->dtype == ETCH_BOOL))
            return ETCH_ERR(ETCH_INVALID, "the mask is %s of rank %d", etch_dtype_name(mask->dtype), mask->rank);
        for (int k = 0; k < mask->rank; k++) {
            int64_t m = kern_size(mask, k);
            int d = out->rank - mask->rank + k;
            int64_t want = d < n ? sizes[d] : d == n ? l : s;
            if (m != 1 && m != want) return ETCH_ERR(ETCH_INVALID, "the mask does not fit the attention");
        }
        a.mcs = kern_size(mask, mask->rank - 1) == 1 ? 0 : 1;
        a.mrs = kern_size(mask, mask->rank - 2) == 1 ? 0 : kern_size(mask, mask->rank - 1);
    }
    ETCH_TRY(kern_scratch(cx, kern_attn_work(e, ev), &a.work));
    a.q = (kern_rows){ .t = t[0], .rs = e };
    a.k = (kern_rows){ .t = t[1], .rs = e };
    a.v = (kern_rows){ .t = t[2], .rs = ev };
    a.out_rs = ev;
    for (int64_t i = 0; i < lead; i++) {
        a.q.off = lead_offset(t[0], sizes, n, i, group[0]);
        a.k.off = lead_offset(t[1], sizes, n, i, group[1]);
        a.v.off = lead_offset(t[2], sizes, n, i, group[2]);
        a.out_off = i * l * ev;
        if (mask) a.moff = lead_offset(mask, sizes, n, i, 1);
        kern_attn_head(&a);
    }
    return NULL;
}
