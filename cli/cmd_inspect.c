// `etch inspect`: what a program holds. In: a .pte. Out: one JSON object (--json), or its contents as text. Both come from one object.
#define _GNU_SOURCE
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/opt.h"
#include "pte/pte.h"
#include "rt/rt.h"

etch_status *etch_cmd_inspect(int argc, char **argv);

// A string of the file; one that is not UTF-8 has '?' for each byte beyond ASCII.
static json_t *str_json(etch_str s)
{
    json_t *j = json_stringn(s.ptr ? s.ptr : "", s.len);
    char *z = j ? NULL : strndup(s.ptr, s.len);
    for (char *c = z; c && *c; c++)
        if (*c & 0x80) *c = '?';
    if (z) j = json_string(z);
    free(z);
    return j ? j : json_null();
}

static json_t *count_json(uint64_t n) { return json_integer((json_int_t)n); }

// ++object[name]
static void count_up(json_t *object, const char *name)
{
    json_object_set_new(object, name, json_integer(json_integer_value(json_object_get(object, name)) + 1));
}

// ---- values

static const char *const places[] = { "unplanned", "planned", "state", "constant", "external", "external state" };

static json_t *tensor_json(const etch_pte_tensor *t)
{
    json_t *j = json_object(), *shape = json_array(), *order = json_array();
    for (int i = 0; i < t->rank; i++) {
        json_array_append_new(shape, json_integer(t->sizes[i]));
        json_array_append_new(order, json_integer(t->dim_order[i]));
    }
    json_object_set_new(j, "dtype", json_string(etch_dtype_name(t->dtype)));
    json_object_set_new(j, "shape", shape);
    json_object_set_new(j, "dynamic", json_boolean(t->is_dynamic));
    if (t->is_plain) json_decref(order);
    else json_object_set_new(j, "dim_order", order);
    json_object_set_new(j, "place", json_string(places[t->place]));
    if (t->fqn.len) json_object_set_new(j, "name", str_json(t->fqn));
    return j;
}

static etch_status *value_json(const etch_pte *p, etch_fb_table plan, int32_t id, json_t **out)
{
    etch_fb_table e = etch_fb_table_at(etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, values)), (uint32_t)id);
    etch_fb_table v = etch_fb_get_table(e, ETCH_FB(EValue, val));
    switch (etch_fb_get_u8(e, ETCH_FB(EValue, val_type))) {
    case ETCH_FBU(KernelTypes, Tensor): {
        etch_pte_tensor t;
        ETCH_TRY(etch_pte_read_tensor(p, plan, v, &t));
        *out = tensor_json(&t);
        return NULL;
    }
    case ETCH_FBU(KernelTypes, Int): *out = json_integer(etch_fb_get_i64(v, ETCH_FB(Int, int_val))); return NULL;
    case ETCH_FBU(KernelTypes, Bool): *out = json_boolean(etch_fb_get_bool(v, ETCH_FB(Bool, bool_val))); return NULL;
    case ETCH_FBU(KernelTypes, Double): *out = json_real(etch_fb_get_f64(v, ETCH_FB(Double, double_val))); break;
    case ETCH_FBU(KernelTypes, String): *out = str_json(etch_fb_get_str(v, ETCH_FB(String, string_val))); return NULL;
    default: break;
    }
    if (!*out) *out = json_null();
    return NULL;
}

static etch_status *values_json(const etch_pte *p, etch_fb_table plan, int field, json_t *into)
{
    etch_fb_vec ids = etch_fb_get_vec(plan, field);
    for (uint32_t i = 0; i < ids.n; i++) {
        json_t *j = NULL;
        ETCH_TRY(value_json(p, plan, etch_fb_i32_at(ids, i), &j));
        json_array_append_new(into, j);
    }
    return NULL;
}

// ---- instructions and delegates

static void operators_json(etch_fb_table plan, json_t *into, int *out_instructions)
{
    etch_fb_vec chains = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, chains));
    etch_fb_vec ops = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, operators));
    *out_instructions = 0;
    for (uint32_t c = 0; c < chains.n; c++) {
        etch_fb_vec instrs = etch_fb_get_vec(etch_fb_table_at(chains, c), ETCH_FB(Chain, instructions));
        *out_instructions += (int)instrs.n;
        for (uint32_t i = 0; i < instrs.n; i++) {
            static const char *const words[] = { "", "", "delegate call", "move", "jump if false", "free" };
            etch_fb_table instr = etch_fb_table_at(instrs, i), a = etch_fb_get_table(instr, ETCH_FB(Instruction, instr_args));
            int type = etch_fb_get_u8(instr, ETCH_FB(Instruction, instr_args_type));
            if (type != ETCH_FBU(InstructionArguments, KernelCall)) {
                count_up(into, words[type]);
                continue;
            }
            etch_fb_table op = etch_fb_table_at(ops, (uint32_t)etch_fb_get_i32(a, ETCH_FB(KernelCall, op_index)));
            etch_str name = etch_fb_get_str(op, ETCH_FB(Operator, name)), overload = etch_fb_get_str(op, ETCH_FB(Operator, overload));
            char full[128];
            snprintf(full, sizeof full, overload.len ? "%.*s.%.*s" : "%.*s%.*s", ETCH_STR_ARGS(name), ETCH_STR_ARGS(overload));
            count_up(into, full);
        }
    }
}

// Node types of an XNNPACK payload: {"XNNAdd": 3, ...}. NULL when the blob is no such payload.
static json_t *xnn_nodes_json(etch_span blob)
{
    etch_fb_table graph;
    etch_span fb = blob;
    if (blob.len >= 30 && !memcmp(blob.ptr + 4, "XH00", 4)) {
        uint64_t at = etch_fb_load_u32(blob.ptr + 10), n = etch_fb_load_u32(blob.ptr + 14);
        if (at > blob.len || n > blob.len - at) return NULL;
        fb = (etch_span){ blob.ptr + at, (size_t)n };
    }
    etch_status *s = etch_fb_verify(fb, ETCH_FB_XNNGraph, NULL, &graph);
    if (s) {
        etch_status_free(s);
        return NULL;
    }
    json_t *nodes = json_object();
    etch_fb_vec xnodes = etch_fb_get_vec(graph, ETCH_FB(XNNGraph, xnodes));
    for (uint32_t i = 0; i < xnodes.n; i++) {
        int type = etch_fb_get_u8(etch_fb_table_at(xnodes, i), ETCH_FB(XNode, xnode_union_type));
        count_up(nodes, etch_fb_table_name(etch_fb_xnode_table(type)));
    }
    return nodes;
}

static etch_status *delegates_json(const etch_pte *p, etch_fb_table plan, json_t *into)
{
    etch_fb_vec list = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, delegates));
    for (uint32_t i = 0; i < list.n; i++) {
        etch_fb_table t = etch_fb_table_at(list, i);
        etch_str id = etch_fb_get_str(t, ETCH_FB(BackendDelegate, id));
        etch_span blob;
        ETCH_TRY(etch_pte_delegate_blob(p, t, &blob));
        json_t *j = json_object(), *nodes = etch_str_eqz(id, "XnnpackBackend") ? xnn_nodes_json(blob) : NULL;
        json_object_set_new(j, "backend", str_json(id));
        json_object_set_new(j, "bytes", count_json(blob.len));
        if (nodes) json_object_set_new(j, "nodes", nodes);
        json_array_append_new(into, j);
    }
    return NULL;
}

static etch_status *bytes_json(const etch_pte *p, etch_fb_table plan, json_t *into, json_t *tensors)
{
    uint64_t sum[sizeof places / sizeof places[0]] = { 0 };
    etch_fb_vec values = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, values));
    for (uint32_t i = 0; i < values.n; i++) {
        etch_fb_table e = etch_fb_table_at(values, i);
        etch_pte_tensor t;
        if (etch_fb_get_u8(e, ETCH_FB(EValue, val_type)) != ETCH_FBU(KernelTypes, Tensor)) continue;
        ETCH_TRY(etch_pte_read_tensor(p, plan, etch_fb_get_table(e, ETCH_FB(EValue, val)), &t));
        sum[t.place] += t.nbytes;
        if (t.place == ETCH_PTE_PLANNED || t.place == ETCH_PTE_UNPLANNED) continue;
        json_t *j = tensor_json(&t);
        json_object_set_new(j, "bytes", count_json(t.nbytes));
        json_array_append_new(tensors, j);
    }
    json_object_set_new(into, "constants", count_json(sum[ETCH_PTE_CONSTANT]));
    json_object_set_new(into, "state", count_json(sum[ETCH_PTE_STATE]));
    json_t *arenas = json_array();
    etch_fb_vec sizes = etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, non_const_buffer_sizes));
    for (uint32_t i = 1; i < sizes.n; i++) json_array_append_new(arenas, json_integer(etch_fb_i64_at(sizes, i)));
    json_object_set_new(into, "buffers", arenas);
    return NULL;
}

static etch_status *method_json(const etch_pte *p, etch_fb_table plan, json_t *j)
{
    int instructions;
    json_t *inputs = json_array(), *outputs = json_array(), *ops = json_object();
    json_t *delegates = json_array(), *bytes = json_object(), *tensors = json_array();
    json_object_set_new(j, "name", str_json(etch_fb_get_str(plan, ETCH_FB(ExecutionPlan, name))));
    json_object_set_new(j, "inputs", inputs);
    json_object_set_new(j, "outputs", outputs);
    operators_json(plan, ops, &instructions);
    json_object_set_new(j, "instructions", json_integer(instructions));
    json_object_set_new(j, "operators", ops);
    json_object_set_new(j, "delegates", delegates);
    json_object_set_new(j, "bytes", bytes);
    json_object_set_new(j, "tensors", tensors);
    ETCH_TRY(values_json(p, plan, ETCH_FB(ExecutionPlan, inputs), inputs));
    ETCH_TRY(values_json(p, plan, ETCH_FB(ExecutionPlan, outputs), outputs));
    ETCH_TRY(delegates_json(p, plan, delegates));
    return bytes_json(p, plan, bytes, tensors);
}

// ---- the file

static bool is_constant(etch_fb_table plan)
{
    json_t *ops = json_object();
    int instructions;
    operators_json(plan, ops, &instructions);
    json_decref(ops);
    return instructions == 0 && etch_fb_get_vec(plan, ETCH_FB(ExecutionPlan, inputs)).n == 0;
}

// One value as it is, several as a list.
static etch_status *meta_json(const etch_pte *p, etch_fb_table plan, json_t *into)
{
    json_t *list = json_array();
    etch_status *s = values_json(p, plan, ETCH_FB(ExecutionPlan, outputs), list);
    json_t *name = str_json(etch_fb_get_str(plan, ETCH_FB(ExecutionPlan, name)));
    if (!s) json_object_set(into, json_string_value(name), json_array_size(list) == 1 ? json_array_get(list, 0) : list);
    json_decref(name);
    json_decref(list);
    return s;
}

static etch_status *file_json(const etch_pte *p, const char *path, json_t *root)
{
    json_t *methods = json_array(), *meta = json_object(), *segments = json_array(), *named = json_array();
    json_object_set_new(root, "file", str_json(etch_str_of(path)));
    json_object_set_new(root, "bytes", count_json(p->file.len));
    json_object_set_new(root, "program_bytes", count_json(p->program_size));
    json_object_set_new(root, "methods", methods);
    json_object_set_new(root, "metadata", meta);
    json_object_set_new(root, "segments", segments);
    json_object_set_new(root, "named_data", named);
    for (uint32_t i = 0; i < p->plans.n; i++) {
        etch_fb_table plan = etch_fb_table_at(p->plans, i);
        if (is_constant(plan)) {
            ETCH_TRY(meta_json(p, plan, meta));
            continue;
        }
        json_t *j = json_object();
        json_array_append_new(methods, j);
        ETCH_TRY(method_json(p, plan, j));
    }
    for (uint32_t i = 0; i < p->segments.n; i++) {
        etch_fb_table t = etch_fb_table_at(p->segments, i);
        json_t *j = json_object();
        json_object_set_new(j, "offset", count_json(p->segment_base + etch_fb_get_u64(t, ETCH_FB(DataSegment, offset))));
        json_object_set_new(j, "bytes", count_json(etch_fb_get_u64(t, ETCH_FB(DataSegment, size))));
        json_array_append_new(segments, j);
    }
    for (uint32_t i = 0; i < p->named.n; i++) {
        etch_fb_table t = etch_fb_table_at(p->named, i);
        etch_span bytes;
        ETCH_TRY(etch_pte_segment(p, etch_fb_get_u32(t, ETCH_FB(NamedData, segment_index)), &bytes));
        json_t *j = json_object();
        json_object_set_new(j, "key", str_json(etch_fb_get_str(t, ETCH_FB(NamedData, key))));
        json_object_set_new(j, "bytes", count_json(bytes.len));
        json_array_append_new(named, j);
    }
    return NULL;
}

// ---- text

static long long int_at(const json_t *object, const char *key) { return (long long)json_integer_value(json_object_get(object, key)); }

static void print_value(const char *label, size_t i, const json_t *v)
{
    if (!json_is_object(v)) {
        char *text = json_dumps(v, JSON_ENCODE_ANY);
        printf("    %s%zu  %s\n", label, i, text ? text : "?");
        free(text);
        return;
    }
    char *shape = json_dumps(json_object_get(v, "shape"), JSON_COMPACT);
    printf("    %s%zu  %s%s%s\n", label, i, json_string_value(json_object_get(v, "dtype")), shape ? shape : "",
           json_is_true(json_object_get(v, "dynamic")) ? "  (at most)" : "");
    free(shape);
}

static void print_counts(const char *title, json_t *counts)
{
    const char *name;
    json_t *n;
    if (json_object_size(counts)) printf("  %s\n", title);
    json_object_foreach(counts, name, n) printf("    %5lld  %s\n", (long long)json_integer_value(n), name);
}

// "XnnpackBackend, OtherBackend": each once.
static void backend_names(const json_t *delegates, char *out, size_t cap)
{
    size_t i, used = 0;
    const json_t *v;
    *out = 0;
    json_array_foreach(delegates, i, v)
    {
        const char *name = json_string_value(json_object_get(v, "backend"));
        if (!name || strstr(out, name)) continue;
        int n = snprintf(out + used, cap - used, "%s%s", used ? ", " : "", name);
        if (n < 0 || (size_t)n >= cap - used) return;
        used += (size_t)n;
    }
}

static void print_method(json_t *m)
{
    size_t i;
    json_t *v, *bytes = json_object_get(m, "bytes"), *all = json_object();
    printf("method %s\n", json_string_value(json_object_get(m, "name")));
    printf("  inputs and outputs\n");
    json_array_foreach(json_object_get(m, "inputs"), i, v) print_value("in", i, v);
    json_array_foreach(json_object_get(m, "outputs"), i, v) print_value("out", i, v);
    char title[192], names[128];
    snprintf(title, sizeof title, "%lld instructions", int_at(m, "instructions"));
    print_counts(title, json_object_get(m, "operators"));
    json_array_foreach(json_object_get(m, "delegates"), i, v)
    {
        const char *node;
        json_t *n;
        json_object_foreach(json_object_get(v, "nodes"), node, n)
            json_object_set_new(all, node, json_integer(json_integer_value(json_object_get(all, node)) + json_integer_value(n)));
    }
    backend_names(json_object_get(m, "delegates"), names, sizeof names);
    snprintf(title, sizeof title, "nodes in %zu delegates%s%s%s", json_array_size(json_object_get(m, "delegates")), *names ? " (" : "",
             names, *names ? ")" : "");
    print_counts(title, all);
    json_decref(all);
    char *buffers = json_dumps(json_object_get(bytes, "buffers"), JSON_COMPACT);
    printf("  memory: constants %lld bytes, initial state %lld, buffers %s\n", int_at(bytes, "constants"), int_at(bytes, "state"),
           buffers ? buffers : "");
    free(buffers);
}

static void print_text(json_t *root)
{
    size_t i;
    json_t *v;
    const char *key;
    printf("%s  %lld bytes, of which %lld program\n", json_string_value(json_object_get(root, "file")), int_at(root, "bytes"),
           int_at(root, "program_bytes"));
    json_array_foreach(json_object_get(root, "methods"), i, v) print_method(v);
    if (json_object_size(json_object_get(root, "metadata"))) printf("metadata\n");
    json_object_foreach(json_object_get(root, "metadata"), key, v)
    {
        char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        printf("  %s = %s\n", key, text ? text : "?");
        free(text);
    }
    printf("segments\n");
    json_array_foreach(json_object_get(root, "segments"), i, v)
        printf("  %3zu  %10lld bytes at %lld\n", i, int_at(v, "bytes"), int_at(v, "offset"));
    if (json_array_size(json_object_get(root, "named_data"))) printf("named data\n");
    json_array_foreach(json_object_get(root, "named_data"), i, v)
        printf("  %10lld bytes  %s\n", int_at(v, "bytes"), json_string_value(json_object_get(v, "key")));
}

etch_status *etch_cmd_inspect(int argc, char **argv)
{
    bool as_json = false, done;
    const char *path;
    etch_opt opts[] = {
        { "--json", NULL, ETCH_OPT_FLAG, &as_json, NULL, "one JSON object, tensors included", 0, 0, false, "Options" },
        { 0 },
    };
    const etch_cmd cmd = { "inspect", "Shows methods, metadata, operators, delegates and data of a program.", "FILE.pte", 1, 1,
                           "  etch inspect model.pte\n  etch inspect model.pte --json", opts };
    ETCH_TRY(etch_opt_parse(&cmd, argc, argv, &path, &done));
    if (done) return NULL;
    etch_pte p;
    ETCH_TRY(etch_pte_open(path, &p));
    json_t *root = json_object();
    etch_status *s = file_json(&p, path, root);
    if (!s && as_json) {
        if (json_dumpf(root, stdout, JSON_INDENT(2))) s = ETCH_ERR(ETCH_IO, "cannot write JSON");
        else putchar('\n');
    } else if (!s) {
        print_text(root);
    }
    json_decref(root);
    etch_pte_close(&p);
    return s;
}
