#include "net/workers.h"

#include <stdatomic.h>
#include "base/testing.h"
#include "base/thread.h"

/* A job that waits at a gate. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_open;
    int inside, done;
};

struct errand {
    struct net_job job;
    struct gate *gate;
};

static void
errand_run(struct net_job *job)
{
    struct gate *g = ((struct errand *)job)->gate;

    pthread_mutex_lock(&g->lock);
    g->inside++;
    pthread_cond_broadcast(&g->changed);
    while (!g->is_open)
        pthread_cond_wait(&g->changed, &g->lock);
    g->done++;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void
gate_open(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->is_open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void
gate_await(struct gate *g, const int *counter, int value)
{
    pthread_mutex_lock(&g->lock);
    while (*counter < value)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static struct net_workers *
start(size_t threads, size_t queue_max)
{
    LH_AUTO_ERROR(err);
    struct net_workers_options o = {
        .name = "test",
        .threads = threads,
        .queue_max = queue_max,
        .queued = lh_gauge("test_queued", "", "", NULL),
        .running = lh_gauge("test_running", "", "", NULL),
    };
    struct net_workers *w = NULL;

    assert_ok(net_workers_start(&o, &w, &err), err);
    return w;
}

#define GATE                                                                                       \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                     \
    }

static void
every_pushed_job_runs_once(void **state)
{
    static struct errand errands[2000];
    struct gate g = GATE;
    struct net_workers *w = start(4, 2000);

    (void)state;
    g.is_open = true;
    for (int i = 0; i < 2000; i++) {
        errands[i] = (struct errand){{.run = errand_run}, &g};
        assert_true(net_workers_push(w, &errands[i].job));
    }
    net_workers_free(w);
    assert_int_equal(g.done, 2000);
}

static void
a_full_queue_refuses(void **state)
{
    struct gate g = GATE;
    struct errand a = {{.run = errand_run}, &g}, b = a, c = a;
    struct net_workers *w = start(1, 1);
    struct lh_metric *queued = lh_gauge("test_queued", "", "", NULL);
    struct lh_metric *running = lh_gauge("test_running", "", "", NULL);

    (void)state;
    assert_true(net_workers_push(w, &a.job));
    gate_await(&g, &g.inside, 1);
    assert_true(net_workers_push(w, &b.job));
    assert_false(net_workers_push(w, &c.job));
    assert_int_equal(lh_metric_value(queued), 1);
    assert_int_equal(lh_metric_value(running), 1);
    gate_open(&g);
    gate_await(&g, &g.done, 2);
    net_workers_join(w);
    assert_int_equal(lh_metric_value(queued), 0);
    assert_int_equal(lh_metric_value(running), 0);
    net_workers_free(w);
}

static void
a_queue_of_none_still_feeds_idle_workers(void **state)
{
    struct gate g = GATE;
    struct errand a = {{.run = errand_run}, &g}, b = a;
    struct net_workers *w = start(1, 0);

    (void)state;
    /* The worker may not have reached its bench yet. */
    while (!net_workers_push(w, &a.job))
        ;
    gate_await(&g, &g.inside, 1);
    assert_false(net_workers_push(w, &b.job));
    gate_open(&g);
    net_workers_free(w);
    assert_int_equal(g.done, 1);
}

static void
a_closed_pool_refuses_and_finishes_its_queue(void **state)
{
    struct gate g = GATE;
    struct errand a = {{.run = errand_run}, &g}, b = a, c = a;
    struct net_workers *w = start(1, 10);

    (void)state;
    net_workers_push(w, &a.job);
    net_workers_push(w, &b.job);
    net_workers_close(w);
    assert_false(net_workers_push(w, &c.job));
    gate_open(&g);
    net_workers_free(w);
    assert_int_equal(g.done, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pushed_job_runs_once),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(a_queue_of_none_still_feeds_idle_workers),
        cmocka_unit_test(a_closed_pool_refuses_and_finishes_its_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
