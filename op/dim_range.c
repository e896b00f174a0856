// Bounds of expressions over the ranges of the symbols, and a small prover of "p >= 0" used by every comparison.
#include "op/dim_poly.h"

#include "base/num.h"

typedef struct { int64_t lo, hi; } range;  // INT64_MIN, INT64_MAX: unbounded

// Work is bounded: expressions that share parts are walked as trees, and the prover tries alternatives. Beyond the budget a range is
// unbounded and nothing is proven. The same expression always gets the same answer.
enum { RANGE_BUDGET = 2000, PROVE_BUDGET = 200 };
typedef struct { const etch_syms *s; int ranges, proofs; } work;

static bool is_inf(int64_t x) { return x == INT64_MAX || x == INT64_MIN; }

// Saturating; an unbounded side wins (callers never add opposite infinities: lo with lo, hi with hi).
static int64_t sat_add(int64_t a, int64_t b)
{
    if (is_inf(a)) return a;
    if (is_inf(b)) return b;
    int64_t r;
    if (etch_add_ok(a, b, &r)) return r;
    return a > 0 ? INT64_MAX : INT64_MIN;
}

static int64_t sat_mul(int64_t a, int64_t b)
{
    if (a == 0 || b == 0) return 0;
    bool negative = (a < 0) != (b < 0);
    int64_t r;
    if (!is_inf(a) && !is_inf(b) && etch_mul_ok(a, b, &r)) return r;
    return negative ? INT64_MIN : INT64_MAX;
}

static range range_mul(range a, range b)
{
    int64_t p[4] = { sat_mul(a.lo, b.lo), sat_mul(a.lo, b.hi), sat_mul(a.hi, b.lo), sat_mul(a.hi, b.hi) };
    range r = { p[0], p[0] };
    for (int i = 1; i < 4; i++) {
        r.lo = p[i] < r.lo ? p[i] : r.lo;
        r.hi = p[i] > r.hi ? p[i] : r.hi;
    }
    return r;
}

static int64_t floordiv(int64_t a, int64_t b)
{
    if (is_inf(a)) return b > 0 ? a : a == INT64_MAX ? INT64_MIN : INT64_MAX;
    if (b == -1) return -a;
    if (is_inf(b)) return a == 0 ? 0 : (a < 0) != (b < 0) ? -1 : 0;
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static range range_of(work *w, etch_dim d);

static range atom_range(work *w, const dim_atom *atom)
{
    const range all = { INT64_MIN, INT64_MAX };
    if (w->ranges-- <= 0) return all;
    if (atom->pub.kind == ETCH_ATOM_SYM) {
        const etch_syms *s = w->s;
        if (!s || atom->pub.sym >= s->n_syms) return all;
        return (range){ s->syms[atom->pub.sym].lo, s->syms[atom->pub.sym].hi };
    }
    range a = range_of(w, atom->pub.a), b = range_of(w, atom->pub.b), r;
    switch (atom->pub.kind) {
    case ETCH_ATOM_MAX: return (range){ a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi };
    case ETCH_ATOM_MIN: return (range){ a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi };
    case ETCH_ATOM_FLOORDIV:
        if (b.lo <= 0) return all;
        {
            int64_t p[4] = { floordiv(a.lo, b.lo), floordiv(a.lo, b.hi), floordiv(a.hi, b.lo), floordiv(a.hi, b.hi) };
            r = (range){ p[0], p[0] };
            for (int i = 1; i < 4; i++) {
                r.lo = p[i] < r.lo ? p[i] : r.lo;
                r.hi = p[i] > r.hi ? p[i] : r.hi;
            }
        }
        return r;
    case ETCH_ATOM_MOD:
        if (b.lo <= 0) return all;
        r = (range){ 0, b.hi == INT64_MAX ? INT64_MAX : b.hi - 1 };
        if (a.lo >= 0 && a.hi < r.hi) r.hi = a.hi;
        return r;
    default: return all;
    }
}

static range product(work *w, int64_t coef, int n, const etch_atom *const *atoms)
{
    range m = { coef, coef };
    for (int k = 0; k < n; k++) m = range_mul(m, atom_range(w, dim_atom_of(atoms[k])));
    return m;
}

static range range_of(work *w, etch_dim d)
{
    range sum = { 0, 0 };
    if (!d.e) return (range){ d.v, d.v };
    for (int i = 0; i < d.e->n; i++) {
        range m = product(w, d.e->terms[i].coef, d.e->terms[i].n_atoms, d.e->terms[i].atoms);
        sum.lo = sat_add(sum.lo, m.lo);
        sum.hi = sat_add(sum.hi, m.hi);
    }
    return sum;
}

static range poly_range(work *w, const dim_poly *p)
{
    range sum = { 0, 0 };
    for (int i = 0; i < p->n; i++) {
        const etch_atom *atoms[DIM_MAX_DEGREE];
        for (int k = 0; k < p->t[i].n; k++) atoms[k] = &p->t[i].atoms[k]->pub;
        range m = product(w, p->t[i].coef, p->t[i].n, atoms);
        sum.lo = sat_add(sum.lo, m.lo);
        sum.hi = sat_add(sum.hi, m.hi);
    }
    return sum;
}

void etch_dim_range(const etch_syms *s, etch_dim d, int64_t *out_lo, int64_t *out_hi)
{
    work w = { s, RANGE_BUDGET, 0 };
    range r = range_of(&w, d);
    *out_lo = r.lo;
    *out_hi = r.hi;
}

static bool prove(work *w, const dim_poly *p, int depth);

// p with term i replaced by coef * d, everything else times `scale`; then minus `slack`.
static bool prove_replaced(work *w, const dim_poly *p, int i, int64_t scale, etch_dim d, int64_t slack, int depth)
{
    dim_poly q = { .n = 0 }, r, part;
    int64_t coef = p->t[i].coef;
    r = *p;
    memmove(&r.t[i], &r.t[i + 1], sizeof r.t[0] * (size_t)(r.n - i - 1));
    r.n--;
    dim_poly_of(d, &part);
    dim_mono minus = { .coef = -1 };
    dim_poly one = { .n = 1 };
    one.t[0] = minus;
    etch_status *st = dim_poly_add(&q, &r, scale, &q);
    if (!st) st = dim_poly_add(&q, &part, coef, &q);
    if (!st && slack) st = dim_poly_add(&q, &one, slack, &q);
    if (st) {
        etch_status_free(st);
        return false;
    }
    return prove(w, &q, depth - 1);
}

// Bounds an opaque atom that occurs alone in a term by its operands:
//   x // k in [(x - k + 1) / k, x / k],  max(x, y) is x or y and >= both,  min alike.
static bool prove_by_atom(work *w, const dim_poly *p, int i, int depth)
{
    const etch_atom *a = &p->t[i].atoms[0]->pub;
    int64_t c = p->t[i].coef, slack;
    switch (a->kind) {
    case ETCH_ATOM_FLOORDIV:
        if (a->b.e || a->b.v <= 0) return false;
        slack = 0;
        if (c > 0 && !etch_mul_ok(c, a->b.v - 1, &slack)) return false;
        return prove_replaced(w, p, i, a->b.v, a->a, slack, depth);
    case ETCH_ATOM_MAX:
        if (c > 0) return prove_replaced(w, p, i, 1, a->a, 0, depth) || prove_replaced(w, p, i, 1, a->b, 0, depth);
        return prove_replaced(w, p, i, 1, a->a, 0, depth) && prove_replaced(w, p, i, 1, a->b, 0, depth);
    case ETCH_ATOM_MIN:
        if (c < 0) return prove_replaced(w, p, i, 1, a->a, 0, depth) || prove_replaced(w, p, i, 1, a->b, 0, depth);
        return prove_replaced(w, p, i, 1, a->a, 0, depth) && prove_replaced(w, p, i, 1, a->b, 0, depth);
    default: return false;
    }
}

static bool prove(work *w, const dim_poly *p, int depth)
{
    if (w->proofs-- <= 0) return false;
    range r = poly_range(w, p);
    if (r.lo >= 0) return true;
    if (r.hi < 0 || depth == 0) return false;
    for (int i = 0; i < p->n; i++)
        if (p->t[i].n == 1 && p->t[i].atoms[0]->pub.kind != ETCH_ATOM_SYM && prove_by_atom(w, p, i, depth)) return true;
    return false;
}

bool dim_prove_nonnegative(const etch_syms *s, const dim_poly *p)
{
    work w = { s, RANGE_BUDGET, PROVE_BUDGET };
    return prove(&w, p, 4);
}
