/* Settings, opening and closing, and the spool folder. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/file.h"
#include "base/thread.h"
#include "store/replicate_parts.h"
#include "store/store_parts.h"

static const struct lh_config_key bucket_fields[] = {
    {"name", LH_CONFIG_STR, NULL, 0, 0, "The bucket's name, as S3 names buckets.", NULL, false},
    {"backend", LH_CONFIG_STR, "local", 0, 0, "What keeps the objects: local or s3.", NULL, false},
    {"root", LH_CONFIG_STR, "", 0, 0,
     "The folder of a local bucket; empty: buckets/<name> in the data folder.", NULL, false},
    {"role", LH_CONFIG_STR, "", 0, 0,
     "rescue: holds copies of the other buckets, for reads when they fail.", NULL, false},
    {"endpoint", LH_CONFIG_STR, "", 0, 0,
     "Of an s3 bucket: http(s)://host[:port]; empty: that of AWS for the region.", NULL, false},
    {"region", LH_CONFIG_STR, "us-east-1", 0, 0, "Of an s3 bucket.", NULL, false},
    {"bucket", LH_CONFIG_STR, "", 0, 0, "Of an s3 bucket: its name there; empty: the same as here.",
     NULL, false},
    {"path_style", LH_CONFIG_BOOL, "true", 0, 0,
     "Of an s3 bucket: the bucket stands in the path of addresses, not in the host.", NULL, false},
    {"credentials", LH_CONFIG_STR, "", 0, 0,
     "Of an s3 bucket: the entry of its keys among the secrets.", NULL, false},
    {0},
};

static const struct lh_config_key limit_fields[] = {
    {"prefix", LH_CONFIG_STR, NULL, 0, 0, "Keys that begin with this.", NULL, false},
    {"size_max", LH_CONFIG_SIZE, NULL, 0, 0, "The most bytes one such object may have.", NULL,
     false},
    {0},
};

const struct lh_config_key lh_store_config[] = {
    {"store.object_max", LH_CONFIG_SIZE, "1TiB", 1, INT64_MAX,
     "The most bytes one object may have in any bucket.", NULL, false},
    {"store.puts_max", LH_CONFIG_I64, "64", 1, 100000,
     "How many puts may run at once; one more is told to come back later.", NULL, false},
    {"store.proven_max", LH_CONFIG_I64, "16384", 1, 100000000,
     "How many files are remembered as proven against their checksums.", NULL, false},
    {"store.cache_memory", LH_CONFIG_SIZE, "256MiB", 0, INT64_MAX,
     "Memory for blocks of remote objects; 0 for none.", NULL, false},
    {"store.cache_disk", LH_CONFIG_SIZE, "8GiB", 0, INT64_MAX,
     "Disk for blocks of remote objects, in cache/blocks of the data folder; 0 for none.", NULL,
     false},
    {"store.fetch_threads", LH_CONFIG_I64, "16", 0, 1024,
     "Threads that help to read remote objects: parallel ranges, read-ahead, the cache on disk.",
     NULL, false},
    {"store.fetch_per_object", LH_CONFIG_I64, "4", 1, 1024,
     "Ranges of one remote object that are fetched at once for one reader.", NULL, false},
    {"store.read_ahead", LH_CONFIG_SIZE, "8MiB", 0, 1 << 30,
     "The most bytes of a remote object that are read ahead of a reader who reads on; 0 for none.",
     NULL, false},
    {"store.bucket_roots", LH_CONFIG_LIST, "[]", 0, 0,
     "Folders that local buckets added at run time must lie in; empty: anywhere.", NULL, false},
    {"store.bucket_endpoints", LH_CONFIG_LIST, "[]", 0, 0,
     "Endpoints that s3 buckets added at run time may have; empty: any.", NULL, false},
    {"store.rescue_after", LH_CONFIG_DURATION, "3s", 0, 3600000,
     "How long a read may take before the rescue bucket is asked, beside a second for each 4 MiB; "
     "0 "
     "waits.",
     NULL, false},
    {"store.breaker_failures", LH_CONFIG_I64, "3", 0, 1000000,
     "Failed reads in a row after which the rescue bucket is asked first; 0 for never.", NULL,
     false},
    {"store.breaker_reset", LH_CONFIG_DURATION, "5s", 1, 3600000,
     "How often a bucket that is spared is tried again.", NULL, false},
    {"store.replicate_concurrency", LH_CONFIG_I64, "4", 1, 64,
     "How many objects are copied to the rescue bucket at once.", NULL, false},
    {"store.replicate_bytes_per_second", LH_CONFIG_SIZE, "0", 0, INT64_MAX,
     "How fast copies are made, all together; 0 is as fast as it goes.", NULL, false},
    {"store.replicate_grace", LH_CONFIG_DURATION, "7d", 0, INT64_C(31536000000),
     "How long the copy of a deleted object stays; twice as long for what manifests may name.",
     NULL, false},
    {"store.limit", LH_CONFIG_TABLES, NULL, 0, 0, "Smaller limits for keys with a prefix.",
     limit_fields, false},
    {"bucket", LH_CONFIG_TABLES, NULL, 0, 0,
     "Buckets beside primary, or primary itself in another place.", bucket_fields, false},
    {0},
};

/* ---- opening ---- */

static bool
root_of_config(struct lh_store *s, const struct lh_config *table, const struct lh_bucket_spec *out,
               char root[PATH_MAX])
{
    const char *given = lh_config_str(table, "root");

    if (store_spec_is_s3(out))
        return lh_str_copy(root, PATH_MAX, LH_STR(""));
    if (*given == '\0' && strcmp(out->name, PRIMARY) == 0)
        return snprintf(root, PATH_MAX, "%s/" PRIMARY, s->data_dir) < PATH_MAX;
    if (*given == '\0')
        return snprintf(root, PATH_MAX, "%s/buckets/%s", s->data_dir, out->name) < PATH_MAX;
    if (*given != '/')
        return snprintf(root, PATH_MAX, "%s/%s", s->data_dir, given) < PATH_MAX;
    return lh_str_copy(root, PATH_MAX, lh_str_of(given));
}

/* Fills in what was left to us. `endpoint` has room for that of AWS. */
void
store_s3_defaults(struct lh_bucket_spec *spec, char endpoint[S3_ENDPOINT_MAX])
{
    if (!spec->region || !*spec->region)
        spec->region = "us-east-1";
    if (!spec->bucket || !*spec->bucket)
        spec->bucket = spec->name;
    if (spec->endpoint && *spec->endpoint)
        return;
    (void)snprintf(endpoint, S3_ENDPOINT_MAX, "https://s3.%.64s.amazonaws.com", spec->region);
    spec->endpoint = endpoint;
}

static lh_status
spec_of_config(struct lh_store *s, const struct lh_config *table, struct lh_bucket_spec *out,
               char root[PATH_MAX], char endpoint[S3_ENDPOINT_MAX], struct lh_error *err)
{
    *out = (struct lh_bucket_spec){
        .name = lh_config_str(table, "name"),
        .backend = lh_config_str(table, "backend"),
        .root = root,
        .role = lh_config_str(table, "role"),
    };
    if (!root_of_config(s, table, out, root))
        return lh_fail(err, LH_INVALID, "store.bucket_root", "the root of bucket '%s' is too long",
                       out->name);
    if (!store_spec_is_s3(out))
        return store_spec_check(out, err);
    out->endpoint = lh_config_str(table, "endpoint");
    out->region = lh_config_str(table, "region");
    out->bucket = lh_config_str(table, "bucket");
    out->credentials = lh_config_str(table, "credentials");
    out->is_path_style = lh_config_bool(table, "path_style");
    store_s3_defaults(out, endpoint);
    return store_spec_check(out, err);
}

static lh_status
configured_open(struct lh_store *s, const struct lh_config *table, struct lh_error *err)
{
    struct lh_bucket_spec spec;
    char root[PATH_MAX], endpoint[S3_ENDPOINT_MAX];
    struct lh_bucket *b;
    bool is_twice;

    LH_TRY(lh_bucket_name_check(lh_str_of(lh_config_str(table, "name")), err));
    LH_TRY(spec_of_config(s, table, &spec, root, endpoint, err));
    pthread_mutex_lock(&s->lock.mutex);
    is_twice = store_entry_find(s, lh_str_of(spec.name)) != NULL;
    pthread_mutex_unlock(&s->lock.mutex);
    if (is_twice)
        return lh_fail(err, LH_INVALID, "store.bucket_exists", "bucket '%s' is configured twice",
                       spec.name);
    LH_TRY(store_entry_open(s, &spec, true, &b, err));
    if (strcmp(spec.name, PRIMARY) == 0)
        s->primary = b;
    return LH_OK;
}

static lh_status
buckets_open(struct lh_store *s, struct lh_error *err)
{
    char root[PATH_MAX];
    struct lh_bucket_spec primary = {.name = PRIMARY, .backend = "local", .root = root};

    for (size_t i = 0; i < lh_config_tables_count(s->config, "bucket"); i++)
        LH_TRY(configured_open(s, lh_config_tables_at(s->config, "bucket", i), err));
    if (s->primary)
        return LH_OK;
    if (snprintf(root, sizeof(root), "%s/" PRIMARY, s->data_dir) >= (int)sizeof(root))
        return lh_fail(err, LH_INVALID, "store.data_dir", "the data folder's path is too long");
    return store_entry_open(s, &primary, true, &s->primary, err);
}

static void
limits_load(struct lh_store *s)
{
    const struct lh_config *c = s->config;

    store_limits_init(&s->limits, lh_config_size(c, "store.object_max"),
                      (unsigned)lh_config_i64(c, "store.puts_max"));
    for (size_t i = 0; i < lh_config_tables_count(c, "store.limit"); i++) {
        const struct lh_config *table = lh_config_tables_at(c, "store.limit", i);
        store_limits_add(&s->limits, lh_config_str(table, "prefix"),
                         lh_config_size(table, "size_max"));
    }
}

static void
blocks_open(struct lh_store *s)
{
    const struct lh_config *c = s->config;
    LH_AUTO_CHARS folder = lh_asprintf("%s/cache/blocks", s->data_dir);
    const struct block_cache_options o = {
        .folder = folder,
        .memory_max = lh_config_size(c, "store.cache_memory"),
        .disk_max = lh_config_size(c, "store.cache_disk"),
        .threads_max = (unsigned)lh_config_i64(c, "store.fetch_threads"),
        .per_object = (unsigned)lh_config_i64(c, "store.fetch_per_object"),
        .ahead_max = lh_config_size(c, "store.read_ahead"),
    };

    s->blocks = block_cache_new(&o);
}

static void
rescue_load(struct lh_store *s)
{
    const struct lh_config *c = s->config;

    s->rescue.after_ms = lh_config_ms(c, "store.rescue_after");
    s->rescue.failures_max = (unsigned)lh_config_i64(c, "store.breaker_failures");
    s->rescue.reset_ms = lh_config_ms(c, "store.breaker_reset");
}

void
lh_store_on_rescue(struct lh_store *s, lh_rescue_listener listener, void *self)
{
    s->rescue.listener = listener;
    s->rescue.listener_self = self;
}

static lh_status
spool_open(struct lh_store *s, struct lh_error *err)
{
    LH_AUTO_CHARS folder = lh_asprintf("%s/spool", s->data_dir);

    LH_TRY(lh_dir_make(folder, 0700, err));
    s->spools_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->spools_fd < 0)
        return lh_fail_errno(err, errno, "cannot open %s", folder);
    LH_TRY(store_claim_take(s->spools_fd, &s->spool, err));
    s->spool_path = lh_asprintf("%s/%s", folder, s->spool.name);
    return LH_OK;
}

static lh_status
store_start(struct lh_store *s, const char *data_dir, struct lh_error *err)
{
    LH_TRY(lh_dir_make(data_dir, 0777, err));
    s->data_dir = realpath(data_dir, NULL);
    if (!s->data_dir)
        return lh_fail_errno(err, errno, "cannot find the data folder %s", data_dir);
    LH_TRY(spool_open(s, err));
    blocks_open(s);
    LH_TRY(buckets_open(s, err));
    store_configured_prove(s);
    return LH_OK;
}

lh_status
lh_store_open(const struct lh_config *config, const char *data_dir, struct lh_secrets *secrets,
              struct lh_store **out, struct lh_error *err)
{
    LH_AUTO(lh_store) *s = LH_NEW(struct lh_store);

    pthread_mutex_init(&s->lock.mutex, NULL);
    s->config = config;
    s->secrets = secrets;
    s->spools_fd = -1;
    s->spool = STORE_CLAIM_NONE;
    limits_load(s);
    rescue_load(s);
    s->proven = store_proven_new((size_t)lh_config_i64(config, "store.proven_max"));
    LH_TRY(store_start(s, data_dir, err));
    *out = lh_take(s);
    return LH_OK;
}

/* Before any bucket: they have lists open in another one. */
static void
rescues_free(struct lh_store *s)
{
    for (struct store_entry *e = s->lock.first; e; e = e->next) {
        bucket_rescue_free(e->bucket->rescue);
        e->bucket->rescue = NULL;
    }
}

void
lh_store_free(struct lh_store *s)
{
    if (!s)
        return;
    rescues_free(s);
    for (struct store_entry *e = s->lock.first, *next; e; e = next) {
        next = e->next;
        store_entry_free(e);
    }
    block_cache_free(s->blocks);
    s3_shared_free(s->lock.s3);
    store_claim_drop(&s->spool);
    if (s->spools_fd >= 0)
        close(s->spools_fd);
    store_proven_free(s->proven);
    store_limits_fini(&s->limits);
    pthread_mutex_destroy(&s->lock.mutex);
    free(s->spool_path);
    free(s->data_dir);
    free(s);
}

struct lh_bucket *
lh_store_primary(struct lh_store *s)
{
    return s->primary;
}

const struct lh_config *
store_config(const struct lh_store *s)
{
    return s->config;
}

/* ---- spool ---- */

const char *
lh_store_spool_dir(struct lh_store *s)
{
    return s->spool_path;
}

lh_status
lh_store_spool_file(struct lh_store *s, const char *suffix, char *path, size_t path_size, int *fd,
                    struct lh_error *err)
{
    char name[STORE_CLAIM_NAME_MAX];
    LH_AUTO_FD opened = -1;

    LH_TRY(store_claim_file(&s->spool, suffix, 0600, name, &opened, err));
    if ((size_t)snprintf(path, path_size, "%s/%s", s->spool_path, name) >= path_size) {
        (void)unlinkat(s->spool.fd, name, 0);
        return lh_fail(err, LH_INVALID, "store.spool_path", "a path in %s does not fit %zu bytes",
                       s->spool_path, path_size);
    }
    *fd = opened;
    opened = -1;
    return LH_OK;
}
