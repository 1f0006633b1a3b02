/* See bulk.h. Only what is asked of the members is kept; complaints wait for the end, since a body
 * that is not JSON is told as that. */
#include "couch/bulk.h"

#include "base/mem.h"
#include "json/split.h"

enum { DEPTH_MAX = 1024 + 2 }; /* a document's, in the array in the object */

struct dv_bulk {
    struct dv_json_split *split;
    dv_bulk_fn *fn;
    void *arg;
    bool new_edits, bad_new_edits, bad_docs;
};

static int take_doc(void *arg, struct dv_slice key, struct dv_slice value, struct dv_err *err)
{
    struct dv_bulk *b = arg;

    (void)key;
    return b->fn(b->arg, value, err);
}

/* Of duplicates the last stands. */
static int take_member(void *arg, struct dv_slice key, struct dv_slice value, struct dv_err *err)
{
    struct dv_bulk *b = arg;

    (void)err;
    if (dv_slice_eq_str(key, "docs")) {
        b->bad_docs = true;
    } else if (dv_slice_eq_str(key, "new_edits")) {
        b->new_edits = !dv_slice_eq_str(value, "false");
        b->bad_new_edits = b->new_edits && !dv_slice_eq_str(value, "true");
    }
    return 0;
}

int dv_bulk_new(size_t doc_bytes, uint64_t total_bytes, dv_bulk_fn *fn, void *arg,
                struct dv_bulk **out, struct dv_err *err)
{
    struct dv_json_split_options options = {
        .limits = { .depth = DEPTH_MAX, .total_bytes = total_bytes },
        .array = "docs",
        .item_bytes = doc_bytes,
        .element = take_doc,
        .member = take_member,
    };
    struct dv_bulk *b = dv_calloc(1, sizeof(*b));
    int rc;

    if (!b)
        return dv_err_set(err, DV_ENOMEM, NULL);
    b->fn = fn;
    b->arg = arg;
    b->new_edits = true;
    options.arg = b;
    rc = dv_json_split_new(&options, &b->split, err);
    if (rc < 0) {
        dv_free(b);
        return rc;
    }
    *out = b;
    return 0;
}

void dv_bulk_free(struct dv_bulk *b)
{
    if (!b)
        return;
    dv_json_split_free(b->split);
    dv_free(b);
}

int dv_bulk_feed(struct dv_bulk *b, struct dv_slice bytes, struct dv_err *err)
{
    return dv_json_split_feed(b->split, bytes, err);
}

int dv_bulk_end(struct dv_bulk *b, bool *new_edits, struct dv_err *err)
{
    bool seen = false;
    int rc = dv_json_split_end(b->split, &seen, err);

    if (rc < 0)
        return rc;
    if (b->bad_docs)
        return dv_err_set(err, DV_EINVAL, "`docs` parameter must be an array.");
    if (!seen)
        return dv_err_set(err, DV_EINVAL, "POST body must include `docs` parameter.");
    if (b->bad_new_edits)
        return dv_err_set(err, DV_EINVAL, "`new_edits` parameter must be a boolean.");
    *new_edits = b->new_edits;
    return 0;
}
