#include "net/pool.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "base/testing.h"
#include "base/thread.h"
#include "base/time.h"

static struct net_handle *
take(struct net_pool *p, struct lh_call *call, const char *url)
{
    struct net_handle *h = NULL;
    LH_AUTO_ERROR(err);

    assert_ok(net_pool_take(p, call, url, &h, &err), err);
    return h;
}

static void
a_kept_handle_comes_back_first_for_its_origin(void **state)
{
    struct net_pool *p = net_pool_new(4);
    struct net_handle *a, *b, *other;
    struct lh_call call;

    (void)state;
    lh_call_init(&call);
    a = take(p, &call, "http://one:80/x?y");
    b = take(p, &call, "http://one:80");
    assert_ptr_not_equal(a, b);
    net_pool_give(p, a, true);
    net_pool_give(p, b, true);
    other = take(p, &call, "http://two:80/x");
    assert_true(other != a && other != b);
    assert_ptr_equal(take(p, &call, "http://one:80#z"), b);
    assert_ptr_equal(take(p, &call, "http://one:80/z"), a);
    net_pool_give(p, a, false);
    net_pool_give(p, b, true);
    net_pool_give(p, other, true);
    net_pool_free(p);
    lh_call_fini(&call);
}

static void
a_full_origin_waits_no_longer_than_its_call(void **state)
{
    struct net_pool *p = net_pool_new(1);
    struct net_handle *h, *more = NULL;
    struct lh_call call;
    LH_AUTO_ERROR(err);

    (void)state;
    lh_call_init(&call);
    h = take(p, &call, "http://one/");
    call.deadline_ms = lh_time_mono_ms() + 30;
    assert_fails(net_pool_take(p, &call, "http://one/", &more, &err), LH_TIMEOUT, "call.deadline",
                 err);
    call.deadline_ms = INT64_MAX;
    net_pool_give(p, h, true);
    h = take(p, &call, "http://one/");
    lh_call_cancel(&call);
    assert_fails(net_pool_take(p, &call, "http://one/", &more, &err), LH_CANCELED, "call.canceled",
                 err);
    net_pool_give(p, h, false);
    net_pool_free(p);
    lh_call_fini(&call);
}

struct taker {
    struct net_pool *pool;
    atomic_int *holders, *most;
};

static void *
taker_run(void *arg)
{
    struct taker *t = arg;
    struct lh_call call;

    lh_call_init(&call);
    for (int i = 0; i < 200; i++) {
        struct net_handle *h = NULL;
        int now, most;

        if (net_pool_take(t->pool, &call, "http://one/", &h, NULL) != LH_OK)
            abort();
        now = atomic_fetch_add(t->holders, 1) + 1;
        most = atomic_load(t->most);
        while (now > most && !atomic_compare_exchange_weak(t->most, &most, now))
            ;
        atomic_fetch_sub(t->holders, 1);
        net_pool_give(t->pool, h, i % 7 != 0);
    }
    lh_call_fini(&call);
    return NULL;
}

static void
there_are_never_more_than_the_limit(void **state)
{
    atomic_int holders = 0, most = 0;
    struct taker t = {net_pool_new(3), &holders, &most};
    pthread_t threads[8];
    LH_AUTO_ERROR(err);

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_ok(lh_thread_start(&threads[i], "taker", taker_run, &t, &err), err);
    for (int i = 0; i < 8; i++)
        lh_thread_join(threads[i]);
    assert_in_range(atomic_load(&most), 1, 3);
    net_pool_free(t.pool);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_handle_comes_back_first_for_its_origin),
        cmocka_unit_test(a_full_origin_waits_no_longer_than_its_call),
        cmocka_unit_test(there_are_never_more_than_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
