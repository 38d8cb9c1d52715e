#include "services/rounds.h"

#include "base/testing.h"
#include "base/thread.h"
#include "base/time.h"

/* Counts rounds, and tells when there were enough. */
struct counted {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count;
    bool waits_for_cancel, was_canceled;
};

static void
counted_init(struct counted *c)
{
    *c = (struct counted){0};
    pthread_mutex_init(&c->lock, NULL);
    lh_cond_init(&c->changed);
}

static void
counted_fini(struct counted *c)
{
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
}

static void
cancel_tell(void *arg)
{
    struct counted *c = arg;
    LH_AUTO_LOCK(&c->lock);

    c->was_canceled = true;
    pthread_cond_signal(&c->changed);
}

static void
cancel_await(struct counted *c, struct lh_call *call)
{
    lh_call_on_cancel(call, cancel_tell, c);
    {
        LH_AUTO_LOCK(&c->lock);
        while (!c->was_canceled)
            pthread_cond_wait(&c->changed, &c->lock);
    }
    lh_call_on_cancel(call, NULL, NULL);
}

static void
round_count(void *self, struct lh_call *call)
{
    struct counted *c = self;

    assert_int_equal(lh_call_check(call, NULL), LH_OK);
    {
        LH_AUTO_LOCK(&c->lock);
        c->count++;
        pthread_cond_signal(&c->changed);
    }
    if (c->waits_for_cancel)
        cancel_await(c, call);
}

static void
count_await(struct counted *c, unsigned count)
{
    LH_AUTO_LOCK(&c->lock);

    while (c->count < count)
        pthread_cond_wait(&c->changed, &c->lock);
}

static int64_t
now(void *self)
{
    (void)self;
    return lh_time_mono_ms();
}

static struct lh_rounds *
start(struct counted *c, struct lh_rounds_options options)
{
    struct lh_rounds *r = NULL;

    options.name = "rounds-test";
    options.run = round_count;
    options.self = c;
    assert_int_equal(lh_rounds_start(&options, &r, NULL), LH_OK);
    return r;
}

static void
rounds_follow_each_other(void **state)
{
    struct counted c;
    struct lh_rounds *r;

    (void)state;
    counted_init(&c);
    r = start(&c, (struct lh_rounds_options){.interval_ms = 1});
    count_await(&c, 3);
    lh_rounds_stop(r);
    counted_fini(&c);
}

static void
whoever_runs_may_say_when_the_next_round_is_due(void **state)
{
    struct counted c;
    struct lh_rounds *r;

    (void)state;
    counted_init(&c);
    r = start(&c, (struct lh_rounds_options){.interval_ms = INT64_C(3600) * 1000, .next_ms = now});
    count_await(&c, 3);
    lh_rounds_stop(r);
    counted_fini(&c);
}

static void
stopping_ends_a_rest(void **state)
{
    struct counted c;

    (void)state;
    counted_init(&c);
    lh_rounds_stop(start(&c, (struct lh_rounds_options){.interval_ms = INT64_C(3600) * 1000}));
    assert_int_equal(c.count, 0);
    counted_fini(&c);
}

static void
the_first_round_need_not_wait_and_stopping_cancels_it(void **state)
{
    struct counted c;
    struct lh_rounds *r;

    (void)state;
    counted_init(&c);
    c.waits_for_cancel = true;
    r = start(&c,
              (struct lh_rounds_options){.interval_ms = INT64_C(3600) * 1000, .is_at_once = true});
    count_await(&c, 1);
    lh_rounds_stop(r);
    assert_true(c.was_canceled);
    assert_int_equal(c.count, 1);
    counted_fini(&c);
}

static void
what_never_started_stops(void **state)
{
    (void)state;
    lh_rounds_stop(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_follow_each_other),
        cmocka_unit_test(whoever_runs_may_say_when_the_next_round_is_due),
        cmocka_unit_test(stopping_ends_a_rest),
        cmocka_unit_test(the_first_round_need_not_wait_and_stopping_cancels_it),
        cmocka_unit_test(what_never_started_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
