/* Erlang's external term format, as term_to_binary(Term, [{minor_version, 1}]) writes it: what
 * CouchDB hashes for revision ids and replication ids. Only writing.
 *
 * Terms are appended to a buffer one behind the other, the parts of a tuple or list after its
 * header. A list is opened and closed, since its header depends on what is in it. Failures are
 * those of the buffer (its `failed` may be looked at once, at the end).
 * Rules: Erlang's erl_ext_dist; tests/vectors/revs.jsonl. Pure, any thread. */
#ifndef DV_COUCH_ETF_H
#define DV_COUCH_ETF_H

#include "base/buf.h"
#include "base/err.h"

/* Most digits of an integer: turning them into binary is quadratic (10 000: about 1 ms). */
enum { DV_ETF_DIGITS_MAX = 10000 };

int dv_etf_begin(struct dv_buf *b); /* the version byte in front of the outermost term */

int dv_etf_int(struct dv_buf *b, int64_t v);
int dv_etf_uint(struct dv_buf *b, uint64_t v);
int dv_etf_atom(struct dv_buf *b, const char *name); /* Latin-1, at most 255 bytes */
int dv_etf_bool(struct dv_buf *b, bool v);
int dv_etf_binary(struct dv_buf *b, struct dv_slice bytes);
int dv_etf_float(struct dv_buf *b, double v);     /* finite */
int dv_etf_nil(struct dv_buf *b);                 /* the empty list */
int dv_etf_tuple(struct dv_buf *b, size_t arity); /* at most 255; its parts follow */
/* An Erlang string: the list of these bytes. */
int dv_etf_string(struct dv_buf *b, struct dv_slice bytes);

/* A proper list: open, append n items, close. A list of 1 to 65535 integers 0..255 becomes a
 * string, an empty one nil. The mark is where the list begins in b. */
size_t dv_etf_list_open(struct dv_buf *b);
int dv_etf_list_close(struct dv_buf *b, size_t mark, size_t n);

/* A JSON number from its text, as CouchDB 3.5 reads it: an integer of any size unless it has a
 * fraction or an exponent. Very small numbers lose bits as there (5e-324 is 0.0). DV_EUTF8
 * ("invalid UTF-8 JSON") for one over a double's range, which CouchDB refuses as not being JSON;
 * DV_ETOOBIG for an integer of more than DV_ETF_DIGITS_MAX digits. */
int dv_etf_number(struct dv_buf *b, struct dv_slice text, struct dv_err *err);

/* A JSON value as CouchDB holds it: objects {[{Key, Value}]}, arrays lists, strings binaries, the
 * rest as above and as atoms. The text must have no duplicate members (a document's body has
 * none). Errors of the reader, of dv_etf_number and of the buffer. */
int dv_etf_json(struct dv_buf *b, struct dv_slice text, struct dv_err *err);

#endif
