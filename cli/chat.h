// --chat and --system: a text in the form that the model's chat template gives it, as chat.json beside the program has it (tok/chat.h).
#ifndef ETCH_CLI_CHAT_H
#define ETCH_CLI_CHAT_H

#include "rt/lm.h"
#include "tok/tok.h"

// The ids of the prompt, appended to `out`. `system` may be NULL. The tokens with which an answer ends join the end tokens of `lm`.
// ETCH_NOT_FOUND, and what to do: there is no chat.json beside `pte`.
etch_status *etch_cli_chat(const char *pte, const char *text, const char *system, const etch_tok *tok, etch_lm *lm,
                           etch_ids *out) ETCH_MUST_USE;

#endif
