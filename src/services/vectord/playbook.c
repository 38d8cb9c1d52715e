#include "services/vectord/playbook.h"

#include "base/id.h"
#include "base/time.h"
#include "services/journald/client.h"
#include "services/vectord/catalogue.h"
#include "services/vectord/items.h"
#include "services/vectord/question.h"
#include "services/vectord/registry.h"
#include "services/vectord/search.h"
#include "text/hash_model.h"

#define BODY_BYTES_MAX ((size_t)1 << 20)
#define ANSWER_BYTES_MAX ((size_t)64 << 20)

enum { FOUND_MAX = 200 }; /* records looked at for one question */

static const lh_str playbooks_name = {VECTOR_PLAYBOOK_INDEX, sizeof(VECTOR_PLAYBOOK_INDEX) - 1};

/* ---- record ---- */

/* Borrowed from the body. */
struct record {
    lh_str question, index, role, city;
    const json_t *answers, *tags; /* tags NULL: none */
    double score;
    bool has_failed;
};

static lh_status
texts_check(const json_t *list, const char *what, size_t most, struct lh_error *err)
{
    const json_t *item;
    size_t i;

    if (json_array_size(list) > most)
        return lh_fail(err, LH_INVALID, "vectors.playbook", "at most %zu %s", most, what);
    json_array_foreach (list, i, item)
        if (!json_is_string(item) || json_string_length(item) == 0 ||
            json_string_length(item) > VECTOR_ID_MAX)
            return lh_fail(err, LH_INVALID, "vectors.playbook", "%s are texts of 1 to %d bytes",
                           what, VECTOR_ID_MAX);
    return LH_OK;
}

static lh_status
record_check(const struct record *r, struct lh_error *err)
{
    if (r->question.len == 0 || r->question.len > VECTOR_QUESTION_TEXT_MAX)
        return lh_fail(err, LH_INVALID, "vectors.playbook", "a question has 1 to %d bytes",
                       VECTOR_QUESTION_TEXT_MAX);
    if (lh_str_eq(r->index, playbooks_name))
        return lh_fail(err, LH_INVALID, "vectors.playbook",
                       "playbooks are about other indexes than their own");
    if (json_array_size(r->answers) == 0)
        return lh_fail(err, LH_INVALID, "vectors.playbook", "name at least one answer");
    if (!(r->score >= 0 && r->score <= 1))
        return lh_fail(err, LH_INVALID, "vectors.playbook", "a score is 0 to 1");
    LH_TRY(texts_check(r->answers, "answers", VECTOR_PLAYBOOK_ANSWERS_MAX, err));
    return r->tags ? texts_check(r->tags, "tags", VECTOR_PLAYBOOK_TAGS_MAX, err) : LH_OK;
}

static lh_status
record_read(const json_t *body, struct record *r, struct lh_error *err)
{
    static const char *const fields[] = {"question", "index", "answers", "score", "failed",
                                         "role",     "city",  "tags",    NULL};
    json_t *answers = NULL, *tags = NULL;

    *r = (struct record){.score = 1};
    LH_TRY(lh_json_only(body, fields, err));
    LH_TRY(lh_json_str(body, "question", &r->question, err));
    LH_TRY(lh_json_str(body, "index", &r->index, err));
    LH_TRY(lh_json_array_opt(body, "answers", &answers, err));
    LH_TRY(lh_json_array_opt(body, "tags", &tags, err));
    LH_TRY(lh_json_f64_opt(body, "score", &r->score, err));
    LH_TRY(lh_json_bool_opt(body, "failed", &r->has_failed, err));
    LH_TRY(lh_json_str_opt(body, "role", &r->role, err));
    LH_TRY(lh_json_str_opt(body, "city", &r->city, err));
    r->question = lh_str_trim(r->question);
    r->answers = answers;
    r->tags = tags;
    return record_check(r, err);
}

static void
metadata_print(const struct record *r, const struct lh_call *call, struct lh_json_writer *w)
{
    lh_json_object_begin(w);
    lh_json_set_str(w, "index", r->index);
    lh_json_key(w, "answers");
    lh_json_put_value(w, r->answers);
    lh_json_set_cstr(w, "outcome", r->has_failed ? "failed" : "worked");
    lh_json_set_f64(w, "score", r->has_failed ? 0 : r->score);
    if (r->role.len > 0)
        lh_json_set_str(w, "role", r->role);
    if (r->city.len > 0)
        lh_json_set_str(w, "city", r->city);
    if (r->tags) {
        lh_json_key(w, "tags");
        lh_json_put_value(w, r->tags);
    }
    lh_json_set_time(w, "recorded_at", lh_time_now_us());
    lh_json_set_cstr(w, "actor", call->principal.name);
    lh_json_object_end(w);
}

static void
items_print(const struct record *r, const struct lh_call *call, const char *id, struct lh_buf *body)
{
    struct lh_json_writer w = lh_json_writer_over(body);

    lh_json_object_begin(&w);
    lh_json_key(&w, "items");
    lh_json_array_begin(&w);
    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "id", id);
    lh_json_set_str(&w, "text", r->question);
    lh_json_key(&w, "metadata");
    metadata_print(r, call, &w);
    lh_json_object_end(&w);
    lh_json_array_end(&w);
    lh_json_object_end(&w);
}

static lh_status
index_make(struct vectord *v, struct lh_call *call, struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_JSON body =
        json_pack("{s:s, s:s, s:s, s:i}", "name", VECTOR_PLAYBOOK_INDEX, "metric", "cosine",
                  "model", LH_HASH_MODEL_NAME, "dimension", LH_HASH_MODEL_DIM);
    lh_status status = vector_index_create(v, call, body, &answer, err);

    return status == LH_EXISTS ? LH_OK : status;
}

static lh_status
item_put(struct vectord *v, struct lh_call *call, const struct lh_buf *items, struct lh_error *err)
{
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_ERROR(own);
    lh_status status =
        vector_items_upsert(v, call, playbooks_name, lh_buf_str(items), &answer, &own);

    if (!lh_error_is(&own, "vectors.unknown_index")) {
        if (status != LH_OK)
            lh_error_copy(err, &own);
        return status;
    }
    LH_TRY(index_make(v, call, err));
    return vector_items_upsert(v, call, playbooks_name, lh_buf_str(items), &answer, err);
}

/* Beside the event of the index, which does not know what its items mean. */
static lh_status
event_tell(const struct vectord *v, struct lh_call *call, const char *id, const char *action,
           lh_str new_json, struct lh_error *err)
{
    return lh_journal_event(
        v->env->mesh, call,
        &(struct lh_journal_event){
            .entity_type = "playbook", .entity_id = id, .action = action, .new_json = new_json},
        err);
}

lh_status
vector_playbook_record(struct vectord *v, struct lh_call *call, const json_t *body,
                       struct lh_buf *answer, struct lh_error *err)
{
    struct lh_json_writer w = lh_json_writer_over(answer);
    LH_AUTO_BUF(items, BODY_BYTES_MAX);
    struct record r;
    char id[LH_UUID_TEXT], model[VECTOR_MODEL_MAX];

    LH_TRY(record_read(body, &r, err));
    LH_TRY(vector_model_name(v, call, r.index, model, err)); /* the index is there */
    lh_uuid_format(lh_uuid_v7(), id);
    items_print(&r, call, id, &items);
    LH_TRY(lh_buf_check(&items, "the playbook", err));
    LH_TRY(item_put(v, call, &items, err));
    lh_json_object_begin(&w);
    lh_json_set_cstr(&w, "id", id);
    lh_json_set_str(&w, "index", r.index);
    lh_json_set_cstr(&w, "outcome", r.has_failed ? "failed" : "worked");
    lh_json_object_end(&w);
    LH_TRY(lh_buf_check(answer, "the answer", err));
    return event_tell(v, call, id, "playbook.recorded", lh_buf_str(answer), err);
}

/* ---- read and retract ---- */

/* Whoever asks for a playbook knows nothing of its index. */
static lh_status
unknown_playbook(lh_status status, const struct lh_error *own, lh_str id, struct lh_error *err)
{
    if (status == LH_NOT_FOUND)
        return lh_fail(err, LH_NOT_FOUND, "vectors.unknown_playbook", "there is no playbook %.*s",
                       LH_FMT(lh_str_fit(id, 64)));
    if (status != LH_OK)
        lh_error_copy(err, own);
    return status;
}

static void
playbook_print(const json_t *item, struct lh_buf *answer)
{
    struct lh_json_writer w = lh_json_writer_over(answer);
    const char *key;
    json_t *value;

    lh_json_object_begin(&w);
    lh_json_key(&w, "id");
    lh_json_put_value(&w, json_object_get(item, "id"));
    lh_json_key(&w, "question");
    lh_json_put_value(&w, json_object_get(item, "text"));
    json_object_foreach (json_object_get(item, "metadata"), key, value) {
        lh_json_key(&w, key);
        lh_json_put_value(&w, value);
    }
    lh_json_object_end(&w);
}

lh_status
vector_playbook_read(struct vectord *v, struct lh_call *call, lh_str id, struct lh_buf *answer,
                     struct lh_error *err)
{
    LH_AUTO_BUF(text, ANSWER_BYTES_MAX);
    LH_AUTO_JSON item = NULL;
    LH_AUTO_ERROR(own);

    LH_TRY(
        unknown_playbook(vector_item_get(v, call, playbooks_name, id, &text, &own), &own, id, err));
    LH_TRY(lh_json_parse(lh_buf_str(&text), &item, err));
    playbook_print(item, answer);
    return lh_buf_check(answer, "the answer", err);
}

lh_status
vector_playbook_retract(struct vectord *v, struct lh_call *call, lh_str id, struct lh_error *err)
{
    LH_AUTO_ERROR(own);

    LH_TRY(unknown_playbook(vector_item_delete(v, call, playbooks_name, id, &own), &own, id, err));
    return event_tell(v, call, lh_arena_cstr(&call->arena, id), "playbook.retracted", LH_STR_NONE,
                      err);
}

/* ---- find ---- */

static void
find_print(lh_str index, lh_str question, struct lh_buf *body)
{
    struct lh_json_writer w = lh_json_writer_over(body);

    lh_json_object_begin(&w);
    lh_json_set_str(&w, "text", question);
    lh_json_set_u64(&w, "k", FOUND_MAX);
    lh_json_key(&w, "filter");
    lh_json_object_begin(&w);
    lh_json_set_str(&w, "index", index);
    lh_json_object_end(&w);
    lh_json_object_end(&w);
}

static lh_str
member_copy(struct lh_arena *arena, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_string(value))
        return LH_STR_NONE;
    return lh_arena_str(arena, (lh_str){json_string_value(value), json_string_length(value)});
}

static void
playbook_read(const json_t *hit, struct lh_arena *arena, struct vector_playbook *p)
{
    const json_t *metadata = json_object_get(hit, "metadata");
    const json_t *answers = json_object_get(metadata, "answers"), *item;
    lh_str at = member_copy(arena, metadata, "recorded_at");
    int64_t recorded_us = 0;
    lh_str *copies;
    size_t i;

    *p = (struct vector_playbook){
        .id = member_copy(arena, hit, "id"),
        .role = member_copy(arena, metadata, "role"),
        .city = member_copy(arena, metadata, "city"),
        .score = json_number_value(json_object_get(metadata, "score")),
        .distance = json_number_value(json_object_get(hit, "distance")),
    };
    if (lh_time_parse(at, &recorded_us))
        p->age_us = lh_time_now_us() - recorded_us;
    copies = lh_arena_array(arena, json_array_size(answers) + 1, sizeof(*copies));
    json_array_foreach (answers, i, item)
        copies[p->answer_count++] =
            lh_arena_str(arena, (lh_str){json_string_value(item), json_string_length(item)});
    p->answers = copies;
}

static bool
has_failed(const json_t *hit)
{
    const char *outcome =
        json_string_value(json_object_get(json_object_get(hit, "metadata"), "outcome"));

    return outcome && strcmp(outcome, "failed") == 0;
}

static unsigned
failures_of(lh_str answer, const struct vector_playbook *failed, size_t count)
{
    unsigned n = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < failed[i].answer_count; j++)
            n += lh_str_eq(failed[i].answers[j], answer);
    return n;
}

static void
failures_count(struct vector_playbook *p, const struct vector_playbook *failed, size_t count,
               struct lh_arena *arena)
{
    unsigned *failures = lh_arena_array(arena, p->answer_count + 1, sizeof(*failures));

    for (size_t i = 0; i < p->answer_count; i++)
        failures[i] = failures_of(p->answers[i], failed, count);
    p->failures = failures;
}

/* What speaks for the question, and what failed for it. */
static size_t
found_read(const json_t *results, const struct vector_playbook_asker *asker, struct lh_arena *arena,
           struct vector_playbook **out)
{
    size_t most = json_array_size(results) + 1, worked = 0, failed = 0, i;
    struct vector_playbook *all = lh_arena_array(arena, most, sizeof(*all));
    struct vector_playbook *against = lh_arena_array(arena, most, sizeof(*against));
    const json_t *hit;

    json_array_foreach (results, i, hit) {
        struct vector_playbook p;

        playbook_read(hit, arena, &p);
        if (!vector_playbook_speaks(&p, asker))
            continue;
        if (has_failed(hit))
            against[failed++] = p;
        else
            all[worked++] = p;
    }
    for (size_t j = 0; j < worked; j++)
        failures_count(&all[j], against, failed, arena);
    *out = all;
    return worked;
}

/* Nothing is known: no index of playbooks yet, or a question that its model cannot place. */
static bool
is_nothing(const struct lh_error *err)
{
    return lh_error_is(err, "vectors.unknown_index") || lh_error_is(err, "vectors.zero_vector");
}

lh_status
vector_playbooks_moves(struct vectord *v, struct lh_call *call, lh_str index, lh_str question,
                       const struct vector_playbook_asker *asker,
                       struct vector_playbook_move **moves, size_t *count, struct lh_error *err)
{
    LH_AUTO_BUF(body, BODY_BYTES_MAX);
    LH_AUTO_BUF(answer, ANSWER_BYTES_MAX);
    LH_AUTO_JSON found = NULL;
    LH_AUTO_ERROR(own);
    struct vector_playbook *playbooks;
    lh_status status;
    size_t worked;

    find_print(index, question, &body);
    status = vector_search(v, call, playbooks_name, lh_buf_str(&body), &answer, &own);
    if (is_nothing(&own)) {
        *count = 0;
        return LH_OK;
    }
    if (status != LH_OK) {
        lh_error_copy(err, &own);
        return status;
    }
    LH_TRY(lh_json_parse(lh_buf_str(&answer), &found, err));
    worked = found_read(json_object_get(found, "results"), asker, &call->arena, &playbooks);
    *count = vector_playbook_moves(playbooks, worked, asker, &call->arena, moves);
    return LH_OK;
}
