#include "services/journald/journal.h"

static lh_status
journald_start(const struct lh_env *env, void **self, struct lh_error *err)
{
    struct journal *j = NULL;

    LH_TRY(journal_open(env, &j, err));
    *self = j;
    return LH_OK;
}

static void
journald_stop(void *self)
{
    journal_free(self);
}

/* Records that wait while puts fail mean that mutations are not being acknowledged. */
static size_t
journald_ready(void *self, struct lh_call *call, struct lh_ready_check *checks, size_t max)
{
    struct journal *j = self;
    struct lh_append_log_stats stats = lh_append_log_stats_get(j->event_log);
    uint64_t queue_max = (uint64_t)lh_config_i64(j->env->config, "journal.queue_max");

    (void)call;
    if (max == 0)
        return 0;
    checks[0] = (struct lh_ready_check){.name = "journal", .is_ok = stats.waiting < queue_max};
    if (!checks[0].is_ok)
        lh_str_copy(checks[0].detail, sizeof(checks[0].detail), LH_STR("the event queue is full"));
    return 1;
}

static void
log_status(struct lh_json_writer *w, const char *key, const struct lh_append_log *log)
{
    struct lh_append_log_stats stats = lh_append_log_stats_get(log);

    lh_json_key(w, key);
    lh_json_object_begin(w);
    lh_json_set_u64(w, "records", stats.records);
    lh_json_set_u64(w, "batches", stats.batches);
    lh_json_set_u64(w, "bytes", stats.bytes);
    lh_json_set_u64(w, "failed_puts", stats.failed_puts);
    lh_json_set_u64(w, "waiting", stats.waiting);
    lh_json_object_end(w);
}

static void
journald_status(void *self, struct lh_json_writer *w)
{
    struct journal *j = self;

    log_status(w, "events", j->event_log);
    log_status(w, "errors", j->error_log);
}

const struct lh_service lh_journald = {
    .name = "journald",
    .what = "what happened, and what went wrong",
    .config = journal_config,
    .routes = journal_routes,
    .start = journald_start,
    .stop = journald_stop,
    .ready = journald_ready,
    .status = journald_status,
};
