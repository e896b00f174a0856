// The safetensors of a model folder as the source of a program's constants.
#ifndef ETCH_EXPORT_WEIGHTS_H
#define ETCH_EXPORT_WEIGHTS_H

#include "lower/emit.h"
#include "pass/eval.h"
#include "quant/stream.h"
#include "st/safetensors.h"

typedef struct etch_model_weights {
    etch_st *st;             // NULL when the folder has no safetensors
    etch_weights weights;    // for passes
    etch_quant_stream quant; // for the writer
} etch_model_weights;

// A folder without weights is no error: asking for a tensor then is.
etch_status *etch_model_weights_open(const char *model_dir, etch_model_weights *out) ETCH_MUST_USE;
void etch_model_weights_close(etch_model_weights *m);
// `m` must outlive the source.
etch_const_source etch_model_weights_source(etch_model_weights *m);

#endif
