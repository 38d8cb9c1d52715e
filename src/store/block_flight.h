/*
 * block_flight: who is fetching what, so that readers who want the same pages at the same time make
 * one request.
 *
 * A reader claims what he misses. What others have claimed he waits for, after he has fetched and
 * landed his own: nobody waits while others wait for him, so no circle can close. Who claims looks
 * into memory once more before he fetches, because a flight may have landed in between: it puts its
 * block there first and leaves the list after.
 *
 * When a fetch fails, those who waited get its error; but when it failed because its own caller
 * went away or had no time left, they try for themselves.
 *
 * Threads  all functions from any thread.
 */
#ifndef LH_STORE_BLOCK_FLIGHT_H
#define LH_STORE_BLOCK_FLIGHT_H

#include "net/call.h"
#include "store/block.h"

struct block_flights;
struct block_flight;

struct block_flights *block_flights_new(void);
void block_flights_free(struct block_flights *f); /* nothing may be under way */
LH_AUTO_DEFINE(block_flights)

/* Of `wanted`, what nobody fetches becomes *own (NULL: nothing), to be landed by the caller; *other
 * is a flight with some of the rest (NULL: no rest), to be waited for or let go. */
void block_flights_claim(struct block_flights *f, const struct block_id *id, uint64_t wanted,
                         struct block_flight **own, struct block_flight **other);
uint64_t block_flight_pages(const struct block_flight *own);
/* With the block that holds its pages, or NULL and why. Consumes `own`. */
void block_flight_land(struct block_flights *f, struct block_flight *own, struct block *block,
                       const struct lh_error *why);
/* Consumes `other`. *block gets a reference to what landed; NULL: look again. */
lh_status block_flight_wait(struct block_flights *f, struct block_flight *other,
                            struct lh_call *call, struct block **block, struct lh_error *err);
void block_flight_let_go(struct block_flights *f, struct block_flight *other); /* NULL is fine */

#endif
