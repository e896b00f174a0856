// In: token texts. Out: text. One function a kind of the `decoder` section.
#include <stdlib.h>
#include <utf8proc.h>

#include "tok/stages.h"

static etch_status *keep(etch_arena *arena, etch_buf *b, etch_str *out)
{
    etch_status *s = etch_buf_check(b);
    if (s) return s;
    *out = etch_arena_str(arena, etch_buf_str(b));
    return out->ptr ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
}

// Bytes to text; what is not valid UTF-8 becomes U+FFFD, one for each bad byte sequence.
static void put_lossy(etch_buf *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t len = utf8proc_iterate(p + i, (utf8proc_ssize_t)(n - i), &c);
        if (len > 0) {
            etch_buf_put(out, p + i, (size_t)len);
            i += (size_t)len;
            continue;
        }
        size_t want = etch_utf8_len(p[i]), k = 1;
        while (k < want && i + k < n && (p[i + k] & 0xC0) == 0x80) k++;
        etch_buf_puts(out, "\xEF\xBF\xBD");
        i += want > 1 ? k : 1;
    }
}

static void join(const etch_pieces *t, etch_buf *out)
{
    for (size_t i = 0; i < t->len; i++) etch_buf_put(out, t->ptr[i].ptr, t->ptr[i].len);
}

// All tokens become one piece of bytes; a token with a character outside the table is taken as it is.
static void byte_level(const etch_pieces *t, etch_buf *out)
{
    etch_buf bytes = { 0 };
    for (size_t i = 0; i < t->len; i++) {
        size_t had = bytes.len;
        bool ok = true;
        for (size_t at = 0; ok && at < t->ptr[i].len;) {
            utf8proc_int32_t c;
            utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)t->ptr[i].ptr + at, (utf8proc_ssize_t)(t->ptr[i].len - at), &c);
            uint8_t b = 0;
            ok = n > 0 && etch_byte_level_byte(c, &b);
            if (ok) etch_buf_put(&bytes, &b, 1);
            at += n > 0 ? (size_t)n : 1;
        }
        if (ok) continue;
        bytes.len = had;
        etch_buf_put(&bytes, t->ptr[i].ptr, t->ptr[i].len);
    }
    put_lossy(out, bytes.ptr, bytes.len);
    out->oom |= bytes.oom;
    etch_buf_deinit(&bytes);
}

static int byte_token(etch_str s)  // <0xAB> -> 0xAB, else -1
{
    if (s.len != 6 || memcmp(s.ptr, "<0x", 3) || s.ptr[5] != '>') return -1;
    char hex[3] = { s.ptr[3], s.ptr[4], 0 }, *end;
    long v = strtol(hex, &end, 16);
    return *end ? -1 : (int)v;
}

// Runs of <0x..> tokens become text when they are valid UTF-8, else one U+FFFD a byte.
static etch_status *byte_fallback(etch_arena *arena, etch_pieces *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->len;) {
        if (byte_token(t->ptr[i]) < 0) {
            t->ptr[n++] = t->ptr[i++];
            continue;
        }
        etch_buf raw = { 0 }, text = { 0 };
        for (; i < t->len && byte_token(t->ptr[i]) >= 0; i++) {
            uint8_t b = (uint8_t)byte_token(t->ptr[i]);
            etch_buf_put(&raw, &b, 1);
        }
        bool valid = true;
        for (size_t at = 0; valid && at < raw.len;) {
            utf8proc_int32_t c;
            utf8proc_ssize_t k = utf8proc_iterate(raw.ptr + at, (utf8proc_ssize_t)(raw.len - at), &c);
            valid = k > 0;
            at += k > 0 ? (size_t)k : 1;
        }
        if (valid) etch_buf_put(&text, raw.ptr, raw.len);
        for (size_t k = 0; !valid && k < raw.len; k++) etch_buf_puts(&text, "\xEF\xBF\xBD");
        etch_status *s = keep(arena, &text, &t->ptr[n++]);
        etch_buf_deinit(&raw);
        etch_buf_deinit(&text);
        if (s) return s;
    }
    t->len = n;
    return NULL;
}

static void replace(const etch_dec *d, etch_str in, etch_buf *out)
{
    size_t at = 0, start, end;
    while (etch_pattern_next(&d->pattern, in, at, &start, &end)) {
        etch_buf_put(out, in.ptr + at, start - at);
        etch_buf_put(out, d->content.ptr, d->content.len);
        at = end;
    }
    if (in.len > at) etch_buf_put(out, in.ptr + at, in.len - at);
}

static etch_str strip(const etch_dec *d, etch_str s)
{
    for (int64_t i = 0; i < d->start && s.len >= d->content.len && !memcmp(s.ptr, d->content.ptr, d->content.len); i++)
        s = (etch_str){ s.ptr + d->content.len, s.len - d->content.len };
    for (int64_t i = 0; i < d->stop && s.len >= d->content.len &&
         !memcmp(s.ptr + s.len - d->content.len, d->content.ptr, d->content.len); i++)
        s.len -= d->content.len;
    return s;
}

static void metaspace(const etch_dec *d, etch_str s, bool first, etch_buf *out)
{
    size_t at = 0, start, end;
    etch_pattern p = { .literal = d->content };
    while (etch_pattern_next(&p, s, at, &start, &end)) {
        etch_buf_put(out, s.ptr + at, start - at);
        if (!(first && d->prefix_space && start == 0)) etch_buf_puts(out, " ");
        at = end;
    }
    if (s.len > at) etch_buf_put(out, s.ptr + at, s.len - at);
}

static void cleanup(etch_buf *b)
{
    static const char *const pairs[][2] = { { " .", "." }, { " ?", "?" }, { " !", "!" }, { " ,", "," }, { " ' ", "'" }, { " n't", "n't" },
                                            { " 'm", "'m" }, { " do not", " don't" }, { " 's", "'s" }, { " 've", "'ve" },
                                            { " 're", "'re" } };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        etch_buf next = { 0 };
        etch_dec d = { .pattern = { .literal = etch_str_of(pairs[i][0]) }, .content = etch_str_of(pairs[i][1]) };
        replace(&d, etch_buf_str(b), &next);
        next.oom |= b->oom;
        etch_buf_deinit(b);
        *b = next;
    }
}

static void word(const etch_dec *d, etch_str s, bool first, bool last, etch_buf *out)
{
    if (d->kind == ETCH_DEC_WORDPIECE) {
        bool continues = s.len >= d->content.len && d->content.len && !memcmp(s.ptr, d->content.ptr, d->content.len);
        if (!first && continues) s = (etch_str){ s.ptr + d->content.len, s.len - d->content.len };
        else if (!first) etch_buf_puts(out, " ");
        etch_buf_put(out, s.ptr, s.len);
        if (d->cleanup) cleanup(out);
        return;
    }
    size_t n = d->content.len;
    if (n && s.len >= n && !memcmp(s.ptr + s.len - n, d->content.ptr, n)) {  // BPE: the suffix ends a word
        etch_buf_put(out, s.ptr, s.len - n);
        if (!last) etch_buf_puts(out, " ");
    } else {
        etch_buf_put(out, s.ptr, s.len);
    }
}

etch_status *etch_dec_apply(const etch_dec *d, etch_arena *arena, etch_pieces *t)
{
    if (!t->len) return NULL;
    if (d->kind == ETCH_DEC_BYTE_FALLBACK) return byte_fallback(arena, t);
    etch_buf b = { 0 };
    etch_status *s = NULL;
    if (d->kind == ETCH_DEC_BYTE_LEVEL || d->kind == ETCH_DEC_FUSE) {
        if (d->kind == ETCH_DEC_FUSE) join(t, &b);
        else byte_level(t, &b);
        s = keep(arena, &b, &t->ptr[0]);
        t->len = 1;
    } else {
        for (size_t i = 0; !s && i < t->len; i++) {
            b.len = 0;
            if (d->kind == ETCH_DEC_STRIP) {
                t->ptr[i] = strip(d, t->ptr[i]);
                continue;
            }
            if (d->kind == ETCH_DEC_REPLACE) replace(d, t->ptr[i], &b);
            else if (d->kind == ETCH_DEC_METASPACE) metaspace(d, t->ptr[i], i == 0, &b);
            else word(d, t->ptr[i], i == 0, i + 1 == t->len, &b);
            s = keep(arena, &b, &t->ptr[i]);
        }
    }
    etch_buf_deinit(&b);
    return s;
}
