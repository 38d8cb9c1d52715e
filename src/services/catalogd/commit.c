#include "services/catalogd/commit.h"

#include "base/fault.h"
#include "base/time.h"
#include "services/catalogd/event.h"
#include "services/catalogd/schema.h"
#include "services/catalogd/tombstones.h"
#include "services/catalogd/writer.h"

#define MANIFEST_BYTES_MAX ((size_t)512 << 20)
#define FINISH_WAIT_MS 15000

/* ---- the request ---- */

static const char *const fields[] = {
    "dataset",    "commit_id",      "writer_id",  "expected_head", "mode",
    "source",     "content_sha256", "ingest_key", "rejects",       "rows_rejected",
    "may_evolve", "columns",        "files",      "ingest_keys",   NULL};

static lh_status
commit_id_read(const json_t *body, lh_uuid *out, struct lh_error *err)
{
    lh_str id;

    LH_TRY(lh_json_str(body, "commit_id", &id, err));
    if (!lh_uuid_parse(id, out))
        return lh_fail(err, LH_INVALID, "catalog.snapshot", "commit_id '%.*s' is no UUID",
                       LH_FMT(lh_str_fit(id, 64)));
    return LH_OK;
}

static lh_status
texts_read(const json_t *body, struct lh_arena *arena, struct lh_catalog_commit *w,
           struct lh_error *err)
{
    lh_str dataset, mode;

    LH_TRY(lh_json_str(body, "dataset", &dataset, err));
    LH_TRY(lh_json_str(body, "mode", &mode, err));
    w->dataset = lh_arena_cstr(arena, dataset);
    w->mode = lh_arena_cstr(arena, mode);
    LH_TRY(catalog_text_read(body, "writer_id", arena, NULL, &w->writer_id, err));
    LH_TRY(catalog_text_read(body, "source", arena, "", &w->source, err));
    LH_TRY(catalog_text_read(body, "content_sha256", arena, "", &w->content_sha256, err));
    LH_TRY(catalog_text_read(body, "ingest_key", arena, "", &w->ingest_key, err));
    return catalog_text_read(body, "rejects", arena, NULL, &w->rejects, err);
}

static lh_status
lists_read(const json_t *body, struct lh_arena *arena, struct lh_catalog_commit *w,
           struct lh_error *err)
{
    json_t *columns = NULL, *files = NULL, *keys = NULL;

    LH_TRY(lh_json_array_opt(body, "columns", &columns, err));
    LH_TRY(lh_json_array_opt(body, "files", &files, err));
    LH_TRY(lh_json_array_opt(body, "ingest_keys", &keys, err));
    LH_TRY(catalog_columns_read(columns, arena, &w->columns, &w->column_count, err));
    LH_TRY(catalog_files_read(files, arena, &w->files, &w->file_count, err));
    return catalog_texts_read(keys, arena, &w->ingest_keys, &w->ingest_key_count, err);
}

lh_status
catalog_commit_read(const json_t *body, struct lh_arena *arena, struct catalog_commit *out,
                    struct lh_error *err)
{
    struct catalog_commit commit = {0};

    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(commit_id_read(body, &commit.commit_id, err));
    LH_TRY(texts_read(body, arena, &commit.wish, err));
    LH_TRY(catalog_u64_read(body, "expected_head", &commit.wish.expected_head, err));
    LH_TRY(catalog_u64_read(body, "rows_rejected", &commit.wish.rows_rejected, err));
    LH_TRY(lh_json_bool_opt(body, "may_evolve", &commit.wish.may_evolve, err));
    LH_TRY(lists_read(body, arena, &commit.wish, err));
    *out = commit;
    return LH_OK;
}

/* ---- from the wish to a version ---- */

static const struct lh_catalog_column *
columns_copy(struct lh_arena *a, const struct lh_catalog_column *from, size_t count)
{
    struct lh_catalog_column *to = lh_arena_array(a, count + 1, sizeof(*to));

    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
        to[i].name = lh_arena_cstr(a, lh_str_of(from[i].name));
        to[i].type = lh_arena_cstr(a, lh_str_of(from[i].type));
        to[i].min = from[i].min ? lh_arena_cstr(a, lh_str_of(from[i].min)) : NULL;
        to[i].max = from[i].max ? lh_arena_cstr(a, lh_str_of(from[i].max)) : NULL;
    }
    return to;
}

static const struct lh_catalog_file *
files_copy(struct lh_arena *a, const struct lh_catalog_file *from, size_t count)
{
    struct lh_catalog_file *to = lh_arena_array(a, count + 1, sizeof(*to));

    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
        to[i].bucket = lh_arena_cstr(a, lh_str_of(from[i].bucket));
        to[i].key = lh_arena_cstr(a, lh_str_of(from[i].key));
        to[i].sha256 = lh_arena_cstr(a, lh_str_of(from[i].sha256));
        to[i].ingest_key =
            lh_arena_cstr(a, lh_str_of(from[i].ingest_key ? from[i].ingest_key : ""));
    }
    return to;
}

/* All that this version holds, with the ingest that makes it, once. */
static void
ingest_keys_copy(struct catalog_snapshot *s, const struct lh_catalog_commit *w)
{
    const char **to = lh_arena_array(&s->arena, w->ingest_key_count + 1, sizeof(*to));
    bool has_own = s->ingest_key[0] == '\0';
    size_t count = 0;

    for (size_t i = 0; i < w->ingest_key_count; i++) {
        has_own |= strcmp(w->ingest_keys[i], s->ingest_key) == 0;
        to[count++] = lh_arena_cstr(&s->arena, lh_str_of(w->ingest_keys[i]));
    }
    if (!has_own)
        to[count++] = s->ingest_key;
    s->shown.ingest_keys = to;
    s->shown.ingest_key_count = count;
}

static const char *
text_copy(struct catalog_snapshot *s, const char *text)
{
    return lh_arena_cstr(&s->arena, lh_str_of(text ? text : ""));
}

static void
origin_copy(struct catalog_snapshot *s, struct lh_call *call, const struct catalog_commit *commit)
{
    const struct lh_catalog_commit *w = &commit->wish;
    struct lh_snapshot *v = &s->shown;
    char id[LH_UUID_TEXT];

    v->dataset = text_copy(s, w->dataset);
    v->mode = text_copy(s, w->mode);
    v->source = text_copy(s, w->source);
    v->content_sha256 = text_copy(s, w->content_sha256);
    v->rejects = w->rejects && w->rejects[0] != '\0' ? text_copy(s, w->rejects) : NULL;
    v->rows_rejected = w->rows_rejected;
    v->created_us = lh_time_now_us();
    s->ingest_key = text_copy(s, w->ingest_key);
    s->actor = text_copy(s, call->principal.name ? call->principal.name : "system");
    s->trace_id = text_copy(s, call->trace.trace_id);
    s->commit_id = text_copy(s, lh_uuid_format(commit->commit_id, id));
}

static struct catalog_snapshot *
snapshot_make(struct lh_call *call, const struct catalog_commit *commit, uint64_t head)
{
    const struct lh_catalog_commit *w = &commit->wish;
    struct catalog_snapshot *s = catalog_snapshot_new();

    origin_copy(s, call, commit);
    s->shown.version = head + 1;
    s->shown.parent = head;
    s->shown.columns = columns_copy(&s->arena, w->columns, w->column_count);
    s->shown.column_count = w->column_count;
    s->shown.files = files_copy(&s->arena, w->files, w->file_count);
    s->shown.file_count = w->file_count;
    ingest_keys_copy(s, w);
    return s;
}

/* What the last version keeps deleted stays deleted in the next one, whatever brings it: an append
 * that takes the old objects along, and a rollback that takes up older ones. */
static lh_status
tombstones_set(struct catalog *c, struct lh_call *call, const struct catalog_commit *commit,
               struct catalog_snapshot *s, struct lh_error *err)
{
    LH_AUTO(catalog_tombstones) *t = NULL;
    struct lh_snapshot *v = &s->shown;

    s->reason = text_copy(s, commit->reason);
    s->requested_by = text_copy(s, commit->requested_by);
    if (commit->tombstones == NULL)
        LH_TRY(catalog_tombstones_of(c, call, lh_str_of(v->dataset), &t, &v->erased, err));
    else if (commit->tombstones[0] != '\0')
        LH_TRY(catalog_tombstones_load(c, call, lh_str_of(commit->tombstones), &t, err));
    if (t == NULL)
        return LH_OK;
    if (commit->tombstones != NULL)
        v->erased = v->version;
    s->tombstones = text_copy(s, t->key);
    v->hidden_rows = catalog_tombstones_hide(t, v->files, v->file_count);
    return LH_OK;
}

static lh_status
version_taken(const char *dataset, uint64_t version, struct lh_error *err)
{
    return lh_fail(err, LH_CONFLICT, "catalog.version_taken",
                   "version %llu of '%s' was committed by somebody else",
                   (unsigned long long)version, dataset);
}

/* Which of all that may ever have had the number before it this one stands on. */
static lh_status
parent_set(struct catalog *c, struct lh_call *call, struct catalog_snapshot *s,
           struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *parent = NULL;
    LH_AUTO_ERROR(why);
    lh_status status;

    if (s->shown.parent == 0)
        return LH_OK;
    status =
        catalog_version_load(c, call, lh_str_of(s->shown.dataset), s->shown.parent, &parent, &why);
    if (status == LH_OK)
        s->parent_commit = text_copy(s, parent->commit_id);
    if (status == LH_OK || status == LH_CORRUPT)
        return LH_OK;
    if (status == LH_NOT_FOUND)
        return version_taken(s->shown.dataset, s->shown.version, err);
    lh_error_copy(err, &why);
    return status;
}

/* ---- gates ---- */

/* A hidden dataset is as good as none: whoever was told that it does not exist may make it again.
 */
static lh_status
head_gate(const struct lh_catalog_commit *w, uint64_t head, bool is_hidden, struct lh_error *err)
{
    if (w->expected_head == head || (w->expected_head == 0 && is_hidden))
        return LH_OK;
    if (w->expected_head > head)
        return lh_fail(err, LH_CONFLICT, "catalog.version_taken",
                       "'%s' is at version %llu, not at %llu", w->dataset, (unsigned long long)head,
                       (unsigned long long)w->expected_head);
    return version_taken(w->dataset, w->expected_head + 1, err);
}

/* Deleting needs no schema, and what is hidden has none to hold on to. */
static lh_status
schema_gate(struct catalog *c, struct lh_call *call, const struct catalog_snapshot *next,
            bool may_evolve, bool is_hidden, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *head = NULL;
    const struct lh_snapshot *v = &next->shown;

    if (may_evolve || v->is_deleted || is_hidden || v->parent == 0)
        return LH_OK;
    LH_TRY(catalog_version_load(c, call, lh_str_of(v->dataset), v->parent, &head, err));
    if (strcmp(head->shown.fingerprint, v->fingerprint) == 0)
        return LH_OK;
    return catalog_schema_drift(lh_str_of(v->dataset), head->shown.columns,
                                head->shown.column_count, v->columns, v->column_count, err);
}

static lh_status
object_check(struct catalog *c, struct lh_call *call, const struct lh_catalog_file *f,
             struct lh_error *err)
{
    struct lh_object_info info;
    struct lh_bucket *bucket;
    LH_AUTO_ERROR(why);
    lh_status status;

    LH_TRY(lh_store_bucket(c->env->store, call, lh_str_of(f->bucket), &bucket, err));
    status = lh_object_head(bucket, call, lh_str_of(f->key), &info, &why);
    if (status == LH_NOT_FOUND)
        return lh_fail(err, LH_INVALID, "catalog.object", "object %s/%s is not there", f->bucket,
                       f->key);
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    if (info.size_bytes != f->size_bytes)
        return lh_fail(err, LH_INVALID, "catalog.object", "object %s/%s has %llu bytes, not %llu",
                       f->bucket, f->key, (unsigned long long)info.size_bytes,
                       (unsigned long long)f->size_bytes);
    return LH_OK;
}

/* Collection decides by dataset, so an object under `_data/` can belong to one only. */
static lh_status
object_place_check(const struct lh_snapshot *v, const struct lh_catalog_file *f,
                   struct lh_error *err)
{
    lh_str rest = lh_str_of(f->key), part;

    if (!lh_str_cut(&rest, '/', &part) || !lh_str_eq(part, LH_STR("_data")) ||
        !lh_str_cut(&rest, '/', &part) || lh_catalog_name_check(part, NULL) != LH_OK ||
        lh_str_eq(part, lh_str_of(v->dataset)))
        return LH_OK;
    return lh_fail(err, LH_INVALID, "catalog.object", "object %s belongs to dataset '%.*s'", f->key,
                   LH_FMT(part));
}

static lh_status
objects_gate(struct catalog *c, struct lh_call *call, const struct lh_snapshot *v,
             struct lh_error *err)
{
    for (size_t i = 0; i < v->file_count; i++) {
        LH_TRY(lh_call_check(call, err));
        LH_TRY(object_place_check(v, &v->files[i], err));
        LH_TRY(object_check(c, call, &v->files[i], err));
    }
    return LH_OK;
}

/* ---- the put ---- */

static lh_status
manifest_put(struct catalog *c, struct lh_call *call, lh_str key, lh_bytes bytes,
             struct lh_error *err)
{
    LH_FAULT("catalog.commit.before_put", err);
    return lh_object_put(c->bucket, call, key, bytes,
                         &(struct lh_put_options){.if_absent = true,
                                                  .content_type = "application/vnd.apache.parquet"},
                         NULL, err);
}

static bool
put_is_uncertain(lh_status status)
{
    return status == LH_CONFLICT || status == LH_EXISTS || status == LH_UNAVAILABLE ||
           status == LH_TIMEOUT || status == LH_CANCELED || status == LH_IO;
}

/* Not "taken": whoever asked must neither believe that the version is a rival's nor take back the
 * objects that it may name. */
static lh_status
put_unknown(const struct lh_snapshot *v, const struct lh_error *why, struct lh_error *err)
{
    return lh_fail(err, LH_UNAVAILABLE, "catalog.commit_unknown",
                   "whether version %llu of '%s' was committed cannot be found out: %s",
                   (unsigned long long)v->version, v->dataset, why->text);
}

/* Who has the version? The call itself may be over by now, so this asks on one of its own. A
 * request may also be under way still: then nobody has it yet. */
static lh_status
put_resolve(struct catalog *c, struct lh_call *call, const struct lh_snapshot *v, lh_bytes bytes,
            const struct lh_error *why, struct lh_error *err)
{
    LH_AUTO_BUF(there, MANIFEST_BYTES_MAX);
    char key[CATALOG_KEY_TEXT];
    struct lh_call own;
    lh_status status;

    lh_call_init(&own);
    own.trace = call->trace;
    own.deadline_ms = lh_time_mono_ms() + FINISH_WAIT_MS;
    status =
        lh_object_get(c->bucket, &own, catalog_manifest_key(lh_str_of(v->dataset), v->version, key),
                      &there, NULL, NULL);
    lh_call_fini(&own);
    if (status == LH_OK && lh_str_eq(lh_buf_str(&there), lh_bytes_str(bytes)))
        return LH_OK;
    if (status != LH_OK)
        return put_unknown(v, why, err);
    catalog_index_add(c->index, lh_str_of(v->dataset), v->version);
    return version_taken(v->dataset, v->version, err);
}

static lh_status
version_put(struct catalog *c, struct lh_call *call, const struct catalog_snapshot *s,
            struct lh_error *err)
{
    LH_AUTO_BUF(bytes, MANIFEST_BYTES_MAX);
    LH_AUTO_ERROR(why);
    char key[CATALOG_KEY_TEXT];
    struct lh_engine *work;
    lh_status status;

    LH_TRY(lh_env_work_engine(c->env, &work, err));
    LH_TRY(catalog_manifest_encode(work, call, s, &bytes, err));
    status = manifest_put(c, call,
                          catalog_manifest_key(lh_str_of(s->shown.dataset), s->shown.version, key),
                          lh_buf_bytes(&bytes), &why);
    if (status == LH_OK)
        return LH_OK;
    if (put_is_uncertain(status))
        return put_resolve(c, call, &s->shown, lh_buf_bytes(&bytes), &why, err);
    lh_error_copy(err, &why);
    return status;
}

/* The version stands; what is left must be done whether or not anybody still waits for it. */
static lh_status
version_finish(struct catalog *c, struct lh_call *call, struct catalog_snapshot *s,
               struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    struct lh_call own;
    lh_status status;

    lh_call_init(&own);
    own.trace = call->trace;
    own.principal = call->principal;
    own.source = call->source;
    own.deadline_ms = lh_time_mono_ms() + FINISH_WAIT_MS;
    catalog_keep(c, s);
    status = catalog_event_commit(c, &own, s, &why);
    lh_call_fini(&own);
    if (status == LH_OK)
        return LH_OK;
    return lh_fail(err, LH_UNAVAILABLE, "catalog.event_pending",
                   "version %llu of '%s' is committed, but its event is not written yet: %s",
                   (unsigned long long)s->shown.version, s->shown.dataset, why.text);
}

/* A number below the head, given away for the second time. It is nobody's head and names what may
 * be gone; whoever asked for it begins again. */
static lh_status
echo_remove(struct catalog *c, struct lh_call *call, const struct lh_snapshot *v,
            struct lh_error *err)
{
    lh_str dataset = lh_str_of(v->dataset);
    char text[CATALOG_KEY_TEXT];
    lh_str key = catalog_manifest_key(dataset, v->version, text);
    struct lh_object_info info;
    lh_status status = lh_object_head(c->bucket, call, key, &info, NULL);

    if (status == LH_OK)
        status = lh_object_delete(c->bucket, call, key, info.etag, NULL);
    catalog_index_remove(c->index, dataset, v->version);
    if (status != LH_OK && status != LH_NOT_FOUND)
        return lh_fail(err, LH_UNAVAILABLE, "catalog.commit_unknown",
                       "version %llu of '%s' was put too late and could not be taken back",
                       (unsigned long long)v->version, v->dataset);
    return version_taken(v->dataset, v->version, err);
}

/* After a put that may have come too late. While the writer's record is there, nothing was
 * collected; while the parent is, the number was not. */
static lh_status
put_confirm(struct catalog *c, struct lh_call *call, const struct lh_snapshot *v, lh_str writer_id,
            struct lh_error *err)
{
    char key[CATALOG_KEY_TEXT];
    struct lh_object_info info;
    lh_status status;

    if (catalog_writer_lives(c->writers, writer_id) ||
        catalog_writer_renew(c->writers, call, writer_id, NULL) == LH_OK)
        return LH_OK;
    LH_TRY(catalog_dataset_refresh(c, call, lh_str_of(v->dataset), err));
    if (v->parent == 0)
        status = catalog_index_head(c->index, lh_str_of(v->dataset)).version > v->version
                     ? LH_NOT_FOUND
                     : LH_OK;
    else
        status = lh_object_head(c->bucket, call,
                                catalog_manifest_key(lh_str_of(v->dataset), v->parent, key), &info,
                                NULL);
    if (status == LH_OK ||
        catalog_index_head(c->index, lh_str_of(v->dataset)).version == v->version)
        return LH_OK;
    if (status == LH_NOT_FOUND)
        return echo_remove(c, call, v, err);
    return lh_fail(err, LH_UNAVAILABLE, "catalog.commit_unknown",
                   "version %llu of '%s' was put late, and whether in time cannot be found out",
                   (unsigned long long)v->version, v->dataset);
}

static lh_status
version_commit(struct catalog *c, struct lh_call *call, struct catalog_snapshot *s,
               lh_str writer_id, struct lh_error *err)
{
    LH_TRY(version_put(c, call, s, err));
    if (writer_id.len > 0)
        LH_TRY(put_confirm(c, call, &s->shown, writer_id, err));
    LH_FAULT("catalog.commit.after_put", err);
    LH_TRY(version_finish(c, call, s, err));
    LH_FAULT("catalog.commit.after_event", err);
    return LH_OK;
}

/* ---- the whole ---- */

/* The same wish again, after its answer was lost: the version it made is the answer. */
static lh_status
repeat_find(struct catalog *c, struct lh_call *call, const struct catalog_commit *commit,
            uint64_t head, struct catalog_snapshot **out, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = NULL;
    uint64_t made = commit->wish.expected_head + 1;
    char id[LH_UUID_TEXT];

    if (commit->wish.expected_head == 0)
        made = head;
    if (made > head || made == 0)
        return LH_OK;
    if (catalog_version_load(c, call, lh_str_of(commit->wish.dataset), made, &s, NULL) != LH_OK ||
        strcmp(s->commit_id, lh_uuid_format(commit->commit_id, id)) != 0)
        return LH_OK;
    LH_TRY(version_finish(c, call, s, err));
    *out = lh_take(s);
    return LH_OK;
}

/* A commit by somebody who announced no writer announces one for its own duration, so that neither
 * what it names nor the versions it stands on can be collected between the look and the put. */
static lh_status
writer_ensure(struct catalog *c, struct lh_call *call, const struct lh_catalog_commit *w,
              bool is_fence, char own[LH_UUID_TEXT], struct lh_error *err)
{
    lh_str dataset = lh_str_of(w->dataset);

    if (is_fence)
        return LH_OK;
    if (w->writer_id != NULL && w->writer_id[0] != '\0')
        return catalog_writer_check(c->writers, call, lh_str_of(w->writer_id), dataset, err);
    lh_uuid_format(lh_uuid_v7(), own);
    return catalog_writer_begin(c->writers, call, lh_str_of(own), dataset, err);
}

/* That the version this one stands on is still in the bucket, and not only in our memory. Versions
 * are collected from the oldest on, and not while a writer lives, so when `parent` is there, the
 * number after it has never been given away and is ours or somebody's by the put alone. Otherwise
 * we are a process that has slept: the number may have been used and collected since. */
static lh_status
parent_gate(struct catalog *c, struct lh_call *call, const struct lh_snapshot *v,
            struct lh_error *err)
{
    lh_str dataset = lh_str_of(v->dataset);
    char key[CATALOG_KEY_TEXT];
    struct lh_object_info info;
    LH_AUTO_ERROR(why);
    lh_status status;

    if (v->parent == 0) {
        LH_TRY(catalog_dataset_refresh(c, call, dataset, err));
        return catalog_index_head(c->index, dataset).version == 0
                   ? LH_OK
                   : version_taken(v->dataset, v->version, err);
    }
    status =
        lh_object_head(c->bucket, call, catalog_manifest_key(dataset, v->parent, key), &info, &why);
    if (status == LH_NOT_FOUND) {
        catalog_index_remove(c->index, dataset, v->parent);
        LH_TRY(catalog_dataset_refresh(c, call, dataset, err));
        return version_taken(v->dataset, v->version, err);
    }
    if (status != LH_OK)
        lh_error_copy(err, &why);
    return status;
}

static lh_status
gates_pass(struct catalog *c, struct lh_call *call, const struct catalog_commit *commit,
           struct catalog_snapshot *s, bool is_hidden, struct lh_error *err)
{
    LH_TRY(parent_gate(c, call, &s->shown, err));
    LH_TRY(catalog_snapshot_seal(s, err));
    LH_TRY(catalog_snapshot_check(s, err));
    LH_TRY(schema_gate(c, call, s, commit->wish.may_evolve, is_hidden, err));
    return objects_gate(c, call, &s->shown, err);
}

static lh_str
writer_of(const struct catalog_commit *commit, const char *own)
{
    if (own[0] != '\0')
        return lh_str_of(own);
    return commit->is_fence ? LH_STR("") : lh_str_of(commit->wish.writer_id);
}

static lh_status
commit_on(struct catalog *c, struct lh_call *call, const struct catalog_commit *commit,
          uint64_t head, bool is_hidden, struct catalog_snapshot **out, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = snapshot_make(call, commit, head);
    char own[LH_UUID_TEXT] = "";
    lh_status status;

    LH_TRY(writer_ensure(c, call, &commit->wish, commit->is_fence, own, err));
    status = parent_set(c, call, s, err);
    if (status == LH_OK)
        status = tombstones_set(c, call, commit, s, err);
    if (status == LH_OK)
        status = gates_pass(c, call, commit, s, is_hidden, err);
    if (status == LH_OK)
        status = version_commit(c, call, s, writer_of(commit, own), err);
    /* A put that may still be under way is protected until the writer expires. */
    if (own[0] != '\0' && !lh_error_is(err, "catalog.commit_unknown"))
        catalog_writer_end(c->writers, call, lh_str_of(own), NULL);
    LH_TRY(status);
    *out = lh_take(s);
    return LH_OK;
}

lh_status
catalog_commit_run(struct catalog *c, struct lh_call *call, const struct catalog_commit *commit,
                   struct catalog_snapshot **out, struct lh_error *err)
{
    lh_str dataset = lh_str_of(commit->wish.dataset);
    uint64_t head;
    bool is_hidden;

    LH_TRY(lh_catalog_name_check(dataset, err));
    LH_TRY(catalog_head(c, call, dataset, &head, &is_hidden, err));
    if (commit->wish.expected_head > head) {
        LH_TRY(catalog_dataset_refresh(c, call, dataset, err));
        LH_TRY(catalog_head(c, call, dataset, &head, &is_hidden, err));
    }
    *out = NULL;
    LH_TRY(repeat_find(c, call, commit, head, out, err));
    if (*out != NULL)
        return LH_OK;
    LH_TRY(head_gate(&commit->wish, head, is_hidden, err));
    return commit_on(c, call, commit, head, is_hidden, out, err);
}
