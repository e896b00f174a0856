// Random forms of attention as exporters write it: the fused step gives what the nodes give one by one; scores that others read forbid it.
// Tolerance 4e-6: sums of at most 70 products of numbers up to 1 in another order, exp within 2 ulp.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "kern/attention/attention.h"
#include "rt/xnn_attention.h"
#include "rt/xnn_chain.h"

enum { MAX_V = 64, MAX_N = 40 };

typedef struct {
    etch_xnn x;
    etch_xnn_value values[MAX_V];
    etch_xnn_node nodes[MAX_N];
    etch_xnn_chain chains[MAX_N];
    etch_xnn_step steps[MAX_N];
    float *memory[MAX_V];   // of inputs, constants, outputs
} net;

static uint32_t seed;
static uint32_t any(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static int new_value(net *g, etch_xnn_where where, int rank, const int64_t *dims)
{
    int i = g->x.n_values++;
    g->values[i] = (etch_xnn_value){ .type = XT_F32, .where = (uint8_t)where, .defined = true, .external = -1 };
    assert_null(etch_xnn__set_dims(&g->values[i], rank, dims));
    return i;
}

static int given(net *g, etch_xnn_where where, int rank, const int64_t *dims)
{
    int i = new_value(g, where, rank, dims);
    int64_t n = g->values[i].numel;
    memcpy(g->values[i].declared, g->values[i].dims, sizeof g->values[i].dims);
    g->memory[i] = malloc(sizeof(float) * (size_t)n);
    for (int64_t k = 0; k < n; k++) g->memory[i][k] = ((float)any(2000) - 1000.0f) / 1000.0f;
    g->values[i].data = (const uint8_t *)g->memory[i];
    return i;
}

#define DIMS(...) (const int64_t[]){ __VA_ARGS__ }

static int node(net *g, const etch_xnn_row *row, int a, int b, uint32_t flags, int n_dims, const int64_t *p)
{
    etch_xnn_node *n = &g->nodes[g->x.n_nodes++];
    *n = (etch_xnn_node){ .row = row, .in = { a, b }, .n_in = b < 0 ? 1 : 2, .n_out = 1, .lo = -INFINITY, .hi = INFINITY,
                          .in_place = -1, .chain = 1, .flags = flags, .n_dims = n_dims };
    if (n_dims) memcpy(n->p, p, sizeof *p * (size_t)n_dims);
    n->out[0] = new_value(g, XV_INTERNAL, 1, DIMS(1));
    return n->out[0];
}

static const etch_xnn_row bmm = { "bmm", XK_BMM, 0, 0 }, softmax = { "softmax", XK_SOFTMAX, 0, 0 },
                          add = { "add", XK_BINARY, 0, ETCH_EW_ADD }, copy = { "copy", XK_COPY, 0, 0 },
                          mul = { "mul", XK_BINARY, 0, ETCH_EW_MUL }, divide = { "div", XK_BINARY, 0, ETCH_EW_DIV },
                          turn = { "transpose", XK_TRANSPOSE, 0, 0 }, reshape = { "reshape", XK_RESHAPE, 0, 0 },
                          square = { "square", XK_UNARY, 0, ETCH_EW_SQUARE };

static int times(net *g, const etch_xnn_row *row, int v, float f)
{
    int c = given(g, XV_CONST, 1, DIMS(1));
    g->memory[c][0] = f;
    return node(g, row, v, c, 0, 0, NULL);
}

// An input whose sizes the nodes state, all but the first.
static int stated(net *g, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return node(g, &reshape, given(g, XV_INPUT, 3, DIMS(a, b, c * d)), -1, 0, 4, DIMS(any(2) ? 0 : a, b, c, d));
}

// [b, h, r, c], as an input or turned from [b, r, h, c]; perhaps scaled; `is_turned`: columns before rows.
static int operand(net *g, int64_t b, int64_t h, int64_t r, int64_t c, bool is_turned, bool may_scale)
{
    int v;
    if (any(3)) {
        v = stated(g, b, r, h, c);
        if (!any(4)) v = node(g, &copy, v, -1, 0, 0, NULL);
        if (is_turned && any(2)) return node(g, &turn, v, -1, 0, 4, DIMS(0, 2, 3, 1));
        v = node(g, &turn, v, -1, 0, 4, DIMS(0, 2, 1, 3));
    } else {
        v = stated(g, b, h, r, c);
    }
    if (may_scale && !any(3)) v = times(g, &mul, v, 0.7f);
    return is_turned ? node(g, &turn, v, -1, 0, 4, DIMS(0, 1, 3, 2)) : v;
}

static int masked(net *g, int scores, int rank, int64_t b, int64_t h, int64_t m, int64_t n)
{
    int mask;
    switch (any(6)) {
    case 0: return scores;
    case 1: mask = given(g, XV_INPUT, 1, DIMS(n)); break;
    case 2: mask = given(g, XV_CONST, 2, DIMS(m, n)); break;
    case 3: mask = rank == 4 ? given(g, XV_INPUT, 4, DIMS(1, 1, m, n)) : given(g, XV_INPUT, 3, DIMS(1, m, n)); break;
    case 4: mask = rank == 4 ? given(g, XV_INPUT, 4, DIMS(b, 1, 1, n)) : given(g, XV_INPUT, 3, DIMS(b * h, 1, n)); break;
    default: mask = rank == 4 ? given(g, XV_INPUT, 4, DIMS(b, h, m, n)) : given(g, XV_INPUT, 3, DIMS(b * h, m, n)); break;
    }
    for (int64_t i = 0; i < g->values[mask].numel; i++)
        if (!any(4)) g->memory[mask][i] = -INFINITY;
    return any(2) ? node(g, &add, scores, mask, 0, 0, NULL) : node(g, &add, mask, scores, 0, 0, NULL);
}

// Returns whether the rule must find it.
static bool start(net *g, uint32_t number)
{
    static const int64_t ms[] = { 1, 5, 20, 40 }, ns[] = { 1, 7, 64, 70 }, ds[] = { 1, 8, 20, 24 };
    memset(g, 0, sizeof *g);
    g->x = (etch_xnn){ .values = g->values, .nodes = g->nodes, .chains = g->chains, .steps = g->steps,
                       .ew = etch_ew_select(etch_cpu_features()), .nhwc = etch_nhwc_select(etch_cpu_features()),
                       .transpose = etch_transpose_select(etch_cpu_features()),
                       .fgemm = etch_fgemm_select(etch_cpu_features()), .attention = etch_attention_select(etch_cpu_features()) };
    etch_arena_init(&g->x.arena);
    seed = number;
    int64_t b = 1 + any(2), h = any(2) ? 3 : 1, m = ms[any(4)], n = ns[any(4)], d = ds[any(4)], dv = ds[any(4)];
    bool is_flat = any(2), is_split = is_flat && any(2), k_flag = any(2), v_turned = any(2), hole = any(2), is_seen = any(5) == 0;
    bool is_mixed = is_split && m != n && any(4) == 0;   // rows do not stay rows: no attention
    int q = operand(g, b, h, m, d, false, true), k = operand(g, b, h, n, d, !k_flag, true);
    int v = operand(g, is_flat || any(4) ? b : 1, h, n, dv, v_turned, false);
    if (is_flat) {
        int64_t bh = hole ? 0 : b * h, vb = b * h;
        q = node(g, &reshape, q, -1, 0, 3, DIMS(bh, m, d));
        k = k_flag ? node(g, &reshape, k, -1, 0, 3, DIMS(bh, n, d)) : node(g, &reshape, k, -1, 0, 3, DIMS(bh, d, n));
        v = v_turned ? node(g, &reshape, v, -1, 0, 3, DIMS(vb, dv, n)) : node(g, &reshape, v, -1, 0, 3, DIMS(vb, n, dv));
    }
    int s = node(g, &bmm, q, k, k_flag ? XF_TRANSPOSE : 0, 0, NULL);
    if (is_split) s = node(g, &reshape, s, -1, 0, 4, DIMS(hole ? 0 : b, h, is_mixed ? n : m, is_mixed ? m : n));
    if (!any(3)) s = any(2) ? times(g, &mul, s, 0.3f) : times(g, &divide, s, 3.0f);
    int seen = s;
    if (!is_mixed) s = masked(g, s, is_flat && !is_split ? 3 : 4, b, h, m, n);
    s = node(g, &softmax, s, -1, 0, 0, NULL);
    if (any(2)) seen = s;
    if (is_split) s = node(g, &reshape, s, -1, 0, 3, DIMS(hole ? 0 : b * h, m, n));
    int y = node(g, &bmm, s, v, v_turned ? XF_TRANSPOSE : 0, 0, NULL);
    if (is_flat && any(4)) y = node(g, &reshape, y, -1, 0, 4, DIMS(hole ? 0 : b, h, m, dv));
    if (g->nodes[g->x.n_nodes - 1].n_dims != 0 || !is_flat) {
        if (any(3)) y = node(g, &turn, y, -1, 0, 4, DIMS(0, 2, 1, 3));
        if (any(2)) y = node(g, &reshape, y, -1, 0, 2, DIMS(0, dv));
    }
    g->values[y].where = XV_OUTPUT;
    if (is_seen) g->values[node(g, &square, seen, -1, 0, 0, NULL)].where = XV_OUTPUT;
    return !is_seen && !is_mixed;
}

static bool run(net *g, bool fuses, etch_pool *pool)
{
    etch_xnn *x = &g->x;
    x->pool = pool;
    if (fuses) etch_xnn__fuse(x);
    etch_status *s = etch_xnn__shape(x);
    if (s) {
        etch_status_ignore(s);
        return false;
    }
    assert_null(etch_xnn__plan(x));
    uint8_t *base = aligned_alloc(64, etch_align_up(x->workspace + x->scratch + 1, 64));
    memset(base, 0xff, x->workspace);   // NaN
    for (int i = 0; i < x->n_values; i++) {
        etch_xnn_value *v = &g->values[i];
        if (v->where == XV_OUTPUT) v->data = (uint8_t *)(g->memory[i] = calloc(etch_xnn__value_bytes(v), 1));
        if (v->where == XV_INTERNAL && v->root == i) v->data = base + v->offset;
    }
    for (int i = 0; i < x->n_values; i++)
        if (g->values[i].where == XV_INTERNAL) g->values[i].data = g->values[g->values[i].root].data;
    for (int i = 0; i < x->n_nodes; i++) {
        etch_xnn_cx cx = { .x = x, .base = base + x->workspace, .len = x->scratch };
        if (x->nodes[i].chain) assert_null(etch_xnn__run_node(&cx, &x->nodes[i]));
    }
    free(base);
    return true;
}

static void finish(net *g)
{
    for (int i = 0; i < MAX_V; i++) free(g->memory[i]);
    etch_arena_deinit(&g->x.arena);
}

void test_rt_xnn_attention__gives_what_single_nodes_give(void **state)
{
    (void)state;
    static net a, b;
    etch_pool *pool = etch_pool_acquire(2);
    int n_fused = 0;
    for (uint32_t number = 1; number < 3000; number++) {
        bool is_hidden = start(&a, number);
        start(&b, number);
        bool ok = run(&a, false, NULL), ok_fused = run(&b, true, pool);
        if (ok != ok_fused) fail_msg("graph %u: %d alone, %d fused", number, ok, ok_fused);
        int fused = 0;
        for (int i = 0; i < b.x.n_nodes; i++) fused += b.nodes[i].row->kind == XK_ATTENTION;
        if (fused != is_hidden) fail_msg("graph %u: %d steps of attention", number, fused);
        n_fused += fused && ok;
        for (int i = 0; ok && i < a.x.n_values; i++) {
            const etch_xnn_value *v = &a.values[i];
            if (v->where != XV_OUTPUT) continue;
            assert_true(b.values[i].defined && v->numel == b.values[i].numel && v->rank == b.values[i].rank);
            assert_memory_equal(v->dims, b.values[i].dims, sizeof *v->dims * (size_t)v->rank);
            for (int64_t k = 0; k < v->numel; k++) {
                float want = a.memory[i][k], got = b.memory[i][k];
                if (!(fabsf(want - got) < 4e-6f) && !(isnan(want) && isnan(got)))
                    fail_msg("graph %u: value %d [%lld] is %g, not %g", number, i, (long long)k, (double)got, (double)want);
            }
        }
        finish(&a);
        finish(&b);
    }
    etch_pool_release(pool);
    assert_true(n_fused > 1500);   // the graphs do test it
}
