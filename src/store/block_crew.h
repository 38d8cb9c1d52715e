/*
 * block_crew: a few threads that help readers fetch, read ahead and write to disk.
 *
 * They only help: who offers a task does it himself when the crew has no room, and takes it back
 * when nobody began it. So a busy crew makes nobody wait. Threads start when there is something to
 * do for them.
 *
 * Limits   the number of threads; eight waiting tasks for each.
 * Threads  all functions from any thread.
 */
#ifndef LH_STORE_BLOCK_CREW_H
#define LH_STORE_BLOCK_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

/* Part of a larger struct of the one who offers it, who keeps it until it ran or was withdrawn. */
struct block_task {
    void (*run)(struct block_task *task);
    struct block_task *next;
};

struct block_crew;
struct block_crew *block_crew_new(unsigned threads_max); /* 0: offers are refused */
void block_crew_free(struct block_crew *c);              /* does what waits, then ends */
LH_AUTO_DEFINE(block_crew)

/* False: not taken. */
bool block_crew_offer(struct block_crew *c, struct block_task *task);
/* True: it had not begun and never will. */
bool block_crew_withdraw(struct block_crew *c, struct block_task *task);
/* Waits until nothing waits or runs. */
void block_crew_settle(struct block_crew *c);

#endif
