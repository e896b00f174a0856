// Images, or what a processor has made of something, as rows that a multimodal program's decoder reads in the place of tokens.
#ifndef ETCH_CLI_ENCODE_H
#define ETCH_CLI_ENCODE_H

#include "base/buf.h"
#include "cli/opt.h"
#include "rt/rt.h"

typedef struct etch_cli_rows {
    const char *encoder;    // "vision_encoder" or "audio_encoder"
    const char *flag;       // that asked for it
    int32_t token;          // what stands for a row in the prompt
    etch_dtype dtype;
    int64_t width, n;       // n rows of `width` elements at `bytes.ptr`
    etch_buf bytes;
    etch_buf counts;        // of the rows, by call: int64_t each
    size_t k;               // calls, one an image
} etch_cli_rows;

// Runs vision_encoder on each image, prepared as `etch run --image` does. Deinit also after an error.
etch_status *etch_cli_encode_images(etch_rt *rt, const char *pte, const etch_opt_list *images, etch_cli_rows *out) ETCH_MUST_USE;
// Runs `encoder` on its input as it is, of any type of floats and any address; if that has more entries [n, ...] than the encoder takes, on
// one after the other. flag: what gave it, for errors. Deinit also after an error.
etch_status *etch_cli_encode_features(etch_rt *rt, const char *encoder, const etch_tensor *features, const char *flag,
                                      etch_cli_rows *out) ETCH_MUST_USE;
void etch_cli_rows_deinit(etch_cli_rows *r);
// The token that stands for an encoder's rows (vision_token_id, audio_token_id).
etch_status *etch_cli_token(const etch_rt *rt, const char *encoder, int32_t *out) ETCH_MUST_USE;

#endif
