// The `.pte` file: map, verify, look things up.
//
// File:  0 u32 root offset · 4 "ET12" · 8 "eh00" (optional extended header) · 12 u32 header length (24 or 32)
//        16 u64 program_size · 24 u64 segment_base · 32 u64 segment_data_size · then the rest of the flatbuffer (schema.def: Program)
//        segment_base + DataSegment.offset: blobs (constants, delegate payloads, named data)
//
// In: a path or bytes, untrusted. Out: an etch_pte of which every id, offset and size was checked once (what needs operator schemas is
// checked by rt/ when a method is loaded). Everything read from it borrows from the map.
#ifndef ETCH_PTE_PTE_H
#define ETCH_PTE_PTE_H

#include "base/file.h"
#include "base/map.h"
#include "op/value.h"
#include "pte/fb.h"

typedef struct etch_pte {
    etch_mapped map;           // owned, when opened from a path
    void *copy;                // owned, when unaligned bytes had to be copied
    etch_span file;
    bool has_header;
    uint64_t program_size, segment_base, segment_data_size;
    etch_fb_table program;
    etch_fb_vec plans, segments, named;
    etch_map named_by_key;     // key -> NamedData table bytes
    etch_map plan_by_name;     // name -> ExecutionPlan table bytes
} etch_pte;

etch_status *etch_pte_open(const char *path, etch_pte *out) ETCH_MUST_USE;
// The caller keeps `bytes` alive. Bytes that are not 16-aligned are copied.
etch_status *etch_pte_open_bytes(etch_span bytes, etch_pte *out) ETCH_MUST_USE;
void etch_pte_close(etch_pte *p);

// p.p == NULL when absent.
etch_fb_table etch_pte_plan(const etch_pte *p, etch_str name);
etch_status *etch_pte_segment(const etch_pte *p, uint32_t index, etch_span *out) ETCH_MUST_USE;
// ETCH_NOT_FOUND when absent.
etch_status *etch_pte_named(const etch_pte *p, etch_str key, etch_span *out) ETCH_MUST_USE;
etch_status *etch_pte_delegate_blob(const etch_pte *p, etch_fb_table delegate, etch_span *out) ETCH_MUST_USE;

typedef enum {
    ETCH_PTE_UNPLANNED,       // memory comes from the host, or the tensor is a view set at run time
    ETCH_PTE_PLANNED,         // arena memory_id at offset
    ETCH_PTE_STATE,           // planned, with initial content `data`
    ETCH_PTE_CONSTANT,        // `data`
    ETCH_PTE_EXTERNAL,        // content comes from a .ptd under `fqn`
    ETCH_PTE_EXTERNAL_STATE,  // the same, copied into planned memory
} etch_pte_place;

typedef struct etch_pte_tensor {
    etch_dtype dtype;
    int rank;
    int64_t sizes[ETCH_MAX_RANK];        // upper bounds when dynamic; logical order
    uint8_t dim_order[ETCH_MAX_RANK];    // outer to inner
    bool is_plain;                       // dim_order is the identity
    bool is_dynamic;
    int64_t numel;
    size_t nbytes;
    etch_pte_place place;
    uint32_t memory_id;                  // >= 1 where planned
    uint64_t offset;                     // in the arena
    const uint8_t *data;                 // CONSTANT: aligned to the element size; STATE: any alignment
    etch_str fqn;                        // may be empty
} etch_pte_tensor;

// Reads and checks one Tensor of `plan`.
etch_status *etch_pte_read_tensor(const etch_pte *p, etch_fb_table plan, etch_fb_table tensor, etch_pte_tensor *out) ETCH_MUST_USE;

#endif
