/* couch: stored revision trees, large ones, and trees without memory. */
#include <stdlib.h>

#include "base/mem.h"
#include "lib/check_main.h"
#include "lib/random_paths.h"

enum { ARENA_MAX = 256 << 20 };

static struct dv_arena arena;
static struct dv_revtree tree;

static void setup(void)
{
    dv_arena_init(&arena, ARENA_MAX);
    dv_revtree_init(&tree, &arena);
}

static void teardown(void)
{
    dv_arena_fini(&arena);
}

static void random_tree(uint64_t seed)
{
    struct random_paths r = { .arena = &arena, .alphabet = seed % 3 ? 3 : -4 };

    dv_arena_reset(&arena);
    dv_revtree_init(&tree, &arena);
    random_paths_make(&r, seed, 1 + seed % 12);
    for (size_t i = 0; i < r.n; i++)
        merge_path(&tree, &r.made[i]);
    for (int32_t i = 0; i < tree.n; i++) {
        if (dv_rng_below(&r.rng, 2) == 0)
            continue;
        tree.nodes[i].body = dv_rng_next(&r.rng) >> dv_rng_below(&r.rng, 64);
        tree.nodes[i].bytes = dv_rng_below(&r.rng, 100000);
    }
}

START_TEST(a_tree_comes_back_from_its_blob)
{
    for (uint64_t seed = 0; seed < 1500; seed++) {
        struct dv_revtree back;
        struct dv_slice blob;

        random_tree(seed);
        blob = blob_of(&arena, &tree);
        ck_assert_int_eq(dv_revtree_parse(blob, &arena, &back, NULL), 0);
        ck_assert(dv_slice_eq(blob, blob_of(&arena, &back)));
        ck_assert_int_eq(back.n, tree.n);
        for (int32_t i = 0; i < back.n; i++) {
            const struct dv_revnode *b = &back.nodes[i], *a = tree.nodes;

            while (!dv_rev_eq(a->rev, b->rev) || a->body != b->body || a->bytes != b->bytes ||
                   a->children != b->children || a->deleted != b->deleted)
                ck_assert(++a < tree.nodes + tree.n);
            ck_assert_int_lt(b->parent, i);
        }
        /* and goes on as if it had never been stored */
        ck_assert_int_ge(dv_revtree_stem(&tree, 3, NULL, NULL), 0);
        ck_assert_int_ge(dv_revtree_stem(&back, 3, NULL, NULL), 0);
        ck_assert_msg(dv_slice_eq(blob_of(&arena, &tree), blob_of(&arena, &back)), "seed %llu",
                      (unsigned long long)seed);
    }
}
END_TEST

/* A blob that is taken at all is the only one of its tree. */
static void parse_hostile(struct dv_slice blob)
{
    struct dv_revtree back;
    struct dv_err err = { 0 };
    int rc = dv_revtree_parse(blob, &arena, &back, &err);

    if (rc == 0)
        ck_assert(dv_slice_eq(blob, blob_of(&arena, &back)));
    else
        ck_assert(rc == DV_ECORRUPT || rc == DV_ENEWER);
}

START_TEST(a_damaged_blob_is_refused_or_is_another_tree)
{
    struct dv_rng rng;

    dv_rng_seed(&rng, 7);
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct dv_slice blob;
        char *bytes;

        random_tree(seed);
        blob = blob_of(&arena, &tree);
        for (int i = 0; i < 40; i++) {
            size_t n = blob.n + (size_t)dv_rng_below(&rng, 3) - 1;

            bytes = malloc(n); /* its own allocation, so that ASan sees a read past the end */
            memcpy(bytes, blob.p, n < blob.n ? n : blob.n);
            if (n > blob.n)
                bytes[n - 1] = (char)dv_rng_next(&rng);
            bytes[dv_rng_below(&rng, n)] = (char)dv_rng_next(&rng);
            parse_hostile(dv_slice(bytes, n));
            free(bytes);
        }
    }
}
END_TEST

START_TEST(every_cut_or_longer_blob_is_refused)
{
    struct dv_revtree back;
    struct dv_slice blob;

    random_tree(11);
    blob = blob_of(&arena, &tree);
    for (size_t n = 0; n < blob.n; n++) {
        char *bytes = malloc(n + 1);

        memcpy(bytes, blob.p, n);
        ck_assert_int_eq(dv_revtree_parse(dv_slice(bytes, n), &arena, &back, NULL), DV_ECORRUPT);
        free(bytes);
    }
    ck_assert_int_eq(dv_revtree_parse(dv_slice(blob.p, blob.n + 1), &arena, &back, NULL),
                     DV_ECORRUPT);
}
END_TEST

/* The example of docs/FORMAT.md: 1-<16 bytes>, deleted 2-b with a body, 2-c; and 7-z. */
static const char format_example[] = "\x01\x04"
                                     "\x00\x01\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c"
                                     "\x1d\x1e\x1f"
                                     "\x07\x01"
                                     "b\xac\x02\x64"
                                     "\x0c\x01"
                                     "c"
                                     "\x14\x07\x01z";

START_TEST(the_blob_is_what_the_format_page_says)
{
    char raw[16];
    struct dv_slice ids[2] = { { "b", 1 }, { raw, 16 } };
    struct dv_revpath path = { 2, ids, 2, true };
    enum dv_merge what;
    int32_t leaf;

    for (int i = 0; i < 16; i++)
        raw[i] = (char)(0x10 + i);
    ck_assert_int_eq(dv_revtree_merge(&tree, &path, &what, &leaf, NULL), 0);
    tree.nodes[leaf].body = 300;
    tree.nodes[leaf].bytes = 100;
    ids[0] = DV_SLICE_LIT("c");
    path.deleted = false;
    ck_assert_int_eq(dv_revtree_merge(&tree, &path, &what, &leaf, NULL), 0);
    ids[0] = DV_SLICE_LIT("z");
    path = (struct dv_revpath){ 7, ids, 1, false };
    merge_path(&tree, &path);
    ck_assert(
        dv_slice_eq(blob_of(&arena, &tree), dv_slice(format_example, sizeof(format_example) - 1)));
}
END_TEST

START_TEST(blobs_that_say_the_same_in_another_way_are_refused)
{
    static const struct dv_slice bad[] = {
        DV_SLICE_LIT("\x00\x00"),                      /* version 0 */
        DV_SLICE_LIT("\x01\x80\x00"),                  /* long form of a count of 0 */
        DV_SLICE_LIT("\x01\x01\x04\x01\x00"),          /* empty id */
        DV_SLICE_LIT("\x01\x01\x04\x00\x01z"),         /* generation 0 */
        DV_SLICE_LIT("\x01\x01\x0c\x01\x01z"),         /* climbs above the first node */
        DV_SLICE_LIT("\x01\x01\x06\x01\x01z\x00\x00"), /* a body that is none */
        DV_SLICE_LIT("\x01\x01\x04\x01\x10"
                     "0123456789abcdef"),                        /* 16 bytes written as text */
        DV_SLICE_LIT("\x01\x02\x04\x01\x01z\x0c\x01\x01z"),      /* the same root twice */
        DV_SLICE_LIT("\x01\x02\x04\x01\x01z\x0c\x01\x01y"),      /* roots out of order */
        DV_SLICE_LIT("\x01\x03\x04\x01\x01z\x04\x01z\x0c\x01y"), /* siblings out of order */
        DV_SLICE_LIT("\x01\x01\x04\xff\xff\xff\xff\xff\xff\xff\x1f\x01z"), /* huge generation */
        DV_SLICE_LIT("\x01\xff\xff\xff\xff\x0f"), /* a count that can not be */
    };
    struct dv_revtree back;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(dv_revtree_parse(bad[i], &arena, &back, NULL) == DV_ECORRUPT, "number %zu",
                      i);
    ck_assert_int_eq(dv_revtree_parse(DV_SLICE_LIT("\x01\x01\x04\x01\x01z"), &arena, &back, NULL),
                     0);
}
END_TEST

START_TEST(a_blob_of_a_newer_version_is_refused_as_such)
{
    struct dv_revtree back;

    ck_assert_int_eq(dv_revtree_parse(DV_SLICE_LIT("\x02\x00"), &arena, &back, NULL), DV_ENEWER);
    ck_assert_int_eq(dv_revtree_parse(DV_SLICE_LIT("\xff"), &arena, &back, NULL), DV_ENEWER);
}
END_TEST

/* Large trees. */

static struct dv_slice numbered_id(uint64_t i)
{
    struct dv_rng rng;
    uint64_t id[2];

    dv_rng_seed(&rng, i);
    id[0] = dv_rng_next(&rng);
    id[1] = dv_rng_next(&rng);
    return dv_arena_copy(&arena, dv_slice(id, sizeof(id)));
}

START_TEST(a_thousand_revisions_in_a_row_take_17_bytes_each)
{
    struct dv_slice ids[1000];
    struct dv_revpath path = { 1000, ids, 1000, false };

    for (uint64_t i = 0; i < 1000; i++)
        ids[i] = numbered_id(i);
    ck_assert_int_eq(merge_path(&tree, &path), DV_MERGE_NEW_LEAF);
    ck_assert_uint_le(blob_of(&arena, &tree).n, 17 * 1000 + 8);
    for (uint64_t i = 0; i < 1000; i++)
        ck_assert(
            dv_rev_eq(tree.nodes[dv_revtree_find(&tree, (struct dv_rev){ 1000 - i, ids[i] })].rev,
                      (struct dv_rev){ 1000 - i, ids[i] }));
}
END_TEST

START_TEST(ten_thousand_conflicts_are_found_again_and_in_order)
{
    enum { CONFLICTS = 10000 };
    struct dv_slice root = DV_SLICE_LIT("root");
    struct dv_revtree back;
    int32_t *leaves, n;

    for (uint64_t i = 0; i < CONFLICTS; i++) {
        struct dv_slice *ids = dv_arena_alloc(&arena, 2 * sizeof(*ids));
        struct dv_revpath path = { 2, ids, 2, i % 3 == 0 };

        ids[0] = numbered_id(i);
        ids[1] = root;
        ck_assert_int_eq(merge_path(&tree, &path), i ? DV_MERGE_NEW_BRANCH : DV_MERGE_NEW_LEAF);
    }
    ck_assert_int_eq(tree.n, CONFLICTS + 1);
    for (uint64_t i = 0; i < CONFLICTS; i++)
        ck_assert_int_ge(dv_revtree_find(&tree, (struct dv_rev){ 2, numbered_id(i) }), 0);
    ck_assert_int_eq(dv_revtree_find(&tree, (struct dv_rev){ 2, numbered_id(CONFLICTS) }), -1);
    ck_assert_int_eq(dv_revtree_find(&tree, (struct dv_rev){ 3, numbered_id(0) }), -1);
    leaves = dv_arena_alloc(&arena, (CONFLICTS + 1) * sizeof(*leaves));
    n = dv_revtree_leaves(&tree, leaves);
    ck_assert_int_eq(n, CONFLICTS);
    for (int32_t i = 1; i < n; i++)
        ck_assert_int_lt(dv_rev_cmp(tree.nodes[leaves[i - 1]].rev, tree.nodes[leaves[i]].rev), 0);
    dv_revtree_leaves_by_rank(&tree, leaves);
    ck_assert_int_eq(leaves[0], dv_revtree_winner(&tree));
    ck_assert_int_eq(dv_revtree_parse(blob_of(&arena, &tree), &arena, &back, NULL), 0);
    ck_assert(dv_slice_eq(blob_of(&arena, &tree), blob_of(&arena, &back)));
}
END_TEST

START_TEST(a_tree_stops_at_its_ceiling_of_nodes)
{
    struct dv_slice *ids = calloc(DV_REVTREE_NODES_MAX, sizeof(*ids));
    struct dv_revpath path = { DV_REVTREE_NODES_MAX, ids, DV_REVTREE_NODES_MAX, false };
    struct dv_slice other = DV_SLICE_LIT("y");
    struct dv_revpath more = { 1, &other, 1, false };
    enum dv_merge what;
    int32_t leaf;

    for (size_t i = 0; i < path.n; i++)
        ids[i] = DV_SLICE_LIT("x");
    merge_path(&tree, &path);
    ck_assert_int_eq(dv_revtree_merge(&tree, &more, &what, &leaf, NULL), DV_ETOOBIG);
    ck_assert_int_eq(tree.n, DV_REVTREE_NODES_MAX);
    ck_assert_int_eq(dv_revtree_stem(&tree, 10, NULL, NULL), 1);
    ck_assert_int_eq(tree.n, 10);
    free(ids);
}
END_TEST

/* Memory. */

static int allocations_left;

static bool fail_after(void *arg)
{
    (void)arg;
    return allocations_left-- <= 0;
}

static void count_drop(void *arg, const struct dv_revnode *node)
{
    (void)node;
    ++*(int *)arg;
}

START_TEST(without_memory_a_tree_stays_as_it_was)
{
    int failed_stems = 0, failed_merges = 0;

    for (size_t room = 64; room < 6000; room += 64) {
        struct dv_arena small;
        struct dv_revtree back;
        struct random_paths r = { .arena = &arena, .alphabet = -3 };
        struct dv_slice before;

        dv_arena_reset(&arena);
        dv_revtree_init(&tree, &arena);
        random_paths_make(&r, room, 20);
        for (size_t i = 0; i < r.n; i++)
            merge_path(&tree, &r.made[i]);
        for (int32_t i = 0; i < tree.n; i++)
            tree.nodes[i].body = (uint64_t)i + 1;
        before = blob_of(&arena, &tree);
        dv_arena_init(&small, room);
        if (dv_revtree_parse(before, &small, &back, NULL) == 0) {
            enum dv_merge what;
            int32_t leaf;
            struct dv_revpath path = path_of(&arena, 9, "i h g f e d c b q", false);

            int drops = 0;

            if (dv_revtree_stem(&back, 2, count_drop, &drops) == DV_ENOMEM) {
                ck_assert_int_eq(drops, 0);
                ck_assert(dv_slice_eq(before, blob_of(&arena, &back)));
                failed_stems++;
            }
            before = blob_of(&arena, &back);
            if (dv_revtree_merge(&back, &path, &what, &leaf, NULL) == DV_ENOMEM) {
                ck_assert(dv_slice_eq(before, blob_of(&arena, &back)));
                failed_merges++;
            }
        }
        dv_arena_fini(&small);
    }
    ck_assert_int_gt(failed_stems, 0);
    ck_assert_int_gt(failed_merges, 0);
}
END_TEST

START_TEST(a_parse_without_memory_fails_cleanly)
{
    struct dv_revtree back = { .n = 77 };
    struct dv_slice blob;
    struct dv_arena small;

    random_tree(4);
    blob = blob_of(&arena, &tree);
    dv_arena_init(&small, ARENA_MAX);
    allocations_left = 0;
    dv_mem_set_fault(fail_after, NULL);
    ck_assert_int_eq(dv_revtree_parse(blob, &small, &back, NULL), DV_ENOMEM);
    dv_mem_set_fault(NULL, NULL);
    ck_assert_int_eq(back.n, 77);
    dv_arena_fini(&small);
}
END_TEST

static void add_blobs(TCase *c)
{
    tcase_add_test(c, a_tree_comes_back_from_its_blob);
    tcase_add_test(c, a_damaged_blob_is_refused_or_is_another_tree);
    tcase_add_test(c, every_cut_or_longer_blob_is_refused);
    tcase_add_test(c, the_blob_is_what_the_format_page_says);
    tcase_add_test(c, blobs_that_say_the_same_in_another_way_are_refused);
    tcase_add_test(c, a_blob_of_a_newer_version_is_refused_as_such);
    tcase_add_test(c, a_thousand_revisions_in_a_row_take_17_bytes_each);
    tcase_add_test(c, ten_thousand_conflicts_are_found_again_and_in_order);
    tcase_add_test(c, a_tree_stops_at_its_ceiling_of_nodes);
    tcase_add_test(c, without_memory_a_tree_stays_as_it_was);
    tcase_add_test(c, a_parse_without_memory_fails_cleanly);
}

int main(void)
{
    Suite *s = suite_create("stored revision trees");
    TCase *c = tcase_create("blobs");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    add_blobs(c);
    suite_add_tcase(s, c);
    return dv_check_run(s);
}
