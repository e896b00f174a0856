// Images as rows that a multimodal program's decoder reads in the place of tokens.
#ifndef ETCH_CLI_ENCODE_H
#define ETCH_CLI_ENCODE_H

#include "base/buf.h"
#include "cli/opt.h"
#include "rt/rt.h"

typedef struct etch_cli_rows {
    int32_t token;                        // what stands for a row in the prompt
    etch_dtype dtype;
    int64_t width, n;                     // n rows of `width` elements at `bytes.ptr`
    etch_buf bytes;
    int64_t counts[ETCH_OPT_LIST_MAX];    // of the rows, by image
    size_t k;                             // images
} etch_cli_rows;

// Runs vision_encoder on each image, prepared as `etch run --image` does. Deinit also after an error.
etch_status *etch_cli_encode_images(etch_rt *rt, const char *pte, const etch_opt_list *images, etch_cli_rows *out) ETCH_MUST_USE;
void etch_cli_rows_deinit(etch_cli_rows *r);
// The token in a constant method (vision_token_id, audio_token_id).
etch_status *etch_cli_token(const etch_rt *rt, const char *name, int32_t *out) ETCH_MUST_USE;

#endif
