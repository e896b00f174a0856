#include "cli/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct token_name { char text[96]; } token_name;

static token_name name_of(const etch_tok *tok, int32_t id)
{
    token_name name;
    etch_buf text = { 0 };
    etch_status *s = tok ? etch_tok_decode(tok, &id, 1, false, &text) : NULL;
    if (s || !text.len) snprintf(name.text, sizeof name.text, "token %d", id);
    else snprintf(name.text, sizeof name.text, "token %d ('%.*s')", id, ETCH_STR_ARGS(etch_buf_str(&text)));
    etch_status_ignore(s);
    etch_buf_deinit(&text);
    return name;
}

static etch_status *check_none(const etch_cli_prompt *p, const etch_rt *rt, const etch_tok *tok, const char *encoder, const char *what)
{
    int32_t token = -1;
    bool held = false;
    etch_status *s = etch_cli_token(rt, encoder, &token);
    for (size_t i = 0; !s && i < p->n; i++) held |= p->ids.ptr[i] == token;
    etch_status_ignore(s);  // no token stands for it
    if (!held) return NULL;
    return ETCH_ERR(ETCH_INVALID, "the prompt has %s, the place of %s, and none is given", name_of(tok, token).text, what);
}

static etch_status *place_rows(etch_cli_prompt *p, const etch_tok *tok, const etch_cli_rows *r, etch_lm *lm)
{
    const int64_t *counts = (const int64_t *)(const void *)r->counts.ptr;
    ETCH_TRYF(etch_lm_expand(p->ids.ptr, p->n, r->token, counts, r->k, &p->fed, &p->n_fed), "%s: %s marks the place of its rows", r->flag,
              name_of(tok, r->token).text);
    return etch_lm_rows_give(&lm->rows, r->token, r->bytes.ptr, r->n, r->width, r->dtype);
}

etch_status *etch_cli_prompt_place(etch_cli_prompt *p, const etch_rt *rt, const etch_tok *tok, const etch_cli_rows *rows, etch_lm *lm)
{
    static const char *const encoders[][2] = { { "vision_encoder", "an image (--image)" }, { "audio_encoder", "sound (--inputs)" } };
    p->n = p->ids.len;
    if (!p->n) return ETCH_ERR(ETCH_USAGE, "the prompt has no tokens");
    for (size_t i = 0; lm->rows.embed && i < sizeof encoders / sizeof *encoders; i++)
        if (!rows->k || strcmp(rows->encoder, encoders[i][0])) ETCH_TRY(check_none(p, rt, tok, encoders[i][0], encoders[i][1]));
    if (rows->k) return place_rows(p, tok, rows, lm);
    p->n_fed = p->n;
    p->fed = malloc(p->n * sizeof *p->fed);
    if (!p->fed) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    memcpy(p->fed, p->ids.ptr, p->n * sizeof *p->fed);
    return NULL;
}

void etch_cli_prompt_deinit(etch_cli_prompt *p)
{
    etch_ids_deinit(&p->ids);
    free(p->fed);
    *p = (etch_cli_prompt){ 0 };
}
