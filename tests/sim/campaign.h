/*
 * campaign: many seeds over all cores.
 */
#ifndef LH_SIM_CAMPAIGN_H
#define LH_SIM_CAMPAIGN_H

#include "world.h"

struct campaign {
    uint64_t from, seeds;
    long jobs;              /* processes; 1: this one, as far as it comes */
    bool ends_at_the_first; /* violation */
};

/* True when any seed broke a promise; each is printed. */
bool campaign_run(const struct campaign *c);

#endif
