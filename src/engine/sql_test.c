#include "engine/fixture.h"

/* ---- a statement from text to bytes ---- */

struct answer {
    struct lh_buf bytes;
    struct lh_statement_outcome outcome;
};

static lh_status
answer_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct answer *a = self;

    (void)err;
    lh_buf_add(&a->bytes, bytes.ptr, bytes.len);
    return LH_OK;
}

static void
answer_fini(struct answer *a)
{
    lh_buf_fini(&a->bytes);
}

#define AUTO_ANSWER(name)                                                                          \
    __attribute__((cleanup(answer_fini))) struct answer name = {.bytes.max = LH_BUF_UNLIMITED}

static const char *const worker_names[] = {"id", "city", "rate"};
static const char *const worker_types[] = {"BIGINT", "VARCHAR", "DOUBLE"};
static const char *const worker_uris[] = {"lake://primary/w1.parquet", "lake://primary/w2.parquet"};

static struct lh_statement_source
source_of(const char *name, uint64_t version, size_t uri_count)
{
    return (struct lh_statement_source){
        .as_written = lh_str_of(name),
        .dataset = LH_STR("workers"),
        .version = version,
        .uris = worker_uris,
        .uri_count = uri_count,
        .column_names = worker_names,
        .column_types = worker_types,
        .column_count = 3,
    };
}

static void
workers_put(struct lake *l)
{
    lake_put(l, "w1.parquet",
             "SELECT i AS id, 'Chicago' AS city, i / 10 AS rate FROM range(3) r(i)");
    lake_put(l, "w2.parquet",
             "SELECT i AS id, 'Łódź' AS city, i / 10 AS rate FROM range(3, 5) r(i)");
}

struct asked {
    const char *sql;
    const char *params; /* JSON or NULL */
    enum lh_result_format format;
    uint64_t rows_max, bytes_max; /* 0: no limit */
};

/* "workers" is version 2 of two files, "workers@1" has the first, "nobody" none. */
static lh_status
ask(struct lake *l, const struct asked *q, struct answer *a, struct lh_error *err)
{
    LH_AUTO(lh_statement) *s = NULL;
    LH_AUTO_JSON params = q->params ? json_loads(q->params, JSON_DECODE_ANY, NULL) : NULL;
    const struct lh_statement_source sources[] = {
        source_of("workers", 2, 2), source_of("workers@1", 1, 1), source_of("nobody", 1, 0)};
    const struct lh_statement_limits limits = {
        .rows_max = q->rows_max ? q->rows_max : UINT64_MAX,
        .bytes_max = q->bytes_max ? q->bytes_max : UINT64_MAX,
    };
    const struct lh_result_sink sink = {.write = answer_write, .self = a};

    LH_TRY(lh_statement_parse(l->query, &l->call, lh_str_of(q->sql), &s, err));
    LH_TRY(lh_statement_bind(s, sources, 3, params, err));
    return lh_statement_run(s, q->format, &limits, &sink, &a->outcome, err);
}

static void
assert_csv(struct lake *l, const char *sql, const char *params, const char *expected)
{
    const struct asked q = {.sql = sql, .params = params, .format = LH_RESULT_CSV};
    AUTO_ANSWER(a);

    assert_ok(ask(l, &q, &a, &err));
    assert_string_equal(lh_buf_cstr(&a.bytes), expected);
}

#define assert_refused(l, text, p, status, reason)                                                 \
    do {                                                                                           \
        const struct asked q_ = {.sql = (text), .params = (p), .format = LH_RESULT_CSV};           \
        AUTO_ANSWER(a_);                                                                           \
        assert_fails(ask(l, &q_, &a_, &err), status, reason);                                      \
        assert_int_equal(a_.bytes.len, 0);                                                         \
    } while (0)

/* ---- names ---- */

static void
names_resolve_to_the_statements_own_objects(void **state)
{
    struct lake *l = *state;

    workers_put(l);
    assert_csv(l, "SELECT count(*) AS n, sum(id) AS s FROM workers", NULL, "n,s\n5,10\n");
    assert_csv(l, "SELECT count(*) AS n FROM \"workers@1\"", NULL, "n\n3\n");
    assert_csv(l, "SELECT w.id FROM workers w JOIN \"workers@1\" o ON w.id = o.id WHERE w.id > 1",
               NULL, "id\n2\n");
    assert_csv(l,
               "WITH x AS (SELECT * FROM workers WHERE city = 'Łódź') SELECT max(workers.id) AS m "
               "FROM x, workers",
               NULL, "m\n4\n");
}

static void
a_table_without_objects_has_columns_and_no_rows(void **state)
{
    struct lake *l = *state;

    assert_csv(l, "SELECT id, city, rate FROM nobody", NULL, "id,city,rate\n");
    assert_csv(l, "SELECT sum(id) AS s, count(*) AS n FROM nobody", NULL, "s,n\n,0\n");
}

static void
files_that_lack_a_newer_column_give_null(void **state)
{
    struct lake *l = *state;

    lake_put(l, "w1.parquet", "SELECT 1 AS id, 'a' AS city");
    lake_put(l, "w2.parquet", "SELECT 2 AS id, 'b' AS city, 0.5 AS rate");
    assert_csv(l, "SELECT id, rate FROM workers ORDER BY id", NULL, "id,rate\n1,\n2,0.5\n");
}

static void
describe_summarize_and_explain_answer(void **state)
{
    static const char *const statements[] = {
        "DESCRIBE workers",
        "SUMMARIZE workers",
        "EXPLAIN SELECT * FROM workers",
        "EXPLAIN ANALYZE SELECT count(*) FROM workers",
        "DESCRIBE SELECT 1 AS x",
        NULL,
    };
    struct lake *l = *state;

    workers_put(l);
    for (size_t i = 0; statements[i]; i++) {
        const struct asked q = {.sql = statements[i], .format = LH_RESULT_JSON};
        AUTO_ANSWER(a);

        assert_ok(ask(l, &q, &a, &err));
        assert_true(a.outcome.row_count > 0);
    }
}

static void
show_tables_lists_what_the_caller_gives(void **state)
{
    static const char *const names[] = {"workers", "it's"};
    const struct lh_statement_limits limits = {UINT64_MAX, UINT64_MAX};
    struct lake *l = *state;
    LH_AUTO(lh_statement) *s = NULL;
    AUTO_ANSWER(a);
    const struct lh_result_sink sink = {.write = answer_write, .self = &a};

    assert_ok(lh_statement_parse(l->query, &l->call, LH_STR("SHOW TABLES"), &s, &err));
    assert_true(lh_statement_lists_tables(s));
    assert_ok(lh_statement_bind_tables_list(s, names, 2, &err));
    assert_ok(lh_statement_run(s, LH_RESULT_CSV, &limits, &sink, &a.outcome, &err));
    assert_string_equal(lh_buf_cstr(&a.bytes), "name\nworkers\nit's\n");
}

static void
a_pivot_without_its_values_finds_them(void **state)
{
    struct lake *l = *state;

    workers_put(l);
    assert_csv(l, "PIVOT (SELECT city, id FROM workers) ON city USING count(id)", NULL,
               "Chicago,Łódź\n3,2\n");
}

/* ---- parameters ---- */

static void
parameters_go_by_place_and_by_name(void **state)
{
    struct lake *l = *state;

    workers_put(l);
    assert_csv(l, "SELECT city FROM workers WHERE id = $1 AND rate < $2", "[4, 0.5]",
               "city\nŁódź\n");
    assert_csv(l, "SELECT id FROM workers WHERE city = ? AND id >= ?", "[\"Chicago\", 2]",
               "id\n2\n");
    assert_csv(l, "SELECT id FROM workers WHERE city = $city ORDER BY id LIMIT $n",
               "{\"n\": 1, \"city\": \"Chicago\"}", "id\n0\n");
    assert_csv(l, "SELECT $1 IS NULL AS a, $2 AS b, $3 AS c", "[null, true, \"it's\"]",
               "a,b,c\ntrue,true,it's\n");
    assert_csv(l, "SELECT id FROM workers WHERE list_contains($1, id) ORDER BY id", "[[1, 3]]",
               "id\n1\n3\n");
    assert_csv(l, "SELECT list_sum($1) AS s", "[[1, 2.5, null]]", "s\n3.5\n");
}

static void
wrong_parameters_are_refused(void **state)
{
    struct lake *l = *state;

    assert_refused(l, "SELECT $1", NULL, LH_INVALID, "sql.parameters");
    assert_refused(l, "SELECT $1", "[1, 2]", LH_INVALID, "sql.parameters");
    assert_refused(l, "SELECT $a", "{\"b\": 1}", LH_INVALID, "sql.parameters");
    assert_refused(l, "SELECT $1", "[{}]", LH_INVALID, "sql.parameters");
    assert_refused(l, "SELECT $1", "[[1, \"x\"]]", LH_INVALID, "sql.parameters");
    assert_refused(l, "SELECT $1", "[[[1]]]", LH_INVALID, "sql.parameters");
    assert_refused(l, "SELECT 1", "[1]", LH_INVALID, "sql.parameters");
}

/* ---- errors before the first byte ---- */

static void
errors_of_binding_come_before_any_byte_and_tell_the_place(void **state)
{
    const struct asked q = {.sql = "SELECT id,\n  nope FROM nobody", .format = LH_RESULT_JSON};
    struct lake *l = *state;
    LH_AUTO_ERROR(why);
    AUTO_ANSWER(a);

    assert_int_equal(ask(l, &q, &a, &why), LH_INVALID);
    assert_string_equal(why.reason, "sql.binding");
    assert_non_null(why.extra);
    assert_non_null(strstr(why.extra, "\"line\":2"));
    assert_int_equal(a.bytes.len, 0);
    assert_refused(l, "SELEC 1", NULL, LH_INVALID, "sql.syntax");
    assert_refused(l, "SELECT city::INTEGER FROM workers", NULL, LH_NOT_FOUND, "store.no_object");
    workers_put(l);
    assert_refused(l, "SELECT city::INTEGER FROM workers", NULL, LH_INVALID, "sql.conversion");
    assert_refused(l, "COPY workers TO 'x.csv'", NULL, LH_DENIED, "sql.not_allowed");
}

static void
a_statement_stops_at_the_deadline_of_its_call(void **state)
{
    struct lake *l = *state;

    l->call.deadline_ms = lh_time_mono_ms() + 100;
    assert_refused(
        l,
        "SELECT count(*) FROM range(3000000) a, range(3000000) b WHERE a.range % 7 = b.range % 5",
        NULL, LH_TIMEOUT, "sql.timeout");
}

/* ---- limits and formats ---- */

static void
rows_are_cut_at_the_limit(void **state)
{
    struct asked q = {
        .sql = "SELECT range AS r FROM range(100000)", .format = LH_RESULT_CSV, .rows_max = 5000};
    struct lake *l = *state;
    AUTO_ANSWER(cut);
    AUTO_ANSWER(whole);

    assert_ok(ask(l, &q, &cut, &err));
    assert_int_equal(cut.outcome.row_count, 5000);
    assert_true(cut.outcome.is_truncated);
    q.rows_max = 100000;
    assert_ok(ask(l, &q, &whole, &err));
    assert_int_equal(whole.outcome.row_count, 100000);
    assert_false(whole.outcome.is_truncated);
    assert_int_equal(whole.outcome.bytes, whole.bytes.len);
}

static void
bytes_past_the_limit_are_too_big(void **state)
{
    static const enum lh_result_format formats[] = {LH_RESULT_JSON, LH_RESULT_NDJSON, LH_RESULT_CSV,
                                                    LH_RESULT_ARROW, LH_RESULT_PARQUET};
    struct lake *l = *state;

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        const struct asked q = {.sql = "SELECT uuid() AS u FROM range(100000)",
                                .format = formats[i],
                                .bytes_max = 100000};
        AUTO_ANSWER(a);

        assert_fails(ask(l, &q, &a, &err), LH_TOO_BIG, "sql.too_many_bytes");
        assert_true(a.bytes.len <= 100000);
    }
}

static void
what_was_read_from_the_lake_is_counted(void **state)
{
    const struct asked q = {.sql = "SELECT sum(id) FROM workers", .format = LH_RESULT_CSV};
    struct lake *l = *state;
    AUTO_ANSWER(a);

    workers_put(l);
    assert_ok(ask(l, &q, &a, &err));
    assert_true(a.outcome.lake_bytes > 0);
    assert_true(a.outcome.lake_requests >= 2);
}

static void
parquet_comes_back_as_a_table(void **state)
{
    struct asked q = {.sql = "SELECT id, city FROM workers WHERE id >= $1 ORDER BY id",
                      .params = "[1]",
                      .format = LH_RESULT_PARQUET};
    struct lake *l = *state;
    struct lh_object_info info;
    AUTO_ANSWER(a);
    AUTO_ANSWER(plan);

    workers_put(l);
    assert_ok(ask(l, &q, &a, &err));
    assert_int_equal(a.outcome.row_count, 4);
    assert_ok(lh_object_put(lh_store_primary(l->store), &l->call, LH_STR("out.parquet"),
                            lh_buf_bytes(&a.bytes), NULL, &info, &err));
    lake_run(l,
             "SELECT CASE WHEN count(*) = 4 AND max(city) = 'Łódź' THEN 1 ELSE error('rows') END "
             "FROM read_parquet('lake://primary/out.parquet')");
    q = (struct asked){.sql = "EXPLAIN SELECT 1", .format = LH_RESULT_PARQUET};
    assert_fails(ask(l, &q, &plan, &err), LH_INVALID, "sql.format");
}

/* ---- hot ---- */

static void
a_hot_version_is_read_from_memory_until_it_is_dropped(void **state)
{
    struct lh_statement_source source = source_of("workers", 2, 2);
    const struct asked q = {.sql = "SELECT sum(id) AS s FROM workers", .format = LH_RESULT_CSV};
    struct lake *l = *state;
    AUTO_ANSWER(hot);
    AUTO_ANSWER(cold);
    uint64_t bytes;

    workers_put(l);
    assert_ok(lh_hot_load(l->query, &l->call, &source, &bytes, &err));
    assert_ok(lh_hot_load(l->query, &l->call, &source, &bytes, &err)); /* twice is harmless */
    assert_true(bytes > 0);
    assert_ok(ask(l, &q, &hot, &err));
    assert_string_equal(lh_buf_cstr(&hot.bytes), "s\n10\n");
    assert_int_equal(hot.outcome.lake_bytes, 0);
    assert_true(lh_hot_has(l->query, LH_STR("workers"), 2));
    lh_hot_drop(l->query, LH_STR("workers"), 2);
    lh_hot_drop(l->query, LH_STR("workers"), 2);
    assert_false(lh_hot_has(l->query, LH_STR("workers"), 2));
    assert_ok(ask(l, &q, &cold, &err));
    assert_string_equal(lh_buf_cstr(&cold.bytes), "s\n10\n");
    assert_true(cold.outcome.lake_bytes > 0);
}

static void
a_version_dropped_while_bound_still_answers(void **state)
{
    struct lh_statement_source source = source_of("workers", 2, 2);
    const struct lh_statement_limits limits = {UINT64_MAX, UINT64_MAX};
    struct lake *l = *state;
    LH_AUTO(lh_statement) *s = NULL;
    AUTO_ANSWER(a);
    const struct lh_result_sink sink = {.write = answer_write, .self = &a};
    uint64_t bytes;

    workers_put(l);
    assert_ok(lh_hot_load(l->query, &l->call, &source, &bytes, &err));
    assert_ok(lh_statement_parse(l->query, &l->call, LH_STR("SELECT count(*) AS n FROM workers"),
                                 &s, &err));
    assert_ok(lh_statement_bind(s, &source, 1, NULL, &err));
    lh_hot_drop(l->query, LH_STR("workers"), 2);
    assert_ok(lh_statement_run(s, LH_RESULT_CSV, &limits, &sink, &a.outcome, &err));
    assert_string_equal(lh_buf_cstr(&a.bytes), "n\n5\n");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, lake_setup, lake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(names_resolve_to_the_statements_own_objects),
        TEST(a_table_without_objects_has_columns_and_no_rows),
        TEST(files_that_lack_a_newer_column_give_null),
        TEST(describe_summarize_and_explain_answer),
        TEST(show_tables_lists_what_the_caller_gives),
        TEST(a_pivot_without_its_values_finds_them),
        TEST(parameters_go_by_place_and_by_name),
        TEST(wrong_parameters_are_refused),
        TEST(errors_of_binding_come_before_any_byte_and_tell_the_place),
        TEST(a_statement_stops_at_the_deadline_of_its_call),
        TEST(rows_are_cut_at_the_limit),
        TEST(bytes_past_the_limit_are_too_big),
        TEST(what_was_read_from_the_lake_is_counted),
        TEST(parquet_comes_back_as_a_table),
        TEST(a_hot_version_is_read_from_memory_until_it_is_dropped),
        TEST(a_version_dropped_while_bound_still_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
