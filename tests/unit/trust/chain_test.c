/* tests/unit/trust/chain_test.c - tests that every flaw of a chain is told, in the right order. */
#include "trust/chain.h"

#include <string.h>

#include "unit/test.h"
#include "unit/trust/make_chain.h"

enum { ARENA_BYTES = 4 << 20 };

/* Every test has a root that is trusted, an intermediate and a leaf that are sound. */
struct world {
    struct made root, inter, leaf;
    struct anchors *anchors, *intermediates;
    struct arena arena;
    struct chain_request request;
    struct chain_verdict verdict;
    struct span sent[8];
    const char *names[2];
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    world->root = make_root("Example Root CA");
    world->inter = make_intermediate("Example CA 1", &world->root);
    world->leaf = make_leaf("mx.example.org", &world->inter);
    world->anchors = make_anchors(&world->root);
    world->intermediates = make_anchors(NULL);
    arena_init(&world->arena, ARENA_BYTES);
    world->names[0] = "mx.example.org";
    world->request = (struct chain_request){ .names = world->names,
                                             .name_count = 1,
                                             .now_s = MAKE_NOW_S,
                                             .anchors = world->anchors,
                                             .intermediates = world->intermediates };
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    make_free(&world->root);
    make_free(&world->inter);
    make_free(&world->leaf);
    anchors_free(&world->anchors);
    anchors_free(&world->intermediates);
    arena_clear(&world->arena);
    free(world);
    return 0;
}

static void send(struct world *world, const struct made *a, const struct made *b,
                 const struct made *c)
{
    const struct made *all[] = { a, b, c };
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (all[i] != NULL)
            world->sent[count++] = all[i]->der;
    world->request.certificates = world->sent;
    world->request.certificate_count = count;
    assert_true(chain_verify(&world->request, &world->arena, &world->verdict, NULL));
}

/* The flaws in their order, as one line. */
static void assert_flaws(struct world *world, const char *expected)
{
    const char *line = "";

    for (size_t i = 0; i < world->verdict.flaw_count; i++)
        line = arena_format(&world->arena, "%s%s%s%s", line, i == 0 ? "" : " ",
                            chain_flaw_name(world->verdict.flaws[i].kind),
                            world->verdict.flaws[i].is_fatal ? "!" : "");
    assert_string_equal(line, expected);
}

static const char *leaf_extensions[] = {
    "basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature",
    "extendedKeyUsage=serverAuth",        "subjectAltName=DNS:mx.example.org",
    "subjectKeyIdentifier=hash",          "authorityKeyIdentifier=keyid"
};

/* A leaf for mx.example.org; recipe->extensions are added to the usual ones. */
static struct made leaf_with(struct make_recipe recipe)
{
    size_t count = 0;
    const char *more[MAKE_EXTENSIONS_MOST] = { NULL };

    memcpy(more, recipe.extensions, sizeof more);
    memset(recipe.extensions, 0, sizeof recipe.extensions);
    for (size_t i = 0; i < ARRAY_SIZE(leaf_extensions); i++)
        recipe.extensions[count++] = leaf_extensions[i];
    for (size_t i = 0; more[i] != NULL; i++)
        recipe.extensions[count++] = more[i];
    if (recipe.name == NULL)
        recipe.name = "mx.example.org";
    return make_certificate(&recipe);
}

static struct made authority_with(struct make_recipe recipe, const char *basic, const char *usage)
{
    recipe.extensions[0] = "subjectKeyIdentifier=hash";
    recipe.extensions[1] = basic;
    recipe.extensions[2] = usage;
    recipe.extensions[3] = recipe.issuer == NULL ? NULL : "authorityKeyIdentifier=keyid";
    return make_certificate(&recipe);
}

static void trusts_a_sound_chain_without_a_flaw(void **state)
{
    struct world *world = *state;

    send(world, &world->leaf, &world->inter, NULL);
    assert_flaws(world, "");
    assert_true(world->verdict.is_trusted);
    assert_true(world->verdict.name_matched);
    assert_string_equal(world->verdict.matched_name, "mx.example.org");
    assert_int_equal(world->verdict.path_count, 3);
    assert_string_equal(world->verdict.path[2], "CN=Example Root CA");
    assert_false(world->verdict.needed_other_path);
}

static void trusts_it_under_the_strict_profile_too(void **state)
{
    struct world *world = *state;

    world->request.profile = CHAIN_STRICT;
    send(world, &world->leaf, &world->inter, NULL);
    assert_flaws(world, "");
    assert_true(world->verdict.is_trusted);
}

static void says_that_nothing_was_sent(void **state)
{
    struct world *world = *state;

    send(world, NULL, NULL, NULL);
    assert_flaws(world, "empty!");
    assert_false(world->verdict.is_trusted);
    assert_false(world->verdict.name_matched);
}

static void says_which_certificate_is_unreadable(void **state)
{
    struct world *world = *state;
    struct made broken = { .der = span_of("0\x82\x01") };

    send(world, &world->leaf, &broken, &world->inter);
    assert_flaws(world, "unreadable!");
    assert_int_equal(world->verdict.flaws[0].sent_index, 1);
    assert_false(world->verdict.is_trusted);
    send(world, &broken, NULL, NULL);
    assert_flaws(world, "unreadable!");
}

static void tells_an_expired_leaf_with_its_date(void **state)
{
    struct world *world = *state;
    struct made leaf = leaf_with(
        (struct make_recipe){ .issuer = &world->inter, .ends_s = MAKE_NOW_S - 3 * MAKE_DAY_S });

    send(world, &leaf, &world->inter, NULL);
    assert_flaws(world, "expired!");
    assert_int_equal(world->verdict.flaws[0].time_s, MAKE_NOW_S - 3 * MAKE_DAY_S);
    assert_string_equal(world->verdict.flaws[0].detail, "ended 18 November 2026");
    assert_int_equal(world->verdict.flaws[0].sent_index, 0);
    assert_false(world->verdict.is_trusted);
    make_free(&leaf);
}

static void tells_a_leaf_that_is_not_yet_valid(void **state)
{
    struct world *world = *state;
    struct made leaf = leaf_with(
        (struct make_recipe){ .issuer = &world->inter, .begins_s = MAKE_NOW_S + MAKE_DAY_S });

    send(world, &leaf, &world->inter, NULL);
    assert_flaws(world, "not-yet-valid!");
    assert_string_equal(world->verdict.flaws[0].detail, "begins 22 November 2026");
    make_free(&leaf);
}

static void tells_an_expired_intermediate_apart_from_the_leaf(void **state)
{
    struct world *world = *state;
    struct made inter = authority_with(
        (struct make_recipe){
            .name = "Old CA", .issuer = &world->root, .ends_s = MAKE_NOW_S - MAKE_DAY_S },
        "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign");
    struct made leaf = make_leaf("mx.example.org", &inter);

    send(world, &leaf, &inter, NULL);
    assert_flaws(world, "intermediate-expired!");
    assert_int_equal(world->verdict.flaws[0].sent_index, 1);
    assert_string_equal(world->verdict.flaws[0].subject, "CN=Old CA");
    make_free(&inter);
    make_free(&leaf);
}

static void puts_the_leaf_first_where_it_is_over_too(void **state)
{
    struct world *world = *state;

    world->request.now_s = MAKE_NOW_S + 999 * MAKE_DAY_S;
    send(world, &world->leaf, &world->inter, NULL);
    assert_flaws(world, "expired! intermediate-expired! intermediate-expired!");
    assert_int_equal(world->verdict.flaws[1].sent_index, 1);
    assert_int_equal(world->verdict.flaws[2].sent_index, -1);
}

static void tells_an_expired_root(void **state)
{
    struct world *world = *state;
    struct made root = authority_with(
        (struct make_recipe){ .name = "Old Root", .ends_s = MAKE_NOW_S - MAKE_DAY_S },
        "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign");
    struct made leaf = make_leaf("mx.example.org", &root);

    assert_true(anchors_add(world->anchors, root.der, NULL));
    send(world, &leaf, NULL, NULL);
    assert_flaws(world, "intermediate-expired!");
    assert_int_equal(world->verdict.flaws[0].sent_index, -1);
    make_free(&root);
    make_free(&leaf);
}

static void trusts_the_valid_cross_certificate_of_an_expired_root(void **state)
{
    struct world *world = *state;
    struct made old = authority_with(
        (struct make_recipe){ .name = "Twice Root", .ends_s = MAKE_NOW_S - MAKE_DAY_S },
        "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign");
    struct made cross = authority_with(
        (struct make_recipe){ .name = "Twice Root", .issuer = &world->root, .key_of = &old },
        "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign");
    struct made leaf = make_leaf("mx.example.org", &old);

    assert_true(anchors_add(world->anchors, old.der, NULL));
    send(world, &leaf, &cross, NULL);
    assert_true(world->verdict.is_trusted);
    assert_flaws(world, "");
    make_free(&old);
    make_free(&cross);
    make_free(&leaf);
}

static void comes_back_from_a_dead_end_that_openssl_runs_into(void **state)
{
    struct world *world = *state;
    struct made stranger = make_root("A Root Nobody Trusts");
    struct made dead =
        authority_with((struct make_recipe){ .name = "Two Ways", .issuer = &stranger },
                       "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign");
    struct made good = authority_with(
        (struct make_recipe){ .name = "Two Ways", .issuer = &world->root, .key_of = &dead },
        "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign");
    struct made leaf = make_leaf("mx.example.org", &dead);

    send(world, &leaf, &dead, &good);
    assert_true(world->verdict.is_trusted);
    assert_true(world->verdict.needed_other_path);
    make_free(&stranger);
    make_free(&dead);
    make_free(&good);
    make_free(&leaf);
}

static void calls_a_leaf_that_issued_itself_self_signed(void **state)
{
    struct world *world = *state;
    struct made leaf = leaf_with((struct make_recipe){ .name = "mx.example.org" });

    send(world, &leaf, NULL, NULL);
    assert_flaws(world, "self-signed!");
    make_free(&leaf);
}

static void puts_self_signed_before_expired_and_the_name(void **state)
{
    struct world *world = *state;
    struct made leaf = leaf_with((struct make_recipe){ .ends_s = MAKE_NOW_S - MAKE_DAY_S });

    world->names[0] = "mx.example.net";
    send(world, &leaf, NULL, NULL);
    assert_flaws(world, "self-signed! expired! name-mismatch!");
    make_free(&leaf);
}

static void blames_a_root_that_was_sent_and_is_not_trusted(void **state)
{
    struct world *world = *state;
    struct made root = make_root("Private Root");
    struct made inter = make_intermediate("Private CA", &root);
    struct made leaf = make_leaf("mx.example.org", &inter);

    send(world, &leaf, &inter, &root);
    assert_flaws(world, "issuer-untrusted!");
    assert_int_equal(world->verdict.flaws[0].sent_index, 2);
    assert_string_equal(world->verdict.flaws[0].subject, "CN=Private Root");
    make_free(&root);
    make_free(&inter);
    make_free(&leaf);
}

static void blames_the_root_where_only_it_was_left_out(void **state)
{
    struct world *world = *state;
    struct made root = make_root("Private Authority");
    struct made inter = make_intermediate("Private CA", &root);
    struct made leaf = make_leaf("mx.example.org", &inter);

    send(world, &leaf, &inter, NULL);
    assert_flaws(world, "issuer-untrusted!");
    assert_int_equal(world->verdict.flaws[0].sent_index, -1);
    assert_string_equal(world->verdict.flaws[0].subject, "CN=Private Authority");
    make_free(&root);
    make_free(&inter);
    make_free(&leaf);
}

static void calls_a_leaf_alone_incomplete_and_names_its_issuer(void **state)
{
    struct world *world = *state;
    struct made leaf =
        leaf_with((struct make_recipe){ .issuer = &world->inter,
                                        .extensions = { "authorityInfoAccess=caIssuers;URI:"
                                                        "http://ca.example/1.der" } });

    send(world, &leaf, NULL, NULL);
    assert_flaws(world, "incomplete!");
    assert_string_equal(world->verdict.missing_issuer, "CN=Example CA 1");
    assert_string_equal(world->verdict.missing_issuer_url, "http://ca.example/1.der");
    assert_false(world->verdict.missing_is_known);
    make_free(&leaf);
}

static void blames_the_root_where_the_key_identifier_says_that_the_issuer_is_one(void **state)
{
    struct world *world = *state;
    struct made root = make_root("Office CA");
    struct made leaf = make_certificate(
        &(struct make_recipe){ .name = "mx.example.org",
                               .issuer = &root,
                               .extensions = { "subjectAltName=DNS:mx.example.org",
                                               "authorityKeyIdentifier=keyid,issuer:always" } });

    send(world, &leaf, NULL, NULL);
    assert_flaws(world, "issuer-untrusted!");
    make_free(&root);
    make_free(&leaf);
}

static void calls_it_incomplete_where_the_key_identifier_names_an_issuer_above(void **state)
{
    struct world *world = *state;
    struct made first = make_intermediate("First", &world->root);
    struct made second = make_intermediate("Second", &first);
    struct made third = make_certificate(&(struct make_recipe){
        .name = "Third",
        .issuer = &second,
        .extensions = { "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign",
                        "subjectKeyIdentifier=hash",
                        "authorityKeyIdentifier=keyid,issuer:always" } });
    struct made leaf = make_leaf("mx.example.org", &third);

    send(world, &leaf, &third, NULL);
    assert_flaws(world, "incomplete!");
    assert_string_equal(world->verdict.missing_issuer, "CN=Second");
    make_free(&first);
    make_free(&second);
    make_free(&third);
    make_free(&leaf);
}

static void
calls_it_incomplete_where_the_missing_issuer_is_of_an_organization_we_trust(void **state)
{
    struct world *world = *state;
    struct make_recipe recipe = { .organization = "Ferry",
                                  .extensions = { "basicConstraints=critical,CA:TRUE",
                                                  "keyUsage=critical,keyCertSign",
                                                  "subjectKeyIdentifier=hash" } };
    struct made root, upper, lower, leaf;

    recipe.name = "Ferry One";
    root = make_certificate(&recipe);
    recipe.name = "Ferry Two";
    recipe.issuer = &root;
    upper = make_certificate(&recipe);
    recipe.name = "Ferry Three";
    recipe.issuer = &upper;
    lower = make_certificate(&recipe);
    leaf = make_leaf("mx.example.org", &lower);
    send(world, &leaf, &lower, NULL);
    assert_flaws(world, "issuer-untrusted!");
    assert_true(anchors_add(world->anchors, root.der, NULL));
    send(world, &leaf, &lower, NULL);
    assert_flaws(world, "incomplete!");
    assert_string_equal(world->verdict.missing_issuer, "CN=Ferry Two, O=Ferry");
    make_free(&root);
    make_free(&upper);
    make_free(&lower);
    make_free(&leaf);
}

static void believes_an_authority_that_says_what_it_is(void **state)
{
    struct world *world = *state;
    struct made root = make_root("Private Root"), issuing, lower, leaf;

    leaf = make_leaf("mx.example.org", &root);
    send(world, &leaf, NULL, NULL);
    assert_flaws(world, "issuer-untrusted!");
    make_free(&leaf);
    issuing = make_intermediate("Private Issuing CA", &root);
    lower = make_intermediate("Private CA 7", &issuing);
    leaf = make_leaf("mx.example.org", &lower);
    send(world, &leaf, &lower, NULL);
    assert_flaws(world, "incomplete!");
    make_free(&root);
    make_free(&issuing);
    make_free(&lower);
    make_free(&leaf);
}

static void leaves_cross_certificates_alone(void **state)
{
    struct world *world = *state;
    struct made other = make_root("Other Root");
    struct made cross = authority_with(
        (struct make_recipe){ .name = "Example CA 1", .issuer = &other, .key_of = &world->inter },
        "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign");

    send(world, &world->leaf, &world->inter, &cross);
    assert_true(world->verdict.is_trusted);
    assert_flaws(world, "");
    make_free(&other);
    make_free(&cross);
}

static void calls_a_gap_in_the_middle_incomplete(void **state)
{
    struct world *world = *state;
    struct made second = make_intermediate("Second", &world->inter);
    struct made leaf = make_leaf("mx.example.org", &second);

    send(world, &leaf, &world->inter, NULL);
    assert_flaws(world, "incomplete! superfluous");
    assert_string_equal(world->verdict.missing_issuer, "CN=Second");
    make_free(&second);
    make_free(&leaf);
}

static void knows_the_missing_intermediate_but_trusts_only_what_was_sent(void **state)
{
    struct world *world = *state;

    assert_true(anchors_add(world->intermediates, world->inter.der, NULL));
    send(world, &world->leaf, NULL, NULL);
    assert_flaws(world, "incomplete!");
    assert_false(world->verdict.is_trusted);
    assert_true(world->verdict.path_needs_intermediate);
    assert_true(world->verdict.missing_is_known);
    assert_string_equal(world->verdict.missing_issuer, "CN=Example CA 1");
    assert_int_equal(world->verdict.path_count, 3);
}

static void tells_what_else_is_wrong_behind_a_known_intermediate(void **state)
{
    struct world *world = *state;
    struct made leaf = leaf_with(
        (struct make_recipe){ .issuer = &world->inter, .ends_s = MAKE_NOW_S - MAKE_DAY_S });

    assert_true(anchors_add(world->intermediates, world->inter.der, NULL));
    send(world, &leaf, NULL, NULL);
    assert_flaws(world, "incomplete! expired!");
    make_free(&leaf);
}

static void says_that_the_store_has_the_name_with_another_key(void **state)
{
    struct world *world = *state;
    struct made other = make_root("Example Root CA");
    struct made leaf = make_leaf("mx.example.org", &other);

    send(world, &leaf, NULL, NULL);
    assert_flaws(world, "issuer-untrusted!");
    assert_non_null(strstr(world->verdict.flaws[0].detail, "another key"));
    make_free(&other);
    make_free(&leaf);
}

static void calls_a_swapped_order_misordered_and_still_trusts(void **state)
{
    struct world *world = *state;
    struct made second = make_intermediate("Second", &world->inter);
    struct made leaf = make_leaf("mx.example.org", &second);

    send(world, &leaf, &world->inter, &second);
    assert_true(world->verdict.is_trusted);
    assert_flaws(world, "misordered");
    make_free(&second);
    make_free(&leaf);
}

static void notices_roots_copies_and_strangers(void **state)
{
    struct world *world = *state;
    struct made stranger = make_intermediate("Stranger", &world->root);

    send(world, &world->leaf, &world->inter, &world->root);
    assert_true(world->verdict.is_trusted);
    assert_flaws(world, "superfluous");
    assert_int_equal(world->verdict.flaws[0].sent_index, 2);
    send(world, &world->leaf, &world->inter, &world->inter);
    assert_flaws(world, "superfluous");
    assert_string_equal(world->verdict.flaws[0].detail, "it is the same as certificate 2");
    send(world, &world->leaf, &world->inter, &stranger);
    assert_flaws(world, "superfluous");
    assert_string_equal(world->verdict.flaws[0].subject, "CN=Stranger");
    make_free(&stranger);
}

static void tells_a_wrong_name_apart_from_a_common_name(void **state)
{
    struct world *world = *state;
    struct made only_cn = make_certificate(&(struct make_recipe){
        .name = "mx.example.org",
        .issuer = &world->inter,
        .extensions = { "subjectAltName=DNS:other.example.org", "authorityKeyIdentifier=keyid" } });

    send(world, &only_cn, &world->inter, NULL);
    assert_flaws(world, "name-only-in-cn!");
    assert_true(world->verdict.is_trusted);
    assert_false(world->verdict.name_matched);
    world->names[0] = "mx.example.net";
    send(world, &world->leaf, &world->inter, NULL);
    assert_flaws(world, "name-mismatch!");
    make_free(&only_cn);
}

static void accepts_any_of_several_names(void **state)
{
    struct world *world = *state;

    world->names[0] = "example.net";
    world->names[1] = ".example.org";
    world->request.name_count = 2;
    send(world, &world->leaf, &world->inter, NULL);
    assert_true(world->verdict.name_matched);
}

static void matches_an_address_by_its_octets(void **state)
{
    struct world *world = *state;
    struct made leaf = make_certificate(
        &(struct make_recipe){ .name = "x",
                               .issuer = &world->inter,
                               .extensions = { "subjectAltName=IP:192.0.2.1,IP:2001:db8::1",
                                               "authorityKeyIdentifier=keyid" } });
    static const struct {
        const char *name;
        bool matches;
    } cases[] = { { "192.0.2.1", true },
                  { "[192.0.2.1]", true },
                  { "[IPv6:2001:DB8:0::1]", true },
                  { "192.0.2.2", false } };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        world->names[0] = cases[i].name;
        send(world, &leaf, &world->inter, NULL);
        assert_int_equal(world->verdict.name_matched, cases[i].matches);
    }
    make_free(&leaf);
}

static void refuses_a_certificate_for_clients(void **state)
{
    struct world *world = *state;
    struct made leaf = make_certificate(&(struct make_recipe){
        .name = "mx.example.org",
        .issuer = &world->inter,
        .extensions = { "subjectAltName=DNS:mx.example.org", "extendedKeyUsage=clientAuth",
                        "authorityKeyIdentifier=keyid" } });

    send(world, &leaf, &world->inter, NULL);
    assert_flaws(world, "wrong-purpose!");
    assert_non_null(strstr(world->verdict.flaws[0].detail, "TLS clients"));
    make_free(&leaf);
}

static void refuses_an_issuer_that_is_no_authority(void **state)
{
    struct world *world = *state;
    struct made leaf = make_leaf("mx.example.org", &world->leaf);
    struct made mute =
        authority_with((struct make_recipe){ .name = "Mute", .issuer = &world->root },
                       "basicConstraints=critical,CA:TRUE", "keyUsage=critical,cRLSign");
    struct made below = make_leaf("mx.example.org", &mute);

    send(world, &leaf, &world->leaf, &world->inter);
    assert_true(chain_has(&world->verdict, CHAIN_NOT_A_CA));
    assert_int_equal(world->verdict.flaws[0].kind, CHAIN_NOT_A_CA);
    assert_int_equal(world->verdict.flaws[0].sent_index, 1);
    send(world, &below, &mute, NULL);
    assert_int_equal(world->verdict.flaws[0].kind, CHAIN_NOT_A_CA);
    assert_string_equal(world->verdict.flaws[0].subject, "CN=Mute");
    make_free(&leaf);
    make_free(&mute);
    make_free(&below);
}

static void names_the_extension_that_is_malformed(void **state)
{
    struct world *world = *state;
    struct made leaf = make_certificate(&(struct make_recipe){
        .name = "mx.example.org",
        .issuer = &world->inter,
        .extensions = { "subjectAltName=DER:30:03:82:05:61", "authorityKeyIdentifier=keyid" } });

    send(world, &leaf, &world->inter, NULL);
    assert_int_equal(world->verdict.flaws[0].kind, CHAIN_OTHER);
    assert_string_equal(world->verdict.flaws[0].detail,
                        "its extension subjectAltName is malformed");
    assert_false(chain_has(&world->verdict, CHAIN_WRONG_PURPOSE));
    assert_false(chain_has(&world->verdict, CHAIN_INCOMPLETE));
    make_free(&leaf);
}

static void tells_a_wrong_key_identifier_from_a_wrong_key(void **state)
{
    struct world *world = *state;
    struct made leaf = make_certificate(&(struct make_recipe){
        .name = "mx.example.org",
        .issuer = &world->inter,
        .extensions = { "subjectAltName=DNS:mx.example.org",
                        "authorityKeyIdentifier=DER:30:06:80:04:01:02:03:04" } });

    send(world, &leaf, &world->inter, NULL);
    assert_int_equal(world->verdict.flaws[0].kind, CHAIN_OTHER);
    assert_non_null(strstr(world->verdict.flaws[0].detail, "authority key identifier"));
    assert_false(chain_has(&world->verdict, CHAIN_INCOMPLETE));
    make_free(&leaf);
}

static void says_that_the_store_has_an_intermediate_but_not_its_root(void **state)
{
    struct world *world = *state;

    world->request.anchors = world->intermediates;
    assert_true(anchors_add(world->intermediates, world->inter.der, NULL));
    world->request.intermediates = NULL;
    send(world, &world->leaf, &world->inter, NULL);
    assert_int_equal(world->verdict.flaws[0].kind, CHAIN_ISSUER_UNTRUSTED);
    assert_string_equal(world->verdict.flaws[0].subject, "CN=Example Root CA");
    assert_non_null(strstr(world->verdict.flaws[0].detail, "not this root"));
}

static void keeps_the_reason_among_many_notices(void **state)
{
    struct world *world = *state;
    static struct span sent[CHAIN_SENT_MOST + 6];

    sent[0] = world->leaf.der;
    for (size_t i = 1; i < ARRAY_SIZE(sent); i++)
        sent[i] = world->leaf.der;
    world->request.certificates = sent;
    world->request.certificate_count = ARRAY_SIZE(sent);
    assert_true(chain_verify(&world->request, &world->arena, &world->verdict, NULL));
    assert_int_equal(world->verdict.flaws[0].kind, CHAIN_INCOMPLETE);
    assert_true(world->verdict.flaws[0].is_fatal);
    assert_int_equal(world->verdict.certificate_count, CHAIN_SENT_MOST);
    for (size_t i = 1; i < ARRAY_SIZE(sent); i++)
        sent[i] = span_of("junk"); /* more reasons than there is room for */
    assert_true(chain_verify(&world->request, &world->arena, &world->verdict, NULL));
    assert_int_equal(world->verdict.flaw_count, CHAIN_FLAWS_MOST);
    assert_false(world->verdict.is_trusted);
}

static void refuses_more_authorities_than_a_path_length_allows(void **state)
{
    struct world *world = *state;
    struct made first = authority_with(
        (struct make_recipe){ .name = "First", .issuer = &world->root },
        "basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign");
    struct made second = make_intermediate("Second", &first);
    struct made leaf = make_leaf("mx.example.org", &second);

    send(world, &leaf, &second, &first);
    assert_flaws(world, "not-a-ca!");
    assert_non_null(strstr(world->verdict.flaws[0].detail, "path length"));
    make_free(&first);
    make_free(&second);
    make_free(&leaf);
}

static void refuses_a_name_outside_the_constraints(void **state)
{
    struct world *world = *state;
    struct made inter = make_certificate(&(struct make_recipe){
        .name = "Bound",
        .issuer = &world->root,
        .extensions = { "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign",
                        "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid",
                        "nameConstraints=critical,permitted;DNS:example.net" } });
    struct made leaf = make_leaf("mx.example.org", &inter);

    send(world, &leaf, &inter, NULL);
    assert_flaws(world, "name-constraint!");
    make_free(&inter);
    make_free(&leaf);
}

static void refuses_weak_keys_and_says_which(void **state)
{
    struct world *world = *state;
    struct made leaf = leaf_with((struct make_recipe){ .issuer = &world->inter, .rsa_bits = 1024 });

    send(world, &leaf, &world->inter, NULL);
    assert_flaws(world, "weak-key!");
    assert_string_equal(world->verdict.flaws[0].detail, "RSA 1024");
    make_free(&leaf);
}

static void refuses_sha1_on_the_path_and_at_its_open_end(void **state)
{
    struct world *world = *state;
    struct made leaf = leaf_with((struct make_recipe){ .issuer = &world->inter, .digest = "SHA1" });

    send(world, &leaf, &world->inter, NULL);
    assert_flaws(world, "weak-signature!");
    assert_string_equal(world->verdict.flaws[0].detail, "SHA1 with ECDSA");
    send(world, &leaf, NULL, NULL);
    assert_flaws(world, "incomplete! weak-signature!");
    make_free(&leaf);
}

static void does_not_mind_sha1_on_the_root(void **state)
{
    struct world *world = *state;
    struct made root =
        authority_with((struct make_recipe){ .name = "SHA-1 Root", .digest = "SHA1" },
                       "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign");
    struct made leaf = make_leaf("mx.example.org", &root);

    assert_true(anchors_add(world->anchors, root.der, NULL));
    send(world, &leaf, NULL, NULL);
    assert_flaws(world, "");
    assert_true(world->verdict.is_trusted);
    make_free(&root);
    make_free(&leaf);
}

static void detects_a_signature_that_is_not_the_issuers(void **state)
{
    struct world *world = *state;
    char der[4096];
    struct made forged = { .der = { der, world->leaf.der.len } };

    memcpy(der, world->leaf.der.data, world->leaf.der.len);
    der[world->leaf.der.len - 1] ^= 1;
    send(world, &forged, &world->inter, NULL);
    assert_flaws(world, "bad-signature!");
    assert_int_equal(world->verdict.flaws[0].sent_index, 0);
}

static void tells_all_flaws_of_one_chain_at_once(void **state)
{
    struct world *world = *state;
    struct made leaf = make_certificate(&(struct make_recipe){
        .name = "mx.example.org",
        .issuer = &world->inter,
        .ends_s = MAKE_NOW_S - MAKE_DAY_S,
        .digest = "SHA1",
        .rsa_bits = 1024,
        .extensions = { "subjectAltName=DNS:other.example.org", "extendedKeyUsage=clientAuth",
                        "authorityKeyIdentifier=keyid" } });

    send(world, &leaf, &world->inter, &world->root);
    assert_flaws(world, "expired! wrong-purpose! weak-key! weak-signature! name-only-in-cn! "
                        "superfluous");
    make_free(&leaf);
}

static void warns_of_strictness_under_compatible_and_refuses_under_strict(void **state)
{
    struct world *world = *state;
    struct made root = make_certificate(&(struct make_recipe){
        .name = "Lax Root",
        .extensions = { "basicConstraints=CA:TRUE", "subjectKeyIdentifier=hash" } });
    struct made leaf = make_leaf("mx.example.org", &root);

    assert_true(anchors_add(world->anchors, root.der, NULL));
    send(world, &leaf, NULL, NULL);
    assert_true(world->verdict.is_trusted);
    assert_true(chain_has(&world->verdict, CHAIN_STRICTNESS));
    world->request.profile = CHAIN_STRICT;
    send(world, &leaf, NULL, NULL);
    assert_false(world->verdict.is_trusted);
    assert_true(world->verdict.flaws[0].is_fatal);
    make_free(&root);
    make_free(&leaf);
}

static void trusts_a_version_1_root_with_a_warning(void **state)
{
    struct world *world = *state;
    struct made root = make_certificate(&(struct make_recipe){ .name = "V1", .version = 1 });
    struct made leaf = make_certificate(
        &(struct make_recipe){ .name = "mx.example.org",
                               .issuer = &root,
                               .extensions = { "subjectAltName=DNS:mx.example.org" } });

    assert_true(anchors_add(world->anchors, root.der, NULL));
    send(world, &leaf, NULL, NULL);
    assert_true(world->verdict.is_trusted);
    assert_true(chain_has(&world->verdict, CHAIN_STRICTNESS));
    make_free(&root);
    make_free(&leaf);
}

static void notices_that_the_leaf_ends_soon(void **state)
{
    struct world *world = *state;
    struct made leaf = leaf_with(
        (struct make_recipe){ .issuer = &world->inter, .ends_s = MAKE_NOW_S + 13 * MAKE_DAY_S });

    send(world, &leaf, &world->inter, NULL);
    assert_flaws(world, "expires-soon");
    assert_true(world->verdict.is_trusted);
    world->request.now_s = MAKE_NOW_S - 2 * MAKE_DAY_S;
    send(world, &leaf, &world->inter, NULL);
    assert_flaws(world, "");
    make_free(&leaf);
}

/* Nobody renews a certificate of six days two weeks ahead. */
static void gives_a_short_life_its_own_measure(void **state)
{
    struct world *world = *state;
    struct made leaf = leaf_with((struct make_recipe){ .issuer = &world->inter,
                                                       .begins_s = MAKE_NOW_S - MAKE_DAY_S,
                                                       .ends_s = MAKE_NOW_S + 5 * MAKE_DAY_S });

    send(world, &leaf, &world->inter, NULL);
    assert_flaws(world, "");
    world->request.now_s = MAKE_NOW_S + 4 * MAKE_DAY_S;
    send(world, &leaf, &world->inter, NULL);
    assert_flaws(world, "expires-soon");
    make_free(&leaf);
}

static void reads_revocation_lists(void **state)
{
    struct world *world = *state;
    struct span crls[2] = { make_crl(&world->inter, &world->leaf, MAKE_NOW_S + MAKE_DAY_S),
                            make_crl(&world->root, NULL, MAKE_NOW_S + MAKE_DAY_S) };
    struct span stale = make_crl(&world->inter, NULL, MAKE_NOW_S - MAKE_DAY_S);

    world->request.crls = crls;
    world->request.crl_count = 2;
    send(world, &world->leaf, &world->inter, NULL);
    assert_flaws(world, "revoked!");
    world->request.crls = crls + 1;
    world->request.crl_count = 1;
    send(world, &world->leaf, &world->inter, NULL);
    assert_flaws(world, "revocation-unknown!");
    OPENSSL_free((void *)(uintptr_t)crls[0].data);
    crls[0] = stale;
    world->request.crls = crls;
    world->request.crl_count = 2;
    send(world, &world->leaf, &world->inter, NULL);
    assert_flaws(world, "revocation-unknown!");
    OPENSSL_free((void *)(uintptr_t)crls[0].data);
    OPENSSL_free((void *)(uintptr_t)crls[1].data);
}

static void check_staple(struct world *world, const struct made *signer, bool is_revoked,
                         int64_t ends_s, const char *expected)
{
    struct span staple = make_staple(signer, &world->inter, &world->leaf, is_revoked,
                                     MAKE_NOW_S - 2 * MAKE_DAY_S, ends_s);

    world->request.staple = staple;
    send(world, &world->leaf, &world->inter, NULL);
    assert_flaws(world, expected);
    OPENSSL_free((void *)(uintptr_t)staple.data);
}

static void believes_a_staple_only_from_the_issuer_and_only_fresh(void **state)
{
    struct world *world = *state;
    struct made stranger = make_root("Stranger");

    check_staple(world, &world->inter, false, MAKE_NOW_S + MAKE_DAY_S, "");
    check_staple(world, &world->inter, true, MAKE_NOW_S + MAKE_DAY_S, "revoked!");
    check_staple(world, &world->inter, true, MAKE_NOW_S - MAKE_DAY_S, "staple-invalid");
    check_staple(world, &stranger, true, MAKE_NOW_S + MAKE_DAY_S, "staple-invalid");
    check_staple(world, &world->root, false, MAKE_NOW_S + MAKE_DAY_S, "staple-invalid");
    world->request.staple = span_of("junk");
    send(world, &world->leaf, &world->inter, NULL);
    assert_flaws(world, "staple-invalid");
    make_free(&stranger);
}

/* A revocation is never taken back by its age. */
static void a_staple_that_does_not_say_when_it_ends_is_stale_after_ten_days(void **state)
{
    static const struct {
        int64_t age_s;
        bool is_revoked;
        const char *expected;
    } cases[] = {
        { 0, false, "" },
        { 10 * MAKE_DAY_S, false, "" },
        { 11 * MAKE_DAY_S, false, "staple-invalid" },
        { 400 * MAKE_DAY_S, false, "staple-invalid" },
        { 11 * MAKE_DAY_S, true, "revoked!" },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct span staple = make_staple(&world->inter, &world->inter, &world->leaf,
                                         cases[i].is_revoked, MAKE_NOW_S - cases[i].age_s, 0);

        world->request.staple = staple;
        send(world, &world->leaf, &world->inter, NULL);
        assert_flaws(world, cases[i].expected);
        OPENSSL_free((void *)(uintptr_t)staple.data);
    }
}

static void misses_a_staple_only_where_it_was_asked_and_demanded(void **state)
{
    struct world *world = *state;
    struct made leaf = leaf_with((struct make_recipe){
        .issuer = &world->inter, .extensions = { "tlsfeature=status_request" } });

    send(world, &leaf, &world->inter, NULL);
    assert_flaws(world, "");
    assert_true(world->verdict.certificates[0].must_staple);
    world->request.staple_was_asked = true;
    send(world, &leaf, &world->inter, NULL);
    assert_flaws(world, "staple-missing");
    assert_true(world->verdict.is_trusted);
    send(world, &world->leaf, &world->inter, NULL);
    assert_flaws(world, "");
    make_free(&leaf);
}

static void counts_intermediates_against_max_depth(void **state)
{
    struct world *world = *state;

    world->request.max_depth = 1;
    send(world, &world->leaf, &world->inter, NULL);
    assert_true(world->verdict.is_trusted);
    world->request.max_depth = -1;
    send(world, &world->leaf, &world->inter, NULL);
    assert_flaws(world, "too-long!");
}

static void puts_a_server_certificate_behind_its_authority_first_among_warnings(void **state)
{
    struct world *world = *state;

    send(world, &world->inter, &world->leaf, NULL);
    assert_true(chain_has(&world->verdict, CHAIN_MISORDERED));
    assert_true(chain_has(&world->verdict, CHAIN_NAME_MISMATCH));
    assert_false(world->verdict.name_matched);
}

static void survives_a_loop_of_issuers(void **state)
{
    struct world *world = *state;
    struct made a = make_root("Loop A"), b = make_root("Loop B");
    struct made ab = make_certificate(
        &(struct make_recipe){ .name = "Loop A",
                               .issuer = &b,
                               .key_of = &a,
                               .extensions = { "basicConstraints=critical,CA:TRUE" } });
    struct made ba = make_certificate(
        &(struct make_recipe){ .name = "Loop B",
                               .issuer = &a,
                               .key_of = &b,
                               .extensions = { "basicConstraints=critical,CA:TRUE" } });
    struct made leaf = make_leaf("mx.example.org", &a);

    assert_true(anchors_add(world->intermediates, ab.der, NULL));
    assert_true(anchors_add(world->intermediates, ba.der, NULL));
    send(world, &leaf, &ab, &ba);
    assert_false(world->verdict.is_trusted);
    send(world, &leaf, NULL, NULL);
    assert_false(world->verdict.is_trusted);
    make_free(&a);
    make_free(&b);
    make_free(&ab);
    make_free(&ba);
    make_free(&leaf);
}

static void every_kind_of_flaw_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < CHAIN_KIND_COUNT; i++) {
        assert_non_null(chain_flaw_name((enum chain_flaw_kind)i));
        for (int before = 0; before < i; before++)
            assert_string_not_equal(chain_flaw_name((enum chain_flaw_kind)i),
                                    chain_flaw_name((enum chain_flaw_kind)before));
    }
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(trusts_a_sound_chain_without_a_flaw),
        PROMISE(trusts_it_under_the_strict_profile_too),
        PROMISE(says_that_nothing_was_sent),
        PROMISE(says_which_certificate_is_unreadable),
        PROMISE(tells_an_expired_leaf_with_its_date),
        PROMISE(tells_a_leaf_that_is_not_yet_valid),
        PROMISE(tells_an_expired_intermediate_apart_from_the_leaf),
        PROMISE(puts_the_leaf_first_where_it_is_over_too),
        PROMISE(tells_an_expired_root),
        PROMISE(trusts_the_valid_cross_certificate_of_an_expired_root),
        PROMISE(comes_back_from_a_dead_end_that_openssl_runs_into),
        PROMISE(calls_a_leaf_that_issued_itself_self_signed),
        PROMISE(puts_self_signed_before_expired_and_the_name),
        PROMISE(blames_a_root_that_was_sent_and_is_not_trusted),
        PROMISE(blames_the_root_where_only_it_was_left_out),
        PROMISE(calls_a_leaf_alone_incomplete_and_names_its_issuer),
        PROMISE(blames_the_root_where_the_key_identifier_says_that_the_issuer_is_one),
        PROMISE(calls_it_incomplete_where_the_key_identifier_names_an_issuer_above),
        PROMISE(calls_it_incomplete_where_the_missing_issuer_is_of_an_organization_we_trust),
        PROMISE(believes_an_authority_that_says_what_it_is),
        PROMISE(leaves_cross_certificates_alone),
        PROMISE(calls_a_gap_in_the_middle_incomplete),
        PROMISE(knows_the_missing_intermediate_but_trusts_only_what_was_sent),
        PROMISE(tells_what_else_is_wrong_behind_a_known_intermediate),
        PROMISE(says_that_the_store_has_the_name_with_another_key),
        PROMISE(calls_a_swapped_order_misordered_and_still_trusts),
        PROMISE(notices_roots_copies_and_strangers),
        PROMISE(tells_a_wrong_name_apart_from_a_common_name),
        PROMISE(accepts_any_of_several_names),
        PROMISE(matches_an_address_by_its_octets),
        PROMISE(refuses_a_certificate_for_clients),
        PROMISE(refuses_an_issuer_that_is_no_authority),
        PROMISE(names_the_extension_that_is_malformed),
        PROMISE(tells_a_wrong_key_identifier_from_a_wrong_key),
        PROMISE(says_that_the_store_has_an_intermediate_but_not_its_root),
        PROMISE(keeps_the_reason_among_many_notices),
        PROMISE(refuses_more_authorities_than_a_path_length_allows),
        PROMISE(refuses_a_name_outside_the_constraints),
        PROMISE(refuses_weak_keys_and_says_which),
        PROMISE(refuses_sha1_on_the_path_and_at_its_open_end),
        PROMISE(does_not_mind_sha1_on_the_root),
        PROMISE(detects_a_signature_that_is_not_the_issuers),
        PROMISE(tells_all_flaws_of_one_chain_at_once),
        PROMISE(warns_of_strictness_under_compatible_and_refuses_under_strict),
        PROMISE(trusts_a_version_1_root_with_a_warning),
        PROMISE(notices_that_the_leaf_ends_soon),
        PROMISE(gives_a_short_life_its_own_measure),
        PROMISE(reads_revocation_lists),
        PROMISE(believes_a_staple_only_from_the_issuer_and_only_fresh),
        PROMISE(a_staple_that_does_not_say_when_it_ends_is_stale_after_ten_days),
        PROMISE(misses_a_staple_only_where_it_was_asked_and_demanded),
        PROMISE(counts_intermediates_against_max_depth),
        PROMISE(puts_a_server_certificate_behind_its_authority_first_among_warnings),
        PROMISE(survives_a_loop_of_issuers),
        cmocka_unit_test(every_kind_of_flaw_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
