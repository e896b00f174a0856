// A prompt as a decoder reads it: where it has an encoder's token, there are as many as the encoder has rows for it (docs/EXPORTING.md).
#ifndef ETCH_CLI_PROMPT_H
#define ETCH_CLI_PROMPT_H

#include "cli/encode.h"
#include "rt/lm.h"
#include "tok/tok.h"

typedef struct etch_cli_prompt {
    etch_ids ids;      // as the text has them; what is generated comes behind
    size_t n;          // of the prompt
    int32_t *fed;      // what the decoder reads of the prompt
    size_t n_fed;
} etch_cli_prompt;

// From p->ids; gives `rows` to the decoder of a multimodal program. A token that stands for what was not given is refused. tok: for its
// name in errors; may be NULL.
etch_status *etch_cli_prompt_place(etch_cli_prompt *p, const etch_rt *rt, const etch_tok *tok, const etch_cli_rows *rows,
                                   etch_lm *lm) ETCH_MUST_USE;
void etch_cli_prompt_deinit(etch_cli_prompt *p);

#endif
