#include "services/catalogd/detail.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "engine/convert.h"
#include "services/catalogd/meta.h"

#define DISTINCTS_BYTES ((size_t)1 << 20)

/* ---- distinct values ---- */

struct distincts {
    atomic_uint refs;
    size_t count;
    uint64_t values[]; /* of each column of the version */
};

struct catalog_distincts {
    struct lh_cache *cache;
};

static void
distincts_ref(void *value)
{
    atomic_fetch_add_explicit(&((struct distincts *)value)->refs, 1, memory_order_relaxed);
}

static void
distincts_unref(void *value)
{
    struct distincts *d = value;

    if (d != NULL && atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1)
        free(d);
}

static void
distincts_free(struct distincts *d)
{
    distincts_unref(d);
}
LH_AUTO_DEFINE(distincts)

struct catalog_distincts *
catalog_distincts_new(void)
{
    static const struct lh_cache_kind kind = {.ref = distincts_ref, .unref = distincts_unref};
    struct catalog_distincts *d = LH_NEW(struct catalog_distincts);

    d->cache = lh_cache_new(&kind, DISTINCTS_BYTES);
    return d;
}

void
catalog_distincts_free(struct catalog_distincts *d)
{
    if (d == NULL)
        return;
    lh_cache_free(d->cache);
    free(d);
}

static struct distincts *
distincts_estimate(struct catalog *c, struct lh_call *call, const struct lh_snapshot *v)
{
    size_t size = sizeof(struct distincts) + v->column_count * sizeof(uint64_t);
    LH_AUTO(distincts) *d = lh_alloc(size);
    struct lh_rows rows = lh_snapshot_rows(v, &call->arena);
    char key[CATALOG_SNAPSHOT_KEY];
    struct lh_engine *work;

    atomic_init(&d->refs, 1);
    d->count = v->column_count;
    if (v->file_count > 0 && (lh_env_work_engine(c->env, &work, NULL) != LH_OK ||
                              lh_distinct_estimates(work, call, &rows, d->values, NULL) != LH_OK))
        return NULL;
    lh_cache_put(c->distincts->cache, catalog_snapshot_key(lh_str_of(v->dataset), v->version, key),
                 d, size);
    return lh_take(d);
}

static struct distincts *
distincts_get(struct catalog *c, struct lh_call *call, const struct lh_snapshot *v,
              enum catalog_distinct_wish wish)
{
    uint64_t rows_max = (uint64_t)lh_config_i64(c->env->config, "catalog.distinct_max_rows");
    char key[CATALOG_SNAPSHOT_KEY];
    struct distincts *d = lh_cache_find(
        c->distincts->cache, catalog_snapshot_key(lh_str_of(v->dataset), v->version, key));

    if (d != NULL || wish == CATALOG_DISTINCT_NO ||
        (wish == CATALOG_DISTINCT_IF_CHEAP && v->rows > rows_max))
        return d;
    return distincts_estimate(c, call, v);
}

/* ---- printing ---- */

static void
column_print(struct lh_json_writer *w, const struct lh_catalog_column *column,
             const json_t *description, const uint64_t *distinct)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "name", column->name);
    lh_json_set_cstr(w, "type", column->type);
    lh_json_set_u64(w, "nulls", column->null_count);
    lh_json_set_cstr(w, "min", column->min);
    lh_json_set_cstr(w, "max", column->max);
    if (distinct != NULL)
        lh_json_set_u64(w, "distinct_estimate", *distinct);
    else
        lh_json_set_null(w, "distinct_estimate");
    lh_json_set_cstr(w, "description", description ? json_string_value(description) : "");
    lh_json_object_end(w);
}

static void
columns_print(struct lh_json_writer *w, const struct lh_snapshot *v, const json_t *meta,
              const struct distincts *d)
{
    const json_t *descriptions = json_object_get(meta, "columns");

    lh_json_key(w, "columns");
    lh_json_array_begin(w);
    for (size_t i = 0; i < v->column_count; i++)
        column_print(w, &v->columns[i], json_object_get(descriptions, v->columns[i].name),
                     d != NULL && i < d->count ? &d->values[i] : NULL);
    lh_json_array_end(w);
}

static void
objects_print(struct lh_json_writer *w, const struct lh_snapshot *v)
{
    lh_json_key(w, "objects");
    lh_json_array_begin(w);
    for (size_t i = 0; i < v->file_count; i++) {
        lh_json_object_begin(w);
        lh_json_set_cstr(w, "bucket", v->files[i].bucket);
        lh_json_set_cstr(w, "key", v->files[i].key);
        lh_json_set_u64(w, "size_bytes", v->files[i].size_bytes);
        lh_json_set_u64(w, "rows", v->files[i].rows);
        lh_json_set_cstr(w, "sha256", v->files[i].sha256);
        lh_json_set_cstr(w, "ingest_key", v->files[i].ingest_key);
        lh_json_object_end(w);
    }
    lh_json_array_end(w);
}

static void
lineage_print(struct lh_json_writer *w, const struct catalog_snapshot *s)
{
    const struct lh_snapshot *v = &s->shown;

    lh_json_key(w, "lineage");
    lh_json_object_begin(w);
    lh_json_key(w, "parent");
    if (v->parent > 0)
        lh_json_put_u64(w, v->parent);
    else
        lh_json_put_null(w);
    lh_json_set_cstr(w, "mode", v->mode);
    lh_json_set_cstr(w, "source", v->source);
    lh_json_set_cstr(w, "content_sha256", v->content_sha256);
    lh_json_set_time(w, "created_at", v->created_us);
    lh_json_set_cstr(w, "actor", s->actor);
    lh_json_set_cstr(w, "trace_id", s->trace_id);
    lh_json_set_u64(w, "rows_rejected", v->rows_rejected);
    lh_json_set_cstr(w, "rejects", v->rejects);
    lh_json_key(w, "ingest_keys");
    catalog_texts_print(w, v->ingest_keys, v->ingest_key_count);
    lh_json_object_end(w);
}

static void
detail_print(struct lh_json_writer *w, const struct catalog_snapshot *s, const json_t *meta,
             const struct distincts *d)
{
    const struct lh_snapshot *v = &s->shown;

    lh_json_object_begin(w);
    lh_json_set_cstr(w, "name", v->dataset);
    lh_json_set_cstr(w, "dataset_id", v->dataset_id);
    lh_json_set_u64(w, "version", v->version);
    lh_json_set_u64(w, "rows", v->rows);
    lh_json_set_u64(w, "hidden_rows", v->hidden_rows);
    lh_json_set_u64(w, "size_bytes", v->size_bytes);
    lh_json_set_time(w, "updated_at", v->created_us);
    lh_json_set_cstr(w, "fingerprint", v->fingerprint);
    lh_json_key(w, "description");
    lh_json_put_value(w, json_object_get(meta, "description"));
    lh_json_key(w, "owner");
    lh_json_put_value(w, json_object_get(meta, "owner"));
    lh_json_key(w, "tags");
    lh_json_put_value(w, json_object_get(meta, "tags"));
    columns_print(w, v, meta, d);
    objects_print(w, v);
    lineage_print(w, s);
    lh_json_object_end(w);
}

lh_status
catalog_detail_print(struct catalog *c, struct lh_call *call, lh_str dataset,
                     enum catalog_distinct_wish wish, struct lh_buf *out,
                     char etag[CATALOG_DETAIL_ETAG], struct lh_error *err)
{
    LH_AUTO(catalog_snapshot) *s = NULL;
    LH_AUTO(distincts) *d = NULL;
    LH_AUTO_JSON meta = NULL;
    char meta_etag[LH_ETAG_MAX];
    struct lh_json_writer w = lh_json_writer_over(out);

    LH_TRY(catalog_load(c, call, dataset, 0, &s, err));
    LH_TRY(catalog_meta_load(c->metas, call, dataset, &meta, meta_etag, err));
    d = distincts_get(c, call, &s->shown, wish);
    detail_print(&w, s, meta, d);
    snprintf(etag, CATALOG_DETAIL_ETAG, "%llu.%s", (unsigned long long)s->shown.version, meta_etag);
    return LH_OK;
}

lh_str
catalog_detail_meta_etag(lh_str if_match)
{
    lh_str rest = lh_str_trim(if_match), version;

    if (rest.len >= 2 && rest.ptr[0] == '"' && rest.ptr[rest.len - 1] == '"')
        rest = lh_str_slice(rest, 1, rest.len - 1);
    if (lh_str_eq(rest, LH_STR("*")))
        return LH_STR("");
    lh_str_cut(&rest, '.', &version);
    return rest.len > 0 ? rest : version;
}
