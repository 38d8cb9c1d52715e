#include "services/journald/journal.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "services/journald/archivist.h"
#include "services/journald/event.h"

#define EVENT_BYTES_MAX ((size_t)1 << 20)

const struct lh_config_key journal_config[] = {
    {"journal.queue_max", LH_CONFIG_I64, "10000", 1, 1000000,
     "Events and failures that may wait for one put.", NULL, false},
    {"journal.cache_bytes", LH_CONFIG_SIZE, "8MiB", 0, INT64_C(1) << 40,
     "Memory for decoded batches of each of the two logs.", NULL, false},
    {"journal.refresh_interval", LH_CONFIG_DURATION, "1s", 0, 3600000,
     "How old a reader's view of what other processes wrote may be.", NULL, false},
    {"journal.failure_window", LH_CONFIG_DURATION, "1m", 1, 86400000,
     "How long equal failures are gathered into one row.", NULL, false},
    {"journal.archive_interval", LH_CONFIG_DURATION, "1h", 0, 604800000,
     "How often days of the logs that are long over are put together as Parquet; 0 never.", NULL,
     false},
    {"journal.archive_after", LH_CONFIG_DURATION, "7d", 86400000, INT64_C(3650) * 86400000,
     "How long a day must be over before it is archived.", NULL, false},
    {"journal.archive_grace", LH_CONFIG_DURATION, "1h", 0, 604800000,
     "How long batches stay beside the archive that has their records.", NULL, false},
    {0},
};

static const struct journal_row_shape event_shape = {
    .id = "event_id", .group = "entity_type", .topic = "entity_id"};
static const struct journal_row_shape error_shape = {
    .id = "error_id", .group = "service", .topic = "code"};

/* A batch that cannot be read is itself a failure, and one row of the errors. */
static void
batch_broken(void *self, const char *key, const struct lh_error *why)
{
    struct journal *j = self;

    journal_failures_add(j->failures, &(struct journal_failure){
                                          .service = LH_STR("journald"),
                                          .code = lh_str_of(why->reason),
                                          .detail = lh_str_of(why->text),
                                          .object = lh_str_of(key),
                                          .bucket = LH_STR("primary"),
                                      });
}

static lh_status
log_open(struct journal *j, const char *prefix, struct lh_append_log **out, struct lh_error *err)
{
    return lh_append_log_open(
        &(struct lh_append_log_options){
            .bucket = lh_store_primary(j->env->store),
            .prefix = prefix,
            .queue_max = (size_t)lh_config_i64(j->env->config, "journal.queue_max")},
        out, err);
}

static struct journal_shelf *
shelf_new(struct journal *j, const char *prefix, const struct journal_row_shape *shape)
{
    return journal_shelf_new(&(struct journal_shelf_options){
        .env = j->env,
        .bucket = lh_store_primary(j->env->store),
        .prefix = prefix,
        .shape = *shape,
        .cache_bytes = lh_config_size(j->env->config, "journal.cache_bytes"),
        .refresh_ms = lh_config_ms(j->env->config, "journal.refresh_interval"),
        .broken = batch_broken,
        .self = j});
}

static lh_status
journal_begin(struct journal *j, struct lh_error *err)
{
    LH_TRY(log_open(j, "_journal/events/", &j->event_log, err));
    LH_TRY(log_open(j, "_journal/errors/", &j->error_log, err));
    LH_TRY(journal_failures_open(
        j->error_log, lh_config_ms(j->env->config, "journal.failure_window"), &j->failures, err));
    j->events = shelf_new(j, "_journal/events/", &event_shape);
    j->errors = shelf_new(j, "_journal/errors/", &error_shape);
    return journal_archivist_start(j, &j->archivist, err);
}

lh_status
journal_open(const struct lh_env *env, struct journal **out, struct lh_error *err)
{
    struct journal *j = LH_NEW(struct journal);
    lh_status status;

    j->env = env;
    status = journal_begin(j, err);
    if (status != LH_OK) {
        journal_free(j);
        return status;
    }
    *out = j;
    return LH_OK;
}

/* The windows write their last counts through the log, so they go first. */
void
journal_free(struct journal *j)
{
    if (j == NULL)
        return;
    journal_archivist_stop(j->archivist);
    journal_failures_free(j->failures);
    lh_append_log_free(j->error_log);
    lh_append_log_free(j->event_log);
    journal_shelf_free(j->errors);
    journal_shelf_free(j->events);
    free(j);
}

lh_status
journal_add(struct journal *j, struct lh_call *call, const json_t *body, struct lh_error *err)
{
    LH_AUTO_BUF(line, EVENT_BYTES_MAX);

    LH_TRY(journal_event_encode(body, call, &line, err));
    LH_FAULT("journal.add.before_put", err);
    LH_TRY(lh_append_log_add(j->event_log, call, lh_buf_str(&line), err));
    journal_shelf_written(j->events, lh_append_log_stats_get(j->event_log).batches);
    return LH_OK;
}

struct search {
    const lh_uuid *ids;
    size_t count, left;
    bool *is_missing;
};

static lh_status
search_visit(void *self, const struct journal_row *row, const struct journal_place *place,
             bool is_past, bool *stop, struct lh_error *err)
{
    struct search *s = self;

    (void)place, (void)is_past, (void)err;
    for (size_t i = 0; i < s->count; i++) {
        if (!s->is_missing[i] || memcmp(&s->ids[i], &row->id, sizeof(row->id)) != 0)
            continue;
        s->is_missing[i] = false;
        s->left--;
    }
    *stop = s->left == 0;
    return LH_OK;
}

lh_status
journal_missing(struct journal *j, struct lh_call *call, const lh_uuid *ids, size_t count,
                bool *is_missing, struct lh_error *err)
{
    struct search s = {.ids = ids, .count = count, .left = count, .is_missing = is_missing};

    for (size_t i = 0; i < count; i++)
        is_missing[i] = true;
    if (count == 0)
        return LH_OK;
    return journal_shelf_walk(j->events, call,
                              &(struct journal_visitor){.visit = search_visit, .self = &s}, err);
}
