// The normalizer `Precompiled` of tokenizer.json: sentencepiece's table of texts and what they become.
//
// In: base64 of a u32 (bytes of the trie, little-endian as all of it), the trie, and the texts that it leads to, each ended by a zero byte.
// The trie is a double array of u32: bit 8 says that a key ends at a node (the unit at the node's own offset has the place of its text in
// bits 0 to 30), bits 0 to 7 and 31 are the byte that leads there, bits 10 to 30 the offset of its children, in 256ths where bit 9 is set.
// Found is the shortest key that a grapheme cluster (of less than 6 bytes) or else a character begins with: so the tokenizers library does,
// although sentencepiece takes the longest.
#include <utf8proc.h>

#include "tok/stages.h"

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// `out` has room for 3 bytes of each 4 characters. False: no base64.
static bool unbase64(etch_str in, uint8_t *out, size_t *out_n)
{
    uint32_t bits = 0;
    size_t n = 0, digits = in.len;
    while (digits && in.len - digits < 2 && in.ptr[digits - 1] == '=') digits--;
    for (size_t i = 0; i < digits; i++) {
        const int d = digit_of(in.ptr[i]);
        if (d < 0) return false;
        bits = bits << 6 | (uint32_t)d;
        if (i % 4) out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *out_n = n;
    return in.len % 4 == 0 && digits % 4 != 1;
}

static uint32_t u32_at(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

etch_status *etch_charsmap_parse(etch_str base64, etch_arena *arena, etch_charsmap *out)
{
    size_t n;
    uint8_t *bytes = etch_arena_alloc(arena, base64.len / 4 * 3 + 3);
    if (!bytes) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (!unbase64(base64, bytes, &n)) return ETCH_ERR(ETCH_INVALID, "precompiled_charsmap is no base64");
    const size_t trie = n < 4 ? 0 : u32_at(bytes);
    if (n < 4 || trie % 4 || trie > n - 4 || trie < 4) return ETCH_ERR(ETCH_INVALID, "precompiled_charsmap has no trie");
    *out = (etch_charsmap){ bytes + 4, trie / 4, { (const char *)bytes + 4 + trie, n - 4 - trie } };
    if (utf8proc_decompose((const utf8proc_uint8_t *)out->texts.ptr, (utf8proc_ssize_t)out->texts.len, NULL, 0, 0) < 0)
        return ETCH_ERR(ETCH_INVALID, "precompiled_charsmap has texts that are not UTF-8");
    return NULL;
}

static uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & 1u << 9) >> 6); }

// What the shortest key becomes that `s` begins with.
static bool find(const etch_charsmap *m, etch_str s, etch_str *out)
{
    uint32_t node = 0, unit = u32_at(m->units);
    node ^= offset_of(unit);
    for (size_t i = 0; i < s.len && s.ptr[i]; i++) {
        const uint8_t byte = (uint8_t)s.ptr[i];
        node ^= byte;
        if (node >= m->n) return false;
        unit = u32_at(m->units + 4 * (size_t)node);
        if ((unit & (1u << 31 | 0xFF)) != byte) return false;
        node ^= offset_of(unit);
        if (!(unit >> 8 & 1)) continue;
        if (node >= m->n) return false;
        const size_t at = u32_at(m->units + 4 * (size_t)node) & 0x7FFFFFFF;
        if (at > m->texts.len) return false;
        const char *end = memchr(m->texts.ptr + at, 0, m->texts.len - at);
        *out = (etch_str){ m->texts.ptr + at, end ? (size_t)(end - m->texts.ptr) - at : m->texts.len - at };
        return true;
    }
    return false;
}

static size_t char_at(etch_str s, size_t at, utf8proc_int32_t *out)
{
    const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr + at, (utf8proc_ssize_t)(s.len - at), out);
    if (n > 0) return (size_t)n;
    *out = 0xFFFD;
    return 1;
}

// Bytes of the grapheme cluster at `at`.
static size_t cluster(etch_str s, size_t at)
{
    utf8proc_int32_t before, c, state = 0;
    size_t end = at + char_at(s, at, &before);
    while (end < s.len) {
        const size_t n = char_at(s, end, &c);
        if (utf8proc_grapheme_break_stateful(before, c, &state)) break;
        before = c;
        end += n;
    }
    return end - at;
}

void etch_charsmap_apply(const etch_charsmap *m, etch_str in, etch_buf *out)
{
    for (size_t at = 0, n; at < in.len; at += n) {
        const etch_str whole = { in.ptr + at, n = cluster(in, at) };
        etch_str to;
        if (whole.len < 6 && find(m, whole, &to)) {
            etch_buf_put(out, to.ptr, to.len);
            continue;
        }
        for (size_t i = 0, k; i < whole.len; i += k) {
            utf8proc_int32_t c;
            const etch_str one = { whole.ptr + i, k = char_at(whole, i, &c) };
            if (!find(m, one, &to)) to = one;
            etch_buf_put(out, to.ptr, to.len);
        }
    }
}
