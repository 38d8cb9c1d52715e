/*
 * A put, step by step, and what a crash right after each step leaves:
 *
 *   1. bytes go into a file of our claimed     a file that nobody names, cleared away at the
 *      folder; checksums as they pass          next start
 *   2. size, checksums and tag go into the     the same
 *      file's attribute
 *   3. fsync                                   the same
 *   4. condition and rename                    the old object or the new one, whole
 *   5. fsync of the folder                     the new object; acknowledged from here on
 */
#include "store/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/fault.h"
#include "base/file.h"

/* The kernel is asked to begin writing each time so much has come, so that the final fsync of a
 * large object has little left. */
#define WRITE_BEHIND_BYTES ((uint64_t)16 << 20)

#define COPY_BYTES ((size_t)256 << 10)

struct local_upload {
    struct lh_upload base; /* first */
    int fd;
    char name[STORE_CLAIM_NAME_MAX]; /* "" when there is no file to remove */
    struct store_digest digest;
    uint64_t behind_bytes; /* written and already on its way to the disk */
    bool if_absent;
    char if_match[LH_ETAG_MAX]; /* "": none */
    char content_type[LH_CONTENT_TYPE_MAX];
    char expected_sha256[LH_SHA256_HEX]; /* "": none */
    size_t metadata_len;
    char metadata[LH_OBJECT_METADATA_MAX];
};

static struct local_condition
condition_of(const struct local_upload *u)
{
    return (struct local_condition){.if_absent = u->if_absent,
                                    .if_match = u->if_match[0] ? u->if_match : NULL};
}

static void
options_keep(struct local_upload *u, const struct lh_put_options *o)
{
    const char *type = o->content_type ? o->content_type : STORE_CONTENT_TYPE_DEFAULT;

    u->if_absent = o->if_absent;
    /* A condition too long to be an ETag of ours stays unlike all of them when it is cut: ours are
     * shorter. */
    (void)lh_str_copy(u->if_match, sizeof(u->if_match), lh_str_of(o->if_match));
    (void)lh_str_copy(u->content_type, sizeof(u->content_type), lh_str_of(type));
    (void)lh_str_copy(u->expected_sha256, sizeof(u->expected_sha256),
                      lh_str_of(o->expected_sha256));
    u->metadata_len = o->metadata.len;
    if (o->metadata.len > 0)
        memcpy(u->metadata, o->metadata.ptr, o->metadata.len);
}

/* In the words of the bucket: a disk may become full or read-only while we live. */
static lh_status
tmp_file_open(struct local_bucket *b, lh_str key, struct local_upload *u, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = store_claim_file(&b->claim, "", b->file_mode, u->name, &u->fd, &why);

    if (status == LH_DENIED)
        return local_fail(b, EROFS, "cannot write", key, err);
    if (status == LH_NO_SPACE)
        return local_fail(b, ENOSPC, "cannot write", key, err);
    if (status != LH_OK)
        LH_TRY(local_root_check(b, err));
    if (status != LH_OK)
        return lh_fail(err, LH_IO, "store.no_tmp", "bucket '%s': %s", b->base.name, why.text);
    return LH_OK;
}

static lh_status
local_upload_start(struct local_bucket *b, lh_str key, struct local_upload *u, struct lh_error *err)
{
    struct local_condition condition = condition_of(u);

    LH_TRY(local_writable_check(b, err));
    LH_TRY(local_condition_check(b, key, &condition, err));
    return tmp_file_open(b, key, u, err);
}

static void
upload_destroy(struct local_bucket *b, struct local_upload *u)
{
    store_digest_fini(&u->digest);
    if (u->fd >= 0)
        close(u->fd);
    if (u->name[0])
        (void)unlinkat(b->claim.fd, u->name, 0);
    free(u);
}

lh_status
local_upload_begin(struct lh_bucket *base, lh_str key, const struct lh_put_options *options,
                   struct lh_upload **out, struct lh_error *err)
{
    struct local_bucket *b = local_of(base);
    struct local_upload *u = LH_NEW(struct local_upload);
    lh_status status;

    u->fd = -1;
    options_keep(u, options);
    store_digest_init(&u->digest);
    status = local_upload_start(b, key, u, err);
    if (status != LH_OK) {
        u->name[0] = '\0';
        upload_destroy(b, u);
        return status;
    }
    *out = &u->base;
    return LH_OK;
}

static void
write_behind(struct local_upload *u)
{
    uint64_t waiting = u->digest.size_bytes - u->behind_bytes;

    if (waiting < WRITE_BEHIND_BYTES)
        return;
    (void)sync_file_range(u->fd, (off_t)u->behind_bytes, (off_t)waiting, SYNC_FILE_RANGE_WRITE);
    u->behind_bytes = u->digest.size_bytes;
}

lh_status
local_upload_write(struct lh_upload *base, lh_bytes bytes, struct lh_error *err)
{
    struct local_upload *u = (struct local_upload *)base;

    LH_FAULT("store.put.before_write", err);
    for (size_t at = 0; at < bytes.len;) {
        ssize_t put = write(u->fd, bytes.ptr + at, bytes.len - at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return local_fail(local_of(base->bucket), errno, "cannot write", lh_str_of(base->key),
                              err);
        store_digest_add(&u->digest, bytes.ptr + at, (size_t)put);
        at += (size_t)put;
    }
    write_behind(u);
    return LH_OK;
}

/* ---- the end, shared by uploads and files that are taken over ---- */

struct finished {
    struct store_digest *digest;
    const char *content_type;
    const char *expected_sha256; /* NULL or "": none */
    lh_str metadata;
    struct object_md5 md5;
    int fd;
};

static lh_status
expected_check(lh_str key, const char *expected, const uint8_t sha256[LH_SHA256_BYTES],
               struct lh_error *err)
{
    char found[LH_SHA256_HEX];

    lh_sha256_hex(sha256, found);
    if (!expected || !*expected || lh_str_eq_nocase(lh_str_of(expected), lh_str_of(found)))
        return LH_OK;
    return lh_fail(err, LH_INVALID, "store.checksum_mismatch",
                   "object '%.*s' was announced with SHA-256 %s, its bytes have %s",
                   LH_FMT(lh_str_fit(key, 200)), expected, found);
}

static void
meta_enrich(struct store_meta *m, const struct finished *f)
{
    m->has_md5 = f->md5.is_known;
    m->md5_parts = f->md5.parts;
    memcpy(m->md5, f->md5.digest, sizeof(m->md5));
    m->metadata_len = f->metadata.len;
    if (f->metadata.len > 0)
        memcpy(m->metadata, f->metadata.ptr, f->metadata.len);
}

/* Checksums into the attribute, everything to the disk. */
static lh_status
file_finish(struct local_bucket *b, lh_str key, const struct finished *f,
            struct lh_object_info *info, struct lh_error *err)
{
    uint8_t sha256[LH_SHA256_BYTES];
    struct store_meta meta;
    struct stat st;

    store_digest_final(f->digest, sha256);
    LH_TRY(expected_check(key, f->expected_sha256, sha256, err));
    store_meta_make(&meta, f->digest, sha256, f->content_type);
    meta_enrich(&meta, f);
    LH_TRY(local_meta_store(b, f->fd, f->digest, &meta, key, err));
    LH_FAULT("store.put.before_fsync", err);
    if (fsync(f->fd) != 0)
        return local_fail(b, errno, "cannot sync", key, err);
    if (fstat(f->fd, &st) != 0)
        return local_fail(b, errno, "cannot look at", key, err);
    local_file_info(b, &st, &meta, info);
    return LH_OK;
}

lh_status
local_upload_commit(struct lh_upload *base, struct lh_object_info *info, struct lh_error *err)
{
    struct local_upload *u = (struct local_upload *)base;
    struct local_bucket *b = local_of(base->bucket);
    struct local_condition condition = condition_of(u);
    struct finished f = {.digest = &u->digest,
                         .content_type = u->content_type,
                         .expected_sha256 = u->expected_sha256,
                         .metadata = {u->metadata, u->metadata_len},
                         .md5 = base->md5,
                         .fd = u->fd};

    LH_TRY(file_finish(b, lh_str_of(base->key), &f, info, err));
    LH_TRY(local_publish(b, lh_str_of(base->key), b->claim.fd, u->name, &condition, err));
    u->name[0] = '\0';
    return LH_OK;
}

void
local_upload_free(struct lh_upload *base)
{
    upload_destroy(local_of(base->bucket), (struct local_upload *)base);
}

/* ---- taking over a file ---- */

struct source_file {
    int fd;
    struct stat st;
};

static lh_status
source_open(lh_str key, const char *path, uint64_t size_max, struct source_file *f,
            struct lh_error *err)
{
    f->fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (f->fd < 0)
        return lh_fail_errno(err, errno, "cannot open %s", path);
    if (fstat(f->fd, &f->st) != 0)
        return lh_fail_errno(err, errno, "cannot look at %s", path);
    if (!S_ISREG(f->st.st_mode))
        return lh_fail(err, LH_INVALID, "store.not_a_file", "%s is not a plain file", path);
    return store_limits_size_check(key, (uint64_t)f->st.st_size, size_max, err);
}

/* Reads the file once from the beginning. */
static lh_status
source_each(const struct source_file *f, const char *path, struct lh_call *call,
            lh_status (*take)(void *self, lh_bytes bytes, struct lh_error *err), void *self,
            struct lh_error *err)
{
    LH_AUTO_CHARS buffer = lh_alloc(COPY_BYTES);

    for (uint64_t at = 0;;) {
        ssize_t got = pread(f->fd, buffer, COPY_BYTES, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return lh_fail_errno(err, errno, "cannot read %s", path);
        if (got == 0)
            return LH_OK;
        LH_TRY(lh_call_check(call, err));
        LH_TRY(take(self, lh_bytes_of(buffer, (size_t)got), err));
        at += (uint64_t)got;
    }
}

static lh_status
digest_take(void *self, lh_bytes bytes, struct lh_error *err)
{
    (void)err;
    store_digest_add(self, bytes.ptr, bytes.len);
    return LH_OK;
}

/* A file with a second name could be changed through it after the rename; it is copied instead. */
static bool
may_be_moved(const struct local_bucket *b, const struct source_file *f)
{
    return f->st.st_dev == b->dev && f->st.st_nlink == 1;
}

static lh_status
move_in(struct local_bucket *b, struct lh_call *call, lh_str key, const char *path,
        const struct source_file *source, const struct lh_put_options *o,
        struct store_digest *digest, struct lh_object_info *info, struct lh_error *err)
{
    struct local_condition condition = {.if_absent = o->if_absent, .if_match = o->if_match};
    struct finished f = {.digest = digest,
                         .content_type =
                             o->content_type ? o->content_type : STORE_CONTENT_TYPE_DEFAULT,
                         .expected_sha256 = o->expected_sha256,
                         .metadata = o->metadata,
                         .fd = source->fd};

    LH_TRY(local_condition_check(b, key, &condition, err));
    LH_TRY(source_each(source, path, call, digest_take, digest, err));
    if (digest->size_bytes != (uint64_t)source->st.st_size)
        return lh_fail(err, LH_INVALID, "store.file_changed",
                       "%s was written to while it was taken", path);
    if (fchmod(source->fd, b->file_mode) != 0 || futimens(source->fd, NULL) != 0)
        return local_fail(b, errno, "cannot take over the file of", key, err);
    LH_TRY(file_finish(b, key, &f, info, err));
    return local_publish(b, key, AT_FDCWD, path, &condition, err);
}

static lh_status
upload_take(void *self, lh_bytes bytes, struct lh_error *err)
{
    return local_upload_write(self, bytes, err);
}

static lh_status
copy_through(struct local_upload *u, struct lh_call *call, lh_str key, const char *path,
             const struct source_file *source, struct lh_object_info *info, struct lh_error *err)
{
    (void)lh_str_copy(u->base.key, sizeof(u->base.key), key);
    LH_TRY(source_each(source, path, call, upload_take, &u->base, err));
    LH_TRY(local_upload_commit(&u->base, info, err));
    /* The object is safe; a source that cannot be removed is the caller's to find. */
    (void)unlink(path);
    return LH_OK;
}

static lh_status
copy_in(struct local_bucket *b, struct lh_call *call, lh_str key, const char *path,
        const struct source_file *source, const struct lh_put_options *o,
        struct lh_object_info *info, struct lh_error *err)
{
    struct lh_upload *u;
    lh_status status;

    LH_TRY(local_upload_begin(&b->base, key, o, &u, err));
    u->bucket = &b->base;
    status = copy_through((struct local_upload *)u, call, key, path, source, info, err);
    local_upload_free(u);
    return status;
}

static lh_status
take_over(struct local_bucket *b, struct lh_call *call, lh_str key, const char *path,
          const struct source_file *source, const struct lh_put_options *o,
          struct lh_object_info *info, struct lh_error *err)
{
    struct store_digest digest;
    LH_AUTO_ERROR(moved);
    lh_status status;

    if (!may_be_moved(b, source))
        return copy_in(b, call, key, path, source, o, info, err);
    store_digest_init(&digest);
    status = move_in(b, call, key, path, source, o, &digest, info, &moved);
    store_digest_fini(&digest);
    /* st_dev does not tell everything: a bind mount of the same disk refuses the rename. */
    if (lh_error_is(&moved, "store.other_disk"))
        return copy_in(b, call, key, path, source, o, info, err);
    if (status != LH_OK && err)
        lh_error_copy(err, &moved);
    return status;
}

lh_status
local_put_file(struct lh_bucket *base, struct lh_call *call, lh_str key, const char *path,
               const struct lh_put_options *options, uint64_t size_max, struct lh_object_info *info,
               struct lh_error *err)
{
    struct source_file source = {.fd = -1};
    lh_status status = local_writable_check(local_of(base), err);

    if (status == LH_OK)
        status = source_open(key, path, size_max, &source, err);
    if (status == LH_OK)
        status = take_over(local_of(base), call, key, path, &source, options, info, err);
    if (source.fd >= 0)
        close(source.fd);
    return status;
}
