/* The verbs that look at the catalog and the state of the house: small questions with one answer
 * each. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apps/cli/lake.h"
#include "apps/cli/table.h"
#include "base/encoding.h"
#include "base/time.h"

/* A path with one percent-encoded part. */
static void
path_print(struct lh_buf *path, const char *before, const char *part, const char *after)
{
    lh_buf_add_cstr(path, before);
    lh_percent_encode(path, lh_str_of(part), false);
    lh_buf_add_cstr(path, after);
}

/* Reads every page of a list and returns its items in one array. Caller json_decref. */
static lh_status
list_read(struct cli_lake *lake, const char *path, const char *member, json_t **out,
          struct lh_error *err)
{
    LH_AUTO_JSON all = json_array();
    LH_AUTO_BUF(page, 64 << 10);
    lh_buf_add_cstr(&page, path);
    for (;;) {
        LH_AUTO_JSON answer = NULL;
        LH_TRY(cli_lake_json(lake, LH_GET, lh_buf_cstr(&page), NULL, &answer, err));
        json_t *items = json_object_get(answer, member);
        if (!json_is_array(items))
            return lh_fail(err, LH_UNAVAILABLE, "cli.answer", "the answer has no list \"%s\"",
                           member);
        json_array_extend(all, items);
        const char *cursor = json_string_value(json_object_get(answer, "next_cursor"));
        if (!cursor)
            break;
        lh_buf_clear(&page);
        lh_buf_printf(&page, "%s%ccursor=", path, strchr(path, '?') ? '&' : '?');
        lh_percent_encode(&page, lh_str_of(cursor), false);
    }
    *out = lh_take(all);
    return LH_OK;
}

/* A verb that prints one list. */
static int
list_run(const struct cli_common *common, const char *path, const char *member,
         const char *const *columns)
{
    LH_AUTO_ERROR(err);
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_JSON items = NULL;
    if (cli_lake_open(common, CLI_LAKE_READS, &lake, &err) != LH_OK ||
        list_read(lake, path, member, &items, &err) != LH_OK)
        return cli_fail(&err);
    enum cli_output form = cli_output_choose(common);
    if (form == CLI_TABLE && json_array_size(items) == 0) {
        printf("no %s\n", member);
        return CLI_DONE;
    }
    cli_objects_print(columns, items, form);
    return CLI_DONE;
}

/* ---- datasets ---- */

static int
datasets_run(int argc, char **argv)
{
    struct cli_common common;
    if (!cli_options_take(&cli_verb_datasets, NULL, &argc, argv, &common))
        return CLI_USAGE;
    if (argc > 0)
        return cli_usage(&cli_verb_datasets, "unexpected \"%s\"", argv[1]);
    static const char *const columns[] = {"name",       "version",    "rows", "columns",
                                          "size_bytes", "updated_at", NULL};
    return list_run(&common, "/v1/catalog/datasets?limit=1000", "datasets", columns);
}

const struct cli_verb cli_verb_datasets = {
    "datasets", "[--output FORM]", "list the datasets",
    "Lists every dataset with its version, rows and size.\n\n"
    "  lakehouse datasets\n"
    "  lakehouse datasets --output json | jq '.[].name'\n",
    datasets_run};

/* ---- describe ---- */

static void
described_print(const json_t *dataset)
{
    printf("%s", json_string_value(json_object_get(dataset, "name")));
    const char *about = json_string_value(json_object_get(dataset, "description"));
    if (about && *about)
        printf(": %s", about);
    printf("\nversion %lld, %lld rows, %lld bytes\n\n",
           (long long)json_integer_value(json_object_get(dataset, "version")),
           (long long)json_integer_value(json_object_get(dataset, "rows")),
           (long long)json_integer_value(json_object_get(dataset, "size_bytes")));
}

static int
describe_run(int argc, char **argv)
{
    struct cli_common common;
    if (!cli_options_take(&cli_verb_describe, NULL, &argc, argv, &common))
        return CLI_USAGE;
    if (argc != 1)
        return cli_usage(&cli_verb_describe, "give one dataset");
    LH_AUTO_ERROR(err);
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_JSON dataset = NULL;
    LH_AUTO_BUF(path, 4096);
    path_print(&path, "/v1/catalog/datasets/", argv[1], "");
    if (cli_lake_open(&common, CLI_LAKE_READS, &lake, &err) != LH_OK ||
        cli_lake_json(lake, LH_GET, lh_buf_cstr(&path), NULL, &dataset, &err) != LH_OK)
        return cli_fail(&err);
    enum cli_output form = cli_output_choose(&common);
    static const char *const columns[] = {"name", "type", "nulls", "distinct_estimate",
                                          "min",  "max",  NULL};
    if (form == CLI_TABLE)
        described_print(dataset);
    if (form == CLI_JSON) {
        LH_AUTO_JSON one = json_array();
        json_array_append(one, dataset);
        cli_objects_print(columns, one, form);
    } else
        cli_objects_print(columns, json_object_get(dataset, "columns"), form);
    return CLI_DONE;
}

const struct cli_verb cli_verb_describe = {
    "describe", "DATASET [--output FORM]", "columns, types, nulls and ranges of a dataset",
    "Shows the columns of a dataset with type, number of nulls, distinct estimate, smallest and "
    "largest value.\n"
    "With --output json the whole description: objects, lineage, fingerprint, owner, tags.\n\n"
    "  lakehouse describe workers\n",
    describe_run};

/* ---- versions ---- */

static int
versions_run(int argc, char **argv)
{
    struct cli_common common;
    if (!cli_options_take(&cli_verb_versions, NULL, &argc, argv, &common))
        return CLI_USAGE;
    if (argc != 1)
        return cli_usage(&cli_verb_versions, "give one dataset");
    LH_AUTO_BUF(path, 4096);
    path_print(&path, "/v1/catalog/datasets/", argv[1], "/versions?limit=1000");
    static const char *const columns[] = {"version", "parent", "created_at",     "rows",
                                          "mode",    "source", "content_sha256", NULL};
    return list_run(&common, lh_buf_cstr(&path), "versions", columns);
}

const struct cli_verb cli_verb_versions = {"versions", "DATASET [--output FORM]",
                                           "every version of a dataset",
                                           "Lists the versions of a dataset, where each came from "
                                           "and how many rows it has. Any of them can be read:\n\n"
                                           "  lakehouse versions workers\n"
                                           "  lakehouse sql 'SELECT count(*) FROM \"workers@1\"'\n",
                                           versions_run};

/* ---- rollback ---- */

static int
rollback_run(int argc, char **argv)
{
    struct cli_common common;
    if (!cli_options_take(&cli_verb_rollback, NULL, &argc, argv, &common))
        return CLI_USAGE;
    uint64_t version;
    if (argc != 2 || !lh_str_u64(lh_str_of(argv[2]), &version) || version == 0)
        return cli_usage(&cli_verb_rollback, "give a dataset and a version number");
    LH_AUTO_ERROR(err);
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_JSON answer = NULL;
    LH_AUTO_BUF(path, 4096);
    LH_AUTO_BUF(body, 4096);
    path_print(&path, "/v1/catalog/datasets/", argv[1], "/rollback");
    lh_buf_printf(&body, "{\"version\":%llu}", (unsigned long long)version);
    if (cli_lake_open(&common, CLI_LAKE_READS, &lake, &err) != LH_OK ||
        cli_lake_json(lake, LH_POST, lh_buf_cstr(&path), &body, &answer, &err) != LH_OK)
        return cli_fail(&err);
    printf("%s is at version %lld, which holds what version %llu held\n", argv[1],
           (long long)json_integer_value(json_object_get(answer, "version")),
           (unsigned long long)version);
    return CLI_DONE;
}

const struct cli_verb cli_verb_rollback = {
    "rollback", "DATASET VERSION", "make an old version the newest again",
    "Adds a new version with the content of an old one. Nothing is copied and nothing is lost: "
    "rolling back can be\n"
    "rolled back.\n\n"
    "  lakehouse rollback workers 3\n",
    rollback_run};

/* ---- errors ---- */

static int
errors_run(int argc, char **argv)
{
    struct cli_common common;
    const char *since = NULL, *service = NULL, *limit = "50";
    const struct cli_option own[] = {
        {"since", &since, NULL}, {"service", &service, NULL}, {"limit", &limit, NULL}, {0}};
    if (!cli_options_take(&cli_verb_errors, own, &argc, argv, &common))
        return CLI_USAGE;
    LH_AUTO_ERROR(err);
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_JSON answer = NULL;
    LH_AUTO_BUF(path, 4096);
    path_print(&path, "/v1/errors?limit=", limit, "");
    if (since)
        path_print(&path, "&since=", since, "");
    if (service)
        path_print(&path, "&service=", service, "");
    if (cli_lake_open(&common, CLI_LAKE_READS, &lake, &err) != LH_OK ||
        cli_lake_json(lake, LH_GET, lh_buf_cstr(&path), NULL, &answer, &err) != LH_OK)
        return cli_fail(&err);
    json_t *errors = json_object_get(answer, "errors");
    enum cli_output form = cli_output_choose(&common);
    static const char *const columns[] = {"time",   "service", "code", "count",
                                          "detail", "object",  NULL};
    if (form == CLI_TABLE && json_array_size(errors) == 0)
        puts("no failures");
    else
        cli_objects_print(columns, errors, form);
    return CLI_DONE;
}

const struct cli_verb cli_verb_errors = {
    "errors", "[--since TIME] [--service NAME] [--limit N]",
    "what went wrong, in any service, newest first",
    "  --since TIME     only failures after this time (2026-01-31T12:00:00Z)\n"
    "  --service NAME   only those of one service\n"
    "  --limit N        how many (50)\n",
    errors_run};

/* ---- status ---- */

static void
status_print(const json_t *status, const char *where)
{
    printf("lake      %s\nversion   %s\n", where,
           json_string_value(json_object_get(status, "version")));
    json_int_t up = json_integer_value(json_object_get(status, "uptime_s"));
    printf("up        %lld h %lld min\n", (long long)up / 3600, (long long)up / 60 % 60);
    printf("datasets  %lld\n", (long long)json_integer_value(json_object_get(status, "datasets")));
    json_t *services = json_object_get(status, "services");
    for (size_t i = 0; i < json_array_size(services); i++) {
        json_t *service = json_array_get(services, i);
        const char *name = json_string_value(json_object_get(service, "name"));
        const char *place = json_string_value(json_object_get(service, "where"));
        printf("%-9s %s%s\n", name ? name : "", place ? place : "",
               json_is_true(json_object_get(service, "ok")) ? "" : ", not well: see /readyz");
    }
}

static int
status_run(int argc, char **argv)
{
    struct cli_common common;
    if (!cli_options_take(&cli_verb_status, NULL, &argc, argv, &common))
        return CLI_USAGE;
    LH_AUTO_ERROR(err);
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_JSON status = NULL;
    if (cli_lake_open(&common, CLI_LAKE_READS, &lake, &err) != LH_OK ||
        cli_lake_json(lake, LH_GET, "/v1/status", NULL, &status, &err) != LH_OK)
        return cli_fail(&err);
    if (common.has_output && common.output != CLI_TABLE) {
        char *text = json_dumps(status, JSON_INDENT(2));
        puts(text);
        free(text);
    } else
        status_print(status, cli_lake_where(lake));
    return CLI_DONE;
}

const struct cli_verb cli_verb_status = {
    "status", "[--output json]", "where the lake is and how it does",
    "Shows the address, version, services and number of datasets; everything with --output json.\n",
    status_run};
