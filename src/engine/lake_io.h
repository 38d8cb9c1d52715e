/*
 * lake_io: what DuckDB's file system may open, and how its reads reach store. The C half of
 * lake_fs.cc.
 *
 * Each connection has one `struct engine_reads`: the call on whose behalf it runs, the objects its
 * statement may open, what was read, and the first failure of store. DuckDB's own threads read too,
 * so everything here is guarded; a call is not, so each open file carries a call of its own with
 * the deadline, principal and trace of the statement's, canceled together with it.
 *
 * DuckDB opens an object once to bind and once more in each thread that scans. Those that are open
 * at the same time share one reader of store: a statement reads one version of an object, and a
 * remote bucket is asked once.
 *
 * Names    lake://<bucket>/<key>  an object; on the query engine only those bound to the statement
 *          mem://<id>             bytes of this process that a connection hands to its own
 *                                 statement or takes from it: a buffer (engine/table.h) or a file
 *                                 of the spool folder (Parquet answers). Ids are never reused.
 */
#ifndef LH_ENGINE_LAKE_IO_H
#define LH_ENGINE_LAKE_IO_H

#include <pthread.h>
#include <stdatomic.h>
#include <duckdb.h>
#include "base/buf.h"
#include "store/store.h"

/* The one mem:// file of a connection. */
struct engine_mem {
    uint64_t id;          /* 0: none */
    struct lh_buf *write; /* a writer appends here, or */
    int write_fd;         /* writes at offsets here when >= 0 */
    uint64_t write_max;   /* bytes; 0: unlimited */
    lh_bytes read;        /* a reader sees this */
};

struct engine_reads {
    struct lh_store *store;
    struct lh_call *call;           /* NULL: none */
    bool is_restricted;             /* query engine: only `allowed` */
    struct engine_footers *footers; /* query engine; NULL: DuckDB keeps none */
    duckdb_connection connection;
    struct {
        pthread_mutex_t lock;
        const char *const *allowed;
        size_t allowed_count;
        size_t allowed_hint;       /* where the last one stood: files are opened mostly in order */
        struct engine_file *files; /* open now */
        struct engine_object *objects;
        struct lh_error failure; /* the first of this statement */
    } shared;
    struct engine_mem mem;
    const char *_Atomic rescued_by; /* the bucket that stood in for another; NULL: none */
    atomic_uint_fast64_t bytes, requests;
    struct lh_read_tally tally; /* of those, what remote buckets and caches answered */
};

void engine_reads_init(struct engine_reads *r, struct lh_store *store, bool is_restricted);
void engine_reads_fini(struct engine_reads *r);
/* For a new statement: forgets the failure, zeroes the counters. */
void engine_reads_reset(struct engine_reads *r);
/* Everything that is open learns that nobody waits any more. */
void engine_reads_cancel(struct engine_reads *r);
/* Borrowed until replaced by another list or by none (NULL). */
void engine_reads_allow(struct engine_reads *r, const char *const *uris, size_t count);
/* Remembers a failure of something else that the statement leans on; the first stays. */
void engine_reads_fail(struct engine_reads *r, const struct lh_error *err);
/* True, and *err filled, when a read failed since the reset. */
bool engine_reads_failure(struct engine_reads *r, struct lh_error *err);
/* A name for the connection's mem:// file: "mem://7". `text` has room for ENGINE_MEM_NAME. */
#define ENGINE_MEM_NAME 32
char *engine_mem_begin(struct engine_reads *r, char text[ENGINE_MEM_NAME]);
void engine_mem_end(struct engine_reads *r);

#endif
