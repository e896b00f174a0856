// A decoder with a KV cache as a session: tokens in, logits of the last position out. The method contracts of the official exporter:
//   forward(input_ids i64[1, S], cache_position i64[S]) -> logits f32, f16 or bf16 [1, S or 1, V], metadata as constant methods;
//   of a multimodal program token_embedding(input_ids i64[1, S]) -> embeddings [1, S, D] of floats, and
//   text_decoder(inputs_embeds [1, S, D], cache_position i64[S]) -> logits;
//   of an encoder-decoder program encoder(ids or features) -> states [1, T, D] of floats, and
//   text_decoder(decoder_input_ids i64[1, S], encoder_hidden_states [1, T, D], cache_position i64[S]) -> logits.
#ifndef ETCH_RT_LM_H
#define ETCH_RT_LM_H

#include "rt/lm_rows.h"
#include "rt/rt.h"

#define ETCH_LM_MAX_EOS 16
// Tokens of a prompt that one call takes at most: enough that the weights are read for many rows, few enough that a layer's activations
// stay in the caches and need little memory (docs/SPEED.md).
#define ETCH_LM_CHUNK 512

typedef struct etch_lm {
    etch_rt_method *method;            // forward, or text_decoder
    etch_lm_rows rows;                 // what text_decoder takes in the place of ids; .embed NULL: it takes ids
    int64_t width;                     // D of an encoder's states that it takes beside the ids; 0: none
    etch_tensor states;                // those [1, T, D]; .data of malloc, NULL: not given yet
    int64_t start_id;                  // what an encoder-decoder program's text starts with; -1: it does not say
    int64_t max_seq_len;               // cache slots: prompt and generated tokens together
    int64_t max_chunk;                 // tokens one call takes; 1 when shapes are static
    int64_t vocab_size;
    int64_t bos_id;                    // -1: none
    int64_t eos_ids[ETCH_LM_MAX_EOS];
    int n_eos;
    int64_t position;                  // tokens in the cache
    int64_t *ids, *positions;          // max_chunk entries each
    float *row;                        // vocab_size: half and bfloat16 logits as floats; NULL for float32 models
} etch_lm;

// Loads `forward` and reads the metadata. Refuses a program with another contract, naming what differs.
etch_status *etch_lm_open(etch_rt *rt, etch_lm *out) ETCH_MUST_USE;
// The same for `token_embedding` and `text_decoder`.
etch_status *etch_lm_open_multimodal(etch_rt *rt, etch_lm *out) ETCH_MUST_USE;
// The same for `text_decoder` of a program with `encoder`; nothing can be fed before it is given states.
etch_status *etch_lm_open_encoded(etch_rt *rt, etch_lm *out) ETCH_MUST_USE;
// What the decoder looks at from now on; takes states->data over, also when it refuses them. The text starts anew.
etch_status *etch_lm_give_states(etch_lm *lm, etch_tensor *states) ETCH_MUST_USE;
void etch_lm_close(etch_lm *lm);
// Runs `n` tokens (in chunks) and gives the logits of the last one: vocab_size floats, borrowed until the next call.
// ETCH_INVALID when the cache has no room for them: nothing is run then.
etch_status *etch_lm_feed(etch_lm *lm, const int32_t *tokens, size_t n, const float **out_logits) ETCH_MUST_USE;
bool etch_lm_is_eos(const etch_lm *lm, int32_t id);
// Forgets the text.
etch_status *etch_lm_reset(etch_lm *lm) ETCH_MUST_USE;

#endif
