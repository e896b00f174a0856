#include "rt/lm_encoder.h"

#include <stdlib.h>
#include <string.h>

bool etch_lm_has_encoder(const etch_rt *rt)
{
    return etch_rt_has_method(rt, ETCH_LIT("encoder")) && etch_rt_has_method(rt, ETCH_LIT("text_decoder"));
}

etch_status *etch_lm_encoder_open(etch_rt *rt, etch_lm_encoder *out)
{
    *out = (etch_lm_encoder){ 0 };
    ETCH_TRY(etch_rt_load(rt, ETCH_LIT("encoder"), &out->method));
    if (etch_rt_n_inputs(out->method) != 1 || etch_rt_n_outputs(out->method) < 1)
        return ETCH_ERR(ETCH_UNSUPPORTED, "'encoder' takes %d inputs; a text2text-generation export takes ids or features alone",
                        etch_rt_n_inputs(out->method));
    const etch_val *in = etch_rt_input(out->method, 0), *states = etch_rt_output(out->method, 0);
    out->takes_ids = in->kind == ETCH_V_TENSOR && in->t->dtype == ETCH_I64 && in->t->rank == 2;
    if (!out->takes_ids && (in->kind != ETCH_V_TENSOR || !etch_dtype_is_float(in->t->dtype)))
        return ETCH_ERR(ETCH_UNSUPPORTED, "'encoder' takes neither ids [1, T] of 64 bits nor features of floats");
    if (states->kind != ETCH_V_TENSOR || states->t->rank != 3 || !etch_dtype_is_float(states->t->dtype))
        return ETCH_ERR(ETCH_UNSUPPORTED, "'encoder' does not give states [1, T, D] of floats");
    return NULL;
}

void etch_lm_encoder_close(etch_lm_encoder *e)
{
    if (e->method) etch_rt_unload(e->method);
    *e = (etch_lm_encoder){ 0 };
}

void etch_lm_encoder_input(const etch_lm_encoder *e, etch_buf *out)
{
    const etch_tensor *t = etch_rt_input(e->method, 0)->t;
    etch_buf_printf(out, "%s %s [", e->takes_ids ? "ids" : "features", etch_dtype_name(t->dtype));
    for (int i = 0; i < t->rank; i++) etch_buf_printf(out, i ? ", %lld" : "%lld", (long long)t->sizes[i].v);
    etch_buf_puts(out, "]");
}

etch_status *etch_lm_encode(etch_lm_encoder *e, const etch_tensor *input, etch_tensor *out)
{
    *out = (etch_tensor){ 0 };
    ETCH_TRY(etch_rt_set_input(e->method, 0, input, ETCH_RT_COPY));
    ETCH_TRY(etch_rt_execute(e->method));
    const etch_tensor *t = etch_rt_output(e->method, 0)->t;
    size_t bytes;
    if (!etch_tensor_nbytes(t, &bytes) || !bytes) return ETCH_ERR(ETCH_INVALID, "it gave no states");
    *out = (etch_tensor){ .dtype = t->dtype, .rank = t->rank, .data = malloc(bytes), .capacity = bytes };
    for (int i = 0; i < t->rank; i++) out->sizes[i] = etch_dim_of(t->sizes[i].v);
    if (!out->data) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    memcpy(out->data, t->data, bytes);
    return NULL;
}
