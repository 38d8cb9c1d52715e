/* Rows without those that tombstones hide: which are read, counted, written and told apart. */
#include "engine/convert.h"
#include "engine/fixture.h"
#include "engine/rows.h"

static const char *const names[] = {"id", "city", "h"};
static const char *const types[] = {"BIGINT", "VARCHAR", "DOUBLE"};
static const char *const uris[] = {"lake://primary/_data/w/1.parquet",
                                   "lake://primary/_data/w/2.parquet",
                                   "lake://primary/_data/w/3.parquet"};
static const char *const keys[] = {"id", "city"};
static const char *const key_types[] = {"BIGINT", "VARCHAR"};

/* 1: ids 1 to 4 and a row without one; 2: ids 3 to 6; 3: id 3 again, without the column h. */
static void
objects_put(struct lake *l)
{
    lake_put(l, "_data/w/1.parquet",
             "SELECT * FROM (VALUES (1::BIGINT, 'Joliet', 1.5::DOUBLE), (2, 'Chicago', NULL), "
             "(3, 'Aurora', 2), (4, 'Joliet', 3), (NULL, NULL, 4)) t(id, city, h)");
    lake_put(l, "_data/w/2.parquet",
             "SELECT i AS id, 'Elgin' AS city, i / 2 AS h FROM range(3, 7) t(i)");
    lake_put(l, "_data/w/3.parquet", "SELECT 3::BIGINT AS id, 'Aurora' AS city");
    lake_put(l, "_catalog/values.parquet",
             "SELECT * FROM (VALUES (5::BIGINT, 'id', '3'), (5, 'id', '4'), (7, 'id', '1'), "
             "(7, 'city', 'Elgin')) t(tombstone, key_column, value)");
}

static struct lh_erasure
erasure_of(const uint64_t *first)
{
    return (struct lh_erasure){.values_uri = "lake://primary/_catalog/values.parquet",
                               .keys = keys,
                               .key_types = key_types,
                               .key_count = 2,
                               .first = first};
}

static struct lh_rows
rows_of(const struct lh_erasure *erasure)
{
    return (struct lh_rows){.uris = uris,
                            .uri_count = 3,
                            .column_names = names,
                            .column_types = types,
                            .column_count = 3,
                            .erasure = erasure};
}

static void
expect_ids(struct lake *l, const struct lh_rows *rows, const char *expected)
{
    LH_AUTO_CHARS path = lh_asprintf("%s/rows.parquet", l->folder);
    LH_AUTO_CHARS sql = lh_asprintf("SELECT coalesce(string_agg(coalesce(id::VARCHAR, '-'), ' '), "
                                    "'') FROM read_parquet('%s')",
                                    path);
    LH_AUTO(engine_connection) *c = NULL;
    duckdb_result r;
    char *text;

    assert_ok(lh_rows_write(l->work, &l->call, rows, path, &err));
    assert_ok(engine_connection_take(l->work, NULL, &c, &err));
    assert_ok(engine_run(c, sql, &r, &err));
    text = duckdb_value_varchar(&r, 0, 0);
    assert_string_equal(text, expected);
    duckdb_free(text);
    duckdb_destroy_result(&r);
}

static void
a_tombstone_hides_rows_of_the_objects_that_were_there_before_it(void **state)
{
    static const uint64_t all[] = {5, 5, 0}, late[] = {7, 7, 0}, none[] = {0, 0, 0};
    struct lake *l = *state;
    struct lh_erasure erasure = erasure_of(all);
    struct lh_rows rows = rows_of(&erasure), plain = rows_of(NULL);

    objects_put(l);
    expect_ids(l, &plain, "1 2 3 4 - 3 4 5 6 3");
    expect_ids(l, &rows, "3 2 -");
    erasure.first = late;
    expect_ids(l, &rows, "3 2 3 4 -");
    erasure.first = none;
    expect_ids(l, &rows, "1 2 3 4 - 3 4 5 6 3");
}

static void
rows_that_are_hidden_already_are_not_counted_again(void **state)
{
    static const uint64_t first[] = {5, 0, 0};
    static const char *const values[] = {"3", "2", "99"};
    struct lake *l = *state;
    struct lh_erasure erasure = erasure_of(first);
    struct lh_rows rows = rows_of(&erasure);
    struct lh_rows_match match = {
        .key = "id", .type = "BIGINT", .values = values, .value_count = 3};
    uint64_t counts[3];

    objects_put(l);
    assert_ok(lh_rows_match_count(l->work, &l->call, &rows, &match, counts, &err));
    assert_int_equal(counts[0], 1); /* 2; 3 is hidden */
    assert_int_equal(counts[1], 1);
    assert_int_equal(counts[2], 1);
    match.key = "h";
    match.type = "DOUBLE";
    assert_ok(lh_rows_match_count(l->work, &l->call, &rows, &match, counts, &err));
    assert_int_equal(counts[2], 0); /* has no such column */
}

static void
statistics_tell_nothing_of_hidden_rows(void **state)
{
    static const uint64_t first[] = {5, 5, 5};
    struct lake *l = *state;
    struct lh_erasure erasure = erasure_of(first);
    struct lh_rows rows = rows_of(&erasure);
    struct lh_convert_result found;
    uint64_t distinct[3];

    objects_put(l);
    assert_ok(lh_rows_statistics(l->work, &l->call, &rows, &found, &err));
    assert_int_equal(found.rows, 2);
    assert_string_equal(found.columns[0].min, "2");
    assert_string_equal(found.columns[0].max, "2");
    assert_int_equal(found.columns[0].null_count, 1);
    assert_string_equal(found.columns[1].max, "Chicago");
    assert_int_equal(found.columns[2].null_count, 1);
    lh_convert_result_fini(&found);
    assert_ok(lh_distinct_estimates(l->work, &l->call, &rows, distinct, &err));
    assert_int_equal(distinct[0], 1);
}

static void
the_digest_is_of_rows_and_not_of_objects(void **state)
{
    static const uint64_t first[] = {5, 5, 5};
    struct lake *l = *state;
    LH_AUTO_CHARS path = lh_asprintf("%s/rows.parquet", l->folder);
    const char *written = path;
    struct lh_erasure erasure = erasure_of(first);
    struct lh_rows rows = rows_of(&erasure), plain = rows_of(NULL), one = rows_of(NULL);
    struct lh_rows_digest a, b, c;

    objects_put(l);
    assert_ok(lh_rows_write(l->work, &l->call, &rows, path, &err));
    one.uris = &written;
    one.uri_count = 1;
    assert_ok(lh_rows_digest(l->work, &l->call, &rows, &a, &err));
    assert_ok(lh_rows_digest(l->work, &l->call, &one, &b, &err));
    assert_ok(lh_rows_digest(l->work, &l->call, &plain, &c, &err));
    assert_int_equal(a.rows, 2);
    assert_string_equal(a.text, b.text);
    assert_string_not_equal(a.text, c.text);
}

static void
a_text_that_is_no_value_of_the_column_is_named(void **state)
{
    static const char *const good[] = {"2021-02-28", "2024-02-29"}, *const bad[] = {"x", "'"};
    struct lake *l = *state;
    LH_AUTO_ARENA(arena);
    const char *out[2];

    assert_ok(lh_rows_values_check(l->work, &l->call, "DATE", good, 2, &arena, out, &err));
    assert_string_equal(out[1], "2024-02-29");
    assert_fails(lh_rows_values_check(l->work, &l->call, "DATE", bad, 2, &arena, out, &err),
                 LH_INVALID, "rows.value");
    assert_ok(lh_rows_values_check(l->work, &l->call, "VARCHAR", bad, 2, &arena, out, &err));
    assert_string_equal(out[1], "'");
}

static lh_status
text_add(void *self, lh_bytes bytes, struct lh_error *err)
{
    (void)err;
    lh_buf_add(self, bytes.ptr, bytes.len);
    return LH_OK;
}

static void
a_statement_does_not_see_them_either_hot_or_cold(void **state)
{
    static const uint64_t first[] = {5, 5, 0};
    struct lake *l = *state;
    struct lh_erasure erasure = erasure_of(first);
    struct lh_statement_source source = {.as_written = LH_STR("w"),
                                         .dataset = LH_STR("w"),
                                         .version = 8,
                                         .uris = uris,
                                         .uri_count = 3,
                                         .column_names = names,
                                         .column_types = types,
                                         .column_count = 3,
                                         .erasure = &erasure,
                                         .erased = 7};
    struct lh_erasure stale = erasure_of((const uint64_t[]){0, 0, 0});
    struct lh_statement_source before = source;
    uint64_t bytes;

    objects_put(l);
    before.erasure = &stale;
    before.erased = 0;
    /* A table that was loaded before the tombstones is not taken for what is asked now. */
    for (int i = 0; i < 3; i++) {
        LH_AUTO(lh_statement) *s = NULL;
        LH_AUTO_BUF(bytes_out, 4096);
        const struct lh_statement_limits limits = {UINT64_MAX, UINT64_MAX};
        struct lh_statement_outcome outcome;

        assert_ok(lh_statement_parse(l->query, &l->call,
                                     LH_STR("SELECT id, city, h FROM w WHERE id > 0 ORDER BY id"),
                                     &s, &err));
        assert_ok(lh_statement_bind(s, &source, 1, NULL, &err));
        assert_ok(lh_statement_run(s, LH_RESULT_CSV, &limits,
                                   &(struct lh_result_sink){.write = text_add, .self = &bytes_out},
                                   &outcome, &err));
        assert_string_equal(lh_buf_cstr(&bytes_out), "id,city,h\n2,Chicago,\n3,Aurora,\n");
        lh_hot_drop(l->query, LH_STR("w"), 8);
        assert_ok(lh_hot_load(l->query, &l->call, i == 0 ? &before : &source, &bytes, &err));
    }
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, lake_setup, lake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_tombstone_hides_rows_of_the_objects_that_were_there_before_it),
        TEST(rows_that_are_hidden_already_are_not_counted_again),
        TEST(statistics_tell_nothing_of_hidden_rows),
        TEST(the_digest_is_of_rows_and_not_of_objects),
        TEST(a_text_that_is_no_value_of_the_column_is_named),
        TEST(a_statement_does_not_see_them_either_hot_or_cold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
