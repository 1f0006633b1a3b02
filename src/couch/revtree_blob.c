/* The stored form of a revision tree: docs/FORMAT.md, "Revision tree blob".
 *
 * There is exactly one blob for a tree, and the parser takes nothing else: integers in their
 * shortest form, siblings in order, lengths that fit, nothing behind the last node. */
#include "couch/revtree.h"

#include "couch/revtree_nodes.h"

enum {
    VERSION = 1,
    F_DELETED = 1,
    F_BODY = 2,    /* body and bytes follow */
    F_TEXT_ID = 4, /* the id has its length in front; else it is 16 bytes */
    UP_SHIFT = 3,
    NODE_MAX = 4 * 10 + 1 + DV_REV_ID_MAX, /* head, gen, body, bytes; id with its length */
    VARINT_LENGTH_MAX = 2,
    NODE_MIN = 3
};

static char *put_varint(char *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(unsigned char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

static char *put_node(char *p, const struct dv_revnode *node, uint64_t up)
{
    struct dv_slice id = node->rev.id;
    bool body = node->body != 0 || node->bytes != 0;
    bool text = id.n != DV_REV_RAW_BYTES;

    p = put_varint(p, up << UP_SHIFT | (text ? F_TEXT_ID : 0U) | (body ? F_BODY : 0U) |
                          (node->deleted ? F_DELETED : 0U));
    if (node->parent < 0)
        p = put_varint(p, node->rev.gen);
    if (text)
        p = put_varint(p, id.n);
    memcpy(p, id.p, id.n);
    p += id.n;
    if (body) {
        p = put_varint(p, node->body);
        p = put_varint(p, node->bytes);
    }
    return p;
}

int dv_revtree_serialise(const struct dv_revtree *t, struct dv_buf *out)
{
    size_t before = out->n;
    int32_t i = DV_REVNODE_ROOTS, up;
    int rc = dv_buf_reserve(out, 1 + 10);

    if (rc < 0)
        return rc;
    out->p[out->n++] = VERSION;
    out->n = (size_t)(put_varint(out->p + out->n, (uint64_t)t->n) - out->p);
    while (t->n > 0 && (i = dv_revtree_preorder(t, DV_REVNODE_ROOTS, i, &up)) >= 0) {
        rc = dv_buf_reserve(out, NODE_MAX + VARINT_LENGTH_MAX);
        if (rc < 0) {
            out->n = before;
            return rc;
        }
        out->n = (size_t)(put_node(out->p + out->n, &t->nodes[i], (uint64_t)up) - out->p);
    }
    return 0;
}

/* Reads what put_varint writes and no longer form of it. */
static bool get_varint(struct dv_slice *s, uint64_t *v)
{
    const char *p = s->p;

    if (s->n > 0 && !(*p & 0x80)) { /* by far the most */
        *v = (uint64_t)*p;
        s->p++;
        s->n--;
        return true;
    }
    return dv_varint_read(s, v) && s->p[-1] != 0;
}

static bool get_bytes(struct dv_slice *s, uint64_t n, struct dv_slice *out)
{
    if (n > s->n)
        return false;
    *out = dv_slice(s->p, (size_t)n);
    s->p += n;
    s->n -= (size_t)n;
    return true;
}

static bool get_id(struct dv_slice *s, bool text, struct dv_slice *id)
{
    uint64_t n = DV_REV_RAW_BYTES;

    if (text && (!get_varint(s, &n) || n == 0 || n > DV_REV_ID_MAX || n == DV_REV_RAW_BYTES))
        return false;
    return get_bytes(s, n, id);
}

/* Everything of a node but its place. */
static bool get_node(struct dv_slice *s, uint64_t head, uint64_t parent_gen,
                     struct dv_revnode *node)
{
    uint64_t gen = parent_gen + 1;

    if (parent_gen == 0 && !get_varint(s, &gen))
        return false;
    if (gen == 0 || gen > DV_REV_GEN_MAX || !get_id(s, head & F_TEXT_ID, &node->rev.id))
        return false;
    node->rev.gen = gen;
    node->deleted = head & F_DELETED;
    if (!(head & F_BODY))
        return true;
    return get_varint(s, &node->body) && get_varint(s, &node->bytes) &&
           (node->body != 0 || node->bytes != 0);
}

/* Climb from the node before to the parent of the new one. *before is the sibling that ends
 * there, or DV_REVNODE_NONE. */
static bool climb(const struct dv_revtree *t, uint64_t up, int32_t *parent, int32_t *before)
{
    int32_t i = t->n - 1; /* -1 for the first node: below the parent of the roots */

    *before = DV_REVNODE_NONE;
    for (; up > 0; up--) {
        if (i < 0)
            return false;
        *before = i;
        i = t->nodes[i].parent;
    }
    *parent = i;
    return true;
}

static bool parse_node(struct dv_slice *s, struct dv_revtree *t)
{
    uint64_t head;
    int32_t parent, before, node;
    struct dv_revnode *nodes = t->nodes;

    if (!get_varint(s, &head) || !climb(t, head >> UP_SHIFT, &parent, &before))
        return false;
    node = dv_revtree_append(t, (struct dv_rev){ 0 });
    if (!get_node(s, head, parent >= 0 ? nodes[parent].rev.gen : 0, &nodes[node]))
        return false;
    nodes[node].parent = parent;
    nodes[parent].children++;
    if (before < 0) {
        nodes[parent].first_child = node;
        return true;
    }
    nodes[before].next = node;
    if (parent < 0 && nodes[before].rev.gen != nodes[node].rev.gen)
        t->joinable = true;
    return dv_rev_cmp(nodes[before].rev, nodes[node].rev) < 0;
}

static bool parse_nodes(struct dv_slice *s, struct dv_revtree *t, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (!parse_node(s, t))
            return false;
    return s->n == 0;
}

int dv_revtree_parse(struct dv_slice blob, struct dv_arena *arena, struct dv_revtree *t,
                     struct dv_err *err)
{
    struct dv_revtree made;
    uint64_t n;

    if (blob.n > 0 && (unsigned char)blob.p[0] > VERSION)
        return dv_err_set(err, DV_ENEWER, "revision tree has version %d, this divan reads %d",
                          (unsigned char)blob.p[0], VERSION);
    if (blob.n == 0 || blob.p[0] != VERSION)
        goto corrupt;
    blob = dv_slice(blob.p + 1, blob.n - 1);
    if (!get_varint(&blob, &n) || n > blob.n / NODE_MIN || n > DV_REVTREE_NODES_MAX)
        goto corrupt;
    dv_revtree_init(&made, arena);
    /* One more, since most trees that are read are then added to. */
    if (n > 0 && dv_revtree_reserve(&made, n < DV_REVTREE_NODES_MAX ? n + 1 : n) < 0)
        return dv_err_set(err, DV_ENOMEM, "out of memory for a revision tree");
    if (!parse_nodes(&blob, &made, n))
        goto corrupt;
    *t = made;
    return 0;
corrupt:
    return dv_err_set(err, DV_ECORRUPT, "stored revision tree is damaged");
}
