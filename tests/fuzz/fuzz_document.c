/* A document that is taken has a body that is taken again and then stays as it is: nothing is left
 * to drop, and no member in it is one that documents may not have. Its members are, in order, those
 * of a tree of the input, which other code builds, without the special ones. */
#include "couch/document.h"
#include "fuzz/fuzz.h"
#include "json/tree.h"

static bool is_taken_out(struct dv_slice key)
{
    static const char *const names[] = { "_id",        "_rev",         "_revisions",
                                         "_deleted",   "_attachments", "_revs_info",
                                         "_local_seq", "_conflicts",   "_deleted_conflicts" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (dv_slice_eq_str(key, names[i]))
            return true;
    return false;
}

static void check_members(struct dv_slice input, struct dv_slice body)
{
    struct dv_json *all, *kept;
    const struct dv_json *k;
    struct dv_arena arena;

    dv_arena_init(&arena, 1 << 26);
    if (dv_json_tree(input, NULL, &arena, &all, NULL) == 0) { /* else: too deep for a tree */
        DV_FUZZ_CHECK(dv_json_tree(body, NULL, &arena, &kept, NULL) == 0);
        k = kept->first;
        for (const struct dv_json *c = all->first; c; c = c->next) {
            if (is_taken_out(c->key))
                continue;
            DV_FUZZ_CHECK(k && dv_slice_eq(k->key, c->key) && dv_json_equal(k, c, 0));
            k = k->next;
        }
        DV_FUZZ_CHECK(!k);
    }
    dv_arena_fini(&arena);
}

static void check_attachments(const struct dv_document *doc)
{
    struct dv_buf out;

    dv_buf_init(&out, 1 << 22);
    for (size_t i = 0; i < doc->n_atts; i++) {
        DV_FUZZ_CHECK(dv_attachment_name_check(doc->atts[i].name, NULL) == 0);
        if (doc->atts[i].kind == DV_DOC_ATT_INLINE) {
            dv_buf_reset(&out);
            dv_base64_decode(doc->atts[i].data, &out);
        }
        for (size_t j = 0; j < i; j++)
            DV_FUZZ_CHECK(!dv_slice_eq(doc->atts[i].name, doc->atts[j].name));
    }
    dv_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct dv_document_parser *parser;
    struct dv_document doc, again;
    struct dv_arena arena;

    dv_arena_init(&arena, 1 << 24);
    DV_FUZZ_CHECK(dv_document_parser_new(0, 0, &parser, NULL) == 0);
    if (dv_document_parse(parser, dv_slice(bytes, n), &arena, &doc, NULL) == 0) {
        DV_FUZZ_CHECK(doc.body.n >= 2 && doc.body.n <= n && doc.has_rev == (doc.n_ids > 0));
        check_attachments(&doc);
        check_members(dv_slice(bytes, n), doc.body);
        DV_FUZZ_CHECK(dv_document_parse(parser, doc.body, &arena, &again, NULL) == 0);
        DV_FUZZ_CHECK(dv_slice_eq(doc.body, again.body));
        DV_FUZZ_CHECK(!again.has_id && !again.has_rev && !again.deleted && again.n_atts == 0);
    }
    dv_document_parser_free(parser);
    dv_arena_fini(&arena);
    return 0;
}
