/*
 * A process that dies, or loses an answer, at each step of a commit and of a collection. The other
 * process is this program again, started with a folder and what to do, and with a fault in its
 * environment.
 */
#include "services/test_house.h"

#include <signal.h>
#include <sys/wait.h>

#define FAST "catalog.refresh_interval = \"50ms\"\njournal.refresh_interval = \"0\"\n"

static int
child_run(const char *folder, const char *what)
{
    struct house *h = house_open(folder, FAST);
    AUTO_REPLY(r);

    if (strcmp(what, "commit") == 0)
        version_make(h, "workers", 1, "two", 20);
    else
        ask(h, "catalogd", LH_POST, "/v1/catalog/gc", what, &r);
    house_close(h);
    return 0;
}

#ifdef LH_FAULTS

static int
setup(void **state)
{
    *state = house_open(NULL, FAST);
    version_make(*state, "workers", 0, "one", 10);
    return 0;
}

static int
teardown(void **state)
{
    house_close_and_remove(*state);
    return 0;
}

/* True when it was killed, false when it ended well. */
static bool
child_dies(struct house *h, const char *what, const char *faults)
{
    int status;
    pid_t child;

    setenv("LAKEHOUSE_FAULTS", faults, 1);
    child = house_child_start(h->folder, what);
    unsetenv("LAKEHOUSE_FAULTS");
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        fail_msg("the child failed");
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static uint64_t
head_of(struct house *h)
{
    LH_AUTO(lh_snapshot) *s = NULL;

    assert_ok(snapshot_get(h, "workers", 0, &s, &err));
    return s->version;
}

static void
events_await(struct house *h, size_t count)
{
    AUTO_REPLY(r);

    for (int i = 0; i < 300; i++) {
        ask(h, "journald", LH_GET, "/v1/journal?entity=workers", NULL, &r);
        assert_answered(&r);
        if (count_at(r.json, "events") >= count)
            break;
        usleep(20000);
    }
    assert_int_equal(count_at(r.json, "events"), count);
}

static void
killed_before_the_put_leaves_an_orphan_and_no_version(void **state)
{
    struct house *h = *state, *again;

    assert_true(child_dies(h, "commit", "catalog.commit.before_put=kill"));
    again = house_open(h->folder, FAST);
    assert_int_equal(head_of(again), 1);
    assert_true(object_exists(again, "_data/workers/two.parquet"));
    version_make(again, "workers", 1, "two", 20);
    events_await(again, 2);
    house_close(again);
}

static void
killed_after_the_put_leaves_a_version_that_gets_its_event(void **state)
{
    struct house *h = *state, *again;

    assert_true(child_dies(h, "commit", "catalog.commit.after_put=kill"));
    again = house_open(h->folder, FAST);
    assert_int_equal(head_of(again), 2);
    events_await(again, 2);
    house_close(again);
}

/* The next commit does not wait for the keeper: the event before its own is written first. */
static void
the_next_commit_writes_the_event_that_is_missing(void **state)
{
    struct house *h = *state, *again;
    AUTO_REPLY(r);

    assert_true(child_dies(h, "commit", "catalog.commit.after_put=kill"));
    again = house_open(h->folder, FAST);
    version_make(again, "workers", 2, "three", 30);
    ask(again, "journald", LH_GET, "/v1/journal?entity=workers", NULL, &r);
    assert_int_equal(count_at(r.json, "events"), 3);
    house_close(again);
}

static void
killed_after_the_event_has_one_event(void **state)
{
    struct house *h = *state, *again;

    assert_true(child_dies(h, "commit", "catalog.commit.after_event=kill"));
    again = house_open(h->folder, FAST);
    assert_int_equal(head_of(again), 2);
    events_await(again, 2);
    house_close(again);
}

static void
killed_before_the_event_batch_acknowledges_nothing_but_loses_nothing(void **state)
{
    struct house *h = *state, *again;

    assert_true(child_dies(h, "commit", "journal.add.before_put=kill"));
    again = house_open(h->folder, FAST);
    assert_int_equal(head_of(again), 2);
    events_await(again, 2);
    house_close(again);
}

/* The puts of the child: the data object, the writer's record, the manifest. */
static void
a_put_whose_answer_is_lost_is_known_for_ones_own(void **state)
{
    struct house *h = *state;

    assert_false(child_dies(h, "commit", "store.put.after_rename=error@3"));
    for (int i = 0; i < 300 && head_of(h) != 2; i++)
        usleep(20000);
    assert_int_equal(head_of(h), 2);
    events_await(h, 2);
}

/* Killed before the n-th deletion: what is left is still right, and the next run finishes. */
static void
a_collection_that_dies_is_finished_by_the_next(void **state)
{
    static const char all[] = "{\"dry_run\":false,\"older_than_s\":0,\"keep_versions\":1}";
    struct house *h = *state, *again;
    LH_AUTO(lh_snapshot) *s = NULL;
    AUTO_REPLY(r);

    version_make(h, "workers", 1, "two", 20);
    version_make(h, "workers", 2, "three", 30);
    assert_true(child_dies(h, all, "catalog.gc.before_delete=kill@2"));
    assert_false(object_exists(h, "_catalog/datasets/workers/0000000001.parquet"));
    assert_true(object_exists(h, "_catalog/datasets/workers/0000000002.parquet"));
    again = house_open(h->folder, FAST);
    assert_ok(snapshot_get(again, "workers", 2, &s, &err));
    assert_true(object_exists(again, s->files[0].key));
    /* The dead one's lease has to run out first; the test does not wait for that. */
    ask(again, "catalogd", LH_POST, "/v1/catalog/gc", all, &r);
    assert_answered(&r);
    assert_int_equal(count_at(r.json, "refused"), 1);
    object_write(again, "_catalog/collecting/workers.json",
                 "{\"dataset\":\"workers\",\"expires_at\":\"2020-01-01T00:00:00Z\"}");
    ask(again, "catalogd", LH_POST, "/v1/catalog/gc", all, &r);
    assert_answered(&r);
    assert_int_equal(int_at(r.json, "removed_versions"), 1);
    assert_int_equal(int_at(r.json, "removed_objects"), 2);
    assert_int_equal(head_of(again), 3);
    house_close(again);
}

#define in_a_house(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static int
tests_run(void)
{
    const struct CMUnitTest tests[] = {
        in_a_house(killed_before_the_put_leaves_an_orphan_and_no_version),
        in_a_house(killed_after_the_put_leaves_a_version_that_gets_its_event),
        in_a_house(the_next_commit_writes_the_event_that_is_missing),
        in_a_house(killed_after_the_event_has_one_event),
        in_a_house(killed_before_the_event_batch_acknowledges_nothing_but_loses_nothing),
        in_a_house(a_put_whose_answer_is_lost_is_known_for_ones_own),
        in_a_house(a_collection_that_dies_is_finished_by_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

/* Without fault points there is nothing to die of. */
static int
tests_run(void)
{
    return 0;
}

#endif

int
main(int argc, char **argv)
{
    if (argc == 3)
        return child_run(argv[1], argv[2]);
    return tests_run();
}
