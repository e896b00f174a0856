// In: tokenizer.json. Out: an etch_tok. Every section is read or refused by name.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "tok/stages.h"

// GPT-2's word pattern, used by ByteLevel with use_regex.
static const char WORDS[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static const char *string_of(const json_t *o, const char *key) { return json_string_value(json_object_get(o, key)); }
static bool bool_of(const json_t *o, const char *key, bool def)
{
    const json_t *v = json_object_get(o, key);
    return json_is_boolean(v) ? json_is_true(v) : def;
}

static etch_status *copy_str(etch_tok *t, const json_t *v, etch_str *out)
{
    *out = etch_arena_str(&t->arena, (etch_str){ json_string_value(v) ? json_string_value(v) : "", json_string_length(v) });
    return out->ptr ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
}

static etch_status *compile(etch_tok *t, const char *regex, size_t len, pcre2_code **out)
{
    int code;
    PCRE2_SIZE at;
    *out = pcre2_compile((PCRE2_SPTR)regex, len, PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK, &code, &at, NULL);
    if (!*out) {
        PCRE2_UCHAR msg[128];
        pcre2_get_error_message(code, msg, sizeof msg);
        return ETCH_ERR(ETCH_INVALID, "the regular expression '%.*s' is not valid at %zu: %s", (int)len, regex, at, (char *)msg);
    }
    pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE);  // optional: matching falls back to the interpreter
    if (t->n_codes == t->cap_codes) {
        int cap = t->cap_codes ? t->cap_codes * 2 : 8;
        pcre2_code **q = realloc(t->codes, (size_t)cap * sizeof *q);
        if (!q) {
            pcre2_code_free(*out);
            return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        }
        t->codes = q;
        t->cap_codes = cap;
    }
    t->codes[t->n_codes++] = *out;
    return NULL;
}

static etch_status *compile_z(etch_tok *t, const char *regex, pcre2_code **out) { return compile(t, regex, strlen(regex), out); }

// {"String": "x"} or {"Regex": "x"} or "x".
static etch_status *read_pattern(etch_tok *t, const json_t *v, etch_pattern *out)
{
    const json_t *re = json_object_get(v, "Regex"), *lit = json_object_get(v, "String");
    if (json_is_string(re)) return compile(t, json_string_value(re), json_string_length(re), &out->re);
    if (json_is_string(v)) lit = v;
    if (!json_is_string(lit)) return ETCH_ERR(ETCH_INVALID, "a pattern is neither String nor Regex");
    return copy_str(t, lit, &out->literal);
}

// Sections nest as {"type": "Sequence", "<list>": [...]}: visits the leaves in order.
typedef etch_status *(*leaf_fn)(etch_tok *t, const json_t *o, const char *type);
static etch_status *visit(etch_tok *t, const json_t *o, const char *list, const char *section, leaf_fn leaf, int depth)
{
    if (!o || json_is_null(o)) return NULL;
    const char *type = string_of(o, "type");
    if (!type || depth > 16) return ETCH_ERR(ETCH_INVALID, "%s has no type", section);
    if (strcmp(type, "Sequence")) {
        ETCH_TRYF(leaf(t, o, type), "%s '%s'", section, type);
        return NULL;
    }
    const json_t *items = json_object_get(o, list), *item;
    size_t i;
    json_array_foreach(items, i, item) ETCH_TRY(visit(t, item, list, section, leaf, depth + 1));
    return NULL;
}

#define GROW(t, list, n, type)                                                            \
    do {                                                                                  \
        if (((n) & ((n) - 1)) == 0) {                                                     \
            type *grown_ = etch_arena_alloc(&(t)->arena, sizeof(type) * (size_t)((n) ? (n) * 2 : 1)); \
            if (!grown_) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");                \
            if (n) memcpy(grown_, (list), sizeof(type) * (size_t)(n));                    \
            (list) = grown_;                                                              \
        }                                                                                 \
    } while (0)

static etch_status *add_norm(etch_tok *t, const json_t *o, const char *type)
{
    static const struct { const char *name; etch_norm_kind kind; } kinds[] = {
        { "NFC", ETCH_NORM_NFC }, { "NFD", ETCH_NORM_NFD }, { "NFKC", ETCH_NORM_NFKC }, { "NFKD", ETCH_NORM_NFKD },
        { "Lowercase", ETCH_NORM_LOWERCASE }, { "StripAccents", ETCH_NORM_STRIP_ACCENTS }, { "Strip", ETCH_NORM_STRIP },
        { "Replace", ETCH_NORM_REPLACE }, { "Prepend", ETCH_NORM_PREPEND }, { "BertNormalizer", ETCH_NORM_BERT },
        { "ByteLevel", ETCH_NORM_BYTE_LEVEL }, { "Precompiled", ETCH_NORM_CHARSMAP },
    };
    size_t k = 0;
    while (k < sizeof kinds / sizeof *kinds && strcmp(type, kinds[k].name)) k++;
    if (k == sizeof kinds / sizeof *kinds) return ETCH_ERR(ETCH_UNSUPPORTED, "not known to etch");
    etch_norm n = { .kind = kinds[k].kind };
    n.left = bool_of(o, "strip_left", true);
    n.right = bool_of(o, "strip_right", true);
    n.clean = bool_of(o, "clean_text", true);
    n.chinese = bool_of(o, "handle_chinese_chars", true);
    n.lower = bool_of(o, "lowercase", true);
    n.accents = bool_of(o, "strip_accents", n.lower);
    if (n.kind == ETCH_NORM_REPLACE) {
        ETCH_TRY(read_pattern(t, json_object_get(o, "pattern"), &n.pattern));
        ETCH_TRY(copy_str(t, json_object_get(o, "content"), &n.content));
    }
    if (n.kind == ETCH_NORM_CHARSMAP) {
        const json_t *map = json_object_get(o, "precompiled_charsmap");
        const etch_str base64 = { json_is_string(map) ? json_string_value(map) : "", json_string_length(map) };
        ETCH_TRY(etch_charsmap_parse(base64, &t->arena, &n.map));
    }
    if (n.kind == ETCH_NORM_PREPEND) ETCH_TRY(copy_str(t, json_object_get(o, "prepend"), &n.content));
    GROW(t, t->norms, t->n_norms, etch_norm);
    t->norms[t->n_norms++] = n;
    return NULL;
}

static etch_status *read_behavior(const json_t *o, etch_split_behavior def, etch_split_behavior *out)
{
    static const char *const names[] = { "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous" };
    const char *b = string_of(o, "behavior");
    *out = def;
    if (!b) return NULL;
    for (int i = 0; i < 5; i++)
        if (!strcmp(b, names[i])) {
            *out = (etch_split_behavior)i;
            return NULL;
        }
    return ETCH_ERR(ETCH_UNSUPPORTED, "behavior '%s' is not known to etch", b);
}

static etch_status *read_metaspace(etch_tok *t, const json_t *o, etch_str *replacement, etch_prepend *prepend)
{
    const json_t *r = json_object_get(o, "replacement");
    if (json_is_string(r)) ETCH_TRY(copy_str(t, r, replacement));
    else *replacement = ETCH_LIT("\xE2\x96\x81");
    const char *scheme = string_of(o, "prepend_scheme");
    *prepend = bool_of(o, "add_prefix_space", true) ? ETCH_PREPEND_ALWAYS : ETCH_PREPEND_NEVER;
    if (scheme)
        *prepend = !strcmp(scheme, "never") ? ETCH_PREPEND_NEVER : !strcmp(scheme, "first") ? ETCH_PREPEND_FIRST : ETCH_PREPEND_ALWAYS;
    return NULL;
}

static etch_status *add_seg(etch_tok *t, const json_t *o, const char *type)
{
    etch_seg g = { .kind = ETCH_SEG_SPLIT, .behavior = ETCH_SPLIT_ISOLATED };
    if (!strcmp(type, "Split")) {
        ETCH_TRY(read_pattern(t, json_object_get(o, "pattern"), &g.pattern));
        ETCH_TRY(read_behavior(o, ETCH_SPLIT_ISOLATED, &g.behavior));
        g.invert = bool_of(o, "invert", false);
    } else if (!strcmp(type, "ByteLevel")) {
        g.kind = ETCH_SEG_BYTE_LEVEL;
        g.add_prefix_space = bool_of(o, "add_prefix_space", true);
        if (bool_of(o, "use_regex", true)) ETCH_TRY(compile_z(t, WORDS, &g.pattern.re));
    } else if (!strcmp(type, "Metaspace")) {
        g.kind = ETCH_SEG_METASPACE;
        g.split = bool_of(o, "split", true);
        ETCH_TRY(read_metaspace(t, o, &g.replacement, &g.prepend));
    } else if (!strcmp(type, "Digits")) {
        ETCH_TRY(compile_z(t, "\\p{N}", &g.pattern.re));
        g.behavior = bool_of(o, "individual_digits", false) ? ETCH_SPLIT_ISOLATED : ETCH_SPLIT_CONTIGUOUS;
    } else if (!strcmp(type, "Whitespace")) {
        ETCH_TRY(compile_z(t, "\\w+|[^\\w\\s]+", &g.pattern.re));
        g.behavior = ETCH_SPLIT_REMOVED;
        g.invert = true;
    } else if (!strcmp(type, "WhitespaceSplit")) {
        ETCH_TRY(compile_z(t, "\\s", &g.pattern.re));
        g.behavior = ETCH_SPLIT_REMOVED;
    } else if (!strcmp(type, "Punctuation")) {
        ETCH_TRY(compile_z(t, "[\\p{P}$+<=>^`|~]", &g.pattern.re));
        ETCH_TRY(read_behavior(o, ETCH_SPLIT_ISOLATED, &g.behavior));
    } else if (!strcmp(type, "BertPreTokenizer")) {
        g.kind = ETCH_SEG_BERT;
    } else {
        return ETCH_ERR(ETCH_UNSUPPORTED, "not known to etch");
    }
    GROW(t, t->segs, t->n_segs, etch_seg);
    t->segs[t->n_segs++] = g;
    return NULL;
}

static etch_status *add_dec(etch_tok *t, const json_t *o, const char *type)
{
    etch_dec d = { 0 };
    etch_prepend prepend;
    if (!strcmp(type, "ByteLevel")) {
        d.kind = ETCH_DEC_BYTE_LEVEL;
    } else if (!strcmp(type, "ByteFallback")) {
        d.kind = ETCH_DEC_BYTE_FALLBACK;
    } else if (!strcmp(type, "Fuse")) {
        d.kind = ETCH_DEC_FUSE;
    } else if (!strcmp(type, "Replace")) {
        d.kind = ETCH_DEC_REPLACE;
        ETCH_TRY(read_pattern(t, json_object_get(o, "pattern"), &d.pattern));
        ETCH_TRY(copy_str(t, json_object_get(o, "content"), &d.content));
    } else if (!strcmp(type, "Strip")) {
        d.kind = ETCH_DEC_STRIP;
        ETCH_TRY(copy_str(t, json_object_get(o, "content"), &d.content));
        d.start = json_integer_value(json_object_get(o, "start"));
        d.stop = json_integer_value(json_object_get(o, "stop"));
        if (!d.content.len) return ETCH_ERR(ETCH_INVALID, "content is empty");
    } else if (!strcmp(type, "Metaspace")) {
        d.kind = ETCH_DEC_METASPACE;
        ETCH_TRY(read_metaspace(t, o, &d.content, &prepend));
        d.prefix_space = prepend != ETCH_PREPEND_NEVER;
    } else if (!strcmp(type, "WordPiece")) {
        d.kind = ETCH_DEC_WORDPIECE;
        ETCH_TRY(copy_str(t, json_object_get(o, "prefix"), &d.content));
        d.cleanup = bool_of(o, "cleanup", true);
    } else if (!strcmp(type, "BPEDecoder")) {
        d.kind = ETCH_DEC_BPE;
        ETCH_TRY(copy_str(t, json_object_get(o, "suffix"), &d.content));
    } else {
        return ETCH_ERR(ETCH_UNSUPPORTED, "not known to etch");
    }
    GROW(t, t->decs, t->n_decs, etch_dec);
    t->decs[t->n_decs++] = d;
    return NULL;
}

static etch_status *put_template(etch_tok *t, bool is_sequence, int32_t id)
{
    GROW(t, t->tmpl, t->n_tmpl, etch_template_item);
    t->tmpl[t->n_tmpl++] = (etch_template_item){ is_sequence, id };
    return NULL;
}

static etch_status *add_post(etch_tok *t, const json_t *o, const char *type)
{
    if (!strcmp(type, "ByteLevel")) return NULL;  // changes offsets only
    if (!strcmp(type, "BertProcessing") || !strcmp(type, "RobertaProcessing")) {
        const json_t *sep = json_object_get(o, "sep"), *cls = json_object_get(o, "cls");
        ETCH_TRY(put_template(t, false, (int32_t)json_integer_value(json_array_get(cls, 1))));
        ETCH_TRY(put_template(t, true, 0));
        return put_template(t, false, (int32_t)json_integer_value(json_array_get(sep, 1)));
    }
    if (strcmp(type, "TemplateProcessing")) return ETCH_ERR(ETCH_UNSUPPORTED, "not known to etch");
    const json_t *special = json_object_get(o, "special_tokens"), *item, *id;
    size_t i, k;
    json_array_foreach(json_object_get(o, "single"), i, item) {
        const json_t *st = json_object_get(item, "SpecialToken");
        if (!st) {
            ETCH_TRY(put_template(t, true, 0));
            continue;
        }
        const char *name = string_of(st, "id");
        const json_t *ids = name ? json_object_get(json_object_get(special, name), "ids") : NULL;
        if (!json_array_size(ids)) return ETCH_ERR(ETCH_INVALID, "special token '%s' has no ids", name ? name : "");
        json_array_foreach(ids, k, id) ETCH_TRY(put_template(t, false, (int32_t)json_integer_value(id)));
    }
    return NULL;
}

#define MAX_ID (1 << 26)

static etch_status *put_token(etch_tok *t, etch_str text, int64_t id)
{
    etch_vocab *v = &t->model.vocab;
    if (id < 0 || id >= v->n) return ETCH_ERR(ETCH_INVALID, "token '%.*s' has the id %lld", ETCH_STR_ARGS(text), (long long)id);
    v->by_id[id] = text;
    if (text.len > t->model.longest) t->model.longest = text.len;
    return etch_map_put(&v->by_text, text, (void *)(intptr_t)(id + 1));
}

static etch_status *read_vocab(etch_tok *t, const json_t *m)
{
    etch_vocab *v = &t->model.vocab;
    const json_t *vocab = json_object_get(m, "vocab");
    const char *key;
    json_t *value;
    int64_t top = -1;
    size_t i;
    if (t->model.kind == ETCH_MODEL_UNIGRAM && !json_is_array(vocab))
        return ETCH_ERR(ETCH_INVALID, "the vocabulary of a Unigram model is a list of tokens and their scores, and this one is not a list");
    if (json_is_array(vocab)) top = (int64_t)json_array_size(vocab) - 1;
    json_object_foreach((json_t *)(uintptr_t)vocab, key, value) {
        int64_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id > MAX_ID) return ETCH_ERR(ETCH_INVALID, "token '%s' has no valid id", key);
        if (id > top) top = id;
    }
    if (top < 0 || top > MAX_ID) return ETCH_ERR(ETCH_INVALID, "the vocabulary is empty");
    v->n = (int32_t)top + 1;
    ETCH_ALLOC(v->by_id, &t->arena, sizeof *v->by_id * (size_t)v->n);
    if (json_is_array(vocab)) {
        ETCH_ALLOC(t->model.scores, &t->arena, sizeof(float) * (size_t)v->n);
        json_array_foreach(vocab, i, value) {
            etch_str text;
            ETCH_TRY(copy_str(t, json_array_get(value, 0), &text));
            ETCH_TRY(put_token(t, text, (int64_t)i));
            float score = (float)json_number_value(json_array_get(value, 1));
            t->model.scores[i] = score;
            if (i == 0 || score < t->model.min_score) t->model.min_score = score;
        }
        return NULL;
    }
    json_object_foreach((json_t *)(uintptr_t)vocab, key, value) {
        etch_str text = etch_arena_str(&t->arena, etch_str_of(key));
        if (!text.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        ETCH_TRY(put_token(t, text, json_integer_value(value)));
    }
    return NULL;
}

static etch_status *put_pair(etch_tok_model *m, etch_str a, etch_str b, uint32_t rank, etch_buf *joined)
{
    int32_t left = etch_vocab_id(&m->vocab, a), right = etch_vocab_id(&m->vocab, b);
    joined->len = 0;
    etch_buf_put(joined, a.ptr, a.len);
    size_t cut = m->prefix.len && b.len > m->prefix.len ? m->prefix.len : 0;
    etch_buf_put(joined, b.ptr + cut, b.len - cut);
    ETCH_TRY(etch_buf_check(joined));
    int32_t id = etch_vocab_id(&m->vocab, etch_buf_str(joined));
    if (left < 0 || right < 0 || id < 0)
        return ETCH_ERR(ETCH_INVALID, "merge %u ('%.*s' with '%.*s') names a token that is not in the vocabulary", rank, ETCH_STR_ARGS(a),
                        ETCH_STR_ARGS(b));
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t mask = m->n_pair_slots - 1, i = (size_t)((key * 0x9E3779B97F4A7C15u) >> 20) & mask;
    while (m->pairs[i].rank != UINT32_MAX) {
        if (m->pairs[i].key == key) return NULL;
        i = (i + 1) & mask;
    }
    m->pairs[i] = (etch_pair){ key, rank, id };
    return NULL;
}

static etch_status *read_merges(etch_tok *t, const json_t *m)
{
    const json_t *merges = json_object_get(m, "merges"), *item;
    size_t n = json_array_size(merges), i;
    etch_tok_model *model = &t->model;
    model->n_pair_slots = 16;
    while (model->n_pair_slots < 2 * n) model->n_pair_slots *= 2;
    ETCH_ALLOC(model->pairs, &t->arena, sizeof *model->pairs * model->n_pair_slots);
    for (size_t k = 0; k < model->n_pair_slots; k++) model->pairs[k].rank = UINT32_MAX;
    etch_buf joined = { 0 };
    etch_status *s = NULL;
    json_array_foreach(merges, i, item) {
        etch_str a, b;
        if (json_is_string(item)) {
            const char *text = json_string_value(item), *space = strchr(text + (*text != 0), ' ');
            if (!space) s = ETCH_ERR(ETCH_INVALID, "merge %zu is not a pair", i);
            a = (etch_str){ text, space ? (size_t)(space - text) : 0 };
            b = etch_str_of(space ? space + 1 : "");
        } else {
            a = etch_str_of(json_string_value(json_array_get(item, 0)));
            b = etch_str_of(json_string_value(json_array_get(item, 1)));
            if (!a.ptr || !b.ptr) s = ETCH_ERR(ETCH_INVALID, "merge %zu is not a pair", i);
        }
        if (!s) s = put_pair(model, a, b, (uint32_t)i, &joined);
        if (s) break;
    }
    etch_buf_deinit(&joined);
    return s;
}

static etch_status *read_model(etch_tok *t, const json_t *m)
{
    etch_tok_model *model = &t->model;
    const char *type = string_of(m, "type");
    if (!type) type = json_object_get(m, "merges") ? "BPE" : json_is_array(json_object_get(m, "vocab")) ? "Unigram" : "WordPiece";
    if (!strcmp(type, "BPE")) model->kind = ETCH_MODEL_BPE;
    else if (!strcmp(type, "Unigram")) model->kind = ETCH_MODEL_UNIGRAM;
    else if (!strcmp(type, "WordPiece")) model->kind = ETCH_MODEL_WORDPIECE;
    else return ETCH_ERR(ETCH_UNSUPPORTED, "model '%s' is not known to etch", type);
    ETCH_TRY(read_vocab(t, m));
    model->fuse_unk = bool_of(m, "fuse_unk", false);
    model->byte_fallback = bool_of(m, "byte_fallback", false);
    model->ignore_merges = bool_of(m, "ignore_merges", false);
    ETCH_TRY(copy_str(t, json_object_get(m, "continuing_subword_prefix"), &model->prefix));
    ETCH_TRY(copy_str(t, json_object_get(m, "end_of_word_suffix"), &model->suffix));
    json_int_t chars = json_integer_value(json_object_get(m, "max_input_chars_per_word"));
    model->max_chars = chars > 0 ? (size_t)chars : 100;
    model->unk = -1;
    const json_t *unk = json_object_get(m, "unk_token"), *unk_id = json_object_get(m, "unk_id");
    if (json_is_string(unk)) model->unk = etch_vocab_id(&model->vocab, etch_str_of(json_string_value(unk)));
    if (json_is_integer(unk_id)) model->unk = (int32_t)json_integer_value(unk_id);
    if (model->unk >= model->vocab.n) return ETCH_ERR(ETCH_INVALID, "unk_id %d is outside the vocabulary", model->unk);
    for (int b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        model->byte_ids[b] = etch_vocab_id(&model->vocab, etch_str_of(name));
    }
    return model->kind == ETCH_MODEL_BPE ? read_merges(t, m) : NULL;
}

static etch_status *read_added(etch_tok *t, const json_t *list)
{
    const json_t *o;
    size_t i;
    json_array_foreach(list, i, o) {
        etch_added a = { .id = (int32_t)json_integer_value(json_object_get(o, "id")) };
        ETCH_TRY(copy_str(t, json_object_get(o, "content"), &a.content));
        a.special = bool_of(o, "special", false);
        a.lstrip = bool_of(o, "lstrip", false);
        a.rstrip = bool_of(o, "rstrip", false);
        a.single_word = bool_of(o, "single_word", false);
        a.normalized = bool_of(o, "normalized", !a.special);
        if (!a.content.len || a.id < 0) return ETCH_ERR(ETCH_INVALID, "added token %zu has no content or id", i);
        GROW(t, t->added, t->n_added, etch_added);
        t->added[t->n_added++] = a;
    }
    return NULL;
}

static etch_status *read_all(etch_tok *t, const json_t *root)
{
    ETCH_TRY(read_added(t, json_object_get(root, "added_tokens")));
    ETCH_TRY(visit(t, json_object_get(root, "normalizer"), "normalizers", "normalizer", add_norm, 0));
    ETCH_TRY(visit(t, json_object_get(root, "pre_tokenizer"), "pretokenizers", "pre_tokenizer", add_seg, 0));
    ETCH_TRY(visit(t, json_object_get(root, "post_processor"), "processors", "post_processor", add_post, 0));
    ETCH_TRY(visit(t, json_object_get(root, "decoder"), "decoders", "decoder", add_dec, 0));
    return read_model(t, json_object_get(root, "model"));
}

etch_status *etch_tok_parse(etch_str json, const char *name, etch_tok **out)
{
    *out = NULL;
    json_error_t e;
    json_t *root = json_loadb(json.ptr ? json.ptr : "", json.len, JSON_ALLOW_NUL, &e);
    if (!json_is_object(root)) {
        json_decref(root);
        return ETCH_ERR(ETCH_INVALID, "%s is not valid JSON: line %d: %s", name, e.line, e.text);
    }
    etch_tok *t = calloc(1, sizeof *t);
    if (!t) {
        json_decref(root);
        return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    }
    etch_arena_init(&t->arena);
    etch_status *s = read_all(t, root);
    json_decref(root);
    if (s) {
        etch_tok_destroy(t);
        ETCH_TRYF(s, "%s", name);
    }
    *out = t;
    return NULL;
}

etch_status *etch_tok_load(const char *path, etch_tok **out)
{
    *out = NULL;
    etch_mapped m;
    ETCH_TRY(etch_mapped_open(path, &m));
    etch_status *s = etch_tok_parse((etch_str){ (const char *)m.bytes.ptr, m.bytes.len }, path, out);
    etch_mapped_close(&m);
    return s;
}
