/*
 * Removing. A batch is one request with a list of keys; its answer names those that failed. Keys
 * that XML cannot hold are removed one by one.
 */
#include "base/checksum.h"
#include "base/encoding.h"
#include "store/s3_parts.h"
#include "store/s3_xml.h"

#define BATCH_BYTES_MAX ((size_t)8 << 20) /* 1,000 keys of 1,024 bytes, escaped */

/* ---- one ---- */

/* The store answers alike whether there was an object or not, and may not know the condition. */
static lh_status
removal_check(struct s3_bucket *b, struct lh_call *call, lh_str key, const char *if_match,
              struct lh_error *err)
{
    struct lh_object_info info;
    char id[LH_UUID_TEXT];

    LH_TRY(s3_look(b, call, key, &info, id, err));
    if (if_match && !bucket_etag_meets(if_match, info.etag))
        return bucket_fail_precondition(&b->base, key, if_match, info.etag, err);
    return LH_OK;
}

lh_status
s3_remove(struct lh_bucket *base, struct lh_call *call, lh_str key, const char *if_match,
          struct lh_error *err)
{
    struct s3_bucket *b = s3_of(base);
    struct s3_request r = {.op = S3_DELETE, .method = LH_DELETE, .key = key};
    struct s3_answer a;
    lh_status status;

    LH_TRY(removal_check(b, call, key, if_match, err));
    status = s3_send(&b->client, call, &r, &a, err);
    s3_answer_fini(&a);
    return status;
}

/* ---- many ---- */

static bool
is_text(const char *key)
{
    for (const char *c = key; *c; c++) {
        if ((unsigned char)*c < 0x20)
            return false;
    }
    return true;
}

static lh_status
batch_body(const struct lh_object_list *page, struct lh_buf *out, size_t *count,
           struct lh_error *err)
{
    lh_buf_add_cstr(out, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                         "<Quiet>true</Quiet>");
    for (size_t i = 0; i < page->count; i++) {
        if (!is_text(page->items[i].key))
            continue;
        lh_buf_add_cstr(out, "<Object><Key>");
        s3_xml_escape(out, lh_str_of(page->items[i].key));
        lh_buf_add_cstr(out, "</Key></Object>");
        (*count)++;
    }
    lh_buf_add_cstr(out, "</Delete>");
    return lh_buf_check(out, "the list of keys", err);
}

/* The first key that failed, and how. */
struct failed {
    char key[LH_KEY_MAX + 1];
    char code[S3_CODE_MAX];
    bool is_there;
};

static lh_status
on_element(void *self, const char *path, lh_str text, struct lh_error *err)
{
    struct failed *f = self;

    (void)err;
    if (f->is_there)
        return LH_OK;
    if (strcmp(path, "DeleteResult/Error/Key") == 0)
        (void)lh_str_copy(f->key, sizeof(f->key), text);
    else if (strcmp(path, "DeleteResult/Error/Code") == 0)
        (void)lh_str_copy(f->code, sizeof(f->code), lh_str_trim(text));
    else if (strcmp(path, "DeleteResult/Error") == 0)
        f->is_there = strcmp(f->code, "NoSuchKey") != 0;
    return LH_OK;
}

static lh_status
batch_answer_read(struct s3_bucket *b, lh_str body, struct lh_error *err)
{
    LH_AUTO_BUF(document, 1024);
    struct failed f = {0};
    struct s3_failure failure;

    LH_TRY(s3_xml_walk(body, on_element, &f, err));
    if (!f.is_there)
        return LH_OK;
    lh_buf_add_cstr(&document, "<Error><Code>");
    s3_xml_escape(&document, lh_str_of(f.code));
    lh_buf_add_cstr(&document, "</Code></Error>");
    return s3_error_read(&b->base, lh_str_of(f.key), 500, lh_buf_str(&document), &failure, err);
}

static void
md5_text(lh_bytes in, struct lh_buf *out)
{
    uint8_t digest[LH_CHECKSUM_BYTES_MAX];
    struct lh_checksum md5;

    lh_checksum_init(&md5, LH_CHECKSUM_MD5);
    lh_checksum_add(&md5, in.ptr, in.len);
    lh_checksum_final(&md5, digest);
    lh_base64_encode(out, lh_bytes_of(digest, lh_checksum_size(LH_CHECKSUM_MD5)));
}

static lh_status
batch_send(struct s3_bucket *b, struct lh_call *call, lh_bytes body, struct lh_error *err)
{
    struct s3_request r = {
        .op = S3_DELETE, .method = LH_POST, .key = LH_STR(""), .query = "delete=", .body = body};
    LH_AUTO_BUF(md5, 64);
    struct s3_answer a;
    lh_status status;

    md5_text(body, &md5);
    s3_request_field(&r, "content-md5", lh_buf_str(&md5));
    s3_request_field(&r, "content-type", LH_STR("application/xml"));
    status = s3_send(&b->client, call, &r, &a, err);
    if (status == LH_OK)
        status = batch_answer_read(b, lh_buf_str(&a.http.body), err);
    s3_answer_fini(&a);
    return status;
}

lh_status
s3_remove_page(struct lh_bucket *base, struct lh_call *call, const struct lh_object_list *page,
               struct lh_error *err)
{
    LH_AUTO_BUF(body, BATCH_BYTES_MAX);
    size_t count = 0;

    LH_TRY(batch_body(page, &body, &count, err));
    if (count > 0)
        LH_TRY(batch_send(s3_of(base), call, lh_buf_bytes(&body), err));
    for (size_t i = 0; i < page->count; i++) {
        LH_AUTO_ERROR(why);
        lh_status status;

        if (is_text(page->items[i].key))
            continue;
        status = s3_remove(base, call, lh_str_of(page->items[i].key), NULL, &why);
        if (status == LH_OK || status == LH_NOT_FOUND)
            continue;
        if (err)
            lh_error_copy(err, &why);
        return status;
    }
    return LH_OK;
}
