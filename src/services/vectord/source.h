/*
 * source: a dataset as texts to be indexed: which rows, which columns, how they are cut.
 *
 * The rows are read through queryd with the eyes of whoever asked, page by page from one version.
 * Text columns are joined by line ends; a chunk's `_start` and `_end` are bytes in that text. All
 * other columns become metadata, beside `_dataset`, `_row` and, of chunks, `_chunk`, `_start` and
 * `_end`.
 *
 * Fails    INVALID "vectors.source", and as POST /v1/sql does.
 */
#ifndef LH_SERVICES_VECTORD_SOURCE_H
#define LH_SERVICES_VECTORD_SOURCE_H

#include "services/vectord/commit.h"
#include "services/vectord/vectord.h"

enum { VECTOR_COLUMNS_MAX = 32, VECTOR_PAGE_ROWS = 2000 };

struct vector_source {
    lh_str dataset, id_column, where;
    uint64_t version; /* 0: the head */
    lh_str text_columns[VECTOR_COLUMNS_MAX], metadata_columns[VECTOR_COLUMNS_MAX];
    size_t text_count, metadata_count;
    bool is_chunked, has_metadata_columns;
    int64_t chunk_size, chunk_overlap;
    bool has_tombstones; /* pages are put in order: what hides rows leaves them in none */
    uint64_t page_rows;  /* of the next page; 0: as many as may be */
};

/* As an identifier of SQL: in quotes, those of its own doubled. */
void vector_sql_name_print(struct lh_buf *sql, lh_str name);

/* Reads its members of `object`; strings are copied into the arena. */
lh_status vector_source_read(const json_t *object, struct lh_arena *arena,
                             struct vector_source *out, struct lh_error *err);
/* As members of the open object, with the version. */
void vector_source_print(const struct vector_source *s, struct lh_json_writer *w);
/* Looks at the dataset: pins the version, checks the columns, fills metadata_columns. */
lh_status vector_source_resolve(struct vectord *v, struct lh_call *call, struct vector_source *s,
                                struct lh_error *err);
lh_status vector_source_count(struct vectord *v, struct lh_call *call,
                              const struct vector_source *s, uint64_t *rows, struct lh_error *err);

/* Items of a page: rows without vectors, in the arena. */
struct vector_page {
    struct vector_row *rows;
    size_t count;
    size_t source_rows;
    bool is_last;
    size_t skipped; /* rows without an id or a text */
};
/* Which tombstones hide rows now (lh_snapshot.erased); 0 for a dataset that is hidden or unknown.
 * When that changes between two pages, rows have moved up and the offset is no longer good. */
lh_status
vector_source_erased(struct vectord *v, struct lh_call *call, const struct vector_source *s,
                     uint64_t *erased, struct lh_error *err);

/* What the metadata of every item of a dataset begins with, and nothing put in by hand. */
lh_str vector_source_mark(lh_str dataset, struct lh_arena *arena);
static inline bool
vector_source_is_of(lh_str mark, lh_str metadata)
{
    return metadata.ptr && lh_str_starts(metadata, mark);
}

/* Rows from `offset` on: fewer of them where texts are so long that an answer would be too big. */
lh_status vector_source_page(struct vectord *v, struct lh_call *call, struct vector_source *s,
                             uint64_t offset, struct lh_arena *arena, struct vector_page *out,
                             struct lh_error *err);

#endif
