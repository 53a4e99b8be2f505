/* diagnose/catalogue_rows.h - the tables that make up the catalogue; for catalogue.c alone. */
#pragma once

#include "diagnose/catalogue.h"

extern const struct catalogue_row catalogue_rows_smtp[];
extern const size_t catalogue_rows_smtp_count;
extern const struct catalogue_row catalogue_rows_tls[];
extern const size_t catalogue_rows_tls_count;
extern const struct catalogue_row catalogue_rows_certificate[];
extern const size_t catalogue_rows_certificate_count;
extern const struct catalogue_row catalogue_rows_policy[];
extern const size_t catalogue_rows_policy_count;
extern const struct catalogue_row catalogue_rows_inbound[];
extern const size_t catalogue_rows_inbound_count;
extern const struct catalogue_row catalogue_rows_publish[];
extern const size_t catalogue_rows_publish_count;
extern const struct catalogue_variant catalogue_variants[];
extern const size_t catalogue_variants_count;
extern const struct catalogue_variant catalogue_variants_dns[];
extern const size_t catalogue_variants_dns_count;
extern const struct catalogue_variant catalogue_variants_inbound[];
extern const size_t catalogue_variants_inbound_count;
extern const struct catalogue_variant catalogue_variants_publish[];
extern const size_t catalogue_variants_publish_count;
