#include "services/queryd/answer.h"

enum { HELD_BYTES = 64 * 1024 };

void
query_answer_init(struct query_answer *a, struct lh_response *res, enum lh_result_format format)
{
    *a = (struct query_answer){.res = res, .content_type = lh_result_content_type(format)};
    lh_buf_init(&a->held, LH_BUF_UNLIMITED);
}

void
query_answer_fini(struct query_answer *a)
{
    lh_buf_fini(&a->held);
}

static void
begin(struct query_answer *a)
{
    if (a->begins && !a->has_begun)
        a->begins(a->self);
}

static lh_status
flush(struct query_answer *a, struct lh_error *err)
{
    begin(a);
    if (!a->has_begun)
        LH_TRY(lh_response_begin(a->res, 200, a->content_type, -1, err));
    a->has_begun = true;
    if (a->held.len > 0)
        LH_TRY(lh_response_write(a->res, lh_buf_bytes(&a->held), err));
    lh_buf_clear(&a->held);
    return LH_OK;
}

static lh_status
answer_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct query_answer *a = self;

    if (a->held.len + bytes.len < HELD_BYTES) {
        lh_buf_add(&a->held, bytes.ptr, bytes.len);
        return LH_OK;
    }
    LH_TRY(flush(a, err));
    return lh_response_write(a->res, bytes, err);
}

struct lh_result_sink
query_answer_sink(struct query_answer *a)
{
    return (struct lh_result_sink){.write = answer_write, .self = a};
}

lh_status
query_answer_end(struct query_answer *a, struct lh_error *err)
{
    if (a->has_begun)
        return flush(a, err);
    begin(a);
    return lh_response_bytes(a->res, 200, a->content_type, lh_buf_bytes(&a->held), err);
}
