// Flatbuffer writing, driven by the field list of schema.def. Deterministic: the bytes depend on the calls alone.
//
// In: tables, vectors and strings, made children first or parents first, in any order. Out: one buffer, each table before what it refers
// to.
// The size is known as soon as the buffer is finished; a .pte's segments are written after it. Example:
//   etch_fbb b; etch_fbb_init(&b);
//   etch_fbo root = etch_fbb_table(&b, ETCH_FB_Program);
//   etch_fbb_int(&b, root, ETCH_FB(Program, version), 0);                       // equal to the default: left out
//   etch_fbb_ref(&b, root, ETCH_FB(Program, segments), etch_fbb_refs(&b, segs, n));
//   ETCH_TRY(etch_fbb_finish(&b, root, "ET12", 32, &out));                     // 32 zero bytes after the identifier: room for a header
//   etch_fbb_deinit(&b);
//
// Every object has at most one parent. Failures (memory; a value that does not fit its field) are remembered and returned by finish.
#ifndef ETCH_PTE_BUILD_H
#define ETCH_PTE_BUILD_H

#include "base/arena.h"
#include "base/buf.h"
#include "pte/fb.h"

typedef uint32_t etch_fbo;  // an object of a builder; 0: none

typedef struct etch_fbb {
    etch_arena arena;
    struct etch_fbb_obj **objs; uint32_t n, cap;
    etch_status *error;
} etch_fbb;

void etch_fbb_init(etch_fbb *b);
void etch_fbb_deinit(etch_fbb *b);

etch_fbo etch_fbb_table(etch_fbb *b, etch_fb_table_id id);
// Scalar fields, by the kind that schema.def gives: integers and BOOL / floats. The default 0 is not stored.
void etch_fbb_int(etch_fbb *b, etch_fbo table, int field, int64_t v);
void etch_fbb_u64(etch_fbb *b, etch_fbo table, int field, uint64_t v);
void etch_fbb_float(etch_fbb *b, etch_fbo table, int field, double v);
// TAB, STR and vector fields; child 0 leaves the field absent.
void etch_fbb_ref(etch_fbb *b, etch_fbo table, int field, etch_fbo child);
void etch_fbb_string(etch_fbb *b, etch_fbo table, int field, etch_str s);
// The discriminator at `type_field` and the member table at the id after it.
void etch_fbb_union(etch_fbb *b, etch_fbo table, int type_field, int code, etch_fbo member);

etch_fbo etch_fbb_str(etch_fbb *b, etch_str s);
// A vector of n scalars of `size` bytes (1, 2, 4, 8), copied from little-endian memory.
etch_fbo etch_fbb_vec(etch_fbb *b, const void *items, size_t size, size_t n);
// A vector of tables or strings.
etch_fbo etch_fbb_refs(etch_fbb *b, const etch_fbo *items, size_t n);

// Appends the finished buffer to `out` (which must be empty: offsets count from its start). `ident`: 4 characters; `hole`: zero bytes after
// it, a multiple of 8.
etch_status *etch_fbb_finish(etch_fbb *b, etch_fbo root, const char *ident, size_t hole, etch_buf *out) ETCH_MUST_USE;

#endif
