#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "services/ingestd/multipart.h"

struct seen {
    struct multipart_part part;
    size_t parts;
    struct lh_buf data;
};

static lh_status
seen_begin(void *self, const struct multipart_part *part, struct lh_error *err)
{
    struct seen *s = self;

    (void)err;
    s->part = *part;
    s->parts++;
    return LH_OK;
}

static lh_status
seen_data(void *self, lh_bytes bytes, struct lh_error *err)
{
    struct seen *s = self;

    (void)err;
    lh_buf_add(&s->data, bytes.ptr, bytes.len);
    return LH_OK;
}

/* Feeds the body in pieces of `step` bytes. */
static lh_status
feed(lh_str type, lh_str body, size_t step, struct seen *s, struct lh_error *err)
{
    struct multipart_handler handler = {.begin = seen_begin, .data = seen_data, .self = s};
    struct multipart m;

    *s = (struct seen){0};
    lh_buf_init(&s->data, LH_BUF_UNLIMITED);
    LH_TRY(multipart_init(&m, type, &handler, err));
    for (size_t at = 0; at < body.len; at += step)
        LH_TRY(multipart_feed(&m, lh_str_bytes(lh_str_slice(body, at, at + step)), err));
    return multipart_finish(&m, err);
}

#define TYPE LH_STR("multipart/form-data; boundary=XyZ")
#define BODY                                                                                       \
    "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".csv\"\r\n"     \
    "Content-Type: text/csv\r\n\r\n"

static void
expect(lh_str body, lh_str data)
{
    for (size_t step = 1; step <= body.len; step++) {
        struct seen s;
        LH_AUTO_ERROR(err);
        lh_status status = feed(TYPE, body, step, &s, &err);
        if (status != LH_OK)
            fail_msg("in pieces of %zu: %s", step, err.text);
        assert_int_equal(s.parts, 1);
        assert_string_equal(s.part.name, "file");
        assert_true(lh_str_eq(lh_buf_str(&s.data), data));
        lh_buf_fini(&s.data);
    }
}

static void
a_file_comes_out_whole_however_it_is_cut(void **state)
{
    (void)state;
    expect(LH_STR(BODY "id,name\r\n1,a\r\n\r\n--XyZ--\r\n"), LH_STR("id,name\r\n1,a\r\n"));
    expect(LH_STR(BODY "\r\n--XyZ--"), LH_STR(""));
    expect(LH_STR("preamble\r\n" BODY "x\r\n--XyZ--\r\nepilogue"), LH_STR("x"));
}

static void
what_looks_like_a_boundary_and_is_none_stays_data(void **state)
{
    (void)state;
    expect(LH_STR(BODY "\r\n--XyY\r\r\n--Xy\r\n\r\n--XyZ--"), LH_STR("\r\n--XyY\r\r\n--Xy\r\n"));
    expect(LH_STR(BODY "--XyZ\r\n--XyZ--"), LH_STR("--XyZ"));
}

static void
names_and_types_are_read(void **state)
{
    struct seen s;
    LH_AUTO_ERROR(err);

    (void)state;
    assert_int_equal(feed(TYPE, LH_STR(BODY "x\r\n--XyZ--"), 7, &s, &err), LH_OK);
    assert_string_equal(s.part.file_name, "a \"b\".csv");
    assert_string_equal(s.part.content_type, "text/csv");
    lh_buf_fini(&s.data);
    assert_int_equal(
        feed(LH_STR("Multipart/Form-Data; charset=x; boundary=\"a b\""),
             LH_STR("--a b\r\ncontent-disposition: form-data; name=file\r\n\r\nx\r\n--a b--"), 3,
             &s, &err),
        LH_OK);
    assert_string_equal(s.part.name, "file");
    assert_string_equal(s.part.file_name, "");
    lh_buf_fini(&s.data);
}

static void
several_parts_are_told_apart(void **state)
{
    lh_str body = LH_STR(
        BODY "x\r\n--XyZ  \r\nContent-Disposition: form-data; name=\"b\"\r\n\r\ny\r\n--XyZ--");
    struct seen s;
    LH_AUTO_ERROR(err);

    (void)state;
    assert_int_equal(feed(TYPE, body, 5, &s, &err), LH_OK);
    assert_int_equal(s.parts, 2);
    assert_string_equal(s.part.name, "b");
    assert_true(lh_str_eq(lh_buf_str(&s.data), LH_STR("xy")));
    lh_buf_fini(&s.data);
}

static void
a_broken_body_is_refused(void **state)
{
    static const char *const bodies[] = {
        "",
        "no boundary at all",
        BODY "cut",
        BODY "x\r\n--XyZ",
        BODY "x\r\n--XyZab",
        "--XyZ\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\n\r\nx\r\n--XyZ--",
        "--XyZ\r\nno colon\r\n\r\nx\r\n--XyZ--",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct seen s;
        LH_AUTO_ERROR(err);
        assert_int_equal(feed(TYPE, lh_str_of(bodies[i]), 4, &s, &err), LH_INVALID);
        assert_true(lh_error_is(&err, "request.multipart"));
        lh_buf_fini(&s.data);
    }
}

#define LONG_BOUNDARY                                                                              \
    "multipart/form-data; "                                                                        \
    "boundary=12345678901234567890123456789012345678901234567890123456789012345678901"

static void
a_type_without_a_boundary_is_refused(void **state)
{
    static const char *const types[] = {"multipart/form-data", "multipart/form-data; boundary=",
                                        "multipart/form-data; boundary=\"\"", LONG_BOUNDARY};
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct seen s;
        LH_AUTO_ERROR(err);
        assert_true(multipart_is(lh_str_of(types[i])));
        assert_int_equal(feed(lh_str_of(types[i]), LH_STR(""), 1, &s, &err), LH_INVALID);
        lh_buf_fini(&s.data);
    }
    assert_false(multipart_is(LH_STR("text/csv")));
}

static void
headers_have_a_limit(void **state)
{
    LH_AUTO_BUF(body, LH_BUF_UNLIMITED);
    struct seen s;
    LH_AUTO_ERROR(err);

    (void)state;
    lh_buf_add_cstr(&body, "--XyZ\r\nX-Long: ");
    for (int i = 0; i < MULTIPART_HEADERS_MAX; i++)
        lh_buf_add_char(&body, 'a');
    assert_int_equal(feed(TYPE, lh_buf_str(&body), 100, &s, &err), LH_INVALID);
    lh_buf_fini(&s.data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_comes_out_whole_however_it_is_cut),
        cmocka_unit_test(what_looks_like_a_boundary_and_is_none_stays_data),
        cmocka_unit_test(names_and_types_are_read),
        cmocka_unit_test(several_parts_are_told_apart),
        cmocka_unit_test(a_broken_body_is_refused),
        cmocka_unit_test(a_type_without_a_boundary_is_refused),
        cmocka_unit_test(headers_have_a_limit),
    };

    return cmocka_run_group_tests_name("multipart", tests, NULL, NULL);
}
