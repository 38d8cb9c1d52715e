#include "services/journald/client.h"
#include "services/vectord/vectord.h"

lh_status
vectord_event(const struct vectord *v, struct lh_call *call, const char *index, const char *action,
              lh_str old_json, lh_str new_json, struct lh_error *err)
{
    return lh_journal_event(v->env->mesh, call,
                            &(struct lh_journal_event){.entity_type = "index",
                                                       .entity_id = index,
                                                       .action = action,
                                                       .old_json = old_json,
                                                       .new_json = new_json},
                            err);
}
