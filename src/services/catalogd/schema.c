#include "services/catalogd/schema.h"

#define EXTRA_BYTES_MAX ((size_t)4 << 20)

void
lh_catalog_fingerprint(const struct lh_catalog_column *columns, size_t count,
                       char out[LH_SHA256_HEX])
{
    uint8_t digest[LH_SHA256_BYTES];
    struct lh_sha256 h;

    lh_sha256_init(&h);
    for (size_t i = 0; i < count; i++) {
        lh_sha256_add(&h, columns[i].name, strlen(columns[i].name));
        lh_sha256_add(&h, "\x1f", 1);
        lh_sha256_add(&h, columns[i].type, strlen(columns[i].type));
        lh_sha256_add(&h, "\x1e", 1);
    }
    lh_sha256_final(&h, digest);
    lh_sha256_hex(digest, out);
}

static const struct lh_catalog_column *
column_find(const struct lh_catalog_column *columns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(columns[i].name, name) == 0)
            return &columns[i];
    return NULL;
}

/* Columns of `of` that `in` does not have. */
static size_t
absent_print(struct lh_json_writer *w, const char *member, const struct lh_catalog_column *of,
             size_t of_count, const struct lh_catalog_column *in, size_t in_count)
{
    size_t count = 0;

    lh_json_key(w, member);
    lh_json_array_begin(w);
    for (size_t i = 0; i < of_count; i++) {
        if (column_find(in, in_count, of[i].name) != NULL)
            continue;
        lh_json_object_begin(w);
        lh_json_set_cstr(w, "name", of[i].name);
        lh_json_set_cstr(w, "type", of[i].type);
        lh_json_object_end(w);
        count++;
    }
    lh_json_array_end(w);
    return count;
}

static size_t
retyped_print(struct lh_json_writer *w, const struct lh_catalog_column *old, size_t old_count,
              const struct lh_catalog_column *now, size_t now_count)
{
    size_t count = 0;

    lh_json_key(w, "retyped");
    lh_json_array_begin(w);
    for (size_t i = 0; i < old_count; i++) {
        const struct lh_catalog_column *same = column_find(now, now_count, old[i].name);

        if (same == NULL || strcmp(same->type, old[i].type) == 0)
            continue;
        lh_json_object_begin(w);
        lh_json_set_cstr(w, "name", old[i].name);
        lh_json_set_cstr(w, "from", old[i].type);
        lh_json_set_cstr(w, "to", same->type);
        lh_json_object_end(w);
        count++;
    }
    lh_json_array_end(w);
    return count;
}

lh_status
catalog_schema_drift(lh_str dataset, const struct lh_catalog_column *old, size_t old_count,
                     const struct lh_catalog_column *now, size_t now_count, struct lh_error *err)
{
    LH_AUTO_BUF(extra, EXTRA_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&extra);
    size_t added, removed, retyped;

    lh_json_object_begin(&w);
    added = absent_print(&w, "added", now, now_count, old, old_count);
    removed = absent_print(&w, "removed", old, old_count, now, now_count);
    retyped = retyped_print(&w, old, old_count, now, now_count);
    lh_json_object_end(&w);
    if (added + removed + retyped == 0)
        lh_fail(err, LH_CONFLICT, "catalog.schema_drift",
                "the schema of '%.*s' has changed: the same columns in another order; "
                "evolve=true allows it",
                LH_FMT(dataset));
    else
        lh_fail(err, LH_CONFLICT, "catalog.schema_drift",
                "the schema of '%.*s' has changed: %zu columns added, %zu removed, %zu retyped; "
                "evolve=true allows it",
                LH_FMT(dataset), added, removed, retyped);
    if (!extra.is_failed)
        lh_error_extra_set(err, lh_buf_cstr(&extra));
    return LH_CONFLICT;
}
