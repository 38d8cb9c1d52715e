#include "store/local.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define META_ATTRIBUTE "user.lakehouse"

void
local_file_fini(struct local_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

static int64_t
modified_us(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

/* What a file without the attribute is known by: not its content, but it changes when the file is
 * replaced or written to. */
static void
identity_info(const struct stat *st, struct lh_object_info *info)
{
    (void)snprintf(info->etag, sizeof(info->etag), "i-%" PRIx64 "-%" PRIx64 ".%09lx-%" PRIx64,
                   (uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec,
                   (unsigned long)st->st_mtim.tv_nsec, (uint64_t)st->st_ino);
    info->sha256[0] = info->md5_etag[0] = '\0';
    (void)lh_str_copy(info->content_type, sizeof(info->content_type),
                      LH_STR(STORE_CONTENT_TYPE_DEFAULT));
    info->size_bytes = (uint64_t)st->st_size;
}

/* A file that was put here by other means has no attribute, and so has every file where the file
 * system keeps none. */
static bool
means_no_attribute(int errnum)
{
    return errnum == ENODATA || errnum == ENOTSUP || errnum == EPERM || errnum == EACCES;
}

static lh_status
meta_load(struct local_bucket *b, lh_str key, struct local_file *f, struct lh_error *err)
{
    uint8_t bytes[STORE_META_BYTES_MAX];
    ssize_t got = fgetxattr(f->fd, META_ATTRIBUTE, bytes, sizeof(bytes));

    f->has_meta = got >= 0;
    if (got < 0 && means_no_attribute(errno))
        return LH_OK;
    if (got < 0 && errno != ERANGE)
        return local_fail(b, errno, "cannot read the attribute of", key, err);
    if (got < 0 || store_meta_decode(lh_bytes_of(bytes, (size_t)got), &f->meta, NULL) != LH_OK)
        return bucket_fail_checksum(&b->base, key, "its attribute is not what was written", err);
    return LH_OK;
}

static lh_status
size_check(struct local_bucket *b, lh_str key, const struct local_file *f, struct lh_error *err)
{
    char what[96];

    if ((uint64_t)f->st.st_size == f->meta.size_bytes)
        return LH_OK;
    (void)snprintf(what, sizeof(what), "the file has %" PRIu64 " bytes, %" PRIu64 " were written",
                   (uint64_t)f->st.st_size, f->meta.size_bytes);
    return bucket_fail_checksum(&b->base, key, what, err);
}

lh_status
local_file_load(struct local_bucket *b, int fd, int errnum, lh_str key, struct local_file *out,
                struct lh_error *err)
{
    out->fd = fd;
    if (fd < 0 && (errnum == ENOENT || errnum == ENOTDIR || errnum == ENXIO))
        return local_fail_absent(b, key, err);
    if (fd < 0)
        return local_fail(b, errnum, "cannot open", key, err);
    if (fstat(fd, &out->st) != 0)
        return local_fail(b, errno, "cannot look at", key, err);
    if (!S_ISREG(out->st.st_mode))
        return local_fail_absent(b, key, err);
    LH_TRY(meta_load(b, key, out, err));
    out->info.modified_us = modified_us(&out->st);
    if (!out->has_meta) {
        identity_info(&out->st, &out->info);
        return LH_OK;
    }
    LH_TRY(size_check(b, key, out, err));
    store_meta_info(&out->meta, &out->info);
    return LH_OK;
}

void
local_file_info(const struct local_bucket *b, const struct stat *st, const struct store_meta *m,
                struct lh_object_info *info)
{
    char identity[LH_ETAG_MAX];

    identity_info(st, info);
    memcpy(identity, info->etag, sizeof(identity));
    store_meta_info(m, info);
    if (!b->has_xattrs) {
        memcpy(info->etag, identity, sizeof(identity));
        info->md5_etag[0] = '\0';
    }
    info->modified_us = modified_us(st);
}

/* A file that we may not read is listed all the same: hiding it would be a lie. */
static int
glance_open(struct local_bucket *b, const char *path)
{
    int fd = local_open(b, path, O_RDONLY | O_NONBLOCK);

    return fd < 0 && errno == EACCES ? local_open(b, path, O_PATH) : fd;
}

bool
local_file_glance(struct local_bucket *b, const char *path, struct lh_object_info *info)
{
    LH_AUTO_FD fd = glance_open(b, path);
    uint8_t bytes[STORE_META_BYTES_MAX];
    struct store_meta meta;
    struct stat st;
    ssize_t got;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    memset(info, 0, sizeof(*info));
    identity_info(&st, info);
    info->modified_us = modified_us(&st);
    got = fgetxattr(fd, META_ATTRIBUTE, bytes, sizeof(bytes));
    if (got > 0 && store_meta_decode(lh_bytes_of(bytes, (size_t)got), &meta, NULL) == LH_OK) {
        store_meta_info(&meta, info);
        info->size_bytes = (uint64_t)st.st_size;
    }
    info->sha256[0] = info->content_type[0] = '\0';
    return true;
}

/* What file systems say when an attribute does not fit; a full disk says ENOSPC as well, and goes
 * on saying it. */
static bool
means_no_room(int errnum)
{
    return errnum == ENOSPC || errnum == E2BIG || errnum == ERANGE || errnum == EDQUOT;
}

static void
meta_take_blocks(struct store_meta *m, const struct store_digest *d)
{
    m->block_log2 = d->block_log2;
    m->block_count = d->block_count;
    memcpy(m->crcs, d->crcs, d->block_count * sizeof(d->crcs[0]));
}

lh_status
local_meta_store(struct local_bucket *b, int fd, struct store_digest *d, struct store_meta *m,
                 lh_str key, struct lh_error *err)
{
    uint8_t bytes[STORE_META_BYTES_MAX];

    if (!b->has_xattrs)
        return LH_OK;
    while (fsetxattr(fd, META_ATTRIBUTE, bytes, store_meta_encode(m, bytes), 0) != 0) {
        if (!means_no_room(errno) || !store_digest_coarsen(d))
            return local_fail(b, errno, "cannot write the attribute of", key, err);
        meta_take_blocks(m, d);
    }
    return LH_OK;
}
