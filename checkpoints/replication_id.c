/* See replication_id.h. */
#include "checkpoints/replication_id.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "couch/etf.h"
#include "couch/url.h"
#include "filters/normal.h"
#include "json/tree.h"
#include "json/writer.h"

enum { TEXT_BYTES = 64 << 20 };

static int hash(const EVP_MD *md, struct dv_slice bytes, char out[DV_REPLID_BYTES],
                struct dv_err *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n;

    if (!EVP_Digest(bytes.p, bytes.n, digest, &n, md, NULL))
        return dv_err_set(err, DV_ENOMEM, "hash a replication id");
    for (int i = 0; i < 16; i++)
        snprintf(out + (size_t)i * 2, 3, "%02x", digest[i]);
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return dv_slice_cmp(*(const struct dv_slice *)a, *(const struct dv_slice *)b);
}

static int sorted_ids(const struct dv_replid_job *job, struct dv_arena *arena,
                      struct dv_slice **out, size_t *n_out, struct dv_err *err)
{
    struct dv_slice *ids = dv_arena_alloc(arena, (job->n_doc_ids + 1) * sizeof(*ids));
    size_t n = 0;

    if (!ids)
        return dv_err_set(err, DV_ENOMEM, NULL);
    if (job->n_doc_ids) {
        memcpy(ids, job->doc_ids, job->n_doc_ids * sizeof(*ids));
        qsort(ids, job->n_doc_ids, sizeof(*ids), by_bytes);
    }
    for (size_t i = 0; i < job->n_doc_ids; i++)
        if (n == 0 || !dv_slice_eq(ids[n - 1], ids[i]))
            ids[n++] = ids[i];
    *out = ids;
    *n_out = n;
    return 0;
}

/* ---- ours -------------------------------------------------------------------------------------
 */

static int by_name(const void *a, const void *b)
{
    const struct dv_replid_header *x = a, *y = b;
    int c = dv_slice_cmp(x->name, y->name);

    return c ? c : dv_slice_cmp(x->value, y->value);
}

static struct dv_slice lower(struct dv_slice s, struct dv_arena *arena)
{
    struct dv_slice copy = dv_arena_copy(arena, s);

    for (size_t i = 0; copy.p && i < copy.n; i++)
        if (copy.p[i] >= 'A' && copy.p[i] <= 'Z')
            ((char *)(uintptr_t)copy.p)[i] += 'a' - 'A';
    return copy;
}

/* Credentials do not decide which documents exist, but who asks decides which are seen: the user's
 * name enters, the password and secret headers (Authorization, Cookie) do not. */
static int write_headers(struct dv_json_writer *w, const struct dv_replid_endpoint *e,
                         struct dv_arena *arena)
{
    struct dv_replid_header *h = dv_arena_alloc(arena, (e->n_headers + 1) * sizeof(*h));

    if (!h)
        return DV_ENOMEM;
    for (size_t i = 0; i < e->n_headers; i++) {
        h[i].name = lower(e->headers[i].name, arena);
        h[i].value = e->headers[i].value;
        if (!h[i].name.p)
            return DV_ENOMEM;
    }
    if (e->n_headers)
        qsort(h, e->n_headers, sizeof(*h), by_name);
    dv_json_key(w, "headers");
    dv_json_begin_array(w);
    for (size_t i = 0; i < e->n_headers; i++) {
        if (dv_slice_eq_str(h[i].name, "authorization") || dv_slice_eq_str(h[i].name, "cookie"))
            continue;
        dv_json_string(w, h[i].name);
        dv_json_string(w, h[i].value);
    }
    dv_json_end_array(w);
    return 0;
}

static int write_endpoint(struct dv_json_writer *w, const char *key,
                          const struct dv_replid_endpoint *e, struct dv_arena *arena,
                          struct dv_err *err)
{
    struct dv_slice url = e->url, user = e->user, path;
    struct dv_url parsed;
    int rc;

    dv_json_key(w, key);
    dv_json_begin_object(w);
    if (dv_slice_starts(url, "local:")) {
        dv_json_key(w, "local");
        dv_json_string(w, url);
        dv_json_end_object(w);
        return 0;
    }
    rc = dv_url_parse(url, arena, &parsed, err);
    if (rc < 0)
        return rc;
    if (!user.n && parsed.has_user)
        user = parsed.user;
    path = parsed.path;
    while (path.n > 0 && path.p[path.n - 1] == '/')
        path.n--;
    dv_json_key(w, "host");
    dv_json_string(w, lower(parsed.host, arena));
    dv_json_key(w, "port");
    dv_json_unsigned(w, parsed.port);
    dv_json_key(w, "path");
    dv_json_string(w, path);
    dv_json_key(w, "query");
    dv_json_string(w, parsed.query);
    dv_json_key(w, "user");
    dv_json_string(w, user);
    rc = write_headers(w, e, arena);
    dv_json_end_object(w);
    return rc < 0 ? dv_err_set(err, rc, NULL) : 0;
}

static int write_canonical(struct dv_json_writer *w, const char *key, struct dv_slice json,
                           struct dv_arena *arena, struct dv_err *err)
{
    struct dv_json *tree;
    int rc = dv_json_tree(json.n ? json : DV_SLICE_LIT("{}"), NULL, arena, &tree, err);

    if (rc < 0)
        return rc;
    dv_json_key(w, key);
    w->after_key = false; /* the canonical text is the value */
    return dv_json_canonical(tree, arena, w->out, err);
}

static int write_filter(struct dv_json_writer *w, const struct dv_replid_job *job,
                        struct dv_arena *arena, struct dv_err *err)
{
    struct dv_slice *ids;
    struct dv_buf normal;
    size_t n;
    int rc;

    switch (job->filter) {
    case DV_REPLID_NONE:
        return 0;
    case DV_REPLID_DOC_IDS:
        rc = sorted_ids(job, arena, &ids, &n, err);
        if (rc < 0)
            return rc;
        dv_json_key(w, "doc_ids");
        dv_json_begin_array(w);
        for (size_t i = 0; i < n; i++)
            dv_json_string(w, ids[i]);
        dv_json_end_array(w);
        return 0;
    case DV_REPLID_SELECTOR:
        dv_buf_init(&normal, TEXT_BYTES);
        rc = dv_selector_normal(job->selector, &normal, err);
        if (rc == 0)
            rc = write_canonical(w, "selector", dv_buf_slice(&normal), arena, err);
        dv_buf_fini(&normal);
        return rc;
    case DV_REPLID_FUNCTION:
        dv_json_key(w, "code");
        dv_json_string(w, job->filter_code);
        return write_canonical(w, "params", job->query_params, arena, err);
    case DV_REPLID_BUILT_IN:
        dv_json_key(w, "filter");
        dv_json_string(w, job->filter_name);
        return write_canonical(w, "params", job->query_params, arena, err);
    }
    return 0;
}

int dv_replid_ours(const struct dv_replid_job *job, char out[DV_REPLID_BYTES], struct dv_err *err)
{
    struct dv_json_writer w;
    struct dv_arena arena;
    struct dv_buf text;
    int rc;

    dv_arena_init(&arena, TEXT_BYTES);
    dv_buf_init(&text, TEXT_BYTES);
    dv_json_writer_init(&w, &text);
    dv_json_begin_object(&w);
    dv_json_key(&w, "divan_replication");
    dv_json_unsigned(&w, 1);
    rc = write_endpoint(&w, "source", &job->source, &arena, err);
    if (rc == 0)
        rc = write_endpoint(&w, "target", &job->target, &arena, err);
    if (rc == 0)
        rc = write_filter(&w, job, &arena, err);
    if (rc == 0) {
        dv_json_key(&w, "winning_revs_only");
        dv_json_bool(&w, job->winning_revs_only);
        dv_json_end_object(&w);
        rc = text.failed ? dv_err_set(err, text.failed, NULL)
                         : hash(EVP_sha256(), dv_buf_slice(&text), out, err);
    }
    dv_buf_fini(&text);
    dv_arena_fini(&arena);
    return rc;
}

/* ---- CouchDB's
 * ----------------------------------------------------------------------------------- */

/* {remote, User, Host, Port, Path, Headers, undefined}: Erlang strings, as its replicator holds
 * them. */
static int etf_endpoint(struct dv_buf *b, const struct dv_replid_endpoint *e,
                        struct dv_arena *arena, struct dv_err *err)
{
    struct dv_slice user = e->user;
    struct dv_buf path;
    struct dv_url url;
    size_t mark;
    int rc = dv_url_parse(e->url, arena, &url, err);

    if (rc < 0)
        return rc;
    if (!user.n && url.has_user)
        user = url.raw_user; /* recorded: it is hashed undecoded */
    dv_etf_tuple(b, 7);
    dv_etf_atom(b, "remote");
    if (user.n)
        dv_etf_string(b, user);
    else
        dv_etf_atom(b, "undefined");
    dv_etf_string(b, url.host);
    if (url.https ? url.port == 443 : url.port == 80 || url.port == 5984)
        dv_etf_atom(b, "default");
    else
        dv_etf_uint(b, url.port);
    dv_buf_init(&path, 2 * DV_URL_MAX);
    dv_buf_add_slice(&path, url.path);
    if (url.query.n) {
        dv_buf_add_char(&path, '?');
        dv_buf_add_slice(&path, url.query);
    } else if (path.n == 0 || path.p[path.n - 1] != '/') {
        dv_buf_add_char(&path, '/');
    }
    dv_etf_string(b, dv_buf_slice(&path));
    dv_buf_fini(&path);
    mark = dv_etf_list_open(b);
    for (size_t i = 0; i < e->n_headers; i++) {
        dv_etf_tuple(b, 2);
        dv_etf_string(b, e->headers[i].name);
        dv_etf_string(b, e->headers[i].value);
    }
    dv_etf_list_close(b, mark, e->n_headers);
    return dv_etf_atom(b, "undefined");
}

static int etf_params(struct dv_buf *b, struct dv_slice params, struct dv_err *err)
{
    return dv_etf_json(b, params.n ? params : DV_SLICE_LIT("{}"), err);
}

/* Appends the filter's items of the list; *n counts them. */
static int etf_filter(struct dv_buf *b, const struct dv_replid_job *job, struct dv_arena *arena,
                      size_t *n, struct dv_err *err)
{
    struct dv_slice *ids;
    struct dv_buf normal;
    size_t count, mark;
    int rc = 0;

    switch (job->filter) {
    case DV_REPLID_NONE:
        return 0;
    case DV_REPLID_DOC_IDS:
        rc = sorted_ids(job, arena, &ids, &count, err);
        if (rc < 0)
            return rc;
        mark = dv_etf_list_open(b);
        for (size_t i = 0; i < count; i++)
            dv_etf_binary(b, ids[i]);
        dv_etf_list_close(b, mark, count);
        *n += 1;
        return 0;
    case DV_REPLID_SELECTOR:
        dv_buf_init(&normal, TEXT_BYTES);
        rc = dv_selector_normal(job->selector, &normal, err);
        if (rc == 0)
            rc = dv_etf_json(b, dv_buf_slice(&normal), err);
        dv_buf_fini(&normal);
        *n += 1;
        return rc;
    case DV_REPLID_FUNCTION:
    case DV_REPLID_BUILT_IN:
        dv_etf_binary(b, job->filter == DV_REPLID_FUNCTION ? job->filter_code : job->filter_name);
        *n += 2;
        return etf_params(b, job->query_params, err);
    }
    return rc;
}

int dv_replid_couch(const struct dv_replid_job *job, struct dv_slice server_uuid,
                    char out[DV_REPLID_BYTES], struct dv_err *err)
{
    struct dv_arena arena;
    struct dv_buf b;
    size_t n = 3, mark;
    int rc;

    dv_arena_init(&arena, TEXT_BYTES);
    dv_buf_init(&b, TEXT_BYTES);
    dv_etf_begin(&b);
    mark = dv_etf_list_open(&b);
    dv_etf_binary(&b, server_uuid);
    rc = etf_endpoint(&b, &job->source, &arena, err);
    if (rc == 0)
        rc = etf_endpoint(&b, &job->target, &arena, err);
    if (rc == 0)
        rc = etf_filter(&b, job, &arena, &n, err);
    if (rc == 0 && job->winning_revs_only) {
        dv_etf_binary(&b, DV_SLICE_LIT("winning_revs_only"));
        n++;
    }
    if (rc == 0) {
        dv_etf_list_close(&b, mark, n);
        rc = b.failed ? dv_err_set(err, b.failed, NULL)
                      : hash(EVP_md5(), dv_buf_slice(&b), out, err);
    }
    dv_buf_fini(&b);
    dv_arena_fini(&arena);
    return rc;
}

int dv_replid_add_suffix(const struct dv_replid_job *job, struct dv_buf *out)
{
    if (job->continuous)
        dv_buf_add_str(out, "+continuous");
    if (job->create_target)
        dv_buf_add_str(out, "+create_target");
    return out->failed;
}
