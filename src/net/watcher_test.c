#include "net/watcher.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include "net/testing.h"

struct watched {
    atomic_int refs, gone;
};

static void
watched_ref(void *w)
{
    atomic_fetch_add(&((struct watched *)w)->refs, 1);
}

static void
watched_unref(void *w)
{
    atomic_fetch_sub(&((struct watched *)w)->refs, 1);
}

static void
watched_gone(void *w)
{
    atomic_fetch_add(&((struct watched *)w)->gone, 1);
}

static atomic_int ticks;

static void
tick(void *self)
{
    (void)self;
    atomic_fetch_add(&ticks, 1);
}

static struct net_watcher *
start(int64_t grace_ms)
{
    struct net_watcher_options o = {
        .grace_ms = grace_ms,
        .ref = watched_ref,
        .unref = watched_unref,
        .gone = watched_gone,
        .tick = tick,
    };
    struct net_watcher *w = NULL;
    LH_AUTO_ERROR(err);

    assert_ok(net_watcher_start(&o, &w, &err), err);
    return w;
}

/* Two ends of one TCP connection. */
static void
connected(int ends[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    ends[0] = dial(ntohs(at.sin_port));
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(ends[1] >= 0);
    close(listener);
}

static void
a_reset_is_told_at_once(void **state)
{
    struct net_watcher *w = start(WAIT_MS * 10);
    struct linger hard = {.l_onoff = 1};
    struct watched x = {0};
    int ends[2];

    (void)state;
    connected(ends);
    net_watcher_add(w, ends[1], &x);
    setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(ends[0]);
    wait_for(atomic_load(&x.gone) == 1);
    net_watcher_remove(w, ends[1], &x);
    close(ends[1]);
    net_watcher_free(w);
    assert_int_equal(atomic_load(&x.refs), 0);
}

static void
a_close_is_told_after_the_grace_and_once(void **state)
{
    struct net_watcher *w = start(50);
    int64_t before = lh_time_mono_ms();
    struct watched x = {0};
    int ends[2];

    (void)state;
    connected(ends);
    net_watcher_add(w, ends[1], &x);
    close(ends[0]);
    wait_for(atomic_load(&x.gone) == 1);
    assert_true(lh_time_mono_ms() - before >= 50);
    net_watcher_gone_all(w);
    assert_int_equal(atomic_load(&x.gone), 1);
    net_watcher_remove(w, ends[1], &x);
    close(ends[1]);
    net_watcher_free(w);
}

static void
who_is_removed_within_the_grace_hears_nothing(void **state)
{
    struct net_watcher *w = start(100);
    struct watched early = {0}, other = {0};
    int a[2], b[2];

    (void)state;
    connected(a);
    connected(b);
    net_watcher_add(w, a[1], &early);
    close(a[0]);
    net_watcher_add(w, b[1], &other);
    close(b[0]);
    net_watcher_remove(w, a[1], &early);
    /* The other's time is over no earlier than this one's would have been. */
    wait_for(atomic_load(&other.gone) == 1);
    assert_int_equal(atomic_load(&early.gone), 0);
    net_watcher_remove(w, b[1], &other);
    close(a[1]);
    close(b[1]);
    net_watcher_free(w);
}

static void
a_reused_descriptor_is_somebody_else(void **state)
{
    struct net_watcher *w = start(0);
    struct watched first = {0}, second = {0};
    int a[2], b[2], same;

    (void)state;
    connected(a);
    net_watcher_add(w, a[1], &first);
    net_watcher_remove(w, a[1], &first);
    connected(b);
    same = dup2(b[1], a[1]);
    assert_int_equal(same, a[1]);
    net_watcher_add(w, same, &second);
    /* Removing under another name does nothing. */
    net_watcher_remove(w, same, &first);
    close(b[1]);
    close(b[0]);
    wait_for(atomic_load(&second.gone) == 1);
    assert_int_equal(atomic_load(&first.gone), 0);
    net_watcher_remove(w, same, &second);
    close(same);
    close(a[0]);
    net_watcher_free(w);
}

static void
everybody_can_be_sent_home(void **state)
{
    struct net_watcher *w = start(WAIT_MS * 10);
    struct watched x[3] = {0};
    int ends[3][2];

    (void)state;
    for (int i = 0; i < 3; i++) {
        connected(ends[i]);
        net_watcher_add(w, ends[i][1], &x[i]);
    }
    net_watcher_gone_all(w);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&x[i].gone), 1);
        net_watcher_remove(w, ends[i][1], &x[i]);
        close(ends[i][0]);
        close(ends[i][1]);
    }
    net_watcher_free(w);
}

static void
a_lingering_socket_swallows_and_then_closes(void **state)
{
    static const char zeros[65536];
    struct net_watcher *w = start(0);
    LH_AUTO_BUF(heard, 100);
    int ends[2];

    (void)state;
    connected(ends);
    assert_true(say(ends[1], "goodbye"));
    net_watcher_linger(w, ends[1]);
    for (int i = 0; i < 200; i++)
        assert_true(say_bytes(ends[0], zeros, sizeof(zeros)));
    hear_all(ends[0], &heard);
    assert_str(lh_buf_str(&heard), "goodbye");
    close(ends[0]);
    wait_for(fcntl(ends[1], F_GETFD) == -1);
    net_watcher_free(w);
}

static void
what_lingers_is_closed_with_the_watcher(void **state)
{
    struct net_watcher *w = start(0);
    int ends[2];
    char byte;

    (void)state;
    connected(ends);
    net_watcher_linger(w, ends[1]);
    net_watcher_free(w);
    assert_int_equal(fcntl(ends[1], F_GETFD), -1);
    assert_int_equal(hear(ends[0], &byte, 1), 0);
    close(ends[0]);
}

static void
time_is_told_about_once_a_second(void **state)
{
    struct net_watcher *w = start(0);

    (void)state;
    atomic_store(&ticks, 0);
    wait_for(atomic_load(&ticks) >= 1);
    net_watcher_free(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reset_is_told_at_once),
        cmocka_unit_test(a_close_is_told_after_the_grace_and_once),
        cmocka_unit_test(who_is_removed_within_the_grace_hears_nothing),
        cmocka_unit_test(a_reused_descriptor_is_somebody_else),
        cmocka_unit_test(everybody_can_be_sent_home),
        cmocka_unit_test(a_lingering_socket_swallows_and_then_closes),
        cmocka_unit_test(what_lingers_is_closed_with_the_watcher),
        cmocka_unit_test(time_is_told_about_once_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
