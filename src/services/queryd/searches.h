/*
 * searches: what vector_search and text_search of a statement ask vectord.
 *
 * The statement's own call goes along, so a search sees what the caller may see and ends when the
 * statement does. Hits are copied into the call's arena.
 *
 * Fails    as vectord's client; INVALID "request.json" for a filter that is no JSON.
 */
#ifndef LH_SERVICES_QUERYD_SEARCHES_H
#define LH_SERVICES_QUERYD_SEARCHES_H

#include "engine/search.h"
#include "services/queryd/queryd.h"

/* Of one statement: every search of an index is answered by the generation that answered its
 * first, so that a promotion meanwhile mixes nothing. */
struct query_searches {
    struct queryd *q;
    struct {
        lh_str index; /* in the call's arena */
        uint64_t generation;
    } seen[LH_STATEMENT_SEARCHES_MAX];
    size_t count;
};

/* Borrows `s`, of which `q` is set and the rest zero. */
struct lh_search_provider query_search_provider(struct query_searches *s);

#endif
