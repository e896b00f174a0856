// Random graphs of elementwise nodes, moves, means and quantizations: chains give the bits that the nodes give one by one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "rt/xnn_chain.h"

enum { MAX_V = 80, MAX_N = 48 };

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

static etch_xnn_value *new_value(net *g, etch_xnn_where where, int rank, const int64_t *dims)
{
    etch_xnn_value *v = &g->values[g->x.n_values++];
    *v = (etch_xnn_value){ .type = XT_F32, .where = (uint8_t)where, .defined = true, .external = -1 };
    assert_null(etch_xnn__set_dims(v, rank, dims));
    return v;
}

static int given(net *g, etch_xnn_where where, int rank, const int64_t *dims)
{
    etch_xnn_value *v = new_value(g, where, rank, dims);
    int i = (int)(v - g->values);
    g->memory[i] = malloc(sizeof(float) * (size_t)v->numel);
    for (int64_t k = 0; k < v->numel; k++) g->memory[i][k] = ((float)any(2000) - 900.0f) / 300.0f;
    v->data = (const uint8_t *)g->memory[i];
    return i;
}

static etch_xnn_node *new_node(net *g, const etch_xnn_row *row, int a, int b)
{
    static const int64_t one = 1;
    etch_xnn_node *n = &g->nodes[g->x.n_nodes++];
    *n = (etch_xnn_node){ .row = row, .in = { a, b }, .n_in = b < 0 ? 1 : 2, .n_out = 1, .lo = -INFINITY, .hi = INFINITY, .alpha = 0.1f, .in_place = -1, .chain = 1 };
    n->out[0] = g->x.n_values;
    new_value(g, any(4) ? XV_INTERNAL : XV_OUTPUT, 1, &one);
    return n;
}

static int pick(const net *g)
{
    for (;;) {
        int v = any(3) ? g->x.n_values - 1 - (int)any(6) : (int)any((uint32_t)g->x.n_values);   // mostly a late one
        if (v >= 0 && g->values[v].type == XT_F32) return v;
    }
}

// Gives the node's result its sizes; false: it does not fit together and is taken back.
static bool is_sound(net *g)
{
    etch_status *s = etch_xnn__shape(&g->x);
    etch_xnn_value *out = &g->values[g->x.n_values - 1];
    bool ok = !s && out->numel > 0 && out->numel < 20000;
    etch_status_ignore(s);
    if (ok) return true;
    g->x.n_nodes--;
    g->x.n_values--;
    return false;
}

static void grow(net *g)
{
    static const etch_xnn_row square = { "square", XK_UNARY, 0, ETCH_EW_SQUARE }, gelu = { "gelu", XK_UNARY, 0, ETCH_EW_GELU }, clamp = { "clamp", XK_CLAMP, 0, ETCH_EW_CLAMP },
                              add = { "add", XK_BINARY, 0, ETCH_EW_ADD }, mul = { "mul", XK_BINARY, 0, ETCH_EW_MUL }, turn = { "transpose", XK_TRANSPOSE, 0, 0 },
                              reshape = { "reshape", XK_RESHAPE, 0, 0 }, mean = { "mean", XK_GLOBALAVG, 0, 0 }, slice = { "slice", XK_SLICE, 0, 0 },
                              cat = { "cat", XK_CAT, 0, 0 }, convert = { "convert", XK_CONVERT, 0, 0 };
    int a = pick(g);
    const etch_xnn_value *v = &g->values[a];
    etch_xnn_node *n;
    switch (any(10)) {
    case 0: new_node(g, any(2) ? &square : &gelu, a, -1); break;
    case 1:
        n = new_node(g, &clamp, a, -1);
        n->lo = -1;
        n->hi = 2;
        break;
    case 2: case 3: case 4: new_node(g, any(2) ? &add : &mul, a, pick(g)); break;
    case 5: {
        if (v->rank < 2) return;
        n = new_node(g, &turn, a, -1);
        n->n_dims = v->rank;
        for (int i = 0; i < v->rank; i++) n->p[i] = i;
        int i = (int)any((uint32_t)v->rank - (any(4) ? 1 : 0)), j = (int)any((uint32_t)v->rank - (any(4) ? 1 : 0));
        n->p[i] = j;
        n->p[j] = i;
        break;
    }
    case 6: {   // a size of one more or less, or all in one
        if (v->rank > 4) return;
        n = new_node(g, &reshape, a, -1);
        int at = (int)any((uint32_t)v->rank + 1);
        for (int i = 0; i <= v->rank; i++) n->p[i] = i < at ? v->dims[i] : i == at ? 1 : v->dims[i - 1];
        n->n_dims = v->rank + 1;
        if (any(8) == 0) n->n_dims = 1, n->p[0] = v->numel;
        break;
    }
    case 7: {   // the mean of the last dim, as exporters write it
        if (v->rank > 4 || v->rank < 2) return;
        n = new_node(g, &reshape, a, -1);
        for (int i = 0; i < v->rank; i++) n->p[i] = v->dims[i];
        n->p[v->rank] = 1;
        n->n_dims = v->rank + 1;
        if (!is_sound(g)) return;
        n = new_node(g, &mean, g->x.n_values - 1, -1);
        n->flags = any(2) ? XF_KEEP_DIMS : 0;
        break;
    }
    case 8: {
        int d = any(4) ? v->rank - 1 : (int)any((uint32_t)v->rank);
        n = new_node(g, &slice, a, -1);
        n->n_dims = v->rank;
        n->p[d] = any((uint32_t)v->dims[d]);
        for (int i = 0; i < v->rank; i++) n->q[i] = v->dims[i] - n->p[i];
        if (any(2) || !is_sound(g)) break;
        int b = g->x.n_values - 1;
        n = new_node(g, &cat, b, a);
        n->axis = d;
        break;
    }
    default: {
        n = new_node(g, &convert, a, -1);
        etch_xnn_value *q = &g->values[n->out[0]];
        q->type = XT_QDINT8;
        q->where = XV_OUTPUT;
        q->nonbatch = 1;
    }
    }
    is_sound(g);
}

static void run(net *g, etch_rt_ties *ties, etch_pool *pool)
{
    etch_xnn *x = &g->x;
    x->ties = ties;
    x->pool = pool;
    etch_xnn__fuse(x);
    assert_null(etch_xnn__shape(x));
    assert_null(etch_xnn__plan(x));
    uint8_t *base = aligned_alloc(64, etch_align_up(x->workspace + x->scratch + 1, 64));
    memset(base, 0xff, x->workspace);   // NaN
    for (int i = 0; i < x->n_values; i++) {
        etch_xnn_value *v = &g->values[i], *root = &g->values[v->root];
        if (v->where == XV_OUTPUT) v->data = (uint8_t *)(g->memory[i] = calloc(etch_xnn__value_bytes(v), 1));
        if (v->where == XV_INTERNAL && v->root == i) v->data = base + root->offset;
    }
    for (int i = 0; i < x->n_values; i++)
        if (g->values[i].where == XV_INTERNAL) g->values[i].data = g->values[g->values[i].root].data;
    for (int i = 0; i < x->n_nodes; i++) {
        etch_xnn_cx cx = { .x = x, .base = base + x->workspace, .len = x->scratch };
        if (x->nodes[i].chain) assert_null(etch_xnn__run_node(&cx, &x->nodes[i]));
    }
    free(base);
}

static void start(net *g, uint32_t number)
{
    static const int64_t sizes[][4] = { { 1, 1, 1, 16 }, { 1, 1, 3, 64 }, { 1, 5, 3, 16 }, { 2, 3, 4, 24 }, { 1, 1, 1, 300 }, { 1, 70, 2, 9 }, { 3, 1, 5, 8 } };
    memset(g, 0, sizeof *g);
    g->x = (etch_xnn){ .values = g->values, .nodes = g->nodes, .chains = g->chains, .steps = g->steps, .ew = etch_ew_select(etch_cpu_features()),
                       .nhwc = etch_nhwc_select(etch_cpu_features()), .transpose = etch_transpose_select(etch_cpu_features()) };
    seed = number;
    const int64_t *d = sizes[any(sizeof sizes / sizeof *sizes)], row[4] = { d[0], d[1], d[2], 1 }, tail[4] = { 1, d[1], 1, d[3] }, one = 1;
    given(g, XV_INPUT, 4, d);
    given(g, XV_CONST, 1, &d[3]);
    given(g, XV_CONST, 1, &one);
    given(g, XV_INPUT, 4, row);
    given(g, XV_INPUT, 4, tail);
    given(g, XV_INPUT, 4, d);
    while (g->x.n_nodes < 24 && g->x.n_values < MAX_V - 4 && any(60)) grow(g);
}

static void finish(net *g)
{
    for (int i = 0; i < MAX_V; i++) free(g->memory[i]);
}

void test_rt_xnn_chain__gives_the_bits_of_single_nodes(void **state)
{
    (void)state;
    static net a, b;
    etch_pool *pool = etch_pool_acquire(2);
    int n_chains = 0, longest = 0;
    for (uint32_t number = 1; number < 4000; number++) {
        etch_rt_ties ties = { 0 };
        start(&a, number);
        start(&b, number);
        run(&a, number % 2 ? &ties : NULL, NULL);
        run(&b, number % 2 ? NULL : &ties, pool);
        const net *chained = number % 2 ? &b : &a;
        n_chains += chained->x.n_chains;
        for (int i = 0; i < chained->x.n_nodes; i++) longest = chained->nodes[i].chain > longest ? chained->nodes[i].chain : longest;
        for (int i = 0; i < a.x.n_values; i++) {
            const etch_xnn_value *v = &a.values[i];
            if (v->where != XV_OUTPUT) continue;
            assert_int_equal(v->defined, b.values[i].defined);
            if (!v->defined) continue;
            size_t n = v->type == XT_QDINT8 ? (size_t)v->numel : sizeof(float) * (size_t)v->numel;
            if (memcmp(a.memory[i], b.memory[i], n)) fail_msg("graph %u: value %d differs", number, i);
            if (v->type == XT_QDINT8) assert_memory_equal(etch_xnn__rows(v), etch_xnn__rows(&b.values[i]), sizeof(etch_xnn_rowq) * (size_t)etch_xnn__n_rows(v));
        }
        finish(&a);
        finish(&b);
    }
    etch_pool_release(pool);
    assert_true(n_chains > 2000 && longest > 6);   // the graphs do test chains
}
