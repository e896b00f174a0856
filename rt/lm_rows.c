#include "rt/lm_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"

static etch_status *open_embedding(etch_rt *rt, int64_t *chunk, etch_lm_rows *r)
{
    ETCH_TRY(etch_rt_load(rt, ETCH_LIT("token_embedding"), &r->embed));
    if (etch_rt_n_inputs(r->embed) != 1 || etch_rt_n_outputs(r->embed) != 1)
        return ETCH_ERR(ETCH_UNSUPPORTED, "'token_embedding' does not take one input and give one output");
    const etch_val *ids = etch_rt_input(r->embed, 0), *rows = etch_rt_output(r->embed, 0);
    if (ids->kind != ETCH_V_TENSOR || ids->t->dtype != ETCH_I64 || ids->t->rank != 2 || ids->t->sizes[1].v < 1)
        return ETCH_ERR(ETCH_UNSUPPORTED, "'token_embedding' does not take ids [1, S] of 64 bits");
    if (rows->kind != ETCH_V_TENSOR || rows->t->rank != 3 || rows->t->dtype != r->dtype || rows->t->sizes[2].v != r->width)
        return ETCH_ERR(ETCH_UNSUPPORTED, "'token_embedding' does not give what 'text_decoder' takes");
    if (ids->t->sizes[1].v < *chunk) *chunk = ids->t->sizes[1].v;
    return NULL;
}

etch_status *etch_lm_rows_open(etch_rt *rt, const etch_val *decoder, int64_t *chunk, etch_lm_rows *out)
{
    etch_lm_rows r = { .dtype = decoder->t->dtype, .width = decoder->t->sizes[2].v };
    etch_status *s = open_embedding(rt, chunk, &r);
    size_t room = 0;
    r.bytes = (size_t)r.width * etch_dtype_size(r.dtype);
    if (!s && (r.width < 1 || !etch_mul_ok(r.bytes, (size_t)*chunk, &room))) s = ETCH_ERR(ETCH_UNSUPPORTED, "'text_decoder' takes no rows");
    if (!s) {
        r.room = malloc(room);
        r.ids = malloc((size_t)*chunk * sizeof *r.ids);
        if (!r.room || !r.ids) s = ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    }
    *out = r;
    return s;
}

void etch_lm_rows_close(etch_lm_rows *r)
{
    if (r->embed) etch_rt_unload(r->embed);
    free(r->room);
    free(r->ids);
    *r = (etch_lm_rows){ 0 };
}

etch_status *etch_lm_rows_give(etch_lm_rows *r, int32_t token, const void *rows, int64_t n, int64_t width, etch_dtype dtype)
{
    if (width != r->width || dtype != r->dtype)
        return ETCH_ERR(ETCH_UNSUPPORTED, "the encoder gives rows of %lld %s, 'text_decoder' takes rows of %lld %s", (long long)width,
                        etch_dtype_torch_name(dtype), (long long)r->width, etch_dtype_torch_name(r->dtype));
    r->given = rows;
    r->n_given = n;
    r->n_used = 0;
    r->token = token;
    return NULL;
}

etch_status *etch_lm_rows_of(etch_lm_rows *r, const int32_t *tokens, size_t n, etch_tensor *out)
{
    // A token that stands for a row may lie outside of the table: its own row is not used, any will do.
    int64_t left = r->n_given - r->n_used;
    for (size_t i = 0; i < n; i++) r->ids[i] = left && tokens[i] == r->token ? (left--, 0) : tokens[i];
    etch_tensor ids = { .dtype = ETCH_I64, .rank = 2, .sizes = { { 1, NULL }, { (int64_t)n, NULL } }, .data = r->ids, .capacity = n * 8 };
    ETCH_TRY(etch_rt_set_input(r->embed, 0, &ids, ETCH_RT_COPY));
    ETCH_TRYF(etch_rt_execute(r->embed), "token_embedding");
    const etch_tensor *rows = etch_rt_output(r->embed, 0)->t;
    if (rows->sizes[0].v != 1 || rows->sizes[1].v != (int64_t)n || rows->sizes[2].v != r->width)
        return ETCH_ERR(ETCH_INVALID, "'token_embedding' did not give a row for each of %zu tokens", n);
    memcpy(r->room, rows->data, n * r->bytes);
    for (size_t i = 0; i < n && r->n_used < r->n_given; i++)
        if (tokens[i] == r->token) memcpy(r->room + i * r->bytes, r->given + (size_t)r->n_used++ * r->bytes, r->bytes);
    *out = (etch_tensor){ .dtype = r->dtype, .rank = 3, .sizes = { { 1, NULL }, { (int64_t)n, NULL }, { r->width, NULL } },
                          .data = r->room, .capacity = n * r->bytes };
    return NULL;
}

etch_status *etch_lm_expand(const int32_t *ids, size_t n, int32_t token, const int64_t *counts, size_t k, int32_t **out, size_t *out_n)
{
    size_t held = 0, rows = 0, at = 0, input = 0;
    for (size_t i = 0; i < n; i++) held += ids[i] == token;
    for (size_t i = 0; i < k; i++) rows += (size_t)counts[i];
    if (held != rows && held != k)
        return ETCH_ERR(ETCH_INVALID, "the prompt has %zu of them, and the encoder gives %zu rows: write %zu (one for each input) or %zu",
                        held, rows, k, rows);
    const bool each = held == rows;
    *out_n = n - held + rows;
    *out = malloc((*out_n + 1) * sizeof **out);
    if (!*out) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++) {
        int64_t copies = ids[i] == token && !each ? counts[input++] : 1;
        while (copies--) (*out)[at++] = ids[i];
    }
    return NULL;
}
