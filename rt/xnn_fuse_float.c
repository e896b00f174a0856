// Rules of xnn_fuse.c for fp32 chains: a function of each element runs where its operand is made, while that is still in a cache.
#include <math.h>

#include "rt/xnn.h"

// Node i gives what node j gave; j and the values between them are no more.
static void take_result(etch_xnn *x, int i, int j)
{
    x->values[x->nodes[i].out[0]].defined = false;
    x->nodes[i].out[0] = x->nodes[j].out[0];
    memmove(x->nodes + j, x->nodes + j + 1, sizeof *x->nodes * (size_t)(x->n_nodes - j - 1));
    x->n_nodes--;
}

static bool is_unbounded(const etch_xnn_node *n) { return n->lo == -INFINITY && n->hi == INFINITY; }

// multiply(a, sigmoid(a))  ->  silu(a)
void etch_xnn__fuse_silu(etch_xnn *x, int i)
{
    static const etch_xnn_row silu = { "XNNSigmoid, XNNMultiply", XK_UNARY, 0, ETCH_EW_SILU };
    etch_xnn_node *n = &x->nodes[i];
    if (n->row->kind != XK_UNARY || n->row->op != ETCH_EW_SIGMOID || x->values[n->in[0]].type != XT_F32 ||
        x->values[n->out[0]].type != XT_F32) return;
    int j = etch_xnn__only_reader(x, n->out[0]);
    if (j < 0) return;
    const etch_xnn_node *m = &x->nodes[j];
    if (m->row->kind != XK_BINARY || m->row->op != ETCH_EW_MUL || !is_unbounded(m) || x->values[m->out[0]].type != XT_F32) return;
    if (m->in[m->in[0] == n->out[0]] != n->in[0]) return;
    n->row = &silu;
    take_result(x, i, j);
}

static bool makes_floats(const etch_xnn *x, const etch_xnn_node *n)
{
    bool kind = n->row->kind == XK_FC || n->row->kind == XK_CONV || n->row->kind == XK_DWCONV;
    return kind && !n->act && !n->blocks && x->values[n->in[0]].type == XT_F32 && x->values[n->out[0]].type == XT_F32;
}

// function(product(a, w))  ->  the product applies it
void etch_xnn__fuse_act(etch_xnn *x, int i)
{
    etch_xnn_node *n = &x->nodes[i];
    if (!makes_floats(x, n)) return;
    int j = etch_xnn__only_reader(x, n->out[0]);
    if (j < 0) return;
    const etch_xnn_node *m = &x->nodes[j];
    if ((m->row->kind != XK_UNARY && m->row->kind != XK_CLAMP) || x->values[m->out[0]].type != XT_F32) return;
    n->act = m->row;
    n->act_p = m->row->kind == XK_CLAMP ? m->lo : m->alpha;
    n->act_q = m->hi;
    take_result(x, i, j);
}

void etch_xnn__apply_act(const void *user, float *y, size_t n)
{
    const etch_xnn_act *a = user;
    if (a->n->act) a->ew->unary((etch_ew_unary)a->n->act->op, a->n->act_p, a->n->act_q, y, y, n);
}
