#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/abort.h"
#include "base/alloc.h"
#include "base/str.h"

struct start {
    void *(*run)(void *);
    void *arg;
    char name[16];
};

static void *
thread_main(void *arg)
{
    struct start *start = arg;
    void *(*run)(void *) = start->run;
    void *run_arg = start->arg;

    pthread_setname_np(pthread_self(), start->name);
    free(start);
    return run(run_arg);
}

/* A new thread inherits the mask, so signals are blocked around its birth: none can arrive in
 * between. */
lh_status
lh_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *arg,
                struct lh_error *err)
{
    struct start *start = LH_NEW(struct start);
    sigset_t all, before;

    start->run = run;
    start->arg = arg;
    (void)lh_str_copy(start->name, sizeof(start->name), lh_str_of(name));
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(out, NULL, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        free(start);
        return lh_fail_errno(err, rc, "start thread %s", name);
    }
    return LH_OK;
}

void
lh_thread_join(pthread_t thread)
{
    int rc = pthread_join(thread, NULL);

    if (rc != 0)
        lh_abort("pthread_join failed with %d", rc);
}

/* Version 0 of sched_setattr(2)'s; its name and the kernel's header clash with some C libraries. */
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

/* Measured on two processors with HZ=250, a thread that wakes again and again beside two that never
 * rest, p99 of its waiting: 4.0 ms with nothing set, 0.14 ms with a nice of 10. Under vectord with
 * searches, a long slice took away what was left of the waits for a tick (since Linux 6.12 whoever
 * has a shorter one may cut it short); SCHED_IDLE was no better, and would starve. */
enum { GIVE_WAY_NICE = 10, GIVE_WAY_SLICE_NS = 100000000 };

void
lh_thread_give_way(void)
{
    /* On Linux priority and slice are the thread's own, and 0 is the thread that asks. A thread may
     * always lower itself; one that stands lower already stays there. */
    struct scheduling wanted = {
        .size = sizeof(wanted),
        .policy = SCHED_OTHER,
        .nice = getpriority(PRIO_PROCESS, 0),
        .runtime_ns = GIVE_WAY_SLICE_NS,
    };

    if (wanted.nice < GIVE_WAY_NICE)
        wanted.nice = GIVE_WAY_NICE;
    (void)syscall(SYS_sched_setattr, 0, &wanted, 0);
}

struct aside {
    void (*run)(void *arg);
    void *arg;
};

static void *
aside_main(void *arg)
{
    const struct aside *a = arg;

    lh_thread_give_way();
    a->run(a->arg);
    return NULL;
}

void
lh_thread_run_aside(const char *name, void (*run)(void *arg), void *arg)
{
    struct aside a = {run, arg};
    pthread_t thread;

    if (lh_thread_start(&thread, name, aside_main, &a, NULL) == LH_OK)
        lh_thread_join(thread);
    else
        run(arg);
}

void
lh_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

bool
lh_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t mono_ms)
{
    if (mono_ms == INT64_MAX) {
        pthread_cond_wait(cond, lock);
        return true;
    }
    if (mono_ms < 0)
        mono_ms = 0;
    struct timespec until = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};
    return pthread_cond_timedwait(cond, lock, &until) != ETIMEDOUT;
}

pthread_mutex_t *
lh_lock_taken(pthread_mutex_t *m)
{
    int rc = pthread_mutex_lock(m);

    if (rc != 0)
        lh_abort("pthread_mutex_lock failed with %d", rc);
    return m;
}

void
lh_auto_unlock(pthread_mutex_t **m)
{
    if (*m != NULL)
        pthread_mutex_unlock(*m);
}
