// A small thread pool: parallel loops over a range; the caller takes part; idle threads sleep.
//
// Example: etch_pool *p = etch_pool_acquire(2); etch_pool_run(p, 16, body, &user); etch_pool_release(p);
// Without memory or threads everything still works, on the calling thread alone.
#ifndef ETCH_BASE_POOL_H
#define ETCH_BASE_POOL_H

#include <stddef.h>

typedef struct etch_pool etch_pool;

// The process-wide pool of `n_threads` threads (caller included; < 1: one a core; at most 64), started at the first acquire and ended at
// the last release. NULL for one thread or when none could be started: etch_pool_run accepts it.
etch_pool *etch_pool_acquire(int n_threads);
void etch_pool_release(etch_pool *p);

// Threads that may run at once, >= 1: `worker` of a body is below it.
int etch_pool_threads(const etch_pool *p);

// body(user, i, worker) for every i in [0, n), in any order; returns when all have returned. Two bodies of one run with the same `worker`
// never overlap; all compute in the caller's floating point mode (base/fpmode.h). When another thread is using the pool, the caller runs
// the whole loop with worker 0. Not from inside a body.
void etch_pool_run(etch_pool *p, size_t n, void (*body)(void *user, size_t i, int worker), void *user);

#endif
