/* fuzz/chain.c - any list of DER is judged, safely, and nothing is accepted that strictness refuses.
 *
 * The input: one byte of choices, then pieces, each behind its length in two octets. The first are
 * anchors, then known intermediates, then a staple, a revocation list and TLSA rdata, as the
 * choices say; the rest is the chain.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "trust/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES_MOST = CHAIN_SENT_MOST + 8 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static struct span take_piece(struct span *input)
{
    size_t len;

    if (input->len < 2)
        return span_take_front(input, input->len);
    len = (size_t)(unsigned char)span_take(input) << 8;
    len |= (unsigned char)span_take(input);
    return span_take_front(input, len);
}

static void add_pieces(struct anchors *anchors, struct span *input, unsigned count)
{
    struct error err;

    while (count-- > 0)
        if (!anchors_add(anchors, take_piece(input), &err))
            insist(err.kind == ERROR_FORMAT);
}

static void check_verdict(const struct chain_verdict *verdict)
{
    bool any_fatal = false;

    insist(verdict->flaw_count <= CHAIN_FLAWS_MOST);
    for (size_t i = 0; i < verdict->flaw_count; i++) {
        const struct chain_flaw *flaw = &verdict->flaws[i];

        insist(chain_flaw_name(flaw->kind) != NULL && flaw->subject != NULL &&
               text_is_utf8(span_of(flaw->subject)) && text_is_utf8(span_of(flaw->detail)));
        insist(flaw->sent_index < (int)verdict->certificate_count);
        any_fatal |= flaw->is_fatal && flaw->kind != CHAIN_NAME_MISMATCH &&
                     flaw->kind != CHAIN_NAME_ONLY_IN_CN;
    }
    insist(verdict->is_trusted == !any_fatal); /* each refusal has a reason */
}

static void judge(struct chain_request *request)
{
    struct chain_verdict verdict;
    struct arena arena;
    struct error err;
    bool is_trusted;

    arena_init(&arena, 64 << 20);
    request->profile = CHAIN_COMPATIBLE;
    insist(chain_verify(request, &arena, &verdict, &err));
    check_verdict(&verdict);
    is_trusted = verdict.is_trusted;
    request->profile = CHAIN_STRICT;
    bool is_warned =
        chain_has(&verdict, CHAIN_STRICTNESS) || chain_has(&verdict, CHAIN_STAPLE_MISSING);

    insist(chain_verify(request, &arena, &verdict, &err));
    check_verdict(&verdict);
    insist(!verdict.is_trusted || is_trusted);
    insist(!is_trusted || verdict.is_trusted || is_warned);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const name = "mx.example.org";
    struct span input = { (const char *)data, size }, pieces[PIECES_MOST], crl;
    struct anchors *anchors = anchors_new(), *known = anchors_new();
    unsigned choices = size == 0 ? 0 : (unsigned char)span_take(&input);
    struct dane_record record;
    struct chain_request request = { .certificates = pieces,
                                     .names = &name,
                                     .name_count = 1,
                                     .now_s = 1795262400, /* 21 November 2026 */
                                     .anchors = anchors,
                                     .intermediates = known,
                                     .staple_was_asked = true };

    insist(anchors != NULL && known != NULL);
    add_pieces(anchors, &input, choices & 3);
    add_pieces(known, &input, choices >> 2 & 3);
    if (choices & 16)
        request.staple = take_piece(&input);
    if (choices & 32) {
        crl = take_piece(&input);
        request.crls = &crl;
        request.crl_count = 1;
    }
    if ((choices & 64) && dane_from_wire(take_piece(&input), &record)) {
        request.tlsa = &record;
        request.tlsa_count = 1;
    }
    while (input.len > 0 && request.certificate_count < PIECES_MOST)
        pieces[request.certificate_count++] = take_piece(&input);
    judge(&request);
    anchors_free(&anchors);
    anchors_free(&known);
    return 0;
}
