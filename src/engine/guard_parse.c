#include "engine/guard_parse.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/guard.h"

/* Trees of everyday statements are a few KiB; 64 MiB is what a statement of the longest allowed
 * text comes to. */
#define TREE_JSON_MAX ((size_t)64 << 20)

/* ---- places ---- */

size_t
guard_place_character(lh_str sql, size_t byte)
{
    size_t characters = 0;

    for (size_t i = 0; i < sql.len && i < byte; i++)
        characters += ((unsigned char)sql.ptr[i] & 0xC0) != 0x80;
    return characters;
}

void
guard_place_set(struct lh_error *err, lh_str sql, size_t character)
{
    size_t line = 1, column = 1, seen = 0;
    char extra[96];

    for (size_t i = 0; i < sql.len; i++) {
        if (((unsigned char)sql.ptr[i] & 0xC0) == 0x80)
            continue;
        if (seen++ == character)
            break;
        column++;
        if (sql.ptr[i] == '\n') {
            line++;
            column = 1;
        }
    }
    snprintf(extra, sizeof(extra), "{\"position\":%zu,\"line\":%zu,\"column\":%zu}", character,
             line, column);
    lh_error_extra_set(err, extra);
}

/* ---- running the two functions ---- */

static lh_status
execute(struct engine_connection *c, duckdb_prepared_statement prepared, lh_str in,
        duckdb_result *result, struct lh_error *err)
{
    duckdb_clear_bindings(prepared);
    if (duckdb_bind_varchar_length(prepared, 1, in.ptr, in.len) != DuckDBSuccess)
        return lh_fail(err, LH_INVALID, "sql.syntax", "the statement is not valid UTF-8");
    if (duckdb_execute_prepared(prepared, result) == DuckDBSuccess)
        return LH_OK;
    return engine_error(c, duckdb_result_error_type(result), duckdb_result_error(result), err);
}

static lh_status
text_take(duckdb_result *result, lh_status (*use)(void *to, lh_str text, struct lh_error *err),
          void *to, struct lh_error *err)
{
    duckdb_data_chunk chunk = duckdb_fetch_chunk(*result);
    lh_status status = LH_BUG;

    if (chunk && duckdb_data_chunk_get_size(chunk) == 1) {
        duckdb_vector column = duckdb_data_chunk_get_vector(chunk, 0);
        duckdb_string_t *cell = duckdb_vector_get_data(column);
        uint64_t *valid = duckdb_vector_get_validity(column);

        if (!valid || duckdb_validity_row_is_valid(valid, 0))
            status =
                use(to, (lh_str){duckdb_string_t_data(cell), duckdb_string_t_length(*cell)}, err);
    }
    if (chunk)
        duckdb_destroy_data_chunk(&chunk);
    return status == LH_BUG ? lh_fail(err, LH_BUG, "sql.parser", "DuckDB's parser gave no tree")
                            : status;
}

/* One value in, one text out. */
static lh_status
call_function(struct engine_connection *c, const char *query, lh_str in,
              lh_status (*use)(void *to, lh_str text, struct lh_error *err), void *to,
              struct lh_error *err)
{
    duckdb_prepared_statement prepared = NULL;
    duckdb_result result = {0};
    lh_status status;

    if (duckdb_prepare(engine_connection_handle(c), query, &prepared) != DuckDBSuccess) {
        status = engine_error(c, DUCKDB_ERROR_INTERNAL, duckdb_prepare_error(prepared), err);
    } else {
        status = execute(c, prepared, in, &result, err);
        if (status == LH_OK)
            status = text_take(&result, use, to, err);
        duckdb_destroy_result(&result);
    }
    duckdb_destroy_prepare(&prepared);
    return status;
}

/* ---- the tree ---- */

static lh_status
tree_decode(void *to, lh_str text, struct lh_error *err)
{
    struct guard_parsed *p = to;
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_error_t ignored;

    if (text.len > TREE_JSON_MAX)
        return lh_fail(err, LH_TOO_BIG, "sql.too_complex",
                       "the statement's parse tree has %zu bytes; at most %zu are looked at",
                       text.len, TREE_JSON_MAX);
    p->root = json_loadb(text.ptr, text.len, flags, &ignored);
    /* Halves of huge constants go past 64 signed bits, and nobody reads the values of constants
     * here. */
    if (!p->root)
        p->root = json_loadb(text.ptr, text.len, flags | JSON_DECODE_INT_AS_REAL, &ignored);
    if (!p->root)
        return lh_fail(err, LH_TOO_BIG, "sql.too_complex",
                       "the statement is nested too deeply, or holds a number that is not finite");
    return LH_OK;
}

static lh_status
parse_failed(const json_t *root, lh_str sql, struct lh_error *err)
{
    const char *text = json_string_value(json_object_get(root, "error_message"));
    const char *position = json_string_value(json_object_get(root, "position"));
    uint64_t character;

    lh_fail(err, LH_INVALID, "sql.syntax", "%s", text ? text : "DuckDB cannot read the statement");
    if (position && lh_str_u64(lh_str_of(position), &character))
        guard_place_set(err, sql, (size_t)character);
    return LH_INVALID;
}

/* What json_serialize_sql says of a statement that parses and is not a SELECT. */
static bool
is_not_select(const json_t *root)
{
    const char *type = json_string_value(json_object_get(root, "error_type"));
    const char *text = json_string_value(json_object_get(root, "error_message"));

    return type && text && strcmp(type, "not implemented") == 0 &&
           strncmp(text, "Only SELECT statements", 22) == 0;
}

lh_status
guard_parse(struct engine_connection *c, lh_str sql, struct guard_parsed *out, struct lh_error *err)
{
    /* Defaults left out halve the tree; empty lists stay, for json_deserialize_sql wants them. */
    static const char query[] = "SELECT json_serialize_sql($1::VARCHAR, skip_default := true)";

    LH_TRY(call_function(c, query, sql, tree_decode, out, err));
    out->statements = json_object_get(out->root, "statements");
    if (json_is_false(json_object_get(out->root, "error")) && json_is_array(out->statements))
        return LH_OK;
    out->statements = NULL;
    return is_not_select(out->root) ? LH_OK : parse_failed(out->root, sql, err);
}

void
guard_parsed_fini(struct guard_parsed *p)
{
    json_decref(p->root);
    *p = (struct guard_parsed){0};
}

/* ---- and back ---- */

struct unparse_target {
    struct lh_arena *arena;
    lh_str *out;
};

static lh_status
text_keep(void *to, lh_str text, struct lh_error *err)
{
    struct unparse_target *target = to;

    (void)err;
    *target->out = (lh_str){lh_arena_cstr(target->arena, text), text.len};
    return LH_OK;
}

lh_status
guard_unparse(struct engine_connection *c, const json_t *tree, struct lh_arena *arena, lh_str *out,
              struct lh_error *err)
{
    struct unparse_target target = {arena, out};
    LH_AUTO_CHARS text = json_dumps(tree, JSON_COMPACT);

    if (!text)
        return lh_fail(err, LH_BUG, "sql.parser", "the tree cannot be written");
    return call_function(c, "SELECT json_deserialize_sql($1::JSON)", lh_str_of(text), text_keep,
                         &target, err);
}
