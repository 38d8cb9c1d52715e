/*
 * POST /v1/storage/replicate: one run of store/replicate.h, on the caller's time.
 *
 * Asked for as application/x-ndjson, the answer tells how far the run is while it goes on: lines
 * with "progress", and at the end one with "result" or "error". Otherwise the answer is the result.
 *
 * A run that changed the copy leaves an event. What changed is not only the journal, or each run
 * would make the next one necessary.
 */
#include <stdio.h>
#include "base/time.h"
#include "services/journald/client.h"
#include "services/storaged/storage.h"
#include "store/replicate.h"

#define TELL_MS 200
#define LINE_BYTES_MAX ((size_t)64 << 10)

struct replication {
    struct storage *s;
    struct lh_call *call;
    struct lh_response *res;
    struct lh_replicate_options options;
    struct lh_replicate_totals totals;
    bool tells;
    int64_t told_ms, began_ms;
};

static lh_status
request_read(const struct lh_request *req, struct lh_arena *arena, struct lh_replicate_options *o,
             struct lh_error *err)
{
    static const char *const fields[] = {"to", "force", "grace_s", NULL};
    LH_AUTO_JSON body = NULL;
    int64_t grace_s = -1;

    LH_TRY(lh_request_query_only(req, (const char *const[]){NULL}, err));
    LH_TRY(lh_request_json(req, true, &body, err));
    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_str_opt(body, "to", &o->to, err));
    LH_TRY(lh_json_bool_opt(body, "force", &o->may_lose_most, err));
    LH_TRY(lh_json_i64_opt(body, "grace_s", &grace_s, err));
    if (grace_s < -1 || grace_s > INT64_C(1) << 32)
        return lh_fail(err, LH_INVALID, "request.field_value",
                       "field \"grace_s\" must be 0 to 4294967296");
    o->to = lh_arena_str(arena, o->to);
    o->grace_us = grace_s < 0 ? -1 : grace_s * 1000000;
    return LH_OK;
}

static void
totals_print(const struct lh_replicate_totals *t, int64_t elapsed_ms, struct lh_json_writer *w)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "to", t->rescue);
    lh_json_set_u64(w, "seen", t->seen);
    lh_json_set_u64(w, "unchanged", t->unchanged);
    lh_json_set_u64(w, "copied", t->copied);
    lh_json_set_u64(w, "copied_bytes", t->copied_bytes);
    lh_json_set_u64(w, "gone", t->gone);
    lh_json_set_u64(w, "deleted", t->deleted);
    lh_json_set_u64(w, "failed", t->failed);
    if (t->first_failure[0])
        lh_json_set_cstr(w, "first_failure", t->first_failure);
    lh_json_set_i64(w, "elapsed_ms", elapsed_ms);
    lh_json_object_end(w);
}

static void
line_print(const struct replication *r, const char *member, const struct lh_replicate_totals *t,
           struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_key(&w, member);
    totals_print(t, lh_time_mono_ms() - r->began_ms, &w);
    lh_json_object_end(&w);
    lh_buf_add_char(out, '\n');
}

/* Who cannot be told any more has gone, and the run notices by the call. */
static void
tell(void *self, const struct lh_replicate_totals *so_far)
{
    struct replication *r = self;
    LH_AUTO_BUF(line, LINE_BYTES_MAX);
    int64_t now = lh_time_mono_ms();

    if (now - r->told_ms < TELL_MS)
        return;
    r->told_ms = now;
    line_print(r, "progress", so_far, &line);
    if (lh_response_write(r->res, lh_buf_bytes(&line), NULL) != LH_OK)
        lh_call_cancel(r->call);
}

static bool
has_changed(const struct lh_replicate_totals *t)
{
    return t->copied > t->copied_journal || t->gone > 0 || t->deleted > 0 || t->failed > 0;
}

static lh_status
event_add(struct replication *r, struct lh_error *err)
{
    LH_AUTO_BUF(value, LINE_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&value);
    struct lh_journal_event event = {
        .entity_type = "bucket", .entity_id = r->totals.rescue, .action = "bucket.replicated"};

    if (!has_changed(&r->totals))
        return LH_OK;
    totals_print(&r->totals, lh_time_mono_ms() - r->began_ms, &w);
    event.new_json = lh_buf_str(&value);
    return lh_journal_event(r->s->env->mesh, r->call, &event, err);
}

static void
failures_report(struct replication *r)
{
    const struct lh_journal_failure failure = {.service = "storaged",
                                               .code = "store.replicate_failed",
                                               .detail = r->totals.first_failure,
                                               .object = "",
                                               .bucket = r->totals.rescue};

    if (r->totals.failed > 0)
        lh_journal_failure(r->s->env->mesh, r->call, &failure);
}

static lh_status
run(struct replication *r, struct lh_error *err)
{
    lh_status status = lh_store_replicate(r->s->env->store, r->call, &r->options, &r->totals, err);

    failures_report(r);
    LH_TRY(status);
    return event_add(r, err);
}

static lh_status
answer_whole(struct replication *r, struct lh_error *err)
{
    LH_AUTO_BUF(body, LINE_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&body);

    LH_TRY(run(r, err));
    totals_print(&r->totals, lh_time_mono_ms() - r->began_ms, &w);
    return lh_response_json(r->res, 200, &body, err);
}

static void
error_print(const struct lh_error *err, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_key(&w, "error");
    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "code", err->reason);
    lh_json_set_cstr(&w, "detail", err->text);
    lh_json_object_end(&w);
    lh_json_object_end(&w);
    lh_buf_add_char(out, '\n');
}

static lh_status
answer_lines(struct replication *r, struct lh_error *err)
{
    LH_AUTO_BUF(line, LINE_BYTES_MAX);
    LH_AUTO_ERROR(why);

    r->options.progress = tell;
    r->options.self = r;
    LH_TRY(lh_response_begin(r->res, 200, "application/x-ndjson", -1, err));
    if (run(r, &why) == LH_OK)
        line_print(r, "result", &r->totals, &line);
    else
        error_print(&why, &line);
    return lh_response_write(r->res, lh_buf_bytes(&line), err);
}

lh_status
storage_replicate(struct storage *s, struct lh_call *call, const struct lh_request *req,
                  struct lh_response *res, struct lh_error *err)
{
    struct replication r = {.s = s, .call = call, .res = res, .began_ms = lh_time_mono_ms()};
    lh_str accept = lh_request_header(req, "Accept");
    lh_status status;

    LH_TRY(request_read(req, &call->arena, &r.options, err));
    if (atomic_exchange(&s->is_replicating, true))
        return lh_fail(err, LH_BUSY, "store.replicate_race", "a replication is running already");
    status = lh_str_eq(accept, LH_STR("application/x-ndjson")) ? answer_lines(&r, err)
                                                               : answer_whole(&r, err);
    atomic_store(&s->is_replicating, false);
    return status;
}
