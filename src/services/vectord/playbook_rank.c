#include "services/vectord/playbook_rank.h"

#include <math.h>
#include <stdlib.h>

#define DAY_US (86400.0 * 1e6)
#define SCORE_WEIGHT 0.5
#define FAILURE_WEIGHT 0.5

double
vector_playbook_strength(const struct vector_playbook *p, size_t at)
{
    double days = p->age_us > 0 ? (double)p->age_us / DAY_US : 0;
    double score = p->score > 1 ? 1 : p->score;
    unsigned failures = p->failures ? p->failures[at] : 0;

    if (!(score > 0))
        return 0;
    return SCORE_WEIGHT * score * pow(FAILURE_WEIGHT, failures) *
           exp(-days / VECTOR_PLAYBOOK_DECAY_DAYS);
}

static bool
agrees(lh_str recorded, lh_str asked)
{
    return recorded.len == 0 || asked.len == 0 || lh_str_eq_nocase(recorded, asked);
}

bool
vector_playbook_speaks(const struct vector_playbook *p, const struct vector_playbook_asker *asker)
{
    return p->distance <= VECTOR_PLAYBOOK_REACH && agrees(p->role, asker->role) &&
           agrees(p->city, asker->city);
}

static struct vector_playbook_move *
move_of(struct vector_playbook_move *moves, size_t *count, lh_str answer, size_t playbooks_max,
        struct lh_arena *arena)
{
    struct vector_playbook_move *m;

    for (size_t i = 0; i < *count; i++)
        if (lh_str_eq(moves[i].answer, answer))
            return &moves[i];
    m = &moves[(*count)++];
    *m = (struct vector_playbook_move){
        .answer = answer,
        .factor = 1,
        .playbooks = lh_arena_array(arena, playbooks_max, sizeof(*m->playbooks)),
    };
    return m;
}

static void
move_add(struct vector_playbook_move *m, const struct vector_playbook *p, double strength)
{
    for (size_t i = 0; i < m->playbook_count; i++)
        if (lh_str_eq(m->playbooks[i], p->id))
            return; /* names the answer twice */
    m->factor *= 1 - strength;
    if (m->factor < VECTOR_PLAYBOOK_LOWEST)
        m->factor = VECTOR_PLAYBOOK_LOWEST;
    m->is_injected |= p->distance <= VECTOR_PLAYBOOK_INJECT;
    m->playbooks[m->playbook_count++] = p->id;
}

static int
by_factor(const void *a, const void *b)
{
    const struct vector_playbook_move *x = a, *y = b;

    if (x->factor < y->factor || x->factor > y->factor)
        return x->factor < y->factor ? -1 : 1;
    return lh_str_cmp(x->answer, y->answer);
}

size_t
vector_playbook_moves(const struct vector_playbook *playbooks, size_t count,
                      const struct vector_playbook_asker *asker, struct lh_arena *arena,
                      struct vector_playbook_move **out)
{
    size_t each = asker->wanted / 3 > 0 ? asker->wanted / 3 : 1, moved = 0;
    struct vector_playbook_move *moves = lh_arena_array(arena, count * each + 1, sizeof(*moves));

    for (size_t i = 0; i < count; i++) {
        const struct vector_playbook *p = &playbooks[i];

        if (!vector_playbook_speaks(p, asker) || !(p->score > 0))
            continue;
        for (size_t j = 0; j < p->answer_count && j < each; j++)
            move_add(move_of(moves, &moved, p->answers[j], count, arena), p,
                     vector_playbook_strength(p, j));
    }
    if (moved > 1)
        qsort(moves, moved, sizeof(*moves), by_factor);
    *out = moves;
    return moved;
}
