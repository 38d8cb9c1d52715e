#include "store/replica.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/json.h"

/* Read whole when it is not larger; else looked into in place. */
#define INDEX_HELD_MAX ((uint64_t)32 << 20)

struct replica_index {
    struct lh_bucket *rescue;
    char key[LH_KEY_MAX + 1];
    struct lh_reader_at *reader; /* NULL: there is none yet */
    struct lh_object_info info;
    char *bytes; /* of an index that is held */
    atomic_uint refs;
};

/* ---- names ---- */

void
replica_key(const char *bucket, lh_str key, char out[LH_KEY_MAX + 1])
{
    char hex[LH_SHA256_HEX];
    uint8_t digest[LH_SHA256_BYTES];
    int n = snprintf(out, LH_KEY_MAX + 1, "%s/%.*s", bucket, LH_FMT(key));

    if (n <= LH_KEY_MAX)
        return;
    lh_sha256_of(lh_str_bytes(key), digest);
    (void)snprintf(out, LH_KEY_MAX + 1, REPLICA_PREFIX "long/%s/%s", bucket,
                   lh_sha256_hex(digest, hex));
}

const char *const replica_pointer_prefixes[] = {"_catalog/", "_gateway/", "_storage/", "_vectors/",
                                                NULL};

enum replica_class
replica_class_of(lh_str key)
{
    bool is_vector = lh_str_starts(key, LH_STR("_vectors/"));

    if (lh_str_starts(key, LH_STR("_catalog/tombstones/")))
        return REPLICA_DATA; /* put before the manifest that names it */
    if (is_vector && !lh_str_ends(key, LH_STR(".json")))
        return REPLICA_DATA;
    for (const char *const *p = replica_pointer_prefixes; *p; p++)
        if (lh_str_starts(key, lh_str_of(*p)))
            return REPLICA_POINTER;
    return REPLICA_DATA;
}

void
replica_index_key(const char *bucket, enum replica_class class, char out[LH_KEY_MAX + 1])
{
    static const char *const names[] = {"data", "pointers"};

    (void)snprintf(out, LH_KEY_MAX + 1, REPLICA_PREFIX "index/%s/%s.ndjson", bucket, names[class]);
}

bool
replica_is_left_out(lh_str key)
{
    static const lh_str prefixes[] = {LH_STR("_catalog/writers/"), LH_STR("_catalog/collecting/"),
                                      LH_STR("_probe/"), LH_STR(REPLICA_PREFIX)};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (lh_str_starts(key, prefixes[i]))
            return true;
    return false;
}

/* ---- entries ---- */

void
replica_entry_print(const struct replica_entry *e, struct lh_buf *out)
{
    struct lh_json_writer w = lh_json_writer_over(out);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "key", e->key);
    lh_json_set_cstr(&w, "etag", e->info.etag);
    lh_json_set_cstr(&w, "sha256", e->info.sha256);
    lh_json_set_u64(&w, "size_bytes", e->info.size_bytes);
    lh_json_set_i64(&w, "modified_us", e->info.modified_us);
    lh_json_set_cstr(&w, "content_type", e->info.content_type);
    if (e->info.md5_etag[0])
        lh_json_set_cstr(&w, "md5_etag", e->info.md5_etag);
    lh_json_set_cstr(&w, "replica_etag", e->replica_etag);
    if (e->gone_us > 0)
        lh_json_set_i64(&w, "gone_us", e->gone_us);
    lh_json_object_end(&w);
    lh_buf_add_char(out, '\n');
}

static lh_status
text_read(const json_t *v, const char *field, char *to, size_t size, struct lh_error *err)
{
    lh_str s;

    LH_TRY(lh_json_str(v, field, &s, err));
    if (!lh_str_copy(to, size, s))
        return lh_fail(err, LH_CORRUPT, "store.replica_index", "%s is too long", field);
    return LH_OK;
}

static lh_status
number_read(const json_t *v, const char *field, int64_t *to, struct lh_error *err)
{
    const json_t *value = json_object_get(v, field);

    if (!value || !lh_json_int_value(value, to) || *to < 0)
        return lh_fail(err, LH_CORRUPT, "store.replica_index", "%s is no number", field);
    return LH_OK;
}

static lh_status
fields_read(const json_t *v, struct replica_entry *e, struct lh_error *err)
{
    int64_t size = 0;

    LH_TRY(text_read(v, "key", e->key, sizeof(e->key), err));
    LH_TRY(text_read(v, "etag", e->info.etag, sizeof(e->info.etag), err));
    LH_TRY(text_read(v, "sha256", e->info.sha256, sizeof(e->info.sha256), err));
    LH_TRY(text_read(v, "content_type", e->info.content_type, sizeof(e->info.content_type), err));
    LH_TRY(text_read(v, "replica_etag", e->replica_etag, sizeof(e->replica_etag), err));
    if (json_object_get(v, "md5_etag"))
        LH_TRY(text_read(v, "md5_etag", e->info.md5_etag, sizeof(e->info.md5_etag), err));
    LH_TRY(number_read(v, "size_bytes", &size, err));
    LH_TRY(number_read(v, "modified_us", &e->info.modified_us, err));
    if (json_object_get(v, "gone_us"))
        LH_TRY(number_read(v, "gone_us", &e->gone_us, err));
    e->info.size_bytes = (uint64_t)size;
    return lh_key_check(lh_str_of(e->key), err);
}

lh_status
replica_entry_read(lh_str line, struct replica_entry *out, struct lh_error *err)
{
    LH_AUTO_JSON v = NULL;
    LH_AUTO_ERROR(why);
    struct replica_entry e = {0};
    lh_status status = lh_json_parse(line, &v, &why);

    if (status == LH_OK)
        status = fields_read(v, &e, &why);
    if (status != LH_OK)
        return lh_fail(err, LH_CORRUPT, "store.replica_index", "an entry of the index: %s",
                       why.text);
    *out = e;
    return LH_OK;
}

/* ---- an index ---- */

static lh_status
bytes_hold(struct replica_index *x, struct lh_call *call, struct lh_error *err)
{
    LH_AUTO_CHARS bytes = NULL;

    if (x->info.size_bytes > INDEX_HELD_MAX)
        return LH_OK;
    bytes = lh_alloc((size_t)x->info.size_bytes + 1);
    LH_TRY(lh_reader_at_read(x->reader, call, 0, bytes, (size_t)x->info.size_bytes, err));
    x->bytes = lh_take(bytes);
    return LH_OK;
}

lh_status
replica_index_open(struct lh_bucket *rescue, struct lh_call *call, const char *bucket,
                   enum replica_class class, struct replica_index **out, struct lh_error *err)
{
    LH_AUTO(replica_index) *x = LH_NEW(struct replica_index);
    LH_AUTO_ERROR(why);
    lh_status status;

    atomic_init(&x->refs, 1);
    x->rescue = rescue;
    replica_index_key(bucket, class, x->key);
    status = lh_object_open(rescue, call, lh_str_of(x->key), &x->reader, &x->info, &why);
    if (status == LH_OK)
        LH_TRY(bytes_hold(x, call, err));
    else if (status != LH_NOT_FOUND) {
        lh_error_copy(err, &why);
        return status;
    }
    *out = lh_take(x);
    return LH_OK;
}

struct replica_index *
replica_index_ref(struct replica_index *x)
{
    atomic_fetch_add(&x->refs, 1);
    return x;
}

void
replica_index_free(struct replica_index *x)
{
    if (!x || atomic_fetch_sub(&x->refs, 1) > 1)
        return;
    lh_reader_at_free(x->reader);
    free(x->bytes);
    free(x);
}

lh_status
replica_index_is_current(struct replica_index *x, struct lh_call *call, bool *is_current,
                         struct lh_error *err)
{
    struct lh_object_info now = {0};
    LH_AUTO_ERROR(why);
    lh_status status = lh_object_head(x->rescue, call, lh_str_of(x->key), &now, &why);

    if (status != LH_OK && status != LH_NOT_FOUND) {
        lh_error_copy(err, &why);
        return status;
    }
    *is_current = strcmp(now.etag, x->info.etag) == 0;
    return LH_OK;
}

/* ---- looking up ---- */

/* One line around or behind an offset. */
struct window {
    struct replica_index *x;
    struct lh_call *call;
    char *room; /* 2 × REPLICA_LINE_MAX */
};

static lh_status
bytes_at(struct window *w, uint64_t from, size_t n, const char **out, struct lh_error *err)
{
    if (w->x->bytes) {
        *out = w->x->bytes + from;
        return LH_OK;
    }
    if (!w->room)
        w->room = lh_alloc(2 * REPLICA_LINE_MAX);
    LH_TRY(lh_reader_at_read(w->x->reader, w->call, from, w->room, n, err));
    *out = w->room;
    return LH_OK;
}

/* The first line that begins at `from` or later (anywhere but at 0: behind the next LF); `line`
 * without ptr when there is none. `begin` is where it begins. */
static lh_status
line_at(struct window *w, uint64_t from, lh_str *line, uint64_t *begin, struct lh_error *err)
{
    uint64_t size = w->x->info.size_bytes, rest = size - from;
    size_t n = rest < 2 * REPLICA_LINE_MAX ? (size_t)rest : 2 * REPLICA_LINE_MAX;
    const char *bytes;
    lh_str text;
    size_t at = 0;

    *line = LH_STR_NONE;
    LH_TRY(bytes_at(w, from, n, &bytes, err));
    text = (lh_str){bytes, n};
    if (from > 0 && (!lh_str_find_char(text, '\n', &at) || at + 1 == n))
        return LH_OK;
    at += from > 0 ? 1 : 0;
    text = lh_str_slice(text, at, n);
    *begin = from + at;
    if (!lh_str_find_char(text, '\n', &at))
        return text.len == 0 ? LH_OK
                             : lh_fail(err, LH_CORRUPT, "store.replica_index",
                                       "the index has a line that does not end");
    *line = lh_str_slice(text, 0, at);
    return LH_OK;
}

static lh_status
no_replica(const struct replica_index *x, lh_str key, struct lh_error *err)
{
    return lh_fail(err, LH_NOT_FOUND, "store.no_replica", "%s lists no copy of '%.*s'", x->key,
                   LH_FMT(lh_str_fit(key, 300)));
}

/* Invariant: the wanted line, if any, begins in [low, high). */
static lh_status
search(struct window *w, lh_str key, struct replica_entry *out, struct lh_error *err)
{
    uint64_t low = 0, high = w->x->info.size_bytes;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2, begin = 0;
        lh_str line;
        int order;

        /* One before: a line that begins at the middle itself counts. */
        LH_TRY(line_at(w, middle > 0 ? middle - 1 : 0, &line, &begin, err));
        if (!line.ptr || begin >= high) {
            high = middle;
            continue;
        }
        LH_TRY(replica_entry_read(line, out, err));
        order = lh_str_cmp(key, lh_str_of(out->key));
        if (order == 0)
            return LH_OK;
        if (order < 0)
            high = middle < begin ? middle : begin;
        else
            low = begin + line.len + 1;
    }
    return no_replica(w->x, key, err);
}

lh_status
replica_index_find(struct replica_index *x, struct lh_call *call, lh_str key,
                   struct replica_entry *out, struct lh_error *err)
{
    struct window w = {.x = x, .call = call};
    lh_status status;

    if (!x->reader)
        return no_replica(x, key, err);
    status = search(&w, key, out, err);
    free(w.room);
    if (status == LH_OK && out->gone_us > 0)
        return no_replica(x, key, err);
    return status;
}
