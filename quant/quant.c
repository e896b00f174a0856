#include "quant/quant.h"

#include "pass/packed.h"

static const struct { const char *name; etch_quant_kind kind; int bits; bool dynamic; } kinds[] = {
    { "8da4w", ETCH_QUANT_8DA4W, 4, true }, { "8da8w", ETCH_QUANT_8DA8W, 8, true }, { "4w", ETCH_QUANT_4W, 4, false },
    { "8w", ETCH_QUANT_8W, 8, false },
};
#define N_KINDS (int)(sizeof kinds / sizeof *kinds)

static int row_of(etch_quant_kind k)
{
    for (int i = 0; i < N_KINDS; i++)
        if (kinds[i].kind == k) return i;
    return -1;
}

static bool is_dynamic(etch_quant_kind k) { return row_of(k) >= 0 && kinds[row_of(k)].dynamic; }
const char *etch_quant_name(etch_quant_kind k) { return row_of(k) < 0 ? "float" : kinds[row_of(k)].name; }

static bool parse_one(etch_str text, etch_quant_kind *out)
{
    for (int i = 0; i < N_KINDS; i++)
        if (etch_str_eqz(text, kinds[i].name)) {
            *out = kinds[i].kind;
            return true;
        }
    return false;
}

etch_status *etch_quant_parse_linear(const char *flag, etch_str text, etch_quant_kind *out_kind, etch_quant_kind *out_fallback)
{
    const char *comma = text.len ? memchr(text.ptr, ',', text.len) : NULL;
    etch_str first = comma ? (etch_str){ text.ptr, (size_t)(comma - text.ptr) } : text;
    *out_fallback = ETCH_QUANT_NONE;
    bool ok = parse_one(first, out_kind);
    if (ok && comma) ok = parse_one((etch_str){ comma + 1, text.len - first.len - 1 }, out_fallback);
    if (etch_str_eqz(text, "fpa4w"))
        return ETCH_ERR(ETCH_USAGE, "%s fpa4w needs Apple's Metal kernels, which no recipe of etch has; use 8da4w or 4w", flag);
    if (!ok) return ETCH_ERR(ETCH_USAGE, "%s: '%.*s' is not one of 8da4w, 4w, 8w, 8da8w, \"8da4w,8da8w\"", flag, ETCH_STR_ARGS(text));
    return NULL;
}

etch_status *etch_quant_parse_embedding(const char *flag, etch_str text, etch_quant_kind *out_kind)
{
    if (!parse_one(text, out_kind) || is_dynamic(*out_kind))
        return ETCH_ERR(ETCH_USAGE, "%s: '%.*s' is not one of 4w, 8w", flag, ETCH_STR_ARGS(text));
    return NULL;
}

etch_status *etch_quant_check(const etch_quant_opts *o)
{
    const char *x = o->suffix ? o->suffix : "";
    if (!o->delegate && (is_dynamic(o->linear) || is_dynamic(o->linear_fallback)))
        return ETCH_ERR(ETCH_USAGE, "--qlinear%s %s needs --recipe xnnpack: the portable kernels of the official runtime cannot multiply "
                                    "quantized weights",
                        x, etch_quant_name(is_dynamic(o->linear) ? o->linear : o->linear_fallback));
    if (o->linear == ETCH_QUANT_8DA4W && o->linear_group % 32)
        return ETCH_ERR(ETCH_USAGE, "--qlinear%s_group_size %lld: 8da4w takes a multiple of 32 (or 0: one group a row)", x,
                        (long long)o->linear_group);
    if (o->linear_group % 2)
        return ETCH_ERR(ETCH_USAGE, "--qlinear%s_group_size %lld: a multiple of 2 (or 0) is needed", x, (long long)o->linear_group);
    if (o->linear_fallback && !o->linear_group)
        return ETCH_ERR(ETCH_USAGE, "--qlinear%s: a fallback scheme has no use with --qlinear%s_group_size 0 (every linear fits one group "
                                    "a row)", x, x);
    if (o->embedding_group % 2)
        return ETCH_ERR(ETCH_USAGE, "--qembedding%s_group_size %lld: a multiple of 2 (or 0) is needed", x, (long long)o->embedding_group);
    return NULL;
}

static etch_quant_entry *new_entry(etch_program *p, etch_quant_report *r)
{
    if (r->n == r->cap) {
        int cap = r->cap ? r->cap * 2 : 64;
        etch_quant_entry *q = etch_arena_alloc(&p->arena, sizeof *q * (size_t)cap);
        if (!q) return NULL;
        if (r->n) memcpy(q, r->entries, sizeof *q * (size_t)r->n);
        r->entries = q;
        r->cap = cap;
    }
    return &r->entries[r->n++];
}

// State-dict name of a weight, through the transposition or cast that made it.
static etch_str name_of(etch_method *m, const etch_value *w, const etch_node *n)
{
    for (const etch_value *v = w; v; v = v->src == ETCH_SRC_NODE && v->def->op->schema->n_params ? etch_arg_value(&v->def->args[0])
         : NULL) {
        if (v->fqn.len) return v->fqn;
        if (v->src == ETCH_SRC_FILE) return v->name;
    }
    return etch_str_of(etch_node_place(m, n));
}

static etch_status *add_one(etch_method *m, etch_node *at, etch_op_id op, const etch_val *args, int n_args, etch_value **out)
{
    etch_node *n;
    ETCH_TRY(etch_method_add_node(m, at, etch_op_get(op), args, n_args, at->where, at->module, &n));
    etch_const_mark_node(n);
    *out = n->outs[0];
    return NULL;
}

// How the checkpoint holds the weight, when it does so as integers.
typedef struct { etch_arena *arena; etch_str name; } source;

static void look_at(void *user, etch_value *v)
{
    source *s = user;
    const etch_node *n = v->src == ETCH_SRC_NODE && etch_packed_is(v->def) ? v->def : NULL;
    if (!n || s->name.len) return;
    if (n->op->id == ETCH_OP_etch_dequantize_blocks) s->name = n->args[1].s;
    else s->name = etch_arena_printf(s->arena, "%s %d bits", etch_str_starts(n->args[5].s, "awq") ? "AWQ" : "GPTQ",
                                     (int)etch_val_as_int(&n->args[4]));
}

static etch_status *source_of(etch_program *p, etch_value *w, etch_str *out)
{
    source s = { .arena = &p->arena };
    ETCH_TRY(etch_eval_each_source(w, look_at, &s));
    *out = s.name;
    return NULL;
}

// The constant node that quantizes `w` goes before `at`; equal requests become one node through cse.
// `signed_scales`: what executes the product takes negative scales, which the checkpoint's integers may need.
static etch_status *quantize(etch_method *m, etch_node *at, etch_value *w, const etch_quant_scheme *s, bool signed_scales,
                             etch_value **out_q, etch_value **out_scales)
{
    const etch_val args[5] = { etch_val_tensor(&w->t), etch_val_int(s->bits), etch_val_int(s->group),
                               etch_val_str(s->rule == ETCH_QPARAMS_HQQ ? ETCH_LIT("hqq") : ETCH_LIT("minmax")),
                               etch_val_bool(signed_scales) };
    ETCH_TRY(add_one(m, at, ETCH_OP_etch_quantize, args, 5, out_q));
    *out_scales = (*out_q)->def->outs[1];
    return NULL;
}

static etch_status *cast(etch_method *m, etch_node *at, etch_value *v, etch_dtype d, etch_value **out)
{
    *out = v;
    if (v->t.dtype == d) return NULL;
    const etch_val args[2] = { etch_val_tensor(&v->t), etch_val_int(d) };
    return add_one(m, at, ETCH_OP__to_copy, args, 2, out);
}

// Bytes in the file: integers (packed where they have 4 bits) with one scale of so many bytes a group, or plain values.
static int64_t integer_bytes(const etch_quant_entry *e, int64_t scale)
{
    return e->rows * (e->columns * e->bits / 8 + e->columns / e->group * scale);
}
static int64_t value_bytes(const etch_quant_entry *e, etch_dtype d) { return e->rows * e->columns * (int64_t)etch_dtype_size(d); }

// The scheme for a linear of k columns: the first, the fallback, or none with the reason.
static etch_quant_kind choose(const etch_quant_opts *o, etch_program *p, int64_t k, int64_t *out_group, etch_str *reason)
{
    etch_quant_kind kind = o->linear;
    *out_group = kind == ETCH_QUANT_8DA8W ? 0 : o->linear_group;
    if (*out_group && k % *out_group) {
        kind = o->linear_fallback;
        if (!kind)
            *reason = etch_arena_printf(&p->arena, "%lld columns are no multiple of the group size %lld", (long long)k,
                                        (long long)*out_group);
        *out_group = 0;
    }
    if (kind == ETCH_QUANT_8DA4W && !*out_group) {
        *out_group = k;
        if (k % 32) {
            *reason = etch_arena_printf(&p->arena, "%lld columns are no multiple of 32, which the 4-bit kernels need", (long long)k);
            kind = ETCH_QUANT_NONE;
        }
    }
    return kind;
}

// linear(x, w [N, K], b), or addmm(b, x, w [K, N]) / mm(x, w [K, N]), with constant w and b.
typedef struct linear { etch_value *x, *w, *b; bool transposed; } linear;

static bool match_linear(const etch_node *n, linear *l)
{
    *l = (linear){ 0 };
    if (n->op->id == ETCH_OP_linear) {
        *l = (linear){ etch_arg_value(&n->args[0]), etch_arg_value(&n->args[1]), etch_arg_value(&n->args[2]), false };
    } else if (n->op->id == ETCH_OP_mm) {
        *l = (linear){ etch_arg_value(&n->args[0]), etch_arg_value(&n->args[1]), NULL, true };
    } else if (n->op->id == ETCH_OP_addmm) {
        if (etch_val_as_double(&n->args[3]) != 1.0 || etch_val_as_double(&n->args[4]) != 1.0) return false;
        *l = (linear){ etch_arg_value(&n->args[1]), etch_arg_value(&n->args[2]), etch_arg_value(&n->args[0]), true };
        if (!l->b || l->b->t.rank != 1) return false;
    }
    return l->x && l->w && l->w->t.rank == 2 && etch_dtype_is_float(l->w->t.dtype) && etch_const_is(l->w) && !etch_const_is(l->x) &&
           (!l->b || etch_const_is(l->b));
}

// The matrix of which `w` is the transposed one, or NULL.
static etch_value *before_turning(const etch_value *w)
{
    const etch_node *n = w->src == ETCH_SRC_NODE ? w->def : NULL;
    if (!n) return NULL;
    bool turned = n->op->id == ETCH_OP_t;
    if (n->op->id == ETCH_OP_transpose_int) turned = (etch_val_as_int(&n->args[1]) + 2) % 2 != (etch_val_as_int(&n->args[2]) + 2) % 2;
    if (n->op->id == ETCH_OP_permute && n->args[1].ints.n == 2) turned = (n->args[1].ints.p[0].v + 2) % 2 == 1;
    return turned ? etch_arg_value(&n->args[0]) : NULL;
}

static etch_status *do_linear(etch_program *p, etch_method *m, etch_node *n, linear l, const etch_quant_opts *o, etch_quant_report *report)
{
    etch_quant_entry *e = new_entry(p, report);
    if (!e) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    *e = (etch_quant_entry){ .name = name_of(m, l.w, n), .scheme = "float", .bits = (int)etch_dtype_size(l.w->t.dtype) * 8, .kept = -1,
                             .relative_rms = -1 };
    ETCH_TRY(source_of(p, l.w, &e->source));
    e->rows = l.w->t.sizes[l.transposed ? 1 : 0].v;
    e->columns = l.w->t.sizes[l.transposed ? 0 : 1].v;
    e->bytes = value_bytes(e, l.w->t.dtype);
    int64_t group;
    etch_quant_kind kind = choose(o, p, e->columns, &group, &e->reason);
    const int row = row_of(kind);
    if (row < 0) return NULL;
    etch_value *w = l.w, *q, *scales, *y;
    if (l.transposed && before_turning(w)) {
        w = before_turning(w);
    } else if (l.transposed) {
        const etch_val args[3] = { etch_val_tensor(&w->t), etch_val_int(0), etch_val_int(1) };
        ETCH_TRY(add_one(m, n, ETCH_OP_transpose_int, args, 3, &w));
    }
    const etch_quant_scheme s = { kinds[row].bits, group, o->rule };
    const bool channel = kind == ETCH_QUANT_8W && !group && o->delegate && l.x->t.dtype == ETCH_F32;
    const bool values = !kinds[row].dynamic && !channel;
    ETCH_TRY(quantize(m, n, w, &s, values && etch_packed_find(w), &q, &scales));
    e->scheme = etch_quant_name(kind);
    e->bits = s.bits;
    e->group = group ? group : e->columns;
    e->q = q;
    e->scales = scales;
    e->weight = w;
    const etch_val bias = l.b ? etch_val_tensor(&l.b->t) : etch_val_none();
    if (!values) {
        e->bytes = integer_bytes(e, s.bits == 4 ? 2 : 4);  // XNNPACK takes the scales of groups in bfloat16
        const etch_val args[5] = { etch_val_tensor(&l.x->t), etch_val_tensor(&q->t), etch_val_tensor(&scales->t), bias,
                                   etch_val_int(s.bits) };
        ETCH_TRY(add_one(m, n, channel ? ETCH_OP_etch_linear_channel : ETCH_OP_etch_linear_dynamic, args, 5, &y));
    } else {
        e->reason = ETCH_LIT("stored dequantised: the official runtime has no weight-only kernel for it");
        const etch_val dq[2] = { etch_val_tensor(&q->t), etch_val_tensor(&scales->t) };
        ETCH_TRY(add_one(m, n, ETCH_OP_etch_dequantize, dq, 2, &w));
        ETCH_TRY(cast(m, n, w, l.w->t.dtype, &w));
        const etch_val args[3] = { etch_val_tensor(&l.x->t), etch_val_tensor(&w->t), bias };
        ETCH_TRY(add_one(m, n, ETCH_OP_linear, args, 3, &y));
    }
    etch_method_replace(m, n->outs[0], y);
    etch_method_remove(m, n);
    return NULL;
}

static etch_status *do_embedding(etch_program *p, etch_method *m, etch_node *n, const etch_quant_opts *o, etch_quant_report *report)
{
    etch_value *w = etch_arg_value(&n->args[0]);
    etch_quant_entry *e = new_entry(p, report);
    if (!e) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    *e = (etch_quant_entry){ .name = name_of(m, w, n), .scheme = "float", .bits = (int)etch_dtype_size(w->t.dtype) * 8,
                             .rows = w->t.sizes[0].v, .columns = w->t.sizes[1].v, .kept = -1, .relative_rms = -1 };
    ETCH_TRY(source_of(p, w, &e->source));
    e->bytes = value_bytes(e, w->t.dtype);
    int64_t k = e->columns, group = o->embedding_group;
    if (group && k % group)
        e->reason = etch_arena_printf(&p->arena, "%lld columns are no multiple of the group size %lld", (long long)k, (long long)group);
    else if (o->embedding == ETCH_QUANT_4W && k % 2) e->reason = ETCH_LIT("an odd number of columns cannot be packed");
    if (e->reason.len) return NULL;
    const etch_quant_scheme s = { kinds[row_of(o->embedding)].bits, group, o->rule };
    etch_value *q, *scales, *stored, *y;
    ETCH_TRY(quantize(m, n, w, &s, s.bits == 4 && etch_packed_find(w), &q, &scales));
    e->scheme = etch_quant_name(o->embedding);
    e->bits = s.bits;
    e->group = group ? group : k;
    e->q = q;
    e->scales = scales;
    e->weight = w;
    ETCH_TRY(cast(m, n, scales, n->outs[0]->t.dtype, &scales));
    e->bytes = integer_bytes(e, (int64_t)etch_dtype_size(scales->t.dtype));
    stored = q;
    if (s.bits == 4) {
        const etch_val args[2] = { etch_val_tensor(&q->t), etch_val_bool(true) };
        ETCH_TRY(add_one(m, n, ETCH_OP_etch_pack_nibbles, args, 2, &stored));
    }
    const etch_val args[6] = { etch_val_tensor(&stored->t), etch_val_tensor(&scales->t), etch_val_none(),
                               etch_val_int(s.bits == 4 ? -8 : -128), etch_val_int(s.bits == 4 ? 7 : 127), n->args[1] };
    ETCH_TRY(add_one(m, n, s.bits == 4 ? ETCH_OP_qd_embedding_4bit : ETCH_OP_qd_embedding_byte, args, 6, &y));
    etch_method_replace(m, n->outs[0], y);
    etch_method_remove(m, n);
    return NULL;
}

static bool match_embedding(const etch_node *n)
{
    if (n->op->id != ETCH_OP_embedding) return false;
    const etch_value *w = etch_arg_value(&n->args[0]);
    return w && w->t.rank == 2 && etch_dtype_is_float(w->t.dtype) && etch_const_is(w);
}

static bool is_listed(const etch_quant_report *r, etch_str name)
{
    for (int i = 0; i < r->n; i++)
        if (etch_str_eq(r->entries[i].name, name)) return true;
    return false;
}

// Packed weights that no product above took are stored as floats, each with an entry that says so.
static etch_status *list_others(etch_program *p, etch_method *m, etch_quant_report *report)
{
    for (etch_node *n = m->first; n; n = n->next) {
        etch_value *v = n->n_outs == 1 && n->outs[0]->fqn.len && etch_const_is(n->outs[0]) ? n->outs[0] : NULL;
        etch_str from;
        if (!v || is_listed(report, v->fqn)) continue;
        ETCH_TRY(source_of(p, v, &from));
        if (!from.len) continue;
        etch_quant_entry *e = new_entry(p, report);
        if (!e) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        const int64_t cols = v->t.rank ? v->t.sizes[v->t.rank - 1].v : 1, numel = etch_numel(&v->t);
        *e = (etch_quant_entry){ .name = v->fqn, .scheme = "float", .bits = (int)etch_dtype_size(v->t.dtype) * 8,
                                 .rows = cols ? numel / cols : 0, .columns = cols, .source = from, .kept = -1, .relative_rms = -1,
                                 .reason = ETCH_LIT("stored dequantised: no flag asks for integers here") };
        e->bytes = value_bytes(e, v->t.dtype);
    }
    return NULL;
}

static bool has_packed(const etch_method *m)
{
    for (const etch_node *n = m->first; n; n = n->next)
        if (etch_packed_is(n)) return true;
    return false;
}

static bool is_encoder(const etch_method *m)
{
    static const char end[] = "encoder";
    const size_t n = sizeof end - 1;
    return m->name.len >= n && !memcmp(m->name.ptr + m->name.len - n, end, n) &&
           (m->name.len == n || m->name.ptr[m->name.len - n - 1] == '_');
}

etch_status *etch_quant_run(etch_program *p, const etch_quant_opts *o, const etch_quant_opts *encoder, etch_quant_report *report)
{
    *report = (etch_quant_report){ 0 };
    ETCH_TRY(etch_quant_check(o));
    ETCH_TRY(etch_quant_check(encoder));
    int n_encoders = 0;
    for (int i = 0; i < p->n_methods; i++) n_encoders += is_encoder(p->methods[i]);
    if (!n_encoders && (encoder->linear || encoder->embedding))
        return ETCH_ERR(ETCH_USAGE, "--q%s_encoder: the program of this task has no encoder; use --q%s", encoder->linear ? "linear"
                        : "embedding", encoder->linear ? "linear" : "embedding");
    for (int i = 0; i < p->n_methods; i++) {
        etch_method *m = p->methods[i];
        const etch_quant_opts *use = is_encoder(m) ? encoder : o;
        const bool packed = has_packed(m);
        if (!packed && !use->linear && !use->embedding) continue;
        etch_const_mark(m);
        for (etch_node *n = m->first, *next; n; n = next) {
            next = n->next;
            linear l;
            if (use->linear && match_linear(n, &l)) ETCH_TRY(do_linear(p, m, n, l, use, report));
            else if (use->embedding && match_embedding(n)) ETCH_TRY(do_embedding(p, m, n, use, report));
        }
        if (packed) ETCH_TRY(list_others(p, m, report));
    }
    return NULL;
}
