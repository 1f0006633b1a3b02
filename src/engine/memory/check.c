/* The check: everything a version says twice must agree. It works on the version that is newest
 * when it begins, so writers go on. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "couch/revtree.h"
#include "engine/digest.h"
#include "engine/memory/ram.h"

enum { TREE_ARENA_BYTES = 512 * 1024 * 1024 };

struct check {
    const struct dv_ram_state *s;
    bool deep;
    dv_check_fn *fn; /* may be NULL */
    void *arg;
    struct dv_check_result *result;
    struct dv_arena arena;
    uint64_t *refs; /* of bodies that trees name; owned */
    size_t n_refs, refs_capacity;
};

static void finding(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void finding(struct check *c, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    c->result->findings++;
    if (c->fn)
        c->fn(c->arg, line);
}

/* At most 63 bytes of an id, for people. */
struct shown {
    char text[64];
};

static struct shown show(struct dv_slice id)
{
    struct shown s;
    size_t n = id.n < sizeof(s.text) - 1 ? id.n : sizeof(s.text) - 1;

    for (size_t i = 0; i < n; i++)
        s.text[i] = (char)(id.p[i] >= 0x20 && id.p[i] < 0x7f ? id.p[i] : '?');
    s.text[n] = '\0';
    return s;
}

static int check_nodes(struct check *c, const struct dv_ram_doc *d, const struct dv_revtree *tree,
                       struct dv_err *err)
{
    uint64_t leaf_bytes = 0;

    for (int32_t i = 0; i < tree->n; i++) {
        const struct dv_revnode *node = &tree->nodes[i];
        unsigned char key[8];

        if (node->children == 0)
            leaf_bytes += node->bytes;
        if (node->body == 0)
            continue;
        dv_ram_put_u64(key, node->body);
        if (!dv_pmap_get(&c->s->bodies, dv_ram_key(key, 8)))
            finding(c, "document %s: the body of a revision is missing", show(d->id).text);
        if (!dv_grow(&c->refs, &c->refs_capacity, c->n_refs + 1, sizeof(*c->refs)))
            return dv_err_set(err, DV_ENOMEM, NULL);
        c->refs[c->n_refs++] = node->body;
    }
    if (leaf_bytes != d->leaf_bytes)
        finding(c, "document %s: its size is not that of its leaves", show(d->id).text);
    return 0;
}

static int check_doc(struct check *c, const struct dv_ram_doc *d, struct dv_err *err)
{
    struct dv_revtree tree;
    struct dv_err why;
    int32_t winner;
    int rc;

    c->result->docs++;
    if (dv_pmap_get(&c->s->seqs, dv_ram_key(d->seq_key, 8)) != d)
        finding(c, "document %s: its change is missing", show(d->id).text);
    if (d->seq > c->s->update_seq)
        finding(c, "document %s: its change is in the future", show(d->id).text);
    dv_arena_reset(&c->arena);
    rc = dv_revtree_parse(d->tree, &c->arena, &tree, &why);
    if (rc == DV_ENOMEM)
        return dv_err_set(err, rc, NULL);
    if (rc < 0) {
        finding(c, "document %s: revision tree: %s", show(d->id).text, why.reason);
        return 0;
    }
    winner = dv_revtree_winner(&tree);
    if (winner < 0 || tree.nodes[winner].deleted != d->deleted)
        finding(c, "document %s: not as deleted as its winner", show(d->id).text);
    return check_nodes(c, d, &tree, err);
}

static int check_docs(struct check *c, struct dv_err *err)
{
    struct dv_pmap_iter it;
    const struct dv_ram_doc *d;
    int rc = 0;

    dv_pmap_seek(&it, &c->s->docs, NULL, false);
    while (rc == 0 && (d = dv_pmap_next(&it)) != NULL)
        rc = check_doc(c, d, err);
    if (dv_pmap_size(&c->s->docs) != dv_pmap_size(&c->s->seqs))
        finding(c, "documents and changes differ in number");
    return rc;
}

static int compare_refs(const void *a, const void *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

static void check_bodies(struct check *c)
{
    struct dv_pmap_iter it;
    const struct dv_ram_body *b;
    uint64_t uses = 0;

    if (c->n_refs)
        qsort(c->refs, c->n_refs, sizeof(*c->refs), compare_refs);
    for (size_t i = 1; i < c->n_refs; i++)
        if (c->refs[i] == c->refs[i - 1])
            finding(c, "body %llu belongs to two revisions", (unsigned long long)c->refs[i]);
    dv_pmap_seek(&it, &c->s->bodies, NULL, false);
    while ((b = dv_pmap_next(&it)) != NULL) {
        uint64_t ref = dv_ram_get_u64(b->ref_key);

        c->result->bodies++;
        if (!c->n_refs || !bsearch(&ref, c->refs, c->n_refs, sizeof(ref), compare_refs))
            finding(c, "body %llu belongs to no revision", (unsigned long long)ref);
        for (size_t i = 0; i < b->n_atts; i++) {
            unsigned char key[DV_RAM_ATT_KEY + 8];

            dv_ram_put_att_key(key, &b->atts[i]);
            memcpy(key + DV_RAM_ATT_KEY, b->ref_key, 8);
            if (!dv_pmap_get(&c->s->uses, dv_ram_key(key, sizeof(key))) ||
                !dv_pmap_get(&c->s->atts, dv_ram_key(key, DV_RAM_ATT_KEY)))
                finding(c, "body %llu: an attachment is missing", (unsigned long long)ref);
            uses++;
        }
    }
    if (uses < dv_pmap_size(&c->s->uses))
        finding(c, "attachments are used by bodies that are not there");
}

/* Walk the chunks of one attachment; digest may be NULL. */
static int check_chunks(struct check *c, const struct dv_ram_att *att, struct dv_digest *digest,
                        struct dv_err *err)
{
    uint64_t bytes = 0;

    for (uint64_t n = 0; n < att->n_chunks; n++) {
        const struct dv_ram_chunk *chunk;
        unsigned char key[16];

        dv_ram_put_u64(key, att->stream);
        dv_ram_put_u64(key + 8, n);
        chunk = dv_pmap_get(&c->s->chunks, dv_ram_key(key, 16));
        if (!chunk)
            break;
        c->result->chunks++;
        bytes += chunk->bytes.n;
        if (digest && dv_digest_add(digest, chunk->bytes, err) < 0)
            return DV_ESYS;
    }
    if (bytes != att->info.stored_bytes)
        finding(c, "an attachment has %llu of its %llu bytes", (unsigned long long)bytes,
                (unsigned long long)att->info.stored_bytes);
    return 0;
}

static int check_att(struct check *c, const struct dv_ram_att *att, struct dv_err *err)
{
    unsigned char sha256[DV_SHA256_BYTES];
    struct dv_digest *digest = NULL;
    int rc = c->deep ? dv_digest_new(DV_DIGEST_SHA256, &digest, err) : 0;

    c->result->attachments++;
    if (rc == 0)
        rc = check_chunks(c, att, digest, err);
    if (rc == 0 && digest) {
        rc = dv_digest_end(digest, sha256, err);
        if (rc == 0 && memcmp(sha256, att->key, sizeof(sha256)) != 0)
            finding(c, "an attachment does not match its digest");
    }
    dv_digest_free(digest);
    return rc;
}

static int check_atts(struct check *c, struct dv_err *err)
{
    struct dv_pmap_iter it;
    const struct dv_ram_att *att;
    int rc = 0;

    dv_pmap_seek(&it, &c->s->atts, NULL, false);
    while (rc == 0 && (att = dv_pmap_next(&it)) != NULL)
        rc = check_att(c, att, err);
    return rc;
}

int dv_ram_check(struct dv_store_backend *s, bool deep, dv_check_fn *fn, void *arg,
                 struct dv_check_result *result, struct dv_err *err)
{
    struct check c = { .deep = deep, .fn = fn, .arg = arg, .result = result };
    struct dv_txn_backend *t;
    int rc = dv_ram_begin(s, false, &t, err);

    if (rc < 0)
        return rc;
    c.s = t->state;
    dv_arena_init(&c.arena, TREE_ARENA_BYTES);
    rc = check_docs(&c, err);
    if (rc == 0) {
        check_bodies(&c);
        rc = check_atts(&c, err);
    }
    result->locals = dv_pmap_size(&c.s->locals);
    result->purges = dv_pmap_size(&c.s->purges);
    if (result->purges != dv_pmap_size(&c.s->purge_uuids))
        finding(&c, "purges by seq and by uuid differ in number");
    dv_arena_fini(&c.arena);
    dv_free(c.refs);
    dv_ram_rollback(t);
    return rc;
}
