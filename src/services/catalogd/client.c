/*
 * A snapshot by head costs one small call that touches memory only; the snapshot itself comes from
 * the client's cache, since a version never changes. Only a version that was never seen here is
 * fetched whole.
 *
 * Writers that were begun through a client are renewed by one thread of it until they end, so that
 * an ingest may take longer than the life of its record. The thread is started by the first writer.
 */
#include "services/catalogd/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/encoding.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include "services/catalogd/snapshot.h"

#define CACHE_BYTES ((size_t)16 << 20)
#define RENEW_WAIT_MS 10000
#define END_WAIT_MS 10000

struct writer {
    struct writer *next;
    char id[LH_UUID_TEXT];
    int64_t ttl_ms, renew_at_ms;
};

struct lh_catalog_client {
    struct lh_mesh *mesh;
    struct lh_cache *snapshots;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        struct writer *writers;
        pthread_t thread;
        bool has_thread, is_stopping;
    } locked;
};

/* ---- snapshots ---- */

enum head_state { HEAD_UNREAD, HEAD_LIVE, HEAD_BROKEN };

struct head {
    uint64_t version, oldest, erased;
    enum head_state state;
};

static const char *
dataset_path(struct lh_call *call, const char *path, lh_str dataset)
{
    LH_AUTO_BUF(out, 4096);

    lh_buf_add_cstr(&out, path);
    lh_buf_add_cstr(&out, "?dataset=");
    lh_percent_encode(&out, lh_str_fit(dataset, 1024), false);
    return lh_arena_cstr(&call->arena, lh_buf_str(&out));
}

static lh_status
head_ask(struct lh_catalog_client *c, struct lh_call *call, lh_str dataset, struct head *head,
         struct lh_error *err)
{
    LH_AUTO_JSON answer = NULL;
    lh_str name;

    LH_TRY(lh_mesh_call_json(
        c->mesh, call,
        &(struct lh_mesh_request){.service = "catalogd",
                                  .method = LH_GET,
                                  .path = dataset_path(call, "/internal/catalog/head", dataset)},
        &answer, err));
    LH_TRY(catalog_u64_read(answer, "version", &head->version, err));
    LH_TRY(catalog_u64_read(answer, "oldest", &head->oldest, err));
    LH_TRY(catalog_u64_read(answer, "erased", &head->erased, err));
    LH_TRY(lh_json_str(answer, "state", &name, err));
    head->state = lh_str_eq(name, LH_STR("live"))     ? HEAD_LIVE
                  : lh_str_eq(name, LH_STR("broken")) ? HEAD_BROKEN
                                                      : HEAD_UNREAD;
    return LH_OK;
}

static void
snapshot_keep(struct lh_catalog_client *c, struct catalog_snapshot *s)
{
    char key[CATALOG_SNAPSHOT_KEY];

    /* A view that is no dataset's, like "workers@tombstones", has no version of its own. */
    if (strchr(s->shown.dataset, '@') != NULL)
        return;
    lh_cache_put(c->snapshots,
                 catalog_snapshot_erased_key(lh_str_of(s->shown.dataset), s->shown.version,
                                             s->shown.erased, key),
                 s, s->arena.used_bytes + sizeof(*s));
}

static lh_status
snapshot_fetch(struct lh_catalog_client *c, struct lh_call *call, lh_str dataset, uint64_t version,
               struct catalog_snapshot **out, struct lh_error *err)
{
    LH_AUTO_JSON answer = NULL;
    const char *path = lh_arena_printf(&call->arena, "%s&version=%llu",
                                       dataset_path(call, "/internal/catalog/snapshot", dataset),
                                       (unsigned long long)version);

    LH_TRY(lh_mesh_call_json(
        c->mesh, call,
        &(struct lh_mesh_request){.service = "catalogd", .method = LH_GET, .path = path}, &answer,
        err));
    LH_TRY(catalog_snapshot_read(answer, out, err));
    snapshot_keep(c, *out);
    return LH_OK;
}

/* Nothing for the version: it is not in the cache, or the cache may not speak for it. A head that
 * catalogd has not read yet may turn out to hide the dataset or to bring tombstones, so may one
 * that cannot be read, and a version before the oldest has been collected: only catalogd can tell.
 */
static struct catalog_snapshot *
snapshot_recall(struct lh_catalog_client *c, lh_str dataset, uint64_t version,
                const struct head *head)
{
    char key[CATALOG_SNAPSHOT_KEY];

    if (head->state != HEAD_LIVE || version < head->oldest)
        return NULL;
    return lh_cache_find(c->snapshots,
                         catalog_snapshot_erased_key(dataset, version, head->erased, key));
}

/* The head is answered from memory, which may not have seen yet what another process has made: the
 * question for the snapshot itself looks again. */
lh_status
lh_catalog_snapshot(struct lh_catalog_client *c, struct lh_call *call, lh_str dataset,
                    uint64_t version, struct lh_snapshot **out, struct lh_error *err)
{
    struct catalog_snapshot *s = NULL;
    struct head head = {0};
    lh_status status = head_ask(c, call, dataset, &head, err);

    if (status != LH_OK && status != LH_NOT_FOUND)
        return status;
    if (version == 0)
        version = head.version;
    if (status == LH_OK)
        s = snapshot_recall(c, dataset, version, &head);
    if (s == NULL)
        LH_TRY(snapshot_fetch(c, call, dataset, version, &s, err));
    *out = &s->shown;
    return LH_OK;
}

lh_status
lh_catalog_snapshot_prove(struct lh_catalog_client *c, struct lh_call *call, lh_str dataset,
                          uint64_t version, struct lh_error *err)
{
    LH_AUTO_JSON answer = NULL;
    const char *path = lh_arena_printf(&call->arena, "%s&version=%llu",
                                       dataset_path(call, "/internal/catalog/standing", dataset),
                                       (unsigned long long)version);

    return lh_mesh_call_json(
        c->mesh, call,
        &(struct lh_mesh_request){.service = "catalogd", .method = LH_GET, .path = path}, &answer,
        err);
}

lh_status
lh_catalog_bucket_datasets(struct lh_mesh *mesh, struct lh_call *call, lh_str bucket, json_t **out,
                           struct lh_error *err)
{
    LH_AUTO_BUF(path, 512);
    LH_AUTO_JSON answer = NULL;

    lh_buf_add_cstr(&path, "/internal/catalog/bucket?name=");
    lh_percent_encode(&path, bucket, false);
    LH_TRY(lh_mesh_call_json(mesh, call,
                             &(struct lh_mesh_request){.service = "catalogd",
                                                       .method = LH_GET,
                                                       .path = lh_buf_cstr(&path)},
                             &answer, err));
    *out = json_incref(json_object_get(answer, "datasets"));
    return LH_OK;
}

lh_status
lh_catalog_names(struct lh_catalog_client *c, struct lh_call *call, json_t **out,
                 struct lh_error *err)
{
    return lh_mesh_call_json(c->mesh, call,
                             &(struct lh_mesh_request){.service = "catalogd",
                                                       .method = LH_GET,
                                                       .path = "/internal/catalog/names"},
                             out, err);
}

/* ---- writers ---- */

static lh_status
writer_call(struct lh_catalog_client *c, struct lh_call *call, const char *action, const char *id,
            lh_str dataset, int64_t *ttl_ms, struct lh_error *err)
{
    LH_AUTO_BUF(body, 4096);
    LH_AUTO_JSON answer = NULL;
    struct lh_json_writer w = lh_json_writer_over(&body);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "action", action);
    lh_json_set_cstr(&w, "writer_id", id);
    if (dataset.ptr != NULL)
        lh_json_set_str(&w, "dataset", dataset);
    lh_json_object_end(&w);
    LH_TRY(lh_mesh_call_json(c->mesh, call,
                             &(struct lh_mesh_request){.service = "catalogd",
                                                       .method = LH_POST,
                                                       .path = "/internal/catalog/writers",
                                                       .body = lh_buf_bytes(&body),
                                                       .is_idempotent = true},
                             &answer, err));
    return lh_json_i64(answer, "ttl_ms", ttl_ms, err);
}

/* Of the writers that are due, the id of one, with its next time set. */
static bool
writer_due(struct lh_catalog_client *c, int64_t now_ms, char id[LH_UUID_TEXT], int64_t *next_ms)
{
    *next_ms = INT64_MAX;
    for (struct writer *w = c->locked.writers; w != NULL; w = w->next) {
        if (w->renew_at_ms <= now_ms) {
            w->renew_at_ms = now_ms + w->ttl_ms / 4;
            memcpy(id, w->id, LH_UUID_TEXT);
            return true;
        }
        if (w->renew_at_ms < *next_ms)
            *next_ms = w->renew_at_ms;
    }
    return false;
}

/* A renewal that fails is tried again a quarter of the record's life later; a commit would say that
 * it has expired. */
static void
writer_renew(struct lh_catalog_client *c, const char *id)
{
    LH_AUTO_ERROR(err);
    struct lh_call call;
    int64_t ttl_ms;

    lh_call_init(&call);
    call.deadline_ms = lh_time_mono_ms() + RENEW_WAIT_MS;
    if (writer_call(c, &call, "renew", id, LH_STR_NONE, &ttl_ms, &err) != LH_OK)
        lh_log_error(LH_LOG_WARN, "catalogd", "a writer was not renewed", &err);
    lh_call_fini(&call);
}

static void *
writers_run(void *arg)
{
    struct lh_catalog_client *c = arg;
    char id[LH_UUID_TEXT];
    int64_t next_ms;

    pthread_mutex_lock(&c->lock);
    while (!c->locked.is_stopping) {
        if (writer_due(c, lh_time_mono_ms(), id, &next_ms)) {
            pthread_mutex_unlock(&c->lock);
            writer_renew(c, id);
            pthread_mutex_lock(&c->lock);
        } else if (next_ms == INT64_MAX) {
            pthread_cond_wait(&c->changed, &c->lock);
        } else {
            lh_cond_wait_until(&c->changed, &c->lock, next_ms);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void
writer_remember(struct lh_catalog_client *c, const char *id, int64_t ttl_ms)
{
    struct writer *w = LH_NEW(struct writer);
    LH_AUTO_ERROR(err);
    LH_AUTO_LOCK(&c->lock);

    lh_str_copy(w->id, sizeof(w->id), lh_str_of(id));
    w->ttl_ms = ttl_ms;
    w->renew_at_ms = lh_time_mono_ms() + ttl_ms / 4;
    w->next = c->locked.writers;
    c->locked.writers = w;
    if (!c->locked.has_thread &&
        lh_thread_start(&c->locked.thread, "catalog-writers", writers_run, c, &err) == LH_OK)
        c->locked.has_thread = true;
    pthread_cond_signal(&c->changed);
}

static void
writer_forget(struct lh_catalog_client *c, const char *id)
{
    LH_AUTO_LOCK(&c->lock);

    for (struct writer **at = &c->locked.writers; *at != NULL; at = &(*at)->next) {
        struct writer *w = *at;

        if (strcmp(w->id, id) != 0)
            continue;
        *at = w->next;
        free(w);
        return;
    }
}

lh_status
lh_catalog_writer_begin(struct lh_catalog_client *c, struct lh_call *call, lh_str dataset,
                        char writer_id[37], struct lh_error *err)
{
    char id[LH_UUID_TEXT];
    int64_t ttl_ms;

    lh_uuid_format(lh_uuid_v7(), id);
    LH_TRY(writer_call(c, call, "begin", id, dataset, &ttl_ms, err));
    writer_remember(c, id, ttl_ms);
    memcpy(writer_id, id, LH_UUID_TEXT);
    return LH_OK;
}

/* Also for a call that was cancelled: a record left behind would hold up collection until it
 * expires. */
void
lh_catalog_writer_end(struct lh_catalog_client *c, struct lh_call *call, const char *writer_id)
{
    LH_AUTO_ERROR(err);
    struct lh_call own;
    int64_t ttl_ms;

    writer_forget(c, writer_id);
    lh_call_init(&own);
    own.trace = call->trace;
    own.deadline_ms = lh_time_mono_ms() + END_WAIT_MS;
    if (writer_call(c, &own, "end", writer_id, LH_STR_NONE, &ttl_ms, &err) != LH_OK)
        lh_log_error(LH_LOG_WARN, "catalogd", "a writer was not ended", &err);
    lh_call_fini(&own);
}

void
lh_catalog_writer_leave(struct lh_catalog_client *c, const char *writer_id)
{
    writer_forget(c, writer_id);
}

/* ---- commit ---- */

static void
commit_print(const struct lh_catalog_commit *commit, lh_uuid commit_id, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);
    char id[LH_UUID_TEXT];

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "dataset", commit->dataset);
    lh_json_set_cstr(&w, "commit_id", lh_uuid_format(commit_id, id));
    lh_json_set_cstr(&w, "writer_id", commit->writer_id);
    lh_json_set_u64(&w, "expected_head", commit->expected_head);
    lh_json_set_cstr(&w, "mode", commit->mode);
    lh_json_set_cstr(&w, "source", commit->source);
    lh_json_set_cstr(&w, "content_sha256", commit->content_sha256);
    lh_json_set_cstr(&w, "ingest_key", commit->ingest_key);
    lh_json_set_cstr(&w, "rejects", commit->rejects);
    lh_json_set_u64(&w, "rows_rejected", commit->rows_rejected);
    lh_json_set_bool(&w, "may_evolve", commit->may_evolve);
    lh_json_key(&w, "columns");
    catalog_columns_print(&w, commit->columns, commit->column_count);
    lh_json_key(&w, "files");
    catalog_files_print(&w, commit->files, commit->file_count);
    lh_json_key(&w, "ingest_keys");
    catalog_texts_print(&w, commit->ingest_keys, commit->ingest_key_count);
    lh_json_object_end(&w);
}

/* The commit carries an id of its own, so that catalogd knows a repeat of it from a rival: it may
 * be sent again. */
lh_status
lh_catalog_commit(struct lh_catalog_client *c, struct lh_call *call,
                  const struct lh_catalog_commit *commit, struct lh_snapshot **out,
                  struct lh_error *err)
{
    LH_AUTO_BUF(body, LH_BUF_UNLIMITED);
    LH_AUTO_JSON answer = NULL;
    struct catalog_snapshot *s;

    commit_print(commit, lh_uuid_v7(), &body);
    LH_TRY(lh_mesh_call_json(c->mesh, call,
                             &(struct lh_mesh_request){.service = "catalogd",
                                                       .method = LH_POST,
                                                       .path = "/internal/catalog/commit",
                                                       .body = lh_buf_bytes(&body),
                                                       .is_idempotent = true},
                             &answer, err));
    LH_TRY(catalog_snapshot_read(answer, &s, err));
    snapshot_keep(c, s);
    *out = &s->shown;
    return LH_OK;
}

/* ---- life ---- */

struct lh_catalog_client *
lh_catalog_client_new(struct lh_mesh *mesh)
{
    struct lh_catalog_client *c = LH_NEW(struct lh_catalog_client);

    c->mesh = mesh;
    c->snapshots = lh_cache_new(&catalog_snapshot_kind, CACHE_BYTES);
    pthread_mutex_init(&c->lock, NULL);
    lh_cond_init(&c->changed);
    return c;
}

static void
thread_stop(struct lh_catalog_client *c)
{
    bool has_thread;

    {
        LH_AUTO_LOCK(&c->lock);
        c->locked.is_stopping = true;
        has_thread = c->locked.has_thread;
        pthread_cond_signal(&c->changed);
    }
    if (has_thread)
        lh_thread_join(c->locked.thread);
}

void
lh_catalog_client_free(struct lh_catalog_client *c)
{
    if (c == NULL)
        return;
    thread_stop(c);
    while (c->locked.writers != NULL) {
        struct writer *w = c->locked.writers;

        c->locked.writers = w->next;
        free(w);
    }
    lh_cache_free(c->snapshots);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
