// What every kernel file includes: the kernel signature, argument checks, small numeric helpers.
// In: the argument array of one call. Out: typed values, or a status that names the argument. Nothing here allocates.
#ifndef ETCH_KERN_CHECK_H
#define ETCH_KERN_CHECK_H

#include "base/num.h"
#include "kern/kern.h"

#define KERN_UNUSED __attribute__((unused))
#define KERN_PROTO(name)                                                                                            \
    etch_status *k_##name(KERN_UNUSED etch_kern_cx *cx, KERN_UNUSED const etch_val *args, KERN_UNUSED int n_args,   \
                          KERN_UNUSED etch_tensor *const *outs, KERN_UNUSED int n_outs)
// KERNEL(add) { KERN_BEGIN(2, 1); ... }: declares and opens the kernel of the token `add`.
#define KERNEL(name) KERN_PROTO(name); KERN_PROTO(name)
// First line of a kernel: at least `na` arguments and `no` outputs, and every tensor among them sane (valid dtype and rank, sizes
// not negative, bytes without overflow, data present and aligned to the element, outputs within their capacity).
#define KERN_BEGIN(na, no) ETCH_TRY(kern_begin(args, n_args, (na), outs, n_outs, (no)))

etch_status *kern_begin(const etch_val *args, int n_args, int min_args, etch_tensor *const *outs, int n_outs, int min_outs) ETCH_MUST_USE;

// Typed access to argument i. The `_opt` forms take None (and an index past n_args) as absent.
etch_status *kern_tensor(const etch_val *args, int i, const etch_tensor **out_t) ETCH_MUST_USE;
etch_status *kern_tensor_opt(const etch_val *args, int n_args, int i, const etch_tensor **out_t) ETCH_MUST_USE;
etch_status *kern_int(const etch_val *args, int i, int64_t *out_v) ETCH_MUST_USE;
etch_status *kern_int_opt(const etch_val *args, int n_args, int i, int64_t absent, int64_t *out_v) ETCH_MUST_USE;
etch_status *kern_bool(const etch_val *args, int i, bool *out_v) ETCH_MUST_USE;
etch_status *kern_num(const etch_val *args, int i, double *out_v) ETCH_MUST_USE;
etch_status *kern_num_opt(const etch_val *args, int n_args, int i, double absent, double *out_v) ETCH_MUST_USE;
etch_status *kern_str_opt(const etch_val *args, int n_args, int i, etch_str *out_v) ETCH_MUST_USE;
// An int list of at most ETCH_MAX_RANK entries; None gives n = 0; a lone int gives n = 1.
typedef struct kern_list { int n; int64_t v[ETCH_MAX_RANK]; } kern_list;
etch_status *kern_ints(const etch_val *args, int n_args, int i, kern_list *out_l) ETCH_MUST_USE;
// The same, widened to exactly `n` entries: a single entry is repeated, an empty list becomes `absent` everywhere.
etch_status *kern_ints_n(const etch_val *args, int n_args, int i, int n, int64_t absent, kern_list *out_l) ETCH_MUST_USE;
// A dimension in [-rank, rank), made non-negative; rank 0 counts as 1.
etch_status *kern_dim(const etch_val *args, int i, int rank, int *out_d) ETCH_MUST_USE;
etch_status *kern_wrap_dim(int64_t d, int rank, int *out_d) ETCH_MUST_USE;
// A dim list as a bit mask; an empty list means all of `rank`. A repeated dim is an error.
etch_status *kern_dim_mask(const kern_list *dims, int rank, uint32_t *out_mask) ETCH_MUST_USE;
bool kern_is_none(const etch_val *args, int n_args, int i);

// Relations between tensors.
bool kern_same_sizes(const etch_tensor *a, const etch_tensor *b);
etch_status *kern_want_sizes(const etch_tensor *t, const char *what, int rank, const int64_t *sizes) ETCH_MUST_USE;
etch_status *kern_want_same(const etch_tensor *a, const etch_tensor *b) ETCH_MUST_USE;
etch_status *kern_want_rank(const etch_tensor *t, const char *what, int lo, int hi) ETCH_MUST_USE;
etch_status *kern_want_dtype(const etch_tensor *t, const char *what, etch_dtype d) ETCH_MUST_USE;
etch_status *kern_want_index(const etch_tensor *t, const char *what) ETCH_MUST_USE;  // i64 or i32
// Every value of an index tensor in [-n, n) (or [0, n) with `wrap` false).
etch_status *kern_want_in_range(const etch_tensor *t, const char *what, int64_t n, bool wrap) ETCH_MUST_USE;

// Scratch that lives until the kernel returns; out of scratch is ETCH_NO_MEMORY.
etch_status *kern_scratch(etch_kern_cx *cx, size_t bytes, void *out_ptr) ETCH_MUST_USE;

static inline int64_t kern_size(const etch_tensor *t, int d) { return t->sizes[d].v; }
// Element count of dims [from, to).
static inline int64_t kern_prod(const etch_tensor *t, int from, int to)
{
    int64_t n = 1;
    for (int d = from; d < to; d++) n *= t->sizes[d].v;
    return n;
}

// Element access of scalar code, inlined; the branch on the dtype is predictable.
static inline float kern_get_f32(const void *p, etch_dtype d, int64_t i)
{
    if (d == ETCH_F32) return ((const float *)p)[i];
    if (d == ETCH_BF16) return etch_bf16_to_f32(((const uint16_t *)p)[i]);
    if (d == ETCH_F16) return etch_f16_to_f32(((const uint16_t *)p)[i]);
    return (float)etch_load_double(p, d, i);
}
static inline void kern_put_f32(void *p, etch_dtype d, int64_t i, float v)
{
    if (d == ETCH_F32) ((float *)p)[i] = v;
    else if (d == ETCH_BF16) ((uint16_t *)p)[i] = etch_f32_to_bf16(v);
    else if (d == ETCH_F16) ((uint16_t *)p)[i] = etch_f32_to_f16(v);
    else etch_store_double(p, d, i, (double)v);
}
static inline int64_t kern_get_index(const etch_tensor *t, int64_t i)
{
    return t->dtype == ETCH_I64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
}
// Truncation to an integer; NaN and what does not fit give INT64_MIN, as x86-64 does.
static inline int64_t kern_f2i(double v)
{
    return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
}
// Two's complement arithmetic without undefined overflow.
static inline int64_t kern_wadd(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static inline int64_t kern_wsub(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static inline int64_t kern_wmul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

#endif
