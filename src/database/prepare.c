/* Parsing, validation and hashing of one edit. Everything that a client can get wrong is found here
 * or in edit.c and becomes the result of that edit alone, in CouchDB's words; nothing here
 * touches the store. */
#include "database/prepare.h"

#include "base/hash.h"
#include "base/rand.h"
#include "couch/docid.h"
#include "couch/document.h"
#include "couch/revhash.h"

/* White space, attachments in base64 and special members come on top of a body; the largest
 * attachment that may come inline is bounded by this too. */
#define MAX_INPUT_BYTES ((uint64_t)1 << 30)

int dv_parser_init(struct dv_parser *p, struct dv_database *db, struct dv_batch *batch,
                   struct dv_err *err)
{
    p->db = db;
    p->batch = batch;
    p->document = NULL;
    dv_arena_init(&p->work, DV_CALL_ARENA_BYTES);
    dv_buf_init(&p->scratch, MAX_INPUT_BYTES);
    return dv_document_parser_new(db->max_document_bytes, MAX_INPUT_BYTES, &p->document, err);
}

void dv_parser_fini(struct dv_parser *p)
{
    dv_buf_fini(&p->scratch);
    dv_arena_fini(&p->work);
    dv_document_parser_free(p->document);
}

/* Out of memory ends the whole, anything else is about this document. */
static int refuse_unless_fatal(struct dv_parser *parser, struct dv_edit_result *r, int code,
                               struct dv_err *why, struct dv_err *err)
{
    if (code == DV_ENOMEM) {
        if (err)
            *err = *why;
        return code;
    }
    return dv_refuse_err(r, &parser->batch->arena, why);
}

/* ---- attachments ------------------------------------------------------------------------------
 */

static int too_large(struct dv_parser *parser, struct dv_edit_result *r, struct dv_slice name)
{
    return dv_refuse_as(r, &parser->batch->arena, DV_ETOOBIG, 413, "attachment_too_large", "%.*s",
                        (int)name.n, name.p);
}

static int decode_data(struct dv_parser *parser, const struct dv_doc_att *from,
                       struct dv_new_att *to, struct dv_edit_result *r, struct dv_err *err)
{
    dv_buf_reset(&parser->scratch);
    to->kind = DV_NEW_DATA;
    if (!from->has_data || !dv_base64_decode(from->data, &parser->scratch)) {
        if (parser->scratch.failed)
            return dv_err_set(err, parser->scratch.failed, "an attachment");
        return dv_refuse(r, &parser->batch->arena, DV_EINVAL, "Invalid attachment data for %.*s",
                         (int)from->name.n, from->name.p);
    }
    if (parser->scratch.n > parser->db->max_attachment_bytes)
        return too_large(parser, r, from->name);
    to->data = dv_arena_copy(&parser->batch->arena, dv_buf_slice(&parser->scratch));
    return to->data.p ? 0 : dv_err_set(err, DV_ENOMEM, "an attachment");
}

/* The digest is over the bytes that were sent: the gzip when they came so (couch_util:check_md5).
 */
static bool digest_agrees(const struct dv_doc_att *att, const struct dv_att_info *info)
{
    return !att->has_md5 || memcmp(att->md5, info->md5_decoded, 16) == 0 ||
           memcmp(att->md5, info->md5_stored, 16) == 0;
}

static int take_stored(struct dv_parser *parser, const struct dv_edit *edit,
                       const struct dv_doc_att *from, struct dv_new_att *to,
                       struct dv_edit_result *r)
{
    size_t i = 0;

    while (i < edit->n_attachments && !dv_slice_eq(edit->attachments[i].name, from->name))
        i++;
    if (i == edit->n_attachments)
        return dv_refuse(r, &parser->batch->arena, DV_EINVAL, "Invalid attachment data for %.*s",
                         (int)from->name.n, from->name.p);
    to->kind = DV_NEW_STORED;
    to->info = edit->attachments[i].info;
    if (!digest_agrees(from, &to->info))
        return dv_refuse(r, &parser->batch->arena, DV_EDIGEST, "Possible message corruption.");
    if (to->info.decoded_bytes > parser->db->max_attachment_bytes)
        return too_large(parser, r, from->name);
    return 0;
}

static int take_att(struct dv_parser *parser, const struct dv_edit *edit,
                    const struct dv_doc_att *from, struct dv_new_att *to, struct dv_edit_result *r,
                    struct dv_err *err)
{
    struct dv_err why;

    memset(to, 0, sizeof(*to));
    to->name = dv_arena_copy(&parser->batch->arena, from->name);
    to->content_type = dv_arena_copy(&parser->batch->arena, from->content_type);
    if (!to->name.p || !to->content_type.p)
        return dv_err_set(err, DV_ENOMEM, "an attachment");
    to->revpos = from->has_revpos ? from->revpos : 0;
    to->has_md5 = from->has_md5;
    memcpy(to->md5, from->md5, sizeof(to->md5));
    if (dv_attachment_name_check(from->name, &why) < 0)
        return dv_refuse_err(r, &parser->batch->arena, &why);
    switch (from->kind) {
    case DV_DOC_ATT_INLINE:
        return decode_data(parser, from, to, r, err);
    case DV_DOC_ATT_FOLLOWS:
        return take_stored(parser, edit, from, to, r);
    case DV_DOC_ATT_STUB:
        break;
    }
    to->kind = DV_NEW_STUB;
    return 0;
}

static int copy_stored(struct dv_arena *arena, const struct dv_edit_attachment *from,
                       struct dv_new_att *to, struct dv_err *err)
{
    memset(to, 0, sizeof(*to));
    to->kind = DV_NEW_STORED;
    to->name = dv_arena_copy(arena, from->name);
    to->content_type = dv_arena_copy(arena, from->content_type);
    to->info = from->info;
    if (!to->name.p || !to->content_type.p)
        return dv_err_set(err, DV_ENOMEM, "an attachment");
    return 0;
}

/* Attachments of the JSON, behind those that only came along. */
static int take_atts(struct dv_parser *parser, const struct dv_edit *edit,
                     const struct dv_document *doc, struct dv_prepared *p, struct dv_edit_result *r,
                     struct dv_err *err)
{
    struct dv_arena *arena = &parser->batch->arena;
    struct dv_hash names;
    int code = 0;

    p->atts = dv_arena_array(arena, doc->n_atts + edit->n_attachments, sizeof(*p->atts), err);
    if (!p->atts)
        return DV_ENOMEM;
    dv_hash_init(&names);
    for (size_t i = 0; code == 0 && r->code == 0 && i < doc->n_atts; i++) {
        bool is_new;

        if (!dv_hash_put(&names, doc->atts[i].name, &is_new))
            code = dv_err_set(err, DV_ENOMEM, "attachments");
        else if (!is_new)
            code = dv_refuse(r, &parser->batch->arena, DV_EINVAL, "Duplicate attachments");
    }
    for (size_t i = 0; code == 0 && r->code == 0 && i < edit->n_attachments; i++)
        if (!dv_hash_get(&names, edit->attachments[i].name))
            code = copy_stored(arena, &edit->attachments[i], &p->atts[p->n_atts++], err);
    for (size_t i = 0; code == 0 && r->code == 0 && i < doc->n_atts; i++)
        code = take_att(parser, edit, &doc->atts[i], &p->atts[p->n_atts++], r, err);
    dv_hash_fini(&names);
    return code;
}

/* ---- kinds of edits ---------------------------------------------------------------------------
 */

/* "0-N" becomes N+1; none is 1; deleting is 0 (couch_db_updater:increment_local_doc_revs). */
static int prepare_local(struct dv_parser *parser, const struct dv_document *doc,
                         struct dv_prepared *p, struct dv_edit_result *r)
{
    uint64_t n = 0;

    p->kind = DV_PREP_LOCAL;
    if (p->deleted)
        return 0;
    if (doc->n_ids > 0) {
        struct dv_slice id = doc->ids[0];

        for (size_t i = 0; i < id.n; i++) {
            if (id.p[i] < '0' || id.p[i] > '9' || n > (UINT64_MAX >> 1) / 10)
                return dv_refuse(r, &parser->batch->arena, DV_EINVAL, "Invalid rev format");
            n = n * 10 + (uint64_t)(id.p[i] - '0');
        }
        if (doc->start != 0 || id.n == 0)
            return dv_refuse(r, &parser->batch->arena, DV_EINVAL, "Invalid rev format");
    }
    p->local_rev = n + 1;
    return 0;
}

/* Keep the revisions: the newest, or for a replicated one the whole path. */
static int keep_path(struct dv_parser *parser, const struct dv_document *doc, size_t n,
                     struct dv_prepared *p, struct dv_err *err)
{
    struct dv_slice *ids = dv_arena_array(&parser->batch->arena, n, sizeof(*ids), err);

    if (!ids)
        return DV_ENOMEM;
    p->path = (struct dv_revpath){ doc->start, ids, n, p->deleted };
    for (size_t i = 0; i < n; i++) {
        ids[i] = dv_arena_copy(&parser->batch->arena, doc->ids[i]);
        if (!ids[i].p)
            return dv_err_set(err, DV_ENOMEM, "a revision");
    }
    return 0;
}

static int prepare_replicated(struct dv_parser *parser, const struct dv_document *doc,
                              struct dv_prepared *p, struct dv_edit_result *r, struct dv_err *err)
{
    p->kind = DV_PREP_REPLICATED;
    if (doc->n_ids == 0)
        return dv_refuse(r, &parser->batch->arena, DV_EINVAL,
                         "When `new_edits: false`, the document needs `_rev` or `_revisions` "
                         "specified");
    if (doc->start == 0 || doc->start > DV_REV_GEN_MAX || doc->n_ids > doc->start)
        return dv_refuse(r, &parser->batch->arena, DV_EINVAL, "Invalid rev format");
    if (keep_path(parser, doc, doc->n_ids, p, err) < 0)
        return DV_ENOMEM;
    return dv_rev_text((struct dv_rev){ doc->start, doc->ids[0] }, &parser->batch->arena, &r->rev,
                       err);
}

/* The id of the new revision as far as it is known, which is also CouchDB's check of the numbers
 * in the body. */
static int prepare_hash(struct dv_parser *parser, struct dv_prepared *p, struct dv_edit_result *r,
                        struct dv_err *err)
{
    struct dv_revhash_edit edit = { .deleted = p->deleted, .body = p->body };
    struct dv_err why;
    int code;

    if (p->path.n > 0)
        edit.parent = (struct dv_rev){ p->path.start, p->path.ids[0] };
    code = dv_revhash(&edit, p->hash, &why);
    if (code < 0)
        return refuse_unless_fatal(parser, r, code, &why, err);
    p->hashed = p->n_atts == 0;
    return 0;
}

static int prepare_record(struct dv_parser *parser, struct dv_prepared *p, struct dv_err *err)
{
    struct dv_record record = { p->body, NULL, 0 };
    int code;

    dv_buf_reset(&parser->scratch);
    code = dv_record_encode(&record, &parser->scratch, err);
    if (code < 0)
        return code;
    p->record = dv_arena_copy(&parser->batch->arena, dv_buf_slice(&parser->scratch));
    if (!p->record.p)
        return dv_err_set(err, DV_ENOMEM, "a document");
    p->body = dv_slice(p->record.p + p->record.n - p->body.n, p->body.n);
    return 0;
}

/* Also of a local document: no record yet. */
static int keep_body(struct dv_parser *parser, struct dv_prepared *p, struct dv_err *err)
{
    p->body = dv_arena_copy(&parser->batch->arena, p->body);
    return p->body.p ? 0 : dv_err_set(err, DV_ENOMEM, "a document");
}

/* ---- the document ------------------------------------------------------------------------------
 */

static int take_id(struct dv_parser *parser, const struct dv_edit *edit,
                   const struct dv_document *doc, struct dv_edit_result *r, struct dv_err *err)
{
    struct dv_slice id = edit->id;
    bool checked = id.n == 0 && doc->has_id; /* by the parser */
    struct dv_err why;
    char uuid[33];

    if (checked) {
        id = doc->id;
    } else if (id.n == 0) {
        dv_rand_uuid(uuid);
        id = dv_slice(uuid, 32);
    }
    r->id = dv_arena_copy(&parser->batch->arena, id);
    if (!r->id.p)
        return dv_err_set(err, DV_ENOMEM, "an id");
    if (checked)
        return 0;
    return dv_docid_check(r->id, &why) < 0 ? dv_refuse_err(r, &parser->batch->arena, &why) : 0;
}

/* The revision named beside the document (query, If-Match) must be the one named inside. */
static int take_rev(struct dv_parser *parser, const struct dv_edit *edit, struct dv_document *doc,
                    struct dv_edit_result *r, struct dv_err *err)
{
    struct dv_slice *id;
    struct dv_err why;
    struct dv_rev rev;
    int code;

    if (edit->rev.n == 0)
        return 0;
    id = dv_arena_array(&parser->work, 1, sizeof(*id), err);
    if (!id)
        return DV_ENOMEM;
    code = dv_rev_parse(edit->rev, &parser->work, &rev, &why);
    if (code < 0)
        return refuse_unless_fatal(parser, r, code, &why, err);
    if (doc->n_ids > 0 && !dv_rev_eq(rev, (struct dv_rev){ doc->start, doc->ids[0] }))
        return dv_refuse(r, &parser->batch->arena, DV_EINVAL,
                         "Document rev from request body and query string have different values");
    if (doc->n_ids == 0) {
        *id = rev.id;
        doc->ids = id;
        doc->n_ids = 1;
        doc->start = rev.gen;
    }
    return 0;
}

static int parse_edit(struct dv_parser *parser, const struct dv_edit *edit, struct dv_document *doc,
                      struct dv_edit_result *r, struct dv_err *err)
{
    struct dv_err why;
    int code = dv_document_parse(parser->document, edit->json, &parser->work, doc, &why);

    if (code == DV_ETOOBIG && edit->id.n > 0)
        return dv_refuse_as(r, &parser->batch->arena, code, why.http_status, why.name, "%.*s",
                            (int)edit->id.n, edit->id.p);
    if (code < 0)
        return refuse_unless_fatal(parser, r, code, &why, err);
    code = take_id(parser, edit, doc, r, err);
    if (code == 0 && r->code == 0)
        code = take_rev(parser, edit, doc, r, err);
    return code;
}

static int prepare_kind(struct dv_parser *parser, const struct dv_edit *edit, bool replicated,
                        const struct dv_document *doc, struct dv_prepared *p,
                        struct dv_edit_result *r, struct dv_err *err)
{
    int code = 0;

    if (dv_docid_is_local(p->id)) {
        prepare_local(parser, doc, p, r);
        return keep_body(parser, p, err);
    }
    p->kind = DV_PREP_EDIT;
    code = replicated ? prepare_replicated(parser, doc, p, r, err)
                      : keep_path(parser, doc, doc->n_ids ? 1 : 0, p, err);
    if (code == 0 && r->code == 0 && doc->n_atts + edit->n_attachments > 0)
        code = take_atts(parser, edit, doc, p, r, err);
    if (code == 0 && r->code == 0 && !replicated)
        code = prepare_hash(parser, p, r, err);
    if (code == 0 && r->code == 0)
        code = p->n_atts == 0 ? prepare_record(parser, p, err) : keep_body(parser, p, err);
    return code;
}

static void clear_result(struct dv_edit_result *r)
{
    r->code = 0;
    r->id = r->rev = dv_slice(NULL, 0);
    r->err = NULL;
}

int dv_prepare_edit(struct dv_parser *parser, const struct dv_edit *edit, bool replicated,
                    struct dv_prepared *p, struct dv_edit_result *r, struct dv_err *err)
{
    struct dv_document doc;
    int code;

    memset(p, 0, sizeof(*p));
    clear_result(r);
    dv_arena_reset(&parser->work);
    code = parse_edit(parser, edit, &doc, r, err);
    if (code == 0 && r->code == 0) {
        p->id = r->id;
        p->deleted = doc.deleted;
        p->body = doc.body;
        code = prepare_kind(parser, edit, replicated, &doc, p, r, err);
    }
    if (r->code < 0)
        p->kind = DV_PREP_REFUSED;
    return code;
}

int dv_prepare_attachment(struct dv_batch *b, struct dv_slice id, struct dv_slice rev,
                          const struct dv_edit_attachment *att, bool remove, struct dv_err *err)
{
    struct dv_document doc = { .n_ids = 0 };
    struct dv_edit edit = { .id = id, .rev = rev };
    struct dv_parser parser = { .db = b->db, .batch = b };
    struct dv_prepared *p = &b->edits[0];
    struct dv_edit_result *r = &b->results[0];
    struct dv_err why;
    int code;

    memset(p, 0, sizeof(*p));
    clear_result(r);
    dv_arena_init(&parser.work, DV_CALL_ARENA_BYTES);
    code = take_id(&parser, &edit, &doc, r, err);
    if (code == 0 && r->code == 0)
        code = take_rev(&parser, &edit, &doc, r, err);
    if (code == 0)
        code = keep_path(&parser, &doc, doc.n_ids, p, err);
    dv_arena_fini(&parser.work);
    if (code == 0 && r->code == 0 && dv_attachment_name_check(att->name, &why) < 0)
        dv_refuse_err(r, &b->arena, &why);
    if (code == 0 && r->code == 0 && !remove &&
        att->info.decoded_bytes > b->db->max_attachment_bytes)
        too_large(&parser, r, att->name);
    if (code == 0 && r->code == 0) {
        p->atts = dv_arena_array(&b->arena, 1, sizeof(*p->atts), err);
        code = p->atts ? copy_stored(&b->arena, att, &p->atts[0], err) : DV_ENOMEM;
    }
    p->kind = r->code < 0 ? DV_PREP_REFUSED : DV_PREP_ATTACH;
    p->id = r->id;
    p->remove = remove;
    return code;
}
