#include "services/queryd/client.h"

enum { BODY_MAX_BYTES = 4 << 20 };

static void
body_print(const struct lh_query *query, struct lh_buf *body)
{
    struct lh_json_writer w = lh_json_writer_over(body);

    lh_json_object_begin(&w);
    lh_json_set_str(&w, "sql", query->sql);
    if (query->params) {
        lh_json_key(&w, "params");
        lh_json_put_value(&w, query->params);
    }
    if (query->limit > 0)
        lh_json_set_u64(&w, "limit", query->limit);
    if (query->timeout_ms > 0)
        lh_json_set_i64(&w, "timeout_ms", query->timeout_ms);
    lh_json_object_end(&w);
}

lh_status
lh_query_json(struct lh_mesh *m, struct lh_call *call, const struct lh_query *query, json_t **out,
              struct lh_error *err)
{
    LH_AUTO_BUF(body, BODY_MAX_BYTES);
    struct lh_mesh_request request = {
        .service = "queryd",
        .method = LH_POST,
        .path = "/v1/sql",
        .is_idempotent = true,
    };

    body_print(query, &body);
    LH_TRY(lh_buf_check(&body, "the statement", err));
    request.body = lh_buf_bytes(&body);
    return lh_mesh_call_json(m, call, &request, out, err);
}

lh_status
lh_query_reading(struct lh_mesh *m, struct lh_call *call, int64_t before_us, json_t **out,
                 struct lh_error *err)
{
    struct lh_mesh_request request = {
        .service = "queryd",
        .method = LH_GET,
        .path = lh_arena_printf(&call->arena, "/internal/query/reading?before_us=%lld",
                                (long long)before_us),
    };

    return lh_mesh_call_json(m, call, &request, out, err);
}
