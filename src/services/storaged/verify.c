/* POST /v1/storage/verify: every bucket read again (store/verify.h). */
#include "services/report.h"
#include "services/storaged/storage.h"
#include "store/verify.h"

struct storage_verify {
    struct lh_report report;
};

static lh_status
difference_take(void *self, const struct lh_difference *d, struct lh_error *err)
{
    struct storage_verify *v = self;

    return lh_report_difference(&v->report, d->bucket, d->key, d->what, d->expected, d->found, err);
}

static void
progress_take(void *self, uint64_t objects, uint64_t bytes)
{
    struct storage_verify *v = self;

    lh_report_progress(&v->report, objects, bytes);
}

static lh_status
request_read(const struct lh_request *req, bool *is_deep, struct lh_error *err)
{
    static const char *const fields[] = {"deep", NULL};
    LH_AUTO_JSON body = NULL;

    LH_TRY(lh_request_query_only(req, (const char *const[]){NULL}, err));
    LH_TRY(lh_request_json(req, true, &body, err));
    LH_TRY(lh_json_only(body, fields, err));
    return lh_json_bool_opt(body, "deep", is_deep, err);
}

static lh_status
verify_and_answer(struct storage *s, struct lh_call *call, const struct lh_request *req,
                  bool is_deep, struct lh_response *res, struct lh_error *err)
{
    struct storage_verify v;
    struct lh_verify_options o = {
        .is_deep = is_deep, .visit = difference_take, .progress = progress_take, .self = &v};
    LH_AUTO_ERROR(why);
    lh_status status = lh_report_begin(&v.report, req, res, err);

    if (status == LH_OK) {
        lh_status verified = lh_store_verify(s->env->store, call, &o, &why);
        status = lh_report_end(&v.report, verified, &why, err);
    }
    lh_report_fini(&v.report);
    return status;
}

lh_status
storage_verify(struct storage *s, struct lh_call *call, const struct lh_request *req,
               struct lh_response *res, struct lh_error *err)
{
    bool is_deep = false;
    lh_status status;

    LH_TRY(storage_may_read(call, LH_STR("_"), err));
    LH_TRY(request_read(req, &is_deep, err));
    if (atomic_exchange(&s->is_verifying, true))
        return lh_fail(err, LH_BUSY, "store.verifying", "a verification is running already");
    status = verify_and_answer(s, call, req, is_deep, res, err);
    atomic_store(&s->is_verifying, false);
    return status;
}
