/* Purge: leaves and what only they need are forgotten as if they had never been. As
 * couch_db_updater:apply_purge_reqs/4: what is asked for and is no leaf is left alone, but the
 * request still counts and is remembered. Requests are done one after another in one transaction,
 * so a document may be named twice. */
#include "base/rand.h"
#include "database/internal.h"

struct purge_call {
    struct dv_purge_request *requests;
    size_t n;
    struct dv_arena *arena; /* the caller's: results */
    uint64_t purge_seq;
    struct dv_arena work; /* of one request */
    struct dv_buf scratch;
};

/* The bodies that a removal drops. */
struct dropped {
    uint64_t *bodies;
    size_t n;
};

static void note_body(void *arg, const struct dv_revnode *node)
{
    struct dropped *d = arg;

    if (node->body != 0)
        d->bodies[d->n++] = node->body;
}

/* Revisions of a request, each once. */
static int parse_revs(struct purge_call *c, struct dv_purge_request *req, struct dv_rev **out,
                      struct dv_err *err)
{
    struct dv_rev *revs = dv_arena_array(&c->work, req->n_revs, sizeof(*revs), err);

    if (!revs)
        return DV_ENOMEM;
    for (size_t i = 0; i < req->n_revs; i++) {
        int code = dv_rev_parse(req->revs[i], &c->work, &revs[i], err);

        if (code < 0)
            return code;
    }
    *out = revs;
    return 0;
}

/* Take the asked leaves out of the tree. */
static int remove_leaves(struct purge_call *c, struct dv_purge_request *req,
                         const struct dv_doc_info *info, struct dv_revtree *tree,
                         struct dropped *dropped, struct dv_err *err)
{
    struct dv_rev *revs;
    int code = parse_revs(c, req, &revs, err);

    if (code < 0)
        return code;
    req->n_purged = 0;
    req->purged = dv_arena_array(c->arena, req->n_revs, sizeof(*req->purged), err);
    if (!req->purged)
        return DV_ENOMEM;
    dv_revtree_init(tree, &c->work);
    if (!info->found)
        return 0;
    code = dv_tree_load(info, &c->work, tree, err);
    if (code < 0)
        return code;
    dropped->bodies = dv_arena_array(&c->work, (size_t)tree->n, sizeof(uint64_t), err);
    if (!dropped->bodies)
        return DV_ENOMEM;
    for (size_t i = 0; i < req->n_revs; i++)
        if (dv_revtree_remove_leaf(tree, revs[i], note_body, dropped))
            req->purged[req->n_purged++] = req->revs[i];
    return 0;
}

static int purge_one(struct purge_call *c, struct dv_purge_request *req, struct dv_txn *txn,
                     struct dv_err *err)
{
    struct dv_doc_info info;
    struct dv_doc_write left;
    struct dv_revtree tree;
    struct dropped dropped = { NULL, 0 };
    struct dv_purge purge;
    char uuid[33];
    int code;

    dv_rand_uuid(uuid);
    memset(&purge, 0, sizeof(purge));
    memset(&left, 0, sizeof(left));
    purge.info.uuid = dv_slice(uuid, 32);
    purge.info.id = req->id;
    purge.info.revs = req->revs;
    purge.info.n_revs = req->n_revs;
    code = dv_txn_open_docs(txn, &req->id, 1, &c->work, &info, err);
    if (code == 0)
        code = remove_leaves(c, req, &info, &tree, &dropped, err);
    if (code == 0 && req->n_purged > 0) {
        purge.old = &info;
        purge.changes = true;
        purge.bodies = dropped.bodies;
        purge.n_bodies = dropped.n;
        if (tree.n > 0) {
            left.old = &info;
            left.id = req->id;
            code = dv_tree_store(&tree, &c->scratch, &c->work, &left, err);
            purge.left = &left;
        }
    } else if (code == 0 && info.found) {
        purge.old = &info;
    }
    if (code == 0)
        code = dv_txn_purge(txn, &purge, 1, err);
    if (code == 0)
        c->purge_seq = purge.info.purge_seq;
    return code;
}

static int purge_all(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct purge_call *c = arg;

    if (c->n == 0) {
        struct dv_props props;
        int code = dv_txn_props(txn, &props, err);

        c->purge_seq = props.purge_seq;
        return code < 0 ? code : 1;
    }
    for (size_t i = 0; i < c->n; i++) {
        int code;

        dv_arena_reset(&c->work);
        code = purge_one(c, &c->requests[i], txn, err);
        if (code < 0)
            return code;
    }
    return 0;
}

int dv_database_purge(struct dv_database *db, struct dv_purge_request *requests, size_t n,
                      struct dv_arena *arena, uint64_t *purge_seq, struct dv_err *err)
{
    struct purge_call c = { .requests = requests, .n = n, .arena = arena };
    int code;

    dv_arena_init(&c.work, DV_CALL_ARENA_BYTES);
    dv_buf_init(&c.scratch, DV_RECORD_BUF_BYTES);
    code = dv_database_update(db, DV_COMMIT_DURABLE, purge_all, &c, err);
    dv_buf_fini(&c.scratch);
    dv_arena_fini(&c.work);
    if (code == 0)
        *purge_seq = c.purge_seq;
    return code;
}
