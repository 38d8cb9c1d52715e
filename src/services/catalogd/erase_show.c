/* What a deletion answered, and which deletions are in force, as JSON. */
#include "services/catalogd/erase.h"
#include "services/catalogd/tombstones.h"

void
catalog_erase_print(lh_str dataset, const struct catalog_erase_request *request,
                    const struct catalog_erase_outcome *o, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_str(&w, "dataset", dataset);
    lh_json_set_u64(&w, "version", o->version);
    lh_json_set_str(&w, "key_column", request->key_column);
    lh_json_set_u64(&w, "values", o->value_count);
    lh_json_set_u64(&w, "rows_removed", o->rows_removed);
    lh_json_set_u64(&w, "rows", o->rows);
    lh_json_set_u64(&w, "objects", o->object_count);
    lh_json_set_u64(&w, "hidden_rows", o->hidden_rows);
    lh_json_key(&w, "unreadable_versions");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < o->unreadable_count; i++)
        lh_json_put_u64(&w, o->unreadable[i]);
    lh_json_array_end(&w);
    lh_json_set_bool(&w, "unchanged", o->is_unchanged);
    lh_json_object_end(&w);
}

static void
item_print(struct lh_json_writer *w, const struct catalog_tombstone *item, bool with_values)
{
    lh_json_object_begin(w);
    lh_json_set_u64(w, "version", item->number);
    lh_json_set_cstr(w, "key_column", item->key_column);
    lh_json_set_cstr(w, "type", item->type);
    lh_json_set_u64(w, "value_count", item->value_count);
    if (with_values) {
        lh_json_key(w, "values");
        catalog_texts_print(w, item->values, item->value_count);
    }
    lh_json_set_u64(w, "rows_removed", item->rows);
    lh_json_set_cstr(w, "actor", item->actor);
    lh_json_set_cstr(w, "reason", item->reason);
    lh_json_set_cstr(w, "principal", item->principal);
    lh_json_set_time(w, "created_at", item->created_us);
    lh_json_set_cstr(w, "trace_id", item->trace_id);
    lh_json_object_end(w);
}

static void
list_print(lh_str dataset, const struct catalog_tombstones *t, bool with_values, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);
    uint64_t rows = 0;

    for (size_t i = 0; t != NULL && i < t->object_count; i++)
        rows += t->objects[i].rows;
    lh_json_object_begin(&w);
    lh_json_set_str(&w, "dataset", dataset);
    lh_json_key(&w, "tombstones");
    lh_json_array_begin(&w);
    for (size_t i = 0; t != NULL && i < t->count; i++)
        item_print(&w, &t->items[i], with_values);
    lh_json_array_end(&w);
    lh_json_set_cstr(&w, "object", t ? t->key : NULL);
    lh_json_set_u64(&w, "objects", t ? t->object_count : 0);
    lh_json_set_u64(&w, "hidden_rows", rows);
    lh_json_object_end(&w);
}

lh_status
catalog_erase_list(struct catalog *c, struct lh_call *call, lh_str dataset, bool with_values,
                   struct lh_buf *out, struct lh_error *err)
{
    LH_AUTO(catalog_tombstones) *t = NULL;
    uint64_t head, erased;
    bool is_hidden;

    LH_TRY(lh_catalog_name_check(dataset, err));
    LH_TRY(catalog_dataset_refresh(c, call, dataset, err));
    LH_TRY(catalog_head(c, call, dataset, &head, &is_hidden, err));
    if (head == 0)
        return catalog_index_unknown(c->index, dataset, err);
    LH_TRY(catalog_tombstones_of(c, call, dataset, &t, &erased, err));
    list_print(dataset, t, with_values, out);
    return lh_buf_check(out, "the list of tombstones", err);
}
