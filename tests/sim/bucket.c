/*
 * A bucket over the shelf, as a process sees it across a network: requests take time, get lost,
 * arrive twice or late, are refused, or are done and answered with an error. What is done is done
 * whole, and conditions hold at the moment of doing: that is the contract of bucket.h, and nothing
 * more is promised here.
 *
 * A process that has crashed gets an error for everything, and nothing it asks is done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "store/backend.h"
#include "world.h"

#define LATE_MAX_US (5 * SIM_SECOND) /* how long a request may be under way */
#define TIMEOUT_US (4 * SIM_SECOND)

enum { LIST_STEP = 24 };

struct sim_bucket {
    struct lh_bucket base;
    struct node *node;
    struct store_limits limits;
};

struct sim_upload {
    struct lh_upload base;
    struct lh_buf bytes;
    bool if_absent;
    char *if_match;
};

struct sim_reader {
    struct lh_reader_at base;
    struct shelf_object *object;
};

static struct node *
node_of(const struct lh_bucket *b)
{
    return ((const struct sim_bucket *)b)->node;
}

/* ---- what may go wrong ---- */

enum fault {
    FAULT_NONE,
    FAULT_REQUEST_LOST,
    FAULT_ANSWER_LOST,
    FAULT_LATE,           /* an error at once, the work some time after it */
    FAULT_TWICE,          /* done again later; the first answer counts */
    FAULT_TWICE_ANSWERED, /* done twice at once; the second answer counts */
    FAULT_REFUSED,        /* 503 */
    FAULT_FAILED,         /* 500 */
    FAULT_DONE_AND_FAILED /* 500 after the work */
};

static const char *const fault_names[] = {"",     "request lost", "answer lost",
                                          "late", "twice",        "twice, second answer",
                                          "503",  "500",          "500 after the work"};

static enum fault
fault_draw(void)
{
    if (world_is_calm || !sim_chance(world_plan.fault_per_mille))
        return FAULT_NONE;
    return (enum fault)(1 + sim_draw_below(FAULT_DONE_AND_FAILED));
}

static bool
fault_comes_before(enum fault f)
{
    return f == FAULT_REQUEST_LOST || f == FAULT_REFUSED || f == FAULT_FAILED || f == FAULT_LATE;
}

static bool
fault_comes_after(enum fault f)
{
    return f == FAULT_ANSWER_LOST || f == FAULT_DONE_AND_FAILED;
}

static lh_status
fault_error(enum fault f, lh_str key, struct lh_error *err)
{
    static const lh_status lost[] = {LH_UNAVAILABLE, LH_TIMEOUT, LH_IO};

    if (f == FAULT_REQUEST_LOST || f == FAULT_ANSWER_LOST || f == FAULT_LATE) {
        sim_sleep_us((int64_t)sim_draw_below(TIMEOUT_US));
        return lh_fail(err, lost[sim_draw_below(3)], "store.unreachable", "no answer about %.*s",
                       LH_FMT(key));
    }
    return lh_fail(err, LH_UNAVAILABLE, "store.unavailable", "the store failed on %.*s",
                   LH_FMT(key));
}

/* After a while, so that whoever tries again and again does not do so for ever within an instant.
 */
static lh_status
dead_error(struct lh_error *err)
{
    sim_sleep_us(SIM_SECOND / 100);
    return lh_fail(err, LH_UNAVAILABLE, "sim.dead", "this process has crashed");
}

static int64_t
latency_draw(void)
{
    int64_t us = (int64_t)sim_draw_below((uint64_t)world_plan.latency_us) + 1;

    if (!world_is_calm && sim_chance(5))
        us *= 100;
    return us;
}

/* The way of a request to the store. Whoever is to crash or to pause at a step does it here, after
 * having decided what to ask for. */
static lh_status
travel(struct node *n, struct lh_error *err)
{
    if (node_is_dead(n))
        return dead_error(err);
    if (!world_is_calm && sim_chance(world_plan.crash_per_mille))
        node_crash(n);
    else if (!world_is_calm && sim_chance(world_plan.pause_per_mille))
        node_pause(n, (int64_t)sim_draw_below((uint64_t)world_plan.pause_max_us));
    sim_sleep_us(latency_draw());
    return node_is_dead(n) ? dead_error(err) : LH_OK;
}

/* And of its answer back. */
static lh_status
come_back(struct node *n, struct lh_error *err)
{
    sim_sleep_us(latency_draw());
    if (!world_is_calm && !node_is_dead(n) && sim_chance(world_plan.crash_per_mille))
        node_crash(n);
    return node_is_dead(n) ? dead_error(err) : LH_OK;
}

/* ---- changes ---- */

struct change {
    char *key;
    struct lh_buf bytes;
    bool is_remove, if_absent;
    char *if_match;
};

static enum shelf_outcome
change_do(const struct change *c, struct lh_object_info *info)
{
    if (c->is_remove)
        return shelf_remove(lh_str_of(c->key), c->if_match);
    return shelf_put(&(struct shelf_put){.key = lh_str_of(c->key),
                                         .bytes = lh_buf_bytes(&c->bytes),
                                         .if_absent = c->if_absent,
                                         .if_match = c->if_match},
                     info);
}

static void
change_free(struct change *c)
{
    free(c->key);
    free(c->if_match);
    lh_buf_fini(&c->bytes);
    free(c);
}

static void *
straggler_run(void *arg)
{
    struct change *c = arg;
    struct lh_object_info info;
    enum shelf_outcome outcome;

    sim_sleep_us((int64_t)sim_draw_below(LATE_MAX_US));
    outcome = change_do(c, &info);
    sim_say("late %s %s: %s", c->is_remove ? "remove" : "put", c->key,
            outcome == SHELF_DONE ? "done" : "refused");
    change_free(c);
    return NULL;
}

static void
straggler_send(const struct change *c)
{
    struct change *copy = LH_NEW(struct change);

    copy->key = lh_strdup(c->key);
    copy->if_match = c->if_match ? lh_strdup(c->if_match) : NULL;
    copy->is_remove = c->is_remove;
    copy->if_absent = c->if_absent;
    lh_buf_init(&copy->bytes, LH_BUF_UNLIMITED);
    lh_buf_add_str(&copy->bytes, lh_buf_str(&c->bytes));
    sim_task_detach(sim_task_start(NULL, "straggler", straggler_run, copy));
}

/* The put that decides: here crashes and pauses are drawn more often. */
static bool
is_manifest(const char *key)
{
    return lh_str_starts(lh_str_of(key), LH_STR("_catalog/datasets/"));
}

/* Everything has been looked at, and only the put is left. */
static void
fall_asleep(struct node *n, const struct change *c)
{
    if (world_plan.is_sleepy && !world_is_calm && !node_is_dead(n) && c->if_absent &&
        is_manifest(c->key) && sim_chance(100))
        node_pause(n, (int64_t)sim_draw_below((uint64_t)world_plan.pause_max_us));
}

static bool
is_early(const struct change *c)
{
    return world_mutation == MUTATION_ANSWER_BEFORE_PUT && !c->is_remove && is_manifest(c->key);
}

static lh_status
outcome_status(const struct lh_bucket *b, const struct change *c, enum shelf_outcome outcome,
               struct lh_error *err)
{
    if (outcome == SHELF_DONE)
        return LH_OK;
    if (outcome == SHELF_ABSENT)
        return bucket_fail_no_object(b, lh_str_of(c->key), err);
    return bucket_fail_precondition(b, lh_str_of(c->key), c->if_match, NULL, err);
}

static lh_status
change_send(struct lh_bucket *b, const struct change *c, struct lh_object_info *info,
            struct lh_error *err)
{
    enum fault f = fault_draw();
    enum shelf_outcome outcome;

    fall_asleep(node_of(b), c);
    LH_TRY(travel(node_of(b), err));
    if (f == FAULT_LATE || f == FAULT_TWICE || is_early(c))
        straggler_send(c);
    if (fault_comes_before(f)) {
        sim_say("%s %s: %s", c->is_remove ? "remove" : "put", c->key, fault_names[f]);
        return fault_error(f, lh_str_of(c->key), err);
    }
    if (is_early(c))
        return LH_OK;
    outcome = change_do(c, info);
    if (f == FAULT_TWICE_ANSWERED)
        outcome = change_do(c, info);
    sim_say("%s %s%s%s: %s %s", c->is_remove ? "remove" : "put", c->key,
            c->if_absent ? " if absent" : "", c->if_match ? " if match" : "",
            outcome == SHELF_DONE     ? "done"
            : outcome == SHELF_ABSENT ? "absent"
                                      : "refused",
            fault_names[f]);
    if (is_manifest(c->key) && !world_is_calm && sim_chance(10 * world_plan.crash_per_mille))
        node_crash(node_of(b));
    LH_TRY(come_back(node_of(b), err));
    if (fault_comes_after(f))
        return fault_error(f, lh_str_of(c->key), err);
    return outcome_status(b, c, outcome, err);
}

/* ---- uploads ---- */

static lh_status
upload_begin(struct lh_bucket *b, lh_str key, const struct lh_put_options *options,
             struct lh_upload **out, struct lh_error *err)
{
    struct sim_upload *u = LH_NEW(struct sim_upload);

    (void)b, (void)key, (void)err;
    lh_buf_init(&u->bytes, LH_BUF_UNLIMITED);
    u->if_absent = options->if_absent;
    u->if_match = options->if_match ? lh_strdup(options->if_match) : NULL;
    *out = &u->base;
    return LH_OK;
}

static lh_status
upload_write(struct lh_upload *base, lh_bytes bytes, struct lh_error *err)
{
    struct sim_upload *u = (struct sim_upload *)base;

    lh_buf_add_str(&u->bytes, lh_bytes_str(bytes));
    return lh_buf_check(&u->bytes, "the upload", err);
}

static lh_status
upload_commit(struct lh_upload *base, struct lh_object_info *info, struct lh_error *err)
{
    struct sim_upload *u = (struct sim_upload *)base;
    const struct change c = {
        .key = base->key, .bytes = u->bytes, .if_absent = u->if_absent, .if_match = u->if_match};

    return change_send(base->bucket, &c, info, err);
}

static void
upload_free(struct lh_upload *base)
{
    struct sim_upload *u = (struct sim_upload *)base;

    lh_buf_fini(&u->bytes);
    free(u->if_match);
    free(u);
}

static lh_status
put_file(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *path,
         const struct lh_put_options *options, uint64_t size_max, struct lh_object_info *info,
         struct lh_error *err)
{
    LH_AUTO_BUF(bytes, (size_t)size_max);
    LH_AUTO_CHARS text = lh_str_dup(key);
    struct change c = {.key = text, .if_absent = options->if_absent};

    (void)call;
    LH_TRY(lh_file_read(path, (size_t)size_max, &bytes, err));
    c.bytes = bytes;
    LH_TRY(change_send(b, &c, info, err));
    (void)unlink(path);
    return LH_OK;
}

static lh_status
object_remove(struct lh_bucket *b, struct lh_call *call, lh_str key, const char *if_match,
              struct lh_error *err)
{
    LH_AUTO_CHARS text = lh_str_dup(key);
    LH_AUTO_CHARS match = if_match ? lh_strdup(if_match) : NULL;
    const struct change c = {.key = text, .is_remove = true, .if_match = match};
    struct lh_object_info info;

    (void)call;
    return change_send(b, &c, &info, err);
}

/* ---- reading ---- */

/* One way there and back; what is asked is answered as it is in between. */
static lh_status
look(struct lh_bucket *b, const char *what, lh_str key, struct shelf_object **out,
     struct lh_error *err)
{
    enum fault f = fault_draw();
    struct shelf_object *o;
    lh_status status;

    LH_TRY(travel(node_of(b), err));
    o = shelf_find(key);
    sim_say("%s %.*s: %s %s", what, LH_FMT(key), o ? "there" : "absent", fault_names[f]);
    if (f != FAULT_NONE && f != FAULT_TWICE && f != FAULT_TWICE_ANSWERED)
        return fault_error(f, key, err);
    if (o == NULL) {
        LH_TRY(come_back(node_of(b), err));
        return bucket_fail_no_object(b, key, err);
    }
    o->refs++;
    status = come_back(node_of(b), err);
    if (status != LH_OK)
        shelf_object_unref(o);
    else
        *out = o;
    return status;
}

static lh_status
shelf_head(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_object_info *info,
           struct lh_error *err)
{
    struct shelf_object *o;

    (void)call;
    LH_TRY(look(b, "head", key, &o, err));
    shelf_info(o, info);
    shelf_object_unref(o);
    return LH_OK;
}

static lh_status
reader_open(struct lh_bucket *b, struct lh_call *call, lh_str key, struct lh_reader_at **out,
            struct lh_error *err)
{
    struct shelf_object *o;
    struct sim_reader *r;

    (void)call;
    LH_TRY(look(b, "get", key, &o, err));
    r = LH_NEW(struct sim_reader);
    r->object = o;
    shelf_info(o, &r->base.info);
    *out = &r->base;
    return LH_OK;
}

/* Bytes that were cut off or changed under way are found by their checksum. */
static lh_status
reader_read(struct lh_reader_at *base, struct lh_call *call, uint64_t offset, void *to, size_t n,
            struct lh_error *err)
{
    const struct sim_reader *r = (const struct sim_reader *)base;

    (void)call;
    if (!world_is_calm && sim_chance(world_plan.fault_per_mille / 8)) {
        sim_say("get %s: damaged", base->key);
        return bucket_fail_checksum(base->bucket, lh_str_of(base->key), "damaged under way", err);
    }
    if (n > 0)
        memcpy(to, r->object->bytes + offset, n);
    return LH_OK;
}

static lh_status
reader_file(struct lh_reader_at *r, struct lh_call *call, uint64_t offset, uint64_t length, int *fd,
            struct lh_error *err)
{
    (void)r, (void)call, (void)offset, (void)length, (void)err;
    *fd = -1;
    return LH_OK;
}

static bool
reader_is_proven(const struct lh_reader_at *r, uint64_t offset, uint64_t length)
{
    (void)r, (void)offset, (void)length;
    return false;
}

static void
reader_free(struct lh_reader_at *base)
{
    struct sim_reader *r = (struct sim_reader *)base;

    shelf_object_unref(r->object);
    free(r);
}

/* A listing is no picture of one moment: it goes on where it was, and what is put behind its back
 * before that place is not in it. */
static lh_status
shelf_list(struct lh_bucket *b, struct lh_call *call, struct object_lister *l, struct lh_error *err)
{
    char after[LH_KEY_MAX + 2];
    enum fault f = fault_draw();
    size_t since_rest = 0;

    (void)call;
    LH_TRY(travel(node_of(b), err));
    sim_say("list %.*s after %.*s %s", LH_FMT(l->prefix), LH_FMT(l->after), fault_names[f]);
    if (f != FAULT_NONE && f != FAULT_TWICE && f != FAULT_TWICE_ANSWERED)
        return fault_error(f, l->prefix, err);
    (void)lh_str_copy(after, sizeof(after),
                      lh_str_cmp(l->after, l->prefix) > 0 ? l->after : l->prefix);
    for (bool is_first = true;; is_first = false, since_rest++) {
        size_t place = shelf_place(lh_str_of(after));
        struct shelf_object *o = shelf_at(place);
        struct lh_object_info info;

        if (o != NULL && strcmp(o->key, after) == 0 && (!is_first || l->after.len > 0))
            o = shelf_at(place + 1);
        if (o == NULL || !lh_str_starts(lh_str_of(o->key), l->prefix) || !object_lister_has_room(l))
            break;
        shelf_info(o, &info);
        info.sha256[0] = '\0';
        object_lister_add(l, lh_str_of(o->key), &info);
        (void)snprintf(after, sizeof(after), "%s", o->key);
        if (since_rest == LIST_STEP && !world_is_calm) {
            since_rest = 0;
            sim_sleep_us(latency_draw());
        }
    }
    return come_back(node_of(b), err);
}

/* ---- life ---- */

static void
bucket_end(struct lh_bucket *b)
{
    struct sim_bucket *s = (struct sim_bucket *)b;

    store_limits_fini(&s->limits);
    bucket_fini(b);
    free(s);
}

static const struct bucket_ops ops = {
    .backend = "simulated",
    .upload_begin = upload_begin,
    .upload_write = upload_write,
    .upload_commit = upload_commit,
    .upload_free = upload_free,
    .put_file = put_file,
    .remove = object_remove,
    .head = shelf_head,
    .open = reader_open,
    .read = reader_read,
    .file = reader_file,
    .is_proven = reader_is_proven,
    .reader_free = reader_free,
    .list = shelf_list,
    .free = bucket_end,
};

struct lh_bucket *
sim_bucket_new(struct node *node)
{
    struct sim_bucket *s = LH_NEW(struct sim_bucket);

    s->node = node;
    store_limits_init(&s->limits, (uint64_t)1 << 30, 1000);
    bucket_init(&s->base, &ops, "primary", &s->limits);
    return &s->base;
}

void
sim_bucket_free(struct lh_bucket *b)
{
    bucket_free(b);
}
