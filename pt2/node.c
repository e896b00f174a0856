// Nodes of a graph. In: the schema's nodes, functional or not. Out: functional nodes of the method; names bound to tensors.
#include "pt2/compose.h"

enum { MAX_PARAMS = 40, MAX_DEPTH = 16 };

etch_status *pt2_current(pt2_reader *r, pt2_tensor *t, etch_value **out)
{
    if (t->version != t->s->version) {
        ETCH_TRY(etch_view_read(&r->recorder, t->s->cur, t->chain, &t->v));
        t->version = t->s->version;
    }
    *out = t->v;
    return NULL;
}

static etch_status *bind(pt2_reader *r, pt2_scope *sc, etch_str name, const pt2_tensor *t, pt2_tensor **out)
{
    if (etch_map_has(&sc->tensors, name)) return ETCH_ERR(ETCH_INVALID, "the tensor '%.*s' is computed twice", ETCH_STR_ARGS(name));
    pt2_tensor *copy;
    ETCH_ALLOC(copy, &r->program->arena, sizeof *copy);
    *copy = *t;
    const json_t *values = json_object_get(sc->graph, "tensor_values");
    copy->meta = json_object_get(values, name.ptr);
    if (out) *out = copy;
    return etch_map_put(&sc->tensors, name, copy);
}

etch_status *pt2_new_tensor(pt2_reader *r, pt2_scope *sc, etch_str name, etch_value *v, pt2_tensor **out)
{
    pt2_storage *s;
    ETCH_ALLOC(s, &r->program->arena, sizeof *s);
    s->cur = v;
    return bind(r, sc, name, &(pt2_tensor){ .s = s, .v = v }, out);
}

static etch_status *write_tensor(pt2_reader *r, pt2_tensor *t, etch_value *v)
{
    etch_value *content;
    ETCH_TRY(etch_view_fit(&r->recorder, &t->v->t, v, &v));
    ETCH_TRY(etch_view_write(&r->recorder, t->s->cur, t->chain, v, &content));
    t->s->cur = content;
    t->s->version++;
    t->v = v;
    t->version = t->s->version;
    return NULL;
}

// ---- one operator ----

static etch_status *arguments(pt2_reader *r, pt2_scope *sc, const etch_op *op, const json_t *node, etch_val *out, pt2_tensor **out_first)
{
    json_t *inputs, *input;
    size_t i;
    bool given[MAX_PARAMS] = { false };
    const etch_schema *s = op->schema;
    *out_first = NULL;
    if (s->n_params > MAX_PARAMS) return ETCH_ERR(ETCH_UNSUPPORTED, "too many parameters");
    ETCH_TRY(pt2_array(node, "inputs", &inputs));
    json_array_foreach(inputs, i, input) {
        etch_str name;
        json_t *arg;
        ETCH_TRY(pt2_string(input, "name", &name));
        ETCH_TRYF(pt2_object(input, "arg", &arg), "argument '%.*s'", ETCH_STR_ARGS(name));
        int k = etch_schema_param(s, name);
        // x.dropout_() calls "self" what dropout calls "input".
        if (k < 0 && i == 0 && etch_str_eqz(name, "self")) k = 0;
        if (k < 0) {
            etch_str kind;
            json_t *v;
            ETCH_TRY(pt2_union(arg, &kind, &v));
            // Nothing that etch's row leaves out has a meaning here, but a value that asks for something is not passed over.
            if (etch_str_eqz(kind, "as_none") || etch_str_eqz(kind, "as_device") || json_is_false(v)) continue;
            return ETCH_ERR(ETCH_UNSUPPORTED, "argument '%.*s' is not supported", ETCH_STR_ARGS(name));
        }
        if (given[k]) return ETCH_ERR(ETCH_INVALID, "argument '%.*s' is given twice", ETCH_STR_ARGS(name));
        given[k] = true;
        ETCH_TRYF(pt2_arg(r, sc, arg, &out[k]), "argument '%.*s'", ETCH_STR_ARGS(name));
        if (etch_str_eqz(name, "pin_memory")) out[k] = etch_val_none();
        if (out[k].kind == ETCH_V_NONE && s->params[k].type == ETCH_T_INT && json_object_get(arg, "as_device")) out[k] = etch_val_int(0);
        if (k == 0 && out[k].kind == ETCH_V_TENSOR) ETCH_TRY(pt2_tensor_named(sc, json_object_get(arg, "as_tensor"), out_first));
    }
    for (int k = 0; k < s->n_params; k++) {
        if (given[k]) continue;
        if (!s->params[k].has_default) return ETCH_ERR(ETCH_INVALID, "argument '%.*s' is missing", ETCH_STR_ARGS(s->params[k].name));
        out[k] = s->params[k].def;
    }
    return NULL;
}

// The names of the results; a NULL pointer where PyTorch has None.
static etch_status *result_names(pt2_reader *r, const json_t *node, etch_str **out, int *out_n)
{
    json_t *outputs, *v;
    ETCH_TRY(pt2_array(node, "outputs", &outputs));
    etch_str kind;
    size_t n = json_array_size(outputs);
    const bool one_list = n == 1 && !pt2_union(json_array_get(outputs, 0), &kind, &v) && etch_str_eqz(kind, "as_tensors");
    if (one_list) n = json_array_size(v);
    ETCH_ALLOC(*out, &r->program->arena, sizeof **out * (n + 1));
    *out_n = (int)n;
    for (size_t i = 0; i < n; i++) {
        if (one_list) {
            ETCH_TRY(pt2_string(json_array_get(v, i), "name", &(*out)[i]));
            continue;
        }
        json_t *item;
        ETCH_TRY(pt2_union(json_array_get(outputs, i), &kind, &item));
        if (etch_str_eqz(kind, "as_none")) continue;
        if (!etch_str_eqz(kind, "as_tensor")) return ETCH_ERR(ETCH_UNSUPPORTED, "a result of kind '%.*s'", ETCH_STR_ARGS(kind));
        ETCH_TRY(pt2_string(item, "name", &(*out)[i]));
    }
    return NULL;
}

// In eager PyTorch a reshape, contiguous or to gives the tensor itself when memory permits: always from row-major memory, and whenever the
// result is not row-major, for what it copies is.
static bool may_view(pt2_reader *r, const pt2_tensor *base, const etch_op *op, const etch_val *args, const json_t *meta, etch_dtype dtype)
{
    int copy = etch_schema_param(op->schema, ETCH_LIT("copy"));
    if (copy >= 0 && args[copy].kind == ETCH_V_BOOL && args[copy].b) return false;
    if (base->v->t.dtype != dtype || !base->meta || !meta) return false;
    return pt2_is_row_major(r, base->meta) || !pt2_is_row_major(r, meta);
}

static bool same_type(const etch_tensor *a, const etch_tensor *b)
{
    bool same = a->dtype == b->dtype && a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++) same = etch_dim_same(a->sizes[i], b->sizes[i]);
    return same;
}

static etch_status *bind_results(pt2_reader *r, pt2_scope *sc, const json_t *node, const etch_node *n, pt2_tensor *base)
{
    etch_str *names;
    int count;
    ETCH_TRY(result_names(r, node, &names, &count));
    if (count != n->n_outs) return ETCH_ERR(ETCH_INVALID, "it has %d results, not %d", n->n_outs, count);
    for (int i = 0; i < count; i++) {
        etch_value *v = n->outs[i];
        pt2_tensor t = { .v = v };
        if (!names[i].ptr) continue;
        const json_t *meta = json_object_get(json_object_get(sc->graph, "tensor_values"), names[i].ptr);
        if (!json_is_object(meta)) return ETCH_ERR(ETCH_INVALID, "the tensor '%.*s' has no type", ETCH_STR_ARGS(names[i]));
        ETCH_TRY(pt2_check_type(r, meta, &v->t));
        bool view = base && (n->op->flags & ETCH_OPF_VIEW);
        if (base && (n->op->flags & ETCH_OPF_MAY_VIEW)) view = may_view(r, base, n->op, n->args, meta, v->t.dtype);
        if (!view) {
            ETCH_TRY(pt2_new_tensor(r, sc, names[i], v, NULL));
            continue;
        }
        if ((n->op->flags & ETCH_OPF_MAY_VIEW) && same_type(&v->t, &base->v->t)) {
            ETCH_TRY(bind(r, sc, names[i], base, NULL));
            continue;
        }
        t.s = base->s;
        t.version = base->s->version;
        ETCH_TRY(etch_view_push(&r->recorder, base->chain, &base->v->t, n->op, n->args, n->op->schema->n_params, i, v, &t.chain));
        ETCH_TRY(bind(r, sc, names[i], &t, NULL));
    }
    return NULL;
}

// Results that are numbers: item() defines a symbol, everything else is known from the sizes.
static etch_status *scalar_node(pt2_reader *r, pt2_scope *sc, etch_str name_of_op, const json_t *node, const json_t *result)
{
    const bool reads = etch_str_starts(name_of_op, "aten::item") || etch_str_starts(name_of_op, "aten::_local_scalar_dense");
    const etch_op *op = etch_op_get(ETCH_OP__local_scalar_dense);
    const char *name = json_string_value(json_object_get(result, "as_name"));
    const json_t *value = name ? json_object_get(json_object_get(sc->graph, "sym_int_values"), name) : NULL;
    const json_t *text = json_object_get(json_object_get(value, "as_expr"), "expr_str");
    etch_str symbol = json_is_string(text) ? pt2_lone_symbol(pt2_str(text)) : (etch_str){ "", 0 };
    if (!reads || !symbol.len || etch_map_has(&r->symbols, symbol)) return NULL;
    etch_val args[MAX_PARAMS];
    pt2_tensor *first;
    etch_node *n;
    ETCH_TRY(arguments(r, sc, op, node, args, &first));
    ETCH_TRY(r->recorder.record(r->recorder.user, op, args, op->schema->n_params, &n));
    pt2_symbol_narrow(r, symbol, n->outs[0]->scalar);
    return pt2_symbol_bind(r, symbol, n->outs[0]->scalar);
}

// narrow(x, dim, start, length) is x[start : start + length], as etch's torch records it.
static etch_status *as_slice(pt2_reader *r, const etch_op **row, etch_val *args)
{
    *row = etch_op_get(ETCH_OP_slice_Tensor);
    ETCH_TRY(etch_dim_add(&r->program->syms, args[2].i, args[3].i, &args[3].i));
    args[4] = etch_val_int(1);
    return NULL;
}

// Creation operators say their element type, as etch's torch records them: arange(n) and arange(n, dtype=int64) are one node then.
static void say_dtype(etch_node *n)
{
    const etch_schema *s = n->op->schema;
    for (int i = 0; i < s->n_params; i++) {
        if (s->params[i].type <= ETCH_T_TENSORS_OPT) return;
        if (s->params[i].is_dtype && n->args[i].kind == ETCH_V_NONE && n->n_outs == 1)
            n->args[i] = etch_val_int((int64_t)n->outs[0]->t.dtype);
    }
}

static etch_status *compose(pt2_reader *r, pt2_scope *sc, const pt2_composition *c, const json_t *node)
{
    etch_val args[MAX_PARAMS] = { 0 };
    json_t *inputs = json_object_get(node, "inputs"), *input;
    size_t i;
    etch_str *names;
    int count;
    etch_value *v;
    json_array_foreach(inputs, i, input) {
        etch_str name;
        int k = 0;
        ETCH_TRY(pt2_string(input, "name", &name));
        while (c->params[k] && !etch_str_eqz(name, c->params[k])) k++;
        if (c->params[k]) ETCH_TRYF(pt2_arg(r, sc, json_object_get(input, "arg"), &args[k]), "argument '%.*s'", ETCH_STR_ARGS(name));
    }
    ETCH_TRY(c->fn(r, args, &v));
    ETCH_TRY(result_names(r, node, &names, &count));
    if (count != 1 || !names[0].ptr) return ETCH_ERR(ETCH_INVALID, "it has one result, not %d", count);
    const json_t *meta = json_object_get(json_object_get(sc->graph, "tensor_values"), names[0].ptr);
    ETCH_TRY(pt2_check_type(r, meta, &v->t));
    return pt2_new_tensor(r, sc, names[0], v, NULL);
}

static etch_status *run_op(pt2_reader *r, pt2_scope *sc, etch_str name, const json_t *node)
{
    etch_val args[MAX_PARAMS];
    pt2_tensor *first = NULL;
    etch_node *n;
    char buf[160];
    const pt2_composition *composition = pt2_composition_of(name);
    if (composition) return compose(r, sc, composition, node);
    name = pt2_row_name(name, buf, sizeof buf);
    const etch_op *op = etch_op_find(name), *row = op && !(op->flags & ETCH_OPF_INPLACE) ? op : NULL;
    const bool writes = !row;
    if (!row) row = etch_op_functional(op ? op->schema->name : name);
    if (!row) return ETCH_ERR(ETCH_UNSUPPORTED, "etch has no row for this operator (op/ops.def)");
    ETCH_TRY(arguments(r, sc, row, node, args, &first));
    if (row->id == ETCH_OP_narrow) ETCH_TRY(as_slice(r, &row, args));
    if (!writes) {
        ETCH_TRY(r->recorder.record(r->recorder.user, row, args, row->schema->n_params, &n));
        say_dtype(n);
        return bind_results(r, sc, node, n, first);
    }

    // x.add_(y): the written argument is the one that the row marks, else the first.
    pt2_tensor *written = first;
    for (int i = 0; op && i < op->schema->n_params; i++) {
        json_t *inputs = json_object_get(node, "inputs"), *input;
        size_t k;
        if (!op->schema->params[i].is_mutable) continue;
        json_array_foreach(inputs, k, input)
            if (etch_str_eq(pt2_str(json_object_get(input, "name")), op->schema->params[i].name))
                ETCH_TRY(pt2_tensor_named(sc, json_object_get(json_object_get(input, "arg"), "as_tensor"), &written));
    }
    etch_str *names;
    int count;
    etch_value *content = etch_arg_value(&args[1]);  // of copy_, whose result is what is written
    if (row->id != ETCH_OP_copy || !content) {
        ETCH_TRY(r->recorder.record(r->recorder.user, row, args, row->schema->n_params, &n));
        content = n->n_outs ? n->outs[0] : NULL;
    }
    if (!written || !content) return ETCH_ERR(ETCH_UNSUPPORTED, "an in-place operator without a tensor to write");
    ETCH_TRY(write_tensor(r, written, content));
    ETCH_TRY(result_names(r, node, &names, &count));
    if (count == 1 && names[0].ptr) ETCH_TRY(bind(r, sc, names[0], written, NULL));
    return NULL;
}

// ---- regions ----

// torch.no_grad and disabled autocast are regions around a graph: its nodes are read in place.
static etch_status *inline_region(pt2_reader *r, pt2_scope *outer, const json_t *graph, json_t *inputs, size_t at, const json_t *node)
{
    json_t *names, *outs, *item;
    size_t i;
    etch_status *s = NULL;
    pt2_scope sc = { .graph = graph };
    if (++r->depth > MAX_DEPTH) return ETCH_ERR(ETCH_UNSUPPORTED, "regions are nested too deep");
    ETCH_TRY(pt2_array(graph, "inputs", &names));
    ETCH_TRY(pt2_array(graph, "outputs", &outs));
    if (json_array_size(names) != json_array_size(inputs) - at)
        return ETCH_ERR(ETCH_INVALID, "a region takes other inputs than it is given");
    json_array_foreach(names, i, item) {
        pt2_tensor *t;
        etch_str name;
        const json_t *given = json_object_get(json_array_get(inputs, at + i), "arg");
        if (!json_object_get(item, "as_tensor")) continue;  // numbers are known from the sizes
        if (!s) s = pt2_tensor_named(outer, json_object_get(given, "as_tensor"), &t);
        if (!s) s = pt2_string(json_object_get(item, "as_tensor"), "name", &name);
        if (!s) s = bind(r, &sc, name, t, NULL);
    }
    if (!s) s = pt2_nodes(r, &sc);
    etch_str *results = NULL;
    int count = 0;
    if (!s) s = result_names(r, node, &results, &count);
    if (!s && (size_t)count != json_array_size(outs))
        s = ETCH_ERR(ETCH_INVALID, "a region has %zu results, not %d", json_array_size(outs), count);
    json_array_foreach(outs, i, item) {
        pt2_tensor *t;
        if (s || !results[i].ptr) continue;
        s = pt2_tensor_named(&sc, json_object_get(item, "as_tensor"), &t);
        if (!s) s = bind(r, outer, results[i], t, NULL);
    }
    etch_map_deinit(&sc.tensors);
    r->depth--;
    return s;
}

static etch_status *region(pt2_reader *r, pt2_scope *sc, etch_str target, const json_t *node)
{
    json_t *inputs, *input;
    size_t i;
    ETCH_TRY(pt2_array(node, "inputs", &inputs));
    const bool grad = etch_str_eqz(target, "torch.ops.higher_order.wrap_with_set_grad_enabled");
    const bool autocast = etch_str_eqz(target, "torch.ops.higher_order.wrap_with_autocast");
    if (!grad && !autocast)
        return ETCH_ERR(ETCH_UNSUPPORTED, "a higher-order operator (control flow or a custom region); etch lowers straight-line programs, "
                        "try run_decompositions() before saving");
    if (autocast && !json_is_false(json_object_get(json_object_get(json_array_get(inputs, 2), "arg"), "as_bool")))
        return ETCH_ERR(ETCH_UNSUPPORTED, "a torch.autocast region; export the model without autocast");
    json_array_foreach(inputs, i, input) {
        const json_t *g = json_object_get(json_object_get(json_object_get(input, "arg"), "as_graph"), "graph");
        if (json_is_object(g)) return inline_region(r, sc, g, inputs, i + 1, node);
    }
    return ETCH_ERR(ETCH_INVALID, "a region without a graph");
}

// ---- all nodes ----

// Checks of the inputs' values; the official exporter leaves them out of programs too.
static bool is_assertion(etch_str name)
{
    return etch_str_starts(name, "aten::_assert") || etch_str_starts(name, "aten::sym_constrain_range");
}

static etch_status *one(pt2_reader *r, pt2_scope *sc, etch_str target, const json_t *node)
{
    char buf[256];
    json_t *outputs, *result;
    etch_str name = pt2_op_name(target, buf, sizeof buf), kind = { "", 0 };
    if (etch_str_starts(target, "torch.ops.higher_order.")) return region(r, sc, target, node);
    if (is_assertion(name)) return NULL;
    ETCH_TRY(pt2_array(node, "outputs", &outputs));
    if (json_array_size(outputs) == 1) ETCH_TRY(pt2_union(json_array_get(outputs, 0), &kind, &result));
    if (etch_str_starts(kind, "as_sym_")) return scalar_node(r, sc, name, node, result);
    if (!name.len) return ETCH_ERR(ETCH_UNSUPPORTED, "this is no operator of PyTorch");
    return run_op(r, sc, name, node);
}

etch_status *pt2_nodes(pt2_reader *r, pt2_scope *sc)
{
    json_t *nodes, *node;
    size_t i;
    ETCH_TRY(pt2_array(sc->graph, "nodes", &nodes));
    json_array_foreach(nodes, i, node) {
        etch_str target;
        ETCH_TRYF(pt2_string(node, "target", &target), "node %zu", i);
        ETCH_TRY(pt2_set_place(r, node));
        etch_status *s = one(r, sc, target, node);
        if (!s) continue;
        const char *name = json_string_value(json_object_get(node, "name"));
        const bool both = r->where.len && r->module.len;
        return etch_status_frame(s, __FILE__, __LINE__, "%.*s (node '%s'%s%.*s%s%.*s)", ETCH_STR_ARGS(target), name ? name : "?",
                                 r->where.len ? ", " : "",
                                 ETCH_STR_ARGS(r->where), both ? ", in " : r->module.len ? ", in " : "", ETCH_STR_ARGS(r->module));
    }
    return NULL;
}
