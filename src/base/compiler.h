/* base/compiler.h - the few compiler attributes that our C leans on.
 *
 * AUTO(f) closes a local on every way out of its scope: f takes T **, accepts
 * NULL and sets NULL. TAKE(p) moves a pointer out of such a local.
 */
#pragma once

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define AUTO(close)       __attribute__((cleanup(close)))
#define TAKE(pointer)                                                                              \
    __extension__({                                                                                \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
