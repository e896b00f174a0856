// In: a call of a hot portable op. Out: its result by vector loops in parallel, or by the reference kernel when the call has another form.
#include "kern/fast.h"

#include <math.h>
#include <string.h>

#include "base/pool.h"
#include "kern/check.h"
#include "kern/ew/ew.h"

#define PIECE 8192

typedef void piece_fn(const void *user, int64_t from, int64_t to);
typedef struct { piece_fn *fn; const void *user; int64_t n, piece; } pieces;

static void one_piece(void *user, size_t i, int worker)
{
    const pieces *p = user;
    (void)worker;
    int64_t from = (int64_t)i * p->piece;
    p->fn(p->user, from, p->n - from < p->piece ? p->n : from + p->piece);
}

// fn over [0, n), `cost` elements a unit.
static void in_pieces(etch_kern_cx *cx, int64_t n, int64_t cost, piece_fn *fn, const void *user)
{
    pieces p = { fn, user, n, PIECE / cost + 1 };
    if (n > 0) etch_pool_run(cx->pool, (size_t)((n + p.piece - 1) / p.piece), one_piece, &p);
}

static const etch_tensor *f32_at(const etch_val *args, int n_args, int i)
{
    return i < n_args && args[i].kind == ETCH_V_TENSOR && args[i].t->dtype == ETCH_F32 ? args[i].t : NULL;
}

// ---- one operand

typedef struct { const etch_ew_kernels *ew; etch_ew_unary op; const float *x; float *y; } unary;

static void unary_piece(const void *user, int64_t from, int64_t to)
{
    const unary *u = user;
    u->ew->unary(u->op, 0, 0, u->x + from, u->y + from, (size_t)(to - from));
}

static bool try_unary(etch_kern_cx *cx, etch_ew_unary op, const etch_val *args, int n_args, etch_tensor *out)
{
    const etch_tensor *t = f32_at(args, n_args, 0);
    if (!cx->ew || !t || out->dtype != ETCH_F32 || !kern_same_sizes(t, out)) return false;
    unary u = { cx->ew, op, t->data, out->data };
    in_pieces(cx, etch_numel(out), 1, unary_piece, &u);
    return true;
}

#define UNARY(name, op)                                              \
    KERN_PROTO(name);                                                \
    KERN_PROTO(fast_##name);                                         \
    KERN_PROTO(fast_##name)                                          \
    {                                                                \
        KERN_BEGIN(1, 1);                                            \
        if (try_unary(cx, op, args, n_args, outs[0])) return NULL;   \
        return k_##name(cx, args, n_args, outs, n_outs);             \
    }
UNARY(silu, ETCH_EW_SILU)
UNARY(sigmoid, ETCH_EW_SIGMOID)
UNARY(tanh, ETCH_EW_TANH)
UNARY(erf, ETCH_EW_ERF)
UNARY(exp, ETCH_EW_EXP)

KERN_PROTO(gelu);
KERN_PROTO(fast_gelu);
KERN_PROTO(fast_gelu)
{
    KERN_BEGIN(1, 1);
    bool is_tanh = n_args > 1 && args[1].kind == ETCH_V_STR && etch_str_eqz(args[1].s, "tanh");
    bool is_plain = n_args < 2 || args[1].kind == ETCH_V_NONE || (args[1].kind == ETCH_V_STR && etch_str_eqz(args[1].s, "none"));
    if ((is_tanh || is_plain) && try_unary(cx, is_tanh ? ETCH_EW_GELU_TANH : ETCH_EW_GELU, args, n_args, outs[0])) return NULL;
    return k_gelu(cx, args, n_args, outs, n_outs);
}

// ---- two operands: of the output's sizes, a number, or (the second) its last dims

typedef struct { const etch_ew_kernels *ew; etch_ew_binary op; const float *a, *b; float *y; int64_t n; size_t b_step; } binary;

// Rows of n.
static void binary_rows(const void *user, int64_t from, int64_t to)
{
    const binary *s = user;
    for (int64_t i = from; i < to; i++)
        s->ew->binary(s->op, s->a + i * s->n, 1, s->b, s->b_step, -INFINITY, INFINITY, s->y + i * s->n, (size_t)s->n);
}

static void binary_piece(const void *user, int64_t from, int64_t to)
{
    const binary *s = user;
    s->ew->binary(s->op, s->a + from, 1, s->b + (s->b_step ? from : 0), s->b_step, -INFINITY, INFINITY, s->y + from, (size_t)(to - from));
}

static bool is_tail(const etch_tensor *t, const etch_tensor *of)
{
    int pad = of->rank - t->rank, d = 0;
    if (pad < 0) return false;
    while (d < t->rank && kern_size(t, d) == 1) d++;
    for (; d < t->rank; d++)
        if (kern_size(t, d) != kern_size(of, d + pad)) return false;
    return true;
}

static bool try_binary(etch_kern_cx *cx, etch_ew_binary op, const etch_val *args, int n_args, etch_tensor *out)
{
    const etch_tensor *a = f32_at(args, n_args, 0), *b = f32_at(args, n_args, 1);
    bool is_number = n_args > 1 && args[1].kind == ETCH_V_FLOAT;
    if (!cx->ew || !a || (!b && !is_number) || out->dtype != ETCH_F32 || !kern_same_sizes(a, out)) return false;
    if (n_args > 2 && args[2].kind != ETCH_V_NONE && !(args[2].kind == ETCH_V_INT && args[2].i.v == 1)) return false;
    float number = is_number ? (float)args[1].f : 0;
    int64_t total = etch_numel(out), n = b ? etch_numel(b) : 1;
    binary s = { cx->ew, op, a->data, b ? b->data : &number, out->data, n, n > 1 };
    if (n == total || n == 1) {
        if (b && !is_tail(b, out)) return false;
        in_pieces(cx, total, 1, binary_piece, &s);
    } else {
        if (!n || !is_tail(b, out)) return false;
        in_pieces(cx, total / n, n, binary_rows, &s);
    }
    return true;
}

#define BINARY(name, op)                                             \
    KERN_PROTO(name);                                                \
    KERN_PROTO(fast_##name);                                         \
    KERN_PROTO(fast_##name)                                          \
    {                                                                \
        KERN_BEGIN(2, 1);                                            \
        if (try_binary(cx, op, args, n_args, outs[0])) return NULL;  \
        return k_##name(cx, args, n_args, outs, n_outs);             \
    }
BINARY(add, ETCH_EW_ADD)
BINARY(sub, ETCH_EW_SUB)
BINARY(mul, ETCH_EW_MUL)

// ---- where: a condition that is one for a whole row; operands of the output's sizes, or a number

typedef struct { const float *p; bool is_number; } choice;
typedef struct {
    const uint8_t *is_first;
    choice from[2];
    float *y;
    int64_t n;
    int outer;   // dimensions but the last: sizes, and steps of the condition
    int64_t sizes[ETCH_MAX_RANK], steps[ETCH_MAX_RANK];
} choices;

static void chosen_rows(const void *user, int64_t from, int64_t to)
{
    const choices *s = user;
    for (int64_t i = from; i < to; i++) {
        int64_t at = 0, rest = i;
        for (int d = s->outer - 1; d >= 0; rest /= s->sizes[d--]) at += rest % s->sizes[d] * s->steps[d];
        choice c = s->from[!s->is_first[at]];
        float *y = s->y + i * s->n;
        if (c.is_number)
            for (int64_t j = 0; j < s->n; j++) y[j] = *c.p;
        else if (c.p != s->y) memcpy(y, c.p + i * s->n, sizeof *y * (size_t)s->n);
    }
}

static bool try_where(etch_kern_cx *cx, const etch_val *args, int n_args, etch_tensor *out)
{
    const etch_tensor *c = n_args > 0 && args[0].kind == ETCH_V_TENSOR ? args[0].t : NULL;
    if (!c || c->dtype != ETCH_BOOL || out->dtype != ETCH_F32 || !out->rank || c->rank > out->rank) return false;
    choices s = { .is_first = c->data, .y = out->data, .n = kern_size(out, out->rank - 1), .outer = out->rank - 1 };
    for (int i = 0; i < 2; i++) {
        const etch_tensor *t = f32_at(args, n_args, i + 1);
        if (!t || (t->rank && !kern_same_sizes(t, out))) return false;
        s.from[i] = (choice){ t->data, !t->rank };
    }
    if (c->rank && kern_size(c, c->rank - 1) != 1) return false;
    int64_t step = 1;
    for (int d = c->rank - 2, o = s.outer - 1; o >= 0; d--, o--) {
        int64_t size = d >= 0 ? kern_size(c, d) : 1;
        s.sizes[o] = kern_size(out, o);
        if (size != 1 && size != s.sizes[o]) return false;
        s.steps[o] = size == 1 ? 0 : step;
        step *= size;
    }
    if (s.n) in_pieces(cx, etch_numel(out) / s.n, s.n, chosen_rows, &s);
    return true;
}

KERN_PROTO(where);
KERN_PROTO(fast_where);
KERN_PROTO(fast_where)
{
    KERN_BEGIN(3, 1);
    if (try_where(cx, args, n_args, outs[0])) return NULL;
    return k_where(cx, args, n_args, outs, n_outs);
}

// ---- rows

typedef struct { const etch_ew_kernels *ew; const float *x, *weight, *bias; float *y, *mean, *rstd; int64_t n; float eps; } row_job;

static void softmax_rows(const void *user, int64_t from, int64_t to)
{
    const row_job *s = user;
    s->ew->softmax(s->x + from * s->n, s->y + from * s->n, (size_t)(to - from), (size_t)s->n);
}

KERN_PROTO(softmax);
KERN_PROTO(fast_softmax);
KERN_PROTO(fast_softmax)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t = f32_at(args, n_args, 0);
    int d;
    if (cx->ew && t && t->rank && outs[0]->dtype == ETCH_F32 && kern_same_sizes(t, outs[0])) {
        ETCH_TRY(kern_dim(args, 1, t->rank, &d));
        row_job s = { .ew = cx->ew, .x = t->data, .y = outs[0]->data, .n = kern_size(t, d) };
        if (d == t->rank - 1 && s.n) {
            in_pieces(cx, etch_numel(t) / s.n, s.n, softmax_rows, &s);
            return NULL;
        }
    }
    return k_softmax(cx, args, n_args, outs, n_outs);
}

static void norm_rows(const void *user, int64_t from, int64_t to)
{
    const row_job *s = user;
    s->ew->layer_norm(s->x + from * s->n, s->y + from * s->n, (size_t)(to - from), (size_t)s->n, s->weight, s->bias, s->eps, s->mean + from,
                      s->rstd + from);
}

KERN_PROTO(native_layer_norm);
KERN_PROTO(fast_native_layer_norm);
KERN_PROTO(fast_native_layer_norm)
{
    KERN_BEGIN(5, 3);
    const etch_tensor *t = f32_at(args, n_args, 0), *w = f32_at(args, n_args, 2), *b = f32_at(args, n_args, 3);
    kern_list shape;
    ETCH_TRY(kern_ints(args, n_args, 1, &shape));
    bool fits = cx->ew && t && t->rank && shape.n == 1 && shape.v[0] == kern_size(t, t->rank - 1) && shape.v[0] > 0 &&
                kern_same_sizes(t, outs[0]);
    fits = fits && (w || args[2].kind == ETCH_V_NONE) && (b || args[3].kind == ETCH_V_NONE) && args[4].kind == ETCH_V_FLOAT;
    for (int i = 0; i < 3; i++) fits = fits && outs[i]->dtype == ETCH_F32;
    if (fits) {
        int64_t n = shape.v[0], rows = etch_numel(t) / n;
        bool sized = etch_numel(outs[1]) == rows && etch_numel(outs[2]) == rows && (!w || etch_numel(w) == n) && (!b || etch_numel(b) == n);
        row_job s = { cx->ew, t->data, w ? w->data : NULL, b ? b->data : NULL, outs[0]->data, outs[1]->data, outs[2]->data, n,
                      (float)args[4].f };
        if (sized) {
            in_pieces(cx, rows, n, norm_rows, &s);
            return NULL;
        }
    }
    return k_native_layer_norm(cx, args, n_args, outs, n_outs);
}

// ---- table: a new fast form is a function above and a row here

static const struct { etch_kern_fn reference, fast; } rows[] = {
#define FAST(name) { k_##name, k_fast_##name }
    FAST(silu), FAST(sigmoid), FAST(tanh), FAST(erf), FAST(exp), FAST(gelu), FAST(add), FAST(sub), FAST(mul), FAST(where),
    FAST(softmax), FAST(native_layer_norm),
#undef FAST
};

etch_kern_fn etch_kern_find_fast(etch_op_id id)
{
    etch_kern_fn fn = etch_kern_find(id);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].reference == fn) return rows[i].fast;
    return fn;
}
