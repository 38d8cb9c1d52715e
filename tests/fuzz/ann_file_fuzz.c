/*
 * An index file from a stranger: it opens or is refused, and whatever opened can be searched,
 * changed and saved. Checksums would stop nearly every input at the door, so they are set right
 * first; the first byte chooses what to do with the index.
 */
#include <stdlib.h>
#include <string.h>
#include "ann/file.h"
#include "base/buf.h"
#include "base/hash.h"

#define DIM_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static lh_status
sink_write(void *ctx, const void *ptr, size_t n, struct lh_error *err)
{
    lh_buf_add(ctx, ptr, n);
    return lh_buf_check(ctx, "the file", err);
}

/* A small file whose graph the input then overwrites. */
static void
seed_make(struct lh_buf *out, uint8_t kind)
{
    struct lh_ann_options o = {.dim = kind % 2 ? 100 : 7, .metric = (enum lh_ann_metric)(kind % 3)};
    LH_AUTO(lh_ann) *ann = NULL;
    struct lh_ann_writer w = {sink_write, out};
    float v[128] = {0};

    if (lh_ann_new(&o, &ann, NULL) != LH_OK)
        abort();
    for (uint64_t i = 0; i < 40; i++) {
        v[i % o.dim] += 1.0f;
        if (i % 8 != 7)
            (void)lh_ann_add(ann, i, v, o.dim, NULL);
    }
    if (lh_ann_save(ann, &w, NULL) != LH_OK)
        abort();
}

static void
checksum_set(uint8_t *file)
{
    struct ann_file_header h;

    memcpy(&h, file, sizeof(h));
    memcpy(h.magic, ANN_FILE_MAGIC, sizeof(h.magic));
    h.version = ANN_FILE_VERSION;
    h.byte_order = ANN_FILE_ORDER;
    h.crc = lh_crc32c(0, &h, offsetof(struct ann_file_header, crc));
    memcpy(file, &h, sizeof(h));
}

static void
index_use(struct lh_ann *ann, uint32_t dim)
{
    float v[DIM_MAX] = {0.5f, 1.5f};
    struct lh_ann_hit hits[8];
    struct lh_ann_query q = {.k = 8}, exact = {.k = 8, .is_exact = true};
    LH_AUTO_BUF(out, (size_t)64 << 20);
    struct lh_ann_writer w = {sink_write, &out};

    if (dim > DIM_MAX)
        return;
    (void)lh_ann_search(ann, v, dim, &q, hits, NULL, NULL);
    (void)lh_ann_search(ann, v, dim, &exact, hits, NULL, NULL);
    for (uint64_t i = 0; i < 30; i += 3)
        (void)lh_ann_remove(ann, i, NULL);
    (void)lh_ann_add(ann, 1000, v, dim, NULL);
    (void)lh_ann_vacuum(ann, NULL);
    (void)lh_ann_search(ann, v, dim, &q, hits, NULL, NULL);
    (void)lh_ann_save(ann, &w, NULL);
}

/* Input: kind, then pairs of a place (3 bytes) and a value (1 byte) that overwrite the seed. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lh_buf seeds[6];
    struct lh_ann_open_options o = {.is_trusted = true, .max_bytes = (size_t)64 << 20};
    struct ann_file_header h;
    LH_AUTO(lh_ann) *ann = NULL;

    if (size < 1)
        return 0;
    struct lh_buf *seed = &seeds[data[0] % 6];
    if (seed->len == 0) {
        lh_buf_init(seed, (size_t)16 << 20);
        seed_make(seed, data[0] % 6);
    }
    uint8_t *file = aligned_alloc(4096, seed->len);
    memcpy(file, seed->data, seed->len);
    for (size_t i = 1; i + 4 <= size; i += 4)
        file[((size_t)data[i] | (size_t)data[i + 1] << 8 | (size_t)data[i + 2] << 16) % seed->len] =
            data[i + 3];
    checksum_set(file);
    memcpy(&h, file, sizeof(h));
    o.is_copied = data[0] >= 128;
    if (lh_ann_open(lh_bytes_of(file, seed->len), &o, &ann, NULL) == LH_OK)
        index_use(ann, h.dim);
    lh_ann_free(lh_take(ann));
    free(file);
    return 0;
}
