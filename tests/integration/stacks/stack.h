/* tests/integration/stacks/stack.h - what servers over different TLS libraries share.
 *
 * Each program serves one connection, descriptor 0, on which 220 to STARTTLS was just sent. Its
 * arguments are KEY=VALUE; judge_stacks.py says which there are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Remembers the arguments and sees to it that the program ends on its own. */
void stack_init(int argc, char **argv);
/* The value of that argument; NULL where it is not given. */
const char *stack_word(const char *key);
bool stack_is(const char *key, const char *value);
/* "1.2" as 0x0303; `otherwise` where the argument is not given. */
int stack_version(const char *key, int otherwise);
/* The file that the argument names, with a NUL behind it; exits where it cannot be read. Lives until
 * the next call. */
unsigned char *stack_file(const char *key, size_t *len);

struct stack_tls {
    void *of;
    int (*read)(void *of, void *bytes, size_t size); /* above 0: that many came */
    int (*write)(void *of, const void *bytes, size_t len);
    void (*renegotiate)(void *of); /* NULL: cannot */
    void (*notify)(void *of);      /* sends close_notify */
};

/* The conversation inside TLS, to its end, that of the connection and of the program. */
void stack_converse(const struct stack_tls *tls) __attribute__((noreturn));
/* The handshake failed: closes as `hangup` says (at once, as most servers do; after a drain; with a
 * reset) and exits. */
void stack_give_up(const char *why) __attribute__((noreturn));
/* Ours: a library call that cannot fail did. */
void stack_broken(const char *what) __attribute__((noreturn));
