#include "apps/cli/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/cli/progress.h"
#include "apps/cli/table.h"
#include "base/encoding.h"

static void
query_add(struct lh_buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    lh_buf_printf(path, "&%s=", name);
    lh_percent_encode(path, lh_str_of(value), false);
}

lh_status
cli_ingest_send(struct cli_lake *lake, const struct cli_ingest *ingest, json_t **out,
                struct lh_error *err)
{
    LH_AUTO_BUF(path, 1 << 20);
    LH_AUTO_BUF(answer, 64 << 20);
    lh_buf_add_cstr(&path, "/v1/ingest?dataset=");
    lh_percent_encode(&path, lh_str_of(ingest->dataset), false);
    query_add(&path, "mode", ingest->mode);
    query_add(&path, "key", ingest->key);
    query_add(&path, "format", ingest->format);
    query_add(&path, "types", ingest->types);
    query_add(&path, "source", ingest->file_name);
    query_add(&path, "evolve", ingest->evolve ? "true" : NULL);
    query_add(&path, "preview", ingest->preview ? "true" : NULL);
    query_add(&path, "allow_duplicate", ingest->allow_duplicate ? "true" : NULL);
    struct lh_source source = ingest->source;
    struct cli_request request = {.method = LH_POST,
                                  .path = lh_buf_cstr(&path),
                                  .content_type = "application/octet-stream",
                                  .source = &source};
    LH_TRY(cli_lake_send(lake, &request, &answer, err));
    return lh_json_parse(lh_buf_str(&answer), out, err);
}

static char *
thousands_text(json_int_t n, char text[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%lld", (long long)n);
    int to = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[to++] = ',';
        text[to++] = digits[i];
    }
    text[to] = 0;
    return text;
}

void
cli_ingest_report(const json_t *answer)
{
    char rows[32], rejected[32];
    json_int_t refused = json_integer_value(json_object_get(answer, "rows_rejected"));
    printf("%s: version %lld, %s rows", json_string_value(json_object_get(answer, "dataset")),
           (long long)json_integer_value(json_object_get(answer, "version")),
           thousands_text(json_integer_value(json_object_get(answer, "rows")), rows));
    if (json_is_true(json_object_get(answer, "unchanged")))
        printf(" (unchanged)");
    if (refused > 0)
        printf("; %s rows were refused, see %s", thousands_text(refused, rejected),
               json_string_value(json_object_get(answer, "rejects")));
    putchar('\n');
}

char *
cli_dataset_name_from(const char *path)
{
    const char *slash = strrchr(path, '/');
    lh_str name = lh_str_of(slash ? slash + 1 : path);
    static const char *const wrappers[] = {".gz",     ".zst",   ".csv",     ".tsv", ".json",
                                           ".ndjson", ".jsonl", ".parquet", ".txt"};
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++) {
            lh_str end = lh_str_of(wrappers[i]);
            if (name.len > end.len &&
                lh_str_eq_nocase(lh_str_slice(name, name.len - end.len, name.len), end)) {
                name.len -= end.len;
                again = true;
            }
        }
    }
    LH_AUTO_BUF(out, 256);
    if (name.len > 0 && name.ptr[0] >= '0' && name.ptr[0] <= '9')
        lh_buf_add_char(&out, '_');
    for (size_t i = 0; i < name.len && out.len < 63; i++) {
        char c = name.ptr[i];
        bool ok =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        lh_buf_add_char(&out, ok ? c : '_');
    }
    return lh_buf_take_cstr(&out);
}

/* ---- the verb ---- */

struct file_source {
    int fd;
    struct cli_progress progress;
};

static lh_status
file_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    struct file_source *f = self;
    ssize_t n;
    do
        n = read(f->fd, to, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return lh_fail_errno(err, errno, "reading the file");
    *got = (size_t)n;
    cli_progress_add(&f->progress, (uint64_t)n);
    return LH_OK;
}

static lh_status
file_send(struct cli_lake *lake, const char *path, struct cli_ingest *ingest, json_t **answer,
          struct lh_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    LH_AUTO_FD opened = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (opened < 0 || fstat(opened, &st) != 0)
        return lh_fail_errno(err, errno, "opening \"%s\"", path);
    if (S_ISDIR(st.st_mode))
        return lh_fail(err, LH_INVALID, "cli.folder", "\"%s\" is a folder", path);
    struct file_source file = {.fd = opened};
    int64_t length = S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
    cli_progress_begin(&file.progress, path, length > 0 ? (uint64_t)length : 0);
    ingest->source = (struct lh_source){file_read, &file, length};
    const char *slash = strrchr(path, '/');
    ingest->file_name = is_stdin ? NULL : slash ? slash + 1 : path;
    lh_status status = cli_ingest_send(lake, ingest, answer, err);
    cli_progress_end(&file.progress);
    return status;
}

static void
preview_print(const json_t *answer)
{
    static const char *const columns[] = {"name", "type", NULL};
    cli_objects_print(columns, json_object_get(answer, "columns"), CLI_TABLE);
    printf("nothing was stored (--preview)\n");
}

static void
answer_print(const json_t *answer, const struct cli_ingest *ingest, const struct cli_common *common)
{
    if (common->has_output && common->output != CLI_TABLE) {
        char *text = json_dumps(answer, JSON_COMPACT);
        puts(text);
        free(text);
    } else if (ingest->preview)
        preview_print(answer);
    else
        cli_ingest_report(answer);
}

static int
ingest_run(int argc, char **argv)
{
    struct cli_common common;
    struct cli_ingest ingest = {0};
    const char *dataset = NULL;
    const struct cli_option own[] = {{"dataset", &dataset, NULL},
                                     {"mode", &ingest.mode, NULL},
                                     {"key", &ingest.key, NULL},
                                     {"format", &ingest.format, NULL},
                                     {"types", &ingest.types, NULL},
                                     {"evolve", NULL, &ingest.evolve},
                                     {"preview", NULL, &ingest.preview},
                                     {"allow-duplicate", NULL, &ingest.allow_duplicate},
                                     {0}};
    if (!cli_options_take(&cli_verb_ingest, own, &argc, argv, &common))
        return CLI_USAGE;
    if (argc < 1)
        return cli_usage(&cli_verb_ingest, "give one file or more (- is standard input)");
    if (argc == 1 && strcmp(argv[1], "-") == 0 && !dataset)
        return cli_usage(&cli_verb_ingest, "standard input has no name: give --dataset");
    if (argc > 1 && dataset && (!ingest.mode || strcmp(ingest.mode, "replace") == 0))
        return cli_usage(
            &cli_verb_ingest,
            "each file would replace the one before: add --mode append, or leave --dataset out");
    LH_AUTO_ERROR(err);
    CLI_AUTO_LAKE lake = NULL;
    if (cli_lake_open(&common, CLI_LAKE_MAY_CREATE, &lake, &err) != LH_OK)
        return cli_fail(&err);
    cli_lake_interruptible(lake);
    int code = CLI_DONE;
    for (int i = 1; i <= argc; i++) {
        LH_AUTO_CHARS name = dataset ? NULL : cli_dataset_name_from(argv[i]);
        LH_AUTO_JSON answer = NULL;
        ingest.dataset = dataset ? dataset : name;
        if (file_send(lake, argv[i], &ingest, &answer, &err) == LH_OK) {
            answer_print(answer, &ingest, &common);
            continue;
        }
        lh_error_wrap(&err, "%s", argv[i]);
        code = cli_fail(&err);
        if (code == CLI_UNREACHABLE || code == CLI_INTERRUPTED)
            break;
    }
    return code;
}

const struct cli_verb cli_verb_ingest = {
    "ingest", "FILE… [--dataset NAME] [--mode MODE] [options]", "put files into the lake",
    "CSV, JSON, NDJSON and Parquet, also gzip or zstd compressed; - is standard input. The dataset "
    "is named after\n"
    "the file unless told otherwise.\n\n"
    "  --dataset NAME       letters, digits and _\n"
    "  --mode MODE          replace (default): a new version takes the place of the old, which "
    "stays readable;\n"
    "                       append: rows are added; upsert: rows with the same --key are replaced\n"
    "  --key COLUMN         the key of an upsert\n"
    "  --format FORMAT      csv, json, ndjson, parquet; found out by itself otherwise\n"
    "  --types JSON         types of columns: '{\"zip\": \"VARCHAR\", \"pay\": "
    "\"DECIMAL(10,2)\"}'\n"
    "  --evolve             let the columns change\n"
    "  --preview            show columns and types, store nothing\n"
    "  --allow-duplicate    append a file even when the dataset already holds it\n\n"
    "Repeating an ingest changes nothing: the same bytes with the same options are the same "
    "version.\n\n"
    "  lakehouse ingest workers.csv clients.json\n"
    "  lakehouse ingest calls-*.csv.gz --dataset calls --mode append\n"
    "  curl -s https://example.org/data.json | lakehouse ingest - --dataset data\n",
    ingest_run};
