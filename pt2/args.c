// Arguments of nodes: one union member a kind of value.
#include "pt2/internal.h"

#include <math.h>

static etch_status *tensor_at(pt2_reader *r, pt2_scope *sc, const json_t *argument, etch_tensor **out)
{
    pt2_tensor *t;
    etch_value *v;
    ETCH_TRY(pt2_tensor_named(sc, argument, &t));
    ETCH_TRY(pt2_current(r, t, &v));
    *out = &v->t;
    return NULL;
}

etch_status *pt2_tensor_named(const pt2_scope *sc, const json_t *argument, pt2_tensor **out)
{
    etch_str name;
    ETCH_TRY(pt2_string(argument, "name", &name));
    *out = etch_map_get(&sc->tensors, name);
    return *out ? NULL : ETCH_ERR(ETCH_INVALID, "the tensor '%.*s' is used before it is computed", ETCH_STR_ARGS(name));
}

static etch_status *optional_tensor(pt2_reader *r, pt2_scope *sc, const json_t *o, etch_tensor **out)
{
    etch_str kind;
    json_t *v;
    *out = NULL;
    ETCH_TRY(pt2_union(o, &kind, &v));
    if (etch_str_eqz(kind, "as_none")) return NULL;
    return etch_str_eqz(kind, "as_tensor") ? tensor_at(r, sc, v, out) : ETCH_ERR(ETCH_INVALID, "a tensor is '%.*s'", ETCH_STR_ARGS(kind));
}

etch_status *pt2_sym_int_value(pt2_reader *r, const pt2_scope *sc, const json_t *o, etch_dim *out)
{
    etch_str kind, name;
    json_t *v;
    ETCH_TRY(pt2_union(o, &kind, &v));
    if (etch_str_eqz(kind, "as_int") && json_is_integer(v)) {
        *out = etch_dim_of(json_integer_value(v));
        return NULL;
    }
    if (!etch_str_eqz(kind, "as_name") || !json_is_string(v))
        return ETCH_ERR(ETCH_INVALID, "a whole number is '%.*s'", ETCH_STR_ARGS(kind));
    name = pt2_str(v);
    const json_t *value = json_object_get(json_object_get(sc->graph, "sym_int_values"), json_string_value(v));
    if (!value) return ETCH_ERR(ETCH_INVALID, "the whole number '%.*s' is not declared", ETCH_STR_ARGS(name));
    ETCH_TRYF(pt2_size(r, value, out), "'%.*s'", ETCH_STR_ARGS(name));
    return NULL;
}

static bool as_double(const json_t *v, double *out)
{
    // JSON has no infinities: PyTorch writes them as strings.
    static const struct { const char *text; double v; } words[] = { { "Infinity", INFINITY }, { "-Infinity", -INFINITY }, { "NaN", NAN } };
    *out = json_number_value(v);
    if (json_is_number(v)) return true;
    for (size_t i = 0; json_is_string(v) && i < sizeof words / sizeof *words; i++)
        if (!strcmp(json_string_value(v), words[i].text)) {
            *out = words[i].v;
            return true;
        }
    return false;
}

static etch_status *memory_format(const json_t *v, etch_val *out)
{
    // torch._export.serde.schema.MemoryFormat -> c10
    static const int codes[] = { -1, 0, 2, 3, 1 };
    json_int_t i = json_is_integer(v) ? json_integer_value(v) : 0;
    if (i < 1 || i > 4) return ETCH_ERR(ETCH_INVALID, "unknown memory format %lld", (long long)i);
    *out = etch_val_int(codes[i]);
    return NULL;
}

typedef enum { LIST_INTS, LIST_SYM_INTS, LIST_FLOATS, LIST_BOOLS, LIST_TENSORS, LIST_OPTIONAL } list_kind;

static etch_status *list(pt2_reader *r, pt2_scope *sc, list_kind kind, const json_t *items, etch_val *out)
{
    if (!json_is_array(items)) return ETCH_ERR(ETCH_INVALID, "a list is none");
    static const size_t widths[] = { sizeof(etch_dim), sizeof(etch_dim), sizeof(double), sizeof(bool), sizeof(etch_tensor *),
                                    sizeof(etch_tensor *) };
    const size_t n = json_array_size(items);
    void *mem;
    ETCH_ALLOC(mem, &r->program->arena, widths[kind] * (n + 1));
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(items, i);
        bool ok = true;
        switch (kind) {
        case LIST_INTS:
            ok = json_is_integer(v);
            ((etch_dim *)mem)[i] = etch_dim_of(json_integer_value(v));
            break;
        case LIST_SYM_INTS: ETCH_TRY(pt2_sym_int_value(r, sc, v, &((etch_dim *)mem)[i])); break;
        case LIST_FLOATS: ok = as_double(v, &((double *)mem)[i]); break;
        case LIST_BOOLS:
            ok = json_is_boolean(v);
            ((bool *)mem)[i] = json_is_true(v);
            break;
        case LIST_TENSORS: ETCH_TRY(tensor_at(r, sc, v, &((etch_tensor **)mem)[i])); break;
        case LIST_OPTIONAL: ETCH_TRY(optional_tensor(r, sc, v, &((etch_tensor **)mem)[i])); break;
        }
        if (!ok) return ETCH_ERR(ETCH_INVALID, "item %zu of a list is of another kind", i);
    }
    switch (kind) {
    case LIST_INTS: case LIST_SYM_INTS: *out = (etch_val){ .kind = ETCH_V_INTS, .ints = { mem, (int)n } }; break;
    case LIST_FLOATS: *out = (etch_val){ .kind = ETCH_V_FLOATS, .floats = { mem, (int)n } }; break;
    case LIST_BOOLS: *out = (etch_val){ .kind = ETCH_V_BOOLS, .bools = { mem, (int)n } }; break;
    case LIST_TENSORS: case LIST_OPTIONAL: *out = (etch_val){ .kind = ETCH_V_TENSORS, .tensors = { mem, (int)n } }; break;
    }
    return NULL;
}

// sym_float and sym_bool: constants pass; what is computed from sizes has no place in the graph.
static etch_status *sym_scalar(const json_t *o, const char *kind_name, etch_val *out)
{
    etch_str kind;
    json_t *v;
    double f;
    ETCH_TRY(pt2_union(o, &kind, &v));
    if (etch_str_eqz(kind, "as_float") && as_double(v, &f)) *out = etch_val_float(f);
    else if (etch_str_eqz(kind, "as_bool") && json_is_boolean(v)) *out = etch_val_bool(json_is_true(v));
    else if (json_is_string(v))
        return ETCH_ERR(ETCH_UNSUPPORTED, "'%s' is a %s computed from sizes, which has no place in a program", json_string_value(v),
                        kind_name);
    else return ETCH_ERR(ETCH_INVALID, "a %s is '%.*s'", kind_name, ETCH_STR_ARGS(kind));
    return NULL;
}

etch_status *pt2_arg(pt2_reader *r, pt2_scope *sc, const json_t *arg, etch_val *out)
{
    static const struct { const char *kind; list_kind list; } lists[] = {
        { "as_ints", LIST_INTS }, { "as_sym_ints", LIST_SYM_INTS }, { "as_floats", LIST_FLOATS }, { "as_bools", LIST_BOOLS },
        { "as_tensors", LIST_TENSORS }, { "as_optional_tensors", LIST_OPTIONAL },
    };
    etch_str kind;
    json_t *v;
    double f;
    etch_tensor *t;
    *out = etch_val_none();
    ETCH_TRY(pt2_union(arg, &kind, &v));
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (etch_str_eqz(kind, lists[i].kind)) return list(r, sc, lists[i].list, v, out);
    if (etch_str_eqz(kind, "as_none")) return NULL;
    if (etch_str_eqz(kind, "as_tensor")) {
        ETCH_TRY(tensor_at(r, sc, v, &t));
        *out = etch_val_tensor(t);
    } else if (etch_str_eqz(kind, "as_optional_tensor")) {
        ETCH_TRY(optional_tensor(r, sc, v, &t));
        if (t) *out = etch_val_tensor(t);
    } else if (etch_str_eqz(kind, "as_int") && json_is_integer(v)) {
        *out = etch_val_int(json_integer_value(v));
    } else if (etch_str_eqz(kind, "as_float") && as_double(v, &f)) {
        *out = etch_val_float(f);
    } else if (etch_str_eqz(kind, "as_bool") && json_is_boolean(v)) {
        *out = etch_val_bool(json_is_true(v));
    } else if (etch_str_eqz(kind, "as_string") && json_is_string(v)) {
        *out = etch_val_str(pt2_str(v));
    } else if (etch_str_eqz(kind, "as_sym_int")) {
        etch_dim d;
        ETCH_TRY(pt2_sym_int_value(r, sc, v, &d));
        *out = etch_val_dim(d);
    } else if (etch_str_eqz(kind, "as_sym_float")) {
        return sym_scalar(v, "float", out);
    } else if (etch_str_eqz(kind, "as_sym_bool")) {
        return sym_scalar(v, "bool", out);
    } else if (etch_str_eqz(kind, "as_scalar_type")) {
        etch_dtype d;
        ETCH_TRY(pt2_dtype(v, &d));
        *out = etch_val_int((int64_t)d);
    } else if (etch_str_eqz(kind, "as_memory_format")) {
        return memory_format(v, out);
    } else if (etch_str_eqz(kind, "as_layout")) {
        if (!json_is_integer(v) || json_integer_value(v) != 7) return ETCH_ERR(ETCH_UNSUPPORTED, "a layout that is not strided");
    } else if (!etch_str_eqz(kind, "as_device")) {
        return ETCH_ERR(ETCH_UNSUPPORTED, "an argument of kind '%.*s'", ETCH_STR_ARGS(kind));
    }
    return NULL;
}
