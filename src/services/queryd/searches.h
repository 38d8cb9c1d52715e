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

/* Borrows `q`. */
struct lh_search_provider query_search_provider(struct queryd *q);

#endif
