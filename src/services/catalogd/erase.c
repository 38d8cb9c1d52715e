#include "services/catalogd/erase.h"

#include "base/fault.h"
#include "base/id.h"
#include "base/time.h"
#include "engine/convert.h"
#include "services/catalogd/commit.h"
#include "services/catalogd/erase_plan.h"
#include "services/catalogd/erase_value.h"
#include "services/catalogd/writer.h"
#include "services/journald/client.h"

#define OBJECT_BYTES_MAX ((size_t)256 << 20)

enum { TRIES_MAX = 200, PAUSE_MAX_MS = 20, ACTOR_MAX = 256, REASON_MAX = 4096 };

/* ---- the request ---- */

static lh_status
text_check(const char *field, lh_str text, size_t max, struct lh_error *err)
{
    if (text.len > 0 && text.len <= max && lh_str_is_utf8(text) &&
        memchr(text.ptr, '\0', text.len) == NULL)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "request.field_value",
                   "field \"%s\" must be a text of 1 to %zu bytes", field, max);
}

lh_status
catalog_erase_read(const json_t *body, struct catalog_erase_request *out, struct lh_error *err)
{
    static const char *const fields[] = {"key_column", "values", "actor", "reason", NULL};
    struct catalog_erase_request r = {0};
    json_t *values = NULL;

    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_str(body, "key_column", &r.key_column, err));
    LH_TRY(lh_json_str(body, "actor", &r.actor, err));
    LH_TRY(lh_json_str(body, "reason", &r.reason, err));
    LH_TRY(lh_json_array_opt(body, "values", &values, err));
    if (values == NULL)
        return lh_fail(err, LH_INVALID, "request.field_missing", "field \"values\" is missing");
    if (json_array_size(values) == 0)
        return lh_fail(err, LH_INVALID, "request.field_value",
                       "field \"values\" must hold at least one value");
    LH_TRY(text_check("key_column", r.key_column, 1024, err));
    LH_TRY(text_check("actor", r.actor, ACTOR_MAX, err));
    LH_TRY(text_check("reason", r.reason, REASON_MAX, err));
    r.values = values;
    *out = r;
    return LH_OK;
}

/* ---- one try ---- */

struct erase {
    struct catalog *c;
    struct lh_call *call;
    lh_str dataset;
    const struct catalog_erase_request *request;
    const char *writer_id;
    uint64_t head;
    bool is_hidden;
    struct erase_scan scan;
    struct catalog_tombstones *before; /* NULL: none */
    struct catalog_tombstone item;
    struct catalog_erase_outcome outcome;
    /* Of the last try: what it counted, and what that depends on. */
    struct erase_count *counts;
    size_t count_count;
    const char *counted_type, *counted_before;
};

static void
erase_fini(struct erase *e)
{
    erase_scan_fini(&e->scan);
    catalog_tombstones_unref(e->before);
    e->before = NULL;
}

static lh_status
item_make(struct erase *e, struct lh_error *err)
{
    struct lh_arena *a = &e->call->arena;
    const char *principal = e->call->principal.name;

    e->item = (struct catalog_tombstone){
        .number = e->head + 1,
        .key_column = lh_arena_cstr(a, e->request->key_column),
        .created_us = lh_time_now_us(),
        .actor = lh_arena_cstr(a, e->request->actor),
        .reason = lh_arena_cstr(a, e->request->reason),
        .principal = lh_arena_cstr(a, lh_str_of(principal ? principal : "system")),
        .trace_id = lh_arena_cstr(a, lh_str_of(e->call->trace.trace_id)),
    };
    e->item.type = erase_scan_type(&e->scan, e->item.key_column);
    if (e->item.type == NULL)
        return lh_fail(err, LH_INVALID, "catalog.tombstone", "'%.*s' has no column '%.*s'",
                       LH_FMT(e->dataset), LH_FMT(lh_str_fit(e->request->key_column, 128)));
    return erase_values_read(e->c, e->call, e->request->values, &e->item, err);
}

/* The head that was asked for must be the last version that was listed: a later one was committed
 * in between, and the deletion begins again. */
static lh_status
head_check(const struct erase *e, struct lh_error *err)
{
    uint64_t last =
        e->scan.version_count > 0 ? e->scan.versions[e->scan.version_count - 1]->shown.version : 0;

    if (last > e->head)
        return lh_fail(err, LH_CONFLICT, "catalog.version_taken",
                       "'%.*s' is at version %llu by now", LH_FMT(e->dataset),
                       (unsigned long long)last);
    if (last < e->head)
        return lh_fail(err, LH_CORRUPT, "catalog.manifest",
                       "the head of '%.*s', version %llu, cannot be read", LH_FMT(e->dataset),
                       (unsigned long long)e->head);
    return LH_OK;
}

/* What is there: the head, all versions and their objects, and what is deleted already. */
static lh_status
state_load(struct erase *e, struct lh_error *err)
{
    uint64_t erased;

    LH_TRY(catalog_dataset_refresh(e->c, e->call, e->dataset, err));
    LH_TRY(catalog_head(e->c, e->call, e->dataset, &e->head, &e->is_hidden, err));
    if (e->head == 0)
        return catalog_index_unknown(e->c->index, e->dataset, err);
    LH_TRY(erase_scan_load(e->c, e->call, e->dataset, &e->scan, err));
    LH_TRY(head_check(e, err));
    erase_scan_gather(&e->scan, &e->call->arena);
    return catalog_tombstones_of(e->c, e->call, e->dataset, &e->before, &erased, err);
}

static const struct catalog_snapshot *
head_of(const struct erase *e)
{
    return e->scan.versions[e->scan.version_count - 1];
}

static lh_status
limit_check(const struct erase *e, const struct catalog_tombstones *next, struct lh_error *err)
{
    uint64_t max = (uint64_t)lh_config_i64(e->c->env->config, "catalog.tombstones_max"), sum = 0;

    for (size_t i = 0; i < next->count; i++)
        sum += next->items[i].value_count;
    if (sum <= max)
        return LH_OK;
    return lh_fail(err, LH_TOO_BIG, "catalog.too_many_tombstones",
                   "'%.*s' would have %llu values to hide; catalog.tombstones_max is %llu, until a "
                   "compaction has removed the rows",
                   LH_FMT(e->dataset), (unsigned long long)sum, (unsigned long long)max);
}

static lh_status
tombstones_put(struct erase *e, const struct catalog_tombstones *next, lh_str key,
               struct lh_error *err)
{
    LH_AUTO(lh_table) *table = NULL;
    LH_AUTO_BUF(bytes, OBJECT_BYTES_MAX);
    struct lh_engine *work;

    LH_TRY(lh_env_work_engine(e->c->env, &work, err));
    LH_TRY(catalog_tombstones_to_table(next, e->dataset, &table, err));
    LH_TRY(lh_table_encode(work, e->call, table, &bytes, err));
    LH_FAULT("catalog.erase.before_put", err);
    return lh_object_put(e->c->bucket, e->call, key, lh_buf_bytes(&bytes),
                         &(struct lh_put_options){.if_absent = true,
                                                  .content_type = "application/vnd.apache.parquet"},
                         NULL, err);
}

/* The name of the deletion among the ingests of the version: what was ingested is no longer there
 * as it was, so the same file again is not "unchanged", unless it would be appended twice. */
static void
ingest_keys_set(struct erase *e, struct lh_catalog_commit *w)
{
    const struct lh_snapshot *v = &head_of(e)->shown;
    const char **keys = lh_arena_array(&e->call->arena, v->ingest_key_count + 2, sizeof(*keys));

    for (size_t i = 0; i < v->ingest_key_count; i++)
        keys[i] = v->ingest_keys[i];
    keys[v->ingest_key_count] =
        lh_arena_printf(&e->call->arena, "tombstone %llu", (unsigned long long)e->item.number);
    w->ingest_keys = keys;
    w->ingest_key_count = v->ingest_key_count + (e->outcome.rows_removed > 0);
}

static struct catalog_commit
commit_make(struct erase *e, const char *key, const struct lh_catalog_column *columns)
{
    const struct lh_snapshot *v = &head_of(e)->shown;
    struct catalog_commit commit = {
        .commit_id = lh_uuid_v7(),
        .tombstones = key,
        .reason = e->item.reason,
        .requested_by = e->item.actor,
        .wish = {.dataset = v->dataset,
                 .writer_id = e->writer_id,
                 .expected_head = e->head,
                 .mode = e->is_hidden ? "delete" : "tombstone",
                 .source =
                     lh_arena_printf(&e->call->arena, "version %llu", (unsigned long long)e->head),
                 .content_sha256 = v->content_sha256,
                 .ingest_key = "",
                 .rejects = v->rejects,
                 .rows_rejected = v->rows_rejected,
                 .may_evolve = true,
                 .columns = columns,
                 .column_count = v->column_count,
                 .files = v->files,
                 .file_count = v->file_count}};

    ingest_keys_set(e, &commit.wish);
    return commit;
}

static lh_status
columns_make(struct erase *e, struct catalog_tombstones *next, const struct lh_catalog_column **out,
             struct lh_error *err)
{
    struct catalog_snapshot *head = e->scan.versions[e->scan.version_count - 1];
    LH_AUTO(catalog_snapshot) *view = NULL;

    *out = head->shown.columns;
    if (e->outcome.rows_removed == 0)
        return LH_OK;
    view = catalog_snapshot_erase(head, next, e->item.number, lh_bucket_name(e->c->bucket));
    return catalog_erase_statistics(e->c, e->call, &view->shown, out, err);
}

static lh_status
version_put(struct erase *e, struct catalog_tombstones *next, const char *key,
            struct catalog_snapshot **out, struct lh_error *err)
{
    const struct lh_catalog_column *columns;
    struct catalog_commit commit;

    LH_FAULT("catalog.erase.after_put", err);
    LH_TRY(columns_make(e, next, &columns, err));
    commit = commit_make(e, key, columns);
    return catalog_commit_run(e->c, e->call, &commit, out, err);
}

/* The object of a deletion that lost its race is nobody's; so it is not left to collection. */
static lh_status
deletion_commit(struct erase *e, struct catalog_tombstones *next, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *made = NULL;
    LH_AUTO_ERROR(why);
    char text[CATALOG_TOMBSTONES_KEY];
    lh_str key = catalog_tombstones_key(e->dataset, e->item.number, lh_uuid_v7(), text);
    lh_status status;

    LH_TRY(limit_check(e, next, err));
    next->key = lh_arena_cstr(&next->arena, key);
    LH_TRY(tombstones_put(e, next, key, err));
    status = version_put(e, next, next->key, &made, &why);
    if (status == LH_CONFLICT || status == LH_INVALID)
        (void)lh_object_delete(e->c->bucket, e->call, key, NULL, NULL);
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    e->outcome.version = made->shown.version;
    e->outcome.rows = made->shown.rows;
    return LH_OK;
}

/* Nothing to hide is nothing to commit; that somebody asked is an event all the same. */
static lh_status
nothing_note(struct erase *e, struct lh_error *err)
{
    const struct lh_snapshot *v = &head_of(e)->shown;
    LH_AUTO_BUF(text, 65536);
    struct lh_json_writer w = lh_json_writer_over(&text);

    e->outcome.is_unchanged = true;
    e->outcome.version = v->version;
    e->outcome.rows = v->rows;
    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "version", v->version);
    lh_json_set_cstr(&w, "requested_by", e->item.actor);
    lh_json_set_cstr(&w, "reason", e->item.reason);
    lh_json_set_u64(&w, "rows_removed", 0);
    lh_json_object_end(&w);
    return lh_journal_event(e->c->env->mesh, e->call,
                            &(struct lh_journal_event){.entity_type = "dataset",
                                                       .entity_id = v->dataset,
                                                       .action = "dataset.tombstoned",
                                                       .new_json = lh_buf_str(&text)},
                            err);
}

/* An object never changes, so a try that lost its race need not be repeated for those it has looked
 * at: else whoever writes faster than all objects are read would always win. */
static lh_status
objects_count(struct erase *e, struct lh_error *err)
{
    const char *before = e->before ? e->before->key : "";

    if (e->counts != NULL && strcmp(e->counted_type, e->item.type) == 0 &&
        strcmp(e->counted_before, before) == 0)
        erase_scan_recall(&e->scan, e->counts, e->count_count);
    LH_TRY(erase_scan_count(e->c, e->call, &e->scan, e->before, &e->item, err));
    e->counts = erase_scan_counts(&e->scan, &e->call->arena);
    e->count_count = e->scan.object_count;
    e->counted_type = lh_arena_cstr(&e->call->arena, lh_str_of(e->item.type));
    e->counted_before = lh_arena_cstr(&e->call->arena, lh_str_of(before));
    return LH_OK;
}

static lh_status
erase_once(struct erase *e, struct lh_error *err)
{
    LH_AUTO(catalog_tombstones) *next = NULL;

    LH_TRY(state_load(e, err));
    LH_TRY(item_make(e, err));
    LH_TRY(objects_count(e, err));
    e->outcome = erase_plan_outcome(&e->scan, &e->item);
    if (e->outcome.object_count == 0)
        return nothing_note(e, err);
    next = erase_plan_next(&e->scan, e->before, &e->item, e->outcome.rows_removed);
    return deletion_commit(e, next, err);
}

static lh_status
erase_try(struct erase *e, struct lh_error *err)
{
    for (int i = 1;; i++) {
        LH_AUTO_ERROR(why);
        lh_status status = erase_once(e, &why);

        erase_fini(e);
        if (status == LH_OK)
            return LH_OK;
        if (!lh_error_is(&why, "catalog.version_taken") || i == TRIES_MAX) {
            lh_error_copy(err, &why);
            return status;
        }
        LH_TRY(lh_call_check(e->call, err));
        lh_time_nap_ms(1 + (int64_t)(lh_random_u64() % PAUSE_MAX_MS));
    }
}

/* The writer keeps collection away from what is being looked at. */
lh_status
catalog_erase(struct catalog *c, struct lh_call *call, lh_str dataset,
              const struct catalog_erase_request *request, struct catalog_erase_outcome *out,
              struct lh_error *err)
{
    char writer_id[LH_UUID_TEXT];
    struct erase e = {
        .c = c, .call = call, .dataset = dataset, .request = request, .writer_id = writer_id};
    lh_status status;

    LH_TRY(lh_catalog_name_check(dataset, err));
    lh_uuid_format(lh_uuid_v7(), writer_id);
    LH_TRY(catalog_writer_begin(c->writers, call, lh_str_of(writer_id), dataset, err));
    status = erase_try(&e, err);
    if (!lh_error_is(err, "catalog.commit_unknown"))
        catalog_writer_end(c->writers, call, lh_str_of(writer_id), NULL);
    LH_TRY(status);
    *out = e.outcome;
    return LH_OK;
}

/* ---- statistics ---- */

lh_status
catalog_erase_statistics(struct catalog *c, struct lh_call *call, const struct lh_snapshot *view,
                         const struct lh_catalog_column **out, struct lh_error *err)
{
    struct lh_catalog_column *columns =
        lh_arena_array(&call->arena, view->column_count + 1, sizeof(*columns));
    struct lh_rows rows = lh_snapshot_rows(view, &call->arena);
    struct lh_convert_result found = {0};
    struct lh_engine *work;

    LH_TRY(lh_env_work_engine(c->env, &work, err));
    LH_TRY(lh_rows_statistics(work, call, &rows, &found, err));
    for (size_t i = 0; i < view->column_count; i++) {
        const struct lh_convert_column *f = &found.columns[i];

        columns[i] = (struct lh_catalog_column){
            .name = view->columns[i].name,
            .type = view->columns[i].type,
            .null_count = f->null_count,
            .min = f->min ? lh_arena_cstr(&call->arena, lh_str_of(f->min)) : NULL,
            .max = f->max ? lh_arena_cstr(&call->arena, lh_str_of(f->max)) : NULL};
    }
    lh_convert_result_fini(&found);
    *out = columns;
    return LH_OK;
}
