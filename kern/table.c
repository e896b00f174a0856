// From an op to its kernel: the `kern` column of op/ops.def, expanded. In: an op id. Out: k_<token>, or NULL for NONE.
#include <stdlib.h>

#include "kern/check.h"

#define OP(id, schema, out, flags, shape, kern, decomp, xnn) KERN_PROTO(kern);
#include "op/ops.def"
#undef OP

#define k_NONE NULL
static const etch_kern_fn kernels[ETCH_OP_COUNT] = {
#define OP(id, schema, out, flags, shape, kern, decomp, xnn) [ETCH_OP_##id] = k_##kern,
#include "op/ops.def"
#undef OP
};

etch_kern_fn etch_kern_find(etch_op_id id) { return (unsigned)id < ETCH_OP_COUNT ? kernels[id] : NULL; }

// Scratch of etch_kern_eval: blocks from malloc, freed together. The list node lies in front of the block, padded to the alignment.
typedef struct eval_block { struct eval_block *next; } eval_block;
enum { SCRATCH_ALIGN = 64 };

static void *eval_scratch(void *user, size_t bytes)
{
    eval_block **head = user;
    size_t total;
    if (!etch_add_ok(bytes, (size_t)2 * SCRATCH_ALIGN, &total)) return NULL;
    eval_block *b = aligned_alloc(SCRATCH_ALIGN, etch_align_up(total - SCRATCH_ALIGN, SCRATCH_ALIGN) + SCRATCH_ALIGN);
    if (!b) return NULL;
    b->next = *head;
    *head = b;
    return (uint8_t *)b + SCRATCH_ALIGN;
}

static etch_status *alloc_outs(etch_tensor *outs, int n)
{
    for (int i = 0; i < n; i++) {
        size_t bytes;
        if (!etch_tensor_nbytes(&outs[i], &bytes) || bytes > SIZE_MAX - SCRATCH_ALIGN)
            return ETCH_ERR(ETCH_INVALID, "result %d is too large", i);
        bytes = etch_align_up(bytes ? bytes : 1, SCRATCH_ALIGN);
        outs[i].data = aligned_alloc(SCRATCH_ALIGN, bytes);
        if (!outs[i].data) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory (%zu bytes)", bytes);
        outs[i].capacity = bytes;
    }
    return NULL;
}

etch_status *etch_kern_eval(const etch_op *op, const etch_val *args, int n_args, etch_tensor *outs, int cap, int *out_n)
{
    *out_n = 0;
    etch_kern_fn fn = etch_kern_find(op->id);
    if (!fn || !op->shape) return ETCH_ERR(ETCH_UNSUPPORTED, "%.*s has no kernel", ETCH_STR_ARGS(op->schema->name));
    etch_arena arena;
    etch_arena_init(&arena);
    etch_shape_cx scx = { .arena = &arena };
    etch_tensor *fixed[8] = { NULL };
    for (int i = 0; i < 8 && i < cap; i++) {
        outs[i] = (etch_tensor){ 0 };
        fixed[i] = &outs[i];
    }
    etch_outs list = { op->schema->n_returns, fixed };
    if (list.n > 8 || list.n > cap) return ETCH_ERR(ETCH_INTERNAL, "%d results", list.n);
    etch_status *s = op->shape(&scx, args, n_args, &list);
    if (!s && list.t != fixed) {  // a Tensor[] result: the rule made the list in the arena
        if (list.n > cap) s = ETCH_ERR(ETCH_UNSUPPORTED, "%d results, room for %d", list.n, cap);
        for (int i = 0; !s && i < list.n; i++) outs[i] = *list.t[i];
    }
    int n = s ? 0 : list.n;
    for (int i = 0; i < n; i++) outs[i].data = NULL;
    if (!s) s = alloc_outs(outs, n);
    etch_arena_deinit(&arena);
    if (!s) {
        etch_tensor **ptrs = n ? malloc((size_t)n * sizeof *ptrs) : NULL;
        if (n && !ptrs) s = ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        eval_block *blocks = NULL;
        etch_kern_cx cx = { .scratch = eval_scratch, .user = &blocks };
        for (int i = 0; ptrs && i < n; i++) ptrs[i] = &outs[i];
        if (!s) s = fn(&cx, args, n_args, ptrs, n);
        while (blocks) {
            eval_block *next = blocks->next;
            free(blocks);
            blocks = next;
        }
        free(ptrs);
    }
    if (s) {
        for (int i = 0; i < n; i++) {
            free(outs[i].data);
            outs[i].data = NULL;
        }
        return etch_status_frame(s, __FILE__, __LINE__, "%.*s", ETCH_STR_ARGS(op->schema->name));
    }
    *out_n = n;
    return NULL;
}
