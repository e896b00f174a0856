// einsum as permutations and batched matrix products, pairwise from left to right.
//
//   "bij,bkj->bik"   b: batch (in both, kept)   j: summed (in both, not kept)   i: rows   k: columns
#include "pt2/compose.h"

enum { MAX = ETCH_MAX_RANK, DOTS = 128 };  // an ellipsis is the labels DOTS + 0, 1, ... counted from the right

typedef struct { int n; uint8_t at[2 * MAX]; } labels;
typedef struct { etch_value *v; labels l; } operand;

static int find(const labels *l, uint8_t x)
{
    for (int i = 0; i < l->n; i++)
        if (l->at[i] == x) return i;
    return -1;
}

static bool has(const labels *l, uint8_t x) { return find(l, x) >= 0; }

static etch_status *push(labels *l, uint8_t x)
{
    if (l->n == MAX) return ETCH_ERR(ETCH_UNSUPPORTED, "einsum with more than %d dimensions", MAX);
    l->at[l->n++] = x;
    return NULL;
}

// Labels of one term up to ',' or '-'; `extra`: dimensions that an ellipsis stands for.
static etch_status *term(const char **p, const char *end, int extra, labels *out)
{
    *out = (labels){ 0 };
    for (; *p < end && **p != ',' && **p != '-'; ++*p) {
        if (**p == ' ') continue;
        if (**p == '.') {
            if (end - *p < 3 || (*p)[1] != '.' || (*p)[2] != '.') return ETCH_ERR(ETCH_INVALID, "einsum: a lone point in the equation");
            *p += 2;
            for (int i = extra; i-- > 0;) ETCH_TRY(push(out, (uint8_t)(DOTS + i)));
            continue;
        }
        bool letter = (**p >= 'a' && **p <= 'z') || (**p >= 'A' && **p <= 'Z');
        if (!letter) return ETCH_ERR(ETCH_INVALID, "einsum: '%c' in the equation", **p);
        if (has(out, (uint8_t)**p)) return ETCH_ERR(ETCH_UNSUPPORTED, "einsum with a label that stands twice in one term (a diagonal)");
        ETCH_TRY(push(out, (uint8_t)**p));
    }
    return NULL;
}

static int letters(const char *p, const char *end)
{
    int n = 0;
    for (; p < end && *p != ',' && *p != '-'; p++) n += *p != ' ' && *p != '.';
    return n;
}

// Without "->": the labels that stand once, in alphabetic order, behind an ellipsis.
static etch_status *implied(const operand *ops, int n, int dots, labels *out)
{
    *out = (labels){ 0 };
    for (int i = dots; i-- > 0;) ETCH_TRY(push(out, (uint8_t)(DOTS + i)));
    for (int x = 'A'; x <= 'z'; x++) {
        int count = 0;
        for (int i = 0; i < n; i++) count += has(&ops[i].l, (uint8_t)x);
        if (count == 1) ETCH_TRY(push(out, (uint8_t)x));
    }
    return NULL;
}

static etch_status *parse(etch_str eq, operand *ops, int n, labels *out)
{
    const char *p = eq.ptr, *end = eq.ptr + eq.len;
    int dots = 0;
    for (int i = 0; i < n; i++) {
        const int extra = ops[i].v->t.rank - letters(p, end);
        if (extra < 0 || extra > MAX) return ETCH_ERR(ETCH_INVALID, "einsum: a term has more labels than its tensor dimensions");
        ETCH_TRY(term(&p, end, extra, &ops[i].l));
        if (ops[i].l.n != ops[i].v->t.rank) return ETCH_ERR(ETCH_INVALID, "einsum: a term has fewer labels than its tensor dimensions");
        if (extra > dots) dots = extra;
        if (i + 1 < n && (p == end || *p++ != ',')) return ETCH_ERR(ETCH_INVALID, "einsum: fewer terms than tensors");
    }
    if (p == end) return implied(ops, n, dots, out);
    if (end - p < 2 || p[0] != '-' || p[1] != '>') return ETCH_ERR(ETCH_INVALID, "einsum: more terms than tensors");
    p += 2;
    ETCH_TRY(term(&p, end, dots, out));
    return p == end ? NULL : ETCH_ERR(ETCH_INVALID, "einsum: two results");
}

static etch_status *sum_out(pt2_reader *r, operand *x, const labels *keep, const labels *more)
{
    etch_dim drop[MAX];
    labels left = { 0 };
    int n = 0;
    for (int i = 0; i < x->l.n; i++) {
        if (has(keep, x->l.at[i]) || (more && has(more, x->l.at[i]))) left.at[left.n++] = x->l.at[i];
        else drop[n++] = etch_dim_of(i);
    }
    if (!n) return NULL;
    x->l = left;
    return PT2_CALL(r, sum_dim_IntList, &x->v, etch_val_tensor(&x->v->t), pt2_dims(drop, n));
}

static etch_status *arrange(pt2_reader *r, operand *x, const labels *order)
{
    etch_dim p[MAX];
    bool same = true;
    for (int i = 0; i < order->n; i++) {
        const int at = find(&x->l, order->at[i]);
        if (at < 0) return ETCH_ERR(ETCH_INVALID, "einsum: a label of the result is in no term");
        same = same && at == i;
        p[i] = etch_dim_of(at);
    }
    x->l = *order;
    return same ? NULL : PT2_CALL(r, permute, &x->v, etch_val_tensor(&x->v->t), pt2_dims(p, order->n));
}

typedef struct { etch_syms *syms; etch_dim size[256]; } sizes;

static void learn(sizes *s, const operand *x)
{
    for (int i = 0; i < x->l.n; i++) {
        etch_dim *d = &s->size[x->l.at[i]];
        if (d->v < 0 || (!d->e && d->v == 1)) *d = x->v->t.sizes[i];
    }
}

static etch_status *product(sizes *s, const labels *l, etch_dim *out)
{
    *out = etch_dim_of(1);
    for (int i = 0; i < l->n; i++) ETCH_TRY(etch_dim_mul(s->syms, *out, s->size[l->at[i]], out));
    return NULL;
}

static void append(labels *to, const labels *from)
{
    for (int i = 0; i < from->n; i++) to->at[to->n++] = from->at[i];
}

static etch_status *grown(pt2_reader *r, const sizes *s, operand *x)
{
    etch_dim want[MAX];
    bool same = true;
    for (int i = 0; i < x->l.n; i++) {
        want[i] = s->size[x->l.at[i]];
        same = same && etch_dim_same(want[i], x->v->t.sizes[i]);
    }
    return same ? NULL : PT2_CALL(r, expand, &x->v, etch_val_tensor(&x->v->t), pt2_dims(want, x->l.n));
}

static etch_status *reshape(pt2_reader *r, etch_value *v, etch_dim *d, int n, etch_value **out)
{
    return PT2_CALL(r, reshape, out, etch_val_tensor(&v->t), pt2_dims(d, n));
}

// a := a and b contracted; labels that are neither in `keep` nor in one operand alone are summed.
static etch_status *contract(pt2_reader *r, operand *a, operand *b, const labels *keep)
{
    sizes s = { .syms = &r->program->syms };
    labels batch = { 0 }, inner = { 0 }, rows = { 0 }, cols = { 0 }, left = { 0 }, right = { 0 }, order = { 0 };
    for (int i = 0; i < 256; i++) s.size[i] = etch_dim_of(-1);
    learn(&s, a);
    learn(&s, b);
    for (int i = 0; i < a->l.n; i++) {
        labels *to = !has(&b->l, a->l.at[i]) ? &rows : has(keep, a->l.at[i]) ? &batch : &inner;
        to->at[to->n++] = a->l.at[i];
    }
    for (int i = 0; i < b->l.n; i++)
        if (!has(&a->l, b->l.at[i])) cols.at[cols.n++] = b->l.at[i];
    if (batch.n + rows.n + cols.n > MAX) return ETCH_ERR(ETCH_UNSUPPORTED, "einsum with more than %d dimensions", MAX);
    append(&left, &batch), append(&left, &rows), append(&left, &inner);
    append(&right, &batch), append(&right, &inner), append(&right, &cols);
    append(&order, &batch), append(&order, &rows), append(&order, &cols);
    ETCH_TRY(arrange(r, a, &left));
    ETCH_TRY(arrange(r, b, &right));
    ETCH_TRY(grown(r, &s, a));
    ETCH_TRY(grown(r, &s, b));
    etch_dim d[MAX], full[MAX], nb, nr, ni, nc;
    etch_value *x, *y;
    for (int i = 0; i < order.n; i++) full[i] = s.size[order.at[i]];
    a->l = order;
    if (!inner.n) {
        for (int i = 0; i < order.n; i++) d[i] = i < batch.n + rows.n ? full[i] : etch_dim_of(1);
        ETCH_TRY(reshape(r, a->v, d, order.n, &x));
        for (int i = 0; i < order.n; i++) d[i] = i < batch.n || i >= batch.n + rows.n ? full[i] : etch_dim_of(1);
        ETCH_TRY(reshape(r, b->v, d, order.n, &y));
        return PT2_CALL(r, mul_Tensor, &a->v, etch_val_tensor(&x->t), etch_val_tensor(&y->t));
    }
    ETCH_TRY(product(&s, &batch, &nb));
    ETCH_TRY(product(&s, &rows, &nr));
    ETCH_TRY(product(&s, &inner, &ni));
    ETCH_TRY(product(&s, &cols, &nc));
    ETCH_TRY(reshape(r, a->v, (etch_dim[]){ nb, nr, ni }, 3, &x));
    ETCH_TRY(reshape(r, b->v, (etch_dim[]){ nb, ni, nc }, 3, &y));
    ETCH_TRY(PT2_CALL(r, bmm, &x, etch_val_tensor(&x->t), etch_val_tensor(&y->t)));
    return reshape(r, x, full, order.n, &a->v);
}

etch_status *pt2_einsum(pt2_reader *r, const etch_val *args, etch_value **out)
{
    enum { MOST = 8 };
    operand ops[MOST];
    labels result;
    const int n = args[1].kind == ETCH_V_TENSORS ? args[1].tensors.n : 0;
    if (args[0].kind != ETCH_V_STR || n < 1 || n > MOST) return ETCH_ERR(ETCH_UNSUPPORTED, "einsum of %d tensors", n);
    for (int i = 0; i < n; i++) ops[i] = (operand){ .v = etch_value_of(args[1].tensors.p[i]) };
    ETCH_TRY(parse(args[0].s, ops, n, &result));
    operand x = ops[0];
    for (int k = 1; k < n; k++) {
        labels later = result;
        for (int i = k + 1; i < n; i++)
            for (int q = 0; q < ops[i].l.n; q++)
                if (!has(&later, ops[i].l.at[q])) ETCH_TRY(push(&later, ops[i].l.at[q]));
        ETCH_TRY(sum_out(r, &x, &later, &ops[k].l));
        ETCH_TRY(sum_out(r, &ops[k], &later, &x.l));
        ETCH_TRY(contract(r, &x, &ops[k], &later));
    }
    ETCH_TRY(sum_out(r, &x, &result, NULL));
    if (x.l.n != result.n) return ETCH_ERR(ETCH_INVALID, "einsum: a label of the result is in no term");
    ETCH_TRY(arrange(r, &x, &result));
    *out = x.v;
    return NULL;
}
