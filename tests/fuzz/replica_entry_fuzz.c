/*
 * Any line as an entry of a list of copies. What decodes prints to a line that decodes to the same,
 * and its key is a key.
 */
#include <stdlib.h>

#include "store/replica.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
decoded_check(const struct replica_entry *e)
{
    LH_AUTO_BUF(line, (size_t)1 << 20);
    struct replica_entry again;

    replica_entry_print(e, &line);
    if (line.is_failed || line.len > REPLICA_LINE_MAX ||
        lh_key_check(lh_str_of(e->key), NULL) != LH_OK)
        abort();
    if (replica_entry_read(lh_str_slice(lh_buf_str(&line), 0, line.len - 1), &again, NULL) != LH_OK)
        abort();
    if (memcmp(e, &again, sizeof(again)) != 0)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct replica_entry e;

    if (replica_entry_read((lh_str){(const char *)data, size}, &e, NULL) == LH_OK)
        decoded_check(&e);
    return 0;
}
