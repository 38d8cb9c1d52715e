/*
 * What an operator hears of reads that the rescue bucket answered: one row for each object and
 * trace, gathered by the journal like every other failure.
 *
 * Reads come on many threads with one call, so nothing here takes memory from it. The journal's own
 * reads go to the log only: the journal is what would have to take them down.
 */
#include "services/host_parts.h"

#include <stdio.h>
#include "base/alloc.h"
#include "base/log.h"
#include "services/journald/client.h"

#define CODE "store.rescued"

static bool
is_first(struct lh_host *h, const struct lh_call *call, const struct lh_rescue *told)
{
    LH_AUTO_CHARS what = lh_asprintf(CODE ":%s/%.*s", told->bucket, LH_FMT(told->key));

    return host_reported_add(&h->reported, call->trace.trace_id, what);
}

void
host_rescue_tell(void *host, struct lh_call *call, const struct lh_rescue *told)
{
    struct lh_host *h = host;
    LH_AUTO_CHARS key = lh_str_dup(told->key);
    LH_AUTO_CHARS detail = lh_asprintf("the bucket failed (%.80s: %.500s), '%s' answered for it",
                                       told->reason, told->text, told->rescue);
    const struct lh_journal_failure failure = {
        .service = "storaged",
        .code = CODE,
        .detail = detail,
        .object = key,
        .bucket = told->bucket,
    };

    if (!is_first(h, call, told))
        return;
    lh_log(LH_LOG_WARN, "store", "rescued read", LH_LOG_S("bucket", told->bucket),
           LH_LOG_S("object", key), LH_LOG_S("detail", detail),
           LH_LOG_S("trace_id", call->trace.trace_id));
    if (lh_str_starts(told->key, LH_STR("_journal/")))
        return;
    lh_journal_failure(h->env.mesh, call, &failure);
}
