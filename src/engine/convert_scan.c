#include "engine/convert_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/alloc.h"
#include "base/thread.h"
#include "engine/canonical.h"

struct scan_local {
    struct convert_scan *scan;
    struct record_cursor cursor;
    struct record_block block;
    bool has_block;
    bool must_check_utf8;
    size_t chunk_rows;
    struct convert_column_out *out; /* of each column; of CONVERT_CAST: `cast_from` */
    duckdb_vector *cast_from;       /* NULL where a column is not cast */
    bool has_casts;
    struct row_place {
        const char *from, *to;
        uint64_t line;
    } * places; /* of each row of the chunk, when there are casts */
    uint32_t *kept;
    struct guess *guesses; /* when guessing */
    struct lh_arena arena;
};

/* ---- ending a run ---- */

static lh_status
scan_end(struct convert_scan *s, const struct lh_error *why)
{
    LH_AUTO_LOCK(&s->state.lock);

    if (!s->state.is_ended)
        lh_error_copy(&s->state.error, why);
    s->state.is_ended = true;
    return why->status;
}

static lh_status
surprise(struct convert_scan *s, size_t column, struct lh_error *err)
{
    if (column < s->column_count)
        atomic_store(&s->columns[column].is_surprised, true);
    atomic_store(&s->is_surprised, true);
    return lh_fail(err, LH_CONFLICT, "convert.surprise", "the types must be guessed again");
}

static void
scan_reset(struct convert_scan *s)
{
    lh_error_clear(&s->state.error);
    s->state.is_ended = false;
    atomic_store(&s->is_surprised, false);
    atomic_store(&s->rows, 0);
    atomic_store(&s->rows_rejected, 0);
    atomic_store(&s->not_utf8, 0);
    atomic_store(&s->beyond_ascii, 0);
    s->reader->rewind(s->reader);
}

/* ---- locals ---- */

static void
local_free(void *self)
{
    struct scan_local *l = self;

    for (size_t i = 0; l->cast_from && i < l->scan->column_count; i++)
        if (l->cast_from[i])
            duckdb_destroy_vector(&l->cast_from[i]);
    free(l->cast_from);
    free(l->out);
    free(l->places);
    free(l->kept);
    free(l->cursor.fields);
    free(l->guesses);
    lh_arena_fini(&l->arena);
    free(l);
}

static struct scan_local *
local_make(struct convert_scan *s)
{
    struct scan_local *l = LH_NEW(struct scan_local);

    l->scan = s;
    l->cursor.column_count = s->column_count;
    l->cursor.fields = lh_alloc_array(s->column_count, sizeof(*l->cursor.fields));
    l->chunk_rows = duckdb_vector_size();
    return l;
}

static void *
local_new_write(void *self)
{
    struct convert_scan *s = self;
    struct scan_local *l = local_make(s);

    l->out = lh_alloc_array(s->column_count, sizeof(*l->out));
    l->cast_from = lh_alloc_array(s->column_count, sizeof(*l->cast_from));
    for (size_t i = 0; i < s->column_count; i++)
        l->has_casts |= s->columns[i].type.kind == CONVERT_CAST;
    l->places = lh_alloc_array(l->chunk_rows, sizeof(*l->places));
    l->kept = lh_alloc_array(l->chunk_rows, sizeof(*l->kept));
    return l;
}

static void *
local_new_guess(void *self)
{
    struct convert_scan *s = self;
    struct scan_local *l = local_make(s);

    l->guesses = lh_alloc_array(s->column_count, sizeof(*l->guesses));
    return l;
}

/* ---- records ---- */

static bool
is_ascii(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16)
        if (_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)p)))
            return false;
#endif
    for (; p < end; p++)
        if ((unsigned char)*p >= 0x80)
            return false;
    return true;
}

/* Pages behind the readers are given back, so that memory does not grow with the file; a later
 * touch reads them again. */
static void
block_forget(const struct record_block *block)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)block->begin + page - 1) & ~(page - 1);
    uintptr_t to = (uintptr_t)block->end & ~(page - 1);

    if (to > from)
        madvise((void *)from, to - from, MADV_DONTNEED);
}

static lh_status
block_claim(struct scan_local *l, bool *is_end, struct lh_error *err)
{
    struct convert_scan *s = l->scan;
    lh_str text;

    LH_TRY(lh_call_check(s->call, err));
    if (l->block.begin)
        block_forget(&l->block);
    {
        /* Finding the next boundary is the one thing that threads take turns at. */
        LH_AUTO_LOCK(&s->claim_lock);
        LH_TRY(s->reader->claim(s->reader, &l->block, is_end, err));
    }
    if (*is_end)
        return LH_OK;
    l->cursor.at = l->block.begin;
    l->cursor.end = l->block.end;
    l->cursor.line = l->block.line;
    l->has_block = true;
    l->must_check_utf8 = false;
    if (!is_ascii(l->block.begin, l->block.end)) {
        text = (lh_str){l->block.begin, (size_t)(l->block.end - l->block.begin)};
        l->must_check_utf8 = !lh_str_is_utf8(text);
        if (!l->must_check_utf8)
            atomic_fetch_add(&s->beyond_ascii, 1);
    }
    return LH_OK;
}

static enum record_verdict
record_next(struct scan_local *l)
{
    struct convert_scan *s = l->scan;
    struct record_cursor *c = &l->cursor;
    enum record_verdict v = s->reader->next(s->reader, c);

    if (v == RECORD_NONE || !l->must_check_utf8 || is_ascii(c->record, c->record_end))
        return v;
    if (lh_str_is_utf8((lh_str){c->record, (size_t)(c->record_end - c->record)})) {
        atomic_fetch_add(&s->beyond_ascii, 1);
        return v;
    }
    atomic_fetch_add(&s->not_utf8, 1);
    c->bad_column = SIZE_MAX;
    snprintf(c->reason, sizeof(c->reason), "the record is not UTF-8");
    return RECORD_REJECTED;
}

static void
record_reject(struct scan_local *l, size_t column, const char *reason,
              const struct row_place *place)
{
    struct convert_scan *s = l->scan;
    struct convert_reject reject = {
        .line = place->line,
        .offset = (uint64_t)(place->from - s->reader->data),
        .column = column < s->column_count ? s->columns[column].name : NULL,
        .reason = reason,
        .raw = {place->from, (size_t)(place->to - place->from)},
    };

    atomic_fetch_add_explicit(&s->rows_rejected, 1, memory_order_relaxed);
    if (s->rejects)
        convert_rejects_add(s->rejects, &reject);
}

static struct row_place
cursor_place(const struct record_cursor *c)
{
    return (struct row_place){.from = c->record, .to = c->record_end, .line = c->record_line};
}

static bool
is_null(const struct convert_scan *s, const struct record_field *f)
{
    if (f->kind == FIELD_NULL || (f->len == 0 && f->kind <= FIELD_ESCAPED))
        return true;
    for (size_t i = 0; i < s->null_count && f->kind <= FIELD_QUOTED; i++)
        if (lh_str_eq(s->nulls[i], (lh_str){f->ptr, f->len}))
            return true;
    return false;
}

/* ---- guessing ---- */

static void
block_guess(struct scan_local *l)
{
    enum record_verdict v;

    while ((v = record_next(l)) != RECORD_NONE) {
        for (size_t i = 0; v == RECORD_ROW && i < l->scan->column_count; i++)
            if (!is_null(l->scan, &l->cursor.fields[i]))
                guess_add(&l->guesses[i], &l->cursor.fields[i], &l->arena);
    }
}

static void
guesses_merge(struct scan_local *l)
{
    LH_AUTO_LOCK(&l->scan->state.lock);

    for (size_t i = 0; i < l->scan->column_count; i++)
        guess_merge(&l->scan->columns[i].guess, &l->guesses[i], l->scan->arena);
}

static lh_status
fill_guess(void *self, struct record_scan_context *context, duckdb_data_chunk chunk, size_t *rows,
           uint64_t *batch, struct lh_error *err)
{
    struct scan_local *l = self;
    bool is_end = false;

    (void)context;
    (void)chunk;
    for (;;) {
        lh_status status = block_claim(l, &is_end, err);
        if (status != LH_OK)
            return scan_end(l->scan, err);
        if (is_end)
            break;
        block_guess(l);
    }
    guesses_merge(l);
    memset(l->guesses, 0, l->scan->column_count * sizeof(*l->guesses));
    *rows = 0;
    *batch = 0;
    return LH_OK;
}

lh_status
convert_scan_sample(struct convert_scan *s, struct lh_error *err)
{
    struct scan_local *l;
    lh_status status;
    bool is_end = false;

    scan_reset(s);
    l = local_new_guess(s);
    status = block_claim(l, &is_end, err);
    if (status == LH_OK && !is_end) {
        block_guess(l);
        guesses_merge(l);
    }
    l->block.begin = NULL;
    local_free(l);
    return status;
}

/* ---- writing ---- */

static lh_status
row_write(struct scan_local *l, size_t row, struct lh_error *err)
{
    struct convert_scan *s = l->scan;

    for (size_t i = 0; i < s->column_count; i++) {
        const struct convert_column *column = &s->columns[i];
        struct record_field *f = &l->cursor.fields[i];
        if (is_null(s, f))
            f->kind = FIELD_NULL;
        if (column->type.kind == CONVERT_CAST && f->kind != FIELD_NULL)
            convert_text_write(s->dialect, false, &l->out[i], row, f);
        else if (!convert_type_write(&column->type, s->dialect, &l->out[i], row, f))
            return surprise(s, i, err);
    }
    return LH_OK;
}

/* A fresh vector for each chunk: unescaped strings stay with their vector as long as it lives. */
static duckdb_vector
cast_vector_renew(duckdb_vector *v, size_t rows)
{
    duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);

    if (*v)
        duckdb_destroy_vector(v);
    *v = duckdb_create_vector(text, rows);
    duckdb_destroy_logical_type(&text);
    return *v;
}

static void
chunk_begin(struct scan_local *l, duckdb_data_chunk chunk)
{
    for (size_t i = 0; i < l->scan->column_count; i++) {
        bool is_cast = l->scan->columns[i].type.kind == CONVERT_CAST;
        l->out[i] =
            convert_column_out_of(is_cast ? cast_vector_renew(&l->cast_from[i], l->chunk_rows)
                                          : duckdb_data_chunk_get_vector(chunk, i));
    }
}

/* Digits after the point that a DECIMAL or integer would have to round away. */
static bool
loses_digits(duckdb_logical_type type, lh_str text)
{
    size_t point, kept = 0;

    switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_DECIMAL:
        kept = duckdb_decimal_scale(type);
        break;
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_UHUGEINT:
        break;
    default:
        return false;
    }
    if (!lh_str_find_char(text, '.', &point))
        return false;
    for (size_t i = point + 1 + kept; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        if (text.ptr[i] != '0')
            return true;
    return false;
}

static lh_str
string_at(duckdb_vector vector, size_t row)
{
    duckdb_string_t *s = &((duckdb_string_t *)duckdb_vector_get_data(vector))[row];

    return (lh_str){duckdb_string_t_data(s), duckdb_string_t_length(*s)};
}

/* Rows whose text did not cast: rejected when the caller asked for the type, a surprise when the
 * target's schema did. */
static lh_status
column_cast(struct scan_local *l, struct record_scan_context *context, duckdb_vector to,
            size_t column, size_t rows, bool *is_bad, struct lh_error *err)
{
    struct convert_column *c = &l->scan->columns[column];
    duckdb_vector from = l->cast_from[column];
    uint64_t *from_validity = duckdb_vector_get_validity(from), *to_validity;
    char reason[RECORD_REASON_MAX];

    if (!record_scan_cast(context, from, to, rows))
        return lh_fail(err, LH_INVALID, "ingest.types", "column \"%s\": text does not cast to %s",
                       c->name, c->type_name);
    to_validity = duckdb_vector_get_validity(to);
    snprintf(reason, sizeof(reason), "the value does not cast to %s", c->type_name);
    for (size_t row = 0; row < rows; row++) {
        bool was_null = from_validity && !duckdb_validity_row_is_valid(from_validity, row);
        bool is_null_now = to_validity && !duckdb_validity_row_is_valid(to_validity, row);
        if (was_null || is_bad[row] ||
            (!is_null_now && !loses_digits(c->logical, string_at(from, row))))
            continue;
        if (!c->is_forced)
            return surprise(l->scan, column, err);
        is_bad[row] = true;
        record_reject(l, column, reason, &l->places[row]);
    }
    return LH_OK;
}

static lh_status
chunk_cast(struct scan_local *l, struct record_scan_context *context, duckdb_data_chunk chunk,
           size_t *rows, struct lh_error *err)
{
    LH_AUTO_CHARS bad = lh_alloc(*rows + 1);
    size_t kept = 0;

    for (size_t i = 0; i < l->scan->column_count; i++)
        if (l->cast_from[i])
            LH_TRY(column_cast(l, context, duckdb_data_chunk_get_vector(chunk, i), i, *rows,
                               (bool *)bad, err));
    for (size_t row = 0; row < *rows; row++)
        if (!bad[row])
            l->kept[kept++] = (uint32_t)row;
    if (kept < *rows)
        record_scan_keep(chunk, l->kept, kept);
    *rows = kept;
    return LH_OK;
}

static lh_status
rows_fill(struct scan_local *l, duckdb_data_chunk chunk, size_t *rows, struct lh_error *err)
{
    size_t n = 0;

    chunk_begin(l, chunk);
    while (n < l->chunk_rows) {
        enum record_verdict v = record_next(l);
        struct row_place place = cursor_place(&l->cursor);
        if (v == RECORD_NONE) {
            l->has_block = false;
            break;
        }
        if (v == RECORD_REJECTED) {
            record_reject(l, l->cursor.bad_column, l->cursor.reason, &place);
            continue;
        }
        LH_TRY(row_write(l, n, err));
        l->places[n++] = place;
    }
    *rows = n;
    return LH_OK;
}

static lh_status
chunk_fill(struct scan_local *l, struct record_scan_context *context, duckdb_data_chunk chunk,
           size_t *rows, struct lh_error *err)
{
    bool is_end = false;

    *rows = 0;
    while (*rows == 0) {
        if (!l->has_block)
            LH_TRY(block_claim(l, &is_end, err));
        if (is_end)
            return LH_OK;
        LH_TRY(rows_fill(l, chunk, rows, err));
        if (l->has_casts && *rows > 0)
            LH_TRY(chunk_cast(l, context, chunk, rows, err));
    }
    atomic_fetch_add_explicit(&l->scan->rows, *rows, memory_order_relaxed);
    return LH_OK;
}

static lh_status
fill_write(void *self, struct record_scan_context *context, duckdb_data_chunk chunk, size_t *rows,
           uint64_t *batch, struct lh_error *err)
{
    struct scan_local *l = self;

    if (atomic_load_explicit(&l->scan->is_surprised, memory_order_relaxed))
        return surprise(l->scan, SIZE_MAX, err);
    if (chunk_fill(l, context, chunk, rows, err) != LH_OK)
        return scan_end(l->scan, err);
    *batch = l->block.index;
    return LH_OK;
}

/* ---- running ---- */

void
convert_scan_init(struct convert_scan *s)
{
    *s = (struct convert_scan){0};
    pthread_mutex_init(&s->state.lock, NULL);
    pthread_mutex_init(&s->claim_lock, NULL);
}

void
convert_scan_fini(struct convert_scan *s)
{
    for (size_t i = 0; i < s->column_count; i++)
        if (s->columns[i].logical)
            duckdb_destroy_logical_type(&s->columns[i].logical);
    lh_error_clear(&s->state.error);
    pthread_mutex_destroy(&s->state.lock);
    pthread_mutex_destroy(&s->claim_lock);
}

static lh_status
scan_run(struct convert_scan *s, const struct record_scan *how, struct engine_connection *c,
         const char *before, const char *after, duckdb_result *result, struct lh_error *err)
{
    LH_AUTO_BUF(sql, 64 * 1024);
    uint64_t id = record_scan_add(how);
    lh_status status;

    lh_buf_printf(&sql, "%slh_records(%llu)%s", before, (unsigned long long)id, after);
    status = lh_buf_check(&sql, "the statement", err);
    if (status == LH_OK)
        status = record_scan_install(engine_connection_handle(c), err);
    if (status == LH_OK)
        status = engine_run(c, lh_buf_cstr(&sql), result, err);
    record_scan_remove(id);
    if (status != LH_OK && s->state.is_ended) {
        lh_error_copy(err, &s->state.error);
        return s->state.error.status;
    }
    return status;
}

lh_status
convert_scan_guess(struct convert_scan *s, struct engine_connection *c, struct lh_error *err)
{
    static const char *const names[] = {"unused"};
    duckdb_logical_type type = duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    struct record_scan how = {.self = s,
                              .local_new = local_new_guess,
                              .local_free = local_free,
                              .fill = fill_guess,
                              .names = names,
                              .types = &type,
                              .column_count = 1,
                              .threads_max = s->threads_max};
    lh_status status;

    for (size_t i = 0; i < s->column_count; i++)
        s->columns[i].guess = (struct guess){0};
    scan_reset(s);
    status = scan_run(s, &how, c, "SELECT count(*) FROM ", "", NULL, err);
    duckdb_destroy_logical_type(&type);
    return status;
}

lh_status
convert_scan_write(struct convert_scan *s, struct engine_connection *c, const char *sql_before,
                   const char *sql_after, duckdb_result *result, struct lh_error *err)
{
    duckdb_logical_type *types = lh_alloc_array(s->column_count, sizeof(*types));
    const char **names = lh_alloc_array(s->column_count, sizeof(*names));
    struct record_scan how = {.self = s,
                              .local_new = local_new_write,
                              .local_free = local_free,
                              .fill = fill_write,
                              .names = names,
                              .types = types,
                              .column_count = s->column_count,
                              .threads_max = s->threads_max};
    lh_status status;

    for (size_t i = 0; i < s->column_count; i++) {
        types[i] = s->columns[i].logical;
        names[i] = s->columns[i].name;
        atomic_store(&s->columns[i].is_surprised, false);
    }
    scan_reset(s);
    status = scan_run(s, &how, c, sql_before, sql_after, result, err);
    free(types);
    free(names);
    return status;
}
