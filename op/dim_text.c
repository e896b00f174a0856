// Text form of sizes: "2*s0 + 1", "(s0 // 2)", "((s0 + 3) % 4)", "max(s0, 3)".
//
//   expr   = term (("+" | "-") term)*
//   term   = factor (("*" | "//" | "%") factor)*
//   factor = ["-"] (number | symbol | "(" expr ")" | ("max" | "min") "(" expr "," expr ")")
#include "op/dim_poly.h"

#include "base/num.h"

static void print(etch_buf *out, etch_dim d);

// An operand of // and %: in parentheses unless it is one bare factor.
static void print_operand(etch_buf *out, etch_dim d)
{
    bool bare = d.e ? d.e->n == 1 && d.e->terms[0].n_atoms == 1 && d.e->terms[0].coef == 1 : d.v >= 0;
    if (!bare) etch_buf_puts(out, "(");
    print(out, d);
    if (!bare) etch_buf_puts(out, ")");
}

static void print_atom(etch_buf *out, const dim_atom *a)
{
    switch (a->pub.kind) {
    case ETCH_ATOM_SYM: etch_buf_put(out, a->name.ptr, a->name.len); return;
    case ETCH_ATOM_FLOORDIV:
    case ETCH_ATOM_MOD:
        etch_buf_puts(out, "(");
        print_operand(out, a->pub.a);
        etch_buf_puts(out, a->pub.kind == ETCH_ATOM_MOD ? " % " : " // ");
        print_operand(out, a->pub.b);
        break;
    case ETCH_ATOM_MAX:
    case ETCH_ATOM_MIN:
        etch_buf_puts(out, a->pub.kind == ETCH_ATOM_MAX ? "max(" : "min(");
        print(out, a->pub.a);
        etch_buf_puts(out, ", ");
        print(out, a->pub.b);
        break;
    }
    etch_buf_puts(out, ")");
}

static void print_magnitude(etch_buf *out, int64_t c)
{
    etch_buf_printf(out, "%llu", (unsigned long long)(c < 0 ? 0 - (uint64_t)c : (uint64_t)c));
}

static void print(etch_buf *out, etch_dim d)
{
    if (!d.e) {
        etch_buf_printf(out, "%lld", (long long)d.v);
        return;
    }
    for (int i = 0; i < d.e->n; i++) {
        const etch_monomial *m = &d.e->terms[i];
        if (m->coef < 0) etch_buf_puts(out, i ? " - " : "-");
        else if (i) etch_buf_puts(out, " + ");
        bool unit = m->coef == 1 || m->coef == -1;
        if (!unit || m->n_atoms == 0) print_magnitude(out, m->coef);
        for (int k = 0; k < m->n_atoms; k++) {
            if (k || !unit) etch_buf_puts(out, "*");
            print_atom(out, dim_atom_of(m->atoms[k]));
        }
    }
}

void etch_dim_print(etch_buf *out, etch_dim d) { print(out, d); }

typedef struct { etch_syms *syms; const char *p, *end, *begin; int depth; } parser;

static etch_status *bad(const parser *ps, const char *what)
{
    size_t left = (size_t)(ps->end - ps->p);
    return ETCH_ERR(ETCH_INVALID, "size expression: expected %s at '%.*s'", what, (int)(left > 24 ? 24 : left), ps->p);
}

// Looks past spaces; consumes them only when `z` follows.
static bool take(parser *ps, const char *z)
{
    const char *p = ps->p;
    size_t n = strlen(z);
    while (p < ps->end && *p == ' ') p++;
    if ((size_t)(ps->end - p) < n || memcmp(p, z, n)) return false;
    ps->p = p + n;
    return true;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c); }

static etch_status *parse_expr(parser *ps, etch_dim *out);

static etch_status *parse_number(parser *ps, bool negative, etch_dim *out)
{
    int64_t v = 0;
    for (; ps->p < ps->end && is_digit(*ps->p); ps->p++) {
        int64_t digit = *ps->p - '0';
        if (!etch_mul_ok(v, (int64_t)10, &v) || !(negative ? etch_sub_ok(v, digit, &v) : etch_add_ok(v, digit, &v)))
            return bad(ps, "a number of 64 bits");
    }
    *out = etch_dim_of(v);
    return NULL;
}

static etch_status *parse_word(parser *ps, etch_dim *out)
{
    const char *from = ps->p;
    while (ps->p < ps->end && is_word(*ps->p)) ps->p++;
    etch_str word = { from, (size_t)(ps->p - from) };
    bool is_max = etch_str_eqz(word, "max");
    if (is_max || etch_str_eqz(word, "min")) {
        etch_dim a, b;
        if (!take(ps, "(")) return bad(ps, "'('");
        ETCH_TRY(parse_expr(ps, &a));
        if (!take(ps, ",")) return bad(ps, "','");
        ETCH_TRY(parse_expr(ps, &b));
        if (!take(ps, ")")) return bad(ps, "')'");
        return is_max ? etch_dim_max(ps->syms, a, b, out) : etch_dim_min(ps->syms, a, b, out);
    }
    if (ps->syms && etch_syms_find(ps->syms, word, out)) return NULL;
    ps->p = from;
    return ETCH_ERR(ETCH_INVALID, "size expression: unknown symbol '%.*s'", ETCH_STR_ARGS(word));
}

static etch_status *parse_factor(parser *ps, etch_dim *out)
{
    if (++ps->depth > DIM_MAX_DEPTH) return dim_too_large();
    bool negative = take(ps, "-");
    while (ps->p < ps->end && *ps->p == ' ') ps->p++;
    if (ps->p < ps->end && is_digit(*ps->p)) {
        ETCH_TRY(parse_number(ps, negative, out));
    } else {
        if (take(ps, "(")) {
            ETCH_TRY(parse_expr(ps, out));
            if (!take(ps, ")")) return bad(ps, "')'");
        } else if (ps->p < ps->end && is_word(*ps->p)) {
            ETCH_TRY(parse_word(ps, out));
        } else {
            return bad(ps, "a size");
        }
        if (negative) ETCH_TRY(etch_dim_sub(ps->syms, etch_dim_of(0), *out, out));
    }
    ps->depth--;
    return NULL;
}

static etch_status *parse_term(parser *ps, etch_dim *out)
{
    etch_dim b;
    ETCH_TRY(parse_factor(ps, out));
    for (;;) {
        if (take(ps, "//")) {
            ETCH_TRY(parse_factor(ps, &b));
            ETCH_TRY(etch_dim_floordiv(ps->syms, *out, b, out));
        } else if (take(ps, "%")) {
            ETCH_TRY(parse_factor(ps, &b));
            ETCH_TRY(etch_dim_mod(ps->syms, *out, b, out));
        } else if (take(ps, "*")) {
            ETCH_TRY(parse_factor(ps, &b));
            ETCH_TRY(etch_dim_mul(ps->syms, *out, b, out));
        } else {
            return NULL;
        }
    }
}

static etch_status *parse_expr(parser *ps, etch_dim *out)
{
    etch_dim b;
    ETCH_TRY(parse_term(ps, out));
    for (;;) {
        if (take(ps, "+")) {
            ETCH_TRY(parse_term(ps, &b));
            ETCH_TRY(etch_dim_add(ps->syms, *out, b, out));
        } else if (take(ps, "-")) {
            ETCH_TRY(parse_term(ps, &b));
            ETCH_TRY(etch_dim_sub(ps->syms, *out, b, out));
        } else {
            return NULL;
        }
    }
}

etch_status *etch_dim_parse(etch_syms *s, etch_str text, etch_dim *out, size_t *out_used)
{
    parser ps = { s, text.ptr, text.ptr + text.len, text.ptr, 0 };
    *out = etch_dim_of(0);
    *out_used = 0;
    ETCH_TRY(parse_expr(&ps, out));
    *out_used = (size_t)(ps.p - ps.begin);
    return NULL;
}
