// JSON members by name and kind.
#include "pt2/internal.h"

const etch_zip_entry *pt2_entry(const etch_pt2 *a, etch_str path)
{
    char name[1024];
    size_t n = a->root.len + path.len;
    if (n > sizeof name) return NULL;
    if (a->root.len) memcpy(name, a->root.ptr, a->root.len); // an archive without a common folder has no root to point at
    if (path.len) memcpy(name + a->root.len, path.ptr, path.len);
    return etch_zip_find(&a->zip, (etch_str){ name, n });
}

etch_status *pt2_parse(etch_pt2 *a, etch_str path, json_t **out)
{
    *out = NULL;
    const etch_zip_entry *e = pt2_entry(a, path);
    if (!e) return ETCH_ERR(ETCH_NOT_FOUND, "there is no %.*s in it", ETCH_STR_ARGS(path));
    ETCH_TRY(pt2_entry_check(a, e));
    json_error_t error;
    json_t *j = json_loadb((const char *)e->bytes.ptr, e->bytes.len, JSON_REJECT_DUPLICATES, &error);
    if (!j) return ETCH_ERR(ETCH_INVALID, "%.*s, line %d: %s", ETCH_STR_ARGS(path), error.line, error.text);
    if (!json_is_object(j)) {
        json_decref(j);
        return ETCH_ERR(ETCH_INVALID, "%.*s is no JSON object", ETCH_STR_ARGS(path));
    }
    *out = j;
    return NULL;
}

static etch_status *wrong(const char *key, const char *kind) { return ETCH_ERR(ETCH_INVALID, "'%s' is missing or not %s", key, kind); }

etch_status *pt2_object(const json_t *o, const char *key, json_t **out)
{
    *out = json_object_get(o, key);
    return json_is_object(*out) ? NULL : wrong(key, "an object");
}

etch_status *pt2_array(const json_t *o, const char *key, json_t **out)
{
    *out = json_object_get(o, key);
    return json_is_array(*out) ? NULL : wrong(key, "a list");
}

etch_status *pt2_string(const json_t *o, const char *key, etch_str *out)
{
    const json_t *s = json_object_get(o, key);
    *out = json_is_string(s) ? pt2_str(s) : (etch_str){ "", 0 };
    return json_is_string(s) ? NULL : wrong(key, "a string");
}

etch_status *pt2_int(const json_t *o, const char *key, int64_t *out)
{
    const json_t *i = json_object_get(o, key);
    *out = json_integer_value(i);
    return json_is_integer(i) ? NULL : wrong(key, "a whole number");
}

etch_status *pt2_union(const json_t *o, etch_str *out_kind, json_t **out)
{
    const char *key;
    json_t *value;
    *out_kind = (etch_str){ "", 0 };
    *out = NULL;
    json_object_foreach((json_t *)(uintptr_t)o, key, value) {
        if (json_is_null(value)) continue;
        if (*out) return ETCH_ERR(ETCH_INVALID, "a union has two members, '%.*s' and '%s'", ETCH_STR_ARGS(*out_kind), key);
        *out_kind = etch_str_of(key);
        *out = value;
    }
    return *out ? NULL : ETCH_ERR(ETCH_INVALID, "a union has no member");
}

etch_status *pt2_dtype(const json_t *code, etch_dtype *out)
{
    // torch._export.serde.schema.ScalarType
    static const struct { int code; etch_dtype d; } types[] = {
        { 1, ETCH_U8 }, { 2, ETCH_I8 }, { 3, ETCH_I16 }, { 4, ETCH_I32 }, { 5, ETCH_I64 }, { 6, ETCH_F16 }, { 7, ETCH_F32 },
        { 8, ETCH_F64 },
        { 10, ETCH_C64 }, { 12, ETCH_BOOL }, { 13, ETCH_BF16 }, { 28, ETCH_U16 }, { 34, ETCH_U32 }, { 35, ETCH_U64 },
    };
    *out = ETCH_DTYPE_NONE;
    if (!json_is_integer(code)) return ETCH_ERR(ETCH_INVALID, "'dtype' is missing or not a whole number");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].code == json_integer_value(code)) *out = types[i].d;
    return *out != ETCH_DTYPE_NONE ? NULL : ETCH_ERR(ETCH_UNSUPPORTED, "element type %lld of PyTorch's export schema",
                                                     (long long)json_integer_value(code));
}
