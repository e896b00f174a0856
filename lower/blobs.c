// The bytes a file stores, each once. Identity of a constant: the file tensor, the literal bytes, or the operation and the identities it
// reads; views show the bytes of what they view. So tied weights meet here, before anything is read.
#include "lower/internal.h"

#include "base/sha256.h"

static void put_str(etch_sha256 *h, etch_str s)
{
    uint64_t n = s.len;
    etch_sha256_put(h, &n, sizeof n);
    etch_sha256_put(h, s.ptr, s.len);
}

static void put_int(etch_sha256 *h, int64_t v) { etch_sha256_put(h, &v, sizeof v); }

static void put_type(etch_sha256 *h, const etch_tensor *t)
{
    put_int(h, t->dtype);
    put_int(h, t->rank);
    for (int i = 0; i < t->rank; i++) put_int(h, t->sizes[i].v);
}

static etch_status *identify(lw_method *lm, etch_value *v, const uint8_t **out);

static etch_status *put_tensor(lw_method *lm, etch_sha256 *h, etch_tensor *t)
{
    if (!t) {
        put_int(h, -1);
        return NULL;
    }
    const uint8_t *id;
    etch_value *root = lw_const_root(lm, etch_value_of(t));
    ETCH_TRY(identify(lm, root, &id));
    put_type(h, t);
    etch_sha256_put(h, id, 32);
    return NULL;
}

static etch_status *put_arg(lw_method *lm, etch_sha256 *h, const etch_val *a)
{
    put_int(h, a->kind);
    switch (a->kind) {
    case ETCH_V_NONE: break;
    case ETCH_V_TENSOR: return put_tensor(lm, h, a->t);
    case ETCH_V_INT: put_int(h, a->i.v); break;
    case ETCH_V_FLOAT: etch_sha256_put(h, &a->f, sizeof a->f); break;
    case ETCH_V_BOOL: put_int(h, a->b); break;
    case ETCH_V_STR: put_str(h, a->s); break;
    case ETCH_V_INTS:
        put_int(h, a->ints.n);
        for (int i = 0; i < a->ints.n; i++) put_int(h, a->ints.p[i].v);
        break;
    case ETCH_V_FLOATS:
        put_int(h, a->floats.n);
        etch_sha256_put(h, a->floats.p, sizeof *a->floats.p * (size_t)a->floats.n);
        break;
    case ETCH_V_BOOLS:
        put_int(h, a->bools.n);
        for (int i = 0; i < a->bools.n; i++) put_int(h, a->bools.p[i]);
        break;
    case ETCH_V_TENSORS:
        put_int(h, a->tensors.n);
        for (int i = 0; i < a->tensors.n; i++) ETCH_TRY(put_tensor(lm, h, a->tensors.p[i]));
        break;
    }
    return NULL;
}

static etch_status *identify(lw_method *lm, etch_value *v, const uint8_t **out)
{
    lw_slot *s = lw_slot_of(v);
    if (!s->has_id) {
        etch_sha256 h;
        etch_sha256_init(&h);
        put_int(&h, v->src);
        if (v->src == ETCH_SRC_FILE) {
            put_str(&h, v->file);
            put_str(&h, v->name);
        } else if (v->src == ETCH_SRC_DATA) {
            put_str(&h, (etch_str){ v->t.data, (size_t)s->nbytes });
        } else {
            put_str(&h, v->def->op->schema->name);
            put_int(&h, v->def_index);
            put_type(&h, &v->t);
            for (int i = 0; i < v->def->op->schema->n_params; i++) ETCH_TRY(put_arg(lm, &h, &v->def->args[i]));
        }
        etch_sha256_end(&h, s->id);
        s->has_id = true;
    }
    *out = s->id;
    return NULL;
}

etch_status *lw_blob_get(lw_method *lm, etch_value *v, lw_blob **out)
{
    lw_program *lp = lm->lp;
    v = lw_const_root(lm, v);
    const uint8_t *id;
    ETCH_TRY(identify(lm, v, &id));
    lw_blob *b = etch_map_get(&lp->by_id, (etch_str){ (const char *)id, 32 });
    if (!b) {
        ETCH_ALLOC(b, &lp->arena, sizeof *b);
        memcpy(b->id, id, 32);
        b->v = v;
        b->nbytes = lw_slot_of(v)->nbytes;
        LW_GROW(&lp->arena, lp->blobs, lp->n_blobs, lp->cap_blobs);
        lp->blobs[lp->n_blobs++] = b;
        ETCH_TRY(etch_map_put(&lp->by_id, (etch_str){ (const char *)b->id, 32 }, b));
    }
    *out = b;
    return NULL;
}

etch_status *lw_blob_const(lw_program *lp, lw_blob *b)
{
    if (b->const_index) return NULL;
    LW_GROW(&lp->arena, lp->consts, lp->n_consts, lp->cap_consts);
    lp->consts[lp->n_consts++] = b;
    b->const_index = (uint32_t)lp->n_consts;
    return NULL;
}

etch_status *lw_blob_named(lw_program *lp, lw_blob *b, etch_str name)
{
    if (b->key.ptr) return NULL;
    if (!name.len) {
        char hex[65];
        etch_sha256_hex(b->id, hex);
        b->key = etch_arena_str(&lp->arena, (etch_str){ hex, 64 });
    } else if (!etch_map_has(&lp->by_key, name)) {
        b->key = etch_arena_str(&lp->arena, name);
    } else {  // the same parameter in another layout
        for (int i = 2; !b->key.ptr || etch_map_has(&lp->by_key, b->key); i++) {
            b->key = etch_arena_printf(&lp->arena, "%.*s#%d", ETCH_STR_ARGS(name), i);
            if (!b->key.ptr) break;
        }
    }
    if (!b->key.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    return etch_map_put(&lp->by_key, b->key, b);
}
