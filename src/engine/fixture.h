/*
 * fixture: a lake in a scratch folder with both engines, for the tests of this room only.
 */
#ifndef LH_ENGINE_FIXTURE_H
#define LH_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/file.h"
#include "base/time.h"
#include "engine/instance.h"
#include "engine/sql.h"

struct lake {
    char folder[64];
    struct lh_config *config;
    struct lh_store *store;
    struct lh_engine *work, *query;
    struct lh_call call;
};

#define assert_ok(expr)                                                                            \
    do {                                                                                           \
        LH_AUTO_ERROR(err);                                                                        \
        if ((expr) != LH_OK)                                                                       \
            fail_msg("%s: %s %s: %s", #expr, lh_status_name(err.status), err.reason, err.text);    \
    } while (0)

#define assert_fails(expr, expected_status, expected_reason)                                       \
    do {                                                                                           \
        LH_AUTO_ERROR(err);                                                                        \
        lh_status got_ = (expr);                                                                   \
        if (got_ != (expected_status) || !lh_error_is(&err, (expected_reason)))                    \
            fail_msg("%s: expected %s %s, got %s %s: %s", #expr, lh_status_name(expected_status),  \
                     (expected_reason), lh_status_name(got_), err.reason, err.text);               \
    } while (0)

static inline int
lake_setup(void **state)
{
    static const struct lh_config_key *const tables[] = {lh_store_config, lh_engine_config, NULL};
    const char *base = getenv("TMPDIR");
    struct lake *l = LH_NEW(struct lake);

    (void)snprintf(l->folder, sizeof(l->folder), "%.40s/lh-engine-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(l->folder));
    lh_call_init(&l->call);
    assert_ok(lh_config_parse(tables,
                              LH_STR("engine.memory_limit = \"512MiB\"\nengine.threads = 2\n"),
                              "test.toml", &l->config, &err));
    assert_ok(lh_store_open(l->config, l->folder, NULL, &l->store, &err));
    assert_ok(lh_engine_open(LH_ENGINE_WORK, l->config, l->store, &l->work, &err));
    assert_ok(lh_engine_open(LH_ENGINE_QUERY, l->config, l->store, &l->query, &err));
    *state = l;
    return 0;
}

static inline int
lake_teardown(void **state)
{
    struct lake *l = *state;

    lh_engine_free(l->query);
    lh_engine_free(l->work);
    lh_store_free(l->store);
    lh_config_free(l->config);
    lh_call_fini(&l->call);
    (void)lh_dir_remove_tree(l->folder, NULL);
    free(l);
    return 0;
}

/* Runs a trusted statement on the work engine. */
static inline void
lake_run(struct lake *l, const char *sql)
{
    LH_AUTO(engine_connection) *c = NULL;

    assert_ok(engine_connection_take(l->work, NULL, &c, &err));
    assert_ok(engine_run(c, sql, NULL, &err));
}

/* Puts the rows of a SELECT as the object lake://primary/<key>. */
static inline void
lake_put(struct lake *l, const char *key, const char *select)
{
    LH_AUTO_CHARS path = lh_asprintf("%s/put.parquet", l->folder);
    LH_AUTO_CHARS sql = lh_asprintf("COPY (%s) TO '%s' (FORMAT parquet)", select, path);
    struct lh_object_info info;

    lake_run(l, sql);
    assert_ok(lh_object_put_file(lh_store_primary(l->store), &l->call, lh_str_of(key), path, NULL,
                                 &info, &err));
}

#endif
