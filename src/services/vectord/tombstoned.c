#include "services/vectord/tombstoned.h"

#include "base/thread.h"
#include "base/time.h"
#include "services/catalogd/client.h"
#include "services/vectord/registry.h"
#include "services/vectord/source.h"

enum { REMOVAL_ROWS = 4000, FOLLOW_MS = 10 * 60 * 1000, TRIES_MAX = 20 };

struct following {
    struct vector_generation *g;
    struct lh_call *call; /* its own: who asked may go away, others wait for the same */
    struct vector_source source;
    uint64_t version; /* of the source */
    uint64_t head, erased;
    struct vector_reader reader;
    uint32_t slot_count;
    uint64_t *kept; /* slots of items that rows still make */
    lh_str mark;
};

/* ---- what rows still make ---- */

static void
row_keep(struct following *f, const struct vector_row *row)
{
    uint32_t slot;
    const struct vector_record *r = vector_generation_find(f->g, row->id, &slot);

    if (r && slot < f->slot_count && r->text.ptr && lh_str_eq(r->text, row->text) &&
        r->metadata.ptr && lh_str_eq(r->metadata, row->metadata))
        f->kept[slot / 64] |= UINT64_C(1) << (slot % 64);
}

static lh_status
page_keep(struct following *f, uint64_t *offset, bool *is_end, struct lh_error *err)
{
    struct vector_page page;
    LH_AUTO_ARENA(arena);

    LH_TRY(lh_call_check(f->call, err));
    LH_TRY(vector_source_page(f->g->v, f->call, &f->source, *offset, &arena, &page, err));
    pthread_rwlock_rdlock(&f->g->shared.lock);
    for (size_t i = 0; i < page.count; i++)
        row_keep(f, &page.rows[i]);
    pthread_rwlock_unlock(&f->g->shared.lock);
    *offset += page.source_rows;
    *is_end = page.is_last;
    return LH_OK;
}

/* All pages must be read under the same tombstones: others move rows from page to page. */
static lh_status
version_keep(struct following *f, uint64_t version, struct lh_error *err)
{
    uint64_t offset = 0, erased;
    bool is_end = false;

    f->source.version = version;
    f->source.has_tombstones = true;
    while (!is_end) {
        LH_TRY(page_keep(f, &offset, &is_end, err));
        LH_TRY(vector_source_erased(f->g->v, f->call, &f->source, &erased, err));
        if (erased != f->erased)
            return lh_fail(err, LH_BUSY, "vectors.source_changing",
                           "rows of '%.*s' are being deleted one after the other",
                           LH_FMT(f->source.dataset));
    }
    return LH_OK;
}

/* ---- what goes ---- */

static bool
is_to_go(const struct following *f, uint32_t slot)
{
    const struct vector_record *r = f->g->shared.records[slot];
    bool is_kept = f->kept[slot / 64] >> (slot % 64) & 1;

    return !is_kept && vector_record_is_seen(r, f->reader.epoch) && r->died == 0 &&
           vector_source_is_of(f->mark, r->metadata);
}

/* Ids stay where they are while the reader is registered. */
static struct vector_row *
removals_gather(struct following *f, size_t *count)
{
    struct vector_row *rows;
    size_t most = 0;

    *count = 0;
    pthread_rwlock_rdlock(&f->g->shared.lock);
    for (uint32_t slot = 0; slot < f->slot_count; slot++)
        most += is_to_go(f, slot);
    rows = lh_arena_array(&f->call->arena, most + 1, sizeof(*rows));
    for (uint32_t slot = 0; slot < f->slot_count; slot++) {
        const struct vector_record *r = f->g->shared.records[slot];

        if (is_to_go(f, slot))
            rows[(*count)++] =
                (struct vector_row){.id = r->id, .is_removal = true, .only_sequence = r->sequence};
    }
    pthread_rwlock_unlock(&f->g->shared.lock);
    return rows;
}

static lh_status
removed_event(struct following *f, size_t count, struct lh_error *err)
{
    LH_AUTO_BUF(told, 1024);
    struct lh_json_writer w = lh_json_writer_over(&told);

    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "deleted", count);
    lh_json_set_u64(&w, "generation", f->g->spec.number);
    lh_json_set_str(&w, "dataset", f->source.dataset);
    lh_json_set_u64(&w, "tombstone", f->erased);
    lh_json_object_end(&w);
    return vectord_event(f->g->v, f->call, f->g->log.index, "items.deleted", LH_STR_NONE,
                         lh_buf_str(&told), err);
}

static lh_status
removals_commit(struct following *f, struct vector_row *rows, size_t count, struct lh_error *err)
{
    for (size_t from = 0; from < count; from += REMOVAL_ROWS) {
        size_t n = count - from < REMOVAL_ROWS ? count - from : REMOVAL_ROWS;
        struct vector_change change = {.rows = rows + from, .count = n};

        LH_TRY(vector_commit(f->g, f->call, &change, err));
    }
    return removed_event(f, count, err);
}

/* ---- one generation ---- */

/* A version that has been collected makes nothing any more; nor does a head without the columns. */
static lh_status
both_keep(struct following *f, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    size_t count;
    lh_status status = version_keep(f, f->version, &why);

    if (status != LH_OK && !lh_error_is(&why, "catalog.version_collected")) {
        lh_error_copy(err, &why);
        return status;
    }
    removals_gather(f, &count);
    if (count == 0)
        return LH_OK;
    lh_error_clear(&why);
    status = version_keep(f, f->head, &why);
    if (status == LH_OK || status == LH_INVALID)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

static lh_status
follow_read(struct following *f, struct lh_error *err)
{
    struct vector_row *rows;
    size_t count;

    pthread_rwlock_rdlock(&f->g->shared.lock);
    f->slot_count = f->g->shared.slot_count;
    pthread_rwlock_unlock(&f->g->shared.lock);
    f->kept = lh_arena_array(&f->call->arena, (size_t)f->slot_count / 64 + 1, sizeof(*f->kept));
    f->mark = vector_source_mark(f->source.dataset, &f->call->arena);
    LH_TRY(both_keep(f, err));
    rows = removals_gather(f, &count);
    return count > 0 ? removals_commit(f, rows, count, err) : LH_OK;
}

static lh_status
follow_run(struct following *f, struct lh_error *err)
{
    struct lh_call own;
    lh_status status;

    LH_TRY(vector_reader_enter(f->g, &f->reader, err));
    lh_call_init(&own);
    own.deadline_ms = lh_time_mono_ms() + FOLLOW_MS;
    f->call = &own;
    status = follow_read(f, err);
    lh_call_fini(&own);
    vector_reader_leave(&f->reader);
    return status;
}

/* ---- whether there is anything to follow ---- */

static bool
has_followed(const struct vector_generation *g, uint64_t version, uint64_t erased)
{
    return erased <= version || (atomic_load(&g->tombstones.version) == version &&
                                 atomic_load(&g->tombstones.erased) >= erased);
}

static lh_status
head_look(struct following *f, struct lh_call *call, bool *is_there, struct lh_error *err)
{
    LH_AUTO(lh_snapshot) *head = NULL;
    LH_AUTO_ERROR(why);
    lh_status status =
        lh_catalog_snapshot(f->g->v->catalog, call, f->source.dataset, 0, &head, &why);

    *is_there = status == LH_OK;
    if (status == LH_NOT_FOUND)
        return LH_OK;
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    f->head = head->version;
    f->erased = head->erased;
    return LH_OK;
}

/* With the lock: another deletion may have been followed meanwhile, or come in between. */
static lh_status
follow_try(struct following *f, struct lh_call *call, struct lh_error *err)
{
    struct vector_generation *g = f->g;
    bool is_there;

    LH_TRY(head_look(f, call, &is_there, err));
    if (!is_there || has_followed(g, f->version, f->erased))
        return LH_OK;
    LH_TRY(follow_run(f, err));
    atomic_store(&g->tombstones.version, f->version);
    atomic_store(&g->tombstones.erased, f->erased);
    return LH_OK;
}

static lh_status
follow_locked(struct following *f, struct lh_call *call, struct lh_error *err)
{
    LH_AUTO_LOCK(&f->g->tombstones.lock);

    for (int i = 1;; i++) {
        LH_AUTO_ERROR(why);
        lh_status status = follow_try(f, call, &why);

        if (lh_error_is(&why, "vectors.source_changing") && i < TRIES_MAX)
            continue;
        if (lh_error_is(&why, "vectors.reload"))
            vector_registry_close(f->g->v, f->g);
        lh_error_copy(err, &why);
        return status;
    }
}

lh_status
vector_tombstones_follow(struct vector_generation *g, struct lh_call *call, const char *source,
                         struct lh_error *err)
{
    struct following f = {.g = g};
    LH_AUTO_JSON object = NULL;
    LH_AUTO_ARENA(arena);
    bool is_there;

    if (source == NULL)
        return LH_OK;
    LH_TRY(lh_json_parse(lh_str_of(source), &object, err));
    LH_TRY(vector_source_read(object, &arena, &f.source, err));
    f.version = f.source.version;
    LH_TRY(head_look(&f, call, &is_there, err));
    if (!is_there || has_followed(g, f.version, f.erased))
        return LH_OK;
    return follow_locked(&f, call, err);
}
