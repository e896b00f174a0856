// Sizes that may be symbolic. A dim is a concrete example value plus, when symbolic, a hash-consed expression;
// shape rules are written once over dims and serve the tracer, the passes and (all dims concrete) the runtime.
//
// Expressions are kept in a canonical polynomial form (sorted monomials over atoms; atoms are symbols and opaque
// floordiv/mod/max/min terms), so equal expressions built in one etch_syms are the same pointer.
#ifndef ETCH_OP_DIM_H
#define ETCH_OP_DIM_H

#include "base/arena.h"
#include "base/buf.h"

typedef struct etch_expr etch_expr;

typedef struct etch_dim {
    int64_t v;           // value, or the value at the example sizes when symbolic
    const etch_expr *e;  // NULL: the constant v
} etch_dim;

typedef enum { ETCH_CMP_EQ, ETCH_CMP_NE, ETCH_CMP_LT, ETCH_CMP_LE, ETCH_CMP_GT, ETCH_CMP_GE } etch_cmp;

typedef struct etch_sym {
    etch_str name;           // "s0"; unbacked ones (from .item()) "u0"
    int64_t lo, hi;          // inclusive range; hi = INT64_MAX when unbounded
    int64_t example;
} etch_sym;

typedef struct etch_guard {
    etch_str text;           // "s0 > 1"
    etch_str where;          // model source "modeling_x.py:123", may be empty
} etch_guard;

// One symbol table a traced program. All memory comes from `arena`.
typedef struct etch_syms {
    etch_arena *arena;
    etch_sym *syms; int n_syms, cap_syms;
    etch_guard *guards; int n_guards, cap_guards;
    struct etch_expr_table *table;      // private: hash-consing
} etch_syms;

void etch_syms_init(etch_syms *s, etch_arena *arena);

static inline etch_dim etch_dim_of(int64_t v) { return (etch_dim){ v, NULL }; }
static inline bool etch_dim_is_const(etch_dim d) { return d.e == NULL; }

// A new symbol; the name is copied. An error when the name is taken or the range is empty.
etch_status *etch_syms_new(etch_syms *s, etch_str name, int64_t lo, int64_t hi, int64_t example, etch_dim *out_dim) ETCH_MUST_USE;
// Finds a symbol by name: false when absent.
bool etch_syms_find(etch_syms *s, etch_str name, etch_dim *out_dim);

// Arithmetic. With all operands constant no memory is used and `s` may be NULL (the runtime passes NULL);
// overflow of constants is an error. Division follows Python (floor). Out of memory is an error.
etch_status *etch_dim_add(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out) ETCH_MUST_USE;
etch_status *etch_dim_sub(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out) ETCH_MUST_USE;
etch_status *etch_dim_mul(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out) ETCH_MUST_USE;
// Exact when the polynomial divides; otherwise an opaque floordiv atom.
etch_status *etch_dim_floordiv(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out) ETCH_MUST_USE;
etch_status *etch_dim_mod(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out) ETCH_MUST_USE;
etch_status *etch_dim_max(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out) ETCH_MUST_USE;
etch_status *etch_dim_min(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out) ETCH_MUST_USE;

// Same expression for every value of the symbols (canonical forms are equal).
bool etch_dim_same(etch_dim a, etch_dim b);
// Inclusive bounds over the symbols' ranges (saturating).
void etch_dim_range(const etch_syms *s, etch_dim d, int64_t *out_lo, int64_t *out_hi);
// Decides a comparison: by canonical form, then by range; what neither decides is taken by the example values and
// recorded as a guard (`where` may be empty; equal guards once). `s` may be NULL when both are constant.
etch_status *etch_dim_decide(etch_syms *s, etch_cmp cmp, etch_dim a, etch_dim b, etch_str where, bool *out) ETCH_MUST_USE;
// True only when the comparison holds for every value in range; never records a guard.
bool etch_dim_known(const etch_syms *s, etch_cmp cmp, etch_dim a, etch_dim b);

// Text form, "2*s0 + 1", "(s0 // 2)", "max(s0, 3)"; parses back to the same expression.
void etch_dim_print(etch_buf *out, etch_dim d);
// Parses a prefix of `text`; *out_used = bytes consumed. Unknown symbol, overflow, nesting over 64: an error.
etch_status *etch_dim_parse(etch_syms *s, etch_str text, etch_dim *out, size_t *out_used) ETCH_MUST_USE;

// Walk for emission (materialising an expression as prim ops). A polynomial is sum of coef * product of atoms.
typedef enum { ETCH_ATOM_SYM, ETCH_ATOM_FLOORDIV, ETCH_ATOM_MOD, ETCH_ATOM_MAX, ETCH_ATOM_MIN } etch_atom_kind;
typedef struct etch_atom { etch_atom_kind kind; int sym; etch_dim a, b; } etch_atom;
typedef struct etch_monomial { int64_t coef; int n_atoms; const etch_atom *const *atoms; } etch_monomial;
// d must be symbolic. The constant term is a monomial with no atoms. Borrowed from the table.
void etch_dim_terms(etch_dim d, const etch_monomial **out_terms, int *out_n);
// Rebuilds `d` (from table `from`) in table `to`, symbols matched by index through `map[sym] -> dim of to`.
etch_status *etch_dim_subst(etch_syms *to, etch_dim d, const etch_dim *map, int n_map, etch_dim *out) ETCH_MUST_USE;

#endif
