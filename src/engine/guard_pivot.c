/*
 * The text form is  PIVOT source ON expr [IN (…)], … [USING …] [GROUP BY …]. The scan knows the
 * nesting of brackets and of CASE, and which ON belongs to a JOIN of the source. A column that has
 * no IN gets one behind its last token.
 */
#include "engine/guard_pivot.h"

#include <stdio.h>
#include <strings.h>

#include "engine/guard_lex.h"
#include "engine/guard_parse.h"

enum { PLACES_MAX = 16, DEPTH_MAX = 64 };

struct guard_pivot {
    lh_str query;
    lh_str prefix;
    size_t places[PLACES_MAX]; /* byte offsets where an IN list is missing */
    size_t place_count;
    lh_str statements[PLACES_MAX];
};

/* ---- finding the places ---- */

enum stage { STAGE_NONE, STAGE_SOURCE, STAGE_COLUMNS };

/* One level of brackets. */
struct pivot_level {
    enum stage stage;
    size_t joins; /* whose ON has not come yet */
    bool has_in;  /* in the current column */
    bool has_tokens;
};

struct pivot_scan {
    struct guard_pivot *out;
    struct pivot_level levels[DEPTH_MAX];
    size_t depth;
    size_t last_end;      /* of the token before */
    bool last_plain_join; /* the token before was NATURAL, CROSS or POSITIONAL */
};

static bool
is_any_of(struct guard_token t, const char *const *words)
{
    for (; *words; words++)
        if (guard_token_is(t, *words))
            return true;
    return false;
}

static void
column_end(struct pivot_scan *s)
{
    struct pivot_level *level = &s->levels[s->depth];

    if (level->stage == STAGE_COLUMNS && level->has_tokens && !level->has_in &&
        s->out->place_count < PLACES_MAX)
        s->out->places[s->out->place_count++] = s->last_end;
    level->has_in = level->has_tokens = false;
}

static void
columns_end(struct pivot_scan *s)
{
    column_end(s);
    s->levels[s->depth].stage = STAGE_NONE;
}

static bool
opens_bracket(struct guard_token t)
{
    return guard_token_is_mark(t, '(') || guard_token_is_mark(t, '[') ||
           guard_token_is_mark(t, '{') || guard_token_is(t, "case");
}

static bool
closes_bracket(struct guard_token t)
{
    return guard_token_is_mark(t, ')') || guard_token_is_mark(t, ']') ||
           guard_token_is_mark(t, '}') || guard_token_is(t, "end");
}

/* Between PIVOT and its ON: counts the joins, whose ONs come first. */
static void
source_token(struct pivot_scan *s, struct guard_token t)
{
    struct pivot_level *level = &s->levels[s->depth];

    if (guard_token_is(t, "join") && !s->last_plain_join) {
        level->joins++;
    } else if (guard_token_is(t, "using")) {
        if (level->joins > 0)
            level->joins--;
        else
            level->stage = STAGE_NONE; /* PIVOT t USING …: nothing to pivot on */
    } else if (guard_token_is(t, "on")) {
        if (level->joins > 0)
            level->joins--;
        else
            level->stage = STAGE_COLUMNS;
    }
}

static void
column_token(struct pivot_scan *s, struct guard_token t)
{
    static const char *const ends[] = {"using", "group",  "order",     "limit", "offset",
                                       "union", "except", "intersect", NULL};
    struct pivot_level *level = &s->levels[s->depth];

    if (is_any_of(t, ends)) {
        columns_end(s);
    } else if (guard_token_is_mark(t, ',')) {
        column_end(s);
    } else {
        level->has_tokens = true;
        level->has_in = level->has_in || guard_token_is(t, "in");
    }
}

/* PIVOT behind a table is the SQL-standard form, which always has its IN: its parenthesis has no ON
 * of its own. */
static void
plain_token(struct pivot_scan *s, struct guard_token t)
{
    static const char *const names[] = {"pivot", "pivot_wider", NULL};

    if (is_any_of(t, names))
        s->levels[s->depth] = (struct pivot_level){.stage = STAGE_SOURCE};
}

static void
scan_token(struct pivot_scan *s, struct guard_token t)
{
    static const char *const plain_joins[] = {"natural", "cross", "positional", NULL};

    if (closes_bracket(t)) {
        columns_end(s);
        if (s->depth > 0)
            s->depth--;
    } else {
        switch (s->levels[s->depth].stage) {
        case STAGE_SOURCE:
            source_token(s, t);
            break;
        case STAGE_COLUMNS:
            column_token(s, t);
            break;
        default:
            plain_token(s, t);
        }
        if (opens_bracket(t) && s->depth + 1 < DEPTH_MAX)
            s->levels[++s->depth] = (struct pivot_level){0};
    }
    s->last_plain_join = is_any_of(t, plain_joins);
    s->last_end = t.from + t.text.len;
}

static void
places_find(lh_str query, struct guard_pivot *out)
{
    struct pivot_scan s = {.out = out};
    struct guard_lexer l = {query, 0};
    struct guard_token t;

    out->query = query;
    out->place_count = 0;
    while ((t = guard_lex_next(&l)).kind != GUARD_TOKEN_END)
        scan_token(&s, t);
    columns_end(&s);
}

bool
guard_pivot_is_open(lh_str query)
{
    struct guard_pivot p;

    places_find(query, &p);
    return p.place_count > 0;
}

/* ---- writing the lists ---- */

/* The query with list i at place i, in order of the text. */
static lh_status
lists_insert(const struct guard_pivot *p, const struct guard_pivot_values *values,
             struct lh_arena *arena, lh_str *out, struct lh_error *err)
{
    LH_AUTO_BUF(sql, 4 * GUARD_SQL_MAX);
    size_t done = 0;

    for (size_t i = 0; i < p->place_count; i++) {
        lh_buf_add_str(&sql, lh_str_slice(p->query, done, p->places[i]));
        done = p->places[i];
        lh_buf_add_cstr(&sql, " IN (");
        for (size_t k = 0; k < values[i].count; k++) {
            lh_buf_add_cstr(&sql, k > 0 ? ", " : "");
            engine_quote_literal(&sql, values[i].items[k]);
        }
        lh_buf_add_char(&sql, ')');
    }
    lh_buf_add_str(&sql, lh_str_slice(p->query, done, p->query.len));
    LH_TRY(lh_buf_check(&sql, "the statement with the values of its PIVOT", err));
    *out = lh_arena_str(arena, lh_buf_str(&sql));
    return LH_OK;
}

/* ---- the statements that find the values ---- */

static lh_str
marker_of(size_t i, struct lh_arena *arena)
{
    return lh_str_of(lh_arena_printf(arena, "pivot column %zu, values to come", i));
}

/* The column of a pivot that holds the marker, or NULL. */
static const json_t *
column_marked(const json_t *pivot, lh_str marker)
{
    const json_t *column;
    size_t i;

    json_array_foreach (json_object_get(pivot, "pivots"), i, column) {
        const json_t *entry = json_array_get(json_object_get(column, "entries"), 0);
        const json_t *value = json_array_get(json_object_get(entry, "values"), 0);
        const char *text = json_string_value(json_object_get(value, "value"));

        if (text && lh_str_eq(lh_str_of(text), marker))
            return column;
    }
    return NULL;
}

static json_t *
ctes_in_scope(const struct guard_tree_pivot *pivot)
{
    json_t *map = json_array();

    for (size_t i = 0; i < pivot->cte_count; i++) {
        const char *name = json_string_value(json_object_get(pivot->ctes[i], "key"));
        bool is_shadowed = false;

        for (size_t k = 0; k < i; k++)
            is_shadowed =
                is_shadowed ||
                strcasecmp(name, json_string_value(json_object_get(pivot->ctes[k], "key"))) == 0;
        if (!is_shadowed)
            json_array_insert(map, 0, (json_t *)pivot->ctes[i]);
    }
    return map;
}

/* SELECT DISTINCT CAST(expr AS VARCHAR) FROM source WHERE expr IS NOT NULL ORDER BY 1, one more
 * than the limit. */
static json_t *
values_tree(const struct guard_tree_pivot *pivot, const json_t *column)
{
    json_t *expression = json_array_get(json_object_get(column, "pivot_expressions"), 0);
    json_t *source = json_object_get(pivot->node, "source");

    return json_pack(
        "{s:b,s:[{s:{s:s,s:[{s:s},{s:s,s:[{s:s,s:s,s:{s:s,s:s,s:{s:{s:s},s:b,s:i}}}]},"
        "{s:s,s:{s:s,s:s,s:{s:{s:s},s:b,s:i}}}],s:{s:o},s:[{s:s,s:s,s:O,s:{s:s}}],s:O,"
        "s:{s:s,s:s,s:[O]},s:s}}]}",
        "error", 0, "statements", "node", "type", "SELECT_NODE", "modifiers", "type",
        "DISTINCT_MODIFIER", "type", "ORDER_MODIFIER", "orders", "type", "ASCENDING", "null_order",
        "ORDER_DEFAULT", "expression", "class", "CONSTANT", "type", "VALUE_CONSTANT", "value",
        "type", "id", "INTEGER", "is_null", 0, "value", 1, "type", "LIMIT_MODIFIER", "limit",
        "class", "CONSTANT", "type", "VALUE_CONSTANT", "value", "type", "id", "INTEGER", "is_null",
        0, "value", GUARD_PIVOT_VALUES_MAX + 1, "cte_map", "map", ctes_in_scope(pivot),
        "select_list", "class", "CAST", "type", "OPERATOR_CAST", "child", expression, "cast_type",
        "id", "VARCHAR", "from_table", source, "where_clause", "class", "OPERATOR", "type",
        "OPERATOR_IS_NOT_NULL", "children", expression, "aggregate_handling", "STANDARD_HANDLING");
}

static lh_status
tables_within(const struct guard_tree_result *inner, const struct guard_tree_result *outer,
              struct lh_error *err)
{
    for (size_t i = 0; i < inner->table_count; i++) {
        bool is_known = false;

        for (size_t k = 0; k < outer->table_count; k++)
            is_known =
                is_known || lh_str_eq(inner->tables[i].as_written, outer->tables[k].as_written);
        if (!is_known)
            return lh_fail(err, LH_DENIED, "sql.not_allowed",
                           "this PIVOT cannot be completed; give its values with IN (…)");
    }
    return LH_OK;
}

/* The values' statement, guarded as if the user had written it. */
static lh_status
values_check(struct engine_connection *c, struct lh_call *call, lh_str sql,
             const struct guard_tree_result *tree, struct lh_error *err)
{
    GUARD_AUTO_PARSED(parsed);
    struct guard_tree_result own;
    const json_t *statement;

    LH_TRY(guard_parse(c, sql, &parsed, err));
    if (json_array_size(parsed.statements) != 1)
        return lh_fail(err, LH_BUG, "sql.pivot", "the values' statement is not one SELECT");
    statement = json_array_get(parsed.statements, 0);
    if (json_object_get(statement, "named_param_map"))
        return lh_fail(err, LH_INVALID, "sql.pivot",
                       "a PIVOT with parameters in its source needs its values: ON … IN (…)");
    LH_TRY(guard_tree_check(statement, sql, &call->arena, &own, err));
    return tables_within(&own, tree, err);
}

static lh_status
statement_make(struct engine_connection *c, struct lh_call *call, struct guard_pivot *p, size_t i,
               const struct guard_tree_result *tree, struct lh_error *err)
{
    lh_str marker = marker_of(i, &call->arena);
    size_t found;

    for (size_t k = 0; k < tree->pivot_count; k++) {
        const json_t *column = column_marked(tree->pivots[k].node, marker);
        LH_AUTO_JSON values = column ? values_tree(&tree->pivots[k], column) : NULL;

        if (!values)
            continue;
        LH_TRY(guard_unparse(c, values, &call->arena, &p->statements[i], err));
        if (lh_str_find(p->statements[i], LH_STR(", values to come"), &found))
            return lh_fail(err, LH_INVALID, "sql.pivot",
                           "a PIVOT over another PIVOT needs the inner one's values: ON … IN (…)");
        return values_check(c, call, p->statements[i], tree, err);
    }
    return lh_fail(err, LH_INVALID, "sql.pivot", "this PIVOT needs its values: ON … IN (…)");
}

/* ---- the two steps ---- */

static lh_status
marked_check(struct engine_connection *c, struct lh_call *call, struct guard_pivot *p,
             struct guard_tree_result *tree, struct lh_error *err)
{
    GUARD_AUTO_PARSED(parsed);
    struct guard_pivot_values markers[PLACES_MAX];
    lh_str texts[PLACES_MAX], marked;

    for (size_t i = 0; i < p->place_count; i++) {
        texts[i] = marker_of(i, &call->arena);
        markers[i] = (struct guard_pivot_values){&texts[i], 1};
    }
    LH_TRY(lists_insert(p, markers, &call->arena, &marked, err));
    LH_TRY(guard_parse(c, marked, &parsed, err));
    if (json_array_size(parsed.statements) != 1)
        return lh_fail(err, LH_DENIED, "sql.not_allowed",
                       "this statement is not one query; a PIVOT may need its values: ON … IN (…)");
    LH_TRY(guard_tree_check(json_array_get(parsed.statements, 0), marked, &call->arena, tree, err));
    for (size_t i = 0; i < p->place_count; i++)
        LH_TRY(statement_make(c, call, p, i, tree, err));
    return LH_OK;
}

lh_status
guard_pivot_begin(struct engine_connection *c, struct lh_call *call, lh_str query,
                  struct guard_tree_result *tree, struct guard_pivot **out, struct lh_error *err)
{
    struct guard_pivot *p = LH_ARENA_NEW(&call->arena, struct guard_pivot);

    places_find(query, p);
    p->query = lh_arena_str(&call->arena, query);
    LH_TRY(marked_check(c, call, p, tree, err));
    *out = p;
    return LH_OK;
}

void
guard_pivot_wait(struct guard_pivot *p, struct guard_verdict *v, lh_str prefix)
{
    p->prefix = prefix;
    v->sql = LH_STR("");
    v->pivot = p;
    v->pivot_sql = p->statements;
    v->pivot_count = p->place_count;
}

static lh_status
values_count_check(const struct guard_pivot *p, const struct guard_pivot_values *values,
                   struct lh_error *err)
{
    for (size_t i = 0; i < p->place_count; i++) {
        if (values[i].count == 0)
            return lh_fail(err, LH_INVALID, "sql.pivot",
                           "the PIVOT's column has no values; give them with IN (…)");
        if (values[i].count > GUARD_PIVOT_VALUES_MAX)
            return lh_fail(err, LH_INVALID, "sql.pivot",
                           "the PIVOT's column has more than %d values; choose some with IN (…)",
                           GUARD_PIVOT_VALUES_MAX);
    }
    return LH_OK;
}

lh_status
guard_pivot_complete(struct engine_connection *c, struct lh_call *call, struct guard_verdict *v,
                     const struct guard_pivot_values *values, struct lh_error *err)
{
    struct guard_tree_result known = {.tables = v->tables, .table_count = v->table_count}, tree;
    GUARD_AUTO_PARSED(parsed);
    lh_str sql;

    LH_TRY(values_count_check(v->pivot, values, err));
    LH_TRY(lists_insert(v->pivot, values, &call->arena, &sql, err));
    LH_TRY(guard_parse(c, sql, &parsed, err));
    if (json_array_size(parsed.statements) != 1)
        return lh_fail(err, LH_BUG, "sql.pivot", "the completed PIVOT is not one SELECT");
    LH_TRY(guard_tree_check(json_array_get(parsed.statements, 0), sql, &call->arena, &tree, err));
    LH_TRY(tables_within(&tree, &known, err));
    v->sql =
        lh_str_of(lh_arena_printf(&call->arena, "%.*s%.*s", LH_FMT(v->pivot->prefix), LH_FMT(sql)));
    return LH_OK;
}
