#include "pt2/zip.h"

#include <stdlib.h>

#include "base/num.h"

enum { END_LEN = 22, LOCATOR_LEN = 20, END64_LEN = 56, RECORD_LEN = 46, LOCAL_LEN = 30, MAX_COMMENT = 65535 };
enum { FLAG_ENCRYPTED = 1, NARROW_MAX16 = 0xffff };
static const uint32_t NARROW_MAX32 = 0xffffffffu;

static uint64_t le(const uint8_t *p, int n)
{
    uint64_t v = 0;
    for (int i = n; i-- > 0;) v = v << 8 | p[i];
    return v;
}

static etch_status *damaged(const char *what) { return ETCH_ERR(ETCH_INVALID, "the zip archive is damaged or cut short: %s", what); }

typedef struct { uint64_t n, offset, len; } directory;

// The end record stands last: its comment reaches to the end of the file.
static etch_status *find_end(etch_span b, size_t *out)
{
    for (size_t back = END_LEN; back <= b.len && back <= (size_t)END_LEN + MAX_COMMENT; back++) {
        const uint8_t *p = b.ptr + b.len - back;
        if (le(p, 4) == 0x06054b50 && le(p + 20, 2) == back - END_LEN) {
            *out = b.len - back;
            return NULL;
        }
    }
    return damaged("it has no end record");
}

static etch_status *find_directory(etch_span b, directory *d)
{
    size_t end = 0;
    ETCH_TRY(find_end(b, &end));
    const uint8_t *p = b.ptr + end;
    *d = (directory){ le(p + 10, 2), le(p + 16, 4), le(p + 12, 4) };
    size_t limit = end;
    const bool wide = d->n == NARROW_MAX16 || d->offset == NARROW_MAX32 || d->len == NARROW_MAX32;
    if (wide || (end >= LOCATOR_LEN && le(p - LOCATOR_LEN, 4) == 0x07064b50)) {
        if (end < LOCATOR_LEN || le(p - LOCATOR_LEN, 4) != 0x07064b50) return damaged("it has no zip64 locator");
        const uint64_t at = le(p - LOCATOR_LEN + 8, 8);
        limit = end - LOCATOR_LEN;
        if (limit < END64_LEN || at > limit - END64_LEN || le(b.ptr + at, 4) != 0x06064b50) return damaged("it has no zip64 end record");
        limit = (size_t)at;
        *d = (directory){ le(b.ptr + at + 32, 8), le(b.ptr + at + 48, 8), le(b.ptr + at + 40, 8) };
    }
    if (d->offset > limit || d->len > limit - d->offset) return damaged("its directory lies outside the file");
    if (d->n > d->len / RECORD_LEN) return damaged("its directory is shorter than its entries");
    return NULL;
}

typedef struct { uint64_t size, packed, local; } sizes;

// The 64-bit values, in this order, of the fields that are all ones in the record.
static etch_status *wide_sizes(const uint8_t *extra, size_t n, sizes *s)
{
    uint64_t *const fields[] = { &s->size, &s->packed, &s->local };
    for (size_t at = 0; at + 4 <= n;) {
        const uint64_t id = le(extra + at, 2), len = le(extra + at + 2, 2);
        if (len > n - at - 4) return damaged("an extra field is too long");
        const uint8_t *p = extra + at + 4, *end = p + len;
        for (size_t i = 0; id == 1 && i < sizeof fields / sizeof *fields; i++) {
            if (*fields[i] != NARROW_MAX32) continue;
            if (end - p < 8) return damaged("a zip64 field is too short");
            *fields[i] = le(p, 8);
            p += 8;
        }
        at += 4 + (size_t)len;
    }
    return NULL;
}

static etch_status *read_entry(etch_span b, const directory *d, const uint8_t *p, size_t left, size_t *out_used, etch_zip_entry *e)
{
    if (left < RECORD_LEN || le(p, 4) != 0x02014b50) return damaged("an entry of its directory is missing");
    const size_t n_name = (size_t)le(p + 28, 2), n_extra = (size_t)le(p + 30, 2), n_comment = (size_t)le(p + 32, 2);
    if (n_name + n_extra + n_comment > left - RECORD_LEN) return damaged("an entry of its directory is too long");
    *out_used = RECORD_LEN + n_name + n_extra + n_comment;
    e->name = (etch_str){ (const char *)p + RECORD_LEN, n_name };
    sizes s = { le(p + 24, 4), le(p + 20, 4), le(p + 42, 4) };
    ETCH_TRYF(wide_sizes(p + RECORD_LEN + n_name, n_extra, &s), "%.*s", ETCH_STR_ARGS(e->name));
    if (le(p + 8, 2) & FLAG_ENCRYPTED) return ETCH_ERR(ETCH_UNSUPPORTED, "%.*s is encrypted", ETCH_STR_ARGS(e->name));
    if (le(p + 10, 2) != 0 || s.size != s.packed)
        return ETCH_ERR(ETCH_UNSUPPORTED, "%.*s is compressed; torch.export.save stores entries as they are: do not zip the file again",
                        ETCH_STR_ARGS(e->name));
    if (s.local > d->offset || d->offset - s.local < LOCAL_LEN || le(b.ptr + s.local, 4) != 0x04034b50)
        return ETCH_ERR(ETCH_INVALID, "%.*s: the zip archive is damaged: the entry lies outside the file", ETCH_STR_ARGS(e->name));
    const uint64_t data = s.local + LOCAL_LEN + le(b.ptr + s.local + 26, 2) + le(b.ptr + s.local + 28, 2);
    if (data > d->offset || s.size > d->offset - data)
        return ETCH_ERR(ETCH_INVALID, "%.*s: the zip archive is damaged: the entry lies outside the file", ETCH_STR_ARGS(e->name));
    e->crc = (uint32_t)le(p + 16, 4);
    e->header = (size_t)s.local;
    e->offset = (size_t)data;
    e->bytes = (etch_span){ b.ptr + data, (size_t)s.size };
    return NULL;
}

static int by_place(const void *a, const void *b)
{
    const etch_zip_entry *x = *(etch_zip_entry *const *)a, *y = *(etch_zip_entry *const *)b;
    return (x->header > y->header) - (x->header < y->header);
}

static etch_status *check_overlap(etch_arena *a, etch_zip *z)
{
    etch_zip_entry **order;
    ETCH_ALLOC(order, a, sizeof(etch_zip_entry *) * (z->n + 1));
    for (size_t i = 0; i < z->n; i++) order[i] = &z->entries[i];
    qsort(order, z->n, sizeof(etch_zip_entry *), by_place);
    for (size_t i = 1; i < z->n; i++)
        if (order[i]->header < order[i - 1]->offset + order[i - 1]->bytes.len)
            return ETCH_ERR(ETCH_INVALID, "the zip archive is damaged: %.*s and %.*s overlap", ETCH_STR_ARGS(order[i - 1]->name),
                            ETCH_STR_ARGS(order[i]->name));
    return NULL;
}

etch_status *etch_zip_open(etch_arena *arena, etch_span bytes, etch_zip *out)
{
    *out = (etch_zip){ 0 };
    directory d = { 0 };
    ETCH_TRY(find_directory(bytes, &d));
    ETCH_ALLOC(out->entries, arena, sizeof *out->entries * ((size_t)d.n + 1));
    const uint8_t *p = bytes.ptr + d.offset, *end = p + d.len;
    for (; out->n < d.n; out->n++) {
        etch_zip_entry *e = &out->entries[out->n];
        size_t used = 0;
        ETCH_TRY(read_entry(bytes, &d, p, (size_t)(end - p), &used, e));
        p += used;
        if (etch_map_has(&out->by_name, e->name))
            return ETCH_ERR(ETCH_INVALID, "the zip archive has two entries %.*s", ETCH_STR_ARGS(e->name));
        ETCH_TRY(etch_map_put(&out->by_name, e->name, e));
    }
    return check_overlap(arena, out);
}

void etch_zip_deinit(etch_zip *z)
{
    etch_map_deinit(&z->by_name);
    *z = (etch_zip){ 0 };
}

const etch_zip_entry *etch_zip_find(const etch_zip *z, etch_str name) { return etch_map_get(&z->by_name, name); }
