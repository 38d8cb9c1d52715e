/*
 * vectord: what its files share.
 */
#ifndef LH_SERVICES_VECTORD_VECTORD_H
#define LH_SERVICES_VECTORD_VECTORD_H

#include "base/metrics.h"
#include "services/service.h"
#include "services/vectord/definition.h"

struct vectord {
    const struct lh_env *env;
    struct lh_bucket *bucket; /* primary: all of vectord's objects are there */
};

extern const struct lh_config_key vectord_config[];
extern const struct lh_route vectord_routes[];

/* An event about an index; values as JSON or none. */
lh_status vectord_event(const struct vectord *v, struct lh_call *call, const char *index,
                        const char *action, lh_str old_json, lh_str new_json, struct lh_error *err);

#endif
