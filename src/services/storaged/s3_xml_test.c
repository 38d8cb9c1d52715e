#include "base/testing.h"

#include "services/storaged/s3_xml.h"

static lh_status
element_note(void *self, int depth, lh_str name, lh_str text, struct lh_error *err)
{
    struct lh_buf *out = self;

    (void)err;
    lh_buf_printf(out, "%d:%.*s=%.*s|", depth, LH_FMT(name), LH_FMT(text));
    return LH_OK;
}

static void
assert_read(const char *document, const char *expected)
{
    LH_AUTO_BUF(out, 4096);
    const struct s3_xml_visitor visitor = {.element = element_note, .self = &out};
    LH_AUTO_ERROR(err);

    if (door_xml_read(lh_str_of(document), &visitor, &err) != LH_OK)
        fail_msg("%s: %s", document, err.text);
    assert_string_equal(lh_buf_cstr(&out), expected);
}

static void
elements_are_heard_when_they_end(void **state)
{
    (void)state;
    assert_read(
        "<?xml version=\"1.0\"?>\n<Delete xmlns=\"http://x/\">\n <Object><Key>a b</Key></Object>"
        "<Quiet>true</Quiet></Delete>\n",
        "2:Key=a b|1:Object=|1:Quiet=true|0:Delete=|");
    assert_read("<s3:A a='1' b = \"<&gt;\"><s3:B/></s3:A>", "1:B=|0:A=|");
    assert_read("<A/>", "0:A=|");
}

static void
text_means_what_it_says(void **state)
{
    (void)state;
    assert_read("<A>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#xfc;&#x1F600;</A>",
                "0:A=<>&\"'AB\xc3\xbc\xf0\x9f\x98\x80|");
    assert_read("<A> x <!-- no --> y<![CDATA[<&>]]></A>", "0:A= x  y<&>|");
    assert_read("<A>1\r\n2\r3&#13;</A>", "0:A=1\n2\n3\r|");
    assert_read("\xef\xbb\xbf<A>\xc3\xbc</A>", "0:A=\xc3\xbc|");
}

static void
what_is_not_well_formed_is_refused(void **state)
{
    static const char *const documents[] = {
        "",
        " ",
        "text",
        "<A>",
        "<A></B>",
        "</A>",
        "<A/><B/>",
        "<A/>x",
        "<A x></A>",
        "<A x=1/>",
        "<A x=\"1/>",
        "<A>&nbsp;</A>",
        "<A>&#0;</A>",
        "<A>&#xD800;</A>",
        "<A>&#x110000;</A>",
        "<A>&#99999999999;</A>",
        "<A>&amp</A>",
        "<A><!-- </A>",
        "<!DOCTYPE A [<!ENTITY e \"x\">]><A>&e;</A>",
        "<A>\xff</A>",
        "< A/>",
        "<A><A><A><A><A><A><A><A><A><A><A><A><A><A><A><A><A>",
    };
    LH_AUTO_BUF(out, 4096);
    const struct s3_xml_visitor visitor = {.element = element_note, .self = &out};

    (void)state;
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        LH_AUTO_ERROR(err);

        if (door_xml_read(lh_str_of(documents[i]), &visitor, &err) != LH_INVALID ||
            !lh_error_is(&err, "s3.MalformedXML"))
            fail_msg("not refused: %s", documents[i]);
    }
}

static void
an_element_has_so_much_text_and_no_more(void **state)
{
    LH_AUTO_BUF(document, (size_t)64 << 10);
    LH_AUTO_BUF(out, (size_t)64 << 10);
    const struct s3_xml_visitor visitor = {.element = element_note, .self = &out};

    (void)state;
    lh_buf_add_cstr(&document, "<A>");
    for (size_t i = 0; i <= S3_XML_TEXT_MAX; i++)
        lh_buf_add_char(&document, 'x');
    lh_buf_add_cstr(&document, "</A>");
    assert_int_equal(door_xml_read(lh_buf_str(&document), &visitor, NULL), LH_INVALID);
}

static lh_status
element_refuse(void *self, int depth, lh_str name, lh_str text, struct lh_error *err)
{
    (void)self;
    (void)depth;
    (void)text;
    return lh_fail(err, LH_DENIED, "test.refused", "%.*s", LH_FMT(name));
}

static void
a_visitor_may_refuse(void **state)
{
    const struct s3_xml_visitor visitor = {.element = element_refuse};
    LH_AUTO_ERROR(err);

    (void)state;
    assert_int_equal(door_xml_read(LH_STR("<A><B/></A>"), &visitor, &err), LH_DENIED);
    assert_string_equal(err.text, "B");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_heard_when_they_end),
        cmocka_unit_test(text_means_what_it_says),
        cmocka_unit_test(what_is_not_well_formed_is_refused),
        cmocka_unit_test(an_element_has_so_much_text_and_no_more),
        cmocka_unit_test(a_visitor_may_refuse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
