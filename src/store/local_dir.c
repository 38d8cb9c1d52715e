/*
 * Folders of a local bucket: found without following links, made when a put needs them, removed
 * when the last object is gone.
 *
 * A folder may be removed by one process at the very moment another puts into it. The rename then
 * fails with ENOENT, since the descriptor leads to a folder without a name, and the put makes the
 * folder again (local_publish.c).
 *
 * Durability of folders. The entry of a new folder is synced by whoever made it, after the object's
 * rename. Somebody else may use the folder before that has happened, and would acknowledge an
 * object that a power cut takes away with its folder. So folders that are only seconds old are
 * treated as if we had made them.
 */
#include "store/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define YOUNG_S 10

/* ---- opening beneath the root ---- */

static int
open_by_kernel(struct local_bucket *b, const char *path, int flags)
{
    struct open_how how = {
        .flags = (unsigned)flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd;

    /* EAGAIN: a rename somewhere made the kernel unsure of its own answer. */
    do
        fd = (int)syscall(SYS_openat2, b->root_fd, path, &how, sizeof(how));
    while (fd < 0 && (errno == EAGAIN || errno == EINTR));
    return fd;
}

static bool
is_link(int folder_fd, const char *name)
{
    struct stat st;

    return fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* A folder of the path; the kernel answers ENOTDIR for a link as well as for a file. */
static int
step_into(int folder_fd, const char *name)
{
    int fd = openat(folder_fd, name, FOLDER_FLAGS);

    if (fd < 0 && errno == ENOTDIR)
        errno = is_link(folder_fd, name) ? ELOOP : ENOTDIR;
    return fd;
}

/* For kernels before 5.6, and sandboxes that forbid openat2. */
static int
open_by_steps(struct local_bucket *b, const char *path, int flags)
{
    char copy[LOCAL_PATH_MAX];
    LH_AUTO_FD folder = -1;
    char *name = copy;

    (void)lh_str_copy(copy, sizeof(copy), lh_str_of(path));
    folder = openat(b->root_fd, ".", FOLDER_FLAGS);
    for (char *slash; folder >= 0 && (slash = strchr(name, '/')); name = slash + 1) {
        int next;
        *slash = '\0';
        next = step_into(folder, name);
        int saved = errno;
        close(folder);
        folder = next;
        errno = saved;
    }
    if (folder < 0)
        return -1;
    return (flags & O_DIRECTORY) ? step_into(folder, name) : openat(folder, name, flags);
}

/* O_NOFOLLOW is for the steps only: with it openat2 tells a link from a file no more than openat.
 */
int
local_open(struct local_bucket *b, const char *path, int flags)
{
    if (*path == '\0')
        path = ".";
    if (!atomic_load_explicit(&b->lacks_openat2, memory_order_relaxed)) {
        int fd = open_by_kernel(b, path, flags | O_CLOEXEC);
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
            return fd;
        if (errno == ENOSYS)
            atomic_store(&b->lacks_openat2, true);
    }
    return open_by_steps(b, path, flags | O_NOFOLLOW | O_CLOEXEC);
}

/* ---- the folder of an object ---- */

void
local_parent_fini(struct local_parent *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

/* Cuts the path into folder and leaf; the folder's part is "" in the root. */
static void
parent_aim(lh_str key, struct local_parent *p)
{
    char *slash;

    local_parent_fini(p);
    local_path_encode(key, p->path);
    slash = strrchr(p->path, '/');
    p->leaf = slash ? slash + 1 : p->path;
    p->unsynced_from = SIZE_MAX;
}

static int
folder_open_of(struct local_bucket *b, const struct local_parent *p, size_t length)
{
    char path[LOCAL_PATH_MAX];

    memcpy(path, p->path, length);
    path[length] = '\0';
    return local_open(b, path, O_RDONLY | O_DIRECTORY);
}

static size_t
folder_length(const struct local_parent *p)
{
    return p->leaf == p->path ? 0 : (size_t)(p->leaf - p->path) - 1;
}

static lh_status
fail_on_the_way(const struct local_bucket *b, int errnum, lh_str key, struct lh_error *err)
{
    if (errnum == ENOTDIR)
        return lh_fail(err, LH_CONFLICT, "store.key_is_prefix",
                       "key '%.*s' runs through an object of bucket '%s'",
                       LH_FMT(lh_str_fit(key, 300)), b->base.name);
    if (errnum == ENOENT)
        return local_fail_contended(b, key, err);
    return local_fail(b, errnum, "cannot reach the folder of", key, err);
}

lh_status
local_parent_find(struct local_bucket *b, lh_str key, struct local_parent *p, struct lh_error *err)
{
    parent_aim(key, p);
    p->fd = folder_open_of(b, p, folder_length(p));
    if (p->fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return local_fail_absent(b, key, err);
    if (p->fd < 0)
        return fail_on_the_way(b, errno, key, err);
    return LH_OK;
}

/* Unknown ages are old: then only folders of our own making are synced. */
static bool
is_young(int fd)
{
    struct statx stx;
    struct timespec now;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &stx) != 0 || !(stx.stx_mask & STATX_BTIME))
        return false;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec - stx.stx_btime.tv_sec < YOUNG_S;
}

/* Opens the folder `name`, making it when it is not there. */
static int
step_or_make(int folder_fd, const char *name, bool *is_made)
{
    int fd = step_into(folder_fd, name);

    *is_made = false;
    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (mkdirat(folder_fd, name, 0777) == 0)
        *is_made = true;
    else if (errno != EEXIST)
        return -1;
    return step_into(folder_fd, name);
}

static int
make_by_steps(struct local_bucket *b, struct local_parent *p)
{
    int folder = openat(b->root_fd, ".", FOLDER_FLAGS);
    char *name = p->path;

    while (folder >= 0 && name < p->leaf) {
        char *slash = strchr(name, '/');
        bool is_made;
        int next, saved;
        *slash = '\0';
        next = step_or_make(folder, name, &is_made);
        saved = errno;
        *slash = '/';
        if (next >= 0 && p->unsynced_from == SIZE_MAX && (is_made || is_young(next)))
            p->unsynced_from = (size_t)(slash - p->path);
        close(folder);
        folder = next;
        name = slash + 1;
        errno = saved;
    }
    return folder;
}

/* ENOENT while making: somebody removed, as empty, a folder that we had just stepped into. */
static int
make_in_spite(struct local_bucket *b, struct local_parent *p)
{
    int fd;
    int attempt = 0;

    do {
        p->unsynced_from = SIZE_MAX;
        fd = make_by_steps(b, p);
    } while (fd < 0 && errno == ENOENT && ++attempt < LOCAL_ATTEMPTS_MAX);
    return fd;
}

lh_status
local_parent_make(struct local_bucket *b, lh_str key, struct local_parent *p, struct lh_error *err)
{
    parent_aim(key, p);
    p->fd = folder_open_of(b, p, folder_length(p));
    if (p->fd >= 0 && (folder_length(p) == 0 || !is_young(p->fd)))
        return LH_OK;
    if (p->fd < 0 && errno != ENOENT && errno != ENOTDIR)
        return fail_on_the_way(b, errno, key, err);
    local_parent_fini(p);
    p->fd = make_in_spite(b, p);
    if (p->fd < 0)
        return fail_on_the_way(b, errno, key, err);
    return LH_OK;
}

/* ---- durability ---- */

static lh_status
folder_sync(struct local_bucket *b, int fd, lh_str key, struct lh_error *err)
{
    if (fd < 0 || fsync(fd) != 0)
        return local_fail(b, errno, "cannot sync the folder of", key, err);
    return LH_OK;
}

/* The folder that holds the entry of the folder at `length`. */
static size_t
length_of_upper(const struct local_parent *p, size_t length)
{
    while (length > 0 && p->path[length - 1] != '/')
        length--;
    return length > 0 ? length - 1 : 0;
}

lh_status
local_parent_sync(struct local_bucket *b, const struct local_parent *p, lh_str key,
                  struct lh_error *err)
{
    LH_TRY(folder_sync(b, p->fd, key, err));
    for (size_t length = folder_length(p); length > 0 && length >= p->unsynced_from;) {
        length = length_of_upper(p, length);
        LH_AUTO_FD fd = folder_open_of(b, p, length);
        if (fd < 0 && errno == ENOENT)
            continue; /* the object is gone again, and its folders with it */
        LH_TRY(folder_sync(b, fd, key, err));
    }
    return LH_OK;
}

/* ---- removal of folders nobody needs ---- */

void
local_parent_prune(struct local_bucket *b, struct local_parent *p)
{
    size_t length = folder_length(p);

    while (length > 0) {
        size_t upper = length_of_upper(p, length);
        LH_AUTO_FD fd = folder_open_of(b, p, upper);
        char name[LOCAL_PATH_MAX];
        size_t at = upper > 0 ? upper + 1 : 0;
        (void)lh_str_copy(name, sizeof(name), (lh_str){p->path + at, length - at});
        if (fd < 0 || unlinkat(fd, name, AT_REMOVEDIR) != 0)
            return;
        length = upper;
    }
}

static bool
content_remove_empty(int folder_fd)
{
    int copy = fcntl(folder_fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    bool is_empty = dir != NULL;

    if (!dir && copy >= 0)
        close(copy);
    for (struct dirent *e; is_empty && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            is_empty = local_folder_remove_empty(folder_fd, e->d_name);
    if (dir)
        closedir(dir);
    return is_empty;
}

bool
local_folder_remove_empty(int parent_fd, const char *name)
{
    LH_AUTO_FD fd = -1;

    if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0)
        return true;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return false;
    fd = openat(parent_fd, name, FOLDER_FLAGS);
    return fd >= 0 && content_remove_empty(fd) && unlinkat(parent_fd, name, AT_REMOVEDIR) == 0;
}
