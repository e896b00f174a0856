#include "export/weights.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_gguf(etch_str file) { return file.len > 5 && !memcmp(file.ptr + file.len - 5, ".gguf", 5); }

static etch_status *open_gguf(etch_model_weights *m, etch_str file)
{
    char path[4608];
    if (m->gguf && etch_str_eqz(file, m->gguf_name)) return NULL;
    etch_gguf_close(m->gguf);
    m->gguf = NULL;
    free(m->gguf_name);
    m->gguf_name = malloc(file.len + 1);
    if (!m->gguf_name) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    memcpy(m->gguf_name, file.ptr, file.len);
    m->gguf_name[file.len] = 0;
    int n = snprintf(path, sizeof path, "%s%s%s", *m->gguf_name == '/' || !m->dir ? "" : m->dir, *m->gguf_name == '/' || !m->dir ? "" : "/",
                     m->gguf_name);
    if (n < 0 || (size_t)n >= sizeof path) return ETCH_ERR(ETCH_INVALID, "the path of %s is too long", m->gguf_name);
    return etch_gguf_open(path, &m->gguf);
}

static bool same_type(const etch_tensor *type, etch_dtype dtype, int rank, const int64_t *sizes, size_t bytes)
{
    size_t nbytes;
    if (dtype != type->dtype || rank != type->rank || !etch_tensor_nbytes(type, &nbytes) || nbytes != bytes) return false;
    for (int i = 0; i < rank; i++)
        if (sizes[i] != type->sizes[i].v) return false;
    return true;
}

static etch_status *get(void *user, etch_str file, etch_str key, const etch_tensor *type, etch_span *out_bytes)
{
    etch_model_weights *m = user;
    bool found, same;
    if (is_gguf(file)) {
        ETCH_TRY(open_gguf(m, file));
        const etch_gguf_tensor *t = etch_gguf_find(m->gguf, key);
        found = t;
        same = t && same_type(type, t->dtype, t->rank, t->sizes, t->nbytes);
        if (same) *out_bytes = etch_gguf_bytes(m->gguf, t);
    } else {
        const etch_st_tensor *t = m->st ? etch_st_find(m->st, key) : NULL;
        found = t;
        same = t && same_type(type, t->dtype, t->rank, t->sizes, t->nbytes);
        if (same) *out_bytes = etch_st_bytes(m->st, t);
    }
    if (!found) return ETCH_ERR(ETCH_NOT_FOUND, "%.*s: there is no tensor '%.*s'", ETCH_STR_ARGS(file), ETCH_STR_ARGS(key));
    if (!same)
        return ETCH_ERR(ETCH_INVALID, "%.*s: tensor '%.*s' is of another type than the traced one", ETCH_STR_ARGS(file),
                        ETCH_STR_ARGS(key));
    return NULL;
}

static void done(void *user, etch_str file, etch_str key)
{
    etch_model_weights *m = user;
    if (is_gguf(file)) {
        const etch_gguf_tensor *t = m->gguf ? etch_gguf_find(m->gguf, key) : NULL;
        if (t) etch_gguf_drop(m->gguf, t);
        return;
    }
    const etch_st_tensor *t = m->st ? etch_st_find(m->st, key) : NULL;
    if (t) etch_st_drop(m->st, t);
}

etch_status *etch_model_weights_open(const char *model_dir, etch_model_weights *out)
{
    *out = (etch_model_weights){ .dir = model_dir };
    etch_status *s = model_dir ? etch_st_open(model_dir, &out->st) : NULL;
    if (s && etch_status_code(s) == ETCH_NOT_FOUND) {
        etch_status_free(s);
        s = NULL;
    }
    out->weights = (etch_weights){ get, done, out };
    if (!s) s = etch_quant_stream_init(&out->quant, &out->weights);
    return s;
}

static etch_status *get_pt2(void *user, etch_str file, etch_str key, const etch_tensor *type, etch_span *out_bytes)
{
    (void)file;
    return etch_pt2_bytes(user, key, type, out_bytes);
}

static void done_pt2(void *user, etch_str file, etch_str key)
{
    (void)file;
    etch_pt2_drop(user, key);
}

etch_status *etch_model_weights_open_pt2(etch_pt2 *archive, etch_model_weights *out)
{
    *out = (etch_model_weights){ .weights = { get_pt2, done_pt2, archive } };
    return etch_quant_stream_init(&out->quant, &out->weights);
}

void etch_model_weights_close(etch_model_weights *m)
{
    etch_quant_stream_deinit(&m->quant);
    if (m->st) etch_st_close(m->st);
    etch_gguf_close(m->gguf);
    free(m->gguf_name);
    *m = (etch_model_weights){ 0 };
}

static etch_status *stream(void *user, etch_value *v, etch_status *(*put)(void *, const void *, size_t), void *put_user)
{
    etch_model_weights *m = user;
    return etch_quant_stream_put(&m->quant, v, put, put_user);
}

etch_const_source etch_model_weights_source(etch_model_weights *m) { return (etch_const_source){ stream, m }; }
