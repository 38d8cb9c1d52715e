/*
 * What uploads in parts leave behind when their process dies, and what the store can do about
 * conditions on completing one.
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/encoding.h"
#include "base/time.h"
#include "store/s3_parts.h"
#include "store/s3_xml.h"

#define SWEEP_EVERY_MS INT64_C(3600000)
#define SWEEP_MAX 100 /* uploads that are aborted at a time */

/* ---- abandoned uploads ---- */

struct abandoned {
    lh_str key, id; /* in the call's arena */
};

struct sweep {
    struct lh_arena *arena;
    int64_t before_us;
    bool is_encoded;
    lh_str key, id;
    int64_t begun_us;
    struct abandoned found[SWEEP_MAX];
    size_t count;
};

static lh_str
decoded(struct sweep *s, lh_str text)
{
    LH_AUTO_BUF(out, 4 * LH_KEY_MAX);

    if (!s->is_encoded)
        return lh_arena_str(s->arena, text);
    if (!lh_percent_decode(&out, text, true))
        return LH_STR_NONE;
    return lh_arena_str(s->arena, lh_buf_str(&out));
}

static void
upload_take(struct sweep *s)
{
    if (s->key.len > 0 && s->id.len > 0 && s->begun_us > 0 && s->begun_us < s->before_us &&
        s->count < SWEEP_MAX)
        s->found[s->count++] = (struct abandoned){s->key, s->id};
    s->key = s->id = LH_STR_NONE;
    s->begun_us = 0;
}

static lh_status
on_element(void *self, const char *path, lh_str text, struct lh_error *err)
{
    static const char upload[] = "ListMultipartUploadsResult/Upload";
    struct sweep *s = self;

    (void)err;
    if (strncmp(path, upload, sizeof(upload) - 1) != 0)
        return LH_OK;
    path += sizeof(upload) - 1;
    if (*path == '\0')
        upload_take(s);
    else if (strcmp(path, "/Key") == 0)
        s->key = decoded(s, text);
    else if (strcmp(path, "/UploadId") == 0)
        s->id = lh_arena_str(s->arena, lh_str_trim(text));
    else if (strcmp(path, "/Initiated") == 0 && !lh_time_parse(lh_str_trim(text), &s->begun_us))
        s->begun_us = 0;
    return LH_OK;
}

static void
upload_abort(struct s3_bucket *b, struct lh_call *call, const struct abandoned *u)
{
    LH_AUTO_BUF(query, 4096);
    struct s3_request r = {.op = S3_ABORT, .method = LH_DELETE, .key = u->key};
    struct s3_answer a;

    lh_buf_add_cstr(&query, "uploadId=");
    lh_percent_encode(&query, u->id, false);
    r.query = lh_buf_cstr(&query);
    if (query.is_failed)
        return;
    (void)s3_send(&b->client, call, &r, &a, NULL);
    s3_answer_fini(&a);
}

static bool
turn_take(struct s3_bucket *b)
{
    long long last = atomic_load(&b->swept_ms), now = lh_time_mono_ms();

    return now - last >= SWEEP_EVERY_MS && atomic_compare_exchange_strong(&b->swept_ms, &last, now);
}

void
s3_sweep_abandoned(struct s3_bucket *b, struct lh_call *call)
{
    struct s3_request r = {.op = S3_LIST,
                           .method = LH_GET,
                           .key = LH_STR(""),
                           .query = "encoding-type=url&max-uploads=1000&uploads="};
    struct sweep *s;
    struct s3_answer a;
    size_t at;

    if (!turn_take(b))
        return;
    s = LH_NEW(struct sweep);
    if (s3_send(&b->client, call, &r, &a, NULL) == LH_OK) {
        lh_str body = lh_buf_str(&a.http.body);

        s->arena = &a.call.arena;
        s->before_us =
            lh_time_now_us() - b->client.shared->settings.abandoned_after_ms * INT64_C(1000);
        s->is_encoded = lh_str_find(body, LH_STR("<EncodingType>url</EncodingType>"), &at);
        if (s3_xml_walk(body, on_element, s, NULL) == LH_OK)
            for (size_t i = 0; i < s->count; i++)
                upload_abort(b, call, &s->found[i]);
    }
    s3_answer_fini(&a);
    free(s);
}

/* ---- conditions on completing ---- */

static lh_status
try_complete(struct s3_bucket *b, struct lh_call *call, lh_str key, bool *is_able,
             struct lh_error *err)
{
    const struct lh_put_options plain = {0}, absent = {.if_absent = true};
    LH_AUTO(s3_multipart) *m = NULL;
    struct s3_put first, second;
    LH_AUTO_ERROR(why);
    uint8_t *byte = lh_alloc(1);
    lh_status status;

    s3_put_init(&first, b, call, key, &plain);
    s3_put_init(&second, b, call, key, &absent);
    status = s3_put_bytes(&first, lh_str_bytes(LH_STR("1")), NULL, err);
    if (status == LH_OK)
        status = s3_multipart_begin(&second, &m, err);
    if (status != LH_OK) {
        free(byte);
        return status;
    }
    LH_TRY(s3_multipart_add(m, byte, 1, NULL, err));
    status = s3_multipart_complete(m, 1, NULL, &why);
    /* A conflict found by looking, after a lost answer, says nothing about the store. */
    *is_able = status == LH_CONFLICT && s3_multipart_was_refused(m);
    if (status == LH_OK || status == LH_UNSUPPORTED || status == LH_IO || *is_able)
        return LH_OK;
    if (status == LH_CONFLICT)
        return lh_fail(err, LH_UNAVAILABLE, "store.outcome_unknown",
                       "bucket '%s': whether uploads in parts take conditions could not be found "
                       "out",
                       b->base.name);
    if (err)
        lh_error_copy(err, &why);
    return status;
}

lh_status
s3_conditional_complete(struct s3_bucket *b, struct lh_call *call, bool *is_able,
                        struct lh_error *err)
{
    int known = atomic_load(&b->conditional_complete);
    char text[LH_UUID_TEXT], key[64];
    LH_AUTO_ERROR(why);
    lh_status status;

    *is_able = known == S3_ABLE;
    if (known != S3_NOT_KNOWN)
        return LH_OK;
    (void)snprintf(key, sizeof(key), "_probe/%s", lh_uuid_format(lh_uuid_v4(), text));
    status = try_complete(b, call, lh_str_of(key), is_able, &why);
    (void)bucket_delete(&b->base, call, lh_str_of(key), NULL, NULL);
    /* Who may not try does without. */
    if (status != LH_OK && !lh_error_is(&why, "s3.access_denied")) {
        if (err)
            lh_error_copy(err, &why);
        return status;
    }
    atomic_store(&b->conditional_complete, *is_able ? S3_ABLE : S3_UNABLE);
    return LH_OK;
}
