#include "store/s3_settings.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/metrics.h"

const struct lh_config_key lh_s3_config[] = {
    {"s3.ca_file", LH_CONFIG_STR, "", 0, 0,
     "PEM file of the certificates that https endpoints are checked against; empty: the system's.",
     NULL, false},
    {"s3.connections_max", LH_CONFIG_I64, "32", 1, 10000,
     "Open connections to one endpoint; more requests wait.", NULL, false},
    {"s3.connect_timeout", LH_CONFIG_DURATION, "5s", 1, 600000,
     "How long a connection to an endpoint may take.", NULL, false},
    {"s3.attempt_timeout", LH_CONFIG_DURATION, "30s", 1, 3600000,
     "How long one request may take, beside the time its bytes are given, before it is tried "
     "again.",
     NULL, false},
    {"s3.rate_min", LH_CONFIG_SIZE, "256KiB", 1, INT64_MAX,
     "Bytes a second for which a request is given time.", NULL, false},
    {"s3.attempts_max", LH_CONFIG_I64, "6", 1, 100,
     "How often one request is tried before its failure is the answer.", NULL, false},
    {"s3.backoff_first", LH_CONFIG_DURATION, "50ms", 1, 600000,
     "The longest wait before the second attempt; it doubles with each further one.", NULL, false},
    {"s3.backoff_max", LH_CONFIG_DURATION, "5s", 1, 600000, "The longest wait between attempts.",
     NULL, false},
    {"s3.retry_budget", LH_CONFIG_I64, "100", 0, 1000000,
     "Attempts beyond the first that a bucket has in hand; each request that succeeds at once "
     "gives "
     "back a fifth of one.",
     NULL, false},
    {"s3.part_size", LH_CONFIG_SIZE, "8MiB", 5242880, INT64_C(1) << 30,
     "Bytes of one part of an upload; what is smaller goes as one request.", NULL, false},
    {"s3.parts_per_upload", LH_CONFIG_I64, "4", 1, 64, "Parts of one upload sent at once.", NULL,
     false},
    {"s3.parts_max", LH_CONFIG_I64, "16", 1, 1000,
     "Parts sent at once for all uploads together, beside one for each.", NULL, false},
    {"s3.abandoned_after", LH_CONFIG_DURATION, "1d", 60000, INT64_C(31536000000),
     "Age at which an upload in parts that nobody completed is aborted.", NULL, false},
    {0},
};

static struct s3_settings
settings_of(const struct lh_config *c)
{
    return (struct s3_settings){
        .connect_timeout_ms = lh_config_ms(c, "s3.connect_timeout"),
        .attempt_timeout_ms = lh_config_ms(c, "s3.attempt_timeout"),
        .rate_min = lh_config_size(c, "s3.rate_min"),
        .attempts_max = (unsigned)lh_config_i64(c, "s3.attempts_max"),
        .backoff_first_ms = lh_config_ms(c, "s3.backoff_first"),
        .backoff_max_ms = lh_config_ms(c, "s3.backoff_max"),
        .retry_budget = (unsigned)lh_config_i64(c, "s3.retry_budget"),
        .part_bytes = lh_config_size(c, "s3.part_size"),
        .parts_per_upload = (unsigned)lh_config_i64(c, "s3.parts_per_upload"),
        .parts_max = (unsigned)lh_config_i64(c, "s3.parts_max"),
        .abandoned_after_ms = lh_config_ms(c, "s3.abandoned_after"),
    };
}

struct s3_shared *
s3_shared_new(const struct lh_config *config, struct lh_secrets *secrets, struct store_claim *spool)
{
    struct s3_shared *s = LH_NEW(struct s3_shared);

    s->settings = settings_of(config);
    s->http = lh_client_new((size_t)lh_config_i64(config, "s3.connections_max"));
    lh_client_ca_file_set(s->http, lh_config_str(config, "s3.ca_file"));
    s->secrets = secrets;
    s->spool = spool;
    s->parts = lh_gauge("lakehouse_s3_parts_running",
                        "Parts of uploads being sent beside the uploading threads.", "", NULL);
    return s;
}

void
s3_shared_free(struct s3_shared *s)
{
    if (!s)
        return;
    lh_client_free(s->http);
    free(s);
}
