// Sizes and types of the schema, and the symbols in them: PyTorch's s77 becomes the program's s0, with its range and its example.
#include "pt2/internal.h"

#include "base/num.h"

static etch_status *sym_int(const json_t *o, etch_str *out_text, const json_t **out_hint, int64_t *out_v)
{
    etch_str kind;
    json_t *v;
    *out_text = (etch_str){ "", 0 };
    *out_hint = NULL;
    ETCH_TRY(pt2_union(o, &kind, &v));
    if (etch_str_eqz(kind, "as_int") && json_is_integer(v)) {
        *out_v = json_integer_value(v);
        return NULL;
    }
    if (!etch_str_eqz(kind, "as_expr")) return ETCH_ERR(ETCH_INVALID, "a size is neither a number nor an expression");
    *out_hint = json_object_get(json_object_get(v, "hint"), "as_int");
    ETCH_TRY(pt2_string(v, "expr_str", out_text));
    return out_text->len ? NULL : ETCH_ERR(ETCH_INVALID, "a size has an empty expression");
}

static etch_status *scan_size(pt2_reader *r, const json_t *o)
{
    etch_str text;
    const json_t *hint;
    int64_t v;
    ETCH_TRY(sym_int(o, &text, &hint, &v));
    etch_str name = text.len && hint ? pt2_lone_symbol(text) : (etch_str){ "", 0 };
    if (!name.len || !json_is_integer(hint) || etch_map_has(&r->hints, name)) return NULL;
    return etch_map_put(&r->hints, name, (void *)(uintptr_t)hint);
}

etch_status *pt2_symbols_scan(pt2_reader *r, const json_t *graph)
{
    json_t *values, *v, *sizes, *size;
    const char *name;
    size_t i;
    ETCH_TRY(pt2_object(graph, "sym_int_values", &values));
    json_object_foreach(values, name, v) ETCH_TRYF(scan_size(r, v), "'%s'", name);
    ETCH_TRY(pt2_object(graph, "tensor_values", &values));
    json_object_foreach(values, name, v) {
        ETCH_TRYF(pt2_array(v, "sizes", &sizes), "'%s'", name);
        json_array_foreach(sizes, i, size) ETCH_TRYF(scan_size(r, size), "'%s'", name);
    }
    return NULL;
}

etch_status *pt2_symbol(pt2_reader *r, etch_str name, etch_dim *out)
{
    const etch_dim *d = etch_map_get(&r->symbols, name);
    if (!d)
        return ETCH_ERR(ETCH_UNSUPPORTED, "the size %.*s is not known here: no input shows it, and the node that computes it is not "
                        "supported", ETCH_STR_ARGS(name));
    *out = *d;
    return NULL;
}

etch_status *pt2_symbol_bind(pt2_reader *r, etch_str name, etch_dim d)
{
    etch_dim *copy;
    ETCH_ALLOC(copy, &r->program->arena, sizeof *copy);
    *copy = d;
    return etch_map_put(&r->symbols, name, copy);
}

static void range_of(const pt2_reader *r, etch_str name, const json_t **lo, const json_t **hi)
{
    char key[256];
    *lo = *hi = NULL;
    if (name.len >= sizeof key) return;
    memcpy(key, name.ptr, name.len);
    key[name.len] = 0;
    const json_t *range = json_object_get(r->ranges, key);
    *lo = json_object_get(range, "min_val");
    *hi = json_object_get(range, "max_val");
}

void pt2_symbol_narrow(pt2_reader *r, etch_str name, etch_dim d)
{
    const etch_monomial *terms;
    int n;
    const json_t *lo, *hi;
    range_of(r, name, &lo, &hi);
    if (etch_dim_is_const(d)) return;
    etch_dim_terms(d, &terms, &n);
    if (n != 1 || terms[0].coef != 1 || terms[0].n_atoms != 1 || terms[0].atoms[0]->kind != ETCH_ATOM_SYM) return;
    etch_sym *s = &r->program->syms.syms[terms[0].atoms[0]->sym];
    if (json_is_integer(lo) && json_integer_value(lo) <= s->example) s->lo = json_integer_value(lo);
    if (json_is_integer(hi) && json_integer_value(hi) >= s->example) s->hi = json_integer_value(hi);
}

// A size of an input: the program's next symbol. PyTorch says 0 where no lower bound is known, though it traces with at least 2; no call is
// made with nothing, so the program's sizes start at 1.
static etch_status *new_symbol(pt2_reader *r, etch_str name)
{
    char own[24];
    const json_t *lo, *hi, *hint = etch_map_get(&r->hints, name);
    range_of(r, name, &lo, &hi);
    int64_t min = json_is_integer(lo) && json_integer_value(lo) > 1 ? json_integer_value(lo) : 1, max = json_integer_value(hi);
    if (!json_is_integer(hi) || max >= INT64_MAX / 2)
        return ETCH_ERR(ETCH_UNSUPPORTED, "the size %.*s has no upper bound, so its memory cannot be planned; give one when exporting: "
                        "torch.export.Dim(name, max=...)",
                        ETCH_STR_ARGS(name));
    if (min > max) return ETCH_ERR(ETCH_INVALID, "the size %.*s has an empty range", ETCH_STR_ARGS(name));
    int64_t example = hint ? json_integer_value(hint) : max < 7 ? max : min > 7 ? min : 7;
    etch_dim d;
    snprintf(own, sizeof own, "s%d", r->program->syms.n_syms);
    ETCH_TRY(etch_syms_new(&r->program->syms, etch_str_of(own), min, max, example, &d));
    return pt2_symbol_bind(r, name, d);
}

etch_status *pt2_size(pt2_reader *r, const json_t *o, etch_dim *out)
{
    etch_str text;
    const json_t *hint;
    int64_t v = 0;
    ETCH_TRY(sym_int(o, &text, &hint, &v));
    *out = etch_dim_of(v);
    return text.len ? pt2_expr(r, text, out) : NULL;
}

static etch_status *head(const json_t *meta, etch_tensor *t, json_t **sizes)
{
    *t = (etch_tensor){ 0 };
    ETCH_TRY(pt2_dtype(json_object_get(meta, "dtype"), &t->dtype));
    ETCH_TRY(pt2_array(meta, "sizes", sizes));
    if (json_array_size(*sizes) > ETCH_MAX_RANK) return ETCH_ERR(ETCH_UNSUPPORTED, "more than %d dimensions", ETCH_MAX_RANK);
    t->rank = (int)json_array_size(*sizes);
    return NULL;
}

// Names of the symbols inside an expression: every Symbol('name', ...).
static etch_status *declare_symbols(pt2_reader *r, etch_str text)
{
    static const char marker[] = "Symbol(";
    const size_t n = sizeof marker - 1;
    for (size_t i = 0; i + n + 1 < text.len; i++) {
        if (memcmp(text.ptr + i, marker, n)) continue;
        const char quote = text.ptr[i + n];
        const char *from = text.ptr + i + n + 1, *end = memchr(from, quote, text.len - i - n - 1);
        if ((quote != '\'' && quote != '"') || !end) continue;
        etch_str name = { from, (size_t)(end - from) };
        if (!etch_map_has(&r->symbols, name)) ETCH_TRY(new_symbol(r, name));
    }
    return NULL;
}

etch_status *pt2_input_type(pt2_reader *r, const json_t *meta, etch_tensor *out)
{
    json_t *sizes, *size;
    size_t i;
    ETCH_TRY(head(meta, out, &sizes));
    json_array_foreach(sizes, i, size) {
        etch_str text;
        const json_t *hint;
        int64_t v;
        ETCH_TRY(sym_int(size, &text, &hint, &v));
        if (text.len) ETCH_TRY(declare_symbols(r, text));
        ETCH_TRY(pt2_size(r, size, &out->sizes[i]));
    }
    return NULL;
}

etch_status *pt2_check_type(pt2_reader *r, const json_t *meta, const etch_tensor *type)
{
    etch_tensor want;
    json_t *sizes, *size;
    size_t i;
    ETCH_TRY(head(meta, &want, &sizes));
    bool same = want.dtype == type->dtype && want.rank == type->rank;
    json_array_foreach(sizes, i, size) {
        etch_str text, lone;
        const json_t *hint;
        int64_t v = 0;
        ETCH_TRY(sym_int(size, &text, &hint, &v));
        lone = text.len ? pt2_lone_symbol(text) : (etch_str){ "", 0 };
        if (lone.len && !etch_map_has(&r->symbols, lone) && same) ETCH_TRY(pt2_symbol_bind(r, lone, type->sizes[i]));
        ETCH_TRY(pt2_size(r, size, &want.sizes[i]));
        if (!same) continue;
        // PyTorch traces as if every symbolic size were at least 2, and drops clamps that it is promised not to need: what it assumed is
        // a guard.
        same = etch_dim_same(want.sizes[i], type->sizes[i]) || (!etch_dim_is_const(type->sizes[i]) && want.sizes[i].v == type->sizes[i].v);
        if (same) ETCH_TRY(etch_dim_decide(&r->program->syms, ETCH_CMP_EQ, want.sizes[i], type->sizes[i], r->where, &same));
    }
    if (same) return NULL;
    etch_buf text = { 0 };
    etch_tensor_print_type(&text, &want);
    etch_buf_puts(&text, ", etch ");
    etch_tensor_print_type(&text, type);
    etch_status *s = etch_buf_check(&text);
    if (!s) s = ETCH_ERR(ETCH_UNSUPPORTED, "PyTorch computed %.*s here", ETCH_STR_ARGS(etch_buf_str(&text)));
    etch_buf_deinit(&text);
    return s;
}

bool pt2_is_row_major(pt2_reader *r, const json_t *meta)
{
    json_t *sizes, *strides;
    etch_dim step = etch_dim_of(1), size, stride;
    etch_status *s = pt2_array(meta, "sizes", &sizes);
    if (!s) s = pt2_array(meta, "strides", &strides);
    bool same = !s && json_array_size(sizes) == json_array_size(strides);
    for (size_t i = same ? json_array_size(sizes) : 0; !s && same && i-- > 0;) {
        s = pt2_size(r, json_array_get(sizes, i), &size);
        if (!s) s = pt2_size(r, json_array_get(strides, i), &stride);
        if (s || (etch_dim_is_const(size) && size.v == 1)) continue;
        if (etch_dim_is_const(size) && size.v == 0) return true;
        same = etch_dim_same(stride, step);
        s = etch_dim_mul(&r->program->syms, step, size, &step);
    }
    const bool known = !s;
    etch_status_ignore(s);
    return known && same;
}
