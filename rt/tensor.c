// Sizes of a loaded tensor. In: new sizes. Out: an error when the declared bound or the memory does not allow them.
#include "base/num.h"
#include "rt/method.h"

static etch_status *too_big(const etch_rt_tensor *t, int rank, const int64_t *sizes)
{
    etch_buf b = { 0 };
    for (int i = 0; i < rank; i++) etch_buf_printf(&b, i ? ", %lld" : "%lld", (long long)sizes[i]);
    etch_buf_puts(&b, t->is_dynamic ? "], its bound is [" : "], its sizes are fixed to [");
    for (int i = 0; i < t->t.rank; i++) etch_buf_printf(&b, i ? ", %lld" : "%lld", (long long)t->max_sizes[i]);
    etch_status *s = ETCH_ERR(ETCH_INVALID, "a tensor would get the sizes [%.*s]", ETCH_STR_ARGS(etch_buf_str(&b)));
    etch_buf_deinit(&b);
    return s;
}

etch_status *etch_rt_tensor_resize(etch_rt_tensor *t, int rank, const int64_t *sizes)
{
    bool same = rank == t->t.rank;
    for (int i = 0; same && i < rank; i++) same = t->t.sizes[i].v == sizes[i];
    if (same) return NULL;
    int64_t n = 1;
    bool fits = t->is_dynamic && rank == t->t.rank, is_empty = false;
    for (int i = 0; fits && i < rank; i++) {
        if (sizes[i] < 0) fits = false;
        else if (sizes[i] == 0) is_empty = true;
        else fits = etch_mul_ok(n, sizes[i], &n);
    }
    if (is_empty) n = 0;
    if (!fits || n > t->max_numel) return too_big(t, rank, sizes);
    if (t->t.data && (size_t)n * etch_dtype_size(t->t.dtype) > t->t.capacity) return too_big(t, rank, sizes);
    for (int i = 0; i < rank; i++) t->t.sizes[i] = etch_dim_of(sizes[i]);
    t->version++;
    return NULL;
}

bool etch_rt__overlap(const etch_rt_tensor *a, const etch_rt_tensor *b)
{
    size_t na = (size_t)etch_numel(&a->t) * etch_dtype_size(a->t.dtype), nb = (size_t)etch_numel(&b->t) * etch_dtype_size(b->t.dtype);
    uintptr_t x = (uintptr_t)a->t.data, y = (uintptr_t)b->t.data;
    return na && nb && x && y && x < y + nb && y < x + na;
}

// Element strides of dim d in the layout of t, from its present sizes.
static void layout_strides(const etch_rt_tensor *t, int64_t strides[ETCH_MAX_RANK])
{
    int64_t step = 1;
    for (int i = t->t.rank - 1; i >= 0; i--) {
        strides[t->dim_order[i]] = step;
        step *= t->t.sizes[t->dim_order[i]].v;
    }
}

// Walks all elements in row-major order and copies one way or the other.
static void copy_layout(const etch_rt_tensor *t, uint8_t *laid, uint8_t *plain, bool to_plain)
{
    int64_t strides[ETCH_MAX_RANK], at[ETCH_MAX_RANK] = { 0 }, n = etch_numel(&t->t), pos = 0;
    size_t elem = etch_dtype_size(t->t.dtype);
    layout_strides(t, strides);
    for (int64_t k = 0; k < n; k++) {
        uint8_t *a = laid + (size_t)pos * elem, *b = plain + (size_t)k * elem;
        if (to_plain) memcpy(b, a, elem);
        else memcpy(a, b, elem);
        for (int d = t->t.rank - 1; d >= 0; d--) {
            pos += strides[d];
            if (++at[d] < t->t.sizes[d].v) break;
            pos -= at[d] * strides[d];
            at[d] = 0;
        }
    }
}

void etch_rt__to_plain(const etch_rt_tensor *t, etch_tensor *plain) { copy_layout(t, t->t.data, plain->data, true); }
void etch_rt__from_plain(const etch_tensor *plain, etch_rt_tensor *t) { copy_layout(t, t->t.data, plain->data, false); }
