/*
 * The list of buckets lives in memory and only grows, so a pointer to a bucket stays good while the
 * store lives. Buckets of the configuration are opened at the start; those added at run time are
 * records in primary, read again after a second at the latest, so that what one process adds or
 * removes the others see. No I/O happens under the lock: a bucket is opened first and then entered,
 * and when another thread was faster its bucket is taken and ours closed.
 */
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
#include "base/time.h"
#include "store/block_cache.h"
#include "store/local.h"
#include "store/proof.h"
#include "store/record.h"
#include "store/replicate_parts.h"
#include "store/rescue.h"
#include "store/s3.h"

#define RECORD_FRESH_MS 1000
#define PROOF_TIME_MS 20000 /* for a remote primary, at the start */
#define RESCUE_LOOK_MS 5000
#define RESCUE_LOOK_TIME_MS 1000
#define PRIMARY "primary"
#define STORE_SOURCES_MAX 256 /* buckets that one replication copies */
#define S3_ENDPOINT_MAX 128   /* of our own making */

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

struct entry {
    struct entry *next;
    struct lh_bucket *bucket;
    struct store_spec spec;
    bool is_configured;
    /* under the store's lock */
    bool is_removed;
    int64_t fresh_until_ms; /* of a run-time bucket: its record was seen */
};

struct lh_store {
    char *data_dir; /* absolute */
    const struct lh_config *config;
    struct lh_secrets *secrets;
    struct store_limits limits;
    struct store_proven *proven;
    struct block_cache *blocks;
    struct lh_bucket *primary;
    struct rescue_hub rescue;
    atomic_int_fast64_t look_due_ms; /* when to look for a rescue bucket again */
    int spools_fd;
    struct store_claim spool;
    char *spool_path;
    struct {
        pthread_mutex_t mutex;
        struct entry *first;
        struct s3_shared *s3; /* NULL until there is such a bucket */
    } lock;
};

/* ---- the list ---- */

static lh_status
fail_no_bucket(lh_str name, struct lh_error *err)
{
    return lh_fail(err, LH_NOT_FOUND, "store.no_bucket", "there is no bucket '%.*s'",
                   LH_FMT(lh_str_fit(name, 80)));
}

static void
entry_free(struct entry *e)
{
    bucket_free(e->bucket);
    store_spec_fini(&e->spec);
    free(e);
}

/* The living one of that name. Under the lock. */
static struct entry *
entry_find(struct lh_store *s, lh_str name)
{
    struct entry *e = s->lock.first;

    while (e && (e->is_removed || !lh_str_eq(lh_str_of(e->spec.name), name)))
        e = e->next;
    return e;
}

/* One of that very description, living or not. Under the lock. */
static struct entry *
entry_find_same(struct lh_store *s, const struct lh_bucket_spec *spec)
{
    struct entry *e = s->lock.first;

    for (; e; e = e->next) {
        struct lh_bucket_spec view = store_spec_view(&e->spec);
        if (store_spec_eq(&view, spec))
            break;
    }
    return e;
}

static void
entry_retire(struct lh_store *s, lh_str name)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct entry *e = entry_find(s, name);

    if (e && !e->is_configured)
        e->is_removed = true;
}

static void
entry_revive(struct lh_store *s, struct entry *e)
{
    struct entry *other = entry_find(s, lh_str_of(e->spec.name));

    if (other && other != e)
        other->is_removed = true;
    e->is_removed = false;
    e->fresh_until_ms = lh_time_mono_ms() + RECORD_FRESH_MS;
}

static lh_status
backend_check(const struct lh_bucket_spec *spec, struct lh_error *err)
{
    if (strcmp(spec->backend, "local") == 0 || store_spec_is_s3(spec))
        return LH_OK;
    return lh_fail(err, LH_UNSUPPORTED, "store.backend",
                   "bucket '%s' asks for the backend '%.80s'; there are: local, s3", spec->name,
                   spec->backend);
}

/* Made for the first bucket that needs it: most stores have none. */
static struct s3_shared *
s3_shared_get(struct lh_store *s)
{
    LH_AUTO_LOCK(&s->lock.mutex);

    if (!s->lock.s3)
        s->lock.s3 = s3_shared_new(s->config, s->secrets, &s->spool);
    return s->lock.s3;
}

static lh_status
backend_open(struct lh_store *s, const struct lh_bucket_spec *spec, struct lh_bucket **out,
             struct lh_error *err)
{
    const struct local_bucket_options o = {
        .name = spec->name, .root = spec->root, .limits = &s->limits, .proven = s->proven};

    LH_TRY(backend_check(spec, err));
    if (store_spec_is_s3(spec)) {
        *out = s3_bucket_new(s3_shared_get(s), spec, &s->limits);
        return LH_OK;
    }
    return local_bucket_open(&o, out, err);
}

/* Blocks of a remote bucket are those of its whole description: the same name in another place is
 * another bucket. */
static void
blocks_attach(struct lh_store *s, const struct lh_bucket_spec *spec, struct lh_bucket *b)
{
    LH_AUTO_BUF(identity, STORE_RECORD_BYTES_MAX);
    struct lh_json_writer w = lh_json_writer_over(&identity);

    if (!b->ops->is_remote)
        return;
    lh_json_object_begin(&w);
    lh_bucket_spec_print(spec, &w);
    lh_json_object_end(&w);
    if (!identity.is_failed)
        b->blocks = block_source_new(s->blocks, spec->name, lh_buf_str(&identity));
}

/* A rescue bucket is closed to writers, and others may be read from it. */
static void
role_take(struct lh_store *s, struct entry *e)
{
    struct lh_bucket_spec spec = store_spec_view(&e->spec);

    e->bucket->is_rescue = store_spec_is_rescue(&spec);
    if (!e->bucket->is_rescue)
        e->bucket->rescue = bucket_rescue_new(&s->rescue, e->bucket);
}

/* Of several rescue buckets the first that was met answers. */
static void
rescue_take(struct lh_store *s, struct lh_bucket *b)
{
    struct lh_bucket *none = NULL;

    if (b->is_rescue)
        (void)atomic_compare_exchange_strong(&s->rescue.rescue, &none, b);
}

/* Opens and enters the bucket, or finds the one that is there by now. */
static lh_status
entry_open(struct lh_store *s, const struct lh_bucket_spec *spec, bool is_configured,
           struct lh_bucket **out, struct lh_error *err)
{
    struct entry *e = LH_NEW(struct entry), *same;
    lh_status status = backend_open(s, spec, &e->bucket, err);

    if (status != LH_OK) {
        free(e);
        return status;
    }
    blocks_attach(s, spec, e->bucket);
    store_spec_init(&e->spec, spec);
    e->is_configured = is_configured;
    role_take(s, e);
    {
        LH_AUTO_LOCK(&s->lock.mutex);
        same = entry_find_same(s, spec);
        if (!same) {
            e->next = s->lock.first;
            s->lock.first = e;
        }
        entry_revive(s, same ? same : e);
        *out = same ? same->bucket : e->bucket;
    }
    if (same)
        entry_free(e);
    rescue_take(s, *out);
    return LH_OK;
}

/* ---- what was proven ---- */

static lh_status
proof_load(struct lh_store *s, struct lh_call *call, const struct lh_bucket_spec *spec,
           struct lh_bucket_proof *out, struct lh_error *err)
{
    char key[LH_KEY_MAX + 1];
    LH_AUTO_BUF(json, STORE_PROOF_BYTES_MAX);

    LH_TRY(lh_object_get(s->primary, call, lh_str_of(store_proof_key(spec->name, key)), &json, NULL,
                         err));
    return store_proof_decode(spec, lh_buf_str(&json), out, err);
}

/* Without a condition: the bucket may be one that has none. */
static lh_status
proof_save(struct lh_store *s, struct lh_call *call, const struct lh_bucket_spec *spec,
           const struct lh_bucket_proof *proof, struct lh_error *err)
{
    const struct lh_put_options o = {.content_type = "application/json"};
    char key[LH_KEY_MAX + 1];
    LH_AUTO_BUF(json, STORE_PROOF_BYTES_MAX);

    store_proof_encode(spec, proof, &json);
    LH_TRY(lh_buf_check(&json, "the proof of the bucket", err));
    return lh_object_put(s->primary, call, lh_str_of(store_proof_key(spec->name, key)),
                         lh_buf_bytes(&json), &o, NULL, err);
}

static lh_status
proof_make(struct lh_store *s, struct lh_call *call, struct lh_bucket *b,
           const struct lh_bucket_spec *spec, struct lh_bucket_proof *out, struct lh_error *err)
{
    struct lh_bucket_proof proof = {.proven_us = lh_time_now_us()};

    lh_bucket_prove(b, call, &proof.health);
    LH_TRY(lh_call_check(call, err));
    if (!proof.health.is_reachable)
        return lh_fail(err, LH_UNAVAILABLE, "store.bucket_unreachable",
                       "bucket '%s' cannot be reached: %s", spec->name, proof.health.detail);
    if (proof.health.can_write || b != s->primary)
        LH_TRY(proof_save(s, call, spec, &proof, err));
    *out = proof;
    return LH_OK;
}

static lh_status
proof_take(struct lh_store *s, struct lh_call *call, struct lh_bucket *b,
           const struct lh_bucket_spec *spec, bool anew, struct lh_bucket_proof *out,
           struct lh_error *err)
{
    if (anew || proof_load(s, call, spec, out, NULL) != LH_OK)
        LH_TRY(proof_make(s, call, b, spec, out, err));
    if (out->health.ignores_conditions)
        lh_bucket_distrust(b, out->health.detail);
    return LH_OK;
}

/* What others have found out about a remote bucket holds for this process too. */
static void
distrust_load(struct lh_store *s, struct lh_call *call, struct lh_bucket *b,
              const struct lh_bucket_spec *spec)
{
    struct lh_bucket_proof proof;

    if (b->ops->is_remote && b != s->primary && proof_load(s, call, spec, &proof, NULL) == LH_OK &&
        proof.health.ignores_conditions)
        lh_bucket_distrust(b, proof.health.detail);
}

/* A remote primary is proven before anything commits to it. One that cannot be reached now is
 * proven when its health is asked for, as a local one is. */
static void
configured_prove(struct lh_store *s)
{
    struct lh_bucket_proof proof;
    struct lh_call call;

    lh_call_init(&call);
    call.deadline_ms = lh_time_mono_ms() + PROOF_TIME_MS;
    for (struct entry *e = s->lock.first; e; e = e->next) {
        struct lh_bucket_spec spec = store_spec_view(&e->spec);
        if (e->bucket == s->primary && e->bucket->ops->is_remote)
            (void)proof_take(s, &call, e->bucket, &spec, false, &proof, NULL);
        else
            distrust_load(s, &call, e->bucket, &spec);
    }
    lh_call_fini(&call);
}

/* Entries live as long as the store. */
static struct entry *
entry_of_bucket(struct lh_store *s, const struct lh_bucket *b)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct entry *e = s->lock.first;

    while (e->bucket != b)
        e = e->next;
    return e;
}

lh_status
lh_store_prove(struct lh_store *s, struct lh_call *call, lh_str name, bool anew,
               struct lh_bucket_proof *out, struct lh_error *err)
{
    struct lh_bucket *b;
    struct lh_bucket_spec spec;

    LH_TRY(lh_store_bucket(s, call, name, &b, err));
    spec = store_spec_view(&entry_of_bucket(s, b)->spec);
    return proof_take(s, call, b, &spec, anew, out, err);
}

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
static void
s3_defaults(struct lh_bucket_spec *spec, char endpoint[S3_ENDPOINT_MAX])
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
    s3_defaults(out, endpoint);
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
    is_twice = entry_find(s, lh_str_of(spec.name)) != NULL;
    pthread_mutex_unlock(&s->lock.mutex);
    if (is_twice)
        return lh_fail(err, LH_INVALID, "store.bucket_exists", "bucket '%s' is configured twice",
                       spec.name);
    LH_TRY(entry_open(s, &spec, true, &b, err));
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
    return entry_open(s, &primary, true, &s->primary, err);
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
    configured_prove(s);
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
    for (struct entry *e = s->lock.first; e; e = e->next) {
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
    for (struct entry *e = s->lock.first, *next; e; e = next) {
        next = e->next;
        entry_free(e);
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

/* ---- finding ---- */

struct lh_bucket *
lh_store_primary(struct lh_store *s)
{
    return s->primary;
}

static struct lh_bucket *
known_and_fresh(struct lh_store *s, lh_str name)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct entry *e = entry_find(s, name);

    if (e && (e->is_configured || lh_time_mono_ms() < e->fresh_until_ms))
        return e->bucket;
    return NULL;
}

static struct lh_bucket *
known_of_spec(struct lh_store *s, const struct lh_bucket_spec *spec)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct entry *e = entry_find_same(s, spec);

    if (!e)
        return NULL;
    entry_revive(s, e);
    return e->bucket;
}

static lh_status
recorded_open(struct lh_store *s, struct lh_call *call, lh_str name, struct lh_bucket **out,
              struct store_spec *spec, struct lh_error *err)
{
    char text[80], key[LH_KEY_MAX + 1];
    LH_AUTO_BUF(json, STORE_RECORD_BYTES_MAX);
    struct lh_bucket_spec view;
    lh_status status;

    (void)lh_str_copy(text, sizeof(text), name);
    status =
        lh_object_get(s->primary, call, lh_str_of(store_record_key(text, key)), &json, NULL, err);
    if (status == LH_NOT_FOUND) {
        entry_retire(s, name);
        return fail_no_bucket(name, err);
    }
    LH_TRY(status);
    LH_TRY(store_record_decode(name, lh_buf_str(&json), spec, err));
    view = store_spec_view(spec);
    *out = known_of_spec(s, &view);
    if (*out)
        return LH_OK;
    LH_TRY(entry_open(s, &view, false, out, err));
    distrust_load(s, call, *out, &view);
    return LH_OK;
}

/* While primary does not answer, what was known last holds. */
static struct lh_bucket *
known_at_all(struct lh_store *s, lh_str name, lh_status why)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct entry *e = entry_find(s, name);

    if (!e || (why != LH_UNAVAILABLE && why != LH_TIMEOUT && why != LH_IO))
        return NULL;
    e->fresh_until_ms = lh_time_mono_ms() + RECORD_FRESH_MS;
    return e->bucket;
}

static void
visit_nothing(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    (void)self, (void)b, (void)spec;
}

/* A rescue bucket that was added at run time, by this process or another, is found by opening what
 * is recorded. Only a short time is spent on it, and what fails is tried again. */
static void
rescue_look(struct lh_store *s, struct lh_call *call)
{
    int64_t now = lh_time_mono_ms(), due = atomic_load(&s->look_due_ms);
    struct lh_call part;

    if (now < due || atomic_load(&s->rescue.rescue) ||
        !atomic_compare_exchange_strong(&s->look_due_ms, &due, now + RESCUE_LOOK_MS))
        return;
    lh_call_init_part(&part, call, now + RESCUE_LOOK_TIME_MS);
    (void)lh_store_buckets(s, &part, visit_nothing, NULL, NULL);
    lh_call_fini(&part);
}

static lh_status
recorded_find(struct lh_store *s, struct lh_call *call, lh_str name, struct lh_bucket **out,
              struct lh_error *err)
{
    struct store_spec spec = {0};
    LH_AUTO_ERROR(why);
    lh_status status = recorded_open(s, call, name, out, &spec, &why);

    store_spec_fini(&spec);
    if (status == LH_OK)
        return LH_OK;
    *out = known_at_all(s, name, status);
    if (*out)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

lh_status
lh_store_bucket(struct lh_store *s, struct lh_call *call, lh_str name, struct lh_bucket **out,
                struct lh_error *err)
{
    struct lh_bucket *found = known_and_fresh(s, name);

    if (!found && lh_bucket_name_check(name, NULL) != LH_OK)
        return fail_no_bucket(name, err);
    if (!found)
        LH_TRY(recorded_find(s, call, name, &found, err));
    rescue_look(s, call);
    *out = found;
    return LH_OK;
}

/* ---- adding and removing ---- */

static bool
is_inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    while (n > 1 && folder[n - 1] == '/')
        n--;
    return strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/' || n == 1);
}

static lh_status
root_refuse(const char *root, const char *why, struct lh_error *err)
{
    return lh_fail(err, LH_INVALID, "store.bucket_root", "the root '%.200s' %s", root, why);
}

/* Two buckets in one folder would give an object two names, and one of them could remove what the
 * other relies on. */
static lh_status
root_apart_check(struct lh_store *s, const char *root, struct lh_error *err)
{
    LH_AUTO_LOCK(&s->lock.mutex);

    if (is_inside(s->data_dir, root))
        return root_refuse(root, "holds the data folder", err);
    for (struct entry *e = s->lock.first; e; e = e->next)
        if (!e->is_removed && *e->spec.root &&
            (is_inside(root, e->spec.root) || is_inside(e->spec.root, root)))
            return root_refuse(root, "overlaps with that of another bucket", err);
    return LH_OK;
}

static lh_status
root_allowed_check(struct lh_store *s, const char *root, struct lh_error *err)
{
    size_t count = lh_config_list_count(s->config, "store.bucket_roots");

    for (size_t i = 0; i < count; i++)
        if (is_inside(root, lh_config_list_at(s->config, "store.bucket_roots", i)))
            return LH_OK;
    return count == 0 ? LH_OK : root_refuse(root, "is in none of store.bucket_roots", err);
}

static lh_status
root_form_check(const char *root, struct lh_error *err)
{
    lh_str rest = lh_str_of(root), part;

    if (*root != '/')
        return root_refuse(root, "is not an absolute path", err);
    while (lh_str_next(&rest, '/', &part))
        if (lh_str_eq(part, LH_STR(".")) || lh_str_eq(part, LH_STR("..")))
            return root_refuse(root, "has a component '.' or '..'", err);
    return LH_OK;
}

static lh_status
root_check(struct lh_store *s, const char *root, struct lh_error *err)
{
    LH_TRY(root_form_check(root, err));
    LH_TRY(root_allowed_check(s, root, err));
    return root_apart_check(s, root, err);
}

/* Checked as written before the folder is made, and as it really is after: a link on the way can
 * lead anywhere. */
static lh_status
root_make(struct lh_store *s, const char *root, char real[PATH_MAX], struct lh_error *err)
{
    LH_TRY(root_check(s, root, err));
    LH_TRY(lh_dir_make(root, 0777, err));
    if (!realpath(root, real))
        return lh_fail_errno(err, errno, "cannot find the folder %s", root);
    return root_check(s, real, err);
}

static lh_status
record_put(struct lh_store *s, struct lh_call *call, const struct lh_bucket_spec *spec,
           struct lh_error *err)
{
    const struct lh_put_options o = {.if_absent = true, .content_type = "application/json"};
    LH_AUTO_BUF(json, STORE_RECORD_BYTES_MAX);
    char key[LH_KEY_MAX + 1];

    store_record_encode(spec, &json);
    LH_TRY(lh_buf_check(&json, "the record of the bucket", err));
    return lh_object_put(s->primary, call, lh_str_of(store_record_key(spec->name, key)),
                         lh_buf_bytes(&json), &o, NULL, err);
}

static lh_status
fail_exists(const char *name, struct lh_error *err)
{
    return lh_fail(err, LH_EXISTS, "store.bucket_exists", "there is a bucket '%s' already", name);
}

static lh_status
bucket_absent_check(struct lh_store *s, struct lh_call *call, const char *name,
                    struct lh_error *err)
{
    LH_AUTO_ERROR(found);
    struct lh_bucket *b;
    lh_status status = lh_store_bucket(s, call, lh_str_of(name), &b, &found);

    if (status == LH_OK)
        return fail_exists(name, err);
    if (status != LH_NOT_FOUND && err)
        lh_error_copy(err, &found);
    return status == LH_NOT_FOUND ? LH_OK : status;
}

static lh_status
endpoint_allowed_check(struct lh_store *s, const struct lh_bucket_spec *spec, struct lh_error *err)
{
    size_t count = lh_config_list_count(s->config, "store.bucket_endpoints");

    for (size_t i = 0; i < count; i++)
        if (strcmp(spec->endpoint, lh_config_list_at(s->config, "store.bucket_endpoints", i)) == 0)
            return LH_OK;
    return count == 0
               ? LH_OK
               : lh_fail(err, LH_INVALID, "store.bucket_endpoint",
                         "the endpoint '%.200s' is not in store.bucket_endpoints", spec->endpoint);
}

/* As with folders: an object has one name. */
static lh_status
place_apart_check(struct lh_store *s, const struct lh_bucket_spec *spec, struct lh_error *err)
{
    LH_AUTO_LOCK(&s->lock.mutex);

    for (struct entry *e = s->lock.first; e; e = e->next) {
        struct lh_bucket_spec view = store_spec_view(&e->spec);
        if (!e->is_removed && store_spec_is_same_place(&view, spec))
            return lh_fail(err, LH_INVALID, "store.bucket_endpoint",
                           "'%s' at %.200s is bucket '%s' already", spec->bucket, spec->endpoint,
                           e->spec.name);
    }
    return LH_OK;
}

static lh_status
s3_prepare(struct lh_store *s, struct lh_call *call, const struct lh_bucket_spec *spec,
           struct lh_error *err)
{
    LH_AUTO(lh_object_list) *page = NULL;
    struct lh_bucket *b;
    lh_status status;

    LH_TRY(endpoint_allowed_check(s, spec, err));
    LH_TRY(place_apart_check(s, spec, err));
    LH_TRY(backend_open(s, spec, &b, err));
    status = lh_object_list(b, call, LH_STR(""), LH_STR(""), 1, &page, err);
    bucket_free(b);
    return status;
}

static lh_status
bucket_prepare(struct lh_store *s, struct lh_call *call, struct lh_bucket_spec *spec,
               char root[PATH_MAX], char endpoint[S3_ENDPOINT_MAX], struct lh_error *err)
{
    LH_AUTO_CHARS ours = lh_asprintf("%s/buckets/%s", s->data_dir, spec->name);

    if (store_spec_is_s3(spec))
        s3_defaults(spec, endpoint);
    LH_TRY(store_spec_check(spec, err));
    if (store_spec_is_s3(spec)) {
        spec->root = "";
        return s3_prepare(s, call, spec, err);
    }
    LH_TRY(root_make(s, spec->root && *spec->root ? spec->root : ours, root, err));
    spec->root = root;
    return LH_OK;
}

/* The list of copies is replaced by compare-and-swap, so a rescue bucket must hold to it. What
 * cannot be found out now is found out when the health is asked for. */
static lh_status
added_prove(struct lh_store *s, struct lh_call *call, struct lh_bucket *b,
            const struct lh_bucket_spec *spec, struct lh_error *err)
{
    struct lh_bucket_proof proof;
    struct lh_bucket *ours = b;
    char key[LH_KEY_MAX + 1];

    if (proof_take(s, call, b, spec, true, &proof, NULL) != LH_OK ||
        !proof.health.ignores_conditions || !b->is_rescue)
        return LH_OK;
    (void)lh_object_delete(s->primary, call, lh_str_of(store_record_key(spec->name, key)), NULL,
                           NULL);
    entry_retire(s, lh_str_of(spec->name));
    (void)atomic_compare_exchange_strong(&s->rescue.rescue, &ours, NULL);
    return lh_fail(err, LH_INVALID, "store.conditions_ignored",
                   "bucket '%s' accepts conditions and ignores them (%s): it cannot be a rescue "
                   "bucket",
                   spec->name, proof.health.detail);
}

lh_status
lh_store_bucket_add(struct lh_store *s, struct lh_call *call, const struct lh_bucket_spec *spec,
                    struct lh_error *err)
{
    struct lh_bucket_spec exact = *spec;
    char root[PATH_MAX], endpoint[S3_ENDPOINT_MAX];
    struct lh_bucket *b;
    lh_status status;

    LH_TRY(lh_bucket_name_check(lh_str_of(spec->name), err));
    LH_TRY(backend_check(spec, err));
    LH_TRY(bucket_absent_check(s, call, spec->name, err));
    LH_TRY(bucket_prepare(s, call, &exact, root, endpoint, err));
    status = record_put(s, call, &exact, err);
    if (status == LH_CONFLICT)
        return fail_exists(spec->name, err);
    LH_TRY(status);
    LH_TRY(entry_open(s, &exact, false, &b, err));
    return added_prove(s, call, b, &exact, err);
}

static bool
is_configured(struct lh_store *s, lh_str name)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct entry *e = entry_find(s, name);

    return e && e->is_configured;
}

static lh_status
removable_check(struct lh_store *s, struct lh_call *call, lh_str name, struct lh_error *err)
{
    struct lh_bucket *b;
    bool is_rescue = false;

    if (is_configured(s, name))
        return lh_fail(err, LH_DENIED, "store.bucket_protected",
                       "bucket '%.*s' belongs to the configuration and cannot be removed",
                       LH_FMT(lh_str_fit(name, 80)));
    if (lh_store_bucket(s, call, name, &b, NULL) == LH_OK) {
        LH_AUTO_LOCK(&s->lock.mutex);
        struct entry *e = entry_find(s, name);
        is_rescue = e && strcmp(e->spec.role, "rescue") == 0;
    }
    if (is_rescue)
        return lh_fail(err, LH_DENIED, "store.bucket_protected",
                       "bucket '%.*s' is the rescue bucket and cannot be removed",
                       LH_FMT(lh_str_fit(name, 80)));
    return LH_OK;
}

lh_status
lh_store_bucket_removable(struct lh_store *s, struct lh_call *call, lh_str name,
                          struct lh_error *err)
{
    char text[80], key[LH_KEY_MAX + 1];
    struct lh_object_info info;
    LH_AUTO_ERROR(why);
    lh_status status;

    LH_TRY(removable_check(s, call, name, err));
    if (lh_bucket_name_check(name, NULL) != LH_OK || !lh_str_copy(text, sizeof(text), name))
        return fail_no_bucket(name, err);
    status = lh_object_head(s->primary, call, lh_str_of(store_record_key(text, key)), &info, &why);
    if (status == LH_NOT_FOUND)
        return fail_no_bucket(name, err);
    if (status == LH_CORRUPT)
        return LH_OK; /* what cannot be read can be removed */
    if (status != LH_OK)
        lh_error_copy(err, &why);
    return status;
}

lh_status
lh_store_bucket_remove(struct lh_store *s, struct lh_call *call, lh_str name, struct lh_error *err)
{
    char text[80], key[LH_KEY_MAX + 1];
    lh_status status;

    LH_TRY(removable_check(s, call, name, err));
    if (lh_bucket_name_check(name, NULL) != LH_OK || !lh_str_copy(text, sizeof(text), name))
        return fail_no_bucket(name, err);
    status = lh_object_delete(s->primary, call, lh_str_of(store_record_key(text, key)), NULL, err);
    if (status == LH_OK || status == LH_NOT_FOUND)
        entry_retire(s, name);
    return status == LH_NOT_FOUND ? fail_no_bucket(name, err) : status;
}

/* ---- all of them ---- */

struct bucket_visitor {
    struct lh_store *s;
    struct lh_call *call;
    void (*visit)(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec);
    void *self;
};

/* Those of the configuration, oldest first; entries stay while the store lives, so they are visited
 * without the lock. */
static size_t
configured_collect(struct lh_store *s, struct entry ***out)
{
    LH_AUTO_LOCK(&s->lock.mutex);
    struct entry **all = NULL;
    size_t count = 0, at;

    for (struct entry *e = s->lock.first; e; e = e->next)
        count += e->is_configured ? 1 : 0;
    all = lh_alloc_array(count, sizeof(struct entry *));
    at = count;
    for (struct entry *e = s->lock.first; e; e = e->next)
        if (e->is_configured)
            all[--at] = e;
    *out = all;
    return count;
}

static void
configured_visit(const struct bucket_visitor *v)
{
    struct entry **all;
    size_t count = configured_collect(v->s, &all);

    for (int is_primary = 1; is_primary >= 0; is_primary--)
        for (size_t i = 0; i < count; i++) {
            struct lh_bucket_spec spec = store_spec_view(&all[i]->spec);
            if ((all[i]->bucket == v->s->primary) == is_primary)
                v->visit(v->self, all[i]->bucket, &spec);
        }
    free(all);
}

static bool
name_of_record(lh_str key, lh_str *name)
{
    lh_str prefix = LH_STR(STORE_RECORD_PREFIX), suffix = LH_STR(STORE_RECORD_SUFFIX);

    if (key.len <= prefix.len + suffix.len || !lh_str_ends(key, suffix))
        return false;
    *name = lh_str_slice(key, prefix.len, key.len - suffix.len);
    return lh_bucket_name_check(*name, NULL) == LH_OK;
}

/* A bucket that cannot be opened now is told of without one; a record removed meanwhile is passed
 * over. */
static lh_status
record_visit(void *self, const struct lh_object_entry *entry, struct lh_error *err)
{
    const struct bucket_visitor *v = self;
    struct store_spec spec = {0};
    struct lh_bucket_spec view;
    struct lh_bucket *b = NULL;
    LH_AUTO_ERROR(why);
    lh_str name;

    if (!name_of_record(lh_str_of(entry->key), &name) || is_configured(v->s, name))
        return LH_OK;
    (void)recorded_open(v->s, v->call, name, &b, &spec, &why);
    view = store_spec_view(&spec);
    if (spec.name)
        v->visit(v->self, b, &view);
    store_spec_fini(&spec);
    return lh_call_check(v->call, err);
}

lh_status
lh_store_buckets(struct lh_store *s, struct lh_call *call,
                 void (*visit)(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec),
                 void *self, struct lh_error *err)
{
    struct bucket_visitor v = {.s = s, .call = call, .visit = visit, .self = self};

    configured_visit(&v);
    return lh_object_walk(s->primary, call, LH_STR(STORE_RECORD_PREFIX), record_visit, &v, err);
}

/* ---- for replication (replicate_parts.h) ---- */

const struct lh_config *
store_config(const struct lh_store *s)
{
    return s->config;
}

struct replication {
    struct lh_call *call;
    lh_str to;
    struct lh_bucket *rescue;
    struct lh_bucket *sources[STORE_SOURCES_MAX];
    size_t count;
    char unopened[80]; /* one that must not be passed over */
    bool is_too_many;
};

static void
replication_visit(void *self, struct lh_bucket *b, const struct lh_bucket_spec *spec)
{
    struct replication *r = self;

    if (store_spec_is_rescue(spec)) {
        bool is_it = r->to.len > 0 ? lh_str_eq(r->to, lh_str_of(spec->name)) : !r->rescue;
        if (b && is_it)
            r->rescue = b;
    } else if (!b) {
        (void)lh_str_copy(r->unopened, sizeof(r->unopened), lh_str_of(spec->name));
    } else if (r->count < STORE_SOURCES_MAX) {
        r->sources[r->count++] = b;
    } else {
        r->is_too_many = true;
    }
}

static lh_status
replication_check(const struct replication *r, struct lh_error *err)
{
    if (!r->rescue && r->to.len > 0)
        return lh_fail(err, LH_INVALID, "store.no_rescue_bucket",
                       "bucket '%.*s' is no rescue bucket that can be reached",
                       LH_FMT(lh_str_fit(r->to, 80)));
    if (!r->rescue)
        return lh_fail(err, LH_INVALID, "store.no_rescue_bucket",
                       "no bucket has the role rescue, or none can be reached");
    if (r->is_too_many)
        return lh_fail(err, LH_TOO_BIG, "store.too_many_buckets",
                       "more than %d buckets cannot be copied", STORE_SOURCES_MAX);
    if (r->unopened[0])
        return lh_fail(err, LH_UNAVAILABLE, "store.bucket_unavailable",
                       "bucket '%s' cannot be opened, so that it cannot be copied", r->unopened);
    return LH_OK;
}

lh_status
store_replicate_buckets(struct lh_store *s, struct lh_call *call, lh_str to,
                        struct lh_bucket **rescue, struct lh_bucket ***sources, size_t *count,
                        struct lh_error *err)
{
    struct replication r = {.call = call, .to = to};

    LH_TRY(lh_store_buckets(s, call, replication_visit, &r, err));
    LH_TRY(replication_check(&r, err));
    *sources = lh_arena_array(&call->arena, r.count, sizeof(r.sources[0]));
    memcpy(*sources, r.sources, r.count * sizeof(r.sources[0]));
    *count = r.count;
    *rescue = r.rescue;
    return LH_OK;
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
