/*
 * A run goes over each bucket and each of the two lists of its copies (replica.h): a pass. A pass
 * merges what the bucket lists with what the old list has, both in the order of keys, and writes
 * the new list. What has to be copied is gathered into slots, copied by several threads, and
 * written down in order.
 *
 * The order that keeps the copy consistent: pointers are listed (all buckets), data is copied,
 * pointers are copied as they were listed, copies of pointers that have been gone for the grace are
 * deleted, and last those of data that has been gone for twice as long. Since data that a listed
 * pointer names was there when it was listed, it is among what is copied; a pointer that was put
 * later waits for the next run.
 */
#include "store/replicate.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include "store/replicate_parts.h"

#define SLOTS_MAX 1024
#define PAGE_KEYS 1000
#define PAGES_MAX 100000   /* of pointers of one bucket: 100 million keys */
#define EXPIRED_MAX 100000 /* copies of data that one run deletes */
#define COPIERS_MAX 64
#define CHECKPOINT_BYTES ((uint64_t)256 << 20)
#define CHECKPOINT_MS 30000
#define VANISHED_MAX 100 /* fewer are believed, whatever share of the bucket they are */

struct source {
    struct lh_bucket *bucket;
    struct lh_object_list **pages; /* its pointers, as they were listed at the start */
    size_t page_count;
};

struct run {
    struct lh_store *store;
    struct lh_call *call;
    const struct lh_replicate_options *options;
    struct lh_bucket *rescue;
    struct source *sources;
    size_t source_count;
    unsigned copiers;
    int64_t grace_us, now_us;
    struct replicate_pace pace;
    struct lh_replicate_totals totals;
    char **expired; /* keys of copies of data */
    size_t expired_count;
};

struct slot {
    struct replica_entry e; /* the old one, then the new one */
    bool has_old, wants_copy, is_dropped;
    lh_status status;
    uint64_t bytes;
    char failure[300];
};

struct pass {
    struct run *run;
    struct source *source;
    enum replica_class class;
    struct replicate_old old;
    struct replicate_new new;
    struct slot *slots;
    size_t slot_count;
    atomic_size_t next; /* slot for a copier to look at */
    size_t page;        /* of pointers */
    uint64_t listed, live_before, vanished;
    uint64_t bytes_unsaved;
    int64_t saved_ms;
};

/* ---- copying what the slots ask for ---- */

static void
slot_copy(struct pass *p, struct lh_call *call, struct slot *s)
{
    struct replica_entry fresh;
    LH_AUTO_ERROR(why);

    s->status = replicate_copy(p->source->bucket, p->run->rescue, call, &p->run->pace,
                               lh_str_of(s->e.key), &fresh, &s->bytes, &why);
    if (s->status == LH_OK)
        s->e = fresh;
    else
        (void)lh_str_copy(s->failure, sizeof(s->failure),
                          lh_str_fit(lh_str_of(why.text), sizeof(s->failure) - 1));
}

static void *
copier_run(void *arg)
{
    struct pass *p = arg;
    struct lh_call call;
    size_t at;

    lh_call_init_part(&call, p->run->call, INT64_MAX);
    while ((at = atomic_fetch_add(&p->next, 1)) < p->slot_count)
        if (p->slots[at].wants_copy)
            slot_copy(p, &call, &p->slots[at]);
    lh_call_fini(&call);
    return NULL;
}

static void
slots_copy(struct pass *p)
{
    pthread_t threads[COPIERS_MAX];
    unsigned started = 0, wanted = 0;

    for (size_t i = 0; i < p->slot_count && wanted < p->run->copiers; i++)
        wanted += p->slots[i].wants_copy ? 1 : 0;
    atomic_store(&p->next, 0);
    while (started + 1 < wanted &&
           lh_thread_start(&threads[started], "replicate", copier_run, p, NULL) == LH_OK)
        started++;
    if (wanted > 0)
        (void)copier_run(p);
    while (started > 0)
        lh_thread_join(threads[--started]);
}

/* ---- writing down ---- */

static void
copy_failed(struct pass *p, struct slot *s)
{
    struct lh_replicate_totals *t = &p->run->totals;

    t->failed++;
    s->is_dropped = !s->has_old;
    if (!t->first_failure[0])
        (void)snprintf(t->first_failure, sizeof(t->first_failure), "%s/%.150s: %s",
                       lh_bucket_name(p->source->bucket), s->e.key, s->failure);
}

static void
slot_count_in(struct pass *p, struct slot *s)
{
    struct lh_replicate_totals *t = &p->run->totals;

    if (!s->wants_copy)
        return;
    if (s->status == LH_OK) {
        t->copied++;
        t->copied_bytes += s->bytes;
        t->copied_journal += lh_str_starts(lh_str_of(s->e.key), LH_STR("_journal/")) ? 1 : 0;
        p->bytes_unsaved += s->bytes;
        p->new.is_changed = true;
    } else if (s->status == LH_NOT_FOUND) {
        s->is_dropped = !s->has_old; /* gone since it was listed: the next run sees it */
    } else {
        copy_failed(p, s);
    }
}

static lh_status
checkpoint(struct pass *p, struct lh_error *err)
{
    int64_t now = lh_time_mono_ms();
    uint64_t save_every = p->run->options->save_every;

    save_every = save_every > 0 ? save_every : CHECKPOINT_BYTES;
    if (!p->new.is_changed || p->vanished > VANISHED_MAX ||
        (p->bytes_unsaved < save_every && now - p->saved_ms < CHECKPOINT_MS))
        return LH_OK;
    p->bytes_unsaved = 0;
    p->saved_ms = now;
    return replicate_new_put(&p->new, p->run->call, &p->old, err);
}

static lh_status
slots_flush(struct pass *p, struct lh_error *err)
{
    slots_copy(p);
    LH_TRY(lh_call_check(p->run->call, err));
    for (size_t i = 0; i < p->slot_count; i++) {
        slot_count_in(p, &p->slots[i]);
        if (!p->slots[i].is_dropped)
            LH_TRY(replicate_new_add(&p->new, &p->slots[i].e, err));
    }
    p->slot_count = 0;
    if (p->run->options->progress)
        p->run->options->progress(p->run->options->self, &p->run->totals);
    return LH_OK;
}

static lh_status
slot_take(struct pass *p, struct slot **out, struct lh_error *err)
{
    if (p->slot_count == SLOTS_MAX)
        LH_TRY(slots_flush(p, err));
    *out = &p->slots[p->slot_count++];
    memset(*out, 0, sizeof(**out));
    return LH_OK;
}

/* ---- what is gone ---- */

static lh_status
copy_delete(struct run *r, const char *key, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status = bucket_delete(r->rescue, r->call, lh_str_of(key), NULL, &why);

    if (status == LH_OK)
        r->totals.deleted++;
    if (status == LH_OK || status == LH_NOT_FOUND)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

/* True when the entry may be dropped: the copy is gone. Copies of data are only noted down; the run
 * that finds them deleted drops their entries. */
static lh_status
expired_handle(struct pass *p, const struct replica_entry *e, bool *is_over, struct lh_error *err)
{
    struct run *r = p->run;
    char key[LH_KEY_MAX + 1];
    struct lh_object_info info;

    *is_over = false;
    replica_key(lh_bucket_name(p->source->bucket), lh_str_of(e->key), key);
    if (p->class == REPLICA_POINTER) {
        LH_TRY(copy_delete(r, key, err));
        *is_over = true;
    } else if (bucket_head(r->rescue, r->call, lh_str_of(key), &info, NULL) == LH_NOT_FOUND) {
        *is_over = true;
    } else if (r->expired_count < EXPIRED_MAX) {
        r->expired[r->expired_count++] = lh_strdup(key);
    }
    return LH_OK;
}

static lh_status
gone_handle(struct pass *p, struct lh_error *err)
{
    struct run *r = p->run;
    struct replica_entry *e = &p->old.entry;
    int64_t grace = p->class == REPLICA_POINTER ? r->grace_us : 2 * r->grace_us;
    struct slot *s;
    bool is_over = false;

    if (e->gone_us == 0) {
        e->gone_us = r->now_us;
        r->totals.gone++;
        p->vanished++;
        p->new.is_changed = true;
    }
    if (r->now_us - e->gone_us >= grace)
        LH_TRY(expired_handle(p, e, &is_over, err));
    p->new.is_changed |= is_over;
    if (is_over)
        return LH_OK;
    LH_TRY(slot_take(p, &s, err));
    s->e = *e;
    s->has_old = true;
    return LH_OK;
}

static lh_status
old_step(struct pass *p, struct lh_error *err)
{
    LH_TRY(replicate_old_next(&p->old, p->run->call, err));
    p->live_before += !p->old.is_over && p->old.entry.gone_us == 0 ? 1 : 0;
    return LH_OK;
}

/* ---- what is there ---- */

static bool
is_unchanged(const struct replica_entry *old, const struct lh_object_info *now)
{
    return strcmp(old->info.etag, now->etag) == 0 && old->info.size_bytes == now->size_bytes;
}

static lh_status
object_handle(struct pass *p, const struct lh_object_entry *item, struct lh_error *err)
{
    lh_str key = lh_str_of(item->key);
    struct slot *s;

    while (!p->old.is_over && lh_str_cmp(lh_str_of(p->old.entry.key), key) < 0) {
        LH_TRY(gone_handle(p, err));
        LH_TRY(old_step(p, err));
    }
    LH_TRY(slot_take(p, &s, err));
    p->run->totals.seen++;
    p->listed++;
    s->has_old = !p->old.is_over && strcmp(p->old.entry.key, item->key) == 0;
    s->wants_copy = !s->has_old || !is_unchanged(&p->old.entry, &item->info);
    if (s->has_old) {
        s->e = p->old.entry;
        p->new.is_changed |= s->e.gone_us > 0;
        s->e.gone_us = 0;
        LH_TRY(old_step(p, err));
    }
    (void)lh_str_copy(s->e.key, sizeof(s->e.key), key);
    p->run->totals.unchanged += s->wants_copy ? 0 : 1;
    return LH_OK;
}

static lh_status
page_handle(struct pass *p, const struct lh_object_list *page, struct lh_error *err)
{
    for (size_t i = 0; i < page->count; i++) {
        lh_str key = lh_str_of(page->items[i].key);
        if (replica_class_of(key) == p->class && !replica_is_left_out(key))
            LH_TRY(object_handle(p, &page->items[i], err));
    }
    LH_TRY(slots_flush(p, err));
    return checkpoint(p, err);
}

static lh_status
data_walk(struct pass *p, struct lh_error *err)
{
    char after[LH_KEY_MAX + 1] = "";
    bool has_more = true;

    while (has_more) {
        LH_AUTO(lh_object_list) *page = NULL;
        LH_TRY(lh_object_list(p->source->bucket, p->run->call, LH_STR(""), lh_str_of(after),
                              PAGE_KEYS, &page, err));
        LH_TRY(page_handle(p, page, err));
        has_more = page->has_more && page->count > 0;
        if (has_more)
            (void)lh_str_copy(after, sizeof(after), lh_str_of(page->items[page->count - 1].key));
    }
    return LH_OK;
}

static lh_status
pointers_walk(struct pass *p, struct lh_error *err)
{
    for (size_t i = 0; i < p->source->page_count; i++)
        LH_TRY(page_handle(p, p->source->pages[i], err));
    return LH_OK;
}

/* ---- a pass ---- */

/* An empty folder where a disk should be looks like a bucket from which everything was deleted. */
static lh_status
vanished_check(const struct pass *p, struct lh_error *err)
{
    bool is_empty = p->listed == 0 && p->vanished > 0;
    bool is_most = p->vanished > VANISHED_MAX && p->vanished > p->live_before / 2;

    if (p->run->options->may_lose_most || !(is_empty || is_most))
        return LH_OK;
    return lh_fail(err, LH_CONFLICT, "store.replicate_vanished",
                   "%llu of %llu objects that were copied from bucket '%s' are not in it any more; "
                   "when that is so, say so (--force)",
                   (unsigned long long)p->vanished, (unsigned long long)p->live_before,
                   lh_bucket_name(p->source->bucket));
}

static lh_status
merge(struct pass *p, struct lh_error *err)
{
    p->live_before = !p->old.is_over && p->old.entry.gone_us == 0 ? 1 : 0;
    LH_TRY(p->class == REPLICA_DATA ? data_walk(p, err) : pointers_walk(p, err));
    while (!p->old.is_over) {
        LH_TRY(gone_handle(p, err));
        LH_TRY(old_step(p, err));
    }
    LH_TRY(slots_flush(p, err));
    LH_TRY(vanished_check(p, err));
    return p->new.is_changed ? replicate_new_put(&p->new, p->run->call, &p->old, err) : LH_OK;
}

static lh_status
pass_open_and_merge(struct pass *p, struct lh_error *err)
{
    char key[LH_KEY_MAX + 1];

    replica_index_key(lh_bucket_name(p->source->bucket), p->class, key);
    LH_TRY(replicate_old_open(&p->old, p->run->rescue, p->run->call, key, err));
    LH_TRY(replicate_new_open(&p->new, p->run->store, p->run->rescue, key, p->old.info.etag, err));
    return merge(p, err);
}

static lh_status
pass_run(struct run *r, struct source *source, enum replica_class class, struct lh_error *err)
{
    struct pass p = {
        .run = r, .source = source, .class = class, .new.fd = -1, .saved_ms = lh_time_mono_ms()};
    lh_status status;

    p.slots = lh_alloc_array(SLOTS_MAX, sizeof(struct slot));
    status = pass_open_and_merge(&p, err);
    replicate_old_fini(&p.old);
    replicate_new_fini(&p.new);
    free(p.slots);
    return status;
}

/* ---- a run ---- */

static lh_status
pages_list(struct run *r, struct source *source, const char *prefix, struct lh_error *err)
{
    char after[LH_KEY_MAX + 1] = "";
    bool has_more = true;

    while (has_more) {
        struct lh_object_list *page;
        if (source->page_count == PAGES_MAX)
            return lh_fail(err, LH_TOO_BIG, "store.replicate_pointers",
                           "bucket '%s' has more objects under %s than one run takes",
                           lh_bucket_name(source->bucket), prefix);
        LH_TRY(lh_object_list(source->bucket, r->call, lh_str_of(prefix), lh_str_of(after),
                              PAGE_KEYS, &page, err));
        source->pages =
            lh_realloc_array(source->pages, source->page_count + 1, sizeof(source->pages[0]));
        source->pages[source->page_count++] = page;
        has_more = page->has_more && page->count > 0;
        if (has_more)
            (void)lh_str_copy(after, sizeof(after), lh_str_of(page->items[page->count - 1].key));
    }
    return LH_OK;
}

static lh_status
pointers_list(struct run *r, struct lh_error *err)
{
    for (size_t i = 0; i < r->source_count; i++)
        for (const char *const *prefix = replica_pointer_prefixes; *prefix; prefix++)
            LH_TRY(pages_list(r, &r->sources[i], *prefix, err));
    return LH_OK;
}

static lh_status
expired_delete(struct run *r, struct lh_error *err)
{
    for (size_t i = 0; i < r->expired_count; i++)
        LH_TRY(copy_delete(r, r->expired[i], err));
    return LH_OK;
}

static lh_status
passes_run(struct run *r, struct lh_error *err)
{
    LH_TRY(pointers_list(r, err));
    for (int class = REPLICA_DATA; class < REPLICA_CLASS_COUNT; class ++)
        for (size_t i = 0; i < r->source_count; i++)
            LH_TRY(pass_run(r, &r->sources[i], (enum replica_class) class, err));
    return expired_delete(r, err);
}

static lh_status
run_init(struct run *r, struct lh_error *err)
{
    const struct lh_config *config = store_config(r->store);
    struct lh_bucket **buckets;

    r->copiers = (unsigned)lh_config_i64(config, "store.replicate_concurrency");
    r->grace_us = r->options->grace_us >= 0 ? r->options->grace_us
                                            : lh_config_ms(config, "store.replicate_grace") * 1000;
    r->now_us = lh_time_now_us();
    replicate_pace_init(&r->pace, lh_config_size(config, "store.replicate_bytes_per_second"));
    r->expired = lh_alloc_array(EXPIRED_MAX, sizeof(char *));
    LH_TRY(store_replicate_buckets(r->store, r->call, r->options->to, &r->rescue, &buckets,
                                   &r->source_count, err));
    (void)lh_str_copy(r->totals.rescue, sizeof(r->totals.rescue),
                      lh_str_of(lh_bucket_name(r->rescue)));
    r->sources = lh_alloc_array(r->source_count, sizeof(r->sources[0]));
    for (size_t i = 0; i < r->source_count; i++)
        r->sources[i].bucket = buckets[i];
    return LH_OK;
}

static void
run_fini(struct run *r)
{
    for (size_t i = 0; i < r->source_count && r->sources; i++) {
        for (size_t k = 0; k < r->sources[i].page_count; k++)
            lh_object_list_free(r->sources[i].pages[k]);
        free(r->sources[i].pages);
    }
    for (size_t i = 0; i < r->expired_count; i++)
        free(r->expired[i]);
    free(r->expired);
    free(r->sources);
    replicate_pace_fini(&r->pace);
}

lh_status
lh_store_replicate(struct lh_store *s, struct lh_call *call,
                   const struct lh_replicate_options *options, struct lh_replicate_totals *out,
                   struct lh_error *err)
{
    struct run r = {.store = s, .call = call, .options = options};
    lh_status status = run_init(&r, err);

    if (status == LH_OK)
        status = passes_run(&r, err);
    run_fini(&r);
    *out = r.totals;
    return status;
}
