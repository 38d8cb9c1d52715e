#include "services/vectord/source.h"

#include "services/catalogd/client.h"
#include "services/queryd/client.h"
#include "text/chunk.h"

enum {
    CHUNK_SIZE_MIN = 20,
    CHUNK_SIZE_MAX = 100000,
    METADATA_BYTES_MAX = 64 << 10,
    PAGE_BYTES_SMALL = 8 << 20
};

/* ---- definition ---- */

static lh_status
bad(struct lh_error *err, const char *what)
{
    return lh_fail(err, LH_INVALID, "vectors.source", "%s", what);
}

static lh_status
columns_read(const json_t *object, const char *field, struct lh_arena *arena, lh_str *out,
             size_t *count, bool *is_there, struct lh_error *err)
{
    json_t *list = NULL, *item;
    size_t i;

    LH_TRY(lh_json_array_opt(object, field, &list, err));
    *is_there = list != NULL;
    if (json_array_size(list) > VECTOR_COLUMNS_MAX)
        return bad(err, "at most 32 columns of a kind");
    json_array_foreach (list, i, item) {
        if (!json_is_string(item) || json_string_length(item) == 0)
            return bad(err, "columns are an array of names");
        out[i] = lh_arena_str(arena, lh_str_of(json_string_value(item)));
    }
    *count = json_array_size(list);
    return LH_OK;
}

static lh_status
chunk_read(const json_t *object, struct vector_source *s, struct lh_error *err)
{
    static const char *const fields[] = {"size", "overlap", NULL};
    json_t *chunk = NULL;

    LH_TRY(lh_json_object_opt(object, "chunk", &chunk, err));
    if (chunk == NULL)
        return LH_OK;
    s->is_chunked = true;
    s->chunk_size = LH_CHUNK_SIZE_DEFAULT;
    s->chunk_overlap = LH_CHUNK_OVERLAP_DEFAULT;
    LH_TRY(lh_json_only(chunk, fields, err));
    LH_TRY(lh_json_i64_opt(chunk, "size", &s->chunk_size, err));
    LH_TRY(lh_json_i64_opt(chunk, "overlap", &s->chunk_overlap, err));
    if (s->chunk_size < CHUNK_SIZE_MIN || s->chunk_size > CHUNK_SIZE_MAX)
        return bad(err, "chunk.size is from 20 to 100000 characters");
    if (s->chunk_overlap < 0 || s->chunk_overlap > s->chunk_size / 2)
        return bad(err, "chunk.overlap is from 0 to half of the size");
    return LH_OK;
}

lh_status
vector_source_read(const json_t *object, struct lh_arena *arena, struct vector_source *out,
                   struct lh_error *err)
{
    struct vector_source s = {0};
    int64_t version = 0;
    bool has_texts;

    LH_TRY(lh_json_str(object, "dataset", &s.dataset, err));
    LH_TRY(lh_json_str(object, "id_column", &s.id_column, err));
    LH_TRY(lh_json_str_opt(object, "where", &s.where, err));
    LH_TRY(lh_json_i64_opt(object, "version", &version, err));
    LH_TRY(columns_read(object, "text_columns", arena, s.text_columns, &s.text_count, &has_texts,
                        err));
    LH_TRY(columns_read(object, "metadata_columns", arena, s.metadata_columns, &s.metadata_count,
                        &s.has_metadata_columns, err));
    if (s.text_count == 0)
        return lh_fail(err, LH_INVALID, has_texts ? "vectors.source" : "request.field_missing",
                       "text_columns is an array of at least one column");
    LH_TRY(chunk_read(object, &s, err));
    s.version = version > 0 ? (uint64_t)version : 0;
    s.dataset = lh_arena_str(arena, s.dataset);
    s.id_column = lh_arena_str(arena, s.id_column);
    s.where = s.where.ptr ? lh_arena_str(arena, s.where) : LH_STR_NONE;
    *out = s;
    return LH_OK;
}

static void
columns_print(struct lh_json_writer *w, const char *key, const lh_str *columns, size_t count)
{
    lh_json_key(w, key);
    lh_json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        lh_json_put_str(w, columns[i]);
    lh_json_array_end(w);
}

void
vector_source_print(const struct vector_source *s, struct lh_json_writer *w)
{
    lh_json_set_str(w, "dataset", s->dataset);
    lh_json_set_u64(w, "version", s->version);
    lh_json_set_str(w, "id_column", s->id_column);
    columns_print(w, "text_columns", s->text_columns, s->text_count);
    columns_print(w, "metadata_columns", s->metadata_columns, s->metadata_count);
    if (s->where.ptr)
        lh_json_set_str(w, "where", s->where);
    if (s->is_chunked) {
        lh_json_key(w, "chunk");
        lh_json_object_begin(w);
        lh_json_set_i64(w, "size", s->chunk_size);
        lh_json_set_i64(w, "overlap", s->chunk_overlap);
        lh_json_object_end(w);
    }
}

/* ---- statements ---- */

void
vector_sql_name_print(struct lh_buf *sql, lh_str name)
{
    lh_buf_add_char(sql, '"');
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"')
            lh_buf_add_char(sql, '"');
        lh_buf_add_char(sql, name.ptr[i]);
    }
    lh_buf_add_char(sql, '"');
}

/* FROM … WHERE …; the line end closes a comment that the condition may end with. */
static void
from_print(const struct vector_source *s, struct lh_buf *sql)
{
    LH_AUTO_BUF(name, 4096);

    lh_buf_add_str(&name, s->dataset);
    if (s->version > 0)
        lh_buf_printf(&name, "@%llu", (unsigned long long)s->version);
    lh_buf_add_cstr(sql, " FROM ");
    vector_sql_name_print(sql, lh_buf_str(&name));
    if (s->where.len > 0) {
        lh_buf_add_cstr(sql, " WHERE (");
        lh_buf_add_str(sql, s->where);
        lh_buf_add_cstr(sql, "\n)");
    }
}

static lh_status
ask(struct vectord *v, struct lh_call *call, struct lh_buf *sql, uint64_t limit, json_t **out,
    struct lh_error *err)
{
    LH_TRY(lh_buf_check(sql, "the statement", err));
    return lh_query_json(v->env->mesh, call,
                         &(struct lh_query){.sql = lh_buf_str(sql), .limit = limit}, out, err);
}

/* ---- resolving ---- */

static bool
columns_have(const json_t *columns, lh_str name)
{
    const json_t *column;
    size_t i;

    json_array_foreach (columns, i, column) {
        if (lh_str_eq(lh_str_of(json_string_value(json_object_get(column, "name"))), name))
            return true;
    }
    return false;
}

static lh_status
columns_check(const json_t *columns, const lh_str *names, size_t count, struct lh_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!columns_have(columns, names[i]))
            return lh_fail(err, LH_INVALID, "vectors.source", "the dataset has no column '%.*s'",
                           LH_FMT(lh_str_fit(names[i], 128)));
    }
    return LH_OK;
}

static bool
is_text_column(const struct vector_source *s, lh_str name)
{
    for (size_t i = 0; i < s->text_count; i++) {
        if (lh_str_eq(s->text_columns[i], name))
            return true;
    }
    return false;
}

/* Everything that is not text, as long as there is room. */
static void
metadata_choose(const json_t *columns, struct lh_arena *arena, struct vector_source *s)
{
    const json_t *column;
    size_t i;

    json_array_foreach (columns, i, column) {
        lh_str name = lh_str_of(json_string_value(json_object_get(column, "name")));

        if (s->metadata_count < VECTOR_COLUMNS_MAX && !is_text_column(s, name))
            s->metadata_columns[s->metadata_count++] = lh_arena_str(arena, name);
    }
}

lh_status
vector_source_resolve(struct vectord *v, struct lh_call *call, struct vector_source *s,
                      struct lh_error *err)
{
    LH_AUTO_BUF(sql, (size_t)1 << 20);
    LH_AUTO_JSON answer = NULL;
    const json_t *columns;

    lh_buf_add_cstr(&sql, "SELECT *");
    from_print(s, &sql);
    lh_buf_add_cstr(&sql, " LIMIT 1");
    LH_TRY(ask(v, call, &sql, 1, &answer, err));
    columns = json_object_get(answer, "columns");
    LH_TRY(columns_check(columns, &s->id_column, 1, err));
    LH_TRY(columns_check(columns, s->text_columns, s->text_count, err));
    LH_TRY(columns_check(columns, s->metadata_columns, s->metadata_count, err));
    if (!s->has_metadata_columns)
        metadata_choose(columns, &call->arena, s);
    s->has_metadata_columns = true;
    s->version = (uint64_t)json_integer_value(
        json_object_get(json_array_get(json_object_get(answer, "datasets"), 0), "version"));
    return LH_OK;
}

lh_status
vector_source_count(struct vectord *v, struct lh_call *call, const struct vector_source *s,
                    uint64_t *rows, struct lh_error *err)
{
    LH_AUTO_BUF(sql, (size_t)1 << 20);
    LH_AUTO_JSON answer = NULL;

    lh_buf_add_cstr(&sql, "SELECT count(*)");
    from_print(s, &sql);
    LH_TRY(ask(v, call, &sql, 1, &answer, err));
    *rows = (uint64_t)json_integer_value(
        json_array_get(json_array_get(json_object_get(answer, "rows"), 0), 0));
    return LH_OK;
}

/* ---- pages ---- */

struct paging {
    const struct vector_source *s;
    struct lh_arena *arena;
    struct vector_page *page;
    size_t capacity;
};

static struct vector_row *
row_add(struct paging *p)
{
    struct vector_page *page = p->page;

    if (page->count == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : VECTOR_PAGE_ROWS;
        struct vector_row *rows = lh_arena_array(p->arena, capacity, sizeof(*rows));

        if (page->count > 0)
            memcpy(rows, page->rows, page->count * sizeof(*rows));
        page->rows = rows;
        p->capacity = capacity;
    }
    return &page->rows[page->count++];
}

static lh_str
text_join(const struct paging *p, const json_t *row)
{
    LH_AUTO_BUF(text, (size_t)256 << 20);

    for (size_t i = 0; i < p->s->text_count; i++) {
        lh_str part = lh_str_of(json_string_value(json_array_get(row, 1 + i)));

        if (part.len == 0)
            continue;
        if (text.len > 0)
            lh_buf_add_char(&text, '\n');
        lh_buf_add_str(&text, part);
    }
    return lh_arena_str(p->arena, lh_buf_str(&text));
}

static void
metadata_columns_print(const struct vector_source *s, const json_t *row, struct lh_json_writer *w)
{
    for (size_t i = 0; i < s->metadata_count; i++) {
        const json_t *value = json_array_get(row, 1 + s->text_count + i);

        if (json_is_null(value))
            continue;
        lh_json_key_str(w, s->metadata_columns[i]);
        lh_json_put_value(w, value);
    }
}

/* What begins it tells of which row of which dataset the item is: vector_source_mark. */
static void
metadata_print(const struct paging *p, const json_t *row, lh_str id, const struct lh_chunk *chunk,
               size_t number, bool has_columns, struct lh_buf *text)
{
    struct lh_json_writer w = lh_json_writer_over(text);

    lh_json_object_begin(&w);
    lh_json_set_str(&w, "_dataset", p->s->dataset);
    lh_json_set_str(&w, "_row", id);
    if (p->s->is_chunked) {
        lh_json_set_u64(&w, "_chunk", number);
        lh_json_set_u64(&w, "_start", chunk->start);
        lh_json_set_u64(&w, "_end", chunk->end);
    }
    if (has_columns)
        metadata_columns_print(p->s, row, &w);
    lh_json_object_end(&w);
}

/* Too much of it is left out rather than cut: an item is found without its columns too. */
static lh_str
metadata_of(const struct paging *p, const json_t *row, lh_str id, const struct lh_chunk *chunk,
            size_t number)
{
    LH_AUTO_BUF(text, METADATA_BYTES_MAX);
    LH_AUTO_BUF(least, METADATA_BYTES_MAX);

    metadata_print(p, row, id, chunk, number, true, &text);
    if (!text.is_failed)
        return lh_arena_str(p->arena, lh_buf_str(&text));
    metadata_print(p, row, id, chunk, number, false, &least);
    return lh_arena_str(p->arena, lh_buf_str(&least));
}

lh_str
vector_source_mark(lh_str dataset, struct lh_arena *arena)
{
    return lh_str_of(lh_arena_printf(arena, "{\"_dataset\":\"%.*s\",", LH_FMT(dataset)));
}

static void
chunks_add(struct paging *p, const json_t *row, lh_str id, lh_str text)
{
    const struct vector_source *s = p->s;
    struct lh_chunker chunker =
        lh_chunker_over(text, (size_t)s->chunk_size, (size_t)s->chunk_overlap);
    struct lh_chunk chunk;

    for (size_t n = 0; lh_chunker_next(&chunker, &chunk); n++)
        *row_add(p) = (struct vector_row){
            .id = lh_str_of(lh_arena_printf(p->arena, "%.*s#%zu", LH_FMT(id), n)),
            .text = chunk.text,
            .metadata = metadata_of(p, row, id, &chunk, n),
        };
}

static void
source_row_add(struct paging *p, const json_t *row)
{
    lh_str id = lh_str_of(json_string_value(json_array_get(row, 0)));
    lh_str text = text_join(p, row);

    if (id.len == 0 || id.len > 480 || text.len == 0) {
        p->page->skipped++;
        return;
    }
    id = lh_arena_str(p->arena, id);
    if (p->s->is_chunked)
        chunks_add(p, row, id, text);
    else
        *row_add(p) = (struct vector_row){
            .id = id, .text = text, .metadata = metadata_of(p, row, id, NULL, 0)};
}

static void
page_statement(const struct vector_source *s, uint64_t offset, struct lh_buf *sql)
{
    lh_buf_add_cstr(sql, "SELECT CAST(");
    vector_sql_name_print(sql, s->id_column);
    lh_buf_add_cstr(sql, " AS VARCHAR)");
    for (size_t i = 0; i < s->text_count; i++) {
        lh_buf_add_cstr(sql, ", CAST(");
        vector_sql_name_print(sql, s->text_columns[i]);
        lh_buf_add_cstr(sql, " AS VARCHAR)");
    }
    for (size_t i = 0; i < s->metadata_count; i++) {
        lh_buf_add_cstr(sql, ", ");
        vector_sql_name_print(sql, s->metadata_columns[i]);
    }
    from_print(s, sql);
    if (s->has_tombstones)
        lh_buf_add_cstr(sql, " ORDER BY ALL");
    lh_buf_printf(sql, " LIMIT %llu OFFSET %llu", (unsigned long long)s->page_rows,
                  (unsigned long long)offset);
}

/* Rows as they come; of rows that are too long for one answer, half as many, and so on. */
static lh_status
page_ask(struct vectord *v, struct lh_call *call, struct vector_source *s, uint64_t offset,
         json_t **out, struct lh_error *err)
{
    for (;;) {
        LH_AUTO_BUF(sql, (size_t)1 << 20);
        LH_AUTO_ERROR(why);
        lh_status status;

        page_statement(s, offset, &sql);
        status = ask(v, call, &sql, s->page_rows, out, &why);
        if (status != LH_TOO_BIG || s->page_rows == 1) {
            lh_error_copy(err, &why);
            return status;
        }
        s->page_rows /= 2;
    }
}

/* Where texts have become short again, longer pages are fewer statements. */
static void
page_rows_adapt(struct vector_source *s, const struct vector_page *page)
{
    size_t bytes = 0;

    for (size_t i = 0; i < page->count; i++)
        bytes += page->rows[i].text.len;
    if (bytes < PAGE_BYTES_SMALL)
        s->page_rows = 2 * s->page_rows < VECTOR_PAGE_ROWS ? 2 * s->page_rows : VECTOR_PAGE_ROWS;
}

lh_status
vector_source_page(struct vectord *v, struct lh_call *call, struct vector_source *s,
                   uint64_t offset, struct lh_arena *arena, struct vector_page *out,
                   struct lh_error *err)
{
    struct paging p = {.s = s, .arena = arena, .page = out};
    LH_AUTO_JSON answer = NULL;
    const json_t *row;
    size_t i;

    *out = (struct vector_page){0};
    if (s->page_rows == 0)
        s->page_rows = VECTOR_PAGE_ROWS;
    LH_TRY(page_ask(v, call, s, offset, &answer, err));
    json_array_foreach (json_object_get(answer, "rows"), i, row)
        source_row_add(&p, row);
    out->source_rows = json_array_size(json_object_get(answer, "rows"));
    out->is_last = out->source_rows < s->page_rows;
    page_rows_adapt(s, out);
    return LH_OK;
}

lh_status
vector_source_erased(struct vectord *v, struct lh_call *call, const struct vector_source *s,
                     uint64_t *erased, struct lh_error *err)
{
    LH_AUTO(lh_snapshot) *head = NULL;
    LH_AUTO_ERROR(why);
    lh_status status = lh_catalog_snapshot(v->catalog, call, s->dataset, 0, &head, &why);

    *erased = status == LH_OK ? head->erased : 0;
    if (status == LH_OK || status == LH_NOT_FOUND)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}
