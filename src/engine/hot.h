/*
 * hot: versions of datasets held in memory as DuckDB tables, for files of this folder (the door is
 * lh_hot_load and lh_hot_drop of sql.h).
 *
 * An entry is used by statements while they live. Dropping it takes it from the list at once and
 * drops the table when the last user has gone.
 */
#ifndef LH_ENGINE_HOT_H
#define LH_ENGINE_HOT_H

#include "engine/connection.h"

struct engine_hot;
struct engine_hot_entry;

struct engine_hot *engine_hot_new(void);
void engine_hot_free(struct engine_hot *h);

/* NULL when this version, without the rows that tombstones up to `erased` hide, is not hot. */
struct engine_hot_entry *
engine_hot_use(struct lh_engine *e, lh_str dataset, uint64_t version, uint64_t erased);
void engine_hot_release(struct lh_engine *e, struct engine_hot_entry *entry);
/* The tables are gone: no version is hot any more. */
void engine_hot_forget(struct lh_engine *e);
/* A SELECT over the table. */
const char *engine_hot_select(const struct engine_hot_entry *entry);

#endif
