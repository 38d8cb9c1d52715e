#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/id.h"

#define READ_STEP (64 * 1024)

static lh_status
too_big(const char *path, size_t max_bytes, struct lh_error *err)
{
    return lh_fail(err, LH_TOO_BIG, "file.too_big", "%s is larger than the limit of %zu bytes",
                   path, max_bytes);
}

/* The size by fstat is a hint only: /proc says 0, and a file may grow while it is read. */
static size_t
read_step(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || st.st_size <= 0)
        return READ_STEP;
    return (size_t)st.st_size + 1;
}

lh_status
lh_file_read(const char *path, size_t max_bytes, struct lh_buf *out, struct lh_error *err)
{
    LH_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t had = out->len;

    if (fd < 0)
        return lh_fail_errno(err, errno, "open %s", path);
    size_t step = read_step(fd);
    for (;;) {
        size_t left = max_bytes - (out->len - had);
        size_t room = out->max - out->len;
        size_t want = step < left ? step : left;
        want = want < room ? want : room;
        uint8_t probe = 0;
        uint8_t *to = want > 0 ? lh_buf_reserve(out, want) : &probe;
        if (to == NULL)
            return lh_buf_check(out, path, err);
        ssize_t got = read(fd, to, want > 0 ? want : 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return lh_fail_errno(err, errno, "read %s", path);
        if (got == 0)
            return LH_OK;
        if (want == 0)
            return too_big(path, left == 0 ? max_bytes : out->max, err);
        lh_buf_advance(out, (size_t)got);
        step = READ_STEP;
    }
}

lh_status
lh_file_write_all(int fd, lh_bytes in, struct lh_error *err)
{
    while (in.len > 0) {
        ssize_t put = write(fd, in.ptr, in.len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return lh_fail_errno(err, errno, "write %zu bytes", in.len);
        in = lh_bytes_of(in.ptr + put, in.len - (size_t)put);
    }
    return LH_OK;
}

lh_status
lh_file_pread_all(int fd, void *to, size_t n, uint64_t offset, struct lh_error *err)
{
    uint8_t *at = to;

    while (n > 0) {
        ssize_t got = pread(fd, at, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return lh_fail_errno(err, errno, "read %zu bytes at %" PRIu64, n, offset);
        if (got == 0)
            return lh_fail(err, LH_CORRUPT, "file.short",
                           "the file ends at %" PRIu64 ", %zu bytes before it should", offset, n);
        at += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return LH_OK;
}

/* ---- atomic write ---- */

static lh_status
write_aside(const char *aside, lh_bytes in, mode_t mode, struct lh_error *err)
{
    LH_AUTO_FD fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (fd < 0)
        return lh_fail_errno(err, errno, "create %s", aside);
    LH_FAULT("file.write_atomic.before_write", err);
    LH_TRY(lh_file_write_all(fd, in, err));
    if (fsync(fd) != 0)
        return lh_fail_errno(err, errno, "fsync %s", aside);
    return LH_OK;
}

static lh_status
move_over(const char *aside, const char *path, struct lh_error *err)
{
    LH_FAULT("file.write_atomic.before_rename", err);
    if (rename(aside, path) != 0)
        return lh_fail_errno(err, errno, "rename %s to %s", aside, path);
    return LH_OK;
}

/* The folder that holds `path`; the caller frees it. */
static char *
parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return lh_strdup(".");
    return lh_str_dup((lh_str){path, slash == path ? 1 : (size_t)(slash - path)});
}

lh_status
lh_file_write_atomic(const char *path, lh_bytes in, mode_t mode, struct lh_error *err)
{
    LH_AUTO_CHARS aside = lh_asprintf("%s.%016" PRIx64 ".tmp", path, lh_random_u64());
    LH_AUTO_CHARS parent = parent_of(path);
    lh_status status = write_aside(aside, in, mode, err);

    if (status == LH_OK)
        status = move_over(aside, path, err);
    if (status != LH_OK) {
        unlink(aside);
        return status;
    }
    return lh_dir_sync(parent, err);
}

/* ---- folders ---- */

static lh_status
dir_make_one(const char *path, mode_t mode, struct lh_error *err)
{
    struct stat st;

    if (mkdir(path, mode) == 0)
        return LH_OK;
    int errnum = errno;
    if (errnum == EEXIST && stat(path, &st) == 0)
        errnum = S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
    return errnum == 0 ? LH_OK : lh_fail_errno(err, errnum, "make folder %s", path);
}

lh_status
lh_dir_make(const char *path, mode_t mode, struct lh_error *err)
{
    LH_AUTO_CHARS partial = lh_strdup(path);

    for (char *c = partial; *c != '\0'; c++) {
        if (*c != '/' || c == partial)
            continue;
        *c = '\0';
        LH_TRY(dir_make_one(partial, mode, err));
        *c = '/';
    }
    return dir_make_one(partial, mode, err);
}

lh_status
lh_dir_sync(const char *path, struct lh_error *err)
{
    LH_AUTO_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return lh_fail_errno(err, errno, "open folder %s", path);
    if (fsync(fd) != 0)
        return lh_fail_errno(err, errno, "fsync folder %s", path);
    return LH_OK;
}

static lh_status tree_empty(int fd, const char *path, struct lh_error *err);

/* `name` inside the open folder `at`; `path` is for people. Somebody else removing it first is as
 * good. */
static lh_status
tree_remove_at(int at, const char *name, const char *path, struct lh_error *err)
{
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
        return LH_OK;
    if (errno != EISDIR && errno != EPERM)
        return lh_fail_errno(err, errno, "remove %s", path);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return lh_fail_errno(err, errno, "open folder %s", path);
    LH_TRY(tree_empty(fd, path, err));
    if (unlinkat(at, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        return lh_fail_errno(err, errno, "remove folder %s", path);
    return LH_OK;
}

static void
dir_auto_close(DIR **dir)
{
    if (*dir != NULL)
        closedir(*dir);
}

/* Takes `fd`. */
static lh_status
tree_empty(int fd, const char *path, struct lh_error *err)
{
    __attribute__((cleanup(dir_auto_close))) DIR *dir = fdopendir(fd);

    if (dir == NULL) {
        int errnum = errno;
        close(fd);
        return lh_fail_errno(err, errnum, "read folder %s", path);
    }
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(dir);
        if (e == NULL)
            break;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        LH_AUTO_CHARS child = lh_asprintf("%s/%s", path, e->d_name);
        LH_TRY(tree_remove_at(dirfd(dir), e->d_name, child, err));
    }
    return errno == 0 ? LH_OK : lh_fail_errno(err, errno, "read folder %s", path);
}

lh_status
lh_dir_remove_tree(const char *path, struct lh_error *err)
{
    return tree_remove_at(AT_FDCWD, path, path, err);
}
