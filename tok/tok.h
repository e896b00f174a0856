// Tokenizers from a `tokenizer.json` (Hugging Face tokenizers format 1.0), token for token as that library.
//
//   text -> added tokens cut out -> normalize -> segment (pre-tokenize) -> model (BPE, Unigram, WordPiece) -> post-process -> ids
//   ids -> tokens -> decode -> text
//
// A section of the file that etch does not know is refused by name when the file is loaded, never skipped.
#ifndef ETCH_TOK_TOK_H
#define ETCH_TOK_TOK_H

#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"

typedef struct etch_tok etch_tok;
typedef struct etch_ids { int32_t *ptr; size_t len, cap; } etch_ids;

// `path` names a tokenizer.json. The result is owned by the caller; it is read-only afterwards.
etch_status *etch_tok_load(const char *path, etch_tok **out) ETCH_MUST_USE;
// The same from memory; `name` is used in errors.
etch_status *etch_tok_parse(etch_str json, const char *name, etch_tok **out) ETCH_MUST_USE;
void etch_tok_destroy(etch_tok *t);

// UTF-8 text to ids, appended to `out` (free with etch_ids_deinit). Invalid UTF-8 is an error.
etch_status *etch_tok_encode(const etch_tok *t, etch_str text, bool add_special_tokens, etch_ids *out) ETCH_MUST_USE;
// The same without special tokens, and none that stands in the text is recognised: all of it is plain text.
etch_status *etch_tok_encode_plain(const etch_tok *t, etch_str text, etch_ids *out) ETCH_MUST_USE;
// Ids to UTF-8, appended to `out`. An id outside the vocabulary is an error.
etch_status *etch_tok_decode(const etch_tok *t, const int32_t *ids, size_t n, bool skip_special_tokens, etch_buf *out) ETCH_MUST_USE;
// -1 when there is no such token.
int32_t etch_tok_id(const etch_tok *t, etch_str token);
// One past the largest id.
int32_t etch_tok_size(const etch_tok *t);
// Length of the longest prefix of `s` that does not end inside a UTF-8 character (for streaming output).
size_t etch_utf8_complete(etch_str s);
etch_status *etch_ids_push(etch_ids *ids, int32_t id) ETCH_MUST_USE;
void etch_ids_deinit(etch_ids *ids);

#endif
