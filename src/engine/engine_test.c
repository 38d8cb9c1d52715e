#include "engine/fixture.h"

#include <sys/stat.h>

/* ---- what runs and what does not ---- */

static lh_status
run_on(struct lake *l, struct lh_engine *e, const char *sql, struct lh_error *err)
{
    LH_AUTO(engine_connection) *c = NULL;

    LH_TRY(engine_connection_take(e, &l->call, &c, err));
    return engine_run(c, sql, NULL, err);
}

static void
both_engines_open_and_count_their_statements(void **state)
{
    struct lake *l = *state;
    struct lh_engine_stats before = lh_engine_stats_get(l->query), after;

    assert_ok(run_on(l, l->query, "SELECT 42", &err));
    assert_ok(run_on(l, l->work, "SELECT 42", &err));
    after = lh_engine_stats_get(l->query);
    assert_true(after.statements > before.statements);
    assert_int_equal(after.memory_limit_bytes, (uint64_t)512 << 20);
    assert_string_equal(lh_engine_version(), "DuckDB v1.4.4");
}

static void
the_query_engine_has_no_way_out(void **state)
{
    static const char *const escapes[] = {
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/etc/passwd')",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM read_json('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM 'data.parquet'",
        "SELECT * FROM read_parquet('s3://bucket/key')",
        "SELECT * FROM read_parquet('http://127.0.0.1/x.parquet')",
        "COPY (SELECT 1) TO '/tmp/lakehouse-escape.csv'",
        "COPY (SELECT 1) TO 'lake://primary/escape.csv'",
        "COPY (SELECT 1) TO 'mem://1'",
        "EXPORT DATABASE '/tmp/lakehouse-escape'",
        "ATTACH '/tmp/lakehouse-escape.db'",
        "ATTACH 'lake://primary/escape.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '/tmp/evil.duckdb_extension'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET lock_configuration = false",
        "SET temp_directory = '/tmp'",
        "SET memory_limit = '1TB'",
        "SET threads = 100",
        "SET TimeZone = 'America/Chicago'",
        "RESET memory_limit",
        "SELECT getenv('HOME')",
        "CALL pragma_version(1)",
        NULL,
    };
    struct lake *l = *state;

    for (size_t i = 0; escapes[i]; i++) {
        LH_AUTO_ERROR(err);

        if (run_on(l, l->query, escapes[i], &err) == LH_OK)
            fail_msg("this ran: %s", escapes[i]);
    }
}

static void
the_query_engine_reads_what_is_bound_and_nothing_else(void **state)
{
    static const char *const bound[] = {"lake://primary/a.parquet"};
    struct lake *l = *state;
    LH_AUTO(engine_connection) *c = NULL;

    lake_put(l, "a.parquet", "SELECT 1 AS x");
    lake_put(l, "b.parquet", "SELECT 2 AS x");
    assert_ok(engine_connection_take(l->query, &l->call, &c, &err));
    engine_reads_allow(&c->reads, bound, 1);
    assert_ok(engine_run(c, "SELECT x FROM read_parquet('lake://primary/a.parquet')", NULL, &err));
    assert_fails(
        engine_run(c, "SELECT x FROM read_parquet('lake://primary/b.parquet')", NULL, &err),
        LH_DENIED, "sql.not_allowed");
    assert_fails(
        engine_run(c, "SELECT x FROM read_parquet('lake://primary/*.parquet')", NULL, &err),
        LH_DENIED, "sql.not_allowed");
    assert_fails(
        engine_run(c, "SELECT content FROM read_text('lake://primary/b.parquet')", NULL, &err),
        LH_DENIED, "sql.not_allowed");
}

static void
what_was_bound_is_forgotten_with_the_connection(void **state)
{
    static const char *const bound[] = {"lake://primary/a.parquet"};
    struct lake *l = *state;
    struct engine_connection *c = NULL;

    lake_put(l, "a.parquet", "SELECT 1 AS x");
    assert_ok(engine_connection_take(l->query, &l->call, &c, &err));
    engine_reads_allow(&c->reads, bound, 1);
    engine_connection_free(c);
    assert_fails(
        run_on(l, l->query, "SELECT x FROM read_parquet('lake://primary/a.parquet')", &err),
        LH_DENIED, "sql.not_allowed");
}

/* ---- reading through store ---- */

static uint64_t
sum_of(struct engine_connection *c, const char *sql)
{
    duckdb_result r;
    uint64_t sum;

    assert_ok(engine_run(c, sql, &r, &err));
    sum = duckdb_value_uint64(&r, 0, 0);
    duckdb_destroy_result(&r);
    return sum;
}

static void
a_column_is_read_by_ranges_and_counted(void **state)
{
    struct lake *l = *state;
    LH_AUTO(engine_connection) *c = NULL;
    uint64_t all;

    lake_put(l, "wide.parquet",
             "SELECT i, repeat(md5(i::VARCHAR), 20) AS t FROM range(100000) r(i)");
    assert_ok(engine_connection_take(l->work, &l->call, &c, &err));
    assert_int_equal(sum_of(c, "SELECT sum(i) FROM read_parquet('lake://primary/wide.parquet')"),
                     4999950000);
    all = atomic_load(&c->reads.bytes);
    assert_true(all > 0 && all < 2000000);
    assert_true(atomic_load(&c->reads.requests) > 0);
}

static void
an_object_that_is_not_there_is_named_by_store(void **state)
{
    struct lake *l = *state;

    assert_fails(run_on(l, l->work, "FROM read_parquet('lake://primary/no.parquet')", &err),
                 LH_NOT_FOUND, "store.no_object");
    assert_fails(run_on(l, l->work, "FROM read_parquet('lake://nobucket/no.parquet')", &err),
                 LH_NOT_FOUND, "store.no_bucket");
}

/* Turns a bit in the middle of the file that holds the object. */
static void
damage(struct lake *l, const char *name)
{
    LH_AUTO_CHARS command = lh_asprintf(
        "f=$(find %s -type f -name '*%s*' -size +20k | head -1); "
        "printf 'XXXXXXXXXXXXXXXX' | dd of=\"$f\" bs=1 seek=9000 conv=notrunc 2>/dev/null",
        l->folder, name);

    assert_int_equal(system(command), 0);
}

static void
damaged_bytes_come_out_as_store_says_it(void **state)
{
    struct lake *l = *state;

    lake_put(l, "hurt.parquet", "SELECT md5(i::VARCHAR) AS t FROM range(50000) r(i)");
    damage(l, "hurt.parquet");
    assert_fails(
        run_on(l, l->work, "SELECT max(t) FROM read_parquet('lake://primary/hurt.parquet')", &err),
        LH_CORRUPT, "store.checksum");
}

/* ---- errors ---- */

static void
errors_keep_their_kind_and_fit_on_a_line(void **state)
{
    struct lake *l = *state;
    LH_AUTO_ERROR(why);

    assert_int_equal(run_on(l, l->work, "SELECT\n nope FROM range(1)", &why), LH_INVALID);
    assert_string_equal(why.reason, "sql.binding");
    assert_null(strchr(why.text, '\n'));
    assert_null(strstr(why.text, "LINE 1"));
    assert_fails(run_on(l, l->work, "SELEC 1", &err), LH_INVALID, "sql.syntax");
    assert_fails(run_on(l, l->work, "SELECT 'x'::INTEGER", &err), LH_INVALID, "sql.conversion");
    assert_fails(run_on(l, l->work, "SELECT 9223372036854775807 + 1::BIGINT", &err), LH_INVALID,
                 "sql.out_of_range");
}

static void
memory_is_limited(void **state)
{
    struct lake *l = *state;

    assert_fails(run_on(l, l->query,
                        "SELECT length(string_agg(repeat('x', 1000), '')) "
                        "FROM range(2000000)",
                        &err),
                 LH_TOO_BIG, "engine.out_of_memory");
}

static void
quoting_survives_quotes(void **state)
{
    LH_AUTO_BUF(sql, 1000);

    (void)state;
    engine_quote_literal(&sql, LH_STR("it's"));
    engine_quote_name(&sql, LH_STR("a\"b"));
    assert_string_equal(lh_buf_cstr(&sql), "'it''s'\"a\"\"b\"");
}

/* ---- after an error inside DuckDB ---- */

static void
a_broken_engine_is_replaced_by_one_as_locked_as_the_first(void **state)
{
    static const char *const bound[] = {"lake://primary/a.parquet"};
    struct lake *l = *state;
    struct engine_connection *old = NULL;
    LH_AUTO(engine_connection) *c = NULL;

    lake_put(l, "a.parquet", "SELECT 7 AS x");
    assert_ok(engine_connection_take(l->query, &l->call, &old, &err));
    assert_ok(engine_run(old, "CREATE TABLE left_behind (x INTEGER)", NULL, &err));
    assert_fails(engine_error(old, DUCKDB_ERROR_FATAL, "the sky falls", &err), LH_BUG,
                 "engine.internal");
    assert_ok(engine_connection_take(l->query, &l->call, &c, &err));
    assert_fails(engine_run(c, "FROM left_behind", NULL, &err), LH_INVALID, "sql.binding");
    assert_fails(engine_run(c, "FROM read_csv('/etc/passwd')", NULL, &err), LH_DENIED,
                 "sql.not_allowed");
    assert_fails(engine_run(c, "SET threads = 1", NULL, &err), LH_INVALID, "sql.input");
    engine_reads_allow(&c->reads, bound, 1);
    assert_int_equal(sum_of(c, "SELECT sum(x) FROM read_parquet('lake://primary/a.parquet')"), 7);
    engine_connection_free(old); /* of the old one: it is not given to anybody again */
    assert_fails(engine_error(c, DUCKDB_ERROR_BINDER, "an everyday error", &err), LH_INVALID,
                 "sql.binding");
    assert_int_equal(l->query->pool.generation, 1);
}

/* ---- the watchdog ---- */

#define HEAVY                                                                                      \
    "SELECT count(*) FROM range(3000000) a, range(3000000) b WHERE a.range % 7 = b.range % 5"

static void
a_heavy_statement_stops_at_its_deadline(void **state)
{
    struct lake *l = *state;
    int64_t started = lh_time_mono_ms(), took;

    l->call.deadline_ms = started + 100;
    assert_fails(run_on(l, l->query, HEAVY, &err), LH_TIMEOUT, "sql.timeout");
    took = lh_time_mono_ms() - started;
    assert_true(took >= 100);
    assert_true(took < 1000); /* a wide margin for busy machines */
}

static void *
cancel_soon(void *arg)
{
    usleep(50000);
    lh_call_cancel(arg);
    return NULL;
}

static void
a_heavy_statement_stops_when_its_caller_goes(void **state)
{
    struct lake *l = *state;
    int64_t started = lh_time_mono_ms();
    pthread_t thread;

    pthread_create(&thread, NULL, cancel_soon, &l->call);
    assert_fails(run_on(l, l->query, HEAVY, &err), LH_CANCELED, "sql.canceled");
    assert_true(lh_time_mono_ms() - started < 1000);
    pthread_join(thread, NULL);
}

static void
a_canceled_call_gets_no_connection(void **state)
{
    struct lake *l = *state;
    struct engine_connection *c = NULL;

    lh_call_cancel(&l->call);
    assert_fails(engine_connection_take(l->query, &l->call, &c, &err), LH_CANCELED,
                 "call.canceled");
    assert_null(c);
}

static void
an_interrupt_does_not_reach_the_next_statement(void **state)
{
    struct lake *l = *state;
    struct lh_call other;

    l->call.deadline_ms = lh_time_mono_ms() + 30;
    assert_fails(run_on(l, l->query, HEAVY, &err), LH_TIMEOUT, "sql.timeout");
    lh_call_init(&other);
    {
        LH_AUTO(engine_connection) *c = NULL;

        assert_ok(engine_connection_take(l->query, &other, &c, &err));
        assert_ok(engine_run(c, "SELECT sum(range) FROM range(1000000)", NULL, &err));
    }
    lh_call_fini(&other);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, lake_setup, lake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(both_engines_open_and_count_their_statements),
        TEST(the_query_engine_has_no_way_out),
        TEST(the_query_engine_reads_what_is_bound_and_nothing_else),
        TEST(what_was_bound_is_forgotten_with_the_connection),
        TEST(a_column_is_read_by_ranges_and_counted),
        TEST(an_object_that_is_not_there_is_named_by_store),
        TEST(damaged_bytes_come_out_as_store_says_it),
        TEST(errors_keep_their_kind_and_fit_on_a_line),
        TEST(memory_is_limited),
        TEST(a_broken_engine_is_replaced_by_one_as_locked_as_the_first),
        TEST(a_heavy_statement_stops_at_its_deadline),
        TEST(a_heavy_statement_stops_when_its_caller_goes),
        TEST(a_canceled_call_gets_no_connection),
        TEST(an_interrupt_does_not_reach_the_next_statement),
        cmocka_unit_test(quoting_survives_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
