#include "engine/source.h"

#include "engine/instance.h"
#include "engine/lake_fs.h"
#include "engine/rows_parts.h"

struct engine_source {
    const char *as_written;
    struct engine_source_view view;
    struct engine_hot_entry *hot; /* NULL: from its objects */
};

/* ---- as SQL ---- */

/* No objects, no rows, but columns that bind: SELECT NULL::TYPE AS name … WHERE false. */
static void
select_empty(const struct lh_statement_source *source, struct lh_buf *sql)
{
    lh_buf_add_cstr(sql, "SELECT ");
    for (size_t i = 0; i < source->column_count; i++) {
        lh_buf_printf(sql, "%sNULL::%s AS ", i > 0 ? ", " : "", source->column_types[i]);
        engine_quote_name(sql, lh_str_of(source->column_names[i]));
    }
    lh_buf_add_cstr(sql, " WHERE false");
}

static struct lh_rows
rows_of(const struct lh_statement_source *source)
{
    return (struct lh_rows){.uris = source->uris,
                            .uri_count = source->uri_count,
                            .column_names = source->column_names,
                            .column_types = source->column_types,
                            .column_count = source->column_count,
                            .erasure = source->erasure};
}

void
engine_source_select(const struct lh_statement_source *source, struct lh_buf *sql)
{
    struct lh_rows rows = rows_of(source);

    if (source->uri_count == 0) {
        select_empty(source, sql);
        return;
    }
    if (source->erasure) {
        engine_rows_select(&rows, NULL, sql);
        return;
    }
    lh_buf_add_cstr(sql, "SELECT * FROM read_parquet([");
    for (size_t i = 0; i < source->uri_count; i++) {
        if (i > 0)
            lh_buf_add_char(sql, ',');
        engine_quote_literal(sql, lh_str_of(source->uris[i]));
    }
    lh_buf_add_cstr(sql, "], hive_partitioning = false");
    lh_buf_add_cstr(sql, source->uri_count > 1 ? ", union_by_name = true)" : ")");
}

/* ---- as a list ---- */

static const char *const *
uris_copy(struct engine_sources *s, struct lh_arena *arena,
          const struct lh_statement_source *source)
{
    const char **own = s->uris + s->uri_count;

    for (size_t i = 0; i < source->uri_count; i++)
        own[i] = lh_arena_cstr(arena, lh_str_of(source->uris[i]));
    s->uri_count += source->uri_count;
    return own;
}

/* Rows without those that tombstones hide: a statement of its own, which opens the values too. */
static void
erased_copy(struct engine_sources *s, struct engine_source *to, struct lh_arena *arena,
            const struct lh_statement_source *from)
{
    LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);

    engine_source_select(from, &sql);
    to->view.select = lh_arena_cstr(arena, lh_buf_str(&sql));
    (void)uris_copy(s, arena, from);
    s->uris[s->uri_count++] = lh_arena_cstr(arena, lh_str_of(from->erasure->values_uri));
}

static void
source_copy(struct engine_sources *s, struct engine_source *to, struct lh_engine *e,
            struct lh_arena *arena, const struct lh_statement_source *from)
{
    LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);

    to->as_written = lh_arena_cstr(arena, from->as_written);
    to->hot = engine_hot_use(e, from->dataset, from->version, from->erased);
    if (to->hot) {
        to->view.select = engine_hot_select(to->hot);
    } else if (from->uri_count == 0) {
        select_empty(from, &sql);
        to->view.select = lh_arena_cstr(arena, lh_buf_str(&sql));
    } else if (from->erasure) {
        erased_copy(s, to, arena, from);
    } else {
        to->view.uris = uris_copy(s, arena, from);
        to->view.uri_count = from->uri_count;
    }
}

void
engine_sources_init(struct engine_sources *s, struct lh_engine *e, struct lh_arena *arena,
                    const struct lh_statement_source *sources, size_t count)
{
    size_t uri_count = 0;

    for (size_t i = 0; i < count; i++)
        uri_count += sources[i].uri_count + 1; /* and the values of its tombstones */
    *s = (struct engine_sources){
        .items = lh_arena_array(arena, count + 1, sizeof(*s->items)),
        .count = count,
        .uris = lh_arena_array(arena, uri_count + 1, sizeof(*s->uris)),
    };
    for (size_t i = 0; i < count; i++)
        source_copy(s, &s->items[i], e, arena, &sources[i]);
}

void
engine_sources_fini(struct engine_sources *s, struct lh_engine *e)
{
    for (size_t i = 0; i < s->count; i++)
        engine_hot_release(e, s->items[i].hot);
    *s = (struct engine_sources){0};
}

/* Called by the replacement scan, on the thread that binds. */
bool
engine_source_find(struct engine_connection *c, const char *name, struct engine_source_view *out)
{
    const struct engine_sources *s = c->sources;

    for (size_t i = 0; s && i < s->count; i++) {
        if (strcmp(s->items[i].as_written, name) == 0) {
            *out = s->items[i].view;
            return true;
        }
    }
    return false;
}
