#include "services/catalogd/resync.h"

#include "engine/convert.h"
#include "services/catalogd/commit.h"

/* One comparison: what stands in the catalog, what was found, and the report. */
struct resync {
    struct catalog *c;
    struct lh_call *call;
    const struct lh_snapshot *v;
    struct lh_engine *work;
    struct lh_catalog_file *files;     /* as they are */
    struct lh_catalog_column *columns; /* as they are */
    struct lh_json_writer w;
    size_t difference_count;
    bool is_hopeless; /* something that a new version cannot put right */
};

/* ---- the report ---- */

static void
difference_begin(struct resync *r, const char *what, const char *object, const char *column)
{
    r->difference_count++;
    lh_json_object_begin(&r->w);
    lh_json_set_cstr(&r->w, "what", what);
    if (object != NULL)
        lh_json_set_cstr(&r->w, "object", object);
    if (column != NULL)
        lh_json_set_cstr(&r->w, "column", column);
}

static void
count_compare(struct resync *r, const char *what, const char *object, const char *column,
              uint64_t *catalog, uint64_t found)
{
    if (*catalog == found)
        return;
    difference_begin(r, what, object, column);
    lh_json_set_u64(&r->w, "catalog", *catalog);
    lh_json_set_u64(&r->w, "found", found);
    lh_json_object_end(&r->w);
    *catalog = found;
}

static bool
texts_equal(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
text_compare(struct resync *r, const char *what, const char *object, const char *column,
             const char **catalog, const char *found)
{
    if (texts_equal(*catalog, found))
        return;
    difference_begin(r, what, object, column);
    lh_json_set_cstr(&r->w, "catalog", *catalog);
    lh_json_set_cstr(&r->w, "found", found);
    lh_json_object_end(&r->w);
    *catalog = found;
}

static void
object_lost(struct resync *r, const char *what, const char *object, const struct lh_error *why)
{
    difference_begin(r, what, object, NULL);
    lh_json_set_cstr(&r->w, "detail", why->text);
    lh_json_object_end(&r->w);
    r->is_hopeless = true;
}

/* ---- objects ---- */

/* A failure that says something about the object, and not about the way to it. */
static bool
status_is_finding(lh_status status)
{
    return status == LH_NOT_FOUND || status == LH_CORRUPT || status == LH_INVALID;
}

static lh_status
object_head(struct resync *r, const struct lh_catalog_file *f, struct lh_object_info *info,
            struct lh_error *err)
{
    struct lh_bucket *bucket;

    LH_TRY(lh_store_bucket(r->c->env->store, r->call, lh_str_of(f->bucket), &bucket, err));
    return lh_object_head(bucket, r->call, lh_str_of(f->key), info, err);
}

static lh_status
object_rows(struct resync *r, const struct lh_catalog_file *f, uint64_t *rows, struct lh_error *err)
{
    struct lh_convert_result found = {0};
    const char *uri = lh_arena_printf(&r->call->arena, "lake://%s/%s", f->bucket, f->key);
    lh_status status = lh_footer_statistics(r->work, r->call, &uri, 1, &found, err);

    *rows = found.rows;
    lh_convert_result_fini(&found);
    return status;
}

static lh_status
object_look(struct resync *r, struct lh_catalog_file *f, struct lh_object_info *info,
            uint64_t *rows, struct lh_error *err)
{
    LH_TRY(object_head(r, f, info, err));
    return object_rows(r, f, rows, err);
}

static lh_status
object_compare(struct resync *r, struct lh_catalog_file *f, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    struct lh_object_info info;
    uint64_t rows = 0;
    lh_status status = object_look(r, f, &info, &rows, &why);

    if (status_is_finding(status)) {
        object_lost(r, status == LH_NOT_FOUND ? "missing" : "unreadable", f->key, &why);
        return LH_OK;
    }
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    count_compare(r, "size_bytes", f->key, NULL, &f->size_bytes, info.size_bytes);
    count_compare(r, "rows", f->key, NULL, &f->rows, rows);
    if (info.sha256[0] != '\0')
        text_compare(r, "sha256", f->key, NULL, &f->sha256,
                     lh_arena_cstr(&r->call->arena, lh_str_of(info.sha256)));
    return LH_OK;
}

/* ---- columns ---- */

static const struct lh_convert_column *
found_column(const struct lh_convert_result *found, const char *name)
{
    for (size_t i = 0; i < found->column_count; i++)
        if (strcmp(found->columns[i].name, name) == 0)
            return &found->columns[i];
    return NULL;
}

static const char *
kept_text(struct resync *r, const char *text)
{
    return text ? lh_arena_cstr(&r->call->arena, lh_str_of(text)) : NULL;
}

static void
column_compare(struct resync *r, struct lh_catalog_column *column,
               const struct lh_convert_column *found)
{
    text_compare(r, "type", NULL, column->name, &column->type, kept_text(r, found->type));
    count_compare(r, "null_count", NULL, column->name, &column->null_count, found->null_count);
    text_compare(r, "min", NULL, column->name, &column->min, kept_text(r, found->min));
    text_compare(r, "max", NULL, column->name, &column->max, kept_text(r, found->max));
}

/* Footers tell of rows that tombstones hide, so with such the rows themselves are read. */
static lh_status
statistics_find(struct resync *r, struct lh_convert_result *found, struct lh_error *err)
{
    struct lh_rows rows = lh_snapshot_rows(r->v, &r->call->arena);

    if (r->v->erasure != NULL)
        return lh_rows_statistics(r->work, r->call, &rows, found, err);
    return lh_footer_statistics(r->work, r->call, rows.uris, rows.uri_count, found, err);
}

/* A column that no footer has is one that a later append brought; its statistics are all nulls and
 * stay as they are. */
static lh_status
columns_compare(struct resync *r, struct lh_error *err)
{
    struct lh_convert_result found = {0};
    lh_status status;

    if (r->v->file_count == 0)
        return LH_OK;
    status = statistics_find(r, &found, err);
    for (size_t i = 0; status == LH_OK && i < r->v->column_count; i++) {
        const struct lh_convert_column *column = found_column(&found, r->columns[i].name);

        if (column != NULL)
            column_compare(r, &r->columns[i], column);
    }
    lh_convert_result_fini(&found);
    return status;
}

/* ---- the whole ---- */

static void
resync_prepare(struct resync *r)
{
    struct lh_arena *a = &r->call->arena;

    r->files = lh_arena_array(a, r->v->file_count + 1, sizeof(*r->files));
    r->columns = lh_arena_array(a, r->v->column_count + 1, sizeof(*r->columns));
    for (size_t i = 0; i < r->v->file_count; i++)
        r->files[i] = r->v->files[i];
    for (size_t i = 0; i < r->v->column_count; i++)
        r->columns[i] = r->v->columns[i];
}

static lh_status
all_compare(struct resync *r, struct lh_error *err)
{
    for (size_t i = 0; i < r->v->file_count; i++) {
        LH_TRY(lh_call_check(r->call, err));
        LH_TRY(object_compare(r, &r->files[i], err));
    }
    return r->is_hopeless ? LH_OK : columns_compare(r, err);
}

static lh_status
resync_commit(struct resync *r, const struct catalog_snapshot *head, struct catalog_snapshot **out,
              struct lh_error *err)
{
    struct catalog_commit commit = {
        .commit_id = lh_uuid_v7(),
        .wish = {.dataset = r->v->dataset,
                 .expected_head = r->v->version,
                 .mode = "resync",
                 .source = lh_arena_printf(&r->call->arena, "version %llu",
                                           (unsigned long long)r->v->version),
                 .content_sha256 = r->v->content_sha256,
                 .ingest_key = head->ingest_key,
                 .rejects = r->v->rejects,
                 .rows_rejected = r->v->rows_rejected,
                 .may_evolve = true,
                 .columns = r->columns,
                 .column_count = r->v->column_count,
                 .files = r->files,
                 .file_count = r->v->file_count,
                 .ingest_keys = r->v->ingest_keys,
                 .ingest_key_count = r->v->ingest_key_count}};

    return catalog_commit_run(r->c, r->call, &commit, out, err);
}

static lh_status
resync_finish(struct resync *r, const struct catalog_snapshot *head, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *made = NULL;

    lh_json_array_end(&r->w);
    if (r->difference_count > 0 && !r->is_hopeless)
        LH_TRY(resync_commit(r, head, &made, err));
    lh_json_set_bool(&r->w, "committed", made != NULL);
    lh_json_set_u64(&r->w, "version", made ? made->shown.version : r->v->version);
    lh_json_set_u64(&r->w, "rows", made ? made->shown.rows : r->v->rows);
    lh_json_object_end(&r->w);
    return LH_OK;
}

lh_status
catalog_resync(struct catalog *c, struct lh_call *call, lh_str dataset, struct lh_buf *out,
               struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *head = NULL;
    struct resync r = {.c = c, .call = call, .w = lh_json_writer_over(out)};

    LH_TRY(catalog_load(c, call, dataset, 0, &head, err));
    LH_TRY(lh_env_work_engine(c->env, &r.work, err));
    r.v = &head->shown;
    resync_prepare(&r);
    lh_json_object_begin(&r.w);
    lh_json_set_str(&r.w, "dataset", dataset);
    lh_json_set_u64(&r.w, "checked_version", r.v->version);
    lh_json_key(&r.w, "differences");
    lh_json_array_begin(&r.w);
    LH_TRY(all_compare(&r, err));
    LH_TRY(resync_finish(&r, head, err));
    return lh_buf_check(out, "the report of the resync", err);
}
