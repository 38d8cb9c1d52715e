/*
 * An upload in parts. Parts go out on threads of their own as long as there may be more of them,
 * for this upload and for all together, and on the caller's thread otherwise, so that an upload
 * always gets on. The first part that fails ends the others; what was not completed is aborted, on
 * a call of its own, since the caller's may be over.
 */
#include "store/s3_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/encoding.h"
#include "base/thread.h"
#include "base/time.h"
#include "store/s3_xml.h"

#define ABORT_MS 10000
#define UPLOAD_ID_MAX 1024
#define SLOTS_MAX 64

struct part {
    struct s3_multipart *m;
    unsigned number;
    uint8_t *bytes; /* owned, or NULL */
    size_t n;
    struct s3_file_part file;
};

struct slot {
    pthread_t thread;
    bool is_used, is_done;
    struct part part;
};

struct s3_multipart {
    struct s3_put put;   /* strings copied below */
    struct lh_call call; /* a part of the caller's: canceled when a part fails */
    char key[LH_KEY_MAX + 1], content_type[LH_CONTENT_TYPE_MAX], if_match[LH_ETAG_MAX + 1];
    char upload_id[UPLOAD_ID_MAX]; /* encoded for a query */
    bool is_over;
    unsigned part_count;
    char (*etags)[LH_ETAG_MAX];
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t done;
        struct slot slots[SLOTS_MAX];
        struct lh_error err; /* the first failure */
    } lock;
};

uint64_t
s3_part_bytes(uint64_t part_bytes, unsigned number)
{
    return part_bytes << ((number - 1) / 1000);
}

/* ---- beginning ---- */

static lh_status
upload_id_take(void *self, const char *path, lh_str text, struct lh_error *err)
{
    struct s3_multipart *m = self;
    LH_AUTO_BUF(encoded, UPLOAD_ID_MAX - 1);

    if (strcmp(path, "InitiateMultipartUploadResult/UploadId") != 0)
        return LH_OK;
    lh_percent_encode(&encoded, lh_str_trim(text), false);
    LH_TRY(lh_buf_check(&encoded, "the id of the upload", err));
    (void)lh_str_copy(m->upload_id, sizeof(m->upload_id), lh_buf_str(&encoded));
    return LH_OK;
}

static lh_status
create(struct s3_multipart *m, struct lh_error *err)
{
    struct s3_request r = {
        .op = S3_CREATE, .method = LH_POST, .key = m->put.key, .query = "uploads="};
    struct s3_answer a;
    lh_status status;

    s3_put_fields(&m->put, &r);
    status = s3_send(&m->put.bucket->client, &m->call, &r, &a, err);
    if (status == LH_OK)
        status = s3_xml_walk(lh_buf_str(&a.http.body), upload_id_take, m, err);
    s3_answer_fini(&a);
    if (status == LH_OK && !m->upload_id[0])
        return lh_fail(err, LH_CORRUPT, "s3.answer", "bucket '%s': an upload without an id",
                       m->put.bucket->base.name);
    return status;
}

static void
put_keep(struct s3_multipart *m, const struct s3_put *p)
{
    (void)lh_str_copy(m->key, sizeof(m->key), p->key);
    (void)lh_str_copy(m->content_type, sizeof(m->content_type), lh_str_of(p->content_type));
    (void)lh_str_copy(m->if_match, sizeof(m->if_match), lh_str_of(p->if_match));
    m->put = *p;
    m->put.key = lh_str_of(m->key);
    m->put.content_type = m->content_type;
    m->put.if_match = p->if_match ? m->if_match : NULL;
    m->put.call = &m->call;
}

lh_status
s3_multipart_begin(const struct s3_put *p, struct s3_multipart **out, struct lh_error *err)
{
    LH_AUTO(s3_multipart) *m = LH_NEW(struct s3_multipart);

    lh_call_init_part(&m->call, p->call, INT64_MAX);
    pthread_mutex_init(&m->lock.mutex, NULL);
    lh_cond_init(&m->lock.done);
    put_keep(m, p);
    s3_sweep_abandoned(p->bucket, &m->call);
    LH_TRY(create(m, err));
    *out = lh_take(m);
    return LH_OK;
}

/* ---- parts ---- */

static lh_status
part_hash(const struct part *part, char hex[LH_SHA256_HEX], struct lh_error *err)
{
    uint8_t digest[LH_SHA256_BYTES];

    if (part->bytes) {
        lh_sha256_of(lh_bytes_of(part->bytes, part->n), digest);
        (void)lh_sha256_hex(digest, hex);
        return LH_OK;
    }
    return s3_file_hash(&part->file, &part->m->call, hex, err);
}

static lh_status
etag_keep(struct s3_multipart *m, unsigned number, lh_str etag, struct lh_error *err)
{
    LH_AUTO_LOCK(&m->lock.mutex);

    if (etag.len == 0 || !lh_str_copy(m->etags[number - 1], LH_ETAG_MAX, lh_str_trim(etag)))
        return lh_fail(err, LH_CORRUPT, "s3.answer", "a part was answered without ETag");
    return LH_OK;
}

static lh_status
part_send(const struct part *part, struct lh_error *err)
{
    struct s3_multipart *m = part->m;
    char query[UPLOAD_ID_MAX + 64], hash[LH_SHA256_HEX];
    struct s3_request r = {.op = S3_PART,
                           .method = LH_PUT,
                           .key = m->put.key,
                           .query = query,
                           .body = lh_bytes_of(part->bytes, part->n),
                           .file = part->bytes ? NULL : &part->file,
                           .payload_sha256 = hash};
    struct s3_answer a;
    lh_status status;

    (void)snprintf(query, sizeof(query), "partNumber=%u&uploadId=%s", part->number, m->upload_id);
    LH_TRY(part_hash(part, hash, err));
    s3_request_field(&r, "content-type", LH_STR("application/octet-stream"));
    status = s3_send(&m->put.bucket->client, &m->call, &r, &a, err);
    if (status == LH_OK)
        status = etag_keep(m, part->number, s3_answer_field(&a, "ETag"), err);
    s3_answer_fini(&a);
    return status;
}

/* Sends it and gives its bytes back; a failure is kept and ends the other parts. */
static void
part_do(struct part *part)
{
    struct s3_multipart *m = part->m;
    LH_AUTO_ERROR(err);
    lh_status status = part_send(part, &err);

    free(part->bytes);
    part->bytes = NULL;
    if (status == LH_OK)
        return;
    pthread_mutex_lock(&m->lock.mutex);
    if (m->lock.err.status == LH_OK)
        lh_error_copy(&m->lock.err, &err);
    pthread_mutex_unlock(&m->lock.mutex);
    lh_call_cancel(&m->call);
}

static void *
slot_run(void *arg)
{
    struct slot *slot = arg;
    struct s3_multipart *m = slot->part.m;

    part_do(&slot->part);
    pthread_mutex_lock(&m->lock.mutex);
    slot->is_done = true;
    pthread_cond_signal(&m->lock.done);
    pthread_mutex_unlock(&m->lock.mutex);
    return NULL;
}

static void
slot_end(struct s3_multipart *m, struct slot *slot)
{
    struct s3_shared *shared = m->put.bucket->client.shared;

    lh_thread_join(slot->thread);
    slot->is_used = slot->is_done = false;
    atomic_fetch_sub(&shared->parts_running, 1);
    lh_metric_add(shared->parts, -1);
}

/* A free slot; waits for one while all are in use. Threads that are done are ended on the way. */
static struct slot *
slot_find(struct s3_multipart *m, unsigned limit)
{
    struct slot *found = NULL;

    pthread_mutex_lock(&m->lock.mutex);
    while (!found) {
        for (unsigned i = 0; i < limit; i++) {
            struct slot *slot = &m->lock.slots[i];
            if (slot->is_used && slot->is_done) {
                pthread_mutex_unlock(&m->lock.mutex);
                slot_end(m, slot);
                pthread_mutex_lock(&m->lock.mutex);
            }
            if (!slot->is_used && !found)
                found = slot;
        }
        if (!found)
            pthread_cond_wait(&m->lock.done, &m->lock.mutex);
    }
    pthread_mutex_unlock(&m->lock.mutex);
    return found;
}

/* Room for one more thread among those of all uploads. */
static bool
place_take(struct s3_shared *shared)
{
    unsigned running = atomic_load(&shared->parts_running);

    while (running < shared->settings.parts_max) {
        if (atomic_compare_exchange_weak(&shared->parts_running, &running, running + 1)) {
            lh_metric_add(shared->parts, 1);
            return true;
        }
    }
    return false;
}

/* False when the part is to be sent here. */
static bool
part_hand_over(struct s3_multipart *m, const struct part *part)
{
    struct s3_shared *shared = m->put.bucket->client.shared;
    struct slot *slot = slot_find(m, shared->settings.parts_per_upload);

    if (!place_take(shared))
        return false;
    slot->part = *part;
    slot->is_used = true;
    if (lh_thread_start(&slot->thread, "s3-part", slot_run, slot, NULL) == LH_OK)
        return true;
    slot->is_used = false;
    atomic_fetch_sub(&shared->parts_running, 1);
    lh_metric_add(shared->parts, -1);
    return false;
}

static lh_status
failure_check(struct s3_multipart *m, struct lh_error *err)
{
    LH_AUTO_LOCK(&m->lock.mutex);

    if (m->lock.err.status != LH_OK && err)
        lh_error_copy(err, &m->lock.err);
    return m->lock.err.status;
}

static void
etags_grow(struct s3_multipart *m)
{
    LH_AUTO_LOCK(&m->lock.mutex);

    if (m->part_count % 64 == 0)
        m->etags = lh_realloc_array(m->etags, m->part_count + 64, sizeof(m->etags[0]));
    m->etags[m->part_count][0] = '\0';
    m->part_count++;
}

lh_status
s3_multipart_add(struct s3_multipart *m, uint8_t *bytes, size_t n, const struct s3_file_part *file,
                 struct lh_error *err)
{
    struct part part = {.m = m, .bytes = bytes, .n = n};
    lh_status status = failure_check(m, err);

    if (status == LH_OK && m->part_count == S3_PARTS_MAX)
        status = lh_fail(err, LH_TOO_BIG, "store.object_too_big",
                         "the object has more than %d parts", S3_PARTS_MAX);
    if (status != LH_OK) {
        free(bytes);
        return status;
    }
    etags_grow(m);
    part.number = m->part_count;
    if (file)
        part.file = *file;
    if (!part_hand_over(m, &part))
        part_do(&part);
    return failure_check(m, err);
}

unsigned
s3_multipart_count(const struct s3_multipart *m)
{
    return m->part_count;
}

static void
parts_join(struct s3_multipart *m)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        if (m->lock.slots[i].is_used)
            slot_end(m, &m->lock.slots[i]);
    }
}

/* ---- the end ---- */

static lh_status
complete_body(const struct s3_multipart *m, struct lh_buf *out, struct lh_error *err)
{
    lh_buf_add_cstr(out, "<CompleteMultipartUpload "
                         "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (unsigned i = 0; i < m->part_count; i++) {
        lh_buf_printf(out, "<Part><PartNumber>%u</PartNumber><ETag>", i + 1);
        s3_xml_escape(out, lh_str_of(m->etags[i]));
        lh_buf_add_cstr(out, "</ETag></Part>");
    }
    lh_buf_add_cstr(out, "</CompleteMultipartUpload>");
    return lh_buf_check(out, "the list of parts", err);
}

static lh_status
complete(struct s3_multipart *m, uint64_t size_bytes, struct lh_object_info *info,
         struct lh_error *err)
{
    char query[UPLOAD_ID_MAX + 16];
    LH_AUTO_BUF(body, (size_t)4 << 20);
    struct s3_request r = {.op = S3_COMPLETE, .method = LH_POST, .key = m->put.key, .query = query};

    LH_TRY(complete_body(m, &body, err));
    (void)snprintf(query, sizeof(query), "uploadId=%s", m->upload_id);
    r.body = lh_buf_bytes(&body);
    s3_request_field(&r, "content-type", LH_STR("application/xml"));
    return s3_put_settle(&m->put, &r, size_bytes, info, err);
}

lh_status
s3_multipart_complete(struct s3_multipart *m, uint64_t size_bytes, struct lh_object_info *info,
                      struct lh_error *err)
{
    lh_status status;

    parts_join(m);
    LH_TRY(failure_check(m, err));
    status = complete(m, size_bytes, info, err);
    m->is_over = status == LH_OK;
    return status;
}

bool
s3_multipart_was_refused(const struct s3_multipart *m)
{
    return m->put.was_refused;
}

static void
upload_abort(struct s3_bucket *b, lh_str key, const char *upload_id)
{
    char query[UPLOAD_ID_MAX + 16];
    struct s3_request r = {.op = S3_ABORT, .method = LH_DELETE, .key = key, .query = query};
    struct lh_call call;
    struct s3_answer a;

    (void)snprintf(query, sizeof(query), "uploadId=%s", upload_id);
    lh_call_init(&call);
    call.deadline_ms = lh_time_mono_ms() + ABORT_MS;
    (void)s3_send(&b->client, &call, &r, &a, NULL);
    s3_answer_fini(&a);
    lh_call_fini(&call);
}

void
s3_multipart_free(struct s3_multipart *m)
{
    if (!m)
        return;
    if (!m->is_over)
        lh_call_cancel(&m->call);
    parts_join(m);
    if (!m->is_over && m->upload_id[0])
        upload_abort(m->put.bucket, m->put.key, m->upload_id);
    lh_call_fini(&m->call);
    lh_error_clear(&m->lock.err);
    pthread_cond_destroy(&m->lock.done);
    pthread_mutex_destroy(&m->lock.mutex);
    free(m->etags);
    free(m);
}
