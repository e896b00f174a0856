// Zip archives whose entries are stored, not compressed, as PyTorch writes them: each entry is a window of the mapped file.
//
// In: bytes, untrusted. Out: names and windows; every offset was checked, no two entries overlap, no name stands twice.
// A reader of our own, because the weights are used where they lie: libzip does not tell the place of an entry's bytes.
//
//   local header · name · extra · bytes    (once an entry)
//   central directory: a record an entry (name, sizes, place of the local header; 64-bit values in the extra field 0x0001)
//   [zip64 end record · its locator] · end record · comment
#ifndef ETCH_PT2_ZIP_H
#define ETCH_PT2_ZIP_H

#include "base/arena.h"
#include "base/map.h"
#include "base/status.h"

typedef struct etch_zip_entry {
    etch_str name;
    size_t header, offset;
    uint32_t crc;             // CRC-32 as the directory says, not checked here; 0: PyTorch was told not to compute it
    bool checked;             // by the user of the archive
    etch_span bytes;
} etch_zip_entry;
typedef struct etch_zip { etch_zip_entry *entries; size_t n; etch_map by_name; } etch_zip;

// `bytes` must outlive the result; entries lie in `arena`, in order of the central directory. Deinit on every path.
etch_status *etch_zip_open(etch_arena *arena, etch_span bytes, etch_zip *out) ETCH_MUST_USE;
void etch_zip_deinit(etch_zip *z);
// NULL when absent.
const etch_zip_entry *etch_zip_find(const etch_zip *z, etch_str name);

#endif
