// Prim operators: arithmetic on symbolic sizes, sizes of tensors, views without a copy. One row each in `prims`; arguments are values of
// the method, the result is written into one of them.
#include <math.h>

#include "base/num.h"
#include "rt/method.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)
#define PRIM(name) static etch_status *name(etch_rt_method *m __attribute__((unused)), etch_rt_value **a)

// ---- scalars

static etch_status *number(const etch_rt_value *v)
{
    etch_vkind k = v->v.kind;
    return k == ETCH_V_INT || k == ETCH_V_FLOAT || k == ETCH_V_BOOL ? NULL : BAD("an operand is %s", etch_rt__kind_name(k));
}

static etch_status *integer(const etch_rt_value *v, int64_t *out)
{
    *out = v->v.i.v;
    return v->v.kind == ETCH_V_INT ? NULL : BAD("an operand is %s", etch_rt__kind_name(v->v.kind));
}

typedef enum { ADD, SUB, MUL, FLOORDIV } arith;

static etch_status *int_arith(arith op, int64_t x, int64_t y, int64_t *out)
{
    bool ok = true;
    if (op == ADD) ok = etch_add_ok(x, y, out);
    if (op == SUB) ok = etch_sub_ok(x, y, out);
    if (op == MUL) ok = etch_mul_ok(x, y, out);
    if (op == FLOORDIV) {
        if (y == 0) return BAD("division by zero");
        ok = !(x == INT64_MIN && y == -1);
        if (ok) *out = x / y - (x % y != 0 && (x < 0) != (y < 0));
    }
    return ok ? NULL : BAD("integer overflow");
}

static etch_status *run_arith(arith op, etch_rt_value **a)
{
    ETCH_TRY(number(a[0]));
    ETCH_TRY(number(a[1]));
    if (a[0]->v.kind == ETCH_V_FLOAT || a[1]->v.kind == ETCH_V_FLOAT) {
        double x = etch_val_as_double(&a[0]->v), y = etch_val_as_double(&a[1]->v);
        a[2]->v = etch_val_float(op == ADD ? x + y : op == SUB ? x - y : op == MUL ? x * y : floor(x / y));
        return NULL;
    }
    int64_t r = 0;
    ETCH_TRY(int_arith(op, etch_val_as_int(&a[0]->v), etch_val_as_int(&a[1]->v), &r));
    a[2]->v = etch_val_int(r);
    return NULL;
}

PRIM(add) { return run_arith(ADD, a); }
PRIM(sub) { return run_arith(SUB, a); }
PRIM(mul) { return run_arith(MUL, a); }
PRIM(floordiv) { return run_arith(FLOORDIV, a); }

PRIM(truediv)
{
    ETCH_TRY(number(a[0]));
    ETCH_TRY(number(a[1]));
    a[2]->v = etch_val_float(etch_val_as_double(&a[0]->v) / etch_val_as_double(&a[1]->v));
    return NULL;
}

static etch_status *two_ints(etch_rt_value **a, int64_t *x, int64_t *y)
{
    ETCH_TRY(integer(a[0], x));
    return integer(a[1], y);
}

// C division and remainder, as the official runtime.
static etch_status *divisible(int64_t x, int64_t y)
{
    if (y == 0) return BAD("division by zero");
    return x == INT64_MIN && y == -1 ? BAD("integer overflow") : NULL;
}

PRIM(floordiv_int)
{
    int64_t x, y;
    ETCH_TRY(two_ints(a, &x, &y));
    ETCH_TRY(divisible(x, y));
    a[2]->v = etch_val_int(x / y);
    return NULL;
}

PRIM(mod)
{
    int64_t x, y;
    ETCH_TRY(two_ints(a, &x, &y));
    ETCH_TRY(divisible(x, y));
    a[2]->v = etch_val_int(x % y);
    return NULL;
}

PRIM(sym_max)
{
    int64_t x, y;
    ETCH_TRY(two_ints(a, &x, &y));
    a[2]->v = etch_val_int(x > y ? x : y);
    return NULL;
}

PRIM(sym_min)
{
    int64_t x, y;
    ETCH_TRY(two_ints(a, &x, &y));
    a[2]->v = etch_val_int(x < y ? x : y);
    return NULL;
}

// -1, 0, 1; 2 for unordered.
static etch_status *compare(etch_rt_value **a, int *out)
{
    ETCH_TRY(number(a[0]));
    ETCH_TRY(number(a[1]));
    if (a[0]->v.kind == ETCH_V_FLOAT || a[1]->v.kind == ETCH_V_FLOAT) {
        double x = etch_val_as_double(&a[0]->v), y = etch_val_as_double(&a[1]->v);
        *out = x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
    } else {
        int64_t x = etch_val_as_int(&a[0]->v), y = etch_val_as_int(&a[1]->v);
        *out = (x > y) - (x < y);
    }
    return NULL;
}

#define COMPARE(name, test)             \
    PRIM(name)                          \
    {                                   \
        int c;                          \
        ETCH_TRY(compare(a, &c));       \
        a[2]->v = etch_val_bool(test);  \
        return NULL;                    \
    }
COMPARE(eq, c == 0)
COMPARE(gt, c == 1)
COMPARE(lt, c == -1)
COMPARE(ge, c == 0 || c == 1)
COMPARE(le, c == 0 || c == -1)

PRIM(neg)
{
    ETCH_TRY(number(a[0]));
    if (a[0]->v.kind == ETCH_V_FLOAT) a[1]->v = etch_val_float(-a[0]->v.f);
    else if (etch_val_as_int(&a[0]->v) == INT64_MIN) return BAD("integer overflow");
    else a[1]->v = etch_val_int(-etch_val_as_int(&a[0]->v));
    return NULL;
}

static etch_status *to_int(double x, etch_rt_value *out)
{
    if (!(x >= -0x1p63 && x < 0x1p63)) return BAD("a float does not fit an integer");
    out->v = etch_val_int((int64_t)x);
    return NULL;
}

PRIM(sym_float)
{
    ETCH_TRY(number(a[0]));
    a[1]->v = etch_val_float(etch_val_as_double(&a[0]->v));
    return NULL;
}

#define TO_INT(name, expr)                            \
    PRIM(name)                                        \
    {                                                 \
        ETCH_TRY(number(a[0]));                       \
        if (a[0]->v.kind != ETCH_V_FLOAT) {           \
            a[1]->v = etch_val_int(etch_val_as_int(&a[0]->v)); \
            return NULL;                              \
        }                                             \
        double x = a[0]->v.f;                         \
        return to_int(expr, a[1]);                    \
    }
TO_INT(sym_int, trunc(x))
TO_INT(prim_trunc, trunc(x))
TO_INT(prim_ceil, ceil(x))
TO_INT(prim_round, x - remainder(x, 1))  // half to even

PRIM(sym_not)
{
    if (a[0]->v.kind != ETCH_V_BOOL) return BAD("an operand is %s", etch_rt__kind_name(a[0]->v.kind));
    a[1]->v = etch_val_bool(!a[0]->v.b);
    return NULL;
}

PRIM(sym_ite)
{
    if (a[0]->v.kind != ETCH_V_BOOL) return BAD("the condition is %s", etch_rt__kind_name(a[0]->v.kind));
    const etch_rt_value *from = a[0]->v.b ? a[1] : a[2];
    ETCH_TRY(number(from));
    a[3]->v = from->v;
    return NULL;
}

// ---- tensors

static etch_status *tensor(const etch_rt_value *v, etch_rt_tensor **out)
{
    *out = v->tensor;
    return v->tensor ? NULL : BAD("an operand is %s", etch_rt__kind_name(v->v.kind));
}

PRIM(sym_size)
{
    etch_rt_tensor *t;
    int64_t d;
    ETCH_TRY(tensor(a[0], &t));
    ETCH_TRY(integer(a[1], &d));
    if (d < 0) d += t->t.rank;
    if (d < 0 || d >= t->t.rank) return BAD("dimension %lld of a tensor of rank %d", (long long)d, t->t.rank);
    a[2]->v = etch_val_int(t->t.sizes[d].v);
    return NULL;
}

PRIM(sym_numel)
{
    etch_rt_tensor *t;
    ETCH_TRY(tensor(a[0], &t));
    a[1]->v = etch_val_int(etch_numel(&t->t));
    return NULL;
}

PRIM(local_scalar_dense)
{
    etch_rt_tensor *t;
    ETCH_TRY(tensor(a[0], &t));
    if (etch_numel(&t->t) < 1 || !t->t.data) return BAD("the tensor has no element");
    if (t->t.dtype == ETCH_BOOL) a[1]->v = etch_val_bool(etch_load_int(t->t.data, ETCH_BOOL, 0) != 0);
    else if (etch_dtype_is_float(t->t.dtype)) a[1]->v = etch_val_float(etch_load_double(t->t.data, t->t.dtype, 0));
    else if (etch_dtype_is_int(t->t.dtype)) a[1]->v = etch_val_int(etch_load_int(t->t.data, t->t.dtype, 0));
    else return ETCH_ERR(ETCH_UNSUPPORTED, "an element of type %s", etch_dtype_name(t->t.dtype));
    return NULL;
}

// Sizes of a view: entries of the list, of which one may be -1.
static etch_status *view_sizes(const etch_rt_value *list, int64_t numel, int64_t *sizes)
{
    int inferred = -1;
    int64_t known = 1;
    for (int i = 0; i < list->v.ints.n; i++) {
        ETCH_TRY(integer(list->items[i], &sizes[i]));
        if (sizes[i] == -1 && inferred < 0) inferred = i;
        else if (sizes[i] < 0 || !etch_mul_ok(known, sizes[i], &known)) return BAD("a view has the size %lld", (long long)sizes[i]);
    }
    if (inferred >= 0) {
        if (known == 0 || numel % known) return BAD("%lld elements do not divide into a view", (long long)numel);
        sizes[inferred] = numel / known;
    } else if (known != numel) {
        return BAD("a view of %lld elements has %lld", (long long)numel, (long long)known);
    }
    return NULL;
}

PRIM(et_view)
{
    etch_rt_tensor *self, *out;
    int64_t sizes[ETCH_MAX_RANK];
    ETCH_TRY(tensor(a[0], &self));
    ETCH_TRY(tensor(a[2], &out));
    const etch_rt_value *list = a[1];
    if (list->v.kind != ETCH_V_INTS || list->v.ints.n > ETCH_MAX_RANK)
        return BAD("the sizes of a view are %s", etch_rt__kind_name(list->v.kind));
    if (self->t.dtype != out->t.dtype) return BAD("a view changes the element type");
    ETCH_TRY(view_sizes(list, etch_numel(&self->t), sizes));
    out->t.data = NULL;  // sizes first, without the old memory's capacity
    ETCH_TRY(etch_rt_tensor_resize(out, list->v.ints.n, sizes));
    out->t.data = self->t.data;
    out->t.capacity = self->t.capacity;
    out->is_readonly = self->is_readonly;
    return NULL;
}

PRIM(et_copy_index)
{
    etch_rt_tensor *to, *from;
    int64_t index, sizes[ETCH_MAX_RANK];
    ETCH_TRY(tensor(a[0], &to));
    ETCH_TRY(tensor(a[1], &from));
    ETCH_TRY(integer(a[2], &index));
    if (to->t.rank != from->t.rank + 1 || to->t.dtype != from->t.dtype) return BAD("the slice does not fit the tensor");
    if (index < 0 || index == INT64_MAX) return BAD("index %lld", (long long)index);
    sizes[0] = index + 1;
    for (int i = 0; i < from->t.rank; i++) sizes[i + 1] = from->t.sizes[i].v;
    ETCH_TRY(etch_rt_tensor_resize(to, to->t.rank, sizes));
    size_t n = (size_t)etch_numel(&from->t) * etch_dtype_size(from->t.dtype);
    if (n == 0) return NULL;
    if (!to->t.data || !from->t.data || to->is_readonly) return BAD("a tensor has no memory to copy");
    memmove((uint8_t *)to->t.data + n * (size_t)index, from->t.data, n);
    return NULL;
}

// ---- table

static const etch_rt_prim prims[] = {
    { "executorch_prim::add.Scalar", 3, 2, false, false, add },
    { "executorch_prim::sub.Scalar", 3, 2, false, false, sub },
    { "executorch_prim::mul.Scalar", 3, 2, false, false, mul },
    { "executorch_prim::floordiv.Scalar", 3, 2, false, false, floordiv },
    { "executorch_prim::floordiv.int", 3, 2, false, false, floordiv_int },
    { "executorch_prim::truediv.Scalar", 3, 2, false, false, truediv },
    { "executorch_prim::mod.Scalar", 3, 2, false, false, mod },
    { "executorch_prim::mod.int", 3, 2, false, false, mod },
    { "executorch_prim::eq.Scalar", 3, 2, false, false, eq },
    { "executorch_prim::gt.Scalar", 3, 2, false, false, gt },
    { "executorch_prim::lt.Scalar", 3, 2, false, false, lt },
    { "executorch_prim::ge.Scalar", 3, 2, false, false, ge },
    { "executorch_prim::le.Scalar", 3, 2, false, false, le },
    { "executorch_prim::neg.Scalar", 2, 1, false, false, neg },
    { "executorch_prim::ceil.Scalar", 2, 1, false, false, prim_ceil },
    { "executorch_prim::round.Scalar", 2, 1, false, false, prim_round },
    { "executorch_prim::trunc.Scalar", 2, 1, false, false, prim_trunc },
    { "executorch_prim::sym_float.Scalar", 2, 1, false, false, sym_float },
    { "executorch_prim::sym_int.Scalar", 2, 1, false, false, sym_int },
    { "executorch_prim::sym_max.Scalar", 3, 2, false, false, sym_max },
    { "executorch_prim::sym_min.Scalar", 3, 2, false, false, sym_min },
    { "executorch_prim::sym_not.Scalar", 2, 1, false, false, sym_not },
    { "executorch_prim::sym_ite.Scalar", 4, 3, false, false, sym_ite },
    { "executorch_prim::et_view.default", 3, 2, true, true, et_view },
    { "executorch_prim::et_copy_index.tensor", 3, 0, true, false, et_copy_index },
    { "aten::sym_size.int", 3, 2, false, false, sym_size },
    { "aten::sym_numel", 2, 1, false, false, sym_numel },
    { "aten::_local_scalar_dense", 2, 1, false, false, local_scalar_dense },
};

const etch_rt_prim *etch_rt__prim_find(etch_str name)
{
    for (size_t i = 0; i < sizeof prims / sizeof prims[0]; i++)
        if (etch_str_eqz(name, prims[i].name)) return &prims[i];
    return NULL;
}
