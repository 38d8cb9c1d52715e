#include "base/testing.h"

#include "store/s3_xml.h"

static lh_status
note(void *self, const char *path, lh_str text, struct lh_error *err)
{
    struct lh_buf *out = self;

    (void)err;
    lh_buf_printf(out, "%s=%.*s;", path, LH_FMT(lh_str_trim(text)));
    return LH_OK;
}

static void
reads_as(const char *document, const char *expected)
{
    LH_AUTO_BUF(out, 65536);
    LH_AUTO_ERROR(err);

    assert_ok(s3_xml_walk(lh_str_of(document), note, &out, &err), err);
    assert_str(lh_buf_str(&out), expected);
}

static void
every_element_is_told_when_it_ends(void **state)
{
    (void)state;
    reads_as("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
             "<Error><Code>NoSuchKey</Code><Message/></Error>",
             "Error/Code=NoSuchKey;Error/Message=;Error=;");
    reads_as(
        "\xEF\xBB\xBF<a xmlns=\"http://x/\" b = 'c'>\n <b> one </b>\n <b>two</b ></a>\n<!-- - -->",
        "a/b=one;a/b=two;a=;");
    reads_as("<s:a xmlns:s='x'><s:b>1</s:b></s:a>", "a/b=1;a=;");
}

static void
entities_are_resolved(void **state)
{
    (void)state;
    reads_as("<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#xe9;&#x20ac;&#x1F600;</a>",
             "a=<>&\"'AB\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80;");
}

static void
what_the_protocol_does_not_need_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "text",
        "<a>",
        "<a></b>",
        "<a><b></a></b>",
        "</a>",
        "<a></a><b></b>",
        "<a></a>x",
        "<>x</>",
        "<a b></a>",
        "<a b=c></a>",
        "<a b='<'></a>",
        "<ab='c'></ab='c'>",
        "<a b='c'd='e'></a>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<a>&x;</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#x110000;</a>",
        "<a>&#;</a>",
        "<a>&#12345678;</a>",
        "<a>&amp</a>",
        "<a><![CDATA[x]]></a>",
        "<a><?php x ?></a>",
        "<a>\x01</a>",
        "<?xml <a></a>",
        "<a><!-- </a>",
        "<1><2><3><4><5><6><7><8><9></9></8></7></6></5></4></3></2></1>",
    };
    LH_AUTO_BUF(out, 65536);
    LH_AUTO_ERROR(err);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (s3_xml_walk(lh_str_of(bad[i]), note, &out, &err) != LH_CORRUPT)
            fail_msg("accepted: %s", bad[i]);
        lh_error_clear(&err);
    }
}

static void
a_text_without_end_is_too_big(void **state)
{
    LH_AUTO_BUF(document, 1 << 20);
    LH_AUTO_BUF(out, 65536);
    LH_AUTO_ERROR(err);

    (void)state;
    lh_buf_add_cstr(&document, "<a>");
    for (int i = 0; i < 70000; i++)
        lh_buf_add_char(&document, 'x');
    assert_int_equal(s3_xml_walk(lh_buf_str(&document), note, &out, &err), LH_TOO_BIG);
}

static void
what_was_escaped_reads_back(void **state)
{
    LH_AUTO_BUF(document, 4096);
    LH_AUTO_BUF(out, 4096);
    LH_AUTO_ERROR(err);

    (void)state;
    lh_buf_add_cstr(&document, "<a>");
    s3_xml_escape(&document, LH_STR("<a>&\"'\n]]>"));
    lh_buf_add_cstr(&document, "</a>");
    assert_ok(s3_xml_walk(lh_buf_str(&document), note, &out, &err), err);
    assert_str(lh_buf_str(&out), "a=<a>&\"'\n]]>;");
}

static lh_status
refuse(void *self, const char *path, lh_str text, struct lh_error *err)
{
    (void)self;
    (void)path;
    (void)text;
    return lh_fail(err, LH_BUSY, "test.refused", "no");
}

static void
a_visitor_that_fails_ends_the_walk(void **state)
{
    LH_AUTO_ERROR(err);

    (void)state;
    assert_fails(s3_xml_walk(LH_STR("<a><b/></a>"), refuse, NULL, &err), LH_BUSY, "test.refused",
                 err);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_is_told_when_it_ends),
        cmocka_unit_test(entities_are_resolved),
        cmocka_unit_test(what_the_protocol_does_not_need_is_refused),
        cmocka_unit_test(a_text_without_end_is_too_big),
        cmocka_unit_test(what_was_escaped_reads_back),
        cmocka_unit_test(a_visitor_that_fails_ends_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
