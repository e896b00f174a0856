// Constant folding.
//   Before: %1 = aten::arange(4) : i64[4]            After:  %1 = data : i64[4] hex "…"
//           %2 = aten::add.Tensor(%0, %1)                    %2 = aten::add.Tensor(%0, %1)
// Requires: nothing. With opts->weights also constants over files fold.
// Keeps: big constants (over opts->fold_limit bytes) as expressions, evaluated when the file is written; names.
// Breaks: leaves dead nodes behind: run `dce`.
// Careful: weights that are quantized, or came as integers, stay expressions whatever their size. Only results that a node outside the
// constant part uses are computed, so intermediates cost nothing. A random value that an output depends on is refused: it is a parameter
// that the checkpoint lacks.
#include "kern/kern.h"
#include "pass/packed.h"

enum { DEFAULT_LIMIT = 64 * 1024 };

static char wanted;

static void want(void *user, etch_value *v) { (void)user, v->user = &wanted; }

static void has_file(void *user, etch_value *v)
{
    if (v->src == ETCH_SRC_FILE) *(bool *)user = true;
}

static void is_quantized(void *user, etch_value *v)
{
    if (v->src == ETCH_SRC_NODE && (v->def->op->id == ETCH_OP_etch_quantize || etch_packed_is(v->def))) *(bool *)user = true;
}

static etch_status *fold_value(etch_method *m, etch_value *v, const etch_pass_opts *o, etch_value **out)
{
    size_t n, limit = o && o->fold_limit ? o->fold_limit : DEFAULT_LIMIT;
    *out = NULL;
    if (!etch_tensor_nbytes(&v->t, &n) || n > limit) return NULL;
    if (!o || !o->weights) {
        bool file = false;
        ETCH_TRY(etch_eval_each_source(v, has_file, &file));
        if (file) return NULL;
    }
    bool quantized = false;  // the writer gets integers and scales in one go; here the weight would be quantized once more for its scales
    ETCH_TRY(etch_eval_each_source(v, is_quantized, &quantized));
    if (quantized) return NULL;
    etch_evaluated r;
    etch_status *s = etch_eval_const(o ? o->weights : NULL, v, &r);
    if (s && etch_status_code(s) == ETCH_UNSUPPORTED) {  // an op without a kernel: the runtime computes it
        etch_status_free(s);
        return NULL;
    }
    ETCH_TRY(s);
    s = etch_method_add_data(m, &r.t, out);
    etch_evaluated_free(o ? o->weights : NULL, &r);
    if (!s) (*out)->fqn = v->fqn;
    return s;
}

static etch_status *random_error(etch_method *m, const etch_node *n)
{
    for (int i = 0; i < n->n_outs; i++)
        if (n->outs[i]->fqn.len)
            return ETCH_ERR(ETCH_INVALID, "parameter %.*s is not in the checkpoint (its value is random)", ETCH_STR_ARGS(n->outs[i]->fqn));
    return ETCH_ERR(ETCH_INVALID, "%s gives random values: a parameter is not in the checkpoint, or the model draws random numbers",
                    etch_node_place(m, n));
}

typedef struct { const etch_node *random; etch_str name; } search;

// Follows the uses of random values to a named result, for the message.
static etch_str name_behind(const etch_node *random)
{
    const etch_value *v = random->outs[0];
    for (const etch_node *n = random->next; n; n = n->next) {
        if (n->n_outs != 1 || n->op->schema->n_params < 1 || n->args[0].kind != ETCH_V_TENSOR || etch_value_of(n->args[0].t) != v) continue;
        if (n->outs[0]->fqn.len) return n->outs[0]->fqn;
        v = n->outs[0];
    }
    return (etch_str){ "", 0 };
}

// Marks what outputs need, backwards; a random node among it is an error.
static etch_status *refuse_random(etch_method *m)
{
    etch_method_clear_user(m);
    for (int i = 0; i < m->n_outputs; i++) want(NULL, m->outputs[i].v);
    for (int i = 0; i < m->n_mutations; i++) want(NULL, m->mutations[i].v);
    for (int i = 0; i < m->n_leaves; i++)
        if (m->leaves[i]->init) want(NULL, m->leaves[i]->init);
    for (etch_node *n = m->last; n; n = n->prev) {
        bool needed = (n->op->flags & (ETCH_OPF_INPLACE | ETCH_OPF_SYM)) != 0;
        for (int i = 0; i < n->n_outs; i++) needed = needed || n->outs[i]->user;
        if (!needed) continue;
        if (n->op->flags & ETCH_OPF_RANDOM && n->op->id != ETCH_OP_native_dropout) {
            etch_str name = n->n_outs ? name_behind(n) : (etch_str){ "", 0 };
            if (name.len)
                return ETCH_ERR(ETCH_INVALID, "parameter %.*s is not in the checkpoint (its value is random)", ETCH_STR_ARGS(name));
            return random_error(m, n);
        }
        etch_node_each_use(n, want, NULL);
    }
    return NULL;
}

static void want_constant(void *user, etch_value *v)
{
    (void)user;
    if (etch_const_is(v) && v->src == ETCH_SRC_NODE) v->user = &wanted;
}

static etch_status *run(etch_method *m, const etch_pass_opts *o)
{
    ETCH_TRY(refuse_random(m));
    etch_method_clear_user(m);
    etch_const_mark(m);
    for (etch_node *n = m->first; n; n = n->next)
        if (n->n_outs == 0 || !etch_const_is(n->outs[0])) etch_node_each_use(n, want_constant, NULL);
    for (int i = 0; i < m->n_outputs; i++) want_constant(NULL, m->outputs[i].v);
    for (int i = 0; i < m->n_mutations; i++) want_constant(NULL, m->mutations[i].v);
    for (etch_node *n = m->first; n; n = n->next)
        for (int i = 0; i < n->n_outs; i++) {
            etch_value *v = n->outs[i], *folded = NULL;
            if (v->user != &wanted) continue;
            v->user = NULL;
            etch_status *s = fold_value(m, v, o, &folded);
            if (s) return etch_status_frame(s, __FILE__, __LINE__, "%s", etch_node_place(m, n));
            v->user = folded;
        }
    etch_method_replace_all(m);
    return NULL;
}

etch_status *etch_pass_fold(etch_program *p, const etch_pass_opts *o)
{
    for (int i = 0; i < p->n_methods; i++) ETCH_TRY(run(p->methods[i], o));
    return NULL;
}
