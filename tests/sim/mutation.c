/*
 * What happens when a part of the protocol is taken out. Each is done here, at a seam: the code
 * under test knows nothing of it. One more is in shelf.c, one in bucket.c.
 */
#include <string.h>

#include "mutation.h"
#include "services/catalogd/manifest.h"
#include "world.h"

enum mutation world_mutation;

static const char *const names[MUTATION_COUNT] = {
    "none",
    "ignore-if-absent",
    "collect-beside-writers",
    "no-writer-records",
    "answer-before-put",
    "no-read-back",
    "no-event-recovery",
    "log-answers-early",
    "no-fence",
};

const char *
mutation_name(enum mutation m)
{
    return names[m];
}

bool
mutation_parse(const char *name, enum mutation *out)
{
    for (int i = 0; i < MUTATION_COUNT; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        *out = (enum mutation)i;
        return true;
    }
    return false;
}

lh_status
__wrap_catalog_writers_live(struct catalog_writers *w, struct lh_call *call, lh_str dataset,
                            bool *is_written, struct lh_error *err)
{
    if (world_mutation != MUTATION_COLLECT_BESIDE_WRITERS)
        return __real_catalog_writers_live(w, call, dataset, is_written, err);
    *is_written = false;
    return LH_OK;
}

lh_status
__wrap_catalog_writer_begin(struct catalog_writers *w, struct lh_call *call, lh_str id,
                            lh_str dataset, struct lh_error *err)
{
    if (world_mutation != MUTATION_NO_WRITER_RECORDS)
        return __real_catalog_writer_begin(w, call, id, dataset, err);
    return LH_OK;
}

lh_status
__wrap_catalog_writer_check(struct catalog_writers *w, struct lh_call *call, lh_str id,
                            lh_str dataset, struct lh_error *err)
{
    if (world_mutation != MUTATION_NO_WRITER_RECORDS)
        return __real_catalog_writer_check(w, call, id, dataset, err);
    return LH_OK;
}

/* A put that was refused, and whose bytes nobody compares: it was a rival's. */
lh_status
__wrap_lh_object_put(struct lh_bucket *b, struct lh_call *call, lh_str key, lh_bytes bytes,
                     const struct lh_put_options *options, struct lh_object_info *info,
                     struct lh_error *err)
{
    lh_status status = __real_lh_object_put(b, call, key, bytes, options, info, err);

    if (world_mutation != MUTATION_NO_READ_BACK || status == LH_OK ||
        !lh_str_starts(key, LH_STR(CATALOG_DATASETS_PREFIX)))
        return status;
    return lh_fail(err, LH_INVALID, "catalog.version_taken", "not read back");
}

lh_status
__wrap_catalog_events_complete(struct catalog *c, struct lh_call *call, int64_t grace_us,
                               struct lh_error *err)
{
    if (world_mutation == MUTATION_NO_EVENT_RECOVERY)
        return LH_OK;
    return __real_catalog_events_complete(c, call, grace_us, err);
}

lh_status
__wrap_lh_append_log_add(struct lh_append_log *log, struct lh_call *call, lh_str record,
                         struct lh_error *err)
{
    if (world_mutation == MUTATION_LOG_ANSWERS_EARLY)
        return lh_append_log_add_async(log, record, err);
    return __real_lh_append_log_add(log, call, record, err);
}

lh_status
__wrap_catalog_fence(struct catalog *c, struct lh_call *call, lh_str dataset, struct lh_error *err)
{
    if (world_mutation == MUTATION_NO_FENCE)
        return LH_OK;
    return __real_catalog_fence(c, call, dataset, err);
}
