#include "engine/fixture.h"

#include <dirent.h>

#include "engine/connection.h"
#include "engine/convert.h"

#define DATA "tests/data/"
#define VEGA "node_modules/vega-datasets/data/"

struct made {
    struct lh_convert_result result;
    char out[128], rejects[128];
};

static lh_status
convert(struct lake *l, const char *path, const struct lh_convert_options *with, struct made *m,
        struct lh_error *err)
{
    struct lh_convert_options options = with ? *with : (struct lh_convert_options){0};

    (void)snprintf(m->out, sizeof(m->out), "%s/out.parquet", l->folder);
    (void)snprintf(m->rejects, sizeof(m->rejects), "%s/rejects.parquet", l->folder);
    unlink(m->out);
    unlink(m->rejects);
    options.path = path;
    options.file_name = options.file_name ? options.file_name : path;
    options.out_path = m->out;
    options.rejects_path = m->rejects;
    return lh_convert_file(l->work, &l->call, &options, &m->result, err);
}

static const char *
written(struct lake *l, const char *text)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/in.dat", l->folder);
    assert_ok(lh_file_write_atomic(path, lh_str_bytes(lh_str_of(text)), 0600, &err));
    return path;
}

static void
columns_print(const struct lh_convert_result *r, struct lh_buf *out)
{
    lh_buf_clear(out);
    for (size_t i = 0; i < r->column_count; i++)
        lh_buf_printf(out, "%s%s %s", i > 0 ? "; " : "", r->columns[i].name, r->columns[i].type);
}

/* All cells of a statement's result, by '|', rows by line ends. */
static void
query(struct lake *l, struct lh_buf *out, const char *sql)
{
    LH_AUTO(engine_connection) *c = NULL;
    duckdb_result r;

    assert_ok(engine_connection_take(l->work, NULL, &c, &err));
    assert_ok(engine_run(c, sql, &r, &err));
    lh_buf_clear(out);
    for (idx_t row = 0; row < duckdb_row_count(&r); row++) {
        for (idx_t i = 0; i < duckdb_column_count(&r); i++) {
            char *text = duckdb_value_varchar(&r, i, row);
            lh_buf_printf(out, "%s%s", i > 0 ? "|" : "", text ? text : "NULL");
            duckdb_free(text);
        }
        lh_buf_add_char(out, '\n');
    }
    duckdb_destroy_result(&r);
}

static void
expect_rows(struct lake *l, const char *path, const char *rows)
{
    LH_AUTO_CHARS sql =
        lh_asprintf("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet('%s')", path);
    LH_AUTO_BUF(got, LH_BUF_UNLIMITED);

    query(l, &got, sql);
    assert_string_equal(lh_buf_cstr(&got), rows);
}

/* ---- whole files ---- */

static const struct {
    const char *file, *columns;
    uint64_t rows, rejected;
    const char *details; /* found in the details, or NULL */
} samples[] = {
    {"csv/bom_crlf.csv", "id BIGINT; name VARCHAR", 2, 0, "\"encoding\":\"utf-8\""},
    {"csv/utf16le_bom.csv", "id BIGINT; name VARCHAR", 2, 0, "\"encoding\":\"utf-16le\""},
    {"csv/utf16be.csv", "id BIGINT; name VARCHAR", 2, 0, "\"encoding\":\"utf-16be\""},
    {"csv/latin1.csv", "id BIGINT; name VARCHAR", 2, 0, "\"encoding\":\"latin-1\""},
    {"csv/ragged.csv", "a BIGINT; b BIGINT; c BIGINT", 2, 2, NULL},
    {"csv/broken.csv", "a BIGINT; b VARCHAR; c BIGINT", 2, 5, "\"encoding\":\"utf-8\""},
    {"csv/quoted.csv", "a BIGINT; b VARCHAR", 2, 0, NULL},
    {"csv/names_repeated_empty.csv",
     "id BIGINT; ID_2 BIGINT; column_3 BIGINT; name BIGINT; name_2 BIGINT; column_6 BIGINT", 1, 0,
     NULL},
    {"csv/no_header.csv", "column_1 BIGINT; column_2 DOUBLE; column_3 VARCHAR", 2, 0,
     "\"header\":false"},
    {"csv/pipe.csv", "id BIGINT; name VARCHAR", 2, 0, "\"delimiter\":\"|\""},
    {"csv/double_pipe.csv", "a BIGINT; b VARCHAR; c DATE", 2, 0, "\"delimiter\":\"||\""},
    {"csv/double_colon.csv", "a BIGINT; b VARCHAR", 2, 0, "\"delimiter\":\"::\""},
    {"csv/double_tab.tsv", "a BIGINT; b VARCHAR", 2, 0, NULL},
    {"csv/tab.tsv", "a BIGINT; b VARCHAR", 2, 0, "\"delimiter\":\"\\t\""},
    {"csv/comments.csv", "a BIGINT; b BIGINT", 2, 0, "\"comment\":\"#\""},
    {"csv/hash_header.csv", "#id BIGINT; name VARCHAR", 2, 0, "\"comment\":null"},
    {"csv/single.csv", "name VARCHAR", 3, 0, NULL},
    {"csv/single_blanks.csv", "city VARCHAR", 2, 0, NULL},
    {"csv/single_quotes.csv", "a VARCHAR; b BIGINT", 3, 0, "\"quote\":\"'\""},
    {"csv/backslash.csv", "a VARCHAR; b BIGINT", 2, 0, "\"escape\":\"\\\\\""},
    {"csv/cr_only.csv", "a BIGINT; b BIGINT", 2, 0, NULL},
    {"csv/header_only.csv", "a VARCHAR; b VARCHAR; c VARCHAR", 0, 0, NULL},
    {"csv/decimal_comma.csv", "x VARCHAR; y VARCHAR", 2, 0, "\"delimiter\":\";\""},
    {"csv/decimal_comma_no_header.csv", "column_1 VARCHAR; column_2 VARCHAR", 2, 0, NULL},
    {"csv/year_header.csv", "country VARCHAR; 2001 BIGINT; 2002 BIGINT; 2003 BIGINT", 2, 0, NULL},
    {"csv/no_last_line_end.csv", "a BIGINT; b BIGINT", 2, 0, NULL},
    {"csv/null_column.csv", "a BIGINT; b VARCHAR", 2, 0, NULL},
    {"csv/two_members.csv.gz", "a BIGINT; b BIGINT", 2, 0, "\"compression\":\"gzip\""},
    {"csv/ragged.csv.zst", "a BIGINT; b BIGINT; c BIGINT", 2, 2, "\"compression\":\"zstd\""},
    {"csv/typed.csv",
     "i BIGINT; z VARCHAR; f DOUBLE; e VARCHAR; d DATE; bd VARCHAR; b BOOLEAN; B_2 VARCHAR; "
     "t TIMESTAMP; tz TIMESTAMP WITH TIME ZONE; tz2 VARCHAR; neg VARCHAR; big VARCHAR; mix DOUBLE",
     2, 0, NULL},
    {"json/array.json",
     "id BIGINT; name VARCHAR; tags VARCHAR[]; addr STRUCT(city VARCHAR, zip VARCHAR, geo "
     "STRUCT(lat DOUBLE)); extra DOUBLE",
     2, 0, "\"layout\":\"array\""},
    {"json/lines.ndjson", "id VARCHAR; v VARCHAR; d DATE; n VARCHAR", 2, 2, "\"layout\":\"lines\""},
    {"json/object.json", "a BIGINT; b VARCHAR[]; b2 BIGINT[]; s VARCHAR", 1, 0, NULL},
    {"json/scalars.json", "value BIGINT", 3, 0, NULL},
    {"json/mixed.json", "m VARCHAR", 3, 0, NULL},
    {"json/values.json", "a BIGINT; B BOOLEAN", 2, 0, NULL},
    {"json/numbers.json",
     "i BIGINT; big VARCHAR; e DOUBLE; d DOUBLE; long VARCHAR; b BOOLEAN; s VARCHAR; n VARCHAR; "
     "dt VARCHAR; mixed VARCHAR; deep STRUCT(l BIGINT[][], o STRUCT(x VARCHAR))",
     2, 0, NULL},
};

static void
every_sample_has_the_columns_and_rows_it_should(void **state)
{
    struct lake *l = *state;
    LH_AUTO_BUF(columns, LH_BUF_UNLIMITED);

    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        LH_AUTO_CHARS path = lh_asprintf(DATA "%s", samples[i].file);
        LH_AUTO_ERROR(err);
        struct made m;
        if (convert(l, path, NULL, &m, &err) != LH_OK)
            fail_msg("%s: %s: %s", path, err.reason, err.text);
        columns_print(&m.result, &columns);
        if (strcmp(lh_buf_cstr(&columns), samples[i].columns) != 0)
            fail_msg("%s: expected %s\ngot %s", path, samples[i].columns, lh_buf_cstr(&columns));
        if (m.result.rows != samples[i].rows || m.result.rows_rejected != samples[i].rejected)
            fail_msg("%s: %llu rows, %llu rejected", path, (unsigned long long)m.result.rows,
                     (unsigned long long)m.result.rows_rejected);
        if (samples[i].details && !strstr(m.result.details, samples[i].details))
            fail_msg("%s: no %s in %s", path, samples[i].details, m.result.details);
        assert_int_equal(m.result.rows_in, m.result.rows + m.result.rows_rejected);
        lh_convert_result_fini(&m.result);
    }
}

static void
values_arrive_as_they_were_written(void **state)
{
    struct lake *l = *state;
    struct made m;

    assert_ok(convert(l, DATA "csv/quoted.csv", NULL, &m, &err));
    expect_rows(l, m.out, "1|say \"hi\"\n2|line\nbreak\n");
    lh_convert_result_fini(&m.result);
    assert_ok(convert(l, DATA "csv/utf16le_bom.csv", NULL, &m, &err));
    expect_rows(l, m.out, "1|Zoë\n2|x\n");
    lh_convert_result_fini(&m.result);
    assert_ok(convert(l, DATA "csv/latin1.csv", NULL, &m, &err));
    expect_rows(l, m.out, "1|Müller\n2|Café\n");
    lh_convert_result_fini(&m.result);
    assert_ok(convert(l, DATA "json/object.json", NULL, &m, &err));
    expect_rows(l, m.out, "1|[1, 2, '{\"c\":3}']|[1, 2]|é😀\n");
    lh_convert_result_fini(&m.result);
    assert_ok(convert(l, DATA "json/numbers.json", NULL, &m, &err));
    expect_rows(
        l, m.out,
        "1|123456789012345678901|100000.0|0.1|0.12345678901234567890|true|true|42|2024-01-01|"
        "1|{'l': [[1, 2], [3]], 'o': {'x': NULL}}\n"
        "-2|1|2.0|12.5|1.5|false|x|43|2024-02-30|a|{'l': [], 'o': {'x': y}}\n");
    lh_convert_result_fini(&m.result);
}

/* ---- rejects ---- */

static void
rejects_say_line_offset_column_reason_and_text(void **state)
{
    struct lake *l = *state;
    struct made m;

    assert_ok(convert(l, DATA "csv/broken.csv", NULL, &m, &err));
    expect_rows(l, m.rejects,
                "4|16|NULL|too few columns: expected 3, found 2|4,5\n"
                "5|20|NULL|too many columns: expected 3, found 4|6,7,8,9\n"
                "7|29|a|quote is not closed, or text follows the closing quote|\"bad\"q,1,2\n"
                "8|40|NULL|the record is not UTF-8|10,\xEF\xBF\xBD\xEF\xBF\xBD,3\n"
                "9|48|a|quote is not closed, or text follows the closing quote|\"unclosed,1,2\n");
    expect_rows(l, m.out, "1|x\ny|3\n7|8|9\n");
    lh_convert_result_fini(&m.result);
    assert_ok(convert(l, DATA "json/lines.ndjson", NULL, &m, &err));
    expect_rows(l, m.rejects,
                "2|35|NULL|a field name in quotes is expected|{bad}\n"
                "5|88|id|the field stands twice in one object|{\"id\":3,\"id\":4}\n");
    lh_convert_result_fini(&m.result);
}

static void
a_value_that_does_not_cast_rejects_its_row(void **state)
{
    struct lake *l = *state;
    LH_AUTO_JSON types = NULL;
    struct lh_convert_options options = {.file_name = "x.csv"};
    struct made m;

    assert_ok(lh_json_parse(LH_STR("{\"a\":\"DECIMAL(10,2)\",\"b\":\"VARCHAR\",\"c\":\"DATE\"}"),
                            &types, &err));
    options.types = types;
    assert_ok(
        convert(l, written(l, "a,b,c\n1.25,1,2024-1-5\nzz,2,\n3,3,2024-01-06\n1.239,4,\n5,5,no\n"),
                &options, &m, &err));
    expect_rows(l, m.out, "1.25|1|2024-01-05\n3.00|3|2024-01-06\n");
    expect_rows(l, m.rejects,
                "3|22|a|the value does not cast to DECIMAL(10,2)|zz,2,\n"
                "5|43|a|the value does not cast to DECIMAL(10,2)|1.239,4,\n"
                "6|52|c|the value does not cast to DATE|5,5,no\n");
    lh_convert_result_fini(&m.result);
}

static void
objects_are_taken_as_the_text_that_was_asked_for(void **state)
{
    struct lake *l = *state;
    LH_AUTO_JSON types = NULL;
    struct lh_convert_options options = {.file_name = "x.json"};
    struct made m;

    assert_ok(lh_json_parse(LH_STR("{\"a\":\"VARCHAR\",\"b\":\"JSON\"}"), &types, &err));
    options.types = types;
    assert_ok(convert(l,
                      written(l, "[{\"a\":{\"x\":1},\"b\":{\"y\":[2]}},{\"a\":\"s\",\"b\":\"t\"}]"),
                      &options, &m, &err));
    expect_rows(l, m.out, "{\"x\":1}|{\"y\":[2]}\ns|\"t\"\n");
    lh_convert_result_fini(&m.result);
}

static void
wrong_types_are_refused(void **state)
{
    static const char *const wrong[] = {"{\"nope\":\"INTEGER\"}", "{\"a\":\"NOTATYPE\"}",
                                        "{\"a\":\"INT) FROM (SELECT 1\"}", "{\"a\":\"\"}"};
    struct lake *l = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        LH_AUTO_JSON types = NULL;
        struct lh_convert_options options = {.file_name = "x.csv"};
        struct made m;
        assert_ok(lh_json_parse(lh_str_of(wrong[i]), &types, &err));
        options.types = types;
        assert_fails(convert(l, written(l, "a\n1\n"), &options, &m, &err), LH_INVALID,
                     "ingest.types");
        lh_convert_result_fini(&m.result);
    }
}

static void
unreadable_and_unknown_files_are_refused(void **state)
{
    struct lake *l = *state;
    struct lh_convert_options plain = {.file_name = "x"}, csv = {.format = LH_FORMAT_CSV};
    struct made m;

    assert_fails(convert(l, written(l, ""), &plain, &m, &err), LH_INVALID, "ingest.unreadable");
    assert_fails(convert(l, written(l, "\n\n"), &plain, &m, &err), LH_INVALID, "ingest.unreadable");
    assert_fails(convert(l, DATA "json/cut.json", NULL, &m, &err), LH_INVALID, "ingest.unreadable");
    assert_fails(convert(l, written(l, "[]"), &plain, &m, &err), LH_INVALID, "ingest.unreadable");
    assert_fails(convert(l, written(l, "%PDF-1.4"), &plain, &m, &err), LH_UNSUPPORTED,
                 "ingest.unknown_format");
    assert_fails(convert(l, written(l, "%PDF-1.4"), &csv, &m, &err), LH_INVALID,
                 "ingest.unreadable");
    assert_fails(convert(l, written(l, "PAR1 is not enough PAR1"), &plain, &m, &err), LH_INVALID,
                 "ingest.unreadable");
    assert_fails(convert(l, written(l, "\x1F\x8B\x08 damaged"), &plain, &m, &err), LH_INVALID,
                 "ingest.unreadable");
}

/* ---- late surprises ---- */

/* A file of several blocks whose last rows break what the first block promised. */
static void
types_hold_for_the_whole_file_whatever_its_beginning(void **state)
{
    struct lake *l = *state;
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    LH_AUTO_BUF(columns, LH_BUF_UNLIMITED);
    struct lh_convert_options options = {.file_name = "late.csv"};
    struct made m;

    lh_buf_add_cstr(&text, "a,b,c,d\n");
    for (int i = 0; i < 300000; i++)
        lh_buf_printf(&text, "%d,%d,,%d\n", i, i, i);
    lh_buf_add_cstr(&text, "x,1.5,7,8\n9,9\n");
    assert_ok(convert(l, written(l, lh_buf_cstr(&text)), &options, &m, &err));
    columns_print(&m.result, &columns);
    assert_string_equal(lh_buf_cstr(&columns), "a VARCHAR; b DOUBLE; c BIGINT; d BIGINT");
    assert_int_equal(m.result.rows, 300001);
    assert_int_equal(m.result.rows_rejected, 1);
    assert_int_equal(m.result.columns[2].null_count, 300000);
    lh_buf_clear(&text);
    lh_buf_printf(&text,
                  "SELECT count(*) FROM (SELECT d, row_number() OVER () - 1 AS n FROM "
                  "read_parquet('%s')) WHERE d <> n AND n < 300000",
                  m.out);
    query(l, &columns, lh_buf_cstr(&text));
    assert_string_equal(lh_buf_cstr(&columns), "0\n"); /* the order of the file */
    lh_convert_result_fini(&m.result);
}

static void
a_field_that_comes_late_is_a_column_too(void **state)
{
    struct lake *l = *state;
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    LH_AUTO_BUF(columns, LH_BUF_UNLIMITED);
    struct lh_convert_options options = {.file_name = "late.json"};
    struct made m;

    lh_buf_add_cstr(&text, "[");
    for (int i = 0; i < 300000; i++)
        lh_buf_printf(&text, "{\"a\":%d},\n", i);
    lh_buf_add_cstr(&text, "{\"b\":[{\"q\":1}],\"a\":-1}]");
    assert_ok(convert(l, written(l, lh_buf_cstr(&text)), &options, &m, &err));
    columns_print(&m.result, &columns);
    assert_string_equal(lh_buf_cstr(&columns), "a BIGINT; b STRUCT(q BIGINT)[]");
    assert_int_equal(m.result.rows, 300001);
    lh_convert_result_fini(&m.result);
}

/* Quoted line ends in every tenth record, blocks cut between them. */
static void
records_are_counted_right_across_blocks(void **state)
{
    struct lake *l = *state;
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    struct lh_convert_options options = {.file_name = "blocks.csv"};
    struct made m;

    lh_buf_add_cstr(&text, "a,b,c\n");
    for (int i = 0; i < 400000; i++) {
        if (i % 100000 == 7)
            lh_buf_printf(&text, "%d,only two\n", i);
        else
            lh_buf_printf(&text,
                          i % 10 ? "%d,hello \"you\",z\n" : "%d,\"multi\nline, \"\"x\"\"\",z\n", i);
    }
    assert_ok(convert(l, written(l, lh_buf_cstr(&text)), &options, &m, &err));
    assert_int_equal(m.result.rows_in, 400000);
    assert_int_equal(m.result.rows_rejected, 4);
    lh_buf_clear(&text);
    lh_buf_printf(&text, "SELECT line, raw FROM read_parquet('%s')", m.rejects);
    {
        LH_AUTO_BUF(got, LH_BUF_UNLIMITED);
        query(l, &got, lh_buf_cstr(&text));
        assert_string_equal(lh_buf_cstr(&got), "10|7,only two\n110010|100007,only two\n"
                                               "220010|200007,only two\n330010|300007,only two\n");
    }
    lh_convert_result_fini(&m.result);
}

/* ---- targets, previews, NULLs ---- */

static void
a_target_keeps_its_types_where_every_value_fits(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    static const char *const types[] = {"DOUBLE", "VARCHAR", "INTEGER", "BIGINT"};
    struct lake *l = *state;
    LH_AUTO_BUF(columns, LH_BUF_UNLIMITED);
    struct lh_convert_options options = {
        .file_name = "x.csv", .want_names = names, .want_types = types, .want_count = 4};
    struct made m;

    assert_ok(convert(l, written(l, "a,b,c,d\n1,2,3,x\n4,5,6,y\n"), &options, &m, &err));
    columns_print(&m.result, &columns);
    assert_string_equal(lh_buf_cstr(&columns), "a DOUBLE; b VARCHAR; c INTEGER; d VARCHAR");
    lh_convert_result_fini(&m.result);
    assert_ok(convert(l, written(l, "a,b,c,d\nx,2,3000000000,\n"), &options, &m, &err));
    columns_print(&m.result, &columns);
    assert_string_equal(lh_buf_cstr(&columns), "a VARCHAR; b VARCHAR; c BIGINT; d BIGINT");
    lh_convert_result_fini(&m.result);
}

static void
a_preview_writes_nothing_and_shows_rows(void **state)
{
    struct lake *l = *state;
    struct lh_convert_options options = {.file_name = "x.csv", .is_preview = true};
    struct made m;

    assert_ok(convert(l, written(l, "a,b\n1,x\n2,y\n3\n"), &options, &m, &err));
    assert_int_equal(m.result.rows, 2);
    assert_int_equal(m.result.rows_rejected, 1);
    assert_string_equal(m.result.sample, "[{\"a\":1,\"b\":\"x\"},{\"a\":2,\"b\":\"y\"}]");
    assert_int_not_equal(access(m.out, F_OK), 0);
    assert_int_not_equal(access(m.rejects, F_OK), 0);
    lh_convert_result_fini(&m.result);
}

static void
declared_texts_are_null(void **state)
{
    static const char *const nulls[] = {"NA", "-"};
    struct lake *l = *state;
    struct lh_convert_options options = {.file_name = "x.csv", .nulls = nulls, .null_count = 2};
    struct made m;

    assert_ok(convert(l, written(l, "a,b\n1,NA\nNA,x\n-,\"\"\n"), &options, &m, &err));
    expect_rows(l, m.out, "1|NULL\nNULL|x\nNULL|NULL\n");
    assert_string_equal(m.result.columns[0].type, "BIGINT");
    lh_convert_result_fini(&m.result);
}

/* ---- Parquet ---- */

static void
good_parquet_is_adopted_and_odd_names_are_rewritten(void **state)
{
    struct lake *l = *state;
    LH_AUTO_CHARS path = lh_asprintf("%s/in.parquet", l->folder);
    LH_AUTO_CHARS good =
        lh_asprintf("COPY (SELECT range AS a, 'x' AS b, [1] AS c FROM range(1000)) TO '%s'", path);
    LH_AUTO_CHARS odd = lh_asprintf("COPY (SELECT 1 AS \" a\", 2 AS b) TO '%s'", path);
    struct made m;

    lake_run(l, good);
    assert_ok(convert(l, path, NULL, &m, &err));
    assert_true(m.result.is_adopted);
    assert_int_equal(m.result.rows_in, 1000);
    assert_string_equal(m.result.columns[0].max, "999");
    lh_convert_result_fini(&m.result);
    lake_run(l, odd);
    assert_ok(convert(l, path, NULL, &m, &err));
    assert_false(m.result.is_adopted);
    assert_string_equal(m.result.columns[0].name, "a");
    expect_rows(l, m.out, "1|2\n");
    lh_convert_result_fini(&m.result);
}

static void
damaged_parquet_is_refused(void **state)
{
    struct lake *l = *state;
    LH_AUTO_CHARS path = lh_asprintf("%s/in.parquet", l->folder);
    LH_AUTO_CHARS sql = lh_asprintf("COPY (SELECT range AS a, md5(range::VARCHAR) AS b FROM "
                                    "range(10000)) TO '%s' (COMPRESSION zstd)",
                                    path);
    LH_AUTO_BUF(bytes, LH_BUF_UNLIMITED);
    struct made m;

    lake_run(l, sql);
    assert_ok(lh_file_read(path, (size_t)1 << 26, &bytes, &err));
    memset(bytes.data + 4, 0x55, 100);
    assert_ok(lh_file_write_atomic(path, lh_buf_bytes(&bytes), 0600, &err));
    assert_fails(convert(l, path, NULL, &m, &err), LH_INVALID, "ingest.unreadable");
    lh_convert_result_fini(&m.result);
    assert_ok(lh_file_write_atomic(path, lh_bytes_of(bytes.data, bytes.len / 2), 0600, &err));
    assert_fails(convert(l, path, NULL, &m, &err), LH_INVALID, "ingest.unreadable");
    lh_convert_result_fini(&m.result);
}

/* ---- real files against DuckDB's own reading ---- */

static void
csv_compare(struct lake *l, const char *path, const struct made *m)
{
    LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);
    LH_AUTO_BUF(got, LH_BUF_UNLIMITED);

    lh_buf_add_cstr(&sql, "SELECT count(*), count(*) FILTER (false");
    for (size_t i = 0; i < m->result.column_count; i++) {
        lh_buf_add_cstr(&sql, " OR a.");
        engine_quote_name(&sql, lh_str_of(m->result.columns[i].name));
        lh_buf_add_cstr(&sql, " IS DISTINCT FROM CAST(b.");
        engine_quote_name(&sql, lh_str_of(m->result.columns[i].name));
        lh_buf_printf(&sql, " AS %s)", m->result.columns[i].type);
    }
    lh_buf_printf(&sql,
                  ") FROM read_parquet('%s') a POSITIONAL JOIN read_csv('%s', all_varchar = true, "
                  "header = true) b",
                  m->out, path);
    query(l, &got, lh_buf_cstr(&sql));
    LH_AUTO_CHARS want = lh_asprintf("%llu|0\n", (unsigned long long)m->result.rows_in);
    if (strcmp(lh_buf_cstr(&got), want) != 0)
        fail_msg("%s: rows and differences %s", path, lh_buf_cstr(&got));
}

static void
json_compare(struct lake *l, const char *path, const struct made *m)
{
    LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);
    LH_AUTO_BUF(got, LH_BUF_UNLIMITED);

    if (!strstr(m->result.details, "\"layout\":\"array\""))
        return;
    lh_buf_add_cstr(&sql, "SELECT count(*), count(*) FILTER (false");
    for (size_t i = 0; i < m->result.column_count; i++) {
        const struct lh_convert_column *c = &m->result.columns[i];
        LH_AUTO_BUF(json_path, 1024);
        if (strchr(c->type, '[') || strchr(c->type, '('))
            continue;
        lh_buf_printf(&json_path, "$.\"%s\"", c->name);
        lh_buf_add_cstr(&sql, " OR (a.");
        engine_quote_name(&sql, lh_str_of(c->name));
        lh_buf_printf(&sql, " IS DISTINCT FROM CAST(b.json ->> ");
        engine_quote_literal(&sql, lh_buf_str(&json_path));
        lh_buf_printf(&sql, " AS %s) AND TRY_CAST(a.", c->type);
        engine_quote_name(&sql, lh_str_of(c->name));
        lh_buf_add_cstr(&sql, " AS DOUBLE) IS DISTINCT FROM TRY_CAST(b.json ->> ");
        engine_quote_literal(&sql, lh_buf_str(&json_path));
        lh_buf_add_cstr(&sql, " AS DOUBLE))");
    }
    lh_buf_printf(&sql,
                  ") FROM read_parquet('%s') a POSITIONAL JOIN read_json_objects('%s', format = "
                  "'array') b",
                  m->out, path);
    query(l, &got, lh_buf_cstr(&sql));
    LH_AUTO_CHARS want = lh_asprintf("%llu|0\n", (unsigned long long)m->result.rows_in);
    if (strcmp(lh_buf_cstr(&got), want) != 0)
        fail_msg("%s: rows and differences %s", path, lh_buf_cstr(&got));
}

static void
real_files_say_what_duckdb_reads_in_them(void **state)
{
    struct lake *l = *state;
    DIR *folder = opendir(VEGA);
    size_t files = 0;

    assert_non_null(folder);
    for (struct dirent *e; (e = readdir(folder)) != NULL;) {
        const char *dot = strrchr(e->d_name, '.');
        bool is_csv = dot && (strcmp(dot, ".csv") == 0 || strcmp(dot, ".tsv") == 0);
        bool is_json = dot && strcmp(dot, ".json") == 0;
        LH_AUTO_CHARS path = lh_asprintf(VEGA "%s", e->d_name);
        LH_AUTO_ERROR(err);
        struct made m;
        if (!is_csv && !is_json)
            continue;
        if (convert(l, path, NULL, &m, &err) != LH_OK)
            fail_msg("%s: %s: %s", path, err.reason, err.text);
        assert_int_equal(m.result.rows_rejected, 0);
        assert_int_equal(m.result.rows_in, m.result.rows);
        if (is_csv)
            csv_compare(l, path, &m);
        else
            json_compare(l, path, &m);
        lh_convert_result_fini(&m.result);
        files++;
    }
    closedir(folder);
    assert_true(files > 50);
}

/* ---- merging ---- */

static void
an_upsert_replaces_by_key_and_the_last_row_wins(void **state)
{
    static const char *const names[] = {"id", "v", "w"};
    static const char *const types[] = {"BIGINT", "VARCHAR", "DOUBLE"};
    struct lake *l = *state;
    const char *old_uri = "lake://primary/_data/m/1.parquet";
    struct lh_merge_options options = {.old = {.uris = &old_uri, .uri_count = 1},
                                       .key_column = "id",
                                       .column_names = names,
                                       .column_types = types,
                                       .column_count = 3};
    struct lh_convert_options csv = {.file_name = "x.csv"};
    LH_AUTO_CHARS out = lh_asprintf("%s/merged.parquet", l->folder);
    struct lh_convert_result merged;
    struct made m;

    lake_put(l, "_data/m/1.parquet",
             "SELECT * FROM (VALUES (1::BIGINT, 'a'), (2, 'b'), (3, 'c')) t(id, v)");
    assert_ok(convert(l, written(l, "id,w,v\n2,1.5,x\n4,2.5,y\n2,3.5,z\n"), &csv, &m, &err));
    options.new_path = m.out;
    options.out_path = out;
    assert_ok(lh_merge_files(l->work, &l->call, &options, &merged, &err));
    expect_rows(l, out, "1|a|NULL\n3|c|NULL\n4|y|2.5\n2|z|3.5\n");
    lh_convert_result_fini(&merged);
    options.key_column = NULL;
    assert_ok(lh_merge_files(l->work, &l->call, &options, &merged, &err));
    assert_int_equal(merged.rows, 6);
    lh_convert_result_fini(&merged);
    lh_convert_result_fini(&m.result);
    options.key_column = "id";
    assert_ok(convert(l, written(l, "id,v\n1,a\n,b\n"), &csv, &m, &err));
    assert_fails(lh_merge_files(l->work, &l->call, &options, &merged, &err), LH_INVALID,
                 "ingest.key");
    lh_convert_result_fini(&merged);
    lh_convert_result_fini(&m.result);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_has_the_columns_and_rows_it_should),
        cmocka_unit_test(values_arrive_as_they_were_written),
        cmocka_unit_test(rejects_say_line_offset_column_reason_and_text),
        cmocka_unit_test(a_value_that_does_not_cast_rejects_its_row),
        cmocka_unit_test(objects_are_taken_as_the_text_that_was_asked_for),
        cmocka_unit_test(wrong_types_are_refused),
        cmocka_unit_test(unreadable_and_unknown_files_are_refused),
        cmocka_unit_test(types_hold_for_the_whole_file_whatever_its_beginning),
        cmocka_unit_test(a_field_that_comes_late_is_a_column_too),
        cmocka_unit_test(records_are_counted_right_across_blocks),
        cmocka_unit_test(a_target_keeps_its_types_where_every_value_fits),
        cmocka_unit_test(a_preview_writes_nothing_and_shows_rows),
        cmocka_unit_test(declared_texts_are_null),
        cmocka_unit_test(good_parquet_is_adopted_and_odd_names_are_rewritten),
        cmocka_unit_test(damaged_parquet_is_refused),
        cmocka_unit_test(real_files_say_what_duckdb_reads_in_them),
        cmocka_unit_test(an_upsert_replaces_by_key_and_the_last_row_wins),
    };

    return cmocka_run_group_tests_name("convert", tests, lake_setup, lake_teardown);
}
