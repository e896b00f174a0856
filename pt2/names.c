// Names of the outputs, from the tree that the model returned:
//   [1, {"type": "builtins.dict", "context": "[\"logits\", \"past\"]", "children_spec": [leaf, {"type": "builtins.tuple", ...}]}]
// gives logits, past_0, past_1. A model that returns a tensor or a tuple gives no names.
#include "pt2/internal.h"

enum { MAX_DEPTH = 32 };

typedef struct { etch_arena *arena; etch_str *names; size_t n, cap; } list;

static bool walk(list *l, const json_t *tree, etch_str name, int depth)
{
    json_t *children = json_object_get(tree, "children_spec"), *child;
    size_t i;
    if (depth > MAX_DEPTH || !json_is_array(children)) return false;
    if (json_is_null(json_object_get(tree, "type"))) {
        if (l->n >= l->cap) return false;
        l->names[l->n++] = name;
        return true;
    }
    const json_t *context = json_object_get(tree, "context");
    json_t *keys = json_is_string(context) ? json_loads(json_string_value(context), JSON_DECODE_ANY, NULL) : NULL;
    const bool named = json_is_array(keys) && json_array_size(keys) == json_array_size(children);
    bool ok = true;
    json_array_foreach(children, i, child) {
        const char *key = named ? json_string_value(json_array_get(keys, i)) : NULL;
        etch_str next = { "", 0 };
        if (key && name.len) next = etch_arena_printf(l->arena, "%.*s_%s", ETCH_STR_ARGS(name), key);
        else if (key) next = etch_arena_str(l->arena, etch_str_of(key));
        else if (name.len) next = etch_arena_printf(l->arena, "%.*s_%zu", ETCH_STR_ARGS(name), i);
        ok = ok && next.ptr && walk(l, child, next, depth + 1);
    }
    json_decref(keys);
    return ok;
}

void pt2_output_names(const json_t *graph_module, etch_arena *a, etch_str *names, size_t n)
{
    const json_t *calls = json_object_get(graph_module, "module_call_graph");
    const json_t *text = json_object_get(json_object_get(json_array_get(calls, 0), "signature"), "out_spec");
    json_t *spec = json_is_string(text) ? json_loads(json_string_value(text), 0, NULL) : NULL;
    list l = { a, names, 0, n };
    if (!spec || !walk(&l, json_array_get(spec, 1), (etch_str){ "", 0 }, 0) || l.n != n)
        for (size_t i = 0; i < n; i++) names[i] = (etch_str){ "", 0 };
    json_decref(spec);
}
