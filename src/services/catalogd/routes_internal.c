/* What other services of this installation ask. The head is answered from memory once the bucket
 * has been asked whether that is still so. */
#include "services/catalogd/commit.h"
#include "services/catalogd/routes.h"
#include "services/catalogd/tombstones.h"
#include "services/catalogd/writer.h"

#define ANSWER_BYTES_MAX ((size_t)512 << 20)

static const char *
state_name(enum catalog_version_state state)
{
    return state == CATALOG_READ ? "live" : state == CATALOG_BROKEN ? "broken" : "unread";
}

lh_status
catalog_internal_head(void *self, struct lh_call *call, struct lh_request *req,
                      struct lh_response *res, struct lh_error *err)
{
    struct catalog *c = self;
    lh_str dataset = lh_request_query(req, "dataset");
    struct catalog_head head;
    LH_AUTO_BUF(body, 128);

    LH_TRY(catalog_ready_check(c, err));
    LH_TRY(catalog_head_check(c, call, dataset, err));
    head = catalog_index_head(c->index, dataset);
    if (head.version == 0 || head.is_deleted)
        return catalog_index_unknown(c->index, dataset, err);
    lh_buf_printf(&body, "{\"version\":%llu,\"oldest\":%llu,\"erased\":%llu,\"state\":\"%s\"}",
                  (unsigned long long)head.version, (unsigned long long)head.oldest,
                  (unsigned long long)head.erased, state_name(head.state));
    return lh_response_json(res, 200, &body, err);
}

lh_status
catalog_internal_snapshot(void *self, struct lh_call *call, struct lh_request *req,
                          struct lh_response *res, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = NULL;
    LH_AUTO_BUF(body, ANSWER_BYTES_MAX);
    lh_str dataset = lh_request_query(req, "dataset");
    int64_t version = 0;

    LH_TRY(lh_request_query_i64(req, "version", 0, INT64_MAX, &version, err));
    if (lh_str_ends(dataset, LH_STR(CATALOG_TOMBSTONES_TABLE)))
        LH_TRY(catalog_tombstones_show(self, call, dataset, &s, err));
    else
        LH_TRY(catalog_load(self, call, dataset, (uint64_t)version, &s, err));
    catalog_snapshot_print(s, &body);
    return lh_response_json(res, 200, &body, err);
}

lh_status
catalog_internal_standing(void *self, struct lh_call *call, struct lh_request *req,
                          struct lh_response *res, struct lh_error *err)
{
    lh_str dataset = lh_request_query(req, "dataset");
    LH_AUTO_BUF(body, 64);
    int64_t version = 0;

    LH_TRY(lh_request_query_i64(req, "version", 1, INT64_MAX, &version, err));
    LH_TRY(lh_catalog_name_check(dataset, err));
    LH_TRY(catalog_version_prove(self, call, dataset, (uint64_t)version, err));
    lh_buf_add_cstr(&body, "{\"stands\":true}");
    return lh_response_json(res, 200, &body, err);
}

static void
name_print(struct lh_json_writer *w, const struct catalog_entry *entry)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "name", entry->name);
    lh_json_set_u64(w, "version", entry->head.number);
    lh_json_set_u64(w, "rows", entry->head.digest.rows);
    lh_json_set_u64(w, "columns", entry->head.digest.column_count);
    lh_json_object_end(w);
}

lh_status
catalog_internal_names(void *self, struct lh_call *call, struct lh_request *req,
                       struct lh_response *res, struct lh_error *err)
{
    struct catalog *c = self;
    struct catalog_entry *entries;
    size_t count;
    LH_AUTO_BUF(body, ANSWER_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&body);

    (void)req;
    LH_TRY(catalog_ready_check(c, err));
    count = catalog_index_entries(c->index, LH_STR(""), &call->arena, &entries);
    lh_json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        LH_TRY(lh_call_check(call, err));
        LH_TRY(catalog_entry_read(c, call, &entries[i], err));
        if (catalog_entry_is_shown(&entries[i]))
            name_print(&w, &entries[i]);
    }
    lh_json_array_end(&w);
    return lh_response_json(res, 200, &body, err);
}

lh_status
catalog_internal_commit(void *self, struct lh_call *call, struct lh_request *req,
                        struct lh_response *res, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = NULL;
    LH_AUTO(catalog_snapshot) *view = NULL;
    LH_AUTO_BUF(body, ANSWER_BYTES_MAX);
    LH_AUTO_JSON wish = NULL;
    struct catalog_commit commit;

    LH_TRY(lh_request_json(req, false, &wish, err));
    LH_TRY(catalog_commit_read(wish, &call->arena, &commit, err));
    LH_TRY(catalog_commit_run(self, call, &commit, &s, err));
    LH_TRY(catalog_version_erase(self, call, s, &view, err));
    catalog_snapshot_print(view, &body);
    return lh_response_json(res, 201, &body, err);
}

static lh_status
writer_begin(struct catalog *c, struct lh_call *call, const json_t *body, lh_str id,
             struct lh_error *err)
{
    lh_str dataset;

    LH_TRY(lh_json_str(body, "dataset", &dataset, err));
    LH_TRY(lh_catalog_name_check(dataset, err));
    return catalog_writer_begin(c->writers, call, id, dataset, err);
}

static lh_status
writer_act(struct catalog *c, struct lh_call *call, const json_t *body, struct lh_error *err)
{
    lh_str action, id;

    LH_TRY(lh_json_str(body, "action", &action, err));
    LH_TRY(lh_json_str(body, "writer_id", &id, err));
    if (lh_str_eq(action, LH_STR("begin")))
        return writer_begin(c, call, body, id, err);
    if (lh_str_eq(action, LH_STR("renew")))
        return catalog_writer_renew(c->writers, call, id, err);
    if (lh_str_eq(action, LH_STR("end")))
        return catalog_writer_end(c->writers, call, id, err);
    return lh_fail(err, LH_INVALID, "catalog.writer", "action is begin, renew or end, not '%.*s'",
                   LH_FMT(lh_str_fit(action, 32)));
}

lh_status
catalog_internal_writers(void *self, struct lh_call *call, struct lh_request *req,
                         struct lh_response *res, struct lh_error *err)
{
    struct catalog *c = self;
    LH_AUTO_JSON body = NULL;
    LH_AUTO_BUF(answer, 128);

    LH_TRY(lh_request_json(req, false, &body, err));
    LH_TRY(writer_act(c, call, body, err));
    lh_buf_printf(&answer, "{\"ttl_ms\":%lld}", (long long)catalog_writers_ttl_ms(c->writers));
    return lh_response_json(res, 200, &answer, err);
}

/* ---- who has objects in a bucket ---- */

/* A version that cannot be read names nobody knows what; it does not keep a bucket. */
static lh_status
dataset_names_bucket(struct catalog *c, struct lh_call *call, lh_str dataset, lh_str bucket,
                     bool *names, struct lh_error *err)
{
    struct catalog_version *versions;
    size_t count = catalog_index_versions(c->index, dataset, &call->arena, &versions);

    for (size_t i = 0; i < count && !*names; i++) {
        LH_AUTO(catalog_snapshot) *s = NULL;
        LH_TRY(lh_call_check(call, err));
        if (catalog_version_load(c, call, dataset, versions[i].number, &s, NULL) != LH_OK)
            continue;
        for (size_t k = 0; k < s->shown.file_count && !*names; k++)
            *names = lh_str_eq(lh_str_of(s->shown.files[k].bucket), bucket);
    }
    return LH_OK;
}

static lh_status
bucket_datasets_print(struct catalog *c, struct lh_call *call, lh_str bucket,
                      struct lh_json_writer *w, struct lh_error *err)
{
    struct catalog_entry *entries;
    size_t count = catalog_index_entries(c->index, LH_STR(""), &call->arena, &entries);

    for (size_t i = 0; i < count; i++) {
        bool names = false;
        LH_TRY(dataset_names_bucket(c, call, lh_str_of(entries[i].name), bucket, &names, err));
        if (names)
            lh_json_put_cstr(w, entries[i].name);
    }
    return LH_OK;
}

lh_status
catalog_internal_bucket(void *self, struct lh_call *call, struct lh_request *req,
                        struct lh_response *res, struct lh_error *err)
{
    struct catalog *c = self;
    LH_AUTO_BUF(body, ANSWER_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&body);

    LH_TRY(catalog_ready_check(c, err));
    LH_TRY(catalog_refresh(c, call, false, err));
    lh_json_object_begin(&w);
    lh_json_key(&w, "datasets");
    lh_json_array_begin(&w);
    LH_TRY(bucket_datasets_print(c, call, lh_request_query(req, "name"), &w, err));
    lh_json_array_end(&w);
    lh_json_object_end(&w);
    return lh_response_json(res, 200, &body, err);
}
