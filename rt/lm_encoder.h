// What an encoder-decoder program reads before it writes: encoder(ids i64[1, T], or features of floats) -> states [1, T, D] of floats.
#ifndef ETCH_RT_LM_ENCODER_H
#define ETCH_RT_LM_ENCODER_H

#include "base/buf.h"
#include "rt/rt.h"

typedef struct etch_lm_encoder {
    etch_rt_method *method;
    bool takes_ids;          // else features
} etch_lm_encoder;

// Does the program have `encoder` and `text_decoder`?
bool etch_lm_has_encoder(const etch_rt *rt);
// Loads `encoder`. Refuses another contract, naming what differs. Close it also after an error.
etch_status *etch_lm_encoder_open(etch_rt *rt, etch_lm_encoder *out) ETCH_MUST_USE;
void etch_lm_encoder_close(etch_lm_encoder *e);
// Its input as text for errors: "ids i64 [1, 4096]", the upper bounds where sizes are free.
void etch_lm_encoder_input(const etch_lm_encoder *e, etch_buf *out);
// The states of `input`, ids or features in the type that it takes; free(out->data).
etch_status *etch_lm_encode(etch_lm_encoder *e, const etch_tensor *input, etch_tensor *out) ETCH_MUST_USE;

#endif
