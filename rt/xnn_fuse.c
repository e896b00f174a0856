// Rewrites of the node list at load, before any size is known. In: checked nodes in the payload's order. Out: the same results from fewer,
// larger steps. Each rule is one function and one row of `rules`.
#include "rt/xnn.h"

int etch_xnn__n_readers(const etch_xnn *x, int value, int *last)
{
    int n = 0;
    for (int i = 0; i < x->n_nodes; i++)
        for (int j = 0; j < x->nodes[i].n_in; j++)
            if (x->nodes[i].in[j] == value) {
                n++;
                *last = i;
            }
    return n;
}

int etch_xnn__only_reader(const etch_xnn *x, int value)
{
    int i = -1;
    return x->values[value].where == XV_INTERNAL && etch_xnn__n_readers(x, value, &i) == 1 ? i : -1;
}

// Does the node after which `n` would move, or any between, write what `n` reads? Operands written before node `at` are safe.
static bool is_ready(const etch_xnn *x, const etch_xnn_node *n, int at, int from)
{
    for (int i = at; i < from; i++)
        for (int o = 0; o < x->nodes[i].n_out; o++)
            for (int j = 0; j < n->n_in; j++)
                if (n->in[j] == x->nodes[i].out[o]) return false;
    return true;
}

static void move_node(etch_xnn *x, int from, int to)
{
    etch_xnn_node n = x->nodes[from];
    memmove(x->nodes + to + 1, x->nodes + to, sizeof n * (size_t)(from - to));
    x->nodes[to] = n;
}

// fc(x, a) ... fc(x, b)  ->  fc(x, a), fc(x, b) in one step: x is packed once, the threads meet once.
static void share_operand(etch_xnn *x, int i)
{
    etch_xnn_node *first = &x->nodes[i];
    if (!first->blocks || first->n_shared != 1) return;
    for (int j = i + 1; j < x->n_nodes && first->n_shared < ETCH_XNN_SHARERS; j++) {
        etch_xnn_node *n = &x->nodes[j];
        int to = i + first->n_shared;
        if (!n->blocks || n->in[0] != first->in[0] || !is_ready(x, n, i, j)) continue;
        move_node(x, j, to);
        x->nodes[to].n_shared = 0;
        first->n_shared++;
    }
}

// Node i moves up to the last one that it needs, so that chains lie together (xnn_chain.h). Reshapes of what comes from outside go first.
static void follow_operands(etch_xnn *x, int i)
{
    const etch_xnn_node *n = &x->nodes[i];
    int to = 0;
    switch ((etch_xnn_kind)n->row->kind) {
    case XK_UNARY: case XK_CLAMP: case XK_BINARY: case XK_GLOBALAVG: case XK_CONVERT: case XK_TRANSPOSE: case XK_SLICE:
    case XK_CAT: to = -1; break;
    case XK_RESHAPE: case XK_COPY: break;
    default: return;
    }
    for (int j = i - 1; j >= 0 && to <= 0; j--)
        for (int o = 0; o < x->nodes[j].n_out; o++)
            for (int k = 0; k < n->n_in; k++)
                if (n->in[k] == x->nodes[j].out[o]) to = j + 1;
    if (to >= 0 && to < i && !x->ties) move_node(x, i, to);
}

typedef void rule(etch_xnn *x, int i);
static rule *const rules[] = { etch_xnn__fuse_attention, follow_operands, share_operand, etch_xnn__fuse_silu, etch_xnn__fuse_act };

void etch_xnn__fuse(etch_xnn *x)
{
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++)
        for (int i = 0; i < x->n_nodes; i++) rules[r](x, i);
}
