#include "services/vectord/names.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"

static size_t
home_of(const struct vector_names *n, lh_str id)
{
    return (size_t)lh_xxh64(id.ptr, id.len, 0) & (n->capacity - 1);
}

/* Where the id is, or the empty place where it would go. */
static size_t
place_of(const struct vector_names *n, lh_str id)
{
    size_t at = home_of(n, id);

    while (n->slots[at] != 0 && !lh_str_eq(n->id(n->ctx, n->slots[at] - 1), id))
        at = (at + 1) & (n->capacity - 1);
    return at;
}

static void
grow(struct vector_names *n)
{
    struct vector_names bigger = *n;

    bigger.capacity = n->capacity ? 2 * n->capacity : 64;
    bigger.slots = lh_alloc_array(bigger.capacity, sizeof(*bigger.slots));
    for (size_t i = 0; i < n->capacity; i++) {
        if (n->slots[i] != 0)
            bigger.slots[place_of(&bigger, n->id(n->ctx, n->slots[i] - 1))] = n->slots[i];
    }
    free(n->slots);
    *n = bigger;
}

void
vector_names_fini(struct vector_names *n)
{
    free(n->slots);
    n->slots = NULL;
    n->capacity = n->count = 0;
}

uint32_t
vector_names_find(const struct vector_names *n, lh_str id)
{
    size_t at;

    if (n->capacity == 0)
        return VECTOR_NO_SLOT;
    at = place_of(n, id);
    return n->slots[at] ? n->slots[at] - 1 : VECTOR_NO_SLOT;
}

void
vector_names_set(struct vector_names *n, uint32_t slot)
{
    size_t at;

    if ((n->count + 1) * 4 > n->capacity * 3)
        grow(n);
    at = place_of(n, n->id(n->ctx, slot));
    n->count += n->slots[at] == 0;
    n->slots[at] = slot + 1;
}

void
vector_names_remove(struct vector_names *n, lh_str id)
{
    size_t hole, at, mask = n->capacity - 1;

    if (vector_names_find(n, id) == VECTOR_NO_SLOT)
        return;
    hole = at = place_of(n, id);
    for (;;) {
        at = (at + 1) & mask;
        if (n->slots[at] == 0)
            break;
        /* What would be found from its home across the hole moves into it. */
        size_t home = home_of(n, n->id(n->ctx, n->slots[at] - 1));

        if (((at - home) & mask) >= ((at - hole) & mask)) {
            n->slots[hole] = n->slots[at];
            hole = at;
        }
    }
    n->slots[hole] = 0;
    n->count--;
}
