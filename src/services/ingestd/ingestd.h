/*
 * ingestd: what the files of this folder share.
 */
#ifndef LH_SERVICES_INGESTD_H
#define LH_SERVICES_INGESTD_H

#include <stdatomic.h>
#include "base/metrics.h"
#include "engine/convert.h"
#include "services/catalogd/client.h"
#include "services/service.h"

struct ingestd {
    const struct lh_env *env;
    struct lh_catalog_client *catalog;
    uint64_t body_max, unpacked_max;
    int64_t concurrency;

    atomic_int_fast64_t running;
    atomic_uint_fast64_t versions, unchanged, failures;

    struct ingestd_metrics {
        struct lh_metric *bytes, *rows, *rejects, *versions, *unchanged, *failures, *running;
        struct lh_metric *spool_seconds, *convert_seconds, *put_seconds, *commit_seconds;
    } metrics;
};

extern const struct lh_route ingestd_routes[];
extern const struct lh_config_key ingestd_config[];

#endif
