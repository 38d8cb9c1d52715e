/*
 * Bytes that come one after the other. Up to one part they stay in memory and leave as one request.
 * What grows past it
 *
 *   without a condition       goes out in parts while it comes; its SHA-256 is known too late to go
 *                             with it as metadata
 *   with one                  goes into a file of the spool first: it leaves as one request, whose
 *                             condition every store decides, unless the store was seen to decide
 *                             conditions of uploads in parts
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/file.h"
#include "store/s3_parts.h"

struct s3_upload {
    struct lh_upload base;         /* first */
    struct lh_put_options options; /* its strings are copied below */
    char content_type[LH_CONTENT_TYPE_MAX], if_match[LH_ETAG_MAX + 1];
    char expected_sha256[LH_SHA256_HEX];
    struct lh_sha256 sha;
    uint8_t *part; /* the part being filled */
    size_t part_len, part_cap;
    struct s3_put put; /* of the parts */
    struct s3_multipart *parts;
    int spool; /* -1: none */
    char spool_name[STORE_CLAIM_NAME_MAX];
};

static struct s3_bucket *
bucket_of(const struct s3_upload *u)
{
    return s3_of(u->base.bucket);
}

static uint64_t
one_part(const struct s3_upload *u)
{
    return bucket_of(u)->client.shared->settings.part_bytes;
}

lh_status
s3_upload_begin(struct lh_bucket *b, lh_str key, const struct lh_put_options *o,
                struct lh_upload **out, struct lh_error *err)
{
    struct s3_upload *u = LH_NEW(struct s3_upload);

    (void)b;
    (void)key;
    (void)err;
    u->spool = -1;
    u->options = *o;
    (void)lh_str_copy(u->content_type, sizeof(u->content_type), lh_str_of(o->content_type));
    (void)lh_str_copy(u->if_match, sizeof(u->if_match), lh_str_of(o->if_match));
    (void)lh_str_copy(u->expected_sha256, sizeof(u->expected_sha256),
                      lh_str_of(o->expected_sha256));
    u->options.content_type = u->content_type;
    u->options.if_match = u->if_match;
    lh_sha256_init(&u->sha);
    *out = &u->base;
    return LH_OK;
}

void
s3_upload_free(struct lh_upload *base)
{
    struct s3_upload *u = (struct s3_upload *)base;

    s3_multipart_free(u->parts);
    lh_sha256_fini(&u->sha);
    if (u->spool >= 0) {
        close(u->spool);
        (void)unlinkat(bucket_of(u)->client.shared->spool->fd, u->spool_name, 0);
    }
    free(u->part);
    free(u);
}

/* ---- writing ---- */

static lh_status
fail_spool(const struct lh_error *why, struct lh_error *err)
{
    return lh_fail(err, why->status, why->reason, "an upload on its way to the store: %s",
                   why->text);
}

static lh_status
spool_open(struct s3_upload *u, struct lh_error *err)
{
    LH_AUTO_ERROR(why);

    if (store_claim_file(bucket_of(u)->client.shared->spool, ".upload", 0600, u->spool_name,
                         &u->spool, &why) != LH_OK)
        return fail_spool(&why, err);
    return LH_OK;
}

static lh_status
spool_write(struct s3_upload *u, lh_bytes bytes, struct lh_error *err)
{
    LH_AUTO_ERROR(why);

    if (lh_file_write_all(u->spool, bytes, &why) != LH_OK)
        return fail_spool(&why, err);
    return LH_OK;
}

/* The part is full and more has come. */
static lh_status
part_leave(struct s3_upload *u, struct lh_error *err)
{
    uint8_t *bytes = lh_take(u->part);
    size_t n = u->part_len;

    u->part_len = u->part_cap = 0;
    return s3_multipart_add(u->parts, bytes, n, NULL, err);
}

static lh_status
parts_begin(struct s3_upload *u, struct lh_error *err)
{
    s3_put_init(&u->put, bucket_of(u), u->base.call, lh_str_of(u->base.key), &u->options);
    return s3_multipart_begin(&u->put, &u->parts, err);
}

/* Which way the upload goes from here. */
static lh_status
outgrow(struct s3_upload *u, struct lh_error *err)
{
    bool is_able = true;

    if (u->options.if_absent || u->if_match[0])
        LH_TRY(s3_conditional_complete(bucket_of(u), u->base.call, &is_able, err));
    if (is_able)
        return parts_begin(u, err);
    LH_TRY(spool_open(u, err));
    LH_TRY(spool_write(u, lh_bytes_of(u->part, u->part_len), err));
    u->part_len = 0;
    return LH_OK;
}

static unsigned
next_part(const struct s3_upload *u)
{
    return u->parts ? s3_multipart_count(u->parts) + 1 : 1;
}

static void
part_reserve(struct s3_upload *u, size_t n, uint64_t limit)
{
    size_t cap = u->part_cap ? u->part_cap : 65536;

    if (u->part_len + n <= u->part_cap)
        return;
    while (cap < u->part_len + n)
        cap *= 2;
    if (cap > limit)
        cap = (size_t)limit;
    u->part = lh_realloc_array(u->part, cap, 1);
    u->part_cap = cap;
}

/* Fills the part; what no longer fits stays in `bytes`. */
static void
part_fill(struct s3_upload *u, lh_bytes *bytes)
{
    uint64_t limit = s3_part_bytes(one_part(u), next_part(u));
    size_t room = (size_t)limit - u->part_len, n = bytes->len < room ? bytes->len : room;

    if (n == 0)
        return;
    part_reserve(u, n, limit);
    memcpy(u->part + u->part_len, bytes->ptr, n);
    u->part_len += n;
    *bytes = lh_bytes_of(bytes->ptr + n, bytes->len - n);
}

lh_status
s3_upload_write(struct lh_upload *base, lh_bytes bytes, struct lh_error *err)
{
    struct s3_upload *u = (struct s3_upload *)base;

    lh_sha256_add(&u->sha, bytes.ptr, bytes.len);
    while (bytes.len > 0 && u->spool < 0) {
        part_fill(u, &bytes);
        if (bytes.len == 0)
            break;
        if (!u->parts)
            LH_TRY(outgrow(u, err));
        if (u->parts)
            LH_TRY(part_leave(u, err));
    }
    return u->spool >= 0 && bytes.len > 0 ? spool_write(u, bytes, err) : LH_OK;
}

/* ---- commit ---- */

static lh_status
expected_check(lh_str key, const char *expected, const char *found, struct lh_error *err)
{
    if (!expected || !*expected || strcasecmp(expected, found) == 0)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "store.checksum_mismatch",
                   "the bytes for '%.*s' have SHA-256 %s, %s was expected",
                   LH_FMT(lh_str_fit(key, 200)), found, expected);
}

/* A whole file, in parts where that is allowed. */
static lh_status
file_send(struct s3_put *p, const struct s3_file_part *file, struct lh_object_info *info,
          struct lh_error *err)
{
    uint64_t part_bytes = p->bucket->client.shared->settings.part_bytes;
    LH_AUTO(s3_multipart) *m = NULL;
    bool is_able = true;

    if (file->length <= part_bytes)
        return s3_put_file_part(p, file, info, err);
    if (s3_put_is_conditional(p))
        LH_TRY(s3_conditional_complete(p->bucket, p->call, &is_able, err));
    if (!is_able && file->length <= S3_ONE_PUT_MAX)
        return s3_put_file_part(p, file, info, err);
    if (!is_able)
        return lh_fail(err, LH_UNSUPPORTED, "store.condition_too_big",
                       "bucket '%s' cannot decide a condition on an object of more than 5 GiB",
                       p->bucket->base.name);
    LH_TRY(s3_multipart_begin(p, &m, err));
    for (uint64_t at = 0; at < file->length;) {
        uint64_t n = s3_part_bytes(part_bytes, s3_multipart_count(m) + 1);
        struct s3_file_part part = {file->fd, file->offset + at, n};

        if (part.length > file->length - at)
            part.length = file->length - at;
        LH_TRY(s3_multipart_add(m, NULL, 0, &part, err));
        at += part.length;
    }
    return s3_multipart_complete(m, file->length, info, err);
}

static lh_status
commit_spooled(struct s3_upload *u, const char *sha256, struct lh_object_info *info,
               struct lh_error *err)
{
    const struct s3_file_part file = {u->spool, 0, u->base.size_bytes};
    struct s3_put p;

    s3_put_init(&p, bucket_of(u), u->base.call, lh_str_of(u->base.key), &u->options);
    memcpy(p.sha256, sha256, sizeof(p.sha256));
    return file_send(&p, &file, info, err);
}

static lh_status
commit_parts(struct s3_upload *u, const char *sha256, struct lh_object_info *info,
             struct lh_error *err)
{
    if (u->part_len > 0)
        LH_TRY(part_leave(u, err));
    LH_TRY(s3_multipart_complete(u->parts, u->base.size_bytes, info, err));
    (void)lh_str_copy(info->sha256, sizeof(info->sha256), lh_str_of(sha256));
    return LH_OK;
}

lh_status
s3_upload_commit(struct lh_upload *base, struct lh_object_info *info, struct lh_error *err)
{
    struct s3_upload *u = (struct s3_upload *)base;
    uint8_t digest[LH_SHA256_BYTES];
    char sha256[LH_SHA256_HEX];
    struct s3_put p;

    lh_sha256_final(&u->sha, digest);
    (void)lh_sha256_hex(digest, sha256);
    LH_TRY(expected_check(lh_str_of(base->key), u->expected_sha256, sha256, err));
    if (u->spool >= 0)
        return commit_spooled(u, sha256, info, err);
    if (u->parts)
        return commit_parts(u, sha256, info, err);
    s3_put_init(&p, bucket_of(u), base->call, lh_str_of(base->key), &u->options);
    memcpy(p.sha256, sha256, sizeof(p.sha256));
    return s3_put_bytes(&p, lh_bytes_of(u->part, u->part_len), info, err);
}

/* ---- files ---- */

static lh_status
file_take(struct s3_put *p, int fd, const char *path, const char *expected, uint64_t size_max,
          struct lh_object_info *info, struct lh_error *err)
{
    struct s3_file_part file = {.fd = fd};
    struct stat st;

    if (fstat(fd, &st) != 0)
        return lh_fail_errno(err, errno, "cannot look at %s", path);
    if (!S_ISREG(st.st_mode))
        return lh_fail(err, LH_INVALID, "store.not_a_file", "%s is not a plain file", path);
    file.length = (uint64_t)st.st_size;
    LH_TRY(store_limits_size_check(p->key, file.length, size_max, err));
    LH_TRY(s3_file_hash(&file, p->call, p->sha256, err));
    LH_TRY(expected_check(p->key, expected, p->sha256, err));
    LH_TRY(file_send(p, &file, info, err));
    /* The object is safe; a source that cannot be removed is the caller's to find. */
    (void)unlink(path);
    return LH_OK;
}

lh_status
s3_put_file(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *path,
            const struct lh_put_options *options, uint64_t size_max, struct lh_object_info *info,
            struct lh_error *err)
{
    LH_AUTO_FD fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct s3_put p;

    if (fd < 0)
        return lh_fail_errno(err, errno, "cannot open %s", path);
    s3_put_init(&p, s3_of(b), call, key, options);
    return file_take(&p, fd, path, options->expected_sha256, size_max, info, err);
}
