// Nodes of a graph. In: the schema's nodes, functional or not. Out: functional nodes of the method; names bound to tensors.
#include "pt2/internal.h"

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

// ---- names and places ----

// "torch.ops.aten.add.Tensor" is "aten::add.Tensor"; the overload "default" has no name. Empty for anything but an operator.
static etch_str op_name(etch_str target, char *buf, size_t cap)
{
    static const char prefix[] = "torch.ops.";
    const size_t skip = sizeof prefix - 1;
    if (!etch_str_starts(target, prefix)) return (etch_str){ "", 0 };
    etch_str rest = { target.ptr + skip, target.len - skip };
    const char *dot = memchr(rest.ptr, '.', rest.len);
    if (!dot) return (etch_str){ "", 0 };
    etch_str space = { rest.ptr, (size_t)(dot - rest.ptr) }, op = { dot + 1, rest.len - space.len - 1 };
    static const char plain[] = ".default";
    if (op.len > sizeof plain - 1 && !memcmp(op.ptr + op.len - (sizeof plain - 1), plain, sizeof plain - 1)) op.len -= sizeof plain - 1;
    int n = snprintf(buf, cap, "%.*s::%.*s", ETCH_STR_ARGS(space), ETCH_STR_ARGS(op));
    return n > 0 && (size_t)n < cap ? (etch_str){ buf, (size_t)n } : (etch_str){ "", 0 };
}

// Second names of operators: the same parameters, another row.
static etch_str row_name(etch_str name, char *buf, size_t cap)
{
    static const char *const second[][2] = {
        { "aten::__and__", "aten::bitwise_and" }, { "aten::__or__", "aten::bitwise_or" }, { "aten::__xor__", "aten::bitwise_xor" },
        { "aten::__lshift__", "aten::bitwise_left_shift" }, { "aten::__rshift__", "aten::bitwise_right_shift" },
        { "aten::true_divide", "aten::div" }, { "aten::divide", "aten::div" }, { "aten::multiply", "aten::mul" }, { "aten::subtract", "aten::sub" },
        { "aten::concat", "aten::cat" }, { "aten::concatenate", "aten::cat" }, { "aten::greater", "aten::gt" }, { "aten::greater_equal", "aten::ge" },
        { "aten::less", "aten::lt" }, { "aten::less_equal", "aten::le" }, { "aten::not_equal", "aten::ne" }, { "aten::absolute", "aten::abs" },
        { "aten::negative", "aten::neg" }, { "aten::clip", "aten::clamp" }, { "aten::swapaxes", "aten::transpose" }, { "aten::swapdims", "aten::transpose" },
        { "aten::moveaxis", "aten::movedim" }, { "aten::special_expit", "aten::sigmoid" }, { "aten::special_erf", "aten::erf" },
        { "aten::zero_", "aten::zeros_like_" }, { "aten::special_softmax", "aten::softmax" }, { "aten::arctan", "aten::atan" }, { "aten::inverse", "aten::linalg_inv" },
    };
    const char *dot = memchr(name.ptr, '.', name.len);
    const size_t bare = dot ? (size_t)(dot - name.ptr) : name.len;
    for (size_t i = 0; i < sizeof second / sizeof *second; i++) {
        if (!etch_str_eqz((etch_str){ name.ptr, bare }, second[i][0])) continue;
        int n = snprintf(buf, cap, "%s%.*s", second[i][1], (int)(name.len - bare), name.ptr + bare);
        return n > 0 && (size_t)n < cap ? (etch_str){ buf, (size_t)n } : name;
    }
    return name;
}

// The part of a path that a reader knows: behind site-packages/, or the file's name.
static etch_str shown_path(etch_str path)
{
    static const char marker[] = "-packages/";
    size_t from = 0, slash = 0;
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '/') slash = i + 1;
        if (path.len - i >= sizeof marker - 1 && !memcmp(path.ptr + i, marker, sizeof marker - 1)) from = i + sizeof marker - 1;
    }
    if (!from) from = slash;
    return (etch_str){ path.ptr + from, path.len - from };
}

// The innermost frame of a stack trace that is not PyTorch's own: File "PATH", line N, in f
static etch_status *place_of(pt2_reader *r, etch_str trace, etch_str *out)
{
    static const char file[] = "File \"", line[] = "\", line ";
    *out = (etch_str){ "", 0 };
    for (size_t i = 0; i + sizeof file - 1 < trace.len; i++) {
        if (memcmp(trace.ptr + i, file, sizeof file - 1)) continue;
        const char *from = trace.ptr + i + sizeof file - 1, *end = memchr(from, '"', trace.len - (size_t)(from - trace.ptr));
        size_t left = end ? trace.len - (size_t)(end - trace.ptr) : 0;
        if (left < sizeof line || memcmp(end, line, sizeof line - 1)) continue;
        etch_str path = shown_path((etch_str){ from, (size_t)(end - from) }), number = { end + sizeof line - 1, 0 };
        while (sizeof line - 1 + number.len < left && number.ptr[number.len] >= '0' && number.ptr[number.len] <= '9') number.len++;
        if (etch_str_starts(path, "torch/") || !number.len) continue;
        *out = etch_arena_printf(&r->program->arena, "%.*s:%.*s", ETCH_STR_ARGS(path), ETCH_STR_ARGS(number));
        if (!out->ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    }
    return NULL;
}

// The path in the last of "key,path,type;key,path,type".
static etch_str module_of(etch_str stack)
{
    size_t from = stack.len;
    while (from && stack.ptr[from - 1] != ';') from--;
    const char *p = stack.ptr + from, *end = stack.ptr + stack.len, *comma = from < stack.len ? memchr(p, ',', (size_t)(end - p)) : NULL;
    const char *stop = comma ? memchr(comma + 1, ',', (size_t)(end - comma - 1)) : NULL;
    return stop ? (etch_str){ comma + 1, (size_t)(stop - comma - 1) } : (etch_str){ "", 0 };
}

static etch_status *set_place(pt2_reader *r, const json_t *node)
{
    const json_t *metadata = json_object_get(node, "metadata"), *trace = json_object_get(metadata, "stack_trace"),
                 *stack = json_object_get(metadata, "nn_module_stack");
    r->module = json_is_string(stack) ? module_of(pt2_str(stack)) : (etch_str){ "", 0 };
    r->where = (etch_str){ "", 0 };
    return json_is_string(trace) ? place_of(r, pt2_str(trace), &r->where) : NULL;
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

static etch_status *run_op(pt2_reader *r, pt2_scope *sc, etch_str name, const json_t *node)
{
    etch_val args[MAX_PARAMS];
    pt2_tensor *first = NULL;
    etch_node *n;
    char buf[160];
    name = row_name(name, buf, sizeof buf);
    const etch_op *op = etch_op_find(name), *row = op && !(op->flags & ETCH_OPF_INPLACE) ? op : NULL;
    const bool writes = !row;
    if (!row) row = etch_op_functional(op ? op->schema->name : name);
    if (!row) return ETCH_ERR(ETCH_UNSUPPORTED, "etch has no row for this operator (op/ops.def)");
    ETCH_TRY(arguments(r, sc, row, node, args, &first));
    if (row->id == ETCH_OP_narrow) ETCH_TRY(as_slice(r, &row, args));
    if (!writes) {
        ETCH_TRY(r->recorder.record(r->recorder.user, row, args, row->schema->n_params, &n));
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
    if (json_array_size(names) != json_array_size(inputs) - at) return ETCH_ERR(ETCH_INVALID, "a region takes other inputs than it is given");
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
    if (!s && (size_t)count != json_array_size(outs)) s = ETCH_ERR(ETCH_INVALID, "a region has %zu results, not %d", json_array_size(outs), count);
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
        return ETCH_ERR(ETCH_UNSUPPORTED, "a higher-order operator (control flow or a custom region); etch lowers straight-line programs, try run_decompositions() before saving");
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
    etch_str name = op_name(target, buf, sizeof buf), kind = { "", 0 };
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
        ETCH_TRY(set_place(r, node));
        etch_status *s = one(r, sc, target, node);
        if (!s) continue;
        const char *name = json_string_value(json_object_get(node, "name"));
        const bool both = r->where.len && r->module.len;
        return etch_status_frame(s, __FILE__, __LINE__, "%.*s (node '%s'%s%.*s%s%.*s)", ETCH_STR_ARGS(target), name ? name : "?", r->where.len ? ", " : "",
                                 ETCH_STR_ARGS(r->where), both ? ", in " : r->module.len ? ", in " : "", ETCH_STR_ARGS(r->module));
    }
    return NULL;
}
