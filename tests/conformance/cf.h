/* The conformance suite of storage engines: what its cases share.
 *
 * A case is a function over a fixture, named after its sentence in the contract. It runs over every
 * engine that has the abilities it needs; check_engines.c keeps the account. A case checks with
 * Check's macros; the functions here that return int do not, so that fault loops can use them. */
#ifndef DV_TESTS_CONFORMANCE_CF_H
#define DV_TESTS_CONFORMANCE_CF_H

#include "couch/revtree.h"
#include "engine/engine.h"
#include "lib/check_main.h"

#define CF_NODE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CF_NODE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define CF_NODE_C "cccccccccccccccccccccccccccccccc"

enum { CF_ANY = 1 << 30 }; /* a ceiling nobody meets */

struct cf {
    const struct dv_engine *engine;
    char path[512];
    struct dv_store *store; /* NULL: closed */
    struct dv_arena arena;
    struct dv_err err;
};

struct cf_case {
    const char *name;
    unsigned needs; /* enum dv_ability, all of them */
    void (*run)(struct cf *c);
};

struct cf_group {
    const char *name;
    const struct cf_case *cases;
    size_t n;
};

#define CF_CASE(name, needs)                                                                       \
    {                                                                                              \
#name, needs, name                                                                         \
    }
#define CF_GROUP(variable, title)                                                                  \
    const struct cf_group variable = { title, cases, sizeof(cases) / sizeof(*cases) }

extern const struct cf_group cf_lifetime, cf_properties, cf_documents, cf_arguments, cf_processes,
    cf_attachments, cf_gzip, cf_fold_docs, cf_fold_changes, cf_purge, cf_compaction, cf_readers,
    cf_clients, cf_faults;

/* The call succeeds; else the test fails with the error's words. Uses c->err. */
#define CF_OK(call)                                                                                \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        ck_assert_msg(rc_ == 0, "%s: %s %s", #call, dv_err_symbol(rc_), cf_words(c));              \
    } while (0)
#define CF_FAILS(call, code)                                                                       \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        ck_assert_msg(rc_ == (code), "%s: %s, and not %s", #call,                                  \
                      rc_ < 0 ? dv_err_symbol(rc_) : "no error", #code);                           \
    } while (0)

const char *cf_words(const struct cf *c);
struct dv_slice cf_str(const char *s);

/* ---- the database under test ---- */

void cf_init(struct cf *c, const struct dv_engine *engine, const char *path);
/* Ends what is open, checks deeply what there is, and deletes it. */
void cf_fini(struct cf *c);

void cf_create(struct cf *c); /* as node A, and leaves it open */
void cf_open(struct cf *c);
void cf_close(struct cf *c);
void cf_reopen(struct cf *c);

struct dv_txn *cf_read(struct cf *c);
struct dv_txn *cf_write(struct cf *c);
void cf_commit(struct cf *c, struct dv_txn *t);
struct dv_props cf_props(struct cf *c);
/* The check finds nothing. */
void cf_check(struct cf *c);
void cf_compact(struct cf *c, size_t rows_per_txn);

/* ---- documents through revision trees, as src/database would write them ---- */

struct cf_edit {
    const char *id;
    size_t id_bytes;  /* 0: strlen */
    const char *path; /* revision ids, newest first, by commas; the last is generation 1 */
    bool deleted;
    struct dv_slice body;
    const struct dv_att_key *atts;
    size_t n_atts;
    uint64_t seq; /* out */
    uint64_t ref; /* out: of the body, 0 when the revision was known */
};

/* Read, merge and write a batch of documents (one edit each) in t. */
int cf_merge(struct dv_txn *t, struct cf_edit *edits, size_t n, struct dv_arena *arena,
             struct dv_err *err);
/* One edit in a transaction of its own. */
uint64_t cf_put(struct cf *c, const char *id, const char *path, const char *body);
uint64_t cf_delete(struct cf *c, const char *id, const char *path);
/* Purge revisions "G-ID" by commas in t; *purged false when there was nothing to remove. */
int cf_purge_in(struct dv_txn *t, const char *uuid, const char *id, const char *revs, bool *purged,
                struct dv_arena *arena, struct dv_err *err);
void cf_purge_revs(struct cf *c, const char *uuid, const char *id, const char *revs);

struct dv_doc_info cf_find(struct cf *c, const char *id);
/* The winner's body is these bytes. */
void cf_body_is(struct cf *c, const char *id, const char *body);
/* A revision "G-ID" of a document: its body reference, 0 if none. */
uint64_t cf_ref(struct cf *c, const char *id, const char *rev);
void cf_put_local(struct cf *c, const char *id, uint64_t rev, const char *body);

/* ---- attachments ---- */

void cf_random(struct dv_buf *out, size_t n, uint64_t seed);
/* Write bytes in pieces; everything about it in *info. */
int cf_att_write(struct dv_store *s, struct dv_txn *t, enum dv_att_mode mode, struct dv_slice bytes,
                 size_t piece, struct dv_att_info *info, struct dv_err *err);
int cf_att_read(struct dv_store *s, struct dv_txn *t, const struct dv_att_key *key, uint64_t offset,
                uint64_t length, struct dv_buf *out, struct dv_err *err);
void cf_att_is(struct cf *c, const struct dv_att_key *key, struct dv_slice bytes);
struct dv_check_result cf_account(struct cf *c);

/* ---- everything, as text ---- */

/* Every property, document, tree, leaf body, local document, change and purge, as lines. What
 * compaction may drop or change (inner bodies, sizes of storage, compacted_seq) is left out. */
int cf_dump(struct dv_store *s, struct dv_buf *out, struct dv_err *err);
void cf_dump_equal(const struct dv_buf *before, const struct dv_buf *after);

#endif
