/* URLs of databases (RFC 3986, http and https only), and the one encoder of path and query pieces.
 * Pure. A parsed URL borrows from the text except where it says arena. */
#ifndef DV_COUCH_URL_H
#define DV_COUCH_URL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { DV_URL_MAX = 16 * 1024 };

struct dv_url {
    bool https;
    bool has_user, has_password;
    struct dv_slice user, password; /* percent-decoded, in the arena */
    struct dv_slice raw_user;       /* as it stands in the URL */
    struct dv_slice host;           /* without brackets; lower case is not forced */
    bool ipv6;                      /* host is an IPv6 address (printed in brackets) */
    bool has_port;
    unsigned port;         /* as given, else 80 or 443 */
    struct dv_slice path;  /* raw, from its first '/'; may be empty */
    struct dv_slice query; /* raw, without '?'; may be empty */
};

/* DV_EINVAL names what is wrong without repeating the text (it may hold a password). Refused: other
 * schemes, no host, control characters and spaces, a port over 65535, a fragment. */
int dv_url_parse(struct dv_slice text, struct dv_arena *arena, struct dv_url *url,
                 struct dv_err *err);
/* scheme://host[:port]path[?query]; the port when it was given. Never the user or password. */
int dv_url_add_public(struct dv_buf *out, const struct dv_url *url);
/* The same with `***:***@` in place of userinfo, for people. */
int dv_url_add_redacted(struct dv_buf *out, const struct dv_url *url);

/* Percent-encode everything but letters, digits and -._~ */
int dv_url_encode(struct dv_buf *out, struct dv_slice s);
/* A document id as path piece: `_design/` and `_local/` keep that one slash, all else is encoded.
 */
int dv_url_encode_docid(struct dv_buf *out, struct dv_slice id);
/* Undo %XX; a broken escape is DV_EINVAL. '+' stays. */
int dv_url_decode(struct dv_buf *out, struct dv_slice s);

#endif
