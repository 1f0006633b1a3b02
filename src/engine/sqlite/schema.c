/* The tables, and the bytes of an empty database.
 *
 * A database is made in memory and written as one image (dv_sqfile_write_image), so that no cut
 * leaves half a schema. An existing file's schema must be these texts to the letter. */
#include "engine/sqlite/internal.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/rand.h"

/* In the order of creation, which is the order in sqlite_schema. */
static const char *const tables[] = {
    "CREATE TABLE state(k INTEGER PRIMARY KEY, sum, value)",
    "CREATE TABLE docs(seq INTEGER PRIMARY KEY, sum, deleted, leaf_bytes, id, tree)",
    "CREATE TABLE ids(id PRIMARY KEY, seq, deleted) WITHOUT ROWID",
    "CREATE TABLE ids_new(id PRIMARY KEY, seq, deleted) WITHOUT ROWID",
    "CREATE TABLE bodies(ref INTEGER PRIMARY KEY, sum, record)",
    "CREATE TABLE locals(id PRIMARY KEY, sum, rev, body) WITHOUT ROWID",
    "CREATE TABLE purges(purge_seq INTEGER PRIMARY KEY, sum, uuid UNIQUE, id, revs)",
    ("CREATE TABLE atts(n INTEGER PRIMARY KEY, sum, key UNIQUE, stored_bytes, decoded_bytes,"
     " md5_stored, md5_decoded, refs, owner, chunks)"),
    "CREATE TABLE chunks(at INTEGER PRIMARY KEY, sum, data)",
    "CREATE TABLE att_holds(holder, att, PRIMARY KEY(holder, att)) WITHOUT ROWID",
    "CREATE TABLE owners(n INTEGER PRIMARY KEY, boot, ns, pid, start, touched_ms)",
};
enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

static int put_state(sqlite3 *db, enum dv_sqstate_row k, struct dv_slice value)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db, "INSERT INTO state(k, sum, value) VALUES(?1, ?2, ?3)", -1, &st,
                                NULL);

    if (rc)
        return rc;
    sqlite3_bind_int(st, 1, (int)k);
    sqlite3_bind_int(st, 2, dv_sqsum(&(uint64_t){ (uint64_t)k }, 1, value, dv_slice(NULL, 0)));
    dv_sq_bind_bytes(st, 3, value);
    sqlite3_step(st);
    return sqlite3_finalize(st);
}

static int put_first_rows(sqlite3 *db, const struct dv_store_options *opt)
{
    struct dv_sqstate first = { .revs_limit = DV_REVS_LIMIT_DEFAULT };
    struct dv_slice security = opt->security.n ? opt->security : DV_SLICE_LIT("{}");
    unsigned char counters[DV_SQSTATE_BYTES];
    char epoch[40] = { 0 };
    int rc;

    dv_rand_bytes(first.uuid, sizeof(first.uuid));
    dv_sqstate_encode(&first, counters);
    memcpy(epoch, opt->node, 32);
    rc = put_state(db, DV_SQSTATE_COUNTERS, dv_slice(counters, sizeof(counters)));
    if (rc == 0)
        rc = put_state(db, DV_SQSTATE_SECURITY, security);
    if (rc == 0)
        rc = put_state(db, DV_SQSTATE_EPOCHS, dv_slice(epoch, opt->node[0] ? sizeof(epoch) : 0));
    return rc;
}

static int build(sqlite3 *db, const struct dv_store_options *opt)
{
    char pragmas[160];
    int rc;

    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA page_size=%d; PRAGMA auto_vacuum=2; PRAGMA encoding='UTF-8';"
             "PRAGMA application_id=%d; PRAGMA user_version=%d; BEGIN",
             DV_SQ_PAGE_BYTES, DV_SQ_APPLICATION_ID, DV_SQ_VERSION);
    rc = sqlite3_exec(db, pragmas, NULL, NULL, NULL);
    for (int i = 0; rc == 0 && i < TABLES; i++)
        rc = sqlite3_exec(db, tables[i], NULL, NULL, NULL);
    if (rc == 0)
        rc = put_first_rows(db, opt);
    return rc ? rc : sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
}

int dv_sqschema_image(const struct dv_store_options *opt, unsigned char **image, size_t *n,
                      struct dv_err *err)
{
    sqlite3_int64 size = 0;
    unsigned char *bytes = NULL;
    sqlite3 *db;
    int rc = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

    if (rc == 0)
        rc = build(db, opt);
    if (rc == 0) {
        bytes = sqlite3_serialize(db, "main", &size, 0);
        if (!bytes)
            rc = SQLITE_NOMEM;
    }
    if (rc) {
        rc = dv_sq_error(db, "new database", rc, err);
        sqlite3_close(db);
        return rc;
    }
    sqlite3_close(db);
    bytes[18] = bytes[19] = 2; /* the file is in WAL mode from its first byte */
    *image = bytes;
    *n = (size_t)size;
    return 0;
}

/* sqlite_schema also lists the indexes that UNIQUE makes; those have no text. */
int dv_sqschema_verify(struct dv_sqconn *c, struct dv_err *err)
{
    sqlite3_stmt *st;
    int at = 0;
    int rc = sqlite3_prepare_v2(c->db,
                                "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"
                                " ORDER BY rowid",
                                -1, &st, NULL);

    if (rc)
        return dv_sqconn_error(c, rc, err);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (at == TABLES || !dv_slice_eq_str(dv_sq_column(st, 0), tables[at]))
            break;
        at++;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        rc = dv_sqconn_error(c, rc, err);
    else if (rc == SQLITE_ROW || at != TABLES)
        rc = dv_err_set(err, DV_EFORMAT, "%s: tables are not those of a divan database", c->path);
    else
        rc = 0;
    sqlite3_finalize(st);
    return rc;
}
