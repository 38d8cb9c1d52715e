#include "services/vectord/commit.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "base/thread.h"
#include "base/time.h"
#include "services/vectord/budget.h"
#include "services/vectord/generation.h"

enum { CHANGES_WAITING_MAX = 4096, ROWS_PER_BATCH = 20000, TRIES_MAX = 100 };
enum { FLOATS_PER_BATCH = 16 << 20 };

void
vector_commits_init(struct vector_commits *c)
{
    pthread_mutex_init(&c->lock, NULL);
    lh_cond_init(&c->changed);
}

void
vector_commits_fini(struct vector_commits *c)
{
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
}

/* ---- what each id becomes ---- */

/* The rows of one batch: one for each id. */
struct settling {
    struct vector_generation *g;
    struct vector_row *rows;
    size_t count;
    struct vector_names names; /* places in `rows` */
    struct lh_arena arena;
};

static lh_str
settled_id(const void *ctx, uint32_t at)
{
    return ((const struct settling *)ctx)->rows[at].id;
}

/* Without metadata of its own an item keeps what it had: in this batch, or before it. */
static lh_str
metadata_kept(struct settling *s, const struct vector_row *earlier, lh_str id)
{
    const struct vector_record *record;
    uint32_t slot;

    if (earlier)
        return earlier->metadata;
    record = vector_generation_find(s->g, id, &slot);
    return record && record->metadata.ptr ? lh_arena_str(&s->arena, record->metadata) : LH_STR_NONE;
}

static bool
is_the_one(const struct settling *s, const struct vector_row *earlier, const struct vector_row *row)
{
    const struct vector_record *record;
    uint32_t slot;

    record = vector_generation_find(s->g, row->id, &slot);
    return earlier == NULL && record && record->sequence == row->only_sequence;
}

static void
row_settle(struct settling *s, const struct vector_row *row, struct vector_change *change)
{
    uint32_t at = vector_names_find(&s->names, row->id), slot;
    struct vector_row *earlier = at == VECTOR_NO_SLOT ? NULL : &s->rows[at];
    bool is_known =
        earlier ? !earlier->is_removal : vector_generation_find(s->g, row->id, &slot) != NULL;
    struct vector_row settled = *row;

    if (row->only_sequence && !is_the_one(s, earlier, row))
        return;
    change->known += is_known;
    if (row->keeps_metadata)
        settled.metadata = metadata_kept(s, earlier, row->id);
    if (row->is_removal && !is_known && !earlier)
        return;
    settled.sequence = (int64_t)atomic_load(&s->g->applied) + 1;
    if (earlier) {
        *earlier = settled;
        return;
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there is a place for every row */
    s->rows[s->count] = settled;
    vector_names_set(&s->names, (uint32_t)s->count++);
}

/* On top of what others of the batch take; adds its own to that. */
static bool
change_fits(struct vector_generation *g, struct vector_change *change, size_t *taken)
{
    size_t more = *taken;

    for (size_t i = 0; i < change->count; i++) {
        const struct vector_row *r = &change->rows[i];

        if (!r->is_removal)
            more += vector_generation_row_bytes(g, r->id, r->text, r->metadata) +
                    sizeof(float) * g->spec.dimension;
    }
    if (more == *taken)
        return true;
    vectord_room_make(g->v, more, g);
    if (!vector_budget_has(&g->v->budget, more))
        return false;
    *taken = more;
    return true;
}

static void
changes_settle(struct settling *s, struct vector_change *changes)
{
    for (struct vector_change *c = changes; c; c = c->next) {
        c->known = 0;
        if (c->error.status != LH_OK)
            continue;
        for (size_t i = 0; i < c->count; i++)
            row_settle(s, &c->rows[i], c);
    }
}

/* What the graph would refuse must be refused before it is in the bucket. The bound is half of the
 * graph's own, since sums of floats are rounded. */
static bool
vector_is_sound(const float *vector, size_t dim)
{
    double squares = 0;

    for (size_t i = 0; i < dim; i++)
        squares += (double)vector[i] * (double)vector[i];
    return squares <= 0x1p124;
}

static lh_status
vectors_check(const struct vector_generation *g, struct vector_change *change)
{
    for (size_t i = 0; i < change->count; i++) {
        const struct vector_row *r = &change->rows[i];

        if (!r->is_removal && !vector_is_sound(r->vector, g->spec.dimension))
            return lh_fail(&change->error, LH_INVALID, "vectors.vector",
                           "items[%zu].vector holds values whose squares overflow", i);
    }
    return LH_OK;
}

static void
unfit_refuse(struct vector_generation *g, struct vector_change *changes)
{
    size_t taken = 0;

    for (struct vector_change *c = changes; c; c = c->next) {
        if (vectors_check(g, c) == LH_OK && !change_fits(g, c, &taken))
            lh_fail(&c->error, LH_NO_SPACE, "vectors.memory",
                    "%zu items do not fit into the memory for vector indexes (vectors.memory_max)",
                    c->count);
    }
}

/* ---- one batch ---- */

static lh_status
batch_write(struct settling *s, struct lh_call *call, struct lh_error *err)
{
    struct vector_generation *g = s->g;
    LH_AUTO_BUF(parquet, VECTOR_BATCH_BYTES_MAX);
    struct lh_vector_row *out = lh_arena_array(&s->arena, s->count + 1, sizeof(*out));
    uint64_t number = atomic_load(&g->applied) + 1;
    struct lh_engine *work;

    for (size_t i = 0; i < s->count; i++)
        out[i] =
            (struct lh_vector_row){s->rows[i].id,       s->rows[i].vector,   s->rows[i].text,
                                   s->rows[i].metadata, s->rows[i].sequence, s->rows[i].is_removal};
    LH_TRY(lh_env_work_engine(g->v->env, &work, err));
    LH_TRY(lh_vectors_encode(work, call, out, s->count, g->spec.dimension, LH_STR_NONE, &parquet,
                             err));
    LH_TRY(vector_batch_put(&g->log, call, number, lh_buf_bytes(&parquet), err));
    LH_TRY(vector_generation_apply(g, s->rows, s->count, err));
    atomic_store(&g->applied, number);
    return LH_OK;
}

static size_t
row_count(const struct vector_change *changes)
{
    size_t rows = 0;

    for (const struct vector_change *c = changes; c; c = c->next)
        rows += c->count;
    return rows;
}

static lh_status
batch_try(struct vector_generation *g, struct lh_call *call, struct vector_change *changes,
          struct lh_error *err)
{
    struct settling s = {.g = g};
    lh_status status = LH_OK;

    lh_arena_init(&s.arena);
    s.rows = lh_arena_array(&s.arena, row_count(changes) + 1, sizeof(*s.rows));
    s.names.id = settled_id;
    s.names.ctx = &s;
    changes_settle(&s, changes);
    if (s.count > 0)
        status = batch_write(&s, call, err);
    vector_names_fini(&s.names);
    lh_arena_fini(&s.arena);
    return status;
}

/* With the write lock. Whoever was first with the number is read, and the work begins again. */
static lh_status
batch_commit(struct vector_generation *g, struct lh_call *call, struct vector_change *changes,
             struct lh_error *err)
{
    unfit_refuse(g, changes);
    for (int i = 0;; i++) {
        LH_AUTO_ERROR(why);
        lh_status status = batch_try(g, call, changes, &why);

        if (status == LH_CONFLICT && lh_error_is(&why, "vectors.batch_taken") && i < TRIES_MAX) {
            LH_TRY(vector_generation_catch_up(g, call, err));
            continue;
        }
        lh_error_copy(err, &why);
        return status;
    }
}

struct commission {
    struct vector_generation *g;
    struct vector_change *changes;
};

static void
changes_commit(void *arg)
{
    const struct commission *c = arg;
    struct vector_generation *g = c->g;
    LH_AUTO_ERROR(err);
    struct lh_call call;

    /* On a call of its own: the leader's client may go away, the others' have not. */
    lh_call_init(&call);
    call.deadline_ms = lh_time_mono_ms() + g->v->commit_timeout_ms;
    pthread_mutex_lock(&g->write_lock);
    (void)batch_commit(g, &call, c->changes, &err);
    for (struct vector_change *change = c->changes; change; change = change->next) {
        change->batch = atomic_load(&g->applied);
        if (change->error.status == LH_OK && err.status != LH_OK)
            lh_error_copy(&change->error, &err);
    }
    pthread_mutex_unlock(&g->write_lock);
    lh_call_fini(&call);
}

/* ---- the queue ---- */

/* Takes what fits into one batch off the queue. With the lock. */
static struct vector_change *
queue_take(struct vector_commits *q, uint32_t dim)
{
    struct vector_change *taken = q->first, *last = q->first;
    size_t rows = taken->count, most = FLOATS_PER_BATCH / dim;

    if (most > ROWS_PER_BATCH)
        most = ROWS_PER_BATCH;
    q->waiting--;
    while (last->next && rows + last->next->count <= most) {
        last = last->next;
        rows += last->count;
        q->waiting--;
    }
    q->first = last->next;
    if (q->first == NULL)
        q->last = NULL;
    last->next = NULL;
    return taken;
}

static void
lead(struct vector_generation *g)
{
    struct vector_commits *q = &g->commits;
    struct vector_change *taken = queue_take(q, g->spec.dimension);

    q->has_leader = true;
    pthread_mutex_unlock(&q->lock);
    lh_thread_run_aside("vector-write", changes_commit, &(struct commission){g, taken});
    pthread_mutex_lock(&q->lock);
    for (struct vector_change *next; taken; taken = next) {
        next = taken->next;
        taken->is_done = true; /* its owner may be gone as soon as the lock is free */
    }
    q->has_leader = false;
    pthread_cond_broadcast(&q->changed);
}

static lh_status
change_queue(struct vector_commits *q, struct vector_change *change, struct lh_error *err)
{
    if (q->waiting == CHANGES_WAITING_MAX)
        return lh_fail(err, LH_BUSY, "vectors.queue_full", "%zu changes wait already", q->waiting);
    change->next = NULL;
    if (q->last)
        q->last->next = change;
    else
        q->first = change;
    q->last = change;
    q->waiting++;
    return LH_OK;
}

lh_status
vector_commit(struct vector_generation *g, struct lh_call *call, struct vector_change *change,
              struct lh_error *err)
{
    struct vector_commits *q = &g->commits;
    lh_status status;

    LH_TRY(lh_call_check(call, err));
    pthread_mutex_lock(&q->lock);
    status = change_queue(q, change, err);
    while (status == LH_OK && !change->is_done) {
        if (q->has_leader)
            pthread_cond_wait(&q->changed, &q->lock);
        else
            lead(g);
    }
    pthread_mutex_unlock(&q->lock);
    if (status != LH_OK)
        return status;
    status = change->error.status;
    if (status != LH_OK)
        lh_error_copy(err, &change->error);
    lh_error_clear(&change->error);
    return status;
}
