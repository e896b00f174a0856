// Sizes as sympy's srepr prints them, with the functions of torch.utils._sympy:
//
//   expr = NAME "(" [argument ("," argument)*] ")"      argument = expr | number | 'text' | NAME "=" (expr | number | word)
//
// "Add(Mul(Integer(2), Symbol('s77', positive=True, integer=True)), Integer(-1))" is 2*s0 - 1 once s77 is known as s0.
#include "pt2/internal.h"

#include "base/num.h"

enum { MAX_DEPTH = 64, MAX_ARGS = 64 };

typedef struct { pt2_reader *r; const char *p, *end; int depth; } parser;

static etch_status *bad(const parser *ps, const char *what)
{
    size_t left = (size_t)(ps->end - ps->p);
    return ETCH_ERR(ETCH_INVALID, "size expression: expected %s at '%.*s'", what, (int)(left > 24 ? 24 : left), ps->p);
}

static void skip_space(parser *ps)
{
    while (ps->p < ps->end && *ps->p == ' ') ps->p++;
}

static bool take(parser *ps, char c)
{
    skip_space(ps);
    if (ps->p >= ps->end || *ps->p != c) return false;
    ps->p++;
    return true;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static etch_str word(parser *ps)
{
    skip_space(ps);
    const char *from = ps->p;
    while (ps->p < ps->end && is_word(*ps->p)) ps->p++;
    return (etch_str){ from, (size_t)(ps->p - from) };
}

static etch_status *number(parser *ps, int64_t *out)
{
    const bool minus = take(ps, '-');
    skip_space(ps);
    *out = 0;
    if (ps->p >= ps->end || !is_digit(*ps->p)) return bad(ps, "a number");
    for (; ps->p < ps->end && is_digit(*ps->p); ps->p++) {
        int64_t digit = *ps->p - '0';
        if (!etch_mul_ok(*out, (int64_t)10, out) || !(minus ? etch_sub_ok(*out, digit, out) : etch_add_ok(*out, digit, out)))
            return bad(ps, "a number of 64 bits");
    }
    return NULL;
}

static etch_status *quoted(parser *ps, etch_str *out)
{
    skip_space(ps);
    const char quote = ps->p < ps->end ? *ps->p : 0;
    if (quote != '\'' && quote != '"') return bad(ps, "a quoted name");
    const char *from = ++ps->p;
    while (ps->p < ps->end && *ps->p != quote) ps->p++;
    if (ps->p >= ps->end) return bad(ps, "a closing quote");
    *out = (etch_str){ from, (size_t)(ps->p++ - from) };
    return NULL;
}

// Is there "name=" (an assumption, evaluate=False)? Then it is passed over, with its word.
static bool keyword(parser *ps)
{
    const char *from = ps->p;
    if (word(ps).len && take(ps, '=') && word(ps).len) return true;
    ps->p = from;
    return false;
}

static etch_status *symbol(parser *ps, etch_dim *out)
{
    etch_str name;
    ETCH_TRY(quoted(ps, &name));
    while (take(ps, ','))
        if (!keyword(ps)) return bad(ps, "an assumption");
    if (!take(ps, ')')) return bad(ps, "')'");
    return pt2_symbol(ps->r, name, out);
}

typedef etch_status *(*binary)(etch_syms *, etch_dim, etch_dim, etch_dim *);

static etch_status *fold(etch_syms *s, binary f, const etch_dim *a, int n, etch_dim *out)
{
    *out = a[0];
    for (int i = 1; i < n; i++) ETCH_TRY(f(s, *out, a[i], out));
    return NULL;
}

static etch_status *ceil_div(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    const etch_dim zero = etch_dim_of(0);
    ETCH_TRY(etch_dim_sub(s, zero, a, out));
    ETCH_TRY(etch_dim_floordiv(s, *out, b, out));
    return etch_dim_sub(s, zero, *out, out);
}

static etch_status *power(etch_syms *s, etch_dim a, etch_dim n, etch_dim *out)
{
    if (n.e || n.v < 0 || n.v > 8) return ETCH_ERR(ETCH_UNSUPPORTED, "a size with the power %lld", (long long)n.v);
    *out = etch_dim_of(1);
    for (int64_t i = 0; i < n.v; i++) ETCH_TRY(etch_dim_mul(s, *out, a, out));
    return NULL;
}

static etch_status *modular(etch_syms *s, const etch_dim *a, etch_dim *out)
{
    ETCH_TRY(etch_dim_floordiv(s, a[0], a[1], out));
    return etch_dim_mod(s, *out, a[2], out);
}

static const struct { const char *name; int min, max; binary fold; } functions[] = {
    { "Add", 1, MAX_ARGS, etch_dim_add }, { "Mul", 1, MAX_ARGS, etch_dim_mul }, { "Max", 1, MAX_ARGS, etch_dim_max },
    { "Min", 1, MAX_ARGS, etch_dim_min }, { "FloorDiv", 2, 2, etch_dim_floordiv }, { "CleanDiv", 2, 2, etch_dim_floordiv },
    { "Mod", 2, 2, etch_dim_mod }, { "PythonMod", 2, 2, etch_dim_mod },
    { "CeilDiv", 2, 2, ceil_div }, { "Pow", 2, 2, power }, { "PowByNatural", 2, 2, power }, { "Identity", 1, 1, etch_dim_add },
};

static etch_status *expr(parser *ps, etch_dim *out);

static etch_status *arguments(parser *ps, etch_dim *a, int max, int *out_n)
{
    int n = 0;
    while (!take(ps, ')')) {
        if (n && !take(ps, ',')) return bad(ps, "',' or ')'");
        if (keyword(ps)) continue;
        if (n == max) return bad(ps, "fewer operands");
        ETCH_TRY(expr(ps, &a[n++]));
    }
    *out_n = n;
    return NULL;
}

// int(a / b) and the like: the quotient of two sizes, rounded.
static etch_status *rounded(parser *ps, etch_str how, etch_dim *out)
{
    etch_str inner = word(ps);
    etch_dim a[2];
    int n;
    etch_syms *s = &ps->r->program->syms;
    if (!etch_str_eqz(inner, "IntTrueDiv") || !take(ps, '('))
        return ETCH_ERR(ETCH_UNSUPPORTED, "a size with %.*s of %.*s", ETCH_STR_ARGS(how), ETCH_STR_ARGS(inner));
    ETCH_TRY(arguments(ps, a, 2, &n));
    if (n != 2 || !take(ps, ')')) return bad(ps, "two operands");
    const bool positive = etch_dim_known(s, ETCH_CMP_GE, a[0], etch_dim_of(0)) && etch_dim_known(s, ETCH_CMP_GT, a[1], etch_dim_of(0));
    if (etch_str_eqz(how, "TruncToInt") && !positive)
        return ETCH_ERR(ETCH_UNSUPPORTED, "a size rounded towards zero that may be negative");
    return etch_str_eqz(how, "CeilToInt") ? ceil_div(s, a[0], a[1], out) : etch_dim_floordiv(s, a[0], a[1], out);
}

static etch_status *expr(parser *ps, etch_dim *out)
{
    if (++ps->depth > MAX_DEPTH) return ETCH_ERR(ETCH_INVALID, "size expression: nested too deep");
    etch_str name = word(ps);
    etch_syms *s = &ps->r->program->syms;
    etch_status *st = NULL;
    if (!name.len || is_digit(name.ptr[0]) || !take(ps, '(')) return bad(ps, "a function of sympy");
    if (etch_str_eqz(name, "Symbol")) st = symbol(ps, out);
    else if (etch_str_eqz(name, "Integer")) {
        int64_t v;
        ETCH_TRY(number(ps, &v));
        if (!take(ps, ')')) return bad(ps, "')'");
        *out = etch_dim_of(v);
    } else if (etch_str_eqz(name, "CeilToInt") || etch_str_eqz(name, "FloorToInt") || etch_str_eqz(name, "TruncToInt")) {
        st = rounded(ps, name, out);
    } else {
        etch_dim a[MAX_ARGS];
        int n;
        size_t i = 0;
        ETCH_TRY(arguments(ps, a, MAX_ARGS, &n));
        while (i < sizeof functions / sizeof *functions && !etch_str_eqz(name, functions[i].name)) i++;
        if (i < sizeof functions / sizeof *functions) {
            if (n < functions[i].min || n > functions[i].max) return bad(ps, "another number of operands");
            st = fold(s, functions[i].fold, a, n, out);
        } else if (etch_str_eqz(name, "ModularIndexing") && n == 3) {
            st = modular(s, a, out);
        } else {
            st = ETCH_ERR(ETCH_UNSUPPORTED, "a size with the function %.*s", ETCH_STR_ARGS(name));
        }
    }
    ps->depth--;
    return st;
}

etch_status *pt2_expr(pt2_reader *r, etch_str text, etch_dim *out)
{
    parser ps = { r, text.ptr, text.ptr + text.len, 0 };
    ETCH_TRYF(expr(&ps, out), "%.*s", ETCH_STR_ARGS(text));
    skip_space(&ps);
    return ps.p == ps.end ? NULL : bad(&ps, "the end");
}

etch_str pt2_lone_symbol(etch_str text)
{
    parser ps = { NULL, text.ptr, text.ptr + text.len, 0 };
    etch_str name = { "", 0 };
    etch_status *s = etch_str_eqz(word(&ps), "Symbol") && take(&ps, '(') ? quoted(&ps, &name) : ETCH_ERR(ETCH_INVALID, "no symbol");
    while (!s && take(&ps, ','))
        if (!keyword(&ps)) s = bad(&ps, "an assumption");
    const bool lone = !s && take(&ps, ')') && ps.p == ps.end;
    etch_status_ignore(s);
    return lone ? name : (etch_str){ "", 0 };
}
