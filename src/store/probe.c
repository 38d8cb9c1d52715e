/*
 * What a bucket can do, found out by doing it with a scratch object. Each step says what it proves;
 * a step that fails leaves its ability false and its reason in `detail`, and the later ones are
 * still tried where that makes sense.
 */
#include <stdio.h>
#include "base/id.h"
#include "base/time.h"
#include "store/bucket.h"

struct probe {
    struct lh_bucket *bucket;
    struct lh_call *call;
    struct lh_bucket_health *health;
    char key[64];
    struct lh_object_info first, second; /* as put */
};

static const char first_bytes[] = "first";
static const char second_bytes[] = "second";

static bool
fell_short(struct probe *p, const char *what, const char *why)
{
    struct lh_bucket_health *h = p->health;

    if (!h->detail[0])
        (void)snprintf(h->detail, sizeof(h->detail), "%s: %.200s", what, why);
    return false;
}

static lh_status
put(struct probe *p, const char *text, const struct lh_put_options *o, struct lh_object_info *info,
    struct lh_error *err)
{
    return lh_object_put(p->bucket, p->call, lh_str_of(p->key), lh_str_bytes(lh_str_of(text)), o,
                         info, err);
}

static bool
can_list(struct probe *p)
{
    LH_AUTO(lh_object_list) *page = NULL;
    LH_AUTO_ERROR(err);

    if (lh_object_list(p->bucket, p->call, LH_STR("_probe/"), LH_STR(""), 1, &page, &err) != LH_OK)
        return fell_short(p, "list", err.text);
    return true;
}

static bool
lists_the_object(struct probe *p)
{
    LH_AUTO(lh_object_list) *page = NULL;
    LH_AUTO_ERROR(err);

    if (lh_object_list(p->bucket, p->call, lh_str_of(p->key), LH_STR(""), 1, &page, &err) != LH_OK)
        return fell_short(p, "list", err.text);
    if (page->count != 1 || strcmp(page->items[0].key, p->key) != 0)
        return fell_short(p, "list", "an object that was just put is not in it");
    return true;
}

static bool
creates_if_absent(struct probe *p)
{
    const struct lh_put_options o = {.if_absent = true};
    LH_AUTO_ERROR(err);

    if (put(p, first_bytes, &o, &p->first, &err) != LH_OK)
        return fell_short(p, "put", err.text);
    p->health->can_write = true;
    if (put(p, second_bytes, &o, NULL, &err) != LH_CONFLICT)
        return fell_short(p, "create if absent", "a second one was not refused");
    return true;
}

static bool
compares_and_swaps(struct probe *p)
{
    const struct lh_put_options o = {.if_match = p->first.etag};
    LH_AUTO_ERROR(err);

    if (put(p, second_bytes, &o, &p->second, &err) != LH_OK)
        return fell_short(p, "compare and swap", err.text);
    if (put(p, first_bytes, &o, NULL, &err) != LH_CONFLICT)
        return fell_short(p, "compare and swap", "a stale ETag was not refused");
    return true;
}

static bool
reads_ranges(struct probe *p)
{
    LH_AUTO(lh_reader_at) *r = NULL;
    LH_AUTO_ERROR(err);
    char got[3];

    if (lh_object_open(p->bucket, p->call, lh_str_of(p->key), &r, NULL, &err) != LH_OK ||
        lh_reader_at_read(r, p->call, 1, got, sizeof(got), &err) != LH_OK)
        return fell_short(p, "range", err.text);
    if (memcmp(got, second_bytes + 1, sizeof(got)) != 0)
        return fell_short(p, "range", "other bytes came back");
    return true;
}

static bool
keeps_checksums(struct probe *p)
{
    struct lh_object_info info;
    LH_AUTO_ERROR(err);

    if (lh_object_head(p->bucket, p->call, lh_str_of(p->key), &info, &err) != LH_OK)
        return fell_short(p, "head", err.text);
    if (strcmp(info.etag, p->second.etag) != 0)
        return fell_short(p, "head", "the ETag is not that of the put");
    if (!info.sha256[0])
        return fell_short(p, "checksums", "the bucket keeps none (no extended attributes)");
    return true;
}

static void
scratch_remove(struct probe *p)
{
    LH_AUTO_ERROR(err);

    if (lh_object_delete(p->bucket, p->call, lh_str_of(p->key), NULL, &err) != LH_OK)
        (void)fell_short(p, "delete", err.text);
}

static void
steps(struct probe *p)
{
    struct lh_bucket_health *h = p->health;

    h->is_reachable = can_list(p);
    if (!h->is_reachable)
        return;
    h->has_create_if_absent = creates_if_absent(p);
    h->has_list = !h->can_write || lists_the_object(p);
    if (!h->can_write)
        return;
    h->has_compare_and_swap = compares_and_swaps(p);
    h->has_range = h->has_compare_and_swap && reads_ranges(p);
    h->has_checksums = h->has_compare_and_swap && keeps_checksums(p);
    scratch_remove(p);
}

void
lh_bucket_probe(struct lh_bucket *b, struct lh_call *call, struct lh_bucket_health *out)
{
    struct probe p = {.bucket = b, .call = call, .health = out};
    int64_t began_ns = lh_time_mono_ns();
    char text[LH_UUID_TEXT];

    memset(out, 0, sizeof(*out));
    (void)snprintf(p.key, sizeof(p.key), "_probe/%s", lh_uuid_format(lh_uuid_v4(), text));
    steps(&p);
    out->latency_us = (lh_time_mono_ns() - began_ns) / 1000;
}
