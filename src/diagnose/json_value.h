/* diagnose/json_value.h - values of our JSON: texts, lists of them, times. New references; null where there is none. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* NULL: null. What is not UTF-8 is made printable. */
json_t *json_value_text(const char *text);
json_t *json_value_texts(const char *const *texts, size_t count);
/* "2026-01-31T12:00:00Z"; INT64_MIN and INT64_MAX, which are no time: null. */
json_t *json_value_time(int64_t seconds);
