/*
 * lakehouse replicate: fills a rescue bucket. The work is the server's (POST
 * /v1/storage/replicate); this asks for it, once or again and again, and shows how far it is.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apps/cli/lake.h"
#include "apps/cli/progress.h"
#include "base/time.h"

#define EVERY_MS_DEFAULT 30000
#define LINE_BYTES_MAX ((size_t)1 << 20)

struct replicate {
    struct cli_common common;
    const char *to, *every;
    bool once, watch, force;
    int64_t every_ms;
    struct lh_buf line; /* the one that is coming in */
    json_t *result;
    struct lh_error error; /* as the last line told */
    bool is_terminal;
};

static void
progress_show(const struct replicate *r, const json_t *p)
{
    char size[CLI_SIZE_TEXT];

    if (!r->is_terminal)
        return;
    fprintf(stderr, "\r\033[K%lld seen  %lld copied  %s",
            (long long)json_integer_value(json_object_get(p, "seen")),
            (long long)json_integer_value(json_object_get(p, "copied")),
            cli_size_text((uint64_t)json_integer_value(json_object_get(p, "copied_bytes")), size));
    fflush(stderr);
}

static lh_status
line_take(struct replicate *r, lh_str line, struct lh_error *err)
{
    LH_AUTO_JSON v = NULL;
    const json_t *error;

    LH_TRY(lh_json_parse(line, &v, err));
    error = json_object_get(v, "error");
    if (json_object_get(v, "progress"))
        progress_show(r, json_object_get(v, "progress"));
    if (json_object_get(v, "result"))
        r->result = json_incref(json_object_get(v, "result"));
    if (error)
        (void)lh_fail(&r->error, LH_CONFLICT, "store.replicate", "%s (%s)",
                      json_string_value(json_object_get(error, "detail")),
                      json_string_value(json_object_get(error, "code")));
    return LH_OK;
}

static lh_status
lines_take(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct replicate *r = self;
    size_t end;

    lh_buf_add(&r->line, bytes.ptr, bytes.len);
    LH_TRY(lh_buf_check(&r->line, "a line of the answer", err));
    while (lh_str_find_char(lh_buf_str(&r->line), '\n', &end)) {
        LH_TRY(line_take(r, lh_str_slice(lh_buf_str(&r->line), 0, end), err));
        lh_buf_drop_front(&r->line, end + 1);
    }
    return LH_OK;
}

static lh_status
ask(struct replicate *r, struct cli_lake *lake, struct lh_error *err)
{
    LH_AUTO_BUF(body, 4096);
    struct lh_json_writer w = lh_json_writer_over(&body);
    struct cli_request request = {
        .method = LH_POST, .path = "/v1/storage/replicate", .accept = "application/x-ndjson"};

    lh_json_object_begin(&w);
    if (r->to)
        lh_json_set_cstr(&w, "to", r->to);
    lh_json_set_bool(&w, "force", r->force);
    lh_json_object_end(&w);
    request.body = lh_buf_bytes(&body);
    LH_TRY(cli_lake_stream(lake, &request, lines_take, r, err));
    if (r->error.status != LH_OK) {
        lh_error_copy(err, &r->error);
        return err->status;
    }
    return r->result ? LH_OK
                     : lh_fail(err, LH_UNAVAILABLE, "cli.broken_off", "the answer broke off");
}

static int64_t
number(const json_t *v, const char *name)
{
    return json_integer_value(json_object_get(v, name));
}

static void
summary_print(const struct replicate *r)
{
    char size[CLI_SIZE_TEXT];
    const json_t *v = r->result;
    const char *failure = json_string_value(json_object_get(v, "first_failure"));

    if (r->is_terminal)
        fputs("\r\033[K", stderr);
    if (r->common.has_output && r->common.output == CLI_JSON) {
        (void)json_dumpf(v, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    printf("%s: %lld of %lld objects copied (%s), %lld unchanged, %lld gone, %lld deleted, "
           "%lld failed, %.1f s\n",
           json_string_value(json_object_get(v, "to")), (long long)number(v, "copied"),
           (long long)number(v, "seen"), cli_size_text((uint64_t)number(v, "copied_bytes"), size),
           (long long)number(v, "unchanged"), (long long)number(v, "gone"),
           (long long)number(v, "deleted"), (long long)number(v, "failed"),
           (double)number(v, "elapsed_ms") / 1000);
    if (failure)
        fprintf(stderr, "lakehouse: %s\n", failure);
    fflush(stdout);
}

static int
once(struct replicate *r, struct cli_lake *lake)
{
    LH_AUTO_ERROR(err);
    lh_status status = ask(r, lake, &err);
    int code = CLI_DONE;

    if (status != LH_OK)
        code = cli_fail(&err);
    else
        summary_print(r);
    if (status == LH_OK && number(r->result, "failed") > 0)
        code = CLI_REFUSED;
    json_decref(r->result);
    r->result = NULL;
    lh_error_clear(&r->error);
    lh_buf_clear(&r->line);
    return code;
}

/* Until interrupted: a run that fails is told of and tried again, since what it failed at may pass.
 */
static int
again_and_again(struct replicate *r, struct cli_lake *lake)
{
    int code;

    while ((code = once(r, lake)) != CLI_INTERRUPTED)
        (void)poll(NULL, 0, (int)r->every_ms);
    return code;
}

static int
replicate_with(struct replicate *r)
{
    CLI_AUTO_LAKE lake = NULL;
    LH_AUTO_ERROR(err);

    if (cli_lake_open(&r->common, CLI_LAKE_READS, &lake, &err) != LH_OK)
        return cli_fail(&err);
    cli_lake_interruptible(lake);
    r->is_terminal = isatty(STDERR_FILENO) == 1;
    return r->watch ? again_and_again(r, lake) : once(r, lake);
}

static int
replicate_run(int argc, char **argv)
{
    struct replicate r = {.every_ms = EVERY_MS_DEFAULT};
    const struct cli_option own[] = {
        {"to", &r.to, NULL},       {"once", NULL, &r.once},   {"watch", NULL, &r.watch},
        {"every", &r.every, NULL}, {"force", NULL, &r.force}, {NULL, NULL, NULL},
    };
    int count = argc, code;

    if (!cli_options_take(&cli_verb_replicate, own, &count, argv, &r.common))
        return CLI_USAGE;
    if (count > 0)
        return cli_usage(&cli_verb_replicate, "\"%s\" is one argument too many", argv[1]);
    if (r.once && r.watch)
        return cli_usage(&cli_verb_replicate, "--once and --watch exclude each other");
    if (r.every && (!lh_duration_parse_ms(lh_str_of(r.every), &r.every_ms) || r.every_ms < 100 ||
                    r.every_ms > 86400000))
        return cli_usage(&cli_verb_replicate, "--every is a duration from 100ms to 24h");
    lh_buf_init(&r.line, LINE_BYTES_MAX);
    code = replicate_with(&r);
    lh_buf_fini(&r.line);
    return code;
}

const struct cli_verb cli_verb_replicate = {
    .name = "replicate",
    .usage = "[--to BUCKET] [--once | --watch [--every 30s]] [--force]",
    .summary = "copy what is new to the rescue bucket",
    .help =
        "Copies the objects of all buckets to the rescue bucket (role = \"rescue\"): only what\n"
        "is new or changed, manifests after what they name. Copies of deleted objects go after\n"
        "store.replicate_grace. A run that was broken off is gone on with by the next.\n\n"
        "  --to BUCKET   the rescue bucket to fill, when there are several\n"
        "  --once        one run (the default)\n"
        "  --watch       again and again, until interrupted\n"
        "  --every TIME  the pause between runs of --watch; 30s\n"
        "  --force       a bucket that lost most of its objects really did\n\n"
        "The exit code is 1 when an object could not be copied; the rest has been.\n\n"
        "  lakehouse replicate\n"
        "  lakehouse replicate --watch --every 5m\n",
    .run = replicate_run,
};
