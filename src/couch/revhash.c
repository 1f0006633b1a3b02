/* Revision ids of edits; see revhash.h. */
#include "couch/revhash.h"

#include <openssl/evp.h>
#include <pthread.h>

#include "couch/etf.h"

enum {
    EDIT_PARTS = 5,
    /* Ceiling of the term: the worst of JSON, {"":1}, grows threefold; headers are 17 bytes. */
    GROWTH_MAX = 4,
    ATT_HEADERS = 40,
    EDIT_HEADERS = 512,
};

static EVP_MD *md5;
static pthread_once_t md5_once = PTHREAD_ONCE_INIT;

/* Once, since OpenSSL's look-up by name costs more than hashing a small document. */
static void fetch_md5(void)
{
    md5 = EVP_MD_fetch(NULL, "MD5", NULL);
}

static int digest(struct dv_slice bytes, unsigned char *out, struct dv_err *err)
{
    pthread_once(&md5_once, fetch_md5);
    if (!md5)
        return dv_err_set(err, DV_ENOTSUP, "this system's OpenSSL offers no MD5");
    if (!EVP_Digest(bytes.p, bytes.n, out, NULL, md5, NULL))
        return dv_err_set(err, DV_ENOMEM, "out of memory for a digest");
    return 0;
}

static void add_atts(struct dv_buf *b, const struct dv_revhash_edit *edit)
{
    size_t list = dv_etf_list_open(b);

    for (size_t i = edit->n_atts; i-- > 0;) {
        const struct dv_revhash_att *att = &edit->atts[i];

        dv_etf_tuple(b, 3);
        dv_etf_binary(b, att->name);
        dv_etf_binary(b, att->type);
        dv_etf_binary(b, dv_slice(att->md5, DV_REVHASH_MD5_BYTES));
    }
    dv_etf_list_close(b, list, edit->n_atts);
}

static int add_edit(struct dv_buf *b, const struct dv_revhash_edit *edit, struct dv_err *err)
{
    size_t list;
    int rc;

    dv_etf_begin(b);
    list = dv_etf_list_open(b);
    dv_etf_bool(b, edit->deleted);
    dv_etf_uint(b, edit->parent.gen);
    if (edit->parent.id.n == 0)
        dv_etf_int(b, 0);
    else
        dv_etf_binary(b, edit->parent.id);
    rc = dv_etf_json(b, edit->body, err);
    if (rc < 0)
        return rc;
    add_atts(b, edit);
    dv_etf_list_close(b, list, EDIT_PARTS);
    return b->failed ? dv_err_set(err, b->failed, "can not build the term of an edit") : 0;
}

static size_t ceiling(const struct dv_revhash_edit *edit)
{
    size_t n = EDIT_HEADERS + edit->body.n * GROWTH_MAX;

    for (size_t i = 0; i < edit->n_atts; i++)
        n += edit->atts[i].name.n + edit->atts[i].type.n + ATT_HEADERS;
    return n;
}

int dv_revhash(const struct dv_revhash_edit *edit, unsigned char id[DV_REV_RAW_BYTES],
               struct dv_err *err)
{
    struct dv_buf b;
    int rc;

    dv_buf_init(&b, ceiling(edit));
    rc = dv_buf_reserve(&b, EDIT_HEADERS);
    if (rc < 0)
        dv_err_set(err, rc, "out of memory for the term of an edit");
    if (rc == 0)
        rc = add_edit(&b, edit, err);
    if (rc == 0)
        rc = digest(dv_buf_slice(&b), id, err);
    dv_buf_fini(&b);
    return rc < 0 ? dv_err_wrap(err, rc, "revision id of an edit") : 0;
}
