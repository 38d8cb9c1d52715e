/*
 * convert_scan: a file as a table: records read, checked and typed by DuckDB's threads, in the
 * order of the file.
 *
 * One scan is run several times at most. It *guesses* on a sample or on all of the file, and it
 * *writes* with the types that followed. A value that does not fit its column's type while writing
 * is a surprise: the run ends, the caller guesses on the whole file and writes again. A value that
 * does not fit a type the caller asked for rejects its row instead.
 */
#ifndef LH_ENGINE_CONVERT_SCAN_H
#define LH_ENGINE_CONVERT_SCAN_H

#include <pthread.h>
#include <stdatomic.h>
#include "engine/convert_rejects.h"
#include "engine/convert_type.h"
#include "engine/record_scan.h"

struct convert_column {
    const char *name;
    struct guess guess;
    struct convert_type type;
    duckdb_logical_type logical; /* of `type`, or of what CONVERT_CAST casts to */
    const char *type_name;       /* as to be told */
    bool is_forced;              /* by the caller: what does not cast is a reject */
    bool is_wanted;              /* by the target's schema: what does not cast is a surprise */
    bool is_refused;             /* a value did not fit what was wanted */
    atomic_bool is_surprised;
};

struct convert_scan {
    struct lh_call *call;
    struct record_reader *reader;
    const struct csv_dialect *dialect; /* NULL for JSON */
    struct convert_column *columns;
    size_t column_count;
    const lh_str *nulls; /* texts that mean NULL, besides the empty one */
    size_t null_count;
    struct convert_rejects *rejects;
    size_t threads_max;
    struct lh_arena *arena; /* of merged guesses */

    struct {
        pthread_mutex_t lock;
        struct lh_error error; /* the first one that ended a run */
        bool is_ended;
    } state;
    pthread_mutex_t claim_lock;
    atomic_bool is_surprised;
    atomic_uint_fast64_t rows, rows_rejected;
    atomic_uint_fast64_t not_utf8, beyond_ascii; /* records; blocks or records */
};

void convert_scan_init(struct convert_scan *s);
void convert_scan_fini(struct convert_scan *s); /* columns' logical types included */

/* Guesses on the first block, on this thread. */
lh_status convert_scan_sample(struct convert_scan *s, struct lh_error *err);
/* Guesses on everything, on all threads. */
lh_status
convert_scan_guess(struct convert_scan *s, struct engine_connection *c, struct lh_error *err);
/* Runs `sql_before` || lh_records(id) || `sql_after`. CONFLICT "convert.surprise" when types must
 * be guessed again. */
lh_status
convert_scan_write(struct convert_scan *s, struct engine_connection *c, const char *sql_before,
                   const char *sql_after, duckdb_result *result, struct lh_error *err);

#endif
