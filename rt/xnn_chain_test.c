// Random graphs of elementwise nodes, moves, means and quantizations: chains give the bits that the nodes give one by one.
#include "rt/xnn_net.h"

static int given(net *g, etch_xnn_where where, int rank, const int64_t *dims) { return net_given(g, where, rank, dims, 900, 300); }

static etch_xnn_node *new_node(net *g, const etch_xnn_row *row, int a, int b)
{
    etch_xnn_node *n = net_node(g, row, a, b, net_any(g, 4) ? XV_INTERNAL : XV_OUTPUT);
    n->alpha = 0.1f;
    return n;
}

static int pick(net *g)
{
    for (;;) {
        int v = net_any(g, 3) ? g->x.n_values - 1 - (int)net_any(g, 6) : (int)net_any(g, (uint32_t)g->x.n_values);   // mostly a late one
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
    static const etch_xnn_row square = { "square", XK_UNARY, 0, ETCH_EW_SQUARE }, gelu = { "gelu", XK_UNARY, 0, ETCH_EW_GELU },
                              clamp = { "clamp", XK_CLAMP, 0, ETCH_EW_CLAMP }, add = { "add", XK_BINARY, 0, ETCH_EW_ADD },
                              mul = { "mul", XK_BINARY, 0, ETCH_EW_MUL }, turn = { "transpose", XK_TRANSPOSE, 0, 0 },
                              reshape = { "reshape", XK_RESHAPE, 0, 0 }, mean = { "mean", XK_GLOBALAVG, 0, 0 },
                              slice = { "slice", XK_SLICE, 0, 0 }, cat = { "cat", XK_CAT, 0, 0 }, convert = { "convert", XK_CONVERT, 0, 0 };
    int a = pick(g);
    const etch_xnn_value *v = &g->values[a];
    etch_xnn_node *n;
    switch (net_any(g, 10)) {
    case 0: new_node(g, net_any(g, 2) ? &square : &gelu, a, -1); break;
    case 1:
        n = new_node(g, &clamp, a, -1);
        n->lo = -1;
        n->hi = 2;
        break;
    case 2: case 3: case 4: new_node(g, net_any(g, 2) ? &add : &mul, a, pick(g)); break;
    case 5: {
        if (v->rank < 2) return;
        n = new_node(g, &turn, a, -1);
        n->n_dims = v->rank;
        for (int i = 0; i < v->rank; i++) n->p[i] = i;
        int i = (int)net_any(g, (uint32_t)v->rank - (net_any(g, 4) ? 1 : 0));
        int j = (int)net_any(g, (uint32_t)v->rank - (net_any(g, 4) ? 1 : 0));
        n->p[i] = j;
        n->p[j] = i;
        break;
    }
    case 6: {   // a size of one more or less, or all in one
        if (v->rank > 4) return;
        n = new_node(g, &reshape, a, -1);
        int at = (int)net_any(g, (uint32_t)v->rank + 1);
        for (int i = 0; i <= v->rank; i++) n->p[i] = i < at ? v->dims[i] : i == at ? 1 : v->dims[i - 1];
        n->n_dims = v->rank + 1;
        if (net_any(g, 8) == 0) n->n_dims = 1, n->p[0] = v->numel;
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
        n->flags = net_any(g, 2) ? XF_KEEP_DIMS : 0;
        break;
    }
    case 8: {
        int d = net_any(g, 4) ? v->rank - 1 : (int)net_any(g, (uint32_t)v->rank);
        n = new_node(g, &slice, a, -1);
        n->n_dims = v->rank;
        n->p[d] = net_any(g, (uint32_t)v->dims[d]);
        for (int i = 0; i < v->rank; i++) n->q[i] = v->dims[i] - n->p[i];
        if (net_any(g, 2) || !is_sound(g)) break;
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
    g->x.ties = ties;
    g->x.pool = pool;
    etch_xnn__fuse(&g->x);
    assert_null(etch_xnn__shape(&g->x));
    net_run(g);
}

static void start(net *g, uint32_t number)
{
    static const int64_t sizes[][4] = { { 1, 1, 1, 16 }, { 1, 1, 3, 64 }, { 1, 5, 3, 16 }, { 2, 3, 4, 24 }, { 1, 1, 1, 300 },
                                        { 1, 70, 2, 9 },
                                        { 3, 1, 5, 8 } };
    net_init(g, number);
    const int64_t *d = sizes[net_any(g, sizeof sizes / sizeof *sizes)], row[4] = { d[0], d[1], d[2], 1 }, tail[4] = { 1, d[1], 1, d[3] };
    const int64_t one = 1;
    given(g, XV_INPUT, 4, d);
    given(g, XV_CONST, 1, &d[3]);
    given(g, XV_CONST, 1, &one);
    given(g, XV_INPUT, 4, row);
    given(g, XV_INPUT, 4, tail);
    given(g, XV_INPUT, 4, d);
    while (g->x.n_nodes < 24 && g->x.n_values < NET_VALUES - 4 && net_any(g, 60)) grow(g);
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
            size_t scales = sizeof(etch_xnn_rowq) * (size_t)etch_xnn__n_rows(v);
            if (v->type == XT_QDINT8) assert_memory_equal(etch_xnn__rows(v), etch_xnn__rows(&b.values[i]), scales);
        }
        net_deinit(&a);
        net_deinit(&b);
    }
    etch_pool_release(pool);
    assert_true(n_chains > 2000 && longest > 6);   // the graphs do test chains
}
