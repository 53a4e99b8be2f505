/* smtp/server_steps.h - what the files of the server engine share: the steps of a conversation.
 *
 * Private to the server engine.
 */
#pragma once

#include "smtp/server.h"

typedef void smtp_server_step(struct smtp_server *server, struct smtp_answer answer);

/* Queues an event; the caller fills in what is special to its kind. */
struct smtp_server_event *smtp_server_push(struct smtp_server *server,
                                           enum smtp_server_event_kind kind);

/* The one function that changes the state; the peer's time starts anew. */
void smtp_server_enter(struct smtp_server *server, enum smtp_server_state state);

/* Queues an event that must be answered. */
void smtp_server_ask(struct smtp_server *server, enum smtp_server_event_kind kind);

/* Puts an answer into the output; `preset` stands in where the owner gave no code, or no words. */
void smtp_server_say(struct smtp_server *server, struct smtp_answer answer,
                     struct smtp_answer preset);

/* The same for what needs no preset; the peer's time starts anew. */
void smtp_server_say_fine(struct smtp_server *server, uint16_t code, const char *enhanced,
                          const char *text);

/* For 221 and 421, whose words begin with our name: RFC 5321 section 4.2.2. */
void smtp_server_say_with_name(struct smtp_server *server, uint16_t code, const char *enhanced,
                               const char *text);

/* Ends the session of a peer whose errors, or commands without use, have become too many. */
void smtp_server_end_if_too_wrong(struct smtp_server *server);

/* Says no to a command by ourselves; a 5xx counts as an error. */
void smtp_server_refuse(struct smtp_server *server, struct smtp_answer answer);

/* For what leaves no way to tell where the next command begins: the answer, then 421. */
void smtp_server_refuse_and_leave(struct smtp_server *server, struct smtp_answer answer);

/* The line that came last, without its CRLF and without what was too much of it. */
struct span smtp_server_line(const struct smtp_server *server);

/* "421 4.7.0 mx.example.org TEXT", and the end. */
void smtp_server_break_off(struct smtp_server *server, const char *enhanced, const char *text);

/* The same behind an answer of ours that said why: RFC 5321 section 3.8 lets a server close behind QUIT
 * or 421 alone. */
void smtp_server_leave(struct smtp_server *server);

/* The free part of the output. Add what was written there to output_len. */
char *smtp_server_room(struct smtp_server *server, size_t *size);

/* CLOSED, a message in hand dropped, and FINISHED. */
void smtp_server_finish(struct smtp_server *server);

/* server_commands.c: understands the line, and does what it says where it is in place. */
void smtp_server_take_command(struct smtp_server *server);

/* server_hello.c: enum smtp_extension bits that EHLO is told here and now. */
uint32_t smtp_server_offered(const struct smtp_server *server);

/* server_hello.c: what the owner's answers to CONNECTED and HELLO_CAME bring about. */
smtp_server_step smtp_server_greet, smtp_server_turn_away, smtp_server_welcome;

/* server_message.c: the message in hand, if any, will not come to its end. */
void smtp_server_drop_message(struct smtp_server *server);

/* server_message.c: what each command does; its state is right, and it is in storage->command. */
void smtp_server_take_mail(struct smtp_server *server);
void smtp_server_take_rcpt(struct smtp_server *server);
void smtp_server_take_data(struct smtp_server *server);
void smtp_server_take_chunk(struct smtp_server *server);

/* server_message.c: a BDAT that cannot be taken: its octets are dropped, then comes the answer. */
void smtp_server_refuse_chunk(struct smtp_server *server, struct smtp_answer answer);

/* server_message.c: what the owner's yes and no bring about. */
smtp_server_step smtp_server_open_message, smtp_server_add_recipient, smtp_server_open_content,
    smtp_server_decline_content, smtp_server_close_message;

/* server_message.c: DATA and CHUNK: one run of content. */
void smtp_server_take_content(struct smtp_server *server, struct span *input);
