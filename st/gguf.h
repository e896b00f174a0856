// GGUF: tensors by name in one file, many of them quantized in blocks (op/blocks.def).
//
// File, little-endian:
//   1. "GGUF" · u32 version (2 or 3) · u64 tensors · u64 pairs
//   2. pairs: string key · u32 type · value        string: u64 length · bytes
//        value types: 0 u8, 1 i8, 2 u16, 3 i16, 4 u32, 5 i32, 6 f32, 7 bool, 8 string, 9 array (u32 type · u64 count · values), 10 u64, 11
//        i64, 12 f64
//   3. tensors: string name · u32 rank · u64 sizes[rank], fastest first · u32 type · u64 offset in the data, a multiple of the alignment
//   4. padding to the alignment ("general.alignment", u32, 32 when absent) · data
//
// In: a path, untrusted content. Out: type, sizes and bytes of each tensor, borrowed from the map; every count and offset was checked.
//   etch_gguf *g;
//   ETCH_TRY(etch_gguf_open("model-Q4_0.gguf", &g));
//   const etch_gguf_tensor *t = etch_gguf_find(g, ETCH_LIT("blk.0.attn_q.weight"));
//   if (t && t->block) use(t->block->name, etch_gguf_bytes(g, t));
//   etch_gguf_close(g);
#ifndef ETCH_ST_GGUF_H
#define ETCH_ST_GGUF_H

#include "base/file.h"
#include "op/block.h"
#include "op/value.h"

typedef struct etch_gguf etch_gguf;

typedef struct etch_gguf_tensor {
    etch_str key;
    const etch_block *block;        // NULL: plain elements of `dtype`
    etch_dtype dtype;               // of the stored elements; U8 for blocks
    int rank;
    int64_t sizes[ETCH_MAX_RANK];   // as stored, slowest first: the last size counts bytes for blocks, elements otherwise
    size_t offset, nbytes;          // in the file
} etch_gguf_tensor;

// Errors: not a GGUF file, another version, cut off, overlapping or repeated tensors, a tensor type that etch does not read (by name).
etch_status *etch_gguf_open(const char *path, etch_gguf **out_g) ETCH_MUST_USE;
// From memory that the caller keeps alive; `name` is used in messages.
etch_status *etch_gguf_open_bytes(etch_span bytes, const char *name, etch_gguf **out_g) ETCH_MUST_USE;
void etch_gguf_close(etch_gguf *g);

// Tensors in order of their offset.
size_t etch_gguf_count(const etch_gguf *g);
const etch_gguf_tensor *etch_gguf_at(const etch_gguf *g, size_t i);
// NULL when absent.
const etch_gguf_tensor *etch_gguf_find(const etch_gguf *g, etch_str key);
etch_span etch_gguf_bytes(const etch_gguf *g, const etch_gguf_tensor *t);
// Tells the kernel that the bytes are not needed soon.
void etch_gguf_drop(const etch_gguf *g, const etch_gguf_tensor *t);

#endif
