/*
 * table: rows of JSON values as aligned text for people.
 *
 * Numbers to the right, text to the left, NULL dimmed on a terminal, columns cut with "…" so that a
 * row fits the width. Widths are those of the terminal's cells (wcwidth), not bytes.
 */
#ifndef LH_APPS_CLI_TABLE_H
#define LH_APPS_CLI_TABLE_H

#include "apps/cli/cli.h"

struct cli_column {
    lh_str name;
    bool is_number;
};

/* `rows` is a JSON array of arrays. width 0: unlimited. */
void cli_table_print(const struct cli_column *columns, size_t count, const json_t *rows,
                     size_t width, bool is_terminal, struct lh_buf *out);

/* The objects of an array in the wanted form; `columns` names their members in order. */
void cli_objects_print(const char *const *columns, const json_t *objects, enum cli_output form);

/* The form to use: as asked, else a table on a terminal and CSV in a pipe. */
enum cli_output cli_output_choose(const struct cli_common *common);
/* Cells of the terminal on standard output, 0 when it is none. */
size_t cli_terminal_width(void);

#endif
