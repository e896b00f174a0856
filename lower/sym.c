// Symbolic expressions at run time: aten::sym_size.int reads a symbol off an input (or a result whose size is new), executorch_prim::*
// combine them. Each expression is computed once a method, right before the first instruction that needs it.
//
// s0 is found as a size of its own, else solved from a size k*s0 + c. Unbacked symbols are results of aten::_local_scalar_dense.
#include "lower/internal.h"

// d = *coef * symbol + *offset?
static bool linear(etch_dim d, int *sym, int64_t *coef, int64_t *offset)
{
    if (etch_dim_is_const(d)) return false;
    const etch_monomial *terms;
    int n;
    etch_dim_terms(d, &terms, &n);
    *offset = 0;
    *sym = -1;
    for (int i = 0; i < n; i++) {
        if (terms[i].n_atoms == 0) *offset = terms[i].coef;
        else if (terms[i].n_atoms == 1 && terms[i].atoms[0]->kind == ETCH_ATOM_SYM && *sym < 0) {
            *sym = terms[i].atoms[0]->sym;
            *coef = terms[i].coef;
        } else return false;
    }
    return *sym >= 0 && *coef != 0;
}

static etch_status *prim2(lw_method *lm, const char *name, int a, int b, int *out)
{
    ETCH_TRY(lw_val_result(lm, out));
    return lw_call(lm, name, (int[]){ a, b, *out }, 3);
}

static etch_status *with_const(lw_method *lm, const char *name, int a, int64_t k, int *out)
{
    int b;
    ETCH_TRY(lw_val_int(lm, k, &b));
    return prim2(lm, name, a, b, out);
}

static etch_status *read_size(lw_method *lm, lw_slot *s, int dim, int sym, int64_t coef, int64_t offset)
{
    int t, d, id;
    ETCH_TRY(lw_val_tensor(lm, s, &t));
    ETCH_TRY(lw_val_int(lm, dim, &d));
    ETCH_TRY(lw_val_result(lm, &id));
    ETCH_TRY(lw_call(lm, "aten::sym_size.int", (int[]){ t, d, id }, 3));
    if (offset) ETCH_TRY(with_const(lm, "executorch_prim::sub.Scalar", id, offset, &id));
    if (coef != 1) ETCH_TRY(with_const(lm, "executorch_prim::floordiv.Scalar", id, coef, &id));
    lm->sym_ids[sym] = id;
    return NULL;
}

// Reads the symbol off the first input that shows it plainly, or else in a linear expression.
static etch_status *find_symbol(lw_method *lm, int sym)
{
    for (int plain = 1; plain >= 0; plain--)
        for (int i = 0; i < lm->m->n_leaves; i++) {
            etch_value *v = lm->m->leaves[i];
            if (v->src != ETCH_SRC_INPUT) continue;
            for (int d = 0; d < v->t.rank; d++) {
                int s;
                int64_t coef, offset;
                if (!linear(v->t.sizes[d], &s, &coef, &offset) || s != sym) continue;
                if (plain && (coef != 1 || offset)) continue;
                return read_size(lm, lw_slot_of(v), d, sym, coef, offset);
            }
        }
    return ETCH_ERR(ETCH_UNSUPPORTED, "symbol %.*s is needed at run time, but no input has it as a size",
                    ETCH_STR_ARGS(lm->m->program->syms.syms[sym].name));
}

etch_status *lw_sym_inputs(lw_method *lm)
{
    lm->n_syms = lm->m->program->syms.n_syms;
    ETCH_ALLOC(lm->sym_ids, &lm->lp->arena, sizeof *lm->sym_ids * (size_t)(lm->n_syms + 1));
    for (int i = 0; i < lm->n_syms; i++) lm->sym_ids[i] = -1;
    return NULL;
}

static bool on_input(const lw_method *lm, int sym)
{
    for (int i = 0; i < lm->m->n_leaves; i++)
        for (int d = 0; lm->m->leaves[i]->src == ETCH_SRC_INPUT && d < lm->m->leaves[i]->t.rank; d++) {
            int s;
            int64_t coef, offset;
            if (linear(lm->m->leaves[i]->t.sizes[d], &s, &coef, &offset) && s == sym) return true;
        }
    return false;
}

etch_status *lw_sym_define(lw_method *lm, lw_slot *s)
{
    int sym;
    int64_t coef, offset;
    if (s->v->is_scalar) {
        if (linear(s->v->scalar, &sym, &coef, &offset) && coef == 1 && !offset) lm->sym_ids[sym] = s->evalue;
        return NULL;
    }
    for (int d = 0; d < s->v->t.rank; d++)
        if (linear(s->v->t.sizes[d], &sym, &coef, &offset) && coef == 1 && !offset && lm->sym_ids[sym] < 0 && !on_input(lm, sym))
            ETCH_TRY(read_size(lm, s, d, sym, 1, 0));
    return NULL;
}

static etch_status *atom_value(lw_method *lm, const etch_atom *a, int *out)
{
    if (a->kind == ETCH_ATOM_SYM) {
        if (lm->sym_ids[a->sym] < 0) ETCH_TRY(find_symbol(lm, a->sym));
        *out = lm->sym_ids[a->sym];
        return NULL;
    }
    int x, y;
    ETCH_TRY(lw_sym_dim(lm, a->a, &x));
    ETCH_TRY(lw_sym_dim(lm, a->b, &y));
    switch (a->kind) {
    case ETCH_ATOM_FLOORDIV: return prim2(lm, "executorch_prim::floordiv.Scalar", x, y, out);
    case ETCH_ATOM_MAX: return prim2(lm, "executorch_prim::sym_max.Scalar", x, y, out);
    case ETCH_ATOM_MIN: return prim2(lm, "executorch_prim::sym_min.Scalar", x, y, out);
    default: {  // mod.Scalar has the sign of the dividend; Python's is a - b * (a // b)
        int64_t lo, hi;
        etch_dim_range(&lm->m->program->syms, a->a, &lo, &hi);
        if (lo >= 0) return prim2(lm, "executorch_prim::mod.Scalar", x, y, out);
        int q;
        ETCH_TRY(prim2(lm, "executorch_prim::floordiv.Scalar", x, y, &q));
        ETCH_TRY(prim2(lm, "executorch_prim::mul.Scalar", q, y, &q));
        return prim2(lm, "executorch_prim::sub.Scalar", x, q, out);
    }
    }
}

static etch_status *term_value(lw_method *lm, const etch_monomial *t, int64_t coef, int *out)
{
    int acc = -1;
    for (int i = 0; i < t->n_atoms; i++) {
        int x;
        ETCH_TRY(atom_value(lm, t->atoms[i], &x));
        if (acc < 0) acc = x;
        else ETCH_TRY(prim2(lm, "executorch_prim::mul.Scalar", acc, x, &acc));
    }
    if (acc < 0) return lw_val_int(lm, coef, out);
    if (coef != 1) ETCH_TRY(with_const(lm, "executorch_prim::mul.Scalar", acc, coef, &acc));
    *out = acc;
    return NULL;
}

etch_status *lw_sym_dim(lw_method *lm, etch_dim d, int *out_id)
{
    if (etch_dim_is_const(d)) return lw_val_int(lm, d.v, out_id);
    char key[sizeof d.e];
    memcpy(key, &d.e, sizeof key);
    int *memo = etch_map_get(&lm->exprs, (etch_str){ key, sizeof key });
    if (memo) {
        *out_id = *memo;
        return NULL;
    }
    const etch_monomial *terms;
    int n, acc = -1;
    etch_dim_terms(d, &terms, &n);
    // Positive terms first, so that a difference needs no multiplication by -1.
    for (int negative = 0; negative < 2; negative++)
        for (int i = 0; i < n; i++) {
            if ((terms[i].coef < 0) != negative) continue;
            bool minus = negative && acc >= 0;
            int x;
            ETCH_TRY(term_value(lm, &terms[i], minus ? -terms[i].coef : terms[i].coef, &x));
            if (acc < 0) acc = x;
            else ETCH_TRY(prim2(lm, minus ? "executorch_prim::sub.Scalar" : "executorch_prim::add.Scalar", acc, x, &acc));
        }
    ETCH_ALLOC(memo, &lm->lp->arena, sizeof *memo);
    *memo = acc;
    etch_str k = etch_arena_str(&lm->lp->arena, (etch_str){ key, sizeof key });
    if (!k.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    *out_id = acc;
    return etch_map_put(&lm->exprs, k, memo);
}
