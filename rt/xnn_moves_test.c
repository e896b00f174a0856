// Random runs of transposes and reshapes: what is one copy gives the bits that the nodes give one by one.
#include "rt/xnn_net.h"

static const etch_xnn_row turn = { "transpose", XK_TRANSPOSE, 0, 0 }, reshape = { "reshape", XK_RESHAPE, 0, 0 };

// Regroups the factors of all sizes, or splits one of them.
static void add_reshape(net *g, int a, etch_xnn_where where)
{
    const etch_xnn_value *v = &g->values[a];
    int64_t dims[ETCH_XNN_RANK];
    int rank = 0;
    for (int i = 0; i < v->rank; i++) {
        int64_t n = v->dims[i];
        if (rank && net_any(g, 3) == 0) dims[rank - 1] *= n;
        else if (n % 2 == 0 && n > 2 && rank + v->rank - i < ETCH_XNN_RANK && net_any(g, 2)) dims[rank++] = 2, dims[rank++] = n / 2;
        else dims[rank++] = n;
    }
    etch_xnn_node *n = net_node(g, &reshape, a, -1, where);
    n->n_dims = rank;
    memcpy(n->p, dims, sizeof n->p);
}

static void add_transpose(net *g, int a, etch_xnn_where where)
{
    etch_xnn_node *n = net_node(g, &turn, a, -1, where);
    n->n_dims = g->values[a].rank;
    for (int i = 0; i < n->n_dims; i++) n->p[i] = i;
    for (int i = n->n_dims - 1; i > 0; i--) {
        int j = (int)net_any(g, (uint32_t)i + 1);
        int64_t t = n->p[i];
        n->p[i] = n->p[j];
        n->p[j] = t;
    }
}

static void start(net *g, uint32_t number)
{
    static const int64_t sizes[][4] = { { 1, 4, 6, 16 }, { 2, 8, 8, 24 }, { 1, 1, 12, 40 }, { 3, 5, 2, 8 }, { 4, 1, 4, 9 } };
    net_init(g, number);
    int a = net_given(g, XV_INPUT, 4, sizes[net_any(g, 5)], 900, 300), length = 2 + (int)net_any(g, 6);
    for (int i = 0; i < length; i++) {
        etch_xnn_where where = i == length - 1 || !net_any(g, 12) ? XV_OUTPUT : XV_INTERNAL;
        if (i % 2) add_reshape(g, a, where);
        else add_transpose(g, a, where);
        a = g->x.n_values - 1;
        assert_null(etch_xnn__shape(&g->x));
    }
}

void test_rt_xnn_moves__give_the_bits_of_single_nodes(void **state)
{
    (void)state;
    static net a, b;
    etch_pool *pool = etch_pool_acquire(2);
    int n_joined = 0;
    for (uint32_t number = 1; number < 6000; number++) {
        etch_rt_ties ties = { 0 };
        start(&a, number);
        start(&b, number);
        a.x.ties = &ties;   // one by one
        b.x.pool = pool;
        assert_null(etch_xnn__shape(&a.x));
        assert_null(etch_xnn__shape(&b.x));
        net_run(&a);
        net_run(&b);
        for (int i = 0; i < b.x.n_chains; i++) n_joined += b.chains[i].n_moved != 0;
        for (int i = 0; i < a.x.n_values; i++)
            if (a.values[i].where == XV_OUTPUT) assert_memory_equal(a.memory[i], b.memory[i], sizeof(float) * (size_t)a.values[i].numel);
        net_deinit(&a);
        net_deinit(&b);
    }
    etch_pool_release(pool);
    assert_true(n_joined > 300);
}
