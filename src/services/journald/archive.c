#include "services/journald/archive.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/time.h"
#include "engine/table.h"

#define FORMAT "lakehouse.log/1"
#define OBJECT_BYTES_MAX ((size_t)256 << 20)
#define CHUNK_BYTES_MAX ((size_t)32 << 20) /* text of one archive; a larger batch stands alone */

enum { COLUMN_BATCH, COLUMN_LINE, COLUMN_RECORD, COLUMNS };

static const struct lh_table_column columns[COLUMNS] = {
    [COLUMN_BATCH] = {"batch", LH_CELL_TEXT},
    [COLUMN_LINE] = {"line", LH_CELL_I64},
    [COLUMN_RECORD] = {"record", LH_CELL_TEXT},
};

/* ---- batches in memory ---- */

static bool
batch_place(const struct journal_archive *a, const char *key, size_t *at)
{
    size_t from = 0, to = a->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = strcmp(a->batches[middle].key, key);

        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    *at = from;
    return false;
}

static void
batch_add(struct journal_archive *a, const char *key, lh_str text)
{
    size_t at;

    if (batch_place(a, key, &at))
        return;
    if (a->count == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 64;
        a->batches = lh_realloc_array(a->batches, a->cap, sizeof(*a->batches));
    }
    memmove(&a->batches[at + 1], &a->batches[at], (a->count - at) * sizeof(*a->batches));
    a->batches[at] = (struct journal_archive_batch){.key = lh_arena_cstr(&a->arena, lh_str_of(key)),
                                                    .text = lh_arena_str(&a->arena, text)};
    a->count++;
}

lh_str
journal_archive_find(const struct journal_archive *a, const char *key)
{
    size_t at;

    return batch_place(a, key, &at) ? a->batches[at].text : LH_STR_NONE;
}

void
journal_archive_fini(struct journal_archive *a)
{
    free(a->batches);
    lh_arena_fini(&a->arena);
    *a = (struct journal_archive){0};
}

/* ---- as Parquet ---- */

/* Rows of one batch stand together, in the order of its lines. */
static lh_status
table_take(const struct lh_table *t, struct journal_archive *out, struct lh_error *err)
{
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    size_t rows = lh_table_rows(t);

    for (size_t i = 0; i < COLUMNS; i++) {
        size_t at;

        if (!lh_table_column_find(t, columns[i].name, columns[i].type, &at) || at != i)
            return lh_fail(err, LH_CORRUPT, "journal.archive", "column '%s' is missing",
                           columns[i].name);
    }
    for (size_t i = 0; i < rows; i++) {
        lh_str batch = lh_table_text(t, i, COLUMN_BATCH);
        LH_AUTO_CHARS key = lh_str_dup(batch);

        lh_buf_add_str(&text, lh_table_text(t, i, COLUMN_RECORD));
        lh_buf_add_char(&text, '\n');
        if (i + 1 < rows && lh_str_eq(lh_table_text(t, i + 1, COLUMN_BATCH), batch))
            continue;
        batch_add(out, key, lh_buf_str(&text));
        lh_buf_clear(&text);
    }
    return LH_OK;
}

static void
batch_encode(struct lh_table *t, const struct journal_archive_batch *b)
{
    lh_str rest = b->text, line;
    int64_t number = 0;

    while (lh_str_next(&rest, '\n', &line)) {
        size_t row;

        if (line.len == 0)
            continue;
        row = lh_table_row_add(t);
        lh_table_set_text(t, row, COLUMN_BATCH, lh_str_of(b->key));
        lh_table_set_i64(t, row, COLUMN_LINE, number++);
        lh_table_set_text(t, row, COLUMN_RECORD, line);
    }
}

static lh_status
object_read(const struct journal_archive_log *log, struct lh_call *call, lh_str key,
            struct journal_archive *out, struct lh_error *err)
{
    LH_AUTO_BUF(bytes, OBJECT_BYTES_MAX);
    LH_AUTO(lh_table) *t = NULL;
    struct lh_object_info info;
    struct lh_engine *work;

    LH_TRY(lh_object_get(log->bucket, call, key, &bytes, &info, err));
    LH_TRY(lh_env_work_engine(log->env, &work, err));
    LH_TRY(lh_table_decode(work, call, lh_buf_bytes(&bytes), &t, err));
    if (info.modified_us > out->newest_us)
        out->newest_us = info.modified_us;
    return table_take(t, out, err);
}

/* ---- reading ---- */

struct loading {
    const struct journal_archive_log *log;
    struct lh_call *call;
    struct journal_archive *out;
};

static lh_status
archive_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    struct loading *l = self;
    LH_AUTO_ERROR(why);
    lh_status status;

    if (!lh_str_ends(lh_str_of(entry->key), LH_STR(".parquet")))
        return LH_OK;
    status = object_read(l->log, l->call, lh_str_of(entry->key), l->out, &why);
    if ((status == LH_CORRUPT || status == LH_INVALID) && l->log->broken != NULL) {
        l->log->broken(l->log->self, entry->key, &why);
        return LH_OK;
    }
    if (status != LH_OK)
        lh_error_copy(err, &why);
    return status;
}

lh_status
journal_archive_load(const struct journal_archive_log *log, struct lh_call *call, const char *day,
                     struct journal_archive *out, struct lh_error *err)
{
    struct loading l = {.log = log, .call = call, .out = out};
    LH_AUTO_CHARS prefix = lh_asprintf("%s" JOURNAL_ARCHIVE_FOLDER "%s/", log->prefix, day);

    return lh_object_walk(log->bucket, call, lh_str_of(prefix), archive_visit, &l, err);
}

lh_status
journal_archive_first(const struct journal_archive_log *log, struct lh_call *call, char day[11],
                      struct lh_error *err)
{
    LH_AUTO(lh_object_list) *page = NULL;
    LH_AUTO_CHARS prefix = lh_asprintf("%s" JOURNAL_ARCHIVE_FOLDER, log->prefix);

    day[0] = '\0';
    LH_TRY(lh_object_list(log->bucket, call, lh_str_of(prefix), LH_STR(""), 1, &page, err));
    if (page->count > 0)
        snprintf(day, 11, "%.10s", page->items[0].key + strlen(prefix));
    return LH_OK;
}

/* ---- what stands as batches ---- */

struct gathering {
    const struct journal_archive_log *log;
    struct lh_call *call;
    struct lh_arena *arena;
    const char **keys;
    size_t count, cap;
};

static bool
is_batch(lh_str suffix)
{
    lh_uuid id;

    return suffix.len == 11 + 36 + 7 && lh_str_ends(suffix, LH_STR(".ndjson")) &&
           lh_uuid_parse(lh_str_slice(suffix, 11, 11 + 36), &id);
}

static lh_status
batch_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    struct gathering *g = self;
    lh_str suffix = lh_str_of(entry->key + strlen(g->log->prefix));

    (void)err;
    if (!is_batch(suffix))
        return LH_OK;
    if (g->count == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 64;
        g->keys = lh_realloc_array(g->keys, g->cap, sizeof(*g->keys));
    }
    g->keys[g->count++] = lh_arena_cstr(g->arena, suffix);
    return LH_OK;
}

static void
gathering_fini(struct gathering *g)
{
    free(g->keys);
}

/* False in *is_there for one that cannot be read: it is left where it is. */
static lh_status
batch_text(const struct gathering *g, const char *key, struct lh_buf *out, bool *is_there,
           struct lh_error *err)
{
    LH_AUTO_CHARS whole = lh_asprintf("%s%s", g->log->prefix, key);
    LH_AUTO_ERROR(why);
    lh_status status = lh_object_get(g->log->bucket, g->call, lh_str_of(whole), out, NULL, &why);

    *is_there = status == LH_OK;
    if (status == LH_OK || status == LH_NOT_FOUND || status == LH_CORRUPT || status == LH_TOO_BIG)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

/* ---- step 1: archiving ---- */

/* The name follows from what is in it: two processes that archive the same put the same object. */
static void
object_key(const struct gathering *g, const char *day, const struct journal_archive *chunk,
           char key[LH_KEY_MAX + 1])
{
    LH_AUTO_BUF(names, LH_BUF_UNLIMITED);
    uint8_t digest[LH_SHA256_BYTES];
    char hex[LH_SHA256_HEX];

    for (size_t i = 0; i < chunk->count; i++) {
        lh_buf_add_cstr(&names, chunk->batches[i].key);
        lh_buf_add_char(&names, '\n');
    }
    lh_sha256_of(lh_buf_bytes(&names), digest);
    lh_sha256_hex(digest, hex);
    snprintf(key, LH_KEY_MAX + 1, "%s" JOURNAL_ARCHIVE_FOLDER "%s/%.24s.parquet", g->log->prefix,
             day, hex);
}

/* A text may lack the last line's end; what is compared is lines. */
static bool
texts_agree(lh_str a, lh_str b)
{
    lh_str x, y;

    for (;;) {
        bool has_x, has_y;

        while ((has_x = lh_str_next(&a, '\n', &x)) && x.len == 0)
            ;
        while ((has_y = lh_str_next(&b, '\n', &y)) && y.len == 0)
            ;
        if (!has_x || !has_y)
            return has_x == has_y;
        if (!lh_str_eq(x, y))
            return false;
    }
}

static lh_status
chunk_prove(const struct gathering *g, lh_str key, const struct journal_archive *chunk,
            struct lh_error *err)
{
    struct journal_archive found __attribute__((cleanup(journal_archive_fini))) = {0};

    LH_TRY(object_read(g->log, g->call, key, &found, err));
    for (size_t i = 0; i < chunk->count; i++)
        if (!texts_agree(journal_archive_find(&found, chunk->batches[i].key),
                         chunk->batches[i].text))
            return lh_fail(err, LH_CORRUPT, "journal.archive",
                           "archive %.*s, read back, does not have the records of %s", LH_FMT(key),
                           chunk->batches[i].key);
    return LH_OK;
}

static lh_status
chunk_put(const struct gathering *g, lh_str key, const struct journal_archive *chunk,
          struct lh_error *err)
{
    LH_AUTO(lh_table) *t = lh_table_new(columns, COLUMNS);
    LH_AUTO_BUF(bytes, OBJECT_BYTES_MAX);
    struct lh_engine *work;

    lh_table_meta_set(t, "format", LH_STR(FORMAT));
    for (size_t i = 0; i < chunk->count; i++)
        batch_encode(t, &chunk->batches[i]);
    LH_TRY(lh_env_work_engine(g->log->env, &work, err));
    LH_TRY(lh_table_encode(work, g->call, t, &bytes, err));
    LH_FAULT("journal.archive.before_put", err);
    return lh_object_put(g->log->bucket, g->call, key, lh_buf_bytes(&bytes),
                         &(struct lh_put_options){.if_absent = true,
                                                  .content_type = "application/vnd.apache.parquet"},
                         NULL, err);
}

static lh_status
chunk_archive(const struct gathering *g, const char *day, struct journal_archive *chunk,
              struct journal_archive_done *done, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    char key[LH_KEY_MAX + 1];
    lh_status status;

    if (chunk->count < 2)
        return LH_OK; /* one object for one is no gain */
    object_key(g, day, chunk, key);
    status = chunk_put(g, lh_str_of(key), chunk, &why);
    if (status != LH_OK && status != LH_CONFLICT && status != LH_EXISTS) {
        lh_error_copy(err, &why);
        return status;
    }
    LH_FAULT("journal.archive.after_put", err);
    LH_TRY(chunk_prove(g, lh_str_of(key), chunk, err));
    done->archived += chunk->count;
    return LH_OK;
}

static lh_status
new_archive(const struct gathering *g, const char *day, const struct journal_archive *have,
            struct journal_archive_done *done, struct lh_error *err)
{
    struct journal_archive chunk __attribute__((cleanup(journal_archive_fini))) = {0};

    for (size_t i = 0; i < g->count; i++) {
        LH_AUTO_BUF(text, OBJECT_BYTES_MAX);
        bool is_there;

        LH_TRY(lh_call_check(g->call, err));
        if (journal_archive_find(have, g->keys[i]).ptr != NULL)
            continue;
        LH_TRY(batch_text(g, g->keys[i], &text, &is_there, err));
        if (!is_there)
            continue;
        if (chunk.arena.used_bytes + text.len > CHUNK_BYTES_MAX) {
            LH_TRY(chunk_archive(g, day, &chunk, done, err));
            journal_archive_fini(&chunk);
        }
        batch_add(&chunk, g->keys[i], lh_buf_str(&text));
    }
    return chunk_archive(g, day, &chunk, done, err);
}

/* ---- step 2: removing ---- */

static lh_status
batch_remove(const struct gathering *g, const char *key, lh_str archived,
             struct journal_archive_done *done, struct lh_error *err)
{
    LH_AUTO_CHARS whole = lh_asprintf("%s%s", g->log->prefix, key);
    LH_AUTO_BUF(text, OBJECT_BYTES_MAX);
    LH_AUTO_ERROR(why);
    bool is_there;
    lh_status status;

    LH_TRY(batch_text(g, key, &text, &is_there, err));
    if (!is_there)
        return LH_OK;
    if (!texts_agree(lh_buf_str(&text), archived))
        return lh_fail(err, LH_CORRUPT, "journal.archive",
                       "batch %s does not have the records that were archived of it", whole);
    LH_FAULT("journal.archive.before_delete", err);
    status = lh_object_delete(g->log->bucket, g->call, lh_str_of(whole), NULL, &why);
    if (status != LH_OK && status != LH_NOT_FOUND) {
        lh_error_copy(err, &why);
        return status;
    }
    done->removed++;
    return LH_OK;
}

static lh_status
old_remove(const struct gathering *g, const struct journal_archive *have, int64_t grace_us,
           struct journal_archive_done *done, struct lh_error *err)
{
    if (have->newest_us == 0 || have->newest_us + grace_us > lh_time_now_us())
        return LH_OK;
    for (size_t i = 0; i < g->count; i++) {
        lh_str archived = journal_archive_find(have, g->keys[i]);

        LH_TRY(lh_call_check(g->call, err));
        if (archived.ptr != NULL)
            LH_TRY(batch_remove(g, g->keys[i], archived, done, err));
    }
    return LH_OK;
}

lh_status
journal_archive_day(const struct journal_archive_log *log, struct lh_call *call, const char *day,
                    int64_t grace_us, struct journal_archive_done *done, struct lh_error *err)
{
    struct journal_archive have __attribute__((cleanup(journal_archive_fini))) = {0};
    LH_AUTO_ARENA(arena);
    struct gathering g
        __attribute__((cleanup(gathering_fini))) = {.log = log, .call = call, .arena = &arena};
    LH_AUTO_CHARS prefix = lh_asprintf("%s%s/", log->prefix, day);

    LH_TRY(lh_object_walk(log->bucket, call, lh_str_of(prefix), batch_visit, &g, err));
    if (g.count == 0)
        return LH_OK;
    LH_TRY(journal_archive_load(log, call, day, &have, err));
    LH_TRY(old_remove(&g, &have, grace_us, done, err));
    return new_archive(&g, day, &have, done, err);
}
