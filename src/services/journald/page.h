/*
 * page: one answer of GET /v1/journal or GET /v1/errors, newest first.
 *
 * The cursor names the last row given, so pages stay right while rows are added in front. Rows of
 * open failure windows come before everything in the log; their records in the log are left out
 * while the window is open.
 *
 * Fails    INVALID "request.query" for a bad cursor; as the bucket fails.
 */
#ifndef LH_SERVICES_JOURNALD_PAGE_H
#define LH_SERVICES_JOURNALD_PAGE_H

#include "services/journald/failure.h"
#include "services/journald/shelf.h"

struct journal_query {
    lh_str group, topic; /* "" is any */
    int64_t since_us;    /* 0: all */
    size_t limit;
    lh_str cursor; /* "" is the first page */
};

/* Appends {"<member>":[…],"next_cursor":…}. `failures` may be NULL. */
lh_status
journal_page_print(struct journal_shelf *shelf, struct journal_failures *failures,
                   struct lh_call *call, const char *member, const struct journal_query *query,
                   struct lh_buf *out, struct lh_error *err);

#endif
