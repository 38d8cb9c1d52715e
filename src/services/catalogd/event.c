#include "services/catalogd/event.h"

#include "base/time.h"
#include "services/catalogd/name.h"
#include "services/journald/client.h"

enum { IDS_MAX = 1000 };

/* ---- writing ---- */

static void
version_print(const struct catalog_snapshot *s, struct lh_buf *out)
{
    const struct lh_snapshot *v = &s->shown;
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "version", v->version);
    lh_json_set_cstr(&w, "mode", v->mode);
    lh_json_set_cstr(&w, "source", v->source);
    lh_json_set_u64(&w, "rows", v->rows);
    lh_json_set_u64(&w, "size_bytes", v->size_bytes);
    lh_json_set_u64(&w, "objects", v->file_count);
    lh_json_set_cstr(&w, "fingerprint", v->fingerprint);
    lh_json_set_cstr(&w, "content_sha256", v->content_sha256);
    if (s->reason[0] != '\0') {
        lh_json_set_cstr(&w, "requested_by", s->requested_by);
        lh_json_set_cstr(&w, "reason", s->reason);
        lh_json_set_u64(&w, "hidden_rows", v->hidden_rows);
        lh_json_set_cstr(&w, "tombstones", s->tombstones);
    }
    lh_json_object_end(&w);
}

static const char *
version_action(const struct catalog_snapshot *s)
{
    if (s->reason[0] != '\0')
        return "dataset.tombstoned";
    return s->shown.is_deleted ? "dataset.deleted" : "version.committed";
}

static lh_status
event_add(struct catalog *c, struct lh_call *call, const struct catalog_snapshot *s,
          struct lh_error *err)
{
    const struct lh_snapshot *v = &s->shown;
    LH_AUTO_BUF(old, 64);
    LH_AUTO_BUF(now, 65536);
    char id[LH_UUID_TEXT];

    lh_uuid_format(catalog_version_id(lh_str_of(v->dataset), v->version), id);
    if (v->parent > 0)
        lh_buf_printf(&old, "{\"version\":%llu}", (unsigned long long)v->parent);
    version_print(s, &now);
    return lh_journal_event(
        c->env->mesh, call,
        &(struct lh_journal_event){.event_id = id,
                                   .entity_type = "dataset",
                                   .entity_id = v->dataset,
                                   .action = version_action(s),
                                   .old_json = v->parent > 0 ? lh_buf_str(&old) : LH_STR_NONE,
                                   .new_json = lh_buf_str(&now)},
        err);
}

/* Who committed it and under which trace stands in the manifest; that it was found later is the
 * source. */
static lh_status
event_recover(struct catalog *c, struct lh_call *call, const struct catalog_snapshot *s,
              struct lh_error *err)
{
    struct lh_call own;
    lh_status status;

    lh_call_init(&own);
    own.deadline_ms = call->deadline_ms;
    own.source = "recovered";
    own.principal.name = s->actor[0] != '\0' ? s->actor : "system";
    lh_str_copy(own.trace.trace_id, sizeof(own.trace.trace_id), lh_str_of(s->trace_id));
    status = event_add(c, &own, s, err);
    lh_call_fini(&own);
    return status;
}

/* ---- asking ---- */

static void
ids_print(const lh_uuid *ids, size_t count, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);
    char text[LH_UUID_TEXT];

    lh_json_object_begin(&w);
    lh_json_key(&w, "event_ids");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < count; i++)
        lh_json_put_cstr(&w, lh_uuid_format(ids[i], text));
    lh_json_array_end(&w);
    lh_json_object_end(&w);
}

/* The ids that the journal does not have, as an array of texts. */
static lh_status
missing_ask(struct catalog *c, struct lh_call *call, const lh_uuid *ids, size_t count, json_t **out,
            struct lh_error *err)
{
    LH_AUTO_BUF(body, (size_t)1 << 20);
    LH_AUTO_JSON answer = NULL;
    json_t *missing = NULL;

    ids_print(ids, count, &body);
    LH_TRY(lh_mesh_call_json(c->env->mesh, call,
                             &(struct lh_mesh_request){.service = "journald",
                                                       .method = LH_POST,
                                                       .path = "/internal/journal/missing",
                                                       .body = lh_buf_bytes(&body),
                                                       .is_idempotent = true},
                             &answer, err));
    LH_TRY(lh_json_array_opt(answer, "missing", &missing, err));
    *out = json_incref(missing ? missing : json_array());
    return LH_OK;
}

static bool
missing_has(const json_t *missing, lh_uuid id)
{
    char text[LH_UUID_TEXT];
    const json_t *item;
    size_t i;

    lh_uuid_format(id, text);
    json_array_foreach (missing, i, item) {
        if (strcmp(json_string_value(item), text) == 0)
            return true;
    }
    return false;
}

static lh_status
version_is_missing(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
                   bool *is_missing, struct lh_error *err)
{
    lh_uuid id = catalog_version_id(dataset, version);
    LH_AUTO_JSON missing = NULL;

    LH_TRY(missing_ask(c, call, &id, 1, &missing, err));
    *is_missing = missing_has(missing, id);
    return LH_OK;
}

/* ---- completing ---- */

/* A commit that is still on its way to its own event must not be taken for one that died. */
static bool
version_is_young(const struct catalog_snapshot *s, int64_t grace_us)
{
    return grace_us > 0 && s->shown.created_us > lh_time_now_us() - grace_us;
}

/* A manifest that cannot be read must not hold up what follows it, and may be readable again
 * tomorrow: its event says what is known without it. */
static lh_status
event_unreadable(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
                 const struct lh_error *why, struct lh_error *err)
{
    LH_AUTO_BUF(now, 65536);
    struct lh_json_writer w = lh_json_writer_over(&now);
    char id[LH_UUID_TEXT];
    struct lh_call own;
    lh_status status;

    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "version", version);
    lh_json_set_cstr(&w, "unreadable", why->text);
    lh_json_object_end(&w);
    lh_uuid_format(catalog_version_id(dataset, version), id);
    lh_call_init(&own);
    own.deadline_ms = call->deadline_ms;
    own.source = "recovered";
    status = lh_journal_event(
        c->env->mesh, &own,
        &(struct lh_journal_event){.event_id = id,
                                   .entity_type = "dataset",
                                   .entity_id = lh_arena_cstr(&call->arena, dataset),
                                   .action = "version.committed",
                                   .new_json = lh_buf_str(&now)},
        err);
    lh_call_fini(&own);
    return status;
}

/* One that has been collected has nothing to tell any more. */
static lh_status
version_recover(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
                int64_t grace_us, bool *is_done, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = NULL;
    LH_AUTO_ERROR(why);
    lh_status status = catalog_version_load(c, call, dataset, version, &s, &why);

    *is_done = true;
    if (status == LH_NOT_FOUND)
        return LH_OK;
    if (status == LH_CORRUPT)
        return event_unreadable(c, call, dataset, version, &why, err);
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    *is_done = !version_is_young(s, grace_us);
    return *is_done ? event_recover(c, call, s, err) : LH_OK;
}

/* Events of every version up to `upto`: back to the last one that has its event, then forward. */
static lh_status
dataset_complete(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t evented,
                 uint64_t upto, int64_t grace_us, struct lh_error *err)
{
    uint64_t from = upto;
    bool is_missing, is_done;

    while (from > evented && catalog_index_has(c->index, dataset, from)) {
        LH_TRY(version_is_missing(c, call, dataset, from, &is_missing, err));
        if (!is_missing)
            break;
        from--;
    }
    for (uint64_t v = from + 1; v <= upto; v++) {
        LH_TRY(version_recover(c, call, dataset, v, grace_us, &is_done, err));
        if (!is_done)
            return LH_OK;
        catalog_index_evented(c->index, dataset, v);
    }
    catalog_index_evented(c->index, dataset, upto);
    return LH_OK;
}

lh_status
catalog_event_commit(struct catalog *c, struct lh_call *call, const struct catalog_snapshot *s,
                     struct lh_error *err)
{
    lh_str dataset = lh_str_of(s->shown.dataset);
    struct catalog_entry entry = {0};

    catalog_index_entry(c->index, dataset, &call->arena, &entry);
    if (s->shown.parent > entry.evented)
        LH_TRY(dataset_complete(c, call, dataset, entry.evented, s->shown.parent, 0, err));
    LH_TRY(event_add(c, call, s, err));
    catalog_index_evented(c->index, dataset, s->shown.version);
    return LH_OK;
}

static lh_status
entries_complete(struct catalog *c, struct lh_call *call, struct catalog_entry *const *entries,
                 size_t count, int64_t grace_us, struct lh_error *err)
{
    lh_uuid *ids = lh_arena_array(&call->arena, count + 1, sizeof(*ids));
    LH_AUTO_JSON missing = NULL;

    for (size_t i = 0; i < count; i++)
        ids[i] = catalog_version_id(lh_str_of(entries[i]->name), entries[i]->head.number);
    LH_TRY(missing_ask(c, call, ids, count, &missing, err));
    for (size_t i = 0; i < count; i++) {
        lh_str name = lh_str_of(entries[i]->name);

        if (!missing_has(missing, ids[i]))
            catalog_index_evented(c->index, name, entries[i]->head.number);
        else
            LH_TRY(dataset_complete(c, call, name, entries[i]->evented, entries[i]->head.number,
                                    grace_us, err));
    }
    return LH_OK;
}

lh_status
catalog_events_complete(struct catalog *c, struct lh_call *call, int64_t grace_us,
                        struct lh_error *err)
{
    struct catalog_entry *entries;
    size_t count = catalog_index_entries(c->index, LH_STR(""), &call->arena, &entries);
    struct catalog_entry **behind = lh_arena_array(&call->arena, IDS_MAX, sizeof(*behind));
    size_t behind_count = 0;

    for (size_t i = 0; i < count; i++) {
        if (entries[i].evented >= entries[i].head.number)
            continue;
        behind[behind_count++] = &entries[i];
        if (behind_count < IDS_MAX)
            continue;
        LH_TRY(entries_complete(c, call, behind, behind_count, grace_us, err));
        behind_count = 0;
    }
    return behind_count > 0 ? entries_complete(c, call, behind, behind_count, grace_us, err)
                            : LH_OK;
}
