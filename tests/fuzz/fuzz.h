/* What a fuzz target gives: one function that takes any bytes and aborts when a promise of the
 * product is broken. libFuzzer calls it in a build with --enable-fuzzers; in all other builds
 * replay.c does, over the corpus and a fixed series of mutations, as part of `make check`. */
#ifndef DV_TESTS_FUZZ_H
#define DV_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define DV_FUZZ_CHECK(condition)                                                                   \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
