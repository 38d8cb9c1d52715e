/* journald behind its routes: what was acknowledged is there, each event once, failures gathered.
 */
#include "services/test_house.h"

#include <signal.h>
#include <sys/wait.h>

#define FAST "journal.refresh_interval = \"0\"\ncatalog.refresh_interval = \"1h\"\n"
#define SHORT FAST "journal.failure_window = \"50ms\"\n"

static int
setup(void **state)
{
    *state = house_open(NULL, FAST);
    return 0;
}

static int
teardown(void **state)
{
    house_close_and_remove(*state);
    return 0;
}

static void
event_add(struct house *h, const char *id, const char *entity, unsigned number)
{
    char now[32];
    struct lh_call call;

    snprintf(now, sizeof(now), "{\"n\":%u}", number);
    lh_call_init(&call);
    call.source = "test";
    assert_ok(lh_journal_event(h->mesh, &call,
                               &(struct lh_journal_event){.event_id = id,
                                                          .entity_type = "dataset",
                                                          .entity_id = entity,
                                                          .action = "changed",
                                                          .new_json = lh_str_of(now)},
                               &err));
    lh_call_fini(&call);
}

static void
failure_add(struct house *h, const char *service, const char *object, const char *detail)
{
    struct lh_call call;

    lh_call_init(&call);
    lh_journal_failure(h->mesh, &call,
                       &(struct lh_journal_failure){.service = service,
                                                    .code = "store.checksum",
                                                    .detail = detail,
                                                    .object = object,
                                                    .bucket = "primary"});
    lh_call_fini(&call);
}

static void
read_journal(struct house *h, const char *query, struct reply *r)
{
    LH_AUTO_CHARS path = lh_asprintf("/v1/journal%s", query);

    ask(h, "journald", LH_GET, path, NULL, r);
    assert_answered(r);
}

static void
read_errors(struct house *h, const char *query, struct reply *r)
{
    LH_AUTO_CHARS path = lh_asprintf("/v1/errors%s", query);

    ask(h, "journald", LH_GET, path, NULL, r);
    assert_answered(r);
}

static unsigned
number_of(const json_t *event)
{
    return (unsigned)int_at(json_object_get(event, "new"), "n");
}

/* ---- events ---- */

static void
an_event_is_read_as_soon_as_it_is_acknowledged(void **state)
{
    struct house *h = *state;
    const json_t *event;
    AUTO_REPLY(r);

    event_add(h, NULL, "workers", 1);
    event_add(h, NULL, "clients", 2);
    read_journal(h, "", &r);
    assert_int_equal(count_at(r.json, "events"), 2);
    event = item_at(r.json, "events", 0);
    assert_string_equal(text_at(event, "entity_id"), "clients");
    assert_string_equal(text_at(event, "actor"), "system");
    assert_string_equal(text_at(event, "source"), "test");
    assert_true(json_is_null(json_object_get(event, "old")));
    assert_int_equal(strlen(text_at(event, "trace_id")), 32);
    read_journal(h, "?entity=workers", &r);
    assert_int_equal(count_at(r.json, "events"), 1);
    read_journal(h, "?entity_type=bucket", &r);
    assert_int_equal(count_at(r.json, "events"), 0);
}

static void
ones_own_events_are_read_at_once_however_rarely_the_bucket_is_listed(void **state)
{
    struct house *h = house_open(NULL, "journal.refresh_interval = \"1h\"\n");
    AUTO_REPLY(r);

    (void)state;
    for (unsigned i = 1; i <= 5; i++) {
        event_add(h, NULL, "workers", i);
        read_journal(h, "", &r);
        assert_int_equal(count_at(r.json, "events"), i);
    }
    house_close_and_remove(h);
}

static void
pages_join_without_gap_or_repeat(void **state)
{
    struct house *h = *state;
    char query[160] = "?limit=7";
    unsigned expected = 40;
    AUTO_REPLY(r);

    for (unsigned i = 1; i <= 40; i++)
        event_add(h, NULL, "workers", i);
    while (expected > 0) {
        read_journal(h, query, &r);
        for (size_t i = 0; i < count_at(r.json, "events"); i++)
            assert_int_equal(number_of(item_at(r.json, "events", i)), expected--);
        /* Rows that are added in front do not move the pages behind. */
        event_add(h, NULL, "workers", 1000);
        if (expected > 0)
            snprintf(query, sizeof(query), "?limit=7&cursor=%s", text_at(r.json, "next_cursor"));
    }
    assert_null(json_object_get(r.json, "next_cursor"));
}

static void
a_repeated_event_is_kept_once(void **state)
{
    static const char id[] = "0198c0de-0000-7000-8000-000000000001";
    struct house *h = *state;
    AUTO_REPLY(r);

    event_add(h, id, "workers", 1);
    event_add(h, NULL, "workers", 2);
    event_add(h, id, "workers", 1);
    read_journal(h, "?limit=1", &r);
    assert_int_equal(count_at(r.json, "events"), 1);
    read_journal(h, "", &r);
    assert_int_equal(count_at(r.json, "events"), 2);
}

static void
questions_are_checked(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);
    static const char *const bad[] = {"limit=0",  "limit=1001",   "limit=x",     "since=yesterday",
                                      "cursor=x", "cursor=b2026", "cursor=w1.x", NULL};

    for (size_t i = 0; bad[i] != NULL; i++) {
        LH_AUTO_CHARS path = lh_asprintf("/v1/journal?%s", bad[i]);

        ask(h, "journald", LH_GET, path, NULL, &r);
        assert_refused(&r, LH_INVALID, "request.query");
    }
    ask(h, "journald", LH_GET, "/v1/journal?entty=x", NULL, &r);
    assert_refused(&r, LH_INVALID, "request.query_unknown");
    ask(h, "journald", LH_POST, "/internal/journal/events", "{\"event_id\":\"x\"}", &r);
    assert_refused(&r, LH_INVALID, "request.field_missing");
}

static void
since_leaves_out_what_is_older(void **state)
{
    struct house *h = *state;
    char text[LH_TIME_TEXT_MAX];
    LH_AUTO_CHARS query = NULL;
    AUTO_REPLY(r);

    event_add(h, NULL, "workers", 1);
    query = lh_asprintf("?since=%s", lh_time_format(lh_time_now_us(), text));
    event_add(h, NULL, "workers", 2);
    read_journal(h, query, &r);
    assert_int_equal(count_at(r.json, "events"), 1);
    assert_int_equal(number_of(item_at(r.json, "events", 0)), 2);
}

static void
days_gone_by_are_read_too(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);

    object_write(h, "_journal/events/2024-02-29/018df2d2-5c00-7000-8000-000000000001.ndjson",
                 "{\"event_id\":\"018df2d2-5c00-7000-8000-000000000002\",\"time\":"
                 "\"2024-02-29T12:00:00Z\",\"entity_type\":\"dataset\",\"entity_id\":\"old\","
                 "\"action\":\"changed\",\"new\":{\"n\":1}}\n");
    event_add(h, NULL, "workers", 2);
    read_journal(h, "", &r);
    assert_int_equal(count_at(r.json, "events"), 2);
    assert_string_equal(text_at(item_at(r.json, "events", 1), "entity_id"), "old");
    read_journal(h, "?since=2025-01-01", &r);
    assert_int_equal(count_at(r.json, "events"), 1);
}

static void
events_of_another_process_are_seen(void **state)
{
    struct house *h = *state;
    struct house *other = house_open(h->folder, FAST);
    AUTO_REPLY(r);

    event_add(h, NULL, "workers", 1);
    read_journal(h, "", &r);
    event_add(other, NULL, "workers", 2);
    read_journal(h, "", &r);
    assert_int_equal(count_at(r.json, "events"), 2);
    house_close(other);
}

static void
a_broken_batch_is_one_row_of_the_errors_and_hides_nothing_else(void **state)
{
    static const char key[] =
        "_journal/events/2024-02-29/018df2d2-5c00-7000-8000-000000000001.ndjson";
    struct house *h = *state;
    AUTO_REPLY(r);

    object_write(h, key,
                 "not a record\n{\"event_id\":\"018df2d2-5c00-7000-8000-000000000002\",\"time\":"
                 "\"2024-02-29T12:00:00Z\",\"entity_type\":\"dataset\",\"entity_id\":\"old\"}\n");
    event_add(h, NULL, "workers", 2);
    read_journal(h, "", &r);
    assert_int_equal(count_at(r.json, "events"), 2);
    read_journal(h, "", &r);
    read_errors(h, "", &r);
    assert_int_equal(count_at(r.json, "errors"), 1);
    assert_string_equal(text_at(item_at(r.json, "errors", 0), "code"), "journal.row");
    assert_string_equal(text_at(item_at(r.json, "errors", 0), "object"), key);
    assert_int_equal(int_at(item_at(r.json, "errors", 0), "count"), 1);
}

/* ---- group commit ---- */

enum { ADDERS = 8, EVENTS_EACH = 40 };

static void *
adder_run(void *arg)
{
    for (unsigned i = 0; i < EVENTS_EACH; i++)
        event_add(arg, NULL, "workers", i);
    return NULL;
}

static void
many_waiters_share_one_put(void **state)
{
    struct house *h = *state;
    pthread_t threads[ADDERS];
    int64_t began = lh_time_mono_ns();
    LH_AUTO_BUF(status, 4096);
    struct lh_json_writer w = lh_json_writer_over(&status);
    LH_AUTO_JSON stats = NULL;
    AUTO_REPLY(r);

    for (unsigned i = 0; i < ADDERS; i++)
        assert_ok(lh_thread_start(&threads[i], "adder", adder_run, h, &err));
    for (unsigned i = 0; i < ADDERS; i++)
        lh_thread_join(threads[i]);
    print_message("%d events by %d threads: %.0f us an event\n", ADDERS * EVENTS_EACH, ADDERS,
                  (double)(lh_time_mono_ns() - began) / 1000.0 / (ADDERS * EVENTS_EACH));
    lh_json_object_begin(&w);
    lh_journald.status(h->journald, &w);
    lh_json_object_end(&w);
    stats = json_loadb((char *)status.data, status.len, 0, NULL);
    assert_int_equal(int_at(json_object_get(stats, "events"), "records"), ADDERS * EVENTS_EACH);
    assert_true(int_at(json_object_get(stats, "events"), "batches") < ADDERS * EVENTS_EACH);
    read_journal(h, "?limit=1000", &r);
    assert_int_equal(count_at(r.json, "events"), ADDERS * EVENTS_EACH);
}

/* What this program does when it is started with a folder and a descriptor: add events and write
 * the number of each one there once it is acknowledged, until it is killed. */
static int
child_add(const char *folder, const char *descriptor)
{
    struct house *h = house_open(folder, FAST);
    int to = atoi(descriptor);

    for (unsigned i = 1;; i++) {
        event_add(h, NULL, "workers", i);
        if (write(to, &i, sizeof(i)) != sizeof(i))
            return 1;
    }
}

static unsigned
child_add_and_kill(const char *folder)
{
    unsigned acknowledged = 0, seen;
    int fds[2], status;
    char descriptor[16];
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    snprintf(descriptor, sizeof(descriptor), "%d", fds[1]);
    child = house_child_start(folder, descriptor);
    close(fds[1]);
    while (acknowledged < 25 && read(fds[0], &seen, sizeof(seen)) == sizeof(seen))
        acknowledged = seen;
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    while (read(fds[0], &seen, sizeof(seen)) == sizeof(seen))
        acknowledged = seen;
    close(fds[0]);
    return acknowledged;
}

static void
what_was_acknowledged_survives_a_kill(void **state)
{
    char folder[] = "/tmp/lh-kill-XXXXXX";
    unsigned acknowledged;
    struct house *h;
    size_t count;
    AUTO_REPLY(r);

    (void)state;
    assert_non_null(mkdtemp(folder));
    acknowledged = child_add_and_kill(folder);
    assert_true(acknowledged >= 25);
    h = house_open(folder, FAST);
    read_journal(h, "?limit=1000", &r);
    count = count_at(r.json, "events");
    assert_true(count >= acknowledged);
    assert_true(count <= acknowledged + 1);
    assert_int_equal(number_of(item_at(r.json, "events", count - 1)), 1);
    house_close_and_remove(h);
}

/* ---- failures ---- */

static void
equal_failures_are_one_row_with_a_count(void **state)
{
    struct house *h = *state;
    AUTO_REPLY(r);

    failure_add(h, "queryd", "a", "first");
    failure_add(h, "queryd", "b", "other");
    failure_add(h, "queryd", "a", "second");
    failure_add(h, "queryd", "a", "third");
    failure_add(h, "ingestd", "a", "elsewhere");
    read_errors(h, "", &r);
    assert_int_equal(count_at(r.json, "errors"), 3);
    assert_string_equal(text_at(item_at(r.json, "errors", 0), "service"), "ingestd");
    assert_string_equal(text_at(item_at(r.json, "errors", 1), "detail"), "third");
    assert_int_equal(int_at(item_at(r.json, "errors", 1), "count"), 3);
    assert_string_equal(text_at(item_at(r.json, "errors", 1), "bucket"), "primary");
    read_errors(h, "?service=ingestd", &r);
    assert_int_equal(count_at(r.json, "errors"), 1);
    read_errors(h, "?limit=1", &r);
    assert_int_equal(count_at(r.json, "errors"), 1);
    {
        LH_AUTO_CHARS next = lh_asprintf("?cursor=%s", text_at(r.json, "next_cursor"));

        read_errors(h, next, &r);
        assert_int_equal(count_at(r.json, "errors"), 2);
    }
}

static void
counts_outlive_the_process(void **state)
{
    struct house *h = *state;
    struct house *again;
    AUTO_REPLY(r);
    char folder[80];

    snprintf(folder, sizeof(folder), "%s", h->folder);
    for (int i = 0; i < 5; i++)
        failure_add(h, "queryd", "a", "again");
    house_close(h);
    again = house_open(folder, FAST);
    *state = again;
    read_errors(again, "", &r);
    assert_int_equal(count_at(r.json, "errors"), 1);
    assert_int_equal(int_at(item_at(r.json, "errors", 0), "count"), 5);
}

static void
a_window_closes_after_its_time(void **state)
{
    struct house *h = house_open(NULL, SHORT);
    AUTO_REPLY(r);

    (void)state;
    failure_add(h, "queryd", "a", "one");
    failure_add(h, "queryd", "a", "two");
    for (int i = 0; i < 200; i++) {
        read_errors(h, "", &r);
        if (count_at(r.json, "errors") > 1)
            break;
        usleep(10000);
        failure_add(h, "queryd", "a", "later");
    }
    assert_true(count_at(r.json, "errors") >= 2);
    house_close_and_remove(h);
}

static void
a_failure_without_a_journal_goes_to_the_log(void **state)
{
    struct house *h = *state;
    struct lh_mesh *nobody = lh_mesh_new(h->config);
    struct lh_call call;

    lh_call_init(&call);
    lh_journal_failure(nobody, &call,
                       &(struct lh_journal_failure){.service = "queryd", .code = "a.b"});
    lh_call_fini(&call);
    lh_mesh_free(nobody);
}

#define in_a_house(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_a_kill),
        in_a_house(an_event_is_read_as_soon_as_it_is_acknowledged),
        cmocka_unit_test(ones_own_events_are_read_at_once_however_rarely_the_bucket_is_listed),
        in_a_house(pages_join_without_gap_or_repeat),
        in_a_house(a_repeated_event_is_kept_once),
        in_a_house(questions_are_checked),
        in_a_house(since_leaves_out_what_is_older),
        in_a_house(days_gone_by_are_read_too),
        in_a_house(events_of_another_process_are_seen),
        in_a_house(a_broken_batch_is_one_row_of_the_errors_and_hides_nothing_else),
        in_a_house(many_waiters_share_one_put),
        in_a_house(equal_failures_are_one_row_with_a_count),
        in_a_house(counts_outlive_the_process),
        cmocka_unit_test(a_window_closes_after_its_time),
        in_a_house(a_failure_without_a_journal_goes_to_the_log),
    };

    if (argc == 3)
        return child_add(argv[1], argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
