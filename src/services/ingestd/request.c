#include "services/ingestd/request.h"

#include <stdlib.h>

#include "services/catalogd/client.h"

#define NULLS_MAX 100
#define NAME_MAX_BYTES 1024
#define SOURCE_MAX_BYTES 255

static const char *const parameters[] = {
    "dataset", "mode",      "key",   "format",          "evolve", "types", "preview",
    "header",  "delimiter", "nulls", "allow_duplicate", "source", NULL};

static const char *const modes[] = {"replace", "append", "upsert"};

const char *
ingest_mode_name(enum ingest_mode mode)
{
    return modes[mode];
}

static lh_status
refuse(const char *name, const char *what, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "request.query", "query parameter \"%s\" %s", name, what);
}

/* A parameter given twice would be guesswork. */
static lh_status
repeats_check(const struct lh_request *req, struct lh_error *err)
{
    for (size_t i = 0; i < req->query_count; i++)
        for (size_t k = 0; k < i; k++)
            if (lh_str_eq(req->query[i].name, req->query[k].name))
                return lh_fail(err, LH_INVALID, "request.query",
                               "query parameter \"%.*s\" is given twice",
                               LH_FMT(lh_str_fit(req->query[i].name, 64)));
    return LH_OK;
}

static lh_status
mode_read(const struct lh_request *req, struct lh_arena *arena, struct ingest_request *out,
          struct lh_error *err)
{
    lh_str mode = lh_request_query(req, "mode"), key = lh_request_query(req, "key");
    bool is_known = !mode.ptr;

    for (size_t i = 0; mode.ptr && i < 3; i++) {
        if (!lh_str_eq(mode, lh_str_of(modes[i])))
            continue;
        out->mode = (enum ingest_mode)i;
        is_known = true;
    }
    if (!is_known)
        return refuse("mode", "must be replace, append or upsert", err);
    if (out->mode == INGEST_UPSERT && key.len == 0)
        return lh_fail(err, LH_INVALID, "ingest.key", "an upsert needs key=COLUMN");
    if (out->mode != INGEST_UPSERT && key.ptr)
        return refuse("key", "belongs to mode=upsert", err);
    if (key.len > NAME_MAX_BYTES || !lh_str_is_utf8(key))
        return refuse("key", "is no column's name", err);
    out->key = key.len > 0 ? lh_arena_cstr(arena, key) : NULL;
    return LH_OK;
}

static lh_status
types_read(const struct lh_request *req, struct ingest_request *out, struct lh_error *err)
{
    lh_str text = lh_request_query(req, "types");
    LH_AUTO_ERROR(why);
    const char *name;
    json_t *value;

    if (!text.ptr)
        return LH_OK;
    if (lh_json_parse(text, &out->types, &why) != LH_OK)
        return lh_fail(err, LH_INVALID, "ingest.types", "types is no JSON: %.300s", why.text);
    if (!json_is_object(out->types))
        return lh_fail(err, LH_INVALID, "ingest.types",
                       "types must be an object {\"column\":\"TYPE\"}");
    json_object_foreach (out->types, name, value) {
        if (!json_is_string(value))
            return lh_fail(err, LH_INVALID, "ingest.types", "types: \"%.100s\" needs a type's name",
                           name);
    }
    return LH_OK;
}

static lh_status
delimiter_read(const struct lh_request *req, struct lh_arena *arena, struct ingest_request *out,
               struct lh_error *err)
{
    lh_str text = lh_request_query(req, "delimiter");
    size_t at;

    if (!text.ptr)
        return LH_OK;
    if (lh_str_eq(text, LH_STR("\\t")))
        text = LH_STR("\t");
    if (text.len < 1 || text.len > 8 || lh_str_find_char(text, '\n', &at) ||
        lh_str_find_char(text, '\r', &at) || lh_str_find_char(text, '"', &at))
        return refuse("delimiter", "must have 1 to 8 bytes, no quote and no line end", err);
    out->delimiter = lh_arena_cstr(arena, text);
    return LH_OK;
}

static lh_status
nulls_read(const struct lh_request *req, struct lh_arena *arena, struct ingest_request *out,
           struct lh_error *err)
{
    lh_str text = lh_request_query(req, "nulls");
    LH_AUTO_JSON list = NULL;
    size_t count;

    if (!text.ptr)
        return LH_OK;
    if (lh_json_parse(text, &list, NULL) != LH_OK || !json_is_array(list) ||
        json_array_size(list) > NULLS_MAX)
        return refuse("nulls", "must be a JSON array of at most 100 strings", err);
    count = json_array_size(list);
    out->nulls = lh_arena_array(arena, count + 1, sizeof(*out->nulls));
    for (size_t i = 0; i < count; i++) {
        const char *value = json_string_value(json_array_get(list, i));
        if (!value)
            return refuse("nulls", "must be a JSON array of at most 100 strings", err);
        out->nulls[i] = lh_arena_cstr(arena, lh_str_of(value));
    }
    out->null_count = count;
    return LH_OK;
}

static lh_status
format_read(const struct lh_request *req, struct ingest_request *out, struct lh_error *err)
{
    lh_str format = lh_request_query(req, "format");

    if (format.ptr && !lh_file_format_parse(format, &out->format))
        return lh_fail(err, LH_UNSUPPORTED, "ingest.unknown_format",
                       "format \"%.*s\" is not known; auto, csv, json, ndjson and parquet are",
                       LH_FMT(lh_str_fit(format, 64)));
    return LH_OK;
}

static lh_status
flags_read(const struct lh_request *req, struct ingest_request *out, struct lh_error *err)
{
    bool header = true;

    LH_TRY(lh_request_query_bool(req, "evolve", &out->may_evolve, err));
    LH_TRY(lh_request_query_bool(req, "preview", &out->is_preview, err));
    LH_TRY(lh_request_query_bool(req, "allow_duplicate", &out->allow_duplicate, err));
    LH_TRY(lh_request_query_bool(req, "header", &header, err));
    if (lh_request_has_query(req, "header"))
        out->header = header ? 1 : -1;
    return LH_OK;
}

/* A raw body has no file name of its own. The name is kept as the version's source, and its ending
 * is a hint. */
static lh_status
source_check(const struct lh_request *req, struct lh_error *err)
{
    lh_str source = lh_request_query(req, "source");

    if (source.len > SOURCE_MAX_BYTES || !lh_str_is_utf8(source))
        return refuse("source", "must be a file name of at most 255 bytes", err);
    for (size_t i = 0; i < source.len; i++)
        if ((unsigned char)source.ptr[i] < 0x20)
            return refuse("source", "must not hold control characters", err);
    return LH_OK;
}

lh_status
ingest_request_read(const struct lh_request *req, struct lh_arena *arena,
                    struct ingest_request *out, struct lh_error *err)
{
    lh_str dataset = lh_request_query(req, "dataset");
    lh_str bucket = lh_request_header(req, "X-Lakehouse-Bucket");

    LH_TRY(lh_request_query_only(req, parameters, err));
    LH_TRY(repeats_check(req, err));
    LH_TRY(source_check(req, err));
    if (!dataset.ptr)
        return refuse("dataset", "is missing", err);
    LH_TRY(lh_catalog_name_check(dataset, err));
    out->dataset = lh_arena_cstr(arena, dataset);
    out->bucket = bucket.len > 0 ? lh_arena_cstr(arena, bucket) : "primary";
    LH_TRY(mode_read(req, arena, out, err));
    LH_TRY(format_read(req, out, err));
    LH_TRY(flags_read(req, out, err));
    LH_TRY(types_read(req, out, err));
    LH_TRY(delimiter_read(req, arena, out, err));
    return nulls_read(req, arena, out, err);
}

void
ingest_request_fini(struct ingest_request *r)
{
    if (r->types)
        json_decref(r->types);
    r->types = NULL;
}

void
ingest_request_key(const struct ingest_request *r, const char *content_sha256,
                   char out[LH_SHA256_HEX])
{
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    struct lh_json_writer w = lh_json_writer_over(&text);
    char *types = r->types ? json_dumps(r->types, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    uint8_t digest[LH_SHA256_BYTES];

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "content", content_sha256);
    lh_json_set_cstr(&w, "format", lh_file_format_name(r->format));
    if (r->mode == INGEST_UPSERT)
        lh_json_set_cstr(&w, "upsert", r->key);
    if (types)
        lh_json_set_raw(&w, "types", lh_str_of(types));
    if (r->header != 0)
        lh_json_set_bool(&w, "header", r->header > 0);
    if (r->delimiter)
        lh_json_set_cstr(&w, "delimiter", r->delimiter);
    for (size_t i = 0; i < r->null_count; i++)
        lh_json_set_cstr(&w, "null", r->nulls[i]);
    lh_json_object_end(&w);
    free(types);
    lh_sha256_of(lh_buf_bytes(&text), digest);
    lh_sha256_hex(digest, out);
}
