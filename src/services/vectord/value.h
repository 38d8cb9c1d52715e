/*
 * value: one metadata value, as filters compare it.
 *
 * Numbers compare as doubles, so 1 and 1.0 are one value; texts compare bytewise, so ISO dates in
 * order of time; an array matches when one of its elements does. Objects only match nothing.
 */
#ifndef LH_SERVICES_VECTORD_VALUE_H
#define LH_SERVICES_VECTORD_VALUE_H

#include "base/json.h"

enum vector_value_kind {
    VECTOR_VALUE_NULL,
    VECTOR_VALUE_BOOL,
    VECTOR_VALUE_NUMBER,
    VECTOR_VALUE_TEXT,
    VECTOR_VALUE_ARRAY,
    VECTOR_VALUE_OBJECT
};

struct vector_value {
    enum vector_value_kind kind;
    bool truth;
    double number;
    lh_str text; /* of an object: its JSON, keys sorted */
    struct vector_value *items;
    size_t count;
};

/* Copies into the arena. */
void vector_value_of(const json_t *json, struct lh_arena *arena, struct vector_value *out);
bool vector_value_eq(const struct vector_value *a, const struct vector_value *b);
uint64_t vector_value_hash(const struct vector_value *v);
size_t vector_value_bytes(const struct vector_value *v); /* of memory, about */

#endif
