/*
 * A write cuts the text into words outside every lock that searches know, prepares larger tables
 * aside when they are needed, and then changes the index in one short stretch under the write lock:
 * the old document becomes a tombstone, the new one gets the next number, each of its terms one
 * posting at the end of its list. When a quarter are tombstones, a copy without them is built while
 * searches go on, and swapped in.
 */
#include "text/bm25_parts.h"

#include <stdlib.h>
#include "base/alloc.h"

#define K1_DEFAULT 1.5 /* both measured, docs/decisions/retrieval-quality.md */
#define B_DEFAULT 0.75
#define TEXT_TERM_BYTES_MAX ((size_t)1 << 30) /* of one document */
#define TOMBSTONES_MIN 1024                   /* fewer are not worth a copy */

static lh_status
options_check(const struct lh_bm25_options *o, struct lh_error *err)
{
    if (o->language && strlen(o->language) >= BM25_LANGUAGE_MAX)
        return lh_fail(err, LH_UNSUPPORTED, "text.language",
                       "there is no stemmer for the language \"%.40s…\"", o->language);
    if (!(o->k1 >= 0 && o->k1 <= 100) || !(o->b >= 0 && o->b <= 1))
        return lh_fail(err, LH_INVALID, "bm25.options",
                       "k1 is from 0 to 100 and b from 0 to 1, not %g and %g", o->k1, o->b);
    return LH_OK;
}

lh_status
bm25_tokenizer_new(const struct lh_bm25 *ix, struct lh_tokenizer **out, struct lh_error *err)
{
    struct lh_tokenizer_options o = {
        .language = strcmp(ix->language, "none") == 0 ? NULL : ix->language,
        .drops_stop_words = !ix->keeps_stop_words,
    };

    return lh_tokenizer_new(&o, out, err);
}

static void
locks_init(struct lh_bm25 *ix)
{
    pthread_rwlockattr_t attr;

    pthread_mutex_init(&ix->writing, NULL);
    pthread_rwlockattr_init(&attr);
    /* Or a stream of searches would keep a writer out for ever. */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&ix->shared.lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

lh_status
lh_bm25_new(const struct lh_bm25_options *options, struct lh_bm25 **out, struct lh_error *err)
{
    static const struct lh_bm25_options usual;
    const struct lh_bm25_options *o = options ? options : &usual;

    LH_TRY(options_check(o, err));
    LH_AUTO(lh_bm25) *ix = LH_NEW(struct lh_bm25);
    locks_init(ix);
    lh_buf_init(&ix->term_bytes, TEXT_TERM_BYTES_MAX);
    (void)lh_str_copy(ix->language, sizeof(ix->language),
                      lh_str_of(o->language ? o->language : "english"));
    ix->keeps_stop_words = o->keeps_stop_words;
    ix->k1 = o->k1 > 0 ? o->k1 : K1_DEFAULT;
    ix->b = o->b > 0 ? o->b : B_DEFAULT;
    ix->max_bytes = o->max_bytes ? o->max_bytes : SIZE_MAX;
    LH_TRY(bm25_tokenizer_new(ix, &ix->tokenizer, err));
    *out = lh_take(ix);
    return LH_OK;
}

void
lh_bm25_free(struct lh_bm25 *ix)
{
    if (!ix)
        return;
    bm25_data_fini(&ix->shared.data);
    lh_tokenizer_free(ix->tokenizer);
    lh_buf_fini(&ix->term_bytes);
    free(ix->words);
    pthread_rwlock_destroy(&ix->shared.lock);
    pthread_mutex_destroy(&ix->writing);
    free(ix);
}

/* ---- the words of a document ---- */

static void
word_add(struct lh_bm25 *ix, lh_str term)
{
    if (ix->word_count == ix->word_cap) {
        ix->word_cap = ix->word_cap * 2 + 64;
        ix->words = lh_realloc_array(ix->words, ix->word_cap, sizeof(*ix->words));
    }
    /* The place in the buffer for now: the buffer may move while it grows. */
    ix->words[ix->word_count++] =
        (struct bm25_word){{(const char *)(uintptr_t)ix->term_bytes.len, term.len}, 1};
    lh_buf_add_str(&ix->term_bytes, term);
}

static int
by_term(const void *a, const void *b)
{
    return lh_str_cmp(((const struct bm25_word *)a)->term, ((const struct bm25_word *)b)->term);
}

static void
equal_words_merge(struct lh_bm25 *ix)
{
    size_t n = 0;

    for (size_t i = 0; i < ix->word_count; i++) {
        struct bm25_word *last = n ? &ix->words[n - 1] : NULL;
        if (last && lh_str_eq(last->term, ix->words[i].term))
            last->frequency += last->frequency < BM25_FREQUENCY_MAX;
        else
            ix->words[n++] = ix->words[i];
    }
    ix->word_count = n;
}

static lh_status
words_gather(struct lh_bm25 *ix, lh_str text, uint64_t *length, struct lh_error *err)
{
    struct lh_token token;

    lh_buf_clear(&ix->term_bytes);
    ix->word_count = 0;
    lh_tokenizer_start(ix->tokenizer, text);
    while (lh_tokenizer_next(ix->tokenizer, &token))
        word_add(ix, token.term);
    LH_TRY(lh_buf_check(&ix->term_bytes, "the words of a document", err));
    for (size_t i = 0; i < ix->word_count; i++)
        ix->words[i].term.ptr =
            (const char *)ix->term_bytes.data + (uintptr_t)ix->words[i].term.ptr;
    if (ix->word_count > 1)
        qsort(ix->words, ix->word_count, sizeof(*ix->words), by_term);
    equal_words_merge(ix);
    *length = 0;
    for (size_t i = 0; i < ix->word_count; i++)
        *length += ix->words[i].frequency;
    return LH_OK;
}

/* ---- writing ---- */

static lh_status
room_check(const struct lh_bm25 *ix, struct lh_error *err)
{
    const struct bm25_data *d = &ix->shared.data;
    size_t needed = bm25_data_growth(d, ix->word_count, ix->term_bytes.len);

    if (d->doc_count >= BM25_DOCS_MAX)
        return lh_fail(err, LH_TOO_BIG, "bm25.full", "the index has %zu documents, the most it may",
                       d->doc_count);
    if (bm25_data_bytes(d) + needed > ix->max_bytes)
        return lh_fail(err, LH_TOO_BIG, "bm25.full",
                       "the index takes %zu of the %zu bytes it may, and %zu more may be needed",
                       bm25_data_bytes(d), ix->max_bytes, needed);
    return LH_OK;
}

static void
document_put(struct lh_bm25 *ix, uint64_t id, uint32_t length, struct bm25_room *room)
{
    struct bm25_data *d = &ix->shared.data;
    uint32_t old = bm25_data_find(d, id);

    bm25_data_commit(d, room); /* first: the larger table was made with the old document in it */
    if (old != BM25_DOC_NONE)
        bm25_data_kill(d, old);
    uint32_t doc = bm25_data_add(d, id, length);
    for (size_t i = 0; i < ix->word_count; i++)
        bm25_data_post(d, bm25_data_term(d, ix->words[i].term),
                       (struct bm25_posting){doc, ix->words[i].frequency});
}

static void
tombstones_drop(struct lh_bm25 *ix)
{
    struct bm25_data fresh, old;

    bm25_data_copy_live(&ix->shared.data, &fresh);
    pthread_rwlock_wrlock(&ix->shared.lock);
    old = ix->shared.data;
    ix->shared.data = fresh;
    pthread_rwlock_unlock(&ix->shared.lock);
    bm25_data_fini(&old);
}

static void
tombstones_drop_if_many(struct lh_bm25 *ix)
{
    const struct bm25_data *d = &ix->shared.data;

    if (d->dead_count >= TOMBSTONES_MIN && d->dead_count >= d->doc_count / 4)
        tombstones_drop(ix);
}

lh_status
lh_bm25_put(struct lh_bm25 *ix, uint64_t id, lh_str text, struct lh_error *err)
{
    struct bm25_room room;
    uint64_t length = 0;

    LH_AUTO_LOCK(&ix->writing);
    LH_TRY(words_gather(ix, text, &length, err));
    if (length > BM25_LENGTH_MAX)
        return lh_fail(err, LH_TOO_BIG, "bm25.full", "a document of %llu words",
                       (unsigned long long)length);
    LH_TRY(room_check(ix, err));
    bm25_data_prepare(&ix->shared.data, ix->word_count, &room);
    pthread_rwlock_wrlock(&ix->shared.lock);
    document_put(ix, id, (uint32_t)length, &room);
    pthread_rwlock_unlock(&ix->shared.lock);
    tombstones_drop_if_many(ix);
    return LH_OK;
}

lh_status
lh_bm25_remove(struct lh_bm25 *ix, uint64_t id, struct lh_error *err)
{
    LH_AUTO_LOCK(&ix->writing);
    uint32_t doc = bm25_data_find(&ix->shared.data, id);
    if (doc == BM25_DOC_NONE)
        return lh_fail(err, LH_NOT_FOUND, "bm25.not_found", "there is no document %llu",
                       (unsigned long long)id);
    pthread_rwlock_wrlock(&ix->shared.lock);
    bm25_data_kill(&ix->shared.data, doc);
    pthread_rwlock_unlock(&ix->shared.lock);
    tombstones_drop_if_many(ix);
    return LH_OK;
}

lh_status
lh_bm25_vacuum(struct lh_bm25 *ix, struct lh_error *err)
{
    (void)err;
    LH_AUTO_LOCK(&ix->writing);
    if (ix->shared.data.dead_count > 0)
        tombstones_drop(ix);
    return LH_OK;
}

/* ---- looking ---- */

/* A reader's lock changes nothing that is seen through the index. */
static pthread_rwlock_t *
lock_of(const struct lh_bm25 *ix)
{
    return &((struct lh_bm25 *)(uintptr_t)ix)->shared.lock;
}

size_t
lh_bm25_count(const struct lh_bm25 *ix)
{
    pthread_rwlock_rdlock(lock_of(ix));
    size_t n = ix->shared.data.doc_count - ix->shared.data.dead_count;
    pthread_rwlock_unlock(lock_of(ix));
    return n;
}

bool
lh_bm25_contains(const struct lh_bm25 *ix, uint64_t id)
{
    pthread_rwlock_rdlock(lock_of(ix));
    bool is_there = bm25_data_find(&ix->shared.data, id) != BM25_DOC_NONE;
    pthread_rwlock_unlock(lock_of(ix));
    return is_there;
}

void
lh_bm25_stats_get(const struct lh_bm25 *ix, struct lh_bm25_stats *out)
{
    const struct bm25_data *d = &ix->shared.data;

    pthread_rwlock_rdlock(lock_of(ix));
    *out = (struct lh_bm25_stats){
        .documents = d->doc_count - d->dead_count,
        .tombstones = d->dead_count,
        .terms = d->terms.count,
        .postings = d->posting_count,
        .bytes = bm25_data_bytes(d),
    };
    pthread_rwlock_unlock(lock_of(ix));
}
