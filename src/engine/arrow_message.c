#include "engine/arrow_message.h"

#include <stdlib.h>

#include "base/alloc.h"

/* Numbers of the format's schema files. */
enum { VERSION_V5 = 4 };
enum { HEADER_SCHEMA = 1, HEADER_DICTIONARY = 2, HEADER_BATCH = 3 };
enum {
    TYPE_NULL = 1,
    TYPE_INT = 2,
    TYPE_FLOAT = 3,
    TYPE_BINARY = 4,
    TYPE_UTF8 = 5,
    TYPE_BOOL = 6,
    TYPE_DECIMAL = 7,
    TYPE_DATE = 8,
    TYPE_TIME = 9,
    TYPE_TIMESTAMP = 10,
    TYPE_INTERVAL = 11,
    TYPE_LIST = 12,
    TYPE_STRUCT = 13,
    TYPE_UNION = 14,
    TYPE_FIXED_BINARY = 15,
    TYPE_FIXED_LIST = 16,
    TYPE_MAP = 17,
};
enum { UNIT_SECOND, UNIT_MILLI, UNIT_MICRO, UNIT_NANO };
enum { PRECISION_SINGLE = 1, PRECISION_DOUBLE = 2, DATE_DAY = 0, INTERVAL_MONTH_DAY_NANO = 2 };

struct typed {
    uint8_t type;
    arrow_place place;
};

struct schema_walk {
    struct arrow_flatbuffer *b;
    int64_t dictionary_count;
};

/* ---- types ---- */

static struct typed
empty_type(struct arrow_flatbuffer *b, uint8_t type)
{
    arrow_table_begin(b);
    return (struct typed){type, arrow_table_end(b)};
}

static struct typed
int_type(struct arrow_flatbuffer *b, int32_t bits, bool is_signed)
{
    arrow_table_begin(b);
    arrow_table_i32(b, 0, bits);
    arrow_table_u8(b, 1, is_signed);
    return (struct typed){TYPE_INT, arrow_table_end(b)};
}

/* A table of one 16-bit field: FloatingPoint, Date, Interval. */
static struct typed
unit_type(struct arrow_flatbuffer *b, uint8_t type, int16_t unit)
{
    arrow_table_begin(b);
    arrow_table_i16(b, 0, unit);
    return (struct typed){type, arrow_table_end(b)};
}

static struct typed
decimal_type(struct arrow_flatbuffer *b, int32_t precision, int32_t scale)
{
    arrow_table_begin(b);
    arrow_table_i32(b, 0, precision);
    arrow_table_i32(b, 1, scale);
    arrow_table_i32(b, 2, 128);
    return (struct typed){TYPE_DECIMAL, arrow_table_end(b)};
}

static struct typed
time_type(struct arrow_flatbuffer *b, int16_t unit)
{
    arrow_table_begin(b);
    arrow_table_i32(b, 1, 64);
    arrow_table_i16(b, 0, unit);
    return (struct typed){TYPE_TIME, arrow_table_end(b)};
}

static struct typed
timestamp_type(struct arrow_flatbuffer *b, int16_t unit, bool has_zone)
{
    arrow_place zone = has_zone ? arrow_put_string(b, LH_STR("UTC")) : 0;

    arrow_table_begin(b);
    arrow_table_place(b, 1, zone);
    arrow_table_i16(b, 0, unit);
    return (struct typed){TYPE_TIMESTAMP, arrow_table_end(b)};
}

/* A table of one 32-bit field: FixedSizeBinary, FixedSizeList. */
static struct typed
sized_type(struct arrow_flatbuffer *b, uint8_t type, size_t size)
{
    arrow_table_begin(b);
    arrow_table_i32(b, 0, (int32_t)size);
    return (struct typed){type, arrow_table_end(b)};
}

static struct typed
union_type(struct arrow_flatbuffer *b, size_t count)
{
    int32_t ids[256];
    arrow_place place;

    for (size_t i = 0; i < count && i < 256; i++)
        ids[i] = (int32_t)i;
    place = arrow_put_vector(b, ids, count < 256 ? count : 256, sizeof(ids[0]), sizeof(ids[0]));
    arrow_table_begin(b);
    arrow_table_place(b, 1, place);
    arrow_table_i16(b, 0, 0); /* sparse */
    return (struct typed){TYPE_UNION, arrow_table_end(b)};
}

static struct typed
map_type(struct arrow_flatbuffer *b)
{
    arrow_table_begin(b);
    arrow_table_u8(b, 0, 0); /* keys are not sorted */
    return (struct typed){TYPE_MAP, arrow_table_end(b)};
}

static struct typed
integer_type_of(struct arrow_flatbuffer *b, duckdb_type id)
{
    switch (id) {
    case DUCKDB_TYPE_TINYINT:
        return int_type(b, 8, true);
    case DUCKDB_TYPE_SMALLINT:
        return int_type(b, 16, true);
    case DUCKDB_TYPE_INTEGER:
        return int_type(b, 32, true);
    case DUCKDB_TYPE_UTINYINT:
        return int_type(b, 8, false);
    case DUCKDB_TYPE_USMALLINT:
        return int_type(b, 16, false);
    case DUCKDB_TYPE_UINTEGER:
        return int_type(b, 32, false);
    case DUCKDB_TYPE_UBIGINT:
        return int_type(b, 64, false);
    default:
        return int_type(b, 64, true);
    }
}

static struct typed
type_of(struct arrow_flatbuffer *b, const struct result_type *t)
{
    switch (t->id) {
    case DUCKDB_TYPE_SQLNULL:
        return empty_type(b, TYPE_NULL);
    case DUCKDB_TYPE_BOOLEAN:
        return empty_type(b, TYPE_BOOL);
    case DUCKDB_TYPE_FLOAT:
        return unit_type(b, TYPE_FLOAT, PRECISION_SINGLE);
    case DUCKDB_TYPE_DOUBLE:
        return unit_type(b, TYPE_FLOAT, PRECISION_DOUBLE);
    case DUCKDB_TYPE_HUGEINT:
        return decimal_type(b, 38, 0);
    case DUCKDB_TYPE_DECIMAL:
        return decimal_type(b, t->width, t->scale);
    case DUCKDB_TYPE_DATE:
        return unit_type(b, TYPE_DATE, DATE_DAY);
    case DUCKDB_TYPE_TIME:
        return time_type(b, UNIT_MICRO);
    case DUCKDB_TYPE_TIME_NS:
        return time_type(b, UNIT_NANO);
    case DUCKDB_TYPE_TIMESTAMP:
        return timestamp_type(b, UNIT_MICRO, false);
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return timestamp_type(b, UNIT_MICRO, true);
    case DUCKDB_TYPE_TIMESTAMP_S:
        return timestamp_type(b, UNIT_SECOND, false);
    case DUCKDB_TYPE_TIMESTAMP_MS:
        return timestamp_type(b, UNIT_MILLI, false);
    case DUCKDB_TYPE_TIMESTAMP_NS:
        return timestamp_type(b, UNIT_NANO, false);
    case DUCKDB_TYPE_INTERVAL:
        return unit_type(b, TYPE_INTERVAL, INTERVAL_MONTH_DAY_NANO);
    case DUCKDB_TYPE_UUID:
        return sized_type(b, TYPE_FIXED_BINARY, 16);
    case DUCKDB_TYPE_BLOB:
        return empty_type(b, TYPE_BINARY);
    case DUCKDB_TYPE_LIST:
        return empty_type(b, TYPE_LIST);
    case DUCKDB_TYPE_ARRAY:
        return sized_type(b, TYPE_FIXED_LIST, t->array_size);
    case DUCKDB_TYPE_MAP:
        return map_type(b);
    case DUCKDB_TYPE_STRUCT:
        return empty_type(b, TYPE_STRUCT);
    case DUCKDB_TYPE_UNION:
        return union_type(b, t->member_count);
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_ENUM: /* what its dictionary holds */
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_BIGNUM:
    case DUCKDB_TYPE_BIT:
    case DUCKDB_TYPE_TIME_TZ:
        return empty_type(b, TYPE_UTF8);
    default:
        return integer_type_of(b, t->id);
    }
}

/* ---- fields ---- */

static arrow_place
field_put(struct schema_walk *w, lh_str name, const struct arrow_column *c, bool is_nullable);

static arrow_place
dictionary_put(struct schema_walk *w, const struct result_type *t)
{
    arrow_place index;

    if (t->id != DUCKDB_TYPE_ENUM)
        return 0;
    index = integer_type_of(w->b, t->storage).place;
    arrow_table_begin(w->b);
    arrow_table_i64(w->b, 0, w->dictionary_count++);
    arrow_table_place(w->b, 1, index);
    return arrow_table_end(w->b);
}

static arrow_place
key_value_put(struct arrow_flatbuffer *b, const char *key, const char *value)
{
    arrow_place k = arrow_put_string(b, lh_str_of(key)), v = arrow_put_string(b, lh_str_of(value));

    arrow_table_begin(b);
    arrow_table_place(b, 0, k);
    arrow_table_place(b, 1, v);
    return arrow_table_end(b);
}

/* The canonical extension types of Arrow. */
static arrow_place
extension_put(struct arrow_flatbuffer *b, const struct result_type *t)
{
    const char *name = t->is_json ? "arrow.json" : t->id == DUCKDB_TYPE_UUID ? "arrow.uuid" : NULL;
    arrow_place pairs[2];

    if (!name)
        return 0;
    pairs[0] = key_value_put(b, "ARROW:extension:name", name);
    pairs[1] = key_value_put(b, "ARROW:extension:metadata", "");
    return arrow_put_places(b, pairs, 2);
}

/* A map's child is a struct of its keys and values. */
static arrow_place
entries_put(struct schema_walk *w, const struct arrow_column *c)
{
    arrow_place members[2], name, children;
    struct typed type;

    members[0] = field_put(w, LH_STR("key"), &c->members[0], false);
    members[1] = field_put(w, LH_STR("value"), &c->members[1], true);
    name = arrow_put_string(w->b, LH_STR("entries"));
    children = arrow_put_places(w->b, members, 2);
    type = empty_type(w->b, TYPE_STRUCT);
    arrow_table_begin(w->b);
    arrow_table_place(w->b, 0, name);
    arrow_table_place(w->b, 3, type.place);
    arrow_table_place(w->b, 5, children);
    arrow_table_u8(w->b, 2, type.type);
    arrow_table_u8(w->b, 1, false);
    return arrow_table_end(w->b);
}

static arrow_place
children_put(struct schema_walk *w, const struct arrow_column *c)
{
    arrow_place *places = lh_alloc_array(c->member_count + 1, sizeof(*places)), place;
    size_t count = c->member_count;

    if (c->type->id == DUCKDB_TYPE_MAP) {
        places[0] = entries_put(w, c);
        count = 1;
    }
    for (size_t i = 0; c->type->id != DUCKDB_TYPE_MAP && i < count; i++) {
        lh_str name = c->layout == ARROW_STRUCT || c->layout == ARROW_UNION ? c->type->names[i]
                                                                            : LH_STR("item");

        places[i] = field_put(w, name, &c->members[i], true);
    }
    place = arrow_put_places(w->b, places, count);
    free(places);
    return place;
}

static arrow_place
field_put(struct schema_walk *w, lh_str name, const struct arrow_column *c, bool is_nullable)
{
    arrow_place children = children_put(w, c);
    arrow_place dictionary = dictionary_put(w, c->type);
    arrow_place extension = extension_put(w->b, c->type);
    arrow_place text = arrow_put_string(w->b, name);
    struct typed type = type_of(w->b, c->type);

    arrow_table_begin(w->b);
    arrow_table_place(w->b, 0, text);
    arrow_table_place(w->b, 3, type.place);
    arrow_table_place(w->b, 4, dictionary);
    arrow_table_place(w->b, 5, children);
    arrow_table_place(w->b, 6, extension);
    arrow_table_u8(w->b, 2, type.type);
    arrow_table_u8(w->b, 1, is_nullable);
    return arrow_table_end(w->b);
}

/* ---- messages ---- */

static lh_bytes
message_finish(struct arrow_flatbuffer *b, uint8_t header, arrow_place place, int64_t body_bytes)
{
    arrow_table_begin(b);
    arrow_table_i64(b, 3, body_bytes);
    arrow_table_place(b, 2, place);
    arrow_table_i16(b, 0, VERSION_V5);
    arrow_table_u8(b, 1, header);
    return arrow_flatbuffer_finish(b, arrow_table_end(b));
}

lh_bytes
arrow_schema_message(struct arrow_flatbuffer *b, const lh_str *names,
                     const struct arrow_column *columns, size_t count)
{
    arrow_place *places = lh_alloc_array(count + 1, sizeof(*places)), fields;
    struct schema_walk w = {.b = b};

    arrow_flatbuffer_clear(b);
    for (size_t i = 0; i < count; i++)
        places[i] = field_put(&w, names[i], &columns[i], true);
    fields = arrow_put_places(b, places, count);
    free(places);
    arrow_table_begin(b);
    arrow_table_place(b, 1, fields);
    arrow_table_i16(b, 0, 0); /* little-endian */
    return message_finish(b, HEADER_SCHEMA, arrow_table_end(b), 0);
}

static arrow_place
batch_put(struct arrow_flatbuffer *b, const struct arrow_body *body)
{
    arrow_place spans = arrow_put_vector(b, body->spans, body->span_count, sizeof(*body->spans), 8);
    arrow_place nodes = arrow_put_vector(b, body->nodes, body->node_count, sizeof(*body->nodes), 8);

    arrow_table_begin(b);
    arrow_table_i64(b, 0, body->rows);
    arrow_table_place(b, 1, nodes);
    arrow_table_place(b, 2, spans);
    return arrow_table_end(b);
}

lh_bytes
arrow_batch_message(struct arrow_flatbuffer *b, const struct arrow_body *body)
{
    arrow_flatbuffer_clear(b);
    return message_finish(b, HEADER_BATCH, batch_put(b, body), body->bytes);
}

lh_bytes
arrow_dictionary_message(struct arrow_flatbuffer *b, int64_t id, const struct arrow_body *body)
{
    arrow_place batch;

    arrow_flatbuffer_clear(b);
    batch = batch_put(b, body);
    arrow_table_begin(b);
    arrow_table_i64(b, 0, id);
    arrow_table_place(b, 1, batch);
    return message_finish(b, HEADER_DICTIONARY, arrow_table_end(b), body->bytes);
}
