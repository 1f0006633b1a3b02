/* What is stored of a revision. Form (docs/FORMAT.md):
 *
 *   version 1 | number of attachments | for each: name, content type (length, bytes), revpos,
 * stored and decoded length, md5 (16), sha-256 (32), encoding (1) | the body to the end
 *
 * Numbers are varints. Checksums are the engine's. */
#include "database/apply.h"

enum { VERSION = 1, ATT_BYTES_MIN = 2 + 3 + 16 + 32 + 1 };

static void add_slice(struct dv_buf *out, struct dv_slice s)
{
    dv_buf_add_varint(out, s.n);
    dv_buf_add_slice(out, s);
}

int dv_record_encode(const struct dv_record *record, struct dv_buf *out, struct dv_err *err)
{
    dv_buf_add_char(out, VERSION);
    dv_buf_add_varint(out, record->n_atts);
    for (size_t i = 0; i < record->n_atts; i++) {
        const struct dv_att_meta *m = &record->atts[i];

        add_slice(out, m->name);
        add_slice(out, m->content_type);
        dv_buf_add_varint(out, m->revpos);
        dv_buf_add_varint(out, m->stored_bytes);
        dv_buf_add_varint(out, m->decoded_bytes);
        dv_buf_add(out, m->md5, sizeof(m->md5));
        dv_buf_add(out, m->key.sha256, sizeof(m->key.sha256));
        dv_buf_add_char(out, (char)m->key.encoding);
    }
    dv_buf_add_slice(out, record->body);
    return out->failed ? dv_err_set(err, out->failed, "record of a revision") : 0;
}

static bool read_bytes(struct dv_slice *s, void *out, size_t n)
{
    if (s->n < n)
        return false;
    memcpy(out, s->p, n);
    *s = dv_slice(s->p + n, s->n - n);
    return true;
}

static bool read_slice(struct dv_slice *s, struct dv_slice *out)
{
    uint64_t n;

    if (!dv_varint_read(s, &n) || n > s->n)
        return false;
    *out = dv_slice(s->p, (size_t)n);
    *s = dv_slice(s->p + n, s->n - (size_t)n);
    return true;
}

static bool read_att(struct dv_slice *s, struct dv_att_meta *m)
{
    memset(m, 0, sizeof(*m));
    return read_slice(s, &m->name) && read_slice(s, &m->content_type) &&
           dv_varint_read(s, &m->revpos) && dv_varint_read(s, &m->stored_bytes) &&
           dv_varint_read(s, &m->decoded_bytes) && read_bytes(s, m->md5, sizeof(m->md5)) &&
           read_bytes(s, m->key.sha256, sizeof(m->key.sha256)) &&
           read_bytes(s, &m->key.encoding, 1) && m->key.encoding <= DV_ENC_GZIP;
}

int dv_record_decode(struct dv_slice bytes, struct dv_arena *arena, struct dv_record *record,
                     struct dv_err *err)
{
    struct dv_slice s = bytes;
    unsigned char version;
    uint64_t n;

    if (!read_bytes(&s, &version, 1))
        return dv_err_set(err, DV_ECORRUPT, "an empty record");
    if (version > VERSION)
        return dv_err_set(err, DV_ENEWER, "a record of version %u", version);
    if (version != VERSION || !dv_varint_read(&s, &n) || n > s.n / ATT_BYTES_MIN)
        return dv_err_set(err, DV_ECORRUPT, "a damaged record");
    record->atts = NULL;
    record->n_atts = (size_t)n;
    if (n > 0) {
        record->atts = dv_arena_array(arena, (size_t)n, sizeof(record->atts[0]), err);
        if (!record->atts)
            return DV_ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        if (!read_att(&s, &record->atts[i]))
            return dv_err_set(err, DV_ECORRUPT, "a damaged record");
    if (s.n < 2 || s.p[0] != '{')
        return dv_err_set(err, DV_ECORRUPT, "a record without a body");
    record->body = s;
    return 0;
}

int dv_record_read(struct dv_txn *txn, uint64_t body, struct dv_buf *buf, struct dv_arena *arena,
                   struct dv_record *record, struct dv_err *err)
{
    int code;

    dv_buf_reset(buf);
    code = dv_txn_read_body(txn, body, buf, err);
    if (code == DV_ENOTFOUND) /* the tree says that it is kept */
        return dv_err_set(err, DV_ECORRUPT, "the record of a revision is missing");
    return code < 0 ? code : dv_record_decode(dv_buf_slice(buf), arena, record, err);
}
