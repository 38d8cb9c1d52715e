#include "base/fault.h"
#include "base/time.h"
#include "services/ingestd/answer.h"

#define ANSWER_BYTES_MAX ((size_t)64 << 20)
#define BODY_MAX                                                                                   \
    ((uint64_t)1 << 50) /* ingest.body_max is the limit; it counts the file, not its wrapping */

static void
outcome_count(struct ingestd *d, const struct ingest *in, const struct ingest_outcome *o)
{
    if (o->is_unchanged) {
        atomic_fetch_add(&d->unchanged, 1);
        lh_metric_add(d->metrics.unchanged, 1);
        return;
    }
    atomic_fetch_add(&d->versions, 1);
    lh_metric_add(d->metrics.versions, 1);
    lh_metric_add(d->metrics.rows, (int64_t)in->file.rows);
    lh_metric_add(d->metrics.rejects, (int64_t)in->file.rows_rejected);
}

static lh_status
ingest_answer(struct ingestd *d, struct ingest *in, struct lh_response *res, struct lh_error *err)
{
    LH_AUTO_BUF(body, ANSWER_BYTES_MAX);
    struct ingest_outcome o = {0};
    int code;

    if (in->request->is_preview) {
        LH_TRY(ingest_preview(in, &o, err));
        answer_preview_print(in, &o, &body);
        return lh_response_json(res, 200, &body, err);
    }
    LH_TRY(ingest_run(in, &o, err));
    outcome_count(d, in, &o);
    answer_print(in, &o, &body);
    code = o.is_unchanged ? 200 : 201;
    lh_snapshot_unref(o.snapshot);
    return lh_response_json(res, code, &body, err);
}

static lh_status
ingest_uploaded(struct ingestd *d, struct lh_call *call, const struct ingest_request *request,
                const struct upload *upload, int64_t started_ns, struct lh_response *res,
                struct lh_error *err)
{
    struct ingest in;
    lh_status status = ingest_init(&in, d, call, request, upload, err);

    in.started_ns = started_ns;
    if (status == LH_OK)
        status = ingest_answer(d, &in, res, err);
    ingest_fini(&in);
    return status;
}

static lh_status
ingest_received(struct ingestd *d, struct lh_call *call, struct lh_request *req,
                const struct ingest_request *request, struct upload *upload,
                struct lh_response *res, struct lh_error *err)
{
    int64_t from = lh_time_mono_ns();

    LH_TRY(upload_receive(d, call, req, upload, err));
    lh_metric_observe_ns(d->metrics.spool_seconds, lh_time_mono_ns() - from);
    lh_metric_add(d->metrics.bytes, (int64_t)upload->size_bytes);
    LH_FAULT("ingest.after_spool", err);
    return ingest_uploaded(d, call, request, upload, from, res, err);
}

static lh_status
ingest_checked(struct ingestd *d, struct lh_call *call, struct lh_request *req,
               struct lh_response *res, struct lh_error *err)
{
    struct ingest_request request = {0};
    struct upload upload = {0};
    struct lh_bucket *bucket;
    lh_status status = ingest_request_read(req, &call->arena, &request, err);

    /* Before the body is taken: a wrong bucket need not wait for a large upload. */
    if (status == LH_OK)
        status = lh_store_bucket(d->env->store, call, lh_str_of(request.bucket), &bucket, err);
    if (status == LH_OK)
        status = ingest_received(d, call, req, &request, &upload, res, err);
    upload_fini(&upload);
    ingest_request_fini(&request);
    return status;
}

static lh_status
ingest_post(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    struct ingestd *d = self;
    lh_status status;

    if (atomic_fetch_add(&d->running, 1) >= d->concurrency) {
        atomic_fetch_sub(&d->running, 1);
        return lh_fail(err, LH_BUSY, "ingest.busy", "%lld files are being taken in already",
                       (long long)d->concurrency);
    }
    lh_metric_set(d->metrics.running, atomic_load(&d->running));
    status = ingest_checked(d, call, req, res, err);
    lh_metric_set(d->metrics.running, atomic_fetch_sub(&d->running, 1) - 1);
    if (status != LH_OK) {
        atomic_fetch_add(&d->failures, 1);
        lh_metric_add(d->metrics.failures, 1);
    }
    return status;
}

const struct lh_route ingestd_routes[] = {
    {LH_POST, "/v1/ingest", ingest_post, LH_ROUTE_STREAMS_BODY | LH_ROUTE_WRITES | LH_ROUTE_LONG,
     BODY_MAX},
    {0},
};
