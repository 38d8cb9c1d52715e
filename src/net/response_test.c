#include "net/http.h"

#include <sys/mman.h>
#include <unistd.h>
#include "base/testing.h"

/* A sink that remembers. */
struct caught {
    struct lh_response res;
    struct lh_arena arena;
    struct lh_buf body;
    int begins, ends;
    int status;
    int64_t length;
    bool is_complete;
    lh_status write_fails;
};

static lh_status
caught_begin(void *self, int status, const struct lh_header *headers, size_t count, int64_t length,
             struct lh_error *err)
{
    struct caught *c = self;

    (void)headers;
    (void)count;
    (void)err;
    c->begins++;
    c->status = status;
    c->length = length;
    return LH_OK;
}

static lh_status
caught_write(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct caught *c = self;

    if (c->write_fails)
        return lh_fail(err, c->write_fails, "test.write", "no");
    lh_buf_add(&c->body, bytes.ptr, bytes.len);
    return LH_OK;
}

static void
caught_end(void *self, bool complete)
{
    struct caught *c = self;

    c->ends++;
    c->is_complete = complete;
}

static void
caught_init(struct caught *c)
{
    *c = (struct caught){.body.max = 1 << 20};
    c->res.arena = &c->arena;
    c->res.sink = (struct lh_sink){caught_begin, caught_write, NULL, caught_end, c};
}

static void
caught_fini(struct caught *c)
{
    lh_arena_fini(&c->arena);
    lh_buf_fini(&c->body);
}

#define CAUGHT(name)                                                                               \
    __attribute__((cleanup(caught_fini))) struct caught name;                                      \
    caught_init(&name)

static const char *
header_of(const struct lh_response *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (lh_str_eq(r->headers[i].name, lh_str_of(name)))
            return r->headers[i].value.ptr;
    }
    return NULL;
}

static void
a_header_is_set_once_and_holds_one_line(void **state)
{
    CAUGHT(c);

    (void)state;
    lh_response_header(&c.res, "ETag", LH_STR("\"1\""));
    lh_response_header(&c.res, "etag", LH_STR("\"2\"\r\nSet-Cookie: x"));
    lh_response_headerf(&c.res, "X-Count", "%d", 42);
    assert_int_equal(c.res.header_count, 2);
    assert_string_equal(header_of(&c.res, "etag"), "\"2\"  Set-Cookie: x");
    assert_string_equal(header_of(&c.res, "X-Count"), "42");
}

static void
a_whole_answer_announces_its_length(void **state)
{
    CAUGHT(c);
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(lh_response_bytes(&c.res, 200, "text/plain", lh_str_bytes(LH_STR("hello")), &err),
              err);
    lh_response_end(&c.res);
    assert_int_equal(c.status, 200);
    assert_int_equal(c.length, 5);
    assert_string_equal(header_of(&c.res, "Content-Type"), "text/plain");
    assert_str(lh_buf_str(&c.body), "hello");
    assert_true(c.is_complete);
    assert_int_equal(c.ends, 1);
}

static void
json_that_did_not_fit_its_buffer_is_a_bug(void **state)
{
    CAUGHT(c);
    LH_AUTO_ERROR(err);
    LH_AUTO_BUF(text, 2);

    (void)state;
    lh_buf_add_cstr(&text, "{}");
    assert_ok(lh_response_json(&c.res, 200, &text, &err), err);
    lh_buf_add_cstr(&text, "more");
    assert_fails(lh_response_json(&c.res, 200, &text, &err), LH_BUG, "response.buffer", err);
}

static void
an_answer_begins_once(void **state)
{
    CAUGHT(c);
    LH_AUTO_ERROR(err);

    (void)state;
    assert_fails(lh_response_write(&c.res, lh_str_bytes(LH_STR("x")), &err), LH_BUG,
                 "response.not_begun", err);
    caught_init(&c);
    assert_ok(lh_response_empty(&c.res, 204, &err), err);
    assert_fails(lh_response_empty(&c.res, 200, &err), LH_BUG, "response.begun", err);
    assert_int_equal(c.begins, 1);
}

static void
more_or_less_than_announced_is_broken(void **state)
{
    LH_AUTO_ERROR(err);
    CAUGHT(c);

    (void)state;
    assert_ok(lh_response_begin(&c.res, 200, NULL, 3, &err), err);
    assert_ok(lh_response_write(&c.res, lh_str_bytes(LH_STR("ab")), &err), err);
    assert_false(lh_response_is_complete(&c.res));
    assert_fails(lh_response_write(&c.res, lh_str_bytes(LH_STR("cd")), &err), LH_BUG,
                 "response.length", err);
    lh_response_end(&c.res);
    assert_false(c.is_complete);
}

static void
a_failed_write_breaks_the_answer(void **state)
{
    CAUGHT(c);
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(lh_response_begin(&c.res, 200, NULL, -1, &err), err);
    assert_true(lh_response_is_complete(&c.res));
    c.write_fails = LH_CANCELED;
    assert_fails(lh_response_write(&c.res, lh_str_bytes(LH_STR("x")), &err), LH_CANCELED,
                 "test.write", err);
    assert_false(lh_response_is_complete(&c.res));
}

static void
head_keeps_the_length_and_drops_the_bytes(void **state)
{
    CAUGHT(c);
    LH_AUTO_ERROR(err);

    (void)state;
    c.res.is_head = true;
    assert_ok(lh_response_bytes(&c.res, 200, "text/plain", lh_str_bytes(LH_STR("hello")), &err),
              err);
    assert_int_equal(c.length, 5);
    assert_int_equal(c.body.len, 0);
    assert_true(lh_response_is_complete(&c.res));
}

static void
some_statuses_have_no_body(void **state)
{
    CAUGHT(c);
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(lh_response_begin(&c.res, 304, NULL, 1000, &err), err);
    assert_int_equal(c.length, 0);
}

static int
file_with(const char *text)
{
    int fd = memfd_create("answer", MFD_CLOEXEC);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static void
a_file_is_read_into_a_sink_that_takes_none(void **state)
{
    CAUGHT(c);
    LH_AUTO_ERROR(err);
    int fd = file_with("0123456789");

    (void)state;
    assert_ok(lh_response_begin(&c.res, 206, NULL, 4, &err), err);
    assert_ok(lh_response_send_file(&c.res, fd, 3, 4, &err), err);
    assert_str(lh_buf_str(&c.body), "3456");
    assert_int_equal(c.res.sent_bytes, 4);
    assert_true(lh_response_is_complete(&c.res));
    assert_int_equal(close(fd), -1);
}

static void
a_file_shorter_than_announced_breaks_the_answer(void **state)
{
    CAUGHT(c);
    LH_AUTO_ERROR(err);

    (void)state;
    assert_ok(lh_response_begin(&c.res, 200, NULL, 40, &err), err);
    assert_int_equal(lh_response_send_file(&c.res, file_with("short"), 0, 40, &err), LH_CORRUPT);
    assert_false(lh_response_is_complete(&c.res));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_set_once_and_holds_one_line),
        cmocka_unit_test(a_whole_answer_announces_its_length),
        cmocka_unit_test(json_that_did_not_fit_its_buffer_is_a_bug),
        cmocka_unit_test(an_answer_begins_once),
        cmocka_unit_test(more_or_less_than_announced_is_broken),
        cmocka_unit_test(a_failed_write_breaks_the_answer),
        cmocka_unit_test(head_keeps_the_length_and_drops_the_bytes),
        cmocka_unit_test(some_statuses_have_no_body),
        cmocka_unit_test(a_file_is_read_into_a_sink_that_takes_none),
        cmocka_unit_test(a_file_shorter_than_announced_breaks_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
