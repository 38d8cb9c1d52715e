/* `lakehouse index`: building vector indexes, looking at them, and swapping their generations. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apps/cli/lake.h"
#include "apps/cli/table.h"
#include "base/encoding.h"

#define BODY_MAX ((size_t)64 << 20)
#define INDEXES "/v1/vectors/indexes"

enum { POLL_MS = 200, BAR_CELLS = 24, COLUMNS_MAX = 32 };

struct index_options {
    const char *id, *text, *model, *where, *chunk;
    bool stays, tunes;
    int64_t chunk_size, chunk_overlap; /* -1: not said */
};

/* ---- asking ---- */

static const char *
path_of(struct lh_buf *path, const char *index, const char *after)
{
    lh_buf_clear(path);
    lh_buf_add_cstr(path, INDEXES "/");
    lh_percent_encode(path, lh_str_of(index), false);
    lh_buf_add_cstr(path, after);
    return lh_buf_cstr(path);
}

static long long
number_at(const json_t *object, const char *member)
{
    return (long long)json_integer_value(json_object_get(object, member));
}

static const char *
text_at(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text ? text : "";
}

/* ---- a job on the terminal ---- */

static void
line_draw(const json_t *job, const char *index)
{
    double part = json_number_value(json_object_get(job, "progress"));
    int full = (int)(part * BAR_CELLS);

    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r\033[K%s  [", index);
    for (int i = 0; i < BAR_CELLS; i++)
        fputc(i < full ? '#' : '-', stderr);
    fprintf(stderr, "] %3d%%  %s", (int)(part * 100), text_at(job, "message"));
    fflush(stderr);
}

static bool
is_over(const json_t *job)
{
    const char *state = text_at(job, "state");

    return strcmp(state, "queued") != 0 && strcmp(state, "running") != 0;
}

static void
line_clear(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static lh_status
job_follow(struct cli_lake *lake, const char *path, const char *index, json_t **out,
           struct lh_error *err)
{
    for (;;) {
        LH_TRY(cli_lake_json(lake, LH_GET, path, NULL, out, err));
        line_draw(*out, index);
        if (is_over(*out))
            return LH_OK;
        json_decref(*out);
        *out = NULL;
        LH_TRY(cli_lake_pause(lake, POLL_MS, err));
    }
}

/* Until it has ended; then its result, or its failure. Ctrl-C ends the job, not only the looking.
 */
static lh_status
job_wait(struct cli_lake *lake, const json_t *accepted, const char *index, json_t **out,
         struct lh_error *err)
{
    LH_AUTO_BUF(path, 4096);
    LH_AUTO_JSON ignored = NULL;
    lh_status status;

    lh_buf_printf(&path, "/v1/jobs/%s", text_at(accepted, "job_id"));
    status = job_follow(lake, lh_buf_cstr(&path), index, out, err);
    line_clear();
    if (status == LH_CANCELED) {
        (void)cli_lake_json(lake, LH_DELETE, lh_buf_cstr(&path), NULL, &ignored, NULL);
        return lh_fail(err, LH_CANCELED, "cli.interrupted", "interrupted: the job was cancelled");
    }
    LH_TRY(status);
    if (strcmp(text_at(*out, "state"), "succeeded") == 0)
        return LH_OK;
    const json_t *error = json_object_get(*out, "error");

    return lh_fail(err, LH_CONFLICT, text_at(error, "code"), "%s", text_at(error, "detail"));
}

/* ---- build ---- */

static void
columns_print(struct lh_json_writer *w, const char *columns)
{
    lh_str rest = lh_str_of(columns), part;

    lh_json_key(w, "text_columns");
    lh_json_array_begin(w);
    while (lh_str_next(&rest, ',', &part))
        lh_json_put_str(w, lh_str_trim(part));
    lh_json_array_end(w);
}

static bool
chunk_read(struct index_options *o)
{
    lh_str rest = lh_str_of(o->chunk), size;
    bool has_overlap = lh_str_cut(&rest, ':', &size);

    o->chunk_overlap = -1;
    return lh_str_i64(size, &o->chunk_size) && o->chunk_size > 0 &&
           (!has_overlap || (lh_str_i64(rest, &o->chunk_overlap) && o->chunk_overlap >= 0));
}

static void
chunk_print(const struct index_options *o, struct lh_json_writer *w)
{
    lh_json_key(w, "chunk");
    lh_json_object_begin(w);
    lh_json_set_i64(w, "size", o->chunk_size);
    if (o->chunk_overlap >= 0)
        lh_json_set_i64(w, "overlap", o->chunk_overlap);
    lh_json_object_end(w);
}

static void
build_print(const struct index_options *o, const char *dataset, struct lh_buf *body)
{
    struct lh_json_writer w = lh_json_writer_over(body);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "dataset", dataset);
    lh_json_set_cstr(&w, "id_column", o->id);
    columns_print(&w, o->text);
    if (o->model)
        lh_json_set_cstr(&w, "model", o->model);
    if (o->where)
        lh_json_set_cstr(&w, "where", o->where);
    if (o->chunk)
        chunk_print(o, &w);
    lh_json_set_bool(&w, "promote", !o->stays);
    lh_json_object_end(&w);
}

/* The size of a model that is not built in is found by embedding a word. */
static lh_status
dimension_find(struct cli_lake *lake, const char *model, size_t *out, struct lh_error *err)
{
    LH_AUTO_BUF(body, 4096);
    struct lh_json_writer w = lh_json_writer_over(&body);
    LH_AUTO_JSON answer = NULL;

    *out = 256;
    if (strcmp(model, "lsa-256") == 0)
        return LH_OK;
    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "model", model);
    lh_json_set_cstr(&w, "input", "word");
    lh_json_object_end(&w);
    LH_TRY(cli_lake_json(lake, LH_POST, "/v1/embeddings", &body, &answer, err));
    *out = json_array_size(
        json_object_get(json_array_get(json_object_get(answer, "data"), 0), "embedding"));
    return LH_OK;
}

static lh_status
index_make(struct cli_lake *lake, const char *name, const char *model, struct lh_error *err)
{
    LH_AUTO_BUF(body, 4096);
    struct lh_json_writer w = lh_json_writer_over(&body);
    LH_AUTO_JSON answer = NULL;
    size_t dimension;

    LH_TRY(dimension_find(lake, model, &dimension, err));
    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "name", name);
    lh_json_set_u64(&w, "dimension", dimension);
    lh_json_set_cstr(&w, "metric", "cosine");
    lh_json_set_cstr(&w, "model", model);
    lh_json_object_end(&w);
    return cli_lake_json(lake, LH_POST, INDEXES, &body, &answer, err);
}

static lh_status
index_ensure(struct cli_lake *lake, const char *name, const struct index_options *o, bool *is_made,
             struct lh_error *err)
{
    LH_AUTO_BUF(path, 4096);
    LH_AUTO_JSON found = NULL;
    LH_AUTO_ERROR(why);
    lh_status status = cli_lake_json(lake, LH_GET, path_of(&path, name, ""), NULL, &found, &why);

    if (status == LH_NOT_FOUND) {
        *is_made = true;
        return index_make(lake, name, o->model ? o->model : "lsa-256", err);
    }
    lh_error_copy(err, &why);
    return status;
}

/* A build that is refused or fails leaves no empty index behind that was made for it. */
static void
index_unmake(struct cli_lake *lake, const char *name)
{
    LH_AUTO_BUF(path, 4096);
    LH_AUTO_JSON answer = NULL;
    LH_AUTO_ERROR(ignored);

    (void)cli_lake_json(lake, LH_DELETE, path_of(&path, name, ""), NULL, &answer, &ignored);
}

/* How many rows are not in it, when there are such: whoever counts them should not wonder. */
static void
left_out_print(const json_t *result)
{
    long long rows = number_at(result, "skipped");

    if (rows > 0)
        printf(", %lld without an id or known words left out", rows);
}

static lh_status
build_run(struct cli_lake *lake, const struct index_options *o, char **operands, json_t **job,
          struct lh_error *err)
{
    LH_AUTO_BUF(path, 4096);
    LH_AUTO_BUF(body, BODY_MAX);
    LH_AUTO_JSON accepted = NULL;

    build_print(o, operands[1], &body);
    LH_TRY(
        cli_lake_json(lake, LH_POST, path_of(&path, operands[0], "/build"), &body, &accepted, err));
    return job_wait(lake, accepted, operands[0], job, err);
}

static lh_status
build(struct cli_lake *lake, const struct index_options *o, char **operands, struct lh_error *err)
{
    LH_AUTO_JSON job = NULL;
    const json_t *result;
    bool is_made = false;
    lh_status status;

    LH_TRY(index_ensure(lake, operands[0], o, &is_made, err));
    status = build_run(lake, o, operands, &job, err);
    if (status != LH_OK) {
        if (is_made)
            index_unmake(lake, operands[0]);
        return status;
    }
    result = json_object_get(job, "result");
    printf("%s: generation %lld from %s version %lld, %lld items (%lld embedded, %lld kept)",
           operands[0], number_at(result, "generation"), operands[1], number_at(result, "version"),
           number_at(result, "items"), number_at(result, "embedded"), number_at(result, "kept"));
    left_out_print(result);
    puts(o->stays ? ", not promoted" : "");
    return LH_OK;
}

static lh_status
refresh(struct cli_lake *lake, char **operands, struct lh_error *err)
{
    LH_AUTO_BUF(path, 4096);
    LH_AUTO_BUF(body, 16);
    LH_AUTO_JSON accepted = NULL;
    LH_AUTO_JSON job = NULL;
    const json_t *result;

    lh_buf_add_cstr(&body, "{}");
    LH_TRY(cli_lake_json(lake, LH_POST, path_of(&path, operands[0], "/refresh"), &body, &accepted,
                         err));
    LH_TRY(job_wait(lake, accepted, operands[0], &job, err));
    result = json_object_get(job, "result");
    printf("%s: version %lld, %lld embedded, %lld unchanged, %lld removed", operands[0],
           number_at(result, "version"), number_at(result, "embedded"),
           number_at(result, "unchanged"), number_at(result, "removed"));
    left_out_print(result);
    puts("");
    return LH_OK;
}

/* ---- looking ---- */

static lh_status
list(struct cli_lake *lake, const struct cli_common *common, struct lh_error *err)
{
    static const char *const columns[] = {"name",  "length",     "dimension",    "metric", "model",
                                          "stale", "generation", "memory_bytes", NULL};
    LH_AUTO_JSON answer = NULL;

    LH_TRY(cli_lake_json(lake, LH_GET, INDEXES "?limit=1000", NULL, &answer, err));
    cli_objects_print(columns, json_object_get(answer, "indexes"), cli_output_choose(common));
    return LH_OK;
}

static lh_status
trials(struct cli_lake *lake, const struct cli_common *common, const struct index_options *o,
       char **operands, struct lh_error *err)
{
    static const char *const columns[] = {
        "measured_at",  "generation",   "m",      "ef_construction", "ef_search",
        "quantization", "recall",       "p50_us", "p95_us",          "p99_us",
        "build_ms",     "memory_bytes", NULL};
    LH_AUTO_BUF(path, 4096);
    LH_AUTO_JSON accepted = NULL;
    LH_AUTO_JSON job = NULL;
    LH_AUTO_JSON answer = NULL;

    if (o->tunes) {
        LH_AUTO_BUF(body, 64);

        lh_buf_add_cstr(&body, "{\"promote\":false}");
        LH_TRY(cli_lake_json(lake, LH_POST, path_of(&path, operands[0], "/autotune"), &body,
                             &accepted, err));
        LH_TRY(job_wait(lake, accepted, operands[0], &job, err));
    }
    LH_TRY(cli_lake_json(lake, LH_GET, path_of(&path, operands[0], "/trials?limit=1000"), NULL,
                         &answer, err));
    cli_objects_print(columns, json_object_get(answer, "trials"), cli_output_choose(common));
    return LH_OK;
}

static lh_status
generations(struct cli_lake *lake, const struct cli_common *common, char **operands,
            struct lh_error *err)
{
    static const char *const columns[] = {"generation", "state",      "current", "dimension",
                                          "model",      "created_at", NULL};
    LH_AUTO_BUF(path, 4096);
    LH_AUTO_JSON answer = NULL;

    LH_TRY(cli_lake_json(lake, LH_GET, path_of(&path, operands[0], "/generations"), NULL, &answer,
                         err));
    cli_objects_print(columns, json_object_get(answer, "generations"), cli_output_choose(common));
    return LH_OK;
}

/* ---- swapping ---- */

static lh_status
swap(struct cli_lake *lake, char **operands, const char *after, const struct lh_buf *body,
     struct lh_error *err)
{
    LH_AUTO_BUF(path, 4096);
    LH_AUTO_JSON answer = NULL;

    LH_TRY(cli_lake_json(lake, LH_POST, path_of(&path, operands[0], after), body, &answer, err));
    printf("%s: generation %lld answers now, before it was %lld\n", operands[0],
           number_at(answer, "generation"), number_at(answer, "previous"));
    return LH_OK;
}

static lh_status
promote(struct cli_lake *lake, char **operands, struct lh_error *err)
{
    LH_AUTO_BUF(body, 256);
    uint64_t generation;

    if (!lh_str_u64(lh_str_of(operands[1]), &generation))
        return lh_fail(err, LH_INVALID, "cli.generation", "\"%s\" is not a generation",
                       operands[1]);
    lh_buf_printf(&body, "{\"generation\":%llu}", (unsigned long long)generation);
    return swap(lake, operands, "/promote", &body, err);
}

static lh_status
rollback(struct cli_lake *lake, char **operands, struct lh_error *err)
{
    LH_AUTO_BUF(body, 16);

    lh_buf_add_cstr(&body, "{}");
    return swap(lake, operands, "/rollback", &body, err);
}

/* ---- the verb ---- */

static const struct action {
    const char *name, *operands;
    int count;
} actions[] = {{"build", "INDEX DATASET", 2}, {"refresh", "INDEX", 1},
               {"list", "nothing more", 0},   {"generations", "INDEX", 1},
               {"trials", "INDEX", 1},        {"promote", "INDEX GENERATION", 2},
               {"rollback", "INDEX", 1}};

static const struct action *
action_find(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

/* CLI_DONE, or what cli_usage returned. */
static int
line_check(int argc, char **argv, struct index_options *o)
{
    const struct action *action = argc > 0 ? action_find(argv[1]) : NULL;

    if (argc < 1)
        return cli_usage(&cli_verb_index, "an action is needed");
    if (!action)
        return cli_usage(&cli_verb_index, "there is no action \"%s\"", argv[1]);
    if (argc - 1 != action->count)
        return cli_usage(&cli_verb_index, "%s takes %s", action->name, action->operands);
    if (strcmp(action->name, "build") == 0 && (!o->id || !o->text))
        return cli_usage(&cli_verb_index, "build needs --id and --text");
    if (o->chunk && !chunk_read(o))
        return cli_usage(&cli_verb_index, "--chunk is SIZE or SIZE:OVERLAP, not \"%s\"", o->chunk);
    return CLI_DONE;
}

static lh_status
action_run(struct cli_lake *lake, const struct cli_common *common, const struct index_options *o,
           const char *action, char **operands, struct lh_error *err)
{
    if (strcmp(action, "build") == 0)
        return build(lake, o, operands, err);
    if (strcmp(action, "refresh") == 0)
        return refresh(lake, operands, err);
    if (strcmp(action, "list") == 0)
        return list(lake, common, err);
    if (strcmp(action, "generations") == 0)
        return generations(lake, common, operands, err);
    if (strcmp(action, "trials") == 0)
        return trials(lake, common, o, operands, err);
    if (strcmp(action, "promote") == 0)
        return promote(lake, operands, err);
    return rollback(lake, operands, err);
}

static int
index_run(int argc, char **argv)
{
    struct index_options o = {0};
    const struct cli_option own[] = {{"id", &o.id, NULL},       {"text", &o.text, NULL},
                                     {"model", &o.model, NULL}, {"where", &o.where, NULL},
                                     {"chunk", &o.chunk, NULL}, {"no-promote", NULL, &o.stays},
                                     {"run", NULL, &o.tunes},   {NULL, NULL, NULL}};
    struct cli_common common;
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_ERROR(err);
    int code;

    if (!cli_options_take(&cli_verb_index, own, &argc, argv, &common))
        return CLI_USAGE;
    code = line_check(argc, argv, &o);
    if (code != CLI_DONE)
        return code;
    if (cli_lake_open(&common, CLI_LAKE_READS, &lake, &err) != LH_OK)
        return cli_fail(&err);
    cli_lake_interruptible(lake);
    if (action_run(lake, &common, &o, argv[1], argv + 2, &err) != LH_OK)
        return cli_fail(&err);
    return CLI_DONE;
}

const struct cli_verb cli_verb_index = {
    .name = "index",
    .usage = "build|refresh|list|generations|trials|promote|rollback …",
    .summary = "build vector indexes, measure them, swap their generations",
    .help =
        "  build INDEX DATASET --id COLUMN --text COLUMN[,COLUMN…]\n"
        "                    a new generation from the dataset, which then answers; the index is "
        "made\n"
        "                    when there is none\n"
        "      --model NAME      what embeds (lsa-256, or what the index has)\n"
        "      --where SQL       only these rows\n"
        "      --chunk SIZE[:OVERLAP]   cut texts into pieces of so many characters\n"
        "      --no-promote      leave the current generation in place\n"
        "  refresh INDEX       embed what is new or changed in the dataset\n"
        "  list                all indexes\n"
        "  generations INDEX   those of one index\n"
        "  trials INDEX        what was measured; --run measures a grid first\n"
        "  promote INDEX GENERATION\n"
        "  rollback INDEX\n\n"
        "  lakehouse index build notes call_notes --id note_id --text subject,body\n"
        "  lakehouse index trials notes --run\n",
    .run = index_run,
};
