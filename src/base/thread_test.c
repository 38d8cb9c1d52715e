#include "base/testing.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/thread.h"
#include "base/time.h"

struct seen {
    char name[16];
    bool signals_blocked;
};

static void *
look_around(void *arg)
{
    struct seen *seen = arg;
    sigset_t mask;

    pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seen->signals_blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1;
    return NULL;
}

static void
a_thread_has_its_name_and_no_signals(void **state)
{
    struct seen seen = {0};
    sigset_t mask;
    pthread_t thread;
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(lh_thread_start(&thread, "a-name-longer-than-15", look_around, &seen, &err), err);
    lh_thread_join(thread);
    assert_string_equal(seen.name, "a-name-longer-t");
    assert_true(seen.signals_blocked);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

struct standing {
    pthread_t thread;
    int own, of_children;
};

static void *
child_look(void *arg)
{
    *(int *)arg = getpriority(PRIO_PROCESS, 0);
    return NULL;
}

static void
standing_look(void *arg)
{
    struct standing *s = arg;
    pthread_t child;

    s->thread = pthread_self();
    s->own = getpriority(PRIO_PROCESS, 0);
    if (lh_thread_start(&child, "child", child_look, &s->of_children, NULL) == LH_OK)
        lh_thread_join(child);
}

static void
work_aside_gives_way_and_its_caller_does_not(void **state)
{
    int before = getpriority(PRIO_PROCESS, 0);
    struct standing s = {.own = before, .of_children = before};

    (void)state;
    lh_thread_run_aside("aside", standing_look, &s);
    assert_false(pthread_equal(s.thread, pthread_self()));
    assert_true(s.own >= 10);
    assert_int_equal(s.of_children, s.own);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
}

static void
lock_both(pthread_mutex_t *a, pthread_mutex_t *b)
{
    LH_AUTO_LOCK(a);
    LH_AUTO_LOCK(b);

    assert_int_equal(pthread_mutex_trylock(a), EBUSY);
    assert_int_equal(pthread_mutex_trylock(b), EBUSY);
}

static void
locks_are_held_until_the_scope_ends(void **state)
{
    pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;

    (void)state;
    lock_both(&a, &b);
    assert_int_equal(pthread_mutex_trylock(&a), 0);
    assert_int_equal(pthread_mutex_trylock(&b), 0);
    pthread_mutex_unlock(&a);
    pthread_mutex_unlock(&b);
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool is_open;
};

static void *
open_gate(void *arg)
{
    struct gate *gate = arg;
    LH_AUTO_LOCK(&gate->lock);

    gate->is_open = true;
    pthread_cond_signal(&gate->opened);
    return NULL;
}

static void
wait_for_gate(struct gate *gate, int64_t until_ms)
{
    pthread_t thread;

    gate->is_open = false;
    assert_int_equal(lh_thread_start(&thread, "opener", open_gate, gate, NULL), LH_OK);
    {
        LH_AUTO_LOCK(&gate->lock);
        while (!gate->is_open)
            assert_true(lh_cond_wait_until(&gate->opened, &gate->lock, until_ms));
    }
    lh_thread_join(thread);
}

static void
a_wait_ends_by_signal_or_by_deadline(void **state)
{
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER};
    int64_t now = lh_time_mono_ms();

    (void)state;
    lh_cond_init(&gate.opened);
    wait_for_gate(&gate, INT64_MAX);
    wait_for_gate(&gate, now + 60000);
    LH_AUTO_LOCK(&gate.lock);
    assert_false(lh_cond_wait_until(&gate.opened, &gate.lock, now - 1));
    assert_false(lh_cond_wait_until(&gate.opened, &gate.lock, -5));
    assert_false(lh_cond_wait_until(&gate.opened, &gate.lock, now + 5));
    assert_true(lh_time_mono_ms() >= now + 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_has_its_name_and_no_signals),
        cmocka_unit_test(work_aside_gives_way_and_its_caller_does_not),
        cmocka_unit_test(locks_are_held_until_the_scope_ends),
        cmocka_unit_test(a_wait_ends_by_signal_or_by_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
