// Strided copies. In: two address patterns over the same sizes. Out: dst holds src's elements.
#include "kern/copy.h"

#include "kern/elem.h"

typedef struct plan { int rank; int64_t size[ETCH_MAX_RANK], d[ETCH_MAX_RANK], s[ETCH_MAX_RANK]; } plan;

// Rows: n elements, both strides given.
#define ROW(name, T)                                                                                          \
    static void name(T *dst, int64_t ds, const T *src, int64_t ss, int64_t n)                                 \
    {                                                                                                         \
        if (ss == 0 && ds == 1) {                                                                             \
            T v = *src;                                                                                       \
            for (int64_t i = 0; i < n; i++) dst[i] = v;                                                       \
        } else if (ds == 1) {                                                                                 \
            for (int64_t i = 0; i < n; i++) dst[i] = src[i * ss];                                             \
        } else {                                                                                              \
            for (int64_t i = 0; i < n; i++) dst[i * ds] = src[i * ss];                                        \
        }                                                                                                     \
    }
ROW(row1, uint8_t)
ROW(row2, uint16_t)
ROW(row4, uint32_t)
ROW(row8, uint64_t)

static void row(uint8_t *dst, int64_t ds, const uint8_t *src, int64_t ss, int64_t n, size_t es)
{
    if (ss == 1 && ds == 1) {
        memmove(dst, src, (size_t)n * es);
        return;
    }
    switch (es) {
    case 1: row1(dst, ds, src, ss, n); return;
    case 2: row2((uint16_t *)dst, ds, (const uint16_t *)src, ss, n); return;
    case 4: row4((uint32_t *)dst, ds, (const uint32_t *)src, ss, n); return;
    default: row8((uint64_t *)dst, ds, (const uint64_t *)src, ss, n); return;
    }
}

// A transposition of rows x cols: dst is [rows, cols] with row stride dr, src has column stride sc and row stride 1.
#define TILE 16
#define TRANSPOSE(name, T)                                                                                    \
    static void name(T *restrict dst, int64_t dr, const T *restrict src, int64_t sc, int64_t rows, int64_t cols) \
    {                                                                                                         \
        for (int64_t r0 = 0; r0 < rows; r0 += TILE)                                                           \
            for (int64_t c0 = 0; c0 < cols; c0 += TILE) {                                                     \
                int64_t r1 = r0 + TILE < rows ? r0 + TILE : rows, c1 = c0 + TILE < cols ? c0 + TILE : cols;   \
                for (int64_t r = r0; r < r1; r++)                                                             \
                    for (int64_t c = c0; c < c1; c++) dst[r * dr + c] = src[c * sc + r];                      \
            }                                                                                                 \
    }
TRANSPOSE(transpose1, uint8_t)
TRANSPOSE(transpose2, uint16_t)
TRANSPOSE(transpose4, uint32_t)
TRANSPOSE(transpose8, uint64_t)

static void transpose(uint8_t *dst, int64_t dr, const uint8_t *src, int64_t sc, int64_t rows, int64_t cols, size_t es)
{
    switch (es) {
    case 1: transpose1(dst, dr, src, sc, rows, cols); return;
    case 2: transpose2((uint16_t *)dst, dr, (const uint16_t *)src, sc, rows, cols); return;
    case 4: transpose4((uint32_t *)dst, dr, (const uint32_t *)src, sc, rows, cols); return;
    default: transpose8((uint64_t *)dst, dr, (const uint64_t *)src, sc, rows, cols); return;
    }
}

// Merges dims and drops those of size 1. False when there is nothing to copy.
static bool plan_make(plan *p, const int64_t *ds, const int64_t *ss, const int64_t *sizes, int rank)
{
    p->rank = 0;
    for (int k = 0; k < rank; k++) {
        if (sizes[k] == 0) return false;
        if (sizes[k] == 1) continue;
        int r = p->rank;
        if (r && p->d[r - 1] == ds[k] * sizes[k] && p->s[r - 1] == ss[k] * sizes[k]) {
            p->size[r - 1] *= sizes[k];
            p->d[r - 1] = ds[k];
            p->s[r - 1] = ss[k];
        } else {
            p->size[r] = sizes[k];
            p->d[r] = ds[k];
            p->s[r] = ss[k];
            p->rank++;
        }
    }
    return true;
}

void kern_copy_nd(void *dst_, const int64_t *dst_strides, const void *src_, const int64_t *src_strides, const int64_t *sizes, int rank,
                  size_t es)
{
    plan p;
    if (!plan_make(&p, dst_strides, src_strides, sizes, rank)) return;
    uint8_t *dst = dst_;
    const uint8_t *src = src_;
    if (!p.rank) {
        memmove(dst, src, es);
        return;
    }
    int last = p.rank - 1, cross = -1;
    if (p.d[last] == 1 && p.s[last] != 1 && p.s[last] != 0)
        for (int k = 0; k < last; k++)
            if (p.s[k] == 1) cross = k;
    // The loops over all dims but the last (and the crossing one) as an odometer.
    int outer[ETCH_MAX_RANK], n_outer = 0;
    for (int k = 0; k < last; k++)
        if (k != cross) outer[n_outer++] = k;
    int64_t idx[ETCH_MAX_RANK] = { 0 }, step = (int64_t)es;
    for (;;) {
        if (cross >= 0) transpose(dst, p.d[cross], src, p.s[last], p.size[cross], p.size[last], es);
        else row(dst, p.d[last], src, p.s[last], p.size[last], es);
        int k = n_outer - 1;
        for (; k >= 0; k--) {
            int d = outer[k];
            dst += p.d[d] * step;
            src += p.s[d] * step;
            if (++idx[k] < p.size[d]) break;
            dst -= p.d[d] * step * idx[k];
            src -= p.s[d] * step * idx[k];
            idx[k] = 0;
        }
        if (k < 0) return;
    }
}

void kern_copy_cast(void *dst, etch_dtype dst_d, int64_t dst_at, const void *src, etch_dtype src_d, int64_t src_at, int64_t n)
{
    if (dst_d == src_d) {
        size_t es = etch_dtype_size(dst_d);
        uint8_t *d = (uint8_t *)dst + (size_t)dst_at * es;
        const uint8_t *s = (const uint8_t *)src + (size_t)src_at * es;
        if (n && d != s) memmove(d, s, (size_t)n * es);
        return;
    }
    // Through the type that holds both; integers to floats and back convert once.
    kern_ctype c = kern_ctype_of(src_d);
    if (c == KERN_F32 && dst_d == ETCH_F32) {
        kern_load((float *)dst + dst_at, KERN_F32, src, src_d, src_at, n);
        return;
    }
    if (c == KERN_F32 && src_d == ETCH_F32) {
        kern_store(dst, dst_d, dst_at, (const float *)src + src_at, KERN_F32, n);
        return;
    }
    _Alignas(64) uint8_t block[KERN_BLOCK * 8];
    for (int64_t i = 0; i < n; i += KERN_BLOCK) {
        int64_t m = n - i < KERN_BLOCK ? n - i : KERN_BLOCK;
        kern_load(block, c, src, src_d, src_at + i, m);
        kern_store(dst, dst_d, dst_at + i, block, c, m);
    }
}
