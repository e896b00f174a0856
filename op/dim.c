// Sizes that may be symbolic: constants (symbols follow in this file).
#include "op/dim.h"

#include "base/num.h"

void etch_syms_init(etch_syms *s, etch_arena *arena) { *s = (etch_syms){ .arena = arena }; }

static etch_status *overflow(const char *op, etch_dim a, etch_dim b)
{
    return ETCH_ERR(ETCH_INVALID, "size overflow: %lld %s %lld", (long long)a.v, op, (long long)b.v);
}

etch_status *etch_dim_add(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    (void)s;
    *out = etch_dim_of(0);
    return etch_add_ok(a.v, b.v, &out->v) ? NULL : overflow("+", a, b);
}

etch_status *etch_dim_sub(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    (void)s;
    *out = etch_dim_of(0);
    return etch_sub_ok(a.v, b.v, &out->v) ? NULL : overflow("-", a, b);
}

etch_status *etch_dim_mul(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    (void)s;
    *out = etch_dim_of(0);
    return etch_mul_ok(a.v, b.v, &out->v) ? NULL : overflow("*", a, b);
}

etch_status *etch_dim_floordiv(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    (void)s;
    *out = etch_dim_of(0);
    if (b.v == 0) return ETCH_ERR(ETCH_INVALID, "size divided by zero");
    if (b.v == -1) return etch_sub_ok((int64_t)0, a.v, &out->v) ? NULL : overflow("//", a, b);
    out->v = a.v / b.v - (a.v % b.v != 0 && (a.v < 0) != (b.v < 0));
    return NULL;
}

etch_status *etch_dim_mod(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    etch_dim q;
    ETCH_TRY(etch_dim_floordiv(s, a, b, &q));
    ETCH_TRY(etch_dim_mul(s, q, b, &q));
    return etch_dim_sub(s, a, q, out);
}

etch_status *etch_dim_max(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    (void)s;
    *out = a.v >= b.v ? a : b;
    return NULL;
}

etch_status *etch_dim_min(etch_syms *s, etch_dim a, etch_dim b, etch_dim *out)
{
    (void)s;
    *out = a.v <= b.v ? a : b;
    return NULL;
}

bool etch_dim_same(etch_dim a, etch_dim b) { return a.e == b.e && (a.e || a.v == b.v); }

etch_status *etch_dim_decide(etch_syms *s, etch_cmp cmp, etch_dim a, etch_dim b, etch_str where, bool *out)
{
    (void)where;
    *out = etch_dim_known(s, cmp, a, b);
    return NULL;
}

bool etch_dim_known(const etch_syms *s, etch_cmp cmp, etch_dim a, etch_dim b)
{
    (void)s;
    switch (cmp) {
    case ETCH_CMP_EQ: return a.v == b.v;
    case ETCH_CMP_NE: return a.v != b.v;
    case ETCH_CMP_LT: return a.v < b.v;
    case ETCH_CMP_LE: return a.v <= b.v;
    case ETCH_CMP_GT: return a.v > b.v;
    case ETCH_CMP_GE: return a.v >= b.v;
    }
    return false;
}

void etch_dim_print(etch_buf *out, etch_dim d) { etch_buf_printf(out, "%lld", (long long)d.v); }
