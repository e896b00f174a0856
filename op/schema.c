// Parser of ATen schema strings.
//
// In:  "aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"
// Out: an etch_schema in the caller's arena. Names borrow the text, which must outlive the schema.
#include <stdlib.h>

#include "op/op.h"

typedef struct { etch_arena *arena; etch_str all; const char *p, *end; } parser;

static etch_status *bad(const parser *ps, const char *what)
{
    size_t left = (size_t)(ps->end - ps->p);
    if (left > 24) left = 24;
    return ETCH_ERR(ETCH_INVALID, "schema '%.*s': expected %s at '%.*s'", ETCH_STR_ARGS(ps->all), what, (int)left, ps->p);
}

static void skip_space(parser *ps)
{
    while (ps->p < ps->end && *ps->p == ' ') ps->p++;
}

static bool take(parser *ps, const char *z)
{
    size_t n = strlen(z);
    skip_space(ps);
    if ((size_t)(ps->end - ps->p) < n || memcmp(ps->p, z, n)) return false;
    ps->p += n;
    return true;
}

static bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

static etch_str word(parser *ps)
{
    skip_space(ps);
    const char *from = ps->p;
    while (ps->p < ps->end && is_word(*ps->p)) ps->p++;
    return (etch_str){ from, (size_t)(ps->p - from) };
}

typedef struct { const char *name; etch_type plain, opt, list, list_opt; } base_type;
#define NO_TYPE ((etch_type)-1)

// MemoryFormat, Layout, Device and Generator arrive as ints or None and are mostly ignored.
static const base_type base_types[] = {
    { "Tensor", ETCH_T_TENSOR, ETCH_T_TENSOR_OPT, ETCH_T_TENSORS, NO_TYPE },
    { "int", ETCH_T_INT, ETCH_T_INT_OPT, ETCH_T_INTS, ETCH_T_INTS_OPT },
    { "SymInt", ETCH_T_INT, ETCH_T_INT_OPT, ETCH_T_INTS, ETCH_T_INTS_OPT },
    { "ScalarType", ETCH_T_INT, ETCH_T_INT_OPT, NO_TYPE, NO_TYPE },
    { "Layout", ETCH_T_INT, ETCH_T_INT_OPT, NO_TYPE, NO_TYPE },
    { "Device", ETCH_T_INT, ETCH_T_INT_OPT, NO_TYPE, NO_TYPE },
    { "MemoryFormat", ETCH_T_INT, ETCH_T_INT_OPT, NO_TYPE, NO_TYPE },
    { "Generator", ETCH_T_INT, ETCH_T_INT_OPT, NO_TYPE, NO_TYPE },
    { "float", ETCH_T_FLOAT, ETCH_T_FLOAT_OPT, ETCH_T_FLOATS, ETCH_T_FLOATS_OPT },
    { "SymFloat", ETCH_T_FLOAT, ETCH_T_FLOAT_OPT, NO_TYPE, NO_TYPE },
    { "bool", ETCH_T_BOOL, ETCH_T_BOOL_OPT, ETCH_T_BOOLS, NO_TYPE },
    { "Scalar", ETCH_T_SCALAR, ETCH_T_SCALAR_OPT, NO_TYPE, NO_TYPE },
    { "str", ETCH_T_STR, ETCH_T_STR_OPT, NO_TYPE, NO_TYPE },
};

// "(a!)", "(a)", "(a -> *)", "(a|b)": only the mark of mutation matters.
static etch_status *skip_alias(parser *ps, bool *out_mutable)
{
    *out_mutable = false;
    if (ps->p >= ps->end || *ps->p != '(') return NULL;
    while (ps->p < ps->end && *ps->p != ')') {
        if (*ps->p == '!') *out_mutable = true;
        ps->p++;
    }
    return take(ps, ")") ? NULL : bad(ps, "')'");
}

static etch_status *parse_type(parser *ps, etch_param *q)
{
    etch_str name = word(ps);
    const base_type *b = NULL;
    for (size_t i = 0; i < sizeof base_types / sizeof base_types[0]; i++)
        if (etch_str_eqz(name, base_types[i].name)) b = &base_types[i];
    if (!b) return bad(ps, "a type");
    ETCH_TRY(skip_alias(ps, &q->is_mutable));
    q->is_dtype = etch_str_eqz(name, "ScalarType");
    q->type = b->plain;
    if (ps->p < ps->end && *ps->p == '?') {
        ps->p++;
        q->type = b->opt;
    }
    if (ps->p < ps->end && *ps->p == '[') {
        bool of_optional = q->type == b->opt;
        ps->p++;
        etch_str n = word(ps);
        for (size_t i = 0; i < n.len; i++) {
            if (n.ptr[i] < '0' || n.ptr[i] > '9' || q->fixed_len > 1000) return bad(ps, "a list length");
            q->fixed_len = q->fixed_len * 10 + (n.ptr[i] - '0');
        }
        if (!take(ps, "]")) return bad(ps, "']'");
        if (of_optional && b->plain != ETCH_T_TENSOR) return bad(ps, "no optional elements");
        q->type = of_optional ? ETCH_T_TENSORS_OPT : b->list;
        if (ps->p < ps->end && *ps->p == '?') {
            ps->p++;
            q->type = b->list_opt;
        }
        bool alias;
        ETCH_TRY(skip_alias(ps, &alias));
    }
    return q->type == NO_TYPE ? bad(ps, "a supported type") : NULL;
}

// A number, with its kind: "1" INT, "0.5" "1e-5" "inf" FLOAT.
static etch_status *parse_number(parser *ps, etch_val *out)
{
    skip_space(ps);
    char buf[64];
    size_t n = 0;
    bool is_float = false;
    while (ps->p < ps->end && n + 1 < sizeof buf && (is_word(*ps->p) || *ps->p == '.' || *ps->p == '-' || *ps->p == '+')) {
        if (*ps->p == '.' || *ps->p == 'e' || *ps->p == 'i') is_float = true;
        buf[n++] = *ps->p++;
    }
    buf[n] = 0;
    char *end;
    if (is_float) *out = etch_val_float(strtod(buf, &end));
    else *out = etch_val_int(strtoll(buf, &end, 10));
    return n == 0 || *end ? bad(ps, "a number") : NULL;
}

static bool is_float_type(etch_type t)
{
    return t == ETCH_T_FLOAT || t == ETCH_T_FLOAT_OPT || t == ETCH_T_FLOATS || t == ETCH_T_FLOATS_OPT;
}

static etch_status *parse_scalar(parser *ps, const etch_param *q, etch_val *out)
{
    static const struct { const char *word; int code; } words[] = {
        { "contiguous_format", 0 }, { "preserve_format", 1 }, { "strided", 0 }, { "Mean", 1 }, { "long", ETCH_I64 }, { "float", ETCH_F32 },
    };
    if (take(ps, "None")) *out = etch_val_none();
    else if (take(ps, "True")) *out = etch_val_bool(true);
    else if (take(ps, "False")) *out = etch_val_bool(false);
    else if (take(ps, "\"") || take(ps, "'")) {
        char quote = ps->p[-1];
        const char *from = ps->p;
        while (ps->p < ps->end && *ps->p != quote) ps->p++;
        *out = etch_val_str((etch_str){ from, (size_t)(ps->p - from) });
        if (ps->p >= ps->end) return bad(ps, "a closing quote");
        ps->p++;
    } else {
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            if (take(ps, words[i].word)) {
                *out = etch_val_int(words[i].code);
                return NULL;
            }
        ETCH_TRY(parse_number(ps, out));
        if (is_float_type(q->type) && out->kind == ETCH_V_INT) *out = etch_val_float((double)out->i.v);
    }
    return NULL;
}

// Gathers n values of one kind into a list value of the parameter's type.
static etch_status *make_list(parser *ps, const etch_param *q, const etch_val *items, int n, etch_val *out)
{
    size_t count = (size_t)n + 1;  // never an empty allocation
    if (q->type == ETCH_T_INTS || q->type == ETCH_T_INTS_OPT) {
        etch_dim *list;
        ETCH_ALLOC(list, ps->arena, count * sizeof *list);
        for (int i = 0; i < n; i++) list[i] = etch_dim_of(etch_val_as_int(&items[i]));
        *out = (etch_val){ .kind = ETCH_V_INTS, .ints = { list, n } };
    } else if (q->type == ETCH_T_FLOATS || q->type == ETCH_T_FLOATS_OPT) {
        double *list;
        ETCH_ALLOC(list, ps->arena, count * sizeof *list);
        for (int i = 0; i < n; i++) list[i] = etch_val_as_double(&items[i]);
        *out = (etch_val){ .kind = ETCH_V_FLOATS, .floats = { list, n } };
    } else if (q->type == ETCH_T_BOOLS) {
        bool *list;
        ETCH_ALLOC(list, ps->arena, count * sizeof *list);
        for (int i = 0; i < n; i++) list[i] = items[i].b;
        *out = (etch_val){ .kind = ETCH_V_BOOLS, .bools = { list, n } };
    } else if (n == 0) {
        *out = (etch_val){ .kind = ETCH_V_TENSORS };
    } else {
        return bad(ps, "no list default");
    }
    return NULL;
}

static bool is_list_type(etch_type t)
{
    switch (t) {
    case ETCH_T_INTS: case ETCH_T_INTS_OPT: case ETCH_T_FLOATS: case ETCH_T_FLOATS_OPT: case ETCH_T_BOOLS: case ETCH_T_TENSORS:
    case ETCH_T_TENSORS_OPT: return true;
    default: return false;
    }
}

static etch_status *parse_default(parser *ps, etch_param *q)
{
    enum { MAX_ITEMS = 8 };
    etch_val items[MAX_ITEMS];
    int n = 0;
    if (take(ps, "[")) {
        while (!take(ps, "]")) {
            if (n == MAX_ITEMS || (n && !take(ps, ","))) return bad(ps, "a list default");
            ETCH_TRY(parse_scalar(ps, q, &items[n++]));
        }
        return make_list(ps, q, items, n, &q->def);
    }
    ETCH_TRY(parse_scalar(ps, q, &q->def));
    if (!is_list_type(q->type) || q->def.kind == ETCH_V_NONE) return NULL;
    if (q->fixed_len < 1 || q->fixed_len > MAX_ITEMS) return bad(ps, "a list default");
    for (n = 0; n < q->fixed_len; n++) items[n] = q->def;
    return make_list(ps, q, items, n, &q->def);
}

static etch_status *parse_params(parser *ps, etch_schema *s)
{
    enum { MAX_PARAMS = 40 };
    etch_param params[MAX_PARAMS];
    bool kwarg_only = false;
    if (!take(ps, "(")) return bad(ps, "'('");
    for (bool first = true; !take(ps, ")"); first = false) {
        if (!first && !take(ps, ",")) return bad(ps, "',' or ')'");
        if (take(ps, "*")) {
            kwarg_only = true;
            continue;
        }
        if (s->n_params == MAX_PARAMS) return bad(ps, "fewer parameters");
        etch_param *q = &params[s->n_params++];
        *q = (etch_param){ .kwarg_only = kwarg_only };
        ETCH_TRY(parse_type(ps, q));
        q->name = word(ps);
        if (!q->name.len) return bad(ps, "a parameter name");
        if (take(ps, "=")) {
            q->has_default = true;
            ETCH_TRY(parse_default(ps, q));
        }
    }
    ETCH_ALLOC(s->params, ps->arena, sizeof params[0] * (size_t)(s->n_params + 1));
    memcpy(s->params, params, sizeof params[0] * (size_t)s->n_params);
    return NULL;
}

static etch_status *parse_return(parser *ps, etch_schema *s)
{
    etch_param q = { 0 };
    ETCH_TRY(parse_type(ps, &q));
    switch (q.type) {
    case ETCH_T_TENSOR: break;
    case ETCH_T_TENSORS: s->returns_list = true; break;
    case ETCH_T_INT: case ETCH_T_SCALAR: case ETCH_T_BOOL: case ETCH_T_FLOAT: s->returns_scalar = true; break;
    default: return bad(ps, "a return type");
    }
    word(ps);  // optional name
    s->n_returns++;
    return NULL;
}

etch_status *etch_schema_parse(etch_arena *arena, etch_str text, etch_schema *out)
{
    parser ps = { arena, text, text.ptr, text.ptr + text.len };
    *out = (etch_schema){ 0 };
    skip_space(&ps);
    const char *from = ps.p;
    while (ps.p < ps.end && (is_word(*ps.p) || *ps.p == ':' || *ps.p == '.')) ps.p++;
    out->name = (etch_str){ from, (size_t)(ps.p - from) };
    if (!out->name.len) return bad(&ps, "an operator name");
    ETCH_TRY(parse_params(&ps, out));
    if (!take(&ps, "->")) return bad(&ps, "'->'");
    if (take(&ps, "(")) {
        for (bool first = true; !take(&ps, ")"); first = false) {
            if (!first && !take(&ps, ",")) return bad(&ps, "',' or ')'");
            ETCH_TRY(parse_return(&ps, out));
        }
    } else {
        ETCH_TRY(parse_return(&ps, out));
    }
    skip_space(&ps);
    if (ps.p != ps.end) return bad(&ps, "the end");
    if (out->n_returns > 1 && out->returns_list) return bad(&ps, "one list result");
    return NULL;
}

int etch_schema_param(const etch_schema *s, etch_str name)
{
    for (int i = 0; i < s->n_params; i++)
        if (etch_str_eq(s->params[i].name, name)) return i;
    return -1;
}
