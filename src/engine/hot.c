/*
 * Loading reads the objects into a table of the engine's own catalog, under a name that no dataset
 * can have, and then adds an entry. A statement that binds takes the entry; whether it is dropped
 * meanwhile does not matter to it, since the table goes with the last user.
 */
#include "engine/hot.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "engine/instance.h"
#include "engine/source.h"
#include "engine/sql.h"

struct engine_hot_entry {
    char *dataset;
    uint64_t version, erased;
    char *table;  /* quoted name */
    char *select; /* SELECT * FROM table */
    unsigned users;
    struct engine_hot_entry *next;
};

struct engine_hot {
    pthread_mutex_t lock;
    struct engine_hot_entry *head;
    uint64_t tables; /* made so far: their names never repeat */
};

struct engine_hot *
engine_hot_new(void)
{
    struct engine_hot *h = LH_NEW(struct engine_hot);

    pthread_mutex_init(&h->lock, NULL);
    return h;
}

static void
entry_free(struct engine_hot_entry *entry)
{
    if (!entry)
        return;
    free(entry->dataset);
    free(entry->table);
    free(entry->select);
    free(entry);
}

void
engine_hot_free(struct engine_hot *h)
{
    if (!h)
        return;
    while (h->head) {
        struct engine_hot_entry *entry = h->head;

        h->head = entry->next;
        entry_free(entry);
    }
    pthread_mutex_destroy(&h->lock);
    free(h);
}

/* Where the pointer to the entry stands; under the lock. */
static struct engine_hot_entry **
entry_slot(struct engine_hot *h, lh_str dataset, uint64_t version)
{
    struct engine_hot_entry **slot = &h->head;

    while (*slot &&
           ((*slot)->version != version || !lh_str_eq(lh_str_of((*slot)->dataset), dataset)))
        slot = &(*slot)->next;
    return slot;
}

struct engine_hot_entry *
engine_hot_use(struct lh_engine *e, lh_str dataset, uint64_t version, uint64_t erased)
{
    LH_AUTO_LOCK(&e->hot->lock);
    struct engine_hot_entry *entry = *entry_slot(e->hot, dataset, version);

    if (entry && entry->erased != erased)
        return NULL;
    if (entry)
        entry->users++;
    return entry;
}

/* The list itself counts as a user. */
static bool
is_last_user(struct engine_hot *h, struct engine_hot_entry *entry)
{
    LH_AUTO_LOCK(&h->lock);

    return --entry->users == 0;
}

void
engine_hot_release(struct lh_engine *e, struct engine_hot_entry *entry)
{
    LH_AUTO(engine_connection) *c = NULL;

    if (!entry || !is_last_user(e->hot, entry))
        return;
    /* A table that cannot be dropped costs memory until the process ends, and nobody reads it. */
    if (engine_connection_take(e, NULL, &c, NULL) == LH_OK)
        (void)engine_runf(c, NULL, "DROP TABLE IF EXISTS %s", entry->table);
    entry_free(entry);
}

const char *
engine_hot_select(const struct engine_hot_entry *entry)
{
    return entry->select;
}

/* What statements still use is theirs until they end. */
void
engine_hot_forget(struct lh_engine *e)
{
    struct engine_hot_entry *list;

    pthread_mutex_lock(&e->hot->lock);
    list = e->hot->head;
    e->hot->head = NULL;
    pthread_mutex_unlock(&e->hot->lock);
    while (list) {
        struct engine_hot_entry *entry = list;

        list = entry->next;
        engine_hot_release(e, entry);
    }
}

bool
lh_hot_has(struct lh_engine *e, lh_str dataset, uint64_t version)
{
    LH_AUTO_LOCK(&e->hot->lock);

    return *entry_slot(e->hot, dataset, version) != NULL;
}

/* ---- loading ---- */

static lh_status
table_bytes(struct engine_connection *c, uint64_t *out, struct lh_error *err)
{
    duckdb_result r;

    LH_TRY(engine_run(c,
                      "SELECT memory_usage_bytes::UBIGINT FROM duckdb_memory() "
                      "WHERE tag = 'IN_MEMORY_TABLE'",
                      &r, err));
    *out = duckdb_value_uint64(&r, 0, 0);
    duckdb_destroy_result(&r);
    return LH_OK;
}

static lh_status
table_create(struct engine_connection *c, const char *table,
             const struct lh_statement_source *source, struct lh_error *err)
{
    LH_AUTO_BUF(sql, LH_BUF_UNLIMITED);

    lh_buf_printf(&sql, "CREATE TABLE %s AS ", table);
    engine_source_select(source, &sql);
    return engine_run(c, lh_buf_cstr(&sql), NULL, err);
}

static struct engine_hot_entry *
entry_new(struct engine_hot *h, const struct lh_statement_source *source)
{
    struct engine_hot_entry *entry = LH_NEW(struct engine_hot_entry);
    uint64_t id;

    pthread_mutex_lock(&h->lock);
    id = ++h->tables;
    pthread_mutex_unlock(&h->lock);
    entry->dataset = lh_str_dup(source->dataset);
    entry->version = source->version;
    entry->erased = source->erased;
    entry->users = 1;
    entry->table = lh_asprintf("\"hot %llu\"", (unsigned long long)id);
    entry->select = lh_asprintf("SELECT * FROM %s", entry->table);
    return entry;
}

static bool
entry_publish(struct engine_hot *h, struct engine_hot_entry *entry)
{
    LH_AUTO_LOCK(&h->lock);

    if (*entry_slot(h, lh_str_of(entry->dataset), entry->version))
        return false;
    entry->next = h->head;
    h->head = entry;
    return true;
}

static lh_status
table_load(struct lh_engine *e, struct lh_call *call, const struct lh_statement_source *source,
           const char *table, uint64_t *size_bytes, struct lh_error *err)
{
    LH_AUTO(engine_connection) *c = NULL;
    size_t count = source->uri_count;
    const char **uris = lh_arena_array(&call->arena, count + 1, sizeof(*uris));
    uint64_t before, after;

    if (count > 0)
        memcpy(uris, source->uris, count * sizeof(*uris));
    if (source->erasure)
        uris[count++] = source->erasure->values_uri;

    LH_TRY(engine_connection_take(e, call, &c, err));
    LH_TRY(table_bytes(c, &before, err));
    engine_reads_allow(&c->reads, uris, count);
    LH_TRY(table_create(c, table, source, err));
    LH_TRY(table_bytes(c, &after, err));
    *size_bytes = after > before ? after - before : 0;
    return LH_OK;
}

lh_status
lh_hot_load(struct lh_engine *e, struct lh_call *call, const struct lh_statement_source *source,
            uint64_t *size_bytes, struct lh_error *err)
{
    struct engine_hot_entry *entry = entry_new(e->hot, source);
    lh_status status = table_load(e, call, source, entry->table, size_bytes, err);

    if (status != LH_OK)
        entry_free(entry);
    else if (!entry_publish(e->hot, entry))
        engine_hot_release(e, entry); /* somebody else loaded it meanwhile */
    return status;
}

void
lh_hot_drop(struct lh_engine *e, lh_str dataset, uint64_t version)
{
    struct engine_hot_entry **slot, *entry;

    pthread_mutex_lock(&e->hot->lock);
    slot = entry_slot(e->hot, dataset, version);
    entry = *slot;
    if (entry)
        *slot = entry->next;
    pthread_mutex_unlock(&e->hot->lock);
    engine_hot_release(e, entry);
}
