/*
 * MaxScore over windows of documents. Blocks of postings carry bounds of what they can give, so
 * that a window, about as wide as a block of the most frequent word, has a bound for each word.
 * Words that together cannot reach the worst of the k hits so far are *optional* there; when all
 * are, the window is passed over without being decoded. The postings of the others are added up,
 * list by list, in an array over the window: a sum that is rounded, and that only says who is
 * looked at. A document that can still become a hit is looked up in the optional lists, as long as
 * it can, and then scored again exactly.
 *
 * Walking the lists document by document (WAND) spends most of its time on keeping cursors in order
 * where words are frequent: see docs/decisions/bm25-windows.md.
 *
 * Bounds are compared with a margin for rounding; exact scores are summed in the order of the
 * query's words, so that they do not depend on the windows.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "text/bm25_parts.h"

#define MARGIN 1.0001 /* sums of 256 floats are right to 2e-5 */

enum { WINDOW_MIN = 256, WINDOW_MAX = 4096, GROUP = 16, NO_BLOCK = -1 };

/* How many postings are added in the time that looking one document up in a list takes. */
#define LOOKUP_POSTINGS 8

struct cursor {
    const struct bm25_list *list;
    double weight;     /* idf · (k1 + 1) · how often the query says it */
    float *bounds;     /* by block: the most that a posting of it gives */
    size_t block;      /* the first that may reach into the window */
    double most;       /* that a posting in the window can give */
    double given;      /* to the document in hand */
    ptrdiff_t decoded; /* block */
    size_t at, count;  /* the first posting of it that is not before the window */
    struct bm25_posting postings[BM25_BLOCK];
};

struct search {
    const struct bm25_data *data;
    const struct lh_bm25_filter *filter;
    double k1, base, slope; /* k1 · (1 - b), k1 · b / average length */
    struct cursor *cursors;
    size_t cursor_count;
    struct cursor **order; /* by what they can give in the window, the least first */
    size_t optional_count; /* of them */
    double optional_most;  /* together */
    uint32_t from, to;     /* the window */
    struct window {
        float sums[WINDOW_MAX];
        bool is_touched[WINDOW_MAX / GROUP];
    } * window;
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
block_bound(const struct search *s, const struct cursor *c, const struct bm25_block *b)
{
    double most = 0;

    for (size_t i = 0; i < b->best_count; i++) {
        double given = share(s, b->best[i].frequency, b->best[i].length);

        most = given > most ? given : most;
    }
    return c->weight * most;
}

static void
cursor_start(const struct search *s, struct cursor *c)
{
    size_t count = bm25_list_block_count(c->list);

    c->bounds = lh_alloc_array(count, sizeof(*c->bounds));
    c->decoded = NO_BLOCK;
    for (size_t i = 0; i < count; i++)
        c->bounds[i] = (float)block_bound(s, c, bm25_list_block(c->list, i));
}

static uint32_t
block_last(const struct cursor *c, size_t block)
{
    return bm25_list_block(c->list, block)->last_doc;
}

static uint32_t
block_first(const struct cursor *c, size_t block)
{
    return block ? block_last(c, block - 1) + 1 : 0;
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

static void
cursor_decode(const struct search *s, struct cursor *c, size_t block)
{
    if (c->decoded != (ptrdiff_t)block) {
        c->count = bm25_list_decode(c->list, block, c->postings);
        c->decoded = (ptrdiff_t)block;
        c->at = 0;
    }
    while (c->at < c->count && c->postings[c->at].doc < s->from)
        c->at++;
}

/* How often the word is in a document of the window; `block` is the one that would hold it. */
static uint32_t
cursor_frequency(const struct search *s, struct cursor *c, size_t block, uint32_t doc)
{
    size_t low, high;

    cursor_decode(s, c, block);
    for (low = c->at, high = c->count; low < high;) {
        size_t mid = (low + high) / 2;

        if (c->postings[mid].doc < doc)
            low = mid + 1;
        else
            high = mid;
    }
    return low < c->count && c->postings[low].doc == doc ? c->postings[low].frequency : 0;
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

/* ---- one document ---- */

static bool
is_hopeless(const struct search *s, double most)
{
    return most * MARGIN < threshold(s);
}

/* What the word may give to a document of this length, by the bounds of its block. */
static double
cursor_bound(const struct search *s, const struct cursor *c, size_t block, double length)
{
    double by_length =
        c->weight * share(s, bm25_list_block(c->list, block)->best[0].frequency, length);
    double by_block = (double)c->bounds[block];

    return by_length < by_block ? by_length : by_block;
}

/* What the word gives to the document in hand, unless that cannot be enough beside `others`. */
static bool
cursor_give(const struct search *s, struct cursor *c, uint32_t doc, double others)
{
    size_t block = block_for(c->list, c->block, doc);
    double length = s->data->lengths[doc];
    uint32_t frequency;

    c->given = 0;
    if (block == bm25_list_block_count(c->list))
        return !is_hopeless(s, others);
    if (is_hopeless(s, others + cursor_bound(s, c, block, length)))
        return false;
    frequency = cursor_frequency(s, c, block, doc);
    if (frequency > 0)
        c->given = c->weight * share(s, frequency, length);
    return !is_hopeless(s, others + c->given);
}

/* `sum` is about what the words that are not optional give. */
static void
document_score(struct search *s, uint32_t doc, double sum)
{
    double score = 0, rest = s->optional_most;

    if (!is_allowed(s, doc))
        return;
    for (size_t i = s->optional_count; i-- > 0;) {
        rest -= s->order[i]->most;
        if (!cursor_give(s, s->order[i], doc, sum + rest))
            return;
        sum += s->order[i]->given;
    }
    for (size_t i = s->optional_count; i < s->cursor_count; i++)
        (void)cursor_give(s, s->order[i], doc, INFINITY);
    for (size_t i = 0; i < s->cursor_count; i++)
        score += s->cursors[i].given;
    hit_offer(s, (struct lh_bm25_hit){s->data->ids[doc], (float)score});
}

/* ---- windows ---- */

/* Where the next window may begin: the first document that any list may hold. */
static bool
window_from(struct search *s)
{
    uint32_t first = BM25_DOC_NONE;

    for (size_t i = 0; i < s->cursor_count; i++) {
        struct cursor *c = &s->cursors[i];
        uint32_t begin;

        c->block = block_for(c->list, c->block, s->from);
        if (c->block == bm25_list_block_count(c->list))
            continue;
        begin = block_first(c, c->block);
        begin = begin > s->from ? begin : s->from;
        first = begin < first ? begin : first;
    }
    s->from = first;
    return first != BM25_DOC_NONE;
}

/* As far as the first block ends that ends behind the least width. */
static void
window_to(struct search *s)
{
    s->to = s->from + WINDOW_MAX;
    for (size_t i = 0; i < s->cursor_count; i++) {
        const struct cursor *c = &s->cursors[i];
        size_t block = block_for(c->list, c->block, s->from + WINDOW_MIN - 1);

        if (block < bm25_list_block_count(c->list) && block_last(c, block) < s->to)
            s->to = block_last(c, block) + 1;
    }
}

static void
cursor_look(const struct search *s, struct cursor *c)
{
    size_t count = bm25_list_block_count(c->list);

    c->most = 0;
    for (size_t i = c->block; i < count && block_first(c, i) < s->to; i++)
        c->most = (double)c->bounds[i] > c->most ? (double)c->bounds[i] : c->most;
}

static void
order_restore(struct search *s)
{
    for (size_t i = 1; i < s->cursor_count; i++) {
        struct cursor *c = s->order[i];
        size_t j = i;
        for (; j > 0 && s->order[j - 1]->most > c->most; j--)
            s->order[j] = s->order[j - 1];
        s->order[j] = c;
    }
}

/* False when no document of the window can be a hit. */
static bool
optional_find(struct search *s)
{
    s->optional_most = 0;
    for (s->optional_count = 0; s->optional_count < s->cursor_count; s->optional_count++) {
        double most = s->order[s->optional_count]->most;

        if (!is_hopeless(s, s->optional_most + most))
            return true;
        s->optional_most += most;
    }
    return false;
}

static bool
window_open(struct search *s)
{
    if (!window_from(s))
        return false;
    window_to(s);
    for (size_t i = 0; i < s->cursor_count; i++)
        cursor_look(s, &s->cursors[i]);
    order_restore(s);
    return true;
}

static void
block_add(struct search *s, const struct cursor *c)
{
    float weight = (float)c->weight, base = (float)s->base, slope = (float)s->slope;

    for (size_t i = c->at; i < c->count && c->postings[i].doc < s->to; i++) {
        uint32_t doc = c->postings[i].doc, place = doc - s->from;
        float frequency = (float)c->postings[i].frequency;
        float length = (float)(int32_t)(s->data->lengths[doc] & ~BM25_DEAD);

        s->window->sums[place] += weight * frequency / (frequency + base + slope * length);
        s->window->is_touched[place / GROUP] = true;
    }
}

static void
cursor_add(struct search *s, struct cursor *c)
{
    size_t count = bm25_list_block_count(c->list);

    for (size_t i = c->block; i < count && block_first(c, i) < s->to; i++) {
        cursor_decode(s, c, i);
        block_add(s, c);
    }
}

/* A sum that may be enough; above 0, which are the documents that no list holds. */
static float
sum_wanted(const struct search *s)
{
    float wanted = (float)(threshold(s) / MARGIN - s->optional_most);

    return wanted > FLT_MIN ? wanted : FLT_MIN;
}

static size_t
group_candidates(const struct search *s, size_t group, float wanted)
{
    const float *sums = s->window->sums + group * GROUP;
    int count = 0;

    for (size_t i = 0; i < GROUP; i++)
        count += sums[i] >= wanted;
    return (size_t)count;
}

static size_t
group_count(const struct search *s)
{
    return (s->to - s->from + GROUP - 1) / GROUP;
}

static size_t
window_candidates(const struct search *s)
{
    float wanted = sum_wanted(s);
    size_t count = 0;

    for (size_t group = 0; group < group_count(s); group++)
        count += s->window->is_touched[group] ? group_candidates(s, group, wanted) : 0;
    return count;
}

/* Looking candidates up in an optional list may be more work than adding all of it. */
static void
optional_lessen(struct search *s)
{
    while (s->optional_count > 0) {
        struct cursor *c = s->order[s->optional_count - 1];
        double postings = (double)c->list->count * (s->to - s->from) / (double)s->data->doc_count;

        if ((double)window_candidates(s) * LOOKUP_POSTINGS < postings)
            return;
        cursor_add(s, c);
        s->optional_count--;
        s->optional_most -= c->most;
    }
}

static void
group_score(struct search *s, size_t group)
{
    float *sums = s->window->sums + group * GROUP, wanted = sum_wanted(s);

    bool has_some = group_candidates(s, group, wanted) > 0;

    for (uint32_t i = 0; has_some && i < GROUP; i++) {
        if (sums[i] >= wanted)
            document_score(s, s->from + (uint32_t)(group * GROUP) + i, (double)sums[i]);
    }
    memset(sums, 0, GROUP * sizeof(*sums));
}

static void
window_score(struct search *s)
{
    for (size_t i = s->optional_count; i < s->cursor_count; i++)
        cursor_add(s, s->order[i]);
    optional_lessen(s);
    for (size_t group = 0; group < group_count(s); group++) {
        if (s->window->is_touched[group])
            group_score(s, group);
        s->window->is_touched[group] = false;
    }
}

static void
walk(struct search *s)
{
    s->window = lh_alloc(sizeof(*s->window));
    for (s->from = 0; window_open(s); s->from = s->to) {
        if (optional_find(s))
            window_score(s);
    }
    free(s->window);
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
    for (size_t i = 0; i < s->cursor_count; i++)
        free(s->cursors[i].bounds);
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
