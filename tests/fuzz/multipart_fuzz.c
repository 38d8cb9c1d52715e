/*
 * Whatever comes as multipart/form-data, in whatever pieces: no read past the end, and the same
 * parts whether it comes whole or byte by byte. The first byte of the input says how long the
 * pieces are.
 */
#include <stdlib.h>

#include "services/ingestd/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t parts;
    uint64_t bytes, sum;
};

static lh_status
seen_begin(void *self, const struct multipart_part *part, struct lh_error *err)
{
    struct seen *s = self;

    (void)err;
    s->parts += 1 + strlen(part->name) + strlen(part->file_name) + strlen(part->content_type);
    return LH_OK;
}

static lh_status
seen_data(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct seen *s = self;

    (void)err;
    for (size_t i = 0; i < bytes.len; i++)
        s->sum = s->sum * 31 + bytes.ptr[i];
    s->bytes += bytes.len;
    return LH_OK;
}

static lh_status
feed(lh_bytes body, size_t step, struct seen *s)
{
    struct multipart_handler handler = {.begin = seen_begin, .data = seen_data, .self = s};
    struct multipart m;
    LH_AUTO_ERROR(err);

    LH_TRY(multipart_init(&m, LH_STR("multipart/form-data; boundary=X"), &handler, &err));
    for (size_t at = 0; at < body.len; at += step) {
        size_t n = body.len - at < step ? body.len - at : step;
        LH_TRY(multipart_feed(&m, lh_bytes_of(body.ptr + at, n), &err));
    }
    return multipart_finish(&m, &err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole = {0}, cut = {0};
    lh_status a, b;

    if (size == 0)
        return 0;
    a = feed(lh_bytes_of(data + 1, size - 1), size, &whole);
    b = feed(lh_bytes_of(data + 1, size - 1), (size_t)data[0] % 16 + 1, &cut);
    if (a != b || whole.parts != cut.parts || whole.bytes != cut.bytes || whole.sum != cut.sum)
        abort();
    return 0;
}
