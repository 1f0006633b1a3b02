/* The rows of `state`: counters, security object, epochs.
 *
 * A row's checksum covers its number and its value. The counters are written at most once per
 * transaction, by dv_sqstate_save; the other two when they change. */
#include <stdio.h>

#include "base/mem.h"
#include "engine/sqlite/internal.h"

enum { EPOCH_BYTES = 32 + 8, EPOCHS_MAX = 100000 };

void dv_sqstate_encode(const struct dv_sqstate *s, unsigned char out[DV_SQSTATE_BYTES])
{
    unsigned char *p = out + 16;

    memcpy(out, s->uuid, 16);
#define X(name)                                                                                    \
    dv_sqput_u64(p, s->name);                                                                      \
    p += 8;
    DV_SQ_COUNTERS(X)
#undef X
}

static void decode(struct dv_sqstate *s, const unsigned char *in)
{
    const unsigned char *p = in + 16;

    memcpy(s->uuid, in, 16);
#define X(name)                                                                                    \
    s->name = dv_sqget_u64(p);                                                                     \
    p += 8;
    DV_SQ_COUNTERS(X)
#undef X
}

static int32_t row_sum(enum dv_sqstate_row k, struct dv_slice value)
{
    return dv_sqsum(&(uint64_t){ (uint64_t)k }, 1, value, dv_slice(NULL, 0));
}

/* Leaves *st on the row: the caller resets it. */
static int get_row(struct dv_txn_backend *t, enum dv_sqstate_row k, sqlite3_stmt **st,
                   struct dv_slice *value, struct dv_err *err)
{
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_STATE_GET, st, err);

    if (rc < 0)
        return rc;
    sqlite3_bind_int(*st, 1, (int)k);
    rc = dv_sqconn_step(t->conn, *st, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return dv_sqtxn_corrupt(t, err, "state row %d is missing", (int)k);
    *value = dv_sq_column(*st, 1);
    if (sqlite3_column_int64(*st, 0) != row_sum(k, *value)) {
        sqlite3_reset(*st);
        return dv_sqtxn_corrupt(t, err, "checksum of state row %d is wrong", (int)k);
    }
    return 0;
}

static int put_row(struct dv_txn_backend *t, enum dv_sqstate_row k, struct dv_slice value,
                   struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_STATE_PUT, &st, err);

    if (rc < 0)
        return dv_sqtxn_fail(t, rc);
    sqlite3_bind_int(st, 1, (int)k);
    sqlite3_bind_int(st, 2, row_sum(k, value));
    dv_sq_bind_bytes(st, 3, value);
    return dv_sqtxn_fail(t, dv_sqconn_done(t->conn, st, err));
}

int dv_sqstate_load(struct dv_txn_backend *t, struct dv_err *err)
{
    struct dv_slice value;
    sqlite3_stmt *st;
    int rc = get_row(t, DV_SQSTATE_COUNTERS, &st, &value, err);

    if (rc < 0)
        return rc;
    if (value.n == DV_SQSTATE_BYTES)
        decode(&t->state, (const unsigned char *)value.p);
    else
        rc = dv_sqtxn_corrupt(t, err, "state row 1 has %zu bytes", value.n);
    sqlite3_reset(st);
    return rc;
}

int dv_sqstate_save(struct dv_txn_backend *t, struct dv_err *err)
{
    unsigned char value[DV_SQSTATE_BYTES];

    dv_sqstate_encode(&t->state, value);
    return put_row(t, DV_SQSTATE_COUNTERS, dv_slice(value, sizeof(value)), err);
}

int dv_sqstate_props(struct dv_txn_backend *t, struct dv_props *props, struct dv_err *err)
{
    const struct dv_sqstate *s = &t->state;
    struct dv_props p = { .doc_count = s->docs,
                          .deleted_doc_count = s->deleted,
                          .update_seq = s->update_seq,
                          .purge_seq = s->purge_seq,
                          .compacted_seq = s->compacted_seq,
                          .revs_limit = s->revs_limit,
                          .disk_version = DV_SQ_VERSION };
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, DV_SQL_PAGE_COUNT, &st, err);

    if (rc < 0)
        return rc;
    rc = dv_sqconn_step(t->conn, st, err);
    if (rc < 0)
        return rc;
    p.file_bytes = dv_sq_column_u64(st, 0) * DV_SQ_PAGE_BYTES;
    sqlite3_reset(st);
    p.active_bytes = s->leaf_bytes + s->tree_bytes + s->att_stored_bytes;
    p.external_bytes = s->leaf_bytes + s->att_decoded_bytes;
    for (int i = 0; i < 16; i++)
        snprintf(p.uuid + 2 * i, 3, "%02x", s->uuid[i]);
    *props = p;
    return 0;
}

/* ---- epochs: newest first, 32 characters of node and the seq ---- */

int dv_sqstate_epochs(struct dv_txn_backend *t, struct dv_arena *arena, struct dv_epoch **epochs,
                      size_t *n, struct dv_err *err)
{
    struct dv_epoch *list;
    struct dv_slice value;
    sqlite3_stmt *st;
    size_t count;
    int rc = get_row(t, DV_SQSTATE_EPOCHS, &st, &value, err);

    if (rc < 0)
        return rc;
    count = value.n / EPOCH_BYTES;
    list = dv_arena_zalloc(arena, (count ? count : 1) * sizeof(*list));
    for (size_t i = 0; list && i < count; i++) {
        const char *p = value.p + i * EPOCH_BYTES;

        memcpy(list[i].node, p, 32);
        list[i].seq = dv_sqget_u64((const unsigned char *)p + 32);
    }
    sqlite3_reset(st);
    if (!list)
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    *epochs = list;
    *n = count;
    return 0;
}

static int put_epochs(struct dv_txn_backend *t, const struct dv_epoch *list, size_t n,
                      struct dv_err *err)
{
    struct dv_buf b;
    int rc;

    dv_buf_init(&b, (size_t)EPOCHS_MAX * EPOCH_BYTES);
    for (size_t i = 0; i < n; i++) {
        unsigned char seq[8];

        dv_sqput_u64(seq, list[i].seq);
        dv_buf_add(&b, list[i].node, 32);
        dv_buf_add(&b, seq, sizeof(seq));
    }
    rc = b.failed ? dv_err_set(err, b.failed, "too many epochs")
                  : put_row(t, DV_SQSTATE_EPOCHS, dv_buf_slice(&b), err);
    dv_buf_fini(&b);
    return rc;
}

int dv_sqstate_owned_by(struct dv_txn_backend *t, const char *node, bool *owned, struct dv_err *err)
{
    struct dv_slice value;
    sqlite3_stmt *st;
    int rc = get_row(t, DV_SQSTATE_EPOCHS, &st, &value, err);

    if (rc < 0)
        return rc;
    *owned = !node[0] || (value.n >= EPOCH_BYTES && strncmp(value.p, node, 32) == 0);
    sqlite3_reset(st);
    return 0;
}

/* The newest owner may never have written: it is dropped, which may leave the one who opens now. */
int dv_sqstate_take_over(struct dv_txn_backend *t, const char *node, struct dv_err *err)
{
    struct dv_epoch *old, *list;
    struct dv_arena arena;
    size_t n, drop = 0;
    int rc;

    dv_arena_init(&arena, (size_t)EPOCHS_MAX * 4 * sizeof(*list));
    rc = dv_sqstate_epochs(t, &arena, &old, &n, err);
    if (rc < 0)
        goto out;
    while (drop < n && old[drop].seq == t->state.update_seq)
        drop++;
    list = dv_arena_zalloc(&arena, (n + 1) * sizeof(*list));
    if (!list) {
        rc = dv_err_set(err, DV_ENOMEM, "out of memory");
        goto out;
    }
    memcpy(list[0].node, node, 33);
    list[0].seq = t->state.update_seq;
    memcpy(list + 1, old + drop, (n - drop) * sizeof(*list));
    if (n > drop && strcmp(old[drop].node, node) == 0)
        rc = put_epochs(t, list + 1, n - drop, err);
    else
        rc = put_epochs(t, list, n - drop + 1, err);
out:
    dv_arena_fini(&arena);
    return rc;
}

/* ---- security, revs_limit ---- */

int dv_sqstate_security(struct dv_txn_backend *t, struct dv_buf *out, struct dv_err *err)
{
    struct dv_slice value;
    sqlite3_stmt *st;
    int rc = get_row(t, DV_SQSTATE_SECURITY, &st, &value, err);

    if (rc < 0)
        return rc;
    rc = dv_buf_add_slice(out, value);
    sqlite3_reset(st);
    return rc < 0 ? dv_err_set(err, rc, "security object does not fit") : 0;
}

int dv_sqstate_set_security(struct dv_txn_backend *t, struct dv_slice json, struct dv_err *err)
{
    int rc = put_row(t, DV_SQSTATE_SECURITY, json, err);

    if (rc < 0)
        return rc;
    t->state.update_seq++;
    t->dirty = true;
    return 0;
}

int dv_sqstate_set_revs_limit(struct dv_txn_backend *t, uint64_t limit, struct dv_err *err)
{
    (void)err;
    t->state.revs_limit = limit;
    t->state.update_seq++;
    t->dirty = true;
    return 0;
}
