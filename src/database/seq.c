/* Seqs inside and outside. Outside: N-<uuid>-<node>, where node owned the database when N was
 * given out (engine.h: epochs, newest first; epoch i owns the seqs from its own up to the next
 * newer one's). The rules of going back are couch_db:calculate_start_seq/3's; in doubt a client
 * sees changes twice rather than never. */
#include <stdio.h>

#include "base/mem.h"
#include "couch/sequence.h"
#include "database/internal.h"

int dv_database_load_epochs(struct dv_database *db, struct dv_txn *txn, struct dv_err *err)
{
    struct dv_epoch *found, *copy;
    struct dv_arena arena;
    size_t n;
    int code;

    dv_arena_init(&arena, DV_PAGE_BYTES);
    code = dv_txn_epochs(txn, &arena, &found, &n, err);
    if (code == 0) {
        copy = dv_memdup(found, n * sizeof(*copy));
        if (!copy) {
            code = dv_err_set(err, DV_ENOMEM, "epochs");
        } else {
            pthread_mutex_lock(&db->lock);
            dv_free(db->epochs);
            db->epochs = copy;
            db->n_epochs = n;
            pthread_mutex_unlock(&db->lock);
        }
    }
    dv_arena_fini(&arena);
    return code;
}

/* Under the lock: the index of the epoch that seq belongs to, or n_epochs. */
static size_t epoch_of(const struct dv_database *db, uint64_t seq)
{
    size_t i = 0;

    while (i < db->n_epochs && db->epochs[i].seq > seq)
        i++;
    return i;
}

int dv_database_seq_text(struct dv_database *db, uint64_t number, struct dv_buf *out,
                         struct dv_err *err)
{
    struct dv_seq seq = { .number = number };
    size_t epoch;
    int code;

    memcpy(seq.uuid, db->uuid, sizeof(seq.uuid));
    pthread_mutex_lock(&db->lock);
    epoch = epoch_of(db, number);
    if (epoch < db->n_epochs)
        memcpy(seq.node, db->epochs[epoch].node, sizeof(seq.node));
    pthread_mutex_unlock(&db->lock);
    code = dv_seq_add_text(out, &seq);
    return code < 0 ? dv_err_set(err, code, "text of a seq") : 0;
}

/* Under the lock. The seq from which everything after what the client has seen is told. */
static uint64_t explain(const struct dv_database *db, const struct dv_seq *seq, uint64_t update_seq)
{
    size_t at = epoch_of(db, seq->number);

    if (at == db->n_epochs) /* from before anybody owned it: by name only if nobody does */
        return seq->number <= update_seq && !seq->node[0] ? seq->number : 0;
    if (strcmp(seq->node, db->epochs[at].node) == 0) {
        /* Ahead of us: this node wrote seqs that the file has lost since. What it held before
         * this node took it is common. */
        return seq->number <= update_seq ? seq->number : db->epochs[at].seq;
    }
    /* The node went on with its copy after the file was taken from it: common up to there. */
    for (size_t i = 0; i + 1 < db->n_epochs; i++)
        if (strcmp(seq->node, db->epochs[i + 1].node) == 0 && seq->number >= db->epochs[i].seq)
            return db->epochs[i].seq;
    return 0;
}

static uint64_t translate(struct dv_database *db, const struct dv_seq *seq, uint64_t update_seq)
{
    uint64_t since = 0;

    pthread_mutex_lock(&db->lock);
    if (strcmp(seq->uuid, db->uuid) == 0)
        since = explain(db, seq, update_seq);
    pthread_mutex_unlock(&db->lock);
    return since;
}

/* Another kind of server's: it begins with a number all the same. */
static bool looks_foreign(struct dv_slice text)
{
    size_t i = 0;

    while (i < text.n && text.p[i] >= '0' && text.p[i] <= '9')
        i++;
    return i > 0 && (i == text.n || text.p[i] == '-');
}

struct since_call {
    struct dv_database *db;
    struct dv_props props;
};

static int read_state(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    struct since_call *c = arg;
    int code = dv_txn_props(txn, &c->props, err);

    return code < 0 ? code : dv_database_load_epochs(c->db, txn, err);
}

int dv_database_since(struct dv_database *db, struct dv_slice text, uint64_t *since,
                      struct dv_err *err)
{
    struct since_call c = { .db = db };
    bool now = dv_slice_eq_str(text, "now");
    struct dv_seq seq = { .number = 0 };
    bool ours = dv_seq_parse(text, &seq);
    uint64_t number = 0;
    int code;

    if (!now && !ours && !dv_seq_parse_number(text, &number) && !looks_foreign(text))
        return dv_err_set(err, DV_EINVAL, "Malformed sequence supplied in 'since' parameter.");
    code = dv_database_view(db, read_state, &c, err);
    if (code < 0)
        return code;
    if (now)
        *since = c.props.update_seq;
    else if (ours)
        *since = translate(db, &seq, c.props.update_seq);
    else
        *since = number <= c.props.update_seq ? number : 0;
    return 0;
}
