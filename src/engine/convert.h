/*
 * convert: a file of unknown schema becomes typed Parquet.
 *
 * CSV, JSON (an array of objects, or one object), NDJSON and Parquet; gzip and zstd around them;
 * UTF-8 with or without BOM, UTF-16, Latin-1. A column becomes a number, date, timestamp or boolean
 * only if every value is written in that type's canonical form (engine/canonical.h), so no
 * information is lost. Rows that cannot be read go to a rejects Parquet with line, byte offset,
 * column, reason and raw text; rows_in = rows + rows_rejected always.
 *
 * One pass over the file when the types guessed from a sample hold for all of it; a column whose
 * guess fails is widened and the pass repeated. Memory is bounded by the engine's limit whatever
 * the size of the file.
 *
 * Fails    UNSUPPORTED "ingest.unknown_format"; INVALID "ingest.unreadable" (text says what and
 * where), "ingest.types", "ingest.key".
 */
#ifndef LH_ENGINE_CONVERT_H
#define LH_ENGINE_CONVERT_H

#include "base/json.h"
#include "engine/rows.h"

enum lh_file_format {
    LH_FORMAT_AUTO,
    LH_FORMAT_CSV,
    LH_FORMAT_JSON,
    LH_FORMAT_NDJSON,
    LH_FORMAT_PARQUET
};

/* "csv", "json", "ndjson", "parquet", "auto". */
bool lh_file_format_parse(lh_str name, enum lh_file_format *out);
const char *lh_file_format_name(enum lh_file_format f);

struct lh_convert_options {
    const char *path; /* the file, in the spool folder */
    enum lh_file_format format;
    const char *content_type; /* hint, or NULL */
    const char *file_name;    /* hint, or NULL */
    const json_t *types;      /* {"column": "TYPE"} or NULL */
    const char *out_path;     /* Parquet to write, in the spool folder */
    const char *rejects_path; /* rejects Parquet to write when there are any */
    bool is_preview;          /* write nothing; sample rows and types only */
    int header;               /* of CSV: 1 there is one, -1 there is none, 0 find out */
    const char *delimiter;    /* of CSV: one to eight bytes, or NULL to find out */
    const char *const *nulls; /* texts that mean NULL besides the empty one */
    size_t null_count;
    uint64_t unpacked_max; /* bytes out of gzip or zstd; 0: 64 GiB */
    /* Target schema of an append or upsert: columns by name get these types when every value fits.
     * NULL for none. */
    const char *const *want_names;
    const char *const *want_types;
    size_t want_count;
};

struct lh_convert_column {
    const char *name;
    const char *type;
    uint64_t null_count;
    const char *min, *max; /* text or NULL */
};

struct lh_convert_result {
    enum lh_file_format format;
    uint64_t rows_in, rows, rows_rejected;
    struct lh_convert_column *columns;
    size_t column_count;
    bool is_adopted; /* Parquet taken as it is: use the input file itself as the object, out_path
                        was not written */
    char *details; /* JSON object: delimiter, quote, encoding, header, compression, what was guessed
                      again; heap */
    char *sample;  /* of a preview: JSON array of the first rows as objects; heap */
    struct lh_arena arena;
};

/* On failure *out holds nothing; finishing it again is harmless. */
lh_status lh_convert_file(struct lh_engine *work, struct lh_call *call,
                          const struct lh_convert_options *options, struct lh_convert_result *out,
                          struct lh_error *err);
void lh_convert_result_fini(struct lh_convert_result *r);

/*
 * Rows of an upsert: everything of `old` whose key is not in the new file, and the new file
 * (of a repeated key in it, the last row wins). Without a key: all of both, which is how an append
 * changes a schema, or brings a file's columns into a dataset's order. Columns by name; missing
 * ones are NULL. Values that change their type are cast; objects and lists become JSON text where
 * text is wanted. Writes one Parquet to out_path. Rows of the new file with a NULL key are INVALID
 * "ingest.key".
 */
struct lh_merge_options {
    struct lh_rows old; /* without objects: none */
    const char *new_path;
    const char *key_column;          /* NULL: none */
    const char *const *column_names; /* of the outcome, in order */
    const char *const *column_types;
    size_t column_count;
    const char *out_path;
};
lh_status
lh_merge_files(struct lh_engine *work, struct lh_call *call, const struct lh_merge_options *options,
               struct lh_convert_result *out, struct lh_error *err);

/* Rows, size and per-column statistics from the footers of Parquet objects or files, without
 * reading their pages. */
lh_status
lh_footer_statistics(struct lh_engine *work, struct lh_call *call, const char *const *uris,
                     size_t count, struct lh_convert_result *out, struct lh_error *err);
/* The same for rows of which some are hidden: by reading them. */
lh_status
lh_rows_statistics(struct lh_engine *work, struct lh_call *call, const struct lh_rows *rows,
                   struct lh_convert_result *out, struct lh_error *err);
/* Approximate number of distinct values of each column (HyperLogLog); reads the data. `out` has a
 * place for each column. */
lh_status lh_distinct_estimates(struct lh_engine *work, struct lh_call *call,
                                const struct lh_rows *rows, uint64_t *out, struct lh_error *err);

#endif
