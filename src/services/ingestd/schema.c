#include "services/ingestd/schema.h"

#include <stdlib.h>

#define EXACT_INTEGER                                                                              \
    1e15 /* a BIGINT up to here is the same number as a DOUBLE, with 15 digits                     \
          */

static const struct lh_convert_column *
file_find(const struct lh_convert_result *file, const char *name)
{
    for (size_t i = 0; i < file->column_count; i++)
        if (lh_str_eq_nocase(lh_str_of(file->columns[i].name), lh_str_of(name)))
            return &file->columns[i];
    return NULL;
}

static const struct lh_catalog_column *
head_find(const struct lh_snapshot *head, const char *name)
{
    for (size_t i = 0; i < head->column_count; i++)
        if (lh_str_eq_nocase(lh_str_of(head->columns[i].name), lh_str_of(name)))
            return &head->columns[i];
    return NULL;
}

/* ---- differences ---- */

static void
column_put(struct lh_json_writer *w, const char *name, const char *type)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "name", name);
    lh_json_set_cstr(w, "type", type);
    lh_json_object_end(w);
}

void
schema_drift_print(const struct lh_snapshot *head, const struct lh_convert_result *file,
                   struct lh_json_writer *w)
{
    lh_json_object_begin(w);
    lh_json_key(w, "added");
    lh_json_array_begin(w);
    for (size_t i = 0; i < file->column_count; i++)
        if (!head_find(head, file->columns[i].name))
            column_put(w, file->columns[i].name, file->columns[i].type);
    lh_json_array_end(w);
    lh_json_key(w, "removed");
    lh_json_array_begin(w);
    for (size_t i = 0; i < head->column_count; i++)
        if (!file_find(file, head->columns[i].name))
            column_put(w, head->columns[i].name, head->columns[i].type);
    lh_json_array_end(w);
    lh_json_key(w, "retyped");
    lh_json_array_begin(w);
    for (size_t i = 0; i < head->column_count; i++) {
        const struct lh_convert_column *now = file_find(file, head->columns[i].name);
        if (!now || strcmp(now->type, head->columns[i].type) == 0)
            continue;
        lh_json_object_begin(w);
        lh_json_set_cstr(w, "name", head->columns[i].name);
        lh_json_set_cstr(w, "from", head->columns[i].type);
        lh_json_set_cstr(w, "to", now->type);
        lh_json_object_end(w);
    }
    lh_json_array_end(w);
    lh_json_object_end(w);
}

struct difference {
    size_t added, removed, retyped;
    bool is_moved;
};

static struct difference
difference_of(const struct lh_snapshot *head, const struct lh_convert_result *file)
{
    struct difference d = {.is_moved = head->column_count != file->column_count};

    for (size_t i = 0; i < file->column_count; i++) {
        d.added += !head_find(head, file->columns[i].name);
        if (i < head->column_count && strcmp(head->columns[i].name, file->columns[i].name) != 0)
            d.is_moved = true;
    }
    for (size_t i = 0; i < head->column_count; i++) {
        const struct lh_convert_column *now = file_find(file, head->columns[i].name);
        d.removed += !now;
        d.retyped += now && strcmp(now->type, head->columns[i].type) != 0;
    }
    return d;
}

/* ---- the outcome ---- */

static bool
is_exact(const char *min, const char *max)
{
    return min && max && strtod(min, NULL) >= -EXACT_INTEGER && strtod(max, NULL) <= EXACT_INTEGER;
}

/* A type that both sides fit into without loss. */
static const char *
common_type(const struct lh_catalog_column *old, const struct lh_convert_column *now)
{
    if (strcmp(old->type, now->type) == 0)
        return old->type;
    if (strcmp(old->type, "BIGINT") == 0 && strcmp(now->type, "DOUBLE") == 0)
        return is_exact(old->min, old->max) ? "DOUBLE" : "VARCHAR";
    if (strcmp(old->type, "DOUBLE") == 0 && strcmp(now->type, "BIGINT") == 0)
        return is_exact(now->min, now->max) ? "DOUBLE" : "VARCHAR";
    return "VARCHAR";
}

static void
outcome_add(struct schema_plan *p, const char *name, const char *type)
{
    p->names[p->count] = name;
    p->types[p->count++] = type;
}

static void
outcome_of_file(struct schema_plan *p, const struct lh_convert_result *file)
{
    for (size_t i = 0; i < file->column_count; i++)
        outcome_add(p, file->columns[i].name, file->columns[i].type);
}

static void
outcome_of_both(struct schema_plan *p, const struct lh_snapshot *head,
                const struct lh_convert_result *file)
{
    for (size_t i = 0; i < head->column_count; i++) {
        const struct lh_convert_column *now = file_find(file, head->columns[i].name);
        outcome_add(p, head->columns[i].name,
                    now ? common_type(&head->columns[i], now) : head->columns[i].type);
    }
    for (size_t i = 0; i < file->column_count; i++)
        if (!head_find(head, file->columns[i].name))
            outcome_add(p, file->columns[i].name, file->columns[i].type);
}

void
schema_plan_make(const struct lh_snapshot *head, const struct lh_convert_result *file,
                 const struct ingest_request *request, struct lh_arena *arena,
                 struct schema_plan *out)
{
    size_t room = file->column_count + (head ? head->column_count : 0);
    struct difference d = {0};

    *out = (struct schema_plan){.names = lh_arena_array(arena, room, sizeof(*out->names)),
                                .types = lh_arena_array(arena, room, sizeof(*out->types))};
    if (head)
        d = difference_of(head, file);
    out->has_drift = d.added + d.removed + d.retyped > 0;
    if (!head || (request->mode == INGEST_REPLACE && out->has_drift))
        outcome_of_file(out, file);
    else
        outcome_of_both(out, head, file);
    if (request->mode == INGEST_UPSERT)
        out->shape = SCHEMA_MERGE;
    else if (!head || (request->mode == INGEST_REPLACE && out->has_drift))
        out->shape = SCHEMA_AS_IS;
    else if (d.added + d.retyped > 0)
        out->shape = SCHEMA_MERGE;
    else
        out->shape = d.removed > 0 || d.is_moved ? SCHEMA_ARRANGE : SCHEMA_AS_IS;
}

lh_status
schema_gate(const struct lh_snapshot *head, const struct lh_convert_result *file,
            const struct ingest_request *request, const struct schema_plan *plan,
            struct lh_error *err)
{
    LH_AUTO_BUF(extra, LH_BUF_UNLIMITED);
    struct lh_json_writer w = lh_json_writer_over(&extra);
    struct difference d;

    if (!plan->has_drift || request->may_evolve)
        return LH_OK;
    d = difference_of(head, file);
    schema_drift_print(head, file, &w);
    lh_fail(err, LH_CONFLICT, "catalog.schema_drift",
            "the file does not have the columns of \"%s\": %zu added, %zu removed, %zu retyped; "
            "evolve=true allows it",
            head->dataset, d.added, d.removed, d.retyped);
    lh_error_extra_set(err, lh_buf_cstr(&extra));
    return LH_CONFLICT;
}

/* ---- statistics ---- */

static int
bound_compare(const char *type, const char *a, const char *b)
{
    int64_t x, y;
    double p, q;

    if (strcmp(type, "VARCHAR") == 0 || strncmp(type, "TIME", 4) == 0 || strcmp(type, "DATE") == 0)
        return strcmp(a, b);
    if (lh_str_i64(lh_str_of(a), &x) && lh_str_i64(lh_str_of(b), &y))
        return (x > y) - (x < y);
    p = strtod(a, NULL);
    q = strtod(b, NULL);
    return (p > q) - (p < q);
}

/* A side without values has no say; a side with values and without a bound makes the bound unknown.
 */
static const char *
bound_join(const char *type, const char *old, const char *now, int wanted)
{
    if (!old || !now)
        return NULL;
    return bound_compare(type, now, old) * wanted > 0 ? now : old;
}

void
schema_columns_join(const struct lh_snapshot *head, const struct lh_convert_result *file,
                    struct lh_catalog_column *out)
{
    for (size_t i = 0; i < head->column_count; i++) {
        const struct lh_catalog_column *old = &head->columns[i];
        const struct lh_convert_column *now = &file->columns[i];
        bool old_is_empty = old->null_count >= head->rows,
             now_is_empty = now->null_count >= file->rows;
        out[i] = (struct lh_catalog_column){
            .name = old->name,
            .type = old->type,
            .null_count = old->null_count + now->null_count,
            .min = old_is_empty   ? now->min
                   : now_is_empty ? old->min
                                  : bound_join(old->type, old->min, now->min, -1),
            .max = old_is_empty   ? now->max
                   : now_is_empty ? old->max
                                  : bound_join(old->type, old->max, now->max, 1),
        };
    }
}
