// Construction of programs, methods, leaves and nodes. In: types, op rows and arguments. Out: a linked, typed graph in the program's arena.
#include <stdlib.h>

#include "graph/internal.h"

etch_status *etch_graph__grow(etch_arena *a, void *array, int n, int *cap, size_t elem)
{
    if (n < *cap) return NULL;
    int more = *cap ? *cap * 2 : 8;
    void *bigger, *old;
    ETCH_ALLOC(bigger, a, (size_t)more * elem);
    memcpy(&old, array, sizeof old);
    if (n) memcpy(bigger, old, (size_t)n * elem);
    memcpy(array, &bigger, sizeof bigger);
    *cap = more;
    return NULL;
}

static etch_status *copy_str(etch_arena *a, etch_str in, etch_str *out)
{
    *out = (etch_str){ "", 0 };
    if (!in.len) return NULL;
    *out = etch_arena_str(a, in);
    return out->ptr ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
}

static etch_status *copy_list(etch_arena *a, const void *in, int n, size_t elem, void *out)
{
    void *p;
    ETCH_ALLOC(p, a, (size_t)(n + 1) * elem);
    if (n) memcpy(p, in, (size_t)n * elem);
    memcpy(out, &p, sizeof p);
    return NULL;
}

etch_status *etch_graph__copy_val(etch_arena *a, const etch_val *in, etch_val *out)
{
    *out = *in;
    switch (in->kind) {
    case ETCH_V_STR: return copy_str(a, in->s, &out->s);
    case ETCH_V_INTS: return copy_list(a, in->ints.p, in->ints.n, sizeof *in->ints.p, &out->ints.p);
    case ETCH_V_FLOATS: return copy_list(a, in->floats.p, in->floats.n, sizeof *in->floats.p, &out->floats.p);
    case ETCH_V_BOOLS: return copy_list(a, in->bools.p, in->bools.n, sizeof *in->bools.p, &out->bools.p);
    case ETCH_V_TENSORS: return copy_list(a, in->tensors.p, in->tensors.n, sizeof *in->tensors.p, &out->tensors.p);
    default: return NULL;
    }
}

etch_status *etch_program_new(etch_program **out)
{
    *out = NULL;
    etch_program *p = calloc(1, sizeof *p);
    if (!p) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    etch_arena_init(&p->arena);
    etch_syms_init(&p->syms, &p->arena);
    *out = p;
    return NULL;
}

void etch_program_destroy(etch_program *p)
{
    if (!p) return;
    etch_arena_deinit(&p->arena);
    free(p);
}

etch_status *etch_program_add_method(etch_program *p, etch_str name, etch_method **out)
{
    *out = NULL;
    for (int i = 0; i < p->n_methods; i++)
        if (etch_str_eq(p->methods[i]->name, name)) return ETCH_ERR(ETCH_INVALID, "two methods are named '%.*s'", ETCH_STR_ARGS(name));
    etch_method *m;
    ETCH_ALLOC(m, &p->arena, sizeof *m);
    m->program = p;
    ETCH_TRY(copy_str(&p->arena, name, &m->name));
    ETCH_TRY(etch_graph__grow(&p->arena, &p->methods, p->n_methods, &p->cap_methods, sizeof *p->methods));
    p->methods[p->n_methods++] = m;
    *out = m;
    return NULL;
}

etch_status *etch_program_set_meta(etch_program *p, etch_str name, etch_val value)
{
    if (value.kind == ETCH_V_TENSOR || value.kind == ETCH_V_TENSORS)
        return ETCH_ERR(ETCH_INVALID, "meta '%.*s' cannot be a tensor", ETCH_STR_ARGS(name));
    etch_val copy;
    ETCH_TRY(etch_graph__copy_val(&p->arena, &value, &copy));
    for (int i = 0; i < p->n_metas; i++)
        if (etch_str_eq(p->metas[i].name, name)) {
            p->metas[i].value = copy;
            return NULL;
        }
    ETCH_TRY(etch_graph__grow(&p->arena, &p->metas, p->n_metas, &p->cap_metas, sizeof *p->metas));
    etch_meta *meta = &p->metas[p->n_metas];
    ETCH_TRY(copy_str(&p->arena, name, &meta->name));
    meta->value = copy;
    p->n_metas++;
    return NULL;
}

static etch_status *new_value(etch_method *m, etch_src src, etch_value **out)
{
    ETCH_ALLOC(*out, &m->program->arena, sizeof **out);
    (*out)->src = src;
    (*out)->id = m->n_values++;
    (*out)->name = (*out)->file = (*out)->fqn = (etch_str){ "", 0 };
    return NULL;
}

static etch_status *check_type(const etch_tensor *t)
{
    int64_t n;
    if (!etch_dtype_is_valid((int)t->dtype)) return ETCH_ERR(ETCH_INVALID, "unknown dtype code %d", (int)t->dtype);
    if (!etch_tensor_numel(t, &n)) return ETCH_ERR(ETCH_INVALID, "a tensor size is negative or too large");
    return NULL;
}

etch_status *etch_graph__new_leaf(etch_method *m, etch_src src, etch_str name, const etch_tensor *type, etch_value **out)
{
    etch_arena *a = &m->program->arena;
    *out = NULL;
    ETCH_TRYF(check_type(type), "%.*s", ETCH_STR_ARGS(name));
    etch_value *v;
    ETCH_TRY(new_value(m, src, &v));
    v->t = *type;
    v->t.data = NULL;
    v->t.capacity = 0;
    ETCH_TRY(copy_str(a, name, &v->name));
    ETCH_TRY(etch_graph__grow(a, &m->leaves, m->n_leaves, &m->cap_leaves, sizeof *m->leaves));
    m->leaves[m->n_leaves++] = v;
    *out = v;
    return NULL;
}

etch_status *etch_method_add_input(etch_method *m, etch_str name, const etch_tensor *type, etch_value **out)
{
    return etch_graph__new_leaf(m, ETCH_SRC_INPUT, name, type, out);
}

etch_status *etch_method_add_file(etch_method *m, etch_str file, etch_str key, const etch_tensor *type, etch_value **out)
{
    *out = NULL;
    if (etch_tensor_is_dynamic(type)) return ETCH_ERR(ETCH_INVALID, "%.*s: a stored tensor cannot have symbolic sizes", ETCH_STR_ARGS(key));
    etch_value *v;
    ETCH_TRY(etch_graph__new_leaf(m, ETCH_SRC_FILE, key, type, &v));
    ETCH_TRY(copy_str(&m->program->arena, file, &v->file));
    *out = v;
    return NULL;
}

etch_status *etch_method_add_data(etch_method *m, const etch_tensor *t, etch_value **out)
{
    size_t n;
    *out = NULL;
    if (etch_tensor_is_dynamic(t) || !etch_tensor_nbytes(t, &n))
        return ETCH_ERR(ETCH_INVALID, "literal data cannot have symbolic or huge sizes");
    if (!t->data && n) return ETCH_ERR(ETCH_INTERNAL, "literal data without bytes");
    etch_value *v;
    ETCH_TRY(etch_graph__new_leaf(m, ETCH_SRC_DATA, (etch_str){ "", 0 }, t, &v));
    ETCH_ALLOC(v->t.data, &m->program->arena, n ? n : 1);
    if (n) memcpy(v->t.data, t->data, n);
    v->t.capacity = n;
    *out = v;
    return NULL;
}

etch_status *etch_method_add_buffer(etch_method *m, etch_str name, const etch_tensor *type, etch_value *init, etch_value **out)
{
    *out = NULL;
    for (int i = 0; i < m->n_leaves; i++)
        if (m->leaves[i]->src == ETCH_SRC_BUFFER && etch_str_eq(m->leaves[i]->name, name))
            return ETCH_ERR(ETCH_INVALID, "two buffers are named '%.*s'", ETCH_STR_ARGS(name));
    ETCH_TRY(etch_graph__new_leaf(m, ETCH_SRC_BUFFER, name, type, out));
    (*out)->init = init;
    return NULL;
}

etch_status *etch_method_add_output(etch_method *m, etch_str name, etch_value *v)
{
    etch_arena *a = &m->program->arena;
    ETCH_TRY(etch_graph__grow(a, &m->outputs, m->n_outputs, &m->cap_outputs, sizeof *m->outputs));
    etch_output *o = &m->outputs[m->n_outputs];
    ETCH_TRY(copy_str(a, name, &o->name));
    o->v = v;
    m->n_outputs++;
    return NULL;
}

etch_status *etch_method_add_mutation(etch_method *m, etch_value *buffer, etch_value *v)
{
    if (buffer->src != ETCH_SRC_BUFFER) return ETCH_ERR(ETCH_INTERNAL, "only a buffer can be mutated");
    ETCH_TRY(etch_graph__grow(&m->program->arena, &m->mutations, m->n_mutations, &m->cap_mutations, sizeof *m->mutations));
    m->mutations[m->n_mutations++] = (etch_mutation){ buffer, v };
    return NULL;
}

static const char *kind_name(etch_vkind k)
{
    static const char *const names[] = { "None", "a tensor", "an int", "a float", "a bool", "a string", "ints", "floats", "bools",
                                         "tensors" };
    return (unsigned)k < sizeof names / sizeof names[0] ? names[k] : "?";
}

static bool is_number(etch_vkind k) { return k == ETCH_V_INT || k == ETCH_V_FLOAT || k == ETCH_V_BOOL; }

static etch_status *coerce_ints(etch_arena *a, const etch_param *q, etch_val *v, bool *out_ok)
{
    if (v->kind == ETCH_V_INTS) *out_ok = true;
    else if (v->kind == ETCH_V_TENSORS && v->tensors.n == 0) {
        *v = (etch_val){ .kind = ETCH_V_INTS };
        *out_ok = true;
    } else if (v->kind == ETCH_V_INT && q->fixed_len > 0) {
        etch_dim lone = v->i, *list;
        ETCH_ALLOC(list, a, (size_t)q->fixed_len * sizeof *list);
        for (int i = 0; i < q->fixed_len; i++) list[i] = lone;
        *v = (etch_val){ .kind = ETCH_V_INTS, .ints = { list, q->fixed_len } };
        *out_ok = true;
    }
    return NULL;
}

static etch_status *coerce_floats(etch_arena *a, etch_val *v, bool *out_ok)
{
    if (v->kind == ETCH_V_FLOATS) *out_ok = true;
    else if (v->kind == ETCH_V_INTS) {
        int n = v->ints.n;
        double *list;
        ETCH_ALLOC(list, a, (size_t)(n + 1) * sizeof *list);
        for (int i = 0; i < n; i++) {
            if (v->ints.p[i].e) return NULL;
            list[i] = (double)v->ints.p[i].v;
        }
        *v = (etch_val){ .kind = ETCH_V_FLOATS, .floats = { list, n } };
        *out_ok = true;
    } else if (v->kind == ETCH_V_TENSORS && v->tensors.n == 0) {
        *v = (etch_val){ .kind = ETCH_V_FLOATS };
        *out_ok = true;
    }
    return NULL;
}

static etch_status *coerce_tensors(etch_type type, etch_val *v, bool *out_ok)
{
    if (v->kind == ETCH_V_INTS && v->ints.n == 0) *v = (etch_val){ .kind = ETCH_V_TENSORS };
    if (v->kind != ETCH_V_TENSORS) return NULL;
    *out_ok = true;
    for (int i = 0; i < v->tensors.n; i++) {
        etch_tensor *t = v->tensors.p[i];
        if (!t && type == ETCH_T_TENSORS) *out_ok = false;
        if (t && etch_value_of(t)->is_scalar) *out_ok = false;
    }
    return NULL;
}

etch_status *etch_graph__coerce(etch_arena *a, const etch_op *op, int param, etch_val *v)
{
    const etch_param *q = &op->schema->params[param];
    etch_vkind k = v->kind;
    bool ok = false, none = k == ETCH_V_NONE;
    switch (q->type) {
    case ETCH_T_TENSOR_OPT: ok = none; goto tensor;
    case ETCH_T_TENSOR:
    tensor:
        ok = ok || (k == ETCH_V_TENSOR && v->t && !etch_value_of(v->t)->is_scalar) || is_number(k);
        break;
    case ETCH_T_TENSORS: case ETCH_T_TENSORS_OPT: ETCH_TRY(coerce_tensors(q->type, v, &ok)); break;
    case ETCH_T_INT_OPT: ok = none; goto integer;
    case ETCH_T_INT:
    integer:
        if (k == ETCH_V_BOOL) *v = etch_val_int(v->b);
        ok = ok || v->kind == ETCH_V_INT;
        break;
    case ETCH_T_INTS_OPT: ok = none; goto integers;
    case ETCH_T_INTS:
    integers:
        if (!ok) ETCH_TRY(coerce_ints(a, q, v, &ok));
        break;
    case ETCH_T_FLOAT_OPT: ok = none; goto number;
    case ETCH_T_FLOAT:
    number:
        if (k == ETCH_V_BOOL || (k == ETCH_V_INT && !v->i.e)) *v = etch_val_float(etch_val_as_double(v));
        ok = ok || v->kind == ETCH_V_FLOAT;
        break;
    case ETCH_T_FLOATS_OPT: ok = none; goto numbers;
    case ETCH_T_FLOATS:
    numbers:
        if (!ok) ETCH_TRY(coerce_floats(a, v, &ok));
        break;
    case ETCH_T_BOOL_OPT: ok = none; goto boolean;
    case ETCH_T_BOOL:
    boolean:
        if (k == ETCH_V_INT && !v->i.e) *v = etch_val_bool(v->i.v != 0);
        ok = ok || v->kind == ETCH_V_BOOL;
        break;
    case ETCH_T_BOOLS:
        if (k == ETCH_V_INTS && v->ints.n == 0) *v = (etch_val){ .kind = ETCH_V_BOOLS };
        ok = v->kind == ETCH_V_BOOLS;
        break;
    case ETCH_T_SCALAR_OPT: ok = none || is_number(k); break;
    case ETCH_T_SCALAR: ok = is_number(k); break;
    case ETCH_T_STR_OPT: ok = none || k == ETCH_V_STR; break;
    case ETCH_T_STR: ok = k == ETCH_V_STR; break;
    }
    if (ok) return NULL;
    return ETCH_ERR(ETCH_INVALID, "%.*s: argument '%.*s' cannot be %s", ETCH_STR_ARGS(op->schema->name), ETCH_STR_ARGS(q->name),
                    kind_name(k));
}

etch_status *etch_graph__new_node(etch_method *m, const etch_op *op, const etch_val *args, int n_args, etch_str where, etch_str module,
                                  etch_node **out)
{
    etch_arena *a = &m->program->arena;
    const etch_schema *s = op->schema;
    *out = NULL;
    if (n_args > s->n_params)
        return ETCH_ERR(ETCH_INVALID, "%.*s takes %d arguments, not %d", ETCH_STR_ARGS(s->name), s->n_params, n_args);
    etch_node *n;
    ETCH_ALLOC(n, a, sizeof *n);
    n->op = op;
    ETCH_ALLOC(n->args, a, (size_t)(s->n_params + 1) * sizeof *n->args);
    for (int i = 0; i < s->n_params; i++) {
        if (i >= n_args && !s->params[i].has_default)
            return ETCH_ERR(ETCH_INVALID, "%.*s: argument '%.*s' is missing", ETCH_STR_ARGS(s->name), ETCH_STR_ARGS(s->params[i].name));
        etch_val v = i < n_args ? args[i] : s->params[i].def;
        ETCH_TRY(etch_graph__coerce(a, op, i, &v));
        ETCH_TRY(etch_graph__copy_val(a, &v, &n->args[i]));
    }
    ETCH_TRY(copy_str(a, where, &n->where));
    ETCH_TRY(copy_str(a, module, &n->module));
    *out = n;
    return NULL;
}

etch_status *etch_graph__new_outs(etch_method *m, etch_node *n, int n_outs)
{
    ETCH_ALLOC(n->outs, &m->program->arena, (size_t)(n_outs + 1) * sizeof *n->outs);
    for (int i = 0; i < n_outs; i++) {
        ETCH_TRY(new_value(m, ETCH_SRC_NODE, &n->outs[i]));
        n->outs[i]->def = n;
        n->outs[i]->def_index = i;
    }
    n->n_outs = n_outs;
    return NULL;
}

void etch_graph__link(etch_method *m, etch_node *n, etch_node *before)
{
    n->next = before;
    n->prev = before ? before->prev : m->last;
    if (n->prev) n->prev->next = n;
    else m->first = n;
    if (before) before->prev = n;
    else m->last = n;
}

etch_status *etch_graph__infer(etch_shape_cx *cx, const etch_op *op, const etch_val *args, etch_tensor ***out_types, int *out_n)
{
    const etch_schema *s = op->schema;
    *out_types = NULL;
    *out_n = 0;
    if (!op->shape) return ETCH_ERR(ETCH_UNSUPPORTED, "%.*s has no shape rule", ETCH_STR_ARGS(s->name));
    etch_outs outs = { 0 };
    if (!s->returns_list) {
        outs.n = s->n_returns;
        ETCH_ALLOC(outs.t, cx->arena, (size_t)(outs.n + 1) * sizeof *outs.t);
        for (int i = 0; i < outs.n; i++) ETCH_ALLOC(outs.t[i], cx->arena, sizeof **outs.t);
    }
    ETCH_TRYF(op->shape(cx, args, s->n_params, &outs), "%.*s", ETCH_STR_ARGS(s->name));
    *out_types = outs.t;
    *out_n = outs.n;
    return NULL;
}

// The symbol that a SYM op defines: the size itself for sym_size, otherwise a fresh unbacked one.
static etch_status *define_scalar(etch_method *m, etch_node *n)
{
    etch_syms *syms = &m->program->syms;
    etch_value *v = n->outs[0];
    v->is_scalar = true;
    if (etch_str_eqz(n->op->schema->name, "aten::sym_size.int")) {
        const etch_tensor *t = n->args[0].kind == ETCH_V_TENSOR ? n->args[0].t : NULL;
        int64_t d = n->args[1].i.v;
        if (t && d < 0) d += t->rank;
        if (!t || d < 0 || d >= t->rank)
            return ETCH_ERR(ETCH_INVALID, "sym_size: dimension %lld is out of range", (long long)n->args[1].i.v);
        v->scalar = t->sizes[d];
        return NULL;
    }
    for (int i = 0;; i++) {
        etch_str name = etch_arena_printf(&m->program->arena, "u%d", i);
        if (!name.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        etch_dim d;
        if (!etch_syms_find(syms, name, &d)) return etch_syms_new(syms, name, INT64_MIN, INT64_MAX, 0, &v->scalar);
    }
}

etch_status *etch_method_add_node(etch_method *m, etch_node *before, const etch_op *op, const etch_val *args, int n_args, etch_str where,
                                  etch_str module, etch_node **out)
{
    *out = NULL;
    if (!op) return ETCH_ERR(ETCH_INTERNAL, "a node without an op row");
    etch_node *n;
    ETCH_TRY(etch_graph__new_node(m, op, args, n_args, where, module, &n));
    if (op->flags & ETCH_OPF_SYM) {
        ETCH_TRY(etch_graph__new_outs(m, n, 1));
        ETCH_TRY(define_scalar(m, n));
    } else {
        etch_shape_cx cx = { &m->program->syms, n->where, &m->program->arena };
        etch_tensor **types;
        int n_types;
        ETCH_TRY(etch_graph__infer(&cx, op, n->args, &types, &n_types));
        ETCH_TRY(etch_graph__new_outs(m, n, n_types));
        for (int i = 0; i < n_types; i++) {
            n->outs[i]->t = *types[i];
            n->outs[i]->t.data = NULL;
            n->outs[i]->t.capacity = 0;
        }
    }
    etch_graph__link(m, n, before);
    *out = n;
    return NULL;
}

etch_status *etch_method_add_copy(etch_method *m, const etch_node *n, const etch_val *args, etch_node **out)
{
    *out = NULL;
    etch_node *copy;
    ETCH_TRY(etch_graph__new_node(m, n->op, args, n->op->schema->n_params, n->where, n->module, &copy));
    ETCH_TRY(etch_graph__new_outs(m, copy, n->n_outs));
    for (int i = 0; i < n->n_outs; i++) {
        etch_value *v = copy->outs[i];
        v->t = n->outs[i]->t;
        v->t.data = NULL;
        v->t.capacity = 0;
        v->is_scalar = n->outs[i]->is_scalar;
        v->scalar = n->outs[i]->scalar;
        v->fqn = n->outs[i]->fqn;
    }
    etch_graph__link(m, copy, NULL);
    *out = copy;
    return NULL;
}
