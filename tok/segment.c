// In: a piece of normalized text. Out: smaller pieces. One function a kind of the `pre_tokenizer` section.
#include <stdlib.h>
#include <utf8proc.h>

#include "tok/stages.h"

// GPT-2's table: printable bytes stand for themselves, the others for U+0100 and up in order.
static int32_t byte_char(uint8_t b)
{
    if ((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174) return b;
    if (b <= 32) return 256 + b;
    return b <= 160 ? 256 + 33 + (b - 127) : 256 + 67;
}

bool etch_byte_level_byte(int32_t c, uint8_t *out_byte)
{
    if (c < 0 || c > 323) return false;
    uint8_t b = c < 256 ? (uint8_t)c : c <= 288 ? (uint8_t)(c - 256) : c < 323 ? (uint8_t)(c - 289 + 127) : 173;
    *out_byte = b;
    return byte_char(b) == c;
}

void etch_byte_level_encode(etch_str in, etch_buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        uint8_t u[4];
        utf8proc_ssize_t n = utf8proc_encode_char(byte_char((uint8_t)in.ptr[i]), u);
        etch_buf_put(out, u, (size_t)n);
    }
}

static etch_status *push(etch_pieces *out, etch_str in, size_t start, size_t end)
{
    return end > start ? etch_pieces_push(out, (etch_str){ in.ptr + start, end - start }) : NULL;
}

typedef struct part { size_t start, end; bool match; } part;

// Matches and the gaps between them, in order. `invert` swaps the two.
static etch_status *find_parts(const etch_pattern *p, bool invert, etch_str in, part **out, size_t *out_n)
{
    size_t n = 0, cap = 0, at = 0, start, end;
    *out = NULL;
    *out_n = 0;
    while (at < in.len) {
        if (!etch_pattern_next(p, in, at, &start, &end)) start = end = in.len;
        if (n + 2 > cap) {
            cap = cap ? cap * 2 : 16;
            part *q = realloc(*out, cap * sizeof *q);
            if (!q) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
            *out = q;
        }
        if (start > at) (*out)[n++] = (part){ at, start, invert };
        if (end > start) (*out)[n++] = (part){ start, end, !invert };
        at = end;
    }
    *out_n = n;
    return NULL;
}

static etch_status *split(const etch_pattern *p, etch_split_behavior how, bool invert, etch_str in, etch_pieces *out)
{
    part *parts;
    size_t n;
    etch_status *s = find_parts(p, invert, in, &parts, &n);
    for (size_t i = 0; !s && i < n; i++) {
        size_t from = parts[i].start, to = parts[i].end;
        bool next = i + 1 < n;
        if (how == ETCH_SPLIT_REMOVED && parts[i].match) continue;
        if (how == ETCH_SPLIT_CONTIGUOUS)
            while (i + 1 < n && parts[i + 1].match == parts[i].match) to = parts[++i].end;
        if (how == ETCH_SPLIT_MERGE_PREVIOUS && next && !parts[i].match && parts[i + 1].match) to = parts[++i].end;
        if (how == ETCH_SPLIT_MERGE_NEXT && next && parts[i].match && !parts[i + 1].match) to = parts[++i].end;
        s = push(out, in, from, to);
    }
    free(parts);
    return s;
}

static etch_status *byte_level(const etch_seg *g, etch_arena *arena, etch_str in, etch_pieces *out)
{
    if (g->add_prefix_space && in.len && in.ptr[0] != ' ') {
        in = etch_arena_printf(arena, " %.*s", (int)in.len, in.ptr);
        if (!in.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    }
    etch_pieces cut = { 0 };
    etch_status *s = g->pattern.re ? split(&g->pattern, ETCH_SPLIT_ISOLATED, false, in, &cut) : etch_pieces_push(&cut, in);
    etch_buf b = { 0 };
    for (size_t i = 0; !s && i < cut.len; i++) {
        b.len = 0;
        etch_byte_level_encode(cut.ptr[i], &b);
        etch_str piece = etch_arena_str(arena, etch_buf_str(&b));
        s = piece.ptr ? etch_pieces_push(out, piece) : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    }
    etch_buf_deinit(&b);
    free(cut.ptr);
    return s;
}

static etch_status *metaspace(const etch_seg *g, etch_arena *arena, etch_str in, bool first, etch_pieces *out)
{
    etch_buf b = { 0 };
    bool starts = in.len >= g->replacement.len && !memcmp(in.ptr, g->replacement.ptr, g->replacement.len);
    bool spaced = in.len && in.ptr[0] == ' ';
    if (!starts && !spaced && (g->prepend == ETCH_PREPEND_ALWAYS || (g->prepend == ETCH_PREPEND_FIRST && first)))
        etch_buf_put(&b, g->replacement.ptr, g->replacement.len);
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] == ' ') etch_buf_put(&b, g->replacement.ptr, g->replacement.len);
        else etch_buf_put(&b, in.ptr + i, 1);
    }
    etch_str text = etch_arena_str(arena, etch_buf_str(&b));
    etch_buf_deinit(&b);
    if (!text.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (!g->split) return etch_pieces_push(out, text);
    etch_pattern p = { .literal = g->replacement };
    return split(&p, ETCH_SPLIT_MERGE_NEXT, false, text, out);
}

static bool is_punctuation(int32_t c)
{
    if ((c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126)) return true;
    utf8proc_category_t k = utf8proc_category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

// The BertPreTokenizer of the format: white space removed, punctuation isolated.
static etch_status *words(etch_str in, etch_pieces *out)
{
    size_t from = 0;
    for (size_t i = 0; i < in.len;) {
        utf8proc_int32_t c = 0;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)in.ptr + i, (utf8proc_ssize_t)(in.len - i), &c);
        size_t next = i + (n > 0 ? (size_t)n : 1);
        utf8proc_category_t k = utf8proc_category(c);
        bool space = c == ' ' || (c >= 9 && c <= 13) || k == UTF8PROC_CATEGORY_ZS || k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP;
        if (space || is_punctuation(c)) {
            ETCH_TRY(push(out, in, from, i));
            if (!space) ETCH_TRY(push(out, in, i, next));
            from = next;
        }
        i = next;
    }
    return push(out, in, from, in.len);
}

etch_status *etch_seg_apply(const etch_seg *g, etch_arena *arena, etch_str in, bool first, etch_pieces *out)
{
    switch (g->kind) {
    case ETCH_SEG_SPLIT: return split(&g->pattern, g->behavior, g->invert, in, out);
    case ETCH_SEG_BYTE_LEVEL: return byte_level(g, arena, in, out);
    case ETCH_SEG_METASPACE: return metaspace(g, arena, in, first, out);
    case ETCH_SEG_BERT: return words(in, out);
    }
    return ETCH_ERR(ETCH_INTERNAL, "unknown segmenter");
}
