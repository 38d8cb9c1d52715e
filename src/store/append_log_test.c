#include "store/fixture.h"

#include <stdatomic.h>
#include <sys/wait.h>
#include "base/thread.h"
#include "base/time.h"
#include "store/append_log.h"
#include "store/append_log_name.h"

#define PREFIX "_journal/events/"

static struct lh_append_log *
open_log(struct fixture *f, const struct lh_append_log_options *more)
{
    struct lh_append_log_options o = more ? *more : (struct lh_append_log_options){0};
    struct lh_append_log *log = NULL;

    o.bucket = f->bucket;
    o.prefix = PREFIX;
    must(lh_append_log_open(&o, &log, &err));
    return log;
}

static lh_status
add(struct fixture *f, struct lh_append_log *log, const char *record, struct lh_error *err)
{
    return lh_append_log_add(log, &f->call, lh_str_of(record), err);
}

/* ---- what a scan sees ---- */

struct seen {
    struct lh_buf records; /* joined by blanks */
    struct lh_buf broken;
    size_t count, stop_after;
};

static lh_status
seen_visit(void *self, lh_str record, bool *stop, struct lh_error *err)
{
    struct seen *s = self;

    (void)err;
    lh_buf_printf(&s->records, "%s%.*s", s->count ? " " : "", LH_FMT(record));
    *stop = ++s->count == s->stop_after;
    return LH_OK;
}

static void
seen_broken(void *self, const char *key, const struct lh_error *why)
{
    struct seen *s = self;

    lh_buf_printf(&s->broken, "%s %s", key, why->reason);
}

static void
seen_init(struct seen *s, size_t stop_after)
{
    memset(s, 0, sizeof(*s));
    lh_buf_init(&s->records, 1 << 26);
    lh_buf_init(&s->broken, 1 << 20);
    s->stop_after = stop_after;
}

static void
seen_fini(struct seen *s)
{
    lh_buf_fini(&s->records);
    lh_buf_fini(&s->broken);
}

static void
scan(struct fixture *f, struct lh_append_log *log, struct seen *s)
{
    const struct lh_append_log_visitor v = {.visit = seen_visit, .broken = seen_broken, .self = s};

    must(lh_append_log_scan(log, &f->call, &v, &err));
}

static void
assert_scan(struct fixture *f, struct lh_append_log *log, size_t stop_after, const char *expected)
{
    struct seen s;

    seen_init(&s, stop_after);
    scan(f, log, &s);
    assert_string_equal(lh_buf_cstr(&s.records), expected);
    seen_fini(&s);
}

/* A batch of another time, as another process would have left it. */
static void
batch_at(struct fixture *f, const char *when, unsigned number, const char *lines)
{
    char key[LH_KEY_MAX + 1];
    lh_uuid id = lh_uuid_v7();
    int64_t us;

    assert_true(lh_time_parse(lh_str_of(when), &us));
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)((us / 1000) >> (8 * (5 - i)));
    id.bytes[6] = 0x70;
    id.bytes[7] = (uint8_t)number;
    append_log_name(PREFIX, id, key);
    must(put_text(f, key, lines, NULL, NULL, &err));
}

/* ---- tests ---- */

static void
an_added_record_is_in_the_bucket_when_add_returns(void **state)
{
    struct fixture *f = *state;
    struct lh_append_log *log = open_log(f, NULL), *other = open_log(f, NULL);

    must(add(f, log, "{\"n\":1}", &err));
    assert_scan(f, other, 0, "{\"n\":1}");
    must(add(f, log, "{\"n\":2}", &err));
    must(add(f, other, "{\"n\":3}", &err));
    assert_scan(f, log, 0, "{\"n\":3} {\"n\":2} {\"n\":1}");
    assert_scan(f, log, 2, "{\"n\":3} {\"n\":2}");
    assert_int_equal(lh_append_log_stats_get(log).records, 2);
    lh_append_log_free(log);
    lh_append_log_free(other);
}

static void
an_empty_log_has_nothing_to_visit(void **state)
{
    struct fixture *f = *state;
    struct lh_append_log *log = open_log(f, NULL);

    assert_scan(f, log, 0, "");
    lh_append_log_free(log);
}

static void
records_that_nobody_waits_for_are_written_before_the_log_closes(void **state)
{
    struct fixture *f = *state;
    struct lh_append_log *log = open_log(f, NULL);

    for (int i = 0; i < 20; i++)
        must(lh_append_log_add_async(log, LH_STR("x"), &err));
    lh_append_log_free(log);
    log = open_log(f, NULL);
    assert_scan(f, log, 0, "x x x x x x x x x x x x x x x x x x x x");
    lh_append_log_free(log);
}

static void
records_that_are_not_one_line_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct lh_append_log_options small = {.batch_bytes_max = 8};
    struct lh_append_log *log = open_log(f, &small);

    must_fail(add(f, log, "", &err), LH_INVALID, "log.record");
    must_fail(add(f, log, "a\nb", &err), LH_INVALID, "log.record");
    must(add(f, log, "1234567", &err));
    must_fail(add(f, log, "12345678", &err), LH_TOO_BIG, "log.record_too_big");
    must_fail(lh_append_log_add_async(log, LH_STR("12345678"), &err), LH_TOO_BIG,
              "log.record_too_big");
    lh_append_log_free(log);
}

static void
a_full_queue_says_busy(void **state)
{
    struct fixture *f = *state;
    const struct lh_append_log_options slow = {.queue_max = 3, .linger_ms = 60000};
    struct lh_append_log *log = open_log(f, &slow);

    for (int i = 0; i < 3; i++)
        must(lh_append_log_add_async(log, LH_STR("x"), &err));
    must_fail(lh_append_log_add_async(log, LH_STR("x"), &err), LH_BUSY, "log.queue_full");
    must_fail(add(f, log, "x", &err), LH_BUSY, "log.queue_full");
    assert_int_equal(lh_append_log_stats_get(log).waiting, 3);
    lh_append_log_free(log);
    log = open_log(f, NULL);
    assert_scan(f, log, 0, "x x x");
    lh_append_log_free(log);
}

static void
a_prefix_must_end_with_a_slash(void **state)
{
    struct fixture *f = *state;
    const struct lh_append_log_options o = {.bucket = f->bucket, .prefix = "_journal"};
    struct lh_append_log *log;

    must_fail(lh_append_log_open(&o, &log, &err), LH_INVALID, "log.prefix");
}

static void
a_waiter_whose_time_is_over_goes_away(void **state)
{
    struct fixture *f = *state;
    const struct lh_append_log_options slow = {.linger_ms = 60000};
    struct lh_append_log *log = open_log(f, &slow);
    struct lh_call hurried;

    lh_call_init(&hurried);
    hurried.deadline_ms = lh_time_mono_ms() + 20;
    must_fail(lh_append_log_add(log, &hurried, LH_STR("x"), &err), LH_TIMEOUT, "call.deadline");
    lh_call_fini(&hurried);
    lh_append_log_free(log);
}

static void
a_scan_crosses_days_and_years_of_silence_newest_first(void **state)
{
    struct fixture *f = *state;
    struct lh_append_log *log = open_log(f, NULL);

    batch_at(f, "1999-12-31T23:59:59.999Z", 0, "old1\nold2\n");
    batch_at(f, "2020-02-29T00:00:00Z", 0, "leap\n");
    batch_at(f, "2024-05-01T10:00:00Z", 0, "may1\n");
    batch_at(f, "2024-05-01T10:00:00Z", 1, "may2\n");
    batch_at(f, "2024-05-01T22:00:00Z", 0, "may3\nmay4\n");
    batch_at(f, "2024-05-02T00:00:00Z", 0, "may5\n");
    assert_scan(f, log, 0, "may5 may4 may3 may2 may1 leap old2 old1");
    must(add(f, log, "now", &err));
    assert_scan(f, log, 3, "now may5 may4");
    lh_append_log_free(log);
}

static void
a_batch_from_a_clock_that_runs_ahead_is_seen(void **state)
{
    struct fixture *f = *state;
    struct lh_append_log *log = open_log(f, NULL);

    must(add(f, log, "now", &err));
    batch_at(f, "2190-01-01T00:00:00Z", 0, "ahead\n");
    assert_scan(f, log, 0, "ahead now");
    lh_append_log_free(log);
}

static void
what_else_lies_beside_the_batches_is_passed_over(void **state)
{
    struct fixture *f = *state;
    struct lh_append_log *log = open_log(f, NULL);

    batch_at(f, "2024-05-01T10:00:00Z", 0, "one\n");
    must(put_text(f, PREFIX "2024-05-01/compacted.parquet", "x", NULL, NULL, &err));
    must(put_text(f, PREFIX "parquet/2024.parquet", "x", NULL, NULL, &err));
    /* A name whose day is not the day of its time. */
    must(put_text(f, PREFIX "2001-01-01/0190a5b4-0000-7000-8000-000000000000.ndjson", "x\n", NULL,
                  NULL, &err));
    assert_scan(f, log, 0, "one");
    lh_append_log_free(log);
}

static void
a_broken_batch_is_reported_and_the_others_are_read(void **state)
{
    struct fixture *f = *state;
    struct lh_append_log *log = open_log(f, NULL);
    LH_AUTO(lh_object_list) *page = NULL;
    char path[PATH_MAX];
    struct seen s;

    batch_at(f, "2024-05-01T10:00:00Z", 0, "one\n");
    batch_at(f, "2024-05-02T10:00:00Z", 0, "two\n");
    batch_at(f, "2024-05-03T10:00:00Z", 0, "three\n");
    must(lh_object_list(f->bucket, &f->call, LH_STR(PREFIX "2024-05-02/"), LH_STR(""), 1, &page,
                        &err));
    path_of(f, page->items[0].key, path);
    assert_int_equal(truncate(path, 2), 0);
    seen_init(&s, 0);
    scan(f, log, &s);
    assert_string_equal(lh_buf_cstr(&s.records), "three one");
    assert_non_null(strstr(lh_buf_cstr(&s.broken), "store.checksum"));
    assert_non_null(strstr(lh_buf_cstr(&s.broken), page->items[0].key));
    seen_fini(&s);
    lh_append_log_free(log);
}

static lh_status
refuse(void *self, lh_str record, bool *stop, struct lh_error *err)
{
    (void)self;
    (void)record;
    (void)stop;
    return lh_fail(err, LH_INVALID, "test.refused", "no");
}

static void
a_visitor_that_fails_ends_the_scan(void **state)
{
    struct fixture *f = *state;
    struct lh_append_log *log = open_log(f, NULL);
    const struct lh_append_log_visitor v = {.visit = refuse};

    must(add(f, log, "x", &err));
    must_fail(lh_append_log_scan(log, &f->call, &v, &err), LH_INVALID, "test.refused");
    lh_append_log_free(log);
}

/* ---- many adders ---- */

#define ADDERS 8
#define RECORDS 100

struct adder {
    struct fixture *f;
    struct lh_append_log *log;
    int number;
    atomic_int *failures;
};

static void *
adder_run(void *arg)
{
    struct adder *a = arg;
    struct lh_call call;
    char record[32];

    lh_call_init(&call);
    for (int i = 0; i < RECORDS; i++) {
        (void)snprintf(record, sizeof(record), "%d-%d", a->number, i);
        if (lh_append_log_add(a->log, &call, lh_str_of(record), NULL) != LH_OK)
            atomic_fetch_add(a->failures, 1);
    }
    lh_call_fini(&call);
    return NULL;
}

static lh_status
number_take(void *self, lh_str record, bool *stop, struct lh_error *err)
{
    int(*seen)[RECORDS] = self;
    uint64_t adder = 0, i = 0;
    lh_str rest = record, head;

    (void)stop;
    (void)err;
    assert_true(lh_str_cut(&rest, '-', &head));
    assert_true(lh_str_u64(head, &adder) && lh_str_u64(rest, &i));
    seen[adder][i]++;
    return LH_OK;
}

static void
many_adders_share_puts_and_lose_nothing(void **state)
{
    struct fixture *f = *state;
    struct lh_append_log *log = open_log(f, NULL);
    struct adder adders[ADDERS];
    pthread_t threads[ADDERS];
    atomic_int failures = 0;
    int seen[ADDERS][RECORDS] = {{0}};
    const struct lh_append_log_visitor v = {.visit = number_take, .self = seen};
    struct lh_append_log_stats stats;

    for (int i = 0; i < ADDERS; i++) {
        adders[i] = (struct adder){.f = f, .log = log, .number = i, .failures = &failures};
        must(lh_thread_start(&threads[i], "adder", adder_run, &adders[i], &err));
    }
    for (int i = 0; i < ADDERS; i++)
        lh_thread_join(threads[i]);
    assert_int_equal(atomic_load(&failures), 0);
    must(lh_append_log_scan(log, &f->call, &v, &err));
    for (int i = 0; i < ADDERS; i++)
        for (int k = 0; k < RECORDS; k++)
            assert_int_equal(seen[i][k], 1);
    stats = lh_append_log_stats_get(log);
    assert_int_equal(stats.records, ADDERS * RECORDS);
    assert_true(stats.batches < stats.records);
    assert_int_equal(stats.waiting, 0);
    lh_append_log_free(log);
}

static void
what_was_acknowledged_survives_the_end_of_the_process(void **state)
{
    struct fixture *f = *state;
    struct lh_append_log *log;
    int seen[ADDERS][RECORDS] = {{0}};
    const struct lh_append_log_visitor v = {.visit = number_take, .self = seen};
    int pipe_fds[2], acknowledged[ADDERS] = {0}, status;
    uint8_t number;
    pid_t child;

    assert_int_equal(pipe(pipe_fds), 0);
    child = fork();
    if (child == 0) {
        /* Dies in the middle of adding, without closing anything. */
        struct lh_append_log *mine = open_log(f, NULL);
        char record[32];
        for (int i = 0; i < 10; i++) {
            (void)snprintf(record, sizeof(record), "3-%d", i);
            number = (uint8_t)i;
            if (add(f, mine, record, NULL) != LH_OK || write(pipe_fds[1], &number, 1) != 1)
                _exit(1);
        }
        (void)lh_append_log_add_async(mine, LH_STR("4-0"), NULL);
        _exit(0);
    }
    close(pipe_fds[1]);
    while (read(pipe_fds[0], &number, 1) == 1)
        acknowledged[3]++;
    close(pipe_fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(acknowledged[3], 10);
    log = open_log(f, NULL);
    must(lh_append_log_scan(log, &f->call, &v, &err));
    for (int i = 0; i < 10; i++)
        assert_int_equal(seen[3][i], 1);
    lh_append_log_free(log);
}

/* ---- failing puts ---- */

static void
a_failed_put_is_told_to_whoever_waits(void **state)
{
    struct fixture *f = *state;
    struct lh_append_log *log = open_log(f, NULL);

    f->limits.object_max = 3;
    must_fail(add(f, log, "12345", &err), LH_TOO_BIG, "store.object_too_big");
    assert_int_equal(lh_append_log_stats_get(log).failed_puts, 1);
    f->limits.object_max = 1000;
    must(add(f, log, "12345", &err));
    assert_scan(f, log, 0, "12345");
    lh_append_log_free(log);
}

static void
records_that_nobody_waits_for_are_tried_again(void **state)
{
    struct fixture *f = *state;
    struct lh_append_log *log = open_log(f, NULL);

    f->limits.puts_max = 0; /* nothing can be put */
    must(lh_append_log_add_async(log, LH_STR("later"), &err));
    while (lh_append_log_stats_get(log).failed_puts == 0)
        usleep(1000);
    f->limits.puts_max = 10;
    must(add(f, log, "now", &err)); /* takes it along */
    assert_scan(f, log, 0, "now later");
    lh_append_log_free(log);
}

int
main(void)
{
#define log_test(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        log_test(an_added_record_is_in_the_bucket_when_add_returns),
        log_test(an_empty_log_has_nothing_to_visit),
        log_test(records_that_nobody_waits_for_are_written_before_the_log_closes),
        log_test(records_that_are_not_one_line_are_refused),
        log_test(a_full_queue_says_busy),
        log_test(a_prefix_must_end_with_a_slash),
        log_test(a_waiter_whose_time_is_over_goes_away),
        log_test(a_scan_crosses_days_and_years_of_silence_newest_first),
        log_test(a_batch_from_a_clock_that_runs_ahead_is_seen),
        log_test(what_else_lies_beside_the_batches_is_passed_over),
        log_test(a_broken_batch_is_reported_and_the_others_are_read),
        log_test(a_visitor_that_fails_ends_the_scan),
        log_test(many_adders_share_puts_and_lose_nothing),
        log_test(what_was_acknowledged_survives_the_end_of_the_process),
        log_test(a_failed_put_is_told_to_whoever_waits),
        log_test(records_that_nobody_waits_for_are_tried_again),
    };

    return cmocka_run_group_tests_name("append_log", tests, NULL, NULL);
}
