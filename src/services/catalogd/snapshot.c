#include "services/catalogd/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "services/catalogd/name.h"

const struct lh_cache_kind catalog_snapshot_kind = {.ref = catalog_snapshot_ref,
                                                    .unref = catalog_snapshot_unref};

struct catalog_snapshot *
catalog_snapshot_new(void)
{
    struct catalog_snapshot *s = LH_NEW(struct catalog_snapshot);

    atomic_init(&s->refs, 1);
    s->shown.dataset = s->shown.mode = s->shown.source = s->shown.content_sha256 = "";
    s->shown.dataset_id = s->shown.fingerprint = "";
    s->ingest_key = s->actor = s->trace_id = s->commit_id = s->parent_commit = "";
    s->tombstones = s->reason = s->requested_by = "";
    return s;
}

struct catalog_snapshot *
catalog_snapshot_over(struct catalog_snapshot *base)
{
    struct catalog_snapshot *s = LH_NEW(struct catalog_snapshot);

    catalog_snapshot_ref(base);
    s->shown = base->shown;
    s->ingest_key = base->ingest_key;
    s->actor = base->actor;
    s->trace_id = base->trace_id;
    s->commit_id = base->commit_id;
    s->parent_commit = base->parent_commit;
    s->tombstones = base->tombstones;
    s->reason = base->reason;
    s->requested_by = base->requested_by;
    s->base = base;
    atomic_init(&s->refs, 1);
    return s;
}

bool
catalog_snapshot_follows(const struct catalog_snapshot *next, const struct catalog_snapshot *s)
{
    return next->parent_commit[0] == '\0' || strcmp(next->parent_commit, s->commit_id) == 0;
}

void
catalog_snapshot_ref(void *snapshot)
{
    struct catalog_snapshot *s = snapshot;

    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void
catalog_snapshot_unref(void *snapshot)
{
    struct catalog_snapshot *s = snapshot;

    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    catalog_snapshot_unref(s->base);
    lh_arena_fini(&s->arena);
    free(s);
}

void
lh_snapshot_unref(struct lh_snapshot *s)
{
    catalog_snapshot_unref(s);
}

lh_str
catalog_snapshot_key(lh_str dataset, uint64_t version, char key[CATALOG_SNAPSHOT_KEY])
{
    int len =
        snprintf(key, CATALOG_SNAPSHOT_KEY, "%.*s@%llu",
                 LH_FMT(lh_str_slice(dataset, 0, CATALOG_NAME_MAX)), (unsigned long long)version);

    return (lh_str){key, (size_t)len};
}

lh_str
catalog_snapshot_erased_key(lh_str dataset, uint64_t version, uint64_t erased,
                            char key[CATALOG_SNAPSHOT_KEY])
{
    lh_str plain = catalog_snapshot_key(dataset, version, key);

    if (erased > 0)
        plain.len += (size_t)snprintf(key + plain.len, CATALOG_SNAPSHOT_KEY - plain.len, "~%llu",
                                      (unsigned long long)erased);
    return plain;
}

struct lh_rows
lh_snapshot_rows(const struct lh_snapshot *s, struct lh_arena *arena)
{
    const char **uris = lh_arena_array(arena, s->file_count + 1, sizeof(*uris));
    const char **names = lh_arena_array(arena, s->column_count + 1, sizeof(*names));
    const char **types = lh_arena_array(arena, s->column_count + 1, sizeof(*types));

    for (size_t i = 0; i < s->file_count; i++)
        uris[i] = lh_arena_printf(arena, "lake://%s/%s", s->files[i].bucket, s->files[i].key);
    for (size_t i = 0; i < s->column_count; i++) {
        names[i] = s->columns[i].name;
        types[i] = s->columns[i].type;
    }
    return (struct lh_rows){.uris = uris,
                            .uri_count = s->file_count,
                            .column_names = names,
                            .column_types = types,
                            .column_count = s->column_count,
                            .erasure = s->erasure};
}

lh_status
catalog_snapshot_seal(struct catalog_snapshot *s, struct lh_error *err)
{
    struct lh_snapshot *v = &s->shown;
    char id[LH_UUID_TEXT], fingerprint[LH_SHA256_HEX];

    lh_uuid_format(catalog_name_id(lh_str_of(v->dataset)), id);
    lh_catalog_fingerprint(v->columns, v->column_count, fingerprint);
    v->dataset_id = lh_arena_cstr(&s->arena, lh_str_of(id));
    v->fingerprint = lh_arena_cstr(&s->arena, lh_str_of(fingerprint));
    v->is_deleted = strcmp(v->mode, "delete") == 0;
    v->rows = v->size_bytes = 0;
    for (size_t i = 0; i < v->file_count; i++)
        if (__builtin_add_overflow(v->rows, v->files[i].rows, &v->rows) ||
            __builtin_add_overflow(v->size_bytes, v->files[i].size_bytes, &v->size_bytes))
            return lh_fail(err, LH_INVALID, "catalog.snapshot",
                           "rows or bytes of '%s' add up past 64 bits", v->dataset);
    if (v->hidden_rows > v->rows)
        return lh_fail(err, LH_INVALID, "catalog.snapshot",
                       "%llu rows of '%s' are hidden, but there are only %llu",
                       (unsigned long long)v->hidden_rows, v->dataset, (unsigned long long)v->rows);
    v->rows -= v->hidden_rows;
    return LH_OK;
}

/* ---- writing ---- */

void
catalog_columns_print(struct lh_json_writer *w, const struct lh_catalog_column *columns,
                      size_t count)
{
    lh_json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        lh_json_object_begin(w);
        lh_json_set_cstr(w, "name", columns[i].name);
        lh_json_set_cstr(w, "type", columns[i].type);
        lh_json_set_u64(w, "null_count", columns[i].null_count);
        lh_json_set_cstr(w, "min", columns[i].min);
        lh_json_set_cstr(w, "max", columns[i].max);
        lh_json_object_end(w);
    }
    lh_json_array_end(w);
}

void
catalog_files_print(struct lh_json_writer *w, const struct lh_catalog_file *files, size_t count)
{
    lh_json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        lh_json_object_begin(w);
        lh_json_set_cstr(w, "bucket", files[i].bucket);
        lh_json_set_cstr(w, "key", files[i].key);
        lh_json_set_cstr(w, "sha256", files[i].sha256);
        lh_json_set_cstr(w, "ingest_key", files[i].ingest_key);
        lh_json_set_u64(w, "size_bytes", files[i].size_bytes);
        lh_json_set_u64(w, "rows", files[i].rows);
        lh_json_object_end(w);
    }
    lh_json_array_end(w);
}

void
catalog_texts_print(struct lh_json_writer *w, const char *const *texts, size_t count)
{
    lh_json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        lh_json_put_cstr(w, texts[i]);
    lh_json_array_end(w);
}

static void
origin_print(struct lh_json_writer *w, const struct catalog_snapshot *s)
{
    const struct lh_snapshot *v = &s->shown;

    lh_json_set_cstr(w, "dataset", v->dataset);
    lh_json_set_u64(w, "version", v->version);
    lh_json_set_u64(w, "parent", v->parent);
    lh_json_set_i64(w, "created_us", v->created_us);
    lh_json_set_cstr(w, "mode", v->mode);
    lh_json_set_cstr(w, "source", v->source);
    lh_json_set_cstr(w, "content_sha256", v->content_sha256);
    lh_json_set_cstr(w, "ingest_key", s->ingest_key);
    lh_json_set_cstr(w, "rejects", v->rejects);
    lh_json_set_u64(w, "rows_rejected", v->rows_rejected);
    lh_json_set_cstr(w, "actor", s->actor);
    lh_json_set_cstr(w, "trace_id", s->trace_id);
    lh_json_set_cstr(w, "commit_id", s->commit_id);
    lh_json_set_cstr(w, "tombstones", s->tombstones);
    lh_json_set_u64(w, "erased", v->erased);
    lh_json_set_u64(w, "hidden_rows", v->hidden_rows);
    lh_json_set_cstr(w, "reason", s->reason);
    lh_json_set_cstr(w, "requested_by", s->requested_by);
}

void
catalog_snapshot_print(const struct catalog_snapshot *s, struct lh_buf *out)
{
    const struct lh_snapshot *v = &s->shown;
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    origin_print(&w, s);
    lh_json_key(&w, "columns");
    catalog_columns_print(&w, v->columns, v->column_count);
    lh_json_key(&w, "files");
    catalog_files_print(&w, v->files, v->file_count);
    lh_json_key(&w, "ingest_keys");
    catalog_texts_print(&w, v->ingest_keys, v->ingest_key_count);
    if (v->erasure != NULL) {
        lh_json_key(&w, "erasure");
        catalog_erasure_print(&w, v->erasure, v->file_count);
    }
    lh_json_object_end(&w);
}

/* ---- reading ---- */

lh_status
catalog_text_read(const json_t *object, const char *field, struct lh_arena *arena,
                  const char *absent, const char **out, struct lh_error *err)
{
    lh_str s = LH_STR_NONE;

    LH_TRY(lh_json_str_opt(object, field, &s, err));
    *out = s.ptr != NULL ? lh_arena_cstr(arena, s) : absent;
    return LH_OK;
}

lh_status
catalog_u64_read(const json_t *object, const char *field, uint64_t *out, struct lh_error *err)
{
    const json_t *value = json_object_get(object, field);
    int64_t number = 0;

    if (value != NULL && (!lh_json_int_value(value, &number) || number < 0))
        return lh_fail(err, LH_INVALID, "request.field_type", "%s must be a count", field);
    *out = (uint64_t)number;
    return LH_OK;
}

static lh_status
required_read(const json_t *object, const char *field, struct lh_arena *arena, const char **out,
              struct lh_error *err)
{
    lh_str s;

    LH_TRY(lh_json_str(object, field, &s, err));
    *out = lh_arena_cstr(arena, s);
    return LH_OK;
}

static lh_status
column_read(const json_t *value, struct lh_arena *arena, struct lh_catalog_column *c,
            struct lh_error *err)
{
    static const char *const fields[] = {"name", "type", "null_count", "min", "max", NULL};

    LH_TRY(lh_json_only(value, fields, err));
    LH_TRY(required_read(value, "name", arena, &c->name, err));
    LH_TRY(required_read(value, "type", arena, &c->type, err));
    LH_TRY(catalog_u64_read(value, "null_count", &c->null_count, err));
    LH_TRY(catalog_text_read(value, "min", arena, NULL, &c->min, err));
    return catalog_text_read(value, "max", arena, NULL, &c->max, err);
}

lh_status
catalog_columns_read(const json_t *array, struct lh_arena *arena,
                     const struct lh_catalog_column **out, size_t *count, struct lh_error *err)
{
    size_t n = json_array_size(array);
    struct lh_catalog_column *columns = lh_arena_array(arena, n + 1, sizeof(*columns));

    for (size_t i = 0; i < n; i++)
        LH_TRY(column_read(json_array_get(array, i), arena, &columns[i], err));
    *out = columns;
    *count = n;
    return LH_OK;
}

static lh_status
file_read(const json_t *value, struct lh_arena *arena, struct lh_catalog_file *f,
          struct lh_error *err)
{
    static const char *const fields[] = {"bucket",     "key",  "sha256", "ingest_key",
                                         "size_bytes", "rows", NULL};

    LH_TRY(lh_json_only(value, fields, err));
    LH_TRY(required_read(value, "bucket", arena, &f->bucket, err));
    LH_TRY(required_read(value, "key", arena, &f->key, err));
    LH_TRY(required_read(value, "sha256", arena, &f->sha256, err));
    LH_TRY(catalog_text_read(value, "ingest_key", arena, "", &f->ingest_key, err));
    LH_TRY(catalog_u64_read(value, "size_bytes", &f->size_bytes, err));
    return catalog_u64_read(value, "rows", &f->rows, err);
}

lh_status
catalog_files_read(const json_t *array, struct lh_arena *arena, const struct lh_catalog_file **out,
                   size_t *count, struct lh_error *err)
{
    size_t n = json_array_size(array);
    struct lh_catalog_file *files = lh_arena_array(arena, n + 1, sizeof(*files));

    for (size_t i = 0; i < n; i++)
        LH_TRY(file_read(json_array_get(array, i), arena, &files[i], err));
    *out = files;
    *count = n;
    return LH_OK;
}

lh_status
catalog_texts_read(const json_t *array, struct lh_arena *arena, const char *const **out,
                   size_t *count, struct lh_error *err)
{
    size_t n = json_array_size(array);
    const char **texts = lh_arena_array(arena, n + 1, sizeof(*texts));

    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(array, i));

        if (text == NULL)
            return lh_fail(err, LH_INVALID, "request.field_type",
                           "element %zu of a list of texts is no text", i);
        texts[i] = lh_arena_cstr(arena, lh_str_of(text));
    }
    *out = texts;
    *count = n;
    return LH_OK;
}

static lh_status
origin_read(const json_t *value, struct catalog_snapshot *s, struct lh_error *err)
{
    struct lh_snapshot *v = &s->shown;
    struct lh_arena *a = &s->arena;

    LH_TRY(required_read(value, "dataset", a, &v->dataset, err));
    LH_TRY(catalog_u64_read(value, "version", &v->version, err));
    LH_TRY(catalog_u64_read(value, "parent", &v->parent, err));
    LH_TRY(lh_json_i64(value, "created_us", &v->created_us, err));
    LH_TRY(required_read(value, "mode", a, &v->mode, err));
    LH_TRY(catalog_text_read(value, "source", a, "", &v->source, err));
    LH_TRY(catalog_text_read(value, "content_sha256", a, "", &v->content_sha256, err));
    LH_TRY(catalog_text_read(value, "ingest_key", a, "", &s->ingest_key, err));
    LH_TRY(catalog_text_read(value, "rejects", a, NULL, &v->rejects, err));
    LH_TRY(catalog_u64_read(value, "rows_rejected", &v->rows_rejected, err));
    LH_TRY(catalog_text_read(value, "actor", a, "", &s->actor, err));
    LH_TRY(catalog_text_read(value, "trace_id", a, "", &s->trace_id, err));
    LH_TRY(catalog_text_read(value, "commit_id", a, "", &s->commit_id, err));
    LH_TRY(catalog_text_read(value, "tombstones", a, "", &s->tombstones, err));
    LH_TRY(catalog_u64_read(value, "erased", &v->erased, err));
    LH_TRY(catalog_u64_read(value, "hidden_rows", &v->hidden_rows, err));
    LH_TRY(catalog_text_read(value, "reason", a, "", &s->reason, err));
    return catalog_text_read(value, "requested_by", a, "", &s->requested_by, err);
}

lh_status
catalog_snapshot_read(const json_t *value, struct catalog_snapshot **out, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = catalog_snapshot_new();
    struct lh_snapshot *v = &s->shown;
    json_t *columns = NULL, *files = NULL, *keys = NULL, *erasure = NULL;

    LH_TRY(origin_read(value, s, err));
    LH_TRY(lh_json_object_opt(value, "erasure", &erasure, err));
    LH_TRY(lh_json_array_opt(value, "columns", &columns, err));
    LH_TRY(lh_json_array_opt(value, "files", &files, err));
    LH_TRY(lh_json_array_opt(value, "ingest_keys", &keys, err));
    LH_TRY(catalog_columns_read(columns, &s->arena, &v->columns, &v->column_count, err));
    LH_TRY(catalog_files_read(files, &s->arena, &v->files, &v->file_count, err));
    LH_TRY(catalog_texts_read(keys, &s->arena, &v->ingest_keys, &v->ingest_key_count, err));
    if (erasure != NULL)
        LH_TRY(catalog_erasure_read(erasure, &s->arena, v->file_count, &v->erasure, err));
    LH_TRY(catalog_snapshot_seal(s, err));
    *out = lh_take(s);
    return LH_OK;
}
