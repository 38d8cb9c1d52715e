#include "services/vectord/registry.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include "services/vectord/cache_file.h"
#include "services/vectord/tombstoned.h"

enum { OPEN_PER_INDEX_MAX = 4 };

/* One index that this process knows. */
struct entry {
    struct entry *next;
    char name[VECTOR_NAME_MAX];
    struct vector_definition *definition;
    struct vector_generation *open[OPEN_PER_INDEX_MAX]; /* the current one first when it is open */
    size_t open_count;
    int64_t used_ms;
    pthread_mutex_t opening; /* one opener at a time */
    int users;               /* who holds the entry without the registry's lock */
    bool is_gone;
};

struct vector_registry {
    pthread_mutex_t lock; /* of everything below and in entries, save `opening` */
    struct entry *entries;
};

/* ---- entries ---- */

static void
entry_generations_unref(struct entry *e)
{
    for (size_t i = 0; i < e->open_count; i++)
        vector_generation_unref(e->open[i]);
    e->open_count = 0;
}

static void
entry_free(struct entry *e)
{
    entry_generations_unref(e);
    vector_definition_free(e->definition);
    pthread_mutex_destroy(&e->opening);
    free(e);
}

/* With the lock. */
static struct entry *
entry_find(struct vector_registry *r, lh_str name)
{
    struct entry *e = r->entries;

    while (e && !lh_str_eq(lh_str_of(e->name), name))
        e = e->next;
    return e;
}

static struct entry *
entry_hold(struct vector_registry *r, lh_str name)
{
    LH_AUTO_LOCK(&r->lock);
    struct entry *e = entry_find(r, name);

    if (e == NULL) {
        e = LH_NEW(struct entry);
        lh_str_copy(e->name, sizeof(e->name), name);
        pthread_mutex_init(&e->opening, NULL);
        e->next = r->entries;
        r->entries = e;
    }
    e->users++;
    return e;
}

/* With the lock. What nobody holds and nobody knows anything about goes. */
static void
entry_release(struct vector_registry *r, struct entry *e)
{
    e->users--;
    if (e->users > 0 || (!e->is_gone && e->definition))
        return;
    for (struct entry **at = &r->entries; *at; at = &(*at)->next) {
        if (*at == e) {
            *at = e->next;
            break;
        }
    }
    entry_free(e);
}

static void
entry_let_go(struct vector_registry *r, struct entry *e)
{
    LH_AUTO_LOCK(&r->lock);

    entry_release(r, e);
}

/* ---- with the lock: which are open ---- */

static struct vector_generation *
open_find(const struct entry *e, uint64_t number)
{
    for (size_t i = 0; i < e->open_count; i++) {
        if (e->open[i]->spec.number == number)
            return e->open[i];
    }
    return NULL;
}

static void
open_remove(struct entry *e, size_t at)
{
    struct vector_generation *g = e->open[at];

    memmove(e->open + at, e->open + at + 1, (--e->open_count - at) * sizeof(e->open[0]));
    vector_generation_unref(g);
}

static void
open_front(struct entry *e, struct vector_generation *g)
{
    size_t at = 0;

    while (e->open[at] != g)
        at++;
    memmove(e->open + 1, e->open, at * sizeof(e->open[0]));
    e->open[0] = g;
}

/* Takes the reference. The one used longest ago makes room. */
static void
open_add(struct entry *e, struct vector_generation *g)
{
    if (e->open_count == OPEN_PER_INDEX_MAX)
        open_remove(e, e->open_count - 1);
    e->open[e->open_count++] = g;
    open_front(e, g);
}

/* Two changes may arrive in either order. */
static bool
is_older(const struct entry *e, const struct vector_definition *d)
{
    return e->definition && strcmp(e->definition->uid, d->uid) == 0 &&
           d->revision < e->definition->revision;
}

/* Another index has taken the name, or a generation is not there any more. */
static void
definition_take(struct entry *e, struct vector_definition *d)
{
    bool is_other = e->definition && strcmp(e->definition->uid, d->uid) != 0;

    if (is_older(e, d)) {
        vector_definition_free(d);
        return;
    }

    for (size_t i = e->open_count; i-- > 0;) {
        if (is_other || vector_definition_find(d, e->open[i]->spec.number) == NULL)
            open_remove(e, i);
    }
    vector_definition_free(e->definition);
    e->definition = d;
}

/* ---- opening ---- */

static lh_status
definition_ensure(struct vectord *v, struct lh_call *call, struct entry *e, struct lh_error *err)
{
    struct vector_definition *d = NULL;
    bool is_known;

    {
        LH_AUTO_LOCK(&v->registry->lock);
        is_known = e->definition != NULL && !e->is_gone;
    }
    if (is_known)
        return LH_OK;
    LH_TRY(vector_definition_load(v->bucket, call, lh_str_of(e->name), &d, err));
    LH_AUTO_LOCK(&v->registry->lock);
    definition_take(e, d);
    e->is_gone = false;
    return LH_OK;
}

static lh_status
spec_find(const struct entry *e, uint64_t number, const struct vector_generation_spec **out,
          struct lh_error *err)
{
    *out = vector_definition_find(e->definition, number ? number : e->definition->current);
    if (*out)
        return LH_OK;
    return lh_fail(err, LH_NOT_FOUND, "vectors.unknown_generation", "'%s' has no generation %llu",
                   e->name, (unsigned long long)number);
}

/* An open one with a reference, or NULL. `number` 0 is the current one. */
static lh_status
open_get(struct vectord *v, struct entry *e, uint64_t number, struct vector_generation **out,
         struct lh_error *err)
{
    const struct vector_generation_spec *spec;
    LH_AUTO_LOCK(&v->registry->lock);

    *out = NULL;
    e->used_ms = lh_time_mono_ms();
    if (e->definition == NULL || e->is_gone)
        return LH_OK;
    LH_TRY(spec_find(e, number, &spec, err));
    *out = open_find(e, spec->number);
    if (*out) {
        vector_generation_ref(*out);
        if (number == 0)
            open_front(e, *out);
    }
    return LH_OK;
}

static struct vector_definition *
definition_copy(struct vectord *v, const struct entry *e)
{
    struct vector_definition *copy = LH_NEW(struct vector_definition);
    LH_AUTO_LOCK(&v->registry->lock);

    *copy = *e->definition;
    for (size_t i = 0; i < copy->generation_count; i++) {
        copy->generations[i].source = lh_strdup(copy->generations[i].source);
        copy->generations[i].note = lh_strdup(copy->generations[i].note);
    }
    return copy;
}

/* With `opening`. */
static lh_status
open_make(struct vectord *v, struct lh_call *call, struct entry *e, uint64_t number,
          struct vector_generation **out, struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = NULL;
    LH_AUTO(vector_generation) *g = NULL;
    const struct vector_generation_spec *spec;

    LH_TRY(definition_ensure(v, call, e, err));
    LH_TRY(open_get(v, e, number, out, err)); /* somebody else may have been first */
    if (*out)
        return LH_OK;
    d = definition_copy(v, e);
    spec = vector_definition_find(d, number ? number : d->current);
    if (spec == NULL)
        return lh_fail(err, LH_CONFLICT, "vectors.definition_changed",
                       "index '%s' was changed by somebody else meanwhile", d->name);
    LH_TRY(vector_generation_open(v, call, d, spec, &g, err));
    LH_AUTO_LOCK(&v->registry->lock);
    if (!e->is_gone && e->definition && strcmp(e->definition->uid, d->uid) == 0) {
        vector_generation_ref(g);
        open_add(e, g);
    }
    *out = lh_take(g);
    return LH_OK;
}

lh_status
vector_generation_get(struct vectord *v, struct lh_call *call, lh_str name, uint64_t number,
                      struct vector_generation **out, struct lh_error *err)
{
    struct entry *e;
    lh_status status;

    if (vector_name_check(name, NULL) != LH_OK)
        return lh_fail(err, LH_NOT_FOUND, "vectors.unknown_index", "there is no index '%.*s'",
                       LH_FMT(lh_str_fit(name, VECTOR_NAME_MAX)));
    e = entry_hold(v->registry, name);
    status = open_get(v, e, number, out, err);
    if (status == LH_OK && *out == NULL) {
        pthread_mutex_lock(&e->opening);
        status = open_make(v, call, e, number, out, err);
        pthread_mutex_unlock(&e->opening);
    }
    entry_let_go(v->registry, e);
    return status;
}

/* What it was built from, as the definition has it now: a refresh changes that. */
static lh_status
source_get(struct vectord *v, const struct vector_generation *g, char **out, struct lh_error *err)
{
    LH_AUTO_LOCK(&v->registry->lock);
    const struct entry *e = entry_find(v->registry, lh_str_of(g->log.index));
    const struct vector_generation_spec *spec = NULL;

    if (e && e->definition && strncmp(e->definition->uid, g->log.uid, 8) == 0)
        spec = vector_definition_find(e->definition, g->spec.number);
    if (spec == NULL)
        return lh_fail(err, LH_CONFLICT, "vectors.definition_changed",
                       "index '%s' was changed by somebody else meanwhile", g->log.index);
    *out = lh_strdup(spec->source);
    return LH_OK;
}

lh_status
vector_registry_follow(struct vectord *v, struct lh_call *call, struct vector_generation *g,
                       struct lh_error *err)
{
    LH_AUTO_CHARS source = NULL;

    LH_TRY(source_get(v, g, &source, err));
    return vector_tombstones_follow(g, call, source, err);
}

lh_status
vector_current(struct vectord *v, struct lh_call *call, lh_str name, struct vector_generation **out,
               struct lh_error *err)
{
    LH_AUTO(vector_generation) *g = NULL;

    LH_TRY(vector_generation_get(v, call, name, 0, &g, err));
    LH_TRY(vector_registry_follow(v, call, g, err));
    *out = lh_take(g);
    return LH_OK;
}

lh_status
vector_known(struct vectord *v, struct lh_call *call, lh_str name, struct vector_definition **out,
             struct lh_error *err)
{
    struct entry *e;
    lh_status status;

    if (vector_name_check(name, NULL) != LH_OK)
        return lh_fail(err, LH_NOT_FOUND, "vectors.unknown_index", "there is no index '%.*s'",
                       LH_FMT(lh_str_fit(name, VECTOR_NAME_MAX)));
    e = entry_hold(v->registry, name);
    pthread_mutex_lock(&e->opening);
    status = definition_ensure(v, call, e, err);
    if (status == LH_OK)
        *out = definition_copy(v, e);
    pthread_mutex_unlock(&e->opening);
    entry_let_go(v->registry, e);
    return status;
}

lh_status
vector_model_name(struct vectord *v, struct lh_call *call, lh_str name,
                  char model[VECTOR_MODEL_MAX], struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = NULL;
    const struct vector_generation_spec *g;

    LH_TRY(vector_known(v, call, name, &d, err));
    g = vector_definition_find(d, d->current);
    memcpy(model, g ? g->model : "", g ? sizeof(g->model) : 1);
    return LH_OK;
}

/* ---- changes ---- */

lh_status
vector_registry_adopt(struct vectord *v, struct lh_call *call, struct vector_definition *d,
                      struct lh_error *err)
{
    struct vector_generation *g = NULL;
    struct entry *e = entry_hold(v->registry, lh_str_of(d->name));
    bool was_open;
    lh_status status = LH_OK;

    pthread_mutex_lock(&e->opening);
    {
        LH_AUTO_LOCK(&v->registry->lock);
        was_open = e->open_count > 0;
        e->is_gone = false;
    }
    /* What is current next is opened before the pointer to it moves. */
    if (was_open) {
        LH_AUTO(vector_generation) *next = NULL;
        const struct vector_generation_spec *spec = vector_definition_find(d, d->current);
        bool is_open;

        {
            LH_AUTO_LOCK(&v->registry->lock);
            is_open = open_find(e, d->current) != NULL;
        }
        if (!is_open)
            status = vector_generation_open(v, call, d, spec, &next, err);
        g = lh_take(next);
    }
    {
        LH_AUTO_LOCK(&v->registry->lock);
        uint64_t current = d->current;

        definition_take(e, d);
        if (g && (e->definition->current != current || open_find(e, current)))
            vector_generation_unref(g);
        else if (g)
            open_add(e, g);
    }
    pthread_mutex_unlock(&e->opening);
    entry_let_go(v->registry, e);
    return status;
}

void
vector_registry_drop(struct vectord *v, lh_str name)
{
    LH_AUTO_LOCK(&v->registry->lock);
    struct entry *e = entry_find(v->registry, name);

    if (e == NULL)
        return;
    e->is_gone = true;
    e->users++;
    entry_generations_unref(e);
    entry_release(v->registry, e);
}

void
vector_registry_close(struct vectord *v, struct vector_generation *g)
{
    LH_AUTO_LOCK(&v->registry->lock);
    struct entry *e = entry_find(v->registry, lh_str_of(g->log.index));

    for (size_t i = 0; e && i < e->open_count; i++) {
        if (e->open[i] == g) {
            open_remove(e, i);
            return;
        }
    }
}

/* ---- all of them ---- */

struct held {
    struct vector_generation *g;
    bool is_current;
};

static struct held *
held_all(struct vector_registry *r, size_t *count)
{
    LH_AUTO_LOCK(&r->lock);
    size_t n = 0, at = 0;
    struct held *held;

    for (struct entry *e = r->entries; e; e = e->next)
        n += e->open_count;
    held = lh_alloc_array(n + 1, sizeof(*held));
    for (struct entry *e = r->entries; e; e = e->next) {
        for (size_t i = 0; i < e->open_count; i++) {
            vector_generation_ref(e->open[i]);
            held[at++] = (struct held){e->open[i], e->definition && e->definition->current ==
                                                                        e->open[i]->spec.number};
        }
    }
    *count = n;
    return held;
}

void
vector_registry_each(struct vectord *v,
                     void (*see)(void *ctx, struct vector_generation *g, bool is_current),
                     void *ctx)
{
    size_t count;
    struct held *held = held_all(v->registry, &count);

    for (size_t i = 0; i < count; i++) {
        see(ctx, held[i].g, held[i].is_current);
        vector_generation_unref(held[i].g);
    }
    free(held);
}

static char **
names_known(struct vector_registry *r, size_t *count)
{
    LH_AUTO_LOCK(&r->lock);
    size_t n = 0, at = 0;
    char **names;

    for (struct entry *e = r->entries; e; e = e->next)
        n++;
    names = lh_alloc_array(n + 1, sizeof(*names));
    for (struct entry *e = r->entries; e; e = e->next)
        names[at++] = lh_strdup(e->name);
    *count = n;
    return names;
}

static bool
is_news(struct vectord *v, lh_str name, const struct vector_definition *d)
{
    LH_AUTO_LOCK(&v->registry->lock);
    const struct entry *e = entry_find(v->registry, name);

    return e && e->definition && strcmp(e->definition->etag, d->etag) != 0;
}

static void
name_refresh(struct vectord *v, struct lh_call *call, lh_str name)
{
    struct vector_definition *d = NULL;
    LH_AUTO_ERROR(err);
    lh_status status = vector_definition_load(v->bucket, call, name, &d, &err);

    if (status == LH_NOT_FOUND)
        vector_registry_drop(v, name);
    else if (status == LH_OK && is_news(v, name, d))
        status = vector_registry_adopt(v, call, d, &err);
    else
        vector_definition_free(d);
    if (status != LH_OK && status != LH_NOT_FOUND && lh_call_check(call, NULL) == LH_OK)
        lh_log_error(LH_LOG_WARN, "vectord", "an index could not be refreshed", &err);
}

void
vector_registry_refresh(struct vectord *v, struct lh_call *call)
{
    size_t count;
    char **names = names_known(v->registry, &count);

    for (size_t i = 0; i < count; i++) {
        if (lh_call_check(call, NULL) == LH_OK)
            name_refresh(v, call, lh_str_of(names[i]));
        free(names[i]);
    }
    free(names);
}

/* ---- room ---- */

/* With the lock: the generation used longest ago that nobody but the registry holds. */
static struct entry *
idle_find(struct vector_registry *r, const struct vector_generation *except, size_t *at)
{
    struct entry *found = NULL;

    for (struct entry *e = r->entries; e; e = e->next) {
        if (found && e->used_ms >= found->used_ms)
            continue;
        for (size_t i = e->open_count; i-- > 0;) {
            if (e->open[i] != except && atomic_load(&e->open[i]->refs) == 1) {
                found = e;
                *at = i;
                break;
            }
        }
    }
    return found;
}

void
vectord_room_make(struct vectord *v, size_t more, const struct vector_generation *except)
{
    while (!vector_budget_has(&v->budget, more)) {
        struct vector_generation *g = NULL;
        size_t at = 0;

        {
            LH_AUTO_LOCK(&v->registry->lock);
            struct entry *e = idle_find(v->registry, except, &at);

            if (e == NULL)
                return;
            g = e->open[at];
            vector_generation_ref(g);
            open_remove(e, at);
        }
        vector_generation_unref(g);
    }
}

/* ---- life ---- */

struct vector_registry *
vector_registry_new(struct vectord *v)
{
    struct vector_registry *r = LH_NEW(struct vector_registry);

    (void)v;
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void
vector_registry_free(struct vector_registry *r)
{
    if (r == NULL)
        return;
    while (r->entries) {
        struct entry *e = r->entries;

        r->entries = e->next;
        entry_free(e);
    }
    pthread_mutex_destroy(&r->lock);
    free(r);
}

struct vector_registry_stats
vector_registry_stats_get(struct vectord *v)
{
    struct vector_registry_stats s = {.bytes = atomic_load(&v->budget.used_bytes)};
    LH_AUTO_LOCK(&v->registry->lock);

    for (struct entry *e = v->registry->entries; e; e = e->next) {
        s.indexes += e->open_count > 0;
        s.generations += e->open_count;
        if (e->open_count > 0)
            s.items += atomic_load(&e->open[0]->live_count);
    }
    return s;
}
