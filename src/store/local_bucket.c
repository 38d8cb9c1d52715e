#include "store/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/file.h"

/* ---- refusals ---- */

static bool
means_read_only(int errnum)
{
    return errnum == EROFS || errnum == EACCES || errnum == EPERM;
}

static lh_status
fail_by_errno(const struct local_bucket *b, int errnum, const char *what, lh_str key,
              struct lh_error *err)
{
    lh_str shown = lh_str_fit(key, 300);
    const char *name = b->base.name;

    if (errnum == ELOOP)
        return lh_fail(err, LH_DENIED, "store.symlink",
                       "%s '%.*s' in bucket '%s': its path leads through a symbolic link", what,
                       LH_FMT(shown), name);
    if (errnum == ENOSPC || errnum == EDQUOT)
        return lh_fail(err, LH_NO_SPACE, "store.no_space",
                       "%s '%.*s': the disk of bucket '%s' is full", what, LH_FMT(shown), name);
    if (errnum == EXDEV)
        return lh_fail(err, LH_IO, "store.other_disk",
                       "%s '%.*s' in bucket '%s': the file is on another disk", what, LH_FMT(shown),
                       name);
    if (means_read_only(errnum))
        return lh_fail(err, LH_DENIED, errnum == EROFS ? "store.read_only" : "store.forbidden",
                       "%s '%.*s' in bucket '%s': the file system does not permit it", what,
                       LH_FMT(shown), name);
    return lh_fail_errno(err, errnum, "%s '%.*s' in bucket '%s'", what, LH_FMT(shown), name);
}

/* A deleted folder that is still open looks like an empty one. Where folders have no count of links
 * (Btrfs) the path tells. */
lh_status
local_root_check(const struct local_bucket *b, struct lh_error *err)
{
    struct stat st;

    if (fstat(b->root_fd, &st) == 0 && st.st_nlink > 0 &&
        (stat(b->root, &st) == 0 || errno != ENOENT))
        return LH_OK;
    return lh_fail(err, LH_UNAVAILABLE, "store.bucket_gone", "the folder %s of bucket '%s' is gone",
                   b->root, b->base.name);
}

lh_status
local_fail_absent(const struct local_bucket *b, lh_str key, struct lh_error *err)
{
    lh_status status = local_root_check(b, err);

    if (status == LH_OK)
        return bucket_fail_no_object(&b->base, key, err);
    bucket_error_subject(&b->base, key, err);
    return status;
}

lh_status
local_fail(const struct local_bucket *b, int errnum, const char *what, lh_str key,
           struct lh_error *err)
{
    lh_status status = errnum == ENOENT ? local_root_check(b, err) : LH_OK;

    if (status == LH_OK)
        status = fail_by_errno(b, errnum, what, key, err);

    bucket_error_subject(&b->base, key, err);
    return status;
}

lh_status
local_fail_contended(const struct local_bucket *b, lh_str key, struct lh_error *err)
{
    LH_TRY(local_root_check(b, err));
    return lh_fail(err, LH_BUSY, "store.folder_contended",
                   "the folder of '%.*s' in bucket '%s' is removed again and again",
                   LH_FMT(lh_str_fit(key, 300)), b->base.name);
}

lh_status
local_writable_check(const struct local_bucket *b, struct lh_error *err)
{
    if (b->is_read_only)
        return lh_fail(err, LH_DENIED, "store.read_only", "bucket '%s' in %s can only be read",
                       b->base.name, b->root);
    return LH_OK;
}

/* ---- opening ---- */

static int
folder_make(int parent_fd, const char *name)
{
    if (mkdirat(parent_fd, name, 0777) != 0 && errno != EEXIST)
        return -1;
    return openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Whether attributes are kept is tried on a file, since the type of a file system does not tell. */
static lh_status
abilities_find(struct local_bucket *b, struct lh_error *err)
{
    char name[STORE_CLAIM_NAME_MAX];
    LH_AUTO_FD fd = -1;
    struct stat st;

    LH_TRY(store_claim_file(&b->claim, "", 0666, name, &fd, err));
    if (fstat(fd, &st) != 0)
        return lh_fail_errno(err, errno, "cannot look at a new file of bucket '%s'", b->base.name);
    b->file_mode = st.st_mode & 0777;
    b->has_xattrs = fsetxattr(fd, "user.lakehouse", "?", 1, 0) == 0;
    (void)unlinkat(b->claim.fd, name, 0);
    return LH_OK;
}

static lh_status
own_folder_open(struct local_bucket *b, struct lh_error *err)
{
    LH_AUTO_FD own = folder_make(b->root_fd, LOCAL_OWN_FOLDER);

    if (own >= 0)
        b->tmp_fd = folder_make(own, "tmp");
    if (b->tmp_fd >= 0)
        b->locks_fd = folder_make(own, "locks");
    if (b->locks_fd < 0)
        return lh_fail_errno(err, errno, "cannot make %s/%s", b->root, LOCAL_OWN_FOLDER);
    LH_TRY(store_claim_take(b->tmp_fd, &b->claim, err));
    return abilities_find(b, err);
}

/* Nothing in a bucket is durable while the folders above it are not. Some of these we may pass but
 * not open. */
static lh_status
folders_above_sync(const char *root, struct lh_error *err)
{
    LH_AUTO_CHARS path = lh_strdup(root);
    LH_AUTO_ERROR(why);

    for (char *slash; (slash = strrchr(path, '/')) && slash != path;) {
        *slash = '\0';
        if (lh_dir_sync(path, &why) != LH_OK && why.status != LH_DENIED) {
            lh_error_copy(err, &why);
            return why.status;
        }
    }
    return LH_OK;
}

static lh_status
root_make(const char *root, struct lh_error *err)
{
    LH_TRY(lh_dir_make(root, 0777, err));
    return folders_above_sync(root, err);
}

static lh_status
root_open(struct local_bucket *b, struct lh_error *err)
{
    struct stat st;

    if (stat(b->root, &st) != 0)
        LH_TRY(root_make(b->root, err));
    b->root_fd = open(b->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->root_fd < 0 || fstat(b->root_fd, &st) != 0)
        return lh_fail_errno(err, errno, "cannot open the folder %s of bucket '%s'", b->root,
                             b->base.name);
    b->dev = st.st_dev;
    return LH_OK;
}

/* A folder that cannot be written to is a bucket all the same, for reading. */
static lh_status
local_start(struct local_bucket *b, struct lh_error *err)
{
    LH_AUTO_ERROR(own);

    LH_TRY(root_open(b, err));
    if (own_folder_open(b, &own) == LH_OK)
        return LH_OK;
    if (own.status == LH_DENIED) {
        b->is_read_only = true;
        b->has_xattrs = true;
        return LH_OK;
    }
    if (err)
        lh_error_copy(err, &own);
    return own.status;
}

static void
local_free(struct lh_bucket *base)
{
    struct local_bucket *b = local_of(base);

    store_claim_drop(&b->claim);
    if (b->tmp_fd >= 0)
        close(b->tmp_fd);
    if (b->locks_fd >= 0)
        close(b->locks_fd);
    if (b->root_fd >= 0)
        close(b->root_fd);
    bucket_fini(&b->base);
    free(b->root);
    free(b);
}

static bool
local_keeps_metadata(const struct lh_bucket *b)
{
    return ((const struct local_bucket *)b)->has_xattrs;
}

static const struct bucket_ops local_ops = {
    .backend = "local",
    .upload_begin = local_upload_begin,
    .upload_write = local_upload_write,
    .upload_commit = local_upload_commit,
    .upload_free = local_upload_free,
    .put_file = local_put_file,
    .remove = local_remove,
    .head = local_head,
    .open = local_reader_open,
    .read = local_reader_read,
    .file = local_reader_file,
    .is_proven = local_reader_is_proven,
    .reader_free = local_reader_free,
    .list = local_list,
    .free = local_free,
    .keeps_metadata = local_keeps_metadata,
};

lh_status
local_bucket_open(const struct local_bucket_options *o, struct lh_bucket **out,
                  struct lh_error *err)
{
    struct local_bucket *b = LH_NEW(struct local_bucket);
    lh_status status;

    bucket_init(&b->base, &local_ops, o->name, o->limits);
    b->root = lh_strdup(o->root);
    b->proven = o->proven;
    b->root_fd = b->tmp_fd = b->locks_fd = -1;
    b->claim = STORE_CLAIM_NONE;
    status = local_start(b, err);
    if (status != LH_OK) {
        local_free(&b->base);
        return status;
    }
    *out = &b->base;
    return LH_OK;
}
