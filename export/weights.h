// The safetensors of a model folder and a GGUF file that its graph names, or the tensors of a PT2 archive, as the source of a program's
// constants.
#ifndef ETCH_EXPORT_WEIGHTS_H
#define ETCH_EXPORT_WEIGHTS_H

#include "lower/emit.h"
#include "pass/eval.h"
#include "pt2/pt2.h"
#include "quant/stream.h"
#include "st/gguf.h"
#include "st/safetensors.h"

typedef struct etch_model_weights {
    const char *dir;         // borrowed
    etch_st *st;             // NULL when the folder has no safetensors
    etch_gguf *gguf;         // opened when first asked for
    char *gguf_name;         // its name in the graph, relative to the folder
    etch_weights weights;    // for passes
    etch_quant_stream quant; // for the writer
} etch_model_weights;

// A folder without weights is no error: asking for a tensor then is. `model_dir` outlives `out`.
etch_status *etch_model_weights_open(const char *model_dir, etch_model_weights *out) ETCH_MUST_USE;
// The tensors of a PT2 archive, which must outlive them.
etch_status *etch_model_weights_open_pt2(etch_pt2 *archive, etch_model_weights *out) ETCH_MUST_USE;
void etch_model_weights_close(etch_model_weights *m);
// `m` must outlive the source.
etch_const_source etch_model_weights_source(etch_model_weights *m);

#endif
