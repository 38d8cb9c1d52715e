/*
 * Keys in byte order out of folders.
 *
 * A folder's names, sorted as if those of folders ended with '/', give the byte order of the keys:
 * "a-b" < "a/…" < "a0". A component that continues in a folder ("…%+") is not followed by '/', so
 * the names in that folder are merged into the ones beside it.
 *
 * Whole folders are left out when nothing in them can begin with the prefix or come after `after`;
 * the folder part of the prefix is opened directly. Of a folder's names only about twice as many as
 * the page still takes are kept at a time, the smallest; when they were not enough the folder is
 * read again for what comes behind them.
 */
#include "store/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/alloc.h"

#define NAMES_KEPT_MIN 1024

struct name {
    lh_str key;       /* what it adds to the key; a folder's ends with '/' */
    const char *disk; /* its path from the folder: one name, or several through continuations */
};

struct folder {
    struct lh_arena arena;
    struct name *names;
    size_t count, allocated, kept_max;
    lh_str
        cut_at; /* greatest name kept when others had to go; none (ptr NULL): nothing was dropped */
    lh_str done_to; /* names up to this one are dealt with */
};

struct walk {
    struct local_bucket *b;
    struct lh_call *call;
    struct object_lister *lister;
    struct lh_buf key; /* of the folder we are in: "" or ends with '/' */
    char path[LOCAL_PATH_MAX];
    size_t path_len;
    bool is_over;
};

/* ---- which names matter ---- */

static int
common_compare(lh_str a, lh_str b)
{
    return memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
}

/* Keys that begin with `start`, if there are any, could be on the page. */
static bool
may_hold(const struct object_lister *l, lh_str start)
{
    if (l->prefix.len > 0 && common_compare(start, l->prefix) != 0)
        return false;
    return l->after.len == 0 || common_compare(start, l->after) >= 0;
}

static bool
is_wanted(const struct object_lister *l, lh_str key)
{
    return lh_str_starts(key, l->prefix) && (l->after.len == 0 || lh_str_cmp(key, l->after) > 0);
}

static int
name_compare(const void *a, const void *b)
{
    return lh_str_cmp(((const struct name *)a)->key, ((const struct name *)b)->key);
}

/* ---- reading a folder ---- */

static void
folder_init(struct folder *f, const struct walk *w)
{
    size_t room = w->lister->limit - w->lister->list->count;

    memset(f, 0, sizeof(*f));
    lh_arena_init(&f->arena);
    f->kept_max = 2 * room > NAMES_KEPT_MIN ? 2 * room : NAMES_KEPT_MIN;
}

static void
folder_fini(struct folder *f)
{
    free(f->names);
    lh_arena_fini(&f->arena);
}

static void
folder_sort(struct folder *f)
{
    if (f->count > 1)
        qsort(f->names, f->count, sizeof(f->names[0]), name_compare);
}

static void
folder_cut(struct folder *f)
{
    folder_sort(f);
    f->count /= 2;
    f->cut_at = f->names[f->count - 1].key;
}

static bool
folder_takes(const struct folder *f, lh_str key)
{
    return (!f->done_to.ptr || lh_str_cmp(key, f->done_to) > 0) &&
           (!f->cut_at.ptr || lh_str_cmp(key, f->cut_at) <= 0);
}

static void
folder_keep(struct folder *f, lh_str key, const char *disk)
{
    if (!folder_takes(f, key))
        return;
    if (f->count == f->allocated) {
        f->allocated = f->allocated == 0 ? 64 : f->allocated * 2;
        f->names = lh_realloc_array(f->names, f->allocated, sizeof(f->names[0]));
    }
    f->names[f->count++] = (struct name){.key = lh_arena_str(&f->arena, key),
                                         .disk = lh_arena_cstr(&f->arena, lh_str_of(disk))};
    if (f->count == f->kept_max)
        folder_cut(f);
}

/* One pass over the folder and, through continuations, the folders merged into it. */
struct pass {
    struct walk *w;
    struct folder *f;
    struct lh_buf name; /* key bytes of the continuations we are in, then of the name */
    char disk[LOCAL_PATH_MAX];
    size_t disk_len;
};

static bool
is_folder(int dir_fd, const struct dirent *e)
{
    struct stat st;

    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static lh_status pass_read(struct pass *p, struct lh_error *err);

static bool
is_own(const struct walk *w, const struct pass *p, const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           (w->path_len == 0 && p->disk_len == 0 && strcmp(name, LOCAL_OWN_FOLDER) == 0);
}

/* With the name appended to p->name and p->disk. */
static lh_status
name_take(struct pass *p, bool is_dir, bool is_continued, struct lh_error *err)
{
    struct walk *w = p->w;
    size_t key_len = w->key.len;
    bool is_good;
    lh_str key;

    if (is_dir && !is_continued)
        lh_buf_add_char(&p->name, '/');
    lh_buf_add_str(&w->key, lh_buf_str(&p->name));
    key = lh_buf_str(&w->key);
    is_good = is_dir ? may_hold(w->lister, key) : is_wanted(w->lister, key);
    w->key.len = key_len;
    if (!is_good)
        return LH_OK;
    if (is_continued)
        return pass_read(p, err);
    folder_keep(p->f, lh_buf_str(&p->name), p->disk);
    return LH_OK;
}

static lh_status
entry_take(struct pass *p, int dir_fd, const struct dirent *e, struct lh_error *err)
{
    size_t name_len = p->name.len, disk_len = p->disk_len;
    lh_str name = lh_str_of(e->d_name);
    bool is_dir = is_folder(dir_fd, e), is_continued;
    lh_status status = LH_OK;

    if (is_own(p->w, p, e->d_name) || p->w->path_len + disk_len + name.len + 2 >= LOCAL_PATH_MAX)
        return LH_OK;
    if (disk_len > 0)
        p->disk[p->disk_len++] = '/';
    memcpy(p->disk + p->disk_len, name.ptr, name.len + 1);
    p->disk_len += name.len;
    if (local_name_decode(name, &p->name, &is_continued) && (is_dir || !is_continued))
        status = name_take(p, is_dir, is_continued, err);
    p->name.len = name_len;
    p->disk_len = disk_len;
    p->disk[disk_len] = '\0';
    return status;
}

/* NULL with *is_gone when there is no such folder, or a file or link in its place. */
static lh_status
folder_open(struct pass *p, DIR **out, struct lh_error *err)
{
    struct walk *w = p->w;
    char path[2 * LOCAL_PATH_MAX];
    int fd;

    (void)snprintf(path, sizeof(path), "%s%s%s", w->path,
                   w->path_len > 0 && p->disk_len > 0 ? "/" : "", p->disk);
    fd = local_open(w->b, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return LH_OK;
    if (fd < 0)
        return local_fail(w->b, errno, "cannot list the folder", lh_str_of(path), err);
    *out = fdopendir(fd);
    if (!*out)
        close(fd);
    return LH_OK;
}

static lh_status
pass_read(struct pass *p, struct lh_error *err)
{
    lh_status status = LH_OK;
    DIR *dir = NULL;

    LH_TRY(folder_open(p, &dir, err));
    if (!dir)
        return LH_OK;
    for (struct dirent *e; status == LH_OK && (e = readdir(dir));) {
        status = lh_call_check(p->w->call, err);
        if (status == LH_OK)
            status = entry_take(p, dirfd(dir), e, err);
    }
    closedir(dir);
    return status;
}

static lh_status
folder_read(struct walk *w, struct folder *f, struct lh_error *err)
{
    struct pass p = {.w = w, .f = f};
    lh_status status;

    lh_buf_init(&p.name, LOCAL_PATH_MAX);
    status = pass_read(&p, err);
    lh_buf_fini(&p.name);
    folder_sort(f);
    return status;
}

/* ---- walking ---- */

/* A name that somebody else put into the folder may read as a key whose path is another; it is no
 * object then. */
static bool
is_the_path_of(lh_str key, const char *path)
{
    char encoded[LOCAL_PATH_MAX];

    if (lh_key_check(key, NULL) != LH_OK)
        return false;
    local_path_encode(key, encoded);
    return strcmp(encoded, path) == 0;
}

static void
object_take(struct walk *w)
{
    struct lh_object_info info;
    lh_str key = lh_buf_str(&w->key);

    if (!is_the_path_of(key, w->path) || !local_file_glance(w->b, w->path, &info))
        return;
    if (object_lister_has_room(w->lister))
        object_lister_add(w->lister, key, &info);
    else
        w->is_over = true;
}

static lh_status folder_walk(struct walk *w, struct lh_error *err);

static lh_status
name_walk(struct walk *w, const struct name *n, struct lh_error *err)
{
    size_t key_len = w->key.len, path_len = w->path_len, disk_len = strlen(n->disk);
    lh_status status = LH_OK;

    if (path_len + disk_len + 2 > sizeof(w->path) || key_len + n->key.len > LH_KEY_MAX)
        return LH_OK;
    if (path_len > 0)
        w->path[w->path_len++] = '/';
    memcpy(w->path + w->path_len, n->disk, disk_len + 1);
    w->path_len += disk_len;
    lh_buf_add_str(&w->key, n->key);
    if (lh_str_ends(n->key, LH_STR("/")))
        status = folder_walk(w, err);
    else
        object_take(w);
    w->key.len = key_len;
    w->path_len = path_len;
    w->path[path_len] = '\0';
    return status;
}

static lh_status
names_walk(struct walk *w, const struct folder *f, struct lh_error *err)
{
    for (size_t i = 0; i < f->count && !w->is_over; i++) {
        LH_TRY(lh_call_check(w->call, err));
        LH_TRY(name_walk(w, &f->names[i], err));
    }
    return LH_OK;
}

/* What was cut off begins right behind the greatest name that was kept. */
static bool
folder_goes_on(struct folder *f)
{
    if (!f->cut_at.ptr)
        return false;
    f->done_to = f->cut_at;
    f->cut_at = LH_STR_NONE;
    f->count = 0;
    return true;
}

static lh_status
folder_walk(struct walk *w, struct lh_error *err)
{
    struct folder f;
    lh_status status;

    folder_init(&f, w);
    do {
        status = folder_read(w, &f, err);
        if (status == LH_OK)
            status = names_walk(w, &f, err);
    } while (status == LH_OK && !w->is_over && folder_goes_on(&f));
    folder_fini(&f);
    return status;
}

/* The folder part of the prefix; false when no key can begin with it. */
static bool
walk_start(struct walk *w)
{
    lh_str prefix = w->lister->prefix;
    size_t len = prefix.len;

    while (len > 0 && prefix.ptr[len - 1] != '/')
        len--;
    if (len == 0)
        return prefix.len <= LH_KEY_MAX;
    if (prefix.len > LH_KEY_MAX || lh_key_check(lh_str_slice(prefix, 0, len - 1), NULL) != LH_OK)
        return false;
    local_path_encode(lh_str_slice(prefix, 0, len), w->path);
    w->path_len = strlen(w->path);
    lh_buf_add_str(&w->key, lh_str_slice(prefix, 0, len));
    return true;
}

lh_status
local_list(struct lh_bucket *b, struct lh_call *call, struct object_lister *l, struct lh_error *err)
{
    struct walk *w = LH_NEW(struct walk);
    lh_status status = LH_OK;

    w->b = local_of(b);
    w->call = call;
    w->lister = l;
    lh_buf_init(&w->key, (size_t)2 * LOCAL_PATH_MAX);
    if (walk_start(w))
        status = folder_walk(w, err);
    if (status == LH_OK && l->list->count == 0)
        status = local_root_check(w->b, err);
    lh_buf_fini(&w->key);
    free(w);
    return status;
}
