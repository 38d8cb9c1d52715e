#include "services/ingestd/upload.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "services/ingestd/multipart.h"

#define CHUNK ((size_t)256 << 10)

struct receiver {
    struct upload *upload;
    uint64_t max;
    struct lh_sha256 hash;
    int fd;
    bool has_file;
};

static lh_status
bytes_keep(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct receiver *r = self;

    r->upload->size_bytes += bytes.len;
    if (r->upload->size_bytes > r->max)
        return lh_fail(err, LH_TOO_BIG, "ingest.body_too_big", "the file is larger than %llu bytes",
                       (unsigned long long)r->max);
    lh_sha256_add(&r->hash, bytes.ptr, bytes.len);
    return lh_file_write_all(r->fd, bytes, err);
}

static lh_status
part_begin(void *self, const struct multipart_part *part, struct lh_error *err)
{
    struct receiver *r = self;

    if (strcmp(part->name, "file") != 0)
        return lh_fail(err, LH_INVALID, "request.multipart",
                       "part \"%.64s\" is not known; only \"file\" is", part->name);
    if (r->has_file)
        return lh_fail(err, LH_INVALID, "request.multipart", "part \"file\" is given twice");
    r->has_file = true;
    lh_str_copy(r->upload->content_type, sizeof(r->upload->content_type),
                lh_str_of(part->content_type));
    lh_str_copy(r->upload->file_name, sizeof(r->upload->file_name), lh_str_of(part->file_name));
    return LH_OK;
}

/* Hands the body on in pieces, to the multipart machine or straight to the file. */
static lh_status
body_read(struct lh_call *call, struct lh_request *req, struct receiver *r, struct multipart *m,
          struct lh_error *err)
{
    LH_AUTO_CHARS chunk = lh_alloc(CHUNK);

    for (;;) {
        size_t got = 0;
        LH_TRY(lh_call_check(call, err));
        LH_TRY(lh_request_read(req, chunk, CHUNK, &got, err));
        if (got == 0)
            return m ? multipart_finish(m, err) : LH_OK;
        if (m)
            LH_TRY(multipart_feed(m, lh_bytes_of(chunk, got), err));
        else
            LH_TRY(bytes_keep(r, lh_bytes_of(chunk, got), err));
    }
}

static lh_status
multipart_receive(struct lh_call *call, struct lh_request *req, struct receiver *r,
                  struct lh_error *err)
{
    struct multipart_handler handler = {.begin = part_begin, .data = bytes_keep, .self = r};
    LH_AUTO_CHARS memory = lh_alloc(sizeof(struct multipart));
    struct multipart *m = (struct multipart *)(void *)memory;

    LH_TRY(multipart_init(m, lh_request_header(req, "Content-Type"), &handler, err));
    LH_TRY(body_read(call, req, r, m, err));
    if (!r->has_file)
        return lh_fail(err, LH_INVALID, "request.multipart", "there is no part \"file\"");
    return LH_OK;
}

static lh_status
body_receive(struct lh_call *call, struct lh_request *req, struct receiver *r, struct lh_error *err)
{
    lh_str type = lh_request_header(req, "Content-Type");

    if (req->body.length > 0 && (uint64_t)req->body.length > r->max + (1 << 20))
        return lh_fail(err, LH_TOO_BIG, "ingest.body_too_big",
                       "the body has %lld bytes, at most %llu are taken",
                       (long long)req->body.length, (unsigned long long)r->max);
    if (multipart_is(type))
        return multipart_receive(call, req, r, err);
    lh_str_copy(r->upload->content_type, sizeof(r->upload->content_type), type);
    lh_str_copy(r->upload->file_name, sizeof(r->upload->file_name),
                lh_request_query(req, "source"));
    return body_read(call, req, r, NULL, err);
}

lh_status
upload_receive(struct ingestd *d, struct lh_call *call, struct lh_request *req, struct upload *out,
               struct lh_error *err)
{
    LH_AUTO_FD fd = -1;
    struct receiver r = {.upload = out, .max = d->body_max};
    uint8_t digest[LH_SHA256_BYTES];
    lh_status status;

    LH_TRY(lh_store_spool_file(d->env->store, ".upload", out->path, sizeof(out->path), &fd, err));
    r.fd = fd;
    lh_sha256_init(&r.hash);
    status = body_receive(call, req, &r, err);
    lh_sha256_final(&r.hash, digest);
    lh_sha256_hex(digest, out->sha256);
    return status;
}

void
upload_fini(struct upload *u)
{
    if (u->path[0] != '\0')
        unlink(u->path);
    u->path[0] = '\0';
}
