/* The verbs that change what is kept: deleting rows by key, putting objects together, collecting.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apps/cli/lake.h"
#include "apps/cli/table.h"
#include "base/encoding.h"

#define BODY_MAX ((size_t)8 << 20)

static void
path_print(struct lh_buf *path, const char *dataset, const char *after)
{
    lh_buf_add_cstr(path, "/v1/catalog/datasets/");
    lh_percent_encode(path, lh_str_of(dataset), false);
    lh_buf_add_cstr(path, after);
}

static long long
number_at(const json_t *object, const char *member)
{
    return (long long)json_integer_value(json_object_get(object, member));
}

/* ---- delete-rows ---- */

static const char *
column_type(const json_t *dataset, const char *name)
{
    const json_t *column;
    size_t i;

    json_array_foreach (json_object_get(dataset, "columns"), i, column) {
        const char *own = json_string_value(json_object_get(column, "name"));

        if (own && strcmp(own, name) == 0)
            return json_string_value(json_object_get(column, "type"));
    }
    return NULL;
}

/* A word of the command line as the column holds it. What does not fit is sent as text, and the
 * lake says what is wrong with it. */
static void
value_print(struct lh_json_writer *w, const char *type, const char *text)
{
    char *end;
    double number = strtod(text, &end);
    bool is_number = text[0] != '\0' && *end == '\0';

    if (strcmp(type, "BOOLEAN") == 0 && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        lh_json_put_bool(w, text[0] == 't');
    else if ((strcmp(type, "DOUBLE") == 0 || strcmp(type, "FLOAT") == 0) && is_number)
        lh_json_put_f64(w, number);
    else
        lh_json_put_cstr(w, text);
}

struct deletion {
    const char *dataset, *key, *reason, *actor;
    char **values;
    int count;
};

static void
deletion_print(const struct deletion *d, const char *type, struct lh_buf *body)
{
    struct lh_json_writer w = lh_json_writer_over(body);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "key_column", d->key);
    lh_json_key(&w, "values");
    lh_json_array_begin(&w);
    for (int i = 0; i < d->count; i++)
        value_print(&w, type, d->values[i]);
    lh_json_array_end(&w);
    lh_json_set_cstr(&w, "actor", d->actor);
    lh_json_set_cstr(&w, "reason", d->reason);
    lh_json_object_end(&w);
}

static lh_status
deletion_send(struct cli_lake *lake, const struct deletion *d, json_t **out, struct lh_error *err)
{
    LH_AUTO_JSON dataset = NULL;
    LH_AUTO_BUF(look, 4096);
    LH_AUTO_BUF(path, 4096);
    LH_AUTO_BUF(body, BODY_MAX);
    const char *type;

    path_print(&look, d->dataset, "?distinct=false");
    LH_TRY(cli_lake_json(lake, LH_GET, lh_buf_cstr(&look), NULL, &dataset, err));
    type = column_type(dataset, d->key);
    deletion_print(d, type ? type : "", &body);
    LH_TRY(lh_buf_check(&body, "the list of values", err));
    path_print(&path, d->dataset, "/tombstone");
    return cli_lake_json(lake, LH_POST, lh_buf_cstr(&path), &body, out, err);
}

static const char *
own_name(void)
{
    const char *name = getenv("USER");

    return name && name[0] ? name : "command line";
}

static int
delete_rows_run(int argc, char **argv)
{
    struct deletion d = {.actor = own_name()};
    struct cli_common common;
    const struct cli_option own[] = {
        {"key", &d.key, NULL}, {"reason", &d.reason, NULL}, {"actor", &d.actor, NULL}, {0}};

    if (!cli_options_take(&cli_verb_delete_rows, own, &argc, argv, &common))
        return CLI_USAGE;
    if (argc < 2 || !d.key || !d.reason)
        return cli_usage(&cli_verb_delete_rows,
                         "give a dataset, --key, --reason and at least one value");
    d.dataset = argv[1];
    d.values = &argv[2];
    d.count = argc - 1;
    LH_AUTO_ERROR(err);
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_JSON answer = NULL;
    if (cli_lake_open(&common, CLI_LAKE_READS, &lake, &err) != LH_OK ||
        deletion_send(lake, &d, &answer, &err) != LH_OK)
        return cli_fail(&err);
    printf("%s: %lld rows deleted, %lld are left; version %lld%s\n", d.dataset,
           number_at(answer, "rows_removed"), number_at(answer, "rows"),
           number_at(answer, "version"),
           json_is_true(json_object_get(answer, "unchanged")) ? " (unchanged)" : "");
    return CLI_DONE;
}

const struct cli_verb cli_verb_delete_rows = {
    "delete-rows", "DATASET --key COLUMN --reason TEXT [--actor NAME] VALUE...",
    "delete the rows with these keys, in every version",
    "Rows whose COLUMN holds one of the values are gone at once for every reader, in old versions "
    "too, and cannot be\n"
    "rolled back. `compact` and `gc` then remove them from the stored objects.\n\n"
    "  --key COLUMN    the column that is compared\n"
    "  --reason TEXT   why; kept in the journal\n"
    "  --actor NAME    on whose word (the name of the user)\n\n"
    "  lakehouse delete-rows people --key email --reason 'ticket 17' ann@example.org\n",
    delete_rows_run};

/* ---- compact ---- */

static int
compact_run(int argc, char **argv)
{
    struct cli_common common;

    if (!cli_options_take(&cli_verb_compact, NULL, &argc, argv, &common))
        return CLI_USAGE;
    if (argc != 1)
        return cli_usage(&cli_verb_compact, "give one dataset");
    LH_AUTO_ERROR(err);
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_JSON answer = NULL;
    LH_AUTO_BUF(path, 4096);
    LH_AUTO_BUF(body, 16);
    path_print(&path, argv[1], "/compact");
    lh_buf_add_cstr(&body, "{}");
    if (cli_lake_open(&common, CLI_LAKE_READS, &lake, &err) != LH_OK ||
        cli_lake_json(lake, LH_POST, lh_buf_cstr(&path), &body, &answer, &err) != LH_OK)
        return cli_fail(&err);
    if (json_is_true(json_object_get(answer, "unchanged")))
        printf("%s: nothing to do at version %lld\n", argv[1], number_at(answer, "version"));
    else
        printf("%s: version %lld has %lld objects in place of %lld; %lld deleted rows left out\n",
               argv[1], number_at(answer, "version"), number_at(answer, "objects_after"),
               number_at(answer, "objects_before"), number_at(answer, "rows_removed"));
    return CLI_DONE;
}

const struct cli_verb cli_verb_compact = {
    "compact", "DATASET", "put small objects together, leave deleted rows out",
    "Adds a version with the same rows in fewer objects, and without the rows that delete-rows has "
    "hidden. A server\n"
    "does this by itself from time to time (catalog.compact_interval).\n\n"
    "  lakehouse compact workers\n",
    compact_run};

/* ---- gc ---- */

static int
number_take(const char *text, const char *option, uint64_t *out)
{
    if (!text || lh_str_u64(lh_str_of(text), out))
        return CLI_DONE;
    return cli_usage(&cli_verb_gc, "--%s must be a number", option);
}

static void
collected_print(const json_t *answer, const struct cli_common *common)
{
    static const char *const columns[] = {"bucket", "key", "size_bytes", "why", NULL};
    enum cli_output form = cli_output_choose(common);
    const json_t *refused = json_object_get(answer, "refused"), *item;
    size_t i;

    if (form != CLI_TABLE || json_array_size(json_object_get(answer, "removed")) > 0)
        cli_objects_print(columns, json_object_get(answer, "removed"), form);
    json_array_foreach (refused, i, item)
        fprintf(stderr, "%s was left alone: %s\n",
                json_string_value(json_object_get(item, "dataset")),
                json_string_value(json_object_get(item, "why")));
    fprintf(stderr, "%lld versions and %lld objects, %lld bytes, %s\n",
            number_at(answer, "removed_versions"), number_at(answer, "removed_objects"),
            number_at(answer, "bytes"),
            json_is_true(json_object_get(answer, "dry_run")) ? "would go; --remove removes them"
                                                             : "are gone");
}

static int
gc_run(int argc, char **argv)
{
    const char *keep_text = NULL, *older_text = NULL;
    struct cli_common common;
    uint64_t keep = 0, older = 3600;
    bool is_meant = false;
    const struct cli_option own[] = {{"keep", &keep_text, NULL},
                                     {"older-than", &older_text, NULL},
                                     {"remove", NULL, &is_meant},
                                     {0}};

    if (!cli_options_take(&cli_verb_gc, own, &argc, argv, &common))
        return CLI_USAGE;
    if (argc > 0)
        return cli_usage(&cli_verb_gc, "unexpected \"%s\"", argv[1]);
    if (number_take(keep_text, "keep", &keep) != CLI_DONE ||
        number_take(older_text, "older-than", &older) != CLI_DONE)
        return CLI_USAGE;
    LH_AUTO_ERROR(err);
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_JSON answer = NULL;
    LH_AUTO_BUF(body, 256);
    lh_buf_printf(&body, "{\"dry_run\":%s,\"older_than_s\":%llu", is_meant ? "false" : "true",
                  (unsigned long long)older);
    if (keep_text)
        lh_buf_printf(&body, ",\"keep_versions\":%llu", (unsigned long long)keep);
    lh_buf_add_char(&body, '}');
    if (cli_lake_open(&common, CLI_LAKE_READS, &lake, &err) != LH_OK ||
        cli_lake_json(lake, LH_POST, "/v1/catalog/gc", &body, &answer, &err) != LH_OK)
        return cli_fail(&err);
    collected_print(answer, &common);
    return CLI_DONE;
}

const struct cli_verb cli_verb_gc = {
    "gc", "[--keep N] [--older-than SECONDS] [--remove]",
    "what no version names any more, and old versions",
    "Lists what would be removed, and removes it with --remove. A server does this by itself from "
    "time to time\n"
    "(catalog.gc_interval, catalog.retention).\n\n"
    "  --keep N             also versions of a dataset but for the newest N; without it only those "
    "with deleted rows\n"
    "  --older-than SECONDS nothing younger than this (3600)\n"
    "  --remove             remove it\n\n"
    "  lakehouse gc --keep 10 --older-than 86400 --remove\n",
    gc_run};
