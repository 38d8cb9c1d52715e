/*
 * sql: one read-only statement of a user, from text to rows.
 *
 * Three steps, so that the caller can look up the catalog in between:
 *
 *   lh_statement_parse   the guard decides and names the datasets;
 *   lh_statement_bind    the caller says which objects each of them is, as this profile sees it;
 *                        nothing is opened yet, but for a PIVOT that must find its values;
 *   lh_statement_run     DuckDB binds and runs; rows stream to a sink in the wanted form, within
 *                        the limits. The sink is called first when the first rows are there, so
 *                        errors of names and types come before any byte of the answer.
 *
 * Names resolve by a replacement scan that knows only this statement's list. Nothing is created in
 * the engine.
 *
 * Fails    as guard.h and engine.h; INVALID "sql.parameters" | "sql.format" (a plan as Parquet);
 *          TOO_BIG "sql.too_many_bytes". Where the place of an error is known, extra holds
 *          {"position","line","column"}: characters from 0, lines and columns from 1.
 * Threads  a statement belongs to one thread; it borrows its call until freed.
 */
#ifndef LH_ENGINE_SQL_H
#define LH_ENGINE_SQL_H

#include "base/json.h"
#include "engine/engine.h"
#include "engine/result.h"
#include "engine/rows.h"

struct lh_statement;

struct lh_statement_table {
    lh_str as_written; /* "workers" or "workers@3" */
    lh_str dataset;
    uint64_t version; /* 0: the head */
};

/* What a table stands for. All strings are copied. */
struct lh_statement_source {
    lh_str as_written;
    lh_str dataset;
    uint64_t version; /* resolved, never 0 */
    /* lake:// Parquet objects; none: a table without rows. Several are matched by column name, and
     * a column that one lacks is NULL there. */
    const char *const *uris;
    size_t uri_count;
    const char *const *column_names; /* the dataset's columns, in order */
    const char *const *column_types;
    size_t column_count;
    const struct lh_erasure *erasure; /* rows that must not be read, or NULL; borrowed */
    uint64_t erased; /* the last tombstones that `erasure` knows of: a hot table with others is not
                        this one */
};

lh_status lh_statement_parse(struct lh_engine *e, struct lh_call *call, lh_str sql,
                             struct lh_statement **out, struct lh_error *err);
void lh_statement_free(struct lh_statement *s);
LH_AUTO_DEFINE(lh_statement)

size_t lh_statement_table_count(const struct lh_statement *s);
struct lh_statement_table lh_statement_table_at(const struct lh_statement *s, size_t i);
/* SHOW TABLES: the caller answers from the catalog, through lh_statement_bind_tables_list. */
bool lh_statement_lists_tables(const struct lh_statement *s);
lh_status lh_statement_bind_tables_list(struct lh_statement *s, const char *const *names,
                                        size_t count, struct lh_error *err);

/* `params`: a JSON array for $1, $2 … or ?, an object for $name, or NULL. */
lh_status lh_statement_bind(struct lh_statement *s, const struct lh_statement_source *sources,
                            size_t source_count, const json_t *params, struct lh_error *err);

struct lh_statement_limits {
    uint64_t rows_max;  /* more rows: cut, and is_truncated */
    uint64_t bytes_max; /* more bytes of answer: TOO_BIG "sql.too_many_bytes" */
};
struct lh_statement_outcome {
    uint64_t row_count;
    uint64_t bytes;
    bool is_truncated;
    uint64_t lake_bytes, lake_requests; /* read from buckets by this statement */
    /* Of those, what moved from remote buckets (opening an object is a request), and what the
     * caches of store had, in pages of 4 KiB. */
    uint64_t remote_bytes, remote_requests, memory_bytes, disk_bytes;
};
lh_status
lh_statement_run(struct lh_statement *s, enum lh_result_format format,
                 const struct lh_statement_limits *limits, const struct lh_result_sink *sink,
                 struct lh_statement_outcome *out, struct lh_error *err);

/* The rescue bucket that answered reads of this statement so far; NULL: none did. The name outlives
 * it. */
const char *lh_statement_rescued_by(const struct lh_statement *s);

/* The hot cache: a version held in memory as a DuckDB table, used instead of its objects until
 * dropped. `size_bytes` is what memory grew by, exact while one load runs at a time. A version that
 * is loaded already stays as it is. */
lh_status
lh_hot_load(struct lh_engine *e, struct lh_call *call, const struct lh_statement_source *source,
            uint64_t *size_bytes, struct lh_error *err);
/* False also after DuckDB had to be started anew, which empties the cache. */
bool lh_hot_has(struct lh_engine *e, lh_str dataset, uint64_t version);
void lh_hot_drop(struct lh_engine *e, lh_str dataset, uint64_t version);

#endif
