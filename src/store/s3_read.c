/*
 * Opening an object asks for its first bytes: the answer says what HEAD would say, and for a small
 * object there is nothing left to ask. Everything after that names the ETag of this answer.
 */
#include <stdlib.h>
#include <strings.h>
#include "base/alloc.h"
#include "base/time.h"
#include "store/s3_parts.h"

#define FIRST_BYTES ((size_t)16 << 10)
#define SEEN_FOR_MS 5000

struct s3_reader {
    struct lh_reader_at base; /* first */
    size_t first_len;
    uint8_t *first; /* the first bytes of the object */
};

/* ---- HEAD ---- */

static void
put_id_read(const struct s3_answer *a, char put_id[LH_UUID_TEXT])
{
    if (!lh_str_copy(put_id, LH_UUID_TEXT, lh_str_trim(s3_answer_field(a, S3_FIELD_PUT))))
        put_id[0] = '\0';
}

/* "Not found" to HEAD can mean the bucket: it is asked for unless it was seen just now. */
static lh_status
bucket_check(struct s3_bucket *b, struct lh_call *call, struct lh_error *err)
{
    struct s3_request r = {.op = S3_HEAD, .method = LH_HEAD, .key = LH_STR("")};
    struct s3_answer a;
    lh_status status;

    if (lh_time_mono_ms() - SEEN_FOR_MS < atomic_load(&b->client.seen_ms))
        return LH_OK;
    status = s3_send(&b->client, call, &r, &a, err);
    s3_answer_fini(&a);
    return status;
}

lh_status
s3_look(struct s3_bucket *b, struct lh_call *call, lh_str key, struct lh_object_info *info,
        char put_id[LH_UUID_TEXT], struct lh_error *err)
{
    struct s3_request r = {.op = S3_HEAD, .method = LH_HEAD, .key = key};
    struct s3_answer a;
    lh_status status = s3_send(&b->client, call, &r, &a, err);

    if (status == LH_OK)
        status = s3_info_read(&b->client, key, a.http.headers, a.http.header_count, info, err);
    if (status == LH_OK)
        put_id_read(&a, put_id);
    s3_answer_fini(&a);
    if (status == LH_NOT_FOUND) {
        LH_AUTO_ERROR(gone);
        if (bucket_check(b, call, &gone) != LH_OK) {
            if (err)
                lh_error_copy(err, &gone);
            return gone.status;
        }
    }
    return status;
}

lh_status
s3_head(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_object_info *info,
        struct lh_error *err)
{
    char put_id[LH_UUID_TEXT];

    return s3_look(s3_of(b), call, key, info, put_id, err);
}

/* ---- opening ---- */

static lh_status
first_read(struct s3_bucket *b, struct lh_call *call, lh_str key, struct s3_reader *reader,
           struct lh_error *err)
{
    struct s3_into into = {
        .length = FIRST_BYTES, .is_up_to = true, .info = &reader->base.info, .to = reader->first};
    struct s3_request r = {.op = S3_GET, .method = LH_GET, .key = key, .into = &into};
    struct s3_answer a;
    lh_status status = s3_send(&b->client, call, &r, &a, err);
    bool is_empty = a.http.status == 416;

    s3_answer_fini(&a);
    /* An empty object has no first byte. */
    if (is_empty)
        return s3_head(&b->base, call, key, &reader->base.info, err);
    reader->first_len = (size_t)into.got;
    reader->base.first_bytes = reader->first_len;
    return status;
}

lh_status
s3_open(struct lh_bucket *base, struct lh_call *call, lh_str key, struct lh_reader_at **out,
        struct lh_error *err)
{
    struct s3_reader *r = LH_NEW(struct s3_reader);
    lh_status status;

    r->first = lh_alloc(FIRST_BYTES);
    status = first_read(s3_of(base), call, key, r, err);
    if (status != LH_OK) {
        s3_reader_free(&r->base);
        return status;
    }
    *out = &r->base;
    return LH_OK;
}

void
s3_reader_free(struct lh_reader_at *base)
{
    struct s3_reader *r = (struct s3_reader *)base;

    free(r->first);
    free(r);
}

/* ---- ranges ---- */

static lh_status
fail_changed(const struct lh_reader_at *r, struct lh_error *err)
{
    (void)lh_fail(err, LH_CONFLICT, "store.object_changed",
                  "object '%.200s' of bucket '%s' was replaced while it was read", r->key,
                  r->bucket->name);
    bucket_error_subject(r->bucket, lh_str_of(r->key), err);
    return LH_CONFLICT;
}

static lh_status
range_fetch(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, void *to, size_t n,
            struct lh_error *err)
{
    struct s3_into into = {.offset = offset, .length = n, .to = to};
    struct s3_request request = {
        .op = S3_GET, .method = LH_GET, .key = lh_str_of(r->key), .into = &into};
    struct s3_answer a;
    lh_status status;

    memcpy(into.etag, r->info.etag, sizeof(into.etag));
    status = s3_send(&s3_of(r->bucket)->client, call, &request, &a, err);
    s3_answer_fini(&a);
    return status == LH_CONFLICT ? fail_changed(r, err) : status;
}

static lh_status
whole_check(const struct lh_reader_at *r, const void *bytes, size_t n, struct lh_error *err)
{
    uint8_t digest[LH_SHA256_BYTES];
    char text[LH_SHA256_HEX];

    if (n != r->info.size_bytes || !r->info.sha256[0])
        return LH_OK;
    lh_sha256_of(lh_bytes_of(bytes, n), digest);
    if (strcasecmp(lh_sha256_hex(digest, text), r->info.sha256) == 0)
        return LH_OK;
    return bucket_fail_checksum(r->bucket, lh_str_of(r->key),
                                "its bytes do not match the checksum of the put", err);
}

lh_status
s3_read(struct lh_reader_at *base, struct lh_call *call, uint64_t offset, void *to, size_t n,
        struct lh_error *err)
{
    const struct s3_reader *r = (const struct s3_reader *)base;
    size_t have = 0;

    if (offset < r->first_len) {
        have = r->first_len - (size_t)offset < n ? r->first_len - (size_t)offset : n;
        memcpy(to, r->first + offset, have);
    }
    if (have < n)
        LH_TRY(range_fetch(base, call, offset + have, (uint8_t *)to + have, n - have, err));
    return whole_check(base, to, n, err);
}

lh_status
s3_file(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, uint64_t length, int *fd,
        struct lh_error *err)
{
    (void)r;
    (void)call;
    (void)offset;
    (void)length;
    (void)err;
    *fd = -1;
    return LH_OK;
}

bool
s3_is_proven(const struct lh_reader_at *r, uint64_t offset, uint64_t length)
{
    (void)r;
    (void)offset;
    (void)length;
    return false;
}
