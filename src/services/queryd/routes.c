#include "services/queryd/hot.h"
#include "services/queryd/query.h"
#include "services/queryd/running.h"

#define SQL_BODY_MAX ((uint64_t)4 << 20)
#define LIST_BYTES_MAX ((size_t)16 << 20)

static lh_status
sql_run(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
        struct lh_error *err)
{
    static const char *const no_query[] = {NULL};
    struct query_request request;
    LH_AUTO_JSON body = NULL;

    LH_TRY(lh_request_query_only(req, no_query, err));
    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(query_request_read(&request, self, body, lh_request_header(req, "Accept"), err));
    return query_run(self, call, &request, res, err);
}

static lh_status
sql_cancel(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
           struct lh_error *err)
{
    struct queryd *q = self;

    LH_TRY(
        query_running_cancel(q->running, &call->principal, lh_request_param(req, "query_id"), err));
    return lh_response_empty(res, 204, err);
}

static lh_status
sql_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
         struct lh_error *err)
{
    struct queryd *q = self;
    LH_AUTO_BUF(body, LIST_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&body);

    (void)req;
    lh_json_object_begin(&w);
    lh_json_key(&w, "queries");
    query_running_list(q->running, &call->principal, &w);
    lh_json_object_end(&w);
    return lh_response_json(res, 200, &body, err);
}

/* For collection: what running statements read. */
static lh_status
sql_reading(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    struct queryd *q = self;
    LH_AUTO_BUF(body, LIST_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&body);
    int64_t before_us = INT64_MAX;

    (void)call;
    LH_TRY(lh_request_query_i64(req, "before_us", 0, INT64_MAX, &before_us, err));
    query_running_reading(q->running, before_us, &w);
    return lh_response_json(res, 200, &body, err);
}

/* ---- hot cache ---- */

static lh_status
cache_answer(struct queryd *q, struct lh_response *res, struct lh_error *err)
{
    LH_AUTO_BUF(body, LIST_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&body);

    query_hot_print(q->hot, &w, true);
    return lh_response_json(res, 200, &body, err);
}

static lh_status
cache_get(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
          struct lh_error *err)
{
    (void)call;
    (void)req;
    return cache_answer(self, res, err);
}

static lh_status
cache_pin(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
          struct lh_error *err)
{
    static const char *const fields[] = {"dataset", NULL};
    struct queryd *q = self;
    LH_AUTO_JSON body = NULL;
    lh_str dataset;

    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_str(body, "dataset", &dataset, err));
    LH_TRY(query_hot_pin(q->hot, call, dataset, err));
    return cache_answer(q, res, err);
}

static lh_status
cache_evict(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    static const char *const fields[] = {"dataset", NULL};
    struct queryd *q = self;
    LH_AUTO_JSON body = NULL;
    lh_str dataset = LH_STR_NONE;

    (void)call;
    LH_TRY(lh_request_json(req, true, &body, err));
    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_str_opt(body, "dataset", &dataset, err));
    query_hot_evict(q->hot, dataset);
    return cache_answer(q, res, err);
}

/* A statement has a deadline of its own (timeout_ms), hence LONG. Asking is no mutation although it
 * is a POST. */
const struct lh_route queryd_routes[] = {
    {LH_POST, "/v1/sql", sql_run, LH_ROUTE_LONG, SQL_BODY_MAX},
    {LH_GET, "/v1/sql", sql_list, 0, 0},
    {LH_DELETE, "/v1/sql/{query_id}", sql_cancel, 0, 0},
    {LH_GET, "/internal/query/reading", sql_reading, LH_ROUTE_INTERNAL, 0},
    {LH_GET, "/v1/query/cache", cache_get, 0, 0},
    {LH_POST, "/v1/query/cache/pin", cache_pin, LH_ROUTE_WRITES | LH_ROUTE_LONG, 0},
    {LH_POST, "/v1/query/cache/evict", cache_evict, LH_ROUTE_WRITES, 0},
    {0},
};
