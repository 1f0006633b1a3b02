/* engine/memory/map: against a sorted array, and its versions against each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rand.h"
#include "engine/memory/map.h"
#include "lib/check_main.h"

enum { KEYS = 300 };

struct entry {
    struct dv_pmap_value value;
    unsigned char key[2];
    int tag;
};

/* What a version should hold: tag per key, 0 is absent; odd tags are counted. */
struct model {
    int tag[KEYS];
};

static void set_key(unsigned char key[2], int k)
{
    key[0] = (unsigned char)(k >> 8);
    key[1] = (unsigned char)k;
}

static int put(struct dv_pmap *m, int k, int tag)
{
    struct entry *e = dv_pmap_value_new(sizeof(*e));
    int rc;

    if (!e)
        return DV_ENOMEM;
    set_key(e->key, k);
    e->tag = tag;
    rc = dv_pmap_put(m, dv_slice(e->key, 2), &e->value, tag % 2 != 0);
    dv_pmap_value_unref(&e->value);
    return rc;
}

static int take(struct dv_pmap *m, int k)
{
    unsigned char key[2];

    set_key(key, k);
    return dv_pmap_remove(m, dv_slice(key, 2));
}

static void check_counts(const struct dv_pmap *m, const struct model *want)
{
    uint64_t size = 0, counted = 0;

    for (int k = 0; k < KEYS; k++) {
        unsigned char key[2];
        struct dv_slice s = dv_slice(key, 2);
        const struct entry *e;

        set_key(key, k);
        e = dv_pmap_get(m, s);
        ck_assert_int_eq(e ? e->tag : 0, want->tag[k]);
        ck_assert_uint_eq(dv_pmap_size_before(m, s), size);
        ck_assert_uint_eq(dv_pmap_counted_before(m, s), counted);
        ck_assert(dv_pmap_has_prefix(m, s) == (want->tag[k] != 0));
        size += want->tag[k] != 0;
        counted += want->tag[k] % 2 != 0;
    }
    ck_assert_uint_eq(dv_pmap_size(m), size);
    ck_assert_uint_eq(dv_pmap_counted(m), counted);
}

/* Walk from k in both directions. */
static void check_walk(const struct dv_pmap *m, const struct model *want, int from)
{
    struct dv_pmap_iter it;
    unsigned char key[2];
    struct dv_slice s = dv_slice(key, 2), found;
    const struct entry *e;

    set_key(key, from);
    dv_pmap_seek(&it, m, &s, false);
    for (int k = from; k < KEYS; k++)
        if (want->tag[k]) {
            e = dv_pmap_next(&it);
            ck_assert(e && e->tag == want->tag[k]);
        }
    ck_assert_ptr_null(dv_pmap_next(&it));
    dv_pmap_seek(&it, m, &s, true);
    for (int k = from; k >= 0; k--)
        if (want->tag[k]) {
            e = dv_pmap_next(&it);
            ck_assert(e && e->tag == want->tag[k]);
        }
    ck_assert_ptr_null(dv_pmap_next(&it));
    e = dv_pmap_after(m, &s, &found);
    for (int k = from + 1; k < KEYS; k++)
        if (want->tag[k]) {
            ck_assert(e && e->tag == want->tag[k] && dv_slice_eq(found, dv_slice(e->key, 2)));
            return;
        }
    ck_assert_ptr_null(e);
}

START_TEST(it_agrees_with_a_sorted_array_over_random_changes)
{
    struct dv_pmap m = { NULL };
    struct model want = { { 0 } };
    struct dv_rng rng;

    dv_rng_seed(&rng, 1);
    for (int step = 1; step < dv_test_scale(5000, 200000); step++) {
        int k = (int)dv_rng_below(&rng, KEYS);

        if (dv_rng_below(&rng, 100) < 45) {
            ck_assert_int_eq(take(&m, k), 0);
            want.tag[k] = 0;
        } else {
            ck_assert_int_eq(put(&m, k, step), 0);
            want.tag[k] = step;
        }
        check_walk(&m, &want, k);
        if (step % 100 == 0)
            check_counts(&m, &want);
    }
    dv_pmap_clear(&m);
}
END_TEST

START_TEST(a_version_keeps_its_content_whatever_happens_to_the_others)
{
    enum { VERSIONS = 40 };
    struct dv_pmap m[VERSIONS] = { { NULL } };
    struct model want[VERSIONS] = { { { 0 } } };
    struct dv_rng rng;

    dv_rng_seed(&rng, 2);
    for (int v = 1; v < VERSIONS; v++) {
        int from = (int)dv_rng_below(&rng, (uint64_t)v);

        m[v] = dv_pmap_share(&m[from]);
        want[v] = want[from];
        for (int i = 0; i < 60; i++) {
            int k = (int)dv_rng_below(&rng, KEYS), tag = v * 100 + i;

            ck_assert_int_eq(tag % 3 ? put(&m[v], k, tag) : take(&m[v], k), 0);
            want[v].tag[k] = tag % 3 ? tag : 0;
        }
    }
    for (int v = 0; v < VERSIONS; v++) {
        check_counts(&m[v], &want[v]);
        dv_pmap_clear(&m[v]);
    }
}
END_TEST

START_TEST(keys_in_order_keep_it_shallow)
{
    struct dv_pmap m = { NULL };
    struct dv_pmap_iter it;
    int deepest = 0;

    for (int k = 0; k < 1 << 16; k++)
        ck_assert_int_eq(put(&m, k, 1), 0);
    for (int k = 0; k < 1 << 16; k += 100) {
        unsigned char key[2];
        struct dv_slice s = dv_slice(key, 2);

        set_key(key, k);
        dv_pmap_seek(&it, &m, &s, k % 200 == 0);
        deepest = it.depth > deepest ? it.depth : deepest;
    }
    ck_assert_int_le(deepest, 38); /* 2.41 * 16 */
    dv_pmap_clear(&m);
}
END_TEST

static bool fails(void *arg)
{
    int *left = arg;

    return (*left)-- == 0;
}

START_TEST(a_failed_allocation_leaves_the_other_versions_alone)
{
    struct dv_pmap base = { NULL };
    struct model want = { { 0 } };

    for (int k = 0; k < KEYS; k += 2) {
        ck_assert_int_eq(put(&base, k, k + 1), 0);
        want.tag[k] = k + 1;
    }
    for (int k = 0; k < KEYS; k++) {
        int rc = DV_ENOMEM;

        for (int n = 0; rc < 0; n++) {
            struct dv_pmap m = dv_pmap_share(&base);
            int left = n;

            dv_mem_set_fault(fails, &left);
            rc = k % 2 ? put(&m, k, 1) : take(&m, k);
            dv_mem_set_fault(NULL, NULL);
            ck_assert(rc == 0 || rc == DV_ENOMEM);
            ck_assert_int_lt(n, 100);
            dv_pmap_clear(&m);
        }
    }
    check_counts(&base, &want);
    dv_pmap_clear(&base);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pmap");
    TCase *tc = tcase_create("pmap");

    tcase_add_test(tc, it_agrees_with_a_sorted_array_over_random_changes);
    tcase_add_test(tc, a_version_keeps_its_content_whatever_happens_to_the_others);
    tcase_add_test(tc, keys_in_order_keep_it_shallow);
    tcase_add_test(tc, a_failed_allocation_leaves_the_other_versions_alone);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(suite, tc);
    return dv_check_run(suite);
}
