/*
 * One round: head, unchanged?, convert, gate, shape, put, commit. A lost race keeps what was put
 * when the new head has the same schema and the rows do not depend on the old ones, and begins
 * again otherwise.
 */
#include "services/ingestd/ingest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/id.h"
#include "base/time.h"

#define ROUNDS_MAX 200
#define PAUSE_MAX_MS 40

/* ---- the head ---- */

static lh_status
head_load(struct ingest *in, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status;

    lh_snapshot_unref(in->head);
    in->head = NULL;
    status = lh_catalog_snapshot(in->d->catalog, in->call, lh_str_of(in->request->dataset), 0,
                                 &in->head, &why);
    if (status == LH_OK || lh_error_is(&why, "catalog.unknown_dataset"))
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

static bool
has_key(const struct lh_snapshot *s, const char *key)
{
    for (size_t i = 0; i < s->ingest_key_count; i++)
        if (strcmp(s->ingest_keys[i], key) == 0)
            return true;
    return false;
}

/* Does the head hold exactly what this request would make of it? */
static bool
is_unchanged(const struct ingest *in)
{
    const struct lh_snapshot *head = in->head;
    size_t n = head ? head->ingest_key_count : 0;

    if (n == 0)
        return false;
    switch (in->request->mode) {
    case INGEST_REPLACE:
        return n == 1 && strcmp(head->ingest_keys[0], in->ingest_key) == 0;
    case INGEST_APPEND:
        return !in->request->allow_duplicate && has_key(head, in->ingest_key);
    case INGEST_UPSERT:
        /* A later file may have changed the same keys: only the last one is still as it was. */
        return strcmp(head->ingest_keys[n - 1], in->ingest_key) == 0;
    }
    return false;
}

/* ---- converting ---- */

static void
made_forget(struct ingest *in)
{
    lh_convert_result_fini(&in->file);
    lh_convert_result_fini(&in->merged);
    unlink(in->data_path);
    unlink(in->rejects_path);
    unlink(in->merged_path);
}

/* Types of the head are kept where every value fits, unless the file is to set a schema of its own.
 */
static bool
keeps_types(const struct ingest *in)
{
    return in->head && !(in->request->mode == INGEST_REPLACE && in->request->may_evolve);
}

static lh_status
file_convert(struct ingest *in, struct lh_error *err)
{
    const struct ingest_request *r = in->request;
    size_t wants = keeps_types(in) ? in->head->column_count : 0;
    const char **names = lh_arena_array(&in->call->arena, wants + 1, sizeof(*names));
    const char **types = lh_arena_array(&in->call->arena, wants + 1, sizeof(*types));
    struct lh_convert_options options = {
        .path = in->upload->path,
        .format = r->format,
        .content_type = in->upload->content_type,
        .file_name = in->upload->file_name,
        .types = r->types,
        .out_path = in->data_path,
        .rejects_path = in->rejects_path,
        .is_preview = r->is_preview,
        .header = r->header,
        .delimiter = r->delimiter,
        .nulls = r->nulls,
        .null_count = r->null_count,
        .unpacked_max = in->d->unpacked_max,
        .want_names = names,
        .want_types = types,
        .want_count = wants,
    };
    int64_t from = lh_time_mono_ns();
    lh_status status;

    for (size_t i = 0; i < wants; i++) {
        names[i] = in->head->columns[i].name;
        types[i] = in->head->columns[i].type;
    }
    status = lh_convert_file(in->work, in->call, &options, &in->file, err);
    lh_metric_observe_ns(in->d->metrics.convert_seconds, lh_time_mono_ns() - from);
    return status;
}

/* The adopted upload keeps its place in the spool folder: another round may need it. */
static lh_status
adopted_link(struct ingest *in, struct lh_error *err)
{
    if (in->file.is_adopted && link(in->upload->path, in->data_path) != 0)
        return lh_fail_errno(err, errno, "linking the uploaded file");
    return LH_OK;
}

static lh_status
rows_shape(struct ingest *in, struct lh_error *err)
{
    bool takes_old = in->plan.shape == SCHEMA_MERGE && in->head;
    struct lh_merge_options options = {
        .new_path = in->data_path,
        .key_column = in->request->key,
        .column_names = in->plan.names,
        .column_types = in->plan.types,
        .column_count = in->plan.count,
        .out_path = in->merged_path,
    };

    if (in->plan.shape == SCHEMA_AS_IS)
        return LH_OK;
    if (takes_old)
        options.old = lh_snapshot_rows(in->head, &in->call->arena);
    return lh_merge_files(in->work, in->call, &options, &in->merged, err);
}

static lh_status
version_make(struct ingest *in, struct lh_error *err)
{
    LH_TRY(file_convert(in, err));
    LH_FAULT("ingest.after_convert", err);
    LH_TRY(adopted_link(in, err));
    schema_plan_make(in->head, &in->file, in->request, &in->call->arena, &in->plan);
    LH_TRY(schema_gate(in->head, &in->file, in->request, &in->plan, err));
    return rows_shape(in, err);
}

/* ---- objects ---- */

static const struct lh_convert_result *
made_result(const struct ingest *in)
{
    return in->plan.shape == SCHEMA_AS_IS ? &in->file : &in->merged;
}

static lh_status
object_put(struct ingest *in, const char *path, const char *suffix, char **key,
           struct lh_object_info *info, struct lh_error *err)
{
    struct lh_put_options options = {.if_absent = true,
                                     .content_type = "application/vnd.apache.parquet"};
    char id[LH_UUID_TEXT];
    LH_AUTO_CHARS name = lh_asprintf("_data/%s/%s%s", in->request->dataset,
                                     lh_uuid_format(lh_uuid_v7(), id), suffix);

    LH_TRY(lh_object_put_file(in->bucket, in->call, lh_str_of(name), path, &options, info, err));
    *key = lh_take(name);
    return LH_OK;
}

static lh_status
objects_put(struct ingest *in, struct lh_error *err)
{
    const char *path = in->plan.shape == SCHEMA_AS_IS ? in->data_path : in->merged_path;
    struct lh_object_info info;
    int64_t from = lh_time_mono_ns();

    LH_TRY(lh_catalog_writer_begin(in->d->catalog, in->call, lh_str_of(in->request->dataset),
                                   in->writer_id, err));
    LH_TRY(object_put(in, path, ".parquet", &in->data_key, &in->data_info, err));
    if (in->file.rows_rejected > 0)
        LH_TRY(object_put(in, in->rejects_path, ".rejects.parquet", &in->rejects_key, &info, err));
    lh_metric_observe_ns(in->d->metrics.put_seconds, lh_time_mono_ns() - from);
    return LH_OK;
}

static void
object_drop(struct ingest *in, char **key)
{
    if (*key)
        lh_object_delete(in->bucket, in->call, lh_str_of(*key), NULL, NULL);
    free(*key);
    *key = NULL;
}

/* Only when no version can name them: after a commit whose end is not known they are left to
 * collection, and so is the writer that protects them until it expires. */
static void
objects_drop(struct ingest *in)
{
    if (in->is_in_doubt) {
        free(lh_take(in->data_key));
        free(lh_take(in->rejects_key));
        return;
    }
    object_drop(in, &in->data_key);
    object_drop(in, &in->rejects_key);
}

static void
writer_end(struct ingest *in)
{
    if (in->writer_id[0] != '\0' && in->is_in_doubt)
        lh_catalog_writer_leave(in->d->catalog, in->writer_id);
    else if (in->writer_id[0] != '\0')
        lh_catalog_writer_end(in->d->catalog, in->call, in->writer_id);
    in->writer_id[0] = '\0';
    in->is_in_doubt = false;
}

/* ---- the commit ---- */

static bool
keeps_files(const struct ingest *in)
{
    return in->head && in->request->mode == INGEST_APPEND && in->plan.shape != SCHEMA_MERGE;
}

static void
files_set(struct ingest *in, const char *key, struct lh_catalog_commit *c)
{
    size_t old = keeps_files(in) ? in->head->file_count : 0;
    struct lh_catalog_file *files = lh_arena_array(&in->call->arena, old + 1, sizeof(*files));

    if (old > 0)
        memcpy(files, in->head->files, old * sizeof(*files));
    files[old] = (struct lh_catalog_file){
        .bucket = lh_bucket_name(in->bucket),
        .key = in->data_key,
        .sha256 = in->data_info.sha256,
        .ingest_key = key,
        .size_bytes = in->data_info.size_bytes,
        .rows = made_result(in)->rows,
    };
    c->files = files;
    c->file_count = old + 1;
}

static void
columns_set(struct ingest *in, struct lh_catalog_commit *c)
{
    const struct lh_convert_result *made = made_result(in);
    struct lh_catalog_column *columns =
        lh_arena_array(&in->call->arena, made->column_count, sizeof(*columns));

    if (keeps_files(in)) {
        schema_columns_join(in->head, made, columns);
    } else {
        for (size_t i = 0; i < made->column_count; i++)
            columns[i] = (struct lh_catalog_column){.name = made->columns[i].name,
                                                    .type = made->columns[i].type,
                                                    .null_count = made->columns[i].null_count,
                                                    .min = made->columns[i].min,
                                                    .max = made->columns[i].max};
    }
    c->columns = columns;
    c->column_count = made->column_count;
}

/* What the version holds: the last one is the last that was done. */
static void
keys_set(struct ingest *in, const char *key, struct lh_catalog_commit *c)
{
    bool keeps = in->head && in->request->mode != INGEST_REPLACE;
    size_t old = keeps ? in->head->ingest_key_count : 0, n = 0;
    const char **keys = lh_arena_array(&in->call->arena, old + 1, sizeof(*keys));

    for (size_t i = 0; i < old; i++)
        if (strcmp(in->head->ingest_keys[i], key) != 0)
            keys[n++] = in->head->ingest_keys[i];
    keys[n++] = key;
    c->ingest_keys = keys;
    c->ingest_key_count = n;
}

/* A copy that was asked for is an ingest of its own, or a later replace would take both for one. */
static const char *
commit_key(struct ingest *in)
{
    char id[LH_UUID_TEXT], hex[LH_SHA256_HEX];
    uint8_t digest[LH_SHA256_BYTES];
    char *text;

    if (!in->head || !in->request->allow_duplicate || !has_key(in->head, in->ingest_key))
        return in->ingest_key;
    text = lh_arena_printf(&in->call->arena, "%s %s", in->ingest_key,
                           lh_uuid_format(lh_uuid_v7(), id));
    lh_sha256_of(lh_str_bytes(lh_str_of(text)), digest);
    return lh_arena_cstr(&in->call->arena, lh_str_of(lh_sha256_hex(digest, hex)));
}

/* The catalog says so, and so no version names what was put. */
static bool
is_refused(lh_status status)
{
    return status == LH_CONFLICT || status == LH_INVALID || status == LH_NOT_FOUND ||
           status == LH_BUSY;
}

static lh_status
version_commit(struct ingest *in, struct lh_snapshot **out, struct lh_error *err)
{
    const char *key = commit_key(in);
    struct lh_catalog_commit c = {
        .dataset = in->request->dataset,
        .writer_id = in->writer_id,
        .expected_head = in->head ? in->head->version : 0,
        .mode = ingest_mode_name(in->request->mode),
        .source = in->upload->file_name,
        .content_sha256 = in->upload->sha256,
        .ingest_key = key,
        .rows_rejected = in->file.rows_rejected,
        .may_evolve = in->request->may_evolve,
    };
    int64_t from = lh_time_mono_ns();
    lh_status status;

    if (in->rejects_key)
        c.rejects = lh_arena_printf(&in->call->arena, "lake://%s/%s", lh_bucket_name(in->bucket),
                                    in->rejects_key);
    files_set(in, key, &c);
    columns_set(in, &c);
    keys_set(in, key, &c);
    status = lh_catalog_commit(in->d->catalog, in->call, &c, out, err);
    in->is_in_doubt = status != LH_OK && !is_refused(status);
    lh_metric_observe_ns(in->d->metrics.commit_seconds, lh_time_mono_ns() - from);
    return status;
}

/* ---- rounds ---- */

/* May what was put for one head be committed on another? */
static bool
is_reusable(const struct ingest *in, const char *fingerprint)
{
    return in->data_key && in->plan.shape != SCHEMA_MERGE &&
           strcmp(in->head ? in->head->fingerprint : "", fingerprint) == 0;
}

static void
pause_briefly(void)
{
    struct timespec t = {.tv_nsec = (long)(1 + lh_random_u64() % PAUSE_MAX_MS) * 1000000};

    nanosleep(&t, NULL);
}

static lh_status
round_run(struct ingest *in, struct lh_snapshot **out, struct lh_error *err)
{
    if (!in->data_key) {
        LH_TRY(version_make(in, err));
        LH_TRY(objects_put(in, err));
        LH_FAULT("ingest.after_data_put", err);
    }
    LH_TRY(version_commit(in, out, err));
    LH_FAULT("ingest.after_commit", err);
    return LH_OK;
}

static lh_status
rounds_run(struct ingest *in, struct ingest_outcome *out, struct lh_error *err)
{
    char fingerprint[LH_SHA256_HEX] = "";

    for (unsigned round = 1;; round++) {
        LH_AUTO_ERROR(why);
        lh_status status;
        LH_TRY(lh_call_check(in->call, err));
        LH_TRY(head_load(in, err));
        if (is_unchanged(in)) {
            objects_drop(in);
            out->is_unchanged = true;
            out->snapshot = lh_take(in->head);
            return LH_OK;
        }
        if (!is_reusable(in, fingerprint)) {
            objects_drop(in);
            writer_end(in);
            made_forget(in);
        }
        lh_str_copy(fingerprint, sizeof(fingerprint),
                    lh_str_of(in->head ? in->head->fingerprint : ""));
        status = round_run(in, &out->snapshot, &why);
        if (status == LH_OK)
            return LH_OK;
        if (!lh_error_is(&why, "catalog.version_taken") || round == ROUNDS_MAX) {
            if (status == LH_CONFLICT || status == LH_INVALID)
                objects_drop(in);
            lh_error_copy(err, &why);
            return status;
        }
        pause_briefly();
    }
}

lh_status
ingest_run(struct ingest *in, struct ingest_outcome *out, struct lh_error *err)
{
    lh_status status = rounds_run(in, out, err);

    writer_end(in);
    return status;
}

lh_status
ingest_preview(struct ingest *in, struct ingest_outcome *out, struct lh_error *err)
{
    LH_TRY(head_load(in, err));
    LH_TRY(file_convert(in, err));
    schema_plan_make(in->head, &in->file, in->request, &in->call->arena, &in->plan);
    out->is_unchanged = is_unchanged(in);
    return LH_OK;
}

/* ---- life ---- */

lh_status
ingest_init(struct ingest *in, struct ingestd *d, struct lh_call *call,
            const struct ingest_request *request, const struct upload *upload, struct lh_error *err)
{
    *in = (struct ingest){.d = d,
                          .call = call,
                          .request = request,
                          .upload = upload,
                          .started_ns = lh_time_mono_ns()};
    snprintf(in->data_path, sizeof(in->data_path), "%s.parquet", upload->path);
    snprintf(in->rejects_path, sizeof(in->rejects_path), "%s.rejects", upload->path);
    snprintf(in->merged_path, sizeof(in->merged_path), "%s.merged", upload->path);
    ingest_request_key(request, upload->sha256, in->ingest_key);
    LH_TRY(lh_store_bucket(d->env->store, call, lh_str_of(request->bucket), &in->bucket, err));
    return lh_env_work_engine(d->env, &in->work, err);
}

void
ingest_fini(struct ingest *in)
{
    made_forget(in);
    lh_snapshot_unref(in->head);
    free(in->data_key);
    free(in->rejects_key);
    in->head = NULL;
    in->data_key = in->rejects_key = NULL;
}
