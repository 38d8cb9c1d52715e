/*
 * Reading with proof. A block is proven by reading all of it and comparing its checksum; the file's
 * entry in the cache of proven blocks remembers that, so a file that is read often is proven once.
 * Bytes of a block that the caller wants whole are read straight to where he wants them and proven
 * there; of a block touched in part, a pass through a small buffer proves it first.
 */
#include "store/local.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/alloc.h"

#define PROOF_BYTES ((size_t)128 << 10)

struct local_reader {
    struct lh_reader_at base; /* first */
    struct local_file file;
    struct store_proven_file *proven; /* NULL without checksums */
};

static struct local_bucket *
bucket_of(const struct local_reader *r)
{
    return local_of(r->base.bucket);
}

static lh_status
file_open(struct local_bucket *b, lh_str key, struct local_file *out, struct lh_error *err)
{
    char path[LOCAL_PATH_MAX];
    int fd;

    local_path_encode(key, path);
    fd = local_open(b, path, O_RDONLY | O_NONBLOCK);
    return local_file_load(b, fd, errno, key, out, err);
}

lh_status
local_head(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_object_info *info,
           struct lh_error *err)
{
    LOCAL_AUTO_FILE(file);

    (void)call;
    LH_TRY(file_open(local_of(b), key, &file, err));
    *info = file.info;
    return LH_OK;
}

lh_status
local_reader_open(struct lh_bucket *base, struct lh_call *call, lh_str key,
                  struct lh_reader_at **out, struct lh_error *err)
{
    struct local_bucket *b = local_of(base);
    struct local_reader *r = LH_NEW(struct local_reader);
    lh_status status;

    (void)call;
    r->file.fd = -1;
    status = file_open(b, key, &r->file, err);
    if (status != LH_OK) {
        local_file_fini(&r->file);
        free(r);
        return status;
    }
    r->base.info = r->file.info;
    r->base.metadata = (lh_str){r->file.meta.metadata, r->file.meta.metadata_len};
    if (r->file.has_meta)
        r->proven = store_proven_ref(b->proven, &r->file.st);
    *out = &r->base;
    return LH_OK;
}

void
local_reader_free(struct lh_reader_at *base)
{
    struct local_reader *r = (struct local_reader *)base;

    store_proven_unref(bucket_of(r)->proven, r->proven);
    local_file_fini(&r->file);
    free(r);
}

static lh_status
pread_all(struct local_reader *r, uint64_t offset, void *to, size_t n, struct lh_error *err)
{
    uint8_t *at = to;

    while (n > 0) {
        ssize_t got = pread(r->file.fd, at, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return local_fail(bucket_of(r), errno, "cannot read", lh_str_of(r->base.key), err);
        if (got == 0)
            return bucket_fail_checksum(r->base.bucket, lh_str_of(r->base.key),
                                        "the file became shorter", err);
        at += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return LH_OK;
}

/* ---- blocks ---- */

static uint64_t
block_begin(const struct local_reader *r, size_t block)
{
    return (uint64_t)block << r->file.meta.block_log2;
}

static uint64_t
block_end(const struct local_reader *r, size_t block)
{
    uint64_t end = block_begin(r, block + 1);

    return end < r->file.meta.size_bytes ? end : r->file.meta.size_bytes;
}

static lh_status
block_check(struct local_reader *r, size_t block, uint32_t crc, struct lh_error *err)
{
    char what[128];

    lh_metric_add(r->base.bucket->metrics.proven_misses, 1);
    if (crc == r->file.meta.crcs[block]) {
        store_proven_add(r->proven, block);
        return LH_OK;
    }
    (void)snprintf(what, sizeof(what), "bytes %" PRIu64 " to %" PRIu64 " are not what was written",
                   block_begin(r, block), block_end(r, block) - 1);
    return bucket_fail_checksum(r->base.bucket, lh_str_of(r->base.key), what, err);
}

/* Reads the block into `to`, which has room for all of it. */
static lh_status
block_read_whole(struct local_reader *r, size_t block, uint8_t *to, struct lh_error *err)
{
    uint64_t at = block_begin(r, block), end = block_end(r, block);
    uint32_t crc = 0;

    /* In steps, so that the checksum finds the bytes still in the cache. */
    while (at < end) {
        size_t n = end - at < PROOF_BYTES ? (size_t)(end - at) : PROOF_BYTES;
        LH_TRY(pread_all(r, at, to, n, err));
        crc = lh_crc32c(crc, to, n);
        to += n;
        at += n;
    }
    return block_check(r, block, crc, err);
}

static lh_status
block_prove(struct local_reader *r, size_t block, uint8_t buffer[PROOF_BYTES], struct lh_error *err)
{
    uint64_t at = block_begin(r, block), end = block_end(r, block);
    uint32_t crc = 0;

    while (at < end) {
        size_t n = end - at < PROOF_BYTES ? (size_t)(end - at) : PROOF_BYTES;
        LH_TRY(pread_all(r, at, buffer, n, err));
        crc = lh_crc32c(crc, buffer, n);
        at += n;
    }
    return block_check(r, block, crc, err);
}

static bool
is_proven(const struct local_reader *r, size_t block)
{
    if (!store_proven_has(r->proven, block))
        return false;
    lh_metric_add(r->base.bucket->metrics.proven_hits, 1);
    return true;
}

/* The part of [offset, offset + n) that lies in the block. */
static lh_status
block_part_read(struct local_reader *r, size_t block, uint64_t from, uint64_t to_end, uint8_t *to,
                char **buffer, struct lh_error *err)
{
    bool is_whole = from == block_begin(r, block) && to_end == block_end(r, block);

    if (!is_proven(r, block)) {
        if (is_whole)
            return block_read_whole(r, block, to, err);
        if (!*buffer)
            *buffer = lh_alloc(PROOF_BYTES);
        LH_TRY(block_prove(r, block, (uint8_t *)*buffer, err));
    }
    return pread_all(r, from, to, (size_t)(to_end - from), err);
}

lh_status
local_reader_read(struct lh_reader_at *base, struct lh_call *call, uint64_t offset, void *to,
                  size_t n, struct lh_error *err)
{
    struct local_reader *r = (struct local_reader *)base;
    LH_AUTO_CHARS buffer = NULL;
    uint64_t end = offset + n;
    uint8_t *at = to;

    if (!r->file.has_meta)
        return pread_all(r, offset, to, n, err);
    while (offset < end) {
        size_t block = (size_t)(offset >> r->file.meta.block_log2);
        uint64_t part_end = block_end(r, block) < end ? block_end(r, block) : end;
        LH_TRY(lh_call_check(call, err));
        LH_TRY(block_part_read(r, block, offset, part_end, at, &buffer, err));
        at += part_end - offset;
        offset = part_end;
    }
    return LH_OK;
}

static lh_status
range_prove(struct local_reader *r, struct lh_call *call, uint64_t offset, uint64_t length,
            struct lh_error *err)
{
    LH_AUTO_CHARS buffer = NULL;
    size_t last;

    if (length == 0)
        return LH_OK;
    last = (size_t)((offset + length - 1) >> r->file.meta.block_log2);
    for (size_t block = (size_t)(offset >> r->file.meta.block_log2); block <= last; block++) {
        if (is_proven(r, block))
            continue;
        if (!buffer)
            buffer = lh_alloc(PROOF_BYTES);
        LH_TRY(lh_call_check(call, err));
        LH_TRY(block_prove(r, block, (uint8_t *)buffer, err));
    }
    return LH_OK;
}

lh_status
local_reader_file(struct lh_reader_at *base, struct lh_call *call, uint64_t offset, uint64_t length,
                  int *fd, struct lh_error *err)
{
    struct local_reader *r = (struct local_reader *)base;
    int copy;

    if (r->file.has_meta)
        LH_TRY(range_prove(r, call, offset, length, err));
    copy = fcntl(r->file.fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return local_fail(bucket_of(r), errno, "cannot open again", lh_str_of(base->key), err);
    *fd = copy;
    return LH_OK;
}

bool
local_reader_is_proven(const struct lh_reader_at *base, uint64_t offset, uint64_t length)
{
    const struct local_reader *r = (const struct local_reader *)base;
    bool is_all = true;

    if (!r->file.has_meta || length == 0)
        return true;
    for (size_t block = (size_t)(offset >> r->file.meta.block_log2);
         is_all && block_begin(r, block) < offset + length; block++)
        is_all = store_proven_has(r->proven, block);
    return is_all;
}
