#include "services/queryd/tables.h"

#include "services/queryd/near.h"

/* ---- names ---- */

lh_status
query_names(struct queryd *q, struct lh_call *call, const char *const **names, size_t *count,
            struct lh_error *err)
{
    LH_AUTO_JSON list = NULL;
    const char **own;
    const json_t *item;
    size_t i;

    LH_TRY(lh_catalog_names(q->catalog, call, &list, err));
    own = lh_arena_array(&call->arena, json_array_size(list) + 1, sizeof(*own));
    json_array_foreach (list, i, item)
        own[i] = lh_arena_cstr(&call->arena,
                               lh_str_of(json_string_value(json_object_get(item, "name"))));
    *names = own;
    *count = json_array_size(list);
    return LH_OK;
}

static void
near_note(lh_str wanted, const lh_str *names, size_t count, struct lh_error *err)
{
    lh_str near[QUERY_NEAR_MAX];
    size_t found = query_near_find(wanted, names, count, near);
    LH_AUTO_BUF(extra, 4096);
    struct lh_json_writer w = lh_json_writer_over(&extra);

    lh_json_object_begin(&w);
    lh_json_set_str(&w, "name", wanted);
    lh_json_key(&w, "near");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < found; i++)
        lh_json_put_str(&w, near[i]);
    lh_json_array_end(&w);
    lh_json_object_end(&w);
    if (found > 0)
        lh_fail(err, LH_NOT_FOUND, "sql.unknown_dataset",
                "there is no dataset \"%.*s\"; near names: %.*s", LH_FMT(lh_str_fit(wanted, 128)),
                LH_FMT(near[0]));
    else
        lh_fail(err, LH_NOT_FOUND, "sql.unknown_dataset", "there is no dataset \"%.*s\"",
                LH_FMT(lh_str_fit(wanted, 128)));
    lh_error_extra_set(err, lh_buf_cstr(&extra));
}

/* The one name that differs in case only, or NOT_FOUND with what is near. */
static lh_status
name_guess(struct queryd *q, struct lh_call *call, lh_str wanted, lh_str *out, struct lh_error *err)
{
    const char *const *names;
    size_t count, alike = 0;
    lh_str *views;

    LH_TRY(query_names(q, call, &names, &count, err));
    views = lh_arena_array(&call->arena, count + 1, sizeof(*views));
    for (size_t i = 0; i < count; i++) {
        views[i] = lh_str_of(names[i]);
        if (lh_str_eq_nocase(views[i], wanted)) {
            alike++;
            *out = views[i];
        }
    }
    if (alike == 1 && !lh_str_eq(*out, wanted))
        return LH_OK;
    near_note(wanted, views, count, err);
    return LH_NOT_FOUND;
}

static lh_status
snapshot_load(struct queryd *q, struct lh_call *call, lh_str dataset, uint64_t version,
              struct lh_snapshot **out, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = lh_catalog_snapshot(q->catalog, call, dataset, version, out, &why);
    lh_str meant;

    if (status == LH_OK)
        return LH_OK;
    if (lh_error_is(&why, "catalog.unknown_dataset") || lh_error_is(&why, "catalog.name")) {
        LH_TRY(name_guess(q, call, dataset, &meant, err));
        return lh_catalog_snapshot(q->catalog, call, meant, version, out, err);
    }
    if (lh_error_is(&why, "catalog.unknown_version"))
        return lh_fail(err, LH_NOT_FOUND, "sql.unknown_version", "%s", why.text);
    lh_error_copy(err, &why);
    return status;
}

/* ---- sources ---- */

void
query_source_init(struct lh_statement_source *source, struct lh_arena *arena,
                  const struct lh_snapshot *snapshot)
{
    struct lh_rows rows = lh_snapshot_rows(snapshot, arena);

    *source = (struct lh_statement_source){
        .as_written = lh_str_of(snapshot->dataset),
        .dataset = lh_str_of(snapshot->dataset),
        .version = snapshot->version,
        .uris = rows.uris,
        .uri_count = rows.uri_count,
        .column_names = rows.column_names,
        .column_types = rows.column_types,
        .column_count = rows.column_count,
        .erasure = rows.erasure,
        .erased = snapshot->erased,
    };
}

lh_status
query_tables_init(struct query_tables *t, struct queryd *q, struct lh_call *call,
                  const struct lh_statement *statement, struct lh_error *err)
{
    size_t count = lh_statement_table_count(statement);

    t->snapshots = lh_arena_array(&call->arena, count + 1, sizeof(struct lh_snapshot *));
    t->sources = lh_arena_array(&call->arena, count + 1, sizeof(*t->sources));
    for (t->count = 0; t->count < count; t->count++) {
        struct lh_statement_table table = lh_statement_table_at(statement, t->count);
        struct lh_snapshot **snapshot = &t->snapshots[t->count];

        LH_TRY(snapshot_load(q, call, table.dataset, table.version, snapshot, err));
        query_source_init(&t->sources[t->count], &call->arena, *snapshot);
        t->sources[t->count].as_written = table.as_written;
    }
    return LH_OK;
}

void
query_tables_fini(struct query_tables *t)
{
    for (size_t i = 0; i < t->count; i++)
        lh_snapshot_unref(t->snapshots[i]);
    t->count = 0;
}

static bool
is_repeated(const struct query_tables *t, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (t->snapshots[i]->version == t->snapshots[at]->version &&
            strcmp(t->snapshots[i]->dataset, t->snapshots[at]->dataset) == 0)
            return true;
    return false;
}

void
query_tables_print(const struct query_tables *t, struct lh_json_writer *w)
{
    lh_json_array_begin(w);
    for (size_t i = 0; i < t->count; i++) {
        if (is_repeated(t, i))
            continue;
        lh_json_object_begin(w);
        lh_json_set_cstr(w, "name", t->snapshots[i]->dataset);
        lh_json_set_u64(w, "version", t->snapshots[i]->version);
        lh_json_object_end(w);
    }
    lh_json_array_end(w);
}
