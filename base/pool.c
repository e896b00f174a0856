// In: a loop body and a count. Out: the body run for every index on several threads.
//
// A round is published by raising `round` under the lock; workers take indices from one atomic counter. A worker that finds no round for a
// few microseconds sleeps on a condition variable.
#define _POSIX_C_SOURCE 200809L
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_THREADS 64
#define SPINS 4000

struct etch_pool {
    int asked, n_workers, refs;
    pthread_t threads[MAX_THREADS];
    pthread_mutex_t use;             // held by the caller of a round
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    atomic_uint round;               // odd bits do not matter: it only grows
    atomic_size_t next;
    atomic_int busy;                 // workers that have not left the present round
    bool quit;
    size_t n;
    void (*body)(void *user, size_t i, int worker);
    void *user;
    etch_pool *following;
};

typedef struct { etch_pool *p; int worker; } start;

static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER;
static etch_pool *pools;

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void take(etch_pool *p, int worker)
{
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (i >= p->n) return;
        p->body(p->user, i, worker);
    }
}

static void *work(void *arg)
{
    start *s = arg;
    etch_pool *p = s->p;
    int worker = s->worker;
    free(s);
    unsigned seen = 0;
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load_explicit(&p->round, memory_order_acquire) == seen; i++) relax();
        pthread_mutex_lock(&p->lock);
        while (atomic_load(&p->round) == seen && !p->quit) pthread_cond_wait(&p->wake, &p->lock);
        bool quit = p->quit;
        seen = atomic_load(&p->round);
        pthread_mutex_unlock(&p->lock);
        if (quit) return NULL;
        take(p, worker);
        if (atomic_fetch_sub_explicit(&p->busy, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

static void stop(etch_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->quit = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_workers; i++) pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->use);
    free(p);
}

static etch_pool *begin(int n_threads)
{
    etch_pool *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->asked = n_threads;
    pthread_mutex_init(&p->use, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    for (int i = 0; i < n_threads - 1; i++) {
        start *s = malloc(sizeof *s);
        if (!s) break;
        *s = (start){ p, i + 1 };
        if (pthread_create(&p->threads[i], NULL, work, s)) {
            free(s);
            break;
        }
        p->n_workers++;
    }
    if (p->n_workers) return p;
    stop(p);
    return NULL;
}

etch_pool *etch_pool_acquire(int n_threads)
{
    if (n_threads < 1) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        n_threads = n < 1 ? 1 : (int)n;
    }
    if (n_threads > MAX_THREADS) n_threads = MAX_THREADS;
    if (n_threads == 1) return NULL;
    pthread_mutex_lock(&pools_lock);
    etch_pool *p = pools;
    while (p && p->asked != n_threads) p = p->following;
    if (!p && (p = begin(n_threads))) {
        p->following = pools;
        pools = p;
    }
    if (p) p->refs++;
    pthread_mutex_unlock(&pools_lock);
    return p;
}

void etch_pool_release(etch_pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&pools_lock);
    bool last = --p->refs == 0;
    if (last) {
        etch_pool **at = &pools;
        while (*at != p) at = &(*at)->following;
        *at = p->following;
    }
    pthread_mutex_unlock(&pools_lock);
    if (last) stop(p);
}

int etch_pool_threads(const etch_pool *p) { return p ? p->n_workers + 1 : 1; }

void etch_pool_run(etch_pool *p, size_t n, void (*body)(void *user, size_t i, int worker), void *user)
{
    if (!p || n < 2 || pthread_mutex_trylock(&p->use)) {
        for (size_t i = 0; i < n; i++) body(user, i, 0);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->n = n;
    p->body = body;
    p->user = user;
    atomic_store(&p->next, 0);
    atomic_store(&p->busy, p->n_workers);
    atomic_fetch_add_explicit(&p->round, 1, memory_order_release);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    take(p, 0);
    for (int i = 0; i < SPINS && atomic_load_explicit(&p->busy, memory_order_acquire); i++) relax();
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->busy)) pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_unlock(&p->use);
}
