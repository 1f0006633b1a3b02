/* Reading attachments: which one a name means, and its bytes, stored or decoded. Each read is a
 * short transaction of its own, so a slow reader holds nothing. */
#include "base/mem.h"
#include "couch/document.h"
#include "couch/gzip.h"
#include "database/show.h"

/* Stored bytes inflated at a time: deflate expands at most about 1 000 times, so what waits in
 * memory stays below 1 MiB. */
enum { FEED = 1024 };

struct dv_att_source {
    struct dv_att_reader *reader; /* owned */
    struct dv_gzip *inflate;      /* owned; NULL: stored bytes as they are */
    struct dv_buf pending;        /* decoded and not read yet */
    size_t taken;                 /* of pending */
    bool ended;
};

static int take_decoded(void *arg, struct dv_slice bytes, struct dv_err *err)
{
    struct dv_att_source *s = arg;
    int code = dv_buf_add_slice(&s->pending, bytes);

    return code < 0 ? dv_err_set(err, code, "an attachment") : 0;
}

int dv_att_source_open(struct dv_database *db, const struct dv_att_meta *meta, bool decode,
                       uint64_t offset, uint64_t length, struct dv_att_source **source,
                       struct dv_err *err)
{
    struct dv_att_source *s = dv_calloc(1, sizeof(*s));
    int code;

    if (!s)
        return dv_err_set(err, DV_ENOMEM, "an attachment");
    dv_buf_init(&s->pending, 2 * FEED * 1100);
    decode = decode && meta->key.encoding == DV_ENC_GZIP;
    code = dv_att_reader_open(db->store, NULL, &meta->key, decode ? 0 : offset,
                              decode ? UINT64_MAX : length, &s->reader, err);
    if (code == 0 && decode)
        code = dv_gzip_new_inflate(meta->decoded_bytes, &s->inflate, err);
    if (code < 0) {
        dv_att_source_close(s);
        return dv_err_wrap(err, code, "attachment");
    }
    *source = s;
    return 0;
}

/* Inflate some more. */
static int fill(struct dv_att_source *s, struct dv_err *err)
{
    char stored[FEED];
    size_t got;
    int code = dv_att_reader_read(s->reader, stored, sizeof(stored), &got, err);

    dv_buf_reset(&s->pending);
    s->taken = 0;
    if (code < 0)
        return code;
    s->ended = got == 0;
    code = s->ended ? dv_gzip_end(s->inflate, take_decoded, s, err)
                    : dv_gzip_add(s->inflate, dv_slice(stored, got), take_decoded, s, err);
    if (code == DV_EINVAL || code == DV_ETOOBIG)
        return dv_err_set(err, DV_ECORRUPT, "an attachment that was stored as gzip is none");
    return code;
}

int dv_att_source_read(struct dv_att_source *s, void *out, size_t room, size_t *got,
                       struct dv_err *err)
{
    size_t n;

    if (!s->inflate)
        return dv_att_reader_read(s->reader, out, room, got, err);
    while (s->taken == s->pending.n && !s->ended) {
        int code = fill(s, err);

        if (code < 0)
            return code;
    }
    n = s->pending.n - s->taken;
    if (n > room)
        n = room;
    if (n)
        memcpy(out, s->pending.p + s->taken, n);
    s->taken += n;
    *got = n;
    return 0;
}

void dv_att_source_close(struct dv_att_source *s)
{
    if (!s)
        return;
    dv_att_reader_close(s->reader);
    dv_gzip_free(s->inflate);
    dv_buf_fini(&s->pending);
    dv_free(s);
}

int dv_database_att_writer(struct dv_database *db, struct dv_slice content_type, bool gzip,
                           struct dv_att_writer **w, struct dv_err *err)
{
    enum dv_att_mode mode = DV_ATT_AS_IS;

    if (gzip)
        mode = DV_ATT_ENCODED;
    else if (dv_type_compresses(content_type))
        mode = DV_ATT_COMPRESS;
    return dv_att_writer_open(db->store, NULL, mode, db->max_attachment_bytes, w, err);
}

/* ---- by name -----------------------------------------------------------------------------------
 */

int dv_database_find_attachment(struct dv_database *db, struct dv_slice id, struct dv_slice rev,
                                struct dv_slice name, struct dv_arena *arena,
                                struct dv_att_meta *meta, struct dv_slice *rev_out,
                                struct dv_err *err)
{
    struct dv_get_options opt = { .rev = rev };
    struct dv_revision_read read;
    int code = dv_read_revision(db, id, &opt, arena, NULL, &read, err);

    if (code < 0)
        return code;
    for (size_t i = 0; i < read.n_atts; i++) {
        if (!dv_slice_eq(read.atts[i].name, name))
            continue;
        *meta = read.atts[i];
        if (rev_out)
            *rev_out = read.rev;
        return 0;
    }
    return dv_err_set(err, DV_ENOTFOUND, "Document is missing attachment");
}
