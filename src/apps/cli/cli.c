#include "apps/cli/cli.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct cli_verb *const verbs[] = {
    &cli_verb_ingest,   &cli_verb_sql,       &cli_verb_datasets,    &cli_verb_describe,
    &cli_verb_versions, &cli_verb_rollback,  &cli_verb_delete_rows, &cli_verb_compact,
    &cli_verb_gc,       &cli_verb_index,     &cli_verb_search,      &cli_verb_ask,
    &cli_verb_errors,   &cli_verb_status,    &cli_verb_config,      &cli_verb_demo,
    &cli_verb_eval,     &cli_verb_replicate, &cli_verb_verify,
};
#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static void
help_print(FILE *to)
{
    fputs("Lakehouse: any file in, SQL out, every version kept.\n\n"
          "usage: lakehouse VERB [options]\n\n"
          "  serve         serve the lake over HTTP, all services in one process\n",
          to);
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(to, "  %-13s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("  help VERB     what a verb can do, with examples\n\n"
          "Every verb but serve takes:\n"
          "  --url URL       the server to talk to (LAKEHOUSE_URL); its token is read from "
          "LAKEHOUSE_TOKEN\n"
          "  --data DIR      the lake's folder; opened in this process when no server runs for it\n"
          "  --config FILE   settings (LAKEHOUSE_CONFIG)\n"
          "  --output FORM   table, json, csv or ndjson; table on a terminal, csv in a pipe\n\n"
          "Without --url and --data it is the server of ./data, then one on 127.0.0.1:3100, then "
          "./data itself.\n\n"
          "exit codes: 0 done, 1 refused by the lake, 2 wrong command line, 3 lake not reached,\n"
          "            4 no such dataset or version, 130 interrupted\n",
          to);
}

static void
verb_help_print(const struct cli_verb *verb, FILE *to)
{
    fprintf(to, "usage: lakehouse %s %s\n\n%s\n", verb->name, verb->usage, verb->help);
}

static const struct cli_verb *
verb_find(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

static int
help_run(int argc, char **argv)
{
    if (argc < 3) {
        help_print(stdout);
        return CLI_DONE;
    }
    const struct cli_verb *verb = verb_find(argv[2]);
    if (!verb) {
        fprintf(stderr, "lakehouse: no verb \"%s\"; see lakehouse --help\n", argv[2]);
        return CLI_USAGE;
    }
    verb_help_print(verb, stdout);
    return CLI_DONE;
}

int
lh_cli_main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    if (argc < 2) {
        help_print(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return help_run(argc, argv);
    const struct cli_verb *verb = verb_find(argv[1]);
    if (!verb) {
        fprintf(stderr, "lakehouse: no verb \"%s\"; see lakehouse --help\n", argv[1]);
        return CLI_USAGE;
    }
    return verb->run(argc - 1, argv + 1);
}

static bool
output_parse(const char *name, enum cli_output *out)
{
    static const char *const names[] = {"table", "json", "csv", "ndjson"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum cli_output)i;
            return true;
        }
    }
    return false;
}

static const struct cli_option *
option_find(const struct cli_option *options, lh_str name)
{
    for (; options && options->name; options++)
        if (lh_str_eq(lh_str_of(options->name), name))
            return options;
    return NULL;
}

/* One "--name", "--name VALUE" or "--name=VALUE" at argv[*at]. */
static bool
option_take(const struct cli_verb *verb, const struct cli_option *own,
            const struct cli_option *shared, int count, char **argv, int *at)
{
    lh_str text = lh_str_slice(lh_str_of(argv[*at]), 2, SIZE_MAX);
    lh_str name;
    bool has_value = lh_str_cut(&text, '=', &name);
    const struct cli_option *option = option_find(own, name);
    if (!option)
        option = option_find(shared, name);
    if (!option) {
        cli_usage(verb, "unknown option %s", argv[*at]);
        return false;
    }
    if (option->flag) {
        *option->flag = true;
        if (has_value)
            cli_usage(verb, "--%s takes no value", option->name);
        return !has_value;
    }
    if (has_value) {
        *option->value = text.ptr;
        return true;
    }
    if (*at + 1 >= count) {
        cli_usage(verb, "--%s needs a value", option->name);
        return false;
    }
    *option->value = argv[++*at];
    return true;
}

bool
cli_options_take(const struct cli_verb *verb, const struct cli_option *own, int *count, char **argv,
                 struct cli_common *common)
{
    const char *output = NULL;
    bool help = false;
    *common = (struct cli_common){
        .url = getenv("LAKEHOUSE_URL"),
        .token = getenv("LAKEHOUSE_TOKEN"),
        .config = getenv("LAKEHOUSE_CONFIG"),
    };
    const struct cli_option shared[] = {
        {"url", &common->url, NULL},
        {"data", &common->data, NULL},
        {"config", &common->config, NULL},
        {"output", &output, NULL},
        {"help", NULL, &help},
        {NULL, NULL, NULL},
    };
    int operands = 1;
    bool only_operands = false;
    for (int i = 1; i < *count; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0)
            only_operands = true;
        else if (!only_operands && strcmp(argv[i], "-h") == 0)
            help = true;
        else if (!only_operands && strncmp(argv[i], "--", 2) == 0) {
            if (!option_take(verb, own, shared, *count, argv, &i))
                return false;
        } else
            argv[operands++] = argv[i];
    }
    *count = operands - 1;
    if (help) {
        verb_help_print(verb, stdout);
        exit(CLI_DONE);
    }
    if (output && !output_parse(output, &common->output)) {
        cli_usage(verb, "--output is table, json, csv or ndjson, not \"%s\"", output);
        return false;
    }
    common->has_output = output != NULL;
    return true;
}

int
cli_fail(const struct lh_error *err)
{
    fprintf(stderr, "lakehouse: %s (%s)\n", err->text, err->reason);
    if (err->status == LH_NOT_FOUND)
        return CLI_NOT_FOUND;
    if (err->status == LH_UNAVAILABLE)
        return CLI_UNREACHABLE;
    if (err->status == LH_CANCELED)
        return CLI_INTERRUPTED;
    return CLI_REFUSED;
}

int
cli_usage(const struct cli_verb *verb, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "lakehouse %s: ", verb->name);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nusage: lakehouse %s %s\n", verb->name, verb->usage);
    return CLI_USAGE;
}
