/*
 * The walk is driven by tables: `shapes` say which fields a node of some class may have and what is
 * in them, `parts` say how to walk what is in a field. A few classes have a check of their own
 * (functions, tables, SHOW) that runs before the fields. Field names are those of DuckDB's
 * serialiser, with defaults left out.
 */
#include "engine/guard_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "engine/guard_functions.h"
#include "engine/guard_parse.h"

enum { LEVELS_MAX = 500, NODES_MAX = 100000, TABLES_MAX = 256, PIVOTS_MAX = 16 };

/* ---- the walk ---- */

/* The CTE names one sees, innermost first; lives on the C stack. */
struct scope {
    const struct scope *outer;
    const char *name;
    const json_t *cte; /* {"key","value"} of its WITH; NULL for a recursive CTE inside itself */
    bool is_recursive;
};

struct walk {
    lh_str sql;
    struct lh_arena *arena;
    struct lh_error *err;
    struct guard_tree_result *out;
    size_t nodes;
    size_t levels;
    json_int_t location;    /* of the last node that had one; -1: none yet */
    const json_t *top_show; /* the SHOW or DESCRIBE the statement is, or NULL */
};

enum part {
    PART_END,
    PART_PLAIN, /* text, number, truth value or a list of them: nothing to check */
    PART_REFUSED,
    PART_EXPRESSION,
    PART_QUERY,
    PART_STATEMENT,
    PART_TABLE,
    PART_CALL, /* of a table function, whose name was checked with its table */
    PART_MODIFIER,
    PART_ORDER,
    PART_SAMPLE,
    PART_CASE,
    PART_REPLACEMENT,
    PART_PIVOT,
    PART_PIVOT_ENTRY,
    PART_TYPE,
    PART_TYPE_INFO,
    PART_TYPE_MEMBER,
    PART_VALUE,
    /* lists of those */
    PART_EXPRESSIONS,
    PART_ROWS, /* lists of lists of expressions */
    PART_MODIFIERS,
    PART_ORDERS,
    PART_CASES,
    PART_REPLACEMENTS,
    PART_PIVOTS,
    PART_PIVOT_ENTRIES,
    PART_TYPES,
    PART_TYPE_MEMBERS,
    PART_VALUES,
};

struct field {
    const char *name;
    enum part part;
};

struct shape {
    const char *name; /* the node's class or type */
    lh_status (*check)(struct walk *w, const json_t *node, const struct scope *s);
    const struct field *fields;
};

static lh_status
part_walk(struct walk *w, enum part part, const json_t *value, const struct scope *s);

static const char *
text_of(const json_t *node, const char *field)
{
    const char *text = json_string_value(json_object_get(node, field));

    return text ? text : "";
}

static lh_status refuse(struct walk *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static lh_status
refuse(struct walk *w, const char *fmt, ...)
{
    char text[LH_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    lh_fail(w->err, LH_DENIED, "sql.not_allowed", "%s", text);
    if (w->location >= 0)
        guard_place_set(w->err, w->sql, guard_place_character(w->sql, (size_t)w->location));
    return LH_DENIED;
}

static enum part
part_of(const struct field *fields, const char *name)
{
    for (const struct field *f = fields; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f->part;
    return PART_END;
}

static lh_status
level_enter(struct walk *w, const json_t *node)
{
    const json_t *location = json_object_get(node, "query_location");

    if (json_is_integer(location))
        w->location = json_integer_value(location);
    if (++w->nodes > NODES_MAX)
        return lh_fail(w->err, LH_TOO_BIG, "sql.too_complex",
                       "the statement has more than %d parts", NODES_MAX);
    if (++w->levels > LEVELS_MAX)
        return lh_fail(w->err, LH_TOO_BIG, "sql.too_complex",
                       "the statement is nested deeper than %d levels", LEVELS_MAX);
    return LH_OK;
}

static lh_status
fields_walk(struct walk *w, const json_t *node, const struct field *fields, const struct scope *s)
{
    const char *name;
    json_t *value;

    if (!json_is_object(node))
        return refuse(w, "the parse tree has a part this guard does not know");
    LH_TRY(level_enter(w, node));
    json_object_foreach ((json_t *)node, name, value) {
        enum part part = part_of(fields, name);

        if (part == PART_END || part == PART_REFUSED)
            return refuse(w, "the parse tree has \"%s\", which is not allowed here", name);
        LH_TRY(part_walk(w, part, value, s));
    }
    w->levels--;
    return LH_OK;
}

static lh_status
shape_walk(struct walk *w, const json_t *node, const char *key, const struct shape *shapes,
           const struct scope *s)
{
    const char *name = text_of(node, key);

    for (const struct shape *shape = shapes; shape->name; shape++) {
        if (strcmp(shape->name, name) != 0)
            continue;
        if (json_is_integer(json_object_get(node, "query_location")))
            w->location = json_integer_value(json_object_get(node, "query_location"));
        if (shape->check)
            LH_TRY(shape->check(w, node, s));
        return shape->fields ? fields_walk(w, node, shape->fields, s) : LH_OK;
    }
    return refuse(w, "\"%s\" is not allowed in a statement", *name ? name : "an unnamed part");
}

/* ---- functions ---- */

static lh_status
function_refuse(struct walk *w, const char *name, const struct guard_function *f)
{
    if (!f)
        return refuse(w, "the function \"%s\" is not on the list of allowed functions", name);
    return refuse(w, "the function \"%s\" is not allowed: %s", name,
                  f->why ? f->why : "it is of another kind than its place in the statement");
}

static lh_status
function_named(struct walk *w, const json_t *node, unsigned use)
{
    const char *name = text_of(node, "function_name");
    const struct guard_function *f = guard_function_find(lh_str_of(name));

    if (!f || (f->use & use) == 0)
        return function_refuse(w, name, f);
    return LH_OK;
}

static lh_status
function_check(struct walk *w, const json_t *node, const struct scope *s)
{
    (void)s;
    return function_named(w, node, GUARD_USE_SCALAR | GUARD_USE_AGGREGATE);
}

static lh_status
window_check(struct walk *w, const json_t *node, const struct scope *s)
{
    (void)s;
    return function_named(w, node, GUARD_USE_WINDOW | GUARD_USE_AGGREGATE);
}

/* ---- expressions ---- */

static lh_status
operator_check(struct walk *w, const json_t *node, const struct scope *s)
{
    static const char *const known[] = {
        "OPERATOR_NOT",      "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL",
        "OPERATOR_UNPACK",   "OPERATOR_NULLIF",  "OPERATOR_COALESCE",
        "OPERATOR_TRY",      "COMPARE_IN",       "COMPARE_NOT_IN",
        "GROUPING_FUNCTION", "ARRAY_EXTRACT",    "ARRAY_SLICE",
        "ARRAY_CONSTRUCTOR", "STRUCT_EXTRACT",   "ARROW"};
    const char *type = text_of(node, "type");

    (void)s;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i], type) == 0)
            return LH_OK;
    return refuse(w, "the operator \"%s\" is not known here", type);
}

#define EXPRESSION_FIELDS                                                                          \
    {"class", PART_PLAIN}, {"type", PART_PLAIN}, {"alias", PART_PLAIN},                            \
    {                                                                                              \
        "query_location", PART_PLAIN                                                               \
    }

#define FIELDS(...) ((const struct field[]){EXPRESSION_FIELDS, __VA_ARGS__, {0}})

static const struct shape expression_shapes[] = {
    {"COLUMN_REF", NULL, FIELDS({"column_names", PART_PLAIN})},
    {"CONSTANT", NULL, FIELDS({"value", PART_VALUE})},
    {"FUNCTION", function_check,
     FIELDS({"function_name", PART_PLAIN}, {"schema", PART_PLAIN}, {"catalog", PART_PLAIN},
            {"children", PART_EXPRESSIONS}, {"filter", PART_EXPRESSION},
            {"order_bys", PART_MODIFIER}, {"distinct", PART_PLAIN}, {"is_operator", PART_PLAIN},
            {"export_state", PART_REFUSED})},
    {"COMPARISON", NULL, FIELDS({"left", PART_EXPRESSION}, {"right", PART_EXPRESSION})},
    {"CONJUNCTION", NULL, FIELDS({"children", PART_EXPRESSIONS})},
    {"OPERATOR", operator_check, FIELDS({"children", PART_EXPRESSIONS})},
    {"CAST", NULL,
     FIELDS({"child", PART_EXPRESSION}, {"cast_type", PART_TYPE}, {"try_cast", PART_PLAIN})},
    {"CASE", NULL, FIELDS({"case_checks", PART_CASES}, {"else_expr", PART_EXPRESSION})},
    {"BETWEEN", NULL,
     FIELDS({"input", PART_EXPRESSION}, {"lower", PART_EXPRESSION}, {"upper", PART_EXPRESSION})},
    {"COLLATE", NULL, FIELDS({"child", PART_EXPRESSION}, {"collation", PART_PLAIN})},
    {"LAMBDA", NULL,
     FIELDS({"lhs", PART_EXPRESSION}, {"expr", PART_EXPRESSION}, {"syntax_type", PART_PLAIN})},
    {"PARAMETER", NULL, FIELDS({"identifier", PART_PLAIN})},
    {"POSITIONAL_REFERENCE", NULL, FIELDS({"index", PART_PLAIN})},
    {"STAR", NULL,
     FIELDS({"relation_name", PART_PLAIN}, {"exclude_list", PART_PLAIN},
            {"replace_list", PART_REPLACEMENTS}, {"columns", PART_PLAIN}, {"expr", PART_EXPRESSION},
            {"qualified_exclude_list", PART_PLAIN}, {"rename_list", PART_PLAIN})},
    {"SUBQUERY", NULL,
     FIELDS({"subquery_type", PART_PLAIN}, {"subquery", PART_STATEMENT}, {"child", PART_EXPRESSION},
            {"comparison_type", PART_PLAIN})},
    {"WINDOW", window_check,
     FIELDS({"function_name", PART_PLAIN}, {"schema", PART_PLAIN}, {"catalog", PART_PLAIN},
            {"children", PART_EXPRESSIONS}, {"partitions", PART_EXPRESSIONS},
            {"orders", PART_ORDERS}, {"start", PART_PLAIN}, {"end", PART_PLAIN},
            {"start_expr", PART_EXPRESSION}, {"end_expr", PART_EXPRESSION},
            {"offset_expr", PART_EXPRESSION}, {"default_expr", PART_EXPRESSION},
            {"ignore_nulls", PART_PLAIN}, {"filter_expr", PART_EXPRESSION},
            {"exclude_clause", PART_PLAIN}, {"distinct", PART_PLAIN}, {"arg_orders", PART_ORDERS})},
    {0},
};

static const struct field call_fields[] = {
    EXPRESSION_FIELDS,
    {"function_name", PART_PLAIN},
    {"schema", PART_PLAIN},
    {"catalog", PART_PLAIN},
    {"children", PART_EXPRESSIONS},
    {"order_bys", PART_MODIFIER},
    {0},
};

/* ---- tables ---- */

static const struct scope *
scope_find(const struct scope *s, const char *name)
{
    for (; s; s = s->outer)
        if (s->name && strcasecmp(s->name, name) == 0)
            return s;
    return NULL;
}

/* [A-Za-z_][A-Za-z0-9_]{0,62} in front of what remains. */
static size_t
dataset_name_len(const char *name)
{
    size_t len = 0;

    while ((name[len] >= 'a' && name[len] <= 'z') || (name[len] >= 'A' && name[len] <= 'Z') ||
           name[len] == '_' || (len > 0 && name[len] >= '0' && name[len] <= '9'))
        len++;
    return len <= 63 ? len : 0;
}

/* "@3": no sign, no zero in front. */
static bool
version_parse(const char *text, uint64_t *version)
{
    return text[0] == '@' && text[1] >= '1' && text[1] <= '9' &&
           lh_str_u64(lh_str_of(text + 1), version) && *version <= INT64_MAX;
}

static lh_status
table_add(struct walk *w, struct guard_table t)
{
    struct guard_tree_result *out = w->out;

    for (size_t i = 0; i < out->table_count; i++)
        if (lh_str_eq(out->tables[i].as_written, t.as_written))
            return LH_OK;
    if (out->table_count == TABLES_MAX)
        return lh_fail(w->err, LH_TOO_BIG, "sql.too_complex",
                       "the statement names more than %d tables", TABLES_MAX);
    if (!out->tables)
        out->tables = lh_arena_array(w->arena, TABLES_MAX, sizeof(*out->tables));
    out->tables[out->table_count++] = t;
    return LH_OK;
}

static lh_status
dataset_use(struct walk *w, const char *name)
{
    size_t len = dataset_name_len(name);
    uint64_t version = 0;
    lh_str as_written;

    if (len > 0 && strcmp(name + len, "@tombstones") == 0)
        len = strlen(name);
    else if (len == 0 || (name[len] && !version_parse(name + len, &version)))
        return refuse(w,
                      "\"%s\" is not the name of a dataset; only datasets can be read, written "
                      "as name or \"name@version\"",
                      name);
    if (guard_name_is_catalog_view(lh_str_of(name)))
        return refuse(w, "\"%s\" is a table of DuckDB's own catalog", name);
    as_written = lh_arena_str(w->arena, lh_str_of(name));
    return table_add(w,
                     (struct guard_table){lh_str_slice(as_written, 0, len), version, as_written});
}

static lh_status
base_table_check(struct walk *w, const json_t *node, const struct scope *s)
{
    const char *schema = text_of(node, "schema_name"), *name = text_of(node, "table_name");
    const char *catalog = text_of(node, "catalog_name");
    const struct scope *cte = scope_find(s, name);

    if (json_object_get(node, "at_clause"))
        return refuse(w, "AT is not supported: another version is written \"name@version\"");
    if (*catalog == 0 && strcasecmp(schema, "recurring") == 0 && cte && cte->is_recursive)
        return LH_OK;
    if (*schema || *catalog)
        return refuse(w, "\"%s.%s\" is not a dataset: datasets have no schema",
                      *schema ? schema : catalog, name);
    return cte ? LH_OK : dataset_use(w, name);
}

static lh_status
table_function_check(struct walk *w, const json_t *node, const struct scope *s)
{
    const json_t *function = json_object_get(node, "function");

    (void)s;
    if (strcmp(text_of(function, "class"), "FUNCTION") != 0)
        return refuse(w, "a table function is called in a way this guard does not know");
    return function_named(w, function, GUARD_USE_TABLE);
}

static lh_status
show_check(struct walk *w, const json_t *node, const struct scope *s)
{
    const char *what = text_of(node, "table_name");

    (void)s;
    if (json_object_get(node, "query"))
        return *what ? refuse(w, "SHOW of \"%s\" is not allowed", what) : LH_OK;
    if (strcmp(what, "\"tables\"") != 0 && strcmp(what, "__show_tables_expanded") != 0)
        return refuse(w, "of SHOW only TABLES, a dataset and a query are allowed");
    if (node != w->top_show)
        return refuse(w, "SHOW TABLES is allowed only as a statement of its own");
    w->out->lists_tables = true;
    return LH_OK;
}

static lh_status
pivot_check(struct walk *w, const json_t *node, const struct scope *s)
{
    struct guard_tree_result *out = w->out;
    struct guard_tree_pivot *pivot;
    size_t count = 0;

    if (out->pivot_count == PIVOTS_MAX)
        return lh_fail(w->err, LH_TOO_BIG, "sql.too_complex", "more than %d pivots", PIVOTS_MAX);
    if (!out->pivots)
        out->pivots = lh_arena_array(w->arena, PIVOTS_MAX, sizeof(*out->pivots));
    for (const struct scope *at = s; at; at = at->outer)
        count += at->cte != NULL;
    pivot = &out->pivots[out->pivot_count++];
    pivot->node = node;
    pivot->ctes = lh_arena_array(w->arena, count + 1, sizeof(*pivot->ctes));
    for (const struct scope *at = s; at; at = at->outer)
        if (at->cte)
            pivot->ctes[pivot->cte_count++] = at->cte;
    return LH_OK;
}

#define TABLE_FIELDS                                                                               \
    {"type", PART_PLAIN}, {"alias", PART_PLAIN}, {"sample", PART_SAMPLE},                          \
        {"query_location", PART_PLAIN},                                                            \
    {                                                                                              \
        "column_name_alias", PART_PLAIN                                                            \
    }

#define TABLE(...) ((const struct field[]){TABLE_FIELDS, __VA_ARGS__, {0}})

static const struct shape table_shapes[] = {
    {"BASE_TABLE", base_table_check,
     TABLE({"schema_name", PART_PLAIN}, {"table_name", PART_PLAIN}, {"catalog_name", PART_PLAIN})},
    {"EMPTY", NULL, TABLE({0})},
    {"EXPRESSION_LIST", NULL,
     TABLE({"expected_names", PART_PLAIN}, {"expected_types", PART_TYPES}, {"values", PART_ROWS})},
    {"JOIN", NULL,
     TABLE({"left", PART_TABLE}, {"right", PART_TABLE}, {"condition", PART_EXPRESSION},
           {"join_type", PART_PLAIN}, {"ref_type", PART_PLAIN}, {"using_columns", PART_PLAIN},
           {"is_implicit", PART_PLAIN}, {"delim_flipped", PART_PLAIN})},
    {"PIVOT", pivot_check,
     TABLE({"source", PART_TABLE}, {"aggregates", PART_EXPRESSIONS}, {"unpivot_names", PART_PLAIN},
           {"pivots", PART_PIVOTS}, {"groups", PART_PLAIN}, {"include_nulls", PART_PLAIN})},
    {"SHOW_REF", show_check,
     TABLE({"table_name", PART_PLAIN}, {"query", PART_QUERY}, {"show_type", PART_PLAIN})},
    {"SUBQUERY", NULL, TABLE({"subquery", PART_STATEMENT})},
    {"TABLE_FUNCTION", table_function_check,
     TABLE({"function", PART_CALL}, {"with_ordinality", PART_PLAIN})},
    {0},
};

/* ---- queries ---- */

static const struct scope *
scope_add(struct walk *w, const struct scope *outer, const json_t *cte)
{
    struct scope *s = LH_ARENA_NEW(w->arena, struct scope);

    *s = (struct scope){.outer = outer, .name = text_of(cte, "key"), .cte = cte};
    return s;
}

static const struct field cte_fields[] = {
    {"aliases", PART_PLAIN},
    {"query", PART_STATEMENT},
    {"materialized", PART_PLAIN},
    {"key_targets", PART_EXPRESSIONS},
    {0},
};

/* Walks the CTEs of a query and gives the scope the rest of it sees: each CTE sees those before it.
 */
static lh_status
ctes_walk(struct walk *w, const json_t *query, const struct scope *s, const struct scope **out)
{
    const json_t *map = json_object_get(json_object_get(query, "cte_map"), "map");
    const json_t *entry;
    size_t i;

    *out = s;
    if (!map)
        return LH_OK;
    json_array_foreach (map, i, entry) {
        LH_TRY(fields_walk(w, json_object_get(entry, "value"), cte_fields, *out));
        *out = scope_add(w, *out, entry);
    }
    return LH_OK;
}

/* A recursive CTE sees itself in its second half only; the first may read a dataset of the same
 * name. */
static lh_status
recursion_check(struct walk *w, const json_t *node, const struct scope *s)
{
    struct scope itself = {.outer = s, .name = text_of(node, "cte_name"), .is_recursive = true};

    return part_walk(w, PART_QUERY, json_object_get(node, "right"), &itself);
}

/* A materialised CTE carries its query a second time. */
static lh_status
cte_node_check(struct walk *w, const json_t *node, const struct scope *s)
{
    const struct scope *itself = scope_find(s, text_of(node, "cte_name"));

    return part_walk(w, PART_QUERY, json_object_get(node, "query"), itself ? itself->outer : s);
}

/* cte_map is walked before everything else, by ctes_walk. */
#define QUERY(...)                                                                                 \
    ((const struct field[]){{"type", PART_PLAIN},                                                  \
                            {"modifiers", PART_MODIFIERS},                                         \
                            {"cte_map", PART_PLAIN},                                               \
                            __VA_ARGS__,                                                           \
                            {0}})

static const struct shape query_shapes[] = {
    {"SELECT_NODE", NULL,
     QUERY({"select_list", PART_EXPRESSIONS}, {"from_table", PART_TABLE},
           {"where_clause", PART_EXPRESSION}, {"group_expressions", PART_EXPRESSIONS},
           {"group_sets", PART_PLAIN}, {"aggregate_handling", PART_PLAIN},
           {"having", PART_EXPRESSION}, {"sample", PART_SAMPLE}, {"qualify", PART_EXPRESSION})},
    {"SET_OPERATION_NODE", NULL,
     QUERY({"setop_type", PART_PLAIN}, {"left", PART_QUERY}, {"right", PART_QUERY},
           {"setop_all", PART_PLAIN})},
    {"RECURSIVE_CTE_NODE", recursion_check,
     QUERY({"cte_name", PART_PLAIN}, {"union_all", PART_PLAIN}, {"left", PART_QUERY},
           {"right", PART_PLAIN}, {"aliases", PART_PLAIN}, {"key_targets", PART_EXPRESSIONS})},
    {"CTE_NODE", cte_node_check,
     QUERY({"cte_name", PART_PLAIN}, {"query", PART_PLAIN}, {"child", PART_QUERY},
           {"aliases", PART_PLAIN})},
    {0},
};

static lh_status
query_walk(struct walk *w, const json_t *node, const struct scope *s)
{
    const struct scope *inner;

    if (++w->levels > LEVELS_MAX)
        return lh_fail(w->err, LH_TOO_BIG, "sql.too_complex",
                       "the statement is nested deeper than %d levels", LEVELS_MAX);
    LH_TRY(ctes_walk(w, node, s, &inner));
    LH_TRY(shape_walk(w, node, "type", query_shapes, inner));
    w->levels--;
    return LH_OK;
}

static const struct field statement_fields[] = {
    {"node", PART_QUERY}, {"named_param_map", PART_PLAIN}, {0}};

/* ---- what else hangs on a query ---- */

static const struct shape modifier_shapes[] = {
    {"ORDER_MODIFIER", NULL,
     (const struct field[]){{"type", PART_PLAIN}, {"orders", PART_ORDERS}, {0}}},
    {"LIMIT_MODIFIER", NULL,
     (const struct field[]){
         {"type", PART_PLAIN}, {"limit", PART_EXPRESSION}, {"offset", PART_EXPRESSION}, {0}}},
    {"LIMIT_PERCENT_MODIFIER", NULL,
     (const struct field[]){
         {"type", PART_PLAIN}, {"limit", PART_EXPRESSION}, {"offset", PART_EXPRESSION}, {0}}},
    {"DISTINCT_MODIFIER", NULL,
     (const struct field[]){{"type", PART_PLAIN}, {"distinct_on_targets", PART_EXPRESSIONS}, {0}}},
    {0},
};

static const struct field order_fields[] = {
    {"type", PART_PLAIN}, {"null_order", PART_PLAIN}, {"expression", PART_EXPRESSION}, {0}};
static const struct field case_fields[] = {
    {"when_expr", PART_EXPRESSION}, {"then_expr", PART_EXPRESSION}, {0}};
static const struct field replacement_fields[] = {
    {"key", PART_PLAIN}, {"value", PART_EXPRESSION}, {0}};
static const struct field sample_fields[] = {{"sample_size", PART_VALUE},
                                             {"is_percentage", PART_PLAIN},
                                             {"method", PART_PLAIN},
                                             {"seed", PART_PLAIN},
                                             {0}};
static const struct field pivot_fields[] = {{"pivot_expressions", PART_EXPRESSIONS},
                                            {"unpivot_names", PART_PLAIN},
                                            {"entries", PART_PIVOT_ENTRIES},
                                            {0}};
static const struct field pivot_entry_fields[] = {
    {"values", PART_VALUES}, {"star_expr", PART_EXPRESSION}, {"alias", PART_PLAIN}, {0}};

/* ---- types ---- */

/* What a cast may name. Left out: POINTER, AGGREGATE_STATE and LAMBDA, whose bytes DuckDB trusts;
 * TABLE, ANY and the other types of the binder; VARIANT, which has no form in the answer. */
static const char *const type_ids[] = {"NULL",
                                       "BOOLEAN",
                                       "TINYINT",
                                       "SMALLINT",
                                       "INTEGER",
                                       "BIGINT",
                                       "HUGEINT",
                                       "UTINYINT",
                                       "USMALLINT",
                                       "UINTEGER",
                                       "UBIGINT",
                                       "UHUGEINT",
                                       "FLOAT",
                                       "DOUBLE",
                                       "DECIMAL",
                                       "VARCHAR",
                                       "CHAR",
                                       "BLOB",
                                       "BIT",
                                       "DATE",
                                       "TIME",
                                       "TIME_NS",
                                       "TIME WITH TIME ZONE",
                                       "TIMESTAMP",
                                       "TIMESTAMP_S",
                                       "TIMESTAMP_MS",
                                       "TIMESTAMP_NS",
                                       "TIMESTAMP WITH TIME ZONE",
                                       "INTERVAL",
                                       "UUID",
                                       "BIGNUM",
                                       "ENUM",
                                       "LIST",
                                       "ARRAY",
                                       "STRUCT",
                                       "MAP",
                                       "UNION",
                                       NULL};

static const struct field type_fields[] = {{"id", PART_PLAIN}, {"type_info", PART_TYPE_INFO}, {0}};
static const struct field type_info_fields[] = {{"type", PART_PLAIN},
                                                {"alias", PART_PLAIN},
                                                {"width", PART_PLAIN},
                                                {"scale", PART_PLAIN},
                                                {"size", PART_PLAIN},
                                                {"collation", PART_PLAIN},
                                                {"values_count", PART_PLAIN},
                                                {"values", PART_PLAIN},
                                                {"user_type_name", PART_PLAIN},
                                                {"user_type_modifiers", PART_VALUES},
                                                {"child_type", PART_TYPE},
                                                {"child_types", PART_TYPE_MEMBERS},
                                                {0}};
static const struct field type_member_fields[] = {
    {"first", PART_PLAIN}, {"second", PART_TYPE}, {0}};

/* A type known by name only: of DuckDB's own, JSON is the one that has no id. */
static bool
is_named_type(const json_t *type)
{
    const json_t *info = json_object_get(type, "type_info");

    return strcmp(text_of(type, "id"), "USER") == 0 &&
           strcasecmp(text_of(info, "user_type_name"), "JSON") == 0;
}

static lh_status
type_walk(struct walk *w, const json_t *type, const struct scope *s)
{
    const char *id = text_of(type, "id");
    const char *name = text_of(json_object_get(type, "type_info"), "user_type_name");
    size_t i = 0;

    while (type_ids[i] && strcmp(type_ids[i], id) != 0)
        i++;
    if (!type_ids[i] && !is_named_type(type))
        return refuse(w, "the type \"%s\" is not known here", *name ? name : id);
    return fields_walk(w, type, type_fields, s);
}

static const struct field value_fields[] = {
    {"type", PART_TYPE}, {"is_null", PART_PLAIN}, {"value", PART_PLAIN}, {0}};

/* ---- parts ---- */

static lh_status
list_walk(struct walk *w, enum part part, const json_t *list, const struct scope *s)
{
    const json_t *item;
    size_t i;

    if (!json_is_array(list))
        return refuse(w, "the parse tree has a part this guard does not know");
    json_array_foreach (list, i, item)
        LH_TRY(part_walk(w, part, item, s));
    return LH_OK;
}

static const struct list_part {
    enum part list, item;
} list_parts[] = {
    {PART_EXPRESSIONS, PART_EXPRESSION},
    {PART_ROWS, PART_EXPRESSIONS},
    {PART_MODIFIERS, PART_MODIFIER},
    {PART_ORDERS, PART_ORDER},
    {PART_TYPES, PART_TYPE},
    {PART_VALUES, PART_VALUE},
    {PART_CASES, PART_CASE},
    {PART_PIVOTS, PART_PIVOT},
    {PART_PIVOT_ENTRIES, PART_PIVOT_ENTRY},
    {PART_REPLACEMENTS, PART_REPLACEMENT},
    {PART_TYPE_MEMBERS, PART_TYPE_MEMBER},
};

static const struct field *
fields_of(enum part part)
{
    switch (part) {
    case PART_CALL:
        return call_fields;
    case PART_STATEMENT:
        return statement_fields;
    case PART_ORDER:
        return order_fields;
    case PART_CASE:
        return case_fields;
    case PART_REPLACEMENT:
        return replacement_fields;
    case PART_SAMPLE:
        return sample_fields;
    case PART_PIVOT:
        return pivot_fields;
    case PART_PIVOT_ENTRY:
        return pivot_entry_fields;
    case PART_TYPE_INFO:
        return type_info_fields;
    case PART_TYPE_MEMBER:
        return type_member_fields;
    case PART_VALUE:
        return value_fields;
    default:
        return NULL;
    }
}

static lh_status
part_walk(struct walk *w, enum part part, const json_t *value, const struct scope *s)
{
    for (size_t i = 0; i < sizeof(list_parts) / sizeof(list_parts[0]); i++)
        if (list_parts[i].list == part)
            return list_walk(w, list_parts[i].item, value, s);
    switch (part) {
    case PART_PLAIN:
        return LH_OK;
    case PART_EXPRESSION:
        return shape_walk(w, value, "class", expression_shapes, s);
    case PART_TABLE:
        return shape_walk(w, value, "type", table_shapes, s);
    case PART_MODIFIER:
        return shape_walk(w, value, "type", modifier_shapes, s);
    case PART_QUERY:
        return query_walk(w, value, s);
    case PART_TYPE:
        return type_walk(w, value, s);
    default:
        return fields_walk(w, value, fields_of(part), s);
    }
}

/* ---- the statement ---- */

/* SHOW, DESCRIBE and SUMMARIZE parse as SELECT * FROM <that>, with nothing else. */
static const json_t *
top_show_of(const json_t *query)
{
    static const char *const usual[] = {"type", "cte_map", "select_list", "from_table",
                                        "aggregate_handling"};
    const json_t *from = json_object_get(query, "from_table");
    size_t found = 0;

    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        found += json_object_get(query, usual[i]) != NULL;
    if (found != json_object_size(query) ||
        json_object_get(json_object_get(query, "cte_map"), "map") ||
        strcmp(text_of(from, "type"), "SHOW_REF") != 0)
        return NULL;
    return from;
}

static bool
describes_dataset(const json_t *show)
{
    const json_t *from = json_object_get(json_object_get(show, "query"), "from_table");

    return strcmp(text_of(show, "show_type"), "DESCRIBE") == 0 &&
           strcmp(text_of(from, "type"), "BASE_TABLE") == 0;
}

lh_status
guard_tree_check(const json_t *statement, lh_str sql, struct lh_arena *arena,
                 struct guard_tree_result *out, struct lh_error *err)
{
    struct walk w = {.sql = sql, .arena = arena, .err = err, .out = out, .location = -1};

    *out = (struct guard_tree_result){.describes = LH_STR("")};
    w.top_show = top_show_of(json_object_get(statement, "node"));
    LH_TRY(part_walk(&w, PART_STATEMENT, statement, NULL));
    if (w.top_show && describes_dataset(w.top_show) && out->table_count == 1)
        out->describes = out->tables[0].dataset;
    return LH_OK;
}
