// What a processor of transformers has made of a prompt, images or sound, saved as safetensors: input_ids, and pixel_values or
// input_features; decoder_input_ids, with which the decoder of an encoder-decoder program begins.
#ifndef ETCH_CLI_PREPARED_H
#define ETCH_CLI_PREPARED_H

#include "cli/encode.h"
#include "st/safetensors.h"
#include "tok/tok.h"

typedef struct etch_cli_prepared {
    etch_st *st;
    const etch_st_tensor *ids, *features, *begin;  // NULL: not there
    const char *encoder;                           // of the features, in a multimodal program
} etch_cli_prepared;

// Refuses a tensor that changes what a model computes and that no program takes: a mask that leaves something out, a size of an image that
// is not its own. Close it also after an error.
etch_status *etch_cli_prepared_open(const char *path, etch_cli_prepared *out) ETCH_MUST_USE;
void etch_cli_prepared_close(etch_cli_prepared *p);
// The ids [1, S] or [S] of p->ids or p->begin, appended.
etch_status *etch_cli_prepared_ids(const etch_cli_prepared *p, const etch_st_tensor *ids, etch_ids *out) ETCH_MUST_USE;
etch_status *etch_cli_prepared_encode(const etch_cli_prepared *p, etch_rt *rt, etch_cli_rows *out) ETCH_MUST_USE;

#endif
