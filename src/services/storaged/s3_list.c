/*
 * Lists of objects. The store gives keys in byte order; here the ones that share what stands before
 * a delimiter are rolled up, and whole runs of them are jumped over: the next page begins behind
 * the last key that could carry the prefix.
 *
 * How much to ask for after a jump is not known: a folder may hold one object or a million. So it
 * is little at first and grows while no further jump comes.
 */
#include "services/storaged/s3.h"

#include "base/encoding.h"

#define KEYS_MAX 1000
#define STEP_AFTER_JUMP 4

/* Greater than any character of a key in byte order: U+10FFFF. */
#define LAST_CHARACTER "\xf4\x8f\xbf\xbf"

struct list {
    struct s3_request *r;
    lh_str prefix, delimiter;
    lh_str marker; /* as given */
    int64_t max;
    bool is_encoded, has_owner;

    struct lh_buf after;  /* where the store goes on */
    struct lh_buf common; /* the last rolled-up prefix */
    struct lh_buf contents, prefixes;
    struct lh_buf last; /* what the last line was about: key, or rolled-up prefix */
    int64_t count;
    size_t step;
    bool is_truncated, is_over, has_jumped;
};

static void
list_fini(struct list *l)
{
    lh_buf_fini(&l->after);
    lh_buf_fini(&l->common);
    lh_buf_fini(&l->contents);
    lh_buf_fini(&l->prefixes);
    lh_buf_fini(&l->last);
}

static void
list_init(struct list *l, struct s3_request *r)
{
    *l = (struct list){.r = r, .max = KEYS_MAX, .step = STEP_AFTER_JUMP};
    lh_buf_init(&l->after, LH_KEY_MAX + 16);
    lh_buf_init(&l->common, LH_KEY_MAX + 16);
    lh_buf_init(&l->last, LH_KEY_MAX + 16);
    lh_buf_init(&l->contents, S3_ANSWER_MAX);
    lh_buf_init(&l->prefixes, S3_ANSWER_MAX);
}

/* ---- what is asked ---- */

static lh_str
query_or_empty(const struct s3_request *r, const char *name)
{
    lh_str value = door_request_query(r, name);

    return value.ptr ? value : LH_STR("");
}

static lh_status
query_read(struct list *l, struct lh_error *err)
{
    lh_str encoding = query_or_empty(l->r, "encoding-type");

    l->prefix = query_or_empty(l->r, "prefix");
    l->delimiter = query_or_empty(l->r, "delimiter");
    l->is_encoded = lh_str_eq(encoding, LH_STR("url"));
    if (encoding.len > 0 && !l->is_encoded)
        return lh_fail(err, LH_INVALID, "s3.InvalidArgument", "encoding-type can only be url");
    LH_TRY(door_request_number(l->r, "max-keys", 0, INT32_MAX, &l->max, err));
    l->max = l->max < KEYS_MAX ? l->max : KEYS_MAX;
    return LH_OK;
}

static void
buf_set(struct lh_buf *b, lh_str a, lh_str z)
{
    lh_buf_clear(b);
    lh_buf_add_str(b, a);
    lh_buf_add_str(b, z);
}

/* Length of what is rolled up of a key, 0 for nothing. */
static size_t
common_length(const struct list *l, lh_str key)
{
    lh_str rest = lh_str_slice(key, l->prefix.len, key.len);
    size_t at;

    if (l->delimiter.len == 0 || !lh_str_find(rest, l->delimiter, &at))
        return 0;
    return l->prefix.len + at + l->delimiter.len;
}

/* A marker that is itself a rolled-up prefix stands for all its keys. */
static void
marker_set(struct list *l, lh_str marker)
{
    bool is_common = lh_str_starts(marker, l->prefix) && common_length(l, marker) == marker.len &&
                     marker.len > 0;

    l->marker = marker;
    /* No key is longer, so what is cut off decides nothing. */
    buf_set(&l->after, lh_str_slice(marker, 0, LH_KEY_MAX),
            is_common ? LH_STR(LAST_CHARACTER) : LH_STR(""));
}

/* ---- rolling up ---- */

/* False when the page is full: what was about to come makes it truncated. */
static bool
line_begin(struct list *l, lh_str what)
{
    if (l->count == l->max) {
        l->is_truncated = l->is_over = true;
        return false;
    }
    l->count++;
    buf_set(&l->last, what, LH_STR(""));
    return true;
}

static void
name_put(const struct list *l, struct lh_buf *out, const char *element, lh_str name)
{
    LH_AUTO_BUF(encoded, (size_t)4 * LH_KEY_MAX);

    if (l->is_encoded)
        lh_percent_encode(&encoded, name, true);
    door_xml_put(out, element, l->is_encoded ? lh_buf_str(&encoded) : name);
}

static void
owner_put(struct lh_buf *out)
{
    lh_buf_add_cstr(out, "<Owner><ID>lakehouse</ID><DisplayName>lakehouse</DisplayName></Owner>");
}

static void
object_put(struct list *l, const struct lh_object_entry *e)
{
    struct lh_buf *out = &l->contents;

    lh_buf_add_cstr(out, "<Contents>");
    name_put(l, out, "Key", lh_str_of(e->key));
    door_xml_put_time(out, "LastModified", e->info.modified_us);
    door_xml_put_etag(out, &e->info);
    door_xml_put_u64(out, "Size", e->info.size_bytes);
    door_xml_put_cstr(out, "StorageClass", "STANDARD");
    if (l->has_owner)
        owner_put(out);
    lh_buf_add_cstr(out, "</Contents>");
}

static void
jump(struct list *l, lh_str over)
{
    buf_set(&l->after, over, LH_STR(LAST_CHARACTER));
    l->has_jumped = true;
}

static void
common_put(struct list *l, lh_str common)
{
    if (l->common.len > 0 && lh_str_eq(common, lh_buf_str(&l->common)))
        return;
    if (!line_begin(l, common))
        return;
    buf_set(&l->common, common, LH_STR(""));
    lh_buf_add_cstr(&l->prefixes, "<CommonPrefixes>");
    name_put(l, &l->prefixes, "Prefix", common);
    lh_buf_add_cstr(&l->prefixes, "</CommonPrefixes>");
}

static void
entry_take(struct list *l, const struct lh_object_entry *e)
{
    lh_str key = lh_str_of(e->key);
    size_t common = common_length(l, key);

    buf_set(&l->after, key, LH_STR(""));
    if (door_key_is_own(key)) {
        jump(l, LH_STR(S3_OWN_PREFIX));
        return;
    }
    if (common > 0) {
        common_put(l, lh_str_slice(key, 0, common));
        jump(l, lh_str_slice(key, 0, common));
        return;
    }
    l->has_jumped = false;
    if (line_begin(l, key))
        object_put(l, e);
}

/* One more than is wanted, so that the end is known. */
static size_t
page_size(const struct list *l)
{
    size_t room = (size_t)(l->max - l->count) + 1;

    if (l->delimiter.len == 0)
        return room;
    return room < l->step ? room : l->step;
}

static lh_status
page_take(struct list *l, struct lh_error *err)
{
    LH_AUTO(lh_object_list) *page = NULL;
    struct s3_request *r = l->r;

    l->has_jumped = false;
    LH_TRY(
        lh_object_list(r->b, r->call, l->prefix, lh_buf_str(&l->after), page_size(l), &page, err));
    for (size_t i = 0; i < page->count && !l->is_over; i++)
        entry_take(l, &page->items[i]);
    l->is_over = l->is_over || !page->has_more;
    l->step = l->has_jumped ? STEP_AFTER_JUMP : l->step * 4;
    return LH_OK;
}

static lh_status
list_run(struct list *l, struct lh_error *err)
{
    if (l->max == 0 || l->prefix.len > LH_KEY_MAX)
        return LH_OK;
    while (!l->is_over)
        LH_TRY(page_take(l, err));
    return LH_OK;
}

/* ---- answers ---- */

static void
head_put(const struct list *l, struct lh_buf *out)
{
    lh_buf_add_cstr(out, S3_XML_HEAD "<ListBucketResult xmlns=\"" S3_NAMESPACE "\">");
    door_xml_put(out, "Name", l->r->bucket_name);
    name_put(l, out, "Prefix", l->prefix);
    if (l->delimiter.len > 0)
        name_put(l, out, "Delimiter", l->delimiter);
    door_xml_put_u64(out, "MaxKeys", (uint64_t)l->max);
    if (l->is_encoded)
        door_xml_put_cstr(out, "EncodingType", "url");
    door_xml_put_cstr(out, "IsTruncated", l->is_truncated ? "true" : "false");
}

static lh_status
answer(struct list *l, struct lh_buf *out, struct lh_error *err)
{
    LH_TRY(lh_buf_check(&l->contents, "the list", err));
    lh_buf_add_str(out, lh_buf_str(&l->contents));
    lh_buf_add_str(out, lh_buf_str(&l->prefixes));
    lh_buf_add_cstr(out, "</ListBucketResult>");
    return door_answer_xml(l->r, 200, out, err);
}

static lh_status
v1_run(struct list *l, struct lh_error *err)
{
    LH_AUTO_BUF(out, S3_ANSWER_MAX);

    LH_TRY(query_read(l, err));
    l->has_owner = true;
    marker_set(l, query_or_empty(l->r, "marker"));
    LH_TRY(list_run(l, err));
    head_put(l, &out);
    name_put(l, &out, "Marker", l->marker);
    if (l->is_truncated && l->delimiter.len > 0)
        name_put(l, &out, "NextMarker", lh_buf_str(&l->last));
    return answer(l, &out, err);
}

lh_status
door_list_v1(struct s3_request *r, struct lh_error *err)
{
    struct list l;
    lh_status status;

    list_init(&l, r);
    status = v1_run(&l, err);
    list_fini(&l);
    return status;
}

/* A token is what the last line was about, in hexadecimal. */
static lh_status
token_read(struct list *l, lh_str *start, struct lh_error *err)
{
    lh_str token = door_request_query(l->r, "continuation-token");
    LH_AUTO_BUF(text, LH_KEY_MAX + 16);

    if (!token.ptr)
        return LH_OK;
    if (token.len == 0 || !lh_hex_decode(&text, token))
        return lh_fail(err, LH_INVALID, "s3.InvalidArgument",
                       "the continuation token is not one of this list");
    *start = lh_arena_str(&l->r->call->arena, lh_buf_str(&text));
    return LH_OK;
}

static void
token_put(struct lh_buf *out, const char *element, lh_str what)
{
    LH_AUTO_BUF(hex, (size_t)4 * LH_KEY_MAX);

    lh_hex_encode(&hex, lh_str_bytes(what));
    door_xml_put(out, element, lh_buf_str(&hex));
}

static lh_status
v2_run(struct list *l, struct lh_error *err)
{
    LH_AUTO_BUF(out, S3_ANSWER_MAX);
    lh_str start_after = query_or_empty(l->r, "start-after"), start = start_after;

    LH_TRY(query_read(l, err));
    LH_TRY(token_read(l, &start, err));
    l->has_owner = lh_str_eq(query_or_empty(l->r, "fetch-owner"), LH_STR("true"));
    marker_set(l, start);
    LH_TRY(list_run(l, err));
    head_put(l, &out);
    door_xml_put_u64(&out, "KeyCount", (uint64_t)l->count);
    if (start_after.len > 0)
        name_put(l, &out, "StartAfter", start_after);
    if (door_request_has(l->r, "continuation-token"))
        door_xml_put(&out, "ContinuationToken", door_request_query(l->r, "continuation-token"));
    if (l->is_truncated)
        token_put(&out, "NextContinuationToken", lh_buf_str(&l->last));
    return answer(l, &out, err);
}

lh_status
door_list_v2(struct s3_request *r, struct lh_error *err)
{
    struct list l;
    lh_status status;

    list_init(&l, r);
    status = v2_run(&l, err);
    list_fini(&l);
    return status;
}
