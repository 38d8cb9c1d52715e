/*
 * filter: which items may be answered, by their metadata: AND over keys.
 *
 *     {"city": "Rome", "role": ["welder", "forklift"], "pay": {"gte": 20, "lt": 30}}
 *
 * A scalar is equality, a list any-of, an object a range of numbers or of texts. null matches a key
 * that is null or absent. Where the metadata holds an array, one matching element is enough.
 *
 * Owns     nothing: everything is in the arena it was parsed into.
 * Fails    INVALID "vectors.filter", which names the key.
 */
#ifndef LH_SERVICES_VECTORD_FILTER_H
#define LH_SERVICES_VECTORD_FILTER_H

#include "services/vectord/value.h"

enum { VECTOR_FILTER_KEYS_MAX = 64, VECTOR_FILTER_VALUES_MAX = 10000, VECTOR_KEY_MAX = 256 };

struct vector_bound {
    bool is_set, is_inclusive;
    struct vector_value value;
};

struct vector_condition {
    lh_str key;
    struct vector_value *any_of; /* or a range when there are none and is_range */
    size_t any_of_count;
    bool is_range, takes_null; /* any_of holds null */
    struct vector_bound low, high;
};

struct vector_filter {
    struct vector_condition *conditions;
    size_t count;
};

lh_status vector_filter_parse(const json_t *object, struct lh_arena *arena,
                              struct vector_filter *out, struct lh_error *err);
/* Of a value that is there, be it null. */
bool vector_condition_matches(const struct vector_condition *c, const struct vector_value *v);

#endif
