#include "engine/convert_type.h"

#include "engine/canonical.h"
#include "engine/json_token.h"

#define STRUCT_FIELDS_MAX 200 /* an object used as a map has no fixed fields: it stays JSON */
#define NEST_MAX 24

/* ---- plain values ---- */

static unsigned
field_mask(const struct record_field *f, int32_t *zone)
{
    const unsigned times = CANONICAL_DATE | CANONICAL_TIMESTAMP | CANONICAL_TIMESTAMPTZ;
    lh_str text = {f->ptr, f->len};
    unsigned mask;
    double v;

    switch ((enum field_kind)f->kind) {
    case FIELD_JSON_STRING:
        return f->has_escapes ? 0 : canonical_classify(text, zone) & times;
    case FIELD_JSON_NUMBER:
        mask = canonical_classify(text, zone);
        return mask == 0 && canonical_json_f64(text, &v) ? CANONICAL_F64 : mask;
    case FIELD_ESCAPED:
        return 0;
    default:
        return canonical_classify(text, zone);
    }
}

static void
plain_add(struct guess *g, const struct record_field *f)
{
    int32_t zone = 0;
    unsigned mask;

    if (g->has_plain && g->mask == 0)
        return;
    mask = field_mask(f, &zone);
    if (!g->has_plain) {
        g->mask = mask;
        g->zone = zone;
    } else {
        g->mask &= mask;
        if ((g->mask & CANONICAL_TIMESTAMPTZ) && g->zone != zone)
            g->mask = 0;
    }
    g->has_plain = true;
}

/* ---- nested values ---- */

static struct guess *
child_find(struct guess *g, lh_str name, uint32_t expected, uint32_t *index)
{
    if (expected < g->child_count && lh_str_eq(g->names[expected], name)) {
        *index = expected;
        return &g->children[expected];
    }
    for (uint32_t i = 0; i < g->child_count; i++) {
        if (lh_str_eq(g->names[i], name)) {
            *index = i;
            return &g->children[i];
        }
    }
    return NULL;
}

static struct guess *
child_new(struct guess *g, lh_str name, struct lh_arena *arena)
{
    if (!g->children || g->child_count == g->child_cap) {
        uint32_t cap = g->child_cap == 0 ? 8 : g->child_cap * 2;
        struct guess *children = lh_arena_array(arena, cap, sizeof(*children));
        lh_str *names = lh_arena_array(arena, cap, sizeof(*names));
        if (g->children) {
            memcpy(children, g->children, g->child_count * sizeof(*children));
            memcpy(names, g->names, g->child_count * sizeof(*names));
        }
        g->children = children;
        g->names = names;
        g->child_cap = cap;
    }
    g->names[g->child_count] = lh_arena_str(arena, name);
    g->children[g->child_count] = (struct guess){0};
    return &g->children[g->child_count++];
}

/* Names that DuckDB could not tell apart, or that are empty, make an object no STRUCT. */
static bool
is_name_free(const struct guess *g, lh_str name)
{
    if (name.len == 0)
        return false;
    for (uint32_t i = 0; i < g->child_count; i++)
        if (lh_str_eq_nocase(g->names[i], name))
            return false;
    return true;
}

static void
nested_add(struct guess *g, const struct record_field *f, struct lh_arena *arena, int depth);

static void
value_add(struct guess *g, const struct record_field *f, struct lh_arena *arena, int depth)
{
    if (f->kind == FIELD_NULL)
        return;
    g->values++;
    if (f->kind == FIELD_JSON_NESTED)
        nested_add(g, f, arena, depth);
    else
        plain_add(g, f);
    if (g->has_plain && (g->shape == GUESS_LIST || g->shape == GUESS_STRUCT))
        g->shape = GUESS_MIXED;
}

static void
object_add(struct guess *g, struct json_walk *w, struct lh_arena *arena, int depth)
{
    struct record_field key, value;
    uint64_t seen[STRUCT_FIELDS_MAX / 64 + 1] = {0};
    uint32_t expected = 0, index = 0;

    while (json_walk_next(w, &key, &value)) {
        lh_str name = {key.ptr, key.len};
        struct guess *child = key.has_escapes ? NULL : child_find(g, name, expected, &index);
        if (!child &&
            (key.has_escapes || g->child_count >= STRUCT_FIELDS_MAX || !is_name_free(g, name))) {
            g->shape = GUESS_MIXED;
            return;
        }
        if (!child) {
            child = child_new(g, name, arena);
            index = g->child_count - 1;
        }
        if (seen[index / 64] & UINT64_C(1) << index % 64) {
            g->shape = GUESS_MIXED; /* the same name twice */
            return;
        }
        seen[index / 64] |= UINT64_C(1) << index % 64;
        value_add(child, &value, arena, depth + 1);
        expected = index + 1;
    }
}

static void
nested_add(struct guess *g, const struct record_field *f, struct lh_arena *arena, int depth)
{
    struct json_walk w = json_walk_over(f);
    uint8_t shape = w.is_object ? GUESS_STRUCT : GUESS_LIST;
    struct record_field value;

    if (g->shape == GUESS_MIXED)
        return;
    if (g->has_plain || (g->shape != GUESS_SCALAR && g->shape != shape) || depth > NEST_MAX) {
        g->shape = GUESS_MIXED;
        return;
    }
    g->shape = shape;
    if (w.is_object) {
        object_add(g, &w, arena, depth);
        return;
    }
    if (g->child_count == 0)
        child_new(g, LH_STR("element"), arena);
    while (json_walk_next(&w, &value, &value))
        value_add(&g->children[0], &value, arena, depth + 1);
}

void
guess_add(struct guess *g, const struct record_field *f, struct lh_arena *arena)
{
    value_add(g, f, arena, 0);
}

/* ---- merging ---- */

static void
children_merge(struct guess *to, const struct guess *from, struct lh_arena *arena)
{
    for (uint32_t i = 0; i < from->child_count && to->shape != GUESS_MIXED; i++) {
        uint32_t index;
        struct guess *child = child_find(to, from->names[i], i, &index);
        if (!child && (to->child_count >= STRUCT_FIELDS_MAX || !is_name_free(to, from->names[i]))) {
            to->shape = GUESS_MIXED;
            return;
        }
        guess_merge(child ? child : child_new(to, from->names[i], arena), &from->children[i],
                    arena);
    }
}

void
guess_merge(struct guess *to, const struct guess *from, struct lh_arena *arena)
{
    if (from->values == 0)
        return;
    if (from->has_plain) {
        unsigned mask = to->has_plain ? to->mask & from->mask : from->mask;
        if (to->has_plain && (mask & CANONICAL_TIMESTAMPTZ) && to->zone != from->zone)
            mask = 0;
        if (!to->has_plain)
            to->zone = from->zone;
        to->mask = mask;
        to->has_plain = true;
    }
    if (to->shape == GUESS_SCALAR)
        to->shape = from->shape;
    else if (from->shape != GUESS_SCALAR && from->shape != to->shape)
        to->shape = GUESS_MIXED;
    if (to->has_plain && to->shape != GUESS_SCALAR)
        to->shape = GUESS_MIXED;
    to->values += from->values;
    children_merge(to, from, arena);
}

/* ---- types ---- */

static void
plain_resolve(const struct guess *g, struct convert_type *out)
{
    static const struct {
        unsigned mask;
        enum convert_kind kind;
    } order[] = {{CANONICAL_I64, CONVERT_I64},
                 {CANONICAL_F64, CONVERT_F64},
                 {CANONICAL_BOOL, CONVERT_BOOL},
                 {CANONICAL_DATE, CONVERT_DATE},
                 {CANONICAL_TIMESTAMP, CONVERT_TIMESTAMP},
                 {CANONICAL_TIMESTAMPTZ, CONVERT_TIMESTAMPTZ}};

    *out = (struct convert_type){.kind = CONVERT_TEXT, .is_unseen = g->values == 0};
    for (size_t i = 0; g->has_plain && i < sizeof(order) / sizeof(order[0]); i++) {
        if (!(g->mask & order[i].mask))
            continue;
        out->kind = order[i].kind;
        out->spelling = g->mask & CANONICAL_BOOL;
        out->zone = g->zone;
        return;
    }
}

void
convert_type_resolve(const struct guess *g, struct convert_type *out, struct lh_arena *arena)
{
    bool is_struct = g->shape == GUESS_STRUCT && g->child_count > 0;

    if (g->shape == GUESS_SCALAR) {
        plain_resolve(g, out);
        return;
    }
    if (!is_struct && g->shape != GUESS_LIST) {
        *out = (struct convert_type){.kind = CONVERT_TEXT, .is_raw = true};
        return;
    }
    *out = (struct convert_type){.kind = is_struct ? CONVERT_STRUCT : CONVERT_LIST,
                                 .child_count = g->child_count};
    out->children = lh_arena_array(arena, g->child_count, sizeof(*out->children));
    out->names = lh_arena_array(arena, g->child_count, sizeof(*out->names));
    for (uint32_t i = 0; i < g->child_count; i++) {
        out->names[i] = lh_arena_cstr(arena, g->names[i]);
        convert_type_resolve(&g->children[i], &out->children[i], arena);
    }
}

bool
convert_type_fits(const struct guess *g, lh_str type_name, struct convert_type *out)
{
    static const struct {
        lh_str name;
        unsigned mask;
        enum convert_kind kind;
    } table[] = {{LH_STR("BIGINT"), CANONICAL_I64, CONVERT_I64},
                 {LH_STR("DOUBLE"), CANONICAL_F64, CONVERT_F64},
                 {LH_STR("BOOLEAN"), CANONICAL_BOOL, CONVERT_BOOL},
                 {LH_STR("DATE"), CANONICAL_DATE, CONVERT_DATE},
                 {LH_STR("TIMESTAMP"), CANONICAL_TIMESTAMP, CONVERT_TIMESTAMP},
                 {LH_STR("TIMESTAMP WITH TIME ZONE"), CANONICAL_TIMESTAMPTZ, CONVERT_TIMESTAMPTZ}};

    if (g->shape != GUESS_SCALAR)
        return false;
    if (lh_str_eq(type_name, LH_STR("VARCHAR"))) {
        *out = (struct convert_type){.kind = CONVERT_TEXT};
        return true;
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (!lh_str_eq(type_name, table[i].name) || !g->has_plain || !(g->mask & table[i].mask))
            continue;
        *out = (struct convert_type){
            .kind = table[i].kind, .spelling = g->mask & CANONICAL_BOOL, .zone = g->zone};
        return true;
    }
    return false;
}
