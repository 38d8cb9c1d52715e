#include "store/block.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"

#define MAGIC "LHBLOCK1"

static const uint8_t zeros[BLOCK_PAGE_BYTES];

uint64_t
block_pages_of(size_t from, size_t n)
{
    size_t first = from >> BLOCK_PAGE_LOG2, last = (from + n - 1) >> BLOCK_PAGE_LOG2;

    assert(n > 0 && last < BLOCK_PAGES);
    return (UINT64_MAX >> (BLOCK_PAGES - 1 - (last - first))) << first;
}

static size_t
count_of(uint64_t pages)
{
    return (size_t)__builtin_popcountll(pages);
}

size_t
block_pages_bytes(uint64_t pages)
{
    return count_of(pages) << BLOCK_PAGE_LOG2;
}

size_t
block_size(const struct block *b)
{
    return sizeof(*b) + block_pages_bytes(b->pages);
}

bool
block_id_eq(const struct block_id *a, const struct block_id *b)
{
    return a->number == b->number && memcmp(a->object, b->object, sizeof(a->object)) == 0;
}

/* Where page `i` stands among those that are here. */
static size_t
place_of(const struct block *b, size_t i)
{
    return count_of(b->pages & (((uint64_t)1 << i) - 1)) << BLOCK_PAGE_LOG2;
}

/* ---- making ---- */

struct block *
block_new(const struct block_id *id, uint64_t pages)
{
    struct block *b = lh_alloc(sizeof(*b) + block_pages_bytes(pages));

    b->id = *id;
    b->pages = pages;
    atomic_init(&b->refs, 1);
    return b;
}

struct block *
block_make(const struct block_id *id, size_t first, const uint8_t *bytes, size_t n)
{
    struct block *b = block_new(id, block_pages_of(first << BLOCK_PAGE_LOG2, n));
    size_t count = count_of(b->pages);

    memcpy(b->bytes, bytes, n);
    for (size_t i = 0; i < count; i++)
        b->crcs[first + i] = lh_crc32c(0, b->bytes + (i << BLOCK_PAGE_LOG2), BLOCK_PAGE_BYTES);
    return b;
}

struct block *
block_merge(const struct block *a, const struct block *b)
{
    struct block *m = block_new(&a->id, a->pages | b->pages);
    uint8_t *to = m->bytes;

    for (size_t i = 0; i < BLOCK_PAGES; i++) {
        const struct block *from = (a->pages >> i) & 1 ? a : b;
        if (!((from->pages >> i) & 1))
            continue;
        memcpy(to, from->bytes + place_of(from, i), BLOCK_PAGE_BYTES);
        m->crcs[i] = from->crcs[i];
        to += BLOCK_PAGE_BYTES;
    }
    return m;
}

struct block *
block_ref(struct block *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void
block_unref(struct block *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}

/* ---- reading ---- */

bool
block_check(const struct block *b, uint64_t pages)
{
    assert((pages & ~b->pages) == 0);
    for (uint64_t left = pages; left; left &= left - 1) {
        size_t i = (size_t)__builtin_ctzll(left);
        if (lh_crc32c(0, b->bytes + place_of(b, i), BLOCK_PAGE_BYTES) != b->crcs[i])
            return false;
    }
    return true;
}

void
block_copy(const struct block *b, size_t from, size_t n, uint8_t *to)
{
    size_t first = from >> BLOCK_PAGE_LOG2;

    /* Pages that follow each other in the object follow each other here. */
    assert((block_pages_of(from, n) & ~b->pages) == 0);
    memcpy(to, b->bytes + place_of(b, first) + (from - (first << BLOCK_PAGE_LOG2)), n);
}

/* ---- the head of the file: little-endian ---- */

static uint8_t *
put_uint(uint8_t *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        *to++ = (uint8_t)(value >> (8 * i));
    return to;
}

static uint64_t
take_uint(const uint8_t **from, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t) * (*from)++ << (8 * i);
    return value;
}

void
block_head_encode(const struct block *b, uint8_t head[BLOCK_HEAD_BYTES])
{
    uint8_t *to = head;

    memcpy(to, MAGIC, 8);
    to = put_uint(to + 8, b->id.number, 8);
    memcpy(to, b->id.object, sizeof(b->id.object));
    to = put_uint(to + sizeof(b->id.object), b->pages, 8);
    for (size_t i = 0; i < BLOCK_PAGES; i++)
        to = put_uint(to, b->crcs[i], 4);
    memcpy(to, zeros, BLOCK_HEAD_BYTES - 4 - (size_t)(to - head));
    (void)put_uint(head + (BLOCK_HEAD_BYTES - 4), lh_crc32c(0, head, BLOCK_HEAD_BYTES - 4), 4);
}

struct block *
block_head_decode(const struct block_id *id, const uint8_t head[BLOCK_HEAD_BYTES])
{
    const uint8_t *from = head + (BLOCK_HEAD_BYTES - 4);
    struct block *b;
    uint64_t pages;

    if (memcmp(head, MAGIC, 8) != 0 ||
        take_uint(&from, 4) != lh_crc32c(0, head, BLOCK_HEAD_BYTES - 4))
        return NULL;
    from = head + 8;
    if (take_uint(&from, 8) != id->number || memcmp(from, id->object, sizeof(id->object)) != 0)
        return NULL;
    from += sizeof(id->object);
    pages = take_uint(&from, 8);
    b = block_new(id, pages);
    for (size_t i = 0; i < BLOCK_PAGES; i++)
        b->crcs[i] = (uint32_t)take_uint(&from, 4);
    return b;
}
