#include "apps/cli/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"

#define SQL_FILE_MAX ((size_t)1 << 20)
#define TABLE_ROWS_DEFAULT "200"

static lh_status
body_print(lh_str sql, const struct cli_sql_options *options, struct lh_buf *body,
           struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(body);
    int64_t number;
    lh_json_object_begin(&w);
    lh_json_set_str(&w, "sql", sql);
    if (options->params) {
        lh_json_key(&w, "params");
        lh_json_put_value(&w, options->params);
    }
    const char *limit = options->limit;
    if (!limit && options->form == CLI_TABLE)
        limit = TABLE_ROWS_DEFAULT;
    if (limit) {
        if (!lh_str_i64(lh_str_of(limit), &number))
            return lh_fail(err, LH_INVALID, "cli.limit", "--limit is a number, not \"%s\"", limit);
        lh_json_set_i64(&w, "limit", number);
    }
    if (options->timeout) {
        if (!lh_duration_parse_ms(lh_str_of(options->timeout), &number))
            return lh_fail(err, LH_INVALID, "cli.timeout",
                           "--timeout is a duration such as 30s, not \"%s\"", options->timeout);
        lh_json_set_i64(&w, "timeout_ms", number);
    }
    lh_json_object_end(&w);
    return lh_buf_check(body, "the statement", err);
}

static lh_status
stdout_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    (void)self;
    if (fwrite(bytes.ptr, 1, bytes.len, stdout) == bytes.len)
        return LH_OK;
    /* A closed pipe (`| head`) is no failure worth words. */
    return lh_fail(err, LH_CANCELED, "cli.output_closed", "standard output was closed");
}

static bool
type_is_number(const char *type)
{
    static const char *const numbers[] = {
        "TINYINT",  "SMALLINT", "INTEGER",  "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT",
        "UINTEGER", "UBIGINT",  "UHUGEINT", "FLOAT",  "DOUBLE",  "BIGNUM"};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (strcmp(type, numbers[i]) == 0)
            return true;
    return strncmp(type, "DECIMAL", 7) == 0;
}

static lh_status
table_show(const json_t *answer, const struct cli_sql_options *options, struct lh_error *err)
{
    LH_AUTO_ARENA(arena);
    json_t *columns = json_object_get(answer, "columns");
    json_t *rows = json_object_get(answer, "rows");
    size_t count = json_array_size(columns);
    if (!json_is_array(columns) || !json_is_array(rows))
        return lh_fail(err, LH_UNAVAILABLE, "cli.answer", "the answer has no rows");
    struct cli_column *heads = lh_arena_array(&arena, count + 1, sizeof(*heads));
    for (size_t c = 0; c < count; c++) {
        json_t *column = json_array_get(columns, c);
        const char *type = json_string_value(json_object_get(column, "type"));
        heads[c].name = lh_str_of(json_string_value(json_object_get(column, "name")));
        heads[c].is_number = type && type_is_number(type);
    }
    size_t width = cli_terminal_width();
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
    cli_table_print(heads, count, rows, width, width > 0, &out);
    fwrite(out.data, 1, out.len, stdout);
    printf("%zu row%s%s", json_array_size(rows), json_array_size(rows) == 1 ? "" : "s",
           json_is_true(json_object_get(answer, "truncated")) ? ", more exist (--limit)" : "");
    if (options->shows_timing)
        printf(", %.1f ms", json_number_value(json_object_get(answer, "elapsed_ms")));
    putchar('\n');
    return LH_OK;
}

lh_status
cli_sql_run(struct cli_lake *lake, lh_str sql, const struct cli_sql_options *options,
            struct lh_error *err)
{
    static const char *const accepts[] = {"application/json", "application/json", "text/csv",
                                          "application/x-ndjson"};
    LH_AUTO_BUF(body, SQL_FILE_MAX * 4);
    LH_TRY(body_print(sql, options, &body, err));
    struct cli_request request = {.method = LH_POST,
                                  .path = "/v1/sql",
                                  .accept = accepts[options->form],
                                  .body = lh_buf_bytes(&body)};
    if (options->form != CLI_TABLE) {
        LH_TRY(cli_lake_stream(lake, &request, stdout_write, NULL, err));
        if (options->form == CLI_JSON)
            putchar('\n');
        return LH_OK;
    }
    LH_AUTO_BUF(text, (size_t)1 << 30);
    LH_AUTO_JSON answer = NULL;
    LH_TRY(cli_lake_send(lake, &request, &text, err));
    LH_TRY(lh_json_parse(lh_buf_str(&text), &answer, err));
    return table_show(answer, options, err);
}

void
cli_sql_error_print(lh_str sql, const struct lh_error *err)
{
    fprintf(stderr, "lakehouse: %s (%s)\n", err->text, err->reason);
    LH_AUTO_ERROR(ignored);
    LH_AUTO_JSON extra = NULL;
    if (!err->extra || lh_json_parse(lh_str_of(err->extra), &extra, &ignored) != LH_OK)
        return;
    json_int_t line = json_integer_value(json_object_get(extra, "line"));
    json_int_t column = json_integer_value(json_object_get(extra, "column"));
    lh_str text = {0};
    for (json_int_t i = 0; i < line; i++)
        if (!lh_str_next(&sql, '\n', &text))
            return;
    if (line < 1 || column < 1 || (size_t)column > text.len + 1)
        return;
    fprintf(stderr, "  %.*s\n  %*s^\n", LH_FMT(text), (int)column - 1, "");
}

/* ---- the verb ---- */

static lh_status
statement_read(const char *path, struct lh_buf *sql, struct lh_error *err)
{
    if (strcmp(path, "-") != 0)
        return lh_file_read(path, sql->max, sql, err);
    for (;;) {
        uint8_t *room = lh_buf_reserve(sql, 65536);
        if (!room)
            return lh_buf_check(sql, "the statement", err);
        ssize_t n = read(STDIN_FILENO, room, 65536);
        if (n < 0)
            return lh_fail(err, LH_IO, "cli.input", "standard input cannot be read");
        if (n == 0)
            return LH_OK;
        lh_buf_advance(sql, (size_t)n);
    }
}

static int
once(struct cli_lake *lake, lh_str sql, const struct cli_sql_options *options)
{
    LH_AUTO_ERROR(err);
    if (cli_sql_run(lake, sql, options, &err) == LH_OK)
        return CLI_DONE;
    if (lh_error_is(&err, "cli.output_closed"))
        return CLI_DONE;
    cli_sql_error_print(sql, &err);
    if (err.status == LH_CANCELED)
        return CLI_INTERRUPTED;
    return err.status == LH_NOT_FOUND     ? CLI_NOT_FOUND
           : err.status == LH_UNAVAILABLE ? CLI_UNREACHABLE
                                          : CLI_REFUSED;
}

static int
sql_run(int argc, char **argv)
{
    struct cli_common common;
    struct cli_sql_options options = {0};
    const char *file = NULL, *params = NULL;
    const struct cli_option own[] = {{"file", &file, NULL},
                                     {"params", &params, NULL},
                                     {"limit", &options.limit, NULL},
                                     {"timeout", &options.timeout, NULL},
                                     {"timing", NULL, &options.shows_timing},
                                     {0}};
    static char long_form[] = "--file";
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-f") == 0)
            argv[i] = long_form;
    if (!cli_options_take(&cli_verb_sql, own, &argc, argv, &common))
        return CLI_USAGE;
    if (argc > 1 || (argc == 1 && file))
        return cli_usage(&cli_verb_sql, "give one statement, or -f FILE");
    LH_AUTO_ERROR(err);
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_JSON values = NULL;
    LH_AUTO_BUF(sql, SQL_FILE_MAX);
    if (params && lh_json_parse(lh_str_of(params), &values, &err) != LH_OK)
        return cli_usage(&cli_verb_sql, "--params is a JSON array or object: %s", err.text);
    options.params = values;
    options.form = cli_output_choose(&common);
    bool is_interactive = argc == 0 && !file && isatty(STDIN_FILENO);
    if (file || (argc == 0 && !is_interactive)) {
        if (statement_read(file ? file : "-", &sql, &err) != LH_OK)
            return cli_fail(&err);
    } else if (argc == 1)
        lh_buf_add_cstr(&sql, argv[1]);
    if (cli_lake_open(&common, CLI_LAKE_READS, &lake, &err) != LH_OK)
        return cli_fail(&err);
    cli_lake_interruptible(lake);
    return is_interactive ? cli_repl_run(lake, &options) : once(lake, lh_buf_str(&sql), &options);
}

const struct cli_verb cli_verb_sql = {
    "sql", "[STATEMENT | -f FILE] [options]", "ask in SQL; interactive without a statement",
    "  -f, --file FILE    read the statement from a file (- is standard input)\n"
    "  --params JSON      values for ?, $1 or $name: '[1, \"x\"]' or '{\"city\": \"Rome\"}'\n"
    "  --limit N          at most N rows (a table shows 200 unless told)\n"
    "  --timeout TIME     give up after 500ms, 30s, 5m …\n"
    "  --timing           show how long it took\n\n"
    "DuckDB's SQL, reading only. Old versions are tables too:\n\n"
    "  lakehouse sql 'SELECT role, count(*) FROM workers GROUP BY ALL'\n"
    "  lakehouse sql 'SELECT * FROM workers EXCEPT SELECT * FROM \"workers@1\"'\n"
    "  lakehouse sql --output csv -f report.sql > report.csv\n"
    "  lakehouse sql                      (interactive; \\? for help)\n",
    sql_run};
