#include "cli/text_out.h"

#include <stdio.h>
#include <string.h>

#include "tok/stop.h"

// Special: text leaves it out.
static etch_status *is_special(const etch_tok *tok, int32_t id, bool *out)
{
    etch_buf shown = { 0 }, whole = { 0 };
    etch_status *s = etch_tok_decode(tok, &id, 1, true, &shown);
    if (!s) s = etch_tok_decode(tok, &id, 1, false, &whole);
    *out = !shown.len && whole.len;
    etch_buf_deinit(&shown);
    etch_buf_deinit(&whole);
    return s;
}

static etch_status *add_stop(etch_cli_text *t, const char *stop)
{
    etch_ids ids = { 0 };
    bool special = false;
    etch_status *s = etch_tok_encode(t->tok, etch_str_of(stop), false, &ids);
    for (size_t i = 0; !s && !special && i < ids.len; i++) s = is_special(t->tok, ids.ptr[i], &special);
    if (!s && special && ids.len > 1)
        s = ETCH_ERR(ETCH_USAGE, "a special token and text beside it: text never has the token in it, so give the token alone");
    if (!s && special) t->ends[t->n_ends++] = ids.ptr[0];
    else if (!s) t->stops[t->n_stops++] = stop;
    etch_ids_deinit(&ids);
    if (s) ETCH_TRYF(s, "--stop '%s'", stop);
    return NULL;
}

etch_status *etch_cli_text_open(const etch_tok *tok, const etch_opt_list *stops, const etch_ids *prompt, bool silent, etch_cli_text *out)
{
    *out = (etch_cli_text){ .tok = tok, .silent = silent };
    for (int i = 0; i < stops->n; i++) ETCH_TRY(add_stop(out, stops->items[i]));
    if (!tok) return NULL;  // ids alone
    etch_buf text = { 0 };
    etch_status *s = etch_tok_decode(tok, prompt->ptr, prompt->len, true, &text);
    out->begin = text.len;
    etch_buf_deinit(&text);
    return s;
}

bool etch_cli_text_ends(const etch_cli_text *t, int32_t id)
{
    for (int i = 0; i < t->n_ends; i++)
        if (t->ends[i] == id) return true;
    return false;
}

// How much of the text may be shown.
static size_t certain(const etch_cli_text *t, etch_str text, bool last, bool *out_stopped)
{
    static const char bad[] = "\xEF\xBF\xBD";  // an unfinished character decodes to this: wait for the next token
    const size_t cut = etch_stop_cut(text, t->printed > t->begin ? t->printed : t->begin, t->stops, t->n_stops, out_stopped);
    if (*out_stopped) return cut;
    if (last) return text.len;
    if (text.len >= 3 && !memcmp(text.ptr + text.len - 3, bad, 3)) return t->printed;
    const size_t whole = etch_utf8_complete(text);
    return cut < whole ? cut : whole;
}

etch_status *etch_cli_text_show(etch_cli_text *t, const etch_ids *ids, bool last, bool *out_stopped)
{
    *out_stopped = false;
    if (t->silent && !t->n_stops) return NULL;
    etch_buf text = { 0 };
    etch_status *s = etch_tok_decode(t->tok, ids->ptr, ids->len, true, &text);
    const size_t n = s ? 0 : certain(t, etch_buf_str(&text), last, out_stopped);
    if (n > t->printed) {
        if (!t->silent) {
            fwrite(text.ptr + t->printed, 1, n - t->printed, stdout);
            fflush(stdout);
        }
        t->printed = n;
    }
    etch_buf_deinit(&text);
    return s;
}
