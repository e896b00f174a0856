#include "cli/encode.h"

#include "cli/image.h"

// The last dimension is a row's; those before it count rows.
static etch_status *append(const etch_val *v, etch_cli_rows *r)
{
    if (v->kind != ETCH_V_TENSOR || v->t->rank < 2 || !etch_dtype_is_float(v->t->dtype))
        return ETCH_ERR(ETCH_UNSUPPORTED, "its output is no tensor of floats [1, N, D]");
    const int64_t width = v->t->sizes[v->t->rank - 1].v, n = width ? etch_numel(v->t) / width : 0;
    if (!n) return ETCH_ERR(ETCH_INVALID, "it gives no rows");
    if (r->k && (width != r->width || v->t->dtype != r->dtype)) return ETCH_ERR(ETCH_INVALID, "its rows differ from image to image");
    r->width = width;
    r->dtype = v->t->dtype;
    r->n += n;
    r->counts[r->k++] = n;
    etch_buf_put(&r->bytes, v->t->data, (size_t)(n * width) * etch_dtype_size(r->dtype));
    return etch_buf_check(&r->bytes);
}

static etch_status *encode(etch_rt_method *m, const char *pte, const char *image, etch_cli_rows *r)
{
    int input;
    ETCH_TRY(etch_cli_set_image(m, pte, image, &input));
    if (etch_rt_n_inputs(m) != 1 || etch_rt_n_outputs(m) < 1)
        return ETCH_ERR(ETCH_UNSUPPORTED, "it does not take pixels alone; 'etch inspect' shows the method");
    ETCH_TRYF(etch_rt_execute(m), "--image %s", image);
    return append(etch_rt_output(m, 0), r);
}

etch_status *etch_cli_token(const etch_rt *rt, const char *name, int32_t *out)
{
    int64_t token;
    ETCH_TRY(etch_rt_constant_int(rt, etch_str_of(name), &token));
    if (token < 0 || token > INT32_MAX) return ETCH_ERR(ETCH_INVALID, "'%s' is no token: %lld", name, (long long)token);
    *out = (int32_t)token;
    return NULL;
}

etch_status *etch_cli_encode_images(etch_rt *rt, const char *pte, const etch_opt_list *images, etch_cli_rows *out)
{
    static const char *const methods[] = { "vision_encoder", "token_embedding", "text_decoder" };
    *out = (etch_cli_rows){ 0 };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (!etch_rt_has_method(rt, etch_str_of(methods[i])))
            return ETCH_ERR(ETCH_USAGE, "--image: the program has no method '%s', as an export of a model for images and text with --task "
                            "multimodal-text-to-text has", methods[i]);
    ETCH_TRYF(etch_cli_token(rt, "vision_token_id", &out->token), "--image: which token stands for an image");
    etch_rt_method *m;
    ETCH_TRY(etch_rt_load(rt, ETCH_LIT("vision_encoder"), &m));
    etch_status *s = NULL;
    for (int i = 0; i < images->n && !s; i++) s = encode(m, pte, images->items[i], out);
    etch_rt_unload(m);
    if (s) ETCH_TRYF(s, "vision_encoder");
    return NULL;
}

void etch_cli_rows_deinit(etch_cli_rows *r) { etch_buf_deinit(&r->bytes); }
