/* Database names: couch_db:validate_dbname, with its error texts. A letter a-z, then any of
 * a-z 0-9 _ $ ( ) + - / ; or one of CouchDB's system databases, alone or behind a legal name
 * and a slash. Not taken here, though CouchDB does: the ".couch" and ".<timestamp>" endings of
 * its shard files. Pure functions, any thread. */
#ifndef DV_COUCH_DBNAME_H
#define DV_COUCH_DBNAME_H

#include "base/err.h"
#include "base/slice.h"

/* Longest name, bytes: CouchDB's files add 17 to the 255 that a file name may have. It means each
 * part between slashes; here the whole name is one file. */
enum { DV_DBNAME_MAX = 238 };

/* 0, or DV_EILLEGALNAME: illegal_database_name or database_name_too_long, both 400. */
int dv_dbname_check(struct dv_slice name, struct dv_err *err);

/* _users, _replicator and so on, also behind a prefix. */
bool dv_dbname_is_system(struct dv_slice name);

#endif
