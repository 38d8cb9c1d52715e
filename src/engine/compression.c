#include "engine/compression.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/file.h"

#define CHUNK ((size_t)256 << 10)
#define RATIO_MAX 1000
#define RATIO_FROM ((uint64_t)64 << 20)

struct unpacker {
    struct lh_call *call;
    int from, to;
    uint64_t max_bytes, in_bytes, out_bytes;
    unsigned char *in, *out;
};

enum compression
compression_sniff(lh_bytes head)
{
    if (head.len >= 3 && head.ptr[0] == 0x1F && head.ptr[1] == 0x8B && head.ptr[2] == 8)
        return COMPRESSION_GZIP;
    if (head.len >= 4 && memcmp(head.ptr, "\x28\xB5\x2F\xFD", 4) == 0)
        return COMPRESSION_ZSTD;
    return COMPRESSION_NONE;
}

const char *
compression_name(enum compression c)
{
    static const char *const names[] = {"none", "gzip", "zstd"};

    return names[c];
}

static lh_status
chunk_read(struct unpacker *u, size_t *got, struct lh_error *err)
{
    ssize_t n;

    LH_TRY(lh_call_check(u->call, err));
    do
        n = read(u->from, u->in, CHUNK);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return lh_fail_errno(err, errno, "reading the packed file");
    u->in_bytes += (uint64_t)n;
    *got = (size_t)n;
    return LH_OK;
}

static lh_status
chunk_write(struct unpacker *u, size_t n, struct lh_error *err)
{
    u->out_bytes += n;
    if (u->out_bytes > u->max_bytes ||
        (u->out_bytes > RATIO_FROM && u->out_bytes / RATIO_MAX > u->in_bytes))
        return lh_fail(
            err, LH_TOO_BIG, "ingest.unpacked_too_big",
            "the packed file is larger than %llu bytes, or than %d times its packed size",
            (unsigned long long)u->max_bytes, RATIO_MAX);
    return lh_file_write_all(u->to, lh_bytes_of(u->out, n), err);
}

static lh_status
damaged(const struct unpacker *u, const char *what, const char *why, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "ingest.unreadable",
                   "the %s file is damaged or cut after %llu unpacked bytes: %s", what,
                   (unsigned long long)u->out_bytes, why ? why : "it ends too early");
}

/* Everything in u->in; *is_between says that a member has just ended. */
static lh_status
gzip_chunk(struct unpacker *u, z_stream *z, size_t got, bool *is_between, struct lh_error *err)
{
    z->next_in = u->in;
    z->avail_in = (uInt)got;
    do {
        int state;
        if (*is_between && z->avail_in > 0 && inflateReset(z) == Z_OK)
            *is_between = false;
        z->next_out = u->out;
        z->avail_out = (uInt)CHUNK;
        state = inflate(z, Z_NO_FLUSH);
        if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
            return damaged(u, "gzip", z->msg, err);
        LH_TRY(chunk_write(u, CHUNK - z->avail_out, err));
        *is_between = state == Z_STREAM_END;
    } while (z->avail_in > 0 || z->avail_out == 0);
    return LH_OK;
}

static lh_status
gzip_unpack(struct unpacker *u, z_stream *z, struct lh_error *err)
{
    bool is_between = false;
    size_t got = 0;

    for (;;) {
        LH_TRY(chunk_read(u, &got, err));
        if (got == 0)
            return is_between ? LH_OK : damaged(u, "gzip", NULL, err);
        LH_TRY(gzip_chunk(u, z, got, &is_between, err));
    }
}

static lh_status
zstd_unpack(struct unpacker *u, ZSTD_DStream *z, struct lh_error *err)
{
    size_t got = 0, left = 1;

    for (;;) {
        ZSTD_inBuffer in;
        LH_TRY(chunk_read(u, &got, err));
        if (got == 0)
            return left == 0 ? LH_OK : damaged(u, "zstd", NULL, err);
        in = (ZSTD_inBuffer){.src = u->in, .size = got};
        while (in.pos < in.size) {
            ZSTD_outBuffer out = {.dst = u->out, .size = CHUNK};
            left = ZSTD_decompressStream(z, &out, &in);
            if (ZSTD_isError(left))
                return damaged(u, "zstd", ZSTD_getErrorName(left), err);
            LH_TRY(chunk_write(u, out.pos, err));
        }
        /* What the window still holds. */
        for (bool is_full = true; is_full && left > 0;) {
            ZSTD_outBuffer out = {.dst = u->out, .size = CHUNK};
            left = ZSTD_decompressStream(z, &out, &in);
            if (ZSTD_isError(left))
                return damaged(u, "zstd", ZSTD_getErrorName(left), err);
            LH_TRY(chunk_write(u, out.pos, err));
            is_full = out.pos == out.size;
        }
    }
}

static lh_status
unpack(struct unpacker *u, enum compression c, struct lh_error *err)
{
    lh_status status;

    if (c == COMPRESSION_GZIP) {
        z_stream z = {0};
        if (inflateInit2(&z, 15 + 16) != Z_OK)
            return lh_fail(err, LH_BUG, "ingest.zlib", "zlib refused to start");
        status = gzip_unpack(u, &z, err);
        inflateEnd(&z);
    } else {
        ZSTD_DStream *z = ZSTD_createDStream();
        ZSTD_initDStream(z);
        status = zstd_unpack(u, z, err);
        ZSTD_freeDStream(z);
    }
    return status;
}

lh_status
compression_unpack(enum compression c, struct lh_call *call, int fd_from, int fd_to,
                   uint64_t max_bytes, struct lh_error *err)
{
    struct unpacker u = {.call = call, .from = fd_from, .to = fd_to, .max_bytes = max_bytes};
    lh_status status;

    if (lseek(fd_from, 0, SEEK_SET) < 0)
        return lh_fail_errno(err, errno, "reading the packed file");
    u.in = lh_alloc(CHUNK);
    u.out = lh_alloc(CHUNK);
    status = unpack(&u, c, err);
    free(u.in);
    free(u.out);
    return status;
}
