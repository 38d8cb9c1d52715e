#include <stdlib.h>
#include "aibridge/bridge.h"
#include "base/alloc.h"
#include "services/host_parts.h"
#include "services/jobs.h"

const struct lh_config_key host_config[] = {
    {.name = "data_dir",
     .kind = LH_CONFIG_STR,
     .def = "data",
     .doc = "Folder of the local primary bucket, of uploads in progress and of spill files; --data "
            "overrides it."},
    {.name = "log.level",
     .kind = LH_CONFIG_STR,
     .def = "info",
     .doc = "Least important line that is written to standard error: debug, info, warn or error."},
    {0},
};

#define TABLES_MAX 24

/* In the order of docs/configuration.md. */
const struct lh_config_key *const *
lh_host_config_tables(void)
{
    static const struct lh_config_key *tables[TABLES_MAX];
    const struct lh_config_key *const wanted[] = {
        host_config,        lh_server_config,   lh_mesh_config,    lh_secret_config,
        lh_store_config,    lh_s3_config,       lh_engine_config,  lh_gateway.config,
        lh_storaged.config, lh_catalogd.config, lh_ingestd.config, lh_queryd.config,
        lh_vectord.config,  lh_jobs_config,     lh_bridge_config,  lh_journald.config,
    };
    size_t n = 0;

    _Static_assert(sizeof(wanted) / sizeof(wanted[0]) < TABLES_MAX, "room for the end mark");
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (wanted[i])
            tables[n++] = wanted[i];
    }
    return tables;
}

#define CLOCKS_APART_MS 60000

/* A statement may read a version as long as it runs, in whatever process; what it reads must not be
 * collected under its hands. */
lh_status
lh_host_config_check(const struct lh_config *config, struct lh_error *err)
{
    int64_t retention = lh_config_ms(config, "catalog.retention");
    int64_t longest = lh_config_ms(config, "query.timeout_max");

    if (retention > longest + CLOCKS_APART_MS)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "config.range",
                   "catalog.retention, %lld s, must be more than a minute longer than "
                   "query.timeout_max, %lld s",
                   (long long)retention / 1000, (long long)longest / 1000);
}

const struct lh_service *const *
lh_host_all_services(void)
{
    /* Whoever is asked at start or at stop stands before whoever asks. */
    static const struct lh_service *const services[] = {
        &lh_journald, &lh_storaged, &lh_catalogd, &lh_ingestd,
        &lh_queryd,   &lh_vectord,  &lh_gateway,  NULL,
    };
    return services;
}

bool
lh_host_has_secrets(const struct lh_config *config)
{
    return getenv("LAKEHOUSE_TOKEN") || lh_config_tables_count(config, "token") > 0 ||
           lh_config_str(config, "mesh.token")[0] || lh_secrets_exist(config);
}

/* Where a service of a process of its own is found, unless the settings say otherwise. */
static const struct {
    const char *key;
    const char *address;
} mesh_defaults[] = {
    {"mesh.storaged", "127.0.0.1:3101"}, {"mesh.catalogd", "127.0.0.1:3102"},
    {"mesh.ingestd", "127.0.0.1:3103"},  {"mesh.queryd", "127.0.0.1:3104"},
    {"mesh.vectord", "127.0.0.1:3105"},  {"mesh.journald", "127.0.0.1:3106"},
    {"mesh.observer", "127.0.0.1:3107"},
};

lh_status
lh_host_mesh_defaults(struct lh_config *config, struct lh_error *err)
{
    for (size_t i = 0; i < sizeof(mesh_defaults) / sizeof(mesh_defaults[0]); i++) {
        if (lh_config_str(config, mesh_defaults[i].key)[0] == '\0')
            LH_TRY(lh_config_set(config, mesh_defaults[i].key, lh_str_of(mesh_defaults[i].address),
                                 err));
    }
    return LH_OK;
}

/* Mesh addresses may be URLs; a trailing path means nothing here. */
char *
host_listen_configured(const struct lh_config *config, const struct lh_service *service)
{
    LH_AUTO_CHARS key = lh_asprintf("mesh.%s", service->name);
    lh_str address = lh_str_of(lh_config_str(config, service->door ? "gateway.listen" : key));
    lh_str host;
    size_t at;

    if (lh_str_find(address, LH_STR("://"), &at))
        address = lh_str_slice(address, at + 3, address.len);
    lh_str_cut(&address, '/', &host);
    return lh_str_dup(host);
}
