// Caches of keys and values in a narrower type than the program's (etch_rt_options.kv_cache). Private to rt/.
#ifndef ETCH_RT_NARROW_H
#define ETCH_RT_NARROW_H

#include "rt/method.h"

// A buffer of float32 [batch, slots, heads, d] that only cache operators use.
struct etch_rt_cache {
    const uint8_t *home;     // in the program's memory, never touched
    size_t home_bytes;
    size_t batches, slots, heads, d;
    size_t at;               // bytes into m->narrow
};

// The etch_cache_id that an option asks for (NULL: the file's). ETCH_USAGE: no such type; ETCH_UNSUPPORTED: no method writes a cache.
etch_status *etch_rt__find_kv_cache(const etch_pte *pte, const char *option, int *out_id) ETCH_MUST_USE;
// After etch_rt__reserve: moves the caches of a method, and gives the instructions that use them other kernels. Nothing when the type is
// the file's or the method writes no cache. ETCH_UNSUPPORTED names the use that stands in the way.
etch_status *etch_rt__narrow_caches(etch_rt_method *m) ETCH_MUST_USE;
// The initial content of a value with v->cache, into zeroed memory.
void etch_rt__fill_cache(const etch_rt_method *m, const etch_rt_value *v, const void *floats);
// Zeros.
void etch_rt__clear_caches(etch_rt_method *m);
void etch_rt__free_caches(etch_rt_method *m);

#endif
