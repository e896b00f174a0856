// In: chat.json, kept as it is once it is checked. Out: a script, the prompt cut where a control token stands in somebody's text.
#include "tok/chat.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "base/file.h"
#include "tok/stages.h"

#define VERSION 1

struct etch_chat { json_t *root; };

static etch_str str_of(const json_t *v) { return (etch_str){ json_string_value(v), json_string_length(v) }; }

// Dates

// What strftime may be asked for: conversions that Python and C write alike in the C locale.
static bool date_format_ok(const char *f)
{
    for (; *f; f++) {
        if (*f != '%') continue;
        if (*++f == '-') f++;
        if (!*f || !strchr("aAbBdeHIjmMpSyY%", *f)) return false;
    }
    return true;
}

static etch_status *put_date(const char *format, const struct tm *now, etch_buf *out)
{
    char date[512];
    size_t n = strftime(date, sizeof date, format, now);
    if (!n) return ETCH_ERR(ETCH_INVALID, "chat.json: the date format '%s' gives no date", format);
    etch_buf_put(out, date, n);
    return NULL;
}

// Checking

static etch_status *bad(const char *what, const char *wanted) { return ETCH_ERR(ETCH_INVALID, "'%s' is not %s", what, wanted); }

static etch_status *check_text(const json_t *v, const char *what)
{
    const json_t *part;
    size_t i;
    if (json_is_string(v)) return NULL;
    if (!json_is_array(v)) return bad(what, "a text");
    json_array_foreach(v, i, part) {
        if (json_is_string(part)) continue;
        const char *format = json_string_value(json_object_get(part, "now"));
        if (!format || !*format || strlen(format) > 64) return bad(what, "made of texts and dates");
        if (!date_format_ok(format))
            return ETCH_ERR(ETCH_UNSUPPORTED, "'%s' has a date of the form '%s', which etch cannot write", what, format);
    }
    return NULL;
}

static etch_status *check_list(const json_t *v, const char *what)
{
    const json_t *item;
    size_t i;
    if (!json_is_array(v)) return bad(what, "a list of texts");
    json_array_foreach(v, i, item)
        if (!json_string_length(item)) return bad(what, "a list of texts");
    return NULL;
}

// Their indexes are sets of sides: 1 the left, 2 the right.
static const char *const trims[] = { "none", "left", "right", "both" };

static int trim_of(const json_t *slot)
{
    const char *name = json_string_value(json_object_get(slot, "trim"));
    for (int i = 0; name && i < 4; i++)
        if (!strcmp(name, trims[i])) return i;
    return -1;
}

static etch_status *check_slot(const json_t *v, const char *what)
{
    if (!json_is_object(v)) return bad(what, "an object");
    ETCH_TRYF(check_text(json_object_get(v, "before"), "before"), "'%s'", what);
    if (trim_of(v) < 0) return ETCH_ERR(ETCH_INVALID, "'%s': 'trim' is not one of none, left, right, both", what);
    const json_t *refuse = json_object_get(v, "refuse");
    if (refuse) ETCH_TRYF(check_list(refuse, "refuse"), "'%s'", what);
    return NULL;
}

static etch_status *check_pair(const json_t *v, const char *what)
{
    if (json_is_null(v)) return NULL;
    if (!json_is_array(v) || json_array_size(v) != 2) return bad(what, "null or a pair");
    for (size_t i = 0; i < 2; i++) ETCH_TRY(check_slot(json_array_get(v, i), what));
    return NULL;
}

static etch_status *check(const json_t *root)
{
    const json_t *version = json_object_get(root, "version");
    if (!json_is_integer(version)) return bad("version", "a number");
    if (json_integer_value(version) != VERSION)
        return ETCH_ERR(ETCH_UNSUPPORTED, "its version is %lld, this etch reads %d; export the model again",
                        (long long)json_integer_value(version), VERSION);
    ETCH_TRY(check_slot(json_object_get(root, "start"), "start"));
    ETCH_TRY(check_text(json_object_get(root, "ask"), "ask"));
    ETCH_TRY(check_pair(json_object_get(root, "system"), "system"));
    ETCH_TRY(check_pair(json_object_get(root, "turn"), "turn"));
    ETCH_TRY(check_list(json_object_get(root, "stop"), "stop"));
    return check_list(json_object_get(root, "control"), "control");
}

etch_status *etch_chat_parse(etch_str json, const char *name, etch_chat **out)
{
    *out = NULL;
    json_error_t e;
    json_t *root = json_loadb(json.ptr ? json.ptr : "", json.len, 0, &e);
    etch_status *s = json_is_object(root) ? check(root) : root ? ETCH_ERR(ETCH_INVALID, "it is not an object")
                     : ETCH_ERR(ETCH_INVALID, "it is not valid JSON: line %d: %s", e.line, e.text);
    if (!s && !(*out = malloc(sizeof **out))) s = ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (s) {
        json_decref(root);
        ETCH_TRYF(s, "%s", name);
    }
    (*out)->root = root;
    return NULL;
}

etch_status *etch_chat_load(const char *path, etch_chat **out)
{
    *out = NULL;
    etch_mapped m;
    ETCH_TRY(etch_mapped_open(path, &m));
    etch_status *s = etch_chat_parse((etch_str){ (const char *)m.bytes.ptr, m.bytes.len }, path, out);
    etch_mapped_close(&m);
    return s;
}

void etch_chat_destroy(etch_chat *c)
{
    if (c) json_decref(c->root);
    free(c);
}

// The script: text, and where it is cut. A plain part is a control token in somebody's text; the parts between are encoded with all tokens.

typedef struct part { size_t start; bool plain; } part;
typedef struct script { etch_buf text; etch_buf parts; } script;

static void begin_part(script *s, bool plain)
{
    const part p = { s->text.len, plain };
    etch_buf_put(&s->parts, &p, sizeof p);
}

static void script_deinit(script *s)
{
    etch_buf_deinit(&s->text);
    etch_buf_deinit(&s->parts);
}

static etch_status *put_piece(script *s, const json_t *v, const struct tm *now)
{
    const json_t *piece;
    size_t i;
    if (json_is_string(v)) etch_buf_put(&s->text, json_string_value(v), json_string_length(v));
    json_array_foreach(v, i, piece) {
        const json_t *format = json_object_get(piece, "now");
        if (format) ETCH_TRY(put_date(json_string_value(format), now, &s->text));
        else etch_buf_put(&s->text, json_string_value(piece), json_string_length(piece));
    }
    return NULL;
}

// What Python's str.strip removes.
static bool is_space(utf8proc_int32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
           c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

// Length of the space that `s` starts with; 0: none.
static size_t space_at(etch_str s)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr, (utf8proc_ssize_t)s.len, &c);
    return n > 0 && is_space(c) ? (size_t)n : 0;
}

static etch_str trim(etch_str s, bool left, bool right)
{
    for (size_t n; left && s.len && (n = space_at(s));) s = (etch_str){ s.ptr + n, s.len - n };
    while (right && s.len) {
        size_t at = s.len - 1;
        while (at > 0 && ((unsigned char)s.ptr[at] & 0xC0) == 0x80) at--;
        if (space_at((etch_str){ s.ptr + at, s.len - at }) != s.len - at) break;
        s.len = at;
    }
    return s;
}

// Length of the longest of `tokens` that `s` starts with.
static size_t token_at(const json_t *tokens, etch_str s)
{
    const json_t *token;
    size_t i, longest = 0;
    json_array_foreach(tokens, i, token) {
        etch_str t = str_of(token);
        if (t.len > longest && t.len <= s.len && !memcmp(s.ptr, t.ptr, t.len)) longest = t.len;
    }
    return longest;
}

static etch_status *check_said(const json_t *slot, etch_str text, const char *whose)
{
    const json_t *constant;
    size_t i, start, end;
    if (!trim(text, true, true).len) return ETCH_ERR(ETCH_INVALID, "%s text is empty", whose);
    json_array_foreach(json_object_get(slot, "refuse"), i, constant)
        if (etch_pattern_next(&(etch_pattern){ .literal = str_of(constant) }, text, 0, &start, &end))
            return ETCH_ERR(ETCH_UNSUPPORTED, "%s text has '%s', for which the model's chat template looks: let transformers render the "
                            "prompt, and give it with --templated (docs/EXPORTING.md)", whose, json_string_value(constant));
    return NULL;
}

static etch_status *put_slot(const etch_chat *c, const json_t *slot, etch_str text, const char *whose, const struct tm *now, script *s)
{
    const json_t *control = json_object_get(c->root, "control");
    const int sides = trim_of(slot);
    ETCH_TRY(put_piece(s, json_object_get(slot, "before"), now));
    ETCH_TRY(check_said(slot, text, whose));
    text = trim(text, sides & 1, sides & 2);
    for (size_t at = 0; at < text.len;) {
        size_t n = token_at(control, (etch_str){ text.ptr + at, text.len - at });
        if (n) begin_part(s, true);
        etch_buf_put(&s->text, text.ptr + at, n ? n : 1);
        if (n) begin_part(s, false);
        at += n ? n : 1;
    }
    return NULL;
}

static etch_status *write_script(const etch_chat *c, const etch_talk *talk, script *s)
{
    const json_t *system = json_object_get(c->root, "system"), *turn = json_object_get(c->root, "turn");
    const json_t *first = json_object_get(c->root, "start");
    if (talk->n % 2 == 0) return ETCH_ERR(ETCH_INVALID, "the last text is not the user's");
    begin_part(s, false);
    if (talk->system.ptr) {
        if (json_is_null(system)) return ETCH_ERR(ETCH_UNSUPPORTED, "the model's chat template takes no system text");
        ETCH_TRY(put_slot(c, json_array_get(system, 0), talk->system, "the system", talk->now, s));
        first = json_array_get(system, 1);
    }
    if (talk->n > 1 && json_is_null(turn))
        return ETCH_ERR(ETCH_UNSUPPORTED, "the model's chat template writes longer conversations in a way that chat.json does not hold");
    for (size_t i = 0; i < talk->n; i++)
        ETCH_TRY(put_slot(c, i ? json_array_get(turn, (i + 1) % 2) : first, talk->texts[i], i % 2 ? "the model's" : "the user's",
                          talk->now, s));
    ETCH_TRY(put_piece(s, json_object_get(c->root, "ask"), talk->now));
    ETCH_TRY(etch_buf_check(&s->parts));
    return etch_buf_check(&s->text);
}

etch_status *etch_chat_text(const etch_chat *c, const etch_talk *talk, etch_buf *out)
{
    script s = { 0 };
    etch_status *status = write_script(c, talk, &s);
    if (!status) etch_buf_put(out, s.text.ptr, s.text.len);
    script_deinit(&s);
    return status ? status : etch_buf_check(out);
}

// Ids

static etch_status *encode(const etch_tok *t, etch_str text, bool plain, etch_ids *out)
{
    out->len = 0;
    return plain ? etch_tok_encode_plain(t, text, out) : etch_tok_encode(t, text, false, out);
}

// A part behind another is encoded after a newline, which is taken off again: some tokenizers put a space before what a text starts with.
static etch_status *encode_part(const etch_tok *t, etch_str text, bool plain, const etch_ids *newline, etch_ids *ids, size_t *out_from)
{
    etch_buf line = { 0 };
    etch_buf_puts(&line, "\n");
    etch_buf_put(&line, text.ptr, text.len);
    etch_status *s = etch_buf_check(&line);
    if (!s) s = encode(t, etch_buf_str(&line), plain, ids);
    etch_buf_deinit(&line);
    *out_from = newline->len;
    if (s || (ids->len >= newline->len && !memcmp(ids->ptr, newline->ptr, newline->len * sizeof *ids->ptr))) return s;
    *out_from = 0;
    return encode(t, text, plain, ids);
}

static etch_status *push_part(const etch_tok *t, etch_str text, bool plain, const etch_ids *ids, size_t from, etch_ids *out)
{
    const int32_t token = plain ? etch_tok_id(t, text) : -1;
    for (size_t i = from; i < ids->len; i++) {
        if (plain && ids->ptr[i] == token)
            return ETCH_ERR(ETCH_UNSUPPORTED, "a text has '%.*s', which this tokenizer takes for a control token in any case",
                            ETCH_STR_ARGS(text));
        ETCH_TRY(etch_ids_push(out, ids->ptr[i]));
    }
    return NULL;
}

static etch_status *encode_script(const etch_tok *t, const script *s, etch_ids *out)
{
    const part *parts = (const part *)(const void *)s->parts.ptr;
    const size_t n = s->parts.len / sizeof *parts;
    etch_ids newline = { 0 }, ids = { 0 };
    etch_status *status = encode(t, ETCH_LIT("\n"), false, &newline);
    for (size_t i = 0; !status && i < n; i++) {
        size_t end = i + 1 < n ? parts[i + 1].start : s->text.len, from = 0;
        const etch_str text = { (const char *)s->text.ptr + parts[i].start, end - parts[i].start };
        if (i && !text.len) continue;
        status = i ? encode_part(t, text, parts[i].plain, &newline, &ids, &from) : encode(t, text, false, &ids);
        if (!status) status = push_part(t, text, parts[i].plain, &ids, from, out);
    }
    etch_ids_deinit(&newline);
    etch_ids_deinit(&ids);
    return status;
}

etch_status *etch_chat_encode(const etch_chat *c, const etch_tok *t, const etch_talk *talk, etch_ids *out)
{
    script s = { 0 };
    etch_status *status = write_script(c, talk, &s);
    if (!status) status = encode_script(t, &s, out);
    script_deinit(&s);
    return status;
}

etch_status *etch_chat_stops(const etch_chat *c, const etch_tok *t, etch_ids *out)
{
    const json_t *token;
    size_t i;
    json_array_foreach(json_object_get(c->root, "stop"), i, token) {
        int32_t id = etch_tok_id(t, str_of(token));
        if (id < 0) return ETCH_ERR(ETCH_INVALID, "chat.json: 'stop': the tokenizer has no token '%s'", json_string_value(token));
        ETCH_TRY(etch_ids_push(out, id));
    }
    return NULL;
}
