// In: UTF-8 text. Out: normalized UTF-8 text. One function a kind of the `normalizer` section.
#include <stdlib.h>
#include <utf8proc.h>

#include "tok/stages.h"

static etch_status *unicode(etch_str in, int options, etch_buf *out)
{
    utf8proc_uint8_t *r = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)in.ptr, (utf8proc_ssize_t)in.len, &r, (utf8proc_option_t)options);
    if (n < 0) return ETCH_ERR(ETCH_INVALID, "the text is not valid UTF-8: %s", utf8proc_errmsg(n));
    etch_buf_put(out, r, (size_t)n);
    free(r);
    return NULL;
}

static void put_char(etch_buf *out, int32_t c)
{
    uint8_t b[4];
    utf8proc_ssize_t n = utf8proc_encode_char(c, b);
    if (n > 0) etch_buf_put(out, b, (size_t)n);
}

// Next code point at *at (the text is valid UTF-8).
static int32_t next_char(etch_str s, size_t *at)
{
    utf8proc_int32_t c = 0;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr + *at, (utf8proc_ssize_t)(s.len - *at), &c);
    *at += n > 0 ? (size_t)n : 1;
    return n > 0 ? c : 0xFFFD;
}

// Unicode lower-casing with the one multi-character mapping (U+0130).
static void lowercase(etch_str in, etch_buf *out)
{
    for (size_t i = 0; i < in.len;) {
        int32_t c = next_char(in, &i);
        if (c == 0x130) {
            put_char(out, 'i');
            put_char(out, 0x307);
        } else {
            put_char(out, utf8proc_tolower(c));
        }
    }
}

static void strip_accents(etch_str in, etch_buf *out)
{
    for (size_t i = 0; i < in.len;) {
        int32_t c = next_char(in, &i);
        if (utf8proc_category(c) != UTF8PROC_CATEGORY_MN) put_char(out, c);
    }
}

static bool is_space(int32_t c)
{
    if (c == ' ' || (c >= 9 && c <= 13) || c == 0x85) return true;
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_ZS || k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP;
}

static void strip(etch_str in, bool left, bool right, etch_buf *out)
{
    size_t start = 0, end = 0;
    bool seen = false;
    for (size_t i = 0; i < in.len;) {
        size_t at = i;
        if (!is_space(next_char(in, &i))) {
            if (!seen) start = at;
            seen = true;
            end = i;
        }
    }
    if (!left) start = 0;
    if (!right) end = in.len;
    if (!seen) start = end;
    if (end > start) etch_buf_put(out, in.ptr + start, end - start);
}

static bool is_chinese(int32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static bool is_control(int32_t c)
{
    if (c == '\t' || c == '\n' || c == '\r') return false;
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CN || k == UTF8PROC_CATEGORY_CO;
}

// The BertNormalizer of the format: clean text, space Chinese characters, strip accents, lower-case.
static etch_status *basic(const etch_norm *n, etch_str in, etch_buf *out)
{
    etch_buf a = { 0 }, b = { 0 };
    for (size_t i = 0; i < in.len;) {
        int32_t c = next_char(in, &i);
        if (n->clean && (c == 0 || c == 0xFFFD || is_control(c))) continue;
        if (n->clean && is_space(c)) c = ' ';
        if (n->chinese && is_chinese(c)) {
            put_char(&a, ' ');
            put_char(&a, c);
            put_char(&a, ' ');
        } else {
            put_char(&a, c);
        }
    }
    etch_status *s = NULL;
    if (n->accents) {
        s = unicode(etch_buf_str(&a), UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &b);
        a.len = 0;
        if (!s) strip_accents(etch_buf_str(&b), &a);
    }
    if (!s && n->lower) lowercase(etch_buf_str(&a), out);
    else if (!s) etch_buf_put(out, a.ptr, a.len);
    etch_buf_deinit(&a);
    etch_buf_deinit(&b);
    return s;
}

static void replace(const etch_norm *n, etch_str in, etch_buf *out)
{
    size_t at = 0, start, end;
    while (etch_pattern_next(&n->pattern, in, at, &start, &end)) {
        etch_buf_put(out, in.ptr + at, start - at);
        etch_buf_put(out, n->content.ptr, n->content.len);
        at = end;
    }
    if (in.len > at) etch_buf_put(out, in.ptr + at, in.len - at);
}

etch_status *etch_norm_apply(const etch_norm *n, etch_str in, etch_buf *out)
{
    switch (n->kind) {
    case ETCH_NORM_NFC: return unicode(in, UTF8PROC_STABLE | UTF8PROC_COMPOSE, out);
    case ETCH_NORM_NFD: return unicode(in, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, out);
    case ETCH_NORM_NFKC: return unicode(in, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT, out);
    case ETCH_NORM_NFKD: return unicode(in, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, out);
    case ETCH_NORM_LOWERCASE: lowercase(in, out); break;
    case ETCH_NORM_STRIP_ACCENTS: strip_accents(in, out); break;
    case ETCH_NORM_STRIP: strip(in, n->left, n->right, out); break;
    case ETCH_NORM_REPLACE: replace(n, in, out); break;
    case ETCH_NORM_PREPEND:
        if (in.len) etch_buf_put(out, n->content.ptr, n->content.len);
        etch_buf_put(out, in.ptr, in.len);
        break;
    case ETCH_NORM_BERT: ETCH_TRY(basic(n, in, out)); break;
    case ETCH_NORM_BYTE_LEVEL: etch_byte_level_encode(in, out); break;
    case ETCH_NORM_CHARSMAP: etch_charsmap_apply(&n->map, in, out); break;
    }
    return etch_buf_check(out);
}
