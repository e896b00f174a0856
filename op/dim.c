// Sizes that may be symbolic: symbols, arithmetic, comparison. Polynomials and interning are in dim_poly.c, bounds in dim_range.c,
// text in dim_text.c. With constants only, nothing here touches memory or the symbol table.
#include "op/dim.h"

#include "base/num.h"
#include "op/dim_poly.h"

void etch_syms_init(etch_syms *s, etch_arena *arena) { *s = (etch_syms){ .arena = arena }; }

static bool is_name(etch_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) return false;
    }
    return s.len > 0 && !etch_str_eqz(s, "max") && !etch_str_eqz(s, "min");
}

etch_status *etch_syms_new(etch_syms *s, etch_str name, int64_t lo, int64_t hi, int64_t example, etch_dim *out_dim)
{
    *out_dim = etch_dim_of(example);
    if (!is_name(name)) return ETCH_ERR(ETCH_INVALID, "'%.*s' is no name for a symbol", ETCH_STR_ARGS(name));
    for (int i = 0; i < s->n_syms; i++)
        if (etch_str_eq(s->syms[i].name, name)) return ETCH_ERR(ETCH_INVALID, "the symbol %.*s exists already", ETCH_STR_ARGS(name));
    if (lo > hi || example < lo || example > hi)
        return ETCH_ERR(ETCH_INVALID, "symbol %.*s: the range [%lld, %lld] does not hold the example %lld", ETCH_STR_ARGS(name),
                        (long long)lo,
                        (long long)hi, (long long)example);
    if (s->n_syms == s->cap_syms) {
        etch_sym *list;
        int cap = s->cap_syms ? s->cap_syms * 2 : 8;
        ETCH_ALLOC(list, s->arena, sizeof *list * (size_t)cap);
        if (s->n_syms) memcpy(list, s->syms, sizeof *list * (size_t)s->n_syms);
        s->syms = list;
        s->cap_syms = cap;
    }
    etch_str copy = etch_arena_str(s->arena, name);
    if (!copy.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    ETCH_TRY(dim_make_atom(s, ETCH_ATOM_SYM, s->n_syms, copy, etch_dim_of(0), etch_dim_of(0), example, out_dim));
    s->syms[s->n_syms++] = (etch_sym){ copy, lo, hi, example };
    return NULL;
}

bool etch_syms_find(etch_syms *s, etch_str name, etch_dim *out_dim)
{
    *out_dim = etch_dim_of(0);
    for (int i = 0; i < s->n_syms; i++) {
        if (!etch_str_eq(s->syms[i].name, name)) continue;
        etch_dim zero = etch_dim_of(0);
        etch_status *st = dim_make_atom(s, ETCH_ATOM_SYM, i, s->syms[i].name, zero, zero, s->syms[i].example, out_dim);
        etch_status_ignore(st);  // the atom exists: nothing is allocated
        return st == NULL;
    }
    return false;
}

static etch_status *overflow(const char *op, etch_dim a, etch_dim b)
{
    return ETCH_ERR(ETCH_INVALID, "size overflow: %lld %s %lld", (long long)a.v, op, (long long)b.v);
}

// a + factor b
static etch_status *add(etch_syms *s, etch_dim a, etch_dim b, int64_t factor, int64_t v, etch_dim *out)
{
    dim_poly p, q;
    dim_poly_of(a, &p);
    dim_poly_of(b, &q);
    ETCH_TRY(dim_poly_add(&p, &q, factor, &p));
    return dim_make(s, &p, v, out);
}

etch_status *etch_dim_add(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    int64_t v;
    if (!etch_add_ok(a.v, b.v, &v)) return overflow("+", a, b);
    if (a.e || b.e) return add(s, a, b, 1, v, out);
    *out = etch_dim_of(v);
    return NULL;
}

etch_status *etch_dim_sub(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    int64_t v;
    if (!etch_sub_ok(a.v, b.v, &v)) return overflow("-", a, b);
    if (a.e || b.e) return add(s, a, b, -1, v, out);
    *out = etch_dim_of(v);
    return NULL;
}

etch_status *etch_dim_mul(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    int64_t v;
    if (!etch_mul_ok(a.v, b.v, &v)) return overflow("*", a, b);
    if (!a.e && !b.e) {
        *out = etch_dim_of(v);
        return NULL;
    }
    dim_poly p, q, r;
    dim_poly_of(a, &p);
    dim_poly_of(b, &q);
    ETCH_TRY(dim_poly_mul(&p, &q, &r));
    return dim_make(s, &r, v, out);
}

// b != 0; the one overflow wraps (callers check it).
static int64_t floordiv(int64_t a, int64_t b)
{
    if (b == -1) return (int64_t)(0 - (uint64_t)a);
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t floormod(int64_t a, int64_t b)
{
    int64_t r = b == -1 ? 0 : a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static bool same_atoms(const dim_mono *a, const dim_mono *b, dim_mono *out_rest)
{
    // out_rest = a / b when the atoms of b are all in a (sorted multisets)
    out_rest->n = 0;
    int k = 0;
    for (int i = 0; i < a->n; i++) {
        if (k < b->n && a->atoms[i] == b->atoms[k]) k++;
        else out_rest->atoms[out_rest->n++] = a->atoms[i];
    }
    return k == b->n;
}

// p / b when that leaves no remainder.
static bool divide_exactly(dim_poly p, const dim_poly *b, dim_poly *out)
{
    out->n = 0;
    for (int step = 0; p.n && step < 2 * DIM_MAX_TERMS; step++) {
        dim_poly t = { .n = 1 }, back;
        if (p.t[0].coef == INT64_MIN || p.t[0].coef % b->t[0].coef || !same_atoms(&p.t[0], &b->t[0], &t.t[0])) return false;
        t.t[0].coef = p.t[0].coef / b->t[0].coef;
        etch_status *st = dim_poly_add(out, &t, 1, out);
        if (!st) st = dim_poly_mul(&t, b, &back);
        if (!st) st = dim_poly_add(&p, &back, -1, &p);
        if (st) {
            etch_status_free(st);
            return false;
        }
    }
    return p.n == 0;
}

// Splits p = q b + rest, term by term; b has one term with a positive coefficient. Coefficients of rest lie in [0, b) where the atoms
// divide.
static etch_status *split_multiple(const dim_poly *p, const dim_mono *b, dim_poly *q, dim_poly *rest)
{
    q->n = rest->n = 0;
    for (int i = 0; i < p->n; i++) {
        dim_poly part = { .n = 1 }, left = { .n = 1 };
        left.t[0] = p->t[i];
        if (same_atoms(&p->t[i], b, &part.t[0])) {
            part.t[0].coef = floordiv(p->t[i].coef, b->coef);
            left.t[0].coef = floormod(p->t[i].coef, b->coef);
            ETCH_TRY(dim_poly_add(q, &part, 1, q));
        }
        ETCH_TRY(dim_poly_add(rest, &left, 1, rest));
    }
    return NULL;
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t t = a % b;
        a = b;
        b = t;
    }
    return a < 0 ? -a : a;
}

static bool is_const(const dim_poly *p) { return p->n == 0 || (p->n == 1 && p->t[0].n == 0); }

// Is 0 <= p < b for all values?
static bool within(const etch_syms *s, const dim_poly *p, const dim_poly *b)
{
    dim_poly d, one = { .n = 1 };
    one.t[0] = (dim_mono){ .coef = 1 };
    if (!dim_prove_nonnegative(s, p)) return false;
    etch_status *st = dim_poly_add(b, p, -1, &d);
    if (!st) st = dim_poly_add(&d, &one, -1, &d);
    etch_status_ignore(st);
    return !st && dim_prove_nonnegative(s, &d);
}

// The value at the example sizes.
static etch_status *example(const dim_poly *p, int64_t *out)
{
    *out = 0;
    for (int i = 0; i < p->n; i++) {
        int64_t m = p->t[i].coef;
        for (int k = 0; k < p->t[i].n; k++)
            if (!etch_mul_ok(m, p->t[i].atoms[k]->v, &m)) return dim_overflow();
        if (!etch_add_ok(*out, m, out)) return dim_overflow();
    }
    return NULL;
}

static etch_status *make(etch_syms *s, const dim_poly *p, etch_dim *out)
{
    int64_t v;
    ETCH_TRY(example(p, &v));
    return dim_make(s, p, v, out);
}

// rest // b, where nothing more divides: reduces constants, then an opaque atom.
static etch_status *opaque_floordiv(etch_syms *s, dim_poly rest, dim_poly b, etch_dim *out)
{
    if (within(s, &rest, &b)) {
        *out = etch_dim_of(0);
        return NULL;
    }
    if (is_const(&b)) {
        int64_t k = b.t[0].coef, g = k;
        for (int i = 0; i < rest.n; i++)
            if (rest.t[i].n) g = gcd(g, rest.t[i].coef);
        if (g > 1) {  // floor((g x + c) / (g k)) = floor((x + floor(c / g)) / k)
            dim_poly reduced = { .n = 0 };
            for (int i = 0; i < rest.n; i++) {
                rest.t[i].coef = floordiv(rest.t[i].coef, g);
                dim_poly one = { .n = 1 };
                one.t[0] = rest.t[i];
                ETCH_TRY(dim_poly_add(&reduced, &one, 1, &reduced));
            }
            rest = reduced;
            b.t[0].coef = k = k / g;
            if (k == 1) return make(s, &rest, out);
        }
        const etch_atom *inner = rest.n == 1 && rest.t[0].n == 1 && rest.t[0].coef == 1 ? &rest.t[0].atoms[0]->pub : NULL;
        int64_t both;
        if (inner && inner->kind == ETCH_ATOM_FLOORDIV && !inner->b.e && inner->b.v > 0 && etch_mul_ok(inner->b.v, k, &both))
            return etch_dim_floordiv(s, inner->a, etch_dim_of(both), out);
    }
    etch_dim a, d;
    ETCH_TRY(make(s, &rest, &a));
    ETCH_TRY(make(s, &b, &d));
    return dim_make_atom(s, ETCH_ATOM_FLOORDIV, -1, (etch_str){ NULL, 0 }, a, d, floordiv(a.v, d.v), out);
}

static etch_status *divided_by_zero(void) { return ETCH_ERR(ETCH_INVALID, "a size is divided by zero"); }

etch_status *etch_dim_floordiv(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    if (b.v == 0) return divided_by_zero();
    if (b.v == -1 && a.v == INT64_MIN) return overflow("//", a, b);
    if (!a.e && !b.e) {
        *out = etch_dim_of(floordiv(a.v, b.v));
        return NULL;
    }
    dim_poly p, d, q, rest;
    etch_dim whole, part;
    dim_poly_of(a, &p);
    dim_poly_of(b, &d);
    if (divide_exactly(p, &d, &q)) return dim_make(s, &q, a.v / b.v, out);
    if (d.t[0].coef < 0) {  // x // -d = -x // d
        dim_poly zero = { .n = 0 }, np, nd;
        ETCH_TRY(dim_poly_add(&zero, &p, -1, &np));
        ETCH_TRY(dim_poly_add(&zero, &d, -1, &nd));
        p = np;
        d = nd;
    }
    if (d.n == 1) ETCH_TRY(split_multiple(&p, &d.t[0], &q, &rest));
    else q = (dim_poly){ .n = 0 }, rest = p;
    ETCH_TRY(opaque_floordiv(s, rest, d, &part));
    ETCH_TRY(make(s, &q, &whole));
    return etch_dim_add(s, whole, part, out);
}

etch_status *etch_dim_mod(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    if (b.v == 0) return divided_by_zero();
    if (!a.e && !b.e) {
        *out = etch_dim_of(floormod(a.v, b.v));
        return NULL;
    }
    dim_poly p, d, q, rest;
    dim_poly_of(a, &p);
    dim_poly_of(b, &d);
    if (divide_exactly(p, &d, &q)) {
        *out = etch_dim_of(0);
        return NULL;
    }
    if (d.n == 1 && d.t[0].coef > 0) ETCH_TRY(split_multiple(&p, &d.t[0], &q, &rest));
    else rest = p;
    if (within(s, &rest, &d)) return make(s, &rest, out);
    etch_dim x;
    ETCH_TRY(make(s, &rest, &x));
    return dim_make_atom(s, ETCH_ATOM_MOD, -1, (etch_str){ NULL, 0 }, x, b, floormod(x.v, b.v), out);
}

static etch_status *choose(etch_syms *s, etch_atom_kind kind, etch_dim a, etch_dim b, etch_dim *out)
{
    bool is_max = kind == ETCH_ATOM_MAX;
    if (etch_dim_known(s, ETCH_CMP_GE, a, b)) *out = is_max ? a : b;
    else if (etch_dim_known(s, ETCH_CMP_LE, a, b)) *out = is_max ? b : a;
    else {
        if (dim_compare(a, b) < 0) {  // canonical order: the constant last
            etch_dim t = a;
            a = b;
            b = t;
        }
        return dim_make_atom(s, kind, -1, (etch_str){ NULL, 0 }, a, b, (a.v >= b.v) == is_max ? a.v : b.v, out);
    }
    return NULL;
}

etch_status *etch_dim_max(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out) { return choose(s, ETCH_ATOM_MAX, a, b, out); }
etch_status *etch_dim_min(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out) { return choose(s, ETCH_ATOM_MIN, a, b, out); }

bool etch_dim_same(etch_dim a, etch_dim b) { return a.e == b.e && (a.e || a.v == b.v); }

static bool compare(etch_cmp cmp, int64_t a, int64_t b)
{
    switch (cmp) {
    case ETCH_CMP_EQ: return a == b;
    case ETCH_CMP_NE: return a != b;
    case ETCH_CMP_LT: return a < b;
    case ETCH_CMP_LE: return a <= b;
    case ETCH_CMP_GT: return a > b;
    case ETCH_CMP_GE: return a >= b;
    }
    return false;
}

// a - b - slack >= 0 for all values?
static bool at_least(const etch_syms *s, etch_dim a, etch_dim b, int64_t slack)
{
    dim_poly p, q, one = { .n = 1 };
    one.t[0] = (dim_mono){ .coef = 1 };
    dim_poly_of(a, &p);
    dim_poly_of(b, &q);
    etch_status *st = dim_poly_add(&p, &q, -1, &p);
    if (!st && slack) st = dim_poly_add(&p, &one, -slack, &p);
    etch_status_ignore(st);
    return !st && dim_prove_nonnegative(s, &p);
}

bool etch_dim_known(const etch_syms *s, etch_cmp cmp, etch_dim a, etch_dim b)
{
    if (!a.e && !b.e) return compare(cmp, a.v, b.v);
    if (etch_dim_same(a, b)) return cmp == ETCH_CMP_EQ || cmp == ETCH_CMP_LE || cmp == ETCH_CMP_GE;
    switch (cmp) {
    case ETCH_CMP_EQ: return at_least(s, a, b, 0) && at_least(s, b, a, 0);
    case ETCH_CMP_NE: return at_least(s, a, b, 1) || at_least(s, b, a, 1);
    case ETCH_CMP_LT: return at_least(s, b, a, 1);
    case ETCH_CMP_LE: return at_least(s, b, a, 0);
    case ETCH_CMP_GT: return at_least(s, a, b, 1);
    case ETCH_CMP_GE: return at_least(s, a, b, 0);
    }
    return false;
}

static etch_cmp negated(etch_cmp c)
{
    static const etch_cmp table[] = { ETCH_CMP_NE, ETCH_CMP_EQ, ETCH_CMP_GE, ETCH_CMP_GT, ETCH_CMP_LE, ETCH_CMP_LT };
    return table[c];
}

static etch_cmp mirrored(etch_cmp c)
{
    static const etch_cmp table[] = { ETCH_CMP_EQ, ETCH_CMP_NE, ETCH_CMP_GT, ETCH_CMP_GE, ETCH_CMP_LT, ETCH_CMP_LE };
    return table[c];
}

// "s0 > 1": positive terms on the left, the rest on the right.
static etch_status *guard_text(etch_syms *s, etch_cmp cmp, etch_dim a, etch_dim b, etch_buf *out)
{
    static const char *const names[] = { "==", "!=", "<", "<=", ">", ">=" };
    dim_poly p, q, left = { .n = 0 }, right = { .n = 0 };
    etch_dim l, r;
    dim_poly_of(a, &p);
    dim_poly_of(b, &q);
    ETCH_TRY(dim_poly_add(&p, &q, -1, &p));
    bool flip = p.n && p.t[0].coef < 0;  // then -p is compared
    for (int i = 0; i < p.n; i++) {
        dim_poly one = { .n = 1 };
        one.t[0] = p.t[i];
        bool to_left = (p.t[i].coef > 0) != flip && p.t[i].n > 0;
        ETCH_TRY(dim_poly_add(to_left ? &left : &right, &one, to_left == flip ? -1 : 1, to_left ? &left : &right));
    }
    ETCH_TRY(make(s, &left, &l));
    ETCH_TRY(make(s, &right, &r));
    etch_dim_print(out, l);
    etch_buf_printf(out, " %s ", names[flip ? mirrored(cmp) : cmp]);
    etch_dim_print(out, r);
    return NULL;
}

static etch_status *record(etch_syms *s, etch_str text, etch_str where)
{
    for (int i = 0; i < s->n_guards; i++)
        if (etch_str_eq(s->guards[i].text, text)) return NULL;
    if (s->n_guards == s->cap_guards) {
        etch_guard *list;
        int cap = s->cap_guards ? s->cap_guards * 2 : 8;
        ETCH_ALLOC(list, s->arena, sizeof *list * (size_t)cap);
        if (s->n_guards) memcpy(list, s->guards, sizeof *list * (size_t)s->n_guards);
        s->guards = list;
        s->cap_guards = cap;
    }
    etch_guard g = { etch_arena_str(s->arena, text), etch_arena_str(s->arena, where) };
    if (!g.text.ptr || !g.where.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    s->guards[s->n_guards++] = g;
    return NULL;
}

etch_status *etch_dim_decide(etch_syms *s, etch_cmp cmp, etch_dim a, etch_dim b, etch_str where, bool *out)
{
    *out = compare(cmp, a.v, b.v);
    if (!a.e && !b.e) return NULL;
    if (etch_dim_known(s, cmp, a, b)) {
        *out = true;
        return NULL;
    }
    if (etch_dim_known(s, negated(cmp), a, b)) {
        *out = false;
        return NULL;
    }
    if (!s) return ETCH_ERR(ETCH_INTERNAL, "a symbolic size without a symbol table");
    etch_buf buf;
    etch_buf_init(&buf);
    etch_status *st = guard_text(s, *out ? cmp : negated(cmp), a, b, &buf);
    if (!st) st = etch_buf_check(&buf);
    if (!st) st = record(s, etch_buf_str(&buf), where);
    etch_buf_deinit(&buf);
    return st;
}

void etch_dim_terms(etch_dim d, const etch_monomial **out_terms, int *out_n)
{
    *out_terms = d.e ? d.e->terms : NULL;
    *out_n = d.e ? d.e->n : 0;
}

static etch_status *subst(etch_syms *to, etch_dim d, const etch_dim *map, int n_map, int depth, etch_dim *out);

static etch_status *subst_atom(etch_syms *to, const etch_atom *atom, const etch_dim *map, int n_map, int depth, etch_dim *out)
{
    etch_dim a, b;
    if (atom->kind == ETCH_ATOM_SYM) {
        if (atom->sym >= n_map) return ETCH_ERR(ETCH_INTERNAL, "no substitute for symbol %d", atom->sym);
        *out = map[atom->sym];
        return NULL;
    }
    ETCH_TRY(subst(to, atom->a, map, n_map, depth + 1, &a));
    ETCH_TRY(subst(to, atom->b, map, n_map, depth + 1, &b));
    switch (atom->kind) {
    case ETCH_ATOM_FLOORDIV: return etch_dim_floordiv(to, a, b, out);
    case ETCH_ATOM_MOD: return etch_dim_mod(to, a, b, out);
    case ETCH_ATOM_MAX: return etch_dim_max(to, a, b, out);
    default: return etch_dim_min(to, a, b, out);
    }
}

static etch_status *subst(etch_syms *to, etch_dim d, const etch_dim *map, int n_map, int depth, etch_dim *out)
{
    etch_dim sum = etch_dim_of(0);
    if (depth > DIM_MAX_DEPTH) return dim_too_large();
    if (!d.e) sum = d;
    for (int i = 0; d.e && i < d.e->n; i++) {
        etch_dim m = etch_dim_of(d.e->terms[i].coef), x;
        for (int k = 0; k < d.e->terms[i].n_atoms; k++) {
            ETCH_TRY(subst_atom(to, d.e->terms[i].atoms[k], map, n_map, depth, &x));
            ETCH_TRY(etch_dim_mul(to, m, x, &m));
        }
        ETCH_TRY(etch_dim_add(to, sum, m, &sum));
    }
    *out = sum;
    return NULL;
}

etch_status *etch_dim_subst(etch_syms *to, etch_dim d, const etch_dim *map, int n_map, etch_dim *out)
{
    return subst(to, d, map, n_map, 0, out);
}
