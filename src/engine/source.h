/*
 * source: what a name of a statement stands for, as SQL and as a list; for files of this folder.
 */
#ifndef LH_ENGINE_SOURCE_H
#define LH_ENGINE_SOURCE_H

#include "engine/hot.h"
#include "engine/sql.h"

/* The sources of one statement, copied. Lives as long as the statement. */
struct engine_sources {
    struct engine_source *items;
    size_t count;
    const char **uris; /* of all of them: what the statement may open */
    size_t uri_count;
};

/* Copies into the arena and takes the hot tables. A source used hot needs no objects, so none are
 * allowed for it. */
void engine_sources_init(struct engine_sources *s, struct lh_engine *e, struct lh_arena *arena,
                         const struct lh_statement_source *sources, size_t count);
void engine_sources_fini(struct engine_sources *s, struct lh_engine *e);

/* A SELECT of the source's rows from its objects, or of none with the right columns, appended. */
void engine_source_select(const struct lh_statement_source *source, struct lh_buf *sql);

#endif
