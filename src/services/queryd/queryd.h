/*
 * queryd: the parts of the query service, for files of this folder.
 */
#ifndef LH_SERVICES_QUERYD_QUERYD_H
#define LH_SERVICES_QUERYD_QUERYD_H

#include "base/metrics.h"
#include "services/catalogd/client.h"
#include "services/service.h"

struct query_running;
struct query_hot;

struct queryd {
    const struct lh_env *env;
    struct lh_catalog_client *catalog;
    struct query_running *running;
    struct query_hot *hot;
    struct lh_metric *seconds, *rows, *lake_bytes, *lake_requests, *failures, *running_now;
    struct lh_metric *remote_bytes, *remote_requests, *cached_bytes;
};

extern const struct lh_config_key queryd_config[];
extern const struct lh_route queryd_routes[];

#endif
