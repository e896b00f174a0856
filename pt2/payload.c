// data/weights and data/constants: which bytes are which tensor.
#include "pt2/internal.h"

#include "base/num.h"

static etch_status *plain(const json_t *sym_int, int64_t *out)
{
    const json_t *i = json_object_get(sym_int, "as_int");
    *out = json_integer_value(i);
    return json_is_integer(i) ? NULL : ETCH_ERR(ETCH_INVALID, "a size of a stored tensor is no number");
}

static etch_status *plain_list(const json_t *meta, const char *key, int *out_n, int64_t out[ETCH_MAX_RANK])
{
    json_t *list, *item;
    size_t i;
    ETCH_TRY(pt2_array(meta, key, &list));
    if (json_array_size(list) > ETCH_MAX_RANK) return ETCH_ERR(ETCH_UNSUPPORTED, "more than %d dimensions", ETCH_MAX_RANK);
    *out_n = (int)json_array_size(list);
    json_array_foreach(list, i, item) {
        ETCH_TRY(plain(item, &out[i]));
        if (out[i] < 0) return ETCH_ERR(ETCH_INVALID, "'%s' has a negative number", key);
    }
    return NULL;
}

// All elements lie inside the entry.
static etch_status *check_bounds(const pt2_payload *p)
{
    int64_t last = p->offset, n, step;
    size_t nbytes;
    if (!etch_tensor_numel(&p->type, &n) || !etch_tensor_nbytes(&p->type, &nbytes)) return ETCH_ERR(ETCH_INVALID, "its sizes are absurd");
    if (n == 0) return NULL;
    bool ok = true;
    for (int i = 0; i < p->type.rank; i++)
        ok = ok && etch_mul_ok(p->type.sizes[i].v - 1, p->strides[i], &step) && etch_add_ok(last, step, &last);
    size_t size = etch_dtype_size(p->type.dtype);
    if (p->bytes == 0)
        return ETCH_ERR(ETCH_INVALID, "%.*s is empty: the program was saved without the values of its weights", ETCH_STR_ARGS(p->entry));
    if (!ok || (uint64_t)last >= p->bytes / size)
        return ETCH_ERR(ETCH_INVALID, "it reaches past the %zu bytes of %.*s", p->bytes, ETCH_STR_ARGS(p->entry));
    return NULL;
}

// Constants that a model holds twice (a table in every layer) are stored twice in the archive, but not in a program.
static etch_status *find_content(etch_pt2 *a, const etch_zip_entry *e, pt2_payload *p)
{
    etch_str key = etch_arena_printf(&a->arena, "%08x %zu", e->crc, e->bytes.len);
    if (!key.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    const pt2_payload *first = etch_map_get(&a->contents, key);
    const etch_zip_entry *other = first ? pt2_entry(a, first->entry) : NULL;
    const bool same = other && (other == e || !e->bytes.len || !memcmp(other->bytes.ptr, e->bytes.ptr, e->bytes.len));
    p->content = same ? first->entry : p->entry;
    return first ? NULL : etch_map_put(&a->contents, key, p);
}

static etch_status *read_payload(etch_pt2 *a, const char *folder, etch_str fqn, const json_t *o, pt2_payload *p)
{
    etch_str path;
    json_t *meta;
    int rank, n_strides;
    int64_t sizes[ETCH_MAX_RANK], layout;
    *p = (pt2_payload){ .fqn = fqn };
    ETCH_TRY(pt2_string(o, "path_name", &path));
    if (json_is_true(json_object_get(o, "use_pickle")))
        return ETCH_ERR(ETCH_UNSUPPORTED, "it is pickled (a tensor subclass or a custom object); etch reads plain tensors only, and never "
                        "runs a pickle");
    ETCH_TRY(pt2_object(o, "tensor_meta", &meta));
    ETCH_TRY(pt2_dtype(json_object_get(meta, "dtype"), &p->type.dtype));
    ETCH_TRY(pt2_int(meta, "layout", &layout));
    if (layout != 7) return ETCH_ERR(ETCH_UNSUPPORTED, "its layout is not strided (sparse tensors are not supported)");
    ETCH_TRY(plain_list(meta, "sizes", &rank, sizes));
    ETCH_TRY(plain_list(meta, "strides", &n_strides, p->strides));
    if (rank != n_strides) return ETCH_ERR(ETCH_INVALID, "it has %d sizes and %d strides", rank, n_strides);
    p->type.rank = rank;
    for (int i = 0; i < rank; i++) p->type.sizes[i] = etch_dim_of(sizes[i]);
    ETCH_TRY(plain(json_object_get(meta, "storage_offset"), &p->offset));
    if (p->offset < 0) return ETCH_ERR(ETCH_INVALID, "'storage_offset' is negative");
    p->entry = etch_arena_printf(&a->arena, "%s%.*s", folder, ETCH_STR_ARGS(path));
    if (!p->entry.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    const etch_zip_entry *e = pt2_entry(a, p->entry);
    if (!e) return ETCH_ERR(ETCH_NOT_FOUND, "there is no %.*s in the archive", ETCH_STR_ARGS(p->entry));
    p->bytes = e->bytes.len;
    ETCH_TRY(check_bounds(p));
    ETCH_TRY(pt2_entry_check(a, e));
    return find_content(a, e, p);
}

static etch_status *read_config(etch_pt2 *a, const char *folder, etch_str path, const json_t *doc, etch_map *out)
{
    json_t *config, *o;
    const char *fqn;
    ETCH_TRYF(pt2_object(doc, "config", &config), "%.*s", ETCH_STR_ARGS(path));
    json_object_foreach(config, fqn, o) {
        pt2_payload *p;
        ETCH_ALLOC(p, &a->arena, sizeof *p);
        ETCH_TRYF(read_payload(a, folder, etch_str_of(fqn), o, p), "%.*s, tensor '%s'", ETCH_STR_ARGS(path), fqn);
        ETCH_TRY(etch_map_put(out, p->fqn, p));
    }
    return NULL;
}

etch_status *pt2_payloads_read(etch_pt2 *a, etch_str model, json_t *docs[2], pt2_payloads *out)
{
    static const char *const kinds[] = { "weights", "constants" };
    etch_map *const maps[] = { &out->weights, &out->constants };
    docs[0] = docs[1] = NULL;
    *out = (pt2_payloads){ 0 };
    for (int i = 0; i < 2; i++) {
        char folder[64];
        snprintf(folder, sizeof folder, "data/%s/", kinds[i]);
        etch_str path = etch_arena_printf(&a->arena, "%s%.*s_%s_config.json", folder, ETCH_STR_ARGS(model), kinds[i]);
        if (!path.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        etch_str old = etch_arena_printf(&a->arena, "%s%.*s.pt", folder, ETCH_STR_ARGS(model));
        if (!pt2_entry(a, path) && old.ptr && pt2_entry(a, old))
            return ETCH_ERR(ETCH_UNSUPPORTED, "%.*s: the weights are pickled, as older versions of PyTorch saved them; save the program "
                            "again with PyTorch 2.9 or newer",
                            ETCH_STR_ARGS(old));
        ETCH_TRY(pt2_parse(a, path, &docs[i]));
        ETCH_TRY(read_config(a, folder, path, docs[i], maps[i]));
    }
    return NULL;
}

void pt2_payloads_deinit(pt2_payloads *p)
{
    etch_map_deinit(&p->weights);
    etch_map_deinit(&p->constants);
}

static bool row_major(const pt2_payload *p)
{
    int64_t step = 1;
    for (int i = p->type.rank - 1; i >= 0; i--) {
        if (p->type.sizes[i].v == 0) return true;
        if (p->type.sizes[i].v != 1 && p->strides[i] != step) return false;
        step *= p->type.sizes[i].v;
    }
    return true;
}

static etch_status *leaf(const etch_pt2 *a, etch_method *m, const pt2_payload *p, int64_t offset, const etch_tensor *type, etch_value **out)
{
    etch_str key = p->content;
    if (offset) key = etch_arena_printf(&m->program->arena, "%.*s@%lld", ETCH_STR_ARGS(p->content), (long long)offset);
    if (!key.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    return etch_method_add_file(m, etch_str_of(a->name), key, type, out);
}

etch_status *pt2_payload_value(const etch_pt2 *a, etch_method *m, const pt2_payload *p, etch_value **out)
{
    etch_arena *arena = &m->program->arena;
    etch_value *v;
    if (row_major(p)) {
        size_t at = (size_t)p->offset * etch_dtype_size(p->type.dtype);
        ETCH_TRY(leaf(a, m, p, (int64_t)at, &p->type, &v));
    } else {
        const etch_tensor storage = { .dtype = p->type.dtype, .rank = 1,
                                     .sizes = { etch_dim_of((int64_t)(p->bytes / etch_dtype_size(p->type.dtype))) } };
        const int rank = p->type.rank;
        etch_node *n;
        etch_dim sizes[ETCH_MAX_RANK], strides[ETCH_MAX_RANK];
        for (int i = 0; i < rank; i++) {
            sizes[i] = p->type.sizes[i];
            strides[i] = etch_dim_of(p->strides[i]);
        }
        ETCH_TRY(leaf(a, m, p, 0, &storage, &v));
        etch_val args[] = { etch_val_tensor(&v->t), { .kind = ETCH_V_INTS, .ints = { sizes, rank } },
                            { .kind = ETCH_V_INTS, .ints = { strides, rank } },
                            etch_val_int(p->offset) };
        const etch_str none = { "", 0 };
        ETCH_TRY(etch_method_add_node(m, NULL, etch_op_get(ETCH_OP_as_strided), args, 4, none, none, &n));
        v = n->outs[0];
    }
    v->fqn = etch_arena_str(arena, p->fqn);
    if (!v->fqn.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    *out = v;
    return NULL;
}

etch_status *etch_pt2_bytes(const etch_pt2 *a, etch_str key, const etch_tensor *type, etch_span *out)
{
    size_t at = 0, n = 0, name = 0;
    while (name < key.len && key.ptr[name] != '@') name++;
    for (size_t i = name + 1; i < key.len; i++) at = at * 10 + (size_t)(key.ptr[i] - '0');
    const etch_zip_entry *e = pt2_entry(a, (etch_str){ key.ptr, name });
    if (!e) return ETCH_ERR(ETCH_NOT_FOUND, "%s: there is no %.*s", a->name, (int)name, key.ptr);
    if (!etch_tensor_nbytes(type, &n) || at > e->bytes.len || n > e->bytes.len - at)
        return ETCH_ERR(ETCH_INVALID, "%s: %.*s is shorter than its tensor", a->name, (int)name, key.ptr);
    *out = (etch_span){ e->bytes.ptr + at, n };
    return NULL;
}

void etch_pt2_drop(const etch_pt2 *a, etch_str key)
{
    size_t name = 0;
    while (name < key.len && key.ptr[name] != '@') name++;
    const etch_zip_entry *e = pt2_entry(a, (etch_str){ key.ptr, name });
    if (e && a->map.bytes.ptr) etch_mapped_drop(&a->map, e->offset, e->bytes.len);
}
