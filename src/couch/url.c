/* Parsing and encoding; see url.h. Strict where a lenient reading could send credentials to a host
 * the user did not mean: userinfo ends at the last '@' before the path, a backslash is refused. */
#include "couch/url.h"

#include <strings.h>

static void skip(struct dv_slice *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int dv_url_encode(struct dv_buf *out, struct dv_slice s)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        char escape[3] = { '%', digits[c >> 4], digits[c & 15] };
        int rc = unreserved(s.p[i]) ? dv_buf_add_char(out, s.p[i]) : dv_buf_add(out, escape, 3);

        if (rc < 0)
            return rc;
    }
    return 0;
}

int dv_url_encode_docid(struct dv_buf *out, struct dv_slice id)
{
    static const char *const prefixes[] = { "_design/", "_local/" };

    for (size_t i = 0; i < 2; i++) {
        if (!dv_slice_starts(id, prefixes[i]))
            continue;
        dv_buf_add_str(out, prefixes[i]);
        skip(&id, strlen(prefixes[i]));
        break;
    }
    return out->failed ? out->failed : dv_url_encode(out, id);
}

int dv_url_decode(struct dv_buf *out, struct dv_slice s)
{
    while (s.n > 0) {
        char c = *s.p;

        if (c == '%') {
            int high = s.n > 2 ? hex_value(s.p[1]) : -1;
            int low = s.n > 2 ? hex_value(s.p[2]) : -1;

            if (high < 0 || low < 0)
                return DV_EINVAL;
            c = (char)(high << 4 | low);
            skip(&s, 2);
        }
        if (dv_buf_add_char(out, c) < 0)
            return out->failed;
        skip(&s, 1);
    }
    return 0;
}

static int decode_into(struct dv_arena *arena, struct dv_slice s, struct dv_slice *out,
                       struct dv_err *err)
{
    struct dv_buf b;
    int rc;

    dv_buf_init(&b, DV_URL_MAX);
    rc = dv_url_decode(&b, s);
    if (rc == 0) {
        *out = dv_arena_copy(arena, dv_buf_slice(&b));
        rc = out->p ? 0 : DV_ENOMEM;
    }
    dv_buf_fini(&b);
    if (rc == DV_EINVAL)
        return dv_err_set(err, rc, "URL has a broken %%-escape in its user or password");
    return rc < 0 ? dv_err_set(err, rc, NULL) : 0;
}

static int parse_userinfo(struct dv_slice info, struct dv_arena *arena, struct dv_url *url,
                          struct dv_err *err)
{
    const char *colon = info.n ? memchr(info.p, ':', info.n) : NULL;
    struct dv_slice user = info;
    int rc;

    if (colon)
        user.n = (size_t)(colon - info.p);
    rc = decode_into(arena, user, &url->user, err);
    if (rc < 0)
        return rc;
    url->has_user = true;
    url->raw_user = user;
    if (!colon)
        return 0;
    skip(&info, user.n + 1);
    url->has_password = true;
    return decode_into(arena, info, &url->password, err);
}

static int parse_port(struct dv_slice text, struct dv_url *url, struct dv_err *err)
{
    unsigned port = 0;

    if (text.n == 0) /* "host:" is the default port */
        return 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || port > 65535)
            return dv_err_set(err, DV_EINVAL, "URL has a port that is not a number up to 65535");
        port = port * 10 + (unsigned)(text.p[i] - '0');
    }
    if (port == 0 || port > 65535)
        return dv_err_set(err, DV_EINVAL, "URL has a port that is not a number up to 65535");
    url->port = port;
    url->has_port = true;
    return 0;
}

static int parse_host(struct dv_slice text, struct dv_url *url, struct dv_err *err)
{
    const char *end;

    if (text.n > 0 && *text.p == '[') {
        end = memchr(text.p, ']', text.n);
        if (!end)
            return dv_err_set(err, DV_EINVAL, "URL has an IPv6 address without its ']'");
        url->host = dv_slice(text.p + 1, (size_t)(end - text.p - 1));
        url->ipv6 = true;
        skip(&text, url->host.n + 2);
    } else {
        end = text.n ? memchr(text.p, ':', text.n) : NULL;
        url->host = dv_slice(text.p, end ? (size_t)(end - text.p) : text.n);
        skip(&text, url->host.n);
    }
    if (url->host.n == 0)
        return dv_err_set(err, DV_EINVAL, "URL has no host");
    if (text.n == 0)
        return 0;
    if (*text.p != ':')
        return dv_err_set(err, DV_EINVAL, "URL has other bytes behind its host");
    skip(&text, 1);
    return parse_port(text, url, err);
}

static int check_bytes(struct dv_slice text, struct dv_err *err)
{
    if (text.n > DV_URL_MAX)
        return dv_err_set(err, DV_EINVAL, "URL is longer than %d bytes", DV_URL_MAX);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c <= 0x20 || c == 0x7f || c == '\\' || c == '#')
            return dv_err_set(err, DV_EINVAL,
                              "URL has a space, control character, backslash or '#'");
    }
    return 0;
}

static bool take_scheme(struct dv_slice *text, struct dv_url *url)
{
    static const char *const schemes[] = { "http://", "https://" };

    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);

        if (text->n < n || strncasecmp(text->p, schemes[i], n) != 0)
            continue;
        url->https = i == 1;
        url->port = i == 1 ? 443 : 80;
        skip(text, n);
        return true;
    }
    return false;
}

int dv_url_parse(struct dv_slice text, struct dv_arena *arena, struct dv_url *out,
                 struct dv_err *err)
{
    struct dv_url url = { 0 };
    struct dv_slice authority;
    size_t n = 0, at;
    const char *question;
    int rc = check_bytes(text, err);

    if (rc < 0)
        return rc;
    if (!take_scheme(&text, &url))
        return dv_err_set(err, DV_EINVAL, "URL does not begin with http:// or https://");
    while (n < text.n && text.p[n] != '/' && text.p[n] != '?')
        n++;
    authority = dv_slice(text.p, n);
    skip(&text, n);
    for (at = authority.n; at > 0 && authority.p[at - 1] != '@';)
        at--;
    if (at > 0) {
        rc = parse_userinfo(dv_slice(authority.p, at - 1), arena, &url, err);
        if (rc < 0)
            return rc;
        skip(&authority, at);
    }
    rc = parse_host(authority, &url, err);
    if (rc < 0)
        return rc;
    question = text.n ? memchr(text.p, '?', text.n) : NULL;
    url.path = dv_slice(text.p, question ? (size_t)(question - text.p) : text.n);
    if (question)
        url.query = dv_slice(question + 1, text.n - url.path.n - 1);
    *out = url;
    return 0;
}

static int add_from_host(struct dv_buf *out, const struct dv_url *url)
{
    dv_buf_add_str(out, url->ipv6 ? "[" : "");
    dv_buf_add_slice(out, url->host);
    dv_buf_add_str(out, url->ipv6 ? "]" : "");
    if (url->has_port)
        dv_buf_printf(out, ":%u", url->port);
    dv_buf_add_slice(out, url->path);
    if (url->query.n) {
        dv_buf_add_char(out, '?');
        dv_buf_add_slice(out, url->query);
    }
    return out->failed;
}

int dv_url_add_public(struct dv_buf *out, const struct dv_url *url)
{
    dv_buf_add_str(out, url->https ? "https://" : "http://");
    return add_from_host(out, url);
}

int dv_url_add_redacted(struct dv_buf *out, const struct dv_url *url)
{
    dv_buf_add_str(out, url->https ? "https://" : "http://");
    if (url->has_user)
        dv_buf_add_str(out, url->has_password ? "***:***@" : "***@");
    return add_from_host(out, url);
}
