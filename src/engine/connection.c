#include "engine/connection.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "engine/instance.h"
#include "engine/lake_fs.h"

enum { IDLE_MAX = 16 };

/* ---- pool ---- */

static void
connection_destroy(struct engine_connection *c)
{
    if (c->handle)
        duckdb_disconnect(&c->handle);
    engine_reads_fini(&c->reads);
    free(c);
}

/* Under the lock, since a revival may close the database. */
static bool
handle_open(struct lh_engine *e, struct engine_connection *c)
{
    LH_AUTO_LOCK(&e->pool.lock);

    c->generation = e->pool.generation;
    return duckdb_connect(e->pool.db, &c->handle) == DuckDBSuccess;
}

static lh_status
connection_new(struct lh_engine *e, struct engine_connection **out, struct lh_error *err)
{
    struct engine_connection *c = LH_NEW(struct engine_connection);

    c->engine = e;
    engine_reads_init(&c->reads, e->store, e->kind == LH_ENGINE_QUERY);
    if (!handle_open(e, c) || !engine_lake_attach(c->handle, c)) {
        connection_destroy(c);
        return lh_fail(err, LH_IO, "engine.connect", "DuckDB refused another connection");
    }
    c->watch.connection = c->handle;
    c->watch.reads = &c->reads;
    c->reads.connection = c->handle;
    c->reads.footers = e->kind == LH_ENGINE_QUERY ? e->footers : NULL;
    *out = c;
    return LH_OK;
}

static struct engine_connection *
idle_take(struct lh_engine *e)
{
    LH_AUTO_LOCK(&e->pool.lock);
    struct engine_connection *c = e->pool.idle;

    if (c) {
        e->pool.idle = c->next_idle;
        e->pool.idle_count--;
    }
    return c;
}

static bool
idle_give(struct lh_engine *e, struct engine_connection *c)
{
    LH_AUTO_LOCK(&e->pool.lock);

    if (e->pool.idle_count >= IDLE_MAX || c->generation != e->pool.generation)
        return false;
    c->next_idle = e->pool.idle;
    e->pool.idle = c;
    e->pool.idle_count++;
    return true;
}

lh_status
engine_connection_take(struct lh_engine *e, struct lh_call *call, struct engine_connection **out,
                       struct lh_error *err)
{
    struct engine_connection *c;

    if (call)
        LH_TRY(lh_call_check(call, err));
    if (atomic_load(&e->is_broken))
        LH_TRY(engine_revive(e, err));
    c = idle_take(e);
    if (!c)
        LH_TRY(connection_new(e, &c, err));
    c->reads.call = call;
    engine_reads_reset(&c->reads);
    engine_watch_tie(&c->watch, call);
    atomic_fetch_add(&e->running, 1);
    *out = c;
    return LH_OK;
}

void
engine_connection_free(struct engine_connection *c)
{
    if (!c)
        return;
    engine_watch_untie(&c->watch);
    engine_reads_allow(&c->reads, NULL, 0);
    engine_mem_end(&c->reads);
    c->reads.call = NULL;
    c->sources = NULL;
    c->searches = (struct engine_searches){0};
    atomic_fetch_sub(&c->engine->running, 1);
    if (!idle_give(c->engine, c))
        connection_destroy(c);
}

void
engine_pool_drain(struct lh_engine *e)
{
    for (struct engine_connection *c; (c = idle_take(e)) != NULL;)
        connection_destroy(c);
}

duckdb_connection
engine_connection_handle(struct engine_connection *c)
{
    return c->handle;
}

struct engine_reads *
engine_connection_reads(struct engine_connection *c)
{
    return &c->reads;
}

/* ---- running ---- */

lh_status
engine_run(struct engine_connection *c, const char *sql, duckdb_result *result,
           struct lh_error *err)
{
    duckdb_result own = {0};
    duckdb_result *r = result ? result : &own;
    lh_status status = LH_OK;

    engine_reads_reset(&c->reads);
    atomic_fetch_add_explicit(&c->engine->statements, 1, memory_order_relaxed);
    if (duckdb_query(c->handle, sql, r) != DuckDBSuccess) {
        status = engine_error(c, duckdb_result_error_type(r), duckdb_result_error(r), err);
        duckdb_destroy_result(r);
    } else if (!result) {
        duckdb_destroy_result(&own);
    }
    return status;
}

lh_status
engine_runf(struct engine_connection *c, struct lh_error *err, const char *fmt, ...)
{
    LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);
    va_list args;

    va_start(args, fmt);
    lh_buf_vprintf(&sql, fmt, args);
    va_end(args);
    return engine_run(c, lh_buf_cstr(&sql), NULL, err);
}

/* ---- errors ---- */

struct mapping {
    duckdb_error_type type;
    lh_status status;
    const char *reason;
};

static const struct mapping mappings[] = {
    {DUCKDB_ERROR_PARSER, LH_INVALID, "sql.syntax"},
    {DUCKDB_ERROR_SYNTAX, LH_INVALID, "sql.syntax"},
    {DUCKDB_ERROR_BINDER, LH_INVALID, "sql.binding"},
    {DUCKDB_ERROR_CATALOG, LH_INVALID, "sql.binding"},
    {DUCKDB_ERROR_CONVERSION, LH_INVALID, "sql.conversion"},
    {DUCKDB_ERROR_OUT_OF_RANGE, LH_INVALID, "sql.out_of_range"},
    {DUCKDB_ERROR_DIVIDE_BY_ZERO, LH_INVALID, "sql.out_of_range"},
    {DUCKDB_ERROR_DECIMAL, LH_INVALID, "sql.out_of_range"},
    {DUCKDB_ERROR_UNKNOWN_TYPE, LH_INVALID, "sql.type"},
    {DUCKDB_ERROR_MISMATCH_TYPE, LH_INVALID, "sql.type"},
    {DUCKDB_ERROR_INVALID_TYPE, LH_INVALID, "sql.type"},
    {DUCKDB_ERROR_INVALID_INPUT, LH_INVALID, "sql.input"},
    {DUCKDB_ERROR_EXPRESSION, LH_INVALID, "sql.input"},
    {DUCKDB_ERROR_CONSTRAINT, LH_INVALID, "sql.input"},
    {DUCKDB_ERROR_PARAMETER_NOT_RESOLVED, LH_INVALID, "sql.parameters"},
    {DUCKDB_ERROR_PARAMETER_NOT_ALLOWED, LH_INVALID, "sql.parameters"},
    {DUCKDB_ERROR_NOT_IMPLEMENTED, LH_INVALID, "sql.unsupported"},
    {DUCKDB_ERROR_MISSING_EXTENSION, LH_INVALID, "sql.unsupported"},
    {DUCKDB_ERROR_AUTOLOAD, LH_INVALID, "sql.unsupported"},
    {DUCKDB_ERROR_PERMISSION, LH_DENIED, "sql.not_allowed"},
    {DUCKDB_ERROR_OUT_OF_MEMORY, LH_TOO_BIG, "engine.out_of_memory"},
    {DUCKDB_ERROR_IO, LH_IO, "engine.io"},
    {DUCKDB_ERROR_INTERRUPT, LH_CANCELED, "sql.canceled"},
};

static const struct mapping *
mapping_of(duckdb_error_type type)
{
    static const struct mapping unknown = {DUCKDB_ERROR_INVALID, LH_BUG, "engine.internal"};

    for (size_t i = 0; i < sizeof(mappings) / sizeof(mappings[0]); i++)
        if (mappings[i].type == type)
            return &mappings[i];
    return &unknown;
}

/* DuckDB's text without the picture of the statement ("LINE 1: …"), on one line. */
static void
text_flatten(const char *text, char out[LH_ERROR_TEXT_MAX])
{
    size_t len = 0;

    for (const char *p = text; *p && len + 1 < LH_ERROR_TEXT_MAX; p++) {
        if (*p == '\n' && strncmp(p, "\n\nLINE ", 7) == 0)
            break;
        if (*p == '\n' && (len == 0 || out[len - 1] == ' '))
            continue;
        out[len++] = *p == '\n' ? ' ' : *p;
    }
    out[len] = 0;
}

static bool
is_spill_full(duckdb_error_type type, const char *text)
{
    if (type == DUCKDB_ERROR_OUT_OF_MEMORY)
        return strstr(text, "max_temp_directory_size") != NULL;
    return type == DUCKDB_ERROR_IO && strstr(text, "No space left") != NULL;
}

/* What ended the call, in the words of SQL. */
static lh_status
call_verdict(struct engine_connection *c, struct lh_error *err)
{
    lh_status status = c->reads.call ? lh_call_check(c->reads.call, err) : LH_OK;

    if (status == LH_TIMEOUT)
        return lh_fail(err, LH_TIMEOUT, "sql.timeout", "the statement ran out of its time");
    if (status == LH_CANCELED)
        return lh_fail(err, LH_CANCELED, "sql.canceled", "the statement was canceled");
    return LH_OK;
}

/* Only of the database that the connection belongs to: another may have taken its place already. */
static void
engine_break(struct engine_connection *c)
{
    LH_AUTO_LOCK(&c->engine->pool.lock);

    if (c->generation == c->engine->pool.generation)
        atomic_store(&c->engine->is_broken, true);
}

lh_status
engine_error(struct engine_connection *c, duckdb_error_type type, const char *text,
             struct lh_error *err)
{
    const struct mapping *m = mapping_of(type);
    char line[LH_ERROR_TEXT_MAX];
    LH_AUTO_ERROR(noted);
    bool has_noted = engine_reads_failure(&c->reads, &noted);

    if (type == DUCKDB_ERROR_INTERRUPT ||
        (has_noted && (noted.status == LH_TIMEOUT || noted.status == LH_CANCELED)))
        LH_TRY(call_verdict(c, err));
    if (has_noted) {
        lh_error_copy(err, &noted);
        return noted.status;
    }
    if (type == DUCKDB_ERROR_INTERNAL || type == DUCKDB_ERROR_FATAL)
        engine_break(c);
    text_flatten(text ? text : "DuckDB gave no reason", line);
    if (is_spill_full(type, line))
        return lh_fail(err, LH_NO_SPACE, "engine.spill_full", "%s", line);
    return lh_fail(err, m->status, m->reason, "%s", line);
}

/* ---- quoting ---- */

static void
quote(struct lh_buf *sql, lh_str s, char mark)
{
    lh_buf_add_char(sql, mark);
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == mark)
            lh_buf_add_char(sql, mark);
        lh_buf_add_char(sql, s.ptr[i]);
    }
    lh_buf_add_char(sql, mark);
}

void
engine_quote_literal(struct lh_buf *sql, lh_str s)
{
    quote(sql, s, '\'');
}

void
engine_quote_name(struct lh_buf *sql, lh_str s)
{
    quote(sql, s, '"');
}
