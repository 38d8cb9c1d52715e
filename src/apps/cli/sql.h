/*
 * sql: running one statement and showing its rows; shared by the verb and the interactive form.
 */
#ifndef LH_APPS_CLI_SQL_H
#define LH_APPS_CLI_SQL_H

#include "apps/cli/lake.h"
#include "apps/cli/table.h"

struct cli_sql_options {
    enum cli_output form;
    const char *limit;   /* rows of a table or JSON; NULL: the server's default */
    const char *timeout; /* ms; NULL: the server's default */
    const json_t *params;
    bool shows_timing;
};

lh_status cli_sql_run(struct cli_lake *lake, lh_str sql, const struct cli_sql_options *options,
                      struct lh_error *err);
/* Shows a failed statement: the message, and a caret under the place when the answer has one. */
void cli_sql_error_print(lh_str sql, const struct lh_error *err);

/* The interactive form. Returns an exit code. */
int cli_repl_run(struct cli_lake *lake, struct cli_sql_options *options);

#endif
