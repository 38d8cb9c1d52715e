/*
 * arena: memory that lives and dies with one request.
 *
 * Allocation is a pointer bump; everything is released at once. Aborts when the system is out of
 * memory, as all small allocations of this program do; sizes that come from outside are checked
 * before.
 */
#ifndef LH_BASE_ARENA_H
#define LH_BASE_ARENA_H

#include "base/status.h"
#include "base/str.h"

struct lh_arena {
    struct lh_arena_block *head;
    size_t used_bytes;
};

void lh_arena_init(struct lh_arena *a);
void lh_arena_fini(struct lh_arena *a);
void lh_arena_reset(struct lh_arena *a); /* keeps one block for reuse */

void *lh_arena_alloc(struct lh_arena *a, size_t size);               /* 16-byte aligned, zeroed */
void *lh_arena_array(struct lh_arena *a, size_t count, size_t size); /* overflow-checked, zeroed */
char *lh_arena_cstr(struct lh_arena *a, lh_str s);
lh_str lh_arena_str(struct lh_arena *a, lh_str s);
char *
lh_arena_printf(struct lh_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define LH_ARENA_NEW(a, type) ((type *)lh_arena_alloc((a), sizeof(type)))

#define LH_AUTO_ARENA(name) __attribute__((cleanup(lh_arena_fini))) struct lh_arena name = {0}

#endif
