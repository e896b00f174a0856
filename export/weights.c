#include "export/weights.h"

static etch_status *get(void *user, etch_str file, etch_str key, const etch_tensor *type, etch_span *out_bytes)
{
    etch_model_weights *m = user;
    const etch_st_tensor *t = m->st ? etch_st_find(m->st, key) : NULL;
    if (!t) return ETCH_ERR(ETCH_NOT_FOUND, "%.*s: there is no tensor '%.*s'", ETCH_STR_ARGS(file), ETCH_STR_ARGS(key));
    size_t nbytes;
    bool same = t->dtype == type->dtype && t->rank == type->rank && etch_tensor_nbytes(type, &nbytes) && nbytes == t->nbytes;
    for (int i = 0; same && i < t->rank; i++) same = t->sizes[i] == type->sizes[i].v;
    if (!same) return ETCH_ERR(ETCH_INVALID, "%.*s: tensor '%.*s' is of another type than the traced one", ETCH_STR_ARGS(file), ETCH_STR_ARGS(key));
    *out_bytes = etch_st_bytes(m->st, t);
    return NULL;
}

static void done(void *user, etch_str file, etch_str key)
{
    (void)file;
    etch_model_weights *m = user;
    const etch_st_tensor *t = etch_st_find(m->st, key);
    if (t) etch_st_drop(m->st, t);
}

etch_status *etch_model_weights_open(const char *model_dir, etch_model_weights *out)
{
    *out = (etch_model_weights){ 0 };
    etch_status *s = model_dir ? etch_st_open(model_dir, &out->st) : NULL;
    if (s && etch_status_code(s) == ETCH_NOT_FOUND) {
        etch_status_free(s);
        s = NULL;
    }
    out->weights = (etch_weights){ get, done, out };
    if (!s) s = etch_quant_stream_init(&out->quant, &out->weights);
    return s;
}

void etch_model_weights_close(etch_model_weights *m)
{
    etch_quant_stream_deinit(&m->quant);
    if (m->st) etch_st_close(m->st);
    *m = (etch_model_weights){ 0 };
}

static etch_status *stream(void *user, etch_value *v, etch_status *(*put)(void *, const void *, size_t), void *put_user)
{
    etch_model_weights *m = user;
    return etch_quant_stream_put(&m->quant, v, put, put_user);
}

etch_const_source etch_model_weights_source(etch_model_weights *m) { return (etch_const_source){ stream, m }; }
