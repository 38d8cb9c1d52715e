#include "services/catalogd/compact.h"

#include <unistd.h>

#include "base/fault.h"
#include "base/id.h"
#include "engine/convert.h"
#include "services/catalogd/commit.h"
#include "services/catalogd/compact_plan.h"
#include "services/catalogd/erase_plan.h"
#include "services/catalogd/writer.h"

enum { ROUNDS_MAX = 5, TRIES_MAX = 20, PATH_BYTES = 4096 };

/* One round: what is rewritten of one version. */
struct compact {
    struct catalog *c;
    struct lh_call *call;
    struct lh_engine *work;
    lh_str dataset;
    const char *writer_id;
    struct catalog_snapshot *head; /* as it is to be read */
    struct compact_piece *pieces;
    size_t piece_count;
    bool drops_tombstones;
    struct catalog_compact_report report;
};

/* ---- writing one object ---- */

static struct lh_rows
piece_rows(struct compact *k, const struct compact_range *r, struct lh_erasure *erasure)
{
    struct lh_rows rows = lh_snapshot_rows(&k->head->shown, &k->call->arena);

    rows.uris += r->begin;
    rows.uri_count = r->end - r->begin;
    if (rows.erasure != NULL) {
        *erasure = *rows.erasure;
        erasure->first += r->begin;
        rows.erasure = erasure;
    }
    return rows;
}

/* The rows as one Parquet file in the spool folder, put as a new object beside the old ones. */
static lh_status
file_put(struct compact *k, const struct lh_rows *rows, const char *bucket_name,
         struct lh_catalog_file *made, struct lh_error *err)
{
    struct lh_put_options options = {.if_absent = true,
                                     .content_type = "application/vnd.apache.parquet"};
    char path[PATH_BYTES], id[LH_UUID_TEXT];
    struct lh_object_info info = {0};
    struct lh_bucket *bucket;
    lh_status status;
    int fd;

    LH_TRY(lh_store_bucket(k->c->env->store, k->call, lh_str_of(bucket_name), &bucket, err));
    LH_TRY(lh_store_spool_file(k->c->env->store, ".parquet", path, sizeof(path), &fd, err));
    close(fd);
    made->bucket = bucket_name;
    made->key = lh_arena_printf(&k->call->arena, "_data/%.*s/%s.parquet", LH_FMT(k->dataset),
                                lh_uuid_format(lh_uuid_v7(), id));
    status = lh_rows_write(k->work, k->call, rows, path, err);
    if (status == LH_OK)
        status =
            lh_object_put_file(bucket, k->call, lh_str_of(made->key), path, &options, &info, err);
    unlink(path);
    LH_TRY(status);
    made->size_bytes = info.size_bytes;
    made->sha256 = lh_arena_cstr(&k->call->arena, lh_str_of(info.sha256));
    return LH_OK;
}

static lh_status
differs(const struct lh_catalog_file *made, const char *what, struct lh_error *err)
{
    return lh_fail(err, LH_CORRUPT, "catalog.compact",
                   "object %s, read back, does not have the %s of the objects it was made of",
                   made->key, what);
}

/* Types as the catalog has them: a reader of the new object must not see others. */
static lh_status
types_check(struct compact *k, const struct lh_catalog_file *made, const char *uri,
            struct lh_error *err)
{
    const struct lh_snapshot *v = &k->head->shown;
    struct lh_convert_result found = {0};
    lh_status status = lh_footer_statistics(k->work, k->call, &uri, 1, &found, err);

    if (status == LH_OK && found.column_count != v->column_count)
        status = differs(made, "columns", err);
    for (size_t i = 0; status == LH_OK && i < v->column_count; i++)
        if (strcmp(found.columns[i].name, v->columns[i].name) != 0 ||
            strcmp(found.columns[i].type, v->columns[i].type) != 0)
            status = differs(made, "columns", err);
    lh_convert_result_fini(&found);
    return status;
}

/* What was written is read back from the bucket and held against what it was made of. */
static lh_status
object_prove(struct compact *k, const struct lh_rows *from, const struct lh_rows_digest *wanted,
             struct lh_catalog_file *made, struct lh_error *err)
{
    const char *uri = lh_arena_printf(&k->call->arena, "lake://%s/%s", made->bucket, made->key);
    struct lh_rows rows = *from;
    struct lh_rows_digest found;

    rows.uris = &uri;
    rows.uri_count = 1;
    rows.erasure = NULL;
    LH_TRY(lh_rows_digest(k->work, k->call, &rows, &found, err));
    if (found.rows != wanted->rows || strcmp(found.text, wanted->text) != 0)
        return differs(made, "rows", err);
    LH_TRY(types_check(k, made, uri, err));
    made->rows = found.rows;
    return LH_OK;
}

static void
object_drop(struct compact *k, const struct lh_catalog_file *made)
{
    struct lh_bucket *bucket;

    if (made->key != NULL &&
        lh_store_bucket(k->c->env->store, k->call, lh_str_of(made->bucket), &bucket, NULL) == LH_OK)
        (void)lh_object_delete(bucket, k->call, lh_str_of(made->key), NULL, NULL);
}

/* Which ingest brought it can be said only when it was one. */
static const char *
common_ingest(const struct compact_piece *p)
{
    for (size_t i = 1; i < p->old_count; i++)
        if (strcmp(p->old[i].ingest_key, p->old[0].ingest_key) != 0)
            return "";
    return p->old[0].ingest_key;
}

static lh_status
object_make(struct compact *k, const struct lh_rows *rows, const struct lh_rows_digest *wanted,
            struct compact_piece *p, struct lh_error *err)
{
    struct lh_catalog_file made = {.ingest_key = common_ingest(p)};
    lh_status status;

    LH_FAULT("catalog.compact.before_put", err);
    LH_TRY(file_put(k, rows, p->old[0].bucket, &made, err));
    LH_FAULT("catalog.compact.after_put", err);
    status = object_prove(k, rows, wanted, &made, err);
    if (status != LH_OK) {
        object_drop(k, &made);
        return status;
    }
    p->made = made;
    return LH_OK;
}

static lh_status
piece_make(struct compact *k, const struct compact_range *r, struct lh_error *err)
{
    struct compact_piece *p = &k->pieces[k->piece_count];
    struct lh_rows_digest wanted;
    struct lh_erasure erasure;
    struct lh_rows rows = piece_rows(k, r, &erasure);
    uint64_t before = 0;

    *p = (struct compact_piece){.old = &k->head->shown.files[r->begin],
                                .old_count = r->end - r->begin};
    for (size_t i = 0; i < p->old_count; i++) {
        before += p->old[i].rows;
        k->report.bytes_before += p->old[i].size_bytes;
    }
    LH_TRY(lh_rows_digest(k->work, k->call, &rows, &wanted, err));
    if (wanted.rows > 0)
        LH_TRY(object_make(k, &rows, &wanted, p, err));
    k->piece_count++;
    k->report.objects_before += p->old_count;
    k->report.objects_after += wanted.rows > 0;
    k->report.bytes_after += p->made.size_bytes;
    k->report.rows_removed += before - wanted.rows;
    return catalog_writer_renew(k->c->writers, k->call, lh_str_of(k->writer_id), err);
}

static void
pieces_drop(struct compact *k)
{
    for (size_t i = 0; i < k->piece_count; i++)
        object_drop(k, &k->pieces[i].made);
    k->piece_count = 0;
}

/* ---- the version ---- */

static struct catalog_commit
commit_make(struct compact *k, const struct catalog_snapshot *head)
{
    const struct lh_snapshot *v = &head->shown;

    return (struct catalog_commit){
        .commit_id = lh_uuid_v7(),
        .tombstones = k->drops_tombstones ? "" : NULL,
        .wish = {.dataset = v->dataset,
                 .writer_id = k->writer_id,
                 .expected_head = v->version,
                 .mode = "compact",
                 .source = lh_arena_printf(&k->call->arena, "version %llu",
                                           (unsigned long long)v->version),
                 .content_sha256 = v->content_sha256,
                 .ingest_key = head->ingest_key,
                 .may_evolve = true,
                 .columns = v->columns,
                 .column_count = v->column_count,
                 .ingest_keys = v->ingest_keys,
                 .ingest_key_count = v->ingest_key_count}};
}

/* On the head as it is now. Overtaken: what was rewritten no longer stands in it, or rows of it
 * have been deleted meanwhile. */
static lh_status
commit_on(struct compact *k, bool *is_overtaken, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *head = NULL;
    LH_AUTO(catalog_snapshot) *made = NULL;
    struct lh_catalog_file *files;
    struct catalog_commit commit;

    LH_TRY(catalog_dataset_refresh(k->c, k->call, k->dataset, err));
    LH_TRY(catalog_load(k->c, k->call, k->dataset, 0, &head, err));
    files = lh_arena_array(&k->call->arena, head->shown.file_count + 1, sizeof(*files));
    commit = commit_make(k, head);
    commit.wish.files = files;
    *is_overtaken = head->shown.erased != k->head->shown.erased ||
                    strcmp(head->shown.fingerprint, k->head->shown.fingerprint) != 0 ||
                    !compact_splice(head->shown.files, head->shown.file_count, k->pieces,
                                    k->piece_count, files, &commit.wish.file_count);
    if (*is_overtaken)
        return LH_OK;
    LH_TRY(catalog_commit_run(k->c, k->call, &commit, &made, err));
    k->report.version = made->shown.version;
    k->report.rows = made->shown.rows;
    return LH_OK;
}

static lh_status
commit_try(struct compact *k, bool *is_overtaken, struct lh_error *err)
{
    LH_FAULT("catalog.compact.before_commit", err);
    for (int i = 1;; i++) {
        LH_AUTO_ERROR(why);
        lh_status status = commit_on(k, is_overtaken, &why);

        if (status == LH_OK)
            return LH_OK;
        if (!lh_error_is(&why, "catalog.version_taken") || i == TRIES_MAX) {
            lh_error_copy(err, &why);
            return status;
        }
        LH_TRY(lh_call_check(k->call, err));
    }
}

/* ---- one round ---- */

/* Tombstones whose rows are in no object of any version have been carried out. */
static lh_status
tombstones_look(struct compact *k, struct lh_error *err)
{
    LH_AUTO(catalog_tombstones) *t = NULL;
    struct erase_scan scan = {0};
    uint64_t erased;
    lh_status status;

    if (k->head->shown.erased == 0)
        return LH_OK;
    LH_TRY(catalog_tombstones_of(k->c, k->call, k->dataset, &t, &erased, err));
    status = erase_scan_load(k->c, k->call, k->dataset, &scan, err);
    if (status == LH_OK) {
        erase_scan_gather(&scan, &k->call->arena);
        k->drops_tombstones =
            t != NULL && scan.unreadable_count == 0 && !erase_plan_is_pending(&scan, t);
    }
    erase_scan_fini(&scan);
    return status;
}

static lh_status
pieces_make(struct compact *k, size_t objects_min, struct lh_error *err)
{
    const struct lh_snapshot *v = &k->head->shown;
    struct compact_wish wish = {.target_bytes =
                                    lh_config_size(k->c->env->config, "catalog.compact_target"),
                                .objects_min = objects_min};
    struct compact_range *ranges =
        lh_arena_array(&k->call->arena, v->file_count + 1, sizeof(*ranges));
    size_t count = compact_ranges(v, &wish, ranges);

    k->pieces = lh_arena_array(&k->call->arena, count + 1, sizeof(*k->pieces));
    for (size_t i = 0; i < count; i++) {
        LH_TRY(lh_call_check(k->call, err));
        LH_TRY(piece_make(k, &ranges[i], err));
    }
    return LH_OK;
}

static lh_status
round_finish(struct compact *k, bool *is_overtaken, struct lh_error *err)
{
    *is_overtaken = false;
    if (k->piece_count > 0 || k->drops_tombstones) {
        k->report.has_dropped_tombstones = k->drops_tombstones;
        return commit_try(k, is_overtaken, err);
    }
    k->report.is_unchanged = true;
    k->report.version = k->head->shown.version;
    k->report.rows = k->head->shown.rows;
    return LH_OK;
}

/* What has been put is dropped only when no version can name it. */
static lh_status
round_run(struct compact *k, size_t objects_min, bool *is_overtaken, struct lh_error *err)
{
    lh_status status;

    LH_TRY(catalog_load(k->c, k->call, k->dataset, 0, &k->head, err));
    LH_TRY(tombstones_look(k, err));
    status = pieces_make(k, objects_min, err);
    if (status != LH_OK) {
        pieces_drop(k);
        return status;
    }
    status = round_finish(k, is_overtaken, err);
    if (status == LH_CONFLICT || status == LH_INVALID || (status == LH_OK && *is_overtaken))
        pieces_drop(k);
    LH_TRY(status);
    LH_FAULT("catalog.compact.after_commit", err);
    return LH_OK;
}

static lh_status
rounds_run(const struct compact *start, size_t objects_min, struct catalog_compact_report *out,
           struct lh_error *err)
{
    for (int round = 1; round <= ROUNDS_MAX; round++) {
        struct compact k = *start;
        bool is_overtaken = false;
        lh_status status = round_run(&k, objects_min, &is_overtaken, err);

        catalog_snapshot_unref(k.head);
        LH_TRY(status);
        if (!is_overtaken) {
            *out = k.report;
            return LH_OK;
        }
    }
    return lh_fail(err, LH_CONFLICT, "catalog.version_taken",
                   "'%.*s' changed under each of %d compactions", LH_FMT(start->dataset),
                   ROUNDS_MAX);
}

lh_status
catalog_compact(struct catalog *c, struct lh_call *call, lh_str dataset, size_t objects_min,
                struct catalog_compact_report *out, struct lh_error *err)
{
    char writer_id[LH_UUID_TEXT];
    struct compact k = {.c = c, .call = call, .dataset = dataset, .writer_id = writer_id};
    lh_status status;

    LH_TRY(lh_catalog_name_check(dataset, err));
    LH_TRY(lh_env_work_engine(c->env, &k.work, err));
    lh_uuid_format(lh_uuid_v7(), writer_id);
    LH_TRY(catalog_writer_begin(c->writers, call, lh_str_of(writer_id), dataset, err));
    status = rounds_run(&k, objects_min, out, err);
    /* A put that may still be under way is protected until the writer expires. */
    if (!lh_error_is(err, "catalog.commit_unknown"))
        catalog_writer_end(c->writers, call, lh_str_of(writer_id), NULL);
    return status;
}

void
catalog_compact_print(lh_str dataset, const struct catalog_compact_report *r, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_str(&w, "dataset", dataset);
    lh_json_set_u64(&w, "version", r->version);
    lh_json_set_u64(&w, "rows", r->rows);
    lh_json_set_u64(&w, "rows_removed", r->rows_removed);
    lh_json_set_u64(&w, "objects_before", r->objects_before);
    lh_json_set_u64(&w, "objects_after", r->objects_after);
    lh_json_set_u64(&w, "bytes_before", r->bytes_before);
    lh_json_set_u64(&w, "bytes_after", r->bytes_after);
    lh_json_set_bool(&w, "tombstones_dropped", r->has_dropped_tombstones);
    lh_json_set_bool(&w, "unchanged", r->is_unchanged);
    lh_json_object_end(&w);
}
