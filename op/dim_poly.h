// Inside of op/dim*.c: interned expressions and the scratch polynomials that arithmetic works on.
#ifndef ETCH_OP_DIM_POLY_H
#define ETCH_OP_DIM_POLY_H

#include "op/dim.h"

enum { DIM_MAX_TERMS = 64, DIM_MAX_DEGREE = 8, DIM_MAX_DEPTH = 64 };

// An interned atom. Equal atoms of one table are one pointer. `pub` is first: an etch_atom * is a dim_atom *.
typedef struct dim_atom {
    etch_atom pub;
    etch_str name;         // of a symbol
    int64_t v;             // value at the example sizes
    int depth;             // nesting of opaque atoms; 0 for a symbol
    uint32_t hash;
    struct dim_atom *next;
} dim_atom;

// An interned polynomial with at least one atom in it. Terms: higher degree first, then by atoms, the constant last; no zero coefficient.
struct etch_expr {
    int n, depth;
    uint32_t hash;
    struct etch_expr *next;
    etch_monomial terms[];
};

typedef struct dim_mono { int64_t coef; int n; const dim_atom *atoms[DIM_MAX_DEGREE]; } dim_mono;  // atoms sorted
typedef struct dim_poly { int n; dim_mono t[DIM_MAX_TERMS]; } dim_poly;                           // sorted, no zero coefficient

static inline const dim_atom *dim_atom_of(const etch_atom *a) { return (const dim_atom *)(const void *)a; }

void dim_poly_of(etch_dim d, dim_poly *out);
etch_status *dim_poly_add(const dim_poly *a, const dim_poly *b, int64_t factor, dim_poly *out) ETCH_MUST_USE;  // a + factor b; out may be a
etch_status *dim_poly_mul(const dim_poly *a, const dim_poly *b, dim_poly *out) ETCH_MUST_USE;                  // out is neither
// Interns; v is the value at the example sizes.
etch_status *dim_make(etch_syms *s, const dim_poly *p, int64_t v, etch_dim *out) ETCH_MUST_USE;
etch_status *dim_make_atom(etch_syms *s, etch_atom_kind kind, int sym, etch_str name, etch_dim a, etch_dim b, int64_t v,
                           etch_dim *out) ETCH_MUST_USE;
int dim_compare(etch_dim a, etch_dim b);
// Is p >= 0 for all values in range? False when not proven.
bool dim_prove_nonnegative(const etch_syms *s, const dim_poly *p);
etch_status *dim_overflow(void);
etch_status *dim_too_large(void);

#endif
