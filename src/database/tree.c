/* Small steps between the engine's rows and revision trees. */
#include <stdio.h>

#include "database/internal.h"

void *dv_arena_array(struct dv_arena *arena, size_t n, size_t bytes, struct dv_err *err)
{
    void *p = NULL;

    if (n <= SIZE_MAX / bytes)
        p = dv_arena_alloc(arena, n * bytes);
    if (!p)
        dv_err_set(err, DV_ENOMEM, "%zu entries of %zu bytes", n, bytes);
    return p;
}

int dv_tree_load(const struct dv_doc_info *info, struct dv_arena *arena, struct dv_revtree *tree,
                 struct dv_err *err)
{
    int code;

    dv_revtree_init(tree, arena);
    code = dv_revtree_parse(info->tree, arena, tree, err);
    if (code < 0)
        return dv_err_wrap(err, code, "revisions of %.*s",
                           (int)(info->id.n > 100 ? 100 : info->id.n), info->id.p);
    if (tree->n == 0)
        return dv_err_set(err, DV_ECORRUPT, "a document without revisions");
    return 0;
}

int dv_rev_text(struct dv_rev rev, struct dv_arena *arena, struct dv_slice *text,
                struct dv_err *err)
{
    static const char digits[] = "0123456789abcdef";
    char gen[24];
    size_t at = sizeof(gen), n;
    char *p;

    gen[--at] = '-';
    do
        gen[--at] = (char)('0' + rev.gen % 10);
    while ((rev.gen /= 10) > 0);
    n = sizeof(gen) - at;
    p = dv_arena_alloc(arena, n + 2 * rev.id.n);
    if (!p)
        return dv_err_set(err, DV_ENOMEM, "text of a revision");
    memcpy(p, gen + at, n);
    *text = dv_slice(p, n + rev.id.n);
    if (rev.id.n != DV_REV_RAW_BYTES) {
        memcpy(p + n, rev.id.p, rev.id.n);
        return 0;
    }
    for (size_t i = 0; i < rev.id.n; i++) {
        unsigned byte = (unsigned char)rev.id.p[i];

        p[n + 2 * i] = digits[byte >> 4];
        p[n + 2 * i + 1] = digits[byte & 15];
    }
    text->n += rev.id.n;
    return 0;
}

int dv_tree_path(const struct dv_revtree *tree, int32_t node, uint64_t limit,
                 struct dv_arena *arena, struct dv_revpath *path, struct dv_err *err)
{
    struct dv_slice *ids;
    size_t n = 0;

    for (int32_t at = node; at >= 0 && n < limit; at = tree->nodes[at].parent)
        n++;
    ids = dv_arena_array(arena, n, sizeof(*ids), err);
    if (!ids)
        return DV_ENOMEM;
    path->start = tree->nodes[node].rev.gen;
    path->deleted = tree->nodes[node].deleted;
    path->ids = ids;
    path->n = n;
    for (size_t i = 0; i < n; i++, node = tree->nodes[node].parent)
        ids[i] = tree->nodes[node].rev.id;
    return 0;
}

int dv_tree_store(struct dv_revtree *tree, struct dv_buf *scratch, struct dv_arena *arena,
                  struct dv_doc_write *write, struct dv_err *err)
{
    int code;

    dv_buf_reset(scratch);
    code = dv_revtree_serialise(tree, scratch);
    if (code < 0)
        return dv_err_set(err, code, "%d revisions of a document", (int)tree->n);
    write->tree = dv_arena_copy(arena, dv_buf_slice(scratch));
    if (!write->tree.p)
        return dv_err_set(err, DV_ENOMEM, "revisions of a document");
    write->deleted = tree->nodes[dv_revtree_winner(tree)].deleted;
    write->leaf_bytes = 0;
    for (int32_t i = 0; i < tree->n; i++)
        if (tree->nodes[i].children == 0)
            write->leaf_bytes += tree->nodes[i].bytes;
    return 0;
}
