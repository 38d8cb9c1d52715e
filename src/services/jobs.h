/*
 * jobs: work that outlives the request that asked for it.
 *
 * A service hands in a function; it runs on a thread of this module, on a call of its own with the
 * principal of whoever asked. What became of it is a small object, `_jobs/<id>.json` in the primary
 * bucket, so that any process can answer for it and a restart does not forget: a job whose process
 * has died is `failed` with the code "job.interrupted". Jobs are not resumed; what they do is
 * written so that doing it again is harmless.
 *
 * Owns     the thread and the record. `context` is released by `release`, once, in any case.
 * Threads  all functions from any thread; progress from the job's own.
 * Fails    BUSY "jobs.queue_full"; NOT_FOUND "jobs.unknown_job"; CONFLICT "jobs.finished".
 * Limits   jobs.concurrency at a time, jobs.queue_max waiting, jobs.keep records.
 * Format   docs/formats/jobs.md
 */
#ifndef LH_SERVICES_JOBS_H
#define LH_SERVICES_JOBS_H

#include "base/config.h"
#include "base/json.h"
#include "services/service.h"

extern const struct lh_config_key lh_jobs_config[];

struct lh_jobs;
struct lh_job;

/* `service` names whose jobs they are. */
lh_status lh_jobs_open(const struct lh_env *env, const char *service, struct lh_jobs **out,
                       struct lh_error *err);
/* Cancels what runs and waits for it to end. */
void lh_jobs_close(struct lh_jobs *j);

struct lh_job_work {
    const char *kind;    /* "index.build" */
    const char *subject; /* "workers" */
    /* Runs until done; checks its call. *result may be set to a JSON value, which is taken. */
    lh_status (*run)(void *context, struct lh_job *job, struct lh_call *call, json_t **result,
                     struct lh_error *err);
    void (*release)(void *context);
    void *context;
};

/* The record is in the bucket when it returns OK. `release` has been called when it does not. */
lh_status lh_jobs_start(struct lh_jobs *j, struct lh_call *call, const struct lh_job_work *work,
                        char id[LH_UUID_TEXT], struct lh_error *err);
const char *lh_job_id(const struct lh_job *job);
/* `share` from 0 to 1; never goes back. */
void lh_job_progress(struct lh_job *job, double share, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* GET /v1/jobs, GET and DELETE /v1/jobs/{id}: for the routes of the service that answers them. They
 * know the jobs of every process. */
lh_status lh_jobs_list_print(struct lh_jobs *j, struct lh_call *call, lh_str after, size_t limit,
                             struct lh_buf *answer, struct lh_error *err);
lh_status lh_jobs_print(struct lh_jobs *j, struct lh_call *call, lh_str id, struct lh_buf *answer,
                        struct lh_error *err);
lh_status lh_jobs_cancel(struct lh_jobs *j, struct lh_call *call, lh_str id, struct lh_error *err);
/* It has ended, or its process has, or nobody knows it. */
bool lh_jobs_is_over(struct lh_jobs *j, struct lh_call *call, lh_str id);
/* {"job_id","id","state"}, for the 202. */
void lh_jobs_accepted_print(const char *id, struct lh_buf *answer);

size_t lh_jobs_running(struct lh_jobs *j);

#endif
