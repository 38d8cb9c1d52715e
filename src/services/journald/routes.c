#include <stdlib.h>

#include "base/log.h"
#include "base/time.h"
#include "services/journald/journal.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, IDS_MAX = 1000 };
#define PAGE_BYTES_MAX ((size_t)256 << 20)

static lh_status
since_read(const struct lh_request *req, int64_t *us, struct lh_error *err)
{
    lh_str since = lh_request_query(req, "since");

    if (since.len > 0 && !lh_time_parse(since, us))
        return lh_fail(err, LH_INVALID, "request.query",
                       "since is an ISO 8601 time such as 2026-01-31T12:00:00Z, not '%.*s'",
                       LH_FMT(lh_str_fit(since, 64)));
    return LH_OK;
}

static lh_status
query_read(const struct lh_request *req, const char *group, const char *topic,
           struct journal_query *q, struct lh_error *err)
{
    int64_t limit = LIMIT_DEFAULT;

    LH_TRY(lh_request_query_i64(req, "limit", 1, LIMIT_MAX, &limit, err));
    LH_TRY(since_read(req, &q->since_us, err));
    q->limit = (size_t)limit;
    q->cursor = lh_request_query(req, "cursor");
    q->group = lh_request_query(req, group);
    q->topic = lh_request_query(req, topic);
    return LH_OK;
}

static lh_status
journal_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    static const char *const names[] = {"entity", "entity_type", "since", "limit", "cursor", NULL};
    struct journal *j = self;
    struct journal_query q = {0};
    LH_AUTO_BUF(body, PAGE_BYTES_MAX);

    LH_TRY(lh_request_query_only(req, names, err));
    LH_TRY(query_read(req, "entity_type", "entity", &q, err));
    LH_TRY(journal_page_print(j->events, NULL, call, "events", &q, &body, err));
    return lh_response_json(res, 200, &body, err);
}

static lh_status
errors_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    static const char *const names[] = {"service", "code", "since", "limit", "cursor", NULL};
    struct journal *j = self;
    struct journal_query q = {0};
    LH_AUTO_BUF(body, PAGE_BYTES_MAX);

    LH_TRY(lh_request_query_only(req, names, err));
    LH_TRY(query_read(req, "service", "code", &q, err));
    LH_TRY(journal_page_print(j->errors, j->failures, call, "errors", &q, &body, err));
    return lh_response_json(res, 200, &body, err);
}

static lh_status
event_add(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
          struct lh_error *err)
{
    LH_AUTO_JSON body = NULL;

    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(journal_add(self, call, body, err));
    return lh_response_empty(res, 204, err);
}

static lh_status
failure_add(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    struct journal *j = self;
    struct journal_failure failure;
    LH_AUTO_JSON body = NULL;

    (void)call;
    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(journal_failure_read(body, &failure, err));
    journal_failures_add(j->failures, &failure);
    return lh_response_empty(res, 204, err);
}

static lh_status
ids_read(const json_t *body, struct lh_arena *arena, lh_uuid **ids, size_t *count,
         struct lh_error *err)
{
    static const char *const fields[] = {"event_ids", NULL};
    json_t *list = NULL, *item;
    size_t i;

    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_array_opt(body, "event_ids", &list, err));
    if (list == NULL || json_array_size(list) > IDS_MAX)
        return lh_fail(err, LH_INVALID, "journal.event_ids",
                       "event_ids is an array of at most %d UUIDs", IDS_MAX);
    *count = json_array_size(list);
    *ids = lh_arena_array(arena, *count + 1, sizeof(**ids));
    json_array_foreach (list, i, item) {
        if (!lh_uuid_parse(lh_str_of(json_string_value(item)), &(*ids)[i]))
            return lh_fail(err, LH_INVALID, "journal.event_ids", "event_ids[%zu] is not a UUID", i);
    }
    return LH_OK;
}

static void
missing_print(const lh_uuid *ids, const bool *is_missing, size_t count, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);
    char text[LH_UUID_TEXT];

    lh_json_object_begin(&w);
    lh_json_key(&w, "missing");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < count; i++)
        if (is_missing[i])
            lh_json_put_cstr(&w, lh_uuid_format(ids[i], text));
    lh_json_array_end(&w);
    lh_json_object_end(&w);
}

static lh_status
missing_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
             struct lh_error *err)
{
    LH_AUTO_JSON body = NULL;
    LH_AUTO_BUF(answer, (size_t)1 << 20);
    lh_uuid *ids = NULL;
    bool *is_missing;
    size_t count = 0;

    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(ids_read(body, &call->arena, &ids, &count, err));
    is_missing = lh_arena_array(&call->arena, count + 1, sizeof(*is_missing));
    LH_TRY(journal_missing(self, call, ids, count, is_missing, err));
    missing_print(ids, is_missing, count, &answer);
    return lh_response_json(res, 200, &answer, err);
}

const struct lh_route journal_routes[] = {
    {LH_GET, "/v1/journal", journal_list, 0, 0},
    {LH_GET, "/v1/errors", errors_list, 0, 0},
    {LH_POST, "/internal/journal/events", event_add, LH_ROUTE_INTERNAL, (uint64_t)1 << 20},
    {LH_POST, "/internal/journal/failures", failure_add, LH_ROUTE_INTERNAL, (uint64_t)1 << 20},
    {LH_POST, "/internal/journal/missing", missing_list, LH_ROUTE_INTERNAL, (uint64_t)1 << 20},
    {0},
};
