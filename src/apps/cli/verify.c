/*
 * lakehouse verify: storaged and catalogd read everything again (POST /v1/storage/verify,
 * /v1/catalog/verify), and this shows what they found.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apps/cli/lake.h"
#include "apps/cli/progress.h"
#include "apps/cli/table.h"

#define LINE_BYTES_MAX ((size_t)1 << 20)

struct verify {
    struct cli_common common;
    bool deep;
    const char *format;
    struct lh_buf line;
    json_t *differences;
    int64_t objects, bytes, elapsed_ms;
    bool is_over; /* the last line has come */
    struct lh_error error;
    bool is_terminal;
};

static void
progress_show(const struct verify *v, const json_t *p)
{
    char size[CLI_SIZE_TEXT];

    if (!v->is_terminal)
        return;
    fprintf(
        stderr, "\r\033[K%lld objects  %s  %zu differences",
        (long long)(v->objects + json_integer_value(json_object_get(p, "objects"))),
        cli_size_text((uint64_t)(v->bytes + json_integer_value(json_object_get(p, "bytes"))), size),
        json_array_size(v->differences));
    fflush(stderr);
}

static void
checked_take(struct verify *v, const json_t *checked)
{
    v->objects += json_integer_value(json_object_get(checked, "objects"));
    v->bytes += json_integer_value(json_object_get(checked, "bytes"));
    v->elapsed_ms += json_integer_value(json_object_get(checked, "elapsed_ms"));
    v->is_over = true;
}

static lh_status
line_take(struct verify *v, lh_str line, struct lh_error *err)
{
    LH_AUTO_JSON value = NULL;
    json_t *difference, *error;

    LH_TRY(lh_json_parse(line, &value, err));
    difference = json_object_get(value, "difference");
    error = json_object_get(value, "error");
    if (difference)
        json_array_append(v->differences, difference);
    if (json_object_get(value, "progress"))
        progress_show(v, json_object_get(value, "progress"));
    if (json_object_get(value, "checked"))
        checked_take(v, json_object_get(value, "checked"));
    if (error)
        (void)lh_fail(&v->error, LH_UNAVAILABLE, "cli.verify", "%s (%s)",
                      json_string_value(json_object_get(error, "detail")),
                      json_string_value(json_object_get(error, "code")));
    return LH_OK;
}

static lh_status
lines_take(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct verify *v = self;
    size_t end;

    lh_buf_add(&v->line, bytes.ptr, bytes.len);
    LH_TRY(lh_buf_check(&v->line, "a line of the answer", err));
    while (lh_str_find_char(lh_buf_str(&v->line), '\n', &end)) {
        LH_TRY(line_take(v, lh_str_slice(lh_buf_str(&v->line), 0, end), err));
        lh_buf_drop_front(&v->line, end + 1);
    }
    return LH_OK;
}

static lh_status
ask(struct verify *v, struct cli_lake *lake, const char *path, struct lh_error *err)
{
    struct cli_request request = {
        .method = LH_POST,
        .path = path,
        .accept = "application/x-ndjson",
        .body = lh_str_bytes(v->deep ? LH_STR("{\"deep\":true}") : LH_STR("{}")),
    };

    v->is_over = false;
    lh_buf_clear(&v->line);
    LH_TRY(cli_lake_stream(lake, &request, lines_take, v, err));
    if (v->error.status != LH_OK) {
        lh_error_copy(err, &v->error);
        return err->status;
    }
    return v->is_over ? LH_OK
                      : lh_fail(err, LH_UNAVAILABLE, "cli.broken_off", "the answer broke off");
}

static void
json_print(const struct verify *v)
{
    LH_AUTO_BUF(out, LH_BUF_UNLIMITED);
    struct lh_json_writer w = lh_json_writer_over(&out);

    lh_json_object_begin(&w);
    lh_json_key(&w, "differences");
    lh_json_put_value(&w, v->differences);
    lh_json_set_i64(&w, "objects", v->objects);
    lh_json_set_i64(&w, "bytes", v->bytes);
    lh_json_set_i64(&w, "elapsed_ms", v->elapsed_ms);
    lh_json_object_end(&w);
    puts(lh_buf_cstr(&out));
}

static void
result_print(const struct verify *v)
{
    static const char *const columns[] = {"bucket", "key", "what", "expected", "found", NULL};
    enum cli_output form = cli_output_choose(&v->common);
    size_t count = json_array_size(v->differences);

    if (v->is_terminal)
        fputs("\r\033[K", stderr);
    if (form == CLI_JSON) {
        json_print(v);
        return;
    }
    if (count > 0)
        cli_objects_print(columns, v->differences, form);
    fprintf(stderr, "%lld objects looked at%s, %zu differences, %.1f s\n", (long long)v->objects,
            v->deep ? ", every byte of them" : "", count, (double)v->elapsed_ms / 1000);
}

static int
verify_with(struct verify *v)
{
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_ERROR(err);
    lh_status status = cli_lake_open(&v->common, CLI_LAKE_READS, &lake, &err);

    if (status != LH_OK)
        return cli_fail(&err);
    cli_lake_interruptible(lake);
    v->is_terminal = isatty(STDERR_FILENO) == 1;
    status = ask(v, lake, "/v1/storage/verify", &err);
    if (status == LH_OK)
        status = ask(v, lake, "/v1/catalog/verify", &err);
    if (status != LH_OK)
        return cli_fail(&err);
    result_print(v);
    return json_array_size(v->differences) > 0 ? CLI_REFUSED : CLI_DONE;
}

static bool
format_take(struct verify *v)
{
    static const char *const names[] = {"table", "json", "csv", "ndjson"};

    for (int i = 0; v->format && i < 4; i++)
        if (strcmp(v->format, names[i]) == 0) {
            v->common.output = (enum cli_output)i;
            v->common.has_output = true;
            return true;
        }
    return !v->format;
}

static int
verify_run(int argc, char **argv)
{
    struct verify v = {0};
    const struct cli_option own[] = {
        {"deep", NULL, &v.deep}, {"format", &v.format, NULL}, {NULL, NULL, NULL}};
    int count = argc, code;

    if (!cli_options_take(&cli_verb_verify, own, &count, argv, &v.common))
        return CLI_USAGE;
    if (count > 0)
        return cli_usage(&cli_verb_verify, "\"%s\" is one argument too many", argv[1]);
    if (!format_take(&v))
        return cli_usage(&cli_verb_verify, "--format is table, json, csv or ndjson");
    lh_buf_init(&v.line, LINE_BYTES_MAX);
    v.differences = json_array();
    code = verify_with(&v);
    json_decref(v.differences);
    lh_buf_fini(&v.line);
    lh_error_clear(&v.error);
    return code;
}

const struct cli_verb cli_verb_verify = {
    .name = "verify",
    .usage = "[--deep] [--format table|json|csv|ndjson]",
    .summary = "read everything again and tell every difference",
    .help =
        "Reads manifests, objects, Parquet footers, append logs, records of buckets, leases and\n"
        "the copies in rescue buckets again, straight from the buckets, and prints a row for\n"
        "everything that is not as it was written down.\n\n"
        "  --deep          also hash every byte of every object\n"
        "  --format FORM   like --output\n\n"
        "The exit code is 1 when there is any difference.\n\n"
        "  lakehouse verify\n"
        "  lakehouse verify --deep --format json > report.json\n",
    .run = verify_run,
};
