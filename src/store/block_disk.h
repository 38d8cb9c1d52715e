/*
 * block_disk: blocks of remote objects in a folder, within a limit.
 *
 * One file a block, `<two digits>/<object>-<number>`, written aside and renamed, never changed in
 * place and never synced: whatever a crash, a disk or a person leaves there is found out by the
 * checksums of head and pages, counted, removed and treated as absent. Nothing is kept open and
 * nothing is remembered about a file, so the folder may be emptied or deleted at any moment, and
 * processes that share a data folder share it: a block that one fetched the other finds.
 *
 * Order    the modification time says when a block was last used again, and is 0 until then. What
 *          was never used again goes first, oldest first, while that is more than a fifth of the
 *          limit; then what was used longest ago. So a pass over a large object does not push out
 *          what is used (block_memory.h).
 * Limits   bytes as the file system counts them, and one file for each 32 KiB of them. At seven
 *          eighths the folder is trimmed to three quarters; at the limit nothing is written until
 *          that is done. Each process counts what it writes itself and counts the folder when it
 *          trims, so several may pass the limit together by an eighth for each until the first
 *          trims. A twentieth of the disk always stays free.
 * Threads  all functions from any thread.
 * Format   docs/formats/block-file.md
 */
#ifndef LH_STORE_BLOCK_DISK_H
#define LH_STORE_BLOCK_DISK_H

#include "base/status.h"
#include "store/block.h"

struct block_disk;

/* `folder` is made when the first block is written. `bytes_max` 0 keeps nothing. */
struct block_disk *block_disk_new(const char *folder, uint64_t bytes_max);
void block_disk_free(struct block_disk *d); /* the files stay */
LH_AUTO_DEFINE(block_disk)

/* All the pages that are there, proven; NULL when there is no good block. */
struct block *block_disk_load(struct block_disk *d, const struct block_id *id);
/* Best effort: what cannot be written is counted. Replaces the block that is there. */
void block_disk_store(struct block_disk *d, const struct block *b);

/* Whether it is time for block_disk_trim, which reads the whole folder; true for one caller. */
bool block_disk_wants_trim(struct block_disk *d);
void block_disk_trim(struct block_disk *d);

#endif
