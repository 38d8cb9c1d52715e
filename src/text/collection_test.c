#include "text/collection.h"

#include "base/testing.h"

#define AUTO_COLLECTION __attribute__((cleanup(lh_collection_fini))) struct lh_collection

static void
smart_files_give_title_and_text_and_queries_by_position(void **state)
{
    (void)state;
    AUTO_COLLECTION c = {0};
    LH_AUTO_ERROR(err);

    assert_ok(
        lh_collection_documents_read(
            &c, LH_STR(".I 1\n.T\nwings\n.A\nnobody\n.W\nlift\ndrag\n.I 7\n.W\nheat\n"), &err),
        err);
    assert_ok(lh_collection_queries_read(&c, LH_STR(".I 001\n.W\nwhat\n.I 004\n.W\nwhy\n"), &err),
              err);
    assert_int_equal(c.documents.count, 2);
    assert_str(c.documents.list[0].name, "1");
    assert_str(c.documents.list[0].text, "wings\nlift\ndrag\n");
    assert_str(c.documents.list[1].name, "7");
    assert_str(c.documents.list[1].text, "heat\n");
    assert_str(c.queries.list[1].name, "2");
    assert_str(c.queries.list[1].text, "why\n");
}

static void
trec_files_are_read(void **state)
{
    (void)state;
    AUTO_COLLECTION c = {0};
    LH_AUTO_ERROR(err);

    assert_ok(lh_collection_documents_read(
                  &c,
                  LH_STR("<DOC>\n<DOCNO> A-1 </DOCNO>\n<TEXT>hot <b>air</b></TEXT>\n</DOC>\n"
                         "<DOC><DOCNO>A-2</DOCNO>cold</DOC>"),
                  &err),
              err);
    assert_ok(
        lh_collection_queries_read(
            &c, LH_STR("<top>\n<num> Number: 301\n<title> hot things\n<desc> x\n</top>"), &err),
        err);
    assert_ok(lh_collection_judgements_read(&c, LH_STR("301 0 A-1 2\n301 0 A-2 -1\n"), &err), err);
    assert_str(c.documents.list[0].name, "A-1");
    assert_true(lh_str_find(c.documents.list[0].text, LH_STR("hot  air"), &(size_t){0}));
    assert_str(c.documents.list[1].text, " cold");
    assert_str(c.queries.list[0].name, "301");
    assert_str(c.queries.list[0].text, "hot things");
    assert_int_equal(c.judgements[0].grade, 2);
    assert_int_equal(c.judgements[1].grade, -1);
    assert_str(c.judgements[1].document, "A-2");
}

static void
what_is_no_collection_is_refused_with_its_line(void **state)
{
    (void)state;
    AUTO_COLLECTION c = {0};
    LH_AUTO_ERROR(err);

    assert_fails(lh_collection_documents_read(&c, LH_STR("hello"), &err), LH_INVALID, "eval.format",
                 err);
    assert_int_equal(lh_collection_judgements_read(&c, LH_STR("1 2 3\n1 2\n"), &err), LH_INVALID);
    assert_non_null(strstr(err.text, "line 2"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smart_files_give_title_and_text_and_queries_by_position),
        cmocka_unit_test(trec_files_are_read),
        cmocka_unit_test(what_is_no_collection_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
