/* Every statement the engine runs, prepared once per connection and kept. Nothing else is ever
 * given to the parser after a connection is open. Tables: docs/FORMAT.md. */
#ifndef DV_ENGINE_SQLITE_SQL_H
#define DV_ENGINE_SQLITE_SQL_H

#define DV_SQL_DOC_COLUMNS   "seq, sum, deleted, leaf_bytes, id, tree"
#define DV_SQL_LOCAL_COLUMNS "id, sum, rev, body"
#define DV_SQL_ATT_COLUMNS                                                                         \
    "n, sum, key, stored_bytes, decoded_bytes, md5_stored, md5_decoded, refs, owner, chunks"
#define DV_SQL_OWNER_COLUMNS "n, boot, ns, pid, start, touched_ms"
#define DV_SQL_PURGE_COLUMNS "purge_seq, sum, uuid, id, revs"
#define DV_SQL_BOTH_IDS(where)                                                                     \
    "SELECT id, seq, deleted FROM ids WHERE " where                                                \
    " UNION ALL SELECT id, seq, deleted FROM ids_new WHERE " where " ORDER BY 1"

/* DV_SQL_DOC_COLUMNS by id, and whether there is a row at the id's seq at all. */
#define DV_SQL_DOC_OF(index)                                                                       \
    "SELECT i.seq, d.sum, d.deleted, d.leaf_bytes, d.id, d.tree, d.seq FROM " index                \
    " AS i LEFT JOIN docs AS d ON d.seq = i.seq WHERE i.id = ?1"
#define DV_SQL_DOC_FOUND 6

/* Several rows by one statement, which costs as much to begin and end as to insert. Should one of
 * them fail, the transaction ends anyway: OR FAIL does without a savepoint. */
#define DV_SQL_ROWS     10
#define DV_SQL_TEN(row) row "," row "," row "," row "," row "," row "," row "," row "," row "," row

#define DV_SQL(X)                                                                                  \
    X(BEGIN, "BEGIN")                                                                              \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                              \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(DATA_VERSION, "PRAGMA data_version")                                                         \
    X(PAGE_COUNT, "PRAGMA page_count")                                                             \
    X(FREE_PAGES, "PRAGMA freelist_count")                                                         \
    X(VACUUM_PAGE, "PRAGMA incremental_vacuum(1)")                                                 \
    X(INTEGRITY, "PRAGMA integrity_check(100)")                                                    \
    X(QUICK_CHECK, "PRAGMA quick_check(100)")                                                      \
    X(STATE_GET, "SELECT sum, value FROM state WHERE k = ?1")                                      \
    X(STATE_PUT, "REPLACE INTO state(k, sum, value) VALUES(?1, ?2, ?3)")                           \
    X(DOC_GET, "SELECT " DV_SQL_DOC_COLUMNS " FROM docs WHERE seq = ?1")                           \
    X(DOC_PUT, "INSERT INTO docs(seq, sum, deleted, leaf_bytes, id, tree) VALUES(?1, ?2, ?3,"      \
               " ?4, ?5, ?6)")                                                                     \
    X(DOCS_PUT,                                                                                    \
      "INSERT OR FAIL INTO docs(seq, sum, deleted, leaf_bytes, id, tree) VALUES" DV_SQL_TEN(       \
          "(?,?,?,?,?,?)"))                                                                        \
    X(DOC_DELETE, "DELETE FROM docs WHERE seq = ?1")                                               \
    X(DOCS_DELETE, "DELETE FROM docs WHERE seq BETWEEN ?1 AND ?2")                                 \
    X(DOC_NEXT,                                                                                    \
      "SELECT " DV_SQL_DOC_COLUMNS " FROM docs WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT 1") \
    X(DOC_REWRITE, "UPDATE docs SET sum = ?2, leaf_bytes = ?3, tree = ?4 WHERE seq = ?1")          \
    X(DOCS_AFTER, "SELECT " DV_SQL_DOC_COLUMNS " FROM docs WHERE seq > ?1 ORDER BY seq")           \
    X(DOCS_UNTIL, "SELECT " DV_SQL_DOC_COLUMNS " FROM docs WHERE seq <= ?1 ORDER BY seq DESC")     \
    X(DOCS_COUNT_AFTER, "SELECT count(*) FROM docs WHERE seq > ?1")                                \
    X(DOC_OF_ID, DV_SQL_DOC_OF("ids"))                                                             \
    X(DOC_OF_NEW_ID, DV_SQL_DOC_OF("ids_new"))                                                     \
    X(ID_PUT, "INSERT INTO ids(id, seq, deleted) VALUES(?1, ?2, ?3)")                              \
    X(IDS_PUT, "INSERT OR FAIL INTO ids(id, seq, deleted) VALUES" DV_SQL_TEN("(?,?,?)"))           \
    X(ID_UPDATE, "UPDATE ids SET seq = ?2, deleted = ?3 WHERE id = ?1")                            \
    X(ID_DELETE, "DELETE FROM ids WHERE id = ?1")                                                  \
    X(NEW_ID_PUT, "INSERT INTO ids_new(id, seq, deleted) VALUES(?1, ?2, ?3)")                      \
    X(NEW_IDS_PUT, "INSERT OR FAIL INTO ids_new(id, seq, deleted) VALUES" DV_SQL_TEN("(?,?,?)"))   \
    X(NEW_ID_UPDATE, "UPDATE ids_new SET seq = ?2, deleted = ?3 WHERE id = ?1")                    \
    X(NEW_ID_DELETE, "DELETE FROM ids_new WHERE id = ?1")                                          \
    X(NEW_IDS_EDGE, "SELECT id FROM ids_new WHERE id > ?1 ORDER BY id LIMIT 1 OFFSET ?2")          \
    X(NEW_IDS_LAST, "SELECT id FROM ids_new ORDER BY id DESC LIMIT 1")                             \
    X(NEW_IDS_MOVE, "INSERT INTO ids SELECT id, seq, deleted FROM ids_new WHERE id > ?1 AND"       \
                    " id <= ?2 ORDER BY id")                                                       \
    X(NEW_IDS_CLEAR, "DELETE FROM ids_new WHERE id > ?1 AND id <= ?2")                             \
    X(IDS_UP, "SELECT id, seq, deleted FROM ids WHERE id >= ?1 AND id <= ?2 AND deleted <="        \
              " ?3 ORDER BY id")                                                                   \
    X(IDS_DOWN, "SELECT id, seq, deleted FROM ids WHERE id >= ?1 AND id <= ?2 AND deleted <="      \
                " ?3 ORDER BY id DESC")                                                            \
    X(BOTH_IDS_UP, DV_SQL_BOTH_IDS("id >= ?1 AND id <= ?2 AND deleted <= ?3"))                     \
    X(BOTH_IDS_DOWN, DV_SQL_BOTH_IDS("id >= ?1 AND id <= ?2 AND deleted <= ?3") " DESC")           \
    X(IDS_COUNT_BEFORE, "SELECT count(*) FROM ids WHERE id < ?1 AND deleted = 0")                  \
    X(NEW_IDS_COUNT_BEFORE, "SELECT count(*) FROM ids_new WHERE id < ?1 AND deleted = 0")          \
    X(IDS_AFTER, "SELECT id, seq, deleted FROM ids WHERE id > ?1 ORDER BY id")                     \
    X(NEW_IDS_AFTER, "SELECT id, seq, deleted FROM ids_new WHERE id > ?1 ORDER BY id")             \
    X(ID_ROW, "SELECT seq, deleted FROM ids WHERE id = ?1")                                        \
    X(NEW_ID_ROW, "SELECT seq, deleted FROM ids_new WHERE id = ?1")                                \
    X(DOC_IDS_AFTER, "SELECT id FROM docs WHERE seq > ?1 ORDER BY seq")                            \
    X(DOC_ID, "SELECT id FROM docs WHERE seq = ?1")                                                \
    X(BODY_GET, "SELECT sum, record FROM bodies WHERE ref = ?1")                                   \
    X(BODY_PUT, "INSERT INTO bodies(ref, sum, record) VALUES(?1, ?2, ?3)")                         \
    X(BODY_DELETE, "DELETE FROM bodies WHERE ref = ?1")                                            \
    X(BODIES_DELETE, "DELETE FROM bodies WHERE ref BETWEEN ?1 AND ?2")                             \
    X(BODY_BYTES, "SELECT length(record) FROM bodies WHERE ref = ?1")                              \
    X(BODIES_AFTER, "SELECT ref, sum, record FROM bodies WHERE ref > ?1 ORDER BY ref")             \
    X(LOCAL_GET, "SELECT " DV_SQL_LOCAL_COLUMNS " FROM locals WHERE id = ?1")                      \
    X(LOCAL_PUT, "INSERT INTO locals(id, sum, rev, body) VALUES(?1, ?2, ?3, ?4) ON"                \
                 " CONFLICT(id) DO UPDATE SET sum = ?2, rev = ?3, body = ?4")                      \
    X(LOCAL_DELETE, "DELETE FROM locals WHERE id = ?1")                                            \
    X(LOCALS_UP,                                                                                   \
      "SELECT " DV_SQL_LOCAL_COLUMNS " FROM locals WHERE id >= ?1 AND id <= ?2 ORDER BY id")       \
    X(LOCALS_DOWN,                                                                                 \
      "SELECT " DV_SQL_LOCAL_COLUMNS " FROM locals WHERE id >= ?1 AND id <= ?2 ORDER BY id DESC")  \
    X(LOCALS_BYTES, "SELECT sum(length(body) + length(id) + 20) FROM locals")                      \
    X(LOCALS_AFTER, "SELECT " DV_SQL_LOCAL_COLUMNS " FROM locals WHERE id > ?1 ORDER BY id")       \
    X(PURGE_PUT, "INSERT INTO purges(purge_seq, sum, uuid, id, revs) VALUES(?1, ?2, ?3, ?4, ?5)")  \
    X(PURGE_GET, "SELECT " DV_SQL_PURGE_COLUMNS " FROM purges WHERE uuid = ?1")                    \
    X(PURGES_AFTER,                                                                                \
      "SELECT " DV_SQL_PURGE_COLUMNS " FROM purges WHERE purge_seq > ?1 ORDER BY purge_seq")       \
    X(PURGES_TRIM, "DELETE FROM purges WHERE purge_seq <= ?1 AND purge_seq IN (SELECT"             \
                   " purge_seq FROM purges ORDER BY purge_seq LIMIT 16)")                          \
    X(ATT_GET, "SELECT " DV_SQL_ATT_COLUMNS " FROM atts WHERE key = ?1")                           \
    X(ATT_STREAM, "SELECT " DV_SQL_ATT_COLUMNS " FROM atts WHERE n = ?1")                          \
    X(ATT_BEGIN, "INSERT INTO atts(n, owner, chunks, refs) VALUES(?1, ?2, 0, 17)")                 \
    X(ATT_GROW, "UPDATE atts SET chunks = ?2 WHERE n = ?1")                                        \
    X(ATT_FINISH, "UPDATE atts SET sum = ?2, key = ?3, stored_bytes = ?4, decoded_bytes ="         \
                  " ?5, md5_stored = ?6, md5_decoded = ?7, owner = NULL WHERE n = ?1")             \
    X(ATT_COUNT, "UPDATE atts SET refs = refs + ?2 WHERE n = ?1")                                  \
    X(ATT_DELETE, "DELETE FROM atts WHERE n = ?1")                                                 \
    X(ATT_DISOWN, "UPDATE atts SET key = NULL, owner = 0 WHERE n = ?1")                            \
    X(ATTS_OF_OWNER_DISOWN, "UPDATE atts SET owner = 0 WHERE owner = ?1")                          \
    X(ATTS_BYTES, "SELECT sum(coalesce(stored_bytes, chunks * 65536) + 300) FROM atts")            \
    X(ATTS_AFTER, "SELECT " DV_SQL_ATT_COLUMNS " FROM atts WHERE n > ?1 ORDER BY n")               \
    X(CHUNK_PUT, "INSERT INTO chunks(at, sum, data) VALUES(?1, ?2, ?3)")                           \
    X(CHUNK_GET, "SELECT sum, data FROM chunks WHERE at = ?1")                                     \
    X(CHUNKS_DELETE, "DELETE FROM chunks WHERE at BETWEEN ?1 AND ?2")                              \
    X(CHUNK_DELETE_FIRST, "DELETE FROM chunks WHERE at = (SELECT min(at) FROM chunks WHERE"        \
                          " at BETWEEN ?1 AND ?2)")                                                \
    X(CHUNKS_AFTER, "SELECT at, sum, data FROM chunks WHERE at > ?1 ORDER BY at")                  \
    X(REF_PUT, "INSERT OR IGNORE INTO att_holds(holder, att) VALUES(?1, ?2)")                      \
    X(REFS_OF, "SELECT r.att, a.refs, a.stored_bytes, a.decoded_bytes FROM att_holds r JOIN"       \
               " atts a ON a.n = r.att WHERE r.holder = ?1")                                       \
    X(REFS_DELETE, "DELETE FROM att_holds WHERE holder = ?1")                                      \
    X(REFS_AFTER, "SELECT holder, att FROM att_holds WHERE holder > 0 AND holder >= ?1 AND"        \
                  " (holder > ?1 OR att > ?2) ORDER BY holder, att")                               \
    X(KEEP_PUT, "INSERT OR IGNORE INTO att_holds(holder, att) VALUES(-?2, ?1)")                    \
    X(KEEP_DELETE, "DELETE FROM att_holds WHERE holder = -?2 AND att = ?1")                        \
    X(KEEP_ANY, "SELECT 1 FROM att_holds WHERE holder < 0 AND att = ?1 LIMIT 1")                   \
    X(KEEPS_OF_ATT_DELETE, "DELETE FROM att_holds WHERE holder < 0 AND att = ?1")                  \
    X(KEEPS_OF_OWNER_DELETE, "DELETE FROM att_holds WHERE holder = -?1")                           \
    X(OWNER_GET, "SELECT " DV_SQL_OWNER_COLUMNS " FROM owners WHERE n = ?1")                       \
    X(OWNERS, "SELECT " DV_SQL_OWNER_COLUMNS " FROM owners WHERE n > ?1 ORDER BY n")               \
    X(OWNER_PUT, "REPLACE INTO owners(n, boot, ns, pid, start, touched_ms) VALUES(?1, ?2,"         \
                 " ?3, ?4, ?5, ?6)")                                                               \
    X(OWNER_DELETE, "DELETE FROM owners WHERE n = ?1")

enum dv_sql {
#define X(name, sql) DV_SQL_##name,
    DV_SQL(X)
#undef X
        DV_SQL_COUNT
};

#endif
