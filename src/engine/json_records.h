/*
 * json_records: the records of a JSON file: lines, the elements of an array, or values one after
 * the other.
 *
 * An object is a record whose members are fields. When the first record is no object, every record
 * is one field named "value". A line or element that is no JSON is rejected; damage to the array
 * itself (no comma, no end) makes the file unreadable, because what follows cannot be told.
 *
 * Fields are found by name in a table that json_records_discover fills in order of first
 * appearance. A record with a field that the table does not know sets has_unknown in the cursor's
 * place: discover the whole file, then read again.
 */
#ifndef LH_ENGINE_JSON_RECORDS_H
#define LH_ENGINE_JSON_RECORDS_H

#include <stdatomic.h>
#include "base/arena.h"
#include "engine/record_reader.h"

#define JSON_FIELDS_MAX 16384

enum json_layout { JSON_LINES, JSON_ELEMENTS, JSON_VALUES };

struct json_name {
    lh_str text; /* unescaped */
    uint64_t hash;
};

struct json_records {
    struct record_reader reader; /* first: the pointers are the same */
    enum json_layout layout;
    bool is_value; /* records are no objects */
    const char *start;

    struct json_name *names;
    size_t name_count;
    uint32_t *slots; /* open addressing, index + 1 */
    size_t slot_count;
    struct lh_arena arena;
    atomic_bool has_unknown;

    const char *claimed;
    uint64_t claimed_line;
    uint64_t claimed_index;
    bool is_closed; /* the array's bracket was seen */
};

/* False when the text does not begin like JSON records. `is_lines` is known from outside. */
bool json_layout_sniff(lh_str data, size_t bom, bool is_lines, enum json_layout *out);

void json_records_init(struct json_records *r, lh_str data, size_t bom, enum json_layout layout);
void json_records_fini(struct json_records *r);

/* Adds the names of the records that begin in the first `bytes`. INVALID "ingest.unreadable". */
lh_status json_records_discover(struct json_records *r, size_t bytes, struct lh_error *err);

#endif
