/*
 * The oracle keeps the history of every dataset as the shelf had it: which bytes each version had,
 * which rows, and that each follows from the one before by what its mode says. It looks at each
 * change when it happens, so that nothing wrong can be put right unseen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "engine/table.h"
#include "services/catalogd/manifest.h"
#include "services/catalogd/name.h"
#include "stand_in.h"
#include "world.h"

enum { VERSIONS_MAX = 1024, ACKS_MAX = 2048, FILES_MAX = 64, ROW_BYTES = 32, ROWS_MAX = 512 };

struct rows {
    char (*items)[ROW_BYTES]; /* sorted */
    size_t count;
};

struct version {
    uint8_t digest[LH_SHA256_BYTES];
    struct rows rows;
    char (*files)[LH_KEY_MAX + 1];
    size_t file_count;
    char mode[16];
    char event_id[LH_UUID_TEXT];
    bool stands, has_event, has_echo; /* echo: put again, after it was collected */
};

struct dataset {
    const char *name;
    struct version *versions; /* from 1 on: [0] is unused */
    uint64_t newest, acked;
};

static struct {
    struct dataset datasets[DATASETS_MAX];
    char events[ACKS_MAX][LH_UUID_TEXT]; /* acknowledged notes */
    size_t event_count;
    char sent[ACKS_MAX][ROW_BYTES];
    size_t sent_count;
} oracle;

static const char *const names[DATASETS_MAX] = {"alpha", "beta", "gamma"};

const char *
oracle_dataset(size_t number)
{
    return names[number];
}

static struct dataset *
dataset_find(lh_str name)
{
    for (size_t i = 0; i < DATASETS_MAX; i++)
        if (lh_str_eq(name, lh_str_of(names[i])))
            return &oracle.datasets[i];
    sim_violation("there is something about '%.*s', which nobody made", LH_FMT(name));
    return NULL;
}

void
oracle_begin(void)
{
    memset(&oracle, 0, sizeof(oracle));
    for (size_t i = 0; i < DATASETS_MAX; i++) {
        oracle.datasets[i].name = names[i];
        oracle.datasets[i].versions = lh_alloc_array(VERSIONS_MAX, sizeof(struct version));
    }
}

void
oracle_end(void)
{
    for (size_t i = 0; i < DATASETS_MAX; i++) {
        struct dataset *d = &oracle.datasets[i];

        for (uint64_t v = 1; d->versions != NULL && v <= d->newest; v++) {
            free(d->versions[v].rows.items);
            free(d->versions[v].files);
        }
        free(d->versions);
        d->versions = NULL;
    }
}

/* ---- rows ---- */

static int
row_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void
rows_add(struct rows *r, lh_str text)
{
    lh_str line;

    while (lh_str_next(&text, '\n', &line)) {
        if (line.len == 0)
            continue;
        if (r->count == ROWS_MAX)
            sim_violation("a version has more than %d rows", ROWS_MAX);
        (void)lh_str_copy(r->items[r->count++], ROW_BYTES, line);
    }
}

static void
rows_sort(struct rows *r)
{
    qsort(r->items, r->count, ROW_BYTES, row_order);
    for (size_t i = 1; i < r->count; i++)
        if (strcmp(r->items[i - 1], r->items[i]) == 0)
            sim_violation("row '%s' is there twice", r->items[i]);
}

static bool
rows_have(const struct rows *r, const char *row)
{
    return r->count > 0 && bsearch(row, r->items, r->count, ROW_BYTES, row_order) != NULL;
}

static bool
rows_are_same(const struct rows *a, const struct rows *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->items, b->items, a->count * ROW_BYTES) == 0);
}

void
oracle_row_sent(const char *row)
{
    if (oracle.sent_count < ACKS_MAX)
        (void)snprintf(oracle.sent[oracle.sent_count++], ROW_BYTES, "%s", row);
}

static bool
row_was_sent(const char *row)
{
    for (size_t i = oracle.sent_count; i-- > 0;)
        if (strcmp(oracle.sent[i], row) == 0)
            return true;
    return false;
}

/* ---- a version follows from the one before ---- */

static size_t
key_length(const char *row)
{
    return (size_t)(strchr(row, ' ') - row);
}

static bool
is_same_key(const char *a, const char *b)
{
    return key_length(a) == key_length(b) && strncmp(a, b, key_length(a)) == 0;
}

/* What is in `now` and not in `before`: exactly one, which some client sent. */
static const char *
row_new(const struct rows *before, const struct rows *now)
{
    const char *found = NULL;

    for (size_t i = 0; i < now->count; i++) {
        if (rows_have(before, now->items[i]))
            continue;
        if (found != NULL)
            return NULL;
        found = now->items[i];
    }
    return found != NULL && row_was_sent(found) ? found : NULL;
}

static bool
appended(const struct rows *before, const struct rows *now)
{
    return row_new(before, now) != NULL && now->count == before->count + 1;
}

static bool
upserted(const struct rows *before, const struct rows *now)
{
    const char *row = row_new(before, now);

    /* Sent again after others had come in between: the row may be there as it is. */
    if (row == NULL)
        return rows_are_same(before, now);
    for (size_t i = 0; i < before->count; i++)
        if (rows_have(now, before->items[i]) == is_same_key(before->items[i], row))
            return false;
    return true;
}

static bool
rolled_back(const struct dataset *d, const struct version *v, lh_str source)
{
    uint64_t to;

    return lh_str_starts(source, LH_STR("version ")) &&
           lh_str_u64(lh_str_slice(source, 8, source.len), &to) && to >= 1 && to < d->newest &&
           rows_are_same(&v->rows, &d->versions[to].rows);
}

static bool
follows(const struct dataset *d, const struct version *v, lh_str source)
{
    const struct rows *before = &d->versions[d->newest - 1].rows;

    if (strcmp(v->mode, "append") == 0)
        return appended(before, &v->rows);
    if (strcmp(v->mode, "replace") == 0)
        return v->rows.count == 1 && row_was_sent(v->rows.items[0]);
    if (strcmp(v->mode, "upsert") == 0)
        return upserted(before, &v->rows);
    if (strcmp(v->mode, "rollback") == 0)
        return rolled_back(d, v, source);
    if (strcmp(v->mode, "delete") == 0)
        return v->rows.count == 0;
    return rows_are_same(before, &v->rows);
}

/* ---- manifests ---- */

static void
files_take(struct dataset *d, uint64_t number, const struct lh_table *t)
{
    struct version *v = &d->versions[number];
    size_t key_column;

    if (!lh_table_column_find(t, "key", LH_CELL_TEXT, &key_column))
        sim_violation("a manifest without keys");
    v->file_count = lh_table_rows(t);
    v->files = lh_alloc_array(v->file_count + 1, sizeof(*v->files));
    v->rows.items = lh_alloc_array(ROWS_MAX, ROW_BYTES);
    for (size_t i = 0; i < v->file_count; i++) {
        lh_str key = lh_table_text(t, i, key_column);
        const struct shelf_object *o = shelf_find(key);

        (void)lh_str_copy(v->files[i], sizeof(v->files[i]), key);
        if (o == NULL)
            sim_violation("version %llu of %s names %.*s, which is not there",
                          (unsigned long long)number, d->name, LH_FMT(key));
        else
            rows_add(&v->rows, (lh_str){o->bytes, o->len});
    }
    rows_sort(&v->rows);
}

/* Numbers that were collected can be taken again by whoever has slept since; a store without
 * transactions cannot tell. What must hold: it is no head, nobody is told that it was done, nobody
 * reads it, and it goes away. */
static void
version_again(struct dataset *d, uint64_t number, const uint8_t digest[LH_SHA256_BYTES])
{
    bool is_collected = !d->versions[number].stands && number < d->newest;

    for (uint64_t v = 1; v < number; v++)
        is_collected = is_collected && !d->versions[v].stands;
    if (is_collected) {
        sim_say("version %llu of %s is an echo", (unsigned long long)number, d->name);
        d->versions[number].has_echo = true;
        return;
    }
    if (memcmp(d->versions[number].digest, digest, LH_SHA256_BYTES) != 0)
        sim_violation("version %llu of %s has two winners", (unsigned long long)number, d->name);
    else
        sim_violation("version %llu of %s was put again", (unsigned long long)number, d->name);
}

static void
version_new(struct dataset *d, uint64_t number, const struct shelf_object *o)
{
    struct version *v = &d->versions[number];
    struct lh_table *t = NULL;
    LH_AUTO_ERROR(err);

    if (__wrap_lh_table_decode(NULL, NULL, lh_str_bytes((lh_str){o->bytes, o->len}), &t, &err) !=
        LH_OK)
        sim_violation("half a manifest: %s", err.text);
    d->newest = number;
    v->stands = true;
    lh_sha256_of(lh_str_bytes((lh_str){o->bytes, o->len}), v->digest);
    lh_uuid_format(catalog_version_id(lh_str_of(d->name), number), v->event_id);
    (void)lh_str_copy(v->mode, sizeof(v->mode), lh_table_meta(t, "mode"));
    files_take(d, number, t);
    if (!follows(d, v, lh_table_meta(t, "source")))
        sim_violation("version %llu of %s (%s) does not follow from the one before",
                      (unsigned long long)number, d->name, v->mode);
    lh_table_free(t);
}

static void
manifest_put(const struct shelf_object *o, lh_str name, uint64_t number)
{
    uint8_t digest[LH_SHA256_BYTES];
    struct dataset *d = dataset_find(name);

    lh_sha256_of(lh_str_bytes((lh_str){o->bytes, o->len}), digest);
    if (number <= d->newest)
        version_again(d, number, digest);
    else if (number != d->newest + 1 || number >= VERSIONS_MAX)
        sim_violation("version %llu of %s comes after %llu", (unsigned long long)number, d->name,
                      (unsigned long long)d->newest);
    else
        version_new(d, number, o);
}

/* ---- the journal ---- */

static bool
event_is_there(const char *id)
{
    for (size_t place = shelf_place(LH_STR("_journal/events/"));; place++) {
        const struct shelf_object *o = shelf_at(place);

        if (o == NULL || strncmp(o->key, "_journal/events/", 16) != 0)
            return false;
        if (memmem(o->bytes, o->len, id, strlen(id)) != NULL)
            return true;
    }
}

static void
event_of_version(struct dataset *d, uint64_t number)
{
    if (number > 1 && !d->versions[number - 1].has_event)
        sim_violation("the event of version %llu of %s is there before that of %llu",
                      (unsigned long long)number, d->name, (unsigned long long)number - 1);
    d->versions[number].has_event = true;
}

static bool
event_is(lh_str id, struct dataset *d)
{
    for (uint64_t v = d->newest; v >= 1; v--) {
        if (!lh_str_eq(id, lh_str_of(d->versions[v].event_id)))
            continue;
        event_of_version(d, v);
        return true;
    }
    return false;
}

static void
batch_put(const struct shelf_object *o)
{
    lh_str text = {o->bytes, o->len}, line, id;

    while (lh_str_next(&text, '\n', &line)) {
        LH_AUTO_JSON event = NULL;
        LH_AUTO_ERROR(err);

        if (line.len == 0)
            continue;
        if (lh_json_parse(line, &event, &err) != LH_OK ||
            lh_json_str(event, "event_id", &id, &err) != LH_OK)
            sim_violation("half an event in %s", o->key);
        for (size_t i = 0; i < DATASETS_MAX; i++)
            if (event_is(id, &oracle.datasets[i]))
                break;
    }
}

/* ---- changes ---- */

void
oracle_put(const struct shelf_object *o)
{
    lh_str key = lh_str_of(o->key), name;
    uint64_t number;

    if (catalog_manifest_key_parse(key, &name, &number))
        manifest_put(o, name, number);
    else if (lh_str_starts(key, LH_STR("_journal/events/")))
        batch_put(o);
}

static bool
version_names(const struct version *v, const char *key)
{
    for (size_t i = 0; i < v->file_count; i++)
        if (strcmp(v->files[i], key) == 0)
            return true;
    return false;
}

static bool
is_reachable(const char *key, const char **by, uint64_t *number)
{
    for (size_t i = 0; i < DATASETS_MAX; i++) {
        const struct dataset *d = &oracle.datasets[i];

        for (uint64_t v = d->newest; v >= 1; v--) {
            if (!d->versions[v].stands || !version_names(&d->versions[v], key))
                continue;
            *by = d->name;
            *number = v;
            return true;
        }
    }
    return false;
}

void
oracle_removed(const struct shelf_object *o)
{
    lh_str key = lh_str_of(o->key), name;
    struct dataset *d;
    const char *by;
    uint64_t number;

    if (catalog_manifest_key_parse(key, &name, &number)) {
        d = dataset_find(name);
        if (number == d->newest)
            sim_violation("the newest version of %s was removed: %llu", d->name,
                          (unsigned long long)number);
        d->versions[number].stands = false;
        d->versions[number].has_echo = false;
    } else if (is_reachable(o->key, &by, &number)) {
        sim_violation("%s was removed, which version %llu of %s names", o->key,
                      (unsigned long long)number, by);
    }
}

/* ---- answers ---- */

uint64_t
oracle_acked_version(const char *dataset)
{
    return dataset_find(lh_str_of(dataset))->acked;
}

/* NULL: no row, a rollback. */
void
oracle_acked(const char *dataset, uint64_t version, const char *row)
{
    struct dataset *d = dataset_find(lh_str_of(dataset));

    if (version == 0 || version > d->newest)
        sim_violation("version %llu of %s was acknowledged and is not there",
                      (unsigned long long)version, dataset);
    if (d->versions[version].has_echo)
        sim_violation("an echo of version %llu of %s was acknowledged", (unsigned long long)version,
                      dataset);
    if (row != NULL && !rows_have(&d->versions[version].rows, row))
        sim_violation("row '%s' was acknowledged in version %llu of %s and is not in it", row,
                      (unsigned long long)version, dataset);
    if (version > d->acked)
        d->acked = version;
}

void
oracle_event_acked(const char *event_id)
{
    if (!event_is_there(event_id))
        sim_violation("event %s was acknowledged and is not there", event_id);
    if (oracle.event_count < ACKS_MAX)
        (void)snprintf(oracle.events[oracle.event_count++], LH_UUID_TEXT, "%s", event_id);
}

static bool
was_hidden_since(const struct dataset *d, uint64_t version)
{
    bool is_hidden = version == 0;

    for (uint64_t v = version; v >= 1 && v <= d->newest; v++)
        is_hidden = is_hidden || strcmp(d->versions[v].mode, "delete") == 0;
    return is_hidden;
}

void
oracle_read(const char *dataset, uint64_t version, uint64_t at_least, lh_str rows)
{
    struct dataset *d = dataset_find(lh_str_of(dataset));
    struct rows got = {.items = lh_alloc_array(ROWS_MAX, ROW_BYTES)};

    if (version > 0 ? version < at_least : !was_hidden_since(d, at_least))
        sim_violation("version %llu of %s was read after %llu had been acknowledged",
                      (unsigned long long)version, dataset, (unsigned long long)at_least);
    if (version > d->newest)
        sim_violation("version %llu of %s was read and does not exist", (unsigned long long)version,
                      dataset);
    rows_add(&got, rows);
    rows_sort(&got);
    if (version > 0 && !rows_are_same(&got, &d->versions[version].rows))
        sim_violation("version %llu of %s was read with other rows than it has",
                      (unsigned long long)version, dataset);
    free(got.items);
}

/* ---- at rest ---- */

static void
dataset_settle(const struct dataset *d)
{
    for (uint64_t v = 1; v <= d->newest; v++)
        if (d->versions[v].has_echo)
            sim_violation("the echo of version %llu of %s stays", (unsigned long long)v, d->name);
        else if (!d->versions[v].has_event)
            sim_violation("version %llu of %s has no event", (unsigned long long)v, d->name);
    for (size_t place = 0; place < NODES; place++) {
        LH_AUTO_BUF(rows, (size_t)1 << 20);
        uint64_t version = 0;
        bool is_hidden = d->newest == 0 || strcmp(d->versions[d->newest].mode, "delete") == 0;
        bool has_answered;

        sim_node_enter(node_at(place));
        has_answered = client_read(node_at(place), d->name, &version, &rows);
        sim_node_enter(NULL);
        if (!has_answered)
            sim_violation("%s cannot be read by %s", d->name, node_name(node_at(place)));
        if (version != (is_hidden ? 0 : d->newest))
            sim_violation("%s reads version %llu of %s, not %llu", node_name(node_at(place)),
                          (unsigned long long)version, d->name, (unsigned long long)d->newest);
        oracle_read(d->name, version, 0, lh_buf_str(&rows));
    }
}

static bool
is_left_over(const char *key)
{
    const char *by;
    uint64_t number;

    if (strncmp(key, "_data/", 6) == 0)
        return !is_reachable(key, &by, &number);
    return strncmp(key, "_catalog/writers/", 17) == 0 ||
           strncmp(key, "_catalog/collecting/", 20) == 0;
}

void
oracle_settle(void)
{
    const struct shelf_object *o;

    for (size_t i = 0; i < world_plan.datasets; i++)
        dataset_settle(&oracle.datasets[i]);
    for (size_t i = 0; i < oracle.event_count; i++)
        if (!event_is_there(oracle.events[i]))
            sim_violation("the acknowledged event %s is lost", oracle.events[i]);
    for (size_t place = 0; (o = shelf_at(place)) != NULL; place++)
        if (is_left_over(o->key))
            sim_violation("%s is left over", o->key);
}
