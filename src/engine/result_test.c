#include "engine/result_fixture.h"

#include "base/alloc.h"
#include "base/json.h"
#include "engine/result_text.h"

/* ---- one value in both forms ---- */

struct value {
    const char *sql, *json, *csv;
};

static void
values_check(struct plain *p, const struct value *values, size_t count)
{
    size_t wrong = 0;

    for (size_t i = 0; i < count; i++) {
        LH_AUTO_BUF(json, LH_BUF_UNLIMITED);
        LH_AUTO_BUF(csv, LH_BUF_UNLIMITED);
        LH_AUTO_CHARS sql = lh_asprintf("SELECT %s AS v, 1", values[i].sql);
        LH_AUTO_CHARS want_json = lh_asprintf("\"rows\":[[%s,1]]", values[i].json);
        LH_AUTO_CHARS want_csv = lh_asprintf("v,1\n%s,1\n", values[i].csv);
        size_t at;

        assert_int_equal(answer_make(p, sql, LH_RESULT_JSON, &json, NULL), LH_OK);
        assert_int_equal(answer_make(p, sql, LH_RESULT_CSV, &csv, NULL), LH_OK);
        if (lh_str_find(lh_buf_str(&json), lh_str_of(want_json), &at) &&
            lh_str_eq(lh_buf_str(&csv), lh_str_of(want_csv)))
            continue;
        wrong++;
        print_error("%s\n  want %s | %s  have %s | %s\n", values[i].sql, want_json, want_csv,
                    lh_buf_cstr(&json), lh_buf_cstr(&csv));
    }
    assert_int_equal(wrong, 0);
}
#define VALUES_CHECK(p, values) values_check((p), (values), sizeof(values) / sizeof((values)[0]))

static void
integers_are_numbers_up_to_two_to_the_53(void **state)
{
    static const struct value values[] = {
        {"(-128)::TINYINT", "-128", "-128"},
        {"255::UTINYINT", "255", "255"},
        {"(-32768)::SMALLINT", "-32768", "-32768"},
        {"65535::USMALLINT", "65535", "65535"},
        {"(-2147483648)::INTEGER", "-2147483648", "-2147483648"},
        {"4294967295::UINTEGER", "4294967295", "4294967295"},
        {"0::BIGINT", "0", "0"},
        {"9007199254740992::BIGINT", "9007199254740992", "9007199254740992"},
        {"9007199254740993::BIGINT", "\"9007199254740993\"", "9007199254740993"},
        {"(-9007199254740992)::BIGINT", "-9007199254740992", "-9007199254740992"},
        {"(-9007199254740993)::BIGINT", "\"-9007199254740993\"", "-9007199254740993"},
        {"(-9223372036854775808)::BIGINT", "\"-9223372036854775808\"", "-9223372036854775808"},
        {"18446744073709551615::UBIGINT", "\"18446744073709551615\"", "18446744073709551615"},
        {"7::HUGEINT", "7", "7"},
        {"(-9007199254740993)::HUGEINT", "\"-9007199254740993\"", "-9007199254740993"},
        {"(-170141183460469231731687303715884105728)::HUGEINT",
         "\"-170141183460469231731687303715884105728\"",
         "-170141183460469231731687303715884105728"},
        {"340282366920938463463374607431768211455::UHUGEINT",
         "\"340282366920938463463374607431768211455\"", "340282366920938463463374607431768211455"},
        {"10000000000000000000::UHUGEINT", "\"10000000000000000000\"", "10000000000000000000"},
        {"0::BIGNUM", "0", "0"},
        {"(-123)::BIGNUM", "-123", "-123"},
        {"'1000000000000000000000000000000000000000001'::BIGNUM",
         "\"1000000000000000000000000000000000000000001\"",
         "1000000000000000000000000000000000000000001"},
        {"'-99999999999999999999999999999999999999999'::BIGNUM",
         "\"-99999999999999999999999999999999999999999\"",
         "-99999999999999999999999999999999999999999"},
    };

    VALUES_CHECK(*state, values);
}

static void
floats_are_shortest_and_nan_is_null(void **state)
{
    static const struct value values[] = {
        {"0.1::DOUBLE", "0.1", "0.1"},
        {"0.1::FLOAT", "0.1", "0.1"},
        {"'-0.0'::DOUBLE", "-0", "-0"},
        {"1e300::DOUBLE", "1e+300", "1e+300"},
        {"5e-324::DOUBLE", "5e-324", "5e-324"},
        {"16777216::FLOAT", "16777216", "16777216"},
        {"(1/3)::DOUBLE", "0.3333333333333333", "0.3333333333333333"},
        {"'nan'::DOUBLE", "null", ""},
        {"'inf'::DOUBLE", "null", ""},
        {"'-inf'::FLOAT", "null", ""},
    };

    VALUES_CHECK(*state, values);
}

static void
decimals_are_numbers_while_a_double_keeps_them(void **state)
{
    static const struct value values[] = {
        {"12.50::DECIMAL(4,2)", "12.50", "12.50"},
        {"(-0.05)::DECIMAL(4,2)", "-0.05", "-0.05"},
        {"0::DECIMAL(18,6)", "0.000000", "0.000000"},
        {"123456789.012345::DECIMAL(18,6)", "123456789.012345", "123456789.012345"},
        {"1234567890.123456::DECIMAL(18,6)", "\"1234567890.123456\"", "1234567890.123456"},
        {"1234567890.100000::DECIMAL(18,6)", "1234567890.100000", "1234567890.100000"},
        {"99999999999999999999999999999999999999::DECIMAL(38,0)",
         "\"99999999999999999999999999999999999999\"", "99999999999999999999999999999999999999"},
        {"(-0.00000000000000000000000000000000000001)::DECIMAL(38,38)",
         "-0.00000000000000000000000000000000000001", "-0.00000000000000000000000000000000000001"},
        {"9::DECIMAL(1,0)", "9", "9"},
    };

    VALUES_CHECK(*state, values);
}

static void
dates_and_times_are_iso_8601(void **state)
{
    static const struct value values[] = {
        {"DATE '1970-01-01'", "\"1970-01-01\"", "1970-01-01"},
        {"DATE '2024-02-29'", "\"2024-02-29\"", "2024-02-29"},
        {"DATE '1900-03-01'", "\"1900-03-01\"", "1900-03-01"},
        {"DATE '0001-01-01'", "\"0001-01-01\"", "0001-01-01"},
        {"DATE '0001-01-01 (BC)'", "\"0000-01-01\"", "0000-01-01"},
        {"DATE '0002-12-31 (BC)'", "\"-000001-12-31\"", "-000001-12-31"},
        {"DATE '9999-12-31'", "\"9999-12-31\"", "9999-12-31"},
        {"DATE '10000-01-01'", "\"+010000-01-01\"", "+010000-01-01"},
        {"DATE '5877642-06-25 (BC)'", "\"-5877641-06-25\"", "-5877641-06-25"},
        {"DATE '5881580-07-10'", "\"+5881580-07-10\"", "+5881580-07-10"},
        {"DATE 'infinity'", "\"infinity\"", "infinity"},
        {"DATE '-infinity'", "\"-infinity\"", "-infinity"},
        {"TIME '00:00:00'", "\"00:00:00\"", "00:00:00"},
        {"TIME '23:59:59.999999'", "\"23:59:59.999999\"", "23:59:59.999999"},
        {"TIME '24:00:00'", "\"24:00:00\"", "24:00:00"},
        {"'12:34:56.123456789'::TIME_NS", "\"12:34:56.123456789\"", "12:34:56.123456789"},
        {"'12:34:56+05:30'::TIMETZ", "\"12:34:56+05:30\"", "12:34:56+05:30"},
        {"'12:34:56.5-15:59:59'::TIMETZ", "\"12:34:56.5-15:59:59\"", "12:34:56.5-15:59:59"},
        {"'00:00:00+00'::TIMETZ", "\"00:00:00+00:00\"", "00:00:00+00:00"},
        {"TIMESTAMP '2024-02-29 12:00:00.5'", "\"2024-02-29T12:00:00.5\"", "2024-02-29T12:00:00.5"},
        {"TIMESTAMP '1969-12-31 23:59:59.999999'", "\"1969-12-31T23:59:59.999999\"",
         "1969-12-31T23:59:59.999999"},
        {"TIMESTAMP '1677-01-01 00:00:00'", "\"1677-01-01T00:00:00\"", "1677-01-01T00:00:00"},
        {"TIMESTAMP 'infinity'", "\"infinity\"", "infinity"},
        {"'2024-01-01 01:02:03'::TIMESTAMP_S", "\"2024-01-01T01:02:03\"", "2024-01-01T01:02:03"},
        {"'1960-01-01 01:02:03.123'::TIMESTAMP_MS", "\"1960-01-01T01:02:03.123\"",
         "1960-01-01T01:02:03.123"},
        {"'1960-01-01 01:02:03.123456789'::TIMESTAMP_NS", "\"1960-01-01T01:02:03.123456789\"",
         "1960-01-01T01:02:03.123456789"},
        {"TIMESTAMPTZ '2024-01-01 00:00:00+02'", "\"2023-12-31T22:00:00Z\"",
         "2023-12-31T22:00:00Z"},
        {"TIMESTAMPTZ '-infinity'", "\"-infinity\"", "-infinity"},
        {"INTERVAL 0 DAY", "\"PT0S\"", "PT0S"},
        {"INTERVAL '14 months 3 days 04:05:06.7'", "\"P1Y2M3DT4H5M6.7S\"", "P1Y2M3DT4H5M6.7S"},
        {"INTERVAL '-1 month 5 days'", "\"P-1M5D\"", "P-1M5D"},
        {"INTERVAL '-0.5 seconds'", "\"PT-0.5S\"", "PT-0.5S"},
        {"INTERVAL '1 year'", "\"P1Y\"", "P1Y"},
    };

    VALUES_CHECK(*state, values);
}

static void
dates_of_ten_thousand_years_are_those_of_duckdb(void **state)
{
    LH_AUTO_BUF(csv, LH_BUF_UNLIMITED);
    size_t count = 0;
    lh_str rest, line, ours;

    assert_int_equal(answer_make(*state,
                                 "SELECT d::DATE, d::DATE::VARCHAR FROM generate_series(DATE "
                                 "'0001-01-01', DATE '9999-12-31', INTERVAL 13 DAYS) t(d)",
                                 LH_RESULT_CSV, &csv, NULL),
                     LH_OK);
    rest = lh_buf_str(&csv);
    (void)lh_str_cut(&rest, '\n', &line); /* the header */
    for (; lh_str_cut(&rest, '\n', &line); count++) {
        (void)lh_str_cut(&line, ',', &ours);
        assert_true(lh_str_eq(ours, line));
    }
    assert_true(count > 280000);
}

static void
text_is_escaped_for_its_form(void **state)
{
    static const struct value values[] = {
        {"true", "true", "true"},
        {"false", "false", "false"},
        {"NULL", "null", ""},
        {"NULL::VARCHAR", "null", ""},
        {"''", "\"\"", "\"\""},
        {"'plain'", "\"plain\"", "plain"},
        {"'exactly 12 b'", "\"exactly 12 b\"", "exactly 12 b"},
        {"'13 bytes here'", "\"13 bytes here\"", "13 bytes here"},
        {"'a,b'", "\"a,b\"", "\"a,b\""},
        {"'say \"hi\"'", "\"say \\\"hi\\\"\"", "\"say \"\"hi\"\"\""},
        {"'two' || chr(10) || 'lines' || chr(13)", "\"two\\nlines\\r\"", "\"two\nlines\r\""},
        {"chr(9) || chr(1) || '\\'", "\"\\t\\u0001\\\\\"", "\t\x01\\"},
        {"'Łódź 😀'", "\"Łódź 😀\"", "Łódź 😀"},
        {"'ab'::BLOB", "\"YWI=\"", "YWI="},
        {"''::BLOB", "\"\"", "\"\""},
        {"'\\x00\\xFF'::BLOB", "\"AP8=\"", "AP8="},
        {"'0101'::BIT", "\"0101\"", "0101"},
        {"'111111110'::BIT", "\"111111110\"", "111111110"},
        {"'12345678-9abc-def0-1234-56789abcdef0'::UUID", "\"12345678-9abc-def0-1234-56789abcdef0\"",
         "12345678-9abc-def0-1234-56789abcdef0"},
        {"'ffffffff-ffff-ffff-ffff-ffffffffffff'::UUID", "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"",
         "ffffffff-ffff-ffff-ffff-ffffffffffff"},
        {"'b,c'::ENUM('a', 'b,c')", "\"b,c\"", "\"b,c\""},
        {"'{\"a\": [1, 2.50]}'::JSON", "{\"a\": [1, 2.50]}", "\"{\"\"a\"\": [1, 2.50]}\""},
    };

    VALUES_CHECK(*state, values);
}

static void
nested_values_are_json(void **state)
{
    static const struct value values[] = {
        {"[1, NULL, 3]", "[1,null,3]", "\"[1,null,3]\""},
        {"[]::INTEGER[]", "[]", "[]"},
        {"NULL::INTEGER[]", "null", ""},
        {"[[1], [], NULL, [2, NULL]]", "[[1],[],null,[2,null]]", "\"[[1],[],null,[2,null]]\""},
        {"['a\"b', NULL]", "[\"a\\\"b\",null]", "\"[\"\"a\\\"\"b\"\",null]\""},
        {"[1.5, 2.5]::DOUBLE[2]", "[1.5,2.5]", "\"[1.5,2.5]\""},
        {"[[1, 2], [3, 4]]::INTEGER[2][2]", "[[1,2],[3,4]]", "\"[[1,2],[3,4]]\""},
        {"{'a': 1, 'b': {'c': NULL}}", "{\"a\":1,\"b\":{\"c\":null}}",
         "\"{\"\"a\"\":1,\"\"b\"\":{\"\"c\"\":null}}\""},
        {"row(1, 'x')", "[1,\"x\"]", "\"[1,\"\"x\"\"]\""},
        {"NULL::STRUCT(a INTEGER)", "null", ""},
        {"MAP {'k': 1, 'l': NULL}", "{\"k\":1,\"l\":null}", "\"{\"\"k\"\":1,\"\"l\"\":null}\""},
        {"MAP {1: [1], 2: []}", "{\"1\":[1],\"2\":[]}", "\"{\"\"1\"\":[1],\"\"2\"\":[]}\""},
        {"MAP {DATE '2024-01-01': 1}", "{\"2024-01-01\":1}", "\"{\"\"2024-01-01\"\":1}\""},
        {"MAP {}::MAP(VARCHAR, INTEGER)", "{}", "{}"},
        {"union_value(num := 2)", "{\"num\":2}", "\"{\"\"num\"\":2}\""},
        {"'x'::UNION(num INTEGER, str VARCHAR)", "{\"str\":\"x\"}", "\"{\"\"str\"\":\"\"x\"\"}\""},
        {"NULL::UNION(num INTEGER, str VARCHAR)", "null", ""},
        {"[{'a': [MAP {'k': DATE '2024-01-01'}]}]", "[{\"a\":[{\"k\":\"2024-01-01\"}]}]",
         "\"[{\"\"a\"\":[{\"\"k\"\":\"\"2024-01-01\"\"}]}]\""},
        {"['nan'::DOUBLE, 'inf'::DOUBLE]", "[null,null]", "\"[null,null]\""},
    };

    VALUES_CHECK(*state, values);
}

/* ---- whole answers ---- */

static void
answer_is(void **state, const char *sql, enum lh_result_format format, const char *want)
{
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);

    assert_int_equal(answer_make(*state, sql, format, &out, NULL), LH_OK);
    assert_string_equal(lh_buf_cstr(&out), want);
}

static void
json_tells_names_and_types(void **state)
{
    answer_is(state, "SELECT 1 AS a, 'x' AS \"b \"\" c\", 1.5 AS d", LH_RESULT_JSON,
              "\"columns\":[{\"name\":\"a\",\"type\":\"INTEGER\"},{\"name\":\"b \\\" "
              "c\",\"type\":\"VARCHAR\"},{\"name\":\"d\",\"type\":\"DECIMAL(2,1)\"}],\"rows\":[[1,"
              "\"x\",1.5]]");
}

static void
an_answer_without_rows_is_whole(void **state)
{
    answer_is(state, "SELECT 1 AS a WHERE false", LH_RESULT_JSON,
              "\"columns\":[{\"name\":\"a\",\"type\":\"INTEGER\"}],\"rows\":[]");
    answer_is(state, "SELECT 1 AS a WHERE false", LH_RESULT_NDJSON, "");
    answer_is(state, "SELECT 1 AS a WHERE false", LH_RESULT_CSV, "a\n");
}

static void
ndjson_gives_repeated_names_a_number(void **state)
{
    answer_is(state, "SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS a", LH_RESULT_NDJSON,
              "{\"a\":1,\"a_1\":2,\"a_1_1\":3,\"a_2\":4}\n");
}

static void
ndjson_keeps_a_row_on_its_line(void **state)
{
    answer_is(state, "SELECT ('{' || chr(10) || '\"a\": \"x\\ny\"' || chr(13) || '}')::JSON AS j",
              LH_RESULT_NDJSON, "{\"j\":{ \"a\": \"x\\ny\" }}\n");
}

static void
csv_quotes_its_header(void **state)
{
    answer_is(state, "SELECT 1 AS \"a,b\", 2 AS \"c\"\"d\", NULL AS e, '' AS f", LH_RESULT_CSV,
              "\"a,b\",\"c\"\"d\",e,f\n1,2,,\"\"\n");
}

static void
many_chunks_make_one_answer(void **state)
{
    LH_AUTO_BUF(csv, LH_BUF_UNLIMITED);
    LH_AUTO_BUF(json, LH_BUF_UNLIMITED);
    LH_AUTO_JSON rows = NULL;
    const char *sql = "SELECT i, CASE WHEN i % 3 = 0 THEN 'text of row ' || i END AS s, [i, i + 1] "
                      "AS l FROM range(10000) t(i)";

    assert_int_equal(answer_make(*state, sql, LH_RESULT_CSV, &csv, NULL), LH_OK);
    assert_true(lh_str_ends(lh_buf_str(&csv), LH_STR("9999,text of row 9999,\"[9999,10000]\"\n")));
    lh_buf_add_char(&json, '{');
    assert_int_equal(answer_make(*state, sql, LH_RESULT_JSON, &json, NULL), LH_OK);
    lh_buf_add_char(&json, '}');
    assert_int_equal(lh_json_parse(lh_buf_str(&json), &rows, NULL), LH_OK);
    assert_int_equal(json_array_size(json_object_get(rows, "rows")), 10000);
}

static void
a_chunk_may_be_cut_short(void **state)
{
    struct plain *p = *state;
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
    const struct lh_result_sink sink = {bytes_collect, &out};
    LH_AUTO(result_writer) *w = NULL;
    duckdb_result r;
    duckdb_data_chunk chunk;

    assert_int_equal(duckdb_query(p->connection, "SELECT i FROM range(9) t(i)", &r), DuckDBSuccess);
    assert_int_equal(result_writer_new(LH_RESULT_CSV, &r, p->connection, &sink, &w, NULL), LH_OK);
    assert_int_equal(result_writer_begin(w, NULL), LH_OK);
    chunk = duckdb_fetch_chunk(r);
    assert_int_equal(result_writer_chunk(w, chunk, 2, NULL), LH_OK);
    assert_int_equal(result_writer_end(w, NULL), LH_OK);
    duckdb_destroy_data_chunk(&chunk);
    duckdb_destroy_result(&r);
    assert_string_equal(lh_buf_cstr(&out), "i\n0\n1\n");
}

static void
a_type_without_a_form_is_told_with_its_column(void **state)
{
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
    LH_AUTO_ERROR(err);

    assert_int_equal(answer_make(*state, "SELECT 1::VARIANT AS odd", LH_RESULT_JSON, &out, &err),
                     LH_UNSUPPORTED);
    assert_string_equal(err.reason, "sql.type");
    assert_non_null(strstr(err.text, "\"odd\""));
}

static void
a_sink_that_fails_ends_the_answer(void **state)
{
    struct lh_buf small = {.max = 1000};
    LH_AUTO_ERROR(err);

    assert_int_equal(answer_make(*state, "SELECT repeat('x', 100) FROM range(100000)",
                                 LH_RESULT_CSV, &small, &err),
                     LH_TOO_BIG);
    lh_buf_fini(&small);
}

/* ---- names of types ---- */

static void
types_are_named_as_duckdb_names_them(void **state)
{
    static const char *const types[] = {"DECIMAL(10,2)",
                                        "STRUCT(a BIGINT, b VARCHAR[])",
                                        "INTEGER[3][]",
                                        "MAP(VARCHAR, DOUBLE[])",
                                        "UNION(num INTEGER, str VARCHAR)",
                                        "ENUM('a', 'it''s')",
                                        "TIMESTAMP WITH TIME ZONE",
                                        "TIME WITH TIME ZONE",
                                        "TIMESTAMP_NS",
                                        "TIME_NS",
                                        "HUGEINT",
                                        "UHUGEINT",
                                        "BIT",
                                        "BLOB",
                                        "UUID",
                                        "JSON",
                                        "STRUCT(\"two words\" INTEGER)",
                                        "BIGNUM",
                                        "INTERVAL"};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
        LH_AUTO_BUF(want, LH_BUF_UNLIMITED);
        LH_AUTO_CHARS sql = lh_asprintf("SELECT NULL::%s AS v", types[i]);
        size_t at;

        assert_int_equal(answer_make(*state, sql, LH_RESULT_JSON, &out, NULL), LH_OK);
        lh_buf_add_cstr(&want, "\"type\":");
        lh_json_escape(&want, lh_str_of(types[i]));
        if (!lh_str_find(lh_buf_str(&out), lh_buf_str(&want), &at))
            fail_msg("%s: %s", types[i], lh_buf_cstr(&out));
    }
}

/* ---- negotiation ---- */

static void
accept_chooses_the_form(void **state)
{
    static const struct {
        const char *accept;
        bool fits;
        enum lh_result_format format;
    } cases[] = {
        {"", true, LH_RESULT_JSON},
        {"*/*", true, LH_RESULT_JSON},
        {"application/*", true, LH_RESULT_JSON},
        {"text/html,application/xhtml+xml,*/*;q=0.8", true, LH_RESULT_JSON},
        {"application/json", true, LH_RESULT_JSON},
        {"TEXT/CSV", true, LH_RESULT_CSV},
        {"text/csv; charset=utf-8", true, LH_RESULT_CSV},
        {"application/json;q=0.5, text/csv", true, LH_RESULT_CSV},
        {"text/csv;q=0.2, application/x-ndjson ; q=0.9", true, LH_RESULT_NDJSON},
        {"application/vnd.apache.arrow.stream", true, LH_RESULT_ARROW},
        {"application/vnd.apache.parquet", true, LH_RESULT_PARQUET},
        {"text/csv;q=0", false, LH_RESULT_JSON},
        {"text/csv;q=2", false, LH_RESULT_JSON},
        {"image/png", false, LH_RESULT_JSON},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum lh_result_format got = LH_RESULT_JSON;

        assert_int_equal(lh_result_format_choose(lh_str_of(cases[i].accept), &got), cases[i].fits);
        assert_int_equal(got, cases[i].format);
    }
    assert_string_equal(lh_result_content_type(LH_RESULT_NDJSON), "application/x-ndjson");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_numbers_up_to_two_to_the_53),
        cmocka_unit_test(floats_are_shortest_and_nan_is_null),
        cmocka_unit_test(decimals_are_numbers_while_a_double_keeps_them),
        cmocka_unit_test(dates_and_times_are_iso_8601),
        cmocka_unit_test(dates_of_ten_thousand_years_are_those_of_duckdb),
        cmocka_unit_test(text_is_escaped_for_its_form),
        cmocka_unit_test(nested_values_are_json),
        cmocka_unit_test(json_tells_names_and_types),
        cmocka_unit_test(an_answer_without_rows_is_whole),
        cmocka_unit_test(ndjson_gives_repeated_names_a_number),
        cmocka_unit_test(ndjson_keeps_a_row_on_its_line),
        cmocka_unit_test(csv_quotes_its_header),
        cmocka_unit_test(many_chunks_make_one_answer),
        cmocka_unit_test(a_chunk_may_be_cut_short),
        cmocka_unit_test(a_type_without_a_form_is_told_with_its_column),
        cmocka_unit_test(a_sink_that_fails_ends_the_answer),
        cmocka_unit_test(types_are_named_as_duckdb_names_them),
        cmocka_unit_test(accept_chooses_the_form),
    };

    return cmocka_run_group_tests(tests, plain_setup, plain_teardown);
}
