#include "services/vectord/hybrid.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/time.h"
#include "services/vectord/playbook.h"
#include "services/vectord/registry.h"
#include "services/vectord/search.h"
#include "text/fuse.h"
#include "text/hash_model.h"

#define LEG_BYTES_MAX ((size_t)256 << 20)

enum leg { LEG_VECTOR, LEG_TEXT, LEGS };

static const char *const leg_names[LEGS] = {"vector", "text"};

/* One index of a question while its legs come in. */
struct indexed {
    lh_str name;
    struct vector_generation
        *g;              /* borrowed; of every leg, so that a swap amid them mixes nothing */
    uint64_t *ids[LEGS]; /* places in run.hits */
    size_t count[LEGS];
    double weight[LEGS];
    bool has_leg[LEGS];
};

struct run {
    struct vectord *v;
    struct lh_call *call;
    const struct vector_question *q;
    struct vector_hybrid *out;
    struct vector_hybrid_hit *hits;
    double *moved; /* distance × factor, by hit */
    size_t count, capacity;
    uint32_t
        *places; /* open addressing over (index, id): place in hits + 1, 0 where there is none */
    size_t place_mask;
    size_t depth;
    struct indexed indexes[VECTOR_QUESTION_INDEXES_MAX];
};

/* ---- hits ---- */

/* Where the hit stands in `places`, or would. */
static uint32_t *
place_of(const struct run *r, lh_str index, lh_str id)
{
    size_t at = (size_t)lh_xxh64(id.ptr, id.len, lh_xxh64(index.ptr, index.len, 0)) & r->place_mask;

    for (;; at = (at + 1) & r->place_mask) {
        const struct vector_hybrid_hit *h = r->places[at] > 0 ? &r->hits[r->places[at] - 1] : NULL;

        if (!h || (lh_str_eq(h->id, id) && lh_str_eq(h->index, index)))
            return &r->places[at];
    }
}

static struct vector_hybrid_hit *
hit_find(const struct run *r, lh_str index, lh_str id)
{
    uint32_t place = *place_of(r, index, id);

    return place > 0 ? &r->hits[place - 1] : NULL;
}

static lh_str
text_of(struct run *r, const json_t *object, const char *field)
{
    const json_t *value = json_object_get(object, field);

    if (!json_is_string(value))
        return LH_STR_NONE;
    return lh_arena_str(&r->call->arena,
                        (lh_str){json_string_value(value), json_string_length(value)});
}

static lh_str
metadata_of(struct run *r, const json_t *hit)
{
    LH_AUTO_BUF(text, LH_BUF_UNLIMITED);
    struct lh_json_writer w = lh_json_writer_over(&text);
    const json_t *metadata = json_object_get(hit, "metadata");

    if (!json_is_object(metadata))
        return LH_STR("{}");
    lh_json_put_value(&w, metadata);
    return lh_arena_str(&r->call->arena, lh_buf_str(&text));
}

/* The hit of an answer among those that are known, or a new one. */
static struct vector_hybrid_hit *
hit_take(struct run *r, lh_str index, const json_t *hit)
{
    lh_str id = text_of(r, hit, "id");
    uint32_t *place = place_of(r, index, id);
    struct vector_hybrid_hit *h;

    if (*place > 0 || r->count == r->capacity)
        return *place > 0 ? &r->hits[*place - 1] : NULL;
    h = &r->hits[r->count++];
    *place = (uint32_t)r->count;
    *h = (struct vector_hybrid_hit){.index = index, .id = id, .factor = 1};
    h->text = text_of(r, hit, "text");
    h->metadata = metadata_of(r, hit);
    return h;
}

/* ---- legs ---- */

static void
request_print(const struct run *r, size_t k, const struct vector_playbook_move *only, size_t count,
              struct lh_buf *body)
{
    struct lh_json_writer w = lh_json_writer_over(body);

    lh_json_object_begin(&w);
    lh_json_set_str(&w, "text", r->q->text);
    lh_json_set_u64(&w, "k", k);
    if (r->q->sql_filter) {
        lh_json_key(&w, "sql_filter");
        lh_json_put_value(&w, r->q->sql_filter);
    }
    if (r->q->filter) {
        lh_json_key(&w, "filter");
        lh_json_put_value(&w, r->q->filter);
    }
    if (only) {
        lh_json_key(&w, "ids");
        lh_json_array_begin(&w);
        for (size_t i = 0; i < count; i++)
            lh_json_put_str(&w, only[i].answer);
        lh_json_array_end(&w);
    }
    lh_json_object_end(&w);
}

static lh_status
leg_ask(struct run *r, size_t at, enum leg leg, const struct lh_buf *body, json_t **out,
        struct lh_error *err)
{
    struct vector_generation *g = r->indexes[at].g;
    LH_AUTO_BUF(answer, LEG_BYTES_MAX);

    if (leg == LEG_VECTOR)
        LH_TRY(vector_search_in(g, r->call, lh_buf_str(body), &answer, err));
    else
        LH_TRY(vector_words_search_in(g, r->call, lh_buf_str(body), &answer, err));
    return lh_json_parse(lh_buf_str(&answer), out, err);
}

static void
leg_read(struct run *r, size_t at, enum leg leg, const json_t *answer)
{
    struct indexed *x = &r->indexes[at];
    const json_t *results = json_object_get(answer, "results"), *item;
    size_t i, most = json_array_size(results);

    x->ids[leg] = lh_arena_array(&r->call->arena, most + 1, sizeof(uint64_t));
    json_array_foreach (results, i, item) {
        struct vector_hybrid_hit *h = hit_take(r, x->name, item);

        if (!h)
            continue;
        if (leg == LEG_VECTOR) {
            h->distance = json_number_value(json_object_get(item, "distance"));
            h->vector_rank = (uint32_t)(i + 1);
        } else {
            h->text_score = json_number_value(json_object_get(item, "score"));
            h->text_rank = (uint32_t)(i + 1);
        }
        x->ids[leg][x->count[leg]++] = (uint64_t)(h - r->hits);
    }
    x->has_leg[leg] = true;
}

/* What an index cannot be asked, as opposed to what went wrong. */
static bool
is_absent_leg(const struct lh_error *err)
{
    static const char *const reasons[] = {"vectors.no_model", "vectors.model_not_fitted",
                                          "vectors.zero_vector", "vectors.no_words", NULL};

    for (size_t i = 0; reasons[i]; i++)
        if (lh_error_is(err, reasons[i]))
            return true;
    return false;
}

static lh_status
leg_run(struct run *r, size_t at, enum leg leg, struct lh_error *last, struct lh_error *err)
{
    LH_AUTO_BUF(body, LH_BUF_UNLIMITED);
    LH_AUTO_JSON answer = NULL;
    LH_AUTO_ERROR(own);
    lh_status status;

    request_print(r, r->depth, NULL, 0, &body);
    status = leg_ask(r, at, leg, &body, &answer, &own);
    if (status == LH_OK) {
        leg_read(r, at, leg, answer);
        return LH_OK;
    }
    if (!is_absent_leg(&own)) {
        lh_error_copy(err, &own);
        return status;
    }
    r->out->skips[r->out->skip_count++] = (struct vector_hybrid_skip){
        .index = r->indexes[at].name,
        .leg = leg_names[leg],
        .why = lh_arena_str(&r->call->arena, lh_str_of(own.reason)),
    };
    lh_error_copy(last, &own);
    return LH_OK;
}

/* ---- playbooks ---- */

static void
move_apply(struct vector_hybrid_hit *h, const struct vector_playbook_move *m)
{
    h->factor = m->factor;
    h->playbooks = m->playbooks;
    h->playbook_count = m->playbook_count;
}

/* Answers that no leg found, within the same filters, at their true distance. */
static lh_status
moves_inject(struct run *r, size_t at, const struct vector_playbook_move *moves, size_t count,
             struct lh_error *err)
{
    struct vector_playbook_move *absent =
        lh_arena_array(&r->call->arena, count + 1, sizeof(*absent));
    struct indexed *x = &r->indexes[at];
    LH_AUTO_BUF(body, LH_BUF_UNLIMITED);
    LH_AUTO_JSON answer = NULL;
    size_t wanted = 0, i, known = x->count[LEG_VECTOR];
    uint64_t *ids;
    json_t *item;

    for (size_t j = 0; j < count; j++) {
        const struct vector_hybrid_hit *h = hit_find(r, x->name, moves[j].answer);

        if (moves[j].is_injected && !(h && h->vector_rank > 0))
            absent[wanted++] = moves[j];
    }
    if (wanted == 0)
        return LH_OK;
    request_print(r, wanted, absent, wanted, &body);
    LH_TRY(leg_ask(r, at, LEG_VECTOR, &body, &answer, err));
    ids = lh_arena_array(&r->call->arena, known + wanted + 1, sizeof(*ids));
    if (known > 0)
        memcpy(ids, x->ids[LEG_VECTOR], known * sizeof(*ids));
    json_array_foreach (json_object_get(answer, "results"), i, item) {
        struct vector_hybrid_hit *h = hit_take(r, x->name, item);

        if (!h)
            continue;
        h->is_injected = h->text_rank == 0;
        h->distance = json_number_value(json_object_get(item, "distance"));
        h->vector_rank = (uint32_t)(known + i + 1);
        ids[x->count[LEG_VECTOR]++] = (uint64_t)(h - r->hits);
    }
    x->ids[LEG_VECTOR] = ids;
    return LH_OK;
}

static int
by_moved_distance(const void *a, const void *b, void *run)
{
    const struct run *r = run;
    uint64_t i = *(const uint64_t *)a, j = *(const uint64_t *)b;
    double x = r->moved[i], y = r->moved[j];

    if (x < y || x > y)
        return x < y ? -1 : 1;
    return i < j ? -1 : i > j;
}

/* The vector leg in the order of moved distances. A distance below zero (inner product) shrinks the
 * other way. */
static void
leg_rank_again(struct run *r, size_t at)
{
    struct indexed *x = &r->indexes[at];

    for (size_t i = 0; i < r->count; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): with hits there are arrays */
        r->moved[i] = r->hits[i].distance >= 0 ? r->hits[i].distance * r->hits[i].factor
                                               : r->hits[i].distance / r->hits[i].factor;
    qsort_r(x->ids[LEG_VECTOR], x->count[LEG_VECTOR], sizeof(uint64_t), by_moved_distance, r);
    for (size_t i = 0; i < x->count[LEG_VECTOR]; i++)
        r->hits[x->ids[LEG_VECTOR][i]].vector_rank = (uint32_t)(i + 1);
}

static lh_status
playbooks_apply(struct run *r, size_t at, struct lh_error *err)
{
    struct indexed *x = &r->indexes[at];
    struct vector_playbook_move *moves = NULL;
    struct vector_playbook_asker asker = {
        .role = r->q->role, .city = r->q->city, .wanted = r->q->k};
    size_t count = 0;

    LH_TRY(vector_playbooks_moves(r->v, r->call, x->name, r->q->text, &asker, &moves, &count, err));
    if (count == 0)
        return LH_OK;
    if (x->has_leg[LEG_VECTOR])
        LH_TRY(moves_inject(r, at, moves, count, err));
    for (size_t i = 0; i < count; i++) {
        struct vector_hybrid_hit *h = hit_find(r, x->name, moves[i].answer);

        if (h)
            move_apply(h, &moves[i]);
    }
    if (x->has_leg[LEG_VECTOR])
        leg_rank_again(r, at);
    return LH_OK;
}

/* ---- fusion ---- */

static void
weights_set(const struct vector_question *q, struct indexed *x)
{
    bool is_hash = strcmp(x->g->spec.model, LH_HASH_MODEL_NAME) == 0;

    x->weight[LEG_TEXT] = q->weight_text >= 0 ? q->weight_text : LH_FUSE_WEIGHT_WORDS;
    if (q->weight_vector >= 0)
        x->weight[LEG_VECTOR] = q->weight_vector;
    else
        x->weight[LEG_VECTOR] = is_hash ? LH_FUSE_WEIGHT_HASH : LH_FUSE_WEIGHT_VECTORS;
}

static int
by_score(const void *a, const void *b)
{
    const struct vector_hybrid_hit *x = a, *y = b;

    if (x->score > y->score || x->score < y->score)
        return x->score > y->score ? -1 : 1;
    return lh_str_cmp(x->id, y->id);
}

static void
fuse(struct run *r)
{
    struct lh_fuse_leg legs[LH_FUSE_LEGS_MAX];
    struct lh_fuse_hit *fused = lh_arena_array(&r->call->arena, r->count + 1, sizeof(*fused));
    struct vector_hybrid *out = r->out;
    size_t leg_count = 0;

    for (size_t i = 0; i < r->q->index_count; i++)
        for (enum leg leg = 0; leg < LEGS; leg++)
            if (r->indexes[i].has_leg[leg] && r->indexes[i].weight[leg] > 0)
                legs[leg_count++] = (struct lh_fuse_leg){.ids = r->indexes[i].ids[leg],
                                                         .count = r->indexes[i].count[leg],
                                                         .weight = r->indexes[i].weight[leg]};
    out->count = lh_fuse(legs, leg_count, 0, r->count, fused);
    out->hits = lh_arena_array(&r->call->arena, out->count + 1, sizeof(*out->hits));
    for (size_t i = 0; i < out->count; i++) {
        out->hits[i] = r->hits[fused[i].id];
        out->hits[i].score = fused[i].score / out->hits[i].factor;
    }
    if (out->count > 1)
        qsort(out->hits, out->count, sizeof(*out->hits), by_score);
    if (out->count > r->q->k)
        out->count = r->q->k;
}

/* ---- run ---- */

static lh_status
index_run(struct run *r, size_t at, struct lh_error *last, struct lh_error *err)
{
    struct indexed *x = &r->indexes[at];
    LH_AUTO(vector_generation) *g = NULL;

    LH_TRY(vector_current(r->v, r->call, r->q->indexes[at], &g, err));
    x->name = r->q->indexes[at];
    x->g = g;
    r->out->generations[at] = g->spec.number;
    weights_set(r->q, x);
    for (enum leg leg = 0; leg < LEGS; leg++)
        if (x->weight[leg] > 0)
            LH_TRY(leg_run(r, at, leg, last, err));
    return r->q->uses_playbooks ? playbooks_apply(r, at, err) : LH_OK;
}

static bool
has_any_leg(const struct run *r)
{
    for (size_t i = 0; i < r->q->index_count; i++)
        if (r->indexes[i].has_leg[LEG_VECTOR] || r->indexes[i].has_leg[LEG_TEXT])
            return true;
    return false;
}

lh_status
vector_hybrid_run(struct vectord *v, struct lh_call *call, const struct vector_question *q,
                  struct vector_hybrid *out, struct lh_error *err)
{
    struct run r = {.v = v, .call = call, .q = q, .out = out};
    LH_AUTO_ERROR(last);

    *out = (struct vector_hybrid){.is_sql_verified = q->sql_filter != NULL};
    r.depth = q->k > LH_FUSE_DEPTH ? q->k : LH_FUSE_DEPTH;
    r.capacity = q->index_count * (LEGS * r.depth + VECTOR_PLAYBOOK_ANSWERS_MAX);
    r.hits = lh_arena_array(&call->arena, r.capacity, sizeof(*r.hits));
    r.moved = lh_arena_array(&call->arena, r.capacity, sizeof(*r.moved));
    for (r.place_mask = 255; r.place_mask < 2 * r.capacity; r.place_mask = 2 * r.place_mask + 1)
        ;
    r.places = lh_arena_array(&call->arena, r.place_mask + 1, sizeof(*r.places));
    for (size_t i = 0; i < q->index_count; i++)
        LH_TRY(index_run(&r, i, &last, err));
    if (!has_any_leg(&r)) {
        lh_error_copy(err, &last);
        return last.status;
    }
    fuse(&r);
    return LH_OK;
}

/* ---- answer ---- */

static void
legs_print(const struct vector_hybrid_hit *hit, struct lh_json_writer *w)
{
    lh_json_key(w, "legs");
    lh_json_object_begin(w);
    if (hit->vector_rank > 0) {
        lh_json_key(w, "vector");
        lh_json_object_begin(w);
        lh_json_set_u64(w, "rank", hit->vector_rank);
        lh_json_set_f64(w, "distance", hit->distance);
        lh_json_object_end(w);
    }
    if (hit->text_rank > 0) {
        lh_json_key(w, "text");
        lh_json_object_begin(w);
        lh_json_set_u64(w, "rank", hit->text_rank);
        lh_json_set_f64(w, "score", hit->text_score);
        lh_json_object_end(w);
    }
    lh_json_object_end(w);
}

static void
moved_print(const struct vector_hybrid_hit *hit, struct lh_json_writer *w)
{
    if (hit->playbook_count == 0)
        return;
    lh_json_key(w, "moved");
    lh_json_object_begin(w);
    lh_json_set_f64(w, "factor", hit->factor);
    lh_json_set_bool(w, "injected", hit->is_injected);
    lh_json_key(w, "playbooks");
    lh_json_array_begin(w);
    for (size_t i = 0; i < hit->playbook_count; i++)
        lh_json_put_str(w, hit->playbooks[i]);
    lh_json_array_end(w);
    lh_json_object_end(w);
}

void
vector_hybrid_hit_print(const struct vector_hybrid *h, const struct vector_hybrid_hit *hit,
                        struct lh_json_writer *w)
{
    lh_json_object_begin(w);
    lh_json_set_str(w, "id", hit->id);
    lh_json_set_str(w, "index", hit->index);
    lh_json_set_f64(w, "score", hit->score);
    legs_print(hit, w);
    moved_print(hit, w);
    lh_json_set_bool(w, "sql_verified", h->is_sql_verified);
    lh_json_set_raw(w, "metadata", hit->metadata);
    if (hit->text.ptr)
        lh_json_set_str(w, "text", hit->text);
    lh_json_object_end(w);
}

static void
skips_print(const struct vector_hybrid *h, struct lh_json_writer *w)
{
    lh_json_key(w, "skipped");
    lh_json_array_begin(w);
    for (size_t i = 0; i < h->skip_count; i++) {
        lh_json_object_begin(w);
        lh_json_set_str(w, "index", h->skips[i].index);
        lh_json_set_cstr(w, "leg", h->skips[i].leg);
        lh_json_set_str(w, "code", h->skips[i].why);
        lh_json_object_end(w);
    }
    lh_json_array_end(w);
}

static void
indexes_print(const struct vector_question *q, const struct vector_hybrid *h,
              struct lh_json_writer *w)
{
    lh_json_key(w, "indexes");
    lh_json_array_begin(w);
    for (size_t i = 0; i < q->index_count; i++) {
        lh_json_object_begin(w);
        lh_json_set_str(w, "name", q->indexes[i]);
        lh_json_set_u64(w, "generation", h->generations[i]);
        lh_json_object_end(w);
    }
    lh_json_array_end(w);
}

lh_status
vector_hybrid_answer(struct vectord *v, struct lh_call *call, const json_t *body,
                     struct lh_buf *answer, struct lh_error *err)
{
    int64_t started_ns = lh_time_mono_ns();
    struct lh_json_writer w = lh_json_writer_over(answer);
    struct vector_question q;
    struct vector_hybrid h;

    LH_TRY(vector_question_read(body, NULL, &q, err));
    LH_TRY(vector_hybrid_run(v, call, &q, &h, err));
    lh_json_object_begin(&w);
    lh_json_key(&w, "results");
    lh_json_array_begin(&w);
    for (size_t i = 0; i < h.count; i++)
        vector_hybrid_hit_print(&h, &h.hits[i], &w);
    lh_json_array_end(&w);
    indexes_print(&q, &h, &w);
    skips_print(&h, &w);
    lh_json_set_f64(&w, "elapsed_ms", (double)((lh_time_mono_ns() - started_ns) / 1000) / 1000);
    lh_json_object_end(&w);
    return lh_buf_check(answer, "the answer", err);
}
