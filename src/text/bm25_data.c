#include <stdlib.h>
#include "base/alloc.h"
#include "base/hash.h"
#include "text/bm25_parts.h"

void
bm25_data_fini(struct bm25_data *d)
{
    for (size_t i = 0; i < d->terms.count; i++)
        bm25_list_fini(&d->lists[i]);
    free(d->lists);
    free(d->ids);
    free(d->lengths);
    text_terms_fini(&d->terms);
    text_table_fini(&d->numbers);
    *d = (struct bm25_data){0};
}

static uint32_t
id_hash(uint64_t id)
{
    return (uint32_t)lh_xxh64(&id, sizeof(id), 0);
}

struct wanted {
    const struct bm25_data *data;
    uint64_t id;
};

static bool
is_wanted(const void *ctx, uint32_t doc)
{
    const struct wanted *w = ctx;

    return w->data->ids[doc] == w->id;
}

uint32_t
bm25_data_find(const struct bm25_data *d, uint64_t id)
{
    struct wanted w = {d, id};

    return text_table_find(&d->numbers, id_hash(id), is_wanted, &w);
}

void
bm25_data_prepare(const struct bm25_data *d, size_t words, struct bm25_room *room)
{
    room->has_terms = text_terms_prepare(&d->terms, words, &room->terms);
    room->has_numbers = text_table_grow(&d->numbers, 1, &room->numbers);
}

void
bm25_data_commit(struct bm25_data *d, struct bm25_room *room)
{
    if (room->has_terms)
        text_terms_commit(&d->terms, &room->terms);
    if (room->has_numbers) {
        text_table_fini(&d->numbers);
        d->numbers = room->numbers;
    }
}

uint32_t
bm25_data_add(struct bm25_data *d, uint64_t id, uint32_t length)
{
    uint32_t doc = (uint32_t)d->doc_count;

    if (d->doc_count == d->doc_cap) {
        d->doc_cap = d->doc_cap + d->doc_cap / 2 + 64;
        d->ids = lh_realloc_array(d->ids, d->doc_cap, sizeof(*d->ids));
        d->lengths = lh_realloc_array(d->lengths, d->doc_cap, sizeof(*d->lengths));
    }
    d->ids[doc] = id;
    d->lengths[doc] = length;
    d->doc_count++;
    d->length_sum += length;
    text_table_put(&d->numbers, id_hash(id), doc);
    return doc;
}

uint32_t
bm25_data_term(struct bm25_data *d, lh_str term)
{
    size_t known = d->terms.count;
    uint32_t number = text_terms_put(&d->terms, term);

    if (number == d->list_cap) {
        d->list_cap = d->list_cap + d->list_cap / 2 + 64;
        d->lists = lh_realloc_array(d->lists, d->list_cap, sizeof(*d->lists));
    }
    if (number == known)
        d->lists[number] = (struct bm25_list){0};
    return number;
}

void
bm25_data_post(struct bm25_data *d, uint32_t term, struct bm25_posting posting)
{
    d->list_bytes += bm25_list_add(&d->lists[term], posting, d->lengths[posting.doc] & ~BM25_DEAD);
    d->posting_count++;
}

void
bm25_data_kill(struct bm25_data *d, uint32_t doc)
{
    text_table_remove(&d->numbers, id_hash(d->ids[doc]), doc);
    d->lengths[doc] |= BM25_DEAD;
    d->dead_count++;
}

size_t
bm25_data_bytes(const struct bm25_data *d)
{
    return text_terms_bytes(&d->terms) + d->numbers.size * sizeof(struct text_slot) +
           d->list_cap * sizeof(*d->lists) + d->list_bytes +
           d->doc_cap * (sizeof(*d->ids) + sizeof(*d->lengths));
}

/* An array that must hold `wanted` grows to at most one and a half times, or twice, that. */
static size_t
array_growth(size_t cap, size_t wanted, size_t size)
{
    return wanted > cap ? (2 * wanted + 64 - cap) * size : 0;
}

size_t
bm25_data_growth(const struct bm25_data *d, size_t words, size_t word_bytes)
{
    size_t terms = d->terms.count + words;

    return array_growth(d->list_cap, terms, sizeof(*d->lists)) +
           array_growth(d->terms.cap, terms, sizeof(*d->terms.ends)) +
           array_growth(d->terms.bytes_cap, d->terms.bytes_len + word_bytes, 1) +
           array_growth(d->doc_cap, d->doc_count + 1, sizeof(*d->ids) + sizeof(*d->lengths)) +
           text_table_growth(&d->terms.table, words) + text_table_growth(&d->numbers, 1);
}

/* New numbers of the living, in the same order. */
static uint32_t *
docs_copy(const struct bm25_data *from, struct bm25_data *to)
{
    uint32_t *number = lh_alloc_array(from->doc_count + 1, sizeof(*number));
    struct bm25_room room = {0};

    room.has_numbers =
        text_table_grow(&to->numbers, from->doc_count - from->dead_count, &room.numbers);
    bm25_data_commit(to, &room);
    for (uint32_t doc = 0; doc < from->doc_count; doc++) {
        if (bm25_data_is_dead(from, doc))
            number[doc] = BM25_DOC_NONE;
        else
            number[doc] = bm25_data_add(to, from->ids[doc], from->lengths[doc]);
    }
    return number;
}

static bool
is_alive(const uint32_t *number, const struct bm25_posting *p)
{
    return number[p->doc] != BM25_DOC_NONE;
}

/* A term whose documents are all dead is left out. */
static void
list_copy(const struct bm25_data *from, uint32_t term, const uint32_t *number, struct bm25_data *to)
{
    const struct bm25_list *l = &from->lists[term];
    struct bm25_posting block[BM25_BLOCK];
    uint32_t copy = TEXT_TABLE_NONE;

    for (size_t i = 0; i < bm25_list_block_count(l); i++) {
        size_t n = bm25_list_decode(l, i, block);
        for (size_t p = 0; p < n; p++) {
            if (!is_alive(number, &block[p]))
                continue;
            if (copy == TEXT_TABLE_NONE)
                copy = bm25_data_term(to, text_terms_at(&from->terms, term));
            bm25_data_post(to, copy,
                           (struct bm25_posting){number[block[p].doc], block[p].frequency});
        }
    }
}

void
bm25_data_copy_live(const struct bm25_data *from, struct bm25_data *to)
{
    *to = (struct bm25_data){0};
    uint32_t *number = docs_copy(from, to);
    for (uint32_t term = 0; term < from->terms.count; term++)
        list_copy(from, term, number, to);
    free(number);
}
