// The archive as a whole: opening, its models, one method each.
#include <stdlib.h>

#include "pt2/model.h"

static bool is_text(const etch_pt2 *a, const char *path, const char *text)
{
    const etch_zip_entry *e = pt2_entry(a, etch_str_of(path));
    etch_str s = { e ? (const char *)e->bytes.ptr : "", e ? e->bytes.len : 0 };
    while (s.len && s.ptr[s.len - 1] == '\n') s.len--;
    return etch_str_eqz(s, text);
}

etch_status *pt2_entry_check(etch_pt2 *a, const etch_zip_entry *e)
{
    enum { PIECE = 1 << 24 };  // bytes that stay mapped
    etch_zip_entry *mine = &a->zip.entries[e - a->zip.entries];
    if (mine->checked || !mine->crc) return NULL;
    uint32_t crc = 0;
    for (size_t at = 0; at < e->bytes.len; at += PIECE) {
        const size_t n = e->bytes.len - at < PIECE ? e->bytes.len - at : PIECE;
        crc = etch_crc_of(&a->crc, crc, e->bytes.ptr + at, n);
        if (a->map.bytes.ptr && e->bytes.len > PIECE) etch_mapped_drop(&a->map, e->offset + at, n);
    }
    mine->checked = crc == mine->crc;
    return mine->checked ? NULL : ETCH_ERR(ETCH_INVALID, "%.*s is damaged: its bytes have the CRC-32 %08x, and %08x when they were written",
                                           ETCH_STR_ARGS(e->name), (unsigned)crc, (unsigned)mine->crc);
}

// All entries lie in one folder.
static etch_status *find_root(etch_pt2 *a)
{
    for (size_t i = 0; i < a->zip.n; i++) {
        etch_str name = a->zip.entries[i].name;
        const char *slash = memchr(name.ptr, '/', name.len);
        if (i == 0) a->root = (etch_str){ name.ptr, slash ? (size_t)(slash - name.ptr) + 1 : 0 };
        if (name.len < a->root.len || memcmp(name.ptr, a->root.ptr, a->root.len))
            return ETCH_ERR(ETCH_INVALID, "this is no PT2 archive: its entries lie in more than one folder");
    }
    return NULL;
}

static etch_status *check(etch_pt2 *a)
{
    ETCH_TRY(find_root(a));
    if (!is_text(a, "archive_format", "pt2"))
        return ETCH_ERR(ETCH_INVALID, "this is no PT2 archive (no archive_format 'pt2'): save the program with torch.export.save of "
                        "PyTorch 2.9 or newer");
    if (!is_text(a, "archive_version", "0"))
        return ETCH_ERR(ETCH_UNSUPPORTED, "the version of the PT2 archive is not 0, which PyTorch 2.13 writes");
    if (pt2_entry(a, ETCH_LIT("byteorder")) && !is_text(a, "byteorder", "little"))
        return ETCH_ERR(ETCH_UNSUPPORTED, "its numbers are big-endian");
    return NULL;
}

static etch_status *open_map(etch_pt2 *a, etch_span bytes, const char *name)
{
    const char *slash = strrchr(name, '/');
    etch_str copy = etch_arena_str(&a->arena, etch_str_of(slash ? slash + 1 : name));
    if (!copy.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    a->name = copy.ptr;
    ETCH_TRY(etch_zip_open(&a->arena, bytes, &a->zip));
    return check(a);
}

static etch_status *new_archive(etch_pt2 **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    etch_arena_init(&(*out)->arena);
    etch_crc_init(&(*out)->crc);
    return NULL;
}

etch_status *etch_pt2_open(const char *path, etch_pt2 **out)
{
    ETCH_TRY(new_archive(out));
    etch_status *s = etch_mapped_open(path, &(*out)->map);
    if (!s) s = open_map(*out, (*out)->map.bytes, path);
    if (!s) return NULL;
    etch_pt2_close(*out);
    *out = NULL;
    return s;
}

etch_status *etch_pt2_open_bytes(etch_span bytes, const char *name, etch_pt2 **out)
{
    ETCH_TRY(new_archive(out));
    etch_status *s = open_map(*out, bytes, name);
    if (!s) return NULL;
    etch_pt2_close(*out);
    *out = NULL;
    return s;
}

void etch_pt2_close(etch_pt2 *a)
{
    if (!a) return;
    etch_map_deinit(&a->contents);
    etch_zip_deinit(&a->zip);
    etch_mapped_close(&a->map);
    etch_arena_deinit(&a->arena);
    free(a);
}

// models/NAME.json
static bool model_name(const etch_pt2 *a, etch_str entry, etch_str *out)
{
    static const char folder[] = "models/", ext[] = ".json";
    etch_str path = { entry.ptr + a->root.len, entry.len - a->root.len };
    if (!etch_str_starts(path, folder) || path.len < sizeof folder + sizeof ext - 2) return false;
    *out = (etch_str){ path.ptr + sizeof folder - 1, path.len - (sizeof folder - 1) - (sizeof ext - 1) };
    return !memcmp(out->ptr + out->len, ext, sizeof ext - 1) && out->len && !memchr(out->ptr, '/', out->len);
}

static etch_status *read_all(etch_pt2 *a, etch_program *p, etch_buf *notes)
{
    size_t n = 0;
    etch_str name;
    for (size_t i = 0; i < a->zip.n; i++) n += model_name(a, a->zip.entries[i].name, &name);
    if (!n) return ETCH_ERR(ETCH_NOT_FOUND, "there is no exported program (models/*.json) in it");
    for (size_t i = 0; i < a->zip.n; i++) {
        if (!model_name(a, a->zip.entries[i].name, &name)) continue;
        etch_str method = n == 1 || etch_str_eqz(name, "model") ? ETCH_LIT("forward") : name;
        ETCH_TRYF(pt2_model_read(a, name, p, method, notes), "models/%.*s.json", ETCH_STR_ARGS(name));
    }
    return etch_program_verify(p);
}

etch_status *etch_pt2_program(etch_pt2 *a, etch_program **out, etch_buf *notes)
{
    ETCH_TRY(etch_program_new(out));
    etch_status *s = read_all(a, *out, notes);
    if (!s) return NULL;
    etch_program_destroy(*out);
    *out = NULL;
    return s;
}
