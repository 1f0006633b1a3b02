/* Any blob is either refused or the only blob of its tree; what can be asked of a parsed tree can
 * be asked without harm; a stemmed tree has a blob that is taken back. */
#include "base/mem.h"
#include "couch/revtree.h"
#include "fuzz/fuzz.h"

static void ask_everything(const struct dv_revtree *t)
{
    int32_t *out = dv_calloc((size_t)t->n + 1, sizeof(*out));
    int32_t winner = dv_revtree_winner(t), n;
    size_t missing;

    DV_FUZZ_CHECK(out);
    DV_FUZZ_CHECK((winner >= 0) == (t->n > 0));
    n = dv_revtree_leaves(t, out);
    DV_FUZZ_CHECK(n <= t->n && (n > 0) == (t->n > 0));
    DV_FUZZ_CHECK(dv_revtree_leaves_by_rank(t, out) == n);
    if (n > 0) {
        DV_FUZZ_CHECK(out[0] == winner);
        DV_FUZZ_CHECK(dv_revtree_find(t, t->nodes[winner].rev) >= 0);
        DV_FUZZ_CHECK(dv_revtree_missing(t, &t->nodes[winner].rev, 1, &missing) == 0);
        DV_FUZZ_CHECK(dv_revtree_descendant_leaves(t, 0, out) > 0);
        dv_revtree_possible_ancestors(t, &t->nodes[winner].rev, 1, out);
    }
    dv_free(out);
}

static void check_round_trip(const struct dv_revtree *t)
{
    struct dv_buf blob, again;
    struct dv_arena arena;
    struct dv_revtree parsed;
    struct dv_err err;

    dv_buf_init(&blob, SIZE_MAX / 2);
    dv_buf_init(&again, SIZE_MAX / 2);
    dv_arena_init(&arena, SIZE_MAX / 2);
    DV_FUZZ_CHECK(dv_revtree_serialise(t, &blob) == 0);
    DV_FUZZ_CHECK(dv_revtree_parse(dv_buf_slice(&blob), &arena, &parsed, &err) == 0);
    DV_FUZZ_CHECK(dv_revtree_serialise(&parsed, &again) == 0);
    DV_FUZZ_CHECK(dv_slice_eq(dv_buf_slice(&blob), dv_buf_slice(&again)));
    dv_arena_fini(&arena);
    dv_buf_fini(&blob);
    dv_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct dv_arena arena;
    struct dv_revtree t;
    struct dv_err err;
    struct dv_buf out;

    dv_arena_init(&arena, 1 << 26);
    dv_buf_init(&out, 1 << 26);
    if (dv_revtree_parse(dv_slice(bytes, n), &arena, &t, &err) == 0) {
        DV_FUZZ_CHECK(dv_revtree_serialise(&t, &out) == 0);
        DV_FUZZ_CHECK(dv_slice_eq(dv_buf_slice(&out), dv_slice(bytes, n)));
        ask_everything(&t);
        DV_FUZZ_CHECK(dv_revtree_stem(&t, 2, NULL, NULL) >= 0);
        ask_everything(&t);
        check_round_trip(&t);
    }
    dv_buf_fini(&out);
    dv_arena_fini(&arena);
    return 0;
}
