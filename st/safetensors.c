// In: a safetensors file, an index, or a folder. Out: a checked table of tensors over the maps.
#include "st/safetensors.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/num.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)
#define MAX_HEADER ((uint64_t)100 << 20)  // the reference implementation's limit

typedef struct { etch_mapped map; etch_span bytes; const char *path, *base; size_t first, n; } st_file;

struct etch_st {
    etch_arena arena;
    st_file *files;
    int n_files, cap_files;
    etch_st_tensor *tensors;
    size_t n, cap;
    etch_map by_key;       // key -> index + 1
    json_t *metadata;      // of file 0, may be NULL
};

static const struct { const char *name; etch_dtype dtype; uint8_t size; } types[] = {
    { "BOOL", ETCH_BOOL, 1 }, { "U8", ETCH_U8, 1 }, { "I8", ETCH_I8, 1 }, { "I16", ETCH_I16, 2 }, { "U16", ETCH_U16, 2 },
    { "I32", ETCH_I32, 4 }, { "U32", ETCH_U32, 4 }, { "I64", ETCH_I64, 8 }, { "U64", ETCH_U64, 8 }, { "F16", ETCH_F16, 2 },
    { "BF16", ETCH_BF16, 2 }, { "F32", ETCH_F32, 4 }, { "F64", ETCH_F64, 8 }, { "C64", ETCH_C64, 8 },
    { "F8_E4M3", ETCH_DTYPE_NONE, 1 }, { "F8_E5M2", ETCH_DTYPE_NONE, 1 }, { "F8_E8M0", ETCH_DTYPE_NONE, 1 },
};
enum { N_TYPES = sizeof types / sizeof types[0] };

// ---- one tensor

static etch_status *read_type(const json_t *j, etch_st_tensor *t, size_t *out_size)
{
    const char *name = json_string_value(json_object_get(j, "dtype"));
    if (!name) return BAD("has no dtype");
    for (int i = 0; i < N_TYPES; i++)
        if (!strcmp(name, types[i].name)) {
            t->dtype = types[i].dtype;
            *out_size = types[i].size;
            return NULL;
        }
    return ETCH_ERR(ETCH_UNSUPPORTED, "has the unknown dtype \"%.40s\"", name);
}

static etch_status *read_shape(const json_t *j, etch_st_tensor *t)
{
    const json_t *shape = json_object_get(j, "shape");
    if (!json_is_array(shape)) return BAD("has no shape");
    if (json_array_size(shape) > ETCH_MAX_RANK) return BAD("has %zu dimensions; at most %d", json_array_size(shape), ETCH_MAX_RANK);
    t->rank = (int)json_array_size(shape);
    t->numel = 1;
    bool fits = true, is_empty = false;
    for (int i = 0; i < t->rank; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);
        if (!json_is_integer(d) || json_integer_value(d) < 0) return BAD("has a shape entry that is no size");
        t->sizes[i] = json_integer_value(d);
        if (t->sizes[i] == 0) is_empty = true;
        else fits = fits && etch_mul_ok(t->numel, t->sizes[i], &t->numel);
    }
    if (is_empty) t->numel = 0;
    return fits || is_empty ? NULL : BAD("has more elements than can be counted");
}

static etch_status *read_span(const json_t *j, const st_file *f, size_t data_at, size_t elem, etch_st_tensor *t)
{
    const json_t *offsets = json_object_get(j, "data_offsets");
    const json_t *from_j = json_array_get(offsets, 0), *to_j = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(from_j) || !json_is_integer(to_j)) return BAD("has no data_offsets");
    int64_t from = json_integer_value(from_j), to = json_integer_value(to_j), bytes, end;
    if (from < 0 || to < from) return BAD("has data_offsets [%lld, %lld]", (long long)from, (long long)to);
    if (!etch_mul_ok(t->numel, (int64_t)elem, &bytes) || bytes != to - from)
        return BAD("has %lld bytes of data, but its dtype and shape need %lld elements of %zu bytes", (long long)(to - from),
                   (long long)t->numel, elem);
    if (!etch_add_ok(to, (int64_t)data_at, &end)) return BAD("has data_offsets [%lld, %lld]", (long long)from, (long long)to);
    if ((uint64_t)end > f->bytes.len)
        return BAD("ends at byte %lld but the file has %zu bytes; the download is incomplete", (long long)end, f->bytes.len);
    t->offset = data_at + (size_t)from;
    t->nbytes = (size_t)bytes;
    return NULL;
}

static etch_status *add_tensor(etch_st *st, int file, size_t data_at, const char *key, const json_t *j)
{
    etch_st_tensor t = { .file = file };
    size_t elem = 0;
    if (!json_is_object(j)) return BAD("is no object");
    ETCH_TRY(read_type(j, &t, &elem));
    ETCH_TRY(read_shape(j, &t));
    ETCH_TRY(read_span(j, &st->files[file], data_at, elem, &t));
    t.key = etch_arena_str(&st->arena, etch_str_of(key));
    if (!t.key.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (st->n == st->cap) {
        size_t cap = st->cap ? 2 * st->cap : 64;
        etch_st_tensor *grown = realloc(st->tensors, cap * sizeof *grown);
        if (!grown) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        st->tensors = grown;
        st->cap = cap;
    }
    st->tensors[st->n++] = t;
    return NULL;
}

// ---- one file

static int by_offset(const void *a, const void *b)
{
    const etch_st_tensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (x->nbytes != y->nbytes) return x->nbytes < y->nbytes ? -1 : 1;
    return etch_str_cmp(x->key, y->key);
}

// Sorted tensors follow each other without overlap or hole, up to the end of the file.
static etch_status *check_layout(const etch_st *st, const st_file *f, size_t data_at)
{
    size_t at = data_at;
    for (size_t i = f->first; i < f->first + f->n; i++) {
        const etch_st_tensor *t = &st->tensors[i];
        if (t->offset < at)
            return BAD("tensors '%.*s' and '%.*s' overlap", ETCH_STR_ARGS(st->tensors[i - 1].key), ETCH_STR_ARGS(t->key));
        if (t->offset > at) return BAD("%zu bytes before tensor '%.*s' belong to no tensor", t->offset - at, ETCH_STR_ARGS(t->key));
        at += t->nbytes;
    }
    return at == f->bytes.len ? NULL : BAD("%zu bytes at the end belong to no tensor", f->bytes.len - at);
}

static etch_status *read_entries(etch_st *st, int file, json_t *header, size_t data_at)
{
    st_file *f = &st->files[file];
    const char *key;
    json_t *j;
    f->first = st->n;
    json_object_foreach(header, key, j)
    {
        if (strcmp(key, "__metadata__")) ETCH_TRYF(add_tensor(st, file, data_at, key, j), "tensor '%s'", key);
        else if (!json_is_object(j)) return BAD("__metadata__ is no object");
        else if (file == 0) st->metadata = json_incref(j);
    }
    f->n = st->n - f->first;
    if (f->n) qsort(st->tensors + f->first, f->n, sizeof *st->tensors, by_offset);
    return check_layout(st, f, data_at);
}

static etch_status *read_file(etch_st *st, int file)
{
    const etch_span b = st->files[file].bytes;
    uint64_t n;
    if (b.len < 10) return BAD("the file has %zu bytes; it is empty or incomplete", b.len);
    memcpy(&n, b.ptr, 8);
    if (n > MAX_HEADER) return BAD("header of %llu bytes; this is no safetensors file", (unsigned long long)n);
    if (n > b.len - 8)
        return BAD("the header ends at byte %llu but the file has %zu bytes; the download is incomplete", (unsigned long long)n + 8, b.len);
    if (n < 2 || b.ptr[8] != '{') return BAD("the header is no JSON object; this is no safetensors file");
    json_error_t e;
    json_t *header = json_loadb((const char *)b.ptr + 8, (size_t)n, JSON_REJECT_DUPLICATES, &e);
    if (!header) return BAD("header: %s (line %d, column %d)", e.text, e.line, e.column);
    etch_status *s = json_is_object(header) ? read_entries(st, file, header, 8 + (size_t)n) : BAD("the header is no JSON object");
    json_decref(header);
    return s;
}

static etch_status *add_file(etch_st *st, const char *path, const char *base, const etch_span *bytes, int *out_file)
{
    if (st->n_files == st->cap_files) {
        int cap = st->cap_files ? 2 * st->cap_files : 4;
        st_file *grown = realloc(st->files, (size_t)cap * sizeof *grown);
        if (!grown) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        st->files = grown;
        st->cap_files = cap;
    }
    st_file f = { .path = etch_arena_str(&st->arena, etch_str_of(path)).ptr, .base = etch_arena_str(&st->arena, etch_str_of(base)).ptr };
    if (!f.path || !f.base) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    if (bytes) f.bytes = *bytes;
    else {
        ETCH_TRY(etch_mapped_open(path, &f.map));
        f.bytes = f.map.bytes;
    }
    st->files[st->n_files] = f;
    *out_file = st->n_files++;
    ETCH_TRYF(read_file(st, *out_file), "%s", path);
    return NULL;
}

// ---- lookup table

static etch_status *index_keys(etch_st *st)
{
    for (size_t i = 0; i < st->n; i++) {
        if (etch_map_has(&st->by_key, st->tensors[i].key)) return BAD("tensor '%.*s' is in two files", ETCH_STR_ARGS(st->tensors[i].key));
        ETCH_TRY(etch_map_put(&st->by_key, st->tensors[i].key, (void *)(uintptr_t)(i + 1)));
    }
    return NULL;
}

// ---- sharded

static etch_status *join_path(etch_st *st, const char *folder, const char *name, const char **out)
{
    size_t n = strlen(folder);
    *out = etch_arena_printf(&st->arena, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name).ptr;
    return *out ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
}

static int find_file(const etch_st *st, const char *base)
{
    for (int i = 0; i < st->n_files; i++)
        if (!strcmp(st->files[i].base, base)) return i;
    return -1;
}

static etch_status *read_shards(etch_st *st, const json_t *index, const char *folder)
{
    json_t *weights = json_object_get(index, "weight_map"), *j;
    const char *key;
    if (!json_is_object(weights)) return BAD("no weight_map");
    json_object_foreach(weights, key, j)
    {
        const char *base = json_string_value(j), *path;
        if (!base || !*base || strchr(base, '/') || !strcmp(base, "..")) return BAD("'%s' is in no plain file name", key);
        int file;
        if (find_file(st, base) >= 0) continue;
        ETCH_TRY(join_path(st, folder, base, &path));
        ETCH_TRY(add_file(st, path, base, NULL, &file));
    }
    ETCH_TRY(index_keys(st));
    json_object_foreach(weights, key, j)
    {
        const etch_st_tensor *t = etch_st_find(st, etch_str_of(key));
        if (!t || strcmp(st->files[t->file].base, json_string_value(j))) return BAD("tensor '%s' is not in %s", key, json_string_value(j));
    }
    return NULL;
}

static etch_status *open_index(etch_st *st, const char *path, const char *folder)
{
    etch_buf text = { 0 };
    etch_status *s = etch_file_read(path, &text);
    json_error_t e;
    json_t *index = s ? NULL : json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &e);
    if (!s && !index) s = BAD("%s (line %d, column %d)", e.text, e.line, e.column);
    if (!s) s = read_shards(st, index, folder);
    json_decref(index);
    etch_buf_deinit(&text);
    return s ? etch_status_frame(s, __FILE__, __LINE__, "%s", path) : NULL;
}

// ---- open

static bool is_folder(const char *path)
{
    struct stat sb;
    return !stat(path, &sb) && S_ISDIR(sb.st_mode);
}

static etch_status *open_folder(etch_st *st, const char *folder)
{
    const char *one, *index;
    int file;
    ETCH_TRY(join_path(st, folder, "model.safetensors", &one));
    ETCH_TRY(join_path(st, folder, "model.safetensors.index.json", &index));
    if (etch_file_exists(one)) {
        ETCH_TRY(add_file(st, one, "model.safetensors", NULL, &file));
        return index_keys(st);
    }
    if (etch_file_exists(index)) return open_index(st, index, folder);
    return ETCH_ERR(ETCH_NOT_FOUND, "%s holds neither model.safetensors nor model.safetensors.index.json", folder);
}

static etch_status *open_path(etch_st *st, const char *path, const etch_span *bytes)
{
    if (!bytes && is_folder(path)) return open_folder(st, path);
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t n = strlen(base);
    if (!bytes && n > 5 && !strcmp(base + n - 5, ".json")) {
        etch_str folder = slash ? etch_arena_str(&st->arena, (etch_str){ path, (size_t)(slash - path) + 1 }) : ETCH_LIT(".");
        return folder.ptr ? open_index(st, path, folder.ptr) : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    }
    int file;
    ETCH_TRY(add_file(st, path, base, bytes, &file));
    return index_keys(st);
}

static etch_status *open_any(const char *path, const etch_span *bytes, etch_st **out_st)
{
    *out_st = NULL;
    etch_st *st = calloc(1, sizeof *st);
    if (!st) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    etch_status *s = open_path(st, path, bytes);
    if (s) etch_st_close(st);
    else *out_st = st;
    return s;
}

etch_status *etch_st_open(const char *path, etch_st **out_st) { return open_any(path, NULL, out_st); }
etch_status *etch_st_open_bytes(etch_span bytes, const char *name, etch_st **out_st) { return open_any(name, &bytes, out_st); }

void etch_st_close(etch_st *st)
{
    if (!st) return;
    for (int i = 0; i < st->n_files; i++) etch_mapped_close(&st->files[i].map);
    free(st->files);
    free(st->tensors);
    json_decref(st->metadata);
    etch_map_deinit(&st->by_key);
    etch_arena_deinit(&st->arena);
    free(st);
}

// ---- accessors

size_t etch_st_count(const etch_st *st) { return st->n; }
const etch_st_tensor *etch_st_at(const etch_st *st, size_t i) { return &st->tensors[i]; }

const etch_st_tensor *etch_st_find(const etch_st *st, etch_str key)
{
    uintptr_t i = (uintptr_t)etch_map_get(&st->by_key, key);
    return i ? &st->tensors[i - 1] : NULL;
}

etch_span etch_st_bytes(const etch_st *st, const etch_st_tensor *t)
{
    return (etch_span){ st->files[t->file].bytes.ptr + t->offset, t->nbytes };
}
int etch_st_n_files(const etch_st *st) { return st->n_files; }
const char *etch_st_file_name(const etch_st *st, int file) { return st->files[file].path; }
const char *etch_st_file_base(const etch_st *st, int file) { return st->files[file].base; }
void etch_st_drop(const etch_st *st, const etch_st_tensor *t)
{
    if (st->files[t->file].map.bytes.ptr) etch_mapped_drop(&st->files[t->file].map, t->offset, t->nbytes);
}

etch_str etch_st_metadata(const etch_st *st, etch_str key)
{
    const char *k;
    json_t *v;
    json_object_foreach(st->metadata, k, v)
        if (etch_str_eqz(key, k) && json_is_string(v)) return etch_str_of(json_string_value(v));
    return (etch_str){ 0 };
}

// ---- writing

static const char *type_name(etch_dtype d)
{
    for (int i = 0; i < N_TYPES; i++)
        if (types[i].dtype == d) return types[i].name;
    return NULL;
}

static etch_status *put_entry(etch_buf *head, const etch_st_entry *e, uint64_t *at)
{
    size_t bytes;
    const char *type = type_name(e->t->dtype);
    if (!type || e->t->dtype == ETCH_DTYPE_NONE)
        return ETCH_ERR(ETCH_UNSUPPORTED, "tensor '%.*s': dtype %s", ETCH_STR_ARGS(e->key), etch_dtype_name(e->t->dtype));
    if (!etch_tensor_nbytes(e->t, &bytes)) return BAD("tensor '%.*s': its byte count overflows", ETCH_STR_ARGS(e->key));
    if (head->len > 9) etch_buf_puts(head, ",");
    etch_buf_quote(head, e->key);
    etch_buf_printf(head, ":{\"dtype\":\"%s\",\"shape\":[", type);
    for (int i = 0; i < e->t->rank; i++) etch_buf_printf(head, i ? ",%lld" : "%lld", (long long)e->t->sizes[i].v);
    etch_buf_printf(head, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)*at, (unsigned long long)(*at + bytes));
    *at += bytes;
    return NULL;
}

// Element sizes 8, 4, 2, 1 in turn.
static etch_status *each_by_width(const etch_st_entry *entries, size_t n, etch_buf *head, etch_writer *w)
{
    uint64_t at = 0;
    for (size_t width = 8; width; width /= 2) {
        for (size_t i = 0; i < n; i++) {
            size_t bytes;
            if (etch_dtype_size(entries[i].t->dtype) != width) continue;
            if (head) ETCH_TRY(put_entry(head, &entries[i], &at));
            else if (etch_tensor_nbytes(entries[i].t, &bytes)) ETCH_TRY(etch_writer_put(w, entries[i].t->data, bytes));
        }
    }
    return NULL;
}

static etch_status *build_header(const etch_st_entry *entries, size_t n, etch_buf *head)
{
    etch_buf_fill(head, 0, 8);
    etch_buf_puts(head, "{");
    ETCH_TRY(each_by_width(entries, n, head, NULL));
    etch_buf_puts(head, "}");
    while (head->len % 8 && !head->oom) etch_buf_puts(head, " ");
    ETCH_TRY(etch_buf_check(head));
    uint64_t len = head->len - 8;
    memcpy(head->ptr, &len, 8);
    return NULL;
}

etch_status *etch_st_write(const char *path, const etch_st_entry *entries, size_t n)
{
    etch_buf head = { 0 };
    etch_writer w;
    etch_status *s = build_header(entries, n, &head);
    if (!s) {
        s = etch_writer_open(path, &w);
        if (!s) {
            s = etch_writer_put(&w, head.ptr, head.len);
            if (!s) s = each_by_width(entries, n, NULL, &w);
            if (!s) s = etch_writer_commit(&w);
            else etch_writer_abandon(&w);
        }
    }
    etch_buf_deinit(&head);
    return s;
}
