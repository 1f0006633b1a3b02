/* couch: revision trees against a naive model, and their own promises. The recordings of CouchDB's
 * key tree are in check_couch_vectors.c. Random tests print the seed they failed with. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/check_main.h"
#include "lib/keytree_model.h"
#include "lib/random_paths.h"

enum { ARENA_MAX = 256 << 20, TEXT_MAX = 64 << 20 };

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

static int32_t put(uint64_t start, const char *words, bool deleted, enum dv_merge expected)
{
    struct dv_revpath path = path_of(&arena, start, words, deleted);
    struct dv_err err = { 0 };
    enum dv_merge what;
    int32_t leaf = -1;

    ck_assert_msg(dv_revtree_merge(&tree, &path, &what, &leaf, &err) == 0, "%s", err.reason);
    ck_assert_msg(what == expected, "%llu-%s: %d instead of %d", (unsigned long long)start, words,
                  what, expected);
    ck_assert(dv_slice_eq(tree.nodes[leaf].rev.id, path.ids[0]));
    return leaf;
}

static struct dv_rev rev(uint64_t gen, const char *id)
{
    return (struct dv_rev){ gen, dv_slice_str(id) };
}

/* "2-c 2-b" of indexes; static. */
static const char *names(const int32_t *nodes, int32_t n)
{
    static char text[256];

    text[0] = '\0';
    for (int32_t i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%llu-%.*s", i ? " " : "",
                 (unsigned long long)tree.nodes[nodes[i]].rev.gen,
                 (int)tree.nodes[nodes[i]].rev.id.n, tree.nodes[nodes[i]].rev.id.p);
    return text;
}

/* The document "conf" of tests/vectors/http.jsonl, steps 83 to 98. */
static void make_conf(void)
{
    put(2, "bbb aaa", false, DV_MERGE_NEW_LEAF);
    put(2, "ccc aaa", false, DV_MERGE_NEW_BRANCH);
    put(2, "ddd aaa", true, DV_MERGE_NEW_BRANCH);
}

START_TEST(a_merge_is_a_new_leaf_a_new_branch_or_known)
{
    put(1, "a", false, DV_MERGE_NEW_LEAF);
    put(2, "b a", false, DV_MERGE_NEW_LEAF);
    put(2, "c a", false, DV_MERGE_NEW_BRANCH);
    put(1, "a", false, DV_MERGE_INTERNAL_NODE);
    put(2, "c a", false, DV_MERGE_INTERNAL_NODE);
    put(4, "e d b", false, DV_MERGE_NEW_LEAF);
    put(1, "x", false, DV_MERGE_NEW_BRANCH);
    ck_assert_int_eq(tree.n, 6);
}
END_TEST

START_TEST(a_longer_past_becomes_the_new_root)
{
    int32_t leaf = put(3, "c", false, DV_MERGE_NEW_LEAF);
    int32_t again = put(3, "c b a", false, DV_MERGE_INTERNAL_NODE);

    ck_assert_int_eq(leaf, again);
    ck_assert_int_eq(tree.n, 3);
    ck_assert(dv_rev_eq(tree.nodes[tree.nodes[leaf].parent].rev, rev(2, "b")));
}
END_TEST

START_TEST(a_path_that_does_not_fit_its_generation_is_refused_and_changes_nothing)
{
    static const struct dv_slice ids[] = { { "b", 1 }, { "a", 1 } };
    static const struct dv_slice empty[] = { { "", 0 } };
    const struct dv_revpath bad[] = { { 1, ids, 2, false },
                                      { 1, ids, 0, false },
                                      { 0, ids, 0, false },
                                      { DV_REV_GEN_MAX + 1, ids, 2, false },
                                      { 1, empty, 1, false } };

    put(1, "a", false, DV_MERGE_NEW_LEAF);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        enum dv_merge what;
        int32_t leaf;

        ck_assert_int_eq(dv_revtree_merge(&tree, &bad[i], &what, &leaf, NULL), DV_EINVAL);
    }
    ck_assert_int_eq(tree.n, 1);
}
END_TEST

START_TEST(the_winner_is_live_then_longest_then_greatest)
{
    char ff[16], text[] = "zzz";

    memset(ff, 0xff, sizeof(ff));
    ck_assert_int_eq(dv_revtree_winner(&tree), -1);
    put(9, "i", true, DV_MERGE_NEW_LEAF);
    put(1, "a", false, DV_MERGE_NEW_BRANCH);
    ck_assert_str_eq((names((int32_t[]){ dv_revtree_winner(&tree) }, 1)), "1-a");
    put(2, text, false, DV_MERGE_NEW_BRANCH);
    ck_assert_str_eq((names((int32_t[]){ dv_revtree_winner(&tree) }, 1)), "2-zzz");
    {
        struct dv_slice id = dv_slice(ff, sizeof(ff));
        struct dv_revpath path = { 2, &id, 1, false };
        enum dv_merge what;
        int32_t leaf;

        ck_assert_int_eq(dv_revtree_merge(&tree, &path, &what, &leaf, NULL), 0);
        ck_assert_int_eq(dv_revtree_winner(&tree), leaf);
    }
}
END_TEST

START_TEST(leaves_come_in_tree_order_or_winner_first)
{
    int32_t out[8];

    make_conf();
    ck_assert_str_eq(names(out, dv_revtree_leaves(&tree, out)), "2-bbb 2-ccc 2-ddd");
    ck_assert_str_eq(names(out, dv_revtree_leaves_by_rank(&tree, out)), "2-ccc 2-bbb 2-ddd");
    put(1, "zzz", false, DV_MERGE_NEW_BRANCH);
    ck_assert_str_eq(names(out, dv_revtree_leaves(&tree, out)), "1-zzz 2-bbb 2-ccc 2-ddd");
}
END_TEST

START_TEST(latest_follows_an_ancestor_to_all_its_leaves)
{
    int32_t out[8];

    make_conf();
    ck_assert_str_eq(
        names(out, dv_revtree_descendant_leaves(&tree, dv_revtree_find(&tree, rev(1, "aaa")), out)),
        "2-bbb 2-ccc 2-ddd");
    ck_assert_str_eq(
        names(out, dv_revtree_descendant_leaves(&tree, dv_revtree_find(&tree, rev(2, "bbb")), out)),
        "2-bbb");
}
END_TEST

START_TEST(revisions_that_are_missing_have_lower_leaves_as_possible_ancestors)
{
    const struct dv_rev asked[] = { rev(2, "bbb"), rev(3, "new"), rev(2, "ccc") };
    const struct dv_rev low = rev(2, "zzz");
    size_t missing[3];
    int32_t out[8];

    make_conf();
    ck_assert_uint_eq(dv_revtree_missing(&tree, asked, 3, missing), 1);
    ck_assert_uint_eq(missing[0], 1);
    ck_assert_str_eq(names(out, dv_revtree_possible_ancestors(&tree, &asked[1], 1, out)),
                     "2-ccc 2-bbb 2-ddd");
    ck_assert_int_eq(dv_revtree_possible_ancestors(&tree, &low, 1, out), 0);
}
END_TEST

START_TEST(nothing_is_found_in_an_empty_tree)
{
    const struct dv_rev asked = rev(1, "a");
    size_t missing[1];
    int32_t out[1];

    ck_assert_int_eq(dv_revtree_find(&tree, asked), -1);
    ck_assert_int_eq(dv_revtree_leaves(&tree, out), 0);
    ck_assert_int_eq(dv_revtree_leaves_by_rank(&tree, out), 0);
    ck_assert_uint_eq(dv_revtree_missing(&tree, &asked, 1, missing), 1);
    ck_assert_int_eq(dv_revtree_stem(&tree, 1, NULL, NULL), 0);
    ck_assert(!dv_revtree_remove_leaf(&tree, asked, NULL, NULL));
}
END_TEST

START_TEST(purging_a_leaf_takes_what_led_only_to_it)
{
    int32_t out[8];

    put(4, "d c b a", false, DV_MERGE_NEW_LEAF);
    put(2, "x a", false, DV_MERGE_NEW_BRANCH);
    ck_assert(!dv_revtree_remove_leaf(&tree, rev(3, "c"), NULL, NULL));
    ck_assert(!dv_revtree_remove_leaf(&tree, rev(4, "y"), NULL, NULL));
    ck_assert(dv_revtree_remove_leaf(&tree, rev(4, "d"), NULL, NULL));
    ck_assert_int_eq(tree.n, 2);
    ck_assert_str_eq(names(out, dv_revtree_leaves(&tree, out)), "2-x");
    ck_assert(dv_revtree_remove_leaf(&tree, rev(2, "x"), NULL, NULL));
    ck_assert_int_eq(tree.n, 0);
    put(1, "n", false, DV_MERGE_NEW_LEAF);
}
END_TEST

START_TEST(stemming_keeps_an_ancestor_that_another_leaf_needs)
{
    put(5, "e d c b a", false, DV_MERGE_NEW_LEAF);
    put(3, "x b a", false, DV_MERGE_NEW_BRANCH);
    ck_assert_int_eq(dv_revtree_stem(&tree, 2, NULL, NULL), 1);
    /* b stays for x; c goes, and e with d becomes a tree of its own */
    ck_assert_int_eq(tree.n, 4);
    ck_assert_int_eq(tree.nodes[dv_revtree_find(&tree, rev(4, "d"))].parent, -1);
    ck_assert_int_eq(dv_revtree_find(&tree, rev(3, "c")), -1);
    ck_assert_int_eq(dv_revtree_stem(&tree, 2, NULL, NULL), 0);
}
END_TEST

static void same_as_model(const struct model *m, const char *when, uint64_t seed, size_t step)
{
    struct dv_buf want, got;

    dv_buf_init(&want, TEXT_MAX);
    dv_buf_init(&got, TEXT_MAX);
    model_print(m, &want);
    revtree_print(&tree, &got);
    ck_assert_msg(dv_slice_eq(dv_buf_slice(&want), dv_buf_slice(&got)),
                  "seed %llu, step %zu, %s: expected\n%sbut got\n%s", (unsigned long long)seed,
                  step, when, dv_buf_cstr(&want), dv_buf_cstr(&got));
    dv_buf_fini(&want);
    dv_buf_fini(&got);
}

static void compare_with_model(uint64_t seed)
{
    static const int alphabets[] = { 2, 3, -2, -3, -8 };
    static const uint64_t limits[] = { 1, 2, 3, 5, 1000 };
    struct random_paths r = { .arena = &arena, .alphabet = alphabets[seed % 5] };
    uint64_t limit = limits[seed / 5 % 5];
    struct model m = { &arena, NULL };

    random_paths_make(&r, seed, 24);
    for (size_t i = 0; i < r.n; i++) {
        ck_assert_int_eq(model_merge(&m, &r.made[i]), merge_path(&tree, &r.made[i]));
        same_as_model(&m, "merge", seed, i);
        if (dv_rng_below(&r.rng, 3) == 0)
            continue;
        model_stem(&m, limit);
        ck_assert_int_ge(dv_revtree_stem(&tree, limit, NULL, NULL), 0);
        same_as_model(&m, "stem", seed, i);
    }
    while (m.roots) {
        int32_t *leaves = dv_arena_alloc(&arena, (size_t)tree.n * sizeof(*leaves));
        int32_t n = dv_revtree_leaves(&tree, leaves);
        struct dv_rev gone = tree.nodes[leaves[dv_rng_below(&r.rng, (uint64_t)n)]].rev;

        ck_assert(model_remove_leaf(&m, gone));
        ck_assert(dv_revtree_remove_leaf(&tree, gone, NULL, NULL));
        ck_assert_int_ge(dv_revtree_stem(&tree, 1000, NULL, NULL), 0);
        same_as_model(&m, "remove", seed, (size_t)tree.n);
    }
    ck_assert_int_eq(tree.n, 0);
}

START_TEST(random_paths_merge_and_stem_as_in_the_model)
{
    for (uint64_t seed = 0; seed < 3000; seed++) {
        dv_arena_reset(&arena);
        dv_revtree_init(&tree, &arena);
        compare_with_model(seed);
    }
}
END_TEST

START_TEST(whole_paths_give_the_same_tree_and_winner_in_any_order)
{
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct random_paths r = { .arena = &arena, .alphabet = 3, .whole = true };
        struct dv_slice first = { NULL, 0 }, blob;
        struct dv_rev winner = { 0 };

        dv_arena_reset(&arena);
        random_paths_make(&r, seed, 20);
        for (int order = 0; order < 6; order++) {
            dv_revtree_init(&tree, &arena);
            for (size_t i = r.n; i-- > 0;) {
                size_t k = (size_t)dv_rng_below(&r.rng, i + 1);
                struct dv_revpath path = r.made[k];

                r.made[k] = r.made[i];
                r.made[i] = path;
                merge_path(&tree, &path);
            }
            blob = blob_of(&arena, &tree);
            if (order == 0) {
                first = blob;
                winner = tree.nodes[dv_revtree_winner(&tree)].rev;
            }
            ck_assert_msg(dv_slice_eq(first, blob), "seed %llu", (unsigned long long)seed);
            ck_assert(dv_rev_eq(winner, tree.nodes[dv_revtree_winner(&tree)].rev));
        }
    }
}
END_TEST

/* Bodies are numbered; every one is kept or dropped exactly once. */
enum { BODIES_MAX = 64 };
static int seen_bodies[BODIES_MAX + 1];

static void count_drop(void *arg, const struct dv_revnode *node)
{
    (void)arg;
    ck_assert_uint_ne(node->body, 0);
    seen_bodies[node->body]++;
}

START_TEST(stemming_and_purging_report_every_body_they_lose_once)
{
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct random_paths r = { .arena = &arena, .alphabet = seed % 2 ? -3 : 3 };
        uint64_t bodies = 0;

        dv_arena_reset(&arena);
        dv_revtree_init(&tree, &arena);
        memset(seen_bodies, 0, sizeof(seen_bodies));
        random_paths_make(&r, seed, 30);
        for (size_t i = 0; i < r.n; i++) {
            enum dv_merge what;
            int32_t leaf;

            ck_assert_int_eq(dv_revtree_merge(&tree, &r.made[i], &what, &leaf, NULL), 0);
            if (tree.nodes[leaf].body == 0)
                tree.nodes[leaf].body = ++bodies;
            ck_assert_int_ge(dv_revtree_stem(&tree, 1 + seed % 4, count_drop, NULL), 0);
            if (dv_rng_below(&r.rng, 6) == 0)
                dv_revtree_remove_leaf(&tree, tree.nodes[dv_revtree_winner(&tree)].rev, count_drop,
                                       NULL);
        }
        for (int32_t i = 0; i < tree.n; i++)
            seen_bodies[tree.nodes[i].body]++;
        for (uint64_t i = 1; i <= bodies; i++)
            ck_assert_msg(seen_bodies[i] == 1, "seed %llu: body %llu of %llu seen %d times",
                          (unsigned long long)seed, (unsigned long long)i,
                          (unsigned long long)bodies, seen_bodies[i]);
        for (int32_t i = 0; i < tree.n; i++)
            ck_assert(tree.nodes[i].children > 0 || tree.nodes[i].body != 0);
    }
}
END_TEST

static void add_rules(TCase *c)
{
    tcase_add_test(c, a_merge_is_a_new_leaf_a_new_branch_or_known);
    tcase_add_test(c, a_longer_past_becomes_the_new_root);
    tcase_add_test(c, a_path_that_does_not_fit_its_generation_is_refused_and_changes_nothing);
    tcase_add_test(c, the_winner_is_live_then_longest_then_greatest);
    tcase_add_test(c, leaves_come_in_tree_order_or_winner_first);
    tcase_add_test(c, latest_follows_an_ancestor_to_all_its_leaves);
    tcase_add_test(c, revisions_that_are_missing_have_lower_leaves_as_possible_ancestors);
    tcase_add_test(c, nothing_is_found_in_an_empty_tree);
    tcase_add_test(c, purging_a_leaf_takes_what_led_only_to_it);
    tcase_add_test(c, stemming_keeps_an_ancestor_that_another_leaf_needs);
    tcase_add_test(c, random_paths_merge_and_stem_as_in_the_model);
    tcase_add_test(c, whole_paths_give_the_same_tree_and_winner_in_any_order);
    tcase_add_test(c, stemming_and_purging_report_every_body_they_lose_once);
}

int main(void)
{
    Suite *s = suite_create("revision trees");
    TCase *c = tcase_create("rules");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    add_rules(c);
    suite_add_tcase(s, c);
    return dv_check_run(s);
}
