// Rows in the place of token ids: a decoder of a multimodal program reads embeddings [1, S, D], those of token_embedding, and those of an
// encoder (of an image) where the text has the token that stands for them.
#ifndef ETCH_RT_LM_ROWS_H
#define ETCH_RT_LM_ROWS_H

#include "rt/rt.h"

typedef struct etch_lm_rows {
    etch_rt_method *embed;       // token_embedding
    etch_dtype dtype;            // of a row: `width` floats of this type, `bytes` together
    int64_t width;
    size_t bytes;
    uint8_t *room;               // rows of one call of the decoder
    int64_t *ids;                // and what token_embedding is asked for them
    const uint8_t *given;        // an encoder's rows, borrowed; the i-th `token` of the text takes the i-th
    int64_t n_given, n_used;
    int32_t token;
} etch_lm_rows;

// Loads token_embedding for a decoder whose first input is `decoder` (a tensor [1, S, D] of floats). *chunk: tokens of one call of the
// decoder; becomes less where token_embedding takes less. Close it also after an error.
etch_status *etch_lm_rows_open(etch_rt *rt, const etch_val *decoder, int64_t *chunk, etch_lm_rows *out) ETCH_MUST_USE;
void etch_lm_rows_close(etch_lm_rows *r);
// From now on the i-th `token` that is fed takes row i of `rows` (n rows of `width` elements of `dtype`, borrowed until they are used);
// when they are used up, the token is one like any other. Refuses rows of another width or type than the decoder's.
etch_status *etch_lm_rows_give(etch_lm_rows *r, int32_t token, const void *rows, int64_t n, int64_t width, etch_dtype dtype) ETCH_MUST_USE;
// The rows [1, n, D] of n <= chunk tokens, borrowed until the next call.
etch_status *etch_lm_rows_of(etch_lm_rows *r, const int32_t *tokens, size_t n, etch_tensor *out) ETCH_MUST_USE;

// Where a prompt has `token`, an encoder's rows belong; counts[i] of them come from the i-th of k inputs. A prompt with one such token for
// each input gets counts[i] in the place of the i-th; one with as many as there are rows stays as it is; any other is ETCH_INVALID, with
// the numbers. *out: *out_n ids, free with free().
etch_status *etch_lm_expand(const int32_t *ids, size_t n, int32_t token, const int64_t *counts, size_t k, int32_t **out,
                            size_t *out_n) ETCH_MUST_USE;

#endif
