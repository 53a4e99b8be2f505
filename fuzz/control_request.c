/* fuzz/control_request.c - requests from any octets: refused, or sound enough to be written and read back. */
#include <stdint.h>
#include <stdlib.h>

#include "gateway/control_request.h"
#include "smtp/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECIPIENTS = 8 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_put(const struct control_request *request)
{
    struct smtp_address address;
    struct smtp_address_flaw flaw;

    insist(request->size_bytes >= 0);
    insist(request->recipient_count > 0 && request->recipient_count <= RECIPIENTS);
    insist(request->envelope.sender.len == 0 ||
           smtp_address_parse(request->envelope.sender, &address, &flaw));
    for (size_t i = 0; i < request->recipient_count; i++) {
        insist(smtp_address_parse(request->recipients[i].address, &address, &flaw));
        insist(request->recipients[i].notify <= 14);
    }
}

static void check(const struct control_request *request, struct arena *arena)
{
    struct control_request back;
    struct buffer out;

    if (request->kind == CONTROL_PUT)
        check_put(request);
    buffer_init(&out, 1 << 20);
    insist(control_request_format(request, &out, NULL));
    insist(control_request_parse((struct span){ out.data, out.len - 1 }, RECIPIENTS, arena, &back,
                                 NULL));
    insist(back.kind == request->kind && back.change == request->change);
    insist(back.selection.id == request->selection.id && back.id == request->id);
    insist(span_equal(back.selection.domain, request->selection.domain));
    insist(back.recipient_count == request->recipient_count);
    buffer_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_request request;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    if (control_request_parse((struct span){ (const char *)data, size }, RECIPIENTS, &arena,
                              &request, NULL))
        check(&request, &arena);
    arena_clear(&arena);
    return 0;
}
