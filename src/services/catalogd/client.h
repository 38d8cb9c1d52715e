/*
 * catalogd client: what other services ask the catalog.
 *
 * A snapshot is one version of a dataset: its columns and the objects that hold its rows. Versions
 * never change, so the client keeps snapshots it has seen and asks catalogd only which version is
 * the head; a query over an unchanged dataset costs one small call. Rows that were deleted by key
 * are hidden in every version, older ones too, so what a snapshot shows depends on the newest
 * tombstones; the head tells which these are.
 *
 * Owns     a snapshot is shared and counted: lh_snapshot_unref when done. All strings live as long
 *          as it.
 * Threads  a client may be used by all threads; a snapshot never changes.
 * Fails    NOT_FOUND "catalog.unknown_dataset" (extra: near names) | "catalog.unknown_version" |
 *          "catalog.version_collected" (extra: oldest, newest; HTTP 410);
 *          CONFLICT "catalog.schema_drift" (extra: added, removed, retyped) |
 *          "catalog.version_taken" | "catalog.writer_expired"; INVALID "catalog.name" |
 *          "catalog.snapshot" (a rule of docs/formats/manifest.md) | "catalog.object" (not there,
 *          or of another size); BUSY "catalog.collecting"; TOO_BIG; CORRUPT "catalog.manifest".
 */
#ifndef LH_SERVICES_CATALOGD_CLIENT_H
#define LH_SERVICES_CATALOGD_CLIENT_H

#include "base/hash.h"
#include "engine/rows.h"
#include "net/mesh.h"

struct lh_catalog_column {
    const char *name;
    const char *type; /* DuckDB SQL type: "VARCHAR", "STRUCT(a BIGINT, b VARCHAR[])" */
    uint64_t null_count;
    const char *min, *max; /* as text, NULL when not known */
};

struct lh_catalog_file {
    const char *bucket;
    const char *key;
    const char *sha256;     /* hex, of the object */
    const char *ingest_key; /* which ingest brought it: SHA-256 of content and options */
    uint64_t size_bytes;
    uint64_t rows;
};

struct lh_snapshot {
    const char *dataset;
    const char *dataset_id;
    uint64_t version, parent; /* parent 0: none */
    int64_t created_us;
    const char *mode;   /* replace | append | upsert | rollback | resync | tombstone | compact |
                           delete */
    const char *source; /* file name or where it came from */
    const char *content_sha256;
    const char *fingerprint;
    const char *rejects; /* lake:// object of refused rows, or NULL */
    uint64_t rows, rows_rejected, size_bytes;
    uint64_t hidden_rows; /* that the objects have and tombstones hide: not among `rows` */
    uint64_t erased;      /* the version that put the newest tombstones known of; 0: none */
    const struct lh_erasure *erasure; /* how to read the objects without them; NULL: as they are */
    const struct lh_catalog_column *columns;
    size_t column_count;
    const struct lh_catalog_file *files;
    size_t file_count;
    const char *const *ingest_keys; /* everything this version holds */
    size_t ingest_key_count;
    bool is_deleted;
};

struct lh_catalog_client;
struct lh_catalog_client *lh_catalog_client_new(struct lh_mesh *mesh);
void lh_catalog_client_free(struct lh_catalog_client *c);

/* version 0: the head. A hidden dataset is NOT_FOUND. */
lh_status lh_catalog_snapshot(struct lh_catalog_client *c, struct lh_call *call, lh_str dataset,
                              uint64_t version, struct lh_snapshot **out, struct lh_error *err);
/* Whether a version still stands in the bucket, whatever has been remembered of it: for who has
 * found an object of it gone. NOT_FOUND "catalog.version_collected". */
lh_status lh_catalog_snapshot_prove(struct lh_catalog_client *c, struct lh_call *call,
                                    lh_str dataset, uint64_t version, struct lh_error *err);
void lh_snapshot_unref(struct lh_snapshot *s);
static inline void
lh_snapshot_free(struct lh_snapshot *s)
{
    lh_snapshot_unref(s);
}
LH_AUTO_DEFINE(lh_snapshot)

/* Its rows, for the engine: the only way to read them that leaves out what was deleted by key. The
 * arrays live in the arena, the strings in the snapshot. */
struct lh_rows lh_snapshot_rows(const struct lh_snapshot *s, struct lh_arena *arena);

/* Names visible to this principal, for near-name hints and SHOW TABLES: a JSON array of {name,
 * version, rows, columns}. */
lh_status lh_catalog_names(struct lh_catalog_client *c, struct lh_call *call, json_t **out,
                           struct lh_error *err);

/* The datasets of which any version names an object in that bucket: a JSON array of names. */
lh_status lh_catalog_bucket_datasets(struct lh_mesh *mesh, struct lh_call *call, lh_str bucket,
                                     json_t **out, struct lh_error *err);

/* A writer in progress: collection spares every key under `_data/<dataset>/` while a writer of the
 * dataset lives. Announce before the first data object is put, end after the commit. A writer that
 * dies expires by itself. */
lh_status lh_catalog_writer_begin(struct lh_catalog_client *c, struct lh_call *call, lh_str dataset,
                                  char writer_id[37], struct lh_error *err);
void
lh_catalog_writer_end(struct lh_catalog_client *c, struct lh_call *call, const char *writer_id);

/* Renews it no longer and lets it expire: for a commit whose end is not known, which may still come
 * about. */
void lh_catalog_writer_leave(struct lh_catalog_client *c, const char *writer_id);

struct lh_catalog_commit {
    const char *dataset;
    const char *writer_id;
    uint64_t expected_head; /* the head this commit was built on; 0: must not exist */
    const char *mode, *source, *content_sha256, *ingest_key, *rejects;
    uint64_t rows_rejected;
    bool may_evolve;
    const struct lh_catalog_column *columns;
    size_t column_count;
    const struct lh_catalog_file *files; /* all files of the new version: kept ones and new ones */
    size_t file_count;
    const char *const *ingest_keys;
    size_t ingest_key_count;
};
/* CONFLICT "catalog.version_taken" when the head moved: read it again and decide. When it returns
 * OK the version is durable, its event is in the journal, and every query sees it. */
lh_status lh_catalog_commit(struct lh_catalog_client *c, struct lh_call *call,
                            const struct lh_catalog_commit *commit, struct lh_snapshot **out,
                            struct lh_error *err);

/* SHA-256 over (name, 0x1F, type, 0x1E) of every column, hex. */
void lh_catalog_fingerprint(const struct lh_catalog_column *columns, size_t count,
                            char out[LH_SHA256_HEX]);

/* [A-Za-z_][A-Za-z0-9_]{0,62}, and not a name that DuckDB keeps for itself. INVALID "catalog.name".
 */
lh_status lh_catalog_name_check(lh_str name, struct lh_error *err);

#endif
