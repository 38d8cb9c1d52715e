/*
 * playbook_rank: how what worked for a like question moves the hits of this one. Pure.
 *
 * A playbook says that for a question some answers worked, with a score of 0 to 1, or failed. It
 * speaks for a new question within 0.5 of its own (cosine distance) and of the same role and city
 * where both name one. Its *strength* is
 *
 *     0.5 × score × e^(-age / 30 days)
 *
 * halved for an answer each time that answer was reported to have failed for such a question, and
 * an answer that it names has its distance multiplied by 1 - strength. Several playbooks that name
 * one answer multiply, down to half the distance at the lowest. An answer that no leg found is
 * brought in when the question is within 0.20 of the recorded one. One playbook moves at most a
 * third of the wanted hits, its own first answers first, so that none can rule an answer.
 *
 * Threads  pure. Memory comes from the arena.
 */
#ifndef LH_SERVICES_VECTORD_PLAYBOOK_RANK_H
#define LH_SERVICES_VECTORD_PLAYBOOK_RANK_H

#include "base/arena.h"
#include "base/str.h"

#define VECTOR_PLAYBOOK_REACH 0.5   /* distance of questions within which one speaks */
#define VECTOR_PLAYBOOK_INJECT 0.20 /* within which it brings answers in */
#define VECTOR_PLAYBOOK_LOWEST 0.5  /* of a distance, however many agree */
#define VECTOR_PLAYBOOK_DECAY_DAYS 30

struct vector_playbook {
    lh_str id;
    lh_str role, city; /* "": any */
    const lh_str *answers;
    const unsigned *failures; /* by answer; NULL: none */
    size_t answer_count;
    double score; /* 0 to 1 */
    int64_t age_us;
    double distance; /* of its question from the one that is asked */
};

/* What the asker says of the question; "": nothing. */
struct vector_playbook_asker {
    lh_str role, city;
    size_t wanted; /* hits */
};

struct vector_playbook_move {
    lh_str answer;
    double factor;     /* of its distance, from VECTOR_PLAYBOOK_LOWEST to 1 */
    bool is_injected;  /* may be brought in */
    lh_str *playbooks; /* ids of those that moved it */
    size_t playbook_count;
};

/* Of its answer number `at`. */
double vector_playbook_strength(const struct vector_playbook *p, size_t at);
bool
vector_playbook_speaks(const struct vector_playbook *p, const struct vector_playbook_asker *asker);

/* The moves, each answer once, strongest first; returns how many. */
size_t vector_playbook_moves(const struct vector_playbook *playbooks, size_t count,
                             const struct vector_playbook_asker *asker, struct lh_arena *arena,
                             struct vector_playbook_move **out);

#endif
