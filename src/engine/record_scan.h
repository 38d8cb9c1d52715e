/*
 * record_scan: a table function of the work engine whose rows are made by C code, by many threads,
 * in order.
 *
 * `SELECT * FROM lh_records(id)` asks the scan registered under that id for chunks. Each thread has
 * a local state and names the batch its chunk belongs to; batches are what lets DuckDB write
 * Parquet from all threads and still keep the order of the file. The C API has table functions but
 * no batches, so this one door (record_scan.cc) is C++.
 *
 * Fails    a failing `fill` ends the statement; the scan keeps its own error, DuckDB's text only
 * repeats it. Threads  local states belong to one thread each; `local_new` and `fill` are called
 * from DuckDB's threads.
 */
#ifndef LH_ENGINE_RECORD_SCAN_H
#define LH_ENGINE_RECORD_SCAN_H

#include <duckdb.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "base/status.h"

struct record_scan_context; /* of the running statement; lent to `fill` for record_scan_cast */

struct record_scan {
    void *self;
    void *(*local_new)(void *self);
    void (*local_free)(void *local);
    /* Fills rows of one batch; *rows 0: this thread is done. A local's batches ascend. */
    lh_status (*fill)(void *local, struct record_scan_context *context, duckdb_data_chunk chunk,
                      size_t *rows, uint64_t *batch, struct lh_error *err);
    const char *const *names;
    const duckdb_logical_type *types;
    size_t column_count;
    size_t threads_max;
};

/* Makes lh_records known to the database of this connection; again is harmless. */
lh_status record_scan_install(duckdb_connection connection, struct lh_error *err);

/* The scan is borrowed until it is removed. */
uint64_t record_scan_add(const struct record_scan *scan);
void record_scan_remove(uint64_t id);

/* Casts texts as SQL does; a text that does not cast becomes NULL in `to`. False: the types have no
 * cast. */
bool record_scan_cast(struct record_scan_context *context, duckdb_vector from, duckdb_vector to,
                      size_t count);

/* Keeps only the rows named, in that order. */
void record_scan_keep(duckdb_data_chunk chunk, const uint32_t *rows, size_t count);

#ifdef __cplusplus
}
#endif

#endif
