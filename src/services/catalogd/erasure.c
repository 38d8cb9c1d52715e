/* An erasure as JSON between services: only objects with tombstones are listed. */
#include "services/catalogd/snapshot.h"

void
catalog_erasure_print(struct lh_json_writer *w, const struct lh_erasure *e, size_t file_count)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "values_uri", e->values_uri);
    lh_json_key(w, "keys");
    catalog_texts_print(w, e->keys, e->key_count);
    lh_json_key(w, "key_types");
    catalog_texts_print(w, e->key_types, e->key_count);
    lh_json_key(w, "first");
    lh_json_array_begin(w);
    for (size_t i = 0; i < file_count; i++) {
        if (e->first[i] == 0)
            continue;
        lh_json_array_begin(w);
        lh_json_put_u64(w, i);
        lh_json_put_u64(w, e->first[i]);
        lh_json_array_end(w);
    }
    lh_json_array_end(w);
    lh_json_object_end(w);
}

static lh_status
first_read(const json_t *pair, uint64_t *first, size_t file_count, struct lh_error *err)
{
    int64_t at = -1, number = -1;

    if (!lh_json_int_value(json_array_get(pair, 0), &at) ||
        !lh_json_int_value(json_array_get(pair, 1), &number) || at < 0 ||
        (uint64_t)at >= file_count || number <= 0)
        return lh_fail(err, LH_INVALID, "catalog.snapshot",
                       "an erasure names an object that is not there");
    first[at] = (uint64_t)number;
    return LH_OK;
}

static lh_status
firsts_read(const json_t *value, uint64_t *first, size_t file_count, struct lh_error *err)
{
    json_t *pairs = NULL;
    size_t i;
    const json_t *pair;

    LH_TRY(lh_json_array_opt(value, "first", &pairs, err));
    json_array_foreach (pairs, i, pair)
        LH_TRY(first_read(pair, first, file_count, err));
    return LH_OK;
}

lh_status
catalog_erasure_read(const json_t *value, struct lh_arena *arena, size_t file_count,
                     const struct lh_erasure **out, struct lh_error *err)
{
    struct lh_erasure *e = LH_ARENA_NEW(arena, struct lh_erasure);
    uint64_t *first = lh_arena_array(arena, file_count + 1, sizeof(*first));
    json_t *keys = NULL, *types = NULL;
    size_t type_count;

    LH_TRY(catalog_text_read(value, "values_uri", arena, "", &e->values_uri, err));
    LH_TRY(lh_json_array_opt(value, "keys", &keys, err));
    LH_TRY(lh_json_array_opt(value, "key_types", &types, err));
    LH_TRY(catalog_texts_read(keys, arena, &e->keys, &e->key_count, err));
    LH_TRY(catalog_texts_read(types, arena, &e->key_types, &type_count, err));
    if (type_count != e->key_count)
        return lh_fail(err, LH_INVALID, "catalog.snapshot", "an erasure has %zu keys, %zu types",
                       e->key_count, type_count);
    LH_TRY(firsts_read(value, first, file_count, err));
    e->first = first;
    *out = e;
    return LH_OK;
}
