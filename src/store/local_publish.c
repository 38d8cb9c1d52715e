/*
 * The moment an object appears, changes or goes.
 *
 * A finished file is renamed to its name. "Only if absent" is the kernel's own test-and-set:
 * renameat2 with RENAME_NOREPLACE, or a link where that is not to be had. "Only if the ETag
 * matches" is a comparison and a rename under the lock of the key; that only holds when plain
 * replacements and removals take the lock too, or one of them could slip in between. if_absent need
 * not: it never changes what a comparison has seen.
 *
 * After the rename the folder is synced. When that fails the object is visible but was not
 * acknowledged: the caller is told of the failure, and both outcomes are allowed after a crash.
 */
#include "store/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "base/fault.h"

static int
leaf_open(const struct local_parent *p)
{
    return openat(p->fd, p->leaf, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
}

static lh_status
etag_check(struct local_bucket *b, const struct local_parent *p, lh_str key, const char *if_match,
           struct lh_error *err)
{
    LOCAL_AUTO_FILE(file);
    int fd = leaf_open(p);
    lh_status status = local_file_load(b, fd, errno, key, &file, err);

    if (status == LH_NOT_FOUND)
        return bucket_fail_precondition(&b->base, key, if_match, NULL, err);
    LH_TRY(status);
    if (!bucket_etag_meets(if_match, file.info.etag))
        return bucket_fail_precondition(&b->base, key, if_match, file.info.etag, err);
    return LH_OK;
}

static int
move_if_absent(int from_fd, const char *from_name, const struct local_parent *p)
{
    if (renameat2(from_fd, from_name, p->fd, p->leaf, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(from_fd, from_name, p->fd, p->leaf, 0) != 0)
        return -1;
    (void)unlinkat(from_fd, from_name, 0);
    return 0;
}

static bool
is_folder(const struct local_parent *p)
{
    struct stat st;

    return fstatat(p->fd, p->leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

struct move {
    lh_str key;
    int from_fd;
    const char *from_name;
    const struct local_condition *condition;
    bool again; /* the way was clear a moment ago, or is now */
};

/* A folder stands where the object should: another's key begins with this one, or a crash left the
 * folder empty. */
static lh_status
folder_in_the_way(struct local_bucket *b, struct move *m, const struct local_parent *p,
                  struct lh_error *err)
{
    m->again = local_folder_remove_empty(p->fd, p->leaf);
    return lh_fail(err, LH_CONFLICT, "store.key_is_prefix",
                   "key '%.*s' is a folder of other objects of bucket '%s'",
                   LH_FMT(lh_str_fit(m->key, 300)), b->base.name);
}

static lh_status
move_failed(struct local_bucket *b, struct move *m, const struct local_parent *p, int errnum,
            struct lh_error *err)
{
    m->again = errnum == ENOENT;
    if (m->again)
        return local_fail_contended(b, m->key, err);
    if ((errnum == EISDIR || errnum == EEXIST || errnum == ENOTEMPTY) && is_folder(p))
        return folder_in_the_way(b, m, p, err);
    if (errnum == EEXIST)
        return bucket_fail_precondition(&b->base, m->key, NULL, NULL, err);
    return local_fail(b, errnum, "cannot move into place", m->key, err);
}

static lh_status
move_once(struct local_bucket *b, struct move *m, const struct local_parent *p,
          struct lh_error *err)
{
    LH_AUTO_FD lock = -1;
    int moved;

    m->again = false;
    if (!m->condition->if_absent)
        LH_TRY(local_lock_take(b, m->key, &lock, err));
    if (m->condition->if_match)
        LH_TRY(etag_check(b, p, m->key, m->condition->if_match, err));
    LH_FAULT("store.put.before_rename", err);
    moved = m->condition->if_absent ? move_if_absent(m->from_fd, m->from_name, p)
                                    : renameat(m->from_fd, m->from_name, p->fd, p->leaf);
    return moved == 0 ? LH_OK : move_failed(b, m, p, errno, err);
}

lh_status
local_publish(struct local_bucket *b, lh_str key, int from_fd, const char *from_name,
              const struct local_condition *condition, struct lh_error *err)
{
    struct move m = {
        .key = key, .from_fd = from_fd, .from_name = from_name, .condition = condition};
    LOCAL_AUTO_PARENT(parent);
    lh_status status;
    int attempt = 0;

    do {
        LH_TRY(local_parent_make(b, key, &parent, err));
        status = move_once(b, &m, &parent, err);
    } while (status != LH_OK && m.again && ++attempt < LOCAL_ATTEMPTS_MAX);
    if (status != LH_OK) {
        local_parent_prune(b, &parent);
        return status;
    }
    if (attempt > 0 && err)
        lh_error_clear(err); /* of the attempts before */
    LH_FAULT("store.put.after_rename", err);
    return local_parent_sync(b, &parent, key, err);
}

lh_status
local_condition_check(struct local_bucket *b, lh_str key, const struct local_condition *condition,
                      struct lh_error *err)
{
    LOCAL_AUTO_PARENT(parent);
    LH_AUTO_ERROR(why);
    lh_status status;
    struct stat st;

    if (!condition->if_absent && !condition->if_match)
        return LH_OK;
    status = local_parent_find(b, key, &parent, &why);
    if (status == LH_NOT_FOUND && condition->if_absent)
        return LH_OK;
    if (status == LH_NOT_FOUND)
        return bucket_fail_precondition(&b->base, key, condition->if_match, NULL, err);
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    if (condition->if_match)
        return etag_check(b, &parent, key, condition->if_match, err);
    if (fstatat(parent.fd, parent.leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
        return bucket_fail_precondition(&b->base, key, NULL, NULL, err);
    return LH_OK;
}

/* ---- removal ---- */

static lh_status
object_check(struct local_bucket *b, const struct local_parent *p, lh_str key, struct lh_error *err)
{
    struct stat st;

    if (fstatat(p->fd, p->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? local_fail_absent(b, key, err)
                               : local_fail(b, errno, "cannot look at", key, err);
    if (S_ISLNK(st.st_mode))
        return local_fail(b, ELOOP, "cannot remove", key, err);
    return S_ISREG(st.st_mode) ? LH_OK : local_fail_absent(b, key, err);
}

static lh_status
remove_locked(struct local_bucket *b, const struct local_parent *p, lh_str key,
              const char *if_match, struct lh_error *err)
{
    LH_AUTO_FD lock = -1;

    LH_TRY(local_lock_take(b, key, &lock, err));
    LH_TRY(object_check(b, p, key, err));
    if (if_match)
        LH_TRY(etag_check(b, p, key, if_match, err));
    LH_FAULT("store.delete.before_unlink", err);
    if (unlinkat(p->fd, p->leaf, 0) != 0)
        return errno == ENOENT ? local_fail_absent(b, key, err)
                               : local_fail(b, errno, "cannot remove", key, err);
    return LH_OK;
}

lh_status
local_remove(struct lh_bucket *base, struct lh_call *call, lh_str key, const char *if_match,
             struct lh_error *err)
{
    struct local_bucket *b = local_of(base);
    LOCAL_AUTO_PARENT(parent);

    (void)call;
    LH_TRY(local_writable_check(b, err));
    LH_FAULT("store.delete.before", err);
    LH_TRY(local_parent_find(b, key, &parent, err));
    LH_TRY(remove_locked(b, &parent, key, if_match, err));
    LH_FAULT("store.delete.after_unlink", err);
    LH_TRY(local_parent_sync(b, &parent, key, err));
    local_parent_prune(b, &parent);
    return LH_OK;
}
