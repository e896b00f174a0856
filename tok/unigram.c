// Unigram (SentencePiece) and WordPiece models: best path over scored tokens, and greedy longest match.
#include <stdio.h>
#include <stdlib.h>

#include "tok/stages.h"

// Viterbi over byte positions that start characters. A character that no token covers costs min_score - 10.
etch_status *etch_unigram_encode(const etch_tok_model *m, etch_str piece, etch_ids *out)
{
    typedef struct { float score; size_t from; int32_t id; bool reached; } node;
    if (!piece.len) return NULL;
    node *best = calloc(piece.len + 1, sizeof *best);
    int32_t *path = malloc((piece.len + 1) * sizeof *path);
    size_t *starts = malloc((piece.len + 1) * sizeof *starts);
    etch_status *st = best && path && starts ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    size_t n = 0;
    if (st) goto done;
    best[0].reached = true;
    for (size_t i = 0; i < piece.len;) {
        size_t len = etch_utf8_len((unsigned char)piece.ptr[i]);
        if (len > piece.len - i) len = piece.len - i;
        bool single = false;
        for (size_t end = i + 1; end <= piece.len && end - i <= m->longest; end++) {
            if (end < piece.len && ((unsigned char)piece.ptr[end] & 0xC0) == 0x80) continue;
            int32_t id = etch_vocab_id(&m->vocab, (etch_str){ piece.ptr + i, end - i });
            if (id < 0) continue;
            if (end - i == len) single = true;
            float score = best[i].score + m->scores[id];
            if (!best[end].reached || score > best[end].score) best[end] = (node){ score, i, id, true };
        }
        if (!single) {
            float score = best[i].score + m->min_score - 10.0f;
            if (!best[i + len].reached || score > best[i + len].score) best[i + len] = (node){ score, i, -1, true };
        }
        i += len;
    }
    for (size_t at = piece.len; at; at = best[at].from, n++) {
        path[n] = best[at].id;
        starts[n] = best[at].from;
    }
    bool was_unknown = false;
    size_t end;
    for (size_t k = n; !st && k-- > 0;) {
        end = k ? starts[k - 1] : piece.len;
        bool unknown = path[k] < 0;
        if (!unknown) {
            st = etch_ids_push(out, path[k]);
        } else if (m->byte_fallback) {
            for (size_t b = starts[k]; !st && b < end; b++) {
                int32_t id = m->byte_ids[(unsigned char)piece.ptr[b]];
                if (id < 0) id = m->unk;
                if (id >= 0) st = etch_ids_push(out, id);
            }
        } else if (!was_unknown && m->unk >= 0) {
            st = etch_ids_push(out, m->unk);
        }
        was_unknown = unknown && !m->byte_fallback;
    }
done:
    free(best);
    free(path);
    free(starts);
    return st;
}

etch_status *etch_wordpiece_encode(const etch_tok_model *m, etch_str piece, etch_ids *out)
{
    size_t chars = 0, had = out->len;
    for (size_t i = 0; i < piece.len; i++) chars += ((unsigned char)piece.ptr[i] & 0xC0) != 0x80;
    etch_buf b = { 0 };
    etch_status *st = NULL;
    bool bad = chars > m->max_chars;
    for (size_t at = 0; !st && !bad && at < piece.len;) {
        size_t end = piece.len;
        int32_t id = -1;
        for (; end > at; end--) {
            if (end < piece.len && ((unsigned char)piece.ptr[end] & 0xC0) == 0x80) continue;
            b.len = 0;
            if (at) etch_buf_put(&b, m->prefix.ptr, m->prefix.len);
            etch_buf_put(&b, piece.ptr + at, end - at);
            id = etch_vocab_id(&m->vocab, etch_buf_str(&b));
            if (id >= 0) break;
        }
        bad = id < 0;
        if (!bad) st = etch_ids_push(out, id);
        at = end;
    }
    if (!st) st = etch_buf_check(&b);
    etch_buf_deinit(&b);
    if (st || !bad) return st;
    out->len = had;
    return m->unk >= 0 ? etch_ids_push(out, m->unk) : NULL;
}
