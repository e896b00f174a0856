#include "cli/prepared.h"

#include <stdlib.h>

#include "cli/tensors.h"

static const char flag[] = "--inputs";

static bool ends_in(etch_str s, const char *part)
{
    const size_t n = strlen(part);
    return s.len >= n && !memcmp(s.ptr + s.len - n, part, n);
}

// Elements of a stored tensor at an aligned address; free() it.
static etch_status *aligned(const etch_st *st, const etch_st_tensor *t, etch_tensor *out)
{
    ETCH_TRY(etch_cli_view(st, t, out));
    void *copy = malloc(out->capacity + 1);
    if (!copy) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    memcpy(copy, out->data, out->capacity);
    out->data = copy;
    return NULL;
}

static etch_status *check_mask(const etch_st *st, const etch_st_tensor *t)
{
    etch_tensor v;
    bool all = true;
    ETCH_TRY(aligned(st, t, &v));
    for (int64_t i = 0; i < t->numel; i++) all &= etch_load_double(v.data, v.dtype, i) != 0;
    free(v.data);
    return all ? NULL : ETCH_ERR(ETCH_UNSUPPORTED, "it leaves something out, and the program takes no mask");
}

// Sizes [n, 2] of images that fill the pixels [..., height, width].
static etch_status *check_sizes(const etch_st *st, const etch_st_tensor *t, const etch_st_tensor *pixels)
{
    etch_tensor v;
    bool all = pixels && pixels->rank >= 2 && t->rank == 2 && t->sizes[1] == 2;
    if (!all) return ETCH_ERR(ETCH_INVALID, "these are not the sizes [n, 2] of 'pixel_values'");
    ETCH_TRY(aligned(st, t, &v));
    for (int64_t i = 0; i < t->numel; i++)
        all &= etch_load_double(v.data, v.dtype, i) == (double)pixels->sizes[pixels->rank - 2 + i % 2];
    free(v.data);
    return all ? NULL : ETCH_ERR(ETCH_UNSUPPORTED, "an image is smaller than 'pixel_values', and the program does not take its size");
}

static etch_status *read_tensor(etch_cli_prepared *p, const etch_st_tensor *t)
{
    static const char *const known[] = { "input_ids", "pixel_values", "input_features", "decoder_input_ids" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (etch_str_eqz(t->key, known[i])) return NULL;
    if (ends_in(t->key, "token_type_ids")) return NULL;  // which tokens are an image's: the decoder is causal among them
    if (ends_in(t->key, "_mask")) return check_mask(p->st, t);
    if (etch_str_eqz(t->key, "image_sizes")) return check_sizes(p->st, t, etch_st_find(p->st, ETCH_LIT("pixel_values")));
    return ETCH_ERR(ETCH_UNSUPPORTED, "no program takes it; known are input_ids, pixel_values, input_features, decoder_input_ids, masks of "
                                      "ones, image_sizes");
}

etch_status *etch_cli_prepared_open(const char *path, etch_cli_prepared *out)
{
    *out = (etch_cli_prepared){ 0 };
    ETCH_TRYF(etch_st_open(path, &out->st), "%s", flag);
    for (size_t i = 0; i < etch_st_count(out->st); i++) {
        const etch_st_tensor *t = etch_st_at(out->st, i);
        ETCH_TRYF(read_tensor(out, t), "%s %s: '%.*s'", flag, path, ETCH_STR_ARGS(t->key));
    }
    const etch_st_tensor *pixels = etch_st_find(out->st, ETCH_LIT("pixel_values"));
    out->ids = etch_st_find(out->st, ETCH_LIT("input_ids"));
    out->features = etch_st_find(out->st, ETCH_LIT("input_features"));
    out->begin = etch_st_find(out->st, ETCH_LIT("decoder_input_ids"));
    if (pixels && out->features)
        return ETCH_ERR(ETCH_UNSUPPORTED, "%s %s has pixel_values and input_features; one encoder can be run", flag, path);
    out->encoder = pixels ? "vision_encoder" : "audio_encoder";
    if (pixels) out->features = pixels;
    if (!out->ids && !out->features && !out->begin)
        return ETCH_ERR(ETCH_INVALID, "%s %s has none of input_ids, pixel_values and input_features", flag, path);
    return NULL;
}

void etch_cli_prepared_close(etch_cli_prepared *p)
{
    etch_st_close(p->st);
    *p = (etch_cli_prepared){ 0 };
}

etch_status *etch_cli_prepared_ids(const etch_cli_prepared *p, const etch_st_tensor *t, etch_ids *out)
{
    if ((t->dtype != ETCH_I64 && t->dtype != ETCH_I32) || (t->rank != 1 && (t->rank != 2 || t->sizes[0] != 1)))
        return ETCH_ERR(ETCH_INVALID, "%s: '%.*s' are no whole numbers [1, S]", flag, ETCH_STR_ARGS(t->key));
    etch_tensor v;
    etch_status *s = NULL;
    ETCH_TRY(aligned(p->st, t, &v));
    for (int64_t i = 0; i < t->numel && !s; i++) {
        const int64_t id = etch_load_int(v.data, v.dtype, i);
        if (id >= 0 && id <= INT32_MAX) s = etch_ids_push(out, (int32_t)id);
        else s = ETCH_ERR(ETCH_INVALID, "%s: '%.*s' has %lld, which is no token", flag, ETCH_STR_ARGS(t->key), (long long)id);
    }
    free(v.data);
    return s;
}

etch_status *etch_cli_prepared_encode(const etch_cli_prepared *p, etch_rt *rt, etch_cli_rows *out)
{
    etch_tensor v;
    ETCH_TRY(etch_cli_view(p->st, p->features, &v));
    return etch_cli_encode_features(rt, p->encoder, &v, flag, out);
}
