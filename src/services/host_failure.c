/*
 * Which failures an operator hears about, and how each is told once.
 *
 * A failure travels outwards through every handler that asked for the work: the bucket fails, so
 * the catalog fails, so the query fails. The innermost handler knows best what happened and is
 * asked first. It leaves its name on the failure as the member "reported_by", which goes along to
 * callers in other processes; and where somebody on the way has worded the failure anew, the ring
 * of (trace, reason) still tells that it has been reported by this process.
 */
#include "services/host_parts.h"

#include <string.h>
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/thread.h"
#include "services/journald/client.h"

#define REPORTED_BY "reported_by"

/* Time that a caller set or used up himself is not ours to explain: a statement past its limit, a
 * body that does not arrive. */
static bool
timeout_is_ours(const struct lh_error *err)
{
    lh_str reason = lh_str_of(err->reason);

    return !lh_str_starts(reason, LH_STR("sql.")) && !lh_str_starts(reason, LH_STR("request."));
}

bool
host_failure_is_operational(const struct lh_error *err)
{
    switch (err->status) {
    case LH_UNAVAILABLE:
    case LH_CORRUPT:
    case LH_IO:
    case LH_NO_SPACE:
    case LH_BUG:
        return true;
    case LH_TIMEOUT:
        return timeout_is_ours(err);
    default:
        return false;
    }
}

bool
host_reported_add(struct host_reported *r, const char *trace_id, const char *reason)
{
    uint64_t id = lh_xxh64(reason, strlen(reason), lh_xxh64(trace_id, strlen(trace_id), 0));

    LH_AUTO_LOCK(&r->lock);
    for (size_t i = 0; i < HOST_REPORTED_MAX; i++) {
        if (r->seen[i] == id)
            return false;
    }
    r->seen[r->next] = id;
    r->next = (r->next + 1) % HOST_REPORTED_MAX;
    return true;
}

/* What the failure is about: the error's own word, else the request's path parameters. */
static const char *
subject_find(struct lh_arena *arena, const json_t *extra, const struct lh_request *req,
             const char *const *names)
{
    for (const char *const *name = names; *name; name++) {
        const char *said = json_string_value(json_object_get(extra, *name));
        lh_str param = req ? lh_request_param(req, *name) : LH_STR_NONE;

        if (said)
            return lh_arena_cstr(arena, lh_str_of(said));
        if (param.ptr)
            return lh_arena_cstr(arena, param);
    }
    return "";
}

static void
reporter_note(struct lh_error *err, json_t *extra, const char *service)
{
    LH_AUTO_JSON members = extra ? json_incref(extra) : json_object();
    LH_AUTO_CHARS text = NULL;

    json_object_set_new(members, REPORTED_BY, json_string(service));
    text = json_dumps(members, JSON_COMPACT);
    if (text)
        lh_error_extra_set(err, text);
}

static void
report(struct lh_host *h, struct lh_call *call, const char *service, const struct lh_request *req,
       const json_t *extra, const struct lh_error *err)
{
    static const char *const bucket_names[] = {"bucket", NULL};
    static const char *const object_names[] = {"object", "key", "dataset", "name", NULL};
    struct lh_journal_failure failure = {
        .service = service,
        .code = err->reason,
        .detail = err->text,
        .object = subject_find(&call->arena, extra, req, object_names),
        .bucket = subject_find(&call->arena, extra, req, bucket_names),
    };

    lh_log(LH_LOG_ERROR, service, "request failed", LH_LOG_S("status", lh_status_name(err->status)),
           LH_LOG_S("reason", err->reason), LH_LOG_S("text", err->text),
           LH_LOG_S("trace_id", call->trace.trace_id));
    lh_journal_failure(h->env.mesh, call, &failure);
}

void
lh_host_report(struct lh_host *h, struct lh_call *call, const char *service,
               const struct lh_request *req, struct lh_error *err)
{
    LH_AUTO_JSON extra = NULL;

    if (!err || !host_failure_is_operational(err))
        return;
    if (err->extra)
        (void)lh_json_parse(lh_str_of(err->extra), &extra, NULL);
    if (json_object_get(extra, REPORTED_BY))
        return;
    if (host_reported_add(&h->reported, call->trace.trace_id, err->reason))
        report(h, call, service, req, extra, err);
    reporter_note(err, extra, service);
}
