// Random forms of attention as exporters write it: the fused step gives what the nodes give one by one; scores that others read forbid it.
// Tolerance 4e-6: sums of at most 70 products of numbers up to 1 in another order, exp within 2 ulp.
#include "rt/xnn_attention.h"
#include "rt/xnn_net.h"

static int given(net *g, etch_xnn_where where, int rank, const int64_t *dims) { return net_given(g, where, rank, dims, 1000, 1000); }

#define DIMS(...) (const int64_t[]){ __VA_ARGS__ }

static int node(net *g, const etch_xnn_row *row, int a, int b, uint32_t flags, int n_dims, const int64_t *p)
{
    etch_xnn_node *n = net_node(g, row, a, b, XV_INTERNAL);
    n->flags = flags;
    n->n_dims = n_dims;
    if (n_dims) memcpy(n->p, p, sizeof *p * (size_t)n_dims);
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
    return node(g, &reshape, given(g, XV_INPUT, 3, DIMS(a, b, c * d)), -1, 0, 4, DIMS(net_any(g, 2) ? 0 : a, b, c, d));
}

// [b, h, r, c], as an input or turned from [b, r, h, c]; perhaps scaled; `is_turned`: columns before rows.
static int operand(net *g, int64_t b, int64_t h, int64_t r, int64_t c, bool is_turned, bool may_scale)
{
    int v;
    if (net_any(g, 3)) {
        v = stated(g, b, r, h, c);
        if (!net_any(g, 4)) v = node(g, &copy, v, -1, 0, 0, NULL);
        if (is_turned && net_any(g, 2)) return node(g, &turn, v, -1, 0, 4, DIMS(0, 2, 3, 1));
        v = node(g, &turn, v, -1, 0, 4, DIMS(0, 2, 1, 3));
    } else {
        v = stated(g, b, h, r, c);
    }
    if (may_scale && !net_any(g, 3)) v = times(g, &mul, v, 0.7f);
    return is_turned ? node(g, &turn, v, -1, 0, 4, DIMS(0, 1, 3, 2)) : v;
}

static int masked(net *g, int scores, int rank, int64_t b, int64_t h, int64_t m, int64_t n)
{
    int mask;
    switch (net_any(g, 6)) {
    case 0: return scores;
    case 1: mask = given(g, XV_INPUT, 1, DIMS(n)); break;
    case 2: mask = given(g, XV_CONST, 2, DIMS(m, n)); break;
    case 3: mask = rank == 4 ? given(g, XV_INPUT, 4, DIMS(1, 1, m, n)) : given(g, XV_INPUT, 3, DIMS(1, m, n)); break;
    case 4: mask = rank == 4 ? given(g, XV_INPUT, 4, DIMS(b, 1, 1, n)) : given(g, XV_INPUT, 3, DIMS(b * h, 1, n)); break;
    default: mask = rank == 4 ? given(g, XV_INPUT, 4, DIMS(b, h, m, n)) : given(g, XV_INPUT, 3, DIMS(b * h, m, n)); break;
    }
    for (int64_t i = 0; i < g->values[mask].numel; i++)
        if (!net_any(g, 4)) g->memory[mask][i] = -INFINITY;
    return net_any(g, 2) ? node(g, &add, scores, mask, 0, 0, NULL) : node(g, &add, mask, scores, 0, 0, NULL);
}

// Returns whether the rule must find it.
static bool start(net *g, uint32_t number)
{
    static const int64_t ms[] = { 1, 5, 20, 40 }, ns[] = { 1, 7, 64, 70 }, ds[] = { 1, 8, 20, 24 };
    net_init(g, number);
    int64_t b = 1 + net_any(g, 2), h = net_any(g, 2) ? 3 : 1, m = ms[net_any(g, 4)], n = ns[net_any(g, 4)];
    int64_t d = ds[net_any(g, 4)], dv = ds[net_any(g, 4)];
    bool is_flat = net_any(g, 2), is_split = is_flat && net_any(g, 2), k_flag = net_any(g, 2), v_turned = net_any(g, 2);
    bool hole = net_any(g, 2), is_seen = net_any(g, 5) == 0;
    bool is_mixed = is_split && m != n && net_any(g, 4) == 0;   // rows do not stay rows: no attention
    int q = operand(g, b, h, m, d, false, true), k = operand(g, b, h, n, d, !k_flag, true);
    int v = operand(g, is_flat || net_any(g, 4) ? b : 1, h, n, dv, v_turned, false);
    if (is_flat) {
        int64_t bh = hole ? 0 : b * h, vb = b * h;
        q = node(g, &reshape, q, -1, 0, 3, DIMS(bh, m, d));
        k = k_flag ? node(g, &reshape, k, -1, 0, 3, DIMS(bh, n, d)) : node(g, &reshape, k, -1, 0, 3, DIMS(bh, d, n));
        v = v_turned ? node(g, &reshape, v, -1, 0, 3, DIMS(vb, dv, n)) : node(g, &reshape, v, -1, 0, 3, DIMS(vb, n, dv));
    }
    int s = node(g, &bmm, q, k, k_flag ? XF_TRANSPOSE : 0, 0, NULL);
    if (is_split) s = node(g, &reshape, s, -1, 0, 4, DIMS(hole ? 0 : b, h, is_mixed ? n : m, is_mixed ? m : n));
    if (!net_any(g, 3)) s = net_any(g, 2) ? times(g, &mul, s, 0.3f) : times(g, &divide, s, 3.0f);
    int seen = s;
    if (!is_mixed) s = masked(g, s, is_flat && !is_split ? 3 : 4, b, h, m, n);
    s = node(g, &softmax, s, -1, 0, 0, NULL);
    if (net_any(g, 2)) seen = s;
    if (is_split) s = node(g, &reshape, s, -1, 0, 3, DIMS(hole ? 0 : b * h, m, n));
    int y = node(g, &bmm, s, v, v_turned ? XF_TRANSPOSE : 0, 0, NULL);
    if (is_flat && net_any(g, 4)) y = node(g, &reshape, y, -1, 0, 4, DIMS(hole ? 0 : b, h, m, dv));
    if (g->nodes[g->x.n_nodes - 1].n_dims != 0 || !is_flat) {
        if (net_any(g, 3)) y = node(g, &turn, y, -1, 0, 4, DIMS(0, 2, 1, 3));
        if (net_any(g, 2)) y = node(g, &reshape, y, -1, 0, 2, DIMS(0, dv));
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
    net_run(g);
    return true;
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
        net_deinit(&a);
        net_deinit(&b);
    }
    etch_pool_release(pool);
    assert_true(n_fused > 1500);   // the graphs do test it
}
