// The stages of a tokenizer, as loaded from tokenizer.json. Private to tok/.
#ifndef ETCH_TOK_STAGES_H
#define ETCH_TOK_STAGES_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/arena.h"
#include "base/map.h"
#include "tok/tok.h"

// A text pattern: a literal or a compiled regular expression (PCRE2, UTF and Unicode properties; tokenizer.json is written for
// Oniguruma, whose syntax agrees on what tokenizers use).
typedef struct etch_pattern { etch_str literal; pcre2_code *re; } etch_pattern;
// Next non-empty match at or after `from`: false when none.
bool etch_pattern_next(const etch_pattern *p, etch_str text, size_t from, size_t *out_start, size_t *out_end);

// text -> text. Appends to `out`.
typedef enum {
    ETCH_NORM_NFC, ETCH_NORM_NFD, ETCH_NORM_NFKC, ETCH_NORM_NFKD, ETCH_NORM_LOWERCASE, ETCH_NORM_STRIP_ACCENTS, ETCH_NORM_STRIP,
    ETCH_NORM_REPLACE, ETCH_NORM_PREPEND, ETCH_NORM_BERT, ETCH_NORM_BYTE_LEVEL, ETCH_NORM_CHARSMAP,
} etch_norm_kind;
typedef struct etch_charsmap { const uint8_t *units; size_t n; etch_str texts; } etch_charsmap;  // a trie of n units (4 bytes each)
etch_status *etch_charsmap_parse(etch_str base64, etch_arena *arena, etch_charsmap *out) ETCH_MUST_USE;
void etch_charsmap_apply(const etch_charsmap *m, etch_str in, etch_buf *out);
typedef struct etch_norm {
    etch_norm_kind kind;
    etch_pattern pattern;                 // REPLACE
    etch_str content;                     // REPLACE, PREPEND
    etch_charsmap map;                    // CHARSMAP
    bool left, right;                     // STRIP
    bool clean, chinese, accents, lower;  // BERT
} etch_norm;
etch_status *etch_norm_apply(const etch_norm *n, etch_str in, etch_buf *out) ETCH_MUST_USE;

// pieces -> pieces.
typedef struct etch_pieces { etch_str *ptr; size_t len, cap; } etch_pieces;
etch_status *etch_pieces_push(etch_pieces *p, etch_str s) ETCH_MUST_USE;

typedef enum { ETCH_SPLIT_REMOVED, ETCH_SPLIT_ISOLATED, ETCH_SPLIT_MERGE_PREVIOUS, ETCH_SPLIT_MERGE_NEXT,
               ETCH_SPLIT_CONTIGUOUS } etch_split_behavior;
typedef enum { ETCH_SEG_SPLIT, ETCH_SEG_BYTE_LEVEL, ETCH_SEG_METASPACE, ETCH_SEG_BERT } etch_seg_kind;
typedef enum { ETCH_PREPEND_NEVER, ETCH_PREPEND_FIRST, ETCH_PREPEND_ALWAYS } etch_prepend;
typedef struct etch_seg {
    etch_seg_kind kind;
    etch_pattern pattern;                 // SPLIT (also digits, whitespace, punctuation); BYTE_LEVEL when use_regex
    etch_split_behavior behavior;
    bool invert, add_prefix_space, split;
    etch_prepend prepend;                 // METASPACE
    etch_str replacement;                 // METASPACE
} etch_seg;
// `first` says that the piece starts the text. New strings live in `arena`.
etch_status *etch_seg_apply(const etch_seg *s, etch_arena *arena, etch_str in, bool first, etch_pieces *out) ETCH_MUST_USE;
// The byte <-> character table of GPT-2's byte-level encoding.
void etch_byte_level_encode(etch_str in, etch_buf *out);
bool etch_byte_level_byte(int32_t codepoint, uint8_t *out_byte);

// piece -> ids.
typedef struct etch_vocab {
    etch_map by_text;                     // text -> id + 1 (as pointer)
    etch_str *by_id;                      // n entries; ptr NULL where an id is unused
    int32_t n;
} etch_vocab;
int32_t etch_vocab_id(const etch_vocab *v, etch_str s);  // -1 when absent

typedef struct etch_pair { uint64_t key; uint32_t rank; int32_t id; } etch_pair;  // key = left << 32 | right; rank UINT32_MAX = free
typedef enum { ETCH_MODEL_BPE, ETCH_MODEL_UNIGRAM, ETCH_MODEL_WORDPIECE } etch_model_kind;
typedef struct etch_tok_model {
    etch_model_kind kind;
    etch_vocab vocab;
    etch_pair *pairs; size_t n_pair_slots;  // BPE: open addressing, a power of two
    float *scores; float min_score;         // UNIGRAM, by id
    size_t longest;                         // bytes of the longest token
    int32_t unk;                            // -1: none
    bool fuse_unk, byte_fallback, ignore_merges;
    int32_t byte_ids[256];                  // <0x00>..<0xFF>, -1 when absent
    etch_str prefix, suffix;                // continuing_subword_prefix, end_of_word_suffix
    size_t max_chars;                       // WORDPIECE
} etch_tok_model;
etch_status *etch_bpe_encode(const etch_tok_model *m, etch_str piece, etch_ids *out) ETCH_MUST_USE;
etch_status *etch_unigram_encode(const etch_tok_model *m, etch_str piece, etch_ids *out) ETCH_MUST_USE;
etch_status *etch_wordpiece_encode(const etch_tok_model *m, etch_str piece, etch_ids *out) ETCH_MUST_USE;
// Bytes of the UTF-8 character that starts with `lead` (1 for a stray byte).
static inline size_t etch_utf8_len(unsigned char lead) { return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

// tokens -> tokens (the last one joins).
typedef enum {
    ETCH_DEC_BYTE_LEVEL, ETCH_DEC_BYTE_FALLBACK, ETCH_DEC_FUSE, ETCH_DEC_REPLACE, ETCH_DEC_STRIP, ETCH_DEC_METASPACE, ETCH_DEC_WORDPIECE,
    ETCH_DEC_BPE,
} etch_dec_kind;
typedef struct etch_dec {
    etch_dec_kind kind;
    etch_pattern pattern;
    etch_str content;                     // REPLACE, STRIP (one character), METASPACE (replacement), WORDPIECE (prefix), BPE (suffix)
    int64_t start, stop;                  // STRIP: how many at each end
    bool cleanup;                         // WORDPIECE
    bool prefix_space;                    // METASPACE: a space was put before the first word
} etch_dec;
etch_status *etch_dec_apply(const etch_dec *d, etch_arena *arena, etch_pieces *tokens) ETCH_MUST_USE;

typedef struct etch_added { etch_str content; int32_t id; bool special, lstrip, rstrip, single_word, normalized; } etch_added;
typedef struct etch_template_item { bool is_sequence; int32_t id; } etch_template_item;

struct etch_tok {
    etch_arena arena;
    etch_tok_model model;
    etch_norm *norms; int n_norms;
    etch_seg *segs; int n_segs;
    etch_dec *decs; int n_decs;
    etch_added *added; int n_added;
    etch_template_item *tmpl; int n_tmpl;        // single-sequence template; n_tmpl 0: the ids alone
    pcre2_code **codes; int n_codes, cap_codes;  // owned regular expressions
};

#endif
