/*
 * ListObjectsV2, page after page until the lister is full. `after` is start-after of the first
 * page, then the store's own token leads on. Keys come percent-encoded, since XML cannot hold all
 * of them; what could not be a key of ours (a "folder" that ends with a slash) is passed over.
 */
#include <stdio.h>
#include "base/encoding.h"
#include "base/time.h"
#include "store/s3_parts.h"
#include "store/s3_xml.h"

#define PAGE_MAX ((size_t)1000) /* the protocol's */

struct page {
    struct object_lister *lister;
    struct lh_buf key, token, last; /* decoded key; how to go on; the key before */
    struct lh_object_info info;
    bool is_encoded, is_truncated, is_full, has_size;
};

static lh_status
fail_list(const char *why, struct lh_error *err)
{
    return lh_fail(err, LH_CORRUPT, "s3.answer", "the store answered a listing with %s", why);
}

static lh_status
key_read(struct page *p, lh_str text, struct lh_error *err)
{
    lh_buf_clear(&p->key);
    /* A plus that is one comes as %2B. */
    if (p->is_encoded && !lh_percent_decode(&p->key, text, true))
        return fail_list("a key that is not encoded well", err);
    if (!p->is_encoded)
        lh_buf_add_str(&p->key, text);
    return lh_buf_check(&p->key, "a key", err);
}

static void
etag_take(struct page *p, lh_str text)
{
    text = lh_str_trim(text);
    if (text.len >= 2 && text.ptr[0] == '"')
        text = lh_str_slice(text, 1, text.len - 1);
    (void)lh_str_copy(p->info.etag, sizeof(p->info.etag), text);
    (void)lh_str_copy(p->info.md5_etag, sizeof(p->info.md5_etag), text);
}

/* At the end of <Contents>. */
static lh_status
entry_take(struct page *p, struct lh_error *err)
{
    lh_str key = lh_buf_str(&p->key);

    if (p->key.len == 0 || !p->has_size || !p->info.etag[0])
        return fail_list("an object without key, size or ETag", err);
    if (p->last.len > 0 && lh_str_cmp(lh_buf_str(&p->last), key) >= 0)
        return fail_list("keys that are not in order", err);
    lh_buf_clear(&p->last);
    lh_buf_add_str(&p->last, key);
    if (lh_key_check(key, NULL) != LH_OK || !lh_str_starts(key, p->lister->prefix) ||
        lh_str_cmp(key, p->lister->after) <= 0)
        return LH_OK;
    p->is_full = p->is_full || !object_lister_has_room(p->lister);
    if (!p->is_full)
        object_lister_add(p->lister, key, &p->info);
    return LH_OK;
}

static void
entry_begin(struct page *p)
{
    p->info = (struct lh_object_info){0};
    (void)lh_str_copy(p->info.content_type, sizeof(p->info.content_type),
                      LH_STR("application/octet-stream"));
    p->has_size = false;
    lh_buf_clear(&p->key);
}

static lh_status
entry_member(struct page *p, const char *name, lh_str text, struct lh_error *err)
{
    if (strcmp(name, "Key") == 0)
        return key_read(p, text, err);
    if (strcmp(name, "ETag") == 0)
        etag_take(p, text);
    else if (strcmp(name, "Size") == 0)
        p->has_size = lh_str_u64(lh_str_trim(text), &p->info.size_bytes);
    else if (strcmp(name, "LastModified") == 0)
        (void)lh_time_parse(lh_str_trim(text), &p->info.modified_us);
    return LH_OK;
}

static lh_status
on_element(void *self, const char *path, lh_str text, struct lh_error *err)
{
    static const char root[] = "ListBucketResult/", entry[] = "ListBucketResult/Contents/";
    struct page *p = self;
    lh_status status = LH_OK;

    if (strncmp(path, entry, sizeof(entry) - 1) == 0)
        return entry_member(p, path + sizeof(entry) - 1, text, err);
    if (strncmp(path, root, sizeof(root) - 1) != 0)
        return strcmp(path, "ListBucketResult") == 0 ? LH_OK : fail_list("something else", err);
    path += sizeof(root) - 1;
    if (strcmp(path, "Contents") == 0) {
        status = entry_take(p, err);
        entry_begin(p);
    } else if (strcmp(path, "IsTruncated") == 0) {
        p->is_truncated = lh_str_eq(lh_str_trim(text), LH_STR("true"));
    } else if (strcmp(path, "NextContinuationToken") == 0) {
        lh_buf_clear(&p->token);
        lh_buf_add_str(&p->token, text);
    }
    return status;
}

static lh_status
query_make(const struct page *p, bool is_first, struct lh_buf *query, struct lh_error *err)
{
    const struct object_lister *l = p->lister;
    /* One more than there is room for tells whether there is more. */
    size_t wanted = l->limit - l->list->count + 1;

    lh_buf_printf(query, "encoding-type=url&list-type=2&max-keys=%zu&prefix=",
                  wanted < PAGE_MAX ? wanted : PAGE_MAX);
    lh_percent_encode(query, l->prefix, false);
    if (!is_first) {
        lh_buf_add_cstr(query, "&continuation-token=");
        lh_percent_encode(query, lh_buf_str(&p->token), false);
    } else if (l->after.len > 0) {
        lh_buf_add_cstr(query, "&start-after=");
        lh_percent_encode(query, l->after, false);
    }
    return lh_buf_check(query, "the query of the listing", err);
}

/* A store may not know the wish; the element may stand before the keys or behind them. */
static bool
is_encoded(lh_str document)
{
    size_t at;

    return lh_str_find(document, LH_STR("<EncodingType>url</EncodingType>"), &at);
}

static lh_status
page_read(struct s3_bucket *b, struct lh_call *call, struct page *p, bool is_first,
          struct lh_error *err)
{
    LH_AUTO_BUF(query, 16384);
    struct s3_request r = {.op = S3_LIST, .method = LH_GET, .key = LH_STR("")};
    struct s3_answer a;
    lh_status status;

    LH_TRY(query_make(p, is_first, &query, err));
    r.query = lh_buf_cstr(&query);
    status = s3_send(&b->client, call, &r, &a, err);
    lh_buf_clear(&p->token);
    p->is_truncated = false;
    entry_begin(p);
    if (status == LH_OK) {
        p->is_encoded = is_encoded(lh_buf_str(&a.http.body));
        status = s3_xml_walk(lh_buf_str(&a.http.body), on_element, p, err);
    }
    s3_answer_fini(&a);
    return status;
}

static lh_status
pages_read(struct s3_bucket *b, struct lh_call *call, struct page *p, struct lh_error *err)
{
    bool is_first = true;

    do {
        LH_TRY(page_read(b, call, p, is_first, err));
        is_first = false;
        if (p->is_truncated && p->token.len == 0)
            return fail_list("a page that does not say how to go on", err);
        LH_TRY(lh_call_check(call, err));
    } while (p->is_truncated && !p->is_full);
    return LH_OK;
}

lh_status
s3_list(struct lh_bucket *base, struct lh_call *call, struct object_lister *l, struct lh_error *err)
{
    struct page p = {.lister = l};
    lh_status status;

    lh_buf_init(&p.key, 4 * LH_KEY_MAX);
    lh_buf_init(&p.last, 4 * LH_KEY_MAX);
    lh_buf_init(&p.token, 8192);
    status = pages_read(s3_of(base), call, &p, err);
    if (status == LH_CORRUPT)
        bucket_error_subject(base, l->prefix, err);
    lh_buf_fini(&p.key);
    lh_buf_fini(&p.last);
    lh_buf_fini(&p.token);
    return status;
}
