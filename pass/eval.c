// Constant evaluation. In: a value and a source of file bytes. Out: its bytes.
//
// The needed nodes are listed in post-order (explicit stack, so that deep graphs are no problem), then run in that order; a buffer
// is freed with its last use. View operators share the buffer of their source.
#include "pass/eval.h"

#include <stdlib.h>

#include "kern/kern.h"
#include "pass/packed.h"

typedef struct buffer { void *ptr; bool heap; int refs; const etch_value *file; } buffer;

typedef struct entry {
    etch_value *v;
    etch_tensor t;
    buffer *buf;      // NULL: not computed, or freed
    int uses;         // nodes of the list, and the caller, that still need it
} entry;

typedef struct {
    const etch_weights *w;
    entry *entries; size_t n, cap;          // values, in order of discovery
    uint32_t *slots; size_t n_slots;        // open addressing: index + 1
    etch_node **order; size_t n_order, cap_order;
} eval;

static size_t hash_of(const void *p) { return (size_t)(((uintptr_t)p >> 4) * (uintptr_t)0x9E3779B97F4A7C15u >> 17); }

static entry *find(const eval *e, const etch_value *v)
{
    for (size_t i = hash_of(v); e->n_slots; i++) {
        uint32_t k = e->slots[i & (e->n_slots - 1)];
        if (!k) return NULL;
        if (e->entries[k - 1].v == v) return &e->entries[k - 1];
    }
    return NULL;
}

static etch_status *grow_array(void *array, size_t n, size_t *cap, size_t elem)
{
    if (n < *cap) return NULL;
    size_t more = *cap ? *cap * 2 : 64;
    void *p;
    memcpy(&p, array, sizeof p);
    p = realloc(p, more * elem);
    if (!p) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    memcpy(array, &p, sizeof p);
    *cap = more;
    return NULL;
}

static etch_status *insert(eval *e, etch_value *v)
{
    ETCH_TRY(grow_array(&e->entries, e->n, &e->cap, sizeof *e->entries));
    if (2 * (e->n + 1) > e->n_slots) {
        size_t n_slots = e->n_slots ? e->n_slots * 2 : 256;
        uint32_t *slots = calloc(n_slots, sizeof *slots);
        if (!slots) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        for (size_t k = 0; k < e->n; k++) {
            size_t i = hash_of(e->entries[k].v);
            while (slots[i & (n_slots - 1)]) i++;
            slots[i & (n_slots - 1)] = (uint32_t)k + 1;
        }
        free(e->slots);
        e->slots = slots;
        e->n_slots = n_slots;
    }
    e->entries[e->n++] = (entry){ .v = v };
    size_t i = hash_of(v);
    while (e->slots[i & (e->n_slots - 1)]) i++;
    e->slots[i & (e->n_slots - 1)] = (uint32_t)e->n;
    return NULL;
}

// Depth-first walk. A frame is a node and the index of the next use to look at.
typedef struct { etch_node *n; int arg, item; } frame;

static etch_value *next_use(frame *f)
{
    for (; f->arg < f->n->op->schema->n_params; f->arg++, f->item = 0) {
        const etch_val *a = &f->n->args[f->arg];
        if (a->kind == ETCH_V_TENSOR && f->item == 0) {
            f->item = 1;
            return etch_value_of(a->t);
        }
        while (a->kind == ETCH_V_TENSORS && f->item < a->tensors.n) {
            etch_tensor *t = a->tensors.p[f->item++];
            if (t) return etch_value_of(t);
        }
    }
    return NULL;
}

static etch_status *check_node(const etch_node *n)
{
    if (!(n->op->flags & (ETCH_OPF_RANDOM | ETCH_OPF_INPLACE | ETCH_OPF_SYM))) return NULL;
    return ETCH_ERR(ETCH_INVALID, "%.*s%s%.*s%s gives a value that is not known at export time", ETCH_STR_ARGS(n->op->schema->name),
                    n->where.len ? " (" : "", ETCH_STR_ARGS(n->where), n->where.len ? ")" : "");
}

static etch_status *walk(eval *e, etch_value *root, frame **stack, size_t *cap)
{
    size_t depth = 0;
    etch_value *v = root;
    for (;;) {
        if (v && !find(e, v)) {
            ETCH_TRY(insert(e, v));
            if (v->src == ETCH_SRC_NODE) {
                ETCH_TRY(check_node(v->def));
                bool listed = false;  // another result of the same node came first
                for (int i = 0; i < v->def->n_outs; i++) listed = listed || (i != v->def_index && find(e, v->def->outs[i]));
                if (!listed) {
                    ETCH_TRY(grow_array(stack, depth, cap, sizeof **stack));
                    (*stack)[depth++] = (frame){ v->def, 0, 0 };
                }
            } else if (v->src != ETCH_SRC_FILE && v->src != ETCH_SRC_DATA) {
                return ETCH_ERR(ETCH_INTERNAL, "value %%%d is not constant", v->id);
            }
        }
        if (!depth) return NULL;
        v = next_use(&(*stack)[depth - 1]);
        if (v) continue;
        ETCH_TRY(grow_array(&e->order, e->n_order, &e->cap_order, sizeof *e->order));
        e->order[e->n_order++] = (*stack)[--depth].n;
    }
}

static etch_status *collect(eval *e, etch_value *root)
{
    frame *stack = NULL;
    size_t cap = 0;
    etch_status *s = walk(e, root, &stack, &cap);
    free(stack);
    return s;
}

static void release(eval *e, entry *x)
{
    buffer *b = x->buf;
    x->buf = NULL;
    if (!b || --b->refs) return;
    if (b->heap) free(b->ptr);
    if (b->file && e->w && e->w->done) e->w->done(e->w->user, b->file->file, b->file->name);
    free(b);
}

static void deinit(eval *e)
{
    for (size_t i = 0; i < e->n; i++) release(e, &e->entries[i]);
    free(e->entries);
    free(e->slots);
    free(e->order);
}

static etch_status *new_buffer(void *ptr, bool heap, buffer **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out) {
        if (heap) free(ptr);
        return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    }
    (*out)->ptr = ptr;
    (*out)->heap = heap;
    (*out)->refs = 1;
    return NULL;
}

static etch_status *file_bytes(const etch_weights *w, const etch_value *v, etch_span *out)
{
    size_t n;
    if (!w || !w->get) return ETCH_ERR(ETCH_INVALID, "tensor %.*s: no file to read it from", ETCH_STR_ARGS(v->name));
    ETCH_TRYF(w->get(w->user, v->file, v->name, &v->t, out), "tensor %.*s", ETCH_STR_ARGS(v->name));
    if (!etch_tensor_nbytes(&v->t, &n) || out->len != n)
        return ETCH_ERR(ETCH_INVALID, "tensor %.*s has %zu bytes, not %zu", ETCH_STR_ARGS(v->name), out->len, n);
    return NULL;
}

// Bytes of a leaf; misaligned ones are copied.
static etch_status *load_leaf(eval *e, entry *x)
{
    etch_value *v = x->v;
    x->t = v->t;
    if (v->src == ETCH_SRC_DATA) return new_buffer(v->t.data, false, &x->buf);
    etch_span bytes;
    ETCH_TRY(file_bytes(e->w, v, &bytes));
    size_t align = etch_dtype_size(v->t.dtype);
    const void *from = bytes.ptr;
    void *p;
    memcpy(&p, &from, sizeof p);  // only read through
    bool copy = align && (uintptr_t)p % (align > 8 ? 8 : align) != 0;
    if (copy) {
        p = malloc(bytes.len ? bytes.len : 1);
        if (!p) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory (%zu bytes)", bytes.len);
        memcpy(p, bytes.ptr, bytes.len);
    }
    ETCH_TRY(new_buffer(p, copy, &x->buf));
    x->buf->file = v;
    x->t.data = p;
    x->t.capacity = bytes.len;
    return NULL;
}

// Same elements in the same order as argument 0.
static bool keeps_bytes(const etch_node *n)
{
    if (n->n_outs != 1 || n->op->schema->n_params < 1 || n->args[0].kind != ETCH_V_TENSOR || n->args[0].t->dtype != n->outs[0]->t.dtype)
        return false;
    switch (n->op->id) {
    case ETCH_OP_view: case ETCH_OP__unsafe_view: case ETCH_OP_reshape: case ETCH_OP_unsqueeze: case ETCH_OP_squeeze:
    case ETCH_OP_squeeze_dim:
    case ETCH_OP_squeeze_dims: case ETCH_OP_view_as: case ETCH_OP_flatten_using_ints: case ETCH_OP_unflatten_int: case ETCH_OP_ravel:
    case ETCH_OP_clone: case ETCH_OP_contiguous: case ETCH_OP_alias: case ETCH_OP_detach: case ETCH_OP_lift_fresh:
    case ETCH_OP_lift_fresh_copy:
    case ETCH_OP__to_copy: case ETCH_OP_to_dtype: case ETCH_OP_to_dtype_layout: case ETCH_OP_to_device: case ETCH_OP_to_other:
    case ETCH_OP_type_as:
        return true;
    default: return false;
    }
}

// Copies the arguments with tensors replaced by evaluated ones.
static etch_status *bind_args(eval *e, const etch_node *n, etch_arena *a, etch_val **out)
{
    int count = n->op->schema->n_params;
    ETCH_ALLOC(*out, a, (size_t)(count + 1) * sizeof **out);
    for (int i = 0; i < count; i++) {
        etch_val v = n->args[i];
        if (v.kind == ETCH_V_TENSOR) v.t = &find(e, etch_value_of(v.t))->t;
        if (v.kind == ETCH_V_TENSORS) {
            etch_tensor **list;
            ETCH_ALLOC(list, a, (size_t)(v.tensors.n + 1) * sizeof *list);
            for (int k = 0; k < v.tensors.n; k++)
                list[k] = v.tensors.p[k] ? &find(e, etch_value_of(v.tensors.p[k]))->t : NULL;
            v.tensors.p = list;
        }
        (*out)[i] = v;
    }
    return NULL;
}

static etch_status *compute(eval *e, const etch_node *n, etch_arena *a)
{
    enum { MAX_RESULTS = 256 };
    etch_val *args;
    etch_tensor *outs;
    int n_outs;
    ETCH_TRY(bind_args(e, n, a, &args));
    ETCH_ALLOC(outs, a, MAX_RESULTS * sizeof *outs);
    ETCH_TRY(etch_kern_eval(n->op, args, n->op->schema->n_params, outs, MAX_RESULTS, &n_outs));
    etch_status *s = NULL;
    for (int i = 0; i < n_outs; i++) {
        entry *x = i < n->n_outs ? find(e, n->outs[i]) : NULL;
        if (!x || s) {
            free(outs[i].data);
            continue;
        }
        x->t = outs[i];
        s = new_buffer(outs[i].data, true, &x->buf);
    }
    return s;
}

static void drop_use(void *user, etch_value *v)
{
    eval *e = user;
    entry *x = find(e, v);
    if (x && --x->uses == 0) release(e, x);
}

static void count_use(void *user, etch_value *v)
{
    entry *x = find(user, v);
    if (x) x->uses++;
}

typedef struct { eval *e; etch_status *s; } loading;

static void load_use(void *user, etch_value *v)
{
    loading *l = user;
    entry *x = find(l->e, v);
    if (!l->s && x && !x->buf && v->src != ETCH_SRC_NODE) l->s = load_leaf(l->e, x);
}

static etch_status *run_node(eval *e, const etch_node *n)
{
    loading l = { e, NULL };
    etch_node_each_use(n, load_use, &l);
    ETCH_TRY(l.s);
    if (keeps_bytes(n)) {
        entry *from = find(e, etch_value_of(n->args[0].t)), *to = find(e, n->outs[0]);
        to->buf = from->buf;
        to->buf->refs++;
        to->t = n->outs[0]->t;
        to->t.data = from->t.data;
        to->t.capacity = from->t.capacity;
    } else {
        etch_arena a;
        etch_arena_init(&a);
        etch_status *s = compute(e, n, &a);
        etch_arena_deinit(&a);
        ETCH_TRY(s);
    }
    etch_node_each_use(n, drop_use, e);
    return NULL;
}

static etch_status *evaluate(eval *e, etch_value *v)
{
    ETCH_TRY(collect(e, v));
    for (size_t i = 0; i < e->n_order; i++) etch_node_each_use(e->order[i], count_use, e);
    find(e, v)->uses++;
    for (size_t i = 0; i < e->n_order; i++) {
        const etch_node *n = e->order[i];
        etch_status *s = run_node(e, n);
        if (s) return etch_status_frame(s, __FILE__, __LINE__, "evaluating %.*s%s%.*s%s", ETCH_STR_ARGS(n->op->schema->name),
                                        n->where.len ? " (" : "", ETCH_STR_ARGS(n->where), n->where.len ? ")" : "");
    }
    entry *x = find(e, v);
    return x->buf ? NULL : load_leaf(e, x);
}

etch_status *etch_eval_const(const etch_weights *w, etch_value *v, etch_evaluated *out)
{
    eval e = { .w = w };
    *out = (etch_evaluated){ 0 };
    etch_status *s = evaluate(&e, v);
    if (!s) {
        entry *x = find(&e, v);
        out->t = x->t;
        out->owned = x->buf->heap ? x->buf->ptr : NULL;
        out->file = x->buf->file;
        // Bytes of a file that another result still shares cannot happen: only `v` holds a buffer now.
        x->buf->heap = false;
        x->buf->file = NULL;
    }
    deinit(&e);
    if (s && v->fqn.len) s = etch_status_frame(s, __FILE__, __LINE__, "parameter %.*s", ETCH_STR_ARGS(v->fqn));
    return s;
}

void etch_evaluated_free(const etch_weights *w, etch_evaluated *r)
{
    free(r->owned);
    if (r->file && w && w->done) w->done(w->user, r->file->file, r->file->name);
    *r = (etch_evaluated){ 0 };
}

static bool is_cast(const etch_node *n)
{
    return n->op->id == ETCH_OP__to_copy || n->op->id == ETCH_OP_to_dtype || n->op->id == ETCH_OP_to_dtype_layout;
}
bool etch_eval_keeps_order(const etch_node *n) { return is_cast(n) || keeps_bytes(n); }

// Finds the FILE or the packed weight under a chain of casts and views. Returns NULL when the chain is of another kind.
static etch_value *pointwise_source(etch_value *v, etch_node **casts, int *n_casts, int cap)
{
    *n_casts = 0;
    while (v->src == ETCH_SRC_NODE && !etch_packed_is(v->def)) {
        etch_node *n = v->def;
        if (!keeps_bytes(n)) {
            if (!is_cast(n) || *n_casts == cap) return NULL;
            casts[(*n_casts)++] = n;
        }
        v = etch_value_of(n->args[0].t);
    }
    return v->src == ETCH_SRC_FILE || v->src == ETCH_SRC_NODE ? v : NULL;
}

// One block through the casts, innermost last in the list. `block` is the source's elements.
typedef struct { etch_node *casts[8]; int n_casts; etch_sink_fn put; void *user; } stream;

static etch_status *stream_block(void *stream_, const etch_tensor *block)
{
    const stream *st = stream_;
    etch_node *const *casts = st->casts;
    etch_tensor t = *block;
    void *owned = NULL;
    etch_status *s = NULL;
    for (int i = st->n_casts - 1; i >= 0 && !s; i--) {
        etch_val args[] = { etch_val_tensor(&t), etch_val_int((int64_t)casts[i]->outs[0]->t.dtype), etch_val_none(), etch_val_none(),
                            etch_val_none(), etch_val_bool(false), etch_val_none() };
        etch_tensor r;
        int n;
        s = etch_kern_eval(etch_op_get(ETCH_OP__to_copy), args, 7, &r, 1, &n);
        free(owned);
        owned = s ? NULL : r.data;
        if (!s) t = r;
    }
    size_t bytes;
    if (!s && !etch_tensor_nbytes(&t, &bytes)) s = ETCH_ERR(ETCH_INTERNAL, "a block is too large");
    if (!s) s = st->put(st->user, t.data, bytes);
    free(owned);
    return s;
}

etch_status *etch_eval_stream(const etch_weights *w, etch_value *v, etch_sink_fn put, void *user)
{
    enum { BLOCK = 1 << 18 };  // elements
    stream st = { .put = put, .user = user };
    etch_value *file = pointwise_source(v, st.casts, &st.n_casts, sizeof st.casts / sizeof *st.casts);
    if (file && file->src == ETCH_SRC_NODE) {
        etch_status *s = etch_packed_stream(w, file->def, stream_block, &st);
        return s && v->fqn.len ? etch_status_frame(s, __FILE__, __LINE__, "parameter %.*s", ETCH_STR_ARGS(v->fqn)) : s;
    }
    if (!file || st.n_casts == 0) {
        etch_evaluated r;
        size_t n;
        ETCH_TRY(etch_eval_const(w, v, &r));
        etch_status *s = etch_tensor_nbytes(&r.t, &n) ? put(user, r.t.data, n) : ETCH_ERR(ETCH_INTERNAL, "a constant is too large");
        etch_evaluated_free(w, &r);
        return s;
    }
    etch_evaluated whole;
    ETCH_TRY(etch_eval_const(w, file, &whole));
    int64_t count = etch_numel(&whole.t);
    etch_status *s = NULL;
    for (int64_t at = 0; at < count && !s; at += BLOCK) {
        int64_t n = count - at < BLOCK ? count - at : BLOCK;
        size_t elem = etch_dtype_size(whole.t.dtype);
        etch_tensor block = { .dtype = whole.t.dtype, .rank = 1, .sizes = { { n, NULL } },
                              .data = (uint8_t *)whole.t.data + (size_t)at * elem, .capacity = (size_t)n * elem };
        s = stream_block(&st, &block);
    }
    etch_evaluated_free(w, &whole);
    return s ? etch_status_frame(s, __FILE__, __LINE__, "tensor %.*s", ETCH_STR_ARGS(file->name)) : NULL;
}

etch_status *etch_eval_each_source(etch_value *v, void (*fn)(void *user, etch_value *v), void *user)
{
    eval e = { 0 };
    etch_status *s = collect(&e, v);
    for (size_t i = 0; i < e.n && !s; i++) fn(user, e.entries[i].v);
    deinit(&e);
    return s;
}
