#include "services/vectord/columns.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"

struct column {
    lh_str key;
    uint32_t *codes; /* by slot */
    size_t code_capacity;
    struct vector_value *values; /* by code - 1 */
    size_t value_count, value_capacity;
    uint32_t *places; /* hash table of codes, 0: empty */
    size_t place_count;
    uint32_t *arrays; /* codes of arrays, which an equality must look at one by one */
    size_t array_count, array_capacity;
};

struct vector_columns {
    struct lh_arena arena; /* keys and values */
    struct column *columns;
    size_t count, capacity;
    uint32_t *places; /* hash table of column + 1 by key */
    size_t place_count;
    size_t table_bytes;
};

/* ---- life ---- */

struct vector_columns *
vector_columns_new(void)
{
    struct vector_columns *c = LH_NEW(struct vector_columns);

    lh_arena_init(&c->arena);
    return c;
}

void
vector_columns_free(struct vector_columns *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++) {
        free(c->columns[i].codes);
        free(c->columns[i].values);
        free(c->columns[i].places);
        free(c->columns[i].arrays);
    }
    free(c->columns);
    free(c->places);
    lh_arena_fini(&c->arena);
    free(c);
}

/* ---- keys ---- */

static size_t
key_place(const struct vector_columns *c, lh_str key)
{
    size_t at = (size_t)lh_xxh64(key.ptr, key.len, 0) & (c->place_count - 1);

    while (c->places[at] != 0 && !lh_str_eq(c->columns[c->places[at] - 1].key, key))
        at = (at + 1) & (c->place_count - 1);
    return at;
}

static struct column *
column_find(const struct vector_columns *c, lh_str key)
{
    size_t at;

    if (c->place_count == 0)
        return NULL;
    at = key_place(c, key);
    return c->places[at] ? &c->columns[c->places[at] - 1] : NULL;
}

static void
key_places_grow(struct vector_columns *c)
{
    free(c->places);
    c->place_count = c->place_count ? 2 * c->place_count : 32;
    c->places = lh_alloc_array(c->place_count, sizeof(*c->places));
    for (size_t i = 0; i < c->count; i++)
        c->places[key_place(c, c->columns[i].key)] = (uint32_t)i + 1;
}

static struct column *
column_of(struct vector_columns *c, lh_str key)
{
    struct column *found = column_find(c, key);

    if (found)
        return found;
    if ((c->count + 1) * 2 > c->place_count)
        key_places_grow(c);
    if (c->count == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 8;
        c->columns = lh_realloc_array(c->columns, c->capacity, sizeof(*c->columns));
    }
    found = &c->columns[c->count];
    *found = (struct column){.key = lh_arena_str(&c->arena, key)};
    c->places[key_place(c, key)] = (uint32_t)++c->count;
    return found;
}

bool
vector_columns_has(const struct vector_columns *c, lh_str key)
{
    return column_find(c, key) != NULL;
}

size_t
vector_columns_keys(const struct vector_columns *c)
{
    return c->count;
}

size_t
vector_columns_bytes(const struct vector_columns *c)
{
    return c->arena.used_bytes + c->table_bytes;
}

/* ---- values ---- */

static size_t
value_place(const struct column *column, const struct vector_value *v)
{
    size_t at = (size_t)vector_value_hash(v) & (column->place_count - 1);

    while (column->places[at] != 0 && !vector_value_eq(&column->values[column->places[at] - 1], v))
        at = (at + 1) & (column->place_count - 1);
    return at;
}

static uint32_t
code_find(const struct column *column, const struct vector_value *v)
{
    return column->place_count ? column->places[value_place(column, v)] : 0;
}

static void
value_places_grow(struct vector_columns *c, struct column *column)
{
    free(column->places);
    c->table_bytes += (column->place_count ? column->place_count : 16) * sizeof(uint32_t);
    column->place_count = column->place_count ? 2 * column->place_count : 16;
    column->places = lh_alloc_array(column->place_count, sizeof(*column->places));
    for (size_t i = 0; i < column->value_count; i++)
        column->places[value_place(column, &column->values[i])] = (uint32_t)i + 1;
}

static void
array_note(struct column *column, uint32_t code)
{
    if (column->array_count == column->array_capacity) {
        column->array_capacity = column->array_capacity ? 2 * column->array_capacity : 8;
        column->arrays =
            lh_realloc_array(column->arrays, column->array_capacity, sizeof(*column->arrays));
    }
    column->arrays[column->array_count++] = code;
}

static uint32_t
code_of(struct vector_columns *c, struct column *column, const json_t *json)
{
    LH_AUTO_ARENA(scratch);
    struct vector_value v;
    uint32_t code;

    vector_value_of(json, &scratch, &v);
    code = code_find(column, &v);
    if (code != 0)
        return code;
    if ((column->value_count + 1) * 2 > column->place_count)
        value_places_grow(c, column);
    if (column->value_count == column->value_capacity) {
        size_t capacity = column->value_capacity ? 2 * column->value_capacity : 8;

        c->table_bytes += (capacity - column->value_capacity) * sizeof(*column->values);
        column->values = lh_realloc_array(column->values, capacity, sizeof(*column->values));
        column->value_capacity = capacity;
    }
    vector_value_of(json, &c->arena, &column->values[column->value_count]);
    code = (uint32_t)++column->value_count;
    column->places[value_place(column, &v)] = code;
    if (v.kind == VECTOR_VALUE_ARRAY)
        array_note(column, code);
    return code;
}

static void
code_set(struct vector_columns *c, struct column *column, uint32_t slot, uint32_t code)
{
    if (slot >= column->code_capacity) {
        size_t capacity = column->code_capacity ? column->code_capacity : 64;

        while (capacity <= slot)
            capacity *= 2;
        column->codes = lh_realloc_array(column->codes, capacity, sizeof(*column->codes));
        memset(column->codes + column->code_capacity, 0,
               (capacity - column->code_capacity) * sizeof(*column->codes));
        c->table_bytes += (capacity - column->code_capacity) * sizeof(*column->codes);
        column->code_capacity = capacity;
    }
    column->codes[slot] = code;
}

void
vector_columns_set(struct vector_columns *c, uint32_t slot, const json_t *metadata)
{
    const char *key;
    json_t *json;

    for (size_t i = 0; i < c->count; i++) {
        if (slot < c->columns[i].code_capacity)
            c->columns[i].codes[slot] = 0;
    }
    json_object_foreach ((json_t *)(uintptr_t)metadata, key, json) {
        struct column *column = column_of(c, lh_str_of(key));

        code_set(c, column, slot, code_of(c, column, json));
    }
}

/* ---- filters ---- */

struct ready {
    size_t column;
    bool is_absent;    /* nobody has the key */
    bool takes_absent; /* an item without the key matches */
    size_t code_count;
    uint8_t *allowed; /* by code; 0 stands for a missing key */
};

struct vector_plan {
    const struct vector_columns *columns;
    struct ready *ready;
    size_t count;
};

static void
equalities_allow(const struct column *column, const struct vector_condition *c, struct ready *r)
{
    for (size_t i = 0; i < c->any_of_count; i++) {
        uint32_t code = code_find(column, &c->any_of[i]);

        if (code != 0)
            r->allowed[code] = 1;
    }
    for (size_t i = 0; i < column->array_count; i++) {
        uint32_t code = column->arrays[i];

        r->allowed[code] = vector_condition_matches(c, &column->values[code - 1]);
    }
}

static void
ready_make(const struct vector_columns *c, const struct vector_condition *condition,
           struct lh_arena *arena, struct ready *r)
{
    const struct column *column = column_find(c, condition->key);

    *r = (struct ready){.is_absent = column == NULL, .takes_absent = condition->takes_null};
    if (column == NULL)
        return;
    r->column = (size_t)(column - c->columns);
    r->code_count = column->value_count + 1;
    r->allowed = lh_arena_array(arena, r->code_count, 1);
    r->allowed[0] = r->takes_absent;
    if (!condition->is_range) {
        equalities_allow(column, condition, r);
        return;
    }
    for (size_t i = 0; i < column->value_count; i++)
        r->allowed[i + 1] = vector_condition_matches(condition, &column->values[i]);
}

struct vector_plan *
vector_columns_plan(const struct vector_columns *c, const struct vector_filter *filter,
                    struct lh_arena *arena)
{
    struct vector_plan *p = LH_ARENA_NEW(arena, struct vector_plan);

    p->columns = c;
    p->count = filter->count;
    p->ready = lh_arena_array(arena, filter->count + 1, sizeof(*p->ready));
    for (size_t i = 0; i < filter->count; i++)
        ready_make(c, &filter->conditions[i], arena, &p->ready[i]);
    return p;
}

static bool
slot_matches(const struct ready *r, const struct column *column, uint32_t slot)
{
    uint32_t code = slot < column->code_capacity ? column->codes[slot] : 0;

    return code < r->code_count && r->allowed[code];
}

static void
ready_apply(const struct ready *r, const struct vector_columns *c, uint32_t from, uint32_t to,
            uint64_t *bits)
{
    for (uint32_t word = from / 64; word < (to + 63) / 64; word++) {
        uint64_t kept = bits[word];

        for (uint64_t left = kept; left != 0; left &= left - 1) {
            uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(left);

            if (r->is_absent ? !r->takes_absent : !slot_matches(r, &c->columns[r->column], slot))
                kept &= ~(UINT64_C(1) << (slot % 64));
        }
        bits[word] = kept;
    }
}

void
vector_plan_apply(const struct vector_plan *p, uint32_t from, uint32_t to, uint64_t *bits)
{
    for (size_t i = 0; i < p->count; i++)
        ready_apply(&p->ready[i], p->columns, from, to, bits);
}
