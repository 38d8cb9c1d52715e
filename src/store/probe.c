/*
 * What a bucket can do, found out by doing it with scratch objects. Each step says what it proves;
 * a step that fails leaves its ability false and its reason in `detail`, and the later ones are
 * still tried where that makes sense.
 */
#include "store/probe.h"

#include <stdio.h>
#include "base/id.h"
#include "base/time.h"

#define PATTERN_BYTES 1000

/* ---- shared with prove.c ---- */

bool
probe_fell_short(struct probe *p, const char *what, const char *why)
{
    struct lh_bucket_health *h = p->health;

    if (!h->detail[0])
        (void)snprintf(h->detail, sizeof(h->detail), "%s: %.200s", what, why);
    return false;
}

bool
probe_lied(struct probe *p, const char *what, const char *why)
{
    p->health->ignores_conditions = true;
    return probe_fell_short(p, what, why);
}

lh_status
probe_put(struct lh_bucket *b, struct lh_call *call, const char *key, lh_str text,
          const struct lh_put_options *o, struct lh_object_info *info, struct lh_error *err)
{
    LH_AUTO(lh_upload) *u = NULL;

    LH_TRY(bucket_upload_begin(b, call, lh_str_of(key), o, &u, err));
    LH_TRY(lh_upload_write(u, lh_str_bytes(text), err));
    return lh_upload_commit(u, info, err);
}

lh_status
probe_get(struct lh_bucket *b, struct lh_call *call, const char *key, char *text, size_t size,
          struct lh_object_info *info, struct lh_error *err)
{
    LH_AUTO(lh_reader_at) *r = NULL;
    size_t n;

    LH_TRY(bucket_open(b, call, lh_str_of(key), &r, err));
    n = r->info.size_bytes < size ? (size_t)r->info.size_bytes : size - 1;
    LH_TRY(b->ops->read(r, call, 0, text, n, err));
    text[n] = '\0';
    *info = r->info;
    return LH_OK;
}

void
probe_remove(struct probe *p, const char *key)
{
    LH_AUTO_ERROR(err);

    if (bucket_delete(p->bucket, p->call, lh_str_of(key), NULL, &err) != LH_OK)
        (void)probe_fell_short(p, "delete", err.text);
}

/* ---- one thing after the other ---- */

struct steps {
    struct probe *p;
    char key[96];
    char pattern[PATTERN_BYTES + 1];
    struct lh_object_info first, second; /* as put */
};

static bool
can_list(struct probe *p)
{
    LH_AUTO(lh_object_list) *page = NULL;
    LH_AUTO_ERROR(err);

    if (lh_object_list(p->bucket, p->call, LH_STR("_probe/"), LH_STR(""), 1, &page, &err) != LH_OK)
        return probe_fell_short(p, "list", err.text);
    return true;
}

static lh_status
put(struct steps *s, const char *text, const struct lh_put_options *o, struct lh_object_info *info,
    struct lh_error *err)
{
    return probe_put(s->p->bucket, s->p->call, s->key, lh_str_of(text), o, info, err);
}

static bool
creates_if_absent(struct steps *s)
{
    const struct lh_put_options o = {.if_absent = true};
    LH_AUTO_ERROR(err);
    lh_status again;

    if (put(s, "first", &o, &s->first, &err) != LH_OK)
        return probe_fell_short(s->p, "put", err.text);
    s->p->health->can_write = true;
    again = put(s, "again", &o, NULL, &err);
    if (again == LH_OK)
        return probe_lied(s->p, "create if absent", "a second one was not refused");
    return again == LH_CONFLICT || probe_fell_short(s->p, "create if absent", err.text);
}

static bool
compares_and_swaps(struct steps *s)
{
    struct lh_object_info now = {0};
    LH_AUTO_ERROR(err);
    struct lh_put_options o = {.if_match = s->first.etag};
    lh_status stale;

    if (bucket_head(s->p->bucket, s->p->call, lh_str_of(s->key), &now, &err) != LH_OK)
        return probe_fell_short(s->p, "head", err.text);
    o.if_match = now.etag;
    if (put(s, s->pattern, &o, &s->second, &err) != LH_OK)
        return probe_fell_short(s->p, "compare and swap", err.text);
    stale = put(s, s->pattern, &o, NULL, &err);
    if (stale == LH_OK)
        return probe_lied(s->p, "compare and swap", "a stale ETag was not refused");
    return stale == LH_CONFLICT || probe_fell_short(s->p, "compare and swap", err.text);
}

static bool
reads_range(struct steps *s, struct lh_reader_at *r, uint64_t from, size_t n)
{
    char got[PATTERN_BYTES];
    LH_AUTO_ERROR(err);

    if (s->p->bucket->ops->read(r, s->p->call, from, got, n, &err) != LH_OK)
        return probe_fell_short(s->p, "range", err.text);
    if (memcmp(got, s->pattern + from, n) != 0)
        return probe_fell_short(s->p, "range", "other bytes came back than were asked for");
    return true;
}

/* First, middle and last byte, a piece, the rest from somewhere, the whole; and past the end. */
static bool
reads_ranges(struct steps *s)
{
    LH_AUTO(lh_reader_at) *r = NULL;
    LH_AUTO_ERROR(err);
    char beyond[2];

    if (bucket_open(s->p->bucket, s->p->call, lh_str_of(s->key), &r, &err) != LH_OK)
        return probe_fell_short(s->p, "open", err.text);
    if (r->info.size_bytes != PATTERN_BYTES)
        return probe_fell_short(s->p, "open", "the size is not that of the put");
    if (!reads_range(s, r, 0, 1) || !reads_range(s, r, PATTERN_BYTES / 2, 1) ||
        !reads_range(s, r, PATTERN_BYTES - 1, 1) || !reads_range(s, r, 333, 100) ||
        !reads_range(s, r, 700, PATTERN_BYTES - 700) || !reads_range(s, r, 0, PATTERN_BYTES))
        return false;
    if (lh_reader_at_read(r, s->p->call, PATTERN_BYTES - 1, beyond, 2, NULL) == LH_OK)
        return probe_fell_short(s->p, "range", "bytes past the end were given out");
    return true;
}

static bool
keeps_checksums(struct steps *s)
{
    struct lh_object_info info;
    LH_AUTO_ERROR(err);

    if (bucket_head(s->p->bucket, s->p->call, lh_str_of(s->key), &info, &err) != LH_OK)
        return probe_fell_short(s->p, "head", err.text);
    if (strcmp(info.etag, s->second.etag) != 0)
        return probe_fell_short(s->p, "head", "the ETag is not that of the put");
    if (!info.sha256[0] && !s->p->bucket->ops->is_remote)
        return probe_fell_short(s->p, "checksums",
                                "the bucket keeps none (no extended attributes)");
    return info.sha256[0] != '\0';
}

/* ---- lists: order, prefix, going on ---- */

/* Ascending by bytes, though not by the folders they would be; the last is outside the prefix. */
static const char *const listed[] = {"l/a-b", "l/a/x", "l/a0", "l/b", "m"};
#define LISTED (sizeof(listed) / sizeof(listed[0]))

static bool
page_is_right(struct probe *p, const char *prefix, const char *after, size_t from, size_t limit)
{
    LH_AUTO(lh_object_list) *page = NULL;
    LH_AUTO_ERROR(err);
    size_t within = LISTED - 1, want = within - from < limit ? within - from : limit;
    size_t skip = strlen(p->folder);

    if (lh_object_list(p->bucket, p->call, lh_str_of(prefix), lh_str_of(after), limit, &page,
                       &err) != LH_OK)
        return probe_fell_short(p, "list", err.text);
    if (page->count != want || page->has_more != (from + want < within))
        return probe_fell_short(p, "list", "a page has other objects than were put");
    for (size_t i = 0; i < want; i++)
        if (strncmp(page->items[i].key, p->folder, skip) != 0 ||
            strcmp(page->items[i].key + skip, listed[from + i]) != 0)
            return probe_fell_short(p, "list", "keys are not those of the prefix in byte order");
    return true;
}

static bool
pages_are_right(struct probe *p)
{
    char prefix[96], after[96] = "";

    (void)snprintf(prefix, sizeof(prefix), "%sl/", p->folder);
    if (!page_is_right(p, prefix, "", 0, 100))
        return false;
    for (size_t from = 0; from < LISTED - 1; from += 2) {
        if (!page_is_right(p, prefix, after, from, 2))
            return false;
        (void)snprintf(after, sizeof(after), "%s%s", p->folder,
                       listed[from + 1 < LISTED - 1 ? from + 1 : from]);
    }
    return true;
}

static bool
lists(struct probe *p)
{
    bool is_right = true;
    char key[96];

    for (size_t i = 0; is_right && i < LISTED; i++) {
        LH_AUTO_ERROR(err);
        (void)snprintf(key, sizeof(key), "%s%s", p->folder, listed[i]);
        if (probe_put(p->bucket, p->call, key, LH_STR("x"), &(struct lh_put_options){0}, NULL,
                      &err) != LH_OK)
            is_right = probe_fell_short(p, "put", err.text);
    }
    is_right = is_right && pages_are_right(p);
    for (size_t i = 0; i < LISTED; i++) {
        (void)snprintf(key, sizeof(key), "%s%s", p->folder, listed[i]);
        (void)bucket_delete(p->bucket, p->call, lh_str_of(key), NULL, NULL);
    }
    return is_right;
}

/* ---- the probe ---- */

static void
written_steps(struct steps *s, struct lh_bucket_health *h)
{
    h->has_compare_and_swap = compares_and_swaps(s);
    h->has_range = h->has_compare_and_swap && reads_ranges(s);
    h->has_checksums = h->has_compare_and_swap && keeps_checksums(s);
    probe_remove(s->p, s->key);
    h->has_list = lists(s->p);
}

void
probe_steps(struct probe *p)
{
    struct lh_bucket_health *h = p->health;
    struct steps s = {.p = p};

    (void)snprintf(s.key, sizeof(s.key), "%sk", p->folder);
    for (size_t i = 0; i < PATTERN_BYTES; i++)
        s.pattern[i] = (char)('a' + (i * 7 + i / 26) % 26);
    h->is_reachable = can_list(p);
    if (!h->is_reachable)
        return;
    h->has_create_if_absent = creates_if_absent(&s);
    h->has_list = !h->can_write;
    if (h->can_write)
        written_steps(&s, h);
}

static void
look(struct lh_bucket *b, struct lh_call *call, bool with_race, struct lh_bucket_health *out)
{
    struct probe p = {.bucket = b, .call = call, .health = out};
    int64_t began_ns = lh_time_mono_ns();
    char text[LH_UUID_TEXT];

    memset(out, 0, sizeof(*out));
    (void)snprintf(p.folder, sizeof(p.folder), "_probe/%s/", lh_uuid_format(lh_uuid_v4(), text));
    probe_steps(&p);
    out->latency_us = (lh_time_mono_ns() - began_ns) / 1000;
    if (with_race && out->has_create_if_absent && out->has_compare_and_swap)
        probe_race(&p);
}

void
lh_bucket_probe(struct lh_bucket *b, struct lh_call *call, struct lh_bucket_health *out)
{
    look(b, call, false, out);
}

void
lh_bucket_prove(struct lh_bucket *b, struct lh_call *call, struct lh_bucket_health *out)
{
    look(b, call, true, out);
}
