// In: transposes and reshapes that follow each other, with present sizes. Out: one copy in their place, where it moves pieces of rows.
//
// A value is a list of parts, outermost first: so many elements, so far apart in the source. A transpose reorders the parts of its dims; a
// reshape cuts and regroups them.
#include "rt/xnn_chain_find.h"

enum { PARTS = 16, SHORTEST = 8 };   // SHORTEST: elements side by side that make the one copy cheaper than the moves

typedef struct { int n; int64_t size[PARTS], stride[PARTS]; } parts;

static bool add(parts *p, int64_t size, int64_t stride)
{
    if (p->n == PARTS) return false;
    p->size[p->n] = size;
    p->stride[p->n++] = stride;
    return true;
}

// The parts regrouped so that the sizes of dims [0, rank) are products of parts: ends[d] is where those of dim d end. False: a dim begins
// within a part that it does not divide.
static bool regroup(const parts *from, int rank, const int64_t *dims, parts *to, int *ends)
{
    int at = 0;
    int64_t left = from->n ? from->size[0] : 1;   // of part `at`
    to->n = 0;
    for (int d = 0; d < rank; d++) {
        for (int64_t need = dims[d]; need > 1;) {
            while (left == 1 && at + 1 < from->n) left = from->size[++at];
            int64_t take = left < need ? left : need;
            if (take < 2 || left % take || need % take) return false;
            left /= take;
            need /= take;
            if (!add(to, take, from->stride[at] * left)) return false;
        }
        ends[d] = to->n;
    }
    return true;
}

static bool transpose(const etch_xnn_node *n, const etch_xnn_value *in, parts *p)
{
    parts cut, out = { 0 };
    int ends[ETCH_XNN_RANK];
    if (!regroup(p, in->rank, in->dims, &cut, ends)) return false;
    for (int d = 0; d < in->rank; d++)
        for (int from = (int)n->p[d], i = from ? ends[from - 1] : 0; i < ends[from]; i++)
            if (!add(&out, cut.size[i], cut.stride[i])) return false;
    *p = out;
    return true;
}

// Joins parts that continue each other; then the last one is whole runs. False: too many, or too short ones are left.
static bool finish(const parts *p, etch_xnn_chain *c)
{
    parts out = { 0 };
    for (int i = 0; i < p->n; i++) {
        if (out.n && out.stride[out.n - 1] == p->size[i] * p->stride[i]) {
            out.size[out.n - 1] *= p->size[i];
            out.stride[out.n - 1] = p->stride[i];
        } else {
            add(&out, p->size[i], p->stride[i]);
        }
    }
    if (!out.n || out.n > ETCH_XNN_RANK || out.stride[out.n - 1] != 1 || out.size[out.n - 1] < SHORTEST) return false;
    c->n_moved = out.n;
    memcpy(c->moved, out.size, sizeof c->moved);
    memcpy(c->moved_stride, out.stride, sizeof c->moved_stride);
    return true;
}

int etch_xnn__find_moves(const etch_xnn_finder *f, int first, etch_xnn_chain *c)
{
    const etch_xnn *x = f->x;
    const etch_xnn_value *in = &x->values[x->nodes[first].in[0]];
    int best = 1, turns = 0;
    parts p = { 0 };
    for (int d = 0; d < in->rank; d++)
        if (!add(&p, in->dims[d], 1)) return 1;
    for (int64_t d = in->rank - 1, stride = 1; d >= 0; stride *= in->dims[d--]) p.stride[d] = stride;
    if (x->nodes[first].row->kind != XK_TRANSPOSE || in->type != XT_F32 || !in->numel) return 1;
    for (int i = first; i < x->n_nodes && i - first < ETCH_XNN_CHAIN_NODES; i++) {
        const etch_xnn_node *n = &x->nodes[i];
        bool is_turn = n->row->kind == XK_TRANSPOSE;
        if (!is_turn && n->row->kind != XK_RESHAPE) break;
        if (i > first) {   // nobody else reads what is between
            const etch_xnn_value *between = &x->values[n->in[0]];
            int before = x->nodes[i - 1].out[0];
            if (n->in[0] != before || between->where != XV_INTERNAL || f->last_reader[before] != i) break;
        }
        if (is_turn) {
            if (!transpose(n, &x->values[n->in[0]], &p)) break;
            turns++;
        }
        if (is_turn && turns > 1 && finish(&p, c)) best = i - first + 1;
    }
    return best;
}
