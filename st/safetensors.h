// Safetensors: tensors by name in one file, or in shards listed by model.safetensors.index.json.
//
// File: u64 header length · JSON {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [from, to]}, "__metadata__": {...}} · data
//
// In: a path, untrusted content. Out: dtype, sizes and bytes of each tensor, borrowed from the map; every offset was checked. Example:
//   etch_st *st;
//   ETCH_TRY(etch_st_open("models/tiny", &st));
//   const etch_st_tensor *t = etch_st_find(st, ETCH_LIT("model.norm.weight"));
//   if (t) use(t->dtype, etch_st_bytes(st, t));
//   etch_st_close(st);
#ifndef ETCH_ST_SAFETENSORS_H
#define ETCH_ST_SAFETENSORS_H

#include "base/file.h"
#include "op/value.h"

typedef struct etch_st etch_st;

typedef struct etch_st_tensor {
    etch_str key;
    etch_dtype dtype;               // ETCH_DTYPE_NONE for a type that etch does not compute with (F8_E4M3 ...)
    int rank;
    int64_t sizes[ETCH_MAX_RANK];
    int64_t numel;
    int file;                       // index for etch_st_file_name
    size_t offset, nbytes;          // in the file; `offset` may be unaligned
} etch_st_tensor;

// A .safetensors file, an index.json, or a folder that holds model.safetensors or model.safetensors.index.json.
etch_status *etch_st_open(const char *path, etch_st **out_st) ETCH_MUST_USE;
// One file from memory that the caller keeps alive; `name` is used in messages.
etch_status *etch_st_open_bytes(etch_span bytes, const char *name, etch_st **out_st) ETCH_MUST_USE;
void etch_st_close(etch_st *st);

// Tensors, file by file, in order of their offset.
size_t etch_st_count(const etch_st *st);
const etch_st_tensor *etch_st_at(const etch_st *st, size_t i);
// NULL when absent.
const etch_st_tensor *etch_st_find(const etch_st *st, etch_str key);
etch_span etch_st_bytes(const etch_st *st, const etch_st_tensor *t);
// Path of the file, as opened (borrowed). File name relative to the folder for shards and folders: etch_st_file_base.
int etch_st_n_files(const etch_st *st);
const char *etch_st_file_name(const etch_st *st, int file);
const char *etch_st_file_base(const etch_st *st, int file);
// Tells the kernel that the bytes are not needed soon.
void etch_st_drop(const etch_st *st, const etch_st_tensor *t);
// Value of "__metadata__" in file 0; empty when absent.
etch_str etch_st_metadata(const etch_st *st, etch_str key);

// Writes entries (row-major, data set) to `path`, whole or not at all. Wide element types come first, so that all data is aligned.
typedef struct etch_st_entry { etch_str key; const etch_tensor *t; } etch_st_entry;
etch_status *etch_st_write(const char *path, const etch_st_entry *entries, size_t n) ETCH_MUST_USE;

#endif
