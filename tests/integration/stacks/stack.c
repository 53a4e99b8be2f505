/* tests/integration/stacks/stack.c - arguments, the conversation inside TLS, and ways to hang up. */
#include "stack.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_S = 20, CONNECTION = 0, EXIT_BROKEN = 9 };

static int argument_count;
static char **arguments;
static unsigned char file_bytes[256 * 1024];

void stack_init(int argc, char **argv)
{
    argument_count = argc;
    arguments = argv;
    signal(SIGPIPE, SIG_IGN);
    alarm(PATIENCE_S);
}

const char *stack_word(const char *key)
{
    size_t len = strlen(key);

    for (int i = 1; i < argument_count; i++)
        if (strncmp(arguments[i], key, len) == 0 && arguments[i][len] == '=')
            return arguments[i] + len + 1;
    return NULL;
}

bool stack_is(const char *key, const char *value)
{
    const char *word = stack_word(key);

    return word != NULL && strcmp(word, value) == 0;
}

int stack_version(const char *key, int otherwise)
{
    const char *word = stack_word(key);

    if (word == NULL)
        return otherwise;
    return 0x0301 + (word[2] - '0'); /* "1.0" is 3.1 */
}

unsigned char *stack_file(const char *key, size_t *len)
{
    const char *path = stack_word(key);
    FILE *file = path == NULL ? NULL : fopen(path, "rb");

    if (file == NULL)
        stack_broken(key);
    *len = fread(file_bytes, 1, sizeof file_bytes - 1, file);
    file_bytes[*len] = '\0';
    fclose(file);
    return file_bytes;
}

void stack_broken(const char *what)
{
    fprintf(stderr, "broken: %s\n", what);
    exit(EXIT_BROKEN);
}

static void drain(void)
{
    char bytes[4096];

    shutdown(CONNECTION, SHUT_WR);
    while (read(CONNECTION, bytes, sizeof bytes) > 0)
        ;
}

static void hang_up(void)
{
    struct linger now = { 1, 0 };

    if (stack_is("hangup", "reset"))
        setsockopt(CONNECTION, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    else if (stack_is("hangup", "drain"))
        drain();
    close(CONNECTION);
}

void stack_give_up(const char *why)
{
    if (stack_word("trace") != NULL)
        fprintf(stderr, "gave up: %s\n", why);
    hang_up();
    _exit(0);
}

static bool say(const struct stack_tls *tls, const char *text)
{
    return tls->write(tls->of, text, strlen(text)) > 0;
}

static bool answer(const struct stack_tls *tls, const char *line)
{
    if (strncasecmp(line, "EHLO", 4) == 0) {
        bool said = say(tls, "250-mx.ferry.example at your service\r\n250-PIPELINING\r\n"
                             "250-SIZE 52428800\r\n250 8BITMIME\r\n");
        if (said && stack_word("renegotiate") != NULL && tls->renegotiate != NULL)
            tls->renegotiate(tls->of);
        return said;
    }
    if (strncasecmp(line, "QUIT", 4) == 0) {
        say(tls, "221 2.0.0 Bye\r\n");
        return false;
    }
    return say(tls, "250 2.0.0 OK\r\n");
}

void stack_converse(const struct stack_tls *tls)
{
    char line[1024];
    size_t used = 0;
    bool goes_on = true;

    while (goes_on && used < sizeof line - 1) {
        int got = tls->read(tls->of, line + used, 1);

        if (got <= 0)
            break;
        used++;
        if (line[used - 1] != '\n')
            continue;
        line[used] = '\0';
        goes_on = answer(tls, line);
        used = 0;
    }
    if (!goes_on && !stack_is("notify", "no"))
        tls->notify(tls->of);
    hang_up();
    _exit(0); /* nothing was freed, and nobody is to complain */
}
