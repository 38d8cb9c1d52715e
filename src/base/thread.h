/*
 * thread: named threads and the flag that stops them.
 */
#ifndef LH_BASE_THREAD_H
#define LH_BASE_THREAD_H

#include <pthread.h>
#include <stdint.h>
#include "base/status.h"

/* Starts `run(arg)` on a joinable thread with all signals blocked; `name` is cut to 15 bytes. */
lh_status lh_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *arg,
                          struct lh_error *err);
void lh_thread_join(pthread_t thread);

/*
 * The calling thread, and threads that it starts from now on, give way: where processors are short,
 * those that answer somebody come first, at once and not at the next tick of the clock (4 ms with
 * HZ=250). It goes on at about a tenth of their weight and is never starved. Not to be undone,
 * since that takes a privilege; so only for threads all of whose work is such.
 */
void lh_thread_give_way(void);
/* Runs `run(arg)` on a thread that gives way and waits for it; on the calling thread when no other
 * can be had. What it starts and leaves behind gives way too. */
void lh_thread_run_aside(const char *name, void (*run)(void *arg), void *arg);

void lh_cond_init(pthread_cond_t *cond); /* on the monotonic clock */
/* False when `mono_ms` (lh_time_mono_ms) passed first. */
bool lh_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t mono_ms);

/* Held until the scope ends: LH_AUTO_LOCK(&q->lock); */
#define LH_AUTO_LOCK(mutex) LH_AUTO_LOCK_AT_(mutex, __LINE__)
#define LH_AUTO_LOCK_AT_(mutex, line) LH_AUTO_LOCK_NAMED_(mutex, line)
#define LH_AUTO_LOCK_NAMED_(mutex, line)                                                           \
    __attribute__((cleanup(lh_auto_unlock), unused)) pthread_mutex_t *lh_lock_##line =             \
        lh_lock_taken(mutex)
pthread_mutex_t *lh_lock_taken(pthread_mutex_t *m);
void lh_auto_unlock(pthread_mutex_t **m);

#endif
