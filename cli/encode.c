#include "cli/encode.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/image.h"
#include "cli/tensors.h"

// The last dimension is a row's; those before it count rows.
static etch_status *append(const etch_val *v, etch_cli_rows *r)
{
    if (v->kind != ETCH_V_TENSOR || v->t->rank < 2 || !etch_dtype_is_float(v->t->dtype))
        return ETCH_ERR(ETCH_UNSUPPORTED, "its output is no tensor of floats [1, N, D]");
    const int64_t width = v->t->sizes[v->t->rank - 1].v, n = width ? etch_numel(v->t) / width : 0;
    if (!n) return ETCH_ERR(ETCH_INVALID, "it gives no rows");
    if (r->k && (width != r->width || v->t->dtype != r->dtype)) return ETCH_ERR(ETCH_INVALID, "its rows differ from call to call");
    r->width = width;
    r->dtype = v->t->dtype;
    r->n += n;
    r->k++;
    etch_buf_put(&r->counts, &n, sizeof n);
    etch_buf_put(&r->bytes, v->t->data, (size_t)(n * width) * etch_dtype_size(r->dtype));
    ETCH_TRY(etch_buf_check(&r->counts));
    return etch_buf_check(&r->bytes);
}

etch_status *etch_cli_token(const etch_rt *rt, const char *encoder, int32_t *out)
{
    char name[32];
    int64_t token;
    snprintf(name, sizeof name, "%.*s_token_id", (int)strcspn(encoder, "_"), encoder);
    ETCH_TRY(etch_rt_constant_int(rt, etch_str_of(name), &token));
    if (token < 0 || token > INT32_MAX) return ETCH_ERR(ETCH_INVALID, "'%s' is no token: %lld", name, (long long)token);
    *out = (int32_t)token;
    return NULL;
}

static etch_status *load(etch_rt *rt, const char *encoder, const char *flag, etch_cli_rows *r, etch_rt_method **out)
{
    const char *const methods[] = { encoder, "token_embedding", "text_decoder" };
    *r = (etch_cli_rows){ .encoder = encoder, .flag = flag };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (!etch_rt_has_method(rt, etch_str_of(methods[i])))
            return ETCH_ERR(ETCH_USAGE, "%s: the program has no method '%s', as a model for such inputs has that was exported with --task "
                            "multimodal-text-to-text", flag, methods[i]);
    ETCH_TRYF(etch_cli_token(rt, encoder, &r->token), "%s: which token stands for it", flag);
    ETCH_TRY(etch_rt_load(rt, etch_str_of(encoder), out));
    if (etch_rt_n_inputs(*out) == 1 && etch_rt_n_outputs(*out) >= 1) return NULL;
    etch_rt_unload(*out);
    return ETCH_ERR(ETCH_UNSUPPORTED, "'%s' does not take one input; 'etch inspect' shows the method", encoder);
}

static etch_status *encode_image(etch_rt_method *m, const char *pte, const char *image, etch_cli_rows *r)
{
    int input;
    ETCH_TRY(etch_cli_set_image(m, pte, image, &input));
    ETCH_TRYF(etch_rt_execute(m), "--image %s", image);
    return append(etch_rt_output(m, 0), r);
}

etch_status *etch_cli_encode_images(etch_rt *rt, const char *pte, const etch_opt_list *images, etch_cli_rows *out)
{
    etch_rt_method *m;
    ETCH_TRY(load(rt, "vision_encoder", "--image", out, &m));
    etch_status *s = NULL;
    for (int i = 0; i < images->n && !s; i++) s = encode_image(m, pte, images->items[i], out);
    etch_rt_unload(m);
    if (s) ETCH_TRYF(s, "vision_encoder");
    return NULL;
}

// Entries [at, at + n) of the first dimension, in the type that the program takes.
static etch_status *encode_entries(etch_rt_method *m, const etch_tensor *all, int64_t at, int64_t n, etch_cli_rows *r)
{
    etch_tensor part = *all, t;
    const size_t each = (size_t)(etch_numel(all) / all->sizes[0].v) * etch_dtype_size(all->dtype);
    part.sizes[0] = etch_dim_of(n);
    part.data = (uint8_t *)all->data + (size_t)at * each;
    part.capacity = (size_t)n * each;
    etch_status *s = etch_cli_floats(&part, etch_rt_input(m, 0)->t->dtype, &t);
    if (!s) s = etch_rt_set_input(m, 0, &t, ETCH_RT_COPY);
    if (!s) s = etch_rt_execute(m);
    if (!s) s = append(etch_rt_output(m, 0), r);
    free(t.data);
    return s;
}

static etch_status *encode_all(etch_rt_method *m, const etch_tensor *features, etch_cli_rows *r)
{
    const etch_val *in = etch_rt_input(m, 0);
    if (in->kind != ETCH_V_TENSOR || !etch_dtype_is_float(in->t->dtype) || in->t->rank < 1)
        return ETCH_ERR(ETCH_UNSUPPORTED, "its input is no tensor of floats; 'etch inspect' shows the method");
    if (!etch_numel(features)) return ETCH_ERR(ETCH_INVALID, "there are no values for it");
    if (!etch_dtype_is_float(features->dtype) || features->rank != in->t->rank)
        return ETCH_ERR(ETCH_INVALID, "it takes floats of %d dimensions; 'etch inspect' shows the method", in->t->rank);
    const int64_t n = features->sizes[0].v, most = in->t->sizes[0].v;
    if (n <= most) return encode_entries(m, features, 0, n, r);
    for (int64_t i = 0; i < n; i++) ETCH_TRYF(encode_entries(m, features, i, 1, r), "entry %lld", (long long)i);
    return NULL;
}

etch_status *etch_cli_encode_features(etch_rt *rt, const char *encoder, const etch_tensor *features, const char *flag, etch_cli_rows *out)
{
    etch_rt_method *m;
    ETCH_TRY(load(rt, encoder, flag, out, &m));
    etch_status *s = encode_all(m, features, out);
    etch_rt_unload(m);
    if (s) ETCH_TRYF(s, "%s: %s", flag, encoder);
    return NULL;
}

void etch_cli_rows_deinit(etch_cli_rows *r)
{
    etch_buf_deinit(&r->bytes);
    etch_buf_deinit(&r->counts);
}
