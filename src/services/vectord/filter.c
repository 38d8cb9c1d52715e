#include "services/vectord/filter.h"

static lh_status
refuse(struct lh_error *err, lh_str key, const char *what)
{
    return lh_fail(err, LH_INVALID, "vectors.filter", "filter: \"%.*s\" %s",
                   LH_FMT(lh_str_fit(key, 64)), what);
}

/* ---- parse ---- */

static lh_status
bound_parse(lh_str key, lh_str word, const struct vector_value *value, struct vector_condition *c,
            struct lh_error *err)
{
    bool is_low = lh_str_starts(word, LH_STR("g"));
    struct vector_bound *b = is_low ? &c->low : &c->high;

    if (!lh_str_eq(word, LH_STR("gt")) && !lh_str_eq(word, LH_STR("gte")) &&
        !lh_str_eq(word, LH_STR("lt")) && !lh_str_eq(word, LH_STR("lte")))
        return refuse(err, key, "has a range of something else than gte, gt, lte and lt");
    if (b->is_set)
        return refuse(err, key, "has two bounds on one side");
    if (value->kind != VECTOR_VALUE_NUMBER && value->kind != VECTOR_VALUE_TEXT)
        return refuse(err, key, "has a bound that is neither a number nor a text");
    *b = (struct vector_bound){true, word.len == 3, *value};
    return LH_OK;
}

static lh_status
range_parse(const json_t *object, struct lh_arena *arena, struct vector_condition *c,
            struct lh_error *err)
{
    const char *word;
    json_t *json;

    c->is_range = true;
    if (json_object_size(object) == 0)
        return refuse(err, c->key, "has an empty range");
    json_object_foreach ((json_t *)(uintptr_t)object, word, json) {
        struct vector_value value;

        vector_value_of(json, arena, &value);
        LH_TRY(bound_parse(c->key, lh_str_of(word), &value, c, err));
    }
    if (c->low.is_set && c->high.is_set && c->low.value.kind != c->high.value.kind)
        return refuse(err, c->key, "has a range from a number to a text");
    return LH_OK;
}

static lh_status
value_add(struct vector_condition *c, const json_t *json, struct lh_arena *arena,
          struct lh_error *err)
{
    struct vector_value *v = &c->any_of[c->any_of_count];

    if (json_is_array(json) || json_is_object(json))
        return refuse(err, c->key, "has a list with something else than plain values");
    vector_value_of(json, arena, v);
    c->takes_null = c->takes_null || v->kind == VECTOR_VALUE_NULL;
    c->any_of_count++;
    return LH_OK;
}

static lh_status
condition_parse(const json_t *json, struct lh_arena *arena, struct vector_condition *c,
                struct lh_error *err)
{
    size_t count = json_is_array(json) ? json_array_size(json) : 1;

    if (c->key.len == 0 || c->key.len > VECTOR_KEY_MAX)
        return refuse(err, c->key, "is no key: 1 to 256 bytes");
    if (json_is_object(json))
        return range_parse(json, arena, c, err);
    if (count > VECTOR_FILTER_VALUES_MAX)
        return refuse(err, c->key, "has more than 10000 values");
    c->any_of = lh_arena_array(arena, count + 1, sizeof(*c->any_of));
    if (!json_is_array(json))
        return value_add(c, json, arena, err);
    for (size_t i = 0; i < count; i++)
        LH_TRY(value_add(c, json_array_get(json, i), arena, err));
    return LH_OK;
}

lh_status
vector_filter_parse(const json_t *object, struct lh_arena *arena, struct vector_filter *out,
                    struct lh_error *err)
{
    struct vector_filter f = {0};
    const char *key;
    json_t *json;

    if (!json_is_object(object))
        return lh_fail(err, LH_INVALID, "vectors.filter", "filter is an object of keys");
    if (json_object_size(object) > VECTOR_FILTER_KEYS_MAX)
        return lh_fail(err, LH_INVALID, "vectors.filter", "filter has more than %d keys",
                       VECTOR_FILTER_KEYS_MAX);
    f.conditions = lh_arena_array(arena, json_object_size(object) + 1, sizeof(*f.conditions));
    json_object_foreach ((json_t *)(uintptr_t)object, key, json) {
        struct vector_condition *c = &f.conditions[f.count++];

        c->key = lh_arena_str(arena, lh_str_of(key));
        LH_TRY(condition_parse(json, arena, c, err));
    }
    *out = f;
    return LH_OK;
}

/* ---- match ---- */

static int
value_cmp(const struct vector_value *a, const struct vector_value *b)
{
    if (a->kind == VECTOR_VALUE_NUMBER)
        return a->number < b->number ? -1 : a->number > b->number;
    return lh_str_cmp(a->text, b->text);
}

static bool
bound_holds(const struct vector_bound *b, const struct vector_value *v, int sign)
{
    int cmp;

    if (!b->is_set)
        return true;
    if (b->value.kind != v->kind)
        return false;
    cmp = sign * value_cmp(v, &b->value);
    return cmp > 0 || (cmp == 0 && b->is_inclusive);
}

static bool
plain_matches(const struct vector_condition *c, const struct vector_value *v)
{
    if (c->is_range)
        return (v->kind == VECTOR_VALUE_NUMBER || v->kind == VECTOR_VALUE_TEXT) &&
               bound_holds(&c->low, v, 1) && bound_holds(&c->high, v, -1);
    for (size_t i = 0; i < c->any_of_count; i++) {
        if (vector_value_eq(&c->any_of[i], v))
            return true;
    }
    return false;
}

bool
vector_condition_matches(const struct vector_condition *c, const struct vector_value *v)
{
    if (v->kind != VECTOR_VALUE_ARRAY)
        return plain_matches(c, v);
    for (size_t i = 0; i < v->count; i++) {
        if (plain_matches(c, &v->items[i]))
            return true;
    }
    return false;
}
