/*
 * Any bytes as an encoded index of words. Length and checksum are put right first, or nothing would
 * get past them. What is accepted answers, and encodes to something that is accepted again.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "text/bm25.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
head_repair(uint8_t *bytes, size_t size)
{
    uint64_t length = size;
    uint32_t version = 1;

    memcpy(bytes, "LHBM25\r\n", 8);
    memcpy(bytes + 8, &version, 4);
    memcpy(bytes + 16, &length, 8);
    uint32_t crc = lh_crc32c(0, bytes + 16, size - 16);
    memcpy(bytes + 12, &crc, 4);
}

static void
index_use(struct lh_bm25 *ix)
{
    struct lh_bm25_hit hits[5];
    struct lh_bm25 *back = NULL;
    size_t count = 0;
    LH_AUTO_BUF(out, (size_t)64 << 20);

    if (lh_bm25_search(ix, LH_STR("some words a b c"), 5, NULL, hits, &count, NULL) != LH_OK)
        abort();
    if (lh_bm25_put(ix, 7, LH_STR("some more words"), NULL) != LH_OK)
        return; /* full */
    if (lh_bm25_encode(ix, &out, NULL) != LH_OK ||
        lh_bm25_decode(lh_buf_bytes(&out), 0, &back, NULL) != LH_OK)
        abort();
    lh_bm25_free(back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lh_bm25 *ix = NULL;

    if (size < 24)
        return 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    head_repair(copy, size);
    if (lh_bm25_decode((lh_bytes){copy, size}, (size_t)64 << 20, &ix, NULL) == LH_OK)
        index_use(ix);
    lh_bm25_free(ix);
    free(copy);
    return 0;
}
