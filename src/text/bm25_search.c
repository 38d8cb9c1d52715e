/*
 * Block-max WAND. Every word of the query has a cursor on its list, and cursors are kept in the
 * order of their documents. Adding up the best that each list can give, in that order, until the
 * worst of the k hits so far can be beaten, finds the *pivot*: no document before it can be a hit.
 * Then the same sum over the blocks in which the pivot would lie, which is a tighter bound, either
 * lets it through to be scored, or shows up to where nothing can be found, and all cursors skip
 * there without decoding what lies between.
 *
 * Bounds are compared with a margin for rounding; scores are summed in the order of the query's
 * words, so that they do not depend on the path the cursors took.
 */
#include <math.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "text/bm25_parts.h"

#define MARGIN 1.000001

struct cursor {
    const struct bm25_list *list;
    double weight;     /* idf · (k1 + 1) · how often the query says it */
    double most;       /* that any posting can give */
    size_t block;      /* decoded */
    size_t ahead;      /* block in which `block_most` looked last; never before `block` */
    double ahead_most; /* that a posting of block `ahead` can give */
    size_t at, count;
    uint32_t doc; /* postings[at].doc, or BM25_DOC_NONE at the end */
    struct bm25_posting postings[BM25_BLOCK];
};

struct search {
    const struct bm25_data *data;
    const struct lh_bm25_filter *filter;
    double k1, base, slope; /* k1 · (1 - b), k1 · b / average length */
    struct cursor *cursors;
    size_t cursor_count;
    struct cursor **order;    /* by document */
    struct lh_bm25_hit *heap; /* the worst first */
    size_t hit_count, k;
};

static double
share(const struct search *s, double frequency, double length)
{
    return frequency / (frequency + s->base + s->slope * length);
}

/* ---- cursors ---- */

static double
block_bound(const struct search *s, const struct cursor *c, size_t block)
{
    const struct bm25_block *b = bm25_list_block(c->list, block);

    return c->weight * share(s, b->frequency_max, b->length_min);
}

static void
cursor_open_block(struct cursor *c, size_t block)
{
    c->block = block;
    c->at = 0;
    c->count =
        block < bm25_list_block_count(c->list) ? bm25_list_decode(c->list, block, c->postings) : 0;
    c->doc = c->count ? c->postings[0].doc : BM25_DOC_NONE;
}

static void
cursor_start(const struct search *s, struct cursor *c)
{
    c->most = 0;
    for (size_t i = 0; i < bm25_list_block_count(c->list); i++) {
        double bound = block_bound(s, c, i);
        c->most = bound > c->most ? bound : c->most;
    }
    c->ahead = 0;
    c->ahead_most = block_bound(s, c, 0);
    cursor_open_block(c, 0);
}

/* The block that would hold `doc`, from `from` on; one past the last when all end before it. Steps
 * double, since most jumps are short. */
static size_t
block_for(const struct bm25_list *l, size_t from, uint32_t doc)
{
    size_t count = bm25_list_block_count(l), low = from, step = 1;

    while (low + step < count && bm25_list_block(l, low + step - 1)->last_doc < doc) {
        low += step;
        step *= 2;
    }
    size_t high = low + step < count ? low + step : count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (bm25_list_block(l, mid)->last_doc < doc)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* To the first posting at or behind `doc`. */
static void
cursor_seek(struct cursor *c, uint32_t doc)
{
    if (c->doc >= doc)
        return;
    size_t block = block_for(c->list, c->block, doc);
    if (block != c->block)
        cursor_open_block(c, block);
    while (c->at < c->count && c->postings[c->at].doc < doc)
        c->at++;
    c->doc = c->at < c->count ? c->postings[c->at].doc : BM25_DOC_NONE;
}

/* What the block that would hold `doc` can give; 0 past the end. *last is its last document. */
static double
cursor_block_most(const struct search *s, struct cursor *c, uint32_t doc, uint32_t *last)
{
    size_t from = c->ahead > c->block ? c->ahead : c->block;
    size_t block = block_for(c->list, from, doc);

    if (block == bm25_list_block_count(c->list)) {
        *last = BM25_DOC_NONE - 1;
        return 0;
    }
    if (block != c->ahead) {
        c->ahead = block;
        c->ahead_most = block_bound(s, c, block);
    }
    *last = bm25_list_block(c->list, block)->last_doc;
    return c->ahead_most;
}

static void
order_restore(struct search *s)
{
    for (size_t i = 1; i < s->cursor_count; i++) {
        struct cursor *c = s->order[i];
        size_t j = i;
        for (; j > 0 && s->order[j - 1]->doc > c->doc; j--)
            s->order[j] = s->order[j - 1];
        s->order[j] = c;
    }
}

/* ---- hits ---- */

/* Is `a` a worse hit than `b`? */
static bool
is_worse(const struct lh_bm25_hit *a, const struct lh_bm25_hit *b)
{
    return a->score != b->score ? a->score < b->score : a->id > b->id;
}

static void
heap_sink(struct lh_bm25_hit *heap, size_t count, size_t at)
{
    struct lh_bm25_hit hit = heap[at];

    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && is_worse(&heap[child + 1], &heap[child]))
            child++;
        if (!is_worse(&heap[child], &hit))
            break;
        heap[at] = heap[child];
    }
    heap[at] = hit;
}

static void
heap_rise(struct lh_bm25_hit *heap, size_t at)
{
    struct lh_bm25_hit hit = heap[at];

    for (; at > 0 && is_worse(&hit, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = hit;
}

static void
hit_offer(struct search *s, struct lh_bm25_hit hit)
{
    if (s->hit_count < s->k) {
        s->heap[s->hit_count] = hit;
        heap_rise(s->heap, s->hit_count++);
    } else if (is_worse(&s->heap[0], &hit)) {
        s->heap[0] = hit;
        heap_sink(s->heap, s->hit_count, 0);
    }
}

/* What a document must be able to reach. */
static double
threshold(const struct search *s)
{
    return s->hit_count < s->k ? 0 : (double)s->heap[0].score;
}

static bool
is_allowed(const struct search *s, uint32_t doc)
{
    const struct lh_bm25_filter *f = s->filter;
    uint64_t id = s->data->ids[doc];

    if (bm25_data_is_dead(s->data, doc))
        return false;
    if (!f)
        return true;
    if (f->match)
        return f->match(f->ctx, id);
    return !f->bits || (id < f->bit_count && (f->bits[id / 64] >> (id % 64) & 1));
}

static void
document_score(struct search *s, uint32_t doc)
{
    double score = 0, length = s->data->lengths[doc];

    if (!is_allowed(s, doc))
        return;
    for (size_t i = 0; i < s->cursor_count; i++) {
        const struct cursor *c = &s->cursors[i];
        if (c->doc == doc)
            score += c->weight * share(s, c->postings[c->at].frequency, length);
    }
    hit_offer(s, (struct lh_bm25_hit){s->data->ids[doc], (float)score});
}

/* ---- the walk ---- */

/* The first cursor in order up to which the lists together can reach the threshold, and the last
 * one on the same document; false when all of them cannot. */
static bool
pivot_find(const struct search *s, size_t *pivot)
{
    double sum = 0, wanted = threshold(s);

    for (size_t i = 0; i < s->cursor_count && s->order[i]->doc != BM25_DOC_NONE; i++) {
        sum += s->order[i]->most;
        if (sum * MARGIN < wanted)
            continue;
        while (i + 1 < s->cursor_count && s->order[i + 1]->doc == s->order[i]->doc)
            i++;
        *pivot = i;
        return true;
    }
    return false;
}

/* Can the blocks around `doc` reach the threshold? If not, *next is the first document after it for
 * which this may be different. */
static bool
blocks_can(struct search *s, size_t pivot, uint32_t doc, uint32_t *next)
{
    double sum = 0;

    *next = pivot + 1 < s->cursor_count ? s->order[pivot + 1]->doc : BM25_DOC_NONE;
    for (size_t i = 0; i <= pivot; i++) {
        uint32_t last;
        sum += cursor_block_most(s, s->order[i], doc, &last);
        if (last + 1 < *next)
            *next = last + 1;
    }
    return sum * MARGIN >= threshold(s);
}

static void
cursors_seek(struct search *s, size_t pivot, uint32_t doc)
{
    for (size_t i = 0; i <= pivot; i++)
        cursor_seek(s->order[i], doc);
    order_restore(s);
}

/* Documents of the first list alone, up to where the next list begins or its block ends: nothing
 * but this posting adds to their scores. */
static void
alone_run(struct search *s)
{
    struct cursor *c = s->order[0];
    uint32_t limit = s->cursor_count > 1 ? s->order[1]->doc : BM25_DOC_NONE;

    for (; c->at < c->count && c->postings[c->at].doc < limit; c->at++) {
        uint32_t doc = c->postings[c->at].doc;
        double length = s->data->lengths[doc] & ~BM25_DEAD;
        double score = c->weight * share(s, c->postings[c->at].frequency, length);
        if (score * MARGIN >= threshold(s) && is_allowed(s, doc))
            hit_offer(s, (struct lh_bm25_hit){s->data->ids[doc], (float)score});
    }
    if (c->at < c->count)
        c->doc = c->postings[c->at].doc;
    else
        cursor_open_block(c, c->block + 1);
    order_restore(s);
}

static void
walk(struct search *s)
{
    size_t pivot;

    order_restore(s);
    while (pivot_find(s, &pivot)) {
        uint32_t doc = s->order[pivot]->doc, next;
        if (!blocks_can(s, pivot, doc, &next)) {
            cursors_seek(s, pivot, next);
        } else if (pivot == 0) {
            alone_run(s);
        } else if (s->order[0]->doc != doc) {
            cursors_seek(s, pivot, doc);
        } else {
            document_score(s, doc);
            cursors_seek(s, pivot, doc + 1);
        }
    }
}

/* ---- the query ---- */

static double
idf(const struct bm25_data *d, const struct bm25_list *l)
{
    double n = (double)d->doc_count, df = (double)l->count;

    return log(1.0 + (n - df + 0.5) / (df + 0.5));
}

static struct cursor *
cursor_of(struct search *s, const struct bm25_list *list)
{
    for (size_t i = 0; i < s->cursor_count; i++) {
        if (s->cursors[i].list == list)
            return &s->cursors[i];
    }
    return NULL;
}

static void
query_read(struct search *s, struct lh_tokenizer *t, lh_str query)
{
    struct lh_token token;

    lh_tokenizer_start(t, query);
    while (s->cursor_count < LH_BM25_QUERY_TERMS_MAX && lh_tokenizer_next(t, &token)) {
        uint32_t term = text_terms_find(&s->data->terms, token.term);
        if (term == TEXT_TABLE_NONE)
            continue;
        const struct bm25_list *list = &s->data->lists[term];
        double weight = idf(s->data, list) * (s->k1 + 1);
        struct cursor *c = cursor_of(s, list);
        if (c) {
            c->weight += weight;
            continue;
        }
        s->cursors = lh_realloc_array(s->cursors, s->cursor_count + 1, sizeof(*c));
        s->cursors[s->cursor_count++] = (struct cursor){.list = list, .weight = weight};
    }
}

static void
cursors_start(struct search *s)
{
    s->order = lh_alloc_array(s->cursor_count + 1, sizeof(*s->order));
    for (size_t i = 0; i < s->cursor_count; i++) {
        cursor_start(s, &s->cursors[i]);
        s->order[i] = &s->cursors[i];
    }
}

static int
better_first(const void *a, const void *b)
{
    return is_worse(a, b) ? 1 : is_worse(b, a) ? -1 : 0;
}

static void
search_run(struct search *s, const struct lh_bm25 *ix, struct lh_tokenizer *t, lh_str query)
{
    const struct bm25_data *d = s->data;
    double average = d->doc_count ? (double)d->length_sum / (double)d->doc_count : 0;

    s->k1 = ix->k1;
    s->base = ix->k1 * (1 - ix->b);
    s->slope = average > 0 ? ix->k1 * ix->b / average : 0;
    query_read(s, t, query);
    cursors_start(s);
    walk(s);
    free(s->cursors);
    free(s->order);
    qsort(s->heap, s->hit_count, sizeof(*s->heap), better_first);
}

lh_status
lh_bm25_search(const struct lh_bm25 *ix, lh_str query, size_t k,
               const struct lh_bm25_filter *filter, struct lh_bm25_hit *hits, size_t *count,
               struct lh_error *err)
{
    struct search s = {.data = &ix->shared.data, .filter = filter, .heap = hits, .k = k};
    pthread_rwlock_t *lock = &((struct lh_bm25 *)(uintptr_t)ix)->shared.lock;
    LH_AUTO(lh_tokenizer) *tokenizer = NULL;

    if (k == 0 || k > LH_BM25_K_MAX)
        return lh_fail(err, LH_INVALID, "bm25.k", "k is from 1 to %d, not %zu", LH_BM25_K_MAX, k);
    LH_TRY(bm25_tokenizer_new(ix, &tokenizer, err));
    pthread_rwlock_rdlock(lock);
    search_run(&s, ix, tokenizer, query);
    pthread_rwlock_unlock(lock);
    *count = s.hit_count;
    return LH_OK;
}
