/*
 * Any bytes as a batch of an append log, and as the name of one: a scan gives the lines that are
 * not empty, from the last to the first, and a name that is taken for a batch's is the one that its
 * own time and identifier make.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "store/append_log_name.h"
#include "store/append_log_scan.h"
#include "store/store.h"

#define PREFIX "_log/"
#define BATCH PREFIX "2023-11-14/018bcfe5-6800-7000-8000-000000000000.ndjson"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lh_store *store;
static char folder[] = "/tmp/lh-log-fuzz-XXXXXX";

static void
must(lh_status status, const struct lh_error *err)
{
    if (status == LH_OK)
        return;
    fprintf(stderr, "%s: %s\n", err->reason, err->text);
    abort();
}

static void
folder_remove(void)
{
    lh_store_free(store);
    (void)lh_dir_remove_tree(folder, NULL);
}

static void
store_start(void)
{
    static const struct lh_config_key *const tables[] = {lh_store_config, NULL};
    static struct lh_config *config;
    LH_AUTO_ERROR(err);

    if (!mkdtemp(folder))
        abort();
    must(lh_config_parse(tables, LH_STR(""), "fuzz.toml", &config, &err), &err);
    must(lh_store_open(config, folder, NULL, &store, &err), &err);
    (void)atexit(folder_remove);
}

/* What is left of the batch: records are taken off its end. */
struct expected {
    lh_str rest;
};

static lh_status
record_visit(void *self, lh_str record, bool *stop, struct lh_error *err)
{
    struct expected *e = self;

    (void)stop;
    (void)err;
    while (e->rest.len > 0 && e->rest.ptr[e->rest.len - 1] == '\n')
        e->rest.len--;
    if (record.len == 0 || record.len > e->rest.len || memchr(record.ptr, '\n', record.len) ||
        memcmp(e->rest.ptr + e->rest.len - record.len, record.ptr, record.len) != 0)
        abort();
    e->rest.len -= record.len;
    if (e->rest.len > 0 && e->rest.ptr[e->rest.len - 1] != '\n')
        abort();
    return LH_OK;
}

static void
batch_scan(lh_bytes batch)
{
    struct expected expected = {lh_bytes_str(batch)};
    const struct lh_append_log_visitor visitor = {.visit = record_visit, .self = &expected};
    struct lh_call call;
    struct append_log_scan scan = {
        .bucket = lh_store_primary(store), .prefix = PREFIX, .call = &call, .visitor = &visitor};
    LH_AUTO_ERROR(err);

    lh_call_init(&call);
    must(lh_object_put(scan.bucket, &call, LH_STR(BATCH), batch, NULL, NULL, &err), &err);
    must(append_log_scan_run(&scan, &err), &err);
    for (size_t i = 0; i < expected.rest.len; i++) {
        if (expected.rest.ptr[i] != '\n')
            abort(); /* a record was left out */
    }
    lh_call_fini(&call);
}

static void
name_try(lh_str key)
{
    char from[LH_KEY_MAX + 1];
    int64_t time_ms;

    if (!append_log_name_parse(PREFIX, key, &time_ms))
        return;
    if (time_ms < 0 || time_ms >= APPEND_LOG_TIME_MS_MAX)
        abort();
    append_log_name_from(PREFIX, time_ms, from);
    if (lh_str_cmp(lh_str_of(from), key) >= 0)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!store)
        store_start();
    name_try((lh_str){(const char *)data, size});
    batch_scan(lh_bytes_of(data, size));
    return 0;
}
