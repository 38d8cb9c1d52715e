/*
 * A lock file out of 256, chosen by the key. It is opened anew each time: flock belongs to the open
 * file, so two threads, or a process and its forked child, exclude each other as strangers do. It
 * is held for a comparison and a rename, never for I/O on data.
 */
#include "store/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/hash.h"

#define STRIPES 256

lh_status
local_lock_take(struct local_bucket *b, lh_str key, int *fd, struct lh_error *err)
{
    char name[8];
    int opened;

    (void)snprintf(name, sizeof(name), "%02x", (unsigned)(lh_xxh64(key.ptr, key.len, 0) % STRIPES));
    opened = openat(b->locks_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (opened < 0)
        return local_fail(b, errno, "cannot open the lock of", key, err);
    while (flock(opened, LOCK_EX) != 0) {
        if (errno == EINTR)
            continue;
        int saved = errno;
        close(opened);
        return local_fail(b, saved, "cannot lock", key, err);
    }
    *fd = opened;
    return LH_OK;
}
