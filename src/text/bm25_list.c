#include "text/bm25_list.h"

#include <stdlib.h>
#include "base/alloc.h"

#define POSTING_BYTES_MAX 8 /* 5 of the distance, 3 of the frequency */

void
bm25_list_fini(struct bm25_list *l)
{
    if (l->cap)
        free(l->bytes.heap);
    free(l->blocks);
    *l = (struct bm25_list){0};
}

static size_t
number_put(uint8_t *to, uint32_t n)
{
    size_t i = 0;

    while (n >= 0x80) {
        to[i++] = (uint8_t)(n | 0x80);
        n >>= 7;
    }
    to[i++] = (uint8_t)n;
    return i;
}

static const uint8_t *
number_get(const uint8_t *at, uint32_t *n)
{
    uint32_t value = *at & 0x7F;

    for (unsigned shift = 7; *at++ & 0x80; shift += 7)
        value |= (uint32_t)(*at & 0x7F) << shift;
    *n = value;
    return at;
}

static const uint8_t *
bytes_of(const struct bm25_list *l)
{
    return l->cap ? l->bytes.heap : l->bytes.here;
}

/* Room for one more posting. */
static size_t
bytes_reserve(struct bm25_list *l)
{
    uint32_t room = l->cap ? l->cap : BM25_INLINE;
    uint32_t cap = l->len + l->len / 2 + 2 * POSTING_BYTES_MAX;

    if (room - l->len >= POSTING_BYTES_MAX)
        return 0;
    uint8_t *heap = lh_realloc_array(l->cap ? l->bytes.heap : NULL, cap, 1);
    if (l->cap == 0)
        memcpy(heap, l->bytes.here, l->len);
    size_t grown = cap - l->cap;
    l->bytes.heap = heap;
    l->cap = cap;
    return grown;
}

static bool
is_power_of_two(size_t n)
{
    return (n & (n - 1)) == 0;
}

/* The open block is full: it joins the closed ones, whose array doubles. */
static size_t
block_close(struct bm25_list *l)
{
    size_t closed = l->count / BM25_BLOCK - 1, grown = 0;

    if (is_power_of_two(closed)) {
        size_t cap = closed ? closed * 2 : 1;
        l->blocks = lh_realloc_array(l->blocks, cap, sizeof(*l->blocks));
        grown = (cap - closed) * sizeof(*l->blocks);
    }
    l->blocks[closed] = l->open;
    return grown;
}

static bool
is_matched(const struct bm25_best *new, const struct bm25_best *by)
{
    return by->frequency >= new->frequency && by->length <= new->length;
}

/* Makes room for another: two neighbours become one that matches both. Those whose frequencies
 * differ least lose least. */
static void
best_join(struct bm25_best *best, size_t count)
{
    size_t at = 0;

    for (size_t i = 1; i + 1 < count; i++) {
        if (best[i].frequency - best[i + 1].frequency < best[at].frequency - best[at + 1].frequency)
            at = i;
    }
    best[at].length = best[at + 1].length;
    memmove(best + at + 1, best + at + 2, (count - at - 2) * sizeof(*best));
}

/* Into `best` without those that it matches. */
static void
best_insert(struct bm25_block *b, struct bm25_best new)
{
    struct bm25_best all[BM25_BEST + 1];
    size_t count = 0, i = 0;

    for (; i < b->best_count && b->best[i].frequency > new.frequency; i++)
        all[count++] = b->best[i];
    all[count++] = new;
    for (; i < b->best_count; i++) {
        if (!is_matched(&b->best[i], &new))
            all[count++] = b->best[i];
    }
    if (count > BM25_BEST)
        best_join(all, count--);
    memcpy(b->best, all, count * sizeof(*all));
    b->best_count = (uint8_t)count;
}

static void
block_extend(struct bm25_block *b, struct bm25_posting posting, uint32_t length)
{
    struct bm25_best new = {(uint16_t)posting.frequency,
                            (uint16_t)(length < UINT16_MAX ? length : UINT16_MAX)};

    b->last_doc = posting.doc;
    for (size_t i = 0; i < b->best_count; i++) {
        if (is_matched(&new, &b->best[i]))
            return;
    }
    best_insert(b, new);
}

size_t
bm25_list_add(struct bm25_list *l, struct bm25_posting posting, uint32_t length)
{
    uint32_t before = l->count ? l->open.last_doc : 0;
    size_t grown = bytes_reserve(l);
    uint8_t *to = (l->cap ? l->bytes.heap : l->bytes.here) + l->len;
    size_t n = number_put(to, posting.doc - before);

    n += number_put(to + n, posting.frequency);
    l->len += (uint32_t)n;
    if (l->count % BM25_BLOCK == 0)
        l->open = (struct bm25_block){0};
    block_extend(&l->open, posting, length);
    l->open.end = l->len;
    l->count++;
    return l->count % BM25_BLOCK == 0 ? grown + block_close(l) : grown;
}

size_t
bm25_list_bytes(const struct bm25_list *l)
{
    size_t closed = l->count / BM25_BLOCK, cap = closed ? 1 : 0;

    while (cap < closed)
        cap *= 2;
    return l->cap + cap * sizeof(*l->blocks);
}

/* Eight numbers of one byte each: four postings of a frequent word. */
static bool
are_short(const uint8_t *at)
{
    uint64_t bytes;

    memcpy(&bytes, at, sizeof(bytes));
    return (bytes & 0x8080808080808080U) == 0;
}

size_t
bm25_list_decode(const struct bm25_list *l, size_t i, struct bm25_posting out[BM25_BLOCK])
{
    const uint8_t *at = bytes_of(l) + (i ? l->blocks[i - 1].end : 0);
    const uint8_t *end = bytes_of(l) + bm25_list_block(l, i)->end;
    uint32_t doc = i ? l->blocks[i - 1].last_doc : 0;
    size_t n = 0;

    while (at < end) {
        uint32_t distance;

        if (end - at >= 8 && are_short(at)) {
            for (size_t k = 0; k < 8; k += 2) {
                doc += at[k];
                out[n++] = (struct bm25_posting){doc, at[k + 1]};
            }
            at += 8;
            continue;
        }
        at = number_get(at, &distance);
        at = number_get(at, &out[n].frequency);
        doc += distance;
        out[n++].doc = doc;
    }
    return n;
}
