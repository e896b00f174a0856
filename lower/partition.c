// Recipe xnnpack: which nodes go into delegates. In: lm->steps, all nodes. Out: lm->groups, and lm->steps with one step a group.
//
// A node qualifies when its row has a rule (column xnn), the rule agrees, and every tensor it touches is of rank 1 to 6 (constants: up to
// 6) without an empty size, all of one type: float32, float16, or bfloat16 where the rule takes it. Qualifying nodes and the others form
// alternating stages: stage k of the delegate side takes every qualifying node whose arguments are known after stage k-1 of the other side.
// That gives the fewest delegates that an order of execution allows, each is acyclic with the rest by construction, and the result depends
// on the order of nodes alone.
//
// A group is dropped, and the stages formed again, unless it has a product or convolution, or arithmetic over more than 1024 elements: a
// delegate call reshapes a whole XNNPACK runtime, which a lone view or a scalar expression is not worth.
//
// Reads and writes of state buffers keep their order.
#include "lower/xnn.h"

#define SMALL 1024

typedef struct edge { int from; struct edge *next; } edge;

typedef struct unit {
    etch_node *node;
    const xnn_rule *rule;  // NULL: outside
    const char *outside;   // why
    int stage;
    edge *needs;
    lw_group *group;
} unit;

typedef struct part {
    lw_method *lm;
    unit *units; int n;
    int *sym_unit;         // unit that defines a symbol, -1
} part;

// NULL when XNNPACK can hold the tensor, otherwise why not.
static const char *tensor_misfit(const lw_method *lm, const etch_tensor *t, bool is_const)
{
    if (t->dtype != ETCH_F32 && t->dtype != ETCH_F16 && t->dtype != ETCH_BF16) return "an operand or result is no float tensor";
    if (t->rank > 6) return "more than 6 dimensions";
    if (t->rank == 0 && !is_const) return "a scalar that is computed at run time";
    for (int i = 0; i < t->rank; i++)
        if (!etch_dim_known(&lm->m->program->syms, ETCH_CMP_GE, t->sizes[i], etch_dim_of(1))) return "a size may be 0";
    return NULL;
}

typedef struct { const lw_method *lm; const xnn_rule *rule; etch_dtype dtype; const char *misfit; int n_live; } fit;

static void must_fit(fit *f, const etch_tensor *t, bool is_const)
{
    const char *why = tensor_misfit(f->lm, t, is_const);
    if (!why && !f->rule->casts && t->dtype != f->dtype) why = "operands and result have several types";
    if (!why && t->dtype == ETCH_BF16 && !f->rule->bfloat16) why = "XNNPACK cannot do it in bfloat16";
    if (why) f->misfit = why;
}

static void use_fits(void *user, etch_value *v)
{
    fit *f = user;
    const lw_slot *s = lw_slot_of(v);
    f->n_live += !s->is_const;
    if (v->is_scalar) f->misfit = "it reads a symbol";
    else if (!(f->rule->own_types && s->is_const)) must_fit(f, &v->t, s->is_const);
}

static const xnn_rule *rule_for(const lw_method *lm, const etch_node *n, const char **out_outside)
{
    const xnn_rule *r = lw_xnn_rule(n->op->id);
    *out_outside = "XNNPACK has no such operator, or no rule for it";
    if (!r) return NULL;
    fit f = { lm, r, n->n_outs && !n->outs[0]->is_scalar ? n->outs[0]->t.dtype : ETCH_F32, NULL, 0 };
    if (f.dtype == ETCH_BF16 && !r->bfloat16) lm->lp->report.n_bfloat16++;
    etch_node_each_use(n, use_fits, &f);
    for (int i = 0; i < n->n_outs; i++) {
        if (n->outs[i]->is_scalar) f.misfit = "it defines a symbol";
        else if (lw_slot_of(n->outs[i])->uses) must_fit(&f, &n->outs[i]->t, false);
    }
    *out_outside = f.misfit ? f.misfit : !f.n_live ? "it reads constants only" : "XNNPACK cannot do it with these arguments";
    return !f.misfit && f.n_live && r->can(lm, n) ? r : NULL;
}

// ---- dependencies
static etch_status *need(part *p, int unit_index, int from)
{
    if (from < 0 || from == unit_index) return NULL;
    edge *e;
    ETCH_ALLOC(e, &p->lm->lp->arena, sizeof *e);
    *e = (edge){ from, p->units[unit_index].needs };
    p->units[unit_index].needs = e;
    return NULL;
}

// The state buffer that a value shows, through views and in-place results; NULL: none.
static lw_slot *state_of(const part *p, etch_value *v)
{
    while (v->src == ETCH_SRC_NODE) {
        const etch_node *n = v->def;
        int arg = -1;
        if (n->op->flags & ETCH_OPF_INPLACE) {
            for (int i = 0; i < n->op->schema->n_params && arg < 0; i++)
                if (n->op->schema->params[i].is_mutable) arg = i;
        } else if (lw_node_is_reshape(p->lm, n)) arg = 0;
        if (arg < 0 || n->args[arg].kind != ETCH_V_TENSOR) return NULL;
        v = etch_arg_value(&n->args[arg]);
    }
    return v->src == ETCH_SRC_BUFFER ? lw_slot_of(v) : NULL;
}

typedef struct readers { int unit; struct readers *next; } readers;
typedef struct state { lw_slot *buffer; int writer; readers *readers; struct state *next; } state;
typedef struct walk { part *p; int at; state **states; etch_status *error; bool writes; } walk;

static etch_status *touch_state(walk *w, etch_value *v)
{
    lw_slot *buffer = state_of(w->p, v);
    if (!buffer) return NULL;
    state *s = *w->states;
    while (s && s->buffer != buffer) s = s->next;
    if (!s) {
        ETCH_ALLOC(s, &w->p->lm->lp->arena, sizeof *s);
        *s = (state){ buffer, -1, NULL, *w->states };
        *w->states = s;
    }
    ETCH_TRY(need(w->p, w->at, s->writer));
    if (w->writes) {
        for (readers *r = s->readers; r; r = r->next) ETCH_TRY(need(w->p, w->at, r->unit));
        s->readers = NULL;
        s->writer = w->at;
    } else {
        readers *r;
        ETCH_ALLOC(r, &w->p->lm->lp->arena, sizeof *r);
        *r = (readers){ w->at, s->readers };
        s->readers = r;
    }
    return NULL;
}

static void use_needs(void *user, etch_value *v)
{
    walk *w = user;
    if (w->error) return;
    if (v->src == ETCH_SRC_NODE && v->def->user) w->error = need(w->p, w->at, (int)((unit *)v->def->user - w->p->units));
    if (!w->error && !w->writes) w->error = touch_state(w, v);
}

static etch_status *need_symbols(part *p, int at, etch_dim d)
{
    if (etch_dim_is_const(d)) return NULL;
    const etch_monomial *terms;
    int n;
    etch_dim_terms(d, &terms, &n);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < terms[i].n_atoms; k++) {
            const etch_atom *a = terms[i].atoms[k];
            if (a->kind == ETCH_ATOM_SYM) ETCH_TRY(need(p, at, p->sym_unit[a->sym]));
            else {
                ETCH_TRY(need_symbols(p, at, a->a));
                ETCH_TRY(need_symbols(p, at, a->b));
            }
        }
    return NULL;
}

static etch_status *define_symbols(part *p, int at, etch_dim d)
{
    const etch_monomial *terms;
    int n;
    if (etch_dim_is_const(d)) return NULL;
    etch_dim_terms(d, &terms, &n);
    if (n == 1 && terms[0].n_atoms == 1 && terms[0].atoms[0]->kind == ETCH_ATOM_SYM && p->sym_unit[terms[0].atoms[0]->sym] == -1)
        p->sym_unit[terms[0].atoms[0]->sym] = at;
    return NULL;
}

static etch_status *find_needs(part *p)
{
    lw_method *lm = p->lm;
    state *states = NULL;
    int n_syms = lm->m->program->syms.n_syms;
    ETCH_ALLOC(p->sym_unit, &lm->lp->arena, sizeof *p->sym_unit * (size_t)(n_syms + 1));
    for (int i = 0; i < n_syms; i++) p->sym_unit[i] = -1;
    for (int i = 0; i < lm->m->n_leaves; i++)
        for (int d = 0; lm->m->leaves[i]->src == ETCH_SRC_INPUT && d < lm->m->leaves[i]->t.rank; d++) {
            const etch_monomial *terms;
            int n;
            etch_dim size = lm->m->leaves[i]->t.sizes[d];
            if (etch_dim_is_const(size)) continue;
            etch_dim_terms(size, &terms, &n);
            for (int k = 0; k < n; k++)
                if (terms[k].n_atoms == 1 && terms[k].atoms[0]->kind == ETCH_ATOM_SYM)
                    p->sym_unit[terms[k].atoms[0]->sym] = -2;  // known from the start
        }
    for (int i = 0; i < p->n; i++) {
        etch_node *n = p->units[i].node;
        walk w = { p, i, &states, NULL, false };
        etch_node_each_use(n, use_needs, &w);
        ETCH_TRY(w.error);
        for (int k = 0; k < n->op->schema->n_params; k++) {
            const etch_val *a = &n->args[k];
            if (a->kind == ETCH_V_INT) ETCH_TRY(need_symbols(p, i, a->i));
            for (int d = 0; a->kind == ETCH_V_INTS && d < a->ints.n; d++) ETCH_TRY(need_symbols(p, i, a->ints.p[d]));
            if (a->kind == ETCH_V_TENSOR && (n->op->flags & ETCH_OPF_INPLACE) && n->op->schema->params[k].is_mutable) {
                w.writes = true;
                ETCH_TRY(touch_state(&w, etch_value_of(a->t)));
                w.writes = false;
            }
        }
        for (int k = 0; k < n->n_outs; k++) {
            if (n->outs[k]->is_scalar) ETCH_TRY(define_symbols(p, i, n->outs[k]->scalar));
            for (int d = 0; !n->outs[k]->is_scalar && d < n->outs[k]->t.rank; d++) {
                ETCH_TRY(need_symbols(p, i, n->outs[k]->t.sizes[d]));
                ETCH_TRY(define_symbols(p, i, n->outs[k]->t.sizes[d]));
            }
        }
    }
    return NULL;
}

// ---- stages
static int form_stages(part *p)
{
    int last = -1;
    for (int i = 0; i < p->n; i++) {
        unit *u = &p->units[i];
        u->stage = 0;
        for (const edge *e = u->needs; e; e = e->next) {
            const unit *d = &p->units[e->from];
            int s = d->stage + (u->rule && !d->rule);
            if (s > u->stage) u->stage = s;
        }
        if (u->rule && u->stage > last) last = u->stage;
    }
    return last + 1;
}

// Removes the rules of groups that are not worth a delegate; false when all are.
static etch_status *drop_small(part *p, int n_stages, bool *out_dropped)
{
    bool *keep;
    ETCH_ALLOC(keep, &p->lm->lp->arena, sizeof *keep * (size_t)(n_stages + 1));
    for (int i = 0; i < p->n; i++) {
        const unit *u = &p->units[i];
        if (!u->rule) continue;
        if (u->rule->weight == XNN_HEAVY) keep[u->stage] = true;
        const etch_value *out = u->node->outs[0];
        if (u->rule->weight == XNN_LIGHT && lw_slot_of(out)->nbytes / etch_dtype_size(out->t.dtype) > SMALL) keep[u->stage] = true;
    }
    *out_dropped = false;
    for (int i = 0; i < p->n; i++)
        if (p->units[i].rule && !keep[p->units[i].stage]) {
            p->units[i].rule = NULL;
            p->units[i].outside = "alone, not worth a delegate call";
            *out_dropped = true;
        }
    return NULL;
}

// ---- groups
static void count_use(void *user, etch_value *v)
{
    lw_slot *s = lw_slot_of(v);
    s->uses++;
    s->reader = user;
}

typedef struct { lw_method *lm; lw_group *g; int cap; etch_status *error; } gather;

static void use_input(void *user, etch_value *v)
{
    gather *x = user;
    lw_slot *s = lw_slot_of(v);
    if (x->error || s->is_const || s->made_in == x->g) return;
    for (int i = 0; i < x->g->n_inputs; i++)
        if (x->g->inputs[i] == s) return;
    if (x->g->n_inputs == x->cap) {
        lw_slot **p = etch_arena_alloc(&x->lm->lp->arena, sizeof *p * (size_t)(x->cap * 2 + 8));
        if (!p) {
            x->error = ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
            return;
        }
        if (x->cap) memcpy(p, x->g->inputs, sizeof *p * (size_t)x->cap);
        x->g->inputs = p;
        x->cap = x->cap * 2 + 8;
    }
    x->g->inputs[x->g->n_inputs++] = s;
}

static bool used_outside(const part *p, const lw_slot *s, const lw_group *g)
{
    for (int i = 0; i < p->lm->m->n_outputs; i++)
        if (lw_slot_of(p->lm->m->outputs[i].v) == s) return true;
    int inside = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const etch_node *n = g->nodes[i];
        for (int k = 0; k < n->op->schema->n_params; k++) {
            const etch_val *a = &n->args[k];
            if (a->kind == ETCH_V_TENSOR) inside += lw_slot_arg(a) == s;
            for (int j = 0; a->kind == ETCH_V_TENSORS && j < a->tensors.n; j++)
                inside += a->tensors.p[j] && lw_slot_of(etch_value_of(a->tensors.p[j])) == s;
        }
    }
    return s->uses > inside;
}

static etch_status *make_group(part *p, int stage, lw_group **out)
{
    lw_method *lm = p->lm;
    lw_group *g;
    *out = NULL;
    int n = 0;
    for (int i = 0; i < p->n; i++) n += p->units[i].rule && p->units[i].stage == stage;
    if (!n) return NULL;
    ETCH_ALLOC(g, &lm->lp->arena, sizeof *g);
    ETCH_ALLOC(g->nodes, &lm->lp->arena, sizeof *g->nodes * (size_t)n);
    int n_outs = 0;
    for (int i = 0; i < p->n; i++) {
        unit *u = &p->units[i];
        if (!u->rule || u->stage != stage) continue;
        u->group = g;
        g->nodes[g->n_nodes++] = u->node;
        n_outs += u->node->n_outs;
        for (int k = 0; k < u->node->n_outs; k++) lw_slot_of(u->node->outs[k])->made_in = g;
    }
    gather x = { lm, g, 0, NULL };
    for (int i = 0; i < g->n_nodes; i++) etch_node_each_use(g->nodes[i], use_input, &x);
    ETCH_TRY(x.error);
    ETCH_ALLOC(g->outputs, &lm->lp->arena, sizeof *g->outputs * (size_t)(n_outs + 1));
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_outs; k++)
            if (used_outside(p, lw_slot_of(g->nodes[i]->outs[k]), g)) g->outputs[g->n_outputs++] = lw_slot_of(g->nodes[i]->outs[k]);
    g->delegate = lm->n_groups;
    LW_GROW(&lm->lp->arena, lm->groups, lm->n_groups, lm->cap_groups);
    lm->groups[lm->n_groups++] = g;
    *out = g;
    return NULL;
}

// ---- order: of what is ready, the unit that stood first; a group stands where its last node stood
typedef struct task { lw_group *group; etch_node *node; const char *outside; int place, n_waits; edge *feeds; } task;

static etch_status *order(part *p, lw_group **groups, int n_stages)
{
    lw_method *lm = p->lm;
    etch_arena *arena = &lm->lp->arena;
    task *tasks;
    int *task_of, n = 0, n_done = 0;
    ETCH_ALLOC(tasks, arena, sizeof *tasks * (size_t)(p->n + 1));
    ETCH_ALLOC(task_of, arena, sizeof *task_of * (size_t)(p->n + 1));
    for (int s = 0; s < n_stages; s++)
        if (groups[s]) tasks[n++].group = groups[s];
    int n_groups = n;
    for (int i = 0; i < p->n; i++) {
        task_of[i] = -1;
        for (int g = 0; p->units[i].rule && g < n_groups; g++)
            if (tasks[g].group == p->units[i].group) task_of[i] = g;
        if (task_of[i] < 0) {
            tasks[n].node = p->units[i].node;
            tasks[n].outside = p->units[i].outside;
            task_of[i] = n++;
        }
        tasks[task_of[i]].place = i;
    }
    for (int i = 0; i < p->n; i++)
        for (const edge *e = p->units[i].needs; e; e = e->next) {
            int from = task_of[e->from], to = task_of[i];
            if (from == to) continue;
            edge *f;
            ETCH_ALLOC(f, arena, sizeof *f);
            *f = (edge){ to, tasks[from].feeds };
            tasks[from].feeds = f;
            tasks[to].n_waits++;
        }
    lm->n_steps = 0;
    while (n_done < n) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (tasks[i].n_waits == 0 && (best < 0 || tasks[i].place < tasks[best].place)) best = i;
        if (best < 0) return ETCH_ERR(ETCH_INTERNAL, "the partition has a cycle");
        task *t = &tasks[best];
        t->n_waits = -1;
        n_done++;
        lm->steps[lm->n_steps++] = (lw_step){ .kind = t->group ? LW_DELEGATE : LW_KERNEL, .node = t->node, .group = t->group,
                                              .outside = t->outside };
        for (const edge *f = t->feeds; f; f = f->next) tasks[f->from].n_waits--;
    }
    return NULL;
}

etch_status *lw_partition(lw_method *lm)
{
    part p = { .lm = lm, .n = lm->n_steps };
    ETCH_ALLOC(p.units, &lm->lp->arena, sizeof *p.units * (size_t)(p.n + 1));
    for (int i = 0; i < p.n; i++) etch_node_each_use(lm->steps[i].node, count_use, lm->steps[i].node);
    for (int i = 0; i < lm->m->n_outputs; i++) count_use(NULL, lm->m->outputs[i].v);
    for (int i = 0; i < p.n; i++) {
        p.units[i].node = lm->steps[i].node;
        p.units[i].rule = rule_for(lm, p.units[i].node, &p.units[i].outside);
        p.units[i].node->user = &p.units[i];
    }
    etch_status *s = find_needs(&p);
    for (int i = 0; i < p.n; i++) p.units[i].node->user = NULL;
    ETCH_TRY(s);
    int n_stages;
    bool dropped;
    do {
        n_stages = form_stages(&p);
        ETCH_TRY(drop_small(&p, n_stages, &dropped));
    } while (dropped);
    lw_group **groups;
    ETCH_ALLOC(groups, &lm->lp->arena, sizeof *groups * (size_t)(n_stages + 1));
    for (int i = 0; i < n_stages; i++) ETCH_TRY(make_group(&p, i, &groups[i]));
    return order(&p, groups, n_stages);
}
