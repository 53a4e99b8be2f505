/* fuzz/zone.c - whatever comes over UDP or TCP as a question about the lab's zone is answered within
 * the limits of the transport, or not at all. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "lab/zone.h"

enum { NOW_S = 1795000000 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct zone *zone;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct error err = { 0 };
    bool is_made = zone_new("lab.test.", NOW_S, &zone, &err) &&
                   zone_add(zone, &err, "a.lab.test. 300 IN MX 10 mx.a.lab.test.") &&
                   zone_add(zone, &err, "mx.a.lab.test. 300 IN A 127.0.0.1") &&
                   zone_add(zone, &err, "loop.lab.test. 300 IN CNAME loop.lab.test.") &&
                   zone_add(zone, &err, "b.lab.test. 300 IN CNAME mx.a.lab.test.") &&
                   zone_delegate_insecurely(zone, "child.lab.test.", &err) &&
                   zone_trouble(zone, "mute.lab.test.", ZONE_SILENCE, &err) &&
                   zone_sign(zone, &err);

    (void)argc;
    (void)argv;
    if (!is_made)
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[ZONE_MESSAGE_MOST];
    struct span bytes = { (const char *)data, size };
    size_t over_udp = zone_answer(zone, bytes, true, out);
    size_t over_tcp = zone_answer(zone, bytes, false, out);

    assert(over_udp <= 1232 && over_tcp <= ZONE_MESSAGE_MOST);
    assert((over_udp == 0) == (over_tcp == 0));
    if (over_tcp > 0)
        assert(out[0] == data[0] && out[1] == data[1]);
    return 0;
}
