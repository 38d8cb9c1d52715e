/*
 * The independent reading: answers are written as JSON, CSV and Arrow into a folder, and a program
 * of node reads them with apache-arrow and compares every value (tests/readers). It needs node and
 * the npm packages that scripts/setup installs.
 */
#include "engine/result_fixture.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

struct sample {
    const char *name, *sql;
};

static const struct sample samples[] = {
    {"all_types", "SELECT * FROM test_all_types()"},
    {"all_types_large_enum", "SELECT * FROM test_all_types(use_large_enum := true)"},
    {"all_types_many_rows", "SELECT a.* FROM test_all_types() a, range(3000)"},
    {"no_rows", "SELECT * FROM test_all_types() WHERE false"},
    {"constants", "SELECT 1 AS one, 'text' AS t, NULL AS n, [1, 2] AS l, {'a': NULL} AS s FROM "
                  "range(5000)"},
    {"null_pattern",
     "SELECT CASE WHEN i % 7 = 0 THEN i END AS n, CASE WHEN i % 5 = 0 THEN 'v' || i "
     "END AS s, CASE WHEN i > 4000 THEN i % 2 = 0 END AS b FROM range(9001) t(i)"},
    {"lists", "SELECT CASE WHEN i % 3 > 0 THEN range(i % 5) END AS a, [[i], [], NULL] AS b, "
              "list_filter(range(20), lambda x: x % (i + 1) = 0) AS c FROM range(3000) t(i)"},
    {"structs", "SELECT CASE WHEN i % 4 > 0 THEN {'x': i, 'y': {'z': [CASE WHEN i % 3 > 0 THEN i "
                "END]}} END AS s, row(i, 'a') AS r FROM range(3000) t(i)"},
    {"maps", "SELECT CASE WHEN i % 3 > 0 THEN MAP {'a': i, 'b': NULL} END AS m, MAP {i: [i]} AS k, "
             "MAP {}::MAP(VARCHAR, INTEGER) AS e, MAP {DATE '2024-01-01' + i::INT: true} AS d FROM "
             "range(100) t(i)"},
    {"unions", "SELECT CASE i % 3 WHEN 0 THEN i::UNION(n BIGINT, s VARCHAR) WHEN 1 THEN ('s' || "
               "i)::UNION(n BIGINT, s VARCHAR) END AS u FROM range(3000) t(i)"},
    {"enums", "SELECT (['small', 'large', NULL][i % 3 + 1])::ENUM('small', 'large') AS e, "
              "[(['x', 'y'][i % 2 + 1])::ENUM('x', 'y')] AS l, {'q': 'z'::ENUM('z')} AS s FROM "
              "range(70000) t(i)"},
    {"arrays",
     "SELECT CASE WHEN i % 3 > 0 THEN [i, NULL, 2] END::INTEGER[3] AS a, [['a', 'b'], ['c', "
     "NULL]]::VARCHAR[2][2] AS b FROM range(3000) t(i)"},
    {"numbers", "SELECT x::HUGEINT AS h, x::UHUGEINT AS u, x::BIGNUM AS b, x::DECIMAL(38, 3) AS d, "
                "x::DOUBLE / 3 AS f, (x::DOUBLE / 3)::FLOAT AS g FROM (SELECT unnest([0, 1, "
                "9007199254740991, 9007199254740992, 9007199254740993, 18446744073709551615, "
                "99999999999999999999999999999999999]) AS x)"},
    {"decimals", "SELECT i::DECIMAL(4, 1) / 2 AS a, (i * 1.25)::DECIMAL(9, 4) AS b, (i * "
                 "1000000.125)::DECIMAL(18, 6) AS c, -i::DECIMAL(38, 10) AS d, sum(i) OVER () AS s "
                 "FROM range(900) t(i)"},
    {"times",
     "SELECT d, d::TIMESTAMP AS t, d::TIMESTAMP_S AS s, d::TIMESTAMP_MS AS m, d - DATE "
     "'1970-01-01' AS n, INTERVAL (n) DAYS - INTERVAL (n) SECONDS AS i, TIME '12:34:56.789' "
     "+ INTERVAL (n % 1000) MILLISECONDS AS c, '01:02:03.000000001'::TIME_NS AS q, "
     "'1900-01-01 00:00:00.000000001'::TIMESTAMP_NS AS p, (d::VARCHAR || ' "
     "00:00:00+00')::TIMESTAMPTZ AS z FROM (SELECT unnest(generate_series(DATE "
     "'1899-12-25', DATE '2101-01-01', INTERVAL 11 DAYS))::DATE AS d)"},
    {"old_times", "SELECT unnest([DATE '0001-01-01 (BC)', DATE '4713-11-24 (BC)', DATE "
                  "'12345-06-07', DATE 'infinity', DATE '-infinity']) AS d, unnest([TIMESTAMP "
                  "'0001-01-01 (BC) 01:02:03', TIMESTAMP '290000-01-01 00:00:00', TIMESTAMP "
                  "'infinity']) AS t"},
    {"texts",
     "SELECT unnest(['', 'a,b', 'quote \" in', chr(10), chr(13) || chr(10), ' blank ', "
     "'Łódź', '😀', 'null', 'NULL', '0', repeat('long ', 5000), NULL]) AS s, "
     "unnest([''::BLOB, '\\x00'::BLOB, '\\xFF\\x00\\xFF'::BLOB, NULL]) AS b, "
     "unnest(['{\"a\": [1, null]}'::JSON, '\"text\"'::JSON, 'null'::JSON, '12'::JSON]) AS j"},
    {"big_texts", "SELECT i, repeat(chr(65 + (i % 26)::INT), 40000) AS s FROM range(700) t(i)"},
    {"wide", "SELECT COLUMNS(*) + 1 FROM (SELECT i AS c0, i AS c1, i AS c2, i AS c3, i AS c4, i AS "
             "c5 FROM range(100000) t(i))"},
    {"names", "SELECT 1 AS a, 2 AS a, 3 AS \"with \"\"quotes\"\", and comma\", 4 AS \"\u00e4\""},
};

static void
sample_write(struct plain *p, const char *folder, const struct sample *s, const char *extension,
             enum lh_result_format format)
{
    LH_AUTO_CHARS file = lh_asprintf("%s/%s.%s", folder, s->name, extension);
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
    LH_AUTO_ERROR(err);

    if (format == LH_RESULT_JSON)
        lh_buf_add_char(&out, '{');
    if (answer_make(p, s->sql, format, &out, &err) != LH_OK)
        fail_msg("%s: %s", s->name, err.text);
    if (format == LH_RESULT_JSON)
        lh_buf_add_char(&out, '}');
    assert_int_equal(lh_file_write_atomic(file, lh_buf_bytes(&out), 0600, NULL), LH_OK);
}

static void
an_independent_reader_finds_the_same_values(void **state)
{
    char folder[] = "/tmp/lh-readers-XXXXXX";
    LH_AUTO_CHARS command = NULL;
    int result;

    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        sample_write(*state, folder, &samples[i], "json", LH_RESULT_JSON);
        sample_write(*state, folder, &samples[i], "csv", LH_RESULT_CSV);
        sample_write(*state, folder, &samples[i], "arrow", LH_RESULT_ARROW);
    }
    command = lh_asprintf("node tests/readers/compare.mjs %s 1>&2", folder);
    result = system(command);
    if (!getenv("LAKEHOUSE_KEEP"))
        assert_int_equal(lh_dir_remove_tree(folder, NULL), LH_OK);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
}

/* ---- the frame ---- */

static uint32_t
u32_at(const struct lh_buf *b, size_t at)
{
    uint32_t v;

    assert_true(at + 4 <= b->len);
    memcpy(&v, b->data + at, 4);
    return v;
}

static void
a_stream_begins_with_a_schema_and_ends_with_the_marker(void **state)
{
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);

    assert_int_equal(answer_make(*state, "SELECT 1 AS a WHERE false", LH_RESULT_ARROW, &out, NULL),
                     LH_OK);
    assert_int_equal(u32_at(&out, 0), 0xFFFFFFFF);
    assert_int_equal(u32_at(&out, 4) % 8, 0);
    assert_int_equal(out.len, 8 + u32_at(&out, 4) + 8);
    assert_int_equal(u32_at(&out, out.len - 8), 0xFFFFFFFF);
    assert_int_equal(u32_at(&out, out.len - 4), 0);
}

static void
nothing_of_other_memory_is_left_under_nulls(void **state)
{
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
    size_t at;

    assert_int_equal(answer_make(*state,
                                 "SELECT CASE WHEN i % 2 = 0 THEN x END AS v FROM (SELECT i, "
                                 "7017280452245743464 AS x FROM range(100) t(i)) WHERE i % 2 = 1",
                                 LH_RESULT_ARROW, &out, NULL),
                     LH_OK);
    assert_false(lh_str_find(lh_buf_str(&out), LH_STR("habababa"), &at));
}

static void
an_interval_beyond_arrow_is_told(void **state)
{
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
    LH_AUTO_ERROR(err);

    assert_int_equal(answer_make(*state, "SELECT to_microseconds(9223372036854775807) AS i",
                                 LH_RESULT_ARROW, &out, &err),
                     LH_INVALID);
    assert_string_equal(err.reason, "sql.arrow");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_independent_reader_finds_the_same_values),
        cmocka_unit_test(a_stream_begins_with_a_schema_and_ends_with_the_marker),
        cmocka_unit_test(nothing_of_other_memory_is_left_under_nulls),
        cmocka_unit_test(an_interval_beyond_arrow_is_told),
    };

    return cmocka_run_group_tests(tests, plain_setup, plain_teardown);
}
