/*
 * Encoding renumbers the living documents by id and sorts the terms, so that the bytes depend on
 * the content alone. Decoding checks the checksum, then believes nothing: every number is compared
 * with what is left of the bytes or with the number of documents, everything must ascend, and the
 * frequencies of a document must add up to its length.
 */
#include <stdlib.h>
#include "base/alloc.h"
#include "base/hash.h"
#include "text/bm25_parts.h"

#define MAGIC "LHBM25\r\n"
#define MAGIC_LEN 8
#define VERSION 1
#define HEAD_BYTES 24   /* magic, version, checksum, length */
#define CHECKED_FROM 16 /* the checksum covers what comes after it */

/* ---- writing ---- */

static void
little_put(struct lh_buf *out, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        lh_buf_add_char(out, (char)(v >> (8 * i)));
}

static void
f64_put(struct lh_buf *out, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    little_put(out, bits, sizeof(bits));
}

static void
number_put(struct lh_buf *out, uint64_t n)
{
    uint8_t bytes[10];
    size_t i = 0;

    for (; n >= 0x80; n >>= 7)
        bytes[i++] = (uint8_t)(n | 0x80);
    bytes[i++] = (uint8_t)n;
    lh_buf_add(out, bytes, i);
}

static void
text_put(struct lh_buf *out, lh_str s)
{
    number_put(out, s.len);
    lh_buf_add_str(out, s);
}

struct numbered {
    uint64_t id;
    uint32_t doc;
};

static int
by_id(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

/* Writes ids and lengths; returns the new number of each old one, BM25_DOC_NONE for the dead. */
static uint32_t *
docs_put(const struct bm25_data *d, struct lh_buf *out)
{
    size_t live = 0;
    uint32_t *number = lh_alloc_array(d->doc_count + 1, sizeof(*number));
    struct numbered *order = lh_alloc_array(d->doc_count + 1, sizeof(*order));
    uint64_t before = 0;

    for (uint32_t doc = 0; doc < d->doc_count; doc++) {
        number[doc] = BM25_DOC_NONE;
        if (!bm25_data_is_dead(d, doc))
            order[live++] = (struct numbered){d->ids[doc], doc};
    }
    qsort(order, live, sizeof(*order), by_id);
    number_put(out, live);
    for (size_t i = 0; i < live; i++) {
        number[order[i].doc] = (uint32_t)i;
        number_put(out, order[i].id - before);
        number_put(out, d->lengths[order[i].doc]);
        before = order[i].id;
    }
    free(order);
    return number;
}

static int
by_doc(const void *a, const void *b)
{
    const struct bm25_posting *x = a, *y = b;

    return x->doc < y->doc ? -1 : x->doc > y->doc;
}

/* The living postings of a list under their new numbers, in order. */
static size_t
list_renumber(const struct bm25_list *l, const uint32_t *number, struct bm25_posting *out)
{
    struct bm25_posting block[BM25_BLOCK];
    size_t n = 0;

    for (size_t i = 0; i < bm25_list_block_count(l); i++) {
        size_t count = bm25_list_decode(l, i, block);
        for (size_t p = 0; p < count; p++) {
            uint32_t doc = number[block[p].doc];
            if (doc != BM25_DOC_NONE)
                out[n++] = (struct bm25_posting){doc, block[p].frequency};
        }
    }
    qsort(out, n, sizeof(*out), by_doc);
    return n;
}

static void
term_put(lh_str term, const struct bm25_posting *postings, size_t count, struct lh_buf *out)
{
    uint32_t before = 0;

    text_put(out, term);
    number_put(out, count);
    for (size_t i = 0; i < count; i++) {
        number_put(out, postings[i].doc - before);
        number_put(out, postings[i].frequency);
        before = postings[i].doc;
    }
}

struct sorted_term {
    lh_str term;
    uint32_t number;
};

static int
by_term(const void *a, const void *b)
{
    return lh_str_cmp(((const struct sorted_term *)a)->term, ((const struct sorted_term *)b)->term);
}

/* The terms in order, and how many postings the longest list has. */
static struct sorted_term *
terms_sort(const struct bm25_data *d, size_t *longest)
{
    struct sorted_term *sorted = lh_alloc_array(d->terms.count + 1, sizeof(*sorted));

    *longest = 0;
    for (uint32_t i = 0; i < d->terms.count; i++) {
        sorted[i] = (struct sorted_term){text_terms_at(&d->terms, i), i};
        *longest = *longest > d->lists[i].count ? *longest : d->lists[i].count;
    }
    qsort(sorted, d->terms.count, sizeof(*sorted), by_term);
    return sorted;
}

/* The count of terms goes behind them, since only then it is known: 8 bytes at the end. */
static void
terms_put(const struct bm25_data *d, const uint32_t *number, struct lh_buf *out)
{
    size_t longest, written = 0;
    struct sorted_term *sorted = terms_sort(d, &longest);
    struct bm25_posting *postings = lh_alloc_array(longest + 1, sizeof(*postings));

    for (size_t i = 0; i < d->terms.count && !out->is_failed; i++) {
        size_t n = list_renumber(&d->lists[sorted[i].number], number, postings);
        if (n == 0)
            continue;
        term_put(sorted[i].term, postings, n, out);
        written++;
    }
    little_put(out, written, 8);
    free(postings);
    free(sorted);
}

static void
head_finish(struct lh_buf *out, size_t start)
{
    uint8_t *head = out->data + start;
    uint64_t length = out->len - start;

    for (size_t i = 0; i < 8; i++)
        head[16 + i] = (uint8_t)(length >> (8 * i));
    uint32_t crc = lh_crc32c(0, head + CHECKED_FROM, length - CHECKED_FROM);
    for (size_t i = 0; i < 4; i++)
        head[12 + i] = (uint8_t)(crc >> (8 * i));
}

lh_status
lh_bm25_encode(struct lh_bm25 *ix, struct lh_buf *out, struct lh_error *err)
{
    size_t start = out->len;

    LH_AUTO_LOCK(&ix->writing);
    lh_buf_add(out, MAGIC, MAGIC_LEN);
    little_put(out, VERSION, 4);
    little_put(out, 0, 4); /* checksum and length come last */
    little_put(out, 0, 8);
    f64_put(out, ix->k1);
    f64_put(out, ix->b);
    lh_buf_add_char(out, ix->keeps_stop_words ? 1 : 0);
    text_put(out, lh_str_of(ix->language));
    uint32_t *number = docs_put(&ix->shared.data, out);
    terms_put(&ix->shared.data, number, out);
    free(number);
    LH_TRY(lh_buf_check(out, "the encoded index of words", err));
    head_finish(out, start);
    return LH_OK;
}

/* ---- reading ---- */

/* After a failure everything reads as 0 and nothing is left. */
struct bytes_reader {
    const uint8_t *at, *end;
    bool is_damaged;
};

static size_t
left(const struct bytes_reader *r)
{
    return (size_t)(r->end - r->at);
}

static void
damaged(struct bytes_reader *r)
{
    r->is_damaged = true;
    r->at = r->end;
}

static uint64_t
little_get(struct bytes_reader *r, size_t bytes)
{
    uint64_t v = 0;

    if (left(r) < bytes) {
        damaged(r);
        return 0;
    }
    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t)*r->at++ << (8 * i);
    return v;
}

static double
f64_get(struct bytes_reader *r)
{
    uint64_t bits = little_get(r, 8);
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

static uint64_t
number_get(struct bytes_reader *r, uint64_t most)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        uint8_t byte = *r->at++;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            if (v > most)
                break;
            return v;
        }
    }
    damaged(r);
    return 0;
}

static lh_str
text_get(struct bytes_reader *r, size_t most)
{
    size_t len = number_get(r, most);

    if (left(r) < len) {
        damaged(r);
        return LH_STR_NONE;
    }
    lh_str s = {(const char *)r->at, len};
    r->at += len;
    return s;
}

static lh_status
damage(struct lh_error *err, const char *what)
{
    return lh_fail(err, LH_CORRUPT, "bm25.damaged", "the encoded index of words is damaged: %s",
                   what);
}

static lh_status
head_check(lh_bytes in, struct lh_error *err)
{
    struct bytes_reader r = {in.ptr, in.ptr + in.len, false};

    if (in.len < HEAD_BYTES || memcmp(in.ptr, MAGIC, MAGIC_LEN) != 0)
        return damage(err, "it does not begin as one");
    r.at += MAGIC_LEN;
    uint64_t version = little_get(&r, 4), crc = little_get(&r, 4), length = little_get(&r, 8);
    if (version != VERSION)
        return lh_fail(err, LH_UNSUPPORTED, "bm25.version",
                       "the encoded index of words has version %llu; this build reads %d",
                       (unsigned long long)version, VERSION);
    if (length != in.len)
        return damage(err, "its length is not what it says");
    if (lh_crc32c(0, in.ptr + CHECKED_FROM, in.len - CHECKED_FROM) != crc)
        return damage(err, "its checksum does not fit");
    return LH_OK;
}

static lh_status
options_get(struct bytes_reader *r, size_t max_bytes, struct lh_bm25 **out, struct lh_error *err)
{
    char language[BM25_LANGUAGE_MAX];
    struct lh_bm25_options o = {.language = language, .max_bytes = max_bytes};

    o.k1 = f64_get(r);
    o.b = f64_get(r);
    o.keeps_stop_words = little_get(r, 1) != 0;
    if (!lh_str_copy(language, sizeof(language), text_get(r, sizeof(language) - 1)) ||
        r->is_damaged || !(o.k1 > 0) || !(o.b > 0))
        return damage(err, "its options are not what they can be");
    return lh_bm25_new(&o, out, err);
}

static lh_status
memory_check(const struct lh_bm25 *ix, struct lh_error *err)
{
    size_t bytes = bm25_data_bytes(&ix->shared.data);

    if (bytes > ix->max_bytes)
        return lh_fail(err, LH_TOO_BIG, "bm25.full",
                       "the index of words takes more than the %zu bytes it may", ix->max_bytes);
    return LH_OK;
}

static lh_status
docs_get(struct bytes_reader *r, struct lh_bm25 *ix, struct lh_error *err)
{
    struct bm25_data *d = &ix->shared.data;
    size_t count = number_get(r, BM25_DOCS_MAX);
    uint64_t id = 0;

    if (count > left(r) / 2)
        return damage(err, "it has more documents than bytes");
    for (size_t i = 0; i < count; i++) {
        uint64_t step = number_get(r, UINT64_MAX - id);
        uint32_t length = (uint32_t)number_get(r, BM25_LENGTH_MAX);
        struct bm25_room room = {0};
        if (r->is_damaged || (i && step == 0))
            return damage(err, "its documents do not ascend");
        id += step;
        bm25_data_prepare(d, 0, &room);
        bm25_data_commit(d, &room);
        (void)bm25_data_add(d, id, length);
        LH_TRY(memory_check(ix, err));
    }
    return LH_OK;
}

static lh_status
postings_get(struct bytes_reader *r, struct lh_bm25 *ix, lh_str term, uint64_t *sums,
             struct lh_error *err)
{
    struct bm25_data *d = &ix->shared.data;
    size_t count = number_get(r, d->doc_count);
    uint32_t number = bm25_data_term(d, term);
    uint64_t doc = 0;

    if (count == 0)
        return damage(err, "a term has no documents, or more than there are");
    for (size_t i = 0; i < count; i++) {
        uint64_t step = number_get(r, d->doc_count);
        uint32_t frequency = (uint32_t)number_get(r, BM25_FREQUENCY_MAX);
        doc += step;
        if (r->is_damaged || frequency == 0 || doc >= d->doc_count || (i && step == 0))
            return damage(err, "the documents of a term do not ascend");
        sums[doc] += frequency;
        bm25_data_post(d, number, (struct bm25_posting){(uint32_t)doc, frequency});
    }
    return memory_check(ix, err);
}

static lh_status
terms_get(struct bytes_reader *r, struct lh_bm25 *ix, uint64_t *sums, struct lh_error *err)
{
    lh_str before = LH_STR_NONE;
    uint64_t count = 0;

    while (left(r) > 8) {
        lh_str term = text_get(r, LH_TOKEN_MAX);
        if (r->is_damaged || term.len == 0 || (count && lh_str_cmp(before, term) >= 0))
            return damage(err, "its terms do not ascend");
        LH_TRY(postings_get(r, ix, term, sums, err));
        before = term;
        count++;
    }
    if (little_get(r, 8) != count || r->is_damaged)
        return damage(err, "it has another number of terms than it says");
    return LH_OK;
}

static lh_status
sums_check(const struct bm25_data *d, const uint64_t *sums, struct lh_error *err)
{
    for (size_t i = 0; i < d->doc_count; i++) {
        if (sums[i] != d->lengths[i])
            return damage(err, "the length of a document is not that of its words");
    }
    return LH_OK;
}

lh_status
lh_bm25_decode(lh_bytes in, size_t max_bytes, struct lh_bm25 **out, struct lh_error *err)
{
    struct bytes_reader r = {0};
    LH_AUTO(lh_bm25) *ix = NULL;

    LH_TRY(head_check(in, err));
    r = (struct bytes_reader){in.ptr + HEAD_BYTES, in.ptr + in.len, false};
    LH_TRY(options_get(&r, max_bytes, &ix, err));
    LH_TRY(docs_get(&r, ix, err));
    uint64_t *sums = lh_alloc_array(ix->shared.data.doc_count + 1, sizeof(*sums));
    lh_status status = terms_get(&r, ix, sums, err);
    if (status == LH_OK)
        status = sums_check(&ix->shared.data, sums, err);
    free(sums);
    LH_TRY(status);
    *out = lh_take(ix);
    return LH_OK;
}
