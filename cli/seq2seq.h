// `etch generate` with an encoder-decoder program: a text, ids or features go into its encoder, and what the decoder makes of them is the
// text that is printed (docs/EXPORTING.md).
#ifndef ETCH_CLI_SEQ2SEQ_H
#define ETCH_CLI_SEQ2SEQ_H

#include "cli/prepared.h"
#include "rt/lm.h"
#include "rt/lm_encoder.h"

typedef struct etch_cli_seq2seq {
    etch_lm_encoder encoder;
    const etch_cli_prepared *inputs;
} etch_cli_seq2seq;

// Refuses text for an encoder of features, features for one of ids, and nothing for either. has_text: there is a prompt beside `inputs`.
// Close it also after an error.
etch_status *etch_cli_seq2seq_open(etch_rt *rt, const etch_cli_prepared *inputs, bool has_text, etch_cli_seq2seq *out) ETCH_MUST_USE;
void etch_cli_seq2seq_close(etch_cli_seq2seq *s);
// Runs the encoder, gives its states to `lm`, and appends to `out` the ids with which the decoder begins: decoder_input_ids of the inputs,
// behind the program's own start if they are without it; else that start alone. text: NULL where the inputs have ids or features; special:
// its tokenizer adds what it adds to a whole text.
etch_status *etch_cli_seq2seq_read(etch_cli_seq2seq *s, const etch_tok *tok, const etch_str *text, bool special, etch_lm *lm,
                                   etch_ids *out) ETCH_MUST_USE;

#endif
