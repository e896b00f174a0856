// Conversations as prompts, without a template engine: chat.json, the pieces of text that a model's chat template puts around what people
// say. An export takes them from the template (trace/driver/chat.py says what each is); docs/EXPORTING.md describes the file.
//
//   system?, texts of the user and the model in turn -> pieces -> prompt -> ids
//
// The ids are those of transformers' apply_chat_template(..., add_generation_prompt=True, sanitize_control_tokens=True): a control token
// that someone writes into a text stays text.
#ifndef ETCH_TOK_CHAT_H
#define ETCH_TOK_CHAT_H

#include <time.h>

#include "tok/tok.h"

typedef struct etch_chat etch_chat;

// `path` names a chat.json. The result is owned by the caller; it is read-only afterwards.
etch_status *etch_chat_load(const char *path, etch_chat **out) ETCH_MUST_USE;
// The same from memory; `name` is used in errors.
etch_status *etch_chat_parse(etch_str json, const char *name, etch_chat **out) ETCH_MUST_USE;
void etch_chat_destroy(etch_chat *c);

// What was said: `texts` of the user and the model in turn, the user's first and last. Without a system text (ptr NULL) the template's own
// stands, if it has one. `now`: for templates that write the date; borrowed.
typedef struct etch_talk { etch_str system; const etch_str *texts; size_t n; const struct tm *now; } etch_talk;

// The prompt as text, appended to `out`.
etch_status *etch_chat_text(const etch_chat *c, const etch_talk *talk, etch_buf *out) ETCH_MUST_USE;
// The same as ids, appended to `out`: nothing is put before them, what the template starts with is in its text.
etch_status *etch_chat_encode(const etch_chat *c, const etch_tok *t, const etch_talk *talk, etch_ids *out) ETCH_MUST_USE;
// The tokens that end an answer beside the end tokens of the program, appended to `out`.
etch_status *etch_chat_stops(const etch_chat *c, const etch_tok *t, etch_ids *out) ETCH_MUST_USE;

#endif
