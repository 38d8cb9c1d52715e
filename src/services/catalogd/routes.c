#include "services/catalogd/routes.h"
#include "services/catalogd/verify.h"

#include "services/catalogd/compact.h"
#include "services/catalogd/detail.h"
#include "services/catalogd/erase.h"
#include "services/catalogd/gc.h"
#include "services/catalogd/listing.h"
#include "services/catalogd/meta.h"
#include "services/catalogd/restore.h"
#include "services/catalogd/resync.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000 };
#define ANSWER_BYTES_MAX ((size_t)512 << 20)

/* ---- reading ---- */

static lh_status
page_read(const struct lh_request *req, struct catalog_page *page, struct lh_error *err)
{
    int64_t limit = LIMIT_DEFAULT;

    LH_TRY(lh_request_query_i64(req, "limit", 1, LIMIT_MAX, &limit, err));
    page->limit = (size_t)limit;
    page->cursor = lh_request_query(req, "cursor");
    page->tag = lh_request_query(req, "tag");
    return LH_OK;
}

static lh_status
datasets_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
              struct lh_error *err)
{
    static const char *const names[] = {"limit", "cursor", "tag", NULL};
    struct catalog_page page = {0};
    LH_AUTO_BUF(body, ANSWER_BYTES_MAX);

    LH_TRY(lh_request_query_only(req, names, err));
    LH_TRY(page_read(req, &page, err));
    LH_TRY(catalog_datasets_print(self, call, &page, &body, err));
    return lh_response_json(res, 200, &body, err);
}

static lh_status
distinct_read(const struct lh_request *req, enum catalog_distinct_wish *wish, struct lh_error *err)
{
    bool is_wanted = false;

    if (!lh_request_has_query(req, "distinct"))
        return LH_OK;
    LH_TRY(lh_request_query_bool(req, "distinct", &is_wanted, err));
    *wish = is_wanted ? CATALOG_DISTINCT_YES : CATALOG_DISTINCT_NO;
    return LH_OK;
}

static lh_status
dataset_get(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
            struct lh_error *err)
{
    static const char *const names[] = {"distinct", NULL};
    enum catalog_distinct_wish wish = CATALOG_DISTINCT_IF_CHEAP;
    char etag[CATALOG_DETAIL_ETAG];
    LH_AUTO_BUF(body, ANSWER_BYTES_MAX);

    LH_TRY(lh_request_query_only(req, names, err));
    LH_TRY(distinct_read(req, &wish, err));
    LH_TRY(catalog_detail_print(self, call, lh_request_param(req, "name"), wish, &body, etag, err));
    lh_response_headerf(res, "ETag", "\"%s\"", etag);
    return lh_response_json(res, 200, &body, err);
}

static lh_status
versions_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
              struct lh_error *err)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    struct catalog_page page = {0};
    LH_AUTO_BUF(body, ANSWER_BYTES_MAX);

    LH_TRY(lh_request_query_only(req, names, err));
    LH_TRY(page_read(req, &page, err));
    LH_TRY(catalog_versions_print(self, call, lh_request_param(req, "name"), &page, &body, err));
    return lh_response_json(res, 200, &body, err);
}

/* ---- changing ---- */

static lh_status
dataset_patch(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
              struct lh_error *err)
{
    lh_str if_match = catalog_detail_meta_etag(lh_request_header(req, "If-Match"));
    char etag[CATALOG_DETAIL_ETAG];
    LH_AUTO_JSON patch = NULL;
    LH_AUTO_BUF(body, ANSWER_BYTES_MAX);
    lh_str name = lh_request_param(req, "name");

    LH_TRY(lh_request_json(req, false, &patch, err));
    LH_TRY(catalog_describe(self, call, name, patch, if_match, err));
    LH_TRY(catalog_detail_print(self, call, name, CATALOG_DISTINCT_NO, &body, etag, err));
    lh_response_headerf(res, "ETag", "\"%s\"", etag);
    return lh_response_json(res, 200, &body, err);
}

static void
outcome_print(const struct catalog_snapshot *s, bool is_unchanged, struct lh_buf *out)
{
    const struct lh_snapshot *v = &s->shown;
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "dataset", v->dataset);
    lh_json_set_cstr(&w, "dataset_id", v->dataset_id);
    lh_json_set_u64(&w, "version", v->version);
    lh_json_set_u64(&w, "parent", v->parent);
    lh_json_set_cstr(&w, "mode", v->mode);
    lh_json_set_cstr(&w, "source", v->source);
    lh_json_set_u64(&w, "rows", v->rows);
    lh_json_set_u64(&w, "size_bytes", v->size_bytes);
    lh_json_set_cstr(&w, "fingerprint", v->fingerprint);
    lh_json_set_time(&w, "created_at", v->created_us);
    lh_json_set_bool(&w, "unchanged", is_unchanged);
    lh_json_object_end(&w);
}

static lh_status
dataset_rollback(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
                 struct lh_error *err)
{
    static const char *const fields[] = {"version", NULL};
    LH_AUTO(catalog_snapshot) *s = NULL;
    LH_AUTO_JSON body = NULL;
    LH_AUTO_BUF(answer, 65536);
    bool is_unchanged;
    int64_t version;

    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_i64(body, "version", &version, err));
    if (version < 1)
        return lh_fail(err, LH_INVALID, "request.field_type", "version must be at least 1");
    LH_TRY(catalog_rollback(self, call, lh_request_param(req, "name"), (uint64_t)version, &s,
                            &is_unchanged, err));
    outcome_print(s, is_unchanged, &answer);
    return lh_response_json(res, is_unchanged ? 200 : 201, &answer, err);
}

static lh_status
dataset_delete(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
               struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = NULL;
    LH_AUTO_BUF(answer, 65536);

    LH_TRY(catalog_delete(self, call, lh_request_param(req, "name"), &s, err));
    outcome_print(s, false, &answer);
    return lh_response_json(res, 200, &answer, err);
}

static lh_status
dataset_resync(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
               struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);

    LH_TRY(catalog_resync(self, call, lh_request_param(req, "name"), &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

/* ---- deletion by key ---- */

static lh_status
dataset_tombstone(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
                  struct lh_error *err)
{
    lh_str name = lh_request_param(req, "name");
    struct catalog_erase_request request;
    struct catalog_erase_outcome outcome;
    LH_AUTO_JSON body = NULL;
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);

    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(catalog_erase_read(body, &request, err));
    LH_TRY(catalog_erase(self, call, name, &request, &outcome, err));
    catalog_erase_print(name, &request, &outcome, &answer);
    return lh_response_json(res, outcome.is_unchanged ? 200 : 201, &answer, err);
}

static lh_status
tombstones_list(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
                struct lh_error *err)
{
    static const char *const names[] = {"values", NULL};
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    bool with_values = false;

    LH_TRY(lh_request_query_only(req, names, err));
    if (lh_request_has_query(req, "values"))
        LH_TRY(lh_request_query_bool(req, "values", &with_values, err));
    LH_TRY(
        catalog_erase_list(self, call, lh_request_param(req, "name"), with_values, &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

/* ---- compaction ---- */

static lh_status
dataset_compact(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
                struct lh_error *err)
{
    static const char *const fields[] = {NULL};
    lh_str name = lh_request_param(req, "name");
    struct catalog_compact_report report;
    LH_AUTO_JSON body = NULL;
    LH_AUTO_BUF(answer, 65536);

    LH_TRY(lh_request_json(req, true, &body, err));
    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(catalog_compact(self, call, name, 1, &report, err));
    catalog_compact_print(name, &report, &answer);
    return lh_response_json(res, report.is_unchanged ? 200 : 201, &answer, err);
}

/* ---- collection ---- */

static lh_status
bounded_read(const json_t *body, const char *field, int64_t max, int64_t *out, struct lh_error *err)
{
    LH_TRY(lh_json_i64_opt(body, field, out, err));
    if (*out < 0 || *out > max)
        return lh_fail(err, LH_INVALID, "request.field_type", "%s must be between 0 and %lld",
                       field, (long long)max);
    return LH_OK;
}

static lh_status
gc_read(const json_t *body, struct catalog_gc_options *o, struct lh_error *err)
{
    static const char *const fields[] = {"dry_run", "keep_versions", "older_than_s", NULL};
    int64_t keep = 0, older_s = CATALOG_GC_OLDER_THAN_S;

    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_bool_opt(body, "dry_run", &o->is_dry, err));
    LH_TRY(bounded_read(body, "keep_versions", INT64_C(1) << 32, &keep, err));
    LH_TRY(bounded_read(body, "older_than_s", INT64_C(1) << 32, &older_s, err));
    if (keep == 0 && json_is_integer(json_object_get(body, "keep_versions")))
        return lh_fail(err, LH_INVALID, "request.field_type", "keep_versions must be at least 1");
    o->keep_versions = (uint64_t)keep;
    o->older_than_us = older_s * 1000000;
    return LH_OK;
}

static lh_status
gc_run(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
       struct lh_error *err)
{
    struct catalog_gc_options options = {.is_dry = true};
    LH_AUTO_JSON body = NULL;
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);

    LH_TRY(lh_request_json(req, true, &body, err));
    LH_TRY(gc_read(body, &options, err));
    LH_TRY(catalog_gc(self, call, &options, &answer, err));
    return lh_response_json(res, 200, &answer, err);
}

/* What a profile hides must not be told by its keys. */
static lh_status
verify_read(const struct lh_call *call, const struct lh_request *req, bool *is_deep,
            struct lh_error *err)
{
    static const char *const fields[] = {"deep", NULL};
    LH_AUTO_JSON body = NULL;

    if (call->principal.profile && *call->principal.profile)
        return lh_fail(err, LH_DENIED, "catalog.verify",
                       "a caller who is held to a profile cannot verify the catalog");
    LH_TRY(lh_request_query_only(req, (const char *const[]){NULL}, err));
    LH_TRY(lh_request_json(req, true, &body, err));
    LH_TRY(lh_json_only(body, fields, err));
    return lh_json_bool_opt(body, "deep", is_deep, err);
}

static lh_status
verify_and_answer(struct catalog *c, struct lh_call *call, const struct lh_request *req,
                  bool is_deep, struct lh_response *res, struct lh_error *err)
{
    struct lh_report report;
    LH_AUTO_ERROR(why);
    lh_status status = lh_report_begin(&report, req, res, err);

    if (status == LH_OK) {
        lh_status verified = catalog_verify(c, call, is_deep, &report, &why);
        status = lh_report_end(&report, verified, &why, err);
    }
    lh_report_fini(&report);
    return status;
}

static lh_status
verify_run(void *self, struct lh_call *call, struct lh_request *req, struct lh_response *res,
           struct lh_error *err)
{
    struct catalog *c = self;
    bool is_deep = false;
    lh_status status;

    LH_TRY(verify_read(call, req, &is_deep, err));
    LH_TRY(catalog_ready_check(c, err));
    if (atomic_exchange(&c->is_verifying, true))
        return lh_fail(err, LH_BUSY, "catalog.verifying", "a verification is running already");
    status = verify_and_answer(c, call, req, is_deep, res, err);
    atomic_store(&c->is_verifying, false);
    return status;
}

#define DATASETS "/v1/catalog/datasets"
#define INTERNAL "/internal/catalog"
#define TOMBSTONE_BODY_MAX ((uint64_t)8 << 20)
#define COMMIT_BODY_MAX ((uint64_t)512 << 20)

const struct lh_route catalog_routes[] = {
    {LH_GET, DATASETS, datasets_list, 0, 0},
    {LH_GET, DATASETS "/{name}", dataset_get, 0, 0},
    {LH_PATCH, DATASETS "/{name}", dataset_patch, LH_ROUTE_WRITES, (uint64_t)4 << 20},
    {LH_DELETE, DATASETS "/{name}", dataset_delete, LH_ROUTE_WRITES, 0},
    {LH_GET, DATASETS "/{name}/versions", versions_list, 0, 0},
    {LH_POST, DATASETS "/{name}/rollback", dataset_rollback, LH_ROUTE_WRITES, 65536},
    {LH_POST, DATASETS "/{name}/resync", dataset_resync, LH_ROUTE_WRITES | LH_ROUTE_LONG, 65536},
    {LH_POST, DATASETS "/{name}/tombstone", dataset_tombstone, LH_ROUTE_WRITES | LH_ROUTE_LONG,
     TOMBSTONE_BODY_MAX},
    {LH_GET, DATASETS "/{name}/tombstones", tombstones_list, 0, 0},
    {LH_POST, DATASETS "/{name}/compact", dataset_compact, LH_ROUTE_WRITES | LH_ROUTE_LONG, 65536},
    {LH_POST, "/v1/catalog/verify", verify_run, LH_ROUTE_LONG, 65536},
    {LH_POST, "/v1/catalog/gc", gc_run, LH_ROUTE_WRITES | LH_ROUTE_LONG, 65536},
    {LH_GET, INTERNAL "/head", catalog_internal_head, LH_ROUTE_INTERNAL | LH_ROUTE_INLINE, 0},
    {LH_GET, INTERNAL "/snapshot", catalog_internal_snapshot, LH_ROUTE_INTERNAL, 0},
    {LH_GET, INTERNAL "/standing", catalog_internal_standing, LH_ROUTE_INTERNAL, 0},
    {LH_GET, INTERNAL "/bucket", catalog_internal_bucket, LH_ROUTE_INTERNAL, 0},
    {LH_GET, INTERNAL "/names", catalog_internal_names, LH_ROUTE_INTERNAL, 0},
    {LH_POST, INTERNAL "/commit", catalog_internal_commit, LH_ROUTE_INTERNAL, COMMIT_BODY_MAX},
    {LH_POST, INTERNAL "/writers", catalog_internal_writers, LH_ROUTE_INTERNAL, 65536},
    {0},
};
