/*
 * Where the linker leads what the tested code asks of the machine: `-Wl,--wrap=NAME` makes every
 * call of NAME in our libraries one of __wrap_NAME here. Nothing in the code under test is changed
 * or compiled otherwise for it. Outside of a run (the program's own start) the real function is
 * called.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include "base/id.h"
#include "base/log.h"
#include "base/time.h"
#include "seams.h"
#include "task.h"
#include "world.h"

/* ---- clocks ---- */

int
__wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    int64_t us;

    if (!sim_is_on())
        return __real_clock_gettime(clock, t);
    us =
        clock == CLOCK_REALTIME ? node_clock_us(sim_node()) : sim_now_us() - SIM_EPOCH_US + 1000000;
    t->tv_sec = us / 1000000;
    t->tv_nsec = us % 1000000 * 1000;
    return 0;
}

int
__wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
    if (!sim_is_on())
        return __real_nanosleep(t, left);
    sim_sleep_us(t->tv_sec * 1000000 + t->tv_nsec / 1000);
    return 0;
}

/* ---- chance ---- */

ssize_t
__wrap_getrandom(void *to, size_t n, unsigned flags)
{
    uint8_t *at = to;

    if (!sim_is_on())
        return __real_getrandom(to, n, flags);
    for (size_t i = 0; i < n; i++)
        at[i] = (uint8_t)sim_draw();
    return (ssize_t)n;
}

uint64_t
__wrap_lh_random_u64(void)
{
    return sim_is_on() ? sim_draw() : __real_lh_random_u64();
}

/* The real one keeps its last tick for the whole program; here each process has its own. */
lh_uuid
__wrap_lh_uuid_v7(void)
{
    struct node *n = sim_node();
    uint64_t tick;
    lh_uuid id;

    if (n == NULL)
        return __real_lh_uuid_v7();
    tick = node_tick_next(n);
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(tick >> 12 >> (40 - 8 * i));
    id.bytes[6] = (uint8_t)(0x70 | (tick >> 8 & 0x0F));
    id.bytes[7] = (uint8_t)tick;
    lh_random_bytes(id.bytes + 8, 8);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3F) | 0x80);
    return id;
}

/* ---- threads ---- */

int
__wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    if (!sim_is_on())
        return __real_pthread_create(out, attr, run, arg);
    *out = (pthread_t)(uintptr_t)sim_task_start(sim_node(), "thread", run, arg);
    return 0;
}

int
__wrap_pthread_join(pthread_t thread, void **result)
{
    void *got;

    if (!sim_is_on())
        return __real_pthread_join(thread, result);
    got = sim_task_join((struct task *)(uintptr_t)thread);
    if (result != NULL)
        *result = got;
    return 0;
}

int
__wrap_pthread_setname_np(pthread_t thread, const char *name)
{
    if (!sim_is_on())
        return __real_pthread_setname_np(thread, name);
    sim_task_rename(name);
    return 0;
}

/* A task must not begin with the signals blocked that were blocked around its birth. */
int
__wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return sim_is_on() ? 0 : __real_pthread_sigmask(how, set, old);
}

/* ---- locks and conditions ---- */

int
__wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
    if (!sim_is_on())
        return __real_pthread_mutex_lock(m);
    sim_lock(m);
    return 0;
}

int
__wrap_pthread_mutex_trylock(pthread_mutex_t *m)
{
    if (!sim_is_on())
        return __real_pthread_mutex_trylock(m);
    return sim_lock_try(m) ? 0 : EBUSY;
}

int
__wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
    if (!sim_is_on())
        return __real_pthread_mutex_unlock(m);
    sim_unlock(m);
    return 0;
}

int
__wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    if (!sim_is_on())
        return __real_pthread_cond_wait(c, m);
    sim_unlock(m);
    (void)sim_wait(c, SIM_NEVER);
    sim_lock(m);
    return 0;
}

int
__wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
    int64_t until_us;
    bool was_woken;

    if (!sim_is_on())
        return __real_pthread_cond_timedwait(c, m, until);
    until_us =
        until->tv_sec * INT64_C(1000000) + (until->tv_nsec + 999) / 1000 + SIM_EPOCH_US - 1000000;
    sim_unlock(m);
    was_woken = sim_wait(c, until_us);
    sim_lock(m);
    return was_woken ? 0 : ETIMEDOUT;
}

int
__wrap_pthread_cond_signal(pthread_cond_t *c)
{
    if (!sim_is_on())
        return __real_pthread_cond_signal(c);
    sim_wake(c, false);
    return 0;
}

int
__wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
    if (!sim_is_on())
        return __real_pthread_cond_broadcast(c);
    sim_wake(c, true);
    return 0;
}

/* ---- what is said ---- */

bool
__wrap_lh_log_is_on(enum lh_log_level level)
{
    return sim_is_on() ? sim_trace.is_printed && level >= LH_LOG_WARN : __real_lh_log_is_on(level);
}

void
__wrap_lh_log_write(enum lh_log_level level, const char *service, const char *event,
                    const struct lh_log_field *fields, size_t count)
{
    (void)level, (void)fields, (void)count;
    if (sim_trace.is_printed)
        printf("           log: %s: %s\n", service, event);
}

void
__wrap_lh_log_error(enum lh_log_level level, const char *service, const char *event,
                    const struct lh_error *err)
{
    (void)level;
    if (sim_trace.is_printed)
        printf("           log: %s: %s: %s %s\n", service, event, err->reason, err->text);
}
