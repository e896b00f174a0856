// Byte-pair encoding: a piece starts as characters; the adjacent pair with the lowest merge rank is joined until none is left.
// A heap of candidate pairs over a linked list keeps long pieces (no pre-tokenizer) at O(n log n).
#include <stdio.h>
#include <stdlib.h>

#include "tok/stages.h"

typedef struct symbol { int32_t id; int prev, next; size_t start, len; } symbol;
typedef struct candidate { uint32_t rank; int left, right; int32_t left_id, right_id, id; } candidate;
typedef struct heap { candidate *c; size_t n, cap; } heap;

static const etch_pair *find_pair(const etch_tok_model *m, int32_t a, int32_t b)
{
    if (!m->n_pair_slots || a < 0 || b < 0) return NULL;
    uint64_t key = (uint64_t)(uint32_t)a << 32 | (uint32_t)b;
    size_t mask = m->n_pair_slots - 1, i = (size_t)((key * 0x9E3779B97F4A7C15u) >> 20) & mask;
    while (m->pairs[i].rank != UINT32_MAX) {
        if (m->pairs[i].key == key) return &m->pairs[i];
        i = (i + 1) & mask;
    }
    return NULL;
}

static bool before(const candidate *a, const candidate *b) { return a->rank != b->rank ? a->rank < b->rank : a->left < b->left; }

static etch_status *heap_push(heap *h, candidate c)
{
    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 32;
        candidate *q = realloc(h->c, cap * sizeof *q);
        if (!q) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        h->c = q;
        h->cap = cap;
    }
    size_t i = h->n++;
    for (; i && before(&c, &h->c[(i - 1) / 2]); i = (i - 1) / 2) h->c[i] = h->c[(i - 1) / 2];
    h->c[i] = c;
    return NULL;
}

static candidate heap_pop(heap *h)
{
    candidate top = h->c[0], last = h->c[--h->n];
    size_t i = 0;
    for (;;) {
        size_t k = 2 * i + 1;
        if (k >= h->n) break;
        if (k + 1 < h->n && before(&h->c[k + 1], &h->c[k])) k++;
        if (!before(&h->c[k], &last)) break;
        h->c[i] = h->c[k];
        i = k;
    }
    if (h->n) h->c[i] = last;
    return top;
}

static etch_status *consider(const etch_tok_model *m, const symbol *s, int left, heap *h)
{
    if (left < 0 || s[left].next < 0) return NULL;
    int right = s[left].next;
    const etch_pair *p = find_pair(m, s[left].id, s[right].id);
    return p ? heap_push(h, (candidate){ p->rank, left, right, s[left].id, s[right].id, p->id }) : NULL;
}

// Id of one character, with the affixes of the format; -1 when unknown.
static int32_t char_id(const etch_tok_model *m, etch_str c, bool first, bool last)
{
    bool prefix = m->prefix.len && !first, suffix = m->suffix.len && last;
    if (!prefix && !suffix) return etch_vocab_id(&m->vocab, c);
    char text[128];
    int n = snprintf(text, sizeof text, "%.*s%.*s%.*s", prefix ? (int)m->prefix.len : 0, m->prefix.ptr ? m->prefix.ptr : "", (int)c.len,
                     c.ptr, suffix ? (int)m->suffix.len : 0, m->suffix.ptr ? m->suffix.ptr : "");
    return n > 0 && (size_t)n < sizeof text ? etch_vocab_id(&m->vocab, (etch_str){ text, (size_t)n }) : -1;
}

static bool has_bytes(const etch_tok_model *m, etch_str c)
{
    for (size_t i = 0; i < c.len; i++)
        if (m->byte_ids[(unsigned char)c.ptr[i]] < 0) return false;
    return true;
}

// Fills symbols from characters; unknown ones become bytes, the unknown token, or nothing.
static size_t first_symbols(const etch_tok_model *m, etch_str piece, symbol *s)
{
    size_t n = 0;
    bool was_unknown = false;
    for (size_t i = 0; i < piece.len;) {
        size_t len = etch_utf8_len((unsigned char)piece.ptr[i]);
        if (len > piece.len - i) len = piece.len - i;
        etch_str c = { piece.ptr + i, len };
        int32_t id = char_id(m, c, i == 0, i + len == piece.len);
        bool unknown = false;
        if (id >= 0) {
            s[n++] = (symbol){ id, 0, 0, i, len };
        } else if (m->byte_fallback && has_bytes(m, c)) {
            for (size_t k = 0; k < len; k++) s[n++] = (symbol){ m->byte_ids[(unsigned char)c.ptr[k]], 0, 0, i + k, 1 };
        } else if (m->unk >= 0) {
            unknown = true;
            if (!(m->fuse_unk && was_unknown)) s[n++] = (symbol){ m->unk, 0, 0, i, len };
        }
        was_unknown = unknown;
        i += len;
    }
    for (size_t i = 0; i < n; i++) {
        s[i].prev = (int)i - 1;
        s[i].next = i + 1 < n ? (int)i + 1 : -1;
    }
    return n;
}

etch_status *etch_bpe_encode(const etch_tok_model *m, etch_str piece, etch_ids *out)
{
    if (!piece.len) return NULL;
    if (m->ignore_merges) {
        int32_t id = etch_vocab_id(&m->vocab, piece);
        if (id >= 0) return etch_ids_push(out, id);
    }
    if (piece.len > 1u << 28) return ETCH_ERR(ETCH_INVALID, "the text has a piece of %zu bytes", piece.len);
    symbol *s = malloc(piece.len * sizeof *s);
    if (!s) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    heap h = { 0 };
    size_t n = first_symbols(m, piece, s);
    etch_status *st = NULL;
    for (size_t i = 0; !st && i < n; i++) st = consider(m, s, (int)i, &h);
    while (!st && h.n) {
        candidate c = heap_pop(&h);
        symbol *l = &s[c.left], *r = &s[c.right];
        if (l->id != c.left_id || r->id != c.right_id || l->next != c.right) continue;  // one side was merged meanwhile
        l->id = c.id;
        l->len += r->len;
        l->next = r->next;
        r->id = -2;
        if (l->next >= 0) s[l->next].prev = c.left;
        st = consider(m, s, l->prev, &h);
        if (!st) st = consider(m, s, c.left, &h);
    }
    for (int i = n ? 0 : -1; !st && i >= 0; i = s[i].next) st = etch_ids_push(out, s[i].id);
    free(h.c);
    free(s);
    return st;
}
