/*
 * record_reader: what the readers of CSV and of JSON have in common: a file in memory, cut into
 * blocks, cut into records, cut into fields.
 *
 * Blocks are claimed one after the other under the caller's lock; where one ends is found by a
 * quick pass that knows only about quotes or nesting, so that many threads can parse different
 * blocks. Within a block one thread calls `next` until RECORD_NONE. Both passes use the same rules,
 * so a record never straddles two blocks and the number of records does not depend on threads.
 *
 * Fields point into the file and are valid as long as it is mapped. Positions are of the decoded
 * file: offsets from 0, lines from 1.
 */
#ifndef LH_ENGINE_RECORD_READER_H
#define LH_ENGINE_RECORD_READER_H

#include "base/status.h"
#include "base/str.h"

#define RECORD_BLOCK_BYTES ((size_t)2 << 20)
#define RECORD_BYTES_MAX ((size_t)64 << 20) /* one record */
#define RECORD_REASON_MAX 160

enum field_kind {
    FIELD_NULL,
    FIELD_TEXT,        /* as it stands */
    FIELD_QUOTED,      /* CSV, between quotes, nothing to unescape */
    FIELD_ESCAPED,     /* CSV, between quotes, with escapes inside */
    FIELD_JSON_STRING, /* between quotes, with or without escapes */
    FIELD_JSON_NUMBER,
    FIELD_JSON_BOOL,
    FIELD_JSON_NESTED, /* object or array, raw */
};

struct record_field {
    const char *ptr;
    uint32_t len;
    uint8_t kind;
    bool has_escapes; /* of FIELD_JSON_STRING */
};

struct record_block {
    const char *begin, *end;
    uint64_t index;
    uint64_t line; /* of begin */
};

enum record_verdict { RECORD_NONE, RECORD_ROW, RECORD_REJECTED };

/* The place of one thread in its block, and the record it has just read. */
struct record_cursor {
    const char *at, *end;
    uint64_t line; /* of at */

    const char *record; /* its first byte */
    const char *record_end;
    uint64_t record_line;

    struct record_field *fields; /* column_count of them */
    size_t column_count;

    char reason[RECORD_REASON_MAX]; /* of RECORD_REJECTED */
    size_t bad_column;              /* SIZE_MAX when the whole record is at fault */
};

struct record_reader {
    const char *data; /* the mapped file */
    size_t size;
    size_t block_bytes; /* about how large a block is; a record is never cut */
    /* The next block, or false at the end of the file. Callers take turns. */
    lh_status (*claim)(struct record_reader *r, struct record_block *block, bool *is_end,
                       struct lh_error *err);
    enum record_verdict (*next)(const struct record_reader *r, struct record_cursor *c);
    void (*rewind)(struct record_reader *r);
};

static inline uint64_t
record_offset(const struct record_reader *r, const struct record_cursor *c)
{
    return (uint64_t)(c->record - r->data);
}

/* Bytes equal to `c` in [p, end). */
uint64_t record_count_char(const char *p, const char *end, char c);

#endif
