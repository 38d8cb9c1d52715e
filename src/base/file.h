/*
 * file: whole-file helpers over POSIX, each with an error that names the path.
 *
 * Fails    by errno: NOT_FOUND, DENIED, NO_SPACE, IO; TOO_BIG past a given limit.
 */
#ifndef LH_BASE_FILE_H
#define LH_BASE_FILE_H

#include <sys/types.h>
#include "base/buf.h"

lh_status
lh_file_read(const char *path, size_t max_bytes, struct lh_buf *out, struct lh_error *err);
/* Writes aside, fsyncs, renames over, fsyncs the folder. */
lh_status lh_file_write_atomic(const char *path, lh_bytes in, mode_t mode, struct lh_error *err);
lh_status lh_file_write_all(int fd, lh_bytes in, struct lh_error *err);
/* Reads exactly n bytes at `offset`, or CORRUPT "file.short" when the file ends before. */
lh_status lh_file_pread_all(int fd, void *to, size_t n, uint64_t offset, struct lh_error *err);
lh_status lh_dir_make(const char *path, mode_t mode, struct lh_error *err); /* and its parents */
lh_status lh_dir_sync(const char *path, struct lh_error *err);
lh_status
lh_dir_remove_tree(const char *path, struct lh_error *err); /* absent is OK; never follows links */

#endif
