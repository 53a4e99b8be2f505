/* tests/unit/trust/anchors_test.c - tests that anchors are found by subject, and only certificates are kept. */
#include "trust/anchors.h"

#include <string.h>

#include "unit/test.h"
#include "unit/trust/make_chain.h"

static bool count_visit(X509 *certificate, void *context)
{
    assert_non_null(certificate);
    ++*(size_t *)context;
    return true;
}

static bool stop_at_once(X509 *certificate, void *context)
{
    (void)certificate;
    ++*(size_t *)context;
    return false;
}

static size_t count_of(struct anchors *anchors, const struct made *subject)
{
    size_t count = 0;

    anchors_visit(anchors, X509_get_subject_name(subject->x509), count_visit, &count);
    return count;
}

static void finds_by_subject_and_keeps_duplicates_once(void **state)
{
    struct made a = make_root("Root A"), again = make_root("Root A"), b = make_root("Root B");
    struct anchors *anchors = make_anchors(&a);
    size_t count = 0;

    (void)state;
    assert_true(anchors_add(anchors, a.der, NULL));
    assert_int_equal(anchors_count(anchors), 1);
    assert_true(anchors_add(anchors, again.der, NULL));
    assert_int_equal(anchors_count(anchors), 2);
    assert_int_equal(count_of(anchors, &a), 2);
    assert_int_equal(count_of(anchors, &b), 0);
    anchors_visit(anchors, X509_get_subject_name(a.x509), stop_at_once, &count);
    assert_int_equal(count, 1);
    make_free(&a);
    make_free(&again);
    make_free(&b);
    anchors_free(&anchors);
    assert_null(anchors);
    anchors_free(&anchors);
}

static void finds_a_subject_written_with_another_string_type(void **state)
{
    struct make_recipe recipe = { .name = "Example Root", .organization = "Example" };
    struct made utf8 = make_certificate(&recipe), printable;
    struct anchors *anchors = make_anchors(&utf8);

    (void)state;
    recipe.name = "EXAMPLE  root";
    recipe.name_type = V_ASN1_PRINTABLESTRING;
    printable = make_certificate(&recipe);
    assert_int_equal(
        X509_NAME_cmp(X509_get_subject_name(utf8.x509), X509_get_subject_name(printable.x509)), 0);
    assert_int_equal(count_of(anchors, &printable), 1);
    make_free(&utf8);
    make_free(&printable);
    anchors_free(&anchors);
}

static void copies_a_store_that_lives_on_its_own(void **state)
{
    struct made a = make_root("Root A");
    struct anchors *anchors = make_anchors(&a), *copy = anchors_copy(anchors);
    struct anchors *empty = anchors_copy(NULL);

    (void)state;
    assert_int_equal(count_of(anchors, &a), 1);
    anchors_free(&anchors);
    assert_int_equal(count_of(copy, &a), 1);
    assert_int_equal(anchors_count(empty), 0);
    anchors_free(&copy);
    anchors_free(&empty);
    make_free(&a);
}

static void refuses_what_is_no_certificate(void **state)
{
    struct made root = make_root("Root");
    struct anchors *anchors = make_anchors(NULL);
    struct error err = { ERROR_NONE, "" };

    (void)state;
    assert_false(anchors_add(anchors, span_of("junk"), &err));
    assert_int_equal(err.kind, ERROR_FORMAT);
    assert_false(anchors_add(anchors, (struct span){ NULL, 0 }, NULL));
    assert_false(anchors_add(anchors, span_part(root.der, 0, root.der.len - 1), NULL));
    assert_int_equal(anchors_count(anchors), 0);
    make_free(&root);
    anchors_free(&anchors);
}

static void passes_over_a_certificate_that_openssl_cannot_read(void **state)
{
    struct made root = make_root("Root");
    struct anchors *anchors = make_anchors(NULL);
    char der[4096];
    char *curve;

    (void)state;
    memcpy(der, root.der.data, root.der.len);
    /* The key's algorithm becomes something else entirely: the outer shape stays. */
    curve = memmem(der, root.der.len, "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01", 9);
    assert_non_null(curve);
    curve[0] = 0x02;
    assert_true(anchors_add(anchors, (struct span){ der, root.der.len }, NULL));
    assert_int_equal(count_of(anchors, &root), 0);
    make_free(&root);
    anchors_free(&anchors);
}

static void knows_the_newest_root(void **state)
{
    struct made old = make_certificate(
        &(struct make_recipe){ .name = "Old", .begins_s = MAKE_NOW_S - 9 * MAKE_DAY_S });
    struct made new = make_certificate(
        &(struct make_recipe){ .name = "New", .begins_s = MAKE_NOW_S - 2 * MAKE_DAY_S });
    struct anchors *anchors = make_anchors(NULL);

    (void)state;
    assert_true(anchors_newest_s(anchors) == 0);
    assert_true(anchors_add(anchors, new.der, NULL));
    assert_true(anchors_add(anchors, old.der, NULL));
    assert_true(anchors_newest_s(anchors) == MAKE_NOW_S - 2 * MAKE_DAY_S);
    make_free(&old);
    make_free(&new);
    anchors_free(&anchors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_subject_and_keeps_duplicates_once),
        cmocka_unit_test(finds_a_subject_written_with_another_string_type),
        cmocka_unit_test(copies_a_store_that_lives_on_its_own),
        cmocka_unit_test(refuses_what_is_no_certificate),
        cmocka_unit_test(passes_over_a_certificate_that_openssl_cannot_read),
        cmocka_unit_test(knows_the_newest_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
