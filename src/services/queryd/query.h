/*
 * query: one statement from its request to its answer.
 *
 * Fails    as engine/sql.h and tables.h; BUSY "query.too_many"; INVALID "request.field_…" for a
 *          wrong body, "request.not_acceptable" when no form of answer fits.
 */
#ifndef LH_SERVICES_QUERYD_QUERY_H
#define LH_SERVICES_QUERYD_QUERY_H

#include "engine/sql.h"
#include "services/queryd/queryd.h"

struct query_request {
    lh_str sql;
    const json_t *params; /* or NULL */
    enum lh_result_format format;
    struct lh_statement_limits limits;
    int64_t timeout_ms;
};

/* `body` must outlive the request. */
lh_status query_request_read(struct query_request *r, const struct queryd *q, const json_t *body,
                             lh_str accept, struct lh_error *err);
lh_status query_run(struct queryd *q, struct lh_call *call, const struct query_request *r,
                    struct lh_response *res, struct lh_error *err);

#endif
