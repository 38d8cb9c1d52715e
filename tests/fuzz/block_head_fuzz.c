/*
 * Any bytes as the head of a cached block's file, as they are and with a right checksum. What
 * decodes encodes to the same bytes but for the part that says nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "store/block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_decode(const uint8_t head[BLOCK_HEAD_BYTES])
{
    uint8_t again[BLOCK_HEAD_BYTES];
    struct block_id id = {0};
    struct block *b;

    for (size_t i = 0; i < 8; i++)
        id.number |= (uint64_t)head[8 + i] << (8 * i);
    memcpy(id.object, head + 16, sizeof(id.object));
    b = block_head_decode(&id, head);
    if (!b)
        return;
    block_head_encode(b, again);
    if (memcmp(again, head, 312) != 0)
        abort();
    (void)block_check(b, b->pages);
    block_unref(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *head = calloc(1, BLOCK_HEAD_BYTES); /* of its own: a read past the end is noticed */
    uint32_t crc;

    memcpy(head, data, size < BLOCK_HEAD_BYTES ? size : BLOCK_HEAD_BYTES);
    try_decode(head);
    memcpy(head, "LHBLOCK1", 8);
    crc = lh_crc32c(0, head, BLOCK_HEAD_BYTES - 4);
    for (size_t i = 0; i < 4; i++)
        head[BLOCK_HEAD_BYTES - 4 + i] = (uint8_t)(crc >> (8 * i));
    try_decode(head);
    free(head);
    return 0;
}
