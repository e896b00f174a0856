// Scratch polynomials over atoms, and interning. A polynomial lives on the stack while it is built (fixed limits), then becomes an
// etch_expr, which is unique for its value within one symbol table.
#include "op/dim_poly.h"

#include "base/num.h"

struct etch_expr_table {
    etch_expr **exprs;
    dim_atom **atoms;
    uint32_t n_exprs, cap_exprs, n_atoms, cap_atoms;  // caps are powers of two
};

etch_status *dim_overflow(void) { return ETCH_ERR(ETCH_INVALID, "size arithmetic overflows 64 bits"); }
etch_status *dim_too_large(void) { return ETCH_ERR(ETCH_UNSUPPORTED, "a symbolic size grows too large an expression"); }

static int compare_int(int64_t a, int64_t b) { return (a > b) - (a < b); }

// A total order by structure, so that texts do not depend on the order of building.
static int compare_atoms(const dim_atom *a, const dim_atom *b)
{
    if (a == b) return 0;
    int c = compare_int(a->pub.kind, b->pub.kind);
    if (!c) c = compare_int(a->pub.sym, b->pub.sym);
    if (!c) c = dim_compare(a->pub.a, b->pub.a);
    return c ? c : dim_compare(a->pub.b, b->pub.b);
}

static int compare_monos(int na, const dim_atom *const *a, int nb, const dim_atom *const *b)
{
    if (na != nb) return nb - na;
    for (int i = 0; i < na; i++) {
        int c = compare_atoms(a[i], b[i]);
        if (c) return c;
    }
    return 0;
}

int dim_compare(etch_dim a, etch_dim b)
{
    if (!a.e || !b.e) return a.e ? 1 : b.e ? -1 : compare_int(a.v, b.v);
    if (a.e == b.e) return 0;
    if (a.e->n != b.e->n) return a.e->n - b.e->n;
    for (int i = 0; i < a.e->n; i++) {
        const etch_monomial *x = &a.e->terms[i], *y = &b.e->terms[i];
        int c = compare_monos(x->n_atoms, (const dim_atom *const *)(const void *)x->atoms, y->n_atoms,
                              (const dim_atom *const *)(const void *)y->atoms);
        if (!c) c = compare_int(x->coef, y->coef);
        if (c) return c;
    }
    return 0;
}

void dim_poly_of(etch_dim d, dim_poly *out)
{
    out->n = 0;
    if (!d.e) {
        if (d.v) out->t[out->n++] = (dim_mono){ .coef = d.v };
        return;
    }
    for (int i = 0; i < d.e->n; i++) {
        const etch_monomial *m = &d.e->terms[i];
        dim_mono *t = &out->t[out->n++];
        t->coef = m->coef;
        t->n = m->n_atoms;
        for (int k = 0; k < m->n_atoms; k++) t->atoms[k] = dim_atom_of(m->atoms[k]);
    }
}

static int mono_order(const dim_mono *a, const dim_mono *b) { return compare_monos(a->n, a->atoms, b->n, b->atoms); }

// Adds one term in place.
static etch_status *add_term(dim_poly *p, const dim_mono *t)
{
    if (!t->coef) return NULL;
    int at = 0, c = 1;
    while (at < p->n && (c = mono_order(&p->t[at], t)) < 0) at++;
    if (at < p->n && c == 0) {
        if (!etch_add_ok(p->t[at].coef, t->coef, &p->t[at].coef)) return dim_overflow();
        if (p->t[at].coef) return NULL;
        p->n--;
        memmove(&p->t[at], &p->t[at + 1], sizeof p->t[0] * (size_t)(p->n - at));
        return NULL;
    }
    if (p->n == DIM_MAX_TERMS) return dim_too_large();
    memmove(&p->t[at + 1], &p->t[at], sizeof p->t[0] * (size_t)(p->n - at));
    p->t[at] = *t;
    p->n++;
    return NULL;
}

etch_status *dim_poly_add(const dim_poly *a, const dim_poly *b, int64_t factor, dim_poly *out)
{
    if (out != a) *out = *a;
    for (int i = 0; i < b->n; i++) {
        dim_mono t = b->t[i];
        if (!etch_mul_ok(t.coef, factor, &t.coef)) return dim_overflow();
        ETCH_TRY(add_term(out, &t));
    }
    return NULL;
}

etch_status *dim_poly_mul(const dim_poly *a, const dim_poly *b, dim_poly *out)
{
    out->n = 0;
    for (int i = 0; i < a->n; i++)
        for (int k = 0; k < b->n; k++) {
            const dim_mono *x = &a->t[i], *y = &b->t[k];
            dim_mono t = { .n = x->n + y->n };
            if (!etch_mul_ok(x->coef, y->coef, &t.coef)) return dim_overflow();
            if (t.n > DIM_MAX_DEGREE) return dim_too_large();
            for (int n = 0, ix = 0, iy = 0; n < t.n; n++)
                t.atoms[n] = iy == y->n || (ix < x->n && compare_atoms(x->atoms[ix], y->atoms[iy]) <= 0) ? x->atoms[ix++] : y->atoms[iy++];
            ETCH_TRY(add_term(out, &t));
        }
    return NULL;
}

static uint32_t mix(uint32_t h, uint64_t x)
{
    x *= 0x9e3779b97f4a7c15u;
    return (h ^ (uint32_t)(x >> 32)) * 16777619u + (uint32_t)x;
}

static etch_status *table_of(etch_syms *s, struct etch_expr_table **out)
{
    if (!s) return ETCH_ERR(ETCH_INTERNAL, "a symbolic size without a symbol table");
    if (!s->table) {
        struct etch_expr_table *t;
        ETCH_ALLOC(t, s->arena, sizeof *t);
        t->cap_exprs = t->cap_atoms = 64;
        ETCH_ALLOC(t->exprs, s->arena, sizeof t->exprs[0] * t->cap_exprs);
        ETCH_ALLOC(t->atoms, s->arena, sizeof t->atoms[0] * t->cap_atoms);
        s->table = t;
    }
    *out = s->table;
    return NULL;
}

static etch_status *grow_exprs(etch_syms *s, struct etch_expr_table *t)
{
    uint32_t cap = t->cap_exprs * 2;
    etch_expr **list;
    if (t->n_exprs < t->cap_exprs) return NULL;
    ETCH_ALLOC(list, s->arena, sizeof list[0] * cap);
    for (uint32_t i = 0; i < t->cap_exprs; i++)
        for (etch_expr *e = t->exprs[i], *next; e; e = next) {
            next = e->next;
            e->next = list[e->hash & (cap - 1)];
            list[e->hash & (cap - 1)] = e;
        }
    t->exprs = list;
    t->cap_exprs = cap;
    return NULL;
}

static etch_status *grow_atoms(etch_syms *s, struct etch_expr_table *t)
{
    uint32_t cap = t->cap_atoms * 2;
    dim_atom **list;
    if (t->n_atoms < t->cap_atoms) return NULL;
    ETCH_ALLOC(list, s->arena, sizeof list[0] * cap);
    for (uint32_t i = 0; i < t->cap_atoms; i++)
        for (dim_atom *a = t->atoms[i], *next; a; a = next) {
            next = a->next;
            a->next = list[a->hash & (cap - 1)];
            list[a->hash & (cap - 1)] = a;
        }
    t->atoms = list;
    t->cap_atoms = cap;
    return NULL;
}

static bool same_poly(const etch_expr *e, const dim_poly *p)
{
    if (e->n != p->n) return false;
    for (int i = 0; i < p->n; i++) {
        const etch_monomial *m = &e->terms[i];
        if (m->coef != p->t[i].coef || m->n_atoms != p->t[i].n) return false;
        for (int k = 0; k < m->n_atoms; k++)
            if (dim_atom_of(m->atoms[k]) != p->t[i].atoms[k]) return false;
    }
    return true;
}

etch_status *dim_make(etch_syms *s, const dim_poly *p, int64_t v, etch_dim *out)
{
    *out = etch_dim_of(v);
    if (p->n == 0 || (p->n == 1 && p->t[0].n == 0)) {
        out->v = p->n ? p->t[0].coef : 0;
        return NULL;
    }
    struct etch_expr_table *table;
    ETCH_TRY(table_of(s, &table));
    uint32_t h = (uint32_t)p->n;
    int depth = 0;
    size_t n_atoms = 0;
    for (int i = 0; i < p->n; i++) {
        h = mix(h, (uint64_t)p->t[i].coef);
        for (int k = 0; k < p->t[i].n; k++) {
            h = mix(h, p->t[i].atoms[k]->hash);
            if (p->t[i].atoms[k]->depth > depth) depth = p->t[i].atoms[k]->depth;
        }
        n_atoms += (size_t)p->t[i].n;
    }
    for (etch_expr *e = table->exprs[h & (table->cap_exprs - 1)]; e; e = e->next)
        if (e->hash == h && same_poly(e, p)) {
            out->e = e;
            return NULL;
        }
    ETCH_TRY(grow_exprs(s, table));
    etch_expr *e;
    const etch_atom **atoms;
    ETCH_ALLOC(e, s->arena, sizeof *e + sizeof e->terms[0] * (size_t)p->n);
    ETCH_ALLOC(atoms, s->arena, sizeof *atoms * n_atoms);
    e->n = p->n;
    e->depth = depth;
    e->hash = h;
    for (int i = 0; i < p->n; i++) {
        e->terms[i] = (etch_monomial){ p->t[i].coef, p->t[i].n, atoms };
        for (int k = 0; k < p->t[i].n; k++) *atoms++ = &p->t[i].atoms[k]->pub;
    }
    etch_expr **slot = &table->exprs[h & (table->cap_exprs - 1)];
    e->next = *slot;
    *slot = e;
    table->n_exprs++;
    out->e = e;
    return NULL;
}

static int depth_of(etch_dim d) { return d.e ? d.e->depth + 1 : 0; }

etch_status *dim_make_atom(etch_syms *s, etch_atom_kind kind, int sym, etch_str name, etch_dim a, etch_dim b, int64_t v, etch_dim *out)
{
    struct etch_expr_table *table;
    *out = etch_dim_of(v);
    ETCH_TRY(table_of(s, &table));
    uint32_t h = mix(mix(2166136261u, (uint64_t)kind), (uint64_t)sym);
    h = mix(h, a.e ? a.e->hash : (uint64_t)a.v);
    h = mix(h, b.e ? b.e->hash : (uint64_t)b.v + 1);
    dim_atom *atom = table->atoms[h & (table->cap_atoms - 1)];
    while (atom && !(atom->hash == h && atom->pub.kind == kind && atom->pub.sym == sym && etch_dim_same(atom->pub.a, a) &&
                     etch_dim_same(atom->pub.b, b)))
        atom = atom->next;
    if (!atom) {
        int depth = kind == ETCH_ATOM_SYM ? 0 : depth_of(a) > depth_of(b) ? depth_of(a) : depth_of(b);
        if (depth > DIM_MAX_DEPTH / 2) return dim_too_large();
        ETCH_TRY(grow_atoms(s, table));
        ETCH_ALLOC(atom, s->arena, sizeof *atom);
        *atom = (dim_atom){ .pub = { kind, sym, a, b }, .name = name, .v = v, .depth = depth, .hash = h };
        dim_atom **slot = &table->atoms[h & (table->cap_atoms - 1)];
        atom->next = *slot;
        *slot = atom;
        table->n_atoms++;
    }
    dim_poly p = { .n = 1 };
    p.t[0] = (dim_mono){ .coef = 1, .n = 1, .atoms = { atom } };
    return dim_make(s, &p, v, out);
}
