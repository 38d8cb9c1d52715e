/*
 * report: the answer of a service that looks for differences: as lines while it goes on
 * (application/x-ndjson), or as one document at the end.
 *
 *     {"difference":{"bucket","key","what","expected","found"}}  …
 *     {"progress":{"objects","bytes"}}                           …
 *     {"checked":{"objects","bytes","differences","elapsed_ms"}}, or {"error":{"code","detail"}}
 *
 * and {"differences":[…],"checked":{…}}.
 *
 * Limits   one document holds REPORT_BYTES_MAX; TOO_BIG "report.too_big" says to ask for lines.
 * Threads  one.
 */
#ifndef LH_SERVICES_REPORT_H
#define LH_SERVICES_REPORT_H

#include "net/http.h"

struct lh_report {
    struct lh_response *res;
    bool is_lines;
    struct lh_buf body;
    struct lh_json_writer w;
    uint64_t objects, bytes, differences;
    int64_t began_ms, told_ms;
};

lh_status lh_report_begin(struct lh_report *r, const struct lh_request *req,
                          struct lh_response *res, struct lh_error *err);
lh_status
lh_report_difference(struct lh_report *r, const char *bucket, lh_str key, const char *what,
                     const char *expected, const char *found, struct lh_error *err);
/* Counts, and tells now and then. */
void lh_report_progress(struct lh_report *r, uint64_t objects, uint64_t bytes);
/* `status` and `why` of the work that was reported on. */
lh_status lh_report_end(struct lh_report *r, lh_status status, const struct lh_error *why,
                        struct lh_error *err);
void lh_report_fini(struct lh_report *r);

#endif
