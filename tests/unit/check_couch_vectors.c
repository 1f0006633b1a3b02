/* couch: what a real CouchDB did. revs.jsonl: the revision id of every edit or why it was
 * refused, and what was read back; revtrees.jsonl: 400
 * trees computed by CouchDB's own key-tree code. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "couch/document.h"
#include "couch/gzip.h"
#include "couch/revhash.h"
#include "couch/revtree.h"
#include "lib/check_main.h"
#include "lib/jsonl.h"
#include "json/writer.h"

enum {
    EDITS = 208,     /* lines of revs.jsonl with a rev, */
    REJECTIONS = 13, /* with an error, */
    READBACKS = 83,  /* and what the server gave back */
    ATTACHMENTS = 9, /* created ones, whose stored bytes are compared */
    TREES = 400,     /* lines of revtrees.jsonl */
    ATTS_MAX = 8,
    PATHS_MAX = 64,
    TEXT_MAX = 1 << 20,
};

static size_t edits, rejections, readbacks, attachments;

/* Revision ids. */

/* "md5-<base64>" to bytes in the arena. */
static const unsigned char *md5_of(struct dv_slice digest, struct dv_arena *arena)
{
    unsigned char *out = dv_arena_alloc(arena, 32);

    ck_assert(dv_slice_starts(digest, "md5-"));
    ck_assert_int_ge(EVP_DecodeBlock(out, (const unsigned char *)digest.p + 4, (int)digest.n - 4),
                     16);
    return out;
}

static size_t read_atts(const struct dv_json *stored, struct dv_revhash_att *atts,
                        struct dv_arena *arena)
{
    size_t n = 0;

    for (const struct dv_json *a = stored ? stored->first : NULL; a; a = a->next) {
        ck_assert_uint_lt(n, ATTS_MAX);
        atts[n++] = (struct dv_revhash_att){ a->key, dv_json_str(jsonl_get(a, "content_type")),
                                             md5_of(dv_json_str(jsonl_get(a, "digest")), arena) };
    }
    return n;
}

/* The document as it was last written. */
static struct {
    char body[TEXT_MAX];
    size_t body_bytes;
    struct dv_buf meta; /* {"_id":"...","_rev":"..." */
} last;

static void refused_as_recorded(const struct dv_json *line, int rc, const struct dv_err *err,
                                size_t number)
{
    int64_t status;

    ck_assert_msg(rc < 0, "line %zu was taken", number);
    ck_assert(dv_json_int(jsonl_get(line, "status"), &status));
    ck_assert_msg(err->http_status == status &&
                      dv_slice_eq_str(dv_json_str(jsonl_get(line, "error")), err->name) &&
                      dv_slice_eq_str(dv_json_str(jsonl_get(line, "reason")), err->reason),
                  "line %zu: %d %s %s", number, err->http_status, err->name, err->reason);
    rejections++;
}

/* Take the line's body; put_attachment has none of its own: it is that of the edit before it. False
 * when it is refused, as it should be. */
static bool take_body(const struct dv_json *line, struct dv_arena *arena, size_t number)
{
    const struct dv_json *body = dv_json_get(line, "body");
    struct dv_document_parser *parser;
    struct dv_document doc = { 0 };
    struct dv_err err = { 0 };
    int rc;

    if (!body)
        return true;
    ck_assert_int_eq(dv_document_parser_new(0, 0, &parser, NULL), 0);
    rc = dv_document_parse(parser, dv_json_str(body), arena, &doc, &err);
    dv_document_parser_free(parser);
    if (dv_json_get(line, "error")) {
        refused_as_recorded(line, rc, &err, number);
        return false;
    }
    ck_assert_msg(rc == 0, "line %zu: %s", number, err.reason);
    ck_assert_uint_le(doc.body.n, TEXT_MAX);
    memcpy(last.body, doc.body.p, doc.body.n);
    last.body_bytes = doc.body.n;
    return true;
}

/* What the server answered is the stored body behind _id and _rev. */
static void check_readback(const struct dv_json *line, struct dv_arena *arena, size_t number)
{
    struct dv_json *want, *got;
    struct dv_buf text;

    dv_buf_init(&text, TEXT_MAX);
    dv_buf_add_slice(&text, dv_buf_slice(&last.meta));
    dv_buf_add_str(&text, last.body_bytes > 2 ? "," : "");
    dv_buf_add(&text, last.body + 1, last.body_bytes - 1);
    ck_assert_int_eq(dv_json_tree(dv_buf_slice(&text), NULL, arena, &got, NULL), 0);
    ck_assert_int_eq(dv_json_tree(dv_json_str(jsonl_get(line, "text")), NULL, arena, &want, NULL),
                     0);
    ck_assert_msg(dv_json_equal(want, got, DV_JSON_SUBNORMAL_IS_ZERO), "line %zu: %s", number,
                  dv_buf_cstr(&text));
    dv_buf_fini(&text);
    readbacks++;
}

static void remember(const struct dv_json *line)
{
    dv_buf_reset(&last.meta);
    dv_buf_add_str(&last.meta, "{\"_id\":");
    dv_json_quote(&last.meta, dv_json_str(jsonl_get(line, "id")));
    dv_buf_add_str(&last.meta, ",\"_rev\":");
    dv_json_quote(&last.meta, dv_json_str(jsonl_get(line, "rev")));
}

static void check_edit(const struct dv_json *line, struct dv_arena *arena, size_t number)
{
    const struct dv_json *rev = dv_json_get(line, "rev"), *parent = dv_json_get(line, "parent");
    struct dv_revhash_att atts[ATTS_MAX];
    struct dv_revhash_edit edit = { .deleted = dv_json_true(dv_json_get(line, "deleted")),
                                    .atts = atts };
    unsigned char id[DV_REV_RAW_BYTES];
    struct dv_err err = { 0 };
    struct dv_buf got;

    if (dv_slice_eq_str(dv_json_str(jsonl_get(line, "kind")), "readback")) {
        check_readback(line, arena, number);
        return;
    }
    if (!take_body(line, arena, number))
        return;
    edits++;
    if (parent)
        ck_assert_int_eq(dv_rev_parse(dv_json_str(parent), arena, &edit.parent, NULL), 0);
    edit.body = dv_slice(last.body, last.body_bytes);
    edit.n_atts = read_atts(dv_json_get(line, "stored"), atts, arena);
    ck_assert_msg(dv_revhash(&edit, id, &err) == 0, "line %zu: %s", number, err.reason);
    dv_buf_init(&got, 256);
    dv_rev_add_text(&got, (struct dv_rev){ edit.parent.gen + 1, dv_slice(id, sizeof(id)) });
    ck_assert_msg(dv_slice_eq(dv_buf_slice(&got), dv_json_str(rev)), "line %zu: %s instead of %.*s",
                  number, dv_buf_cstr(&got), (int)dv_json_str(rev).n, dv_json_str(rev).p);
    dv_buf_fini(&got);
    remember(line);
}

START_TEST(every_recorded_edit_gets_couchdbs_revision_id_or_its_error)
{
    edits = rejections = readbacks = 0;
    dv_buf_init(&last.meta, TEXT_MAX);
    ck_assert_uint_eq(jsonl_each("revs.jsonl", check_edit), EDITS + REJECTIONS + READBACKS);
    dv_buf_fini(&last.meta);
    ck_assert_uint_eq(edits, EDITS);
    ck_assert_uint_eq(rejections, REJECTIONS);
    ck_assert_uint_eq(readbacks, READBACKS);
}
END_TEST

static int keep(void *arg, struct dv_slice bytes, struct dv_err *err)
{
    (void)err;
    return dv_buf_add_slice(arg, bytes);
}

/* As CouchDB stores this attachment. */
static void store_bytes(struct dv_slice data, bool compress, struct dv_buf *out)
{
    struct dv_gzip *z;

    if (!compress) {
        dv_buf_add_slice(out, data);
        return;
    }
    ck_assert_int_eq(dv_gzip_new_deflate(&z, NULL), 0);
    for (size_t i = 0; i < data.n; i += 7)
        ck_assert_int_eq(
            dv_gzip_add(z, dv_slice(data.p + i, data.n - i < 7 ? data.n - i : 7), keep, out, NULL),
            0);
    ck_assert_int_eq(dv_gzip_end(z, keep, out, NULL), 0);
    dv_gzip_free(z);
}

static void check_attachments(const struct dv_json *line, struct dv_arena *arena, size_t number)
{
    const struct dv_json *list = dv_json_get(line, "attachments");

    for (const struct dv_json *a = list ? list->first : NULL; a; a = a->next) {
        const struct dv_json *stored =
            dv_json_get_slice(jsonl_get(line, "stored"), dv_json_str(jsonl_get(a, "name")));
        bool gzip = dv_slice_eq_str(dv_json_str(dv_json_get(stored, "encoding")), "gzip");
        unsigned char md5[EVP_MAX_MD_SIZE];
        struct dv_buf bytes;
        int64_t expected;

        dv_buf_init(&bytes, TEXT_MAX);
        store_bytes(dv_json_str(jsonl_get(a, "data")), gzip, &bytes);
        ck_assert(dv_json_int(jsonl_get(stored, gzip ? "encoded_length" : "length"), &expected));
        ck_assert_int_eq((int64_t)bytes.n, expected);
        ck_assert_int_eq(EVP_Digest(bytes.p ? bytes.p : "", bytes.n, md5, NULL, EVP_md5(), NULL),
                         1);
        ck_assert_msg(memcmp(md5, md5_of(dv_json_str(jsonl_get(stored, "digest")), arena), 16) == 0,
                      "line %zu", number);
        dv_buf_fini(&bytes);
        attachments++;
    }
}

START_TEST(every_recorded_attachment_gets_couchdbs_stored_bytes)
{
    attachments = 0;
    jsonl_each("revs.jsonl", check_attachments);
    ck_assert_uint_eq(attachments, ATTACHMENTS);
}
END_TEST

START_TEST(an_edit_whose_numbers_couchdb_refuses_is_refused)
{
    struct dv_revhash_edit edit = { .body = DV_SLICE_LIT("{\"a\":1e400}") };
    unsigned char id[DV_REV_RAW_BYTES];
    struct dv_err err = { 0 };

    ck_assert_int_eq(dv_revhash(&edit, id, &err), DV_EUTF8);
    ck_assert_str_eq(err.reason, "invalid UTF-8 JSON");
}
END_TEST

/* Trees. */

static struct dv_slice raw_id(const struct dv_json *text, struct dv_arena *arena)
{
    struct dv_slice id = { NULL, 0 };

    ck_assert_int_eq(dv_rev_id_parse(dv_json_str(text), arena, &id, NULL), 0);
    return id;
}

static void merge_one(struct dv_revtree *t, const struct dv_json *p, const struct dv_json *expected,
                      uint64_t limit, size_t number)
{
    static const char *const kinds[] = { [DV_MERGE_NEW_LEAF] = "new_leaf",
                                         [DV_MERGE_NEW_BRANCH] = "new_branch",
                                         [DV_MERGE_INTERNAL_NODE] = "internal_node" };
    const struct dv_json *ids = jsonl_get(p, "ids");
    struct dv_slice *raw = dv_arena_alloc(t->arena, (ids->count + 1) * sizeof(*raw));
    struct dv_revpath path = { .ids = raw, .deleted = dv_json_true(jsonl_get(p, "deleted")) };
    enum dv_merge what;
    int32_t leaf;

    ck_assert(dv_json_uint(jsonl_get(p, "start"), &path.start));
    for (const struct dv_json *id = ids->first; id; id = id->next)
        raw[path.n++] = raw_id(id, t->arena);
    ck_assert_int_eq(dv_revtree_merge(t, &path, &what, &leaf, NULL), 0);
    ck_assert_msg(dv_slice_eq_str(dv_json_str(expected), kinds[what]),
                  "case %zu: %s instead of %.*s", number, kinds[what], (int)dv_json_str(expected).n,
                  dv_json_str(expected).p);
    ck_assert_int_ge(dv_revtree_stem(t, limit, NULL, NULL), 0);
}

/* A JSON list of revisions must be these nodes. */
static void same_revs(const struct dv_json *list, const struct dv_revtree *t, const int32_t *nodes,
                      int32_t n, size_t number)
{
    const struct dv_json *want = list->first;

    ck_assert_msg((size_t)n == list->count, "case %zu: %d instead of %zu", number, n, list->count);
    for (int32_t i = 0; i < n; i++, want = want->next) {
        const struct dv_json *text =
            want->kind == DV_JSON_IS_OBJECT ? jsonl_get(want, "rev") : want;
        struct dv_rev rev;

        ck_assert_int_eq(dv_rev_parse(dv_json_str(text), t->arena, &rev, NULL), 0);
        ck_assert_msg(dv_rev_eq(rev, t->nodes[nodes[i]].rev), "case %zu: position %d", number, i);
    }
}

static void same_leaf(const struct dv_json *want, const struct dv_revtree *t, int32_t node,
                      size_t number)
{
    ck_assert_msg(dv_json_true(jsonl_get(want, "deleted")) == t->nodes[node].deleted, "case %zu",
                  number);
    for (const struct dv_json *id = jsonl_get(want, "path")->first; id; id = id->next) {
        ck_assert_msg(node >= 0, "case %zu: a path is too short", number);
        ck_assert(dv_slice_eq(raw_id(id, t->arena), t->nodes[node].rev.id));
        node = t->nodes[node].parent;
    }
    ck_assert_msg(node < 0, "case %zu: a path is too long", number);
}

static void same_missing(const struct dv_json *line, const struct dv_revtree *t, size_t number)
{
    const struct dv_json *asked = jsonl_get(line, "asked"), *want;
    struct dv_rev revs[PATHS_MAX];
    size_t missing[PATHS_MAX], n = 0;

    for (const struct dv_json *a = asked->first; a; a = a->next) {
        ck_assert_uint_lt(n, PATHS_MAX);
        ck_assert_int_eq(dv_rev_parse(dv_json_str(a), t->arena, &revs[n++], NULL), 0);
    }
    n = dv_revtree_missing(t, revs, n, missing);
    want = jsonl_get(line, "missing");
    ck_assert_msg(n == want->count, "case %zu: %zu missing instead of %zu", number, n, want->count);
    want = want->first;
    for (size_t i = 0; i < n; i++, want = want->next) {
        struct dv_rev rev;

        ck_assert_int_eq(dv_rev_parse(dv_json_str(want), t->arena, &rev, NULL), 0);
        ck_assert_msg(dv_rev_eq(rev, revs[missing[i]]), "case %zu", number);
    }
}

static void same_tree(const struct dv_json *line, const struct dv_revtree *t, size_t number)
{
    int32_t *nodes = dv_arena_alloc(t->arena, (size_t)t->n * sizeof(*nodes));
    const struct dv_json *leaf = jsonl_get(line, "leaves")->first;
    int32_t n = dv_revtree_leaves(t, nodes);

    same_revs(jsonl_get(line, "leaves"), t, nodes, n, number);
    for (int32_t i = 0; i < n; i++, leaf = leaf->next)
        same_leaf(leaf, t, nodes[i], number);
    n = dv_revtree_leaves_by_rank(t, nodes);
    same_revs(jsonl_get(line, "by_rank"), t, nodes, n, number);
    ck_assert(dv_rev_eq(t->nodes[nodes[0]].rev, t->nodes[dv_revtree_winner(t)].rev));
    same_missing(line, t, number);
}

static void check_tree(const struct dv_json *line, struct dv_arena *arena, size_t number)
{
    const struct dv_json *expected = jsonl_get(line, "merge")->first;
    struct dv_revtree t, back;
    struct dv_buf blob;
    uint64_t limit;

    dv_revtree_init(&t, arena);
    ck_assert(dv_json_uint(jsonl_get(line, "limit"), &limit));
    for (const struct dv_json *p = jsonl_get(line, "paths")->first; p; p = p->next) {
        merge_one(&t, p, expected, limit, number);
        expected = expected->next;
    }
    same_tree(line, &t, number);
    dv_buf_init(&blob, TEXT_MAX);
    ck_assert_int_eq(dv_revtree_serialise(&t, &blob), 0);
    ck_assert_int_eq(dv_revtree_parse(dv_buf_slice(&blob), arena, &back, NULL), 0);
    same_tree(line, &back, number);
    dv_buf_fini(&blob);
}

START_TEST(every_recorded_tree_comes_out_as_couchdbs_key_tree)
{
    ck_assert_uint_eq(jsonl_each("revtrees.jsonl", check_tree), TREES);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("recordings of CouchDB");
    TCase *c = tcase_create("vectors");

    tcase_set_timeout(c, 60);
    tcase_add_test(c, every_recorded_edit_gets_couchdbs_revision_id_or_its_error);
    tcase_add_test(c, every_recorded_attachment_gets_couchdbs_stored_bytes);
    tcase_add_test(c, an_edit_whose_numbers_couchdb_refuses_is_refused);
    tcase_add_test(c, every_recorded_tree_comes_out_as_couchdbs_key_tree);
    suite_add_tcase(s, c);
    return dv_check_run(s);
}
