#include "services/vectord/generations.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "services/jobs.h"
#include "services/vectord/cache_file.h"
#include "services/vectord/embed.h"
#include "services/vectord/items.h"

enum { MERGE_ROWS = 2000 };

/* ---- listing ---- */

static void
generation_print(struct lh_json_writer *w, const struct vector_definition *d,
                 const struct vector_generation_spec *spec)
{
    lh_json_object_begin(w);
    lh_json_set_u64(w, "generation", spec->number);
    lh_json_set_cstr(w, "state", vector_state_name(spec->state));
    lh_json_set_bool(w, "current", spec->number == d->current);
    lh_json_set_u64(w, "dimension", spec->dimension);
    lh_json_set_cstr(w, "model", spec->model[0] ? spec->model : NULL);
    lh_json_key(w, "parameters");
    lh_json_object_begin(w);
    vector_parameters_print(w, &spec->parameters);
    lh_json_object_end(w);
    lh_json_key(w, "source");
    lh_json_put_raw(w, spec->source ? lh_str_of(spec->source) : LH_STR("null"));
    lh_json_set_time(w, "created_at", spec->created_us);
    lh_json_object_end(w);
}

lh_status
vector_generations_list(struct vectord *v, struct lh_call *call, lh_str name, struct lh_buf *answer,
                        struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = NULL;
    struct lh_json_writer w = lh_json_writer_over(answer);

    LH_TRY(vector_definition_load(v->bucket, call, name, &d, err));
    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "current", d->current);
    lh_json_key(&w, "generations");
    lh_json_array_begin(&w);
    for (size_t i = d->generation_count; i-- > 0;)
        generation_print(&w, d, &d->generations[i]);
    lh_json_array_end(&w);
    lh_json_object_end(&w);
    return LH_OK;
}

/* ---- swapping ---- */

struct swap {
    uint64_t number; /* 0: back */
    uint64_t from, to;
};

static lh_status
swap_do(void *ctx, struct vector_definition *d, struct lh_error *err)
{
    struct swap *s = ctx;

    s->from = d->current;
    LH_TRY(s->number ? vector_definition_promote(d, s->number, err)
                     : vector_definition_rollback(d, err));
    s->to = d->current;
    return LH_OK;
}

static lh_status
swap_finish(struct vectord *v, struct lh_call *call, struct vector_definition *d,
            const struct swap *s, const char *action, struct lh_buf *answer, struct lh_error *err)
{
    LH_AUTO_BUF(old, 256);
    struct lh_json_writer w = lh_json_writer_over(answer), was = lh_json_writer_over(&old);
    const char *name = lh_arena_cstr(&call->arena, lh_str_of(d->name));

    LH_TRY(vector_registry_adopt(v, call, d, err));
    LH_FAULT("vectors.after_swap", err);
    lh_metric_add(v->metrics.swaps, 1);
    lh_json_object_begin(&was);
    lh_json_set_u64(&was, "generation", s->from);
    lh_json_object_end(&was);
    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "generation", s->to);
    lh_json_set_u64(&w, "previous", s->from);
    lh_json_object_end(&w);
    return vectord_event(v, call, name, action, lh_buf_str(&old), lh_buf_str(answer), err);
}

static lh_status
swap_run(struct vectord *v, struct lh_call *call, lh_str name, struct swap *s, const char *action,
         struct lh_buf *answer, struct lh_error *err)
{
    struct vector_definition *d = NULL;

    LH_FAULT("vectors.before_swap", err);
    LH_TRY(vector_definition_change(v->bucket, call, name, swap_do, s, &d, err));
    return swap_finish(v, call, d, s, action, answer, err);
}

lh_status
vector_promote(struct vectord *v, struct lh_call *call, lh_str name, uint64_t number,
               struct lh_buf *answer, struct lh_error *err)
{
    struct swap s = {.number = number};

    return swap_run(v, call, name, &s, "generation.promoted", answer, err);
}

lh_status
vector_rollback(struct vectord *v, struct lh_call *call, lh_str name, struct lh_buf *answer,
                struct lh_error *err)
{
    struct swap s = {0};

    return swap_run(v, call, name, &s, "generation.rolled_back", answer, err);
}

/* ---- merging indexes ---- */

struct copying {
    struct vectord *v;
    struct lh_call *call;
    lh_str target_name;
    struct vector_reader reader; /* of the source */
    uint32_t slot;               /* where the next page begins */
    struct vector_row *rows;
    uint32_t *slots;
    float *vectors;
    size_t count, copied, left_out;
    bool clears, wants_direction; /* of the target: cosine takes no zeros */
};

/* The next rows that the reader's epoch sees; they stay while it reads. */
static void
page_gather(struct copying *c)
{
    struct vector_generation *g = c->reader.g;

    c->count = 0;
    pthread_rwlock_rdlock(&g->shared.lock);
    for (; c->slot < g->shared.slot_count && c->count < MERGE_ROWS; c->slot++) {
        const struct vector_record *r = g->shared.records[c->slot];

        if (!vector_record_is_seen(r, c->reader.epoch))
            continue;
        c->slots[c->count] = c->slot;
        c->rows[c->count++] = (struct vector_row){
            .id = r->id, .text = r->text, .metadata = r->metadata, .sequence = r->sequence};
    }
    pthread_rwlock_unlock(&g->shared.lock);
}

/* The vectors of its rows; rows whose vector the target could not take are left where they are. */
static lh_status
page_load(struct copying *c, struct lh_error *err)
{
    struct vector_generation *source = c->reader.g;
    size_t dim = source->spec.dimension, kept = 0;

    for (size_t i = 0; i < c->count; i++) {
        float *vector = c->vectors + kept * dim;

        LH_TRY(lh_ann_load(source->ann, c->slots[i], vector, dim, err));
        if (c->wants_direction && vector_is_zero(vector, dim)) {
            c->left_out++;
            continue;
        }
        c->rows[kept] = c->rows[i];
        c->rows[kept++].vector = vector;
    }
    c->count = kept;
    return LH_OK;
}

static lh_status
page_copy(struct copying *c, struct lh_error *err)
{
    LH_AUTO(vector_generation) *target = NULL;
    struct vector_change change = {.rows = c->rows};

    LH_TRY(page_load(c, err));
    if (c->count == 0)
        return LH_OK;
    change.count = c->count;
    LH_TRY(vector_current(c->v, c->call, c->target_name, &target, err));
    LH_TRY(vector_rows_commit(c->v, c->call, target, &change, err));
    c->copied += c->count;
    return LH_OK;
}

/* Only what was copied goes: an item that was written again meanwhile stays. */
static lh_status
page_clear(struct copying *c, struct lh_error *err)
{
    struct vector_row *gone = lh_alloc_array(c->count + 1, sizeof(*gone));
    struct vector_change change = {.rows = gone, .count = c->count};
    lh_status status;

    for (size_t i = 0; i < c->count; i++)
        gone[i] = (struct vector_row){
            .id = c->rows[i].id, .is_removal = true, .only_sequence = c->rows[i].sequence};
    status = vector_rows_commit(c->v, c->call, c->reader.g, &change, err);
    free(gone);
    return status;
}

static lh_status
pages_copy(struct copying *c, struct lh_error *err)
{
    size_t dim = c->reader.g->spec.dimension;

    c->rows = lh_arena_array(&c->call->arena, MERGE_ROWS, sizeof(*c->rows));
    c->slots = lh_arena_array(&c->call->arena, MERGE_ROWS, sizeof(*c->slots));
    c->vectors = lh_arena_array(&c->call->arena, MERGE_ROWS * dim, sizeof(*c->vectors));
    for (;;) {
        LH_TRY(lh_call_check(c->call, err));
        page_gather(c);
        if (c->count == 0)
            return LH_OK;
        LH_TRY(page_copy(c, err));
        if (c->clears && c->count > 0)
            LH_TRY(page_clear(c, err));
    }
}

static lh_status
merge_check(struct vectord *v, struct lh_call *call, lh_str name, lh_str source_name,
            const struct vector_generation *source, bool *wants_direction, struct lh_error *err)
{
    LH_AUTO(vector_generation) *target = NULL;

    LH_TRY(vector_current(v, call, name, &target, err));
    *wants_direction = target->metric == LH_ANN_COSINE;
    if (lh_str_eq(name, source_name))
        return lh_fail(err, LH_INVALID, "vectors.merge_source",
                       "an index is not merged into itself");
    if (target->spec.dimension != source->spec.dimension)
        return lh_fail(err, LH_CONFLICT, "vectors.dimension_differs",
                       "'%.*s' has %u dimensions, '%.*s' has %u", LH_FMT(source_name),
                       source->spec.dimension, LH_FMT(name), target->spec.dimension);
    return LH_OK;
}

lh_status
vector_merge_indexes(struct vectord *v, struct lh_call *call, lh_str name, const json_t *body,
                     struct lh_buf *answer, struct lh_error *err)
{
    static const char *const fields[] = {"source", "clear_source", NULL};
    LH_AUTO(vector_generation) *source = NULL;
    struct copying c = {.v = v, .call = call, .target_name = name};
    struct lh_json_writer w = lh_json_writer_over(answer);
    lh_str source_name;
    lh_status status;

    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_str(body, "source", &source_name, err));
    LH_TRY(lh_json_bool_opt(body, "clear_source", &c.clears, err));
    LH_TRY(vector_current(v, call, source_name, &source, err));
    LH_TRY(merge_check(v, call, name, source_name, source, &c.wants_direction, err));
    LH_TRY(vector_reader_enter(source, &c.reader, err));
    status = pages_copy(&c, err);
    vector_reader_leave(&c.reader);
    LH_TRY(status);
    lh_json_object_begin(&w);
    lh_json_set_u64(&w, "merged", c.copied);
    lh_json_set_u64(&w, "left_out", c.left_out);
    lh_json_set_str(&w, "source", source_name);
    lh_json_set_bool(&w, "cleared", c.clears);
    lh_json_object_end(&w);
    return vectord_event(v, call, lh_arena_cstr(&call->arena, name), "index.merged", LH_STR_NONE,
                         lh_buf_str(answer), err);
}

/* ---- making and dropping ---- */

static lh_status
object_remove(void *ctx, const struct lh_object_entry *entry, struct lh_error *err)
{
    LH_AUTO_ERROR(why);
    lh_status status =
        lh_object_delete(((void **)ctx)[0], ((void **)ctx)[1], lh_str_of(entry->key), NULL, &why);

    if (status == LH_OK || status == LH_NOT_FOUND)
        return LH_OK;
    lh_error_copy(err, &why);
    return status;
}

static lh_status
log_objects_remove(struct vectord *v, struct lh_call *call, lh_str name, const char *uid,
                   uint64_t log, struct lh_error *err)
{
    static const char *const kinds[] = {"embeddings", "models"};
    void *ctx[] = {v->bucket, call};

    for (size_t i = 0; i < 2; i++)
        LH_TRY(lh_object_walk(
            v->bucket, call,
            lh_str_of(lh_arena_printf(&call->arena, "_vectors/%.*s/%s/%.8s-%010llu", LH_FMT(name),
                                      kinds[i], uid, (unsigned long long)log)),
            object_remove, ctx, err));
    return LH_OK;
}

/* Numbers are never used again, so a log that no generation names is nobody's. */
static lh_status
log_remove(struct vectord *v, struct lh_call *call, const struct vector_definition *d, uint64_t log,
           struct lh_error *err)
{
    for (size_t i = 0; i < d->generation_count; i++) {
        if (d->generations[i].log == log)
            return LH_OK;
    }
    return log_objects_remove(v, call, lh_str_of(d->name), d->uid, log, err);
}

static lh_status
uid_check(const struct vector_definition *d, const struct vector_generation_spec *made,
          struct lh_error *err)
{
    if (made->uid[0] == '\0' || strcmp(made->uid, d->uid) == 0)
        return LH_OK;
    return lh_fail(err, LH_NOT_FOUND, "vectors.unknown_index",
                   "index '%s' was removed and made anew meanwhile", d->name);
}

lh_status
vector_generation_check(struct vectord *v, struct lh_call *call, lh_str name,
                        const struct vector_generation_spec *made, struct lh_error *err)
{
    LH_AUTO(vector_definition) *d = NULL;

    LH_TRY(vector_known(v, call, name, &d, err));
    return uid_check(d, made, err);
}

struct drop {
    const struct vector_generation_spec *made;
    uint64_t log;
};

static lh_status
drop_do(void *ctx, struct vector_definition *d, struct lh_error *err)
{
    struct drop *drop = ctx;
    uint64_t number = drop->made->number;
    const struct vector_generation_spec *spec = vector_definition_find(d, number);

    LH_TRY(uid_check(d, drop->made, err));
    if (spec == NULL)
        return lh_fail(err, LH_NOT_FOUND, "vectors.unknown_generation",
                       "'%s' has no generation %llu", d->name, (unsigned long long)number);
    if (number == d->current)
        return lh_fail(err, LH_CONFLICT, "vectors.generation_current",
                       "generation %llu of '%s' answers now", (unsigned long long)number, d->name);
    drop->log = spec->log;
    vector_definition_generation_drop(d, number);
    return LH_OK;
}

static lh_status
known_drop(struct vectord *v, struct lh_call *call, lh_str name, struct drop *drop,
           struct lh_error *err)
{
    struct vector_definition *d = NULL;
    lh_status status;

    LH_TRY(vector_definition_change(v->bucket, call, name, drop_do, drop, &d, err));
    vector_cache_remove(v, d->uid, drop->made->number);
    status = log_remove(v, call, d, drop->log, err);
    if (status != LH_OK) {
        vector_definition_free(d);
        return status;
    }
    return vector_registry_adopt(v, call, d, err);
}

lh_status
vector_generation_drop(struct vectord *v, struct lh_call *call, lh_str name,
                       const struct vector_generation_spec *made, struct lh_error *err)
{
    struct drop drop = {.made = made};
    LH_AUTO_ERROR(why);
    lh_status status = known_drop(v, call, name, &drop, &why);

    if (lh_error_is(&why, "vectors.unknown_index") && made->uid[0])
        return log_objects_remove(v, call, name, made->uid, made->log, err);
    lh_error_copy(err, &why);
    return status;
}

/* One that can go: never finished and nobody at work on it, or ready and the oldest of too many. */
static uint64_t
superfluous_find(struct vectord *v, struct lh_call *call, const struct vector_definition *d)
{
    size_t keep = (size_t)lh_config_i64(v->env->config, "vectors.generations_keep");
    uint64_t oldest = 0;
    size_t ready = 0;

    for (size_t i = 0; i < d->generation_count; i++) {
        const struct vector_generation_spec *spec = &d->generations[i];

        if (spec->state == VECTOR_FAILED || (spec->state == VECTOR_BUILDING && spec->note &&
                                             lh_jobs_is_over(v->jobs, call, lh_str_of(spec->note))))
            return spec->number;
        ready += spec->state == VECTOR_READY;
        if (oldest == 0 && spec->number != d->current && spec->state == VECTOR_READY)
            oldest = spec->number;
    }
    return ready > keep ? oldest : 0;
}

static lh_status
superfluous_drop(struct vectord *v, struct lh_call *call, lh_str name, struct lh_error *err)
{
    for (;;) {
        LH_AUTO(vector_definition) *d = NULL;
        struct vector_generation_spec spec = {0};

        LH_TRY(vector_definition_load(v->bucket, call, name, &d, err));
        spec.number = superfluous_find(v, call, d);
        if (spec.number == 0)
            return LH_OK;
        LH_TRY(vector_generation_drop(v, call, name, &spec, err));
    }
}

struct addition {
    const struct vector_generation_spec *spec;
    struct vector_generation_spec *made;
};

static lh_status
addition_do(void *ctx, struct vector_definition *d, struct lh_error *err)
{
    struct addition *a = ctx;
    uint64_t number;

    LH_TRY(uid_check(d, a->spec, err));
    LH_TRY(vector_definition_generation_add(d, a->spec, &number, err));
    vector_definition_generation(d, number)->state = VECTOR_BUILDING;
    *a->made = *vector_definition_find(d, number);
    a->made->source = a->made->note = NULL;
    memcpy(a->made->uid, d->uid, sizeof(a->made->uid));
    return LH_OK;
}

lh_status
vector_generation_begin(struct vectord *v, struct lh_call *call, lh_str name,
                        const struct vector_generation_spec *spec,
                        struct vector_generation_spec *made, struct lh_error *err)
{
    struct addition a = {spec, made};
    struct vector_definition *d = NULL;

    LH_TRY(superfluous_drop(v, call, name, err));
    LH_TRY(vector_definition_change(v->bucket, call, name, addition_do, &a, &d, err));
    return vector_registry_adopt(v, call, d, err);
}

struct finish {
    const struct vector_generation_spec *made;
    const char *job_id, *source;
    bool promotes;
    uint64_t from;
};

static lh_status
spec_get(struct vector_definition *d, const struct vector_generation_spec *made,
         struct vector_generation_spec **out, struct lh_error *err)
{
    LH_TRY(uid_check(d, made, err));
    *out = vector_definition_generation(d, made->number);
    if (*out)
        return LH_OK;
    return lh_fail(err, LH_NOT_FOUND, "vectors.unknown_generation", "'%s' has no generation %llu",
                   d->name, (unsigned long long)made->number);
}

static lh_status
job_do(void *ctx, struct vector_definition *d, struct lh_error *err)
{
    const struct finish *f = ctx;
    struct vector_generation_spec *spec;

    LH_TRY(spec_get(d, f->made, &spec, err));
    free(spec->note);
    spec->note = lh_strdup(f->job_id);
    return LH_OK;
}

lh_status
vector_generation_job_set(struct vectord *v, struct lh_call *call, lh_str name,
                          const struct vector_generation_spec *made, const char *job_id,
                          struct lh_error *err)
{
    struct finish f = {.made = made, .job_id = job_id};
    struct vector_definition *d = NULL;

    LH_TRY(vector_definition_change(v->bucket, call, name, job_do, &f, &d, err));
    return vector_registry_adopt(v, call, d, err);
}

static lh_status
finish_do(void *ctx, struct vector_definition *d, struct lh_error *err)
{
    struct finish *f = ctx;
    struct vector_generation_spec *spec;

    LH_TRY(spec_get(d, f->made, &spec, err));
    free(spec->note);
    spec->note = NULL;
    spec->state = VECTOR_READY;
    if (f->source) {
        free(spec->source);
        spec->source = lh_strdup(f->source);
    }
    f->from = d->current;
    return f->promotes ? vector_definition_promote(d, f->made->number, err) : LH_OK;
}

lh_status
vector_generation_finish(struct vectord *v, struct lh_call *call, lh_str name,
                         const struct vector_generation_spec *made, const char *source,
                         bool promotes, struct lh_error *err)
{
    struct finish f = {.made = made, .source = source, .promotes = promotes};
    struct swap s = {.to = made->number};
    struct vector_definition *d = NULL;
    LH_AUTO_BUF(answer, 4096);

    LH_TRY(vector_definition_change(v->bucket, call, name, finish_do, &f, &d, err));
    s.from = f.from;
    if (!promotes || f.from == made->number)
        return vector_registry_adopt(v, call, d, err);
    return swap_finish(v, call, d, &s, "generation.promoted", &answer, err);
}
