// An ExportedProgram: inputs by its signature, nodes, outputs, and what it leaves in its state.
#include "pt2/model.h"

#include <stdlib.h>

static etch_status *record(void *user, const etch_op *op, const etch_val *args, int n, etch_node **out)
{
    const pt2_reader *r = user;
    return etch_method_add_node(r->m, NULL, op, args, n, r->where, r->module, out);
}

// ---- inputs ----

static void note(pt2_reader *r, const char *what, etch_str name, const char *how)
{
    etch_buf_printf(r->notes, "%s '%.*s' %s\n", what, ETCH_STR_ARGS(name), how);
}

static etch_status *user_input(pt2_reader *r, pt2_scope *sc, const json_t *arg)
{
    etch_str kind, name;
    json_t *v;
    ETCH_TRY(pt2_union(arg, &kind, &v));
    if (etch_str_eqz(kind, "as_sym_int")) {
        const json_t *id = json_object_get(v, "as_name");
        return ETCH_ERR(ETCH_UNSUPPORTED, "input '%s' is a whole number that may change; programs take tensors: pass it as a tensor, or "
                        "leave it fixed",
                        json_is_string(id) ? json_string_value(id) : "?");
    }
    if (!etch_str_eqz(kind, "as_tensor"))
        return ETCH_ERR(ETCH_UNSUPPORTED, "an input of kind '%.*s'; programs take tensors", ETCH_STR_ARGS(kind));
    ETCH_TRY(pt2_string(v, "name", &name));
    etch_tensor type;
    etch_value *value;
    pt2_tensor *t;
    ETCH_TRYF(pt2_input_type(r, json_object_get(json_object_get(sc->graph, "tensor_values"), name.ptr), &type), "input '%.*s'",
              ETCH_STR_ARGS(name));
    ETCH_TRY(etch_method_add_input(r->m, name, &type, &value));
    ETCH_TRY(pt2_new_tensor(r, sc, name, value, &t));
    t->input = true;
    return NULL;
}

static etch_status *constant_input(pt2_reader *r, const json_t *spec)
{
    etch_str name, kind;
    json_t *value, *v;
    char how[160];
    ETCH_TRY(pt2_string(spec, "name", &name));
    ETCH_TRY(pt2_object(spec, "value", &value));
    ETCH_TRY(pt2_union(value, &kind, &v));
    char *text = etch_str_eqz(kind, "as_none") ? NULL : json_dumps(v, JSON_ENCODE_ANY);
    snprintf(how, sizeof how, "is fixed to %.60s, as it was when the program was exported", text ? text : "None");
    free(text);
    note(r, "input", name, how);
    return NULL;
}

static etch_status *stored_input(pt2_reader *r, pt2_scope *sc, const json_t *spec, const char *key, const etch_map *from)
{
    json_t *arg;
    etch_str name, fqn;
    ETCH_TRY(pt2_object(spec, "arg", &arg));
    ETCH_TRY(pt2_string(arg, "name", &name));
    ETCH_TRY(pt2_string(spec, key, &fqn));
    const pt2_payload *p = etch_map_get(from, fqn);
    if (!p) return ETCH_ERR(ETCH_NOT_FOUND, "the archive has no tensor '%.*s'", ETCH_STR_ARGS(fqn));
    etch_value *v;
    pt2_tensor *t;
    ETCH_TRYF(pt2_payload_value(r->archive, r->m, p, &v), "'%.*s'", ETCH_STR_ARGS(fqn));
    ETCH_TRY(pt2_new_tensor(r, sc, name, v, &t));
    if (!json_is_object(t->meta)) return ETCH_ERR(ETCH_INVALID, "the tensor '%.*s' has no type", ETCH_STR_ARGS(name));
    ETCH_TRYF(pt2_check_type(r, t->meta, &v->t), "'%.*s' is stored with another type", ETCH_STR_ARGS(fqn));
    r->states[r->n_states++] = (pt2_state){ .fqn = fqn, .s = t->s, .leaf = v, .payload = p };
    return NULL;
}

static etch_status *read_input(pt2_reader *r, pt2_scope *sc, const json_t *union_)
{
    etch_str kind;
    json_t *spec, *arg;
    ETCH_TRY(pt2_union(union_, &kind, &spec));
    if (etch_str_eqz(kind, "user_input")) {
        ETCH_TRY(pt2_object(spec, "arg", &arg));
        return user_input(r, sc, arg);
    }
    if (etch_str_eqz(kind, "constant_input")) return constant_input(r, spec);
    if (etch_str_eqz(kind, "parameter")) return stored_input(r, sc, spec, "parameter_name", &r->payloads.weights);
    if (etch_str_eqz(kind, "buffer")) {
        const bool persistent = json_is_true(json_object_get(spec, "persistent"));
        return stored_input(r, sc, spec, "buffer_name", persistent ? &r->payloads.weights : &r->payloads.constants);
    }
    if (etch_str_eqz(kind, "tensor_constant")) return stored_input(r, sc, spec, "tensor_constant_name", &r->payloads.constants);
    return ETCH_ERR(ETCH_UNSUPPORTED, "an input of kind '%.*s' (custom objects and effect tokens are not supported)", ETCH_STR_ARGS(kind));
}

static etch_status *read_inputs(pt2_reader *r, pt2_scope *sc, const json_t *signature)
{
    json_t *specs, *spec;
    size_t i;
    ETCH_TRY(pt2_array(signature, "input_specs", &specs));
    ETCH_ALLOC(r->states, &r->program->arena, sizeof *r->states * (json_array_size(specs) + 1));
    json_array_foreach(specs, i, spec) ETCH_TRY(read_input(r, sc, spec));
    return NULL;
}

// ---- outputs ----

static etch_status *literal(pt2_reader *r, etch_dtype d, double f, int64_t i, etch_value **out)
{
    uint8_t bytes[8];
    const etch_tensor t = { .dtype = d, .data = bytes, .capacity = sizeof bytes };
    if (etch_dtype_is_float(d)) etch_store_double(bytes, d, 0, f);
    else etch_store_int(bytes, d, 0, i);
    return etch_method_add_data(r->m, &t, out);
}

// A number among the outputs is a tensor without dimensions; None is left out (*out = NULL).
static etch_status *output_value(pt2_reader *r, pt2_scope *sc, const json_t *arg, etch_str name, etch_value **out)
{
    etch_str kind;
    json_t *v;
    etch_val val;
    *out = NULL;
    ETCH_TRY(pt2_union(arg, &kind, &v));
    if (etch_str_eqz(kind, "as_tensor")) {
        pt2_tensor *t;
        ETCH_TRY(pt2_tensor_named(sc, v, &t));
        return pt2_current(r, t, out);
    }
    ETCH_TRYF(pt2_arg(r, sc, arg, &val), "output '%.*s'", ETCH_STR_ARGS(name));
    if (val.kind == ETCH_V_NONE) {
        note(r, "output", name, "is None and left out");
        return NULL;
    }
    note(r, "output", name, "is a number, given as a tensor without dimensions");
    if (val.kind == ETCH_V_INT && val.i.e) {
        const etch_op *op = etch_op_get(ETCH_OP_scalar_tensor);
        etch_val args[] = { val, etch_val_int(ETCH_I64) };
        etch_node *n;
        ETCH_TRY(record(r, op, args, 2, &n));
        *out = n->outs[0];
        return NULL;
    }
    switch (val.kind) {
    case ETCH_V_INT: return literal(r, ETCH_I64, 0, val.i.v, out);
    case ETCH_V_FLOAT: return literal(r, ETCH_F32, val.f, 0, out);
    case ETCH_V_BOOL: return literal(r, ETCH_BOOL, 0, val.b, out);
    default: return ETCH_ERR(ETCH_UNSUPPORTED, "output '%.*s' is of kind '%.*s'; programs return tensors", ETCH_STR_ARGS(name),
                             ETCH_STR_ARGS(kind));
    }
}

static etch_status *state_output(pt2_reader *r, pt2_scope *sc, const json_t *spec, const char *key)
{
    etch_str fqn;
    json_t *arg;
    pt2_tensor *t;
    etch_value *v;
    ETCH_TRY(pt2_string(spec, key, &fqn));
    ETCH_TRY(pt2_object(spec, "arg", &arg));
    ETCH_TRY(pt2_tensor_named(sc, arg, &t));
    ETCH_TRY(pt2_current(r, t, &v));
    for (int i = 0; i < r->n_states; i++)
        if (etch_str_eq(r->states[i].fqn, fqn)) {
            r->states[i].s->cur = v;
            r->states[i].written = true;
            return NULL;
        }
    return ETCH_ERR(ETCH_INVALID, "an output is the new content of '%.*s', which is no input", ETCH_STR_ARGS(fqn));
}

static etch_status *read_output(pt2_reader *r, pt2_scope *sc, const json_t *union_, const json_t *arg, const etch_str *names, size_t *user)
{
    etch_str kind, name;
    json_t *spec, *v;
    char plain[32];
    ETCH_TRY(pt2_union(union_, &kind, &spec));
    if (etch_str_eqz(kind, "buffer_mutation")) return state_output(r, sc, spec, "buffer_name");
    if (etch_str_eqz(kind, "parameter_mutation")) return state_output(r, sc, spec, "parameter_name");
    if (etch_str_eqz(kind, "user_input_mutation")) {
        etch_str input;
        ETCH_TRY(pt2_string(spec, "user_input_name", &input));
        return ETCH_ERR(ETCH_UNSUPPORTED, "the model writes into its input '%.*s'; return the new content instead", ETCH_STR_ARGS(input));
    }
    if (!etch_str_eqz(kind, "user_output"))
        return ETCH_ERR(ETCH_UNSUPPORTED, "an output of kind '%.*s' (export the model for inference: model.eval())", ETCH_STR_ARGS(kind));
    name = names[*user];
    ETCH_TRY(pt2_union(arg, &kind, &v));
    if (!name.len && etch_str_eqz(kind, "as_tensor")) ETCH_TRY(pt2_string(v, "name", &name));
    if (!name.len) {
        snprintf(plain, sizeof plain, "output_%zu", *user);
        name = etch_str_of(plain);
    }
    ++*user;
    etch_value *value;
    ETCH_TRY(output_value(r, sc, arg, name, &value));
    return value ? etch_method_add_output(r->m, name, value) : NULL;
}

static etch_status *read_outputs(pt2_reader *r, pt2_scope *sc, const json_t *module, const json_t *signature)
{
    json_t *specs, *spec, *outputs;
    size_t i, n_user = 0, user = 0;
    ETCH_TRY(pt2_array(signature, "output_specs", &specs));
    ETCH_TRY(pt2_array(sc->graph, "outputs", &outputs));
    if (json_array_size(specs) != json_array_size(outputs))
        return ETCH_ERR(ETCH_INVALID, "the signature has another number of outputs than the graph");
    json_array_foreach(specs, i, spec) n_user += json_object_get(spec, "user_output") != NULL;
    etch_str *names;
    ETCH_ALLOC(names, &r->program->arena, sizeof *names * (json_array_size(specs) + 1));
    pt2_output_names(module, &r->program->arena, names, n_user);
    r->where = r->module = (etch_str){ "", 0 };
    json_array_foreach(specs, i, spec) ETCH_TRY(read_output(r, sc, spec, json_array_get(outputs, i), names, &user));
    return NULL;
}

// ---- state ----

static etch_status *is_zero(const pt2_reader *r, const etch_value *leaf, bool *out)
{
    etch_span b;
    *out = false;
    if (leaf->src != ETCH_SRC_FILE) return NULL;
    ETCH_TRY(etch_pt2_bytes(r->archive, leaf->name, &leaf->t, &b));
    size_t i = 0;
    while (i < b.len && !b.ptr[i]) i++;
    *out = i == b.len;
    return NULL;
}

typedef struct { const etch_value *v; bool used; } use;

static void see(void *user, etch_value *v)
{
    use *u = user;
    u->used |= v == u->v;
}

static bool is_used(const etch_method *m, const etch_value *v)
{
    use u = { v, false };
    for (const etch_node *n = m->first; n && !u.used; n = n->next) etch_node_each_use(n, see, &u);
    for (int i = 0; i < m->n_outputs; i++) u.used |= m->outputs[i].v == v;
    return u.used;
}

// What was a constant until now and is written becomes state that persists between calls.
static etch_status *make_state(pt2_reader *r, const pt2_state *st)
{
    for (int i = 0; i < r->n_states; i++)
        if (&r->states[i] != st && etch_str_eq(r->states[i].payload->entry, st->payload->entry) && is_used(r->m, r->states[i].leaf))
            return ETCH_ERR(ETCH_UNSUPPORTED, "the model writes '%.*s', which shares its memory with '%.*s'", ETCH_STR_ARGS(st->fqn),
                            ETCH_STR_ARGS(r->states[i].fqn));
    bool zero;
    etch_value *buffer;
    ETCH_TRY(is_zero(r, st->leaf, &zero));
    ETCH_TRY(etch_method_add_buffer(r->m, st->fqn, &st->leaf->t, NULL, &buffer));
    etch_method_replace(r->m, st->leaf, buffer);
    if (!zero) buffer->init = st->leaf;
    return etch_method_add_mutation(r->m, buffer, st->s->cur);
}

static etch_status *settle(pt2_reader *r)
{
    for (int i = 0; i < r->n_states; i++) {
        const pt2_state *st = &r->states[i];
        if ((st->written || st->s->version) && st->s->cur != st->leaf) ETCH_TRY(make_state(r, st));
    }
    return NULL;
}

// Inputs are the caller's: a write into one would be lost.
static etch_status *check_inputs_unwritten(const pt2_scope *sc)
{
    for (size_t i = 0; i < sc->tensors.n; i++) {
        const pt2_tensor *t = sc->tensors.entries[i].value;
        if (t->input && t->s->version)
            return ETCH_ERR(ETCH_UNSUPPORTED, "the model writes into its input '%.*s'; return the new content instead",
                            ETCH_STR_ARGS(sc->tensors.entries[i].key));
    }
    return NULL;
}

static etch_status *read_model(pt2_reader *r, const json_t *doc)
{
    json_t *module, *graph, *signature, *version;
    int64_t major;
    ETCH_TRY(pt2_object(doc, "schema_version", &version));
    ETCH_TRY(pt2_int(version, "major", &major));
    if (major != 8)
        return ETCH_ERR(ETCH_UNSUPPORTED, "the schema of the exported program is version %lld; etch reads version 8 (PyTorch 2.13)",
                        (long long)major);
    ETCH_TRY(pt2_object(doc, "graph_module", &module));
    ETCH_TRY(pt2_object(module, "graph", &graph));
    ETCH_TRY(pt2_object(module, "signature", &signature));
    r->ranges = json_object_get(doc, "range_constraints");
    ETCH_TRY(pt2_symbols_scan(r, graph));
    pt2_scope sc = { .graph = graph };
    etch_status *s = read_inputs(r, &sc, signature);
    if (!s) s = pt2_nodes(r, &sc);
    if (!s) s = read_outputs(r, &sc, module, signature);
    if (!s) s = check_inputs_unwritten(&sc);
    etch_map_deinit(&sc.tensors);
    return s ? s : settle(r);
}

etch_status *pt2_model_read(etch_pt2 *a, etch_str model, etch_program *p, etch_str method, etch_buf *notes)
{
    pt2_reader r = { .archive = a, .program = p, .notes = notes };
    json_t *docs[2] = { NULL, NULL }, *doc = NULL;
    r.recorder = (etch_recorder){ p, record, &r };
    etch_str path = etch_arena_printf(&a->arena, "models/%.*s.json", ETCH_STR_ARGS(model));
    etch_status *s = path.ptr ? pt2_parse(a, path, &doc) : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (!s) s = etch_program_add_method(p, method, &r.m);
    if (!s) s = pt2_payloads_read(a, model, docs, &r.payloads);
    if (!s) s = read_model(&r, doc);
    pt2_payloads_deinit(&r.payloads);
    etch_map_deinit(&r.hints);
    etch_map_deinit(&r.symbols);
    json_decref(docs[0]);
    json_decref(docs[1]);
    json_decref(doc);
    return s;
}
