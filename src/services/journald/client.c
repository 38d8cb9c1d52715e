#include "services/journald/client.h"

#include "base/log.h"
#include "base/time.h"

#define FAILURE_WAIT_MS 2000

/* A failure met while a failure is being reported is only logged: the journal must not be asked to
 * note that it is down. */
static _Thread_local bool is_reporting;

static void
event_print(const struct lh_journal_event *event, const char *event_id, const char *source,
            struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "event_id", event_id);
    lh_json_set_cstr(&w, "entity_type", event->entity_type);
    lh_json_set_cstr(&w, "entity_id", event->entity_id);
    lh_json_set_cstr(&w, "action", event->action);
    lh_json_set_cstr(&w, "source", source);
    if (event->old_json.ptr != NULL)
        lh_json_set_raw(&w, "old", event->old_json);
    if (event->new_json.ptr != NULL)
        lh_json_set_raw(&w, "new", event->new_json);
    lh_json_object_end(&w);
}

lh_status
lh_journal_event(struct lh_mesh *mesh, struct lh_call *call, const struct lh_journal_event *event,
                 struct lh_error *err)
{
    LH_AUTO_BUF(body, LH_BUF_UNLIMITED);
    LH_AUTO_BUF(answer, (size_t)1 << 20);
    char id[LH_UUID_TEXT];
    int http_status;

    lh_uuid_format(lh_uuid_v7(), id);
    event_print(event, event->event_id ? event->event_id : id,
                call->source ? call->source : "internal", &body);
    return lh_mesh_call(mesh, call,
                        &(struct lh_mesh_request){.service = "journald",
                                                  .method = LH_POST,
                                                  .path = "/internal/journal/events",
                                                  .body = lh_buf_bytes(&body),
                                                  .is_idempotent = true},
                        &http_status, &answer, err);
}

static void
failure_print(const struct lh_journal_failure *f, const char *trace_id, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "service", f->service);
    lh_json_set_cstr(&w, "code", f->code);
    lh_json_set_cstr(&w, "detail", f->detail ? f->detail : "");
    lh_json_set_cstr(&w, "object", f->object ? f->object : "");
    lh_json_set_cstr(&w, "bucket", f->bucket ? f->bucket : "");
    lh_json_set_cstr(&w, "trace_id", trace_id);
    lh_json_object_end(&w);
}

/* The failed call may be cancelled or out of time, and that must not silence the report: it travels
 * on a call of its own. */
static lh_status
failure_send(struct lh_mesh *mesh, struct lh_call *call, const struct lh_journal_failure *failure,
             struct lh_error *err)
{
    LH_AUTO_BUF(body, (size_t)1 << 20);
    LH_AUTO_BUF(answer, (size_t)1 << 20);
    struct lh_call own;
    lh_status status;
    int http_status;

    lh_call_init(&own);
    own.trace = call->trace;
    own.deadline_ms = lh_time_mono_ms() + FAILURE_WAIT_MS;
    failure_print(failure, call->trace.trace_id, &body);
    status = lh_mesh_call(mesh, &own,
                          &(struct lh_mesh_request){.service = "journald",
                                                    .method = LH_POST,
                                                    .path = "/internal/journal/failures",
                                                    .body = lh_buf_bytes(&body)},
                          &http_status, &answer, err);
    lh_call_fini(&own);
    return status;
}

void
lh_journal_failure(struct lh_mesh *mesh, struct lh_call *call,
                   const struct lh_journal_failure *failure)
{
    LH_AUTO_ERROR(err);
    lh_status status = LH_UNAVAILABLE;

    if (!is_reporting) {
        is_reporting = true;
        status = failure_send(mesh, call, failure, &err);
        is_reporting = false;
    }
    if (status != LH_OK)
        lh_log(LH_LOG_ERROR, failure->service, "failure outside the journal",
               LH_LOG_S("code", failure->code), LH_LOG_S("detail", failure->detail),
               LH_LOG_S("object", failure->object), LH_LOG_S("bucket", failure->bucket),
               LH_LOG_S("trace_id", call->trace.trace_id), LH_LOG_S("why", err.text));
}
