#include "trust/chain.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "trust/certificate_x509.h"
#include "trust/chain_work.h"
#include "trust/names.h"

static void read_one(struct chain_work *work, size_t index)
{
    struct certificate *facts = &work->verdict->certificates[index];
    struct span der = work->request->certificates[index];
    struct chain_flaw *flaw;

    certificate_init(work->arena, der, facts);
    work->sent[index] = certificate_parse(der);
    if (work->sent[index] != NULL) {
        certificate_read_x509(work->arena, work->sent[index], facts);
        return;
    }
    flaw = chain_flaw_add(
        work, CHAIN_UNREADABLE, true, NULL,
        arena_format(work->arena, "certificate %zu is no certificate in DER", index + 1));
    if (flaw != NULL)
        flaw->sent_index = (int)index;
}

static bool read_sent(struct chain_work *work)
{
    const struct chain_request *request = work->request;
    size_t count = request->certificate_count;

    if (count > CHAIN_SENT_MOST) {
        chain_flaw_add(work, CHAIN_SUPERFLUOUS, false, NULL,
                       arena_format(work->arena, "of %zu certificates only the first %d are read",
                                    count, CHAIN_SENT_MOST));
        count = CHAIN_SENT_MOST;
    }
    if (count == 0)
        chain_flaw_add(work, CHAIN_EMPTY, true, NULL, "no certificate was sent");
    work->verdict->certificates =
        arena_new(work->arena, count + 1, sizeof *work->verdict->certificates);
    if (work->verdict->certificates == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        work->sent_count = work->verdict->certificate_count = i + 1;
        read_one(work, i);
    }
    return true;
}

static bool read_crls(struct chain_work *work)
{
    const struct chain_request *request = work->request;

    if (request->crl_count == 0)
        return true;
    work->crls = sk_X509_CRL_new_null();
    for (size_t i = 0; work->crls != NULL && i < request->crl_count; i++) {
        const unsigned char *at = (const unsigned char *)request->crls[i].data;
        X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)request->crls[i].len);

        if (crl == NULL)
            chain_flaw_add(work, CHAIN_REVOCATION_UNKNOWN, true, NULL,
                           arena_format(work->arena, "revocation list %zu is unreadable", i + 1));
        else if (sk_X509_CRL_push(work->crls, crl) == 0)
            X509_CRL_free(crl);
    }
    return work->crls != NULL;
}

/* --- names */

/* RFC 9525 section 6.4: an address is compared octet by octet, here by its one form as text. */
static const char *address_form(struct arena *arena, struct span name)
{
    bool has_brackets = name.len > 2 && name.data[0] == '[' && name.data[name.len - 1] == ']';
    ASN1_OCTET_STRING *octets;
    const char *text;

    if (has_brackets)
        name = span_part(name, 1, name.len - 2);
    if (span_starts_with_nocase(name, "IPv6:")) /* RFC 5321 section 4.1.3 */
        name = span_part(name, 5, name.len);
    octets = a2i_IPADDRESS(arena_copy(arena, name));
    if (octets == NULL)
        return NULL;
    text =
        certificate_address_text(arena, (struct span){ (const char *)ASN1_STRING_get0_data(octets),
                                                       (size_t)ASN1_STRING_length(octets) });
    ASN1_OCTET_STRING_free(octets);
    return text;
}

const char *chain_find_name(struct chain_work *work, const char *reference)
{
    const struct certificate *leaf = &work->verdict->certificates[0];
    const char *address = address_form(work->arena, span_of(reference));

    for (size_t i = 0; address == NULL && i < leaf->name_count; i++)
        if (names_match(span_of(leaf->names[i]), span_of(reference)))
            return leaf->names[i];
    for (size_t i = 0; address != NULL && i < leaf->address_count; i++)
        if (strcmp(leaf->addresses[i], address) == 0)
            return leaf->addresses[i];
    return NULL;
}

static void judge_names(struct chain_work *work)
{
    const struct chain_request *request = work->request;
    struct chain_verdict *verdict = work->verdict;
    const struct certificate *leaf = &verdict->certificates[0];
    const char *common = leaf->common_name;
    bool is_in_common_name = false;

    for (size_t i = 0; i < request->name_count && verdict->matched_name == NULL; i++) {
        verdict->matched_name = chain_find_name(work, request->names[i]);
        is_in_common_name |= names_match(span_of(common), span_of(request->names[i]));
    }
    verdict->name_matched = request->name_count == 0 || verdict->matched_name != NULL;
    if (verdict->name_matched)
        return;
    if (is_in_common_name)
        chain_flaw_add(work, CHAIN_NAME_ONLY_IN_CN, true, work->sent[0], common);
    else
        chain_flaw_add(work, CHAIN_NAME_MISMATCH, true, work->sent[0],
                       text_printable(work->arena, span_of(request->names[0]), true));
}

/* --- the verdict */

static void keep_path(struct chain_work *work, const struct chain_trial *trial)
{
    struct chain_verdict *verdict = work->verdict;

    verdict->path = arena_new(work->arena, trial->path_count + 1, sizeof *verdict->path);
    for (size_t i = 0; verdict->path != NULL && i < trial->path_count; i++)
        verdict->path[verdict->path_count++] = chain_subject(work, trial->path[i]);
}

static bool is_about_names(enum chain_flaw_kind kind)
{
    return kind == CHAIN_NAME_MISMATCH || kind == CHAIN_NAME_ONLY_IN_CN;
}

static void conclude(struct chain_work *work, const struct chain_trial *trial)
{
    struct chain_verdict *verdict = work->verdict;

    verdict->is_trusted = trial->is_accepted && !verdict->path_needs_intermediate;
    for (size_t i = 0; i < verdict->flaw_count; i++)
        if (verdict->flaws[i].is_fatal && !is_about_names(verdict->flaws[i].kind))
            verdict->is_trusted = false;
    if (!verdict->is_trusted)
        verdict->needed_other_path = false;
}

static void judge(struct chain_work *work)
{
    struct chain_trial trial;

    chain_path_gather(work);
    chain_path_find(work, &trial);
    keep_path(work, &trial);
    chain_flaws_collect(work, &trial);
    chain_shape_judge(work, &trial);
    judge_names(work);
    chain_staple_judge(work, &trial);
    chain_dane_judge(work);
    conclude(work, &trial);
}

static void release(struct chain_work *work)
{
    for (size_t i = 0; i < work->sent_count; i++)
        X509_free(work->sent[i]);
    sk_X509_CRL_pop_free(work->crls, X509_CRL_free);
    ERR_clear_error();
}

bool chain_verify(const struct chain_request *request, struct arena *arena,
                  struct chain_verdict *verdict, struct error *err)
{
    struct chain_work work = { .request = request, .arena = arena, .verdict = verdict };
    bool is_read;

    *verdict =
        (struct chain_verdict){ .name_matched = request->name_count == 0, .tlsa_detail = "" };
    is_read = read_sent(&work) && read_crls(&work);
    if (is_read && work.sent_count > 0 && work.sent[0] != NULL)
        judge(&work);
    else
        chain_dane_judge(&work);
    chain_flaws_sort(verdict);
    release(&work);
    if (!is_read || work.has_no_memory || arena->exhausted)
        return error_set(err, ERROR_MEMORY, "no memory to judge a certificate chain");
    return true;
}
