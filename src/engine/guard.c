/*
 * In order: limits of the text; EXPLAIN and its options taken off the front; the parse; the walk
 * over the tree (guard_tree.c); for a PIVOT without IN, the two steps of guard_pivot.c. What is
 * prepared in the end is the text that was parsed and walked, behind an EXPLAIN that is written
 * anew from the options recognised, so that nothing the guard has not seen reaches DuckDB.
 */
#include "engine/guard.h"

#include "engine/guard_functions.h"
#include "engine/guard_lex.h"
#include "engine/guard_parse.h"
#include "engine/guard_pivot.h"
#include "engine/guard_tree.h"

/* What DuckDB's parser may spend on nested WITH clauses; about a tenth of a second here. */
#define WITH_COST_MAX ((uint64_t)32 << 20)

/* ---- limits ---- */

static lh_status
text_check(lh_str sql, struct lh_error *err)
{
    size_t at;

    if (sql.len > GUARD_SQL_MAX)
        return lh_fail(err, LH_TOO_BIG, "sql.too_complex",
                       "the statement has %zu bytes; at most %zu are read", sql.len, GUARD_SQL_MAX);
    if (lh_str_find_char(sql, '\0', &at))
        return lh_fail(err, LH_INVALID, "sql.syntax", "the statement holds a NUL character");
    if (!lh_str_is_utf8(sql))
        return lh_fail(err, LH_INVALID, "sql.syntax", "the statement is not valid UTF-8");
    if (guard_lex_with_cost(sql) > WITH_COST_MAX)
        return lh_fail(err, LH_TOO_BIG, "sql.too_complex",
                       "too many WITH clauses are nested in each other");
    return LH_OK;
}

/* ---- EXPLAIN ---- */

struct explain {
    bool is_explain, is_analyze;
    const char *format; /* NULL for the usual one */
    size_t len;         /* of the text before what is explained */
};

static const char *const formats[] = {"default", "text", "json", "html", "graphviz", "yaml", NULL};

static lh_status
option_refuse(lh_str sql, struct guard_token t, struct lh_error *err)
{
    lh_fail(err, LH_DENIED, "sql.not_allowed",
            "of EXPLAIN's options only ANALYZE and FORMAT (default, text, json, html, graphviz, "
            "yaml) are allowed");
    guard_place_set(err, sql, guard_place_character(sql, t.from));
    return LH_DENIED;
}

static const char *
format_find(struct guard_token t)
{
    lh_str name = t.kind == GUARD_TOKEN_STRING ? lh_str_slice(t.text, 1, t.text.len - 1) : t.text;

    for (size_t i = 0; formats[i]; i++)
        if (t.kind != GUARD_TOKEN_END && lh_str_eq_nocase(name, lh_str_of(formats[i])))
            return formats[i];
    return NULL;
}

/* "(ANALYZE, FORMAT json)", behind its parenthesis. */
static lh_status
options_read(struct guard_lexer *l, struct explain *e, struct lh_error *err)
{
    struct guard_token t;

    do {
        t = guard_lex_next(l);
        if (guard_token_is(t, "analyze") || guard_token_is(t, "analyse")) {
            e->is_analyze = true;
        } else if (guard_token_is(t, "format")) {
            t = guard_lex_next(l);
            e->format = format_find(t);
            if (!e->format)
                return option_refuse(l->sql, t, err);
        } else {
            return option_refuse(l->sql, t, err);
        }
        t = guard_lex_next(l);
    } while (guard_token_is_mark(t, ','));
    return guard_token_is_mark(t, ')') ? LH_OK : option_refuse(l->sql, t, err);
}

static bool
opens_options(struct guard_token t)
{
    return guard_token_is(t, "analyze") || guard_token_is(t, "analyse") ||
           guard_token_is(t, "format");
}

/* Takes EXPLAIN off the front; a parenthesis after it belongs to the query unless an option stands
 * in it. */
static lh_status
explain_read(lh_str sql, struct explain *out, struct lh_error *err)
{
    struct guard_lexer l = {sql, 0};
    struct guard_token t = guard_lex_next(&l);
    struct guard_lexer before;

    *out = (struct explain){0};
    if (!guard_token_is(t, "explain"))
        return LH_OK;
    out->is_explain = true;
    out->len = l.at;
    t = guard_lex_next(&l);
    if (guard_token_is(t, "analyze") || guard_token_is(t, "analyse")) {
        out->is_analyze = true;
        out->len = l.at;
        return LH_OK;
    }
    before = l;
    if (!guard_token_is_mark(t, '(') || !opens_options(guard_lex_next(&before)))
        return LH_OK;
    LH_TRY(options_read(&l, out, err));
    out->len = l.at;
    return LH_OK;
}

static lh_str
explain_write(const struct explain *e, lh_str query, struct lh_arena *arena)
{
    const char *analyze = e->is_analyze ? "ANALYZE" : "";
    char *sql;

    if (!e->is_explain)
        sql = lh_arena_cstr(arena, query);
    else if (e->format)
        sql = lh_arena_printf(arena, "EXPLAIN (%s%sFORMAT %s) %.*s", analyze,
                              e->is_analyze ? ", " : "", e->format, LH_FMT(query));
    else
        sql = lh_arena_printf(arena, "EXPLAIN %s %.*s", analyze, LH_FMT(query));
    return lh_str_of(sql);
}

/* ---- the verdict ---- */

/* The statement without what follows it: a ';', blanks, comments. */
static lh_str
without_end(lh_str sql)
{
    struct guard_lexer l = {sql, 0};
    size_t end = 0;

    for (struct guard_token t = guard_lex_next(&l); t.kind != GUARD_TOKEN_END;
         t = guard_lex_next(&l))
        if (!guard_token_is_mark(t, ';'))
            end = l.at;
    return lh_str_slice(sql, 0, end);
}

static lh_status
one_statement(const struct guard_parsed *p, struct lh_error *err)
{
    if (!p->statements)
        return lh_fail(err, LH_DENIED, "sql.not_allowed",
                       "only statements that read are allowed: SELECT, FROM, WITH, VALUES, TABLE, "
                       "PIVOT, UNPIVOT, DESCRIBE, SHOW TABLES, SUMMARIZE and EXPLAIN of these");
    if (json_array_size(p->statements) == 0)
        return lh_fail(err, LH_INVALID, "sql.syntax", "there is no statement");
    if (json_array_size(p->statements) > 1)
        return lh_fail(err, LH_DENIED, "sql.not_allowed", "one statement at a time; here are %zu",
                       json_array_size(p->statements));
    return LH_OK;
}

/* Moves the place of an error by what stood in front of the text that was parsed. */
static void
place_shift(struct lh_error *err, lh_str sql, size_t bytes)
{
    LH_AUTO_JSON extra = err && err->extra ? json_loads(err->extra, 0, NULL) : NULL;
    const json_t *position = json_object_get(extra, "position");

    if (bytes > 0 && position)
        guard_place_set(err, sql,
                        guard_place_character(sql, bytes) + (size_t)json_integer_value(position));
}

static lh_status
query_check(struct engine_connection *c, struct lh_call *call, lh_str query,
            struct guard_tree_result *tree, struct guard_pivot **pivot, struct lh_error *err)
{
    GUARD_AUTO_PARSED(parsed);

    LH_TRY(guard_parse(c, query, &parsed, err));
    *pivot = NULL;
    if (!parsed.statements && guard_pivot_is_open(query))
        return guard_pivot_begin(c, call, query, tree, pivot, err);
    LH_TRY(one_statement(&parsed, err));
    return guard_tree_check(json_array_get(parsed.statements, 0), query, &call->arena, tree, err);
}

static void
verdict_fill(struct guard_verdict *v, const struct guard_tree_result *tree)
{
    v->tables = tree->tables;
    v->table_count = tree->table_count;
    v->lists_tables = tree->lists_tables;
    v->describes = tree->describes;
}

lh_status
guard_check(struct engine_connection *c, struct lh_call *call, lh_str sql,
            struct guard_verdict *out, struct lh_error *err)
{
    struct guard_verdict v = {.sql = LH_STR(""), .describes = LH_STR("")};
    struct guard_tree_result tree;
    struct explain explain;
    lh_status status;
    lh_str query;

    LH_TRY(text_check(sql, err));
    LH_TRY(explain_read(sql, &explain, err));
    query = lh_str_slice(without_end(sql), explain.len, sql.len);
    status = query_check(c, call, query, &tree, &v.pivot, err);
    if (status != LH_OK) {
        place_shift(err, sql, explain.len);
        return status;
    }
    if (explain.is_explain && tree.lists_tables)
        return lh_fail(err, LH_DENIED, "sql.not_allowed", "SHOW TABLES cannot be explained");
    verdict_fill(&v, &tree);
    v.is_explain = explain.is_explain;
    v.sql = explain_write(&explain, query, &call->arena);
    if (v.pivot)
        guard_pivot_wait(v.pivot, &v, explain_write(&explain, LH_STR(""), &call->arena));
    *out = v;
    return LH_OK;
}
