/*
 * convert_rejects: the rows of a file that could not be read, gathered by many threads, written as
 * one Parquet.
 *
 * They wait in a table of the work engine, which spills to disk when there are many, and leave in
 * the order of the file: line BIGINT, byte_offset BIGINT, column_name VARCHAR, reason VARCHAR, raw
 * VARCHAR. Bytes of `raw` that are not UTF-8 become U+FFFD; more than 1 MiB of one record is cut.
 *
 * Threads  add from any thread; the rest from one.
 */
#ifndef LH_ENGINE_CONVERT_REJECTS_H
#define LH_ENGINE_CONVERT_REJECTS_H

#include "engine/connection.h"

struct convert_rejects;

struct convert_reject {
    uint64_t line, offset;
    const char *column; /* NULL: the whole record */
    const char *reason;
    lh_str raw;
};

lh_status convert_rejects_new(struct lh_engine *e, struct lh_call *call,
                              struct convert_rejects **out, struct lh_error *err);
void convert_rejects_free(struct convert_rejects *r);
LH_AUTO_DEFINE(convert_rejects)

void convert_rejects_add(struct convert_rejects *r, const struct convert_reject *reject);
/* Forgets all: the file is read once more. */
lh_status convert_rejects_clear(struct convert_rejects *r, struct lh_error *err);
lh_status convert_rejects_write(struct convert_rejects *r, const char *path, struct lh_error *err);

#endif
