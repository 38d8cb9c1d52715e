/*
 * lake_fs: the seam between DuckDB's C++ and this folder's C.
 *
 * Calls downwards (into C++) register the file system and the replacement scan and read what the C
 * API of DuckDB hides. Calls upwards (into lake_io.c and sql.c) open and read. Only plain C types
 * cross, so the C++ files include none of the other rooms' headers. No exception crosses: every
 * function here catches.
 */
#ifndef LH_ENGINE_LAKE_FS_H
#define LH_ENGINE_LAKE_FS_H

#ifdef __cplusplus
extern "C" {
#endif

#include <duckdb.h>
#include <stdbool.h>
#include <stdint.h>

struct engine_connection;
struct engine_reads;
struct engine_file;

/* ---- C++ side ---- */

/* Once for each database, before any connection. False: DuckDB refused. */
bool engine_lake_register(duckdb_database db);
/* Ties `c` to the connection's context: names and files of its statements are resolved through it.
 */
bool engine_lake_attach(duckdb_connection connection, struct engine_connection *c);
/*
 * One statement, parsed but not bound. The C API can only prepare and then execute, and for a scan
 * of Parquet files DuckDB binds in both: every file is looked at twice. Started from here it binds
 * once. NULL from engine_parsed_new: it failed, and engine_fault says how.
 */
struct engine_parsed;
struct engine_fault {
    duckdb_error_type type;
    int64_t position; /* byte offset, or -1 */
    char text[512];
};
struct engine_parsed *
engine_parsed_new(duckdb_connection connection, const char *sql, struct engine_fault *fault);
void engine_parsed_free(struct engine_parsed *p);
uint64_t engine_parsed_params(const struct engine_parsed *p);
/* Sets $name ("1" for the first without a name); false when the statement has no such parameter. */
bool engine_parsed_set(struct engine_parsed *p, const char *name, duckdb_value value);
/* Binds and begins to execute; once. NULL: failed. Caller duckdb_destroy_pending. */
duckdb_pending_result
engine_parsed_start(struct engine_parsed *p, bool is_streaming, struct engine_fault *fault);

/* The connection whose statement is bound in this context; NULL: none of ours. */
struct engine_connection *engine_context_connection(duckdb_client_context context);

/* Forgets the cached footer of a file. */
void engine_footer_forget(duckdb_connection connection, const char *uri);

/* ---- C side: files (lake_io.c) ---- */

struct engine_reads *engine_connection_reads(struct engine_connection *c);

/* NULL when refused or failed: the reason is in *text (512 bytes) for DuckDB, and remembered for
 * us. */
struct engine_file *
engine_file_open(struct engine_reads *r, const char *uri, bool is_write, char *text);
void engine_file_close(struct engine_file *f);
bool engine_file_read(struct engine_file *f, void *to, uint64_t n, uint64_t offset, char *text);
bool
engine_file_write(struct engine_file *f, const void *from, uint64_t n, uint64_t offset, char *text);
uint64_t engine_file_size(const struct engine_file *f);
int64_t engine_file_modified_us(const struct engine_file *f);
/* The ETag; "" for mem://. Borrowed. */
const char *engine_file_tag(const struct engine_file *f);

/* ---- C side: names (source.c) ---- */

/* What a name of the current statement stands for; all borrowed from the statement. */
struct engine_source_view {
    const char *const *uris;
    uint64_t uri_count;
    const char *select; /* a whole SELECT instead of files, or NULL */
};
bool
engine_source_find(struct engine_connection *c, const char *name, struct engine_source_view *out);

#ifdef __cplusplus
}
#endif

#endif
