// Walks of reductions. In: a tensor and the reduced dims. Out: blocks of values for each output element.
#include "kern/reduce.h"

static void push(int64_t *sizes, int64_t *strides, int *n, int64_t size, int64_t stride)
{
    if (size == 1) return;
    if (*n && strides[*n - 1] == stride * size) {
        sizes[*n - 1] *= size;
        strides[*n - 1] = stride;
        return;
    }
    sizes[*n] = size;
    strides[(*n)++] = stride;
}

etch_status *kern_red_init(kern_red *r, const etch_tensor *t, uint32_t mask, const etch_tensor *out)
{
    int64_t strides[ETCH_MAX_RANK];
    etch_tensor_strides(t, strides);
    r->t = t;
    r->n_out = r->n_red = 1;
    r->n_kept = r->n_dims = 0;
    for (int d = 0; d < t->rank; d++) {
        int64_t n = kern_size(t, d);
        if (mask >> d & 1u) {
            r->n_red *= n;
            push(r->size, r->stride, &r->n_dims, n, strides[d]);
        } else {
            r->n_out *= n;
            push(r->kept_size, r->kept_stride, &r->n_kept, n, strides[d]);
        }
    }
    return etch_numel(out) == r->n_out ? NULL : ETCH_ERR(ETCH_INVALID, "a reduction to %lld elements, the output has %lld",
                                                         (long long)r->n_out, (long long)etch_numel(out));
}

// n elements from `at` with `stride` as the compute type.
static void load_run(void *dst, kern_ctype c, const etch_tensor *t, int64_t at, int64_t stride, int64_t n)
{
    if (stride == 1) {
        kern_load(dst, c, t->data, t->dtype, at, n);
        return;
    }
    _Alignas(8) uint8_t tmp[KERN_BLOCK * 8];
    switch (etch_dtype_size(t->dtype)) {
    case 1:
        for (int64_t i = 0; i < n; i++) tmp[i] = ((const uint8_t *)t->data)[at + i * stride];
        break;
    case 2:
        for (int64_t i = 0; i < n; i++) ((uint16_t *)tmp)[i] = ((const uint16_t *)t->data)[at + i * stride];
        break;
    case 4:
        for (int64_t i = 0; i < n; i++) ((uint32_t *)tmp)[i] = ((const uint32_t *)t->data)[at + i * stride];
        break;
    default:
        for (int64_t i = 0; i < n; i++) memcpy(tmp + i * 8, (const uint8_t *)t->data + (at + i * stride) * 8, 8);
    }
    kern_load(dst, c, tmp, t->dtype, 0, n);
}

void kern_red_each(const kern_red *r, int64_t o, kern_ctype c, kern_red_fn fn, void *state)
{
    _Alignas(64) uint8_t block[KERN_BLOCK * 8];
    int64_t at = 0, idx[ETCH_MAX_RANK] = { 0 }, pos = 0;
    if (!r->n_red) return;
    for (int d = r->n_kept - 1; d >= 0; d--) {
        at += o % r->kept_size[d] * r->kept_stride[d];
        o /= r->kept_size[d];
    }
    int last = r->n_dims - 1;
    int64_t n = last < 0 ? 1 : r->size[last], stride = last < 0 ? 1 : r->stride[last];
    for (;;) {
        for (int64_t i = 0; i < n; i += KERN_BLOCK) {
            int64_t m = n - i < KERN_BLOCK ? n - i : KERN_BLOCK;
            load_run(block, c, r->t, at + i * stride, stride, m);
            fn(state, block, (int)m, pos);
            pos += m;
        }
        int d = last - 1;
        for (; d >= 0; d--) {
            at += r->stride[d];
            if (++idx[d] < r->size[d]) break;
            at -= r->stride[d] * idx[d];
            idx[d] = 0;
        }
        if (d < 0) return;
    }
}
