/* tests/unit/smtp/command_test.c - promises of smtp/command.h */
#include "../test.h"

#include "base/compiler.h"
#include "smtp/command.h"

static void keeps_a_path_within_its_brackets(void **state)
{
    static const struct {
        const char *path;
        bool is_safe;
    } rows[] = {
        { "", true },
        { "a@example.org", true },
        { "a..b@example.org", true },
        { "Postmaster", true },
        { "\"a b\"@example.org", true },
        { "\"a>b\"@example.org", true },
        { "\"a\\\"> b\"@example.org", true },
        { "a@[IPv6:::1]", true },
        { "a b@example.org", false },
        { "a@example.org> SIZE=1", false },
        { "<a@example.org", false },
        { "a@example.org\r\nDATA", false },
        { "a\n", false },
        { "a\r", false },
        { "a\x01", false },
        { "a\x7f", false },
        { "a\t", false },
        { "\"a\n\"@example.org", false },
        { "\"a\\\n\"@example.org", false },
        { "\"a", false },
        { "\"a\\", false },
        { "\"a\\\"", false },
        { "a\\\"> x", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (smtp_command_path_is_safe(rows[i].path, false) != rows[i].is_safe)
            fail_msg("%s", rows[i].path);
    assert_false(smtp_command_path_is_safe("\xc3\xb6@example.org", false));
    assert_true(smtp_command_path_is_safe("\xc3\xb6@example.org", true));
}

static void bounds_a_path(void **state)
{
    char path[SMTP_COMMAND_PATH_MOST + 2];

    (void)state;
    memset(path, 'a', sizeof path);
    path[SMTP_COMMAND_PATH_MOST] = '\0';
    assert_true(smtp_command_path_is_safe(path, false));
    path[SMTP_COMMAND_PATH_MOST] = 'a';
    path[SMTP_COMMAND_PATH_MOST + 1] = '\0';
    assert_false(smtp_command_path_is_safe(path, false));
}

static void takes_a_value_of_visible_ascii_only(void **state)
{
    (void)state;
    assert_true(smtp_command_value_is_safe("rfc822;a+2Bb@example.org", 100));
    assert_true(smtp_command_value_is_safe("abc", 3));
    assert_false(smtp_command_value_is_safe("abcd", 3));
    assert_false(smtp_command_value_is_safe("", 3));
    assert_false(smtp_command_value_is_safe("a b", 9));
    assert_false(smtp_command_value_is_safe("a\r\nb", 9));
    assert_false(smtp_command_value_is_safe("a\x7f", 9));
    assert_false(smtp_command_value_is_safe("\xc3\xb6", 9));
}

static void leaves_out_what_the_server_lacks(void **state)
{
    const struct smtp_client_message message = { .sender = "a@example.org",
                                                 .size_bytes = UINT64_MAX,
                                                 .is_8bit = true,
                                                 .is_utf8 = true,
                                                 .envelope_id = "x",
                                                 .return_part = "FULL" };
    const struct smtp_client_recipient recipient = { "b@example.org", "rfc822;c", 14 };
    char out[SMTP_COMMAND_BYTES + 1];

    (void)state;
    out[smtp_command_format_mail(out, &message, 0)] = '\0';
    assert_string_equal(out, "MAIL FROM:<a@example.org>\r\n");
    out[smtp_command_format_mail(out, &message, UINT32_MAX)] = '\0';
    assert_string_equal(out, "MAIL FROM:<a@example.org> SIZE=18446744073709551615 BODY=8BITMIME "
                             "SMTPUTF8 RET=FULL ENVID=x\r\n");
    out[smtp_command_format_rcpt(out, &recipient, 0)] = '\0';
    assert_string_equal(out, "RCPT TO:<b@example.org>\r\n");
    out[smtp_command_format_rcpt(out, &recipient, SMTP_EXTENSION_DSN)] = '\0';
    assert_string_equal(out, "RCPT TO:<b@example.org> NOTIFY=SUCCESS,FAILURE,DELAY "
                             "ORCPT=rfc822;c\r\n");
}

static void lets_never_stand_alone(void **state)
{
    const struct smtp_client_recipient recipient = { "b", NULL, 15 };
    char out[SMTP_COMMAND_BYTES + 1];

    (void)state;
    out[smtp_command_format_rcpt(out, &recipient, SMTP_EXTENSION_DSN)] = '\0';
    assert_string_equal(out, "RCPT TO:<b> NOTIFY=NEVER\r\n");
}

static void has_room_for_the_longest_line(void **state)
{
    static char path[SMTP_COMMAND_PATH_MOST + 1], value[SMTP_COMMAND_ORCPT_MOST + 1];
    struct smtp_client_recipient recipient = { path, value, 14 };
    char out[SMTP_COMMAND_BYTES];

    (void)state;
    memset(path, 'p', SMTP_COMMAND_PATH_MOST);
    memset(value, 'v', SMTP_COMMAND_ORCPT_MOST);
    assert_true(smtp_command_format_rcpt(out, &recipient, UINT32_MAX) < SMTP_COMMAND_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_a_path_within_its_brackets),
        cmocka_unit_test(bounds_a_path),
        cmocka_unit_test(takes_a_value_of_visible_ascii_only),
        cmocka_unit_test(leaves_out_what_the_server_lacks),
        cmocka_unit_test(lets_never_stand_alone),
        cmocka_unit_test(has_room_for_the_longest_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
