/*
 * Every job of this process is in a list with its latest record; the bucket gets it when it begins,
 * every HEARTBEAT_MS while it runs, and when it ends. A process holds a lock on a file of its own
 * in <data>/jobs/ for as long as it lives; a record whose owner's file can be locked is of a
 * process that has died. On another machine there is no such file, and the age of the record
 * decides.
 */
#include "services/jobs.h"
#include "services/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"

#define PREFIX "_jobs/"
#define SUFFIX ".json"
#define CANCEL ".cancel"
#define RECORD_BYTES_MAX ((size_t)1 << 20)

enum { HEARTBEAT_MS = 1000, LEASE_MS = 60000, MESSAGE_MAX = 256, NAME_MAX_BYTES = 128 };

const struct lh_config_key lh_jobs_config[] = {
    {"jobs.concurrency", LH_CONFIG_I64, "2", 1, 64, "Jobs of one service that run at once.", NULL,
     false},
    {"jobs.queue_max", LH_CONFIG_I64, "100", 1, 10000, "Jobs that may wait; more are answered 503.",
     NULL, false},
    {"jobs.keep", LH_CONFIG_I64, "1000", 10, 100000,
     "Records of finished jobs that are kept; the oldest go first.", NULL, false},
    {0},
};

enum state { QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELED };
static const char *const state_names[] = {"queued", "running", "succeeded", "failed", "canceled"};

/* What the object says. */
struct record {
    char id[LH_UUID_TEXT];
    char service[NAME_MAX_BYTES], kind[NAME_MAX_BYTES], subject[NAME_MAX_BYTES];
    char owner[LH_UUID_TEXT];
    enum state state;
    double progress;
    char message[MESSAGE_MAX];
    json_t *result;
    char code[LH_ERROR_REASON_MAX], detail[LH_ERROR_TEXT_MAX];
    int64_t created_us, started_us, finished_us, updated_us;
};

struct lh_job {
    struct lh_job *next;
    struct lh_jobs *jobs;
    struct lh_job_work work;
    struct lh_call call;
    struct record record; /* state, progress and message under the lock */
    bool is_canceled;
};

struct lh_jobs {
    const struct lh_env *env;
    struct lh_bucket *bucket;
    char service[NAME_MAX_BYTES];
    char owner[LH_UUID_TEXT];
    char *lock_path;
    int lock_fd;
    size_t concurrency, queue_max, keep;
    pthread_t heart;
    pthread_mutex_t storing; /* one record at a time, so that the last one is the last; first */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct lh_job *all; /* queued and running */
    size_t running, queued;
    bool is_stopping;
};

/* ---- records ---- */

static void
record_print(const struct record *r, bool is_public, struct lh_json_writer *w)
{
    lh_json_object_begin(w);
    lh_json_set_cstr(w, "id", r->id);
    lh_json_set_cstr(w, "service", r->service);
    lh_json_set_cstr(w, "kind", r->kind);
    lh_json_set_cstr(w, "subject", r->subject);
    lh_json_set_cstr(w, "state", state_names[r->state]);
    lh_json_set_f64(w, "progress", r->progress);
    lh_json_set_cstr(w, "message", r->message);
    lh_json_key(w, "result");
    if (r->result)
        lh_json_put_value(w, r->result);
    else
        lh_json_put_null(w);
    if (r->code[0]) {
        lh_json_key(w, "error");
        lh_json_object_begin(w);
        lh_json_set_cstr(w, "code", r->code);
        lh_json_set_cstr(w, "detail", r->detail);
        lh_json_object_end(w);
    }
    lh_json_set_time(w, "created_at", r->created_us);
    if (r->started_us)
        lh_json_set_time(w, "started_at", r->started_us);
    if (r->finished_us)
        lh_json_set_time(w, "finished_at", r->finished_us);
    if (!is_public) {
        lh_json_set_cstr(w, "owner", r->owner);
        lh_json_set_time(w, "updated_at", r->updated_us);
    }
    lh_json_object_end(w);
}

static void
text_of(const json_t *o, const char *field, char *to, size_t size)
{
    lh_str_copy(to, size, lh_str_of(json_string_value(json_object_get(o, field))));
}

static int64_t
time_of(const json_t *o, const char *field)
{
    int64_t us = 0;

    (void)lh_time_parse(lh_str_of(json_string_value(json_object_get(o, field))), &us);
    return us;
}

static bool
record_parse(const json_t *o, struct record *r)
{
    const json_t *error = json_object_get(o, "error");
    const char *state = json_string_value(json_object_get(o, "state"));

    *r = (struct record){.state = CANCELED + 1};
    for (int i = QUEUED; state && i <= (int)CANCELED; i++) {
        if (strcmp(state, state_names[i]) == 0)
            r->state = (enum state)i;
    }
    text_of(o, "id", r->id, sizeof(r->id));
    text_of(o, "service", r->service, sizeof(r->service));
    text_of(o, "kind", r->kind, sizeof(r->kind));
    text_of(o, "subject", r->subject, sizeof(r->subject));
    text_of(o, "owner", r->owner, sizeof(r->owner));
    text_of(o, "message", r->message, sizeof(r->message));
    text_of(error, "code", r->code, sizeof(r->code));
    text_of(error, "detail", r->detail, sizeof(r->detail));
    r->progress = json_number_value(json_object_get(o, "progress"));
    r->created_us = time_of(o, "created_at");
    r->started_us = time_of(o, "started_at");
    r->finished_us = time_of(o, "finished_at");
    r->updated_us = time_of(o, "updated_at");
    r->result = json_incref(json_object_get(o, "result"));
    return r->state <= CANCELED && r->id[0];
}

static lh_str
record_key(lh_str id, const char *suffix, struct lh_arena *arena)
{
    return lh_str_of(lh_arena_printf(arena, PREFIX "%.*s%s", LH_FMT(id), suffix));
}

static lh_status
record_store(struct lh_jobs *j, struct lh_call *call, struct record *r, struct lh_error *err)
{
    LH_AUTO_BUF(text, RECORD_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&text);
    struct lh_object_info info;

    r->updated_us = lh_time_now_us();
    record_print(r, false, &w);
    LH_TRY(lh_buf_check(&text, "the record of a job", err));
    return lh_object_put(j->bucket, call, record_key(lh_str_of(r->id), SUFFIX, &call->arena),
                         lh_buf_bytes(&text),
                         &(struct lh_put_options){.content_type = "application/json"}, &info, err);
}

/* ---- whether a process lives ---- */

static char *
owner_path(const struct lh_jobs *j, const char *owner)
{
    return lh_asprintf("%s/jobs/%s.lock", j->env->data_dir, owner);
}

static lh_status
owner_lock(struct lh_jobs *j, struct lh_error *err)
{
    LH_AUTO_CHARS folder = lh_asprintf("%s/jobs", j->env->data_dir);

    lh_uuid_format(lh_uuid_v4(), j->owner);
    j->lock_path = owner_path(j, j->owner);
    LH_TRY(lh_dir_make(folder, 0700, err));
    j->lock_fd = open(j->lock_path, O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
    if (j->lock_fd < 0 || flock(j->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return lh_fail_errno(err, errno, "locking %s", j->lock_path);
    return LH_OK;
}

/* An owner's name comes out of a bucket and becomes a path: only what we would have written. */
static bool
owner_is_dead(const struct lh_jobs *j, const struct record *r)
{
    LH_AUTO_CHARS path = NULL;
    LH_AUTO_FD fd = -1;
    lh_uuid id;

    if (strcmp(r->owner, j->owner) == 0)
        return false;
    if (!lh_uuid_parse(lh_str_of(r->owner), &id))
        return true;
    path = owner_path(j, r->owner);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return lh_time_now_us() - r->updated_us > (int64_t)LEASE_MS * 1000;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return false;
    return true;
}

/* What a dead process left as running has failed. */
static void
record_settle(struct lh_jobs *j, struct lh_call *call, struct record *r)
{
    if (r->state > RUNNING || !owner_is_dead(j, r))
        return;
    r->state = FAILED;
    r->finished_us = lh_time_now_us();
    lh_str_copy(r->code, sizeof(r->code), LH_STR("job.interrupted"));
    lh_str_copy(r->detail, sizeof(r->detail), LH_STR("the process that ran it has ended"));
    (void)record_store(j, call, r, NULL);
}

static lh_status
record_load(struct lh_jobs *j, struct lh_call *call, lh_str id, struct record *r,
            struct lh_error *err)
{
    LH_AUTO_BUF(text, RECORD_BYTES_MAX);
    LH_AUTO_JSON o = NULL;
    LH_AUTO_ERROR(why);
    lh_uuid uuid;
    lh_status status = LH_NOT_FOUND;

    if (lh_uuid_parse(id, &uuid))
        status =
            lh_object_get(j->bucket, call, record_key(id, SUFFIX, &call->arena), &text, NULL, &why);
    if (status == LH_NOT_FOUND)
        return lh_fail(err, LH_NOT_FOUND, "jobs.unknown_job", "there is no job '%.*s'",
                       LH_FMT(lh_str_fit(id, 64)));
    if (status != LH_OK) {
        lh_error_copy(err, &why);
        return status;
    }
    if (lh_json_parse(lh_buf_str(&text), &o, NULL) != LH_OK || !record_parse(o, r))
        return lh_fail(err, LH_CORRUPT, "jobs.record", "the record of job '%.*s' is damaged",
                       LH_FMT(id));
    record_settle(j, call, r);
    return LH_OK;
}

/* ---- running ---- */

/* With the lock. */
static void
job_unlink(struct lh_jobs *j, struct lh_job *job)
{
    struct lh_job **at = &j->all;

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
}

static void
job_free(struct lh_job *job)
{
    job->work.release(job->work.context);
    json_decref(job->record.result);
    lh_call_fini(&job->call);
    free(job);
}

static void
state_set(struct lh_job *job, enum state state)
{
    LH_AUTO_LOCK(&job->jobs->lock);

    job->record.state = state;
    if (state == RUNNING)
        job->record.started_us = lh_time_now_us();
    else
        job->record.finished_us = lh_time_now_us();
    if (state == SUCCEEDED)
        job->record.progress = 1;
}

/* With `storing`: nothing else is written between this look at the record and the put. */
static void
copy_store(struct lh_jobs *j, struct record *copy)
{
    LH_AUTO_ERROR(err);
    struct lh_call call;

    lh_call_init(&call);
    if (record_store(j, &call, copy, &err) != LH_OK)
        lh_log_error(LH_LOG_ERROR, j->service, "the record of a job was not written", &err);
    lh_call_fini(&call);
}

static void
job_store(struct lh_job *job)
{
    LH_AUTO_LOCK(&job->jobs->storing);
    struct record copy;

    {
        LH_AUTO_LOCK(&job->jobs->lock);
        job->record.updated_us = lh_time_now_us();
        copy = job->record;
    }
    copy_store(job->jobs, &copy);
}

static void
job_run(struct lh_job *job)
{
    LH_AUTO_ERROR(err);
    json_t *result = NULL;
    lh_status status;

    state_set(job, RUNNING);
    job_store(job);
    status = lh_call_check(&job->call, &err);
    if (status == LH_OK)
        status = job->work.run(job->work.context, job, &job->call, &result, &err);
    {
        LH_AUTO_LOCK(&job->jobs->lock);
        job->record.result = result;
        if (status != LH_OK && job->jobs->is_stopping) {
            lh_str_copy(job->record.code, sizeof(job->record.code), LH_STR("job.interrupted"));
            lh_str_copy(job->record.detail, sizeof(job->record.detail),
                        LH_STR("the process was stopped"));
        } else if (status != LH_OK) {
            lh_str_copy(job->record.code, sizeof(job->record.code), lh_str_of(err.reason));
            lh_str_copy(job->record.detail, sizeof(job->record.detail), lh_str_of(err.text));
        }
    }
    state_set(job, status == LH_OK ? SUCCEEDED : job->is_canceled ? CANCELED : FAILED);
    if (status != LH_OK && !job->is_canceled && job->jobs->env->host)
        lh_host_report(job->jobs->env->host, &job->call, job->jobs->service, NULL, &err);
    job_store(job);
}

static struct lh_job *
queued_take(struct lh_jobs *j)
{
    struct lh_job *first = NULL;
    LH_AUTO_LOCK(&j->lock);

    /* The list has the newest in front. */
    for (struct lh_job *job = j->all; job; job = job->next) {
        if (job->record.state == QUEUED)
            first = job;
    }
    if (first && !j->is_stopping) {
        first->record.state = RUNNING;
        j->queued--;
        return first;
    }
    j->running--;
    pthread_cond_broadcast(&j->changed);
    return NULL;
}

static void *
runner(void *arg)
{
    struct lh_jobs *j = arg;

    for (struct lh_job *job; (job = queued_take(j)) != NULL;) {
        job_run(job);
        {
            LH_AUTO_LOCK(&j->lock);
            job_unlink(j, job);
        }
        job_free(job);
    }
    return NULL;
}

static lh_status
runner_start(struct lh_jobs *j, struct lh_error *err)
{
    pthread_t thread;

    {
        LH_AUTO_LOCK(&j->lock);
        if (j->running == j->concurrency)
            return LH_OK;
        j->running++;
    }
    lh_status status = lh_thread_start(&thread, "job", runner, j, err);

    if (status == LH_OK) {
        pthread_detach(thread);
        return LH_OK;
    }
    LH_AUTO_LOCK(&j->lock);
    j->running--;
    return status;
}

/* ---- the heart ---- */

static bool
is_wanted_canceled(struct lh_jobs *j, struct lh_call *call, const char *id)
{
    struct lh_object_info info;

    return lh_object_head(j->bucket, call, record_key(lh_str_of(id), CANCEL, &call->arena), &info,
                          NULL) == LH_OK;
}

/* The state in which the job of this process was found, or -1. One that is over is still here until
 * its record is stored, and everybody can read that it is over. */
static int
local_cancel(struct lh_jobs *j, lh_str id)
{
    LH_AUTO_LOCK(&j->lock);

    for (struct lh_job *job = j->all; job; job = job->next) {
        if (!lh_str_eq(lh_str_of(job->record.id), id))
            continue;
        if (job->record.state <= RUNNING) {
            job->is_canceled = true;
            lh_call_cancel(&job->call);
        }
        return (int)job->record.state;
    }
    return -1;
}

/* The next job that runs, after the id in `r`; its record, or false. */
static bool
running_next(struct lh_jobs *j, struct record *r)
{
    const struct lh_job *found = NULL;
    LH_AUTO_LOCK(&j->lock);

    for (struct lh_job *job = j->all; job; job = job->next) {
        if (job->record.state <= RUNNING && strcmp(job->record.id, r->id) > 0 &&
            (found == NULL || strcmp(job->record.id, found->record.id) < 0))
            found = job;
    }
    if (found)
        *r = found->record;
    return found != NULL;
}

/* Records are written now and then though nothing moves, so that other machines know that somebody
 * is at work. */
static void
beat(struct lh_jobs *j)
{
    struct record r = {0};
    struct lh_call call;

    lh_call_init(&call);
    for (;;) {
        LH_AUTO_LOCK(&j->storing);

        if (!running_next(j, &r))
            break;
        if (lh_time_now_us() - r.updated_us > (int64_t)LEASE_MS * 1000 / 4)
            copy_store(j, &r);
        if (is_wanted_canceled(j, &call, r.id))
            (void)local_cancel(j, lh_str_of(r.id));
    }
    lh_call_fini(&call);
}

static void *
heart_run(void *arg)
{
    struct lh_jobs *j = arg;
    bool is_stopping = false;

    while (!is_stopping) {
        int64_t until_ms = lh_time_mono_ms() + HEARTBEAT_MS;

        {
            LH_AUTO_LOCK(&j->lock);
            while (!j->is_stopping &&
                   (j->all == NULL || lh_cond_wait_until(&j->changed, &j->lock, until_ms))) {
                if (j->all == NULL) {
                    pthread_cond_wait(&j->changed, &j->lock);
                    until_ms = lh_time_mono_ms() + HEARTBEAT_MS;
                }
            }
            is_stopping = j->is_stopping;
        }
        if (!is_stopping)
            beat(j);
    }
    return NULL;
}

const char *
lh_job_id(const struct lh_job *job)
{
    return job->record.id;
}

void
lh_job_progress(struct lh_job *job, double share, const char *fmt, ...)
{
    bool is_due;
    va_list args;

    {
        LH_AUTO_LOCK(&job->jobs->lock);
        va_start(args, fmt);
        (void)vsnprintf(job->record.message, sizeof(job->record.message), fmt, args);
        va_end(args);
        if (share > job->record.progress)
            job->record.progress = share < 1 ? share : 1;
        is_due = lh_time_now_us() - job->record.updated_us > (int64_t)HEARTBEAT_MS * 1000;
    }
    if (is_due)
        job_store(job);
}

/* ---- starting ---- */

static struct lh_job *
job_new(struct lh_jobs *j, struct lh_call *call, const struct lh_job_work *work)
{
    struct lh_job *job = LH_NEW(struct lh_job);

    job->jobs = j;
    job->work = *work;
    lh_call_init(&job->call);
    job->call.principal = call->principal;
    job->call.principal.name = lh_arena_cstr(&job->call.arena, lh_str_of(call->principal.name));
    job->call.principal.profile =
        lh_arena_cstr(&job->call.arena, lh_str_of(call->principal.profile));
    job->call.trace = call->trace;
    job->call.source = "job";
    lh_uuid_format(lh_uuid_v7(), job->record.id);
    lh_str_copy(job->record.service, NAME_MAX_BYTES, lh_str_of(j->service));
    lh_str_copy(job->record.kind, NAME_MAX_BYTES, lh_str_of(work->kind));
    lh_str_copy(job->record.subject, NAME_MAX_BYTES, lh_str_of(work->subject));
    lh_str_copy(job->record.owner, LH_UUID_TEXT, lh_str_of(j->owner));
    job->record.created_us = lh_time_now_us();
    return job;
}

static lh_status
job_queue(struct lh_jobs *j, struct lh_job *job, struct lh_error *err)
{
    LH_AUTO_LOCK(&j->lock);

    if (j->queued == j->queue_max || j->is_stopping)
        return lh_fail(err, LH_BUSY, "jobs.queue_full", "%zu jobs wait already", j->queued);
    j->queued++;
    job->next = j->all;
    j->all = job;
    pthread_cond_broadcast(&j->changed);
    return LH_OK;
}

static void old_remove(struct lh_jobs *j, struct lh_call *call);

lh_status
lh_jobs_start(struct lh_jobs *j, struct lh_call *call, const struct lh_job_work *work,
              char id[LH_UUID_TEXT], struct lh_error *err)
{
    struct lh_job *job = job_new(j, call, work);
    lh_status status = record_store(j, call, &job->record, err);

    memcpy(id, job->record.id, LH_UUID_TEXT);
    old_remove(j, call);
    if (status == LH_OK)
        status = job_queue(j, job, err);
    if (status != LH_OK) {
        (void)lh_object_delete(j->bucket, call, record_key(lh_str_of(id), SUFFIX, &call->arena),
                               NULL, NULL);
        job_free(job);
        return status;
    }
    return runner_start(j, err);
}

void
lh_jobs_accepted_print(const char *id, struct lh_buf *answer)
{
    struct lh_json_writer w = lh_json_writer_over(answer);

    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "job_id", id);
    lh_json_set_cstr(&w, "id", id);
    lh_json_set_cstr(&w, "state", state_names[QUEUED]);
    lh_json_object_end(&w);
}

size_t
lh_jobs_running(struct lh_jobs *j)
{
    LH_AUTO_LOCK(&j->lock);

    return j->running;
}

/* ---- answering ---- */

/* The record as it stands in this process is newer than the object. */
static bool
local_print(struct lh_jobs *j, lh_str id, struct lh_json_writer *w)
{
    LH_AUTO_LOCK(&j->lock);

    for (struct lh_job *job = j->all; job; job = job->next) {
        if (lh_str_eq(lh_str_of(job->record.id), id)) {
            record_print(&job->record, true, w);
            return true;
        }
    }
    return false;
}

static lh_status
one_print(struct lh_jobs *j, struct lh_call *call, lh_str id, struct lh_json_writer *w,
          struct lh_error *err)
{
    struct record r;

    if (local_print(j, id, w))
        return LH_OK;
    LH_TRY(record_load(j, call, id, &r, err));
    record_print(&r, true, w);
    json_decref(r.result);
    return LH_OK;
}

lh_status
lh_jobs_print(struct lh_jobs *j, struct lh_call *call, lh_str id, struct lh_buf *answer,
              struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(answer);

    return one_print(j, call, id, &w, err);
}

struct ids {
    struct lh_arena *arena;
    lh_str *items; /* ascending, so by time */
    size_t count, capacity;
};

static lh_status
id_note(void *ctx, const struct lh_object_entry *entry, struct lh_error *err)
{
    struct ids *ids = ctx;
    lh_str key = lh_str_of(entry->key);

    (void)err;
    if (!lh_str_ends(key, LH_STR(SUFFIX)))
        return LH_OK;
    if (ids->count == ids->capacity) {
        size_t capacity = ids->capacity ? 2 * ids->capacity : 64;
        lh_str *items = lh_arena_array(ids->arena, capacity, sizeof(*items));

        if (ids->count > 0)
            memcpy(items, ids->items, ids->count * sizeof(*items));
        ids->items = items;
        ids->capacity = capacity;
    }
    ids->items[ids->count++] = lh_arena_str(
        ids->arena, lh_str_slice(key, sizeof(PREFIX) - 1, key.len - (sizeof(SUFFIX) - 1)));
    return LH_OK;
}

static lh_status
ids_list(struct lh_jobs *j, struct lh_call *call, struct ids *ids, struct lh_error *err)
{
    *ids = (struct ids){.arena = &call->arena};
    return lh_object_walk(j->bucket, call, LH_STR(PREFIX), id_note, ids, err);
}

lh_status
lh_jobs_list_print(struct lh_jobs *j, struct lh_call *call, lh_str after, size_t limit,
                   struct lh_buf *answer, struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(answer);
    size_t shown = 0, at;
    struct ids ids;

    LH_TRY(ids_list(j, call, &ids, err));
    lh_json_object_begin(&w);
    lh_json_key(&w, "jobs");
    lh_json_array_begin(&w);
    for (at = ids.count; at > 0 && shown < limit; at--) {
        LH_AUTO_ERROR(why);

        if (after.len > 0 && lh_str_cmp(ids.items[at - 1], after) >= 0)
            continue;
        if (one_print(j, call, ids.items[at - 1], &w, &why) == LH_OK)
            shown++;
    }
    lh_json_array_end(&w);
    if (at > 0 && shown == limit)
        lh_json_set_str(&w, "next_cursor", ids.items[at]);
    lh_json_object_end(&w);
    return LH_OK;
}

/* Best effort: a record too many does no harm. */
static void
old_remove(struct lh_jobs *j, struct lh_call *call)
{
    struct ids ids;

    if (ids_list(j, call, &ids, NULL) != LH_OK)
        return;
    for (size_t i = 0; i + j->keep < ids.count; i++) {
        (void)lh_object_delete(j->bucket, call, record_key(ids.items[i], SUFFIX, &call->arena),
                               NULL, NULL);
        (void)lh_object_delete(j->bucket, call, record_key(ids.items[i], CANCEL, &call->arena),
                               NULL, NULL);
    }
}

bool
lh_jobs_is_over(struct lh_jobs *j, struct lh_call *call, lh_str id)
{
    struct record r = {0};
    LH_AUTO_ERROR(err);
    lh_status status = record_load(j, call, id, &r, &err);

    json_decref(r.result);
    return status == LH_OK ? r.state > RUNNING : status == LH_NOT_FOUND;
}

lh_status
lh_jobs_cancel(struct lh_jobs *j, struct lh_call *call, lh_str id, struct lh_error *err)
{
    struct lh_object_info info;
    struct record r;
    int here = local_cancel(j, id);
    enum state state;

    if (here >= 0 && here <= RUNNING)
        return LH_OK;
    if (here < 0) {
        LH_TRY(record_load(j, call, id, &r, err));
        json_decref(r.result);
    }
    state = here < 0 ? r.state : (enum state)here;
    if (state > RUNNING)
        return lh_fail(err, LH_CONFLICT, "jobs.finished", "job '%.*s' is %s", LH_FMT(id),
                       state_names[state]);
    return lh_object_put(j->bucket, call, record_key(id, CANCEL, &call->arena),
                         (lh_bytes){(const uint8_t *)"", 0}, &(struct lh_put_options){0}, &info,
                         err);
}

/* ---- life ---- */

lh_status
lh_jobs_open(const struct lh_env *env, const char *service, struct lh_jobs **out,
             struct lh_error *err)
{
    struct lh_jobs *j = LH_NEW(struct lh_jobs);
    lh_status status;

    j->env = env;
    j->bucket = lh_store_primary(env->store);
    j->lock_fd = -1;
    lh_str_copy(j->service, sizeof(j->service), lh_str_of(service));
    j->concurrency = (size_t)lh_config_i64(env->config, "jobs.concurrency");
    j->queue_max = (size_t)lh_config_i64(env->config, "jobs.queue_max");
    j->keep = (size_t)lh_config_i64(env->config, "jobs.keep");
    pthread_mutex_init(&j->lock, NULL);
    pthread_mutex_init(&j->storing, NULL);
    lh_cond_init(&j->changed);
    status = owner_lock(j, err);
    if (status == LH_OK)
        status = lh_thread_start(&j->heart, "jobs", heart_run, j, err);
    if (status != LH_OK) {
        if (j->lock_fd >= 0)
            close(j->lock_fd);
        free(j->lock_path);
        free(j);
        return status;
    }
    *out = j;
    return LH_OK;
}

/* What still waits has not begun: it ends as interrupted. */
static void
queued_drop(struct lh_jobs *j)
{
    while (j->all) {
        struct lh_job *job = j->all;

        j->all = job->next;
        lh_str_copy(job->record.code, sizeof(job->record.code), LH_STR("job.interrupted"));
        lh_str_copy(job->record.detail, sizeof(job->record.detail),
                    LH_STR("the process stopped before it began"));
        state_set(job, FAILED);
        job_store(job);
        job_free(job);
    }
}

void
lh_jobs_close(struct lh_jobs *j)
{
    if (j == NULL)
        return;
    {
        LH_AUTO_LOCK(&j->lock);
        j->is_stopping = true;
        for (struct lh_job *job = j->all; job; job = job->next)
            lh_call_cancel(&job->call);
        pthread_cond_broadcast(&j->changed);
        while (j->running > 0)
            pthread_cond_wait(&j->changed, &j->lock);
    }
    lh_thread_join(j->heart);
    queued_drop(j);
    close(j->lock_fd);
    unlink(j->lock_path);
    free(j->lock_path);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    pthread_mutex_destroy(&j->storing);
    free(j);
}
