/*
 * csv_records: the records of a delimited text file.
 *
 * A quote opens a field only at its beginning, and its partner must stand before a delimiter or
 * line end. When it does not, the record is rejected and reading goes on with the line after the
 * quote that is at fault, so that one stray quote costs one line and not the rest of the file.
 * docs/decisions/csv-reader.md says why DuckDB's reader is not used.
 */
#ifndef LH_ENGINE_CSV_RECORDS_H
#define LH_ENGINE_CSV_RECORDS_H

#include "engine/csv_dialect.h"
#include "engine/record_reader.h"

struct csv_records {
    struct record_reader reader; /* first: the pointers are the same */
    struct csv_dialect dialect;
    const char *start; /* after a BOM */
    const char *body;  /* after the header, set by csv_records_init */
    uint64_t body_line;

    const char *claimed; /* end of the last block */
    uint64_t claimed_line;
    uint64_t claimed_index;
};

/* `data` must stay mapped. Reads past a header and the comments before it. */
void
csv_records_init(struct csv_records *r, lh_str data, size_t bom, const struct csv_dialect *dialect);

/* The fields of the header; `fields` has CSV_COLUMNS_MAX places. Returns their number, 0 without a
 * header. */
size_t csv_records_header(const struct csv_records *r, struct record_field *fields);

/* One record, whatever its number of fields (*count; those past c->column_count are not kept).
 * Passes comments and blank lines. */
enum record_verdict csv_record_read(const struct csv_dialect *d, struct record_cursor *c,
                                    const char *file_end, size_t *count);

/* The text of a FIELD_ESCAPED without its escapes; `to` has room for field.len bytes. Returns the
 * length. */
size_t csv_field_unescape(const struct csv_dialect *d, const struct record_field *field, char *to);

#endif
