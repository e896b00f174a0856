// Where a node comes from: the model's source line and module, out of the node's metadata.
#include "pt2/internal.h"

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

etch_status *pt2_set_place(pt2_reader *r, const json_t *node)
{
    const json_t *metadata = json_object_get(node, "metadata"), *trace = json_object_get(metadata, "stack_trace"),
                 *stack = json_object_get(metadata, "nn_module_stack");
    r->module = json_is_string(stack) ? module_of(pt2_str(stack)) : (etch_str){ "", 0 };
    r->where = (etch_str){ "", 0 };
    return json_is_string(trace) ? place_of(r, pt2_str(trace), &r->where) : NULL;
}
