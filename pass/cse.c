// Common subexpressions.
//   Before: %2 = aten::exp(%0)             After:  %2 = aten::exp(%0)
//           %3 = aten::exp(%0)                     %4 = aten::add.Tensor(%2, %2)
//           %4 = aten::add.Tensor(%2, %3)
// Requires: nothing. Equal files (same file and key) and equal literal data become one leaf.
// Keeps: the first of equal nodes with its place in the source and its name; when it has no name, the later one's.
// Breaks: leaves dead nodes and leaves behind only where they are unlinked at once: none.
// Careful: random nodes, in-place writes and symbol definitions are never merged; inputs and buffers are never merged.
#include "base/map.h"
#include "pass/pass.h"

static void put_val(etch_buf *key, const etch_val *v)
{
    etch_buf_put(key, &v->kind, sizeof v->kind);
    switch (v->kind) {
    case ETCH_V_NONE: break;
    case ETCH_V_TENSOR: etch_buf_put(key, &v->t, sizeof v->t); break;
    case ETCH_V_INT: etch_buf_put(key, &v->i.v, sizeof v->i.v); etch_buf_put(key, &v->i.e, sizeof v->i.e); break;
    case ETCH_V_FLOAT: etch_buf_put(key, &v->f, sizeof v->f); break;
    case ETCH_V_BOOL: etch_buf_put(key, &v->b, sizeof v->b); break;
    case ETCH_V_STR: etch_buf_quote(key, v->s); break;
    case ETCH_V_INTS:
        etch_buf_put(key, &v->ints.n, sizeof v->ints.n);
        for (int i = 0; i < v->ints.n; i++) {
            etch_buf_put(key, &v->ints.p[i].v, sizeof v->ints.p[i].v);
            etch_buf_put(key, &v->ints.p[i].e, sizeof v->ints.p[i].e);
        }
        break;
    case ETCH_V_FLOATS:
        etch_buf_put(key, &v->floats.n, sizeof v->floats.n);
        etch_buf_put(key, v->floats.p, (size_t)v->floats.n * sizeof *v->floats.p);
        break;
    case ETCH_V_BOOLS:
        etch_buf_put(key, &v->bools.n, sizeof v->bools.n);
        etch_buf_put(key, v->bools.p, (size_t)v->bools.n * sizeof *v->bools.p);
        break;
    case ETCH_V_TENSORS:
        etch_buf_put(key, &v->tensors.n, sizeof v->tensors.n);
        etch_buf_put(key, v->tensors.p, (size_t)v->tensors.n * sizeof *v->tensors.p);
        break;
    }
}

static void put_type(etch_buf *key, const etch_tensor *t)
{
    etch_buf_put(key, &t->dtype, sizeof t->dtype);
    for (int i = 0; i < t->rank; i++) etch_buf_put(key, &t->sizes[i].v, sizeof t->sizes[i].v);
}

static etch_value *forward(etch_value *v)
{
    while (v->user) v = v->user;
    return v;
}

static void forward_args(etch_node *n)
{
    for (int i = 0; i < n->op->schema->n_params; i++) {
        etch_val *a = &n->args[i];
        if (a->kind == ETCH_V_TENSOR) a->t = &forward(etch_value_of(a->t))->t;
        if (a->kind != ETCH_V_TENSORS) continue;
        for (int k = 0; k < a->tensors.n; k++)
            if (a->tensors.p[k]) a->tensors.p[k] = &forward(etch_value_of(a->tensors.p[k]))->t;
    }
}

static void merge(etch_value *kept, etch_value *v)
{
    if (!kept->fqn.len) kept->fqn = v->fqn;
    v->user = kept;
}

// Returns the first thing stored under the key, or stores `what`.
static etch_status *first_of(etch_map *map, etch_arena *a, const etch_buf *key, void *what, void **out)
{
    ETCH_TRY(etch_buf_check(key));
    *out = etch_map_get(map, etch_buf_str(key));
    if (*out) return NULL;
    etch_str copy = etch_arena_str(a, etch_buf_str(key));
    if (!copy.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    *out = what;
    return etch_map_put(map, copy, what);
}

static etch_status *merge_leaves(etch_method *m, etch_map *map, etch_arena *a, etch_buf *key)
{
    int kept = 0;
    for (int i = 0; i < m->n_leaves; i++) {
        etch_value *v = m->leaves[i], *first = v;
        key->len = 0;
        if (v->src == ETCH_SRC_FILE) {
            etch_buf_puts(key, "file");
            etch_buf_quote(key, v->file);
            etch_buf_quote(key, v->name);
            put_type(key, &v->t);
        } else if (v->src == ETCH_SRC_DATA) {
            size_t n = 0;
            etch_buf_puts(key, "data");
            put_type(key, &v->t);
            if (etch_tensor_nbytes(&v->t, &n)) etch_buf_put(key, v->t.data, n);
        }
        if (key->len) {
            void *found;
            ETCH_TRY(first_of(map, a, key, v, &found));
            first = found;
        }
        if (first == v) m->leaves[kept++] = v;
        else merge(first, v);
    }
    m->n_leaves = kept;
    return NULL;
}

static etch_status *merge_nodes(etch_method *m, etch_map *map, etch_arena *a, etch_buf *key)
{
    for (etch_node *n = m->first; n; n = n->next) {
        forward_args(n);
        if (n->op->flags & (ETCH_OPF_RANDOM | ETCH_OPF_INPLACE | ETCH_OPF_SYM) || n->op->id == ETCH_OP_nonzero || n->n_outs == 0) continue;
        key->len = 0;
        etch_buf_puts(key, "node");
        etch_buf_put(key, &n->op->id, sizeof n->op->id);
        for (int i = 0; i < n->op->schema->n_params; i++) put_val(key, &n->args[i]);
        void *found;
        ETCH_TRY(first_of(map, a, key, n, &found));
        etch_node *first = found;
        if (first == n) continue;
        for (int i = 0; i < n->n_outs; i++) merge(first->outs[i], n->outs[i]);
        etch_method_remove(m, n);
    }
    return NULL;
}

etch_status *etch_pass_cse(etch_program *p, const etch_pass_opts *o)
{
    (void)o;
    for (int i = 0; i < p->n_methods; i++) {
        etch_method *m = p->methods[i];
        etch_map map;
        etch_arena arena;
        etch_buf key = { 0 };
        etch_map_init(&map);
        etch_arena_init(&arena);
        etch_method_clear_user(m);
        etch_status *s = merge_leaves(m, &map, &arena, &key);
        if (!s) s = merge_nodes(m, &map, &arena, &key);
        if (!s) etch_method_replace_all(m);
        etch_map_deinit(&map);
        etch_arena_deinit(&arena);
        etch_buf_deinit(&key);
        ETCH_TRY(s);
    }
    return NULL;
}
