/*
 * cli: the verbs of the `lakehouse` command other than `serve`.
 *
 * A verb is a row of the table in cli.c: its name, its usage, and a function that gets its own
 * arguments. Each verb talks to a lake through cli_lake (lake.h), which is a running server or,
 * when none runs, the services started in this very process.
 *
 * Exit codes   0 done · 1 the lake answered with an error · 2 the command line is wrong · 3 the
 * lake cannot be reached or opened · 4 what was named does not exist · 130 interrupted
 */
#ifndef LH_APPS_CLI_H
#define LH_APPS_CLI_H

#include "base/buf.h"
#include "base/json.h"

enum cli_exit {
    CLI_DONE = 0,
    CLI_REFUSED = 1,
    CLI_USAGE = 2,
    CLI_UNREACHABLE = 3,
    CLI_NOT_FOUND = 4,
    CLI_INTERRUPTED = 130,
};

/* Runs argv[1] with the rest; prints help for none. */
int lh_cli_main(int argc, char **argv);

/* ---- the verbs ---- */

struct cli_verb {
    const char *name;
    const char *usage;                 /* after the name */
    const char *summary;               /* one line */
    const char *help;                  /* options and examples, ready to print */
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
};

extern const struct cli_verb cli_verb_ingest, cli_verb_sql, cli_verb_datasets, cli_verb_describe,
    cli_verb_versions, cli_verb_rollback, cli_verb_delete_rows, cli_verb_compact, cli_verb_gc,
    cli_verb_errors, cli_verb_status, cli_verb_config, cli_verb_demo, cli_verb_search, cli_verb_ask,
    cli_verb_index, cli_verb_eval, cli_verb_replicate, cli_verb_verify;

/* ---- what verbs share ---- */

enum cli_output { CLI_TABLE, CLI_JSON, CLI_CSV, CLI_NDJSON };

/* Options that every verb knows. */
struct cli_common {
    const char *url;    /* --url, LAKEHOUSE_URL */
    const char *token;  /* LAKEHOUSE_TOKEN; never on the command line, where others see it */
    const char *data;   /* --data */
    const char *config; /* --config, LAKEHOUSE_CONFIG */
    enum cli_output output;
    bool has_output;
};

/* A verb's own option: --name VALUE, or a flag when `flag` is given. */
struct cli_option {
    const char *name;
    const char **value;
    bool *flag;
};

/* Takes the options (common ones too) out of argv and leaves the operands: *count of them in
 * argv[1…]. False, after a message on standard error, for an unknown option or a missing value;
 * --help prints the verb's help and leaves by exit(0). */
bool cli_options_take(const struct cli_verb *verb, const struct cli_option *own, int *count,
                      char **argv, struct cli_common *common);

/* Says on standard error what went wrong and returns the exit code that fits it. */
int cli_fail(const struct lh_error *err);
int
cli_usage(const struct cli_verb *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
