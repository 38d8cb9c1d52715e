#include "services/vectord/value.h"

#include <stdlib.h>

#include "base/hash.h"

static void
array_of(const json_t *json, struct lh_arena *arena, struct vector_value *out)
{
    const json_t *item;
    size_t i;

    out->count = json_array_size(json);
    out->items = lh_arena_array(arena, out->count + 1, sizeof(*out->items));
    json_array_foreach (json, i, item)
        vector_value_of(item, arena, &out->items[i]);
}

void
vector_value_of(const json_t *json, struct lh_arena *arena, struct vector_value *out)
{
    *out = (struct vector_value){.kind = VECTOR_VALUE_NULL};
    if (json_is_boolean(json)) {
        out->kind = VECTOR_VALUE_BOOL;
        out->truth = json_is_true(json);
    } else if (json_is_number(json)) {
        out->kind = VECTOR_VALUE_NUMBER;
        out->number = json_number_value(json);
        if (out->number == 0)
            out->number = 0; /* no -0 */
    } else if (json_is_string(json)) {
        out->kind = VECTOR_VALUE_TEXT;
        out->text =
            lh_arena_str(arena, (lh_str){json_string_value(json), json_string_length(json)});
    } else if (json_is_array(json)) {
        out->kind = VECTOR_VALUE_ARRAY;
        array_of(json, arena, out);
    } else if (json_is_object(json)) {
        char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

        out->kind = VECTOR_VALUE_OBJECT;
        out->text = lh_arena_str(arena, lh_str_of(text));
        free(text);
    }
}

bool
vector_value_eq(const struct vector_value *a, const struct vector_value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case VECTOR_VALUE_BOOL:
        return a->truth == b->truth;
    case VECTOR_VALUE_NUMBER:
        return a->number == b->number;
    case VECTOR_VALUE_TEXT:
    case VECTOR_VALUE_OBJECT:
        return lh_str_eq(a->text, b->text);
    case VECTOR_VALUE_ARRAY:
        for (size_t i = 0; a->count == b->count && i < a->count; i++) {
            if (!vector_value_eq(&a->items[i], &b->items[i]))
                return false;
        }
        return a->count == b->count;
    default:
        return true;
    }
}

uint64_t
vector_value_hash(const struct vector_value *v)
{
    uint64_t h = (uint64_t)v->kind;

    switch (v->kind) {
    case VECTOR_VALUE_BOOL:
        return lh_xxh64(&v->truth, sizeof(v->truth), h);
    case VECTOR_VALUE_NUMBER:
        return lh_xxh64(&v->number, sizeof(v->number), h);
    case VECTOR_VALUE_TEXT:
    case VECTOR_VALUE_OBJECT:
        return lh_xxh64(v->text.ptr, v->text.len, h);
    case VECTOR_VALUE_ARRAY:
        for (size_t i = 0; i < v->count; i++) {
            uint64_t item = vector_value_hash(&v->items[i]);

            h = lh_xxh64(&item, sizeof(item), h);
        }
        return h;
    default:
        return h;
    }
}

size_t
vector_value_bytes(const struct vector_value *v)
{
    size_t bytes = sizeof(*v) + v->text.len;

    for (size_t i = 0; i < v->count; i++)
        bytes += vector_value_bytes(&v->items[i]);
    return bytes;
}
