/* How much memory and log a bulk write takes, in a process of its own: 64 MiB each are promised for
 * documents of ordinary size, however many they are (a million of them at the soak level). What is
 * written is what `make bench` writes. */
#include <stdio.h>

#include "bench/bench.h"
#include "lib/check_main.h"

enum {
    PEAK_MAX_KIB = 64 * 1024,
    LOG_MAX_BYTES = 64 << 20,
    CACHE_KIB = BENCH_CACHE_BYTES / 1024,
    SKIPPED = 77
};

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { OWN_MEMORY = 0 }; /* a sanitizer's shadow is most of what would be measured */
#else
enum { OWN_MEMORY = 1 };
#endif

static void check_peak(bench_fn *fn, const struct bench_divan *arg)
{
    struct bench_result result;

    bench_run(fn, arg, &result);
    ck_assert_uint_eq(result.rows, arg->docs);
    ck_assert_uint_gt(result.peak_log_bytes, 0);
    ck_assert_uint_le(result.peak_log_bytes, LOG_MAX_BYTES);
    ck_assert_msg(result.peak_anon_kib <= PEAK_MAX_KIB, "%llu KiB",
                  (unsigned long long)result.peak_anon_kib);
    /* The page cache has filled: all there is was seen. */
    ck_assert_uint_ge(result.peak_anon_kib, CACHE_KIB);
}

START_TEST(writing_and_editing_many_documents_stays_within_64_mib)
{
    char path[600];
    struct bench_divan divan = { path, (uint64_t)dv_test_scale(100 * 1000, 1000 * 1000) };

    snprintf(path, sizeof(path), "%s/memory.divan", dv_test_dir());
    check_peak(bench_divan_write, &divan);
    check_peak(bench_divan_edit, &divan);
    dv_test_dir_remove();
}
END_TEST

int main(void)
{
    Suite *suite;
    TCase *tc;

    if (!OWN_MEMORY) {
        puts("not under a sanitizer");
        return SKIPPED;
    }
    suite = suite_create("memory");
    tc = tcase_create("peaks");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, writing_and_editing_many_documents_stays_within_64_mib);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
