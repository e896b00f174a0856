// In: untrusted bytes and a root table id. Out: an error with the path to the first broken place, or a buffer that is safe to load from.
#include "pte/fb.h"

#include "base/num.h"

#define MAX_TABLES 1000000
#define MAX_DEPTH 64

// Kinds. Scalars first, each with its vector form at + VECTOR.
enum {
    K_ABSENT, K_BOOL, K_U8, K_I8, K_I16, K_U16, K_I32, K_U32, K_I64, K_U64, K_F32, K_F64,
    K_VBOOL, K_VU8, K_VI8, K_VI16, K_VU16, K_VI32, K_VU32, K_VI64, K_VU64, K_VF32, K_VF64,
    K_STR, K_TAB, K_VTAB, K_UTYPE, K_UNION, K_END,
};
static const uint8_t scalar_size[] = { 0, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8 };
enum { VECTOR = K_VBOOL - K_BOOL };

// Unions, numbered in one space with the tables for the `ref` column.
enum { REF_KernelTypes, REF_InstructionArguments, REF_XValueUnion, REF_XNNQuantParams, REF_XNodeUnion };

typedef struct { const char *name; uint8_t kind, ref, need; } field;

// `ref` is a table id or a union number, told apart by the kind.
#define ETCH_FB_KernelTypes REF_KernelTypes
#define ETCH_FB_InstructionArguments REF_InstructionArguments
#define ETCH_FB_XValueUnion REF_XValueUnion
#define ETCH_FB_XNNQuantParams REF_XNNQuantParams
#define ETCH_FB_XNodeUnion REF_XNodeUnion

#define TABLE(T) static const field fields_##T[] = {
#define FIELD(T, id, fname, fkind, fref, fneed) [id] = { #fname, K_##fkind, (uint8_t)ETCH_FB_##fref, fneed },
#define ENDTABLE(T) { NULL, K_END, 0, 0 } };
#define MEMBER(u, code, T)
#include "pte/schema.def"
#undef TABLE
#undef FIELD
#undef ENDTABLE
#undef MEMBER

static const struct { const char *name; const field *fields; int n; } tables[] = {
#define TABLE(T) { #T, fields_##T, (int)(sizeof fields_##T / sizeof *fields_##T) - 1 },
#define FIELD(T, id, name, kind, ref, need)
#define ENDTABLE(T)
#define MEMBER(u, code, T)
#include "pte/schema.def"
#undef TABLE
#undef FIELD
#undef ENDTABLE
#undef MEMBER
};

static const struct { uint8_t u, code, table; } members[] = {
#define TABLE(T)
#define FIELD(T, id, name, kind, ref, need)
#define ENDTABLE(T)
#define MEMBER(u, code, T) { REF_##u, code, ETCH_FB_##T },
#include "pte/schema.def"
#undef TABLE
#undef FIELD
#undef ENDTABLE
#undef MEMBER
};
_Static_assert(ETCH_FB_TABLES < 256, "ref is a byte");

static int member_table(int u, int code)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (members[i].u == u && members[i].code == code) return members[i].table;
    return ETCH_FB_NONE;
}

const char *etch_fb_table_name(etch_fb_table_id id) { return (unsigned)id < ETCH_FB_TABLES ? tables[id].name : "?"; }
etch_fb_table_id etch_fb_xnode_table(int code) { return (etch_fb_table_id)member_table(REF_XNodeUnion, code); }

typedef struct { const uint8_t *p; size_t n; int n_tables, depth; } verifier;

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)

static bool in_buffer(const verifier *v, size_t pos, size_t n) { return pos <= v->n && n <= v->n - pos; }
static uint32_t u32_at(const verifier *v, size_t pos) { return etch_fb_load_u32(v->p + pos); }

// Follows the uoffset at `pos` (already known to lie in the buffer). The target has room for 4 bytes and is 4-aligned.
static etch_status *follow(const verifier *v, size_t pos, size_t *out)
{
    uint32_t off = u32_at(v, pos);
    if (off == 0 || !in_buffer(v, pos, (size_t)off + 4))
        return BAD("offset %u at byte %zu leaves the buffer of %zu bytes", off, pos, v->n);
    *out = pos + off;
    if (*out % 4) return BAD("offset %u at byte %zu is misaligned", off, pos);
    return NULL;
}

static etch_status *check_vector(const verifier *v, size_t pos, size_t elem)
{
    uint64_t n = u32_at(v, pos), bytes = n * elem;
    if (bytes > v->n || !in_buffer(v, pos + 4, (size_t)bytes))
        return BAD("vector of %llu elements at byte %zu leaves the buffer", (unsigned long long)n, pos);
    if (n && (pos + 4) % elem) return BAD("vector at byte %zu is misaligned", pos);
    return NULL;
}

static etch_status *check_table(verifier *v, size_t pos, int id);

static etch_status *check_tables(verifier *v, size_t pos, int id)
{
    ETCH_TRY(check_vector(v, pos, 4));
    uint32_t n = u32_at(v, pos);
    for (uint32_t i = 0; i < n; i++) {
        size_t at;
        ETCH_TRYF(follow(v, pos + 4 + 4 * (size_t)i, &at), "[%u]", i);
        ETCH_TRYF(check_table(v, at, id), "[%u]", i);
    }
    return NULL;
}

static etch_status *check_reference(verifier *v, size_t pos, const field *f, int code)
{
    size_t at;
    ETCH_TRY(follow(v, pos, &at));
    switch (f->kind) {
    case K_STR:
        ETCH_TRY(check_vector(v, at, 1));
        if (!in_buffer(v, at + 4 + u32_at(v, at), 1) || v->p[at + 4 + u32_at(v, at)])
            return BAD("string at byte %zu is not terminated", at);
        return NULL;
    case K_TAB: return check_table(v, at, f->ref);
    case K_VTAB: return check_tables(v, at, f->ref);
    case K_UNION: return check_table(v, at, member_table(f->ref, code));
    default: return check_vector(v, at, scalar_size[f->kind - VECTOR]);
    }
}

// Offset of the inline field in the buffer, 0 when absent. The vtable was checked.
static size_t field_at(const verifier *v, size_t pos, size_t vt, uint16_t vt_size, int i)
{
    size_t slot = 4 + 2 * (size_t)i;
    uint16_t off = slot + 2 <= vt_size ? etch_fb_load_u16(v->p + vt + slot) : 0;
    return off ? pos + off : 0;
}

static etch_status *check_field(verifier *v, size_t pos, size_t vt, uint16_t vt_size, uint16_t size, const field *f, int i)
{
    size_t at = field_at(v, pos, vt, vt_size, i);
    int code = 0;
    if (f->kind == K_UNION) {
        size_t type_at = field_at(v, pos, vt, vt_size, i - 1);
        code = type_at ? v->p[type_at] : 0;
        if (code == 0) return at ? BAD("a union value without a type") : NULL;
        int member = member_table(f->ref, code);
        if (member == ETCH_FB_NONE) return BAD("unknown type %d", code);
        if (!at) return tables[member].n ? BAD("%s has no value", tables[member].name) : NULL;
    }
    if (!at) {
        if (f->need) return BAD("missing");
        return NULL;
    }
    size_t width = f->kind < K_VBOOL ? scalar_size[f->kind] : f->kind == K_UTYPE ? 1 : 4;
    if (at - pos < 4 || at - pos + width > size) return BAD("lies outside its table at byte %zu", pos);
    if (at % width) return BAD("misaligned at byte %zu", at);
    if (f->kind == K_UTYPE) {
        if (f->need && !v->p[at]) return BAD("has no type");
        return NULL;
    }
    if (f->kind >= K_VBOOL) return check_reference(v, at, f, code);
    return NULL;
}

static etch_status *check_table(verifier *v, size_t pos, int id)
{
    if (++v->n_tables > MAX_TABLES) return BAD("more than %d tables", MAX_TABLES);
    if (++v->depth > MAX_DEPTH) return BAD("tables nest deeper than %d", MAX_DEPTH);
    if (pos % 4 || !in_buffer(v, pos, 4)) return BAD("table at byte %zu leaves the buffer", pos);
    int64_t vt_at = (int64_t)pos - etch_fb_load_i32(v->p + pos);
    if (vt_at < 0 || vt_at % 2 || !in_buffer(v, (size_t)vt_at, 4)) return BAD("vtable of the table at byte %zu leaves the buffer", pos);
    size_t vt = (size_t)vt_at;
    uint16_t vt_size = etch_fb_load_u16(v->p + vt), size = etch_fb_load_u16(v->p + vt + 2);
    if (vt_size < 4 || vt_size % 2 || !in_buffer(v, vt, vt_size)) return BAD("vtable at byte %zu leaves the buffer", vt);
    if (size < 4 || !in_buffer(v, pos, size)) return BAD("table at byte %zu leaves the buffer", pos);
    const field *f = tables[id].fields;
    for (int i = 0; i < tables[id].n; i++)
        if (f[i].kind != K_ABSENT) ETCH_TRYF(check_field(v, pos, vt, vt_size, size, &f[i], i), "%s.%s", tables[id].name, f[i].name);
    v->depth--;
    return NULL;
}

etch_status *etch_fb_verify(etch_span bytes, etch_fb_table_id root, const char *ident, etch_fb_table *out_root)
{
    *out_root = (etch_fb_table){ NULL };
    verifier v = { .p = bytes.ptr, .n = bytes.len };
    if (bytes.len < 12 || bytes.len > INT32_MAX) return BAD("a flatbuffer of %zu bytes", bytes.len);
    if (ident && memcmp(bytes.ptr + 4, ident, 4)) return BAD("identifier is not %s", ident);
    size_t at;
    ETCH_TRY(follow(&v, 0, &at));
    ETCH_TRY(check_table(&v, at, (int)root));
    *out_root = (etch_fb_table){ bytes.ptr + at };
    return NULL;
}
