/* Steps that list: _all_docs, _local_docs, _changes; and the administrative ones. */
#include "lib/dbanswer.h"

#include <stdlib.h>

#include "lib/check_main.h"
#include "json/writer.h"

enum { REQUESTS_MAX = 16 };

/* ---- rows ---------------------------------------------------------------------------------------
 */

static int tell_row(void *arg, const struct dv_row *row, struct dv_err *err)
{
    struct dv_json_writer *w = arg;

    (void)err;
    dv_json_begin_object(w);
    if (row->found) {
        dv_json_key(w, "id");
        dv_json_string(w, row->key);
    }
    dv_json_key(w, "key");
    dv_json_string(w, row->key);
    if (!row->found) {
        dv_json_key(w, "error");
        dv_json_cstring(w, "not_found");
        dv_json_end_object(w);
        return 0;
    }
    dv_json_key(w, "value");
    dv_json_begin_object(w);
    dv_json_key(w, "rev");
    dv_json_string(w, row->rev);
    if (row->deleted) {
        dv_json_key(w, "deleted");
        dv_json_bool(w, true);
    }
    dv_json_end_object(w);
    if (row->doc.n) {
        dv_json_key(w, "doc");
        dv_json_raw(w, row->doc);
    }
    dv_json_end_object(w);
    return 0;
}

static struct dv_slice key_param(struct testdb *t, const struct httpstep *s, const char *key)
{
    struct dv_slice v = httpstep_param(s, key);

    return v.n ? testdb_json(t, v)->text : v;
}

static void read_range(struct testdb *t, const struct httpstep *s, struct dv_range *r)
{
    struct dv_slice key = key_param(t, s, "key");

    r->descending = httpstep_true(s, "descending");
    r->start_key = key.n ? key : key_param(t, s, "startkey");
    r->end_key = key.n ? key : key_param(t, s, "endkey");
    r->has_start = r->start_key.n > 0;
    r->has_end = r->end_key.n > 0;
    r->end_exclusive = dv_slice_eq_str(httpstep_param(s, "inclusive_end"), "false");
}

static void read_keys(struct testdb *t, const struct httpstep *s, struct dv_all_docs_options *opt)
{
    struct dv_slice keys = httpstep_param(s, "keys");

    if (keys.n)
        opt->keys = dbanswer_strings(t, testdb_json(t, keys), &opt->n_keys);
    else if (httpstep_is(s, "POST"))
        opt->keys = dbanswer_strings(t, dv_json_get(testdb_json(t, s->body), "keys"), &opt->n_keys);
    opt->has_keys = opt->keys != NULL;
}

static bool all_docs(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    struct dv_all_docs_options opt = { .include_docs = httpstep_true(s, "include_docs"),
                                       .skip = httpstep_number(s, "skip", 0),
                                       .limit = httpstep_number(s, "limit", UINT64_MAX),
                                       .get_flags = dbanswer_flags(s) };
    struct dv_json_writer w;
    uint64_t total, offset;
    struct dv_buf rows;

    /* Parameters that are not JSON or no numbers, and update_seq's packed form. */
    if (s->status != 200 || httpstep_true(s, "update_seq"))
        return false;
    read_range(t, s, &opt.range);
    read_keys(t, s, &opt);
    dv_buf_init(&rows, 1 << 22);
    dv_json_writer_init(&w, &rows);
    dv_json_begin_array(&w);
    ck_assert_int_eq(dv_database_all_docs(t->db, &opt, tell_row, &w, &total, &offset, &t->err), 0);
    dv_json_end_array(&w);
    a->status = 200;
    dv_buf_printf(&a->body, "{\"total_rows\":%llu,\"offset\":", (unsigned long long)total);
    if (opt.has_keys)
        dv_buf_add_str(&a->body, "null");
    else
        dv_buf_printf(&a->body, "%llu", (unsigned long long)offset);
    dv_buf_printf(&a->body, ",\"rows\":%s}", dv_buf_cstr(&rows));
    dv_buf_fini(&rows);
    return true;
}

static void local_docs(struct testdb *t, struct dbanswer *a)
{
    struct dv_all_docs_options opt = { .limit = UINT64_MAX };
    struct dv_json_writer w;

    a->status = 200;
    dv_buf_add_str(&a->body, "{\"total_rows\":null,\"offset\":null,\"rows\":");
    dv_json_writer_init(&w, &a->body);
    dv_json_begin_array(&w);
    ck_assert_int_eq(dv_database_local_docs(t->db, &opt, tell_row, &w, &t->err), 0);
    dv_json_end_array(&w);
    dv_buf_add_char(&a->body, '}');
}

/* ---- changes ------------------------------------------------------------------------------------
 */

struct telling {
    struct testdb *t;
    struct dv_json_writer w;
    uint64_t interval, n, pending;
};

static int tell_change(void *arg, const struct dv_change *c, struct dv_err *err)
{
    struct telling *l = arg;
    struct dv_json_writer *w = &l->w;

    (void)err;
    l->pending = c->pending;
    dv_json_begin_object(w);
    dv_json_key(w, "seq");
    if (l->n++ % l->interval == 0) /* seq_interval: the first and every n-th after it */
        dv_json_cstring(w, testdb_text(l->t, "%llu", (unsigned long long)c->seq));
    else
        dv_json_null(w);
    dv_json_key(w, "id");
    dv_json_string(w, c->id);
    dv_json_key(w, "changes");
    dv_json_begin_array(w);
    for (size_t i = 0; i < c->n_revs; i++) {
        dv_json_begin_object(w);
        dv_json_key(w, "rev");
        dv_json_string(w, c->revs[i]);
        dv_json_end_object(w);
    }
    dv_json_end_array(w);
    if (c->deleted) {
        dv_json_key(w, "deleted");
        dv_json_bool(w, true);
    }
    if (c->doc.n) {
        dv_json_key(w, "doc");
        dv_json_raw(w, c->doc);
    }
    dv_json_end_object(w);
    return 0;
}

static bool is_normal_feed(const struct httpstep *s)
{
    struct dv_slice feed = httpstep_param(s, "feed"), style = httpstep_param(s, "style");

    return httpstep_is(s, "GET") && !httpstep_param(s, "filter").n &&
           (!feed.n || dv_slice_eq_str(feed, "normal")) && !dv_slice_eq_str(style, "nope");
}

/* The number of a seq of the recording; it is a CouchDB's, so ours of that number is meant. */
static int read_since(struct testdb *t, const struct httpstep *s, uint64_t *since)
{
    struct dv_slice text = httpstep_cut_seqs(httpstep_param(s, "since"), &t->arena);

    *since = 0;
    return text.n ? dv_database_since(t->db, text, since, &t->err) : 0;
}

static bool changes(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    struct dv_changes_options opt = { .limit = httpstep_number(s, "limit", UINT64_MAX),
                                      .descending = httpstep_true(s, "descending"),
                                      .include_docs = httpstep_true(s, "include_docs"),
                                      .pending = true,
                                      .get_flags = dbanswer_flags(s) };
    struct telling l = { .t = t, .interval = httpstep_number(s, "seq_interval", 1) };
    uint64_t last;

    if (!is_normal_feed(s))
        return false;
    opt.all_docs = dv_slice_eq_str(httpstep_param(s, "style"), "all_docs");
    if (read_since(t, s, &opt.since) < 0) {
        dbanswer_error(a, &t->err);
        return true;
    }
    ck_assert_int_eq(dv_database_count_changes(t->db, opt.since, &l.pending, &t->err), 0);
    a->status = 200;
    dv_buf_add_str(&a->body, "{\"results\":");
    dv_json_writer_init(&l.w, &a->body);
    dv_json_begin_array(&l.w);
    ck_assert_int_eq(dv_database_changes(t->db, &opt, tell_change, &l, &last, &t->err), 0);
    dv_json_end_array(&l.w);
    dv_buf_printf(&a->body, ",\"last_seq\":\"%llu\",\"pending\":%llu}", (unsigned long long)last,
                  (unsigned long long)l.pending);
    return true;
}

bool dbanswer_list(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    if (s->n_segments != 2)
        return false;
    if (dv_slice_eq_str(s->segments[1], "_all_docs"))
        return all_docs(t, s, a);
    if (dv_slice_eq_str(s->segments[1], "_changes"))
        return changes(t, s, a);
    if (!dv_slice_eq_str(s->segments[1], "_local_docs"))
        return false;
    local_docs(t, a);
    return true;
}

/* ---- administration
 * ------------------------------------------------------------------------------ */

static void done(struct dbanswer *a, int code, const struct dv_err *err)
{
    a->status = 200;
    if (code < 0)
        dbanswer_error(a, err);
    else
        dv_buf_add_str(&a->body, "{\"ok\":true}");
}

static bool security(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    if (httpstep_is(s, "PUT")) {
        done(a, dv_database_set_security(t->db, s->body, &t->err), &t->err);
        return a->status == s->status; /* CouchDB's 500 is its own accident */
    }
    if (dv_slice_eq_str(s->name, "get security default")) /* the server's configuration */
        return false;
    a->status = 200;
    return dv_database_security(t->db, &a->body, &t->err) == 0;
}

static bool revs_limit(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    struct dv_props props;

    if (httpstep_is(s, "PUT")) {
        if (s->status != 200)
            return false;
        done(a, dv_database_set_revs_limit(t->db, strtoull(s->body.p, NULL, 10), &t->err), &t->err);
        return true;
    }
    ck_assert_int_eq(dv_database_props(t->db, &props, &t->err), 0);
    a->status = 200;
    dv_buf_printf(&a->body, "%llu", (unsigned long long)props.revs_limit);
    return true;
}

static void purge(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    const struct dv_json *root = testdb_json(t, s->body);
    struct dv_purge_request requests[REQUESTS_MAX];
    struct dv_json_writer w;
    uint64_t purge_seq;
    size_t n = 0;

    for (const struct dv_json *m = root->first; m; m = m->next, n++) {
        requests[n].id = m->key;
        requests[n].revs = dbanswer_strings(t, m, &requests[n].n_revs);
    }
    ck_assert_int_eq(dv_database_purge(t->db, requests, n, &t->arena, &purge_seq, &t->err), 0);
    a->status = 201;
    dv_buf_add_str(&a->body, "{\"purge_seq\":null,\"purged\":");
    dv_json_writer_init(&w, &a->body);
    dv_json_begin_object(&w);
    for (size_t i = 0; i < n; i++) {
        dv_json_key_slice(&w, requests[i].id);
        dv_json_begin_array(&w);
        for (size_t j = 0; j < requests[i].n_purged; j++)
            dv_json_string(&w, requests[i].purged[j]);
        dv_json_end_array(&w);
    }
    dv_json_end_object(&w);
    dv_buf_add_char(&a->body, '}');
}

bool dbanswer_admin(struct testdb *t, const struct httpstep *s, struct dbanswer *a)
{
    if (s->n_segments != 2)
        return false;
    if (dv_slice_eq_str(s->segments[1], "_security"))
        return security(t, s, a);
    if (dv_slice_eq_str(s->segments[1], "_revs_limit"))
        return revs_limit(t, s, a);
    if (!dv_slice_eq_str(s->segments[1], "_purge"))
        return false;
    purge(t, s, a);
    return true;
}
