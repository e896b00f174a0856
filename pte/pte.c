// In: a .pte. Out: segments, named data and tensors, each bounds-checked; plans are checked in pte/plan.c.
#include "pte/pte.h"

#include <stdlib.h>

#include "base/num.h"
#include "pte/plan.h"

#define BAD(...) ETCH_ERR(ETCH_INVALID, __VA_ARGS__)

static bool is_empty_segment(etch_fb_table t) { return etch_fb_get_u64(t, ETCH_FB(DataSegment, size)) == 0; }

// Extended header (formats: 1.1). Sets program_size, segment_base, segment_data_size.
static etch_status *read_header(etch_pte *p)
{
    const uint8_t *b = p->file.ptr;
    uint64_t n = p->file.len;
    p->program_size = n;
    if (n < 64) return BAD("a .pte has at least 64 bytes, this file has %llu", (unsigned long long)n);
    if (memcmp(b + 4, "ET12", 4)) return BAD("not an ExecuTorch program (no ET12 at byte 4)");
    if (memcmp(b + 8, "eh00", 4)) return NULL;
    p->has_header = true;
    uint32_t len = etch_fb_load_u32(b + 12);
    if (len < 24) return BAD("extended header of %u bytes", len);
    p->program_size = etch_fb_load_u64(b + 16);
    p->segment_base = etch_fb_load_u64(b + 24);
    if (p->program_size > n) return BAD("the program has %llu bytes but the file ends at %llu; it is incomplete",
                                        (unsigned long long)p->program_size, (unsigned long long)n);
    if (p->program_size < 12 + (uint64_t)len) return BAD("program size %llu", (unsigned long long)p->program_size);
    if (p->segment_base > n || (p->segment_base && p->segment_base < p->program_size))
        return BAD("segment base %llu", (unsigned long long)p->segment_base);
    p->segment_data_size = p->segment_base ? n - p->segment_base : 0;
    if (len < 32) return NULL;
    uint64_t size = etch_fb_load_u64(b + 32), end;
    if (size && !p->segment_base) return BAD("segment data without a segment base");
    if (!etch_add_ok(p->segment_base, size, &end) || end > n)
        return BAD("segments end at byte %llu but the file ends at %llu; it is incomplete", (unsigned long long)end, (unsigned long long)n);
    if (size) p->segment_data_size = size;
    return NULL;
}

// Non-empty segments lie in the segment region, sorted, without overlap; but a later segment may be a window of segment 0, the constants
// (a table that is both an operator's constant and a delegate's weight is stored once).
static etch_status *check_segments(const etch_pte *p)
{
    uint64_t last = 0, first_end = 0, first_off = 0;
    for (uint32_t i = 0; i < p->segments.n; i++) {
        etch_fb_table t = etch_fb_table_at(p->segments, i);
        uint64_t off = etch_fb_get_u64(t, ETCH_FB(DataSegment, offset)), size = etch_fb_get_u64(t, ETCH_FB(DataSegment, size)), end;
        if (is_empty_segment(t)) continue;
        if (!etch_add_ok(off, size, &end) || end > p->segment_data_size)
            return BAD("segment %u ends at byte %llu of %llu", i, (unsigned long long)end, (unsigned long long)p->segment_data_size);
        if (i == 0) {
            first_off = off;
            first_end = end;
        } else if (off >= first_off && end <= first_end) continue;
        if (off < last) return BAD("segment %u overlaps the one before it", i);
        last = end;
    }
    return NULL;
}

etch_status *etch_pte_segment(const etch_pte *p, uint32_t index, etch_span *out)
{
    *out = (etch_span){ 0 };
    if (index >= p->segments.n) return BAD("segment %u of %u", index, p->segments.n);
    etch_fb_table t = etch_fb_table_at(p->segments, index);
    if (is_empty_segment(t)) return NULL;
    size_t off = (size_t)(p->segment_base + etch_fb_get_u64(t, ETCH_FB(DataSegment, offset)));
    *out = (etch_span){ p->file.ptr + off, (size_t)etch_fb_get_u64(t, ETCH_FB(DataSegment, size)) };
    return NULL;
}

static etch_status *check_named(etch_pte *p)
{
    for (uint32_t i = 0; i < p->named.n; i++) {
        etch_fb_table t = etch_fb_table_at(p->named, i);
        etch_str key = etch_fb_get_str(t, ETCH_FB(NamedData, key));
        uint32_t segment = etch_fb_get_u32(t, ETCH_FB(NamedData, segment_index));
        if (segment >= p->segments.n) return BAD("named data '%.*s' is in segment %u of %u", ETCH_STR_ARGS(key), segment, p->segments.n);
        if (etch_map_has(&p->named_by_key, key)) return BAD("named data '%.*s' appears twice", ETCH_STR_ARGS(key));
        ETCH_TRY(etch_map_put(&p->named_by_key, key, (void *)(uintptr_t)t.p));
    }
    return NULL;
}

etch_status *etch_pte_named(const etch_pte *p, etch_str key, etch_span *out)
{
    *out = (etch_span){ 0 };
    etch_fb_table t = { etch_map_get(&p->named_by_key, key) };
    if (!t.p) return ETCH_ERR(ETCH_NOT_FOUND, "the file has no named data '%.*s'", ETCH_STR_ARGS(key));
    return etch_pte_segment(p, etch_fb_get_u32(t, ETCH_FB(NamedData, segment_index)), out);
}

static etch_status *check_subsegment(const etch_pte *p, etch_fb_table t, const char *what)
{
    uint32_t segment = etch_fb_get_u32(t, ETCH_FB(SubsegmentOffsets, segment_index));
    uint32_t n = etch_fb_get_vec(t, ETCH_FB(SubsegmentOffsets, offsets)).n;
    if (n == 0) return BAD("%s has no offsets", what);
    if (n > 1 && segment >= p->segments.n) return BAD("%s is segment %u of %u", what, segment, p->segments.n);
    return NULL;
}

static etch_status *check_program(etch_pte *p)
{
    uint32_t version = etch_fb_get_u32(p->program, ETCH_FB(Program, version));
    if (version) return ETCH_ERR(ETCH_UNSUPPORTED, "program version %u; etch reads version 0", version);
    if (p->segments.n && !p->has_header && !is_empty_segment(etch_fb_table_at(p->segments, 0)))
        return BAD("segments without an extended header");
    ETCH_TRY(check_segments(p));
    ETCH_TRY(check_named(p));
    ETCH_TRY(check_subsegment(p, etch_fb_get_table(p->program, ETCH_FB(Program, constant_segment)), "constant_segment"));
    etch_fb_vec state = etch_fb_get_vec(p->program, ETCH_FB(Program, mutable_data_segments));
    for (uint32_t i = 0; i < state.n; i++) ETCH_TRY(check_subsegment(p, etch_fb_table_at(state, i), "mutable_data_segments"));
    for (uint32_t i = 0; i < p->plans.n; i++) {
        etch_fb_table plan = etch_fb_table_at(p->plans, i);
        etch_str name = etch_fb_get_str(plan, ETCH_FB(ExecutionPlan, name));
        if (etch_map_has(&p->plan_by_name, name)) return BAD("method '%.*s' appears twice", ETCH_STR_ARGS(name));
        ETCH_TRY(etch_map_put(&p->plan_by_name, name, (void *)(uintptr_t)plan.p));
        ETCH_TRYF(etch_pte__check_plan(p, plan), "method '%.*s'", ETCH_STR_ARGS(name));
    }
    return NULL;
}

static etch_status *open_bytes(etch_span bytes, etch_pte *p)
{
    p->file = bytes;
    if ((uintptr_t)bytes.ptr % 16 && bytes.len) {
        p->copy = aligned_alloc(16, etch_align_up(bytes.len, 16));
        if (!p->copy) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory (%zu bytes)", bytes.len);
        memcpy(p->copy, bytes.ptr, bytes.len);
        p->file.ptr = p->copy;
    }
    ETCH_TRY(read_header(p));
    ETCH_TRYF(etch_fb_verify((etch_span){ p->file.ptr, (size_t)p->program_size }, ETCH_FB_Program, "ET12", &p->program), "broken program");
    p->plans = etch_fb_get_vec(p->program, ETCH_FB(Program, execution_plan));
    p->segments = etch_fb_get_vec(p->program, ETCH_FB(Program, segments));
    p->named = etch_fb_get_vec(p->program, ETCH_FB(Program, named_data));
    return check_program(p);
}

etch_status *etch_pte_open_bytes(etch_span bytes, etch_pte *out)
{
    *out = (etch_pte){ 0 };
    etch_pte p = { 0 };
    etch_status *s = open_bytes(bytes, &p);
    if (s) etch_pte_close(&p);
    else *out = p;
    return s;
}

etch_status *etch_pte_open(const char *path, etch_pte *out)
{
    *out = (etch_pte){ 0 };
    etch_mapped map;
    ETCH_TRY(etch_mapped_open(path, &map));
    etch_pte p = { .map = map };
    etch_status *s = open_bytes(map.bytes, &p);
    if (!s) {
        *out = p;
        return NULL;
    }
    etch_pte_close(&p);
    return etch_status_frame(s, __FILE__, __LINE__, "%s", path);
}

void etch_pte_close(etch_pte *p)
{
    etch_map_deinit(&p->named_by_key);
    etch_map_deinit(&p->plan_by_name);
    etch_mapped_close(&p->map);
    free(p->copy);
    *p = (etch_pte){ 0 };
}

etch_fb_table etch_pte_plan(const etch_pte *p, etch_str name) { return (etch_fb_table){ etch_map_get(&p->plan_by_name, name) }; }

etch_status *etch_pte_delegate_blob(const etch_pte *p, etch_fb_table delegate, etch_span *out)
{
    *out = (etch_span){ 0 };
    etch_fb_table ref = etch_fb_get_table(delegate, ETCH_FB(BackendDelegate, processed));
    uint32_t index = etch_fb_get_u32(ref, ETCH_FB(BackendDelegateDataReference, index));
    int location = etch_fb_get_i8(ref, ETCH_FB(BackendDelegateDataReference, location));
    if (location == 1) return etch_pte_segment(p, index, out);
    if (location != 0) return BAD("data location %d", location);
    etch_fb_vec inlined = etch_fb_get_vec(p->program, ETCH_FB(Program, backend_delegate_data));
    if (index >= inlined.n) return BAD("inline delegate data %u of %u", index, inlined.n);
    *out = etch_fb_bytes(etch_fb_get_vec(etch_fb_table_at(inlined, index), ETCH_FB(BackendDelegateInlineData, data)));
    return NULL;
}
