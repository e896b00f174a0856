#include "rt/lm.h"

#include <stdlib.h>

#include "base/num.h"

static int64_t constant(const etch_rt *rt, const char *name, int64_t def)
{
    int64_t v = def;
    etch_status *s = etch_rt_constant_int(rt, etch_str_of(name), &v);
    if (s) v = def;
    etch_status_ignore(s);
    return v;
}

static etch_status *check_logits(const etch_val *v)
{
    bool ok = v->kind == ETCH_V_TENSOR && v->t->rank == 3 &&
              (v->t->dtype == ETCH_F32 || v->t->dtype == ETCH_F16 || v->t->dtype == ETCH_BF16);
    return ok ? NULL : ETCH_ERR(ETCH_UNSUPPORTED, "output 0 (logits) is not a float tensor [1, S, V]; 'etch inspect' shows the method");
}

static etch_status *check_tensor(const etch_val *v, const char *what, etch_dtype dtype, int rank)
{
    if (v->kind != ETCH_V_TENSOR || v->t->dtype != dtype || v->t->rank != rank)
        return ETCH_ERR(ETCH_UNSUPPORTED, "%s is not a rank-%d %s tensor; 'etch inspect' shows the method", what, rank,
                        etch_dtype_torch_name(dtype));
    return NULL;
}

static void read_eos(const etch_rt *rt, etch_lm *lm)
{
    static const char *const names[] = { "get_eos_ids", "get_eos_id" };
    for (size_t k = 0; k < 2 && !lm->n_eos; k++) {
        etch_val vals[ETCH_LM_MAX_EOS];
        int n = 0;
        etch_status *s = etch_rt_constant(rt, etch_str_of(names[k]), vals, ETCH_LM_MAX_EOS, &n);
        for (int i = 0; !s && i < n && i < ETCH_LM_MAX_EOS; i++)
            if (vals[i].kind == ETCH_V_INT) lm->eos_ids[lm->n_eos++] = vals[i].i.v;
        etch_status_ignore(s);
    }
}

static etch_status *check_rows(const etch_val *v)
{
    const bool ok = v->kind == ETCH_V_TENSOR && v->t->rank == 3 && etch_dtype_is_float(v->t->dtype) && v->t->sizes[0].v == 1;
    if (!ok) return ETCH_ERR(ETCH_UNSUPPORTED, "input 0 (inputs_embeds) is not a float tensor [1, S, D]; 'etch inspect' shows the method");
    return NULL;
}

static etch_status *read_width(const etch_val *v, etch_lm *lm)
{
    const bool ok = v->kind == ETCH_V_TENSOR && v->t->rank == 3 && etch_dtype_is_float(v->t->dtype) && v->t->sizes[2].v > 0;
    if (!ok)
        return ETCH_ERR(ETCH_UNSUPPORTED,
                        "input 1 (encoder_hidden_states) is not a float tensor [1, T, D]; 'etch inspect' shows the method");
    lm->width = v->t->sizes[2].v;
    return NULL;
}

typedef struct contract {
    const char *method, *task, *inputs;
    int n_inputs;
    bool rows, states;  // embeddings in the place of ids; states of an encoder between ids and positions
} contract;

static etch_status *open_method(etch_rt *rt, const contract *c, etch_lm *lm)
{
    ETCH_TRY(etch_rt_load(rt, etch_str_of(c->method), &lm->method));
    if (etch_rt_n_inputs(lm->method) != c->n_inputs || etch_rt_n_outputs(lm->method) < 1)
        return ETCH_ERR(ETCH_UNSUPPORTED, "'%s' takes %d inputs; a %s export takes %s", c->method, etch_rt_n_inputs(lm->method), c->task,
                        c->inputs);
    const etch_val *ids = etch_rt_input(lm->method, 0), *out = etch_rt_output(lm->method, 0);
    ETCH_TRY(c->rows ? check_rows(ids) : check_tensor(ids, "input 0 (the ids)", ETCH_I64, 2));
    ETCH_TRY(check_tensor(etch_rt_input(lm->method, c->n_inputs - 1), "the last input (cache_position)", ETCH_I64, 1));
    if (c->states) ETCH_TRY(read_width(etch_rt_input(lm->method, 1), lm));
    ETCH_TRY(check_logits(out));
    etch_rt_read_last_row(lm->method, 0);
    lm->max_chunk = ids->t->sizes[1].v;
    lm->vocab_size = out->t->sizes[2].v;
    if (lm->max_chunk < 1 || lm->vocab_size < 1) return ETCH_ERR(ETCH_UNSUPPORTED, "'%s' has an empty input or output", c->method);
    lm->max_seq_len = constant(rt, "get_max_seq_len", lm->max_chunk + 1);
    if (lm->max_chunk > ETCH_LM_CHUNK && etch_rt_input_is_dynamic(lm->method, 0)) lm->max_chunk = ETCH_LM_CHUNK;
    if (c->rows) ETCH_TRY(etch_lm_rows_open(rt, ids, &lm->max_chunk, &lm->rows));
    lm->bos_id = constant(rt, "get_bos_id", -1);
    lm->start_id = c->states ? constant(rt, "decoder_start_token_id", lm->bos_id) : -1;
    read_eos(rt, lm);
    lm->ids = malloc((size_t)lm->max_chunk * sizeof *lm->ids);
    lm->positions = malloc((size_t)lm->max_chunk * sizeof *lm->positions);
    if (out->t->dtype != ETCH_F32) {
        lm->row = malloc((size_t)lm->vocab_size * sizeof *lm->row);
        if (!lm->row) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    }
    return lm->ids && lm->positions ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
}

static etch_status *open_lm(etch_rt *rt, const contract *c, etch_lm *out)
{
    etch_lm lm = { 0 };
    etch_status *s = open_method(rt, c, &lm);
    if (s) etch_lm_close(&lm);
    *out = lm;
    return s;
}

etch_status *etch_lm_open(etch_rt *rt, etch_lm *out)
{
    static const contract c = { "forward", "text-generation", "input_ids and cache_position", 2, false, false };
    return open_lm(rt, &c, out);
}

etch_status *etch_lm_open_multimodal(etch_rt *rt, etch_lm *out)
{
    static const contract c = { "text_decoder", "multimodal-text-to-text", "inputs_embeds and cache_position", 2, true, false };
    return open_lm(rt, &c, out);
}

etch_status *etch_lm_open_encoded(etch_rt *rt, etch_lm *out)
{
    static const contract c = { "text_decoder", "text2text-generation", "decoder_input_ids, encoder_hidden_states and cache_position", 3,
                                false, true };
    return open_lm(rt, &c, out);
}

static etch_status *set_states(etch_lm *lm)
{
    if (lm->states.rank != 3 || lm->states.sizes[2].v != lm->width)
        return ETCH_ERR(ETCH_UNSUPPORTED, "its rows are not of %lld floats", (long long)lm->width);
    ETCH_TRY(etch_lm_reset(lm));
    return etch_rt_set_input(lm->method, 1, &lm->states, ETCH_RT_BORROW);
}

etch_status *etch_lm_give_states(etch_lm *lm, etch_tensor *states)
{
    free(lm->states.data);
    lm->states = *states;
    states->data = NULL;
    etch_status *s = set_states(lm);
    if (!s) return NULL;
    free(lm->states.data);
    lm->states.data = NULL;
    ETCH_TRYF(s, "'text_decoder' does not take what 'encoder' gave");
    return NULL;
}

void etch_lm_close(etch_lm *lm)
{
    if (lm->method) etch_rt_unload(lm->method);
    etch_lm_rows_close(&lm->rows);
    free(lm->states.data);
    free(lm->ids);
    free(lm->positions);
    free(lm->row);
    *lm = (etch_lm){ 0 };
}

static etch_status *ids_of(etch_lm *lm, const int32_t *tokens, size_t n, etch_tensor *out)
{
    for (size_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || tokens[i] >= lm->vocab_size)
            return ETCH_ERR(ETCH_INVALID, "token id %d is outside the model's vocabulary of %lld", tokens[i], (long long)lm->vocab_size);
        lm->ids[i] = tokens[i];
    }
    *out = (etch_tensor){ .dtype = ETCH_I64, .rank = 2, .sizes = { { 1, NULL }, { (int64_t)n, NULL } },
                          .data = lm->ids, .capacity = n * 8 };
    return NULL;
}

static etch_status *feed_chunk(etch_lm *lm, const int32_t *tokens, size_t n, const float **out_logits)
{
    etch_tensor in;
    ETCH_TRY(lm->rows.embed ? etch_lm_rows_of(&lm->rows, tokens, n, &in) : ids_of(lm, tokens, n, &in));
    for (size_t i = 0; i < n; i++) lm->positions[i] = lm->position + (int64_t)i;
    etch_tensor pos = { .dtype = ETCH_I64, .rank = 1, .sizes = { { (int64_t)n, NULL } }, .data = lm->positions, .capacity = n * 8 };
    ETCH_TRY(etch_rt_set_input(lm->method, 0, &in, ETCH_RT_COPY));
    if (lm->width) ETCH_TRY(etch_rt_set_input(lm->method, 1, &lm->states, ETCH_RT_BORROW));
    ETCH_TRY(etch_rt_set_input(lm->method, lm->width ? 2 : 1, &pos, ETCH_RT_COPY));
    ETCH_TRY(etch_rt_execute(lm->method));
    const etch_tensor *logits = etch_rt_output(lm->method, 0)->t;
    if (logits->sizes[1].v < 1) return ETCH_ERR(ETCH_INVALID, "the decoder gave no logits");
    int64_t last = (logits->sizes[1].v - 1) * lm->vocab_size;
    if (!lm->row) {
        *out_logits = (const float *)logits->data + last;
    } else {
        const uint16_t *half = (const uint16_t *)logits->data + last;
        for (int64_t i = 0; i < lm->vocab_size; i++)
            lm->row[i] = logits->dtype == ETCH_F16 ? etch_f16_to_f32(half[i]) : etch_bf16_to_f32(half[i]);
        *out_logits = lm->row;
    }
    lm->position += (int64_t)n;
    return NULL;
}

etch_status *etch_lm_feed(etch_lm *lm, const int32_t *tokens, size_t n, const float **out_logits)
{
    if (!n) return ETCH_ERR(ETCH_INVALID, "there is no token to run; give a prompt");
    if (lm->width && !lm->states.data) return ETCH_ERR(ETCH_INVALID, "the decoder has no states of an encoder");
    if ((int64_t)n > lm->max_seq_len - lm->position)
        return ETCH_ERR(ETCH_INVALID, "%zu more tokens do not fit: %lld of %lld cache slots are used; export with a larger --max_seq_len",
                        n, (long long)lm->position, (long long)lm->max_seq_len);
    while (n) {
        size_t chunk = n < (size_t)lm->max_chunk ? n : (size_t)lm->max_chunk;
        ETCH_TRY(feed_chunk(lm, tokens, chunk, out_logits));
        tokens += chunk;
        n -= chunk;
    }
    return NULL;
}

bool etch_lm_is_eos(const etch_lm *lm, int32_t id)
{
    for (int i = 0; i < lm->n_eos; i++)
        if (lm->eos_ids[i] == id) return true;
    return false;
}

etch_status *etch_lm_reset(etch_lm *lm)
{
    lm->position = 0;
    lm->rows.n_given = lm->rows.n_used = 0;
    return etch_rt_reset(lm->method);
}
