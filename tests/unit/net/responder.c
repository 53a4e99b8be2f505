/* tests/unit/net/responder.c - a DNS server on a thread whose answers the asked name chooses. */
#include "../test.h"

#include "responder.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE_MOST = 1500, HEADER = 12, TYPE_A = 1, TYPE_CNAME = 5, TYPE_MX = 15 };

struct message {
    uint8_t bytes[MESSAGE_MOST];
    size_t len;
};

static void put(struct message *message, const void *bytes, size_t len)
{
    assert_true(message->len + len <= sizeof message->bytes);
    memcpy(message->bytes + message->len, bytes, len);
    message->len += len;
}

static void put_number(struct message *message, uint32_t number, size_t width)
{
    uint8_t bytes[4];

    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(number >> 8 * (width - 1 - i));
    put(message, bytes, width);
}

/* One answer owned by the asked name, which stands behind the header. */
static void put_record(struct message *message, uint16_t type, const void *data, size_t len)
{
    put_number(message, 0xc000 | HEADER, 2);
    put_number(message, type, 2);
    put_number(message, 1, 2);
    put_number(message, 300, 4);
    put_number(message, (uint32_t)len, 2);
    put(message, data, len);
    message->bytes[7]++; /* ANCOUNT */
}

static bool is_asked(const uint8_t *name, const char *label)
{
    return name[0] == strlen(label) && strncasecmp((const char *)name + 1, label, name[0]) == 0;
}

static void answer_records(struct message *message, const uint8_t *name, uint16_t type)
{
    if (is_asked(name, "good") && type == TYPE_A)
        put_record(message, TYPE_A, "\xc0\x00\x02\x01", 4);
    if (is_asked(name, "two") && type == TYPE_MX) {
        put_record(message, TYPE_MX, "\x00\x0a\x03mx1\x04test\x00", 13 - 1);
        put_record(message, TYPE_MX, "\x00\x14\x03mx2\x04test\x00", 13 - 1);
    }
    if (is_asked(name, "alias") && type == TYPE_CNAME)
        put_record(message, TYPE_CNAME, "\x04good\x04test\x00", 11);
    if (is_asked(name, "alias") && type == TYPE_A) {
        put_record(message, TYPE_CNAME, "\x04good\x04test\x00", 11);
        put(message, "\x04good\x04test\x00\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xc0\x00\x02\x02",
            11 + 14);
        message->bytes[7]++;
    }
}

static uint8_t rcode_for(const uint8_t *name)
{
    if (is_asked(name, "servfail"))
        return 2;
    if (is_asked(name, "nx"))
        return 3;
    return is_asked(name, "refused") ? 5 : 0;
}

/* Returns false where nothing is to be sent. */
static bool answer(const struct message *question, struct message *reply)
{
    const uint8_t *name = question->bytes + HEADER;
    size_t end = HEADER;

    if (question->len < HEADER + 5 || is_asked(name, "silent"))
        return false;
    while (end < question->len && question->bytes[end] != 0)
        end += question->bytes[end] + 1U;
    end += 1 + 4;
    if (end > question->len)
        return false;
    reply->len = 0;
    put(reply, question->bytes, end);
    reply->bytes[2] |= 0x84; /* a response, authoritative */
    reply->bytes[3] = (uint8_t)(0xa0 | rcode_for(name)); /* it claims to have validated it: AD */
    memset(reply->bytes + 6, 0, 6);
    if (is_asked(name, "garbage")) {
        put(reply, "\xff\xff\xff", 3);
        reply->bytes[7] = 9;
    } else {
        answer_records(reply, name,
                       (uint16_t)(question->bytes[end - 4] << 8 | question->bytes[end - 3]));
    }
    return true;
}

static void *serve(void *owner)
{
    struct responder *responder = owner;
    struct message question, reply;

    for (;;) {
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        ssize_t count = recvfrom(responder->socket, question.bytes, sizeof question.bytes, 0,
                                 (struct sockaddr *)&from, &len);

        if (count <= 1) /* how responder_stop asks */
            return NULL;
        question.len = (size_t)count;
        if (answer(&question, &reply))
            sendto(responder->socket, reply.bytes, reply.len, 0, (struct sockaddr *)&from, len);
    }
}

static struct sockaddr_in own_address(const struct responder *responder)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(responder->port) };

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

void responder_start(struct responder *responder)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;

    responder->port = 0;
    responder->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    address = own_address(responder);
    assert_int_equal(bind(responder->socket, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(responder->socket, (struct sockaddr *)&address, &len), 0);
    responder->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&responder->thread, NULL, serve, responder), 0);
}

void responder_stop(struct responder *responder)
{
    struct sockaddr_in address = own_address(responder);
    int sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    sendto(sender, "", 1, 0, (struct sockaddr *)&address, sizeof address);
    pthread_join(responder->thread, NULL);
    close(sender);
    close(responder->socket);
}
