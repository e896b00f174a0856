// Where the bytes lie. In: the plans' tables, blobs, payloads. Out: the file.
//
//   flatbuffer | constant segment | initial states | delegate payloads | named data
//
// Everything after the flatbuffer starts at a multiple of 128, constants inside their segment at 16. A constant that is also named data (an
// embedding table that is the head's weight too) lies in the constant segment once, at a multiple of 128: its named segment is a window of
// it.
#include "lower/internal.h"

#include "base/num.h"

#define SEGMENT_ALIGN 128
#define CONST_ALIGN 16
#define HEADER 32

typedef struct segment { uint64_t offset, size; } segment;

typedef struct layout {
    segment *segments; int n, cap;
    uint64_t end;           // of the data, from the segment base
    int first_payload;      // segment of payload 0
    uint64_t *const_offsets;
    uint64_t *init_offsets;
    int init_segment;
} layout;

etch_status *lw_payload_ref(lw_program *lp, etch_span blob, etch_fbo *out_reference)
{
    int k = 0;
    while (k < lp->n_payloads && (lp->payloads[k].len != blob.len || memcmp(lp->payloads[k].ptr, blob.ptr, blob.len))) k++;
    if (k == lp->n_payloads) {
        LW_GROW(&lp->arena, lp->payloads, lp->n_payloads, lp->cap_payloads);
        lp->payloads[lp->n_payloads++] = blob;
    }
    etch_fbo o = etch_fbb_table(&lp->fbb, ETCH_FB_BackendDelegateDataReference);
    etch_fbb_int(&lp->fbb, o, ETCH_FB(BackendDelegateDataReference, location), 1);
    int n = lp->n_refs;
    LW_GROW(&lp->arena, lp->payload_of, n, lp->cap_of);
    LW_GROW(&lp->arena, lp->payload_refs, lp->n_refs, lp->cap_refs);
    lp->payload_of[n] = k;
    lp->payload_refs[lp->n_refs++] = o;
    *out_reference = o;
    return NULL;
}

static etch_status *add(lw_program *lp, layout *l, uint64_t offset, uint64_t size)
{
    LW_GROW(&lp->arena, l->segments, l->n, l->cap);
    l->segments[l->n++] = (segment){ offset, size };
    if (offset + size > l->end) l->end = offset + size;
    return NULL;
}

static etch_status *append(lw_program *lp, layout *l, uint64_t size)
{
    return add(lp, l, etch_align_up((size_t)l->end, SEGMENT_ALIGN), size);
}

static etch_status *lay_out(lw_program *lp, layout *l)
{
    ETCH_ALLOC(l->const_offsets, &lp->arena, 8 * (size_t)(lp->n_consts + 1));
    ETCH_ALLOC(l->init_offsets, &lp->arena, 8 * (size_t)(lp->n_inits + 1));
    uint64_t at = 0;
    for (int i = 0; i < lp->n_consts; i++) {
        lw_blob *b = lp->consts[i];
        at = etch_align_up((size_t)at, b->key.ptr ? SEGMENT_ALIGN : CONST_ALIGN);
        b->const_offset = l->const_offsets[i + 1] = at;
        at += b->nbytes;
    }
    // Constants without elements alone: the official runtime finds no segment of no bytes.
    ETCH_TRY(add(lp, l, 0, lp->n_consts && !at ? 1 : at));
    for (int i = 0; i < lp->n_consts; i++)
        if (lp->consts[i]->key.ptr) {
            lp->consts[i]->segment = (uint32_t)l->n;
            ETCH_TRY(add(lp, l, lp->consts[i]->const_offset, lp->consts[i]->nbytes));
        }
    if (lp->n_inits) {
        uint64_t size = 0;
        for (int i = 0; i < lp->n_inits; i++) {
            l->init_offsets[i + 1] = size;
            size += lp->inits[i]->nbytes;
        }
        l->init_segment = l->n;
        ETCH_TRY(append(lp, l, size));
    }
    l->first_payload = l->n;
    for (int i = 0; i < lp->n_payloads; i++) ETCH_TRY(append(lp, l, lp->payloads[i].len));
    for (int i = 0; i < lp->n_blobs; i++)
        if (lp->blobs[i]->key.ptr && !lp->blobs[i]->const_index) {
            lp->blobs[i]->segment = (uint32_t)l->n;
            ETCH_TRY(append(lp, l, lp->blobs[i]->nbytes));
        }
    return NULL;
}

static etch_fbo offsets_table(etch_fbb *b, int seg, const uint64_t *offsets, int n)
{
    etch_fbo o = etch_fbb_table(b, ETCH_FB_SubsegmentOffsets);
    etch_fbb_int(b, o, ETCH_FB(SubsegmentOffsets, segment_index), seg);
    etch_fbb_ref(b, o, ETCH_FB(SubsegmentOffsets, offsets), etch_fbb_vec(b, offsets, 8, (size_t)n + 1));
    return o;
}

static etch_status *build_root(lw_program *lp, const layout *l, const etch_fbo *plans, int n_plans, etch_fbo *out)
{
    etch_fbb *b = &lp->fbb;
    etch_fbo *list, root = etch_fbb_table(b, ETCH_FB_Program);
    ETCH_ALLOC(list, &lp->arena, sizeof *list * (size_t)(l->n + lp->n_blobs + 1));
    etch_fbb_ref(b, root, ETCH_FB(Program, execution_plan), etch_fbb_refs(b, plans, (size_t)n_plans));
    etch_fbb_ref(b, root, ETCH_FB(Program, constant_buffer), etch_fbb_refs(b, NULL, 0));
    etch_fbb_ref(b, root, ETCH_FB(Program, backend_delegate_data), etch_fbb_refs(b, NULL, 0));
    for (int i = 0; i < l->n; i++) {
        list[i] = etch_fbb_table(b, ETCH_FB_DataSegment);
        etch_fbb_u64(b, list[i], ETCH_FB(DataSegment, offset), l->segments[i].offset);
        etch_fbb_u64(b, list[i], ETCH_FB(DataSegment, size), l->segments[i].size);
    }
    etch_fbb_ref(b, root, ETCH_FB(Program, segments), etch_fbb_refs(b, list, (size_t)l->n));
    etch_fbb_ref(b, root, ETCH_FB(Program, constant_segment), offsets_table(b, 0, l->const_offsets, lp->n_consts));
    if (lp->n_inits) {
        list[0] = offsets_table(b, l->init_segment, l->init_offsets, lp->n_inits);
        etch_fbb_ref(b, root, ETCH_FB(Program, mutable_data_segments), etch_fbb_refs(b, list, 1));
    }
    for (int i = 0; i < lp->n_refs; i++)
        etch_fbb_int(b, lp->payload_refs[i], ETCH_FB(BackendDelegateDataReference, index), l->first_payload + lp->payload_of[i]);
    int n = 0;
    for (int i = 0; i < lp->n_blobs; i++) {
        if (!lp->blobs[i]->key.ptr) continue;
        list[n] = etch_fbb_table(b, ETCH_FB_NamedData);
        etch_fbb_string(b, list[n], ETCH_FB(NamedData, key), lp->blobs[i]->key);
        etch_fbb_int(b, list[n++], ETCH_FB(NamedData, segment_index), lp->blobs[i]->segment);
    }
    etch_fbb_ref(b, root, ETCH_FB(Program, named_data), etch_fbb_refs(b, list, (size_t)n));
    *out = root;
    return NULL;
}

// ---- writing
typedef struct out {
    etch_writer *w;
    const etch_const_source *source;
    const etch_emit_opts *opts;
    uint64_t base, done, total;   // done: bytes of the file
} out;

static etch_status *put(out *o, const void *bytes, uint64_t n)
{
    ETCH_TRY(etch_writer_put(o->w, bytes, (size_t)n));
    o->done += n;
    if (o->opts->progress) o->opts->progress(o->opts->user, o->done, o->total);
    return NULL;
}

// Zeros up to `offset` of the data region.
static etch_status *pad_to(out *o, uint64_t offset)
{
    if (o->base + offset < o->done) return ETCH_ERR(ETCH_INTERNAL, "data overlaps in the file");
    ETCH_TRY(etch_writer_zeros(o->w, o->base + offset - o->done));
    o->done = o->base + offset;
    return NULL;
}

typedef struct piece { out *o; uint64_t left; } piece;

static etch_status *put_piece(void *user, const void *bytes, size_t n)
{
    piece *p = user;
    if (n > p->left) return ETCH_ERR(ETCH_INTERNAL, "a constant has more bytes than its type needs");
    p->left -= n;
    return put(p->o, bytes, n);
}

static etch_status *put_value(out *o, etch_value *v, uint64_t nbytes)
{
    piece p = { o, nbytes };
    ETCH_TRY(o->source->stream(o->source->user, v, put_piece, &p));
    return p.left ? ETCH_ERR(ETCH_INTERNAL, "a constant is %llu bytes short of its type", (unsigned long long)p.left) : NULL;
}

static etch_str name_of(const lw_blob *b) { return b->key.ptr ? b->key : b->v->fqn.len ? b->v->fqn : b->v->name; }

static etch_status *put_data(lw_program *lp, const layout *l, out *o)
{
    for (int i = 0; i < lp->n_consts; i++) {
        lw_blob *b = lp->consts[i];
        ETCH_TRY(pad_to(o, b->const_offset));
        ETCH_TRYF(put_value(o, b->v, b->nbytes), "writing %.*s", ETCH_STR_ARGS(name_of(b)));
    }
    ETCH_TRY(pad_to(o, l->segments[0].size));
    for (int i = 0; i < lp->n_inits; i++) {
        ETCH_TRY(pad_to(o, l->segments[l->init_segment].offset + l->init_offsets[i + 1]));
        ETCH_TRYF(put_value(o, lp->inits[i]->v->init, lp->inits[i]->nbytes), "writing state %.*s", ETCH_STR_ARGS(lp->inits[i]->v->name));
    }
    for (int i = 0; i < lp->n_payloads; i++) {
        ETCH_TRY(pad_to(o, l->segments[l->first_payload + i].offset));
        ETCH_TRY(put(o, lp->payloads[i].ptr, lp->payloads[i].len));
    }
    for (int i = 0; i < lp->n_blobs; i++) {
        lw_blob *b = lp->blobs[i];
        if (!b->key.ptr || b->const_index) continue;
        ETCH_TRY(pad_to(o, l->segments[b->segment].offset));
        ETCH_TRYF(put_value(o, b->v, b->nbytes), "writing %.*s", ETCH_STR_ARGS(name_of(b)));
    }
    return NULL;
}

static void store(uint8_t *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) p[i] = (uint8_t)(v >> (8 * i));
}

static void tell_constants(const lw_program *lp)
{
    const etch_emit_listener *l = lp->opts->listener;
    if (!l || !l->constant) return;
    for (int i = 0; i < lp->n_blobs; i++)
        if (lp->blobs[i]->const_index || lp->blobs[i]->key.ptr) l->constant(l->user, lp->blobs[i]->v, lp->blobs[i]->nbytes);
    for (int i = 0; i < lp->n_inits; i++) l->constant(l->user, lp->inits[i]->v->init, lp->inits[i]->nbytes);
}

etch_status *lw_write(lw_program *lp, const etch_fbo *plans, int n_plans, const etch_const_source *source, etch_writer *w)
{
    layout l = { 0 };
    etch_fbo root = 0;
    ETCH_TRY(lay_out(lp, &l));
    ETCH_TRY(build_root(lp, &l, plans, n_plans, &root));
    etch_buf fb;
    etch_buf_init(&fb);
    etch_status *s = etch_fbb_finish(&lp->fbb, root, "ET12", l.end ? HEADER : 0, &fb);
    if (s) goto done;
    etch_buf_fill(&fb, 0, fb.len < 64 ? 64 - fb.len : 0);  // the official loader wants 64 bytes
    s = etch_buf_check(&fb);
    if (s) goto done;
    out o = { w, source, lp->opts, etch_align_up(fb.len, SEGMENT_ALIGN), 0, 0 };
    o.total = l.end ? o.base + l.end : fb.len;
    if (l.end) {
        memcpy(fb.ptr + 8, "eh00", 4);
        store(fb.ptr + 12, HEADER, 4);
        store(fb.ptr + 16, fb.len, 8);
        store(fb.ptr + 24, o.base, 8);
        store(fb.ptr + 32, l.end, 8);
    }
    tell_constants(lp);
    for (int i = 0; i < lp->n_blobs; i++)
        if (lp->blobs[i]->key.ptr && !lp->blobs[i]->const_index) lp->report.named_bytes += lp->blobs[i]->nbytes;
    if (w) s = put(&o, fb.ptr, fb.len);
    if (w && !s && l.end) s = put_data(lp, &l, &o);
    lp->report.file_bytes = o.total;
    lp->report.table_bytes = fb.len;
    lp->report.constant_bytes = l.segments[0].size;
done:
    etch_buf_deinit(&fb);
    return s;
}
