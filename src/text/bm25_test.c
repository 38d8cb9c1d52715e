#include "text/bm25.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "base/hash.h"
#include "base/testing.h"
#include "base/thread.h"

enum { DOCS = 3000, WORDS = 60, LENGTH_MAX = 30 };

/* The truth beside the index: documents as word numbers, "w0" to "w59". */
struct model {
    bool is_there[DOCS];
    int length[DOCS];
    uint8_t words[DOCS][LENGTH_MAX];
};

/* Low word numbers are frequent ones. */
static uint8_t
word_draw(unsigned *seed)
{
    double u = (double)rand_r(seed) / RAND_MAX;

    return (uint8_t)(u * u * u * (WORDS - 1));
}

static void
model_put(struct model *m, struct lh_bm25 *ix, size_t id, unsigned *seed)
{
    LH_AUTO_BUF(text, 4096);
    LH_AUTO_ERROR(err);

    m->is_there[id] = true;
    m->length[id] = rand_r(seed) % LENGTH_MAX;
    for (int i = 0; i < m->length[id]; i++) {
        m->words[id][i] = word_draw(seed);
        lh_buf_printf(&text, "w%d ", m->words[id][i]);
    }
    assert_ok(lh_bm25_put(ix, id, lh_buf_str(&text), &err), err);
}

static struct lh_bm25 *
index_new(double k1, double b)
{
    struct lh_bm25_options o = {.language = "none", .k1 = k1, .b = b};
    struct lh_bm25 *ix = NULL;
    LH_AUTO_ERROR(err);

    assert_ok(lh_bm25_new(&o, &ix, &err), err);
    return ix;
}

static int
count_in(const struct model *m, size_t id, int word)
{
    int n = 0;

    for (int i = 0; i < m->length[id]; i++)
        n += m->words[id][i] == word;
    return n;
}

/* By the formula of the header, over living documents only: there must be no tombstones. */
static double
score_of(const struct model *m, size_t id, const int *query, size_t terms)
{
    double n = 0, total = 0, score = 0;

    for (size_t d = 0; d < DOCS; d++) {
        n += m->is_there[d];
        total += m->is_there[d] ? m->length[d] : 0;
    }
    for (size_t t = 0; t < terms; t++) {
        double df = 0, tf = count_in(m, id, query[t]);
        for (size_t d = 0; d < DOCS; d++)
            df += m->is_there[d] && count_in(m, d, query[t]) > 0;
        double idf = log(1 + (n - df + 0.5) / (df + 0.5));
        double norm = 1.5 * (1 - 0.75 + 0.75 * m->length[id] / (total / n));
        score += idf * tf * 2.5 / (tf + norm);
    }
    return score;
}

static void
scores_are_those_of_the_formula(void **state)
{
    (void)state;
    struct model *m = calloc(1, sizeof(*m));
    LH_AUTO(lh_bm25) *ix = index_new(1.5, 0.75);
    struct lh_bm25_hit hits[20];
    unsigned seed = 3;
    size_t count = 0;
    LH_AUTO_ERROR(err);

    for (size_t id = 0; id < 500; id++)
        model_put(m, ix, id, &seed);
    assert_ok(lh_bm25_search(ix, LH_STR("w30 w3 w50"), 20, NULL, hits, &count, &err), err);
    assert_int_equal(count, 20);
    for (size_t i = 0; i < count; i++) {
        double expected = score_of(m, hits[i].id, (const int[]){30, 3, 50}, 3);
        assert_true(fabs((double)hits[i].score - expected) < 1e-5);
        assert_true(i == 0 || hits[i].score <= hits[i - 1].score);
    }
    free(m);
}

struct pass {
    size_t every;
};

static bool
is_multiple(void *ctx, uint64_t id)
{
    return id % ((struct pass *)ctx)->every == 0;
}

/* The k best must be the first k of everything: k so large that nothing is pruned. */
static void
best_are_first_of_all(const struct lh_bm25 *ix, lh_str query, size_t k,
                      const struct lh_bm25_filter *filter)
{
    size_t documents = lh_bm25_count(ix), all_count = 0, best_count = 0;
    struct lh_bm25_hit *all = calloc(documents, sizeof(*all)), *best = calloc(k, sizeof(*best));
    LH_AUTO_ERROR(err);

    assert_ok(lh_bm25_search(ix, query, documents, filter, all, &all_count, &err), err);
    assert_ok(lh_bm25_search(ix, query, k, filter, best, &best_count, &err), err);
    assert_int_equal(best_count, all_count < k ? all_count : k);
    for (size_t i = 0; i < best_count; i++) {
        assert_int_equal(best[i].id, all[i].id);
        assert_true(best[i].score == all[i].score);
    }
    free(all);
    free(best);
}

static void
pruning_changes_no_answer(void **state)
{
    (void)state;
    struct model *m = calloc(1, sizeof(*m));
    LH_AUTO(lh_bm25) *ix = index_new(0, 0);
    struct pass pass = {7};
    struct lh_bm25_filter filter = {.match = is_multiple, .ctx = &pass};
    unsigned seed = 11;

    for (size_t id = 0; id < DOCS; id++)
        model_put(m, ix, id, &seed);
    for (int i = 0; i < 500; i++)
        model_put(m, ix, (size_t)rand_r(&seed) % DOCS, &seed);
    for (int round = 0; round < 300; round++) {
        char query[128] = "";
        for (int i = 0, n = 1 + rand_r(&seed) % 6; i < n; i++)
            sprintf(query + strlen(query), "w%d ", word_draw(&seed));
        best_are_first_of_all(ix, lh_str_of(query), (size_t)(1 + rand_r(&seed) % 15), NULL);
        best_are_first_of_all(ix, lh_str_of(query), 10, &filter);
    }
    free(m);
}

/* Documents enough for many windows, of words that most of them hold, and of some that few do. */
enum { CROWD = 30000, CROWD_WORDS = 12 };

struct crowd {
    uint16_t counts[CROWD][CROWD_WORDS];
    uint32_t lengths[CROWD];
    double length_sum;
};

static void
crowd_put(struct crowd *c, struct lh_bm25 *ix, size_t id, unsigned *seed)
{
    LH_AUTO_BUF(text, 1 << 20);
    LH_AUTO_ERROR(err);

    /* Long runs without a word, as texts that came together have them, and now and then a giant. */
    for (int w = 0; w < CROWD_WORDS; w++) {
        int one_in = w < 6 ? 1 + w / 2 : 3 << (w - 5);
        bool is_in = rand_r(seed) % one_in == 0 && (id / 3000 + (size_t)w) % 5 != 0;

        c->counts[id][w] = (uint16_t)(is_in ? 1 + rand_r(seed) % (id % 997 == 0 ? 400 : 4) : 0);
        c->lengths[id] += c->counts[id][w];
        for (int i = 0; i < c->counts[id][w]; i++)
            lh_buf_printf(&text, "w%d ", w);
    }
    for (int i = rand_r(seed) % (id % 1009 == 0 ? 3000 : 30); i > 0; i--, c->lengths[id]++)
        lh_buf_add_cstr(&text, "filler ");
    c->length_sum += c->lengths[id];
    assert_ok(lh_bm25_put(ix, id, lh_buf_str(&text), &err), err);
}

static double
crowd_score(const struct crowd *c, size_t id, unsigned words)
{
    double score = 0;

    for (int w = 0; w < CROWD_WORDS; w++) {
        double df = 0, tf = c->counts[id][w];

        if (!(words >> w & 1) || tf == 0)
            continue;
        for (size_t d = 0; d < CROWD; d++)
            df += c->counts[d][w] > 0;
        score += log(1 + (CROWD - df + 0.5) / (df + 0.5)) * tf * 2.5 /
                 (tf + 1.5 * (0.25 + 0.75 * c->lengths[id] / (c->length_sum / CROWD)));
    }
    return score;
}

/* All that holds a word is found by an unpruned search, and scored by the formula. */
static void
crowd_check(const struct crowd *c, const struct lh_bm25 *ix, lh_str query, unsigned words)
{
    struct lh_bm25_hit *all = calloc(CROWD, sizeof(*all));
    size_t count = 0, expected = 0;
    LH_AUTO_ERROR(err);

    assert_ok(lh_bm25_search(ix, query, CROWD, NULL, all, &count, &err), err);
    for (size_t d = 0; d < CROWD; d++) {
        bool is_hit = false;
        for (int w = 0; w < CROWD_WORDS; w++)
            is_hit |= (words >> w & 1) && c->counts[d][w] > 0;
        expected += is_hit;
    }
    assert_int_equal(count, expected);
    for (size_t i = 0; i < count; i += 1 + count / 5)
        assert_true(fabs((double)all[i].score - crowd_score(c, all[i].id, words)) < 1e-4);
    free(all);
}

static void
frequent_words_are_pruned_without_changing_an_answer(void **state)
{
    (void)state;
    struct crowd *c = calloc(1, sizeof(*c));
    LH_AUTO(lh_bm25) *ix = index_new(0, 0);
    struct pass pass = {13};
    struct lh_bm25_filter filter = {.match = is_multiple, .ctx = &pass};
    unsigned seed = 29;
    LH_AUTO_ERROR(err);

    for (size_t id = 0; id < CROWD; id++)
        crowd_put(c, ix, id, &seed);
    for (int round = 0; round < 60; round++) {
        unsigned words = 1 + (unsigned)rand_r(&seed) % ((1U << CROWD_WORDS) - 1);
        char query[128] = "";
        for (int w = 0; w < CROWD_WORDS; w++) {
            if (words >> w & 1)
                sprintf(query + strlen(query), "w%d ", w);
        }
        if (round < 20)
            crowd_check(c, ix, lh_str_of(query), words);
        if (round == 20) /* tombstones from here on */
            for (size_t id = 0; id < CROWD; id += 9)
                assert_ok(lh_bm25_remove(ix, id, &err), err);
        best_are_first_of_all(ix, lh_str_of(query), 1 + (size_t)rand_r(&seed) % 200, NULL);
        best_are_first_of_all(ix, lh_str_of(query), 10, &filter);
    }
    free(c);
}

/* Compares presence and, through an index built afresh, every score. */
static void
model_check(const struct model *m, struct lh_bm25 *ix)
{
    LH_AUTO(lh_bm25) *fresh = index_new(0, 0);
    LH_AUTO_BUF(a, 16 << 20);
    LH_AUTO_BUF(b, 16 << 20);
    LH_AUTO_ERROR(err);
    size_t count = 0;

    for (size_t id = 0; id < DOCS; id++) {
        LH_AUTO_BUF(text, 4096);
        assert_int_equal(lh_bm25_contains(ix, id), m->is_there[id]);
        for (int i = 0; m->is_there[id] && i < m->length[id]; i++)
            lh_buf_printf(&text, "w%d ", m->words[id][i]);
        if (m->is_there[id])
            assert_ok(lh_bm25_put(fresh, id, lh_buf_str(&text), &err), err);
        count += m->is_there[id];
    }
    assert_int_equal(lh_bm25_count(ix), count);
    assert_ok(lh_bm25_encode(ix, &a, &err), err);
    assert_ok(lh_bm25_encode(fresh, &b, &err), err);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
}

static void
any_sequence_of_writes_leaves_what_a_fresh_index_holds(void **state)
{
    (void)state;
    struct model *m = calloc(1, sizeof(*m));
    LH_AUTO(lh_bm25) *ix = index_new(0, 0);
    struct lh_bm25_stats stats;
    unsigned seed = 5;
    LH_AUTO_ERROR(err);

    for (int step = 0; step < 20000; step++) {
        size_t id = (size_t)rand_r(&seed) % DOCS;
        if (rand_r(&seed) % 3) {
            model_put(m, ix, id, &seed);
        } else if (m->is_there[id]) {
            assert_ok(lh_bm25_remove(ix, id, &err), err);
            m->is_there[id] = false;
        } else {
            assert_fails(lh_bm25_remove(ix, id, &err), LH_NOT_FOUND, "bm25.not_found", err);
        }
        lh_bm25_stats_get(ix, &stats);
        assert_true(stats.tombstones <= 1024 || stats.tombstones * 3 <= stats.documents + 3);
    }
    model_check(m, ix);
    assert_ok(lh_bm25_vacuum(ix, &err), err);
    lh_bm25_stats_get(ix, &stats);
    assert_int_equal(stats.tombstones, 0);
    model_check(m, ix);
    free(m);
}

static void
an_encoded_index_answers_the_same_after_decoding(void **state)
{
    (void)state;
    struct model *m = calloc(1, sizeof(*m));
    LH_AUTO(lh_bm25) *ix = index_new(0.9, 0.4);
    LH_AUTO(lh_bm25) *back = NULL;
    struct lh_bm25_hit before[10], after[10];
    size_t n = 0, k = 0;
    unsigned seed = 23;
    LH_AUTO_BUF(bytes, 16 << 20);
    LH_AUTO_ERROR(err);

    for (size_t id = 0; id < DOCS; id++)
        model_put(m, ix, id, &seed);
    assert_ok(lh_bm25_put(ix, UINT64_MAX, LH_STR("w1 w59 seldom"), &err), err);
    assert_ok(lh_bm25_encode(ix, &bytes, &err), err);
    assert_ok(lh_bm25_decode(lh_buf_bytes(&bytes), 0, &back, &err), err);
    assert_ok(lh_bm25_search(ix, LH_STR("w1 w20 seldom"), 10, NULL, before, &n, &err), err);
    assert_ok(lh_bm25_search(back, LH_STR("w1 w20 seldom"), 10, NULL, after, &k, &err), err);
    assert_int_equal(n, k);
    assert_int_equal(before[0].id, UINT64_MAX);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(before[i].id, after[i].id);
        assert_true(before[i].score == after[i].score);
    }
    free(m);
}

static void
every_damaged_byte_is_noticed(void **state)
{
    (void)state;
    LH_AUTO(lh_bm25) *ix = index_new(0, 0);
    struct lh_bm25 *back = NULL;
    LH_AUTO_BUF(bytes, 1 << 20);
    LH_AUTO_ERROR(err);

    for (uint64_t id = 0; id < 20; id++)
        assert_ok(lh_bm25_put(ix, id * 3, LH_STR("some words and some more"), &err), err);
    assert_ok(lh_bm25_encode(ix, &bytes, &err), err);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 0x10;
        assert_int_not_equal(lh_bm25_decode(lh_buf_bytes(&bytes), 0, &back, &err), LH_OK);
        bytes.data[i] ^= 0x10;
        lh_bytes cut = {bytes.data, i};
        assert_fails(lh_bm25_decode(cut, 0, &back, &err), LH_CORRUPT, "bm25.damaged", err);
    }
    assert_null(back);
}

/* Crafted bytes with a checksum that fits: byte by byte, either refused or a sound index. */
static void
a_crafted_file_with_a_fitting_checksum_is_refused_or_sound(void **state)
{
    (void)state;
    LH_AUTO(lh_bm25) *ix = index_new(0, 0);
    LH_AUTO_BUF(bytes, 1 << 20);
    LH_AUTO_ERROR(err);

    for (uint64_t id = 0; id < 5; id++)
        assert_ok(lh_bm25_put(ix, id, LH_STR("some words and some more"), &err), err);
    assert_ok(lh_bm25_encode(ix, &bytes, &err), err);
    for (size_t i = 24; i < bytes.len; i++) {
        for (unsigned v = 0; v < 256; v += 5) {
            LH_AUTO(lh_bm25) *back = NULL;
            struct lh_bm25_hit hits[8];
            size_t n = 0;
            uint8_t old = bytes.data[i];
            bytes.data[i] = (uint8_t)v;
            uint32_t crc = lh_crc32c(0, bytes.data + 16, bytes.len - 16);
            memcpy(bytes.data + 12, &crc, sizeof(crc));
            if (lh_bm25_decode(lh_buf_bytes(&bytes), 0, &back, &err) == LH_OK)
                assert_ok(lh_bm25_search(back, LH_STR("some words"), 8, NULL, hits, &n, &err), err);
            lh_error_clear(&err);
            bytes.data[i] = old;
        }
    }
}

static void
a_full_index_refuses_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct lh_bm25_options o = {.max_bytes = 64 << 10};
    LH_AUTO(lh_bm25) *ix = NULL;
    struct lh_bm25_stats stats;
    lh_status status = LH_OK;
    char text[32];
    uint64_t id = 0;
    LH_AUTO_ERROR(err);

    assert_ok(lh_bm25_new(&o, &ix, &err), err);
    while (status == LH_OK && id < 100000) {
        snprintf(text, sizeof(text), "word%d", (int)id);
        status = lh_bm25_put(ix, id++, lh_str_of(text), &err);
    }
    assert_fails(status, LH_TOO_BIG, "bm25.full", err);
    lh_bm25_stats_get(ix, &stats);
    assert_int_equal(stats.documents, id - 1);
    assert_true(stats.bytes <= o.max_bytes);
}

static void
filters_by_bits_and_odd_queries_are_answered(void **state)
{
    (void)state;
    LH_AUTO(lh_bm25) *ix = NULL;
    struct lh_bm25_hit hits[4];
    const uint64_t bits[] = {1ULL << 5};
    struct lh_bm25_filter filter = {.bits = bits, .bit_count = 64};
    size_t n = 9;
    LH_AUTO_ERROR(err);

    assert_ok(lh_bm25_new(NULL, &ix, &err), err);
    assert_ok(lh_bm25_search(ix, LH_STR("anything"), 4, NULL, hits, &n, &err), err);
    assert_int_equal(n, 0);
    for (uint64_t id = 0; id < 100; id++)
        assert_ok(lh_bm25_put(ix, id, LH_STR("Forklift operators"), &err), err);
    assert_ok(lh_bm25_search(ix, LH_STR("operating a FORKLIFT"), 4, &filter, hits, &n, &err), err);
    assert_int_equal(n, 1);
    assert_int_equal(hits[0].id, 5);
    assert_ok(lh_bm25_search(ix, LH_STR("forklift"), 4, NULL, hits, &n, &err), err);
    assert_int_equal(n, 4);
    assert_int_equal(hits[3].id, 3);
    assert_ok(lh_bm25_search(ix, LH_STR("the of ?!"), 4, NULL, hits, &n, &err), err);
    assert_int_equal(n, 0);
    assert_fails(lh_bm25_search(ix, LH_STR("x"), 0, NULL, hits, &n, &err), LH_INVALID, "bm25.k",
                 err);
}

struct shared {
    struct lh_bm25 *ix;
    atomic_bool is_over;
};

static void *
search_on(void *arg)
{
    struct shared *s = arg;
    struct lh_bm25_hit hits[10];
    size_t n;

    while (!atomic_load(&s->is_over)) {
        n = 0;
        if (lh_bm25_search(s->ix, LH_STR("w1 w5 w9"), 10, NULL, hits, &n, NULL) != LH_OK || n > 10)
            abort();
        for (size_t i = 1; i < n; i++) {
            if (hits[i].score > hits[i - 1].score)
                abort();
        }
    }
    return NULL;
}

static void
searches_go_on_while_documents_come_and_go(void **state)
{
    (void)state;
    struct model *m = calloc(1, sizeof(*m));
    LH_AUTO(lh_bm25) *ix = index_new(0, 0);
    struct shared s = {.ix = ix};
    pthread_t threads[3];
    unsigned seed = 77;
    LH_AUTO_ERROR(err);

    for (int i = 0; i < 3; i++)
        assert_ok(lh_thread_start(&threads[i], "search", search_on, &s, &err), err);
    for (int step = 0; step < 6000; step++) {
        size_t id = (size_t)rand_r(&seed) % DOCS;
        model_put(m, ix, id, &seed);
        if (step % 5 == 0) {
            assert_ok(lh_bm25_remove(ix, id, &err), err);
            m->is_there[id] = false;
        }
    }
    atomic_store(&s.is_over, true);
    for (int i = 0; i < 3; i++)
        lh_thread_join(threads[i]);
    model_check(m, ix);
    free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_the_formula),
        cmocka_unit_test(pruning_changes_no_answer),
        cmocka_unit_test(frequent_words_are_pruned_without_changing_an_answer),
        cmocka_unit_test(any_sequence_of_writes_leaves_what_a_fresh_index_holds),
        cmocka_unit_test(an_encoded_index_answers_the_same_after_decoding),
        cmocka_unit_test(every_damaged_byte_is_noticed),
        cmocka_unit_test(a_crafted_file_with_a_fitting_checksum_is_refused_or_sound),
        cmocka_unit_test(a_full_index_refuses_and_keeps_what_it_has),
        cmocka_unit_test(filters_by_bits_and_odd_queries_are_answered),
        cmocka_unit_test(searches_go_on_while_documents_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
