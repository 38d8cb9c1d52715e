/*
 * The rules that every version keeps, whether it is about to be written or has just been read. They
 * are checked in both places by this one file, so that nothing can be committed that could not be
 * read back.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "services/catalogd/name.h"
#include "services/catalogd/tombstones.h"
#include "store/key.h"

#define VERSION_MAX UINT64_C(9999999999) /* ten digits of the object's key */

enum { COLUMNS_MAX = 10000, COLUMN_NAME_MAX = 1024, TYPE_MAX = 65536, FILES_MAX = 1000000 };

static const char *const modes[] = {"replace",   "append",  "upsert", "rollback", "resync",
                                    "tombstone", "compact", "delete", NULL};

bool
catalog_mode_is_known(const char *mode)
{
    for (size_t i = 0; modes[i] != NULL; i++)
        if (strcmp(modes[i], mode) == 0)
            return true;
    return false;
}

__attribute__((format(printf, 2, 3))) static lh_status
refuse(struct lh_error *err, const char *fmt, ...)
{
    char text[LH_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return lh_fail(err, LH_INVALID, "catalog.snapshot", "%s", text);
}

static bool
text_is_sha256(const char *text)
{
    size_t len = strlen(text);

    return len == LH_SHA256_HEX - 1 && strspn(text, "0123456789abcdef") == len;
}

static lh_status
text_check(const char *what, const char *text, size_t max, struct lh_error *err)
{
    size_t len = strlen(text);

    if (len > max)
        return refuse(err, "%s has %zu bytes; at most %zu are allowed", what, len, max);
    if (!lh_str_is_utf8((lh_str){text, len}))
        return refuse(err, "%s is not UTF-8", what);
    return LH_OK;
}

static lh_status
origin_check(const struct catalog_snapshot *s, struct lh_error *err)
{
    const struct lh_snapshot *v = &s->shown;
    lh_uuid id;

    LH_TRY(lh_catalog_name_check(lh_str_of(v->dataset), err));
    if (v->version == 0 || v->version > VERSION_MAX)
        return refuse(err, "version %llu is out of range", (unsigned long long)v->version);
    if (v->parent != v->version - 1)
        return refuse(err, "the parent of version %llu is %llu", (unsigned long long)v->version,
                      (unsigned long long)v->parent);
    if (!catalog_mode_is_known(v->mode))
        return refuse(err, "'%.64s' is no mode", v->mode);
    if (!lh_uuid_parse(lh_str_of(s->commit_id), &id))
        return refuse(err, "commit_id '%.64s' is no UUID", s->commit_id);
    if (v->content_sha256[0] != '\0' && !text_is_sha256(v->content_sha256))
        return refuse(err, "content_sha256 '%.80s' is no SHA-256", v->content_sha256);
    LH_TRY(text_check("source", v->source, 4096, err));
    LH_TRY(text_check("ingest_key", s->ingest_key, 256, err));
    LH_TRY(text_check("actor", s->actor, 256, err));
    LH_TRY(text_check("trace_id", s->trace_id, 64, err));
    LH_TRY(text_check("tombstones", s->tombstones, LH_KEY_MAX, err));
    LH_TRY(text_check("reason", s->reason, 4096, err));
    LH_TRY(text_check("requested_by", s->requested_by, 256, err));
    return v->rejects ? text_check("rejects", v->rejects, LH_KEY_MAX + 256, err) : LH_OK;
}

/* Rows are hidden by tombstones of the dataset's own, or not at all. */
static lh_status
tombstones_check(const struct catalog_snapshot *s, struct lh_error *err)
{
    const struct lh_snapshot *v = &s->shown;
    lh_str rest = lh_str_of(s->tombstones);
    lh_str prefix = LH_STR(CATALOG_TOMBSTONES_PREFIX);

    if (s->tombstones[0] == '\0' && v->hidden_rows == 0 && v->erased == 0)
        return LH_OK;
    if (s->tombstones[0] == '\0' || v->erased == 0 || v->erased > v->version)
        return refuse(err, "%llu rows are hidden, by tombstones '%.64s' of version %llu",
                      (unsigned long long)v->hidden_rows, s->tombstones,
                      (unsigned long long)v->erased);
    LH_TRY(lh_key_check(rest, err));
    if (!lh_str_starts(rest, prefix) ||
        !lh_str_starts(lh_str_slice(rest, prefix.len, rest.len), lh_str_of(v->dataset)) ||
        rest.ptr[prefix.len + strlen(v->dataset)] != '/')
        return refuse(err, "'%.128s' is no tombstones of '%s'", s->tombstones, v->dataset);
    return LH_OK;
}

/* SQL names ignore case, so two columns that differ in nothing else cannot both be asked for. */
static int
names_order(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static lh_status
names_check(const struct lh_snapshot *v, struct lh_error *err)
{
    LH_AUTO_ARENA(scratch);
    const char **names = lh_arena_array(&scratch, v->column_count + 1, sizeof(*names));

    for (size_t i = 0; i < v->column_count; i++)
        names[i] = v->columns[i].name;
    qsort(names, v->column_count, sizeof(*names), names_order);
    for (size_t i = 1; i < v->column_count; i++)
        if (strcasecmp(names[i - 1], names[i]) == 0)
            return refuse(err, "column '%.128s' is there twice", names[i]);
    return LH_OK;
}

static lh_status
column_check(const struct lh_catalog_column *c, uint64_t rows, struct lh_error *err)
{
    if (c->name[0] == '\0' || c->type[0] == '\0')
        return refuse(err, "a column has no name or no type");
    LH_TRY(text_check("a column's name", c->name, COLUMN_NAME_MAX, err));
    LH_TRY(text_check("a column's type", c->type, TYPE_MAX, err));
    if (strpbrk(c->name, "\x1e\x1f") != NULL || strpbrk(c->type, "\x1e\x1f") != NULL)
        return refuse(err, "column '%.128s' holds a separator of the fingerprint", c->name);
    if (c->null_count > rows)
        return refuse(err, "column '%.128s' has %llu nulls in %llu rows", c->name,
                      (unsigned long long)c->null_count, (unsigned long long)rows);
    return LH_OK;
}

static lh_status
columns_check(const struct lh_snapshot *v, struct lh_error *err)
{
    if (v->is_deleted ? v->column_count != 0 : v->column_count == 0)
        return refuse(err, "a version of mode %s has %zu columns", v->mode, v->column_count);
    if (v->column_count > COLUMNS_MAX)
        return refuse(err, "%zu columns are more than %d", v->column_count, COLUMNS_MAX);
    for (size_t i = 0; i < v->column_count; i++)
        LH_TRY(column_check(&v->columns[i], v->rows, err));
    return names_check(v, err);
}

static int
files_order(const void *a, const void *b)
{
    const struct lh_catalog_file *x = *(const struct lh_catalog_file *const *)a;
    const struct lh_catalog_file *y = *(const struct lh_catalog_file *const *)b;
    int order = strcmp(x->key, y->key);

    return order != 0 ? order : strcmp(x->bucket, y->bucket);
}

static lh_status
files_unique_check(const struct lh_snapshot *v, struct lh_error *err)
{
    LH_AUTO_ARENA(scratch);
    const struct lh_catalog_file **files =
        lh_arena_array(&scratch, v->file_count + 1, sizeof(*files));

    for (size_t i = 0; i < v->file_count; i++)
        files[i] = &v->files[i];
    qsort(files, v->file_count, sizeof(*files), files_order);
    for (size_t i = 1; i < v->file_count; i++)
        if (files_order(&files[i - 1], &files[i]) == 0)
            return refuse(err, "object '%.256s' is there twice", files[i]->key);
    return LH_OK;
}

static lh_status
file_check(const struct lh_catalog_file *f, struct lh_error *err)
{
    LH_TRY(lh_key_check(lh_str_of(f->key), err));
    LH_TRY(lh_bucket_name_check(lh_str_of(f->bucket), err));
    if (!text_is_sha256(f->sha256))
        return refuse(err, "the checksum of '%.256s' is no SHA-256", f->key);
    return text_check("ingest_key", f->ingest_key, 256, err);
}

static lh_status
files_check(const struct lh_snapshot *v, struct lh_error *err)
{
    if (v->is_deleted && v->file_count != 0)
        return refuse(err, "a version of mode delete has %zu objects", v->file_count);
    if (v->file_count > FILES_MAX)
        return refuse(err, "%zu objects are more than %d", v->file_count, FILES_MAX);
    for (size_t i = 0; i < v->file_count; i++)
        LH_TRY(file_check(&v->files[i], err));
    return files_unique_check(v, err);
}

lh_status
catalog_snapshot_check(const struct catalog_snapshot *s, struct lh_error *err)
{
    const struct lh_snapshot *v = &s->shown;

    LH_TRY(origin_check(s, err));
    LH_TRY(tombstones_check(s, err));
    LH_TRY(columns_check(v, err));
    LH_TRY(files_check(v, err));
    for (size_t i = 0; i < v->ingest_key_count; i++)
        LH_TRY(text_check("an ingest key", v->ingest_keys[i], 256, err));
    return LH_OK;
}
