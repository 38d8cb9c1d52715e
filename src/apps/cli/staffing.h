/*
 * staffing: the reference data set, made up: a staffing company's workers, clients, job orders,
 * placements, timesheets, calls and interviews.
 *
 * Every row follows from its index and the scale alone, so the same scale gives the same bytes
 * everywhere. At scale 1 there are 500,000 workers of 14 columns and 2,420,000 rows in all. Some of
 * it is there to be found: every tenth worker is called about six times and never placed; forklift
 * operators with OSHA papers live in Illinois as elsewhere.
 *
 * Threads  a source belongs to one thread.
 */
#ifndef LH_APPS_CLI_STAFFING_H
#define LH_APPS_CLI_STAFFING_H

#include "net/http.h"

struct staffing_scale {
    uint64_t workers, clients, jobs, placements, timesheets, calls, interviews;
};

struct staffing_table {
    const char *name;
    const char *header;
    size_t rows_at; /* offset of its row count in struct staffing_scale */
    void (*row_print)(const struct staffing_scale *scale, uint64_t index, struct lh_buf *out);
};

extern const struct staffing_table staffing_tables[]; /* ended by a zero row */

struct staffing_scale staffing_scale_of(double scale); /* at least one row a table */
uint64_t staffing_rows(const struct staffing_scale *scale, const struct staffing_table *table);

/* A table as CSV, made while it is read. */
struct staffing_source {
    const struct staffing_table *table;
    struct staffing_scale scale;
    uint64_t next;
    struct lh_buf rest;
    size_t taken;
};
void staffing_source_init(struct staffing_source *s, const struct staffing_table *table,
                          const struct staffing_scale *scale);
void staffing_source_fini(struct staffing_source *s);
lh_status
staffing_source_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err);

#endif
