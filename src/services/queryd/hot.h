/*
 * hot: which versions are held in memory, and which must go.
 *
 * A pinned dataset is kept loaded at its head: when a statement meets a newer version, a background
 * thread loads that one and the old one goes. What is not pinned goes first when the budget
 * (query.hot_max) is needed, least recently used first. The cache is speed, not truth: a version
 * that is not here is read from its objects.
 *
 * Threads  all functions from any thread; one load at a time.
 * Fails    TOO_BIG "query.hot_full"; what the catalog and the engine say.
 */
#ifndef LH_SERVICES_QUERYD_HOT_H
#define LH_SERVICES_QUERYD_HOT_H

#include "base/json.h"
#include "services/queryd/queryd.h"

struct query_hot;

struct query_hot *query_hot_new(struct queryd *q, uint64_t bytes_max);
/* Stops the background thread; the engine may already be about to close, so nothing is dropped. */
void query_hot_free(struct query_hot *h);

/* Loads the head of the dataset and keeps it. */
lh_status
query_hot_pin(struct query_hot *h, struct lh_call *call, lh_str dataset, struct lh_error *err);
/* Unpins and drops one dataset, or all with an empty name; returns how many versions went. */
size_t query_hot_evict(struct query_hot *h, lh_str dataset);
/* These versions are about to be read: counts hits and misses and sees to pinned datasets that
 * moved on. */
void query_hot_note(struct query_hot *h, struct lh_engine *engine,
                    struct lh_snapshot *const *snapshots, size_t count);

/* An object: bytes, bytes_max, hits, misses, loads, entries [{dataset, version, bytes, pinned,
 * hits}]. */
void query_hot_print(struct query_hot *h, struct lh_json_writer *w, bool with_entries);

#endif
