/* A database of a test, over either engine. Everything that must succeed is checked here, so that a
 * test reads as what it does. Answers live in t->arena until the database is closed. */
#ifndef DV_TESTS_TESTDB_H
#define DV_TESTS_TESTDB_H

#include "database/database.h"
#include "json/tree.h"

enum { TESTDB_ENGINES = 2 };

struct testdb {
    struct dv_database *db;
    struct dv_database_options opt;
    char path[512];
    struct dv_arena arena;
    struct dv_err err; /* of the last call that failed */
};

/* Test programs run each case once per engine: i is the number of the loop. */
const struct dv_engine *testdb_engine(int i);
void testdb_create(struct testdb *t, int engine, const char *name);
void testdb_reopen(struct testdb *t);
void testdb_close(struct testdb *t); /* removes it too */

/* One edit; rev "" for none. The result's code is what the call returns. */
int testdb_put(struct testdb *t, const char *id, const char *rev, const char *json,
               struct dv_edit_result *result);
/* new_edits=false. */
int testdb_replicate(struct testdb *t, const char *json, struct dv_edit_result *result);
/* Edits that must be stored; the new revision. */
const char *testdb_must_put(struct testdb *t, const char *id, const char *rev, const char *json);
void testdb_must_replicate(struct testdb *t, const char *json);

/* The document, or NULL and t->err. */
const char *testdb_get(struct testdb *t, const char *id, const char *rev, unsigned flags);
/* It must be this JSON, member order aside. */
void testdb_expect(struct testdb *t, const char *id, const char *rev, unsigned flags,
                   const char *json);
/* The last failure was this. */
void testdb_expect_error(const struct dv_err *err, int status, const char *name,
                         const char *reason);

uint64_t testdb_update_seq(struct testdb *t);
uint64_t testdb_doc_count(struct testdb *t);

bool testdb_json_equal(struct dv_slice a, struct dv_slice b);
struct dv_json *testdb_json(struct testdb *t, struct dv_slice text);
/* Memory for a printf, in t->arena. */
char *testdb_text(struct testdb *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
