#include "services/storaged/object_send.h"

#include <stdlib.h>
#include "base/alloc.h"

#define STEP_BYTES ((size_t)256 << 10)

/* The first step is read before the answer begins, so that its failure is still an answer of its
 * own. */
static lh_status
send_by_reading(struct lh_call *call, const struct storage_sending *s, struct lh_response *res,
                struct lh_error *err)
{
    LH_AUTO_CHARS buffer = lh_alloc(STEP_BYTES);
    uint64_t at = s->from, end = s->from + s->length;
    bool has_begun = false;

    while (at < end || !has_begun) {
        size_t n = end - at < STEP_BYTES ? (size_t)(end - at) : STEP_BYTES;
        LH_TRY(lh_reader_at_read(s->reader, call, at, buffer, n, err));
        if (!has_begun)
            LH_TRY(s->begin(s->self, res, err));
        has_begun = true;
        LH_TRY(lh_response_write(res, lh_bytes_of(buffer, n), err));
        at += n;
    }
    return LH_OK;
}

lh_status
storage_object_send(const struct storage *s, struct lh_call *call,
                    const struct storage_sending *sending, struct lh_response *res,
                    struct lh_error *err)
{
    struct lh_reader_at *r = sending->reader;
    uint64_t from = sending->from, length = sending->length;
    LH_AUTO_FD fd = -1;
    int given;

    if (length <= s->prove_first_max || lh_reader_at_is_proven(r, from, length))
        LH_TRY(lh_reader_at_file(r, call, from, length, &fd, err));
    if (fd < 0)
        return send_by_reading(call, sending, res, err);
    LH_TRY(sending->begin(sending->self, res, err));
    given = fd;
    fd = -1;
    return lh_response_send_file(res, given, from, length, err);
}
