/*
 * A put and what became of it. The request is sent once; when its answer is lost, or when the store
 * says that a condition is not met (which may be the work of our own first copy, arrived twice),
 * the object is asked for whose it is: every put has an id of its own.
 *
 *     our id                         the put was done
 *     absent, or as it was before    it was not done: it is sent again, with the same id
 *     another's, put if absent       the other one was first: CONFLICT
 *     another's, put on an ETag      it cannot be told whether ours came before: unknown
 *     another's, no condition        it is sent again; the last one stays
 */
#include "store/s3_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/time.h"
#include "store/s3_xml.h"

#define TYPE_DEFAULT "application/octet-stream"

void
s3_put_init(struct s3_put *p, struct s3_bucket *b, struct lh_call *call, lh_str key,
            const struct lh_put_options *o)
{
    *p = (struct s3_put){
        .bucket = b,
        .call = call,
        .key = key,
        .if_absent = o->if_absent,
        .if_match = o->if_match && *o->if_match ? o->if_match : NULL,
        .content_type = o->content_type && *o->content_type ? o->content_type : TYPE_DEFAULT,
    };
    (void)lh_uuid_format(lh_uuid_v7(), p->id);
}

bool
s3_put_is_conditional(const struct s3_put *p)
{
    return p->if_absent || p->if_match;
}

void
s3_put_fields(const struct s3_put *p, struct s3_request *r)
{
    s3_request_field(r, "content-type", lh_str_of(p->content_type));
    s3_request_field(r, S3_FIELD_PUT, lh_str_of(p->id));
    if (p->sha256[0])
        s3_request_field(r, S3_FIELD_SHA256, lh_str_of(p->sha256));
}

void
s3_put_conditions(const struct s3_put *p, struct s3_request *r, char value[LH_ETAG_MAX + 3])
{
    bool is_bare =
        atomic_load(&p->bucket->wants_bare_etags) || (p->if_match && strcmp(p->if_match, "*") == 0);

    if (p->if_absent)
        s3_request_field(r, "if-none-match", LH_STR("*"));
    if (!p->if_match)
        return;
    (void)snprintf(value, LH_ETAG_MAX + 3, is_bare ? "%.*s" : "\"%.*s\"", LH_ETAG_MAX, p->if_match);
    s3_request_field(r, "if-match", lh_str_of(value));
}

/* ---- what became of it ---- */

struct found {
    bool is_there, is_ours;
    struct lh_object_info info;
};

static lh_status
look(const struct s3_put *p, struct found *f, struct lh_error *err)
{
    char id[LH_UUID_TEXT];
    lh_status status = s3_look(p->bucket, p->call, p->key, &f->info, id, err);

    *f = (struct found){.info = f->info, .is_there = status == LH_OK};
    f->is_ours = f->is_there && strcmp(id, p->id) == 0;
    return status == LH_NOT_FOUND ? LH_OK : status;
}

static lh_status
fail_unknown(const struct s3_put *p, const struct lh_error *why, struct lh_error *err)
{
    (void)lh_fail(err, LH_UNAVAILABLE, "store.outcome_unknown",
                  "whether object '%.*s' was put into bucket '%s' cannot be told: %.200s",
                  LH_FMT(lh_str_fit(p->key, 200)), p->bucket->base.name, why->text);
    bucket_error_subject(&p->bucket->base, p->key, err);
    return LH_UNAVAILABLE;
}

enum next { NEXT_DONE, NEXT_AGAIN, NEXT_CONFLICT, NEXT_UNKNOWN };

/* `was_refused`: the last answer said that the condition is not met. `was_lost`: an earlier or the
 * last answer was lost. */
static enum next
next_of(const struct s3_put *p, const struct found *f, bool was_refused, bool was_lost)
{
    bool is_met = p->if_match && f->is_there && bucket_etag_meets(p->if_match, f->info.etag);

    if (f->is_ours)
        return NEXT_DONE;
    if (p->if_absent)
        return f->is_there || was_refused ? NEXT_CONFLICT : NEXT_AGAIN;
    if (!p->if_match || (is_met && !was_refused))
        return NEXT_AGAIN;
    /* The condition is met and was refused: the store reads it without quotes. */
    if (is_met && strcmp(p->if_match, "*") != 0 &&
        !atomic_exchange(&p->bucket->wants_bare_etags, true))
        return NEXT_AGAIN;
    return was_lost ? NEXT_UNKNOWN : NEXT_CONFLICT;
}

static void
info_of_found(const struct s3_put *p, const struct found *f, struct lh_object_info *info)
{
    *info = f->info;
    memcpy(info->sha256, p->sha256, sizeof(info->sha256));
}

static lh_status
etag_take(void *self, const char *path, lh_str text, struct lh_error *err)
{
    (void)err;
    if (strcmp(path, "CompleteMultipartUploadResult/ETag") == 0)
        (void)lh_str_copy(self, LH_ETAG_MAX + 2, lh_str_trim(text));
    return LH_OK;
}

/* Completing takes long, so its success is announced before it is one: what counts is the body. */
static lh_status
complete_check(const struct s3_put *p, struct s3_answer *a, struct lh_error *err)
{
    lh_str body = lh_buf_str(&a->http.body);
    char etag[LH_ETAG_MAX + 2] = "";

    if (s3_xml_walk(body, etag_take, etag, NULL) == LH_OK && etag[0])
        return LH_OK;
    a->is_unknown = true;
    return s3_error_read(&p->bucket->base, p->key, 500, body, &a->failure, err);
}

/* The answer to a put has the ETag and the time only. */
static lh_status
info_of_answer(const struct s3_put *p, const struct s3_answer *a, uint64_t size_bytes,
               struct lh_object_info *info, struct lh_error *err)
{
    lh_str etag = lh_str_trim(s3_answer_field(a, "ETag"));
    char told[LH_ETAG_MAX + 2] = "";

    if (etag.len == 0 && s3_xml_walk(lh_buf_str(&a->http.body), etag_take, told, NULL) == LH_OK)
        etag = lh_str_of(told);
    *info = (struct lh_object_info){.size_bytes = size_bytes};
    if (etag.len >= 2 && etag.ptr[0] == '"')
        etag = lh_str_slice(etag, 1, etag.len - 1);
    if (etag.len == 0 || !lh_str_copy(info->etag, sizeof(info->etag), etag))
        return lh_fail(err, LH_CORRUPT, "s3.answer", "bucket '%s': a put was answered without ETag",
                       p->bucket->base.name);
    (void)lh_str_copy(info->md5_etag, sizeof(info->md5_etag), etag);
    (void)lh_str_copy(info->content_type, sizeof(info->content_type), lh_str_of(p->content_type));
    memcpy(info->sha256, p->sha256, sizeof(info->sha256));
    if (!lh_time_parse_http(s3_answer_field(a, "Date"), &info->modified_us))
        info->modified_us = lh_time_now_us();
    return LH_OK;
}

struct settling {
    struct s3_put *put;
    struct s3_request *request;
    uint64_t size_bytes;
    struct lh_object_info *info;
    unsigned attempts;
    bool was_lost, is_settled;
    struct lh_error why; /* of the last answer */
};

static lh_status
settle_failed(struct settling *s, bool is_unknown, struct lh_error *err)
{
    struct s3_put *p = s->put;
    bool is_complete = s->request->op == S3_COMPLETE;
    bool is_gone = s->why.status == LH_NOT_FOUND; /* the upload, or what should match */
    bool was_refused = s->why.status == LH_CONFLICT || (is_gone && p->if_match && !is_complete);
    struct found f;

    if (!is_unknown && !was_refused && !(is_gone && is_complete)) {
        s->is_settled = true;
        if (err)
            lh_error_copy(err, &s->why);
        return s->why.status;
    }
    lh_metric_add(p->bucket->client.metrics.read_backs, 1);
    s->was_lost |= is_unknown;
    if (look(p, &f, NULL) != LH_OK) {
        s->is_settled = true;
        return fail_unknown(p, &s->why, err);
    }
    switch (next_of(p, &f, was_refused, s->was_lost)) {
    case NEXT_DONE:
        s->is_settled = true;
        info_of_found(p, &f, s->info);
        return LH_OK;
    case NEXT_CONFLICT:
        s->is_settled = true;
        return bucket_fail_precondition(&p->bucket->base, p->key, p->if_match,
                                        f.is_there ? f.info.etag : NULL, err);
    case NEXT_UNKNOWN:
        s->is_settled = true;
        return fail_unknown(p, &s->why, err);
    case NEXT_AGAIN:
        break;
    }
    s->is_settled = !s3_may_repeat(&p->bucket->client, p->call, ++s->attempts, 0);
    if (s->is_settled && err)
        lh_error_copy(err, &s->why);
    return s->is_settled ? s->why.status : LH_OK;
}

/* One sending, with the condition as the store is known to read it. */
static lh_status
settle_step(struct settling *s, struct lh_error *err)
{
    struct s3_request r = *s->request;
    char value[LH_ETAG_MAX + 3];
    struct s3_answer a;
    bool is_unknown;
    lh_status status;

    lh_error_clear(&s->why);
    s3_put_conditions(s->put, &r, value);
    status = s3_send(&s->put->bucket->client, s->put->call, &r, &a, &s->why);
    if (status == LH_OK && r.op == S3_COMPLETE)
        status = complete_check(s->put, &a, &s->why);
    if (status == LH_OK) {
        s->is_settled = true;
        status = info_of_answer(s->put, &a, s->size_bytes, s->info, err);
        s3_answer_fini(&a);
        return status;
    }
    is_unknown = a.is_unknown;
    s->put->was_refused = a.http.status == 412;
    s3_answer_fini(&a);
    return settle_failed(s, is_unknown, err);
}

lh_status
s3_put_settle(struct s3_put *p, struct s3_request *r, uint64_t size_bytes,
              struct lh_object_info *info, struct lh_error *err)
{
    struct lh_object_info unused = {0};
    struct settling s = {.put = p,
                         .request = r,
                         .size_bytes = size_bytes,
                         .info = info ? info : &unused,
                         .attempts = 1};
    lh_status status = LH_OK;

    r->is_sent_once = true;
    while (status == LH_OK && !s.is_settled)
        status = settle_step(&s, err);
    lh_error_clear(&s.why);
    return status;
}

/* ---- one request ---- */

#define HASH_BYTES ((size_t)256 << 10)

static lh_status
piece_read(const struct s3_file_part *file, uint64_t at, void *to, size_t *got,
           struct lh_error *err)
{
    uint64_t left = file->length - at;
    ssize_t n;

    do
        n = pread(file->fd, to, left < HASH_BYTES ? (size_t)left : HASH_BYTES,
                  (off_t)(file->offset + at));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return lh_fail_errno(err, errno, "cannot read the file that is put");
    if (n == 0)
        return lh_fail(err, LH_INVALID, "store.file_changed",
                       "the file was cut while it was being put");
    *got = (size_t)n;
    return LH_OK;
}

static lh_status
pieces_hash(const struct s3_file_part *file, struct lh_call *call, struct lh_sha256 *h, void *room,
            struct lh_error *err)
{
    for (uint64_t at = 0; at < file->length;) {
        size_t got = 0;

        LH_TRY(lh_call_check(call, err));
        LH_TRY(piece_read(file, at, room, &got, err));
        lh_sha256_add(h, room, got);
        at += got;
    }
    return LH_OK;
}

lh_status
s3_file_hash(const struct s3_file_part *file, struct lh_call *call, char sha256[LH_SHA256_HEX],
             struct lh_error *err)
{
    uint8_t digest[LH_SHA256_BYTES];
    struct lh_sha256 h;
    void *room = lh_alloc(HASH_BYTES);
    lh_status status;

    lh_sha256_init(&h);
    status = pieces_hash(file, call, &h, room, err);
    free(room);
    if (status != LH_OK) {
        lh_sha256_fini(&h);
        return status;
    }
    lh_sha256_final(&h, digest);
    (void)lh_sha256_hex(digest, sha256);
    return LH_OK;
}

lh_status
s3_put_bytes(struct s3_put *p, lh_bytes bytes, struct lh_object_info *info, struct lh_error *err)
{
    struct s3_request r = {
        .op = S3_PUT, .method = LH_PUT, .key = p->key, .body = bytes, .payload_sha256 = p->sha256};
    uint8_t digest[LH_SHA256_BYTES];

    if (!p->sha256[0]) {
        lh_sha256_of(bytes, digest);
        (void)lh_sha256_hex(digest, p->sha256);
    }
    s3_put_fields(p, &r);
    return s3_put_settle(p, &r, bytes.len, info, err);
}

lh_status
s3_put_file_part(struct s3_put *p, const struct s3_file_part *file, struct lh_object_info *info,
                 struct lh_error *err)
{
    struct s3_request r = {.op = S3_PUT,
                           .method = LH_PUT,
                           .key = p->key,
                           .file = file->length > 0 ? file : NULL,
                           .payload_sha256 = p->sha256};

    s3_put_fields(p, &r);
    return s3_put_settle(p, &r, file->length, info, err);
}
