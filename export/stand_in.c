#define _GNU_SOURCE
#include "export/stand_in.h"

#include <stdlib.h>
#include <sys/mman.h>

// Only results of up to 64 KiB are folded: further in, zeros serve, and pages that nobody reads cost nothing.
enum { FILLED = 64 * 1024 };

static uint32_t hash_of(etch_str s)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < s.len; i++) h = (h ^ (uint8_t)s.ptr[i]) * 16777619u;
    return h;
}

// Elements in [1, 2): the exponent of 1, a mantissa from the key and the place.
static void fill(void *bytes, size_t n, etch_dtype d, uint32_t seed)
{
    size_t elem = etch_dtype_size(d), count = (n < FILLED ? n : FILLED) / (elem ? elem : 1);
    for (size_t i = 0; i < count; i++) {
        uint32_t h = (seed + (uint32_t)i) * 2654435761u;
        uint32_t f32 = 0x3F800000u | h >> 9;
        uint64_t f64 = 0x3FF0000000000000u | h;
        uint16_t bf16 = (uint16_t)(0x3F80u | h >> 25), f16 = (uint16_t)(0x3C00u | h >> 22);
        const void *p = d == ETCH_F32 ? (void *)&f32 : d == ETCH_F64 ? (void *)&f64 : d == ETCH_BF16 ? (void *)&bf16
                        : d == ETCH_F16 ? (void *)&f16 : NULL;
        if (p) memcpy((uint8_t *)bytes + i * elem, p, elem);
    }
}

static etch_status *get(void *user, etch_str file, etch_str key, const etch_tensor *type, etch_span *out_bytes)
{
    (void)file;
    etch_stand_in *s = user;
    size_t n;
    if (!etch_tensor_nbytes(type, &n)) return ETCH_ERR(ETCH_INVALID, "the tensor is too large");
    if (s->n_blocks == s->cap) {
        int cap = s->cap ? s->cap * 2 : 64;
        void *p = realloc(s->blocks, sizeof *s->blocks * (size_t)cap);
        if (!p) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
        s->blocks = p;
        s->cap = cap;
    }
    void *bytes = mmap(NULL, n ? n : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory (%zu bytes)", n);
    fill(bytes, n, type->dtype, hash_of(key));
    s->blocks[s->n_blocks++] = (struct etch_stand_in_block){ key, bytes, n };
    *out_bytes = (etch_span){ bytes, n };
    return NULL;
}

static void drop(const struct etch_stand_in_block *b) { munmap(b->bytes, b->n ? b->n : 1); }

static void done(void *user, etch_str file, etch_str key)
{
    (void)file;
    etch_stand_in *s = user;
    for (int i = s->n_blocks - 1; i >= 0; i--) {
        if (!etch_str_eq(s->blocks[i].key, key)) continue;
        drop(&s->blocks[i]);
        s->blocks[i] = s->blocks[--s->n_blocks];
        return;
    }
}

void etch_stand_in_init(etch_stand_in *s) { *s = (etch_stand_in){ .weights = { get, done, s } }; }

void etch_stand_in_deinit(etch_stand_in *s)
{
    for (int i = 0; i < s->n_blocks; i++) drop(&s->blocks[i]);
    free(s->blocks);
    *s = (etch_stand_in){ 0 };
}
