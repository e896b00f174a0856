// The tokenizer as a whole: added tokens, normalize, segment, model, template; and back.
#include "tok/tok.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "tok/stages.h"

static bool is_word_byte(const char *p)
{
    unsigned char c = (unsigned char)*p; return c >= 0x80 || c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

// Leftmost-longest added token in `text` at or after `from`.
static const etch_added *next_added(const etch_tok *t, etch_str text, size_t from, bool normalized, size_t *out_start, size_t *out_end)
{
    const etch_added *best = NULL;
    for (int i = 0; i < t->n_added; i++) {
        const etch_added *a = &t->added[i];
        if (a->normalized != normalized) continue;
        etch_pattern p = { .literal = a->content };
        size_t start, end, at = from;
        while (etch_pattern_next(&p, text, at, &start, &end)) {
            bool word_ok = !a->single_word ||
                           ((start == 0 || !is_word_byte(text.ptr + start - 1)) && (end == text.len || !is_word_byte(text.ptr + end)));
            if (word_ok) {
                if (!best || start < *out_start || (start == *out_start && end > *out_end)) {
                    best = a;
                    *out_start = start;
                    *out_end = end;
                }
                break;
            }
            at = end;
        }
    }
    return best;
}

static etch_status *encode_model(const etch_tok *t, etch_str piece, etch_ids *out)
{
    switch (t->model.kind) {
    case ETCH_MODEL_BPE: return etch_bpe_encode(&t->model, piece, out);
    case ETCH_MODEL_UNIGRAM: return etch_unigram_encode(&t->model, piece, out);
    case ETCH_MODEL_WORDPIECE: return etch_wordpiece_encode(&t->model, piece, out);
    }
    return ETCH_ERR(ETCH_INTERNAL, "unknown tokenizer model");
}

static etch_status *segment(const etch_tok *t, etch_arena *arena, etch_str text, bool first, etch_ids *out)
{
    etch_pieces now = { 0 };
    etch_status *s = text.len ? etch_pieces_push(&now, text) : NULL;
    for (int i = 0; !s && i < t->n_segs; i++) {
        etch_pieces next = { 0 };
        for (size_t k = 0; !s && k < now.len; k++) s = etch_seg_apply(&t->segs[i], arena, now.ptr[k], first && k == 0, &next);
        free(now.ptr);
        now = next;
    }
    for (size_t k = 0; !s && k < now.len; k++) s = encode_model(t, now.ptr[k], out);
    free(now.ptr);
    return s;
}

typedef etch_status *(*gap_fn)(const etch_tok *t, etch_arena *arena, etch_str text, bool first, etch_ids *out);

// Cuts added tokens out of `text`; what lies between goes to `gap`.
static etch_status *cut_added(const etch_tok *t, etch_arena *arena, etch_str text, bool first, bool normalized, gap_fn gap, etch_ids *out)
{
    size_t at = 0;
    while (at < text.len || (first && at == 0 && !text.len)) {
        size_t start = text.len, end = text.len;
        const etch_added *a = next_added(t, text, at, normalized, &start, &end);
        if (!a) start = end = text.len;
        if (a && a->lstrip)
            while (start > at && (text.ptr[start - 1] == ' ' || text.ptr[start - 1] == '\n' || text.ptr[start - 1] == '\t')) start--;
        if (a && a->rstrip)
            while (end < text.len && (text.ptr[end] == ' ' || text.ptr[end] == '\n' || text.ptr[end] == '\t')) end++;
        if (start > at) ETCH_TRY(gap(t, arena, (etch_str){ text.ptr + at, start - at }, first && at == 0, out));
        if (!a) break;
        ETCH_TRY(etch_ids_push(out, a->id));
        at = end;
    }
    return NULL;
}

// The text after all normalizers, in the arena.
static etch_status *normalize(const etch_tok *t, etch_arena *arena, etch_str text, etch_str *out)
{
    for (int i = 0; i < t->n_norms; i++) {
        etch_buf b = { 0 };
        etch_status *s = etch_norm_apply(&t->norms[i], text, &b);
        text = s ? text : etch_arena_str(arena, etch_buf_str(&b));
        etch_buf_deinit(&b);
        if (s) return s;
        if (!text.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    }
    *out = text;
    return NULL;
}

static etch_status *normalized_gap(const etch_tok *t, etch_arena *arena, etch_str text, bool first, etch_ids *out)
{
    ETCH_TRY(normalize(t, arena, text, &text));
    return cut_added(t, arena, text, first, true, segment, out);
}

static bool valid_utf8(etch_str s)
{
    for (size_t i = 0; i < s.len;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr + i, (utf8proc_ssize_t)(s.len - i), &c);
        if (n <= 0) return false;
        i += (size_t)n;
    }
    return true;
}

etch_status *etch_tok_encode(const etch_tok *t, etch_str text, bool add_special_tokens, etch_ids *out)
{
    if (!valid_utf8(text)) return ETCH_ERR(ETCH_INVALID, "the text is not valid UTF-8");
    etch_arena arena;
    etch_arena_init(&arena);
    etch_ids body = { 0 };
    etch_status *s = cut_added(t, &arena, text, true, false, normalized_gap, &body);
    bool whole = !add_special_tokens || !t->n_tmpl;
    for (int i = 0; !s && !whole && i < t->n_tmpl; i++) {
        if (!t->tmpl[i].is_sequence) s = etch_ids_push(out, t->tmpl[i].id);
        for (size_t k = 0; !s && t->tmpl[i].is_sequence && k < body.len; k++) s = etch_ids_push(out, body.ptr[k]);
    }
    for (size_t k = 0; !s && whole && k < body.len; k++) s = etch_ids_push(out, body.ptr[k]);
    etch_ids_deinit(&body);
    etch_arena_deinit(&arena);
    return s;
}

etch_status *etch_tok_encode_plain(const etch_tok *t, etch_str text, etch_ids *out)
{
    if (!valid_utf8(text)) return ETCH_ERR(ETCH_INVALID, "the text is not valid UTF-8");
    etch_arena arena;
    etch_arena_init(&arena);
    etch_status *s = normalize(t, &arena, text, &text);
    if (!s) s = segment(t, &arena, text, true, out);
    etch_arena_deinit(&arena);
    return s;
}

static const etch_added *added_by_id(const etch_tok *t, int32_t id)
{
    for (int i = 0; i < t->n_added; i++)
        if (t->added[i].id == id) return &t->added[i];
    return NULL;
}

etch_status *etch_tok_decode(const etch_tok *t, const int32_t *ids, size_t n, bool skip_special_tokens, etch_buf *out)
{
    etch_arena arena;
    etch_arena_init(&arena);
    etch_pieces tokens = { 0 };
    etch_status *s = NULL;
    for (size_t i = 0; !s && i < n; i++) {
        const etch_added *a = added_by_id(t, ids[i]);
        if (a && a->special && skip_special_tokens) continue;
        etch_str text = a ? a->content : ids[i] >= 0 && ids[i] < t->model.vocab.n ? t->model.vocab.by_id[ids[i]] : (etch_str){ 0 };
        if (!text.ptr) s = ETCH_ERR(ETCH_INVALID, "token id %d is not in the vocabulary", ids[i]);
        else s = etch_pieces_push(&tokens, text);
    }
    for (int i = 0; !s && i < t->n_decs; i++) s = etch_dec_apply(&t->decs[i], &arena, &tokens);
    for (size_t i = 0; !s && i < tokens.len; i++) {
        if (i && !t->n_decs) etch_buf_puts(out, " ");
        etch_buf_put(out, tokens.ptr[i].ptr, tokens.ptr[i].len);
    }
    if (!s) s = etch_buf_check(out);
    free(tokens.ptr);
    etch_arena_deinit(&arena);
    return s;
}

int32_t etch_tok_id(const etch_tok *t, etch_str token)
{
    for (int i = 0; i < t->n_added; i++)
        if (etch_str_eq(t->added[i].content, token)) return t->added[i].id;
    return etch_vocab_id(&t->model.vocab, token);
}

int32_t etch_tok_size(const etch_tok *t)
{
    int32_t n = t->model.vocab.n;
    for (int i = 0; i < t->n_added; i++)
        if (t->added[i].id >= n) n = t->added[i].id + 1;
    return n;
}

size_t etch_utf8_complete(etch_str s)
{
    for (size_t back = 1; back <= 4 && back <= s.len; back++) {
        unsigned char c = (unsigned char)s.ptr[s.len - back];
        if ((c & 0xC0) == 0x80) continue;
        return c >= 0xC0 && etch_utf8_len(c) > back ? s.len - back : s.len;
    }
    return s.len;
}

void etch_tok_destroy(etch_tok *t)
{
    if (!t) return;
    for (int i = 0; i < t->n_codes; i++) pcre2_code_free(t->codes[i]);
    free(t->codes);
    etch_map_deinit(&t->model.vocab.by_text);
    etch_arena_deinit(&t->arena);
    free(t);
}
