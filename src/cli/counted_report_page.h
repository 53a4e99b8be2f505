/* cli/counted_report_page.h - one TLS report of ours for people: its sessions with findings in words, and its way. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "diagnose/report.h"
#include "gateway/tls_report_file.h"

struct counted_report {
    const struct tls_file_entry *entry;
    const struct tls_report *report;
    int64_t now_s;
    bool is_sent_at_all; /* the settings say so */
};

/* False: no memory. */
MUST_CHECK bool counted_report_page(const struct counted_report *counted,
                                    const struct report_style *style, struct arena *arena,
                                    struct buffer *out);
