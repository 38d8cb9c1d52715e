#include "store/block_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/file.h"
#include "base/id.h"
#include "base/metrics.h"
#include "base/time.h"
#include "store/block_folder.h"

#define FREE_SHARE 20            /* this part of the disk stays free */
#define USED_FRESH_S 60          /* a use within this time after the last is not written down */
#define COUNT_UNKNOWN UINT64_MAX /* the folder was not counted yet */

struct block_disk {
    char *folder;
    uint64_t bytes_max;
    atomic_uint_fast64_t bytes; /* in the folder, as far as we know */
    atomic_bool is_trimming;
    struct lh_metric *gauge, *evicted, *bad, *failed;
};

struct block_disk *
block_disk_new(const char *folder, uint64_t bytes_max)
{
    struct block_disk *d = LH_NEW(struct block_disk);

    d->folder = lh_strdup(folder);
    d->bytes_max = bytes_max;
    atomic_init(&d->bytes, COUNT_UNKNOWN);
    d->gauge = lh_gauge("lakehouse_store_cache_bytes", "Bytes of remote objects that are cached.",
                        "tier", "disk", NULL);
    d->evicted =
        lh_counter("lakehouse_store_cache_evicted_total",
                   "Cached blocks of remote objects that made room.", "tier", "disk", NULL);
    d->bad = lh_counter("lakehouse_store_cache_bad_total",
                        "Cached blocks that did not match their checksums and were dropped.",
                        "tier", "disk", NULL);
    d->failed = lh_counter("lakehouse_store_cache_unwritten_total",
                           "Blocks that were not written to the cache on disk: no room, or an "
                           "error.",
                           "", NULL);
    return d;
}

void
block_disk_free(struct block_disk *d)
{
    if (!d)
        return;
    free(d->folder);
    free(d);
}

/* ---- names ---- */

static char *
path_of(const struct block_disk *d, const struct block_id *id, char path[PATH_MAX])
{
    char hex[LH_SHA256_HEX];

    (void)lh_sha256_hex(id->object, hex);
    if (snprintf(path, PATH_MAX, "%s/%.2s/%s-%" PRIu64, d->folder, hex, hex, id->number) >=
        PATH_MAX)
        return NULL;
    return path;
}

/* ---- loading ---- */

static void
used_note(int fd, const struct stat *st)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};

    if (lh_time_now_us() / 1000000 - st->st_mtim.tv_sec >= USED_FRESH_S)
        (void)futimens(fd, times);
}

static struct block *
pages_read(int fd, const struct stat *st, struct block *b)
{
    size_t n = b ? block_pages_bytes(b->pages) : 0;

    if (b && (uint64_t)st->st_size == BLOCK_HEAD_BYTES + n &&
        lh_file_pread_all(fd, b->bytes, n, BLOCK_HEAD_BYTES, NULL) == LH_OK &&
        block_check(b, b->pages))
        return b;
    block_unref(b);
    return NULL;
}

static struct block *
file_read(int fd, const struct block_id *id, struct stat *st)
{
    uint8_t head[BLOCK_HEAD_BYTES];

    if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode) ||
        lh_file_pread_all(fd, head, sizeof(head), 0, NULL) != LH_OK)
        return NULL;
    return pages_read(fd, st, block_head_decode(id, head));
}

struct block *
block_disk_load(struct block_disk *d, const struct block_id *id)
{
    char path[PATH_MAX];
    LH_AUTO_FD fd = -1;
    struct stat st = {0};
    struct block *b;

    if (d->bytes_max == 0 || !path_of(d, id, path))
        return NULL;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    b = file_read(fd, id, &st);
    if (b) {
        used_note(fd, &st);
        return b;
    }
    lh_metric_add(d->bad, 1);
    (void)unlink(path);
    return NULL;
}

/* ---- storing ---- */

static uint64_t
cost_of(const struct block *b)
{
    return block_folder_cost(BLOCK_HEAD_BYTES + block_pages_bytes(b->pages));
}

static bool
has_room(struct block_disk *d, const struct block *b)
{
    uint64_t bytes = atomic_load(&d->bytes);
    struct statvfs fs;

    if (bytes != COUNT_UNKNOWN && bytes + cost_of(b) > d->bytes_max)
        return false;
    return statvfs(d->folder, &fs) != 0 || fs.f_bavail >= fs.f_blocks / FREE_SHARE;
}

/* The folder is made when it is not there, be it that somebody deleted it just now. */
static int
aside_open(const struct block_disk *d, const char *path, char aside[PATH_MAX])
{
    size_t folder = strlen(d->folder) + 3; /* and "/ab" */
    char uuid[LH_UUID_TEXT], parent[PATH_MAX];
    int fd;

    (void)lh_uuid_format(lh_uuid_v7(), uuid);
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)folder, path);
    if (snprintf(aside, PATH_MAX, "%s/" BLOCK_FOLDER_ASIDE "%s", parent, uuid) >= PATH_MAX)
        return -1;
    fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 || errno != ENOENT || lh_dir_make(parent, 0700, NULL) != LH_OK)
        return fd;
    return open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static bool
file_write(int fd, const struct block *b)
{
    uint8_t head[BLOCK_HEAD_BYTES];

    block_head_encode(b, head);
    return lh_file_write_all(fd, lh_bytes_of(head, sizeof(head)), NULL) == LH_OK &&
           lh_file_write_all(fd, lh_bytes_of(b->bytes, block_pages_bytes(b->pages)), NULL) == LH_OK;
}

/* What replaces a block that was used stays a used one. The time is set after the renaming: a file
 * aside that looks old would be cleared away as a leftover. */
static bool
publish(const char *aside, const char *path, int fd)
{
    static const struct timespec never_used[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 0}};
    struct stat old;
    bool was_used = stat(path, &old) == 0 && old.st_mtim.tv_sec > 0;

    if (rename(aside, path) != 0)
        return false;
    if (!was_used)
        (void)futimens(fd, never_used);
    return true;
}

static void
count_add(struct block_disk *d, const struct block *b)
{
    if (atomic_load(&d->bytes) == COUNT_UNKNOWN)
        return;
    (void)atomic_fetch_add(&d->bytes, cost_of(b));
    lh_metric_add(d->gauge, (int64_t)cost_of(b));
}

static bool
file_make(struct block_disk *d, const struct block *b)
{
    char path[PATH_MAX], aside[PATH_MAX];
    LH_AUTO_FD fd = -1;

    if (!path_of(d, &b->id, path))
        return false;
    fd = aside_open(d, path, aside);
    if (fd < 0)
        return false;
    if (file_write(fd, b) && publish(aside, path, fd))
        return true;
    (void)unlink(aside);
    return false;
}

void
block_disk_store(struct block_disk *d, const struct block *b)
{
    if (d->bytes_max == 0)
        return;
    if (has_room(d, b) && file_make(d, b))
        count_add(d, b);
    else
        lh_metric_add(d->failed, 1);
}

/* ---- trimming ---- */

bool
block_disk_wants_trim(struct block_disk *d)
{
    uint64_t bytes = atomic_load(&d->bytes);

    if (d->bytes_max == 0 || (bytes != COUNT_UNKNOWN && bytes < d->bytes_max / 8 * 7))
        return false;
    return !atomic_exchange(&d->is_trimming, true);
}

void
block_disk_trim(struct block_disk *d)
{
    size_t removed = 0;
    uint64_t bytes = block_folder_trim(d->folder, d->bytes_max, &removed);

    atomic_store(&d->bytes, bytes);
    lh_metric_set(d->gauge, (int64_t)bytes);
    lh_metric_add(d->evicted, (int64_t)removed);
    atomic_store(&d->is_trimming, false);
}
