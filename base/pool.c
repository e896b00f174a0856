// In: a loop body and a count. Out: the body run for every index on several threads.
//
// A round is one word: its number, whether it is open, and how many workers are in it. A worker joins an open round by raising the count;
// the caller closes it when no index is left and waits only for those who joined, so a worker that the system has not woken yet costs
// nothing. Each thread has a run of indices of its own, so that what it reads lies together, and takes from the others' when that is used
// up.
// Between rounds a worker spins for a while, shorter each time that was in vain, then sleeps on a condition variable.
#define _POSIX_C_SOURCE 200809L
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fpmode.h"
#include "base/num.h"

#define MAX_THREADS 64
#define MIN_SPINS 32
#define MAX_SPINS 4096

// The round word.
#define ACTIVE 0xffffu
#define OPEN 0x10000u
#define NUMBER 17

// Indices [next, end) that are left of a thread's run; a cache line each.
typedef struct { _Alignas(64) atomic_size_t next; size_t end; } lane;

struct etch_pool {
    int asked, n_workers, refs;
    pthread_t threads[MAX_THREADS];
    pthread_mutex_t use;             // held by the caller of a round
    pthread_mutex_t lock;            // of what follows it
    pthread_cond_t wake, done;
    bool quit;
    atomic_int sleepers;             // workers that wait for `wake` or are about to
    atomic_bool is_waiting;          // the caller waits for `done` or is about to
    atomic_uint round;
    lane lanes[MAX_THREADS];         // of the caller and the workers
    void (*body)(void *user, size_t i, int worker);
    void *user;
    unsigned fpmode;                 // of the caller
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
    int n = etch_pool_threads(p);
    for (int k = 0, l = worker; k < n; k++, l = l + 1 == n ? 0 : l + 1) {
        lane *own = &p->lanes[l];
        while (atomic_load_explicit(&own->next, memory_order_relaxed) < own->end) {
            size_t i = atomic_fetch_add_explicit(&own->next, 1, memory_order_relaxed);
            if (i >= own->end) break;
            p->body(p->user, i, worker);
        }
    }
}

// Joins a round that is open and newer than `seen`.
static bool join(etch_pool *p, unsigned *seen)
{
    unsigned r = atomic_load_explicit(&p->round, memory_order_acquire);
    while (r >> NUMBER != *seen && (r & OPEN))
        if (atomic_compare_exchange_weak(&p->round, &r, r + 1)) {
            *seen = r >> NUMBER;
            return true;
        }
    return false;
}

static void leave(etch_pool *p)
{
    unsigned r = atomic_fetch_sub(&p->round, 1);
    if ((r & ACTIVE) != 1 || (r & OPEN) || !atomic_load(&p->is_waiting)) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->lock);
}

// False: the pool ends.
static bool sleep_until_round(etch_pool *p, unsigned *seen)
{
    bool joined = false;
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (!p->quit && !(joined = join(p, seen))) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
    return joined;
}

static void *work(void *arg)
{
    start *s = arg;
    etch_pool *p = s->p;
    int worker = s->worker, spins = MAX_SPINS;
    free(s);
    unsigned seen = 0, fpmode = etch_fpmode();
    for (;;) {
        bool joined = false;
        for (int i = 0; i < spins && !(joined = join(p, &seen)); i++) relax();
        if (joined) spins = spins < MAX_SPINS / 2 ? 2 * spins : MAX_SPINS;
        else spins = spins > 2 * MIN_SPINS ? spins / 2 : MIN_SPINS;
        if (!joined && !sleep_until_round(p, &seen)) return NULL;
        if (p->fpmode != fpmode) etch_fpmode_set(fpmode = p->fpmode);
        take(p, worker);
        leave(p);
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
    etch_pool *p = aligned_alloc(64, etch_align_up(sizeof *p, 64));
    if (!p) return NULL;
    memset(p, 0, sizeof *p);
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
    size_t lanes = (size_t)etch_pool_threads(p);
    for (size_t i = 0; i < lanes; i++) {
        atomic_store_explicit(&p->lanes[i].next, n * i / lanes, memory_order_relaxed);
        p->lanes[i].end = n * (i + 1) / lanes;
    }
    p->body = body;
    p->user = user;
    p->fpmode = etch_fpmode();
    unsigned number = (atomic_load(&p->round) >> NUMBER) + 1;
    atomic_store(&p->round, number << NUMBER | OPEN);
    if (atomic_load(&p->sleepers)) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    take(p, 0);
    atomic_fetch_and(&p->round, ~OPEN);
    for (int i = 0; i < MAX_SPINS && (atomic_load_explicit(&p->round, memory_order_acquire) & ACTIVE); i++) relax();
    if (atomic_load(&p->round) & ACTIVE) {
        pthread_mutex_lock(&p->lock);
        atomic_store(&p->is_waiting, true);
        while (atomic_load(&p->round) & ACTIVE) pthread_cond_wait(&p->done, &p->lock);
        atomic_store(&p->is_waiting, false);
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&p->use);
}
