// In: a GGUF file. Out: a checked table of tensors over the map. The metadata is stepped over: the tracer's process reads it.
#include "st/gguf.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/num.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)

enum { TYPE_STRING = 8, TYPE_ARRAY = 9, N_TYPES = 13, MAX_NESTING = 4 };
static const uint8_t widths[N_TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

struct etch_gguf {
    etch_mapped map;
    etch_span bytes;
    etch_gguf_tensor *tensors;
    size_t n;
    uint64_t alignment;
    etch_map by_key;       // key -> index + 1
};

// Types of tensors that are no blocks; the others by name, for messages.
static const struct { uint32_t type; etch_dtype dtype; } plain[] = {
    { 0, ETCH_F32 }, { 1, ETCH_F16 }, { 24, ETCH_I8 }, { 25, ETCH_I16 }, { 26, ETCH_I32 }, { 27, ETCH_I64 }, { 28, ETCH_F64 },
    { 30, ETCH_BF16 },
};
static const struct { uint32_t type; const char *name; } others[] = {
    { 9, "Q8_1" }, { 10, "Q2_K" }, { 11, "Q3_K" }, { 15, "Q8_K" }, { 16, "IQ2_XXS" }, { 17, "IQ2_XS" }, { 18, "IQ3_XXS" }, { 19, "IQ1_S" },
    { 20, "IQ4_NL" }, { 21, "IQ3_S" }, { 22, "IQ2_S" }, { 23, "IQ4_XS" }, { 29, "IQ1_M" }, { 34, "TQ1_0" }, { 35, "TQ2_0" },
    { 39, "MXFP4" },
};

// ---- a cursor over the bytes

typedef struct { etch_span b; size_t at; } cursor;

static etch_status *ended(const cursor *c)
{
    return BAD("the header goes on after byte %zu, where the file ends; the download is incomplete", c->b.len);
}

static etch_status *take(cursor *c, void *out, size_t n)
{
    memset(out, 0, n);
    if (n > c->b.len - c->at) return ended(c);
    memcpy(out, c->b.ptr + c->at, n);
    c->at += n;
    return NULL;
}

static etch_status *skip(cursor *c, uint64_t count, uint64_t width)
{
    uint64_t n;
    if (!etch_mul_ok(count, width, &n) || n > c->b.len - c->at) return ended(c);
    c->at += (size_t)n;
    return NULL;
}

// Borrowed from the map.
static etch_status *take_str(cursor *c, etch_str *out)
{
    uint64_t n;
    ETCH_TRY(take(c, &n, 8));
    *out = (etch_str){ (const char *)c->b.ptr + c->at, (size_t)n };
    return skip(c, n, 1);
}

static etch_status *skip_value(cursor *c, uint32_t type, int depth)
{
    etch_str s;
    uint64_t count;
    if (type == TYPE_STRING) return take_str(c, &s);
    if (type >= N_TYPES) return BAD("a value of the unknown type %u", type);
    if (type != TYPE_ARRAY) return skip(c, 1, widths[type]);
    if (depth == MAX_NESTING) return BAD("arrays within arrays, more than %d deep", MAX_NESTING);
    ETCH_TRY(take(c, &type, 4));
    ETCH_TRY(take(c, &count, 8));
    if (type < N_TYPES && widths[type]) return skip(c, count, widths[type]);
    for (uint64_t i = 0; i < count; i++) ETCH_TRY(skip_value(c, type, depth + 1));  // each takes at least 8 bytes of the file
    return NULL;
}

static etch_status *read_pair(etch_gguf *g, cursor *c)
{
    etch_str key;
    uint32_t type;
    ETCH_TRY(take_str(c, &key));
    ETCH_TRYF(take(c, &type, 4), "key '%.*s'", ETCH_STR_ARGS(key));
    const cursor before = *c;
    ETCH_TRYF(skip_value(c, type, 0), "key '%.*s'", ETCH_STR_ARGS(key));
    if (etch_str_eqz(key, "general.alignment") && type == 4) {
        uint32_t a;
        memcpy(&a, before.b.ptr + before.at, 4);
        if (!a || a & (a - 1) || a > 1u << 20) return BAD("general.alignment is %u, which is no power of two up to a million", a);
        g->alignment = a;
    }
    if (etch_str_eqz(key, "split.count") && type == 2) {
        uint16_t n;
        memcpy(&n, before.b.ptr + before.at, 2);
        if (n > 1) return ETCH_ERR(ETCH_UNSUPPORTED, "the file is one of %d parts; merge them first (gguf-split --merge)", n);
    }
    return NULL;
}

// ---- tensors

static etch_status *set_type(uint32_t type, etch_gguf_tensor *t)
{
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (plain[i].type == type) {
            t->dtype = plain[i].dtype;
            return NULL;
        }
    t->dtype = ETCH_U8;
    t->block = etch_block_of_type(type);
    if (t->block) return NULL;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].type == type) return ETCH_ERR(ETCH_UNSUPPORTED, "is of type %s, which etch does not read", others[i].name);
    return ETCH_ERR(ETCH_UNSUPPORTED, "is of the unknown type %u", type);
}

static etch_status *set_sizes(cursor *c, etch_gguf_tensor *t)
{
    uint32_t rank;
    int64_t n;
    ETCH_TRY(take(c, &rank, 4));
    if (rank > ETCH_MAX_RANK) return BAD("has %u dimensions; at most %d", rank, ETCH_MAX_RANK);
    t->rank = (int)rank;
    for (int i = t->rank - 1; i >= 0; i--) {
        ETCH_TRY(take(c, &n, 8));
        if (n < 0) return BAD("has a size of %lld", (long long)n);
        t->sizes[i] = n;
    }
    return NULL;
}

static etch_status *count_bytes(etch_gguf_tensor *t)
{
    int64_t n = (int64_t)etch_dtype_size(t->dtype);
    if (t->block) {
        int64_t *last = t->rank ? &t->sizes[t->rank - 1] : NULL;
        if (!last || *last % t->block->values)
            return BAD("has rows of %lld values, but %s has blocks of %d", (long long)(last ? *last : 1), t->block->name, t->block->values);
        if (!etch_mul_ok(*last / t->block->values, t->block->bytes, last)) return BAD("has more bytes than can be counted");
    }
    for (int i = 0; i < t->rank; i++)
        if (!etch_mul_ok(n, t->sizes[i], &n)) return BAD("has more bytes than can be counted");
    t->nbytes = (size_t)n;
    return NULL;
}

static etch_status *read_tensor(etch_gguf *g, cursor *c, etch_gguf_tensor *t)
{
    uint32_t type;
    uint64_t offset;
    ETCH_TRY(set_sizes(c, t));
    ETCH_TRY(take(c, &type, 4));
    ETCH_TRY(take(c, &offset, 8));
    ETCH_TRY(set_type(type, t));
    ETCH_TRY(count_bytes(t));
    if (offset % g->alignment)
        return BAD("begins at byte %llu of the data, which is no multiple of %llu", (unsigned long long)offset,
                   (unsigned long long)g->alignment);
    if (offset > g->bytes.len)
        return BAD("begins at byte %llu of the data but the file has %zu bytes; the download is incomplete", (unsigned long long)offset,
                   g->bytes.len);
    t->offset = (size_t)offset;
    return NULL;
}

static int by_offset(const void *a, const void *b)
{
    const etch_gguf_tensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (x->nbytes != y->nbytes) return x->nbytes < y->nbytes ? -1 : 1;
    return etch_str_cmp(x->key, y->key);
}

// Offsets count from `data_at` until here. Padding between tensors belongs to the format.
static etch_status *place(etch_gguf *g, size_t data_at)
{
    if (g->n) qsort(g->tensors, g->n, sizeof *g->tensors, by_offset);
    size_t at = data_at;
    for (size_t i = 0; i < g->n; i++) {
        etch_gguf_tensor *t = &g->tensors[i];
        size_t end;
        if (!etch_add_ok(t->offset, data_at, &t->offset) || !etch_add_ok(t->offset, t->nbytes, &end) || end > g->bytes.len)
            return BAD("tensor '%.*s' ends after the %zu bytes of the file; the download is incomplete", ETCH_STR_ARGS(t->key),
                       g->bytes.len);
        if (t->offset < at) return BAD("tensors '%.*s' and '%.*s' overlap", ETCH_STR_ARGS(g->tensors[i - 1].key), ETCH_STR_ARGS(t->key));
        at = end;
        if (etch_map_has(&g->by_key, t->key)) return BAD("tensor '%.*s' is there twice", ETCH_STR_ARGS(t->key));
        ETCH_TRY(etch_map_put(&g->by_key, t->key, (void *)(uintptr_t)(i + 1)));
    }
    return NULL;
}

// ---- the file

static etch_status *read_file(etch_gguf *g)
{
    cursor c = { g->bytes, 0 };
    uint32_t magic, version;
    uint64_t tensors, pairs;
    if (g->bytes.len < 24) return BAD("the file has %zu bytes; it is empty or incomplete", g->bytes.len);
    ETCH_TRY(take(&c, &magic, 4));
    ETCH_TRY(take(&c, &version, 4));
    if (magic != 0x46554747) return BAD("this is no GGUF file");
    if (version == 2u << 24 || version == 3u << 24) return ETCH_ERR(ETCH_UNSUPPORTED, "the file is big-endian, which etch does not read");
    if (version != 2 && version != 3) return ETCH_ERR(ETCH_UNSUPPORTED, "GGUF version %u; etch reads 2 and 3", version);
    ETCH_TRY(take(&c, &tensors, 8));
    ETCH_TRY(take(&c, &pairs, 8));
    for (uint64_t i = 0; i < pairs; i++) ETCH_TRY(read_pair(g, &c));  // each takes at least 13 bytes of the file
    if (tensors > (g->bytes.len - c.at) / 24)
        return BAD("%llu tensors are announced, more than the file has room for", (unsigned long long)tensors);
    g->tensors = calloc(tensors ? (size_t)tensors : 1, sizeof *g->tensors);
    if (!g->tensors) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    for (; g->n < tensors; g->n++) {
        etch_gguf_tensor *t = &g->tensors[g->n];
        ETCH_TRY(take_str(&c, &t->key));
        ETCH_TRYF(read_tensor(g, &c, t), "tensor '%.*s'", ETCH_STR_ARGS(t->key));
    }
    return place(g, etch_align_up(c.at, (size_t)g->alignment));
}

static etch_status *open_any(const char *path, const etch_span *bytes, etch_gguf **out_g)
{
    *out_g = NULL;
    etch_gguf *g = calloc(1, sizeof *g);
    if (!g) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    g->alignment = 32;
    etch_status *s = bytes ? NULL : etch_mapped_open(path, &g->map);
    g->bytes = bytes ? *bytes : g->map.bytes;
    if (!s) {
        s = read_file(g);
        if (s) s = etch_status_frame(s, __FILE__, __LINE__, "%s", path);
    }
    if (s) etch_gguf_close(g);
    else *out_g = g;
    return s;
}

etch_status *etch_gguf_open(const char *path, etch_gguf **out_g) { return open_any(path, NULL, out_g); }
etch_status *etch_gguf_open_bytes(etch_span bytes, const char *name, etch_gguf **out_g) { return open_any(name, &bytes, out_g); }

void etch_gguf_close(etch_gguf *g)
{
    if (!g) return;
    etch_map_deinit(&g->by_key);
    free(g->tensors);
    etch_mapped_close(&g->map);
    free(g);
}

size_t etch_gguf_count(const etch_gguf *g) { return g->n; }
const etch_gguf_tensor *etch_gguf_at(const etch_gguf *g, size_t i) { return &g->tensors[i]; }

const etch_gguf_tensor *etch_gguf_find(const etch_gguf *g, etch_str key)
{
    size_t i = (size_t)(uintptr_t)etch_map_get(&g->by_key, key);
    return i ? &g->tensors[i - 1] : NULL;
}

etch_span etch_gguf_bytes(const etch_gguf *g, const etch_gguf_tensor *t)
{
    return (etch_span){ g->bytes.ptr ? g->bytes.ptr + t->offset : NULL, t->nbytes };
}

void etch_gguf_drop(const etch_gguf *g, const etch_gguf_tensor *t)
{
    if (g->map.bytes.ptr) etch_mapped_drop(&g->map, t->offset, t->nbytes);
}
