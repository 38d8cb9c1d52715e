#include "services/vectord/carry.h"

#include "base/thread.h"
#include "services/vectord/commit.h"
#include "services/vectord/embed.h"
#include "services/vectord/source.h"

enum { PAGE_SLOTS = 8192 };

struct carrying {
    struct vector_generation *to;
    struct lh_call *call;
    struct vector_reader reader; /* of the generation before */
    lh_str mark;
    uint32_t slot; /* where the next page begins */
    struct vector_carried done;
};

static bool
is_known(struct vector_generation *g, lh_str id)
{
    uint32_t slot;
    bool is_there;

    pthread_rwlock_rdlock(&g->shared.lock);
    is_there = vector_generation_find(g, id, &slot) != NULL;
    pthread_rwlock_unlock(&g->shared.lock);
    return is_there;
}

/* By hand, and seen by the reader, whose records stay while it reads. */
static size_t
page_gather(struct carrying *c, struct vector_row *rows)
{
    struct vector_generation *from = c->reader.g;
    uint32_t end;
    size_t count = 0;

    pthread_rwlock_rdlock(&from->shared.lock);
    end = from->shared.slot_count - c->slot < PAGE_SLOTS ? from->shared.slot_count
                                                         : c->slot + PAGE_SLOTS;
    for (; c->slot < end; c->slot++) {
        const struct vector_record *r = from->shared.records[c->slot];

        if (vector_record_is_seen(r, c->reader.epoch) && r->born > c->done.epoch &&
            !vector_source_is_of(c->mark, r->metadata))
            rows[count++] =
                (struct vector_row){.id = r->id, .text = r->text, .metadata = r->metadata};
    }
    pthread_rwlock_unlock(&from->shared.lock);
    return count;
}

/* Those that have a text and are not there already. */
static size_t
texts_choose(struct carrying *c, struct vector_row *rows, size_t count, lh_str *texts)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (c->done.epoch == 0 && is_known(c->to, rows[i].id))
            continue;
        if (rows[i].text.len == 0) {
            c->done.left_out++;
            continue;
        }
        texts[kept] = rows[i].text;
        rows[kept++] = rows[i];
    }
    return kept;
}

static size_t
vectors_give(struct carrying *c, struct vector_row *rows, size_t count, const float *floats)
{
    size_t dim = c->to->spec.dimension, kept = 0;

    for (size_t i = 0; i < count; i++) {
        const float *vector = floats + i * dim;

        if (c->to->metric == LH_ANN_COSINE && vector_is_zero(vector, dim)) {
            c->done.left_out++;
            continue;
        }
        rows[kept] = rows[i];
        rows[kept++].vector = vector;
    }
    return kept;
}

static lh_status
page_carry(struct carrying *c, struct lh_error *err)
{
    LH_AUTO_ARENA(arena);
    struct vector_row *rows = lh_arena_array(&arena, PAGE_SLOTS, sizeof(*rows));
    size_t count = page_gather(c, rows);
    lh_str *texts = lh_arena_array(&arena, count + 1, sizeof(*texts));
    struct vector_change change = {.rows = rows};
    float *floats;

    count = texts_choose(c, rows, count, texts);
    floats = lh_arena_array(&arena, count * c->to->spec.dimension + 1, sizeof(*floats));
    LH_TRY(vector_embed(c->to, c->call, texts, count, floats, NULL, err));
    change.count = vectors_give(c, rows, count, floats);
    if (change.count == 0)
        return LH_OK;
    c->done.items += change.count;
    return vector_commit(c->to, c->call, &change, err);
}

static lh_status
pages_carry(struct carrying *c, struct lh_error *err)
{
    uint32_t slots;

    pthread_rwlock_rdlock(&c->reader.g->shared.lock);
    slots = c->reader.g->shared.slot_count;
    pthread_rwlock_unlock(&c->reader.g->shared.lock);
    while (c->slot < slots) {
        LH_TRY(lh_call_check(c->call, err));
        LH_TRY(page_carry(c, err));
    }
    return LH_OK;
}

lh_status
vector_carry(struct vector_generation *from, struct vector_generation *to, lh_str dataset,
             struct lh_call *call, struct vector_carried *done, struct lh_error *err)
{
    struct carrying c = {.to = to, .call = call, .done = *done};
    lh_status status;

    c.mark = vector_source_mark(dataset, &call->arena);
    LH_TRY(vector_reader_enter(from, &c.reader, err));
    status = pages_carry(&c, err);
    c.done.epoch = c.reader.epoch;
    vector_reader_leave(&c.reader);
    if (status == LH_OK)
        *done = c.done;
    return status;
}
