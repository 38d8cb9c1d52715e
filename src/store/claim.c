#include "store/claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Deeper than anything a process keeps in a claimed folder (an engine's spill folder is the
 * deepest). */
#define DEPTH_MAX 16

static int
folder_open(int parent_fd, const char *name)
{
    return openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void tree_remove(int parent_fd, const char *name, int depth);

static void
content_remove(int folder_fd, int depth)
{
    int copy = fcntl(folder_fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);

    if (!dir) {
        if (copy >= 0)
            close(copy);
        return;
    }
    rewinddir(dir);
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            tree_remove(folder_fd, e->d_name, depth);
    closedir(dir);
}

/* Best effort: what cannot be removed now is found again at the next start. */
static void
tree_remove(int parent_fd, const char *name, int depth)
{
    LH_AUTO_FD fd = -1;

    if (unlinkat(parent_fd, name, 0) == 0 || depth >= DEPTH_MAX)
        return;
    fd = folder_open(parent_fd, name);
    if (fd < 0)
        return;
    content_remove(fd, depth + 1);
    (void)unlinkat(parent_fd, name, AT_REMOVEDIR);
}

static void
remove_if_abandoned(int parent_fd, const char *name)
{
    LH_AUTO_FD fd = folder_open(parent_fd, name);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
        return;
    content_remove(fd, 0);
    (void)unlinkat(parent_fd, name, AT_REMOVEDIR);
}

static void
leftovers_remove(int parent_fd)
{
    int fd = folder_open(parent_fd, ".");
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    lh_uuid id;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));)
        if (lh_uuid_parse(lh_str_of(e->d_name), &id))
            remove_if_abandoned(parent_fd, e->d_name);
    closedir(dir);
}

/* Another process may clear the new folder away in the moment before it is locked; then it has no
 * links left. */
static bool
is_still_there(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

/* False when somebody was faster; then another name is tried. */
static bool
folder_take(int parent_fd, const char *name, int *fd)
{
    *fd = folder_open(parent_fd, name);
    if (*fd < 0)
        return false;
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0 && is_still_there(*fd))
        return true;
    close(*fd);
    *fd = -1;
    return false;
}

lh_status
store_claim_take(int parent_fd, struct store_claim *out, struct lh_error *err)
{
    struct store_claim c = {.fd = -1, .parent_fd = parent_fd};

    leftovers_remove(parent_fd);
    for (int attempt = 0; attempt < 100; attempt++) {
        lh_uuid_format(lh_uuid_v4(), c.name);
        if (mkdirat(parent_fd, c.name, 0700) != 0)
            return lh_fail_errno(err, errno, "cannot make a folder for files in progress");
        if (folder_take(parent_fd, c.name, &c.fd)) {
            *out = c;
            return LH_OK;
        }
    }
    return lh_fail(err, LH_IO, "store.claim", "no new folder for files in progress can be locked");
}

void
store_claim_drop(struct store_claim *c)
{
    if (c->fd < 0)
        return;
    content_remove(c->fd, 0);
    (void)unlinkat(c->parent_fd, c->name, AT_REMOVEDIR);
    close(c->fd);
    *c = STORE_CLAIM_NONE;
}

lh_status
store_claim_file(const struct store_claim *c, const char *suffix, mode_t mode,
                 char name[STORE_CLAIM_NAME_MAX], int *fd, struct lh_error *err)
{
    char text[LH_UUID_TEXT];
    int opened;

    lh_uuid_format(lh_uuid_v4(), text);
    if (snprintf(name, STORE_CLAIM_NAME_MAX, "%s%s", text, suffix) >= STORE_CLAIM_NAME_MAX)
        return lh_fail(err, LH_INVALID, "store.suffix", "the suffix '%s' is too long", suffix);
    opened = openat(c->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (opened < 0)
        return lh_fail_errno(err, errno, "cannot make the file %s", name);
    *fd = opened;
    return LH_OK;
}
