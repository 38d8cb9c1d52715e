/*
 * block_folder: the files of block_disk as a whole: how many bytes they are, and which go.
 *
 * Threads  may run beside writers, readers, and other processes that trim or delete the same
 * folder.
 */
#ifndef LH_STORE_BLOCK_FOLDER_H
#define LH_STORE_BLOCK_FOLDER_H

#include <stddef.h>
#include <stdint.h>

/* Names of files that are being written; those of a crash are removed an hour later. */
#define BLOCK_FOLDER_ASIDE "aside-"

/* What a file of that size takes, in whole 4 KiB. */
uint64_t block_folder_cost(uint64_t size_bytes);

/* Counts; when the files are more than seven eighths of `bytes_max`, or too many, removes down to
 * three quarters in the order of block_disk.h. Returns the bytes that are left. */
uint64_t block_folder_trim(const char *folder, uint64_t bytes_max, size_t *removed);

#endif
