/*
 * proven: which blocks of which files were found to match their checksums already.
 *
 * A file is known by device, inode, size, change time and modification time; as long as these stay,
 * a block proven once is not read again to be proven. An entry is shared by all readers of one file
 * and outlives them until the cache needs its place.
 *
 * Limits   the number of entries; the least recently used goes first, entries in use never.
 * Threads  all functions from any thread; the bits are atomic.
 */
#ifndef LH_STORE_PROVEN_H
#define LH_STORE_PROVEN_H

#include <stdatomic.h>
#include <sys/stat.h>
#include "base/status.h"
#include "store/digest.h"

struct store_proven;
struct store_proven_file;

struct store_proven *store_proven_new(size_t files_max);
void store_proven_free(struct store_proven *p); /* no entry may be in use */
LH_AUTO_DEFINE(store_proven)

struct store_proven_file *store_proven_ref(struct store_proven *p, const struct stat *st);
void store_proven_unref(struct store_proven *p, struct store_proven_file *f); /* NULL is fine */

bool store_proven_has(const struct store_proven_file *f, size_t block);
/* Does nothing while the file is so young that a further change could carry the same change time.
 */
void store_proven_add(struct store_proven_file *f, size_t block);

size_t store_proven_count(struct store_proven *p);

#endif
