/*
 * local: a bucket in a folder, one plain file an object.
 *
 * What the files of this backend share. Everything beneath the root is reached relative to its
 * descriptor and never through a symbolic link, so a link that somebody leaves in the folder leads
 * nowhere. A put is written aside, synced, then renamed into place; what decides between writers is
 * the rename, under a lock file when a condition on the old object must hold.
 *
 * Format   docs/formats/layout.md
 * Fails    CONFLICT "store.key_is_prefix" when a key is a folder of other objects or runs through
 * an object; DENIED "store.symlink", "store.read_only"; NO_SPACE "store.no_space".
 */
#ifndef LH_STORE_LOCAL_H
#define LH_STORE_LOCAL_H

#include <stdatomic.h>
#include <sys/stat.h>
#include "store/backend.h"
#include "store/claim.h"
#include "store/meta.h"
#include "store/proven.h"

#define LOCAL_OWN_FOLDER ".lakehouse" /* of the backend itself, in the root */

struct local_bucket {
    struct lh_bucket base; /* first */
    char *root;
    struct store_proven *proven; /* shared by the buckets of a store */
    int root_fd;
    int tmp_fd;               /* .lakehouse/tmp */
    int locks_fd;             /* .lakehouse/locks */
    struct store_claim claim; /* ours in tmp; none when the bucket is read-only */
    dev_t dev;
    mode_t file_mode; /* of objects: 0666 without what the umask takes away */
    bool has_xattrs, is_read_only;
    atomic_bool lacks_openat2;
};

struct local_bucket_options {
    const char *name;
    const char *root; /* created when absent */
    struct store_limits *limits;
    struct store_proven *proven;
};

lh_status local_bucket_open(const struct local_bucket_options *o, struct lh_bucket **out,
                            struct lh_error *err);

static inline struct local_bucket *
local_of(struct lh_bucket *b)
{
    return (struct local_bucket *)b;
}

/* By errno, naming the object and what was tried. */
lh_status local_fail(const struct local_bucket *b, int errnum, const char *what, lh_str key,
                     struct lh_error *err);
/* No such object, or no bucket any more: UNAVAILABLE "store.bucket_gone" when the root has been
 * deleted under us. What is looked for there is missing for another reason than anybody asked
 * about.
 */
lh_status local_fail_absent(const struct local_bucket *b, lh_str key, struct lh_error *err);
lh_status local_root_check(const struct local_bucket *b, struct lh_error *err);
lh_status local_fail_contended(const struct local_bucket *b, lh_str key, struct lh_error *err);
lh_status local_writable_check(const struct local_bucket *b, struct lh_error *err);

/* ---- paths (local_path.c) ---- */

/* Every byte of a key may become three, and every 78 of them a continuation folder of three more.
 */
#define LOCAL_PATH_MAX (3 * LH_KEY_MAX + 64)

/* The path beneath the root, relative. `key` may end with '/': the folder of that prefix. */
void local_path_encode(lh_str key, char path[LOCAL_PATH_MAX]);

/* One name of a folder back into bytes of a key, appended; `is_continued` tells that the component
 * goes on in the folder of that name. False for what is never written. Lenient otherwise: encode
 * the whole key again to know that the path is the one and only. */
bool local_name_decode(lh_str name, struct lh_buf *out, bool *is_continued);

/* ---- folders (local_dir.c) ---- */

/* How often a put may lose its folder to somebody who removes it as empty in the moment between. */
#define LOCAL_ATTEMPTS_MAX 100

/* Opens beneath the root without following links; -1 and errno. ELOOP for a link on the way. */
int local_open(struct local_bucket *b, const char *path, int flags);

/* Where an object's file is or will be. */
struct local_parent {
    int fd;
    char path[LOCAL_PATH_MAX];
    char *leaf;           /* in path; the rest of path is the folder's */
    size_t unsynced_from; /* length of the first folder's path whose own entry may not be durable;
                             SIZE_MAX: none */
};
void local_parent_fini(struct local_parent *p);
#define LOCAL_AUTO_PARENT(name)                                                                    \
    __attribute__((cleanup(local_parent_fini))) struct local_parent name = {.fd = -1}

/* Fails with NOT_FOUND "store.no_object" when the folder is not there. */
lh_status
local_parent_find(struct local_bucket *b, lh_str key, struct local_parent *p, struct lh_error *err);
lh_status
local_parent_make(struct local_bucket *b, lh_str key, struct local_parent *p, struct lh_error *err);
/* Makes the entry of the file durable, and those of the folders above it that need it. */
lh_status local_parent_sync(struct local_bucket *b, const struct local_parent *p, lh_str key,
                            struct lh_error *err);
/* Removes the folders above the file that are empty now. Best effort. */
void local_parent_prune(struct local_bucket *b, struct local_parent *p);
/* Removes a folder that holds nothing but empty folders; false when an object is in the way. */
bool local_folder_remove_empty(int parent_fd, const char *name);

/* ---- the lock that compare-and-swap stands on (local_lock.c) ---- */

/* Held until the descriptor is closed, between threads and processes alike. */
lh_status local_lock_take(struct local_bucket *b, lh_str key, int *fd, struct lh_error *err);

/* ---- one file (local_file.c) ---- */

struct local_file {
    int fd;
    struct stat st;
    bool has_meta;
    struct store_meta meta;
    struct lh_object_info info;
};
void local_file_fini(struct local_file *f);
#define LOCAL_AUTO_FILE(name)                                                                      \
    __attribute__((cleanup(local_file_fini))) struct local_file name = {.fd = -1}

/* Takes what openat gave (`fd`, or -1 with errno). NOT_FOUND, CORRUPT when size and attribute
 * disagree. */
lh_status local_file_load(struct local_bucket *b, int fd, int errnum, lh_str key,
                          struct local_file *out, struct lh_error *err);
/* For lists: never fails for what the file holds; false when it is no object, or gone. */
bool local_file_glance(struct local_bucket *b, const char *path, struct lh_object_info *info);
/* What a put tells of the file it made, as a later local_file_load will. */
void local_file_info(const struct local_bucket *b, const struct stat *st,
                     const struct store_meta *m, struct lh_object_info *info);
/* Writes the attribute, with coarser blocks when the file system has no room for it. */
lh_status local_meta_store(struct local_bucket *b, int fd, struct store_digest *d,
                           struct store_meta *m, lh_str key, struct lh_error *err);

/* ---- operations ---- */

lh_status local_upload_begin(struct lh_bucket *b, lh_str key, const struct lh_put_options *options,
                             struct lh_upload **out, struct lh_error *err);
lh_status local_upload_write(struct lh_upload *u, lh_bytes bytes, struct lh_error *err);
lh_status
local_upload_commit(struct lh_upload *u, struct lh_object_info *info, struct lh_error *err);
void local_upload_free(struct lh_upload *u);
lh_status local_put_file(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *path,
                         const struct lh_put_options *options, uint64_t size_max,
                         struct lh_object_info *info, struct lh_error *err);

struct local_condition {
    bool if_absent;
    const char *if_match;
};
/* Moves a finished, synced file into place: condition, rename, sync of the folders. */
lh_status local_publish(struct local_bucket *b, lh_str key, int from_fd, const char *from_name,
                        const struct local_condition *condition, struct lh_error *err);
/* Only looks: what would lose now will lose later. */
lh_status local_condition_check(struct local_bucket *b, lh_str key,
                                const struct local_condition *condition, struct lh_error *err);
lh_status local_remove(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *if_match,
                       struct lh_error *err);

lh_status local_head(struct lh_bucket *b, struct lh_call *call, lh_str key,
                     struct lh_object_info *info, struct lh_error *err);
lh_status local_reader_open(struct lh_bucket *b, struct lh_call *call, lh_str key,
                            struct lh_reader_at **out, struct lh_error *err);
lh_status local_reader_read(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, void *to,
                            size_t n, struct lh_error *err);
lh_status local_reader_file(struct lh_reader_at *r, struct lh_call *call, uint64_t offset,
                            uint64_t length, int *fd, struct lh_error *err);
bool local_reader_is_proven(const struct lh_reader_at *r, uint64_t offset, uint64_t length);
void local_reader_free(struct lh_reader_at *r);

lh_status local_list(struct lh_bucket *b, struct lh_call *call, struct object_lister *l,
                     struct lh_error *err);

#endif
