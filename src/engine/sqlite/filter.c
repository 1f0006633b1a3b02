/* Which ids are certainly new: a Bloom filter in the memory of a store that writes much.
 *
 * Most documents that a replication brings are new, and looking each up in an index that is larger
 * than the cache reads a page per document. The filter holds (at least) every id of a document with
 * seq <= `seq`; a document never gets an id without a new seq, so what another process wrote shows
 * as a higher update_seq, and the documents in between are added when a write begins. Ids of
 * transactions that were rolled back, and of purged documents, stay: "perhaps" costs a look, "no"
 * is always true.
 *
 * It is made with an empty database, or after so many fruitless looks that reading all ids is worth
 * it. Split blocks (as Parquet's): one 32-byte block per id, a bit in each of its eight words; 12
 * bits per id, about 1 in 200 is wrong. A full level is followed by one four times as large. Past
 * the last level it is given up. */
#include "base/hash.h"
#include "base/mem.h"
#include "engine/sqlite/internal.h"

enum {
    FIRST_IDS = 16 * 1024,
    GROWTH = 4,
    BITS_PER_ID = 12,
    BLOCK_WORDS = 8,
    BLOCK_BITS = 32 * BLOCK_WORDS,
    MAX_IDS = 8 * 1000 * 1000, /* in all: 12 MB */
    LOOKS_BEFORE_BUILD = 10 * 1000,
    CATCH_UP_MAX = 100 * 1000, /* documents of others; more: start over */
};

void dv_sqfilter_drop(struct dv_sqfilter *f)
{
    for (int i = 0; i < f->n_levels; i++)
        dv_free(f->levels[i].words);
    memset(f, 0, sizeof(*f));
}

static bool add_level(struct dv_sqfilter *f, uint64_t ids)
{
    struct dv_sqfilter_level *l = &f->levels[f->n_levels];
    uint64_t blocks = ids * BITS_PER_ID / BLOCK_BITS + 1;

    if (f->n_levels == DV_SQ_FILTER_LEVELS || f->n_ids + ids > MAX_IDS)
        return false;
    l->words = dv_calloc((size_t)blocks, BLOCK_WORDS * sizeof(*l->words));
    if (!l->words)
        return false;
    l->blocks = (uint32_t)blocks;
    l->room = ids;
    f->n_levels++;
    return true;
}

static uint32_t *block_of(const struct dv_sqfilter_level *l, uint64_t hash)
{
    return l->words + BLOCK_WORDS * (size_t)((hash >> 32) * l->blocks >> 32);
}

/* The bit of word i: the salts are odd numbers of Parquet's specification. */
static uint32_t bit_of(uint64_t hash, int i)
{
    static const uint32_t salts[BLOCK_WORDS] = { 0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                                 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31 };

    return UINT32_C(1) << ((uint32_t)hash * salts[i] >> 27);
}

static bool level_has(const struct dv_sqfilter_level *l, uint64_t hash)
{
    const uint32_t *block = block_of(l, hash);

    for (int i = 0; i < BLOCK_WORDS; i++)
        if (!(block[i] & bit_of(hash, i)))
            return false;
    return true;
}

void dv_sqfilter_add(struct dv_sqfilter *f, struct dv_slice id)
{
    struct dv_sqfilter_level *l;
    uint64_t hash;

    if (!f->on)
        return;
    l = &f->levels[f->n_levels - 1];
    if (l->room == 0) {
        if (!add_level(f, f->n_ids * (GROWTH - 1) + FIRST_IDS)) {
            dv_sqfilter_drop(f);
            return;
        }
        l = &f->levels[f->n_levels - 1];
    }
    hash = dv_hash_bytes(id);
    for (int i = 0; i < BLOCK_WORDS; i++)
        block_of(l, hash)[i] |= bit_of(hash, i);
    l->room--;
    f->n_ids++;
}

bool dv_sqfilter_is_new(const struct dv_sqfilter *f, struct dv_slice id)
{
    uint64_t hash;

    if (!f->on)
        return false;
    hash = dv_hash_bytes(id);
    for (int i = f->n_levels - 1; i >= 0; i--)
        if (level_has(&f->levels[i], hash))
            return false;
    return true;
}

/* ---- filling ----------------------------------------------------------------------------------
 */

/* Add the ids that `which` gives in column 0 of rows behind `from`. */
static int add_rows(struct dv_txn_backend *t, struct dv_sqfilter *f, enum dv_sql which,
                    uint64_t from, struct dv_err *err)
{
    sqlite3_stmt *st;
    int rc = dv_sqconn_stmt(t->conn, which, &st, err);

    if (rc < 0)
        return rc;
    dv_sq_bind_u64(st, 1, from); /* a number is before every id */
    while ((rc = dv_sqconn_step(t->conn, st, err)) > 0)
        dv_sqfilter_add(f, dv_sq_column(st, 0));
    return rc;
}

static int build(struct dv_txn_backend *t, struct dv_sqfilter *f, struct dv_err *err)
{
    uint64_t ids = t->state.docs + t->state.deleted;
    int rc = 0;

    dv_sqfilter_drop(f);
    if (!add_level(f, ids + ids / 2 + FIRST_IDS))
        return 0;
    f->on = f->unproven = true;
    if (ids)
        rc = add_rows(t, f, DV_SQL_IDS_AFTER, 0, err);
    if (rc == 0 && t->state.staged)
        rc = add_rows(t, f, DV_SQL_NEW_IDS_AFTER, 0, err);
    if (rc < 0)
        dv_sqfilter_drop(f);
    else
        f->seq = t->state.update_seq;
    return rc;
}

/* Both only make things faster: without memory, or when a page can not be read, there is no
 * filter, and whoever needs the page will say so. Where SQLite gives the transaction up on the way,
 * the next statement says so. */
void dv_sqfilter_begin(struct dv_txn_backend *t)
{
    struct dv_sqfilter *f = &t->store->filter;
    uint64_t seq = t->state.update_seq;

    if (!f->on) {
        if (t->state.docs + t->state.deleted == 0)
            build(t, f, NULL);
        return;
    }
    if (f->seq == seq)
        return;
    if (f->seq > seq || seq - f->seq > CATCH_UP_MAX ||
        add_rows(t, f, DV_SQL_DOC_IDS_AFTER, f->seq, NULL) < 0)
        dv_sqfilter_drop(f);
    else
        f->seq = seq;
}

void dv_sqfilter_missed(struct dv_txn_backend *t, size_t n)
{
    struct dv_sqfilter *f = &t->store->filter;
    uint64_t ids = t->state.docs + t->state.deleted;

    if (f->on || ids > MAX_IDS / 2)
        return;
    f->looks += n;
    if (f->looks < LOOKS_BEFORE_BUILD || f->looks < ids / 16)
        return;
    build(t, f, NULL);
    f->looks = 0;
}
