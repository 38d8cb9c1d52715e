#include "services/catalogd/restore.h"

#include "services/catalogd/commit.h"
#include "services/catalogd/erase.h"
#include "services/catalogd/meta.h"
#include "services/catalogd/writer.h"
#include "services/journald/client.h"

enum { TRIES_MAX = 20 };

/* ---- rollback ---- */

static struct catalog_commit
rollback_make(struct lh_call *call, const struct catalog_snapshot *old, const char *writer_id,
              uint64_t head)
{
    const struct lh_snapshot *v = &old->shown;

    return (struct catalog_commit){
        .commit_id = lh_uuid_v7(),
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): an unknown dataset always fails */
        .wish = {.dataset = v->dataset,
                 .writer_id = writer_id,
                 .expected_head = head,
                 .mode = "rollback",
                 .source =
                     lh_arena_printf(&call->arena, "version %llu", (unsigned long long)v->version),
                 .content_sha256 = v->content_sha256,
                 .ingest_key = old->ingest_key,
                 .rejects = v->rejects,
                 .rows_rejected = v->rows_rejected,
                 .may_evolve = true,
                 .columns = v->columns,
                 .column_count = v->column_count,
                 .files = v->files,
                 .file_count = v->file_count,
                 .ingest_keys = v->ingest_keys,
                 .ingest_key_count = v->ingest_key_count}};
}

static lh_status
rollback_target(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
                uint64_t *head, struct catalog_snapshot **out, struct lh_error *err)
{
    bool is_hidden;

    LH_TRY(catalog_dataset_refresh(c, call, dataset, err));
    LH_TRY(catalog_head(c, call, dataset, head, &is_hidden, err));
    if (*head == 0)
        return catalog_index_unknown(c->index, dataset, err);
    /* In the bucket, not in our memory: a version that was collected must not be named again. */
    LH_TRY(catalog_version_prove(c, call, dataset, version, err));
    LH_TRY(catalog_version_load(c, call, dataset, version, out, err));
    LH_TRY(catalog_version_true(c, call, *out, err));
    if ((*out)->shown.is_deleted)
        return lh_fail(err, LH_INVALID, "catalog.rollback",
                       "version %llu of '%.*s' is a deletion; there is nothing to roll back to",
                       (unsigned long long)version, LH_FMT(dataset));
    return LH_OK;
}

/* What the old version knew of its columns may tell of rows that were deleted since. */
static lh_status
rollback_columns(struct catalog *c, struct lh_call *call, struct catalog_snapshot *old,
                 struct lh_catalog_commit *w, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *view = NULL;

    LH_TRY(catalog_version_erase(c, call, old, &view, err));
    if (view->shown.erasure == NULL)
        return LH_OK;
    return catalog_erase_statistics(c, call, &view->shown, &w->columns, err);
}

static lh_status
rollback_once(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
              const char *writer_id, struct catalog_snapshot **out, bool *is_unchanged,
              struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *old = NULL;
    struct catalog_commit commit;
    uint64_t head;

    LH_TRY(rollback_target(c, call, dataset, version, &head, &old, err));
    *is_unchanged = head == version;
    if (*is_unchanged) {
        *out = lh_take(old);
        return LH_OK;
    }
    commit = rollback_make(call, old, writer_id, head);
    LH_TRY(rollback_columns(c, call, old, &commit.wish, err));
    return catalog_commit_run(c, call, &commit, out, err);
}

static lh_status
rollback_try(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
             const char *writer_id, struct catalog_snapshot **out, bool *is_unchanged,
             struct lh_error *err)
{
    for (int i = 1;; i++) {
        lh_status status =
            rollback_once(c, call, dataset, version, writer_id, out, is_unchanged, err);

        if (status != LH_CONFLICT || i == TRIES_MAX)
            return status;
        LH_TRY(lh_call_check(call, err));
    }
}

/* The writer is announced before the old version is looked at, so that it cannot expire in between.
 */
lh_status
catalog_rollback(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
                 struct catalog_snapshot **out, bool *is_unchanged, struct lh_error *err)
{
    char writer_id[LH_UUID_TEXT];
    lh_status status;

    LH_TRY(lh_catalog_name_check(dataset, err));
    lh_uuid_format(lh_uuid_v7(), writer_id);
    LH_TRY(catalog_writer_begin(c->writers, call, lh_str_of(writer_id), dataset, err));
    status = rollback_try(c, call, dataset, version, writer_id, out, is_unchanged, err);
    if (!lh_error_is(err, "catalog.commit_unknown"))
        catalog_writer_end(c->writers, call, lh_str_of(writer_id), NULL);
    return status;
}

/* ---- delete ---- */

static lh_status
delete_once(struct catalog *c, struct lh_call *call, lh_str dataset, struct catalog_snapshot **out,
            struct lh_error *err)
{
    struct catalog_commit commit = {.commit_id = lh_uuid_v7()};
    bool is_hidden;
    uint64_t head;

    LH_TRY(catalog_dataset_refresh(c, call, dataset, err));
    LH_TRY(catalog_head(c, call, dataset, &head, &is_hidden, err));
    if (head == 0 || is_hidden)
        return catalog_index_unknown(c->index, dataset, err);
    commit.wish = (struct lh_catalog_commit){.dataset = lh_arena_cstr(&call->arena, dataset),
                                             .expected_head = head,
                                             .mode = "delete",
                                             .may_evolve = true};
    return catalog_commit_run(c, call, &commit, out, err);
}

lh_status
catalog_delete(struct catalog *c, struct lh_call *call, lh_str dataset,
               struct catalog_snapshot **out, struct lh_error *err)
{
    for (int i = 1;; i++) {
        lh_status status = delete_once(c, call, dataset, out, err);

        if (status != LH_CONFLICT || i == TRIES_MAX)
            return status;
        LH_TRY(lh_call_check(call, err));
    }
}

/* ---- fence ---- */

static lh_status
fence_commit(struct catalog *c, struct lh_call *call, struct catalog_commit *commit,
             struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *made = NULL;

    commit->is_fence = true;
    commit->wish.source = "after a writer that expired";
    return catalog_commit_run(c, call, commit, &made, err);
}

/* Where nothing is shown, nothing stays shown. */
lh_status
catalog_fence(struct catalog *c, struct lh_call *call, lh_str dataset, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *head = NULL;
    struct catalog_commit commit = {.commit_id = lh_uuid_v7()};
    uint64_t version;
    bool is_hidden;

    LH_TRY(catalog_dataset_refresh(c, call, dataset, err));
    LH_TRY(catalog_head(c, call, dataset, &version, &is_hidden, err));
    if (version == 0 || is_hidden) {
        commit.wish = (struct lh_catalog_commit){.dataset = lh_arena_cstr(&call->arena, dataset),
                                                 .expected_head = version,
                                                 .mode = "delete",
                                                 .may_evolve = true};
        return fence_commit(c, call, &commit, err);
    }
    LH_TRY(catalog_version_load(c, call, dataset, version, &head, err));
    commit = rollback_make(call, head, NULL, version);
    commit.wish.mode = "resync";
    return fence_commit(c, call, &commit, err);
}

/* ---- describe ---- */

static lh_status
describe_event(struct catalog *c, struct lh_call *call, lh_str dataset,
               const struct catalog_meta_change *change, struct lh_error *err)
{
    LH_AUTO_BUF(old, (size_t)4 << 20);
    LH_AUTO_BUF(now, (size_t)4 << 20);
    struct lh_json_writer w = lh_json_writer_over(&old);

    lh_json_put_value(&w, change->old);
    w = lh_json_writer_over(&now);
    lh_json_put_value(&w, change->now);
    return lh_journal_event(
        c->env->mesh, call,
        &(struct lh_journal_event){.entity_type = "dataset",
                                   .entity_id = lh_arena_cstr(&call->arena, dataset),
                                   .action = "dataset.described",
                                   .old_json = lh_buf_str(&old),
                                   .new_json = lh_buf_str(&now)},
        err);
}

lh_status
catalog_describe(struct catalog *c, struct lh_call *call, lh_str dataset, const json_t *patch,
                 lh_str if_match, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *head = NULL;
    struct catalog_meta_change change = {0};
    lh_status status;

    LH_TRY(catalog_load(c, call, dataset, 0, &head, err));
    LH_TRY(catalog_meta_patch(c->metas, call, dataset, patch, if_match, &change, err));
    status = describe_event(c, call, dataset, &change, err);
    json_decref(change.old);
    json_decref(change.now);
    return status;
}
