// In: objects collected by the etch_fbb_* calls. Out: a flatbuffer, written front to back: vtable (if new), table, then its children, depth
// first.
//
// A table with 8-byte fields starts at 4 modulo 8, so that they follow its soffset without a gap; fields are laid out by descending size.
#include "pte/build.h"

#include <stdlib.h>

typedef enum { O_TABLE, O_SCALARS, O_STRING, O_REFS } obj_kind;

typedef struct cell {
    int16_t field;
    uint8_t size;      // bytes inline
    uint8_t is_ref;
    uint64_t bits;     // value, or the child
    struct cell *next;
} cell;

typedef struct etch_fbb_obj {
    obj_kind kind;
    etch_fb_table_id table;
    cell *cells;
    const uint8_t *bytes;
    const etch_fbo *items;
    size_t size, n;    // vectors: bytes an element, elements
    bool owned;        // has a parent
} obj;

// Inline bytes of each scalar kind; 0 for references.
enum {
    S_BOOL = 1, S_U8 = 1, S_I8 = 1, S_I16 = 2, S_U16 = 2, S_I32 = 4, S_U32 = 4, S_I64 = 8, S_U64 = 8, S_F32 = 4 + 16, S_F64 = 8 + 16,
    S_UTYPE = 1, S_STR = 0, S_TAB = 0, S_VTAB = 0, S_UNION = 0, S_VBOOL = 0, S_VU8 = 0, S_VI8 = 0, S_VI16 = 0, S_VU16 = 0, S_VI32 = 0,
    S_VU32 = 0, S_VI64 = 0, S_VU64 = 0, S_VF32 = 0, S_VF64 = 0,
};
#define IS_FLOAT 16
#define MAX_FIELDS 24

static const uint8_t kinds[ETCH_FB_TABLES][MAX_FIELDS] = {
#define TABLE(T) [ETCH_FB_##T] = {
#define FIELD(T, id, name, kind, ref, need) [id] = S_##kind + 64,
#define ENDTABLE(T) 0 },
#define MEMBER(u, code, T)
#include "pte/schema.def"
#undef TABLE
#undef FIELD
#undef ENDTABLE
#undef MEMBER
};

void etch_fbb_init(etch_fbb *b)
{
    *b = (etch_fbb){ 0 };
    etch_arena_init(&b->arena);
}

void etch_fbb_deinit(etch_fbb *b)
{
    etch_arena_deinit(&b->arena);
    free(b->objs);
    etch_status_ignore(b->error);
    *b = (etch_fbb){ 0 };
}

static void fail(etch_fbb *b, etch_status *s)
{
    if (b->error) etch_status_ignore(s);
    else b->error = s;
}

static void *alloc(etch_fbb *b, size_t n)
{
    void *p = b->error ? NULL : etch_arena_alloc(&b->arena, n);
    if (!p && !b->error) fail(b, ETCH_ERR(ETCH_NO_MEMORY, "out of memory building a flatbuffer"));
    return p;
}

static etch_fbo add(etch_fbb *b, obj_kind kind, obj **out)
{
    *out = NULL;
    if (b->n == b->cap) {
        uint32_t cap = b->cap ? b->cap * 2 : 256;
        obj **p = realloc(b->objs, sizeof *p * cap);
        if (!p) {
            fail(b, ETCH_ERR(ETCH_NO_MEMORY, "out of memory building a flatbuffer"));
            return 0;
        }
        b->objs = p;
        b->cap = cap;
    }
    obj *o = alloc(b, sizeof *o);
    if (!o) return 0;
    o->kind = kind;
    b->objs[b->n] = o;
    *out = o;
    return ++b->n;
}

static obj *get(etch_fbb *b, etch_fbo o) { return o && o <= b->n ? b->objs[o - 1] : NULL; }

etch_fbo etch_fbb_table(etch_fbb *b, etch_fb_table_id id)
{
    obj *o;
    etch_fbo r = add(b, O_TABLE, &o);
    if (o) o->table = id;
    return r;
}

// The kind byte of a field, without the presence bit; -1 (and an error) when the table has no such field.
static int field_kind(etch_fbb *b, const obj *o, int field)
{
    if (o && o->kind == O_TABLE && field >= 0 && field < MAX_FIELDS && kinds[o->table][field] >= 64) return kinds[o->table][field] - 64;
    fail(b, ETCH_ERR(ETCH_INTERNAL, "flatbuffer: %s has no field %d", o ? etch_fb_table_name(o->table) : "no table", field));
    return -1;
}

static void put(etch_fbb *b, obj *o, int field, int size, bool is_ref, uint64_t bits)
{
    cell *c = o->cells;
    while (c && c->field != field) c = c->next;
    if (!c) {
        c = alloc(b, sizeof *c);
        if (!c) return;
        c->next = o->cells;
        o->cells = c;
    }
    c->field = (int16_t)field;
    c->size = (uint8_t)size;
    c->is_ref = is_ref;
    c->bits = bits;
}

static void put_scalar(etch_fbb *b, etch_fbo table, int field, bool is_float, bool fits, uint64_t bits)
{
    obj *o = get(b, table);
    int kind = field_kind(b, o, field);
    if (kind < 0) return;
    int size = kind & ~IS_FLOAT;
    if (size == 0 || is_float != ((kind & IS_FLOAT) != 0) || !fits) {
        fail(b, ETCH_ERR(ETCH_INTERNAL, "flatbuffer: value does not fit field %d of %s", field, etch_fb_table_name(o->table)));
        return;
    }
    if (bits) put(b, o, field, size, false, bits);
}

static int size_of(etch_fbb *b, etch_fbo table, int field)
{
    obj *o = get(b, table);
    return o && o->kind == O_TABLE && field >= 0 && field < MAX_FIELDS && kinds[o->table][field] >= 64
        ? (kinds[o->table][field] - 64) & ~IS_FLOAT : 0;
}

void etch_fbb_int(etch_fbb *b, etch_fbo table, int field, int64_t v)
{
    int size = size_of(b, table, field);
    int64_t hi = size == 8 ? INT64_MAX : size == 4 ? UINT32_MAX : size == 2 ? UINT16_MAX : UINT8_MAX;
    int64_t lo = size == 8 ? INT64_MIN : size == 4 ? INT32_MIN : size == 2 ? INT16_MIN : INT8_MIN;
    put_scalar(b, table, field, false, v >= lo && v <= hi, (uint64_t)v);
}

void etch_fbb_u64(etch_fbb *b, etch_fbo table, int field, uint64_t v)
{
    put_scalar(b, table, field, false, size_of(b, table, field) == 8, v);
}

void etch_fbb_float(etch_fbb *b, etch_fbo table, int field, double v)
{
    uint64_t bits = 0;
    if (size_of(b, table, field) == 4) {
        float f = (float)v;
        memcpy(&bits, &f, 4);
    } else memcpy(&bits, &v, 8);
    put_scalar(b, table, field, true, true, bits);
}

void etch_fbb_ref(etch_fbb *b, etch_fbo table, int field, etch_fbo child)
{
    if (!child) return;
    obj *o = get(b, table), *c = get(b, child);
    int kind = field_kind(b, o, field);
    if (kind < 0) return;
    if (kind != 0 || !c || c->owned) {
        fail(b, ETCH_ERR(ETCH_INTERNAL, "flatbuffer: field %d of %s takes an object without a parent", field,
                         etch_fb_table_name(o->table)));
        return;
    }
    c->owned = true;
    put(b, o, field, 4, true, child);
}

void etch_fbb_string(etch_fbb *b, etch_fbo table, int field, etch_str s) { etch_fbb_ref(b, table, field, etch_fbb_str(b, s)); }

void etch_fbb_union(etch_fbb *b, etch_fbo table, int type_field, int code, etch_fbo member)
{
    etch_fbb_int(b, table, type_field, code);
    etch_fbb_ref(b, table, type_field + 1, member);
}

etch_fbo etch_fbb_str(etch_fbb *b, etch_str s)
{
    obj *o;
    etch_fbo r = add(b, O_STRING, &o);
    if (!o) return 0;
    uint8_t *p = alloc(b, s.len + 1);
    if (!p) return 0;
    if (s.len) memcpy(p, s.ptr, s.len);
    o->bytes = p;
    o->n = s.len;
    o->size = 1;
    return r;
}

etch_fbo etch_fbb_vec(etch_fbb *b, const void *items, size_t size, size_t n)
{
    obj *o;
    etch_fbo r = add(b, O_SCALARS, &o);
    if (!o) return 0;
    uint8_t *p = alloc(b, size * n + 1);
    if (!p) return 0;
    if (n) memcpy(p, items, size * n);
    o->bytes = p;
    o->n = n;
    o->size = size;
    return r;
}

etch_fbo etch_fbb_refs(etch_fbb *b, const etch_fbo *items, size_t n)
{
    obj *o;
    etch_fbo r = add(b, O_REFS, &o);
    if (!o) return 0;
    etch_fbo *p = alloc(b, sizeof *p * (n + 1));
    if (!p) return 0;
    for (size_t i = 0; i < n; i++) {
        obj *c = get(b, items[i]);
        if (!c || c->owned) {
            fail(b, ETCH_ERR(ETCH_INTERNAL, "flatbuffer: element %zu of a vector already has a parent", i));
            return 0;
        }
        c->owned = true;
        p[i] = items[i];
    }
    o->items = p;
    o->n = n;
    o->size = 4;
    return r;
}

// ---- writing
// vtables seen so far, by content (open addressing on position + 1 in the buffer).
typedef struct { uint32_t *slots; size_t n, cap; } vtables;

static uint32_t hash(const uint8_t *p, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 16777619u;
    return h;
}

static etch_status *vtable_grow(vtables *v, const etch_buf *out)
{
    size_t cap = v->cap ? v->cap * 2 : 256;
    uint32_t *slots = calloc(cap, sizeof *slots);
    if (!slots) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory building a flatbuffer");
    for (size_t i = 0; i < v->cap; i++) {
        if (!v->slots[i]) continue;
        const uint8_t *p = out->ptr + v->slots[i] - 1;
        size_t k = hash(p, etch_fb_load_u16(p)) & (cap - 1);
        while (slots[k]) k = (k + 1) & (cap - 1);
        slots[k] = v->slots[i];
    }
    free(v->slots);
    v->slots = slots;
    v->cap = cap;
    return NULL;
}

// Position of an equal vtable, written now when there is none.
static etch_status *vtable_place(vtables *v, etch_buf *out, const uint8_t *vt, size_t len, size_t *out_pos)
{
    if (v->n * 2 >= v->cap) ETCH_TRY(vtable_grow(v, out));
    size_t k = hash(vt, len) & (v->cap - 1);
    for (; v->slots[k]; k = (k + 1) & (v->cap - 1)) {
        size_t pos = v->slots[k] - 1;
        if (etch_fb_load_u16(out->ptr + pos) == len && !memcmp(out->ptr + pos, vt, len)) {
            *out_pos = pos;
            return NULL;
        }
    }
    etch_buf_pad(out, 2);
    *out_pos = out->len;
    etch_buf_put(out, vt, len);
    v->slots[k] = (uint32_t)*out_pos + 1;
    v->n++;
    return NULL;
}

static void patch(etch_buf *out, size_t slot, size_t target)
{
    uint32_t off = (uint32_t)(target - slot);
    memcpy(out->ptr + slot, &off, 4);
}

static etch_status *write_obj(etch_fbb *b, vtables *v, const obj *o, etch_buf *out, size_t *out_pos);

static etch_status *write_table(etch_fbb *b, vtables *v, const obj *o, etch_buf *out, size_t *out_pos)
{
    uint16_t offs[MAX_FIELDS] = { 0 };
    const cell *by_field[MAX_FIELDS] = { NULL };
    int n_fields = 0, at = 4;
    for (const cell *c = o->cells; c; c = c->next) {
        by_field[c->field] = c;
        if (c->field >= n_fields) n_fields = c->field + 1;
    }
    bool wide = false;
    for (int size = 8; size >= 1; size /= 2)
        for (int i = 0; i < n_fields; i++)
            if (by_field[i] && by_field[i]->size == size) {
                offs[i] = (uint16_t)at;
                at += size;
                wide |= size == 8;
            }
    uint16_t vt[2 + MAX_FIELDS];
    vt[0] = (uint16_t)(4 + 2 * n_fields);
    vt[1] = (uint16_t)at;
    for (int i = 0; i < n_fields; i++) vt[2 + i] = offs[i];
    size_t vpos = 0;
    ETCH_TRY(vtable_place(v, out, (const uint8_t *)vt, vt[0], &vpos));
    etch_buf_pad(out, 4);
    if (wide && out->len % 8 == 0) etch_buf_fill(out, 0, 4);
    size_t pos = out->len;
    etch_buf_fill(out, 0, (size_t)at);
    ETCH_TRY(etch_buf_check(out));
    int32_t soffset = (int32_t)(pos - vpos);
    memcpy(out->ptr + pos, &soffset, 4);
    for (int i = 0; i < n_fields; i++)
        if (by_field[i] && !by_field[i]->is_ref) memcpy(out->ptr + pos + offs[i], &by_field[i]->bits, by_field[i]->size);
    for (int i = 0; i < n_fields; i++) {
        if (!by_field[i] || !by_field[i]->is_ref) continue;
        size_t child;
        ETCH_TRY(write_obj(b, v, b->objs[by_field[i]->bits - 1], out, &child));
        patch(out, pos + offs[i], child);
    }
    *out_pos = pos;
    return NULL;
}

static etch_status *write_obj(etch_fbb *b, vtables *v, const obj *o, etch_buf *out, size_t *out_pos)
{
    if (out->len > INT32_MAX - (1 << 16) || o->n > INT32_MAX / 8 || o->n * o->size > INT32_MAX - (1 << 16) - out->len)
        return ETCH_ERR(ETCH_UNSUPPORTED, "the program's tables need more than 2 GiB");
    if (o->kind == O_TABLE) return write_table(b, v, o, out, out_pos);
    etch_buf_pad(out, 4);
    while ((out->len + 4) % (o->size ? o->size : 1)) etch_buf_fill(out, 0, 4);
    size_t pos = out->len;
    uint32_t n = (uint32_t)o->n;
    etch_buf_put(out, &n, 4);
    if (o->kind == O_REFS) etch_buf_fill(out, 0, 4 * o->n);
    else etch_buf_put(out, o->bytes, o->n * o->size + (o->kind == O_STRING));
    ETCH_TRY(etch_buf_check(out));
    for (size_t i = 0; o->kind == O_REFS && i < o->n; i++) {
        size_t child;
        ETCH_TRY(write_obj(b, v, b->objs[o->items[i] - 1], out, &child));
        patch(out, pos + 4 + 4 * i, child);
    }
    *out_pos = pos;
    return NULL;
}

etch_status *etch_fbb_finish(etch_fbb *b, etch_fbo root, const char *ident, size_t hole, etch_buf *out)
{
    if (b->error) {
        etch_status *s = b->error;
        b->error = NULL;
        return s;
    }
    const obj *o = get(b, root);
    if (!o || o->kind != O_TABLE || out->len) return ETCH_ERR(ETCH_INTERNAL, "flatbuffer: finish needs a root table and an empty buffer");
    etch_buf_fill(out, 0, 4);
    etch_buf_put(out, ident, 4);
    etch_buf_fill(out, 0, hole);
    vtables v = { 0 };
    size_t pos;
    etch_status *s = write_obj(b, &v, o, out, &pos);
    free(v.slots);
    if (s) return etch_status_frame(s, __FILE__, __LINE__, NULL);
    etch_buf_pad(out, 8);
    ETCH_TRY(etch_buf_check(out));
    patch(out, 0, pos);
    return NULL;
}
