#include "services/catalogd/tombstones.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/time.h"
#include "services/catalogd/catalog.h"

#define FORMAT "lakehouse.tombstones/1"
#define OBJECT_BYTES_MAX ((size_t)256 << 20)

enum {
    VALUE_TOMBSTONE,
    VALUE_COLUMN,
    VALUE_TEXT,
    VALUE_CREATED,
    VALUE_ACTOR,
    VALUE_REASON,
    VALUE_COLUMNS
};

static const struct lh_table_column value_columns[VALUE_COLUMNS] = {
    [VALUE_TOMBSTONE] = {"tombstone", LH_CELL_I64}, [VALUE_COLUMN] = {"key_column", LH_CELL_TEXT},
    [VALUE_TEXT] = {"value", LH_CELL_TEXT},         [VALUE_CREATED] = {"created_at", LH_CELL_TIME},
    [VALUE_ACTOR] = {"actor", LH_CELL_TEXT},        [VALUE_REASON] = {"reason", LH_CELL_TEXT},
};

/* The same as a dataset has them. */
static const struct lh_catalog_column shown_columns[VALUE_COLUMNS] = {
    [VALUE_TOMBSTONE] = {.name = "tombstone", .type = "BIGINT"},
    [VALUE_COLUMN] = {.name = "key_column", .type = "VARCHAR"},
    [VALUE_TEXT] = {.name = "value", .type = "VARCHAR"},
    [VALUE_CREATED] = {.name = "created_at", .type = "TIMESTAMP WITH TIME ZONE"},
    [VALUE_ACTOR] = {.name = "actor", .type = "VARCHAR"},
    [VALUE_REASON] = {.name = "reason", .type = "VARCHAR"},
};

const struct lh_cache_kind catalog_tombstones_kind = {.ref = catalog_tombstones_ref,
                                                      .unref = catalog_tombstones_unref};

/* ---- life ---- */

struct catalog_tombstones *
catalog_tombstones_new(void)
{
    struct catalog_tombstones *t = LH_NEW(struct catalog_tombstones);

    atomic_init(&t->refs, 1);
    t->key = "";
    return t;
}

void
catalog_tombstones_ref(void *tombstones)
{
    struct catalog_tombstones *t = tombstones;

    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

void
catalog_tombstones_unref(void *tombstones)
{
    struct catalog_tombstones *t = tombstones;

    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    lh_arena_fini(&t->arena);
    free(t);
}

lh_str
catalog_tombstones_key(lh_str dataset, uint64_t version, lh_uuid id,
                       char key[CATALOG_TOMBSTONES_KEY])
{
    char text[LH_UUID_TEXT];
    int len =
        snprintf(key, CATALOG_TOMBSTONES_KEY, CATALOG_TOMBSTONES_PREFIX "%.*s/%010llu-%s.parquet",
                 LH_FMT(lh_str_slice(dataset, 0, 63)), (unsigned long long)version,
                 lh_uuid_format(id, text));

    return (lh_str){key, (size_t)len};
}

/* ---- objects ---- */

int
catalog_object_order(const char *key, const char *bucket, const char *other_key,
                     const char *other_bucket)
{
    int order = strcmp(key, other_key);

    return order != 0 ? order : strcmp(bucket, other_bucket);
}

const struct catalog_hidden *
catalog_tombstones_find(const struct catalog_tombstones *t, const struct lh_catalog_file *file)
{
    size_t low = 0, high = t ? t->object_count : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct catalog_hidden *o = &t->objects[middle];
        int order = catalog_object_order(file->key, file->bucket, o->key, o->bucket);

        if (order == 0)
            return o;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

uint64_t
catalog_tombstones_hide(const struct catalog_tombstones *t, const struct lh_catalog_file *files,
                        size_t count)
{
    uint64_t rows = 0;

    for (size_t i = 0; i < count; i++) {
        const struct catalog_hidden *o = catalog_tombstones_find(t, &files[i]);

        /* What is hidden of one object is part of it, so this overflows only if its rows did. */
        rows += o ? o->rows : 0;
    }
    return rows;
}

/* ---- a version as it is to be read ---- */

static const char *
column_type(const struct lh_snapshot *v, const char *name)
{
    for (size_t i = 0; i < v->column_count; i++)
        if (strcmp(v->columns[i].name, name) == 0)
            return v->columns[i].type;
    return NULL;
}

static bool
key_is_known(const struct lh_erasure *e, const char *key)
{
    for (size_t i = 0; i < e->key_count; i++)
        if (strcmp(e->keys[i], key) == 0)
            return true;
    return false;
}

/* The columns that tombstones name, as far as this version has them. */
static void
keys_fill(struct catalog_snapshot *s, const struct catalog_tombstones *t, struct lh_erasure *e)
{
    const char **keys = lh_arena_array(&s->arena, t->count + 1, sizeof(*keys));
    const char **types = lh_arena_array(&s->arena, t->count + 1, sizeof(*types));

    e->keys = keys;
    e->key_types = types;
    for (size_t i = 0; i < t->count; i++) {
        const char *type = column_type(&s->shown, t->items[i].key_column);

        if (type == NULL || key_is_known(e, t->items[i].key_column))
            continue;
        keys[e->key_count] = lh_arena_cstr(&s->arena, lh_str_of(t->items[i].key_column));
        types[e->key_count++] = type;
    }
}

struct catalog_snapshot *
catalog_snapshot_erase(struct catalog_snapshot *base, const struct catalog_tombstones *t,
                       uint64_t erased, const char *bucket)
{
    struct catalog_snapshot *s = catalog_snapshot_over(base);
    uint64_t physical = base->shown.rows + base->shown.hidden_rows;
    uint64_t *first = lh_arena_array(&s->arena, s->shown.file_count + 1, sizeof(*first));
    struct lh_erasure *e = LH_ARENA_NEW(&s->arena, struct lh_erasure);

    s->shown.erased = erased;
    s->shown.hidden_rows = 0;
    for (size_t i = 0; i < s->shown.file_count; i++) {
        const struct catalog_hidden *o = catalog_tombstones_find(t, &s->shown.files[i]);

        first[i] = o ? o->first : 0;
        s->shown.hidden_rows += o ? o->rows : 0;
    }
    s->shown.rows = physical - s->shown.hidden_rows;
    if (s->shown.hidden_rows == 0)
        return s;
    e->first = first;
    e->values_uri = lh_arena_printf(&s->arena, "lake://%s/%s", bucket, t->key);
    keys_fill(s, t, e);
    s->shown.erasure = e;
    return s;
}

/* ---- encode ---- */

static void
item_print(struct lh_json_writer *w, const struct catalog_tombstone *item)
{
    lh_json_object_begin(w);
    lh_json_set_u64(w, "number", item->number);
    lh_json_set_cstr(w, "key_column", item->key_column);
    lh_json_set_cstr(w, "type", item->type);
    lh_json_set_i64(w, "created_us", item->created_us);
    lh_json_set_cstr(w, "actor", item->actor);
    lh_json_set_cstr(w, "reason", item->reason);
    lh_json_set_cstr(w, "principal", item->principal);
    lh_json_set_cstr(w, "trace_id", item->trace_id);
    lh_json_set_u64(w, "values", item->value_count);
    lh_json_set_u64(w, "rows", item->rows);
    lh_json_object_end(w);
}

static void
object_print(struct lh_json_writer *w, const struct catalog_hidden *o)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "bucket", o->bucket);
    lh_json_set_cstr(w, "key", o->key);
    lh_json_set_u64(w, "first", o->first);
    lh_json_set_u64(w, "rows", o->rows);
    lh_json_object_end(w);
}

static lh_status
lists_encode(const struct catalog_tombstones *t, struct lh_table *table, struct lh_error *err)
{
    LH_AUTO_BUF(items, OBJECT_BYTES_MAX);
    LH_AUTO_BUF(objects, OBJECT_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&items);

    lh_json_array_begin(&w);
    for (size_t i = 0; i < t->count; i++)
        item_print(&w, &t->items[i]);
    lh_json_array_end(&w);
    w = lh_json_writer_over(&objects);
    lh_json_array_begin(&w);
    for (size_t i = 0; i < t->object_count; i++)
        object_print(&w, &t->objects[i]);
    lh_json_array_end(&w);
    LH_TRY(lh_buf_check(&items, "the list of tombstones", err));
    LH_TRY(lh_buf_check(&objects, "the list of objects with tombstones", err));
    lh_table_meta_set(table, "tombstones", lh_buf_str(&items));
    lh_table_meta_set(table, "objects", lh_buf_str(&objects));
    return LH_OK;
}

static void
values_encode(const struct catalog_tombstone *item, struct lh_table *table)
{
    for (size_t i = 0; i < item->value_count; i++) {
        size_t row = lh_table_row_add(table);

        lh_table_set_i64(table, row, VALUE_TOMBSTONE, (int64_t)item->number);
        lh_table_set_text(table, row, VALUE_COLUMN, lh_str_of(item->key_column));
        lh_table_set_text(table, row, VALUE_TEXT, lh_str_of(item->values[i]));
        lh_table_set_i64(table, row, VALUE_CREATED, item->created_us);
        lh_table_set_text(table, row, VALUE_ACTOR, lh_str_of(item->actor));
        lh_table_set_text(table, row, VALUE_REASON, lh_str_of(item->reason));
    }
}

lh_status
catalog_tombstones_to_table(const struct catalog_tombstones *t, lh_str dataset,
                            struct lh_table **out, struct lh_error *err)
{
    LH_AUTO(lh_table) *table = lh_table_new(value_columns, VALUE_COLUMNS);

    lh_table_meta_set(table, "format", LH_STR(FORMAT));
    lh_table_meta_set(table, "dataset", dataset);
    LH_TRY(lists_encode(t, table, err));
    for (size_t i = 0; i < t->count; i++)
        values_encode(&t->items[i], table);
    *out = lh_take(table);
    return LH_OK;
}

/* ---- decode ---- */

static lh_status
texts_decode(const json_t *value, struct catalog_tombstones *t, struct catalog_tombstone *item,
             struct lh_error *err)
{
    struct lh_arena *a = &t->arena;

    LH_TRY(catalog_text_read(value, "key_column", a, "", &item->key_column, err));
    LH_TRY(catalog_text_read(value, "type", a, "", &item->type, err));
    LH_TRY(catalog_text_read(value, "actor", a, "", &item->actor, err));
    LH_TRY(catalog_text_read(value, "reason", a, "", &item->reason, err));
    LH_TRY(catalog_text_read(value, "principal", a, "", &item->principal, err));
    return catalog_text_read(value, "trace_id", a, "", &item->trace_id, err);
}

/* The values of a tombstone stand together, in the order of the tombstones. */
static lh_status
values_decode(const struct lh_table *table, size_t *row, struct catalog_tombstones *t,
              struct catalog_tombstone *item, struct lh_error *err)
{
    const char **values = lh_arena_array(&t->arena, item->value_count + 1, sizeof(*values));

    for (size_t i = 0; i < item->value_count; i++, (*row)++) {
        lh_str text;

        if (*row >= lh_table_rows(table) ||
            lh_table_i64(table, *row, VALUE_TOMBSTONE) != (int64_t)item->number)
            return lh_fail(err, LH_INVALID, "catalog.tombstones",
                           "tombstone %llu has fewer than %zu values",
                           (unsigned long long)item->number, item->value_count);
        text = lh_table_text(table, *row, VALUE_TEXT);
        values[i] = lh_arena_cstr(&t->arena, text);
    }
    item->values = values;
    return LH_OK;
}

static lh_status
item_decode(const json_t *value, const struct lh_table *table, size_t *row,
            struct catalog_tombstones *t, struct catalog_tombstone *item, struct lh_error *err)
{
    uint64_t values;

    LH_TRY(texts_decode(value, t, item, err));
    LH_TRY(catalog_u64_read(value, "number", &item->number, err));
    LH_TRY(catalog_u64_read(value, "rows", &item->rows, err));
    LH_TRY(catalog_u64_read(value, "values", &values, err));
    LH_TRY(lh_json_i64(value, "created_us", &item->created_us, err));
    if (values > lh_table_rows(table))
        return lh_fail(err, LH_INVALID, "catalog.tombstones", "%llu values are not there",
                       (unsigned long long)values);
    item->value_count = (size_t)values;
    return values_decode(table, row, t, item, err);
}

static lh_status
items_decode(const struct lh_table *table, struct catalog_tombstones *t, struct lh_error *err)
{
    LH_AUTO_JSON list = NULL;
    struct catalog_tombstone *items;
    size_t row = 0;

    LH_TRY(lh_json_parse(lh_table_meta(table, "tombstones"), &list, err));
    t->count = json_array_size(list);
    items = lh_arena_array(&t->arena, t->count + 1, sizeof(*items));
    t->items = items;
    for (size_t i = 0; i < t->count; i++)
        LH_TRY(item_decode(json_array_get(list, i), table, &row, t, &items[i], err));
    return LH_OK;
}

static lh_status
object_decode(const json_t *value, struct catalog_tombstones *t, struct catalog_hidden *o,
              struct lh_error *err)
{
    LH_TRY(catalog_text_read(value, "bucket", &t->arena, "", &o->bucket, err));
    LH_TRY(catalog_text_read(value, "key", &t->arena, "", &o->key, err));
    LH_TRY(catalog_u64_read(value, "first", &o->first, err));
    return catalog_u64_read(value, "rows", &o->rows, err);
}

static lh_status
objects_decode(const struct lh_table *table, struct catalog_tombstones *t, struct lh_error *err)
{
    LH_AUTO_JSON list = NULL;
    struct catalog_hidden *objects;

    LH_TRY(lh_json_parse(lh_table_meta(table, "objects"), &list, err));
    t->object_count = json_array_size(list);
    objects = lh_arena_array(&t->arena, t->object_count + 1, sizeof(*objects));
    t->objects = objects;
    for (size_t i = 0; i < t->object_count; i++) {
        LH_TRY(object_decode(json_array_get(list, i), t, &objects[i], err));
        if (objects[i].first == 0 ||
            (i > 0 && catalog_object_order(objects[i - 1].key, objects[i - 1].bucket,
                                           objects[i].key, objects[i].bucket) >= 0))
            return lh_fail(err, LH_INVALID, "catalog.tombstones",
                           "the list of objects is out of order");
    }
    return LH_OK;
}

static lh_status
table_decode(const struct lh_table *table, struct catalog_tombstones *t, struct lh_error *err)
{
    size_t at;

    if (!lh_str_eq(lh_table_meta(table, "format"), LH_STR(FORMAT)))
        return lh_fail(err, LH_INVALID, "catalog.tombstones", "it is not of format " FORMAT);
    for (size_t i = 0; i < VALUE_COLUMNS; i++)
        if (!lh_table_column_find(table, value_columns[i].name, value_columns[i].type, &at) ||
            at != i)
            return lh_fail(err, LH_INVALID, "catalog.tombstones", "column '%s' is missing",
                           value_columns[i].name);
    LH_TRY(items_decode(table, t, err));
    return objects_decode(table, t, err);
}

lh_status
catalog_tombstones_from_table(const struct lh_table *table, lh_str key,
                              struct catalog_tombstones **out, struct lh_error *err)
{
    LH_AUTO(catalog_tombstones) *t = catalog_tombstones_new();
    LH_AUTO_ERROR(why);

    if (table_decode(table, t, &why) != LH_OK)
        return lh_fail(err, LH_CORRUPT, "catalog.tombstones", "object %.*s cannot be read: %s",
                       LH_FMT(key), why.text);
    t->key = lh_arena_cstr(&t->arena, key);
    *out = lh_take(t);
    return LH_OK;
}

/* ---- in the bucket ---- */

lh_status
catalog_tombstones_read(struct catalog *c, struct lh_call *call, lh_str key,
                        struct catalog_tombstones **out, struct lh_error *err)
{
    LH_AUTO_BUF(bytes, OBJECT_BYTES_MAX);
    LH_AUTO(lh_table) *table = NULL;
    struct lh_engine *work;

    LH_TRY(lh_object_get(c->bucket, call, key, &bytes, NULL, err));
    LH_TRY(lh_env_work_engine(c->env, &work, err));
    LH_TRY(lh_table_decode(work, call, lh_buf_bytes(&bytes), &table, err));
    return catalog_tombstones_from_table(table, key, out, err);
}

lh_status
catalog_tombstones_load(struct catalog *c, struct lh_call *call, lh_str key,
                        struct catalog_tombstones **out, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status;

    *out = lh_cache_find(c->tombstones, key);
    if (*out != NULL)
        return LH_OK;
    status = catalog_tombstones_read(c, call, key, out, &why);
    /* A version names it, so that it is gone is damage, whatever the bucket calls it. */
    if (status == LH_NOT_FOUND || status == LH_INVALID)
        return lh_fail(err, LH_CORRUPT, "catalog.tombstones", "%s", why.text);
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it was read without failing */
    lh_cache_put(c->tombstones, key, *out, (*out)->arena.used_bytes + sizeof(**out));
    return LH_OK;
}

/* Versions behind `version` cannot be read. One of them may have brought tombstones: then there is
 * an object that was put for it. */
static lh_status
later_check(struct catalog *c, struct lh_call *call, lh_str dataset, uint64_t version,
            struct lh_error *err)
{
    LH_AUTO(lh_object_list) *page = NULL;
    const char *prefix =
        lh_arena_printf(&call->arena, CATALOG_TOMBSTONES_PREFIX "%.*s/", LH_FMT(dataset));
    const char *after =
        lh_arena_printf(&call->arena, "%s%010llu.", prefix, (unsigned long long)version);

    LH_TRY(lh_object_list(c->bucket, call, lh_str_of(prefix), lh_str_of(after), 1, &page, err));
    if (page->count == 0)
        return LH_OK;
    return lh_fail(err, LH_CORRUPT, "catalog.tombstones",
                   "'%.*s' cannot be shown: what was deleted after version %llu is not known",
                   LH_FMT(dataset), (unsigned long long)version);
}

static lh_status
speaker_load(struct catalog *c, struct lh_call *call, lh_str dataset, struct catalog_snapshot **out,
             struct lh_error *err)
{
    struct catalog_head head = catalog_index_head(c->index, dataset);
    bool has_broken = false;

    for (uint64_t v = head.version; v > 0 && v >= head.oldest; v--) {
        LH_AUTO_ERROR(why);
        lh_status status;

        if (!catalog_index_has(c->index, dataset, v))
            continue;
        status = catalog_version_load(c, call, dataset, v, out, &why);
        if (status == LH_OK)
            return has_broken ? later_check(c, call, dataset, v, err) : LH_OK;
        if (status != LH_CORRUPT && status != LH_NOT_FOUND) {
            lh_error_copy(err, &why);
            return status;
        }
        has_broken = true;
    }
    return has_broken ? later_check(c, call, dataset, 0, err) : LH_OK;
}

lh_status
catalog_tombstones_of(struct catalog *c, struct lh_call *call, lh_str dataset,
                      struct catalog_tombstones **out, uint64_t *erased, struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = NULL;

    *out = NULL;
    *erased = 0;
    LH_TRY(speaker_load(c, call, dataset, &s, err));
    if (s == NULL || s->tombstones[0] == '\0')
        return LH_OK;
    LH_TRY(catalog_tombstones_load(c, call, lh_str_of(s->tombstones), out, err));
    *erased = s->shown.erased;
    return LH_OK;
}

/* ---- as a table ---- */

static uint64_t
values_sum(const struct catalog_tombstones *t)
{
    uint64_t sum = 0;

    for (size_t i = 0; t != NULL && i < t->count; i++)
        sum += t->items[i].value_count;
    return sum;
}

static lh_status
object_show(struct catalog *c, struct lh_call *call, const struct catalog_tombstones *t,
            struct catalog_snapshot *s, struct lh_error *err)
{
    struct lh_catalog_file *file = LH_ARENA_NEW(&s->arena, struct lh_catalog_file);
    struct lh_object_info info;

    LH_TRY(lh_object_head(c->bucket, call, lh_str_of(t->key), &info, err));
    *file = (struct lh_catalog_file){
        .bucket = lh_arena_cstr(&s->arena, lh_str_of(lh_bucket_name(c->bucket))),
        .key = lh_arena_cstr(&s->arena, lh_str_of(t->key)),
        .sha256 = lh_arena_cstr(&s->arena, lh_str_of(info.sha256)),
        .ingest_key = "",
        .size_bytes = info.size_bytes,
        .rows = values_sum(t)};
    s->shown.files = file;
    s->shown.file_count = 1;
    return LH_OK;
}

lh_status
catalog_tombstones_show(struct catalog *c, struct lh_call *call, lh_str name,
                        struct catalog_snapshot **out, struct lh_error *err)
{
    lh_str dataset = lh_str_slice(name, 0, name.len - strlen(CATALOG_TOMBSTONES_TABLE));
    LH_AUTO(catalog_snapshot) *s = catalog_snapshot_new();
    LH_AUTO(catalog_tombstones) *t = NULL;
    uint64_t head, erased;
    bool is_hidden;

    LH_TRY(catalog_dataset_refresh(c, call, dataset, err));
    LH_TRY(catalog_head(c, call, dataset, &head, &is_hidden, err));
    if (head == 0 || is_hidden)
        return catalog_index_unknown(c->index, dataset, err);
    LH_TRY(catalog_tombstones_of(c, call, dataset, &t, &erased, err));
    s->shown.dataset = lh_arena_cstr(&s->arena, name);
    s->shown.version = erased > 0 ? erased : head;
    s->shown.mode = "tombstone";
    s->shown.columns = shown_columns;
    s->shown.column_count = VALUE_COLUMNS;
    if (t != NULL)
        LH_TRY(object_show(c, call, t, s, err));
    LH_TRY(catalog_snapshot_seal(s, err));
    *out = lh_take(s);
    return LH_OK;
}
