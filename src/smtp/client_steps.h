/* smtp/client_steps.h - what client.c and client_envelope.c share: the steps of a conversation.
 *
 * Private to the client engine. A handler is called with a whole reply, after its event is queued.
 */
#pragma once

#include "smtp/client.h"

typedef void smtp_client_handler(struct smtp_client *client, const struct smtp_reply *reply);

/* Queues an event; the caller fills in what is special to its kind. */
struct smtp_client_event *smtp_client_push(struct smtp_client *client,
                                           enum smtp_client_event_kind kind,
                                           enum smtp_client_state during);

/* The one function that changes the state; sets the deadline of the wait that it names. */
void smtp_client_enter(struct smtp_client *client, enum smtp_client_state state);

/* READY, and the event that says so; QUIT where the server takes no more messages. */
void smtp_client_become_ready(struct smtp_client *client);
bool smtp_client_is_used_up(const struct smtp_client *client);

/* CLOSED and FINISHED; output that has not left yet is dropped. */
void smtp_client_finish(struct smtp_client *client);

/* The free part of the output. Add what was written there to output_len. */
char *smtp_client_room(struct smtp_client *client, size_t *size);

/* Appends text that is known to fit. */
void smtp_client_write(struct smtp_client *client, const char *text);

/* client_envelope.c: writes the commands of the message that may be written now. */
void smtp_client_write_commands(struct smtp_client *client);

/* client_envelope.c: whether the reply that is due answers for one recipient, and for which. */
bool smtp_client_recipient_is_due(const struct smtp_client *client, size_t *recipient);

/* client_envelope.c: the answers to each command of a message. */
smtp_client_handler smtp_client_take_mail, smtp_client_take_rcpt, smtp_client_take_data,
    smtp_client_take_end_of_data;
