/*
 * Conditions under a race. A store that looks at a condition first and writes later holds to it as
 * long as nobody is between; that is what these rounds are for.
 *
 * Creation: writers wait for each other, and then all put one key if it is absent. Exactly one may
 * be told that it has, and what is there afterwards must be what that one wrote. Swapping: writers
 * count up one object, each reading, adding one and putting if the ETag is still the one it read.
 * What the object says at the end must be how often somebody was told that a put was made.
 *
 * A writer whose put failed without an answer proves nothing: such a round is not counted against
 * the bucket, and the reason is noted. An update of which even looking could not tell whether it
 * was made (store.outcome_unknown: Ceph answers 500 to some of many at once) may be among those
 * that are there or not.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include "base/thread.h"
#include "store/probe.h"

#define WRITERS 6
#define ROUNDS 3         /* of creation */
#define ADDITIONS 4      /* by each writer */
#define ATTEMPTS_MAX 400 /* of one addition */

struct race {
    struct probe *p;
    char key[96];
    atomic_uint won, winner; /* of a creation */
    atomic_uint added, perhaps_added;
    atomic_bool is_unclear; /* a put went wrong without an answer */
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        bool may_go;
        char why[200];
    } lock;
};

struct writer {
    struct race *race;
    unsigned number;
    pthread_t thread;
};

static void
unclear(struct race *r, const struct lh_error *err)
{
    LH_AUTO_LOCK(&r->lock.mutex);

    atomic_store(&r->is_unclear, true);
    if (!r->lock.why[0])
        (void)lh_str_copy(r->lock.why, sizeof(r->lock.why),
                          lh_str_fit(lh_str_of(err->text), sizeof(r->lock.why) - 1));
}

/* So that all are on their marks before the first runs. */
static void
gate_pass(struct race *r)
{
    LH_AUTO_LOCK(&r->lock.mutex);

    while (!r->lock.may_go)
        (void)pthread_cond_wait(&r->lock.changed, &r->lock.mutex);
}

static void
gate_set(struct race *r, bool may_go)
{
    LH_AUTO_LOCK(&r->lock.mutex);

    r->lock.may_go = may_go;
    (void)pthread_cond_broadcast(&r->lock.changed);
}

static void *
creator_run(void *arg)
{
    struct writer *w = arg;
    struct race *r = w->race;
    const struct lh_put_options o = {.if_absent = true};
    struct lh_call call;
    char text[16];
    LH_AUTO_ERROR(err);
    lh_status status;

    (void)snprintf(text, sizeof(text), "%u", w->number);
    lh_call_init_part(&call, r->p->call, INT64_MAX);
    gate_pass(r);
    status = probe_put(r->p->bucket, &call, r->key, lh_str_of(text), &o, NULL, &err);
    if (status == LH_OK) {
        atomic_fetch_add(&r->won, 1);
        atomic_store(&r->winner, w->number);
    } else if (status != LH_CONFLICT) {
        unclear(r, &err);
    }
    lh_call_fini(&call);
    return NULL;
}

/* LH_CONFLICT: another was faster. */
static lh_status
addition_try(struct race *r, struct lh_call *call, struct lh_error *err)
{
    struct lh_put_options o = {0};
    struct lh_object_info info;
    char text[24];
    uint64_t value = 0;

    LH_TRY(probe_get(r->p->bucket, call, r->key, text, sizeof(text), &info, err));
    if (!lh_str_u64(lh_str_of(text), &value))
        return lh_fail(err, LH_CORRUPT, "store.probe", "the counter holds something else");
    (void)snprintf(text, sizeof(text), "%" PRIu64, value + 1);
    o.if_match = info.etag;
    return probe_put(r->p->bucket, call, r->key, lh_str_of(text), &o, NULL, err);
}

static bool
addition_make(struct race *r, struct lh_call *call)
{
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        LH_AUTO_ERROR(err);
        lh_status status = addition_try(r, call, &err);
        if (status == LH_OK) {
            atomic_fetch_add(&r->added, 1);
            return true;
        }
        if (lh_error_is(&err, "store.outcome_unknown")) {
            atomic_fetch_add(&r->perhaps_added, 1);
            continue;
        }
        if (status != LH_CONFLICT && status != LH_BUSY) {
            unclear(r, &err);
            return false;
        }
    }
    return false;
}

static void *
adder_run(void *arg)
{
    struct writer *w = arg;
    struct race *r = w->race;
    struct lh_call call;

    lh_call_init_part(&call, r->p->call, INT64_MAX);
    gate_pass(r);
    for (int i = 0; i < ADDITIONS; i++)
        if (!addition_make(r, &call))
            break;
    lh_call_fini(&call);
    return NULL;
}

/* How many there were: with fewer than two there was no race. */
static unsigned
writers_run(struct race *r, void *(*run)(void *))
{
    struct writer writers[WRITERS] = {0};
    unsigned started = 0;

    gate_set(r, false);
    for (; started < WRITERS; started++) {
        writers[started] = (struct writer){.race = r, .number = started};
        if (lh_thread_start(&writers[started].thread, "probe", run, &writers[started], NULL) !=
            LH_OK)
            break;
    }
    gate_set(r, true);
    for (unsigned i = 0; i < started; i++)
        lh_thread_join(writers[i].thread);
    return started;
}

/* ---- creation ---- */

static bool
race_unclear(struct race *r, const char *what)
{
    return probe_fell_short(r->p, what, r->lock.why[0] ? r->lock.why : "no writers were to be had");
}

static bool
winner_is_there(struct race *r)
{
    struct lh_object_info info;
    char found[24], wrote[24];
    LH_AUTO_ERROR(err);

    if (probe_get(r->p->bucket, r->p->call, r->key, found, sizeof(found), &info, &err) != LH_OK)
        return probe_fell_short(r->p, "create if absent", err.text);
    (void)snprintf(wrote, sizeof(wrote), "%u", atomic_load(&r->winner));
    return strcmp(found, wrote) == 0 ||
           probe_lied(r->p, "create if absent",
                      "another wrote what is there than the one that was told it had won");
}

static bool
creation_round(struct race *r, int round)
{
    unsigned writers, won;
    char why[120];
    bool is_right;

    (void)snprintf(r->key, sizeof(r->key), "%screate-%d", r->p->folder, round);
    atomic_store(&r->won, 0);
    writers = writers_run(r, creator_run);
    won = atomic_load(&r->won);
    (void)snprintf(why, sizeof(why), "%u of %u writers at once were told that they had created it",
                   won, writers);
    if (won > 1)
        is_right = probe_lied(r->p, "create if absent", why);
    else if (writers < 2 || atomic_load(&r->is_unclear))
        is_right = race_unclear(r, "create if absent");
    else if (won == 0)
        is_right = probe_fell_short(r->p, "create if absent", why);
    else
        is_right = winner_is_there(r);
    if (won > 0)
        probe_remove(r->p, r->key);
    return is_right;
}

/* ---- swapping ---- */

static bool
count_is_right(struct race *r)
{
    struct lh_object_info info;
    char text[24], why[120];
    uint64_t found = 0;
    LH_AUTO_ERROR(err);

    if (probe_get(r->p->bucket, r->p->call, r->key, text, sizeof(text), &info, &err) != LH_OK)
        return probe_fell_short(r->p, "compare and swap", err.text);
    (void)lh_str_u64(lh_str_of(text), &found);
    (void)snprintf(why, sizeof(why), "%u updates were acknowledged, %" PRIu64 " of them are there",
                   atomic_load(&r->added), found);
    if (found < atomic_load(&r->added))
        return probe_lied(r->p, "compare and swap", why);
    return found <= atomic_load(&r->added) + atomic_load(&r->perhaps_added) ||
           probe_fell_short(r->p, "compare and swap", why);
}

static bool
swapping(struct race *r)
{
    LH_AUTO_ERROR(err);
    unsigned writers;
    bool is_right;

    (void)snprintf(r->key, sizeof(r->key), "%scount", r->p->folder);
    if (probe_put(r->p->bucket, r->p->call, r->key, LH_STR("0"), &(struct lh_put_options){0}, NULL,
                  &err) != LH_OK)
        return probe_fell_short(r->p, "put", err.text);
    writers = writers_run(r, adder_run);
    if (writers < 2 || atomic_load(&r->is_unclear))
        is_right = race_unclear(r, "compare and swap");
    else
        is_right = count_is_right(r);
    probe_remove(r->p, r->key);
    return is_right;
}

void
probe_race(struct probe *p)
{
    struct race r = {.p = p};
    bool creates = true;

    pthread_mutex_init(&r.lock.mutex, NULL);
    pthread_cond_init(&r.lock.changed, NULL);
    for (int round = 0; creates && round < ROUNDS; round++)
        creates = creation_round(&r, round);
    p->health->has_create_if_absent = creates;
    p->health->has_compare_and_swap = creates && swapping(&r);
    pthread_cond_destroy(&r.lock.changed);
    pthread_mutex_destroy(&r.lock.mutex);
}
