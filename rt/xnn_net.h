// Small graphs of XNNPACK nodes in memory, for tests that run one graph in two ways. In: random sizes and nodes. Out: what its
// outputs hold.
#ifndef ETCH_RT_XNN_NET_H
#define ETCH_RT_XNN_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "kern/attention/attention.h"
#include "rt/xnn_chain.h"

enum { NET_VALUES = 80, NET_NODES = 48 };

typedef struct {
    etch_xnn x;
    etch_xnn_value values[NET_VALUES];
    etch_xnn_node nodes[NET_NODES];
    etch_xnn_chain chains[NET_NODES];
    etch_xnn_step steps[NET_NODES];
    float *memory[NET_VALUES];   // of inputs, constants, outputs
    uint32_t seed;
} net;

static inline uint32_t net_any(net *g, uint32_t n)
{
    g->seed = g->seed * 1664525u + 1013904223u;
    return (g->seed >> 8) % n;
}

// Empties *g; the same seed gives the same graph.
static inline void net_init(net *g, uint32_t seed)
{
    unsigned cpu = etch_cpu_features();
    memset(g, 0, sizeof *g);
    g->x = (etch_xnn){ .values = g->values, .nodes = g->nodes, .chains = g->chains, .steps = g->steps, .ew = etch_ew_select(cpu),
                       .nhwc = etch_nhwc_select(cpu), .transpose = etch_transpose_select(cpu), .fgemm = etch_fgemm_select(cpu),
                       .attention = etch_attention_select(cpu) };
    etch_arena_init(&g->x.arena);
    g->seed = seed;
}

static inline int net_value(net *g, etch_xnn_where where, int rank, const int64_t *dims)
{
    int i = g->x.n_values++;
    g->values[i] = (etch_xnn_value){ .type = XT_F32, .where = (uint8_t)where, .defined = true, .external = -1 };
    assert_null(etch_xnn__set_dims(&g->values[i], rank, dims));
    return i;
}

// An input or a constant of numbers (random thousands - zero) / unit.
static inline int net_given(net *g, etch_xnn_where where, int rank, const int64_t *dims, float zero, float unit)
{
    int i = net_value(g, where, rank, dims);
    etch_xnn_value *v = &g->values[i];
    memcpy(v->declared, v->dims, sizeof v->dims);
    g->memory[i] = malloc(sizeof(float) * (size_t)v->numel);
    for (int64_t k = 0; k < v->numel; k++) g->memory[i][k] = ((float)net_any(g, 2000) - zero) / unit;
    v->data = (const uint8_t *)g->memory[i];
    return i;
}

// A node over a and b (-1: none), whose result is a new value of `where`.
static inline etch_xnn_node *net_node(net *g, const etch_xnn_row *row, int a, int b, etch_xnn_where where)
{
    static const int64_t one = 1;
    etch_xnn_node *n = &g->nodes[g->x.n_nodes++];
    *n = (etch_xnn_node){ .row = row, .in = { a, b }, .n_in = b < 0 ? 1 : 2, .n_out = 1, .lo = -INFINITY, .hi = INFINITY,
                          .in_place = -1, .chain = 1 };
    n->out[0] = net_value(g, where, 1, &one);
    return n;
}

// Plans, and runs every node; the sizes are known. Outputs get memory of their own, the workspace begins as NaN.
static inline void net_run(net *g)
{
    etch_xnn *x = &g->x;
    assert_null(etch_xnn__plan(x));
    uint8_t *base = aligned_alloc(64, etch_align_up(x->workspace + x->scratch + 1, 64));
    memset(base, 0xff, x->workspace);
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
}

static inline void net_deinit(net *g)
{
    for (int i = 0; i < NET_VALUES; i++) free(g->memory[i]);
    etch_arena_deinit(&g->x.arena);
}

#endif
