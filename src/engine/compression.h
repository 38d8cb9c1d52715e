/*
 * compression: gzip (RFC 1952) and Zstandard (RFC 8878) files, unpacked at constant memory.
 *
 * Several members or frames one after the other are one file. A file that unpacks to more than the
 * limit, or to more than 1,000 times its size once past 64 MiB, is refused: nobody packs honest
 * tables that well, and a bomb must not fill the disk.
 *
 * Fails    TOO_BIG "ingest.unpacked_too_big"; INVALID "ingest.unreadable" for damaged or cut input.
 */
#ifndef LH_ENGINE_COMPRESSION_H
#define LH_ENGINE_COMPRESSION_H

#include "base/str.h"
#include "net/call.h"

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

enum compression compression_sniff(lh_bytes head);
const char *compression_name(enum compression c); /* "none", "gzip", "zstd" */

/* Reads fd_from from its beginning, writes fd_to. `max_bytes` bounds what is written. */
lh_status compression_unpack(enum compression c, struct lh_call *call, int fd_from, int fd_to,
                             uint64_t max_bytes, struct lh_error *err);

#endif
