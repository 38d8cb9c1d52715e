#include "store/block_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/time.h"

#define SUBFOLDERS 256
#define BYTES_A_FILE ((uint64_t)32 << 10)
#define ASIDE_AGE_S 3600
#define NEW_SHARE 5

struct found {
    char *name;
    unsigned subfolder;
    uint64_t cost;
    int64_t at_ns; /* used again, or else written */
    bool is_used;
};

struct survey {
    const char *folder;
    struct found *items;
    size_t count, capacity;
    uint64_t bytes, new_bytes;
};

uint64_t
block_folder_cost(uint64_t size_bytes)
{
    return (size_bytes + 4095) / 4096 * 4096;
}

static int
subfolder_open(const struct survey *s, unsigned i)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%02x", s->folder, i) >= (int)sizeof(path))
        return -1;
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* ---- what is there ---- */

static int64_t
time_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
found_add(struct survey *s, unsigned subfolder, const char *name, const struct stat *st)
{
    bool is_used = st->st_mtim.tv_sec > 0;
    uint64_t cost = block_folder_cost((uint64_t)st->st_size);

    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 1024;
        s->items = lh_realloc_array(s->items, s->capacity, sizeof(*s->items));
    }
    s->items[s->count++] = (struct found){
        .name = lh_strdup(name),
        .subfolder = subfolder,
        .cost = cost,
        .at_ns = time_ns(is_used ? st->st_mtim : st->st_ctim),
        .is_used = is_used,
    };
    s->bytes += cost;
    s->new_bytes += is_used ? 0 : cost;
}

static bool
is_left_over(const char *name, const struct stat *st)
{
    return strncmp(name, BLOCK_FOLDER_ASIDE, strlen(BLOCK_FOLDER_ASIDE)) == 0 &&
           lh_time_now_us() / 1000000 - st->st_mtim.tv_sec > ASIDE_AGE_S;
}

static void
subfolder_survey(struct survey *s, unsigned i)
{
    int fd = subfolder_open(s, i);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct stat st;

    if (!dir && fd >= 0)
        close(fd);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (is_left_over(entry->d_name, &st))
            (void)unlinkat(fd, entry->d_name, 0);
        else
            found_add(s, i, entry->d_name, &st);
    }
    (void)closedir(dir);
}

/* ---- what goes ---- */

/* The new before the used, each oldest first. */
static int
by_use(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->is_used != y->is_used)
        return x->is_used ? 1 : -1;
    return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

static void
remove_one(struct survey *s, struct found *f)
{
    int fd = subfolder_open(s, f->subfolder);

    if (fd >= 0) {
        (void)unlinkat(fd, f->name, 0);
        close(fd);
    }
    s->bytes -= f->cost;
    s->new_bytes -= f->is_used ? 0 : f->cost;
}

static size_t
remove_many(struct survey *s, uint64_t bytes_max, size_t files_max)
{
    size_t fresh = 0, used, removed = 0;

    qsort(s->items, s->count, sizeof(*s->items), by_use);
    for (used = 0; used < s->count && !s->items[used].is_used;)
        used++;
    while ((s->bytes > bytes_max / 4 * 3 || s->count - removed > files_max / 4 * 3) &&
           removed < s->count) {
        bool is_new_first = s->new_bytes > bytes_max / NEW_SHARE || used == s->count;
        remove_one(s, &s->items[is_new_first ? fresh++ : used++]);
        removed++;
    }
    return removed;
}

uint64_t
block_folder_trim(const char *folder, uint64_t bytes_max, size_t *removed)
{
    struct survey s = {.folder = folder};
    size_t files_max = (size_t)(bytes_max / BYTES_A_FILE) + 1;

    *removed = 0;
    for (unsigned i = 0; i < SUBFOLDERS; i++)
        subfolder_survey(&s, i);
    if (s.bytes >= bytes_max / 8 * 7 || s.count > files_max)
        *removed = remove_many(&s, bytes_max, files_max);
    for (size_t i = 0; i < s.count; i++)
        free(s.items[i].name);
    free(s.items);
    return s.bytes;
}
