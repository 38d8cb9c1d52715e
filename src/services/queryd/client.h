/*
 * queryd client: a statement asked by another service, with the eyes of its caller.
 *
 * The statement sees what the principal of the call sees, and ends with the call.
 *
 * Fails    as POST /v1/sql does.
 * Threads  safe.
 */
#ifndef LH_SERVICES_QUERYD_CLIENT_H
#define LH_SERVICES_QUERYD_CLIENT_H

#include "net/mesh.h"

struct lh_query {
    lh_str sql;
    const json_t *params; /* array, object or NULL */
    uint64_t limit;       /* rows; 0: query.rows_default */
    int64_t timeout_ms;   /* 0: query.timeout */
};

/* The answer of POST /v1/sql: columns, rows, row_count, truncated, datasets … Caller json_decref.
 */
lh_status lh_query_json(struct lh_mesh *m, struct lh_call *call, const struct lh_query *query,
                        json_t **out, struct lh_error *err);

/* What running statements read, and how many that began before `before_us` (wall clock) do not know
 * it yet: {"reading":[{"dataset","version"}],"starting":n}. Caller json_decref. */
lh_status lh_query_reading(struct lh_mesh *m, struct lh_call *call, int64_t before_us, json_t **out,
                           struct lh_error *err);

#endif
