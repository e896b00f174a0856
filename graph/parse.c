// Parser of the text form. In: any bytes. Out: a program with the types that the text states (etch_program_verify checks them against the
// shape rules), or an error "graph text, line 3, column 7: ...". One statement a line; '#' starts a comment; nothing here recurses.
#include <math.h>
#include <stdlib.h>

#include "graph/internal.h"

typedef struct {
    etch_program *program;
    etch_method *m;
    const char *begin, *p, *end;
    etch_value **ids; size_t n_ids;     // per method: text id -> value
    etch_buf inits;                     // pairs (etch_value *buffer, size_t id), resolved at `end`
    etch_buf items;                     // etch_val elements of the list being read
} parser;

typedef struct { etch_value *buffer; size_t id; } init_ref;

static void position(const parser *ps, int *line, int *column)
{
    *line = 1;
    const char *start = ps->begin;
    for (const char *c = ps->begin; c < ps->p; c++)
        if (*c == '\n') {
            ++*line;
            start = c + 1;
        }
    *column = (int)(ps->p - start) + 1;
}

static etch_status *at_position(const parser *ps, etch_status *s)
{
    int line, column;
    position(ps, &line, &column);
    return etch_status_frame(s, __FILE__, __LINE__, "graph text, line %d, column %d", line, column);
}

static etch_status *bad(const parser *ps, const char *expected)
{
    size_t left = 0;
    while (left < 24 && ps->p + left < ps->end && ps->p[left] != '\n') left++;
    return at_position(ps, ETCH_ERR(ETCH_INVALID, "expected %s at '%.*s'", expected, (int)left, ps->p));
}

#define TRY_AT(ps, expr)                                     \
    do {                                                     \
        etch_status *try_at_ = (expr);                       \
        if (try_at_) return at_position((ps), try_at_);      \
    } while (0)

static void skip_space(parser *ps)
{
    while (ps->p < ps->end && (*ps->p == ' ' || *ps->p == '\t' || *ps->p == '\r')) ps->p++;
    if (ps->p < ps->end && *ps->p == '#')
        while (ps->p < ps->end && *ps->p != '\n') ps->p++;
}

static bool take(parser *ps, char c)
{
    skip_space(ps);
    if (ps->p >= ps->end || *ps->p != c) return false;
    ps->p++;
    return true;
}

static bool peek(parser *ps, char c)
{
    skip_space(ps);
    return ps->p < ps->end && *ps->p == c;
}

static etch_status *expect(parser *ps, char c)
{
    char what[4] = { '\'', c, '\'', 0 };
    return take(ps, c) ? NULL : bad(ps, what);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static etch_str word(parser *ps)
{
    skip_space(ps);
    const char *from = ps->p;
    while (ps->p < ps->end && (is_word(*ps->p) || *ps->p == '.' || *ps->p == ':')) {
        // ':' only as '::' inside an operator name
        if (*ps->p == ':') {
            if (ps->p + 1 >= ps->end || ps->p[1] != ':') break;
            ps->p++;
        }
        ps->p++;
    }
    return (etch_str){ from, (size_t)(ps->p - from) };
}

static bool take_word(parser *ps, const char *z)
{
    const char *from = ps->p;
    if (etch_str_eqz(word(ps), z)) return true;
    ps->p = from;
    return false;
}

static etch_status *line_end(parser *ps)
{
    skip_space(ps);
    if (ps->p == ps->end) return NULL;
    if (*ps->p != '\n') return bad(ps, "the end of the line");
    ps->p++;
    return NULL;
}

static int hex_digit(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// A quoted string, unescaped into the arena.
static etch_status *string(parser *ps, etch_str *out)
{
    *out = (etch_str){ "", 0 };
    if (!take(ps, '"')) return bad(ps, "a string");
    size_t len = 0;
    while (ps->p + len < ps->end && ps->p[len] != '"' && ps->p[len] != '\n') len += ps->p[len] == '\\' ? 2 : 1;
    if (len > (size_t)(ps->end - ps->p)) len = (size_t)(ps->end - ps->p);
    char *z;
    size_t n = 0;
    ETCH_ALLOC(z, &ps->program->arena, len + 1);
    while (ps->p < ps->end && *ps->p != '"') {
        char c = *ps->p++;
        if (c == '\n') return bad(ps, "a closing quote");
        if (c == '\\') {
            if (ps->p >= ps->end) return bad(ps, "an escape");
            c = *ps->p++;
            if (c == 'n') c = '\n';
            else if (c == 't') c = '\t';
            else if (c == 'u') {
                int code = 0;
                for (int i = 0; i < 4; i++) {
                    int d = ps->p < ps->end ? hex_digit(*ps->p) : -1;
                    if (d < 0) return bad(ps, "four hex digits");
                    code = code * 16 + d;
                    ps->p++;
                }
                if (code > 0x7f) return bad(ps, "a control character");
                c = (char)code;
            } else if (c != '"' && c != '\\') {
                return bad(ps, "a known escape");
            }
        }
        z[n++] = c;
    }
    if (!take(ps, '"')) return bad(ps, "a closing quote");
    *out = (etch_str){ z, n };
    return NULL;
}

static etch_status *dim(parser *ps, etch_dim *out)
{
    size_t used = 0;
    skip_space(ps);
    const char *stop = ps->p;
    while (stop < ps->end && *stop != '\n') stop++;
    etch_status *s = etch_dim_parse(&ps->program->syms, (etch_str){ ps->p, (size_t)(stop - ps->p) }, out, &used);
    if (s) return at_position(ps, s);
    if (!used || used > (size_t)(stop - ps->p)) return bad(ps, "a number");
    ps->p += used;
    return NULL;
}

static etch_status *integer(parser *ps, int64_t *out)
{
    skip_space(ps);
    bool minus = take(ps, '-');
    *out = minus ? INT64_MIN : INT64_MAX;
    if (take_word(ps, "inf")) return NULL;
    int64_t v = 0;
    if (ps->p >= ps->end || !is_digit(*ps->p)) return bad(ps, "a number");
    for (; ps->p < ps->end && is_digit(*ps->p); ps->p++) {
        int digit = *ps->p - '0';
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, minus ? -digit : digit, &v)) return bad(ps, "a smaller number");
    }
    *out = v;
    return NULL;
}

static etch_status *value_id(parser *ps, size_t *out)
{
    ETCH_TRY(expect(ps, '%'));
    if (ps->p >= ps->end || !is_digit(*ps->p)) return bad(ps, "a value number");
    size_t id = 0;
    for (; ps->p < ps->end && is_digit(*ps->p); ps->p++) {
        id = id * 10 + (size_t)(*ps->p - '0');
        if (id > (size_t)(ps->end - ps->begin)) return bad(ps, "a smaller value number");
    }
    *out = id;
    return NULL;
}

static etch_status *value_ref(parser *ps, etch_value **out)
{
    size_t id;
    skip_space(ps);
    const char *from = ps->p;
    ETCH_TRY(value_id(ps, &id));
    *out = id < ps->n_ids ? ps->ids[id] : NULL;
    if (*out) return NULL;
    ps->p = from;
    return bad(ps, "a value that is defined above");
}

static etch_status *bind(parser *ps, size_t id, etch_value *v)
{
    if (id >= ps->n_ids) {
        size_t n = id + 1 > ps->n_ids * 2 ? id + 1 : ps->n_ids * 2;
        etch_value **ids = realloc(ps->ids, n * sizeof *ids);
        if (!ids) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        for (size_t i = ps->n_ids; i < n; i++) ids[i] = NULL;
        ps->ids = ids;
        ps->n_ids = n;
    }
    if (ps->ids[id]) return bad(ps, "a value that is not defined twice");
    ps->ids[id] = v;
    return NULL;
}

static etch_status *type(parser *ps, etch_tensor *out)
{
    *out = (etch_tensor){ 0 };
    out->dtype = etch_dtype_from_name(word(ps));
    if (out->dtype == ETCH_DTYPE_NONE) return bad(ps, "a type such as f32[1, 2]");
    ETCH_TRY(expect(ps, '['));
    while (!take(ps, ']')) {
        if (out->rank == ETCH_MAX_RANK) return bad(ps, "at most 16 dimensions");
        if (out->rank) ETCH_TRY(expect(ps, ','));
        ETCH_TRY(dim(ps, &out->sizes[out->rank]));
        out->rank++;
    }
    int64_t n;
    if (!etch_tensor_numel(out, &n)) return bad(ps, "sizes that are neither negative nor huge");
    return NULL;
}

// Is there a float literal at p: digits with '.' or 'e', inf or nan? *out_len its length.
static bool float_literal(const parser *ps, size_t *out_len)
{
    const char *p = ps->p;
    if (p < ps->end && *p == '-') p++;
    size_t left = (size_t)(ps->end - p);
    if (left >= 3 && (!memcmp(p, "inf", 3) || !memcmp(p, "nan", 3)) && (left == 3 || !is_word(p[3]))) {
        *out_len = (size_t)(p + 3 - ps->p);
        return true;
    }
    bool is_float = false;
    if (p >= ps->end || !is_digit(*p)) return false;
    while (p < ps->end && (is_digit(*p) || *p == '.' || *p == 'e' || ((*p == '-' || *p == '+') && p[-1] == 'e'))) {
        if (*p == '.' || *p == 'e') is_float = true;
        p++;
    }
    *out_len = (size_t)(p - ps->p);
    return is_float;
}

static etch_status *float_value(parser *ps, size_t len, etch_val *out)
{
    char z[400], *stop;
    if (len >= sizeof z) return bad(ps, "a shorter number");
    memcpy(z, ps->p, len);
    z[len] = 0;
    *out = etch_val_float(strtod(z, &stop));
    if (*stop) return bad(ps, "a number");
    ps->p += len;
    return NULL;
}

static etch_status *scalar(parser *ps, etch_val *out)
{
    size_t len;
    skip_space(ps);
    *out = etch_val_none();
    if (peek(ps, '%')) {
        etch_value *v;
        if (!ps->m) return bad(ps, "a plain value");
        ETCH_TRY(value_ref(ps, &v));
        *out = etch_val_tensor(&v->t);
    } else if (peek(ps, '"')) {
        etch_str s;
        ETCH_TRY(string(ps, &s));
        *out = etch_val_str(s);
    } else if (take_word(ps, "None")) {
        *out = etch_val_none();
    } else if (take_word(ps, "true")) {
        *out = etch_val_bool(true);
    } else if (take_word(ps, "false")) {
        *out = etch_val_bool(false);
    } else if (float_literal(ps, &len)) {
        ETCH_TRY(float_value(ps, len, out));
    } else {
        etch_dim d;
        ETCH_TRY(dim(ps, &d));
        *out = etch_val_dim(d);
    }
    return NULL;
}

// The kind follows from the elements: tensors or None; any float makes floats; an empty list is ints (coerced by the schema later).
static etch_status *make_list(parser *ps, const etch_val *items, int n, etch_val *out)
{
    etch_arena *a = &ps->program->arena;
    bool tensors = false, floats = false, bools = false, ints = false, other = false;
    for (int i = 0; i < n; i++) {
        etch_vkind k = items[i].kind;
        if (k == ETCH_V_TENSOR || k == ETCH_V_NONE) tensors = true;
        else if (k == ETCH_V_FLOAT) floats = true;
        else if (k == ETCH_V_BOOL) bools = true;
        else if (k == ETCH_V_INT) ints = true;
        else other = true;
        if (k == ETCH_V_INT && items[i].i.e && floats) other = true;
    }
    if (other || tensors + bools + (floats || ints) > 1) return bad(ps, "a list of one kind");
    size_t count = (size_t)n + 1;
    if (tensors) {
        out->kind = ETCH_V_TENSORS;
        ETCH_ALLOC(out->tensors.p, a, count * sizeof *out->tensors.p);
        out->tensors.n = n;
        for (int i = 0; i < n; i++) out->tensors.p[i] = items[i].kind == ETCH_V_TENSOR ? items[i].t : NULL;
    } else if (floats) {
        out->kind = ETCH_V_FLOATS;
        ETCH_ALLOC(out->floats.p, a, count * sizeof *out->floats.p);
        out->floats.n = n;
        for (int i = 0; i < n; i++) out->floats.p[i] = etch_val_as_double(&items[i]);
    } else if (bools) {
        out->kind = ETCH_V_BOOLS;
        ETCH_ALLOC(out->bools.p, a, count * sizeof *out->bools.p);
        out->bools.n = n;
        for (int i = 0; i < n; i++) out->bools.p[i] = items[i].b;
    } else {
        out->kind = ETCH_V_INTS;
        ETCH_ALLOC(out->ints.p, a, count * sizeof *out->ints.p);
        out->ints.n = n;
        for (int i = 0; i < n; i++) out->ints.p[i] = items[i].i;
    }
    return NULL;
}

static etch_status *value(parser *ps, etch_val *out)
{
    *out = etch_val_none();
    if (!take(ps, '[')) return scalar(ps, out);
    ps->items.len = 0;
    while (!take(ps, ']')) {
        if (ps->items.len) ETCH_TRY(expect(ps, ','));
        etch_val v;
        ETCH_TRY(scalar(ps, &v));
        etch_buf_put(&ps->items, &v, sizeof v);
        ETCH_TRY(etch_buf_check(&ps->items));
        if (ps->items.len > (size_t)INT32_MAX) return bad(ps, "a shorter list");
    }
    return make_list(ps, (const etch_val *)(const void *)ps->items.ptr, (int)(ps->items.len / sizeof(etch_val)), out);
}

static etch_status *param_value(parser *ps, const etch_param *q, etch_val *out)
{
    if (q->is_dtype) {
        const char *from = ps->p;
        etch_dtype d = etch_dtype_from_name(word(ps));
        if (d != ETCH_DTYPE_NONE) {
            *out = etch_val_int((int)d);
            return NULL;
        }
        ps->p = from;
    }
    return value(ps, out);
}

enum { MAX_PARAMS = 64 };

static etch_status *arguments(parser *ps, const etch_op *op, etch_val *args)
{
    const etch_schema *s = op->schema;
    bool given[MAX_PARAMS] = { false };
    int next = 0;
    if (s->n_params > MAX_PARAMS) return bad(ps, "an operator with fewer parameters");
    ETCH_TRY(expect(ps, '('));
    for (bool first = true; !take(ps, ')'); first = false) {
        if (!first) ETCH_TRY(expect(ps, ','));
        skip_space(ps);
        const char *from = ps->p;
        etch_str name = word(ps);
        int i = name.len && peek(ps, '=') ? etch_schema_param(s, name) : -2;
        if (i == -1) {
            ps->p = from;
            return bad(ps, "the name of an argument");
        }
        if (i >= 0) {
            take(ps, '=');
            next = s->n_params;
        } else {
            ps->p = from;
            i = next++;
            if (i >= s->n_params || s->params[i].kwarg_only) return bad(ps, "')' or a named argument");
        }
        if (given[i]) return bad(ps, "each argument once");
        given[i] = true;
        ETCH_TRY(param_value(ps, &s->params[i], &args[i]));
    }
    for (int i = 0; i < s->n_params; i++) {
        if (given[i]) continue;
        if (!s->params[i].has_default)
            return at_position(ps, ETCH_ERR(ETCH_INVALID, "%.*s: argument '%.*s' is missing", ETCH_STR_ARGS(s->name),
                                            ETCH_STR_ARGS(s->params[i].name)));
        args[i] = s->params[i].def;
    }
    return NULL;
}

static etch_status *fqn(parser *ps, etch_value *v) { return take_word(ps, "fqn") ? string(ps, &v->fqn) : NULL; }

static etch_status *result(parser *ps, const etch_op *op, etch_value *v)
{
    if (op->flags & ETCH_OPF_SYM) {
        if (!take_word(ps, "int")) return bad(ps, "'int'");
        v->is_scalar = true;
        ETCH_TRY(dim(ps, &v->scalar));
    } else {
        ETCH_TRY(type(ps, &v->t));
    }
    return fqn(ps, v);
}

static etch_status *node(parser *ps, etch_str op_name, const size_t *ids, int n_ids)
{
    const etch_op *op = etch_op_find(op_name);
    if (!op) return at_position(ps, ETCH_ERR(ETCH_UNSUPPORTED, "op %.*s has no row in op/ops.def", ETCH_STR_ARGS(op_name)));
    etch_val args[MAX_PARAMS];
    etch_node *n;
    ETCH_TRY(arguments(ps, op, args));
    bool count_ok = op->schema->returns_list || n_ids == op->schema->n_returns;
    if (!count_ok) return at_position(ps, ETCH_ERR(ETCH_INVALID, "%.*s has %d results", ETCH_STR_ARGS(op_name), op->schema->n_returns));
    etch_str none = { "", 0 };
    TRY_AT(ps, etch_graph__new_node(ps->m, op, args, op->schema->n_params, none, none, &n));
    TRY_AT(ps, etch_graph__new_outs(ps->m, n, n_ids));
    for (int i = 0; i < n_ids; i++) {
        ETCH_TRY(expect(ps, i ? ',' : ':'));
        ETCH_TRY(result(ps, op, n->outs[i]));
    }
    if (take(ps, '@')) ETCH_TRY(string(ps, &n->where));
    if (take_word(ps, "in")) ETCH_TRY(string(ps, &n->module));
    for (int i = 0; i < n_ids; i++) ETCH_TRY(bind(ps, ids[i], n->outs[i]));
    etch_graph__link(ps->m, n, NULL);
    return NULL;
}

static etch_status *data_bytes(parser *ps, etch_value *v)
{
    size_t n;
    if (!take_word(ps, "hex")) return bad(ps, "'hex'");
    if (etch_tensor_is_dynamic(&v->t) || !etch_tensor_nbytes(&v->t, &n)) return bad(ps, "literal data with plain sizes");
    if (!take(ps, '"')) return bad(ps, "a string of hex digits");
    if (n > (size_t)(ps->end - ps->p) / 2) return bad(ps, "as many bytes as the type has");
    uint8_t *bytes;
    ETCH_ALLOC(bytes, &ps->program->arena, n ? n : 1);
    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(ps->p[0]), lo = hex_digit(ps->p[1]);
        if (hi < 0 || lo < 0) return bad(ps, "as many bytes as the type has");
        bytes[i] = (uint8_t)(hi * 16 + lo);
        ps->p += 2;
    }
    if (ps->p >= ps->end || *ps->p != '"') return bad(ps, "as many bytes as the type has");
    ps->p++;
    v->t.data = bytes;
    v->t.capacity = n;
    return NULL;
}

static etch_status *leaf(parser *ps, etch_src src, size_t id)
{
    etch_str name = { "", 0 }, file = { "", 0 };
    etch_tensor t;
    etch_value *v;
    if (src == ETCH_SRC_FILE) ETCH_TRY(string(ps, &file));
    if (src != ETCH_SRC_DATA) ETCH_TRY(string(ps, &name));
    ETCH_TRY(expect(ps, ':'));
    ETCH_TRY(type(ps, &t));
    if (src == ETCH_SRC_FILE && etch_tensor_is_dynamic(&t)) return bad(ps, "a stored tensor with plain sizes");
    TRY_AT(ps, etch_graph__new_leaf(ps->m, src, name, &t, &v));
    v->file = file;
    ETCH_TRY(fqn(ps, v));
    if (src == ETCH_SRC_DATA) ETCH_TRY(data_bytes(ps, v));
    if (src == ETCH_SRC_BUFFER) {
        if (!take_word(ps, "init")) return bad(ps, "'init'");
        if (!take_word(ps, "zeros")) {
            init_ref ref = { v, 0 };
            ETCH_TRY(value_id(ps, &ref.id));
            etch_buf_put(&ps->inits, &ref, sizeof ref);
            ETCH_TRY(etch_buf_check(&ps->inits));
        }
    }
    return bind(ps, id, v);
}

static etch_status *definition(parser *ps)
{
    size_t ids[256];
    int n = 0;
    do {
        if (n == 256) return bad(ps, "at most 256 results");
        ETCH_TRY(value_id(ps, &ids[n++]));
    } while (take(ps, ','));
    ETCH_TRY(expect(ps, '='));
    etch_str name = word(ps);
    static const struct { const char *word; etch_src src; } leaves[] = {
        { "input", ETCH_SRC_INPUT }, { "file", ETCH_SRC_FILE }, { "data", ETCH_SRC_DATA }, { "buffer", ETCH_SRC_BUFFER },
    };
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++)
        if (etch_str_eqz(name, leaves[i].word)) return n == 1 ? leaf(ps, leaves[i].src, ids[0]) : bad(ps, "one value");
    return node(ps, name, ids, n);
}

static etch_status *method_end(parser *ps)
{
    const init_ref *refs = (const init_ref *)(const void *)ps->inits.ptr;
    for (size_t i = 0; i < ps->inits.len / sizeof *refs; i++) {
        etch_value *v = refs[i].id < ps->n_ids ? ps->ids[refs[i].id] : NULL;
        if (!v || v->is_scalar) return bad(ps, "a definition of each buffer's initial value before");
        refs[i].buffer->init = v;
    }
    ps->inits.len = 0;
    for (size_t i = 0; i < ps->n_ids; i++) ps->ids[i] = NULL;
    ps->m = NULL;
    return NULL;
}

static etch_status *method_line(parser *ps)
{
    if (peek(ps, '%')) return definition(ps);
    etch_str name = word(ps);
    if (etch_str_eqz(name, "end")) return method_end(ps);
    if (etch_str_eqz(name, "mutate")) {
        etch_value *buffer, *v;
        ETCH_TRY(value_ref(ps, &buffer));
        ETCH_TRY(expect(ps, '='));
        ETCH_TRY(value_ref(ps, &v));
        TRY_AT(ps, etch_method_add_mutation(ps->m, buffer, v));
        return NULL;
    }
    if (etch_str_eqz(name, "return")) {
        etch_str out_name;
        etch_value *v;
        ETCH_TRY(string(ps, &out_name));
        ETCH_TRY(value_ref(ps, &v));
        return etch_method_add_output(ps->m, out_name, v);
    }
    if (peek(ps, '(')) return node(ps, name, NULL, 0);
    return bad(ps, "a definition, 'mutate', 'return' or 'end'");
}

static etch_status *symbol(parser *ps)
{
    int64_t lo, hi, example;
    etch_dim d;
    etch_str name = word(ps);
    if (!name.len || is_digit(name.ptr[0])) return bad(ps, "a symbol's name");
    if (!take_word(ps, "in")) return bad(ps, "'in'");
    ETCH_TRY(expect(ps, '['));
    ETCH_TRY(integer(ps, &lo));
    ETCH_TRY(expect(ps, ','));
    ETCH_TRY(integer(ps, &hi));
    ETCH_TRY(expect(ps, ']'));
    if (!take_word(ps, "example")) return bad(ps, "'example'");
    ETCH_TRY(integer(ps, &example));
    TRY_AT(ps, etch_syms_new(&ps->program->syms, name, lo, hi, example, &d));
    return NULL;
}

static etch_status *guard(parser *ps)
{
    etch_syms *s = &ps->program->syms;
    etch_guard g = { .where = { "", 0 } };
    ETCH_TRY(string(ps, &g.text));
    if (take_word(ps, "at")) ETCH_TRY(string(ps, &g.where));
    ETCH_TRY(etch_graph__grow(&ps->program->arena, &s->guards, s->n_guards, &s->cap_guards, sizeof *s->guards));
    s->guards[s->n_guards++] = g;
    return NULL;
}

static etch_status *program_line(parser *ps)
{
    if (take_word(ps, "sym")) return symbol(ps);
    if (take_word(ps, "guard")) return guard(ps);
    if (take_word(ps, "meta")) {
        etch_str name;
        etch_val v;
        ETCH_TRY(string(ps, &name));
        ETCH_TRY(expect(ps, '='));
        ETCH_TRY(value(ps, &v));
        return etch_program_set_meta(ps->program, name, v);
    }
    if (take_word(ps, "method")) {
        etch_str name;
        ETCH_TRY(string(ps, &name));
        TRY_AT(ps, etch_program_add_method(ps->program, name, &ps->m));
        return NULL;
    }
    return bad(ps, "'sym', 'guard', 'meta' or 'method'");
}

static etch_status *program(parser *ps)
{
    bool header = false;
    for (;;) {
        skip_space(ps);
        if (ps->p == ps->end) break;
        if (*ps->p == '\n') {
            ps->p++;
            continue;
        }
        if (!header) {
            const char *from = ps->p;
            static const char magic[] = "etch-graph 1";
            if ((size_t)(ps->end - from) < sizeof magic - 1 || memcmp(from, magic, sizeof magic - 1)) return bad(ps, "'etch-graph 1'");
            ps->p += sizeof magic - 1;
            header = true;
        } else {
            ETCH_TRY(ps->m ? method_line(ps) : program_line(ps));
        }
        ETCH_TRY(line_end(ps));
    }
    if (!header) return bad(ps, "'etch-graph 1'");
    return ps->m ? bad(ps, "'end'") : NULL;
}

etch_status *etch_program_parse(etch_str text, etch_program **out)
{
    *out = NULL;
    parser ps = { .begin = text.ptr ? text.ptr : "" };
    ps.p = ps.begin;
    ps.end = ps.begin + text.len;
    ETCH_TRY(etch_program_new(&ps.program));
    etch_status *s = program(&ps);
    free(ps.ids);
    etch_buf_deinit(&ps.inits);
    etch_buf_deinit(&ps.items);
    if (s) etch_program_destroy(ps.program);
    else *out = ps.program;
    return s;
}
