#include "services/catalogd/listing.h"

#include <stdio.h>

#include "services/catalogd/meta.h"

/* ---- datasets ---- */

/* Good ones are printed as they come; broken ones are gathered for the end of the answer. */
struct listing {
    struct catalog *c;
    struct lh_call *call;
    const struct catalog_page *page;
    struct lh_json_writer *w;
    const char **broken;
    size_t broken_count, count;
    const char *last;
};

static bool
tags_have(const json_t *tags, lh_str tag)
{
    const json_t *item;
    size_t i;

    json_array_foreach (tags, i, item) {
        if (lh_str_eq(lh_str_of(json_string_value(item)), tag))
            return true;
    }
    return false;
}

static void
dataset_print(struct lh_json_writer *w, const struct catalog_entry *e, const json_t *tags)
{
    const struct catalog_digest *g = &e->head.digest;

    lh_json_object_begin(w);
    lh_json_set_cstr(w, "name", e->name);
    lh_json_set_u64(w, "version", e->head.number);
    lh_json_set_u64(w, "rows", g->rows);
    lh_json_set_u64(w, "size_bytes", g->size_bytes);
    lh_json_set_u64(w, "columns", g->column_count);
    lh_json_set_time(w, "updated_at", g->created_us);
    lh_json_key(w, "tags");
    if (tags != NULL)
        lh_json_put_value(w, tags);
    else
        lh_json_put_raw(w, LH_STR("[]"));
    lh_json_object_end(w);
}

static void
entry_print(struct listing *l, const struct catalog_entry *e)
{
    LH_AUTO_JSON meta = catalog_meta_seen(l->c->metas, lh_str_of(e->name));
    const json_t *tags = json_object_get(meta, "tags");

    if (l->page->tag.len > 0 && !tags_have(tags, l->page->tag))
        return;
    dataset_print(l->w, e, tags);
    l->count++;
}

static lh_status
entries_print(struct listing *l, struct catalog_entry *entries, size_t count, struct lh_error *err)
{
    for (size_t i = 0; i < count && l->count < l->page->limit; i++) {
        struct catalog_entry *e = &entries[i];

        LH_TRY(lh_call_check(l->call, err));
        LH_TRY(catalog_entry_read(l->c, l->call, e, err));
        l->last = i + 1 < count ? e->name : NULL;
        if (e->head.state == CATALOG_BROKEN)
            l->broken[l->broken_count++] = e->name;
        else if (catalog_entry_is_shown(e))
            entry_print(l, e);
    }
    return LH_OK;
}

static void
broken_print(struct listing *l)
{
    lh_json_key(l->w, "broken");
    lh_json_array_begin(l->w);
    for (size_t i = 0; i < l->broken_count; i++) {
        char key[CATALOG_KEY_TEXT];
        lh_str name = lh_str_of(l->broken[i]);
        uint64_t version = catalog_index_head(l->c->index, name).version;

        if (version == 0)
            continue;
        lh_json_object_begin(l->w);
        lh_json_set_str(l->w, "name", name);
        lh_json_set_u64(l->w, "version", version);
        lh_json_set_str(l->w, "object", catalog_manifest_key(name, version, key));
        lh_json_object_end(l->w);
    }
    lh_json_array_end(l->w);
}

lh_status
catalog_datasets_print(struct catalog *c, struct lh_call *call, const struct catalog_page *page,
                       struct lh_buf *out, struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(out);
    struct listing l = {.c = c, .call = call, .page = page, .w = &w};
    struct catalog_entry *entries;
    size_t count;

    LH_TRY(catalog_ready_check(c, err));
    LH_TRY(catalog_metas_ready(c->metas, call, err));
    count = catalog_index_entries(c->index, page->cursor, &call->arena, &entries);
    l.broken = lh_arena_array(&call->arena, count + 1, sizeof(*l.broken));
    lh_json_object_begin(&w);
    lh_json_key(&w, "datasets");
    lh_json_array_begin(&w);
    LH_TRY(entries_print(&l, entries, count, err));
    lh_json_array_end(&w);
    broken_print(&l);
    if (l.last != NULL)
        lh_json_set_cstr(&w, "next_cursor", l.last);
    lh_json_object_end(&w);
    return lh_buf_check(out, "the list of datasets", err);
}

/* ---- versions ---- */

static void
version_print(struct lh_json_writer *w, const struct catalog_version *v)
{
    const struct catalog_digest *g = &v->digest;

    lh_json_object_begin(w);
    lh_json_set_u64(w, "version", v->number);
    lh_json_key(w, "parent");
    if (g->parent > 0)
        lh_json_put_u64(w, g->parent);
    else
        lh_json_put_null(w);
    lh_json_set_time(w, "created_at", g->created_us);
    lh_json_set_u64(w, "rows", g->rows);
    lh_json_set_u64(w, "rows_rejected", g->rows_rejected);
    lh_json_set_u64(w, "size_bytes", g->size_bytes);
    lh_json_set_u64(w, "objects", g->file_count);
    lh_json_set_cstr(w, "mode", g->mode);
    lh_json_set_cstr(w, "source", g->source);
    lh_json_set_cstr(w, "content_sha256", g->content_sha256);
    lh_json_set_cstr(w, "fingerprint", g->fingerprint);
    lh_json_set_cstr(w, "actor", g->actor);
    lh_json_object_end(w);
}

static void
version_broken_print(struct lh_json_writer *w, lh_str dataset, const struct catalog_version *v)
{
    char key[CATALOG_KEY_TEXT];

    lh_json_object_begin(w);
    lh_json_set_u64(w, "version", v->number);
    lh_json_set_bool(w, "broken", true);
    lh_json_set_str(w, "object", catalog_manifest_key(dataset, v->number, key));
    lh_json_object_end(w);
}

/* One whose manifest has gone meanwhile is left out; one that cannot be read says so in its place.
 */
static lh_status
version_read_print(struct catalog *c, struct lh_call *call, lh_str dataset,
                   const struct catalog_version *v, struct lh_json_writer *w, size_t *count,
                   struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = NULL;
    LH_AUTO_ERROR(why);
    struct catalog_version read = *v;
    lh_status status = LH_OK;

    if (v->state == CATALOG_UNREAD) {
        status = catalog_version_load(c, call, dataset, v->number, &s, &why);
        if (status == LH_OK)
            read = (struct catalog_version){
                .number = v->number, .state = CATALOG_READ, .digest = catalog_digest_of(s)};
    }
    if (status == LH_NOT_FOUND)
        return LH_OK;
    if (status != LH_OK && status != LH_CORRUPT) {
        lh_error_copy(err, &why);
        return status;
    }
    if (read.state == CATALOG_READ)
        version_print(w, &read);
    else
        version_broken_print(w, dataset, v);
    ++*count;
    return LH_OK;
}

static lh_status
cursor_read(lh_str cursor, uint64_t *before, struct lh_error *err)
{
    *before = UINT64_MAX;
    if (cursor.len > 0 && !lh_str_u64(cursor, before))
        return lh_fail(err, LH_INVALID, "request.query", "cursor '%.*s' is not one of this list",
                       LH_FMT(lh_str_fit(cursor, 64)));
    return LH_OK;
}

lh_status
catalog_versions_print(struct catalog *c, struct lh_call *call, lh_str dataset,
                       const struct catalog_page *page, struct lh_buf *out, struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(out);
    struct catalog_version *versions;
    size_t total, count = 0, i;
    uint64_t before;

    LH_TRY(catalog_ready_check(c, err));
    LH_TRY(cursor_read(page->cursor, &before, err));
    total = catalog_index_versions(c->index, dataset, &call->arena, &versions);
    if (total == 0)
        return catalog_index_unknown(c->index, dataset, err);
    lh_json_object_begin(&w);
    lh_json_key(&w, "versions");
    lh_json_array_begin(&w);
    for (i = 0; i < total && count < page->limit; i++) {
        LH_TRY(lh_call_check(call, err));
        if (versions[i].number < before)
            LH_TRY(version_read_print(c, call, dataset, &versions[i], &w, &count, err));
    }
    lh_json_array_end(&w);
    if (i < total) {
        char cursor[24];

        snprintf(cursor, sizeof(cursor), "%llu", (unsigned long long)versions[i - 1].number);
        lh_json_set_cstr(&w, "next_cursor", cursor);
    }
    lh_json_object_end(&w);
    return lh_buf_check(out, "the list of versions", err);
}
