#include "services/catalogd/manifest.h"

#include <stdio.h>

#include "base/time.h"
#include "services/catalogd/name.h"

/* The second one is of versions that a reader of the first would show wrongly. */
#define FORMAT "lakehouse.manifest/1"
#define FORMAT_2 "lakehouse.manifest/2"
#define META_BYTES_MAX ((size_t)256 << 20)

enum { VERSION_DIGITS = 10 };

enum { FILE_BUCKET, FILE_KEY, FILE_SHA256, FILE_INGEST_KEY, FILE_SIZE, FILE_ROWS, FILE_COLUMNS };

static const struct lh_table_column file_columns[FILE_COLUMNS] = {
    [FILE_BUCKET] = {"bucket", LH_CELL_TEXT},  [FILE_KEY] = {"key", LH_CELL_TEXT},
    [FILE_SHA256] = {"sha256", LH_CELL_TEXT},  [FILE_INGEST_KEY] = {"ingest_key", LH_CELL_TEXT},
    [FILE_SIZE] = {"size_bytes", LH_CELL_I64}, [FILE_ROWS] = {"rows", LH_CELL_I64},
};

/* ---- keys ---- */

lh_str
catalog_manifest_key(lh_str dataset, uint64_t version, char key[CATALOG_KEY_TEXT])
{
    int len =
        snprintf(key, CATALOG_KEY_TEXT, CATALOG_DATASETS_PREFIX "%.*s/%010llu.parquet",
                 LH_FMT(lh_str_slice(dataset, 0, CATALOG_NAME_MAX)), (unsigned long long)version);

    return (lh_str){key, (size_t)len};
}

bool
catalog_manifest_key_parse(lh_str key, lh_str *dataset, uint64_t *version)
{
    lh_str rest = key, name, digits;

    if (!lh_str_starts(key, LH_STR(CATALOG_DATASETS_PREFIX)))
        return false;
    rest = lh_str_slice(key, strlen(CATALOG_DATASETS_PREFIX), key.len);
    if (!lh_str_cut(&rest, '/', &name) || lh_catalog_name_check(name, NULL) != LH_OK ||
        !lh_str_ends(rest, LH_STR(".parquet")))
        return false;
    digits = lh_str_slice(rest, 0, rest.len - strlen(".parquet"));
    if (digits.len != VERSION_DIGITS || !lh_str_u64(digits, version) || *version == 0)
        return false;
    *dataset = name;
    return true;
}

/* ---- encode ---- */

static void
meta_u64(struct lh_table *t, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    lh_table_meta_set(t, key, lh_str_of(text));
}

static bool
needs_second(const struct catalog_snapshot *s)
{
    return s->tombstones[0] != '\0' || strcmp(s->shown.mode, "tombstone") == 0 ||
           strcmp(s->shown.mode, "compact") == 0;
}

static void
tombstones_encode(const struct catalog_snapshot *s, struct lh_table *t)
{
    lh_table_meta_set(t, "tombstones", lh_str_of(s->tombstones));
    meta_u64(t, "erased", s->shown.erased);
    meta_u64(t, "hidden_rows", s->shown.hidden_rows);
    lh_table_meta_set(t, "reason", lh_str_of(s->reason));
    lh_table_meta_set(t, "requested_by", lh_str_of(s->requested_by));
}

static void
origin_encode(const struct catalog_snapshot *s, struct lh_table *t)
{
    const struct lh_snapshot *v = &s->shown;
    char created[LH_TIME_TEXT_MAX];

    lh_table_meta_set(t, "format", lh_str_of(needs_second(s) ? FORMAT_2 : FORMAT));
    lh_table_meta_set(t, "dataset", lh_str_of(v->dataset));
    lh_table_meta_set(t, "dataset_id", lh_str_of(v->dataset_id));
    meta_u64(t, "version", v->version);
    meta_u64(t, "parent", v->parent);
    lh_table_meta_set(t, "created_at", lh_str_of(lh_time_format(v->created_us, created)));
    lh_table_meta_set(t, "mode", lh_str_of(v->mode));
    lh_table_meta_set(t, "source", lh_str_of(v->source));
    lh_table_meta_set(t, "content_sha256", lh_str_of(v->content_sha256));
    lh_table_meta_set(t, "ingest_key", lh_str_of(s->ingest_key));
    lh_table_meta_set(t, "fingerprint", lh_str_of(v->fingerprint));
    lh_table_meta_set(t, "rejects", lh_str_of(v->rejects ? v->rejects : ""));
    meta_u64(t, "rows", v->rows);
    meta_u64(t, "rows_rejected", v->rows_rejected);
    meta_u64(t, "size_bytes", v->size_bytes);
    lh_table_meta_set(t, "actor", lh_str_of(s->actor));
    lh_table_meta_set(t, "trace_id", lh_str_of(s->trace_id));
    lh_table_meta_set(t, "commit_id", lh_str_of(s->commit_id));
    lh_table_meta_set(t, "parent_commit", lh_str_of(s->parent_commit));
    if (needs_second(s))
        tombstones_encode(s, t);
}

static lh_status
lists_encode(const struct lh_snapshot *v, struct lh_table *t, struct lh_error *err)
{
    LH_AUTO_BUF(columns, META_BYTES_MAX);
    LH_AUTO_BUF(keys, META_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&columns);

    catalog_columns_print(&w, v->columns, v->column_count);
    LH_TRY(lh_buf_check(&columns, "the list of columns", err));
    w = lh_json_writer_over(&keys);
    catalog_texts_print(&w, v->ingest_keys, v->ingest_key_count);
    LH_TRY(lh_buf_check(&keys, "the list of ingest keys", err));
    lh_table_meta_set(t, "columns", lh_buf_str(&columns));
    lh_table_meta_set(t, "ingest_keys", lh_buf_str(&keys));
    return LH_OK;
}

static void
file_encode(const struct lh_catalog_file *f, struct lh_table *t)
{
    size_t row = lh_table_row_add(t);

    lh_table_set_text(t, row, FILE_BUCKET, lh_str_of(f->bucket));
    lh_table_set_text(t, row, FILE_KEY, lh_str_of(f->key));
    lh_table_set_text(t, row, FILE_SHA256, lh_str_of(f->sha256));
    lh_table_set_text(t, row, FILE_INGEST_KEY, lh_str_of(f->ingest_key));
    lh_table_set_i64(t, row, FILE_SIZE, (int64_t)f->size_bytes);
    lh_table_set_i64(t, row, FILE_ROWS, (int64_t)f->rows);
}

lh_status
catalog_manifest_to_table(const struct catalog_snapshot *s, struct lh_table **out,
                          struct lh_error *err)
{
    LH_AUTO(lh_table) *t = lh_table_new(file_columns, FILE_COLUMNS);

    origin_encode(s, t);
    LH_TRY(lists_encode(&s->shown, t, err));
    for (size_t i = 0; i < s->shown.file_count; i++)
        file_encode(&s->shown.files[i], t);
    *out = lh_take(t);
    return LH_OK;
}

lh_status
catalog_manifest_encode(struct lh_engine *work, struct lh_call *call,
                        const struct catalog_snapshot *s, struct lh_buf *out, struct lh_error *err)
{
    LH_AUTO(lh_table) *t = NULL;

    LH_TRY(catalog_manifest_to_table(s, &t, err));
    return lh_table_encode(work, call, t, out, err);
}

/* ---- decode ---- */

/* A manifest being read: the table, and where its texts go. */
struct reading {
    const struct lh_table *t;
    struct catalog_snapshot *s;
    struct lh_error *err;
};

static lh_status
meta_text(struct reading *r, const char *key, const char **out)
{
    lh_str value = lh_table_meta(r->t, key);

    if (value.ptr == NULL || memchr(value.ptr, '\0', value.len) != NULL)
        return lh_fail(r->err, LH_INVALID, "catalog.manifest", "metadata '%s' is missing", key);
    *out = lh_arena_cstr(&r->s->arena, value);
    return LH_OK;
}

static lh_status
meta_number(struct reading *r, const char *key, uint64_t *out)
{
    if (!lh_str_u64(lh_table_meta(r->t, key), out))
        return lh_fail(r->err, LH_INVALID, "catalog.manifest", "metadata '%s' is no number", key);
    return LH_OK;
}

/* What the manifest says of itself must be what follows from the rest. */
static lh_status
meta_agrees(struct reading *r, const char *key, const char *computed)
{
    if (!lh_str_eq(lh_table_meta(r->t, key), lh_str_of(computed)))
        return lh_fail(r->err, LH_INVALID, "catalog.manifest",
                       "metadata '%s' is '%.*s', but its contents say '%s'", key,
                       LH_FMT(lh_str_fit(lh_table_meta(r->t, key), 128)), computed);
    return LH_OK;
}

static lh_status
number_agrees(struct reading *r, const char *key, uint64_t computed)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)computed);
    return meta_agrees(r, key, text);
}

static lh_status
created_decode(struct reading *r)
{
    if (!lh_time_parse(lh_table_meta(r->t, "created_at"), &r->s->shown.created_us))
        return lh_fail(r->err, LH_INVALID, "catalog.manifest",
                       "metadata 'created_at' is no ISO 8601 time");
    return LH_OK;
}

static lh_status
tombstones_decode(struct reading *r)
{
    struct catalog_snapshot *s = r->s;

    if (!lh_str_eq(lh_table_meta(r->t, "format"), LH_STR(FORMAT_2)))
        return LH_OK;
    LH_TRY(meta_text(r, "tombstones", &s->tombstones));
    LH_TRY(meta_number(r, "erased", &s->shown.erased));
    LH_TRY(meta_number(r, "hidden_rows", &s->shown.hidden_rows));
    LH_TRY(meta_text(r, "reason", &s->reason));
    return meta_text(r, "requested_by", &s->requested_by);
}

static lh_status
origin_decode(struct reading *r)
{
    struct catalog_snapshot *s = r->s;
    struct lh_snapshot *v = &s->shown;

    if (!lh_str_eq(lh_table_meta(r->t, "format"), LH_STR(FORMAT_2)))
        LH_TRY(meta_agrees(r, "format", FORMAT));
    LH_TRY(meta_text(r, "dataset", &v->dataset));
    LH_TRY(meta_number(r, "version", &v->version));
    LH_TRY(meta_number(r, "parent", &v->parent));
    LH_TRY(created_decode(r));
    LH_TRY(meta_text(r, "mode", &v->mode));
    LH_TRY(meta_text(r, "source", &v->source));
    LH_TRY(meta_text(r, "content_sha256", &v->content_sha256));
    LH_TRY(meta_text(r, "ingest_key", &s->ingest_key));
    LH_TRY(meta_text(r, "rejects", &v->rejects));
    LH_TRY(meta_number(r, "rows_rejected", &v->rows_rejected));
    LH_TRY(meta_text(r, "actor", &s->actor));
    LH_TRY(meta_text(r, "trace_id", &s->trace_id));
    LH_TRY(meta_text(r, "commit_id", &s->commit_id));
    /* Manifests of before have none. */
    if (lh_table_meta(r->t, "parent_commit").ptr != NULL)
        LH_TRY(meta_text(r, "parent_commit", &s->parent_commit));
    if (v->rejects[0] == '\0')
        v->rejects = NULL;
    return tombstones_decode(r);
}

static lh_status
meta_array(struct reading *r, const char *key, json_t **out)
{
    LH_TRY(lh_json_parse(lh_table_meta(r->t, key), out, r->err));
    if (!json_is_array(*out))
        return lh_fail(r->err, LH_INVALID, "catalog.manifest", "metadata '%s' is no array", key);
    return LH_OK;
}

static lh_status
lists_decode(struct reading *r)
{
    struct lh_snapshot *v = &r->s->shown;
    struct lh_arena *a = &r->s->arena;
    LH_AUTO_JSON columns = NULL;
    LH_AUTO_JSON keys = NULL;

    LH_TRY(meta_array(r, "columns", &columns));
    LH_TRY(meta_array(r, "ingest_keys", &keys));
    LH_TRY(catalog_columns_read(columns, a, &v->columns, &v->column_count, r->err));
    return catalog_texts_read(keys, a, &v->ingest_keys, &v->ingest_key_count, r->err);
}

static lh_status
cell_text(struct reading *r, size_t row, size_t column, const char **out)
{
    lh_str text;

    if (lh_table_is_null(r->t, row, column))
        return lh_fail(r->err, LH_INVALID, "catalog.manifest", "row %zu has no %s", row,
                       file_columns[column].name);
    text = lh_table_text(r->t, row, column);
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
        return lh_fail(r->err, LH_INVALID, "catalog.manifest", "row %zu has a NUL in its %s", row,
                       file_columns[column].name);
    *out = lh_arena_cstr(&r->s->arena, text);
    return LH_OK;
}

static lh_status
cell_count(struct reading *r, size_t row, size_t column, uint64_t *out)
{
    int64_t value = lh_table_is_null(r->t, row, column) ? -1 : lh_table_i64(r->t, row, column);

    if (value < 0)
        return lh_fail(r->err, LH_INVALID, "catalog.manifest", "row %zu has no count of %s", row,
                       file_columns[column].name);
    *out = (uint64_t)value;
    return LH_OK;
}

static lh_status
file_decode(struct reading *r, size_t row, struct lh_catalog_file *f)
{
    LH_TRY(cell_text(r, row, FILE_BUCKET, &f->bucket));
    LH_TRY(cell_text(r, row, FILE_KEY, &f->key));
    LH_TRY(cell_text(r, row, FILE_SHA256, &f->sha256));
    LH_TRY(cell_text(r, row, FILE_INGEST_KEY, &f->ingest_key));
    LH_TRY(cell_count(r, row, FILE_SIZE, &f->size_bytes));
    return cell_count(r, row, FILE_ROWS, &f->rows);
}

/* The columns stand in the order in which they are written: anything else was not written by this
 * format. */
static lh_status
shape_check(struct reading *r)
{
    size_t at;

    for (size_t i = 0; i < FILE_COLUMNS; i++)
        if (!lh_table_column_find(r->t, file_columns[i].name, file_columns[i].type, &at) || at != i)
            return lh_fail(r->err, LH_INVALID, "catalog.manifest", "column '%s' is missing",
                           file_columns[i].name);
    if (lh_table_columns(r->t) != FILE_COLUMNS)
        return lh_fail(r->err, LH_INVALID, "catalog.manifest", "there are %zu columns, not %d",
                       lh_table_columns(r->t), FILE_COLUMNS);
    return LH_OK;
}

static lh_status
files_decode(struct reading *r)
{
    size_t count = lh_table_rows(r->t);
    struct lh_catalog_file *files = lh_arena_array(&r->s->arena, count + 1, sizeof(*files));

    LH_TRY(shape_check(r));
    for (size_t i = 0; i < count; i++)
        LH_TRY(file_decode(r, i, &files[i]));
    r->s->shown.files = files;
    r->s->shown.file_count = count;
    return LH_OK;
}

static lh_status
agreement_check(struct reading *r, lh_str dataset, uint64_t version)
{
    struct lh_snapshot *v = &r->s->shown;

    if (!lh_str_eq(dataset, lh_str_of(v->dataset)) || version != v->version)
        return lh_fail(r->err, LH_INVALID, "catalog.manifest",
                       "it says that it is version %llu of '%.64s'", (unsigned long long)v->version,
                       v->dataset);
    LH_TRY(catalog_snapshot_seal(r->s, r->err));
    LH_TRY(meta_agrees(r, "dataset_id", v->dataset_id));
    LH_TRY(meta_agrees(r, "fingerprint", v->fingerprint));
    LH_TRY(number_agrees(r, "rows", v->rows));
    LH_TRY(number_agrees(r, "size_bytes", v->size_bytes));
    return catalog_snapshot_check(r->s, r->err);
}

static lh_status
table_read(struct reading *r, lh_str dataset, uint64_t version)
{
    LH_TRY(origin_decode(r));
    LH_TRY(lists_decode(r));
    LH_TRY(files_decode(r));
    return agreement_check(r, dataset, version);
}

static lh_status
corrupt(lh_str dataset, uint64_t version, const struct lh_error *why, struct lh_error *err)
{
    char key[CATALOG_KEY_TEXT];

    catalog_manifest_key(dataset, version, key);
    return lh_fail(err, LH_CORRUPT, "catalog.manifest", "manifest %s cannot be read: %s", key,
                   why->text);
}

lh_status
catalog_manifest_from_table(const struct lh_table *t, lh_str dataset, uint64_t version,
                            struct catalog_snapshot **out, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    LH_AUTO(catalog_snapshot) *s = catalog_snapshot_new();

    if (table_read(&(struct reading){.t = t, .s = s, .err = &why}, dataset, version) != LH_OK)
        return corrupt(dataset, version, &why, err);
    *out = lh_take(s);
    return LH_OK;
}

lh_status
catalog_manifest_decode(struct lh_engine *work, struct lh_call *call, lh_bytes bytes,
                        lh_str dataset, uint64_t version, struct catalog_snapshot **out,
                        struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    LH_AUTO(lh_table) *t = NULL;
    lh_status status = lh_table_decode(work, call, bytes, &t, &why);

    if (status == LH_CORRUPT || status == LH_INVALID)
        return corrupt(dataset, version, &why, err);
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    return catalog_manifest_from_table(t, dataset, version, out, err);
}
