// Finding literals and regular expressions; pieces and ids as growable lists.
#include <stdlib.h>

#include "tok/stages.h"

bool etch_pattern_next(const etch_pattern *p, etch_str text, size_t from, size_t *out_start, size_t *out_end)
{
    if (!p->re) {
        if (!p->literal.len) return false;
        for (size_t i = from; i + p->literal.len <= text.len; i++)
            if (!memcmp(text.ptr + i, p->literal.ptr, p->literal.len)) {
                *out_start = i;
                *out_end = i + p->literal.len;
                return true;
            }
        return false;
    }
    pcre2_match_data *md = pcre2_match_data_create(1, NULL);
    bool found = false;
    while (md && !found && from <= text.len) {
        int rc = pcre2_match(p->re, (PCRE2_SPTR)(text.ptr ? text.ptr : ""), text.len, from, PCRE2_NO_UTF_CHECK, md, NULL);
        if (rc < 0) break;
        PCRE2_SIZE *v = pcre2_get_ovector_pointer(md);
        if (v[1] > v[0]) {
            *out_start = v[0];
            *out_end = v[1];
            found = true;
        } else {
            from = v[1] + 1;
            while (from < text.len && ((unsigned char)text.ptr[from] & 0xC0) == 0x80) from++;
        }
    }
    pcre2_match_data_free(md);
    return found;
}

etch_status *etch_pieces_push(etch_pieces *p, etch_str s)
{
    if (p->len == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        etch_str *q = realloc(p->ptr, cap * sizeof *q);
        if (!q) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        p->ptr = q;
        p->cap = cap;
    }
    p->ptr[p->len++] = s;
    return NULL;
}

etch_status *etch_ids_push(etch_ids *ids, int32_t id)
{
    if (ids->len == ids->cap) {
        size_t cap = ids->cap ? ids->cap * 2 : 64;
        int32_t *q = realloc(ids->ptr, cap * sizeof *q);
        if (!q) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        ids->ptr = q;
        ids->cap = cap;
    }
    ids->ptr[ids->len++] = id;
    return NULL;
}

void etch_ids_deinit(etch_ids *ids)
{
    free(ids->ptr);
    *ids = (etch_ids){ 0 };
}

int32_t etch_vocab_id(const etch_vocab *v, etch_str s) { return (int32_t)(intptr_t)etch_map_get(&v->by_text, s) - 1; }
