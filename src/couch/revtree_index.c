/* Looking up a revision in the node array; see revtree_nodes.h.
 *
 * Most trees have one or two nodes and are looked through in a few nanoseconds, so the table is
 * built only after a large array has been scanned a few times over. It is a cache: when there is
 * no memory for it the scan goes on. Open addressing, at most half full, seeded hash. */
#include "couch/revtree_nodes.h"

#include "base/hash.h"

enum { SCANS_BEFORE_INDEX = 3 };

static uint32_t hash_of(struct dv_rev rev)
{
    uint64_t h = dv_hash_bytes(rev.id) ^ rev.gen * UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)(h ^ h >> 32);
}

/* Put the nodes that are not in the table yet into it. */
static void catch_up(struct dv_revtree_index *x, const struct dv_revtree *t)
{
    for (; x->count < t->n; x->count++) {
        uint32_t i = hash_of(t->nodes[x->count].rev) & x->mask;

        while (x->slots[i])
            i = (i + 1) & x->mask;
        x->slots[i] = (uint32_t)x->count + 1;
    }
}

/* False: do without. */
static bool ready(const struct dv_revtree *t)
{
    struct dv_revtree_index *x = t->index;
    uint32_t capacity = 2 * DV_REVTREE_INDEX_MIN;
    uint32_t *slots;

    if (!x || (!x->slots && x->scanned < (uint64_t)SCANS_BEFORE_INDEX * (uint64_t)t->n))
        return false;
    if (!x->slots || (uint32_t)t->n > x->mask / 2) {
        while (capacity < (uint32_t)t->n * 3)
            capacity *= 2;
        slots = dv_arena_zalloc(t->arena, capacity * sizeof(*slots));
        if (!slots)
            return false;
        x->slots = slots;
        x->mask = capacity - 1;
        x->count = 0;
    }
    catch_up(x, t);
    return true;
}

void dv_revtree_matches_init(struct dv_revtree_matches *m, const struct dv_revtree *t,
                             struct dv_rev rev)
{
    m->rev = rev;
    m->at = -1;
    m->hashed = t->index && ready(t);
    m->slot = m->hashed ? hash_of(rev) & t->index->mask : 0;
}

int32_t dv_revtree_matches_next(struct dv_revtree_matches *m, const struct dv_revtree *t)
{
    const struct dv_revnode *nodes = t->nodes;
    int32_t from = m->at;

    if (m->hashed) {
        const struct dv_revtree_index *x = t->index;

        while (x->slots[m->slot]) {
            int32_t i = (int32_t)x->slots[m->slot] - 1;

            m->slot = (m->slot + 1) & x->mask;
            if (nodes[i].rev.gen == m->rev.gen && dv_revid_eq(nodes[i].rev.id, m->rev.id))
                return i;
        }
        return DV_REVNODE_NONE;
    }
    while (++m->at < t->n) {
        const struct dv_rev *r = &nodes[m->at].rev;

        if (r->gen == m->rev.gen && dv_revid_eq(r->id, m->rev.id))
            break;
    }
    if (t->index)
        t->index->scanned += (uint64_t)(m->at - from);
    return m->at < t->n ? m->at : DV_REVNODE_NONE;
}

void dv_revtree_index_drop(struct dv_revtree *t)
{
    if (t->index)
        memset(t->index, 0, sizeof(*t->index));
}
