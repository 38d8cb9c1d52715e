#include "engine/verdicts.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/thread.h"

enum { PLACES = 256, SQL_MAX_BYTES = 16 * 1024 };

struct place {
    struct lh_arena arena; /* of both */
    lh_str sql;
    struct guard_verdict verdict;
};

struct engine_verdicts {
    pthread_mutex_t lock;
    struct place places[PLACES];
};

struct engine_verdicts *
engine_verdicts_new(void)
{
    struct engine_verdicts *v = LH_NEW(struct engine_verdicts);

    pthread_mutex_init(&v->lock, NULL);
    return v;
}

void
engine_verdicts_free(struct engine_verdicts *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < PLACES; i++)
        lh_arena_fini(&v->places[i].arena);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

static struct place *
place_of(struct engine_verdicts *v, lh_str sql)
{
    return &v->places[lh_xxh64(sql.ptr, sql.len, 0) % PLACES];
}

/* With a NUL behind, as the guard gives it. */
static lh_str
text_copy(struct lh_arena *arena, lh_str s)
{
    return (lh_str){lh_arena_cstr(arena, s), s.len};
}

static struct guard_verdict
verdict_copy(struct lh_arena *arena, const struct guard_verdict *from)
{
    struct guard_verdict to = *from;

    to.sql = text_copy(arena, from->sql);
    to.describes = text_copy(arena, from->describes);
    to.tables = lh_arena_array(arena, from->table_count + 1, sizeof(*to.tables));
    for (size_t i = 0; i < from->table_count; i++) {
        to.tables[i].version = from->tables[i].version;
        to.tables[i].dataset = text_copy(arena, from->tables[i].dataset);
        to.tables[i].as_written = text_copy(arena, from->tables[i].as_written);
    }
    return to;
}

bool
engine_verdicts_find(struct engine_verdicts *v, lh_str sql, struct lh_arena *arena,
                     struct guard_verdict *out)
{
    LH_AUTO_LOCK(&v->lock);
    const struct place *place = place_of(v, sql);

    if (!place->sql.ptr || !lh_str_eq(place->sql, sql))
        return false;
    *out = verdict_copy(arena, &place->verdict);
    return true;
}

void
engine_verdicts_put(struct engine_verdicts *v, lh_str sql, const struct guard_verdict *verdict)
{
    struct place *place;

    if (sql.len > SQL_MAX_BYTES || verdict->pivot)
        return;
    LH_AUTO_LOCK(&v->lock);
    place = place_of(v, sql);
    lh_arena_reset(&place->arena);
    place->sql = text_copy(&place->arena, sql);
    place->verdict = verdict_copy(&place->arena, verdict);
}
