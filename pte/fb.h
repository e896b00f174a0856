// Flatbuffer reading. `etch_fb_verify` walks the whole buffer once by the field list of schema.def (offsets, alignment, vtables, vector
// lengths, string terminators, union codes, required fields, depth and table caps); after that the accessors are plain loads.
//
// In: bytes (any address). Out: tables, vectors and strings that borrow from them. Example:
//   etch_fb_table root;
//   ETCH_TRY(etch_fb_verify(bytes, ETCH_FB_Program, "ET12", &root));
//   etch_fb_vec plans = etch_fb_get_vec(root, ETCH_FB(Program, execution_plan));
//   etch_str name = etch_fb_get_str(etch_fb_table_at(plans, 0), ETCH_FB(ExecutionPlan, name));
#ifndef ETCH_PTE_FB_H
#define ETCH_PTE_FB_H

#include "base/status.h"
#include "base/str.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "little-endian machines only"
#endif

// Tables: ETCH_FB_Program, ...
typedef enum {
#define TABLE(T) ETCH_FB_##T,
#define FIELD(T, id, name, kind, ref, need)
#define ENDTABLE(T)
#define MEMBER(u, code, T)
#include "pte/schema.def"
#undef TABLE
#undef FIELD
#undef ENDTABLE
#undef MEMBER
    ETCH_FB_TABLES,
    ETCH_FB_NONE = ETCH_FB_TABLES,
} etch_fb_table_id;

// Field ids: ETCH_FB(Program, version) is 0.
#define ETCH_FB(T, field) ((int)ETCH_FBF_##T##_##field)
enum {
#define TABLE(T)
#define FIELD(T, id, name, kind, ref, need) ETCH_FBF_##T##_##name = (id),
#define ENDTABLE(T)
#define MEMBER(u, code, T)
#include "pte/schema.def"
#undef TABLE
#undef FIELD
#undef ENDTABLE
#undef MEMBER
};

// Union codes: ETCH_FBU(KernelTypes, Tensor) is 5.
#define ETCH_FBU(u, T) ((int)ETCH_FBU_##u##_##T)
enum {
#define TABLE(T)
#define FIELD(T, id, name, kind, ref, need)
#define ENDTABLE(T)
#define MEMBER(u, code, T) ETCH_FBU_##u##_##T = (code),
#include "pte/schema.def"
#undef TABLE
#undef FIELD
#undef ENDTABLE
#undef MEMBER
};

typedef struct etch_fb_table { const uint8_t *p; } etch_fb_table;             // p == NULL: absent
typedef struct etch_fb_vec { const uint8_t *p; uint32_t n; } etch_fb_vec;     // p: first element; p == NULL: absent (n = 0)

// Verifies everything reachable from the root. `ident`: the 4 bytes at offset 4, or NULL for any.
// ETCH_INVALID with a path ("Program.execution_plan[0].values[3].val: ..."). *out_root borrows from `bytes`.
etch_status *etch_fb_verify(etch_span bytes, etch_fb_table_id root, const char *ident, etch_fb_table *out_root) ETCH_MUST_USE;

static inline uint16_t etch_fb_load_u16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static inline uint32_t etch_fb_load_u32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline int32_t etch_fb_load_i32(const uint8_t *p) { int32_t v; memcpy(&v, p, 4); return v; }
static inline int64_t etch_fb_load_i64(const uint8_t *p) { int64_t v; memcpy(&v, p, 8); return v; }
static inline uint64_t etch_fb_load_u64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }

// Address of the inline field, NULL when absent (or the table is).
static inline const uint8_t *etch_fb_field(etch_fb_table t, int id)
{
    if (!t.p) return NULL;
    const uint8_t *vt = t.p - etch_fb_load_i32(t.p);
    size_t slot = 4 + 2 * (size_t)id;
    if (slot + 2 > etch_fb_load_u16(vt)) return NULL;
    uint16_t off = etch_fb_load_u16(vt + slot);
    return off ? t.p + off : NULL;
}

#define ETCH_FB_SCALAR(name, type)                                   \
    static inline type etch_fb_get_##name(etch_fb_table t, int id)   \
    {                                                                \
        const uint8_t *p = etch_fb_field(t, id);                     \
        type v = 0;                                                  \
        if (p) memcpy(&v, p, sizeof v);                              \
        return v;                                                    \
    }                                                                \
    static inline type etch_fb_##name##_at(etch_fb_vec v, uint32_t i) \
    {                                                                \
        type x;                                                      \
        memcpy(&x, v.p + (size_t)i * sizeof x, sizeof x);            \
        return x;                                                    \
    }
ETCH_FB_SCALAR(u8, uint8_t)
ETCH_FB_SCALAR(i8, int8_t)
ETCH_FB_SCALAR(u16, uint16_t)
ETCH_FB_SCALAR(i16, int16_t)
ETCH_FB_SCALAR(u32, uint32_t)
ETCH_FB_SCALAR(i32, int32_t)
ETCH_FB_SCALAR(u64, uint64_t)
ETCH_FB_SCALAR(i64, int64_t)
ETCH_FB_SCALAR(f32, float)
ETCH_FB_SCALAR(f64, double)
#undef ETCH_FB_SCALAR
static inline bool etch_fb_get_bool(etch_fb_table t, int id) { return etch_fb_get_u8(t, id) != 0; }
static inline bool etch_fb_bool_at(etch_fb_vec v, uint32_t i) { return v.p[i] != 0; }

// Follows the uoffset stored in a field; NULL when absent.
static inline const uint8_t *etch_fb_follow(etch_fb_table t, int id)
{
    const uint8_t *p = etch_fb_field(t, id);
    return p ? p + etch_fb_load_u32(p) : NULL;
}
// TAB and UNION fields.
static inline etch_fb_table etch_fb_get_table(etch_fb_table t, int id) { return (etch_fb_table){ etch_fb_follow(t, id) }; }
static inline etch_fb_vec etch_fb_get_vec(etch_fb_table t, int id)
{
    const uint8_t *p = etch_fb_follow(t, id);
    return p ? (etch_fb_vec){ p + 4, etch_fb_load_u32(p) } : (etch_fb_vec){ NULL, 0 };
}
// ptr == NULL when absent; else NUL-terminated.
static inline etch_str etch_fb_get_str(etch_fb_table t, int id)
{
    etch_fb_vec v = etch_fb_get_vec(t, id);
    return (etch_str){ (const char *)v.p, v.n };
}
static inline etch_fb_table etch_fb_table_at(etch_fb_vec v, uint32_t i)
{
    const uint8_t *p = v.p + 4 * (size_t)i;
    return (etch_fb_table){ p + etch_fb_load_u32(p) };
}
static inline etch_span etch_fb_bytes(etch_fb_vec v) { return (etch_span){ v.p, v.n }; }

// "XNNFullyConnected" for ETCH_FB_XNNFullyConnected; "?" out of range. Member table of an union code, ETCH_FB_NONE when unknown.
const char *etch_fb_table_name(etch_fb_table_id id);
etch_fb_table_id etch_fb_xnode_table(int code);

#endif
