/*
 * tables: from the names of a statement to the snapshots and objects they stand for, as this caller
 * sees them.
 *
 * Names match as written; when the catalog has no such name but one that differs in ASCII case
 * only, that one is meant, as SQL has it.
 *
 * Fails    NOT_FOUND "sql.unknown_dataset" (extra: name, near) | "sql.unknown_version"; what the
 *          catalog says otherwise.
 */
#ifndef LH_SERVICES_QUERYD_TABLES_H
#define LH_SERVICES_QUERYD_TABLES_H

#include "engine/sql.h"
#include "services/queryd/queryd.h"

struct query_tables {
    struct lh_snapshot **snapshots; /* one for each table of the statement */
    struct lh_statement_source *sources;
    size_t count;
};

/* Memory comes from the call's arena; query_tables_fini gives the snapshots back. */
lh_status query_tables_init(struct query_tables *t, struct queryd *q, struct lh_call *call,
                            const struct lh_statement *statement, struct lh_error *err);
void query_tables_fini(struct query_tables *t);
/* The source a snapshot makes, in the arena; its strings borrow from both. */
void query_source_init(struct lh_statement_source *source, struct lh_arena *arena,
                       const struct lh_snapshot *snapshot);
/* An array of {name, version}, each once. */
void query_tables_print(const struct query_tables *t, struct lh_json_writer *w);

/* SHOW TABLES: the names this caller sees, in the arena. */
lh_status query_names(struct queryd *q, struct lh_call *call, const char *const **names,
                      size_t *count, struct lh_error *err);

#endif
