#include "cli/seq2seq.h"

#include <stdlib.h>

#include "cli/tensors.h"

static etch_status *check_source(const etch_cli_seq2seq *s, bool has_text)
{
    const etch_cli_prepared *in = s->inputs;
    const bool ids = s->encoder.takes_ids;
    if (ids ? !in->features && (has_text || in->ids) : in->features && !has_text && !in->ids) return NULL;
    etch_buf takes = { 0 };
    etch_lm_encoder_input(&s->encoder, &takes);
    etch_status *e = ETCH_ERR(ETCH_USAGE, "the program's encoder takes %.*s: give %s", ETCH_STR_ARGS(etch_buf_str(&takes)),
                              ids ? "--prompt TEXT or --prompt_file FILE, or --inputs FILE with input_ids, and no features"
                                  : "--inputs FILE with input_features, and no text");
    etch_buf_deinit(&takes);
    return e;
}

etch_status *etch_cli_seq2seq_open(etch_rt *rt, const etch_cli_prepared *inputs, bool has_text, etch_cli_seq2seq *out)
{
    *out = (etch_cli_seq2seq){ .inputs = inputs };
    ETCH_TRY(etch_lm_encoder_open(rt, &out->encoder));
    return check_source(out, has_text);
}

void etch_cli_seq2seq_close(etch_cli_seq2seq *s) { etch_lm_encoder_close(&s->encoder); }

static etch_status *encode_ids(etch_cli_seq2seq *s, const etch_ids *ids, etch_tensor *out)
{
    if (!ids->len) return ETCH_ERR(ETCH_USAGE, "the prompt has no tokens");
    int64_t *wide = malloc(ids->len * sizeof *wide);
    if (!wide) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < ids->len; i++) wide[i] = ids->ptr[i];
    const etch_tensor t = { .dtype = ETCH_I64, .rank = 2, .sizes = { { 1, NULL }, { (int64_t)ids->len, NULL } }, .data = wide,
                            .capacity = ids->len * sizeof *wide };
    etch_status *e = etch_lm_encode(&s->encoder, &t, out);
    free(wide);
    if (e) ETCH_TRYF(e, "encoder, of %zu tokens", ids->len);
    return NULL;
}

static etch_status *encode_features(etch_cli_seq2seq *s, etch_tensor *out)
{
    const etch_st_tensor *from = s->inputs->features;
    etch_tensor stored, t = { 0 };
    ETCH_TRY(etch_cli_view(s->inputs->st, from, &stored));
    if (!etch_dtype_is_float(stored.dtype))
        return ETCH_ERR(ETCH_INVALID, "'%.*s' is %s, no floats", ETCH_STR_ARGS(from->key), etch_dtype_name(stored.dtype));
    etch_status *e = etch_cli_floats(&stored, etch_rt_input(s->encoder.method, 0)->t->dtype, &t);
    if (!e) e = etch_lm_encode(&s->encoder, &t, out);
    free(t.data);
    if (e) ETCH_TRYF(e, "encoder, of '%.*s'", ETCH_STR_ARGS(from->key));
    return NULL;
}

static etch_status *read_source(etch_cli_seq2seq *s, const etch_tok *tok, const etch_str *text, bool special, etch_tensor *out)
{
    if (!s->encoder.takes_ids) return encode_features(s, out);
    etch_ids ids = { 0 };
    etch_status *e = text ? etch_tok_encode(tok, *text, special, &ids) : etch_cli_prepared_ids(s->inputs, s->inputs->ids, &ids);
    if (!e) e = encode_ids(s, &ids, out);
    etch_ids_deinit(&ids);
    return e;
}

static etch_status *begin(const etch_cli_seq2seq *s, const etch_lm *lm, etch_ids *out)
{
    etch_ids given = { 0 };
    etch_status *e = s->inputs->begin ? etch_cli_prepared_ids(s->inputs, s->inputs->begin, &given) : NULL;
    bool can_start = lm->start_id >= 0 && lm->start_id <= INT32_MAX, starts = false;
    for (size_t i = 0; i < given.len; i++) starts |= given.ptr[i] == lm->start_id;
    if (!e && !given.len && !can_start)
        e = ETCH_ERR(ETCH_UNSUPPORTED, "the program does not say what its decoder starts with (decoder_start_token_id): give "
                                       "decoder_input_ids in --inputs FILE");
    if (!e && !starts && can_start) e = etch_ids_push(out, (int32_t)lm->start_id);
    for (size_t i = 0; !e && i < given.len; i++) e = etch_ids_push(out, given.ptr[i]);
    etch_ids_deinit(&given);
    return e;
}

etch_status *etch_cli_seq2seq_read(etch_cli_seq2seq *s, const etch_tok *tok, const etch_str *text, bool special, etch_lm *lm, etch_ids *out)
{
    etch_tensor states = { 0 };
    etch_status *e = read_source(s, tok, text, special, &states);
    if (!e) e = etch_lm_give_states(lm, &states);
    free(states.data);
    if (!e) e = begin(s, lm, out);
    return e;
}
