/*
 * progress: a line on the terminal that tells how far a transfer is; nothing at all in a pipe.
 *
 *     workers.csv  [#########------]  61%  34.2 MiB of 56.1 MiB  118 MiB/s  1 s left
 */
#ifndef LH_APPS_CLI_PROGRESS_H
#define LH_APPS_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cli_progress {
    const char *label;
    uint64_t total; /* 0: not known */
    uint64_t done;
    int64_t started_ms, shown_ms;
    bool is_on;
};

void cli_progress_begin(struct cli_progress *p, const char *label, uint64_t total);
void cli_progress_add(struct cli_progress *p, uint64_t bytes);
void cli_progress_end(struct cli_progress *p); /* wipes the line */

/* "34.2 MiB". Returns `text`. */
#define CLI_SIZE_TEXT 24
char *cli_size_text(uint64_t bytes, char text[CLI_SIZE_TEXT]);

#endif
