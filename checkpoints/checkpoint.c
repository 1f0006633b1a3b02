/* See checkpoint.h. Histories are short (50), so looking one up in another is a double loop. */
#include "checkpoints/checkpoint.h"

#include <stdio.h>
#include <time.h>

#include "json/tree.h"
#include "json/writer.h"

/* What others may have written: longer histories are read, but not without end. */
enum { HISTORY_READ_MAX = 1000 };

static uint64_t count_of(const struct dv_json *v, const char *key)
{
    uint64_t n;

    return dv_json_uint(dv_json_get(v, key), &n) ? n : 0;
}

/* A seq is any JSON value but null; its text is kept. */
static struct dv_slice seq_of(const struct dv_json *v, const char *key)
{
    const struct dv_json *seq = dv_json_get(v, key);

    return seq && seq->kind != DV_JSON_IS_NULL ? seq->raw : dv_slice(NULL, 0);
}

static struct dv_slice seq_of_either(const struct dv_json *v, const char *couch, const char *pouch)
{
    struct dv_slice seq = seq_of(v, couch);

    return seq.n ? seq : seq_of(v, pouch);
}

static bool read_session(const struct dv_json *v, struct dv_checkpoint_session *s)
{
    *s = (struct dv_checkpoint_session){
        .id = dv_json_str(dv_json_get(v, "session_id")),
        .start_time = dv_json_str(dv_json_get(v, "start_time")),
        .end_time = dv_json_str(dv_json_get(v, "end_time")),
        .start_last_seq = seq_of(v, "start_last_seq"),
        .end_last_seq = seq_of(v, "end_last_seq"),
        .recorded_seq = seq_of_either(v, "recorded_seq", "last_seq"),
        .missing_checked = count_of(v, "missing_checked"),
        .missing_found = count_of(v, "missing_found"),
        .docs_read = count_of(v, "docs_read"),
        .docs_written = count_of(v, "docs_written"),
        .doc_write_failures = count_of(v, "doc_write_failures"),
        .bulk_get_docs = count_of(v, "bulk_get_docs"),
        .bulk_get_attempts = count_of(v, "bulk_get_attempts"),
    };
    return s->id.n > 0 && s->recorded_seq.n > 0;
}

static int read_history(const struct dv_json *list, struct dv_arena *arena,
                        struct dv_checkpoint *cp)
{
    size_t room = list->count < HISTORY_READ_MAX ? list->count : HISTORY_READ_MAX;

    cp->history = dv_arena_alloc(arena, (room + 1) * sizeof(*cp->history));
    if (!cp->history)
        return DV_ENOMEM;
    for (const struct dv_json *c = list->first; c && cp->n_history < room; c = c->next)
        if (read_session(c, &cp->history[cp->n_history]))
            cp->n_history++;
    return 0;
}

int dv_checkpoint_read(struct dv_slice json, struct dv_arena *arena, struct dv_checkpoint *out,
                       struct dv_err *err)
{
    struct dv_checkpoint cp = { 0 };
    const struct dv_json *history;
    struct dv_json *v;
    int rc = 0;

    if (json.n > 0)
        rc = dv_json_tree(json, NULL, arena, &v, err);
    if (rc == DV_ENOMEM)
        return rc;
    if (json.n == 0 || rc < 0) {
        dv_err_clear(err);
        *out = cp;
        return 0;
    }
    cp.rev = dv_json_str(dv_json_get(v, "_rev"));
    cp.session_id = dv_json_str(dv_json_get(v, "session_id"));
    cp.source_last_seq = seq_of_either(v, "source_last_seq", "last_seq");
    history = dv_json_get(v, "history");
    if (dv_json_is(history, DV_JSON_IS_ARRAY) && read_history(history, arena, &cp) < 0)
        return dv_err_set(err, DV_ENOMEM, NULL);
    *out = cp;
    return 0;
}

static const struct dv_checkpoint_session *find(const struct dv_checkpoint *cp, struct dv_slice id)
{
    for (size_t i = 0; i < cp->n_history; i++)
        if (dv_slice_eq(cp->history[i].id, id))
            return &cp->history[i];
    return NULL;
}

/* The number that seqs of CouchDB, PouchDB and divan begin with. Only for choosing the smaller of
 * two of one database; false for seqs without. */
static bool seq_number(struct dv_slice seq, uint64_t *out)
{
    uint64_t n = 0;
    size_t i = seq.n > 0 && *seq.p == '"', from = i;

    for (; i < seq.n && seq.p[i] >= '0' && seq.p[i] <= '9' && n < UINT64_MAX / 10 - 1; i++)
        n = n * 10 + (uint64_t)(seq.p[i] - '0');
    *out = n;
    return i > from;
}

/* The two copies of one run may have recorded different seqs: it was killed between the two writes,
 * or one side was restored to an earlier state. The smaller is safe in each case. Where seqs cannot
 * be compared: a copy whose newest run this is not has gone on since, so the other's record of it
 * is at most as far; else an older common run has to settle it. */
static bool agreed_seq(const struct dv_checkpoint *a, const struct dv_checkpoint *b,
                       const struct dv_checkpoint_session *in_a,
                       const struct dv_checkpoint_session *in_b, struct dv_slice *seq)
{
    bool newest_in_a = in_a == a->history, newest_in_b = in_b == b->history;
    uint64_t x, y;

    if (dv_slice_eq(in_a->recorded_seq, in_b->recorded_seq))
        *seq = in_a->recorded_seq;
    else if (seq_number(in_a->recorded_seq, &x) && seq_number(in_b->recorded_seq, &y) && x != y)
        *seq = x < y ? in_a->recorded_seq : in_b->recorded_seq;
    else if (newest_in_a != newest_in_b)
        *seq = newest_in_a ? in_a->recorded_seq : in_b->recorded_seq;
    else
        return false;
    return true;
}

bool dv_checkpoint_common(const struct dv_checkpoint *a, const struct dv_checkpoint *b,
                          struct dv_slice *seq)
{
    if (a->session_id.n && dv_slice_eq(a->session_id, b->session_id) && a->source_last_seq.n &&
        dv_slice_eq(a->source_last_seq, b->source_last_seq)) {
        *seq = a->source_last_seq;
        return true;
    }
    for (size_t i = 0; i < a->n_history; i++) {
        const struct dv_checkpoint_session *other = find(b, a->history[i].id);

        if (other && agreed_seq(a, b, &a->history[i], other, seq))
            return true;
    }
    return false;
}

static bool holds(const struct dv_checkpoint_session *list, size_t n, struct dv_slice id)
{
    for (size_t i = 0; i < n; i++)
        if (dv_slice_eq(list[i].id, id))
            return true;
    return false;
}

static void append(struct dv_checkpoint *next, const struct dv_checkpoint *from)
{
    if (!from)
        return;
    for (size_t i = 0; i < from->n_history && next->n_history < DV_CHECKPOINT_HISTORY_MAX; i++)
        if (!holds(next->history, next->n_history, from->history[i].id))
            next->history[next->n_history++] = from->history[i];
}

int dv_checkpoint_next(const struct dv_checkpoint *copy, const struct dv_checkpoint *known,
                       const struct dv_checkpoint_session *now, struct dv_arena *arena,
                       struct dv_checkpoint *out, struct dv_err *err)
{
    struct dv_checkpoint next = { .rev = copy->rev,
                                  .session_id = now->id,
                                  .source_last_seq = now->recorded_seq };

    next.history = dv_arena_alloc(arena, DV_CHECKPOINT_HISTORY_MAX * sizeof(*next.history));
    if (!next.history)
        return dv_err_set(err, DV_ENOMEM, NULL);
    next.history[next.n_history++] = *now;
    append(&next, copy);
    append(&next, known);
    *out = next;
    return 0;
}

static void write_text(struct dv_json_writer *w, const char *key, struct dv_slice text)
{
    if (!text.n)
        return;
    dv_json_key(w, key);
    dv_json_string(w, text);
}

static void write_seq(struct dv_json_writer *w, const char *key, struct dv_slice seq)
{
    dv_json_key(w, key);
    dv_json_raw(w, seq.n ? seq : DV_SLICE_LIT("0"));
}

static void write_count(struct dv_json_writer *w, const char *key, uint64_t n)
{
    dv_json_key(w, key);
    dv_json_unsigned(w, n);
}

static void write_session(struct dv_json_writer *w, const struct dv_checkpoint_session *s)
{
    dv_json_begin_object(w);
    write_text(w, "session_id", s->id);
    write_text(w, "start_time", s->start_time);
    write_text(w, "end_time", s->end_time);
    write_seq(w, "start_last_seq", s->start_last_seq);
    write_seq(w, "end_last_seq", s->end_last_seq);
    write_seq(w, "recorded_seq", s->recorded_seq);
    write_count(w, "missing_checked", s->missing_checked);
    write_count(w, "missing_found", s->missing_found);
    write_count(w, "docs_read", s->docs_read);
    write_count(w, "docs_written", s->docs_written);
    write_count(w, "doc_write_failures", s->doc_write_failures);
    write_count(w, "bulk_get_docs", s->bulk_get_docs);
    write_count(w, "bulk_get_attempts", s->bulk_get_attempts);
    dv_json_end_object(w);
}

int dv_checkpoint_write(const struct dv_checkpoint *cp, struct dv_slice id, struct dv_buf *out)
{
    struct dv_json_writer w;

    dv_json_writer_init(&w, out);
    dv_json_begin_object(&w);
    dv_json_key(&w, "_id");
    dv_buf_add_str(out, "\"_local/");
    dv_buf_add_slice(out, id); /* hex digits, '+' and letters: nothing to escape */
    dv_buf_add_char(out, '"');
    w.after_key = false;
    write_text(&w, "_rev", cp->rev);
    write_text(&w, "session_id", cp->session_id);
    write_seq(&w, "source_last_seq", cp->source_last_seq);
    write_count(&w, "replication_id_version", 4);
    dv_json_key(&w, "history");
    dv_json_begin_array(&w);
    for (size_t i = 0; i < cp->n_history; i++)
        write_session(&w, &cp->history[i]);
    dv_json_end_array(&w);
    dv_json_end_object(&w);
    return out->failed;
}

void dv_http_time(int64_t wall_ms, char out[DV_HTTP_TIME_BYTES])
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&t, &tm); /* by hand: strftime would speak the user's language */
    snprintf(out, DV_HTTP_TIME_BYTES, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday % 7],
             tm.tm_mday % 100, months[tm.tm_mon % 12], (tm.tm_year + 1900) % 10000,
             tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
}
